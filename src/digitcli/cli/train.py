"""`digitcli train`: dataset to model file."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitcli.cli.environment import Environment, use_one_blas_thread
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
)
from digitcli.cli.training_options import (
    Alpha,
    Augment,
    Augmented,
    BatchSize,
    CalmEpochs,
    CheckpointInterval,
    DatasetArgument,
    DatasetOption,
    Dtype,
    DtypeOption,
    Epochs,
    Features,
    Hidden,
    History,
    InitFrom,
    Jobs,
    LearningRate,
    Members,
    Momentum,
    Output,
    Patience,
    Preview,
    RecipeOption,
    Rehearse,
    Resume,
    Search,
    Seed,
    Validation,
    WarmupEpochs,
)
from digitcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from digitcli.data.dataset import Dataset
    from digitcli.model.network import Model
    from digitcli.training.recipe import Recipe
    from digitcli.training.run import Outcome, Plan

EXAMPLES = """\
digitcli train digits
digitcli train --recipe quick -o quick.joblib
digitcli train --recipe best --members 5 -o committee.joblib
digitcli train digits --search 12 -o tuned.joblib
digitcli train my-handwriting/ --init-from shipped -o mine.joblib
digitcli train --members 8 --backend dask --scheduler tcp://head:8786
"""


SMALL = 10_000
"""Below so many training images the recipe for few is the default."""

REHEARSED = 10_000
"""So many known images are mixed with few new ones, so that a network does not forget."""


def command(
    named: DatasetArgument = None,
    dataset: DatasetOption = None,
    validation: Validation = None,
    augment: Augment = None,
    augmentation: Augmented = None,
    calm_epochs: CalmEpochs = None,
    rehearse: Rehearse = None,
    init_from: InitFrom = None,
    hidden: Hidden = None,
    features: Features = None,
    members: Members = None,
    recipe: RecipeOption = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    warmup_epochs: WarmupEpochs = None,
    momentum: Momentum = None,
    alpha: Alpha = None,
    patience: Patience = None,
    seed: Seed = 0,
    resume: Resume = False,
    checkpoint_interval: CheckpointInterval = 30.0,
    search: Search = None,
    jobs: Jobs = None,
    backend: BackendOption = Backend.LOCAL,
    scheduler: SchedulerOption = None,
    output: Output = Path("model.joblib"),
    dtype: DtypeOption = Dtype.FLOAT32,
    history: History = None,
    preview: Preview = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> ExitCode:
    """Train a network on a dataset and print the path of its model.

    What is missing is fetched and prepared first. The test images take no part in training; they
    give the accuracy at the end. Ctrl-C ends training and saves the best model so far, once the
    first epoch is over.
    """
    # Check what can be checked before anything takes time.
    source = _dataset_of(named, dataset)
    _check_files(source, output=output, history=history, preview=preview)
    check_backend(backend, scheduler)
    if scheduler is not None and jobs is not None:
        raise UsageError("--backend dask uses the threads of its workers, and not --jobs")
    if augmentation is not None and augment is False:
        raise UsageError("--augmentation and --no-augment exclude each other")
    env = Environment(quiet=quiet)
    use_one_blas_thread()

    from digitcli.cli.recipe_options import features_in, hidden_layers, positive
    from digitcli.model.modelfile import load_model

    start = None if init_from is None else load_model(init_from)
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

    # Load the images.
    loaded, unreadable = _load(env, source, data_dir)

    # Decide how to train on them.
    from digitcli.cli.recipe_options import augmentation_of
    from digitcli.training.run import Plan

    small = bool((loaded.split == "train").sum() < SMALL)
    name = recipe.value if recipe is not None else _default_recipe(small, start is not None)
    members = members or (1 if start is None else len(start.members))
    chosen = _recipe(name, changes, start, members)
    chosen = replace(chosen, augmentation=augmentation_of(chosen, augment, augmentation))
    few = start is not None and small
    rehearse = rehearse or ("digits" if few else "none")
    if validation is None:
        validation = 0.0 if few else 0.1
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
    if preview is not None:
        from digitcli.cli.training_files import draw_preview

        draw_preview(loaded, plan, preview)

    # Train.
    how = {
        "output": output,
        "checkpoint_interval": checkpoint_interval,
        "jobs": jobs,
        "scheduler": scheduler,
    }
    started = time.monotonic()
    outcome = _train(env, loaded, plan, search=search, resume=resume, how=how)
    if outcome is None:
        return ExitCode.INTERRUPTED
    seconds = time.monotonic() - started

    # Save and report.
    _save(env, outcome, dtype.value, output=output, history=history, preview=preview)
    if not quiet:
        from digitcli.cli.training_display import print_outcome

        compared = [] if start is None else _compare(start, outcome, loaded, data_dir)
        print_outcome(env, outcome, output, seconds, compared)
    if outcome.interrupted:
        env.warn(
            f"interrupted after epoch {max(outcome.epochs)}; the best model so far is in {output}; "
            "the same command with --resume continues"
        )
        return ExitCode.INTERRUPTED
    return ExitCode.PARTIAL if unreadable else ExitCode.OK


def _dataset_of(argument: str | None, option: str | None) -> str:
    """Return the one dataset that is named, in whichever way."""
    if argument is not None and option not in (None, argument):
        raise UsageError(f"two datasets are named, {argument} and {option}; leave out one of them")
    return argument or option or "mnist"


def _check_files(source: str, *, output: Path, history: Path | None, preview: Path | None) -> None:
    """Refuse files that cannot be written, or would be written over each other."""
    from digitcli.data.sources import is_name

    check_name(history, (".csv", ".json"), "--history")
    check_name(preview, (".png",), "--preview")
    check_output(output, "--output")
    check_different(
        {
            "--dataset": None if is_name(source) else Path(source),
            "--output": output,
            "--history": history,
            "--preview": preview,
        }
    )


def _recipe(name: str, changes: dict[str, Any], start: Model | None, members: int) -> Recipe:
    """Return the recipe of a name, changed as the options say, for as many networks.

    A network that starts from another keeps its layers and inputs.
    """
    from digitcli.training.recipe import RECIPES

    changes = {field: value for field, value in changes.items() if value is not None}
    recipe = RECIPES[name].shortened(changes.get("epochs", RECIPES[name].epochs))
    recipe = replace(recipe, **changes)
    if start is not None:
        return replace(
            recipe,
            hidden_layer_sizes=start.members[0].layer_sizes[1:-1],
            input_features=tuple(member.input_features for member in start.members),
        )
    if not recipe.hidden_layer_sizes:
        raise UsageError(f"--recipe {name} goes on from a model; add --init-from, or --hidden")
    if "input_features" in changes and len(recipe.input_features) > members:
        raise UsageError(
            f"--features {','.join(recipe.input_features)} needs "
            f"--members {len(recipe.input_features)}"
        )
    return recipe


def _say_plan(env: Environment, dataset: Dataset, plan: Plan) -> None:
    recipe, members = plan.recipe, plan.members
    env.say(
        f"training {members if members > 1 else 'a'} network{'s' * (members > 1)} "
        f"on {(dataset.split == 'train').sum():,} images of {dataset.name}"
    )
    env.say(
        f"recipe {plan.recipe_name}: {recipe.epochs} epoch{'s' * (recipe.epochs != 1)}, "
        f"hidden layers {'-'.join(map(str, recipe.hidden_layer_sizes))}, "
        f"features {', '.join(recipe.input_features[:members])}"
    )


def _train(
    env: Environment,
    dataset: Dataset,
    plan: Plan,
    *,
    search: int | None,
    resume: bool,
    how: dict[str, Any],
) -> Outcome | None:
    """Search if asked to, train, and return what came of it; None when there is nothing to save."""
    from digitcli.cli.training_display import show_training
    from digitcli.processes import signals_wait
    from digitcli.training.run import InterruptedAtTheEnd, train_model

    with signals_wait():
        import numpy.random  # noqa: F401

    searching = search is not None
    with _sigterm_interrupts():
        try:
            _say_plan(env, dataset, plan)
            if search is not None:
                plan = _search(env, dataset, plan, search, resume=resume, how=how)
                searching = False
            with show_training(env, members=plan.members, epochs=plan.recipe.epochs) as shown:
                return train_model(
                    dataset,
                    plan,
                    resume=resume or search is not None,
                    on_epoch=shown.on_epoch,
                    on_part=shown.on_part,
                    on_step=env.say if search is None else None,
                    **how,
                )
        except KeyboardInterrupt as stopped:
            if searching:
                env.warn("interrupted during the search; the same command with --resume continues")
            elif isinstance(stopped, InterruptedAtTheEnd):
                env.warn("interrupted after the last epoch; the same command with --resume ends it")
            else:
                env.warn("interrupted before the first epoch ended; nothing was saved")
    return None


def _save(
    env: Environment,
    outcome: Outcome,
    dtype: str,
    *,
    output: Path,
    history: Path | None,
    preview: Path | None,
) -> None:
    """Write the model and its curve, and answer with the path of each file."""
    from digitcli.cli.training_files import write_history
    from digitcli.model.modelfile import save_model
    from digitcli.training.run import remove_checkpoints

    save_model(outcome.model, output, dtype=dtype)
    env.answer_path(output)
    if not outcome.interrupted:
        remove_checkpoints(output)
    if history is not None:
        write_history(outcome, history)
        env.answer_path(history)
    if preview is not None:
        env.answer_path(preview)


def _search(
    env: Environment, dataset: Dataset, plan: Plan, count: int, *, resume: bool, how: dict[str, Any]
) -> Plan:
    """Search for a better recipe, show the trials and return the plan with the best."""
    from digitcli.cli.training_display import print_trials, show_training
    from digitcli.training.search import best_trial, search

    with show_training(env, members=count, epochs=plan.recipe.epochs, what="trial") as shown:
        trials = search(
            dataset,
            plan,
            count,
            resume=resume,
            on_epoch=shown.on_epoch,
            on_part=shown.on_part,
            **how,
        )
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
