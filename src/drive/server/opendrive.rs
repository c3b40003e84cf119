//! The road network as OpenDRIVE 1.4, which clients parse for their maps.
//!
//! *In*: a [`Network`] (x east, y north: OpenDRIVE's own axes). *Out*: XML. A road keeps its lanes' numbers; each connection through
//! a junction is a road of one lane whose reference line is the lane's left edge. *Invariant*: lanes end where their successors
//! start, to the last digit, because both are pieces of the same curves.

use crate::world::scene::{Curve, Lane, Network, Road, Rule};
use std::fmt::Write;

/// Where the world's origin is on the globe, degrees north and east.
pub const ORIGIN: [f64; 2] = [49.0, 8.0];
const WALK: f64 = 2.0;

/// The whole text.
pub fn opendrive(name: &str, net: &Network) -> String {
    let mut out = String::with_capacity(1 << 20);
    let [lat, lon] = ORIGIN;
    let _ = write!(
        out,
        "<?xml version=\"1.0\" standalone=\"yes\"?>\n<OpenDRIVE>\n<header revMajor=\"1\" revMinor=\"4\" name=\"{name}\" version=\"1.00\" \
         date=\"2026-01-01T00:00:00\" north=\"0\" south=\"0\" east=\"0\" west=\"0\" vendor=\"sensorium\"><geoReference><![CDATA[+proj=tmerc \
         +lat_0={lat} +lon_0={lon} +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +vunits=m +no_defs]]></geoReference></header>\n"
    );
    net.roads.iter().for_each(|r| road(&mut out, net, r));
    net.lanes.iter().filter(|l| l.junction.is_some()).for_each(|l| connection(&mut out, net, l));
    for j in &net.junctions {
        let _ = writeln!(out, "<junction id=\"{}\" name=\"junction {}\">", junction_id(net, j.id), j.id);
        for (n, lane) in j.connections.iter().filter_map(|c| net.lane(*c)).enumerate() {
            let Some(from) = lane.previous.first().and_then(|p| net.lane(*p)) else { continue };
            let _ = writeln!(
                out,
                "<connection id=\"{n}\" incomingRoad=\"{}\" connectingRoad=\"{}\" contactPoint=\"start\"><laneLink from=\"{}\" to=\"-1\"/></connection>",
                from.road,
                connection_id(net, lane),
                from.number
            );
        }
        out.push_str("</junction>\n");
    }
    out.push_str("</OpenDRIVE>\n");
    out
}

/// Roads first, then connections, then junctions: no id twice, although only roads must differ among themselves.
fn connection_id(net: &Network, lane: &Lane) -> usize {
    net.roads.len() + lane.id
}
fn junction_id(net: &Network, junction: usize) -> usize {
    net.roads.len() + net.lanes.len() + junction
}

fn plan(out: &mut String, curve: &Curve) {
    out.push_str("<planView>");
    let mut s = 0.0;
    for piece in curve.pieces().iter().filter(|p| p.length > 1e-6) {
        let at = piece.start;
        let _ = write!(
            out,
            "<geometry s=\"{s:.9}\" x=\"{:.9}\" y=\"{:.9}\" hdg=\"{:.12}\" length=\"{:.9}\">",
            at.x, at.y, at.heading, piece.length
        );
        if at.curvature.abs() < 1e-7 {
            out.push_str("<line/>");
        } else {
            let _ = write!(out, "<arc curvature=\"{:.12}\"/>", at.curvature);
        }
        out.push_str("</geometry>");
        s += piece.length;
    }
    out.push_str("</planView>\n");
    out.push_str("<elevationProfile><elevation s=\"0\" a=\"0\" b=\"0\" c=\"0\" d=\"0\"/></elevationProfile><lateralProfile/>\n");
}

fn head(out: &mut String, id: usize, length: f64, junction: Option<usize>, links: &str, limit: f64) {
    let junction = junction.map_or_else(|| "-1".to_owned(), |j| j.to_string());
    let _ = writeln!(
        out,
        "<road name=\"road {id}\" length=\"{length:.9}\" id=\"{id}\" junction=\"{junction}\"><link>{links}</link>\
         <type s=\"0\" type=\"town\"><speed max=\"{:.0}\" unit=\"km/h\"/></type>",
        limit * 3.6
    );
}

/// What a lane's own links look like: only connections have one lane before and one behind.
fn lane(out: &mut String, id: i32, kind: &str, width: f64, mark: &str, links: &str) {
    let _ = write!(
        out,
        "<lane id=\"{id}\" type=\"{kind}\" level=\"false\"><link>{links}</link><width sOffset=\"0\" a=\"{width:.6}\" b=\"0\" c=\"0\" d=\"0\"/>\
         <roadMark sOffset=\"0\" type=\"{mark}\" weight=\"standard\" color=\"standard\" width=\"0.15\" laneChange=\"{}\"/></lane>",
        if mark == "broken" { "both" } else { "none" }
    );
}

fn road(out: &mut String, net: &Network, r: &Road) {
    let length = r.centre.length();
    let links = format!(
        "<predecessor elementType=\"junction\" elementId=\"{}\"/><successor elementType=\"junction\" elementId=\"{}\"/>",
        junction_id(net, r.from[0]),
        junction_id(net, r.to[0])
    );
    let any = r.forward.first().or(r.backward.first()).and_then(|l| net.lane(*l));
    head(out, r.id, length, None, &links, any.map_or(13.9, |l| l.limit));
    plan(out, &r.centre);
    out.push_str("<lanes><laneSection s=\"0\">");
    let side = |out: &mut String, lanes: &[usize], sign: i32| {
        let count = i32::try_from(lanes.len()).unwrap_or(0);
        let mut numbered: Vec<(i32, &str, f64, &str)> =
            (1..=count).map(|n| (n, "driving", r.lane_width, if n < count { "broken" } else { "solid" })).collect();
        let mut next = count + 1;
        if r.parking > 0.1 {
            numbered.push((next, "parking", r.parking, "none"));
            next += 1;
        }
        numbered.push((next, "sidewalk", r.walk.max(WALK), "none"));
        if sign > 0 {
            numbered.reverse();
        }
        for (n, kind, width, mark) in numbered {
            lane(out, sign * n, kind, width, mark, "");
        }
    };
    if !r.backward.is_empty() {
        out.push_str("<left>");
        side(out, &r.backward, 1);
        out.push_str("</left>");
    }
    let middle = if r.backward.is_empty() || r.forward.is_empty() { "none" } else { "solid" };
    let _ = write!(
        out,
        "<center><lane id=\"0\" type=\"none\" level=\"false\"><link/><roadMark sOffset=\"0\" type=\"{middle}\" weight=\"standard\" \
         color=\"standard\" width=\"0.15\" laneChange=\"none\"/></lane></center>"
    );
    if !r.forward.is_empty() {
        out.push_str("<right>");
        side(out, &r.forward, -1);
        out.push_str("</right>");
    }
    out.push_str("</laneSection></lanes><objects/>\n");
    signals(out, net, r);
    out.push_str("</road>\n");
}

/// Id of a light's signal.
pub fn signal_id(light: usize) -> String {
    format!("{}", 1000 + light)
}

fn signals(out: &mut String, net: &Network, r: &Road) {
    out.push_str("<signals>");
    for (lanes, orientation) in [(&r.forward, "+"), (&r.backward, "-")] {
        let Some(first) = lanes.first().and_then(|l| net.lane(*l)) else { continue };
        let length = r.centre.length();
        let along = if orientation == "+" { first.stop } else { length - first.stop };
        let along = along.clamp(0.0, length);
        let (id, kind, dynamic) = match first.rule {
            Rule::Light(light) => (signal_id(light), "1000001", "yes"),
            Rule::Stop => (format!("{}", 2000 + first.id), "206", "no"),
            Rule::Yield => (format!("{}", 2000 + first.id), "205", "no"),
            Rule::Free => continue,
        };
        let t = if orientation == "+" { -r.half - 0.5 } else { r.half + 0.5 };
        let count = i32::try_from(lanes.len()).unwrap_or(1);
        let (low, high) = if orientation == "+" { (-count, -1) } else { (1, count) };
        let _ = write!(
            out,
            "<signal name=\"Signal_{id}\" id=\"{id}\" s=\"{along:.6}\" t=\"{t:.6}\" zOffset=\"0\" hOffset=\"0\" roll=\"0\" pitch=\"0\" \
             orientation=\"{orientation}\" dynamic=\"{dynamic}\" country=\"OpenDRIVE\" type=\"{kind}\" subtype=\"-1\" value=\"-1\" text=\"\" \
             height=\"1\" width=\"1\"><validity fromLane=\"{low}\" toLane=\"{high}\"/></signal>"
        );
    }
    out.push_str("</signals>\n");
}

fn connection(out: &mut String, net: &Network, l: &Lane) {
    let edge = l.centre.offset(l.width / 2.0);
    let of = |id: Option<&usize>| id.and_then(|i| net.lane(*i));
    let (before, behind) = (of(l.previous.first()), of(l.next.first()));
    // A lane with the reference line ends at its end; one against it ends at its start.
    let place = |lane: &Lane, ends: bool| if (lane.number < 0) == ends { "end" } else { "start" };
    let mut links = String::new();
    if let Some(b) = before {
        let _ = write!(links, "<predecessor elementType=\"road\" elementId=\"{}\" contactPoint=\"{}\"/>", b.road, place(b, true));
    }
    if let Some(b) = behind {
        let _ = write!(links, "<successor elementType=\"road\" elementId=\"{}\" contactPoint=\"{}\"/>", b.road, place(b, false));
    }
    head(out, connection_id(net, l), edge.length(), l.junction.map(|j| junction_id(net, j)), &links, l.limit);
    plan(out, &edge);
    out.push_str("<lanes><laneSection s=\"0\"><center><lane id=\"0\" type=\"none\" level=\"false\"><link/></lane></center><right>");
    let mut own = String::new();
    if let Some(b) = before {
        let _ = write!(own, "<predecessor id=\"{}\"/>", b.number);
    }
    if let Some(b) = behind {
        let _ = write!(own, "<successor id=\"{}\"/>", b.number);
    }
    lane(out, -1, "driving", l.width, "none", &own);
    out.push_str("</right></laneSection></lanes><objects/><signals/>\n</road>\n");
}
