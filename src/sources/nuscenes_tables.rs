//! The part of nuScenes' tables that a source needs, joined.
//!
//! *In*: the folder of tables and what is asked for. *Out*: [`Tables`]: the chosen channels' files with their calibrations and
//! poses. *Invariant*: every token that is followed was found; one that was not is named by table, record and field, and all
//! such faults of a table are counted before it is refused.

use crate::formats::nuscenes::{CalibratedSensor, EgoPose, Log, Record, Sample, SampleData, Scene, Sensor, table};
use crate::types::{Error, Result, nearest};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A file of a chosen channel.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) data: SampleData,
    pub(super) channel: String,
}

/// What a source needs of the tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Samples of the chosen scenes by token.
    pub(super) samples: BTreeMap<String, Sample>,
    /// Samples that are not later than the one before them.
    pub(super) disordered: HashSet<String>,
    pub(super) calibrated: HashMap<String, CalibratedSensor>,
    /// Modality by channel, for the chosen channels.
    pub(super) modality: BTreeMap<String, String>,
    /// Poses of the chosen files.
    pub(super) poses: HashMap<String, EgoPose>,
    pub(super) items: Vec<Item>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'c> {
    pub(super) scene: Option<&'c str>,
    pub(super) channels: &'c [String],
    pub(super) sweeps: bool,
}

/// Counts faults of one table and keeps the first.
#[derive(Default)]
struct Faults {
    count: usize,
    first: Option<Error>,
}

impl Faults {
    fn dangling<R: Record>(&mut self, record: &R, field: &str, wanted: &str, token: &str) {
        let place = format!("table {}, token {}, field {field}", R::TABLE, record.token());
        self.add(Error::mismatch(format!("a record of table {wanted}"), format!("none with token `{token}`"), place));
    }
    fn add(&mut self, fault: Error) {
        self.count += 1;
        self.first.get_or_insert(fault);
    }
    fn settle(self, folder: &Path) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(first) => Err(first.at(format!("{} fault(s) in {}, the first", self.count, folder.display()))),
        }
    }
}

fn each<R: Record>(folder: &Path, each: impl FnMut(R) -> Result<()>) -> Result<()> {
    let path = folder.join(format!("{}.json", R::TABLE));
    let file = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
    table(BufReader::with_capacity(1 << 16, file), each)
}
/// A whole small table by token.
fn all<R: Record>(folder: &Path, faults: &mut Faults) -> Result<HashMap<String, R>> {
    let mut records = HashMap::new();
    each(folder, |record: R| {
        if let Some(twice) = records.insert(record.token().to_owned(), record) {
            faults.add(duplicate(&twice));
        }
        Ok(())
    })?;
    Ok(records)
}
fn duplicate<R: Record>(record: &R) -> Error {
    Error::mismatch("one record to a token", "two", format!("table {}, token {}", R::TABLE, record.token()))
}

impl Tables {
    /// Reads and joins.
    pub(super) fn read(folder: &Path, choice: Choice<'_>) -> Result<Self> {
        let mut tables = Self::default();
        let known = tables.read_samples(folder, choice.scene)?;
        let channel_of = tables.read_sensors(folder, choice.channels)?;
        tables.read_items(folder, choice, &known, &channel_of)?;
        tables.read_poses(folder)?;
        Ok(tables)
    }
    /// Logs, scenes and samples; all samples' tokens are returned.
    fn read_samples(&mut self, folder: &Path, scene: Option<&str>) -> Result<HashSet<String>> {
        let mut faults = Faults::default();
        let logs: HashMap<String, Log> = all(folder, &mut faults)?;
        let scenes: HashMap<String, Scene> = all(folder, &mut faults)?;
        let samples: HashMap<String, Sample> = all(folder, &mut faults)?;
        for record in scenes.values() {
            if !logs.contains_key(&record.log_token) {
                faults.dangling(record, "log_token", "log", &record.log_token);
            }
            for (field, token) in [("first_sample_token", &record.first_sample_token), ("last_sample_token", &record.last_sample_token)] {
                if !samples.contains_key(token) {
                    faults.dangling(record, field, "sample", token);
                }
            }
        }
        for record in samples.values() {
            if !scenes.contains_key(&record.scene_token) {
                faults.dangling(record, "scene_token", "scene", &record.scene_token);
            }
            for (field, token) in [("prev", &record.prev), ("next", &record.next)].into_iter().filter(|(_, t)| !t.is_empty()) {
                match samples.get(token) {
                    None => faults.dangling(record, field, "sample", token),
                    Some(next) if field == "next" && next.timestamp <= record.timestamp => {
                        self.disordered.insert(token.clone());
                    }
                    Some(_) => {}
                }
            }
        }
        faults.settle(folder)?;
        if let Some(wanted) = scene {
            let mut names: Vec<&str> = scenes.values().map(|s| s.name.as_str()).collect();
            names.sort_unstable();
            if !scenes.contains_key(wanted) && !names.contains(&wanted) {
                let hint = nearest(wanted, names.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                let found = format!("{} scenes without it{hint}", names.len());
                return Err(Error::mismatch(format!("a scene `{wanted}`"), found, folder.display().to_string()));
            }
        }
        let chosen =
            |s: &Sample| scene.is_none_or(|w| s.scene_token == w || scenes.get(&s.scene_token).is_some_and(|scene| scene.name == w));
        let known = samples.keys().cloned().collect();
        self.samples = samples.into_iter().filter(|(_, s)| chosen(s)).collect();
        Ok(known)
    }
    /// Sensors and their mountings; channels by the mountings' tokens are returned.
    fn read_sensors(&mut self, folder: &Path, channels: &[String]) -> Result<HashMap<String, String>> {
        let mut faults = Faults::default();
        let sensors: HashMap<String, Sensor> = all(folder, &mut faults)?;
        self.calibrated = all(folder, &mut faults)?;
        let mut channel_of = HashMap::new();
        for record in self.calibrated.values() {
            match sensors.get(&record.sensor_token) {
                None => faults.dangling(record, "sensor_token", "sensor", &record.sensor_token),
                Some(sensor) => {
                    channel_of.insert(record.token.clone(), sensor.channel.clone());
                }
            }
        }
        faults.settle(folder)?;
        let known: BTreeMap<&str, &str> = sensors.values().map(|s| (s.channel.as_str(), s.modality.as_str())).collect();
        for wanted in channels {
            let Some(modality) = known.get(wanted.as_str()) else {
                let hint = nearest(wanted, known.keys().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                let found = format!("{:?}{hint}", known.keys().collect::<Vec<_>>());
                return Err(Error::mismatch(format!("a channel `{wanted}`"), found, folder.display().to_string()));
            };
            self.modality.insert(wanted.clone(), (*modality).to_owned());
        }
        Ok(channel_of)
    }
    /// The chosen channels' files.
    fn read_items(
        &mut self,
        folder: &Path,
        choice: Choice<'_>,
        known: &HashSet<String>,
        channel_of: &HashMap<String, String>,
    ) -> Result<()> {
        let mut faults = Faults::default();
        let wanted: BTreeSet<&str> = choice.channels.iter().map(String::as_str).collect();
        let mut seen = HashSet::new();
        each(folder, |data: SampleData| {
            if !known.contains(&data.sample_token) {
                faults.dangling(&data, "sample_token", "sample", &data.sample_token);
            }
            let Some(channel) = channel_of.get(&data.calibrated_sensor_token) else {
                faults.dangling(&data, "calibrated_sensor_token", "calibrated_sensor", &data.calibrated_sensor_token);
                return Ok(());
            };
            let chosen = wanted.contains(channel.as_str()) && (choice.sweeps || data.is_key_frame);
            if chosen && self.samples.contains_key(&data.sample_token) {
                if !seen.insert(data.token.clone()) {
                    faults.add(duplicate(&data));
                }
                self.items.push(Item { data, channel: channel.clone() });
            }
            Ok(())
        })?;
        faults.settle(folder)?;
        self.items.sort_by(|a, b| (a.data.timestamp, &a.channel).cmp(&(b.data.timestamp, &b.channel)));
        Ok(())
    }
    /// Poses of the chosen files.
    fn read_poses(&mut self, folder: &Path) -> Result<()> {
        let wanted: HashSet<&str> = self.items.iter().map(|i| i.data.ego_pose_token.as_str()).collect();
        let (mut faults, mut poses) = (Faults::default(), HashMap::with_capacity(wanted.len()));
        each(folder, |pose: EgoPose| {
            if wanted.contains(pose.token.as_str())
                && let Some(twice) = poses.insert(pose.token.clone(), pose)
            {
                faults.add(duplicate(&twice));
            }
            Ok(())
        })?;
        for Item { data, .. } in &self.items {
            if !poses.contains_key(&data.ego_pose_token) {
                faults.dangling(data, "ego_pose_token", "ego_pose", &data.ego_pose_token);
            }
        }
        faults.settle(folder)?;
        self.poses = poses;
        Ok(())
    }
}
