//! The semantic depth cloud: each pixel's class drawn where its depth puts it on a map seen from above.
//!
//! *In*: class of each pixel as a bit, depth as CARLA stores it (1 is 1000 m), row-major `[height][width]`, cameras left | front | right side
//! by side. *Out*: `[height][width]` cells of class bits; the vehicle's camera stands below the middle of the last row, row 0 is farthest ahead.
//! *Invariant*: every cell is the published one, rounding of ties in the rotation aside; a pixel without a finite depth draws nothing. The
//! pixel's row plays no part: height is ignored.
//!
//! The published code draws each sector on a canvas twice as high and turns the whole canvas, the left sector twice. Turning by
//! nearest neighbours is a table of sources, and two tables compose into one, made once for a picture's height; so a pass is one addition,
//! multiplication and scatter per pixel, and one gather per cell that a sector can reach.

use crate::types::{Error, Result, num};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// How the left sector gets to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftResampling {
    /// Turned by the difference of both yaws, then back with the right sector, as published.
    #[default]
    Twice,
    /// Turned by its own yaw.
    Once,
}

/// How three cameras side by side look at the ground plane; lists are left, front, right.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Columns of each camera in the picture; the front's canvas columns lie in the middle, so both sides are equally wide.
    pub columns: [usize; 3],
    /// Focal length, pixels.
    pub focal: f64,
    /// The optical axis' column in each one's part.
    pub axes: [f64; 3],
    /// Range ahead that a sector's map shows, metres.
    pub ahead_m: [f64; 3],
    /// Width that it shows, metres.
    pub across_m: [f64; 3],
    /// Turn of left and right, degrees, counter-clockwise seen from above.
    pub yaws: [f64; 2],
    /// How the left sector gets to its place.
    pub left_resampling: LeftResampling,
}

impl Geometry {
    /// Columns of the picture and of the map.
    pub fn width(&self) -> usize {
        self.columns.iter().sum()
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |key: &str, wanted: &str, found: String| Err(Error::mismatch(wanted, found, key));
        let [left, front, right] = self.columns;
        let even = self.columns.iter().all(|c| c.is_multiple_of(2) && (2..=4096).contains(c));
        if !even || left != right || !self.width().is_multiple_of(16) {
            return wrong("columns", "even numbers, left and right alike, their sum a multiple of 16", format!("{left}, {front}, {right}"));
        }
        if !(self.focal.is_finite() && self.focal > 0.0) {
            return wrong("focal", "above 0", self.focal.to_string());
        }
        for (key, metres) in [("ahead_m", &self.ahead_m), ("across_m", &self.across_m)] {
            if metres.iter().any(|m| !(m.is_finite() && *m > 0.0)) {
                return wrong(key, "metres above 0", format!("{metres:?}"));
            }
        }
        if self.axes.iter().chain(&self.yaws).any(|v| !v.is_finite()) {
            return wrong("axes and yaws", "finite numbers", format!("{:?}, {:?}", self.axes, self.yaws));
        }
        Ok(())
    }
}

/// A sector's place in the lists.
const LEFT: usize = 0;
const FRONT: usize = 1;
const RIGHT: usize = 2;

/// Where cells of the two turned sectors end up: cell of the map, cell of the sector.
#[derive(Debug)]
struct Plan {
    height: usize,
    left: Vec<[u32; 2]>,
    right: Vec<[u32; 2]>,
}

/// Draws maps of one geometry.
#[derive(Debug)]
pub struct SemanticCloud {
    geometry: Geometry,
    /// Plans of the heights seen lately.
    plans: Mutex<Vec<Arc<Plan>>>,
}

/// Adding it to a small `f32` leaves the nearest whole number (half to even) in the lowest bits.
const ROUND: f32 = 12_582_912.0;

impl SemanticCloud {
    /// For this geometry.
    pub const fn new(geometry: Geometry) -> Self {
        Self { geometry, plans: Mutex::new(Vec::new()) }
    }

    /// The geometry.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The map of one picture: `masks` holds each pixel's class as a bit.
    ///
    /// # Errors
    /// The two inputs are not whole rows of the geometry's width, or differ in size.
    pub fn project(&self, masks: &[u32], depth: &[f32]) -> Result<Vec<u32>> {
        let width = self.geometry.width();
        let plan = self.plan(self.height(masks, depth)?);
        let (left, (front, right)) = rayon::join(
            || self.draw(LEFT, masks, depth, plan.height),
            || rayon::join(|| self.draw(FRONT, masks, depth, plan.height), || self.draw(RIGHT, masks, depth, plan.height)),
        );
        let mut map = vec![0_u32; plan.height * width];
        let start = self.start(FRONT);
        for (row, cells) in map.chunks_exact_mut(width).zip(front.chunks_exact(self.columns(FRONT))) {
            row.iter_mut().skip(start).zip(cells).for_each(|(cell, drawn)| *cell = *drawn);
        }
        for (table, sector) in [(&plan.left, left), (&plan.right, right)] {
            for &[to, from] in table {
                if let Some((cell, drawn)) = map.get_mut(num::usize(to)).zip(sector.get(num::usize(from))) {
                    *cell |= drawn;
                }
            }
        }
        Ok(map)
    }

    /// The canvas of twice the height after the left sector, or after left and right sector, rotations included.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn canvas(&self, masks: &[u32], depth: &[f32], right_too: bool) -> Result<Vec<u32>> {
        let height = self.height(masks, depth)?;
        let [left_yaw, right_yaw] = self.geometry.yaws;
        let twice = self.geometry.left_resampling == LeftResampling::Twice;
        let left = self.placed(LEFT, &self.draw(LEFT, masks, depth, height), height);
        let left = self.turned(&left, height, if twice { left_yaw - right_yaw } else { left_yaw });
        if !right_too {
            return Ok(left);
        }
        let right = self.placed(RIGHT, &self.draw(RIGHT, masks, depth, height), height);
        let joined = |a: &[u32], b: &[u32]| a.iter().zip(b).map(|(a, b)| a | b).collect::<Vec<u32>>();
        if twice {
            return Ok(self.turned(&joined(&left, &right), height, right_yaw));
        }
        Ok(joined(&left, &self.turned(&right, height, right_yaw)))
    }

    fn height(&self, masks: &[u32], depth: &[f32]) -> Result<usize> {
        let width = self.geometry.width();
        if masks.is_empty() || masks.len() != depth.len() || !masks.len().is_multiple_of(width) || masks.len() > 1 << 24 {
            let found = format!("{} classes and {} depths", masks.len(), depth.len());
            return Err(Error::mismatch(format!("as many classes as depths, in rows of {width}"), found, "semantic depth cloud"));
        }
        Ok(masks.len().checked_div(width).unwrap_or(0))
    }

    fn columns(&self, sector: usize) -> usize {
        self.geometry.columns.get(sector).copied().unwrap_or(0).max(1)
    }

    /// First canvas column of a sector before it is turned.
    fn start(&self, sector: usize) -> usize {
        (self.geometry.width() - self.columns(sector)) / 2
    }

    /// One sector's own map, `[height][columns]`, and a last cell for pixels that lie outside.
    fn draw(&self, sector: usize, masks: &[u32], depth: &[f32], height: usize) -> Vec<u32> {
        let (width, columns) = (self.geometry.width(), self.columns(sector));
        let first: usize = self.geometry.columns.iter().take(sector).sum();
        let of = |list: &[f64; 3]| num::f32(list.get(sector).copied().unwrap_or(1.0));
        let (axis, ahead, across) = (of(&self.geometry.axes), of(&self.geometry.ahead_m), of(&self.geometry.across_m));
        let focal = num::f32(self.geometry.focal);
        let whole = |count: usize| num::f32(count as f64);
        let lateral: Vec<f32> = (0..columns).map(|j| (whole(j) - axis) / focal).collect();
        let (last_column, last_row) = (num::u32(columns - 1), num::u32(height - 1));
        let (columns_f, rows_f) = (whole(columns - 1), whole(height - 1));
        let (stride, outside) = (num::u32(columns), num::u32(height * columns));
        let mut cells = vec![0_u32; height * columns + 1];
        let mut places = vec![0_u32; columns];
        for (masks, depths) in masks.chunks_exact(width).zip(depth.chunks_exact(width)) {
            let depths = depths.get(first..first + columns).unwrap_or_default();
            for ((place, &depth), &slope) in places.iter_mut().zip(depths).zip(&lateral) {
                let d = depth * 1000.0;
                let column = nearest(((d * slope + across / 2.0) * columns_f) / across, columns_f);
                let row = nearest((d * -rows_f) / ahead + rows_f, rows_f);
                let inside = (column <= last_column) & (row <= last_row);
                *place = if inside { row.wrapping_mul(stride).wrapping_add(column) } else { outside };
            }
            for (place, mask) in places.iter().zip(masks.get(first..).unwrap_or_default()) {
                if let Some(cell) = cells.get_mut(num::usize(*place)) {
                    *cell |= mask;
                }
            }
        }
        cells
    }

    /// A sector's map on an empty canvas.
    fn placed(&self, sector: usize, cells: &[u32], height: usize) -> Vec<u32> {
        let width = self.geometry.width();
        let mut canvas = vec![0; 2 * height * width];
        for (row, cells) in canvas.chunks_exact_mut(width).zip(cells.chunks_exact(self.columns(sector))).take(height) {
            row.iter_mut().skip(self.start(sector)).zip(cells).for_each(|(cell, drawn)| *cell = *drawn);
        }
        canvas
    }

    fn turned(&self, canvas: &[u32], height: usize, degrees: f64) -> Vec<u32> {
        let sources = turn_sources(self.geometry.width(), height, degrees);
        sources.iter().map(|&from| usize::try_from(from).ok().and_then(|from| canvas.get(from)).copied().unwrap_or(0)).collect()
    }

    fn plan(&self, height: usize) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.iter().find(|plan| plan.height == height) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(self.make_plan(height));
        plans.truncate(3);
        plans.insert(0, Arc::clone(&plan));
        plan
    }

    fn make_plan(&self, height: usize) -> Plan {
        let width = self.geometry.width();
        let [left_yaw, right_yaw] = self.geometry.yaws;
        let back = Turn::new(width, height, right_yaw);
        let out = Turn::new(width, height, left_yaw - right_yaw);
        let direct = Turn::new(width, height, left_yaw);
        let mut plan = Plan { height, left: Vec::new(), right: Vec::new() };
        for (to, (y, x)) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).enumerate() {
            let by_right = back.source(x, y);
            let by_left = match self.geometry.left_resampling {
                LeftResampling::Twice => by_right.and_then(|(x, y)| out.source(x, y)),
                LeftResampling::Once => direct.source(x, y),
            };
            for (table, sector, source) in [(&mut plan.left, LEFT, by_left), (&mut plan.right, RIGHT, by_right)] {
                let (start, columns) = (self.start(sector), self.columns(sector));
                if let Some((x, y)) = source.filter(|(x, y)| *y < height && (start..start + columns).contains(x)) {
                    table.push([num::u32(to), num::u32(y * columns + x - start)]);
                }
            }
        }
        plan
    }
}

/// Nearest whole number, half to even, of something that lies in `-0.5..=last + 0.5`; anything else gives a number beyond `last`.
#[inline]
fn nearest(value: f32, last: f32) -> u32 {
    // `max` and `min` turn NaN into a number outside.
    (value.max(-1.0).min(last + 1.0) + ROUND).to_bits().wrapping_sub(ROUND.to_bits())
}

/// Rotation of a canvas about its centre by nearest neighbours.
struct Turn {
    cos: f64,
    sin: f64,
    width: usize,
    height: usize,
}

impl Turn {
    /// Counter-clockwise by `degrees`, of a canvas of twice `height`.
    fn new(width: usize, height: usize, degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { cos, sin, width, height }
    }

    /// Where the cell at column `x`, row `y` comes from.
    fn source(&self, x: usize, y: usize) -> Option<(usize, usize)> {
        let (middle, half) = (self.width as f64 / 2.0, self.height as f64);
        let (dx, dy) = (x as f64 + 0.5 - middle, y as f64 + 0.5 - half);
        let column = (self.cos * dx - self.sin * dy + middle - 0.5).round_ties_even();
        let row = (self.sin * dx + self.cos * dy + half - 0.5).round_ties_even();
        num::pixel(column, self.width).zip(num::pixel(row, 2 * self.height))
    }
}

/// For every cell of a canvas of twice `height`, the cell it takes its value from when the canvas is turned; the number of cells for none.
pub(super) fn turn_sources(width: usize, height: usize, degrees: f64) -> Vec<i64> {
    let turn = Turn::new(width, height, degrees);
    let cells = 2 * height * width;
    let of = |at: usize| turn.source(at % width.max(1), at / width.max(1)).map_or(cells, |(x, y)| y * width + x);
    (0..cells).map(|at| i64::try_from(of(at)).unwrap_or(0)).collect()
}

/// The class with the highest score at each pixel (the first one of equals), as a bit; `scores` is `[classes][pixels]`.
pub fn class_masks(scores: &[f32], pixels: usize) -> Vec<u32> {
    const BLOCK: usize = 1024;
    let mut masks = vec![1_u32; pixels];
    masks.par_chunks_mut(BLOCK).enumerate().for_each(|(block, masks)| {
        let mut best = [0_f32; BLOCK];
        for (class, plane) in scores.chunks_exact(pixels.max(1)).enumerate() {
            let part = plane.get(block * BLOCK..).unwrap_or_default();
            let bit = 1_u32 << (class % 32);
            for ((mask, best), &score) in masks.iter_mut().zip(&mut best).zip(part) {
                let better = class == 0 || score > *best;
                *best = if better { score } else { *best };
                *mask = if better { bit } else { *mask };
            }
        }
    });
    masks
}

/// Cells of class bits as planes of zeros and ones, `[classes][cells]`.
pub fn one_hot(cells: &[u32], classes: usize) -> Vec<f32> {
    let mut planes = vec![0_f32; cells.len() * classes];
    planes.par_chunks_mut(cells.len().max(1)).enumerate().for_each(|(class, plane)| {
        for (value, bits) in plane.iter_mut().zip(cells) {
            *value = f32::from(u8::from(bits >> (class % 32) & 1 == 1));
        }
    });
    planes
}
