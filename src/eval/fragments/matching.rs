//! Matching: how well a found motion lays a pair's true border upon itself.
//!
//! *In*: true pairs, found motions. *Out*: [`MatchScores`]. *Invariant*: a true pair without a found motion is scored with the identity, as published,
//! and counted as missing; a found motion between fragments that are not adjacent is counted, and hurts the precision.

use super::truth::Adjacent;
use super::{Truth, mean, polygon_area};
use crate::types::Rigid;
use serde::Serialize;

/// Registered below this root of the mean distance (16 px of mean distance).
const REGISTERED: f64 = 4.0;
const CLOSE: f64 = 2.0;
/// Bounds of the relative registration recall.
const NEAR_PX: f64 = 10.0;
const NEAR_DEGREES: f64 = 5.0;

/// A motion that somebody found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Index of the source.
    pub a: usize,
    /// Index of the target.
    pub b: usize,
    /// Target pixels from source pixels.
    pub a_to_b: Rigid,
}

/// Means over pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairMeans {
    /// E: root of the mean distance of corresponding points, square root of pixels.
    pub e: f64,
    /// HD: mean symmetric Hausdorff distance of the two borders, pixels.
    pub hausdorff_px: f64,
    /// RE: mean difference of the angles, radians, not wrapped (published).
    pub rotation_error_rad: f64,
    /// NTE: distance of the translations over the sum of the two areas, 1/px.
    pub normalised_translation_error: f64,
    /// Root mean square distance of corresponding points, pixels (ours).
    pub rmse_px: f64,
    /// Difference of the angles, wrapped, degrees (ours).
    pub rotation_error_wrapped_deg: f64,
}

/// How well pairs are matched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchScores {
    /// True pairs.
    pub pairs: usize,
    /// Motions that were found, one for each two fragments.
    pub found: usize,
    /// True pairs without one.
    pub missing: usize,
    /// Found motions between fragments that are not adjacent.
    pub strangers: usize,
    /// RR: share of the true pairs with E below 4.
    pub registration_recall: f64,
    /// Share with E below 2.
    pub below_2: f64,
    /// Share with E from 2 to 4.
    pub from_2_to_4: f64,
    /// Share of the true pairs whose motion is within 10 px (of the true target border, on average) and 5 degrees.
    pub registration_recall_10px_5deg: f64,
    /// Share of the found motions that belong to a true pair and have E below 4.
    pub precision: f64,
    /// Over all true pairs, the identity where nothing was found (published).
    pub all: PairMeans,
    /// Over the true pairs for which something was found.
    pub where_found: Option<PairMeans>,
}

/// What is measured of one pair.
struct Measured {
    means: PairMeans,
    mean_px: f64,
}

/// Scores found motions; `None` without a true pair. Of several motions for the same two fragments the first counts.
pub fn score(truth: &Truth, found: &[Found]) -> Option<MatchScores> {
    let mut motions: Vec<Found> = Vec::new();
    for f in found {
        let ordered = if f.a <= f.b { *f } else { Found { a: f.b, b: f.a, a_to_b: f.a_to_b.inverse() } };
        if !motions.iter().any(|m| (m.a, m.b) == (ordered.a, ordered.b)) {
            motions.push(ordered);
        }
    }
    let motion_of = |pair: &Adjacent| motions.iter().find(|m| (m.a, m.b) == (pair.a, pair.b)).map(|m| m.a_to_b);
    let measured: Vec<(bool, Measured)> = truth
        .pairs
        .iter()
        .filter_map(|pair| {
            let motion = motion_of(pair);
            Some((motion.is_some(), measure(truth, pair, &motion.unwrap_or_default())?))
        })
        .collect();
    let count = measured.len();
    if count == 0 {
        return None;
    }
    let share = |of: &dyn Fn(&Measured) -> bool| measured.iter().filter(|(_, m)| of(m)).count() as f64 / count as f64;
    let registered = |m: &Measured| m.means.e < REGISTERED;
    let present = measured.iter().filter(|(found, _)| *found).count();
    let good = measured.iter().filter(|(found, m)| *found && registered(m)).count();
    Some(MatchScores {
        pairs: count,
        found: motions.len(),
        missing: count - present,
        strangers: motions.len().saturating_sub(present),
        registration_recall: share(&registered),
        below_2: share(&|m| m.means.e < CLOSE),
        from_2_to_4: share(&|m| (CLOSE..REGISTERED).contains(&m.means.e)),
        registration_recall_10px_5deg: share(&|m| m.mean_px <= NEAR_PX && m.means.rotation_error_wrapped_deg <= NEAR_DEGREES),
        precision: if motions.is_empty() { 0.0 } else { good as f64 / motions.len() as f64 },
        all: means(measured.iter().map(|(_, m)| m.means))?,
        where_found: means(measured.iter().filter(|(found, _)| *found).map(|(_, m)| m.means)),
    })
}

fn means(all: impl Iterator<Item = PairMeans>) -> Option<PairMeans> {
    let all: Vec<PairMeans> = all.collect();
    let of = |field: fn(&PairMeans) -> f64| mean(all.iter().map(field));
    Some(PairMeans {
        e: of(|m| m.e)?,
        hausdorff_px: of(|m| m.hausdorff_px)?,
        rotation_error_rad: of(|m| m.rotation_error_rad)?,
        normalised_translation_error: of(|m| m.normalised_translation_error)?,
        rmse_px: of(|m| m.rmse_px)?,
        rotation_error_wrapped_deg: of(|m| m.rotation_error_wrapped_deg)?,
    })
}

fn measure(truth: &Truth, pair: &Adjacent, motion: &Rigid) -> Option<Measured> {
    let (from, to) = (truth.contours.get(pair.a)?, truth.contours.get(pair.b)?);
    let points: Vec<([f64; 2], [f64; 2])> = pair.correspondences.iter().filter_map(|[i, k]| Some((*from.get(*i)?, *to.get(*k)?))).collect();
    let moved: Vec<[f64; 2]> = points.iter().map(|(p, _)| motion.apply(*p)).collect();
    let fixed: Vec<[f64; 2]> = points.iter().map(|(_, q)| *q).collect();
    let true_shift = pair.a_to_b.shift;
    let [dx, dy] = [motion.shift[0] - true_shift[0], motion.shift[1] - true_shift[1]];
    let turn = (motion.angle() - pair.a_to_b.angle()).abs();
    let wrapped = turn.min(std::f64::consts::TAU - turn);
    let squares = points.iter().map(|(p, q)| motion.miss(*p, *q).powi(2));
    Some(Measured {
        mean_px: mean(points.iter().map(|(p, _)| motion.miss(*p, pair.a_to_b.apply(*p))))?,
        means: PairMeans {
            e: motion.root_mean_distance(points.iter().copied())?,
            hausdorff_px: hausdorff(&moved, &fixed),
            rotation_error_rad: turn,
            normalised_translation_error: dx.hypot(dy) / (polygon_area(from) + polygon_area(to)).max(1.0),
            rmse_px: mean(squares)?.sqrt(),
            rotation_error_wrapped_deg: wrapped.to_degrees(),
        },
    })
}

/// The greatest distance of a point of one set from the other set, in both directions.
fn hausdorff(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    let one_way = |from: &[[f64; 2]], to: &[[f64; 2]]| {
        let nearest = |[x, y]: &[f64; 2]| to.iter().map(|[u, v]| (x - u).powi(2) + (y - v).powi(2)).fold(f64::INFINITY, f64::min);
        from.iter().map(nearest).fold(0.0, f64::max).sqrt()
    };
    one_way(a, b).max(one_way(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_scores_full_marks_and_a_shift_of_25_px_an_e_of_5() {
        let line = |offset: f64| (0..100_u32).map(|i| [f64::from(i), offset + f64::from(i % 7)]).collect::<Vec<_>>();
        let a_to_b = Rigid::new(0.0, [0.0, 40.0]);
        let pair = Adjacent { a: 0, b: 1, a_to_b, correspondences: (0..100).map(|i| [i, i]).collect() };
        let truth = Truth { contours: vec![line(0.0), line(40.0)], pairs: vec![pair], ..Truth::default() };
        let found = |motion| score(&truth, &[Found { a: 1, b: 0, a_to_b: motion }]).unwrap();
        let right = found(a_to_b.inverse());
        assert_eq!((right.registration_recall, right.below_2, right.precision, right.missing), (1.0, 1.0, 1.0, 0));
        assert!(right.all.hausdorff_px < 1e-9 && right.all.e < 1e-6);
        let off = found(Rigid::new(0.0, [-25.0, -40.0]));
        assert!((off.all.e - 5.0).abs() < 1e-9 && (off.all.rmse_px - 25.0).abs() < 1e-9);
        assert_eq!((off.registration_recall, off.registration_recall_10px_5deg), (0.0, 0.0));
        let none = score(&truth, &[]).unwrap();
        assert_eq!((none.missing, none.where_found), (1, None));
        assert!((none.all.rmse_px - 40.0).abs() < 1e-9);
        let turned = found(Rigid::new(std::f64::consts::TAU - 0.1, [0.0, -40.0]));
        assert!((turned.all.rotation_error_wrapped_deg - 0.1_f64.to_degrees()).abs() < 1e-9);
    }
}
