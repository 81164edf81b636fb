"""The report as a person meets it: opened in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centroids import centroid_model
from chromium import Browser, browser
from conftest import load_digits
from digitcli.evaluation.describe import describe
from digitcli.evaluation.evaluate import Evaluation, Unreadable, evaluate
from digitcli.evaluation.report import CELL_DIGITS, write_report
from digitcli.model.network import Model

pytestmark = pytest.mark.slow("browser")

EVIL = '<img src=x onerror="hacked=1">'
LONG = "a-name-without-any-place-to-break-it-" * 5


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as opened:
            yield opened
    except LookupError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """A report with every section, and names that are long or hold HTML."""
    folder = tmp_path_factory.mktemp("report")
    digits = load_digits()
    test = digits.part("test")
    paths = []
    for i, image in enumerate(test.images):
        source = (EVIL, LONG, "bob")[i % 3]
        path = folder / source / str(test.labels[i]) / f"{LONG}{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).resize((56, 56)).save(path)
        paths.append(str(path))
    data = replace(test, name=f"{EVIL}{LONG}", paths=tuple(paths))
    known = centroid_model(digits.part("train"))
    model = Model(known.members, known.metadata, f"/{LONG}/{EVIL}.joblib")
    model.metadata["note"] = [EVIL, LONG]
    other = Model(centroid_model(digits.take(np.arange(60))).members, name=LONG)
    broken = [Unreadable(f"{LONG}{EVIL}", f"{LONG} is no picture")]
    result = evaluate(model, data, against=other, unreadable=broken)
    write_report(result, folder / "report.html", describe(model), originals=True)
    return folder / "report.html", result


@pytest.fixture
def page(chromium: Browser, report: tuple[Path, Evaluation]) -> Browser:
    """The report, freshly opened on a desktop screen."""
    chromium.open(Path("/nowhere/between"))
    chromium.console()
    chromium.width(1280)
    chromium.scheme("light")
    chromium.open(report[0])
    return chromium


def test_nothing_is_logged_fetched_or_injected(page: Browser):
    assert page.console() == []
    fetched = page.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert page.run("return window.hacked") is None
    assert page.run("return document.images.length") > 10
    assert page.run("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_names_with_html_are_read_as_text(page: Browser):
    text = page.run("return document.body.innerText")
    for place in (f"/{LONG}/{EVIL}.joblib", f"{EVIL}{LONG}", f"{LONG}{EVIL}"):
        assert place in text


def in_view(page: Browser, selector: str) -> bool:
    shown: bool = page.run(
        f"""const e = document.querySelector("{selector}");
        const b = e.getBoundingClientRect();
        return e.checkVisibility() && b.width > 0 && b.top >= 0 && b.top < innerHeight;"""
    )
    return shown


@pytest.mark.parametrize("width", [1280, 360])
def test_a_confusion_leads_to_its_digits(page: Browser, report, width):
    page.width(width)
    matrix = report[1].confusion_matrix.copy()
    np.fill_diagonal(matrix, 0)
    truth, read = np.unravel_index(matrix.argmax(), matrix.shape)
    cell = f"cell-{truth}-{read}"
    assert not in_view(page, f"#{cell}")
    page.click(f".matrix a[href='#{cell}']")
    assert page.run("return location.hash") == f"#{cell}"
    assert in_view(page, f"#{cell} h3")
    assert in_view(page, f"#{cell} .digit")
    digits = page.run(f"return document.querySelectorAll('#{cell} .digit').length")
    assert digits == min(matrix.max(), CELL_DIGITS)
    link = ".matrix a[aria-current]"
    assert page.run(f"return document.querySelector('{link}').textContent") == str(matrix.max())
    assert page.run("return document.querySelectorAll('.panel:target').length") == 1


def test_the_keyboard_reaches_a_cell_and_its_digits(page: Browser, report):
    count = int(report[1].confusion_matrix[0, 0])
    page.press(TAB)
    assert page.run("return document.activeElement.className") == "skip"
    page.run("document.querySelector('.matrix a').focus()")
    assert page.run("return document.activeElement.ariaLabel") == f"0 read as 0: {count}"
    page.press(ENTER)
    assert page.run("return document.activeElement.id") == "cell-0-0"
    page.press(TAB)
    assert page.run("return document.activeElement.textContent") == "Back to the matrix"


def column(page: Browser, table: str, index: int) -> list[str]:
    values: list[str] = page.run(
        f"""return [...document.querySelector("{table}").tBodies[0].rows]
        .map(row => row.cells[{index}].dataset.value)"""
    )
    return values


def test_the_table_of_digits_sorts(page: Browser, report):
    recalls = [score.recall for score in report[1].per_class]
    header = "#per-class th:nth-child(3)"
    page.click(f"{header} button")
    assert [float(v) for v in column(page, "#per-class", 2)] == sorted(recalls)
    state = f"return document.querySelector('{header}').ariaSort"
    assert page.run(state) == "ascending"
    page.press(ENTER)  # the button has the focus
    assert [float(v) for v in column(page, "#per-class", 2)] == sorted(recalls, reverse=True)
    assert page.run(state) == "descending"
    page.click("#per-class th:first-child button")
    assert column(page, "#per-class", 0) == [str(digit) for digit in range(10)]
    assert page.run("return document.querySelectorAll('#per-class [aria-sort]').length") == 1


def test_the_table_of_sources_sorts_by_name_too(page: Browser, report):
    page.click("#slices th:nth-child(4) button")
    counts = [int(v) for v in column(page, "#slices", 3)]
    assert counts == sorted(part.count for part in report[1].slices)
    page.click("#slices th:first-child button")
    assert set(column(page, "#slices", 0)) == {EVIL, LONG, "bob"}


CONTRAST = """
const light = c => {
  const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3)
    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = light(getComputedStyle(document.body).backgroundColor);
return [...document.querySelectorAll("h1, p, dt, dd, a, small, th, td, h2, h3")].map(e => {
  const ink = light(getComputedStyle(e).color);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
});
"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_both_colour_schemes_can_be_read(page: Browser, tmp_path, scheme, dark):
    """Text has the contrast of 4.5 that WCAG 2.2 asks for, and the paper is as preferred."""
    page.scheme(scheme)
    assert min(page.run(CONTRAST)) >= 4.5
    page.screenshot(tmp_path / "page.png")
    shown = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    assert (np.median(shown) < 64) == dark
    filters = page.run("return getComputedStyle(document.querySelector('.digit')).filter")
    assert filters == ("none" if dark else "invert(1)")


def test_digits_are_enlarged_crisply(page: Browser, report, tmp_path):
    """Each pixel of the worst mistake is a square of 4 by 4 in one shade, the right one."""
    page.scheme("dark")
    page.screenshot(tmp_path / "page.png")
    left, top, width, height = page.run(
        """const b = document.querySelector(".gallery .digit").getBoundingClientRect();
        return [b.left, b.top + scrollY, b.width, b.height]"""
    )
    assert (width, height) == (112, 112)
    shown = Image.open(tmp_path / "page.png").convert("L")
    blocks = np.asarray(shown.crop((round(left), round(top), round(left) + 112, round(top) + 112)))
    worst = report[1].data.images[report[1].mistakes()[0]]
    np.testing.assert_array_equal(blocks, np.kron(worst, np.ones((4, 4), np.uint8)))


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_scrolls_sideways(page: Browser, width):
    page.width(width)
    page.run("location.hash = '#cell-1-1'; document.querySelector('details').open = true")
    # less than the window where a scroll bar takes its part of it
    shown = page.run("return document.documentElement.clientWidth")
    assert page.run("return document.documentElement.scrollWidth") <= shown
    out = page.run(
        f"""return [...document.querySelectorAll("body *")]
        .filter(e => !e.closest(".scroll, .sr, .skip, svg"))
        .filter(e => e.getBoundingClientRect().right > {shown} + 0.5)
        .map(e => e.tagName + "." + e.className)"""
    )
    assert out == []


def test_paper_shows_the_mistakes_and_no_navigation(page: Browser):
    page.scheme("dark", media="print")
    assert (
        page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert page.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    digit = "getComputedStyle(document.querySelector('.gallery .digit'))"
    assert page.run(f"return {digit}.printColorAdjust") == "exact"
    pdf = page.devtools("Page.printToPDF", {})["data"]
    assert len(pdf) > 10_000
    page.scheme("light")


def test_a_screen_reader_finds_its_way(page: Browser):
    """What assistive technology is told: one title, named regions, pictures with words."""
    assert page.run("return document.querySelectorAll('h1').length") == 1
    unnamed = page.run(
        """return [...document.querySelectorAll("svg, img, [role=img], section, nav, table")]
        .filter(e => !(e.ariaLabel || e.alt || e.getAttribute("aria-labelledby") || e.caption
          || (e.tHead && e.tHead.querySelector("th[scope=col]"))))
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    lost = page.run(
        """return [...document.querySelectorAll("[aria-labelledby]")]
        .filter(e => !document.getElementById(e.getAttribute("aria-labelledby"))).length"""
    )
    assert lost == 0
    assert page.run("return document.documentElement.lang") == "en"


TAB, ENTER = "\ue004", "\ue007"  # WebDriver's names of the keys
