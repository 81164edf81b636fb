"""Use the program as nobody should, or as an attacker would: one line, the right code, no loss.

Outputs go where no file can be, inputs come from FIFOs, devices and loops of links, options and
variables hold nonsense, streams are closed, full or endless, the disk is full, and signals come
while each command works. Whatever happens, the exit code must be one that fits, no traceback or
warning of Python may be seen, an error must be one line, and what was there before must still be.
"""

# ruff: noqa: E501 - the tables of commands

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fuzz_images import encoded, picture
from kill_writers import small_disk
from table import Row, main

TRAIN = "train --dataset digits --epochs 1 --hidden 4"
COMMANDS = (
    "predict 3.png", "predict 3.png --format json", "predict --line 3.png", "info m.joblib",
    "info m.joblib --format json", "evaluate m.joblib --dataset six.npz",
    "evaluate m.joblib --dataset six.npz --format json", "preprocess six.npz -o again.npz",
    f"{TRAIN} -o new.joblib", "fetch --offline --data-dir empty", "--help", "predict --help",
    "--version", "evaluate --line rows.csv",
)  # fmt: skip
OUTPUTS = (
    ("predict 3.png --explain {}", ""), ("predict --line 3.png --explain {}", ""),
    ("preprocess six.npz -o {}", ".npz"), ("preprocess six.npz -o again.npz --preview {}", ".png"),
    ("evaluate m.joblib --dataset six.npz --report {}", ".html"),
    ("evaluate m.joblib --dataset six.npz --junit {}", ".xml"),
    ("evaluate --line rows.csv --gallery {}", ".png"), (TRAIN + " -o {}", ""),
    (TRAIN + " --history {}", ".csv"), (TRAIN + " --history {}", ".json"),
    (TRAIN + " --preview {}", ".png"), ("fetch --from mirror --data-dir {}", ""),
)  # fmt: skip
INPUTS = (
    "predict {}", "predict --line {}", "predict -r {}", "predict 3.png -m {}", "info {}",
    "evaluate {} --dataset six.npz", "evaluate m.joblib --dataset {}", "evaluate --line {}",
    "evaluate m.joblib --against {} --dataset six.npz", "preprocess {} -o again.npz",
    TRAIN.replace("digits", "{}"), TRAIN + " --init-from {}", "fetch --from {} --data-dir new",
    "predict < {}", "predict --stdin-image < {}", "predict --line --stdin-image < {}",
)  # fmt: skip
THINGS = (
    "fifo", "folder", "loop", "dangling", "to-fifo", "/dev/null", "/dev/full", "/proc/no",
    "3.png/below", "locked/file", "x" * 256, "a\nb\x1b[31m", "ü\udcff", "''", "-", "../" * 40 + "no",
)  # fmt: skip
SOURCES = (
    "fifo", "folder", "loop", "dangling", "loops", "/dev/null", "/dev/zero", "/dev/full", "/proc/no",
    "3.png/below", "x" * 300, "empty", "''", "nul.csv", "long.csv", "quote.csv", "latin.csv", "3.png",
    "m.joblib", "six.npz", "/proc/self/mem", "hole", "classes",
)  # fmt: skip
FOLDERS = ("folder", "loops", "empty", "classes")
OPTIONS = tuple(
    f"{TRAIN} {options}" for options in (
        "--learning-rate nan", "--learning-rate inf", "--learning-rate 1e300", "--momentum nan",
        "--validation nan", "--alpha nan", "--alpha 1e300", "--checkpoint-interval nan",
        "--epochs 99999999999999999999", "--batch-size 99999999999999999999", "--seed -1",
        "--warmup-epochs 99999999999999999999", "--patience 99999999999999999999",
        "--hidden 16384,16384,16384", "--hidden ''", "--hidden 0", "--hidden 1e3", "--members 65",
        "--members 64 --hidden 2048,2048", "--augmentation rotation=nan", "--augmentation x=1",
        "--augmentation ,,,", "--features ''", "--jobs 999999999", "--history .csv -q",
        "--scheduler junk --backend dask", "--search 1", "--dtype int8", "--recipe ''",
    )
) + tuple(
    f"predict 3.png {options}" for options in (
        "--min-confidence nan", "--min-confidence 2", "--top-k 11", "-j 0", "-j 257", "--format x",
        "--line --pattern [", "--line --pattern ''", "--line --pattern " + "d" * 9999,
        "--line --pattern " + "[0-9]" * 2000, "--line --length 99", "--length 3", "--polarity x",
        "--scheduler '' --backend dask", "--scheduler foo://x:1 --backend dask",
        "--scheduler tls://127.0.0.1:1 --backend dask", "--explain m.joblib", "--null --null",
    )
) + (
    "evaluate m.joblib --fail-under nan --dataset six.npz", "fetch --from ftp://x/", "fetch --from x:",
    "evaluate m.joblib --fail-under-class 7 --dataset six.npz", "fetch --from http://[::1",
    "fetch --from http://127.0.0.1:1/ --data-dir new", "fetch --from http://\x1b[31m/",
    "preprocess six.npz -o six.npz", "preprocess six.npz -o six.txt", "predict ''",
    "printf '3.png\\0' | @ predict", "printf '3.png\\n\\n\\n' | @ predict -r -",
)  # fmt: skip
VARIABLES = (
    "COLUMNS=junk", "COLUMNS=-1", "COLUMNS=0", "COLUMNS=99999999999", "LINES=junk", "TERM=junk",
    "TERM=", "NO_COLOR=", "FORCE_COLOR=1", "OPENBLAS_NUM_THREADS=-5", "TMPDIR=/no", "LANG=junk",
    "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", "LC_ALL=xx_YY.latin1", "TZ=junk",
    "XDG_CACHE_HOME=relative", "HOME=", "HOME=/no", "HOME=/dev/null", "TERMINAL_WIDTH=junk",
    "PYTHONIOENCODING=ascii", "PYTHONOPTIMIZE=2", "PYTHONUNBUFFERED=1", "PYTHONWARNINGS=error",
    "DIGITCLI_MODEL=", "DIGITCLI_DATA_DIR=", "HTTP_PROXY=junk", "_TYPER_COMPLETE_ARGS=x",
    "TTY_COMPATIBLE=1", "JOBLIB_TEMP_FOLDER=/no", "SSL_CERT_FILE=/no",
)  # fmt: skip
STREAMS = (
    "@ <&-", "@ >&-", "@ 2>&-", "@ <&- >&- 2>&-", "@ >/dev/full", "@ 2>/dev/full", "@ | true",
    "@ 2>&1 | true", "@ </dev/zero", "yes | @", "@ >out 2>out",
)  # fmt: skip


@dataclass
class Tally:
    """What came of many uses, for one row."""

    folder: Path
    tried: int = 0

    def __post_init__(self) -> None:
        self.lost: list[str] = []
        self.codes: Counter[int] = Counter()

    def row(self, fault: str) -> Row:
        counts = ", ".join(
            f"{number} × exit code {code}" for code, number in sorted(self.codes.items())
        )
        return Row(fault, self.tried, tuple(self.lost), counts)

    def use(self, command: str, variables: str = "", *, streams: str = "@") -> None:
        """Run a shell command in which ``@`` is the program; with none it is its arguments."""
        program = f"{variables} ./program"
        whole = (command if "@" in command else streams.replace("@", f"@ {command}")).replace(
            "@", program.strip()
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DIGITCLI")}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "XDG_CACHE_HOME": os.fspath(self.folder / "c")}
        environment.pop("PYTHONUNBUFFERED", None)
        CODE.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["sh", "-c", whole], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            out, errors = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.lost.append(f"{whole[:300]}: did not end")
            return
        if not CODE.exists():  # the shell could not even open stdin
            return
        self.tried += 1
        code = int(CODE.read_text())
        self.codes[code] += 1
        lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line]
        told = [line for line in lines if line.startswith("digitcli: error:")]
        wrongs = {
            f"exit code {code}": code not in (0, 1, 2, 3, 4),
            "Python shows": any("Traceback" in line or "Warning:" in line for line in lines),
            "a fault": any("fault in digitcli" in line for line in lines),
            "errors": len(told) > 1 or (code in (1, 2) and not told and "2>" not in whole),
            "raw escapes": b"\x1b[31m" in errors  # a path on stdout is for a script, and stays
            or (b"\x1b[31m" in out and "predict" in whole),
        }
        named = whole[:200]
        self.lost += [
            f"{named}: {wrong}: {lines[-2:]}"[:500] for wrong, is_so in wrongs.items() if is_so
        ]
        self._check_folder(named)

    def _check_folder(self, named: str) -> None:
        """Nothing that was there may have changed, and no litter may stay."""
        for name, content in PRECIOUS.items():
            path = self.folder / name
            if not path.is_file() or path.read_bytes() != content:
                self.lost.append(f"{named}: {name} is not what it was")
                path.write_bytes(content)
        litter = [path.name for path in self.folder.rglob(".*.digitcli")]
        self.lost += [f"{named}: left {name}" for name in litter]
        for name in ("again.npz", "new.joblib", "model.joblib", "model.joblib.checkpoint", "out"):
            (self.folder / name).unlink(missing_ok=True)


CODE = Path(tempfile.gettempdir(), f"digitcli-faults-code-{os.getpid()}")
"""Where the exit code is noted: not on the disk that is full."""
PRECIOUS: dict[str, bytes] = {}


def furnish(folder: Path) -> None:
    """Make a folder with all that the commands above name."""
    import numpy as np

    from digitcli.data.dataset import Dataset
    from digitcli.model.modelfile import save_model
    from digitcli.model.network import Model, Network

    rng = np.random.default_rng(1)
    save_model(Model((Network(
        (rng.normal(0, 0.1, (784, 6)).astype(np.float32), rng.normal(0, 1, (6, 10)).astype(np.float32)),
        (np.zeros(6, np.float32), np.zeros(10, np.float32)),
    ),), {"seed": 1}), folder / "m.joblib")  # fmt: skip
    images = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    split = np.array(["train", "test"] * 10)
    Dataset("six", images, (np.arange(20) % 10).astype(np.uint8), split).save(folder / "six.npz")
    (folder / "3.png").write_bytes(encoded(picture(), "PNG"))
    texts = {
        "rows.csv": b"path,text\n3.png,3\n", "nul.csv": b"path,text\n\0,\0\n",
        "long.csv": b"path,text\n" + b"x" * 200_000 + b",3\n", "quote.csv": b'path,text\n"3.png,3\n',
        "latin.csv": b"path,text\n\xe4\xff.png,3\n",
    }  # fmt: skip
    for name, content in texts.items():
        (folder / name).write_bytes(content)
    for name in ("m.joblib", "six.npz", "3.png", *texts):
        PRECIOUS[name] = (folder / name).read_bytes()
    for name in ("folder", "empty", "mirror", "locked", "loops", "classes"):
        (folder / name).mkdir()
    os.mkfifo(folder / "fifo")
    for name, target in (("loop", "loop"), ("dangling", "no/where"), ("to-fifo", "fifo"),
                         ("loops/up", ".."), ("loops/self", "self")):  # fmt: skip
        (folder / name).symlink_to(target)
    for digit in range(10):  # a labelled folder of nothing good
        (folder / "classes" / f"{digit}").symlink_to("../loops" if digit % 2 else "../fifo")
    with (folder / "hole").open("wb") as file:
        file.truncate(2**40)
    (folder / "locked").chmod(0o500)
    program = folder / "program"  # keeps its exit code, also within a pipe
    program.write_text(f'#!/bin/sh\n{sys.executable} -m digitcli "$@"\necho $? >{CODE}\n')
    program.chmod(0o700)


def signals(count: int, rng: random.Random, folder: Path) -> Row:
    """End each command by each signal at a random moment, its start included."""
    tally = Tally(folder)
    (folder / "many").write_text("3.png\n" * 500)
    commands = ("predict - <many", TRAIN.replace("epochs 1", "epochs 300") + " -o new.joblib -q", "evaluate m.joblib --dataset digits",
                "preprocess digits -o again.npz --preview again.png",
                "fetch --from http://127.0.0.1:9/ --data-dir new")  # fmt: skip
    for number in range(count):
        sent = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)[number % 4]
        command = commands[number // 4 % len(commands)]
        tally.tried += 1
        process = subprocess.Popen(
            ["sh", "-c", f"exec {sys.executable} -m digitcli {command}"], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        time.sleep(rng.random() * 3)
        process.send_signal(sent)
        try:
            _, errors = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            tally.lost.append(f"{sent.name} to {command}: did not end")
        tally.codes[process.returncode] += 1
        if b"Traceback" in errors or process.returncode not in (0, 1, 130, 143, -sent):
            named = f"{sent.name} to {command}: {process.returncode}: {errors.decode()[-300:]}"
            if not (b"<frozen" in errors or b"site.py" in errors):  # before the program began
                tally.lost.append(named)
        if sent not in (signal.SIGINT, signal.SIGTERM):  # a killed process leaves litter
            from digitcli.files import remove_litter

            remove_litter(folder)
        tally._check_folder(f"{sent.name} to {command}")
    return tally.row("SIGINT, SIGTERM, SIGHUP or SIGPIPE at any moment of 5 commands")


def full_disk(count: int, rng: random.Random) -> Row | None:
    """Run each command that writes on a disk with little room or none."""
    disk = small_disk()
    if disk is None:
        return None
    try:
        furnish(disk)
        tally = Tally(disk)
        ballast = disk / "ballast"
        for number in range(count):
            command, suffix = OUTPUTS[number % len(OUTPUTS)]
            if command.startswith("fetch"):
                continue
            status = os.statvfs(disk)
            room = 4096 * rng.randrange(1, 12)
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - room)
            tally.use(command.format("new" + suffix))
            ballast.unlink()
            for path in disk.glob("new*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return tally.row("commands on a full disk (tmpfs)")
    finally:
        subprocess.run(["umount", os.fspath(disk)], check=True)
        disk.rmdir()


def uses(
    pairs: Sequence[tuple[str, str, str]], share: float, rng: random.Random, fault: str
) -> Row:
    """Use each command, or a share of them, in a furnished folder."""
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name:
        folder = Path(name)
        furnish(folder)
        tally = Tally(folder)
        for command, variables, streams in pairs:
            # a shell that opens a FIFO itself waits for a writer
            if rng.random() < share and not command.endswith("< fifo"):
                tally.use(command, variables, streams=streams)
        with suppress(OSError):
            (folder / "locked").chmod(0o700)
        return tally.row(fault)


def quoted(text: str) -> str:
    return text if text == "''" or text.isalnum() else "'" + text.replace("'", "'\\''") + "'"


def rows(count: int, seed: int) -> Iterator[Row]:
    """Do about `count` in a hundred of all combinations."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    rng = random.Random(seed)
    share = count / 100
    outputs = [(command.format(quoted(thing if thing == "''" else thing + suffix)), "", "@")
               for command, suffix in OUTPUTS for thing in THINGS]  # fmt: skip
    yield uses(outputs, share, rng, "outputs onto FIFOs, devices, folders, loops, odd names")
    inputs = [
        (command.format(quoted(thing)), "", "@") for command in INPUTS for thing in SOURCES
        if not ("<" in command and thing in FOLDERS)  # Python itself refuses such a stdin
    ]  # fmt: skip
    yield uses(inputs, share, rng, "inputs from FIFOs, devices, folders, loops, wrong files")
    yield uses([(option, "", "@") for option in OPTIONS], share, rng, "options that hold nonsense")
    junk = [(command, value, "@") for command in COMMANDS[::2] for value in VARIABLES]
    yield uses(junk, share, rng, "environment variables that hold nonsense")
    streams = [(command, "", stream) for command in COMMANDS for stream in STREAMS]
    yield uses(streams, share, rng, "streams closed, full, endless or left")
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name:
        furnish(Path(name))
        yield signals(count, rng, Path(name))
    if row := full_disk(max(12, count // 2), rng):
        yield row


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=100))
