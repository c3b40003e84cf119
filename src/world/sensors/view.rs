//! What one camera pose sees: for every sample the nearest facet, in one pass that colour, depth, labels and heat all read.
//!
//! *In*: a [`Moment`], a pose (world from camera; x right, y down, z forward) and [`Intrinsics`]. *Out*: a [`View`]. With `fine` sampling
//! there are samples at pixel centres and half-way between them, `(2 w + 1) x (2 h + 1)`; pixel `x` is sample `2 x + 1`.
//! *Invariant*: depth is the plane's at the pixel's centre, not an interpolation, so it agrees with ray casting; the picture does not depend
//! on the number of threads. Time grows with samples and with what lies in the frustum.

mod frustum;

use self::frustum::Frustum;
use super::bvh::Visitor;
use super::fan::{LAYER_LIFT, NEAR};
use super::geometry::{Moment, Placed, checked_pose};
use super::noise;
use super::raster::{Linear, spans, value};
use super::shape::Facet;
use crate::types::{Error, Intrinsics, Result, num};
use crate::world::model::Material;
use nalgebra::{Isometry3, Matrix3, Vector3};
use rayon::prelude::*;

type V3 = Vector3<f32>;

/// Nobody: the sky.
pub const NOBODY: u32 = u32::MAX;
/// Most columns or rows.
const LARGEST: usize = 8192;
/// Rows that one task draws.
const BAND: usize = 16;
/// Columns that are compared at a time, as the machine's vectors hold them.
const LANES: [f32; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// Where a picture is taken from, and how.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    /// World from camera.
    pub pose: Isometry3<f64>,
    /// Size and focal lengths.
    pub intrinsics: Intrinsics,
    /// Four samples a pixel instead of one.
    pub fine: bool,
    /// An instance that this camera does not see: what it is mounted on, if it should not.
    pub skip: Option<u32>,
}

/// A facet on the picture.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    corners: [[f32; 2]; 3],
    /// One over depth.
    inverse: Linear,
    lift: f32,
    /// Number of what it belongs to, as [`Moment::placed`] counts.
    pub owner: u32,
    /// Index of the facet.
    pub facet: u32,
    /// Equal for samples that may share a colour: one thing, one surface, one direction.
    pub key: u32,
}

/// The nearest facet of every sample.
#[derive(Debug)]
pub struct View<'m> {
    /// The world.
    pub moment: &'m Moment,
    /// From where.
    pub shot: Shot,
    /// Samples a row.
    pub columns: usize,
    /// Rows of samples.
    pub rows: usize,
    /// What is drawn.
    pub drawn: Vec<Drawn>,
    nearest: Vec<u32>,
    scale: [f32; 2],
    centre: [f32; 2],
    /// World from camera.
    pub turn: Matrix3<f32>,
    /// Camera in the world, metres.
    pub eye: Vector3<f64>,
}

impl<'m> View<'m> {
    /// Looks.
    ///
    /// # Errors
    /// Where the pose is not finite or the picture has no pixels or more than 8,192 a side.
    pub fn new(moment: &'m Moment, shot: Shot) -> Result<Self> {
        checked_pose(&shot.pose, "camera")?;
        let k = shot.intrinsics;
        if k.width == 0 || k.height == 0 || k.width > LARGEST || k.height > LARGEST {
            let found = format!("{}x{}", k.width, k.height);
            return Err(Error::mismatch(format!("a picture of 1x1 to {LARGEST}x{LARGEST} pixels"), found, "camera"));
        }
        let (grain, shift) = if shot.fine { (2.0, 1.0) } else { (1.0, 0.0) };
        let (columns, rows) = if shot.fine { (2 * k.width + 1, 2 * k.height + 1) } else { (k.width, k.height) };
        let (scale, centre) = ([k.fx * grain, k.fy * grain], [k.cx * grain + shift, k.cy * grain + shift]);
        let mut view = Self {
            moment,
            shot,
            columns,
            rows,
            drawn: Vec::new(),
            nearest: Vec::new(),
            scale: scale.map(num::f32),
            centre: centre.map(num::f32),
            turn: shot.pose.rotation.to_rotation_matrix().matrix().map(num::f32),
            eye: shot.pose.translation.vector,
        };
        view.drawn = view.setup();
        view.nearest = view.draw();
        Ok(view)
    }

    /// Direction of a sample in the camera frame, with z = 1.
    #[inline]
    pub fn direction(&self, x: usize, y: usize) -> V3 {
        let ([fx, fy], [cx, cy]) = (self.scale, self.centre);
        V3::new((num::count_f32(num::u32(x)) - cx) / fx, (num::count_f32(num::u32(y)) - cy) / fy, 1.0)
    }
    /// What a sample sees, and how deep it lies along the optical axis, metres; `None` for the sky.
    #[inline]
    pub fn sample(&self, x: usize, y: usize) -> Option<(&Drawn, f32)> {
        let index = self.nearest.get(y * self.columns + x)?;
        let drawn = self.drawn.get(num::usize(*index))?;
        Some((drawn, drawn.lift / value(&drawn.inverse, x, y)))
    }
    /// The sample that shows a point of the camera frame; `None` behind the camera and outside of the picture.
    #[inline]
    pub fn sample_of(&self, at: &V3) -> Option<(usize, usize)> {
        if at.z < NEAR {
            return None;
        }
        let ([fx, fy], [cx, cy]) = (self.scale, self.centre);
        let inside = |v: f32, size: usize| usize::try_from(num::floor_i32(v + 0.5)).ok().filter(|v| *v < size);
        Some((inside(at.x / at.z * fx + cx, self.columns)?, inside(at.y / at.z * fy + cy, self.rows)?))
    }
    /// Depth at all pixels' centres, row-major; infinite for the sky.
    pub fn depths(&self) -> Vec<f32> {
        let width = self.shot.intrinsics.width;
        let mut depths = vec![f32::INFINITY; width * self.shot.intrinsics.height];
        depths.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (x, depth) in row.iter_mut().enumerate() {
                let (sx, sy) = self.at_pixel(x, y);
                *depth = self.sample(sx, sy).map_or(f32::INFINITY, |(_, d)| d);
            }
        });
        depths
    }
    /// The samples' facets of row `y`.
    #[inline]
    pub fn row(&self, y: usize) -> &[u32] {
        self.nearest.get(y * self.columns..(y + 1) * self.columns).unwrap_or_default()
    }
    /// The sample at the centre of a pixel.
    #[inline]
    pub fn at_pixel(&self, x: usize, y: usize) -> (usize, usize) {
        if self.shot.fine { (2 * x + 1, 2 * y + 1) } else { (x, y) }
    }
    /// `[kx, ky, ox, oy]`: pixel `(x, y)` looks along `(x kx + ox, y ky + oy, 1)`.
    pub fn pixel_rays(&self) -> [f32; 4] {
        let k = &self.shot.intrinsics;
        [1.0 / k.fx, 1.0 / k.fy, -k.cx / k.fx, -k.cy / k.fy].map(num::f32)
    }
    /// Metres that a pixel covers at one metre's distance.
    pub fn pixel_angle(&self) -> f32 {
        num::f32(1.0 / self.shot.intrinsics.fx)
    }
    /// The facet of something drawn, and whose it is.
    #[inline]
    pub fn facet(&self, drawn: &Drawn) -> Option<(&'m Placed, &'m Facet)> {
        let placed = self.moment.placed(drawn.owner)?;
        placed.shape.facets.get(num::usize(drawn.facet)).map(|f| (placed, f))
    }

    /// Facets that face the camera, on the picture, in an order that depends on the world alone.
    fn setup(&self) -> Vec<Drawn> {
        let frustum = Frustum::new(self);
        let geometry = &self.moment.geometry;
        let mut seen = Seen { frustum: &frustum, eye: self.eye.map(num::f32), ranges: Vec::new() };
        geometry.tree.walk(&mut seen);
        let statics = seen.ranges.iter().flat_map(|(first, count)| geometry.order.get(*first..first + count).unwrap_or_default()).copied();
        let movers = (self.moment.first_mover()..).take(self.moment.movers.len());
        let owners: Vec<u32> = statics.chain(movers).collect();
        let parts: Vec<Vec<Drawn>> = owners
            .par_chunks(24)
            .map(|owners| {
                let mut out = Vec::new();
                owners.iter().for_each(|owner| self.set_up_one(*owner, &frustum, &mut out));
                out
            })
            .collect();
        parts.concat()
    }
    fn set_up_one(&self, owner: u32, frustum: &Frustum, out: &mut Vec<Drawn>) {
        let Some(placed) = self.moment.placed(owner) else { return };
        if self.shot.skip.is_some_and(|id| id != 0 && id == placed.id()) {
            return;
        }
        let offset = placed.bounds.centre() - self.eye.map(num::f32);
        let Some(inside) = frustum.holds(&offset, &placed.bounds.half()) else { return };
        let turn = self.turn.transpose() * placed.turn;
        let at = self.turn.tr_mul(&(placed.at - self.eye).map(num::f32));
        let eye = placed.local(&self.eye);
        let mut setup = Setup { view: self, placed, owner, turn, at, eye, frustum: frustum.turned(&placed.turn), out };
        if inside {
            setup.items(0, placed.shape.facets.len());
        } else {
            placed.shape.tree.walk(&mut setup);
        }
    }

    fn draw(&self) -> Vec<u32> {
        let bands = self.rows.div_ceil(BAND);
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); bands];
        for (index, drawn) in (0..).zip(&self.drawn) {
            let rows = drawn.corners.map(|c| c[1]);
            let (low, high) = (rows.iter().copied().fold(f32::INFINITY, f32::min), rows.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let band = |y: f32| usize::try_from(num::ceil_i32(y)).unwrap_or(0) / BAND;
            let last = band(high).min(bands - 1);
            if let Some(touched) = lists.get_mut(band(low).min(bands)..=last) {
                touched.iter_mut().for_each(|l| l.push(index));
            }
        }
        let mut nearest = vec![NOBODY; self.columns * self.rows];
        nearest.par_chunks_mut(BAND * self.columns).zip(&lists).enumerate().for_each(|(band, (nearest, list))| {
            let mut inverse = vec![0.0_f32; nearest.len()];
            let top = band * BAND;
            let bottom = top + nearest.len() / self.columns;
            for index in list {
                let Some(drawn) = self.drawn.get(num::usize(*index)) else { continue };
                spans(&drawn.corners, top, bottom, self.columns, |y, from, to| {
                    let row = (y - top) * self.columns;
                    let (Some(depths), Some(ids)) = (inverse.get_mut(row + from..row + to), nearest.get_mut(row + from..row + to)) else {
                        return;
                    };
                    let start = value(&drawn.inverse, 0, y);
                    let mut x = num::count_f32(num::u32(from));
                    if depths.len() < LANES.len() {
                        for (depth, id) in depths.iter_mut().zip(ids) {
                            let w = start + x * drawn.inverse[0];
                            if w > *depth {
                                (*depth, *id) = (w, *index);
                            }
                            x += 1.0;
                        }
                        return;
                    }
                    // Choices in place of branches: these run side by side.
                    for (depths, ids) in depths.chunks_mut(LANES.len()).zip(ids.chunks_mut(LANES.len())) {
                        for ((depth, id), lane) in depths.iter_mut().zip(ids).zip(LANES) {
                            let w = start + (x + lane) * drawn.inverse[0];
                            let nearer = w > *depth;
                            (*depth, *id) = (if nearer { w } else { *depth }, if nearer { *index } else { *id });
                        }
                        x += LANES.len() as f32;
                    }
                });
            }
        });
        nearest
    }
}

/// Makes the facets of one thing ready.
struct Setup<'a, 'm> {
    view: &'a View<'m>,
    placed: &'a Placed,
    owner: u32,
    turn: Matrix3<f32>,
    at: V3,
    eye: V3,
    frustum: Frustum,
    out: &'a mut Vec<Drawn>,
}

impl Setup<'_, '_> {
    fn facet(&mut self, index: usize, facet: &Facet) {
        let distance = facet.normal.dot(&(facet.corners[0] - self.eye));
        if distance >= 0.0 {
            return;
        }
        let corners = facet.corners.map(|c| self.turn * c + self.at);
        let ahead = corners.iter().filter(|c| c.z >= NEAR).count();
        if ahead == 0 {
            return;
        }
        let normal = self.turn * facet.normal;
        let ([fx, fy], [cx, cy]) = (self.view.scale, self.view.centre);
        let lift = 1.0 + LAYER_LIFT * f32::from(facet.layer);
        let (a, b) = (normal.x / fx, normal.y / fy);
        let share = lift / distance;
        let inverse = [a * share, b * share, (normal.z - a * cx - b * cy) * share];
        // Leaves look all ways: two facets of a crown may share a colour, two of anything else only where they lie in one plane.
        let leaves = self.placed.shape.surface(facet).material == Material::Foliage;
        let q = if leaves { V3::zeros() } else { facet.normal.map(|v| num::int_f32(num::floor_i32(v * 12.0))) };
        let key = noise::triple(self.owner, u32::from(facet.surface), (q.x * 961.0 + q.y * 31.0 + q.z).to_bits());
        let pixel = |c: &V3| [c.x / c.z * fx + cx, c.y / c.z * fy + cy];
        let (width, height) = (self.view.columns as f32, self.view.rows as f32);
        let mut push = |corners: [[f32; 2]; 3]| {
            let outside = |axis: usize, high: f32| {
                let v = corners.map(|c| c.get(axis).copied().unwrap_or(0.0));
                v.iter().all(|v| *v <= -1.0) || v.iter().all(|v| *v >= high)
            };
            // Between two rows or columns of samples there is nothing to be seen of it.
            let between = |axis: usize| {
                let v = corners.map(|c| num::ceil_i32(c.get(axis).copied().unwrap_or(0.0)));
                v[0] == v[1] && v[1] == v[2]
            };
            if !outside(0, width) && !outside(1, height) && !between(0) && !between(1) {
                self.out.push(Drawn { corners, inverse, lift, owner: self.owner, facet: num::u32(index), key });
            }
        };
        let [p, q, r] = corners;
        if ahead == 3 {
            push([pixel(&p), pixel(&q), pixel(&r)]);
            return;
        }
        // Cut at the near plane: three or four corners are left.
        let mut kept = [[0.0_f32; 2]; 4];
        let mut count = 0;
        let mut keep = |c: &V3| {
            if let Some(slot) = kept.get_mut(count) {
                *slot = pixel(c);
                count += 1;
            }
        };
        for (from, to) in [(p, q), (q, r), (r, p)] {
            if from.z >= NEAR {
                keep(&from);
            }
            if (from.z >= NEAR) != (to.z >= NEAR) {
                // Always from the nearer corner, so that both triangles of an edge cut it in one place.
                let (a, b) = if from.z < to.z { (from, to) } else { (to, from) };
                keep(&(a + (b - a) * ((NEAR - a.z) / (b.z - a.z))).map(|v| v));
            }
        }
        let [a, b, c, d] = kept;
        push([a, b, c]);
        if count == 4 {
            push([a, c, d]);
        }
    }
}

impl Visitor for Setup<'_, '_> {
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32> {
        self.frustum.holds(&(centre - self.eye), half).map(|_| 0.0)
    }
    fn still(&self, _: f32) -> bool {
        true
    }
    fn items(&mut self, first: usize, count: usize) {
        let shape = std::sync::Arc::clone(&self.placed.shape);
        for (index, facet) in (first..).zip(shape.facets.get(first..first + count).unwrap_or_default()) {
            self.facet(index, facet);
        }
    }
}

/// Walks over static things.
struct Seen<'a> {
    frustum: &'a Frustum,
    eye: V3,
    ranges: Vec<(usize, usize)>,
}

impl Visitor for Seen<'_> {
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32> {
        // What is small at this distance has small parts too.
        self.frustum.holds(&(centre - self.eye), half).map(|_| 0.0)
    }
    fn still(&self, _: f32) -> bool {
        true
    }
    fn items(&mut self, first: usize, count: usize) {
        self.ranges.push((first, count));
    }
}
