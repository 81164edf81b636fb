"""Damaged and hostile pictures: `digitcli predict` answers for each exactly once, in order.

    python faults/fuzz_images.py [--real FOLDER]

Valid files of every format that is read, in many modes, and those of FOLDER with real pictures are
cut, flipped, spliced and made to lie about their size. Then come animations, special files, odd
names, files that change while they are read, bombs, odd shapes and pictures as large as may be. The
program is run as users run it. Each path must give one result or one error, in order, within the
time and memory stated, and the exit code must be 0 or 3.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from table import Row, main

MOST_MIB = 512
MOST_SECONDS = 20.0
"""Processor time for one picture of the largest size; start included."""
MOST_SECONDS_EACH = 0.5
"""Processor time for each damaged file, as a mean over a batch."""
BATCH = 500
SHAPES = [(1, 1), (1, 30_000), (30_000, 1), (30_000, 3), (2, 2), (28, 1), (1000, 30),
          (30_000, 1600), (1600, 30_000), (50_000_000, 1), (1, 50_000_000)]  # fmt: skip

SAVES: list[tuple[str, str, dict[str, object]]] = [
    ("PNG", "L", {}),
    ("PNG", "1", {}),
    ("PNG", "P", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("JPEG", "L", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("GIF", "P", {}),
    ("TIFF", "L", {}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "F", {"compression": "tiff_deflate"}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("PPM", "L", {}),
    ("ICO", "RGBA", {}),
    ("PCX", "P", {}),
    ("TGA", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("AVIF", "RGB", {}),
]


def picture(digit: int = 3, side: int = 48) -> Image.Image:
    """Draw a digit, black on white."""
    image = Image.new("L", (side, side), 255)
    font = ImageFont.load_default(side * 3 // 4)
    ImageDraw.Draw(image).text((side // 2, side // 2), str(digit), 0, font, anchor="mm")
    return image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def valid_files() -> list[bytes]:
    """Return a drawn digit in each format and mode that this Pillow can write."""
    files = []
    for digit, (format, mode, options) in enumerate(SAVES):
        with contextlib.suppress(OSError, KeyError, ValueError):
            files.append(encoded(picture(digit % 10).convert(mode), format, **options))
    return files


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return `data` with one to three kinds of damage."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(9):
            case 0:  # flip bits
                for _ in range(rng.randint(1, 8)):
                    if changed:
                        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            case 1:  # cut short
                del changed[at:]
            case 2:  # leave out
                del changed[at : at + rng.randint(1, 64)]
            case 3:  # put in
                changed[at:at] = rng.randbytes(rng.randint(1, 64))
            case 4:  # repeat
                changed[at:at] = changed[at : at + rng.randint(1, 256)]
            case 5:  # splice
                other = rng.choice(others)
                changed[at:] = other[rng.randrange(len(other)) :]
            case 6:  # lie about sizes: large numbers where headers are
                head = rng.randrange(min(len(changed), 64) + 1)
                number = rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
                changed[head : head + 4] = number.to_bytes(4, rng.choice(["big", "little"]))
            case 7:  # fill
                length = rng.randint(1, 128)
                changed[at : at + length] = bytes([rng.choice([0, 0xFF])]) * length
            case 8:  # swap
                half = at // 2
                changed[:half], changed[half:at] = changed[half:at], changed[:half]
    return bytes(changed)


# --- running the program -----------------------------------------------------------------------


@dataclass
class Tally:
    """What came of many runs of the program, for one row."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    mib: int = 0
    most_seconds: float = MOST_SECONDS

    def row(self, fault: str, *, alone: bool = False) -> Row:
        counts = ", ".join(f"{number:,} {what}" for what, number in self.outcomes.most_common())
        slowest = f"slowest {self.seconds:.1f} s, " if alone else ""
        return Row(fault, self.tried, tuple(self.lost), f"{counts}; {slowest}peak {self.mib} MiB")

    def predict(self, paths: list[str], *options: str, cwd: Path) -> list[dict[str, Any]]:
        """Run `predict` on the paths and check that each has its line."""
        self.tried += len(paths)
        process = subprocess.Popen(
            [sys.executable, "-m", "digitcli", "predict", "-0", "--format", "json", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        errors: list[bytes] = []
        said = process.stderr
        reader = threading.Thread(target=lambda: errors.append(said.read()))
        writer = threading.Thread(
            target=_write, args=(process.stdin, [os.fsencode(path) + b"\0" for path in paths])
        )
        reader.start()
        writer.start()
        output = process.stdout.read()
        writer.join()
        reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        process.stderr.close()

        lines = [json.loads(line) for line in output.splitlines()]
        faults = [line.get("error") for line in lines if "error" in line]
        self.outcomes.update("refused" if "error" in line else "read" for line in lines)
        seconds = usage.ru_utime + usage.ru_stime
        mib = usage.ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)
        self.seconds, self.mib = max(self.seconds, seconds), max(self.mib, mib)
        most = self.most_seconds + MOST_SECONDS_EACH * len(paths)
        wrongs = {
            f"exit code {process.returncode}": process.returncode != (3 if faults else 0),
            "the lines are not those of the paths": _inputs(lines, paths) != paths,
            "a line that is neither or both": any(
                ("error" in line) == ("digit" in line or "rows" in line) for line in lines
            ),
            "an error of many lines": any("\n" in fault for fault in faults),
            # the decoders' C libraries may grumble, but no Python traceback is shown
            "a traceback": b"Traceback" in errors[0],
            f"{seconds:.1f} s": seconds > most,
            f"{mib} MiB": mib > MOST_MIB,
        }
        named = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
        self.lost += [f"{named!r}: {wrong}" for wrong, is_so in wrongs.items() if is_so]
        return lines

    def expect(self, lines: Iterable[dict[str, Any]], right: Callable[[Any], bool]) -> None:
        """Note the answers that are not right."""
        self.lost += [f"not expected: {line!r:.300}" for line in lines if not right(line)]


def _inputs(lines: list[dict[str, Any]], paths: list[str]) -> list[str]:
    """Return the inputs that the lines are about; the pages of one come one after the other."""
    given = set(paths)
    found: list[str] = []
    for line in lines:
        path = line["path"]
        whole, _, number = path.rpartition("[")
        if path in given:
            found.append(path)
        elif number == "1]":
            found.append(whole)
        elif found[-1:] != [whole]:
            return []
    return found


def _write(stream: Any, items: list[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError), stream:
        stream.writelines(items)


# --- the faults --------------------------------------------------------------------------------


def damaged(originals: list[bytes], count: int, rng: random.Random, folder: Path) -> Row:
    """Mutate, predict, check."""
    tally = Tally()
    for first in range(0, count, BATCH):
        names = [f"{number}.png" for number in range(first, min(first + BATCH, count))]
        for name in names:
            (folder / name).write_bytes(mutate(rng.choice(originals), originals, rng))
        tally.predict(names, cwd=folder)
        for name in names:
            (folder / name).unlink()
    return tally.row(f"pictures: flips, cuts, splices, lies about size of {len(originals)} files")


def png(width: int, height: int, bits: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    """Return a PNG that claims a size, whatever its data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def icon(inside: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(inside), 22) + inside


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield small files that claim or hold huge pictures."""
    sides = ((2**31 - 1, 1), (1, 2**31 - 1), (50_000, 50_000), (65_535, 65_535), (10_000, 10_000))
    for number, (width, height) in enumerate(sides):
        for bits, colour in ((1, 0), (8, 2), (8, 3), (16, 6)):
            yield f"{number}-{bits}-{colour}.png", png(width, height, bits, colour)
        yield f"{number}.ico", icon(png(width, height))
        dib = struct.pack("<IiiHH24x", 40, width, height, 1, 24)
        yield f"{number}.bmp", b"BM" + struct.pack("<I4xI", 54, 54) + dib
        yield f"{number}.dib", dib
        yield f"{number}-dib.ico", icon(dib)
        yield f"{number}.ppm", b"P6 %d %d 255\n" % (width, height) + bytes(100)
        yield f"{number}.pgm", b"P2 %d %d 255\n" % (width, height) + b"0 " * 100
        short = (min(width, 65_535), min(height, 65_535))
        yield (
            f"{number}.gif",
            b"GIF89a"
            + struct.pack("<HH3x", *short)
            + b",\0\0\0\0"
            + (struct.pack("<HHB", *short, 0) + b"\2\2\x4c\1\0;"),
        )
        yield f"{number}.tga", struct.pack("<BBB5x4xHHBB", 0, 0, 2, *short, 24, 0) + bytes(100)
        yield (
            f"{number}.pcx",
            b"\n\5\1\x08" + struct.pack("<4H", 0, 0, short[0] - 1, short[1] - 1) + bytes(116),
        )
        jpeg = bytearray(encoded(picture(), "JPEG"))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", *short[::-1])
        yield f"{number}.jpg", bytes(jpeg)
        for kind in ("JPEG2000", "TIFF", "WEBP", "AVIF"):
            whole = bytearray(encoded(picture(), kind))
            for form in ("<I", ">I", "<H"):  # wherever the side stands
                side, end = struct.pack(form, 48), struct.calcsize(form)
                for at in range(len(whole) - end):
                    if whole[at : at + end] == side:
                        claim = min(width, 256**end - 1)
                        whole[at : at + end] = struct.pack(form, claim)
            yield f"{number}.{kind.lower()}", bytes(whole)
    for megabytes in (10, 100, 1000):  # more data than the pixels need
        packer = zlib.compressobj(9)
        zeros = b"".join(packer.compress(bytes(10**6)) for _ in range(megabytes)) + packer.flush()
        yield f"data-{megabytes}.png", png(28, 28, data=zeros)
        yield f"pixels-{megabytes}.png", png(9_000, 9_000, data=zeros)
    text = zlib.compress(bytes(10**8), 9)
    for name, body in ((b"zTXt", b"a\0\0" + text), (b"iCCP", b"a\0\0" + text)):
        check = struct.pack(">I", zlib.crc32(name + body))
        chunk = struct.pack(">I", len(body)) + name + body + check
        sound = png(28, 28, data=zlib.compress(bytes(29 * 28)))
        yield f"{name.decode()}.png", sound[:33] + chunk + sound[33:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + struct.pack(">BH", marker, len(body) + 2) + body


def tiff(*more: tuple[int, int, int, int], rest: bytes = b"", next_ifd: int = 0) -> bytes:
    """Return a TIFF with these entries too: tag, type, number of values, value or its place."""
    head = 8 + 2 + 12 * (9 + len(more)) + 4
    entries = [(256, 3, 1, 48), (257, 3, 1, 48), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
               (273, 4, 1, head), (277, 3, 1, 1), (278, 3, 1, 48), (279, 4, 1, 48 * 48), *more]  # fmt: skip  # noqa: E501
    ifd = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return start + ifd + struct.pack("<I", next_ifd) + picture().tobytes() + rest


HEAVY = 61


def write_heavy(number: int, path: Path) -> None:
    """Write all of these with the first, in a process of its own, so that this one stays small."""
    for other, (data, size) in enumerate(heavy() if number == 0 else ()):
        with path.with_name(f"heavy-{other}").open("wb") as file:
            file.write(data)
            if size > len(data):
                file.truncate(size)


def heavy() -> Iterator[tuple[bytes, int]]:
    """Yield `HEAVY` files with much beside their pixels, and the size to stretch them to."""
    png_file, jpeg, gif = (encoded(picture(), kind) for kind in ("PNG", "JPEG", "GIF"))
    packed = zlib.compress(bytes(10**6), 9)
    some, much = bytes(8_000_000), bytes(140_000_000)
    for kind, body in ((b"tEXt", b"a\0" + much), (b"juNk", much), (b"eXIf", much),
                       (b"tEXt", b"a\0" + some), (b"eXIf", some)):  # fmt: skip
        yield png_file[:33] + chunk(kind, body) + png_file[33:], 0
    for kind, body in ((b"zTXt", b"\0\0"), (b"iTXt", b"\0\1\0\0\0"), (b"iCCP", b"\0\0")):
        many = b"".join(chunk(kind, b"%d" % number + body + packed) for number in range(1000))
        yield png_file[:33] + many + png_file[33:], 0
    texts = b"".join(chunk(b"tEXt", b"%d\0x" % number) for number in range(400_000))
    yield png_file[:33] + texts + png_file[33:], 0
    yield png_file[:33] + chunk(b"IDAT", b"") * 10**6 + png_file[33:], 0
    yield png_file[:33] + chunk(b"acTL", b"\x7f" * 8) + png_file[33:], 0
    over = tuple((40_000 + tag, 1, 7_000_000, 8) for tag in range(1000))
    inner = tiff(*over, rest=bytes(7_000_000))
    yield png_file[:33] + chunk(b"eXIf", inner) + png_file[33:], 0
    yield png_file[:33] + chunk(b"eXIf", tiff((0x8769, 4, 1, 8))) + png_file[33:], 0
    for number in (120, 2200):
        for marker, start in ((0xE1, b"Exif\0\0"), (0xFE, b""), (0xED, b"Photoshop 3.0\0"),
                              (0xE2, b"ICC_PROFILE\0\1\xff")):  # fmt: skip
            pieces = segment(marker, start + bytes(65_000)) * number
            yield jpeg[:2] + pieces + jpeg[2:], 0
    small = tuple((tag, 1, 60_000, 0) for tag in range(300, 5000))
    inner = b"Exif\0\0" + tiff(*small)[:65_000]
    yield jpeg[:2] + segment(0xE1, inner) + jpeg[2:], 0
    index = tiff((0xB001, 4, 1, 2**31), (0xB002, 7, 2**31, 50))
    yield jpeg[:2] + segment(0xE2, b"MPF\0" + index) + jpeg[2:], 0
    yield tiff(*over, rest=bytes(7_000_000)), 0
    yield tiff((40_000, 1, 4_000_000_000, 0)), 2**40
    for tag in (0x8769, 0x8825, 0x014A):  # directories inside
        yield tiff((tag, 4, 1, 8)), 0
    yield tiff(next_ifd=8), 0
    colours = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    comment = b"!\xfe\xff" + bytes(255) + b"\0"
    for number in (120_000, 400_000):
        yield gif[:colours] + comment * number + gif[colours:], 0
    entry = struct.pack("<BBBBHHII", 32, 32, 0, 0, 1, 32, len(png_file), 6 + 16 * 65_535)
    yield struct.pack("<HHH", 0, 1, 65_535) + entry * 65_535 + png_file, 0
    for number in (16_000_000, 140_000_000):
        yield b"P5\n#" + b"x" * number + b"\n2 1 255\n\0\xff", 0
        yield b"P5\n" + b"1" * number + b" 48 255\n", 0
        yield b"P2\n48 48 255\n" + b"1" * number, 0
        yield b"P1\n48 48\n" + b"#\n" * (number // 2), 0
    for kind in ("PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP"):
        whole = encoded(picture().convert("RGB"), kind)
        for size in (2**40, 47 << 20, 140 << 20):
            yield whole, size


def holes() -> Iterator[tuple[str, bytes, int]]:
    """Yield a name, how a file begins, and the size to which it goes on with nothing."""
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO",
                 "PCX", "DIB", "TGA"):  # fmt: skip
        whole = encoded(picture().convert("RGB"), kind)
        size = {"GIF": 31, "WEBP": 47, "AVIF": 47, "JPEG2000": 47}.get(kind, 143) << 20
        for cut in (4, 6, 13, 20, 30, 60, len(whole) // 2):
            yield f"{kind}-{cut}", whole[:cut], size


def write_hole(start: bytes, size: int, path: Path) -> None:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


def large() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield ways to write pictures as large as they may be, and larger, that compress well."""

    def saved(mode: str, side: int, **options: Any) -> Callable[[Path], None]:
        def save(path: Path) -> None:
            image = Image.new("L", (side, side), 255)
            ImageDraw.Draw(image).line((side // 4, side // 6, side // 2, side - 9), 0, side // 15)
            if mode == "I;16":  # L is not turned into it at once
                image = image.convert("I")
            image.convert(mode).save(path, **options)

        return save

    most = 7071
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
        yield f"{mode.replace(';', '')}.png", saved(mode, most, compress_level=1)
    yield "colour-key.png", saved("RGB", most, compress_level=1, transparency=(1, 2, 3))
    yield "palette-key.png", saved("P", most, compress_level=1, transparency=3)
    for mode, how in (("1", "group4"), ("RGB", "tiff_lzw"), ("CMYK", "tiff_lzw"),
                      ("F", "tiff_deflate"), ("I;16", "tiff_deflate"), ("L", "packbits"),
                      ("YCbCr", "raw"), ("RGB", "jpeg")):  # fmt: skip
        name = f"{mode.replace(';', '')}-{how}.tiff"
        yield name, saved(mode, most, compression=how)
    for mode in ("L", "RGB", "CMYK"):
        for progressive in (False, True):
            options = {"progressive": progressive, "quality": 50, "subsampling": 0}
            kind = "progressive" if progressive else "baseline"
            yield f"{mode}-{kind}.jpg", saved(mode, most, **options)
            yield f"{mode}-{kind}-more.jpg", saved(mode, 13_300, **options)
    yield "1.gif", saved("L", most)
    yield "1.bmp", saved("RGB", most)
    yield "1.tga", saved("RGBA", most, compression="tga_rle")
    yield "1.pcx", saved("RGB", most)
    yield "1.ppm", saved("RGB", most)
    for side in (4000, most):
        yield f"{side}.jp2", saved("RGBA", side)
    for side in (4898, most):
        yield f"{side}.webp", saved("RGBA", side, quality=5, method=0)
        yield f"{side}-lossless.webp", saved("RGBA", side, lossless=True, method=0)
    yield "1.avif", saved("RGB", most, quality=5, speed=10)


def each_alone(
    fault: str,
    folder: Path,
    files: Iterable[tuple[str, Callable[[Path], object]]],
    *,
    most_seconds: float = MOST_SECONDS,
) -> Row:
    """Read each file in a process of its own, for its time and memory."""
    tally = Tally(most_seconds=most_seconds)
    for name, write in files:
        pid = os.fork()  # whoever starts the program must be small, or it counts as large
        if not pid:
            try:
                write(folder / name)
            except (OSError, KeyError, ValueError) as error:
                print(f"{name} cannot be made: {error}", file=sys.stderr)
            os._exit(0)
        os.waitpid(pid, 0)
        if (folder / name).exists():
            for options in ((), ("--line",)):
                tally.predict([name], *options, cwd=folder)
            (folder / name).unlink()
    return tally.row(fault, alone=True)


def shape(size: tuple[int, int], path: Path) -> None:
    """Write a white picture with a black block in it."""
    width, height = size
    image = Image.new("L", size, 255)
    image.paste(0, (width // 3, height // 3, width // 2 + 1, height // 2 + 1))
    image.save(path, compress_level=1)


def several(folder: Path) -> Row:
    """Animations, of which the first frame counts, many pages, wrong names."""
    tally = Tally()
    names = ["one.png"]
    picture(7).save(folder / names[0])

    def put(name: str, form: str, more: int) -> None:
        rest = [picture(digit % 10).convert("RGB") for digit in range(more)]
        with contextlib.suppress(OSError, KeyError, ValueError):  # what this Pillow cannot write
            first = picture(7).convert("RGB")
            (folder / name).write_bytes(encoded(first, form, save_all=True, append_images=rest))
            names.append(name)

    for form in ("GIF", "TIFF", "WEBP", "PNG", "AVIF", "MPO"):
        for suffix in ("png", "jpg", "txt", "exe", ""):
            put(f"{form}.{suffix}", form, 2)
    put("long.gif", "GIF", 1000)
    put("long.tiff", "TIFF", 500)
    put("longest.tiff", "TIFF", 1005)
    (folder / "circle.tiff").write_bytes(tiff(next_ifd=8))
    (folder / "outside.tiff").write_bytes(tiff(next_ifd=2**31))
    lines = tally.predict([*names, "circle.tiff", "outside.tiff"], cwd=folder)
    firsts = [line for line in lines if "[" not in line["path"] or line["path"].endswith("[1]")]
    tally.expect(firsts, lambda line: line.get("digit") in (3, 7))
    pages = Counter(line["path"].partition("[")[0] for line in lines)
    wanted = {"long.tiff": 501, "longest.tiff": 1001, "circle.tiff": 2, "outside.tiff": 2}
    tally.lost += [
        f"{name}: {pages[name]} lines" for name, count in wanted.items() if pages[name] != count
    ]
    return tally.row("pictures: animations, many pages, wrong extensions")


def special(folder: Path) -> Row:
    """FIFOs, devices, sockets, folders, links to nowhere and names that are too long."""
    tally = Tally()
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "to-fifo").symlink_to("fifo")
    (folder / "empty.png").touch()
    hole = folder / "hole.png"
    with hole.open("wb") as file:  # 1 TB of nothing
        file.truncate(2**40)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(folder / "socket"))
    paths = [
        "fifo", "to-fifo", "folder", "dangling", "loop", "empty.png", "socket", "hole.png",
        "missing", "sound.png/below", "x" * 300, "x/" * 3000, "/proc/self/mem", "/dev/zero",
        "/dev/null", "/dev/full", "/dev/tty", "/dev/random", "/dev/stdin", "/dev/fd/0",
    ]  # fmt: skip
    picture().save(folder / "sound.png")
    listed = [name for path in paths for name in (path, "sound.png")]
    lines = tally.predict(listed, cwd=folder)
    listener.close()
    tally.expect(lines[::2], lambda line: "error" in line)
    tally.expect(lines[1::2], lambda line: "digit" in line)
    return tally.row(
        "pictures: FIFOs, devices, sockets, folders, broken links, a sound one after each"
    )


def names(count: int, rng: random.Random, folder: Path) -> Row:
    """Files whose names are random bytes, control characters and escape sequences."""
    tally = Tally()
    whole = encoded(picture(), "PNG")
    parts = (b"\n", b"\r", b"\t", b"\x1b[31m", b"\x07", b"\xe2\x80\xae", b"\xff", b"-", b" ", b'"',
             b"\xc3\xbc", b"\\", b"~", b"$(x)", b"\xed\xa0\x80", b"\x85")  # fmt: skip
    chosen: set[bytes] = set()
    while len(chosen) < count:
        if rng.random() < 0.5:
            name = b"".join(rng.choices(parts, k=rng.randint(1, 8)))
        else:
            name = rng.randbytes(rng.randint(1, 60)).replace(b"/", b"").replace(b"\0", b"")
        if name not in (b"", b".", b"..", b"-"):
            chosen.add(name)
    paths = [os.fsdecode(name) for name in sorted(chosen)]
    for path in paths:
        (folder / path).write_bytes(whole)
    lines = tally.predict(paths, cwd=folder)
    tally.expect(lines, lambda line: "digit" in line)
    return tally.row("pictures: names of any bytes")


def changing(count: int, rng: random.Random, folder: Path) -> Row:
    """Files that vanish, are cut, replaced or hidden while the program works through them."""
    tally = Tally()
    whole = encoded(picture(5, 300), "PNG")
    paths = [f"{number}.png" for number in range(count)]
    for path in paths:
        (folder / path).write_bytes(whole)
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            path = folder / rng.choice(paths)
            with contextlib.suppress(OSError):
                match rng.randrange(5):
                    case 0:
                        path.unlink()
                    case 1:
                        os.truncate(path, rng.randrange(len(whole)))
                    case 2:
                        path.write_bytes(whole)
                    case 3:
                        path.rename(folder / rng.choice(paths))
                    case _:
                        path.unlink()
                        path.mkdir()
            done.wait(0.0005)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        tally.predict(paths, cwd=folder)
    finally:
        done.set()
        thread.join()
    return tally.row("pictures: files that vanish, are cut or replaced meanwhile")


def rows(
    count: int, seed: int, *, real: Path | None = None, with_large: bool = True
) -> Iterator[Row]:
    """Do everything with about `count` damaged files."""
    rng = random.Random(seed)
    originals = valid_files()
    if real:
        files = sorted(path for path in real.rglob("*.*") if path.suffix != ".csv")
        originals += [path.read_bytes() for path in files if 0 < path.stat().st_size < 300_000]

    def inside(row: Callable[[Path], Row]) -> Row:
        with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as folder:
            return row(Path(folder))

    yield inside(partial(damaged, originals, count, rng))
    originals.clear()
    yield inside(several)
    yield inside(special)
    yield inside(partial(names, max(20, count // 20), rng))
    yield inside(partial(changing, max(20, count // 10), rng))
    if with_large:
        small = ((name, partial(_put, data)) for name, data in bombs())
        yield inside(
            lambda folder: each_alone("pictures: bombs, each also as --line", folder, small)
        )
        much = ((f"heavy-{number}", partial(write_heavy, number)) for number in range(HEAVY))
        yield inside(
            lambda folder: each_alone(
                "pictures: much beside the pixels, each also as --line", folder, much
            )
        )
        empty = ((name, partial(write_hole, start, size)) for name, start, size in holes())
        yield inside(
            lambda folder: each_alone(
                "pictures: holes, each also as --line", folder, empty, most_seconds=1.0
            )
        )
        odd = ((f"{w}x{h}.png", partial(shape, (w, h))) for w, h in SHAPES)
        yield inside(
            lambda folder: each_alone("pictures: odd shapes, each also as --line", folder, odd)
        )
        yield inside(
            lambda folder: each_alone(
                "pictures: as large as may be, and larger, each also as --line", folder, large()
            )
        )


def _put(data: bytes, path: Path) -> None:
    path.write_bytes(data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--real", type=Path, help="folder of real pictures to damage as well")
    known, rest = parser.parse_known_args()
    extra = " --real FOLDER" if known.real else ""
    sys.exit(
        main(__doc__, partial(rows, real=known.real), count=10_000, arguments=rest, extra=extra)
    )
