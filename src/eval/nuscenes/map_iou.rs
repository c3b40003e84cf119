//! Segmentation of the map as BEVFusion scores it: IoU of six classes at seven thresholds over a whole set.
//!
//! *In*: probabilities and truth, `[6, cells]`, f32 and 0 or 1. *Out*: [`MapCounts`]. *Invariant*: counts are whole numbers (an f32
//! stops being exact after 16.7 million cells); thresholds are f32 and a probability equal to one counts as set.

use serde_json::{Map, Value, json};

/// Classes in the order of the tensors.
pub const MAP_CLASSES: [&str; 6] = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "divider"];
/// Probabilities from which a cell counts as set.
pub const THRESHOLDS: [f32; 7] = [0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65];

/// Hits, false alarms and misses by class and threshold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapCounts {
    counts: [[[u64; 3]; 7]; 6],
}

impl MapCounts {
    /// Counts the cells of one class of one frame.
    pub fn add(&mut self, class: usize, predicted: impl Iterator<Item = f32> + Clone, truth: impl Iterator<Item = bool> + Clone) {
        let Some(counts) = self.counts.get_mut(class) else { return };
        for (threshold, [hits, alarms, misses]) in THRESHOLDS.iter().zip(counts) {
            for (probability, set) in predicted.clone().zip(truth.clone()) {
                match (probability >= *threshold, set) {
                    (true, true) => *hits += 1,
                    (true, false) => *alarms += 1,
                    (false, true) => *misses += 1,
                    (false, false) => {}
                }
            }
        }
    }
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        let mine = self.counts.iter_mut().flatten().flatten();
        mine.zip(other.counts.iter().flatten().flatten()).for_each(|(a, b)| *a += b);
    }
    /// IoU of a class at each threshold.
    pub fn ious(&self, class: usize) -> [f64; 7] {
        let counts = self.counts.get(class).copied().unwrap_or_default();
        counts.map(|[hits, alarms, misses]| hits as f64 / ((hits + alarms + misses) as f64 + 1e-7))
    }
    /// `map/<class>/iou@0.35` and so on, `iou@max` and their mean.
    pub fn summary(&self) -> Value {
        let (mut summary, mut mean) = (Map::new(), 0.0);
        for (class, name) in MAP_CLASSES.iter().enumerate() {
            let ious = self.ious(class);
            let best = ious.iter().copied().fold(0.0, f64::max);
            mean += best / MAP_CLASSES.len() as f64;
            summary.insert(format!("map/{name}/iou@max"), json!(best));
            summary.extend(THRESHOLDS.iter().zip(ious).map(|(t, iou)| (format!("map/{name}/iou@{t:.2}"), json!(iou))));
        }
        summary.insert("map/mean/iou@max".into(), json!(mean));
        Value::Object(summary)
    }
}
