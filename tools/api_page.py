"""Make the page of the public Python API from its docstrings, with pdoc.

    python tools/api_page.py FOLDER

Writes FOLDER/digitcli.html. Needs ``pip install 'digitcli[docs]'``. The page is not part of the
repository, so that it cannot say anything else than the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

import digitcli


def main(folder: Path) -> None:
    """Write the page."""
    for name in digitcli.__all__:  # pdoc looks at what a module holds and asks it for nothing
        setattr(digitcli, name, getattr(digitcli, name))
    pdoc.render.configure(docformat="numpy", show_source=False)
    pdoc.pdoc("digitcli", output_directory=folder)
    print(folder / "digitcli.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
