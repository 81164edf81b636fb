"""Accuracy on printed digits and on those of displays.

    python benchmarks/print.py [FOLDER ...] [--misread SHEET.png]

Draws each digit in every face that has digits of a common form, in sizes from 24 to 160 pixels,
dark on light or light on dark, and reads it as `digitcli predict` does. FOLDER is /usr/share/fonts
by default; with Debian's packages fonts-dejavu, fonts-liberation, fonts-freefont-ttf, fonts-urw-
base35, fonts-lato, fonts-roboto, fonts-open-sans and fonts-cantarell it holds ordinary faces, with
fonts-dseg those of seven- and fourteen-segment displays (all files called DSEG).
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digitcli.errors import ImageError
from digitcli.model.modelfile import load_model
from digitcli.reading.digit import see_digit
from digitcli.reading.turn import recognised

SIZES = 24, 60, 160
SEGMENTS = "DSEG"
NO_DIGITS = "Weather", "Symbol", "Dingbats", "D050000L", "Emoji", "Braille", "Icons"
"""Faces whose names hold one of these show no digits."""


class Printed(NamedTuple):
    """A printed digit: its face, its picture and what was read, -1 for a refusal."""

    face: str
    digit: int
    picture: NDArray[np.uint8]
    read: int
    confidence: float


def draw(face: Path, digit: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a digit in the midst of a page."""
    font = ImageFont.truetype(face, size)
    left, top, right, bottom = font.getbbox(str(digit))
    margin = round(size * rng.uniform(0.3, 0.8))
    paper, ink = (245, 25) if rng.random() < 0.7 else (20, 230)
    side = round(right - left) + 2 * margin, round(bottom - top) + 2 * margin
    page = Image.new("L", side, paper)
    ImageDraw.Draw(page).text((margin - left, margin - top), str(digit), ink, font)
    return np.asarray(page)


def read_face(face: Path) -> list[Printed]:
    """Draw and read all digits of a face."""
    model = load_model()
    rng = np.random.default_rng(0)
    found = []
    for size in SIZES:
        for digit in range(10):
            picture = draw(face, digit, size, rng)
            file = BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            try:
                seen = see_digit(file.getvalue())
            except ImageError:
                found.append(Printed(face.stem, digit, picture, -1, 0.0))
                continue
            likely = recognised(seen, model)
            read = int(likely.argmax())
            found.append(Printed(face.stem, digit, picture, read, float(likely.max())))
    return found


def faces(folders: list[Path]) -> list[Path]:
    """Font files that show digits, each face once."""
    files = sorted(file for folder in folders for file in folder.rglob("*.[to]tf"))
    known = {file.stem: file for file in files}
    return [
        file for name, file in known.items() if not any(without in name for without in NO_DIGITS)
    ]


def save_sheet(printed: list[Printed], path: Path) -> None:
    """Draw misread digits, each with what was read."""
    cell, columns = 80, 16
    sheet = Image.new("L", (columns * cell, -(-max(1, len(printed)) // columns) * cell), 128)
    draw_on = ImageDraw.Draw(sheet)
    for number, one in enumerate(printed):
        left, top = number % columns * cell, number // columns * cell
        picture = Image.fromarray(one.picture)
        picture.thumbnail((cell - 2, cell - 14))
        sheet.paste(picture, (left, top))
        draw_on.text((left, top + cell - 12), f"{one.digit} as {one.read}", 255)
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("/usr/share/fonts")])
    parser.add_argument("--misread", type=Path, metavar="SHEET.png")
    options = parser.parse_args()
    found = faces(options.folders)
    with ProcessPoolExecutor() as pool:
        printed = [one for each in pool.map(read_face, found) for one in each]
    wrong = [one for one in printed if one.read != one.digit]
    for title, segments in (("print", False), ("segments", True)):
        of = [one for one in printed if one.face.startswith(SEGMENTS) == segments]
        if of:
            right = sum(one.read == one.digit for one in of)
            count = len({one.face for one in of})
            sure = sum(one.confidence > 0.9 and one.read != one.digit for one in of)
            print(f"{title:9} {count:4} faces {right / len(of):7.2%} right, {sure} wrong but sure")
    for one in wrong[:40]:
        print(f"{one.face:32} {one.digit} read as {one.read} at {one.confidence:.2f}")
    if options.misread:
        save_sheet(wrong, options.misread)


if __name__ == "__main__":
    main()
