//! Bad input through the whole program: each fault is one line of error or a counted rejection with its reason, nothing else is lost, nothing panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/disk.rs"]
mod disk;

use disk::SmallDisk;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with the configurations, and one data set of its own that can be spoiled.
struct Place(TempDir);

impl Place {
    fn new(set: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::os::unix::fs::symlink(root().join("configs"), folder.path().join("configs")).unwrap();
        copied(&root().join("datasets").join(set), &folder.path().join("datasets").join(set));
        Self(folder)
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn edit(&self, name: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.at(name);
        fs::write(&path, edit(fs::read(&path).unwrap())).unwrap();
    }
    fn edit_json(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        self.edit(name, |bytes| {
            let mut value = serde_json::from_slice(&bytes).unwrap();
            edit(&mut value);
            value.to_string().into_bytes()
        });
    }
    /// Runs the program and checks what it promises whatever comes in.
    fn run(&self, arguments: &[&str]) -> Ran {
        let _ = fs::remove_file(self.at("report.json"));
        let fixed = ["--viewer", "none", "--report", "report.json"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_sensorium"));
        let out = command.arg("run").args(arguments).args(fixed).current_dir(self.0.path()).env_remove("RUST_LOG").output().unwrap();
        let (said, err) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
        let code = out.status.code().unwrap_or(-1);
        let report = fs::read(self.at("report.json")).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
        assert!(!said.contains("panic") && !err.contains("panic"), "{arguments:?}: {said}{err}");
        let errors = err.lines().filter(|l| l.starts_with("error:")).count();
        match code {
            0 | 1 => assert!(report["adds_up"] == true && errors == 0, "{arguments:?}: {said}{err}"),
            2 => assert!(errors == 1, "{arguments:?}: {err}"),
            other => panic!("{arguments:?}: exit {other}: {said}{err}"),
        }
        Ran { code, said, err, report }
    }
    /// The error of a run that cannot be.
    fn refused(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}{}", ran.said, ran.err);
        ran.err
    }
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

struct Ran {
    code: i32,
    said: String,
    err: String,
    report: Value,
}

impl Ran {
    /// Captured, used and rejected frames of a sensor.
    fn counts(&self, sensor: &str) -> [u64; 3] {
        let found = self.report["sensors"].as_array().unwrap().iter().find(|s| s["sensor"] == sensor);
        let found = found.unwrap_or_else(|| panic!("no {sensor}: {}{}", self.said, self.err));
        ["captured", "used", "rejected"].map(|key| found[key].as_u64().unwrap())
    }
    /// How many frames of a sensor were rejected for a reason with these words; the printed report names it too.
    fn because(&self, sensor: &str, words: &str) -> u64 {
        let sensors = self.report["sensors"].as_array().unwrap().iter().filter(|s| s["sensor"] == sensor);
        let reasons = sensors.flat_map(|s| s["reasons"].as_object().unwrap());
        let told = |reason: &str| self.said.contains(&format!("{sensor}: ")) && self.said.contains(reason);
        reasons.filter(|(reason, _)| reason.contains(words) && told(reason)).map(|(_, n)| n.as_u64().unwrap()).sum()
    }
    /// It ran, and lost nothing but what was rejected.
    fn sound(self) -> Self {
        assert!(self.code == 0 && self.report["lost"] == 0, "{}{}", self.said, self.err);
        self
    }
}

#[test]
fn pictures_that_cannot_be_used_are_rejected_one_by_one() {
    let place = Place::new("irvis");
    let at = |name: &str| format!("datasets/irvis/{name}");
    place.edit(&at("ir/00002D.png"), |bytes| bytes[..bytes.len() / 2].to_vec()); // cut
    fs::write(place.at(&at("vi/00003D.png")), "no picture").unwrap();
    fs::remove_file(place.at(&at("ir/00004D.png"))).unwrap();
    fs::create_dir(place.at(&at("ir/00004D.png"))).unwrap(); // no file at all
    image::RgbImage::new(64, 48).save(place.at(&at("vi/00005D.png"))).unwrap(); // another size than its partner
    fs::remove_file(place.at(&at("ir/00006D.png"))).unwrap(); // no partner
    fs::write(place.at(&at("ir/00007N.png")), "").unwrap();
    let ran = place.run(&["configs/ir_visible.toml"]).sound();
    // Ten pairs; pair 5 is rejected on both sides, the others on the side that is spoiled (6: the side whose partner is not there).
    let (visible, infrared) = (ran.counts("visible"), ran.counts("infrared"));
    assert_eq!(visible[0], visible[1] + visible[2], "{}", ran.said);
    assert_eq!(infrared[0], infrared[1] + infrared[2], "{}", ran.said);
    for (sensor, words) in [
        ("infrared", "00002D.png"),
        ("visible", "00003D.png"),
        ("visible", "partner `00004D`"),
        ("visible", "64x48"),
        ("infrared", "64x48"),
        ("visible", "partner `00006D`"),
        ("infrared", "00007N.png"),
    ] {
        assert_eq!(ran.because(sensor, words), 1, "{sensor} {words}: {}", ran.said);
    }
    assert!(visible[1] == 6 && infrared[1] == 5, "{visible:?} {infrared:?}");
    // The four whole pairs give their four results.
    let folder = place.at("runs/ir_visible/latest/fuse/fused");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4, "{}", ran.said);
}

#[test]
fn an_empty_folder_is_one_line_for_every_kind_of_source() {
    let place = Place::new("irvis");
    fs::create_dir_all(place.at("empty")).unwrap();
    fs::write(place.at("empty.mcap"), "").unwrap();
    for (config, key, value) in [
        ("ir_visible", "source.pairs.root", "empty"),
        ("rgbd", "source.camera.root", "empty"),
        ("kitti", "source.drive.root", "empty"),
        ("nuscenes", "source.drive.root", "empty"),
        ("fragments", "source.pieces.root", "empty"),
        ("replay", "source.drive.path", "empty.mcap"),
        ("replay", "source.drive.path", "empty"),
    ] {
        let error = place.refused(&[&format!("configs/{config}.toml"), "--set", &format!("{key}={value}")]);
        assert!(error.contains("empty"), "{config}: {error}");
    }
}

#[test]
fn a_cloud_with_nan_and_a_cut_one_are_rejected_and_the_rest_is_used() {
    let place = Place::new("nuscenes");
    let folder = "datasets/nuscenes/samples/LIDAR_TOP";
    let mut names: Vec<String> =
        fs::read_dir(place.at(folder)).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    place.edit(&format!("{folder}/{}", names[1]), |mut bytes| {
        bytes[40..44].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes
    });
    place.edit(&format!("{folder}/{}", names[2]), |bytes| bytes[..bytes.len() - 7].to_vec());
    let ran = place.run(&["configs/nuscenes.toml"]).sound();
    assert_eq!(ran.counts("LIDAR_TOP"), [5, 3, 2], "{}", ran.said);
    assert_eq!((ran.because("LIDAR_TOP", "NaN"), ran.because("LIDAR_TOP", "whole")), (1, 1), "{}", ran.said);
    // The LiDAR makes the bundles; where its frame was rejected the others still have theirs.
    assert_eq!((ran.counts("CAM_BACK"), ran.counts("ego")), ([5, 5, 0], [5, 5, 0]));
    assert_eq!((&ran.report["bundles"], &ran.report["incomplete"]), (&serde_json::json!(5), &serde_json::json!(2)));

    // A recording of such a run plays the same bundles.
    let recorded = place.run(&["configs/record.toml"]).sound();
    let played = place.run(&["configs/replay.toml"]).sound();
    for key in ["bundles", "incomplete"] {
        assert_eq!(recorded.report[key], played.report[key], "{}", played.said);
    }
    assert_eq!((played.counts("LIDAR_TOP"), played.because("LIDAR_TOP", "when it was recorded")), ([5, 3, 2], 2), "{}", played.said);
    assert_eq!(played.counts("CAM_BACK"), [5, 5, 0]);
}

#[test]
fn names_that_climb_out_of_a_root_are_rejected_and_nothing_out_there_is_read() {
    let place = Place::new("nuscenes");
    let tables = "datasets/nuscenes/v1.0-mini";
    fs::copy(root().join("datasets/irvis/vi/00001D.png"), place.at("datasets/outside.png")).unwrap();
    let whole = place.at("datasets/outside.png").display().to_string();
    let names = ["../outside.png", "samples/../../outside.png", &whole];
    place.edit_json(&format!("{tables}/sample_data.json"), |records| {
        let pictures = records.as_array_mut().unwrap().iter_mut().filter(|r| r["filename"].as_str().unwrap().contains("/CAM_BACK/"));
        pictures.zip(names).for_each(|(record, name)| record["filename"] = serde_json::json!(name));
    });
    let ran = place.run(&["configs/nuscenes.toml"]).sound();
    assert_eq!((ran.counts("CAM_BACK"), ran.because("CAM_BACK", "below the root")), ([5, 2, 3], 3), "{}", ran.said);
    assert_eq!(ran.counts("LIDAR_TOP"), [5, 5, 0]);
}

#[test]
fn a_calibration_that_is_no_rotation_rejects_its_sensor_or_the_set() {
    let place = Place::new("nuscenes");
    let tables = "datasets/nuscenes/v1.0-mini";
    let sensors: Value = serde_json::from_slice(&fs::read(place.at(&format!("{tables}/sensor.json"))).unwrap()).unwrap();
    let back = sensors.as_array().unwrap().iter().find(|s| s["channel"] == "CAM_BACK").unwrap()["token"].clone();
    place.edit_json(&format!("{tables}/calibrated_sensor.json"), |records| {
        let mounted = records.as_array_mut().unwrap().iter_mut().find(|r| r["sensor_token"] == back).unwrap();
        mounted["rotation"] = serde_json::json!([0, 0, 0, 0]);
    });
    let ran = place.run(&["configs/nuscenes.toml"]).sound();
    assert_eq!((ran.counts("CAM_BACK"), ran.because("CAM_BACK", "quaternion")), ([5, 0, 5], 5), "{}", ran.said);
    assert_eq!(ran.counts("CAM_FRONT"), [5, 5, 0]);

    // A matrix of KITTI that scales: no frame of the drive can be placed.
    let place = Place::new("kitti");
    let file = "datasets/kitti/2011_09_26/calib_velo_to_cam.txt";
    place.edit(file, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|l| if l.starts_with("R:") { "R: 0 -2 0 0 0 -2 2 0 0" } else { l });
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    });
    let error = place.refused(&["configs/kitti.toml"]);
    assert!(error.contains("a rotation") && error.contains("calib_velo_to_cam"), "{error}");
}

#[test]
fn stamps_that_jump_back_are_counted() {
    let place = Place::new("rgbd");
    place.edit("datasets/rgbd/rgb.txt", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("1700000000.500000 rgb", "1699999999.000000 rgb").into_bytes()
    });
    let ran = place.run(&["configs/rgbd.toml"]).sound();
    assert_eq!((ran.counts("colour")[2], ran.because("colour", "stamp after")), (1, 1), "{}", ran.said);
    assert_eq!(ran.counts("depth"), [10, 9, 1], "the depth picture whose colour picture is gone: {}", ran.said);
}

#[test]
fn a_cut_recording_plays_what_it_holds_and_a_foreign_one_is_refused() {
    let place = Place::new("nuscenes");
    place.run(&["configs/record.toml"]).sound();
    let path = place.at("runs/record/latest/recording.mcap");
    let bytes = fs::read(&path).unwrap();
    let whole = place.run(&["configs/replay.toml"]).sound().counts("LIDAR_TOP");
    fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let ran = place.run(&["configs/replay.toml"]).sound();
    let rejected: u64 = ran.report["sensors"].as_array().unwrap().iter().map(|s| s["rejected"].as_u64().unwrap()).sum();
    assert!(rejected > 0 && ran.counts("LIDAR_TOP")[1] < whole[1], "{}", ran.said);
    fs::write(&path, b"PNG or so, but no recording at all").unwrap();
    let error = place.refused(&["configs/replay.toml"]);
    assert!(error.contains("an MCAP file") && error.contains("recording.mcap"), "{error}");
}

#[test]
fn a_full_disk_is_named_under_every_sink_and_the_others_go_on() {
    let place = Place::new("nuscenes");
    let Some(disk) = SmallDisk::mount(&place.at("small")) else { return };
    let tried = |sink: &str, settings: &[&str]| {
        let arguments: Vec<&str> = ["configs/record.toml"].into_iter().chain(settings.iter().flat_map(|s| ["--set", *s])).collect();
        let ran = place.run(&arguments);
        // An offline run that could not keep its results has lost them: the answer is no.
        assert_eq!(ran.code, 1, "{sink}: {}{}", ran.said, ran.err);
        let problems = ran.report["problems"].as_array().unwrap();
        let named = problems.iter().filter_map(Value::as_str).filter(|p| p.starts_with(&format!("{sink}: failed"))).count();
        assert!(named == 1 && problems.len() == 1 && ran.said.contains("small"), "{sink}: {}", ran.said);
        // Every frame reached the sinks all the same, and those that have room kept everything.
        assert_eq!((ran.counts("LIDAR_TOP"), ran.counts("CAM_BACK")), ([5, 5, 0], [5, 5, 0]), "{sink}");
        for node in ran.report["nodes"].as_array().unwrap().iter().filter(|n| n["role"] == "sink" && n["name"] != sink) {
            assert_eq!((node["failed"].as_u64(), node["handled"].as_u64()), (Some(0), Some(5)), "{sink}: {node}");
        }
        for entry in fs::read_dir(&disk.0).unwrap().flatten() {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    };
    tried("results", &["sink.results.dir=small/results"]);
    tried("recording", &["sink.recording.path=small/r.mcap"]);
    if cfg!(feature = "viewer") {
        tried("viewer", &["sink.viewer.kind=rerun", "sink.viewer.edge=block(8)", "sink.viewer.record=small/r.rrd"]);
    }
    // Where the run's own folder is full, its report cannot be kept; it is printed all the same, and kept where there is room.
    fs::write(disk.0.join("filler"), vec![0; 397_312]).unwrap(); // three pages of a hundred are left
    let ran = place.run(&["configs/nuscenes.toml", "--set", "runs=small/runs"]);
    assert!(ran.code == 2 && ran.err.contains("small/runs/nuscenes"), "{}{}", ran.said, ran.err);
    assert!(ran.said.contains("every frame is accounted for") && ran.said.contains("results: failed"), "{}", ran.said);
    assert_eq!(ran.report["adds_up"], true);
}
