//! Curves of a detection evaluation as SVG.
//!
//! *In*: [`Detection`]. *Out*: the text of an SVG file. *Invariant*: every curve ends where its class's recall ends, as what lies beyond
//! was not measured; colours of classes are the same in all figures.

use super::curves::{Curve, POINTS, recall};
use super::detection::{ClassScore, Detection};
use super::matching::{DISTANCES, ERROR_DISTANCE};
use crate::types::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

/// A colour for each class, told apart by most colour-blind eyes too.
pub const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(148, 103, 189),
    RGBColor(204, 60, 120),
    RGBColor(86, 180, 233),
    RGBColor(140, 86, 75),
    RGBColor(188, 189, 34),
    RGBColor(90, 90, 90),
];
/// Shades of the distances, the strictest palest.
const SHADES: [RGBColor; 4] = [RGBColor(170, 204, 233), RGBColor(104, 162, 213), RGBColor(38, 109, 176), RGBColor(12, 52, 104)];
const INK: RGBColor = RGBColor(40, 44, 52);
const PALE: RGBColor = RGBColor(228, 231, 236);
/// Figures of the errors: name, unit, highest value shown.
const ERROR_FIGURES: [(&str, &str, f64); 5] = [
    ("Translation", "m", 1.0),
    ("Scale", "1 - IoU", 0.5),
    ("Orientation", "rad", 1.6),
    ("Velocity", "m/s", 2.0),
    ("Attribute", "share wrong", 1.0),
];

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

fn wrong(e: impl std::fmt::Display) -> Error {
    Error::unavailable("a figure", e.to_string())
}

/// Points of a curve up to the recall that is reached.
fn reached<'c>(curve: &'c Curve, values: &'c [f64]) -> impl Iterator<Item = (f64, f64)> + 'c {
    let last = curve.last();
    (0..POINTS).zip(values).take_while(move |(at, _)| *at <= last).map(|(at, v)| (recall(at), *v))
}

/// Precision over recall of every class, at the four distances.
///
/// # Errors
/// Where it cannot be drawn.
pub fn precision_recall(metrics: &Detection) -> Result<String> {
    figure((1500, 660), (2, 5), "Precision over recall", |panels, legend| {
        for (panel, class) in panels.iter().zip(&metrics.classes) {
            let title = format!("{}   AP {:.3}", class.name, class.mean_precision());
            let mut chart = panel_of(panel, &title, 1.0, "recall", "precision")?;
            for (curve, shade) in class.curves.iter().zip(SHADES) {
                chart.draw_series(LineSeries::new(reached(curve, &curve.precision), shade.stroke_width(2))).map_err(wrong)?;
            }
        }
        let names = DISTANCES.iter().map(|d| format!("{d} m"));
        keys(legend, names.zip(SHADES))
    })
}

/// The five errors over recall, at 2 m.
///
/// # Errors
/// Where it cannot be drawn.
pub fn errors(metrics: &Detection) -> Result<String> {
    figure((1500, 420), (1, 5), "Errors of hits over recall, at 2 m", |panels, legend| {
        for (kind, (panel, (name, unit, highest))) in panels.iter().zip(ERROR_FIGURES).enumerate() {
            let mean = metrics.errors().get(kind).copied().unwrap_or(f64::NAN);
            let mut chart = panel_of(panel, &format!("{name}   mean {mean:.3}"), highest, "recall", unit)?;
            for (class, colour) in metrics.classes.iter().zip(COLOURS) {
                let Some(points) = error_points(class, kind) else { continue };
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).map_err(wrong)?;
            }
        }
        keys(legend, metrics.classes.iter().map(|c| c.name.to_owned()).zip(COLOURS))
    })
}

/// An error of a class over the recalls that count; nothing where it is not defined.
fn error_points(class: &ClassScore, kind: usize) -> Option<impl Iterator<Item = (f64, f64)>> {
    let curve = class.curves.get(ERROR_DISTANCE)?;
    let defined = class.errors.get(kind).is_some_and(|e| !e.is_nan()) && curve.last() > 10;
    let values = curve.errors.get(kind).filter(|_| defined)?;
    Some(reached(curve, values).filter(|(r, _)| *r > 0.1))
}

/// A figure of panels with a title and a line of keys above.
fn figure(size: (u32, u32), grid: (usize, usize), title: &str, draw: impl FnOnce(&[Area<'_>], &Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let whole = SVGBackend::with_string(&mut text, size).into_drawing_area();
        whole.fill(&WHITE).map_err(wrong)?;
        let (head, body) = whole.split_vertically(58);
        let style = TextStyle::from(("sans-serif", 24).into_font()).color(&INK);
        head.draw(&Text::new(title.to_owned(), (24, 18), style)).map_err(wrong)?;
        draw(&body.split_evenly(grid), &head)?;
        whole.present().map_err(wrong)?;
    }
    Ok(text)
}

/// Names beside dashes of their colours, right of the title.
fn keys(area: &Area<'_>, entries: impl Iterator<Item = (String, RGBColor)>) -> Result<()> {
    let mut x = 440;
    for (name, colour) in entries {
        area.draw(&PathElement::new(vec![(x, 32), (x + 22, 32)], colour.stroke_width(4))).map_err(wrong)?;
        let style = TextStyle::from(("sans-serif", 14).into_font()).color(&INK);
        let width = i32::try_from(name.len()).unwrap_or(0) * 7;
        area.draw(&Text::new(name, (x + 28, 25), style)).map_err(wrong)?;
        x += 28 + width + 18;
    }
    Ok(())
}

type Chart<'a, 's> =
    ChartContext<'a, SVGBackend<'s>, Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>>;

/// Axes from 0 to 1 and 0 to `highest`.
fn panel_of<'a, 's>(area: &'a Area<'s>, title: &str, highest: f64, x: &str, y: &str) -> Result<Chart<'a, 's>> {
    let caption = TextStyle::from(("sans-serif", 16).into_font()).color(&INK);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, caption)
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..1.0, 0.0..highest)
        .map_err(wrong)?;
    let small = TextStyle::from(("sans-serif", 12).into_font()).color(&INK);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(PALE)
        .axis_style(INK.stroke_width(1))
        .x_labels(6)
        .y_labels(6)
        .label_style(small.clone())
        .axis_desc_style(small)
        .x_desc(x)
        .y_desc(y)
        .draw()
        .map_err(wrong)?;
    Ok(chart)
}
