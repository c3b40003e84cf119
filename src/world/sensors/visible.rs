//! How much of a thing can be seen from a place.
//!
//! *In*: a moment, an eye, an instance. *Out*: the share of its facets that face the eye (up to 48 of them, evenly picked) whose middles a ray reaches.
//! *Invariant*: 0 for what is hidden or gone, 1 for what stands free.

use super::fan::probe;
use super::geometry::Moment;
use crate::types::num;
use nalgebra::Vector3;

/// Most rays for one thing.
const RAYS: usize = 48;

/// Share of an instance that an eye sees past other things; `skip` hides nothing.
pub fn visibility(moment: &Moment, eye: &Vector3<f64>, id: u32, skip: Option<u32>) -> f32 {
    let statics = || moment.geometry.statics.iter().find(|p| p.id() == id);
    let Some(placed) = moment.mover(id).or_else(statics) else { return 0.0 };
    let local = placed.local(eye);
    let facing: Vec<_> = placed.shape.facets.iter().filter(|f| f.normal.dot(&(f.corners[0] - local)) < 0.0).collect();
    let step = facing.len().div_ceil(RAYS).max(1);
    let (mut seen, mut asked) = (0_u32, 0_u32);
    for facet in facing.iter().step_by(step) {
        let [a, b, c] = facet.corners;
        let world = (placed.turn * ((a + b + c) / 3.0)).cast::<f64>() + placed.at;
        let way = world - eye;
        // What hides itself (a wheel behind a door) counts as seen.
        let met = probe(moment, eye, &way, way.norm() + 0.5, skip);
        asked += 1;
        seen += u32::from(met.is_some_and(|(_, met)| met == id));
    }
    num::count_f32(seen) / num::count_f32(asked.max(1))
}
