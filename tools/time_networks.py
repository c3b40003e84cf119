#!/usr/bin/env python3
"""Times a network here, in PyTorch and in ONNX Runtime, in turn and in one run, so that whatever else the machine does falls on all.

    time_networks.py [--case NETWORK:PRESET[:WIDTHxHEIGHT][:KEY=VALUE,...] ...] [--batch N] [--rounds 3] [--passes 3] [--threads 2]
                     [--binary target/release/sensorium] [--pth] [--check] [--output FILE.json]

Networks: segmif, letfuser, fuller, pairingnet (its width is the number of points). Keys are FULLER's `view`, `lidar_encoder`, `sensors`.
All run the same random parameters on the same inputs in float32; every output is compared and a difference beyond 1e-3 of the largest
value is exit 1. `--check` stops after that; `--pth` hands the parameters over as PyTorch writes them. Needs torch and numpy (the
definitions are `torch_*.py` beside this file), onnx and onnxruntime for the third: they run the dense parts (what they cannot
express stays in PyTorch: projection, pooling, sparse convolutions, graph layers).
"""
import argparse
import importlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

# Threads that wait by turning round and round take the cores from whatever else runs, their own work included.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import numpy as np
import torch

import torch_peers as peers

DEFAULT = ["segmif:tiny", "segmif:base", "letfuser:tiny", "letfuser:base", "fuller:tiny", "fuller:base", "pairingnet:tiny", "pairingnet:base"]


def ours(args, network, preset, folder, repeat, keys):
    weights = f"{folder}/w.pth" if args.pth else f"{folder}/w.safetensors"
    command = [args.binary, "forward", network, "--preset", preset, "--weights", weights, "--inputs", f"{folder}/in.safetensors", "--device", "cpu"]
    command += ["--outputs", f"{folder}/ours.safetensors", "--repeat", str(repeat), "--format", "json"]
    if keys:
        with open(f"{folder}/keys.toml", "w") as f:
            f.writelines(f'{key} = "{value}"\n' for key, value in keys.items())
        command += ["--config", f"{folder}/keys.toml"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": str(args.threads)})
    if done.returncode != 0:
        sys.exit(f"error: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)["milliseconds"]


def timed(work, passes):
    found = []
    for _ in range(passes):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1e3)
    return found


def sessions(net, folder, threads):
    """Graphs of the parts that the first pass went through, or the reason why there are none."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as reason:
        return None, str(reason)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    found = {}
    for name, given in net.seen.items():
        path = f"{folder}/{name}.onnx"
        names = [f"in{k}" for k in range(len(given))]
        torch.onnx.export(peers.Part(net, name).eval(), given, path, input_names=names, opset_version=17, dynamo=False)
        found[name] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return found, f"onnxruntime {onnxruntime.__version__}"


def worst(found, expected):
    """Largest difference of each tensor, as a share of its largest value."""
    rows = {}
    for name, b in expected.items():
        a, b = np.asarray(found[name], np.float64), np.asarray(b, np.float64)
        rows[name] = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12)) if a.shape == b.shape else float("inf")
    return rows


def case(text, args, folder):
    network, preset, *rest = text.split(":")
    peer = importlib.import_module(f"torch_{network}")
    size = next((r for r in rest if re.fullmatch(r"\d+x\d+", r)), None)
    width, height = (int(n) for n in size.split("x")) if size else peer.SIZES[preset]
    keys = dict(pair.split("=") for r in rest if "=" in r for pair in r.split(","))
    net = peer.Net(preset, **{key.removesuffix("_encoder"): value for key, value in keys.items()})
    state = (peer.random_state(preset, 1) if hasattr(peer, "random_state") else peers.random_state(net, 1))
    if args.pth:
        torch.save({n: torch.from_numpy(a) for n, a in state.items()}, f"{folder}/w.pth")
    peers.write(f"{folder}/w.safetensors", state)
    peers.fill(net, state)
    given = peer.example(width, height, 1, batch=args.batch)
    only = keys.get("sensors")
    if only == "lidar" or only == "camera" and keys.get("view") != "depth_lss":
        given = {n: a for n, a in given.items() if n.startswith("points.") == (only == "lidar")}
    peers.write(f"{folder}/in.safetensors", given)
    tensors = {n: torch.from_numpy(a) for n, a in given.items()}
    matched = getattr(peer, "matched", lambda found, expected: (found, expected))
    expected = {n: np.asarray(t) for n, t in peer.call(net, tensors).items()}
    ours(args, network, preset, folder, 1, keys)
    off = worst(*matched(peers.read(f"{folder}/ours.safetensors"), expected))
    row = {"case": text, "width": width, "height": height, "batch": args.batch, "threads": args.threads, "differences": off, "times": {}}
    if args.check:
        return row
    graphs, about = sessions(net, folder, args.threads)
    if graphs is None:
        print(f"ONNX Runtime is left out: {about}", file=sys.stderr)
    times = {"sensorium": [], "pytorch": [], "onnxruntime": []}
    for number in range(args.rounds):
        print(f"{text}: round {number + 1} of {args.rounds}", file=sys.stderr)
        times["sensorium"] += ours(args, network, preset, folder, args.passes + 1, keys)[1:]
        net.sessions = {}
        times["pytorch"] += timed(lambda: peer.call(net, tensors), args.passes + 1)[1:]
        if graphs:
            net.sessions = graphs
            times["onnxruntime"] += timed(lambda: peer.call(net, tensors), args.passes + 1)[1:]
    row["times"] = {n: {"median_ms": statistics.median(t), "fastest_ms": min(t), "slowest_ms": max(t), "passes": len(t)} for n, t in times.items() if t}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "sensorium"))
    parser.add_argument("--case", action="append", help=f"NETWORK:PRESET[:WIDTHxHEIGHT][:KEY=VALUE,...]; default {', '.join(DEFAULT)}")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pth", action="store_true", help="parameters as a PyTorch state dict")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(args.threads)
    rows = []
    for text in args.case or DEFAULT:
        if not re.fullmatch(r"(segmif|letfuser|fuller|pairingnet):(tiny|base)(:\d+x\d+)?(:[a-z_]+=[a-z_]+(,[a-z_]+=[a-z_]+)*)?", text):
            sys.exit(f"error: wanted NETWORK:PRESET[:WIDTHxHEIGHT][:KEY=VALUE,...], found `{text}`")
        with tempfile.TemporaryDirectory() as folder:
            row = case(text, args, folder)
        rows.append(row)
        largest = max(row["differences"], key=row["differences"].get)
        print(f"{text} at {row['width']}x{row['height']}, batch {args.batch}, {args.threads} threads: {len(row['differences'])} outputs, "
              f"at most {row['differences'][largest]:.1e} of the largest value apart ({largest})", flush=True)
        for name, t in row["times"].items():
            ratio = t["median_ms"] / row["times"]["sensorium"]["median_ms"]
            print(f"  {name:12} median {t['median_ms']:9.1f} ms, {t['fastest_ms']:.1f} to {t['slowest_ms']:.1f} ms over {t['passes']} passes, {ratio:.2f} of ours", flush=True)
    if args.output:
        about = {"version": 1, "processor": platform.processor() or platform.machine(), "torch": torch.__version__, "cases": rows}
        with open(args.output, "w") as f:
            json.dump(about, f, indent=1)
    sys.exit(any(off > 1e-3 for row in rows for off in row["differences"].values()))


if __name__ == "__main__":
    main()
