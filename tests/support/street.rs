//! A street made by hand: a road along x with a painted line, a house, a moving car, a standing pedestrian. Ground truth is plain to see.

use nalgebra::{Isometry3, Matrix3, Translation3, UnitQuaternion, Vector3};
use sensorium::types::Intrinsics;
use sensorium::world::model::{Body, Instance, Lamp, Lights, Material, Mesh, Scene, Sky, Snapshot, Surface, Tag, Tile};
use sensorium::world::sensors::{Geometry, Shot};
use std::sync::Arc;

pub const CAR: u32 = 7;
pub const PEDESTRIAN: u32 = 8;

pub fn surface(material: Material, colour: [u8; 3], tag: Tag) -> Surface {
    Surface { material, colour, painted: false, tag, lamp: Lamp::Off, layer: 0 }
}

pub fn level(mesh: &mut Mesh, low: [f32; 2], high: [f32; 2], look: Surface) {
    let first = u32::try_from(mesh.vertices.len()).unwrap();
    mesh.vertices.extend([[low[0], low[1], 0.0], [high[0], low[1], 0.0], [high[0], high[1], 0.0], [low[0], high[1], 0.0]]);
    let index = u16::try_from(mesh.surfaces.len()).unwrap();
    mesh.surfaces.push(look);
    mesh.triangles.extend([([first, first + 1, first + 2], index), ([first, first + 2, first + 3], index)]);
}

pub fn cuboid(mesh: &mut Mesh, low: [f32; 3], high: [f32; 3], look: Surface) {
    let first = u32::try_from(mesh.vertices.len()).unwrap();
    let index = u16::try_from(mesh.surfaces.len()).unwrap();
    mesh.surfaces.push(look);
    for corner in 0..8 {
        let pick = |axis: usize| if corner >> axis & 1 == 1 { high[axis] } else { low[axis] };
        mesh.vertices.push([pick(0), pick(1), pick(2)]);
    }
    for [a, b, c, d] in [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]] {
        mesh.triangles.extend([([first + a, first + b, first + c], index), ([first + a, first + c, first + d], index)]);
    }
}

pub fn body(name: &str, class: Option<&'static str>, mesh: Mesh) -> Arc<Body> {
    let reach = |axis: usize| mesh.vertices.iter().map(|v| f64::from(v[axis].abs())).fold(0.0, f64::max);
    let size = [2.0 * reach(0), 2.0 * reach(1), reach(2)];
    Arc::new(Body { name: name.to_owned(), class, mesh, size })
}

pub fn at(id: u32, body: &Arc<Body>, x: f64, y: f64, yaw: f64) -> Instance {
    let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw);
    Instance {
        id,
        body: Arc::clone(body),
        pose: Isometry3::from_parts(Translation3::new(x, y, 0.0), turn),
        velocity: [0.0; 3],
        yaw_rate: 0.0,
        paint: [170, 30, 30],
        lights: Lights::default(),
        signal: None,
        warmth: 0.8,
        attribute: None,
    }
}

pub fn car() -> Arc<Body> {
    let mut mesh = Mesh::default();
    let skin = Surface { painted: true, ..surface(Material::Metal, [0; 3], Tag::Car) };
    cuboid(&mut mesh, [-2.2, -0.9, 0.3], [2.2, 0.9, 0.9], skin);
    cuboid(&mut mesh, [-1.4, -0.8, 0.9], [0.9, 0.8, 1.5], surface(Material::Glass, [40; 3], Tag::Car));
    for (x, y) in [(-1.4, -0.9), (1.4, -0.9), (-1.4, 0.6), (1.4, 0.6)] {
        cuboid(&mut mesh, [x - 0.32, y, 0.0], [x + 0.32, y + 0.3, 0.64], surface(Material::Rubber, [25; 3], Tag::Car));
    }
    body("car.test", Some("car"), mesh)
}

pub fn pedestrian() -> Arc<Body> {
    let mut mesh = Mesh::default();
    cuboid(&mut mesh, [-0.15, -0.25, 0.0], [0.15, 0.25, 1.5], surface(Material::Cloth, [60, 60, 70], Tag::Pedestrian));
    cuboid(&mut mesh, [-0.1, -0.1, 1.5], [0.1, 0.1, 1.75], surface(Material::Skin, [200, 160, 130], Tag::Pedestrian));
    body("pedestrian.test", Some("pedestrian"), mesh)
}

pub fn scene() -> Scene {
    let mut ground = Mesh::default();
    level(&mut ground, [-150.0, -150.0], [150.0, 150.0], surface(Material::Asphalt, [88; 3], Tag::Roads));
    level(&mut ground, [-150.0, 1.7], [150.0, 1.9], Surface { layer: 1, ..surface(Material::Paint, [230; 3], Tag::RoadLine) });
    let mut house = Mesh::default();
    cuboid(&mut house, [-5.0, -6.0, 0.0], [5.0, 6.0, 8.0], surface(Material::Facade, [200, 180, 150], Tag::Building));
    let house = body("house", None, house);
    Scene { tiles: vec![Tile { mesh: ground, bounds: [[-150.0; 2], [150.0; 2]] }], statics: vec![at(1, &house, 30.0, 16.0, 0.3)] }
}

pub fn snapshot(sky: Sky) -> Snapshot {
    let mut moving = at(CAR, &car(), 14.0, -2.5, 0.35);
    (moving.velocity, moving.yaw_rate) = ([11.0, 4.0, 0.0], 0.4);
    let movers = vec![moving, at(PEDESTRIAN, &pedestrian(), 17.0, 3.0, 0.0)];
    Snapshot { time: 0.0, step: 3, movers, signals: Vec::new(), ego: None, sky }
}

pub fn geometry() -> Arc<Geometry> {
    Arc::new(Geometry::new(&scene()))
}

/// Looks along +x from `x`, `y`, 1.6 m above the road.
pub fn shot(x: f64, y: f64, width: usize, height: usize) -> Shot {
    let turn = Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
    let pose = Isometry3::from_parts(Translation3::new(x, y, 1.6), UnitQuaternion::from_matrix(&turn));
    let f = width as f64 * 0.6;
    let intrinsics = Intrinsics::new(width, height, f, f, (width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0).unwrap();
    Shot { pose, intrinsics, fine: true, skip: None }
}
