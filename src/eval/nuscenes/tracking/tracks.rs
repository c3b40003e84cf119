//! Boxes over time: scores averaged over a track, holes filled in.
//!
//! *In*: [`GroundTruth`] and [`Predictions`]. *Out*: boxes of every moment of every scene. *Invariant*: a moment of a scene holds its
//! own boxes first, then those that were filled in, in the order in which their tracks began.
//!
//! A filled-in box lies at `(1 - r) left + r right` with `r = (t_right - t) / (t_right - t_left)`. That weights the two ends the
//! wrong way round; the public devkit does so, and its numbers are the measure.

use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::truth::GroundTruth;
use std::collections::{BTreeMap, HashMap};

/// A box at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tracked {
    pub(super) centre: [f64; 2],
    pub(super) class: u8,
    pub(super) track: u32,
    pub(super) score: f64,
}

/// Boxes by scene and time.
pub(super) type Scenes = Vec<BTreeMap<i64, Vec<Tracked>>>;

/// Every moment of every scene, still without boxes.
fn moments(truth: &GroundTruth) -> Scenes {
    let mut scenes: Scenes = vec![BTreeMap::new(); truth.scenes.len()];
    for frame in &truth.frames {
        if let Some(scene) = scenes.get_mut(crate::types::num::usize(frame.scene)) {
            scene.insert(frame.timestamp, Vec::new());
        }
    }
    scenes
}

/// The annotated tracks.
pub(super) fn of_truth(truth: &GroundTruth) -> Scenes {
    let mut scenes = moments(truth);
    for frame in &truth.frames {
        let objects = truth.objects.get(frame.objects.clone()).unwrap_or_default();
        let boxes = objects.iter().map(|o| {
            let [x, y, _] = o.translation;
            Tracked { centre: [x, y], class: o.class, track: o.instance, score: -1.0 }
        });
        if let Some(moment) = scenes.get_mut(crate::types::num::usize(frame.scene)).and_then(|s| s.get_mut(&frame.timestamp)) {
            moment.extend(boxes);
        }
    }
    scenes.iter_mut().for_each(fill);
    scenes
}

/// The predicted tracks.
pub(super) fn of_predictions(truth: &GroundTruth, predictions: &Predictions<'_>) -> Scenes {
    let mut scenes = moments(truth);
    let mut kept: Vec<(u32, u32)> = predictions.by_class.iter().flatten().map(|p| (p.box_at, p.frame)).collect();
    // Back into the file's order, in which a moment's boxes are listed.
    kept.sort_unstable();
    for (at, frame) in kept {
        let Some((frame, found)) = truth.frame_at(frame).zip(predictions.boxes.get(crate::types::num::usize(at))) else { continue };
        let [x, y, _] = found.translation;
        let tracked = Tracked { centre: [x, y], class: found.class, track: found.track, score: found.score };
        if let Some(moment) = scenes.get_mut(crate::types::num::usize(frame.scene)).and_then(|s| s.get_mut(&frame.timestamp)) {
            moment.push(tracked);
        }
    }
    for scene in &mut scenes {
        let mut scores: HashMap<u32, Vec<f64>> = HashMap::new();
        for tracked in scene.values().flatten() {
            scores.entry(tracked.track).or_default().push(tracked.score);
        }
        let means: HashMap<u32, f64> = scores.into_iter().map(|(track, list)| (track, sum(&list) / list.len() as f64)).collect();
        for tracked in scene.values_mut().flatten() {
            tracked.score = means.get(&tracked.track).copied().unwrap_or(tracked.score);
        }
        fill(scene);
    }
    scenes
}

/// Adds boxes where a track has none between its ends.
fn fill(scene: &mut BTreeMap<i64, Vec<Tracked>>) {
    let mut order = Vec::new();
    let mut tracks: HashMap<u32, Vec<(i64, Tracked)>> = HashMap::new();
    for (time, moment) in scene.iter() {
        for tracked in moment {
            let track = tracks.entry(tracked.track).or_default();
            if track.is_empty() {
                order.push(tracked.track);
            }
            track.push((*time, *tracked));
        }
    }
    for (time, moment) in scene.iter_mut() {
        for track in order.iter().filter_map(|t| tracks.get(t)) {
            let after = track.partition_point(|(t, _)| t <= time);
            let Some((left, right)) = after.checked_sub(1).and_then(|l| track.get(l)).zip(track.get(after)) else { continue };
            if left.0 == *time {
                continue;
            }
            let ratio = (right.0 - time) as f64 / (right.0 - left.0) as f64;
            let mix = |a: f64, b: f64| (1.0 - ratio) * a + ratio * b;
            let ([lx, ly], [rx, ry]) = (left.1.centre, right.1.centre);
            moment.push(Tracked { centre: [mix(lx, rx), mix(ly, ry)], score: mix(left.1.score, right.1.score), ..right.1 });
        }
    }
}

/// A sum in numpy's order, so that means are equal to the last bit: scores decide which boxes a threshold keeps.
pub(super) fn sum(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().sum();
    }
    if values.len() > 128 {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return sum(left) + sum(right);
    }
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane += v);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, v| sum + v)
}
