"""The ray caster and the worlds that tools/make_datasets.py draws: a street with moving traffic, and a room.

Everything is boxes and ellipsoids with a heading about z, on the ground plane z = 0. World: x forward along the street, y left, z up,
metres. Needs numpy.
"""

import numpy as np

SUN = np.array([0.35, -0.55, 0.76]) / np.linalg.norm([0.35, -0.55, 0.76])
SKY, GROUND = -2, -1
# Materials.
FACADE, PAINT, GLASS, TYRE, CLOTH, SKIN, LEAF, BARK, METAL, LAMP, TAIL, WOOD, WALL, FLOOR, PICTURE, PLAIN, SIGN, SCREEN = range(18)


def hash3(ix, iy, iz, seed=0):
    n = (ix.astype(np.int64) * 73856093) ^ (iy.astype(np.int64) * 19349663) ^ (iz.astype(np.int64) * 83492791) ^ (seed * 2654435761)
    n = (n & 0xFFFFFFFF).astype(np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        n = ((n ^ (n >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    n ^= n >> np.uint64(16)
    return n.astype(np.float64) / 4294967296.0


def noise(p, seed=0):
    """Value noise in 0..1, trilinear with smooth weights."""
    i = np.floor(p)
    f = p - i
    f = f * f * (3 - 2 * f)
    total = 0.0
    for corner in range(8):
        c = [(corner >> k) & 1 for k in range(3)]
        w = np.prod([f[:, k] if c[k] else 1 - f[:, k] for k in range(3)], axis=0)
        total = total + w * hash3(i[:, 0] + c[0], i[:, 1] + c[1], i[:, 2] + c[2], seed)
    return total


def fbm(p, octaves=3, seed=0):
    total, weight = 0.0, 0.5
    for k in range(octaves):
        total = total + weight * noise(p * 2.0**k, seed + k)
        weight /= 2
    return total / (1 - 0.5**octaves)


class Prim:
    """A box or an ellipsoid: centre, half extents, heading, material, colour, class name and object number."""

    def __init__(self, kind, centre, half, mat, colour=(0.5, 0.5, 0.5), yaw=0.0, cls="", obj=0):
        self.kind, self.mat, self.yaw, self.cls, self.obj = kind, mat, yaw, cls, obj
        self.c, self.h, self.colour = np.array(centre, float), np.array(half, float), np.array(colour, float)
        self.r = np.linalg.norm(self.h) if kind == "box" else self.h.max()
        s, c = np.sin(yaw), np.cos(yaw)
        self.R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])  # world from local

    def hit(self, o, d):
        """Distance along d to the first hit ahead, inf without one. o, d: (n, 3)."""
        lo, ld = ((o - self.c) @ self.R) / self.h, (d @ self.R) / self.h
        if self.kind == "box":
            with np.errstate(divide="ignore", invalid="ignore"):
                a, b = (-1 - lo) / ld, (1 - lo) / ld
            near, far = np.nanmax(np.minimum(a, b), axis=1), np.nanmin(np.maximum(a, b), axis=1)
            t = np.where(near > 1e-4, near, np.inf)
            return np.where((near <= far), t, np.inf)
        a, b, c = (ld * ld).sum(1), (lo * ld).sum(1), (lo * lo).sum(1) - 1
        disc = b * b - a * c
        t = (-b - np.sqrt(np.maximum(disc, 0))) / a
        return np.where((disc > 0) & (t > 1e-4), t, np.inf)

    def normal(self, p):
        l = ((p - self.c) @ self.R) / self.h
        if self.kind == "box":
            k = np.abs(l).argmax(1)
            n = np.zeros_like(l)
            n[np.arange(len(l)), k] = np.sign(l[np.arange(len(l)), k])
        else:
            n = l / self.h
            n /= np.linalg.norm(n, axis=1, keepdims=True)
        return n @ self.R.T


def box(*a, **k):
    return Prim("box", *a, **k)


def ball(*a, **k):
    return Prim("ball", *a, **k)


def cast(prims, o, d, far=np.inf, ground=True):
    """First hits: distance (inf for sky) and index of the primitive (GROUND, SKY)."""
    n = len(d)
    o = np.broadcast_to(o, d.shape)
    one = np.ptp(o, axis=0).max() == 0 if n else False
    t, who = np.full(n, np.inf), np.full(n, SKY)
    if ground:
        down = d[:, 2] < -1e-6
        t[down] = -o[down, 2] / d[down, 2]
        who[down] = GROUND
    t[t > far] = np.inf
    who[~np.isfinite(t)] = SKY
    for k, p in enumerate(prims):
        if one:
            oc = p.c - o[0]
            along, dd = d @ oc, oc @ oc
        else:
            oc = p.c - o
            along, dd = (d * oc).sum(1), (oc * oc).sum(1)
        sub = np.nonzero((dd - along * along < p.r**2) & (along > -p.r) & (along - p.r < np.minimum(t, far)))[0]
        if len(sub):
            h = p.hit(o[sub], d[sub])
            better = h < np.minimum(t[sub], far)
            t[sub[better]], who[sub[better]] = h[better], k
    return t, who


def shadowed(prims, p, light):
    """Whether something stands between the points and the sun, or a lamp at a position."""
    if light.shape == p.shape or light.ndim == 1 and abs(np.linalg.norm(light) - 1) < 1e-9:
        d, far = np.broadcast_to(light, p.shape), np.inf
        t, _ = cast(prims, p + d * 2e-3, d, ground=False)
        return np.isfinite(t)
    v = light - p
    far = np.linalg.norm(v, axis=1)
    d = v / far[:, None]
    t, _ = cast(prims, p + d * 2e-3, d, ground=False)
    return t < far - 0.05


# ---------------------------------------------------------------------------------------------------------------- the street


def car(prims, at, yaw, colour, obj, kind="car", lights=True):
    c, s = np.cos(yaw), np.sin(yaw)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    l, w, h = (4.4, 1.8, 1.5) if kind == "car" else (6.4, 2.3, 2.9)

    def put(make, x, y, z, half, mat, col=(0.02, 0.02, 0.02)):
        prims.append(make(np.array(at) + R @ np.array([x, y, z]), half, mat, col, yaw, kind, obj))

    if kind == "car":
        put(box, 0, 0, 0.58, (l / 2, w / 2, 0.27), PAINT, colour)
        put(ball, 1.45, 0, 0.82, (0.85, 0.82, 0.16), PAINT, colour)
        put(ball, -1.75, 0, 0.84, (0.5, 0.8, 0.14), PAINT, colour)
        put(box, -0.25, 0, 1.08, (1.05, 0.78, 0.27), GLASS)
        put(ball, -0.25, 0, 1.30, (1.3, 0.80, 0.2), PAINT, colour)
        for x in (-0.3, 0.82, -1.32):
            put(box, x, 0, 1.08, (0.05, 0.79, 0.28), PAINT, colour)
    else:
        put(box, -0.9, 0, 1.75, (2.25, w / 2, 1.15), PAINT, (0.75, 0.76, 0.74))
        put(box, 2.3, 0, 1.2, (0.9, w / 2 - 0.05, 0.8), PAINT, colour)
        put(box, 2.62, 0, 1.6, (0.6, w / 2 - 0.1, 0.35), GLASS)
    for x in (-0.3 * l, 0.3 * l):
        for y in (-1, 1):
            put(ball, x, y * (w / 2 - 0.1), 0.33, (0.34, 0.14, 0.33), TYRE)
    for y in (-1, 1):
        put(box, l / 2, y * (w / 2 - 0.28), 0.66, (0.03, 0.2, 0.08), LAMP, (1, 0.95, 0.8))
        put(box, -l / 2, y * (w / 2 - 0.25), 0.72, (0.03, 0.18, 0.08), TAIL, (0.8, 0.03, 0.02))
    put(box, l / 2, 0, 0.42, (0.03, w / 2 - 0.1, 0.1), TYRE)
    return dict(obj=obj, cls=kind, centre=[at[0], at[1], h / 2], size=[l, w, h], yaw=yaw)


def walker(prims, at, yaw, obj, t, rng):
    c, s = np.cos(yaw), np.sin(yaw)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    shirt, trousers = rng.uniform(0.05, 0.7, 3), rng.uniform(0.03, 0.25, 3)
    swing = 0.18 * np.sin(2 * np.pi * (t * 0.9 + obj * 0.37))

    def put(x, y, z, half, mat, col):
        prims.append(ball(np.array(at) + R @ np.array([x, y, z]), half, mat, col, yaw, "pedestrian", obj))

    put(0, 0, 1.61, (0.10, 0.09, 0.13), SKIN, (0.55, 0.36, 0.27))
    put(-0.02, 0, 1.68, (0.11, 0.10, 0.09), CLOTH, (0.06, 0.04, 0.03))
    put(0, 0, 1.18, (0.14, 0.21, 0.34), CLOTH, shirt)
    for y, f in ((-0.1, 1), (0.1, -1)):
        put(f * swing, y, 0.45, (0.10, 0.09, 0.47), CLOTH, trousers)
        put(f * swing * 1.6 + 0.05, y, 0.06, (0.14, 0.06, 0.06), TYRE, (0.03, 0.03, 0.03))
        put(-f * swing, 2.4 * y, 1.15, (0.06, 0.06, 0.30), CLOTH, shirt)
    return dict(obj=obj, cls="pedestrian", centre=[at[0], at[1], 0.87], size=[0.7, 0.65, 1.74], yaw=yaw)


def street(t):
    """Primitives and labelled objects at time t, seconds. Traffic drives on the right."""
    prims, objects = [], []
    rng = np.random.default_rng(7)
    walls = [(0.48, 0.22, 0.16), (0.62, 0.55, 0.44), (0.55, 0.5, 0.47), (0.66, 0.6, 0.5), (0.35, 0.33, 0.33), (0.52, 0.36, 0.25)]
    for side in (-1, 1):
        x = -60.0
        while x < 110:
            length, height, depth = rng.uniform(10, 19), rng.choice([7.0, 10.0, 13.0, 16.0]), 10
            gap = 0.0 if rng.random() < 0.7 else rng.uniform(2, 5)
            y = side * (8.2 + rng.uniform(0, 0.8) + depth / 2)
            prims.append(box((x + length / 2, y, height / 2), (length / 2, depth / 2, height / 2), FACADE, walls[rng.integers(6)], cls="building"))
            prims.append(box((x + length / 2, y, height + 0.15), (length / 2 + 0.25, depth / 2 + 0.3, 0.2), PLAIN, (0.3, 0.28, 0.27), cls="building"))
            x += length + gap
        for x in np.arange(-55, 100, 17.0):  # trees
            x, y = x + rng.uniform(-2, 2) + 5 * side, side * 6.4
            prims.append(box((x, y, 1.3), (0.13, 0.13, 1.3), BARK, (0.16, 0.11, 0.08), cls="vegetation"))
            for _ in range(5):
                off = rng.normal(0, 0.55, 3)
                r = rng.uniform(0.8, 1.25)
                prims.append(ball((x + off[0], y + off[1], 3.5 + off[2]), (r, r, r * 0.85), LEAF, rng.uniform(0.8, 1.2) * np.array((0.09, 0.2, 0.05)), cls="vegetation"))
        for x in np.arange(-50, 100, 20.0):  # lamp posts
            y = side * 4.9
            prims.append(box((x, y, 2.9), (0.06, 0.06, 2.9), METAL, (0.2, 0.22, 0.22), cls="pole"))
            prims.append(box((x, y - side * 0.7, 5.8), (0.06, 0.75, 0.05), METAL, (0.2, 0.22, 0.22), cls="pole"))
            prims.append(box((x, y - side * 1.3, 5.74), (0.14, 0.3, 0.06), LAMP, (1, 0.85, 0.6), cls="pole"))
        prims.append(box((14, side * 5.1, 1.4), (0.03, 0.03, 1.4), METAL, (0.4, 0.4, 0.42), cls="pole"))
        prims.append(box((13.96, side * 5.1, 2.5), (0.02, 0.33, 0.33), SIGN, (0.05, 0.15, 0.6), cls="sign"))
    paints = [(0.5, 0.02, 0.02), (0.03, 0.08, 0.3), (0.6, 0.6, 0.62), (0.03, 0.03, 0.035), (0.75, 0.75, 0.72), (0.05, 0.2, 0.12), (0.6, 0.35, 0.03)]
    obj = 1
    for x, side in ((9, 1), (15, 1), (34, 1), (41, 1), (-12, 1), (-24, 1), (19, -1), (26, -1), (47, -1), (-9, -1), (-19, -1), (60, 1)):  # parked
        objects.append(car(prims, (x + rng.uniform(-0.5, 0.5), side * 3.7, 0), 0.0 if side < 0 else np.pi, paints[rng.integers(7)], obj) | dict(v=(0, 0)))
        obj += 1
    for x, lane, v, kind in ((22, -1.6, 7.5, "car"), (46, 1.5, -8.0, "car"), (75, 1.5, -7.0, "truck"), (52, -1.6, 8.5, "car"), (-22, -1.6, 7.5, "car")):
        yaw = 0.0 if v > 0 else np.pi
        objects.append(car(prims, (x + v * t, lane, 0), yaw, paints[rng.integers(7)], obj, kind) | dict(v=(v, 0)))
        obj += 1
    walks = [(8, 5.6, 1.2), (13, -5.7, -1.1), (17, 5.9, -1.3), (24, -5.4, 1.3), (30, 5.5, 1.2), (-8, 5.8, 1.2), (-13, -5.6, 1.2), (37, -5.8, -1.1)]
    for x, y, v in walks:
        objects.append(walker(prims, (x + v * t, y, 0), 0.0 if v > 0 else np.pi, obj, t, rng) | dict(v=(v, 0)))
        obj += 1
    for y0, x in ((-3.0, 29.2), (1.2, 30.4), (2.4, 11.5)):  # crossing the road
        objects.append(walker(prims, (x, y0 + 1.2 * t, 0), np.pi / 2, obj, t, rng) | dict(v=(0, 1.2)))
        obj += 1
    return prims, objects


def ground_look(p, d2):
    x, y = p[:, 0], np.abs(p[:, 1])
    coarse, fine = fbm(p * 0.6, 3, 3), fbm(p * np.array([14.0, 14.0, 1]), 2, 11)
    grain = (fine - 0.5) * np.clip(1.6 - d2 / 25, 0.15, 1)
    asphalt = (0.10 + 0.05 * (coarse - 0.5) + 0.06 * grain)[:, None] * np.array([1.0, 1.0, 1.04])
    worn = np.exp(-(((y - 1.6) % 1.5 - 0.75) ** 2) / 0.06)[:, None]
    asphalt = asphalt * (1 - 0.12 * worn)
    patch = hash3(np.floor(x / 5.0), np.floor(p[:, 1] / 2.6), x * 0, 5) < 0.1
    asphalt[patch] *= 0.72
    crack = np.abs(fbm(p * np.array([0.9, 0.9, 1]), 3, 23) - 0.5) < 0.006
    asphalt[crack & (d2 < 30)] *= 0.55
    slab = (np.minimum((x % 0.8), (y % 0.8)) < 0.025) & (d2 < 22)
    tone = hash3(np.floor(x / 0.8), np.floor(y / 0.8), x * 0, 9)
    walk = (0.33 + 0.08 * (tone - 0.5) + 0.08 * (coarse - 0.5) + 0.06 * grain)[:, None] * np.array([1.0, 0.97, 0.92])
    walk[slab] *= 0.6
    kerb = (y > 4.62) & (y < 4.8)
    col = np.where((y > 4.62)[:, None], walk, asphalt)
    col[kerb] = (0.42 + 0.1 * (coarse[kerb, None] - 0.5)) * np.array([1, 1, 0.98])
    paint = ((y < 0.075) & ((x % 6.0) < 3.0)) | ((y > 4.35) & (y < 4.45))
    zebra = (x % 60 > 28) & (x % 60 < 31.6) & (y < 4.2) & ((p[:, 1] % 1.0) < 0.5)
    paint = (paint & ~((x % 60 > 27) & (x % 60 < 32.5))) | zebra
    wear = np.clip(0.55 + 1.3 * (fbm(p * 5, 2, 41) - 0.3), 0.25, 1)
    col[paint] = (col * (1 - wear[:, None]) + wear[:, None] * np.array([0.62, 0.62, 0.58]))[paint]
    grass = y > 9.5
    col[grass] = ((0.6 + 0.8 * fine)[:, None] * np.array([0.10, 0.17, 0.05]))[grass]
    return col


def look(prims, who, p, n, d2, night):
    """Albedo, emitted light, gloss and warmth (degrees above the air) of hits; p, n: (n, 3)."""
    m = len(p)
    col, glow, gloss, warm = np.full((m, 3), 0.4), np.zeros((m, 3)), np.zeros(m), np.zeros(m)
    g = who == GROUND
    if g.any():
        col[g] = ground_look(p[g], d2[g])
        road = np.abs(p[g, 1]) < 4.62
        warm[g] = np.where(road, 5.0, 2.5) + 3 * (fbm(p[g] * 1.3, 3, 77) - 0.5) - 2.5 * (np.abs(p[g, 1]) > 9.5)
    for k in np.unique(who[who >= 0]):
        s = np.nonzero(who == k)[0]
        q, P, N = prims[k], p[s], n[s]
        c = np.tile(q.colour, (len(s), 1))
        rough = fbm(P * 3.0, 3, 1)
        if q.mat == FACADE:
            c, e, gl, w = facade(q, P, N, night, k)
            glow[s], gloss[s], warm[s] = e, gl, w
        elif q.mat == PAINT:
            l = (P - q.c) @ q.R
            c = c * (0.92 + 0.16 * rough)[:, None]
            seam = (np.abs(np.abs(l[:, 0] - 0.25) - 0.55) < 0.012) & (np.abs(l[:, 1]) > q.h[1] * 0.97)
            c[seam] *= 0.35
            gloss[s] = 0.35
            warm[s] = -1.0 + np.where(l[:, 0] > 0.2 * q.h[0], 9.0, 0.0) * (q.obj > 12) + 2 * (rough - 0.5)
        elif q.mat == GLASS:
            c[:] = (0.02, 0.025, 0.03)
            gloss[s], warm[s] = 0.9, -4
        elif q.mat == TYRE:
            l = (P - q.c) @ q.R
            r = np.hypot(l[:, 0], l[:, 2])
            c[:] = (0.025, 0.025, 0.027)
            c[(r < 0.2) & (q.kind == "ball") & (q.h[2] > 0.2)] = (0.45, 0.45, 0.47)
            warm[s] = 6.0 if q.obj > 12 else 1.0
        elif q.mat in (CLOTH, SKIN):
            c = c * (0.7 + 0.6 * fbm(P * 14, 2, 3))[:, None]
            warm[s] = (15.0 if q.mat == SKIN else 10.5) + 3 * (rough - 0.5)
        elif q.mat == LEAF:
            c = c * (0.35 + 1.5 * fbm(P * 5.5, 3, 8) ** 1.5)[:, None]
            warm[s] = -1.5 + 3 * (fbm(P * 4, 2, 9) - 0.5)
        elif q.mat == BARK:
            c = c * (0.5 + fbm(P * np.array([18, 18, 4]), 2, 6))[:, None]
        elif q.mat == LAMP:
            glow[s] = q.colour * (9.0 if night else 0.5)
            warm[s] = 14 if night else 5
        elif q.mat == TAIL:
            glow[s] = q.colour * (2.0 if night else 0.15)
            warm[s] = 3
        elif q.mat == SIGN:
            l = (P - q.c) @ q.R
            c[np.abs(l[:, 1]) + np.abs(l[:, 2]) < 0.2] = (0.85, 0.85, 0.85)
            warm[s] = -2
        else:
            c, e, gl = room_look(q, P, N, c, rough)
            glow[s], gloss[s] = e, gl
        col[s] = c
    return np.clip(col, 0, 1), glow, gloss, warm


def facade(q, P, N, night, k):
    """Brick or plaster with rows of windows, a shop front below, a cornice above."""
    side = np.abs(N[:, 1]) > 0.5
    u = np.where(side, P[:, 0] - (q.c[0] - q.h[0]), P[:, 1] - (q.c[1] - q.h[1]))
    v, top = P[:, 2], 2 * q.h[2]
    c = np.tile(q.colour, (len(P), 1)) * (0.75 + 0.5 * fbm(P * 1.1, 4, k))[:, None]
    if k % 2:  # bricks
        row = np.floor(v / 0.09)
        mortar = ((v % 0.09) < 0.014) | (((u + 0.13 * (row % 2)) % 0.26) < 0.016)
        c *= (0.85 + 0.3 * hash3(np.floor((u + 0.13 * (row % 2)) / 0.26), row, u * 0, k))[:, None]
        c[mortar] = c[mortar] * 0.4 + 0.2
    c *= np.clip(0.6 + v / 3.0, 0.6, 1)[:, None]  # dirt at the foot
    wide, high = 2.1 + 0.5 * (k % 3), 3.1
    col_i, row_i = np.floor(u / wide), np.floor((v - 0.5) / high)
    uu, vv = (u % wide) / wide, ((v - 0.5) % high) / high
    ground_floor = v < 3.4
    frame = np.where(ground_floor, (uu > 0.08) & (uu < 0.92) & (v > 0.5) & (v < 2.9), (uu > 0.24) & (uu < 0.76) & (vv > 0.2) & (vv < 0.8))
    glass = np.where(ground_floor, (uu > 0.12) & (uu < 0.88) & (v > 0.62) & (v < 2.75),
                     (np.abs(uu - 0.5) < 0.225) & (np.abs(uu - 0.5) > 0.015) & (vv > 0.23) & (vv < 0.77) & (np.abs(vv - 0.58) > 0.012))
    inside = side | (np.abs(N[:, 0]) > 0.5)
    fits = inside & (v < top - 0.9) & (u > 0.3)
    frame, glass = frame & fits, glass & fits
    sill = fits & ~ground_floor & (uu > 0.2) & (uu < 0.8) & (vv > 0.165) & (vv <= 0.2)
    c[frame] = np.array((0.55, 0.54, 0.5)) if k % 3 else np.array((0.18, 0.12, 0.09))
    c[sill] = (0.5, 0.49, 0.46)
    lit = hash3(col_i, row_i, u * 0, 100 + k)
    drawn = (lit * 7 % 1 < 0.35) & (vv > 0.5) & ~ground_floor
    c[glass] = (0.035, 0.045, 0.06)
    c[glass & drawn] = (0.42, 0.39, 0.33)
    cornice = inside & (v > top - 0.45)
    c[cornice] = q.colour * 0.5 + 0.25
    band = inside & (np.abs(v - 3.35) < 0.14)
    c[band] = (np.array((0.35, 0.1, 0.08)), np.array((0.08, 0.2, 0.16)), np.array((0.3, 0.27, 0.22)))[k % 3]
    glow = np.zeros((len(P), 3))
    on = glass & (lit < np.where(ground_floor, 0.7, 0.35))
    if night:
        glow[on] = np.array((1.0, 0.72, 0.38)) * (0.35 + 0.5 * fbm(P[on] * 2, 2, 5))[:, None]
    warm = 1.5 + 2 * (fbm(P * 0.7, 3, k + 1) - 0.5) + np.where(glass, np.where(on, 2.5, -2.0), 0) - 0.12 * v
    return c, glow, np.where(glass & ~drawn, 0.75, 0.0), warm


# ---------------------------------------------------------------------------------------------------------------- the room


def room():
    """A study of 5.2 x 4.4 x 2.6 m: x 0..5.2, y -2.2..2.2, seen from x near 0.6."""
    P = [
        box((2.6, 0, -0.047), (2.6, 2.2, 0.05), FLOOR, (0.36, 0.22, 0.12)),
        box((5.25, 0, 1.3), (0.05, 2.2, 1.3), WALL, (0.62, 0.60, 0.52)),
        box((2.6, 2.25, 1.3), (2.6, 0.05, 1.3), WALL, (0.50, 0.58, 0.60)),
        box((2.6, -2.25, 1.3), (2.6, 0.05, 1.3), WALL, (0.62, 0.60, 0.52)),
        box((-0.65, 0, 1.3), (0.05, 2.2, 1.3), WALL, (0.6, 0.6, 0.6)),
        box((2.6, 0, 2.65), (3.3, 2.2, 0.05), PLAIN, (0.75, 0.75, 0.73)),
        box((5.17, 0.7, 1.55), (0.02, 0.62, 0.42), PICTURE, (0.5, 0.4, 0.3)),
        box((5.18, 0.7, 1.55), (0.015, 0.67, 0.47), WOOD, (0.12, 0.07, 0.04)),
        box((2.5, 2.185, 1.5), (0.65, 0.012, 0.5), GLASS),
        box((2.5, 2.19, 1.5), (0.72, 0.008, 0.57), PLAIN, (0.7, 0.7, 0.68)),
        box((3.2, 0.25, 0.02), (1.1, 0.95, 0.012), CLOTH, (0.42, 0.1, 0.09)),
    ]
    top = (3.55, -0.2, 0.74)  # the table
    P.append(box(top, (0.42, 0.8, 0.02), WOOD, (0.42, 0.26, 0.13)))
    for x in (-0.36, 0.36):
        for y in (-0.74, 0.74):
            P.append(box((top[0] + x, top[1] + y, 0.36), (0.03, 0.03, 0.36), WOOD, (0.3, 0.18, 0.09)))
    P += [
        box((3.68, -0.35, 0.98), (0.02, 0.28, 0.18), SCREEN, (0.02, 0.02, 0.02), yaw=0.2),
        box((3.7, -0.35, 0.79), (0.08, 0.1, 0.03), METAL, (0.15, 0.15, 0.16), yaw=0.2),
        box((3.36, -0.3, 0.768), (0.07, 0.2, 0.008), PLAIN, (0.1, 0.1, 0.1), yaw=0.1),
        ball((3.4, 0.12, 0.81), (0.045, 0.045, 0.055), PLAIN, (0.75, 0.73, 0.68)),
        box((3.55, 0.4, 0.785), (0.11, 0.08, 0.025), CLOTH, (0.12, 0.2, 0.42), yaw=0.4),
        box((3.56, 0.4, 0.83), (0.1, 0.075, 0.02), CLOTH, (0.5, 0.33, 0.08), yaw=0.15),
        box((2.75, -0.1, 0.45), (0.22, 0.22, 0.03), CLOTH, (0.1, 0.25, 0.23), yaw=0.3),  # chair
        box((2.54, -0.16, 0.75), (0.025, 0.2, 0.26), CLOTH, (0.1, 0.25, 0.23), yaw=0.3),
        ball((2.75, -0.1, 0.06), (0.25, 0.25, 0.04), METAL, (0.2, 0.2, 0.2)),
        box((2.75, -0.1, 0.24), (0.025, 0.025, 0.2), METAL, (0.3, 0.3, 0.3)),
        ball((1.95, 1.15, 0.14), (0.14, 0.14, 0.14), CLOTH, (0.65, 0.3, 0.05)),  # a ball on the floor
        box((2.2, -1.35, 0.17), (0.2, 0.24, 0.17), WOOD, (0.5, 0.37, 0.2), yaw=0.5),  # a parcel
        box((2.22, -1.33, 0.43), (0.13, 0.16, 0.09), WOOD, (0.55, 0.42, 0.26), yaw=0.9),
    ]
    rng = np.random.default_rng(3)
    sx, sy = 4.98, -1.45  # a shelf of books
    P += [box((sx, sy + s * 0.6, 0.95), (0.17, 0.02, 0.95), WOOD, (0.3, 0.19, 0.1)) for s in (-1, 1)]
    P.append(box((5.16, sy, 0.95), (0.01, 0.6, 0.95), WOOD, (0.2, 0.12, 0.07)))
    for z in (0.03, 0.48, 0.93, 1.38, 1.88):
        P.append(box((sx, sy, z), (0.17, 0.6, 0.018), WOOD, (0.32, 0.2, 0.1)))
        y = sy - 0.56
        while z < 1.5 and y < sy + rng.uniform(0.3, 0.55):
            w, h = rng.uniform(0.018, 0.04), rng.uniform(0.12, 0.19)
            P.append(box((sx + rng.uniform(-0.03, 0.03), y + w, z + 0.018 + h), (0.11, w * 0.94, h), CLOTH, rng.uniform(0.04, 0.55, 3)))
            y += 2 * w
    pot = (4.75, 1.75)  # a plant
    P.append(ball((*pot, 0.2), (0.2, 0.2, 0.22), PLAIN, (0.42, 0.2, 0.12)))
    for _ in range(16):
        a, r = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.32)
        P.append(ball((pot[0] + r * np.cos(a), pot[1] + r * np.sin(a), rng.uniform(0.55, 1.25)), (0.16, 0.07, 0.1), LEAF, (0.07, 0.2, 0.05), yaw=a))
    P.append(box((4.6, -0.55, 0.9), (0.015, 0.015, 0.9), METAL, (0.25, 0.25, 0.25)))  # a floor lamp
    P.append(ball((4.6, -0.55, 1.85), (0.16, 0.16, 0.14), LAMP, (1, 0.86, 0.6)))
    return P


def room_look(q, P, N, c, rough):
    e, gloss = np.zeros((len(P), 3)), np.zeros(len(P))
    l = (P - q.c) @ q.R
    if q.mat == WALL:
        along = np.where(np.abs(N[:, 0]) > 0.5, P[:, 1], P[:, 0])
        stripe = 0.94 + 0.06 * np.sign(np.sin(along * 2 * np.pi / 0.24))
        dots = ((along * 8 % 1 - 0.5) ** 2 + (P[:, 2] * 8 % 1 - 0.5) ** 2 < 0.02)
        c = c * (stripe * (0.93 + 0.14 * rough) * np.where(dots, 0.82, 1))[:, None]
        skirt = P[:, 2] < 0.11
        c[skirt] = (0.72, 0.71, 0.68)
    elif q.mat == FLOOR:
        plank = np.floor(P[:, 1] / 0.14)
        shift = P[:, 0] + 0.77 * hash3(plank, plank * 0, plank * 0, 2)
        tone = hash3(plank, np.floor(shift / 1.1), plank * 0, 4)
        grain = fbm(P * np.array([3, 45, 1.0]), 3, 6)
        c = c * (0.7 + 0.35 * tone + 0.4 * (grain - 0.5))[:, None]
        c[((P[:, 1] % 0.14) < 0.005) | ((shift % 1.1) < 0.006)] *= 0.4
        gloss[:] = 0.08
    elif q.mat == WOOD:
        c = c * (0.65 + 0.7 * fbm(l * np.array([25.0, 4, 25]), 3, 5))[:, None]
    elif q.mat == PICTURE:
        y, z = l[:, 1] / q.h[1], l[:, 2] / q.h[2]
        hill = 0.25 * np.sin(3.1 * y) + 0.12 * np.sin(8 * y + 1) - 0.1
        c = np.where((z > hill)[:, None], np.array([0.75, 0.5, 0.25]) + 0.25 * z[:, None] * np.array([-1, -0.2, 1]), np.array([0.1, 0.22, 0.16]))
        c = c * (0.8 + 0.4 * fbm(l * 12, 2, 4))[:, None]
        c[(y - 0.4) ** 2 + (z - 0.45) ** 2 < 0.03] = (0.9, 0.85, 0.6)
    elif q.mat == SCREEN:
        face = N @ q.R[:, 0] < -0.5
        text = (np.floor(l[:, 2] / 0.012) % 2 == 0) & (hash3(np.floor(l[:, 1] / 0.01), np.floor(l[:, 2] / 0.012), l[:, 0] * 0, 8) < 0.55)
        lit = face & (np.abs(l[:, 1]) < 0.26) & (np.abs(l[:, 2]) < 0.16)
        e[lit] = (0.05, 0.09, 0.14)
        e[lit & text & (l[:, 1] < 0.18) & (np.abs(l[:, 2]) < 0.13)] = (0.35, 0.55, 0.5)
    elif q.mat == PLAIN:
        c = c * (0.88 + 0.24 * rough)[:, None]
    elif q.mat == METAL:
        c = c * (0.85 + 0.3 * rough)[:, None]
        gloss[:] = 0.2
    return c, e, gloss


# ---------------------------------------------------------------------------------------------------------------- pictures


def rays(K, size, R, sub=1):
    """Unit directions in the world of every pixel (centres at integers), sub x sub to a pixel. R: world from camera."""
    w, h = size
    off = (np.arange(sub) + 0.5) / sub - 0.5
    u = (np.arange(w)[:, None] + off).ravel()
    v = (np.arange(h)[:, None] + off).ravel()
    U, V = np.meshgrid(u, v)
    d = np.stack([(U - K[0, 2]) / K[0, 0], (V - K[1, 2]) / K[1, 1], np.ones_like(U)], -1).reshape(-1, 3)
    axial = 1 / np.linalg.norm(d, axis=1)
    return (d * axial[:, None]) @ R.T, axial


def sky(d, night):
    up = np.clip(d[:, 2], 0, 1)
    cloud = fbm(np.stack([d[:, 0] / (up + 0.12) * 1.3, d[:, 1] / (up + 0.12) * 1.3, up * 0], 1), 4, 50)
    cover = np.clip((cloud - 0.48) * 3.2, 0, 1)[:, None] * np.clip(up * 6, 0, 1)[:, None]
    if night:
        return np.array([0.010, 0.013, 0.024]) * (1 + 1.2 * (1 - up[:, None])) + cover * 0.008
    base = np.array([0.62, 0.74, 0.88]) * (1 - up[:, None]) ** 2 + np.array([0.16, 0.33, 0.70]) * (1 - (1 - up[:, None]) ** 2)
    glow = np.clip(d @ SUN, 0, 1)[:, None] ** 24
    return base * (1 - cover) + cover * np.array([0.88, 0.88, 0.9]) + 0.5 * glow * np.array([1, 0.9, 0.7])


def shade(prims, o, d, scene):
    """Linear colour, temperature in degrees Celsius, distance and primitive of every ray. scene: "day", "night" or "room"."""
    night = scene == "night"
    t, who = cast(prims, o, d, far=300.0)
    rgb, hit = sky(d, night), np.isfinite(t)
    heat = np.where(d[:, 2] > 0, -6 - 16 * np.clip(d[:, 2], 0, 1), 4.0) + (0 if night else 4)
    if hit.any():
        p = o + d[hit] * t[hit, None]
        n, w, far = np.tile([0, 0, 1.0], (len(p), 1)), who[hit], t[hit]
        for k in np.unique(w[w >= 0]):
            n[w == k] = prims[k].normal(p[w == k])
        col, glow, gloss, warm = look(prims, w, p, n, far, night)
        light = room_light(prims, p, n) if scene == "room" else lamp_light(p, n) if night else sun_light(prims, p, n)
        out = col * light + glow
        mirror = d[hit] - 2 * (d[hit] * n).sum(1)[:, None] * n
        fresnel = gloss * (0.12 + 0.88 * (1 - np.clip(-(d[hit] * n).sum(1), 0, 1)) ** 3)
        if scene == "room":
            back = np.full_like(out, 0.25)
        else:
            back = np.where((mirror[:, 2] > 0.18)[:, None], sky(mirror, night), (0.02 if night else 0.2) * np.array([1, 0.97, 0.92]))
        out = out * (1 - 0.6 * fresnel[:, None]) + back * fresnel[:, None]
        fog = (1 - np.exp(-far / 260.0))[:, None]
        if scene != "room":
            out = out * (1 - fog) + fog * (np.array([0.012, 0.014, 0.02]) if night else np.array([0.62, 0.7, 0.8]))
        rgb[hit] = out
        air = 9.0 if night else 17.0
        sunny = 0 if night else 7 * np.clip(light.mean(1) - 0.3, 0, 1.2) * (w < 0) + 3 * np.clip(light.mean(1) - 0.3, 0, 1.2) * (w >= 0)
        heat[hit] = air + warm + sunny
    return rgb, heat, t, who


def sun_light(prims, p, n):
    facing = np.clip(n @ SUN, 0, 1)
    lit = facing > 0
    dark = np.zeros(len(p), bool)
    dark[lit] = shadowed(prims, p[lit] + n[lit] * 2e-3, SUN)
    sun = (facing * ~dark)[:, None] * np.array([2.3, 2.15, 1.9])
    ambient = (0.55 + 0.45 * n[:, 2])[:, None] * np.array([0.42, 0.5, 0.64])
    near_ground = np.clip(0.55 + p[:, 2] / 1.2, 0.55, 1)[:, None]
    return sun + ambient * np.where((n[:, 2] > 0.9)[:, None], 1, near_ground)


def lamp_light(p, n):
    total = np.tile([0.012, 0.014, 0.022], (len(p), 1))
    for x in np.arange(-50, 100, 20.0):
        for side in (-1, 1):
            v = np.array([x, side * 3.6, 5.6]) - p
            r2 = (v * v).sum(1)
            v = v / np.sqrt(r2)[:, None]
            cone = np.clip(v[:, 2], 0, 1) ** 1.5
            total = total + (13 * np.clip((v * n).sum(1), 0, 1) * cone / (r2 + 2))[:, None] * np.array([1.0, 0.74, 0.42])
    return total


def room_light(prims, p, n):
    total = (0.35 + 0.1 * n[:, 2])[:, None] * np.array([0.95, 1.0, 1.05])
    seen = [q for q in prims if q.mat not in (WALL, FLOOR, LAMP) and not (q.mat == PLAIN and q.c[2] > 2.4)]
    for at, power, tint in (((1.6, 0.4, 2.45), 3.4, (1, 0.96, 0.9)), ((4.5, -0.55, 1.7), 0.35, (1, 0.8, 0.5)), ((2.5, 2.0, 1.5), 0.8, (0.8, 0.92, 1.1))):
        at = np.array(at)
        v = at - p
        r2 = (v * v).sum(1)
        facing = np.clip((v * n).sum(1) / np.sqrt(r2), 0, 1)
        dark = shadowed(seen, p + n * 2e-3, at)
        total = total + (power * facing * ~dark / (r2 + 0.4))[:, None] * np.array(tint)
    return total


def picture(prims, K, size, pose, scene, rng, sub=2):
    """8-bit sRGB, temperatures, labels at pixel centres. pose: 4x4 world from camera."""
    w, h = size
    R, o = pose[:3, :3], pose[:3, 3]
    d, _ = rays(K, size, R, sub)
    rgb, heat, _, who = shade(prims, o, d, scene)
    fold = lambda a: a.reshape(h, sub, w, sub, -1).mean((1, 3))
    exposure = {"day": 1.25, "night": 3.4, "room": 1.25}[scene]
    lin = fold(1 - np.exp(-exposure * rgb))
    srgb = np.where(lin < 0.0031308, 12.92 * lin, 1.055 * np.clip(lin, 1e-9, 1) ** (1 / 2.4) - 0.055) * 255
    srgb += rng.normal(0, 2.2 if scene == "night" else 0.8, srgb.shape)
    return np.clip(srgb + 0.5, 0, 255).astype(np.uint8), fold(heat)[..., 0], who.reshape(h, sub, w, sub)[:, 0, :, 0]


def depth(prims, K, size, pose):
    """Metres along the optical axis at the pixel centres (inf without a hit), and the primitives."""
    d, axial = rays(K, size, pose[:3, :3])
    t, who = cast(prims, pose[:3, 3], d)
    return (t * axial).reshape(size[1], size[0]), who.reshape(size[1], size[0])
