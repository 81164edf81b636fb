"""`read_digit` and `read_rows` from Python: the same from whatever an image comes as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

import digitcli
from digitcli.errors import ImageError, UsageError
from digitcli.seeing.decode import decode, upright_size
from drawings import drawn
from test_lines import page

ORIENTATION = 0x0112
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SEEN = {"read_rows": "rows/number.png", "read_tables": "tables/scores.jpg"}


@pytest.fixture(scope="module")
def model() -> digitcli.Model:
    return digitcli.load_model()


def sources(path: Path) -> Iterator[Any]:
    """Yield the image at a path as everything that it may come as."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
        image.load()
        yield from (path, str(path), path.read_bytes(), bytearray(path.read_bytes()))
        yield from (BytesIO(path.read_bytes()), pixels, np.asarray(image.convert("RGB")), image)
    with Image.open(path) as unread:
        yield unread
    with path.open("rb") as file:
        yield file
    yield pixels[::-1][::-1]
    yield np.asfortranarray(pixels)


def test_a_digit_is_the_same_from_everything_that_an_image_comes_as(tmp_path: Path) -> None:
    drawn(5, 200).save(tmp_path / "5.png")
    expected = digitcli.read_digit(tmp_path / "5.png")
    for source in sources(tmp_path / "5.png"):
        np.testing.assert_array_equal(digitcli.read_digit(source), expected)


def test_rows_are_the_same_from_everything_that_an_image_comes_as(
    tmp_path: Path, model: digitcli.Model
) -> None:
    page("2074", "36").save(tmp_path / "page.png")
    expected = digitcli.read_rows(tmp_path / "page.png", model)
    assert [row.text() for row in expected] == ["2074", "36"]
    for source in sources(tmp_path / "page.png"):
        rows = digitcli.read_rows(source, model)
        assert [row.text() for row in rows] == ["2074", "36"]
        assert [digit.box for row in rows for digit in row.digits] == [
            digit.box for row in expected for digit in row.digits
        ]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "I;16", "F"])
def test_pillow_images_of_every_mode_are_read_and_left_as_they_are(mode: str) -> None:
    image = drawn(5, 200).point(lambda value: 255 * (value > 127))
    expected = digitcli.read_digit(image)
    image = image.convert("RGBA").convert("LA") if mode == "LA" else image.convert(mode)
    before = image.tobytes()
    np.testing.assert_array_equal(digitcli.read_digit(image), expected)
    assert (image.mode, image.tobytes()) == (mode, before)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_opened_photo_is_held_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = BytesIO()
    drawn(5, 200).crop((0, 0, 200, 180)).save(file, format, exif=exif)
    with Image.open(BytesIO(file.getvalue())) as image:
        np.testing.assert_array_equal(decode(image), decode(file))
        assert upright_size(image) == upright_size(file) == decode(file).shape[::-1]


def test_a_photo_that_was_only_opened_keeps_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (4032, 3024), "white").save(tmp_path / "photo.jpg")
    with Image.open(tmp_path / "photo.jpg") as image:
        assert max(decode(image).shape) < 1280
        assert image.size == (4032, 3024)


def test_the_caller_may_go_on_with_an_array(model: digitcli.Model) -> None:
    pixels = np.asarray(drawn(5)).copy()
    form = digitcli.read_digit(pixels).copy()
    again = digitcli.read_digit(form)  # has the form of MNIST, and is returned as it is
    form[:] = 0
    assert again.any()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (np.zeros((28, 28)), r"array of float64 of shape \(28, 28\); give one of uint8"),
        (np.zeros((28, 28, 4), np.uint8), r"shape \(28, 28, 4\)"),
        (np.zeros(784, np.uint8), r"shape \(784,\)"),
        (np.zeros((0, 28), np.uint8), r"shape \(0, 28\)"),
        (np.zeros((28, 28), bool), "array of bool"),
        (np.full((90, 90), 255, np.uint8), "holds no ink"),
        (b"no image", "is not an image"),
        (b"", "is not an image"),
        ([[0, 255]], "is a list; give a path, a binary file, bytes, a NumPy array or a Pillow"),
        (None, "is a NoneType"),
        (Image.new("L", (9000, 9000)), "has 9000×9000 pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("read", [digitcli.read_digit, digitcli.read_rows])
def test_what_is_no_image_is_one_clear_error(
    read: Callable[[Any], object], source: Any, told: str
) -> None:
    with pytest.raises(ImageError, match=f"^the image .*{told}") as error:
        read(source)
    assert "\n" not in str(error.value)


def test_rows_have_texts_digits_and_boxes_in_pixels_of_the_image(model: digitcli.Model) -> None:
    image = page("2074", "36").resize((2160, 2600))
    first, second = digitcli.read_rows(image, model)
    assert (first.text(), second.text()) == ("2074", "36")
    assert 0 < first.confidence <= 1
    for digit in (*first.digits, *second.digits):
        left, top, right, bottom = digit.box
        dark = np.argwhere(np.asarray(image)[top:bottom, left:right] < 64)
        assert len(dark)
        assert digit.confidence == digit.probabilities[digit.digit]
    assert first.digits[-1].box[2] > 1024
    assert first.digits[0].box[3] < second.digits[0].box[1]


def test_boxes_are_those_of_the_picture_held_upright(tmp_path: Path, model: digitcli.Model) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = page("2074")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    (turned,) = digitcli.read_rows(tmp_path / "turned.png", model)
    (row,) = digitcli.read_rows(upright, model)
    assert [digit.box for digit in turned.digits] == [digit.box for digit in row.digits]


@pytest.mark.parametrize("read", ["read_rows", "read_tables"])
def test_rows_and_tables_are_read_with_one_blas_thread(
    model: digitcli.Model, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    """Products this small leave threads waiting: two took four times the processor time of one."""
    used: list[int] = []

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    predict_proba = digitcli.Model.predict_proba

    def watched(self: digitcli.Model, *arguments: Any, **options: Any) -> Any:
        used.extend(threads())
        return predict_proba(self, *arguments, **options)

    monkeypatch.setattr(digitcli.Model, "predict_proba", watched)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with Image.open(EXAMPLES / SEEN[read]) as image:
            getattr(digitcli, read)(image.crop((0, 0, image.width, 420)), model)
        assert threads() == before
    assert set(used) == {1}
    assert 2 in before


def test_a_pattern_is_text(model: digitcli.Model) -> None:
    image = page("2074")
    (row,) = digitcli.read_rows(image, model, pattern="207[19]")
    assert row.text()[-1] in "19"
    with pytest.raises(UsageError, match="is not a row of digits"):
        digitcli.read_rows(image, model, pattern="2x")


def test_polarity_is_obeyed(model: digitcli.Model) -> None:
    image = page("2074")
    assert digitcli.read_rows(image, model, polarity="dark-on-light")[0].text() == "2074"
    with pytest.raises(ValueError, match="not a valid Polarity"):
        digitcli.read_rows(image, model, polarity="dark")
