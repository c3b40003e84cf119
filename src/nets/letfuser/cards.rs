//! The cards of LeTFuser's presets. *Invariant*: a test builds each preset and counts its parameters.

use crate::nets::Card;

type Rows = &'static [(&'static str, &'static str, &'static str)];

const BASE_INPUTS: Rows = &[
    ("rgb", "B x 3 x H x 768", "left 224, front 320, right 224 columns; RGB in 0..255; H a multiple of 16 (160)"),
    ("depth", "B x 1 x H x 768", "CARLA's normalised depth: 1 is 1000 m; without the channel axis too"),
    ("target_point", "B x 2", "next route point in the vehicle frame: right, backward, metres"),
    ("velocity", "B", "forward speed, m/s"),
    ("command", "B (whole numbers)", "1 left, 2 right, 3 straight, 4 follow lane, 5 change left, 6 change right"),
    ("class_scores", "B x K x H x 768", "optional: stands in for `seg` in sdc_unit_bits and unit_sdc.*"),
];
const TINY_INPUTS: Rows = &[
    ("rgb", "B x 3 x H x 384", "left 112, front 160, right 112 columns; RGB in 0..255; H a multiple of 16 (80)"),
    ("depth", "B x 1 x H x 384", "CARLA's normalised depth: 1 is 1000 m; without the channel axis too"),
    ("target_point", "B x 2", "next route point in the vehicle frame: right, backward, metres"),
    ("velocity", "B", "forward speed, m/s"),
    ("command", "B (whole numbers)", "1 left, 2 right, 3 straight, 4 follow lane, 5 change left, 6 change right"),
    ("class_scores", "B x K x H x 384", "optional: stands in for `seg` in sdc_unit_bits and unit_sdc.*"),
];
const OUTPUTS: Rows = &[
    ("seg", "B x K x H x W", "score of each class, each in 0..1"),
    ("sdc_bits", "B x H x W", "map seen from above: sum of 2^class over the classes in a cell"),
    ("waypoints", "B x 3 x 2", "right, backward, metres, at 0.5, 1.0 and 1.5 s"),
    ("steer, throttle, brake", "B", "not clipped"),
    ("red_light, stop_sign", "B", "probabilities; stop_sign is always 0 in `base`"),
    ("speed", "B x 1", "m/s"),
];
macro_rules! rows {
    ($($key:literal, $base:literal, $tiny:literal, $meaning:literal;)*) => {
        const BASE_KEYS: Rows = &[$(($key, $base, $meaning)),*];
        const TINY_KEYS: Rows = &[$(($key, $tiny, $meaning)),*];
    };
}
rows![
    "classes", "23", "23", "classes, 2 to 24; those of a weight file win";
    "colour_range", "bytes", "unit", "`bytes`: 0..255 meet ImageNet's mean as published; `unit`: divided by 255";
    "attention_scale", "all_channels", "head_channels", "what divides the scores; published: `all_channels`";
    "control_between", "nothing", "relu", "between the control heads' two layers; published: `nothing`";
    "stop_sign", "constant", "head", "published: `constant` 0; `head` has weights `stop_predictor.2`";
    "columns", "[224, 320, 224]", "[112, 160, 112]", "columns of left, front, right";
    "focal", "160", "138.56", "focal length of the map, pixels (the cameras' own is 277.1 at full size)";
    "axes", "[112, 160, 112]", "[32, 80, 80]", "optical axes' columns in each part";
    "ahead_m", "[30, 40, 30]", "[39.5, 39.5, 39.5]", "range ahead of each sector's map";
    "across_m", "[75, 80, 75]", "[55.5, 79.5, 55.5]", "its width";
    "yaws", "[65, -65]", "[60, -60]", "turn of the left and right sector, degrees";
    "left_resampling", "twice", "once", "published: the left sector is turned `twice`";
    "encoder_channels", "[64, 192, 384]", "[32, 96, 192]", "CvT's stages";
    "encoder_layers", "[1, 2, 10]", "[1, 2, 3]", "their layers";
    "encoder_heads", "[1, 3, 6]", "[1, 3, 6]", "their heads";
    "shallow_channels", "24", "16", "map that goes past the encoder";
    "decoder_channels", "[384, 192, 64, 32, 32]", "[96, 64, 32, 16, 16]", "decoder's blocks";
    "bird_channels", "[32, 16, 24, 40, 80, 112]", "[16, 8, 16, 24, 40, 56]", "bird's-eye encoder's stem and stages";
    "bird_blocks", "[2, 3, 3, 4, 4]", "[1, 2, 2, 2, 2]", "blocks of its stages";
    "neck_channels", "[384, 136]", "[128, 80]", "neck's two layers";
    "measurement_channels", "[112, 96]", "[64, 48]", "layers that read route, speed, command";
    "control_channels", "384", "96", "inside the control heads";
    "speed_channels", "96", "48", "inside the speed head";
];
const PAPER: &str = "Agand, Mahdavian, Savva, Chen, LeTFuser: Light-weight End-to-end Transformer-Based Sensor Fusion for Autonomous Driving with Multi-Task Learning, CVPR workshop 2023, arXiv 2310.13135";

/// The published configuration.
pub const CARD_BASE: Card = Card {
    name: "letfuser",
    preset: "base",
    summary: "RGB-D of three cameras to segmentation, bird's-eye map, way points and control (CvT-13)",
    parameters: 26_024_573,
    gigamacs: &[(160, 768, 21.51)],
    inputs: BASE_INPUTS,
    outputs: OUTPUTS,
    keys: BASE_KEYS,
    licence: "this implementation: that of the project; the authors published code, but no checkpoint of this network",
    paper: PAPER,
    training: "no weights are shipped; anybody's checkpoint of the released code loads (its unused EfficientNet stages are passed over)",
};

/// Ours, for live use.
pub const CARD_TINY: Card = Card {
    name: "letfuser",
    preset: "tiny",
    summary: "the same at half size and narrow, with a stop-sign head and true camera geometry, for live use on a CPU",
    parameters: 2_630_446,
    gigamacs: &[(80, 384, 0.78)],
    inputs: TINY_INPUTS,
    outputs: OUTPUTS,
    keys: TINY_KEYS,
    licence: "that of the project",
    paper: PAPER,
    training: "untrained: no weights are shipped yet; `--seed` gives reproducible ones for timing",
};
