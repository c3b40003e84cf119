//! Small readings: inertial, satellite, ego state, control.

use super::Pose;
use serde::{Deserialize, Serialize};

/// Inertial reading in the sensor's frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Imu {
    /// Specific force, m/s^2.
    pub acceleration: [f64; 3],
    /// Angular velocity, rad/s.
    pub angular_velocity: [f64; 3],
    /// Heading from north, clockwise, radians, where there is a compass.
    pub compass: Option<f64>,
}

/// Satellite position, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Gnss {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Metres above the ellipsoid.
    pub altitude: f64,
}

/// Where the vehicle is and how it moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EgoState {
    /// World from vehicle.
    pub pose: Pose,
    /// Forward speed, m/s.
    pub speed: f64,
    /// Angular velocity about z, rad/s.
    pub yaw_rate: f64,
}

/// What the vehicle is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Control {
    /// 0..=1.
    pub throttle: f32,
    /// -1 (left) ..= 1 (right), CARLA's convention.
    pub steer: f32,
    /// 0..=1.
    pub brake: f32,
    /// Drive backwards.
    pub reverse: bool,
}
