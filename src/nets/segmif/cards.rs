//! The cards of SegMiF's presets. *Invariant*: a test builds each preset and counts its parameters.

use crate::nets::Card;

const INPUTS: &[(&str, &str, &str)] = &[
    ("ir", "B x 1 x H x W", "infrared image in 0..1 (channel 0 of more)"),
    ("vis", "B x 3 x H x W", "visible RGB image in 0..1"),
    ("mask", "B x 1 x H x W", "grey prior image in 0..1, not a segmentation; without one, by the key `prior`"),
];
const OUTPUTS: &[(&str, &str, &str)] = &[
    ("fused", "B x 1 x H x W", "fused luminance, not clipped"),
    ("fused_rgb", "B x 3 x H x W", "fused image, RGB in 0..1"),
    ("logits", "B x K x ceil(H/4) x ceil(W/4)", "segmentation"),
    ("logits_full", "B x K x H x W", "the same, bilinear to the input's size"),
];
type Key = (&'static str, &'static str, &'static str);
const fn keys(encoder: &'static str, embedding: &'static str, channels: &'static str, growth: &'static str) -> [Key; 7] {
    [
        ("encoder", encoder, "Mix Transformer 'b0' to 'b5'"),
        ("embedding", embedding, "channels of the segmentation head"),
        ("classes", "9", "without a weight file; its own count wins (9 for MFNet, 15 for FMB)"),
        ("channels", channels, "channels of the fusion network, a multiple of 8"),
        ("growth", growth, "channels that each dilated layer adds"),
        ("plane", "'luminance'", "plane of `vis` that is fused; 'red' is what the official test script takes"),
        ("prior", "'visible'", "`mask` where none is given: 'visible' (luminance), 'infrared', 'maximum'"),
    ]
}
const KEYS_BASE: &[Key] = &keys("'b3'", "256", "64", "32");
const KEYS_TINY: &[Key] = &keys("'b0'", "128", "16", "8");
const PAPER: &str = "Liu et al., Multi-interactive Feature Learning and a Full-time Multi-modality Benchmark for Image Fusion and Segmentation, ICCV 2023, arXiv 2308.02097";

/// The published configuration.
pub const CARD_BASE: Card = Card {
    name: "segmif",
    preset: "base",
    summary: "infrared-visible fusion (64 channels) and segmentation (MiT-B3)",
    parameters: 45_568_331,
    gigamacs: &[(96, 128, 14.0), (240, 320, 88.0), (480, 640, 361.3)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS_BASE,
    licence: "this implementation: that of the project; published weights: no licence stated, encoder under NVIDIA's SegFormer licence",
    paper: PAPER,
    training: "published weights only (MFNet or FMB, from the authors' cloud drives); none are shipped",
};

/// Ours, for live use.
pub const CARD_TINY: Card = Card {
    name: "segmif",
    preset: "tiny",
    summary: "infrared-visible fusion (16 channels) and segmentation (MiT-B0), for live use on a CPU",
    parameters: 3_514_315,
    gigamacs: &[(96, 128, 0.92), (240, 320, 5.91), (480, 640, 25.56)],
    inputs: INPUTS,
    outputs: OUTPUTS,
    keys: KEYS_TINY,
    licence: "that of the project",
    paper: PAPER,
    training: "untrained: no weights are shipped yet; `--seed` gives reproducible ones for timing",
};
