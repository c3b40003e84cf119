//! Result files in submission form, read in one pass by all cores.
//!
//! *In*: a reader of `{"meta": ..., "results": {sample: [box, ...]}}`. *Out*: [`ResultFile`]: boxes as small fixed records, samples
//! in the order of the file's keys, which decides ties. *Invariant*: the text is never held whole; every value is checked once,
//! here. What the public devkit takes in silence is an error too, unless `compatible` is asked for: then it is a warning.

mod raw;

use crate::formats::nuscenes::Token;
use crate::formats::nuscenes::fault::{Fault, FaultKind as K, Faults, Severity};
use crate::formats::nuscenes::json::{Json, Parsed, WrongKind};
use crate::formats::nuscenes::stream::{Batch, Window, drain};
use raw::RawBox;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::ops::Range;

/// Classes of the detection task, in the order of its tables.
pub const DETECTION_CLASSES: [&str; 10] =
    ["car", "truck", "bus", "trailer", "construction_vehicle", "pedestrian", "motorcycle", "bicycle", "traffic_cone", "barrier"];
/// Classes of the tracking task, in the order of its tables.
pub const TRACKING_CLASSES: [&str; 7] = ["bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck"];
/// Attributes that a box can have.
pub const ATTRIBUTES: [&str; 8] = [
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
];
/// The attribute of a box that has none.
pub const NO_ATTRIBUTE: u8 = u8::MAX;
/// Boxes a sample may have.
const MOST_BOXES: usize = 500;
/// The score of a box that has none.
const NO_SCORE: f64 = -1.0;

/// Which task a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// Boxes with attributes.
    Detection,
    /// Boxes with identities over time.
    Tracking,
}

impl ResultKind {
    /// The classes of the task.
    pub const fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Detection => &DETECTION_CLASSES,
            Self::Tracking => &TRACKING_CLASSES,
        }
    }
    const fn name_field(self) -> &'static str {
        match self {
            Self::Detection => "detection_name",
            Self::Tracking => "tracking_name",
        }
    }
    const fn score_field(self) -> &'static str {
        match self {
            Self::Detection => "detection_score",
            Self::Tracking => "tracking_score",
        }
    }
}

/// What the results were made from.
pub type Meta = serde_json::Map<String, Value>;

/// One box, in the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResultBox {
    /// Centre, metres on the map.
    pub translation: [f64; 3],
    /// Width, length, height, metres.
    pub size: [f64; 3],
    /// Angle of its length about z, radians.
    pub yaw: f64,
    /// m/s on the map; NaN where unknown.
    pub velocity: [f64; 2],
    /// Confidence.
    pub score: f64,
    /// Place in the task's classes.
    pub class: u8,
    /// Place in [`ATTRIBUTES`], or [`NO_ATTRIBUTE`].
    pub attribute: u8,
    /// Whether the file says that no point lies inside.
    pub empty: bool,
    /// Place in [`ResultFile::tracks`].
    pub track: u32,
}

/// A result file.
#[derive(Debug, Clone, Default)]
pub struct ResultFile {
    /// What the results were made from.
    pub meta: Meta,
    /// Samples in the file's order, each with its boxes.
    pub samples: Vec<(Token, Range<usize>)>,
    /// All boxes.
    pub boxes: Vec<ResultBox>,
    /// Boxes that name another sample than their key does: (box, that sample).
    pub strays: Vec<(usize, Token)>,
    /// Names of the tracks.
    pub tracks: Vec<String>,
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'r> {
    /// The task.
    pub kind: ResultKind,
    /// Its name for faults.
    pub file: &'r str,
    /// Whether what the public devkit takes in silence is only warned of.
    pub compatible: bool,
}

/// The boxes of some samples, and what is wrong with them.
#[derive(Default)]
struct Part {
    samples: Vec<(Token, usize)>,
    boxes: Vec<ResultBox>,
    tracks: Vec<String>,
    strays: Vec<(usize, Token)>,
    faults: Vec<Fault>,
    broken: bool,
}

impl ResultFile {
    /// Reads a file; what is wrong is noted in `faults`.
    pub fn read(input: impl Read + Send, reading: Reading<'_>, faults: &mut Faults) -> Self {
        let mut file = Self::default();
        let mut building = Building { seen: HashSet::new(), names: HashMap::new(), broken: false };
        if let Err(wrong) = file.parse(&mut Window::new(input), reading, faults, &mut building)
            && !building.broken
        {
            let mut fault = Fault::parsed(&wrong, reading.file);
            if wrong.kind == WrongKind::Type {
                fault.kind = K::BadJson;
            }
            faults.add(fault);
        }
        file
    }

    fn parse<R: Read + Send>(
        &mut self,
        window: &mut Window<R>,
        reading: Reading<'_>,
        faults: &mut Faults,
        building: &mut Building,
    ) -> Parsed<()> {
        window.open(b'{', "an object with `meta` and `results`")?;
        let (mut meta, mut results) = (false, false);
        while let Some(key) = window.key()? {
            match key.as_str() {
                "meta" => {
                    meta = true;
                    let text = window.value()?;
                    match serde_json::from_slice(text) {
                        Ok(found) => self.meta = found,
                        Err(e) => faults.add(Fault::new(K::BadType, reading.file, "an object", e.to_string()).field("meta")),
                    }
                }
                "results" => {
                    results = true;
                    window.open(b'{', "an object of samples")?;
                    let parse = |batch: &Batch| parts(batch, reading);
                    drain(window, true, parse, |parts| parts.into_iter().for_each(|p| self.take(p, reading, faults, building)))?;
                }
                _ => window.value().map(drop)?,
            }
        }
        window.end()?;
        for (field, there) in [("meta", meta), ("results", results)] {
            if !there {
                faults.add(Fault::new(K::MissingField, reading.file, format!("a field `{field}`"), "none").field(field));
            }
        }
        Ok(())
    }

    fn take(&mut self, part: Part, reading: Reading<'_>, faults: &mut Faults, building: &mut Building) {
        if building.broken {
            return; // after a break in the syntax the rest is guesswork
        }
        building.broken = part.broken;
        let mut start = self.boxes.len();
        let first = start;
        for (token, count) in part.samples {
            if !building.seen.insert(token.clone()) {
                let fault = Fault::new(K::DuplicateKey, reading.file, "each sample once", "it a second time").of(&token).field("results");
                faults.add(soft(fault, reading));
                // The last one counts, at the first one's place, as where objects are read into a dictionary.
                if let Some(old) = self.samples.iter_mut().find(|(t, _)| *t == token) {
                    old.1 = start..start + count;
                }
            } else {
                self.samples.push((token, start..start + count));
            }
            start += count;
        }
        let names = &mut building.names;
        let own: Vec<u32> = (part.tracks.into_iter())
            .map(|name| {
                *names.entry(name).or_insert_with_key(|name| {
                    self.tracks.push(name.clone());
                    crate::types::num::u32(self.tracks.len() - 1)
                })
            })
            .collect();
        let moved = |mut b: ResultBox| {
            b.track = own.get(crate::types::num::usize(b.track)).copied().unwrap_or(0);
            b
        };
        self.boxes.extend(part.boxes.into_iter().map(moved));
        self.strays.extend(part.strays.into_iter().map(|(at, token)| (first + at, token)));
        faults.extend(part.faults);
    }
}

struct Building {
    seen: HashSet<Token>,
    names: HashMap<String, u32>,
    broken: bool,
}

/// An error, or a warning where the devkit's tolerance is asked for.
fn soft(fault: Fault, reading: Reading<'_>) -> Fault {
    if reading.compatible { fault.warning() } else { fault }
}

/// A batch in as many parts as keep the cores busy.
fn parts(batch: &Batch, reading: Reading<'_>) -> Vec<Part> {
    let step = batch.len().div_ceil(4 * rayon::current_num_threads()).max(1);
    let starts: Vec<usize> = (0..batch.len()).step_by(step).collect();
    let part = |start: usize| {
        let mut part = Part::default();
        for index in start..(start + step).min(batch.len()) {
            let (key, value, at) = batch.get(index).unwrap_or_default();
            if let Err(mut wrong) = part.sample(key, value, reading) {
                wrong.at += at;
                part.broken = true;
                part.faults.push(Fault::parsed(&wrong, reading.file));
                break;
            }
        }
        part
    };
    starts.into_par_iter().map(part).collect()
}

impl Part {
    fn sample(&mut self, key: &[u8], value: &[u8], reading: Reading<'_>) -> Parsed<()> {
        let key = Json::new(key).text()?;
        let token = Token::new(&key);
        let mut count = 0;
        let mut json = Json::new(value);
        let listed = json.list(|json| {
            let mut raw = RawBox::default();
            raw.read(json, reading)?;
            self.checked(raw, &key, count, reading);
            count += 1;
            Ok(())
        });
        match listed {
            Err(wrong) if wrong.kind == WrongKind::Type => {
                self.faults.push(Fault::parsed(&wrong, reading.file).of(&token).field(format!("results.{key}")));
            }
            other => other?,
        }
        if count > MOST_BOXES {
            let fault = Fault::new(K::TooManyBoxes, reading.file, format!("at most {MOST_BOXES} boxes a sample"), count.to_string());
            self.faults.push(fault.of(&token).field(format!("results.{key}")));
        }
        self.samples.push((token, count));
        Ok(())
    }
}

impl ResultFile {
    /// Notes samples of `wanted` that the file lacks and, unless `extra`, samples that it has beyond them.
    pub fn check_samples(&self, wanted: &HashSet<Token>, extra: bool, file: &str, faults: &mut Faults) {
        let given: HashSet<&Token> = self.samples.iter().map(|(t, _)| t).collect();
        let mut missing: Vec<&Token> = wanted.iter().filter(|t| !given.contains(t)).collect();
        missing.sort();
        for token in missing {
            faults.add(Fault::new(K::MissingSample, file, "every sample of the split", "not this one").of(token).field("results"));
        }
        for (token, _) in self.samples.iter().filter(|(t, _)| !extra && !wanted.contains(t)) {
            faults.add(Fault::new(K::ExtraSample, file, "samples of the split only", "one of no sample of it").of(token).field("results"));
        }
    }
    /// Whether nothing worse than warnings is in `faults`.
    pub fn sound(faults: &Faults) -> bool {
        faults.count(Severity::Error) == 0
    }
}
