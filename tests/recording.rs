//! Recordings: what goes in comes back to the bit, and damaged files neither panic nor invent frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/dice.rs"]
mod dice;

use dice::Dice;
use sensorium::formats::recording::{Pools, Record, Schema, decode, encode_frame, encode_outcome};
use sensorium::runtime::{Cx, Layout, Mode, Reading, SensorInfo, Sink, Source};
use sensorium::sinks::{Compression, RecordingConfig as SinkConfig};
use sensorium::sources::{RecordingConfig, read_recording, recorded_bundles};
use sensorium::types::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NAMES: [&str; 14] =
    ["rgb", "depth", "thermal", "labels", "cloud", "radar", "imu", "gnss", "ego", "piece", "boxes", "map", "way", "driver"];
const CUTS: usize = 97;

fn payload(name: &str, dice: &mut Dice) -> Payload {
    let nan = f32::from_bits(0x7FC0_1234);
    let mut bytes = |n: usize| (0..n).map(|_| dice.byte()).collect::<Vec<_>>();
    match name {
        "rgb" => Payload::Rgb(Arc::new(RgbImage::new(16, 9, bytes(16 * 9 * 3)).unwrap())),
        "depth" => {
            let values = vec![1.5, nan, -0.0, f32::MIN_POSITIVE / 2.0, 7.25, f32::INFINITY];
            Payload::Depth(Arc::new(DepthImage { metres: ndarray::Array2::from_shape_vec((2, 3), values).unwrap() }))
        }
        "thermal" => {
            let mut image = ThermalImage::new(3, 2, vec![0, 1, 255, 256, 40_000, 65_535], 65_535).unwrap();
            image.celsius = Some([0.04, -273.15]);
            Payload::Thermal(Arc::new(image))
        }
        "labels" => {
            let classes = vec![("road".to_owned(), [128, 64, 128]), ("Fußgänger".to_owned(), [1, 2, 3])];
            let labels = ndarray::Array2::from_shape_vec((1, 3), vec![0, 1, 65_535]).unwrap();
            Payload::Labels(Arc::new(LabelImage { labels, classes: Arc::new(ClassList { classes }) }))
        }
        "cloud" => {
            let point = |b: &[u8]| LidarPoint { position: [f32::from(b[0]), -0.1, 3.0], intensity: 0.5, ring: u16::from(b[1]), lag: 1e-3 };
            Payload::Cloud(Arc::new(PointCloud::new(bytes(64).chunks_exact(2).map(point).collect::<Vec<_>>()).unwrap()))
        }
        "radar" => {
            let hit = RadarReturn { position: [1.0, 2.0, 3.0], range_rate: -4.5, cross_section: nan };
            Payload::Radar(Arc::new(RadarScan { returns: vec![hit, RadarReturn::default()] }))
        }
        "imu" => Payload::Imu(Imu { acceleration: [0.1, 9.81, 1e-300], angular_velocity: [1.0, 2.0, 3.0], compass: Some(0.3) }),
        "gnss" => Payload::Gnss(Gnss { latitude: 52.1, longitude: 13.3, altitude: 34.5 }),
        "ego" => {
            let pose = Pose::from_quaternion(FrameId::world(), FrameId::vehicle(), [0.1, 0.2, 0.3], [0.6, 0.0, 0.0, 0.8]).unwrap();
            Payload::Ego(EgoState { pose, speed: 13.9, yaw_rate: -0.1 })
        }
        "boxes" => Payload::Boxes(Arc::new(vec![a_box(Some(3), None), a_box(None, Some([0.1, -0.2]))])),
        "map" => Payload::Map(Arc::new(a_map())),
        "way" => Payload::Trajectory(Arc::new(a_way())),
        "driver" => Payload::Control(Control { throttle: 0.1, steer: -1.0, brake: 0.0, reverse: true }),
        _ => Payload::Fragment(Arc::new(Fragment::new("shard-7", 5, 4, bytes(80)).unwrap())),
    }
}

fn a_box(track: Option<u64>, velocity: Option<[f64; 2]>) -> Box3 {
    Box3 { centre: [1.0, 2.5, 0.1 + 0.2], size: [4.0, 2.0, 1.5], yaw: 0.25, velocity, class: "car".into(), score: 0.5, track }
}

fn a_map() -> BevMap {
    let layers = Arc::new(vec!["drivable_area".to_owned(), "walkway".to_owned()]);
    let map = BevMap::new(layers, [-1.0, -2.0 / 3.0], 0.5, 2, 3, vec![0, 1, 2, 3, 0, 1]).unwrap();
    map.with_probabilities((0..12_u8).map(|i| f32::from(i) / 11.0).collect()).unwrap()
}

fn a_way() -> Trajectory {
    Trajectory { points: vec![[1.0, 0.0, 1.0 / 3.0], [2.0, 0.1, 0.0]], times: vec![0.5, 1.0] }
}

fn calibration(name: &str, version: u32) -> Arc<Calibration> {
    let k = Intrinsics::new(16, 9, 1_266.417_203_046_554, 1_266.417_203_046_554, 816.267_019_744_3, 491.507_065_792_5).unwrap();
    let mut c = Calibration::forward_camera(name, k);
    c.version = version;
    c.distortion = Distortion::BrownConrady { k1: 0.1, k2: -0.2 / 3.0, p1: 1e-5, p2: -1e-7, k3: 1.0 / 3.0 };
    c.extrinsics.isometry.translation.vector.x = 0.1 + 0.2;
    Arc::new(c)
}

fn outcomes(seq: u64, dice: &mut Dice) -> Vec<(Arc<str>, Outcome)> {
    let Payload::Rgb(rgb) = payload("rgb", dice) else { unreachable!() };
    let Payload::Labels(labels) = payload("labels", dice) else { unreachable!() };
    let cloud = ColouredCloud { positions: vec![[1.0, 2.0, 3.0]], colours: vec![[1, 2, 3]] };
    let projection = Projection {
        camera: SensorId::new("rgb"),
        lidar: SensorId::new("cloud"),
        pixels: vec![[1.5, 2.5], [3.0, 4.0]],
        depths: vec![9.0, 8.0],
        size: [16, 9],
    };
    let pair = FragmentMatch { target: "a".into(), source: "b".into(), transform: [[1.0, 0.1, 2.0], [-0.1, 1.0, 1.0 / 3.0]], score: 0.75 };
    let voxels = VoxelGrid {
        origin: [-1.0; 3],
        voxel: [0.1; 3],
        indices: vec![[1, 2, 3], [4, 5, 6]],
        counts: vec![7, 8],
        means: vec![[0.5; 3], [0.25; 3]],
    };
    vec![
        ("fuse".into(), Outcome::Fused(rgb)),
        ("segment".into(), Outcome::Segmentation(labels)),
        ("detect".into(), Outcome::Boxes3(Arc::new(vec![a_box(Some(seq), None)]))),
        ("paint".into(), Outcome::Cloud(Arc::new(cloud))),
        ("project".into(), Outcome::Projection(Arc::new(projection))),
        ("voxels".into(), Outcome::Voxels(Arc::new(voxels))),
        ("sure".into(), Outcome::Confidence(Arc::new(ScoreImage { scores: ndarray::arr2(&[[0.1, 0.9, 0.5]]), of: "best".into() }))),
        ("chart".into(), Outcome::Map(Arc::new(a_map()))),
        ("route".into(), Outcome::Trajectory(Arc::new(a_way()))),
        ("pair".into(), Outcome::Matches(Arc::new(vec![pair]))),
        ("drive".into(), Outcome::Numbers(Arc::new(vec![("red_light".to_owned(), 0.25), ("speed".to_owned(), 3.5)]))),
        ("drive".into(), Outcome::Control(Control { throttle: 0.5, steer: -0.25, brake: 0.0, reverse: false })),
    ]
}

/// Bundles of all sensors, 100 ms apart, each sensor 1 ms after the one before; the calibration changes at the fourth.
fn packets(count: u64) -> Vec<Packet> {
    let mut dice = Dice(7);
    let (first, second) = (NAMES.map(|n| calibration(n, 0)), NAMES.map(|n| calibration(n, 1)));
    let packet = |seq: u64| {
        let at = i64::try_from(seq).unwrap() * 100_000_000 + 1_600_000_000_000_000_000;
        let frame = |(i, name): (usize, &&str)| Frame {
            sensor: SensorId::new(name),
            seq: seq * 2 + 5,
            captured: SensorTime::from_nanos(at + i64::try_from(NAMES.len() - 1 - i).unwrap() * 1_000_000),
            arrived: HostTime::from_nanos(i64::try_from(seq).unwrap() * 90_000_000 + 17),
            calibration: Arc::clone(if seq < 3 { &first[i] } else { &second[i] }),
            name: seq.is_multiple_of(2).then(|| format!("{name}-{seq}").into()),
            payload: payload(name, &mut dice),
        };
        let frames: Vec<_> = NAMES.iter().enumerate().map(frame).collect();
        let presence = NAMES.iter().map(|n| (SensorId::new(n), Presence::Ok)).chain([(SensorId::new("late"), Presence::Missing)]).collect();
        let at = SensorTime::from_nanos(at);
        let bundle = Arc::new(Bundle { at, frames, presence, skew: Duration::from_millis(9) });
        Packet { head: Head { seq, at, lineage: Lineage::default() }, bundle, outcomes: outcomes(seq, &mut dice) }
    };
    (0..count).map(packet).collect()
}

fn layout(packets: &[Packet]) -> Layout {
    let info = |f: &Frame| SensorInfo { id: f.sensor, modality: f.payload.modality(), calibration: Arc::clone(&f.calibration) };
    Layout { name: "test".into(), sensors: packets[0].bundle.frames.iter().map(info).collect(), stages: Vec::new() }
}

fn record(packets: &[Packet], path: &Path, compression: Compression) {
    let cx = Cx::alone(Mode::Offline);
    let config = SinkConfig { path: Some(path.into()), compression, ..SinkConfig::default() };
    let mut sink = config.about("commit", "abc").build().unwrap();
    sink.start(&layout(packets), &cx).unwrap();
    for packet in packets {
        sink.accept(packet, &cx).unwrap();
        // Another branch brings the same frames without the results.
        sink.accept(&Packet { outcomes: Vec::new(), ..packet.clone() }, &cx).unwrap();
    }
    sink.finish(&cx).unwrap();
}

/// Frames and reasons of rejection, or why the file does not open.
fn play(path: &Path) -> Result<(Vec<Frame>, Vec<String>)> {
    let cx = Cx::alone(Mode::Offline);
    let mut source = RecordingConfig { path: path.into(), sensors: Vec::new() }.build()?;
    let (mut frames, mut reasons) = (Vec::new(), Vec::new());
    loop {
        match source.next(&cx)? {
            Reading::Frame(frame) => frames.push(frame),
            Reading::Rejected { reason, .. } => reasons.push(reason),
            Reading::End => return Ok((frames, reasons)),
        }
    }
}

fn in_capture_order(packets: &[Packet]) -> Vec<Frame> {
    let mut frames: Vec<_> = packets.iter().flat_map(|p| p.bundle.frames.iter().cloned()).collect();
    frames.sort_by_key(|f| f.captured);
    frames
}

/// Equal to the bit: `==` on numbers would fail on NaN and pass on -0.
fn bits(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_frame(frame, 0, &mut bytes);
    bytes.extend(format!("{} {:?}", frame.sensor, frame.calibration).bytes());
    bytes
}

#[test]
fn every_payload_comes_back_to_the_bit_in_the_order_of_capture() {
    let dir = tempfile::tempdir().unwrap();
    let packets = packets(6);
    for compression in [Compression::Lz4, Compression::None] {
        let path = dir.path().join(format!("{compression:?}.mcap"));
        record(&packets, &path, compression);
        let (frames, reasons) = play(&path).unwrap();
        let wanted = in_capture_order(&packets);
        assert!(reasons.is_empty(), "{reasons:?}");
        assert_eq!(frames.len(), wanted.len());
        for (found, wanted) in frames.iter().zip(&wanted) {
            assert_eq!(
                (found.sensor, found.seq, found.captured, found.arrived),
                (wanted.sensor, wanted.seq, wanted.captured, wanted.arrived)
            );
            assert_eq!(found.calibration, wanted.calibration, "{}", wanted.sensor);
            assert_eq!(bits(found), bits(wanted), "{}", wanted.sensor);
        }
    }
}

#[test]
fn bundles_and_outcomes_come_back_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.mcap");
    let packets = packets(3);
    record(&packets, &path, Compression::Lz4);
    let bundles = recorded_bundles(&path).unwrap();
    assert_eq!(bundles.len(), 3);
    assert_eq!(bundles[1].frames, packets[1].bundle.frames.iter().map(|f| (f.sensor, f.seq)).collect::<Vec<_>>());
    assert_eq!(bundles[1].missing, [(SensorId::new("late"), Presence::Missing)]);
    let mut found = Vec::new();
    let damage = read_recording(&path, &mut |topic, record| {
        if let Record::Outcome(o) = record {
            found.push((topic.to_owned(), o.seq, o.outcome));
        }
    })
    .unwrap();
    assert!(damage.is_empty());
    let wanted: Vec<_> = packets.iter().flat_map(|p| p.outcomes.iter().map(|o| (p.head.seq, o.1.clone()))).collect();
    assert_eq!(found.iter().map(|f| (f.1, f.2.clone())).collect::<Vec<_>>(), wanted);
    assert_eq!(found[2].0, "/outcomes/detect/boxes3");
}

#[test]
fn chosen_sensors_play_alone_and_unknown_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.mcap");
    record(&packets(2), &path, Compression::Lz4);
    let mut source = RecordingConfig { path: path.clone(), sensors: vec!["imu".into()] }.build().unwrap();
    assert_eq!(source.sensors().iter().map(|s| (s.id.name(), s.modality)).collect::<Vec<_>>(), [("imu", Modality::Imu)]);
    let Reading::Frame(frame) = source.next(&Cx::alone(Mode::Offline)).unwrap() else { panic!("no frame") };
    assert_eq!((frame.sensor.name(), frame.seq), ("imu", 5));
    let error = RecordingConfig { path, sensors: vec!["rbg".into()] }.build().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("nearest is `rgb`"), "{error}");
}

#[test]
fn a_file_cut_anywhere_plays_a_prefix_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cut) = (dir.path().join("r.mcap"), dir.path().join("cut.mcap"));
    let cx = Cx::alone(Mode::Offline);
    // A run that flushes often: one short recording per bundle count would do, chunks of megabytes would not.
    let packets = packets(5);
    let mut sink = SinkConfig { path: Some(path.clone()), ..SinkConfig::default() }.build().unwrap();
    sink.start(&layout(&packets), &cx).unwrap();
    for (i, packet) in packets.iter().enumerate() {
        if i == 3 {
            std::thread::sleep(sensorium::sinks::FLUSH_EVERY);
        }
        sink.accept(packet, &cx).unwrap();
    }
    sink.finish(&cx).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let wanted: Vec<_> = in_capture_order(&packets).iter().map(bits).collect();
    let mut lengths = std::collections::BTreeSet::new();
    for end in (0..bytes.len()).step_by(CUTS) {
        std::fs::write(&cut, &bytes[..end]).unwrap();
        let Ok((frames, reasons)) = play(&cut) else { continue };
        let found: Vec<_> = frames.iter().map(bits).collect();
        assert_eq!(found[..], wanted[..found.len()], "cut at {end}");
        assert!(found.len() == wanted.len() || reasons.len() == 1, "cut at {end}: {} frames, {reasons:?}", found.len());
        lengths.insert(found.len());
    }
    assert!(lengths.contains(&0) && lengths.contains(&wanted.len()) && lengths.contains(&(4 * NAMES.len())), "{lengths:?}");
}

#[test]
fn three_thousand_mutations_never_panic_and_never_invent_frames() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bad) = (dir.path().join("r.mcap"), dir.path().join("bad.mcap"));
    let packets = packets(2);
    let wanted: Vec<_> = in_capture_order(&packets).iter().map(bits).collect();
    let mut dice = Dice(99);
    let (mut opened, mut rejected) = (0, 0);
    for compression in [Compression::Lz4, Compression::None] {
        let path = path.with_extension(format!("{compression:?}"));
        record(&packets, &path, compression);
        let bytes = std::fs::read(&path).unwrap();
        for round in 0..1500 {
            let mut mutant = bytes.clone();
            for _ in 0..=round % 4 {
                // Half of the mutations go to the first kilobyte, where the framing is dense.
                let at = if dice.next() & 1 == 0 { dice.below(1024) } else { dice.below(mutant.len()) };
                mutant[at] = dice.byte();
            }
            std::fs::write(&bad, &mutant).unwrap();
            if let Ok((frames, reasons)) = play(&bad) {
                opened += 1;
                rejected += reasons.len();
                assert!(frames.iter().all(|f| wanted.contains(&bits(f))), "round {round}: an invented frame");
            }
        }
    }
    assert!(opened > 100 && rejected > 100, "opened {opened}, rejected {rejected}");
}

#[test]
fn mutated_messages_never_panic() {
    let mut dice = Dice(5);
    let packets = packets(1);
    let pools = Pools::default();
    let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
    for frame in &packets[0].bundle.frames {
        let mut bytes = Vec::new();
        encode_frame(frame, 0, &mut bytes);
        messages.push((Schema::Frame(frame.payload.modality()).name().into(), bytes));
    }
    for (_, outcome) in &packets[0].outcomes {
        let mut bytes = Vec::new();
        encode_outcome(outcome, 0, SensorTime::default(), &mut bytes).unwrap();
        messages.push((Schema::Outcome(outcome.kind()).name().into(), bytes));
    }
    for (schema, bytes) in &messages {
        assert!(decode(schema, bytes, &pools).is_ok(), "{schema}");
        for end in 0..bytes.len() {
            assert!(decode(schema, &bytes[..end], &pools).is_err(), "{schema} cut at {end}");
        }
        for _ in 0..3000 {
            let mut mutant = bytes.clone();
            let at = dice.below(mutant.len());
            mutant[at] = dice.byte();
            let _ = decode(schema, &mutant, &pools);
        }
    }
}

#[test]
fn lengths_beyond_the_bytes_present_are_refused_before_they_are_allocated() {
    let pools = Pools::default();
    let huge = [0xFF_u8; 4];
    for name in ["rgb", "depth", "thermal", "labels", "cloud", "radar", "fragment"] {
        for sides in [1, 2] {
            let mut bytes = vec![1, 0, 0, 0];
            bytes.extend([0; 28]);
            bytes.extend(huge.repeat(sides));
            bytes.extend([0; 64]);
            let error = decode(&format!("sensorium.frame.{name}.v1"), &bytes, &pools).unwrap_err();
            assert!(matches!(error, Error::Mismatch { .. }), "{name}: {error}");
        }
    }
    for name in ["fused", "segmentation", "cloud", "projection", "voxels"] {
        let mut bytes = vec![1, 0, 0, 0];
        bytes.extend([0; 16]);
        bytes.extend(huge.repeat(16));
        assert!(decode(&format!("sensorium.outcome.{name}.v1"), &bytes, &pools).is_err(), "{name}");
    }
    let fill = pools.fill();
    assert!(fill.iter().all(|(_, f)| f.taken == 0), "{fill:?}");
}

#[test]
fn foreign_and_broken_files_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        RecordingConfig { path, sensors: Vec::new() }.build().map(|_| ()).unwrap_err().to_string()
    };
    let error = refused("text.mcap", b"this is a text of more than eight letters");
    assert!(error.contains("an MCAP file") && error.contains("text.mcap"), "{error}");
    assert!(refused("empty.mcap", b"").contains("an MCAP file"));
    let foreign = dir.path().join("foreign.mcap");
    let file = std::fs::File::create(&foreign).unwrap();
    let mut writer = mcap::WriteOptions::new().profile("ros1").library("elsewhere").create(file).unwrap();
    let schema = writer.add_schema("sensor_msgs/Image", "ros1msg", b"uint8[] data").unwrap();
    let channel = writer.add_channel(schema, "/camera", "ros1", &std::collections::BTreeMap::new()).unwrap();
    let header = mcap::records::MessageHeader { channel_id: channel, sequence: 0, log_time: 0, publish_time: 0 };
    writer.write_to_known_channel(&header, &[1, 2, 3]).unwrap();
    writer.finish().unwrap();
    let error = RecordingConfig { path: foreign, sensors: Vec::new() }.build().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ros1") && error.contains("sensor_msgs/Image") && error.contains("elsewhere"), "{error}");
    let error = RecordingConfig { path: dir.path().join("none.mcap"), sensors: Vec::new() }.build().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("none.mcap"));
}

#[test]
fn a_recording_that_is_there_is_not_replaced_unasked_and_a_full_disk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.mcap");
    let packets = packets(1);
    record(&packets, &path, Compression::Lz4);
    let cx = Cx::alone(Mode::Offline);
    let config = SinkConfig { path: Some(path), ..SinkConfig::default() };
    let error = config.clone().build().unwrap().start(&layout(&packets), &cx).unwrap_err().to_string();
    assert!(error.contains("overwrite"), "{error}");
    assert!(SinkConfig { overwrite: true, ..config }.build().unwrap().start(&layout(&packets), &cx).is_ok());
    if Path::new("/dev/full").exists() {
        let config = SinkConfig { path: Some("/dev/full".into()), overwrite: true, ..SinkConfig::default() };
        let mut sink = config.build().unwrap();
        let all = [sink.start(&layout(&packets), &cx), sink.accept(&packets[0], &cx), sink.finish(&cx)];
        let error = all.into_iter().find_map(|r| r.err()).expect("a full disk is an error").to_string();
        assert!(error.contains("/dev/full"), "{error}");
    }
}
