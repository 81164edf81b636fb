"""The report as a file: whole, small, safe, and showing the right pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centroids import centroid_model
from conftest import load_digits
from digitcli import Dataset
from digitcli.data.idx import load_idx_pair
from digitcli.evaluation.charts import coverage_chart, history_chart, reliability_chart
from digitcli.evaluation.describe import curves, describe
from digitcli.evaluation.evaluate import Evaluation, Unreadable, evaluate
from digitcli.evaluation.report import ATLAS_COLUMNS, CELL_DIGITS, GALLERY, render, write_report
from digitcli.model.network import Model, Network

EVIL = '<img src=x onerror="hacked=1">'


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


@pytest.fixture(scope="module")
def model(digits: Dataset) -> Model:
    return centroid_model(digits.part("train"))


@pytest.fixture(scope="module")
def result(digits: Dataset, model: Model) -> Evaluation:
    return evaluate(model, digits)


@pytest.fixture(scope="module")
def page(result: Evaluation, model: Model) -> str:
    return render(result, describe(model))


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_nothing_in_the_page_points_outside(page):
    for _, attributes in Outline(page).tags:
        for name in ("src", "href", "srcset", "action", "data"):
            link = attributes.get(name)
            assert link is None or link.startswith(("#", "data:"))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert "@import" not in style[1]
    assert all(url.startswith('"data:') for url in re.findall(r"url\((.*?)\)", style[1]))


def test_each_link_has_its_target_and_no_name_is_used_twice(page):
    tags = Outline(page).tags
    names = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(names) == len(set(names))
    links = {a["href"] for tag, a in tags if tag == "a"}
    assert len(links) > 10
    assert all(link is not None and link[1:] in names for link in links)


def tiles(page: str) -> np.ndarray:
    """Return the pictures of the atlas, shape (rows, columns, 28, 28)."""
    found = re.search(r'background-image: url\("data:image/png;base64,([^"]+)"', page)
    assert found is not None
    atlas = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    return atlas.reshape(-1, 28, ATLAS_COLUMNS, 28).swapaxes(1, 2)


def test_the_digits_shown_are_those_that_were_read(page, result):
    """Every cell and the gallery name pictures; the atlas holds exactly these at their places."""
    atlas = tiles(page)
    shown = re.findall(
        r'class="digit \w+" style="--x:(\d+);--y:(\d+)" role="img" '
        r'aria-label="(\d) read as (\d), no. (\d+)"',
        page,
    )
    assert len(shown) > 100
    for x, y, truth, read, place in (map(int, groups) for groups in shown):
        assert (atlas[y, x] == result.data.images[place]).all()
        assert (truth, read) == (result.data.labels[place], result.predictions[place])


def test_each_cell_shows_its_digits_up_to_the_limit(page, result):
    for truth, row in enumerate(result.confusion_matrix):
        for read, count in enumerate(row):
            panel = re.search(
                rf'<section class="panel" id="cell-{truth}-{read}".*?</ul>', page, re.S
            )
            if count == 0:
                assert panel is None
            else:
                assert panel is not None
                assert panel[0].count('class="digit') == min(count, CELL_DIGITS)


def test_the_gallery_holds_the_worst_mistakes_in_order(page, result):
    gallery = re.search(r'<ol class="gallery[ \w]*">.*?</ol>', page, re.DOTALL)
    assert gallery is not None
    places = [int(place) for place in re.findall(r'aria-label="[^"]*no. (\d+)"', gallery[0])]
    assert places == list(result.mistakes()[:GALLERY])
    first = result.probabilities[places[0]]
    assert f" {result.predictions[places[0]]} {100 * first.max():.1f}%" in gallery[0]


def test_a_flawless_result_has_a_report_too(digits, model):
    """No mistakes, one class, one confidence: nothing divides by what is not there."""
    ones = digits.take(np.flatnonzero((digits.labels == 1) & (digits.split == "test")))

    class Knows:
        def predict_proba(self, images: np.ndarray) -> np.ndarray:
            return np.tile(np.eye(10)[1], (len(images), 1))

    page = render(evaluate(Knows(), ones), describe(Model(model.members, {}, model.name)))
    assert "100.00%" in page
    assert "NaN" not in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page)


def test_one_misread_picture_has_a_report_too(digits, model):
    wrong = evaluate(model, digits).mistakes()[:1]
    alone = evaluate(model, digits.part("test").take(wrong))
    page = render(alone, describe(model))
    assert "0.00%" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page)


@pytest.fixture
def hostile(tmp_path: Path, digits: Dataset, model: Model) -> tuple[Evaluation, Model]:
    """Names with HTML in them wherever a name can stand, and pictures to go with them."""
    test = digits.part("test").take(np.arange(40))
    paths = []
    for i, image in enumerate(test.images):
        folder = tmp_path / ("<b>ada & co</b>".replace("/", "_") if i % 2 else "bob")
        path = folder / str(test.labels[i]) / f"{EVIL.replace('/', '_')}{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).resize((300, 300)).save(path)
        paths.append(str(path))
    data = replace(test, name=f"data {EVIL}", paths=tuple(paths))
    metadata = {f"key {EVIL}": f"</script>{EVIL}", "list": [EVIL, {"a": EVIL}]}
    named = Model(model.members, metadata, f"model {EVIL}")
    unreadable = [Unreadable(f"</script>{EVIL}", f"odd {EVIL}")]
    wrong = Model(centroid_model(digits.take(np.arange(30))).members, name=f"other {EVIL}")
    result = evaluate(wrong, data, against=named, split="all", unreadable=unreadable)
    return result, named


def test_html_in_names_is_text(hostile):
    result, named = hostile
    page = render(result, describe(named), originals=True)
    outline = Outline(page)
    assert not [a for tag, a in outline.tags if a.get("onerror") or a.get("src") == "x"]
    assert [tag for tag, _ in outline.tags].count("script") == 2
    text = "".join(outline.text)
    for name in ("model", "data", "other", "odd", "key"):
        assert f"{name} {EVIL}" in text


CONTROLS = "a\x1b[31m\u202eb\x07\x7f\x9b\u2066\udcff\tc"


def test_control_characters_in_names_are_escaped(digits: Dataset, tmp_path: Path) -> None:
    """In the page and its JSON, whether they come from a model, a dataset or a path."""
    part = digits.take(np.arange(30))
    paths = tuple(f"{CONTROLS}/{CONTROLS}{n}.png" for n in range(30))
    data = replace(part, name=CONTROLS, paths=paths)
    members = centroid_model(digits.take(np.arange(12))).members
    named = Model(members, {CONTROLS: CONTROLS, "list": [CONTROLS, {"a": CONTROLS}]}, CONTROLS)
    unreadable = [Unreadable(CONTROLS, CONTROLS)]
    result = evaluate(named, data, against=named, split="all", unreadable=unreadable)
    assert result.count > result.correct
    path = tmp_path / "report.html"
    write_report(result, path, describe(named))
    page = path.read_bytes().decode("utf-8")
    ours = "\n\u202f"  # thin spaces in numbers
    assert {char for char in page if not char.isprintable() and char not in ours} == set()
    assert r"a\x1b[31m\u202eb\x07\x7f\x9b\u2066\xff\tc" in page
    shown = json.loads(page.partition('id="evaluation">')[2].partition("</script>")[0])
    assert shown["dataset"] == CONTROLS


def test_originals_are_beside_the_mistakes_only_when_asked_for(hostile):
    result, named = hostile
    wrong = result.count - result.correct
    assert wrong > 0
    with_them = Outline(render(result, describe(named), originals=True)).tags
    pictures = [a["src"] or "" for tag, a in with_them if tag == "img"]
    assert len(pictures) == min(wrong, GALLERY)
    small = Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2])))
    assert max(small.size) <= 224
    without = Outline(render(result, describe(named))).tags
    assert not [tag for tag, _ in without if tag == "img"]


def test_pictures_that_have_gone_are_left_out(hostile):
    result, named = hostile
    for path in result.data.paths or ():
        Path(path).unlink()
    page = render(result, describe(named), originals=True)
    assert "<img" not in page


def test_equal_evaluations_make_equal_files(result, model, tmp_path):
    for name in ("a.html", "b.html"):
        write_report(result, tmp_path / name, describe(model))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.slow("pictures")
@pytest.mark.parametrize("sharpness", [0.5, 0.0])
def test_mnist_fits_in_3_megabytes(shared_data, tmp_path, sharpness):
    """Even for a model that knows nothing and so fills every cell it can."""
    mnist = load_idx_pair(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    model = centroid_model(mnist, sharpness)
    if not sharpness:
        network = model.members[0]
        noise = np.random.default_rng(1).normal(size=(784, 10)).astype(np.float32)
        model = Model((Network((noise,), network.biases),), model.metadata, model.name)
    result = evaluate(model, mnist, split="all", against=centroid_model(mnist, 0.1))
    assert result.count == 10_000
    write_report(result, tmp_path / "report.html", describe(model))
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_curves_come_from_the_history():
    history = {
        "epoch": [1, 2],
        "training_loss": [2.0, 1.0],
        "validation_loss": [None, 0.5],
        "learning_rate": ["fast", "slow"],
    }
    found = curves(history)
    assert list(found) == ["training_loss", "validation_loss"]
    assert found["training_loss"] == [2.0, 1.0]
    np.testing.assert_array_equal(found["validation_loss"], [np.nan, 0.5])
    for odd in (None, 3, "text", [], [1, 2], [{"training_loss": 1}], {"training_loss": 1}):
        assert curves(odd) == {}


def test_charts_stay_inside_their_frame(result):
    rising = history_chart("h", "H", [("a", "ink", [0.2, float("nan"), 0.9, 0.91])], share=True)
    for chart in (reliability_chart(result), coverage_chart(result), rising):
        left, top, right, bottom = chart.frame
        for shape in chart.shapes:
            points = [tuple(map(float, p.split(","))) for p in shape.points.split()]
            if shape.kind == "dot":
                points.append(shape.numbers[:2])
            for x, y in points:
                assert left - 0.1 <= x <= right + 0.1
                assert top - 0.1 <= y <= bottom + 0.1
        labels = [tick.label for tick in (*chart.x_ticks, *chart.y_ticks)]
        assert len(chart.x_ticks) >= 2
        assert len(chart.y_ticks) >= 2
        assert all(len(label) <= 7 for label in labels)


def _evaluation(confidences: np.ndarray, right: np.ndarray) -> Evaluation:
    """Return an evaluation of answers that are as sure and as right as given."""
    data = load_digits()
    data = data.take(np.arange(len(confidences)) % len(data.labels))
    digits = np.where(right, data.labels, (data.labels + 1) % 10)
    probabilities = np.repeat(((1 - confidences) / 9)[:, None], 10, axis=1)
    probabilities[np.arange(len(digits)), digits] = confidences
    return replace(
        evaluate(centroid_model(data), data, split="all"), probabilities=probabilities.astype("f4")
    )


def test_large_counts_have_thin_spaces_on_the_axis_as_in_the_text(model):
    sure = _evaluation(np.full(10_001, 0.999), np.arange(10_001) > 0)
    text = Outline(render(sure, describe(model))).text
    assert {"1", "10", "100", "1000", "10\u202f000", "10\u202f001"} <= set(text)


def test_dots_of_the_coverage_chart_in_one_place_have_one_label():
    """Every other answer is sure, the others are not: only two sets of answers can be given."""
    confidences = np.where(np.arange(500) % 2, 0.9999, 0.85)
    chart = coverage_chart(_evaluation(confidences, np.arange(500) % 3 > 0))
    labels = {shape.text for shape in chart.shapes if shape.kind == "label"}
    assert labels == {"all", "≥ 0.9"}


@pytest.mark.parametrize("seed", range(40))
def test_labels_of_the_coverage_chart_meet_neither_each_other_nor_dots(seed: int) -> None:
    """Whatever the curve: a label is as wide as its letters in the widest of the fonts."""
    rng = np.random.default_rng(seed)
    confidences = 1 - 0.89 * rng.random(500) ** rng.uniform(0.3, 8)
    right = rng.random(500) < 1 - rng.uniform(0, 1) * (1 - confidences)
    chart = coverage_chart(_evaluation(confidences, right))
    labels = [
        (x - 6.3 * len(shape.text), y - 9, x, y + 2.5)
        for shape in chart.shapes
        if shape.kind == "label"
        for x, y in [shape.numbers]
    ]
    dots = [
        (x - 3, y - 3, x + 3, y + 3)
        for shape in chart.shapes
        if shape.kind == "dot"
        for x, y, _ in [shape.numbers]
    ]
    assert labels
    for place, label in enumerate(labels):
        for other in [*labels[:place], *dots]:
            apart = (
                label[2] <= other[0]
                or other[2] <= label[0]
                or label[3] <= other[1]
                or other[3] <= label[1]
            )
            assert apart, (label, other)
        assert label[0] >= chart.frame[0]
        assert label[2] <= chart.width
