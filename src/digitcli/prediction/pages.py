"""Inputs that hold several pictures: each page of a TIFF is an input of its own."""

from __future__ import annotations

from digitcli.prediction.paths import Burst, Source, Unreadable
from digitcli.seeing.frames import Frames, Page, page_name


def pages_of(source: Source, frames: Frames) -> Burst:
    """Return the pages of an input, called ``two.tif[1]``, ``two.tif[2]`` and so on.

    Where there may be more than could be found, the last item says so. An input that has one page
    and no more gives nothing.
    """
    path, file, name = source
    if isinstance(file, Page) or not frames.several:
        return []
    pages: Burst = [
        Source(page_name(path, number), Page(file, number), page_name(name, number))
        for number in range(1, frames.pages + 1)
    ]
    if frames.fault:
        pages.append(Unreadable(page_name(path, frames.pages + 1), frames.missing(name)))
    return pages
