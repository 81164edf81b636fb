"""Fetch from servers that fail, kill fetches, and let two run at once, all on the loopback."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from table import Row, main

sys.path.insert(0, os.fspath(Path(__file__).resolve().parent.parent / "tests"))
import servers
from digitcli.data.download import Limits, Mirror, RemoteFile, check, fetch
from digitcli.errors import DownloadError

RIGHT = ("well", "without_length", "chunked", "gzip_label", "redirected", "broken_at_first")
WRONG = (
    "not_found", "broken", "cut", "short", "wrong_length", "other_bytes", "login_page", "endless",
    "silent", "stalling", "dripping", "dripping_head", "redirects_for_ever", "redirects_to_file",
    "redirects_with_endless_body", "gzip_bomb", "nonsense",
)  # fmt: skip
QUICK = Limits(patience=0.4, pauses=(0.02,))


def source(folder: Path, rng: random.Random) -> list[RemoteFile]:
    """Make files of random bytes to fetch."""
    folder.mkdir(parents=True)
    files = []
    for number in range(3):
        data = rng.randbytes(rng.randint(300_000, 400_000))
        (folder / f"{number}.gz").write_bytes(data)
        files.append(RemoteFile(f"{number}.gz", len(data), hashlib.sha256(data).hexdigest()))
    return files


def wrongs(folder: Path, files: list[RemoteFile], *, whole: bool) -> list[str]:
    """Return what is in `folder` and should not be, or is not there and should."""
    states = {file.name: check(folder / file.name, file) for file in files}
    lost = [f"{name} is damaged" for name, state in states.items() if state == "damaged"]
    if whole:
        lost += [f"{name} is missing" for name, state in states.items() if state == "missing"]
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if whole and names - set(states):
        lost.append(f"left {sorted(names - set(states))}")
    return lost


def faults(count: int, rng: random.Random, *, names: tuple[str, ...] = WRONG) -> Iterator[Row]:
    """Fetch from each kind of server alone, and with a good one after it."""
    for name in (*RIGHT, *names) if names is WRONG else names:
        lost: list[str] = []
        codes: Counter[str] = Counter()
        work = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
        for number in range(count):
            files = source(work / f"{number}-source", rng)[:1]
            target = work / str(number)
            with (
                servers.serve(work / f"{number}-source", getattr(servers, name)) as server,
                servers.serve(work / f"{number}-source", servers.well) as good,
            ):
                urls = [Mirror.parse(server.url)]
                if number % 2:
                    urls.append(Mirror.parse(good.url))
                started = time.perf_counter()
                try:
                    fetched = fetch(files, urls, target, limits=QUICK)
                    right = fetched[0].source == urls[-1] or name in RIGHT
                    codes["fetched" if number % 2 == 0 else "fetched from the next"] += 1
                    if not right:
                        lost.append(f"{name}: fetched from a faulty server")
                except DownloadError as error:
                    codes["refused"] += 1
                    if number % 2 or name in RIGHT or "\n" in str(error):
                        lost.append(f"{name}: {error}")
                if time.perf_counter() - started > 30:
                    lost.append(f"{name}: took {time.perf_counter() - started:.0f} s")
            lost += wrongs(target, files, whole=number % 2 == 1 or name in RIGHT)
        shutil.rmtree(work)
        seen = ", ".join(f"{n} {what}" for what, n in codes.items())
        yield Row(f"fetch: server is {name.replace('_', ' ')}", count, tuple(lost), seen)


def kills(count: int, rng: random.Random) -> Row:
    """Kill fetches at random moments; the last one, undisturbed, ends right."""
    work = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    files = source(work / "source", rng)
    folder = work / "data"
    lost: list[str] = []
    landed: Counter[str] = Counter()

    def slow(request: servers.Request, body: bytes) -> None:
        request.head(Content_Length=len(body))
        for at in range(0, len(body), 10_000):
            request.wfile.write(body[at : at + 10_000])
            if not request.wait(0.002):
                return

    with servers.serve(work / "source", slow) as server:
        for number in range(count):
            pid = os.fork()
            if not pid:
                try:
                    fetch(files, [Mirror.parse(server.url)], folder, force=rng.random() < 0.5)
                finally:
                    os._exit(0)
            time.sleep(rng.random() * 0.5)
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            litter = [p for p in folder.iterdir() if p.name[0] == "."] if folder.is_dir() else []
            landed["while it received" if litter else "otherwise"] += 1
            if len(litter) > 1:
                lost.append(f"kill {number}: {len(litter)} pieces of litter")
            lost += [f"kill {number}: {line}" for line in wrongs(folder, files, whole=False)]
        fetch(files, [Mirror.parse(server.url)], folder)
        lost += wrongs(folder, files, whole=True)
    shutil.rmtree(work)
    seen = ", ".join(f"{n} {what}" for what, n in landed.items()) + "; then fetched whole"
    return Row("SIGKILL of a fetch", count, tuple(lost), seen)


def together(count: int, rng: random.Random) -> Row:
    """Let two processes fetch the same files to the same folder at once."""
    lost: list[str] = []
    work = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    code = (
        "import sys, json; from pathlib import Path\n"
        "from digitcli.data.download import *\n"
        "files = [RemoteFile(*file) for file in json.loads(sys.argv[1])]\n"
        "fetch(files, [Mirror.parse(sys.argv[2])], Path(sys.argv[3]), force=True)\n"
    )
    import json

    for number in range(count):
        files = source(work / f"{number}-source", rng)
        told = json.dumps([[file.name, file.size, file.sha256] for file in files])
        with servers.serve(work / f"{number}-source", servers.well) as server:
            command = [sys.executable, "-c", code, told, server.url, os.fspath(work / str(number))]
            both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
            for process in both:
                _, errors = process.communicate()
                if process.returncode:
                    lost.append(f"pair {number}: {errors.decode()[-300:]}")
        lost += [f"pair {number}: {line}" for line in wrongs(work / str(number), files, whole=True)]
    shutil.rmtree(work)
    return Row("two fetches to the same folder at once", count, tuple(lost), "both ended right")


def rows(count: int, seed: int) -> Iterator[Row]:
    """Kill `count` times, and do each of the other faults a twentieth as often."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    rng = random.Random(seed)
    yield kills(count, rng)
    yield together(max(2, count // 20), rng)
    yield from faults(max(2, count // 20), rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=200))
