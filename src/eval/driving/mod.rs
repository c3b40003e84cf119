//! How a drive is scored: the CARLA leaderboard's driving score, of versions 1.0, 2.0 and 2.1.
//!
//! *In*: length of a route, distance completed, infractions. *Out*: route completion (0..=100), penalty (0..=1), their product, and
//! their means over routes with spread and interval. *Invariant*: pure arithmetic; the score of a set is the mean of the products,
//! not the product of the means.

mod compare;
mod results;

pub use compare::{Comparison, Spread, compare, spread};
pub use results::{Record, Summary, results, summary};

use crate::types::{Error, Result};
use serde::{Deserialize, Serialize};

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Rules {
    /// Leaderboard 1.0: factors multiply; no minimum speed, no scenario time-out. Town05 and Longest6 are scored by it, LeTFuser too.
    #[default]
    #[serde(rename = "1.0")]
    V1_0,
    /// Leaderboard 2.0: factors multiply.
    #[serde(rename = "2.0")]
    V2_0,
    /// Leaderboard 2.1: weights add up, the penalty is one over one plus their sum.
    #[serde(rename = "2.1")]
    V2_1,
}

impl Rules {
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V2_0, Self::V2_1];
    /// By its number.
    ///
    /// # Errors
    /// Where there is no such version.
    pub fn of(name: &str) -> Result<Self> {
        match name {
            "1.0" => Ok(Self::V1_0),
            "2.0" => Ok(Self::V2_0),
            "2.1" => Ok(Self::V2_1),
            other => Err(Error::mismatch("1.0, 2.0 or 2.1", format!("`{other}`"), "version of the scorer")),
        }
    }
    /// Its number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V2_0 => "2.0",
            Self::V2_1 => "2.1",
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Hit a pedestrian.
    CollisionPedestrian,
    /// Hit a vehicle.
    CollisionVehicle,
    /// Hit something fixed.
    CollisionLayout,
    /// Crossed a stop line at red.
    RedLight,
    /// Passed a stop sign without stopping.
    StopSign,
    /// Blocked in a scenario until it timed out.
    ScenarioTimeout,
    /// Did not let an emergency vehicle pass.
    YieldEmergency,
    /// Slower than the traffic around: the share of its speed that was reached, percent.
    MinSpeed(f64),
    /// Left the route's lanes: the share of the completed distance driven outside, percent.
    OutsideLanes(f64),
    /// More than 30 m from the route: ends it.
    Deviation,
    /// Slower than 0.1 m/s for too long: ends it.
    Blocked,
    /// The route's time was over: ends it.
    Timeout,
}

impl Kind {
    /// Its key in the leaderboard's results.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::CollisionPedestrian => "collisions_pedestrian",
            Self::CollisionVehicle => "collisions_vehicle",
            Self::CollisionLayout => "collisions_layout",
            Self::RedLight => "red_light",
            Self::StopSign => "stop_infraction",
            Self::ScenarioTimeout => "scenario_timeouts",
            Self::YieldEmergency => "yield_emergency_vehicle_infractions",
            Self::MinSpeed(_) => "min_speed_infractions",
            Self::OutsideLanes(_) => "outside_route_lanes",
            Self::Deviation => "route_dev",
            Self::Blocked => "vehicle_blocked",
            Self::Timeout => "route_timeout",
        }
    }
    /// Every key of the results.
    pub const KEYS: [&str; 12] = [
        "collisions_layout",
        "collisions_pedestrian",
        "collisions_vehicle",
        "min_speed_infractions",
        "outside_route_lanes",
        "red_light",
        "route_dev",
        "route_timeout",
        "scenario_timeouts",
        "stop_infraction",
        "vehicle_blocked",
        "yield_emergency_vehicle_infractions",
    ];
    /// Whether these rules know it.
    pub fn counts(&self, rules: Rules) -> bool {
        rules != Rules::V1_0 || !matches!(self, Self::MinSpeed(_) | Self::ScenarioTimeout | Self::YieldEmergency)
    }
    /// Factor of 1.0 and 2.0.
    fn factor(&self, rules: Rules) -> f64 {
        match *self {
            _ if !self.counts(rules) => 1.0,
            Self::CollisionPedestrian => 0.5,
            Self::CollisionVehicle => 0.6,
            Self::CollisionLayout => 0.65,
            Self::RedLight => 0.7,
            Self::StopSign => 0.8,
            Self::ScenarioTimeout | Self::YieldEmergency => 0.7,
            Self::MinSpeed(p) => 1.0 - 0.3 * (1.0 - share(p)),
            Self::OutsideLanes(p) => 1.0 - share(p),
            _ => 1.0,
        }
    }
    /// Weight of 2.1.
    fn weight(&self) -> f64 {
        match *self {
            Self::CollisionPedestrian => 1.0,
            Self::CollisionVehicle => 0.7,
            Self::CollisionLayout => 0.6,
            Self::RedLight | Self::ScenarioTimeout | Self::YieldEmergency => 0.4,
            Self::StopSign => 0.25,
            Self::MinSpeed(p) => 0.4 * (1.0 - share(p)),
            Self::OutsideLanes(_) | Self::Deviation | Self::Blocked | Self::Timeout => 0.0,
        }
    }
}

/// Percent as a share of one.
fn share(percent: f64) -> f64 {
    if percent.is_finite() { (percent / 100.0).clamp(0.0, 1.0) } else { 0.0 }
}

/// One infraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Infraction {
    /// What.
    pub kind: Kind,
    /// Simulation time since the route's start, seconds.
    pub time: f64,
    /// Where, world x, y, metres.
    pub place: [f64; 2],
    /// In words, with whom or what.
    pub message: String,
}

/// A route's scores.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Score {
    /// Percent of the length completed.
    pub score_route: f64,
    /// What infractions left, 0..=1.
    pub score_penalty: f64,
    /// The product.
    pub score_composed: f64,
}

/// Scores one route.
pub fn score<'a>(completed_percent: f64, events: impl IntoIterator<Item = &'a Kind>, rules: Rules) -> Score {
    let completed = if completed_percent.is_finite() { completed_percent.clamp(0.0, 100.0) } else { 0.0 };
    let (mut product, mut sum) = (1.0, 0.0);
    for kind in events {
        match rules {
            Rules::V1_0 | Rules::V2_0 => product *= kind.factor(rules),
            Rules::V2_1 => {
                sum += kind.weight();
                if let Kind::OutsideLanes(p) = kind {
                    product *= 1.0 - share(*p);
                }
            }
        }
    }
    let penalty = product / (1.0 + sum);
    Score { score_route: completed, score_penalty: penalty, score_composed: completed * penalty }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(completed: f64, events: &[Kind], rules: Rules) -> f64 {
        score(completed, events, rules).score_composed
    }

    #[test]
    fn the_six_worked_examples_of_every_version() {
        use Kind::{CollisionLayout, CollisionPedestrian, CollisionVehicle, MinSpeed, OutsideLanes, RedLight, StopSign};
        type Row<'a> = (&'a [Kind], f64, Option<f64>, f64, f64);
        let table: [Row<'_>; 6] = [
            (&[], 100.0, Some(100.0), 100.0, 100.0),
            (&[CollisionVehicle], 100.0, Some(60.0), 60.0, 58.8235),
            (&[CollisionPedestrian, RedLight], 80.0, Some(28.0), 28.0, 33.3333),
            (&[CollisionVehicle, CollisionVehicle, StopSign], 100.0, Some(28.8), 28.8, 37.7358),
            (&[CollisionLayout, OutsideLanes(10.0)], 50.0, Some(29.25), 29.25, 28.125),
            (&[MinSpeed(60.0)], 100.0, None, 88.0, 86.2069),
        ];
        for (events, completed, first, second, third) in table {
            if let Some(first) = first {
                assert!((composed(completed, events, Rules::V1_0) - first).abs() < 5e-5, "1.0 {events:?}");
            }
            assert!((composed(completed, events, Rules::V2_0) - second).abs() < 5e-5, "2.0 {events:?}");
            assert!((composed(completed, events, Rules::V2_1) - third).abs() < 5e-5, "2.1 {events:?}");
        }
        assert!((composed(100.0, &[MinSpeed(60.0)], Rules::V1_0) - 100.0).abs() < 1e-9, "1.0 has no minimum speed");
    }

    #[test]
    fn ends_cost_completion_only_and_nonsense_scores_zero() {
        assert!((composed(40.0, &[Kind::Blocked, Kind::Timeout, Kind::Deviation], Rules::V2_0) - 40.0).abs() < 1e-9);
        assert!(composed(f64::NAN, &[], Rules::V2_0).abs() < 1e-9);
        assert!(composed(100.0, &[Kind::OutsideLanes(100.0)], Rules::V2_1).abs() < 1e-9);
    }
}
