//! The sources of pictures, on the generated samples, on the shared data where it is there, and on bad input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stderr
)]

#[path = "support/dice.rs"]
mod dice;

#[path = "support/shared.rs"]
mod shared;

use dice::Dice;
use sensorium::runtime::{Cx, Mode, Reading, Source};
use sensorium::sources::picture::{PictureReader, read_grey16, read_rgb};
use sensorium::sources::{FragmentsConfig, IrVisibleConfig, RgbdConfig};
use sensorium::types::{Frame, Payload, SensorTime};
use std::fs;
use std::path::{Path, PathBuf};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(name)
}
/// Everything a source gives: frames, and rejections as (sensor, reason). Checks what every source promises.
fn drain(mut source: impl Source) -> (Vec<Frame>, Vec<(String, String)>) {
    let (cx, mut frames, mut rejected) = (Cx::alone(Mode::Offline), Vec::<Frame>::new(), Vec::new());
    let sensors = source.sensors();
    loop {
        match source.next(&cx).unwrap() {
            Reading::Frame(f) => {
                let info = sensors.iter().find(|s| s.id == f.sensor).expect("an announced sensor");
                assert_eq!(info.modality, f.payload.modality());
                assert_eq!(info.calibration, f.calibration);
                assert!(frames.last().is_none_or(|l| l.captured <= f.captured), "frames in the order of their capture");
                assert!(frames.iter().rev().find(|l| l.sensor == f.sensor).is_none_or(|l| l.seq < f.seq), "numbers rise");
                valid(&f.payload);
                frames.push(f);
            }
            Reading::Rejected { sensor, reason, .. } => {
                assert!(!reason.is_empty() && !reason.contains('\n'), "one line: {reason:?}");
                rejected.push((sensor.to_string(), reason));
            }
            Reading::End => break,
        }
    }
    assert!(matches!(source.next(&cx).unwrap(), Reading::End), "the end stays the end");
    (frames, rejected)
}
fn valid(payload: &Payload) {
    match payload {
        Payload::Rgb(i) => assert_eq!(i.data().len(), i.width() * i.height() * 3),
        Payload::Thermal(i) => assert!(i.data().iter().all(|c| *c <= i.full_scale) && i.data().len() == i.width() * i.height()),
        Payload::Depth(i) => assert!(i.metres.iter().all(|z| z.is_nan() || (*z > 0.0 && z.is_finite()))),
        Payload::Fragment(i) => assert_eq!(i.data().len(), i.width() * i.height() * 4),
        Payload::Ego(e) => {
            let numbers = [e.speed, e.yaw_rate];
            assert!(e.pose.isometry.to_matrix().iter().chain(&numbers).all(|v| v.is_finite()));
        }
        other => panic!("no {:?} from these sources", other.modality()),
    }
}
fn of<'a>(frames: &'a [Frame], sensor: &str) -> Vec<&'a Frame> {
    frames.iter().filter(|f| f.sensor.name() == sensor).collect()
}
fn png(path: &Path, image: impl Into<image::DynamicImage>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}
fn rgb(w: u32, h: u32) -> image::RgbImage {
    image::RgbImage::from_fn(w, h, |x, y| image::Rgb([x as u8 * 9, y as u8 * 7, 40]))
}
fn grey16(w: u32, h: u32) -> image::ImageBuffer<image::Luma<u16>, Vec<u16>> {
    image::ImageBuffer::from_fn(w, h, |x, y| image::Luma([if x == 0 { 0 } else { 5000 + y as u16 }]))
}
/// Flips, inserts, drops, cuts or repeats bytes.
fn mutate(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(out.len());
        match dice.below(8) {
            0..=2 if !out.is_empty() => out[at] ^= 1 << dice.below(8),
            3 | 4 if !out.is_empty() => out[at] = dice.byte(),
            5 => out.insert(at, dice.byte()),
            6 => out.truncate(at),
            _ => {
                let end = (at + dice.below(16)).min(out.len());
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
        }
    }
    out
}

#[test]
fn generated_pairs() {
    let (frames, rejected) = drain(IrVisibleConfig::new(sample("irvis")).build().unwrap());
    assert_eq!((frames.len(), rejected.len()), (20, 0));
    assert_eq!((of(&frames, "visible").len(), of(&frames, "infrared").len()), (10, 10));
    for pair in frames.chunks_exact(2) {
        let (Payload::Rgb(vi), Payload::Thermal(ir)) = (&pair[0].payload, &pair[1].payload) else { panic!("visible, then infrared") };
        assert_eq!([vi.width(), vi.height(), ir.width(), ir.height()], [320, 240, 320, 240]);
        assert_eq!((pair[0].captured, ir.full_scale), (pair[1].captured, 255));
        assert_eq!(pair[0].captured, SensorTime::from_nanos(pair[0].seq as i64 * 100_000_000));
    }
}

#[test]
fn generated_rgbd() {
    let (frames, rejected) = drain(RgbdConfig::new(sample("rgbd")).build().unwrap());
    assert_eq!(rejected, []);
    let (colour, depth, ego) = (of(&frames, "colour"), of(&frames, "depth"), of(&frames, "ego"));
    assert_eq!((colour.len(), depth.len(), ego.len()), (10, 10, 94));
    assert_eq!(colour[3].captured.nanos(), 1_700_000_000_300_000_000);
    assert_eq!(depth[3].captured.nanos(), 1_700_000_000_310_000_000);
    let k = colour[0].calibration.intrinsics.unwrap();
    assert!((k.fx - 262.5).abs() < 1e-9 && (k.cx - 159.5).abs() < 1e-9, "{k:?}");
    let Payload::Depth(z) = &depth[0].payload else { panic!() };
    let holes = z.metres.iter().filter(|z| z.is_nan()).count();
    assert!((1000..40_000).contains(&holes), "{holes} holes");
    // The floor: what lies there comes out at its height, by depth, calibration and ground truth.
    let Payload::Ego(state) = &ego.iter().find(|e| e.captured == depth[0].captured).unwrap().payload else { panic!() };
    let (mut on_floor, mut lowest) = (0, f64::MAX);
    for ((row, column), z) in z.metres.indexed_iter().filter(|(_, z)| z.is_finite()) {
        let camera = k.unproject(column as f64, row as f64, f64::from(*z));
        let world = state.pose.apply(&depth[0].calibration.extrinsics.apply(&camera));
        on_floor += usize::from((world.z - 0.003).abs() < 0.002);
        lowest = lowest.min(world.z);
    }
    assert!(on_floor > 5000 && lowest > -0.002, "{on_floor} points on the floor, lowest {lowest}");
    assert!(state.speed > 0.05 && state.yaw_rate.abs() < 2.0, "{state:?}");
}

#[test]
fn generated_fragments() {
    let (frames, rejected) = drain(FragmentsConfig::new(sample("fragments")).build().unwrap());
    assert_eq!((frames.len(), rejected.len()), (6, 0));
    let set: serde_json::Value = serde_json::from_slice(&fs::read(sample("fragments/set.json")).unwrap()).unwrap();
    for (frame, row) in frames.iter().zip(set["fragments"].as_array().unwrap()) {
        let Payload::Fragment(piece) = &frame.payload else { panic!() };
        assert_eq!((Some(piece.width() as u64), Some(piece.height() as u64)), (row["width"].as_u64(), row["height"].as_u64()));
        let opaque = piece.data().chunks_exact(4).filter(|p| p[3] > 0).count();
        assert_eq!(Some(opaque as u64), row["area"].as_u64());
        assert_eq!(format!("{}.png", piece.name), row["file"].as_str().unwrap());
    }
}

#[test]
fn shared_data() {
    for (root, pairs) in [("data/irvis/msrs/test", 10), ("data/irvis/msrs/train", 24), ("data/irvis/roadscene", 24)] {
        let Some(root) = shared::shared(root) else { return };
        let (frames, rejected) = drain(IrVisibleConfig::new(root).build().unwrap());
        assert_eq!((frames.len(), rejected.len()), (2 * pairs, 0));
    }
    let error = IrVisibleConfig::new(shared::shared("data/irvis/msrs").unwrap()).build().unwrap_err().to_string();
    assert!(error.contains("did you mean") && error.contains("train"), "{error}");
    for (set, pieces) in [("astronaut", 19), ("rocket", 18), ("coffee", 18), ("hubble_deep_field", 21)] {
        let (frames, _) = drain(FragmentsConfig::new(shared::shared("data/fragments").unwrap().join(set)).build().unwrap());
        assert_eq!(frames.len(), pieces, "{set}");
    }
}

#[test]
fn pairs_with_something_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["a", "b", "c", "d"] {
        png(&root.join(format!("Visible/{name}.png")), rgb(8, 6));
    }
    png(&root.join("IR/a.bmp"), rgb(8, 6)); // another ending is no other name
    png(&root.join("IR/b.png"), rgb(6, 8));
    let whole = fs::read(root.join("Visible/c.png")).unwrap();
    fs::write(root.join("IR/c.png"), &whole[..whole.len() / 2]).unwrap();
    png(&root.join("IR/e.png"), grey16(8, 6));
    let (frames, rejected) = drain(IrVisibleConfig::new(root).build().unwrap());
    let sent: Vec<_> = frames.iter().map(|f| (f.sensor.name(), f.seq)).collect();
    assert_eq!(sent, [("visible", 0), ("infrared", 0), ("visible", 2)]);
    let reasons: Vec<_> = rejected.iter().map(|(s, _)| s.as_str()).collect();
    assert_eq!(reasons, ["visible", "infrared", "infrared", "visible", "infrared"]);
    assert!(rejected[0].1.contains("8x6") && rejected[0].1.contains("6x8"), "{rejected:?}");
    assert!(rejected[3].1.contains("partner `d`") && rejected[4].1.contains("partner `e`"), "{rejected:?}");

    fs::create_dir_all(root.join("empty/vi")).unwrap();
    assert!(IrVisibleConfig::new(root.join("empty")).build().unwrap_err().to_string().contains("ir"));
    fs::create_dir_all(root.join("empty/ir")).unwrap();
    assert!(IrVisibleConfig::new(root.join("empty")).build().is_err());
    assert!(IrVisibleConfig::new(root.join("nowhere")).build().is_err());
    assert!(IrVisibleConfig { rate_hz: f64::NAN, ..IrVisibleConfig::new(root) }.build().is_err());
    assert!(FragmentsConfig::new(root.join("empty/vi")).build().is_err());
}

#[test]
fn rgbd_with_something_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for k in 0..4 {
        png(&root.join(format!("rgb/{k}.png")), rgb(8, 6));
        png(&root.join(format!("depth/{k}.png")), grey16(8, 6));
    }
    png(&root.join("depth/2.png"), image::GrayImage::new(8, 6)); // 8 bits are no depth
    png(&root.join("rgb/3.png"), rgb(4, 4));
    let list = "# c\n1.0 rgb/0.png\n2.0 rgb/1.png\n1.5 rgb/0.png\n3.0 rgb/2.png\n3.5 ../rgb/2.png\n3.6 /etc/passwd\nNaN rgb/2.png\n4.0 rgb/3.png\n9 rgb/0.png\n5\n";
    fs::write(root.join("rgb.txt"), list).unwrap();
    fs::write(root.join("depth.txt"), "1.01 depth/0.png\n1.99 depth/missing.png\n3.0 depth/2.png\n4.01 depth/3.png\n7.0 depth/1.png\n")
        .unwrap();
    fs::write(root.join("groundtruth.txt"), "1.0 0 0 0 0 0 0 1\n2.0 1 0 0 0 0 0 1\n3.0 0 0 0 0 0 0 0\n4.0 NaN 0 0 0 0 0 1\n").unwrap();
    let (frames, rejected) = drain(RgbdConfig::new(root).build().unwrap());
    let sent: Vec<_> = frames.iter().map(|f| (f.sensor.name(), f.captured.nanos() / 10_000_000)).collect();
    let wanted = [("ego", 100), ("colour", 100), ("depth", 101), ("ego", 200), ("colour", 200), ("colour", 300), ("depth", 401)];
    assert_eq!(sent, wanted, "{rejected:?}");
    let count = |sensor: &str, part: &str| rejected.iter().filter(|(s, r)| s == sensor && r.contains(part)).count();
    assert_eq!(count("colour", "stamp after"), 2, "{rejected:?}"); // 1.5, and 5 after 9
    assert_eq!(count("colour", "below the root"), 2);
    assert_eq!(count("colour", "stamp in seconds"), 1);
    assert_eq!(count("colour", "8x6"), 1);
    assert_eq!(count("colour", "depth picture within"), 1);
    assert_eq!((count("depth", "missing.png"), count("depth", "16-bit"), count("depth", "colour picture within")), (1, 1, 1));
    assert_eq!((count("ego", "unit quaternion"), count("ego", "7 finite numbers")), (1, 1));
    let Payload::Depth(z) = &of(&frames, "depth")[0].payload else { panic!() };
    assert!(z.metres[(0, 0)].is_nan() && z.metres[(0, 1)] == 1.0);
    assert!(RgbdConfig { depth_scale: 0.0, ..RgbdConfig::new(root) }.build().is_err());
    assert!(RgbdConfig { fx: Some(-1.0), ..RgbdConfig::new(root) }.build().is_err());
    assert!(RgbdConfig::new(root.join("rgb")).build().is_err());

    // Without lists: folders of files named by their stamps.
    for file in ["rgb.txt", "depth.txt", "groundtruth.txt"] {
        fs::remove_file(root.join(file)).unwrap();
    }
    let (frames, _) = drain(RgbdConfig::new(root).build().unwrap());
    assert_eq!((of(&frames, "colour").len(), of(&frames, "depth").len()), (3, 3));
}

#[test]
fn every_kind_of_file_and_depth_of_sample() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut reader = PictureReader::new();
    for name in ["a.png", "a.bmp", "a.tif"] {
        png(&at(name), rgb(8, 6));
        assert_eq!(reader.rgb(&at(name)).unwrap().pixel(2, 3), Some([18, 21, 40]), "{name}");
    }
    png(&at("a.jpg"), rgb(8, 6));
    assert_eq!(read_rgb(&at("a.jpg")).unwrap().width(), 8);
    png(&at("equal.png"), image::RgbImage::from_fn(4, 4, |x, _| image::Rgb([x as u8 * 50; 3])));
    assert_eq!(reader.thermal(&at("equal.png")).unwrap().data()[..4], [0, 50, 100, 150]);
    png(&at("green.png"), image::RgbImage::from_pixel(2, 2, image::Rgb([0, 255, 0])));
    assert_eq!(reader.thermal(&at("green.png")).unwrap().data()[0], 150);
    png(&at("deep.png"), grey16(4, 4));
    let deep = reader.thermal(&at("deep.png")).unwrap();
    assert_eq!((deep.full_scale, deep.data()[5]), (65535, 5001));
    assert_eq!(read_grey16(&at("deep.png")).unwrap().counts[5], 5001);
    assert!(reader.grey(&at("green.png")).is_err() && reader.depth(&at("equal.png"), 5000.0).is_err());
    assert_eq!(reader.rgb(&at("deep.png")).unwrap().pixel(1, 0), Some([19; 3]));
    png(&at("clear.png"), image::RgbaImage::from_pixel(3, 2, image::Rgba([1, 2, 3, 4])));
    assert_eq!(reader.fragment(&at("clear.png")).unwrap().data()[..4], [1, 2, 3, 4]);
    assert_eq!(reader.fragment(&at("a.png")).unwrap().data()[3], 255);
    assert_eq!(reader.labels(&at("deep.png"), Default::default()).unwrap().labels[(1, 1)], 5001);
    fs::write(at("text.png"), "no picture").unwrap();
    fs::write(at("none.png"), "").unwrap();
    assert!(reader.rgb(&at("text.png")).is_err() && reader.rgb(&at("none.png")).is_err() && reader.rgb(dir.path()).is_err());
}

#[test]
fn a_header_that_promises_too_much_is_refused_before_memory_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    png(&dir.path().join("a.bmp"), rgb(8, 6));
    let mut bytes = fs::read(dir.path().join("a.bmp")).unwrap();
    bytes[18..26].copy_from_slice(&[0, 0x3e, 0, 0, 0, 0x3e, 0, 0]); // 15872 x 15872
    let error = PictureReader::new().rgb_from(&bytes, "here").unwrap_err().to_string();
    assert!(error.contains("here"), "{error}");
}

#[test]
fn mutated_pictures_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dice, mut reader, mut read) = (Dice(42), PictureReader::new(), 0);
    for name in ["a.png", "a.jpg", "a.tif", "a.bmp", "d.png"] {
        let path = dir.path().join(name);
        if name == "d.png" {
            png(&path, grey16(8, 6))
        } else {
            png(&path, rgb(8, 6))
        }
        let seed = fs::read(&path).unwrap();
        for _ in 0..2500 {
            let bytes = mutate(&mut dice, &seed);
            if let Ok(i) = reader.rgb_from(&bytes, name) {
                valid(&Payload::Rgb(i.into()));
                read += 1;
            }
            if let Ok(i) = reader.thermal_from(&bytes, name) {
                valid(&Payload::Thermal(i.into()));
            }
            if let Ok(i) = reader.depth_from(&bytes, name, 5000.0) {
                valid(&Payload::Depth(i.into()));
            }
        }
    }
    assert!(read > 100, "{read} of 12500 mutated pictures could still be read");
}

#[test]
fn mutated_lists_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    png(&root.join("rgb/0.png"), rgb(4, 3));
    png(&root.join("depth/0.png"), grey16(4, 3));
    let rgb = "# t f\n1.0 rgb/0.png\n1.1 rgb/0.png\n1.2 rgb/0.png\n";
    let depth = rgb.replace("rgb", "depth");
    let truth = "1.0 0 0 0 0 0 0 1\n1.1 1 0 0 0 0 0 1\n1.2 2 0 0.5 0 0 1 0\n";
    let both = "1.0 rgb/0.png 1.0 depth/0.png\n1.1 rgb/0.png 1.11 depth/0.png\n";
    let (mut dice, mut built) = (Dice(7), 0);
    let (associations, lists) = (root.join("associations.txt"), [("rgb.txt", rgb), ("depth.txt", &depth), ("groundtruth.txt", truth)]);
    for (name, text) in lists {
        fs::write(root.join(name), text).unwrap();
    }
    for round in 0..8800 {
        let which = round % 4;
        // The last round's file is put back; the rest is as it was.
        if let Some((name, text)) = lists.get((round + 3) % 4) {
            fs::write(root.join(name), text).unwrap();
        }
        match lists.get(which) {
            Some((name, text)) => fs::write(root.join(name), mutate(&mut dice, text.as_bytes())).unwrap(),
            None => fs::write(&associations, mutate(&mut dice, both.as_bytes())).unwrap(),
        }
        if which == 0 && round > 0 {
            fs::remove_file(&associations).unwrap();
        }
        if let Ok(source) = RgbdConfig::new(root).build() {
            built += 1;
            drain(source);
        }
    }
    assert!(built > 4000, "{built} of 8800 mutated lists could still be used");
}
