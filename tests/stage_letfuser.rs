//! The LeTFuser stage through `Stage::process`: what comes out, what may be missing, what is refused, and that untrained weights are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use sensorium::heads::vehicle_control::{LossWeights, Merge, Proposal, VehicleControl};
use sensorium::nets::letfuser::{LetFuser, Look, Vehicle};
use sensorium::nets::{Origin, to_host};
use sensorium::runtime::{Cx, Mode, Outlet, Stage};
use sensorium::stages::LetfuserConfig;
use sensorium::types::{
    BevMap, Bundle, Calibration, Control, DepthImage, EgoState, Frame, FrameId, Head, Intrinsics, LabelImage, Outcome, Packet, Payload,
    Pose, Presence, Result, RgbImage, SensorId, SensorTime, Trajectory,
};
use std::sync::Arc;
use std::time::Duration;

const SIZE: [usize; 2] = [160, 80];
const THREE: &str = "rgb = ['l', 'f', 'r']\ndepth = ['dl', 'df', 'dr']\nego = 'ego'\nroute = 'route'\nseed = 3";

fn build(text: &str) -> Result<impl Stage + use<>> {
    toml::from_str::<LetfuserConfig>(text).unwrap().build()
}

fn calibration() -> Arc<Calibration> {
    let focal = 80.0 / 30_f64.to_radians().tan();
    let mut seen = Calibration::forward_camera("camera", Intrinsics::new(SIZE[0], SIZE[1], focal, focal, 79.5, 39.5).unwrap());
    seen.extrinsics.isometry.translation.x = 1.3;
    Arc::new(seen)
}
fn rgb(seed: u64) -> (Vec<u8>, Payload) {
    let bytes: Vec<u8> = support::fill("rgb", SIZE[0] * SIZE[1] * 3, 0.0, 256.0, seed).iter().map(|v| *v as u8).collect();
    (bytes.clone(), Payload::Rgb(Arc::new(RgbImage::new(SIZE[0], SIZE[1], bytes).unwrap())))
}
fn depth(seed: u64) -> (Vec<f32>, Payload) {
    let mut metres = support::fill("depth", SIZE[0] * SIZE[1], 1.0, 45.0, seed);
    // A hole.
    metres[17] = f32::NAN;
    let image = DepthImage { metres: Array2::from_shape_vec((SIZE[1], SIZE[0]), metres.clone()).unwrap() };
    (metres, Payload::Depth(Arc::new(image)))
}
fn ego() -> Payload {
    Payload::Ego(EgoState { pose: Pose::identity(FrameId::world(), FrameId::vehicle()), speed: 4.5, yaw_rate: 0.0 })
}
fn route() -> Payload {
    Payload::Trajectory(Arc::new(Trajectory { points: vec![[0.0; 3], [10.0, 0.0, 0.0], [10.0, 50.0, 0.0]], times: Vec::new() }))
}
fn all() -> Vec<(&'static str, Payload)> {
    let cameras = [("l", "dl"), ("f", "df"), ("r", "dr")];
    let views = cameras.into_iter().zip(1..).flat_map(|((c, d), seed)| [(c, rgb(seed).1), (d, depth(seed).1)]);
    views.chain([("ego", ego()), ("route", route())]).collect()
}
fn run(stage: &mut dyn Stage, frames: Vec<(&str, Payload)>) -> Result<Packet> {
    let seen = calibration();
    let frames: Vec<Frame> = frames
        .into_iter()
        .map(|(name, payload)| Frame::new(SensorId::new(name), 0, SensorTime::from_nanos(0), Arc::clone(&seen), payload))
        .collect();
    let presence = frames.iter().map(|f| (f.sensor, Presence::Ok)).collect();
    let bundle = Bundle { at: SensorTime::from_nanos(0), frames, presence, skew: Duration::ZERO };
    let packet = Packet { head: Head::default(), bundle: Arc::new(bundle), outcomes: Vec::new() };
    let mut sent = Vec::new();
    let mut send = |p: Packet| sent.push(p);
    stage.process(packet, &mut Outlet::new(Arc::from("drive"), &mut send), &Cx::alone(Mode::Offline))?;
    assert_eq!(sent.len(), 1);
    Ok(sent.remove(0))
}
fn outcomes(packet: &Packet) -> (Arc<LabelImage>, Arc<BevMap>, Arc<Trajectory>, Control) {
    let [
        (_, Outcome::Segmentation(labels)),
        (_, Outcome::Map(map)),
        (_, Outcome::Trajectory(path)),
        (_, Outcome::Control(control)),
        (_, Outcome::Numbers(numbers)),
    ] = packet.outcomes.as_slice()
    else {
        panic!("{:?}", packet.outcomes.iter().map(|(_, o)| std::mem::discriminant(o)).collect::<Vec<_>>())
    };
    let value = |name: &str| numbers.iter().find(|(n, _)| n == name).unwrap().1;
    assert!((0.0..=1.0).contains(&value("red_light")) && (0.0..=1.0).contains(&value("stop_sign")) && value("stop_sign") > 0.0);
    (Arc::clone(labels), Arc::clone(map), Arc::clone(path), *control)
}

/// The strip of three cameras by hand: the inner 112 columns of the sides, all of the front.
fn strip<T: Copy>(parts: [&[T]; 3], plane: impl Fn(&[T], usize) -> T) -> Vec<T> {
    let mut out = Vec::new();
    for row in 0..80 {
        for (part, columns) in parts.iter().zip([48..160, 0..160, 0..112]) {
            out.extend(columns.map(|column| plane(part, row * 160 + column)));
        }
    }
    out
}

#[test]
fn the_stage_gives_what_the_network_gives() {
    let mut stage = build(THREE).unwrap();
    let (labels, map, path, control) = outcomes(&run(&mut stage, all()).unwrap());
    let device = Device::flex();
    let (network, _) = LetFuser::load("tiny", Origin::Seed(3), &device).unwrap();
    let pictures = [1, 2, 3].map(|seed| rgb(seed).0);
    let [l, f, r] = pictures.each_ref().map(Vec::as_slice);
    let planes: Vec<f32> = (0..3).flat_map(|c| strip([l, f, r], |p, i| p[3 * i + c]).into_iter().map(f32::from)).collect();
    let metres = [1, 2, 3].map(|seed| depth(seed).0);
    let [l, f, r] = metres.each_ref().map(Vec::as_slice);
    let depths: Vec<f32> = strip([l, f, r], |p, i| p[i]).into_iter().map(|m| if m.is_nan() { 1.0 } else { m / 1000.0 }).collect();
    let look = Look { rgb: Tensor::from_data(TensorData::new(planes, [1, 3, 80, 384]), &device), depth: depths };
    // Twenty metres along the route: ten ahead, ten to the left, which is a left turn.
    let vehicle = Vehicle { route: vec![[-10.0, -10.0]], speed: vec![4.5], command: vec![1] };
    let seen = network.see(&look, &vehicle).unwrap();
    let wanted: Vec<u16> = seen.masks.iter().map(|m| m.trailing_zeros() as u16).collect();
    let differing = labels.labels.iter().zip(&wanted).filter(|(a, b)| a != b).count();
    assert_eq!((labels.labels.dim(), differing), ((80, 384), 0));
    assert_eq!(labels.classes.classes[7].0, "road");
    // Forward and left grow where rows and columns shrink.
    assert_eq!((map.nx, map.ny, map.layers.len()), (80, 384, 23));
    assert!((map.cell - 0.5).abs() < 1e-9 && (map.origin[0] - 1.05).abs() < 1e-9 && (map.origin[1] + 96.0).abs() < 1e-9);
    assert!(map.cells().iter().any(|c| *c != 0));
    for (ix, iy) in [(0, 0), (3, 380), (79, 191), (40, 200)] {
        assert_eq!(map.cells()[ix * 384 + iy], seen.map[(79 - ix) * 384 + 383 - iy]);
    }
    let points = to_host(seen.decision.waypoints).unwrap();
    let points = support::values(&points);
    let controls = to_host(seen.decision.controls).unwrap();
    let controls = support::values(&controls);
    for (point, by_hand) in path.points.iter().zip(points.chunks_exact(2)) {
        assert!((point[0] + f64::from(by_hand[1])).abs() < 1e-4 && (point[1] + f64::from(by_hand[0])).abs() < 1e-4);
    }
    assert_eq!(path.times, [0.5, 1.0, 1.5]);
    let at = |i: usize| [points[2 * i], points[2 * i + 1]];
    let proposal = Proposal { waypoints: [at(0), at(1), at(2)], speed: 4.5, controls: [controls[0], controls[1], controls[2]] };
    let tick = VehicleControl::new(Merge::OneOf, &LossWeights::default()).tick(&proposal);
    let close = |a: f32, b: f32| (a - b).abs() < 1e-4;
    assert!(close(control.steer, tick.control.steer) && close(control.throttle, tick.control.throttle));
    assert!(close(control.brake, tick.control.brake));
}

#[test]
fn side_cameras_may_be_missing_but_not_the_front() {
    let mut stage = build(THREE).unwrap();
    let whole = outcomes(&run(&mut stage, all()).unwrap());
    let mut stage = build(THREE).unwrap();
    let without = |missing: &[&str]| all().into_iter().filter(|(name, _)| !missing.contains(name)).collect::<Vec<_>>();
    let (labels, map, ..) = outcomes(&run(&mut stage, without(&["l", "dr"])).unwrap());
    assert!(map != whole.1 && labels != whole.0);
    assert!(run(&mut stage, without(&["df"])).unwrap().outcomes.is_empty());
    // One camera alone is the same as three without the sides.
    let mut one = build("rgb = ['f']\ndepth = ['df']\nego = 'ego'\nroute = 'route'\nseed = 3").unwrap();
    let alone = outcomes(&run(&mut one, without(&[])).unwrap());
    let mut three = build(THREE).unwrap();
    assert_eq!(outcomes(&run(&mut three, without(&["l", "r"])).unwrap()), alone);
    // Without a route it goes straight on, without a speed it stands: other numbers, not an error.
    let bare = outcomes(&run(&mut build("rgb = ['f']\ndepth = ['df']\nseed = 3").unwrap(), without(&[])).unwrap());
    assert!(bare.2 != alone.2 && bare.0 == alone.0);
}

#[test]
fn untrained_weights_are_named_and_the_same_seed_gives_the_same() {
    let info = build(THREE).unwrap().info();
    let weights = info.weights.unwrap();
    assert!(!weights.trained && weights.notice().unwrap().contains("untrained weights (seed 3)"));
    assert_eq!(info.requires, [SensorId::new("f"), SensorId::new("df")]);
    assert_eq!(info.outcomes.len(), 5);
    let once = || outcomes(&run(&mut build(THREE).unwrap(), all()).unwrap());
    assert_eq!(once(), once());
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |text: &str| build(text).err().unwrap().to_string();
    assert!(refused("rgb = ['f', 'r']\ndepth = ['df', 'dr']").contains("one (front) or three"));
    assert!(refused("rgb = ['f']\ndepth = []").contains("one (front) or three"));
    assert!(refused("rgb = ['f']\ndepth = ['df']\npreset = 'tinny'").contains("did you mean `tiny`"));
    assert!(refused("rgb = ['f']\ndepth = ['df']\nweights = 'nowhere.pth'").contains("nowhere.pth"));
    assert!(refused("rgb = ['f']\ndepth = ['df']\ntarget_m = -1").contains("target_m"));
    assert!(refused("rgb = ['f']\ndepth = ['df']\n[network]\nstop_sing = 'head'").contains("did you mean `stop_sign`"));
    let mut stage = build(THREE).unwrap();
    let mut swap = |name: &str, payload: Payload| {
        let frames = all().into_iter().map(|(n, p)| (n, if n == name { payload.clone() } else { p })).collect();
        run(&mut stage, frames).unwrap_err().to_string()
    };
    assert!(swap("f", ego()).contains("colour picture"));
    assert!(swap("ego", route()).contains("vehicle's state"));
    assert!(swap("route", ego()).contains("a route"));
    let narrow = RgbImage::new(3, 2, vec![0; 18]).unwrap();
    assert!(swap("f", Payload::Rgb(Arc::new(narrow))).contains("intrinsics for 3x2"));
}
