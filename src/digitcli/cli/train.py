"""`digitcli train`: dataset to model file."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digitcli.cli.environment import Environment
from digitcli.cli.options import (
    Backend,
    BackendOption,
    DataDir,
    Quiet,
    SchedulerOption,
    check_backend,
    check_different,
    check_name,
    check_output,
    no_nan,
)
from digitcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from digitcli.data.dataset import Dataset
    from digitcli.model.network import Model
    from digitcli.training.run import Outcome, Plan

EXAMPLES = """\
digitcli train digits
digitcli train --recipe quick -o quick.joblib
digitcli train --recipe best --members 5 -o committee.joblib
digitcli train --dataset digits --search 12 -o tuned.joblib
digitcli train --members 8 --backend dask --scheduler tcp://head:8786 -o committee.joblib
digitcli train my-handwriting/ --init-from shipped -o mine.joblib
"""


SMALL = 10_000
"""Below so many training images the recipe for few is the default."""

REHEARSED = 10_000
"""So many known images are mixed with few new ones, so that a network does not forget."""


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


def command(
    named: Annotated[
        str | None,
        typer.Argument(metavar="[DATASET]", help="The same as --dataset.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|FOLDER",
            help="mnist, digits, writer:N (N drawn digits), an .npz file, an IDX file with its "
            "pair beside it, or a folder with a sub-folder per digit.  [default: mnist]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="Model file to write.")
    ] = Path("model.joblib"),
    recipe: Annotated[
        RecipeName | None,
        typer.Option(
            help="Named hyperparameters; the options below change single ones.  [default: "
            "standard; below 10,000 training images small, or fine-tune with --init-from]",
            show_default=False,
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(metavar="N,N,…", help="Units of each hidden layer.", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes through the training images.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per step.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest learning rate.", show_default=False)
    ] = None,
    warmup_epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Epochs in which the rate rises.", show_default=False),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Nesterov momentum.", show_default=False, callback=no_nan),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(min=0, help="L2 penalty.", show_default=False, callback=no_nan),
    ] = None,
    calm_epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Last epochs, which distort the images less.", show_default=False),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Distort the training images anew in every epoch.  [default: as the recipe says]",
            show_default=False,
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=X,…",
            help="Strength of single distortions, such as rotation=20,elastic_alpha=40.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            help="Share of the training images to set aside for validation.  [default: 0.1; "
            "0 when --init-from learns from fewer than 10,000 images, so that it sees them all]",
            show_default=False,
            callback=no_nan,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop when the validation loss has not fallen for so many epochs.  "
            "[default: a third of the epochs, at least 10]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help="Equal seed, data and options: equal model."),
    ] = 0,
    members: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Networks to train; their probabilities are averaged.  [default: 1, or as many "
            "as the model of --init-from has]",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="What a network sees of a digit: its pixels, those of it brought upright "
            "(deslant) or to equal width (width), or the directions of its edges (directions, "
            "deslant-directions, width-directions); members take these in turn.",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            max=256,
            help="Try the hyperparameters and N - 1 random changes of learning rate, batch size, "
            "momentum, alpha and strength of distortions, and go on with those that are best on "
            "the validation images.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Members or trials to train at a time.  [default: one per processor]",
            show_default=False,
        ),
    ] = None,
    backend: BackendOption = Backend.LOCAL,
    scheduler: SchedulerOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint beside the model.")
    ] = False,
    checkpoint_interval: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Time between two checkpoints at least.",
            callback=no_nan,
        ),
    ] = 30.0,
    init_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Start from this model's weights: teach it your handwriting.",
            show_default=False,
        ),
    ] = None,
    rehearse: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="With --init-from, mix in up to 10,000 training images of this dataset, so that "
            "it does not forget them, or none.  [default: digits, if there are few pictures]",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write the curve, .csv or .json.", show_default=False
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="SHEET.png",
            help="Also draw some training images, distorted as in the first epoch.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        Dtype, typer.Option(help="Weights in the file; float16 halves its size.")
    ] = Dtype.FLOAT32,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> ExitCode:
    """Train a neural network on a dataset and print the path of the model file.

    What is missing is fetched and prepared first. The test images take no part in training; they
    give the accuracy at the end. Ctrl-C ends training and saves the best model so far.
    """
    from digitcli.data.sources import is_name

    if named is not None and dataset not in (None, named):
        raise UsageError(f"two datasets are named, {named} and {dataset}; leave out one of them")
    dataset = named or dataset or "mnist"
    check_name(history, (".csv", ".json"), "--history")
    check_name(preview, (".png",), "--preview")
    check_output(output, "--output")
    check_different(
        {
            "--dataset": None if is_name(dataset) else Path(dataset),
            "--output": output,
            "--history": history,
            "--preview": preview,
        }
    )
    if augmentation is not None and augment is False:
        raise UsageError("--augmentation and --no-augment exclude each other")
    check_backend(backend, scheduler)
    if scheduler is not None and jobs is not None:
        raise UsageError("--backend dask uses the threads of its workers, and not --jobs")
    env = Environment(quiet=quiet)

    from digitcli.cli.recipe_options import (
        augmentation_of,
        features_in,
        hidden_layers,
        positive,
    )
    from digitcli.cli.training_display import print_outcome, show_training
    from digitcli.cli.training_files import draw_preview, write_history
    from digitcli.model.modelfile import load_model, save_model
    from digitcli.training.recipe import RECIPES
    from digitcli.training.run import (
        InterruptedAtTheEnd,
        Plan,
        remove_checkpoints,
        train_model,
    )

    start = None if init_from is None else load_model(init_from)
    members = members or (1 if start is None else len(start.members))
    if start is not None and hidden is not None:
        raise UsageError("--hidden and --init-from exclude each other: the model has its layers")
    if start is None and rehearse is not None:
        raise UsageError("--rehearse is about what a model knows already; add --init-from")
    if start is not None and features is not None:
        raise UsageError("--features and --init-from exclude each other: the model has its inputs")
    changes: dict[str, Any] = {
        "hidden_layer_sizes": hidden_layers(hidden),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate_init": positive(learning_rate, "--learning-rate"),
        "warmup_epochs": warmup_epochs,
        "momentum": momentum,
        "alpha": alpha,
        "calm_epochs": calm_epochs,
        "input_features": features_in(features),
    }
    loaded, unreadable = _load(env, dataset, data_dir)
    small = bool((loaded.split == "train").sum() < SMALL)
    name = recipe.value if recipe is not None else _default_recipe(small, start is not None)
    few = start is not None and small
    rehearse = rehearse or ("digits" if few else "none")
    if validation is None:
        validation = 0.0 if few else 0.1
    chosen = replace(RECIPES[name], **{k: v for k, v in changes.items() if v is not None})
    chosen = replace(chosen, augmentation=augmentation_of(chosen, augment, augmentation))
    if start is not None:
        chosen = replace(
            chosen,
            hidden_layer_sizes=start.members[0].layer_sizes[1:-1],
            input_features=tuple(member.input_features for member in start.members),
        )
    elif not chosen.hidden_layer_sizes:
        raise UsageError(f"--recipe {name} goes on from a model; add --init-from, or --hidden")
    elif features is not None and len(chosen.input_features) > members:
        raise UsageError(f"--features {features} needs --members {len(chosen.input_features)}")
    plan = Plan(
        recipe=chosen,
        recipe_name=name,
        seed=seed,
        validation=validation,
        patience=patience or max(10, chosen.epochs // 3),
        members=members,
        dtype=dtype.value,
        start=start,
        rehearsal=None if rehearse == "none" else _rehearsal(env, rehearse, seed, data_dir),
    )
    env.say(
        f"training {members if members > 1 else 'a'} network{'s' * (members > 1)} "
        f"on {(loaded.split == 'train').sum():,} images of {loaded.name} (recipe {name}, "
        f"{chosen.epochs} epochs, hidden layers {'-'.join(map(str, chosen.hidden_layer_sizes))}, "
        f"features {', '.join(chosen.input_features[:members])})"
    )
    if preview is not None:
        draw_preview(loaded, plan, preview)
    started = time.monotonic()
    how: dict[str, Any] = {
        "output": output,
        "checkpoint_interval": checkpoint_interval,
        "jobs": jobs,
        "scheduler": scheduler,
    }
    with _sigterm_interrupts():
        if search is not None:
            try:
                plan = _search(env, loaded, plan, search, resume=resume, how=how)
            except KeyboardInterrupt:
                env.warn("interrupted during the search; the same command with --resume continues")
                return ExitCode.INTERRUPTED
        try:
            with show_training(env, members=members, epochs=chosen.epochs) as on_epoch:
                outcome = train_model(
                    loaded,
                    plan,
                    resume=resume or search is not None,
                    on_epoch=on_epoch,
                    on_step=env.say if search is None else None,
                    **how,
                )
        except InterruptedAtTheEnd:
            env.warn("interrupted after the last epoch; the same command with --resume ends it")
            return ExitCode.INTERRUPTED
        except KeyboardInterrupt:
            env.warn("interrupted before the first epoch ended; nothing was saved")
            return ExitCode.INTERRUPTED
    seconds = time.monotonic() - started
    save_model(outcome.model, output, dtype=dtype.value)
    env.answer_path(output)
    if not outcome.interrupted:
        remove_checkpoints(output)
    if history is not None:
        write_history(outcome, history)
        env.answer_path(history)
    if preview is not None:
        env.answer_path(preview)
    if not quiet:
        compared = [] if start is None else _compare(start, outcome, loaded, data_dir)
        print_outcome(env, outcome, output, seconds, compared)
    if outcome.interrupted:
        env.warn(
            f"interrupted after epoch {max(outcome.epochs)}; the best model so far is in {output}; "
            "the same command with --resume continues"
        )
        return ExitCode.INTERRUPTED
    return ExitCode.PARTIAL if unreadable else ExitCode.OK


def _search(
    env: Environment, dataset: Dataset, plan: Plan, count: int, *, resume: bool, how: dict[str, Any]
) -> Plan:
    """Search for a better recipe, show the trials and return the plan with the best."""
    from digitcli.cli.training_display import print_trials, show_training
    from digitcli.training.search import best_trial, search

    with show_training(env, members=count, epochs=plan.recipe.epochs, what="trial") as on_epoch:
        trials = search(dataset, plan, count, resume=resume, on_epoch=on_epoch, **how)
    best = best_trial(trials)
    print_trials(env, trials, best)
    return replace(plan, recipe=best.recipe, trials=tuple(trial.to_dict() for trial in trials))


def _load(env: Environment, source: str, data_dir: Path | None) -> tuple[Dataset, int]:
    """Load a dataset, fetching and preprocessing what is missing, and count what is unreadable."""
    from digitcli.cli.progress import show_progress
    from digitcli.data.sources import is_folder, load_dataset
    from digitcli.errors import TrainingError

    unreadable = 0
    with show_progress(env) as work:

        def on_error(path: str, reason: str) -> None:
            nonlocal unreadable
            unreadable += 1
            work.warn(reason if path in reason else f"{path} {reason}")

        if is_folder(source):
            work.say(f"preprocessing the pictures in {source}")
        dataset = load_dataset(
            source,
            data_dir=data_dir,
            on_error=on_error,
            on_step=work.say,
            on_progress=lambda done, total: work.update("pictures", done, total),
        )
    if not (dataset.split == "train").any():
        raise TrainingError(f"{dataset.name} has no training images; put them under train/")
    return dataset, unreadable


def _default_recipe(small: bool, has_start: bool) -> str:
    if small:
        return "fine-tune" if has_start else "small"
    return "standard"


def _rehearsal(env: Environment, source: str, seed: int, data_dir: Path | None) -> Dataset:
    """Return some training images of a dataset that a network knows."""
    import numpy as np

    dataset, _ = _load(env, source, data_dir)
    known = dataset.part("train")
    order = np.random.default_rng(seed).permutation(len(known))
    known = known.take(order[:REHEARSED])
    env.say(
        f"mixing in {len(known):,} images of {known.name}, so that the network does not forget them"
    )
    return known


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """End training on SIGTERM as on Ctrl-C: save the best model so far."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _compare(
    start: Model, outcome: Outcome, dataset: Dataset, data_dir: Path | None
) -> list[tuple[str, str]]:
    """Return the accuracy on test images, and on MNIST's if they are there, before and after."""
    from digitcli.data.mnist import is_fetched
    from digitcli.data.sources import load_dataset

    tests = [dataset.part("test")]
    if dataset.name != "mnist" and is_fetched(data_dir):
        tests.append(load_dataset("mnist", data_dir=data_dir).part("test"))
    rows = []
    for test in tests:
        if len(test):
            shares = [
                (m.predict(test.images) == test.labels).mean() for m in (start, outcome.model)
            ]
            rows.append((f"{test.name} before and after", "{:.2%} → {:.2%}".format(*shares)))
    return rows
