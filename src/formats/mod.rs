//! Bytes to types and back: no files, no policy.

pub mod recording;
