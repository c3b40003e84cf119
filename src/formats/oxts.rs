//! KITTI's OXTS lines: satellite and inertial readings of one instant.
//!
//! *In*: 30 numbers in text (25 are enough). *Out*: [`Gnss`], [`Imu`], [`EgoState`] in the inertial unit's frame (x forward,
//! y left, z up). *Invariant*: the world's origin is the first reading's pose, position and attitude, by a Mercator
//! projection scaled at the first latitude (Geiger et al., IJRR 2013, section 4).

use crate::types::{EgoState, Error, FrameId, Gnss, Imu, Pose, Result};
use nalgebra::{Isometry3, Translation3, UnitQuaternion};
use std::f64::consts::{FRAC_PI_2, TAU};

/// Equatorial radius of WGS 84, metres.
const EARTH_RADIUS: f64 = 6_378_137.0;

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oxts {
    /// Degrees and metres.
    pub gnss: Gnss,
    /// Roll, pitch, yaw, radians; yaw 0 is east, counter-clockwise.
    pub attitude: [f64; 3],
    /// Forward, left and up, m/s.
    pub velocity: [f64; 3],
    /// Inertial reading in the vehicle's frame.
    pub imu: Imu,
}

/// Reads one line.
///
/// # Errors
/// Where it has fewer than 25 finite numbers or no place on the map (latitude within 85 degrees).
pub fn line(text: &str) -> Result<Oxts> {
    let fault = || Error::mismatch("25 or more finite numbers, latitude within 85 degrees", format!("`{}`", text.trim()), "oxts");
    let numbers: Option<Vec<f64>> = text.split_whitespace().map(|w| w.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let numbers = numbers.ok_or_else(fault)?;
    let &[latitude, longitude, altitude, roll, pitch, yaw, _north, _east, vf, vl, vu, ax, ay, az, _, _, _, wx, wy, wz, _, _, _, _, _, ..] =
        numbers.as_slice()
    else {
        return Err(fault());
    };
    if latitude.abs() > 85.0 || longitude.abs() > 360.0 {
        return Err(fault());
    }
    let imu = Imu { acceleration: [ax, ay, az], angular_velocity: [wx, wy, wz], compass: Some((FRAC_PI_2 - yaw).rem_euclid(TAU)) };
    Ok(Oxts { gnss: Gnss { latitude, longitude, altitude }, attitude: [roll, pitch, yaw], velocity: [vf, vl, vu], imu })
}

/// Turns readings into states whose world begins at the first of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Origin {
    scale: f64,
    world_from_map: Isometry3<f64>,
}

impl Origin {
    /// The world that begins at `first`.
    pub fn new(first: &Oxts) -> Self {
        let scale = first.gnss.latitude.to_radians().cos();
        Self { scale, world_from_map: map_pose(first, scale).inverse() }
    }
    /// The state at `reading`.
    pub fn state(&self, reading: &Oxts) -> EgoState {
        let isometry = self.world_from_map * map_pose(reading, self.scale);
        let ([speed, ..], [.., yaw_rate]) = (reading.velocity, reading.imu.angular_velocity);
        EgoState { pose: Pose::new(FrameId::world(), FrameId::vehicle(), isometry), speed, yaw_rate }
    }
}

/// Pose on the Mercator map: x east, y north, z up.
fn map_pose(reading: &Oxts, scale: f64) -> Isometry3<f64> {
    let east = scale * EARTH_RADIUS * reading.gnss.longitude.to_radians();
    let north = scale * EARTH_RADIUS * ((90.0 + reading.gnss.latitude).to_radians() / 2.0).tan().ln();
    let [roll, pitch, yaw] = reading.attitude;
    Isometry3::from_parts(Translation3::new(east, north, reading.gnss.altitude), UnitQuaternion::from_euler_angles(roll, pitch, yaw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(latitude: f64, yaw: f64) -> Oxts {
        line(&format!("{latitude} 8.4 110 0 0 {yaw} 0 0 5 0 0 0 0 9.8 0 0 9.8 0 0 0.1 0 0 0.1 0.1 0.1 4 8 4 4 0")).unwrap()
    }

    #[test]
    fn the_first_pose_is_the_origin_and_north_is_ahead_when_heading_north() {
        let first = reading(49.0, FRAC_PI_2);
        let origin = Origin::new(&first);
        assert!(origin.state(&first).pose.isometry.translation.vector.norm() < 1e-9);
        let second = origin.state(&reading(49.0 + 1e-4, FRAC_PI_2));
        let t = second.pose.isometry.translation.vector;
        assert!((t.x - 11.13).abs() < 0.02 && t.y.abs() < 1e-6, "{t:?}");
        assert_eq!((second.speed, second.yaw_rate), (5.0, 0.1));
        assert!(first.imu.compass.unwrap() < 1e-9);
    }
    #[test]
    fn short_lines_and_the_pole_are_refused() {
        assert!(line("49 8 110").is_err());
        assert!(line(&"nan ".repeat(30)).is_err());
        assert!(line(&"90 ".repeat(30)).is_err());
    }
}
