//! Shadows of the sun: heights towards the sun on tiles of a plane that faces it.
//!
//! *In*: placed shapes, the sun's direction. *Out*: [`ShadowField`]: for a point of the world the share of the sun it sees. Tiles are drawn where
//! somebody looks and kept while the sun stands still; those that movers touch are drawn again for each moment.
//! *Invariant*: a tile depends on the scene, the moment and the sun alone, not on who asked first.

use super::bvh::Visitor;
use super::geometry::{Moment, Placed};
use super::noise;
use super::raster::spans;
use super::view::View;
use crate::types::num;
use crate::world::model::Material;
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

type V3 = Vector3<f32>;

/// Edge of a tile, metres, and texels along it.
const TILE: f32 = 32.0;
const TEXELS: usize = 256;
const TEXEL: f32 = 0.125;
/// Farthest from the camera that shadows are looked up, metres.
const FAR: f32 = 220.0;
/// Most tiles kept of what never moves: 128 MiB.
const KEPT: usize = 512;

/// A tile's heights towards the sun; `None` where nothing stands.
type Tile = Option<Arc<Vec<f32>>>;

/// Tiles drawn so far, for one direction of the sun.
#[derive(Debug, Default)]
pub struct ShadowCache {
    sun: [i32; 2],
    tiles: HashMap<(i32, i32), Tile>,
}

/// The tiles that one picture needs.
#[derive(Debug)]
pub struct ShadowField {
    /// Rows: right, up, towards the sun.
    basis: Matrix3<f32>,
    low: (i32, i32),
    size: (i32, i32),
    tiles: Vec<Tile>,
}

/// The sun's direction in quarters of a degree, so that a slow sun does not have all shadows drawn at every step.
fn rounded(sun: &V3) -> ([i32; 2], V3) {
    let (azimuth, elevation) = (sun.y.atan2(sun.x).to_degrees(), sun.z.clamp(-1.0, 1.0).asin().to_degrees());
    let steps = [azimuth, elevation].map(|a| num::floor_i32(a * 4.0 + 0.5));
    let [a, e] = steps.map(|s| (num::int_f32(s) / 4.0).to_radians());
    (steps, V3::new(e.cos() * a.cos(), e.cos() * a.sin(), e.sin()))
}

impl ShadowField {
    /// The tiles that a view looks at; `None` without sunshine.
    pub fn new(view: &View<'_>) -> Option<Self> {
        let moment = view.moment;
        if moment.light.sun_colour.max() < 1e-3 {
            return None;
        }
        let (key, sun) = rounded(&moment.light.sun);
        let right = V3::z().cross(&sun).try_normalize(1e-4).unwrap_or_else(V3::x);
        let up = sun.cross(&right);
        let basis = Matrix3::from_rows(&[right.transpose(), up.transpose(), sun.transpose()]);
        let wanted = wanted(view, &basis);
        let (low_x, high_x) = (wanted.iter().map(|t| t.0).min()?, wanted.iter().map(|t| t.0).max()?);
        let (low_y, high_y) = (wanted.iter().map(|t| t.1).min()?, wanted.iter().map(|t| t.1).max()?);
        let size = (high_x - low_x + 1, high_y - low_y + 1);
        let drawn: Vec<((i32, i32), Tile)> =
            wanted.into_par_iter().collect::<Vec<_>>().into_par_iter().map(|at| (at, tile(moment, &basis, key, at))).collect();
        let mut tiles = vec![None; usize::try_from(size.0).ok()? * usize::try_from(size.1).ok()?];
        for ((x, y), tile) in drawn {
            if let Some(slot) = usize::try_from((y - low_y) * size.0 + x - low_x).ok().and_then(|i| tiles.get_mut(i)) {
                *slot = tile;
            }
        }
        Some(Self { basis, low: (low_x, low_y), size, tiles })
    }
    /// Share of the sun that a point sees, 0..=1; `facing`: cosine of its normal towards the sun.
    #[inline]
    pub fn sunlit(&self, point: &V3, facing: f32) -> f32 {
        let p = self.basis * point;
        let (tx, ty) = (num::floor_i32(p.x / TILE), num::floor_i32(p.y / TILE));
        let (x, y) = (tx - self.low.0, ty - self.low.1);
        if x < 0 || y < 0 || x >= self.size.0 || y >= self.size.1 {
            return 1.0;
        }
        let tile = usize::try_from(y * self.size.0 + x).ok().and_then(|i| self.tiles.get(i));
        let Some(Some(heights)) = tile else { return 1.0 };
        let place = |v: f32, t: i32| ((v - num::int_f32(t) * TILE) / TEXEL - 0.5).clamp(0.0, TEXELS as f32 - 1.001);
        let (u, v) = (place(p.x, tx), place(p.y, ty));
        let (iu, iv) = (num::floor_i32(u), num::floor_i32(v));
        let (fu, fv) = (u - num::int_f32(iu), v - num::int_f32(iv));
        // A surface that leans away rises within a texel by as much as its slope: without that room it would shade itself in stripes.
        let slope = (1.0 - facing * facing).max(0.0).sqrt() / facing.max(0.1);
        let limit = p.z + 0.04 + (TEXEL * slope).min(0.5);
        let at = usize::try_from(iv).unwrap_or(0) * TEXELS + usize::try_from(iu).unwrap_or(0);
        let free = |i: usize| heights.get(i).map_or(1.0, |h| if *h > limit { 0.0 } else { 1.0 });
        let (a, b, c, d) = (free(at), free(at + 1), free(at + TEXELS), free(at + TEXELS + 1));
        let (low, high) = (a + (b - a) * fu, c + (d - c) * fu);
        low + (high - low) * fv
    }
}

/// Tiles under every fourth sample, and their neighbours towards which a sample between may lie.
fn wanted(view: &View<'_>, basis: &Matrix3<f32>) -> BTreeSet<(i32, i32)> {
    let eye = basis * view.eye.map(num::f32);
    let turn = basis * view.turn;
    let mut tiles = BTreeSet::new();
    let mut last = None;
    for y in (0..view.rows).step_by(4) {
        for x in (0..view.columns).step_by(4) {
            if let Some((_, depth)) = view.sample(x, y).filter(|(_, d)| *d < FAR) {
                let p = eye + turn * (view.direction(x, y) * depth);
                let at = (num::floor_i32(p.x / TILE), num::floor_i32(p.y / TILE));
                if last != Some(at) {
                    tiles.insert(at);
                    last = Some(at);
                }
            }
        }
    }
    tiles
}

fn tile(moment: &Moment, basis: &Matrix3<f32>, key: [i32; 2], at: (i32, i32)) -> Tile {
    let known = moment.moving_shadows.lock().unwrap_or_else(PoisonError::into_inner).tiles.get(&at).cloned();
    if let Some(known) = known {
        return known;
    }
    let mut drawn = fixed(moment, basis, key, at);
    let touching: Vec<&Placed> = moment.movers.iter().filter(|m| over(m, basis, at)).collect();
    if !touching.is_empty() {
        let mut heights = drawn.as_deref().cloned().unwrap_or_else(|| vec![f32::NEG_INFINITY; TEXELS * TEXELS]);
        touching.iter().for_each(|m| draw(&mut heights, m, basis, at));
        drawn = Some(Arc::new(heights));
    }
    moment.moving_shadows.lock().unwrap_or_else(PoisonError::into_inner).tiles.insert(at, drawn.clone());
    drawn
}

/// A tile of what never moves.
fn fixed(moment: &Moment, basis: &Matrix3<f32>, key: [i32; 2], at: (i32, i32)) -> Tile {
    let geometry = &moment.geometry;
    {
        let mut cache = geometry.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.sun != key || cache.tiles.len() > KEPT {
            cache.tiles.clear();
            cache.sun = key;
        }
        if let Some(known) = cache.tiles.get(&at) {
            return known.clone();
        }
    }
    let mut casters = Casters { basis, at, ranges: Vec::new() };
    geometry.tree.walk(&mut casters);
    let owners = casters.ranges.iter().flat_map(|(first, count)| geometry.order.get(*first..first + count).unwrap_or_default());
    let things = owners.filter_map(|o| geometry.statics.get(num::usize(*o))).filter(|p| p.instance.is_some() && over(p, basis, at));
    let mut heights = None;
    for thing in things {
        let heights = heights.get_or_insert_with(|| vec![f32::NEG_INFINITY; TEXELS * TEXELS]);
        draw(heights, thing, basis, at);
    }
    let drawn = heights.map(Arc::new);
    let mut cache = geometry.shadows.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.sun == key {
        cache.tiles.insert(at, drawn.clone());
    }
    drawn
}

fn over(placed: &Placed, basis: &Matrix3<f32>, at: (i32, i32)) -> bool {
    overlaps(&placed.bounds.centre(), &placed.bounds.half(), basis, at)
}
fn overlaps(centre: &V3, half: &V3, basis: &Matrix3<f32>, at: (i32, i32)) -> bool {
    let (middle, reach) = (basis * centre, basis.abs() * half);
    let meets = |m: f32, r: f32, t: i32| (m - (num::int_f32(t) + 0.5) * TILE).abs() < r + TILE * 0.5 + TEXEL;
    meets(middle.x, reach.x, at.0) && meets(middle.y, reach.y, at.1)
}

/// Draws one thing into a tile.
fn draw(heights: &mut [f32], placed: &Placed, basis: &Matrix3<f32>, at: (i32, i32)) {
    let turn = basis * placed.turn;
    let origin = basis * placed.at.map(num::f32) - V3::new(num::int_f32(at.0) * TILE, num::int_f32(at.1) * TILE, 0.0);
    let to_sun = placed.turn.tr_mul(&basis.row(2).transpose());
    for facet in placed.shape.facets.iter().filter(|f| f.normal.dot(&to_sun) > 1e-3) {
        let corners = facet.corners.map(|c| turn * c + origin);
        let texel = corners.map(|c| [c.x / TEXEL - 0.5, c.y / TEXEL - 0.5]);
        let outside = |axis: fn(&[f32; 2]) -> f32| texel.iter().all(|t| axis(t) < 0.0) || texel.iter().all(|t| axis(t) > TEXELS as f32);
        if outside(|t| t[0]) || outside(|t| t[1]) {
            continue;
        }
        let n = turn * facet.normal;
        let (slope_x, slope_y) = (-n.x / n.z * TEXEL, -n.y / n.z * TEXEL);
        let start = corners[0].z - texel[0][0] * slope_x - texel[0][1] * slope_y;
        let (lowest, highest) = corners.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), c| (l.min(c.z), h.max(c.z)));
        // Leaves let some light through: the ground below is dappled.
        let leaves = placed.shape.surface(facet).material == Material::Foliage;
        spans(&texel, 0, TEXELS, TEXELS, |y, from, to| {
            let Some(row) = heights.get_mut(y * TEXELS + from..y * TEXELS + to) else { return };
            let left = start + num::count_f32(num::u32(y)) * slope_y;
            for (x, height) in (from..).zip(row) {
                if leaves && noise::pair(num::u32(x / 3), num::u32(y / 3)) & 7 < 3 {
                    continue;
                }
                *height = height.max((left + num::count_f32(num::u32(x)) * slope_x).clamp(lowest, highest));
            }
        });
    }
}

struct Casters<'a> {
    basis: &'a Matrix3<f32>,
    at: (i32, i32),
    ranges: Vec<(usize, usize)>,
}

impl Visitor for Casters<'_> {
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32> {
        overlaps(centre, half, self.basis, self.at).then_some(0.0)
    }
    fn still(&self, _: f32) -> bool {
        true
    }
    fn items(&mut self, first: usize, count: usize) {
        self.ranges.push((first, count));
    }
}
