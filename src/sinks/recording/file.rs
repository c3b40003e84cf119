//! The recording's file while it is open: channels, calibrations, frames, bundles, outcomes.
//!
//! *In*: a layout, then packets. *Out*: MCAP records. *Invariant*: each number of each sensor, stage and bundle is written
//! once, a calibration before the first frame that uses it.

use super::{Compression, RecordingConfig};
use crate::formats::recording::{
    BINARY, BUNDLES, BundleRecord, CALIBRATIONS, OUTCOMES, PROFILE, SENSORS, Schema, VERSION, encode_bundle, encode_calibration,
    encode_frame, encode_outcome, sequence, unsigned,
};
use crate::runtime::{Layout, SensorInfo};
use crate::types::{Calibration, Error, Frame, HostTime, Packet, Result, SensorId, SensorTime, num};
use mcap::records::{MessageHeader, Metadata};
use mcap::write::NoSeek;
use mcap::{WriteOptions, Writer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest time that written messages stay in memory.
pub const FLUSH_EVERY: Duration = Duration::from_secs(2);
/// Bytes of messages per chunk.
const CHUNK: u64 = 4 << 20;

type Output = Writer<NoSeek<BufWriter<File>>>;

/// The file while it is open.
pub(super) struct Open {
    path: PathBuf,
    writer: Output,
    sensors: HashMap<SensorId, Track>,
    bundles: (u16, Seen),
    outcomes: HashMap<(Arc<str>, &'static str, usize), (u16, Seen)>,
    scratch: Vec<u8>,
    flushed: HostTime,
}

/// One sensor's channels and what they hold already.
struct Track {
    frames: u16,
    calibrations: u16,
    /// The latest, with its index.
    latest: Option<(u32, Arc<Calibration>)>,
    schema: Schema,
    seen: Seen,
}

/// Numbers that came by: all of the last [`Seen::MEMORY`], and everything older than those.
#[derive(Default)]
struct Seen {
    recent: BTreeSet<u64>,
    floor: Option<u64>,
}

impl Seen {
    const MEMORY: usize = 4096;
    /// Whether `seq` has not come by before.
    fn is_new(&mut self, seq: u64) -> bool {
        if self.floor.is_some_and(|floor| seq <= floor) || !self.recent.insert(seq) {
            return false;
        }
        if self.recent.len() > Self::MEMORY {
            self.floor = self.recent.pop_first();
        }
        true
    }
}

impl Open {
    pub(super) fn create(path: &Path, config: &RecordingConfig, layout: &Layout) -> Result<Self> {
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        let file = if config.overwrite { File::create(path) } else { File::create_new(path) };
        let hint = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::io("create", path, "it exists already; `overwrite = true` replaces it"),
            _ => Error::io("create", path, e),
        };
        let compression = match config.compression {
            Compression::Lz4 => Some(mcap::Compression::Lz4),
            Compression::None => None,
        };
        // Without seeking, a chunk reaches the file whole: a crash cannot leave one with an unfinished header.
        let options = WriteOptions::new()
            .profile(PROFILE)
            .library(concat!("sensorium ", env!("CARGO_PKG_VERSION")))
            .compression(compression)
            .chunk_size(Some(CHUNK))
            .calculate_data_section_crc(false) // Each chunk has its own.
            .disable_seeking(true);
        let file = NoSeek::new(BufWriter::new(file.map_err(hint)?));
        let mut writer = options.create(file).map_err(|e| Error::io("write", path, e))?;
        let bundles = channel(&mut writer, path, Schema::Bundle, BUNDLES, &BTreeMap::new())?;
        let mut open = Self {
            path: path.to_owned(),
            writer,
            sensors: HashMap::new(),
            bundles: (bundles, Seen::default()),
            outcomes: HashMap::new(),
            scratch: Vec::new(),
            flushed: HostTime::now(),
        };
        layout.sensors.iter().try_for_each(|s| open.sensor(s))?;
        open.head(layout, config)?;
        Ok(open)
    }
    /// Closes the head of the file.
    fn head(&mut self, layout: &Layout, config: &RecordingConfig) -> Result<()> {
        let mut about = config.about.clone();
        about.insert("format".into(), VERSION.to_string());
        about.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        about.insert("pipeline".into(), layout.name.clone());
        let done = self.writer.write_metadata(&Metadata { name: PROFILE.into(), metadata: about });
        done.and_then(|()| self.writer.flush()).map_err(|e| Error::io("write", &self.path, e))
    }
    fn sensor(&mut self, info: &SensorInfo) -> Result<()> {
        let schema = Schema::Frame(info.modality);
        let mut about = BTreeMap::from([("modality".to_owned(), schema.word().to_owned())]);
        if let Ok(json) = serde_json::to_string(&*info.calibration) {
            about.insert("calibration".into(), json);
        }
        let frames = channel(&mut self.writer, &self.path, schema, &format!("{SENSORS}{}", info.id), &about)?;
        let topic = format!("{CALIBRATIONS}{}", info.id);
        let calibrations = channel(&mut self.writer, &self.path, Schema::Calibration, &topic, &BTreeMap::new())?;
        let track = Track { frames, calibrations, latest: None, schema, seen: Seen::default() };
        self.sensors.insert(info.id, track);
        self.calibration(info.id, &info.calibration, SensorTime::default(), HostTime::default()).map(drop)
    }
    /// The index of a calibration among its sensor's, written if it is another than the latest.
    fn calibration(&mut self, sensor: SensorId, calibration: &Arc<Calibration>, at: SensorTime, now: HostTime) -> Result<u32> {
        let Some(track) = self.sensors.get_mut(&sensor) else { return Err(unknown(sensor)) };
        let index = match &track.latest {
            Some((index, latest)) if Arc::ptr_eq(latest, calibration) || latest == calibration => return Ok(*index),
            Some((index, _)) => index.saturating_add(1),
            None => 0,
        };
        track.latest = Some((index, Arc::clone(calibration)));
        let id = track.calibrations;
        self.scratch.clear();
        encode_calibration(calibration, index, &mut self.scratch);
        self.message(id, u64::from(index), at, now)?;
        Ok(index)
    }
    pub(super) fn packet(&mut self, packet: &Packet, outcomes: bool) -> Result<()> {
        packet.bundle.frames.iter().try_for_each(|f| self.frame(f))?;
        let now = packet.bundle.frames.iter().map(|f| f.arrived).max().unwrap_or_default();
        if self.bundles.1.is_new(packet.head.seq) {
            self.scratch.clear();
            encode_bundle(&BundleRecord::new(packet.head.seq, &packet.bundle), &mut self.scratch)?;
            self.message(self.bundles.0, packet.head.seq, packet.bundle.at, now)?;
        }
        if outcomes {
            self.outcomes(packet, now)?;
        }
        let now = HostTime::now();
        if now.since(self.flushed) >= FLUSH_EVERY {
            self.flushed = now;
            self.writer.flush().map_err(|e| Error::io("write", &self.path, e))?;
        }
        Ok(())
    }
    fn frame(&mut self, frame: &Frame) -> Result<()> {
        let Some(track) = self.sensors.get_mut(&frame.sensor) else { return Err(unknown(frame.sensor)) };
        let schema = Schema::Frame(frame.payload.modality());
        if schema != track.schema {
            return Err(Error::mismatch(track.schema.word(), schema.word(), format!("frame of `{}` to record", frame.sensor)));
        }
        if !track.seen.is_new(frame.seq) {
            return Ok(());
        }
        let id = track.frames;
        let index = self.calibration(frame.sensor, &frame.calibration, frame.captured, frame.arrived)?;
        self.scratch.clear();
        encode_frame(frame, index, &mut self.scratch);
        self.message(id, frame.seq, frame.captured, frame.arrived)
    }
    fn outcomes(&mut self, packet: &Packet, now: HostTime) -> Result<()> {
        let mut nth: HashMap<(&str, &str), usize> = HashMap::new();
        for (stage, outcome) in &packet.outcomes {
            let schema = Schema::Outcome(outcome.kind());
            let count = nth.entry((stage, schema.word())).or_default();
            let key = (Arc::clone(stage), schema.word(), *count);
            *count += 1;
            if !self.outcomes.contains_key(&key) {
                let topic = format!("{OUTCOMES}{stage}/{}", schema.word());
                let id = channel(&mut self.writer, &self.path, schema, &topic, &BTreeMap::new())?;
                self.outcomes.insert(key.clone(), (id, Seen::default()));
            }
            let Some((id, seen)) = self.outcomes.get_mut(&key) else { continue };
            if seen.is_new(packet.head.seq) {
                let id = *id;
                self.scratch.clear();
                encode_outcome(outcome, packet.head.seq, packet.head.at, &mut self.scratch)?;
                self.message(id, packet.head.seq, packet.head.at, now)?;
            }
        }
        Ok(())
    }
    /// Writes what is in `scratch`.
    fn message(&mut self, channel_id: u16, seq: u64, at: SensorTime, now: HostTime) -> Result<()> {
        if num::u32(self.scratch.len()) == u32::MAX {
            return Err(Error::mismatch("a message below 4 GiB", format!("{} bytes", self.scratch.len()), "recording"));
        }
        let (log_time, publish_time) = (unsigned(now.nanos()), unsigned(at.nanos()));
        let header = MessageHeader { channel_id, sequence: sequence(seq), log_time, publish_time };
        self.writer.write_to_known_channel(&header, &self.scratch).map_err(|e| Error::io("write", &self.path, e))
    }
    pub(super) fn close(mut self) -> Result<()> {
        self.writer.finish().map_err(|e| Error::io("finish", &self.path, e))?;
        let mut file = self.writer.into_inner().into_inner();
        file.flush().map_err(|e| Error::io("finish", &self.path, e))
    }
}

fn unknown(sensor: SensorId) -> Error {
    Error::mismatch("a sensor that the pipeline's layout names", format!("`{sensor}`"), "frame to record")
}

fn channel(writer: &mut Output, path: &Path, schema: Schema, topic: &str, about: &BTreeMap<String, String>) -> Result<u16> {
    let (encoding, text): (_, &[u8]) = match schema.encoding() {
        "json" => ("jsonschema", br#"{"type":"object"}"#),
        _ => (BINARY, b"little-endian; laid out as in Sensorium's formats::recording"),
    };
    let id = writer.add_schema(schema.name(), encoding, text);
    id.and_then(|id| writer.add_channel(id, topic, schema.encoding(), about)).map_err(|e| Error::io("write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_remembers_what_it_forgot_as_seen() {
        let mut seen = Seen::default();
        assert!((0..10_000).all(|n| seen.is_new(n)));
        assert!((0..10_000).all(|n| !seen.is_new(n)));
        assert_eq!(seen.recent.len(), Seen::MEMORY);
    }
}
