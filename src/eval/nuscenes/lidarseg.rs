//! Labels of points: one confusion over a split, IoU per class, its mean, and its mean by true points.
//!
//! *In*: true labels (places in the category table), predicted ones (challenge classes 1..=16). *Out*: [`PointScores`].
//! *Invariant*: points whose true class is ignored are not counted; a class without any point, true or predicted, is NaN and left out.

use crate::formats::nuscenes::{Category, Table};
use crate::types::{Error, Result};

/// Challenge classes; place 0 is ignored.
pub const CLASSES: [&str; 17] = [
    "ignore",
    "barrier",
    "bicycle",
    "bus",
    "car",
    "construction_vehicle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "trailer",
    "truck",
    "driveable_surface",
    "other_flat",
    "sidewalk",
    "terrain",
    "manmade",
    "vegetation",
];

/// The challenge class of a raw category; 0 where it is ignored.
fn class_of(category: &str) -> u8 {
    match category {
        "movable_object.barrier" => 1,
        "vehicle.bicycle" => 2,
        "vehicle.bus.bendy" | "vehicle.bus.rigid" => 3,
        "vehicle.car" => 4,
        "vehicle.construction" => 5,
        "vehicle.motorcycle" => 6,
        "human.pedestrian.adult"
        | "human.pedestrian.child"
        | "human.pedestrian.construction_worker"
        | "human.pedestrian.police_officer" => 7,
        "movable_object.trafficcone" => 8,
        "vehicle.trailer" => 9,
        "vehicle.truck" => 10,
        "flat.driveable_surface" => 11,
        "flat.other" => 12,
        "flat.sidewalk" => 13,
        "flat.terrain" => 14,
        "static.manmade" => 15,
        "static.vegetation" => 16,
        _ => 0,
    }
}

/// Challenge class by raw label.
#[derive(Debug, Clone)]
pub struct PointClasses([Option<u8>; 256]);

impl PointClasses {
    /// From the `index` of the categories.
    ///
    /// # Errors
    /// Where a category has none or one beyond 255.
    pub fn new(categories: &Table<Category>) -> Result<Self> {
        let mut classes = [None; 256];
        for category in categories.rows() {
            let slot = category.index.and_then(|i| usize::try_from(i).ok()).and_then(|i| classes.get_mut(i));
            let Some(slot) = slot else {
                let place = format!("table category, token {}, field index", category.token);
                return Err(Error::mismatch("a label from 0 to 255", format!("{:?}", category.index), place));
            };
            *slot = Some(class_of(&category.name));
        }
        Ok(Self(classes))
    }
    /// The challenge class of a raw label.
    pub fn class(&self, label: u8) -> Option<u8> {
        self.0.get(usize::from(label)).copied().flatten()
    }
}

/// True classes by rows, predicted ones by columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointConfusion {
    /// Counts; row and column 0 stay empty.
    pub counts: [[u64; 17]; 17],
}

/// What the confusion comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct PointScores {
    /// By class; NaN for what is ignored or not there.
    pub iou: [f64; 17],
    /// Mean over the classes that are there.
    pub mean: f64,
    /// Mean by true points.
    pub weighted: f64,
}

impl PointConfusion {
    /// Counts the points of one sweep.
    ///
    /// # Errors
    /// Where the lengths differ, a true label has no category or a predicted one is not 1..=16.
    pub fn add(&mut self, classes: &PointClasses, truth: &[u8], predicted: &[u8]) -> Result<()> {
        if truth.len() != predicted.len() {
            return Err(Error::mismatch(format!("{} labels", truth.len()), predicted.len().to_string(), "LabelCountMismatch"));
        }
        for (label, found) in truth.iter().zip(predicted) {
            let Some(class) = classes.class(*label) else {
                return Err(Error::mismatch("a label of a category", label.to_string(), "true labels"));
            };
            if !(1..=16).contains(found) {
                return Err(Error::mismatch("labels from 1 to 16", found.to_string(), "predicted labels"));
            }
            if let Some(count) = self.counts.get_mut(usize::from(class)).and_then(|r| r.get_mut(usize::from(*found))) {
                *count += u64::from(class != 0);
            }
        }
        Ok(())
    }
    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        let cells = self.counts.iter_mut().flatten();
        cells.zip(other.counts.iter().flatten()).for_each(|(a, b)| *a += b);
    }
    /// IoU and its means.
    pub fn scores(&self) -> PointScores {
        let count = |row: usize, column: usize| self.counts.get(row).and_then(|r| r.get(column)).copied().unwrap_or(0) as f64;
        let row = |class: usize| (0..17).map(|c| count(class, c)).sum::<f64>();
        let column = |class: usize| (0..17).map(|r| count(r, class)).sum::<f64>();
        let iou: [f64; 17] = std::array::from_fn(|class| {
            let hits = count(class, class);
            if class == 0 { f64::NAN } else { hits / (row(class) + column(class) - hits) }
        });
        let given: Vec<f64> = iou.iter().copied().filter(|v| !v.is_nan()).collect();
        let total: f64 = (0..17).map(row).sum();
        let weighted = iou.iter().enumerate().filter(|(_, v)| !v.is_nan()).map(|(class, v)| v * row(class) / total).sum();
        PointScores { iou, mean: given.iter().sum::<f64>() / given.len() as f64, weighted }
    }
}
