//! Polygons in the plane: area, triangles by ear clipping, cutting to a cell, point tests, and oriented boxes.
//!
//! *In / Out*: corners in metres, counter-clockwise. *Invariant*: the triangles of a simple polygon cover it exactly once and keep its winding.

/// A point in the plane.
pub type P2 = [f64; 2];

/// Twice the signed area of a triangle; positive counter-clockwise.
pub fn cross(a: P2, b: P2, c: P2) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Signed area, square metres; positive counter-clockwise.
pub fn area(ring: &[P2]) -> f64 {
    edges(ring).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>() / 2.0
}

/// The sides of a ring.
pub fn edges(ring: &[P2]) -> impl Iterator<Item = (P2, P2)> {
    ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (*a, *b))
}

/// Whether a point lies inside (even-odd rule).
pub fn contains(ring: &[P2], p: P2) -> bool {
    edges(ring).filter(|(a, b)| (a[1] > p[1]) != (b[1] > p[1]) && p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0]).count() % 2
        == 1
}

/// Distance from a point to a ring's outline.
pub fn distance(ring: &[P2], p: P2) -> f64 {
    edges(ring).map(|(a, b)| to_segment(p, a, b)).fold(f64::INFINITY, f64::min)
}

/// Distance from a point to a segment.
pub fn to_segment(p: P2, a: P2, b: P2) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

/// Low and high corner.
pub fn bounds(ring: &[P2]) -> [P2; 2] {
    let mut b = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
    for p in ring {
        b = [[b[0][0].min(p[0]), b[0][1].min(p[1])], [b[1][0].max(p[0]), b[1][1].max(p[1])]];
    }
    b
}

/// The ring without corners that repeat or lie on a straight line.
pub fn tidy(ring: &[P2]) -> Vec<P2> {
    let mut kept: Vec<P2> = Vec::with_capacity(ring.len());
    for p in ring {
        if kept.last().is_none_or(|q| (q[0] - p[0]).hypot(q[1] - p[1]) > 1e-3) {
            kept.push(*p);
        }
    }
    while let (Some(a), Some(b)) = (kept.first().copied(), kept.last().copied()) {
        if kept.len() > 1 && (a[0] - b[0]).hypot(a[1] - b[1]) <= 1e-3 {
            kept.pop();
        } else {
            break;
        }
    }
    kept
}

/// Triangles of a simple counter-clockwise polygon.
pub fn triangulate(ring: &[P2]) -> Vec<[P2; 3]> {
    let mut ring = tidy(ring);
    let mut found = Vec::with_capacity(ring.len());
    while ring.len() > 3 {
        let n = ring.len();
        let at = |i: usize| ring.get(i % n).copied().unwrap_or_default();
        let clear = |i: usize| {
            let (a, b, c) = (at(i + n - 1), at(i), at(i + 1));
            cross(a, b, c) > 1e-9
                && !(0..n).filter(|j| *j != i && *j != (i + 1) % n && *j != (i + n - 1) % n).any(|j| {
                    let p = at(j);
                    // Corners that coincide with the ear's own (bridges to a hole) do not block it.
                    let own = [a, b, c].iter().any(|q| (q[0] - p[0]).abs() < 1e-9 && (q[1] - p[1]).abs() < 1e-9);
                    !own && cross(a, b, p) >= 0.0 && cross(b, c, p) >= 0.0 && cross(c, a, p) >= 0.0
                })
        };
        // Of the ears take the fattest among the first few, which avoids slivers at little cost.
        let quality = |i: usize| {
            let (a, b, c) = (at(i + n - 1), at(i), at(i + 1));
            cross(a, b, c) / ((c[0] - a[0]).powi(2) + (c[1] - a[1]).powi(2)).max(1e-9)
        };
        let ear = (0..n).filter(|i| clear(*i)).take(12).max_by(|i, j| quality(*i).total_cmp(&quality(*j)));
        match ear {
            Some(i) => {
                found.push([at(i + n - 1), at(i), at(i + 1)]);
                ring.remove(i);
            }
            None => {
                // What is left has no area worth a triangle; drop the flattest corner.
                let flat = (0..n).min_by(|i, j| {
                    let bend = |i: usize| cross(at(i + n - 1), at(i), at(i + 1)).abs();
                    bend(*i).total_cmp(&bend(*j))
                });
                ring.remove(flat.unwrap_or(0));
            }
        }
    }
    if let [a, b, c] = ring.as_slice()
        && cross(*a, *b, *c) > 1e-9
    {
        found.push([*a, *b, *c]);
    }
    found
}

/// The part of a convex polygon inside a box.
pub fn cut(ring: &[P2], low: P2, high: P2) -> Vec<P2> {
    let mut kept = ring.to_vec();
    for (axis, sign, limit) in [(0, 1.0, low[0]), (0, -1.0, -high[0]), (1, 1.0, low[1]), (1, -1.0, -high[1])] {
        let depth = |p: &P2| sign * if axis == 0 { p[0] } else { p[1] } - limit;
        let mut next = Vec::with_capacity(kept.len() + 1);
        for (a, b) in edges(&kept) {
            let (da, db) = (depth(&a), depth(&b));
            if da >= 0.0 {
                next.push(a);
            }
            if (da >= 0.0) != (db >= 0.0) {
                let t = da / (da - db);
                next.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
            }
        }
        kept = next;
    }
    kept
}

/// A rectangle in the plane: middle, heading, half length, half width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Middle.
    pub centre: P2,
    /// Direction of its length, radians.
    pub heading: f64,
    /// Half of length and width.
    pub half: [f64; 2],
}

impl Footprint {
    /// Corners, counter-clockwise from front left.
    pub fn corners(&self) -> [P2; 4] {
        let (sin, cos) = self.heading.sin_cos();
        let at = |x: f64, y: f64| [self.centre[0] + cos * x - sin * y, self.centre[1] + sin * x + cos * y];
        let [l, w] = self.half;
        [at(l, w), at(-l, w), at(-l, -w), at(l, -w)]
    }
    /// The rectangle grown by a margin on all sides.
    #[must_use]
    pub fn grown(&self, margin: f64) -> Self {
        Self { half: self.half.map(|h| h + margin), ..*self }
    }
    /// A point in its own frame.
    pub fn local(&self, p: P2) -> P2 {
        let (sin, cos) = self.heading.sin_cos();
        let [dx, dy] = [p[0] - self.centre[0], p[1] - self.centre[1]];
        [cos * dx + sin * dy, cos * dy - sin * dx]
    }
    /// Whether a point lies inside.
    pub fn contains(&self, p: P2) -> bool {
        let [x, y] = self.local(p);
        x.abs() <= self.half[0] && y.abs() <= self.half[1]
    }
    /// Distance from a point to the rectangle, 0 inside.
    pub fn distance(&self, p: P2) -> f64 {
        let [x, y] = self.local(p);
        (x.abs() - self.half[0]).max(0.0).hypot((y.abs() - self.half[1]).max(0.0))
    }
    /// How deep two rectangles are in each other, and the direction that pushes `self` out; `None` where they are apart.
    pub fn overlap(&self, other: &Self) -> Option<(f64, P2)> {
        let d = [self.centre[0] - other.centre[0], self.centre[1] - other.centre[1]];
        let reach = |f: &Self| f.half[0].hypot(f.half[1]);
        if d[0].hypot(d[1]) > reach(self) + reach(other) {
            return None;
        }
        let mut least: Option<(f64, P2)> = None;
        for heading in [self.heading, other.heading] {
            for axis in [heading, heading + std::f64::consts::FRAC_PI_2] {
                let (sin, cos) = axis.sin_cos();
                let span = |f: &Self| f.half[0] * (f.heading - axis).cos().abs() + f.half[1] * (f.heading - axis).sin().abs();
                let apart = d[0] * cos + d[1] * sin;
                let depth = span(self) + span(other) - apart.abs();
                if depth <= 0.0 {
                    return None;
                }
                if least.is_none_or(|(l, _)| depth < l) {
                    let sign = if apart < 0.0 { -1.0 } else { 1.0 };
                    least = Some((depth, [sign * cos, sign * sin]));
                }
            }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn triangles_cover_a_star_exactly() {
        let mut rng = Rng::new(4);
        for n in 3..60 {
            let ring: Vec<P2> = (0..n)
                .map(|i| {
                    let a = i as f64 / n as f64 * std::f64::consts::TAU;
                    let r = rng.range(3.0, 30.0);
                    [r * a.cos(), r * a.sin()]
                })
                .collect();
            let parts = triangulate(&ring);
            let sum: f64 = parts.iter().map(|t| area(t)).sum();
            assert!((sum - area(&ring)).abs() < 1e-6, "{n}: {sum} {}", area(&ring));
            assert!(parts.iter().all(|t| area(t) > 0.0));
            let cells: f64 = (-2..2)
                .flat_map(|x| (-2..2).map(move |y| [f64::from(x) * 20.0, f64::from(y) * 20.0]))
                .flat_map(|low| parts.iter().map(move |t| area(&cut(t, low, [low[0] + 20.0, low[1] + 20.0]))))
                .sum();
            assert!((cells - sum).abs() < 1e-6);
        }
    }

    #[test]
    fn footprints_overlap_like_their_points_do() {
        let mut rng = Rng::new(9);
        for _ in 0..2000 {
            let mut f =
                || Footprint { centre: [rng.range(-4.0, 4.0), rng.range(-4.0, 4.0)], heading: rng.range(-3.0, 3.0), half: [2.0, 0.9] };
            let (a, b) = (f(), f());
            let inside = |a: &Footprint, b: &Footprint| {
                (0..=40).flat_map(|i| (0..=18).map(move |j| [f64::from(i) / 20.0 - 1.0, f64::from(j) / 9.0 - 1.0])).any(|[u, v]| {
                    let (s, c) = a.heading.sin_cos();
                    b.contains([a.centre[0] + c * u * 2.0 - s * v * 0.9, a.centre[1] + s * u * 2.0 + c * v * 0.9])
                })
            };
            match a.overlap(&b) {
                None => assert!(!inside(&a, &b)),
                Some((depth, [x, y])) => {
                    let moved = Footprint { centre: [a.centre[0] + x * (depth + 1e-6), a.centre[1] + y * (depth + 1e-6)], ..a };
                    assert!(moved.overlap(&b).is_none());
                }
            }
        }
    }
}
