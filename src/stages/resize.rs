//! Resizes pictures of named sensors; their intrinsics follow.
//!
//! *In*: colour, thermal, depth or label pictures. *Out*: the same, `width x height`. *Invariant*: depth and labels keep
//! only values that were there (nearest sample, holes stay holes); the output calibration keeps its version.

use super::pick::{PerCalibration, wrong_kind};
use crate::heads::resample::{Resizer, resize_nearest};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{
    Calibration, DepthImage, Error, Frame, LabelImage, Packet, Payload, Pool, PoolFill, Result, RgbImage, SensorId, ThermalImage,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that may be on their way at once before a buffer must be allocated.
const IDLE: usize = 32;

/// Which sensors, to what size.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizeConfig {
    /// Whose pictures; a sensor that a bundle lacks is skipped.
    pub sensors: Vec<SensorId>,
    /// Columns of the output.
    pub width: usize,
    /// Rows of the output.
    pub height: usize,
}

impl ResizeConfig {
    /// The stage.
    ///
    /// # Errors
    /// Where the size is zero or above 32768.
    pub fn build(self) -> Result<Resize> {
        let fits = |n: usize| (1..=32768).contains(&n);
        if !fits(self.width) || !fits(self.height) {
            return Err(Error::mismatch("a size of 1 to 32768", format!("{}x{}", self.width, self.height), "resize"));
        }
        let resizers = self.sensors.iter().map(|s| (*s, Resizer::default())).collect();
        let size = [self.width, self.height];
        Ok(Resize { size, resizers, calibrations: PerCalibration::default(), bytes: Pool::new(IDLE), counts: Pool::new(IDLE) })
    }
}

/// See [`ResizeConfig`].
#[derive(Debug)]
pub struct Resize {
    size: [usize; 2],
    resizers: Vec<(SensorId, Resizer)>,
    calibrations: PerCalibration<Arc<Calibration>>,
    bytes: Pool<u8>,
    counts: Pool<u16>,
}

impl Stage for Resize {
    fn info(&self) -> StageInfo {
        StageInfo::default()
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let Self { size, resizers, calibrations, bytes, counts } = self;
        let [width, height] = *size;
        for (sensor, resizer) in resizers {
            let Some(frame) = packet.bundle.frame(*sensor) else { continue };
            let Some(payload) = resized(frame, resizer, *size, (bytes, counts))? else { continue };
            let calibration = calibrations.get(frame, |c| {
                let intrinsics = c.intrinsics.map(|k| k.resized(width, height));
                Arc::new(Calibration { intrinsics, ..c.clone() })
            });
            if let Some(frame) = Arc::make_mut(&mut packet.bundle).frame_mut(*sensor) {
                (frame.payload, frame.calibration) = (payload, calibration);
            }
        }
        out.send(packet);
        Ok(())
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        vec![("bytes".into(), self.bytes.fill()), ("counts".into(), self.counts.fill())]
    }
}

/// The frame's picture in the new size; `None` where it has it already.
fn resized(frame: &Frame, resizer: &mut Resizer, size: [usize; 2], (bytes, counts): (&Pool<u8>, &Pool<u16>)) -> Result<Option<Payload>> {
    let [width, height] = size;
    let payload = match &frame.payload {
        Payload::Rgb(p) if [p.width(), p.height()] == size => return Ok(None),
        Payload::Thermal(p) if [p.width(), p.height()] == size => return Ok(None),
        Payload::Depth(p) if [p.width(), p.height()] == size => return Ok(None),
        Payload::Labels(p) if [p.labels.ncols(), p.labels.nrows()] == size => return Ok(None),
        Payload::Rgb(p) => {
            let mut data = bytes.take(width * height * 3);
            resizer.resize::<u8, 3>(p.data(), [p.width(), p.height()], &mut data, size);
            Payload::Rgb(Arc::new(RgbImage::new(width, height, data)?))
        }
        Payload::Thermal(p) => {
            let mut data = counts.take(width * height);
            resizer.resize::<u16, 1>(p.data(), [p.width(), p.height()], &mut data, size);
            let mut image = ThermalImage::new(width, height, data, p.full_scale)?;
            image.celsius = p.celsius;
            Payload::Thermal(Arc::new(image))
        }
        Payload::Depth(p) => Payload::Depth(Arc::new(DepthImage { metres: nearest(&p.metres, size)? })),
        Payload::Labels(p) => {
            let classes = Arc::clone(&p.classes);
            Payload::Labels(Arc::new(LabelImage { labels: nearest(&p.labels, size)?, classes }))
        }
        _ => return Err(wrong_kind(frame, "a picture")),
    };
    Ok(Some(payload))
}

fn nearest<T: Copy>(source: &Array2<T>, size: [usize; 2]) -> Result<Array2<T>> {
    let [width, height] = size;
    let shape = [source.ncols(), source.nrows()];
    let standard = source.as_standard_layout();
    let data = resize_nearest(standard.as_slice().unwrap_or_default(), shape, size);
    Array2::from_shape_vec((height, width), data).map_err(|e| Error::mismatch("a picture with pixels", e.to_string(), "resize"))
}
