//! What a picture may show: the planes of its sides, and how small is too small.
//!
//! *In*: a [`View`] that is being made; boxes by their middle, seen from the eye, and half their edges. *Out*: whether a box may be seen, and whether
//! whole. *Invariant*: what is left out could not have covered a sample, or would be smaller than one.

use super::super::fan::NEAR;
use super::View;
use nalgebra::{Matrix3, Vector3};

type V3 = Vector3<f32>;

/// Things that would be smaller than this many samples are left out.
const SMALLEST: f32 = 0.7;

/// The four sides of the picture as planes through the eye, and the viewing direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frustum {
    sides: [V3; 4],
    forward: V3,
    /// Samples per metre at one metre.
    scale: f32,
}

impl Frustum {
    pub(super) fn new(view: &View<'_>) -> Self {
        let (last_x, last_y) = (view.columns.saturating_sub(1), view.rows.saturating_sub(1));
        let at = |x: usize, y: usize, dx: f32, dy: f32| {
            let d = view.direction(x, y);
            V3::new(d.x + dx / view.scale[0], d.y + dy / view.scale[1], 1.0)
        };
        let (low, high) = (at(0, 0, -1.0, -1.0), at(last_x, last_y, 1.0, 1.0));
        let sides = [V3::new(1.0, 0.0, -low.x), V3::new(-1.0, 0.0, high.x), V3::new(0.0, 1.0, -low.y), V3::new(0.0, -1.0, high.y)];
        Self { sides: sides.map(|s| view.turn * s.normalize()), forward: view.turn * V3::z(), scale: view.scale[0].max(view.scale[1]) }
    }
    /// In the frame of a shape, whose parts are kept however small: together they are large.
    pub(super) fn turned(&self, turn: &Matrix3<f32>) -> Self {
        Self { sides: self.sides.map(|s| turn.tr_mul(&s)), forward: turn.tr_mul(&self.forward), scale: f32::INFINITY }
    }
    /// Whether a box may be seen: `None` if not, else whether it lies inside whole.
    #[inline]
    pub(super) fn holds(&self, offset: &V3, half: &V3) -> Option<bool> {
        let (depth, reach) = (self.forward.dot(offset), self.forward.abs().dot(half));
        if depth + reach < NEAR {
            return None;
        }
        let size = half.x.max(half.y).max(half.z) * 2.0;
        if size * self.scale < SMALLEST * (depth - reach) {
            return None;
        }
        let mut inside = depth - reach > NEAR;
        for side in &self.sides {
            let (middle, reach) = (side.dot(offset), side.abs().dot(half));
            if middle + reach < 0.0 {
                return None;
            }
            inside &= middle - reach > 0.0;
        }
        Some(inside)
    }
}
