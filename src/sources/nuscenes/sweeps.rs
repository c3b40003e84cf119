//! Several LiDAR sweeps as one cloud, the vehicle's motion taken out.
//!
//! *In*: a sample, and how many sweeps. *Out*: points in the key frame's LiDAR frame, with how long before it they were seen.
//! *Invariant*: key frame first, then backwards in time; points near the sensor are dropped in their own sweep's frame; motions are
//! in f64, as map coordinates run into thousands of metres, and only the result is rounded to f32.

use super::Root;
use super::root::bytes;
use crate::formats::nuscenes::{SampleData, Tables, global_from_sensor};
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
    let sweeps: Vec<Result<Vec<[f32; 5]>>> = parts.par_iter().map(|part| part.points(near)).collect();
    let sweeps = sweeps.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(SweepCloud {
        counts: sweeps.iter().map(Vec::len).collect(),
        lags: parts.iter().map(|p| p.lag).collect(),
        points: sweeps.iter().flatten().map(|[x, y, z, intensity, _]| [*x, *y, *z, *intensity]).collect(),
    })
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
/// before it, as the published networks were trained.
pub(in crate::sources) fn gather(parts: &[Part], pool: &Pool<LidarPoint>) -> Result<PointCloud> {
    let sweeps: Vec<Result<Vec<[f32; 5]>>> = parts.par_iter().map(|p| p.points(if p.lag > 0.0 { 1.0 } else { 0.0 })).collect();
    let sweeps = sweeps.into_iter().collect::<Result<Vec<_>>>()?;
    let mut points = pool.take(sweeps.iter().map(Vec::len).sum());
    let rows = parts.iter().zip(&sweeps).flat_map(|(part, rows)| rows.iter().map(move |row| (num::f32(-part.lag), row)));
    for (point, (lag, [x, y, z, intensity, ring])) in points.iter_mut().zip(rows) {
        *point = LidarPoint { position: [*x, *y, *z], intensity: intensity / 255.0, ring: num::level16(*ring), lag };
    }
    PointCloud::at_stamp(points)
}

impl Part {
    /// x, y, z, intensity, ring; without those within the square of half side `near`.
    fn points(&self, near: f32) -> Result<Vec<[f32; 5]>> {
        let bytes = bytes(&self.path)?;
        sweep(&bytes, &self.motion, near).map_err(|e| e.at(self.path.display().to_string()))
    }
}

fn sweep(bytes: &[u8], motion: &Matrix4<f64>, near: f32) -> Result<Vec<[f32; 5]>> {
    if !bytes.len().is_multiple_of(POINT) {
        let found = format!("{} bytes ({} over)", bytes.len(), bytes.len() % POINT);
        return Err(Error::mismatch("whole points of 20 bytes", found, "TruncatedPointFile"));
    }
    let rows: [[f64; 4]; 3] = std::array::from_fn(|r| std::array::from_fn(|c| motion.get((r, c)).copied().unwrap_or(0.0)));
    let mut points = Vec::with_capacity(bytes.len() / POINT);
    for point in bytes.chunks_exact(POINT) {
        let mut values = point.chunks_exact(4).map(|b| b.try_into().map_or(f32::NAN, f32::from_le_bytes));
        let mut value = || values.next().unwrap_or(f32::NAN);
        let (x, y, z, intensity, ring) = (value(), value(), value(), value(), value());
        if x.abs() < near && y.abs() < near {
            continue;
        }
        let (x, y, z) = (f64::from(x), f64::from(y), f64::from(z));
        let [a, b, c] = rows.map(|[rx, ry, rz, t]| num::f32(rx * x + ry * y + rz * z + t));
        points.push([a, b, c, intensity, ring]);
    }
    Ok(points)
}
