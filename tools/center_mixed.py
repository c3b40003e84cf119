#!/usr/bin/env python3
"""CenterHead's maps to boxes by the rules of published camera-only networks, written from their description, for tests/parity_fuller.rs.

    center_mixed.py OUT.safetensors      the boxes of two samples of maps that follow from their names

Cars and barriers are thinned out by distance; the other groups by rotated overlap, for which pedestrians count 2.5 and cones 4 times as
large. Overlaps are areas of the convex hull of all corners inside the other box and all crossings of edges. Needs numpy and torch.
"""
import sys

import numpy as np

import torch_peers as peers

CELLS, CELL, LOW = 32, 0.8, -12.8
BEST, LEAST, OVERLAP, BEFORE, AFTER = 400, 0.1, 0.2, 1000, 83
RANGE = (-11.0, -10.0, -2.0, 12.0, 11.0, 2.5)
GROUPS = (("car",), ("truck", "construction_vehicle"), ("bus", "trailer"), ("barrier",), ("motorcycle", "bicycle"), ("pedestrian", "traffic_cone"))
RADII = {0: 4.0, 3: 1.0}
LARGER = {"pedestrian": 2.5, "traffic_cone": 4.0}
#: Low and high of each map; the heat map's leave some cells below the least score.
MAPS = (("reg", 2, 0.0, 1.0), ("height", 1, -2.5, 2.5), ("dim", 3, -0.7, 1.5), ("rot", 2, -1.0, 1.0), ("vel", 2, -2.0, 2.0), ("heatmap", 0, -8.0, 1.0))


def maps(group, samples):
    count = len(GROUPS[group])
    make = lambda name, channels, low, high: peers.by_rule(f"mixed.task{group}.{name}", (samples, channels or count, CELLS, CELLS), low, high, 1)
    return {name: make(name, channels, low, high) for name, channels, low, high in MAPS}


def corners(box):
    x, y, _, w, l, _, r = box[:7]
    along = np.array([[-w, -l], [-w, l], [w, l], [w, -l]]) / 2
    return np.stack([x + along[:, 0] * np.cos(r) + along[:, 1] * np.sin(r), y - along[:, 0] * np.sin(r) + along[:, 1] * np.cos(r)], 1)


def inside(points, box):
    x, y, _, w, l, _, r = box[:7]
    dx, dy = points[:, 0] - x, points[:, 1] - y
    return (np.abs(dx * np.cos(r) - dy * np.sin(r)) <= w / 2) & (np.abs(dx * np.sin(r) + dy * np.cos(r)) <= l / 2)


def crossings(a, b):
    found = []
    for p, q in zip(a, np.roll(a, -1, 0)):
        for s, t in zip(b, np.roll(b, -1, 0)):
            d, e = q - p, t - s
            cross = d[0] * e[1] - d[1] * e[0]
            if abs(cross) > 1e-14:
                u = ((s[0] - p[0]) * e[1] - (s[1] - p[1]) * e[0]) / cross
                v = ((s[0] - p[0]) * d[1] - (s[1] - p[1]) * d[0]) / cross
                if 0 <= u <= 1 and 0 <= v <= 1:
                    found.append(p + u * d)
    return np.array(found).reshape(-1, 2)


def overlap(a, b):
    """Intersection over union seen from above."""
    ca, cb = corners(a), corners(b)
    points = np.concatenate([ca[inside(ca, b)], cb[inside(cb, a)], crossings(ca, cb)])
    shared = 0.0
    if len(points) >= 3:
        middle = points.mean(0)
        p = points[np.argsort(np.arctan2(*(points - middle).T[::-1]))]
        q = np.roll(p, -1, 0)
        shared = abs((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / 2
    return shared / (a[3] * a[4] + b[3] * b[4] - shared)


def decode(group, m, sample):
    """Rows x, y, z of the centre, w, l, h, angle, vx, vy, score, class of the best cells, best first."""
    heat = 1 / (1 + np.exp(-m["heatmap"][sample].reshape(len(GROUPS[group]), -1).astype(np.float64)))
    entries = [(heat[c, k], c, k) for c in range(len(heat)) for k in np.argsort(-heat[c], kind="stable")[:BEST]]
    entries.sort(key=lambda e: -e[0])
    rows, first = [], sum(map(len, GROUPS[:group]))
    for score, c, k in entries[:BEST]:
        at = lambda name: m[name][sample].reshape(len(m[name][sample]), -1)[:, k].astype(np.float64)
        x, y = (np.array(divmod(k, CELLS)) + at("reg")) * CELL + LOW
        (z,), size, (sin, cos) = at("height"), np.exp(at("dim")), at("rot")
        row = [x, y, z, *size, np.arctan2(sin, cos), *at("vel"), score, first + c]
        if score > LEAST and all(low <= v <= high for v, low, high in zip((x, y, z), RANGE[:3], RANGE[3:])):
            rows.append(row)
    return rows


def thinned(group, rows):
    """What stays, and how close the nearest decision was."""
    closest, large = np.inf, []
    for row in rows:
        larger = LARGER.get(GROUPS[group][row[10] - sum(map(len, GROUPS[:group]))], 1.0)
        large.append([*row[:3], row[3] * larger, row[4] * larger, *row[5:]])
    kept = []
    for i in range(min(len(rows), len(rows) if group in RADII else BEFORE)):
        clash = False
        for k in kept:
            if group in RADII:
                off = (rows[i][0] - rows[k][0]) ** 2 + (rows[i][1] - rows[k][1]) ** 2 - RADII[group]
                hit = off <= 0
            else:
                off = overlap(large[i], large[k]) - OVERLAP
                hit = off > 0
            closest = min(closest, abs(off))
            clash |= hit
        if not clash:
            kept.append(i)
    return [rows[i] for i in kept[:AFTER]], closest, len(kept) > AFTER


def main(out, samples=2):
    boxes, owners = [], []
    for sample in range(samples):
        for group in range(len(GROUPS)):
            rows = decode(group, maps(group, samples), sample)
            scores = np.array([r[9] for r in rows])
            kept, closest, cut = thinned(group, rows)
            print(f"sample {sample}, group {group}: {len(rows)} cells, {len(kept)} boxes{', cut' if cut else ''}; "
                  f"scores at least {-np.diff(scores).max():.1e} apart, decisions {closest:.1e}")
            boxes += [[*r[:2], r[2] - r[5] / 2, *r[3:]] for r in kept]
            owners += [sample] * len(kept)
    peers.write(out, {"boxes": np.array(boxes, np.float32), "boxes.sample": np.array(owners, np.int32)})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
