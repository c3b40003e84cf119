#!/usr/bin/env python3
"""Times the sparse LiDAR encoder as gather, matrix product and scatter in PyTorch, in turn with the program's own.

    time_sparse.py PROGRAM [--passes N] [--threads N]

Needs torch and numpy. Both sides work on the same voxels: the sweep that `bench kernels` makes by formula. The pairs of sites are
found beforehand and not timed here, while the program's own time holds finding them; so the ratio is on the safe side.
"""
import argparse
import json
import math
import os
import subprocess
import time

# Threads that wait by turning round and round take the cores from whatever else runs, their own work included.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import numpy as np
import torch

LOW, SIZE, GRID = (-51.2, -51.2, -5.0), (0.1, 0.1, 0.2), (1024, 1024, 41)


def sweep():
    """32 beams by 1084 directions on flat ground between wavy walls: x, y, z, intensity, time."""
    beams, directions, height = 32, 1084, 1.84
    elevation = np.radians(-30.0 + 40.0 * np.arange(beams) / (beams - 1))[:, None]
    turn = (2 * math.pi * np.arange(directions) / directions)[None, :]
    wall = (18.0 + 9.0 * np.sin(3 * turn) + 4.0 * np.cos(17 * turn)) / np.cos(elevation)
    with np.errstate(divide="ignore"):
        ground = np.where(elevation < 0, -height / np.sin(elevation), np.inf)
    reach = np.minimum(wall, ground)
    x, y, z = reach * np.cos(elevation) * np.sin(turn), reach * np.cos(elevation) * np.cos(turn), reach * np.sin(elevation)
    shine = np.broadcast_to((np.arange(beams) * 7 % 100)[:, None], x.shape)
    return np.stack([x, y, z, shine, np.zeros_like(x)], -1).reshape(-1, 5).astype(np.float32)


def voxels(points):
    cell = np.floor((points[:, :3] - np.float32(LOW)) / np.float32(SIZE)).astype(np.int64)
    inside = ((cell >= 0) & (cell < np.array([1024, 1024, 40]))).all(1)
    cell, points = cell[inside], points[inside]
    cells, owner, counts = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(cells), 5))
    np.add.at(sums, owner.reshape(-1), points)
    return cells, (sums / counts[:, None]).astype(np.float32)


def key(cells, grid):
    return (cells[:, 0] * grid[1] + cells[:, 1]) * grid[2] + cells[:, 2]


def pairs(cells, grid, kernel, stride, padding):
    """Output cells, and for each kernel position the rows in and out."""
    kernel, stride, padding = map(np.array, (kernel, stride, padding))
    same = (stride == 1).all()
    out_grid = (np.array(grid) + 2 * padding - kernel) // stride + 1
    hits = []
    for offset in np.ndindex(*kernel):
        moved = cells + padding - np.array(offset)
        target = moved // stride
        good = ((moved >= 0) & (moved % stride == 0) & (target < out_grid)).all(1)
        hits.append((np.nonzero(good)[0], target[good]))
    made = cells if same else np.unique(np.concatenate([t for _, t in hits]), axis=0)
    keys = key(made, out_grid)
    order = np.argsort(keys)
    rule = []
    for rows, target in hits:
        wanted = key(target, out_grid)
        at = np.clip(np.searchsorted(keys[order], wanted), 0, len(keys) - 1)
        found = keys[order][at] == wanted
        rule.append((torch.from_numpy(rows[found]), torch.from_numpy(order[at][found])))
    return made, tuple(out_grid), rule


def encoder(cells):
    """Rules and weights of every layer."""
    torch.manual_seed(1)
    layers, grid = [], GRID
    stages = [(16, 32, (1, 1, 1)), (32, 64, (1, 1, 1)), (64, 128, (1, 1, 0)), (128, None, None)]

    def add(rule, count, inputs, outputs, around):
        weight = torch.randn(len(rule), inputs, outputs) * (2 / (inputs * len(rule))) ** 0.5
        layers.append((rule, count, weight, torch.zeros(outputs), around))

    for number, (width, after, padding) in enumerate(stages):
        _, _, rule = pairs(cells, grid, (3, 3, 3), (1, 1, 1), (1, 1, 1))
        if number == 0:
            add(rule, len(cells), 5, width, False)
        for _ in range(2):
            add(rule, len(cells), width, width, False)
            add(rule, len(cells), width, width, True)
        if after:
            cells, grid, rule = pairs(cells, grid, (3, 3, 3), (2, 2, 2), padding)
            add(rule, len(cells), width, after, False)
    cells, grid, rule = pairs(cells, grid, (1, 1, 3), (1, 1, 2), (0, 0, 0))
    add(rule, len(cells), 128, 128, False)
    return layers


def forward(layers, x):
    before = x
    for rule, count, weight, bias, around in layers:
        out = bias.repeat(count, 1)
        for (rows, target), w in zip(rule, weight):
            if len(rows):
                out.index_add_(0, target, x.index_select(0, rows) @ w)
        if around:
            out += before
        before, x = (x, torch.relu_(out)) if not around else (out, torch.relu_(out))
        if around:
            before = x
    return x


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cells, means = voxels(sweep())
    layers, x = encoder(cells), torch.from_numpy(means)
    macs = sum(len(r) * w.shape[0] * w.shape[1] for rule, _, weight, _, _ in layers for (r, _), w in zip(rule, weight))
    print(f"{len(cells)} voxels, {macs / 1e9:.2f} GMAC, PyTorch {torch.__version__}, {args.threads} threads")
    ours, theirs = [], []
    with torch.inference_mode():
        forward(layers, x)
        for _ in range(args.passes):
            began = time.perf_counter()
            forward(layers, x)
            theirs.append((time.perf_counter() - began) * 1e3)
            run = subprocess.run([args.program, "bench", "kernels", "--part", "surround", "--format", "json"], capture_output=True, text=True,
                                 env={**os.environ, "RAYON_NUM_THREADS": str(args.threads)})
            rows = json.loads(run.stdout)["rows"]
            ours.append(next(r for r in rows if r["what"] == "sparse encoder")["ours_ms"]["median"])
    a, b = sorted(ours)[len(ours) // 2], sorted(theirs)[len(theirs) // 2]
    print(f"ours    median {a:8.1f} ms, {min(ours):.1f} to {max(ours):.1f}")
    print(f"PyTorch median {b:8.1f} ms, {min(theirs):.1f} to {max(theirs):.1f}")
    print(f"ours takes {a / b:.2f} of PyTorch's time")


if __name__ == "__main__":
    main()
