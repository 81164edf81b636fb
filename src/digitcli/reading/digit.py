"""Read the one digit in a picture: see it in the ways that make sense, and take the likeliest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.reading.likeness import has_hairlines, legibility, likeness, pale_ink_around
from digitcli.reading.look import BESIDE, Look
from digitcli.seeing.decode import SIGHT, AnyImage, Picture, decode, name_of
from digitcli.seeing.encircled import encircled
from digitcli.seeing.form import has_mnist_form, shape_strokes
from digitcli.seeing.grouping import possible_digits
from digitcli.seeing.light import shrink
from digitcli.seeing.morphology import Mask
from digitcli.seeing.paper import cut_out, find_papers
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rules import is_empty_box
from digitcli.seeing.scene import NO_INK, Scene, Weight
from digitcli.seeing.stroke import stroke_width
from digitcli.seeing.view import View

FIRST, SUREST = 0.8, 0.95
"""The first look, and any other, is taken without trying more if it is this likely. A look that is
as likely as the second leaves no doubt."""
LEGIBLE = 0.3
"""The first look must be this legible, too: chosen, as all here, on digits drawn into scenes."""
HALF, WELL_READ = 0.5, 0.9
"""It need only be as likely as not where it is as legible as this: of 305 such looks at digits that
were drawn into scenes 301 were read right, and more tries mended none and spoiled one."""
SURE = 0.9
"""What is as likely as this may continue another look, and its ink need not stand out."""
USUAL = 2.0
"""Another look than the most usual one must be likelier by this factor of its odds."""
THIN = 30.0
"""Looks that leave nothing of thick strokes but their darkest part must be likelier by this."""
ONE_PEN = 3.0
"""A digit is written with one pen: where two were used, a look at the ink of one is likelier."""
CLEARLY, AGAINST = 1.0, 10.0
"""Where the polarity is as evident as this, the other one must be likelier by this factor, and so
must a look without rules where they may be the digit's own strokes, one with what is surely a rule,
and one without thin strokes, which may have crossed it out."""
PALE = 0.05
"""Where pale ink of more than this share of the digit continues it, the digit may be larger."""
LARGER, FINER, CONTAINED = 1.05, 1.01, 0.95
"""What continues a digit is larger by this factor, with hairlines by the second, and contains this
share of it."""
COARSE = 100
"""In digits of fewer pixels hairlines are finer than one."""
AS_LEGIBLE = {"faint": 0.5, "fine": 0.9}
"""What continues a digit with pale ink or hairlines is as legible as it by this factor."""
HOLDER = 10.0
"""Of two looks, the one that holds the other must be likelier by this, for it may be a ring, which
is a legible 0."""
CROSSED_OUT = 30.0
"""Of two marks beside each other, the one that is crossed out must be likelier by this."""
SOFT = 0.12
"""A look with a larger share of soft outline than this may be one at a shadow; others are tried."""
TRUST = 0.1
"""Power of the likelihood that the confidence of an answer is multiplied by: what is right is told
best from what is wrong so, on digits and marks drawn into scenes, and the log loss is least."""
ILLEGIBLE = 0.5
"""Power of the odds of a look, against those of a likelier one that is less legible, that the
confidence is multiplied by."""
ALONE = 0.6
"""What the confidence is multiplied by for each other mark of a digit's size: the one that was read
may be part of a number or of a word. Of 5,034 pictures of one digit, two have such a mark."""
LEAST = 0.005
"""Where no look is this likely, there is no digit, but in pictures too small for anything else."""
WIDTHS = 1 / 4, 1 / 12
"""Where light is uneven in the midst of the paper, strokes are narrower than one of these."""
BITMAP = 24
"""Smaller pictures hold a digit and nothing else."""
ROOM_FOR_SHADOWS = 64
"""In smaller pictures strokes may be wider."""
MOST_PAPERS = 4
"""So many surfaces at most are taken for the paper."""
SAME_PEN = 0.5, 2.5
"""Strokes of one pen are at least and at most so wide, against the digit's,"""
DARK = 0.7
"""and at least so dark."""
BLURRED, EVEN = 0.45, 0.5
"""Strokes stand out: around them it is much paler. Around the noise of blank paper it is not, and
nothing in it is as likely a digit as not."""
SMOOTH = 2.5
"""The outline of strokes is steeper than bare paper by this factor; that of a shadow is not."""
NO_DIGIT = "holds nothing that looks like a digit; check that the picture shows one"


class Seen(NamedTuple):
    """The digit in a picture, and how far the scene can be trusted.

    Attributes
    ----------
    image : ndarray of uint8, shape (28, 28)
        The digit in the form of MNIST.
    doubt : float
        How probable it is that this is not the digit that was meant, 0 to 1; 0 if that is sure.
    others : int
        How many other marks of a digit's size stand beside it.
    ready : bool
        Whether the picture had this form already.
    """

    image: NDArray[np.uint8]
    doubt: float = 0.0
    others: int = 0
    ready: bool = False


class Steps(NamedTuple):
    """What each step of the way made of a picture.

    Attributes
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        The picture, with SIGHT pixels on its longer side at most.
    paper : ndarray of bool, shape (height, width)
        Which part of it was taken for the paper.
    ink : ndarray of bool, shape (height, width)
        Which pixels are ink,
    digit : ndarray of bool, shape (height, width)
        and which of them are the digit.
    strokes : ndarray of bool, shape (rows, columns)
        The digit, large, with stroke widths as the network knows them.
    image : ndarray of uint8, shape (28, 28)
    doubt : float
    others : int
        As `Seen` has them.
    """

    picture: Picture
    paper: Mask
    ink: Mask
    digit: Mask
    strokes: Mask
    image: NDArray[np.uint8]
    doubt: float
    others: int


class Found(NamedTuple):
    """The likeliest look at a picture.

    Attributes
    ----------
    look : Look
    doubt : float
    others : int
        As `Seen` has them.
    """

    look: Look
    doubt: float
    others: int


def scenes(picture: Picture, polarity: Polarity) -> Iterator[Scene]:
    """See a picture in the ways that make sense: the whole and each paper in it, dark and light."""
    fixed = None if polarity is Polarity.AUTO else polarity is Polarity.DARK_ON_LIGHT

    def both(view: View, dark: bool | None, **way: Any) -> Iterator[Scene]:
        try:
            scene = Scene(view, dark=dark, **way)
            yield scene
            if fixed is None:
                yield Scene(view, dark=not scene.dark, **way)
        except ImageError:
            return

    def seen(view: View) -> Iterator[Scene]:
        for number, scene in enumerate(both(view, fixed)):
            yield scene
            if number == 0 and not small:
                yield from scene.pens()

    small = max(picture.shape[:2]) < ROOM_FOR_SHADOWS
    whole = View(picture)
    first: Scene | None = None
    for scene in seen(whole):
        first = first or scene
        yield scene
    dark = None if first is None else first.dark
    if first is None and fixed is not None:
        return  # no ink of the polarity that was asked for
    for paper in find_papers(picture)[:MOST_PAPERS]:
        yield from seen(View(picture, cut_out(picture, paper)))
    if first is None:
        return
    if small:
        yield from itertools.islice(both(whole, dark, weight="fine"), 1)
    else:
        yield from filter(None, (first.thick(), first.without_underline()))
        for widest in WIDTHS:
            yield from both(whole, dark, widest=widest)
        for weight in "faint", "heavy":
            yield from itertools.islice(both(whole, dark, weight=weight), 1)


def looks(scene: Scene) -> Iterator[Look]:
    """Look at each part of a scene that may be its digit, the likeliest first."""

    seen: set[object] = set()

    def among(pieces: Regions) -> Iterator[Look]:
        for rank, chosen in enumerate(possible_digits(pieces, scene.touching(pieces))):
            look = Look(scene, pieces, chosen, rank)
            rows, columns = look.box
            ends = rows.start, rows.stop, columns.start, columns.stop
            same = *ends, int(pieces.area[chosen].sum())
            if same not in seen:
                seen.add(same)
                yield look

    order = [scene.pieces, scene.all_pieces]
    if scene.tight:
        order.reverse()
    yield from among(order[0])
    if order[1] is not order[0]:
        yield from among(order[1])
    if scene.bare_pieces is not scene.pieces:
        yield from among(scene.bare_pieces)
    if (inner := _encircled(scene.pieces)) is not None:
        yield from among(inner)


def _encircled(pieces: Regions) -> Regions | None:
    """Return what touches the largest piece of ink from within, if that is a ring."""
    largest = int(pieces.size.argmax())
    box = (
        slice(int(pieces.top[largest]), int(pieces.bottom[largest])),
        slice(int(pieces.left[largest]), int(pieces.right[largest])),
    )
    inner = encircled(pieces.labels[box] == largest + 1)
    if inner is None:
        return None
    mask = np.zeros(pieces.labels.shape, np.bool_)
    mask[box] = inner
    return Regions.of(mask)


@dataclass
class Choice:
    """The likeliest look so far.

    Attributes
    ----------
    look : Look, optional
        None where there is none yet.
    likely : float
        How probable it is that it is at the digit that was meant.
    odds : float
        The odds of that, for how unusual the way is in which it was seen.
    legible : float
        How well it can be read, 0 to 1.
    share : float
        Its odds against those of a likelier look that is less legible, 1 if there is none.
    """

    look: Look | None = None
    likely: float = 0.0
    odds: float = 0.0
    legible: float = 1.0
    share: float = 1.0

    def consider(self, look: Look, likely: float, *, room: bool) -> None:
        """Take a look that is likelier and more legible; `room` if there may be shadows."""
        best, found = self.look, _weighed(look, likely)
        needed = _needed(look, best, self.odds) if best else self.odds
        ring = best is not None and (look.holds(best) or best.holds(look))
        least = needed if ring else needed * self.legible
        if found > least and room and not _is_paler(look, best) and _is_soft(look):
            found /= AGAINST
        if found <= least:
            return
        legible = legibility(look)
        if ring or found * legible > least:
            self.share = min(1.0, self.share * found / max(needed, 1e-9))
            self.look, self.likely, self.odds, self.legible = look, likely, found, legible
        elif found > needed:
            self.share = min(self.share, needed / found)


def likeliest(picture: Picture, polarity: Polarity) -> Choice:
    """Find the look at the digit that was meant, and how probable that is.

    The most usual look is taken if it is likely; another one must be likelier by some factor, for
    how it was seen, how it lies to the best one so far, and how legible it is.
    """
    best = Choice()
    tries = scenes(picture, polarity)
    first = True
    room = max(picture.shape[:2]) >= ROOM_FOR_SHADOWS
    while scene := next(tries, None):
        usual, first = first, False
        if is_empty_box(scene.ink):
            best.odds = max(best.odds, 1.0)
            continue
        tried = looks(scene)
        if usual:
            look = best.look = next(tried)
            likely = best.likely = float(likeness([look])[0])
            if max(picture.shape[:2]) < BITMAP or (likely >= FIRST and not room):
                return _continued(best)
            shadowed = room and _is_soft(look)
            best.legible = legibility(look)
            enough = HALF if best.legible >= WELL_READ else FIRST
            if likely >= enough and not shadowed and best.legible >= LEGIBLE:
                if not (_has_neighbour(look) and look.is_crossed_out):
                    return _continued(best)
                tries = iter(())  # its neighbour is seen in the same scene
            best.odds = _odds(likely) * (1 / AGAINST if shadowed else USUAL)
            if shadowed:
                tries = itertools.chain(_without_soft(scene), tries)
        for look, likely in _judged(list(tried)):
            best.consider(look, likely, room=room)
        if best.odds * best.legible >= _odds(SUREST):
            break
    return best


def _is_soft(look: Look) -> bool:
    """Whether the outline of a look may be that of a shadow."""
    return look.scene.softness(look.mask, look.box) > SOFT


def _weighed(look: Look, likely: float) -> float:
    """Return the odds of a look, for how unusual the way is in which it was seen."""
    scene, odds = look.scene, _odds(likely)
    if look.has_rule or (scene.tight and look.pieces is not scene.all_pieces):
        odds /= AGAINST
    if scene.dark != (scene.evidence < 0) and abs(scene.evidence) > CLEARLY:
        odds /= AGAINST
    if scene.weight == "heavy" or scene.widest == WIDTHS[-1]:
        odds /= THIN
    if scene.by_thick_pen:
        odds /= AGAINST
    elif scene.by_one_pen:
        odds *= ONE_PEN
    return odds


def _continued(best: Choice) -> Choice:
    """Return what continues a look with pale ink, if that is surely a digit; or the look itself."""
    look = best.look
    if look is None:
        return best
    for weight in _light_ink(look):
        with suppress(ImageError):
            scene = Scene(look.scene.view, dark=look.scene.dark, weight=weight)
            for larger, likely in _judged(list(looks(scene))):
                if likely >= SURE and _continues(larger, look):
                    if legibility(larger) >= AS_LEGIBLE[weight] * legibility(look):
                        return Choice(larger, likely)
                    break
    return best


def _light_ink(look: Look) -> Iterator[Weight]:
    """Yield how to see ink that continues a look and was hardly pressed on, if there is any."""
    if look.size < COARSE and has_hairlines(look):
        yield "fine"
    if pale_ink_around(look) > PALE:
        yield "faint"


def _needed(look: Look, best: Look, odds: float) -> float:
    """Return the odds that a look needs to be better than the best one, for how the two lie."""
    if _is_paler(look, best):
        odds = min(odds / USUAL, _odds(SURE))
    if look.holds(best):
        odds *= HOLDER
    elif best.holds(look):
        odds /= HOLDER
    if look.is_beside(best):
        odds *= CROSSED_OUT ** (int(look.is_crossed_out) - int(best.is_crossed_out))
    return odds


def _is_paler(look: Look, best: Look | None) -> bool:
    """Whether a look holds the best one, and pale ink that continues it."""
    return best is not None and look.scene.weight in AS_LEGIBLE and _continues(look, best)


def _continues(look: Look, other: Look) -> bool:
    """Whether a look at the whole picture holds another one, and ink that continues it."""
    if other.scene.sheet is not None or other.scene.dark != look.scene.dark:
        return False
    if look.area < (FINER if look.scene.weight == "fine" else LARGER) * other.area:
        return False
    common = look.mask(other.box) & other.mask(other.box)
    return int(np.count_nonzero(common)) >= CONTAINED * other.area


def _has_neighbour(look: Look) -> bool:
    """Whether there is another mark of a digit's size."""
    return bool((look.pieces.size[~look.chosen] >= BESIDE[0] * look.size).any())


def _without_soft(scene: Scene) -> Iterator[Scene]:
    """See a scene so that all that has soft edges is light."""
    with suppress(ImageError):
        yield Scene(scene.view, dark=scene.dark, soft=True)


def _judged(looks: list[Look]) -> Iterable[tuple[Look, float]]:
    return zip(looks, likeness(looks).tolist(), strict=True) if looks else ()


def _odds(probability: float) -> float:
    return probability / max(1 - probability, 1e-9)


def find_digit(picture: Picture, *, polarity: Polarity = Polarity.AUTO) -> Found:
    """Find the digit in a picture, as large as it was seen.

    Raises
    ------
    ImageError
        If the picture holds no ink, or nothing that is likely to be a digit.
    """
    picture = shrink(picture, SIGHT)
    best = likeliest(picture, polarity)
    look, likely = best.look, best.likely
    if look is None:
        raise ImageError(NO_INK)
    if likely < SURE:
        sharpness, halo = look.scene.sharpness(look.mask, look.box)
        if sharpness < SMOOTH or (halo > BLURRED and likely < EVEN):
            raise ImageError(NO_INK)
    if likely < LEAST and max(picture.shape[:2]) >= ROOM_FOR_SHADOWS:
        raise ImageError(NO_DIGIT)
    beside = others(look)
    trust = (1.0 if likely >= SUREST else likely**TRUST) * best.share**ILLEGIBLE * ALONE**beside
    return Found(look, 1 - trust, beside)


def see_picture(picture: Picture, *, polarity: Polarity = Polarity.AUTO) -> Seen:
    """Find the digit in a picture and bring it to the form of MNIST.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB pixels, as `decode` returns them.
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.

    Returns
    -------
    Seen
        An image that has this form already is returned as it is.

    Raises
    ------
    ImageError
        If the picture holds no ink, or nothing that is likely to be a digit.
    """
    if polarity is not Polarity.DARK_ON_LIGHT and has_mnist_form(picture):
        return Seen(picture, ready=True)
    found = find_digit(picture, polarity=polarity)
    return Seen(found.look.form, found.doubt, found.others)


def see_steps(picture: Picture, *, polarity: Polarity = Polarity.AUTO) -> Steps:
    """Do what `see_picture` does and keep what every step made of the picture."""
    picture = shrink(picture, SIGHT)
    found = find_digit(picture, polarity=polarity)
    scene, (rows, columns) = found.look.scene, found.look.box
    sheet = scene.sheet
    top, left = (0, 0) if sheet is None else (sheet.top, sheet.left)
    height, width = scene.ink.shape
    part = slice(top, top + height), slice(left, left + width)
    paper, ink, digit = (np.zeros(picture.shape[:2], np.bool_) for _ in range(3))
    paper[part] = True if sheet is None else sheet.inside
    ink[part] = scene.ink
    digit[part][rows, columns] = found.look.mask((rows, columns))
    strokes = shape_strokes(found.look.enlarged())
    ready = not scene.dark and sheet is None and has_mnist_form(picture)
    image = picture if ready else found.look.form
    return Steps(picture, paper, ink, digit, strokes, image, found.doubt, found.others)


def others(look: Look) -> int:
    """Count the marks beside a digit that are of its size, and written with its pen."""
    pieces, chosen = look.pieces, look.chosen
    rows, columns = look.box
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    height = pieces.bottom - pieces.top
    least, most = BESIDE
    alike = (height >= least * tall) & (height <= most * tall) & (pieces.size <= 3 * look.size)
    beside = (pieces.left >= columns.stop - 0.3 * wide) | (
        pieces.right <= columns.start + 0.3 * wide
    )
    apart = beside | (pieces.top >= rows.stop) | (pieces.bottom <= rows.start)
    found = np.flatnonzero(alike & apart & ~chosen)
    if not len(found):
        return 0
    width, dark = _pen(look)
    least, most = SAME_PEN
    count = 0
    for other in found:
        other_width, other_dark = _pen(replace(look, chosen=np.arange(len(chosen)) == other))
        same = least * width <= other_width <= most * width and other_dark >= DARK * dark
        count += int(same)
    return count


def _pen(look: Look) -> tuple[float, float]:
    """Mean width and density of a mark's strokes."""
    box = look.box
    mask = look.mask(box)
    return stroke_width(mask), float(look.scene.density[box][mask].mean())


def see_digit(
    file: AnyImage,
    *,
    polarity: Polarity | str = Polarity.AUTO,
    name: str | None = None,
) -> Seen:
    """Do what `read_digit` does, and tell how far the scene can be trusted."""
    picture = decode(file, name)
    try:
        return see_picture(picture, polarity=Polarity(polarity))
    except ImageError as error:
        raise ImageError(f"{name_of(file, name)} {error}") from None


def read_digit(
    file: AnyImage,
    *,
    polarity: Polarity | str = Polarity.AUTO,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Read the digit in an image.

    Parameters
    ----------
    file : str, Path, binary file object, bytes, ndarray of uint8 or Pillow image
        An image of any size and mode: the path of a file or what is in one (PNG, JPEG, GIF, BMP,
        PPM, TIFF, WebP, AVIF, JPEG 2000, …), or pixels of shape (height, width), grey, or
        (height, width, 3), RGB. Of a TIFF file of several pages the first is read, and any other as
        ``"two.tif[2]"``; of an animation the first frame.
    polarity : {"auto", "dark-on-light", "light-on-dark"}
        Whether the ink is darker or brighter than the paper; found out by default.
    name : str, optional
        What error messages call the image; the path by default.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        The digit in the form of MNIST: bright on black, its longer side 20 pixels, its centre of
        mass in the middle.

    Raises
    ------
    ImageError
        If it cannot be read as an image, or the picture holds no ink or nothing that looks
        like a digit.
    """
    return see_digit(file, polarity=polarity, name=name).image
