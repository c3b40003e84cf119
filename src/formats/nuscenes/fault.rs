//! What can be wrong with a data set or a result file, by name, and where.
//!
//! *In*: findings. *Out*: a list that counts all and keeps the first of each kind. *Invariant*: every fault says which file,
//! record, field and value; nothing is found without being counted.

use super::json::{Wrong, WrongKind};
use crate::types::{Error, one_line};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Faults of one kind and file that are kept; more are only counted.
const KEPT: usize = 200;

/// The names of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum FaultKind {
    BadJson,
    BadLength,
    BadRadarHeader,
    BadSize,
    BadTimestamp,
    BadType,
    ChainCycle,
    DanglingToken,
    DuplicateKey,
    DuplicateToken,
    EmptyPointFile,
    EmptySplit,
    ExtraSample,
    LabelCountMismatch,
    MapVersion,
    MissingField,
    MissingFile,
    MissingKeyFrame,
    MissingRecord,
    MissingSample,
    MissingTable,
    NegativeScore,
    NonFinite,
    PathEscapesRoot,
    TokenMismatch,
    TooManyAttributes,
    TooManyBoxes,
    TruncatedImage,
    TruncatedPointFile,
    UnknownAttribute,
    UnknownClass,
    Unreadable,
    ZeroQuaternion,
}

/// Whether work can go on as if nothing were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something to look at.
    Warning,
    /// The data are not what they must be.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// Its name.
    pub kind: FaultKind,
    /// How bad it is.
    pub severity: Severity,
    /// File, relative to the root where it lies below it.
    pub file: String,
    /// Token of the record; empty where the whole file is meant.
    pub token: String,
    /// Field of the record, as a path; empty where the whole record is meant.
    pub field: String,
    /// What the place demands.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

impl Fault {
    /// An error of this kind in a file.
    pub fn new(kind: FaultKind, file: impl Into<String>, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        let (token, field) = (String::new(), String::new());
        Self { kind, severity: Severity::Error, file: file.into(), token, field, wanted: wanted.into(), found: found.into() }
    }
    /// The same, of a record.
    #[must_use]
    pub fn of(mut self, token: impl fmt::Display) -> Self {
        self.token = token.to_string();
        self
    }
    /// The same, in a field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
    /// The same, as a warning.
    #[must_use]
    pub const fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
    /// What a parser found wrong in a file.
    pub fn parsed(wrong: &Wrong, file: impl Into<String>) -> Self {
        let kind = match wrong.kind {
            WrongKind::Syntax => FaultKind::BadJson,
            WrongKind::Type => FaultKind::BadType,
            WrongKind::Length => FaultKind::BadLength,
            WrongKind::Missing => FaultKind::MissingField,
            WrongKind::Io => FaultKind::Unreadable,
            WrongKind::Unknown if wrong.field == "attribute_name" => FaultKind::UnknownAttribute,
            WrongKind::Unknown => FaultKind::UnknownClass,
        };
        let found = if kind == FaultKind::BadJson { format!("{} at byte {}", wrong.found, wrong.at) } else { wrong.found.clone() };
        Self::new(kind, file, wrong.wanted.clone(), found).field(wrong.field)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [file, token, field, wanted, found] = [&self.file, &self.token, &self.field, &self.wanted, &self.found].map(one_line);
        let Self { kind, severity, .. } = self;
        let warning = if *severity == Severity::Warning { " (warning)" } else { "" };
        write!(f, "{kind:?}{warning}: {file}")?;
        if !token.is_empty() {
            write!(f, ", token {token}")?;
        }
        if !field.is_empty() {
            write!(f, ", field {field}")?;
        }
        write!(f, ": wanted {wanted}, found {found}")
    }
}

/// All that was found.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    list: Vec<Fault>,
    counts: BTreeMap<(FaultKind, Severity, String), usize>,
}

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, fault: Fault) {
        let count = self.counts.entry((fault.kind, fault.severity, fault.file.clone())).or_default();
        *count += 1;
        if *count <= KEPT {
            self.list.push(fault);
        }
    }
    /// Notes several.
    pub fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|f| self.add(f));
    }
    /// Takes over what another list holds.
    pub fn merge(&mut self, other: Self) {
        let mut beyond = other.counts;
        for fault in other.list {
            if let Some(count) = beyond.get_mut(&(fault.kind, fault.severity, fault.file.clone())) {
                *count -= 1;
            }
            self.add(fault);
        }
        for (key, count) in beyond {
            *self.counts.entry(key).or_default() += count;
        }
    }
    /// Those that were kept, in the order they were found.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }
    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.counts.iter().filter(|((_, s, _), _)| *s == severity).map(|(_, n)| n).sum()
    }
    /// How many there are by name.
    pub fn by_kind(&self) -> BTreeMap<FaultKind, usize> {
        let mut kinds = BTreeMap::new();
        for ((kind, _, _), count) in &self.counts {
            *kinds.entry(*kind).or_default() += count;
        }
        kinds
    }
    /// That no error is among them.
    ///
    /// # Errors
    /// The first one, with the number of all.
    pub fn settle(&self, place: &str) -> crate::types::Result<()> {
        let Some(first) = self.list.iter().find(|f| f.severity == Severity::Error) else { return Ok(()) };
        let count = self.count(Severity::Error);
        let more = if count == 1 { String::new() } else { format!("{count} faults, the first: ") };
        let Fault { kind, file, token, field, wanted, found, .. } = first;
        let record = if token.is_empty() { String::new() } else { format!(", token {token}") };
        let field = if field.is_empty() { String::new() } else { format!(", field {field}") };
        Err(Error::mismatch(wanted.clone(), found.clone(), format!("{file}{record}{field}; {place}")).at(format!("{more}{kind:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_first_are_kept() {
        let mut faults = Faults::default();
        for n in 0..1000 {
            faults.add(Fault::new(FaultKind::BadSize, "a.json", "sizes above zero", n.to_string()).of(n).field("size"));
        }
        faults.add(Fault::new(FaultKind::NegativeScore, "b.json", "a score of 0 or more", "-1").warning());
        assert_eq!((faults.count(Severity::Error), faults.count(Severity::Warning), faults.list().len()), (1000, 1, KEPT + 1));
        let text = faults.settle("root").unwrap_err().to_string();
        assert!(
            text.starts_with("1000 faults, the first: BadSize: wanted sizes above zero, found 0 (a.json, token 0, field size"),
            "{text}"
        );
    }
}
