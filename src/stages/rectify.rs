//! Takes the lens distortion out of pictures of named cameras.
//!
//! *In*: colour, thermal, depth or label pictures through a Brown-Conrady lens. *Out*: pinhole pictures of the same size
//! and intrinsics. *Invariant*: the output calibration has `Distortion::None`; a camera without distortion is untouched.

use super::pick::{PerCalibration, wrong_kind};
use crate::heads::rectify::Remap;
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{
    Calibration, DepthImage, Distortion, Error, Frame, LabelImage, Packet, Payload, Pool, PoolFill, Result, RgbImage, SensorId,
    ThermalImage,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that may be on their way at once before a buffer must be allocated.
const IDLE: usize = 32;

/// Which cameras.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RectifyConfig {
    /// Whose pictures; a camera that a bundle lacks is skipped.
    pub cameras: Vec<SensorId>,
}

impl RectifyConfig {
    /// The stage.
    ///
    /// # Errors
    /// Never today.
    pub fn build(self) -> Result<Rectify> {
        Ok(Rectify { cameras: self.cameras, tables: PerCalibration::default(), bytes: Pool::new(IDLE), counts: Pool::new(IDLE) })
    }
}

/// See [`RectifyConfig`].
#[derive(Debug)]
pub struct Rectify {
    cameras: Vec<SensorId>,
    tables: PerCalibration<Option<(Arc<Remap>, Arc<Calibration>)>>,
    bytes: Pool<u8>,
    counts: Pool<u16>,
}

impl Stage for Rectify {
    fn info(&self) -> StageInfo {
        StageInfo::default()
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        for camera in &self.cameras {
            let Some(frame) = packet.bundle.frame(*camera) else { continue };
            if frame.calibration.distortion == Distortion::None {
                continue;
            }
            let Some((remap, calibration)) = self.tables.get(frame, table) else {
                return Err(Error::mismatch("intrinsics beside the lens distortion", "none", format!("sensor `{camera}`")));
            };
            let payload = rectified(frame, &remap, (&self.bytes, &self.counts))?;
            if let Some(frame) = Arc::make_mut(&mut packet.bundle).frame_mut(*camera) {
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

fn table(calibration: &Calibration) -> Option<(Arc<Remap>, Arc<Calibration>)> {
    let remap = Remap::rectify(&calibration.intrinsics?, &calibration.distortion);
    Some((Arc::new(remap), Arc::new(Calibration { distortion: Distortion::None, ..calibration.clone() })))
}

fn fits(frame: &Frame, remap: &Remap, size: [usize; 2]) -> Result<()> {
    if remap.size() == size {
        return Ok(());
    }
    let ([ww, wh], [w, h]) = (remap.size(), size);
    Err(Error::mismatch(format!("a picture of its intrinsics' {ww}x{wh}"), format!("{w}x{h}"), format!("sensor `{}`", frame.sensor)))
}

fn rectified(frame: &Frame, remap: &Remap, (bytes, counts): (&Pool<u8>, &Pool<u16>)) -> Result<Payload> {
    let [width, height] = remap.size();
    Ok(match &frame.payload {
        Payload::Rgb(p) => {
            fits(frame, remap, [p.width(), p.height()])?;
            let mut data = bytes.take(width * height * 3);
            remap.bilinear::<u8, 3>(p.data(), &mut data);
            Payload::Rgb(Arc::new(RgbImage::new(width, height, data)?))
        }
        Payload::Thermal(p) => {
            fits(frame, remap, [p.width(), p.height()])?;
            let mut data = counts.take(width * height);
            remap.bilinear::<u16, 1>(p.data(), &mut data);
            let mut image = ThermalImage::new(width, height, data, p.full_scale)?;
            image.celsius = p.celsius;
            Payload::Thermal(Arc::new(image))
        }
        Payload::Depth(p) => {
            fits(frame, remap, [p.width(), p.height()])?;
            Payload::Depth(Arc::new(DepthImage { metres: nearest(&p.metres, remap, f32::NAN)? }))
        }
        Payload::Labels(p) => {
            fits(frame, remap, [p.labels.ncols(), p.labels.nrows()])?;
            let classes = Arc::clone(&p.classes);
            Payload::Labels(Arc::new(LabelImage { labels: nearest(&p.labels, remap, 0)?, classes }))
        }
        _ => return Err(wrong_kind(frame, "a picture")),
    })
}

fn nearest<T: Copy>(source: &Array2<T>, remap: &Remap, empty: T) -> Result<Array2<T>> {
    let standard = source.as_standard_layout();
    let data = remap.nearest(standard.as_slice().unwrap_or_default(), empty);
    Array2::from_shape_vec(source.raw_dim(), data).map_err(|e| Error::mismatch("a picture with pixels", e.to_string(), "rectify"))
}
