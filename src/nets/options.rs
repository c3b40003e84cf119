//! Sizes and options of a network changed from a table of keys, as `--config FILE.toml` and a stage's `network` table bring them.
//!
//! *In*: a preset's configuration and a table. *Out*: the same configuration with the table's keys replaced. *Invariant*: an unknown key or
//! a value of the wrong kind is an error that names the key; an empty table changes nothing.

use crate::types::{Error, Result, nearest};
use serde::{Serialize, de::DeserializeOwned};
use toml::Table;

/// The preset with the keys of `changes` replaced.
///
/// # Errors
/// A key is unknown, or its value is not of the preset's kind.
pub fn configured<C: Serialize + DeserializeOwned>(preset: &C, changes: &Table, place: &str) -> Result<C> {
    let mut table = Table::try_from(preset).map_err(|e| Error::mismatch("a table of keys", e.to_string(), place))?;
    for (key, value) in changes {
        if !table.contains_key(key) {
            let known: Vec<&str> = table.keys().map(String::as_str).collect();
            let hint = nearest(key, known.iter().copied()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(Error::mismatch(format!("one of {}", known.join(", ")), format!("`{key}`{hint}"), place));
        }
        table.insert(key.clone(), value.clone());
    }
    serde_path_to_error::deserialize(table).map_err(|e| {
        let (key, cause) = (e.path().to_string(), e.inner().message().trim().replace('\n', " "));
        Error::mismatch(format!("a value for `{key}` like the preset's"), cause, place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
    struct Sizes {
        channels: [usize; 2],
        focal: f64,
    }

    #[test]
    fn keys_are_replaced_and_a_slip_is_named() {
        let preset = Sizes { channels: [3, 4], focal: 160.0 };
        let with = |text: &str| configured(&preset, &text.parse().unwrap(), "network");
        assert_eq!(with("").unwrap(), preset);
        assert_eq!(with("focal = 80").unwrap(), Sizes { focal: 80.0, ..preset.clone() });
        assert!(with("focall = 1.0").unwrap_err().to_string().contains("did you mean `focal`"));
        assert!(with("channels = [1]").unwrap_err().to_string().contains("channels"));
        assert!(with("channels = [1, -2]").unwrap_err().to_string().contains("channels"));
    }
}
