//! Whether two fragments fit: candidates from their similarity matrix, a robust motion, and how much the pieces then lie on each other.
//!
//! *In*: two [`Shape`]s and the similarity of their contour points. *Out*: [`Fit`], or nothing. *Invariant*: the motion takes source pixels to target
//! pixels; pieces that would overlap by more than [`Rules::overlap`] of the smaller one do not fit, however alike their borders are.

use super::opening::candidates;
use super::register::{Options, Pair, register};
use super::seam::{Seam, seam};
use super::{Outline, outline};
use crate::types::{Error, Fragment, Result, RgbImage, Rigid, num};
use ndarray::Array2;
use std::sync::Arc;

/// Every how many rows and columns the overlap is looked at.
const STRIDE: usize = 3;
/// Touching points that are as good as more of them.
const LONG: f64 = 100.0;
/// Mean distance of touching points that is as good as less, and one that is as good as none.
const TIGHT: f64 = 0.55;
const LOOSE: f64 = 1.05;
/// Colours on either side of a seam that differ by so many levels cost two thirds of the score.
const LEVELS: f64 = 60.0;

/// A fragment with its outline.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The piece.
    pub fragment: Arc<Fragment>,
    /// Its contour on whole pixels.
    pub outline: Outline,
    /// Where the border really is, (x, y), point by point.
    pub border: Vec<[f64; 2]>,
}

impl Shape {
    /// Traces a fragment.
    ///
    /// # Errors
    /// It has no opaque pixel.
    pub fn of(fragment: Arc<Fragment>) -> Result<Self> {
        let outline = outline(&fragment)?;
        let border = outline.border();
        Ok(Self { fragment, outline, border })
    }

    /// The colour of a pixel of the piece.
    pub(super) fn colour(&self, at: [f64; 2]) -> Option<[u8; 3]> {
        sample(&self.fragment, at)
    }

    fn opaque(&self, [x, y]: [f64; 2]) -> bool {
        let at = num::pixel(x, self.fragment.width()).zip(num::pixel(y, self.fragment.height()));
        at.and_then(|(x, y)| self.fragment.data().get((y * self.fragment.width() + x) * 4 + 3)).is_some_and(|a| *a > 0)
    }
}

/// What must hold of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Least opened similarity of a candidate cell.
    pub threshold: f32,
    /// How the motion is searched.
    pub search: Options,
    /// Different motions that are tried.
    pub modes: usize,
    /// Greatest share of the smaller piece that may lie on the other.
    pub overlap: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { threshold: super::opening::THRESHOLD, search: Options::default(), modes: 4, overlap: 0.1 }
    }
}

/// How two fragments lie side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Target pixels from source pixels.
    pub motion: Rigid,
    /// Border points of the source that touch the target's.
    pub touching: usize,
    /// Sum of the agreeing candidates' similarities.
    pub support: f64,
    /// Mean distance of touching points, pixels.
    pub residual: f64,
    /// Mean difference of the colours on either side of the seam, levels of 255.
    pub colour: f64,
    /// Share of the smaller piece that lies on the other.
    pub overlap: f64,
    /// 0..=1: the seam's length (as far as 100 points), less for borders that do not lie close, colours that differ, and overlap.
    pub score: f32,
}

/// Lays the source beside the target; `similarity` has a row for each source point and a column for each target point.
///
/// # Errors
/// The matrix has another size.
pub fn fit(similarity: &Array2<f32>, source: &Shape, target: &Shape, rules: &Rules) -> Result<Option<Fit>> {
    let (n, m) = (source.border.len(), target.border.len());
    if similarity.dim() != (n, m) {
        return Err(Error::mismatch(format!("{n} x {m} similarities"), format!("{:?}", similarity.dim()), "a pair of fragments"));
    }
    let cells = candidates(similarity, rules.threshold);
    let pair = |c: &super::opening::Candidate| Some((*source.border.get(c.source)?, *target.border.get(c.target)?, f64::from(c.weight)));
    let pairs: Vec<Pair> = cells.iter().filter_map(pair).collect();
    let mut rest = pairs;
    let mut best: Option<Fit> = None;
    for _ in 0..rules.modes {
        let Some(found) = register(&rest, &rules.search) else { break };
        let seam = seam(source, target, &found.motion);
        let overlap = overlap(source, target, &seam.motion);
        if overlap <= rules.overlap {
            let fit = Fit {
                motion: seam.motion,
                touching: seam.touching,
                support: found.support,
                residual: seam.residual,
                colour: seam.colour,
                overlap,
                score: score(&seam, overlap),
            };
            if best.as_ref().is_none_or(|b| fit.score > b.score) {
                best = Some(fit);
            }
        }
        let mut agreeing = found.inliers.iter().copied().peekable();
        let mut index = 0;
        rest.retain(|_| {
            let gone = agreeing.next_if_eq(&index).is_some();
            index += 1;
            !gone
        });
    }
    Ok(best)
}

fn score(seam: &Seam, overlap: f64) -> f32 {
    let length = (seam.touching as f64 / LONG).min(1.0);
    let tight = ((LOOSE - seam.residual) / (LOOSE - TIGHT)).clamp(0.0, 1.0);
    num::f32(length * tight * (-seam.colour / LEVELS).exp() * (1.0 - 5.0 * overlap).max(0.0))
}

/// Share of the smaller piece that lies on the other.
fn overlap(source: &Shape, target: &Shape, motion: &Rigid) -> f64 {
    let (width, height) = (source.fragment.width(), source.fragment.height());
    let grid = (0..height).step_by(STRIDE).flat_map(|y| (0..width).step_by(STRIDE).map(move |x| [x as f64, y as f64]));
    let (mut own, mut both) = (0.0_f64, 0.0);
    for point in grid.filter(|p| source.opaque(*p)) {
        own += 1.0;
        both += if target.opaque(motion.apply(point)) { 1.0 } else { 0.0 };
    }
    let other =
        target.fragment.data().chunks_exact(4).filter(|p| p.last().is_some_and(|a| *a > 0)).count() as f64 / (STRIDE * STRIDE) as f64;
    both / own.min(other).max(1.0)
}

/// Colour of the ground under pieces that are shown together.
const GROUND: [u8; 3] = [40, 40, 44];

/// Two fragments put together in one picture, the target as it lies, on a dark ground.
///
/// # Errors
/// The motion is so far off that no picture holds both.
pub fn placed(source: &Fragment, target: &Fragment, motion: &Rigid) -> Result<RgbImage> {
    const MOST: f64 = 8192.0;
    let far = |f: &Fragment| [f.width() as f64 - 1.0, f.height() as f64 - 1.0];
    let ([w, h], [tw, th]) = (far(source), far(target));
    let moved = [[0.0, 0.0], [w, 0.0], [0.0, h], [w, h]].map(|c| motion.apply(c));
    let corners = || moved.into_iter().chain([[0.0, 0.0], [tw, th]]);
    let low = corners().fold([0.0_f64; 2], |[x, y], [u, v]| [x.min(u), y.min(v)]).map(f64::floor);
    let high = corners().fold([0.0_f64; 2], |[x, y], [u, v]| [x.max(u), y.max(v)]).map(f64::ceil);
    let spans = [high[0] - low[0] + 1.0, high[1] - low[1] + 1.0];
    let whole = |span: f64| usize::try_from(num::round_i64(span)).ok().filter(|_| span <= MOST);
    let [Some(width), Some(height)] = spans.map(whole) else {
        return Err(Error::mismatch(format!("a pair within {MOST} pixels"), format!("{spans:?}"), "a picture of two fragments"));
    };
    let back = motion.inverse();
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let at = [x as f64 + low[0], y as f64 + low[1]];
            let colour = sample(target, at).or_else(|| sample(source, back.apply(at))).unwrap_or(GROUND);
            data.extend_from_slice(&colour);
        }
    }
    RgbImage::new(width, height, data)
}

fn sample(fragment: &Fragment, [x, y]: [f64; 2]) -> Option<[u8; 3]> {
    let (x, y) = num::pixel(x, fragment.width()).zip(num::pixel(y, fragment.height()))?;
    match fragment.data().get((y * fragment.width() + x) * 4..)? {
        [r, g, b, a, ..] if *a > 0 => Some([*r, *g, *b]),
        _ => None,
    }
}
