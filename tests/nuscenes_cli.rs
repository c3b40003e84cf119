//! The nuScenes verbs as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nuscenes-eval")).join(name)
}
fn sensorium(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).output().unwrap()
}
fn eval(verb: &str, more: &[&str]) -> Output {
    let root = fixture("root");
    let mut arguments = vec!["eval", verb, "--root", root.to_str().unwrap(), "--split", "mini_val"];
    arguments.extend(more);
    sensorium(&arguments)
}
fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_report_has_its_figures_and_break_downs() {
    let folder = TempDir::new().unwrap();
    let (metrics, details, page) = (folder.path().join("m.json"), folder.path().join("d.json"), folder.path().join("page"));
    let results = fixture("results/noisy.json");
    let paths = [&results, &metrics, &details, &page].map(|p| p.to_str().unwrap());
    let output = eval("detection", &["--results", paths[0], "--output", paths[1], "--details", paths[2], "--report", paths[3]]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = json(&metrics);
    let expected = json(&fixture("expected/noisy__mini_val.json"));
    assert!((report["mean_ap"].as_f64().unwrap() - expected["metrics"]["mean_ap"].as_f64().unwrap()).abs() < 1e-6);
    assert_eq!(report["by_scene"].as_array().unwrap().len(), 2);
    let rings = report["by_distance"].as_array().unwrap();
    let scene_objects: u64 = report["by_scene"].as_array().unwrap().iter().map(|p| p["objects"].as_u64().unwrap()).sum();
    assert_eq!(rings.iter().map(|p| p["objects"].as_u64().unwrap()).sum::<u64>(), scene_objects, "every object lies in one ring");
    assert_eq!(json(&details)["car:2.0"]["recall"].as_array().unwrap().len(), 101);
    let html = fs::read_to_string(page.join("index.html")).unwrap();
    assert!(html.contains("Missed objects") && html.contains("precision_recall.svg"));
    for figure in ["precision_recall.svg", "errors.svg"] {
        let svg = fs::read_to_string(page.join(figure)).unwrap();
        assert!(svg.starts_with("<svg") && svg.matches("<polyline").count() > 20, "{figure}");
    }
}

#[test]
fn a_comparison_repeats_with_its_seed_and_sees_which_is_better() {
    let folder = TempDir::new().unwrap();
    let compare = |a: &str, b: &str, name: &str| {
        let (out, a, b) = (folder.path().join(name), fixture("results").join(a), fixture("results").join(b));
        let paths = [&a, &b, &out].map(|p| p.to_str().unwrap());
        let output = eval("detection", &["--compare", paths[0], paths[1], "--output", paths[2], "--draws", "50", "--seed", "3"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        json(&out)
    };
    let better = compare("noisy.json", "perfect.json", "1.json");
    let row = &better["rows"]["NDS"];
    assert!(row["interval_95"][0].as_f64().unwrap() > 0.0 && row["second_higher"] == 1.0, "{row}");
    assert_eq!(better["rows"], compare("noisy.json", "perfect.json", "2.json")["rows"]);
    assert_eq!(compare("noisy.json", "noisy.json", "3.json")["rows"]["mAP"]["interval_95"], serde_json::json!([0.0, 0.0]));
}

#[test]
fn submissions_that_are_written_are_taken_and_score_the_same() {
    let folder = TempDir::new().unwrap();
    let root = fixture("root");
    let convert = |from: &str, to: &str, name: &str| {
        let out = folder.path().join(name);
        let (root, out_text) = (root.to_str().unwrap(), out.to_str().unwrap().to_owned());
        let output =
            sensorium(&["convert", from, "--from", "nuscenes", "--to", to, "--root", root, "--split", "mini_val", "--output", &out_text]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        out
    };
    let noisy = fixture("results/noisy.json");
    let copy = convert(noisy.to_str().unwrap(), "nuscenes", "copy.json");
    let metrics = folder.path().join("m.json");
    let output = eval("detection", &["--results", copy.to_str().unwrap(), "--output", metrics.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    // Samples are in another order now, which only breaks ties otherwise.
    let expected = json(&fixture("expected/noisy__mini_val.json"))["metrics"]["nd_score"].as_f64().unwrap();
    assert!((json(&metrics)["nd_score"].as_f64().unwrap() - expected).abs() < 1e-3);
    let coco = json(&convert(noisy.to_str().unwrap(), "coco", "coco.json"));
    assert_eq!(coco["images"].as_array().unwrap().len(), 120);
    for found in coco["annotations"].as_array().unwrap() {
        let edge = |at: usize| found["bbox"][at].as_f64().unwrap();
        assert!(edge(0) >= 0.0 && edge(1) >= 0.0 && edge(0) + edge(2) <= 320.0 && edge(1) + edge(3) <= 180.0, "{found}");
    }
    let kitti = convert(noisy.to_str().unwrap(), "kitti", "kitti").join("CAM_FRONT");
    let lines: Vec<String> = fs::read_dir(kitti)
        .unwrap()
        .flatten()
        .flat_map(|f| fs::read_to_string(f.path()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(lines.len() > 100 && lines.iter().all(|l| l.split(' ').count() == 16), "{:?}", lines.first());
}

#[test]
fn what_the_devkit_takes_in_silence_is_refused_unless_asked_for() {
    let folder = TempDir::new().unwrap();
    let (bad, out) = (folder.path().join("bad.json"), folder.path().join("m.json"));
    let text = fs::read_to_string(fixture("results/perfect.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    let boxes = results["results"].as_object_mut().unwrap().values_mut().next().unwrap();
    boxes[0].as_object_mut().unwrap().remove("detection_score");
    fs::write(&bad, results.to_string()).unwrap();
    let arguments = ["--results", bad.to_str().unwrap(), "--output", out.to_str().unwrap()];
    let output = eval("detection", &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).starts_with("error: ") && said(&output).contains("MissingField") && !out.exists(), "{}", said(&output));
    let output = eval("detection", &[&arguments[..], &["--compatible"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(out.exists() && said(&output).contains("MissingField"));
    let root = fixture("root");
    let wrong = ["eval", "detection", "--root", root.to_str().unwrap(), "--split", "mini_vall"];
    let output = sensorium(&[&wrong[..], &arguments[..]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean `mini_val`"), "{}", said(&output));
}
