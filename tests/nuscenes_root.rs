//! The nuScenes loader against the public devkit's answers, and every fault by name. Data that is not there is skipped with a printed line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs
)]

#[path = "support/shared.rs"]
mod shared;

use sensorium::formats::nuscenes::map::{Patch, VectorMap};
use sensorium::formats::nuscenes::{Choice, Faults, Tables, Token, check_links, global_from_sensor};
use sensorium::sources::nuscenes::{Root, sweeps};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nuscenes-eval")).join(name)
}
fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
fn load(folder: &Path) -> (Root, Tables) {
    let (root, choice, mut faults) = (Root::open(folder, None).unwrap(), Choice::all(), Faults::default());
    let tables = root.tables(&choice, &mut faults).unwrap();
    check_links(&tables, &choice, &mut faults);
    assert!(faults.list().is_empty(), "{:?}", faults.list());
    (root, tables)
}
fn close(a: f64, b: &Value, tolerance: f64) -> bool {
    b.as_f64().map_or(a.is_nan(), |b| (a - b).abs() <= tolerance * b.abs().max(1.0))
}
fn sample(tables: &Tables, token: &Value) -> usize {
    tables.samples.row(&Token::new(token.as_str().unwrap())).unwrap()
}

#[test]
fn tables_chains_poses_and_velocities_are_the_devkits() {
    let (_, tables) = load(&fixture("root"));
    let expected = read(&fixture("loader/loader.json"));
    let count = |name: &str| expected["counts"][name].as_u64().unwrap() as usize;
    assert_eq!(tables.sample_data.rows().len(), count("sample_data"));
    assert_eq!(tables.annotations.rows().len(), count("sample_annotation"));
    assert_eq!((tables.instances.rows().len(), tables.ego_poses.rows().len()), (count("instance"), count("ego_pose")));
    let small = [tables.categories.rows().len(), tables.attributes.rows().len(), tables.visibilities.rows().len()];
    assert_eq!(small, ["category", "attribute", "visibility"].map(count));
    let rig = [tables.sensors.rows().len(), tables.calibrated.rows().len(), tables.logs.rows().len(), tables.scenes.rows().len()];
    assert_eq!(rig, ["sensor", "calibrated_sensor", "log", "scene"].map(count));
    assert_eq!(
        [tables.samples.rows().len(), tables.maps.rows().len(), tables.lidarseg.rows().len()],
        ["sample", "map", "lidarseg"].map(count)
    );
    for (scene, wanted) in tables.scenes.rows().iter().zip(expected["scenes"].as_array().unwrap()) {
        let tokens: Vec<String> = tables.samples_of(scene).iter().map(|row| tables.samples.rows()[*row].token.to_string()).collect();
        assert_eq!(json!(tokens), wanted["samples"]);
    }
    let mut unknown = 0;
    for (token, wanted) in expected["velocities"].as_object().unwrap() {
        let found = tables.velocity(tables.annotations.get(&Token::new(token)).unwrap());
        match wanted.as_array().filter(|w| !w[0].is_null()) {
            Some(wanted) => assert!(found.iter().zip(wanted).all(|(f, w)| close(*f, w, 1e-6)), "{token}: {found:?} {wanted:?}"),
            None => {
                unknown += 1;
                assert!(found[0].is_nan());
            }
        }
    }
    assert!(unknown > 0);
    for frame in expected["frames"].as_array().unwrap() {
        let row = sample(&tables, &frame["sample"]);
        for (channel, wanted) in frame["channels"].as_object().unwrap() {
            let data = tables.key_frame(row, channel).unwrap();
            assert_eq!(data.token.to_string(), wanted["sample_data"].as_str().unwrap());
            let found = global_from_sensor(&tables, data).unwrap().to_homogeneous();
            for (at, value) in wanted["global_from_sensor"].as_array().unwrap().iter().enumerate() {
                assert!(close(found[(at / 4, at % 4)], value, 1e-9), "{channel} {at}");
            }
        }
    }
}

#[test]
fn sweeps_are_put_together_as_the_devkit_does() {
    let Some(folder) = shared::shared("data/nuscenes-tiny") else { return };
    let (root, tables) = load(&folder);
    let mut clouds = 0;
    for frame in read(&fixture("loader/loader.json"))["frames"].as_array().unwrap() {
        let row = sample(&tables, &frame["sample"]);
        for wanted in frame["multisweep"].as_array().unwrap() {
            let count = wanted["nsweeps"].as_u64().unwrap() as usize;
            let found = sweeps::aggregate(&root, &tables, row, "LIDAR_TOP", count, 1.0).unwrap();
            assert_eq!(json!(found.counts), wanted["per_sweep"]);
            assert_eq!(found.points.len() as u64, wanted["points"].as_u64().unwrap());
            let lags = wanted["time_lag"].as_array().unwrap();
            assert!(found.lags.len() == lags.len() && found.lags.iter().zip(lags).all(|(f, w)| close(*f, w, 1e-6)), "{:?}", found.lags);
            for axis in 0..4 {
                let sum: f64 = found.points.iter().map(|p| f64::from(p[axis])).sum();
                assert!(close(sum, &wanted["sum_xyzi"][axis], 1e-6), "axis {axis}: {sum} {}", wanted["sum_xyzi"][axis]);
            }
            for (point, wanted) in found.points.iter().zip(wanted["first_points"].as_array().unwrap()) {
                assert!(point.iter().zip(wanted.as_array().unwrap()).all(|(p, w)| close(f64::from(*p), w, 1e-6)), "{point:?} {wanted}");
            }
            clouds += 1;
        }
    }
    assert!(clouds >= 12);
}

fn map(location: &str) -> VectorMap {
    let name = format!("maps/expansion/{location}.json");
    let mut faults = Faults::default();
    let map = VectorMap::read(&fs::read(fixture("root").join(&name)).unwrap(), &name, &mut faults);
    assert!(faults.list().is_empty(), "{:?}", faults.list());
    map
}

#[test]
fn masks_are_the_devkits_cell_for_cell() {
    let expected = read(&fixture("loader/loader.json"));
    let (mut set, mut masks, mut wrong) = (0, 0, Vec::new());
    for wanted in expected["maps"].as_array().unwrap().iter().chain(expected["maps_line_in_pieces"].as_array().unwrap()) {
        let [x, y, height, width] = [0, 1, 2, 3].map(|i| wanted["patch_box_xyhw"][i].as_f64().unwrap());
        let [rows, columns] = [0, 1].map(|i| wanted["canvas_hw"][i].as_u64().unwrap() as usize);
        // As the devkit does: degrees by pi by 180, in this order.
        let angle = wanted["patch_angle_deg"].as_f64().unwrap() * std::f64::consts::PI / 180.0;
        let patch = Patch { centre: [x, y], size: [width, height], angle, canvas: [columns, rows] };
        let map = map(wanted["location"].as_str().unwrap());
        let picture = image::open(fixture("loader").join(wanted["png"].as_str().unwrap())).unwrap().to_luma8().into_raw();
        let layers = wanted["layers"].as_array().unwrap();
        for (index, (layer, truth)) in layers.iter().zip(picture.chunks_exact(rows * columns)).enumerate() {
            let found = map.mask(layer.as_str().unwrap(), &patch);
            let differ = found.iter().zip(truth).filter(|(f, t)| (**f > 0) != (**t > 0)).count();
            let count = found.iter().filter(|v| **v > 0).count();
            if let Some(counts) = wanted["counts"].as_array().filter(|_| differ == 0) {
                assert_eq!(json!(count), counts[index], "{} {layer}", wanted["png"]);
            }
            if differ > 0 {
                wrong.push(format!("{} {layer}: {differ} of {count}", wanted["png"]));
            }
            (set, masks) = (set + count, masks + 1);
        }
    }
    println!("{set} cells in {masks} masks");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(set > 200_000 && masks == 82, "{set} cells in {masks} masks");
}

#[test]
fn layers_are_found_at_points() {
    let mut asked = 0;
    for (location, points) in read(&fixture("loader/loader.json"))["on_point"].as_object().unwrap() {
        let map = map(location);
        for point in points.as_array().unwrap() {
            let at = [point["x"].as_f64().unwrap(), point["y"].as_f64().unwrap()];
            for (layer, token) in point["layers"].as_object().unwrap() {
                assert_eq!(map.at_point(layer, at).map_or("", |f| &f.token), token.as_str().unwrap(), "{location} {layer} {at:?}");
                asked += 1;
            }
        }
    }
    assert!(asked > 100);
}

/// A copy of a root whose files are links to the original's.
fn linked(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            linked(&entry.path(), &target);
        } else {
            std::os::unix::fs::symlink(entry.path(), target).unwrap();
        }
    }
}

/// Python's bare numbers, which JSON has no words for, as marked text.
fn value(of: &Value) -> Value {
    match of.get("float").and_then(Value::as_str) {
        Some(name) => json!(format!("@{name}@")),
        None => of.clone(),
    }
}
fn python(value: &Value) -> String {
    value.to_string().replace("\"@nan@\"", "NaN").replace("\"@inf@\"", "Infinity")
}
fn at<'v>(mut value: &'v mut Value, path: &[Value]) -> &'v mut Value {
    for key in path {
        value = match key.as_u64() {
            Some(index) => &mut value[index as usize],
            None => &mut value[key.as_str().unwrap()],
        };
    }
    value
}

/// Applies one edit of `malformed.json` to a file.
fn edit(path: &Path, op: &Value) {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    let number = |key: &str| op[key].as_u64().unwrap() as usize;
    let keys: Vec<Value> = op["at"].as_array().cloned().unwrap_or_default();
    let tree = || -> Value { serde_json::from_slice(&bytes).unwrap() };
    let changed: Vec<u8> = match op["op"].as_str().unwrap() {
        "remove_file" => return,
        "truncate" => bytes[..number("bytes")].to_vec(),
        "drop_tail" => bytes[..bytes.len() - number("bytes")].to_vec(),
        "set_f32" => {
            let (mut bytes, at) = (bytes.clone(), 4 * number("index"));
            bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
            bytes
        }
        "replace_text" => {
            let find = op["find"].as_str().unwrap().as_bytes();
            let start = bytes.windows(find.len()).position(|w| w == find).unwrap();
            let end = start + bytes[start..].iter().position(|b| *b == b'\n').unwrap();
            [&bytes[..start], op["value"].as_str().unwrap().as_bytes(), &bytes[end..]].concat()
        }
        "set" => {
            let mut tree = tree();
            let (last, head) = match keys.split_last() {
                Some(split) => split,
                None => {
                    fs::write(path, python(&op["value"])).unwrap();
                    return;
                }
            };
            let parent = at(&mut tree, head);
            match last.as_u64() {
                Some(index) => parent[index as usize] = value(&op["value"]),
                None => parent[last.as_str().unwrap()] = value(&op["value"]),
            }
            python(&tree).into_bytes()
        }
        "delete" => {
            let mut tree = tree();
            let (last, head) = keys.split_last().unwrap();
            at(&mut tree, head).as_object_mut().unwrap().shift_remove(last.as_str().unwrap());
            tree.to_string().into_bytes()
        }
        "append_copy" => {
            let mut tree = tree();
            let copy = at(&mut tree, &keys).clone();
            tree.as_array_mut().unwrap().push(copy);
            tree.to_string().into_bytes()
        }
        "repeat" => {
            let mut tree = tree();
            let list = at(&mut tree, &keys).as_array_mut().unwrap();
            *list = list.iter().cycle().take(number("count")).cloned().collect();
            tree.to_string().into_bytes()
        }
        "empty_all" => {
            let mut tree = tree();
            tree["results"].as_object_mut().unwrap().values_mut().for_each(|v| *v = json!([]));
            tree.to_string().into_bytes()
        }
        "duplicate_key" => {
            let text = tree().to_string();
            let end = text.rfind("}}").filter(|_| text.ends_with("}}")).unwrap_or(0);
            let key = keys[1].as_str().unwrap();
            // `results` may not be the last member: the second key goes right after its opening bracket's first member.
            let open = text.find("\"results\":{").unwrap() + "\"results\":{".len();
            let _ = end;
            let mut depth = 1;
            let close = open
                + text[open..]
                    .char_indices()
                    .find(|(_, c)| {
                        depth += match c {
                            '{' | '[' => 1,
                            '}' | ']' => -1,
                            _ => 0,
                        };
                        depth == 0
                    })
                    .unwrap()
                    .0;
            format!("{},\"{key}\":{}{}", &text[..close], op["value"], &text[close..]).into_bytes()
        }
        "use_file" => fs::read(fixture(op["value"].as_str().unwrap())).unwrap(),
        other => panic!("{other}"),
    };
    fs::write(path, changed).unwrap();
}

fn check(root: &Path, results: Option<&Path>) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sensorium"));
    command.args(["check", "--format", "json", "--data"]).arg(root);
    if let Some(results) = results {
        command.args(["--split", "mini_val", "--results"]).arg(results);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {said}")), output.status.code().unwrap())
}

#[test]
fn every_fault_is_found_and_named() {
    let Some(whole) = shared::shared("data/nuscenes-tiny") else { return };
    let list = read(&fixture("malformed.json"));
    let mut tried = 0;
    for case in list["cases"].as_array().unwrap() {
        let (id, ours) = (case["id"].as_str().unwrap(), case["ours"].as_str().unwrap());
        let copy = TempDir::new().unwrap();
        let root = copy.path().join("root");
        linked(&whole, &root);
        let results = copy.path().join("results.json");
        fs::copy(fixture(list["result"].as_str().unwrap()), &results).unwrap();
        let mut named = None;
        for op in case["ops"].as_array().unwrap() {
            let file = op["file"].as_str().unwrap();
            let path = if file == "RESULT" { results.clone() } else { root.join(file) };
            if let (true, Some(row), Some(field)) = (file.starts_with("v1.0"), op["at"][0].as_u64(), op["at"][1].as_str()) {
                named = Some((read(&path)[row as usize]["token"].as_str().unwrap().to_owned(), field.to_owned()));
            }
            edit(&path, op);
        }
        let (report, code) = check(&root, Some(&results));
        let problems = report["problems"].as_array().unwrap();
        let kinds: Vec<String> =
            problems.iter().map(|p| format!("{}/{}", p["kind"].as_str().unwrap(), p["severity"].as_str().unwrap())).collect();
        let name = ours.split([' ', ',']).next().unwrap();
        if ours.starts_with("accept") {
            assert!(code == 0 && !kinds.iter().any(|k| k.ends_with("/error")), "{id} {ours}: {problems:?}");
        } else {
            let severity = if ours.contains("(warning)") { "warning" } else { "error" };
            assert!(kinds.contains(&format!("{name}/{severity}")), "{id} wanted {ours}, found {kinds:?}");
            assert_eq!(code, i32::from(severity == "error"), "{id}");
            let of_kind = problems.iter().filter(|p| p["kind"] == name);
            assert!(of_kind.clone().all(|p| !p["file"].as_str().unwrap().is_empty() && !p["found"].as_str().unwrap().is_empty()), "{id}");
            // Where one record was edited, that record and field are named (a missing sensor or a shared time shows elsewhere).
            let elsewhere = ["MissingKeyFrame", "EmptySplit", "BadTimestamp", "DuplicateToken"].contains(&name) || id == "T24";
            if let Some((token, field)) = named.filter(|_| !elsewhere) {
                let hit = |p: &Value| p["token"] == token && p["field"].as_str().unwrap().starts_with(&field);
                assert!(of_kind.clone().any(hit), "{id} wanted {token} {field}: {problems:?}");
            }
        }
        tried += 1;
    }
    assert_eq!(tried, 74);
    let (report, code) = check(&whole, Some(&fixture("results/noisy.json")));
    assert!(code == 0 && report["problems"] == json!([]), "{report}");
}
