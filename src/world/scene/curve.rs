//! Curves of straight lines and circular arcs: reference lines, lanes, kerbs and walks, all offset and projected in closed form.
//!
//! *In / Out*: metres and radians in the plane of the world; lateral offsets are positive to the left; curvature is positive
//! where the curve bends left. Biarcs after Bolton 1975 (equal lengths of the two tangents). *Invariant*: pieces join in position and heading.

/// A place on a curve.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Station {
    /// Position, metres.
    pub x: f64,
    /// Position, metres.
    pub y: f64,
    /// Direction of travel, radians.
    pub heading: f64,
    /// 1 / radius, positive to the left.
    pub curvature: f64,
}

impl Station {
    /// The point at a lateral distance to the left.
    pub fn beside(&self, left: f64) -> [f64; 2] {
        let (sin, cos) = self.heading.sin_cos();
        [self.x - sin * left, self.y + cos * left]
    }
    /// The point itself.
    pub const fn point(&self) -> [f64; 2] {
        [self.x, self.y]
    }
    /// Unit vector of travel.
    pub fn direction(&self) -> [f64; 2] {
        let (sin, cos) = self.heading.sin_cos();
        [cos, sin]
    }
}

/// A line (curvature 0) or an arc.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Where it starts.
    pub start: Station,
    /// Along the curve, metres.
    pub length: f64,
}

const STRAIGHT: f64 = 1e-7;

impl Piece {
    /// The place at distance `s` along it.
    pub fn at(&self, s: f64) -> Station {
        self.along(self.start.heading.sin_cos(), s)
    }
    /// The same with sine and cosine of the start's heading at hand.
    fn along(&self, (sin, cos): (f64, f64), s: f64) -> Station {
        let Station { x, y, heading, curvature: k } = self.start;
        if k.abs() < STRAIGHT {
            return Station { x: x + cos * s, y: y + sin * s, heading, curvature: k };
        }
        let (sin1, cos1) = (heading + k * s).sin_cos();
        Station { x: x + (sin1 - sin) / k, y: y - (cos1 - cos) / k, heading: heading + k * s, curvature: k }
    }
    /// Nearest place of the piece: distance along it, and lateral distance to the left (exact only inside the piece).
    fn project(&self, p: [f64; 2]) -> (f64, f64) {
        let [dx, dy] = [p[0] - self.start.x, p[1] - self.start.y];
        let (sin, cos) = self.start.heading.sin_cos();
        let (along, left) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let k = self.start.curvature;
        if k.abs() < STRAIGHT {
            return (along.clamp(0.0, self.length), left);
        }
        // Around the centre, in the frame of the start: the centre lies at (0, 1/k).
        let angle = (along * k).atan2(1.0 - left * k);
        let s = angle / k;
        // Beyond the half circle behind the start an arc's end may be nearer than its start.
        let s = if s < 0.0 && self.length * k.abs() > std::f64::consts::PI { s + std::f64::consts::TAU / k.abs() } else { s };
        let s = s.clamp(0.0, self.length);
        let here = self.at(s);
        let (sin, cos) = here.heading.sin_cos();
        (s, (p[1] - here.y) * cos - (p[0] - here.x) * sin)
    }
    fn offset(&self, left: f64) -> Self {
        let scale = 1.0 - self.start.curvature * left;
        let [x, y] = self.start.beside(left);
        Self { start: Station { x, y, heading: self.start.heading, curvature: self.start.curvature / scale }, length: self.length * scale }
    }
}

/// Pieces one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    pieces: Vec<Piece>,
    starts: Vec<f64>,
    /// Sine and cosine of each piece's first heading.
    turns: Vec<(f64, f64)>,
    length: f64,
}

/// `x` brought to -pi..=pi.
pub fn wrap(x: f64) -> f64 {
    let turn = std::f64::consts::TAU;
    x - turn * (x / turn).round()
}

/// An arc from a pose to a point: curvature, length.
fn arc_to(p: [f64; 2], heading: f64, q: [f64; 2]) -> (f64, f64) {
    let (sin, cos) = heading.sin_cos();
    let [dx, dy] = [q[0] - p[0], q[1] - p[1]];
    let (dot, cross) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let chord2 = dx * dx + dy * dy;
    if cross.abs() < 1e-9 * chord2.max(1e-9) {
        return (0.0, chord2.sqrt());
    }
    let k = 2.0 * cross / chord2;
    if k.abs() < STRAIGHT { (0.0, chord2.sqrt()) } else { (k, 2.0 * cross.atan2(dot) / k) }
}

impl Curve {
    /// From pieces that join.
    pub fn new(pieces: Vec<Piece>) -> Self {
        let mut starts = Vec::with_capacity(pieces.len());
        let mut length = 0.0;
        for piece in &pieces {
            starts.push(length);
            length += piece.length;
        }
        let turns = pieces.iter().map(|p| p.start.heading.sin_cos()).collect();
        Self { pieces, starts, turns, length }
    }
    /// A straight line.
    pub fn line(a: [f64; 2], b: [f64; 2]) -> Self {
        let heading = (b[1] - a[1]).atan2(b[0] - a[0]);
        let start = Station { x: a[0], y: a[1], heading, curvature: 0.0 };
        Self::new(vec![Piece { start, length: (b[0] - a[0]).hypot(b[1] - a[1]) }])
    }
    /// Two arcs that leave `a` with one heading and arrive at `b` with another.
    pub fn biarc(a: [f64; 2], from: f64, b: [f64; 2], to: f64) -> Self {
        let ((s0, c0), (s1, c1)) = (from.sin_cos(), to.sin_cos());
        let v = [b[0] - a[0], b[1] - a[1]];
        let vv = v[0] * v[0] + v[1] * v[1];
        let along = v[0] * (c0 + c1) + v[1] * (s0 + s1);
        let bend = 2.0 * (1.0 - (c0 * c1 + s0 * s1));
        let d = if bend < 1e-9 {
            if along.abs() < 1e-9 { vv.sqrt() / 2.0 } else { vv / (2.0 * along) }
        } else {
            ((along * along + bend * vv).sqrt() - along) / bend
        };
        let m = [(a[0] + b[0] + d * (c0 - c1)) / 2.0, (a[1] + b[1] + d * (s0 - s1)) / 2.0];
        let (k0, l0) = arc_to(a, from, m);
        let (k1, l1) = arc_to(b, to + std::f64::consts::PI, m);
        let first = Piece { start: Station { x: a[0], y: a[1], heading: from, curvature: k0 }, length: l0 };
        let second = Piece { start: Station { x: m[0], y: m[1], heading: from + k0 * l0, curvature: -k1 }, length: l1 };
        Self::new(if l1 < 1e-6 {
            vec![first]
        } else if l0 < 1e-6 {
            vec![second]
        } else {
            vec![first, second]
        })
    }
    /// This curve and then another that starts where it ends.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        self.pieces.extend(next.pieces.iter().filter(|p| p.length > 1e-9));
        Self::new(self.pieces)
    }
    /// Its pieces: what OpenDRIVE calls the geometry of a reference line.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
    /// Metres.
    pub const fn length(&self) -> f64 {
        self.length
    }
    /// The place at distance `s`, clamped to the curve.
    pub fn at(&self, s: f64) -> Station {
        let s = s.clamp(0.0, self.length);
        let i = self.starts.partition_point(|start| *start <= s).saturating_sub(1);
        match (self.pieces.get(i), self.starts.get(i), self.turns.get(i)) {
            (Some(piece), Some(start), Some(turn)) => piece.along(*turn, (s - start).min(piece.length)),
            _ => Station::default(),
        }
    }
    /// Nearest place: distance along the curve, and lateral distance to the left.
    pub fn project(&self, p: [f64; 2]) -> (f64, f64) {
        let mut best = (f64::INFINITY, 0.0, 0.0);
        for (piece, start) in self.pieces.iter().zip(&self.starts) {
            let (s, left) = piece.project(p);
            let q = piece.at(s);
            let far = (q.x - p[0]).hypot(q.y - p[1]);
            if far < best.0 {
                best = (far, start + s, left);
            }
        }
        (best.1, best.2)
    }
    /// The parallel curve at a distance to the left.
    #[must_use]
    pub fn offset(&self, left: f64) -> Self {
        Self::new(self.pieces.iter().map(|p| p.offset(left)).collect())
    }
    /// The same places in the other direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let turn = |p: &Piece| {
            let end = p.at(p.length);
            let start = Station { heading: wrap(end.heading + std::f64::consts::PI), curvature: -end.curvature, ..end };
            Piece { start, length: p.length }
        };
        Self::new(self.pieces.iter().rev().map(turn).collect())
    }
    /// The part between two distances.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        let mut pieces = Vec::new();
        for (piece, start) in self.pieces.iter().zip(&self.starts) {
            let (a, b) = ((from - start).max(0.0), (to - start).min(piece.length));
            if b > a {
                pieces.push(Piece { start: piece.at(a), length: b - a });
            }
        }
        Self::new(pieces)
    }
    /// Places from start to end, close enough that the chord's error stays under `error` metres and steps under `step`.
    pub fn sample(&self, step: f64, error: f64) -> Vec<f64> {
        let mut at = Vec::new();
        for (piece, start) in self.pieces.iter().zip(&self.starts) {
            let k = piece.start.curvature.abs();
            // Sagitta of a chord c on a circle: c^2 k / 8.
            let fine = if k > STRAIGHT { (8.0 * error / k).sqrt().min(step) } else { step };
            let count = (piece.length / fine).ceil().max(1.0);
            let mut i = 0.0;
            while i < count {
                at.push(start + piece.length * i / count);
                i += 1.0;
            }
        }
        at.push(self.length);
        at
    }
    /// Low and high corner of the curve widened by `margin`.
    pub fn bounds(&self, margin: f64) -> [[f64; 2]; 2] {
        let mut bounds = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
        for s in self.sample(5.0, 0.1) {
            let p = self.at(s).point();
            for (axis, v) in p.iter().enumerate() {
                if let [Some(low), Some(high)] = bounds.each_mut().map(|b| b.get_mut(axis)) {
                    *low = low.min(v - margin - 0.1);
                    *high = high.max(v + margin + 0.1);
                }
            }
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    fn random(rng: &mut Rng) -> Curve {
        let a = [rng.range(-50.0, 50.0), rng.range(-50.0, 50.0)];
        let h = rng.range(-3.0, 3.0);
        let far = rng.range(10.0, 80.0);
        let turn = rng.range(-1.2, 1.2);
        let b = [a[0] + far * (h + turn / 2.0).cos(), a[1] + far * (h + turn / 2.0).sin()];
        Curve::biarc(a, h, b, h + turn + rng.range(-0.3, 0.3))
    }

    #[test]
    fn biarcs_arrive_where_and_how_they_should() {
        let mut rng = Rng::new(1);
        for _ in 0..500 {
            let a = [rng.range(-9.0, 9.0), rng.range(-9.0, 9.0)];
            let b = [rng.range(10.0, 30.0), rng.range(-20.0, 20.0)];
            let (h0, h1) = (rng.range(-1.3, 1.3), rng.range(-1.3, 1.3));
            let c = Curve::biarc(a, h0, b, h1);
            let end = c.at(c.length());
            assert!((end.x - b[0]).hypot(end.y - b[1]) < 1e-6, "{end:?} {b:?}");
            assert!(wrap(end.heading - h1).abs() < 1e-6, "{} {h1}", end.heading);
            let start = c.at(0.0);
            assert!((start.x - a[0]).hypot(start.y - a[1]) < 1e-9 && wrap(start.heading - h0).abs() < 1e-9);
        }
    }

    #[test]
    fn projection_undoes_offset() {
        let mut rng = Rng::new(2);
        for _ in 0..300 {
            let c = random(&mut rng);
            let (s, left) = (rng.unit() * c.length(), rng.range(-4.0, 4.0));
            let p = c.at(s).beside(left);
            let (s2, left2) = c.project(p);
            assert!((s - s2).abs() < 1e-6 && (left - left2).abs() < 1e-6, "{s} {left} -> {s2} {left2}");
            let o = c.offset(left);
            assert!((o.project(p).1).abs() < 1e-6);
            let (back, mirrored) = c.reversed().project(p);
            assert!((back - (c.length() - s)).abs() < 1e-6 && (mirrored + left).abs() < 1e-6);
        }
    }

    #[test]
    fn parts_keep_place_and_length() {
        let c = random(&mut Rng::new(5));
        let p = c.part(3.0, c.length() - 2.0);
        assert!((p.length() - (c.length() - 5.0)).abs() < 1e-9);
        assert!((p.at(1.0).x - c.at(4.0).x).abs() < 1e-9);
        assert!(c.sample(2.0, 0.01).len() > 5);
    }
}
