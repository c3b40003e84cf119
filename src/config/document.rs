//! TOML files, includes and `--set` merged into one table that remembers where each value came from.
//!
//! *Out*: a [`Document`]: the merged table, and per key path its [`Origin`]. *Invariant*: a later file overrides an
//! earlier one, `--set` overrides all; tables merge, everything else is replaced whole.

use crate::types::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// How deep includes may go before they are taken for a circle.
const DEEPEST: usize = 8;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A merged configuration.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The values.
    pub table: Table,
    /// Where each came from, by dotted key path.
    pub origins: BTreeMap<String, Origin>,
}

impl Document {
    /// Reads a file and what it includes (`include = ["base.toml"]`, relative to the including file).
    ///
    /// # Errors
    /// Where a file cannot be read or is no TOML; with file and line.
    pub fn read(path: &Path) -> Result<Self> {
        let mut document = Self::default();
        document.load(path, DEEPEST)?;
        Ok(document)
    }
    /// From text, as if it stood in `path`; includes are not followed.
    ///
    /// # Errors
    /// Where it is no TOML.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut document = Self::default();
        document.merge(text, path)?;
        Ok(document)
    }
    /// Overrides one value, written `key.path=VALUE`; a value that is no TOML is taken as a string.
    ///
    /// # Errors
    /// Where there is no `=`, or the path leads through something that is no table.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let wrong = |found: &str| Error::mismatch("KEY=VALUE", format!("`{found}`"), "--set");
        let (path, text) = assignment.split_once('=').ok_or_else(|| wrong(assignment))?;
        let keys: Vec<&str> = path.trim().split('.').collect();
        if keys.iter().any(|k| k.is_empty()) {
            return Err(wrong(assignment));
        }
        let value = format!("v = {}", text.trim()).parse::<Table>().ok().and_then(|mut t| t.remove("v"));
        let value = value.unwrap_or_else(|| Value::String(text.trim().to_owned()));
        let (last, parents) = keys.split_last().ok_or_else(|| wrong(assignment))?;
        let mut table = &mut self.table;
        for key in parents {
            let next = table.entry((*key).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            table = next.as_table_mut().ok_or_else(|| wrong(assignment))?;
        }
        table.insert((*last).to_owned(), value);
        self.origins.insert(path.trim().to_owned(), Origin::Flag);
        Ok(())
    }
    /// Where the value at a path came from: its own origin or that of the nearest table or array around it.
    pub fn origin(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return origin.clone();
            }
            match path.rfind(['.', '[']) {
                Some(cut) => path = path.get(..cut).unwrap_or_default(),
                None => return Origin::Default,
            }
        }
    }
    fn load(&mut self, path: &Path, depth: usize) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read configuration", path, e))?;
        if depth == 0 {
            return Err(Error::mismatch(
                format!("at most {DEEPEST} nested includes"),
                "more, perhaps a circle",
                path.display().to_string(),
            ));
        }
        let own = Self::parse(&text, path)?;
        for included in own.table.get("include").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            self.load(&path.parent().unwrap_or(Path::new("")).join(included), depth - 1)?;
        }
        self.merge(&text, path)
    }
    fn merge(&mut self, text: &str, path: &Path) -> Result<()> {
        let broken = |e: toml::de::Error| {
            let line = e.span().map_or(1, |s| line_of(text, s.start));
            Error::mismatch("TOML", e.message().replace('\n', " "), format!("{}:{line}", path.display()))
        };
        let spans = DeTable::parse(text).map_err(broken)?;
        let table: Table = text.parse().map_err(broken)?;
        self.note(spans.get_ref(), "", text, path);
        overlay(&mut self.table, table);
        Ok(())
    }
    fn note(&mut self, table: &DeTable<'_>, prefix: &str, text: &str, path: &Path) {
        for (key, value) in table {
            let at = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            let line = line_of(text, key.span().start);
            self.origins.insert(at.clone(), Origin::File { path: path.to_owned(), line });
            self.note_value(value, &at, text, path);
        }
    }
    fn note_value(&mut self, value: &Spanned<DeValue<'_>>, at: &str, text: &str, path: &Path) {
        if let DeValue::Table(inner) = value.get_ref() {
            self.note(inner, at, text, path);
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => overlay(old, new),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_line_and_set_overrides() {
        let mut d = Document::parse("name = \"a\"\n[align]\nwindow_ms = 3\n", Path::new("x.toml")).unwrap();
        assert_eq!(d.origin("align.window_ms").to_string(), "x.toml:3");
        d.set("align.window_ms=7.5").unwrap();
        d.set("source.cam.root=/data/x").unwrap();
        assert_eq!(d.table["align"]["window_ms"].as_float(), Some(7.5));
        assert_eq!(d.table["source"]["cam"]["root"].as_str(), Some("/data/x"));
        assert_eq!(d.origin("align.window_ms"), Origin::Flag);
        assert_eq!(d.origin("speed"), Origin::Default);
        assert!(d.set("no equals").is_err());
    }
    #[test]
    fn broken_toml_names_its_line() {
        let error = Document::parse("a = 1\nb = = 2\n", Path::new("x.toml")).unwrap_err().to_string();
        assert!(error.contains("x.toml:2"), "{error}");
    }
}
