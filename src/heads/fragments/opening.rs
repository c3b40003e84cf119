//! The cells of a similarity matrix that lie on an anti-diagonal streak: where two borders fit along a stretch, not in one point.
//!
//! *In*: similarity `[n, m]`. *Out*: candidate cells. *Invariant*: grey opening with the two anti-diagonal neighbours: an isolated peak dies, a
//! streak of three or more lives. Outside the matrix everything is 0.

use ndarray::Array2;

/// A source point and a target point that may touch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Row: index in the source's contour.
    pub source: usize,
    /// Column: index in the target's contour.
    pub target: usize,
    /// Similarity of the cell before the opening.
    pub weight: f32,
}

/// Published threshold of a candidate.
pub const THRESHOLD: f32 = 0.006;

/// The lesser of the two anti-diagonal neighbours.
pub fn erode(matrix: &Array2<f32>) -> Array2<f32> {
    neighbours(matrix, |_, a, b| a.min(b))
}

/// The greatest of the cell and its two anti-diagonal neighbours.
pub fn dilate(matrix: &Array2<f32>) -> Array2<f32> {
    neighbours(matrix, |own, a, b| own.max(a).max(b))
}

fn neighbours(matrix: &Array2<f32>, rule: impl Fn(f32, f32, f32) -> f32) -> Array2<f32> {
    let (rows, columns) = matrix.dim();
    let cells: Vec<f32> = matrix.iter().copied().collect();
    let line = |row: Option<usize>| row.and_then(|r| cells.get(r * columns..(r + 1) * columns)).unwrap_or_default();
    let mut out = Vec::with_capacity(rows * columns);
    let outside = [0.0_f32];
    for row in 0..rows {
        let (above, own, below) = (line(row.checked_sub(1)), line(Some(row)), line(Some(row + 1)));
        // Above and to the right; below and to the left.
        let right = above.iter().skip(1).chain(std::iter::repeat(&outside[0]));
        let left = outside.iter().chain(below.iter()).chain(std::iter::repeat(&outside[0]));
        out.extend(own.iter().zip(right).zip(left).map(|((own, a), b)| rule(*own, *a, *b)));
    }
    Array2::from_shape_vec((rows, columns), out).unwrap_or_default()
}

/// Every cell of the opened matrix above `threshold`, row by row.
pub fn candidates(similarity: &Array2<f32>, threshold: f32) -> Vec<Candidate> {
    let opened = dilate(&erode(similarity));
    let cells = opened.indexed_iter().zip(similarity.iter());
    cells
        .filter(|((_, v), _)| **v > threshold)
        .map(|(((source, target), _), weight)| Candidate { source, target, weight: *weight })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_dies_and_a_streak_lives() {
        let mut matrix = Array2::zeros((8, 8));
        matrix[[1, 1]] = 0.9;
        for k in 0..3 {
            matrix[[3 + k, 6 - k]] = 0.5;
        }
        let found: Vec<(usize, usize)> = candidates(&matrix, THRESHOLD).iter().map(|c| (c.source, c.target)).collect();
        assert_eq!(found, [(3, 6), (4, 5), (5, 4)]);
        assert!(candidates(&Array2::zeros((0, 0)), THRESHOLD).is_empty());
        assert!(candidates(&Array2::ones((1, 1)), THRESHOLD).is_empty());
    }
}
