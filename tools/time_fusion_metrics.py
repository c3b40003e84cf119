#!/usr/bin/env python3
"""Times `sensorium eval fusion` against the Python class `Evaluator` of most fusion papers, in turn and in one run, and compares the scores.

    time_fusion_metrics.py --evaluator FOLDER [--binary target/release/sensorium] [--pairs 361] [--python-pairs 4] [--size 640x480] [--rounds 2]

FOLDER is a checkout of Zhaozixiang1228/MMIF-CDDFuse (its `utils/Evaluator.py` is imported; needs numpy, scipy, scikit-image, scikit-learn and
opencv-python-headless). The pictures are made here: smooth random scenes with noise, and their average as the fused picture. The Python
side takes seconds a pair, so it scores `--python-pairs` of them a round, and its time is scaled to `--pairs`; both sides read PNG files.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

NAMES = {"EN": "EN", "SD": "SD", "SF": "SF", "AG": "AG", "MI": "MI", "MSE": "MSE", "CC": "CC", "PSNR": "PSNR", "SCD": "SCD", "VIFF": "VIF", "Qabf": "Qabf", "SSIM": "SSIM"}


def scene(rng, width, height):
    """Blobs of several sizes, edges and noise, 8-bit grey."""
    total = np.zeros((height, width))
    for scale in (8, 24, 72):
        small = rng.random((max(2, height // scale), max(2, width // scale))).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) * scale**0.3
    total = (total > np.median(total)) * 0.6 + total / total.max() + rng.normal(0, 0.02, total.shape)
    return np.clip(255 * (total - total.min()) / np.ptp(total), 0, 255).astype(np.uint8)


def score(Evaluator, paths):
    fused, infrared, visible = (cv2.imread(p, cv2.IMREAD_GRAYSCALE).astype("float32") for p in paths)
    row = {n: getattr(Evaluator, n)(fused) for n in ("EN", "SD", "SF", "AG")}
    row.update({n: getattr(Evaluator, n)(fused, infrared, visible) for n in ("MI", "MSE", "CC", "PSNR", "SCD", "VIFF", "Qabf")})
    import skimage.metrics

    pair = [skimage.metrics.structural_similarity(fused, source, data_range=2) for source in (infrared, visible)]
    row["SSIM"] = sum(pair)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluator", required=True)
    parser.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "sensorium"))
    parser.add_argument("--pairs", type=int, default=361)
    parser.add_argument("--python-pairs", type=int, default=4)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    sys.path.insert(0, os.path.join(args.evaluator, "utils"))
    from Evaluator import Evaluator

    width, height = (int(n) for n in args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("vi", "ir", "fused"):
            os.mkdir(f"{folder}/{kind}")
        rng = np.random.default_rng(1)
        for number in range(args.pairs):
            vi, ir = scene(rng, width, height), scene(rng, width, height)
            fused = ((vi.astype(np.uint16) + ir + 1) // 2).astype(np.uint8)
            for kind, picture in (("vi", vi), ("ir", ir), ("fused", fused)):
                cv2.imwrite(f"{folder}/{kind}/{number:05}.png", picture)
        command = [args.binary, "eval", "fusion", "--visible", f"{folder}/vi", "--infrared", f"{folder}/ir", "--fused", f"{folder}/fused"]
        command += ["--output", f"{folder}/scores.json", "--format", "json"]
        mine, theirs, rows = [], [], {}
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            mine.append((time.perf_counter() - began) / args.pairs)
            if done.returncode != 0:
                sys.exit(f"error: {done.stderr.strip()}")
            for pair in range(number * args.python_pairs, (number + 1) * args.python_pairs):
                name = f"{pair % args.pairs:05}"
                began = time.perf_counter()
                rows[name] = score(Evaluator, [f"{folder}/{kind}/{name}.png" for kind in ("fused", "ir", "vi")])
                theirs.append(time.perf_counter() - began)
        with open(f"{folder}/scores.json") as f:
            found = {row["name"]: row for row in json.load(f)["images"]}
    worst = {ours: max(abs(found[n][ours] - rows[n][name]) / max(abs(rows[n][name]), 1e-12) for n in rows) for name, ours in NAMES.items()}
    ours, python = statistics.median(mine), statistics.median(theirs)
    print(f"{args.pairs} pairs of {args.size}: sensorium {ours * args.pairs:.2f} s ({ours * 1e3:.1f} ms a pair), Evaluator {python * args.pairs:.0f} s ({python * 1e3:.0f} ms a pair, {len(theirs)} timed)")
    print(f"ratio {python / ours:.1f}")
    print("largest relative differences: " + ", ".join(f"{n} {v:.1e}" for n, v in worst.items()))


if __name__ == "__main__":
    main()
