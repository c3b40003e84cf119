//! Sun, sky, haze and the hour.
//!
//! *In*: [`Sky`]. *Out*: [`Light`]: linear colours in units where a white wall in the noon sun has one. The sun's path is that of latitude 48
//! degrees with a declination of 8 degrees, its colour Kasten and Young's air mass through three optical depths.
//! *Invariant*: brightness falls from day to night by three and a half decades without a step.

use super::noise;
use crate::types::num;
use crate::world::model::Sky;
use nalgebra::Vector3;

type V3 = Vector3<f32>;

/// Light of one hour and weather.
#[derive(Debug, Clone)]
pub struct Light {
    /// Towards the sun, world frame.
    pub sun: V3,
    /// Of its direct light on a surface that faces it.
    pub sun_colour: V3,
    /// Light of the whole sky on a level surface.
    pub ambient: V3,
    /// Light that the ground throws back.
    pub bounce: V3,
    /// Colour of the sky overhead.
    pub zenith: V3,
    /// Colour at the horizon, and of fog.
    pub horizon: V3,
    glow: V3,
    /// Share of light lost per metre of air.
    pub extinction: f32,
    /// How wet surfaces are, 0..=1.
    pub wet: f32,
    /// How far street lamps and windows are on, 0..=1.
    pub lamps: f32,
    /// Brightness of the day, 1 at noon to 0.0004 at night.
    pub day: f32,
    clouds: f32,
    /// Elevation of the sun, degrees.
    pub elevation: f32,
}

/// `0` below `a`, `1` above `b`, smooth between.
#[inline]
pub fn ramp(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Brightness by the sun's elevation in degrees: decades between known twilights.
fn brightness(elevation: f32) -> f32 {
    const STEPS: [(f32, f32); 6] = [(-18.0, -3.4), (-12.0, -3.1), (-6.0, -2.1), (0.0, -0.85), (8.0, -0.3), (25.0, 0.0)];
    let mut below = STEPS[0];
    for step in STEPS {
        if elevation < step.0 {
            let t = ((elevation - below.0) / (step.0 - below.0).max(1e-6)).clamp(0.0, 1.0);
            return 10.0_f32.powf(below.1 + (step.1 - below.1) * t);
        }
        below = step;
    }
    1.0
}

impl Light {
    /// Of an hour and weather; numbers that make no sense are those of a fair day.
    pub fn new(sky: &Sky) -> Self {
        let sane = |v: f64, low: f64, high: f64, or: f64| if v.is_finite() { v.clamp(low, high) } else { or };
        let hour = if sky.hour.is_finite() { sky.hour.rem_euclid(24.0) } else { 12.0 };
        let (clouds, rain) = (num::f32(sane(sky.clouds, 0.0, 1.0, 0.3)), num::f32(sane(sky.rain, 0.0, 1.0, 0.0)));
        let clouds = clouds.max(rain.sqrt() * 0.95).min(1.0);
        let visibility = num::f32(sane(sky.visibility, 5.0, 20_000.0, 20_000.0)) / (1.0 + 12.0 * rain);
        let visibility = visibility.min(20_000.0 - 15_500.0 * rain.min(1.0));
        let (latitude, declination) = (48_f64.to_radians(), 8_f64.to_radians());
        let turn = ((hour - 12.0) * 15.0).to_radians();
        let up = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * turn.cos();
        let east = -declination.cos() * turn.sin();
        let north = latitude.cos() * declination.sin() - latitude.sin() * declination.cos() * turn.cos();
        let sun = Vector3::new(east, north, up).normalize().map(num::f32);
        let elevation = sun.z.clamp(-1.0, 1.0).asin().to_degrees();
        let day = brightness(elevation);
        let fog = (1.0 - ramp(400.0, 6_000.0, visibility)).max(0.0);
        let air = 1.0 / (sun.z.max(0.0) + 0.50572 * (elevation.max(0.0) + 6.07995).powf(-1.6364));
        let through = V3::new(-0.085, -0.15, -0.29).map(|d| (d * (air - 1.0)).exp());
        let direct = ramp(-0.8, 3.0, elevation) * (1.0 - 0.97 * ramp(0.35, 0.95, clouds)) * (1.0 - 0.95 * fog);
        let sun_colour = through.component_mul(&V3::new(1.0, 0.95, 0.88)) * direct;
        let low = 1.0 - ramp(2.0, 22.0, elevation);
        let overcast = ramp(0.3, 0.95, clouds).max(fog);
        let mix = |a: V3, b: V3, t: f32| a + (b - a) * t;
        let clear_zenith = mix(V3::new(0.095, 0.225, 0.56), V3::new(0.075, 0.135, 0.36), low);
        let clear_horizon = mix(V3::new(0.42, 0.56, 0.78), V3::new(0.50, 0.50, 0.60), low);
        let grey = V3::new(0.50, 0.53, 0.57);
        let dim = 1.0 - 0.35 * rain;
        let zenith = mix(clear_zenith, grey * 0.95, overcast) * (day * dim);
        let horizon = mix(clear_horizon, grey * 0.86, overcast) * (day * dim);
        // Over a town at night the haze glows a little by the lamps below.
        let town = V3::new(0.9, 0.66, 0.45) * (0.00055 * (1.0 + 1.5 * overcast));
        let lamps = 1.0 - ramp(-1.5, 2.5, elevation);
        let (zenith, horizon) = (zenith + town * 0.4 * lamps, horizon + town * lamps);
        let ambient = (zenith * 0.62 + horizon * 0.38) * mix(V3::repeat(0.95), V3::repeat(1.15), overcast).x;
        let bounce = (ambient + sun_colour * sun.z.max(0.0)).component_mul(&V3::new(0.16, 0.15, 0.13));
        let glow = V3::new(1.0, 0.46, 0.17) * (day * low * (1.0 - overcast) * ramp(-9.0, 0.0, elevation));
        Self {
            sun,
            sun_colour,
            ambient,
            bounce,
            zenith,
            horizon,
            glow,
            extinction: 3.912 / visibility,
            wet: ramp(0.0, 0.35, rain),
            lamps,
            day,
            clouds,
            elevation,
        }
    }
    /// The sky in a direction, without clouds: what smooth surfaces mirror.
    #[inline]
    pub fn clear_sky(&self, direction: &V3) -> V3 {
        let up = direction.z.clamp(0.0, 1.0);
        let rise = 1.0 - up;
        let near_horizon = rise * rise * rise;
        let mut colour = self.zenith + (self.horizon - self.zenith) * near_horizon;
        let towards = direction.dot(&self.sun).max(0.0);
        if self.glow.x > 0.0 {
            colour +=
                self.glow * ((0.75 * towards.powi(5) + 0.16 * (towards + 0.25)) * near_horizon * near_horizon + 0.05 * towards.powi(4));
        }
        colour
    }
    /// The sky as a camera sees it: with clouds and the sun.
    pub fn sky(&self, direction: &V3) -> V3 {
        let mut colour = self.clear_sky(direction);
        let towards = direction.dot(&self.sun).max(0.0);
        colour += self.sun_colour * (0.22 * towards.powi(96) + 0.05 * towards.powi(12));
        if direction.z > 0.01 && self.clouds > 0.02 {
            // A level layer, drawn together towards the horizon; heaps on it, and wisps that fray their rims.
            let reach = 1.0 / (direction.z + 0.10);
            let (x, y) = (direction.x * reach * 1.1, direction.y * reach * 1.1);
            let heaps = noise::cloudy2(x, y, 0x51c7, 4);
            let thick = 0.78 * heaps + 0.22 * noise::cloudy2(x * 3.7, y * 3.7, 0x51c8, 4);
            let cover = 0.70 - 0.52 * self.clouds;
            let veil = ramp(cover, cover + 0.13, thick) * ramp(0.01, 0.10, direction.z);
            if veil > 0.0 {
                // Thicker towards the sun means shade on this side.
                let other = noise::cloudy2(x + self.sun.x * 0.22, y + self.sun.y * 0.22, 0x51c7, 4);
                let bright = (0.62 + 3.0 * (heaps - other) - 0.9 * (thick - cover)).clamp(0.0, 1.0);
                let sunny = self.sun_colour * ((0.22 + 0.62 * bright) * ramp(-2.0, 10.0, self.elevation) + 0.25 * towards.powi(6));
                let lit = self.ambient * (0.72 + 0.28 * bright) + sunny + self.glow * (0.12 + 0.5 * towards.powi(3));
                colour += (lit - colour) * (veil * (0.55 + 0.42 * self.clouds));
            }
        }
        if self.sun_colour.x > 0.02 && towards > 0.999_4 {
            colour += self.sun_colour * 20.0;
        }
        colour
    }
    /// Share of light that comes through so many metres of air.
    #[inline]
    pub fn through(&self, metres: f32) -> f32 {
        // (1 + x/8 + x^2/128)^-8: within two hundredths of the exponential, and much cheaper.
        let x = self.extinction * metres * 0.125;
        let root = 1.0 / (1.0 + x * (1.0 + 0.5 * x));
        let fourth = root * root * root * root;
        fourth * fourth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sun_rises_in_the_east_and_the_day_is_brighter_than_the_night() {
        let at = |hour| Light::new(&Sky { hour, ..Sky::default() });
        assert!(at(8.0).sun.x > 0.5 && at(17.0).sun.x < -0.5 && at(12.0).sun.y < 0.0);
        assert!(at(12.0).elevation > 45.0 && at(0.0).elevation < -20.0);
        let mut last = at(0.0).ambient.y;
        for step in 1..48 {
            let now = at(f64::from(step) * 0.25).ambient.y;
            assert!(now >= last * 0.98, "hour {}", f64::from(step) * 0.25);
            last = now;
        }
        assert!(at(12.0).ambient.y > 200.0 * at(0.0).ambient.y);
        assert!(at(23.0).lamps > 0.99 && at(12.0).lamps == 0.0);
        let odd = Light::new(&Sky { hour: f64::NAN, clouds: f64::INFINITY, rain: f64::NAN, visibility: 0.0, celsius: 0.0 });
        assert!(odd.sky(&V3::new(0.6, 0.0, 0.8)).iter().all(|v| v.is_finite()) && odd.extinction.is_finite());
    }
}
