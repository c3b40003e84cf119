//! Named tensors of one bare pass to what the network takes, and its findings to named tensors.
//!
//! *In*: `img`, `given.*` matrices, `points.*` and `dense.*` columns; each sensor may be left out, not both. *Out*: [`Scene`]; `object.*`,
//! `center.*`, `map.prob`. *Invariant*: what is there is checked whole: shapes against each other, numbers finite, matrices invertible.

use super::boxes::CLASSES;
use super::decode::floats;
use super::frustum::parts;
use super::transfusion::{BRANCHES, Proposals};
use super::voxel::POINT;
use super::{CameraGeometry, Cloud, Findings, Fuller, Rig, Suppression, Voxels};
use crate::nets::{Inputs, Taps};
use crate::types::{Error, Result, num};
use burn::tensor::{Tensor, TensorData};
use nalgebra::Matrix4;

/// The least height and width of an image.
const SMALLEST: usize = 8;

/// What one pass looks at.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) camera: Option<(Tensor<4>, Rig)>,
    pub(super) clouds: Vec<Cloud>,
}

impl Scene {
    /// The images with their rig.
    pub(super) fn images(&self) -> Option<(Tensor<4>, &Rig)> {
        self.camera.as_ref().map(|(images, rig)| (images.clone(), rig))
    }

    pub(super) fn read(inputs: &Inputs<'_>) -> Result<Self> {
        let images = inputs.has("img").then(|| inputs.tensor::<5>("img")).transpose()?;
        let samples = images.as_ref().map(|t| t.dims()[0]);
        let with_points = inputs.has("points.x") || inputs.has("dense.x");
        if samples.is_none() && !with_points {
            return Err(Error::mismatch("`img`, or `points.x` to `points.time`, or both", "neither", "inputs"));
        }
        let clouds = clouds(inputs, samples)?;
        let camera = images.map(|images| rig(inputs, images)).transpose()?;
        Ok(Self { camera, clouds })
    }
}

/// A column of points, `[P]` for one sample or `[samples, P]`.
fn column(inputs: &Inputs<'_>, name: &str) -> Result<Option<(usize, Vec<f32>)>> {
    let Some(shape) = inputs.shape(name) else { return Ok(None) };
    if shape.contains(&0) && shape.len() <= 2 {
        // No point at all is a sweep, too.
        return Ok(Some((if shape.len() == 2 { shape.first().copied().unwrap_or(1).max(1) } else { 1 }, Vec::new())));
    }
    let data = match shape.len() {
        2 => crate::nets::to_host(inputs.tensor::<2>(name)?)?,
        _ => crate::nets::to_host(inputs.tensor::<1>(name)?)?,
    };
    let values = floats(&data)?.to_vec();
    if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::mismatch("finite numbers", format!("NaN or infinity at {bad}"), format!("input `{name}`")));
    }
    Ok(Some((if shape.len() == 2 { shape.first().copied().unwrap_or(1) } else { 1 }, values)))
}

fn clouds(inputs: &Inputs<'_>, samples: Option<usize>) -> Result<Vec<Cloud>> {
    let mut clouds: Vec<Cloud> = vec![Cloud::default(); samples.unwrap_or(0)];
    for group in ["points", "dense"] {
        let names = ["x", "y", "z", "intensity", "time"].map(|axis| format!("{group}.{axis}"));
        let mut columns: Vec<Vec<f32>> = Vec::with_capacity(POINT);
        let mut count = None;
        for name in &names {
            let Some((found, values)) = column(inputs, name)? else { continue };
            let wanted = samples.unwrap_or_else(|| *count.get_or_insert(found));
            if found != wanted || columns.first().is_some_and(|c| c.len() != values.len()) {
                let wanted = format!("{wanted} samples, as many points as `{}`", names[0]);
                return Err(Error::mismatch(wanted, format!("{found} samples, {} values", values.len()), format!("input `{name}`")));
            }
            columns.push(values);
        }
        if columns.is_empty() {
            continue;
        }
        let Ok([x, y, z, intensity, time]) = <[Vec<f32>; POINT]>::try_from(columns) else {
            let missing = names.iter().find(|n| !inputs.has(n)).map_or("", String::as_str);
            return Err(Error::mismatch(format!("a tensor `{missing}`"), "none", "inputs"));
        };
        let count = samples.or(count).unwrap_or(1);
        clouds.resize(count.max(clouds.len()), Cloud::default());
        let rows = x.iter().zip(&y).zip(z.iter().zip(&intensity)).zip(&time).map(|(((x, y), (z, i)), t)| [*x, *y, *z, *i, *t]);
        let each = x.len().checked_div(count).unwrap_or(0).max(1);
        for (number, row) in rows.enumerate() {
            if let Some(cloud) = clouds.get_mut(number / each) {
                cloud.points.push(row);
            }
        }
    }
    Ok(clouds)
}

fn matrices(inputs: &Inputs<'_>, name: &str, count: [usize; 2]) -> Result<Vec<Matrix4<f32>>> {
    let place = || format!("input `{name}`");
    let [samples, cameras] = count;
    let (shape, data) = if name == "given.lidar_aug_matrix" {
        let tensor = inputs.tensor::<3>(name)?;
        ((tensor.dims() == [samples, 4, 4], format!("{:?}", tensor.dims())), crate::nets::to_host(tensor)?)
    } else {
        let tensor = inputs.tensor::<4>(name)?;
        ((tensor.dims() == [samples, cameras, 4, 4], format!("{:?}", tensor.dims())), crate::nets::to_host(tensor)?)
    };
    if !shape.0 {
        return Err(Error::mismatch(format!("4x4 matrices for {samples} samples of {cameras} cameras"), shape.1, place()));
    }
    let values = floats(&data)?;
    let found: Vec<Matrix4<f32>> = values.as_chunks::<16>().0.iter().map(Matrix4::from_row_slice_array).collect();
    let sound = |m: &Matrix4<f32>| m.iter().all(|v| v.is_finite()) && parts(m).0.cast::<f64>().determinant().abs() > 1e-9;
    match found.iter().position(|m| !sound(m)) {
        Some(bad) => Err(Error::mismatch("finite, invertible matrices", format!("matrix {bad} is not"), place())),
        None => Ok(found),
    }
}

/// Row by row.
trait FromRows {
    fn from_row_slice_array(values: &[f32; 16]) -> Self;
}
impl FromRows for Matrix4<f32> {
    fn from_row_slice_array(values: &[f32; 16]) -> Self {
        Self::from_row_iterator(values.iter().copied())
    }
}

fn rig(inputs: &Inputs<'_>, images: Tensor<5>) -> Result<(Tensor<4>, Rig)> {
    let [samples, cameras, channels, height, width] = images.dims();
    if channels != 3 || height.min(width) < SMALLEST {
        let wanted = format!("[samples, cameras, 3, H, W], H and W at least {SMALLEST}");
        return Err(Error::mismatch(wanted, format!("{:?}", images.dims()), "input `img`"));
    }
    let count = [samples, cameras];
    let read = |name: &str| matrices(inputs, name, count);
    let intrinsics = read("given.camera_intrinsics")?;
    let to_lidar = read("given.camera2lidar")?;
    let to_image = read("given.lidar2image")?;
    let image_augmentation = read("given.img_aug_matrix")?;
    let augmentation = read("given.lidar_aug_matrix")?;
    let each = intrinsics.into_iter().zip(to_lidar).zip(to_image.into_iter().zip(image_augmentation));
    let geometry = |((intrinsics, camera_to_lidar), (lidar_to_image, image_augmentation))| CameraGeometry {
        intrinsics,
        camera_to_lidar,
        lidar_to_image,
        image_augmentation,
    };
    let rig = Rig { count, image: [height, width], cameras: each.map(geometry).collect(), augmentation };
    Ok((images.reshape([samples * cameras, 3, height, width]), rig))
}

/// Voxels as taps; samples follow each other.
pub(super) fn tap_voxels(samples: &[Voxels], taps: &mut Taps) {
    let total: usize = samples.iter().map(|v| v.counts.len()).sum();
    for name in ["voxel.coords", "voxel.count", "voxel.mean"] {
        taps.offer(name);
    }
    if total == 0 {
        return;
    }
    if taps.wants("voxel.coords") {
        let cells: Vec<i32> = samples.iter().flat_map(|v| v.coordinates.iter().flatten().copied()).collect();
        taps.host("voxel.coords", TensorData::new(cells, [total, 3]));
    }
    if taps.wants("voxel.count") {
        let counts: Vec<i32> = samples.iter().flat_map(|v| v.counts.iter().map(|c| num::i32(num::usize(*c)))).collect();
        taps.host("voxel.count", TensorData::new(counts, [total]));
    }
    if taps.wants("voxel.mean") {
        let means: Vec<f32> = samples.iter().flat_map(Voxels::means).flatten().collect();
        taps.host("voxel.mean", TensorData::new(means, [total, POINT]));
    }
}

/// The findings as outputs.
pub(super) fn write(network: &Fuller, found: &Findings, taps: &mut Taps) -> Result<()> {
    if let Some(proposals) = &found.proposals {
        write_proposals(proposals, "object", taps);
    }
    for (number, group) in found.centres.iter().flatten().enumerate() {
        for ((name, _), map) in super::center_head::MAPS.iter().zip(group) {
            taps.output(&format!("center.task{number}.{name}"), map.clone());
        }
    }
    if found.proposals.is_some() || found.centres.is_some() {
        let rule = network.suppression();
        let name = match (&found.proposals, rule) {
            (Some(_), _) => "object.boxes",
            (None, Suppression::Mixed) => "center.mixed",
            (None, _) => "center.circle",
        };
        write_boxes(name, &network.boxes(found, rule)?, taps);
    }
    if let Some(map) = &found.map {
        taps.output("map.prob", map.clone());
    }
    Ok(())
}

/// Rows of eleven numbers; with several samples their numbers stand beside, in `NAME.sample`.
pub(super) fn write_boxes(name: &str, samples: &[Vec<super::Detected>], taps: &mut Taps) {
    let rows: Vec<f32> = samples.iter().flatten().flat_map(|d| d.row()).collect();
    let count = rows.len() / 11;
    taps.keep(name, TensorData::new(rows, [count, 11]));
    if samples.len() > 1 {
        let numbers: Vec<i32> = samples.iter().enumerate().flat_map(|(n, boxes)| boxes.iter().map(move |_| num::i32(n))).collect();
        taps.keep(&format!("{name}.sample"), TensorData::new(numbers, [count]));
    }
}

pub(super) fn write_proposals(proposals: &Proposals, name: &str, taps: &mut Taps) {
    taps.output(&format!("{name}.dense_heatmap"), proposals.dense.clone());
    for ((branch, _), tensor) in BRANCHES.iter().zip(&proposals.branches) {
        taps.output(&format!("{name}.{branch}"), tensor.clone());
    }
    taps.output(&format!("{name}.query_heatmap_score"), proposals.query_scores.clone());
    let [samples, _, count] = proposals.query_scores.dims();
    debug_assert!(proposals.dense.dims()[1] == CLASSES.len());
    let list =
        |pick: fn(&super::peaks::Peak) -> usize| -> Vec<i32> { proposals.peaks.iter().flatten().map(|p| num::i32(pick(p))).collect() };
    taps.keep(&format!("{name}.proposal_class"), TensorData::new(list(|p| p.class), [samples, count]));
    taps.keep(&format!("{name}.proposal_cell"), TensorData::new(list(|p| p.cell), [samples, count]));
}
