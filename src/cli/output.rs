//! The one place that prints. A closed pipe is no error.

use crate::types::{Error, Result};
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; carries `"version": 1`.
    Json,
}

/// Prints a result to standard output.
pub(super) fn result(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output".as_ref(), e)),
        _ => Ok(()),
    }
}

/// Prints a result in the format that was asked for.
pub(super) fn formatted(format: Format, value: &(impl Serialize + Display)) -> Result<()> {
    match format {
        Format::Text => result(&value.to_string()),
        Format::Json => json(value),
    }
}

/// Prints a result as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::mismatch("JSON", e.to_string(), "result"))?;
    result(&text)
}

/// Prints one line to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error as one line.
pub(super) fn error(text: &str) {
    note(&format!("error: {}", text.replace('\n', " ")));
}

/// Log lines go to standard error: what is rare and interesting, or what `RUST_LOG` says.
pub(super) fn log_to_stderr() {
    use tracing_subscriber::filter::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off,sensorium=info"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().with_target(false).try_init();
}

/// A panic inside a node is caught and reported by the node's name; the default message would be noise beside it.
pub(super) fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| tracing::debug!("{info}")));
}
