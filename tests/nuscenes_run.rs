//! A run's results as submissions and metrics: what was perfect in the vehicle's frame is perfect in the world, and one command does it all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use nalgebra::{Point3, Vector3};
use sensorium::eval::nuscenes::truth::{GroundTruth, Object};
use sensorium::formats::nuscenes::{Choice, DETECTION_CLASSES, Faults, ResultKind, Tables, global_from_sensor, motion};
use sensorium::sources::nuscenes::Root;
use sensorium::types::FrameId;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
fn sensorium(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).current_dir(folder).output().unwrap()
}
fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}
fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The truth as a run would have found it: boxes in the vehicle's frame at the LiDAR's key frames; other lines and another stage beside.
fn perfect_run(tables: &Tables, truth: &GroundTruth) -> String {
    let mut lines = String::new();
    for frame in &truth.frames {
        let row = tables.samples.row(&frame.token).unwrap();
        let key = tables.key_frame(row, "LIDAR_TOP").unwrap();
        let ego = tables.ego_poses.get(&key.ego_pose_token).unwrap();
        let back = motion(FrameId::world(), FrameId::vehicle(), ego.translation, ego.rotation).unwrap().isometry.inverse();
        let boxes: Vec<Value> = truth.objects[frame.objects.clone()]
            .iter()
            .enumerate()
            .map(|(at, o)| {
                let centre = back * Point3::from(o.translation);
                let ahead = back.rotation * Vector3::new(o.yaw.cos(), o.yaw.sin(), 0.0);
                let [vx, vy] = o.velocity;
                let speed = back.rotation * Vector3::new(vx, vy, 0.0);
                let [w, l, h] = o.size;
                json!({ "centre": [centre.x, centre.y, centre.z], "size": [l, w, h], "yaw": ahead.y.atan2(ahead.x),
                    "velocity": vx.is_finite().then(|| [speed.x, speed.y]), "class": DETECTION_CLASSES[usize::from(o.class)],
                    "score": 0.9 - 0.001 * at as f64, "track": o.instance })
            })
            .collect();
        let nanos = key.timestamp * 1000;
        let wrong = json!([{ "centre": [5.0, 0.0, 1.0], "size": [4.0, 2.0, 1.5], "yaw": 0.0, "velocity": null, "class": "car", "score": 1.0, "track": null }]);
        let line = |nanos: i64, boxes: &Value, of: &str| {
            json!({ "frames": [{ "sensor": "CAM_FRONT", "captured_ns": key.timestamp * 1000 }, { "sensor": "LIDAR_TOP", "captured_ns": nanos }],
                "outcomes": [{ "stage": of, "kind": "boxes3", "boxes": boxes }, { "stage": "other", "kind": "boxes3", "boxes": wrong }] })
        };
        writeln!(lines, "{}", line(nanos, &Value::Array(boxes), "net")).unwrap();
        // A sweep 50 ms later, with the same pictures: it is no sample.
        writeln!(lines, "{}", line(nanos + 50_000_000, &wrong, "net")).unwrap();
    }
    lines
}

#[test]
fn a_perfect_run_is_a_perfect_submission() {
    let folder = tempfile::tempdir().unwrap();
    let place = project("tests/fixtures/nuscenes-eval/root");
    let root = Root::open(&place, None).unwrap();
    let tables = root.tables(&Choice::all(), &mut Faults::default()).unwrap();
    let truth = GroundTruth::new(&tables, &root.split("mini_val").unwrap(), ResultKind::Detection).unwrap();
    std::fs::write(folder.path().join("results.jsonl"), perfect_run(&tables, &truth)).unwrap();
    let place = place.display().to_string();
    let convert = |more: &[&str]| {
        let fixed = [
            "convert",
            "results.jsonl",
            "--from",
            "run",
            "--to",
            "nuscenes",
            "--output",
            "out.json",
            "--root",
            &place,
            "--split",
            "mini_val",
        ];
        sensorium(folder.path(), &[&fixed[..], more].concat())
    };
    let unclear = convert(&[]);
    assert!(unclear.status.code() == Some(2) && error(&unclear).contains("net, other"), "{}", error(&unclear));
    assert_eq!(convert(&["--stage", "net"]).status.code(), Some(0));
    let arguments = ["eval", "detection", "--root", &place, "--split", "mini_val", "--results", "out.json", "--output", "m.json"];
    assert_eq!(sensorium(folder.path(), &arguments).status.code(), Some(0));
    let metrics = read(&folder.path().join("m.json"));
    let perfect = read(&project("tests/fixtures/nuscenes-eval/expected/perfect__mini_val.json"));
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
    assert!((number(&metrics, "mean_ap") - number(&perfect["metrics"], "mean_ap")).abs() < 1e-9, "{}", metrics["mean_ap"]);
    for (kind, most) in [("trans_err", 1e-6), ("scale_err", 1e-6), ("orient_err", 2e-3), ("vel_err", 5e-3)] {
        let (found, wanted) = (number(&metrics["tp_errors"], kind), number(&perfect["metrics"]["tp_errors"], kind));
        assert!((found - wanted).abs() < most, "{kind} {found} {wanted}");
    }
}

#[test]
fn other_conventions_are_read_and_written() {
    const LABELS: [&str; 10] =
        ["car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian", "traffic_cone", "barrier"];
    let folder = tempfile::tempdir().unwrap();
    let place = project("tests/fixtures/nuscenes-eval/root");
    let root = Root::open(&place, None).unwrap();
    let tables = root.tables(&Choice::all(), &mut Faults::default()).unwrap();
    let truth = GroundTruth::new(&tables, &root.split("mini_val").unwrap(), ResultKind::Detection).unwrap();
    let place = place.display().to_string();
    let convert = |input: &str, more: &[&str]| {
        let out = sensorium(folder.path(), &[&["convert", input, "--root", &place, "--split", "mini_val"][..], more].concat());
        assert_eq!(out.status.code(), Some(0), "{}", error(&out));
    };
    let mut both = Vec::new();
    for order in ["lwh", "wlh"] {
        let mut samples = serde_json::Map::new();
        for frame in &truth.frames {
            let key = tables.key_frame(tables.samples.row(&frame.token).unwrap(), "LIDAR_TOP").unwrap();
            let back = global_from_sensor(&tables, key).unwrap().inverse();
            let objects = &truth.objects[frame.objects.clone()];
            let row = |o: &Object| {
                let centre = back * Point3::from(o.translation);
                let ahead = back.rotation * Vector3::new(o.yaw.cos(), o.yaw.sin(), 0.0);
                let (yaw, [w, l, h]) = (ahead.y.atan2(ahead.x), o.size);
                let bottom = [centre.x, centre.y, centre.z - h / 2.0];
                let rest = if order == "lwh" { [l, w, h, yaw] } else { [w, l, h, -yaw - std::f64::consts::FRAC_PI_2] };
                [&bottom[..], &rest[..], &[0.0, 0.0]].concat()
            };
            let label = |o: &Object| LABELS.iter().position(|l| *l == DETECTION_CLASSES[usize::from(o.class)]).unwrap();
            let entry = json!({ "boxes_3d": objects.iter().map(row).collect::<Vec<_>>(), "labels_3d": objects.iter().map(label).collect::<Vec<_>>(),
                "scores_3d": vec![0.5; objects.len()] });
            samples.insert(frame.token.to_string(), entry);
        }
        std::fs::write(folder.path().join("mm.json"), Value::Object(samples).to_string()).unwrap();
        convert("mm.json", &["--from", "mmdet3d", "--box-order", order, "--to", "nuscenes", "--output", "out.json"]);
        let arguments = ["eval", "detection", "--root", &place, "--split", "mini_val", "--results", "out.json", "--output", "m.json"];
        assert_eq!(sensorium(folder.path(), &arguments).status.code(), Some(0));
        let metrics = read(&folder.path().join("m.json"));
        assert!(metrics["tp_errors"]["trans_err"].as_f64().unwrap() < 1e-6 && metrics["tp_errors"]["scale_err"].as_f64().unwrap() < 1e-6);
        both.push([metrics["mean_ap"].as_f64().unwrap(), metrics["tp_errors"]["orient_err"].as_f64().unwrap()]);
    }
    let perfect = read(&project("tests/fixtures/nuscenes-eval/expected/perfect__mini_val.json"))["metrics"]["mean_ap"].as_f64().unwrap();
    assert!(both.iter().all(|[ap, turn]| (ap - perfect).abs() < 1e-9 && *turn < 2e-3), "{both:?} {perfect}");

    convert("out.json", &["--from", "nuscenes", "--to", "coco", "--output", "coco.json"]);
    let coco = read(&folder.path().join("coco.json"));
    let (images, found) = (coco["images"].as_array().unwrap(), coco["annotations"].as_array().unwrap());
    assert_eq!((images.len(), coco["categories"].as_array().unwrap().len()), (truth.frames.len() * 6, 10));
    assert!(found.len() > 100);
    for one in found {
        let image = images.iter().find(|i| i["id"] == one["image_id"]).unwrap();
        let [x, y, w, h] = [0, 1, 2, 3].map(|i| one["bbox"][i].as_f64().unwrap());
        let (width, height) = (image["width"].as_f64().unwrap(), image["height"].as_f64().unwrap());
        assert!(x >= 0.0 && y >= 0.0 && w >= 1.0 && h >= 1.0 && x + w <= width + 1e-6 && y + h <= height + 1e-6, "{one}");
    }
    convert("out.json", &["--from", "nuscenes", "--to", "kitti", "--output", "kitti"]);
    let mut lines = 0;
    for entry in std::fs::read_dir(folder.path().join("kitti/CAM_FRONT")).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let numbers: Vec<f64> = line.split(' ').skip(1).map(|w| w.parse().unwrap()).collect();
            // Type and 15 numbers; the bottom lies before the camera, and the rectangle around its middle.
            assert!(numbers.len() == 15 && numbers[12] > 0.0 && numbers[3] < numbers[5] && numbers[4] < numbers[6], "{line}");
            lines += 1;
        }
    }
    assert!(lines > 20, "{lines}");
    // And back: what a camera has in it is where it was, once.
    convert("kitti", &["--from", "kitti", "--to", "nuscenes", "--output", "back.json"]);
    let (before, after) = (read(&folder.path().join("out.json")), read(&folder.path().join("back.json")));
    let mut met = 0;
    for (token, boxes) in after["results"].as_object().unwrap() {
        let number = |b: &Value, key: &str, at: usize| b[key][at].as_f64().unwrap();
        for found in boxes.as_array().unwrap() {
            let near = before["results"][token].as_array().unwrap().iter().filter(|b| {
                let off = |key: &str| (0..3).map(|at| (number(b, key, at) - number(found, key, at)).abs()).fold(0.0, f64::max);
                let dot: f64 = (0..4).map(|at| number(b, "rotation", at) * number(found, "rotation", at)).sum();
                b["detection_name"] == found["detection_name"] && off("translation") < 0.01 && off("size") < 1e-3 && dot.abs() > 0.999
            });
            assert_eq!(near.count(), 1, "{found}");
            met += 1;
        }
    }
    let all: usize = before["results"].as_object().unwrap().values().map(|b| b.as_array().unwrap().len()).sum();
    assert!(met > all / 2 && met <= all, "{met} of {all}");
}

#[test]
fn one_command_runs_scores_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["datasets", "configs"] {
        std::os::unix::fs::symlink(project(name), folder.path().join(name)).unwrap();
    }
    let run = sensorium(folder.path(), &["run", "configs/nuscenes_fuller.toml", "--viewer", "none", "--format", "json"]);
    assert_eq!(run.status.code(), Some(0), "{}", error(&run));
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let evaluation = &told["evaluation"];
    assert_eq!((&evaluation["samples"], &evaluation["detection"]["samples_without_results"]), (&json!(5), &json!(0)));
    assert!(evaluation["tracking"]["amota"].is_number() && evaluation["map"]["skipped"].as_str().unwrap().contains("maps/expansion"));
    let place = folder.path().join("runs/nuscenes_fuller/0001/evaluation");
    let page = std::fs::read_to_string(place.join("report/index.html")).unwrap();
    assert!(page.contains("Missed objects") && page.contains("pictures/000.jpg") && place.join("report/pictures/000.jpg").is_file());
    // What is left behind is what was scored.
    let results = place.join("detection_results.json").display().to_string();
    let again = sensorium(
        folder.path(),
        &["eval", "detection", "--root", "datasets/nuscenes", "--split", "mini_val", "--results", &results, "--output", "m.json"],
    );
    assert_eq!(again.status.code(), Some(0), "{}", error(&again));
    let (left, again) = (read(&place.join("metrics_summary.json")), read(&folder.path().join("m.json")));
    for key in ["label_aps", "mean_ap", "label_tp_errors", "tp_errors", "nd_score"] {
        assert_eq!(left[key], again[key], "{key}");
    }
    // A run that is stopped early leaves samples without results: they count, and it is said.
    let short = sensorium(folder.path(), &["run", "configs/nuscenes_fuller.toml", "--viewer", "none", "--format", "json", "--frames", "3"]);
    let told: Value = serde_json::from_slice(&short.stdout).unwrap();
    assert_eq!(told["evaluation"]["detection"]["samples_without_results"], 2, "{}", error(&short));
    assert!(error(&short).contains("2 of 5 samples"), "{}", error(&short));
}

#[test]
fn map_layers_of_a_run_are_scored_at_every_threshold() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(project("configs"), folder.path().join("configs")).unwrap();
    // A root with a map, LiDAR and cameras: the embedded world's.
    let export = ["world", "export", "--as", "nuscenes", "--output", "root", "--frames", "2", "--scene-frames", "2"];
    let made =
        sensorium(folder.path(), &[&export[..], &["--width", "160", "--height", "90", "--vehicles", "4", "--pedestrians", "2"]].concat());
    assert_eq!(made.status.code(), Some(0), "{}", error(&made));
    let run = |more: &[&str]| {
        let fixed = ["run", "configs/nuscenes_fuller.toml", "--viewer", "none", "--format", "json", "--set", "source.drive.root=root"];
        let run = sensorium(folder.path(), &[&fixed[..], &["--set", "evaluate.report=false"], more].concat());
        assert_eq!(run.status.code(), Some(0), "{}", error(&run));
        serde_json::from_slice::<Value>(&run.stdout).unwrap()["evaluation"]["map"].clone()
    };
    let map = run(&[]);
    assert!(map["note"].is_null() && map["skipped"].is_null(), "{map}");
    let at = |map: &Value, class: &str| {
        ["0.35", "0.40", "0.45", "0.50", "0.55", "0.60", "0.65"].map(|t| map[format!("map/{class}/iou@{t}")].as_f64().unwrap())
    };
    // An untrained network is of many minds: what counts as set changes with the threshold.
    let road = at(&map, "drivable_area");
    assert!(road.iter().zip(&road[1..]).filter(|(a, b)| (*a - *b).abs() > 1e-6).count() >= 3, "{road:?}");
    // The threshold of the stage is for what is drawn; it does not change the score.
    assert_eq!(at(&run(&["--set", "stage.fuller.map_threshold=0.9"]), "drivable_area"), road);
    // What is left behind is what was scored.
    let results = "runs/nuscenes_fuller/0001/evaluation/map";
    let arguments = ["eval", "map", "--root", "root", "--split", "mini_val", "--results", results, "--output", "m.json"];
    let again = sensorium(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(0), "{}", error(&again));
    let again = read(&folder.path().join("m.json"));
    for (key, value) in map.as_object().unwrap().iter().filter(|(key, _)| key.starts_with("map/")) {
        assert_eq!(*value, again[key], "{key}");
    }
}

#[test]
fn an_evaluation_that_cannot_be_is_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["datasets", "configs"] {
        std::os::unix::fs::symlink(project(name), folder.path().join(name)).unwrap();
    }
    let check = |set: &str| {
        let out = sensorium(folder.path(), &["check", "configs/nuscenes_fuller.toml", "--set", set]);
        assert_eq!(out.status.code(), Some(1), "{set}: {}", error(&out));
        String::from_utf8_lossy(&out.stdout).into_owned() + &error(&out)
    };
    assert!(check("evaluate.boxes=\"fulller\"").contains("did you mean `fuller`"));
    assert!(check("evaluate.boxs=\"fuller\"").contains("unknown field `boxs`"));
    assert!(check("source.drive.split=\"mini_vol\"").contains("did you mean `mini_val`"));
    let out = sensorium(folder.path(), &["check", "configs/kitti.toml", "--set", "evaluate.boxes=\"project\""]);
    assert!((String::from_utf8_lossy(&out.stdout).into_owned() + &error(&out)).contains("one source of kind `nuscenes`"));
}
