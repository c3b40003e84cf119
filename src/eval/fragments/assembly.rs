//! Assembly: how much of a picture that was put together lies where it belongs.
//!
//! *In*: the truth and a place for some or all fragments. *Out*: [`AssemblyScores`]. *Invariant*: the result is first moved so that its largest true
//! fragment (by area) lies at its true place; `fitted` moves it so that all contours lie best instead. A fragment without a place
//! counts as overlapping nothing. Measures after RePAIR (NeurIPS 2024); its scaling to millimetres and its swapped names are not taken over.

use super::truth::touching;
use super::{Truth, mean};
use crate::types::Rigid;
use serde::Serialize;

/// Contour points nearer than this touch, pixels.
const NEAR: f64 = 2.0;
/// Two fragments are neighbours in the result with more touching points than this.
const LEAST: usize = 50;

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of what was found that is true.
    pub precision: f64,
    /// Share of what is true that was found.
    pub recall: f64,
    /// Harmonic mean.
    pub f1: f64,
}

/// How well a picture was put together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssemblyScores {
    /// Fragments.
    pub fragments: usize,
    /// Of these, how many have a place.
    pub placed: usize,
    /// Share of the area (without the largest fragment's) that lies on its true place; the largest fragment is at its true place.
    pub q_pos: f64,
    /// The same over all fragments, after the rigid motion of the whole that lays all contours best.
    pub q_pos_fitted: f64,
    /// Root mean square distance of the placed fragments' centres, largest left out, pixels.
    pub rmse_px: Option<f64>,
    /// Root mean square of their wrapped angles' difference, degrees.
    pub rmse_deg: Option<f64>,
    /// Neighbours: more than 50 contour points within 2 px.
    pub neighbours: Option<Agreement>,
    /// The same, each pair weighed by the sum of its areas.
    pub neighbours_by_area: Option<Agreement>,
}

/// Scores places (picture pixels from fragment pixels, by index); `None` where the largest fragment has none.
pub fn score(truth: &Truth, places: &[Option<Rigid>]) -> Option<AssemblyScores> {
    let areas: Vec<f64> = truth.masks.iter().map(super::Mask::area).collect();
    let largest = areas.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map(|(i, _)| i)?;
    let place_of = |index: usize| places.get(index).copied().flatten();
    let anchor = truth.to_picture.get(largest)?.after(&place_of(largest)?.inverse());
    let moved = |whole: &Rigid| -> Vec<Option<Rigid>> { (0..truth.len()).map(|i| place_of(i).map(|p| whole.after(&p))).collect() };
    let anchored = moved(&anchor);
    let corresponding = (0..truth.len()).filter_map(|i| Some((place_of(i)?, truth.to_picture.get(i)?, truth.contours.get(i)?)));
    let points = corresponding.flat_map(|(place, true_place, line)| line.iter().map(move |p| (place.apply(*p), true_place.apply(*p), 1.0)));
    let fitted = moved(&Rigid::fit(points)?);
    let overlap = |index: usize, placed: &[Option<Rigid>]| overlap(truth, index, placed.get(index).copied().flatten());
    let quality = |indices: &[usize], placed: &[Option<Rigid>]| {
        let weight: f64 = indices.iter().filter_map(|i| areas.get(*i)).sum();
        let sum: f64 = indices.iter().filter_map(|i| Some(areas.get(*i)? * overlap(*i, placed))).sum();
        if weight > 0.0 { sum / weight } else { 1.0 }
    };
    let all: Vec<usize> = (0..truth.len()).collect();
    let others: Vec<usize> = all.iter().copied().filter(|i| *i != largest).collect();
    let offs: Vec<(f64, f64)> = others.iter().filter_map(|i| off(truth, *i, anchored.get(*i).copied().flatten()?)).collect();
    let root = |of: fn(&(f64, f64)) -> f64| mean(offs.iter().map(|o| of(o).powi(2))).map(f64::sqrt);
    let (neighbours, neighbours_by_area) = neighbours(truth, &anchored, &areas);
    Some(AssemblyScores {
        fragments: truth.len(),
        placed: anchored.iter().flatten().count(),
        q_pos: quality(&others, &anchored),
        q_pos_fitted: quality(&all, &fitted),
        rmse_px: root(|o| o.0),
        rmse_deg: root(|o| o.1),
        neighbours,
        neighbours_by_area,
    })
}

/// Share of a placed fragment's pixels that lie on one of its own at the true place.
fn overlap(truth: &Truth, index: usize, place: Option<Rigid>) -> f64 {
    let (Some(place), Some(true_place), Some(mask)) = (place, truth.to_picture.get(index), truth.masks.get(index)) else { return 0.0 };
    let back = true_place.inverse().after(&place);
    mask.pixels().filter(|p| mask.holds(back.apply(*p))).count() as f64 / mask.area().max(1.0)
}

/// Distance of a fragment's centre from its true place, and the wrapped difference of the angles in degrees.
fn off(truth: &Truth, index: usize, place: Rigid) -> Option<(f64, f64)> {
    let (true_place, line) = (truth.to_picture.get(index)?, truth.contours.get(index)?);
    let centre = [mean(line.iter().map(|p| p[0]))?, mean(line.iter().map(|p| p[1]))?];
    let turn = true_place.inverse().after(&place).angle().abs();
    Some((place.miss(centre, true_place.apply(centre)), turn.to_degrees()))
}

/// Neighbours in the result against true ones, plain and weighed by area.
fn neighbours(truth: &Truth, places: &[Option<Rigid>], areas: &[f64]) -> (Option<Agreement>, Option<Agreement>) {
    let lines: Vec<Vec<[f64; 2]>> = truth
        .contours
        .iter()
        .zip(places)
        .map(|(line, place)| place.map(|p| line.iter().map(|q| p.apply(*q)).collect()).unwrap_or_default())
        .collect();
    let indexed = || lines.iter().enumerate().filter(|(_, line)| !line.is_empty());
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (a, from) in indexed() {
        found.extend(indexed().filter(|(b, _)| *b > a).filter(|(_, to)| touching(from, to, NEAR).len() > LEAST).map(|(b, _)| (a, b)));
    }
    let true_pairs: Vec<(usize, usize)> = truth.pairs.iter().map(|p| (p.a, p.b)).collect();
    let agree = |weight: &dyn Fn(&(usize, usize)) -> f64| {
        let sum = |pairs: &mut dyn Iterator<Item = &(usize, usize)>| pairs.map(weight).sum::<f64>();
        let common = sum(&mut found.iter().filter(|p| true_pairs.contains(p)));
        let (of_found, of_true) = (sum(&mut found.iter()), sum(&mut true_pairs.iter()));
        (of_true > 0.0).then(|| {
            let (precision, recall) = (if of_found > 0.0 { common / of_found } else { 0.0 }, common / of_true);
            let f1 = if common > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
            Agreement { precision, recall, f1 }
        })
    };
    let area = |(a, b): &(usize, usize)| areas.get(*a).copied().unwrap_or(0.0) + areas.get(*b).copied().unwrap_or(0.0);
    (agree(&|_| 1.0), agree(&area))
}

#[cfg(test)]
mod tests {
    use super::super::truth::adjacent;
    use super::*;

    /// Four squares of 80 px in a row, the last one 40 px high only.
    fn row() -> Truth {
        let square = |height: u32| -> Vec<[f64; 2]> {
            let (w, h) = (80.0, f64::from(height));
            let side = |n: u32, at: &dyn Fn(f64) -> [f64; 2]| (0..n).map(|i| at(f64::from(i))).collect::<Vec<_>>();
            [side(80, &|i| [i, 0.0]), side(height, &|i| [w, i]), side(80, &|i| [w - i, h]), side(height, &|i| [0.0, h - i])].concat()
        };
        let contours = vec![square(80), square(80), square(80), square(60)];
        let masks = [80_usize, 80, 80, 60].map(|h| super::super::Mask::new(80, vec![true; 80 * h])).to_vec();
        let to_picture: Vec<Rigid> = [0.0, 80.0, 160.0, 240.0].map(|x| Rigid::new(0.0, [x, 0.0])).to_vec();
        let pairs = adjacent(&contours, &to_picture);
        assert_eq!(pairs.iter().map(|p| (p.a, p.b)).collect::<Vec<_>>(), [(0, 1), (1, 2), (2, 3)]);
        Truth { contours, to_picture, masks, pairs }
    }

    #[test]
    fn the_truth_moved_as_a_whole_is_perfect() {
        let truth = row();
        let whole = Rigid::new(1.0, [7.0, -300.0]);
        let places: Vec<Option<Rigid>> = truth.to_picture.iter().map(|p| Some(whole.after(p))).collect();
        let found = score(&truth, &places).unwrap();
        assert!((found.q_pos - 1.0).abs() < 1e-9 && (found.q_pos_fitted - 1.0).abs() < 1e-9);
        assert!(found.rmse_px.unwrap() < 1e-9 && found.rmse_deg.unwrap() < 1e-6);
        assert_eq!(found.neighbours.unwrap().f1, 1.0);
    }

    #[test]
    fn a_misplaced_and_a_missing_piece_cost_their_area() {
        let truth = row();
        let mut places: Vec<Option<Rigid>> = truth.to_picture.iter().copied().map(Some).collect();
        places[1] = Some(Rigid::new(0.0, [80.0, 40.0]));
        places[3] = None;
        let found = score(&truth, &places).unwrap();
        assert_eq!(found.placed, 3);
        // Piece 1 half right, piece 2 right, piece 3 absent; weights 6400, 6400, 4800.
        assert!((found.q_pos - (0.5 * 6400.0 + 6400.0) / 17_600.0).abs() < 1e-9, "{}", found.q_pos);
        assert!((found.rmse_px.unwrap() - (1600.0_f64 / 2.0).sqrt()).abs() < 1e-9);
        let neighbours = found.neighbours.unwrap();
        assert_eq!(neighbours.recall, 0.0);
        assert!(score(&truth, &[None, places[1], places[2], None]).is_none(), "the largest fragment (the first of equals) has no place");
    }
}
