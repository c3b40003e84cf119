//! The LiDAR as each camera sees it: a picture of depths with zeros where no point lands.
//!
//! *In*: clouds in the augmented LiDAR frame. *Out*: metres, `[samples * cameras][rows][columns]`. *Invariant*: the published rule: depths
//! are clamped for the division only and written unclamped, pixels are truncated, later points replace earlier ones, and points behind
//! the camera are not refused.

use super::Cloud;
use super::frustum::{CameraGeometry, inverse, parts};
use super::view::Rig;
use crate::types::num;
use nalgebra::{Matrix4, Vector3};
use rayon::prelude::*;

/// The pictures of all cameras.
pub fn depth_image(rig: &Rig, clouds: &[Cloud]) -> Vec<f32> {
    let [height, width] = rig.image;
    let mut out = vec![0.0_f32; rig.cameras.len() * height * width];
    let each: Vec<_> = rig.each().collect();
    out.par_chunks_mut((height * width).max(1)).zip(each).enumerate().for_each(|(at, (picture, (camera, augmentation)))| {
        let Some(cloud) = at.checked_div(rig.count[1]).and_then(|sample| clouds.get(sample)) else { return };
        for ([row, column], depth) in landings(camera, augmentation, rig.image, cloud) {
            if let Some(target) = picture.get_mut(row * width + column) {
                *target = depth;
            }
        }
    });
    out
}

/// Row and column of each point that lands in the image (rows, columns), with its depth; in the order of the points.
pub fn landings(
    camera: &CameraGeometry,
    augmentation: &Matrix4<f32>,
    [height, width]: [usize; 2],
    cloud: &Cloud,
) -> impl Iterator<Item = ([usize; 2], f32)> {
    let (turn, moved) = parts(augmentation);
    let undo = inverse(&turn);
    let (project, shift) = parts(&camera.lidar_to_image);
    let (resize, offset) = parts(&camera.image_augmentation);
    cloud.points.iter().filter_map(move |[x, y, z, ..]| {
        let p = project * (undo * (Vector3::new(*x, *y, *z) - moved)) + shift;
        let depth = p.z;
        let near = depth.clamp(1e-5, 1e5);
        let pixel = resize * Vector3::new(p.x / near, p.y / near, near) + offset;
        let (column, row) = (f64::from(pixel.x), f64::from(pixel.y));
        let place = num::cell(row, height).zip(num::cell(column, width));
        place.map(|(row, column)| ([row, column], depth))
    })
}
