//! The sensors' blueprints with the attributes and defaults that clients expect.
//!
//! *Out*: definitions without uids. *Invariant*: every default is a text that its type can be read from.

use super::super::structs::{ActorAttribute, ActorAttributeValue, ActorDefinition, ActorDescription, AttributeKind};

type Row = (&'static str, AttributeKind, &'static str);
use AttributeKind::{Bool, Float, Int, String as Text};

const ANY: &[Row] = &[("role_name", Text, "front"), ("sensor_tick", Float, "0.0")];
const PICTURE: &[Row] = &[
    ("image_size_x", Int, "800"),
    ("image_size_y", Int, "600"),
    ("fov", Float, "90.0"),
    ("lens_circle_falloff", Float, "5.0"),
    ("lens_circle_multiplier", Float, "0.0"),
    ("lens_k", Float, "-1.0"),
    ("lens_kcube", Float, "0.0"),
    ("lens_x_size", Float, "0.08"),
    ("lens_y_size", Float, "0.08"),
];
const COLOUR: &[Row] = &[
    ("enable_postprocess_effects", Bool, "true"),
    ("gamma", Float, "2.2"),
    ("exposure_mode", Text, "histogram"),
    ("exposure_compensation", Float, "0.0"),
    ("shutter_speed", Float, "200.0"),
    ("iso", Float, "100.0"),
    ("fstop", Float, "1.4"),
    ("motion_blur_intensity", Float, "0.0"),
    ("bloom_intensity", Float, "0.0"),
];
const BEAMS: &[Row] = &[
    ("channels", Int, "32"),
    ("range", Float, "10.0"),
    ("points_per_second", Int, "56000"),
    ("rotation_frequency", Float, "10.0"),
    ("upper_fov", Float, "10.0"),
    ("lower_fov", Float, "-30.0"),
    ("horizontal_fov", Float, "360.0"),
];
const RETURNS: &[Row] = &[
    ("atmosphere_attenuation_rate", Float, "0.004"),
    ("dropoff_general_rate", Float, "0.45"),
    ("dropoff_intensity_limit", Float, "0.8"),
    ("dropoff_zero_intensity", Float, "0.4"),
    ("noise_stddev", Float, "0.0"),
    ("noise_seed", Int, "0"),
];
const RADAR: &[Row] =
    &[("horizontal_fov", Float, "30.0"), ("vertical_fov", Float, "30.0"), ("range", Float, "100.0"), ("points_per_second", Int, "1500")];
const IMU: &[Row] = &[
    ("noise_accel_stddev_x", Float, "0.0"),
    ("noise_accel_stddev_y", Float, "0.0"),
    ("noise_accel_stddev_z", Float, "0.0"),
    ("noise_gyro_stddev_x", Float, "0.0"),
    ("noise_gyro_stddev_y", Float, "0.0"),
    ("noise_gyro_stddev_z", Float, "0.0"),
    ("noise_gyro_bias_x", Float, "0.0"),
    ("noise_gyro_bias_y", Float, "0.0"),
    ("noise_gyro_bias_z", Float, "0.0"),
    ("noise_seed", Int, "0"),
];
const GNSS: &[Row] = &[
    ("noise_lat_stddev", Float, "0.0"),
    ("noise_lon_stddev", Float, "0.0"),
    ("noise_alt_stddev", Float, "0.0"),
    ("noise_lat_bias", Float, "0.0"),
    ("noise_lon_bias", Float, "0.0"),
    ("noise_alt_bias", Float, "0.0"),
    ("noise_seed", Int, "0"),
];
const OBSTACLE: &[Row] =
    &[("distance", Float, "5.0"), ("hit_radius", Float, "0.5"), ("only_dynamics", Bool, "false"), ("debug_linetrace", Bool, "false")];

const SENSORS: &[(&str, &[&[Row]])] = &[
    ("sensor.camera.rgb", &[PICTURE, COLOUR]),
    ("sensor.camera.depth", &[PICTURE]),
    ("sensor.camera.semantic_segmentation", &[PICTURE]),
    ("sensor.camera.instance_segmentation", &[PICTURE]),
    ("sensor.lidar.ray_cast", &[BEAMS, RETURNS]),
    ("sensor.lidar.ray_cast_semantic", &[BEAMS]),
    ("sensor.other.radar", &[RADAR]),
    ("sensor.other.imu", &[IMU]),
    ("sensor.other.gnss", &[GNSS]),
    ("sensor.other.collision", &[]),
    ("sensor.other.lane_invasion", &[]),
    ("sensor.other.obstacle", &[OBSTACLE]),
];

/// An attribute that may be changed.
pub fn attribute(id: &str, kind: AttributeKind, value: &str) -> ActorAttribute {
    ActorAttribute {
        id: id.to_owned(),
        kind,
        value: value.to_owned(),
        recommended: Vec::new(),
        is_modifiable: true,
        restrict_to_recommended: false,
    }
}

/// The tags of a blueprint: the parts of its name.
pub fn tags(id: &str) -> String {
    id.replace('.', ",")
}

/// All sensors.
pub(crate) fn sensors() -> Vec<ActorDefinition> {
    let one = |(id, parts): &(&str, &[&[Row]])| {
        let rows = std::iter::once(ANY).chain(parts.iter().copied()).flatten();
        let attributes = rows.map(|(name, kind, value)| attribute(name, *kind, value)).collect();
        ActorDefinition { uid: 0, id: (*id).to_owned(), tags: tags(id), attributes }
    };
    SENSORS.iter().map(one).collect()
}

/// What is spawned when a client leaves attributes out: the blueprint's defaults behind the client's choices.
pub(crate) fn completed(mut asked: ActorDescription, blueprint: &ActorDefinition) -> ActorDescription {
    for a in &blueprint.attributes {
        if !asked.attributes.iter().any(|have| have.id == a.id) {
            asked.attributes.push(ActorAttributeValue { id: a.id.clone(), kind: a.kind, value: a.value.clone() });
        }
    }
    asked
}
