"""python -m benchmarks.gpu.one_process BACKBONE DEVICE SIDE BATCH SECONDS: one of several that train at once.

It says when it is ready, waits for a line, trains on one batch for so long, and prints its images a second.
"""

import sys
import time
from dataclasses import replace

import torch

from benchmarks.gpu.sizes import GPU
from benchmarks.gpu.steps import build_learner, build_recipe, mapped_films
from cxr_core.data.loader import Loader, Position


def main() -> None:
    backbone, name, side, batch, seconds = sys.argv[1:]
    sizes = replace(GPU, device=name, side=int(side), batch=int(batch), steps=1)
    device = torch.device(name)
    learner = build_learner(build_recipe(backbone, sizes), device)
    with mapped_films(sizes) as films:
        loader = Loader(films, batch_size=sizes.batch, seed=0, device=device, resident=True)
        one = next(iter(loader.batches(Position())))
        learner.train_step(one, 0, loader.size)
        print("ready", flush=True)
        sys.stdin.readline()
        began, step = time.perf_counter(), 0
        while time.perf_counter() - began < float(seconds):
            step += 1
            learner.train_step(
                one, step, loader.size
            )  # it reads the loss back, so the device has finished
        print(step * loader.size / (time.perf_counter() - began))


main()
