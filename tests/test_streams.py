"""Signals, pipes, closed streams and bare environments: the real program as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from conftest import clean_environment
from drawings import draw_digits, drawn, save_reader

SLOW = pytest.mark.slow("processes")
PROGRAM = [sys.executable, "-m", "digitcli"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams and signals of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model, ``3.png``, and the environment to read it in."""
    save_reader(tmp_path / "reader.joblib")
    drawn(3).save(tmp_path / "3.png")
    return tmp_path


def shell(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``$P`` is the program."""
    environment = clean_environment(folder) | {"DIGITCLI_MODEL": "reader.joblib"} | environment
    return subprocess.run(
        ["sh", "-c", command.replace("$P", f"{sys.executable} -m digitcli")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        env=environment,
        text=True,
        timeout=60,
    )


def start(
    folder: Path,
    *arguments: str,
    stdin: int | IO[str] = subprocess.PIPE,
    stdout: int | IO[str] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=clean_environment(folder) | {"DIGITCLI_MODEL": "reader.joblib"},
    )


@pytest.mark.parametrize(
    "options",
    [
        "-j 1",
        pytest.param("-j 2", marks=SLOW),
        "--line",
        pytest.param("--line -j 2", marks=SLOW),
    ],
)
def test_a_closed_pipe_ends_quietly(folder: Path, options: str) -> None:
    result = shell(folder, f"(yes 3.png | $P predict {options}; echo $? >&2) | head -n 2")
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [["3.png", "3"]] * 2
    assert result.stderr == "0\n"


@pytest.mark.parametrize("arguments", ["--help", "predict --help", "info reader.joblib"])
def test_other_commands_end_quietly_at_a_closed_pipe(folder: Path, arguments: str) -> None:
    result = shell(folder, f"($P {arguments}; echo $? >&2) | true")
    assert result.stderr == "0\n"


def test_errors_that_nobody_reads_do_not_end_the_work(folder: Path) -> None:
    result = shell(folder, "{ yes missing.png | head -n 5000; echo 3.png; } >paths; "
                   "{ $P predict <paths 2>&1 >&3 | true; } 3>&1")  # fmt: skip
    assert result.stdout.split("\t")[:2] == ["3.png", "3"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["predict 3.png", "--version", "info reader.joblib"])
def test_an_answer_that_cannot_be_written_is_an_error(folder: Path, arguments: str) -> None:
    result = shell(folder, f"$P {arguments} >/dev/full")
    assert result.returncode == 1
    assert result.stderr.startswith("digitcli: error: the output cannot be written: no space left")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "code", "answers"),
    [
        ("$P predict 3.png <&-", 0, 1),
        ("$P predict 3.png >&-", 0, 0),
        ("$P predict 3.png 2>&-", 0, 1),
        ("$P predict missing.png 3.png 2>&-", 3, 1),
        ("$P predict missing.png 3.png <&- >&- 2>&-", 3, 0),
        pytest.param("$P predict -j 2 missing.png 3.png <&- 2>&-", 3, 1, marks=SLOW),
        pytest.param("$P predict --line -j 2 missing.png 3.png <&- 2>&-", 3, 1, marks=SLOW),
        ("$P predict <&-", 2, 0),
        ("$P predict --stdin-image <&-", 2, 0),
        ("$P nonsense 2>&-", 2, 0),
        ("$P --version >&-", 0, 0),
    ],
)
def test_closed_streams_change_nothing_else(
    folder: Path, command: str, code: int, answers: int
) -> None:
    result = shell(folder, command)
    assert result.returncode == code
    assert len(result.stdout.splitlines()) == answers
    assert "Traceback" not in result.stderr


def test_stdin_that_never_ends_is_answered_as_it_comes(folder: Path) -> None:
    with start(folder, "predict") as process:
        for _ in range(3):
            process.stdin.write(b"3.png\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(b"3.png\t3\t")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b""


def test_a_stdin_that_would_not_wait_is_waited_for(folder: Path) -> None:
    """Some programs, such as servers, make such pipes."""
    from_list, to_list = os.pipe()
    os.set_blocking(from_list, False)
    with open(from_list) as stdin, open(to_list, "w") as paths:
        process = start(folder, "predict", stdin=stdin)
        assert process.stdout
        for _ in range(20):
            paths.write("3.png\n")
            paths.flush()
            assert process.stdout.readline().startswith(b"3.png\t3\t")
    assert process.wait(timeout=60) == 0


def test_nothing_is_lost_in_a_pipe_that_would_not_wait(folder: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("needs pipes whose size is known")
    from_program, to_reader = os.pipe()
    os.set_blocking(to_reader, False)
    size = fcntl.fcntl(to_reader, fcntl.F_SETPIPE_SZ, 4096)
    text = shell(folder, "$P train --help").stdout
    assert len(text) > size
    with open(from_program) as answers:
        with open(to_reader, "w") as stdout:
            process = start(folder, "train", "--help", stdout=stdout)
        assert answers.read() == text
    assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_stream_of_nothing_is_refused(folder: Path) -> None:
    result = shell(folder, "$P predict </dev/zero; $P predict --stdin-image </dev/zero")
    lines = result.stderr.splitlines()
    assert "not a list of paths" in lines[0]
    assert "larger than" in lines[1]
    assert (len(lines), result.stdout) == (2, "")


def test_nothing_else_is_imported_before_ctrl_c_is_heeded(folder: Path) -> None:
    code = "import sys; old = {*sys.modules}; import digitcli.cli; print(*{*sys.modules} - old)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert {*result.stdout.split()} <= {"__future__", "digitcli", "digitcli.cli"}, result.stderr


def predict_in(folder: Path, program: str) -> subprocess.CompletedProcess[bytes]:
    """Let a Python program that ends in digitcli's `main` read a picture."""
    return subprocess.run(
        [sys.executable, "-c", program, "predict", "3.png"],
        capture_output=True,
        cwd=folder,
        env=clean_environment(folder) | {"DIGITCLI_MODEL": "reader.joblib"},
    )


@pytest.mark.parametrize("module", ["typer", "digitcli.cli.predict", "numpy", "PIL.Image"])
def test_ctrl_c_while_starting_leaves_no_traceback(folder: Path, module: str) -> None:
    code = (
        "import signal, sys, digitcli.cli\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "digitcli.cli.main()"
    )
    result = predict_in(folder, code)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("module", ["digitcli.cli.predict", "numpy"])
def test_a_signal_in_a_callback_of_an_import_ends_the_program(
    folder: Path, module: str, name: str, code: int
) -> None:
    """Where it comes then, its exception would be shown and ignored."""
    program = (
        "import signal, sys, weakref, digitcli.cli\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            thing = Interrupt()\n"
        f"            ref = weakref.ref(thing, lambda _: signal.raise_signal(signal.{name}))\n"
        "            del thing\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "digitcli.cli.main()"
    )
    result = predict_in(folder, program)
    assert (result.returncode, result.stdout, result.stderr) == (code, b"", b"")


def test_ctrl_c_of_which_an_import_makes_an_error_is_no_fault(folder: Path) -> None:
    code = (
        "import signal, sys, digitcli.cli\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy':\n"
        "            try: signal.raise_signal(signal.SIGINT)\n"
        "            except KeyboardInterrupt: raise ImportError('failed') from None\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "digitcli.cli.main()"
    )
    result = predict_in(folder, code)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_a_stopped_and_continued_process_goes_on(folder: Path) -> None:
    with start(folder, "predict") as process:
        process.stdin.write(b"3.png\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(b"3.png\n", timeout=20)
    assert output.startswith(b"3.png\t3\t")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"TERM": "dumb", "COLUMNS": "20"},
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
        pytest.param({"HOME": "/dev/null"}, marks=SLOW),
        {"NO_COLOR": "1", "PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda environment: " ".join(f"{name}={value}" for name, value in environment.items()),
)
def test_any_environment_will_do(folder: Path, environment: dict[str, str]) -> None:
    drawn(5).save(folder / "fünf.png")
    result = shell(folder, "$P predict 3.png fünf.png && $P --help && $P predict -h", **environment)
    first, second = result.stdout.splitlines()[:2]
    assert first.startswith("3.png\t3\t")
    assert second.split("\t")[1] == "5"
    assert "\x1b" not in result.stdout
    assert (result.returncode, result.stderr) == (0, "")


def test_no_home_will_do(folder: Path) -> None:
    result = shell(folder, "env -i DIGITCLI_MODEL=reader.joblib $P predict 3.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("3.png\t3\t")


def test_nothing_is_written_to_home(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o500)
    result = shell(folder, "$P predict 3.png", HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert result.returncode == 0
    assert list(home.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
@pytest.mark.parametrize("home", ["HOME=/proc", "HOME=/dev/null", "HOME="])
def test_a_home_that_cannot_be_written_is_named_by_fetch(folder: Path, home: str) -> None:
    """Even root can make nothing in /proc, nor in a file."""
    (folder / "mirror").mkdir()
    result = shell(folder, f"env -i {home} XDG_CACHE_HOME=/proc/no $P fetch --from mirror")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("digitcli: error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_tables_fit_20_columns_of_ascii(folder: Path) -> None:
    result = shell(folder, "$P info reader.joblib", COLUMNS="20", LC_ALL="C", PYTHONUTF8="0",
                   PYTHONCOERCECLOCALE="0")  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 20
    assert result.stdout.isascii()


def test_the_order_of_answers_and_errors_is_kept_where_they_meet(folder: Path) -> None:
    draw_digits(folder)
    result = shell(folder, "$P predict 1.png missing-a 2.png missing-b missing-c 4.png 2>&1")
    named = [line.split()[0] for line in result.stdout.splitlines()]
    assert named == ["1.png", "missing-a", "2.png", "missing-b", "missing-c", "4.png"]


@pytest.mark.parametrize("options", ["", "--format json"])
def test_what_is_said_of_a_picture_follows_its_answer(folder: Path, options: str) -> None:
    number = Path(__file__).parents[1] / "examples" / "rows" / "number.png"
    (folder / "number.png").write_bytes(number.read_bytes())
    result = shell(folder, f"$P predict {options} 3.png number.png missing 3.png 2>&1")
    lines = result.stdout.splitlines()
    assert lines[2].startswith("number.png holds 4 digits, of which one was read")
    assert ["number.png" in line for line in lines] == [False, True, True, False, False]


def test_a_terminal_of_20_columns_is_wide_enough(folder: Path) -> None:
    pty = pytest.importorskip("pty")
    fcntl = pytest.importorskip("fcntl")
    import struct
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
    for arguments in (["predict", "3.png", "missing.png"], ["--help"], ["predict", "-h"]):
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=folder,
            env=clean_environment(folder) | {"DIGITCLI_MODEL": "reader.joblib"},
        )
        shown = b""
        while process.poll() is None or _ready(controller):
            if _ready(controller):
                shown += os.read(controller, 65536)
        assert process.returncode == (3 if "3.png" in arguments else 0)
        assert b"Traceback" not in shown
        if "3.png" in arguments:
            assert shown.startswith(b"3.png\t3\t")
    os.close(controller)
    os.close(terminal)


@pytest.mark.parametrize(
    ("options", "shown"), [([], True), (["--jobs", "2"], True), (["--quiet"], False)]
)
def test_a_line_on_the_terminal_says_how_far_it_is_when_answers_go_elsewhere(
    folder: Path, options: list[str], shown: bool
) -> None:
    """It goes before an error is written there, and in the end."""
    said = _said_on_terminal(folder, options, stdout=subprocess.PIPE).replace(b"\r\n", b"\n")
    state = rb"\r([^\r\n]*)\x1b\[K"
    states = re.findall(state, said)
    assert (b"2 pictures" in b" ".join(states)) == shown
    assert re.sub(state, b"", said) == (
        b"missing.png cannot be read: No such file or directory; check the path\n"
    )
    if shown:
        assert b"\r\x1b[Kmissing.png" in said
        assert states[-1] == b""


def test_no_line_says_how_far_it_is_where_the_answers_are_seen(folder: Path) -> None:
    said = _said_on_terminal(folder, [], stdout=None)
    assert b"pictures" not in said
    assert b"3.png\t3\t" in said


def _said_on_terminal(folder: Path, options: list[str], *, stdout: int | None) -> bytes:
    """Return what reaches a terminal from a run that lasts a while."""
    import time

    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "predict", *options],
        stdin=subprocess.PIPE,
        stdout=stdout or terminal,
        stderr=terminal,
        cwd=folder,
        env=clean_environment(folder) | {"DIGITCLI_MODEL": "reader.joblib", "TERM": "xterm"},
    )
    assert process.stdin is not None
    answers = 0
    for path in (b"3.png\n", b"3.png\n", b"missing.png\n"):
        process.stdin.write(path)
        process.stdin.flush()
        if path == b"3.png\n" and process.stdout is not None:
            answers += process.stdout.readline().startswith(b"3.png\t3\t")
            time.sleep(1.2)  # as long as nothing is said
    process.stdin.close()
    said = b""
    while process.poll() is None or _ready(controller):
        if _ready(controller):
            said += os.read(controller, 65536)
    assert process.returncode == 3
    if process.stdout is not None:
        assert answers == 2
        process.stdout.close()
    os.close(controller)
    os.close(terminal)
    return said


def _ready(descriptor: int) -> bool:
    import select

    return bool(select.select([descriptor], [], [], 0.05)[0])


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            "train --dataset digits --hidden 16 --epochs 2 -o m.joblib",
            marks=pytest.mark.slow("training"),
        ),
        "preprocess digits",
    ],
)
def test_tables_that_nobody_reads_cost_no_answer(folder: Path, command: str) -> None:
    result = shell(folder, f"{{ {{ $P {command} 2>&1 >&3; echo $? >&4; }} | true; }} 3>&1 4>code")
    assert result.stdout == ("m.joblib\n" if command.startswith("train") else "digits.npz\n")
    assert (folder / "code").read_text() == "0\n"


@pytest.mark.parametrize("options", ["", "--stdin-image"])
def test_a_stdin_that_cannot_be_read_is_named(folder: Path, options: str) -> None:
    result = shell(folder, f"$P predict {options} 0>written")
    assert result.returncode == 1
    assert result.stderr == (
        "digitcli: error: stdin cannot be read: bad file descriptor; give it a file or a pipe\n"
    )
