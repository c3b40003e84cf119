//! PairingNet against the numbers of the published code: every tensor of the fixture, within the fixture's tolerances.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

mod support;

use burn::tensor::{Device, TensorData};
use ndarray::Array2;
use sensorium::heads::fragments::{opening, outline, patches};
use sensorium::nets::pairingnet::{Extent, PairingNet, PairingNetConfig, Patches};
use sensorium::nets::{Model, Named, Origin, TapChoice, Weights, build, card, forward};
use sensorium::types::Rigid;
use std::time::Instant;

fn parameters() -> serde_json::Value {
    let text = std::fs::read_to_string(support::fixture("pairingnet/inputs.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["parameters"].clone()
}

fn one(value: f64) -> TensorData {
    TensorData::new(vec![value as f32], [1])
}

fn ids(list: &serde_json::Value) -> TensorData {
    let values: Vec<i64> = list.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
    let count = values.len();
    TensorData::new(values, [count])
}

/// The fixture's tensors without their prefix, and every number of `parameters` under its own name.
fn inputs() -> Named {
    let named = support::tensors_of(&support::fixture("pairingnet/inputs.json"));
    let mut named: Named = named.into_iter().map(|(name, data)| (name.trim_start_matches("input:").to_owned(), data)).collect();
    let parameters = parameters();
    for (name, value) in parameters.as_object().unwrap() {
        if let Some(value) = value.as_f64() {
            named.insert(name.clone(), one(value));
        }
    }
    for key in ["source_start", "target_start", "count"] {
        named.insert(format!("gt_pairs.{key}"), one(parameters["gt_pairs"][key].as_f64().unwrap()));
    }
    for side in ["s", "t"] {
        named.insert(format!("nce_fragment_ids.{side}"), ids(&parameters["nce_fragment_ids"][side]));
    }
    named
}

fn published() -> Weights {
    Weights { tensors: support::tensors_of(&support::fixture("pairingnet/manifest.json")), place: "manifest.json".to_owned() }
}

fn fixture(name: &str) -> Named {
    Weights::read(&support::fixture(name)).unwrap().tensors
}

fn dims(data: &TensorData) -> Vec<usize> {
    data.shape().iter().copied().collect()
}

/// Every `steps[axis]`-th element along each axis.
fn sampled(data: &TensorData, steps: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let shape = dims(data);
    let kept: Vec<usize> = shape.iter().zip(steps).map(|(n, s)| n.div_ceil(*s)).collect();
    let keep = |mut flat: usize| {
        shape.iter().zip(steps).rev().all(|(n, s)| {
            let at = flat % n;
            flat /= n;
            at.is_multiple_of(*s)
        })
    };
    let values = support::values(data).iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, v)| *v).collect();
    (kept, values)
}

/// The fixture keeps every 9th row of most tensors and every 24th row and column of the matrices.
fn steps(name: &str, axes: usize) -> Vec<usize> {
    match (name, axes) {
        ("logits" | "similarity", _) => vec![24, 24],
        ("source.local_attn_c0", _) => vec![1, 9, 1],
        (_, 2) => vec![9, 1],
        _ => vec![1; axes],
    }
}

fn hold(name: &str, wanted: &TensorData, shape: &[usize], found: &[f32]) -> f64 {
    assert_eq!(shape, dims(wanted), "{name}");
    let wanted = support::values(wanted);
    let scale = support::largest(wanted);
    let relative = name.starts_with("similarity");
    let mut worst = 0.0_f64;
    for (a, b) in found.iter().zip(wanted).map(|(a, b)| (f64::from(*a), f64::from(*b))) {
        let allowed = support::allowed(if relative { 2e-3 * b.abs() } else { 1e-4 * scale + 1e-6 }, scale);
        let off = (a - b).abs();
        assert!(off <= allowed, "{name}: {a} is off by {off:e} from {b}, allowed {allowed:e}");
        worst = worst.max(off / if relative { b.abs().max(1e-30) } else { scale.max(1e-30) });
    }
    worst
}

#[test]
fn every_tensor_of_the_fixture_agrees() {
    let device = support::device();
    let (model, report) = build("pairingnet", "base", Origin::Memory(Box::new(published())), &device).unwrap();
    assert!(report.is_complete(), "{report}");
    let start = Instant::now();
    let found = forward(model.as_ref(), &inputs(), &TapChoice::All, &device).unwrap();
    println!("one pass with every tap: {:?}", start.elapsed());
    let mut compared = 0;
    for (name, wanted) in fixture("pairingnet/expected.safetensors") {
        if name.starts_with("post.") {
            continue;
        }
        let data = found.get(&name).unwrap_or_else(|| panic!("{name}: not there"));
        let (shape, values) = sampled(data, &steps(&name, dims(data).len()));
        println!("{name:28} {:.2e}", hold(&name, &wanted, &shape, &values));
        compared += 1;
    }
    assert_eq!(compared, 26);
    let start = Instant::now();
    let bare = forward(model.as_ref(), &inputs(), &TapChoice::None, &device).unwrap();
    println!("one bare pass: {:?}", start.elapsed());
    assert!(support::on_gpu() || bare.iter().all(|(name, data)| found[name] == *data));
    assert!(bare.contains_key("source.global") && !bare.contains_key("source.patch_c"));
}

#[test]
fn what_comes_after_the_network_agrees() {
    let (inputs, expected, parameters) = (inputs(), fixture("pairingnet/expected.safetensors"), parameters());
    let matrix = Array2::from_shape_vec((96, 80), support::values(&inputs["post.matrix"]).to_vec()).unwrap();
    let eroded = opening::erode(&matrix);
    let opened = opening::dilate(&eroded);
    for (name, found) in [("post.eroded", &eroded), ("post.opened", &opened)] {
        hold(name, &expected[name], &[96, 80], &found.iter().copied().collect::<Vec<_>>());
    }
    let shift = [0, 1].map(|i| parameters["post_translation"][i].as_f64().unwrap());
    let motion = Rigid::new(parameters["post_theta_rad"].as_f64().unwrap(), shift);
    let points = |name: &str| -> Vec<[f64; 2]> {
        support::values(&inputs[name]).chunks_exact(2).map(|v| [f64::from(v[0]), f64::from(v[1])]).collect()
    };
    let sources = points("post.src");
    let moved = |(p, [dx, dy]): (&[f64; 2], [f64; 2])| {
        let [x, y] = motion.apply(*p);
        (*p, [x + dx, y + dy])
    };
    let pairs: Vec<([f64; 2], [f64; 2])> = sources.iter().zip(points("post.noise")).map(moved).collect();
    let found = Rigid::fit(pairs.iter().map(|(p, q)| (*p, *q, 1.0))).unwrap();
    let rows: Vec<f32> = found.rows().iter().flatten().map(|v| *v as f32).collect();
    println!("post.rigid {:.2e}", hold("post.rigid", &expected["post.rigid"], &[2, 3], &rows));
    let error = found.root_mean_distance(pairs.into_iter()).unwrap() as f32;
    println!("post.e_rmse {:.2e}", hold("post.e_rmse", &expected["post.e_rmse"], &[1], &[error]));
}

#[test]
fn patches_of_a_real_fragment_agree() {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/fragments/astronaut/fragment_0000.png"));
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let piece = sensorium::sources::picture::PictureReader::new().fragment(path).unwrap();
    let line = outline(&piece).unwrap();
    let found = patches::patches(&piece, &line);
    let expected = fixture("pairingnet/patches.safetensors");
    assert_eq!((found.rows(), found.padded), (line.points.len() + 1, 2900));
    let every = |values: &[f32], width: usize| -> Vec<f32> {
        values.chunks_exact(width).take(found.points).step_by(40).flatten().copied().collect()
    };
    let close = |name: &str, values: &[f32]| {
        let wanted = support::values(&expected[name]);
        assert_eq!(values.len(), wanted.len(), "{name}");
        let worst = values.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:16} {worst:.1e}");
        assert!(worst <= 1e-6, "{name}: {worst:e}");
    };
    close("pcd", &every(&found.contour, 2));
    close("c_input", &every(&found.line, 49));
    close("t_input", &every(&found.colour, 147));
    let last = |values: &[f32], width: usize| [&values[values.len() - width..], &values[values.len() - width..]].concat();
    close("c_input_pad", &last(&found.line, 49));
    close("t_input_pad", &last(&found.colour, 147));
    let device = Device::flex();
    let (model, _) = PairingNet::load("tiny", Origin::Seed(1), &device).unwrap();
    let inputs = [("pcd", &found.contour, vec![2]), ("c_input", &found.line, vec![7, 7]), ("t_input", &found.colour, vec![3, 7, 7])];
    let mut named: Named = inputs
        .into_iter()
        .map(|(name, values, shape)| {
            let shape: Vec<usize> = [1, found.rows()].into_iter().chain(shape).collect();
            (format!("source.{name}"), TensorData::new(values.clone(), shape))
        })
        .collect();
    named.insert("padded_points".into(), one(2900.0));
    named.insert("source_points".into(), one(found.points as f64));
    named.insert("transformer_length".into(), one(128.0));
    let out = forward(&model, &named, &TapChoice::All, &device).unwrap();
    close("position", &every(support::values(&out["source.position"]), 2));
    close("position_pad", &last(support::values(&out["source.position"]), 2));
}

#[test]
fn other_names_of_one_tensor_and_what_no_pass_reads_are_not_unexpected() {
    let mut weights = published();
    for (name, data) in weights.tensors.clone() {
        let Some((stem, leaf)) = name.split_once(".conv.lin_src.") else { continue };
        weights.tensors.insert(format!("{stem}.conv.lin_dst.{leaf}"), data.clone());
        weights.tensors.insert(format!("{stem}.deep_gcn.conv.lin_src.{leaf}"), data);
    }
    assert!(weights.tensors.len() > 431 - 31 && weights.tensors.contains_key("matching.gcn_t.deep_gcn.13.deep_gcn.conv.lin_src.weight"));
    let load = |weights: Weights| build("pairingnet", "base", Origin::Memory(Box::new(weights)), &Device::flex());
    assert!(load(weights.clone()).unwrap().1.is_complete());
    weights.tensors.insert("matching.fc3.weight".into(), one(1.0));
    weights.tensors.remove("searching.out_l_1.bias");
    let said = load(weights).err().unwrap().to_string();
    assert!(said.contains("matching.fc3.weight") && said.contains("searching.out_l_1.bias"), "{said}");
}

/// One fragment with one row of padding, as the program runs it.
fn compact(points: usize, seed: u64, device: &Device) -> (Patches, Extent) {
    let tensor = |name: &str, width: usize| {
        // The last row stands for the padding.
        support::fill(name, (points + 1) * width, -0.4, 0.6, seed)
    };
    let data = |values: Vec<f32>, shape: &[usize]| TensorData::new(values, shape.to_vec());
    let patches = Patches {
        contour: burn::Tensor::from_data(data(tensor("contour", 2), &[points + 1, 2]), device),
        line: burn::Tensor::from_data(data(tensor("line", 49), &[points + 1, 1, 7, 7]), device),
        colour: burn::Tensor::from_data(data(tensor("colour", 147), &[points + 1, 3, 7, 7]), device),
    };
    (patches, Extent { points, padded: 2900 })
}

#[test]
fn one_row_of_padding_stands_for_all_of_them() {
    let device = Device::flex();
    let (model, _) = PairingNet::load("tiny", Origin::Seed(5), &device).unwrap();
    for points in [1, 3, 7, 130, 700] {
        let (patches, extent) = compact(points, 2, &device);
        let rows = |x: burn::Tensor<2>| burn::Tensor::cat(vec![x.clone(), x.narrow(0, points, 1).repeat_dim(0, 2899 - points)], 0);
        let rows4 = |x: burn::Tensor<4>| burn::Tensor::cat(vec![x.clone(), x.narrow(0, points, 1).repeat_dim(0, 2899 - points)], 0);
        let full =
            Patches { contour: rows(patches.contour.clone()), line: rows4(patches.line.clone()), colour: rows4(patches.colour.clone()) };
        let (a, b) = (model.describe(patches, extent).unwrap(), model.describe(full, extent).unwrap());
        let near = |x: burn::Tensor<2>, y: burn::Tensor<2>| {
            let (x, y) = (x.into_data(), y.into_data());
            let pairs = support::values(&x).iter().zip(support::values(&y));
            let worst = pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-5 && support::values(&x).iter().all(|v| v.is_finite()), "{points} points: {worst:e}");
        };
        near(a.fused.clone(), b.fused.clone().narrow(0, 0, points + 1));
        near(model.embed(&a).unsqueeze(), model.embed(&b).unsqueeze());
        let cells = model.similarity([&a.fused, &b.fused], [points, points]);
        assert_eq!(cells.dims(), [points, points]);
        near(cells.clone(), model.similarity([&b.fused, &a.fused], [points, points]));
    }
}

#[test]
fn cards_state_the_true_number_of_parameters() {
    let device = Device::flex();
    for (preset, config) in [("base", PairingNetConfig::BASE), ("tiny", PairingNetConfig::TINY)] {
        let count = PairingNet::count(config, &device);
        println!("{preset}: {count} parameters");
        assert_eq!(card::find("pairingnet", preset).unwrap().parameters, count);
    }
    assert_eq!(PairingNet::count(PairingNetConfig::BASE, &device), 160_544 + 526_848);
}

fn small(batch: usize, rows: usize, seed: u64) -> Named {
    let mut named = Named::new();
    for side in ["source", "target"] {
        for (name, shape) in [("pcd", vec![2]), ("c_input", vec![7, 7]), ("t_input", vec![3, 7, 7])] {
            let name = format!("{side}.{name}");
            let shape: Vec<usize> = [batch, rows].into_iter().chain(shape).collect();
            named.insert(name.clone(), TensorData::new(support::fill(&name, shape.iter().product(), -0.4, 0.6, seed), shape));
        }
    }
    named
}

#[test]
fn batches_and_other_sizes_work_and_items_do_not_mix() {
    let device = Device::flex();
    let (model, _) = PairingNet::load("tiny", Origin::Seed(5), &device).unwrap();
    assert_eq!(model.card().preset, "tiny");
    let mut named = small(2, 300, 4);
    named.insert("source_points".into(), TensorData::new(vec![200_i64, 150], [2]));
    named.insert("target_points".into(), one(90.0));
    named.insert("gt_pairs".into(), TensorData::new(vec![3_i64, 7, 4, 6, 5, 5], [3, 2]));
    let all = forward(&model, &named, &TapChoice::All, &device).unwrap();
    assert_eq!(dims(&all["source.fused"]), [2, 300, 32]);
    assert_eq!(dims(&all["source.global"]), [2, 64]);
    assert_eq!(dims(&all["similarity.0"]), [200, 90]);
    assert_eq!(dims(&all["similarity.1"]), [150, 90]);
    assert_eq!(dims(&all["source.local_attn_c0"]), [2, 4, 256, 4]);
    let mut second = Named::new();
    for (name, data) in &named {
        let shape = dims(data);
        let kept = match shape[..] {
            [2, 300, ..] => {
                let values = support::values(data);
                TensorData::new(values[values.len() / 2..].to_vec(), [&[1], &shape[1..]].concat())
            }
            _ => data.clone(),
        };
        second.insert(name.clone(), kept);
    }
    second.insert("source_points".into(), one(150.0));
    let alone = forward(&model, &second, &TapChoice::None, &device).unwrap();
    let of_batch = support::values(&all["source.fused"]);
    assert_eq!(support::values(&alone["source.fused"]), &of_batch[of_batch.len() / 2..]);
    assert_eq!(alone["similarity"], all["similarity.1"]);
}

#[test]
fn wrong_inputs_are_errors_that_say_what_was_wanted() {
    let device = Device::flex();
    let (model, _) = build("pairingnet", "tiny", Origin::Seed(1), &device).unwrap();
    let run = |change: &dyn Fn(&mut Named)| {
        let mut named = small(1, 140, 1);
        change(&mut named);
        forward(model.as_ref(), &named, &TapChoice::None, &device).map(|_| ()).map_err(|e| e.to_string())
    };
    run(&|_| {}).unwrap();
    let fails = |change: &dyn Fn(&mut Named), said: &str| {
        let text = run(change).unwrap_err();
        assert!(text.contains(said), "{text}");
    };
    fails(&|n| drop(n.remove("source.pcd")), "`source.pcd`");
    fails(&|n| drop(n.insert("source.c_input".into(), TensorData::new(vec![0.0_f32; 49], [1, 1, 7, 7]))), "1 x 140 patches");
    fails(&|n| drop(n.insert("source_points".into(), one(0.0))), "1 to 140 points");
    fails(&|n| drop(n.insert("source_points".into(), one(141.0))), "1 to 140 points");
    fails(&|n| drop(n.insert("source_points".into(), one(f64::NAN))), "finite");
    fails(&|n| drop(n.insert("transformer_length".into(), one(100.0))), "a multiple of 128");
    fails(&|n| drop(n.insert("matching_temperature".into(), one(0.0))), "above zero");
    fails(&|n| n.extend(small(1, 60, 2)), "at least 128 rows");
    fails(&|n| drop(n.insert("ring_neighbours_each_side".into(), one(1e12))), "at most 4096");
    let contrast = |temperature: f64| {
        move |n: &mut Named| {
            n.extend(["nce.s", "nce.t"].map(|name| (name.to_owned(), TensorData::new(vec![1.0_f32; 8], [2, 4]))));
            n.extend(["s", "t"].map(|side| (format!("nce_fragment_ids.{side}"), TensorData::from([1.0_f32, 2.0]))));
            n.insert("nce_temperature".to_owned(), one(temperature));
        }
    };
    run(&contrast(0.12)).unwrap();
    fails(&contrast(0.0), "above zero");
    fails(&|n| drop(n.insert("source_points".into(), one(3.5))), "whole numbers");
    fails(&|n| drop(n.insert("gt_pairs".into(), TensorData::new(vec![1.0_f32; 3], [3]))), "two numbers a pair");
}
