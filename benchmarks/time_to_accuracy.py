"""Time of a whole training, digitcli against PyTorch, both as processes, one after the other.

    python benchmarks/time_to_accuracy.py --torch-python /tmp/torch/bin/python [--epochs 20]

where /tmp/torch is a virtual environment with ``pip install torch==2.13.0 kornia``. Both get the
same layers, batch size, optimizer and processors; `torch_mlp.py` says how the PyTorch side
distorts, and digitcli's distortions are those of the recipe quick. With --features pixels both
networks see pixels, and equal epochs tell which program is quicker. With --torch-epochs each side
gets as many epochs as it needs for 99.3 % test accuracy, and the ratio is that of the times to it.
Rounds are paired.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from digitcli.data.mnist import mnist_folder
from digitcli.model.modelfile import load_model

HIDDEN, BATCH_SIZE, LEARNING_RATE, MOMENTUM = "1000,500", "512", "0.3", "0.9"


def run(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, result.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--torch-python", type=Path, required=True)
    parser.add_argument("--features", default="directions", help="what digitcli's network sees")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--torch-epochs", type=int, help="as many as --epochs by default")
    parser.add_argument("--augmentation", choices=("kornia", "grid_sample"), default="kornia")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    data_dir = [] if options.data_dir is None else ["--data-dir", str(options.data_dir)]
    ratios = []
    print("round   digitcli   accuracy   torch   accuracy   digitcli's share of torch's time")
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "model.joblib"
            train = [sys.executable, "-m", "digitcli", "train", "--recipe", "quick", "-q"]
            train += ["--features", options.features, "--epochs", str(options.epochs)]
            train += ["--calm-epochs", str(options.epochs // 2), "--hidden", HIDDEN]
            train += ["--batch-size", BATCH_SIZE, "--learning-rate", LEARNING_RATE]
            train += ["--momentum", MOMENTUM]
            ours, _ = run([*train, "-o", str(output), *data_dir])
            accuracy = load_model(output).metadata["metrics"]["test_accuracy"]
        hyperparameters = {
            "--augmentation": options.augmentation,
            "--epochs": options.torch_epochs or options.epochs,
            "--hidden": HIDDEN,
            "--batch-size": BATCH_SIZE,
            "--momentum": MOMENTUM,
            "--learning-rate": LEARNING_RATE,
        }
        script = [str(options.torch_python), str(Path(__file__).with_name("torch_mlp.py"))]
        chosen = [f"{name}={value}" for name, value in hyperparameters.items()]
        theirs, said = run([*script, str(mnist_folder(options.data_dir)), *chosen])
        (their_accuracy,) = re.findall(r"test accuracy ([\d.]+)", said)
        ratios.append(ours / theirs)
        print(
            f"{number:5} {ours:8.1f} s {accuracy:10.2%} {theirs:5.1f} s "
            f"{float(their_accuracy):9.2%} {ratios[-1]:12.2f}"
        )
    print(f"median share: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
