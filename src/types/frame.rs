//! One reading of one sensor.

use super::{
    Calibration, DepthImage, EgoState, Fragment, Gnss, HostTime, Imu, LabelImage, PointCloud, RadarScan, RgbImage, SensorId, SensorTime,
    ThermalImage,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a sensor measures; large readings are shared.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Payload {
    /// Colour picture.
    Rgb(Arc<RgbImage>),
    /// Depth picture.
    Depth(Arc<DepthImage>),
    /// Thermal picture.
    Thermal(Arc<ThermalImage>),
    /// Class or instance numbers.
    Labels(Arc<LabelImage>),
    /// LiDAR sweep.
    Cloud(Arc<PointCloud>),
    /// Radar scan.
    Radar(Arc<RadarScan>),
    /// Inertial reading.
    Imu(Imu),
    /// Satellite position.
    Gnss(Gnss),
    /// Vehicle state.
    Ego(EgoState),
    /// Torn piece of a picture.
    Fragment(Arc<Fragment>),
}

/// The kind of a [`Payload`], known before the first frame arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Colour picture.
    Rgb,
    /// Depth picture.
    Depth,
    /// Thermal picture.
    Thermal,
    /// Class or instance numbers.
    Labels,
    /// LiDAR sweep.
    Cloud,
    /// Radar scan.
    Radar,
    /// Inertial reading.
    Imu,
    /// Satellite position.
    Gnss,
    /// Vehicle state.
    Ego,
    /// Torn piece of a picture.
    Fragment,
}

impl Payload {
    /// Its kind.
    pub const fn modality(&self) -> Modality {
        match self {
            Self::Rgb(_) => Modality::Rgb,
            Self::Depth(_) => Modality::Depth,
            Self::Thermal(_) => Modality::Thermal,
            Self::Labels(_) => Modality::Labels,
            Self::Cloud(_) => Modality::Cloud,
            Self::Radar(_) => Modality::Radar,
            Self::Imu(_) => Modality::Imu,
            Self::Gnss(_) => Modality::Gnss,
            Self::Ego(_) => Modality::Ego,
            Self::Fragment(_) => Modality::Fragment,
        }
    }
}

/// One reading of one sensor. Cloning shares payload and calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Who measured.
    pub sensor: SensorId,
    /// Counts the sensor's frames from 0; a gap means that the sensor itself skipped.
    pub seq: u64,
    /// When it was true.
    pub captured: SensorTime,
    /// When it reached this program.
    pub arrived: HostTime,
    /// How the sensor sees and where it sits.
    pub calibration: Arc<Calibration>,
    /// The reading.
    pub payload: Payload,
}
