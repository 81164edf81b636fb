"""Paths to answers inside the process: order, batches, bursts, the quick way for MNIST's form."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import posix
from digitcli.errors import DigitcliError, ImageError
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.prediction import digits, paths
from digitcli.prediction.digits import BATCH, DigitAnswers, DigitReading
from digitcli.prediction.listed import with_folders
from digitcli.prediction.paths import (
    Burst,
    Source,
    Unreadable,
    argument_paths,
    stream_image,
    stream_paths,
)
from digitcli.prediction.stream import answer_bursts
from digitcli.reading import digit as digit_reading
from digitcli.reading.digit import Seen, read_digit
from digitcli.seeing.form import has_mnist_form
from digitcli.seeing.ready import in_mnist_form, plain_scanlines, undo_filters
from drawings import draw_digits, mnist_form, save_reader


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(save_reader(tmp_path / "reader.joblib"))


@pytest.fixture
def reading(model: Model) -> DigitReading:
    return DigitReading(model)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is answered when it is full, however slow the machine is."""
    monkeypatch.setattr(digits, "PATIENCE", 1e9)


def see_with(monkeypatch: pytest.MonkeyPatch, see: Callable[[str], Seen]) -> None:
    """Have pictures seen by `see`, which takes a path."""
    monkeypatch.setattr(digit_reading, "see_digit", lambda file, **_: see(file))


def png(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.usefixtures("patient")
def test_many_at_once_are_answered_as_each_alone(tmp_path: Path, reading: DigitReading) -> None:
    paths = [*draw_digits(tmp_path / "drawn"), *draw_digits(tmp_path / "ready", ready=True)]
    shifted = tmp_path / "shifted.png"
    Image.fromarray(np.roll(mnist_form(3), (3, 4), (0, 1))).save(shifted)
    burst: Burst = [*map(str, paths), "missing.png", str(shifted), str(paths[0])]
    (answers,) = answer_bursts(reading, [burst], first_batch=BATCH)
    assert answers.paths == burst
    assert list(answers.errors) == [20]
    for place, path in enumerate(burst):
        if place != 20:
            (alone,) = answer_bursts(reading, [[str(path)]])
            np.testing.assert_allclose(
                answers.probabilities[place], alone.probabilities[0], atol=1e-6
            )


@pytest.mark.usefixtures("patient")
def test_empty_pictures_are_errors_in_the_quick_way_too(
    tmp_path: Path, reading: DigitReading
) -> None:
    for name, value in (("black.png", 0), ("white.png", 255)):
        Image.new("L", (28, 28), value).save(tmp_path / name)
    names = [str(tmp_path / "black.png"), str(tmp_path / "white.png")]
    (answers,) = answer_bursts(reading, [names])
    for place, name in enumerate(names):
        with pytest.raises(ImageError) as error:
            read_digit(name)
        assert answers.errors[place] == str(error.value)


@pytest.mark.parametrize("polarity", Polarity)
@pytest.mark.parametrize("inverted", [False, True])
def test_polarity_means_the_same_in_the_quick_way(
    tmp_path: Path, model: Model, polarity: Polarity, inverted: bool
) -> None:
    path = str(tmp_path / "4.png")
    Image.fromarray(mnist_form(4) ^ (255 if inverted else 0)).save(path)
    (answers,) = answer_bursts(DigitReading(model, polarity), [[path]])
    source = Source(path, Path(path).read_bytes(), path)  # which has no quick way
    (expected,) = answer_bursts(DigitReading(model, polarity), [[source]])
    np.testing.assert_allclose(answers.probabilities, expected.probabilities, atol=1e-6)
    assert answers.errors == expected.errors


def test_batches_are_bounded_and_keep_the_order(tmp_path: Path, reading: DigitReading) -> None:
    paths = [str(path) for path in draw_digits(tmp_path, ready=True)] * 100
    batches = list(answer_bursts(reading, [paths]))
    assert max(len(batch.paths) for batch in batches) <= BATCH
    assert [path for batch in batches for path in batch.paths] == paths


def test_slow_images_are_answered_before_a_batch_is_full(
    reading: DigitReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = mnist_form(1)

    def slow(path: str) -> Seen:
        time.sleep(0.03)
        return Seen(image)

    see_with(monkeypatch, slow)
    first = next(answer_bursts(reading, [["a"] * BATCH]))
    assert len(first.paths) <= 3


def test_a_fault_in_reading_is_an_error_and_not_the_end(
    reading: DigitReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = mnist_form(1)

    def faulty(path: str) -> Seen:
        if path == "bad":
            raise IndexError("no such\nrow")
        return Seen(image)

    see_with(monkeypatch, faulty)
    answers = list(answer_bursts(reading, [["good", "bad", "good"]]))
    errors = [error for batch in answers for error in batch.errors.values()]
    assert sum(len(batch.paths) for batch in answers) == 3
    (error,) = errors
    assert error.startswith("bad cannot be read (IndexError: no such\\nrow); this is a fault in")


@pytest.mark.usefixtures("patient")
def test_a_doubtful_scene_makes_all_digits_more_alike(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = mnist_form(1)
    see_with(monkeypatch, lambda path: Seen(image, doubt=0.25 if path == "doubtful" else 0.0))
    answers = answer(DigitReading(model), "clear", "doubtful", "clear")
    clear = model.predict_proba(image[None])[0]
    np.testing.assert_allclose(answers.probabilities[[0, 2]], [clear, clear], atol=1e-6)
    np.testing.assert_allclose(answers.probabilities[1], 0.75 * clear + 0.025, atol=1e-6)


@pytest.mark.usefixtures("patient")
def test_other_digits_beside_the_one_that_was_read_are_told(
    reading: DigitReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = mnist_form(1)
    see_with(monkeypatch, lambda path: Seen(image, others=3 if path == "a\n.png" else 0))
    answers = answer(reading, "lone.png", "a\n.png")
    assert answers.others == {1: 3}
    assert answers.notes == {
        1: "a\\n.png holds 4 digits, of which one was read; --line reads them all"
    }


def answer(reading: DigitReading, *paths: str) -> DigitAnswers:
    """Answer some paths in one batch."""
    (answers,) = answer_bursts(reading, [[*paths]])
    return answers


def test_a_burst_is_answered_before_the_next_is_asked_for(
    tmp_path: Path, reading: DigitReading
) -> None:
    asked = []

    def bursts() -> Iterator[Burst]:
        for path in draw_digits(tmp_path):
            asked.append(path)
            yield [str(path)]

    for count, _ in enumerate(answer_bursts(reading, bursts()), start=1):
        assert len(asked) == count


@pytest.mark.usefixtures("patient")
def test_what_is_known_to_be_unreadable_keeps_its_place(
    tmp_path: Path, reading: DigitReading
) -> None:
    path = str(draw_digits(tmp_path)[2])
    (answers,) = answer_bursts(reading, [[path, Unreadable("folder", "why"), path]])
    assert answers.errors == {1: "why"}
    assert answers.probabilities.argmax(1)[[0, 2]].tolist() == [2, 2]


def test_recognition_of_mnists_form_agrees_with_that_of_one_picture() -> None:
    random = np.random.default_rng(0)
    images = [mnist_form(digit) for digit in range(10)]
    images += [np.roll(image, random.integers(-3, 4, 2), (0, 1)) for image in images * 3]
    images += [np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)]
    images += list(random.integers(0, 256, (5, 28, 28), np.uint8))
    found = in_mnist_form(np.stack(images))
    assert found.tolist() == [has_mnist_form(image) for image in images]
    assert found[:10].all()


def test_plain_png_files_decode_as_pillow_decodes_them() -> None:
    random = np.random.default_rng(0)
    images = [mnist_form(5), random.integers(0, 256, (28, 28), np.uint8), mnist_form(3)]
    options = {}, {"compress_level": 0}, {"optimize": True}
    every = [(image, each) for image in images for each in options]
    files = [png(Image.fromarray(image), **each) for image, each in every]
    lines = [plain_scanlines(file) for file in files]
    pixels = undo_filters([line for line in lines if line is not None])
    assert np.array_equal(pixels, [image for image, _ in every])


def test_every_filter_of_png_is_undone() -> None:
    image = np.stack([mnist_form(5), mnist_form(8)])
    raw = image.astype(np.int16)
    left, above = np.zeros_like(raw), np.zeros_like(raw)
    left[:, :, 1:], above[:, 1:] = raw[:, :, :-1], raw[:, :-1]
    above_left = np.zeros_like(raw)
    above_left[:, 1:, 1:] = raw[:, :-1, :-1]
    guess = left + above - above_left
    distances = np.stack([abs(guess - near) for near in (left, above, above_left)])
    paeth = np.choose(distances.argmin(0), [left, above, above_left])
    for number, expected in enumerate([0 * raw, left, above, (left + above) // 2, paeth]):
        lines = np.insert((raw - expected).astype(np.uint8), 0, number, axis=2)
        assert np.array_equal(undo_filters([each.tobytes() for each in lines]), image)


def test_other_files_are_left_to_pillow() -> None:
    plain = png(Image.fromarray(mnist_form(5)))
    others = {
        "another size": png(Image.new("L", (27, 28))),
        "colour": png(Image.new("RGB", (28, 28))),
        "one bit": png(Image.new("1", (28, 28))),
        "transparency": png(Image.new("L", (28, 28)), transparency=0),
        "no image": b"no image",
        "nothing": b"",
        "cut short": plain[:-20],
        "half a header": plain[:36],
        "a wrong checksum": plain[:60] + bytes([plain[60] ^ 1]) + plain[61:],
        "a length that lies": plain[:33] + b"\xff\xff\xff\xff" + plain[37:],
        "too few pixels": plain[:33] + _data_chunk(zlib.compress(b"\0" * 100)) + plain[-12:],
        "an unknown filter": plain[:33] + _data_chunk(zlib.compress(b"\5" * 812)) + plain[-12:],
        "broken data": plain[:33] + _data_chunk(b"no zlib stream") + plain[-12:],
    }
    assert {name: plain_scanlines(data) for name, data in others.items()} == dict.fromkeys(others)


def _data_chunk(data: bytes) -> bytes:
    body = b"IDAT" + data
    return len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)


def pipe_of(data: bytes) -> int:
    """Return the end of a pipe to read `data` from."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


def test_a_stream_is_split_at_line_ends_only() -> None:
    data = "a b\r\n\nü.png\nlast".encode() + b"\xff"
    paths = [path for burst in stream_paths(pipe_of(data)) for path in burst]
    assert paths == ["a b\r", "ü.png", "last\udcff"]


def test_a_stream_may_be_split_at_nul() -> None:
    bursts = stream_paths(pipe_of(b"a\nb\0\0c\0"), separator=b"\0")
    assert [path for burst in bursts for path in burst] == ["a\nb", "c"]


def test_a_path_may_come_in_pieces_and_is_given_when_it_is_whole() -> None:
    reader, writer = os.pipe()
    bursts = stream_paths(reader)
    os.write(writer, b"one\ntw")
    assert next(bursts) == ["one"]
    os.write(writer, b"o\nthree\n")
    assert next(bursts) == ["two", "three"]
    os.close(writer)
    assert list(bursts) == []


def test_an_image_in_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream_image(BytesIO(b"image")) == Source("-", b"image", "the image on stdin")
    monkeypatch.setattr(paths, "MAX_IMAGE_BYTES", 4)
    refused = stream_image(BytesIO(b"image"))
    assert isinstance(refused, Unreadable)
    assert refused.path == "-"
    assert refused.reason.startswith("the image on stdin is larger than")


@posix
def test_a_stream_without_line_ends_is_no_list_of_paths() -> None:
    with open("/dev/zero", "rb") as zeros, pytest.raises(DigitcliError, match="--stdin-image"):
        next(stream_paths(zeros.fileno()))


@posix
def test_folders_are_listed_sorted_and_links_to_folders_not_followed(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3", "c", ".hidden", "b/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    root = str(tmp_path)
    bursts = argument_paths([root, "other"], recursive=True)
    assert [path for burst in bursts for path in burst] == [
        *(f"{root}/{name}" for name in ("c", "a/3", "b/1", "b/2")),
        "other",
    ]


def listed(*lines: Path | str, recursive: bool = False) -> list[str]:
    """Return what a list of paths stands for, and ``!path`` for one that is an error."""
    bursts = with_folders([[str(line)] for line in lines], recursive=recursive)
    return [
        f"!{item.path}" if isinstance(item, Unreadable) else str(item)
        for burst in bursts
        for item in burst
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a file, sub-folders with and without one, and a hidden file."""
    for name in ("a.png", ".b.png", "sub/c.png", "sub/deep/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def found(folder: Path) -> list[str]:
    """Return what ``find FOLDER`` prints."""
    lines = [str(folder)]
    for path in sorted(folder.iterdir()):
        lines += found(path) if path.is_dir() else [str(path)]
    return lines


@pytest.mark.parametrize("recursive", [False, True])
def test_a_list_of_find_gives_each_file_once(tree: Path, recursive: bool) -> None:
    files = [str(path) for path in tree.rglob("*") if path.is_file()]
    assert sorted(listed(*found(tree), recursive=recursive)) == sorted(files)
    only_folders = [line for line in found(tree / "sub") if Path(line).is_dir()]
    assert listed(*only_folders, recursive=recursive) == [
        str(tree / "sub" / "c.png"),
        str(tree / "sub" / "deep" / "d.png"),
    ]


def test_a_folder_in_a_list_stands_for_its_files(tree: Path) -> None:
    assert listed(tree / "sub", "other.png") == [str(tree / "sub" / "c.png"), "other.png"]
    again = [tree / "sub" / "c.png", tree / "sub", tree / "a.png", tree / "a.png"]
    assert listed(*again) == [str(again[0]), str(again[0]), str(again[2]), str(again[2])]


def test_an_empty_folder_in_a_list_is_an_error_unless_it_was_found(tree: Path) -> None:
    empty = f"!{tree / 'empty'}"
    assert listed(tree / "empty") == [empty]
    assert listed(tree / "empty", tree / "a.png") == [empty, str(tree / "a.png")]
    assert listed(tree, tree / "a.png", tree / "empty") == [str(tree / "a.png")]
    (tree / "sub" / "c.png").unlink()
    inside = tree / "sub" / "deep" / "d.png"
    assert listed(tree / "sub", inside.parent, inside) == [str(inside)]


def test_a_large_folder_in_a_list_comes_in_several_bursts(tmp_path: Path) -> None:
    for number in range(paths.FOLDER_BURST + 1):
        (tmp_path / f"{number:04}").touch()
    bursts = list(with_folders([[str(tmp_path)]]))
    assert [len(burst) for burst in bursts] == [paths.FOLDER_BURST, 1]
