"""What must hold for any bytes, text or numbers: a few of each here, 10,000 when asked for.

    HYPOTHESIS_PROFILE=thorough pytest tests/test_properties.py

shows every example that was ever found to break a property, shrunk as far as it goes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pickle
import re
import struct
import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from digitcli.cli.answers import quoted
from digitcli.cli.digit_answers import DigitWriter
from digitcli.cli.environment import Environment
from digitcli.data.dataset import NO_DIGIT, SPLITS, Dataset, load_npz
from digitcli.data.idx import read_idx, write_idx
from digitcli.errors import DataError, DigitcliError, UsageError
from digitcli.model import plainpickle
from digitcli.model.plainpickle import PlainPickleError
from digitcli.paths import printable
from digitcli.prediction import paths
from digitcli.prediction.digits import DigitAnswers
from digitcli.prediction.paths import PICTURE, path_of, stream_paths
from digitcli.reading.pattern import MOST_FORMS, parse_forms
from digitcli.seeing import quantile

settings.register_profile(
    "few",
    max_examples=20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile("thorough", settings.get_profile("few"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))

ANY_TEXT = st.text(
    st.characters() | st.characters(codec=None, min_codepoint=0xDC80, max_codepoint=0xDCFF),
    max_size=30,
)
"""Any characters, and those that stand for bytes of a path that are none."""


def tried(call: Callable[[], Any], error: type[Exception]) -> tuple[Any, str]:
    """Return what a call returns, or None and the message of its error."""
    try:
        return call(), ""
    except error as raised:
        return None, str(raised)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return ways to cut a file, to put other bytes in, and to leave some out."""

    def damage(changes: list[tuple[int, int, bytes]]) -> bytes:
        changed = bytearray(whole)
        for at, left_out, put_in in changes:
            at %= len(changed) + 1
            changed[at : at + left_out] = put_in
        return bytes(changed)

    place = st.integers(0, len(whole))
    change = st.tuples(place, st.integers(0, 64) | place, st.binary(max_size=16))
    return st.lists(change, min_size=1, max_size=3).map(damage)


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# IDX ---------------------------------------------------------------------------------------------

ARRAYS = arrays.arrays(np.uint8, st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple))


@given(ARRAYS, st.sampled_from(["plain", "packed.gz"]))
def test_an_idx_file_holds_what_was_written(
    folder: Path, array: np.ndarray[Any, Any], name: str
) -> None:
    write_idx(folder / name, array)
    np.testing.assert_array_equal(read_idx(folder / name, ndim=array.ndim), array)


def idx_header(count: int, sides: list[int]) -> bytes:
    return bytes([0, 0, 8, count]) + struct.pack(f">{len(sides)}I", *sides)


HEADERS = st.builds(idx_header, st.integers(0, 4), st.lists(st.integers(0, 2**32 - 1), max_size=4))


@given(
    st.binary(max_size=80)
    | st.tuples(HEADERS, st.binary(max_size=80)).map(b"".join)
    | st.tuples(HEADERS, st.binary(max_size=80)).map(lambda parts: gzip.compress(b"".join(parts)))
    | damaged(gzip.compress(idx_header(3, [2, 2, 2]) + bytes(8))),
    st.sampled_from([1, 3]),
)
def test_any_bytes_are_an_idx_file_or_refused(folder: Path, data: bytes, ndim: int) -> None:
    path = folder / "any"
    path.write_bytes(data)
    array, error = tried(lambda: read_idx(path, ndim=ndim), DataError)
    if error:
        assert str(path) in error
    else:
        unpacked = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        assert unpacked == idx_header(ndim, list(array.shape)) + array.tobytes()


# .npz --------------------------------------------------------------------------------------------


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    count = draw(st.integers(1, 4))
    of_each = {"min_size": count, "max_size": count}
    split = np.array(draw(st.lists(st.sampled_from(SPLITS), **of_each)))
    labels = np.array(draw(st.lists(st.integers(0, NO_DIGIT), **of_each)), np.uint8)
    labels[split == "test"] %= 10  # what is no digit is there for training alone
    images = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), np.uint8)
    return Dataset(
        "any.npz",
        np.repeat(images, 28 * 28).reshape(count, 28, 28),
        labels,
        split,
        draw(st.none() | st.lists(ANY_TEXT, **of_each).map(tuple)),
    )


@given(datasets())
def test_a_dataset_holds_what_was_written(folder: Path, data: Dataset) -> None:
    data.save(folder / "any.npz")
    read = load_npz(folder / "any.npz")
    for name in ("images", "labels", "split"):
        np.testing.assert_array_equal(getattr(read, name), getattr(data, name))
    if data.paths is not None:
        # NumPy's strings end where only NULs follow, which no path has.
        assert read.paths == tuple(path.rstrip("\0") for path in data.paths)


def small_npz() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "small.npz")
        images = np.zeros((2, 28, 28), np.uint8)
        labels = np.array([3, 4], np.uint8)
        Dataset("small", images, labels, np.array(["train", "test"]), ("a", "b")).save(path)
        return path.read_bytes()


@given(damaged(small_npz()))
def test_any_bytes_are_a_dataset_or_refused(folder: Path, data: bytes) -> None:
    path = folder / "damaged.npz"
    path.write_bytes(data)
    read, error = tried(lambda: load_npz(path), DataError)
    if error:
        assert str(path) in error
        assert len(error) < 500
    else:
        assert read.images.shape == (len(read.labels), 28, 28)
        assert read.labels.max(initial=0) <= NO_DIGIT
        assert {*read.split.tolist()} <= {*SPLITS}


# plain pickles -----------------------------------------------------------------------------------

NUMBERS = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False)
LEAVES = NUMBERS | st.text(max_size=20) | st.binary(max_size=20)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def plain(tree: Any) -> Any:
    """Return a tree with bytes where it has views of them."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(plain, tree))
    return bytes(tree) if isinstance(tree, memoryview) else tree


@given(TREES, st.integers(3, 5))
@example((bytes(8),) * 3, 3)
def test_what_is_pickled_of_plain_builtins_is_read(tree: Any, protocol: int) -> None:
    """Unless the same bytes stand in it so often that they are more than the file."""
    data = pickle.dumps(tree, protocol)
    if sum(len(part) for part, _ in plainpickle.parts(tree) if isinstance(part, bytes)) > len(data):
        with pytest.raises(PlainPickleError, match="too much"):
            plainpickle.loads(data)
    else:
        assert plain(plainpickle.loads(data)) == tree


INSTRUCTIONS = st.sampled_from(
    [bytes([code]) for code in b"(N\x88\x89}])\x85\x86\x87taesu\x94.0\x81Rcib"]
    + [b"K\x01", b"M\x01\x02", b"\x8c\x01a", b"C\x01b", b"q\x00", b"h\x00", b"h\x01", b"\x80\x04"]
    + [b"G" + bytes(8), b"\x8a\x01\xff", b"X\x01\x00\x00\x00c", b"r\x01\0\0\0", b"j\x01\0\0\0"]
)


@given(
    st.binary(max_size=60)
    | st.lists(INSTRUCTIONS, max_size=30).map(b"".join).map(lambda code: code + b".")
    | TREES.flatmap(lambda tree: damaged(pickle.dumps(tree, 4)))
)
@example(b"(.")
@example(b"(\x85.")
@example(b"](a.")
@example(b"}\x8c\x01a(s.")
@example(b"\x80\x02\x95" + b"\0" * 7 + b"\x80N.")
def test_any_bytes_are_read_as_python_reads_them_or_refused(data: bytes) -> None:
    try:
        tree = plainpickle.loads(data)
    except PlainPickleError:
        return
    # What was read has no instruction that looks up a name, so that this runs no code.
    try:
        same = pickle.loads(data)
    except (pickle.UnpicklingError, OverflowError) as error:
        # a frame says so, whose length counts for nothing here
        if "truncated" in str(error) or "FRAME length" in str(error):
            return
        raise
    assert repr(plain(tree)) == repr(same)


# patterns ----------------------------------------------------------------------------------------

RANGES = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda ends: "{}-{}".format(*ends))
CHOICES = st.lists(st.integers(0, 9).map(str) | RANGES, min_size=1, max_size=3).map("".join)
PARTS = st.tuples(
    st.just("d") | st.integers(0, 9).map(str) | CHOICES.map("[{}]".format) | st.sampled_from("-. "),
    st.sampled_from(["", "", "?"]),
)


@given(st.lists(PARTS, max_size=9), st.data())
def test_the_forms_of_a_pattern_are_what_it_means_as_a_regular_expression(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = "".join(part + may for part, may in parts)
    forms, _ = tried(lambda: parse_forms(text), UsageError)
    choices = " ".join(part for part, _ in parts if part.startswith("["))
    backwards = any(first > last for first, last in re.findall(r"([0-9])-([0-9])", choices))
    if not forms or backwards:
        assert not forms
        return
    assert 1 <= len(forms) <= MOST_FORMS
    assert len({*forms}) == len(forms)
    meant = re.compile(
        "".join({"d": "[0-9]", ".": r"\."}.get(part, part) + may for part, may in parts)
    )
    form = data.draw(st.sampled_from(forms))
    assert len(form.signs) == len(form.places)
    digits = [data.draw(st.sampled_from(sorted(place))) for place in form.places]
    row = "".join(f"{sign}{digit}" for sign, digit in zip(form.signs, digits, strict=True))
    assert meant.fullmatch(row)


@given(st.text(max_size=20) | st.text("d0123456789[]-. ?", max_size=20))
def test_any_text_is_a_pattern_or_wrong_usage(text: str) -> None:
    forms, error = tried(lambda: parse_forms(text), UsageError)
    if error:
        assert "--pattern" in error
        assert len(error.splitlines()) == 1
    else:
        assert all(all(form.places) for form in forms)
        assert {*"".join(sign for form in forms for sign in form.signs)} <= {*"-. "}


# paths on stdin ----------------------------------------------------------------------------------


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=20),
    st.lists(st.integers(1, 30), min_size=1, max_size=30),
    st.sampled_from([b"\n", b"\0"]),
    st.booleans(),
)
def test_paths_arrive_whole_however_the_stream_is_cut(
    names: list[bytes], lengths: list[int], separator: bytes, ended: bool
) -> None:
    names = [piece for name in names for piece in name.split(separator) if piece]
    assume(not any(os.path.lexists(name[:-1].replace(b"\0", b"")) for name in names))
    stream = separator.join(names) + separator * ended
    chunks, at = [], 0
    while at < len(stream):
        length = lengths[len(chunks) % len(lengths)]
        chunks.append(stream[at : at + length])
        at += length
    assume(not chunks or not PICTURE.match(chunks[0]))
    with patch.object(paths, "_read", lambda _: chunks.pop(0) if chunks else b""):
        found = [path_of(item) for burst in stream_paths(0, separator=separator) for item in burst]
    assert found == [os.fsdecode(name) for name in names]


@given(st.binary(max_size=300))
def test_any_stream_is_a_list_of_paths_or_one_error(data: bytes) -> None:
    chunks = [data] if data else []
    with patch.object(paths, "_read", lambda _: chunks.pop(0) if chunks else b""):
        found, error = tried(lambda: [*chain.from_iterable(stream_paths(0))], DigitcliError)
    if error:
        assert PICTURE.match(data)
    else:
        assert all(path_of(item) for item in found)


# output ------------------------------------------------------------------------------------------


def written(format: str, answers: DigitAnswers, top_k: int) -> str:
    """Return what is printed for answers."""
    env = Environment()
    env.stdout = io.StringIO()
    DigitWriter(env, format, top_k=top_k).write(answers)
    return str(env.stdout.getvalue())


@st.composite
def answers(draw: st.DrawFn) -> DigitAnswers:
    names = draw(st.lists(ANY_TEXT, min_size=1, max_size=5))
    weights = draw(arrays.arrays(np.float32, (len(names), 10), elements=st.floats(0, 1, width=32)))
    return DigitAnswers(names, probabilities=weights)


@given(answers(), st.integers(1, 10))
def test_csv_has_a_field_for_each_thing(some: DigitAnswers, top_k: int) -> None:
    text = written("csv", some, top_k)
    assert text.replace("\n", "").isprintable()
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header[:3] == ["path", "digit", "confidence"]
    assert [line[0] for line in lines] == [printable(path) for path in some.paths]
    assert {len(line) for line in lines} == {len(header)} == {1 + 2 * top_k}


@given(answers(), st.integers(1, 10))
def test_json_and_text_have_a_line_for_each_path(some: DigitAnswers, top_k: int) -> None:
    text = written("json", some, top_k)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert [json.loads(line)["path"] for line in text.splitlines()] == some.paths
    lines = written("text", some, top_k).split("\n")
    assert lines.pop() == ""
    assert [line.split("\t")[0] for line in lines] == [printable(path) for path in some.paths]


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=20), min_size=2))
def test_quoted_fields_are_those_that_a_reader_of_csv_finds(fields: list[str]) -> None:
    line = ",".join(map(quoted, fields)) + "\n"
    assert list(csv.reader(io.StringIO(line, newline=""), strict=True)) == [fields]


@given(
    arrays.arrays(
        np.float32, st.integers(1, 400), elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1])
    ),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.sampled_from([0, 1e-4, 1]),
)
def test_a_quantile_of_many_values_is_that_of_all_of_them_sorted(
    values: np.ndarray, seed: int, share: float, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    many = rng.choice(values, quantile.MANY + int(rng.integers(3000))).reshape(-1, 1)
    many += np.float32(noise) * rng.standard_normal(many.shape, np.float32)
    ordered = np.sort(many, axis=None)
    place = share * (len(ordered) - 1)
    low = int(place)
    expected = np.interp(place - low, [0, 1], ordered[[low, min(low + 1, len(ordered) - 1)]])
    assert quantile.quantile(many, share) == pytest.approx(expected, rel=1e-6, abs=1e-7)
