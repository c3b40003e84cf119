//! One reading of one sensor.

use super::{
    BevMap, Box3, Calibration, Control, DepthImage, EgoState, Fragment, Gnss, HostTime, Imu, LabelImage, PointCloud, RadarScan, RgbImage,
    SensorId, SensorTime, ThermalImage, Trajectory,
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
    /// Annotated boxes in the vehicle frame: the truth, or somebody's labels.
    Boxes(Arc<Vec<Box3>>),
    /// Annotated map layers from above.
    Map(Arc<BevMap>),
    /// The route ahead, or an expert's way points.
    Trajectory(Arc<Trajectory>),
    /// What the driver did.
    Control(Control),
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
    /// Annotated boxes.
    Boxes,
    /// Annotated map layers.
    Map,
    /// Route or way points.
    Trajectory,
    /// What the driver did.
    Control,
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
            Self::Boxes(_) => Modality::Boxes,
            Self::Map(_) => Modality::Map,
            Self::Trajectory(_) => Modality::Trajectory,
            Self::Control(_) => Modality::Control,
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
    /// What its data set calls it (a file's stem), where it has a name; results are named after it.
    pub name: Option<Arc<str>>,
    /// The reading.
    pub payload: Payload,
}

impl Frame {
    /// A frame that has just been made; the runtime stamps its arrival.
    pub const fn new(sensor: SensorId, seq: u64, captured: SensorTime, calibration: Arc<Calibration>, payload: Payload) -> Self {
        Self { sensor, seq, captured, arrived: HostTime::from_nanos(0), calibration, name: None, payload }
    }
    /// The same, with the name that its data set has for it.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}
