"""`digitcli export`: a model as an ONNX file, for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from digitcli.cli.environment import Environment
from digitcli.cli.options import ModelFile, Quiet, check_different, check_name
from digitcli.errors import ExitCode

EXAMPLES = """\
digitcli export digits.onnx
digitcli export mine.onnx -m mine.joblib --pixels float32
"""


class Pixels(StrEnum):
    """What the pixels of an image are given as."""

    UINT8 = "uint8"
    FLOAT32 = "float32"


def command(
    output: Annotated[
        Path, typer.Argument(metavar="FILE.onnx", help="File to write.", show_default=False)
    ],
    model: ModelFile = None,
    pixels: Annotated[
        Pixels,
        typer.Option("--pixels", help="Pixels as uint8, 0 to 255, or as float32, 0 to 1."),
    ] = Pixels.UINT8,
    quiet: Quiet = False,
) -> ExitCode:
    """Write a model as an ONNX file, for other programs.

    Its input is called image, of shape (n, 28, 28) and in the form of MNIST: ink bright on black.
    Its output is called probabilities, of shape (n, 10). What predict does before and after is not
    in it: to find the digit in a picture, and to look twice where no digit reaches 0.9. Needs
    pip install 'digitcli[onnx]'.
    """
    check_name(output, ".onnx", "FILE")
    check_different({"FILE": output, "--model": model})

    from digitcli.files import atomic_write
    from digitcli.model.modelfile import load_model

    env = Environment(quiet=quiet)
    loaded = load_model(model)
    content = loaded.to_onnx(pixels.value)
    with atomic_write(output) as file:
        file.write(content)
    env.answer_path(output)
    env.say(
        f"{loaded.name} without its second look at doubtful digits; {len(content) / 1e6:.1f} MB"
    )
    return ExitCode.OK
