//! Triangles to rows of samples.
//!
//! *In*: corners in sample coordinates (sample centres at integers). *Out*: for each row the half-open range of samples inside.
//! *Invariant*: triangles that share an edge neither overlap nor leave a gap, since an edge is cut the same way from both sides.

use crate::types::num;

/// Calls `each(y, from, to)` for the rows `top..bottom` that the triangle touches, with `0 <= from < to <= width`.
#[inline]
pub fn spans(corners: &[[f32; 2]; 3], top: usize, bottom: usize, width: usize, mut each: impl FnMut(usize, usize, usize)) {
    let [mut a, mut b, mut c] = *corners;
    // Sorted from top to bottom.
    if b[1] < a[1] {
        (a, b) = (b, a);
    }
    if c[1] < b[1] {
        (b, c) = (c, b);
        if b[1] < a[1] {
            (a, b) = (b, a);
        }
    }
    let row = |y: f32| usize::try_from(num::ceil_i32(y)).unwrap_or(0);
    let (first, last) = (row(a[1]).max(top), row(c[1]).min(bottom));
    if first >= last || c[1] <= a[1] {
        return;
    }
    let slope = |p: [f32; 2], q: [f32; 2]| (q[0] - p[0]) / (q[1] - p[1]);
    let (long, upper, lower) = (slope(a, c), slope(a, b), slope(b, c));
    let column = |x: f32| usize::try_from(num::ceil_i32(x)).unwrap_or(0).min(width);
    for y in first..last {
        let at = num::count_f32(num::u32(y));
        let x0 = a[0] + (at - a[1]) * long;
        let x1 = if at < b[1] { a[0] + (at - a[1]) * upper } else { b[0] + (at - b[1]) * lower };
        let (from, to) = if x0 <= x1 { (column(x0), column(x1)) } else { (column(x1), column(x0)) };
        if from < to {
            each(y, from, to);
        }
    }
}

/// A function that is linear over the picture: `x * a[0] + y * a[1] + a[2]`.
pub type Linear = [f32; 3];

/// Its value at the start of a row's span.
#[inline]
pub fn value(f: &Linear, x: usize, y: usize) -> f32 {
    num::count_f32(num::u32(x)) * f[0] + (num::count_f32(num::u32(y)) * f[1] + f[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::sensors::noise::{hash, unit};

    #[test]
    fn a_mesh_covers_every_sample_once() {
        // A fan of triangles around a middle point, cut from one square with jagged spokes.
        let corner = |k: u32| {
            let angle = k as f32 / 24.0 * std::f32::consts::TAU;
            let reach = 40.0 + 20.0 * unit(hash(k));
            [50.3 + reach * angle.cos(), 50.7 + reach * angle.sin()]
        };
        let mut count = vec![0; 128 * 128];
        for k in 0..24 {
            spans(&[[50.1, 49.6], corner(k), corner((k + 1) % 24)], 0, 128, 128, |y, from, to| {
                (from..to).for_each(|x| count[y * 128 + x] += 1);
            });
        }
        assert_eq!(count.iter().max(), Some(&1));
        for y in 20..80 {
            let row = &count[y * 128..(y + 1) * 128];
            let (first, last) = (row.iter().position(|n| *n == 1).unwrap(), row.iter().rposition(|n| *n == 1).unwrap());
            assert!(row[first..=last].iter().all(|n| *n == 1) || !(30..=70).contains(&y), "row {y}");
        }
        spans(&[[f32::NAN, 0.0], [1.0, f32::INFINITY], [5.0, 5.0]], 0, 9, 9, |_, from, to| assert!(from < to && to <= 9));
    }
}
