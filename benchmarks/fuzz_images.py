"""Feed `digitcli predict` mutated image files and check that it answers for each exactly once.

    python benchmarks/fuzz_images.py --count 10000 [--seed 1] [--real FOLDER]

Valid PNG, JPEG, GIF, TIFF, BMP, WebP and other files in many modes (and those of FOLDER) are cut,
flipped, spliced and made to lie about their size. Every file must give one result or one error, in
order, within the time and the memory stated; the exit code must be 0 or 3.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

MAX_MIB = 1024
MAX_SECONDS_EACH = 1.0
"""Mean over a batch; a single mutated file seldom takes longer than a millisecond."""

BATCH = 500

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


def valid_files() -> list[bytes]:
    """Return a drawn digit in each format and mode that this Pillow can write."""
    files = []
    for digit, (format, mode, options) in enumerate(SAVES):
        image = Image.new("L", (48, 48), 255)
        font = ImageFont.load_default(36)
        ImageDraw.Draw(image).text((24, 24), str(digit % 10), 0, font, anchor="mm")
        file = BytesIO()
        try:
            image.convert(mode).save(file, format, **options)
        except (OSError, KeyError, ValueError):
            continue
        files.append(file.getvalue())
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


def check_batch(paths: list[Path], jobs: int) -> Counter[str]:
    """Run `predict` on the files and return how many were answered and how many refused."""
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "digitcli", "predict", "--format", "json", "-j", str(jobs)],
        input="".join(f"{path}\n" for path in paths),
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS_EACH * len(paths) + 10,
    )
    seconds = time.monotonic() - start
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode in (0, 3), (result.returncode, result.stderr)
    assert [line["path"] for line in lines] == [str(path) for path in paths]
    assert all(("error" in line) != ("digit" in line) for line in lines)
    assert all("\n" not in line.get("error", "") for line in lines)
    # the decoders' C libraries may grumble, but no Python traceback is shown
    assert "Traceback" not in result.stderr, result.stderr
    assert seconds < MAX_SECONDS_EACH * len(paths) + 10
    return Counter("refused" if "error" in line else "read" for line in lines)


def main() -> None:
    """Mutate, predict, check, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--real", type=Path, help="folder of real images to mutate as well")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    originals = valid_files()
    if options.real:
        files = sorted(path for path in options.real.rglob("*.*") if path.is_file())
        originals += [path.read_bytes() for path in files if path.stat().st_size < 300_000]
    total: Counter[str] = Counter()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, options.count, BATCH):
            paths = []
            for number in range(first, min(first + BATCH, options.count)):
                path = Path(folder, f"{number}.png")
                path.write_bytes(mutate(rng.choice(originals), originals, rng))
                paths.append(path)
            total += check_batch(paths, options.jobs)
            for path in paths:
                path.unlink()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{options.count} mutated files of {len(originals)} (seed {options.seed}): "
        f"{total['read']} read, {total['refused']} refused, none lost; "
        f"peak {peak:.0f} MiB, {time.monotonic() - start:.0f} s"
    )
    assert peak < MAX_MIB, f"{peak:.0f} MiB"


if __name__ == "__main__":
    main()
