//! Scores of label pictures against the truth: confusion matrix, IoU, recall, precision, pixel accuracy.
//!
//! *In*: rows of class numbers, truth and prediction. *Out*: [`Confusion`] (rows truth, columns prediction, exact counts) and
//! [`SegmentationScores`]. *Invariant*: every counted pixel has both its classes in the list; one that has not is an error that
//! names value and picture. A class without pixels has no IoU (`None`), never NaN.

pub mod font;
mod picture;

use crate::types::{ClassList, Error, Result};
use serde::Serialize;

pub use picture::matrix_picture;

/// More classes than this would make the matrix larger than 128 MiB.
pub const MAX_CLASSES: usize = 4096;

/// Counts of pixels by true class (row) and predicted class (column).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
    ignored: u64,
}

impl Confusion {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Where there are no classes, or more than [`MAX_CLASSES`].
    pub fn new(classes: usize) -> Result<Self> {
        if classes == 0 || classes > MAX_CLASSES {
            return Err(Error::mismatch(format!("1 to {MAX_CLASSES} classes"), classes.to_string(), "confusion matrix"));
        }
        Ok(Self { classes, counts: vec![0; classes * classes], ignored: 0 })
    }

    /// Counts one picture. Pixels whose truth is `ignore` are not counted, whatever was predicted there. `place` names the
    /// picture in errors, upon which nothing of it has been counted.
    ///
    /// # Errors
    /// Where the sizes differ, or a value is outside the class list.
    pub fn add(&mut self, truth: &[u16], predicted: &[u16], ignore: Option<u16>, place: &str) -> Result<()> {
        if truth.len() != predicted.len() {
            let (wanted, found) = (format!("{} predicted pixels", truth.len()), format!("{}", predicted.len()));
            return Err(Error::mismatch(wanted, found, place));
        }
        let counted = || truth.iter().zip(predicted).filter(|(t, _)| Some(**t) != ignore);
        let outside = |v: u16| usize::from(v) >= self.classes;
        for (&t, &p) in counted() {
            let (value, whose) = if outside(t) { (t, "truth") } else { (p, "prediction") };
            if outside(value) {
                let wanted = format!("labels 0 to {} or an ignored value", self.classes - 1);
                return Err(Error::mismatch(wanted, format!("label {value} in the {whose}"), place));
            }
        }
        let mut kept = 0_u64;
        for (&t, &p) in counted() {
            if let Some(count) = self.counts.get_mut(usize::from(t) * self.classes + usize::from(p)) {
                *count += 1;
                kept += 1;
            }
        }
        self.ignored += truth.len() as u64 - kept;
        Ok(())
    }

    /// Adds another matrix of as many classes, so that pictures may be counted apart.
    ///
    /// # Errors
    /// Where the numbers of classes differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.classes != self.classes {
            let found = format!("{} classes", other.classes);
            return Err(Error::mismatch(format!("{} classes", self.classes), found, "confusion matrix"));
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.ignored += other.ignored;
        Ok(())
    }

    /// Number of classes.
    pub const fn classes(&self) -> usize {
        self.classes
    }
    /// Rows: one per true class, each with one count per predicted class.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes)
    }
    /// Pixels whose truth was the ignored value.
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The scores, with names from `names` (a class beyond that list is called by its number).
    pub fn scores(&self, names: &ClassList) -> SegmentationScores {
        let mut columns = vec![0_u64; self.classes];
        for row in self.rows() {
            columns.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        let per_class: Vec<ClassScores> = self
            .rows()
            .zip(&columns)
            .enumerate()
            .map(|(class, (row, &predicted))| {
                let (hits, truth) = (row.get(class).copied().unwrap_or(0), row.iter().sum::<u64>());
                let name = names.classes.get(class).map_or_else(|| class.to_string(), |(name, _)| name.clone());
                ClassScores {
                    class,
                    name,
                    iou: ratio(hits, truth + predicted - hits),
                    recall: ratio(hits, truth),
                    precision: ratio(hits, predicted),
                    truth_pixels: truth,
                    predicted_pixels: predicted,
                }
            })
            .collect();
        let pixels: u64 = columns.iter().sum();
        let hits: u64 = per_class.iter().zip(self.rows()).filter_map(|(c, row)| row.get(c.class)).sum();
        SegmentationScores {
            mean_iou: mean(per_class.iter().map(|c| c.iou)),
            mean_iou_absent_as_zero: mean(per_class.iter().map(|c| Some(c.iou.unwrap_or(0.0)))),
            mean_accuracy: mean(per_class.iter().map(|c| c.recall)),
            mean_accuracy_absent_as_zero: mean(per_class.iter().map(|c| Some(c.recall.unwrap_or(0.0)))),
            mean_precision: mean(per_class.iter().map(|c| c.precision)),
            pixel_accuracy: ratio(hits, pixels),
            pixels,
            ignored_pixels: self.ignored,
            per_class,
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0_u32), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The scores of one class; `None` where the denominator is zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScores {
    /// Label value.
    pub class: usize,
    /// Name.
    pub name: String,
    /// Hits / (truth + predicted - hits); none where the class is in neither.
    pub iou: Option<f64>,
    /// Hits / truth, what papers call the class's accuracy.
    pub recall: Option<f64>,
    /// Hits / predicted.
    pub precision: Option<f64>,
    /// Pixels of the class in the truth.
    pub truth_pixels: u64,
    /// Pixels predicted as the class.
    pub predicted_pixels: u64,
}

/// The scores of a set of label pictures. Means run over all classes of the list, class 0 included; ignore it to leave it out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentationScores {
    /// mIoU over the classes that have an IoU.
    pub mean_iou: Option<f64>,
    /// mIoU over all classes, those without an IoU counted as 0.
    pub mean_iou_absent_as_zero: Option<f64>,
    /// mAcc: mean recall over the classes in the truth.
    pub mean_accuracy: Option<f64>,
    /// mAcc over all classes, those absent from the truth counted as 0.
    pub mean_accuracy_absent_as_zero: Option<f64>,
    /// Mean precision over the classes predicted somewhere (what some scripts print as ACC).
    pub mean_precision: Option<f64>,
    /// Hits / counted pixels.
    pub pixel_accuracy: Option<f64>,
    /// Counted pixels.
    pub pixels: u64,
    /// Pixels whose truth was the ignored value.
    pub ignored_pixels: u64,
    /// By class.
    pub per_class: Vec<ClassScores>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        let mut confusion = Confusion::new(3).unwrap();
        confusion.add(&[0, 0, 1, 1, 255], &[0, 1, 1, 1, 9], Some(255), "a.png").unwrap();
        assert_eq!(confusion.rows().collect::<Vec<_>>(), [&[1, 1, 0], &[0, 2, 0], &[0, 0, 0]]);
        let scores = confusion.scores(&ClassList::default());
        let ious: Vec<_> = scores.per_class.iter().map(|c| c.iou).collect();
        assert_eq!(ious, [Some(0.5), Some(2.0 / 3.0), None]);
        assert_eq!((scores.pixel_accuracy, scores.mean_accuracy), (Some(0.75), Some(0.75)));
        assert_eq!(scores.mean_accuracy_absent_as_zero, Some(0.5));
        assert_eq!((scores.pixels, scores.ignored_pixels), (4, 1));
    }

    #[test]
    fn a_value_outside_the_list_is_named_and_nothing_is_counted() {
        let mut confusion = Confusion::new(3).unwrap();
        let truth = confusion.add(&[0, 7], &[0, 0], None, "a.png").unwrap_err().to_string();
        assert!(truth.contains('7') && truth.contains("truth") && truth.contains("a.png"), "{truth}");
        let predicted = confusion.add(&[0, 1], &[0, 8], None, "b.png").unwrap_err().to_string();
        assert!(predicted.contains('8') && predicted.contains("prediction") && predicted.contains("b.png"), "{predicted}");
        assert_eq!(confusion, Confusion::new(3).unwrap());
        assert_eq!(confusion.scores(&ClassList::default()).mean_iou, None);
        assert!(Confusion::new(0).is_err());
        assert!(confusion.merge(&Confusion::new(4).unwrap()).is_err());
    }
}
