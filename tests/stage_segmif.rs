//! The SegMiF stage through `Stage::process` and through the program: what comes out, what is refused, and that untrained weights are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use burn::tensor::{Device, TensorData};
use sensorium::nets::segmif::{Plane, SegMif};
use sensorium::nets::{Named, Origin, to_host, weights};
use sensorium::runtime::{Cx, Mode, Outlet, Stage};
use sensorium::stages::SegmifConfig;
use sensorium::types::{
    Bundle, Calibration, Frame, Head, Outcome, OutcomeKind, Packet, Payload, Presence, Result, RgbImage, SensorId, SensorTime, ThermalImage,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SIZE: [usize; 2] = [61, 45];

fn config(extra: &str) -> SegmifConfig {
    let seed = if extra.contains("seed") { "" } else { "seed = 7" };
    toml::from_str(&format!("infrared = 'ir'\nvisible = 'vis'\n{seed}\n{extra}")).unwrap()
}
fn rgb(size: [usize; 2]) -> Payload {
    let values = support::fill("vis", size[0] * size[1] * 3, 0.0, 256.0, 1);
    Payload::Rgb(Arc::new(RgbImage::new(size[0], size[1], values.iter().map(|v| *v as u8).collect::<Vec<_>>()).unwrap()))
}
fn thermal(size: [usize; 2]) -> Payload {
    let values = support::fill("ir", size[0] * size[1], 0.0, 256.0, 2);
    Payload::Thermal(Arc::new(ThermalImage::new(size[0], size[1], values.iter().map(|v| *v as u16).collect::<Vec<_>>(), 255).unwrap()))
}
fn run(stage: &mut dyn Stage, frames: Vec<(&str, Payload)>) -> Result<Packet> {
    let calibration = Arc::new(Calibration::unknown("camera"));
    let frames: Vec<Frame> = frames
        .into_iter()
        .map(|(name, payload)| Frame::new(SensorId::new(name), 0, SensorTime::from_nanos(0), Arc::clone(&calibration), payload))
        .collect();
    let presence = frames.iter().map(|f| (f.sensor, Presence::Ok)).collect();
    let bundle = Bundle { at: SensorTime::from_nanos(0), frames, presence, skew: Duration::ZERO };
    let packet = Packet { head: Head::default(), bundle: Arc::new(bundle), outcomes: Vec::new() };
    let mut sent = Vec::new();
    let mut send = |p: Packet| sent.push(p);
    stage.process(packet, &mut Outlet::new(Arc::from("segmif"), &mut send), &Cx::alone(Mode::Offline))?;
    assert_eq!(sent.len(), 1);
    Ok(sent.remove(0))
}

#[test]
fn the_stage_gives_what_the_network_gives() {
    let mut stage = config("confidence = ['best', 'person']").build().unwrap();
    let packet = run(&mut stage, vec![("ir", thermal(SIZE)), ("vis", rgb(SIZE))]).unwrap();
    let [(_, Outcome::Fused(fused)), (_, Outcome::Segmentation(labels)), (_, Outcome::Confidence(best)), (_, Outcome::Confidence(person))] =
        packet.outcomes.as_slice()
    else {
        panic!("{:?}", packet.outcomes.iter().map(|(_, o)| std::mem::discriminant(o)).collect::<Vec<_>>())
    };
    // The same by hand, tensor by tensor.
    let device = Device::flex();
    let (network, _) = SegMif::load("tiny", Origin::Seed(7), &device).unwrap();
    let (Payload::Rgb(visible), Payload::Thermal(infrared)) = (rgb(SIZE), thermal(SIZE)) else { unreachable!() };
    let [width, height] = SIZE;
    let tensor =
        |values: Vec<f32>, channels: usize| burn::Tensor::<4>::from_data(TensorData::new(values, [1, channels, height, width]), &device);
    let vis: Vec<f32> =
        (0..3).flat_map(|c| visible.data().iter().skip(c).step_by(3).map(|v| f32::from(*v) / 255.0).collect::<Vec<_>>()).collect();
    let luma: Vec<f32> =
        (0..width * height).map(|i| 0.299 * vis[i] + 0.587 * vis[width * height + i] + 0.114 * vis[2 * width * height + i]).collect();
    let ir = infrared.data().iter().map(|v| f32::from(*v) / 255.0).collect();
    let picture = network.fuse(tensor(ir, 1), tensor(vis, 3), tensor(luma, 1), Plane::Luminance).unwrap().rgb;
    let wanted = to_host(picture.clone()).unwrap();
    let off = |i: usize, v: f32| (f32::from(fused.data()[i % (width * height) * 3 + i / (width * height)]) - 255.0 * v).abs();
    let worst = support::values(&wanted).iter().enumerate().map(|(i, v)| off(i, *v)).fold(0.0, f32::max);
    assert!(worst <= 0.502, "{worst}");
    let logits = network.segment(picture).unwrap();
    let full = burn::tensor::activation::softmax(sensorium::nets::blocks::resize(logits, [height, width]), 1);
    let full = to_host(full).unwrap();
    let probability = |class: usize, i: usize| support::values(&full)[class * width * height + i];
    for i in 0..width * height {
        let (label, top) = (usize::from(labels.labels.as_slice().unwrap()[i]), (0..9).map(|c| probability(c, i)).fold(0.0, f32::max));
        assert!(top - probability(label, i) < 1e-4);
        assert!((best.scores.as_slice().unwrap()[i] - top).abs() < 1e-4);
        assert!((person.scores.as_slice().unwrap()[i] - probability(2, i)).abs() < 1e-4);
    }
    assert_eq!((best.of.as_str(), person.of.as_str(), labels.classes.classes[2].0.as_str()), ("best", "person", "person"));
    assert!(labels.labels.iter().any(|l| *l != labels.labels[[0, 0]]), "one class everywhere tells nothing");
}

#[test]
fn each_option_changes_the_picture() {
    let fused = |extra: &str| {
        let mut stage = config(&format!("segmentation = false\n{extra}")).build().unwrap();
        let packet = run(&mut stage, vec![("ir", thermal(SIZE)), ("vis", rgb(SIZE))]).unwrap();
        let [(_, Outcome::Fused(picture))] = packet.outcomes.as_slice() else { panic!("only a fused picture") };
        picture.data().to_vec()
    };
    let plain = fused("");
    assert_eq!(plain, fused("prior = 'visible'\nplane = 'luminance'"));
    for other in
        ["prior = 'infrared'", "prior = 'maximum'", "prior = 'classical'", "plane = 'red'", "infrared_range = [50, 200]", "seed = 8"]
    {
        assert_ne!(plain, fused(other), "{other}");
    }
}

#[test]
fn a_prior_that_a_sensor_brings_is_used() {
    let mut stage = config("prior_sensor = 'mask'\nsegmentation = false").build().unwrap();
    let mut see = |mask: Payload| run(&mut stage, vec![("ir", thermal(SIZE)), ("vis", rgb(SIZE)), ("mask", mask)]);
    let (by_visible, by_infrared) = (see(rgb(SIZE)).unwrap(), see(thermal(SIZE)).unwrap());
    assert_ne!(by_visible.outcomes[0].1, by_infrared.outcomes[0].1);
    assert!(see(rgb([30, 30])).unwrap_err().to_string().contains("a prior of 61x45"));
    let without = run(&mut stage, vec![("ir", thermal(SIZE)), ("vis", rgb(SIZE))]).unwrap();
    assert!(without.outcomes.is_empty());
}

#[test]
fn bad_pairs_are_errors_that_say_why() {
    let mut stage = config("").build().unwrap();
    let mut fails = |ir: Payload, vis: Payload| run(&mut stage, vec![("ir", ir), ("vis", vis)]).unwrap_err().to_string();
    assert!(fails(thermal([60, 45]), rgb(SIZE)).contains("infrared picture of 61x45"));
    assert!(fails(thermal([20, 20]), rgb([20, 20])).contains("at least 29"));
    assert!(fails(rgb(SIZE), rgb(SIZE)).contains("a thermal picture"));
    assert!(fails(thermal(SIZE), thermal(SIZE)).contains("a colour picture"));
    let flat = |value: u8| Payload::Rgb(Arc::new(RgbImage::new(40, 40, vec![value; 4800]).unwrap()));
    let cold = Payload::Thermal(Arc::new(ThermalImage::new(40, 40, vec![0_u16; 1600], 65535).unwrap()));
    assert_eq!(run(&mut stage, vec![("ir", cold), ("vis", flat(0))]).unwrap().outcomes.len(), 3, "constant pictures are pictures");
    let refused = |extra: &str| config(extra).build().unwrap_err().to_string();
    assert!(refused("preset = 'tinny'").contains("did you mean `tiny`"));
    assert!(refused("weights = 'nowhere.safetensors'").contains("nowhere.safetensors"));
    assert!(refused("confidence = ['persn']").contains("did you mean `person`"));
}

#[test]
fn random_weights_are_named_untrained_and_a_file_is_not() {
    let stage = config("").build().unwrap();
    let info = stage.info();
    let weights = info.weights.unwrap();
    assert!(!weights.trained && weights.notice().unwrap().contains("untrained weights (seed 7)"));
    assert_eq!(
        info.outcomes.iter().map(|o| o.0).collect::<Vec<_>>(),
        [OutcomeKind::Fused, OutcomeKind::Segmentation, OutcomeKind::Confidence]
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    weights::save(&path, &parameters()).unwrap();
    let stage = config(&format!("weights = '{}'", path.display())).build().unwrap();
    let weights = stage.info().weights.unwrap();
    assert!(weights.trained && weights.notice().is_none() && weights.origin.contains("w.safetensors"));
    let mut short = parameters();
    short.remove("fusion.relu.weight");
    weights::save(&path, &short).unwrap();
    assert!(config(&format!("weights = '{}'", path.display())).build().unwrap_err().to_string().contains("1 missing (fusion.relu.weight)"));
}

/// Values for every parameter of `tiny`.
fn parameters() -> Named {
    let (_, report) = SegMif::load("tiny", Origin::Seed(1), &Device::flex()).unwrap();
    let values = |name: &str, shape: &[usize]| support::fill(name, shape.iter().product(), 0.01, 0.02, 1);
    report.parameters.into_iter().map(|(name, shape)| (name.clone(), TensorData::new(values(&name, &shape), shape))).collect()
}

#[test]
fn report_and_console_say_that_weights_are_untrained() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["configs", "datasets"] {
        std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), folder.path().join(name)).unwrap();
    }
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_sensorium"))
        .args([
            "run",
            "configs/ir_visible_segmif.toml",
            "--viewer",
            "none",
            "--frames",
            "2",
            "--report",
            "r.json",
            "--set",
            "sink.console.kind=console",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("notice: segmif: untrained weights (seed 1)"), "{stdout}");
    assert!(stderr.contains("segmif: untrained weights (seed 1)"), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    let node = report["nodes"].as_array().unwrap().iter().find(|n| n["name"] == "segmif").unwrap();
    assert_eq!((node["weights"]["trained"].as_bool(), node["weights"]["origin"].as_str()), (Some(false), Some("seed 1")));
    assert_eq!(node["weights"]["digest"].as_str().map(str::len), Some(16));
}
