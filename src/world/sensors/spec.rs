//! What a configuration says of one sensor of the embedded world.
//!
//! *In / Out*: a [`SensorSpec`], as written, and completed by defaults and by the sensor it is `like`. *Invariant*: a completed spec makes sense.

use super::labels::Numbering;
use crate::types::{Error, Modality, Result};
use serde::{Deserialize, Serialize};

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorKind {
    /// Colour pictures.
    Rgb,
    /// Metres along the optical axis.
    Depth,
    /// Class per pixel.
    Semantic,
    /// Instance per pixel.
    Instance,
    /// Thermal infrared.
    Thermal,
    /// A spinning LiDAR.
    Lidar,
    /// A radar.
    Radar,
    /// Specific force, angular velocity, compass.
    Imu,
    /// Satellite position.
    Gnss,
    /// Pose, speed and yaw rate of the vehicle, without noise.
    Ego,
    /// Truth: boxes of the ten detection classes within `range`.
    Boxes,
    /// Truth: map layers around the vehicle, `range` metres a side.
    Map,
    /// Truth: the route ahead, `range` metres.
    Route,
    /// Truth: where the expert drives in the next three seconds.
    Future,
    /// Truth: what the expert does.
    Control,
}

impl SensorKind {
    /// Whether it is a picture.
    pub const fn is_camera(self) -> bool {
        matches!(self, Self::Rgb | Self::Depth | Self::Semantic | Self::Instance | Self::Thermal)
    }
    /// Whether it is read from the world's books and not measured.
    pub const fn is_truth(self) -> bool {
        matches!(self, Self::Boxes | Self::Map | Self::Route | Self::Future | Self::Control)
    }
    /// Kind of its payload.
    pub const fn modality(self) -> Modality {
        match self {
            Self::Rgb => Modality::Rgb,
            Self::Depth => Modality::Depth,
            Self::Semantic | Self::Instance => Modality::Labels,
            Self::Thermal => Modality::Thermal,
            Self::Lidar => Modality::Cloud,
            Self::Radar => Modality::Radar,
            Self::Imu => Modality::Imu,
            Self::Gnss => Modality::Gnss,
            Self::Ego => Modality::Ego,
            Self::Boxes => Modality::Boxes,
            Self::Map => Modality::Map,
            Self::Route | Self::Future => Modality::Trajectory,
            Self::Control => Modality::Control,
        }
    }
}

/// A sensor: kind, name, place; the rest has defaults by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorSpec {
    /// Its name in the pipeline.
    pub name: String,
    /// What it measures.
    pub kind: SensorKind,
    /// Takes place, size and lens from this sensor, where they are not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// x, y, z in the vehicle frame, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<[f64; 3]>,
    /// Yaw to the left, pitch upwards, roll, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<[f64; 3]>,
    /// Readings a second; 10 where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<f64>,
    /// Deviation of the noise: levels of 255 (colour, 1), kelvin (thermal, 0.05), metres (LiDAR 0.015, radar 0.12, GNSS 0.6), m/s^2 (IMU, 0.02).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Farthest that it sees, metres: depth 200, LiDAR 90, radar 120, boxes 60, map 60, route 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<f64>,
    /// Cameras: columns (320).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Cameras: rows (160).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// Cameras and radar: horizontal field of view, degrees (90).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fov: Option<f64>,
    /// Colour: four samples a pixel (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antialias: Option<bool>,
    /// Semantic: which table of classes (`carla`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<Numbering>,
    /// Thermal: 8 (own gain) or 16 bits (hundredths of a degree).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// Degrees by which it is really turned away from where its calibration says, drawn once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misalign: Option<f64>,
    /// LiDAR: number of beams (32).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beams: Option<usize>,
    /// LiDAR: elevation of ring 0, degrees (-30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest: Option<f64>,
    /// LiDAR: elevation of the last ring, degrees (10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    /// LiDAR: firings a turn (1000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// LiDAR: share of returns lost without a reason (0.005).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// LiDAR: whether it turns while the world moves (true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<bool>,
}

impl SensorSpec {
    /// A sensor of a kind, everything else by default.
    pub fn new(name: &str, kind: SensorKind) -> Self {
        let name = name.to_owned();
        let (like, at, turn, rate_hz, noise, range) = (None, None, None, None, None, None);
        let (width, height, fov, antialias, numbering, bits, misalign) = (None, None, None, None, None, None, None);
        let (beams, lowest, highest, columns, dropout, rolling) = (None, None, None, None, None, None);
        Self {
            name,
            kind,
            like,
            at,
            turn,
            rate_hz,
            noise,
            range,
            width,
            height,
            fov,
            antialias,
            numbering,
            bits,
            misalign,
            beams,
            lowest,
            highest,
            columns,
            dropout,
            rolling,
        }
    }
    /// The same, at a place.
    #[must_use]
    pub const fn placed(mut self, at: [f64; 3], yaw: f64) -> Self {
        (self.at, self.turn) = (Some(at), Some([yaw, 0.0, 0.0]));
        self
    }
    /// The same, of a size and width of view.
    #[must_use]
    pub const fn sized(mut self, width: usize, height: usize, fov: f64) -> Self {
        (self.width, self.height, self.fov) = (Some(width), Some(height), Some(fov));
        self
    }
    /// The same, so many times a second.
    #[must_use]
    pub const fn every(mut self, rate_hz: f64) -> Self {
        self.rate_hz = Some(rate_hz);
        self
    }
    /// Deviation of its noise.
    pub fn noise(&self) -> f64 {
        self.noise.unwrap_or(match self.kind {
            SensorKind::Rgb => 1.0,
            SensorKind::Thermal => 0.05,
            SensorKind::Lidar => 0.015,
            SensorKind::Radar => 0.12,
            SensorKind::Gnss => 0.6,
            SensorKind::Imu => 0.02,
            _ => 0.0,
        })
    }
    /// Farthest that it sees.
    pub fn range(&self) -> f64 {
        self.range.unwrap_or(match self.kind {
            SensorKind::Depth => 200.0,
            SensorKind::Lidar => 90.0,
            SensorKind::Radar => 120.0,
            _ => 60.0,
        })
    }
    /// Four samples a pixel?
    pub fn antialias(&self) -> bool {
        self.antialias.unwrap_or(true)
    }
    /// With what it takes from another, checked.
    pub(super) fn completed(&self, model: Option<&Self>) -> Result<Self> {
        let mut full = self.clone();
        if let Some(model) = model {
            (full.at, full.turn) = (full.at.or(model.at), full.turn.or(model.turn));
            (full.width, full.height, full.fov) = (full.width.or(model.width), full.height.or(model.height), full.fov.or(model.fov));
            full.rate_hz = full.rate_hz.or(model.rate_hz);
        }
        full.check()?;
        Ok(full)
    }
    fn check(&self) -> Result<()> {
        let sane = |what: &str, value: Option<f64>, low: f64, high: f64| match value {
            Some(v) if !(low..=high).contains(&v) => {
                Err(Error::mismatch(format!("{low} to {high}"), v.to_string(), format!("sensor `{}`, {what}", self.name)))
            }
            _ => Ok(()),
        };
        sane("rate_hz", self.rate_hz, 0.001, 1000.0)?;
        sane("noise", self.noise, 0.0, 1000.0)?;
        sane("range", self.range, 0.1, 10_000.0)?;
        sane("fov", self.fov, 1.0, 175.0)?;
        sane("misalign", self.misalign, 0.0, 30.0)?;
        for v in self.at.iter().flatten() {
            sane("at", Some(*v), -1000.0, 1000.0)?;
        }
        for v in self.turn.iter().flatten() {
            sane("turn", Some(*v), -360.0, 360.0)?;
        }
        for (what, size) in [("width", self.width), ("height", self.height)] {
            sane(what, size.map(|s| s as f64), 1.0, 8192.0)?;
        }
        if self.bits.is_some_and(|b| b != 8 && b != 16) {
            return Err(Error::mismatch("8 or 16", format!("{:?}", self.bits), format!("sensor `{}`, bits", self.name)));
        }
        self.check_inner().map_err(|e| e.at(format!("sensor `{}`", self.name)))
    }
}
