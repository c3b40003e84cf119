//! Cameras around a vehicle and its LiDAR through FULLER: boxes and map layers in the vehicle frame.
//!
//! *In*: pictures and at most one sweep with their calibrations and stamps, the vehicle's motion if known. *Out*: [`Around`] at the LiDAR's
//! time. *Invariant*: boxes are finite; a sensor that is not there is left to the network, which accepts that; no sensor at all is an error.
//!
//! The network's frame has x to the right, y forward, z up (nuScenes' LiDAR). A LiDAR mounted otherwise is turned about its own z by
//! quarters until its y looks forward. Published weights decode the true centre as the box's bottom; so does this.

use super::bicubic::Framing;
use super::project::Motion;
use crate::nets::fuller::boxes::CLASSES;
use crate::nets::fuller::{CameraGeometry, Cloud, Detected, Fuller, MAP_CLASSES, Rig, Suppression};
use crate::nets::{Device, Taps, to_host};
use crate::types::{BevMap, Box3, Calibration, Error, PointCloud, Result, RgbImage, num};
use burn::tensor::{Tensor, TensorData};
use nalgebra::{Isometry3, Matrix4, Point3, Translation3, UnitQuaternion, Vector3};
use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

/// Where nuScenes' LiDAR sits: stands in where there is no LiDAR to give the frame.
const USUAL_MOUNT: [f64; 3] = [0.94, 0.0, 1.84];

/// One camera's picture.
#[derive(Debug, Clone, Copy)]
pub struct Shot<'a> {
    /// The picture.
    pub picture: &'a RgbImage,
    /// Lens and mount.
    pub calibration: &'a Calibration,
    /// Seconds from the LiDAR's stamp to this picture's.
    pub later: f64,
}

/// What is around.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// Boxes, vehicle frame.
    pub boxes: Vec<Box3>,
    /// Layers, vehicle frame, if the network has a map head.
    pub map: Option<BevMap>,
}

/// The network on its device, and what its answers are held to.
#[derive(Debug)]
pub struct Surround {
    network: Fuller,
    device: Device,
    /// Rows and columns of the network's images.
    image: [usize; 2],
    score: f32,
    threshold: f32,
    suppression: Suppression,
    layers: Arc<Vec<String>>,
    mount: Isometry3<f64>,
}

impl Surround {
    /// For images of `image` (rows, columns); boxes need `score`, a map cell more than `threshold`.
    pub fn new(network: Fuller, device: Device, image: [usize; 2], score: f32, threshold: f32) -> Self {
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), -FRAC_PI_2);
        let mount = Isometry3::from_parts(Translation3::from(USUAL_MOUNT), turn);
        let layers = Arc::new(MAP_CLASSES.map(str::to_owned).to_vec());
        Self { suppression: network.suppression(), network, device, image, score, threshold, layers, mount }
    }

    /// Boxes and map.
    ///
    /// # Errors
    /// There is no sensor at all, a camera has no intrinsics, or the device fails.
    pub fn see(&mut self, shots: &[Shot<'_>], sweep: Option<(&PointCloud, &Calibration)>, motion: Option<Motion>) -> Result<Around> {
        if shots.is_empty() && sweep.is_none() {
            return Err(Error::mismatch("a picture, a sweep, or both", "neither", "surround view"));
        }
        let mut cloud = Cloud::default();
        if let Some((points, calibration)) = sweep {
            let turn = forward_turn(calibration);
            self.mount = calibration.extrinsics.isometry * turn.inverse();
            let point = |p: &crate::types::LidarPoint| {
                let at = turn * Point3::from(p.position.map(f64::from));
                [num::f32(at.x), num::f32(at.y), num::f32(at.z), p.intensity * 255.0, age(p)]
            };
            cloud.points = if turn == Isometry3::identity() {
                points.points().iter().map(|p| [p.position[0], p.position[1], p.position[2], p.intensity * 255.0, age(p)]).collect()
            } else {
                points.points().iter().map(point).collect()
            };
        }
        let camera = (!shots.is_empty()).then(|| self.cameras(shots, motion)).transpose()?;
        let images = camera.as_ref().map(|(images, rig)| (images.clone(), rig));
        let found = self.network.forward(images, &[cloud], &mut Taps::default())?;
        let detected = self.network.boxes(&found, self.suppression)?.into_iter().next().unwrap_or_default();
        let boxes = detected.iter().filter(|d| d.score >= self.score).map(|d| self.place(d)).collect();
        let map = found.map.map(|map| self.map(map)).transpose()?;
        Ok(Around { boxes, map })
    }

    fn cameras(&self, shots: &[Shot<'_>], motion: Option<Motion>) -> Result<(Tensor<4>, Rig)> {
        let [rows, columns] = self.image;
        let mut values = vec![0.0_f32; shots.len() * 3 * rows * columns];
        let mut cameras = Vec::with_capacity(shots.len());
        let to_net = self.mount.inverse();
        for (shot, out) in shots.iter().zip(values.chunks_exact_mut(3 * rows * columns)) {
            let place = shot.calibration.extrinsics.from;
            let lens = shot.calibration.intrinsics.ok_or_else(|| Error::mismatch("a camera with intrinsics", "none", place.name()))?;
            let (width, height) = (shot.picture.width(), shot.picture.height());
            let lens = if [lens.width, lens.height] == [width, height] { lens } else { lens.resized(width, height) };
            let framing = Framing::new([width, height], self.image);
            framing.fill(shot.picture, out);
            let moved = motion.map_or_else(Isometry3::identity, |m| m.after(shot.later));
            let camera_to_net = (to_net * moved * shot.calibration.extrinsics.isometry).to_homogeneous();
            let mut intrinsics = Matrix4::<f64>::identity();
            for (at, value) in [((0, 0), lens.fx), ((1, 1), lens.fy), ((0, 2), lens.cx), ((1, 2), lens.cy)] {
                if let Some(target) = intrinsics.get_mut(at) {
                    *target = value;
                }
            }
            let net_to_camera = camera_to_net.try_inverse().unwrap_or_else(Matrix4::identity);
            cameras.push(CameraGeometry {
                intrinsics: intrinsics.map(num::f32),
                camera_to_lidar: camera_to_net.map(num::f32),
                lidar_to_image: (intrinsics * net_to_camera).map(num::f32),
                image_augmentation: framing.matrix(),
            });
        }
        let images = Tensor::from_data(TensorData::new(values, [shots.len(), 3, rows, columns]), &self.device);
        let count = [1, shots.len()];
        Ok((images, Rig { count, image: self.image, cameras, augmentation: vec![Matrix4::identity()] }))
    }

    /// A detection in the vehicle frame.
    fn place(&self, found: &Detected) -> Box3 {
        let s = &found.stored;
        let centre = self.mount * Point3::from(s.at);
        let heading = self.mount * Vector3::new(s.yaw().cos(), s.yaw().sin(), 0.0);
        let velocity = self.mount * Vector3::new(s.velocity[0], s.velocity[1], 0.0);
        let [w, l, h] = s.size;
        Box3 {
            centre: centre.coords.into(),
            size: [l, w, h],
            yaw: heading.y.atan2(heading.x),
            velocity: Some([velocity.x, velocity.y]),
            class: CLASSES.get(found.class).copied().unwrap_or_default().to_owned(),
            score: found.score,
            track: None,
        }
    }

    /// Probabilities `[1, 6, X, Y]` on the network's axes to layers on the vehicle's: each cell asks the one below its centre.
    fn map(&self, map: Tensor<4>) -> Result<BevMap> {
        let [_, layers, nx, ny] = map.dims();
        let data = to_host(map)?;
        let values = data.as_slice::<f32>().map_err(|e| Error::unavailable("the map", e.to_string()))?;
        let e = &self.network.config().extents;
        let ([x_low, x_high, cell], [y_low, y_high, y_cell]) = (e.map_x, e.map_y);
        let shift = self.mount.translation.vector;
        // The network's y is forward, its x to the right.
        let origin = [y_low + shift.x, shift.y - x_high];
        let (rows, columns) = (ny, num::cell((x_high - x_low) / y_cell + 0.5, 8193).unwrap_or(nx));
        let to_net = self.mount.inverse();
        let count = rows * columns;
        let (mut cells, mut probabilities) = (Vec::with_capacity(count), vec![0.0_f32; layers * count]);
        for ix in 0..rows {
            for iy in 0..columns {
                let centre = |low: f64, i: usize| low + (i as f64 + 0.5) * y_cell;
                let at = to_net * Point3::new(centre(origin[0], ix), centre(origin[1], iy), shift.z);
                let place = num::cell((at.x - x_low) / cell, nx).zip(num::cell((at.y - y_low) / y_cell, ny));
                let mut bits = 0_u32;
                if let Some((x, y)) = place {
                    let of_layer = values.iter().skip(x * ny + y).step_by((nx * ny).max(1));
                    let kept = probabilities.iter_mut().skip(cells.len()).step_by(count.max(1));
                    for (layer, (kept, p)) in kept.zip(of_layer).take(layers).enumerate() {
                        // A network that has run away gives NaN, which counts as not set.
                        *kept = if p.is_nan() { 0.0 } else { p.clamp(0.0, 1.0) };
                        bits |= u32::from(*kept > self.threshold) << layer;
                    }
                }
                cells.push(bits);
            }
        }
        debug_assert!(y_high > y_low);
        BevMap::new(Arc::clone(&self.layers), origin, y_cell, rows, columns, cells)?.with_probabilities(probabilities)
    }
}

/// Seconds before the stamp; points within a turn of the LiDAR count as seen at once, as published.
fn age(point: &crate::types::LidarPoint) -> f32 {
    (-point.lag).max(0.0)
}

/// The quarter turn about the LiDAR's z that makes its y look forward.
fn forward_turn(calibration: &Calibration) -> Isometry3<f64> {
    let forward = calibration.extrinsics.isometry.inverse() * Vector3::x();
    // The angle from y to where forward is, in quarters.
    let quarters = ((forward.y.atan2(forward.x) - FRAC_PI_2) / FRAC_PI_2).round();
    if quarters == 0.0 {
        return Isometry3::identity();
    }
    Isometry3::rotation(Vector3::z() * (-quarters * FRAC_PI_2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{FrameId, Pose};

    fn mounted(yaw: f64) -> Calibration {
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw);
        let isometry = Isometry3::from_parts(Translation3::new(1.0, 0.0, 2.0), turn);
        Calibration { extrinsics: Pose::new(FrameId::vehicle(), FrameId::new("top"), isometry), ..Calibration::unknown("top") }
    }

    #[test]
    fn every_mount_ends_with_y_forward() {
        for yaw in [-FRAC_PI_2, 0.0, FRAC_PI_2, 3.0, -FRAC_PI_2 + 0.02] {
            let calibration = mounted(yaw);
            let net = calibration.extrinsics.isometry * forward_turn(&calibration).inverse();
            let forward = net * Vector3::y();
            assert!(forward.x > 0.9, "{yaw}: {forward}");
        }
        assert_eq!(forward_turn(&mounted(-FRAC_PI_2)), Isometry3::identity());
    }
}
