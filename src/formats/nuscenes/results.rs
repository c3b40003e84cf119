//! Result files in submission form, read in one pass by all cores.
//!
//! *In*: a reader of `{"meta": ..., "results": {sample: [box, ...]}}`. *Out*: [`ResultFile`]: boxes as small fixed records, samples
//! in the order of the file's keys, which decides ties. *Invariant*: the text is never held whole; every value is checked once,
//! here. What the public devkit takes in silence is an error too, unless `compatible` is asked for: then it is a warning.

use super::fault::{Fault, FaultKind as K, Faults, Severity};
use super::json::{Json, Parsed, Wrong, WrongKind};
use super::stream::{Batch, Window, drain};
use super::{Token, rotation, yaw};
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

    /// Keeps a box and notes what is wrong with it.
    fn checked(&mut self, raw: RawBox, key: &str, place: usize, reading: Reading<'_>) {
        let kind = reading.kind;
        let faults = &mut self.faults;
        let mut note = |kind: K, field: &str, wanted: &str, found: String, silent: bool| {
            let fault = Fault::new(kind, reading.file, wanted, found).of(key).field(format!("results.{key}.{place}.{field}"));
            faults.push(if silent { soft(fault, reading) } else { fault });
        };
        for wrong in &raw.wrong {
            let found = Fault::parsed(wrong, reading.file);
            note(found.kind, wrong.field, &wrong.wanted, wrong.found.clone(), false);
        }
        let told = |field: &str| raw.wrong.iter().any(|w| w.field == field);
        for (field, missing) in [
            ("sample_token", raw.sample.is_none()),
            ("translation", raw.translation.is_none()),
            ("size", raw.size.is_none()),
            ("rotation", raw.rotation.is_none()),
            ("velocity", raw.velocity.is_none()),
            (kind.name_field(), raw.class.is_none()),
            (kind.score_field(), raw.score.is_none()),
            ("attribute_name", raw.attribute.is_none() && kind == ResultKind::Detection),
            ("tracking_id", raw.track.is_none() && kind == ResultKind::Tracking),
        ] {
            if missing && !told(field) {
                note(K::MissingField, field, &format!("a field `{field}`"), "none".to_owned(), field == kind.score_field());
            }
        }
        if raw.text_score {
            note(K::BadType, kind.score_field(), "a number", format!("text `{}`", raw.score.unwrap_or(f64::NAN)), true);
        }
        for (field, values) in [("translation", raw.translation), ("size", raw.size)] {
            if let Some(values) = values.filter(|v| !v.iter().all(|n| n.is_finite())) {
                note(K::NonFinite, field, "finite numbers", format!("{values:?}"), !values.iter().any(|n| n.is_nan()));
            }
        }
        if let Some(size) = raw.size.filter(|s| s.iter().any(|v| *v <= 0.0)) {
            note(K::BadSize, "size", "numbers above zero", format!("{size:?}"), false);
        }
        let mut turned = None;
        if let Some(wxyz) = raw.rotation {
            turned = rotation(wxyz);
            if !wxyz.iter().all(|v| v.is_finite()) {
                note(K::NonFinite, "rotation", "finite numbers", format!("{wxyz:?}"), !wxyz.iter().any(|n| n.is_nan()));
            } else if turned.is_none() {
                note(K::ZeroQuaternion, "rotation", "a quaternion that can be normalised", format!("{wxyz:?}"), true);
            }
        }
        if let Some(velocity) = raw.velocity.filter(|v| v.iter().any(|n| n.is_infinite())) {
            note(K::NonFinite, "velocity", "finite numbers or NaN", format!("{velocity:?}"), true);
        }
        let score = raw.score.unwrap_or(NO_SCORE);
        if !score.is_finite() {
            note(K::NonFinite, kind.score_field(), "a finite number", format!("{score}"), score.is_infinite());
        } else if score < 0.0 && raw.score.is_some() {
            let fault = Fault::new(K::NegativeScore, reading.file, "a score of 0 or more", format!("{score}"));
            faults.push(fault.warning().of(key).field(format!("results.{key}.{place}.{}", kind.score_field())));
        }
        if let Some(sample) = raw.sample.filter(|s| **s != *key) {
            let fault = Fault::new(K::TokenMismatch, reading.file, format!("sample_token `{key}` as its key"), format!("`{sample}`"));
            faults.push(soft(fault, reading).of(key).field(format!("results.{key}.{place}.sample_token")));
            self.strays.push((self.boxes.len(), Token::new(&sample)));
        }
        let track = crate::types::num::u32(self.tracks.len());
        self.tracks.extend(raw.track);
        self.boxes.push(ResultBox {
            translation: raw.translation.unwrap_or([f64::NAN; 3]),
            size: raw.size.unwrap_or([f64::NAN; 3]),
            yaw: turned.map_or(0.0, |r| yaw(&r)),
            velocity: raw.velocity.unwrap_or([f64::NAN; 2]),
            score,
            class: raw.class.unwrap_or(u8::MAX),
            attribute: raw.attribute.unwrap_or(NO_ATTRIBUTE),
            empty: raw.points == Some(0),
            track,
        });
    }
}

/// A box as far as it could be read.
#[derive(Default)]
struct RawBox {
    sample: Option<String>,
    translation: Option<[f64; 3]>,
    size: Option<[f64; 3]>,
    rotation: Option<[f64; 4]>,
    velocity: Option<[f64; 2]>,
    class: Option<u8>,
    score: Option<f64>,
    text_score: bool,
    attribute: Option<u8>,
    track: Option<String>,
    points: Option<i64>,
    wrong: Vec<Wrong>,
}

impl RawBox {
    /// Reads all fields; only broken syntax is an error, the rest is noted.
    fn read(&mut self, json: &mut Json<'_>, reading: Reading<'_>) -> Parsed<()> {
        let kind = reading.kind;
        json.object(|json, key| {
            let before = json.clone();
            let field = |name: &'static str| move |mut w: Box<Wrong>| { w.field = name; w };
            let read = match key {
                "sample_token" => json.text().map(|t| self.sample = Some(t.into_owned())).map_err(field("sample_token")),
                "translation" => json.numbers().map(|v| self.translation = Some(v)).map_err(field("translation")),
                "size" => json.numbers().map(|v| self.size = Some(v)).map_err(field("size")),
                "rotation" => json.numbers().map(|v| self.rotation = Some(v)).map_err(field("rotation")),
                "velocity" => json.numbers().map(|v| self.velocity = Some(v)).map_err(field("velocity")),
                "num_pts" => json.integer().map(|v| self.points = Some(v)).map_err(field("num_pts")),
                "attribute_name" if kind == ResultKind::Detection => self.attribute(json).map_err(field("attribute_name")),
                "tracking_id" if kind == ResultKind::Tracking => self.track(json).map_err(field("tracking_id")),
                name if name == kind.name_field() => self.class(json, kind).map_err(field(kind.name_field())),
                name if name == kind.score_field() => self.score(json).map_err(field(kind.score_field())),
                _ => json.skip(),
            };
            match read {
                Err(wrong) if wrong.kind != WrongKind::Syntax => {
                    self.wrong.push(*wrong);
                    *json = before;
                    json.skip()
                }
                other => other,
            }
        })
    }
    fn class(&mut self, json: &mut Json<'_>, kind: ResultKind) -> Parsed<()> {
        let name = json.text()?;
        self.class = kind.classes().iter().zip(0_u8..).find(|(c, _)| **c == name).map(|(_, i)| i);
        if self.class.is_none() {
            self.unknown("a class of the task", &name, kind.classes(), kind.name_field());
        }
        Ok(())
    }
    fn attribute(&mut self, json: &mut Json<'_>) -> Parsed<()> {
        let name = json.text()?;
        let known = ATTRIBUTES.iter().zip(0_u8..).find(|(a, _)| **a == name).map(|(_, i)| i);
        self.attribute = known.or_else(|| name.is_empty().then_some(NO_ATTRIBUTE));
        if self.attribute.is_none() {
            self.unknown("an attribute of the task or \"\"", &name, &ATTRIBUTES, "attribute_name");
        }
        Ok(())
    }
    fn track(&mut self, json: &mut Json<'_>) -> Parsed<()> {
        // Some trackers write numbers.
        self.track = Some(match json.peek() {
            Some(b'"') => json.text()?.into_owned(),
            _ => json.integer()?.to_string(),
        });
        Ok(())
    }
    fn score(&mut self, json: &mut Json<'_>) -> Parsed<()> {
        if json.peek() == Some(b'"')
            && let Ok(number) = json.clone().text()?.trim().parse::<f64>()
        {
            json.skip()?;
            (self.score, self.text_score) = (Some(number), true);
            return Ok(());
        }
        self.score = Some(json.number()?);
        Ok(())
    }
    fn unknown(&mut self, wanted: &str, found: &str, known: &[&str], field: &'static str) {
        let hint = crate::types::nearest(found, known.iter().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        let (kind, at) = (WrongKind::Unknown, 0);
        self.wrong.push(Wrong { kind, at, field, wanted: wanted.to_owned(), found: format!("`{found}`{hint}") });
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
