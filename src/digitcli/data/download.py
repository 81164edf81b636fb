"""Fetch files whose size and SHA-256 are known from whichever mirror serves them.

Pooch does the retrieving, the hash check and the caching; the downloader that it is given here adds
what an unreliable or hostile mirror calls for. Bytes go to a temporary folder beside their target
and get their final name only once they are verified. Nothing is unpacked on the way, so a
compressed answer cannot grow.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

import digitcli
from digitcli.data.hosts import leads_inside
from digitcli.errors import DigitcliError, DownloadError, UsageError
from digitcli.files import remove_litter, sync, temporary_folder

if TYPE_CHECKING:
    import requests

CHUNK = 64 * 1024
"""Bytes that a mirror must deliver within `Limits.patience`: the least acceptable speed."""

_MAX_REDIRECTS = 5
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class RemoteFile:
    """A file as it must be: name, size in bytes and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Mirror:
    """Where files are looked for: a folder, or the base of ``http(s):`` addresses."""

    folder: Path | None
    url: str

    @classmethod
    def parse(cls, text: str) -> Mirror:
        """Read a folder's path or a ``file:``, ``http:`` or ``https:`` base URL.

        Raises
        ------
        UsageError
            For any other scheme, and for a URL that names no host.
        """
        with contextlib.suppress(ValueError):  # such as "http://[": a malformed host
            parts = urlsplit(text)
            if parts.scheme == "file" and parts.netloc in ("", "localhost"):
                return cls(Path(url2pathname(parts.path)), text)
            if parts.scheme in ("http", "https") and parts.hostname:
                return cls(None, text.rstrip("/") + "/")
        if "://" in text:
            raise UsageError(f"--from {text} is neither a folder nor a file: or http(s): URL")
        return cls(Path(text), text)

    def __str__(self) -> str:
        """The address as it may be shown: without a user name and password."""
        if self.folder is not None:
            return str(self.folder)
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@dataclass(frozen=True)
class Limits:
    """How long to wait for a mirror.

    Parameters
    ----------
    patience
        Seconds within which a mirror must answer, and then deliver every next `CHUNK` bytes.
    pauses
        Seconds to wait before each further round over the mirrors that failed in a way that may
        pass (no connection, a cut connection, a busy server).
    """

    patience: float = 20.0
    pauses: tuple[float, ...] = (0.5, 2.0)


@dataclass(frozen=True)
class FetchedFile:
    """A verified file: where it is, its size in bytes and where it came from.

    `source` is None when the file was there already.
    """

    path: Path
    size: int
    source: Mirror | None


class _MirrorError(Exception):
    """A mirror did not serve a file; `transient` when trying again may help."""

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def fetch(
    files: Sequence[RemoteFile],
    mirrors: Sequence[Mirror],
    folder: Path,
    *,
    force: bool = False,
    offline: bool = False,
    limits: Limits | None = None,
    on_start: Callable[[RemoteFile], None] = lambda file: None,
    on_progress: Callable[[RemoteFile, int], None] = lambda file, received: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> list[FetchedFile]:
    """Make sure that verified copies of `files` are in `folder`.

    A file that is there and verified is left alone; one that is damaged is replaced. Each mirror
    is tried in order; one that fails goes to the end of the line for the files that follow.

    Parameters
    ----------
    files : the files wanted
    mirrors : where to look for them, best first
    folder : where to put them; made when missing
    force : fetch again what is there and verified
    offline : use no mirror that needs the network
    limits : how long to wait
    on_start : called once with each file that is not there
    on_progress : called with the file and the bytes received so far, 0 at the start of each try
    on_note : called with one line for each damaged file found and each mirror skipped

    Returns
    -------
    one `FetchedFile` for each of `files`, in order

    Raises
    ------
    DownloadError
        When no mirror served a file; names every mirror and why. What was there stays there.
    DigitcliError
        When `folder` cannot be written.
    """
    limits = limits or Limits()
    order = [mirror for mirror in mirrors if mirror.folder is not None or not offline]
    fetched = []
    remove_litter(folder)
    for file in files:
        target = folder / file.name
        state = "missing" if force else check(target, file)
        if state == "verified":
            fetched.append(FetchedFile(target, file.size, None))
            continue
        if state == "damaged":
            on_note(f"{target} is damaged (not the pinned SHA-256); replacing it")
        if not order:
            why = "is to be fetched again" if force else f"is {state} in {folder}"
            raise DownloadError(
                f"{file.name} {why}, but offline; "
                "leave --offline out, or give a folder that has it with --from"
            )
        on_start(file)
        source = _from_any(file, order, target, limits, on_progress, on_note)
        fetched.append(FetchedFile(target, file.size, source))
    return fetched


def check(path: Path, file: RemoteFile) -> str:
    """Return whether `path` is ``"verified"``, ``"damaged"`` or ``"missing"``.

    Raises
    ------
    DigitcliError
        When it is there but cannot be read.
    """
    try:
        if path.stat().st_size != file.size or not path.is_file():
            return "damaged"
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        raise DigitcliError(
            f"{path} cannot be read: {error.strerror}; check its permissions"
        ) from error
    return "verified" if digest == file.sha256 else "damaged"


def _from_any(
    file: RemoteFile,
    order: list[Mirror],
    target: Path,
    limits: Limits,
    on_progress: Callable[[RemoteFile, int], None],
    on_note: Callable[[str], None],
) -> Mirror:
    """Fetch `file` from the first mirror that serves it; reorder `order` as mirrors fail."""
    reasons: dict[Mirror, str] = {}
    candidates = list(order)
    for pause in (0.0, *limits.pauses):
        time.sleep(pause)
        again = []
        for mirror in candidates:
            try:
                _from_one(file, mirror, target, limits, on_progress)
            except _MirrorError as error:
                if mirror not in reasons:
                    on_note(f"{mirror} skipped for {file.name}: {error}")
                    order.remove(mirror)
                    order.append(mirror)
                reasons[mirror] = str(error)
                if error.transient:
                    again.append(mirror)
            else:
                return mirror
        candidates = again
        if not candidates:
            break
    raise DownloadError(
        f"{file.name} could not be fetched. {_summed_up(reasons)}. "
        "Check the network, or give a folder or URL that has it with --from"
    )


def _summed_up(reasons: Mapping[Mirror, str]) -> str:
    """Say why each mirror failed, once for those that failed alike."""
    alike: dict[str, list[Mirror]] = {}
    for mirror, reason in reasons.items():
        alike.setdefault(reason, []).append(mirror)
    return "; ".join(
        f"{mirrors[0] if len(mirrors) == 1 else f'{len(mirrors)} mirrors'}: {reason}"
        for reason, mirrors in alike.items()
    )


def _from_one(
    file: RemoteFile,
    mirror: Mirror,
    target: Path,
    limits: Limits,
    on_progress: Callable[[RemoteFile, int], None],
) -> None:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would announce each download on stderr
    if mirror.folder is None:
        url = mirror.url + quote(file.name)
        chunks = _from_server(url, file.size, limits.patience)
    else:
        url = mirror.folder.absolute().as_uri() + "/" + quote(file.name)
        chunks = _from_folder(mirror.folder / file.name)

    def download(_url: str, output_file: str, _pooch: object) -> None:
        received = 0
        on_progress(file, received)
        with open(output_file, "wb") as stream, contextlib.closing(chunks):
            for chunk in chunks:
                received += len(chunk)
                if received > file.size:
                    raise _MirrorError(f"sends more than the {file.size:,} bytes of the file")
                stream.write(chunk)
                on_progress(file, received)
            sync(stream)
        if received < file.size:
            raise _MirrorError(
                f"ended after {received:,} of {file.size:,} bytes", transient=mirror.folder is None
            )

    try:
        with temporary_folder(target) as staging:
            try:
                path = pooch.retrieve(
                    url, f"sha256:{file.sha256}", file.name, staging.absolute(), downloader=download
                )
            except ValueError as error:  # Pooch's word for a hash that differs
                raise _MirrorError("serves another file (SHA-256 differs)") from error
            # Pooch's temporary files are the user's alone; the folder's mode honours the umask.
            with contextlib.suppress(PermissionError):  # which some file systems do not let change
                Path(path).chmod(staging.stat().st_mode & 0o666)
            Path(path).replace(target)
    except OSError as error:
        raise DigitcliError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}; "
            "check the folder, its permissions and the free space"
        ) from error


def _from_folder(path: Path) -> Generator[bytes]:
    try:
        if path.exists() and not path.is_file():
            raise _MirrorError("is not a regular file")
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
    except FileNotFoundError:
        there = path.parent.is_dir()
        raise _MirrorError("has no such file" if there else "is not a folder") from None
    except OSError as error:
        raise _MirrorError(str(error.strerror or error).lower()) from error


def _from_server(url: str, size: int, patience: float) -> Generator[bytes]:
    """Yield a file's bytes as they come, each next `CHUNK` within `patience` seconds.

    The network is used in a thread of its own: name look-up, TLS and an answer that arrives byte
    by byte cannot be bounded otherwise. A thread that takes too long is left to end by itself.
    """
    transfer = _Transfer(url, size, patience)
    threading.Thread(target=transfer.receive, daemon=True).start()
    try:
        while True:
            try:
                item = transfer.items.get(timeout=patience)
            except queue.Empty:
                raise transfer.too_slow() from None
            if isinstance(item, _MirrorError):
                raise item
            if not item:
                return
            yield item
    finally:
        transfer.abandoned = True


class _Transfer:
    """One request, received in a thread: `items` are the chunks, then ``b""`` or the error."""

    def __init__(self, url: str, size: int, patience: float) -> None:
        self.url = url
        self.size = size
        self.patience = patience
        self.items: queue.SimpleQueue[bytes | _MirrorError] = queue.SimpleQueue()
        self.answered = False
        self.abandoned = False

    def too_slow(self) -> _MirrorError:
        if self.answered:
            return _MirrorError(f"sent less than {CHUNK // 1024} KiB in {self.patience:g} s")
        return _MirrorError(f"did not answer within {self.patience:g} s")

    def receive(self) -> None:
        import requests
        import urllib3

        try:
            with requests.Session() as session:
                self._receive_body(session)
        except _MirrorError as error:
            self.items.put(error)
        except requests.exceptions.SSLError:
            self.items.put(_MirrorError("its TLS certificate cannot be verified"))
        except requests.ConnectTimeout:
            self.items.put(_MirrorError("no connection could be made in time"))
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            self.items.put(self.too_slow())
        except ValueError:
            self.items.put(_MirrorError("is not a valid address"))
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own are OSErrors
            self.items.put(_MirrorError(_cause(error), transient=True))
        except Exception as error:  # whatever a mirror provokes, the next one is tried
            self.items.put(_MirrorError(f"cannot be read ({type(error).__name__})"))

    def _receive_body(self, session: requests.Session) -> None:
        session.headers["User-Agent"] = f"digitcli/{digitcli.__version__}"
        session.headers["Accept-Encoding"] = "identity"
        # Redirects are followed by hand: requests would read, and unpack, the body of each.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        url = self.url
        for _ in range(1 + _MAX_REDIRECTS):
            # A third of the patience each, so that a dead IPv6 route leaves time for IPv4.
            timeout = (self.patience / 3, self.patience)
            with session.get(url, stream=True, timeout=timeout) as response:
                if response.is_redirect:
                    target = urljoin(url, response.headers["Location"])
                    if urlsplit(target).scheme not in ("http", "https"):
                        raise _MirrorError(f"redirects to {target[:80]}, which is not http(s):")
                    if leads_inside(url, target):
                        raise _MirrorError(f"redirects to {target[:80]}, in a private network")
                    url = target
                    continue
                self._check_answer(response)
                self.answered = True
                received = 0
                while not self.abandoned and received <= self.size:
                    chunk = response.raw.read(CHUNK, decode_content=False)
                    self.items.put(chunk)
                    if not chunk:
                        return
                    received += len(chunk)
                return
        raise _MirrorError(f"redirects more than {_MAX_REDIRECTS} times")

    def _check_answer(self, response: requests.Response) -> None:
        if response.status_code != 200:
            raise _MirrorError(
                f"answered {response.status_code} {response.reason}"[:80],
                transient=response.status_code in _TRANSIENT_STATUS,
            )
        length = response.headers.get("Content-Length")
        if length is not None and length != str(self.size):
            raise _MirrorError(f"announces {length[:20]} bytes instead of {self.size:,}")


def _cause(error: BaseException) -> str:
    """Return what the operating system said at the bottom of a connection error."""
    reason = "the connection was cut"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return reason
