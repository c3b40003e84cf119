//! Which prediction hits which object.
//!
//! *In*: [`GroundTruth`] and [`Predictions`]. *Out*: [`ClassMatches`]: predictions by falling score with what each hit at each
//! distance, and the errors of the hits at 2 m. *Invariant*: of equal scores the later prediction goes first; a prediction takes
//! the nearest object of its class and sample that is not yet taken, of equally near ones the first, if it is strictly nearer
//! than the threshold.

use super::predictions::{Predicted, Predictions};
use super::truth::{GroundTruth, Object};
use crate::formats::nuscenes::{DETECTION_CLASSES, NO_ATTRIBUTE, ResultBox};
use crate::types::num;
use rayon::prelude::*;
use std::f64::consts::PI;
use std::ops::Range;

/// Distances at which hits are counted, metres.
pub const DISTANCES: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Place of the distance at which errors of hits are taken.
pub const ERROR_DISTANCE: usize = 2;
/// Names of the errors of hits.
pub const ERRORS: [&str; 5] = ["trans_err", "scale_err", "orient_err", "vel_err", "attr_err"];

/// A prediction in the order of matching.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The box.
    pub predicted: Predicted,
    /// Its confidence.
    pub score: f64,
    /// What it hit at each of [`DISTANCES`]: the place in the truth's objects.
    pub hits: [Option<u32>; 4],
}

/// How one class was matched.
#[derive(Debug, Clone, Default)]
pub struct ClassMatches {
    /// Place of the class.
    pub class: u8,
    /// Predictions by falling score.
    pub candidates: Vec<Candidate>,
    /// Errors of the hits at 2 m, in that order: sample and [`ERRORS`], NaN where not defined.
    pub errors: Vec<(u32, [f64; 5])>,
    /// How many objects there are in each sample.
    pub objects: Vec<u32>,
}

/// Matches all classes.
pub fn match_all(truth: &GroundTruth, predictions: &Predictions<'_>) -> Vec<ClassMatches> {
    (0..predictions.by_class.len()).into_par_iter().map(|class| match_class(truth, predictions, class)).collect()
}

fn match_class(truth: &GroundTruth, predictions: &Predictions<'_>, class: usize) -> ClassMatches {
    let listed = predictions.by_class.get(class).map(Vec::as_slice).unwrap_or_default();
    let score = |p: &Predicted| predictions.boxed(*p).map_or(f64::NAN, |b| b.score);
    let mut candidates: Vec<Candidate> =
        listed.iter().rev().map(|p| Candidate { predicted: *p, score: score(p), hits: [None; 4] }).collect();
    // Stable, and the list was turned round: of equal scores the later comes first.
    candidates.par_sort_by(|a, b| b.score.total_cmp(&a.score));
    let class = u8::try_from(class).unwrap_or(u8::MAX);
    let places = Places::new(truth, class);
    let hits: Vec<Vec<Option<u32>>> = DISTANCES.par_iter().map(|d| hits(truth, predictions, &places, &candidates, *d)).collect();
    for (threshold, hits) in hits.into_iter().enumerate() {
        for (candidate, hit) in candidates.iter_mut().zip(hits) {
            if let Some(slot) = candidate.hits.get_mut(threshold) {
                *slot = hit;
            }
        }
    }
    let errors = candidates.iter().filter_map(|c| {
        let object = truth.objects.get(num::usize(c.hits.get(ERROR_DISTANCE).copied().flatten()?))?;
        Some((c.predicted.frame, errors(predictions.boxed(c.predicted)?, object)))
    });
    ClassMatches { class, errors: errors.collect(), candidates, objects: places.counts() }
}

/// Objects of one class by sample.
struct Places {
    objects: Vec<u32>,
    frames: Vec<Range<usize>>,
}

impl Places {
    fn new(truth: &GroundTruth, class: u8) -> Self {
        let (mut objects, mut frames) = (Vec::new(), Vec::with_capacity(truth.frames.len()));
        for frame in &truth.frames {
            let start = objects.len();
            let of_frame = truth.objects.get(frame.objects.clone()).unwrap_or_default();
            objects.extend((num::u32(frame.objects.start)..).zip(of_frame).filter(|(_, o)| o.class == class).map(|(at, _)| at));
            frames.push(start..objects.len());
        }
        Self { objects, frames }
    }
    fn counts(&self) -> Vec<u32> {
        self.frames.iter().map(|r| num::u32(r.len())).collect()
    }
}

fn hits(truth: &GroundTruth, predictions: &Predictions<'_>, places: &Places, candidates: &[Candidate], threshold: f64) -> Vec<Option<u32>> {
    let mut taken = vec![false; places.objects.len()];
    let mut hit = |candidate: &Candidate| {
        let [x, y, _] = predictions.boxed(candidate.predicted)?.translation;
        let range = places.frames.get(num::usize(candidate.predicted.frame))?;
        let (mut nearest, mut best) = (None, f64::INFINITY);
        for (at, object) in range.clone().zip(places.objects.get(range.clone())?) {
            if taken.get(at) == Some(&false) {
                let [ox, oy, _] = truth.objects.get(num::usize(*object))?.translation;
                let distance = ((x - ox) * (x - ox) + (y - oy) * (y - oy)).sqrt();
                if distance < best {
                    (nearest, best) = (Some((at, *object)), distance);
                }
            }
        }
        let (at, object) = nearest.filter(|_| best < threshold)?;
        *taken.get_mut(at)? = true;
        Some(object)
    };
    candidates.iter().map(&mut hit).collect()
}

/// The five errors of a hit; NaN where one is not defined.
fn errors(found: &ResultBox, object: &Object) -> [f64; 5] {
    let class = DETECTION_CLASSES.get(usize::from(object.class)).copied().unwrap_or_default();
    let [[x, y, _], [ox, oy, _]] = [found.translation, object.translation];
    let trans = ((x - ox) * (x - ox) + (y - oy) * (y - oy)).sqrt();
    let volume = |size: [f64; 3]| size.iter().product::<f64>();
    let shared: f64 = found.size.iter().zip(object.size).map(|(a, b)| a.min(b)).product();
    let scale = 1.0 - shared / (volume(found.size) + volume(object.size) - shared);
    let period = if class == "barrier" { PI } else { 2.0 * PI };
    let orient = turn(object.yaw - found.yaw, period).abs();
    let [[vx, vy], [ovx, ovy]] = [found.velocity, object.velocity];
    let speed = ((vx - ovx) * (vx - ovx) + (vy - ovy) * (vy - ovy)).sqrt();
    let attribute = match object.attribute {
        NO_ATTRIBUTE => f64::NAN,
        known => f64::from(u8::from(known != found.attribute)),
    };
    [trans, scale, orient, speed, attribute]
}

/// An angle brought into (-period/2, period/2].
fn turn(angle: f64, period: f64) -> f64 {
    let wrapped = (angle + period / 2.0).rem_euclid(period) - period / 2.0;
    if wrapped > PI { wrapped - 2.0 * PI } else { wrapped }
}
