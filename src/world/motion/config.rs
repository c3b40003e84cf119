//! What a world is made of: town, seed, how many move, sky.

use crate::types::{Error, Result};
use crate::world::model::Sky;
use crate::world::scene::TownSpec;
use serde::{Deserialize, Serialize};

/// Who drives the ego vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum EgoDriver {
    /// There is no ego vehicle.
    None,
    /// The expert, from one destination to the next.
    #[default]
    Expert,
    /// Somebody outside, by controls.
    External,
}

/// How to make a [`World`](super::World).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldConfig {
    /// Name of the town, `town-01` to `town-10`.
    pub town: String,
    /// Junctions of a town of another size (4 to 100), from the seed, instead of a named one.
    pub junctions: Option<usize>,
    /// What chance depends on.
    pub seed: u64,
    /// Moving vehicles besides the ego vehicle; at most as many as the streets hold are there.
    pub vehicles: usize,
    /// Pedestrians and cyclists on side walks; at most as many as the walks hold are there.
    pub pedestrians: usize,
    /// Who drives the ego vehicle.
    pub ego: EgoDriver,
    /// Time of day and weather.
    pub sky: Sky,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            town: "town-03".into(),
            junctions: None,
            seed: 1,
            vehicles: 30,
            pedestrians: 20,
            ego: EgoDriver::Expert,
            sky: Sky::default(),
        }
    }
}

impl WorldConfig {
    /// The town that is meant.
    ///
    /// # Errors
    /// Where the name or the size is none that there is.
    pub fn spec(&self) -> Result<TownSpec> {
        self.junctions.map_or_else(|| TownSpec::named(&self.town), |n| TownSpec::sized(n, self.seed))
    }
    /// Looks for numbers that make no world.
    ///
    /// # Errors
    /// Where a number of the sky is not finite or out of its range, or more than 10,000 are to move.
    pub fn check(&self) -> Result<()> {
        let s = &self.sky;
        let ranges = [
            ("hour", s.hour, [0.0, 24.0]),
            ("clouds", s.clouds, [0.0, 1.0]),
            ("rain", s.rain, [0.0, 1.0]),
            ("celsius", s.celsius, [-60.0, 70.0]),
        ];
        for (name, value, [low, high]) in ranges {
            if !(low..=high).contains(&value) {
                return Err(Error::mismatch(format!("{low} to {high}"), value.to_string(), format!("sky.{name}")));
            }
        }
        if s.visibility.is_nan() || s.visibility <= 0.0 {
            return Err(Error::mismatch("metres above 0", s.visibility.to_string(), "sky.visibility"));
        }
        for (name, count) in [("vehicles", self.vehicles), ("pedestrians", self.pedestrians)] {
            if count > 10_000 {
                return Err(Error::mismatch("at most 10000", count.to_string(), name));
            }
        }
        Ok(())
    }
}
