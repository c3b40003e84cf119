//! Several LiDAR sweeps as one cloud, from a nuScenes root to the network: whose motion is out, how old each point is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "support/shared.rs"]
mod shared;

use sensorium::formats::nuscenes::{Choice, Faults};
use sensorium::heads::project::{Motion, project_points};
use sensorium::heads::surround::Surround;
use sensorium::nets::fuller::Fuller;
use sensorium::nets::{Device, Origin};
use sensorium::runtime::{Cx, Mode, Reading, Source};
use sensorium::sources::NuscenesConfig;
use sensorium::sources::nuscenes::{Root, sweeps};
use sensorium::types::{Calibration, Intrinsics, LidarPoint, Payload, PointCloud};
use std::path::Path;
use std::sync::Arc;

fn clouds(root: &Path, lidar_sweeps: usize) -> Vec<(i64, Arc<PointCloud>)> {
    let config = NuscenesConfig { sensors: vec!["LIDAR_TOP".into()], lidar_sweeps, ..NuscenesConfig::new(root) };
    let mut source = config.build().unwrap();
    let mut found = Vec::new();
    loop {
        match source.next(&Cx::alone(Mode::Offline)).unwrap() {
            Reading::Frame(frame) => {
                if let Payload::Cloud(cloud) = &frame.payload {
                    found.push((frame.captured.nanos() / 1000, Arc::clone(cloud)));
                }
            }
            Reading::End => return found,
            _ => {}
        }
    }
}

#[test]
fn a_source_gives_the_sweeps_that_the_devkit_puts_together() {
    let Some(folder) = shared::shared("data/nuscenes-tiny") else { return };
    let root = Root::open(&folder, None).unwrap();
    let tables = root.tables(&Choice::all(), &mut Faults::default()).unwrap();
    let (single, many) = (clouds(&folder, 1), clouds(&folder, 5));
    // Key frames only, whatever lies between them.
    assert_eq!(single.iter().map(|c| c.0).collect::<Vec<_>>(), many.iter().map(|c| c.0).collect::<Vec<_>>());
    let mut older = 0;
    for ((at, alone), (_, cloud)) in single.iter().zip(&many) {
        let key = |row: &usize| tables.key_frame(*row, "LIDAR_TOP").is_some_and(|d| d.timestamp == *at);
        let row = (0..tables.samples.rows().len()).find(key).unwrap();
        let wanted = sweeps::aggregate(&root, &tables, row, "LIDAR_TOP", 5, 1.0).unwrap();
        assert!(cloud.is_at_stamp() && !alone.is_at_stamp());
        let (now, before) = cloud.points().split_at(alone.points().len());
        // The key frame comes first and whole, also what lies within a metre.
        for (a, b) in now.iter().zip(alone.points()) {
            assert!(a.lag == 0.0 && a.ring == b.ring && a.position.iter().zip(&b.position).all(|(a, b)| (a - b).abs() < 1e-4));
        }
        assert_eq!(before.len(), wanted.points.len() - wanted.counts[0]);
        let ages = wanted.lags.iter().zip(&wanted.counts).flat_map(|(lag, count)| std::iter::repeat_n(*lag, *count));
        for ((a, b), age) in before.iter().zip(&wanted.points[wanted.counts[0]..]).zip(ages.skip(wanted.counts[0])) {
            assert_eq!([a.position[0], a.position[1], a.position[2]], [b[0], b[1], b[2]]);
            assert!((f64::from(a.lag) + age).abs() < 1e-6 && age > 0.0 && (a.intensity - b[3] / 255.0).abs() < 1e-6);
        }
        older += before.len();
    }
    println!("{} clouds, {older} points of earlier sweeps", many.len());
    assert!(older > 1000);
    let refused = NuscenesConfig { lidar_sweeps: 0, ..NuscenesConfig::new(folder) };
    assert!(refused.build().unwrap_err().to_string().contains("lidar_sweeps"));
}

#[test]
fn the_age_of_a_point_reaches_the_network() {
    let device = Device::flex();
    let see = |lag: f32| {
        let (network, _) = Fuller::load("tiny", &toml::Table::new(), Origin::Seed(3), &device).unwrap();
        let mut surround = Surround::new(network, device.clone(), [64, 176], 0.0, 0.5);
        let at = |i: usize| [(i % 40) as f32 - 20.0, (i / 40) as f32 - 20.0, -1.0];
        let points: Vec<LidarPoint> = (0..1600).map(|i| LidarPoint { position: at(i), intensity: 0.3, ring: 0, lag }).collect();
        let cloud = PointCloud::at_stamp(points).unwrap();
        surround.see(&[], Some((&cloud, &Calibration::unknown("top"))), None).unwrap()
    };
    let now = see(0.0);
    assert_ne!(now, see(-0.4));
    // Within the turn of a LiDAR all points count as seen at once, as published.
    assert_eq!(now, see(0.04));
}

#[test]
fn motion_is_taken_out_once() {
    let camera = Calibration::forward_camera("cam", Intrinsics::new(100, 100, 80.0, 80.0, 49.5, 49.5).unwrap());
    let lidar = Calibration::unknown("top");
    let point = LidarPoint { position: [10.0, 0.0, 0.0], lag: -0.3, ..LidarPoint::default() };
    let drift = Some((Motion { speed: 10.0, yaw_rate: 0.0 }, 0.0));
    let depth = |cloud: PointCloud| project_points(&cloud, &lidar, &camera, drift, 0.5).unwrap().depths[0];
    assert!((depth(PointCloud::at_stamp(vec![point]).unwrap()) - 10.0).abs() < 1e-4);
    assert!((depth(PointCloud::new(vec![point]).unwrap()) - 7.0).abs() < 1e-4);
}
