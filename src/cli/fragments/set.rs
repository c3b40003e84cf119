//! A set of torn fragments on disk: `set.json`, `contours.json`, `pairs.json`, `fragment_NNNN.png`, `picture.png`.
//!
//! *In / Out*: a folder. *Invariant*: what is written is what the tools for the shared sets read; files are replaced whole. Contours and pairs that a
//! folder lacks are made from its pieces.

use super::super::eval::files::{encode, read, write_whole};
use crate::eval::fragments::truth::{Adjacent, adjacent};
use crate::eval::fragments::{Mask, Truth};
use crate::formats::fragments::{ContoursFile, PairRow, PairsFile, PieceRow, SetFile, matrix, parse, rigid};
use crate::heads::fragments::{Outline, outline, tear};
use crate::sources::picture::PictureReader;
use crate::types::{Error, Fragment, Result, Rigid};
use image::ExtendedColorType as Colour;
use rayon::prelude::*;
use std::path::Path;

/// A set in memory.
pub(in crate::cli) struct Set {
    /// `set.json`.
    pub(in crate::cli) file: SetFile,
    /// What is true of them.
    pub(in crate::cli) truth: Truth,
}

/// Reads a set.
///
/// # Errors
/// Where `set.json` or a piece is missing or broken, or the files contradict each other.
pub(in crate::cli) fn open(folder: &Path) -> Result<Set> {
    let path = folder.join("set.json");
    let file: SetFile = parse(&read(&path)?, &path)?;
    file.check(&path)?;
    let pieces: Vec<Fragment> = file
        .fragments
        .par_iter()
        .map_init(PictureReader::new, |reader, row| {
            let piece = reader.fragment(&folder.join(&row.file))?;
            if (piece.width(), piece.height()) != (row.width, row.height) {
                let found = format!("{}x{}", piece.width(), piece.height());
                return Err(Error::mismatch(
                    format!("{}x{}, as in set.json", row.width, row.height),
                    found,
                    folder.join(&row.file).display().to_string(),
                ));
            }
            Ok(piece)
        })
        .collect::<Result<_>>()?;
    let place = |row: &PieceRow| rigid(&row.to_picture, &format!("{}, fragment {}", path.display(), row.id));
    let to_picture = file.fragments.iter().map(place).collect::<Result<Vec<Rigid>>>()?;
    let contours = contours(folder, &pieces)?;
    let pairs = pairs(folder, &contours, &to_picture)?;
    let masks = pieces.iter().map(|p| Mask::new(p.width(), p.data().chunks_exact(4).map(|p| p.last().is_some_and(|a| *a > 0)).collect()));
    let masks = masks.collect();
    Ok(Set { file, truth: Truth { contours, to_picture, masks, pairs } })
}

/// Contours of the file, or of the pieces where there is none.
fn contours(folder: &Path, pieces: &[Fragment]) -> Result<Vec<Vec<[f64; 2]>>> {
    let path = folder.join("contours.json");
    if !path.exists() {
        return pieces.par_iter().map(|p| outline(p).map(|o| o.xy())).collect();
    }
    let file: ContoursFile = parse(&read(&path)?, &path)?;
    if file.contours.len() != pieces.len() || file.contours.iter().any(Vec::is_empty) {
        let found = format!("{}, the shortest of {} points", file.contours.len(), file.contours.iter().map(Vec::len).min().unwrap_or(0));
        return Err(Error::mismatch(format!("{} contours", pieces.len()), found, path.display().to_string()));
    }
    Ok(file.contours.iter().map(|line| line.iter().map(|p| p.map(f64::from)).collect()).collect())
}

/// Pairs of the file, or by the places where there is none.
fn pairs(folder: &Path, contours: &[Vec<[f64; 2]>], to_picture: &[Rigid]) -> Result<Vec<Adjacent>> {
    let path = folder.join("pairs.json");
    if !path.exists() {
        return Ok(adjacent(contours, to_picture));
    }
    let file: PairsFile = parse(&read(&path)?, &path)?;
    let pair = |row: PairRow| {
        let place = format!("{}, pair {} {}", path.display(), row.a, row.b);
        let lengths = contours.get(row.a).zip(contours.get(row.b)).filter(|_| row.a < row.b).map(|(a, b)| (a.len(), b.len()));
        let Some((n, m)) = lengths else {
            return Err(Error::mismatch(format!("a < b < {}", contours.len()), format!("{} and {}", row.a, row.b), place));
        };
        if let Some(bad) = row.correspondences.iter().find(|[i, k]| *i >= n || *k >= m) {
            return Err(Error::mismatch(format!("points of contours of {n} and {m}"), format!("{bad:?}"), place));
        }
        Ok(Adjacent { a: row.a, b: row.b, a_to_b: rigid(&row.a_to_b, &place)?, correspondences: row.correspondences })
    };
    file.pairs.into_iter().map(pair).collect()
}

/// Writes a torn picture; the names of the files that were written come back in order.
///
/// # Errors
/// Where a file cannot be written.
pub(super) fn save(
    folder: &Path,
    name: &str,
    picture: &crate::types::RgbImage,
    torn: &[tear::Piece],
    options: &tear::Options,
) -> Result<SetFile> {
    let outlines = torn.par_iter().map(|piece| outline(&piece.fragment)).collect::<Result<Vec<Outline>>>()?;
    torn.par_iter().try_for_each(|piece| {
        let f = &piece.fragment;
        write_whole(&folder.join(format!("{}.png", f.name)), &encode(f.data(), f.width(), f.height(), Colour::Rgba8)?)
    })?;
    let opaque: Vec<u8> = picture.data().chunks_exact(3).flat_map(|p| p.iter().copied().chain([255])).collect();
    write_whole(&folder.join("picture.png"), &encode(&opaque, picture.width(), picture.height(), Colour::Rgba8)?)?;
    let places: Vec<Rigid> = torn.iter().map(|p| p.to_picture).collect();
    let lines: Vec<Vec<[f64; 2]>> = outlines.iter().map(Outline::xy).collect();
    let found = adjacent(&lines, &places);
    let piece = |(id, (piece, line)): (usize, (&tear::Piece, &Outline))| PieceRow {
        id,
        file: format!("{}.png", piece.fragment.name),
        width: piece.fragment.width(),
        height: piece.fragment.height(),
        area: piece.area,
        contour_points: line.points.len(),
        to_picture: matrix(&piece.to_picture),
    };
    let set = SetFile {
        name: name.to_owned(),
        picture: Some("picture.png".to_owned()),
        picture_width: picture.width(),
        picture_height: picture.height(),
        seed: options.seed,
        minimum_side: options.minimum_side,
        rotated: options.rotate,
        fragments: torn.iter().zip(&outlines).enumerate().map(piece).collect(),
        adjacency: found.iter().map(|p| [p.a, p.b]).collect(),
    };
    let contours = ContoursFile {
        order: "x, y in pixels of the fragment image; points are in walking order and the last joins the first".to_owned(),
        contours: outlines.iter().map(|o| o.points.iter().map(|[r, c]| [*c, *r]).collect()).collect(),
    };
    let pair = |p: &Adjacent| PairRow {
        a: p.a,
        b: p.b,
        count: Some(p.correspondences.len()),
        a_to_b: matrix(&p.a_to_b),
        correspondences: p.correspondences.clone(),
        score: None,
    };
    let pairs = PairsFile { pairs: found.iter().map(pair).collect() };
    write_json(&folder.join("contours.json"), &contours, false)?;
    write_json(&folder.join("pairs.json"), &pairs, false)?;
    // Last, so that a folder with a `set.json` is whole.
    write_json(&folder.join("set.json"), &set, true)?;
    Ok(set)
}

/// Writes JSON, spread over lines for people or in one line.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize, pretty: bool) -> Result<()> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    write_whole(path, format!("{}\n", text.map_err(|e| Error::io("write", path, e))?).as_bytes())
}
