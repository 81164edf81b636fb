"""Look up the installed packages in an index of known vulnerabilities, with pip-audit.

    python tools/audit.py [--require]

Audits the environment of the Python that runs it. pip-audit gets an environment of its own. Where
no index of advisories can be reached, or where it does not know of a vulnerability that is known,
that is said and nothing is audited: exit code 0, or 1 with ``--require``, as before a release.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

OLD = ("jinja2", "2.11.2")  # CVE-2020-28493, CVE-2024-22195, …
PYPI = f"https://pypi.org/pypi/{OLD[0]}/{OLD[1]}/json"
OSV = "https://api.osv.dev/v1/query"


def knows(service: str) -> str:
    """Return why an index of advisories is of no use, or nothing when it is."""
    query = {"package": {"name": OLD[0], "ecosystem": "PyPI"}, "version": OLD[1]}
    request = urllib.request.Request(PYPI)
    if service == "osv":
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(OSV, json.dumps(query).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = json.load(answer)
        known = content.get("vulns") or content.get("vulnerabilities")
    except (OSError, ValueError, AttributeError) as error:
        return str(error)[:100]
    return "" if known else f"it knows nothing against {OLD[0]} {OLD[1]}"


def main(arguments: list[str]) -> int:
    """Audit, and return the exit code."""
    reasons = {}
    for service in ("pypi", "osv"):
        if reason := knows(service):
            reasons[service] = reason
            continue
        with tempfile.TemporaryDirectory(prefix="digitcli-audit-") as folder:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
            install: list[str | Path] = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "pip-audit>=2.7",
            ]
            subprocess.run(install, check=True)
            audit: list[str | Path] = [
                python,
                "-m",
                "pip_audit",
                "--vulnerability-service",
                service,
            ]
            audit += ["--path", sysconfig.get_path("purelib"), "--skip-editable"]
            return subprocess.run(audit).returncode
    why = "; ".join(f"{service}: {reason}" for service, reason in reasons.items())
    print(f"SKIPPED: nothing was audited, for want of an index of advisories ({why}).")
    return 1 if "--require" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
