//! Video files and V4L2 or USB cameras through OpenCV (feature `opencv`).
//!
//! *In*: a file that OpenCV can open, or a camera's index. *Out*: RGB frames; a file's carry the file's stamps, a
//! camera's the wall clock when the picture came. *Invariant*: stamps grow strictly; a picture that cannot be read is one
//! rejected reading, a hundred of them in a row are the end of the source.

use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Buffer, Calibration, Error, Frame, Modality, Payload, Pool, PoolFill, Result, RgbImage, SensorId, SensorTime, num};
use opencv::core::{CV_8UC3, Mat};
use opencv::prelude::*;
use opencv::videoio::{
    CAP_ANY, CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_PROP_POS_MSEC, CAP_V4L2, VideoCapture,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unreadable pictures in a row after which a source has failed.
const PATIENCE: u32 = 100;

/// Which video or camera to read: exactly one of `path` and `camera`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoConfig {
    /// A video file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A camera: `0` is `/dev/video0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<u32>,
    /// The sensor's name.
    #[serde(default = "named")]
    pub sensor: String,
    /// Columns to ask of a camera, which may give others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Rows to ask of a camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Pictures per second to ask of a camera; for a file without stamps, the rate to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

fn named() -> String {
    "camera".into()
}

impl VideoConfig {
    /// Opens the file or camera.
    ///
    /// # Errors
    /// Where not exactly one of them is named, or OpenCV cannot open it.
    pub fn build(self) -> Result<VideoSource> {
        if self.rate.is_some_and(|r| !(r.is_finite() && r > 0.0)) {
            return Err(Error::mismatch("a positive rate", format!("{:?}", self.rate), "rate of the video source"));
        }
        let (capture, place, live) = match (&self.path, self.camera) {
            (Some(path), None) => {
                std::fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
                let name = path.to_str().ok_or_else(|| Error::io("open", path, "OpenCV needs a path in UTF-8"))?;
                (VideoCapture::from_file(name, CAP_ANY), path.display().to_string(), false)
            }
            (None, Some(index)) => {
                let id = i32::try_from(index).unwrap_or(i32::MAX);
                (VideoCapture::new(id, CAP_V4L2), format!("/dev/video{index}"), true)
            }
            _ => return Err(Error::mismatch("exactly one of `path` and `camera`", "both or none", "video source")),
        };
        let mut capture = capture.map_err(|e| refused(&place, &e))?;
        if !capture.is_opened().map_err(|e| refused(&place, &e))? {
            return Err(Error::unavailable(place, "OpenCV cannot open it: no such camera, or no decoder for the file"));
        }
        if live {
            let asked = [(CAP_PROP_FRAME_WIDTH, self.width), (CAP_PROP_FRAME_HEIGHT, self.height)];
            let asked = asked.map(|(p, v)| (p, v.map(f64::from))).into_iter().chain([(CAP_PROP_FPS, self.rate)]);
            for (property, value) in asked.filter_map(|(p, v)| v.map(|v| (p, v))) {
                capture.set(property, value).map_err(|e| refused(&place, &e))?;
            }
        }
        let rate = capture.get(CAP_PROP_FPS).ok().filter(|r| r.is_finite() && *r > 0.0).or(self.rate).unwrap_or(30.0);
        let sensor = SensorId::new(&self.sensor);
        let calibration = Arc::new(Calibration::unknown(&self.sensor));
        let period = Duration::from_secs_f64(1.0 / rate.clamp(1e-3, 1e6));
        Ok(VideoSource {
            capture,
            place,
            live,
            sensor,
            calibration,
            period,
            mat: Mat::default(),
            pool: Pool::new(8),
            count: Count::default(),
        })
    }
}

fn refused(place: &str, error: &opencv::Error) -> Error {
    Error::unavailable(place, error.to_string())
}

/// Reads a video file or camera.
pub struct VideoSource {
    capture: VideoCapture,
    place: String,
    live: bool,
    sensor: SensorId,
    calibration: Arc<Calibration>,
    period: Duration,
    mat: Mat,
    pool: Pool<u8>,
    count: Count,
}

#[derive(Default)]
struct Count {
    seq: u64,
    bad: u32,
    last: Option<SensorTime>,
    ended: bool,
}

impl VideoSource {
    /// The stamp of the picture just read.
    fn stamp(&self) -> SensorTime {
        let told = if self.live {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(SensorTime::from_nanos(i64::try_from(num::nanos(since)).unwrap_or(i64::MAX)))
        } else {
            self.capture.get(CAP_PROP_POS_MSEC).ok().and_then(|ms| SensorTime::from_seconds(ms * 1e-3))
        };
        // Some decoders tell no positions, or the same one twice: then the rate counts.
        match (self.count.last, told) {
            (Some(last), Some(told)) if told > last => told,
            (Some(last), _) => last.after(if self.live { Duration::from_nanos(1) } else { self.period }),
            (None, told) => told.unwrap_or_default(),
        }
    }
    /// The picture just read, turned from BGR to RGB.
    fn picture(&self) -> Result<RgbImage> {
        let (rows, columns) = (self.mat.rows(), self.mat.cols());
        let bytes = self.mat.data_bytes().map_err(|e| refused(&self.place, &e))?;
        if self.mat.typ() != CV_8UC3 {
            return Err(Error::mismatch("8-bit BGR", format!("OpenCV type {}", self.mat.typ()), &*self.place));
        }
        let side = |n: i32| usize::try_from(n).unwrap_or_default();
        let mut data: Buffer<u8> = self.pool.take(bytes.len());
        for ([r, g, b], [blue, green, red]) in data.as_chunks_mut::<3>().0.iter_mut().zip(bytes.as_chunks::<3>().0) {
            (*r, *g, *b) = (*red, *green, *blue);
        }
        RgbImage::new(side(columns), side(rows), data)
    }
    fn rejected(&mut self, reason: String) -> Result<Reading> {
        self.count.bad += 1;
        self.count.seq += 1;
        if self.count.bad >= PATIENCE {
            return Err(Error::unavailable(&*self.place, format!("{PATIENCE} pictures in a row could not be read; the last: {reason}")));
        }
        Ok(Reading::Rejected { sensor: self.sensor, at: None, reason })
    }
    /// A file's last picture was read, or its next cannot be.
    fn stopped(&mut self) -> Reading {
        self.count.ended = true;
        let promised = self.capture.get(CAP_PROP_FRAME_COUNT).unwrap_or(0.0);
        let read = self.count.seq as f64;
        // Containers round their counts; one picture less is an end like any other.
        if promised.is_finite() && promised > read + 1.0 {
            let reason = format!("wanted {promised} pictures, found {read} before the decoder stopped ({})", self.place);
            return Reading::Rejected { sensor: self.sensor, at: None, reason };
        }
        Reading::End
    }
}

impl Source for VideoSource {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![SensorInfo { id: self.sensor, modality: Modality::Rgb, calibration: Arc::clone(&self.calibration) }]
    }
    fn next(&mut self, cx: &Cx) -> Result<Reading> {
        if self.count.ended || cx.stop.stopped() {
            return Ok(Reading::End);
        }
        match self.capture.read(&mut self.mat) {
            Ok(true) => {}
            Ok(false) if !self.live => return Ok(self.stopped()),
            Ok(false) => return self.rejected(format!("the camera gave no picture ({})", self.place)),
            Err(e) => return self.rejected(refused(&self.place, &e).to_string()),
        }
        let captured = self.stamp();
        let image = match self.picture() {
            Ok(image) => image,
            Err(e) => return self.rejected(e.to_string()),
        };
        let (calibration, payload) = (Arc::clone(&self.calibration), Payload::Rgb(Arc::new(image)));
        let frame = Frame::new(self.sensor, self.count.seq, captured, calibration, payload);
        self.count.seq += 1;
        self.count.bad = 0;
        self.count.last = Some(captured);
        Ok(Reading::Frame(frame))
    }
    fn live(&self) -> bool {
        self.live
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        vec![("pictures".into(), self.pool.fill())]
    }
}
