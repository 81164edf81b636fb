"""Feed damaged and hostile files to a reader, and watch what the process does meanwhile."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from table import Row

from digitcli.errors import DigitcliError
from digitcli.paths import printable

MOST_SECONDS_TO_REFUSE = 1.0
MOST_SECONDS_TO_READ = 3.0
"""Of processor time; a sound file of the largest size takes one, or two on a busy machine."""
MOST_BYTES = 512 * 1024 * 1024
_FORBIDDEN = (
    "code.__new__", "compile", "ctypes.", "exec", "ftplib.", "marshal.", "os.", "pickle.",
    "pty.", "shutil.", "smtplib.", "socket.", "subprocess.", "tempfile.", "urllib.", "webbrowser.",
)  # fmt: skip
_ALLOWED = ("os.listdir", "os.scandir")


class Watch:
    """An audit hook: what the process did, while it was on, that reading a file never needs."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            flags = arguments[2]
            harmless = isinstance(flags, int) and not flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            )
        elif event == "import":
            harmless = False
        else:
            harmless = event in _ALLOWED or not event.startswith(_FORBIDDEN)
        if not harmless:
            self.seen.append(f"{event}{arguments!r:.200}")


_watch: Watch | None = None


def watch() -> Watch:
    """Return the hook; Python has no way to take one off again."""
    global _watch
    if _watch is None:
        _watch = Watch()
    return _watch


def feed(
    fault: str,
    inputs: Iterable[bytes],
    read: Callable[[Path], None],
    *,
    name: str,
    warm_up: Callable[[Path], None],
    alone: Sequence[str] = (),
) -> Row:
    """Give each input to `read` as a file called `name` and report how it went.

    `read` must return, having checked what it read, or raise one `DigitcliError`, in no
    more than its processor time; the process must stay within `MOST_BYTES` of memory and do
    nothing but read. `warm_up` does all of its imports beforehand. `alone` is a command to which
    the path is appended, to read each input in a process of its own that ends in `report`.
    """
    outcomes: Counter[str] = Counter()
    lost: list[str] = []
    slowest: dict[str, float] = {}
    peak = 0.0
    tried = 0
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as folder:
        path = Path(folder) / name
        if not alone:
            warm_up(path)
        for number, data in enumerate(inputs):
            tried += 1
            path.write_bytes(data)
            reading = _read_alone(alone, path) if alone else once(read, path)
            outcomes[reading.outcome] += 1
            slowest[reading.outcome] = max(slowest.get(reading.outcome, 0.0), reading.seconds)
            peak = max(peak, reading.peak)
            lost += [f"input {number}: {line}" for line in reading.wrongs()]
            if not alone and reading.peak > MOST_BYTES:
                break  # the peak of this process will not fall again
    counts = ", ".join(
        f"{number:,} {outcome} (slowest {slowest[outcome]:.2f} s)"
        for outcome, number in outcomes.most_common()
    )
    seen = f"{counts}; peak {int(peak) >> 20} MiB"
    return Row(fault, tried, tuple(lost), seen)


@dataclass(frozen=True)
class Reading:
    """How one input was read: by whom, in what time and memory, and what else was done."""

    outcome: str
    text: str
    seconds: float
    peak: int
    seen: list[str]

    def wrongs(self) -> list[str]:
        """Return what must not be, a line each."""
        wrongs = []
        if self.outcome == "escaped":
            wrongs.append(self.text)
        elif self.outcome == "refused" and not (0 < len(self.text) < 1000):
            wrongs.append(f"not one clear line: {self.text[:300]!r}")
        elif self.outcome == "refused" and "\n" in printable(self.text):
            wrongs.append(f"not one line: {self.text[:300]!r}")
        refused = self.outcome == "refused"
        if self.seconds > (MOST_SECONDS_TO_REFUSE if refused else MOST_SECONDS_TO_READ):
            wrongs.append(f"{self.seconds:.2f} s")
        if self.peak > MOST_BYTES:
            wrongs.append(f"{self.peak >> 20} MiB")
        return wrongs + self.seen[:1]


def once(read: Callable[[Path], None], path: Path) -> Reading:
    """Read one file under watch."""
    hook = watch()
    hook.seen.clear()
    text = ""
    before = time.process_time()
    hook.on = True
    try:
        read(path)
        outcome = "read"
    except DigitcliError as error:
        outcome, text = "refused", str(error)
    except Exception as error:
        outcome, text = "escaped", f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        hook.on = False
    seconds = time.process_time() - before
    return Reading(outcome, text, seconds, peak_bytes(), hook.seen[:1])


def report(read: Callable[[Path], None], path: Path, warm_up: Callable[[Path], None]) -> None:
    """Read one file in this process, which is there for it alone, and tell `feed` about it."""
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as folder:
        warm_up(Path(folder) / path.name)
    resource.setrlimit(resource.RLIMIT_AS, (4 * MOST_BYTES, 4 * MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    print(json.dumps(asdict(once(read, path))))


def _read_alone(command: Sequence[str], path: Path) -> Reading:
    result = subprocess.run(
        [sys.executable, *command, os.fspath(path)], capture_output=True, text=True
    )
    if result.returncode:
        text = f"exit {result.returncode}: {result.stderr[-300:]!r}"
        return Reading("escaped", text, 0.0, 0, [])
    return Reading(**json.loads(result.stdout))


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says counts the process that this one was forked from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def mutate(original: bytes, places: list[int], rng: random.Random, others: list[bytes]) -> bytes:
    """Damage `original` in one to four places: flips, numbers, cuts, insertions, splices.

    Half of the damage is done near `places`, where the structure of the file is.
    """
    data = bytearray(original)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        if places and rng.random() < 0.6:
            at = min(max(rng.choice(places) + rng.randint(-4, 12), 0), len(data))
        match rng.randrange(10):
            case 0 | 1 | 2:
                data[at : at + 1] = rng.randbytes(1)
            case 3:
                if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
            case 4:
                size = rng.choice((1, 2, 4, 8))
                number = rng.choice(NUMBERS) & (256**size - 1)
                data[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
            case 5:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
            case 6:
                del data[at : at + rng.randint(1, 64)]
            case 7:
                if rng.random() < 0.3:
                    del data[at:]
            case 8:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start : start + rng.randint(1, 400)]
            case 9:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
    return bytes(data)
