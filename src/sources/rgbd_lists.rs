//! The text files of the TUM RGB-D layout: lists of pictures, their association, the trajectory.
//!
//! *In*: lines of `stamp path`, `stamp path stamp path` or `stamp tx ty tz qx qy qz qw`, `#` for comments. *Out*: every line with a
//! time and either its content or the reason why it cannot be used. *Invariant*: the stamps of usable lines rise, and no usable path leaves
//! the root. Association: two pictures belong together where each is the other's nearest in time, within the window.

use super::picture::{MAX_BYTES, list_pictures};
use super::stamps::parse_stamp;
use crate::types::{Error, Result, SensorTime};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// One line of a list. A line that tells no time has the one of the line before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed<T> {
    /// When.
    pub(super) at: SensorTime,
    /// What, or why not.
    pub(super) what: Result<T, String>,
}

/// A picture's path below the root.
pub(super) type Listed = Timed<PathBuf>;

/// Both lists.
#[derive(Debug)]
pub(super) struct Lists {
    /// Colour pictures.
    pub(super) colour: Vec<Listed>,
    /// Depth pictures.
    pub(super) depth: Vec<Listed>,
}

/// Reads the lists below a root and rejects what has no partner.
pub(super) fn read_lists(root: &Path, window: Duration) -> Result<Lists> {
    let associations = root.join("associations.txt");
    if associations.is_file() {
        let text = read_text(&associations)?;
        return Ok(associated(&text, window));
    }
    let mut colour = list(root, "rgb")?;
    let mut depth = list(root, "depth")?;
    associate(&mut colour, &mut depth, window);
    Ok(Lists { colour, depth })
}

/// `kind.txt`, or the files of folder `kind`.
fn list(root: &Path, kind: &str) -> Result<Vec<Listed>> {
    let file = root.join(kind).with_extension("txt");
    if file.is_file() {
        return Ok(parse_list(&read_text(&file)?, &file.display().to_string()));
    }
    let folder = root.join(kind);
    if !folder.is_dir() {
        let wanted = format!("{kind}.txt, associations.txt or a folder `{kind}`");
        return Err(Error::mismatch(wanted, "none of them", root.display().to_string()));
    }
    let mut rows = Vec::new();
    for path in list_pictures(&folder)? {
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let below = Path::new(kind).join(path.file_name().unwrap_or_default());
        rows.push((parse_stamp(&name).ok_or_else(|| format!("wanted a file named by its stamp, found `{}`", below.display())), below));
    }
    // By time and not by name: `10.png` comes after `9.png`.
    rows.sort_by_key(|(at, _)| at.as_ref().copied().unwrap_or_default());
    let mut rising = Rising::default();
    Ok(rows.into_iter().map(|(at, below)| rising.line(at, |_| Ok(below))).collect())
}

/// Gives every line a time and rejects stamps that do not rise.
#[derive(Debug, Default)]
struct Rising {
    last: Option<SensorTime>,
}

impl Rising {
    fn line<T>(&mut self, at: Result<SensorTime, String>, what: impl FnOnce(SensorTime) -> Result<T, String>) -> Timed<T> {
        let last = self.last;
        let keep = last.unwrap_or_default();
        match at {
            Err(reason) => Timed { at: keep, what: Err(reason) },
            Ok(at) if last.is_some_and(|l| at <= l) => {
                let reason = format!("wanted a stamp after {:.6} s, found {:.6} s", keep.seconds(), at.seconds());
                Timed { at: keep, what: Err(reason) }
            }
            Ok(at) => {
                let what = what(at);
                if what.is_ok() {
                    self.last = Some(at);
                }
                Timed { at: if what.is_ok() { at } else { keep }, what }
            }
        }
    }
}

/// Lines of `stamp path`.
fn parse_list(text: &str, place: &str) -> Vec<Listed> {
    let mut rising = Rising::default();
    let row = |(number, line): (usize, &str)| {
        let (stamp, path) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let mut row = rising.line(stamp_of(stamp), |_| inside(path.trim()));
        row.what = row.what.map_err(|reason| format!("{reason} ({place}:{number})"));
        row
    };
    lines(text).map(row).collect()
}

/// Lines of `stamp tx ty tz qx qy qz qw`.
pub(super) fn read_trajectory(path: &Path) -> Result<Vec<Timed<[f64; 7]>>> {
    let text = read_text(path)?;
    let mut rising = Rising::default();
    let row = |(number, line): (usize, &str)| {
        let (stamp, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let mut row = rising.line(stamp_of(stamp), |_| {
            let numbers: Vec<f64> = rest.split_whitespace().map_while(|n| n.parse().ok()).filter(|n: &f64| n.is_finite()).collect();
            let found = || format!("wanted 7 finite numbers after the stamp, found {} in `{}`", numbers.len(), clip(line));
            numbers.as_slice().try_into().map_err(|_| found())
        });
        row.what = row.what.map_err(|reason| format!("{reason} ({}:{number})", path.display()));
        row
    };
    Ok(lines(&text).map(row).collect())
}

/// Lines of `stamp path stamp path`, colour first unless the first path begins with `depth`.
fn associated(text: &str, window: Duration) -> Lists {
    let mut lists = Lists { colour: Vec::new(), depth: Vec::new() };
    let (mut colours, mut depths) = (Rising::default(), Rising::default());
    for (number, line) in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let four = <[&str; 4]>::try_from(words.as_slice()).map_err(|_| format!("wanted `stamp path stamp path`, found `{}`", clip(line)));
        let [at_c, colour, at_d, depth] = match four {
            Ok([a, p, b, q]) if p.trim_start_matches("./").starts_with("depth") => [b, q, a, p],
            Ok(words) => words,
            Err(_) => ["", "", "", ""],
        };
        let apart = || {
            let distance = stamp_of(at_c)?.distance(stamp_of(at_d)?);
            let reason = || format!("wanted a partner within {window:?}, found {distance:?}");
            if distance <= window { Ok(()) } else { Err(reason()) }
        };
        let name = |row: Listed| Timed { at: row.at, what: row.what.map_err(|r| format!("{r} (associations.txt:{number})")) };
        let check = || four.as_ref().map(|_| ()).map_err(Clone::clone).and_then(|()| apart());
        lists.colour.push(name(colours.line(check().and_then(|()| stamp_of(at_c)), |_| inside(colour))));
        lists.depth.push(name(depths.line(check().and_then(|()| stamp_of(at_d)), |_| inside(depth))));
    }
    lists
}

/// Rejects what has no partner: a pair is two usable lines that are each other's nearest, within the window.
fn associate(colour: &mut [Listed], depth: &mut [Listed], window: Duration) {
    let times = |list: &[Listed]| list.iter().filter(|l| l.what.is_ok()).map(|l| l.at).collect::<Vec<_>>();
    let (cs, ds) = (times(colour), times(depth));
    reject_unmatched(colour, &cs, &ds, window, "depth");
    reject_unmatched(depth, &ds, &cs, window, "colour");
}

fn reject_unmatched(list: &mut [Listed], own: &[SensorTime], others: &[SensorTime], window: Duration, partner: &str) {
    for row in list.iter_mut().filter(|r| r.what.is_ok()) {
        let Some(near) = nearest(row.at, others) else {
            row.what = Err(format!("wanted a {partner} picture within {window:?} of {:.6} s, found none", row.at.seconds()));
            continue;
        };
        let distance = row.at.distance(near);
        if distance > window {
            let found = format!("nearest {distance:?} away");
            row.what = Err(format!("wanted a {partner} picture within {window:?} of {:.6} s, found {found}", row.at.seconds()));
        } else if nearest(near, own) != Some(row.at) {
            let at = row.at.seconds();
            row.what = Err(format!("wanted a {partner} picture for {at:.6} s, found one at {:.6} s nearer to another", near.seconds()));
        }
    }
}

/// The nearest of rising times; the earlier of two as near.
fn nearest(at: SensorTime, times: &[SensorTime]) -> Option<SensorTime> {
    let after = times.partition_point(|t| *t < at);
    let before = after.checked_sub(1).and_then(|i| times.get(i));
    [before, times.get(after)].into_iter().flatten().copied().min_by_key(|t| t.distance(at))
}

/// A path that stays below the root.
fn inside(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    let stays = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if path.as_os_str().is_empty() || !stays || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(format!("wanted a path below the root, found `{}`", clip(&path.to_string_lossy())));
    }
    Ok(path.to_owned())
}

fn stamp_of(word: &str) -> Result<SensorTime, String> {
    parse_stamp(word).ok_or_else(|| format!("wanted a stamp in seconds, found `{}`", clip(word)))
}

/// Lines with content, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn clip(text: &str) -> String {
    text.chars().take(80).filter(|c| !c.is_control()).collect()
}

fn read_text(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_are_mutual_and_within_the_window() {
        let mut colour =
            parse_list("# c\n1.00 rgb/a.png\n1.01 rgb/b.png\n2.0 rgb/c.png\n1.5 rgb/back.png\nNaN rgb/n.png\n3 ../x.png\n", "rgb.txt");
        let mut depth = parse_list("1.011 depth/a.png\n2.019 depth/b.png\n9 depth/c.png", "depth.txt");
        associate(&mut colour, &mut depth, Duration::from_millis(20));
        let ok = |l: &[Listed]| l.iter().map(|r| r.what.is_ok()).collect::<Vec<_>>();
        assert_eq!(ok(&colour), [false, true, true, false, false, false], "{colour:?}");
        assert_eq!(ok(&depth), [true, true, false], "{depth:?}");
    }

    #[test]
    fn depth_first_associations_are_turned_round() {
        let lists = associated("1.0 depth/a.png 1.01 rgb/a.png\n2.0 rgb/b.png 2.5 depth/b.png\nnonsense\n", Duration::from_millis(20));
        assert_eq!(lists.colour[0].what, Ok(PathBuf::from("rgb/a.png")));
        assert_eq!(lists.depth[0].at.nanos(), 1_000_000_000);
        assert!(lists.colour[1].what.is_err() && lists.depth[1].what.is_err() && lists.colour[2].what.is_err());
    }
}
