//! Roots that share nuScenes' tables and not its habits: Lyft Level 5's form, made here out of the generated sample.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
fn sensorium(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).current_dir(folder).env_remove("RUST_LOG").output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out, said)
}
fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

const VERSION: &str = "v1.02-train";

/// As Lyft's archives have it: another folder of tables, times with fractions, categories without a prefix, scenes named after the car, files in
/// `images` and `lidar`, no counts of points, two fields more in `sample`, one more LiDAR in the tables, one raster of the map, no splits.
fn lyft() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(project("configs"), folder.path().join("configs")).unwrap();
    let (from, root) = (project("datasets/nuscenes"), folder.path().join("lyft").join(VERSION));
    for name in ["images", "lidar", "maps", VERSION] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    image::GrayImage::new(8, 8).save(root.join("maps/map_raster_palo_alto.png")).unwrap();
    for entry in fs::read_dir(from.join("v1.0-mini")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut records = read(&entry.path());
        for record in records.as_array_mut().unwrap() {
            if let Some(time) = record.get("timestamp").and_then(Value::as_i64) {
                record["timestamp"] = json!(time as f64 + 0.25);
            }
            match name.as_str() {
                "category.json" => record["name"] = json!(record["name"].as_str().unwrap().rsplit('.').next().unwrap()),
                "scene.json" => record["name"] = json!("host-a101-lidar0-1241893239199111666-1241893264098084346"),
                "sample.json" => (record["data"], record["anns"]) = (json!({ "LIDAR_TOP": "x" }), json!([])),
                "sample_annotation.json" => {
                    (record["num_lidar_pts"], record["num_radar_pts"], record["visibility_token"]) = (json!(-1), json!(0), json!(""));
                }
                "map.json" => record["filename"] = json!("maps/map_raster_palo_alto.png"),
                "log.json" => record["location"] = json!("Palo Alto"),
                "sample_data.json" => {
                    let old = record["filename"].as_str().unwrap().to_owned();
                    let lidar = old.contains("LIDAR_TOP");
                    let (place, ending) = if lidar { ("lidar/host-a101_lidar1", "bin") } else { ("images/host-a101_cam", "jpeg") };
                    let new = format!("{place}_{}.{ending}", record["token"].as_str().unwrap());
                    fs::copy(from.join(&old), root.join(&new)).unwrap();
                    record["filename"] = json!(new);
                    if lidar {
                        (record["width"], record["height"], record["fileformat"]) = (Value::Null, Value::Null, json!("bin"));
                    }
                }
                _ => {}
            }
        }
        if name == "sensor.json" {
            let more = json!({ "token": "front left", "channel": "LIDAR_FRONT_LEFT", "modality": "lidar" });
            records.as_array_mut().unwrap().push(more);
        }
        fs::write(root.join(VERSION).join(&name), records.to_string()).unwrap();
    }
    (folder, root)
}

#[test]
fn a_root_in_lyfts_form_is_checked_played_and_told_apart() {
    let (folder, root) = lyft();
    let place = root.display().to_string();
    let (checked, said) = sensorium(folder.path(), &["check", "--data", &place, "--format", "json"]);
    let told: Value = serde_json::from_slice(&checked.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let kinds: Vec<&str> = told["problems"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect();
    // Nothing is wrong with it; only that no split is known is said.
    assert_eq!((checked.status.code(), kinds), (Some(0), vec!["EmptySplit"]), "{said}");

    // The folder above is a slip that the archives invite.
    let above = root.parent().unwrap().display().to_string();
    let (out, said) = sensorium(folder.path(), &["check", "--data", &above]);
    assert!(out.status.code() == Some(2) && said.contains(&place), "{said}");

    let set = format!("source.drive.root={place}");
    let run = || {
        let arguments = ["run", "configs/nuscenes.toml", "--viewer", "none", "--format", "json", "--set", &set];
        let (out, said) = sensorium(folder.path(), &arguments);
        assert_eq!(out.status.code(), Some(0), "{said}");
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert!(report["adds_up"] == true && report["bundles"] == 5 && report["incomplete"] == 0 || report["lost"] == 0, "{report}");
        report["sensors"].as_array().unwrap().iter().map(|s| (s["sensor"].as_str().unwrap().to_owned(), s.clone())).collect::<Vec<_>>()
    };
    let sensors = run();
    assert_eq!(sensors.len(), 8);
    for (sensor, tally) in &sensors {
        assert_eq!((&tally["used"], &tally["rejected"]), (&json!(5), &json!(0)), "{sensor}: {tally}");
    }

    // One LiDAR file of the public set is corrupt: one frame is rejected, and no other.
    let mut sweeps: Vec<PathBuf> = fs::read_dir(root.join("lidar")).unwrap().map(|e| e.unwrap().path()).collect();
    sweeps.sort();
    let bytes = fs::read(&sweeps[2]).unwrap();
    fs::write(&sweeps[2], &bytes[..bytes.len() - 8]).unwrap();
    for (sensor, tally) in run() {
        let rejected = u64::from(sensor == "LIDAR_TOP");
        assert_eq!((&tally["used"], &tally["rejected"]), (&json!(5 - rejected), &json!(rejected)), "{sensor}: {tally}");
    }
    let (checked, said) = sensorium(folder.path(), &["check", "--data", &place]);
    assert!(checked.status.code() == Some(1) && said.contains("TruncatedPointFile: lidar/"), "{said}");
}

#[test]
fn a_custom_split_of_such_a_root_is_scored_and_foreign_categories_are_said() {
    let (folder, root) = lyft();
    let scenes = read(&root.join(VERSION).join("scene.json"));
    fs::write(root.join(VERSION).join("splits.json"), json!({ "all": [scenes[0]["name"]] }).to_string()).unwrap();
    let samples = read(&root.join(VERSION).join("sample.json"));
    let empty: serde_json::Map<String, Value> =
        samples.as_array().unwrap().iter().map(|s| (s["token"].as_str().unwrap().to_owned(), json!([]))).collect();
    let meta = json!({ "use_camera": true, "use_lidar": true, "use_radar": false, "use_map": false, "use_external": false });
    fs::write(folder.path().join("r.json"), json!({ "meta": meta, "results": empty }).to_string()).unwrap();
    let place = root.display().to_string();
    let arguments = ["eval", "detection", "--root", &place, "--split", "all", "--results", "r.json", "--output", "m.json"];
    let (out, said) = sensorium(folder.path(), &arguments);
    assert!(out.status.code() == Some(0) && said.contains("no annotated object of `all` counts") && said.contains("car"), "{said}");
    assert_eq!(read(&folder.path().join("m.json"))["mean_ap"], 0.0);
}
