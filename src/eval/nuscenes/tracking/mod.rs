//! The tracking metric (`tracking_nips_2019`): AMOTA, AMOTP and the rest, over 40 recalls.
//!
//! *In*: [`GroundTruth`] and [`Predictions`] of the seven tracked classes. *Out*: [`Tracking`], and JSON with the devkit's field names.
//! *Invariant*: a recall that is not reached counts with the worst value; the classical metrics are those at the threshold with
//! the best MOTA, of equal ones the one with the highest recall. (Weng and Kitani 2019.)

mod account;
mod assign;
mod tracks;

use super::curves::interpolate;
use super::predictions::Predictions;
use super::truth::GroundTruth;
use crate::formats::nuscenes::{Meta, TRACKING_CLASSES};
use account::{Account, follow};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use tracks::Scenes;

/// Recalls at which is measured.
const RECALLS: usize = 40;
/// The lowest of them.
const LEAST_RECALL: f64 = 0.1;
/// Metrics that are written, and the worst value of each; -1: it depends.
pub const METRICS: [(&str, f64); 17] = [
    ("amota", 0.0),
    ("amotp", 2.0),
    ("recall", 0.0),
    ("motar", 0.0),
    ("gt", -1.0),
    ("mota", 0.0),
    ("motp", 2.0),
    ("mt", 0.0),
    ("ml", -1.0),
    ("faf", 500.0),
    ("tp", 0.0),
    ("fp", -1.0),
    ("fn", -1.0),
    ("ids", -1.0),
    ("frag", -1.0),
    ("tid", 20.0),
    ("lgd", 20.0),
];
/// Metrics that are added up over classes; the others are averaged.
const SUMMED: [&str; 7] = ["mt", "ml", "tp", "fp", "fn", "ids", "frag"];

/// One class at all recalls, the highest first.
#[derive(Debug, Clone)]
struct Curves {
    thresholds: Vec<f64>,
    recalls: Vec<f64>,
    /// What was counted at each recall; `None` where it is not reached.
    accounts: Vec<Option<Account>>,
    /// Values that stand for all recalls where nothing was found at all.
    worst: Option<Account>,
    objects: f64,
    tracks: f64,
}

/// The metrics of all classes.
#[derive(Debug, Clone)]
pub struct Tracking {
    classes: Vec<Curves>,
}

impl Tracking {
    /// Measures all classes.
    pub fn new(truth: &GroundTruth, predictions: &Predictions<'_>) -> Self {
        let (truths, predicted) = (tracks::of_truth(truth), tracks::of_predictions(truth, predictions));
        let classes = (0_u8..).zip(TRACKING_CLASSES).map(|(class, _)| class).collect::<Vec<_>>();
        Self { classes: classes.into_par_iter().map(|class| Curves::new(&truths, &predicted, class)).collect() }
    }
    /// A metric of a class by its place; NaN where it is not defined.
    pub fn class(&self, class: usize, metric: &str) -> f64 {
        self.classes.get(class).map_or(f64::NAN, |c| c.metric(metric))
    }
    /// A metric over all classes.
    pub fn all(&self, metric: &str) -> f64 {
        let given: Vec<f64> = self.classes.iter().map(|c| c.metric(metric)).filter(|v| !v.is_nan()).collect();
        // An empty sum is -0, which is no number to print.
        let sum = given.iter().sum::<f64>() + 0.0;
        if SUMMED.contains(&metric) { sum } else { sum / given.len() as f64 }
    }

    /// `metrics_summary.json`.
    pub fn summary(&self, meta: &Meta, seconds: f64) -> Value {
        let by_class = |metric: &str| -> Value {
            TRACKING_CLASSES.iter().enumerate().map(|(at, name)| ((*name).to_owned(), json!(self.class(at, metric)))).collect()
        };
        let labels: Map<String, Value> = METRICS.iter().map(|(name, _)| ((*name).to_owned(), by_class(name))).collect();
        let mut summary = Map::new();
        summary.insert("label_metrics".into(), Value::Object(labels));
        summary.insert("eval_time".into(), json!(seconds));
        summary.insert("cfg".into(), config());
        summary.extend(METRICS.iter().map(|(name, _)| ((*name).to_owned(), json!(self.all(name)))));
        summary.insert("meta".into(), Value::Object(meta.clone()));
        Value::Object(summary)
    }

    /// `metrics_details.json`: every metric at the 40 recalls, by class.
    pub fn details(&self) -> Value {
        let classes = TRACKING_CLASSES.iter().zip(&self.classes).map(|(name, curves)| {
            let mut entry = Map::new();
            entry.insert("confidence".into(), json!(curves.thresholds));
            entry.insert("recall_hypo".into(), json!(curves.recalls));
            for (metric, _) in METRICS.iter().skip(2) {
                entry.insert((*metric).to_owned(), json!(curves.values(metric)));
            }
            ((*name).to_owned(), Value::Object(entry))
        });
        Value::Object(classes.collect())
    }
}

fn config() -> Value {
    let ranges: Map<String, Value> = TRACKING_CLASSES.iter().map(|c| ((*c).to_owned(), json!(super::classes::range_m(c)))).collect();
    let worst: Map<String, Value> = METRICS.iter().map(|(name, worst)| ((*name).to_owned(), json!(worst))).collect();
    json!({
        "tracking_names": TRACKING_CLASSES, "class_range": ranges, "dist_fcn": "center_distance", "dist_th_tp": 2.0,
        "min_recall": LEAST_RECALL, "max_boxes_per_sample": 500, "metric_worst": worst, "num_thresholds": RECALLS,
    })
}

impl Curves {
    fn new(truths: &Scenes, predicted: &Scenes, class: u8) -> Self {
        let of_class = || truths.iter().enumerate().flat_map(|(s, scene)| scene.values().flatten().map(move |t| (s, t)));
        let objects = of_class().filter(|(_, t)| t.class == class).count() as f64;
        let tracks: std::collections::BTreeSet<(usize, u32)> =
            of_class().filter(|(_, t)| t.class == class).map(|(s, t)| (s, t.track)).collect();
        let none = Self {
            thresholds: vec![f64::NAN; RECALLS],
            recalls: vec![f64::NAN; RECALLS],
            accounts: vec![None; RECALLS],
            worst: None,
            objects,
            tracks: tracks.len() as f64,
        };
        if objects == 0.0 {
            return none;
        }
        let mut scores = follow(truths, predicted, class, None).scores;
        if scores.is_empty() {
            return Self { worst: Some(Account::default()), ..none };
        }
        scores.sort_by(|a, b| b.total_cmp(a));
        let reached: Vec<f64> = (1..=scores.len()).map(|k| k as f64 / objects).collect();
        let most = reached.last().copied().unwrap_or(0.0);
        let recalls: Vec<f64> = (0..RECALLS).rev().map(recall).collect();
        let threshold = |r: &f64| if *r > most { f64::NAN } else { interpolate(*r, &reached, &scores, Some(0.0)) };
        let thresholds: Vec<f64> = recalls.iter().map(threshold).collect();
        let accounts: Vec<Option<Account>> =
            thresholds.par_iter().map(|t| (!t.is_nan()).then(|| follow(truths, predicted, class, Some(*t)))).collect();
        Self { thresholds, recalls, accounts, ..none }
    }

    /// The values of a metric at all recalls, NaN where not reached.
    fn values(&self, metric: &str) -> Vec<f64> {
        if self.worst.is_some() {
            let worst = METRICS.iter().find(|(name, _)| *name == metric).map_or(f64::NAN, |(_, worst)| *worst);
            let value = match metric {
                "ml" => self.tracks,
                "gt" | "fn" => self.objects,
                _ if worst < 0.0 => f64::NAN,
                _ => worst,
            };
            return vec![value; RECALLS];
        }
        self.accounts.iter().map(|a| a.as_ref().map_or(f64::NAN, |a| a.metric(metric))).collect()
    }

    fn metric(&self, name: &str) -> f64 {
        let over_recalls = match name {
            "amota" => Some(("motar", 0.0)),
            "amotp" => Some(("motp", 2.0)),
            _ => None,
        };
        if let Some((source, worst)) = over_recalls {
            let values = self.values(source);
            if values.iter().all(|v| v.is_nan()) {
                return f64::NAN;
            }
            return values.iter().map(|v| if v.is_nan() { worst } else { *v }).sum::<f64>() / values.len() as f64;
        }
        let accuracies = self.values("mota");
        let mut best: Option<(usize, f64)> = None;
        for (at, value) in accuracies.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
            if best.is_none_or(|(_, most)| *value > most) {
                best = Some((at, *value));
            }
        }
        best.and_then(|(at, _)| self.values(name).get(at).copied()).unwrap_or(f64::NAN)
    }
}

/// The recalls, rising, rounded to twelve digits as the devkit does.
fn recall(at: usize) -> f64 {
    if at + 1 == RECALLS {
        return 1.0;
    }
    let exact = LEAST_RECALL + at as f64 * ((1.0 - LEAST_RECALL) / (RECALLS - 1) as f64);
    (exact * 1e12).round_ties_even() / 1e12
}
