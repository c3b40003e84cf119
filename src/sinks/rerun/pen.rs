//! Writing to a Rerun stream: entity paths, one error type, and a memory of what was written already.

use super::RerunConfig;
use crate::runtime::Layout;
use crate::types::{Error, Modality, Result, SensorId};
use ::rerun::{AsComponents, EntityPath, EntityPathPart, RecordingStream};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// An entity path of these parts; any letters may be in them.
pub fn path(parts: &[&str]) -> EntityPath {
    EntityPath::new(parts.iter().map(|p| EntityPathPart::new(*p)).collect())
}

/// Where a sensor's readings go: into the world where its place in it is known, else beside it.
pub fn sensor_path(sensor: SensorId, in_world: bool) -> EntityPath {
    if in_world { path(&["world", "vehicle", sensor.name()]) } else { path(&["sensors", sensor.name()]) }
}

/// Whether a sensor of this kind can be drawn in three dimensions.
pub const fn in_world(modality: Modality, has_intrinsics: bool) -> bool {
    has_intrinsics || matches!(modality, Modality::Cloud | Modality::Radar | Modality::Boxes | Modality::Map | Modality::Trajectory)
}

/// The stream with what is needed to write to it.
pub struct Pen {
    /// The stream.
    pub stream: RecordingStream,
    /// How to draw.
    pub config: RerunConfig,
    /// How far before a camera its picture hangs, metres.
    pub image_plane: f32,
    sensors: HashMap<SensorId, EntityPath>,
}

impl Pen {
    /// For the pipeline of this layout.
    pub fn new(stream: RecordingStream, config: RerunConfig, layout: &Layout) -> Self {
        let sensors =
            layout.sensors.iter().map(|s| (s.id, sensor_path(s.id, in_world(s.modality, s.calibration.intrinsics.is_some())))).collect();
        Self { stream, config, image_plane: if outdoors(layout) { 2.0 } else { 0.4 }, sensors }
    }
    /// A sensor's place.
    pub fn sensor(&self, sensor: SensorId) -> EntityPath {
        self.sensors.get(&sensor).cloned().unwrap_or_else(|| sensor_path(sensor, false))
    }
    /// Writes at the current time.
    pub fn draw(&self, at: EntityPath, what: &dyn AsComponents) -> Result<()> {
        let place = at.to_string();
        self.stream.log(at, what).map_err(|e| Error::mismatch("loggable data", e.to_string(), place))
    }
    /// Writes what holds at all times.
    pub fn fix(&self, at: EntityPath, what: &dyn AsComponents) -> Result<()> {
        let place = at.to_string();
        self.stream.log_static(at, what).map_err(|e| Error::mismatch("loggable data", e.to_string(), place))
    }
}

/// Whether the rig looks tens of metres far (it has a LiDAR or a radar) or through a room.
pub fn outdoors(layout: &Layout) -> bool {
    layout.sensors.iter().any(|s| matches!(s.modality, Modality::Cloud | Modality::Radar))
}

/// The last few hundred keys, to write each thing once.
#[derive(Debug)]
pub struct Recent<K> {
    known: HashSet<K>,
    order: VecDeque<K>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self { known: HashSet::new(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Clone> Recent<K> {
    /// Whether this key is new; it is known afterwards.
    pub fn first(&mut self, key: K) -> bool {
        const KEPT: usize = 1024;
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > KEPT
            && let Some(old) = self.order.pop_front()
        {
            self.known.remove(&old);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_new_once_and_old_ones_are_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.first(0) && !recent.first(0));
        (1..2000).for_each(|k| assert!(recent.first(k)));
        assert!(recent.first(0) && recent.known.len() <= 1024);
    }
}
