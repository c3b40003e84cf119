//! Sensors and data sets to frames: one file per source.

mod recording;
#[cfg(feature = "opencv")]
mod video;

pub use recording::{RecordingConfig, RecordingSource, read_recording, recorded_bundles};
#[cfg(feature = "opencv")]
pub use video::{VideoConfig, VideoSource};
