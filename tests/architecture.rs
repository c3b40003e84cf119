//! The table of who may use whom, kept by reading the `use crate::` paths of every room, and a few rules of the house.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("formats", &["types"]),
    ("runtime", &["types"]),
    ("nets", &["types"]),
    ("heads", &["types", "nets"]),
    ("sources", &["types", "runtime", "formats", "world", "carla"]),
    ("stages", &["types", "runtime", "nets", "heads"]),
    ("sinks", &["types", "runtime", "formats", "carla"]),
    ("eval", &["types", "formats"]),
    ("world", &["types", "formats"]),
    ("carla", &["types", "formats"]),
    ("drive", &["types", "formats", "runtime", "nets", "heads", "carla", "world", "eval"]),
    ("config", &["types", "runtime", "sources", "stages", "sinks"]),
    ("cli", &["types", "formats", "runtime", "nets", "heads", "sources", "stages", "sinks", "eval", "config", "world", "carla", "drive"]),
];

/// Foreign crates that only these paths may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rerun::", &["sinks/rerun"]),
    ("burn::", &["nets", "heads"]),
    ("opencv::", &["sources/video", "sinks/video", "stages/rectify"]),
    ("crossbeam_channel", &["runtime", "sinks/rerun"]),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&root)
        .iter()
        .map(|f| (f.strip_prefix(&root).unwrap().display().to_string().replace('\\', "/"), fs::read_to_string(f).unwrap()))
        .collect()
}

/// Rooms named after `crate::` in the code of a file, tests and comments left out.
fn used(text: &str) -> Vec<String> {
    let code: String = code(text);
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        rooms.extend(names.iter().map(|n| n.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()));
    }
    rooms
}

fn code(text: &str) -> String {
    let own = text.split("#[cfg(test)]\nmod ").next().unwrap();
    own.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let room = path.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = MAY_USE.iter().find(|(r, _)| *r == room) else { continue };
        for used in used(&text) {
            if used != room && MAY_USE.iter().any(|(r, _)| *r == used) && !allowed.contains(&used.as_str()) {
                broken.push(format!("{path} uses {used}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    let known: Vec<&str> = MAY_USE.iter().map(|(r, _)| *r).chain(["lib", "main"]).collect();
    for (path, _) in sources() {
        let room = path.split(['/', '.']).next().unwrap();
        assert!(known.contains(&room), "{path}: which rooms may `{room}` use?");
    }
}

#[test]
fn heavy_crates_stay_in_their_rooms() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (krate, places) in ONLY_IN {
            let named = code(&text)
                .match_indices(krate)
                .any(|(at, _)| at == 0 || !code(&text)[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if named && !places.iter().any(|p| path.starts_with(p)) {
                broken.push(format!("{path} names {krate}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{path}: wanted a module comment first");
        let lines = text.lines().count();
        assert!(lines <= 400, "{path}: {lines} lines; a room that wants a wall");
    }
}

#[test]
fn a_forbidden_use_would_be_seen() {
    assert_eq!(used("use crate::runtime::Cx;\nfn f() -> crate::{types::Error, sinks::X} {}"), ["runtime", "types", "sinks"]);
    assert_eq!(used("// use crate::runtime;\n#[cfg(test)]\nmod tests { use crate::cli; }"), Vec::<String>::new());
}
