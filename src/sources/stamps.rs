//! Time stamps that sources make or read: the k-th frame of a rate, and decimal seconds in text.
//!
//! *In*: counts and rates, or text. *Out*: [`SensorTime`]. *Invariant*: text of up to nine decimals is read to the nanosecond,
//! which a 64-bit float of seconds since 1970 cannot do.

use crate::types::{Error, Result, SensorTime};

/// Checks a rate from a configuration.
pub(super) fn checked_rate(rate_hz: f64) -> Result<f64> {
    if (1e-3..=1e6).contains(&rate_hz) {
        return Ok(rate_hz);
    }
    Err(Error::mismatch("a rate of 0.001 to 1000000 Hz", rate_hz.to_string(), "rate_hz"))
}
/// The stamp of frame `k` at `rate_hz` frames a second.
pub(super) fn stamp_at(k: u64, rate_hz: f64) -> SensorTime {
    SensorTime::from_seconds(k as f64 / rate_hz).unwrap_or_default()
}
/// Decimal seconds, such as `1305031102.175304`; `None` where it is no number or does not fit.
pub(super) fn parse_stamp(text: &str) -> Option<SensorTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        // Signs and exponents: rare, and a float will do.
        return text.parse().ok().and_then(SensorTime::from_seconds);
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i64 = format!("{:0<9.9}", fraction).parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(SensorTime::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_exact() {
        assert_eq!(parse_stamp("1305031102.175304").map(SensorTime::nanos), Some(1_305_031_102_175_304_000));
        assert_eq!(parse_stamp("7").map(SensorTime::nanos), Some(7_000_000_000));
        assert_eq!(parse_stamp("0.1234567899").map(SensorTime::nanos), Some(123_456_789));
        assert_eq!(parse_stamp("-1.5").map(SensorTime::nanos), Some(-1_500_000_000));
        for bad in ["", ".", "NaN", "inf", "1.2.3", "abc", "99999999999999999999"] {
            assert_eq!(parse_stamp(bad), None, "{bad}");
        }
        assert!(checked_rate(0.0).is_err() && checked_rate(f64::NAN).is_err());
        assert_eq!(stamp_at(3, 10.0).nanos(), 300_000_000);
    }
}
