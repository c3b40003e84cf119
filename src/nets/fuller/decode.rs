//! From the heads' maps and branches to boxes.
//!
//! *In*: [`Proposals`], or the maps of CenterHead's groups. *Out*: per sample [`Detected`] boxes, LiDAR frame. *Invariant*: every number of a box is
//! finite and its sizes are positive; a box whose numbers are not is left out.

use super::FullerConfig;
use super::boxes::{CLASSES, StoredBox, circle_nms, rotated_nms};
use super::center_head::{GROUPS, GroupMaps};
use super::peaks::largest;
use super::transfusion::Proposals;
use crate::types::{Error, Result};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// A box with its class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detected {
    /// Where and how large.
    pub stored: StoredBox,
    /// In 0..=1.
    pub score: f32,
    /// Number in [`CLASSES`].
    pub class: usize,
}

impl Detected {
    /// x, y, z (bottom), w, l, h, angle, vx, vy, score, class.
    pub fn row(&self) -> [f32; 11] {
        let s = &self.stored;
        let [x, y, z, w, l, h, r, vx, vy] =
            [s.at[0], s.at[1], s.at[2], s.size[0], s.size[1], s.size[2], s.angle, s.velocity[0], s.velocity[1]].map(crate::types::num::f32);
        [x, y, z, w, l, h, r, vx, vy, self.score, crate::types::num::f32(self.class as f64)]
    }
}

/// How CenterHead's overlapping boxes are thinned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// By distance, with a radius per group of classes.
    #[default]
    Circle,
    /// By rotated overlap.
    Rotated,
    /// As published camera-only networks do: cars and barriers by distance, the others by rotated overlap, pedestrians and cones enlarged for it.
    Mixed,
}

/// Squared metres, per group.
const RADII: [f64; 6] = [4.0, 12.0, 10.0, 1.0, 0.85, 0.175];
/// Groups that [`Suppression::Mixed`] thins out by distance, and by how much it enlarges the boxes of a class.
const BY_DISTANCE: [bool; 6] = [true, false, false, true, false, false];
const ENLARGED: [(&str, f64); 2] = [("pedestrian", 2.5), ("traffic_cone", 4.0)];
const OVERLAP: f64 = 0.2;
const BEFORE: usize = 1000;
const AFTER: usize = 83;

pub(super) fn host<const D: usize>(t: &Tensor<D>) -> Result<TensorData> {
    crate::nets::to_host(t.clone())
}

pub(super) fn floats(data: &TensorData) -> Result<&[f32]> {
    data.as_slice::<f32>().map_err(|e| Error::unavailable("a head's output", e.to_string()))
}

/// A column of numbers that make one box: centre in cells, height of the centre, log sizes, sine and cosine, velocity.
fn assemble(config: &FullerConfig, code: [f32; 10]) -> StoredBox {
    let [x, y, z, w, l, h, sin, cos, vx, vy] = code.map(f64::from);
    let [cx, cy] = config.cell();
    let [low_x, low_y, ..] = config.extents.point_range;
    let [w, l, h] = [w, l, h].map(f64::exp);
    StoredBox { at: [x * cx + low_x, y * cy + low_y, z - h / 2.0], size: [w, l, h], angle: sin.atan2(cos), velocity: [vx, vy] }
}

fn sound(b: &StoredBox) -> bool {
    let numbers = b.at.iter().chain(&b.size).chain(&b.velocity).chain([&b.angle]);
    numbers.into_iter().all(|v| v.is_finite()) && b.size.iter().all(|s| *s > 0.0)
}

/// Whether the centre lies where boxes are kept; the height is that before half of the size was taken off.
fn in_range(config: &FullerConfig, b: &StoredBox) -> bool {
    let [x0, y0, z0, x1, y1, z1] = config.extents.post_center_range;
    let ([x, y, z], h) = (b.at, b.size[2]);
    (x0..=x1).contains(&x) && (y0..=y1).contains(&y) && (z0..=z1).contains(&(z + h / 2.0))
}

/// Every proposal of every sample as a box, in the order of the proposals.
///
/// # Errors
/// The device fails.
pub fn proposals(config: &FullerConfig, found: &Proposals) -> Result<Vec<Vec<Detected>>> {
    let [samples, _, count] = found.query_scores.dims();
    let data = found.branches.iter().map(host).collect::<Result<Vec<_>>>()?;
    let branches = data.iter().map(floats).collect::<Result<Vec<_>>>()?;
    let scores = host(&found.query_scores)?;
    let scores = floats(&scores)?;
    let mut all = Vec::with_capacity(samples);
    for (sample, peaks) in found.peaks.iter().enumerate() {
        let mut boxes = Vec::with_capacity(count);
        for (index, peak) in peaks.iter().enumerate() {
            let mut values = branches.iter().flat_map(|b| {
                let rows = b.len().checked_div(samples * count).unwrap_or(0);
                b.iter().skip(sample * rows * count + index).step_by(count).take(rows).copied()
            });
            let mut code = [0.0; 10];
            code.iter_mut().zip(values.by_ref()).for_each(|(c, v)| *c = v);
            let logit = values.nth(peak.class).unwrap_or(f32::NEG_INFINITY);
            let dense = scores.get((sample * CLASSES.len() + peak.class) * count + index).copied().unwrap_or_default();
            let score = dense / (1.0 + (-logit).exp());
            boxes.push(Detected { stored: assemble(config, code), score, class: peak.class });
        }
        all.push(boxes);
    }
    Ok(all)
}

/// The proposals that count: a score above zero, a centre in range.
pub fn kept(config: &FullerConfig, proposals: &[Detected]) -> Vec<Detected> {
    proposals.iter().filter(|d| d.score > 0.0 && sound(&d.stored) && in_range(config, &d.stored)).copied().collect()
}

/// CenterHead's boxes of every sample, group by group.
///
/// # Errors
/// The device fails.
pub fn centres(config: &FullerConfig, groups: &[GroupMaps], suppression: Suppression) -> Result<Vec<Vec<Detected>>> {
    let mut all: Vec<Vec<Detected>> = Vec::new();
    let mut first_class = 0;
    for (((maps, classes), radius), by_distance) in groups.iter().zip(GROUPS).zip(RADII).zip(BY_DISTANCE) {
        let [regression @ .., heat] = maps.as_slice() else { continue };
        let [samples, _, nx, ny] = heat.dims();
        all.resize(samples, Vec::new());
        let heat = host(&sigmoid(heat.clone()))?;
        let data = regression.iter().map(host).collect::<Result<Vec<_>>>()?;
        let regression = data.iter().map(floats).collect::<Result<Vec<_>>>()?;
        let cells = nx * ny;
        for (sample, (heat, out)) in floats(&heat)?.chunks_exact((classes * cells).max(1)).zip(&mut all).enumerate() {
            let found = peaks_of(config, heat, cells).into_iter().filter_map(|(class, cell, score)| {
                let values = regression.iter().flat_map(|map| {
                    let rows = map.len().checked_div(samples * cells).unwrap_or(0);
                    map.iter().skip(sample * rows * cells + cell).step_by(cells).take(rows).copied()
                });
                let mut code = [0.0; 10];
                code.iter_mut().zip(values).for_each(|(c, v)| *c = v);
                let [row, column] = [cell / ny, cell % ny].map(|n| crate::types::num::f32(n as f64));
                code[0] += row;
                code[1] += column;
                let d = Detected { stored: assemble(config, code), score, class: first_class + class };
                (f64::from(score) > config.extents.center_head_score && sound(&d.stored) && in_range(config, &d.stored)).then_some(d)
            });
            let found: Vec<Detected> = found.collect();
            let boxes: Vec<StoredBox> = found.iter().map(|d| d.stored).collect();
            let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
            let stay = match suppression {
                Suppression::Circle => circle_nms(&boxes, &scores, radius, AFTER),
                Suppression::Mixed if by_distance => circle_nms(&boxes, &scores, radius, AFTER),
                Suppression::Rotated => rotated_nms(&boxes, &scores, OVERLAP, BEFORE, AFTER),
                Suppression::Mixed => rotated_nms(&found.iter().map(enlarged).collect::<Vec<_>>(), &scores, OVERLAP, BEFORE, AFTER),
            };
            out.extend(stay.iter().filter_map(|i| found.get(*i)));
        }
        first_class += classes;
    }
    Ok(all)
}

/// A box as large as it counts for [`Suppression::Mixed`].
fn enlarged(found: &Detected) -> StoredBox {
    let class = CLASSES.get(found.class).copied().unwrap_or_default();
    let factor = ENLARGED.iter().find(|(name, _)| *name == class).map_or(1.0, |(_, factor)| *factor);
    let [w, l, h] = found.stored.size;
    StoredBox { size: [w * factor, l * factor, h], ..found.stored }
}

/// Class, cell and score: the best cells of each class, and of these the best of all.
fn peaks_of(config: &FullerConfig, heat: &[f32], cells: usize) -> Vec<(usize, usize, f32)> {
    let most = config.extents.center_head_max;
    let mut found = Vec::new();
    for (class, plane) in heat.chunks_exact(cells.max(1)).enumerate() {
        found.extend(largest(plane, most).into_iter().filter_map(|cell| plane.get(cell).map(|s| (class, cell, *s))));
    }
    let scores: Vec<f32> = found.iter().map(|(_, _, s)| *s).collect();
    largest(&scores, most).into_iter().filter_map(|i| found.get(i).copied()).collect()
}
