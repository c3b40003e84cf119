//! Lines cut with a turned window, to the last bit as the public tools cut them.
//!
//! *In*: a line in metres on the map, a [`Patch`]. *Out*: its pieces in cells. *Invariant*: a line's cells are its coordinates cut to whole numbers, so where a
//! line leaves the window, the last bit decides between two cells. Hence the same steps in the same order: the line is cut with the turned window
//! on the map, where crossings are computed with twice the digits and rounded once; turned back; cut again with the upright window; scaled.

use super::{Patch, Path, clip};

type P2 = [f64; 2];

/// A number of twice the digits: the sum of two (Dekker 1971).
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn sum(a: f64, b: f64) -> Self {
        let s = a + b;
        let part = s - a;
        Self(s, (a - (s - part)) + (b - part))
    }
    fn product(a: f64, b: f64) -> Self {
        let p = a * b;
        Self(p, a.mul_add(b, -p))
    }
    fn plus(self, other: Self) -> Self {
        let (s, t) = (Self::sum(self.0, other.0), Self::sum(self.1, other.1));
        let s = Self::sum(s.0, s.1 + t.0);
        Self::sum(s.0, s.1 + t.1)
    }
    fn minus(self, other: Self) -> Self {
        self.plus(Self(-other.0, -other.1))
    }
    fn times(self, other: Self) -> Self {
        let p = Self::product(self.0, other.0);
        Self::sum(p.0, p.1 + (self.0 * other.1 + self.1 * other.0))
    }
    fn over(self, other: Self) -> f64 {
        let first = self.0 / other.0;
        let rest = self.minus(other.times(Self(first, 0.0)));
        let second = rest.0 / other.0;
        let rest = rest.minus(other.times(Self(second, 0.0)));
        let sum = Self::sum(first, second);
        sum.0 + (sum.1 + rest.0 / other.0)
    }
}

/// Where two lines through two points each meet.
fn crossing([ax, ay]: P2, [bx, by]: P2, [cx, cy]: P2, [dx, dy]: P2) -> P2 {
    let line = |x1: f64, y1: f64, x2: f64, y2: f64| {
        let whole = Double::product(x1, y2).minus(Double::product(x2, y1));
        (Double::sum(y1, -y2), Double::sum(x2, -x1), whole)
    };
    let ((px, py, pw), (qx, qy, qw)) = (line(ax, ay, bx, by), line(cx, cy, dx, dy));
    let below = px.times(qy).minus(qx.times(py));
    [py.times(qw).minus(qy.times(pw)).over(below), qx.times(pw).minus(px.times(qw)).over(below)]
}

/// Positive where a point lies to the left of the way from `a` to `b`.
fn side([ax, ay]: P2, [bx, by]: P2, [x, y]: P2) -> f64 {
    (bx - ax) * (y - ay) - (by - ay) * (x - ax)
}

/// A turn about a place.
#[derive(Clone, Copy)]
struct Turn {
    cos: f64,
    sin: f64,
    shift: P2,
}

impl Turn {
    fn new(angle: f64, [x, y]: P2) -> Self {
        let exact = |v: f64| if v.abs() < 2.5e-16 { 0.0 } else { v };
        let (sin, cos) = (exact(angle.sin()), exact(angle.cos()));
        Self { cos, sin, shift: [x - x * cos + y * sin, y - x * sin - y * cos] }
    }
    fn of(self, [x, y]: P2) -> P2 {
        let [dx, dy] = self.shift;
        [self.cos * x + -self.sin * y + dx, self.sin * x + self.cos * y + dy]
    }
}

/// The pieces of a line in a patch, in cells.
pub(super) fn pieces(line: &[P2], patch: &Patch) -> Vec<Path> {
    let ([cx, cy], [width, height]) = (patch.centre, patch.size);
    let (left, right, low, high) = (cx - width / 2.0, cx + width / 2.0, cy - height / 2.0, cy + height / 2.0);
    let turned = Turn::new(patch.angle, patch.centre);
    let corners = [[left, low], [right, low], [right, high], [left, high]].map(|p| turned.of(p));
    let back = Turn::new(-patch.angle, patch.centre);
    let [across, up] = [patch.canvas[0] as f64 / width, patch.canvas[1] as f64 / height];
    let mut found = Vec::new();
    for piece in inside(line, corners) {
        let local: Path = piece
            .into_iter()
            .map(|p| {
                let [x, y] = back.of(p);
                [x - cx, y - cy]
            })
            .collect();
        let cut = clip::line(&local, [-width / 2.0, -height / 2.0], [width / 2.0, height / 2.0]);
        let cells = |piece: Path| piece.into_iter().map(|[x, y]| [(x + width / 2.0) * across, (y + height / 2.0) * up]).collect();
        found.extend(cut.into_iter().map(cells));
    }
    found
}

/// The pieces of a line in a convex ring, counter-clockwise.
fn inside(line: &[P2], corners: [P2; 4]) -> Vec<Path> {
    let sides = || corners.iter().copied().zip(corners.iter().copied().cycle().skip(1));
    let mut pieces: Vec<Path> = Vec::new();
    let mut open = false;
    for (from, to) in line.iter().copied().zip(line.iter().copied().skip(1)) {
        // The shares of the way at which it enters and leaves, and the side where it does.
        let (mut enter, mut leave) = ((0.0_f64, None), (1.0_f64, None));
        let mut outside = false;
        for (a, b) in sides() {
            let (start, end) = (side(a, b, from), side(a, b, to));
            outside |= start < 0.0 && end < 0.0;
            let share = start / (start - end);
            if start < 0.0 && end >= 0.0 && share > enter.0 {
                enter = (share, Some((a, b)));
            } else if start >= 0.0 && end < 0.0 && share < leave.0 {
                leave = (share, Some((a, b)));
            }
        }
        if outside || enter.0 > leave.0 {
            open = false;
            continue;
        }
        let place = |cut: Option<(P2, P2)>, own: P2| cut.map_or(own, |(a, b)| crossing(from, to, a, b));
        let last = place(leave.1, to);
        match pieces.last_mut().filter(|_| open && enter.1.is_none()) {
            Some(piece) => piece.push(last),
            None => pieces.push(vec![place(enter.1, from), last]),
        }
        open = leave.1.is_none();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_rounded_once() {
        // 1/3 and 2/3 of the way: no f64, the nearest ones.
        let at = crossing([0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.0]);
        assert_eq!(at, [1.0 / 3.0, 1.0 / 3.0]);
        let far = crossing([1e6, 1e6], [1e6 + 3.0, 1e6 + 1.0], [1e6 + 1.0, 1e6 - 5.0], [1e6 + 1.0, 1e6 + 5.0]);
        assert_eq!(far, [1e6 + 1.0, 1e6 + 1.0 / 3.0]);
    }

    #[test]
    fn a_line_that_leaves_a_turned_window_and_returns_is_in_two_pieces() {
        let patch = Patch { centre: [100.0, 100.0], size: [20.0; 2], angle: std::f64::consts::FRAC_PI_4, canvas: [20; 2] };
        let line = [[100.0, 100.0], [120.0, 100.0], [120.0, 104.0], [100.0, 104.0]];
        let found = pieces(&line, &patch);
        assert_eq!(found.len(), 2);
        assert!((found[0][0][0] - 10.0).abs() < 1e-9 && found[0].len() == 2 && found[1].len() == 2, "{found:?}");
    }
}
