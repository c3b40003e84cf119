#!/usr/bin/env python3
"""Times SegMiF here, in PyTorch and in ONNX Runtime, in turn and in one run, so that whatever else the machine does falls on all.

    time_segmif.py [--binary target/release/sensorium] [--case tiny:320x240 ...] [--rounds 3] [--passes 3] [--threads 2] [--output FILE.json]

Needs torch and numpy (the definition is `torch_segmif.py` beside this file), onnx and onnxruntime for the third; what is not installed is
said and left out. All run the same random parameters on the same pictures in float32, batch 1, and their outputs are compared.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import torch_segmif as peer
import torch


def ours(binary, preset, folder, passes, threads):
    command = [binary, "forward", "segmif", "--preset", preset, "--weights", f"{folder}/w.safetensors", "--inputs", f"{folder}/in.safetensors"]
    command += ["--outputs", f"{folder}/ours.safetensors", "--repeat", str(passes + 1), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": str(threads)})
    if done.returncode != 0:
        sys.exit(f"error: {done.stderr.strip()}")
    return json.loads(done.stdout)["milliseconds"][1:]


def timed(work, passes):
    found = []
    for _ in range(passes):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1e3)
    return found


def runtime(preset, height, width, folder, threads):
    """A callable for ONNX Runtime, or the reason why there is none."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as reason:
        return None, str(reason)
    path = f"{folder}/net.onnx"
    peer.export(preset, height, width, path, 1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = peer.read(f"{folder}/in.safetensors")
    return lambda: session.run(None, given), f"onnxruntime {onnxruntime.__version__}"


def case(text, args, folder):
    preset, size = text.split(":")
    width, height = (int(n) for n in size.split("x"))
    state, given = peer.random_state(preset, 1), peer.random_inputs(height, width, 1)
    peer.write(f"{folder}/w.safetensors", state)
    peer.write(f"{folder}/in.safetensors", given)
    net, tensors = peer.network(preset, state), [torch.from_numpy(a) for a in given.values()]
    session, about = runtime(preset, height, width, folder, args.threads)
    if session is None:
        print(f"ONNX Runtime is left out: {about}", file=sys.stderr)
    expected = {n: t.numpy() for n, t in zip(peer.OUTPUTS, net(*tensors))}
    if session:
        session()
    times = {"sensorium": [], "pytorch": [], "onnxruntime": []}
    for number in range(args.rounds):
        print(f"{text}: round {number + 1} of {args.rounds}", file=sys.stderr)
        times["sensorium"] += ours(args.binary, preset, folder, args.passes, args.threads)
        times["pytorch"] += timed(lambda: net(*tensors), args.passes)
        if session:
            times["onnxruntime"] += timed(session, args.passes)
    found = peer.read(f"{folder}/ours.safetensors")
    worst = max(float(abs(found[n] - expected[n]).max()) for n in peer.OUTPUTS)
    rows = {n: {"median_ms": statistics.median(t), "fastest_ms": min(t), "slowest_ms": max(t), "passes": len(t)} for n, t in times.items() if t}
    return {"preset": preset, "width": width, "height": height, "threads": args.threads, "largest_difference": worst, "times": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "sensorium"))
    parser.add_argument("--case", action="append", help="PRESET:WIDTHxHEIGHT; default tiny:320x240 and base:640x480")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(args.threads)
    rows = []
    for text in args.case or ["tiny:320x240", "base:640x480"]:
        if not re.fullmatch(r"(tiny|base):\d+x\d+", text):
            sys.exit(f"error: wanted PRESET:WIDTHxHEIGHT, found `{text}`")
        with tempfile.TemporaryDirectory() as folder:
            rows.append(case(text, args, folder))
    for row in rows:
        print(f"segmif {row['preset']} at {row['width']}x{row['height']}, {row['threads']} threads (outputs differ by at most {row['largest_difference']:.1e})")
        for name, t in row["times"].items():
            ratio = t["median_ms"] / row["times"]["sensorium"]["median_ms"]
            print(f"  {name:12} median {t['median_ms']:9.1f} ms, {t['fastest_ms']:.1f} to {t['slowest_ms']:.1f} ms over {t['passes']} passes, {ratio:.2f} of ours")
    if args.output:
        about = {"version": 1, "processor": platform.processor() or platform.machine(), "torch": torch.__version__, "cases": rows}
        with open(args.output, "w") as f:
            json.dump(about, f, indent=1)


if __name__ == "__main__":
    main()
