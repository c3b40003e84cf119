//! FULLER's input side and targets on a real key frame of nuScenes, against reference numbers. The frame is others' data: it is read
//! from `../shared`, and where that is not there the tests say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

mod support;

use nalgebra::Matrix4;
use sensorium::heads::bicubic::Framing;
use sensorium::nets::fuller::boxes::{CLASSES, StoredBox};
use sensorium::nets::fuller::targets::{Truth, heat_maps};
use sensorium::nets::fuller::{CameraGeometry, Cloud, FullerConfig, VoxelRule, landings};
use sensorium::nets::{Named, Weights};
use sensorium::types::RgbImage;
use std::path::PathBuf;

const CAMERAS: [&str; 6] = ["CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT"];

fn sample() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/nuscenes-sample"));
    let there = folder.join("sample.json").exists();
    if !there {
        println!("skipped: no {}", folder.display());
    }
    there.then_some(folder)
}

fn expected() -> Named {
    Weights::read(&support::fixture("fuller/expected.safetensors")).unwrap().tensors
}

fn stride(name: &str) -> usize {
    let text = std::fs::read_to_string(support::fixture("fuller/strides.json")).unwrap();
    let table: serde_json::Value = serde_json::from_str(&text).unwrap();
    table[name]["stride"].as_u64().unwrap() as usize
}

fn integers(named: &Named, name: &str) -> Vec<i64> {
    named[name].clone().convert::<i64>().as_slice::<i64>().unwrap().to_vec()
}

/// The key frame's points, the fifth value zero.
fn cloud(folder: &std::path::Path) -> Cloud {
    let bytes = std::fs::read(folder.join("LIDAR_TOP.pcd.bin")).unwrap();
    let float = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    let row = |r: &[u8]| [float(&r[0..4]), float(&r[4..8]), float(&r[8..12]), float(&r[12..16]), 0.0];
    Cloud { points: bytes.chunks_exact(20).map(row).collect() }
}

#[test]
fn voxels_and_pillars_of_a_real_sweep() {
    let Some(folder) = sample() else { return };
    let (cloud, expected) = (cloud(&folder), expected());
    let rules = [
        ("sample.v01", 51.2, [0.1, 0.1, 0.2], 10),
        ("sample.v0075", 54.0, [0.075, 0.075, 0.2], 10),
        ("sample.pillar", 51.2, [0.2, 0.2, 8.0], 20),
    ];
    for (name, reach, size, max_points) in rules {
        let cells = |low: f64, high: f64, edge: f64| ((high - low) / edge).round() as usize;
        let grid = [cells(-reach, reach, size[0]), cells(-reach, reach, size[1]), cells(-5.0, 3.0, size[2])];
        let low = [-reach as f32, -reach as f32, -5.0];
        let rule = VoxelRule { low, size: size.map(|v| v as f32), grid, max_points, max_voxels: 120_000 };
        let voxels = rule.apply(&cloud.points, false);
        let kept: u32 = voxels.counts.iter().sum();
        assert_eq!([voxels.counts.len() as i64, i64::from(kept)], integers(&expected, &format!("{name}.total"))[..], "{name}");
        let sampled = |values: Vec<i64>, part: &str| values.into_iter().step_by(stride(&format!("{name}.{part}"))).collect::<Vec<_>>();
        let cells = sampled(voxels.coordinates.iter().flatten().map(|v| i64::from(*v)).collect(), "coords");
        assert_eq!(cells, integers(&expected, &format!("{name}.coords")), "{name}");
        let counts = sampled(voxels.counts.iter().map(|v| i64::from(*v)).collect(), "count");
        assert_eq!(counts, integers(&expected, &format!("{name}.count")), "{name}");
    }
}

#[test]
fn photographs_become_the_published_input() {
    let Some(folder) = sample() else { return };
    let mut values = Vec::new();
    for camera in CAMERAS {
        let picture = image::open(folder.join(format!("{camera}.jpg"))).unwrap().to_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let picture = RgbImage::new(width, height, picture.into_raw()).unwrap();
        let mut out = vec![0.0_f32; 3 * 256 * 704];
        Framing::new([width, height], [256, 704]).fill(&picture, &mut out);
        values.extend(out);
    }
    let expected = expected();
    let wanted = support::values(&expected["sample.img"]);
    let sampled: Vec<f32> = values.into_iter().step_by(stride("sample.img")).collect();
    assert_eq!(sampled.len(), wanted.len());
    let mut off: Vec<f32> = sampled.iter().zip(wanted).map(|(a, b)| (a - b).abs()).collect();
    off.sort_by(f32::total_cmp);
    let (most, worst) = (off[off.len() * 99 / 100], off[off.len() - 1]);
    println!("99 % within {most:.4}, worst {worst:.4}");
    assert!(most <= 0.02 && worst <= 0.1, "{most} {worst}");
}

fn matrix(value: &serde_json::Value) -> Matrix4<f64> {
    let rows: Vec<f64> = value.as_array().unwrap().iter().flat_map(|r| r.as_array().unwrap()).map(|v| v.as_f64().unwrap()).collect();
    Matrix4::from_row_slice(&rows)
}

fn json(folder: &std::path::Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("sample.json")).unwrap()).unwrap()
}

#[test]
fn points_land_in_the_pictures_by_the_published_rule() {
    let Some(folder) = sample() else { return };
    let (cloud, table) = (cloud(&folder), json(&folder));
    let framing = Framing::new([1600, 900], [256, 704]);
    let (mut hits, mut front) = (Vec::new(), Vec::new());
    for camera in CAMERAS {
        let geometry = CameraGeometry {
            intrinsics: Matrix4::identity(),
            camera_to_lidar: Matrix4::identity(),
            lidar_to_image: matrix(&table["cameras"][camera]["lidar2img"]).map(|v| v as f32),
            image_augmentation: framing.matrix(),
        };
        let landed: Vec<f32> = landings(&geometry, &Matrix4::identity(), [256, 704], &cloud).map(|(_, depth)| depth).collect();
        hits.push(landed.len() as i64);
        front.push(landed.iter().filter(|d| **d > 0.0).count() as i64);
    }
    let expected = expected();
    assert_eq!(hits, integers(&expected, "sample.depth.hits"));
    assert_eq!(front, integers(&expected, "sample.depth.front_hits"));
}

#[test]
fn annotated_boxes_become_the_published_heat_maps() {
    let Some(folder) = sample() else { return };
    let table = json(&folder);
    let mut truth = Vec::new();
    for b in table["boxes"].as_array().unwrap() {
        let Some(class) = CLASSES.iter().position(|c| *c == b["name"]) else { continue };
        if b["num_lidar_pts"].as_u64().unwrap() == 0 {
            continue;
        }
        let number = |v: &serde_json::Value| v.as_f64().unwrap_or(0.0);
        let [l, w, h] = [0, 1, 2].map(|i| number(&b["size_lwh"][i]));
        let angle = -number(&b["yaw"]) - std::f64::consts::FRAC_PI_2;
        let at = [0, 1, 2].map(|i| number(&b["center"][i]));
        let velocity = [0, 1].map(|i| number(&b["velocity_xy"][i]));
        truth.push(Truth { stored: StoredBox { at, size: [w, l, h], angle, velocity }, class });
    }
    let expected = expected();
    let rows: Vec<f32> = support::values(&expected["sample.boxes"]).to_vec();
    assert_eq!(truth.len(), rows.len() / 10);
    for (t, row) in truth.iter().zip(rows.chunks(10)) {
        let s = &t.stored;
        let ours = [s.at[0], s.at[1], s.at[2], s.size[0], s.size[1], s.size[2], s.angle, s.velocity[0], s.velocity[1], t.class as f64];
        for (column, (a, b)) in ours.iter().zip(row).enumerate() {
            let off = a - f64::from(*b);
            let off = if column == 6 { (off / 2.0).sin().abs() * 2.0 } else { off.abs() };
            assert!(off < 1e-3, "column {column}: {ours:?} {row:?}");
        }
    }
    let maps = heat_maps(&FullerConfig::BASE, &truth);
    let cells = 128 * 128;
    for (map, wanted) in maps.chunks(cells).zip(support::values(&expected["sample.heatmap.sum"])) {
        let sum: f32 = map.iter().sum();
        assert!((sum - wanted).abs() <= 1e-4 * wanted.max(1.0), "{sum} {wanted}");
    }
    let mut peaks: Vec<[i64; 3]> = Vec::new();
    for (class, map) in maps.chunks(cells).enumerate() {
        peaks.extend(map.iter().enumerate().filter(|(_, v)| **v == 1.0).map(|(i, _)| [class as i64, (i / 128) as i64, (i % 128) as i64]));
    }
    assert_eq!(peaks.concat(), integers(&expected, "sample.heatmap.peaks"));
}
