"""`digitcli predict`: images in, digits out, a line for each as soon as it is known."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, StrEnum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from digitcli.cli.environment import Environment, use_one_blas_thread
from digitcli.cli.options import (
    WHERE,
    Backend,
    BackendOption,
    ModelFile,
    PolarityOption,
    Quiet,
    SchedulerOption,
    check_backend,
    no_nan,
)
from digitcli.errors import ExitCode, UsageError
from digitcli.polarity import Polarity

if TYPE_CHECKING:
    from digitcli.cli.answers import AnswerWriter
    from digitcli.model.network import Model
    from digitcli.prediction.paths import Burst
    from digitcli.prediction.readings import A, Reading
    from digitcli.reading.pattern import Form

EXAMPLES = """\
digitcli predict photo.jpg scans/ --format json
find . -name '*.jpg' -print0 | digitcli predict -0 --min-confidence 0.9
digitcli predict *.png | cut -f2
digitcli predict scans/ --sort sorted/
digitcli predict --line pages/ --pattern '20dd' --jobs 2
digitcli predict --table sheet.jpg > sheet.csv
find /shared -name '*.png' | digitcli predict --backend dask --scheduler tcp://head:8786
"""

SURE: Final = 0.9
"""Confidence from which --sort takes a digit for known, if nobody says otherwise."""

_INPUT: Final = "Input"
_ANSWERS: Final = "Answers"
_ROWS: Final = "Rows and tables"


class Format(StrEnum):
    """How answers are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class Read(Enum):
    """What is read in each picture."""

    DIGITS = auto()
    ROWS = auto()
    TABLES = auto()


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Images, folders of images, or - for a list of paths on stdin, which is also "
            "read when no PATH is given.",
            show_default=False,
        ),
    ] = None,
    model: ModelFile = None,
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="text: path, digit and confidence between tabs; json: JSON Lines.",
            rich_help_panel=_ANSWERS,
        ),
    ] = Format.TEXT,
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k",
            metavar="K",
            min=1,
            max=10,
            help="Give the K likeliest digits; with --line in JSON only.",
            rich_help_panel=_ANSWERS,
        ),
    ] = 1,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            metavar="P",
            min=0.0,
            max=1.0,
            callback=no_nan,
            help="Answer ? (JSON: null) when the confidence, 0 to 1, is lower.  [default: 0; "
            "with --sort 0.9]",
            show_default=False,
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    null: Annotated[
        bool,
        typer.Option(
            "--null",
            "-0",
            help="Paths on stdin end with NUL, not a line end.",
            rich_help_panel=_INPUT,
        ),
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            "-r",
            help="Also read the sub-folders of folders.",
            rich_help_panel=_INPUT,
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            max=256,
            help="Use N processes.",
            rich_help_panel=WHERE,
        ),
    ] = 1,
    backend: BackendOption = Backend.LOCAL,
    scheduler: SchedulerOption = None,
    stdin_image: Annotated[
        bool,
        typer.Option(
            "--stdin-image", help="Read one image, not paths, from stdin.", rich_help_panel=_INPUT
        ),
    ] = False,
    polarity: PolarityOption = Polarity.AUTO,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="DIR",
            help="Also draw what was seen, step by step, one picture in this folder for each.",
            show_default=False,
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    sort: Annotated[
        Path | None,
        typer.Option(
            "--sort",
            metavar="DIR",
            help="Also copy each picture into DIR/0 … DIR/9 by its digit, or into DIR/unsure: a "
            "dataset for train and evaluate, once it is corrected. Nothing there is replaced.",
            show_default=False,
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="With --sort, make links, not copies.", rich_help_panel=_ANSWERS
        ),
    ] = False,
    line: Annotated[
        bool,
        typer.Option(
            "--line",
            help="Read whole rows of digits, a line of output for each.",
            rich_help_panel=_ROWS,
        ),
    ] = False,
    length: Annotated[
        int | None,
        typer.Option(
            "--length",
            metavar="N",
            min=1,
            max=99,
            help="Each row has N digits.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern",
            metavar="TEXT",
            help="Each row looks like this: d for any digit, or '20dd' or '[0-3]d'; - . and a "
            "space for signs, ? after what may be left out.",
            show_default=False,
            rich_help_panel=_ROWS,
        ),
    ] = None,
    signs: Annotated[
        bool,
        typer.Option(
            "--signs",
            help="With --line, also write the minus, the decimal point, and a space between two "
            "numbers.",
            rich_help_panel=_ROWS,
        ),
    ] = False,
    table: Annotated[
        bool,
        typer.Option(
            "--table", help="Read tables of numbers, and print each as CSV.", rich_help_panel=_ROWS
        ),
    ] = False,
    unread: Annotated[
        str,
        typer.Option(
            "--unread",
            metavar="TEXT",
            help="With --table, what stands for a cell that holds something else than a number.",
            show_default=False,
            rich_help_panel=_ROWS,
        ),
    ] = "",
    quiet: Quiet = False,
) -> ExitCode:
    """Read the digit in each image and print it with its confidence.

    One line per image, or with --line per row of digits, or with --table per row of a table, in
    input order. An image that cannot be read has its line on stderr (JSON: on stdout); the rest
    goes on, and the exit code is then 3.
    """
    env = Environment(quiet=quiet)
    use_one_blas_thread()
    if stdin_image and paths:
        raise UsageError("--stdin-image reads the one image on stdin; leave out the PATHs")
    check_backend(backend, scheduler)
    if explain is not None and explain.exists() and not explain.is_dir():
        raise UsageError(f"--explain {explain} is no folder; name one")
    if backend is Backend.DASK and (jobs > 1 or stdin_image):
        raise UsageError("--backend dask reads paths, and not --jobs or --stdin-image")
    if line and top_k > 1 and format is not Format.JSON:
        raise UsageError(
            "--top-k gives digits for each place of a row, which only JSON has room for; "
            "add --format json"
        )
    if not paths:
        if sys.stdin is None or env.stdin.isatty():
            raise UsageError("no PATH and nothing piped to stdin; see 'digitcli predict --help'")
        paths = ["-"]
    forms = _row_forms(line, length, pattern)
    signs |= any(form.has_signs for form in forms or ())
    _check_kinds(table=table, line=line, unread=unread, top_k=top_k, signs=signs)
    _check_sort(sort, link=link, stdin_image=stdin_image, digits=not (line or table))
    if min_confidence is None:
        min_confidence = 0.0 if sort is None else SURE

    from digitcli.model.modelfile import load_model
    from digitcli.prediction.paths import stream_image

    read = Read.TABLES if table else Read.ROWS if line else Read.DIGITS
    reading, kind = _reading(
        load_model(model), polarity, read, forms=forms, signs=signs, unread=unread
    )
    bursts: Iterable[Burst]
    if stdin_image:
        bursts, jobs = [[stream_image(env.stdin.buffer)]], 1
    else:
        bursts = _bursts(paths, env, null=null, recursive=recursive)
    answers: Iterator[Any] = _answers(env, reading, bursts, jobs=jobs, scheduler=scheduler)
    # On a terminal the answers themselves show how far it is.
    if not (quiet or env.stdout.isatty()) and (env.stderr_is_terminal or scheduler is not None):
        answers = _with_progress(env, answers)
    writer = kind(env, format.value, top_k=top_k, min_confidence=min_confidence)
    failed = 0
    explanations, folder = None, None
    if explain is not None:
        from digitcli.cli.explanations import Explanations, explain_answers

        explanations = Explanations(explain)
    if sort is not None:
        from digitcli.cli.sorting import SortedFolder, sort_answers

        folder = SortedFolder(sort, link=link)
    for some in answers:
        writer.write(some)
        if explanations is not None:
            failed += explain_answers(env, reading, some, explanations)
        if folder is not None:
            failed += sort_answers(env, some, folder, min_confidence=min_confidence)
    if folder is not None:
        env.say(folder.summary())
    return ExitCode.PARTIAL if writer.failed or failed else ExitCode.OK


def _reading(
    model: Model,
    polarity: Polarity,
    read: Read,
    *,
    forms: tuple[Form, ...] | None,
    signs: bool,
    unread: str,
) -> tuple[Reading[Any], Callable[..., AnswerWriter[Any]]]:
    """Return what is to be read, and what writes it."""
    if read is Read.TABLES:
        from digitcli.cli.table_answers import TableWriter
        from digitcli.prediction.tables import TableReading

        return TableReading(model, polarity), partial(TableWriter, unread=unread)
    if read is Read.ROWS:
        from digitcli.cli.row_answers import RowWriter
        from digitcli.prediction.rows import RowReading

        return RowReading(model, polarity, forms), partial(RowWriter, signs=signs)
    from digitcli.cli.digit_answers import DigitWriter
    from digitcli.prediction.digits import DigitReading

    return DigitReading(model, polarity), DigitWriter


def _check_sort(sort: Path | None, *, link: bool, stdin_image: bool, digits: bool) -> None:
    """Check the options that are about sorting.

    Raises
    ------
    UsageError
        If they contradict others.
    """
    if sort is None:
        if link:
            raise UsageError("--link is about what --sort makes; add --sort DIR")
        return
    if not digits:
        raise UsageError("--sort is about lone digits; leave it out with --line and --table")
    if stdin_image:
        raise UsageError("--sort copies files; give the path of the picture, not --stdin-image")
    if os.path.lexists(sort) and not sort.is_dir():
        raise UsageError(f"--sort {sort} is no folder; name one")


def _check_kinds(*, table: bool, line: bool, unread: str, top_k: int, signs: bool) -> None:
    """Check the options that are about rows or tables.

    Raises
    ------
    UsageError
        If they contradict each other.
    """
    if unread and not table:
        raise UsageError("--unread is about the cells of tables; add --table")
    if table and line:
        raise UsageError("--table and --line read different things; leave out one of them")
    if table and top_k > 1:
        raise UsageError("--top-k is about lone digits and rows; leave it out with --table")
    if signs and not line:
        raise UsageError("--signs is about rows of digits; add --line")


def _row_forms(line: bool, length: int | None, pattern: str | None) -> tuple[Form, ...] | None:
    """Return what ``--length`` and ``--pattern`` allow, None for anything.

    Raises
    ------
    UsageError
        If they are given without ``--line`` or contradict each other.
    """
    if length is None and pattern is None:
        return None
    if not line:
        raise UsageError("--length and --pattern are about rows of digits; add --line")
    if length is not None and pattern is not None:
        raise UsageError("--pattern says the length too; leave out --length")
    from digitcli.reading.pattern import parse_forms

    return parse_forms("d" * (length or 0) if pattern is None else pattern)


def _answers(
    env: Environment,
    reading: Reading[A],
    bursts: Iterable[Burst],
    *,
    jobs: int,
    scheduler: str | None,
) -> Iterator[A]:
    """Yield the answers from wherever the work is done: here, in processes, or on a cluster."""
    if scheduler is not None:
        from digitcli.prediction.cluster import answer_on_cluster

        return answer_on_cluster(reading, bursts, scheduler=scheduler)
    if jobs > 1:
        from digitcli.prediction.workers import answer_in_processes

        return answer_in_processes(reading, bursts, jobs=jobs)
    from digitcli.prediction.stream import answer_bursts

    return answer_bursts(reading, bursts)


def _with_progress(env: Environment, answers: Iterator[A]) -> Iterator[A]:
    """Pass answers on and say how many there were."""
    from digitcli.cli.progress import Counter

    done = 0
    with contextlib.closing(Counter(env)) as counter:
        for some in answers:
            yield some
            done += len(some.paths)
            counter.update(done)


def _bursts(
    arguments: list[str], env: Environment, *, null: bool, recursive: bool
) -> Iterator[Burst]:
    """Yield the paths that the arguments stand for, those of stdin in the place of ``-``."""
    from digitcli.prediction.listed import with_folders
    from digitcli.prediction.paths import argument_paths, stream_paths

    named: list[str] = []
    for argument in arguments:
        if argument != "-":
            named.append(argument)
            continue
        yield from argument_paths(named, recursive=recursive)
        named = []
        listed = stream_paths(env.stdin.fileno(), separator=b"\0" if null else b"\n")
        yield from with_folders(listed, recursive=recursive)
    yield from argument_paths(named, recursive=recursive)
