"""Workers of Dask that are wrong, starved, stopped or killed: every picture answered, or one line.

    python faults/cluster.py

Each time a scheduler and two workers are started, and `predict --backend dask` with them. Workers
lack digitcli, have another version of it, do not see the pictures, have too little memory, or stop;
the scheduler stops. The program must answer as on one machine, or end in one line within the time
that SECURITY.md states. The pictures are hidden from a worker by a mount, which needs root.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fuzz_images import picture
from table import Row, main

PICTURES = 600
START_SECONDS = 120
HANG_SECONDS = 900
"""After which a program that does not end counts as lost."""

LACKING = """
import sys

class Lacking:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "digitcli":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking())
"""
OTHER = "import digitcli; digitcli.__version__ = '0.0.1'\n"
"""What a worker runs first, as `sitecustomize`: it has no digitcli, or another one."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and its workers, in sessions of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("dask_scheduler", "--port", port)
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, *options: str, first: str = "", hidden: Path | None = None) -> None:
        environment = dict(os.environ)
        if first:
            place = self._folder / f"site-{len(self.workers)}"
            place.mkdir()
            (place / "sitecustomize.py").write_text(first)
            environment["PYTHONPATH"] = str(place)
        before = () if hidden is None else (
            "unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{hidden}"; exec "$@"', "sh",
        )  # fmt: skip
        options = (self.address, "--nthreads", "1", *(options or ("--no-nanny",)))
        self.workers.append(self._start("dask_worker", *options, before=before, env=environment))

    def _start(
        self,
        program: str,
        *arguments: str,
        before: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        command = [*before, sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=env,
            start_new_session=True,
        )
        self._stack.callback(end, process)
        return process


def end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGSTOP)


def go_on(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGCONT)


Strike = Callable[[Cluster, random.Random], None]


def nothing(made: Cluster, rng: random.Random) -> None:
    pass


def stop_scheduler(made: Cluster, rng: random.Random) -> None:
    stop(made.scheduler)


def pause_scheduler(made: Cluster, rng: random.Random) -> None:
    stop(made.scheduler)
    time.sleep(rng.uniform(1, 10))
    go_on(made.scheduler)


def stop_worker(made: Cluster, rng: random.Random) -> None:
    stop(made.workers[0])


def stop_workers(made: Cluster, rng: random.Random) -> None:
    for worker in made.workers:
        stop(worker)


def pause_workers(made: Cluster, rng: random.Random) -> None:
    stop_workers(made, rng)
    time.sleep(rng.uniform(1, 10))
    for worker in made.workers:
        go_on(worker)


def kill_all(made: Cluster, rng: random.Random) -> None:
    for worker in made.workers:
        end(worker)


KINDS: dict[str, tuple[Strike, int, tuple[int, ...]]] = {
    "workers without digitcli": (nothing, 1, (1,)),
    "workers with another version of digitcli": (nothing, 1, (1,)),
    "workers that do not see the pictures": (nothing, 1, (3,)),
    "workers with too little memory": (nothing, 1, (0, 1, 3)),
    "a scheduler that stops and goes on": (pause_scheduler, 1, (0,)),
    "workers that stop and go on": (pause_workers, 1, (0,)),
    "a scheduler that stops for good": (stop_scheduler, 3, (1,)),
    "one of two workers that stops for good": (stop_worker, 3, (0,)),
    "workers that all stop for good": (stop_workers, 3, (1,)),
    "workers that are all killed": (kill_all, 3, (1,)),
}
"""What is done amid the answers, in which share of the count it is tried, and with which exit codes
the program may end."""


def add_workers(kind: str, made: Cluster, pictures: Path) -> None:
    for _ in range(2):
        if kind == "workers without digitcli":
            made.add_worker(first=LACKING)
        elif kind == "workers with another version of digitcli":
            made.add_worker(first=OTHER)
        elif kind == "workers that do not see the pictures":
            made.add_worker(hidden=pictures)
        elif kind == "workers with too little memory":
            made.add_worker("--nanny", "--memory-limit", "140MiB")
        else:
            made.add_worker()


@contextmanager
def furnished() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name:
        folder = Path(name)
        pictures = folder / "pictures"
        pictures.mkdir()
        for number in range(PICTURES):
            picture(number % 10, 100).save(pictures / f"{number}.png")
        yield folder, pictures


def once(kind: str, rng: random.Random) -> Generator[str, None, tuple[int, float]]:
    """Do one kind; yield what is wrong, and return the exit code and the seconds until it ended."""
    strike, _, codes = KINDS[kind]
    with furnished() as (folder, pictures), ExitStack() as stack:
        made = Cluster(folder, stack)
        add_workers(kind, made, pictures)
        command = [sys.executable, "-m", "digitcli", "predict", "--quiet"]
        with (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [*command, "--backend", "dask", "--scheduler", made.address],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
            )
        stack.callback(end_one, process)
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"pictures/0.png\n")
        process.stdin.flush()
        output = b""
        if strike is not nothing:
            output = process.stdout.readline()
            strike(made, rng)
        started = time.monotonic()
        rest = "".join(f"pictures/{number}.png\n" for number in range(1, PICTURES))
        try:
            more, _ = process.communicate(rest.encode(), HANG_SECONDS)
            output += more
        except subprocess.TimeoutExpired:
            yield "it hangs"
        seconds = time.monotonic() - started
        errors = (folder / "err").read_text()
        code = process.poll()
        if code not in codes or "Traceback" in errors or "fault in digitcli" in errors:
            yield f"exit code {code}: {errors[-500:]}"
        if code == 1 and errors.count("\n") != 1:
            yield f"not one line: {errors[-500:]}"
        if (
            code in (0, 3)
            and len(output.splitlines()) + errors.count("\n") * (code == 3) < PICTURES
        ):
            yield f"{len(output.splitlines())} answers of {PICTURES}: {errors[-500:]}"
        return -1 if code is None else code, seconds


def end_one(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def often(kind: str, count: int, rng: random.Random) -> Row:
    lost: list[str] = []
    seen: Counter[int] = Counter()
    longest = 0.0

    def tried() -> Iterator[str]:
        nonlocal longest
        code, seconds = yield from once(kind, rng)
        seen[code] += 1
        longest = max(longest, seconds)

    for _ in range(count):
        lost += [f"{kind}: {wrong}" for wrong in tried()]
    ends = ", ".join(f"{n} × exit code {code}" for code, n in sorted(seen.items()))
    return Row(f"Dask: {kind}", count, tuple(lost), f"{ends}; ended within {longest:.0f} s")


def rows(count: int, seed: int) -> Iterator[Row]:
    rng = random.Random(seed)
    for kind, (_, share, _) in KINDS.items():
        yield often(kind, max(1, count // share), rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=6))
