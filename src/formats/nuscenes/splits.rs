//! Which scenes belong to which split.
//!
//! *In*: the name of a split, the version of the tables, the text of `splits.json`. *Out*: names of scenes.
//! *Invariant*: a built-in split belongs to one kind of version; any other name is looked up in `splits.json` only.

use crate::types::{Error, Result, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// The official splits: scene numbers and ranges of them.
const OFFICIAL: &str = include_str!("../../../datasets/nuscenes_splits.txt");

/// Scenes of one split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub name: String,
    /// Whether it is one of the official ones: then a result file has all of its samples and no other, in an order that counts.
    pub official: bool,
    /// Names of its scenes.
    pub scenes: BTreeSet<String>,
}

/// Custom splits by name: lists of scene names.
pub type Custom = BTreeMap<String, Vec<String>>;

/// Names of the official splits.
pub fn official<'a>() -> impl Iterator<Item = &'a str> {
    OFFICIAL.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name)
}

/// The end of the version's name that an official split needs.
fn version_of(split: &str) -> &'static str {
    match split {
        "test" => "test",
        "mini_train" | "mini_val" => "mini",
        _ => "trainval",
    }
}

fn scenes(name: &str) -> Option<BTreeSet<String>> {
    let (_, ranges) = OFFICIAL.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| *n == name)?;
    let number = |text: &str| text.parse::<u32>().ok();
    let bounds = ranges.split_whitespace().filter_map(|r| {
        let (low, high) = r.split_once('-').unwrap_or((r, r));
        Some(number(low)?..=number(high)?)
    });
    Some(bounds.flatten().map(|n| format!("scene-{n:04}")).collect())
}

/// The split of this name.
///
/// # Errors
/// Where there is none, or an official one does not belong to the version.
pub fn find(name: &str, version: &str, custom: &Custom) -> Result<Split> {
    if let Some(scenes) = scenes(name) {
        let wanted = version_of(name);
        if !version.ends_with(wanted) {
            return Err(Error::mismatch(format!("a version that ends with `{wanted}`"), format!("`{version}`"), format!("split `{name}`")));
        }
        return Ok(Split { name: name.to_owned(), official: true, scenes });
    }
    let Some(list) = custom.get(name) else {
        let known = official().filter(|s| version.ends_with(version_of(s))).chain(custom.keys().map(String::as_str));
        let known: Vec<&str> = known.collect();
        let hint = nearest(name, known.iter().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        return Err(Error::mismatch(format!("a split of {version}"), format!("`{name}`{hint}"), format!("known: {}", known.join(", "))));
    };
    Ok(Split { name: name.to_owned(), official: false, scenes: list.iter().cloned().collect() })
}

/// All splits that a root of this version can have.
pub fn all(version: &str, custom: &Custom) -> Vec<Split> {
    official().chain(custom.keys().map(String::as_str)).filter_map(|name| find(name, version, custom).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_splits_have_their_sizes_and_do_not_overlap() {
        let of = |name: &str| scenes(name).unwrap();
        let sizes =
            [("train", 700), ("val", 150), ("test", 150), ("mini_train", 8), ("mini_val", 2), ("train_detect", 350), ("train_track", 350)];
        for (name, size) in sizes {
            assert_eq!(of(name).len(), size, "{name}");
        }
        assert!(of("train").is_disjoint(&of("val")) && of("val").is_disjoint(&of("test")));
        assert_eq!(of("train_detect").union(&of("train_track")).count(), 700);
        assert_eq!(of("mini_val"), ["scene-0103", "scene-0916"].map(String::from).into());
    }

    #[test]
    fn names_are_tied_to_versions_and_custom_ones_are_looked_up() {
        let custom = Custom::from([("night".to_owned(), vec!["scene-0001".to_owned()])]);
        assert!(find("mini_val", "v1.0-trainval", &custom).unwrap_err().to_string().contains("mini"));
        assert!(find("nigth", "v1.0-mini", &custom).unwrap_err().to_string().contains("did you mean `night`"));
        assert!(!find("night", "v1.0-mini", &custom).unwrap().official);
        assert_eq!(all("v1.0-mini", &custom).len(), 3);
    }
}
