//! The stages that pair torn fragments: what they find, what they say, what they do with the least and the worst pieces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::eval::fragments::truth::adjacent;
use sensorium::eval::fragments::{Truth, matching};
use sensorium::heads::fragments::outline;
use sensorium::runtime::{Cx, Mode, Outlet, Stage};
use sensorium::sources::picture::PictureReader;
use sensorium::stages::{PairOutlinesConfig, PairingnetConfig};
use sensorium::types::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn packet(fragment: Fragment) -> Packet {
    let sensor = SensorId::new("fragments");
    let payload = Payload::Fragment(Arc::new(fragment));
    let frame = Frame::new(sensor, 0, SensorTime::from_nanos(0), Arc::new(Calibration::unknown("fragments")), payload);
    let bundle =
        Bundle { at: SensorTime::from_nanos(0), frames: vec![frame], presence: vec![(sensor, Presence::Ok)], skew: Duration::ZERO };
    Packet { head: Head::default(), bundle: Arc::new(bundle), outcomes: Vec::new() }
}

fn run(stage: &mut dyn Stage, fragment: Fragment) -> Result<Vec<Outcome>> {
    let mut sent = Vec::new();
    let mut send = |p: Packet| sent.push(p);
    stage.process(packet(fragment), &mut Outlet::new(Arc::from("s"), &mut send), &Cx::alone(Mode::Offline))?;
    assert_eq!(sent.len(), 1, "one packet in, one packet out");
    Ok(sent.remove(0).outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn set(folder: &Path) -> (Vec<Fragment>, Truth) {
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("set.json")).unwrap()).unwrap();
    let mut reader = PictureReader::new();
    let (mut pieces, mut to_picture) = (Vec::new(), Vec::new());
    for (index, row) in rows["fragments"].as_array().unwrap().iter().enumerate() {
        let mut piece = reader.fragment(&folder.join(row["file"].as_str().unwrap())).unwrap();
        piece.name = index.to_string();
        pieces.push(piece);
        let m: Vec<Vec<f64>> = serde_json::from_value(row["to_picture"].clone()).unwrap();
        to_picture.push(Rigid::from_rows([[m[0][0], m[0][1], m[0][2]], [m[1][0], m[1][1], m[1][2]]]));
    }
    let contours: Vec<Vec<[f64; 2]>> = pieces.iter().map(|p| outline(p).unwrap().xy()).collect();
    let pairs = adjacent(&contours, &to_picture);
    (pieces, Truth { contours, to_picture, masks: Vec::new(), pairs })
}

fn matches(outcomes: &[Outcome]) -> &[FragmentMatch] {
    match &outcomes[0] {
        Outcome::Matches(found) => found,
        other => panic!("{other:?}"),
    }
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/fragments")
}

#[test]
fn borders_alone_find_most_neighbours_and_few_strangers() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/fragments/coffee")).to_owned();
    for (folder, recall) in [(own(), 0.6), (shared, 0.75)] {
        if !folder.exists() {
            println!("skipped: {} is not there", folder.display());
            continue;
        }
        let (pieces, truth) = set(&folder);
        let mut stage = toml::from_str::<PairOutlinesConfig>("").unwrap().build().unwrap();
        assert!(stage.info().weights.is_none());
        let mut found = Vec::new();
        for piece in pieces {
            let outcomes = run(&mut stage, piece).unwrap();
            for m in matches(&outcomes) {
                assert!((0.5..=1.0).contains(&m.score));
                found.push(matching::Found {
                    a: m.source.parse().unwrap(),
                    b: m.target.parse().unwrap(),
                    a_to_b: Rigid::from_rows(m.transform),
                });
            }
            // Whoever found a pair shows it.
            assert_eq!(matches!(outcomes.get(1), Some(Outcome::Fused(_))), !matches(&outcomes).is_empty());
        }
        let scores = matching::score(&truth, &found).unwrap();
        println!("{}: {scores:?}", folder.display());
        assert!(scores.registration_recall >= recall && scores.precision >= 0.75);
        let close = scores.where_found.unwrap();
        assert!(close.rmse_px < 8.0 && close.rotation_error_wrapped_deg < 8.0);
    }
}

#[test]
fn an_untrained_network_says_so_and_repeats_itself() {
    let (pieces, _) = set(&own());
    let config = "least_score = 0.0\nseed = 3\ncandidates = 3";
    let run_all = || -> Vec<Vec<Outcome>> {
        let mut stage = toml::from_str::<PairingnetConfig>(config).unwrap().build().unwrap();
        let weights = stage.info().weights.unwrap();
        assert!(!weights.trained && weights.notice().unwrap().contains("untrained"));
        pieces.iter().map(|p| run(&mut stage, p.clone()).unwrap()).collect()
    };
    let first = run_all();
    assert!(first.iter().all(|outcomes| matches(outcomes).len() <= 3));
    assert_eq!(first, run_all());
}

fn dots(name: &str, opaque: &[(usize, usize)]) -> Fragment {
    let mut data = vec![0_u8; 30 * 30 * 4];
    for (x, y) in opaque {
        data[(y * 30 + x) * 4..][..4].copy_from_slice(&[200, 90, 10, 255]);
    }
    Fragment::new(name, 30, 30, data).unwrap()
}

#[test]
fn the_least_pieces_match_nothing_and_an_empty_one_is_an_error_that_names_it() {
    let mut stages: [Box<dyn Stage>; 2] = [
        Box::new(toml::from_str::<PairingnetConfig>("least_score = 0.0").unwrap().build().unwrap()),
        Box::new(toml::from_str::<PairOutlinesConfig>("least_score = 0.0").unwrap().build().unwrap()),
    ];
    for stage in &mut stages {
        for (name, opaque) in
            [("one", &[(4, 4)][..]), ("three", &[(0, 0), (1, 0), (0, 1)]), ("line", &[(0, 29), (1, 29), (2, 29), (3, 29)])]
        {
            let outcomes = run(stage.as_mut(), dots(name, opaque)).unwrap();
            assert!(matches(&outcomes).is_empty() && outcomes.len() == 1);
        }
        let said = run(stage.as_mut(), dots("nothing", &[])).unwrap_err().to_string();
        assert!(said.contains("`nothing`") && said.contains("`fragments`"), "{said}");
        assert!(matches(&run(stage.as_mut(), dots("after", &[(9, 9)])).unwrap()).is_empty());
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for bad in ["remember = 0", "candidates = 0", "least_score = 2.0", "least_score = nan"] {
        assert!(toml::from_str::<PairingnetConfig>(bad).unwrap().build().is_err(), "{bad}");
        assert!(toml::from_str::<PairOutlinesConfig>(bad).unwrap().build().is_err(), "{bad}");
    }
    let said = toml::from_str::<PairingnetConfig>("preset = \"tinny\"").unwrap().build().unwrap_err().to_string();
    assert!(said.contains("did you mean `tiny`"), "{said}");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut stage = toml::from_str::<PairOutlinesConfig>("remember = 1").unwrap().build().unwrap();
    let (pieces, _) = set(&own());
    let mut targets = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        let outcomes = run(&mut stage, piece).unwrap();
        targets.extend(matches(&outcomes).iter().map(|m| (index, m.target.parse::<usize>().unwrap())));
    }
    assert!(targets.iter().all(|(index, target)| target + 1 == *index), "{targets:?}");
}
