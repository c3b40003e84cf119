//! Sizes and options of a network from a table of a configuration file, checked against what its card documents.
//!
//! *In*: a TOML table, the network's [`Card`]. *Out*: a typed struct of the network's own. *Invariant*: a key that `models show` does not
//! document is refused, with the nearest one that it does; a value of the wrong kind is an error that names its key.

use super::Card;
use crate::types::{Error, Result, nearest};
use serde::de::DeserializeOwned;
use toml::Table;

/// The table as `T`; an empty table gives `T`'s defaults.
///
/// # Errors
/// A key is not documented, or a value is not what `T` wants there.
pub fn options<T: DeserializeOwned>(table: &Table, card: &Card) -> Result<T> {
    let place = format!("configuration of {} {}", card.name, card.preset);
    let known: Vec<&str> = card.keys.iter().map(|(key, _, _)| *key).collect();
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        let hint = nearest(key, known.iter().copied()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        return Err(Error::mismatch(format!("keys {}", known.join(", ")), format!("`{key}`{hint}"), place));
    }
    serde_path_to_error::deserialize(table.clone()).map_err(|e| {
        let message = e.inner().message().trim().replace('\n', " ");
        Error::mismatch("values of the documented kind", format!("`{}`: {message}", e.path()), place)
    })
}

/// Reads a TOML file.
///
/// # Errors
/// It cannot be read, or is not TOML; the message names the line.
pub fn read(path: &std::path::Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    text.parse::<Table>().map_err(|e| {
        let line = e.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
        Error::mismatch("TOML", e.message().trim().replace('\n', " "), format!("{}, line {line}", path.display()))
    })
}
