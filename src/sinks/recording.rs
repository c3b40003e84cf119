//! Packets into a recording: every frame once, the bundles they made, and what the stages found.
//!
//! *In*: packets, possibly the same bundle along several branches. *Out*: an MCAP file in the layout of
//! [`crate::formats::recording`]. *Invariant*: a (sensor, seq) is written once, as it was when it first came by; after a
//! crash the file plays up to at most [`FLUSH_EVERY`] before it.

mod file;

pub use file::FLUSH_EVERY;

use crate::runtime::{Cx, Layout, Sink};
use crate::types::{Error, Packet, Result};
use file::Open;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How chunks are compressed. Both are lossless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// LZ4 frames.
    #[default]
    Lz4,
    /// As they are.
    None,
}

/// Where a recording goes and what it keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingConfig {
    /// The file; `recording.mcap` in the run's folder unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Keep what the stages found, too.
    #[serde(default = "yes")]
    pub outcomes: bool,
    /// How chunks are compressed: `lz4` or `none`.
    #[serde(default)]
    pub compression: Compression,
    /// Replace a file that is there already; otherwise that is an error.
    #[serde(default)]
    pub overwrite: bool,
    /// What the file says of its making: `config`, `commit` and the like.
    #[serde(skip)]
    pub about: BTreeMap<String, String>,
}

const fn yes() -> bool {
    true
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self { path: None, outcomes: true, compression: Compression::Lz4, overwrite: false, about: BTreeMap::new() }
    }
}

impl RecordingConfig {
    /// Names `recording.mcap` in the run's folder, unless a path was given.
    #[must_use]
    pub fn in_dir(mut self, dir: PathBuf) -> Self {
        self.path.get_or_insert_with(|| dir.join("recording.mcap"));
        self
    }
    /// Adds a line to what the file says of its making, such as `config` (the effective configuration) or `commit`.
    #[must_use]
    pub fn about(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.about.insert(key.into(), value.into());
        self
    }
    /// The sink; the file is made when the run starts.
    ///
    /// # Errors
    /// Never; the result is what all configurations give.
    pub fn build(self) -> Result<RecordingSink> {
        let path = self.path.clone().unwrap_or_else(|| PathBuf::from("recording.mcap"));
        Ok(RecordingSink { path, config: self, open: None, failed: None })
    }
}

/// Writes packets to an MCAP file.
pub struct RecordingSink {
    path: PathBuf,
    config: RecordingConfig,
    open: Option<Open>,
    failed: Option<Error>,
}

impl Sink for RecordingSink {
    fn start(&mut self, layout: &Layout, _cx: &Cx) -> Result<()> {
        self.open = Some(Open::create(&self.path, &self.config, layout)?);
        Ok(())
    }
    fn accept(&mut self, packet: &Packet, _cx: &Cx) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let path = &self.path;
        let open = self.open.as_mut().ok_or_else(|| Error::io("write", path, "the recording is not open"))?;
        let done = open.packet(packet, self.config.outcomes);
        if let Err(error @ Error::Io { .. }) = &done {
            self.failed = Some(error.clone());
        }
        done
    }
    fn finish(&mut self, _cx: &Cx) -> Result<()> {
        match (self.open.take(), self.failed.take()) {
            (_, Some(error)) => Err(error),
            (Some(open), None) => open.close(),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_itself() {
        let config: RecordingConfig = toml::from_str("compression = 'none'").unwrap();
        let again: RecordingConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert!(again.outcomes && again.path.is_none() && again.compression == Compression::None);
        let config = config.in_dir("runs/1".into()).in_dir("runs/2".into());
        assert_eq!(config.path, Some("runs/1/recording.mcap".into()));
        assert!(toml::from_str::<RecordingConfig>("compresion = 'none'").is_err());
    }
}
