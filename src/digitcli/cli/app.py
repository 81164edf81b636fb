"""The command line: its commands, and the one place where every way to end is decided."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, Final, NoReturn, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from digitcli import __version__
from digitcli.cli.environment import check_address_space
from digitcli.cli.help import Command, help_text
from digitcli.errors import NO_FILES_LEFT, DigitcliError, ExitCode
from digitcli.paths import printable

COMMANDS: Final = {
    "predict": "Read the digit in each image and print it with its confidence.",
    "train": "Train a network on a dataset and print the path of its model.",
    "evaluate": "Let a model read labelled digits and tell how well it did.",
    "fetch": "Fetch MNIST's four files, verified, and print their paths.",
    "preprocess": "Make one dataset file of 28×28 digits and print its path.",
    "export": "Write a model as an ONNX file, for other programs.",
    "info": "Tell what a model is made of and how it was made.",
}
"""The commands and the first line of each one's help, so that a list needs no import of them."""

_HELP: Final = ["-h", "--help"]
_SETTINGS: Final = {"help_option_names": _HELP, "max_content_width": 100}


class _Commands(TyperGroup):
    """Knows the commands by name, and imports the module of one when it is to run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, summary in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def get_help(self, ctx: Any) -> str:
        return help_text(self, ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the whole first line of each, however narrow the terminal is."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            if name != "fetch" and not {*_HELP} & {*args}:
                check_address_space(training=name == "train")
            module = import_module(f"digitcli.cli.{name}")
            alone = typer.Typer(
                context_settings=_SETTINGS, rich_markup_mode=None, add_completion=False
            )
            # Else Typer would evaluate each annotation twice, a twentieth of its start.
            module.command.__annotations__ = get_type_hints(module.command, include_extras=True)
            epilog = _epilog(module.EXAMPLES)
            alone.command(name, cls=Command, epilog=epilog)(module.command)
            command = typer.main.get_command(alone)
        return name, command, rest


def _epilog(examples: str) -> str:
    """Return the end of a help text; the backspace keeps Click from filling the lines."""
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in examples.splitlines())


app = typer.Typer(
    name="digitcli",
    cls=_Commands,
    context_settings=_SETTINGS,
    rich_markup_mode=None,  # plain help starts in half the time
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"digitcli {__version__}\n")
        raise typer.Exit


@app.callback()
def _digitcli(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Read handwritten digits from photos, scans and drawings with a neural network."""


def main() -> NoReturn:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
    arguments = sys.argv[1:]
    if sys.platform == "win32":
        arguments = list(expanded(arguments))
    sys.exit(_flush(run(arguments)))


def expanded(arguments: list[str]) -> Iterator[str]:
    """Put the files that match in place of patterns such as ``*.png``, as a Unix shell does."""
    from glob import glob, has_magic

    for argument in arguments:
        matches = sorted(glob(argument)) if has_magic(argument) else []  # noqa: PTH207 - Path respells
        yield from matches or [argument]


def _flush(code: int) -> int:
    """Hand over what is buffered, and say so when that fails: the interpreter would not."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        _silence(sys.stdout)
        if not _is_closed_pipe(error):
            code = _fail_to_write(error)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        _silence(sys.stderr)
    return code


def run(arguments: list[str]) -> int:
    """Run the program on `arguments` and return its exit code; never raise for a user's error."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        _let_wait(stream)
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # the program was started with it closed
            _silence(stream)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _end_on_sigterm)
    ctrl_c = _CtrlC()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
        signal.signal(signal.SIGINT, ctrl_c)
    try:
        return int(app(arguments, prog_name="digitcli", standalone_mode=False) or ExitCode.OK)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # what Click makes of it
            return ExitCode.OK
        raise
    except DigitcliError as error:
        return _fail(str(error), error.exit_code)
    except MemoryError:
        return _fail("out of memory; try a smaller input or a smaller batch size")
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except Exception as error:
        if ctrl_c.came:
            return ExitCode.INTERRUPTED
        if _is_closed_pipe(error):
            _silence(sys.stdout)
            return ExitCode.OK
        # Typer's usage errors come from a copy of Click that is private to it.
        if callable(format_message := getattr(error, "format_message", None)):
            context = getattr(error, "ctx", None)
            if type(error).__name__ == "NoArgsIsHelpError":
                sys.stderr.write(f"{format_message()}\n")
                return ExitCode.USAGE
            path = context.command_path if context is not None else "digitcli"
            message = str(format_message()).rstrip(".")
            return _fail(f"{message}; see '{path} --help'", ExitCode.USAGE)
        if os.environ.get("DIGITCLI_DEBUG"):
            raise
        if isinstance(error, ModuleNotFoundError) and error.name is not None:
            package = error.name.partition(".")[0].replace("sklearn", "scikit-learn")
            return _fail(f"this needs {package}, which is not installed; pip install {package}")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return _fail(f"there are {NO_FILES_LEFT}")
        if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
            return _fail("there are too many threads; raise the limits (ulimit -u, ulimit -v)")
        if isinstance(error, OSError) and error.filename is None:
            _silence(sys.stdout)  # what is buffered would fail again
            return _fail_to_write(error)
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            return _fail(f"{error.filename} cannot be used: {reason}; check the path")
        return _fail(
            f"{type(error).__name__}: {error}; this is a fault in digitcli, please report it "
            "(DIGITCLI_DEBUG=1 shows where it happened)"
        )


def _let_wait(stream: Any) -> None:
    """Let a stream wait for its other end, when whoever made it would rather not.

    Python would leave out what does not fit into a pipe at once, and say nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.set_blocking(stream.fileno(), True)


def _is_closed_pipe(error: Exception) -> bool:
    """Whether nobody reads the output any more; Windows calls that an invalid argument."""
    if sys.platform == "win32" and isinstance(error, OSError):
        return error.errno in (errno.EPIPE, errno.EINVAL) and error.filename is None
    return isinstance(error, BrokenPipeError)


def _fail_to_write(error: Exception) -> ExitCode:
    reason = getattr(error, "strerror", None) or str(error)
    return _fail(f"the output cannot be written: {reason.lower()}; check where it goes")


def _fail(message: str, code: ExitCode = ExitCode.FAILED) -> ExitCode:
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"digitcli: error: {printable(message)}\n")
    except OSError:
        _silence(sys.stderr)
    return code


def _silence(stream: object) -> None:
    """Point a stream whose reader has gone at nothing, so that no later flush complains."""
    try:
        nothing = open(os.devnull, "w")  # noqa: SIM115
    except OSError:  # for want of open files; Python does without a stream too
        nothing = None
    if stream is sys.stdout:
        sys.stdout = nothing
    else:
        sys.stderr = nothing


class _CtrlC:
    """Handles SIGINT as Python does, and remembers it: NumPy's import would make an error of it."""

    came = False

    def __call__(self, signum: int, frame: FrameType | None) -> NoReturn:
        self.came = True
        signal.default_int_handler(signum, frame)


def _end_on_sigterm(signum: int, _frame: object) -> NoReturn:
    """Unwind, so that temporary files are removed."""
    sys.exit(128 + signum)
