//! The FULLER stage and the tracker through `Stage::process`: what comes out, what may be missing, what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod support;

use sensorium::runtime::{Cx, Mode, Outlet, Stage};
use sensorium::stages::{FullerConfig, TrackConfig};
use sensorium::types::{
    BevMap, Box3, Bundle, Calibration, Frame, Head, Intrinsics, LidarPoint, Outcome, Packet, Payload, PointCloud, Presence, Result,
    RgbImage, SensorId, SensorTime,
};
use std::sync::Arc;
use std::time::Duration;

const SMALL: &str = "[extents]\npoint_range = [-12.8, -12.8, -5, 12.8, 12.8, 3]\ncamera_bev_x = [-12.8, 12.8, 0.8]\n\
    camera_bev_y = [-12.8, 12.8, 0.8]\nproposals = 20\nmap_x = [-10, 10, 1]\nmap_y = [-10, 10, 1]";

fn build(head: &str, extents: &str) -> Result<impl Stage + use<>> {
    toml::from_str::<FullerConfig>(&format!("{head}\nseed = 3\nscore = 0.0\n{SMALL}\n{extents}")).unwrap().build()
}
fn picture(seed: u64) -> Payload {
    let bytes: Vec<u8> = support::fill("rgb", 160 * 90 * 3, 0.0, 256.0, seed).iter().map(|v| *v as u8).collect();
    Payload::Rgb(Arc::new(RgbImage::new(160, 90, bytes).unwrap()))
}
fn sweep(count: usize, reach: f32) -> Payload {
    let values = support::fill("cloud", 3 * count, -1.0, 1.0, 5);
    let point = |v: &[f32]| LidarPoint { position: [v[0] * reach, v[1] * reach, v[2] * 1.5], intensity: 0.4, ..LidarPoint::default() };
    Payload::Cloud(Arc::new(PointCloud::new(values.chunks_exact(3).map(point).collect::<Vec<_>>()).unwrap()))
}
fn frames(sensors: &[&str]) -> Vec<(String, Payload)> {
    let payload = |name: &&str| if *name == "top" { sweep(900, 11.0) } else { picture(name.len() as u64) };
    sensors.iter().map(|name| ((*name).to_owned(), payload(name))).collect()
}
fn packet(frames: Vec<(String, Payload)>, known: &[&str], seconds: f64) -> Packet {
    let at = SensorTime::from_nanos((seconds * 1e9) as i64);
    let seen = Arc::new(Calibration::forward_camera("camera", Intrinsics::new(160, 90, 120.0, 120.0, 79.5, 44.5).unwrap()));
    let there: Vec<String> = frames.iter().map(|(name, _)| name.clone()).collect();
    let frames = frames.into_iter().map(|(name, payload)| {
        let calibration = if name == "top" { Arc::new(Calibration::unknown("top")) } else { Arc::clone(&seen) };
        Frame::new(SensorId::new(&name), 0, at, calibration, payload)
    });
    let frames: Vec<Frame> = frames.collect();
    let presence = known.iter().map(|name| {
        let ok = there.iter().any(|t| t == name);
        (SensorId::new(name), if ok { Presence::Ok } else { Presence::Missing })
    });
    let bundle = Bundle { at, presence: presence.collect(), frames, skew: Duration::ZERO };
    Packet { head: Head { at, ..Head::default() }, bundle: Arc::new(bundle), outcomes: Vec::new() }
}
fn run(stage: &mut dyn Stage, packet: Packet) -> Result<Packet> {
    let mut sent = Vec::new();
    let mut send = |p: Packet| sent.push(p);
    stage.process(packet, &mut Outlet::new(Arc::from("s"), &mut send), &Cx::alone(Mode::Offline))?;
    assert_eq!(sent.len(), 1);
    Ok(sent.remove(0))
}
fn found(packet: &Packet) -> (Arc<Vec<Box3>>, Arc<BevMap>) {
    let [(_, Outcome::Boxes3(boxes)), (_, Outcome::Map(map))] = packet.outcomes.as_slice() else { panic!("{:?}", packet.outcomes) };
    (Arc::clone(boxes), Arc::clone(map))
}

#[test]
fn boxes_and_layers_come_of_whatever_sensors_are_there() {
    const KNOWN: [&str; 3] = ["top", "left", "right"];
    let mut stage = build("lidar = 'top'\ncameras = ['left', 'right']", "").unwrap();
    assert!(!stage.info().weights.unwrap().trained);
    let mut see = |sensors: &[&str]| run(&mut stage, packet(frames(sensors), &KNOWN, 0.0)).unwrap();
    let (boxes, map) = found(&see(&KNOWN));
    assert!(!boxes.is_empty() && boxes.len() <= 20 && map.layers.len() == 6 && (map.nx, map.ny) == (20, 20));
    // The cells are the probabilities, held to the stage's threshold; a network that has learnt nothing is still not of one mind.
    let probabilities = map.probabilities().unwrap();
    assert!(probabilities.iter().any(|p| *p > 0.5) && probabilities.iter().any(|p| *p < 0.5));
    for (at, cell) in map.cells().iter().enumerate() {
        let bits = (0..6).filter(|layer| probabilities[layer * 400 + at] > 0.5).fold(0, |bits, layer| bits | 1 << layer);
        assert_eq!(*cell, bits, "cell {at}");
    }
    for b in boxes.iter() {
        let numbers = b.centre.iter().chain(&b.size).chain([&b.yaw]);
        assert!(numbers.into_iter().all(|v| v.is_finite()) && b.size.iter().all(|s| *s > 0.0) && !b.class.is_empty());
    }
    let some = [found(&see(&["top"])).0, found(&see(&["left", "right"])).0, found(&see(&["top", "left"])).0];
    assert!(some.iter().all(|s| !s.is_empty() && *s != boxes) && some[0] != some[1]);
    assert_eq!(found(&see(&KNOWN)).0, boxes, "the same bundle twice");
    // Nothing at all goes on untouched.
    assert!(see(&[]).outcomes.is_empty());
    // No point, and every point out of range.
    for cloud in [sweep(0, 1.0), sweep(900, 1e6)] {
        let packet = packet(vec![("top".to_owned(), cloud)], &KNOWN, 0.0);
        assert!(found(&run(&mut stage, packet).unwrap()).0.iter().all(|b| b.score.is_finite()));
    }
}

#[test]
fn pillars_and_a_lidar_alone_are_choices() {
    const PILLARS: &str = "lidar_encoder = 'pillars'\npillar_size = [0.4, 0.4, 8]";
    let one = |head: &str, extents: &str, sensors: &[&str]| {
        let mut stage = build(head, extents).unwrap();
        run(&mut stage, packet(frames(sensors), sensors, 0.0)).map(|p| found(&p).0)
    };
    let both = ["top", "left"];
    let heads = ["lidar = 'top'\ncameras = ['left']", "lidar = 'top'"];
    let all = [one(heads[0], "", &both), one(heads[0], PILLARS, &both), one(heads[1], "sensors = 'lidar'", &["top"])];
    let alone = one(heads[1], &format!("sensors = 'lidar'\n{PILLARS}"), &["top"]);
    let seen = one("cameras = ['left']", "sensors = 'camera'", &["left"]);
    let all: Vec<Arc<Vec<Box3>>> = all.into_iter().chain([alone, seen]).map(|b| b.unwrap()).collect();
    for (i, a) in all.iter().enumerate() {
        assert!(!a.is_empty() && all.iter().skip(i + 1).all(|b| a != b));
    }
    let said = one(heads[0], "sensors = 'lidar'", &both).unwrap_err().to_string();
    assert!(said.contains("for pictures"), "{said}");
    let said = one(heads[0], "sensors = 'camera'", &both).unwrap_err().to_string();
    assert!(said.contains("for points"), "{said}");
}

#[test]
fn slips_are_errors_that_say_what_was_wanted() {
    let fails = |head: &str, extents: &str| build(head, extents).err().unwrap().to_string();
    assert!(fails("", "").contains("a lidar, cameras, or both"));
    assert!(fails("lidar = 'top'\nimage = [4, 176]", "").contains("8 to 4096"));
    assert!(fails("lidar = 'top'\npreset = 'tinny'", "").contains("did you mean `tiny`"));
    assert!(fails("lidar = 'top'", "lidar_encoder = 'pilars'").contains("lidar_encoder"));
    assert!(fails("lidar = 'top'\nweights = 'nowhere.pth'", "").contains("nowhere.pth"));
    let mut stage = build("lidar = 'topp'", "").unwrap();
    let said = run(&mut stage, packet(frames(&["top"]), &["top"], 0.0)).unwrap_err().to_string();
    assert!(said.contains("did you mean `top`"), "{said}");
    let mut stage = build("lidar = 'left'", "").unwrap();
    assert!(run(&mut stage, packet(frames(&["left"]), &["left"], 0.0)).is_err());
}

#[test]
fn the_tracker_follows_a_car_through_the_stage() {
    let mut stage = toml::from_str::<TrackConfig>("boxes = 'finder'").unwrap().build().unwrap();
    let car = |x: f64| Box3 {
        centre: [x, 2.0, 0.8],
        size: [4.0, 1.8, 1.6],
        yaw: 0.0,
        velocity: None,
        class: "car".into(),
        score: 0.9,
        track: None,
    };
    let mut numbers = Vec::new();
    for step in 0..8 {
        let time = f64::from(step) * 0.5;
        let mut packet = packet(Vec::new(), &[], time);
        packet.outcomes.push((Arc::from("finder"), Outcome::Boxes3(Arc::new(vec![car(5.0 * time)]))));
        packet.outcomes.push((Arc::from("other"), Outcome::Boxes3(Arc::new(vec![car(99.0), car(77.0)]))));
        let packet = run(&mut stage, packet).unwrap();
        let (stage, Outcome::Boxes3(boxes)) = packet.outcomes.last().unwrap() else { panic!() };
        assert_eq!((stage.as_ref(), boxes.len()), ("s", 1));
        numbers.push(boxes[0].track.unwrap());
        if step == 7 {
            let [vx, vy] = boxes[0].velocity.unwrap();
            assert!((vx - 5.0).abs() < 0.5 && vy.abs() < 0.2, "{vx} {vy}");
        }
    }
    assert!(numbers.iter().all(|n| *n == numbers[0]), "{numbers:?}");
    // A sensor's annotations are followed by its name.
    let mut stage = toml::from_str::<TrackConfig>("boxes = 'truth'").unwrap().build().unwrap();
    let annotated = packet(vec![("truth".to_owned(), Payload::Boxes(Arc::new(vec![car(3.0)])))], &["truth"], 0.0);
    let tracked = run(&mut stage, annotated).unwrap();
    assert!(matches!(&tracked.outcomes[..], [(_, Outcome::Boxes3(boxes))] if boxes.len() == 1 && boxes[0].track.is_some()));
}
