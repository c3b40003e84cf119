//! Stages through `Stage::process`: geometry against hand-made truth, random cases, hostile cases, real infrared-visible pairs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use ndarray::Array2;
use sensorium::heads::fuse_image::luma;
use sensorium::heads::project::Motion;
use sensorium::runtime::{Cx, Mode, Outlet, Stage};
use sensorium::stages::{DepthCloudConfig, FuseClassicalConfig, ProjectConfig, RectifyConfig, ResizeConfig, VoxelConfig};
use sensorium::types::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Uniform numbers from a seed (xorshift64*).
struct Seeded(u64);
impl Seeded {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    fn isometry(&mut self, reach: f64) -> Isometry3<f64> {
        let t = Translation3::new(self.within(-reach, reach), self.within(-reach, reach), self.within(-reach, reach));
        let axis = Vector3::new(self.within(-3.0, 3.0), self.within(-3.0, 3.0), self.within(-3.0, 3.0));
        Isometry3::from_parts(t, UnitQuaternion::from_scaled_axis(axis))
    }
    fn cloud(&mut self, count: usize, reach: f64) -> Vec<LidarPoint> {
        let mut point = || LidarPoint { position: std::array::from_fn(|_| self.within(-reach, reach) as f32), ..LidarPoint::default() };
        (0..count).map(|_| point()).collect()
    }
}

fn frame(sensor: &str, captured: i64, calibration: &Arc<Calibration>, payload: Payload) -> Frame {
    Frame::new(SensorId::new(sensor), 0, SensorTime::from_nanos(captured), Arc::clone(calibration), payload)
}
fn packet(frames: Vec<Frame>) -> Packet {
    let presence = frames.iter().map(|f| (f.sensor, Presence::Ok)).collect();
    let bundle = Bundle { at: SensorTime::from_nanos(0), frames, presence, skew: Duration::ZERO };
    Packet { head: Head::default(), bundle: Arc::new(bundle), outcomes: Vec::new() }
}
fn run(stage: &mut dyn Stage, packet: Packet) -> Result<Packet> {
    let mut sent = Vec::new();
    let mut send = |p: Packet| sent.push(p);
    stage.process(packet, &mut Outlet::new(Arc::from("s"), &mut send), &Cx::alone(Mode::Offline))?;
    assert_eq!(sent.len(), 1, "one packet in, one packet out");
    Ok(sent.remove(0))
}
fn id(name: &str) -> SensorId {
    SensorId::new(name)
}
fn unknown(name: &str) -> Arc<Calibration> {
    Arc::new(Calibration::unknown(name))
}
fn camera(name: &str, width: usize, height: usize, isometry: Isometry3<f64>) -> Arc<Calibration> {
    let focal = width as f64 * 0.7;
    let lens = Intrinsics::new(width, height, focal, focal, (width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0).unwrap();
    let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new(name), isometry);
    Arc::new(Calibration { intrinsics: Some(lens), distortion: Distortion::None, extrinsics, version: 3 })
}
fn lidar(isometry: Isometry3<f64>) -> Arc<Calibration> {
    let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new("top"), isometry);
    Arc::new(Calibration { intrinsics: None, distortion: Distortion::None, extrinsics, version: 0 })
}
fn cloud(points: Vec<LidarPoint>) -> Payload {
    Payload::Cloud(Arc::new(PointCloud::new(points).unwrap()))
}
fn rgb(width: usize, height: usize, value: impl Fn(usize) -> u8) -> Payload {
    Payload::Rgb(Arc::new(RgbImage::new(width, height, (0..width * height * 3).map(value).collect::<Vec<u8>>()).unwrap()))
}
fn thermal(width: usize, height: usize, value: impl Fn(usize) -> u16) -> Payload {
    Payload::Thermal(Arc::new(ThermalImage::new(width, height, (0..width * height).map(value).collect::<Vec<u16>>(), 255).unwrap()))
}
fn depth(width: usize, height: usize, value: impl Fn(usize) -> f32) -> Payload {
    let metres = Array2::from_shape_vec((height, width), (0..width * height).map(value).collect()).unwrap();
    Payload::Depth(Arc::new(DepthImage { metres }))
}
fn labels(width: usize, height: usize, value: impl Fn(usize) -> u16) -> Payload {
    let labels = Array2::from_shape_vec((height, width), (0..width * height).map(value).collect()).unwrap();
    Payload::Labels(Arc::new(LabelImage { labels, classes: Arc::default() }))
}
fn projections(packet: &Packet) -> Vec<(&str, &Projection)> {
    packet.outcomes.iter().map(|(n, o)| if let Outcome::Projection(p) = o { (n.as_ref(), p.as_ref()) } else { panic!("{o:?}") }).collect()
}

#[test]
fn a_projected_pixel_unprojects_to_the_point_it_came_from() {
    let mut seeded = Seeded(7);
    let (mut seen, mut stage) =
        (0, ProjectConfig { lidar: id("top"), cameras: vec![id("a"), id("gone"), id("b")], ego: None, min_depth: 0.5 }.build().unwrap());
    assert_eq!(stage.info().requires, vec![id("top")]);
    assert_eq!(stage.info().outcomes.len(), 3);
    for _ in 0..40 {
        let (top, a, b) =
            (lidar(seeded.isometry(2.0)), camera("a", 320, 200, seeded.isometry(2.0)), camera("b", 64, 48, seeded.isometry(2.0)));
        let points = seeded.cloud(400, 30.0);
        let frames = vec![
            frame("top", 0, &top, cloud(points.clone())),
            frame("a", 9_000_000, &a, rgb(320, 200, |_| 0)),
            frame("b", 0, &b, rgb(64, 48, |_| 0)),
        ];
        let out = run(&mut stage, packet(frames)).unwrap();
        let found = projections(&out);
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), ["s/a", "s/b"]);
        for ((_, projection), camera) in found.iter().zip([&a, &b]) {
            let lens = camera.intrinsics.unwrap();
            assert_eq!(projection.pixels.len(), projection.depths.len());
            let to_lidar = top.extrinsics.isometry.inverse() * camera.extrinsics.isometry;
            let mut rest = points.iter();
            for (pixel, z) in projection.pixels.iter().zip(&projection.depths) {
                assert!(*z >= 0.5 && pixel[0] >= -0.5 && pixel[0] < lens.width as f32 - 0.5 && pixel[1] < lens.height as f32 - 0.5);
                let p = to_lidar * lens.unproject(f64::from(pixel[0]), f64::from(pixel[1]), f64::from(*z));
                let near = |q: &LidarPoint| (p - Point3::from(q.position.map(f64::from))).norm() < 2e-3;
                assert!(rest.any(near), "no point (in order) at {p}");
                seen += 1;
            }
            let visible = |q: &&LidarPoint| {
                let p = to_lidar.inverse() * Point3::from(q.position.map(f64::from));
                let Some(u) = lens.project(&p) else { return false };
                p.z > 0.5 && u.x >= -0.5 && u.y >= -0.5 && u.x < lens.width as f64 - 0.5 && u.y < lens.height as f64 - 0.5
            };
            assert_eq!(points.iter().filter(visible).count(), projection.pixels.len());
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn the_vehicle_s_motion_between_the_captures_is_taken_out() {
    let forward = Calibration::forward_camera("cam", Intrinsics::new(1600, 900, 1260.0, 1260.0, 799.5, 449.5).unwrap());
    let (cam, top) = (Arc::new(forward), lidar(Isometry3::translation(1.0, 0.0, 1.8)));
    let motion = Motion { speed: 15.0, yaw_rate: 0.4 };
    let state = EgoState { pose: Pose::identity(FrameId::world(), FrameId::vehicle()), speed: motion.speed, yaw_rate: motion.yaw_rate };
    let config = ProjectConfig { lidar: id("top"), cameras: vec![id("cam")], ego: Some(id("ego")), min_depth: 0.5 };
    let mut stage = config.build().unwrap();
    for (late, lag) in [(50_000_000_i64, 0.0_f32), (-30_000_000, 0.0), (50_000_000, 0.02)] {
        let landmark = Point3::new(20.0, 1.0, 0.5); // in the vehicle's frame at the moment the LiDAR hit it
        let p = top.extrinsics.isometry.inverse() * landmark;
        let point = LidarPoint { position: [p.x as f32, p.y as f32, p.z as f32], lag, ..LidarPoint::default() };
        let frames = vec![
            frame("top", 0, &top, cloud(vec![point])),
            frame("cam", late, &cam, rgb(1600, 900, |_| 0)),
            frame("ego", 0, &unknown("ego"), Payload::Ego(state)),
        ];
        // The vehicle drives on in 10,000 small steps.
        let seconds = late as f64 * 1e-9 - f64::from(lag);
        let (mut x, mut y, mut yaw, dt) = (0.0, 0.0, 0.0_f64, seconds / 10_000.0);
        for _ in 0..10_000 {
            (x, y, yaw) = (x + motion.speed * yaw.cos() * dt, y + motion.speed * yaw.sin() * dt, yaw + motion.yaw_rate * dt);
        }
        let vehicle = Isometry3::from_parts(Translation3::new(x, y, 0.0), UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw));
        let truth = cam.intrinsics.unwrap().project(&(cam.extrinsics.isometry.inverse() * vehicle.inverse() * landmark)).unwrap();
        let out = run(&mut stage, packet(frames)).unwrap();
        let pixel = projections(&out)[0].1.pixels[0];
        assert!((f64::from(pixel[0]) - truth.x).abs() < 0.02 && (f64::from(pixel[1]) - truth.y).abs() < 0.02, "{pixel:?} {truth}");
    }
}

#[test]
fn voxel_counts_add_up_to_the_points_in_range() {
    let mut seeded = Seeded(11);
    let config = VoxelConfig { lidar: id("top"), voxel: [0.5, 0.4, 0.3], low: [-20.0, -15.0, -3.0], high: [25.0, 15.0, 4.0] };
    let mut stage = config.clone().build().unwrap();
    for count in [0, 1, 5000, 100, 20_000] {
        let (pose, points) = (seeded.isometry(5.0), seeded.cloud(count, 30.0));
        let inside = |q: &&LidarPoint| {
            let p = pose * Point3::from(q.position.map(f64::from));
            (0..3).all(|i| p[i] >= config.low[i] && p[i] < config.high[i])
        };
        let wanted = points.iter().filter(inside).count();
        let once = |stage: &mut dyn Stage| run(stage, packet(vec![frame("top", 0, &lidar(pose), cloud(points.clone()))])).unwrap();
        let (out, again) = (once(&mut stage), once(&mut stage));
        let (Outcome::Voxels(grid), Outcome::Voxels(same)) = (&out.outcomes[0].1, &again.outcomes[0].1) else { panic!() };
        assert_eq!(grid, same, "the same cloud gives the same grid");
        assert_eq!(grid.counts.iter().map(|c| *c as usize).sum::<usize>(), wanted);
        assert_eq!(grid.indices.iter().collect::<std::collections::BTreeSet<_>>().len(), grid.indices.len(), "no voxel twice");
        for (index, mean) in grid.indices.iter().zip(&grid.means) {
            for i in 0..3 {
                let low = config.low[i] + f64::from(index[i]) * config.voxel[i];
                assert!(f64::from(mean[i]) > low - 1e-4 && f64::from(mean[i]) < low + config.voxel[i] + 1e-4);
            }
        }
    }
}

#[test]
fn resizing_moves_pictures_and_intrinsics_together_and_keeps_holes() {
    let config = ResizeConfig { sensors: ["c", "t", "d", "l", "gone"].map(id).to_vec(), width: 20, height: 16 };
    let mut stage = config.build().unwrap();
    let calibration = camera("c", 40, 32, Isometry3::identity());
    let hole = |i: usize| if (i / 7).is_multiple_of(2) { f32::NAN } else { 4.0 };
    let frames = || {
        vec![
            frame("c", 0, &calibration, rgb(40, 32, |_| 90)),
            frame("t", 0, &unknown("t"), thermal(5, 3, |_| 33)),
            frame("d", 0, &unknown("d"), depth(40, 32, hole)),
            frame("l", 0, &unknown("l"), labels(9, 40, |i| [3, 9][i % 2])),
            frame("other", 0, &unknown("other"), rgb(7, 7, |_| 1)),
        ]
    };
    let (first, second) = (run(&mut stage, packet(frames())).unwrap(), run(&mut stage, packet(frames())).unwrap());
    let of = |name: &str| first.bundle.frame(id(name)).unwrap();
    let Payload::Rgb(image) = &of("c").payload else { panic!() };
    assert!((image.width(), image.height()) == (20, 16) && image.data().iter().all(|&v| v == 90));
    let lens = of("c").calibration.intrinsics.unwrap();
    assert_eq!(lens, calibration.intrinsics.unwrap().resized(20, 16));
    assert_eq!(of("c").calibration.version, 3);
    assert!(Arc::ptr_eq(&of("c").calibration, &second.bundle.frame(id("c")).unwrap().calibration), "made once");
    let Payload::Thermal(image) = &of("t").payload else { panic!() };
    assert!(image.width() == 20 && image.data().iter().all(|&v| v == 33));
    let Payload::Depth(image) = &of("d").payload else { panic!() };
    assert!(image.width() == 20 && image.metres.iter().all(|v| v.is_nan() || *v == 4.0) && image.metres.iter().any(|v| v.is_nan()));
    let Payload::Labels(image) = &of("l").payload else { panic!() };
    assert!(image.labels.dim() == (16, 20) && image.labels.iter().all(|v| [3, 9].contains(v)));
    let Payload::Rgb(image) = &of("other").payload else { panic!() };
    assert_eq!(image.width(), 7);
    let wrong = packet(vec![frame("c", 0, &unknown("c"), cloud(Vec::new()))]);
    assert!(run(&mut stage, wrong).unwrap_err().to_string().contains("`c`"));
}

#[test]
fn rectifying_takes_the_distortion_off_the_calibration() {
    let mut bent = camera("c", 64, 48, Isometry3::identity()).as_ref().clone();
    bent.distortion = Distortion::BrownConrady { k1: -0.3, k2: 0.1, p1: 0.001, p2: 0.0, k3: 0.0 };
    let bent = Arc::new(bent);
    let mut stage = RectifyConfig { cameras: vec![id("c"), id("d"), id("gone")] }.build().unwrap();
    let frames = vec![frame("c", 0, &bent, rgb(64, 48, |_| 200)), frame("d", 0, &bent, depth(64, 48, |_| 2.0))];
    let out = run(&mut stage, packet(frames)).unwrap();
    let of = |name: &str| out.bundle.frame(id(name)).unwrap();
    assert_eq!(of("c").calibration.distortion, Distortion::None);
    assert_eq!(of("c").calibration.intrinsics, bent.intrinsics);
    let Payload::Rgb(image) = &of("c").payload else { panic!() };
    assert!(image.data().iter().all(|&v| v == 200 || v == 0) && image.pixel(32, 24) == Some([200; 3]));
    let Payload::Depth(image) = &of("d").payload else { panic!() };
    assert!(image.metres.iter().all(|v| v.is_nan() || *v == 2.0));
    let wrong = packet(vec![frame("c", 0, &bent, rgb(32, 48, |_| 0))]);
    let error = run(&mut stage, wrong).unwrap_err().to_string();
    assert!(error.contains("64x48") && error.contains("32x48"), "{error}");
}

#[test]
fn a_depth_cloud_projects_back_to_its_pixels() {
    let mut seeded = Seeded(3);
    let calibration = camera("d", 32, 24, seeded.isometry(3.0));
    let metres: Vec<f32> = (0..32 * 24).map(|i| if i % 5 == 0 { f32::NAN } else { seeded.within(0.5, 9.0) as f32 }).collect();
    let frames =
        vec![frame("d", 0, &calibration, depth(32, 24, |i| metres[i])), frame("c", 0, &calibration, rgb(32, 24, |i| (i / 3 % 251) as u8))];
    let mut stage = DepthCloudConfig { depth: id("d"), colour: id("c"), stride: 1, max_depth_m: 8.0 }.build().unwrap();
    let out = run(&mut stage, packet(frames)).unwrap();
    let Outcome::Cloud(cloud) = &out.outcomes[0].1 else { panic!() };
    let kept: Vec<usize> = (0..32 * 24).filter(|&i| metres[i] <= 8.0).collect();
    assert_eq!((cloud.positions.len(), cloud.colours.len()), (kept.len(), kept.len()));
    let to_camera = calibration.extrinsics.isometry.inverse();
    for ((p, colour), i) in cloud.positions.iter().zip(&cloud.colours).zip(kept) {
        let pixel = calibration.intrinsics.unwrap().project(&(to_camera * Point3::from(p.map(f64::from)))).unwrap();
        assert!((pixel.x - (i % 32) as f64).abs() < 1e-3 && (pixel.y - (i / 32) as f64).abs() < 1e-3);
        assert_eq!(colour[0], (i % 251) as u8);
    }
}

#[test]
fn one_pixel_no_points_and_missing_sensors_are_no_trouble() {
    let one = camera("c", 1, 1, Isometry3::identity());
    let mut stages: Vec<Box<dyn Stage>> = vec![
        Box::new(ResizeConfig { sensors: vec![id("c"), id("t"), id("d")], width: 3, height: 2 }.build().unwrap()),
        Box::new(ResizeConfig { sensors: vec![id("c"), id("t"), id("d")], width: 1, height: 1 }.build().unwrap()),
        Box::new(RectifyConfig { cameras: vec![id("c")] }.build().unwrap()),
        Box::new(ProjectConfig { lidar: id("top"), cameras: vec![id("c")], ego: Some(id("ego")), min_depth: 0.5 }.build().unwrap()),
        Box::new(DepthCloudConfig { depth: id("d"), colour: id("c"), stride: 7, max_depth_m: 5.0 }.build().unwrap()),
        Box::new(toml::from_str::<VoxelConfig>("lidar = 'top'").unwrap().build().unwrap()),
        Box::new(toml::from_str::<FuseClassicalConfig>("infrared = 't'\nvisible = 'c'").unwrap().build().unwrap()),
    ];
    let frames = vec![
        frame("top", 0, &lidar(Isometry3::identity()), cloud(Vec::new())),
        frame("c", i64::MAX, &one, rgb(1, 1, |_| 9)),
        frame("t", 0, &one, thermal(1, 1, |_| 200)),
        frame("d", 0, &one, depth(1, 1, |_| 1.0)),
    ];
    for stage in &mut stages {
        assert!(run(stage.as_mut(), packet(Vec::new())).unwrap().outcomes.is_empty());
    }
    let out = stages.iter_mut().fold(packet(frames), |p, stage| run(stage.as_mut(), p).unwrap());
    assert_eq!(out.outcomes.len(), 4);
    for (_, outcome) in &out.outcomes {
        match outcome {
            Outcome::Projection(p) => assert!(p.pixels.is_empty()),
            Outcome::Cloud(c) => assert!(c.positions.len() == 1 && c.positions[0].iter().all(|v| v.is_finite())),
            Outcome::Voxels(v) => assert!(v.indices.is_empty()),
            Outcome::Fused(f) => assert_eq!((f.width(), f.height()), (1, 1)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn configs_survive_toml_and_refuse_what_they_do_not_know() {
    let text = toml::to_string(&ProjectConfig { lidar: id("top"), cameras: vec![id("a")], ego: None, min_depth: 0.7 }).unwrap();
    assert!((toml::from_str::<ProjectConfig>(&text).unwrap().min_depth - 0.7).abs() < 1e-12);
    assert!(toml::from_str::<ProjectConfig>("lidar = 'top'\ncameras = ['a']\nlydar = 1").is_err());
    assert!(ResizeConfig { sensors: Vec::new(), width: 0, height: 4 }.build().is_err());
    assert!(ProjectConfig { lidar: id("top"), cameras: Vec::new(), ego: None, min_depth: 0.5 }.build().is_err());
}

/// Entropy, average gradient, spatial frequency and standard deviation of an 8-bit grey picture.
fn measures(grey: &[u8], width: usize) -> [f64; 4] {
    let n = grey.len() as f64;
    let mut histogram = [0.0_f64; 256];
    grey.iter().for_each(|v| histogram[*v as usize] += 1.0);
    let entropy = histogram.iter().filter(|c| **c > 0.0).map(|c| -c / n * (c / n).log2()).sum();
    let mean = grey.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (grey.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
    let (mut gradient, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (i, v) in grey.iter().enumerate() {
        if i % width + 1 < width && i + width < grey.len() {
            let (dx, dy) = (f64::from(grey[i + 1]) - f64::from(*v), f64::from(grey[i + width]) - f64::from(*v));
            gradient += ((dx * dx + dy * dy) / 2.0).sqrt();
            squares += dx * dx + dy * dy;
            count += 1.0;
        }
    }
    [entropy, gradient / count, (squares / count).sqrt(), deviation]
}

fn greys(data: &[u8]) -> Vec<u8> {
    data.chunks_exact(3).map(|p| (luma([p[0], p[1], p[2]]) * 255.0).round() as u8).collect()
}

/// Mean measures of infrared, visible and fused over all pairs below `folder`.
fn mean_measures(folder: &Path) -> [[f64; 4]; 3] {
    let (mut sums, mut pairs) = ([[0.0; 4]; 3], 0.0);
    let mut stage = toml::from_str::<FuseClassicalConfig>("infrared = 'ir'\nvisible = 'vi'").unwrap().build().unwrap();
    for entry in std::fs::read_dir(folder.join("vi")).unwrap() {
        let name = entry.unwrap().file_name();
        let vi = image::open(folder.join("vi").join(&name)).unwrap().to_rgb8();
        let ir = image::open(folder.join("ir").join(&name)).unwrap().to_luma8();
        let (w, h) = (vi.width() as usize, vi.height() as usize);
        let frames = vec![
            frame("ir", 0, &unknown("ir"), thermal(w, h, |i| u16::from(ir.as_raw()[i]))),
            frame("vi", 0, &unknown("vi"), rgb(w, h, |i| vi.as_raw()[i])),
        ];
        let out = run(&mut stage, packet(frames)).unwrap();
        let Outcome::Fused(fused) = &out.outcomes[0].1 else { panic!() };
        for (sum, grey) in sums.iter_mut().zip([ir.as_raw(), &greys(vi.as_raw()), &greys(fused.data())]) {
            sum.iter_mut().zip(measures(grey, w)).for_each(|(s, m)| *s += m);
        }
        pairs += 1.0;
    }
    sums.map(|s| s.map(|v| v / pairs))
}

#[test]
fn fused_pictures_of_real_pairs_beat_both_inputs() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/irvis"));
    if !root.is_dir() {
        println!("skipped: {} is not here", root.display());
        return;
    }
    // RoadScene's infrared is stretched to the full range: its entropy and deviation are out of reach.
    for (folder, which) in [("msrs/train", 0..4), ("msrs/test", 0..4), ("roadscene", 1..3)] {
        let [infrared, visible, fused] = mean_measures(&root.join(folder));
        println!("{folder}: infrared {infrared:.2?}, visible {visible:.2?}, fused {fused:.2?} (EN, AG, SF, SD)");
        for i in which {
            assert!(fused[i] > infrared[i].max(visible[i]), "{folder}, measure {i}: {infrared:?} {visible:?} {fused:?}");
        }
    }
}

#[test]
fn pictures_of_different_sizes_are_refused_with_both_sensors_named() {
    let mut stage = toml::from_str::<FuseClassicalConfig>("infrared = 'ir'\nvisible = 'vi'\nmethod = 'gff'").unwrap().build().unwrap();
    let frames = vec![frame("ir", 0, &unknown("ir"), thermal(8, 6, |_| 1)), frame("vi", 0, &unknown("vi"), rgb(9, 6, |_| 1))];
    let error = run(&mut stage, packet(frames)).unwrap_err().to_string();
    assert!(["`ir`", "`vi`", "8x6", "9x6"].iter().all(|w| error.contains(w)), "{error}");
}
