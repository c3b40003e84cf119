//! Boxes, maps, paths, controls, confidences and fragment pairs to bytes and back.
//!
//! *In / Out*: fields inside one message. *Invariant*: what comes back equals what went in to the bit; counts are checked against
//! the bytes present before anything is allocated.

use super::wire::{Bytes, Put, f32s, u32s};
use crate::types::{BevMap, Box3, Control, FragmentMatch, Result, ScoreImage, Trajectory, num};
use ndarray::Array2;
use std::sync::Arc;

/// The fewest bytes that a box, a map layer or a pair can take: bounds a hostile count.
const LEAST: usize = 4;

pub(super) fn put_boxes(boxes: &[Box3], out: &mut Vec<u8>) {
    out.count(boxes.len());
    for b in boxes {
        out.f64s(&b.centre);
        out.f64s(&b.size);
        out.f64s(&[b.yaw]);
        out.raw(&[u8::from(b.velocity.is_some()), u8::from(b.track.is_some())]);
        out.f64s(&b.velocity.unwrap_or_default());
        out.raw(&b.track.unwrap_or_default().to_le_bytes());
        out.f32s(&[b.score]);
        out.text(&b.class);
    }
}

/// `count` things, read one by one; the bytes present bound the count.
fn several<'a, T>(b: &mut Bytes<'a>, one: impl Fn(&mut Bytes<'a>) -> Result<T>) -> Result<Vec<T>> {
    let count = num::usize(b.u32()?);
    b.holds(count, LEAST)?;
    (0..count).map(|_| one(b)).collect()
}

pub(super) fn get_boxes(b: &mut Bytes<'_>) -> Result<Vec<Box3>> {
    several(b, |b| {
        let (centre, size, [yaw]) = (b.f64s()?, b.f64s()?, b.f64s()?);
        let [moves, tracked] = b.array()?;
        let velocity = b.f64s()?;
        let track = b.u64()?;
        let [score] = b.f32s()?;
        let class = b.text()?.to_owned();
        Ok(Box3 { centre, size, yaw, velocity: (moves != 0).then_some(velocity), class, score, track: (tracked != 0).then_some(track) })
    })
}

pub(super) fn put_map(map: &BevMap, out: &mut Vec<u8>) {
    out.count(map.layers.len());
    map.layers.iter().for_each(|l| out.text(l));
    out.f64s(&map.origin);
    out.f64s(&[map.cell]);
    out.count(map.nx);
    out.count(map.ny);
    out.count(map.cells().len());
    out.u32s(map.cells());
    let probabilities = map.probabilities().unwrap_or_default();
    out.count(probabilities.len());
    out.f32s(probabilities);
}

pub(super) fn get_map(b: &mut Bytes<'_>) -> Result<BevMap> {
    let layers = several(b, |b| b.text().map(str::to_owned))?;
    let (origin, [cell]) = (b.f64s()?, b.f64s()?);
    let (nx, ny) = (num::usize(b.u32()?), num::usize(b.u32()?));
    let map = BevMap::new(Arc::new(layers), origin, cell, nx, ny, u32s(b.counted(4)?).collect())?;
    let probabilities: Vec<f32> = f32s(b.counted(4)?).collect();
    if probabilities.is_empty() { Ok(map) } else { map.with_probabilities(probabilities) }
}

pub(super) fn put_trajectory(path: &Trajectory, out: &mut Vec<u8>) {
    out.count(path.points.len());
    path.points.iter().for_each(|p| out.f64s(p));
    out.count(path.times.len());
    out.f64s(&path.times);
}

pub(super) fn get_trajectory(b: &mut Bytes<'_>) -> Result<Trajectory> {
    let points = several(b, Bytes::f64s)?;
    let times = several(b, Bytes::f64)?;
    Ok(Trajectory { points, times })
}

pub(super) fn put_control(control: &Control, out: &mut Vec<u8>) {
    out.f32s(&[control.throttle, control.steer, control.brake]);
    out.raw(&[u8::from(control.reverse)]);
}

pub(super) fn get_control(b: &mut Bytes<'_>) -> Result<Control> {
    let [throttle, steer, brake] = b.f32s()?;
    Ok(Control { throttle, steer, brake, reverse: b.u8()? != 0 })
}

pub(super) fn put_scores(image: &ScoreImage, out: &mut Vec<u8>) {
    out.text(&image.of);
    out.count(image.scores.ncols());
    out.count(image.scores.nrows());
    image.scores.iter().for_each(|v| out.raw(&v.to_le_bytes()));
}

pub(super) fn get_scores(b: &mut Bytes<'_>) -> Result<ScoreImage> {
    let of = b.text()?.to_owned();
    let (width, height) = b.sides(4)?;
    let scores = f32s(b.elements(width * height, 4)?).collect();
    let scores = Array2::from_shape_vec((height, width), scores).map_err(|e| b.error("a full picture", e.to_string()))?;
    Ok(ScoreImage { scores, of })
}

pub(super) fn put_matches(pairs: &[FragmentMatch], out: &mut Vec<u8>) {
    out.count(pairs.len());
    for pair in pairs {
        out.text(&pair.target);
        out.text(&pair.source);
        pair.transform.iter().for_each(|row| out.f64s(row));
        out.f32s(&[pair.score]);
    }
}

pub(super) fn get_matches(b: &mut Bytes<'_>) -> Result<Vec<FragmentMatch>> {
    several(b, |b| {
        let (target, source) = (b.text()?.to_owned(), b.text()?.to_owned());
        let transform = [b.f64s()?, b.f64s()?];
        let [score] = b.f32s()?;
        Ok(FragmentMatch { target, source, transform, score })
    })
}
