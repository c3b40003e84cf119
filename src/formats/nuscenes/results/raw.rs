//! One box of a result file: read field by field, then checked.
//!
//! *In*: the JSON of a box. *Out*: a [`ResultBox`] in its [`Part`], and what is wrong with it. *Invariant*: only broken syntax stops
//! the reading; whatever else is wrong is noted with sample, place and field.

use super::{ATTRIBUTES, NO_ATTRIBUTE, NO_SCORE, Part, Reading, ResultBox, ResultKind, soft};
use crate::formats::nuscenes::fault::{Fault, FaultKind as K};
use crate::formats::nuscenes::json::{Json, Parsed, Wrong, WrongKind};
use crate::formats::nuscenes::{Token, rotation, yaw};

/// A box as far as it could be read.
#[derive(Default)]
pub(super) struct RawBox {
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
    pub(super) fn read(&mut self, json: &mut Json<'_>, reading: Reading<'_>) -> Parsed<()> {
        let kind = reading.kind;
        json.object(|json, key| {
            let before = json.clone();
            let field = |name: &'static str| {
                move |mut w: Box<Wrong>| {
                    w.field = name;
                    w
                }
            };
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

impl Part {
    /// Keeps a box and notes what is wrong with it.
    pub(super) fn checked(&mut self, raw: RawBox, key: &str, place: usize, reading: Reading<'_>) {
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
