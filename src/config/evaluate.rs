//! `[evaluate]`: which results of a run are scored against which truth when it is over.
//!
//! *In*: the table of a configuration. *Out*: [`Evaluate`]. *Invariant*: names are those of stages of the same configuration.

use serde::{Deserialize, Serialize};

/// What is scored. The truth is the root that the configuration's `nuscenes` source plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// Stage whose boxes are scored as detections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boxes: Option<String>,
    /// Stage whose boxes are scored as tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracks: Option<String>,
    /// Stage whose map layers are scored, where the root has the vector map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// Split that is scored, all its samples; without, the scenes that the source plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Whether a page with curves, break-downs and the worst errors is written.
    pub report: bool,
    /// Errors of each kind on the page.
    pub worst: usize,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self { boxes: None, tracks: None, map: None, split: None, report: true, worst: 60 }
    }
}

impl Evaluate {
    /// The stages that it names, by key.
    pub(super) fn stages(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("boxes", &self.boxes), ("tracks", &self.tracks), ("map", &self.map)];
        named.into_iter().filter_map(|(key, stage)| Some((key, stage.as_deref()?)))
    }
}
