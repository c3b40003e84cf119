//! Fusion scores against the values of the two published families, and the two evaluation verbs on folders.
//!
//! Mutation note: tried by hand and caught by the fixture are SF over pixels instead of differences, AG over all pixels in the
//! VIFB family, MI in bits, PSNR with peak 255, VIF that keeps every second pixel from 1, Qabf without its rule for equal
//! strengths. SSIM with population instead of sample covariance survives the fixture (its error is below 1e-4 there), so
//! `one_window_by_hand` is for it. Foreign bytes (label pictures, class lists) are mutated in `cli::eval::labels`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation
)]

use sensorium::cli::eval::{fusion, segmentation, table};
use sensorium::eval::fusion::{Family, Grey, PSNR_LIMIT, Scorer, Scores};
use serde_json::Value;
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-4;

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/fusion-metrics");
    if !folder.is_dir() {
        println!("skipped: no pictures at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn load(path: &Path) -> Grey {
    let picture = image::open(path).unwrap().to_luma8();
    Grey::new(picture.width() as usize, picture.height() as usize, picture.into_raw()).unwrap()
}

fn fuse(a: &Grey, b: &Grey, rule: &str) -> Grey {
    let average = |(&x, &y): (&u8, &u8)| (u16::from(x) + u16::from(y)).div_ceil(2) as u8;
    let maximum = |(&x, &y): (&u8, &u8)| x.max(y);
    let pairs = a.levels().iter().zip(b.levels());
    let levels = if rule == "max" { pairs.map(maximum).collect() } else { pairs.map(average).collect() };
    Grey::new(a.width(), a.height(), levels).unwrap()
}

fn noise(width: usize, height: usize, seed: u64) -> Grey {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    Grey::new(width, height, (0..width * height).map(|_| next()).collect()).unwrap()
}

fn score(a: &Grey, b: &Grey, f: &Grey, family: Family) -> Scores {
    Scorer::default().score(a, b, f, family).unwrap()
}

fn close(name: &str, found: f64, wanted: f64, worst: &mut f64) {
    let error = (found - wanted).abs() / if matches!(name, "EN" | "MI") { 1.0 } else { wanted.abs() };
    assert!(error <= TOLERANCE, "{name}: {found}, wanted {wanted}");
    *worst = worst.max(error);
}

#[test]
fn every_value_of_the_fixture() {
    let Some(folder) = shared() else { return };
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fusion-metrics/expected.json"));
    let expected: Value = serde_json::from_str(&text.unwrap()).unwrap();
    // One scorer for all: buffers left by one picture must not touch the next, which has another size.
    let (mut scorer, mut checked, mut worst) = (Scorer::default(), 0, 0.0);
    for (name, blocks) in expected["pairs"].as_object().unwrap() {
        let (pair, rule) = name.split_once('/').unwrap();
        let [infrared, visible] = ["ir", "vi"].map(|kind| load(&folder.join(format!("{pair}_{kind}.png"))));
        let fused = fuse(&infrared, &visible, rule);
        for (block, values) in blocks.as_object().unwrap() {
            let family = if block == "vifb_style" { Family::Vifb } else { Family::Evaluator };
            let found = scorer.score(&infrared, &visible, &fused, family).unwrap();
            if let Some(wanted) = values.as_f64() {
                assert_eq!(block, "ssim_uniform7_L255");
                close("SSIM", found.ssim_255, wanted, &mut worst);
                checked += 1;
            }
            for (measure, wanted) in values.as_object().into_iter().flatten() {
                let (_, value) = found.named().into_iter().find(|(n, _)| n == measure).unwrap();
                close(measure, value, wanted.as_f64().unwrap(), &mut worst);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 168);
    println!("{checked} values, largest error {worst:.1e}");
}

#[test]
fn constant_pictures_have_the_documented_values() {
    let flat = |level| Grey::new(40, 30, vec![level; 1200]).unwrap();
    for family in [Family::Evaluator, Family::Vifb] {
        let equal = score(&flat(90), &flat(90), &flat(90), family);
        assert_eq!((equal.en, equal.sd, equal.sf, equal.ag, equal.mi, equal.cc, equal.scd), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0));
        assert_eq!((equal.vif, equal.mse, equal.psnr), (2.0, 0.0, PSNR_LIMIT));
        assert!(equal.named().iter().all(|(_, value)| value.is_sign_positive()), "{equal:?}");
        assert!((equal.ssim - 2.0).abs() < 1e-9 && (equal.ssim_255 - 2.0).abs() < 1e-9);
        // The border against the zeros outside is an edge, and it is kept; black pictures have none.
        assert!(equal.qabf > 0.97 && equal.qabf <= 1.0, "{equal:?}");
        assert_eq!(score(&flat(0), &flat(0), &flat(9), family).qabf, 0.0);
        let black = score(&flat(200), &flat(100), &flat(0), family);
        assert_eq!((black.psnr, black.mse), (-PSNR_LIMIT, 25_000.0));
        let (a, b) = (noise(40, 30, 1), noise(40, 30, 2));
        let lost = score(&a, &b, &flat(77), family);
        assert_eq!((lost.cc, lost.mi), (0.0, 0.0));
        assert!(lost.vif < 1e-6 && lost.qabf < 0.2, "{lost:?}");
        let kept = score(&a, &a, &a, family);
        assert!((kept.vif - 2.0).abs() < 1e-6 && (kept.ssim - 2.0).abs() < 1e-9 && (kept.cc - 1.0).abs() < 1e-12, "{kept:?}");
        // Where F = A = B, the differences are constant.
        assert_eq!(kept.scd, 0.0);
    }
}

#[test]
fn pictures_smaller_than_the_windows_have_finite_scores() {
    let mut scorer = Scorer::default();
    for (width, height) in (1..=20).flat_map(|w| (1..=20).map(move |h| (w, h))).chain([(1, 300), (300, 1), (17, 200), (200, 8)]) {
        let [a, b, f] = [1, 2, 3].map(|seed| noise(width, height, seed));
        for family in [Family::Evaluator, Family::Vifb] {
            let scores = scorer.score(&a, &b, &f, family).unwrap();
            for (name, value) in scores.named() {
                assert!(value.is_finite(), "{name} of {width}x{height}: {value}");
            }
            assert!(scores.ssim.abs() <= 2.0 + 1e-9 && (0.0..=1.0).contains(&scores.qabf), "{width}x{height}: {scores:?}");
        }
    }
}

#[test]
fn one_window_by_hand() {
    // Little contrast, so that the stabilising constants weigh as much as the variances.
    let faint = |seed| Grey::new(7, 7, noise(7, 7, seed).levels().iter().map(|v| 100 + v % 8).collect()).unwrap();
    let [a, b, f] = [1, 2, 3].map(faint);
    let mean = |p: &Grey| p.levels().iter().map(|&v| f64::from(v)).sum::<f64>() / 49.0;
    let covariance = |p: &Grey, q: &Grey| {
        let (mp, mq) = (mean(p), mean(q));
        p.levels().iter().zip(q.levels()).map(|(&x, &y)| (f64::from(x) - mp) * (f64::from(y) - mq)).sum::<f64>() / 48.0
    };
    let ssim = |s: &Grey, range: f64| {
        let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
        let (ms, mf) = (mean(s), mean(&f));
        let top = (2.0 * ms * mf + c1) * (2.0 * covariance(s, &f) + c2);
        top / ((ms * ms + mf * mf + c1) * (covariance(s, s) + covariance(&f, &f) + c2))
    };
    let found = score(&a, &b, &f, Family::Evaluator);
    assert!((found.ssim - ssim(&a, 2.0) - ssim(&b, 2.0)).abs() < 1e-9, "{found:?}");
    assert!((found.ssim_255 - ssim(&a, 255.0) - ssim(&b, 255.0)).abs() < 1e-9, "{found:?}");
}

#[test]
fn different_sizes_are_refused() {
    let (small, large) = (noise(8, 9, 1), noise(9, 8, 1));
    let error = Scorer::default().score(&small, &large, &large, Family::Evaluator).unwrap_err().to_string();
    assert!(error.contains("8x9") && error.contains("9x8") && error.contains("infrared"), "{error}");
    let error = Scorer::default().score(&large, &small, &large, Family::Evaluator).unwrap_err().to_string();
    assert!(error.contains("visible"), "{error}");
    assert!(Grey::new(0, 0, vec![]).is_err() && Grey::new(2, 2, vec![0; 3]).is_err() && Grey::new(usize::MAX, 2, vec![0; 3]).is_err());
}

fn save(folder: &Path, name: &str, picture: &Grey) {
    std::fs::create_dir_all(folder).unwrap();
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    image::GrayImage::from_raw(width, height, picture.levels().to_vec()).unwrap().save(folder.join(name)).unwrap();
}

#[test]
fn folders_in_report_and_sheet_out() {
    let root = tempfile::tempdir().unwrap();
    let [vi, ir, fused] = ["vi", "ir", "fused"].map(|name| root.path().join(name));
    for seed in 0..3 {
        let (a, b) = (noise(48, 36, seed), noise(48, 36, seed + 10));
        save(&ir, &format!("p{seed}.png"), &a);
        save(&vi, &format!("p{seed}.bmp"), &b);
        save(&fused, &format!("p{seed}.png"), &fuse(&a, &b, "max"));
    }
    save(&vi, "spare.png", &noise(5, 5, 1));
    let (output, page) = (root.path().join("out/m.json"), root.path().join("s.html"));
    let report = fusion(&vi, &ir, &fused, &output, Some((&page, 2)), Family::Evaluator).unwrap();
    assert_eq!(std::fs::read_to_string(&output).unwrap(), format!("{report:#}\n"));
    assert_eq!((&report["version"], &report["pairs"], &report["visible_without_fused"]), (&1.into(), &3.into(), &1.into()));
    let (a, b) = (noise(48, 36, 1), noise(48, 36, 11));
    let alone = score(&a, &b, &fuse(&a, &b, "max"), Family::Evaluator);
    assert_eq!(report["images"][1]["name"], "p1");
    assert_eq!(report["images"][1]["VIF"].as_f64().unwrap(), alone.vif);
    let mean = (0..3).map(|i| report["images"][i]["SD"].as_f64().unwrap()).sum::<f64>() / 3.0;
    assert!((report["average"]["SD"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert_eq!(std::fs::read_to_string(&page).unwrap().matches("<img").count(), 6);
    assert!(table(&report).contains("Qabf"));
    assert_eq!(std::fs::read_dir(output.parent().unwrap()).unwrap().count(), 1, "no part left behind");

    save(&vi, "p1.bmp", &noise(47, 36, 1));
    let error = fusion(&vi, &ir, &fused, &output, None, Family::Vifb).unwrap_err().to_string();
    assert!(error.contains("47x36") && error.contains("48x36") && error.contains("p1.bmp") && error.contains("p1.png"), "{error}");
    std::fs::rename(vi.join("p1.bmp"), vi.join("p11.bmp")).unwrap();
    let error = fusion(&vi, &ir, &fused, &output, None, Family::Vifb).unwrap_err().to_string();
    assert!(error.contains("`p1`") && error.contains("nearest"), "{error}");
    std::fs::write(vi.join("p1.png"), b"no picture").unwrap();
    let error = fusion(&vi, &ir, &fused, &output, None, Family::Vifb).unwrap_err().to_string();
    assert!(error.contains("p1.png") && !error.contains('\n'), "{error}");
    assert!(fusion(&root.path().join("none"), &ir, &fused, &output, None, Family::Vifb).is_err());
}

#[test]
fn label_folders_in_report_and_matrix_out() {
    let root = tempfile::tempdir().unwrap();
    let [truth, predicted] = ["truth", "predicted"].map(|name| root.path().join(name));
    let labels = |values: &[u8]| Grey::new(values.len(), 1, values.to_vec()).unwrap();
    save(&truth, "a.png", &labels(&[0, 0, 1, 1]));
    save(&predicted, "a.png", &labels(&[0, 1, 1, 1]));
    save(&truth, "b.png", &labels(&[2, 255]));
    save(&predicted, "b.png", &labels(&[2, 0]));
    let (classes, output, picture) = (root.path().join("c.txt"), root.path().join("m.json"), root.path().join("m.png"));
    std::fs::write(&classes, "road\nsky\ncar\n").unwrap();
    let report = segmentation(&truth, &predicted, &classes, &output, Some(255), Some(&picture)).unwrap();
    assert_eq!(report["confusion"], serde_json::json!([[1, 1, 0], [0, 2, 0], [0, 0, 1]]));
    assert!((report["mean_iou"].as_f64().unwrap() - (0.5 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
    assert_eq!((report["pixel_accuracy"].as_f64(), report["ignored_pixels"].as_u64()), (Some(0.8), Some(1)));
    assert!(image::open(&picture).unwrap().width() > 100);
    assert!(table(&report).contains("iou sky"));
    let error = segmentation(&truth, &predicted, &classes, &output, None, None).unwrap_err().to_string();
    assert!(error.contains("255") && error.contains("b.png"), "{error}");
    // Nothing is counted of a picture whose every pixel is ignored: no score, and no NaN.
    let (empty, other) = (root.path().join("empty"), root.path().join("other"));
    save(&empty, "c.png", &labels(&[255, 255]));
    save(&other, "c.png", &labels(&[0, 200]));
    let nothing = segmentation(&empty, &other, &classes, &output, Some(255), None).unwrap();
    assert!(["mean_iou", "mean_accuracy", "pixel_accuracy"].iter().all(|name| nothing[name].is_null()), "{nothing}");
    assert_eq!((nothing["pixels"].as_u64(), nothing["ignored_pixels"].as_u64()), (Some(0), Some(2)));
    save(&predicted, "b.png", &labels(&[2, 0, 0]));
    let error = segmentation(&truth, &predicted, &classes, &output, Some(255), None).unwrap_err().to_string();
    assert!(error.contains("2x1") && error.contains("3x1") && error.contains("b.png"), "{error}");
}
