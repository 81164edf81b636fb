"""`digitcli predict`: images in, digits out, a line for each as soon as it is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digitcli.cli.environment import Environment, use_one_blas_thread
from digitcli.cli.options import (
    Backend,
    BackendOption,
    ModelFile,
    PolarityOption,
    SchedulerOption,
    check_backend,
    no_nan,
)
from digitcli.errors import ExitCode, UsageError
from digitcli.polarity import Polarity

if TYPE_CHECKING:
    from digitcli.prediction.paths import Burst
    from digitcli.prediction.stream import Answers

EXAMPLES = """\
digitcli predict photo.jpg scans/ --format json
find . -name '*.jpg' -print0 | digitcli predict -0 --min-confidence 0.9
digitcli predict *.png | cut -f2
find /shared -name '*.png' | digitcli predict --backend dask --scheduler tcp://head:8786
"""


class Format(StrEnum):
    """How answers are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Images, folders of images, or - for a list of paths on stdin, which is also "
            "read when no PATH is given.",
            show_default=False,
        ),
    ] = None,
    model: ModelFile = None,
    format: Annotated[
        Format,
        typer.Option(
            "--format", help="text: path, digit and confidence between tabs; json: JSON Lines."
        ),
    ] = Format.TEXT,
    top_k: Annotated[
        int,
        typer.Option("--top-k", metavar="K", min=1, max=10, help="Give the K likeliest digits."),
    ] = 1,
    min_confidence: Annotated[
        float,
        typer.Option(
            "--min-confidence",
            metavar="P",
            min=0.0,
            max=1.0,
            callback=no_nan,
            help="Answer ? (JSON: null) when the confidence, 0 to 1, is lower.",
        ),
    ] = 0.0,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Paths on stdin end with NUL, not a line end.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also read the sub-folders of folders.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, max=256, help="Use N processes.")
    ] = 1,
    backend: BackendOption = Backend.LOCAL,
    scheduler: SchedulerOption = None,
    stdin_image: Annotated[
        bool, typer.Option("--stdin-image", help="Read one image, not paths, from stdin.")
    ] = False,
    polarity: PolarityOption = Polarity.AUTO,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="DIR",
            help="Also draw what was seen, step by step, one picture in this folder for each.",
            show_default=False,
        ),
    ] = None,
    line: Annotated[
        bool, typer.Option("--line", help="Read whole rows of digits, a line of output for each.")
    ] = False,
    length: Annotated[
        int | None,
        typer.Option("--length", metavar="N", min=1, max=99, help="Each row has N digits."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern",
            metavar="TEXT",
            help="Each row looks like this: d for any digit, or '20dd' or '[0-3]d'.",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """Read the digit in each image and print it with its confidence.

    One line per image, in input order. An image that cannot be read has its line on stderr (JSON:
    on stdout); the rest goes on, and the exit code is then 3.
    """
    env = Environment()
    use_one_blas_thread()
    if stdin_image and paths:
        raise UsageError("--stdin-image reads the one image on stdin; leave out the PATHs")
    check_backend(backend, scheduler)
    if explain is not None and explain.exists() and not explain.is_dir():
        raise UsageError(f"--explain {explain} is no folder; name one")
    if backend is Backend.DASK and (jobs > 1 or stdin_image or line):
        raise UsageError("--backend dask reads paths, and not --jobs, --line or --stdin-image")
    if line and (jobs > 1 or top_k > 1):
        raise UsageError(
            "--line reads in one process and gives one reading; leave out --jobs and --top-k"
        )
    if not paths:
        if sys.stdin is None or env.stdin.isatty():
            raise UsageError("no PATH and nothing piped to stdin; see 'digitcli predict --help'")
        paths = ["-"]
    rows_like = None
    if length is not None or pattern is not None:
        from digitcli.cli.line import row_pattern

        rows_like = row_pattern(line, length, pattern)

    from digitcli.cli.answers import AnswerWriter
    from digitcli.model.modelfile import load_model
    from digitcli.prediction.paths import cannot_read_stdin
    from digitcli.prediction.stream import MAX_STREAM_BYTES, answer_bursts, answer_image

    network = load_model(model)
    if line:
        from digitcli.cli.line import predict_rows

        return predict_rows(
            env,
            network,
            None if stdin_image else _bursts(paths, env, null=null, recursive=recursive),
            format=format.value,
            polarity=polarity,
            pattern=rows_like,
            min_confidence=min_confidence,
            explain=explain,
        )
    answers: Iterator[Answers]
    stream = None
    if stdin_image:
        try:
            stream = BytesIO(env.stdin.buffer.read(MAX_STREAM_BYTES + 1))
        except OSError as error:
            raise cannot_read_stdin(error) from None
        answers = iter([answer_image(network, stream, polarity=polarity)])
    else:
        bursts = _bursts(paths, env, null=null, recursive=recursive)
        if scheduler is not None:
            from digitcli.prediction.cluster import answer_on_cluster

            answers = answer_on_cluster(network, bursts, scheduler=scheduler, polarity=polarity)
            if not env.stdout.isatty():
                answers = _with_progress(env, answers)
        elif jobs == 1:
            answers = answer_bursts(network, bursts, polarity=polarity)
        else:
            from digitcli.prediction.workers import answer_in_processes

            answers = answer_in_processes(network, bursts, jobs=jobs, polarity=polarity)
    writer = AnswerWriter(env, format.value, top_k=top_k, min_confidence=min_confidence)
    if explain is None:
        for some in answers:
            writer.write(some)
        return ExitCode.PARTIAL if writer.failed else ExitCode.OK
    from digitcli.cli.explanations import Explanations, explain_answers

    explanations = Explanations(explain)
    unexplained = 0
    for some in answers:
        writer.write(some)
        unexplained += explain_answers(env, some, explanations, polarity=polarity, stream=stream)
    return ExitCode.PARTIAL if writer.failed or unexplained else ExitCode.OK


def _with_progress(env: Environment, answers: Iterator[Answers]) -> Iterator[Answers]:
    """Pass answers on and show how many there were."""
    from digitcli.cli.progress import show_progress

    done = 0
    with show_progress(env) as work:
        for some in answers:
            yield some
            done += len(some.paths)
            work.update("pictures", done)


def _bursts(
    arguments: list[str], env: Environment, *, null: bool, recursive: bool
) -> Iterator[Burst]:
    """Yield the paths that the arguments stand for, those of stdin in the place of ``-``."""
    from digitcli.prediction.paths import argument_paths, stream_paths

    named: list[str] = []
    for argument in arguments:
        if argument != "-":
            named.append(argument)
            continue
        yield from argument_paths(named, recursive=recursive)
        named = []
        yield from stream_paths(env.stdin.fileno(), separator=b"\0" if null else b"\n")
    yield from argument_paths(named, recursive=recursive)
