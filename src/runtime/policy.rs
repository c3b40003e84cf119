//! What an edge does when its consumer is slower than its producer.

use crate::types::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What an edge does when it is full. Written `block(8)`, `latest`, `drop_oldest(4)` or `sample(10)` in configurations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Policy {
    /// The producer waits: nothing is lost. Holds up to this many packets.
    Block(usize),
    /// One slot; a newer packet replaces the one that waits.
    Latest,
    /// Holds up to this many packets; the oldest makes room for the newest.
    DropOldest(usize),
    /// At most this many packets a second enter, and the newest replaces the one that waits. For viewers.
    Sample(f64),
}

/// Most packets an edge may hold; a deeper queue only makes results older.
const DEEPEST: usize = 1024;

impl Policy {
    /// Slots of the channel.
    pub const fn capacity(self) -> usize {
        match self {
            Self::Block(n) | Self::DropOldest(n) => n,
            Self::Latest | Self::Sample(_) => 1,
        }
    }
    /// The policy this one becomes where nothing may be lost: `block`, but a viewer's sampling stays.
    #[must_use]
    pub const fn lossless(self) -> Self {
        match self {
            Self::Sample(hz) => Self::Sample(hz),
            Self::Block(n) => Self::Block(n),
            Self::Latest => Self::Block(4),
            Self::DropOldest(n) => Self::Block(n),
        }
    }
    /// Least time between two packets that enter, for `sample`.
    pub(super) fn period(self) -> Option<Duration> {
        match self {
            Self::Sample(hz) => Some(Duration::from_secs_f64(1.0 / hz)),
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(n) => write!(f, "block({n})"),
            Self::Latest => f.write_str("latest"),
            Self::DropOldest(n) => write!(f, "drop_oldest({n})"),
            Self::Sample(hz) => write!(f, "sample({hz})"),
        }
    }
}
impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}
impl TryFrom<String> for Policy {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
impl FromStr for Policy {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::mismatch("block(N), latest, drop_oldest(N) or sample(HZ)", format!("`{text}`"), "edge policy");
        let (name, argument) = match text.trim().split_once('(') {
            None => (text.trim(), None),
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').ok_or_else(wrong)?.trim())),
        };
        let count = || argument.and_then(|a| a.parse::<usize>().ok()).filter(|n| (1..=DEEPEST).contains(n)).ok_or_else(wrong);
        match (name, argument) {
            ("latest", None) => Ok(Self::Latest),
            ("block", Some(_)) => count().map(Self::Block),
            ("drop_oldest", Some(_)) => count().map(Self::DropOldest),
            ("sample", Some(a)) => {
                let hz = a.parse::<f64>().ok().filter(|hz| (0.001..=10_000.0).contains(hz));
                hz.map(Self::Sample).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_as_written() {
        for text in ["block(8)", "latest", "drop_oldest(4)", "sample(10)", "sample(0.5)"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for text in ["", "block", "block(0)", "block(-1)", "latest(1)", "sample(0)", "sample(inf)", "newest", "block(3"] {
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
    }
}
