//! `sensorium forward` from files to files: every network gives what the library gives, and bad files are one line and exit 2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use burn::tensor::{Device, TensorData};
use sensorium::nets::{Named, Origin, TapChoice, Weights, build_with, forward, weights};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn sensorium(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).current_dir(folder).env_remove("RUST_LOG").output().unwrap()
}
fn inputs(network: &str) -> Named {
    let expected = Weights::read(&support::fixture(&format!("{network}/expected.safetensors"))).unwrap().tensors;
    let named = support::tensors_of(&support::fixture(&format!("{network}/inputs.json")));
    let own = named.into_iter().filter_map(|(name, data)| Some((name.strip_prefix("input:")?.to_owned(), data)));
    own.chain(expected.into_iter().filter(|(name, _)| name.starts_with("given."))).collect()
}
fn published(network: &str) -> Named {
    support::tensors_of(&support::fixture(&format!("{network}/manifest.json")))
}
fn one(value: f32) -> TensorData {
    TensorData::new(vec![value], [1])
}

/// What the library makes of the same tensors, every tap.
fn library(network: &str, preset: &str, config: Option<&Path>, named: &Named) -> Named {
    let device = Device::flex();
    let changes = config.map(|path| sensorium::nets::read_options(path).unwrap()).unwrap_or_default();
    let origin = Origin::Memory(Box::new(Weights { tensors: published(network), place: "manifest".to_owned() }));
    let (model, report) = build_with(network, preset, origin, &changes, &device).unwrap();
    assert!(report.is_complete(), "{report}");
    forward(model.as_ref(), named, &TapChoice::All, &device).unwrap()
}

#[test]
fn files_give_what_the_library_gives() {
    let extents = support::fixture("fuller/extents.toml");
    type Case = (&'static str, &'static str, Option<PathBuf>, Vec<(&'static str, f32)>);
    let cases: [Case; 4] = [
        ("segmif", "base", None, vec![]),
        ("letfuser", "base", None, vec![("command", 4.0)]),
        ("fuller", "fixture", Some(extents), vec![]),
        ("pairingnet", "base", None, vec![("source_points", 1130.0), ("target_points", 946.0)]),
    ];
    for (network, preset, config, extra) in cases {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut named = inputs(network);
        named.extend(extra.into_iter().map(|(name, value)| (name.to_owned(), one(value))));
        weights::save(&at("in.safetensors"), &named).unwrap();
        let halves = match network {
            "segmif" => Some([("fusion", "m.pth"), ("seg", "s.safetensors")]),
            "pairingnet" => Some([("matching", "m.pth"), ("searching", "s.safetensors")]),
            _ => None,
        };
        let spec = if let Some(halves) = halves {
            // Each half in a file of its own, one of them as PyTorch writes it and called as authors call theirs.
            for (half, file) in halves {
                let own = published(network).into_iter().filter_map(|(n, d)| Some((n.strip_prefix(&format!("{half}."))?.to_owned(), d)));
                weights::save(&at(file), &own.collect()).unwrap();
            }
            std::fs::rename(at("m.pth"), at("checkpoint_127.tar")).unwrap();
            format!("{}=checkpoint_127.tar,{}=s.safetensors", halves[0].0, halves[1].0)
        } else {
            weights::save(&at("w.safetensors"), &published(network)).unwrap();
            "w.safetensors".to_owned()
        };
        let mut arguments = vec!["forward", network, "--preset", preset, "--weights", &spec, "--inputs", "in.safetensors"];
        arguments.extend(["--outputs", "out.safetensors", "--taps", "all", "--device", "cpu", "--format", "json"]);
        let config_text = config.as_ref().map(|path| path.display().to_string());
        arguments.extend(config_text.as_deref().map(|path| ["--config", path]).into_iter().flatten());
        let out = sensorium(&arguments, folder.path());
        assert_eq!(out.status.code(), Some(0), "{network}: {}", String::from_utf8_lossy(&out.stderr));
        let found = Weights::read_all(&at("out.safetensors")).unwrap().tensors;
        let wanted = library(network, preset, config.as_deref(), &named);
        assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{network}");
        for (name, data) in &wanted {
            assert_eq!(found[name].shape(), data.shape(), "{network} {name}");
            assert!(found[name] == *data, "{network} {name}");
        }
        println!("{network} {preset}: {} tensors, bit for bit", found.len());
        let summary: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((summary["version"].as_u64(), summary["tensors"].as_object().unwrap().len()), (Some(1), found.len()));
    }
}

/// The first `side` rows and columns.
fn shrunk(data: &TensorData, side: usize) -> TensorData {
    let [batch, channels, height, width] = data.shape().to_vec().try_into().unwrap();
    let values = support::values(data);
    let at = |plane: usize, row: usize| plane * height * width + row * width;
    let rows = (0..batch * channels).flat_map(|plane| (0..side).map(move |row| at(plane, row)));
    TensorData::new(rows.flat_map(|start| values[start..start + side].to_vec()).collect::<Vec<f32>>(), [batch, channels, side, side])
}

/// Parameters of `tiny`, as a file that fits.
fn tiny(network: &str, folder: &Path) -> Named {
    let (model, report) = build_with(network, "tiny", Origin::Seed(1), &toml::Table::new(), &Device::flex()).unwrap();
    let fill = |(name, shape): &(String, Vec<usize>)| {
        let (low, high) = if name.ends_with("running_var") { (0.5, 1.5) } else { (-0.05, 0.05) };
        (name.clone(), TensorData::new(support::fill(name, shape.iter().product(), low, high, 1), shape.clone()))
    };
    weights::save(&folder.join("w.safetensors"), &report.parameters.iter().map(fill).collect()).unwrap();
    let size = model.card().gigamacs[0];
    model.example(size.0, size.1).unwrap()
}

#[test]
fn bad_files_are_one_line_that_says_what_was_wanted() {
    type Change = Box<dyn Fn(&mut Named)>;
    let put = |name: &'static str, data: TensorData| -> Change { Box::new(move |n| drop(n.insert(name.into(), data.clone()))) };
    let shaped = |value: f32, shape: &[usize]| TensorData::new(vec![value; shape.iter().product()], shape.to_vec());
    let integers = |shape: &[usize]| TensorData::new(vec![1_i64; shape.iter().product()], shape.to_vec());
    let cases: [(&str, Vec<(Change, &str)>); 4] = [
        (
            "segmif",
            vec![
                (Box::new(|n| drop(n.remove("vis"))), "`vis`"),
                (put("vis", shaped(0.5, &[1, 1, 96, 128])), "[batch, 3, H, W]"),
                (put("ir", shaped(0.5, &[1, 1, 96, 127])), "[1, 1, 96, 128] like `vis`"),
                (put("ir", shaped(0.5, &[2, 1, 96, 128])), "[1, 1, 96, 128] like `vis`"),
                (put("mask", shaped(0.5, &[1, 2, 96, 128])), "1 or 3"),
                (put("vis", integers(&[1, 3, 96, 128])), "f32"),
                (put("ir", shaped(f32::NAN, &[1, 1, 96, 128])), "finite numbers"),
                (put("ir", shaped(1e38, &[1, 1, 96, 128])), "finite results"),
                (Box::new(|n| n.values_mut().for_each(|data| *data = shrunk(data, 28))), "at least 29"),
            ],
        ),
        (
            "letfuser",
            vec![
                (Box::new(|n| drop(n.remove("velocity"))), "`velocity`"),
                (put("rgb", shaped(9.0, &[1, 3, 80, 320])), "384"),
                (put("rgb", integers(&[1, 3, 80, 384])), "f32"),
                (put("depth", shaped(f32::NAN, &[1, 1, 80, 384])), "finite"),
                (put("rgb", shaped(f32::INFINITY, &[1, 3, 80, 384])), "finite"),
                (put("command", shaped(9.0, &[1])), "command from 1"),
            ],
        ),
        (
            "fuller",
            vec![
                (Box::new(|n| n.retain(|name, _| !name.starts_with("points.") && name != "img")), "neither"),
                (put("img", shaped(0.0, &[1, 6, 3, 5, 176])), "at least 8"),
                (put("points.x", integers(&[1, 34688])), "f32"),
                (put("points.x", shaped(f32::NAN, &[1, 34688])), "finite"),
                (put("points.intensity", shaped(1e38, &[1, 34688])), "finite results"),
                (put("given.lidar2image", shaped(0.0, &[1, 6, 4, 4])), "invertible"),
            ],
        ),
        (
            "pairingnet",
            vec![
                (Box::new(|n| drop(n.remove("source.c_input"))), "`source.c_input`"),
                (put("source.pcd", shaped(0.0, &[1, 3, 2])), "patches"),
                (put("source.t_input", shaped(f32::NAN, &[1, 1000, 3, 7, 7])), "finite"),
                (put("source_points", shaped(1001.0, &[1])), "1 to 1000 points"),
                (put("source_points", shaped(0.0, &[1])), "1 to 1000 points"),
                (put("ring_neighbours_each_side", shaped(1e12, &[1])), "at most 4096"),
            ],
        ),
    ];
    for (network, changes) in cases {
        let folder = tempfile::tempdir().unwrap();
        let good = tiny(network, folder.path());
        let run = |named: &Named, weights_file: &str| {
            weights::save(&folder.path().join("in.safetensors"), named).unwrap();
            let arguments = ["forward", network, "--preset", "tiny", "--weights", weights_file, "--inputs", "in.safetensors"];
            sensorium(&[&arguments[..], &["--outputs", "out.safetensors", "--device", "cpu"]].concat(), folder.path())
        };
        let fails = |out: Output, wanted: &str| {
            let err = String::from_utf8_lossy(&out.stderr).into_owned();
            let lines: Vec<&str> = err.lines().filter(|l| l.starts_with("error:")).collect();
            assert_eq!(out.status.code(), Some(2), "{network}, {wanted}: {err}");
            assert!(lines.len() == 1 && lines[0].contains(wanted) && !err.contains("panicked"), "{network}: wanted {wanted} in {err}");
        };
        let out = run(&good, "w.safetensors");
        assert_eq!(out.status.code(), Some(0), "{network}: {}", String::from_utf8_lossy(&out.stderr));
        // A slip in the name of an input that may be left out is no fault, but it is told.
        if let Some(optional) = ["mask", "img"].into_iter().find(|name| good.contains_key(*name)) {
            let mut named = good.clone();
            let data = named.remove(optional).unwrap();
            named.insert(format!("{optional}s"), data);
            let out = run(&named, "w.safetensors");
            let (err, told) = (String::from_utf8_lossy(&out.stderr), format!("`{optional}s` (did you mean `{optional}`?)"));
            assert!(out.status.success() && err.contains("did not read") && err.contains(&told), "{network}: {err}");
        }
        for (change, wanted) in changes {
            let mut named = good.clone();
            change(&mut named);
            fails(run(&named, "w.safetensors"), wanted);
        }
        // Weights of another name, shape and type, and of another network.
        let fit = Weights::read(&folder.path().join("w.safetensors")).unwrap().tensors;
        let first = fit.keys().next().unwrap().clone();
        for (name, data) in [("stranger", one(1.0)), (first.as_str(), one(1.0)), (first.as_str(), integers(&[2]))] {
            let mut wrong = fit.clone();
            wrong.insert(name.to_owned(), data);
            weights::save(&folder.path().join("bad.safetensors"), &wrong).unwrap();
            fails(run(&good, "bad.safetensors"), name);
        }
        std::fs::write(folder.path().join("bad.pth"), b"no weights").unwrap();
        fails(run(&good, "bad.pth"), "bad.pth");
    }
}
