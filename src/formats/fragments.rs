//! The files of a set of torn fragments: `set.json`, `contours.json`, `pairs.json`; and what somebody found, in the same words.
//!
//! *In / Out*: JSON text. *Invariant*: places and motions are rigid 3x3 matrices (rows) in (x, y, 1); contours are `[x, y]`; indices are within the set
//! once [`SetFile::check`] has passed. A prediction ([`Found`]) may bring `pairs` as in `pairs.json`, `fragments` as in `set.json`, and a
//! ranking of likely neighbours as `ranking`, `similarity` or `embeddings`.

use crate::types::{Error, Result, Rigid};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Farthest that `R^T R` may be from the identity.
const SKEW: f64 = 1e-3;

/// A 3x3 matrix, rows.
pub type Matrix = [[f64; 3]; 3];

/// `set.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetFile {
    /// Name of the set.
    pub name: String,
    /// File of the whole picture, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Columns of the picture.
    pub picture_width: usize,
    /// Rows of the picture.
    pub picture_height: usize,
    /// Seed it was torn with.
    #[serde(default)]
    pub seed: u64,
    /// Least side of a piece when it was torn.
    #[serde(default)]
    pub minimum_side: usize,
    /// Whether the pieces were turned at random.
    #[serde(default)]
    pub rotated: bool,
    /// The pieces, in the order of their numbers.
    pub fragments: Vec<PieceRow>,
    /// Adjacent pieces, the smaller number first.
    #[serde(default)]
    pub adjacency: Vec<[usize; 2]>,
}

/// A piece in `set.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PieceRow {
    /// Its number.
    pub id: usize,
    /// Its picture.
    pub file: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Opaque pixels.
    #[serde(default)]
    pub area: usize,
    /// Points of its contour.
    #[serde(default)]
    pub contour_points: usize,
    /// Picture pixels from fragment pixels.
    pub to_picture: Matrix,
}

/// `contours.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContoursFile {
    /// What the numbers are, for people.
    #[serde(default)]
    pub order: String,
    /// For each piece its contour.
    pub contours: Vec<Vec<[i32; 2]>>,
}

/// `pairs.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PairsFile {
    /// Adjacent pairs.
    pub pairs: Vec<PairRow>,
}

/// A pair in `pairs.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// Number of the source.
    pub a: usize,
    /// Number of the target.
    pub b: usize,
    /// How many points touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Target pixels from source pixels.
    pub a_to_b: Matrix,
    /// Points that touch: index in a, index in b.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correspondences: Vec<[usize; 2]>,
    /// Confidence, where somebody found the pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// What somebody found out about a set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Likely neighbours of each piece, best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Vec<Vec<usize>>>,
    /// In its place: how alike every two pieces are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<Vec<Vec<f64>>>,
    /// In its place: a vector for each piece, compared by cosine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<Vec<Vec<f64>>>,
    /// Motions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<PairRow>>,
    /// Places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragments: Option<Vec<FoundPlace>>,
}

/// Where somebody puts a piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPlace {
    /// Its number.
    pub id: usize,
    /// Picture pixels from fragment pixels; nothing where it was not placed.
    #[serde(default)]
    pub to_picture: Option<Matrix>,
}

/// Reads one of these files.
///
/// # Errors
/// Where the text is not such a file; the message names the place in it.
pub fn parse<T: for<'de> Deserialize<'de>>(text: &[u8], path: &Path) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let place = format!("{}, {}", path.display(), e.path());
        Error::mismatch("a file of a fragment set", e.inner().to_string(), place)
    })
}

/// A rigid motion of a matrix.
///
/// # Errors
/// Where it is not one: a value is not finite, the rotation is skew or mirrored, or the last row is not 0, 0, 1.
pub fn rigid(matrix: &Matrix, place: &str) -> Result<Rigid> {
    let [[a, b, x], [c, d, y], last] = *matrix;
    let finite = matrix.iter().flatten().all(|v| v.is_finite());
    let off = [a - d, b + c, a * a + c * c - 1.0].into_iter().map(f64::abs).fold(0.0, f64::max);
    if !finite || off > SKEW || last != [0.0, 0.0, 1.0] {
        return Err(Error::mismatch("a rigid 3x3 matrix", format!("{matrix:?}"), place));
    }
    let norm = a.hypot(c);
    Ok(Rigid { cos: a / norm, sin: c / norm, shift: [x, y] })
}

/// The matrix of a motion, rounded to six decimals.
pub fn matrix(motion: &Rigid) -> Matrix {
    // Adding 0 turns -0 into 0.
    let [upper, lower] = motion.rows().map(|row| row.map(|v| (v * 1e6).round() / 1e6 + 0.0));
    [upper, lower, [0.0, 0.0, 1.0]]
}

impl SetFile {
    /// Whether numbers, places and neighbours make sense.
    ///
    /// # Errors
    /// Where a number is not the piece's index, or a neighbour does not exist.
    pub fn check(&self, path: &Path) -> Result<()> {
        let place = || path.display().to_string();
        if self.fragments.is_empty() {
            return Err(Error::mismatch("at least one fragment", "none", place()));
        }
        if let Some((index, row)) = self.fragments.iter().enumerate().find(|(index, row)| *index != row.id) {
            return Err(Error::mismatch(format!("fragment {index} at place {index}"), format!("id {}", row.id), place()));
        }
        let count = self.fragments.len();
        if let Some(pair) = self.adjacency.iter().find(|[a, b]| *a >= *b || *b >= count) {
            return Err(Error::mismatch(format!("a < b < {count} in adjacency"), format!("{pair:?}"), place()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_go_both_ways_and_skew_ones_are_refused() {
        let motion = Rigid::new(0.5, [3.0, -4.0]);
        let back = rigid(&matrix(&motion), "here").unwrap();
        assert!((back.angle() - 0.5).abs() < 1e-6 && back.shift == [3.0, -4.0]);
        for bad in [[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], [[1.1, 0.0, 0.0], [0.0, 1.1, 0.0], [0.0, 0.0, 1.0]]] {
            assert!(rigid(&bad, "here").unwrap_err().to_string().contains("rigid"));
        }
    }

    #[test]
    fn a_fault_is_named_by_its_place() {
        let text = br#"{"pairs": [{"a": 0, "b": "x", "a_to_b": []}]}"#;
        let said = parse::<PairsFile>(text, Path::new("p.json")).unwrap_err().to_string();
        assert!(said.contains("pairs[0].b") && said.contains("p.json"), "{said}");
    }
}
