//! What PairingNet reads of a fragment: normalised contour, the contour drawn around each point, the picture around each point.
//!
//! *In*: a fragment and its outline. *Out*: [`Patches`], row-major. *Invariant*: patches are 7x7, axes (row, column), 0 outside the picture and
//! outside the piece. Where the contour is shorter than `padded` one more row stands for all padding: point (0, 0), as published.

use super::Outline;
use crate::types::Fragment;

/// Half of the published frame: contours are divided by it, less 1.
const HALF_FRAME: f32 = 659.5;
/// Rows and columns on either side of a point.
const REACH: usize = 3;
/// Rows of the published padding.
pub const PADDED: usize = 2900;

/// Rows of patches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patches {
    /// True points.
    pub points: usize,
    /// Rows once padded.
    pub padded: usize,
    /// `[rows, 2]`.
    pub contour: Vec<f32>,
    /// `[rows, 7, 7]`, 1 on the contour.
    pub line: Vec<f32>,
    /// `[rows, 3, 7, 7]`, RGB in 0..1.
    pub colour: Vec<f32>,
}

impl Patches {
    /// Rows held: the points, and one for the padding if there is any.
    pub const fn rows(&self) -> usize {
        self.contour.len() / 2
    }
}

/// The patches of a fragment, padded to [`PADDED`] rows (a longer contour has no padding).
pub fn patches(fragment: &Fragment, outline: &Outline) -> Patches {
    let (width, height) = (fragment.width(), fragment.height());
    let points = outline.points.len();
    let padding = usize::from(points < PADDED);
    // Both pictures get a frame of zeros, so that no patch needs a bound.
    let pitch = width + 2 * REACH;
    let mut line = vec![0_u8; pitch * (height + 2 * REACH)];
    let mut colour = vec![0_u8; 3 * pitch * (height + 2 * REACH)];
    let lines = colour.chunks_exact_mut(3 * pitch).skip(REACH).zip(fragment.data().chunks_exact(4 * width));
    for (to, from) in lines {
        for (to, from) in to.chunks_exact_mut(3).skip(REACH).zip(from.chunks_exact(4)) {
            if let ([r, g, b], [fr, fg, fb, alpha]) = (to, from)
                && *alpha > 0
            {
                (*r, *g, *b) = (*fr, *fg, *fb);
            }
        }
    }
    let origin: [i32; 2] = [0, 0];
    let all = || outline.points.iter().chain(std::iter::repeat_n(&origin, padding));
    let corner = |[row, column]: &[i32; 2]| {
        let inside = |v: i32, size: usize| usize::try_from(v).unwrap_or(0).min(size.saturating_sub(1));
        inside(*row, height) * pitch + inside(*column, width)
    };
    for point in all() {
        if let Some(cell) = line.get_mut(corner(point) + REACH * pitch + REACH) {
            *cell = 1;
        }
    }
    let levels: Vec<f32> = (0..=255_u8).map(|v| f32::from(v) / 255.0).collect();
    let side = 2 * REACH + 1;
    let rows = points + padding;
    let mut out = Patches {
        points,
        padded: PADDED.max(points),
        contour: Vec::with_capacity(rows * 2),
        line: Vec::with_capacity(rows * side * side),
        colour: Vec::with_capacity(rows * 3 * side * side),
    };
    for point in all() {
        out.contour.extend(point.iter().map(|v| *v as f32 / HALF_FRAME - 1.0));
        let at = corner(point);
        for row in 0..side {
            let from = at + row * pitch;
            out.line.extend(line.get(from..from + side).unwrap_or(&[0; 7]).iter().map(|v| f32::from(*v)));
        }
        for channel in 0..3 {
            for row in 0..side {
                let from = (at + row * pitch) * 3;
                let values = colour.get(from..from + 3 * side).unwrap_or(&[0; 21]);
                out.colour.extend(values.iter().skip(channel).step_by(3).map(|v| levels.get(usize::from(*v)).copied().unwrap_or(0.0)));
            }
        }
    }
    out
}
