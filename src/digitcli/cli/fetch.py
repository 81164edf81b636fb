"""`digitcli fetch`: get the raw data, verified."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from digitcli.cli.environment import Environment
from digitcli.cli.options import DataDir, Quiet
from digitcli.cli.progress import show_progress
from digitcli.data.download import FetchedFile, Mirror, RemoteFile, fetch
from digitcli.data.mnist import FILES, MIRRORS, mnist_folder
from digitcli.errors import ExitCode
from digitcli.paths import printable

EXAMPLES = """\
digitcli fetch
digitcli fetch --from /media/usb/mnist --from https://example.org/mnist/
"""


class Fetchable(StrEnum):
    """What can be fetched; the other datasets are files or inside scikit-learn."""

    MNIST = "mnist"


def command(
    dataset: Annotated[
        Fetchable, typer.Argument(metavar="[mnist]", help="What to fetch.")
    ] = Fetchable.MNIST,
    data_dir: DataDir = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="DIR_OR_URL",
            help="Take the files from this folder or base URL (file:, http: or https:) instead "
            "of the public mirrors; repeat it to name more, tried in order.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch again what is there and verified.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not use the network; verify what is there.")
    ] = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Fetch MNIST's four files, verified, and print their paths.

    Each is known by its size and SHA-256. What is there and verified is not fetched again; what is
    damaged is replaced. A mirror that fails is skipped with a line on stderr, and the next one
    serves.
    """
    env = Environment(quiet=quiet)
    mirrors = [Mirror.parse(source) for source in sources] if sources else MIRRORS
    with show_progress(env, in_bytes=True) as work:

        def on_start(file: RemoteFile) -> None:
            if not env.stderr_is_terminal:
                work.say(f"fetching {file.name} ({file.size:,} bytes)")

        fetched = fetch(
            FILES,
            mirrors,
            mnist_folder(data_dir),
            force=force,
            offline=offline,
            on_start=on_start,
            on_progress=lambda file, received: work.update(file.name, received, file.size),
            on_note=work.say,
        )
    _print_table(env, fetched)
    for file in fetched:
        env.answer_path(file.path)
    return ExitCode.OK


def _print_table(env: Environment, fetched: Sequence[FetchedFile]) -> None:
    if env.quiet:
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("file")
    table.add_column("size", justify="right")
    table.add_column("source", overflow="fold")
    table.add_column("verified")
    for file in fetched:
        source = "already there" if file.source is None else printable(str(file.source))
        table.add_row(file.path.name, f"{file.size:,}", Text(source), "SHA-256")
    env.console.print(table)
