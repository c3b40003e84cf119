//! What `models show` says of a network is what the network does: every preset at every size that its card names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use burn::tensor::Device;
use sensorium::nets::card::{CARDS, find};
use sensorium::nets::{Origin, TapChoice, build, forward, profile};

/// Larger passes are counted by `bench models`, not here.
const MOST: f64 = 100.0;

#[test]
fn cards_state_the_multiply_adds_that_a_pass_makes() {
    let device = Device::flex();
    for card in CARDS {
        assert!(!card.gigamacs.is_empty() || card.preset == "fixture", "{} {}: no size", card.name, card.preset);
        if card.gigamacs.iter().all(|(_, _, giga)| *giga > MOST) {
            continue;
        }
        let (model, _) = build(card.name, card.preset, Origin::Seed(1), &device).unwrap();
        for (height, width, giga) in card.gigamacs.iter().filter(|(_, _, giga)| *giga <= MOST) {
            let inputs = model.example(*height, *width).unwrap();
            let (outputs, lines) = profile::record(|| forward(model.as_ref(), &inputs, &TapChoice::None, &device));
            let outputs = outputs.unwrap();
            let finite = |data: &burn::tensor::TensorData| data.as_slice::<f32>().is_ok_and(|v| v.iter().all(|v| v.is_finite()));
            assert!(outputs.values().filter(|data| data.as_slice::<f32>().is_ok()).all(finite));
            let counted = lines.iter().map(|l| l.macs).sum::<u64>() as f64 / 1e9;
            println!("{} {} at {width}x{height}: {counted:.3} GMAC, card {giga}", card.name, card.preset);
            assert!((counted / giga - 1.0).abs() < 0.02, "{} {}: {counted} against {giga}", card.name, card.preset);
        }
    }
}

#[test]
fn networks_for_live_use_are_small() {
    for name in ["letfuser", "fuller", "pairingnet"] {
        let card = find(name, "tiny").unwrap();
        assert!(card.parameters <= 3_000_000 && card.gigamacs.iter().any(|(_, _, giga)| *giga <= 1.5), "{name}: {:?}", card.gigamacs);
    }
}
