"""Pictures as people have them become what the network knows, and are read right."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from conftest import load_digits
from digitcli.errors import ImageError
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.digit import read_digit, see_steps
from digitcli.seeing.form import NARROWEST, WIDEST
from digitcli.seeing.ready import MIDDLE
from digitcli.seeing.stroke import stroke_width
from drawings import normalize

Picture = NDArray[np.uint8]

# strokes of digits on a grid of 10 × 16
STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(5, 0), (1, 3), (0, 8), (1, 13), (5, 16), (9, 13), (10, 8), (9, 3), (5, 0)]],
    1: [[(5, 0), (5, 16)]],
    2: [[(0, 4), (2, 1), (5, 0), (8, 1), (9, 4), (7, 8), (0, 16), (10, 16)]],
    3: [[(0, 1), (5, 0), (9, 3), (8, 6), (4, 8), (8, 10), (10, 13), (6, 16), (0, 15)]],
    4: [[(2, 0), (0, 9), (10, 9)], [(7, 4), (7, 16)]],
    5: [[(9, 0), (1, 0), (0, 7), (5, 6), (9, 9), (9, 13), (5, 16), (0, 15)]],
    6: [[(7, 0), (3, 4), (1, 9), (1, 13), (4, 16), (8, 15), (9, 12), (7, 9), (4, 9), (1, 12)]],
    7: [[(0, 0), (10, 0), (4, 16)]],
    8: [
        [(5, 8), (1, 5), (2, 1), (5, 0), (8, 1), (9, 5), (5, 8)],
        [(5, 8), (1, 11), (1, 14), (5, 16), (9, 14), (9, 11), (5, 8)],
    ],
    9: [[(9, 3), (6, 0), (2, 1), (1, 5), (4, 8), (8, 6), (9, 3), (9, 9), (7, 16)]],
}


def small(digit: int, pen: float = 0.1) -> NDArray[np.float32]:
    """Draw it with half the pixels, where their number is not the question."""
    return drawn(digit, canvas=(280, 280), height=140, pen=pen)


def drawn(
    digit: int,
    *,
    canvas: tuple[int, int] = (400, 400),
    height: float = 200,
    at: tuple[float, float] = (0.5, 0.5),
    pen: float = 0.1,
) -> NDArray[np.float32]:
    """Ink in [0, 1], drawn with round pens; the pen's width is a share of the height."""
    width = max(1, round(pen * height))
    image = Image.new("L", canvas)
    draw = ImageDraw.Draw(image)
    scale = height / 16
    left, top = at[0] * canvas[0] - 5 * scale, at[1] * canvas[1] - 8 * scale
    for stroke in STROKES[digit]:
        points = [(left + x * scale, top + y * scale) for x, y in stroke]
        draw.line(points, 255, width, joint="curve")
        if width > 2:
            for x, y in points:
                draw.circle((x, y), width / 2, 255)
    return np.asarray(image, np.float32) / 255


def inked(paper: NDArray[np.float32] | float, ink: NDArray[np.float32], dark: float) -> Picture:
    """Lay ink that swallows a share of the light on paper of some brightness."""
    return np.asarray(np.clip(255 * paper * (1 - dark * ink), 0, 255), np.uint8)


def plain(ink: NDArray[np.float32]) -> Picture:
    return inked(1.0, ink, 1.0)


def shadowed(ink: NDArray[np.float32]) -> Picture:
    """Half of the paper lies in a shadow as dark as the ink is in the light."""
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]] / max(ink.shape)
    light = 1 - 0.55 / (1 + np.exp((x + 0.4 * y - 0.7) / 0.03))
    return inked(light.astype(np.float32), ink, 0.55)


def on_grid(ink: NDArray[np.float32]) -> Picture:
    """Grid lines as dark as the ink, a little tilted."""
    image = Image.new("L", (2 * ink.shape[1], 2 * ink.shape[0]))
    draw = ImageDraw.Draw(image)
    for position in range(0, 2 * max(ink.shape), 67):
        draw.line([(position, 0), (position, image.height)], 255, 2)
        draw.line([(0, position), (image.width, position)], 255, 2)
    grid = image.rotate(3, Image.Resampling.BILINEAR).crop(
        (ink.shape[1] // 2, ink.shape[0] // 2, ink.shape[1] * 3 // 2, ink.shape[0] * 3 // 2)
    )
    return inked(0.9, np.maximum(ink, np.asarray(grid, np.float32) / 255), 0.8)


def in_box(ink: NDArray[np.float32]) -> Picture:
    """A form field: a frame around the digit."""
    frame = Image.fromarray((255 * ink).astype(np.uint8))
    height, width = ink.shape
    ImageDraw.Draw(frame).rectangle([20, 25, width - 22, height - 18], outline=255, width=4)
    return inked(0.9, np.asarray(frame, np.float32) / 255, 0.8)


def on_blackboard(ink: NDArray[np.float32]) -> Picture:
    return np.asarray(30 + 180 * ink, np.uint8)


def in_pencil(ink: NDArray[np.float32]) -> Picture:
    """Faint on grainy paper."""
    grain = np.random.default_rng(0).normal(0.85, 0.015, ink.shape).astype(np.float32)
    return inked(grain, ink, 0.2)


def specked(ink: NDArray[np.float32]) -> Picture:
    rng = np.random.default_rng(0)
    dirt = ink.copy()
    for y, x in rng.uniform(0.05, 0.95, (15, 2)) * ink.shape:
        dirt[int(y) : int(y) + 4, int(x) : int(x) + 4] = 1
    return inked(0.9, dirt, 0.8)


def beside_another(ink: NDArray[np.float32]) -> Picture:
    """A bit of the neighbouring digit is left at the edge of the picture."""
    with_neighbour = ink.copy()
    with_neighbour[100:260, -12:] = 1
    return inked(0.9, with_neighbour, 0.8)


def blurred(ink: NDArray[np.float32]) -> Picture:
    sharp = Image.fromarray(plain(ink))
    return np.asarray(sharp.filter(ImageFilter.GaussianBlur(6)))


def yellow_on_white(ink: NDArray[np.float32]) -> Picture:
    """Hardly any difference in luminance."""
    picture = np.full((*ink.shape, 3), 255, np.uint8)
    picture[..., 2] = 255 - 200 * ink
    return picture


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def clean() -> list[Picture]:
    """Each digit from a picture with nothing else in it."""
    return [normalize(plain(drawn(digit))) for digit in range(10)]


SITUATIONS: list[Callable[[NDArray[np.float32]], Picture]] = [
    plain,
    shadowed,
    on_grid,
    in_box,
    on_blackboard,
    in_pencil,
    specked,
    beside_another,
    blurred,
    yellow_on_white,
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_situations_make_no_difference(
    situation: Callable[[NDArray[np.float32]], Picture], model: Model, clean: list[Picture]
) -> None:
    """Whatever is around the digit, nearly the same 28×28 image results, and is read right.

    The middle of an even digit may come to lie on either side of a pixel's edge.
    """
    for digit in range(10):
        image = normalize(situation(small(digit))).astype(float)
        expected = clean[digit].astype(float)
        moved = [np.roll(expected, move, (0, 1)) for move in ((0, 0), (0, 1), (0, -1))]
        alike = max(np.corrcoef(image.ravel(), one.ravel())[0, 1] for one in moved)
        assert alike > 0.7, digit
        assert model.predict(image.astype(np.uint8)[None])[0] == digit


@pytest.mark.parametrize("pen", [0.004, 0.03, 0.1, 0.2])
def test_pens_from_one_pixel_to_markers(pen: float, model: Model) -> None:
    """Strokes are brought to widths that MNIST has."""
    for digit in (0, 1, 2, 3, 4, 5, 7, 9):
        steps = see_steps(plain(small(digit, pen=pen)))
        width = stroke_width(steps.strokes) * 20 / max(steps.strokes.shape)
        assert 0.75 * NARROWEST < width < 1.15 * WIDEST, digit
        assert model.predict(steps.image[None])[0] == digit


@pytest.mark.parametrize("at", [(0.1, 0.15), (0.9, 0.2), (0.5, 0.88)])
def test_small_in_a_corner_of_a_big_canvas(at: tuple[float, float], model: Model) -> None:
    for digit in range(10):
        picture = plain(drawn(digit, canvas=(600, 500), height=80, at=at))
        assert model.predict(normalize(picture)[None])[0] == digit


def test_form_is_that_of_mnist() -> None:
    """The longer side is 20 pixels, the ink at full strength, the centre of mass where MNIST's is.

    That is at 14.5 pixels from the left and from the top: half a pixel from the middle.
    """
    for digit in range(10):
        image = normalize(plain(drawn(digit, height=230, at=(0.4, 0.6)))).astype(float)
        rows, columns = np.flatnonzero(image.sum(1)), np.flatnonzero(image.sum(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        middle = np.arange(28) + 0.5
        for mass in (image.sum(1), image.sum(0)):
            assert abs(mass @ middle / mass.sum() - 14.5) <= 0.51
        assert image.max() == 255


def test_multi_part_digits_stay_whole() -> None:
    """The bar of a 5 that does not touch it belongs to it."""
    ink = drawn(5)
    ink[107:118] = 0  # cut it off
    image = normalize(plain(ink))
    rows = image.sum(1)
    assert (rows > 0).sum() == 20
    assert 0 in rows[np.flatnonzero(rows)[0] :][:6] or rows[:8].max() > 600


def test_lines_do_not_break_strokes() -> None:
    ink = drawn(1, pen=0.08)
    digit = see_steps(on_grid(ink)).digit
    rows = np.flatnonzero(digit.any(1))
    assert len(rows) == np.ptp(rows) + 1  # no gap where grid lines cross
    assert np.ptp(np.flatnonzero(digit.any(0))) < 60


def test_strokes_that_touch_the_sides_are_kept(model: Model) -> None:
    """Cropped so tightly that the bars of the digit go from side to side, as ruled lines do."""
    for digit in (2, 4, 5, 7):
        ink = drawn(digit, pen=0.06)
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        tight = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert model.predict(normalize(plain(tight))[None])[0] == digit


@pytest.mark.parametrize("margin", [1, 2, 3])
def test_a_thin_bar_that_ends_short_of_the_sides_is_no_ruled_line(
    model: Model, margin: int
) -> None:
    picture = Image.new("L", (60 + 2 * margin, 90 + 2 * margin), 255)
    seven = [(margin, margin + 1), (margin + 58, margin + 1), (margin + 25, margin + 88)]
    ImageDraw.Draw(picture).line(seven, fill=0, width=3)
    assert model.predict(normalize(np.asarray(picture))[None])[0] == 7


def test_polarity_can_be_given() -> None:
    picture = plain(drawn(3))
    auto = normalize(picture)
    np.testing.assert_array_equal(normalize(picture, polarity=Polarity.DARK_ON_LIGHT), auto)
    np.testing.assert_array_equal(normalize(255 - picture), auto)
    np.testing.assert_array_equal(normalize(255 - picture, polarity=Polarity.LIGHT_ON_DARK), auto)
    with pytest.raises(ImageError):
        normalize(picture, polarity=Polarity.LIGHT_ON_DARK)


@pytest.mark.parametrize(
    "picture",
    [
        np.full((28, 28), 255, np.uint8),
        np.zeros((28, 28), np.uint8),
        np.full((300, 400, 3), 128, np.uint8),
        np.zeros((1, 1), np.uint8),
        pytest.param(
            np.random.default_rng(0).normal(220, 3, (480, 640)).astype(np.uint8),
            marks=pytest.mark.slow("pictures"),
        ),
        np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8),
    ],
    ids=["white", "black", "grey", "pixel", "paper", "noise"],
)
def test_pictures_without_ink_are_errors(picture: Picture) -> None:
    with pytest.raises(ImageError, match="holds no ink"):
        normalize(picture)


@pytest.mark.parametrize("side", [40, pytest.param(300, marks=pytest.mark.slow("pictures"))])
@pytest.mark.parametrize("grain", [0, 2])
def test_lighting_without_strokes_is_an_error(side: int, grain: float) -> None:
    """Gradients in any direction and vignettes have no outline, so they hold no digit."""
    y, x = np.mgrid[-0.5 : 0.5 : 1j * side, -0.5 : 0.5 : 1j * side]
    noise = grain * np.random.default_rng(0).standard_normal((side, side))
    for light in (x, y, x + y, x - 0.5 * y, 1 - 2 * (x**2 + y**2)):
        for strength in (80, -80):
            with pytest.raises(ImageError, match="holds no ink"):
                normalize(np.clip(128 + strength * light + noise, 0, 255).astype(np.uint8))


def test_full_stops_are_no_part_of_the_digit() -> None:
    """Scribes put one after a number; it would move and shrink the digit."""
    for digit in (1, 3, 4, 6, 7):
        ink = drawn(digit)
        dotted = Image.fromarray((255 * ink).astype(np.uint8))
        ImageDraw.Draw(dotted).circle((290, 290), 12, 255)
        with_stop = normalize(plain(np.asarray(dotted, np.float32) / 255))
        np.testing.assert_array_equal(with_stop, normalize(plain(ink)))


def test_hairlines_beside_thick_strokes_are_kept() -> None:
    """In a coarse picture they are paler than half of the ink."""
    fine = Image.new("L", (400, 400))
    draw = ImageDraw.Draw(fine)
    draw.line([(120, 80), (120, 210)], 255, 40)
    draw.line([(280, 80), (280, 320)], 255, 40)
    draw.line([(120, 200), (280, 200)], 255, 8)
    coarse = fine.resize((40, 40), Image.Resampling.BOX)
    image = normalize(255 - np.asarray(coarse))
    joined = image[:, 12:16].max(0)
    assert joined.min() > 150


def test_heavy_strokes_of_bitmaps_are_not_paper() -> None:
    """A stroke as wide as a third of a tightly cropped bitmap is solid."""
    bitmap = np.zeros((16, 16), np.uint8)
    bitmap[1:15, 5:11] = 255
    bitmap[0, 2:11] = bitmap[1:5, 1:11] = 200
    digit = see_steps(bitmap).digit
    assert digit[2:14, 6:10].all()


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 900), (900, 1), (3, 3), (5, 2000), (17, 4)])
def test_odd_shapes_give_an_image_or_a_clear_error(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        picture = rng.integers(0, 256, shape, np.uint8)
        try:
            image = normalize(picture)
        except ImageError:
            continue
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8


def test_mnist_form_passes_unchanged() -> None:
    images = load_digits().images
    for image in images[:200]:
        if np.abs(normalize(image).astype(int) - image).max() == 0:
            continue
        raise AssertionError("an image in the form of MNIST was changed")


def test_mnist_passes_unchanged(shared_data: Path, tmp_path: Path) -> None:
    """Nearly all images pass as they are; the others change so little that answers stay."""
    with gzip.open(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8)[16:].reshape(-1, 28, 28)[:2000]
    middle = np.arange(28) + 0.5
    for axis in (1, 2):
        mass = images.sum(axis=axis)
        assert abs(np.mean(mass @ middle / mass.sum(1)) - MIDDLE) < 0.02
    changed = 0
    for image in images:
        changed += not np.array_equal(normalize(image), image)
    assert changed <= 0.001 * len(images)
    Image.fromarray(images[0]).save(tmp_path / "0.png")
    np.testing.assert_array_equal(read_digit(tmp_path / "0.png"), images[0])


@pytest.mark.slow("pictures")
def test_embedded_digits_on_paper(model: Model) -> None:
    """UCI digits, enlarged, inked and photographed in the shade, are read as well as they are."""
    digits = load_digits().part("test")
    right = 0
    chosen = range(0, len(digits.images), 5)
    for number in chosen:
        large = Image.fromarray(digits.images[number]).resize((196, 196), Image.Resampling.BICUBIC)
        ink = np.pad((np.asarray(large) > 127).astype(np.float32), 40)
        right += model.predict(normalize(shadowed(ink))[None])[0] == digits.labels[number]
    assert right >= 0.94 * len(chosen)


def test_no_picture_needs_scipy(tmp_path: Path) -> None:
    """Importing it takes longer than reading a photo."""
    Image.fromarray(on_grid(drawn(4))).save(tmp_path / "4.png")
    program = (
        "import sys; from digitcli.reading.digit import read_digit; read_digit(sys.argv[1]);"
        "print([name for name in sys.modules if name.split('.')[0] in ('scipy', 'sklearn')])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "4.png")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
