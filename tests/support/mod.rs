//! What parity tests share: tensors that follow from a name and a seed, manifests, and the comparison.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation)]

use burn::tensor::{Device, TensorData};
use sensorium::nets::{DeviceChoice, Named, pick};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the published numbers are compared: the GPU in a build that has `wgpu` and where a driver answers, else the CPU.
pub fn device() -> Device {
    place().0.clone()
}

/// Whether [`device`] is a GPU.
pub fn on_gpu() -> bool {
    place().1
}

fn place() -> &'static (Device, bool) {
    static PLACE: OnceLock<(Device, bool)> = OnceLock::new();
    PLACE.get_or_init(|| match pick(DeviceChoice::Wgpu) {
        Ok((device, what)) => {
            println!("{what}");
            (device, true)
        }
        Err(reason) if cfg!(feature = "wgpu") => {
            println!("skipped: the GPU, {reason}");
            (Device::flex(), false)
        }
        Err(_) => (Device::flex(), false),
    })
}

/// What a value may be off by: the fixture's tolerance, but on a GPU at least 1e-3 of the tensor's largest value.
pub fn allowed(tolerance: f64, largest: f64) -> f64 {
    if on_gpu() { tolerance.max(1e-3 * largest) } else { tolerance }
}

/// The largest magnitude.
pub fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |top, v| top.max(f64::from(v.abs())))
}

/// A folder of fixtures, inside the repository.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The values called `name`: uniform in `low..high`, 24 random bits each, computed in f64 and rounded once.
pub fn fill(name: &str, count: usize, low: f64, high: f64, seed: u64) -> Vec<f32> {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    let start = hash ^ splitmix64(seed);
    let unit = |i: u64| (splitmix64(start.wrapping_add(i)) >> 40) as f64 / f64::from(1_u32 << 24);
    (0..count as u64).map(|i| (low + (high - low) * unit(i)) as f32).collect()
}

/// Every tensor of a manifest; integer counters are left out.
pub fn tensors_of(manifest: &Path) -> Named {
    let text = std::fs::read_to_string(manifest).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    tensors_of_seed(&manifest, manifest["seed"].as_u64().unwrap_or(1))
}

/// The same names, shapes and ranges with the values of another seed.
pub fn tensors_of_seed(manifest: &serde_json::Value, seed: u64) -> Named {
    let rows = manifest["tensors"].as_array().unwrap();
    let floats = rows.iter().filter(|row| row["dtype"] == "f32");
    floats
        .map(|row| {
            let name = row["name"].as_str().unwrap();
            let shape: Vec<usize> = row["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            let (low, high) = (row["low"].as_f64().unwrap(), row["high"].as_f64().unwrap());
            (name.to_owned(), TensorData::new(fill(name, shape.iter().product(), low, high, seed), shape))
        })
        .collect()
}

/// Parameters of these names and shapes with the values of a seed, in ranges that keep activations near unit scale (`tools/torch_peers.py`
/// has the same rule).
pub fn by_rule(parameters: &[(String, Vec<usize>)], seed: u64) -> Named {
    let range = |name: &str, shape: &[usize]| match name.rsplit('.').next().unwrap() {
        "running_mean" | "bias" => (-0.1, 0.1),
        "running_var" => (0.5, 1.5),
        _ if shape.len() >= 2 => {
            let bound = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
            (-bound, bound)
        }
        _ => (0.9, 1.1),
    };
    let make = |(name, shape): &(String, Vec<usize>)| {
        let (low, high) = range(name, shape);
        (name.clone(), TensorData::new(fill(name, shape.iter().product(), low, high, seed), shape.clone()))
    };
    parameters.iter().map(make).collect()
}

/// The values of an `f32` tensor.
pub fn values(data: &TensorData) -> &[f32] {
    data.as_slice::<f32>().unwrap()
}

/// Compares every expected tensor (`NAME` whole, `NAME@s` every s-th element) with the results; returns the worst difference by name.
/// The tolerance is [`allowed`] to be wider on a GPU.
pub fn compare(expected: &Named, found: &Named, tolerance: impl Fn(&str) -> f64) -> Vec<(String, f64)> {
    let mut failures = Vec::new();
    let mut worst = Vec::new();
    for (key, wanted) in expected {
        let (name, step) = key.split_once('@').map_or((key.as_str(), 1), |(name, step)| (name, step.parse::<usize>().unwrap()));
        let Some(data) = found.get(name) else {
            failures.push(format!("{name}: not there"));
            continue;
        };
        if step == 1 && !key.contains('@') && data.shape() != wanted.shape() {
            failures.push(format!("{name}: shape {:?}, wanted {:?}", data.shape(), wanted.shape()));
            continue;
        }
        let sampled: Vec<f32> = values(data).iter().copied().step_by(step).collect();
        let wanted = values(wanted);
        if sampled.len() != wanted.len() {
            failures.push(format!("{name}: {} sampled values, wanted {}", sampled.len(), wanted.len()));
            continue;
        }
        let off = |(a, b): (&f32, &f32)| if a.is_finite() { f64::from((a - b).abs()) } else { f64::INFINITY };
        let difference = sampled.iter().zip(wanted).map(off).fold(0.0, f64::max);
        let allowed = allowed(tolerance(name), largest(wanted));
        if difference > allowed {
            failures.push(format!("{name}: off by {difference:e}, allowed {allowed:e}"));
        }
        worst.push((name.to_owned(), difference));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    worst
}

/// Every `strides[a]`-th element along each axis `a`, from the first one; row-major.
pub fn strided(data: &TensorData, strides: &[usize]) -> Vec<f32> {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    assert_eq!(shape.len(), strides.len(), "{shape:?} by {strides:?}");
    let mut offsets = vec![0_usize];
    let mut below: usize = shape.iter().product();
    for (size, stride) in shape.iter().zip(strides) {
        below /= size;
        offsets = offsets.iter().flat_map(|o| (0..*size).step_by(*stride).map(move |i| o + i * below)).collect();
    }
    let values = values(data);
    offsets.iter().map(|o| values[*o]).collect()
}
