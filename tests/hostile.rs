//! Seeded mutations of the files that have no other test of this kind: configurations, fragment sets, nuScenes roots, maps, labels and results.
//! They may be refused, but nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs
)]

#[path = "support/dice.rs"]
mod dice;

use dice::Dice;
use sensorium::config::{Document, Plan, Registry};
use sensorium::eval::nuscenes::detection::Detection;
use sensorium::eval::nuscenes::matching::match_all;
use sensorium::eval::nuscenes::predictions::Predictions;
use sensorium::eval::nuscenes::tracking::Tracking;
use sensorium::eval::nuscenes::truth::GroundTruth;
use sensorium::formats::fragments::{Found, PairsFile, SetFile, parse};
use sensorium::formats::npz;
use sensorium::formats::nuscenes::map::{Patch, VectorMap};
use sensorium::formats::nuscenes::{Choice, Faults, Reading, ResultFile, ResultKind, Token, bus_poses};
use sensorium::runtime::{Cx, Mode, Source};
use sensorium::sources::NuscenesConfig;
use sensorium::sources::nuscenes::{Root, check::check};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Flips, inserts, cuts or repeats bytes, or moves whole numbers to their ends.
fn mutate(dice: &mut Dice, original: &[u8]) -> Vec<u8> {
    let mut out = original.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(out.len());
        match dice.below(8) {
            0 | 1 if !out.is_empty() => out[at] ^= 1 << dice.below(7),
            2 | 3 if !out.is_empty() => out[at] = b"0123456789.-\"'[]{}=,:#\n e"[dice.below(25)],
            4 => out.truncate(at),
            5 => {
                let number = [&b"-1"[..], b"1e400", b"nan", b"18446744073709551616", b"0", b"\"\"", b"[]"][dice.below(7)];
                let end = (at..out.len()).find(|i| !out[*i].is_ascii_digit()).unwrap_or(out.len());
                out.splice(at..end, number.iter().copied());
            }
            _ => {
                let end = (at + dice.below(24)).min(out.len());
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
        }
    }
    out
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn mutated_configurations_never_panic_and_every_problem_is_one_line() {
    let mut texts: Vec<(PathBuf, Vec<u8>)> =
        fs::read_dir(root().join("configs")).unwrap().map(|e| e.unwrap().path()).map(|p| (p.clone(), fs::read(p).unwrap())).collect();
    texts.sort();
    let (registry, mut dice) = (Registry::default(), Dice(5));
    let (mut sound, mut faulty, mut unread) = (0, 0, 0);
    for round in 0..4000 {
        let (path, text) = &texts[round % texts.len()];
        let text = String::from_utf8_lossy(&mutate(&mut dice, text)).into_owned();
        match Document::parse(&text, path) {
            Err(error) => {
                unread += 1;
                assert_eq!(error.to_string().trim().lines().count(), 1, "{error}");
            }
            Ok(document) => match Plan::of(&document, &registry) {
                Ok(_) => sound += 1,
                Err(problems) => {
                    faulty += 1;
                    assert!(!problems.is_empty());
                    for problem in problems {
                        assert_eq!(problem.to_string().trim().lines().count(), 1, "{problem}");
                    }
                }
            },
        }
    }
    println!("{sound} sound, {faulty} with faults, {unread} that are no TOML");
    assert!(sound > 500 && faulty > 300 && unread > 300, "{sound} {faulty} {unread}");
}

#[test]
fn mutated_fragment_sets_never_panic() {
    let text = fs::read(root().join("datasets/fragments/set.json")).unwrap();
    let place = Path::new("set.json");
    parse::<SetFile>(&text, place).unwrap().check(place).unwrap();
    let (mut dice, mut read, mut refused) = (Dice(9), 0, 0);
    for _ in 0..4000 {
        let bytes = mutate(&mut dice, &text);
        match parse::<SetFile>(&bytes, place).and_then(|set| set.check(place)) {
            Ok(()) => read += 1,
            Err(error) => {
                refused += 1;
                assert_eq!(error.to_string().trim().lines().count(), 1, "{error}");
            }
        }
        // A file of another kind is refused by its first field that does not fit.
        assert!(parse::<PairsFile>(&bytes, place).is_err() || parse::<Found>(&bytes, place).is_err());
    }
    assert!(read > 100 && refused > 1000, "{read} {refused}");
}

/// One line, with nothing of a panic in it.
fn one_line(text: &str) {
    assert!(text.trim().lines().count() == 1 && !text.contains("panic"), "{text}");
}

#[test]
fn mutated_tables_of_a_root_never_panic() {
    let (from, copy) = (root().join("datasets/nuscenes"), tempfile::tempdir().unwrap());
    let tables = copy.path().join("v1.0-mini");
    fs::create_dir(&tables).unwrap();
    std::os::unix::fs::symlink(from.join("samples"), copy.path().join("samples")).unwrap();
    let mut texts: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(from.join("v1.0-mini"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| (tables.join(p.file_name().unwrap()), fs::read(p).unwrap()))
        .collect();
    texts.push((tables.join("splits.json"), br#"{"night": ["scene-0103"], "day": []}"#.to_vec()));
    texts.sort();
    texts.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
    let config = NuscenesConfig { split: Some("night".into()), ..NuscenesConfig::new(copy.path()) };
    let (cx, mut dice) = (Cx::alone(Mode::Offline), Dice(13));
    let (mut built, mut refused, mut checked) = (0, 0, 0);
    for round in 0..4200 {
        let (path, text) = &texts[round % texts.len()];
        fs::write(path, mutate(&mut dice, text)).unwrap();
        match config.clone().build() {
            Ok(mut source) => {
                built += 1;
                for _ in 0..4 {
                    source.next(&cx).unwrap();
                }
            }
            Err(error) => {
                refused += 1;
                one_line(&error.to_string());
            }
        }
        if round % 7 == 0
            && let Ok(root) = Root::open(copy.path(), None)
        {
            let (_, faults) = check(&root, |_| (), &|| ()).unwrap();
            faults.list().iter().for_each(|fault| one_line(&fault.to_string()));
            checked += 1;
        }
        fs::write(path, text).unwrap();
    }
    println!("{built} built, {refused} refused, {checked} checked");
    assert!(built > 100 && refused > 100 && checked > 100, "{built} {refused} {checked}");
}

#[test]
fn mutated_results_never_panic_and_score_as_numbers() {
    let fixture = root().join("tests/fixtures/nuscenes-eval");
    let data = Root::open(&fixture.join("root"), None).unwrap();
    let tables = data.tables(&Choice::all(), &mut Faults::default()).unwrap();
    let split = data.split("mini_val").unwrap();
    let (mut dice, mut sound, mut faulty) = (Dice(17), 0, 0);
    for (name, kind) in [("noisy.json", ResultKind::Detection), ("tracking_noisy.json", ResultKind::Tracking)] {
        let truth = GroundTruth::new(&tables, &split, kind).unwrap();
        // A few boxes of a few samples: enough of every field.
        let mut whole: Value = serde_json::from_slice(&fs::read(fixture.join("results").join(name)).unwrap()).unwrap();
        let samples = whole["results"].as_object_mut().unwrap();
        let keys: Vec<String> = samples.keys().skip(4).cloned().collect();
        keys.iter().for_each(|key| drop(samples.remove(key)));
        let wanted = samples.keys().map(|key| Token::new(key)).collect();
        samples.values_mut().for_each(|boxes| boxes.as_array_mut().unwrap().truncate(3));
        let text = whole.to_string().into_bytes();
        for round in 0..2500 {
            let (bytes, mut faults) = (mutate(&mut dice, &text), Faults::default());
            let file = ResultFile::read(bytes.as_slice(), Reading { kind, file: name, compatible: round % 2 == 0 }, &mut faults);
            file.check_samples(&wanted, false, name, &mut faults);
            faults.list().iter().for_each(|fault| one_line(&fault.to_string()));
            if faults.settle(name).is_err() {
                faulty += 1;
                continue;
            }
            sound += 1;
            let predictions = Predictions::new(&file, &truth, round % 3 == 0);
            let summary = match kind {
                ResultKind::Detection => Detection::new(&match_all(&truth, &predictions)).summary(&serde_json::Map::new(), 0.0),
                ResultKind::Tracking => Tracking::new(&truth, &predictions).summary(&serde_json::Map::new(), 0.0),
            };
            assert!(summary.is_object());
        }
    }
    println!("{sound} sound, {faulty} with faults");
    assert!(sound > 100 && faulty > 100, "{sound} {faulty}");
}

#[test]
fn mutated_maps_labels_and_bus_poses_never_panic() {
    let name = "maps/expansion/boston-seaport.json";
    let text = fs::read(root().join("tests/fixtures/nuscenes-eval/root").join(name)).unwrap();
    let (mut dice, mut sound, mut faulty) = (Dice(19), 0, 0);
    let patch = Patch { centre: [600.0, 1600.0], size: [100.0; 2], angle: 0.5, canvas: [200; 2] };
    for round in 0..2000 {
        let (bytes, mut faults) = (mutate(&mut dice, &text), Faults::default());
        let map = VectorMap::read(&bytes, name, &mut faults);
        faults.list().iter().for_each(|fault| one_line(&fault.to_string()));
        *if faults.list().is_empty() { &mut sound } else { &mut faulty } += 1;
        let layer = ["drivable_area", "ped_crossing", "lane_divider", "stop_line"][round % 4];
        assert_eq!(map.mask(layer, &patch).len(), 200 * 200);
        let _ = map.at_point(layer, [600.0, 1600.0]);
    }
    println!("map: {sound} sound, {faulty} with faults");
    assert!(sound > 100 && faulty > 1000, "{sound} {faulty}");

    let numpy = fs::read(root().join("tests/fixtures/panoptic_numpy.npz")).unwrap();
    let ours = npz::labels(&(0..40).map(|i| i * 1000).collect::<Vec<u16>>()).unwrap();
    let bus = br#"[{"utime":1,"pos":[1,2,0],"orientation":[1,0,0,0],"vel":[1,0,0],"accel":[0,0,9.8],"rotation_rate":[0,0,0.1]},
        {"utime":20001,"pos":[1.1,2,0],"orientation":[1,0,0,0],"vel":[1,0,0],"accel":[0,0,9.8],"rotation_rate":[0,0,0.1]}]"#;
    assert_eq!(bus_poses(bus).unwrap().len(), 2);
    let (mut read, mut refused) = (0, 0);
    for round in 0..9000 {
        let found = match round % 3 {
            0 => npz::read_labels(&mutate(&mut dice, &numpy)).map(|l| l.len()),
            1 => npz::read_labels(&mutate(&mut dice, &ours)).map(|l| l.len()),
            _ => bus_poses(&mutate(&mut dice, bus)).map(|p| p.len()),
        };
        match found {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                one_line(&error.to_string());
            }
        }
    }
    println!("labels and poses: {read} read, {refused} refused");
    assert!(read > 100 && refused > 1000, "{read} {refused}");
}
