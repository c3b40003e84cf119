//! FULLER against the numbers of the published code: every tensor of the fixture that follows from named inputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

mod support;

use burn::tensor::{DType, Device, Tensor, TensorData};
use sensorium::nets::fuller::{Fuller, FullerConfig, GROUPS, GroupMaps, Suppression, decode};
use sensorium::nets::{Model, Named, Origin, TapChoice, Weights, build, build_with, card, forward};
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn read(name: &str) -> String {
    std::fs::read_to_string(support::fixture(&format!("fuller/{name}"))).unwrap()
}

fn extents() -> toml::Table {
    read("extents.toml").parse().unwrap()
}

fn expected() -> Named {
    Weights::read(&support::fixture("fuller/expected.safetensors")).unwrap().tensors
}

fn inputs() -> Named {
    let named = support::tensors_of(&support::fixture("fuller/inputs.json"));
    let mut named: Named = named.into_iter().map(|(name, data)| (name.trim_start_matches("input:").to_owned(), data)).collect();
    named.extend(expected().into_iter().filter(|(name, _)| name.starts_with("given.")));
    named
}

fn published() -> Weights {
    Weights { tensors: support::tensors_of(&support::fixture("fuller/manifest.json")), place: "manifest.json".to_owned() }
}

/// The whole shape and the stride of each expected tensor.
fn strides() -> BTreeMap<String, (Vec<usize>, usize)> {
    let table: serde_json::Value = serde_json::from_str(&read("strides.json")).unwrap();
    let number = |v: &serde_json::Value| v.as_u64().unwrap() as usize;
    let row = |v: &serde_json::Value| (v["shape"].as_array().unwrap().iter().map(number).collect(), number(&v["stride"]));
    table.as_object().unwrap().iter().map(|(name, v)| (name.clone(), row(v))).collect()
}

/// One pass of the fixture's network, shared by the tests.
fn found() -> &'static Named {
    static FOUND: OnceLock<Named> = OnceLock::new();
    FOUND.get_or_init(|| {
        let device = support::device();
        let (model, report) = build_with("fuller", "fixture", Origin::Memory(Box::new(published())), &extents(), &device).unwrap();
        assert!(report.is_complete(), "{report}");
        forward(model.as_ref(), &inputs(), &TapChoice::None, &device).unwrap()
    })
}

fn numbers(data: &TensorData) -> Vec<f64> {
    data.clone().convert::<f64>().as_slice::<f64>().unwrap().to_vec()
}

/// Values beyond the tolerance, and the worst difference; integers are compared exactly.
fn beyond(found: &TensorData, wanted: &TensorData, stride: usize) -> (usize, f64) {
    let (a, b) = (numbers(found), numbers(wanted));
    let sampled: Vec<f64> = a.into_iter().step_by(stride).collect();
    assert_eq!(sampled.len(), b.len());
    let most = b.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    let tolerance = if wanted.dtype() == DType::F32 { support::allowed(1e-4 * most, most) } else { 0.0 };
    let off = |(a, b): (&f64, &f64)| if a.is_finite() { (a - b).abs() } else { f64::INFINITY };
    let offs: Vec<f64> = sampled.iter().zip(&b).map(off).collect();
    (offs.iter().filter(|o| **o > tolerance).count(), offs.iter().fold(0.0, |m: f64, v| m.max(*v)))
}

/// Not a result of the network's inputs: compared elsewhere.
fn elsewhere(name: &str) -> bool {
    ["given.", "toy.", "mtl.", "sample."].iter().any(|p| name.starts_with(p))
}

/// Rows of proposals: their order may differ where scores are equal to the last bits, so they are compared by class and cell.
fn by_proposal(name: &str) -> bool {
    (name.starts_with("object.") || name.starts_with("object_alone.")) && !name.ends_with("dense_heatmap")
}

#[test]
fn every_tensor_of_the_fixture_agrees() {
    let (found, expected, strides) = (found(), expected(), strides());
    let mut failures = Vec::new();
    let mut compared = 0;
    for (name, wanted) in expected.iter().filter(|(name, _)| !elsewhere(name) && !by_proposal(name)) {
        let (shape, stride) = &strides[name];
        let Some(data) = found.get(name) else {
            failures.push(format!("{name}: not there"));
            continue;
        };
        let found_shape: Vec<usize> = data.shape().iter().copied().collect();
        if found_shape != *shape {
            failures.push(format!("{name}: shape {found_shape:?}, wanted {shape:?}"));
            continue;
        }
        let (count, worst) = beyond(data, wanted, *stride);
        println!("{name:34} worst {worst:.2e}, {count} beyond the tolerance");
        // Points within 1e-4 of a cell's edge may move, and the cells that they move between with them.
        let allowed = match name.as_str() {
            "view.cell" => 8,
            "lss.pooled" | "depth_lss.pooled" => 16,
            // Two boxes of eleven numbers at the threshold.
            "center.rotate" => 22,
            _ => 0,
        };
        if count > allowed {
            failures.push(format!("{name}: {count} values beyond the tolerance, worst {worst:e}"));
        }
        compared += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{compared} tensors");
    assert_eq!(compared, 104);
}

/// Of each proposal: class, cell, then every branch's numbers.
fn proposals(named: &Named, name: &str) -> BTreeMap<(i64, i64), Vec<f64>> {
    let column = |part: &str| numbers(&named[&format!("{name}.{part}")]);
    let (class, cell) = (column("proposal_class"), column("proposal_cell"));
    let count = class.len();
    let parts = ["center", "height", "dim", "rot", "vel", "heatmap", "query_heatmap_score"].map(column);
    let of = |i: usize| parts.iter().flat_map(|p| p.iter().skip(i).step_by(count).copied().collect::<Vec<_>>()).collect();
    (0..count).map(|i| ((class[i] as i64, cell[i] as i64), of(i))).collect()
}

#[test]
fn every_proposal_and_box_agrees() {
    let (found, expected) = (found(), expected());
    for name in ["object", "object_alone"] {
        let (mut a, mut b) = (proposals(found, name), proposals(&expected, name));
        assert_eq!((a.len(), b.len()), (60, 60));
        if support::on_gpu() {
            // A score off by 1e-3 may put another cell last among the 60.
            a.retain(|key, _| b.contains_key(key));
            b.retain(|key, _| a.contains_key(key));
            assert!(a.len() >= 56, "{name}: only {} proposals in common", a.len());
        }
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{name}");
        let most = b.values().flatten().fold(1.0_f64, |m, v| m.max(v.abs()));
        let worst = a.values().flatten().zip(b.values().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: worst {worst:.2e} of {most:.1}");
        assert!(worst <= support::allowed(1e-4 * most, most), "{name}: off by {worst:e}");
        if support::on_gpu() {
            continue;
        }
        let rows = |named: &Named| {
            let mut rows: Vec<Vec<f64>> = numbers(&named[&format!("{name}.boxes")]).chunks(11).map(<[f64]>::to_vec).collect();
            rows.sort_by(|a, b| (a[10], (a[0] * 1e3).round()).partial_cmp(&(b[10], (b[0] * 1e3).round())).unwrap());
            rows
        };
        let (a, b) = (rows(found), rows(&expected));
        assert_eq!(a.len(), b.len(), "{name}.boxes");
        for (a, b) in a.iter().zip(&b) {
            let most = b.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
            for (column, (x, y)) in a.iter().zip(b).enumerate() {
                let off = if column == 6 { ((x - y) / 2.0).sin().abs() * 2.0 } else { (x - y).abs() };
                assert!(off <= support::allowed(1e-4 * most, most), "{name}.boxes: {a:?}\n{b:?}");
            }
        }
    }
}

#[test]
fn cards_state_the_true_number_of_parameters() {
    let device = Device::flex();
    for (preset, config) in [("base", FullerConfig::BASE), ("tiny", FullerConfig::TINY)] {
        let count = Fuller::count(&config, &device);
        println!("{preset}: {count} parameters");
        assert_eq!(card::find("fuller", preset).unwrap().parameters, count, "{preset}");
    }
    assert!(Fuller::count(&FullerConfig::TINY, &device) <= 3_000_000);
}

/// `tiny` on a small grid, other numbers of cameras, samples and sizes than anywhere else.
fn small() -> Box<dyn Model> {
    let changes: toml::Table = "point_range = [-12.8, -12.8, -5, 12.8, 12.8, 3]\ncamera_bev_x = [-12.8, 12.8, 0.8]\n\
         camera_bev_y = [-12.8, 12.8, 0.8]\nproposals = 20\nmap_x = [-10, 10, 1]\nmap_y = [-12, 8, 0.5]"
        .parse()
        .unwrap();
    build_with("fuller", "tiny", Origin::Seed(5), &changes, &Device::flex()).unwrap().0
}

fn batch(samples: usize, cameras: usize, points: usize, first: usize) -> Named {
    let mut named = Named::new();
    let mut put = |name: &str, values: Vec<f32>, shape: Vec<usize>| drop(named.insert(name.to_owned(), TensorData::new(values, shape)));
    let draw = |name: &str, each: usize, low: f64, high: f64| -> Vec<f32> {
        (first..first + samples).flat_map(|s| support::fill(name, each, low, high, s as u64)).collect()
    };
    let size = [41, 75];
    put("img", draw("img", cameras * 3 * size[0] * size[1], -2.0, 2.5), vec![samples, cameras, 3, size[0], size[1]]);
    for (axis, low, high) in [("x", -12.0, 12.0), ("y", -12.0, 12.0), ("z", -3.0, 1.0), ("intensity", 0.0, 100.0), ("time", 0.0, 0.4)] {
        put(&format!("points.{axis}"), draw(axis, points, low, high), vec![samples, points]);
    }
    let identity: Vec<f32> = (0..16).map(|i| f32::from(u8::from(i % 5 == 0))).collect();
    let intrinsics = vec![40.0, 0.0, 37.0, 0.0, 0.0, 40.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    // Camera z forward is LiDAR y, camera x is LiDAR x, camera y is LiDAR -z.
    let to_lidar = vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let to_image = vec![40.0, 37.0, 0.0, 0.0, 0.0, 20.0, -40.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let each = |m: &Vec<f32>, count: usize| m.repeat(count);
    let count = samples * cameras;
    for (name, m) in
        [("camera_intrinsics", &intrinsics), ("camera2lidar", &to_lidar), ("lidar2image", &to_image), ("img_aug_matrix", &identity)]
    {
        put(&format!("given.{name}"), each(m, count), vec![samples, cameras, 4, 4]);
    }
    put("given.lidar_aug_matrix", each(&identity, samples), vec![samples, 4, 4]);
    named
}

/// Networks that the published fixture does not hold, against `tools/torch_fuller.py variants`, an own PyTorch definition.
#[test]
fn pillars_and_networks_of_one_sensor_agree_with_an_independent_definition() {
    let device = support::device();
    let expected = Weights::read(&support::fixture("fuller/variants.safetensors")).unwrap().tensors;
    let grid = "point_range = [-12.8, -12.8, -5, 12.8, 12.8, 3]\ncamera_bev_x = [-12.8, 12.8, 0.8]\n\
         camera_bev_y = [-12.8, 12.8, 0.8]\nproposals = 20\nmap_x = [-10, 10, 1]\nmap_y = [-10, 10, 1]";
    let uneven = "point_range = [-8, -14.4, -3, 16, 12, 3.4]\nvoxel_size = [0.2, 0.2, 0.1]\ncamera_bev_x = [-8, 16, 0.8]\n\
         camera_bev_y = [-14.4, 12, 0.8]\ncamera_bev_z = [-4, 4, 4]\ncamera_depth = [1.5, 40, 0.8]\nproposals = 20\n\
         map_x = [-6, 12, 0.75]\nmap_y = [-9, 11, 1]";
    let variants = [
        ("uneven", ""),
        ("pillars", "lidar_encoder = 'pillars'"),
        ("pillars_alone", "lidar_encoder = 'pillars'\nsensors = 'lidar'"),
        ("lidar", "sensors = 'lidar'"),
        ("camera", "sensors = 'camera'"),
        ("depth_lss", "view = 'depth_lss'"),
        ("camera_depth_lss", "sensors = 'camera'\nview = 'depth_lss'"),
    ];
    for (name, keys) in variants {
        let changes: toml::Table = format!("{}\n{keys}", if name == "uneven" { uneven } else { grid }).parse().unwrap();
        let (_, report) = build_with("fuller", "tiny", Origin::Seed(1), &changes, &device).unwrap();
        let tensors = support::by_rule(&report.parameters, 2);
        let origin = Origin::Memory(Box::new(Weights { tensors, place: "seed 2".to_owned() }));
        let (model, report) = build_with("fuller", "tiny", origin, &changes, &device).unwrap();
        assert!(report.is_complete(), "{report}");
        let mut named = batch(1, 3, 900, 1);
        named.retain(|input, _| match name {
            "pillars_alone" | "lidar" => input.starts_with("points."),
            "camera" => !input.starts_with("points."),
            _ => true,
        });
        let found = forward(model.as_ref(), &named, &TapChoice::None, &device).unwrap();
        for output in ["map.prob", "object.dense_heatmap"] {
            let wanted = &expected[&format!("{name}/{output}")];
            assert_eq!(found[output].shape(), wanted.shape());
            let (count, worst) = beyond(&found[output], wanted, 1);
            println!("{name:14} {output:22} {worst:.1e}");
            assert_eq!(count, 0, "{name} {output}: off by {worst:e}");
        }
    }
}

/// Against `tools/center_mixed.py`, an own definition of what published camera-only networks do with CenterHead's maps.
#[test]
fn boxes_of_camera_only_networks_are_thinned_out_as_published() {
    let device = Device::flex();
    let changes: toml::Table =
        "point_range = [-12.8, -12.8, -5, 12.8, 12.8, 3]\nvoxel_size = [0.1, 0.1, 0.2]\ncamera_bev_x = [-12.8, 12.8, 0.4]\n\
         camera_bev_y = [-12.8, 12.8, 0.4]\npost_center_range = [-11, -10, -2, 12, 11, 2.5]\ncenter_head_max = 400"
            .parse()
            .unwrap();
    let config = FullerConfig::TINY.with(&changes).unwrap();
    let ranges = [(0.0, 1.0), (-2.5, 2.5), (-0.7, 1.5), (-1.0, 1.0), (-2.0, 2.0), (-8.0, 1.0)];
    let group = |(number, classes): (usize, &usize)| -> GroupMaps {
        let names = ["reg", "height", "dim", "rot", "vel", "heatmap"].into_iter().zip([2, 1, 3, 2, 2, *classes]);
        let map = |((name, channels), (low, high)): ((&str, usize), (f64, f64))| {
            let values = support::fill(&format!("mixed.task{number}.{name}"), 2 * channels * 1024, low, high, 1);
            Tensor::from_data(TensorData::new(values, [2, channels, 32, 32]), &device)
        };
        names.zip(ranges).map(map).collect()
    };
    let groups: Vec<GroupMaps> = GROUPS.iter().enumerate().map(group).collect();
    let expected = Weights::read(&support::fixture("fuller/mixed.safetensors")).unwrap().tensors;
    let rows = |rule| -> Vec<(usize, [f32; 11])> {
        let found = decode::centres(&config, &groups, rule).unwrap();
        found.iter().enumerate().flat_map(|(sample, boxes)| boxes.iter().map(move |b| (sample, b.row()))).collect()
    };
    let found = rows(Suppression::Mixed);
    assert_eq!(found.iter().map(|(sample, _)| *sample as f64).collect::<Vec<_>>(), numbers(&expected["boxes.sample"]));
    let wanted = numbers(&expected["boxes"]);
    let worst = found.iter().flat_map(|(_, row)| row).zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    println!("{} boxes, worst {worst:.1e}", found.len());
    assert!(wanted.len() == 11 * found.len() && worst < 1e-4, "{} of {} rows, {worst}", found.len(), wanted.len() / 11);
    assert!(found != rows(Suppression::Circle) && found != rows(Suppression::Rotated));
}

#[test]
fn other_sizes_and_batches_work_and_samples_do_not_mix() {
    let (model, device) = (small(), Device::flex());
    let both = forward(model.as_ref(), &batch(2, 3, 900, 1), &TapChoice::None, &device).unwrap();
    let second = forward(model.as_ref(), &batch(1, 3, 900, 2), &TapChoice::None, &device).unwrap();
    assert_eq!(both["map.prob"].shape().to_vec(), [2, 6, 20, 40]);
    for name in ["map.prob", "object.dense_heatmap"] {
        let (a, b) = (support::values(&both[name]), support::values(&second[name]));
        let worst = a[a.len() / 2..].iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{name}: {worst}");
        assert!(a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-4), "{name}: both samples are the same");
    }
}

/// The fixture's sample and one more: the first one's numbers stay, whatever stands beside it.
#[test]
fn a_batch_through_every_alternative_keeps_its_samples_apart() {
    let device = Device::flex();
    let (model, _) = build_with("fuller", "fixture", Origin::Memory(Box::new(published())), &extents(), &device).unwrap();
    let two = |(name, data): (&String, &TensorData)| {
        let (values, shape) = (support::values(data), data.shape().to_vec());
        let other = if name.starts_with("given.") { 1.0 } else { 0.8 };
        let both: Vec<f32> = values.iter().copied().chain(values.iter().map(|v| v * other)).collect();
        let points = name.starts_with("points.") || name.starts_with("dense.");
        match shape.first() {
            _ if points => (name.clone(), TensorData::new(both, [&[2], &shape[..]].concat())),
            Some(1) => (name.clone(), TensorData::new(both, [&[2], &shape[1..]].concat())),
            _ => (name.clone(), data.clone()),
        }
    };
    let both = forward(model.as_ref(), &inputs().iter().map(two).collect(), &TapChoice::None, &device).unwrap();
    let mut compared = 0;
    // Samples follow each other in every output; the map's loss is a mean over both.
    for (name, alone) in found().iter().filter(|(name, _)| !by_proposal(name) && *name != "loss.map") {
        let (alone, first) = (numbers(alone), numbers(&both[name]));
        let most = alone.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
        let worst = alone.iter().zip(&first).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(first.len() >= alone.len() && worst <= support::allowed(1e-4 * most, most), "{name}: {worst:e}");
        compared += usize::from(first.len() > alone.len());
    }
    println!("{compared} tensors of two samples");
    assert!(compared >= 80 && both["object.boxes.sample"].shape()[0] == both["object.boxes"].shape()[0]);
    let map = numbers(&both["map.prob"]);
    let (first, second) = map.split_at(map.len() / 2);
    assert!(first.iter().zip(second).any(|(a, b)| (a - b).abs() > 1e-3), "both samples are the same");
}

#[test]
fn a_missing_sensor_is_an_input_like_any_other() {
    let (model, device) = (small(), Device::flex());
    let run = |keep: &dyn Fn(&str) -> bool| {
        let named: Named = batch(1, 2, 500, 1).into_iter().filter(|(name, _)| keep(name)).collect();
        forward(model.as_ref(), &named, &TapChoice::None, &device)
    };
    let whole = run(&|_| true).unwrap();
    let no_lidar = run(&|name| !name.starts_with("points.")).unwrap();
    let no_camera = run(&|name| name.starts_with("points.")).unwrap();
    for named in [&no_lidar, &no_camera] {
        assert!(named.values().flat_map(numbers).all(f64::is_finite));
        assert!(beyond(&named["map.prob"], &whole["map.prob"], 1).0 > 0);
    }
    assert!(run(&|name| name.starts_with("given.")).unwrap_err().to_string().contains("neither"));
    // No LiDAR, no point, and every point out of range are the same thing.
    for far in [false, true] {
        let mut named = batch(1, 2, 500, 1);
        for axis in ["x", "y", "z", "intensity", "time"] {
            let values = if far { vec![1e6_f32; 3] } else { vec![] };
            let count = values.len();
            named.insert(format!("points.{axis}"), TensorData::new(values, [count]));
        }
        let found = forward(model.as_ref(), &named, &TapChoice::All, &device).unwrap();
        assert_eq!(found["map.prob"], no_lidar["map.prob"]);
    }
}

#[test]
fn wrong_inputs_are_errors_that_say_what_was_wanted() {
    let (model, device) = (small(), Device::flex());
    let fail = |change: &dyn Fn(&mut Named), taps: &str| {
        let mut named = batch(1, 2, 50, 1);
        change(&mut named);
        forward(model.as_ref(), &named, &taps.parse().unwrap(), &device).unwrap_err().to_string()
    };
    let put = |name: &'static str, shape: &'static [usize], value: f32| {
        move |n: &mut Named| drop(n.insert(name.into(), TensorData::new(vec![value; shape.iter().product()], shape.to_vec())))
    };
    assert!(fail(&|n| drop(n.remove("given.camera2lidar")), "").contains("`given.camera2lidar`"));
    assert!(fail(&|n| drop(n.remove("points.time")), "").contains("`points.time`"));
    assert!(fail(&put("img", &[1, 2, 3, 4, 4], 0.0), "").contains("at least 8"));
    assert!(fail(&put("img", &[1, 2, 4, 40, 40], 0.0), "").contains("cameras, 3"));
    assert!(fail(&put("given.camera_intrinsics", &[1, 2, 4, 4], 0.0), "").contains("invertible"));
    assert!(fail(&put("given.lidar_aug_matrix", &[2, 4, 4], 1.0), "").contains("1 samples"));
    assert!(fail(&put("points.z", &[1, 49], 0.0), "").contains("as many points"));
    assert!(fail(&put("points.x", &[1, 50], f32::NAN), "").contains("finite"));
    assert!(fail(&put("img", &[1, 2, 3, 40, 40], f32::INFINITY), "").contains("finite"));
    assert!(fail(&|n| drop(n.insert("points.x".into(), TensorData::new(vec![1_i64; 50], [1, 50]))), "").contains("f32"));
    assert!(fail(&|_| {}, "swin.out9").contains("did you mean `swin.out"));
    let Err(error) = build("fuller", "fixture", Origin::Seed(1), &device) else { panic!("built without --config") };
    assert!(error.to_string().contains("--config"), "{error}");
}
