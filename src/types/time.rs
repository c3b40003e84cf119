//! Two clocks that cannot be mixed: when a thing was true, and when it reached this program.
//!
//! *In / Out*: nanoseconds. *Invariant*: a [`SensorTime`] is never subtracted from a [`HostTime`]; the compiler refuses.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time of validity on the sensor's clock, nanoseconds since that clock's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SensorTime(i64);

/// Monotone time on this host, nanoseconds since the program first asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostTime(i64);

macro_rules! clock {
    ($name:ident) => {
        impl $name {
            /// From nanoseconds.
            pub const fn from_nanos(nanos: i64) -> Self {
                Self(nanos)
            }
            /// In nanoseconds.
            pub const fn nanos(self) -> i64 {
                self.0
            }
            /// In seconds, for display and plots.
            pub fn seconds(self) -> f64 {
                self.0 as f64 * 1e-9
            }
            /// Time from `earlier` to `self`; zero if `earlier` is later.
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
            }
            /// Distance in time, whichever is earlier.
            pub fn distance(self, other: Self) -> Duration {
                Duration::from_nanos(self.0.abs_diff(other.0))
            }
            /// Later by `by`, saturating at the end of the clock.
            #[must_use]
            pub fn after(self, by: Duration) -> Self {
                Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
            }
            /// Earlier by `by`, saturating at the start of the clock.
            #[must_use]
            pub fn before(self, by: Duration) -> Self {
                Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
            }
        }
    };
}
clock!(SensorTime);
clock!(HostTime);

impl SensorTime {
    /// From seconds; `None` where the value is not finite or does not fit 64 bits of nanoseconds.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let nanos = (seconds * 1e9).round();
        (nanos.is_finite() && nanos.abs() < 9.2e18).then(|| Self(super::num::round_i64(nanos)))
    }
    /// From microseconds (nuScenes); saturating.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }
}

impl HostTime {
    /// Now, on the monotone clock.
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        Self(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_never_goes_below_zero_and_distance_is_symmetric() {
        let (a, b) = (SensorTime::from_nanos(5), SensorTime::from_nanos(9));
        assert_eq!(b.since(a), Duration::from_nanos(4));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(a.distance(b), b.distance(a));
    }

    #[test]
    fn seconds_that_do_not_fit_are_refused() {
        assert_eq!(SensorTime::from_seconds(1.5), Some(SensorTime::from_nanos(1_500_000_000)));
        assert_eq!(SensorTime::from_seconds(f64::NAN), None);
        assert_eq!(SensorTime::from_seconds(1e12), None);
    }
}
