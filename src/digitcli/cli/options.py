"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from digitcli.cli.completion import complete_model
from digitcli.errors import DigitcliError, UsageError
from digitcli.polarity import Polarity

WHERE: Final = "Where to run"
"""The options that say so, in help."""

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but warnings and errors.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar="DIGITCLI_DATA_DIR",
        help="Folder for fetched data.  [default: the platform's cache folder]",
        show_default=False,
    ),
]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        autocompletion=complete_model,
        envvar="DIGITCLI_MODEL",
        help="Model file, or shipped.  [default: shipped, the model inside the package]",
        show_default=False,
    ),
]


PolarityOption = Annotated[
    Polarity,
    typer.Option("--polarity", help="Whether the ink is darker or lighter than the paper."),
]


def check_name(path: Path | None, suffixes: str | tuple[str, ...], option: str) -> None:
    """Refuse a file to write whose name does not say what will be in it."""
    if path is not None and not path.name.lower().endswith(suffixes):
        allowed = suffixes if isinstance(suffixes, str) else " or ".join(suffixes)
        raise UsageError(f"{option} {path} must end in {allowed}")
    check_output(path, option)


def check_output(path: Path | None, option: str) -> None:
    """Refuse to write what is no file before the work whose result it would lose."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is not a regular file; name another")
    folder = Path(os.path.realpath(path)).parent
    if not os.path.lexists(folder):
        raise DigitcliError(
            f"{option} {path} cannot be written: there is no folder {path.parent}; make it first"
        )
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise DigitcliError(
            f"{option} {path} cannot be written: {folder} is no folder that may be written to; "
            "name another or change its permissions"
        )


def check_different(named: Mapping[str, Path | None]) -> None:
    """Refuse two options that name the same file: one would be written over the other."""
    options: dict[str, str] = {}
    for option, path in named.items():
        if path is not None:
            other = options.setdefault(os.path.realpath(path), option)
            if other != option:
                raise UsageError(f"{other} and {option} both name {path}; name two files")


def no_nan(value: float | None) -> float | None:
    """Refuse what is not a number, which no lower or upper bound does."""
    if value is not None and value != value:
        raise typer.BadParameter("nan is not a number")
    return value


class Backend(StrEnum):
    """Where the work is done."""

    LOCAL = "local"
    DASK = "dask"


BackendOption = Annotated[
    Backend,
    typer.Option(
        "--backend",
        help="Work on this machine, or on the workers of --scheduler.",
        rich_help_panel=WHERE,
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Dask scheduler whose workers see the same files.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]


def check_backend(backend: Backend, scheduler: str | None) -> None:
    """Refuse one of the two options without the other, and what is no address."""
    if (backend is Backend.DASK) != (scheduler is not None):
        raise UsageError("--backend dask and --scheduler tcp://HOST:PORT go together")
    # Dask would wait for ever to close a client that never had an address.
    if scheduler is not None and not _is_address(scheduler):
        raise UsageError(f"--scheduler {scheduler} is no address; write one like tcp://head:8786")


def _is_address(text: str) -> bool:
    address = r"((tcp|tls|ucx|ws|wss)://)?(\[[\da-fA-F:.%]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})/?"
    found = re.fullmatch(address, text, re.ASCII)
    return found is not None and 0 < int(found["port"]) < 65_536
