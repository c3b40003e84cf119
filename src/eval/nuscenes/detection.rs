//! The detection metric (`detection_cvpr_2019`): average precision, errors of hits, NDS.
//!
//! *In*: [`ClassMatches`] of the ten classes. *Out*: [`Detection`], and JSON with the devkit's field names. *Invariant*: classes
//! without objects count as 0 in the mean precision; NaN stands where an error is not defined and is written as null.

use super::curves::{Curve, recall};
use super::matching::{ClassMatches, DISTANCES, ERROR_DISTANCE, ERRORS};
use crate::formats::nuscenes::{DETECTION_CLASSES, Meta};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

/// Weight of the mean precision beside the five errors' scores.
const PRECISION_WEIGHT: f64 = 5.0;

/// The metrics of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassScore {
    /// Its name.
    pub name: &'static str,
    /// Average precision at each of [`DISTANCES`].
    pub precisions: [f64; 4],
    /// Errors of hits; NaN where not defined.
    pub errors: [f64; 5],
    /// The curves, one for each distance.
    pub curves: Vec<Curve>,
}

impl ClassScore {
    /// Mean over the distances.
    pub fn mean_precision(&self) -> f64 {
        self.precisions.iter().sum::<f64>() / self.precisions.len() as f64
    }
}

/// The metrics of all classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// In the order of the task's classes.
    pub classes: Vec<ClassScore>,
}

impl Detection {
    /// Sums up the matches; every sample counts once.
    pub fn new(matches: &[ClassMatches]) -> Self {
        Self { classes: matches.par_iter().map(|m| class_score(m, &|_| 1.0)).collect() }
    }
    /// Sums up the matches with weights of the samples.
    pub fn weighted(matches: &[ClassMatches], weight: &(dyn Fn(u32) -> f64 + Sync)) -> Self {
        Self { classes: matches.iter().map(|m| class_score(m, weight)).collect() }
    }
    /// Mean average precision, over all classes.
    pub fn mean_precision(&self) -> f64 {
        self.classes.iter().map(ClassScore::mean_precision).sum::<f64>() / self.classes.len() as f64
    }
    /// Mean of each error over the classes that have it.
    pub fn errors(&self) -> [f64; 5] {
        std::array::from_fn(|kind| {
            let given: Vec<f64> = self.classes.iter().filter_map(|c| c.errors.get(kind).copied()).filter(|e| !e.is_nan()).collect();
            given.iter().sum::<f64>() / given.len() as f64
        })
    }
    /// Scores of the errors: 1 less the error, at least 0.
    pub fn error_scores(&self) -> [f64; 5] {
        self.errors().map(|e| (1.0 - e).max(0.0))
    }
    /// The nuScenes detection score.
    pub fn nd_score(&self) -> f64 {
        let errors = self.error_scores();
        (PRECISION_WEIGHT * self.mean_precision() + errors.iter().sum::<f64>()) / (PRECISION_WEIGHT + errors.len() as f64)
    }

    /// `metrics_summary.json`.
    pub fn summary(&self, meta: &Meta, seconds: f64) -> Value {
        let by_class = |value: &dyn Fn(&ClassScore) -> Value| {
            Value::Object(self.classes.iter().map(|c| (c.name.to_owned(), value(c))).collect::<Map<_, _>>())
        };
        json!({
            "label_aps": by_class(&|c| by_distance(&c.precisions)),
            "mean_dist_aps": by_class(&|c| json!(c.mean_precision())),
            "mean_ap": self.mean_precision(),
            "label_tp_errors": by_class(&|c| by_error(&c.errors)),
            "tp_errors": by_error(&self.errors()),
            "tp_scores": by_error(&self.error_scores()),
            "nd_score": self.nd_score(),
            "eval_time": seconds,
            "cfg": config(),
            "meta": meta,
        })
    }

    /// `metrics_details.json`: the curves under "class:distance".
    pub fn details(&self) -> Value {
        let mut details = Map::new();
        let grid: Vec<f64> = (0..super::curves::POINTS).map(recall).collect();
        for class in &self.classes {
            for (curve, distance) in class.curves.iter().zip(DISTANCES) {
                let mut entry = Map::new();
                entry.insert("recall".into(), json!(grid));
                entry.insert("precision".into(), json!(curve.precision));
                entry.insert("confidence".into(), json!(curve.confidence));
                entry.extend(ERRORS.iter().zip(&curve.errors).map(|(name, values)| ((*name).to_owned(), json!(values))));
                details.insert(format!("{}:{distance:.1}", class.name), Value::Object(entry));
            }
        }
        Value::Object(details)
    }
}

fn by_distance(values: &[f64; 4]) -> Value {
    Value::Object(DISTANCES.iter().zip(values).map(|(d, v)| (format!("{d:.1}"), json!(v))).collect())
}

fn by_error(values: &[f64; 5]) -> Value {
    Value::Object(ERRORS.iter().zip(values).map(|(name, v)| ((*name).to_owned(), json!(v))).collect())
}

fn config() -> Value {
    let ranges: Map<String, Value> = DETECTION_CLASSES.iter().map(|c| ((*c).to_owned(), json!(super::classes::range_m(c)))).collect();
    json!({
        "class_range": ranges, "dist_fcn": "center_distance", "dist_ths": DISTANCES, "dist_th_tp": 2.0, "min_recall": 0.1,
        "min_precision": 0.1, "max_boxes_per_sample": 500, "mean_ap_weight": 5,
    })
}

/// Errors that a class does not have: which way a cone points, how fast a barrier is.
fn undefined(class: &str, error: &str) -> bool {
    match class {
        "traffic_cone" => matches!(error, "orient_err" | "vel_err" | "attr_err"),
        "barrier" => matches!(error, "vel_err" | "attr_err"),
        _ => false,
    }
}

fn class_score(matches: &ClassMatches, weight: &(dyn Fn(u32) -> f64 + Sync)) -> ClassScore {
    let name = super::classes::name(matches.class);
    let curves: Vec<Curve> = (0..DISTANCES.len()).map(|d| Curve::new(matches, d, d == ERROR_DISTANCE, &|f| weight(f))).collect();
    let precision = |d: usize| curves.get(d).map_or(0.0, Curve::average_precision);
    let error = |kind: usize| match ERRORS.get(kind) {
        Some(error) if undefined(name, error) => f64::NAN,
        _ => curves.get(ERROR_DISTANCE).map_or(1.0, |c| c.mean_error(kind)),
    };
    ClassScore { name, precisions: std::array::from_fn(precision), errors: std::array::from_fn(error), curves }
}
