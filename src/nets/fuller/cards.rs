//! The cards of FULLER's presets. *Invariant*: a test builds each preset and counts its parameters.

use crate::nets::Card;

const INPUTS: &[(&str, &str, &str)] = &[
    ("img", "B x N x 3 x H x W", "N cameras, RGB normalised by ImageNet's mean and deviation; without it: no camera"),
    ("given.camera_intrinsics", "B x N x 4 x 4", "pixels of the full image from camera frame"),
    ("given.camera2lidar", "B x N x 4 x 4", "LiDAR frame from camera frame, motion between the stamps included"),
    ("given.lidar2image", "B x N x 4 x 4", "pixels of the full image (times depth) from LiDAR frame"),
    ("given.img_aug_matrix", "B x N x 4 x 4", "pixels of `img` from pixels of the full image"),
    ("given.lidar_aug_matrix", "B x 4 x 4", "augmented LiDAR frame from LiDAR frame; the identity outside training"),
    ("points.x .y .z", "P or B x P", "metres, LiDAR frame (x right, y forward, z up); without them: no LiDAR"),
    ("points.intensity .time", "P or B x P", "0..255; seconds before the key frame"),
    ("dense.*", "P or B x P", "five more columns of points, appended"),
];
const OUTPUTS: &[(&str, &str, &str)] = &[
    ("object.boxes", "K x 11", "x, y, z (bottom), w, l, h, clockwise angle, vx, vy, score, class"),
    ("object.dense_heatmap", "B x 10 x X x Y", "logits; rows along LiDAR x"),
    ("object.center .height ..", "B x n x P", "branches of the proposals"),
    ("object.proposal_class .._cell", "B x P", "class and cell x * Y + y of each proposal"),
    ("map.prob", "B x 6 x mapX x mapY", "probability per map layer"),
];
const KEYS: &[(&str, &str, &str)] = &[
    ("point_range", "-51.2 -51.2 -5 51.2 51.2 3", "low x, y, z, high x, y, z in metres, LiDAR frame"),
    ("voxel_size", "0.1 0.1 0.2", "metres"),
    ("max_points_per_voxel", "10", "later points of a voxel are ignored"),
    ("max_voxels", "120000", "later voxels are ignored"),
    ("pillar_size", "0.2 0.2 8", "metres"),
    ("max_points_per_pillar", "20", "later points of a pillar are ignored"),
    ("max_pillars", "60000", "later pillars are ignored"),
    ("camera_bev_x", "-51.2 51.2 0.4", "low, high, step of the camera's grid, metres"),
    ("camera_bev_y", "-51.2 51.2 0.4", "the same along y"),
    ("camera_bev_z", "-10 10 20", "the same along z"),
    ("camera_depth", "1 60 0.5", "nearest, farthest, step, metres"),
    ("proposals", "200", "objects that TransFusion looks at"),
    ("map_x", "-50 50 0.5", "low, high, step of the map, metres"),
    ("map_y", "-50 50 0.5", "the same along y"),
    ("post_center_range", "-61.2 -61.2 -10 61.2 61.2 10", "boxes with a centre outside are dropped"),
    ("center_head_max", "500", "peaks that CenterHead looks at, per class and per group"),
    ("center_head_score", "0.1", "boxes of CenterHead need more than this"),
    ("view", "lss", "or depth_lss, which also sees the LiDAR points in each picture"),
    ("object_head", "transfusion", "or center, or none"),
    ("map_head", "true", "false for checkpoints of detection alone"),
    ("lidar_encoder", "sparse", "or pillars, whose picture from above runs through a SECOND of its own"),
    ("sensors", "both", "or lidar, camera: no other branch and no fuser, as in the published networks of one sensor"),
    ("camera_decoder", "160 320 640", "channels of a camera-only network's residual decoder (tiny 24 32 48)"),
];
const PAPER: &str = "Huang et al., FULLER: Unified Multi-modality Multi-task 3D Perception via Multi-level Gradient Calibration, ICCV 2023, arXiv 2307.16617; \
     network: Liu et al., BEVFusion, ICRA 2023, arXiv 2205.13542";

/// The published configuration.
pub const CARD_BASE: Card = Card {
    name: "fuller",
    preset: "base",
    summary: "cameras and LiDAR to boxes (TransFusion) and six map layers, on a grid of 128x128 cells of 0.8 m",
    parameters: 43_140_372,
    gigamacs: &[(256, 704, 394.2)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS,
    licence: "this implementation: that of the project; published weights (BEVFusion): Apache-2.0, trained on nuScenes (non-commercial)",
    paper: PAPER,
    training: "BEVFusion's published checkpoints fit by name and shape (each trains one head: set object_head or map_head); none are shipped, none was opened here",
};

/// Ours, for live use.
pub const CARD_TINY: Card = Card {
    name: "fuller",
    preset: "tiny",
    summary: "the same form, narrow, six cameras of 176x64, a grid of 64x64 cells of 1.6 m, for live use on a CPU",
    parameters: 1_661_949,
    gigamacs: &[(64, 176, 1.47)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS,
    licence: "that of the project",
    paper: PAPER,
    training: "untrained: no weights are shipped yet; `--seed` gives reproducible ones for timing",
};

/// Base with every alternative to its parts.
pub const CARD_FIXTURE: Card = Card {
    name: "fuller",
    preset: "fixture",
    summary: "base and, side by side, depth-aware LSS, pillars, CenterHead and LSSFPN; for comparison with reference numbers; needs --config",
    parameters: 47_594_592,
    gigamacs: &[],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS,
    licence: CARD_BASE.licence,
    paper: PAPER,
    training: "for parity only",
};
