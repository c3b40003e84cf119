//! Packets to the outside.

mod recording;
#[cfg(feature = "opencv")]
mod video;

pub use recording::{Compression, FLUSH_EVERY, RecordingConfig, RecordingSink};
#[cfg(feature = "opencv")]
pub use video::{VideoConfig, VideoSink};
