//! Packets to the outside.

mod recording;
#[cfg(feature = "opencv")]
mod video;

pub use recording::{Compression, RecordingConfig, RecordingSink};
#[cfg(feature = "opencv")]
pub use video::{VideoConfig, VideoSink};
