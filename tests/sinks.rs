//! Sinks from outside: what lands on disk, what is refused, what a recording holds.
//!
//! A synthetic rig drives past coloured ground: two cameras, depth, thermal, LiDAR, ego motion; one bundle lacks its LiDAR.
//! With `SENSORIUM_RRD=FILE` the recording is kept, to look at.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use ndarray::Array2;
use sensorium::runtime::{Cx, Gauge, Layout, Mode, SensorInfo, Sink, StageInfo, Stop};
use sensorium::sinks::{ConsoleConfig, ConsoleSink, NullConfig, ResultsConfig};
use sensorium::types::*;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: [usize; 2] = [320, 192];

fn id(name: &str) -> SensorId {
    SensorId::new(name)
}

fn lens() -> Intrinsics {
    Intrinsics::new(SIZE[0], SIZE[1], 220.0, 220.0, 159.5, 95.5).unwrap()
}

fn camera(name: &str, yaw: f64) -> Arc<Calibration> {
    let mut calibration = Calibration::forward_camera(name, lens());
    let turn = nalgebra::UnitQuaternion::from_axis_angle(&nalgebra::Vector3::z_axis(), yaw);
    let lift = nalgebra::Isometry3::from_parts(nalgebra::Translation3::new(0.5, 0.0, 1.6), turn);
    calibration.extrinsics.isometry = lift * calibration.extrinsics.isometry;
    Arc::new(calibration)
}

fn lidar_place() -> Arc<Calibration> {
    let mut calibration = Calibration::unknown("lidar");
    calibration.extrinsics.isometry.translation.z = 1.8;
    Arc::new(calibration)
}

fn layout() -> Layout {
    let sensor = |name: &str, modality, calibration| SensorInfo { id: id(name), modality, calibration };
    let stage =
        |name: &str, outcomes: Vec<(OutcomeKind, Option<SensorId>)>| (Arc::from(name), StageInfo { outcomes, ..StageInfo::default() });
    Layout {
        name: "synthetic rig".into(),
        sensors: vec![
            sensor("front", Modality::Rgb, camera("front", 0.0)),
            sensor("left", Modality::Rgb, camera("left", 1.2)),
            sensor("depth", Modality::Depth, camera("depth", 0.0)),
            sensor("thermal", Modality::Thermal, camera("thermal", 0.0)),
            sensor("lidar", Modality::Cloud, lidar_place()),
            sensor("ego", Modality::Ego, Arc::new(Calibration::unknown("ego"))),
        ],
        stages: vec![
            stage("fuse", vec![(OutcomeKind::Fused, Some(id("front")))]),
            stage("segment", vec![(OutcomeKind::Segmentation, Some(id("front"))), (OutcomeKind::Confidence, Some(id("front")))]),
            stage("project", vec![(OutcomeKind::Projection, Some(id("front"))), (OutcomeKind::Cloud, None)]),
            stage("voxelise", vec![(OutcomeKind::Voxels, None)]),
            stage("detect", vec![(OutcomeKind::Boxes3, None)]),
            stage("drive", vec![(OutcomeKind::Control, None), (OutcomeKind::Trajectory, None)]),
            stage("chart", vec![(OutcomeKind::Map, None)]),
        ],
    }
}

/// A street: sky, ground with a lane line, a block that comes nearer.
fn street(t: u64, tint: u8) -> RgbImage {
    let [w, h] = SIZE;
    let pixel = |i: usize| {
        let (x, y) = (i % w, i / w);
        let block = x.abs_diff(200) < 18 + t as usize && y.abs_diff(88) < 14 + t as usize;
        match () {
            () if block => [200, 60, tint],
            () if y < 90 => [120, 160 + (y / 2) as u8, 225],
            () if x.abs_diff(160) * 90 < (y - 88) * 5 && (y + t as usize * 7) % 24 < 14 => [240, 240, 230],
            () => [70 + (y / 4) as u8, 75 + (y / 4) as u8, 80],
        }
    };
    RgbImage::new(w, h, (0..w * h).flat_map(pixel).collect::<Vec<u8>>()).unwrap()
}

/// Rings on the ground, and a wall 12 m ahead on the left.
fn sweep(t: u64) -> PointCloud {
    let ground = (0..24_u32)
        .flat_map(|ring| (0..720_u32).map(move |k| (3.0 + 1.22_f32.powi(ring as i32), k as f32 / 720.0 * std::f32::consts::TAU)));
    let on_ground = ground.filter(|(r, _)| *r < 70.0).map(|(r, a)| [r * a.cos(), r * a.sin(), -1.8 + 0.1 * (r / 9.0).sin()]);
    let wall = (0..4000_u32).map(|k| [12.0 + (k % 80) as f32 * 0.1 - t as f32 * 0.3, 6.0, -1.8 + (k / 80) as f32 * 0.08]);
    let point = |position: [f32; 3]| LidarPoint { position, intensity: (position[2] + 1.8) / 4.0, ring: 0, lag: 0.0 };
    PointCloud::new(on_ground.chain(wall).map(point).collect::<Vec<_>>()).unwrap()
}

fn outcomes(cloud: &PointCloud, front: &RgbImage, t: u64) -> Vec<(Arc<str>, Outcome)> {
    let (view, up) = (camera("front", 0.0).extrinsics.inverse(), nalgebra::Vector3::new(0.0, 0.0, 1.8));
    let mut projection = Projection { camera: id("front"), lidar: id("lidar"), pixels: vec![], depths: vec![], size: SIZE };
    let mut coloured = ColouredCloud::default();
    let mut voxels = VoxelGrid { origin: [-40.0, -40.0, -2.0], voxel: [0.5; 3], indices: vec![], counts: vec![], means: vec![] };
    for p in cloud.points() {
        let vehicle = nalgebra::Point3::from(p.position.map(f64::from)) + up;
        let cell: Vec<f64> = vehicle.iter().zip(voxels.origin).map(|(v, o)| (v - f64::from(o)) / 0.5).collect();
        let index = [cell[0] as u32, cell[1] as u32, cell[2] as u32];
        if !voxels.indices.contains(&index) && voxels.indices.len() < 1500 {
            voxels.indices.push(index);
            voxels.counts.push(1);
            voxels.means.push([vehicle.x as f32, vehicle.y as f32, vehicle.z as f32]);
        }
        let seen = view.apply(&vehicle);
        let Some(at) = lens().project(&seen) else { continue };
        let (Some(x), Some(y)) = (num::pixel(at.x, SIZE[0]), num::pixel(at.y, SIZE[1])) else { continue };
        projection.pixels.push([at.x as f32, at.y as f32]);
        projection.depths.push(seen.z as f32);
        coloured.positions.push([vehicle.x as f32, vehicle.y as f32, vehicle.z as f32]);
        coloured.colours.push(front.pixel(x, y).unwrap());
    }
    let classes =
        ["void", "road", "sky", "vehicle"].map(str::to_owned).into_iter().zip([[0; 3], [128, 64, 128], [70, 130, 180], [220, 20, 60]]);
    let label = |(y, x): (usize, usize)| match front.pixel(x, y).unwrap() {
        [200, 60, _] => 3,
        [120, _, 225] => 2,
        _ => 1,
    };
    let labels = LabelImage {
        labels: Array2::from_shape_fn((SIZE[1], SIZE[0]), label),
        classes: Arc::new(ClassList { classes: classes.collect() }),
    };
    let car = |class: &str, x: f64, y: f64, track| Box3 {
        centre: [x - t as f64 * 0.3, y, 0.8],
        size: [4.4, 1.9, 1.6],
        yaw: 0.1,
        velocity: None,
        class: class.into(),
        score: 0.87,
        track,
    };
    let control = Control { throttle: 0.4, steer: (t as f32 / 3.0).sin() * 0.3, brake: 0.0, reverse: false };
    let scores = ScoreImage { scores: Array2::from_shape_fn((SIZE[1], SIZE[0]), |(y, _)| y as f32 / SIZE[1] as f32), of: "best".into() };
    let layers = Arc::new(["drivable_area", "walkway", "divider"].map(str::to_owned).to_vec());
    let lane = |i: usize| if (i % 60).abs_diff(30) < 12 { 1 | u32::from(i % 60 == 30) << 2 } else { 2 };
    let map = BevMap::new(layers, [-10.0, -15.0], 0.5, 80, 60, (0..80 * 60).map(lane).collect()).unwrap();
    let map = map.with_probabilities((0..3 * 80 * 60).map(|i| i as f32 / 14_399.0).collect()).unwrap();
    let way = Trajectory { points: (1..9).map(|k| [f64::from(k) * 2.0, f64::from(k).powi(2) * 0.05, 0.0]).collect(), times: vec![] };
    let named = |name: &str, outcome| (Arc::from(name), outcome);
    vec![
        named("fuse", Outcome::Fused(Arc::new(street(t, 200)))),
        named("segment", Outcome::Segmentation(Arc::new(labels))),
        named("project", Outcome::Projection(Arc::new(projection))),
        named("project", Outcome::Cloud(Arc::new(coloured))),
        named("voxelise", Outcome::Voxels(Arc::new(voxels))),
        named("detect", Outcome::Boxes3(Arc::new(vec![car("car", 14.0, -3.0, Some(7)), car("truck", 22.0, 2.5, None)]))),
        named("drive", Outcome::Control(control)),
        named("segment", Outcome::Confidence(Arc::new(scores))),
        named("chart", Outcome::Map(Arc::new(map))),
        named("drive", Outcome::Trajectory(Arc::new(way))),
    ]
}

fn packet(t: u64) -> Packet {
    let at = SensorTime::from_seconds(t as f64 * 0.1).unwrap();
    let frame = |name: &str, calibration, payload| Frame { arrived: HostTime::now(), ..Frame::new(id(name), t, at, calibration, payload) };
    let (front, cloud) = (street(t, 40), sweep(t));
    let metres =
        Array2::from_shape_fn((SIZE[1], SIZE[0]), |(y, x)| if x < 12 { f32::NAN } else { (900.0 / (y as f32 - 60.0).max(20.0)).min(30.0) });
    let heat = (0..SIZE[0] * SIZE[1]).map(|i| 8000 + (i / SIZE[0]) as u16 * 4 + if (i % SIZE[0]).abs_diff(200) < 20 { 3000 } else { 0 });
    let thermal = ThermalImage::new(SIZE[0], SIZE[1], heat.collect::<Vec<u16>>(), 65535).unwrap();
    let drive = nalgebra::Isometry3::from_parts(
        nalgebra::Translation3::new(t as f64 * 0.6, (t as f64 * 0.05).powi(2), 0.0),
        nalgebra::UnitQuaternion::from_axis_angle(&nalgebra::Vector3::z_axis(), t as f64 * 0.02),
    );
    let ego = EgoState { pose: Pose::new(FrameId::world(), FrameId::vehicle(), drive), speed: 6.0, yaw_rate: 0.2 };
    let lost = t == 3;
    let outcomes = if lost { Vec::new() } else { outcomes(&cloud, &front, t) };
    let mut frames = vec![
        Frame { name: (t >= 2).then(|| "street".into()), ..frame("front", camera("front", 0.0), Payload::Rgb(Arc::new(front))) },
        frame("left", camera("left", 1.2), Payload::Rgb(Arc::new(street(t + 9, 90)))),
        frame("depth", camera("depth", 0.0), Payload::Depth(Arc::new(DepthImage { metres }))),
        frame("thermal", camera("thermal", 0.0), Payload::Thermal(Arc::new(thermal))),
        frame("ego", Arc::new(Calibration::unknown("ego")), Payload::Ego(ego)),
    ];
    if !lost {
        frames.push(frame("lidar", lidar_place(), Payload::Cloud(Arc::new(cloud))));
    }
    let rig = layout();
    let presence = rig.sensors.iter().map(|s| (s.id, if lost && s.id == id("lidar") { Presence::Missing } else { Presence::Ok }));
    let origins = frames.iter().map(|f| Origin { sensor: f.sensor, seq: f.seq, captured: f.captured, arrived: f.arrived }).collect();
    let worked = |(i, (stage, _)): (usize, &(Arc<str>, StageInfo))| StageTime {
        stage: Arc::clone(stage),
        waited: 400_000 + 100_000 * i as u64,
        worked: 2_000_000 * (i as u64 + 1) + (t * 137 % 7) * 300_000,
        weights: (i == 1).then(|| "5e50".into()),
    };
    let lineage = Lineage { origins: Arc::new(origins), stages: rig.stages.iter().enumerate().map(worked).collect() };
    let bundle = Bundle { at, frames, presence: presence.collect(), skew: Duration::from_millis(3 + t % 4) };
    Packet { head: Head { seq: t, at, lineage }, bundle: Arc::new(bundle), outcomes }
}

fn context() -> Cx {
    let gauges = || {
        vec![
            Gauge { name: "edges/align->fuse/depth".into(), value: 2.0 },
            Gauge { name: "edges/fuse->viewer/depth".into(), value: 1.0 },
            Gauge { name: "age_ms".into(), value: 31.0 },
        ]
    };
    Cx::new(Mode::Offline, Stop::default(), Arc::new(gauges))
}

fn run(sink: &mut dyn Sink, packets: std::ops::Range<u64>) {
    let cx = context();
    sink.start(&layout(), &cx).unwrap();
    packets.for_each(|t| sink.accept(&packet(t), &cx).unwrap());
    sink.finish(&cx).unwrap();
}

fn files(dir: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

#[test]
fn results_are_what_the_lines_say() {
    let dir = tempfile::tempdir().unwrap();
    let config = ResultsConfig { clouds: true, every: 2, ..ResultsConfig::default() };
    run(&mut config.in_dir(dir.path().join("out")).build().unwrap(), 0..5);
    let out = dir.path().join("out");
    let text = std::fs::read_to_string(out.join("results.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[3]["presence"]["lidar"], "missing");
    assert_eq!(lines[0]["stages"][1]["weights"], "5e50");
    assert_eq!(lines[0]["outcomes"][5]["boxes"][0]["class"], "car");
    let named: Vec<&str> = lines.iter().flat_map(|l| l["outcomes"].as_array().unwrap()).filter_map(|o| o["file"].as_str()).collect();
    assert_eq!(named.len(), 6 * 3);
    assert!(named.iter().all(|f| out.join(f).metadata().unwrap().len() > 100));
    assert_eq!(files(&out.join("fuse/fused")), ["000000.png", "street-000004.png", "street.png"]);
    let overlay = image::open(out.join("project/projection_front/000000.png")).unwrap().to_rgb8();
    let plain = street(0, 40);
    let painted = overlay.as_raw().iter().zip(plain.data()).filter(|(a, b)| a != b).count();
    assert!(painted > 5000, "{painted} bytes painted");
    let labels = image::open(out.join("segment/segmentation/000000.png")).unwrap().to_luma8();
    assert_eq!((labels.get_pixel(5, 5).0, labels.get_pixel(5, 180).0), ([2], [1]));
    let levels = image::open(out.join("chart/map_probabilities/000000.png")).unwrap().into_luma16();
    assert_eq!((levels.dimensions(), levels.get_pixel(59, 239).0, levels.get_pixel(0, 0).0), ((60, 240), [65535], [0]));
    assert_eq!(levels.get_pixel(7, 100).0, [(6007.0_f32 / 14_399.0 * 65535.0).round() as u16]);
    let ply = std::fs::read(out.join("project/cloud/000000.ply")).unwrap();
    assert!(ply.starts_with(b"ply\nformat binary_little_endian 1.0\n"));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let mut sink = ResultsConfig::default().in_dir(file.join("out")).build().unwrap();
    let error = sink.start(&layout(), &context()).unwrap_err().to_string();
    assert!(error.contains("file/out"), "{error}");
    assert!(sink.accept(&packet(0), &context()).is_err());
    // A folder that turns into an obstacle during the run.
    let out = dir.path().join("out");
    let mut sink = ResultsConfig::default().in_dir(out.clone()).build().unwrap();
    sink.start(&layout(), &context()).unwrap();
    std::fs::write(out.join("fuse"), "in the way").unwrap();
    let error = sink.accept(&packet(0), &context()).unwrap_err().to_string();
    assert!(error.contains("fuse"), "{error}");
    sink.finish(&context()).unwrap();
    assert!(ResultsConfig::default().build().is_err(), "no folder");
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);
impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_console_says_what_is_missing() {
    let page = Page::default();
    let mut sink = ConsoleSink::on(ConsoleConfig { every_s: 0.0 }, Box::new(page.clone())).unwrap();
    run(&mut sink, 2..5);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().nth(1).unwrap().contains("missing lidar x1"), "{text}");
    assert!(text.contains("detect: 2 boxes"));
}

#[test]
fn the_null_sink_counts() {
    let mut sink = NullConfig::default().build().unwrap();
    run(&mut sink, 0..4);
    assert_eq!((sink.packets(), sink.outcomes()), (4, 30));
}

#[cfg(feature = "viewer")]
mod viewer {
    use super::*;
    use sensorium::sinks::RerunConfig;

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    }

    #[test]
    fn a_recording_holds_every_entity() {
        let dir = tempfile::tempdir().unwrap();
        let path = std::env::var_os("SENSORIUM_RRD").map_or_else(|| dir.path().join("new/rig.rrd"), Into::into);
        let config = RerunConfig { record: Some(path.clone()), ..RerunConfig::default() };
        run(&mut config.build().unwrap(), 0..20);
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.len() > 100_000, "{} bytes", bytes.len());
        let entities = [
            "/world/vehicle/front",
            "/world/vehicle/lidar",
            "/world/vehicle/stages/detect/boxes",
            "/world/trajectory",
            "/results/fuse/fused",
            "/metrics/age/skew",
            "/log",
        ];
        for entity in entities {
            assert!(contains(&bytes, entity), "{entity}");
        }
    }

    #[test]
    fn the_web_viewer_serves_its_page_and_closes() {
        let config = RerunConfig { web: true, web_port: 0, grpc_port: 0, ..RerunConfig::default() };
        let mut sink = config.build().unwrap();
        let cx = context();
        sink.start(&layout(), &cx).unwrap();
        let url = sink.web_url().unwrap().to_owned();
        sink.accept(&packet(0), &cx).unwrap();
        let host = url.trim_start_matches("http://").split(['/', '?']).next().unwrap();
        let mut connection = std::net::TcpStream::connect(host).unwrap();
        write!(connection, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        std::io::Read::read_to_string(&mut connection, &mut page).unwrap();
        assert!(page.contains("200 OK") && page.contains("<html"), "{page}");
        sink.finish(&cx).unwrap();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(RerunConfig::default().build().is_err(), "nowhere to send to");
        let config = |connect: &str| RerunConfig { connect: Some(connect.into()), ..RerunConfig::default() };
        for address in ["rerun+http://127.0.0.1:1/proxy", "nonsense"] {
            assert!(config(address).build().unwrap().start(&layout(), &context()).is_err(), "{address}");
        }
        let limit = RerunConfig { web: true, memory_limit: "a lot".into(), ..RerunConfig::default() };
        assert!(limit.build().is_err());
    }
}
