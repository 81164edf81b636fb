#!/usr/bin/env python3
"""Run the README's commands, so that what it shows is what happens.

Commands are the lines that start with "$ " in the ``console`` blocks, a line that ends in a
backslash goes on in the next, and ``python`` blocks are run as they stand. A comment above a block
says what is special about it: ``<!-- install -->`` (run by the script around this one),
``<!-- test -->`` (only with ``--test``), ``<!-- not run: reason -->``, ``<!-- exits N -->``
(for its last command).
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(?:<!-- (?P<note>.*?) -->\n)?```(?P<language>console|python)\n(?P<body>.*?)```", re.DOTALL
)


def commands(body: str) -> list[str]:
    """Return the commands in the body of a ``console`` block."""
    joined = body.replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def main() -> int:
    """Run the blocks; return 0 when each command ended as the README says."""
    testing = "--test" in sys.argv
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        # Users sit in the checkout; the files that they make must not end up in ours.
        workplace = ROOT if testing else Path(folder)
        if not testing:
            shutil.copytree(ROOT / "examples", workplace / "examples")
            shutil.copytree(ROOT / "benchmarks", workplace / "benchmarks")
        for block in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
            note = block["note"] or ""
            if note.startswith("not run") or (note == "test") != testing:
                continue
            python = shlex.join([sys.executable, "-c", block["body"]])
            lines = [python] if block["language"] == "python" else commands(block["body"])
            for command in lines:
                # This script runs inside an environment where digitcli is installed.
                command = re.sub(r"^.*pip install \S+ && ", "", command)
                expected = int(note.split()[1]) if note.startswith("exits") else 0
                print(f"$ {command}", flush=True)
                result = subprocess.run(
                    ["bash", "-o", "pipefail", "-c", command],
                    cwd=workplace,
                    stdin=subprocess.DEVNULL,
                    check=False,
                )
                if result.returncode != expected:
                    print(f"exit code {result.returncode}, expected {expected}")
                    return 1
                ran += 1
    print(f"{ran} commands of the README ran as it says")
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(main())
