//! The four client versions that are spoken, and every place where their bytes part.
//!
//! *In / Out*: the text that the peer announces (`0.9.16`) to a [`Version`], which every reader and writer carries.
//! *Invariant*: nowhere else is a version number compared; what differs has a method here.

use crate::types::{Error, Result};
use std::fmt;

/// A spoken version of the protocol. Later ones compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// 0.9.13
    V0_9_13,
    /// 0.9.14
    V0_9_14,
    /// 0.9.15
    V0_9_15,
    /// 0.9.16
    #[default]
    V0_9_16,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V0_9_13, Self::V0_9_14, Self::V0_9_15, Self::V0_9_16];

    /// As the peer announces it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V0_9_13 => "0.9.13",
            Self::V0_9_14 => "0.9.14",
            Self::V0_9_15 => "0.9.15",
            Self::V0_9_16 => "0.9.16",
        }
    }
    /// The version of an announcement; builds are announced as `0.9.15-dirty` or `0.9.15.2` too.
    ///
    /// # Errors
    /// Where none of ours is meant, with both versions named: a wrong guess would misread every message after it.
    pub fn of(announced: &str) -> Result<Self> {
        let named = |v: &&Self| {
            let rest = announced.trim().strip_prefix(v.name());
            rest.is_some_and(|r| !r.starts_with(|c: char| c.is_ascii_digit()))
        };
        let known = || Error::mismatch("CARLA 0.9.13 to 0.9.16", format!("`{}`", short(announced)), "the server's version");
        Self::ALL.iter().find(named).copied().ok_or_else(known)
    }
    /// Number of the first attribute type (bool).
    pub const fn attribute_base(self) -> u8 {
        match self {
            Self::V0_9_16 => 1,
            _ => 0,
        }
    }
    /// Whether batches know the Ackermann control, which shifts the numbers after it, and cameras the normals.
    pub const fn ackermann(self) -> bool {
        !matches!(self, Self::V0_9_13)
    }
    /// Whether settings end with `spectator_as_ego`.
    pub const fn spectator_as_ego(self) -> bool {
        matches!(self, Self::V0_9_15 | Self::V0_9_16)
    }
    /// Whether weather ends with the dust storm.
    pub const fn dust_storm(self) -> bool {
        !matches!(self, Self::V0_9_13)
    }
    /// Whether spawning names an attachment socket and boxes name their actor.
    pub const fn sockets(self) -> bool {
        matches!(self, Self::V0_9_16)
    }
    /// Whether a stream's token is asked for before it is opened.
    pub const fn asks_tokens(self) -> bool {
        !matches!(self, Self::V0_9_13)
    }
    /// Whether semantic tags follow the CityScapes-like table of 0.9.14; before, another.
    pub const fn cityscapes_tags(self) -> bool {
        !matches!(self, Self::V0_9_13)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The first characters of a text that a stranger sent.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read_liberally_but_not_guessed() {
        assert_eq!(Version::of("0.9.15-dirty").unwrap(), Version::V0_9_15);
        assert_eq!(Version::of(" 0.9.13").unwrap(), Version::V0_9_13);
        for wrong in ["0.9.10.1", "0.9.160", "", "1.0"] {
            let said = Version::of(wrong).unwrap_err().to_string();
            assert!(said.contains("0.9.16") && said.contains(wrong), "{said}");
        }
    }
}
