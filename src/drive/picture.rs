//! A route as a picture: the way, where the car went, what went wrong and where.
//!
//! *In*: dense way, trace and infractions, world x, y, metres. *Out*: SVG text, north up. *Invariant*: one metre is as long in both directions.

use super::way::Dense;
use crate::eval::driving::{Infraction, Record, Rules};
use std::fmt::Write;

const SIZE: f64 = 900.0;
const EDGE: f64 = 60.0;

/// Draws it.
pub fn picture(way: &Dense, trace: &[[f64; 2]], record: &Record, rules: Rules) -> String {
    let points = way.points.iter().map(|p| p.at.point()).chain(trace.iter().copied());
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for [x, y] in points {
        low = [low[0].min(x), low[1].min(y)];
        high = [high[0].max(x), high[1].max(y)];
    }
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(20.0);
    let scale = (SIZE - 2.0 * EDGE) / span;
    let at = |[x, y]: [f64; 2]| (EDGE + (x - low[0]) * scale, SIZE - EDGE - (y - low[1]) * scale);
    let line = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut out = String::new();
        points.for_each(|p| {
            let (x, y) = at(p);
            let _ = write!(out, "{x:.1},{y:.1} ");
        });
        out
    };
    let s = record.score(rules);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{SIZE}\" height=\"{SIZE}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#c9d3e0\" stroke-width=\"{:.1}\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#2563a8\" stroke-width=\"2.5\"/>\n",
        line(&mut way.points.iter().map(|p| p.at.point())),
        (3.2 * scale).clamp(3.0, 40.0),
        line(&mut trace.iter().copied()),
    );
    if let Some(first) = way.points.first() {
        let (x, y) = at(first.at.point());
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\" fill=\"#2b8a3e\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"13\">start</text>",
            x + 10.0,
            y - 8.0
        );
    }
    for (n, event) in record.infractions(rules).enumerate() {
        let (x, y) = at(event.place);
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"#c92a2a\"/><text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"white\" text-anchor=\"middle\">{}</text>",
            y + 4.0,
            n + 1
        );
    }
    let title = format!("route {} in {}, repetition {}: {}", record.route_id, record.town, record.repetition, record.ending(rules));
    let _ = writeln!(out, "<text x=\"20\" y=\"26\" font-size=\"17\">{}</text>", escaped(&title));
    let scores = format!(
        "driving score {:.1} = completion {:.1} % x penalty {:.2}; {:.0} m in {:.1} s (grey: the route, blue: driven)",
        s.score_composed, s.score_route, s.score_penalty, record.length, record.duration_game
    );
    let _ = writeln!(out, "<text x=\"20\" y=\"46\" font-size=\"13\" fill=\"#444\">{}</text>", escaped(&scores));
    for (n, event) in record.infractions(rules).enumerate().take(8) {
        let text = listed(n, event);
        let _ = writeln!(
            out,
            "<text x=\"20\" y=\"{:.0}\" font-size=\"12\" fill=\"#c92a2a\">{}</text>",
            SIZE - 12.0 - 15.0 * n as f64,
            escaped(&text)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn listed(n: usize, event: &Infraction) -> String {
    format!("{}  {:.1} s  {}", n + 1, event.time, event.message)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::way::Point;
    use super::*;
    use crate::eval::driving::Kind;
    use crate::world::scene::Station;

    #[test]
    fn infractions_are_where_they_happened() {
        let point = |n: u32| {
            let x = f64::from(n);
            Point { at: Station { x, ..Station::default() }, s: x, limit: 8.0, command: 4 }
        };
        let way = Dense { points: (0..=100).map(point).collect(), stops: Vec::new() };
        let infraction =
            |x: f64, message: &str| Infraction { kind: Kind::RedLight, time: 3.5, place: [x, 0.0], message: message.to_owned() };
        let record = Record {
            route_id: "a<b".into(),
            repetition: 2,
            town: "town-01".into(),
            status: "Completed".into(),
            length: 100.0,
            completed: 100.0,
            infractions: vec![infraction(0.0, "first"), infraction(50.0, "in the middle")],
            duration_game: 20.0,
            duration_system: 1.0,
            simulator_seconds: 0.5,
            driver_seconds: 0.1,
            missed_deadlines: 0,
            late_answers: 0,
            steps: 400,
        };
        let svg = picture(&way, &[[0.0, 0.0], [100.0, 0.0]], &record, Rules::V2_0);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let circles: Vec<f64> = document
            .descendants()
            .filter(|n| n.has_tag_name("circle") && n.attribute("fill") == Some("#c92a2a"))
            .map(|n| n.attribute("cx").unwrap().parse().unwrap())
            .collect();
        // 100 m are 780 pixels, from the left edge.
        assert_eq!(circles, [60.0, 450.0]);
        let texts: String = document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        assert!(texts.contains("route a<b in town-01, repetition 2") && texts.contains("3.5 s  in the middle"), "{texts}");
        assert!(texts.contains("driving score 49.0"), "0.7 twice: {texts}");
    }
}
