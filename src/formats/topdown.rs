//! The ground around a vehicle from above, as TransFuser's data has it: 15 planes, each a bit of a colour picture.
//!
//! *Units and frames*: 500 x 500 cells of 0.2 m, the vehicle in the middle, ahead is up and left is left; what is painted is given in its frame
//! (x ahead, y left, metres). *Invariant*: plane `n` is bit `7 - n % 5` of the file's blue (0 to 4), green (5 to 9) or red value (10 to 14); the
//! planes that hold forecasts of vehicles (10 to 14) are empty, as the published recorder left them.

use crate::types::num;

/// Cells along a side.
pub const SIDE: usize = 500;
/// Side of a cell, metres.
pub const CELL: f64 = 0.2;
/// Smallest side of somebody, metres: who is thinner would fall between the cells.
const LEAST: f64 = 1.0;

/// What a plane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Plane {
    /// Where vehicles may be.
    Road = 0,
    /// Lines between lanes.
    Lane = 1,
    /// Red lights.
    Red = 2,
    /// Yellow lights.
    Yellow = 3,
    /// Green lights.
    Green = 4,
    /// Vehicles but the ego.
    Vehicle = 5,
    /// Pedestrians.
    Walker = 6,
}

/// The planes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopDown {
    /// A bit each plane, rows from ahead to behind, from left to right.
    cells: Vec<u16>,
}

impl Default for TopDown {
    fn default() -> Self {
        Self { cells: vec![0; SIDE * SIDE] }
    }
}

/// Cell coordinates of a place in the vehicle's frame: column and row; the centre of the first cell is at 0.5, 0.5.
fn cell([x, y]: [f64; 2]) -> [f64; 2] {
    let half = SIDE as f64 / 2.0;
    [half - y / CELL, half - x / CELL]
}

impl TopDown {
    /// Paints the cells whose centre is in a convex ring of either turn.
    pub fn paint(&mut self, plane: Plane, ring: &[[f64; 2]]) {
        let corners: Vec<[f64; 2]> = ring.iter().map(|p| cell(*p)).collect();
        let range = |axis: usize| {
            let along = || corners.iter().filter_map(|c| c.get(axis)).copied();
            let (low, high) = (along().fold(f64::INFINITY, f64::min), along().fold(f64::NEG_INFINITY, f64::max));
            let bound = |v: f64| num::cell(v.clamp(0.0, SIDE as f64), SIDE + 1).unwrap_or(0);
            bound(low)..bound(high + 1.0)
        };
        let (columns, rows) = (range(0), range(1));
        let bit = 1 << (plane as u8);
        for row in rows {
            let Some(cells) = self.cells.get_mut(row * SIDE..(row + 1) * SIDE) else { continue };
            for (column, cell) in cells.iter_mut().enumerate().skip(columns.start).take(columns.len()) {
                if inside([column as f64 + 0.5, row as f64 + 0.5], &corners) {
                    *cell |= bit;
                }
            }
        }
    }
    /// Paints somebody: where its middle is, its heading and half its length and width.
    pub fn body(&mut self, plane: Plane, centre: [f64; 2], heading: f64, half: [f64; 2]) {
        let (sin, cos) = heading.sin_cos();
        let [l, w] = half.map(|h| h.max(LEAST / 2.0));
        let corner = |(a, b): (f64, f64)| [centre[0] + cos * a * l - sin * b * w, centre[1] + sin * a * l + cos * b * w];
        self.paint(plane, &[(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)].map(corner));
    }
    /// Whether a plane has a cell; column from the left, row from ahead.
    pub fn has(&self, plane: Plane, column: usize, row: usize) -> bool {
        column < SIDE && self.cells.get(row * SIDE + column).is_some_and(|c| c & (1 << (plane as u8)) != 0)
    }
    /// Sets a cell.
    pub fn set(&mut self, plane: Plane, column: usize, row: usize) {
        if let Some(cell) = self.cells.get_mut(row * SIDE + column).filter(|_| column < SIDE) {
            *cell |= 1 << (plane as u8);
        }
    }
    /// The picture, red, green, blue.
    pub fn encoded(&self) -> Vec<u8> {
        let packed = |cell: &u16, first: u32| (0..5).filter(|n| cell & (1 << (first + n)) != 0).map(|n| 0x80_u8 >> n).sum::<u8>();
        self.cells.iter().flat_map(|c| [10, 5, 0].map(|first| packed(c, first))).collect()
    }
}

fn inside(p: [f64; 2], ring: &[[f64; 2]]) -> bool {
    let next = ring.iter().cycle().skip(1);
    let side = |(a, b): (&[f64; 2], &[f64; 2])| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
    let sides: Vec<f64> = ring.iter().zip(next).map(side).collect();
    sides.len() > 2 && (sides.iter().all(|s| *s >= 0.0) || sides.iter().all(|s| *s <= 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_bits_and_ahead_is_up() {
        let mut map = TopDown::default();
        // A car 10 m ahead, 4 m to the left: 50 rows up, 20 columns left of the middle.
        map.body(Plane::Vehicle, [10.0, 4.0], 0.0, [2.0, 1.0]);
        assert!(map.has(Plane::Vehicle, 229, 199) && map.has(Plane::Vehicle, 230, 200));
        assert!(!map.has(Plane::Vehicle, 270, 199) && !map.has(Plane::Vehicle, 229, 300) && !map.has(Plane::Road, 229, 199));
        let count = map.cells.iter().filter(|c| **c != 0).count();
        assert_eq!(count, 20 * 10, "4 m by 2 m");
        map.paint(Plane::Road, &[[60.0, 60.0], [60.0, -60.0], [-60.0, -60.0], [-60.0, 60.0]]);
        map.body(Plane::Green, [10.0, 4.0], 1.0, [0.1, 0.1]);
        let picture = map.encoded();
        let at = |column: usize, row: usize| &picture[3 * (row * SIDE + column)..][..3];
        assert_eq!(at(229, 199), [0, 0x80, 0x88]);
        assert_eq!(at(0, 0), [0, 0, 0x80]);
        assert_eq!(picture.len(), SIDE * SIDE * 3);
        // Outside the picture, and nothing at all.
        map.body(Plane::Walker, [500.0, 0.0], 0.0, [1.0, 1.0]);
        map.paint(Plane::Walker, &[]);
        assert!(map.cells.iter().all(|c| c & (1 << 6) == 0));
    }
}
