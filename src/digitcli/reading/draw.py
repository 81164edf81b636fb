"""Show on a picture which digits were read, and where."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitcli.reading.rows import Row
from digitcli.seeing.decode import Picture

LABEL = 0.35
"""Size of the written digits, as a share of the height of those they label."""


def draw_rows(picture: Picture, rows: list[Row]) -> Image.Image:
    """Draw a box around each digit with its reading above, in one colour for each row.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    rows : list of Row
        With boxes in pixels of the picture.
    """
    image = Image.fromarray(picture).convert("RGB")
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        colour = _colour(number)
        height = float(np.median([digit.box[3] - digit.box[1] for digit in row.digits]))
        font = ImageFont.load_default(max(10, LABEL * height))
        for digit in row.digits:
            left, top, right, bottom = digit.box
            draw.rectangle((left, top, right - 1, bottom - 1), None, colour, 1 + int(height / 50))
            draw.text(
                (left, top - 2),
                f"{digit.digit}",
                colour,
                font,
                anchor="lb" if top > height else "lt",
            )
    return image


def _colour(number: int) -> tuple[int, int, int]:
    """Strong colours, far apart for neighbouring numbers."""
    red, green, blue = colorsys.hls_to_rgb(number * 0.382 % 1, 0.42, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)
