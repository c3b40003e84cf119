//! Hits by falling score to curves over recall, and curves to numbers.
//!
//! *In*: flags and errors in the order of matching, weights of samples. *Out*: [`Curve`]: 101 points at recall 0, 0.01 .. 1.
//! *Invariant*: the grid is `i * 0.01` in f64 (which is not `i / 100`), interpolation is linear and as numpy's, precision is not
//! made monotone. A weight stands for that many copies of a sample.

use super::matching::ClassMatches;

/// Points of a curve.
pub const POINTS: usize = 101;
/// The first point that counts: the one after recall 0.1.
const FIRST: usize = 11;
/// Precision below this counts as none.
const LEAST_PRECISION: f64 = 0.1;

/// Precision, confidence and errors over recall.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Precision; 0 where the recall is not reached.
    pub precision: Vec<f64>,
    /// Score at which the recall is reached; 0 where it is not.
    pub confidence: Vec<f64>,
    /// The five errors of hits, averaged up to the recall; only at 2 m.
    pub errors: [Vec<f64>; 5],
}

/// Recall at a point.
pub fn recall(point: usize) -> f64 {
    if point + 1 == POINTS { 1.0 } else { point as f64 * 0.01 }
}

/// Linear interpolation as numpy's: of equal `xs` the last counts, left of the first its value.
pub fn interpolate(x: f64, xs: &[f64], ys: &[f64], right: Option<f64>) -> f64 {
    let above = xs.partition_point(|v| *v <= x);
    let pair = |at: usize| Some((*xs.get(at)?, *ys.get(at)?));
    let Some((x0, y0)) = above.checked_sub(1).and_then(pair) else { return ys.first().copied().unwrap_or(f64::NAN) };
    match pair(above) {
        _ if x0 == x => y0,
        Some((x1, y1)) => (y1 - y0) / (x1 - x0) * (x - x0) + y0,
        None => right.unwrap_or(y0),
    }
}

impl Curve {
    /// The curve of a class without hits.
    pub fn nothing() -> Self {
        let ones = || vec![1.0; POINTS];
        Self { precision: vec![0.0; POINTS], confidence: vec![0.0; POINTS], errors: [ones(), ones(), ones(), ones(), ones()] }
    }

    /// The curve at a distance, samples weighted; errors where `with_errors`.
    pub fn new(matches: &ClassMatches, distance: usize, with_errors: bool, weight: &dyn Fn(u32) -> f64) -> Self {
        let positives: f64 = (0_u32..).zip(&matches.objects).map(|(frame, n)| f64::from(*n) * weight(frame)).sum();
        let mut hits = 0.0;
        let (mut all, mut precision, mut recalls, mut scores) = (0.0, Vec::new(), Vec::new(), Vec::new());
        let mut hit_scores = Vec::new();
        for candidate in &matches.candidates {
            let weight = weight(candidate.predicted.frame);
            if weight == 0.0 {
                continue;
            }
            let hit = candidate.hits.get(distance).copied().flatten().is_some();
            all += weight;
            if hit {
                hits += weight;
                hit_scores.push(candidate.score);
            }
            precision.push(hits / all);
            recalls.push(hits / positives);
            scores.push(candidate.score);
        }
        if hits == 0.0 || positives == 0.0 {
            return Self::nothing();
        }
        let at = |ys: &[f64]| (0..POINTS).map(|i| interpolate(recall(i), &recalls, ys, Some(0.0))).collect::<Vec<f64>>();
        let (precision, confidence) = (at(&precision), at(&scores));
        let mut errors = Self::nothing().errors;
        if with_errors {
            hit_scores.reverse();
            for (kind, curve) in errors.iter_mut().enumerate() {
                let of_kind = matches.errors.iter().map(|(frame, e)| (weight(*frame), e.get(kind).copied().unwrap_or(f64::NAN)));
                let mut means = running_mean(of_kind.filter(|(w, _)| *w > 0.0));
                means.reverse();
                *curve = confidence.iter().map(|c| interpolate(*c, &hit_scores, &means, None)).collect();
            }
        }
        Self { precision, confidence, errors }
    }

    /// Mean precision above 0.1 over recalls above 0.1, scaled to 0..=1.
    pub fn average_precision(&self) -> f64 {
        let kept: f64 = self.precision.iter().skip(FIRST).map(|p| (p - LEAST_PRECISION).max(0.0)).sum();
        kept / (POINTS - FIRST) as f64 / (1.0 - LEAST_PRECISION)
    }

    /// Place of the highest recall that is reached. A hit with score 0 does not count as reached.
    pub fn last(&self) -> usize {
        self.confidence.iter().rposition(|c| *c != 0.0).unwrap_or(0)
    }

    /// Mean of an error over the recalls above 0.1 that are reached; 1 where none is.
    pub fn mean_error(&self, kind: usize) -> f64 {
        let last = self.last();
        let curve = self.errors.get(kind).map(Vec::as_slice).unwrap_or_default();
        match curve.get(FIRST..=last) {
            Some(counted) if last >= FIRST => counted.iter().sum::<f64>() / counted.len() as f64,
            _ => 1.0,
        }
    }
}

/// Mean of the values so far, NaN left out; 0 before the first value, ones where there is none at all.
fn running_mean(values: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    let mut means = Vec::new();
    for (weight, value) in values {
        if !value.is_nan() {
            sum += weight * value;
            count += weight;
        }
        means.push(if count > 0.0 { sum / count } else { 0.0 });
    }
    if count == 0.0 {
        means.iter_mut().for_each(|m| *m = 1.0);
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_not_hundredths() {
        let off: Vec<usize> = (0..POINTS).filter(|i| recall(*i) != *i as f64 / 100.0).collect();
        assert!(off.contains(&35) && off.contains(&70) && recall(35) > 0.35 && recall(100) == 1.0, "{off:?}");
    }

    #[test]
    fn interpolation_at_steps_ends_and_beyond() {
        let (xs, ys) = ([0.1, 0.1, 0.3], [1.0, 2.0, 4.0]);
        let at = |x: f64| interpolate(x, &xs, &ys, Some(0.0));
        assert_eq!([at(0.0), at(0.1), at(0.2), at(0.3), at(0.31)], [1.0, 2.0, 3.0, 4.0, 0.0]);
        assert_eq!(interpolate(9.0, &xs, &ys, None), 4.0);
    }

    #[test]
    fn means_pass_over_nan() {
        let mean = |v: &[f64]| running_mean(v.iter().map(|v| (1.0, *v)));
        assert_eq!(mean(&[f64::NAN, 2.0, f64::NAN, 4.0]), [0.0, 2.0, 2.0, 3.0]);
        assert_eq!(mean(&[f64::NAN, f64::NAN]), [1.0, 1.0]);
    }
}
