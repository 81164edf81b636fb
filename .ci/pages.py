#!/usr/bin/env python3
"""Run the commands of a page, so that what it shows is what happens.

    .ci/pages.py PAGE [NOTE]

Commands are the lines that start with "$ " in the ``console`` blocks, a line that ends in a
backslash goes on in the next, and ``python`` blocks are run as they stand. A comment above a block
is its note. ``<!-- not run: reason -->`` is for people; ``<!-- exits N -->`` tells the exit code of
the last command. A block with any other note, such as ``<!-- test -->``, runs in the checkout and
only when NOTE asks for it. All others run, without NOTE, in a folder with the examples, and so does
a block that is to ``<!-- install -->``, but for the installation.
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


def commands(language: str, body: str) -> list[str]:
    """Return the commands in the body of a block."""
    if language == "python":
        return [shlex.join([sys.executable, "-c", body])]
    joined = body.replace("\\\n", " ")
    lines = [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
    # This script runs inside an environment where digitcli is installed.
    return [re.sub(r"^.*pip install \S+ && ", "", line) for line in lines]


def chosen(page: str, note: str) -> list[tuple[str, int]]:
    """Return the commands of the blocks with a note, and the exit code that each should have."""
    found = []
    for block in BLOCK.finditer(page):
        own, _, code = (block["note"] or "").removeprefix("install").partition("exits ")
        if own != note:
            continue
        lines = commands(block["language"], block["body"])
        found += [(line, 0) for line in lines[:-1]]
        found.append((lines[-1], int(code or 0)))
    return found


def main(page: str, note: str = "") -> int:
    """Run them; return 0 when each ended as the page says."""
    ran = 0
    # Users sit in the checkout; the files that they make must not end up in ours.
    with tempfile.TemporaryDirectory() as folder:
        if not note:
            for name in ("benchmarks", "examples"):
                shutil.copytree(ROOT / name, Path(folder, name))
        for command, expected in chosen((ROOT / page).read_text(encoding="utf-8"), note):
            print(f"$ {command}", flush=True)
            result = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=ROOT if note else folder,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            if result.returncode != expected:
                print(f"exit code {result.returncode}, expected {expected}")
                return 1
            ran += 1
    print(f"{ran} commands of {page} ran as it says")
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
