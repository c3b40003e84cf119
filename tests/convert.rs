//! Weight files: what PyTorch itself wrote is read, what is hostile is refused, what goes through `models convert` comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use burn::tensor::TensorData;
use sensorium::nets::{Named, Weights, weights};
use std::path::Path;
use std::process::{Command, Output};

fn fixture(name: &str) -> std::path::PathBuf {
    support::fixture("segmif").join(name)
}
fn sensorium(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).output().unwrap()
}
fn convert(from: &Path, to: &Path) -> Output {
    sensorium(&["models", "convert", from.to_str().unwrap(), to.to_str().unwrap()])
}

#[test]
fn files_that_pytorch_wrote_are_read() {
    let zip = Weights::read_all(&fixture("torch_zip_21_characters.pth")).unwrap().tensors;
    let legacy = Weights::read_all(&fixture("torch_legacy.pth")).unwrap().tensors;
    assert_eq!(zip, legacy);
    let names = ["0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight"];
    assert_eq!(zip.keys().collect::<Vec<_>>(), names);
    assert_eq!(zip["0.weight"].shape().iter().copied().collect::<Vec<_>>(), [4, 3, 3, 3]);
    assert!(support::values(&zip["0.weight"]).iter().all(|v| v.abs() < 0.2) && support::values(&zip["0.weight"])[0] != 0.0);
    assert_eq!(support::values(&zip["1.running_var"]), [1.0; 4]);
    assert!(!Weights::read(&fixture("torch_legacy.pth")).unwrap().tensors.contains_key("1.num_batches_tracked"));
}

#[test]
fn views_halves_and_other_types_keep_their_values() {
    let read = Weights::read(&fixture("torch_views.pt")).unwrap().tensors;
    let ramp: Vec<f32> = (0..12).map(|i| i as f32).collect();
    assert_eq!(read["t"], TensorData::new((0..12).map(|i| (i % 3 * 4 + i / 3) as f32).collect::<Vec<_>>(), [4, 3]));
    assert_eq!(read["s"], TensorData::new(vec![4.0_f32, 6.0, 8.0, 10.0], [2, 2]));
    assert_eq!(read["h"], TensorData::new(ramp.clone(), [3, 4]));
    assert_eq!(read["b"], TensorData::new(ramp, [3, 4]));
    assert_eq!(read["i"], TensorData::new(vec![1_i64, -2], [2]));
    assert_eq!(read["e"], TensorData::new(vec![2.5_f32; 4], [2, 2]));
    assert_eq!(read["ok"], TensorData::new(vec![1_u8, 0], [2]));
    assert_eq!(read["p"], TensorData::new(vec![1.0_f32; 2], [2]));
}

#[test]
fn a_hostile_file_is_refused_and_nothing_of_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = convert(&fixture("hostile.pth"), &folder.path().join("w.safetensors"));
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{err}");
    assert!(err.starts_with("error:") && err.contains("`posix.system`"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn there_and_back_gives_the_same_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a.safetensors", "b.pth", "c.safetensors"].map(|name| folder.path().join(name));
    for (from, to) in [(&fixture("torch_zip_21_characters.pth"), &a), (&a, &b), (&b, &c)] {
        let out = convert(from, to);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(String::from_utf8_lossy(&out.stdout).starts_with("7 tensors, 129 values in"));
    }
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&c).unwrap());
    let both = folder.path().join("both.safetensors");
    let spec = format!("fusion={},seg={}", a.display(), b.display());
    assert_eq!(sensorium(&["models", "convert", &spec, both.to_str().unwrap()]).status.code(), Some(0));
    let both = Weights::read_all(&both).unwrap().tensors;
    assert_eq!((both.len(), both["fusion.0.bias"].clone()), (14, both["seg.0.bias"].clone()));
    let refused = convert(&a, &folder.path().join("w.onnx"));
    assert!(refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains("`.onnx`"));
}

#[test]
fn what_we_write_has_pytorchs_own_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.pth");
    let tensors: Named = [("x".to_owned(), TensorData::new(vec![1.0_f32, 2.0], [2]))].into();
    weights::save(&path, &tensors).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let find = |what: &[u8]| bytes.windows(what.len()).position(|w| w == what);
    assert!(find(b"archive/data.pkl").is_some() && find(b"archive/version").is_some());
    let values: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(find(&values).unwrap() % 64, 0);
}
