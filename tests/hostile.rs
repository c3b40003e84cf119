//! Seeded mutations of the files that have no other test of this kind: configurations and fragment sets. They may be refused, but nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs
)]

#[path = "support/dice.rs"]
mod dice;

use dice::Dice;
use sensorium::config::{Document, Plan, Registry};
use sensorium::formats::fragments::{Found, PairsFile, SetFile, parse};
use std::fs;
use std::path::{Path, PathBuf};

/// Flips, inserts, cuts or repeats bytes, or moves whole numbers to their ends.
fn mutate(dice: &mut Dice, original: &[u8]) -> Vec<u8> {
    let mut out = original.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(out.len());
        match dice.below(8) {
            0 | 1 if !out.is_empty() => out[at] ^= 1 << dice.below(7),
            2 | 3 if !out.is_empty() => out[at] = b"0123456789.-\"'[]{}=,:#\n e"[dice.below(25)],
            4 => out.truncate(at),
            5 => {
                let number = [&b"-1"[..], b"1e400", b"nan", b"18446744073709551616", b"0", b"\"\"", b"[]"][dice.below(7)];
                let end = (at..out.len()).find(|i| !out[*i].is_ascii_digit()).unwrap_or(out.len());
                out.splice(at..end, number.iter().copied());
            }
            _ => {
                let end = (at + dice.below(24)).min(out.len());
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
        }
    }
    out
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn mutated_configurations_never_panic_and_every_problem_is_one_line() {
    let mut texts: Vec<(PathBuf, Vec<u8>)> =
        fs::read_dir(root().join("configs")).unwrap().map(|e| e.unwrap().path()).map(|p| (p.clone(), fs::read(p).unwrap())).collect();
    texts.sort();
    let (registry, mut dice) = (Registry::default(), Dice(5));
    let (mut sound, mut faulty, mut unread) = (0, 0, 0);
    for round in 0..4000 {
        let (path, text) = &texts[round % texts.len()];
        let text = String::from_utf8_lossy(&mutate(&mut dice, text)).into_owned();
        match Document::parse(&text, path) {
            Err(error) => {
                unread += 1;
                assert_eq!(error.to_string().trim().lines().count(), 1, "{error}");
            }
            Ok(document) => match Plan::of(&document, &registry) {
                Ok(_) => sound += 1,
                Err(problems) => {
                    faulty += 1;
                    assert!(!problems.is_empty());
                    for problem in problems {
                        assert_eq!(problem.to_string().trim().lines().count(), 1, "{problem}");
                    }
                }
            },
        }
    }
    println!("{sound} sound, {faulty} with faults, {unread} that are no TOML");
    assert!(sound > 500 && faulty > 300 && unread > 300, "{sound} {faulty} {unread}");
}

#[test]
fn mutated_fragment_sets_never_panic() {
    let text = fs::read(root().join("datasets/fragments/set.json")).unwrap();
    let place = Path::new("set.json");
    parse::<SetFile>(&text, place).unwrap().check(place).unwrap();
    let (mut dice, mut read, mut refused) = (Dice(9), 0, 0);
    for _ in 0..4000 {
        let bytes = mutate(&mut dice, &text);
        match parse::<SetFile>(&bytes, place).and_then(|set| set.check(place)) {
            Ok(()) => read += 1,
            Err(error) => {
                refused += 1;
                assert_eq!(error.to_string().trim().lines().count(), 1, "{error}");
            }
        }
        // A file of another kind is refused by its first field that does not fit.
        assert!(parse::<PairsFile>(&bytes, place).is_err() || parse::<Found>(&bytes, place).is_err());
    }
    assert!(read > 100 && refused > 1000, "{read} {refused}");
}
