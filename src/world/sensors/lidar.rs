//! A spinning LiDAR.
//!
//! *In*: a [`Moment`], where the sensor is and how its carrier moves, a [`LidarSpec`]. *Out*: a [`Sweep`]: points in the sensor's frame (x forward,
//! y left, z up) at the instant of each column, with ring, lag, instance and class. A turn goes clockwise from behind to behind, so that the sensor
//! looks forward at the frame's stamp: lags run from minus to plus half a turn, and both carrier and movers are where they are then.
//! *Invariant*: a point without noise lies on the facet that a camera at the same place and instant sees.
//!
//! A return is had where reflectance, incidence, distance squared and the air leave enough of the pulse (Hahner et al., ICCV 2021, for the
//! terms in fog; near infrared is taken to lose a quarter of what visible light does).

use super::fan::{Beams, Fan, Hit};
use super::geometry::{Moment, checked_pose};
use super::noise::{hash, normal, pair, triple, unit};
use crate::types::{Error, LidarPoint, PointCloud, Result, num};
use crate::world::model::{Material, Tag};
use nalgebra::{Isometry3, Rotation3, UnitQuaternion, Vector3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

type V3 = Vector3<f32>;

/// What kind of LiDAR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LidarSpec {
    /// Beams, spread evenly between `lowest` and `highest`.
    pub beams: usize,
    /// Elevation of ring 0, degrees.
    pub lowest: f64,
    /// Elevation of the last ring, degrees.
    pub highest: f64,
    /// Firings a turn.
    pub columns: usize,
    /// Distance at which a surface that throws back a tenth is just seen, metres.
    pub range: f64,
    /// Deviation of a distance, metres.
    pub noise: f64,
    /// Share of returns that are lost without a reason.
    pub dropout: f64,
    /// Whether the sensor turns while the world moves; otherwise the sweep is of one instant.
    pub rolling: bool,
}

impl Default for LidarSpec {
    fn default() -> Self {
        Self { beams: 32, lowest: -30.0, highest: 10.0, columns: 1000, range: 90.0, noise: 0.015, dropout: 0.005, rolling: true }
    }
}

/// How what carries a sensor moves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Carrier {
    /// Where its origin is in the world.
    pub at: [f64; 3],
    /// Velocity of its origin in the world, m/s.
    pub velocity: [f64; 3],
    /// Turning about z, rad/s.
    pub yaw_rate: f64,
}

/// One sweep with what is known of each point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sweep {
    /// Points, column by column, rings rising.
    pub points: Vec<LidarPoint>,
    /// Number of the instance that was hit; 0 for ground and for drops in the air.
    pub instances: Vec<u32>,
    /// Class of the surface that was hit.
    pub tags: Vec<Tag>,
    /// Cosine of the angle between ray and surface's normal; 1 for drops in the air.
    pub facing: Vec<f32>,
}

impl Sweep {
    /// The points as a payload.
    ///
    /// # Errors
    /// None for a sweep that was made.
    pub fn cloud(&self) -> Result<PointCloud> {
        PointCloud::new(self.points.clone())
    }
}

/// Share of infrared light that a surface throws back, and whether back to where it came from.
const fn reflectance(material: Material) -> (f32, bool) {
    match material {
        Material::Asphalt => (0.11, false),
        Material::Concrete => (0.30, false),
        Material::Paving => (0.28, false),
        Material::Paint => (0.62, false),
        Material::Grass => (0.42, false),
        Material::Soil => (0.22, false),
        Material::Brick => (0.34, false),
        Material::Plaster | Material::Facade => (0.48, false),
        Material::Tiles => (0.26, false),
        Material::Glass => (0.05, false),
        Material::Metal | Material::HotMetal => (0.45, false),
        Material::Rubber => (0.07, false),
        Material::Foliage => (0.46, false),
        Material::Wood => (0.36, false),
        Material::Cloth => (0.38, false),
        Material::Skin => (0.44, false),
        Material::Reflector => (0.95, true),
        Material::Lens => (0.55, true),
        Material::Plastic => (0.40, false),
        Material::Water => (0.01, false),
    }
}

impl LidarSpec {
    /// Checks the numbers.
    ///
    /// # Errors
    /// Where there are no beams or columns, too many, or a number makes no sense.
    pub fn checked(&self) -> Result<()> {
        let sane = |v: f64, low: f64, high: f64| v.is_finite() && (low..=high).contains(&v);
        let angles = sane(self.lowest, -85.0, 85.0) && sane(self.highest, -85.0, 85.0) && self.lowest <= self.highest;
        let counts = (1..=256).contains(&self.beams) && (1..=36_000).contains(&self.columns);
        let rest = sane(self.range, 1.0, 1000.0) && sane(self.noise, 0.0, 1.0) && sane(self.dropout, 0.0, 1.0);
        if angles && counts && rest {
            return Ok(());
        }
        let wanted = "1 to 256 beams between -85 and 85 degrees, 1 to 36000 columns, a range of 1 to 1000 m, noise and dropout of 0 to 1";
        Err(Error::mismatch(wanted, format!("{self:?}"), "lidar"))
    }
    fn slopes(&self) -> Vec<f32> {
        let step = (self.highest - self.lowest) / (self.beams.max(2) - 1) as f64;
        (0..self.beams).map(|i| num::f32((self.lowest + step * i as f64).to_radians().tan())).collect()
    }
}

/// Where a sensor is, `lag` seconds later, when its carrier moves on.
pub fn moved(pose: &Isometry3<f64>, carrier: &Carrier, lag: f64) -> Isometry3<f64> {
    let pivot = Vector3::from(carrier.at);
    let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), carrier.yaw_rate * lag);
    let at = pivot + Vector3::from(carrier.velocity) * lag + turn * (pose.translation.vector - pivot);
    Isometry3::from_parts(at.into(), turn * pose.rotation)
}

/// One turn that takes `period` seconds; `skip` is what the sensor does not see.
///
/// # Errors
/// Where pose or spec make no sense.
pub fn sweep(
    moment: &Moment,
    pose: &Isometry3<f64>,
    carrier: &Carrier,
    spec: &LidarSpec,
    period: f64,
    seed: u32,
    skip: Option<u32>,
) -> Result<Sweep> {
    checked_pose(pose, "lidar")?;
    spec.checked()?;
    let caster = Caster { moment, pose, carrier, spec, period: if spec.rolling { period } else { 0.0 }, seed, skip, slopes: spec.slopes() };
    let columns: Vec<usize> = (0..spec.columns).collect();
    let parts: Vec<Sweep> = columns
        .par_chunks(25)
        .map(|columns| {
            let mut part = Sweep::default();
            let mut beams = Beams::new(&caster.slopes, num::f32(spec.range * 2.2));
            columns.iter().for_each(|column| caster.column(*column, &mut beams, &mut part));
            part
        })
        .collect();
    let mut whole = Sweep::default();
    for part in parts {
        whole.points.extend(part.points);
        whole.instances.extend(part.instances);
        whole.tags.extend(part.tags);
        whole.facing.extend(part.facing);
    }
    Ok(whole)
}

struct Caster<'a> {
    moment: &'a Moment,
    pose: &'a Isometry3<f64>,
    carrier: &'a Carrier,
    spec: &'a LidarSpec,
    period: f64,
    seed: u32,
    skip: Option<u32>,
    slopes: Vec<f32>,
}

/// What became of one pulse.
struct Return {
    metres: f32,
    intensity: f32,
    instance: u32,
    tag: Tag,
    facing: f32,
}

impl Caster<'_> {
    fn column(&self, column: usize, beams: &mut Beams, out: &mut Sweep) {
        let share = (column as f64 + 0.5) / self.spec.columns as f64;
        let azimuth = std::f64::consts::PI * (1.0 - 2.0 * share);
        let lag = (share - 0.5) * self.period;
        let pose = moved(self.pose, self.carrier, lag);
        let (sin, cos) = azimuth.sin_cos();
        let along = (pose.rotation * Vector3::new(cos, sin, 0.0)).map(num::f32);
        let up = (pose.rotation * Vector3::z()).map(num::f32);
        beams.clear();
        let fan = Fan { origin: pose.translation.vector, along, up };
        fan.cast(self.moment, lag, self.skip, beams);
        for ((ring, slope), hit) in (0_u16..).zip(&self.slopes).zip(beams.hits()) {
            let stretch = (1.0 + slope * slope).sqrt();
            let chance = triple(self.seed, num::u32(column), u32::from(ring));
            let ray = (along + up * *slope) / stretch;
            let Some(back) = self.pulse(hit, stretch, &ray, lag, chance) else { continue };
            let flat = back.metres / stretch;
            let position = [num::f32(cos) * flat, num::f32(sin) * flat, slope * flat];
            out.points.push(LidarPoint { position, intensity: back.intensity, ring, lag: num::f32(lag) });
            out.instances.push(back.instance);
            out.tags.push(back.tag);
            out.facing.push(back.facing);
        }
    }
    fn pulse(&self, hit: Option<&Hit>, stretch: f32, ray: &V3, lag: f64, chance: u32) -> Option<Return> {
        let light = &self.moment.light;
        let rain = num::f32(self.moment.sky.rain.clamp(0.0, 1.0));
        let loss = light.extinction * 0.25;
        // Drops near the sensor throw a little back before anything else does.
        let drops = (loss * 3.0 + 0.012 * rain).min(0.2);
        let early = unit(hash(chance ^ 0x5a));
        let solid = hit.and_then(|hit| self.solid(hit, stretch, ray, lag, chance, loss, rain));
        if early < drops {
            let metres = 1.5 + 14.0 * unit(hash(chance ^ 0x77)).powi(2);
            if solid.as_ref().is_none_or(|s| metres < s.metres) && metres < num::f32(self.spec.range) {
                let intensity = 0.01 + 0.03 * early / drops.max(1e-6);
                return Some(Return { metres, intensity, instance: 0, tag: Tag::Unlabeled, facing: 1.0 });
            }
        }
        solid
    }
    #[allow(clippy::too_many_arguments)] // one pulse's state
    fn solid(&self, hit: &Hit, stretch: f32, ray: &V3, lag: f64, chance: u32, loss: f32, rain: f32) -> Option<Return> {
        let placed = self.moment.placed(hit.owner)?;
        let facet = placed.shape.facets.get(num::usize(hit.facet))?;
        let surface = placed.shape.surface(facet);
        let mut normal = placed.turn * facet.normal;
        if let Some(instance) = placed.instance.as_ref().filter(|i| i.yaw_rate.abs() > 1e-6) {
            normal = Rotation3::from_axis_angle(&Vector3::z_axis(), num::f32(instance.yaw_rate * lag)) * normal;
        }
        let metres = hit.along * stretch;
        let facing = normal.dot(ray).abs().clamp(0.02, 1.0);
        let (mut share, retro) = reflectance(surface.material);
        let paint = placed.instance.as_ref().filter(|_| surface.painted).map_or(surface.colour, |i| i.paint);
        if !retro
            && matches!(surface.material, Material::Metal | Material::HotMetal | Material::Plaster | Material::Cloth | Material::Plastic)
        {
            // Dark paint throws back less, in infrared too.
            let grey = paint.iter().map(|c| f32::from(*c)).sum::<f32>() / 765.0;
            share *= 0.35 + 0.9 * grey;
        }
        let level = normal.z > 0.8;
        if level {
            share *= 1.0 - 0.55 * light_wet(self.moment);
        }
        let range = num::f32(self.spec.range);
        let gain = if retro { 40.0 } else { 1.0 };
        let power = share * gain * facing * (range / metres).powi(2) * (-2.0 * loss * metres).exp();
        let least = 0.1 * (1.0 + 0.25 * normal_of(chance, 3)) * (1.0 + 0.6 * rain);
        // Most of a pulse goes through glass, and off water.
        let through = match surface.material {
            Material::Glass => 0.70,
            Material::Water => 0.97,
            _ => 0.0,
        };
        if power < least || unit(hash(chance ^ 0x1d)) < through + num::f32(self.spec.dropout) {
            return None;
        }
        let speckle = 1.0 + 0.06 * normal_of(chance, 9);
        let intensity = if retro { (0.72 + 0.28 * facing) * speckle } else { share * facing.powf(0.35) * 0.75 * speckle };
        let noisy = metres + num::f32(self.spec.noise) * normal_of(chance, 5);
        let intensity = intensity.clamp(0.0, 1.0);
        (noisy > 0.3).then(|| Return { metres: noisy, intensity, instance: placed.id(), tag: surface.tag, facing })
    }
}

fn light_wet(moment: &Moment) -> f32 {
    moment.light.wet
}
fn normal_of(chance: u32, which: u32) -> f32 {
    normal(pair(chance, which))
}
