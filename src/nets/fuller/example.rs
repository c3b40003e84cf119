//! Inputs that follow from formulas, for timing: a sweep, a rig, and all that a pass reads.
//!
//! *In*: sizes. *Out*: clouds, cameras, named tensors. *Invariant*: equal sizes give equal numbers. The sweep is what 32 beams see on flat
//! ground between wavy walls; at the published voxel size it fills some 15,000 of them.

use super::frustum::CameraGeometry;
use super::{Cloud, Rig};
use crate::nets::Named;
use crate::types::num;
use burn::tensor::TensorData;
use nalgebra::{Matrix3, Matrix4, Rotation3, Vector3};

/// `sweeps` sweeps of 32 beams by 1084 directions, half a metre of driving apart.
pub fn synthetic_sweep(sweeps: usize) -> Cloud {
    const BEAMS: usize = 32;
    const DIRECTIONS: usize = 1084;
    const HEIGHT: f64 = 1.84;
    let mut points = Vec::with_capacity(sweeps * BEAMS * DIRECTIONS);
    for sweep in 0..sweeps {
        for beam in 0..BEAMS {
            let elevation = (-30.0 + 40.0 * beam as f64 / (BEAMS - 1) as f64).to_radians();
            for direction in 0..DIRECTIONS {
                let turn = std::f64::consts::TAU * direction as f64 / DIRECTIONS as f64;
                let wall = (18.0 + 9.0 * (3.0 * turn).sin() + 4.0 * (17.0 * turn).cos()) / elevation.cos();
                let ground = if elevation < 0.0 { -HEIGHT / elevation.sin() } else { f64::INFINITY };
                let range = wall.min(ground);
                let (x, y) = (range * elevation.cos() * turn.sin(), range * elevation.cos() * turn.cos() - 0.5 * sweep as f64);
                let row = [x, y, range * elevation.sin(), (beam * 7 % 100) as f64, 0.05 * sweep as f64];
                points.push(row.map(num::f32));
            }
        }
    }
    Cloud { points }
}

/// Six cameras at equal turns with nuScenes' lens; images of these rows and columns, framed as published (its size is 256x704).
pub fn synthetic_rig(image: [usize; 2]) -> Rig {
    let k = Matrix3::new(1266.4, 0.0, 816.3, 0.0, 1266.4, 491.5, 0.0, 0.0, 1.0).to_homogeneous();
    // Pictures of 1600x900 shrink to the image's width and a margin of 32 / 704 on either side; the bottom stays.
    let [height, width] = image.map(|n| n as f64);
    let scale = 0.48 * width / 704.0;
    let (left, top) = (num::f32(width / 22.0), num::f32(900.0 * scale - height));
    let scale = num::f32(scale);
    // Camera z forward is LiDAR y, camera y is LiDAR -z.
    let forward = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0);
    let camera = |index: u32| {
        let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), f64::from(index) * std::f64::consts::FRAC_PI_3).into_inner();
        let mut pose = (turn * forward).to_homogeneous();
        let shift = turn * Vector3::new(0.0, 0.7, -0.3);
        pose.fixed_view_mut::<3, 1>(0, 3).copy_from(&shift);
        let back = pose.try_inverse().unwrap_or_else(Matrix4::identity);
        let framing = Matrix4::new(scale, 0.0, 0.0, -left, 0.0, scale, 0.0, -top, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
        CameraGeometry {
            intrinsics: k.map(num::f32),
            camera_to_lidar: pose.map(num::f32),
            lidar_to_image: (k * back).map(num::f32),
            image_augmentation: framing,
        }
    };
    Rig { count: [1, 6], image, cameras: (0..6).map(camera).collect(), augmentation: vec![Matrix4::identity()] }
}

/// One sample of six cameras with images of this size and one sweep, as a bare pass reads it.
pub(super) fn example(height: usize, width: usize) -> Named {
    let rig = synthetic_rig([height, width]);
    let cameras = rig.cameras.len();
    let wave = |i: usize| num::f32(2.2 * (i as f64 * 0.618_034).sin());
    let mut named = Named::new();
    let mut put = |name: &str, values: Vec<f32>, shape: Vec<usize>| drop(named.insert(name.to_owned(), TensorData::new(values, shape)));
    put("img", (0..cameras * 3 * height * width).map(wave).collect(), vec![1, cameras, 3, height, width]);
    let rows = |m: &Matrix4<f32>| m.transpose().iter().copied().collect::<Vec<f32>>();
    let mut matrices = |name: &str, pick: fn(&CameraGeometry) -> &Matrix4<f32>| {
        put(&format!("given.{name}"), rig.cameras.iter().flat_map(|c| rows(pick(c))).collect(), vec![1, cameras, 4, 4]);
    };
    matrices("camera_intrinsics", |c| &c.intrinsics);
    matrices("camera2lidar", |c| &c.camera_to_lidar);
    matrices("lidar2image", |c| &c.lidar_to_image);
    matrices("img_aug_matrix", |c| &c.image_augmentation);
    put("given.lidar_aug_matrix", rig.augmentation.iter().flat_map(rows).collect(), vec![1, 4, 4]);
    let points = synthetic_sweep(1).points;
    for (axis, name) in ["x", "y", "z", "intensity", "time"].into_iter().enumerate() {
        let column: Vec<f32> = points.iter().filter_map(|p| p.get(axis)).copied().collect();
        put(&format!("points.{name}"), column, vec![1, points.len()]);
    }
    named
}
