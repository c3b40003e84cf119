//! A town as clients are told of it.
//!
//! *Out*: on the wire's axes. *Invariant*: every spawn point lies on a lane, heads along it, and is free of the town's fixed things.

use super::opendrive::{ORIGIN, opendrive, signal_id};
use super::{box_of, catalogue};
use crate::carla::server::{LightSite, Resident, Site};
use crate::carla::{Transform, axes};
use crate::types::num;
use crate::world::model::Instance;
use crate::world::scene::{Footprint, Rule, Station, Town, pose};

/// Metres between spawn points of a lane.
const BETWEEN: f64 = 16.0;
/// Vehicles are put so high and fall.
const DROP: f64 = 0.3;

fn place(at: &Station, left: f64, height: f64, turned: f64) -> Transform {
    axes::to_transform(&pose(at.beside(left), height, at.heading + turned))
}

/// Everything about a town but what moves in it.
pub(crate) fn site(name: &str, town: &Town) -> Site {
    let net = &town.network;
    let mut spawn_points = Vec::new();
    for lane in net.lanes.iter().filter(|l| l.junction.is_none()) {
        let mut s = 8.0;
        while s < lane.stop - 6.0 {
            let at = lane.centre.at(s);
            let f = Footprint { centre: at.point(), heading: at.heading, half: [2.6, 1.1] };
            if town.obstacles_near(f.centre, 8.0).all(|o| f.overlap(&o.footprint).is_none()) {
                spawn_points.push(place(&at, 0.0, DROP, 0.0));
            }
            s += BETWEEN;
        }
    }
    // Nearest to the origin's parallel first: the official client mirrors latitudes there (it takes +y for north), so places on
    // it are those that client and receiver agree on.
    spawn_points.sort_by(|a, b| a.location.y.abs().total_cmp(&b.location.y.abs()));
    let lights = net.lights.iter().map(|light| {
        let lane = light.lanes.first().and_then(|l| net.lane(*l));
        let at = lane.map(|l| l.centre.at(l.stop)).unwrap_or_default();
        let aside = -lane.map_or(2.0, |l| l.width * 0.5 + 1.0);
        let transform = place(&at, aside, 0.0, std::f64::consts::PI);
        let mut housing = box_of([0.3, 0.35, 1.0]);
        housing.location.z = 3.4;
        LightSite { transform, sign: signal_id(light.id), group: num::u32(light.junction), boxes: vec![housing] }
    });
    let signs = net.lanes.iter().filter_map(|l| {
        let kind = match l.rule {
            Rule::Stop => "traffic.stop",
            Rule::Yield => "traffic.yield",
            _ => return None,
        };
        (l.right.is_none() && l.junction.is_none())
            .then(|| (kind.to_owned(), place(&l.centre.at(l.stop), -l.width * 0.5 - 1.0, 0.0, std::f64::consts::PI)))
    });
    Site {
        name: name.to_owned(),
        opendrive: opendrive(name, net),
        spawn_points,
        origin: ORIGIN,
        lights: lights.collect(),
        signs: signs.collect(),
        residents: Vec::new(),
        first_free: 1,
        speed_limit: 50.0,
    }
}

/// A mover of the world.
pub(crate) fn resident(m: &Instance) -> Resident {
    let description = catalogue::described(&m.body, m.paint, m.id);
    Resident { id: m.id, description, bounding_box: box_of(m.body.size), tag: catalogue::tag(&m.body) }
}

#[cfg(test)]
mod tests {
    use super::super::flat;
    use super::*;
    use crate::world::scene::{TownSpec, wrap};

    #[test]
    fn spawn_points_lie_on_lanes_along_them_and_free() {
        for name in ["town-01", "town-02", "town-04"] {
            let town = Town::new(&TownSpec::named(name).unwrap()).unwrap();
            let site = site(name, &town);
            assert!(site.spawn_points.len() > 40, "{name}: {}", site.spawn_points.len());
            for at in &site.spawn_points {
                let (place, heading) = flat(at);
                let (lane, s, left) = town.network.locate(place, Some(heading)).unwrap();
                let lane = town.network.lane(lane).unwrap();
                assert!(left.abs() < 0.01 && wrap(lane.centre.at(s).heading - heading).abs() < 0.01, "{name}: {at:?}");
                assert!(lane.junction.is_none() && s < lane.stop);
                let body = Footprint { centre: place, heading, half: [2.4, 1.0] };
                assert!(town.obstacles_near(place, 8.0).all(|o| body.overlap(&o.footprint).is_none()), "{name}: {at:?}");
            }
            assert_eq!(site.lights.len(), town.network.lights.len());
            let stops = town.network.lanes.iter().filter(|l| l.rule == Rule::Stop && l.right.is_none() && l.junction.is_none()).count();
            assert_eq!(site.signs.iter().filter(|(kind, _)| kind == "traffic.stop").count(), stops);
        }
    }
}
