//! Packets to the outside: a viewer, files, the console.
//!
//! *In*: packets with a head, frames and outcomes. *Out*: recordings, pictures, lines.
//! *Invariant*: a sink changes nothing of what it is handed and never panics; what it cannot keep is an error with the path.

mod console;
mod null;
pub mod paint;
mod recording;
#[cfg(feature = "viewer")]
mod rerun;
mod results;
#[cfg(feature = "opencv")]
mod video;
mod wires;

pub use console::{ConsoleConfig, ConsoleSink};
pub use null::{NullConfig, NullSink};
pub use recording::{Compression, FLUSH_EVERY, RecordingConfig, RecordingSink};
pub use results::{ResultsConfig, ResultsSink};
#[cfg(feature = "opencv")]
pub use video::{VideoConfig, VideoSink};

#[cfg(feature = "viewer")]
pub use self::rerun::{CloudColour, RerunConfig, RerunSink};
