"""Images per second that augmentation makes, by number of threads.

    python benchmarks/augmentation_speed.py [--threads 1,2,4]

Uses random images of MNIST's size and count (60,000), so it needs no data. Each figure is the best
of three passes.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from digitcli.memory import keep_freed_memory
from digitcli.training.augment import augment
from digitcli.training.recipe import RECIPES

COUNT = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--threads", default=f"1,{cores}")
    threads = [int(number) for number in parser.parse_args().threads.split(",")]

    keep_freed_memory()  # as training does
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
    print("recipe\tthreads\timages/s")
    for name, recipe in RECIPES.items():
        if recipe.augmentation is None:
            continue
        for number in threads:
            seconds = []
            for epoch in range(3):
                start = time.perf_counter()
                augment(images, recipe.augmentation, seed=0, epoch=epoch, threads=number)
                seconds.append(time.perf_counter() - start)
            print(f"{name}\t{number}\t{COUNT / min(seconds):,.0f}")


if __name__ == "__main__":
    main()
