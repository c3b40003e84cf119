//! Errors as values: what was wanted, what was found, where. Paths come last.

use std::path::{Path, PathBuf};

/// Result with the shared [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in any room. Printed once, on one line, by whoever handles it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data is not what its place demands.
    #[error("wanted {wanted}, found {found} ({place})")]
    Mismatch {
        /// What the place demands.
        wanted: String,
        /// What is there.
        found: String,
        /// File, sensor, key path or field.
        place: String,
    },
    /// The operating system refused a file or socket.
    #[error("cannot {action}: {cause} ({})", one_line(path.display().to_string()))]
    Io {
        /// The verb that failed: "read", "create".
        action: &'static str,
        /// The system's own words.
        cause: String,
        /// Where.
        path: PathBuf,
    },
    /// Two poses that do not share a frame were composed, or a frame is unknown.
    #[error("poses do not meet: wanted frame `{wanted}`, found `{found}`")]
    Frames {
        /// The frame needed for the poses to meet.
        wanted: String,
        /// The frame that is there.
        found: String,
    },
    /// Something asked for by name is not in this build or on this machine.
    #[error("{what} is not available: {reason}")]
    Unavailable {
        /// The thing asked for.
        what: String,
        /// Why, and what would bring it.
        reason: String,
    },
    /// An error with the place it came up added.
    #[error("{context}: {source}")]
    Context {
        /// Where or during what.
        context: String,
        /// The error below.
        source: Box<Error>,
    },
}

impl Error {
    /// Data that is not what its place demands.
    pub fn mismatch(wanted: impl Into<String>, found: impl Into<String>, place: impl Into<String>) -> Self {
        Self::Mismatch { wanted: one_line(wanted), found: one_line(found), place: one_line(place) }
    }
    /// A file operation that failed.
    pub fn io(action: &'static str, path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Io { action, cause: one_line(cause.to_string()), path: path.to_owned() }
    }
    /// A thing that this build or machine lacks.
    pub fn unavailable(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unavailable { what: one_line(what), reason: one_line(reason) }
    }
    /// The same error, with where it came up.
    #[must_use]
    pub fn at(self, context: impl Into<String>) -> Self {
        Self::Context { context: one_line(context), source: Box::new(self) }
    }
}

/// Text as one line: an end of a line becomes a space, other control characters, which a terminal would obey, their escapes.
pub fn one_line(text: impl Into<String>) -> String {
    let text = text.into();
    if !text.contains(char::is_control) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

/// The candidate nearest to `name` by edit distance, for "did you mean": at most a third of the letters may differ.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(name, c), c))
        .filter(|(d, c)| *d <= c.len().max(name.len()).div_ceil(3))
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_files_stays_on_one_line() {
        let error = Error::mismatch("a token", "a\nb\u{1b}[31m", "x\r").at("sample\n7");
        assert_eq!(error.to_string(), "sample 7: wanted a token, found a b\\u{1b}[31m (x )");
        assert!(!Error::io("read", Path::new("a\nb"), "gone\nfor ever").to_string().contains('\n'));
    }
}
