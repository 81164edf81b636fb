"""Rows of digits: found, cut apart and read, whatever else is on the page."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from conftest import load_digits
from digitcli.errors import ImageError, UsageError
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.reading.candidates import Candidate, log_odds
from digitcli.reading.lattice import Lattice, lattice_of
from digitcli.reading.page import read_page, read_rows_of
from digitcli.reading.pattern import parse_forms
from digitcli.reading.row import Digit, Row
from digitcli.reading.rows import read_rows
from digitcli.reading.search import best_way
from digitcli.reading.split import SIDEWAYS, Stroke, cheapest_ways, split, ways_through
from digitcli.reading.uncut import aligned, runs, spans
from digitcli.seeing.ink import Ink
from digitcli.seeing.morphology import label
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import find_rows, lies_along_rim
from digitcli.seeing.rules import find_lines, find_rules

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from rows import draw_row

HEIGHT = 48


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def page(*rows: str, pitch: int = 44, tilt: float = 0.0, margin: int = 40) -> Image.Image:
    """Draw rows of digits, black on white, `pitch` pixels from one digit to the next."""
    width = max(map(len, rows)) * pitch + 2 * margin
    image = Image.new("L", (width, len(rows) * 90 + 2 * margin + int(tilt * width)), 255)
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        for place, digit in enumerate(row):
            x = margin + (place + 0.5) * pitch
            y = margin + 45 + number * 90 + tilt * x
            draw.text((x, y), digit, 0, ImageFont.load_default(HEIGHT), anchor="mm")
    return image


def texts(image: Image.Image, model: Model, pattern: str | None = None) -> list[str]:
    allowed = parse_forms(pattern)[0].places if pattern else None
    return [row.text() for row in read_rows(np.asarray(image), model, pattern=allowed)]


def test_rows_are_read_from_the_top_down_and_from_left_to_right(model: Model) -> None:
    assert texts(page("20741", "98", "365"), model) == ["20741", "98", "365"]


@pytest.mark.parametrize("tilt", [0.1, 0.2])
def test_tilted_rows_stay_rows(model: Model, tilt: float) -> None:
    assert texts(page("207413", "986530", tilt=tilt), model) == ["207413", "986530"]


def test_a_row_may_be_bright_on_dark(model: Model) -> None:
    image = page("4032")
    assert texts(Image.eval(image, lambda value: 255 - value), model) == ["4032"]


def test_a_wide_gap_does_not_end_a_row(model: Model) -> None:
    assert texts(page("41   52", "3     7"), model) == ["4152", "37"]


@pytest.mark.parametrize("text", ["4682", "2074", "35208", "8461", "8035", "6329", "3946", "2853"])
def test_touching_digits_are_cut_apart(model: Model, text: str) -> None:
    image = page(text, pitch=23)
    strokes = label(np.asarray(image) < 128)[1]
    assert strokes < len(text), "the drawing is meant to have digits that touch"
    assert texts(image, model) == [text]


@pytest.mark.parametrize(
    ("rows", "touching", "least"),
    [
        (40, 0.0, 36),
        pytest.param(80, 0.0, 72, marks=pytest.mark.slow("pictures")),
        pytest.param(80, 0.5, 60, marks=pytest.mark.slow("pictures")),
    ],
)
def test_rows_of_handwritten_digits(model: Model, rows: int, touching: float, least: int) -> None:
    """Rows of five of the embedded digits, as a benchmark draws them."""
    digits = load_digits().part("test")
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(rows):
        chosen = rng.integers(len(digits.images), size=5)
        row = draw_row(digits.images[chosen], digits.labels[chosen], rng, touching=touching)
        right += [found.text() for found in read_rows(row.picture, model)] == [row.text]
    assert right >= least


def test_one_of_the_cuts_goes_where_digits_touch() -> None:
    """It leaves nearly all ink of the one on its left and of the other on its right."""
    digits = load_digits().part("train")
    rng = np.random.default_rng(0)
    divided = 0
    for _ in range(20):
        chosen = rng.integers(len(digits.images), size=2)
        row = draw_row(digits.images[chosen], digits.labels[chosen], rng, touching=1.0)
        ink = row.picture < 128
        density = (1 - row.picture / 255).astype(np.float32)
        pieces = split([Stroke(ink, density, 0, 0)], 40)
        columns = np.arange(ink.shape[1])
        sides = [columns < piece.before.path[:, None] for piece in pieces if piece.before]
        first, second = ink & (row.owner == 1), ink & (row.owner == 2)
        divided += any(
            (first & left).sum() > 0.9 * first.sum() and (second & left).sum() < 0.1 * second.sum()
            for left in sides
        )
    assert divided >= 18


def test_ways_through_many_arrays_are_those_through_each() -> None:
    rng = np.random.default_rng(4)
    costs = [rng.random(rng.integers(1, 30, 2), np.float32) for _ in range(20)]
    costs.append(rng.random((400, 500), np.float32))
    for cost, ways in zip(costs, ways_through(costs), strict=True):
        (alone,) = ways_through([cost])
        for one, other in zip(ways, alone, strict=True):
            np.testing.assert_array_equal(one, other)


def test_ways_are_the_cheapest_of_all() -> None:
    """Against paying for one step after the other until nothing gets cheaper."""
    cost = np.random.default_rng(4).random((2, 7, 9), np.float32)
    total, entry = cheapest_ways(cost)
    for layer in range(2):
        for row in range(1, 7):
            best = total[layer, row - 1] + cost[layer, row]
            for _ in range(9):
                aside = cost[layer, row] + SIDEWAYS
                best[1:] = np.minimum(best[1:], best[:-1] + aside[1:])
                best[:-1] = np.minimum(best[:-1], best[1:] + aside[:-1])
            np.testing.assert_allclose(total[layer, row], best, rtol=1e-5)
            for column, start in enumerate(entry[layer, row]):
                low, high = sorted((column, int(start)))
                aside = cost[layer, row, low : high + 1].sum() + (high - low) * SIDEWAYS
                assert total[layer, row - 1, start] + aside == pytest.approx(best[column], rel=1e-4)


def test_a_bar_that_does_not_touch_belongs_to_its_digit(model: Model) -> None:
    image = page("353")
    pixels = np.asarray(image).copy()
    ink = np.flatnonzero((pixels[:, 84:128] < 128).any(axis=1))
    pixels[ink[0] + 7 : ink[0] + 9, 84:128] = 255
    assert texts(Image.fromarray(pixels), model) == ["353"]


def test_specks_ruled_lines_and_boxes_are_left_out(model: Model) -> None:
    image = page("2074", "9865")
    draw = ImageDraw.Draw(image)
    for y in (15, 130, 215):
        draw.line((0, y, image.width, y + 2), 90, 2)
    for x, y in ((30, 100), (120, 30), (200, 190), (60, 230)):
        draw.ellipse((x, y, x + 2, y + 2), 0)
    assert texts(image, model) == ["2074", "9865"]


def test_a_dark_table_around_the_sheet_and_a_shadow_are_left_out(model: Model) -> None:
    image = page("2074", "9865", margin=80)
    light = np.linspace(1, 0.5, image.width)[None, :]
    photo = np.full((image.height + 60, image.width + 40), 40, np.uint8)
    photo[:-60, 40:] = np.asarray(image) * 0.7 * light + 30
    assert texts(Image.fromarray(photo), model) == ["2074", "9865"]


def test_straight_1s_in_boxes_are_no_sides_of_them(model: Model) -> None:
    image = page("2 7 4", pitch=60, margin=30).crop((0, 20, 360, 130))
    draw = ImageDraw.Draw(image)
    for place in range(5):
        draw.rectangle((30 + 60 * place, 20, 90 + 60 * place, 90), outline=90, width=2)
    for x in (120, 240):
        draw.line((x, 32, x - 3, 78), 0, 3)
    assert texts(image, model) == ["21714"]


def test_the_edge_of_a_hard_shadow_is_no_stroke(model: Model) -> None:
    image = np.asarray(page("20741", pitch=80, margin=60)).astype(float)
    rows, columns = np.indices(image.shape)
    lit = 1 - 0.6 * np.clip((columns - 0.8 * rows - 240) / 2, 0, 1)
    photo = Image.fromarray(((0.8 * image + 30) * lit).astype(np.uint8))
    assert texts(photo.resize((1000, photo.height * 1000 // photo.width)), model) == ["20741"]


def on_table(sheet: Image.Image, turn: float, table: Image.Image) -> Image.Image:
    """Lay a sheet in the middle of a table."""
    lying = Image.merge("LA", (sheet, Image.new("L", sheet.size, 255)))
    turned = lying.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    left, top = ((table.size[side] - turned.size[side]) // 2 for side in (0, 1))
    photo = table.copy()
    photo.paste(turned.getchannel("L"), (left, top), turned.getchannel("A"))
    return photo


def test_a_digit_at_the_edge_of_a_sheet_is_no_remnant_of_it() -> None:
    inside = np.zeros((200, 400), np.bool_)
    inside[10:190, 10:390] = True
    drawn = Image.new("1", (400, 200))
    draw = ImageDraw.Draw(drawn)
    draw.line((389, 60, 370, 130), 1, 4)  # a 1 whose upper end reaches the edge
    draw.line((60, 12, 200, 14), 1, 3)
    found = Regions.of(np.asarray(drawn))
    assert lies_along_rim(found, inside).tolist() == [True, False]


def test_rules_end_where_the_sheet_does(model: Model) -> None:
    sheet = page("754").crop((20, 20, 192, 150))
    ImageDraw.Draw(sheet).line((0, 76, sheet.width, 76), 130, 1)
    photo = on_table(sheet, 6, Image.new("L", (300, 220), 40))
    assert texts(photo, model) == ["754"]


def test_stripes_of_a_cloth_are_no_row_of_1s(model: Model) -> None:
    cloth = Image.new("L", (420, 250), 225)
    draw = ImageDraw.Draw(cloth)
    for x in range(10, 420, 36):
        draw.line((x, 0, x, 250), 90, 9)
    photo = on_table(page("7382").crop((20, 10, 236, 160)), 3, cloth)
    assert texts(photo, model) == ["7382"]


def test_the_pattern_decides_how_many_digits_and_which(model: Model) -> None:
    image = page("1741")
    assert texts(image, model, "dddd") == ["1741"]
    assert texts(image, model, "17d[02-9]")[0][:3] == "174"
    assert texts(image, model, "17d[02-9]")[0][3] in "023456789"


def test_no_row_with_the_pattern_is_an_error(model: Model) -> None:
    with pytest.raises(ImageError, match="row of 40 digits"):
        texts(page("17"), model, "d" * 40)


def test_a_blank_page_is_an_error(model: Model) -> None:
    with pytest.raises(ImageError, match="no ink"):
        read_rows(np.full((80, 200), 255, np.uint8), model)


def test_boxes_are_in_pixels_of_the_file(model: Model, tmp_path: Path) -> None:
    image = page("30", "75").resize((2500, 3000))
    image.save(tmp_path / "large.png")
    read = read_page(tmp_path / "large.png", model)
    ink = np.asarray(image) < 128
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    boxes = [digit.box for row in read.rows for digit in row.digits]
    bounds = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    np.testing.assert_allclose(bounds[0], (columns[0], rows[0]), atol=12)
    np.testing.assert_allclose(bounds[1], (columns[-1], rows[-1]), atol=12)


def test_confidence_is_the_product_over_the_digits(model: Model) -> None:
    (row,) = read_rows(np.asarray(page("307")), model)
    product = np.prod([digit.probabilities.max() for digit in row.digits])
    assert row.confidence == pytest.approx(product)
    least = min(digit.confidence for digit in row.digits)
    assert row.text(min_confidence=least + 1e-6).count("?") >= 1


def test_a_part_that_the_network_is_sure_of_is_more_probably_a_whole_digit() -> None:
    judged = np.zeros(4, np.float32)
    probabilities = np.full((4, 10), 0, np.float32)
    for row, surest in enumerate((0.4, 0.9, 0.999, 1)):
        probabilities[row] = (1 - surest) / 9
        probabilities[row, 3] = surest
    odds = log_odds(judged, probabilities)
    assert np.isfinite(odds).all()
    assert (odds.argmax(axis=1) == 3).all()
    of_best = odds[:, 3]
    assert (np.diff(of_best) > np.diff(np.log(probabilities[:, 3]))).all()
    assert of_best[1] < 0 < of_best[3]


@pytest.mark.parametrize("text", ["", "x", "2[", "[]", "[3-1]", "d ", "?", "[a-b]", "٣"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--pattern"):
        parse_forms(text)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("2d", [("", "")]),
        ("-?d", [("-",), ("",)]),
        ("dd.d", [("", "", ".")]),
        ("d?d d", [("", "", " "), ("", " ")]),
    ],
)
def test_patterns_with_signs_and_what_may_be_left_out(
    text: str, forms: list[tuple[str, ...]]
) -> None:
    assert [form.signs for form in parse_forms(text)] == forms


@pytest.mark.slow("pictures")
def test_a_row_has_the_form_that_is_as_long_as_it_is_read_freely(model: Model) -> None:
    image = np.asarray(page("2074", "36"))
    rows = read_rows_of(image, model, parse_forms("d?d?dd"))
    assert [row.text() for row in rows] == ["2074", "36"]
    assert [row.signs for row in read_rows_of(image, model, parse_forms("d?d?d.d"))] == [
        ("", "", "", "."),
        ("", "."),
    ]


@pytest.mark.parametrize("pattern", [None, "dd", "ddd", "[0-4]d"])
def test_the_search_finds_the_best_of_all_ways(pattern: str | None) -> None:
    """Against trying every way to take pieces together or leave them out."""
    places = parse_forms(pattern)[0].places if pattern else None
    rng = np.random.default_rng(3)
    for _ in range(20):
        pieces = 5
        spans = [(a, b) for a in range(pieces) for b in range(a + 1, min(a + 3, pieces) + 1)]
        tried = [Candidate(a, b, (0, 0, 1, 1), np.ones((1, 1), bool)) for a, b in spans]
        scores = rng.normal(0, 3, (len(tried), 10)).astype(np.float32)
        skips = rng.normal(-3, 2, pieces).astype(np.float32)
        way = best_way(tried, scores, skips, places)
        assert way is not None
        path = way.choices
        taken = {piece for step in path for piece in range(*spans[step.candidate])}
        total = sum(scores[step.candidate, step.digit] for step in path)
        total += sum(skips[piece] for piece in range(pieces) if piece not in taken)
        assert way.score == pytest.approx(total, abs=1e-4)
        assert total == pytest.approx(best_of_all(spans, scores, skips, places), abs=1e-4)


def best_of_all(
    spans: list[tuple[int, int]],
    scores: np.ndarray,
    skips: np.ndarray,
    places: tuple[frozenset[int], ...] | None,
) -> float:
    best = -np.inf
    counts = [len(places)] if places else range(len(skips) + 1)
    for count in counts:
        for chosen in itertools.combinations(range(len(spans)), count):
            chosen_spans = [spans[number] for number in chosen]
            if any(a[1] > b[0] for a, b in itertools.pairwise(chosen_spans)):
                continue
            taken = {piece for span in chosen_spans for piece in range(*span)}
            total = sum(skips[piece] for piece in range(len(skips)) if piece not in taken)
            for place, number in enumerate(chosen):
                allowed = sorted(places[place]) if places else range(10)
                total += max(scores[number, digit] for digit in allowed)
            best = max(best, total)
    return float(best)


@pytest.mark.parametrize("pattern", [None, "ddd"])
def test_a_few_looks_find_the_way_that_all_would(model: Model, pattern: str | None) -> None:
    """What cannot be a digit of the best way is not looked at."""
    places = parse_forms(pattern)[0].places if pattern else None
    digits = load_digits().part("train")
    row = draw_row(digits.images[:4], digits.labels[:4], np.random.default_rng(0), touching=1.0)
    ink = Ink((1 - row.picture / 255).astype(np.float32), row.picture < 128, 0.5)
    found = Regions.of(ink.mask)
    strokes = find_rows(found, ink.mask.shape)[0]
    lattice = lattice_of(found, strokes, 40, ink, model, all_cuts=True)
    way = lattice.way(places)
    every = range(len(lattice.tried))
    rest = [number for number in every if number not in lattice.images]
    assert 0 < len(lattice.images) < len(rest)
    lattice.look_at(rest)
    assert lattice.way(places) == way


def test_only_what_is_doubtful_in_a_long_row_is_cut(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_digits().part("train")
    rng = np.random.default_rng(7)
    drawn, written, cut = [], [], []
    for _ in range(4):
        chosen = rng.integers(len(digits), size=16)
        images, labels = digits.images[chosen], digits.labels[chosen]
        drawn.append(draw_row(images, labels, rng, touching=0.2).picture)
        written.append("".join(map(str, labels)))
    width = max(row.shape[1] for row in drawn)
    page = [np.pad(row, ((0, 0), (0, width - row.shape[1])), constant_values=255) for row in drawn]

    def counted(found: Regions, row: NDArray[np.intp], *rest: Any, **options: Any) -> Lattice:
        cut.append(len(row))
        return lattice_of(found, row, *rest, **options)

    monkeypatch.setattr("digitcli.reading.transcribe.lattice_of", counted)
    rows = read_rows(np.vstack(page), model)
    assert [row.text() for row in rows] == written
    assert 0 < sum(cut) < 0.3 * 16 * 4


def test_the_quick_way_to_align_a_text_finds_what_the_long_one_does() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        columns = np.log(rng.dirichlet(np.full(11, 0.3), size=12)).astype(np.float32)
        text = "".join(str(digit) for digit, _, _ in runs(columns))
        assert spans(columns, text) == aligned(columns, text)


def test_a_row_of_nothing_that_can_be_a_digit_is_left_out(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digitcli.reading.lattice.candidates", lambda *_, **__: [])
    monkeypatch.setattr("digitcli.reading.along.likely_texts", lambda *_, **__: [])
    monkeypatch.setattr("digitcli.reading.along.runs", lambda _: [])
    picture = Image.new("L", (120, 60), 255)
    ImageDraw.Draw(picture).line([(20, 10), (20, 50), (60, 10), (60, 50)], fill=0, width=5)
    with pytest.raises(ImageError, match="holds no row of digits"):
        read_rows(np.asarray(picture), model)


def test_print_is_not_answered(model: Model) -> None:
    words = ["quick", "brown", "fox", "jumps", "over", "many", "lazy", "dogs"]
    rng = np.random.default_rng(0)
    image = Image.new("L", (900, 700), 255)
    pen = ImageDraw.Draw(image)
    for line in range(20):
        pen.text((30, 20 + 33 * line), " ".join(rng.choice(words, 9)), 30, font_size=20)
    with pytest.raises(ImageError, match="holds no row of digits"):
        read_rows(np.asarray(image), model)


def test_frames_and_lines_among_print_are_not_answered(model: Model) -> None:
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "and", "pages", "of"]
    rng = np.random.default_rng(3)
    image = Image.new("RGB", (1280, 1600), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 1280, 70), fill=(30, 60, 120))
    pen.text((30, 18), "My website   Home   About   Contact", "white", font_size=28)
    for top in range(100, 1600, 250):
        pen.text((60, top), " ".join(rng.choice(words, 5)).title(), (20, 20, 20), font_size=30)
        for line in range(6):
            pen.text((60, top + 50 + 27 * line), " ".join(rng.choice(words, 14)), 60, font_size=18)
        pen.rectangle((60, top + 212, 260, top + 240), outline=(30, 60, 120), width=2)
    with pytest.raises(ImageError, match="holds no row of digits"):
        read_rows(np.asarray(image), model)


@pytest.mark.parametrize(
    ("text", "below", "rise"),
    [
        ("4068", 3, 2),
        ("9135", 3, 2),
        ("725", 1, 4),
        ("2074", 1, 4),
        ("2074", 2, 0),
    ],
)
def test_an_underline_that_digits_stand_on_is_no_part_of_them(
    model: Model, text: str, below: int, rise: int
) -> None:
    image = page(text, margin=40)
    dark = np.flatnonzero((np.asarray(image) < 128).any(axis=1))
    line = (8, dark[-1] + below, image.width - 8, dark[-1] + below - rise)
    ImageDraw.Draw(image).line(line, 60, 3)
    assert texts(image, model) == [text]


@pytest.mark.parametrize("text", ["0625", "20742", "79167"])
@pytest.mark.parametrize("high", [18, 44])
def test_teeth_of_a_comb_are_no_1s(model: Model, text: str, high: int) -> None:
    image = page(text, pitch=60)
    pen = ImageDraw.Draw(image)
    line = np.flatnonzero((np.asarray(image) < 128).any(axis=1))[-1] + 5
    posts = [40 + 60 * number for number in range(len(text) + 1)]
    pen.line((posts[0], line, posts[-1], line), 60, 3)
    for x in posts:
        pen.line((x, line, x, line - high), 60, 3)
    assert texts(image, model) == [text]


@pytest.mark.parametrize("text", ["62571", "4796", "00223"])
@pytest.mark.parametrize("aside", [0, 10])
def test_boxes_with_gaps_between_them_are_left_out(model: Model, text: str, aside: int) -> None:
    digits = np.asarray(page(text, pitch=60))
    image = Image.fromarray(np.roll(digits, aside, axis=1))
    pen = ImageDraw.Draw(image)
    for number in range(len(text)):
        x = 40 + 60 * number
        pen.rectangle((x + 6, 58, x + 54, 114), outline=40, width=2)
    assert texts(image, model) == [text]


def test_a_rule_of_a_coarse_picture_is_some_pixels_thick() -> None:
    ink = np.zeros((44, 30), np.bool_)
    ink[:, 3:7] = True  # the side of a cell, at the edge of a crop
    stroke = np.zeros_like(ink)
    stroke[8:36, 16:20] = stroke[32:36, 7:24] = True  # a digit whose foot touches it
    rest = find_rules(ink | stroke).rest
    assert not rest[:28, :10].any()
    assert rest[stroke].mean() > 0.9


@pytest.mark.parametrize("fall", range(8))
def test_a_line_is_found_from_end_to_end(fall: int) -> None:
    image = Image.new("1", (440, 200))
    ImageDraw.Draw(image).line((14, 160, 420, 160 + fall), 1, 4)
    (line,) = find_lines(np.asarray(image))
    assert len(np.unique(line.runs.column)) >= 400


def test_squared_paper_is_left_out(model: Model) -> None:
    image = page("2074", margin=40)
    paper = Image.new("L", image.size, 235)
    pen = ImageDraw.Draw(paper)
    for x in range(5, paper.width, 21):
        pen.line((x, 0, x + 6, paper.height), 170, 1)
    for y in range(3, paper.height, 21):
        pen.line((0, y, paper.width, y - 4), 170, 1)
    squared = np.minimum(np.asarray(image), np.asarray(paper))
    assert texts(Image.fromarray(squared), model) == ["2074"]


def test_a_short_row_is_answered_only_where_a_lone_digit_would_be(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert texts(page("47"), model) == ["47"]
    monkeypatch.setattr("digitcli.reading.rows._holds_digit", lambda *_: False)
    with pytest.raises(ImageError, match="holds no row of digits"):
        texts(page("47"), model)
    assert texts(page("4720"), model) == ["4720"]
    assert texts(page("47"), model, "dd") == ["47"]


def test_the_edges_of_a_blank_cell_hold_no_digit(model: Model) -> None:
    cell = np.clip(np.random.default_rng(1).normal(225, 4, (60, 80)), 0, 255).astype(np.uint8)
    cell[:, :2] = 90
    cell[-2:] = 90
    with pytest.raises(ImageError):
        read_rows(cell, model)


def test_doubtful_are_the_digits_without_which_a_row_is_confident() -> None:
    digits = [
        Digit((0, 0, 1, 1), probabilities_of(digit, confidence), digit)
        for digit, confidence in ((4, 0.99), (7, 0.6), (1, 0.9))
    ]
    row = Row(tuple(digits))
    assert row.confidence == pytest.approx(0.99 * 0.6 * 0.9)
    assert row.text(0.5) == "471"
    assert row.text(0.6) == "4?1"
    assert row.text(0.95) == "4??"
    assert row.text(0.995) == "???"


@pytest.mark.parametrize("confidence", [1e-9, 0.3, 0.9, 1.0])
def test_a_row_shares_its_confidence_out_to_its_digits(confidence: float) -> None:
    digits = [Digit((0, 0, 1, 1), probabilities_of(digit, 0.8), digit) for digit in (4, 7, 1)]
    digits.append(Digit((0, 0, 1, 1), probabilities_of(0, 1.0), 0))
    row = Row(tuple(digits)).with_confidence(confidence)
    assert row.confidence == pytest.approx(np.clip(confidence, 1e-6, 1 - 1e-4), rel=1e-3)
    assert row.text() == "4710"
    for digit in row.digits:
        assert digit.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert digit.probabilities.min() >= 0


def probabilities_of(digit: int, confidence: float) -> np.ndarray:
    probabilities = np.full(10, (1 - confidence) / 9, np.float32)
    probabilities[digit] = confidence
    return probabilities


def test_a_row_on_printed_paper_that_fills_its_picture_is_read(model: Model) -> None:
    image = page("30750", margin=12)
    y, x = np.mgrid[0 : image.height, 0 : image.width]
    pattern = 40 * (np.cos((y + 6 * np.sin(x / 17)) / 1.4) > 0.5)
    ink = 255 - np.asarray(image).astype(float)
    paper = np.clip(215 - pattern, 0, 255)
    picture = Image.fromarray((paper * (1 - 0.6 * ink / 255)).astype(np.uint8))
    small = picture.crop((0, 20, picture.width, picture.height - 20)).resize(
        (160, 160 * (picture.height - 40) // picture.width)
    )
    assert texts(small, model) == ["30750"]
