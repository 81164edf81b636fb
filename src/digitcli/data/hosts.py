"""Whether the host of an address is on the public internet."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def addresses(url: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of a URL's host; none where the name is not known here."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def leads_inside(url: str, target: str) -> bool:
    """Whether a redirect leads from the public internet into a private network or this machine.

    A server out there could otherwise have whatever is reachable from here asked for anything.
    """
    before, after = addresses(url), addresses(target)
    public = bool(before) and all(address.is_global for address in before)
    return public and not all(address.is_global for address in after)
