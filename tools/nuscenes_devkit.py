#!/usr/bin/env python3
"""Our nuScenes detection metrics beside those of the public devkit.

    python tools/nuscenes_devkit.py compare SENSORIUM ROOT VERSION SPLIT RESULTS.json...
    python tools/nuscenes_devkit.py race    SENSORIUM ROOT VERSION SPLIT RESULTS.json
    python tools/nuscenes_devkit.py kernels SENSORIUM

Needs `pip install nuscenes-devkit==1.2.0`; SENSORIUM is the program to run. `compare` holds every number of the two
summaries against each other and exits 1 where one differs by more than 1e-6. `race` runs both in turn and prints wall seconds,
processor seconds and peak memory of each, and the ratios; on the val-sized set of make_large.py the devkit takes five to ten minutes,
so start it detached: `nohup python tools/nuscenes_devkit.py race ... > race.log &`. `kernels` times ten sweeps put together and a map
mask on the set that `sensorium bench eval --keep` leaves, both programs on the same files, by processor time.
"""
import json
import math
import os
import subprocess
import sys
import tempfile
import time

FIELDS = ("label_aps", "mean_dist_aps", "mean_ap", "label_tp_errors", "tp_errors", "tp_scores", "nd_score")

DEVKIT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
from nuscenes import NuScenes
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.evaluate import DetectionEval
root, version, split, results, out = sys.argv[1:]
task = DetectionEval(NuScenes(version, root, verbose=False), config_factory("detection_cvpr_2019"), results, split, out, verbose=False)
json.dump(task.evaluate()[0].serialize(), open(out + "/devkit.json", "w"))
"""


KERNELS = """
import contextlib, io, json, statistics, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
from nuscenes import NuScenes
from nuscenes.map_expansion.map_api import NuScenesMap, NuScenesMapExplorer
from nuscenes.utils.data_classes import LidarPointCloud
# Under shapely 2 the devkit fails on a line that leaves the window and returns; its pieces are drawn one by one here.
one = NuScenesMapExplorer.mask_for_lines
def pieces(lines, mask):
    for line in getattr(lines, "geoms", [lines]):
        mask = one(line, mask)
    return mask
NuScenesMapExplorer.mask_for_lines = staticmethod(pieces)
root = sys.argv[1]
nusc = NuScenes("v1.0-bench", root, verbose=False)
city = NuScenesMap(root, "boston-seaport")
layers = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider", "lane_divider"]
def median(runs, work):
    work()
    took = []
    for _ in range(runs):
        start = time.process_time()
        last = work()
        took.append(time.process_time() - start)
    return statistics.median(took) * 1e3, last
with contextlib.redirect_stdout(io.StringIO()):
    sweeps, cloud = median(30, lambda: LidarPointCloud.from_file_multisweep(nusc, nusc.sample[0], "LIDAR_TOP", "LIDAR_TOP", nsweeps=10)[0])
    window, mask = median(15, lambda: city.get_map_mask((2000.0, 100.0, 100.0, 100.0), 33.7, layers, (200, 200)))
json.dump({"sweeps": sweeps, "points": cloud.nbr_points(), "map": window, "cells": int(np.count_nonzero(mask))}, open(sys.argv[2], "w"))
"""


def kernels(program):
    """Processor milliseconds of both on one set; true where a bar is broken, or points or cells are not as many."""
    with tempfile.TemporaryDirectory() as folder:
        kept, told = folder + "/set", folder + "/devkit.json"
        ours = subprocess.run([program, "bench", "eval", "--samples", "40", "--keep", kept, "--format", "json"], stdout=subprocess.PIPE, check=False)
        rows = json.loads(ours.stdout)["rows"]
        subprocess.run([sys.executable, "-c", KERNELS, kept, told], check=True)
        theirs = json.load(open(told))
    failed = False
    for key, word, bar in (("sweeps", "sweeps as one cloud", 5.0), ("map", "a map window", 20.0)):
        row = next(r for r in rows if word in r["what"])
        mine = row["cpu_ms"] if key == "sweeps" else max(row["cpu_ms"], row["median_ms"])
        ratio = theirs[key] / mine
        same = ("of %d points" % theirs["points"] in row["what"]) if key == "sweeps" else row["detail"].startswith("%d cells" % theirs["cells"])
        failed |= ratio < bar or not same
        print("%s\n  ours %.2f ms, devkit %.1f ms, %.0fx (bar: %.0fx); %s" % (row["what"], mine, theirs[key], ratio, bar, row["detail"]))
    print("devkit: %d points, %d cells set" % (theirs["points"], theirs["cells"]))
    return failed


def timed(command):
    """Wall seconds, processor seconds, peak MB and exit status of a command."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3, os.waitstatus_to_exitcode(status)


def leaves(node, path=""):
    """Numbers of nested objects by dotted path; null is NaN."""
    if isinstance(node, dict):
        return {p: v for key, value in node.items() for p, v in leaves(value, "%s.%s" % (path, key)).items()}
    return {path: math.nan if node is None else float(node)}


def equal(a, b):
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-6


def both(program, root, version, split, results, folder):
    ours = [program, "eval", "detection", "--root", root, "--version", version, "--split", split,
            "--results", results, "--output", folder + "/ours.json"]
    theirs = [sys.executable, "-c", DEVKIT, root, version, split, results, folder]
    return timed(ours), timed(theirs)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "kernels":
        sys.exit(kernels(sys.argv[2]))
    if len(sys.argv) < 7 or sys.argv[1] not in ("compare", "race"):
        sys.exit(__doc__)
    verb, program, root, version, split = sys.argv[1:6]
    failed = False
    for results in sys.argv[6:]:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = both(program, root, version, split, results, folder)
            if ours[3] or theirs[3]:
                print("%s: ours ended with %d, the devkit with %d" % (results, ours[3], theirs[3]))
                failed = True
                continue
            mine, devkit = (json.load(open("%s/%s.json" % (folder, name))) for name in ("ours", "devkit"))
            wanted = leaves({key: devkit[key] for key in FIELDS})
            found = leaves({key: mine[key] for key in FIELDS})
            wrong = [path for path in wanted if path not in found or not equal(wanted[path], found[path])]
            failed |= bool(wrong)
            print("%s: %d of %d numbers agree" % (results, len(wanted) - len(wrong), len(wanted)))
            for path in wrong:
                print("  %s: devkit %r, ours %r" % (path, wanted[path], found.get(path)))
            if verb == "race":
                print("           wall s   processor s   peak MB")
                for name, (wall, cpu, memory, _) in (("ours", ours), ("devkit", theirs)):
                    print("%-8s %8.2f %13.2f %9.0f" % (name, wall, cpu, memory))
                print("devkit / ours: wall %.0fx, processor %.0fx, memory %.1fx" % tuple(t / o for t, o in zip(theirs[:3], ours[:3])))
    sys.exit(failed)


if __name__ == "__main__":
    main()
