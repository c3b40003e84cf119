//! Evaluators of nuScenes results against the public devkit's numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::eval::nuscenes::detection::Detection;
use sensorium::eval::nuscenes::lidarseg::{CLASSES, PointClasses, PointConfusion};
use sensorium::eval::nuscenes::map_iou::MapCounts;
use sensorium::eval::nuscenes::matching::match_all;
use sensorium::eval::nuscenes::panoptic::PanopticCounts;
use sensorium::eval::nuscenes::predictions::Predictions;
use sensorium::eval::nuscenes::tracking::Tracking;
use sensorium::eval::nuscenes::truth::GroundTruth;
use sensorium::formats::nuscenes::{Choice, Faults, Reading, ResultFile, ResultKind, Tables, check_links};
use sensorium::sources::nuscenes::Root;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-6;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nuscenes-eval")).join(name)
}
fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
fn root() -> Root {
    Root::open(&fixture("root"), None).unwrap()
}
fn tables() -> Tables {
    let (choice, mut faults) = (Choice::all(), Faults::default());
    let tables = root().tables(&choice, &mut faults).unwrap();
    check_links(&tables, &choice, &mut faults);
    assert!(faults.list().is_empty(), "{:?}", faults.list().first());
    tables
}
fn results(name: &str, kind: ResultKind) -> ResultFile {
    let path = fixture("results").join(name);
    let mut faults = Faults::default();
    let file = ResultFile::read(fs::File::open(path).unwrap(), Reading { kind, file: name, compatible: false }, &mut faults);
    assert!(faults.list().is_empty(), "{:?}", faults.list().first());
    file
}

/// Every number of `wanted` that `found` does not give within the tolerance; null is NaN.
fn differences(wanted: &Value, found: &Value, path: &str, out: &mut Vec<String>) -> usize {
    match wanted {
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| differences(v, found.get(k).unwrap_or(&Value::String("missing".into())), &format!("{path}.{k}"), out))
            .sum(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| differences(v, found.get(i).unwrap_or(&Value::String("missing".into())), &format!("{path}.{i}"), out))
            .sum(),
        Value::Null => {
            if !found.is_null() {
                out.push(format!("{path}: wanted NaN, found {found}"));
            }
            1
        }
        Value::Number(n) => {
            let close = found.as_f64().is_some_and(|f| (f - n.as_f64().unwrap()).abs() <= TOLERANCE);
            if !close {
                out.push(format!("{path}: wanted {n}, found {found}"));
            }
            1
        }
        _ => 0,
    }
}

fn detection(result: &str, split: &str) -> (Detection, GroundTruth, Vec<[usize; 2]>) {
    let split = root().split(split).unwrap();
    let truth = GroundTruth::new(&tables(), &split, ResultKind::Detection).unwrap();
    let file = results(result, ResultKind::Detection);
    let predictions = Predictions::new(&file, &truth, split.official);
    let left = (0_u8..10).map(|c| [truth.count(c), predictions.by_class[usize::from(c)].len()]).collect();
    (Detection::new(&match_all(&truth, &predictions)), truth, left)
}

#[test]
fn detection_numbers_are_the_devkits() {
    let mut compared = 0;
    for entry in fs::read_dir(fixture("expected")).unwrap().flatten() {
        let expected = json(&entry.path());
        if expected.get("boxes_after_filters").is_none() && expected.get("natural_limit").is_none() {
            continue;
        }
        let (result, split) = (expected["result"].as_str().unwrap(), expected["split"].as_str().unwrap());
        let (metrics, _, left) = detection(result, split);
        let found = metrics.summary(&serde_json::Map::new(), 0.0);
        let wanted = if expected["metrics"].is_object() { &expected["metrics"] } else { &expected["natural_limit"] };
        let mut wrong = Vec::new();
        let count = differences(wanted, &found, "", &mut wrong);
        assert!(count >= 112, "{result} {split}: only {count} numbers");
        assert!(wrong.is_empty(), "{result} on {split}: {} of {count}: {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
        if let Some(boxes) = expected.get("boxes_after_filters") {
            for (class, [truths, predicted]) in sensorium::formats::nuscenes::DETECTION_CLASSES.iter().zip(left) {
                assert_eq!(boxes["gt"][class].as_u64().unwrap_or(0), truths as u64, "{result} {split} {class}");
                assert_eq!(boxes["pred"][class].as_u64().unwrap_or(0), predicted as u64, "{result} {split} {class}");
            }
        }
        compared += count;
    }
    println!("{compared} numbers agree");
    assert!(compared >= 14 * 112);
}

#[test]
fn curves_are_the_devkits_point_by_point() {
    for result in ["noisy", "ties"] {
        let expected = json(&fixture("expected").join(format!("{result}__mini_val__curves.json")));
        let found = detection(&format!("{result}.json"), "mini_val").0.details();
        let mut wrong = Vec::new();
        let mut count = 0;
        for (class, curves) in expected["curves"].as_object().unwrap() {
            count += differences(curves, &found[format!("{class}:2.0")], class, &mut wrong);
        }
        assert!(count > 3000 && wrong.is_empty(), "{result}: {} of {count}: {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
    }
}

#[test]
fn tracking_numbers_are_the_devkits() {
    let expected = json(&fixture("expected/tracking_noisy__mini_val.json"));
    let split = root().split("mini_val").unwrap();
    let truth = GroundTruth::new(&tables(), &split, ResultKind::Tracking).unwrap();
    let file = results("tracking_noisy.json", ResultKind::Tracking);
    let found = Tracking::new(&truth, &Predictions::new(&file, &truth, true)).summary(&serde_json::Map::new(), 0.0);
    let mut wrong = Vec::new();
    let count = differences(&expected["metrics"], &found, "", &mut wrong);
    assert!(count >= 17 * 8, "{count}");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
}

#[test]
fn point_label_numbers_are_the_devkits() {
    let expected = json(&fixture("expected/lidarseg__mini_val.json"));
    let (tables, mut counts) = (tables(), PointConfusion::default());
    let classes = PointClasses::new(&tables.categories).unwrap();
    for label in tables.lidarseg.rows() {
        let truth = root().bytes(&label.filename).unwrap();
        let predicted = fixture("results/lidarseg/mini_val").join(format!("{}_lidarseg.bin", label.sample_data_token));
        counts.add(&classes, &truth, &fs::read(predicted).unwrap()).unwrap();
    }
    let scores = counts.scores();
    let found = serde_json::json!({
        "confusion_matrix_rows_gt_cols_pred": counts.counts.map(|r| r.to_vec()).to_vec(),
        "iou_per_class": CLASSES.iter().zip(scores.iou).map(|(n, v)| (n.to_string(), v.into())).collect::<serde_json::Map<_, Value>>(),
        "miou": scores.mean, "freq_weighted_iou": scores.weighted,
    });
    let mut wrong = Vec::new();
    let count = differences(&expected, &found, "", &mut wrong);
    assert!(count >= 289 + 19 && wrong.is_empty(), "{count}: {wrong:#?}");
    assert!(counts.add(&classes, &[0, 1], &[1]).unwrap_err().to_string().contains("LabelCountMismatch"));
    assert!(counts.add(&classes, &[0, 1], &[1, 0]).unwrap_err().to_string().contains("1 to 16"));
}

#[test]
fn panoptic_numbers_are_the_devkits() {
    let expected = json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/panoptic.json"));
    let classes = PointClasses::new(&tables().categories).unwrap();
    let labels = |scan: &Value, key: &str| -> Vec<u16> { serde_json::from_value(scan[key].clone()).unwrap() };
    let mut total = PanopticCounts::default();
    for scan in expected["scans"].as_array().unwrap() {
        let mut counts = PanopticCounts::default();
        counts.add(&classes, &labels(scan, "truth"), &labels(scan, "predicted")).unwrap();
        total.merge(&counts);
    }
    let mut wrong = Vec::new();
    let count = differences(&expected["segmentation"], &total.summary(), "", &mut wrong);
    assert!(count == 5 + 17 * 4 && wrong.is_empty(), "{count}: {wrong:#?}");
    assert!(total.add(&classes, &[17_001, 17_001], &[4_001]).unwrap_err().to_string().contains("LabelCountMismatch"));
    assert!(total.add(&classes, &[17_001], &[17_001]).unwrap_err().to_string().contains("0 to 16"));
}

#[test]
fn map_ious_are_bevfusions() {
    let expected = &json(&fixture("loader/loader.json"))["bev_seg"];
    let cells = 200 * 200;
    let mut counts = MapCounts::default();
    for frame in expected["frames"].as_array().unwrap() {
        let picture = |key: &str| image::open(fixture("loader").join(frame[key].as_str().unwrap())).unwrap().to_luma8().into_raw();
        let (truth, predicted) = (picture("gt_png"), picture("pred_png"));
        for class in 0..6 {
            let of = |all: &[u8]| all[class * cells..(class + 1) * cells].to_vec();
            counts.add(class, of(&predicted).iter().map(|v| f32::from(*v) / 255.0), of(&truth).iter().map(|v| *v > 0));
        }
    }
    let mut wrong = Vec::new();
    let count = differences(&expected["metrics"], &counts.summary(), "", &mut wrong);
    assert!(count == 49 && wrong.is_empty(), "{count}: {wrong:#?}");
}
