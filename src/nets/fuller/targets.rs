//! What the heads should say of annotated boxes: heat maps, regression rows, and which proposal answers for which box.
//!
//! *In*: [`Truth`] boxes (stored convention) with classes. *Out*: `[classes][X * Y]` heat maps, rows of ten numbers with their cells, costs.
//! *Invariant*: a Gaussian is drawn at [row = cell along x, column = cell along y]; boxes whose centre lies outside draw nothing.

use super::FullerConfig;
use super::boxes::{CLASSES, StoredBox, iou3d};
use super::decode::Detected;
use crate::types::num;

/// Overlap that a box shifted by the radius still has.
const OVERLAP: f64 = 0.1;
const LEAST_RADIUS: i32 = 2;

/// An annotated box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Where and how large.
    pub stored: StoredBox,
    /// Number in [`CLASSES`].
    pub class: usize,
}

impl Truth {
    /// Centre in cells of the heads' grid.
    fn cells(&self, config: &FullerConfig) -> [f32; 2] {
        let [low_x, low_y, ..] = config.extents.point_range.map(num::f32);
        let (edges, stride) = config.unit();
        let ([sx, sy], stride) = (edges.map(num::f32), num::f32(stride));
        [(num::f32(self.stored.at[0]) - low_x) / sx / stride, (num::f32(self.stored.at[1]) - low_y) / sy / stride]
    }

    /// The cell that holds the centre (truncated), if it is on the grid.
    pub fn cell(&self, config: &FullerConfig) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for ((target, at), count) in out.iter_mut().zip(self.cells(config)).zip(config.bev()) {
            *target = usize::try_from(num::trunc_i32(at)).ok().filter(|c| *c < count && at.is_finite())?;
        }
        Some(out)
    }

    /// Radius of its Gaussian in cells.
    pub fn radius(&self, config: &FullerConfig) -> i32 {
        let [cx, cy] = config.cell();
        let (w, l) = (self.stored.size[0] / cx, self.stored.size[1] / cy);
        let root = |b: f64, c: f64| (b + (b * b - c).max(0.0).sqrt()) / 2.0;
        let o = OVERLAP;
        let radii = [
            root(l + w, 4.0 * w * l * (1.0 - o) / (1.0 + o)),
            root(2.0 * (l + w), 16.0 * (1.0 - o) * w * l),
            root(-2.0 * o * (l + w), 16.0 * o * (o - 1.0) * w * l),
        ];
        num::trunc_i32(num::f32(radii.into_iter().fold(f64::INFINITY, f64::min))).max(LEAST_RADIUS)
    }

    /// Offset in the cell (or, with `whole`, the centre in cells), height of the centre, log sizes, sine and cosine, velocity.
    pub fn code(&self, config: &FullerConfig, whole: bool) -> [f32; 10] {
        let s = &self.stored;
        let [x, y] = self.cells(config).map(|v| if whole { v } else { v - v.trunc() });
        let [w, l, h] = s.size.map(|v| num::f32(v.ln()));
        let (sin, cos) = s.angle.sin_cos();
        let [vx, vy] = s.velocity.map(num::f32);
        [x, y, num::f32(s.at[2] + s.size[2] / 2.0), w, l, h, num::f32(sin), num::f32(cos), vx, vy]
    }
}

/// Heat maps of all classes, `[classes][X * Y]`.
pub fn heat_maps(config: &FullerConfig, truth: &[Truth]) -> Vec<f32> {
    let [nx, ny] = config.bev();
    let mut maps = vec![0.0_f32; CLASSES.len() * nx * ny];
    for t in truth.iter().filter(|t| t.class < CLASSES.len()) {
        if let Some(cell) = t.cell(config) {
            let plane = maps.chunks_exact_mut((nx * ny).max(1)).nth(t.class).unwrap_or_default();
            draw(plane, ny, cell, t.radius(config));
        }
    }
    maps
}

/// The element-wise maximum of `plane` and a Gaussian of standard deviation (2 radius + 1) / 6.
fn draw(plane: &mut [f32], ny: usize, [x, y]: [usize; 2], radius: i32) {
    let deviation = (2.0 * f64::from(radius) + 1.0) / 6.0;
    let reach = |at: i32, centre: usize| {
        let d = at - num::i32(centre);
        (d.abs() <= radius).then(|| f64::from(d * d))
    };
    for (row, line) in plane.chunks_exact_mut(ny.max(1)).enumerate() {
        let Some(dx) = reach(num::i32(row), x) else { continue };
        for (column, value) in line.iter_mut().enumerate() {
            let Some(dy) = reach(num::i32(column), y) else { continue };
            let height = (-(dx + dy) / (2.0 * deviation * deviation)).exp();
            if height >= f64::EPSILON {
                *value = value.max(num::f32(height));
            }
        }
    }
}

/// Of each group of classes (sizes in `groups`): its boxes on the grid as cells and codes, by class, then in order.
pub fn group_rows(config: &FullerConfig, truth: &[Truth], groups: &[usize]) -> Vec<Vec<(usize, [f32; 10])>> {
    const MOST: usize = 500;
    let [_, ny] = config.bev();
    let mut first = 0;
    let mut out = Vec::with_capacity(groups.len());
    for classes in groups {
        let of_class = |class: usize| truth.iter().filter(move |t| t.class == class);
        let ordered = (first..first + classes).flat_map(of_class).take(MOST);
        out.push(ordered.filter_map(|t| t.cell(config).map(|[x, y]| (x * ny + y, t.code(config, false)))).collect());
        first += classes;
    }
    out
}

/// What answering for each box would cost each proposal, `[proposals][boxes]`, and their overlaps in space.
/// `logits` are the proposals' class scores before the sigmoid, `[classes][proposals]`.
pub fn costs(config: &FullerConfig, proposals: &[Detected], logits: &[f32], truth: &[Truth]) -> (Vec<f64>, Vec<f64>) {
    let e = &config.extents.point_range;
    let range = [e[3] - e[0], e[4] - e[1]];
    let (mut costs, mut overlaps) = (Vec::new(), Vec::new());
    for (index, p) in proposals.iter().enumerate() {
        for t in truth {
            let logit = logits.get(t.class * proposals.len() + index).copied().map_or(f64::NEG_INFINITY, f64::from);
            let score = 1.0 / (1.0 + (-logit).exp());
            let positive = -(score + 1e-12).ln() * 0.25 * (1.0 - score).powi(2);
            let negative = -(1.0 - score + 1e-12).ln() * 0.75 * score.powi(2);
            let away = (p.stored.at[0] - t.stored.at[0]).abs() / range[0] + (p.stored.at[1] - t.stored.at[1]).abs() / range[1];
            let overlap = iou3d(&p.stored, &t.stored);
            costs.push(0.15 * (positive - negative) + 0.25 * away - 0.25 * overlap);
            overlaps.push(overlap);
        }
    }
    (costs, overlaps)
}
