"""Run the program many times at the price of few: fork a process that has imported it already.

Run as a script, this waits for requests on stdin, a line of JSON each, runs the program as they
say, and answers with the process's number and its exit code. It has one thread and nothing of
pytest. So what it forks differs from ``python -m digitcli`` in nothing but what is imported at the
start, and that is what `tests/test_startup.py` is about.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

IMPORTED = (
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "PIL.ImageSequence",
    "PIL.PngImagePlugin",
    "digitcli.cli.digit_answers",
    "digitcli.cli.evaluate",
    "digitcli.cli.evaluation_tables",
    "digitcli.cli.fetch",
    "digitcli.cli.info",
    "digitcli.cli.predict",
    "digitcli.cli.preprocess",
    "digitcli.cli.row_answers",
    "digitcli.cli.table_answers",
    "digitcli.cli.train",
    "digitcli.cli.training_display",
    "digitcli.cli.training_files",
    "digitcli.data.uci",
    "digitcli.evaluation.report",
    "digitcli.prediction.listed",
    "digitcli.prediction.stream",
    "digitcli.training.run",
    "importlib.resources.readers",
    "pooch",
    "rich.progress",
    "rich.table",
    "sklearn.datasets",
    "sklearn.neural_network",
)


@dataclass(frozen=True)
class Request:
    """What to run: arguments, folder, environment, and the files that are the streams."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    stdin: str
    stdout: str
    stderr: str


class WarmStart:
    """The process that is forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | ONE_THREAD,
        )

    def run(self, request: Request, timeout: float) -> int:
        """Run the program and return its exit code, as `subprocess.run` would.

        Raises
        ------
        subprocess.TimeoutExpired
            After so many seconds; the program is killed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
        self._process.stdin.flush()
        child = self._answer(timeout)
        try:
            return self._answer(timeout)
        except subprocess.TimeoutExpired:
            os.kill(child, signal.SIGKILL)
            self._answer(timeout)
            raise

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self, timeout: float) -> int:
        answers = self._process.stdout
        assert answers is not None
        if not select.select([answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("digitcli", timeout)
        return int(answers.raw.readline())  # type: ignore[attr-defined]


def serve() -> None:
    """Answer requests until there are no more; return in a fork that is to run the program."""
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # else each fork would copy what its collector only looks at
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(Request(**json.loads(line)))
            return
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)


def become(request: Request) -> None:
    """Give this process the arguments, folder, environment and streams of the request."""
    for descriptor, name, flags in (
        (0, request.stdin, os.O_RDONLY),
        (1, request.stdout, os.O_WRONLY),
        (2, request.stderr, os.O_WRONLY),
    ):
        opened = os.open(name, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = ["digitcli", *request.arguments]
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115


def run_and_end() -> None:
    """Run the program, and end as the interpreter would, but without taking all modules down."""
    from digitcli.cli import main

    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()
    run_and_end()
