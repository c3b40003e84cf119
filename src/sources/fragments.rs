//! Torn pieces of a picture from a folder.
//!
//! *In*: a folder of `fragment_*.png` (or, where there is none, of any PNG files), RGBA, transparent outside the piece.
//! *Out*: sensor `fragments`; the k-th piece, in the order of names, has number k and stamp k / rate.
//! *Invariant*: a piece that is sent has an opaque pixel.

use super::picture::{PictureReader, list_pictures};
use super::stamps::{checked_rate, stamp_at};
use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Calibration, Error, Frame, Modality, Payload, PoolFill, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the pieces lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FragmentsConfig {
    /// Folder of the pieces.
    pub root: PathBuf,
    /// Pieces per second of sensor time.
    #[serde(default = "rate_hz")]
    pub rate_hz: f64,
}

const fn rate_hz() -> f64 {
    10.0
}

/// Reads the pieces, one after the other.
#[derive(Debug)]
pub struct Fragments {
    rate_hz: f64,
    sensor: SensorId,
    calibration: Arc<Calibration>,
    reader: PictureReader,
    files: std::iter::Zip<std::ops::RangeFrom<u64>, std::vec::IntoIter<PathBuf>>,
}

impl FragmentsConfig {
    /// Pieces in `root`, at 10 a second.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), rate_hz: rate_hz() }
    }
    /// Lists the pieces.
    ///
    /// # Errors
    /// Where the folder is missing or holds no PNG file.
    pub fn build(self) -> Result<Fragments> {
        let rate_hz = checked_rate(self.rate_hz)?;
        let mut files = list_pictures(&self.root)?;
        files.retain(|f| f.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")));
        let named = |f: &Path| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fragment_"));
        if files.iter().any(|f| named(f)) {
            files.retain(|f| named(f));
        }
        if files.is_empty() {
            return Err(Error::mismatch("fragment_*.png or other PNG files", "none", self.root.display().to_string()));
        }
        let name = "fragments";
        let calibration = Arc::new(Calibration::unknown(name));
        let files = (0..).zip(files);
        Ok(Fragments { rate_hz, sensor: SensorId::new(name), calibration, reader: PictureReader::new(), files })
    }
}

impl Source for Fragments {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![SensorInfo { id: self.sensor, modality: Modality::Fragment, calibration: Arc::clone(&self.calibration) }]
    }
    fn next(&mut self, _cx: &Cx) -> Result<Reading> {
        let Some((seq, path)) = self.files.next() else { return Ok(Reading::End) };
        let (sensor, captured) = (self.sensor, stamp_at(seq, self.rate_hz));
        let piece = match self.reader.fragment(&path) {
            Ok(piece) => piece,
            Err(e) => return Ok(Reading::Rejected { sensor, at: Some(captured), reason: e.to_string() }),
        };
        if piece.data().iter().skip(3).step_by(4).all(|alpha| *alpha == 0) {
            let reason = Error::mismatch("a piece with an opaque pixel", "none", path.display().to_string()).to_string();
            return Ok(Reading::Rejected { sensor, at: Some(captured), reason });
        }
        let name = piece.name.clone();
        let (calibration, payload) = (Arc::clone(&self.calibration), Payload::Fragment(Arc::new(piece)));
        Ok(Reading::Frame(Frame::new(sensor, seq, captured, calibration, payload).named(name)))
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        self.reader.pools()
    }
}
