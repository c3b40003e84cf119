//! What the loader gives of single files, against the public devkit's answers: boxes in sensors' frames and pictures, radar, points in a camera, the
//! semantic prior. Sensors' files that are not there are skipped with a printed line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/shared.rs"]
mod shared;

use nalgebra::{Point3, Quaternion, UnitQuaternion};
use sensorium::formats::nuscenes::map::PriorMask;
use sensorium::formats::nuscenes::{Choice, Faults, ObjectBox, SampleData, Shown, Tables, Token, cloud, global_from_sensor};
use sensorium::formats::radar;
use sensorium::runtime::{Cx, Mode, Reading, Source};
use sensorium::sources::NuscenesConfig;
use sensorium::sources::nuscenes::Root;
use sensorium::types::{Payload, Pool};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nuscenes-eval")).join(name)
}
fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixture("loader/loader.json")).unwrap()).unwrap()
}
fn load(folder: &Path) -> (Root, Tables) {
    let root = Root::open(folder, None).unwrap();
    let tables = root.tables(&Choice::all(), &mut Faults::default()).unwrap();
    (root, tables)
}
fn key<'t>(tables: &'t Tables, frame: &Value, channel: &str) -> &'t SampleData {
    let row = tables.samples.row(&Token::new(frame["sample"].as_str().unwrap())).unwrap();
    tables.key_frame(row, channel).unwrap()
}
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}
fn close(found: &[f64], wanted: &Value, tolerance: f64) -> bool {
    let wanted = numbers(wanted);
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| (f - w).abs() <= tolerance * w.abs().max(1.0))
}
/// Centre, size and turn (of either sign) of a box.
fn same(found: &ObjectBox<'_>, wanted: &Value) -> bool {
    let [w, x, y, z] = *numbers(&wanted["wxyz"]).as_slice() else { panic!("{wanted}") };
    let turned = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
    found.annotation.token.to_string() == wanted["token"].as_str().unwrap()
        && close(&found.centre, &wanted["center"], 1e-9)
        && close(&found.annotation.size, &wanted["wlh"], 0.0)
        && found.rotation.angle_to(&turned) < 1e-7
}

#[test]
fn boxes_lie_in_sensors_frames_where_the_devkit_puts_them() {
    let (_, tables) = load(&fixture("root"));
    let mut compared = 0;
    for frame in expected()["frames"].as_array().unwrap() {
        let lidar = key(&tables, frame, "LIDAR_TOP");
        let pose = global_from_sensor(&tables, lidar).unwrap();
        let boxes = tables.boxes_at(lidar).unwrap();
        let wanted = frame["boxes_lidar"].as_array().unwrap();
        assert_eq!(boxes.len(), wanted.len());
        for (found, wanted) in boxes.iter().zip(wanted) {
            assert!(found.category == wanted["name"] && same(&found.seen_from(&pose), wanted), "{found:?} {wanted}");
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn boxes_between_key_frames_are_interpolated() {
    let (_, tables) = load(&fixture("root"));
    let wanted = &expected()["interpolated"];
    let data = tables.sample_data.get(&Token::new(wanted["sample_data"].as_str().unwrap())).unwrap();
    let (boxes, list) = (tables.boxes_at(data).unwrap(), wanted["boxes"].as_array().unwrap());
    assert!(!data.is_key_frame && boxes.len() == list.len() && list.len() > 40);
    for (found, wanted) in boxes.iter().zip(list) {
        assert!(same(found, wanted), "{found:?} {wanted}");
    }
    let moved = boxes.iter().filter(|b| b.centre != b.annotation.translation).count();
    assert!(moved > 5, "{moved}");
}

#[test]
fn pictures_show_the_boxes_that_the_devkit_sees_in_them() {
    let (_, tables) = load(&fixture("root"));
    let mut shown = [0; 2];
    for frame in expected()["frames"].as_array().unwrap() {
        for (channel, wanted) in frame["boxes_cam"].as_object().unwrap() {
            let data = key(&tables, frame, channel);
            let lens = tables.calibrated.get(&data.calibrated_sensor_token).unwrap().camera_intrinsic.unwrap();
            let size = [data.width.unwrap() as f64, data.height.unwrap() as f64];
            let pose = global_from_sensor(&tables, data).unwrap();
            let boxes: Vec<ObjectBox<'_>> = tables.boxes_at(data).unwrap().iter().map(|b| b.seen_from(&pose)).collect();
            assert!(boxes.iter().all(|b| b.shown(&lens, size, Shown::None)));
            for (at, (name, how)) in [("any", Shown::Any), ("all", Shown::All)].into_iter().enumerate() {
                let tokens: Vec<String> =
                    boxes.iter().filter(|b| b.shown(&lens, size, how)).map(|b| b.annotation.token.to_string()).collect();
                assert_eq!(json!(tokens), wanted[name], "{channel} {name}");
                shown[at] += tokens.len();
            }
            let Some(first) = boxes.iter().find(|b| b.shown(&lens, size, Shown::Any)) else { continue };
            assert!(close(&first.centre, &wanted["first_center"], 1e-9), "{channel}: {:?}", first.centre);
            let pixel = |axis: usize| first.corners().map(|c| (lens[axis][0] * c.x + lens[axis][1] * c.y + lens[axis][2] * c.z) / c.z);
            assert!(close(&[pixel(0), pixel(1)].concat(), &wanted["first_corners_px"], 1e-7), "{channel}");
        }
    }
    assert!(shown[0] > shown[1] && shown[1] > 100, "{shown:?}");
}

#[test]
fn radar_files_are_read_as_the_devkit_reads_them() {
    let Some(folder) = shared::shared("data/nuscenes-tiny") else { return };
    let (root, tables) = load(&folder);
    let mut scans = 0;
    for frame in expected()["frames"].as_array().unwrap() {
        for (channel, wanted) in frame["radar"].as_object().unwrap() {
            let bytes = root.bytes(&key(&tables, frame, channel).filename).unwrap();
            let records = radar::Records::read(&bytes).unwrap();
            let rows: Vec<Vec<f64>> = records.rows().collect();
            assert_eq!((records.names().len(), rows.len() as u64), (18, wanted["raw"].as_u64().unwrap()));
            assert!(close(&rows[0], &wanted["first_raw"], 1e-12), "{channel}: {:?}", rows[0]);
            assert_eq!(radar::scan(&bytes).unwrap().returns.len() as u64, wanted["filtered"].as_u64().unwrap(), "{channel}");
            assert_eq!(radar::unfiltered(&bytes).unwrap().returns.len(), rows.len(), "{channel}");
            scans += 1;
        }
    }
    assert_eq!(scans, 20);
}

#[test]
fn points_meet_the_camera_where_the_devkit_draws_them() {
    let Some(folder) = shared::shared("data/nuscenes-tiny") else { return };
    let (root, tables) = load(&folder);
    for frame in expected()["frames"].as_array().unwrap() {
        let (lidar, camera) = (key(&tables, frame, "LIDAR_TOP"), key(&tables, frame, "CAM_FRONT"));
        let lens = tables.calibrated.get(&camera.calibrated_sensor_token).unwrap().camera_intrinsic.unwrap();
        let (width, height) = (camera.width.unwrap() as f64, camera.height.unwrap() as f64);
        let motion = global_from_sensor(&tables, camera).unwrap().inverse() * global_from_sensor(&tables, lidar).unwrap();
        let points = cloud(&root.bytes(&lidar.filename).unwrap(), &Pool::new(1)).unwrap();
        let pixel = |position: [f32; 3]| {
            let p = motion * Point3::from(position.map(f64::from));
            let [u, v] = [0, 1].map(|axis| (lens[axis][0] * p.x + lens[axis][1] * p.y + lens[axis][2] * p.z) / p.z);
            (p.z > 1.0 && 1.0 < u && u < width - 1.0 && 1.0 < v && v < height - 1.0).then_some([u, v, p.z])
        };
        let seen: Vec<(usize, [f64; 3])> =
            points.points().iter().enumerate().filter_map(|(at, p)| pixel(p.position).map(|px| (at, px))).collect();
        let wanted = &frame["lidar_in_cam_front"];
        assert_eq!(seen.len() as u64, wanted["count"].as_u64().unwrap());
        for ((at, [u, v, depth]), wanted) in seen.iter().zip(wanted["first"].as_array().unwrap()) {
            // The devkit moves its points in f32.
            assert!(close(&[*at as f64, *u, *v, *depth], wanted, 1e-4), "{at} {u} {v} {depth}: {wanted}");
        }
    }
}

#[test]
fn the_semantic_prior_is_asked_as_the_devkit_asks_it() {
    let Some(folder) = shared::shared("data/nuscenes-tiny") else { return };
    let (root, tables) = load(&folder);
    let mut answers = [0; 2];
    for (location, points) in expected()["on_mask"].as_object().unwrap() {
        let log = tables.logs.rows().iter().find(|l| &*l.location == location).unwrap();
        let map = tables.maps.rows().iter().find(|m| m.log_tokens.contains(&log.token)).unwrap();
        let picture = image::load_from_memory(&root.bytes(&map.filename).unwrap()).unwrap().to_luma8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let mask = PriorMask::new(width, height, picture.into_raw()).unwrap();
        for point in points.as_array().unwrap() {
            let [x, y, dilation] = ["x", "y", "dilation"].map(|key| point[key].as_f64().unwrap());
            assert_eq!(json!(mask.holds([x, y], dilation)), point["on"], "{location} {point}");
            answers[usize::from(point["on"] == true)] += 1;
        }
    }
    assert!(answers.iter().all(|n| *n > 3), "{answers:?}");
}

#[test]
fn annotated_boxes_play_as_a_sensor_in_the_vehicle_frame() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/nuscenes");
    let (_, tables) = load(&folder);
    let config = NuscenesConfig { boxes: true, sensors: vec!["LIDAR_TOP".into()], ..NuscenesConfig::new(&folder) };
    let (mut source, cx) = (config.build().unwrap(), Cx::alone(Mode::Offline));
    let (mut frames, mut boxes) = (0, 0);
    while let Reading::Frame(frame) = source.next(&cx).unwrap() {
        let Payload::Boxes(list) = &frame.payload else { continue };
        let data = tables.sample_data.rows().iter().find(|d| d.timestamp * 1000 == frame.captured.nanos() && d.is_key_frame).unwrap();
        let row = tables.samples.row(&data.sample_token).unwrap();
        assert_eq!(list.len(), tables.annotations_of(row).count());
        let ego = tables.ego_poses.get(&data.ego_pose_token).unwrap();
        for (found, truth) in list.iter().zip(tables.annotations_of(row)) {
            let flat = [0, 1].map(|axis| truth.translation[axis] - ego.translation[axis]);
            assert!((found.centre[0].hypot(found.centre[1]) - flat[0].hypot(flat[1])).abs() < 0.05, "{found:?}");
            assert!(found.size == [truth.size[1], truth.size[0], truth.size[2]] && Some(&*found.class) == tables.category_of(truth));
        }
        (frames, boxes) = (frames + 1, boxes + list.len());
    }
    assert!(frames == 5 && boxes > 50, "{frames} {boxes}");
}
