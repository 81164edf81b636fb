"""Run the tests with the lowest versions of the dependencies that pyproject.toml allows.

    python3.11 tools/lowest_versions.py [PYTEST-ARGUMENT]...

Makes a virtual environment that is removed afterwards, installs digitcli and the lower bound of
every dependency in it, prints what that is, and runs all tests, slow ones too. Needs the package
index. Takes about five minutes; arguments for pytest choose less. Run it with the lowest Python
that is supported.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lower_bounds(requirements: Iterable[str]) -> list[str]:
    """Return ``name==version`` for the lower bound of each requirement that has one.

    A requirement without a bound is an error: nobody could say what is its lowest version.
    """
    pins = []
    for requirement in requirements:
        found = re.match(r"(?P<name>[\w.-]+)[^;]*>=\s*(?P<version>[\w.]+)", requirement)
        if not found:
            raise SystemExit(f"{requirement!r} has no lower bound; give it one in pyproject.toml")
        pins.append(f"{found['name']}=={found['version']}")
    return pins


def main(pytest_arguments: list[str]) -> int:
    """Install, print the versions, run pytest, and return its exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    tools = [each for each in extras["test"] if not each.startswith(f"{project['name']}[")]
    oldest = project["requires-python"].removeprefix(">=")
    running = "{}.{}".format(*sys.version_info)
    if running != oldest:
        print(f"This is Python {running}; the lowest allowed is {oldest}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="digitcli-lowest-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        bin = Path(folder, "Scripts" if os.name == "nt" else "bin")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment["PATH"] = f"{bin}{os.pathsep}{environment['PATH']}"
        python = os.fspath(bin / "python")

        def run(*arguments: str) -> int:
            return subprocess.run([python, *arguments], cwd=ROOT, env=environment).returncode

        # An extra may raise a bound of the program itself, so it comes afterwards, by itself.
        cluster = ["-k", "dask or cluster", *(pytest_arguments or ["tests"])]
        for more, tests in ((tools, pytest_arguments), (extras["dask"], cluster)):
            pins = lower_bounds([*project["dependencies"], *more])
            latest = {
                pin.partition("==")[0]: pin for pin in pins
            }  # the extra's where both have one
            if run("-m", "pip", "install", "--quiet", *latest.values(), os.fspath(ROOT)):
                return 1
            print(f"Python {running} with", " ".join(latest.values()), flush=True)
            if code := run("-m", "pytest", "-q", "-m", "", *tests):
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
