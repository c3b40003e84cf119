//! Where a pass spends its time and its multiply-adds, by class of operator.
//!
//! *In*: a pass, run inside [`record`]. *Out*: a [`Line`] per class. *Invariant*: outside [`record`] an operator costs one look at a
//! thread-local cell; times are true where the device computes at once (the CPU), elsewhere they are those of handing the work over.

use std::cell::RefCell;
use std::time::Instant;

/// A class of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Convolutions with a kernel larger than 1x1, side by side taps.
    Convolution,
    /// Convolutions whose taps lie apart.
    Dilated,
    /// 1x1 convolutions and other mixing of channels pixel by pixel.
    Pointwise,
    /// Convolutions with a group per channel.
    Depthwise,
    /// Linear layers over tokens.
    Linear,
    /// Attention over tokens or channels.
    Attention,
    /// Layer, batch and other norms that are not folded away.
    Norm,
    /// Activations.
    Activation,
    /// Resizing.
    Resize,
    /// Convolutions over occupied voxels only; multiply-adds of the pairs that exist.
    Sparse,
    /// Operators of a network's own.
    Own,
}

/// What one class of operators cost.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// The class.
    pub class: Class,
    /// How often.
    pub calls: u64,
    /// Multiply-adds.
    pub macs: u64,
    /// Seconds.
    pub seconds: f64,
}

thread_local! {
    static CURRENT: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

/// Runs `work` and gives the account of its operators beside its result, the dearest class first.
pub fn record<T>(work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    let before = CURRENT.replace(Some(Vec::new()));
    let result = work();
    let mut lines = CURRENT.replace(before).unwrap_or_default();
    lines.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    (result, lines)
}

/// An operator of `macs` multiply-adds. Networks wrap what the shared blocks do not count yet; never one inside another.
pub fn operator<T>(class: Class, macs: usize, work: impl FnOnce() -> T) -> T {
    if CURRENT.with_borrow(Option::is_none) {
        return work();
    }
    let began = Instant::now();
    let result = work();
    let seconds = began.elapsed().as_secs_f64();
    CURRENT.with_borrow_mut(|lines| {
        let Some(lines) = lines else { return };
        match lines.iter_mut().find(|line| line.class == class) {
            Some(line) => {
                line.calls += 1;
                line.macs += macs as u64;
                line.seconds += seconds;
            }
            None => lines.push(Line { class, calls: 1, macs: macs as u64, seconds }),
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted_only_while_somebody_records() {
        let work = || operator(Class::Linear, 10, || operator_of(5)) + operator_of(7);
        assert_eq!(work(), 12);
        let (sum, lines) = record(work);
        assert_eq!(sum, 12);
        let of = |class| lines.iter().find(|l| l.class == class).map(|l| (l.calls, l.macs));
        assert_eq!((of(Class::Linear), of(Class::Norm)), (Some((1, 10)), Some((2, 12))));
        assert_eq!(record(|| ()).1, []);
    }

    fn operator_of(macs: usize) -> usize {
        operator(Class::Norm, macs, || macs)
    }
}
