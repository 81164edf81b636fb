"""The options of `digitcli train`, group by group, as its help shows them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from digitcli.cli.completion import complete_dataset, complete_features, complete_model
from digitcli.cli.options import WHERE, no_nan


class RecipeName(StrEnum):
    """The keys of `digitcli.training.recipe.RECIPES`."""

    QUICK = "quick"
    STANDARD = "standard"
    BEST = "best"
    SHIPPED = "shipped"
    SMALL = "small"
    FINE_TUNE = "fine-tune"


class Dtype(StrEnum):
    """How weights are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


RECIPE_COSTS: Final = """\
quick      0.45% in half a minute
standard   0.38% in 3 minutes
best       0.34% in 35 min, one core
shipped    11 min, goes on from best
small      digits: 0.5% in 4 seconds
fine-tune  300 pictures: 6 seconds"""
"""What each recipe costs: the error on MNIST's test set, the time on two cores (docs/train.md)."""

# Data ---------------------------------------------------------------------------------------------

_DATA: Final = "Data"

DatasetArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATASET]",
        help="mnist, digits, writer:N (N drawn digits), an .npz file, an IDX file with its pair "
        "beside it, or a folder with a sub-folder per digit.  [default: mnist]",
        show_default=False,
        autocompletion=complete_dataset,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="DATASET",
        help="The same as DATASET.",
        show_default=False,
        autocompletion=complete_dataset,
        rich_help_panel=_DATA,
    ),
]
Validation = Annotated[
    float | None,
    typer.Option(
        metavar="FRACTION",
        min=0,
        max=0.5,
        help="Share of the training images to set aside for validation.  [default: 0.1; "
        "0 when --init-from learns from fewer than 10,000 images, so that it sees them all]",
        show_default=False,
        callback=no_nan,
        rich_help_panel=_DATA,
    ),
]
Augment = Annotated[
    bool | None,
    typer.Option(
        "--augment/--no-augment",
        help="Distort the training images anew in every epoch.  [default: as the recipe says]",
        show_default=False,
        rich_help_panel=_DATA,
    ),
]
Augmented = Annotated[
    str | None,
    typer.Option(
        "--augmentation",
        metavar="NAME=X,…",
        help="Strength of single distortions, such as rotation=20,elastic_alpha=40.",
        show_default=False,
        rich_help_panel=_DATA,
    ),
]
Rehearse = Annotated[
    str | None,
    typer.Option(
        metavar="DATASET",
        help="With --init-from, mix in up to 10,000 training images of this, so that it does "
        "not forget them, or none.  [default: digits, if there are few pictures]",
        show_default=False,
        autocompletion=complete_dataset,
        rich_help_panel=_DATA,
    ),
]
CalmEpochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Last epochs, which distort the images less.",
        show_default=False,
        rich_help_panel=_DATA,
    ),
]

# Network ------------------------------------------------------------------------------------------

_NETWORK: Final = "Network"

InitFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL",
        help="Start from this model's weights, such as shipped: teach it your handwriting.",
        show_default=False,
        autocompletion=complete_model,
        rich_help_panel=_NETWORK,
    ),
]
Hidden = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,…",
        help="Units of each hidden layer.",
        show_default=False,
        rich_help_panel=_NETWORK,
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,…",
        help="What a network sees of a digit: its pixels, those of it brought upright (deslant) "
        "or to equal width (width), or the directions of its edges (directions, "
        "deslant-directions, width-directions); members take these in turn.",
        show_default=False,
        autocompletion=complete_features,
        rich_help_panel=_NETWORK,
    ),
]
Members = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=64,
        help="Networks to train; their probabilities are averaged.  [default: 1, or as many "
        "as the model of --init-from has]",
        show_default=False,
        rich_help_panel=_NETWORK,
    ),
]

# Training -----------------------------------------------------------------------------------------

_TRAINING: Final = "Training"

RecipeOption = Annotated[
    RecipeName | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="Named hyperparameters; other options change single ones. Error on MNIST and time on "
        "two cores:\n\n"
        f"\b\n{RECIPE_COSTS}\n\n"
        "[default: standard; below 10,000 training images small, or fine-tune with --init-from]",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Passes through the training images.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Images per step.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Highest learning rate.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
WarmupEpochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Epochs in which the rate rises.",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
Momentum = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        min=0,
        max=1,
        help="Nesterov momentum.",
        show_default=False,
        callback=no_nan,
        rich_help_panel=_TRAINING,
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        min=0,
        help="L2 penalty.",
        show_default=False,
        callback=no_nan,
        rich_help_panel=_TRAINING,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Stop when the validation loss has not fallen for so many epochs.  "
        "[default: a third of the epochs, at least 10]",
        show_default=False,
        rich_help_panel=_TRAINING,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Equal seed, data and options: equal model.",
        rich_help_panel=_TRAINING,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue from the checkpoint beside the model.",
        rich_help_panel=_TRAINING,
    ),
]
CheckpointInterval = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="Time between two checkpoints at least.",
        callback=no_nan,
        rich_help_panel=_TRAINING,
    ),
]

# Search -------------------------------------------------------------------------------------------

Search = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=2,
        max=256,
        help="Try the hyperparameters and N - 1 random changes of learning rate, batch size, "
        "momentum, alpha and strength of distortions, and go on with those that are best on "
        "the validation images.",
        show_default=False,
        rich_help_panel="Search",
    ),
]

# Where to run -------------------------------------------------------------------------------------

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="Members or trials to train at a time.  [default: one per processor]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]

# Output -------------------------------------------------------------------------------------------

_OUTPUT: Final = "Output"

Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="MODEL",
        help="Model file to write.",
        rich_help_panel=_OUTPUT,
    ),
]
DtypeOption = Annotated[
    Dtype,
    typer.Option(
        "--dtype",
        help="Weights in the file; float16 halves its size.",
        rich_help_panel=_OUTPUT,
    ),
]
History = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write the curve, .csv or .json.",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
Preview = Annotated[
    Path | None,
    typer.Option(
        metavar="SHEET.png",
        help="Also draw some training images, distorted as in the first epoch.",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
