"""Lay out small charts: from figures to the coordinates that the report's template draws.

All lengths are in the units of an SVG view box of `WIDTH` by the chart's height, which at the
narrowest (a phone) is shown a little under one CSS pixel each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from digitcli.evaluation.evaluate import THRESHOLDS, Evaluation, grouped, percent
from digitcli.evaluation.metrics import accuracy_at_coverage, wilson_interval

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 360, 44, 14, 14, 40
HEIGHT = 250
LETTER, LINE = 6.4, 13
"""Room for a letter of a label, and for a line, in the widest of the fonts."""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Tick:
    """A grid line with its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Shape:
    """One thing to draw: kind is line, bar, dot, whisker or label; style names its CSS class."""

    kind: str
    style: str
    numbers: tuple[float, ...] = ()
    points: str = ""
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart ready to draw; `summary` says in words what it shows."""

    name: str
    title: str
    summary: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    shapes: tuple[Shape, ...]
    legend: tuple[tuple[str, str], ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = field(
        default=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM), kw_only=True
    )


def reliability_chart(evaluation: Evaluation) -> Chart:
    """Draw accuracy against confidence, with 95% intervals, around the diagonal of honesty."""
    x, y = _across(0, 1), _up(0, 1)
    shapes = [Shape("line", "guide", points=_path([(x(0), y(0)), (x(1), y(1))]))]
    for bar in evaluation.reliability:
        if bar.count:
            low, high = wilson_interval(round(bar.accuracy * bar.count), bar.count)
            at = x(bar.confidence)
            shapes.append(Shape("whisker", "ink", _rounded(at, y(low), y(high))))
            radius = 2.5 + 3.5 * math.sqrt(bar.count / evaluation.count)
            name = f"{percent(bar.confidence)} sure, {percent(bar.accuracy)} right: {bar.count}"
            shapes.append(Shape("dot", "accent", _rounded(at, y(bar.accuracy), radius), text=name))
    ticks = [0, 0.25, 0.5, 0.75, 1]
    return Chart(
        "reliability",
        "Reliability",
        "Fraction right against mean confidence in 15 bins. On the diagonal the model is as often "
        "right as it says. The expected calibration error is "
        f"{percent(evaluation.expected_calibration_error)}.",
        "confidence",
        tuple(Tick(x(t), _short_percent(t)) for t in ticks),
        tuple(Tick(y(t), _short_percent(t)) for t in ticks),
        tuple(shapes),
        (("accent", "bin, larger for more digits"), ("ink", "95% interval")),
    )


def confidence_chart(evaluation: Evaluation) -> Chart:
    """Draw how many answers fall in each bin of confidence, and how many of them are wrong."""
    most = max(bar.count for bar in evaluation.reliability)
    x = _across(0, 1)
    decades = [10**power for power in range(len(str(most)) + 1)]
    log = _up(0, math.log10(1 + max(most, 10)))
    shapes = []
    for bar in evaluation.reliability:
        wrong = bar.count - round(bar.accuracy * bar.count) if bar.count else 0
        left, right = x(bar.low) + 0.75, x(bar.high) - 0.75
        for count, style in ((bar.count, "soft"), (wrong, "accent")):
            if count:
                top = log(math.log10(1 + count))
                name = f"{bar.low:.0%} to {bar.high:.0%} sure: {bar.count}, {wrong} wrong"
                numbers = _rounded(left, top, right - left, log(0) - top)
                shapes.append(Shape("bar", style, numbers, text=name))
    return Chart(
        "confidence",
        "Confidence",
        "Number of answers by confidence, on a logarithmic scale, and the wrong ones among them.",
        "confidence",
        tuple(Tick(x(t), _short_percent(t)) for t in (0, 0.25, 0.5, 0.75, 1)),
        tuple(Tick(log(math.log10(1 + d)), grouped(d)) for d in decades if d <= max(most, 10)),
        tuple(shapes),
        (("soft", "all answers"), ("accent", "wrong answers")),
    )


def coverage_chart(evaluation: Evaluation) -> Chart:
    """Draw accuracy against coverage as the minimum confidence rises."""
    fine = [i / 100 for i in range(99)] + [0.99 + i / 1000 for i in range(10)] + [0.9995, 0.9999]
    points = [
        point
        for point in accuracy_at_coverage(evaluation.data.labels, evaluation.probabilities, fine)
        if point.coverage > 0
    ]
    named = [point for point in evaluation.coverage if point.coverage > 0]
    x_ticks = _ticks(min(p.coverage for p in named), 1)
    y_ticks = _ticks(min(p.accuracy for p in points), max(1.0, *(p.accuracy for p in points)))
    x, y = _across(x_ticks[0], x_ticks[-1]), _up(y_ticks[0], y_ticks[-1])
    shown = [(x(p.coverage), y(p.accuracy)) for p in points if p.coverage >= x_ticks[0]]
    shapes = [Shape("line", "ink", points=_path(shown))]
    dots = [(x(p.coverage), y(p.accuracy)) for p in named]
    for point, at in zip(named, dots, strict=True):
        text = f"at least {point.threshold:g}: {percent(point.coverage)} answered"
        text += f", {percent(point.accuracy)} of them right"
        shapes.append(Shape("dot", "accent", _rounded(*at, 3), text=text))
    labels: dict[tuple[float, float], str] = {}
    for point, at in zip(named, dots, strict=True):
        labels.setdefault(at, f"≥ {point.threshold:g}" if point.threshold else "all")
    shapes += _labels(list(labels.values()), list(labels), shown)
    return Chart(
        "coverage",
        "Accuracy against coverage",
        "Accuracy of the answers given, against how many are given, as --min-confidence rises from "
        f"0 to {THRESHOLDS[-1]:g}.",
        "answered",
        tuple(Tick(x(t), _short_percent(t, x_ticks)) for t in x_ticks),
        tuple(Tick(y(t), _short_percent(t, y_ticks)) for t in y_ticks),
        tuple(shapes),
    )


def _labels(
    labels: Sequence[str],
    dots: Sequence[tuple[float, float]],
    curve: Sequence[tuple[float, float]],
) -> Iterator[Shape]:
    """Yield the labels for which there is room, those at the ends of the curve first."""
    taken = [_around(at) for at in (*dots, *_along(curve))]
    ends = {0, len(dots) - 1}
    for index in sorted(range(len(dots)), key=lambda index: index not in ends):
        # Above or below another dot, it would be taken for the label of that.
        others = [] if index in ends else [_around(at, LINE) for at in dots if at != dots[index]]
        for box in _places(dots[index], len(labels[index]) * LETTER):
            if _in_frame(box) and not any(_meet(box, other) for other in taken + others):
                taken.append(box)
                corner = _rounded(box[2], box[3] - 3)
                yield Shape("label", "muted", corner, text=labels[index])
                break


Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def _places(at: tuple[float, float], width: float) -> Iterator[Box]:
    """Yield where the label of a dot may be: lower left of it, upper right, and so on around."""
    x, y = at
    left_of, right_of = x - 6 - width, x + 6
    below, above, beside = y + 17, y - 2, y + 5
    for left, bottom in (
        (left_of, below),
        (right_of, above),
        (left_of, beside),
        (right_of, below),
        (left_of, above),
    ):
        yield left, bottom - LINE, left + width, bottom


def _around(dot: tuple[float, float], height: float = 3) -> Box:
    x, y = dot
    return x - 3, y - height, x + 3, y + height


def _along(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield points on a curve that lie near each other."""
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(1, round(math.hypot(x1 - x0, y1 - y0) / 4))
        for step in range(steps):
            yield x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _in_frame(box: Box) -> bool:
    return box[0] > LEFT and box[1] >= TOP and box[2] <= WIDTH and box[3] < HEIGHT - BOTTOM


def history_chart(
    name: str, title: str, curves: Sequence[tuple[str, str, Sequence[float]]], share: bool
) -> Chart:
    """Draw curves over the epochs, each a label, a style and one number per epoch.

    Parameters
    ----------
    name, title : str
    curves : sequence of (label, style, values)
        Values that are not finite leave a gap.
    share : bool
        Whether the values are fractions, to be written as percentages.
    """
    values = [value for _, _, curve in curves for value in curve if math.isfinite(value)]
    epochs = max(len(curve) for _, _, curve in curves)
    y_ticks = _ticks(min(values), max(values))
    x = _across(1, max(epochs, 2))
    y = _up(y_ticks[0], y_ticks[-1])
    step = _step((max(epochs, 2) - 1) / 4, whole=True)
    x_ticks = [1, *(t for t in range(int(step), epochs + 1, int(step)) if t > 1)]
    shapes = []
    for _, style, curve in curves:
        for run in _runs(curve):
            shapes.append(Shape("line", style, points=_path((x(e), y(v)) for e, v in run)))
            if len(run) == 1:
                shapes.append(Shape("dot", style, _rounded(x(run[0][0]), y(run[0][1]), 2.5)))
    write = percent if share else "{:.4g}".format
    last = ", ".join(f"{label} {write(c[-1])}" for label, _, c in curves if math.isfinite(c[-1]))
    legend = tuple(dict.fromkeys((style, label) for label, style, _ in curves))
    networks = len(curves) // len(legend)
    return Chart(
        name,
        title,
        f"{title} over {epochs} epochs"
        + (f" of {networks} networks." if networks > 1 else f"; at the end: {last}."),
        "epoch",
        tuple(Tick(x(t), str(t)) for t in x_ticks),
        tuple(Tick(y(t), _short_percent(t, y_ticks) if share else f"{t:g}") for t in y_ticks),
        tuple(shapes),
        legend,
    )


def _runs(curve: Sequence[float]) -> list[list[tuple[int, float]]]:
    """Split a curve at what is not finite, into runs of (epoch, value)."""
    runs: list[list[tuple[int, float]]] = [[]]
    for epoch, value in enumerate(curve, 1):
        if math.isfinite(value):
            runs[-1].append((epoch, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _across(low: float, high: float) -> Scale:
    return lambda value: LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _up(low: float, high: float) -> Scale:
    return lambda value: HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _step(rough: float, whole: bool = False) -> float:
    """Return the least of 1, 2, 5, 10, … times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    step: float = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    return max(1, round(step)) if whole else step


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers that embrace `low` to `high`."""
    if high - low < 1e-9:
        low, high = low - max(abs(low) * 0.01, 1e-6), high
    step = _step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _short_percent(share: float, ticks: Sequence[float] = ()) -> str:
    """Write a tick as a percentage with as few places as tell it from its neighbours."""
    values = [*ticks, share]
    places = next(
        p for p in range(9) if all(abs(100 * v - round(100 * v, p)) < 1e-7 for v in values)
    )
    return f"{100 * share:.{places}f}%"


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _rounded(*numbers: float) -> tuple[float, ...]:
    return tuple(round(number, 1) for number in numbers)
