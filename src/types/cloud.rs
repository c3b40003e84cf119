//! Point clouds and radar returns, in the sensor's own frame; the calibration beside them leads to the vehicle.

use super::{Buffer, Error, Result};
use serde::{Deserialize, Serialize};

/// One LiDAR return.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LidarPoint {
    /// x, y, z in metres, sensor frame.
    pub position: [f32; 3],
    /// Reflectance in 0..=1.
    pub intensity: f32,
    /// Ring (laser) number; 0 where the sensor does not tell.
    pub ring: u16,
    /// Seconds after the frame's stamp, below 0 for an earlier sweep; 0 where the sensor does not tell.
    pub lag: f32,
}

/// One sweep, or several as one. All coordinates are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct PointCloud {
    points: Buffer<LidarPoint>,
    at_stamp: bool,
}

impl PointCloud {
    /// From points, each as seen from where the sensor was at the point's own time; empty is a valid sweep.
    ///
    /// # Errors
    /// Where a coordinate or intensity is NaN or infinite.
    pub fn new(points: impl Into<Buffer<LidarPoint>>) -> Result<Self> {
        let points = points.into();
        let finite = |p: &LidarPoint| p.position.iter().all(|v| v.is_finite()) && p.intensity.is_finite() && p.lag.is_finite();
        let bad = points.iter().filter(|p| !finite(p)).count();
        if bad > 0 {
            let found = format!("{bad} of {} points with NaN or infinity", points.len());
            return Err(Error::mismatch("finite coordinates", found, "point cloud"));
        }
        Ok(Self { points, at_stamp: false })
    }
    /// From points that were moved to where the sensor was at the frame's stamp; their lags only tell their age.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn at_stamp(points: impl Into<Buffer<LidarPoint>>) -> Result<Self> {
        Ok(Self { at_stamp: true, ..Self::new(points)? })
    }
    /// Whether the vehicle's motion between a point's time and the frame's stamp is already out of its position.
    pub const fn is_at_stamp(&self) -> bool {
        self.at_stamp
    }
    /// The points.
    pub fn points(&self) -> &[LidarPoint] {
        &self.points
    }
}

/// One radar return, in the radar's frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RadarReturn {
    /// x, y, z in metres.
    pub position: [f32; 3],
    /// Speed along the ray, m/s, positive away from the radar.
    pub range_rate: f32,
    /// Radar cross section, dBsm.
    pub cross_section: f32,
}

/// One radar scan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RadarScan {
    /// The returns.
    pub returns: Vec<RadarReturn>,
}
