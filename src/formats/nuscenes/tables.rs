//! The tables of a root, joined as far as they are asked for.
//!
//! *In*: a way to open each table, and a [`Choice`]. *Out*: [`Tables`]. *Invariant*: a table is read in batches and what was not
//! chosen is forgotten at once; broken records are left out and noted, with table, token and field.

use super::fault::{Fault, FaultKind, Faults};
use super::json::{Json, Parsed, WrongKind};
use super::records::token_of;
use super::stream::{Batch, Window, drain};
use super::{
    Attribute, CalibratedSensor, Category, EgoPose, Instance, Lidarseg, Log, Map, Panoptic, Record, Sample, SampleAnnotation, SampleData,
    Scene, Sensor, Token, Visibility,
};
use crate::types::Result;
use rayon::prelude::*;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;

/// Records of one table, found by token, in the file's order.
#[derive(Debug, Clone)]
pub struct Table<R> {
    rows: Vec<R>,
    index: HashMap<Token, u32>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), index: HashMap::new() }
    }
}

impl<R: Record> Table<R> {
    /// The record with this token.
    pub fn get(&self, token: &Token) -> Option<&R> {
        self.rows.get(self.row(token)?)
    }
    /// Its place.
    pub fn row(&self, token: &Token) -> Option<usize> {
        self.index.get(token).map(|row| crate::types::num::usize(*row))
    }
    /// All, in the file's order.
    pub fn rows(&self) -> &[R] {
        &self.rows
    }
    fn insert(&mut self, record: R, file: &str, faults: &mut Faults) {
        let row = crate::types::num::u32(self.rows.len());
        match self.index.entry(record.token().clone()) {
            Entry::Occupied(_) => {
                let fault = Fault::new(FaultKind::DuplicateToken, file, "one record for each token", "two");
                faults.add(fault.of(record.token()).field("token"));
            }
            Entry::Vacant(slot) => {
                slot.insert(row);
                self.rows.push(record);
            }
        }
    }
}

/// What of a root is read.
pub struct Choice<'c> {
    /// Scenes that are kept; their samples, files and annotations follow.
    pub scene: &'c dyn Fn(&Scene) -> bool,
    /// Channels whose files are kept; `None`: all.
    pub channels: Option<BTreeSet<&'c str>>,
    /// Whether files between key frames are kept.
    pub sweeps: bool,
    /// Whether categories, attributes, instances and annotations are read.
    pub annotations: bool,
    /// Whether maps and point labels are read.
    pub rest: bool,
}

impl Choice<'_> {
    /// Everything.
    pub const fn all() -> Self {
        Self { scene: &|_| true, channels: None, sweeps: true, annotations: true, rest: true }
    }
}

/// Opens a table by its name; `None` where there is none.
pub type Open<'o> = &'o dyn Fn(&str) -> Result<Option<Box<dyn Read + Send>>>;

/// The tables of a root.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Folder of the tables, `v1.0-mini` and the like.
    pub version: String,
    /// Kinds of objects.
    pub categories: Table<Category>,
    /// States of objects.
    pub attributes: Table<Attribute>,
    /// Grades of visibility.
    pub visibilities: Table<Visibility>,
    /// Objects.
    pub instances: Table<Instance>,
    /// Sensors.
    pub sensors: Table<Sensor>,
    /// Mountings.
    pub calibrated: Table<CalibratedSensor>,
    /// Poses of the chosen files.
    pub ego_poses: Table<EgoPose>,
    /// Drives.
    pub logs: Table<Log>,
    /// All scenes, also those that were not chosen.
    pub scenes: Table<Scene>,
    /// Samples of all scenes.
    pub samples: Table<Sample>,
    /// The chosen files.
    pub sample_data: Table<SampleData>,
    /// Boxes of the chosen scenes.
    pub annotations: Table<SampleAnnotation>,
    /// Map pictures.
    pub maps: Table<Map>,
    /// Point labels.
    pub lidarseg: Table<Lidarseg>,
    /// Point labels with objects.
    pub panoptic: Table<Panoptic>,
    /// Names of channels by mounting.
    channels: HashMap<Token, Box<str>>,
    /// Annotations by sample, as ranges of `by_sample`.
    sample_rows: Vec<(u32, u32)>,
    by_sample: Vec<u32>,
    /// Key frames by sample: channel and row.
    key_frames: Vec<BTreeMap<Box<str>, u32>>,
}

/// Hands every readable record of a table to `each`, in the file's order; what cannot be read is noted under `file`.
pub fn table<R: Record>(input: impl Read + Send, file: &str, faults: &mut Faults, mut each: impl FnMut(R, &mut Faults)) {
    let parse = |batch: &Batch| -> Vec<std::result::Result<R, Box<Fault>>> {
        let one = |index: usize| {
            let (_, bytes, at) = batch.get(index).unwrap_or_default();
            let read = |json: &mut Json<'_>| -> Parsed<R> { R::read(json).and_then(|record| json.end().map(|()| record)) };
            read(&mut Json::new(bytes)).map_err(|mut wrong| {
                wrong.at += at;
                Box::new(Fault::parsed(&wrong, file).of(token_of(bytes)))
            })
        };
        (0..batch.len()).into_par_iter().with_min_len(512).map(one).collect()
    };
    let mut window = Window::new(input);
    let mut broken = false;
    let read = window.open(b'[', "a list of records").and_then(|()| {
        drain(&mut window, false, parse, |records| {
            for record in records {
                match record {
                    Ok(record) => each(record, faults),
                    // After a break in the syntax the rest is guesswork.
                    Err(_) if broken => {}
                    Err(fault) => {
                        broken |= fault.kind == FaultKind::BadJson;
                        faults.add(*fault);
                    }
                }
            }
        })
    });
    if let Err(wrong) = read.and_then(|()| window.end())
        && !broken
    {
        let mut fault = Fault::parsed(&wrong, file);
        if matches!(wrong.kind, WrongKind::Type) {
            fault.kind = FaultKind::BadJson;
        }
        faults.add(fault);
    }
}

/// Reads tables one after another.
struct Reader<'r> {
    open: Open<'r>,
    version: &'r str,
    faults: &'r mut Faults,
}

impl Reader<'_> {
    fn file<R: Record>(&self) -> String {
        format!("{}/{}.json", self.version, R::TABLE)
    }
    fn each<R: Record>(&mut self, needed: bool, mut each: impl FnMut(R, &str, &mut Faults)) -> Result<()> {
        let file = self.file::<R>();
        match (self.open)(R::TABLE)? {
            Some(input) => table(input, &file, self.faults, |record, faults| each(record, &file, faults)),
            None if needed => self.faults.add(Fault::new(FaultKind::MissingTable, file, "a table", "no file")),
            None => {}
        }
        Ok(())
    }
    fn whole<R: Record>(&mut self, needed: bool) -> Result<Table<R>> {
        let mut table = Table::default();
        self.each(needed, |record: R, file, faults| table.insert(record, file, faults))?;
        Ok(table)
    }
}

impl Tables {
    /// Reads what is chosen; broken records and tables that should be there are noted in `faults`.
    ///
    /// # Errors
    /// Where a table is there but cannot be opened.
    pub fn read(open: Open<'_>, version: &str, choice: &Choice<'_>, faults: &mut Faults) -> Result<Self> {
        let mut reader = Reader { open, version, faults };
        let mut tables = Self { version: version.to_owned(), ..Self::default() };
        if choice.annotations {
            tables.categories = reader.whole(true)?;
            tables.attributes = reader.whole(true)?;
            tables.visibilities = reader.whole(true)?;
            tables.instances = reader.whole(true)?;
        }
        tables.sensors = reader.whole(true)?;
        tables.calibrated = reader.whole(true)?;
        tables.logs = reader.whole(true)?;
        tables.scenes = reader.whole(true)?;
        tables.samples = reader.whole(true)?;
        for mounting in tables.calibrated.rows() {
            if let Some(sensor) = tables.sensors.get(&mounting.sensor_token) {
                tables.channels.insert(mounting.token.clone(), sensor.channel.clone());
            }
        }
        let kept: HashSet<Token> = tables.scenes.rows().iter().filter(|s| (choice.scene)(s)).map(|s| s.token.clone()).collect();
        // A record whose links dangle is kept, so that the check can name it.
        let chosen: Vec<bool> = tables.samples.rows().iter().map(|s| kept.contains(&s.scene_token)).collect();
        let samples = &tables.samples;
        let wanted = |sample: &Token| samples.row(sample).is_none_or(|row| chosen.get(row) == Some(&true));
        let (channels, data) = (&tables.channels, &mut tables.sample_data);
        reader.each(true, |record: SampleData, file, faults| {
            let channel = channels.get(&record.calibrated_sensor_token);
            let listed = |names: &BTreeSet<&str>| channel.is_none_or(|c| names.contains(&**c));
            if (choice.sweeps || record.is_key_frame) && choice.channels.as_ref().is_none_or(listed) && wanted(&record.sample_token) {
                data.insert(record, file, faults);
            }
        })?;
        let poses_of: HashSet<&Token> = tables.sample_data.rows().iter().map(|d| &d.ego_pose_token).collect();
        let poses = &mut tables.ego_poses;
        reader.each(true, |record: EgoPose, file, faults| {
            if poses_of.contains(&record.token) {
                poses.insert(record, file, faults);
            }
        })?;
        drop(poses_of);
        if choice.annotations {
            let annotations = &mut tables.annotations;
            reader.each(true, |record: SampleAnnotation, file, faults| {
                if wanted(&record.sample_token) {
                    annotations.insert(record, file, faults);
                }
            })?;
        }
        if choice.rest {
            tables.maps = reader.whole(true)?;
            tables.lidarseg = reader.whole(false)?;
            tables.panoptic = reader.whole(false)?;
        }
        tables.join();
        Ok(tables)
    }

    /// Annotations and key frames by sample.
    fn join(&mut self) {
        let mut of_sample: Vec<Vec<u32>> = vec![Vec::new(); self.samples.rows().len()];
        for (row, annotation) in (0_u32..).zip(self.annotations.rows()) {
            if let Some(list) = self.samples.row(&annotation.sample_token).and_then(|s| of_sample.get_mut(s)) {
                list.push(row);
            }
        }
        for list in of_sample {
            let start = crate::types::num::u32(self.by_sample.len());
            self.by_sample.extend(list);
            self.sample_rows.push((start, crate::types::num::u32(self.by_sample.len())));
        }
        self.key_frames = vec![BTreeMap::new(); self.samples.rows().len()];
        for (row, data) in (0_u32..).zip(self.sample_data.rows()).filter(|(_, d)| d.is_key_frame) {
            let Some(channel) = self.channels.get(&data.calibrated_sensor_token) else { continue };
            if let Some(frames) = self.samples.row(&data.sample_token).and_then(|s| self.key_frames.get_mut(s)) {
                frames.insert(channel.clone(), row);
            }
        }
    }

    /// The file name of a table below the root.
    pub fn file<R: Record>(&self) -> String {
        format!("{}/{}.json", self.version, R::TABLE)
    }
    /// The channel that a file or mounting belongs to.
    pub fn channel(&self, calibrated_sensor: &Token) -> Option<&str> {
        self.channels.get(calibrated_sensor).map(|c| &**c)
    }
    /// The sensor of a channel.
    pub fn sensor(&self, channel: &str) -> Option<&Sensor> {
        self.sensors.rows().iter().find(|s| &*s.channel == channel)
    }
    /// Annotations of a sample, in the table's order.
    pub fn annotations_of(&self, sample: usize) -> impl Iterator<Item = &SampleAnnotation> {
        let (start, end) = self.sample_rows.get(sample).copied().unwrap_or_default();
        let rows = self.by_sample.get(crate::types::num::usize(start)..crate::types::num::usize(end)).unwrap_or_default();
        rows.iter().filter_map(|row| self.annotations.rows().get(crate::types::num::usize(*row)))
    }
    /// Key frames of a sample, by channel.
    pub fn key_frames(&self, sample: usize) -> impl Iterator<Item = (&str, &SampleData)> {
        let frames = self.key_frames.get(sample).into_iter().flatten();
        frames.filter_map(|(channel, row)| Some((&**channel, self.sample_data.rows().get(crate::types::num::usize(*row))?)))
    }
    /// The key frame of one channel of a sample.
    pub fn key_frame(&self, sample: usize, channel: &str) -> Option<&SampleData> {
        let row = *self.key_frames.get(sample)?.get(channel)?;
        self.sample_data.rows().get(crate::types::num::usize(row))
    }
    /// Rows of a scene's samples, in the order of the chain.
    pub fn samples_of(&self, scene: &Scene) -> Vec<usize> {
        let (mut rows, mut token) = (Vec::new(), &scene.first_sample_token);
        while let Some(row) = self.samples.row(token) {
            // A chain that bites its tail must end too.
            if rows.len() >= self.samples.rows().len() {
                break;
            }
            rows.push(row);
            let Some(sample) = self.samples.rows().get(row) else { break };
            token = &sample.next;
        }
        rows
    }
    /// The name of an annotation's category.
    pub fn category_of(&self, annotation: &SampleAnnotation) -> Option<&str> {
        let instance = self.instances.get(&annotation.instance_token)?;
        self.categories.get(&instance.category_token).map(|c| &*c.name)
    }
}
