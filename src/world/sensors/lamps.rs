//! Lamps that light other things: street lamps and head lamps.
//!
//! *In*: placed shapes with lenses. *Out*: [`Glow`]s, and for street lamps a grid that names those within reach of a place.
//! *Invariant*: a lamp beyond its reach gives nothing, so only near ones are asked.

use super::geometry::Placed;
use crate::types::num;
use crate::world::model::{Lamp, Tag};
use nalgebra::Vector3;
use std::collections::HashMap;

type V3 = Vector3<f32>;

/// Edge of a grid cell, metres.
const CELL: f32 = 16.0;
/// Farthest that a street lamp lights, metres.
const REACH: f32 = 32.0;
/// Light of a street lamp at one metre, in the units of [`super::light::Light`].
const STREET: f32 = 5.5;
/// Light of a pair of head lamps at one metre, on their axis.
const HEAD: f32 = 22.0;

/// A lamp.
#[derive(Debug, Clone, Copy)]
pub struct Glow {
    /// World, metres.
    pub at: V3,
    /// Axis of its beam; street lamps shine all round below.
    pub axis: Option<V3>,
    /// Linear colour times strength.
    pub colour: V3,
    /// Farthest that it lights, metres.
    pub reach: f32,
}

impl Glow {
    /// Light on a surface at `point` with this normal.
    #[inline]
    pub fn on(&self, point: &V3, normal: &V3) -> V3 {
        let way = self.at - point;
        let square = way.norm_squared();
        if square > self.reach * self.reach || square < 1e-4 {
            return V3::zeros();
        }
        let towards = way / square.sqrt();
        let facing = normal.dot(&towards);
        if facing <= 0.0 {
            return V3::zeros();
        }
        let beam = match self.axis {
            // Low beam: a wide fan, cut off above the axis.
            Some(axis) => {
                let ahead = -axis.dot(&towards);
                let above = -towards.z - axis.z;
                let fan = ((ahead - 0.72) / 0.26).clamp(0.0, 1.0);
                // Little of it goes steeply down, before the bumper.
                let down = (1.0 + (above + 0.10) * 2.6).clamp(0.06, 1.0);
                fan * fan * fan * down * if above > 0.0 { (1.0 - above * 14.0).clamp(0.12, 1.0) } else { 1.0 }
            }
            None => (towards.z * 2.5).clamp(0.0, 1.0),
        };
        let fade = 1.0 - square / (self.reach * self.reach);
        self.colour * (facing * beam * fade * fade / (square + 1.0))
    }
}

/// Street lamps by place.
#[derive(Debug, Default)]
pub struct LampGrid {
    lamps: Vec<Glow>,
    cells: HashMap<(i32, i32), Vec<u32>>,
}

const fn cell_of(x: i32, y: i32) -> (i32, i32) {
    (x, y)
}

impl LampGrid {
    /// The street lamps among static things.
    pub fn new(statics: &[Placed]) -> Self {
        let mut grid = Self::default();
        for placed in statics.iter().filter(|p| p.instance.is_some()) {
            for lens in placed.shape.lenses.iter().filter(|l| l.lamp == Lamp::Night && l.tag != Tag::Building && l.at.z > 2.5) {
                let at = placed.turn * lens.at + placed.at.map(num::f32);
                let colour = linear(lens.colour);
                grid.add(Glow { at, axis: None, colour: colour * (STREET / colour.max().max(0.05)), reach: REACH });
            }
        }
        grid
    }
    fn add(&mut self, lamp: Glow) {
        let index = num::u32(self.lamps.len());
        let cell = |v: f32| num::floor_i32(v / CELL);
        for x in cell(lamp.at.x - lamp.reach)..=cell(lamp.at.x + lamp.reach) {
            for y in cell(lamp.at.y - lamp.reach)..=cell(lamp.at.y + lamp.reach) {
                self.cells.entry(cell_of(x, y)).or_default().push(index);
            }
        }
        self.lamps.push(lamp);
    }
    /// The lamps that may light a place.
    #[inline]
    pub fn near(&self, point: &V3) -> impl Iterator<Item = &Glow> {
        let cell = cell_of(num::floor_i32(point.x / CELL), num::floor_i32(point.y / CELL));
        self.cells.get(&cell).into_iter().flatten().filter_map(|i| self.lamps.get(num::usize(*i)))
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.lamps.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lamps.is_empty()
    }
}

/// Head lamps of everything that has them on.
pub fn head_lamps(movers: &[Placed]) -> Vec<Glow> {
    let lit = movers.iter().filter(|m| m.instance.as_ref().is_some_and(|i| i.lights.head));
    lit.map(|m| {
        let front = V3::new(m.shape.bounds.high.x + 0.05, 0.0, (m.shape.bounds.high.z * 0.42).clamp(0.5, 1.1));
        let axis = (m.turn * V3::new(1.0, 0.0, -0.025)).normalize();
        Glow { at: m.turn * front + m.at.map(num::f32), axis: Some(axis), colour: V3::new(1.0, 0.93, 0.80) * HEAD, reach: 60.0 }
    })
    .collect()
}

/// sRGB to linear light.
#[inline]
pub fn linear(colour: [u8; 3]) -> V3 {
    V3::from(colour.map(|c| {
        let v = f32::from(c) / 255.0;
        // Within half a percent of the standard's curve, without its cost.
        v * (v * (v * 0.305_306_01 + 0.682_171_1) + 0.012_522_878)
    }))
}
