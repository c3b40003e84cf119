//! Peaks of a heat map: the cells that TransFusion looks at, and CenterHead's best cells.
//!
//! *In*: scores, class by class, `[classes][X * Y]`. *Out*: class and cell by falling score. *Invariant*: equal scores keep their order in
//! memory, so the same map gives the same peaks; NaN ranks last.

use super::boxes::CLASSES;
use crate::types::num;

/// Classes so small that neighbours may both be objects: every cell of theirs counts.
const SMALL: [&str; 2] = ["pedestrian", "traffic_cone"];

/// A cell of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// The class.
    pub class: usize,
    /// `x * Y + y`.
    pub cell: usize,
}

/// The scores with everything zeroed that is no local maximum; cells at the border never are one (small classes excepted).
pub fn suppress(scores: &[f32], [nx, ny]: [usize; 2]) -> Vec<f32> {
    let mut out = scores.to_vec();
    let planes = out.chunks_exact_mut((nx * ny).max(1)).zip(scores.chunks_exact((nx * ny).max(1)));
    for ((plane, source), class) in planes.zip(CLASSES.iter().cycle()) {
        if SMALL.contains(class) {
            continue;
        }
        let row = |x: usize| source.get(x * ny..(x + 1) * ny).unwrap_or_default();
        for (x, line) in plane.chunks_exact_mut(ny.max(1)).enumerate() {
            if x == 0 || x + 1 >= nx {
                line.fill(0.0);
                continue;
            }
            let rows = [row(x - 1), row(x), row(x + 1)];
            for (y, value) in line.iter_mut().enumerate() {
                let around = || rows.iter().filter_map(|r| r.get(y.wrapping_sub(1)..y + 2)).flatten();
                let inside = y > 0 && y + 1 < ny;
                let highest = around().copied().fold(f32::NEG_INFINITY, f32::max);
                if !(inside && *value == highest) {
                    *value = 0.0;
                }
            }
        }
    }
    out
}

/// The numbers of the `count` largest values, largest first.
pub fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<(f32, u32)> =
        values.iter().enumerate().map(|(i, v)| (if v.is_nan() { f32::NEG_INFINITY } else { *v }, num::u32(i))).collect();
    let by = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if count < order.len() {
        order.select_nth_unstable_by(count, by);
        order.truncate(count);
    }
    order.sort_unstable_by(by);
    order.into_iter().map(|(_, i)| num::usize(i)).collect()
}

/// The `count` best cells of all classes.
pub fn best(scores: &[f32], cells: usize, count: usize) -> Vec<Peak> {
    let cells = cells.max(1);
    largest(scores, count).into_iter().map(|i| Peak { class: i / cells, cell: i % cells }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_and_slopes_are_no_peaks_but_small_classes_keep_all() {
        let mut scores = vec![0.1_f32; 10 * 25];
        scores[12] = 0.9;
        scores[4] = 0.95;
        scores[8 * 25] = 0.5;
        let kept = suppress(&scores, [5, 5]);
        assert_eq!((kept[12], kept[4], kept[13], kept[6]), (0.9, 0.0, 0.0, 0.0));
        assert_eq!((kept[8 * 25], kept[8 * 25 + 1]), (0.5, 0.1));
        assert_eq!(best(&kept, 25, 2), [Peak { class: 0, cell: 12 }, Peak { class: 8, cell: 0 }]);
        assert_eq!(largest(&[1.0, f32::NAN, 3.0, 3.0], 3), [2, 3, 0]);
        assert_eq!(largest(&[1.0], 5), [0]);
    }
}
