"""`digitcli preprocess`: raw data or a folder of pictures to one dataset file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digitcli.cli.completion import complete_dataset
from digitcli.cli.environment import Environment
from digitcli.cli.options import DataDir, PolarityOption, Quiet, check_name
from digitcli.cli.progress import show_progress
from digitcli.data.dataset import NO_DIGIT, SPLITS, Dataset
from digitcli.data.sources import is_folder, load_dataset
from digitcli.errors import ExitCode, UsageError
from digitcli.polarity import Polarity

EXAMPLES = """\
digitcli preprocess mnist
digitcli preprocess photos/ -o photos.npz --preview seen.png
"""


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            autocompletion=complete_dataset,
            help="mnist, digits, writer:N (N drawn digits), a folder with a sub-folder per digit "
            "(0 … 9, optionally under train/ and test/), an IDX file with its pair beside it, "
            "or an .npz file.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.npz",
            help="Dataset file to write.  [default: the source's name with .npz, here]",
            show_default=False,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="SHEET.png", help="Also draw some of the digits.", show_default=False),
    ] = None,
    polarity: PolarityOption = Polarity.AUTO,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> ExitCode:
    """Make one dataset file of 28×28 digits and print its path.

    What is missing of MNIST is fetched first.
    A picture of a folder that cannot be read is left out with a line on stderr; the exit code is
    then 3.
    """
    check_name(output, ".npz", "--output")
    check_name(preview, ".png", "--preview")
    if polarity is not Polarity.AUTO and not is_folder(source):
        raise UsageError("--polarity is for folders of pictures; leave it out for other sources")
    env = Environment(quiet=quiet)
    failed = 0
    with show_progress(env) as work:

        def on_error(_path: str, reason: str) -> None:
            nonlocal failed
            failed += 1
            work.warn(reason)

        dataset = load_dataset(
            source,
            data_dir=data_dir,
            polarity=polarity,
            on_error=on_error,
            on_step=work.say,
            on_progress=lambda done, total: work.update("pictures", done, total),
        )
    written = output or Path(dataset.name.removesuffix(".npz") + ".npz")
    if written.exists() and Path(source).exists() and written.samefile(source):
        raise UsageError(f"{written} is the source itself; name another file with --output")
    dataset.save(written)
    env.answer_path(written)
    if preview is not None:
        from digitcli.data.preview import save_contact_sheet

        save_contact_sheet(dataset, preview)
        env.answer_path(preview)
    _print_counts(env, dataset)
    if failed:
        total = failed + len(dataset)
        env.warn(f"{failed} of {total} input{'s' * (total > 1)} could not be read")
        return ExitCode.PARTIAL
    return ExitCode.OK


def _print_counts(env: Environment, dataset: Dataset) -> None:
    if env.quiet:
        return
    import numpy as np
    from rich.table import Table

    parts = {split: dataset.part(split) for split in SPLITS}
    counts = {
        split: np.bincount(part.labels, minlength=NO_DIGIT + 1)
        for split, part in parts.items()
        if len(part)
    }
    table = Table("digit", show_footer=True)
    table.columns[0].footer = "all"
    for split, count in counts.items():
        table.add_column(split, justify="right", footer=f"{count.sum():,}")
    for digit in range(10):
        table.add_row(str(digit), *(f"{count[digit]:,}" for count in counts.values()))
    if any(count[NO_DIGIT] for count in counts.values()):
        table.add_row("none", *(f"{count[NO_DIGIT]:,}" for count in counts.values()))
    env.console.print(table)
