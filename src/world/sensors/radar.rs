//! A radar: returns with range rate and cross-section.
//!
//! *In*: a [`Moment`], where the sensor is and how its carrier moves, a [`RadarSpec`]. *Out*: a [`RadarScan`] in the sensor's frame (x forward, y left,
//! z up). Rays in a grid find what is in sight; each thing answers with a few of its hits, the more the larger its cross-section is and the nearer it
//! is. *Invariant*: the range rate is that of the point that was hit, turning included, positive away from the sensor.

use super::fan::{Beams, Fan};
use super::geometry::{Moment, Placed, checked_pose};
use super::lidar::Carrier;
use super::noise::{hash, normal, pair, triple, unit};
use crate::types::{Error, RadarReturn, RadarScan, Result, num};
use crate::world::model::Tag;
use nalgebra::{Isometry3, Vector3};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of radar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RadarSpec {
    /// Width of the field of view, degrees.
    pub fov: f64,
    /// Farthest return, metres.
    pub range: f64,
    /// Deviation of a distance, metres.
    pub noise: f64,
    /// Deviation of a direction, degrees.
    pub noise_degrees: f64,
    /// Deviation of a range rate, m/s.
    pub noise_rate: f64,
}

impl Default for RadarSpec {
    fn default() -> Self {
        Self { fov: 90.0, range: 120.0, noise: 0.12, noise_degrees: 0.4, noise_rate: 0.08 }
    }
}

/// Rays across a degree.
const DENSITY: f64 = 2.0;
/// Slopes of the rays.
const SLOPES: [f32; 5] = [-0.06, -0.03, -0.008, 0.012, 0.04];

impl RadarSpec {
    /// Checks the numbers.
    ///
    /// # Errors
    /// Where one makes no sense.
    pub fn checked(&self) -> Result<()> {
        let sane = |v: f64, low: f64, high: f64| v.is_finite() && (low..=high).contains(&v);
        let noises = sane(self.noise, 0.0, 10.0) && sane(self.noise_degrees, 0.0, 30.0) && sane(self.noise_rate, 0.0, 10.0);
        if sane(self.fov, 1.0, 179.0) && sane(self.range, 1.0, 1000.0) && noises {
            return Ok(());
        }
        Err(Error::mismatch("a field of view of 1 to 179 degrees, a range of 1 to 1000 m, small noises", format!("{self:?}"), "radar"))
    }
}

/// Typical cross-section, dBsm, and most returns of one thing; `None` for what radar hardly sees.
fn cross_section(placed: &Placed, tag: Tag) -> Option<(f32, usize)> {
    let class = placed.instance.as_ref().and_then(|i| i.body.class);
    Some(match (class, tag) {
        (Some("car"), _) => (10.0, 3),
        (Some("truck" | "bus" | "trailer" | "construction_vehicle"), _) => (20.0, 6),
        (Some("motorcycle"), _) => (5.0, 1),
        (Some("bicycle"), _) => (0.0, 1),
        (Some("pedestrian"), _) => (-6.0, 1),
        (Some("barrier"), _) => (4.0, 1),
        (Some("traffic_cone"), _) => (-12.0, 1),
        (_, Tag::Pole | Tag::TrafficLight | Tag::TrafficSign) => (6.0, 1),
        (_, Tag::GuardRail | Tag::Fence) => (5.0, 4),
        (_, Tag::Building | Tag::Wall) => (12.0, 5),
        (_, Tag::Vegetation) => (-4.0, 1),
        (_, Tag::Roads | Tag::SideWalks | Tag::RoadLine | Tag::Terrain | Tag::Ground | Tag::Sky | Tag::Water) => return None,
        _ => (0.0, 1),
    })
}

struct Echo {
    owner: u32,
    azimuth: f64,
    slope: f32,
    metres: f32,
    tag: Tag,
}

/// One scan; `skip` is what the sensor does not see.
///
/// # Errors
/// Where pose or spec make no sense.
pub fn scan(
    moment: &Moment,
    pose: &Isometry3<f64>,
    carrier: &Carrier,
    spec: &RadarSpec,
    seed: u32,
    skip: Option<u32>,
) -> Result<RadarScan> {
    checked_pose(pose, "radar")?;
    spec.checked()?;
    let count = num::cell(spec.fov * DENSITY, 1000).unwrap_or(1).max(1);
    let mut beams = Beams::new(&SLOPES, num::f32(spec.range));
    let mut things: BTreeMap<u32, Vec<Echo>> = BTreeMap::new();
    for step in 0..count {
        let azimuth = ((step as f64 + 0.5) / count as f64 - 0.5) * spec.fov.to_radians();
        let (sin, cos) = azimuth.sin_cos();
        let along = (pose.rotation * Vector3::new(cos, sin, 0.0)).map(num::f32);
        let up = (pose.rotation * Vector3::z()).map(num::f32);
        beams.clear();
        Fan { origin: pose.translation.vector, along, up }.cast(moment, 0.0, skip, &mut beams);
        for (slope, hit) in SLOPES.iter().zip(beams.hits()) {
            let Some((hit, placed)) = hit.and_then(|h| Some((h, moment.placed(h.owner)?))) else { continue };
            let Some(facet) = placed.shape.facets.get(num::usize(hit.facet)) else { continue };
            let (tag, metres) = (placed.shape.surface(facet).tag, hit.along * (1.0 + slope * slope).sqrt());
            things.entry(hit.owner).or_default().push(Echo { owner: hit.owner, azimuth, slope: *slope, metres, tag });
        }
    }
    let mut returns = Vec::new();
    for echoes in things.values() {
        answer(moment, pose, carrier, spec, seed, echoes, &mut returns);
    }
    Ok(RadarScan { returns })
}

fn answer(
    moment: &Moment,
    pose: &Isometry3<f64>,
    carrier: &Carrier,
    spec: &RadarSpec,
    seed: u32,
    echoes: &[Echo],
    out: &mut Vec<RadarReturn>,
) {
    let Some(first) = echoes.first() else { return };
    let Some(placed) = moment.placed(first.owner) else { return };
    let Some((typical, most)) = cross_section(placed, first.tag) else { return };
    for k in 0..most.min(echoes.len()) {
        let chance = triple(seed, first.owner, num::u32(k));
        let Some(echo) = num::cell(f64::from(unit(chance)) * echoes.len() as f64, echoes.len()).and_then(|i| echoes.get(i)) else {
            continue;
        };
        let section = typical + 3.0 * normal(hash(chance)) - 2.0 * k as f32;
        // The radar equation: a target of 0 dBsm is just seen at half the range.
        let level = section - 40.0 * (echo.metres / num::f32(spec.range * 0.5)).max(0.05).log10();
        if level + 4.0 * normal(pair(chance, 2)) < 0.0 {
            continue;
        }
        let (sin, cos) = echo.azimuth.sin_cos();
        let slope = f64::from(echo.slope);
        let ray = Vector3::new(cos, sin, slope) / (1.0 + slope * slope).sqrt();
        let ray_world = pose.rotation * ray;
        let point = pose.translation.vector + ray_world * f64::from(echo.metres);
        let own = speed_at(&Vector3::from(carrier.velocity), carrier.yaw_rate, &Vector3::from(carrier.at), &pose.translation.vector);
        let other =
            placed.instance.as_ref().map_or_else(Vector3::zeros, |i| speed_at(&Vector3::from(i.velocity), i.yaw_rate, &placed.at, &point));
        let rate = (other - own).dot(&ray_world);
        let metres = f64::from(echo.metres) + spec.noise * f64::from(normal(pair(chance, 3)));
        let azimuth = echo.azimuth + spec.noise_degrees.to_radians() * f64::from(normal(pair(chance, 4)));
        let flat = metres / (1.0 + slope * slope).sqrt();
        let position = [flat * azimuth.cos(), flat * azimuth.sin(), flat * slope].map(num::f32);
        let range_rate = num::f32(rate + spec.noise_rate * f64::from(normal(pair(chance, 5))));
        out.push(RadarReturn { position, range_rate, cross_section: section });
    }
}

/// Velocity of a point of a body that moves and turns about z.
fn speed_at(velocity: &Vector3<f64>, yaw_rate: f64, origin: &Vector3<f64>, point: &Vector3<f64>) -> Vector3<f64> {
    velocity + Vector3::new(0.0, 0.0, yaw_rate).cross(&(point - origin))
}
