//! The lanes of a map that is known by its OpenDRIVE text alone, as a real server's is: is a vehicle in one, the right way round?
//!
//! *In*: OpenDRIVE 1.4 (lines, arcs, spirals, polynomials; lane offsets, sections, widths). *Out*: [`Lanes::inside`]. *Units and frames*: OpenDRIVE's
//! and the world's (x east, y north, metres, radians counter-clockwise). *Invariant*: answers what the official client's lane-invasion sensor, which
//! no server sends, would notice; elements that are not understood are left out and never stop a drive.

use crate::types::{Error, Result, num};
use crate::world::scene::wrap;
use roxmltree::{Document, Node};
use std::collections::HashMap;

/// Metres between cross-sections, and side of the cells in which they are looked up.
const EVERY: f64 = 1.0;
const CELL: f64 = 8.0;
/// A vehicle's middle may be so far over an edge: the leaderboard looks at its middle, too.
pub(super) const OVER: f64 = 0.6;
/// Turned by more than this against a lane is the wrong way, radians.
pub(super) const TURNED: f64 = 1.9;
/// Half the width of a painted line, metres.
const LINE: f64 = 0.15;
/// Longest road that is believed, metres.
const LONGEST: f64 = 100_000.0;

/// A cross-section of a road.
#[derive(Debug)]
struct Section {
    at: [f64; 2],
    heading: f64,
    junction: bool,
    /// Drivable lanes: from, to (metres to the left), whether traffic goes along the reference line.
    strips: Vec<(f64, f64, bool)>,
}

/// All drivable lanes of a map.
#[derive(Debug, Default)]
pub struct Lanes {
    sections: Vec<Section>,
    cells: HashMap<[i64; 2], Vec<usize>>,
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|v| v.trim().parse::<f64>().ok()).filter(|v| v.is_finite()).unwrap_or(0.0)
}

/// `a + b d + c d^2 + d d^3` of the last element that begins at or before `s`.
fn polynomial<'a>(elements: impl Iterator<Item = Node<'a, 'a>>, key: &str, s: f64) -> f64 {
    let last = elements.filter(|n| number(*n, key) <= s + 1e-6).last();
    last.map_or(0.0, |n| {
        let d = s - number(n, key);
        number(n, "a") + d * (number(n, "b") + d * (number(n, "c") + d * number(n, "d")))
    })
}

fn named<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |n| n.has_tag_name(name))
}

fn child<'a>(node: Node<'a, 'a>, name: &'static str) -> Option<Node<'a, 'a>> {
    named(node, name).next()
}

/// A place on a piece of the reference line, `d` metres after its start, and the heading there.
fn along(piece: Node<'_, '_>, d: f64) -> ([f64; 2], f64) {
    let (x, y, heading, length) = (number(piece, "x"), number(piece, "y"), number(piece, "hdg"), number(piece, "length").max(1e-9));
    let (sin, cos) = heading.sin_cos();
    let placed = |u: f64, v: f64| [x + cos * u - sin * v, y + sin * u + cos * v];
    let Some(shape) = piece.children().find(Node::is_element) else { return (placed(d, 0.0), heading) };
    match shape.tag_name().name() {
        "arc" | "spiral" => {
            let arc = shape.has_tag_name("arc");
            let [from, to] = if arc { ["curvature"; 2] } else { ["curvStart", "curvEnd"] }.map(|k| number(shape, k));
            // Curvature grows evenly; the direction is its integral, the place (Simpson, steps of at most a metre) that of the direction.
            let turn = |t: f64| from * t + (to - from) * t * t / (2.0 * length);
            let steps = num::round_i64(d.ceil()).clamp(1, 10_000);
            let step = d / steps as f64;
            let (mut u, mut v) = (0.0, 0.0);
            for n in 0..steps {
                let t = n as f64 * step;
                for (at, weight) in [(t, 1.0), (t + step / 2.0, 4.0), (t + step, 1.0)] {
                    let (sin, cos) = turn(at).sin_cos();
                    u += cos * weight * step / 6.0;
                    v += sin * weight * step / 6.0;
                }
            }
            (placed(u, v), heading + turn(d))
        }
        "paramPoly3" => {
            let p = if shape.attribute("pRange") == Some("arcLength") { d } else { d / length };
            let of = |axis: &str| {
                let [a, b, c, e] = ["a", "b", "c", "d"].map(|k| number(shape, &format!("{k}{axis}")));
                (a + p * (b + p * (c + p * e)), b + p * (2.0 * c + 3.0 * p * e))
            };
            let ((u, du), (v, dv)) = (of("U"), of("V"));
            (placed(u, v), heading + dv.atan2(du))
        }
        "poly3" => {
            let [a, b, c, e] = ["a", "b", "c", "d"].map(|k| number(shape, k));
            (placed(d, a + d * (b + d * (c + d * e))), heading + (b + d * (2.0 * c + 3.0 * d * e)).atan())
        }
        _ => (placed(d, 0.0), heading),
    }
}

impl Lanes {
    /// Reads a map.
    ///
    /// # Errors
    /// Where the text is no XML, or has no road that one may drive on.
    pub fn read(opendrive: &str) -> Result<Self> {
        let document = Document::parse(opendrive).map_err(|e| Error::mismatch("OpenDRIVE", e.to_string(), "the server's map"))?;
        let mut lanes = Self::default();
        for road in document.descendants().filter(|n| n.has_tag_name("road")) {
            lanes.road(road);
        }
        if lanes.sections.is_empty() {
            return Err(Error::mismatch("roads", "none", "the server's map"));
        }
        for (n, section) in lanes.sections.iter().enumerate() {
            lanes.cells.entry(cell(section.at)).or_default().push(n);
        }
        Ok(lanes)
    }
    fn road(&mut self, road: Node<'_, '_>) {
        let (Some(plan), Some(lanes)) = (child(road, "planView"), child(road, "lanes")) else { return };
        let length = number(road, "length").clamp(0.0, LONGEST);
        let junction = road.attribute("junction").is_some_and(|j| j != "-1");
        let left_hand = road.attribute("rule") == Some("LHT");
        let mut s = 0.0;
        while s <= length {
            let piece = named(plan, "geometry").filter(|g| number(*g, "s") <= s + 1e-6).last();
            let section = named(lanes, "laneSection").filter(|g| number(*g, "s") <= s + 1e-6).last();
            if let (Some(piece), Some(section)) = (piece, section) {
                let (at, heading) = along(piece, s - number(piece, "s"));
                let middle = polynomial(named(lanes, "laneOffset"), "s", s);
                let from = s - number(section, "s");
                let mut strips = Vec::new();
                for (side, sign) in [("left", 1.0), ("right", -1.0)] {
                    let Some(side) = child(section, side) else { continue };
                    let mut list: Vec<_> = named(side, "lane").collect();
                    list.sort_by(|a, b| number(*a, "id").abs().total_cmp(&number(*b, "id").abs()));
                    let mut edge = middle;
                    for lane in list {
                        let next = edge + sign * polynomial(named(lane, "width"), "sOffset", from).max(0.0);
                        if matches!(lane.attribute("type"), Some("driving" | "bidirectional" | "entry" | "exit" | "onRamp" | "offRamp")) {
                            strips.push((edge.min(next), edge.max(next), (sign < 0.0) != left_hand));
                        }
                        edge = next;
                    }
                }
                if !strips.is_empty() {
                    self.sections.push(Section { at, heading, junction, strips });
                }
            }
            s += EVERY;
        }
    }
    /// What may be driven on within `reach` metres of a place, and the lines beside it, piece by piece: whether it is a line, and its corners.
    pub(super) fn pieces(&self, place: [f64; 2], reach: f64) -> impl Iterator<Item = (bool, [[f64; 2]; 4])> {
        let near = move |s: &&Section| (s.at[0] - place[0]).hypot(s.at[1] - place[1]) < reach;
        self.sections.iter().filter(near).flat_map(|s| {
            let (sin, cos) = s.heading.sin_cos();
            // Cross-sections of a bend overlap a little, so that nothing gapes between them.
            let half = 0.6 * EVERY;
            let corner = move |ahead: f64, left: f64| [s.at[0] + cos * ahead - sin * left, s.at[1] + sin * ahead + cos * left];
            let ring = move |low: f64, high: f64| [corner(-half, low), corner(half, low), corner(half, high), corner(-half, high)];
            let roads = s.strips.iter().map(move |(low, high, _)| (false, ring(*low, *high)));
            // A junction's connections cross each other: no lines are painted there.
            let edges = s.strips.iter().filter(move |_| !s.junction).flat_map(|(low, high, _)| [*low, *high]);
            roads.chain(edges.map(move |e| (true, ring(e - LINE, e + LINE))))
        })
    }
    /// Whether a vehicle whose middle is here is in a lane, and not against its traffic; in a junction direction is free.
    pub fn inside(&self, place: [f64; 2], heading: f64) -> bool {
        let [i, j] = cell(place);
        // A road is at most two cells wide to either side.
        let near = (-2..=2).flat_map(|a| (-2..=2).map(move |b| [i.saturating_add(a), j.saturating_add(b)]));
        near.filter_map(|c| self.cells.get(&c)).flatten().filter_map(|n| self.sections.get(*n)).any(|section| {
            let (sin, cos) = section.heading.sin_cos();
            let (dx, dy) = (place[0] - section.at[0], place[1] - section.at[1]);
            let (ahead, left) = (cos * dx + sin * dy, cos * dy - sin * dx);
            let within = |(low, high, forward): &(f64, f64, bool)| {
                let turned = wrap(section.heading + if *forward { 0.0 } else { std::f64::consts::PI } - heading).abs();
                (low - OVER..high + OVER).contains(&left) && (section.junction || turned < TURNED)
            };
            ahead.abs() <= 0.75 * EVERY && section.strips.iter().any(within)
        })
    }
}

/// Latitude and longitude of a map's origin, from its OpenDRIVE; where it has none, the leaderboard's 42 and 2.
pub(super) fn georeference(opendrive: &str) -> [f64; 2] {
    let get = |key: &str| {
        let (_, rest) = opendrive.split_once(key)?;
        rest.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).next()?.parse::<f64>().ok().filter(|v| v.is_finite())
    };
    [get("+lat_0=").unwrap_or(42.0), get("+lon_0=").unwrap_or(2.0)]
}

fn cell([x, y]: [f64; 2]) -> [i64; 2] {
    [x, y].map(|v| num::round_i64((v / CELL).floor()))
}

#[cfg(test)]
mod tests {
    use super::super::server::opendrive;
    use super::*;
    use crate::world::scene::{Town, TownSpec};

    #[test]
    fn a_map_read_back_knows_its_own_lanes() {
        let town = Town::new(&TownSpec::named("town-02").unwrap()).unwrap();
        let lanes = Lanes::read(&opendrive("town-02", &town.network)).unwrap();
        let mut seen = 0;
        for lane in town.network.lanes.iter().filter(|l| l.junction.is_none()) {
            let mut s = 3.0;
            while s < lane.centre.length() - 3.0 {
                let at = lane.centre.at(s);
                assert!(lanes.inside(at.point(), at.heading), "lane {} at {s}", lane.id);
                let against = lanes.inside(at.point(), at.heading + std::f64::consts::PI);
                assert!(!against, "lane {} at {s}: the wrong way", lane.id);
                assert!(!lanes.inside(at.beside(60.0), at.heading) || town.network.locate(at.beside(60.0), None).is_some());
                seen += 1;
                s += 7.0;
            }
        }
        assert!(seen > 200, "{seen}");
    }

    #[test]
    fn connections_begin_and_end_where_the_roads_that_they_name_do() {
        let town = Town::new(&TownSpec::named("town-02").unwrap()).unwrap();
        let text = opendrive("town-02", &town.network);
        let document = Document::parse(&text).unwrap();
        let roads: HashMap<_, _> =
            document.descendants().filter(|n| n.has_tag_name("road")).map(|r| (r.attribute("id").unwrap(), r)).collect();
        // A road's first or last point.
        let end = |road: Node<'_, '_>, start: bool| {
            let pieces: Vec<_> = named(child(road, "planView").unwrap(), "geometry").collect();
            if start { along(pieces[0], 0.0).0 } else { along(pieces[pieces.len() - 1], number(pieces[pieces.len() - 1], "length")).0 }
        };
        let mut seen = 0;
        for road in roads.values().filter(|r| r.attribute("junction") != Some("-1")) {
            for (name, start) in [("predecessor", true), ("successor", false)] {
                let Some(link) = child(child(*road, "link").unwrap(), name) else { continue };
                let other = roads[link.attribute("elementId").unwrap()];
                let [[a, b], [x, y]] = [end(*road, start), end(other, link.attribute("contactPoint") == Some("start"))];
                // Beside each other on the width of a street.
                assert!((x - a).hypot(y - b) < 12.0, "{} of road {}: {:.1} m", name, road.attribute("id").unwrap(), (x - a).hypot(y - b));
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn a_maps_origin_is_its_own_or_the_leaderboards() {
        assert_eq!(georeference("+proj=tmerc +lat_0=4.9e+1 +lon_0=-8 +k=1"), [49.0, -8.0]);
        assert_eq!(georeference("<OpenDRIVE/>"), [42.0, 2.0]);
    }

    #[test]
    fn curves_end_where_they_should() {
        let piece = |text: &str, d: f64| {
            let text = format!("<geometry s='0' x='1' y='2' hdg='0' length='10'>{text}</geometry>");
            along(Document::parse(&text).unwrap().root_element(), d)
        };
        let ([x, y], heading) = piece("<arc curvature='0.1'/>", 10.0);
        assert!(
            (x - 1.0 - 10.0 * 1_f64.sin()).abs() < 1e-6
                && (y - 2.0 - 10.0 * (1.0 - 1_f64.cos())).abs() < 1e-6
                && (heading - 1.0).abs() < 1e-9
        );
        // Euler's spiral from straight: the Fresnel integrals at a turn of half a radian.
        let ([x, y], heading) = piece("<spiral curvStart='0' curvEnd='0.1'/>", 10.0);
        assert!((heading - 0.5).abs() < 1e-9 && (x - 1.0 - 9.752_877).abs() < 1e-4 && (y - 2.0 - 1.637_14).abs() < 1e-3, "{x} {y}");
        let ([x, y], heading) = piece("<paramPoly3 aU='0' bU='10' cU='0' dU='0' aV='0' bV='0' cV='2' dV='0' pRange='normalized'/>", 5.0);
        assert!((x - 6.0).abs() < 1e-9 && (y - 2.5).abs() < 1e-9 && (heading - 0.2_f64.atan()).abs() < 1e-9);
        assert!(Lanes::read("<OpenDRIVE/>").is_err() && Lanes::read("<a").is_err());
    }
}
