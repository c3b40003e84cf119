//! Video files and cameras through OpenCV (feature `opencv`): what the sink writes, the source reads; a camera whose cable is pulled.
#![cfg(feature = "opencv")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/disk.rs"]
mod disk;

use disk::SmallDisk;
use opencv::core::{Mat, Vec3b};
use opencv::prelude::*;
use opencv::videoio::{CAP_ANY, VideoCapture};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs a configuration: exit status, what was printed, the report.
fn ran(folder: &Path, config: &str, set: &[(&str, &str)]) -> (i32, String, Value) {
    std::fs::write(folder.join("c.toml"), config).unwrap();
    let arguments = ["run", "c.toml", "--viewer", "none", "--report", "report.json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_sensorium"));
    let out = command.args(arguments).envs(set.iter().copied()).current_dir(folder).output().unwrap();
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    let report = std::fs::read(folder.join("report.json")).unwrap_or_else(|_| panic!("no report: {said}"));
    (out.status.code().unwrap(), said, serde_json::from_slice(&report).unwrap())
}

fn run(folder: &Path, config: &str) -> Value {
    let (code, said, report) = ran(folder, config, &[]);
    assert_eq!(code, 0, "{said}");
    report
}

#[test]
fn a_written_video_is_read_again_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/irvis");
    let write = format!(
        "name = 'write'\nmode = 'offline'\n[source.pairs]\nkind = 'ir_visible'\nroot = {pairs:?}\n\
         [sink.film]\nkind = 'video'\npath = 'film.avi'\nwhat = 'visible'\nrate_hz = 10\n"
    );
    let written = run(folder.path(), &write);
    let read = run(
        folder.path(),
        "name = 'read'\nmode = 'offline'\n[source.film]\nkind = 'video'\npath = 'film.avi'\n[sink.none]\nkind = 'null'\n",
    );
    assert_eq!(written["bundles"], read["bundles"]);
    assert_eq!(read["sensors"][0]["sensor"], "camera");
    assert_eq!(read["sensors"][0]["used"], 10);
}

#[test]
fn a_film_that_a_full_disk_cut_off_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(&folder.path().join("small")) else { return };
    let pairs = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/irvis");
    let write = |path: &str| {
        format!(
            "name = 'write'\nmode = 'offline'\n[source.pairs]\nkind = 'ir_visible'\nroot = {pairs:?}\n[stage.large]\nkind = 'resize'\n\
             sensors = ['visible']\nwidth = 1280\nheight = 960\n[sink.film]\nkind = 'video'\npath = {path:?}\nwhat = 'visible'\n"
        )
    };
    for path in ["small/film.avi", "small/film.mp4"] {
        std::fs::write(folder.path().join("small/filler"), vec![0; 380_000]).unwrap();
        let (code, said, report) = ran(folder.path(), &write(path), &[]);
        assert_eq!((code, report["adds_up"].as_bool()), (1, Some(true)), "{said}");
        assert!(said.contains("film: failed") && said.contains(path), "{said}");
        std::fs::remove_file(folder.path().join("small/filler")).unwrap();
        let _ = std::fs::remove_file(folder.path().join(path));
    }
}

/// A process that preloads this has a V4L2 camera; none where no C compiler is.
fn camera(folder: &Path) -> Option<String> {
    let library = folder.join("camera.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/camera.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl").status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        println!("skipped: no C compiler makes a camera here");
    }
    made.then(|| library.to_str().unwrap().to_owned())
}

#[test]
fn a_camera_is_seen_until_its_cable_is_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = camera(folder.path()) else { return };
    let config = "name = 'watch'\nmode = 'live'\n[source.usb]\nkind = 'video'\ncamera = 9\nwidth = 96\nheight = 64\n\
                  [sink.results]\nkind = 'results'\ndir = 'seen'\n[sink.film]\nkind = 'video'\npath = 'film.avi'\nwhat = 'camera'\n";
    let set = [("LD_PRELOAD", &*library), ("CAMERA", "/dev/video9"), ("CAMERA_PICTURES", "20")];
    let (code, said, report) = ran(folder.path(), config, &set);
    assert!(said.contains("/dev/video9"), "{said}");
    let sensor = &report["sensors"][0];
    assert_eq!((report["adds_up"].as_bool(), sensor["sensor"].as_str()), (Some(true), Some("camera")), "{said}");
    assert!((15..=20).contains(&sensor["used"].as_u64().unwrap()), "{said}");
    assert!(said.contains("pictures in a row could not be read") && code == 0, "exit {code}: {said}");
    // What the film holds is what the camera saw: the size that was asked for, red on the left and blue on the right.
    let mut film = VideoCapture::from_file(folder.path().join("film.avi").to_str().unwrap(), CAP_ANY).unwrap();
    let mut picture = Mat::default();
    for _ in 0..sensor["used"].as_u64().unwrap() {
        assert!(film.read(&mut picture).unwrap());
        assert_eq!((picture.cols(), picture.rows()), (96, 64));
        let [left, right] = [20, 76].map(|x| *picture.at_2d::<Vec3b>(32, x).unwrap());
        assert!(left[2] > 200 && left[0] < 60 && right[0] > 200 && right[2] < 60, "{left:?} {right:?}");
    }
    assert!(!film.read(&mut picture).unwrap());
}
