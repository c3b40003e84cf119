//! Areas and lines cut with an upright box from (0, 0) to its size.
//!
//! *In*: paths in cells. *Out*: rings and pieces inside the box. *Invariant*: a ring that was cut keeps, along the box's border,
//! edges that join its parts; where an even number of them lie on each other they enclose nothing, and are neither drawn nor filled from.

use super::Path;

/// Whether a point lies strictly inside a ring (even-odd).
pub(super) fn inside(ring: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let next = ring.iter().cycle().skip(1);
    let crosses = |(a, b): (&[f64; 2], &[f64; 2])| {
        let ([ax, ay], [bx, by]) = (*a, *b);
        (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
    };
    ring.iter().zip(next).filter(|pair| crosses(*pair)).count() % 2 == 1
}

/// An area in a box: its rings that are filled together, and its holes that lie wholly inside. Outlines go clockwise (y up) and holes the other
/// way, as in the public tools: which way an edge is drawn decides single cells where it leaves the mask.
pub(super) fn area(outer: Path, holes: impl Iterator<Item = Path>, size: [f64; 2]) -> (Vec<Path>, Vec<Path>) {
    let ring = cut(turned(outer, false), size);
    if ring.len() < 3 {
        return (Vec::new(), Vec::new());
    }
    let (mut rings, mut inner) = (vec![ring], Vec::new());
    let [width, height] = size;
    for hole in holes.map(|h| turned(h, true)) {
        if hole.iter().all(|[x, y]| *x >= 0.0 && *x <= width && *y >= 0.0 && *y <= height) {
            inner.push(hole);
        } else {
            // A hole that reaches the border is a notch of the outline, not a hole.
            rings.push(cut(hole, size));
        }
    }
    rings.retain(|r| r.len() >= 3);
    (rings, inner)
}

/// The ring, counter-clockwise or clockwise.
fn turned(mut ring: Path, counter: bool) -> Path {
    let next = ring.iter().cycle().skip(1);
    let doubled: f64 = ring.iter().zip(next).map(|([ax, ay], [bx, by])| ax * by - ay * bx).sum();
    if (doubled > 0.0) != counter {
        ring.reverse();
    }
    ring
}

/// A ring cut by the four sides in turn (Sutherland and Hodgman 1974).
fn cut(ring: Path, [width, height]: [f64; 2]) -> Path {
    let sides: [(usize, f64, f64); 4] = [(0, 0.0, 1.0), (0, width, -1.0), (1, 0.0, 1.0), (1, height, -1.0)];
    sides.into_iter().fold(ring, |ring, (axis, bound, sign)| {
        let depth = |p: &[f64; 2]| (p.get(axis).copied().unwrap_or(0.0) - bound) * sign;
        if ring.iter().all(|p| depth(p) >= 0.0) {
            return ring;
        }
        let mut kept = Path::with_capacity(ring.len() + 4);
        let next = ring.iter().cycle().skip(1);
        for (from, to) in ring.iter().zip(next) {
            let (a, b) = (depth(from), depth(to));
            if a >= 0.0 {
                kept.push(*from);
            }
            if (a >= 0.0) != (b >= 0.0) {
                kept.push(on_side(*from, *to, a / (a - b), axis, bound));
            }
        }
        kept
    })
}

/// The point a share of the way along an edge, exactly on the side.
fn on_side([ax, ay]: [f64; 2], [bx, by]: [f64; 2], share: f64, axis: usize, bound: f64) -> [f64; 2] {
    if axis == 0 { [bound, ay + (by - ay) * share] } else { [ax + (bx - ax) * share, bound] }
}

/// All pieces of a line inside an upright box (Liang and Barsky 1984).
pub(super) fn line(path: &[[f64; 2]], [left, low]: [f64; 2], [right, high]: [f64; 2]) -> Vec<Path> {
    let mut pieces: Vec<Path> = Vec::new();
    let mut open = false;
    for (from, to) in path.iter().zip(path.iter().skip(1)) {
        let ([ax, ay], [bx, by]) = (*from, *to);
        let (dx, dy) = (bx - ax, by - ay);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        let mut outside = false;
        for (step, room) in [(-dx, ax - left), (dx, right - ax), (-dy, ay - low), (dy, high - ay)] {
            if step == 0.0 {
                outside |= room < 0.0;
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        if outside || enter > leave {
            open = false;
            continue;
        }
        // An end that is not cut keeps its digits, and one that is lies on the side itself.
        let at = |share: f64| match share {
            0.0 => *from,
            1.0 => *to,
            _ => [(ax + dx * share).clamp(left, right), (ay + dy * share).clamp(low, high)],
        };
        match pieces.last_mut().filter(|_| open && enter == 0.0) {
            Some(piece) => piece.push(at(leave)),
            None => pieces.push(vec![at(enter), at(leave)]),
        }
        open = leave == 1.0;
    }
    pieces
}

/// Whether no two edges of a ring cross.
pub(super) fn simple(ring: &[[f64; 2]]) -> bool {
    let edges: Vec<([f64; 2], [f64; 2])> = ring.iter().copied().zip(ring.iter().copied().cycle().skip(1)).collect();
    let side = |[ax, ay]: [f64; 2], [bx, by]: [f64; 2], [x, y]: [f64; 2]| (bx - ax) * (y - ay) - (by - ay) * (x - ax);
    edges.iter().enumerate().all(|(i, (a, b))| {
        edges.iter().skip(i + 2).all(|(c, d)| {
            let across = side(*a, *b, *c) * side(*a, *b, *d) < 0.0 && side(*c, *d, *a) * side(*c, *d, *b) < 0.0;
            !across
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_leaves_and_returns_is_in_two_pieces() {
        let pieces = line(&[[1.0, 1.0], [5.0, 1.0], [5.0, 3.0], [1.0, 3.0]], [0.0, 0.0], [4.0, 4.0]);
        assert_eq!(pieces, [vec![[1.0, 1.0], [4.0, 1.0]], vec![[4.0, 3.0], [1.0, 3.0]]]);
        assert!(line(&[[9.0, 9.0], [8.0, 9.0]], [0.0, 0.0], [4.0, 4.0]).is_empty());
    }

    #[test]
    fn a_bow_tie_is_not_simple() {
        assert!(simple(&[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]));
        assert!(!simple(&[[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 2.0]]));
    }

    #[test]
    fn a_hole_at_the_border_becomes_part_of_the_outline() {
        let square = |a: f64, b: f64| vec![[a, a], [b, a], [b, b], [a, b]];
        let (rings, inner) = area(square(-5.0, 20.0), [square(2.0, 4.0), square(8.0, 12.0)].into_iter(), [10.0, 10.0]);
        assert_eq!((rings.len(), inner.len()), (2, 1));
        assert_eq!(rings[1].iter().map(|[x, _]| *x).fold(0.0, f64::max), 10.0);
    }
}
