//! Thermal infrared: temperatures of surfaces as a long-wave camera sees them.
//!
//! *In*: a [`View`] and its shadows, a [`ThermalSpec`]. *Out*: [`ThermalImage`]: 16-bit counts of a hundredth of a degree above -50 degrees Celsius, or 8
//! bits with a gain of the picture's own. Surfaces keep some of the day's warmth by night, by material; engines, tyres and bodies add their own; the
//! clear sky is cold and cools what faces it. Lamps do not light anything here. *Invariant*: road paint has the road's temperature.

use super::light::ramp;
use super::noise::{bits, cloudy2, hash, normal, pair, triple, unit};
use super::shade::lamp_power;
use super::shadow::ShadowField;
use super::view::{Drawn, View};
use crate::types::{Result, ThermalImage, num};
use crate::world::model::{Material, Tag};
use nalgebra::Vector3;
use rayon::prelude::*;

type V3 = Vector3<f32>;

/// Degrees per count of a 16-bit picture.
pub const GAIN: f32 = 0.01;
/// Degrees at count 0.
pub const OFFSET: f32 = -50.0;
/// Smallest span of an 8-bit picture, degrees.
const SPAN: f32 = 9.0;

/// How a thermal camera makes a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThermalCamera {
    /// Noise-equivalent temperature difference, kelvin.
    pub noise: f32,
    /// 8 or 16 bits a pixel.
    pub bits: u8,
    /// Chance.
    pub seed: u32,
    /// Counts pictures.
    pub frame: u32,
}

/// How warm the day made things, and the air.
struct Weather {
    air: f32,
    sky: f32,
    /// Of sunshine now, 0..=1.
    heat: f32,
    /// Of the day that is stored, 0..=1.
    stored: f32,
    damp: f32,
    /// Share of contrast lost per metre.
    loss: f32,
    night: f32,
}

impl Weather {
    fn new(view: &View<'_>) -> Self {
        let (light, sky) = (&view.moment.light, &view.moment.sky);
        let air = if sky.celsius.is_finite() { num::f32(sky.celsius.clamp(-40.0, 50.0)) } else { 14.0 };
        let clouds = num::f32(sky.clouds.clamp(0.0, 1.0)).max(light.wet);
        let hour = num::f32(sky.hour.rem_euclid(24.0));
        let open = 1.0 - 0.8 * clouds;
        // Ground follows the sun by two hours and loses half of its warmth by midnight.
        let since = if hour > 14.0 { hour - 14.0 } else { hour + 10.0 };
        let stored = if (6.0..14.0).contains(&hour) { ramp(6.5, 14.0, hour) } else { (-since / 6.5).exp() };
        Self {
            air,
            sky: air - 9.0 - 24.0 * open,
            heat: light.sun_colour.max().min(1.0),
            stored: stored * (0.35 + 0.65 * open),
            damp: light.wet,
            loss: light.extinction * 0.22,
            night: light.lamps,
        }
    }
}

impl View<'_> {
    /// Temperatures as a thermal camera gives them.
    ///
    /// # Errors
    /// None for a view that was made.
    pub fn thermal(&self, shadows: Option<&ShadowField>, camera: &ThermalCamera) -> Result<ThermalImage> {
        let weather = Weather::new(self);
        let (width, height) = (self.shot.intrinsics.width, self.shot.intrinsics.height);
        let mut degrees = vec![0.0_f32; width * height];
        degrees.par_chunks_mut(width * 8).enumerate().for_each(|(band, rows)| {
            for (y, row) in (band * 8..).zip(rows.chunks_mut(width)) {
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = self.degrees(x, y, shadows, &weather);
                }
            }
        });
        let degrees = softened(&degrees, width, height);
        let chance = pair(camera.seed, camera.frame);
        let noisy: Vec<f32> = degrees
            .par_iter()
            .enumerate()
            .map(|(i, t)| {
                let column = normal(pair(camera.seed, num::u32(i % width)));
                t + camera.noise * (normal(pair(chance, num::u32(i))) + 0.5 * column)
            })
            .collect();
        if camera.bits > 8 {
            let counts: Vec<u16> = noisy.iter().map(|t| num::level16((t - OFFSET) / GAIN)).collect();
            let mut image = ThermalImage::new(width, height, counts, u16::MAX)?;
            image.celsius = Some([GAIN, OFFSET]);
            return Ok(image);
        }
        // The cold sky would take the whole range from what stands below it.
        let below: Vec<f32> = noisy.iter().zip(self.depths()).filter(|(_, d)| d.is_finite()).map(|(t, _)| *t).collect();
        let (low, span) = own_gain(if below.len() * 8 > noisy.len() { &below } else { &noisy });
        let counts: Vec<u16> = noisy.iter().map(|t| u16::from(num::level((t - low) / span * 255.0))).collect();
        ThermalImage::new(width, height, counts, 255)
    }

    fn degrees(&self, x: usize, y: usize, shadows: Option<&ShadowField>, weather: &Weather) -> f32 {
        let (sx, sy) = self.at_pixel(x, y);
        let direction = self.direction(sx, sy);
        let stretch = direction.norm();
        let ray = self.turn * (direction / stretch);
        let Some((drawn, depth)) = self.sample(sx, sy) else {
            let rise = ray.z.max(0.0);
            return weather.air - 3.0 + (weather.sky - weather.air) * (1.0 - (-5.0 * rise).exp());
        };
        let metres = depth * stretch;
        let own = self.warmth(drawn, &ray, metres, shadows, weather).unwrap_or(weather.air);
        weather.air + (own - weather.air) * (-weather.loss * metres).exp()
    }

    fn warmth(&self, drawn: &Drawn, ray: &V3, metres: f32, shadows: Option<&ShadowField>, weather: &Weather) -> Option<f32> {
        let (placed, facet) = self.facet(drawn)?;
        let surface = placed.shape.surface(facet);
        let light = &self.moment.light;
        let world = self.eye.map(num::f32) + ray * metres;
        let normal = placed.turn * facet.normal;
        let facing = normal.dot(&light.sun);
        let sun = if facing > 0.0 && weather.heat > 0.0 {
            weather.heat * facing * shadows.map_or(1.0, |s| s.sunlit(&world, facing))
        } else {
            0.0
        };
        let local = if placed.instance.is_some() { placed.turn.tr_mul(&(ray * metres)) + placed.local(&self.eye) } else { world };
        let seed = hash(placed.id().wrapping_add(17));
        let warm = placed.instance.as_ref().map_or(0.0, |i| i.warmth.clamp(0.0, 1.0));
        let t = material(surface.material, surface.tag, &local, &facet.normal, seed, warm, sun, weather);
        let shining = lamp_power(placed, surface, self.moment.signal(placed), light.lamps) > 0.0;
        let t = if shining && surface.tag != Tag::Building { t + 16.0 } else { t };
        // What is no perfect radiator mirrors the sky above it a little.
        let mirror = match surface.material {
            Material::Metal | Material::HotMetal => 0.16,
            Material::Glass | Material::Water => 0.12,
            Material::Tiles => 0.08,
            _ => 0.04,
        };
        let up = normal.z.max(0.0);
        Some(t + (weather.sky - t) * (mirror * up * (1.0 - 0.5 * weather.damp)))
    }
}

/// Temperature of a material, degrees Celsius.
#[allow(clippy::too_many_arguments)] // everything that heats or cools
fn material(material: Material, tag: Tag, local: &V3, flat: &V3, seed: u32, warm: f32, sun: f32, w: &Weather) -> f32 {
    let (u, v) = if flat.z.abs() > 0.7 { (local.x, local.y) } else { (local.x + local.y, local.z) };
    let grain = cloudy2(u * 0.8, v * 0.8, seed, 2) - 0.5;
    let own = unit(hash(seed)) - 0.5;
    let dry = 1.0 - 0.75 * w.damp;
    // Warmth of sunshine now, of the stored day, and texture, degrees.
    let day = |now: f32, kept: f32, texture: f32| w.air + (now * sun + kept * w.stored) * dry + texture * grain;
    match material {
        Material::Asphalt | Material::Paint => day(13.0, 8.0, 0.7),
        Material::Concrete | Material::Paving => day(9.0, 5.5, 0.7) - 0.4,
        Material::Grass => day(4.5, 1.0, 1.2) - 1.2,
        Material::Soil => day(8.0, 2.5, 0.9) - 0.6,
        Material::Brick => day(10.0, 6.0, 0.8) + own * 1.4,
        Material::Plaster | Material::Facade => day(8.0, 4.5, 0.6) + own * 1.8 + windows(material, local, seed, w),
        Material::Tiles => day(15.0, 1.5, 0.7) - 2.0 * w.night,
        Material::Glass if tag == Tag::Building => w.air + 1.2 + 2.2 * (unit(pair(seed, bits(num::floor_i32(local.z)))) - 0.3),
        Material::Lens if tag == Tag::Building => w.air + 2.6,
        Material::Glass => w.air - 1.2 + 2.5 * warm + 3.0 * sun,
        Material::Metal => w.air - 1.2 * w.night + 14.0 * sun + 5.5 * warm,
        Material::HotMetal => w.air + 10.0 * sun + 26.0 * warm * (0.85 + 0.3 * grain),
        Material::Rubber => day(9.0, 2.0, 0.5) + 15.0 * warm,
        Material::Foliage => day(2.5, 0.8, 1.3) + 0.3,
        Material::Wood => day(7.0, 2.0, 0.8),
        Material::Cloth => {
            let covered = 0.46 - 0.12 * w.damp;
            w.air + (31.0 - w.air) * covered + 3.0 * sun + 2.2 * grain + own
        }
        Material::Skin => 31.5 + (w.air - 31.5) * 0.10 + 1.2 * grain,
        Material::Reflector => day(5.0, 0.6, 0.2) - 1.0 * w.night,
        Material::Lens | Material::Plastic => day(7.0, 1.0, 0.4),
        Material::Water => w.air - 1.5,
    }
}

/// Windows of a painted front leak a little of the rooms' warmth.
fn windows(material: Material, local: &V3, seed: u32, w: &Weather) -> f32 {
    if material != Material::Facade {
        return 0.0;
    }
    let cell = triple(bits(num::floor_i32((local.x + local.y) / 2.8)), bits(num::floor_i32(local.z / 3.0)), seed);
    let inside = (local.z / 3.0).fract() > 0.3 && (local.z / 3.0).fract() < 0.82;
    if inside && unit(cell) < 0.6 { 1.8 * (1.0 + w.night) * unit(hash(cell)) } else { 0.0 }
}

/// The optics' own blur: a tent over three pixels.
fn softened(image: &[f32], width: usize, height: usize) -> Vec<f32> {
    let get = |x: usize, y: usize| image.get(y.min(height - 1) * width + x.min(width - 1)).copied().unwrap_or(0.0);
    let line = |x: usize, y: usize| 0.18 * get(x.saturating_sub(1), y) + 0.64 * get(x, y) + 0.18 * get(x + 1, y);
    (0..width * height)
        .into_par_iter()
        .map(|i| {
            let (x, y) = (i % width, i / width);
            0.18 * line(x, y.saturating_sub(1)) + 0.64 * line(x, y) + 0.18 * line(x, y + 1)
        })
        .collect()
}

/// Lowest temperature and span of an 8-bit picture: the middle 98 percent of what is no sky, at least nine degrees.
fn own_gain(degrees: &[f32]) -> (f32, f32) {
    let mut some: Vec<f32> = degrees.iter().step_by((degrees.len() / 4096).max(1)).copied().collect();
    some.sort_by(f32::total_cmp);
    let at = |share: f32| some.get(num::cell(f64::from(share) * some.len() as f64, some.len()).unwrap_or(0)).copied().unwrap_or(0.0);
    let (low, high) = (at(0.01), at(0.99));
    let span = (high - low).max(SPAN) * 1.15;
    ((low + high) * 0.5 - span * 0.5, span)
}
