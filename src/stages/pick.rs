//! What several stages share: payloads by kind, and values that are made again only when a calibration changes.

use crate::types::{Calibration, DepthImage, Error, Fragment, Frame, Payload, PointCloud, Result, RgbImage, SensorId, ThermalImage};
use std::sync::Arc;

/// A frame of another kind than the stage works on.
pub fn wrong_kind(frame: &Frame, wanted: &str) -> Error {
    Error::mismatch(wanted, format!("{:?}", frame.payload.modality()), format!("sensor `{}`", frame.sensor))
}

macro_rules! pick {
    ($name:ident, $kind:ident, $image:ty, $wanted:literal) => {
        /// The payload, if it is of this kind.
        ///
        /// # Errors
        /// Where it is of another kind.
        pub fn $name(frame: &Frame) -> Result<&Arc<$image>> {
            match &frame.payload {
                Payload::$kind(image) => Ok(image),
                _ => Err(wrong_kind(frame, $wanted)),
            }
        }
    };
}
pick!(rgb, Rgb, RgbImage, "a colour picture");
pick!(thermal, Thermal, ThermalImage, "a thermal picture");
pick!(depth, Depth, DepthImage, "a depth picture");
pick!(cloud, Cloud, PointCloud, "a point cloud");
pick!(fragment, Fragment, Fragment, "a torn fragment");

/// Values made from calibrations, one per sensor, kept while the sensor's calibration stays.
#[derive(Debug)]
pub struct PerCalibration<V> {
    known: Vec<(SensorId, Arc<Calibration>, V)>,
}

impl<V> Default for PerCalibration<V> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<V: Clone> PerCalibration<V> {
    /// The value for this frame's calibration, made by `make` if there is none yet.
    pub fn get(&mut self, frame: &Frame, make: impl FnOnce(&Calibration) -> V) -> V {
        let same = |known: &Arc<Calibration>| Arc::ptr_eq(known, &frame.calibration) || **known == *frame.calibration;
        if let Some((_, _, value)) = self.known.iter().find(|(s, c, _)| *s == frame.sensor && same(c)) {
            return value.clone();
        }
        self.known.retain(|(s, _, _)| *s != frame.sensor);
        let value = make(&frame.calibration);
        self.known.push((frame.sensor, Arc::clone(&frame.calibration), value.clone()));
        value
    }
}
