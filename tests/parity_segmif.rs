//! SegMiF against the numbers of the published code: every tensor of the fixture, within the fixture's tolerances.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

mod support;

use burn::tensor::{Device, TensorData};
use sensorium::nets::segmif::{Plane, SegMif, SegMifConfig};
use sensorium::nets::{Leaves, Loader, Model, Named, Origin, TapChoice, Weights, build, build_with, card, forward};
use std::time::Instant;

fn inputs() -> Named {
    let named = support::tensors_of(&support::fixture("segmif/inputs.json"));
    named.into_iter().map(|(name, data)| (name.trim_start_matches("input:").to_owned(), data)).collect()
}

fn published() -> Weights {
    Weights { tensors: support::tensors_of(&support::fixture("segmif/manifest.json")), place: "manifest.json".to_owned() }
}

#[test]
fn every_tensor_of_the_fixture_agrees() {
    let device = support::device();
    let (model, report) = build("segmif", "base", Origin::Memory(Box::new(published())), &device).unwrap();
    assert!(report.is_complete(), "{report}");
    let expected = Weights::read(&support::fixture("segmif/expected.safetensors")).unwrap().tensors;
    let start = Instant::now();
    let found = forward(model.as_ref(), &inputs(), &TapChoice::All, &device).unwrap();
    println!("one pass with every tap: {:?}", start.elapsed());
    let tolerance = |name: &str| if name.starts_with("fused") { 2e-5 } else { 1e-4 };
    for (name, worst) in support::compare(&expected, &found, tolerance) {
        println!("{name:32} {worst:.2e}");
    }
    let start = Instant::now();
    let bare = forward(model.as_ref(), &inputs(), &TapChoice::None, &device).unwrap();
    println!("one bare pass: {:?}", start.elapsed());
    assert_eq!(bare.keys().collect::<Vec<_>>(), ["fused", "fused_rgb", "logits", "logits_full"]);
    if !support::on_gpu() {
        assert_eq!(bare["fused"], found["fused"]);
        assert_eq!(bare["logits"], found["logits"]);
    }
}

/// Other weights, and a size whose quarter, eighth and so on all round up; computed by `tools/torch_segmif.py` in PyTorch.
#[test]
fn other_weights_on_an_odd_size_agree_with_an_independent_definition() {
    let device = support::device();
    let manifest = serde_json::from_str(&std::fs::read_to_string(support::fixture("segmif/manifest.json")).unwrap()).unwrap();
    let weights = Weights { tensors: support::tensors_of_seed(&manifest, 2), place: "seed 2".to_owned() };
    let (model, _) = build("segmif", "base", Origin::Memory(Box::new(weights)), &device).unwrap();
    let image = |name: &str, channels: usize| {
        let values = support::fill(&format!("input:{name}"), channels * 70 * 93, 0.0, 1.0, 2);
        (name.to_owned(), TensorData::new(values, [1, channels, 70, 93]))
    };
    let inputs = [image("ir", 1), image("vis", 3), image("mask", 1)].into();
    let found = forward(model.as_ref(), &inputs, &TapChoice::None, &device).unwrap();
    let expected = Weights::read(&support::fixture("segmif/odd_size.safetensors")).unwrap().tensors;
    let tolerance = |name: &str| if name.starts_with("fused") { 2e-5 } else { 1e-4 };
    for (name, worst) in support::compare(&expected, &found, tolerance) {
        println!("{name:32} {worst:.2e}");
    }
}

/// One number that depends on every parameter, and the leaves it was made of.
fn loss(leaves: Leaves) -> (burn::Tensor<1>, Leaves) {
    let device = Device::flex().autodiff();
    let mut loader = Loader::from_leaves(leaves, 1, &device);
    let changes = "encoder = 'b0'\nembedding = 16\nchannels = 8\ngrowth = 4".parse().unwrap();
    let network = SegMif::from_loader(&mut loader, "tiny", &changes).unwrap();
    let image = |name: &str, channels: usize| {
        let values = support::fill(name, channels * 40 * 40, 0.0, 1.0, 1);
        burn::Tensor::<4>::from_data(TensorData::new(values, [1, channels, 40, 40]), &device)
    };
    let fused = network.fuse(image("ir", 1), image("vis", 3), image("mask", 1), Plane::Luminance).unwrap();
    let logits = network.segment(fused.rgb).unwrap();
    let loss = fused.luminance.powf_scalar(2.0).mean() + logits.powf_scalar(2.0).mean();
    (loss, loader.into_leaves())
}

#[test]
fn every_parameter_is_a_leaf_whose_gradient_is_that_of_finite_differences() {
    let (whole, leaves) = loss(Leaves::new());
    let gradients = whole.backward();
    let of = |name: &str| leaves[name].grad(&gradients).map(|g| support::values(&g.into_data()).to_vec());
    let missing: Vec<&String> = leaves.keys().filter(|name| of(name).is_none_or(|g| g.iter().any(|v| !v.is_finite()))).collect();
    assert!(missing.is_empty() && leaves.len() > 250, "{} leaves, without a gradient: {missing:?}", leaves.len());
    for name in [
        "fusion.conv1_ir.weight",
        "fusion.relu.weight",
        "fusion.DRDB2.Dcov3.weight",
        "fusion.ffm.cross.channel_proj3.weight",
        "seg.denoise_net.encoder.block2.0.attn.kv.weight",
        "seg.denoise_net.decoder.linear_fuse.bn.weight",
        "seg.denoise_net.decoder.linear_c3.proj.weight",
    ] {
        let gradient = of(name).unwrap();
        // The place where it matters most.
        let (index, wanted) = gradient.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap();
        let at = |step: f32| {
            let device = Device::flex().autodiff();
            let mut changed = leaves.clone();
            let mut values = support::values(&leaves[name].clone().into_data()).to_vec();
            values[index] += step;
            let count = values.len();
            changed.insert(name.to_owned(), burn::Tensor::from_data(TensorData::new(values, [count]), &device).require_grad());
            f64::from(support::values(&loss(changed).0.into_data())[0])
        };
        let step = 4e-3_f32;
        let found = (at(step) - at(-step)) / f64::from(2.0 * step);
        println!("{name}: {wanted:e} by the graph, {found:e} by differences");
        assert!((found - f64::from(*wanted)).abs() <= 0.03 * f64::from(wanted.abs()) + 2e-5, "{name}: {wanted} {found}");
    }
}

#[test]
fn without_a_prior_the_key_says_what_takes_its_place() {
    let device = Device::flex();
    let run = |changes: &str, mask: Option<&str>| {
        let (model, _) = build_with("segmif", "tiny", Origin::Seed(1), &changes.parse().unwrap(), &device).unwrap();
        let mut named = inputs();
        named.remove("mask");
        if let Some(name) = mask {
            named.insert("mask".to_owned(), named[name].clone());
        }
        forward(model.as_ref(), &named, &TapChoice::None, &device).unwrap().remove("fused").unwrap()
    };
    assert_eq!(run("prior = 'infrared'", None), run("", Some("ir")));
    assert_ne!(run("prior = 'infrared'", None), run("", None));
    assert_eq!(run("", None), run("prior = 'visible'", None));
    assert_ne!(run("", None), run("plane = 'red'", None));
}

#[test]
fn cards_state_the_true_number_of_parameters() {
    let device = Device::flex();
    let tiny = SegMif::count(&SegMifConfig::TINY, &device);
    println!("tiny: {tiny} parameters");
    assert!(tiny <= 3_800_000);
    assert_eq!(card::find("segmif", "tiny").unwrap().parameters, tiny);
    assert_eq!(card::find("segmif", "base").unwrap().parameters, SegMif::count(&SegMifConfig::BASE, &device));
}

#[test]
fn tiny_runs_on_odd_sizes_and_in_batches() {
    let device = Device::flex();
    let (model, _) = SegMif::load("tiny", Origin::Seed(3), &device).unwrap();
    assert_eq!(model.card().preset, "tiny");
    let plane = |batch: usize, channels: usize, seed| {
        let values = support::fill("image", batch * channels * 45 * 61, 0.0, 1.0, seed);
        burn::Tensor::<4>::from_data(TensorData::new(values, [batch, channels, 45, 61]), &device)
    };
    let fused = model.fuse(plane(2, 1, 1), plane(2, 3, 2), plane(2, 1, 3), Plane::Luminance).unwrap();
    assert_eq!(fused.rgb.dims(), [2, 3, 45, 61]);
    let logits = model.segment(fused.rgb.clone()).unwrap();
    assert_eq!(logits.dims(), [2, 9, 12, 16]);
    // An image's result does not depend on its neighbour in the batch.
    let pick = |x: burn::Tensor<4>| x.narrow(0, 1, 1);
    let alone = model.fuse(pick(plane(2, 1, 1)), pick(plane(2, 3, 2)), pick(plane(2, 1, 3)), Plane::Luminance).unwrap();
    let (alone, together) = (alone.luminance.into_data(), pick(fused.luminance).into_data());
    let worst = support::values(&alone).iter().zip(support::values(&together)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
    for _ in 0..2 {
        let start = Instant::now();
        let image = |channels: usize, seed| {
            let values = support::fill("image", channels * 240 * 320, 0.0, 1.0, seed);
            burn::Tensor::<4>::from_data(TensorData::new(values, [1, channels, 240, 320]), &device)
        };
        let fused = model.fuse(image(1, 1), image(3, 2), image(1, 3), Plane::Luminance).unwrap();
        let fusing = start.elapsed();
        model.segment(fused.rgb).unwrap().into_data();
        println!("tiny, 240x320: fused after {fusing:?}, segmented after {:?}", start.elapsed());
    }
}

#[test]
fn wrong_inputs_and_taps_are_errors_that_say_what_was_wanted() {
    let device = Device::flex();
    let (model, _) = build("segmif", "tiny", Origin::Seed(1), &device).unwrap();
    let run = |change: &dyn Fn(&mut Named), taps: &str| {
        let mut named = inputs();
        change(&mut named);
        forward(model.as_ref(), &named, &taps.parse().unwrap(), &device).unwrap_err().to_string()
    };
    assert!(run(&|n| drop(n.remove("ir")), "").contains("`ir`"));
    assert!(run(&|n| drop(n.insert("mask".into(), TensorData::new(vec![0.0_f32; 4], [1, 1, 2, 2]))), "").contains("[1, 1 or 3, 96, 128]"));
    assert!(run(&|n| drop(n.insert("vis".into(), TensorData::new(vec![0.0_f32; 12], [1, 3, 2, 2]))), "").contains("at least 29"));
    assert!(run(&|n| drop(n.insert("ir".into(), TensorData::new(vec![0_i64; 4], [4]))), "").contains("f32 with 4"));
    assert!(run(&|_| {}, "fusion.DRDB9").contains("did you mean `fusion.DRDB"));
}
