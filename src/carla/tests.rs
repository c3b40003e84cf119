//! The protocol on the bytes of real clients: every transcript of every version, and seeded damage to them.

use super::pack::{Reader, Writer};
use super::rpc::{Request, batch, done, form, request, split_answer};
use super::scan::Scan;
use super::sensor::{Image, SensorKind, Sweep};
use super::snapshot::Snapshot;
use super::stream::{Arrival, Header, framed, receive};
use super::*;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Line {
    pub file: String,
    pub version: Version,
    pub rpc: bool,
    pub to_server: bool,
    pub method: String,
    pub stream: u32,
    pub bytes: Vec<u8>,
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn transcripts() -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/carla");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    assert!(files.len() >= 22, "{} transcripts", files.len());
    let mut lines = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let version = Version::of(name.rsplit('-').next().unwrap()).unwrap();
        for line in fs::read_to_string(&file).unwrap().lines() {
            let v: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(hex) = v["hex"].as_str() else { continue };
            lines.push(Line {
                file: name.clone(),
                version,
                rpc: v["channel"] == "rpc",
                to_server: v["direction"] == "to-server",
                method: v["method"].as_str().unwrap_or_default().to_owned(),
                stream: u32::try_from(v["stream_id"].as_u64().unwrap_or(0)).unwrap(),
                bytes: unhex(hex),
            });
        }
    }
    lines
}

#[test]
fn every_request_of_every_client_is_read_and_written_back_to_the_same_bytes() {
    let mut seen = std::collections::BTreeSet::new();
    for line in transcripts().iter().filter(|l| l.rpc && l.to_server) {
        let place = format!("{} {}", line.file, line.method);
        assert_eq!(Scan::default().whole(&line.bytes).unwrap(), Some(line.bytes.len()), "{place}");
        let asked = Request::read(&line.bytes, line.version).unwrap();
        let (call, waits) = asked.call.unwrap_or_else(|e| panic!("{place}: {e}"));
        assert_eq!(call.method(), line.method, "{place}");
        // Batches are sent both ways; every other call has its one way.
        if !matches!(call, Call::ApplyBatch { .. }) {
            assert_eq!(waits, call.waits(), "{place}");
        }
        if waits == call.waits() {
            assert_eq!(request(asked.id, &call, line.version), line.bytes, "{place}");
        }
        seen.insert(line.method.clone());
    }
    assert!(seen.len() > 85, "{} methods: {seen:?}", seen.len());
}

#[test]
fn every_answer_is_read_by_its_form() {
    let mut values = 0;
    for line in transcripts().iter().filter(|l| l.rpc && !l.to_server) {
        let place = format!("{} {}", line.file, line.method);
        let (_, result) = split_answer(&line.bytes, line.version).unwrap();
        let Ok(result) = result else { continue };
        if line.method == "apply_batch" {
            assert!(!batch(&result, line.version).unwrap().is_empty(), "{place}");
            continue;
        }
        // `[[1, v]]` has two fields inside, success without a value one.
        let fields = Reader::new(&result[1..], line.version).array().unwrap();
        if fields == 1 {
            done(&place, &result, line.version).unwrap();
            continue;
        }
        if result[2] != 1 {
            let said = if result[2] == 0 {
                rpc::value::<u32>(&place, &result, line.version).map(|_| ())
            } else {
                done(&place, &result, line.version)
            };
            assert!(said.is_err(), "{place}");
            continue;
        }
        let mut from = Reader::new(&result[3..], line.version);
        let mut to = Writer::new(line.version);
        Call::echo(&line.method, &mut from, &mut to).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert!(from.left().is_empty(), "{place}: {} bytes left", from.left().len());
        // The transcripts' server appends three fields to telemetry, and sent the oldest clients newer settings and boxes.
        if line.version == Version::V0_9_16 && line.method != "get_telemetry_data" {
            assert_eq!(to.finish(), result[3..], "{place}");
        }
        values += 1;
    }
    assert!(values > 150, "{values}");
}

#[test]
fn answers_are_written_as_the_client_takes_them() {
    let version = Version::V0_9_16;
    let asked = |method: &str| {
        let all = transcripts();
        let line = all.iter().find(|l| l.file.ends_with("0.9.16") && l.method == method && l.to_server).unwrap();
        Request::read(&line.bytes, version).unwrap()
    };
    let forms = |method: &str| form(&asked(method).call.unwrap().0);
    assert_eq!(forms("spawn_actor"), rpc::Form::Value);
    assert_eq!(forms("set_actor_simulate_physics"), rpc::Form::Nothing);
    let failed = rpc::answer(7, &Ok(Err("no".into())), rpc::Form::Value, version);
    assert_eq!(failed, unhex("940107c091920091a26e6f"));
    let failed = rpc::answer(7, &Ok(Err("no".into())), rpc::Form::Nothing, version);
    assert_eq!(failed, unhex("940107c09192c391a26e6f"));
    let fine = rpc::answer(0x9d, &Ok(Ok(Reply::of(&true, version))), rpc::Form::Value, version);
    assert_eq!(fine, unhex("9401cc9dc0919201c3"));
    assert_eq!(rpc::answer(0x34, &Ok(Ok(Reply::Nothing)), rpc::Form::Nothing, version), unhex("940134c09191c2"));
    let batch = rpc::answer(0xcc, &Ok(Ok(Reply::Batch(vec![Ok(27), Err("x".into())]))), rpc::Form::Value, version);
    assert_eq!(batch, unhex("9401ccccc0929192011b91920091a178"));
}

fn body(line: &Line) -> Vec<u8> {
    let mut buffer = Vec::new();
    assert_eq!(receive(&mut &line.bytes[..], &mut buffer, &mut || true).unwrap(), Arrival::Message);
    buffer
}

fn near(a: f64, b: &serde_json::Value) {
    let b = b.as_f64().unwrap();
    assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} {b}");
}

#[test]
fn snapshots_are_what_the_official_client_read() {
    for version in [Version::V0_9_15, Version::V0_9_16] {
        let all = transcripts();
        let snapshots: Vec<_> =
            all.iter().filter(|l| l.file == format!("sensors-{version}") && !l.rpc && !l.to_server && l.stream == 1).collect();
        let read = Snapshot::read(&body(snapshots.last().unwrap())).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/carla");
        let expected = fs::read_to_string(folder.join(format!("sensors-{version}.expected.json"))).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let last = &expected["last_snapshot"];
        assert_eq!(read.header.kind, SensorKind::Snapshot.number(version).unwrap());
        assert_eq!(Some(read.header.frame), last["frame"].as_u64());
        near(read.header.time, &last["elapsed_seconds"]);
        assert_eq!(read.actors.len(), last["actors"].as_array().unwrap().len());
        for actor in last["actors"].as_array().unwrap() {
            let ours = read.actor(u32::try_from(actor["id"].as_u64().unwrap()).unwrap()).unwrap();
            let t = &ours.transform;
            for (a, b) in [t.location.x, t.location.y, t.location.z].iter().zip(actor["transform"].as_array().unwrap()) {
                near(f64::from(*a), b);
            }
            for (a, b) in ours.angular_velocity.array().iter().zip(actor["angular_velocity"].as_array().unwrap()) {
                near(f64::from(*a), b);
            }
        }
        let ego = read.actor(u32::try_from(last["ego"]["id"].as_u64().unwrap()).unwrap()).unwrap().own.as_vehicle().unwrap();
        near(f64::from(ego.control.throttle), &last["ego"]["control"][0]);
        near(f64::from(ego.control.steer), &last["ego"]["control"][1]);
        near(f64::from(ego.speed_limit), &last["ego"]["speed_limit"]);
        assert_eq!(ego.light, LightColour::Green);
    }
    for line in transcripts().iter().filter(|l| !l.rpc && !l.to_server && l.stream == 1) {
        let read = Snapshot::read(&body(line)).unwrap();
        assert_eq!(framed(&read.write()), line.bytes, "{}", line.file);
    }
}

#[test]
fn every_sensor_frame_is_read() {
    let mut kinds = std::collections::BTreeSet::new();
    for line in transcripts().iter().filter(|l| !l.rpc && !l.to_server && l.stream != 1) {
        let message = body(line);
        let (header, rest) = Header::read(&message).unwrap();
        kinds.insert((line.version, header.kind));
        let is = |kind: SensorKind| kind.number(line.version) == Some(header.kind);
        if [SensorKind::Rgb, SensorKind::Depth, SensorKind::Semantic, SensorKind::Instance].into_iter().any(is) {
            let image = Image::read(rest).unwrap();
            assert_eq!((image.width, image.height), (4, 3));
        } else if is(SensorKind::Lidar) {
            assert_eq!(Sweep::read(rest, Sweep::POINT).unwrap().counts.len(), 3);
        } else if is(SensorKind::SemanticLidar) {
            assert_eq!(Sweep::read(rest, Sweep::SEMANTIC_POINT).unwrap().counts.len(), 3);
        } else if is(SensorKind::Imu) {
            let imu: ImuReading = packed(rest, line.version).unwrap();
            assert!((imu.accelerometer.z - 9.81).abs() < 0.5, "{imu:?}");
        } else if is(SensorKind::Gnss) {
            let geo: GeoLocation = packed(rest, line.version).unwrap();
            assert!((geo.latitude - 49.0).abs() < 0.1, "{geo:?}");
        } else if is(SensorKind::Collision) {
            let hit: Collision = packed(rest, line.version).unwrap();
            assert_ne!(hit.actor.id, hit.other.id);
            let mut again = Vec::new();
            pack_into(&hit, line.version, &mut again);
            assert_eq!(again, rest);
        } else if is(SensorKind::Radar) {
            assert!(!detections(rest).unwrap().is_empty());
        } else {
            panic!("{} kind {}", line.file, header.kind);
        }
    }
    assert!(kinds.iter().filter(|(v, _)| *v == Version::V0_9_16).count() >= 10, "{kinds:?}");
}

/// A small seeded generator: the same damage in every run.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }
}

#[test]
fn ten_thousand_damaged_messages_are_refused_or_read_without_panic_or_growth() {
    let originals = transcripts();
    let mut dice = Dice(6);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..12_000 {
        let line = &originals[dice.roll(originals.len())];
        let mut bytes = line.bytes.clone();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => bytes[at] = dice.roll(256) as u8,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, [0xdd, 0xc6, 0xdb, 0xdf, 0x9f][dice.roll(5)]),
                3 => bytes[at] ^= 1 << dice.roll(8),
                _ => bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x00]),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let limit = 64 * bytes.len() + 4096;
        let fine = if line.rpc && line.to_server {
            let _end = Scan::default().whole(&bytes);
            let asked = Request::read(&bytes, line.version).and_then(|r| r.call);
            // Nothing read is larger than a fixed multiple of what was sent.
            asked.map(|(call, _)| assert!(format!("{call:?}").len() < 64 * limit)).is_ok()
        } else if line.rpc {
            split_answer(&bytes, line.version)
                .and_then(|(_, r)| r)
                .map(|r| {
                    let _any = rpc::value::<Vec<Actor>>("x", &r, line.version);
                    let _any = rpc::value::<Vec<ActorDefinition>>("x", &r, line.version);
                    let _any = batch(&r, line.version);
                    let _any = done("x", &r, line.version);
                })
                .is_ok()
        } else {
            let mut buffer = Vec::new();
            let arrived = receive(&mut &bytes[..], &mut buffer, &mut || true);
            assert!(buffer.capacity() <= (2 << 20) + limit, "{}", buffer.capacity());
            let _any = Snapshot::read(&buffer);
            if let Ok((_, rest)) = Header::read(&buffer) {
                let _any = (Image::read(rest), Sweep::read(rest, 16), Sweep::read(rest, 24), detections(rest));
                let _any = (packed::<ImuReading>(rest, line.version), packed::<Collision>(rest, line.version));
            }
            matches!(arrived, Ok(Arrival::Message))
        };
        *(if fine { &mut read } else { &mut refused }) += 1;
    }
    println!("{read} read, {refused} refused");
    assert!(read > 500 && refused > 500, "the damage is of both kinds: {read} {refused}");
}
