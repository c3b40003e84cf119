//! Sensors that follow from an actor's motion alone: inertial and satellite.
//!
//! *Units and frames*: the wire's own; compass in radians clockwise from north, which is -y. *Invariant*: at rest the
//! accelerometer reads gravity upwards; the same seed and frame give the same noise.

use super::super::axes;
use super::super::sensor::ImuReading;
use super::super::structs::{ActorDescription, GeoLocation, Transform, Vector3D};
use super::simulator::Motion;
use crate::types::num;
use nalgebra::Vector3;

/// Mean radius that CARLA's georeference uses, metres.
const EARTH: f64 = 6_378_137.0;

/// Latitude, longitude and altitude of a place of a map whose origin is at `[latitude, longitude]`: a Mercator projection
/// scaled at the origin's latitude.
pub fn geolocation(place: &Vector3D, origin: [f64; 2]) -> GeoLocation {
    let [lat0, lon0] = origin;
    let scale = lat0.to_radians().cos();
    let mx = scale * EARTH * lon0.to_radians() + f64::from(place.x);
    let my = scale * EARTH * ((90.0 + lat0).to_radians() / 2.0).tan().ln() - f64::from(place.y);
    GeoLocation {
        latitude: (my / (EARTH * scale)).exp().atan().to_degrees() * 2.0 - 90.0,
        longitude: (mx / (EARTH * scale)).to_degrees(),
        altitude: f64::from(place.z),
    }
}

/// Noise with a seed: the n-th draw of a frame is always the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64, frame: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ frame.wrapping_mul(0xBF58_476D_1CE4_E5B9))
    }
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

fn set(what: &ActorDescription, id: &str) -> f64 {
    what.number(id, 0.0).unwrap_or(0.0)
}

/// What an inertial sensor at `at` on a body in this motion reads.
pub(crate) fn imu(what: &ActorDescription, body: &Motion, at: &Transform, gravity: f64, frame: u64) -> ImuReading {
    let turn = axes::rotation(&at.rotation).inverse();
    let force = turn * (axes::vector(&body.acceleration) + Vector3::new(0.0, 0.0, gravity));
    let spin = turn * axes::axial(&body.angular_velocity).map(f64::to_radians);
    let mut noise = Noise::new(set(what, "noise_seed").to_bits(), frame);
    let mut noisy = |v: Vector3D, stddev: [&str; 3], bias: Option<[&str; 3]>| {
        let mut parts = v.array();
        for (i, (part, name)) in parts.iter_mut().zip(stddev).enumerate() {
            let constant = bias.and_then(|b| b.get(i).map(|n| set(what, n))).unwrap_or(0.0);
            *part = num::f32(f64::from(*part) + noise.normal() * set(what, name) + constant);
        }
        let [x, y, z] = parts;
        Vector3D { x, y, z }
    };
    let accelerometer = noisy(axes::to_vector(&force), ["noise_accel_stddev_x", "noise_accel_stddev_y", "noise_accel_stddev_z"], None);
    let gyroscope = noisy(
        axes::to_axial(&spin),
        ["noise_gyro_stddev_x", "noise_gyro_stddev_y", "noise_gyro_stddev_z"],
        Some(["noise_gyro_bias_x", "noise_gyro_bias_y", "noise_gyro_bias_z"]),
    );
    let compass = (f64::from(at.rotation.yaw).to_radians() + std::f64::consts::FRAC_PI_2).rem_euclid(std::f64::consts::TAU);
    ImuReading { accelerometer, gyroscope, compass: num::f32(compass) }
}

/// What a satellite receiver at `at` reads.
pub(crate) fn gnss(what: &ActorDescription, at: &Transform, origin: [f64; 2], frame: u64) -> GeoLocation {
    let mut place = geolocation(&at.location, origin);
    let mut noise = Noise::new(set(what, "noise_seed").to_bits() ^ 1, frame);
    place.latitude += noise.normal() * set(what, "noise_lat_stddev") + set(what, "noise_lat_bias");
    place.longitude += noise.normal() * set(what, "noise_lon_stddev") + set(what, "noise_lon_bias");
    place.altitude += noise.normal() * set(what, "noise_alt_stddev") + set(what, "noise_alt_bias");
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_where_the_official_client_puts_them() {
        // From the transcripts: the origin at 49 N 8 E, 111320 m a degree of latitude, north is -y.
        let there = geolocation(&Vector3D::new(100.0, -50.0, 2.0), [49.0, 8.0]);
        assert!((there.latitude - 49.0 - 50.0 / 111_319.49).abs() < 1e-8, "{there:?}");
        assert!((there.longitude - 8.0 - 100.0 / (111_319.49 * 49_f64.to_radians().cos())).abs() < 1e-8, "{there:?}");
    }

    #[test]
    fn at_rest_gravity_points_up_and_north_is_minus_y() {
        let (what, body) = (ActorDescription::default(), Motion::default());
        let read = imu(&what, &body, &Transform::default(), 9.81, 1);
        assert!((read.accelerometer.z - 9.81).abs() < 1e-5 && (read.compass - std::f32::consts::FRAC_PI_2).abs() < 1e-5);
        let mut turning = Motion::default();
        turning.angular_velocity.z = 90.0;
        assert!((imu(&what, &turning, &Transform::default(), 9.81, 1).gyroscope.z - std::f32::consts::FRAC_PI_2).abs() < 1e-5);
    }
}
