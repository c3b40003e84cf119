//! KITTI and nuScenes roots, whole and hostile. Data that is not there is skipped with a printed line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::print_stderr
)]

use nalgebra::{Isometry3, Matrix4, Point3};
use sensorium::formats::{kitti, nuscenes, oxts, radar};
use sensorium::runtime::{Cx, Mode, Reading, Source};
use sensorium::sources::{EgoAt, KittiConfig, NuscenesConfig, Player};
use sensorium::types::{Frame, Payload, PointCloud, Pool, SensorTime};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

/// A folder beside or in the repository, or a printed line.
fn place(relative: &str) -> Option<PathBuf> {
    let path = Path::new(MANIFEST).join(relative);
    if !path.is_dir() {
        println!("skipped: {relative} is not here");
    }
    path.is_dir().then_some(path)
}

/// Roots made of the loose samples.
fn sample_roots() -> Option<TempDir> {
    let shared = place("../shared/data")?;
    let folder = TempDir::new().unwrap();
    let tool = Path::new(MANIFEST).join("tools/make_sample_roots.py");
    let made = Command::new("python3").arg(tool).arg("--shared").arg(shared).arg("--output").arg(folder.path()).output();
    match made {
        Ok(o) if o.status.success() => Some(folder),
        Ok(o) => panic!("make_sample_roots.py: {}", String::from_utf8_lossy(&o.stderr)),
        Err(e) => {
            println!("skipped: no python3 ({e})");
            None
        }
    }
}

/// All frames and all rejections of a source; times must not go back.
fn play(mut source: Player) -> (Vec<Frame>, Vec<(String, String)>) {
    let cx = Cx::alone(Mode::Offline);
    let (mut frames, mut rejected) = (Vec::<Frame>::new(), Vec::new());
    loop {
        match source.next(&cx).unwrap() {
            Reading::Frame(frame) => {
                assert!(frames.last().is_none_or(|last| last.captured <= frame.captured));
                frames.push(frame);
            }
            Reading::Rejected { sensor, reason, .. } => rejected.push((sensor.name().to_owned(), reason)),
            Reading::End => return (frames, rejected),
        }
    }
}

fn count(frames: &[Frame]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for frame in frames {
        *counts.entry(frame.sensor.name()).or_insert(0) += 1;
        let n = counts[frame.sensor.name()];
        assert_eq!(frame.seq as usize + 1, n, "{}", frame.sensor);
    }
    counts
}

fn frame<'f>(frames: &'f [Frame], sensor: &str) -> &'f Frame {
    frames.iter().find(|f| f.sensor.name() == sensor).unwrap()
}
fn cloud(frame: &Frame) -> &PointCloud {
    let Payload::Cloud(cloud) = &frame.payload else { panic!("no cloud: {}", frame.sensor) };
    cloud
}
fn point([x, y, z]: [f32; 3]) -> Point3<f64> {
    Point3::new(x.into(), y.into(), z.into())
}
fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
fn matrix(value: &Value) -> Matrix4<f64> {
    Matrix4::from_fn(|r, c| value[r][c].as_f64().unwrap())
}

#[test]
fn the_kitti_sample_projects_as_its_matrix_says() {
    let Some(roots) = sample_roots() else { return };
    let (frames, rejected) = play(KittiConfig::new(roots.path().join("kitti")).build().unwrap());
    assert_eq!(rejected, []);
    assert_eq!(count(&frames), BTreeMap::from([("image_2", 1), ("labels", 1), ("velodyne", 1)]));
    let Payload::Boxes(truth) = &frame(&frames, "labels").payload else { panic!("no boxes") };
    assert!(truth.len() == 6 && truth.iter().all(|b| b.class == "Car"), "{truth:?}");
    let (camera, lidar) = (frame(&frames, "image_2"), frame(&frames, "velodyne"));
    assert_eq!(cloud(lidar).points().len(), 17_238);
    let whole = matrix(&json(&place("../shared/data/kitti-sample").unwrap().join("sample.json"))["lidar2img"]);
    let camera_from_lidar = camera.calibration.extrinsics.inverse().compose(&lidar.calibration.extrinsics).unwrap();
    for p in cloud(lidar).points().iter().step_by(50) {
        let ours = camera.calibration.intrinsics.unwrap().project(&camera_from_lidar.apply(&point(p.position))).unwrap();
        let theirs = whole * point(p.position).to_homogeneous();
        assert!((ours.x - theirs.x / theirs.z).abs() < 0.01 && (ours.y - theirs.y / theirs.z).abs() < 0.01, "{ours:?} {theirs:?}");
    }
}

/// Points inside each labelled box, moved to the vehicle, must be seen inside the label's rectangle.
#[test]
fn points_in_kitti_boxes_are_seen_in_their_rectangles() {
    let Some(roots) = sample_roots() else { return };
    let root = roots.path().join("kitti");
    let (frames, _) = play(KittiConfig::new(&root).build().unwrap());
    let (camera, lidar) = (frame(&frames, "image_2"), frame(&frames, "velodyne"));
    let read = |f: &str| fs::read_to_string(root.join("training").join(f).join("000008.txt")).unwrap();
    let from_rect = kitti::Rig::object(&read("calib")).unwrap().vehicle_from_rect();
    let camera_from_vehicle = camera.calibration.extrinsics.inverse();
    let mut counts = Vec::new();
    for label in kitti::labels(&read("label_2")).unwrap() {
        let Some(truth) = label.box3(&from_rect) else { continue };
        let [left, top, right, bottom] = label.rectangle;
        let (mut inside, mut seen) = (0, 0);
        for p in cloud(lidar).points() {
            let p = lidar.calibration.extrinsics.apply(&point(p.position));
            let d = p.coords - nalgebra::Vector3::from(truth.centre);
            let (sin, cos) = truth.yaw.sin_cos();
            let own = [d.x * cos + d.y * sin, d.y * cos - d.x * sin, d.z];
            if own.iter().zip(truth.size).all(|(v, s)| v.abs() <= s / 2.0) {
                let at = camera.calibration.intrinsics.unwrap().project(&camera_from_vehicle.apply(&p)).unwrap();
                inside += 1;
                seen += usize::from(at.x > left - 3.0 && at.x < right + 3.0 && at.y > top - 3.0 && at.y < bottom + 3.0);
            }
        }
        assert!(seen * 100 >= inside * 97, "{seen} of {inside} in {:?}", label.rectangle);
        counts.push(inside);
    }
    println!("points in the six cars: {counts:?}");
    let recorded: [usize; 6] = [1325, 1900, 881, 659, 55, 162];
    assert_eq!(counts.len(), 6);
    for (ours, theirs) in counts.iter().zip(recorded) {
        assert!(ours.abs_diff(theirs) * 100 <= theirs * 10, "{counts:?}");
    }
}

#[test]
fn the_nuscenes_sample_leads_from_lidar_to_camera_by_way_of_the_world() {
    let Some(roots) = sample_roots() else { return };
    let config = NuscenesConfig { ego_at: EgoAt::Every, ..NuscenesConfig::new(roots.path().join("nuscenes")) };
    let (frames, rejected) = play(config.build().unwrap());
    assert_eq!(rejected, []);
    assert_eq!((frames.len(), count(&frames)["ego"]), (14, 7));
    let sample = json(&place("../shared/data/nuscenes-sample").unwrap().join("sample.json"));
    let world_from_ego = |at: SensorTime| -> Isometry3<f64> {
        let found = frames.iter().find_map(|f| match &f.payload {
            Payload::Ego(state) if f.captured == at => Some(state.pose.isometry),
            _ => None,
        });
        found.unwrap()
    };
    let lidar = frame(&frames, "LIDAR_TOP");
    assert_eq!(cloud(lidar).points().len(), 34_688);
    assert!(cloud(lidar).points().iter().all(|p| (0.0..=1.0).contains(&p.intensity) && p.ring < 32));
    for (channel, camera) in sample["cameras"].as_object().unwrap() {
        let seen = frame(&frames, channel);
        let Payload::Rgb(picture) = &seen.payload else { panic!() };
        let k = seen.calibration.intrinsics.unwrap();
        assert_eq!((picture.width(), picture.height(), k.width, k.height), (1600, 900, 1600, 900));
        let world_from_lidar = world_from_ego(lidar.captured) * lidar.calibration.extrinsics.isometry;
        let world_from_camera = world_from_ego(seen.captured) * seen.calibration.extrinsics.isometry;
        let ours = (world_from_camera.inverse() * world_from_lidar).to_homogeneous();
        let off = (ours - matrix(&camera["lidar2cam"])).abs().max();
        assert!(off < 1e-4, "{channel}: {off}");
    }
}

#[test]
fn every_frame_of_the_drawn_nuscenes_root_is_given() {
    let Some(root) = place("../shared/data/nuscenes-tiny") else { return };
    let (frames, rejected) = play(NuscenesConfig::new(&root).build().unwrap());
    assert_eq!(rejected, []);
    let counts = count(&frames);
    assert_eq!(counts.len(), 8);
    assert!(counts.values().all(|n| *n == 20), "{counts:?}");
    let speeds: Vec<f64> = frames.iter().filter_map(|f| if let Payload::Ego(e) = &f.payload { Some(e.speed) } else { None }).collect();
    assert!(speeds.iter().all(|s| (0.5..40.0).contains(s)), "{speeds:?}");

    let lidar = "LIDAR_TOP".to_owned();
    let all = NuscenesConfig { sensors: vec![lidar, "RADAR_FRONT".into()], sweeps: true, ..NuscenesConfig::new(&root) };
    let one = NuscenesConfig { scene: Some("scene-0916".into()), ..all.clone() };
    let (frames, rejected) = play(all.build().unwrap());
    assert_eq!(rejected, []);
    let counts = count(&frames);
    assert!(counts["LIDAR_TOP"] > 100 && counts["LIDAR_TOP"] == counts["ego"] && counts["RADAR_FRONT"] == 20, "{counts:?}");
    let returns: usize = frames.iter().map(|f| if let Payload::Radar(r) = &f.payload { r.returns.len() } else { 0 }).sum();
    assert!(returns > 20, "{returns}");
    assert_eq!(count(&play(one.build().unwrap()).0)["RADAR_FRONT"], 10);
}

#[test]
fn what_is_asked_for_and_not_there_is_named() {
    let Some(root) = place("../shared/data/nuscenes-tiny") else { return };
    let config = NuscenesConfig::new(&root);
    let fault = |c: NuscenesConfig| c.build().err().unwrap().to_string();
    assert!(fault(NuscenesConfig { scene: Some("scene-0104".into()), ..config.clone() }).contains("did you mean `scene-0103`"));
    assert!(fault(NuscenesConfig { sensors: vec!["CAM_FORNT".into()], ..config.clone() }).contains("CAM_FRONT"));
    assert!(fault(NuscenesConfig { version: Some("v1.0-test".into()), ..config.clone() }).contains("v1.0-test"));
    assert!(fault(NuscenesConfig { sensors: vec![], ..config }).contains("sensors"));
}

/// A root of ours with one edited table; the files are not there.
fn edited(root: &Path, table: &str, edit: impl FnOnce(&mut Vec<Value>)) -> TempDir {
    let copy = TempDir::new().unwrap();
    let to = copy.path().join("v1.0-mini");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(root.join("v1.0-mini")).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let path = to.join(format!("{table}.json"));
    let mut records = json(&path);
    edit(records.as_array_mut().unwrap());
    fs::remove_file(&path).unwrap();
    fs::write(path, records.to_string()).unwrap();
    copy
}

#[test]
fn broken_tables_are_named_by_table_token_and_field() {
    let Some(root) = place("../shared/data/nuscenes-tiny") else { return };
    let links = [
        ("sample_data", "sample_token"),
        ("sample_data", "ego_pose_token"),
        ("sample_data", "calibrated_sensor_token"),
        ("calibrated_sensor", "sensor_token"),
        ("sample", "scene_token"),
        ("sample", "next"),
        ("scene", "first_sample_token"),
        ("scene", "log_token"),
    ];
    for (table, field) in links {
        let mut token = String::new();
        let copy = edited(&root, table, |records| {
            records[0][field] = "nowhere".into();
            token = records[0]["token"].as_str().unwrap().to_owned();
        });
        let said = NuscenesConfig::new(copy.path()).build().err().unwrap().to_string();
        assert!([table, field, "nowhere", &token].iter().all(|w| said.contains(w)), "{table}.{field}: {said}");
    }
    let twice = edited(&root, "sample", |records| records.push(records[0].clone()));
    assert!(NuscenesConfig::new(twice.path()).build().err().unwrap().to_string().contains("two"));
    let short = edited(&root, "sample", |_| ());
    fs::write(short.path().join("v1.0-mini/sample.json"), "[{\"token\": \"a\"").unwrap();
    assert!(NuscenesConfig::new(short.path()).build().err().unwrap().to_string().contains("sample"));
}

#[test]
fn names_that_leave_the_root_are_not_followed() {
    let Some(root) = place("../shared/data/nuscenes-tiny") else { return };
    let secret = TempDir::new().unwrap();
    let sweep = secret.path().join("sweep.bin");
    fs::write(&sweep, [0u8; 20]).unwrap();
    let names = ["../x/sweep.bin".to_owned(), sweep.display().to_string(), "samples/../../x".into(), "a\\..\\b".into(), String::new()];
    for name in names {
        let copy = edited(&root, "sample_data", |records| records[0]["filename"] = name.clone().into());
        let config = NuscenesConfig { sensors: vec!["LIDAR_TOP".into()], ..NuscenesConfig::new(copy.path()) };
        let (_, rejected) = play(config.build().unwrap());
        assert!(rejected[0].1.contains("below the root"), "{name}: {}", rejected[0].1);
    }
}

#[test]
fn a_sample_without_a_key_frame_and_one_that_goes_back_in_time_are_counted() {
    let Some(root) = place("../shared/data/nuscenes-tiny") else { return };
    let lidar = |root: &Path| NuscenesConfig { sensors: vec!["LIDAR_TOP".into()], ..NuscenesConfig::new(root) };
    let copy = edited(&root, "sample_data", |records| records[0]["is_key_frame"] = false.into());
    let (_, rejected) = play(lidar(copy.path()).build().unwrap());
    assert_eq!(rejected.iter().filter(|(_, r)| r.contains("wanted a key frame of LIDAR_TOP")).count(), 1);
    let copy = edited(&root, "sample", |records| records[1]["timestamp"] = records[0]["timestamp"].clone());
    let (_, rejected) = play(lidar(copy.path()).build().unwrap());
    assert_eq!(rejected.iter().filter(|(_, r)| r.contains("later than the one before")).count(), 1);
}

const CAM_TO_CAM: &str = "calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 4 2\nR_rect_00: 1 0 0 0 1 0 0 0 1\n\
    P_rect_02: 3 0 1.5 0.3 0 3 0.5 0 0 0 1 0\n";
const VELO_TO_CAM: &str = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.3\n";
const IMU_TO_VELO: &str = "R: 1 0 0 0 1 0 0 0 1\nT: -0.8 0.3 -0.8\n";

/// A raw drive of `n` frames with a Velodyne and OXTS, and one camera.
fn raw_drive(n: usize) -> TempDir {
    let root = TempDir::new().unwrap();
    let date = root.path().join("2011_09_26");
    let drive = date.join("2011_09_26_drive_0001_sync");
    for (folder, ending) in [("image_02", "png"), ("velodyne_points", "bin"), ("oxts", "txt")] {
        fs::create_dir_all(drive.join(folder).join("data")).unwrap();
        let times: String = (0..n).map(|i| format!("2011-09-26 13:02:{:02}.500000001\n", i)).collect();
        fs::write(drive.join(folder).join("timestamps.txt"), times).unwrap();
        for i in 0..n {
            let path = drive.join(folder).join("data").join(format!("{i:010}.{ending}"));
            let reading = format!("{} 8.4 110 0 0 1.5707963 0 0 5 {}", 49.0 + 1e-4 * i as f64, "0 ".repeat(21));
            match ending {
                "png" => image::RgbImage::new(4, 2).save(path).unwrap(),
                "bin" => fs::write(path, [1.0f32, 2.0, 3.0, 0.5].map(f32::to_le_bytes).concat()).unwrap(),
                _ => fs::write(path, reading).unwrap(),
            }
        }
    }
    fs::write(date.join("calib_cam_to_cam.txt"), CAM_TO_CAM).unwrap();
    fs::write(date.join("calib_velo_to_cam.txt"), VELO_TO_CAM).unwrap();
    fs::write(date.join("calib_imu_to_velo.txt"), IMU_TO_VELO).unwrap();
    root
}

#[test]
fn a_raw_drive_gives_pictures_clouds_and_states() {
    let root = raw_drive(3);
    let config = KittiConfig { oxts: vec!["ego".into(), "imu".into(), "gnss".into()], ..KittiConfig::new(root.path()) };
    let (frames, rejected) = play(KittiConfig { drive: Some("0001".into()), ..config.clone() }.build().unwrap());
    assert_eq!(rejected, []);
    assert!(frames.len() == 15 && count(&frames).values().all(|n| *n == 3));
    let ego = frames.iter().rfind(|f| f.sensor.name() == "ego").unwrap();
    let Payload::Ego(state) = ego.payload else { panic!() };
    assert!((state.pose.isometry.translation.x - 22.26).abs() < 0.05 && state.speed == 5.0, "{state:?}");
    let velodyne = frame(&frames, "velodyne").calibration.extrinsics.isometry.translation.vector;
    assert!((velodyne - nalgebra::Vector3::new(0.8, -0.3, 0.8)).norm() < 1e-9, "{velodyne:?}");
    assert_eq!(frame(&frames, "image_02").captured.nanos() % 1_000_000_000, 500_000_001);
    assert!(KittiConfig { drive: Some("0002".into()), ..config }.build().is_err());
}

#[test]
fn broken_files_of_a_drive_are_rejected_one_by_one() {
    let root = raw_drive(6);
    let drive = root.path().join("2011_09_26/2011_09_26_drive_0001_sync");
    let sweeps = drive.join("velodyne_points");
    let sweep = |i: usize| sweeps.join("data").join(format!("{i:010}.bin"));
    fs::write(sweep(0), [0u8; 17]).unwrap();
    fs::write(sweep(1), [1.0f32, f32::NAN, 3.0, 0.5].map(f32::to_le_bytes).concat()).unwrap();
    fs::remove_file(sweep(2)).unwrap();
    let times = fs::read_to_string(sweeps.join("timestamps.txt")).unwrap().replace("13:02:04", "13:02:01");
    fs::write(sweeps.join("timestamps.txt"), times).unwrap();
    fs::write(drive.join("image_02/data/0000000003.png"), b"\x89PNG\r\n\x1a\nno picture").unwrap();
    fs::write(drive.join("oxts/data/0000000005.txt"), "1 2 3").unwrap();
    let (frames, rejected) = play(KittiConfig::new(root.path()).build().unwrap());
    assert_eq!((frames.len(), rejected.len()), (18 - 6, 6));
    for word in ["17 bytes", "1 of 1 points", "file number 2", "13:02:01", "0000000003.png", "oxts"] {
        assert!(rejected.iter().any(|(_, r)| r.contains(word)), "{word}: {rejected:#?}");
    }
    assert_eq!(count(&frames)["velodyne"], 2);
    fs::write(root.path().join("2011_09_26/calib_velo_to_cam.txt"), VELO_TO_CAM.replace("R: 0 -1", "R: 0 1")).unwrap();
    assert!(KittiConfig::new(root.path()).build().err().unwrap().to_string().contains("rotation"));
}

/// Data sets that the embedded world draws; every frame must be sound.
#[test]
fn our_own_roots_play_without_a_fault() {
    for (folder, raw) in [("datasets/kitti", true), ("datasets/kitti_object", false)] {
        let Some(root) = place(folder) else { continue };
        let (frames, rejected) = play(KittiConfig::new(root).build().unwrap());
        let counts = count(&frames);
        println!("{folder}: {counts:?}");
        assert_eq!(rejected, []);
        assert!(counts.contains_key("velodyne") && counts.contains_key("ego") == raw, "{counts:?}");
    }
    if let Some(root) = place("datasets/nuscenes") {
        let (frames, rejected) = play(NuscenesConfig::new(root).build().unwrap());
        println!("datasets/nuscenes: {:?}", count(&frames));
        assert_eq!(rejected, []);
        assert_eq!(count(&frames).len(), 8);
    }
}

/// Seeded xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
    /// Flips, inserts, repeats or cuts a few bytes.
    fn mutate(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.roll(8),
                1 if !bytes.is_empty() => bytes[at] = self.roll(256) as u8,
                2 => bytes.truncate(at),
                3 => {
                    let words: [&[u8]; 7] = [b"nan", b"-1e999", b"99999999999999999999", b"\0", b"\n", b"[[[[", b"-0"];
                    let word = words[self.roll(7)];
                    bytes.splice(at..at, word.iter().copied());
                }
                4 => {
                    let to = (at + self.roll(64)).min(bytes.len());
                    let part = bytes[at..to].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => {
                    let to = (at + self.roll(16)).min(bytes.len());
                    bytes.drain(at..to);
                }
            }
        }
        bytes
    }
}

const MUTATIONS: usize = 4000;

/// Feeds mutations of `original` to `parse`, which may refuse but not panic; the original must be accepted.
fn hammer(name: &str, original: &[u8], parse: impl Fn(&[u8]) -> bool) {
    assert!(parse(original), "{name}: the original");
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let accepted = (0..MUTATIONS).filter(|_| parse(&dice.mutate(original))).count();
    println!("{name}: {accepted} of {MUTATIONS} mutations accepted");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn mutated_kitti_files_never_panic() {
    let sweep: Vec<u8> = (0..64u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    hammer("velodyne", &sweep, |b| kitti::cloud(b, &Pool::new(1)).is_ok());
    let calib = "P0: 7 0 6 0 0 7 1 0 0 0 1 0\nP2: 7 0 6 4 0 7 1 0.2 0 0 1 0.003\nR0_rect: 1 0 0 0 1 0 0 0 1\n\
        Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\nTr_imu_to_velo: 1 0 0 0 0 1 0 0 0 0 1 0\n";
    let cameras = |rig: kitti::Rig| (0..4).filter(|n| rig.camera(*n, "camera", Some([4, 2])).is_ok()).count() > 0;
    hammer("object calib", calib.as_bytes(), |b| kitti::Rig::object(&text(b)).is_ok_and(cameras));
    hammer("cam_to_cam", CAM_TO_CAM.as_bytes(), |b| kitti::Rig::raw(&text(b), VELO_TO_CAM, None).is_ok_and(cameras));
    hammer("velo_to_cam", VELO_TO_CAM.as_bytes(), |b| kitti::Rig::raw(CAM_TO_CAM, &text(b), Some(IMU_TO_VELO)).is_ok());
    hammer("imu_to_velo", IMU_TO_VELO.as_bytes(), |b| kitti::Rig::raw(CAM_TO_CAM, VELO_TO_CAM, Some(&text(b))).is_ok());
    hammer("timestamp", b"2011-09-26 13:02:25.964389445", |b| kitti::timestamp(&text(b)).is_ok());
    let pose = kitti::Rig::object(calib).unwrap().vehicle_from_rect();
    let line = b"Car 0.88 3 -0.69 0.00 192.37 402.31 374.00 1.60 1.57 3.23 -2.70 1.74 3.68 -1.29 0.9\n";
    hammer("label_2", line, |b| kitti::labels(&text(b)).is_ok_and(|l| l.iter().filter_map(|l| l.box3(&pose)).count() > 0));
    let first = oxts::line("49.0 8.4 110 0.01 0.02 1.5 0 0 5 0.1 0 0.2 0 9.8 0 0 9.8 0 0 0.1 0 0 0.1 0.1 0.1 4 8 4 4 0").unwrap();
    let line = b"49.01 8.41 110 0.01 0.02 1.5 0 0 5 0.1 0 0.2 0 9.8 0 0 9.8 0 0 0.1 0 0 0.1 0.1 0.1 4 8 4 4 0";
    let origin = oxts::Origin::new(&first);
    hammer("oxts", line, |b| oxts::line(&text(b)).is_ok_and(|r| origin.state(&r).speed.is_finite()));
}

/// Whether a table is read without a fault.
fn whole<R: nuscenes::Record>(bytes: &[u8]) -> bool {
    let mut faults = nuscenes::Faults::default();
    nuscenes::table(bytes, "table.json", &mut faults, |_: R, _| ());
    faults.list().is_empty()
}

#[test]
fn mutated_nuscenes_files_never_panic() {
    let sweep: Vec<u8> = (0..60u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    hammer("pcd.bin", &sweep, |b| nuscenes::cloud(b, &Pool::new(1)).is_ok());
    let mut scan = b"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z dyn_prop id rcs vx vy invalid_state ambig_state\nSIZE 4 4 4 1 2 4 4 4 1 1\n\
        TYPE F F F I I F F F I I\nCOUNT 1 1 1 1 1 1 1 1 1 1\nWIDTH 2\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 2\nDATA binary\n"
        .to_vec();
    for _ in 0..2 {
        scan.extend([3.0f32, 4.0, 0.0].iter().flat_map(|v| v.to_le_bytes()));
        scan.extend([1, 7, 0]);
        scan.extend([10.0f32, 1.0, 2.0].iter().flat_map(|v| v.to_le_bytes()));
        scan.extend([0, 3]);
    }
    let read = radar::scan(&scan).unwrap();
    assert!(read.returns.len() == 2 && (read.returns[0].range_rate - 2.2).abs() < 1e-6, "{read:?}");
    hammer("radar", &scan, |b| radar::scan(b).is_ok());
    let data = br#"[{"token":"a","sample_token":"b","ego_pose_token":"c","calibrated_sensor_token":"d","timestamp":1532402927647951,
        "fileformat":"pcd","is_key_frame":true,"height":0,"width":0,"filename":"samples/LIDAR_TOP/x.pcd.bin","prev":"","next":""}]"#;
    hammer("sample_data", data, whole::<nuscenes::SampleData>);
    let mounting = br#"[{"token":"a","sensor_token":"b","translation":[0.94,0,1.84],"rotation":[0.7,-0.003,-0.004,-0.7],
        "camera_intrinsic":[[1266.4,0.0,816.2],[0.0,1266.4,491.5],[0.0,0.0,1.0]]}]"#;
    let frame = sensorium::types::FrameId::vehicle();
    hammer("calibrated_sensor", mounting, |b| {
        let (mut faults, mut sound) = (nuscenes::Faults::default(), true);
        nuscenes::table(b, "calibrated_sensor.json", &mut faults, |r: nuscenes::CalibratedSensor, _| {
            sound &= nuscenes::motion(frame, frame, r.translation, r.rotation).is_ok();
            sound &= nuscenes::intrinsics(r.camera_intrinsic.as_ref(), 1600, 900).is_ok();
        });
        sound && faults.list().is_empty()
    });
    let pose = br#"[{"token":"a","timestamp":1,"rotation":[1,0,0,0.02],"translation":[150.0,120,0]}]"#;
    hammer("ego_pose", pose, whole::<nuscenes::EgoPose>);
    let sample = br#"[{"token":"a","timestamp":1,"prev":"","next":"","scene_token":"s"}]"#;
    hammer("sample", sample, whole::<nuscenes::Sample>);
}
