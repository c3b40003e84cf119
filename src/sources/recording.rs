//! A recording played back: the same frames to the bit, in the order of their capture.
//!
//! *In*: an MCAP file as [`crate::formats::recording`] lays it out. *Out*: frames with the recorded number, time,
//! calibration and payload. *Invariant*: holds one chunk and about two bundles in memory; a file whose writer crashed
//! plays up to the cut and ends with one rejected reading that says so; a damaged chunk is one rejected reading.

use crate::formats::recording::{
    BundleRecord, CALIBRATIONS, Channel, Found, FrameRecord, PROFILE, Pools, Record, SENSORS, Schema, Step, Stream, decode_as,
};
use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Calibration, Error, Frame, PoolFill, Presence, Result, SensorId, SensorTime, nearest};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Frames held back for the order of capture, at most; a sound recording needs two bundles of them.
const MOST_HELD: usize = 256;

/// Which recording to play.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingConfig {
    /// The MCAP file.
    pub path: PathBuf,
    /// Sensors to play; all of them where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensors: Vec<String>,
}

impl RecordingConfig {
    /// Opens the file and reads its head.
    ///
    /// # Errors
    /// Where the file cannot be read, is no MCAP, holds no recording of ours, or lacks a sensor that was asked for.
    pub fn build(self) -> Result<RecordingSource> {
        let mut stream = open(&self.path)?;
        let mut desk = Desk::default();
        head(&self.path, &mut stream, &mut |found| desk.found(found))?;
        desk.choose(&self.sensors, &self.path)?;
        Ok(RecordingSource { stream, desk, ended: false })
    }
}

/// Plays a recording.
pub struct RecordingSource {
    stream: Stream<BufReader<File>>,
    desk: Desk,
    ended: bool,
}

fn open(path: &Path) -> Result<Stream<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    Ok(Stream::new(BufReader::with_capacity(1 << 18, file)))
}

/// Reads up to the metadata record that closes the head, and shows all of it to `visit`.
fn head(path: &Path, stream: &mut Stream<BufReader<File>>, visit: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    let place = path.display().to_string();
    let (mut profile, mut library, mut closed) = (None, String::new(), false);
    let mut schemas = BTreeSet::new();
    let mut steps = 0;
    while !closed && steps < 4096 {
        steps += 1;
        let step = stream.step(&mut |found| {
            match &found {
                Found::Header(p, l) => (profile, library) = (Some((*p).to_owned()), (*l).to_owned()),
                Found::Channel(c) => drop(schemas.insert(c.schema_name.clone())),
                Found::Metadata(name, _) => closed |= *name == PROFILE,
                _ => {}
            }
            visit(found);
        });
        match step {
            Step::More => {}
            Step::Foreign => return Err(Error::mismatch("an MCAP file", "other first bytes", place)),
            Step::Cut(why) if profile.is_none() => return Err(Error::mismatch("an MCAP file", why, place)),
            Step::End | Step::Cut(_) => break,
        }
        if profile.as_deref().is_some_and(|p| p != PROFILE) && !schemas.is_empty() && steps > 16 {
            break;
        }
    }
    let profile = profile.unwrap_or_default();
    if profile != PROFILE {
        let names = schemas.into_iter().take(8).collect::<Vec<_>>().join(", ");
        let found = format!("one of profile `{profile}` by `{library}` with schemas: {names}");
        return Err(Error::mismatch(format!("an MCAP recording of profile `{PROFILE}`"), found, place));
    }
    if !closed {
        return Err(Error::mismatch("a recording with a complete head", "one that breaks off before its first frame", place));
    }
    Ok(())
}

/// What has been read and not yet given out.
#[derive(Default)]
struct Desk {
    sensors: Vec<SensorInfo>,
    calibrations: BTreeMap<(SensorId, u32), Arc<Calibration>>,
    rejected: VecDeque<(SensorId, Option<SensorTime>, String)>,
    held: BinaryHeap<Reverse<Held>>,
    count: u64,
    /// Frames up to here may go: nothing earlier will come.
    due: Option<SensorTime>,
    skew: Duration,
    pools: Pools,
}

/// A frame that waits for its turn.
struct Held {
    turn: (SensorTime, u64),
    frame: Frame,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.turn.cmp(&other.turn)
    }
}

impl Desk {
    fn found(&mut self, found: Found<'_>) {
        match found {
            Found::Channel(channel) => self.channel(channel),
            Found::Message(channel, bytes) => self.message(channel, bytes),
            Found::Damage(why) => self.reject(None, why),
            Found::Header(..) | Found::Metadata(..) => {}
        }
    }
    fn channel(&mut self, channel: &Channel) {
        let Some((id, Schema::Frame(modality))) = sensor(channel, SENSORS).zip(channel.schema) else { return };
        if self.sensors.iter().all(|s| s.id != id) {
            let calibration = Arc::new(Calibration::unknown(id.name()));
            self.sensors.push(SensorInfo { id, modality, calibration });
        }
    }
    /// Keeps the sensors that were asked for, with their first calibrations.
    fn choose(&mut self, wanted: &[String], path: &Path) -> Result<()> {
        for name in wanted {
            let mut names = self.sensors.iter().map(|s| s.id.name());
            if names.clone().all(|n| n != name) {
                let hint = nearest(name, names.clone()).map_or_else(String::new, |n| format!("; nearest is `{n}`"));
                let all = names.by_ref().collect::<Vec<_>>().join(", ");
                return Err(Error::mismatch(format!("sensor `{name}`"), format!("{all}{hint}"), path.display().to_string()));
            }
        }
        self.sensors.retain(|s| wanted.is_empty() || wanted.iter().any(|w| w == s.id.name()));
        for info in &mut self.sensors {
            if let Some(first) = self.calibrations.get(&(info.id, 0)) {
                info.calibration = Arc::clone(first);
            }
        }
        if self.sensors.is_empty() {
            return Err(Error::mismatch("at least one sensor", "none", path.display().to_string()));
        }
        Ok(())
    }
    fn message(&mut self, channel: &Channel, bytes: &[u8]) {
        let Some(schema) = channel.schema else { return };
        let sensor = match schema {
            Schema::Frame(_) => sensor(channel, SENSORS),
            Schema::Calibration => sensor(channel, CALIBRATIONS),
            Schema::Bundle => None,
            Schema::Outcome(_) => return,
        };
        // Calibrations are read before the sensors are chosen, frames only of those that were.
        if matches!(schema, Schema::Frame(_)) && !self.sensors.iter().any(|s| Some(s.id) == sensor) {
            return;
        }
        match (decode_as(schema, bytes, &self.pools), sensor) {
            (Ok(Record::Frame(record)), Some(sensor)) => self.frame(sensor, record),
            (Ok(Record::Calibration(index, found)), Some(sensor)) => drop(self.calibrations.insert((sensor, index), Arc::new(found))),
            (Ok(Record::Bundle(bundle)), _) => {
                self.skew = self.skew.max(Duration::from_nanos(bundle.skew));
                self.due = self.due.max(Some(bundle.at.before(self.skew)));
                // What was rejected then makes its bundle again.
                let played = |id: &SensorId| self.sensors.iter().any(|s| s.id == *id);
                let rejected = bundle.missing.iter().filter(|(id, p)| *p == Presence::Rejected && played(id));
                let gaps = rejected.map(|(id, _)| (*id, Some(bundle.at), "rejected when it was recorded".to_owned()));
                self.rejected.extend(gaps);
            }
            (Ok(_), _) => {}
            (Err(e), sensor) => self.reject(sensor, e.to_string()),
        }
    }
    fn frame(&mut self, sensor: SensorId, record: FrameRecord) {
        let FrameRecord { calibration, seq, captured, arrived, name, payload } = record;
        let Some(calibration) = self.calibrations.get(&(sensor, calibration)).map(Arc::clone) else {
            let reason = format!("wanted calibration {calibration}, found none before the frame (frame {seq} of `{sensor}`)");
            return self.reject(Some(sensor), reason);
        };
        let frame = Frame { arrived, name, ..Frame::new(sensor, seq, captured, calibration, payload) };
        self.held.push(Reverse(Held { turn: (captured, self.count), frame }));
        self.count += 1;
    }
    /// Damage that cannot be laid to one sensor counts for the first.
    fn reject(&mut self, sensor: Option<SensorId>, reason: String) {
        let sensor = sensor.filter(|s| self.sensors.iter().any(|i| i.id == *s));
        let sensor = sensor.or_else(|| self.sensors.first().map(|s| s.id)).unwrap_or_else(|| SensorId::new("recording"));
        self.rejected.push_back((sensor, None, reason));
    }
    /// The next reading whose turn it is.
    fn next(&mut self, ended: bool) -> Option<Reading> {
        if let Some((sensor, at, reason)) = self.rejected.pop_front() {
            return Some(Reading::Rejected { sensor, at, reason });
        }
        let first = self.held.peek().map(|Reverse(h)| h.turn.0)?;
        let may = ended || self.held.len() > MOST_HELD || self.due.is_some_and(|due| first <= due);
        let Reverse(held) = may.then(|| self.held.pop()).flatten()?;
        Some(Reading::Frame(held.frame))
    }
}

/// The sensor that a channel's topic names after `prefix`.
fn sensor(channel: &Channel, prefix: &str) -> Option<SensorId> {
    channel.topic.strip_prefix(prefix).filter(|name| !name.is_empty() && name.len() < 256).map(SensorId::new)
}

impl Source for RecordingSource {
    fn sensors(&self) -> Vec<SensorInfo> {
        self.desk.sensors.clone()
    }
    fn next(&mut self, cx: &Cx) -> Result<Reading> {
        loop {
            if let Some(reading) = self.desk.next(self.ended) {
                return Ok(reading);
            }
            if self.ended || cx.stop.stopped() {
                return Ok(Reading::End);
            }
            match self.stream.step(&mut |found| self.desk.found(found)) {
                Step::More => {}
                Step::End => self.ended = true,
                Step::Foreign => self.cut("the file's end mark is damaged"),
                Step::Cut(why) => self.cut(&why),
            }
        }
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        self.desk.pools.fill()
    }
}

impl RecordingSource {
    fn cut(&mut self, why: &str) {
        self.ended = true;
        self.desk.reject(None, format!("the recording is cut: {why}"));
    }
}

/// Shows every sound record of a recording to `visit`, with its topic, in the order of the file: for tools that look at
/// bundles and outcomes. Gives the reasons of what could not be read.
///
/// # Errors
/// Where the file cannot be read or is no recording of ours.
pub fn read_recording(path: &Path, visit: &mut dyn FnMut(&str, Record)) -> Result<Vec<String>> {
    let mut stream = open(path)?;
    let pools = Pools::default();
    let mut damage = Vec::new();
    let mut show = |found: Found<'_>| match found {
        Found::Message(Channel { topic, schema: Some(schema), .. }, bytes) => match decode_as(*schema, bytes, &pools) {
            Ok(record) => visit(topic, record),
            Err(e) => damage.push(format!("{topic}: {e}")),
        },
        Found::Damage(why) => damage.push(why),
        _ => {}
    };
    head(path, &mut stream, &mut show)?;
    loop {
        match stream.step(&mut show) {
            Step::More => {}
            Step::End => return Ok(damage),
            Step::Foreign => return Ok(damage),
            Step::Cut(why) => {
                damage.push(format!("the recording is cut: {why}"));
                return Ok(damage);
            }
        }
    }
}

/// The bundles that were recorded, in order: what a replay must make again.
///
/// # Errors
/// As [`read_recording`].
pub fn recorded_bundles(path: &Path) -> Result<Vec<BundleRecord>> {
    let mut bundles = Vec::new();
    read_recording(path, &mut |_, record| {
        if let Record::Bundle(bundle) = record {
            bundles.push(bundle);
        }
    })?;
    Ok(bundles)
}
