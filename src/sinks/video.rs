//! One camera's or one fusing stage's pictures into a video file, through OpenCV (feature `opencv`).
//!
//! *In*: packets. *Out*: Motion JPEG in `.avi` or MPEG-4 part 2 in `.mp4`, one picture per bundle. *Invariant*: a bundle
//! is written once, all pictures have the size of the first, and a file that holds fewer than were written is an error.

use crate::runtime::{Cx, Layout, Sink};
use crate::types::{Error, Modality, Outcome, OutcomeKind, Packet, Payload, Result, RgbImage, SensorId, nearest};
use opencv::core::{Mat, Size, Vec3b};
use opencv::prelude::*;
use opencv::videoio::{CAP_ANY, CAP_PROP_FRAME_COUNT, VideoCapture, VideoWriter};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a video goes and what it shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoConfig {
    /// The file: `.avi` for Motion JPEG, `.mp4` for MPEG-4 part 2.
    pub path: PathBuf,
    /// A stage that fuses, or a camera.
    pub what: String,
    /// Pictures per second when it is played.
    #[serde(default = "ten")]
    pub rate_hz: f64,
}

const fn ten() -> f64 {
    10.0
}

impl VideoConfig {
    /// The sink; the file is made with the first picture, whose size it takes.
    ///
    /// # Errors
    /// Where the extension or the rate will not do.
    pub fn build(self) -> Result<VideoSink> {
        let extension = self.path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let codec = match extension.as_str() {
            "avi" => ['M', 'J', 'P', 'G'],
            "mp4" => ['m', 'p', '4', 'v'],
            _ => return Err(Error::mismatch("a path that ends in .avi or .mp4", self.path.display().to_string(), "video sink")),
        };
        if !(self.rate_hz.is_finite() && self.rate_hz > 0.0) {
            return Err(Error::mismatch("a positive rate_hz", self.rate_hz.to_string(), "video sink"));
        }
        Ok(VideoSink { config: self, codec, open: None, last: None, written: 0, scratch: Vec::new() })
    }
}

/// Writes pictures to a video file.
pub struct VideoSink {
    config: VideoConfig,
    codec: [char; 4],
    open: Option<(VideoWriter, [usize; 2])>,
    last: Option<u64>,
    written: u32,
    scratch: Vec<u8>,
}

impl VideoSink {
    fn refused(&self, error: &opencv::Error) -> Error {
        Error::io("write", &self.config.path, error)
    }
    /// The picture of a packet that is to be shown: a stage's latest, else a camera's.
    fn picture(&self, packet: &Packet) -> Option<Arc<RgbImage>> {
        let what = &*self.config.what;
        let fused = packet.outcomes.iter().rev().find_map(|(stage, outcome)| match outcome {
            Outcome::Fused(image) if **stage == *what => Some(Arc::clone(image)),
            _ => None,
        });
        fused.or_else(|| match &packet.bundle.frame(SensorId::new(what))?.payload {
            Payload::Rgb(image) => Some(Arc::clone(image)),
            _ => None,
        })
    }
    /// Whether the file holds every picture: OpenCV says nothing of a write that failed, as on a full disk.
    fn complete(&self) -> Result<()> {
        let path = &self.config.path;
        let held = path.to_str().and_then(|name| VideoCapture::from_file(name, CAP_ANY).ok());
        let held = held.and_then(|film| film.get(CAP_PROP_FRAME_COUNT).ok()).filter(|count| count.is_finite()).unwrap_or(0.0);
        if held < f64::from(self.written) {
            let found = format!("{held} of {} pictures are in the file; is the disk full?", self.written);
            return Err(Error::io("write", path, found));
        }
        Ok(())
    }
    fn create(&self, width: i32, height: i32) -> Result<VideoWriter> {
        let path = &self.config.path;
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        let name = path.to_str().ok_or_else(|| Error::io("create", path, "OpenCV needs a path in UTF-8"))?;
        let [a, b, c, d] = self.codec;
        let code = VideoWriter::fourcc(a, b, c, d).map_err(|e| self.refused(&e))?;
        let writer = VideoWriter::new(name, code, self.config.rate_hz, Size::new(width, height), true).map_err(|e| self.refused(&e))?;
        match writer.is_opened() {
            Ok(true) => Ok(writer),
            Ok(false) => Err(Error::io("create", path, "OpenCV has no encoder for it, or the folder refuses it")),
            Err(e) => Err(self.refused(&e)),
        }
    }
}

impl Sink for VideoSink {
    fn start(&mut self, layout: &Layout, _cx: &Cx) -> Result<()> {
        let cameras = layout.sensors.iter().filter(|s| s.modality == Modality::Rgb).map(|s| s.id.name());
        let fuses = |kinds: &[(OutcomeKind, Option<SensorId>)]| kinds.iter().any(|(k, _)| *k == OutcomeKind::Fused);
        let stages = layout.stages.iter().filter(|(_, info)| fuses(&info.outcomes)).map(|(name, _)| &**name);
        let known: Vec<&str> = cameras.chain(stages).collect();
        if known.contains(&&*self.config.what) {
            return Ok(());
        }
        let hint = nearest(&self.config.what, known.iter().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        let found = format!("`{}` among {}{hint}", self.config.what, known.join(", "));
        Err(Error::mismatch("a camera or a stage that fuses", found, "`what` of the video sink"))
    }
    fn accept(&mut self, packet: &Packet, _cx: &Cx) -> Result<()> {
        if self.last.is_some_and(|last| packet.head.seq <= last) {
            return Ok(());
        }
        let Some(image) = self.picture(packet) else { return Ok(()) };
        let side = |n: usize| i32::try_from(n).map_err(|_| Error::mismatch("a picture that OpenCV can count", n.to_string(), "video sink"));
        let (width, height) = (side(image.width())?, side(image.height())?);
        if self.open.is_none() {
            self.open = Some((self.create(width, height)?, [image.width(), image.height()]));
        }
        self.scratch.clear();
        self.scratch.extend(image.data().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]));
        let path = &self.config.path;
        let refused = |e: opencv::Error| Error::io("write", path, e);
        let Some((writer, size)) = &mut self.open else { return Ok(()) };
        if *size != [image.width(), image.height()] {
            let [w, h] = size;
            return Err(Error::mismatch(format!("pictures of {w}x{h}"), format!("{width}x{height}"), path.display().to_string()));
        }
        let picture = Mat::new_rows_cols_with_bytes::<Vec3b>(height, width, &self.scratch).map_err(refused)?;
        writer.write(&picture).map_err(refused)?;
        self.last = Some(packet.head.seq);
        self.written += 1;
        Ok(())
    }
    fn finish(&mut self, _cx: &Cx) -> Result<()> {
        match self.open.take() {
            Some((mut writer, _)) => {
                writer.release().map_err(|e| self.refused(&e))?;
                self.complete()
            }
            None => Ok(()),
        }
    }
}
