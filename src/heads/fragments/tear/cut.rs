//! One cut through a piece: along a chord, bent at up to three control points, frayed by random series of sines.
//!
//! *In*: a sheet and the draws. *Out*: its two parts, or `None` where this try broke a rule. *Invariant*: the parts' turns cancel out (the sheet is
//! turned so that the chord lies level, cut, and turned back); together they hold every opaque pixel but what resampling loses.

use super::sheet::Sheet;
use crate::heads::fragments::register::Draws;

/// Sines in a series.
const WAVES: u32 = 19;
/// Redraws of the control points.
const REDRAWS: usize = 10;
/// Least distance of a control point from the border, pixels.
const DEEP: f64 = 20.0;
/// At most so many points of the curve may lie within [`GRAZE`] pixels of the border.
const GRAZING: usize = 90;
const GRAZE: f64 = 30.0;

/// Tries one cut. `edge` is the least distance of the chord from the turned sheet's upper and lower side.
pub(super) fn cut(sheet: &Sheet, edge: f64, draws: &mut Draws) -> Option<[Sheet; 2]> {
    let controls = match draws.unit() {
        u if u <= 0.5 => 3,
        u if u <= 0.75 => 2,
        u if u <= 0.875 => 1,
        _ => 0,
    };
    let contours = sheet.contours();
    let contour = contours.first()?;
    if contours.len() > 1 && contours.last().is_some_and(|c| c.len() >= 5) {
        return None;
    }
    let [from, to] = chord(sheet, draws)?;
    let angle = (to[1] - from[1]).atan2(to[0] - from[0]);
    let level = sheet.turned(-angle, contour);
    let [_, y0] = level.place.after(&sheet.place.inverse()).apply(from);
    if y0 < edge || y0 > level.height as f64 - edge {
        return None;
    }
    let border = level.contours().into_iter().next()?;
    let curve = Curve::draw(&level, &border, y0, controls, draws)?;
    if !curve.enters_once(&level, &border) {
        return None;
    }
    let below = |x: usize, y: usize| curve.at.get(x).is_some_and(|edge| *edge <= y as f64);
    let parts = [level.part(below), level.part(|x, y| !below(x, y))];
    for (part, least) in parts.iter().zip([2, 5]) {
        if part.contours().get(1).is_some_and(|c| c.len() >= least) {
            return None;
        }
    }
    let [p, n] = parts.map(Sheet::without_specks).map(|part| {
        let back = part.turned(angle, part.contours().first()?).without_specks();
        let contour = back.contours().into_iter().next()?;
        Some(back.cropped(&contour))
    });
    Some([p?, n?])
}

/// Two points of the sheet's frame on a chord of the circle around it that is nearly a diameter.
fn chord(sheet: &Sheet, draws: &mut Draws) -> Option<[[f64; 2]; 2]> {
    let (right, bottom) = (sheet.width.checked_sub(1)? as f64, sheet.height.checked_sub(1)? as f64);
    let (cx, cy, radius) = (right / 2.0, bottom / 2.0, right.hypot(bottom) / 2.0);
    for _ in 0..1000 {
        let mut point = || {
            let (sin, cos) = (std::f64::consts::TAU * draws.unit()).sin_cos();
            [cx + radius * cos, cy + radius * sin]
        };
        let ([ax, ay], [bx, by]) = (point(), point());
        if (ax - bx).hypot(ay - by) <= 0.9 * 2.0 * radius {
            continue;
        }
        let (dx, dy) = (bx - ax, by - ay);
        let sides = [(0.0 - ax) / dx, (right - ax) / dx, (0.0 - ay) / dy, (bottom - ay) / dy];
        let on = |t: f64| (0.0..=1.0).contains(&t).then_some([ax + t * dx, ay + t * dy]);
        let within = |[x, y]: &[f64; 2]| (-1e-6..=right + 1e-6).contains(x) && (-1e-6..=bottom + 1e-6).contains(y);
        let mut met: Vec<(f64, [f64; 2])> = sides.iter().filter_map(|t| Some((*t, on(*t).filter(within)?))).collect();
        met.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let [(_, from), (_, to)] = *met.as_slice() {
            return Some([from, to]);
        }
    }
    None
}

/// The cut, a height for each column of the level sheet.
struct Curve {
    at: Vec<f64>,
    /// The same with each series on its own segment only: what the last test is made on.
    drawn: Vec<f64>,
}

impl Curve {
    fn draw(level: &Sheet, border: &[[f64; 2]], y0: f64, controls: usize, draws: &mut Draws) -> Option<Self> {
        let (width, height) = (level.width as f64, level.height as f64);
        let corners = (0..REDRAWS).find_map(|_| {
            let mut xs: Vec<f64> = (0..controls).map(|_| (width / 6.0 + draws.unit() * width * 4.0 / 6.0).floor()).collect();
            xs.sort_by(f64::total_cmp);
            let points: Vec<[f64; 2]> = xs.into_iter().map(|x| [x, (y0 - height / 20.0 + draws.unit() * height / 10.0).floor()]).collect();
            let all: Vec<[f64; 2]> = std::iter::once([0.0, y0]).chain(points.iter().copied()).chain([[width, y0]]).collect();
            let apart = all.windows(2).all(|two| matches!(two, [[a, _], [b, _]] if b - a >= width / 16.0));
            let deep = points.iter().all(|p| signed_distance(level, border, *p) > DEEP);
            (apart && deep).then_some(all)
        })?;
        let line = |x: f64| {
            let segment = corners.windows(2).find(|two| matches!(two, [_, [bx, _]] if x <= *bx));
            match segment {
                Some([[ax, ay], [bx, by]]) => ay + (by - ay) * (x - ax) / (bx - ax).max(1e-9),
                _ => y0,
            }
        };
        let columns = || (0..level.width).map(|x| x as f64);
        let mut at: Vec<f64> = columns().map(line).collect();
        let mut drawn = at.clone();
        for segment in corners.windows(2) {
            if draws.unit() >= 0.5 {
                continue;
            }
            let ([[from, _], [to, _]], series) = (segment, Series::draw(width, height, draws)) else { continue };
            for ((x, whole), own) in columns().zip(&mut at).zip(&mut drawn) {
                let fray = series.value(x);
                *whole += fray;
                if x >= *from && x < *to {
                    *own += fray;
                }
            }
        }
        Some(Self { at, drawn })
    }

    /// Whether the drawn line comes in once, goes out once, and does not run along the border.
    fn enters_once(&self, level: &Sheet, border: &[[f64; 2]]) -> bool {
        let distances: Vec<f64> = self.drawn.iter().enumerate().map(|(x, y)| signed_distance(level, border, [x as f64, *y])).collect();
        let signs: Vec<bool> = distances.iter().map(|d| *d > 0.0).collect();
        let changes = signs.windows(2).filter(|two| matches!(two, [a, b] if a != b)).count();
        let outside_ends = signs.first() == Some(&false) && signs.last() == Some(&false);
        let grazing = distances.iter().filter(|d| **d > 0.0 && **d < GRAZE).count();
        outside_ends && changes == 2 && grazing <= GRAZING
    }
}

/// A random series of sines.
struct Series(Vec<[f64; 3]>);

impl Series {
    fn draw(width: f64, height: f64, draws: &mut Draws) -> Self {
        let wave = |i: u32| {
            let amplitude = (height / 150.0 + height / 60.0 * draws.normal()) / f64::from(i + 1);
            let period = 1.5 * width + 0.3 * width * draws.normal();
            let phase = 2.0 * draws.unit() - 1.0;
            let period = if period.abs() < 1.0 { 1.0 } else { period };
            [amplitude, std::f64::consts::TAU * f64::from(i) / period, phase]
        };
        Self((1..=WAVES).map(wave).collect())
    }

    fn value(&self, x: f64) -> f64 {
        self.0.iter().map(|[amplitude, rate, phase]| amplitude * (rate * x + phase).sin()).sum()
    }
}

/// Distance to the nearest point of the border, negative outside.
fn signed_distance(level: &Sheet, border: &[[f64; 2]], [x, y]: [f64; 2]) -> f64 {
    let near = border.iter().map(|[bx, by]| (x - bx) * (x - bx) + (y - by) * (y - by)).fold(f64::INFINITY, f64::min).sqrt();
    if level.inside(x, y) { near } else { -near }
}
