//! Plays what a data set's reader planned: files and readings, in the order of their capture.
//!
//! *In*: a plan made when the source is built; files are opened one by one while it plays. *Out*: frames of several sensors.
//! *Invariant*: every planned entry is given exactly once, as a frame or as a rejection with its reason; a sensor's stamps grow strictly.

use super::nuscenes::sweeps::{Part, gather};
use super::picture::PictureReader;
use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Calibration, Error, Frame, LidarPoint, Payload, PointCloud, Pool, PoolFill, RadarScan, Result, SensorId, SensorTime};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest sweep or scan that is read, bytes: twenty times the densest LiDAR's.
pub(super) const LARGEST: u64 = 256 << 20;
/// Idle clouds that are kept.
const IDLE: usize = 8;

/// Bytes of a sweep to points in a pooled buffer.
pub(super) type ParseCloud = fn(&[u8], &Pool<LidarPoint>) -> Result<PointCloud>;

/// Where an entry's payload comes from.
#[derive(Debug, Clone)]
pub(super) enum Load {
    Picture(PathBuf),
    Cloud(PathBuf, ParseCloud),
    /// Several sweeps as one, this one first.
    Sweeps(Vec<Part>),
    Radar(PathBuf, fn(&[u8]) -> Result<RadarScan>),
    Ready(Payload),
    /// Known to be bad when the plan was made: the reason.
    Refused(String),
}

impl Load {
    /// The file's stem, where it is one.
    fn name(&self) -> Option<Arc<str>> {
        match self {
            Self::Picture(path) | Self::Cloud(path, _) | Self::Radar(path, _) => path.file_stem().map(|s| Arc::from(s.to_string_lossy())),
            Self::Sweeps(parts) => parts.first()?.path.file_stem().map(|s| Arc::from(s.to_string_lossy())),
            Self::Ready(_) | Self::Refused(_) => None,
        }
    }
}

/// One frame to come.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) at: SensorTime,
    pub(super) sensor: SensorId,
    pub(super) calibration: Arc<Calibration>,
    pub(super) load: Load,
}

/// A data set on disk as a [`Source`].
#[derive(Debug)]
pub struct Player {
    sensors: Vec<SensorInfo>,
    plan: VecDeque<Planned>,
    /// Per sensor: frames given, stamp of the last one.
    given: BTreeMap<SensorId, (u64, SensorTime)>,
    pictures: PictureReader,
    points: Pool<LidarPoint>,
    bytes: Vec<u8>,
}

impl Player {
    /// Sorts the plan by time; entries of one time go in the order of `sensors`.
    pub(super) fn new(sensors: Vec<SensorInfo>, mut plan: Vec<Planned>) -> Self {
        let rank: BTreeMap<SensorId, usize> = sensors.iter().enumerate().map(|(rank, s)| (s.id, rank)).collect();
        plan.sort_by_key(|p| (p.at, rank.get(&p.sensor).copied()));
        Self {
            sensors,
            plan: plan.into(),
            given: BTreeMap::new(),
            pictures: PictureReader::new(),
            points: Pool::new(IDLE),
            bytes: Vec::new(),
        }
    }
    /// Entries not yet played.
    pub fn remaining(&self) -> usize {
        self.plan.len()
    }
    fn load(&mut self, load: Load) -> Result<Payload> {
        let Self { pictures, points, bytes, .. } = self;
        match load {
            Load::Picture(path) => pictures.rgb(&path).map(|p| Payload::Rgb(Arc::new(p))),
            Load::Cloud(path, parse) => {
                read_into(&path, bytes)?;
                parse(bytes, points).map(|c| Payload::Cloud(Arc::new(c))).map_err(|e| e.at(path.display().to_string()))
            }
            Load::Sweeps(parts) => gather(&parts, points, bytes).map(|c| Payload::Cloud(Arc::new(c))),
            Load::Radar(path, parse) => {
                read_into(&path, bytes)?;
                parse(bytes).map(|r| Payload::Radar(Arc::new(r))).map_err(|e| e.at(path.display().to_string()))
            }
            Load::Ready(payload) => Ok(payload),
            Load::Refused(reason) => Err(Error::unavailable("frame", reason)),
        }
    }
}

impl Source for Player {
    fn sensors(&self) -> Vec<SensorInfo> {
        self.sensors.clone()
    }
    fn next(&mut self, _cx: &Cx) -> Result<Reading> {
        let Some(Planned { at, sensor, calibration, load }) = self.plan.pop_front() else {
            return Ok(Reading::End);
        };
        if let Load::Refused(reason) = load {
            return Ok(Reading::Rejected { sensor, at: Some(at), reason });
        }
        let last = self.given.get(&sensor).copied();
        if let Some((_, before)) = last.filter(|(_, before)| *before >= at) {
            let reason = format!("wanted a stamp after {} ns, found {} ns ({sensor})", before.nanos(), at.nanos());
            return Ok(Reading::Rejected { sensor, at: None, reason });
        }
        let name = load.name();
        match self.load(load) {
            Ok(payload) => {
                let seq = last.map_or(0, |(count, _)| count);
                self.given.insert(sensor, (seq + 1, at));
                Ok(Reading::Frame(Frame { name, ..Frame::new(sensor, seq, at, calibration, payload) }))
            }
            Err(reason) => Ok(Reading::Rejected { sensor, at: Some(at), reason: reason.to_string() }),
        }
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        let mut pools = self.pictures.pools();
        pools.push(("points".into(), self.points.fill()));
        pools
    }
}

/// The whole of a regular file, into a buffer that is used again.
fn read_into(path: &Path, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    append(path, LARGEST, bytes)
}

/// Adds the whole of a regular file to a buffer.
///
/// # Errors
/// Where it cannot be read, is no regular file or larger than `most` bytes.
pub(super) fn append(path: &Path, most: u64, bytes: &mut Vec<u8>) -> Result<()> {
    let fault = |e: std::io::Error| Error::io("read", path, e);
    let meta = std::fs::metadata(path).map_err(fault)?;
    if !meta.is_file() || meta.len() > most {
        let found = format!("{} bytes, regular file: {}", meta.len(), meta.is_file());
        return Err(Error::mismatch(format!("a file of at most {most} bytes"), found, path.display().to_string()));
    }
    bytes.reserve(usize::try_from(meta.len()).unwrap_or(0).saturating_add(1));
    File::open(path).map_err(fault)?.take(most).read_to_end(bytes).map_err(fault)?;
    Ok(())
}

/// The whole of a text file.
///
/// # Errors
/// Where it cannot be read, is too large or is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    read_into(path, &mut bytes)?;
    String::from_utf8(bytes).map_err(|e| Error::io("read", path, e))
}
