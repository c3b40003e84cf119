//! Routes: the leaderboard's XML, and generated sets for the embedded towns.
//!
//! *Units and frames*: in files CARLA's axes (y south, degrees); in memory the world's (x east, y north, metres, radians).

use crate::carla::WeatherParameters;
use crate::types::{Error, Result, nearest};
use crate::world::scene::{LaneId, Network, Rng, Town, TownSpec};
use std::fmt::Write;

/// A route as a file has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// Town.
    pub town: String,
    /// Way points, world x, y.
    pub way: Vec<[f64; 2]>,
    /// Weather, where the route sets one.
    pub weather: Option<WeatherParameters>,
}

/// Reads a file of routes.
///
/// # Errors
/// Where the text is not XML or a route lacks town or way points, with its id.
pub fn parse(text: &str) -> Result<Vec<Route>> {
    let place = "routes file";
    let document = roxmltree::Document::parse(text).map_err(|e| Error::mismatch("XML", e.to_string(), place))?;
    let mut routes = Vec::new();
    for node in document.descendants().filter(|n| n.has_tag_name("route")) {
        let id = node.attribute("id").unwrap_or("?").to_owned();
        let town = node.attribute("town").ok_or_else(|| Error::mismatch("an attribute `town`", "none", format!("route {id}")))?;
        let mut way = Vec::new();
        // 1.0 has `waypoint`, 2.x `position` inside `waypoints`; scenarios hold positions of other things.
        for w in node.descendants().filter(|n| n.has_tag_name("waypoint") || n.has_tag_name("position")) {
            if w.ancestors().any(|a| a.has_tag_name("scenarios") || a.has_tag_name("scenario")) {
                continue;
            }
            let number = |name: &str| w.attribute(name).and_then(|v| v.trim().parse::<f64>().ok()).filter(|v| v.is_finite());
            let (Some(x), Some(y)) = (number("x"), number("y")) else {
                return Err(Error::mismatch(
                    "way points with x and y",
                    format!("{:?}", w.attributes().collect::<Vec<_>>()),
                    format!("route {id}"),
                ));
            };
            way.push([x, -y]);
        }
        if way.len() < 2 {
            return Err(Error::mismatch("two way points or more", way.len().to_string(), format!("route {id}")));
        }
        let weather = node.descendants().find(|n| n.has_tag_name("weather")).map(|w| weather(&w));
        routes.push(Route { id, town: town.to_owned(), way, weather });
    }
    if routes.is_empty() {
        return Err(Error::mismatch("at least one <route>", "none", place));
    }
    Ok(routes)
}

fn weather(node: &roxmltree::Node<'_, '_>) -> WeatherParameters {
    let get = |name: &str, default: f32| node.attribute(name).and_then(|v| v.trim().parse::<f32>().ok()).unwrap_or(default);
    WeatherParameters {
        cloudiness: get("cloudiness", 5.0),
        precipitation: get("precipitation", 0.0),
        precipitation_deposits: get("precipitation_deposits", 0.0),
        wind_intensity: get("wind_intensity", 10.0),
        sun_azimuth_angle: get("sun_azimuth_angle", -1.0),
        sun_altitude_angle: get("sun_altitude_angle", 45.0),
        fog_density: get("fog_density", 2.0),
        fog_distance: get("fog_distance", 0.75),
        fog_falloff: get("fog_falloff", 0.1),
        wetness: get("wetness", 0.0),
        scattering_intensity: get("scattering_intensity", 1.0),
        mie_scattering_scale: get("mie_scattering_scale", 0.03),
        rayleigh_scattering_scale: get("rayleigh_scattering_scale", 0.0331),
        dust_storm: get("dust_storm", 0.0),
    }
}

/// Writes a file of routes as leaderboard 2.x has it.
pub fn write(routes: &[Route]) -> String {
    let mut out = String::from("<routes>\n");
    for r in routes {
        let _ = writeln!(out, "  <route id=\"{}\" town=\"{}\">", r.id, r.town);
        if let Some(w) = &r.weather {
            let _ = writeln!(
                out,
                "    <weathers><weather route_percentage=\"0\" cloudiness=\"{}\" precipitation=\"{}\" precipitation_deposits=\"{}\" wetness=\"{}\" \
                 sun_altitude_angle=\"{}\" fog_density=\"{}\"/></weathers>",
                w.cloudiness, w.precipitation, w.precipitation_deposits, w.wetness, w.sun_altitude_angle, w.fog_density
            );
        }
        out.push_str("    <waypoints>\n");
        for [x, y] in &r.way {
            let _ = writeln!(out, "      <position x=\"{x:.3}\" y=\"{:.3}\" z=\"0.0\"/>", -y);
        }
        out.push_str("    </waypoints>\n  </route>\n");
    }
    out.push_str("</routes>\n");
    out
}

/// Names of the generated sets.
pub const SETS: [&str; 3] = ["town-short", "town-long", "night-rain"];

/// A generated set: `town-short` (15 routes of 100 to 150 m), `town-long` (10 of 800 to 1200 m), `night-rain` (10 of 150 to 250 m).
///
/// # Errors
/// Where there is no such set, or a town cannot be built.
pub fn generated(set: &str) -> Result<Vec<Route>> {
    let (count, [low, high], towns) = match set {
        "town-short" => (15, [100.0, 150.0], ["town-01", "town-02", "town-03"]),
        "town-long" => (10, [800.0, 1200.0], ["town-03", "town-04", "town-05"]),
        "night-rain" => (10, [150.0, 250.0], ["town-01", "town-02", "town-03"]),
        other => {
            let near = nearest(other, SETS).map_or_else(String::new, |n| format!(", did you mean `{n}`?"));
            return Err(Error::mismatch(SETS.join(", "), format!("`{other}`{near}"), "set of routes"));
        }
    };
    let night = WeatherParameters {
        cloudiness: 80.0,
        precipitation: 60.0,
        precipitation_deposits: 60.0,
        wetness: 80.0,
        sun_altitude_angle: -20.0,
        fog_density: 10.0,
        ..WeatherParameters::default()
    };
    let mut routes: Vec<Route> = Vec::new();
    for (n, name) in towns.iter().enumerate() {
        let town = Town::new(&TownSpec::named(name)?)?;
        let share = (count + 2 - n) / 3;
        let mut rng = Rng::new(set.bytes().map(u64::from).sum()).fork(n as u64);
        let mut tries = 0;
        let mut mine = 0;
        while mine < share && tries < 2000 {
            tries += 1;
            if let Some(way) = chance_way(&town.network, rng.range(low, high), [low, high], &mut rng) {
                let weather = (set == "night-rain").then(|| night.clone());
                routes.push(Route { id: routes.len().to_string(), town: (*name).to_owned(), way, weather });
                mine += 1;
            }
        }
    }
    Ok(routes)
}

/// Way points of a way of about so many metres: its start, one on each lane, its end.
fn chance_way(net: &Network, metres: f64, [low, high]: [f64; 2], rng: &mut Rng) -> Option<Vec<[f64; 2]>> {
    let starts: Vec<LaneId> = net.lanes.iter().filter(|l| l.junction.is_none() && l.centre.length() > 30.0).map(|l| l.id).collect();
    let mut lane = net.lane(*rng.pick(&starts)?)?;
    let from = rng.range(8.0, (lane.stop - 12.0).max(9.0));
    let mut way = vec![lane.centre.at(from).point()];
    let mut left = metres - (lane.centre.length() - from);
    let mut gone = lane.centre.length() - from;
    let mut crossed = 0;
    while left > 0.0 {
        lane = net.lane(*rng.pick(&lane.next)?)?;
        let length = lane.centre.length();
        crossed += usize::from(lane.junction.is_some());
        if length >= left && lane.junction.is_none() {
            let end = left.clamp(6.0, length - 1.0);
            way.push(lane.centre.at(end).point());
            gone += end;
            left = 0.0;
        } else {
            way.push(lane.centre.at(length / 2.0).point());
            left -= length;
            gone += length;
            if left <= 0.0 && lane.junction.is_some() {
                // A route does not end inside a junction.
                left = 8.0;
            }
        }
    }
    (crossed > 0 && (low..=high).contains(&gone)).then_some(way)
}

#[cfg(test)]
mod tests {
    use super::super::way::{STEP, on_lanes};
    use super::*;

    #[test]
    fn generated_sets_go_through_a_file_and_lie_on_lanes() {
        let routes = generated("town-short").unwrap();
        assert_eq!(routes.len(), 15);
        let again = parse(&write(&routes)).unwrap();
        assert_eq!(again.len(), routes.len());
        for r in &again {
            let town = Town::new(&TownSpec::named(&r.town).unwrap()).unwrap();
            let dense = on_lanes(r, &town.network).unwrap();
            assert!((90.0..170.0).contains(&dense.length()), "{}: {} m", r.id, dense.length());
            for pair in dense.points.windows(2) {
                let gap = (pair[0].at.x - pair[1].at.x).hypot(pair[0].at.y - pair[1].at.y);
                assert!(gap < STEP + 0.2, "{}: a jump of {gap} m", r.id);
            }
        }
        assert!(generated("town-shot").unwrap_err().to_string().contains("did you mean `town-short`"));
        assert!(generated("night-rain").unwrap().iter().all(|r| r.weather.as_ref().unwrap().sun_altitude_angle < 0.0));
    }

    #[test]
    fn both_formats_of_the_leaderboard_are_read() {
        let first = "<routes><route id='3' town='Town05'><waypoint pitch='360.0' roll='0.0' x='1.5' y='-2' yaw='90' z='0'/><waypoint x='4' y='5' z='0'/></route></routes>";
        let routes = parse(first).unwrap();
        assert_eq!((routes[0].id.as_str(), routes[0].way[0]), ("3", [1.5, 2.0]));
        let second = "<routes><route id='1' town='Town12'><weathers><weather route_percentage='0' precipitation='30'/></weathers><waypoints><position x='1' y='2' z='3'/><position x='2' y='2' z='3'/></waypoints><scenarios><scenario><trigger_point x='9' y='9'/><position x='9' y='9'/></scenario></scenarios></route></routes>";
        let routes = parse(second).unwrap();
        assert_eq!(routes[0].way.len(), 2);
        assert!((routes[0].weather.as_ref().unwrap().precipitation - 30.0).abs() < 1e-6);
        for bad in
            ["", "<routes/>", "<routes><route id='1'/></routes>", "<routes><route id='1' town='x'><waypoint x='a' y='1'/></route></routes>"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
