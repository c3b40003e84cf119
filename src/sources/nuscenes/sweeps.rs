//! Several LiDAR sweeps as one cloud, the vehicle's motion taken out.
//!
//! *In*: a sample, and how many sweeps. *Out*: points in the key frame's LiDAR frame, with how long before it they were seen.
//! *Invariant*: key frame first, then backwards in time; points near the sensor are dropped in their own sweep's frame; motions are
//! in f64, as map coordinates run into thousands of metres, and only the result is rounded to f32.

use super::Root;
use crate::formats::nuscenes::{SampleData, Tables, global_from_sensor};
use crate::sources::player::{LARGEST, append};
use crate::types::{Error, LidarPoint, PointCloud, Pool, Result, num};
use nalgebra::Matrix4;
use rayon::prelude::*;
use std::path::PathBuf;

/// Bytes of a point: x, y, z, intensity, ring as f32.
const POINT: usize = 20;

/// Sweeps in one frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepCloud {
    /// x, y, z (metres), intensity 0..=255.
    pub points: Vec<[f32; 4]>,
    /// Points of each sweep.
    pub counts: Vec<usize>,
    /// Seconds of each sweep before the key frame.
    pub lags: Vec<f64>,
}

/// The last `count` sweeps up to the key frame of a sample (a row); points within the square of half side `near` are dropped.
///
/// # Errors
/// Where the sample has no key frame of the channel, or a file or pose is not there or broken.
pub fn aggregate(root: &Root, tables: &Tables, sample: usize, channel: &str, count: usize, near: f32) -> Result<SweepCloud> {
    let key = tables.key_frame(sample, channel);
    let key = key.ok_or_else(|| Error::mismatch(format!("a key frame of {channel}"), "none", format!("sample row {sample}")))?;
    let parts = parts(root, tables, key, count)?;
    let read = |part: &Part| {
        let mut bytes = Vec::new();
        append(&part.path, LARGEST, &mut bytes)?;
        let mut points = Vec::with_capacity(bytes.len() / POINT);
        points.extend(part.points(&bytes, near)?.map(|[x, y, z, intensity, _]| [x, y, z, intensity]));
        Ok(points)
    };
    let sweeps: Vec<Result<Vec<[f32; 4]>>> = parts.par_iter().map(read).collect();
    let sweeps = sweeps.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(SweepCloud { counts: sweeps.iter().map(Vec::len).collect(), lags: parts.iter().map(|p| p.lag).collect(), points: sweeps.concat() })
}

/// One sweep of several.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Part {
    pub(in crate::sources) path: PathBuf,
    /// Key frame's LiDAR from this sweep's.
    motion: Matrix4<f64>,
    /// Seconds before the key frame.
    lag: f64,
}

/// The file `key` and those before it in its chain, `count` at most.
pub(super) fn parts(root: &Root, tables: &Tables, key: &SampleData, count: usize) -> Result<Vec<Part>> {
    let mut chain = vec![key];
    while chain.len() < count {
        let before = chain.last().and_then(|d| tables.sample_data.get(&d.prev));
        // A chain that bites its tail must end too.
        match before.filter(|b| !chain.iter().any(|d| d.token == b.token)) {
            Some(before) => chain.push(before),
            None => break,
        }
    }
    let back = global_from_sensor(tables, key)?.inverse();
    let seconds = |data: &SampleData| 1e-6 * data.timestamp as f64;
    let part = |data: &&SampleData| {
        let motion = (back * global_from_sensor(tables, data)?).to_homogeneous();
        Ok(Part { path: root.path(&data.filename)?, motion, lag: seconds(key) - seconds(data) })
    };
    chain.iter().map(part).collect()
}

/// The parts as one cloud in the key frame's LiDAR frame. Points within a metre of the sensor stay in the key frame and go from the sweeps
/// before it, as the published networks were trained. `bytes` is room for the files, used again.
pub(in crate::sources) fn gather(parts: &[Part], pool: &Pool<LidarPoint>, bytes: &mut Vec<u8>) -> Result<PointCloud> {
    bytes.clear();
    let mut files = Vec::with_capacity(parts.len());
    for part in parts {
        let from = bytes.len();
        append(&part.path, LARGEST, bytes)?;
        files.push((part, from..bytes.len()));
    }
    let mut points = pool.take(bytes.len() / POINT);
    let mut kept = 0;
    let mut slots = points.iter_mut();
    for (part, range) in files {
        let (near, lag) = (if part.lag > 0.0 { 1.0 } else { 0.0 }, num::f32(-part.lag));
        for [x, y, z, intensity, ring] in part.points(bytes.get(range).unwrap_or_default(), near)? {
            if let Some(slot) = slots.next() {
                *slot = LidarPoint { position: [x, y, z], intensity: intensity / 255.0, ring: num::level16(ring), lag };
                kept += 1;
            }
        }
    }
    points.shorten(kept);
    PointCloud::at_stamp(points)
}

impl Part {
    /// x, y, z, intensity, ring of the points in its file's bytes; without those within the square of half side `near`.
    fn points<'b>(&self, bytes: &'b [u8], near: f32) -> Result<impl Iterator<Item = [f32; 5]> + use<'b>> {
        if !bytes.len().is_multiple_of(POINT) {
            let found = format!("{} bytes ({} over)", bytes.len(), bytes.len() % POINT);
            return Err(Error::mismatch("whole points of 20 bytes", found, "TruncatedPointFile").at(self.path.display().to_string()));
        }
        let rows: [[f64; 4]; 3] = std::array::from_fn(|r| std::array::from_fn(|c| self.motion.get((r, c)).copied().unwrap_or(0.0)));
        Ok(bytes.chunks_exact(POINT).filter_map(move |point| {
            let mut values = point.chunks_exact(4).map(|b| b.try_into().map_or(f32::NAN, f32::from_le_bytes));
            let mut value = || values.next().unwrap_or(f32::NAN);
            let (x, y, z, intensity, ring) = (value(), value(), value(), value(), value());
            if x.abs() < near && y.abs() < near {
                return None;
            }
            let (x, y, z) = (f64::from(x), f64::from(y), f64::from(z));
            let [a, b, c] = rows.map(|[rx, ry, rz, t]| num::f32(rx * x + ry * y + rz * z + t));
            Some([a, b, c, intensity, ring])
        }))
    }
}
