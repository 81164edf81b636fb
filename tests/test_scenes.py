"""What surrounds a digit is told from it: tables, borders, rings, rules, shadows, other pens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digitcli.errors import ImageError
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.digit import FIRST, Choice, find_digit, looks, scenes, see_picture
from digitcli.reading.likeness import legibility, likeness
from digitcli.seeing.decode import decode
from digitcli.seeing.encircled import encircled
from digitcli.seeing.light import ink_density, sharp_edges, soft_brightness
from digitcli.seeing.paper import find_papers
from digitcli.seeing.pens import find_pens, thick_strokes
from digitcli.seeing.rules import is_empty_box, without_underline
from digitcli.seeing.scene import Scene
from digitcli.seeing.view import View
from digitcli.writing.writer import write_digits
from test_normalize import drawn as drawn_in_any_size
from test_normalize import plain

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scenes import draw, encode

Picture = NDArray[np.uint8]
Ink = NDArray[np.float32]
drawn = partial(drawn_in_any_size, canvas=(400, 400), height=200)
Points = list[tuple[int, int]]
S_SHAPE = [(520, 220), (420, 160), (320, 180), (290, 270), (430, 410), (490, 500), (480, 600)]
S_SHAPE += [(400, 650), (300, 620)]
UPSTROKE = [(300, 620), (280, 560), (330, 460), (480, 320), (530, 260), (520, 220)]
STEM = [(510, 160), (500, 400), (470, 660)]
HEAD = [(505, 200), (400, 150), (310, 220), (300, 330), (380, 390), (500, 340)]
BLUE, RED, PAPER, TABLE = (25, 40, 150), (200, 40, 40), (236, 234, 228), (70, 50, 38)


def written(ink: Ink, colour: tuple[int, int, int] = BLUE) -> Image.Image:
    """Ink of a colour on paper."""
    paper = Image.new("RGB", ink.shape[::-1], PAPER)
    paper.paste(colour, (0, 0), Image.fromarray((255 * ink).astype(np.uint8)))
    return paper


def grainy(image: Image.Image) -> Picture:
    grain = np.random.default_rng(0).normal(0, 3, (image.height, image.width, 1))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def on_a_table(ink: Ink) -> Picture:
    table = Image.new("RGB", (700, 640), TABLE)
    sheet = written(ink).convert("RGBA").rotate(9, Image.Resampling.BICUBIC, expand=True)
    table.paste(sheet, (110, 60), sheet)
    return grainy(table)


def in_a_scan_border(ink: Ink) -> Picture:
    border = Image.new("RGB", (460, 470), "black")
    border.paste(written(ink), (35, 25))
    return grainy(border)


def circled(ink: Ink) -> Picture:
    image = written(ink)
    ImageDraw.Draw(image).ellipse([60, 45, 340, 355], outline=BLUE, width=6)
    return grainy(image)


def in_a_ring_of_its_pen(ink: Ink) -> Picture:
    """The digit hangs from the ring around it."""
    image = written(ink)
    ImageDraw.Draw(image).ellipse([75, 110, 325, 380], outline=BLUE, width=8)
    return grainy(image)


def in_a_ring_that_touches(ink: Ink) -> Picture:
    """A red ring through the digit's foot."""
    image = written(ink)
    ImageDraw.Draw(image).ellipse([90, 30, 310, 300], outline=RED, width=6)
    return grainy(image)


def under_a_finger(ink: Ink) -> Picture:
    """The shadow of a finger falls on a part of the digit."""
    shadow = Image.new("L", ink.shape[::-1])
    ImageDraw.Draw(shadow).line([(400, 60), (215, 190)], 255, 70)
    soft = np.asarray(shadow.filter(ImageFilter.GaussianBlur(6)), np.float32) / 255
    light = 1 - 0.45 * soft[..., None]
    return grainy(Image.fromarray((np.asarray(written(ink)) * light).astype(np.uint8)))


def with_a_thin_shadow(ink: Ink) -> Picture:
    """The shadow of a pencil is as wide as the strokes, and ends at the digit."""
    shadow = Image.new("L", ink.shape[::-1])
    ImageDraw.Draw(shadow).line([(330, -20), (215, 130)], 255, 24)
    soft = np.asarray(shadow.filter(ImageFilter.GaussianBlur(7)), np.float32) / 255
    light = 1 - 0.45 * soft[..., None]
    paper = np.asarray(written(ink, (120, 85, 30)))
    return grainy(Image.fromarray((paper * light).astype(np.uint8)))


def in_a_plot(ink: Ink) -> Picture:
    page = Image.new("RGB", (560, 540), "white")
    window = Image.new("RGB", ink.shape[::-1], (20, 20, 24))
    window.paste("white", (0, 0), Image.fromarray((255 * ink).astype(np.uint8)))
    page.paste(window, (90, 50))
    pen = ImageDraw.Draw(page)
    for number in range(5):
        pen.line([(84, 60 + 95 * number), (90, 60 + 95 * number)], "black", 2)
        pen.line([(100 + 95 * number, 450), (100 + 95 * number, 456)], "black", 2)
        pen.text((60, 54 + 95 * number), str(5 * number), "black")
        pen.text((95 + 95 * number, 462), str(5 * number), "black")
    return np.asarray(page)


SITUATIONS: list[Callable[[Ink], Picture]] = [
    on_a_table,
    in_a_scan_border,
    circled,
    in_a_ring_of_its_pen,
    in_a_ring_that_touches,
    under_a_finger,
    with_a_thin_shadow,
    in_a_plot,
]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
@pytest.mark.parametrize(
    "digit", [pytest.param(digit, marks=pytest.mark.slow("pictures")) for digit in (1, 2, 8)] + [4]
)
def test_surroundings_make_no_difference(
    digit: int, situation: Callable[[Ink], Picture], model: Model
) -> None:
    seen = see_picture(situation(drawn(digit, height=170, pen=0.07)))
    probabilities = model.predict_proba(seen.image[None])[0]
    assert probabilities.argmax() == digit


def test_a_sheet_on_a_table_is_found() -> None:
    papers = find_papers(on_a_table(drawn(3)))
    assert any(abs(paper.share - 400 * 400 / (700 * 640)) < 0.05 for paper in papers)


def test_two_pens_are_told_apart() -> None:
    ink = drawn(3)
    picture = in_a_ring_that_touches(ink)
    scene = Scene(View(picture))
    pens = find_pens(picture, scene.ink)
    assert len(pens) == 2
    shares = sorted(np.count_nonzero(pen & (ink > 0.5)) / np.count_nonzero(pen) for pen in pens)
    assert shares[0] < 0.2  # where the ring lies on the digit
    assert shares[1] > 0.95


@pytest.mark.parametrize("colour", [BLUE, (20, 20, 20), (200, 190, 40)])
def test_one_pen_is_one_pen(colour: tuple[int, int, int]) -> None:
    picture = grainy(written(drawn(5), colour))
    assert find_pens(picture, Scene(View(picture)).ink) == []
    assert find_pens(plain(drawn(5)), drawn(5) > 0.5) == []


def test_thick_strokes_are_told_from_thin_ones_that_touch_them() -> None:
    ink = drawn(7, pen=0.14)
    image = written(ink)
    ImageDraw.Draw(image).arc([125, 85, 290, 330], 240, 200, fill=BLUE, width=6)
    scene = Scene(View(grainy(image)))
    usual = np.count_nonzero(scene.ink & (ink > 0.5)) / np.count_nonzero(scene.ink)
    thick = scene.thick()
    assert thick is not None
    assert np.count_nonzero(thick.ink & (ink > 0.5)) > 0.95 * np.count_nonzero(ink > 0.5)
    assert np.count_nonzero(thick.ink & (ink < 0.1)) < 0.05 * np.count_nonzero(thick.ink)
    assert usual < 0.8
    assert Scene(View(grainy(written(drawn(8))))).thick() is None


def test_soft_edges_are_those_of_light() -> None:
    light = Image.new("L", (400, 300), 230)
    ImageDraw.Draw(light).rectangle([0, 0, 180, 300], fill=110)
    values = np.asarray(light.filter(ImageFilter.GaussianBlur(12)), np.float32) / 255
    ring = Image.new("L", (400, 300))
    ImageDraw.Draw(ring).ellipse([120, 70, 260, 230], outline=255, width=14)
    inked = np.asarray(ring) > 0
    seen = np.where(inked, 0.4 * values, values).astype(np.float32)
    lit = soft_brightness(seen, sharp_edges(seen))
    assert lit is not None
    assert np.abs(lit - values).max() < 0.12
    density = ink_density(seen, lit)
    assert density[inked].min() > 0.4 > 0.25 > density[~inked].max()


def test_noise_shows_no_light() -> None:
    noise = np.random.default_rng(0).random((200, 200), np.float32)
    assert soft_brightness(noise, sharp_edges(noise)) is None


def test_dense_ink_is_told_from_a_shadow() -> None:
    ink = drawn(4)
    picture = under_a_finger(ink)
    usual, heavy = Scene(View(picture)), Scene(View(picture), weight="heavy")
    shade = ink < 0.1
    assert np.count_nonzero(usual.ink & shade) > 5 * np.count_nonzero(heavy.ink & shade)
    assert np.count_nonzero(heavy.ink & (ink > 0.5)) > 0.9 * np.count_nonzero(ink > 0.5)


@pytest.mark.parametrize("digit", [2, 3, 5, 8])
def test_pale_ink_continues_dark_ink(digit: int) -> None:
    """The pen hardly touches the paper in the middle of the digit."""
    ink = drawn(digit)
    touch = np.clip(np.abs(np.linspace(-2, 2, len(ink))), 0.12, 1).astype(np.float32)[:, None]
    picture = grainy(written(ink * touch))
    usual, faint = Scene(View(picture)), Scene(View(picture), weight="faint")
    assert np.count_nonzero(usual.ink & (ink > 0.5)) < 0.9 * np.count_nonzero(ink > 0.5)
    assert np.count_nonzero(faint.ink & (ink > 0.5)) > 0.98 * np.count_nonzero(ink > 0.5)
    assert np.count_nonzero(faint.ink & (ink < 0.1)) < 0.02 * np.count_nonzero(ink > 0.5)


def test_a_line_that_goes_far_beyond_a_digit_is_not_its_foot(model: Model) -> None:
    image = Image.new("RGB", (400, 400), PAPER)
    pen = ImageDraw.Draw(image)
    seven = [(130, 140), (170, 115), (240, 112), (262, 140), (200, 230), (185, 284)]
    pen.line(seven, BLUE, 16, joint="curve")
    pen.line([(105, 286), (300, 286)], BLUE, 7)
    seen = see_picture(grainy(image))
    assert model.predict_proba(seen.image[None])[0].argmax() == 7


@pytest.mark.parametrize(
    "strokes",
    [
        pytest.param([], id="a ring"),
        pytest.param([(20, 100, 180, 20)], id="a bar through it"),
        pytest.param([(100, 0, 100, 30)], id="a short stroke"),
    ],
)
def test_rings_with_nothing_of_their_own_in_them(strokes: list[tuple[int, ...]]) -> None:
    ring = Image.new("L", (200, 120))
    pen = ImageDraw.Draw(ring)
    pen.ellipse([0, 0, 199, 119], outline=255, width=7)
    for stroke in strokes:
        pen.line(stroke, 255, 7)
    assert encircled(np.asarray(ring) > 0) is None


@pytest.mark.parametrize(
    ("stroke", "digit"),
    [
        pytest.param([(185, 60), (110, 45), (85, 105)], False, id="of a 6"),
        pytest.param([(100, 10), (105, 122)], True, id="a 1"),
    ],
)
def test_the_stroke_within_a_loop_is_no_digit_in_a_ring(
    stroke: list[tuple[int, int]], digit: bool
) -> None:
    loop = Image.new("L", (200, 150))
    pen = ImageDraw.Draw(loop)
    pen.ellipse([0, 0, 199, 149], outline=255, width=14)
    pen.line(stroke, 255, 14)
    assert (encircled(np.asarray(loop) > 0) is not None) is digit


@pytest.mark.parametrize("digit", [2, 4, 5])
def test_pale_ink_that_continues_a_digit_belongs_to_it(digit: int) -> None:
    """The pen hardly touches the paper at the foot of the digit."""
    ink = drawn(digit, canvas=(300, 300), height=150, pen=0.07)
    touch = np.clip(np.linspace(2, -0.6, len(ink)), 0.2, 1).astype(np.float32)[:, None]
    look = find_digit(grainy(written(ink * touch))).look
    assert look.area > 0.95 * np.count_nonzero(ink > 0.5)


@pytest.mark.parametrize(
    ("digit", "side", "width"),
    [(8, 28, 20), (8, 40, 8), (8, 60, 8), (8, 28, 16), (9, 40, 8), (9, 60, 8), (9, 28, 20)],
)
def test_hairlines_of_coarse_digits_are_seen(
    digit: int, side: int, width: int, model: Model
) -> None:
    """Finer than a pixel they are too pale for ink, and without them the digit is another one."""
    thick, hairline = {8: (S_SHAPE, UPSTROKE), 9: (STEM, HEAD)}[digit]
    fine = Image.new("L", (800, 800), 235)
    pen = ImageDraw.Draw(fine)
    pen.line(hairline, 110, width, joint="curve")
    pen.line(thick, 40, 70, joint="curve")
    coarse = fine.resize((side, side), Image.Resampling.BOX)
    seen = see_picture(np.asarray(coarse))
    assert model.predict_proba(seen.image[None])[0].argmax() == digit


@pytest.mark.parametrize(
    ("digit", "other", "width"), [(7, 3, 6), (2, 5, 6), (0, 2, 12)], ids=lambda value: str(value)
)
def test_a_digit_beside_one_that_is_crossed_out(
    digit: int, other: int, width: int, model: Model
) -> None:
    at = partial(drawn, canvas=(560, 400), height=170, pen=0.07)
    neighbour = Image.fromarray((255 * at(other, at=(0.7, 0.5))).astype(np.uint8))
    pen = ImageDraw.Draw(neighbour)
    for line in (320, 120, 460, 280), (330, 110, 470, 270), (320, 280, 465, 125):
        pen.line(line, 255, width)
    ink = np.maximum(at(digit, at=(0.28, 0.5)), np.asarray(neighbour, np.float32) / 255)
    seen = see_picture(grainy(written(ink)))
    assert model.predict_proba(seen.image[None])[0].argmax() == digit


@pytest.mark.parametrize("side", [24, 40, 200])
@pytest.mark.parametrize("open_side", [False, True])
def test_empty_boxes_are_refused(side: int, open_side: bool) -> None:
    box = Image.new("L", (side, side), 245)
    pen = ImageDraw.Draw(box)
    near, far = side // 8, side - side // 8
    pen.rectangle([near, near, far, far], outline=40, width=max(1, side // 20))
    if open_side:
        pen.rectangle([near + side // 10, 0, far - side // 10, near + side // 8], fill=245)
    with pytest.raises(ImageError, match="holds no ink"):
        see_picture(np.asarray(box))


@pytest.mark.parametrize("digit", range(10))
def test_boxes_with_a_digit_are_not_empty(digit: int) -> None:
    box = Image.fromarray(plain(drawn(digit, height=200, pen=0.03)))
    ImageDraw.Draw(box).rectangle([30, 30, 370, 370], outline=0, width=5)
    assert not is_empty_box(np.asarray(box) < 128)
    assert not is_empty_box(drawn(digit) > 0.5)


def test_most_plain_drawings_of_other_hands_need_one_look() -> None:
    """What MNIST lacks is no reason to search a picture for something else."""
    images, labels = write_digits(300, seed=97)
    first = 0
    for number in range(40):
        drawing = draw("drawing", images, labels, np.random.default_rng([97, number]))
        look = next(looks(next(scenes(decode(encode(drawing)), Polarity.AUTO))))
        first += bool(likeness([look])[0] >= FIRST)
    assert first >= 29


def test_underlines_that_touch_a_digit_of_other_hands(model: Model) -> None:
    images, labels = write_digits(300, seed=97)
    right = 0
    for number in range(60):
        scene = draw("underlined-touching", images, labels, np.random.default_rng([98, number]))
        seen = see_picture(decode(encode(scene)))
        right += int(model.predict_proba(seen.image[None])[0].argmax() == scene.label)
    assert right >= 56


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        pytest.param(0, 160, True, id="from its left side to below it"),
        pytest.param(20, 280, True, id="on both sides"),
        pytest.param(115, 280, False, id="like the foot of a 2"),
        pytest.param(100, 200, False, id="as wide as the digit"),
    ],
)
def test_what_may_be_an_underline_is_longer_on_the_left(start: int, end: int, found: bool) -> None:
    picture = Image.new("L", (300, 240))
    pen = ImageDraw.Draw(picture)
    pen.line([(110, 30), (190, 30), (130, 228)], 255, 12)
    pen.line([(start, 228), (end, 228)], 255, 8)
    ink = np.asarray(picture) > 0
    box = np.asarray(Image.fromarray(ink).crop(picture.getbbox()))
    rest = without_underline(box)
    assert (rest is not None) is found
    if rest is not None:
        assert np.ptp(np.nonzero(rest)[1]) < 120


def test_digits_are_legible_and_less_so_on_their_side() -> None:
    upright = plain(drawn(2, height=200))
    scribble = np.random.default_rng(0).random((12, 12)) > 0.5
    marks = [
        upright,
        np.rot90(upright),
        plain(np.kron(np.pad(scribble, 8), np.ones((10, 10))).astype(np.float32)),
    ]
    legible = [legibility(next(looks(next(scenes(mark, Polarity.AUTO))))) for mark in marks]
    assert legible[0] > 0.9 > 0.11 > legible[1] > 0.05 > legible[2]


def test_an_answer_that_a_likelier_but_illegible_look_speaks_against_is_less_sure() -> None:
    look = next(looks(next(scenes(plain(drawn(2, height=200)), Polarity.AUTO))))
    best = Choice(look, 0.9, 9.0, legible=0.01)
    best.consider(look, 0.5, room=True)
    assert best.likely == 0.5
    assert best.share == pytest.approx(1 / 9, rel=0.1)
    best.consider(look, 0.3, room=True)
    assert best.likely == 0.5


def test_ink_that_fills_its_picture_has_no_thick_strokes_and_no_soft_outline() -> None:
    assert thick_strokes(np.ones((90, 4), np.bool_)) is None
    scene = Scene(View(plain(drawn(2, height=200))))
    whole = slice(0, 400), slice(0, 400)
    assert scene.softness(lambda _: np.ones((400, 400), np.bool_), whole) == 0


@pytest.mark.parametrize("width", [3, 4, 6])
def test_strips_of_noise_are_read_or_refused(width: int) -> None:
    rng = np.random.default_rng(width)
    for _ in range(40):
        noise = rng.normal(rng.integers(256), 20, (rng.integers(64, 120), width))
        with suppress(ImageError):
            see_picture(np.clip(noise, 0, 255).astype(np.uint8))
