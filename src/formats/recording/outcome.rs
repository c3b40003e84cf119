//! Outcomes and bundle boundaries to bytes and back: JSON for what is small, binary for pictures and clouds.
//!
//! *In / Out*: one message's bytes. *Invariant*: every array's length is checked against the bytes present before it is
//! allocated; binary outcomes come back to the bit.

use super::payload::{get_labels, get_rgb, put_labels, put_rgb};
use super::wire::{Bytes, Put, f32s, triples, u32s};
use super::{Pools, VERSION, annotation};
use crate::types::{
    Box3, Bundle, ColouredCloud, Control, Error, Outcome, OutcomeKind, Presence, Projection, Result, SensorId, SensorTime, VoxelGrid, num,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A result as it was recorded; its stage is in the channel's topic.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRecord {
    /// The bundle's number.
    pub seq: u64,
    /// The bundle's instant.
    pub at: SensorTime,
    /// The result.
    pub outcome: Outcome,
}

/// Which frames made one bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRecord {
    /// Layout version, [`VERSION`].
    pub version: u8,
    /// Counts the bundles.
    pub seq: u64,
    /// The bundle's instant, nanoseconds of the sensors' clock.
    pub at: SensorTime,
    /// Largest distance of a frame from `at`, nanoseconds.
    pub skew: u64,
    /// Sensor and number of each frame, in the bundle's order.
    pub frames: Vec<(SensorId, u64)>,
    /// Sensors that should have been there, and why they were not.
    pub missing: Vec<(SensorId, Presence)>,
}

impl BundleRecord {
    /// What is kept of a bundle.
    pub fn new(seq: u64, bundle: &Bundle) -> Self {
        let frames = bundle.frames.iter().map(|f| (f.sensor, f.seq)).collect();
        let missing = bundle.presence.iter().filter(|(_, p)| *p != Presence::Ok).copied().collect();
        Self { version: VERSION, seq, at: bundle.at, skew: num::nanos(bundle.skew), frames, missing }
    }
}

/// The small ones, as they stand in JSON.
#[derive(Serialize, Deserialize)]
struct Small<T> {
    version: u8,
    seq: u64,
    at: SensorTime,
    value: T,
}

/// Appends an outcome of bundle `seq` at `at` to `out`.
///
/// # Errors
/// Where a number of a JSON outcome is not finite.
pub fn encode_outcome(outcome: &Outcome, seq: u64, at: SensorTime, out: &mut Vec<u8>) -> Result<()> {
    match outcome {
        Outcome::Boxes3(boxes) => return json(&Small { version: VERSION, seq, at, value: boxes.as_slice() }, out),
        Outcome::Control(control) => return json(&Small { version: VERSION, seq, at, value: control }, out),
        Outcome::Numbers(numbers) => return json(&Small { version: VERSION, seq, at, value: numbers.as_slice() }, out),
        _ => {}
    }
    out.raw(&[VERSION, 0, 0, 0]);
    out.raw(&seq.to_le_bytes());
    out.raw(&at.nanos().to_le_bytes());
    match outcome {
        Outcome::Fused(image) => put_rgb(image, out),
        Outcome::Segmentation(image) => put_labels(image, out),
        Outcome::Cloud(cloud) => {
            out.count(cloud.positions.len());
            cloud.positions.iter().for_each(|p| out.f32s(p));
            out.count(cloud.colours.len());
            out.raw(cloud.colours.as_flattened());
        }
        Outcome::Projection(p) => {
            out.text(p.camera.name());
            out.text(p.lidar.name());
            p.size.iter().for_each(|s| out.count(*s));
            out.count(p.pixels.len());
            p.pixels.iter().for_each(|uv| out.f32s(uv));
            out.count(p.depths.len());
            out.f32s(&p.depths);
        }
        Outcome::Voxels(grid) => {
            out.f32s(&grid.origin);
            out.f32s(&grid.voxel);
            out.count(grid.indices.len());
            grid.indices.iter().for_each(|i| out.u32s(i));
            out.count(grid.counts.len());
            out.u32s(&grid.counts);
            out.count(grid.means.len());
            grid.means.iter().for_each(|m| out.f32s(m));
        }
        Outcome::Confidence(image) => annotation::put_scores(image, out),
        Outcome::Map(map) => annotation::put_map(map, out),
        Outcome::Trajectory(path) => annotation::put_trajectory(path, out),
        Outcome::Matches(pairs) => annotation::put_matches(pairs, out),
        Outcome::Boxes3(_) | Outcome::Control(_) | Outcome::Numbers(_) => {}
    }
    Ok(())
}

fn json<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|e| Error::mismatch("finite numbers", e.to_string(), "outcome to record"))
}

/// Appends a bundle's boundary to `out`.
///
/// # Errors
/// Never in practice; JSON's own words if it does.
pub fn encode_bundle(bundle: &BundleRecord, out: &mut Vec<u8>) -> Result<()> {
    json(bundle, out)
}

pub(super) fn decode_bundle(bytes: &[u8]) -> Result<BundleRecord> {
    let bundle: BundleRecord = parsed(bytes, "a recorded bundle")?;
    super::versioned(bundle.version)?;
    Ok(bundle)
}

fn parsed<'a, T: Deserialize<'a>>(bytes: &'a [u8], wanted: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::mismatch(wanted, e.to_string(), "recording"))
}

fn small<T: for<'a> Deserialize<'a>>(bytes: &[u8], wrap: impl FnOnce(T) -> Outcome) -> Result<OutcomeRecord> {
    let Small { version, seq, at, value } = parsed(bytes, "a recorded outcome")?;
    super::versioned(version)?;
    Ok(OutcomeRecord { seq, at, outcome: wrap(value) })
}

/// An outcome of the kind that the channel's schema names.
pub(super) fn decode_outcome(kind: OutcomeKind, bytes: &[u8], pools: &Pools) -> Result<OutcomeRecord> {
    match kind {
        OutcomeKind::Boxes3 => return small(bytes, |v: Vec<Box3>| Outcome::Boxes3(Arc::new(v))),
        OutcomeKind::Control => return small(bytes, |v: Control| Outcome::Control(v)),
        OutcomeKind::Numbers => return small(bytes, |v: Vec<(String, f64)>| Outcome::Numbers(Arc::new(v))),
        _ => {}
    }
    let mut b = Bytes::new(bytes, "recorded outcome");
    let [version, _, _, _] = b.array()?;
    super::versioned(version)?;
    let seq = b.u64()?;
    let at = SensorTime::from_nanos(b.i64()?);
    let outcome = match kind {
        OutcomeKind::Fused => Outcome::Fused(Arc::new(get_rgb(&mut b, pools)?)),
        OutcomeKind::Segmentation => Outcome::Segmentation(Arc::new(get_labels(&mut b)?)),
        OutcomeKind::Cloud => {
            let positions = triples(b.counted(12)?);
            let colours = b.counted(3)?.as_chunks::<3>().0.to_vec();
            Outcome::Cloud(Arc::new(ColouredCloud { positions, colours }))
        }
        OutcomeKind::Projection => Outcome::Projection(Arc::new(get_projection(&mut b)?)),
        OutcomeKind::Voxels => Outcome::Voxels(Arc::new(get_voxels(&mut b)?)),
        OutcomeKind::Confidence => Outcome::Confidence(Arc::new(annotation::get_scores(&mut b)?)),
        OutcomeKind::Map => Outcome::Map(Arc::new(annotation::get_map(&mut b)?)),
        OutcomeKind::Trajectory => Outcome::Trajectory(Arc::new(annotation::get_trajectory(&mut b)?)),
        OutcomeKind::Matches => Outcome::Matches(Arc::new(annotation::get_matches(&mut b)?)),
        OutcomeKind::Boxes3 | OutcomeKind::Control | OutcomeKind::Numbers => return Err(b.error("a binary outcome", "a JSON one")),
    };
    b.end()?;
    Ok(OutcomeRecord { seq, at, outcome })
}

fn get_projection(b: &mut Bytes<'_>) -> Result<Projection> {
    let (camera, lidar) = (SensorId::new(b.text()?), SensorId::new(b.text()?));
    let size = [num::usize(b.u32()?), num::usize(b.u32()?)];
    let pair = |b: &[u8; 8]| {
        let [x, y, z, w, i, j, k, l] = *b;
        [f32::from_le_bytes([x, y, z, w]), f32::from_le_bytes([i, j, k, l])]
    };
    let pixels = b.counted(8)?.as_chunks::<8>().0.iter().map(pair).collect();
    let depths = f32s(b.counted(4)?).collect();
    Ok(Projection { camera, lidar, pixels, depths, size })
}

fn get_voxels(b: &mut Bytes<'_>) -> Result<VoxelGrid> {
    let (origin, voxel) = (b.f32s()?, b.f32s()?);
    let flat: Vec<u32> = u32s(b.counted(12)?).collect();
    let indices = flat.as_chunks::<3>().0.to_vec();
    let counts = u32s(b.counted(4)?).collect();
    let means = triples(b.counted(12)?);
    Ok(VoxelGrid { origin, voxel, indices, counts, means })
}
