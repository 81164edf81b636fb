"""Fetching ends in verified files, whatever the mirrors do."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pooch  # noqa: F401  (imported early, so that no test's patience pays for it)
import pytest
import requests  # noqa: F401

import servers
from conftest import posix
from digitcli.data import hosts, mnist
from digitcli.data.download import CHUNK, FetchedFile, Limits, Mirror, RemoteFile, check, fetch
from digitcli.data.idx import write_idx
from digitcli.errors import DigitcliError, DownloadError, UsageError
from servers import serve

QUICK = Limits(patience=1.5, pauses=(0.01, 0.02))

FAULTS = {
    servers.not_found: "answered 404",
    servers.broken: "answered 500",
    servers.cut: "cut",
    servers.short: "ended after",
    servers.wrong_length: "announces",
    servers.other_bytes: "another file",
    servers.login_page: "announces 36 bytes instead of",
    servers.endless: "more than",
    servers.silent: "did not answer within 1.5 s",
    servers.stalling: "sent less than",
    servers.dripping: "sent less than",
    servers.dripping_head: "did not answer within 1.5 s",
    servers.redirects_for_ever: "redirects more than 5 times",
    servers.redirects_to_file: "redirects to file:",
    servers.redirects_with_endless_body: "redirects more than 5 times",
    servers.gzip_bomb: "another file",
    servers.nonsense: "cut",
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small stand-ins for MNIST's four files."""
    folder = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(1)
    for part, count in (("train", 200), ("t10k", 100)):
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    return folder


@pytest.fixture(scope="module")
def files(source: Path) -> list[RemoteFile]:
    """The stand-ins' names, sizes and hashes, in MNIST's order."""
    return [
        RemoteFile(name, len(data), hashlib.sha256(data).hexdigest())
        for name in (file.name for file in mnist.FILES)
        for data in [(source / name).read_bytes()]
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mnist"


def assert_whole(folder: Path, source: Path) -> None:
    """Assert that `folder` holds the files of `source` and nothing else."""
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in source.iterdir()
    }


@pytest.mark.parametrize(
    "answer",
    [
        servers.well,
        servers.without_length,
        servers.chunked,
        servers.gzip_label,
        servers.redirected,
        servers.broken_at_first,
    ],
)
def test_a_mirror_serves(
    answer: servers.Answer, source: Path, files: list[RemoteFile], folder: Path
) -> None:
    with serve(source, answer) as server:
        mirror = Mirror.parse(server.url)
        fetched = fetch(files, [mirror], folder, limits=QUICK)
    assert fetched == [FetchedFile(folder / file.name, file.size, mirror) for file in files]
    assert_whole(folder, source)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_mirror_that_fails_is_skipped_with_one_line(
    fault: servers.Answer, source: Path, files: list[RemoteFile], folder: Path
) -> None:
    notes: list[str] = []
    most = 0

    def on_progress(file: RemoteFile, received: int) -> None:
        nonlocal most
        most = max(most, received - file.size)

    with serve(source, fault) as bad, serve(source, servers.well) as good:
        start = time.monotonic()
        fetched = fetch(
            files,
            [Mirror.parse(bad.url), Mirror.parse(good.url)],
            folder,
            limits=QUICK,
            on_progress=on_progress,
            on_note=notes.append,
        )
        assert time.monotonic() - start < 20 * QUICK.patience
    assert [file.source for file in fetched] == [Mirror.parse(good.url)] * 4
    assert_whole(folder, source)
    assert len(notes) == 1
    assert notes[0].startswith(f"{bad.url} skipped for train-images-idx3-ubyte.gz: ")
    assert FAULTS[fault] in notes[0]
    assert len(bad.requests) <= 6  # five redirects; a demoted mirror is not asked again
    assert most <= 0  # nothing beyond the file's size is kept


def test_a_redirect_from_the_internet_into_a_private_network_is_not_followed(
    source: Path, files: list[RemoteFile], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def addresses(url: str) -> list[IPv4Address]:
        return [IPv4Address("8.8.8.8" if "//localhost:" in url else "127.0.0.1")]

    monkeypatch.setattr(hosts, "addresses", addresses)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serve(source, servers.well) as inside:

        def lure(request: servers.Request, body: bytes) -> None:
            request.head(302, Location=inside.url + request.path[1:], Content_Length=0)

        with serve(source, lure) as outside:
            public = outside.url.replace("127.0.0.1", "localhost")
            with pytest.raises(DownloadError, match="in a private network"):
                fetch(files, [Mirror.parse(public)], folder, limits=QUICK)
            assert inside.requests == []
            fetch(files, [Mirror.parse(outside.url)], folder, limits=QUICK)  # private itself
    assert_whole(folder, source)


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        ("http://8.8.4.4/x", False),
        ("http://10.0.0.1/x", True),
        ("http://169.254.169.254/latest/meta-data", True),
        ("http://[::1]:80/x", True),
        ("http://[::ffff:127.0.0.1]/x", True),
        ("http://0.0.0.0/x", True),
        ("http://2130706433/x", True),
    ],
)
def test_private_addresses_are_known_in_every_spelling(target: str, inside: bool) -> None:
    assert hosts.leads_inside("http://8.8.8.8/", target) is inside
    assert not hosts.leads_inside("http://192.168.0.1/", target)


def test_the_last_failure_names_every_mirror_and_why(
    source: Path, files: list[RemoteFile], folder: Path, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unused = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    with (
        serve(source, servers.not_found) as missing,
        serve(source, servers.broken) as broken,
        serve(source, servers.other_bytes) as other,
    ):
        urls = [missing.url, broken.url, other.url, unused, str(tmp_path / "none"), str(tmp_path)]
        with pytest.raises(DownloadError) as raised:
            fetch(files, [Mirror.parse(url) for url in urls], folder, limits=QUICK)
        assert len(missing.requests) == len(other.requests) == 1
        assert len(broken.requests) == 1 + len(QUICK.pauses)
    message = str(raised.value)
    assert "\n" not in message
    assert "train-images-idx3-ubyte.gz" in message
    assert "--from" in message
    reasons = (
        "answered 404 Not Found",
        "answered 500 Internal Server Error",
        "serves another file (SHA-256 differs)",
        "connection refused",
        "is not a folder",
        "has no such file",
    )
    for url, reason in zip(urls, reasons, strict=True):
        assert f"{url}: {reason}" in message
    assert not folder.exists() or not list(folder.iterdir())


def test_what_is_verified_is_not_fetched_again_unless_forced(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    with serve(source, servers.well) as server:
        mirrors = [Mirror.parse(server.url)]
        fetch(files, mirrors, folder)
        again = fetch(files, mirrors, folder)
        assert len(server.requests) == 4
        assert [file.source for file in again] == [None] * 4
        forced = fetch(files, mirrors, folder, force=True)
        assert len(server.requests) == 8
        assert [file.source for file in forced] == mirrors * 4
    assert_whole(folder, source)


def test_a_fetch_that_has_nothing_to_do_clears_what_killed_ones_left(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    fetch(files, [Mirror.parse(str(source))], folder)
    left = folder / f".{files[0].name}.0123456789abcdef.digitcli"
    left.mkdir()
    (left / "part").write_bytes(b"half")
    fetch(files, [], folder)
    assert_whole(folder, source)


@pytest.mark.parametrize("damage", [b"", b"x" * 50, None])
def test_a_damaged_file_is_found_and_replaced(
    damage: bytes | None, source: Path, files: list[RemoteFile], folder: Path
) -> None:
    fetch(files, [Mirror.parse(str(source))], folder)
    damaged = folder / files[2].name
    if damage is None:  # the right size, one bit changed
        data = bytearray(damaged.read_bytes())
        data[-1] ^= 1
        damage = bytes(data)
    damaged.write_bytes(damage)
    notes: list[str] = []
    with serve(source, servers.well) as server:
        fetch(files, [Mirror.parse(server.url)], folder, on_note=notes.append)
        assert server.requests == ["/" + files[2].name]
    assert_whole(folder, source)
    assert len(notes) == 1
    assert str(damaged) in notes[0]
    assert "damaged" in notes[0]


def test_a_failed_forced_fetch_leaves_the_old_files(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    fetch(files, [Mirror.parse(str(source))], folder)
    with serve(source, servers.other_bytes) as server, pytest.raises(DownloadError):
        fetch(files, [Mirror.parse(server.url)], folder, force=True, limits=QUICK)
    assert_whole(folder, source)


def test_offline_uses_what_is_there_and_folders_but_no_server(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    with serve(source, servers.well) as server:
        mirror = Mirror.parse(server.url)
        with pytest.raises(DownloadError, match=r"missing .* offline"):
            fetch(files, [mirror], folder, offline=True)
        fetched = fetch(files, [mirror, Mirror.parse(str(source))], folder, offline=True)
        assert [str(file.source) for file in fetched] == [str(source)] * 4
        fetch(files, [mirror], folder, offline=True)
        (folder / files[0].name).write_bytes(b"damaged")
        with pytest.raises(DownloadError, match=r"damaged .* offline"):
            fetch(files, [mirror], folder, offline=True)
        with pytest.raises(DownloadError, match=r"fetched again, but offline"):
            fetch(files, [mirror], folder, offline=True, force=True)
        assert not server.requests


@posix
def test_a_file_url_names_a_folder(
    files: list[RemoteFile], source: Path, folder: Path, tmp_path: Path
) -> None:
    spaced = tmp_path / "a b%20c"
    spaced.symlink_to(source)
    fetch(files, [Mirror.parse(spaced.as_uri())], folder)
    assert_whole(folder, source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_in_a_folder_is_skipped_without_waiting(
    files: list[RemoteFile], source: Path, folder: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / files[0].name)
    notes: list[str] = []
    mirrors = [Mirror.parse(str(tmp_path)), Mirror.parse(str(source))]
    fetch(files, mirrors, folder, on_note=notes.append)
    assert notes == [f"{tmp_path} skipped for {files[0].name}: is not a regular file"]


@pytest.mark.parametrize(
    "address", ["ftp://example.org/mnist/", "http://", "http://[/", "file://host/mnist", "s3://b/m"]
)
def test_other_addresses_are_wrong_usage(address: str) -> None:
    with pytest.raises(UsageError, match="neither a folder nor"):
        Mirror.parse(address)


def test_a_password_in_a_url_is_not_shown() -> None:
    mirror = Mirror.parse("https://me:secret@example.org:8443/mnist")
    assert str(mirror) == "https://example.org:8443/mnist/"


def test_two_fetches_at_once_both_end_right(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    def slowly(request: servers.Request, body: bytes) -> None:
        request.head(Content_Length=len(body))
        for start in range(0, len(body), 10_000):
            request.wfile.write(body[start : start + 10_000])
            request.wait(0.005)

    failures: list[BaseException] = []

    def run() -> None:
        try:
            fetch(files, [Mirror.parse(server.url)], folder, force=True)
        except BaseException as error:
            failures.append(error)

    with serve(source, slowly) as server:
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert_whole(folder, source)


def test_fetched_files_have_the_usual_permissions(
    source: Path, files: list[RemoteFile], folder: Path, tmp_path: Path
) -> None:
    fetch(files, [Mirror.parse(str(source))], folder)
    usual = tmp_path / "usual"
    usual.touch()
    assert {file.stat().st_mode for file in folder.iterdir()} == {usual.stat().st_mode}


def test_a_folder_that_cannot_be_written_is_named(
    source: Path, files: list[RemoteFile], tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(b"a file where the folder should be")
    with pytest.raises(DigitcliError, match=r"data/mnist/train-images.* cannot be written"):
        fetch(files, [Mirror.parse(str(source))], tmp_path / "data" / "mnist")


def test_progress_counts_the_bytes_of_each_file(
    source: Path, files: list[RemoteFile], folder: Path
) -> None:
    seen: dict[str, list[int]] = {}
    with serve(source, servers.well) as server:
        fetch(
            files,
            [Mirror.parse(server.url)],
            folder,
            on_progress=lambda file, received: seen.setdefault(file.name, []).append(received),
        )
    for file in files:
        counts = seen[file.name]
        assert counts[0] == 0
        assert counts[-1] == file.size
        assert counts == sorted(counts)
        assert max(np.diff(counts)) <= CHUNK


def test_mnist_is_loaded_from_verified_files_and_fetched_when_missing(
    source: Path, files: list[RemoteFile], tmp_path: Path
) -> None:
    steps: list[str] = []
    mirrors = [Mirror.parse(str(source))]
    dataset = mnist.load_mnist(tmp_path, files=files, mirrors=mirrors, on_step=steps.append)
    assert len(steps) == 4
    assert dataset.name == "mnist"
    assert len(dataset.part("train")) == 200
    assert len(dataset.part("test")) == 100
    assert dataset.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    steps.clear()
    mnist.load_mnist(str(tmp_path), files=files, mirrors=[], on_step=steps.append)
    assert not steps


def test_without_network_loading_mnist_says_what_to_do(tmp_path: Path) -> None:
    mirrors = [Mirror.parse(str(tmp_path / "nowhere"))]
    with pytest.raises(DownloadError) as raised:
        mnist.load_mnist(tmp_path, mirrors=mirrors)
    assert "digitcli fetch --from" in str(raised.value)
    assert "--dataset digits" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_pinned_files_are_those_of_the_shared_folder(shared_data: Path) -> None:
    for file in mnist.FILES:
        assert check(shared_data / "mnist" / file.name, file) == "verified"
