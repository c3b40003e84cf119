//! The detection metric of parts of a split: by distance from the vehicle, by scene, by weather and time of day.
//!
//! *In*: truth, predictions, matches. *Out*: [`Part`]s. *Invariant*: a part is scored by the same rules as the whole; means are over
//! the classes that the part has objects of, as the others would only add zeros.

use super::detection::{ClassScore, Detection};
use super::matching::{ClassMatches, match_all};
use super::predictions::Predictions;
use super::truth::GroundTruth;
use crate::types::num;
use rayon::prelude::*;
use serde_json::{Map, Value, json};

/// Bounds of the rings around the vehicle, metres.
const RINGS: [[f64; 2]; 5] = [[0.0, 10.0], [10.0, 20.0], [20.0, 30.0], [30.0, 40.0], [40.0, 50.0]];

/// The metric of a part of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Objects in it.
    pub objects: usize,
    /// Mean average precision over the classes that it has.
    pub mean_ap: f64,
    /// Mean of each error over the classes that it has.
    pub errors: [f64; 5],
    /// Average precision by class; NaN for a class that it does not have.
    pub class_aps: Vec<(&'static str, f64)>,
}

impl Part {
    fn new(name: impl Into<String>, metrics: &Detection, counts: &[usize]) -> Self {
        let has = |at: usize| counts.get(at).is_some_and(|n| *n > 0);
        let there: Vec<&ClassScore> = metrics.classes.iter().enumerate().filter(|(at, _)| has(*at)).map(|(_, c)| c).collect();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let error = |kind: usize| mean(there.iter().filter_map(|c| c.errors.get(kind).copied()).filter(|e| !e.is_nan()).collect());
        let ap = |(at, c): (usize, &ClassScore)| (c.name, if has(at) { c.mean_precision() } else { f64::NAN });
        Self {
            name: name.into(),
            objects: counts.iter().sum(),
            mean_ap: mean(there.iter().map(|c| c.mean_precision()).collect()),
            errors: std::array::from_fn(error),
            class_aps: metrics.classes.iter().enumerate().map(ap).collect(),
        }
    }
    /// As JSON.
    pub fn json(&self) -> Value {
        let classes: Map<String, Value> = self.class_aps.iter().map(|(name, ap)| ((*name).to_owned(), json!(ap))).collect();
        let errors: Map<String, Value> =
            super::matching::ERRORS.iter().zip(self.errors).map(|(n, e)| ((*n).to_owned(), json!(e))).collect();
        json!({ "name": self.name, "objects": self.objects, "mean_ap": self.mean_ap, "tp_errors": errors, "class_aps": classes })
    }
}

/// Rings around the vehicle.
pub fn by_distance(truth: &GroundTruth, predictions: &Predictions<'_>) -> Vec<Part> {
    let ring = |[near, far]: [f64; 2]| {
        let in_ring = |frame: &super::truth::Frame, centre: [f64; 3]| (near..far).contains(&frame.distance(centre));
        let mut part = truth.clone();
        part.objects.clear();
        for (frame, whole) in part.frames.iter_mut().zip(&truth.frames) {
            let start = part.objects.len();
            let objects = truth.objects.get(whole.objects.clone()).unwrap_or_default();
            part.objects.extend(objects.iter().filter(|o| in_ring(whole, o.translation)));
            frame.objects = start..part.objects.len();
        }
        let mut kept = predictions.clone();
        for list in &mut kept.by_class {
            list.retain(|p| truth.frame_at(p.frame).zip(predictions.boxed(*p)).is_some_and(|(f, b)| in_ring(f, b.translation)));
        }
        let counts: Vec<usize> = (0_u8..).zip(&kept.by_class).map(|(class, _)| part.count(class)).collect();
        Part::new(format!("{near:.0} to {far:.0} m"), &Detection::new(&match_all(&part, &kept)), &counts)
    };
    RINGS.iter().map(|bounds| ring(*bounds)).collect()
}

/// Each scene by itself.
pub fn by_scene(truth: &GroundTruth, matches: &[ClassMatches]) -> Vec<Part> {
    let scenes: Vec<u32> = (0_u32..).zip(&truth.scenes).map(|(at, _)| at).collect();
    scenes
        .into_par_iter()
        .filter_map(|at| Some(of_scenes(&truth.scenes.get(num::usize(at))?.name, truth, matches, &|scene| scene == at)))
        .collect()
}

/// Scenes by what their descriptions say of rain and night.
pub fn by_weather(truth: &GroundTruth, matches: &[ClassMatches]) -> Vec<Part> {
    let kind = |scene: u32| {
        let text = truth.scenes.get(num::usize(scene)).map(|s| s.description.to_lowercase()).unwrap_or_default();
        match (text.contains("night"), text.contains("rain")) {
            (false, false) => "day, dry",
            (false, true) => "day, rain",
            (true, false) => "night, dry",
            (true, true) => "night, rain",
        }
    };
    let kinds = ["day, dry", "day, rain", "night, dry", "night, rain"].into_iter();
    let parts = kinds.map(|name| of_scenes(name, truth, matches, &|scene| kind(scene) == name));
    parts.filter(|p| p.objects > 0).collect()
}

fn of_scenes(name: &str, truth: &GroundTruth, matches: &[ClassMatches], chosen: &(dyn Fn(u32) -> bool + Sync)) -> Part {
    let weight = |frame: u32| f64::from(u8::from(truth.frame_at(frame).is_some_and(|f| chosen(f.scene))));
    let counts: Vec<usize> = matches
        .iter()
        .map(|m| (0_u32..).zip(&m.objects).filter(|(frame, _)| weight(*frame) > 0.0).map(|(_, n)| num::usize(*n)).sum())
        .collect();
    Part::new(name, &Detection::weighted(matches, &weight), &counts)
}
