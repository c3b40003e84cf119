//! Kernels of torn fragments: robust registration beside the published one, outline and patches.

use super::kernels::{Row, alone, in_turn};
use crate::eval::fragments::truth::{Adjacent, adjacent};
use crate::heads::fragments::register::{Options, Pair, published, register};
use crate::heads::fragments::tear::{self, tear};
use crate::heads::fragments::{Outline, outline, patches};
use crate::types::{Error, Fragment, Result, RgbImage, Rigid, num};

/// CPU time that the released code takes for one pair among 80 % wrong candidates, milliseconds (Python, measured elsewhere).
const RELEASED_MS: f64 = 5800.0;

pub(super) fn rows() -> Result<Vec<Row>> {
    Ok(vec![registration()?, reading()?])
}

/// A pair of a torn picture with four wrong candidates for each true one.
fn candidates() -> Result<(Vec<Pair>, Rigid)> {
    let pieces = tear(&picture(640, 480)?, &tear::Options { seed: 4, minimum_side: 90, rotate: true }, || {})?;
    let outlines = pieces.iter().map(|p| outline(&p.fragment)).collect::<Result<Vec<Outline>>>()?;
    let lines: Vec<Vec<[f64; 2]>> = outlines.iter().map(Outline::xy).collect();
    let places: Vec<Rigid> = pieces.iter().map(|p| p.to_picture).collect();
    let longest = adjacent(&lines, &places).into_iter().max_by_key(|p| p.correspondences.len());
    let Some(Adjacent { a, b, a_to_b, correspondences }) = longest else {
        return Err(Error::mismatch("a pair of adjacent pieces", "none", "bench kernels"));
    };
    let (Some(from), Some(to)) = (lines.get(a), lines.get(b)) else { return Ok((Vec::new(), a_to_b)) };
    let point = |line: &[[f64; 2]], i: usize| line.get(i % line.len().max(1)).copied().unwrap_or_default();
    let mut pairs: Vec<Pair> = correspondences.iter().map(|[i, k]| (point(from, *i), point(to, *k), 1.0)).collect();
    let mut state = 9_usize;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    pairs.extend((0..4 * correspondences.len()).map(|_| (point(from, draw()), point(to, draw()), 1.0)));
    Ok((pairs, a_to_b))
}

fn registration() -> Result<Row> {
    let (pairs, truth) = candidates()?;
    let error = |motion: Option<Rigid>| {
        let trues = pairs.len() / 5;
        let off = |m: Rigid| pairs.iter().take(trues).map(|(p, _, _)| m.miss(*p, truth.apply(*p))).sum::<f64>() / trues as f64;
        motion.map_or_else(|| "not found".to_owned(), |m| format!("{:.2} px off", off(m)))
    };
    let found = register(&pairs, &Options::default()).map(|r| r.motion);
    let other = published(&pairs, 1).map(|r| r.motion);
    let (ours_ms, plain_ms) = in_turn(
        9,
        || drop(std::hint::black_box(register(std::hint::black_box(&pairs), &Options::default()))),
        || drop(std::hint::black_box(published(std::hint::black_box(&pairs), 1))),
    );
    let times = RELEASED_MS / ours_ms.median();
    let detail = format!(
        "{} candidates, 80 % of them wrong; ours {}, the published procedure {}; {times:.0} times as fast as the released code's 5.8 CPU-s",
        pairs.len(),
        error(found),
        error(other)
    );
    Ok(Row {
        what: "robust registration of a pair of fragments",
        bar: "at least 100 times as fast as the released code, so at most 58 ms",
        kept: times >= 100.0 && found.is_some(),
        ours_ms,
        plain_ms: Some(plain_ms),
        plain_is: "the published procedure, five pairs a draw, in this language",
        detail,
    })
}

fn reading() -> Result<Row> {
    let piece = blob()?;
    let line = outline(&piece)?;
    let ours_ms = alone(50, || {
        if let Ok(line) = outline(std::hint::black_box(&piece)) {
            std::hint::black_box(patches::patches(&piece, &line));
        }
    });
    let detail = format!("a piece of {}x{} pixels, {} points", piece.width(), piece.height(), line.points.len());
    Ok(Row {
        what: "contour and patches of a fragment of some 1,000 points",
        bar: "at most 5 ms",
        kept: ours_ms.median() <= 5.0,
        ours_ms,
        plain_ms: None,
        plain_is: "",
        detail,
    })
}

/// A wavy disc with about a thousand contour points.
fn blob() -> Result<Fragment> {
    const SIDE: usize = 460;
    let colour = |x: usize, y: usize| {
        let (dx, dy) = (x as f64 - 230.0, y as f64 - 230.0);
        let edge = 196.0 + 12.0 * (5.0 * dy.atan2(dx)).sin();
        if dx.hypot(dy) < edge { [wave(x, 7.0), wave(y, 11.0), wave(x + y, 13.0), 255] } else { [0; 4] }
    };
    let data: Vec<u8> = (0..SIDE).flat_map(|y| (0..SIDE).flat_map(move |x| colour(x, y))).collect();
    Fragment::new("blob", SIDE, SIDE, data)
}

fn picture(width: usize, height: usize) -> Result<RgbImage> {
    let colour = |x: usize, y: usize| [wave(x, 17.0), wave(y, 23.0), wave(x + 2 * y, 31.0)];
    RgbImage::new(width, height, (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect::<Vec<u8>>())
}

fn wave(at: usize, period: f64) -> u8 {
    num::level(num::f32(127.5 + 127.5 * (at as f64 / period).sin()))
}
