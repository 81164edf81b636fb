"""One picture that shows what digitcli saw: every step of the way and what the network said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.reading.digit import Steps, see_steps
from digitcli.seeing.decode import AnyImage, decode, name_of
from digitcli.seeing.morphology import Mask

PANEL = 196
"""Side of each panel: 28 pixels shown seven times larger."""

MARGIN = 12
TITLE = 22

PAPER, TEXT, FAINT = "white", "#1f2328", "#d0d7de"
CHOSEN, OTHER = "#0969da", "#8c959f"
FOUND = np.array([207, 34, 46], np.uint8)


def explain_digit(
    file: AnyImage,
    probabilities: NDArray[np.floating],
    *,
    polarity: Polarity | str = Polarity.AUTO,
    name: str | None = None,
    turns: int = 0,
) -> Image.Image:
    """Draw the steps from a picture to its digit, and what the network said of it.

    Parameters
    ----------
    file, polarity, name
        As for `digitcli.read_digit`.
    probabilities : ndarray of float, shape (10,)
        The network's probabilities for 0 … 9.
    turns : int
        By how many quarters, anticlockwise, the digit was turned before it was read.

    Raises
    ------
    ImageError
        As `digitcli.read_digit` does.
    """
    picture = decode(file, name)
    try:
        steps = see_steps(picture, polarity=Polarity(polarity))
    except ImageError as error:
        raise ImageError(f"{name_of(file, name)} {error}") from None
    return explain(steps, probabilities, turns)


def explain(
    steps: Steps, probabilities: Sequence[float] | NDArray[np.floating], turns: int = 0
) -> Image.Image:
    """Draw the steps of a normalisation and the network's answer side by side.

    Parameters
    ----------
    steps : Steps
        What `see_steps` returned.
    probabilities : sequence of 10 float
        The network's probabilities for 0 … 9.
    turns : int
        By how many quarters, anticlockwise, the digit was turned before it was read.

    Returns
    -------
    PIL.Image.Image
        RGB: the picture, its ink, the digit found on it, the 28×28 image, and ten bars.
    """
    panels = {
        "picture": _fitted(Image.fromarray(steps.picture)),
        "ink": _fitted(Image.fromarray(~steps.ink)),
        "digit": _fitted(_marked(steps)),
        "28 x 28, turned" if turns else "28 x 28": _fitted(
            Image.fromarray(np.ascontiguousarray(np.rot90(steps.image, turns)))
        ),
        "answer": _bars(np.asarray(probabilities, float)),
    }
    step = PANEL + MARGIN
    sheet = Image.new("RGB", (MARGIN + step * len(panels), TITLE + step), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (title, panel) in enumerate(panels.items()):
        left = MARGIN + number * step
        draw.text((left, 5), title, TEXT, _font(12))
        sheet.paste(panel, (left, TITLE))
    return sheet


def _fitted(image: Image.Image) -> Image.Image:
    """Scale an image to a panel: averaged if it is larger, with visible pixels if it is smaller."""
    panel = Image.new("RGB", (PANEL, PANEL), FAINT)
    scale = PANEL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    fitted = image.convert("RGB").resize(size, method)
    panel.paste(fitted, ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2))
    return panel


def _marked(steps: Steps) -> Image.Image:
    """The picture, pale, and dark around the paper, with the digit that was found in red."""
    pale = np.asarray(Image.fromarray(steps.picture).convert("RGB")) // 2 + 127
    pale = np.where(steps.paper[..., None], pale, pale // 2).astype(np.uint8)
    found: Mask = steps.digit
    return Image.fromarray(np.where(found[..., None], FOUND, pale).astype(np.uint8))


def _bars(probabilities: NDArray[np.float64]) -> Image.Image:
    """Ten horizontal bars with their digits and percentages, the most probable one in colour."""
    panel = Image.new("RGB", (PANEL, PANEL), PAPER)
    draw = ImageDraw.Draw(panel)
    font = _font(12)
    height = PANEL / 10
    start, end = 18, PANEL - 52
    best = int(probabilities.argmax())
    for digit, probability in enumerate(probabilities):
        top = digit * height
        length = (end - start) * float(probability)
        colour = CHOSEN if digit == best else OTHER
        draw.text((2, top + 2), str(digit), TEXT, font)
        draw.rectangle([start, top + 4, end, top + height - 4], FAINT)
        draw.rectangle([start, top + 4, start + length, top + height - 4], colour)
        draw.text((end + 6, top + 2), f"{probability:.1%}", TEXT, font)
    return panel


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
