"""Run the tests with the lowest versions of the dependencies that pyproject.toml allows.

    python3.11 tools/lowest_versions.py [PYTEST-ARGUMENT]...

Makes a virtual environment that is removed afterwards, installs digitcli and the lower bound of
every dependency in it, prints what that is, and runs pytest. Needs the package index. Takes about
five minutes; arguments for pytest choose less. Run it with the lowest Python that is supported.
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
    wanted = [*project["dependencies"], *extras["test"], *extras["dask"]]
    pins = lower_bounds(each for each in wanted if not each.startswith(f"{project['name']}["))
    oldest = project["requires-python"].removeprefix(">=")
    running = "{}.{}".format(*sys.version_info)
    if running != oldest:
        print(f"This is Python {running}; the lowest allowed is {oldest}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="digitcli-lowest-") as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        bin = Path(folder, "Scripts" if os.name == "nt" else "bin")
        environment["PATH"] = f"{bin}{os.pathsep}{environment['PATH']}"
        python = os.fspath(bin / "python")
        install = [python, "-m", "pip", "install", "--quiet", *pins, f"{ROOT}[test,dask]"]
        subprocess.run(install, check=True, env=environment)
        listed = subprocess.run(
            [python, "-m", "pip", "list", "--format", "freeze"],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        print(f"Python {running} with", ", ".join(listed.stdout.split()), flush=True)
        tests = [python, "-m", "pytest", "-q", *pytest_arguments]
        return subprocess.run(tests, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
