"""`digitcli evaluate`: how good a model is, in tables, JSON, a report and an exit code."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from digitcli.cli.completion import complete_dataset, complete_model
from digitcli.cli.environment import Environment, use_one_blas_thread
from digitcli.cli.options import (
    Backend,
    BackendOption,
    DataDir,
    ModelFile,
    PolarityOption,
    Quiet,
    SchedulerOption,
    check_backend,
    check_name,
)
from digitcli.cli.progress import show_progress
from digitcli.errors import ExitCode, UsageError
from digitcli.jsontext import dumps
from digitcli.polarity import Polarity

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from digitcli.data.dataset import Dataset
    from digitcli.evaluation.evaluate import Check, Evaluation, Unreadable
    from digitcli.model.network import Model

EXAMPLES = """\
digitcli evaluate -m model.joblib --dataset digits --fail-under 0.97
digitcli evaluate --dataset my-handwriting/ --report report.html
digitcli evaluate new.joblib --against old.joblib --format json
digitcli evaluate --table labels/ --gallery tables.png
digitcli evaluate --dataset /shared/digits/ --backend dask --scheduler tcp://head:8786
"""

_DATA: Final = "Data"
_OUTPUT: Final = "Output"
_BARS: Final = "Bars to reach"
_ROWS: Final = "Rows and tables"


class Split(StrEnum):
    """Which part of a dataset."""

    TRAIN = "train"
    TEST = "test"
    ALL = "all"


class Format(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


def command(
    context: typer.Context,
    model_file: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="The same as --model.", show_default=False),
    ] = None,
    model: ModelFile = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",  # Typer 0.27.0 would take the metavar for the name
            metavar="DATASET",
            autocompletion=complete_dataset,
            help="mnist, digits, writer:N (N drawn digits), an .npz file, an IDX file, or a folder "
            "with a sub-folder per digit.  [default: what the model was trained on, if it is "
            "mnist or digits; else mnist]",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            "--split",
            help="Part of the dataset to read.  [default: test, or all where there is no test "
            "part]",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    output: Annotated[
        Format,
        typer.Option("--format", help="Tables, or one JSON object.", rich_help_panel=_OUTPUT),
    ] = Format.TEXT,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Also write a report with pictures: one file, for any browser.",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            autocompletion=complete_model,
            metavar="MODEL",
            help="Compare with a second model on the same digits, by McNemar's exact test.",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            "--fail-under",
            metavar="FRACTION",
            help="End with exit code 4 when the accuracy is below this, such as 0.98; with --line, "
            "when fewer of the pictures are read entirely right; with --table, fewer of the cells.",
            show_default=False,
            rich_help_panel=_BARS,
        ),
    ] = None,
    fail_under_class: Annotated[
        float | None,
        typer.Option(
            "--fail-under-class",
            metavar="FRACTION",
            help="The same for the recall of each digit.",
            show_default=False,
            rich_help_panel=_BARS,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE.xml",
            help="Also write which bars were reached, in JUnit's format.",
            show_default=False,
            rich_help_panel=_BARS,
        ),
    ] = None,
    line: Annotated[
        Path | None,
        typer.Option(
            "--line",
            metavar="CSV",
            help="Read pictures of whole rows instead: a file with the columns path and text.",
            show_default=False,
            rich_help_panel=_ROWS,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            metavar="FOLDER",
            help="Read tables instead: pictures, each with a CSV file of the same name that says "
            "what its cells hold (* for one that does not count).",
            show_default=False,
            rich_help_panel=_ROWS,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery",
            metavar="FILE.png",
            help="With --line or --table, also draw every picture with what was read in it.",
            show_default=False,
            rich_help_panel=_ROWS,
        ),
    ] = None,
    polarity: PolarityOption = Polarity.AUTO,
    backend: BackendOption = Backend.LOCAL,
    scheduler: SchedulerOption = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> ExitCode:
    """Let a model read labelled digits and tell how well it did.

    What is missing of MNIST is fetched first.
    A folder's pictures are seen as predict sees them. Those that cannot be read have a line each
    on stderr and count neither as right nor as wrong; the exit code is then 3, or 4 when a bar was
    missed too.
    """
    check_name(report, ".html", "--report")
    check_name(junit, ".xml", "--junit")
    check_name(gallery, ".png", "--gallery")
    check_backend(backend, scheduler)
    _check_fraction(fail_under, "--fail-under")
    _check_fraction(fail_under_class, "--fail-under-class")
    if model_file is not None:
        source = context.get_parameter_source("model")
        if model is not None and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"two models are named, {model_file} and {model}; use --against")
        model = model_file

    if gallery is not None and line is None and table is None:
        raise UsageError("--gallery is about rows and tables; add --line or --table")
    if line is not None and table is not None:
        raise UsageError("--line and --table are evaluated apart; leave out one of them")
    of_single_digits = (dataset, split, report, against, fail_under_class, junit, scheduler)
    whole = "--line" if line is not None else "--table" if table is not None else None
    if whole and any(option is not None for option in of_single_digits):
        raise UsageError(
            f"{whole} is evaluated alone; leave out --dataset, --split, --report, --against, "
            "--fail-under-class, --junit and --backend"
        )

    if whole:
        use_one_blas_thread()
    from digitcli.data.sources import is_folder
    from digitcli.evaluation.evaluate import checks, evaluate
    from digitcli.model.modelfile import SHIPPED, is_shipped, load_model

    env = Environment(quiet=quiet)
    first = load_model(model)
    if line is not None:
        return _evaluate_rows(
            env,
            first,
            line,
            output=output,
            polarity=polarity,
            gallery=gallery,
            fail_under=fail_under,
        )
    if table is not None:
        return _evaluate_tables(
            env,
            first,
            table,
            output=output,
            polarity=polarity,
            gallery=gallery,
            fail_under=fail_under,
        )
    second = None if against is None else load_model(against)
    spec = dataset or _trained_on(first)
    from_folder = is_folder(spec)
    for option, given in (
        ("--polarity", polarity is not Polarity.AUTO),
        ("--backend dask", backend is Backend.DASK),
    ):
        if given and not from_folder:
            raise UsageError(
                f"{option} is for folders of pictures; leave it out for other datasets"
            )
    data, unreadable = _load(env, spec, data_dir, polarity, scheduler)
    if split is None:
        split = Split.TEST if len(data.part("test")) else Split.ALL
        if split is Split.ALL:
            env.say(f"{data.name} has no test part; all of it is read")
    result = evaluate(first, data, split=split, against=second, unreadable=unreadable)

    # Whether or not anyone reads the answer to its end, the files and the verdict follow.
    with contextlib.suppress(BrokenPipeError):
        _answer(env, result, output)
    bars = checks(result, fail_under, fail_under_class)
    if junit is not None:
        from digitcli.evaluation.junit import write_junit

        write_junit(result, bars, junit)
    if report is not None:
        from digitcli.evaluation.describe import describe
        from digitcli.evaluation.report import write_report

        path = SHIPPED if model is None or is_shipped(model) else model
        description = describe(first, path)
        write_report(result, report, description, originals=from_folder)
        env.say(f"report written to {report}")
    if unreadable:
        count = len(unreadable)
        env.warn(f"{count} input{'s' if count > 1 else ''} could not be read")
    short = [bar.told for bar in bars if not bar.passed]
    if short:
        env.warn("digitcli: " + "; ".join(short))
        return ExitCode.BELOW_BAR
    return ExitCode.PARTIAL if unreadable else ExitCode.OK


def _evaluate_rows(
    env: Environment,
    model: Model,
    labels: Path,
    *,
    output: Format,
    polarity: Polarity,
    gallery: Path | None,
    fail_under: float | None,
) -> ExitCode:
    """Read labelled pictures of rows, answer how many are right, and draw them all."""
    from digitcli.evaluation.lines import check_rows, evaluate_lines, read_labels
    from digitcli.evaluation.lines import gallery as draw_gallery

    labelled = read_labels(labels)
    with show_progress(env) as work:
        result = evaluate_lines(
            model,
            labelled,
            polarity=polarity,
            draw=gallery is not None,
            on_progress=lambda done, total: work.update("pictures", done, total),
        )
    if output is Format.JSON:
        env.answer(dumps({**result.to_dict(), "model": model.name}))
    else:
        env.answer(f"pictures entirely right  {result.string_accuracy:7.2%}")
        env.answer(f"rows entirely right      {result.row_accuracy:7.2%}")
        env.answer(f"digit error rate         {result.digit_error_rate:7.2%}")
    verdict = None if fail_under is None else check_rows(result, fail_under)
    errors = [reading.error for reading in result.readings if reading.error]
    return _conclude(env, errors, verdict, gallery, lambda: draw_gallery(result))


def _evaluate_tables(
    env: Environment,
    model: Model,
    folder: Path,
    *,
    output: Format,
    polarity: Polarity,
    gallery: Path | None,
    fail_under: float | None,
) -> ExitCode:
    """Read labelled pictures of tables, answer how many cells are right, and draw them all."""
    from digitcli.evaluation.tables import check_tables, evaluate_tables, read_table_labels
    from digitcli.evaluation.tables import gallery as draw_gallery

    labelled = read_table_labels(folder)
    with show_progress(env) as work:
        result = evaluate_tables(
            model,
            labelled,
            polarity=polarity,
            draw=gallery is not None,
            on_progress=lambda done, total: work.update("pictures", done, total),
        )
    scores = result.scores
    if output is Format.JSON:
        env.answer(dumps({**result.to_dict(), "model": model.name}))
    else:
        env.answer(f"numbers right     {scores.share:7.2%}  ({scores.right} of {scores.numbers})")
        env.answer(
            f"blanks right      {scores.blanks_share:7.2%}  "
            f"({scores.blanks_right} of {scores.blanks})"
        )
        env.answer(f"invented numbers  {scores.invented_share:7.2%}  of all cells")
    verdict = None if fail_under is None else check_tables(result, fail_under)
    errors = [reading.error for reading in result.readings if reading.error]
    return _conclude(env, errors, verdict, gallery, lambda: draw_gallery(result))


def _conclude(
    env: Environment,
    errors: list[str],
    verdict: Check | None,
    gallery: Path | None,
    draw: Callable[[], Image],
) -> ExitCode:
    """Tell what could not be read, write the gallery, and hold the result against the bar."""
    from digitcli.files import atomic_write

    for error in errors:
        env.warn(error)
    if gallery is not None:
        with atomic_write(gallery) as file:
            draw().save(file, format="PNG")
        env.say(f"gallery written to {gallery}")
    if verdict is not None and not verdict.passed:
        env.warn(f"digitcli: {verdict.told}")
        return ExitCode.BELOW_BAR
    return ExitCode.PARTIAL if errors else ExitCode.OK


def _load(
    env: Environment, spec: str, data_dir: Path | None, polarity: Polarity, scheduler: str | None
) -> tuple[Dataset, list[Unreadable]]:
    from digitcli.data.sources import load_dataset
    from digitcli.evaluation.evaluate import Unreadable

    unreadable = []
    with show_progress(env) as work:

        def on_error(path: str, reason: str) -> None:
            unreadable.append(Unreadable(path, reason))
            work.warn(reason if path in reason else f"{path} {reason}")

        def on_progress(done: int, total: int) -> None:
            work.update("pictures", done, total)

        if scheduler is not None:
            from digitcli.data.folder import load_folder
            from digitcli.prediction.cluster import read_on_cluster

            read = partial(read_on_cluster, scheduler=scheduler, polarity=polarity)
            data = load_folder(
                Path(spec), on_error=on_error, on_progress=on_progress, on_note=work.say, read=read
            )
        else:
            data = load_dataset(
                spec,
                data_dir=data_dir,
                polarity=polarity,
                on_error=on_error,
                on_step=work.say,
                on_progress=on_progress,
            )
    return data, unreadable


def _answer(env: Environment, result: Evaluation, output: Format) -> None:
    if output is Format.JSON:
        env.answer(dumps(result.to_dict()))
    else:
        from digitcli.cli.evaluation_tables import print_evaluation

        print_evaluation(env.answer_console, result)
    env.stdout.flush()


def _trained_on(model: Model) -> str:
    """Return the built-in dataset that the model was trained on, or ``"mnist"``."""
    data = model.metadata.get("data")
    name = data.get("name") if isinstance(data, dict) else data
    return "digits" if name == "digits" else "mnist"


def _check_fraction(bar: float | None, option: str) -> None:
    if bar is not None and not 0 <= bar <= 1:
        raise UsageError(f"{option} {bar:g} is not a fraction from 0 to 1, such as 0.98")
