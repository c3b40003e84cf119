//! The embedded world as a source, and exports that read back as they were made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation, missing_docs)]

use sensorium::formats::driving_set::{Measurements, RawLabel};
use sensorium::formats::npz;
use sensorium::formats::nuscenes::map::VectorMap;
use sensorium::formats::nuscenes::{Faults, SampleData, global_from_sensor, rotation};
use sensorium::heads::route::seen_from;
use sensorium::runtime::{Cx, Mode, Reading, Source};
use sensorium::sources::nuscenes::{Root, check::check};
use sensorium::sources::{IrVisibleConfig, KittiConfig, NuscenesConfig, RgbdConfig, WorldEgo, WorldSourceConfig};
use sensorium::types::{Frame, Modality, Payload};
use sensorium::world::export::{ExportConfig, ExportLayout, export};
use sensorium::world::live::{Live, LiveConfig};
use sensorium::world::motion::WorldConfig;
use sensorium::world::sensors::{Numbering, SensorKind, SensorSpec};
use std::path::Path;

fn frames(mut source: impl Source, most: usize) -> Vec<Frame> {
    let cx = Cx::alone(Mode::Offline);
    let mut frames = Vec::new();
    while frames.len() < most {
        match source.next(&cx).unwrap() {
            Reading::Frame(frame) => frames.push(frame),
            Reading::Rejected { sensor, reason, .. } => panic!("{sensor}: {reason}"),
            Reading::End => break,
        }
    }
    frames
}

fn small(layout: ExportLayout, output: &Path) -> ExportConfig {
    ExportConfig {
        layout,
        output: output.to_owned(),
        world: WorldConfig { town: "town-01".into(), vehicles: 12, pedestrians: 10, ..WorldConfig::default() },
        frames: 3,
        rate_hz: 2.0,
        size: [96, 64],
        fov: 80.0,
        warm_up_s: 2.0,
        depth_scale: 200.0,
        scene_frames: 40,
    }
}

/// What the same world gives without a disk between.
fn live(config: &ExportConfig, sensors: Vec<SensorSpec>) -> Vec<Vec<Payload>> {
    let world = config.world.clone();
    let live = LiveConfig { world, sensors, step_hz: config.rate_hz, warm_up_s: config.warm_up_s, parked: false, place: [0.0; 4] };
    let mut live = Live::new(&live).unwrap();
    (0..config.frames).map(|_| live.advance().unwrap().readings.into_iter().map(|r| r.payload).collect()).collect()
}
fn camera(name: &str, kind: SensorKind, config: &ExportConfig) -> SensorSpec {
    SensorSpec::new(name, kind).placed([0.6, 0.0, 1.5], 0.0).sized(config.size[0], config.size[1], config.fov).every(config.rate_hz)
}
fn of(frames: &[Frame], modality: Modality) -> Vec<&Frame> {
    frames.iter().filter(|f| f.payload.modality() == modality).collect()
}
fn truth_boxes(folder: &Path) -> usize {
    (0..3)
        .map(|k| {
            let text = std::fs::read_to_string(folder.join(format!("truth/{k:06}.json"))).unwrap();
            let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(truth["version"], 1);
            truth["boxes"].as_array().unwrap().len()
        })
        .sum()
}

#[test]
fn infrared_visible_pairs_read_back_pixel_for_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(ExportLayout::Irvis, folder.path());
    let mut told = Vec::new();
    export(&config, |k| told.push(k)).unwrap();
    assert_eq!(told, [1, 2, 3]);
    let read = frames(IrVisibleConfig::new(folder.path()).build().unwrap(), 100);
    let labels = SensorSpec { numbering: Some(Numbering::Mfnet), ..camera("labels", SensorKind::Semantic, &config) };
    let wanted = live(&config, vec![camera("visible", SensorKind::Rgb, &config), camera("infrared", SensorKind::Thermal, &config), labels]);
    assert_eq!(read.len(), 6);
    for (k, tick) in wanted.iter().enumerate() {
        assert!(of(&read, Modality::Rgb)[k].payload == tick[0], "visible {k}");
        assert!(of(&read, Modality::Thermal)[k].payload == tick[1], "infrared {k}");
        let file = image::open(folder.path().join(format!("labels/{k:06}.png"))).unwrap().into_luma8();
        let Payload::Labels(labels) = &tick[2] else { panic!("labels") };
        assert!(file.iter().zip(&labels.labels).all(|(a, b)| u16::from(*a) == *b), "labels {k}");
    }
    assert!(truth_boxes(folder.path()) > 0);
    // A second export into it would mix two data sets.
    assert!(export(&config, |_| ()).unwrap_err().to_string().contains("empty folder"));
}

#[test]
fn an_rgbd_recording_reads_back_with_poses() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(ExportLayout::Tum, folder.path());
    export(&config, |_| ()).unwrap();
    let wanted = live(
        &config,
        vec![
            camera("colour", SensorKind::Rgb, &config),
            camera("depth", SensorKind::Depth, &config),
            SensorSpec::new("ego", SensorKind::Ego).every(2.0),
        ],
    );
    let pipeline: toml::Table = std::fs::read_to_string(folder.path().join("pipeline.toml")).unwrap().parse().unwrap();
    let camera = pipeline["source"]["camera"].as_table().unwrap();
    let number = |key: &str| camera[key].as_float().unwrap();
    let mut source = RgbdConfig::new(folder.path());
    source.depth_scale = number("depth_scale") as f32;
    (source.fx, source.fy, source.cx, source.cy) = (Some(number("fx")), Some(number("fy")), Some(number("cx")), Some(number("cy")));
    let read = frames(source.build().unwrap(), 100);
    for (k, tick) in wanted.iter().enumerate() {
        assert!(of(&read, Modality::Rgb)[k].payload == tick[0], "colour {k}");
        let (Payload::Depth(found), Payload::Depth(made)) = (&of(&read, Modality::Depth)[k].payload, &tick[1]) else { panic!("depth") };
        let same = |(a, b): (&f32, &f32)| (a.is_nan() && b.is_nan()) || (a - b).abs() <= 0.5 / 200.0 + 1e-4;
        assert!(found.metres.iter().zip(&made.metres).all(same), "depth {k}");
        assert!(found.metres.iter().filter(|d| d.is_finite()).count() > 1000);
        let (Payload::Ego(found), Payload::Ego(made)) = (&of(&read, Modality::Ego)[k].payload, &tick[2]) else { panic!("ego") };
        // The reader's vehicle is at the camera; ours is below and behind it.
        let offset = (made.pose.isometry.inverse() * found.pose.isometry).translation.vector;
        assert!((offset - nalgebra::Vector3::new(0.6, 0.0, 1.5)).norm() < 1e-6, "{offset:?}");
    }
    assert!(truth_boxes(folder.path()) > 0);
}

#[test]
fn a_kitti_folder_reads_back_with_boxes_that_hold_their_points() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(ExportLayout::Kitti, folder.path());
    export(&config, |_| ()).unwrap();
    let read = frames(KittiConfig::new(folder.path()).build().unwrap(), 100);
    let wanted = live(&config, vec![camera("image_2", SensorKind::Rgb, &config)]);
    let (mut boxes, mut held) = (0, 0);
    for (k, tick) in wanted.iter().enumerate() {
        let (picture, cloud) = (of(&read, Modality::Rgb)[k], of(&read, Modality::Cloud)[k]);
        assert!(picture.payload == tick[0], "colour {k}");
        // The calibration read is the one that was written.
        let camera = picture.calibration.extrinsics.isometry.translation.vector;
        assert!((camera - nalgebra::Vector3::new(0.6, 0.0, 1.5)).norm() < 1e-6);
        let Payload::Cloud(points) = &cloud.payload else { panic!("cloud") };
        assert!(points.points().len() > 20_000);
        let text = std::fs::read_to_string(folder.path().join(format!("training/label_2/{k:06}.txt"))).unwrap();
        let calib = std::fs::read_to_string(folder.path().join(format!("training/calib/{k:06}.txt"))).unwrap();
        let rig = sensorium::formats::kitti::Rig::object(&calib).unwrap();
        let truth = std::fs::read_to_string(folder.path().join(format!("truth/{k:06}.json"))).unwrap();
        let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
        for label in sensorium::formats::kitti::labels(&text).unwrap() {
            let b = label.box3(&rig.vehicle_from_rect()).unwrap();
            let at = |t: &serde_json::Value, i: usize| t["centre"][i].as_f64().unwrap();
            let same = truth["boxes"].as_array().unwrap().iter().find(|t| (0..3).all(|i| (at(t, i) - b.centre[i]).abs() < 2e-3));
            let same = same.unwrap_or_else(|| panic!("{b:?} is no box of the truth"));
            let turned = (same["yaw"].as_f64().unwrap() - b.yaw).sin().abs();
            assert!(turned < 1e-3, "{b:?} against {same}");
            let inside = points.points().iter().filter(|p| {
                let v = cloud.calibration.extrinsics.apply(&nalgebra::Point3::from(p.position.map(f64::from)));
                let (sin, cos) = b.yaw.sin_cos();
                let (dx, dy) = (v.x - b.centre[0], v.y - b.centre[1]);
                let local = [cos * dx + sin * dy, cos * dy - sin * dx, v.z - b.centre[2]];
                local.iter().zip(b.size).all(|(l, s)| l.abs() <= s / 2.0 + 0.06)
            });
            let wanted = same["lidar_points"].as_u64().unwrap() as usize;
            boxes += 1;
            held += usize::from(inside.count() * 10 >= wanted * 9);
        }
    }
    assert!(boxes > 0 && held == boxes, "{held} of {boxes}");
}

#[test]
fn a_nuscenes_root_reads_back_without_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let config = ExportConfig { frames: 5, scene_frames: 3, fov: 70.0, ..small(ExportLayout::Nuscenes, folder.path()) };
    export(&config, |_| ()).unwrap();
    let root = Root::open(folder.path(), None).unwrap();
    let (tables, faults) = check(&root, |_| (), &|| ()).unwrap();
    assert!(faults.list().is_empty(), "{:?}", faults.list());
    let names: Vec<&str> = tables.scenes.rows().iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["scene-0061", "scene-0103"]);
    assert_eq!((tables.samples.rows().len(), tables.lidarseg.rows().len(), tables.panoptic.rows().len()), (5, 5, 5));
    // Twelve sensors at every key frame; between key frames of half a second ten turns of the LiDAR, six pictures, six or seven scans.
    let of = |channel: &str, key: bool| {
        let here = |d: &&SampleData| d.is_key_frame == key && tables.channel(&d.calibrated_sensor_token) == Some(channel);
        tables.sample_data.rows().iter().filter(here).count()
    };
    assert_eq!([of("LIDAR_TOP", true), of("CAM_BACK", true), of("RADAR_FRONT", true)], [5, 5, 5]);
    assert_eq!([of("LIDAR_TOP", false), of("CAM_BACK", false)], [3 * 9, 3 * 5]);
    assert!((3 * 5..=3 * 6).contains(&of("RADAR_FRONT", false)));
    // Points have the category of the box that they lie in; boxes claim no more points than carry it.
    let mut inside = 0;
    for row in 0..5 {
        let key = tables.key_frame(row, "LIDAR_TOP").unwrap();
        let pose = global_from_sensor(&tables, key).unwrap();
        let labels = root.bytes(&tables.lidarseg.get(&key.token).unwrap().filename).unwrap();
        let things = npz::read_labels(&root.bytes(&tables.panoptic.get(&key.token).unwrap().filename).unwrap()).unwrap();
        assert!(labels.iter().zip(&things).all(|(l, t)| u16::from(*l) == t / 1000));
        let bytes = root.bytes(&key.filename).unwrap();
        let value = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().unwrap()));
        let points: Vec<_> =
            bytes.chunks_exact(20).map(|p| pose * nalgebra::Point3::new(value(&p[..4]), value(&p[4..8]), value(&p[8..12]))).collect();
        assert!(points.len() == labels.len() && points.len() > 20_000);
        let map = VectorMap::read(&root.bytes("maps/expansion/boston-seaport.json").unwrap(), "map", &mut Faults::default());
        let road: Vec<_> = points.iter().zip(&labels).filter(|(_, l)| **l == 24).map(|(p, _)| [p.x, p.y]).step_by(97).collect();
        let on_road = road.iter().filter(|p| map.at_point("drivable_area", **p).is_some()).count();
        assert!(road.len() > 20 && on_road * 50 >= road.len() * 49, "{on_road} of {}", road.len());
        for a in tables.annotations_of(row) {
            let category = tables.categories.rows().iter().find(|c| Some(&*c.name) == tables.category_of(a)).unwrap().index.unwrap();
            let turn = rotation(a.rotation).unwrap();
            let [w, l, h] = a.size;
            let holds = |p: &nalgebra::Point3<f64>| {
                let local = turn.inverse() * (p.coords - nalgebra::Vector3::from(a.translation));
                local.x.abs() <= l / 2.0 + 0.2 && local.y.abs() <= w / 2.0 + 0.2 && local.z.abs() <= h / 2.0 + 0.1
            };
            let held = points.iter().zip(&labels).filter(|(p, label)| i64::from(**label) == category && holds(p)).count() as i64;
            assert!(held * 20 >= a.num_lidar_pts * 19, "{held} of {} in {}", a.num_lidar_pts, a.token);
            inside += held;
        }
    }
    assert!(inside > 50, "{inside}");
    // A parked car has no speed, a driving one what its chain says.
    let speeds: Vec<f64> = tables.annotations.rows().iter().map(|a| tables.velocity(a)).map(|[x, y, _]| x.hypot(y)).collect();
    assert!(speeds.iter().any(|s| *s > 1.0) && speeds.iter().filter(|s| s.is_finite()).all(|s| *s < 30.0));
    assert!(root.bus_poses("scene-0103").unwrap().unwrap().len() > 20);
    let source = NuscenesConfig { sweeps: true, split: Some("mini_val".into()), ..NuscenesConfig::new(folder.path()) };
    let read = frames(source.build().unwrap(), 10_000);
    assert_eq!(of_kind(&read, Modality::Cloud), 11);
    // The same export has the same bytes.
    let again = tempfile::tempdir().unwrap();
    export(&ExportConfig { output: again.path().to_owned(), ..config }, |_| ()).unwrap();
    for name in ["v1.0-mini/sample_data.json", "v1.0-mini/sample_annotation.json", "maps/expansion/boston-seaport.json"] {
        assert!(std::fs::read(folder.path().join(name)).unwrap() == std::fs::read(again.path().join(name)).unwrap(), "{name}");
    }
    let odd = ExportConfig { rate_hz: 3.0, output: again.path().join("odd"), ..small(ExportLayout::Nuscenes, again.path()) };
    assert!(export(&odd, |_| ()).unwrap_err().to_string().contains("divides the LiDAR's 20 Hz"));
}

fn of_kind(frames: &[Frame], modality: Modality) -> usize {
    of(frames, modality).len()
}

#[test]
fn the_source_keeps_rates_and_repeats_itself() {
    let sensors = || {
        vec![
            SensorSpec::new("front", SensorKind::Rgb).sized(48, 32, 90.0).placed([0.6, 0.0, 1.5], 0.0).every(5.0),
            SensorSpec { like: Some("front".into()), ..SensorSpec::new("front_depth", SensorKind::Depth) },
            SensorSpec { columns: Some(90), ..SensorSpec::new("lidar", SensorKind::Lidar).placed([0.0, 0.0, 1.9], 0.0) },
            SensorSpec::new("radar", SensorKind::Radar).placed([2.0, 0.0, 0.5], 0.0),
            SensorSpec::new("imu", SensorKind::Imu).every(20.0),
            SensorSpec::new("gnss", SensorKind::Gnss).every(1.0),
            SensorSpec::new("ego", SensorKind::Ego),
            SensorSpec::new("boxes", SensorKind::Boxes).every(2.0),
            SensorSpec::new("map", SensorKind::Map).every(1.0),
            SensorSpec::new("route", SensorKind::Route).every(1.0),
            SensorSpec::new("future", SensorKind::Future).every(1.0),
            SensorSpec::new("control", SensorKind::Control).every(2.0),
        ]
    };
    let make = || {
        let mut config = WorldSourceConfig::new(sensors());
        (config.town, config.step_hz, config.seconds, config.vehicles) = ("town-01".into(), 20.0, Some(1.0), 10);
        frames(config.build().unwrap(), 1000)
    };
    let first = make();
    let count = |name: &str| first.iter().filter(|f| f.sensor.name() == name).count();
    let counts = ["front", "front_depth", "lidar", "imu", "gnss", "boxes", "map", "control"].map(count);
    assert_eq!(counts, [5, 5, 10, 20, 1, 2, 1, 2]);
    assert!(first.windows(2).all(|w| w[0].captured <= w[1].captured));
    let again = make();
    assert_eq!(first.len(), again.len());
    for (a, b) in first.iter().zip(&again) {
        let same = match (&a.payload, &b.payload) {
            // NaN is the sky.
            (Payload::Depth(a), Payload::Depth(b)) => a.metres.iter().zip(&b.metres).all(|(a, b)| a.to_bits() == b.to_bits()),
            (a, b) => a == b,
        };
        assert!(same && a.captured == b.captured && a.seq == b.seq, "{} {}", a.sensor, a.seq);
    }
    let imu = first.iter().find_map(|f| if let Payload::Imu(i) = &f.payload { Some(*i) } else { None }).unwrap();
    assert!((imu.acceleration[2] - 9.8).abs() < 0.3, "{imu:?}");
}

#[test]
fn a_rig_that_makes_no_sense_is_refused_with_its_name() {
    let refused = |sensors: Vec<SensorSpec>| WorldSourceConfig::new(sensors).build().map(|_| ()).unwrap_err().to_string();
    let front = || SensorSpec::new("front", SensorKind::Rgb);
    assert!(refused(vec![]).contains("at least one sensor"));
    assert!(refused(vec![front(), front()]).contains("`front` twice"));
    assert!(
        refused(vec![front(), SensorSpec { like: Some("fornt".into()), ..SensorSpec::new("d", SensorKind::Depth) }])
            .contains("did you mean `front`")
    );
    assert!(refused(vec![front().sized(0, 10, 90.0)]).contains("sensor `front`, width"));
    assert!(refused(vec![front().sized(100_000, 10, 90.0)]).contains("sensor `front`, width"));
    assert!(refused(vec![front().sized(10, 10, 0.0)]).contains("sensor `front`, fov"));
    assert!(refused(vec![front().placed([f64::NAN, 0.0, 0.0], 0.0)]).contains("sensor `front`, at"));
    assert!(refused(vec![front().every(500.0)]).contains("sensor `front`"));
    assert!(refused(vec![SensorSpec { beams: Some(0), ..SensorSpec::new("top", SensorKind::Lidar) }]).contains("sensor `top`"));
    let mut config = WorldSourceConfig::new(vec![SensorSpec::new("boxes", SensorKind::Boxes)]);
    config.ego = WorldEgo::None;
    assert!(config.build().map(|_| ()).unwrap_err().to_string().contains("ego vehicle"));
    let mut config = WorldSourceConfig::new(vec![front()]);
    config.town = "town-33".into();
    assert!(config.build().map(|_| ()).unwrap_err().to_string().contains("did you mean"));
}

#[test]
fn the_driving_set_is_what_trainings_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(ExportLayout::Carla, &folder.path().join("set"));
    export(&config, |_| {}).unwrap();
    let route = config.output.join("world/town-01_seed1/route_0000");
    let read = |what: &str, n: usize| image::open(route.join(what).join(format!("{n:04}.png"))).unwrap();
    let measured = |n: usize| -> Measurements {
        serde_json::from_slice(&std::fs::read(route.join(format!("measurements/{n:04}.json"))).unwrap()).unwrap()
    };
    // The same world looked at directly: the front view's pixels, classes and depth.
    let front = SensorSpec::new("rgb_front", SensorKind::Rgb).placed([1.3, 0.0, 2.3], 0.0).sized(320, 160, 60.0).every(2.0);
    let like = |name: &str, kind| SensorSpec { like: Some("rgb_front".to_owned()), ..SensorSpec::new(name, kind) };
    let classes = SensorSpec { numbering: Some(Numbering::CarlaOld), ..like("classes", SensorKind::Semantic) };
    let depth = SensorSpec { range: Some(1000.0), ..like("depth", SensorKind::Depth) };
    let direct = live(&config, vec![front, depth, classes]);
    for (n, payloads) in direct.iter().enumerate() {
        let (seen, labels) = (read("depth", n).to_rgb8(), read("semantics", n).to_luma8());
        assert_eq!((read("rgb", n).width(), read("rgb", n).height()), (960, 160));
        let (Payload::Depth(depth), Payload::Labels(classes)) = (&payloads[1], &payloads[2]) else { panic!("depth and labels") };
        for y in 0..160 {
            for x in 0..320 {
                assert_eq!(u16::from(labels.get_pixel(320 + x, y)[0]), classes.labels[(y as usize, x as usize)]);
                let d = seen.get_pixel(320 + x, y);
                // Red and blue are exchanged in files.
                let metres = (u32::from(d[0]) * 65_536 + u32::from(d[1]) * 256 + u32::from(d[2])) as f32 / 16_777_215.0 * 1000.0;
                let truth = depth.metres[(y as usize, x as usize)];
                assert!(if truth.is_nan() { metres > 999.9 } else { (metres - truth).abs() < 1e-3 }, "{metres} {truth}");
            }
        }
    }
    let (a, b) = (measured(0), measured(1));
    let [right, back] = seen_from([a.x, a.y, a.theta], [b.x, b.y]);
    let [wp_right, wp_back] = seen_from([a.x, a.y, a.theta], [a.waypoints[0][0], a.waypoints[0][1]]);
    // The forecast of half a second is where the vehicle is half a second later.
    assert!((right - wp_right).abs() < 0.3 && (back - wp_back).abs() < 0.5, "{right} {back}, forecast {wp_right} {wp_back}");
    assert!(back <= 0.01 && (-back - (a.speed + b.speed) / 4.0).abs() < 0.5, "{back} at {} m/s", a.speed);
    let labels: Vec<RawLabel> = serde_json::from_slice(&std::fs::read(route.join("label_raw/0002.json")).unwrap()).unwrap();
    assert!(labels[0].distance == -1.0 && labels[1..].iter().any(|l| l.num_points > 0), "{} boxes", labels.len());
    seen_from_above(&route.join("topdown/encoded_0002.png"), &labels);
}

/// The picture from above has road under the vehicle, and everybody of the labels where the labels have them.
fn seen_from_above(file: &Path, labels: &[RawLabel]) {
    let map = image::open(file).unwrap().to_rgb8();
    assert_eq!(map.dimensions(), (500, 500));
    assert_ne!(map.get_pixel(250, 250)[2] & 0x80, 0, "road under the vehicle");
    assert!(map.pixels().any(|p| p[2] & 0x40 != 0) && map.pixels().any(|p| p[2] & 0x80 == 0), "lines, and what is no road");
    let mut found = 0;
    for label in &labels[1..] {
        let (ahead, left) = (label.position[0] + 1.3, label.position[1]);
        if ahead.abs().max(left.abs()) < 48.0 {
            let bit = if label.class == "Pedestrian" { 0x40 } else { 0x80 };
            let pixel = map.get_pixel((250.0 - left * 5.0) as u32, (250.0 - ahead * 5.0) as u32);
            assert_ne!(pixel[1] & bit, 0, "{} {ahead:.1} m ahead, {left:.1} m to the left: {pixel:?}", label.class);
            found += 1;
        }
    }
    assert!(found > 0, "nobody near");
}
