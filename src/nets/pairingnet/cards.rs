//! The cards of PairingNet's presets. *Invariant*: a test builds each preset and counts its parameters.

use crate::nets::Card;

const INPUTS: &[(&str, &str, &str)] = &[
    ("source.pcd", "B x N x 2", "contour, (row, column) / 659.5 - 1; rows from source_points on are padding"),
    ("source.c_input", "B x N x 7 x 7", "the contour drawn around each point, 1 on it"),
    ("source.t_input", "B x N x 3 x 7 x 7", "the picture around each point, RGB in 0..1, 0 outside the piece"),
    ("target.*", "as source", "the other fragment; without it only source.* comes out"),
    ("source_points, target_points", "1 or B", "true points of each contour; without it all rows are true"),
    ("padded_points", "1", "rows of the padded contour, where fewer are given (default N)"),
    ("ring_neighbours_each_side", "1", "default 8"),
    ("transformer_length", "1", "rows that searching reads, a multiple of 128 (default 1408, or what N allows)"),
    ("matching_temperature", "1", "default sqrt(channels)"),
    ("gt_pairs", "K x 2", "true cells (row, column), for the loss; or gt_pairs.source_start, .target_start, .count"),
    ("nce.s, nce.t", "P x D", "embeddings for the searching loss, with nce_fragment_ids.s, .t and nce_temperature"),
];
const OUTPUTS: &[(&str, &str, &str)] = &[
    ("source.fused, target.fused", "N x C", "features that are matched"),
    ("source.contour, .texture, .gate", "N x C", "the two branches and the weight of the contour"),
    ("source.global, target.global", "D", "vector of the fragment, not normalised"),
    ("cosine_source_target", "1", "their cosine"),
    ("logits", "N x N", "dot products over the temperature, padding included"),
    ("similarity", "n x m", "softmax over rows times softmax over columns, true points only"),
    ("similarity_at_gt", "K", "its values at gt_pairs"),
    ("loss_focal, loss_focal_positive", "1", "matching loss"),
    ("nce_st, nce_ss, nce_tt, nce_total", "1", "searching loss"),
];
const KEYS: &[(&str, &str, &str)] = &[
    ("channels", "64 (tiny 32)", "width of a point's features, even"),
    ("graph_layers", "14 (tiny 6)", "graph layers of each branch"),
    ("ring_neighbours_each_side", "8", "neighbours on the contour that a point sees"),
    ("transformer_layers", "5 (tiny 2)", "blocks of each transformer of the searching network"),
    ("heads", "8", "heads of attention, a divisor of channels"),
    ("local_heads", "4", "of these, how many look at windows"),
    ("window", "128", "rows of a window"),
    ("transformer_length", "1408", "rows that the searching network reads, a multiple of the window"),
    ("embedding", "128 (tiny 64)", "width of a fragment's vector"),
];
const PAPER: &str =
    "Zhou et al., PairingNet: A Learning-based Pair-searching and -matching Network for Image Fragments, ECCV 2024, arXiv 2312.08704";

/// The published configuration.
pub const CARD_BASE: Card = Card {
    name: "pairingnet",
    preset: "base",
    summary: "torn picture fragments: vectors per contour point (matching) and per fragment (searching)",
    parameters: 687_392,
    gigamacs: &[(1, 2900, 3.27), (1, 1130, 1.62)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS,
    licence: "this implementation: that of the project; no weights are published",
    paper: PAPER,
    training: "untrained: the authors publish the data set (Hugging Face, zhourxin/Fragments-dataset), not the weights",
};

/// Ours, for live use.
pub const CARD_TINY: Card = Card {
    name: "pairingnet",
    preset: "tiny",
    summary: "the same form, half as wide and less than half as deep, for live use on a CPU",
    parameters: 81_680,
    gigamacs: &[(1, 1000, 0.27)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS,
    licence: "that of the project",
    paper: PAPER,
    training: "untrained: no weights are shipped yet; `--seed` gives reproducible ones for timing",
};
