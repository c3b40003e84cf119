//! Labels of points with objects: how many segments were found, and how well (Kirillov et al. 2019), as the public devkit counts.
//!
//! *In*: true labels (1000 x place in the category table + number of the object), predicted ones (1000 x challenge class + number). *Out*: [`PanopticCounts`].
//! *Invariant*: points whose true class is ignored are not counted; a segment is found where its IoU is above one half; segments of fewer than 15 points
//! that were not found are neither missed nor false. Means are over all 16 classes, those that are not there included with 0.

use super::lidarseg::{CLASSES, PointClasses};
use crate::types::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Points from which a segment that was not found counts.
const LEAST: u64 = 15;
/// The first class of stuff; those before it are things.
const STUFF: usize = 11;

/// Segments and points by challenge class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PanopticCounts {
    /// Points: predicted classes by rows, true ones by columns.
    points: [[u64; 17]; 17],
    found: [u64; 17],
    /// Sum of the IoU of what was found.
    overlap: [f64; 17],
    alarms: [u64; 17],
    missed: [u64; 17],
}

/// Quality of one class: PQ, SQ, RQ, IoU of its points.
type Quality = [f64; 4];

impl PanopticCounts {
    /// Counts one sweep.
    ///
    /// # Errors
    /// Where the lengths differ, a true label has no category or a predicted class is beyond 16.
    pub fn add(&mut self, classes: &PointClasses, truth: &[u16], predicted: &[u16]) -> Result<()> {
        if truth.len() != predicted.len() {
            return Err(Error::mismatch(format!("{} labels", truth.len()), predicted.len().to_string(), "LabelCountMismatch"));
        }
        let (mut wanted, mut given, mut both) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (label, guess) in truth.iter().zip(predicted) {
            let category = u8::try_from(label / 1000).unwrap_or(u8::MAX);
            let class =
                classes.class(category).ok_or_else(|| Error::mismatch("a label of a category", label.to_string(), "true labels"))?;
            let (class, guessed) = (usize::from(class), usize::from(guess / 1000));
            let point = self.points.get_mut(guessed).and_then(|row| row.get_mut(class));
            let point = point.ok_or_else(|| Error::mismatch("classes from 0 to 16", guess.to_string(), "predicted labels"))?;
            if class == 0 {
                continue;
            }
            *point += 1;
            *wanted.entry((class, *label)).or_insert(0_u64) += 1;
            *given.entry((guessed, *guess)).or_insert(0_u64) += 1;
            if class == guessed {
                *both.entry((class, *label, *guess)).or_insert(0_u64) += 1;
            }
        }
        let (mut met, mut hit) = (BTreeSet::new(), BTreeSet::new());
        for ((class, label, guess), shared) in both {
            let area = |list: &BTreeMap<(usize, u16), u64>, id: u16| list.get(&(class, id)).copied().unwrap_or(0);
            let iou = shared as f64 / (area(&wanted, label) + area(&given, guess) - shared) as f64;
            if iou > 0.5 {
                if let (Some(found), Some(overlap)) = (self.found.get_mut(class), self.overlap.get_mut(class)) {
                    (*found, *overlap) = (*found + 1, *overlap + iou);
                }
                met.insert((class, label));
                hit.insert((class, guess));
            }
        }
        for (all, matched, counts) in [(wanted, met, &mut self.missed), (given, hit, &mut self.alarms)] {
            for ((class, _), _) in all.into_iter().filter(|(key, points)| *points >= LEAST && !matched.contains(key)) {
                counts.iter_mut().skip(class).take(1).for_each(|n| *n += 1);
            }
        }
        Ok(())
    }
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        self.points.iter_mut().flatten().zip(other.points.iter().flatten()).for_each(|(a, b)| *a += b);
        self.overlap.iter_mut().zip(other.overlap).for_each(|(a, b)| *a += b);
        for (mine, theirs) in [(&mut self.found, other.found), (&mut self.alarms, other.alarms), (&mut self.missed, other.missed)] {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }
    fn quality(&self, class: usize) -> Quality {
        let of = |counts: &[u64; 17]| counts.get(class).copied().unwrap_or(0) as f64;
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let found = of(&self.found);
        let segments = share(self.overlap.get(class).copied().unwrap_or(0.0), found);
        let recognised = share(found, found + 0.5 * of(&self.alarms) + 0.5 * of(&self.missed));
        let hits = self.points.get(class).map_or(0, |row| row.iter().skip(class).take(1).sum::<u64>()) as f64;
        let row = self.points.get(class).map_or(0, |row| row.iter().sum::<u64>()) as f64;
        let column = self.points.iter().filter_map(|row| row.get(class)).sum::<u64>() as f64;
        [segments * recognised, segments, recognised, if class == 0 { 0.0 } else { share(hits, row + column - hits) }]
    }
    /// `segmentation` of the devkit's result file: `all`, then each class.
    pub fn summary(&self) -> Value {
        let all: Vec<Quality> = (0..CLASSES.len()).map(|class| self.quality(class)).collect();
        let counted = all.iter().skip(1);
        let mean = |at: usize| counted.clone().filter_map(|q| q.get(at)).sum::<f64>() / (CLASSES.len() - 1) as f64;
        let dagger = counted.clone().enumerate().map(|(at, [pq, _, _, iou])| if at + 1 < STUFF { pq } else { iou }).sum::<f64>();
        let whole =
            json!({ "PQ": mean(0), "SQ": mean(1), "RQ": mean(2), "mIoU": mean(3), "PQ_dagger": dagger / (CLASSES.len() - 1) as f64 });
        let of_class = CLASSES
            .iter()
            .zip(&all)
            .map(|(name, [pq, sq, rq, iou])| ((*name).to_owned(), json!({ "PQ": pq, "SQ": sq, "RQ": rq, "IoU": iou })));
        Value::Object(std::iter::once(("all".to_owned(), whole)).chain(of_class).collect::<Map<_, _>>())
    }
}
