//! The page of a detection evaluation: numbers, curves, break-downs, and the worst errors with their boxes in the cameras.
//!
//! *In*: a loaded task, its metrics and matches. *Out*: a folder with `index.html`, SVG figures and pictures; it needs nothing from
//! outside and can be sent as it is. *Invariant*: a picture that cannot be read leaves its place empty and is said to be missing.

use super::files::{Progress, decode, read, write_whole};
use super::nuscenes::Loaded;
use crate::eval::nuscenes::breakdown::{Part, by_distance, by_scene, by_weather};
use crate::eval::nuscenes::detection::Detection;
use crate::eval::nuscenes::matching::{ClassMatches, ERRORS};
use crate::eval::nuscenes::plots;
use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::view::{Camera, EDGES, Solid};
use crate::eval::nuscenes::worst::{Flaw, FlawKind, worst};
use crate::eval::sheet::escape;
use crate::sources::nuscenes::Root;
use crate::types::{Error, Result, num};
use image::{DynamicImage, Rgb, RgbImage};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Width of the pictures on the page.
const PICTURE: u32 = 480;
/// Units of the errors, in their order.
const ERROR_UNITS: [&str; 5] = [", m", "", ", rad", ", m/s", ""];
const GREEN: Rgb<u8> = Rgb([40, 200, 120]);
const ORANGE: Rgb<u8> = Rgb([255, 165, 40]);
const RED: Rgb<u8> = Rgb([255, 40, 70]);
/// Least score of the boxes that are drawn beside the one that is meant.
const DRAWN_SCORE: f64 = 0.15;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:0;color:#282c34;background:#f6f7f9}main{max-width:1500px;margin:auto;padding:24px}\
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 10px}p{margin:4px 0 14px;color:#5a616e}\
.cards{display:flex;gap:12px;flex-wrap:wrap;margin:18px 0}.card{background:#fff;border-radius:10px;padding:12px 20px;box-shadow:0 1px 3px #0002}\
.card b{display:block;font-size:27px;font-variant-numeric:tabular-nums}.card span{color:#5a616e;font-size:13px}\
table{border-collapse:collapse;background:#fff;border-radius:10px;overflow:hidden;box-shadow:0 1px 3px #0002}\
td,th{padding:5px 12px;text-align:right;font-variant-numeric:tabular-nums;border-bottom:1px solid #eceef2}td{white-space:nowrap}td:first-child,th:first-child{text-align:left}\
th{background:#eef0f4;font-weight:600}.track{display:inline-block;width:90px;height:9px;background:#eef0f4;border-radius:3px;margin-right:10px;text-align:left;line-height:0}\
.bar{display:inline-block;height:9px;background:#2a6db0;border-radius:3px}.wide{overflow-x:auto}.wide table{font-size:13px}.wide td,.wide th{padding:5px 8px}.wide .track{width:60px}\
figure{margin:0;background:#fff;border-radius:10px;padding:8px;box-shadow:0 1px 3px #0002;overflow-x:auto}figure img{width:100%;min-width:900px}\
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:14px}.flaw{background:#fff;border-radius:10px;overflow:hidden;box-shadow:0 1px 3px #0002}\
.flaw img{width:100%;display:block;aspect-ratio:16/9;object-fit:cover;background:#ddd}.flaw div{padding:8px 12px;font-size:13px}.flaw b{font-size:14px}\
.flaw .none{aspect-ratio:16/9;display:grid;place-items:center;background:#e6e9ee;color:#5a616e;font-size:13px;padding:0 20px;text-align:center}\
.key i{display:inline-block;width:14px;height:4px;margin:0 5px 3px 14px}select{font:inherit;padding:3px 8px}details summary{cursor:pointer;color:#2a6db0}";

/// Writes the page and its files into `folder`; the break-downs come back.
///
/// # Errors
/// Where a figure cannot be drawn or a file cannot be written.
pub(super) fn write(
    folder: &Path,
    root: &Root,
    loaded: &Loaded,
    metrics: &Detection,
    matches: &[ClassMatches],
    most: usize,
) -> Result<Value> {
    let predictions = Predictions::new(&loaded.file, &loaded.truth, loaded.split.official);
    let [distance, weather, scenes] =
        [by_distance(&loaded.truth, &predictions), by_weather(&loaded.truth, matches), by_scene(&loaded.truth, matches)];
    write_whole(&folder.join("precision_recall.svg"), plots::precision_recall(metrics)?.as_bytes())?;
    write_whole(&folder.join("errors.svg"), plots::errors(metrics)?.as_bytes())?;
    let flaws = worst(&loaded.tables, &loaded.truth, matches, most);
    let progress = Progress::new("drawing", flaws.len());
    let drawn: Vec<Result<Drawn>> = (flaws.par_iter().enumerate())
        .map(|(at, flaw)| {
            progress.step();
            let name = format!("pictures/{at:03}.jpg");
            match picture(root, loaded, flaw) {
                Some((camera, Ok(bytes))) => write_whole(&folder.join(&name), &bytes).map(|()| Drawn::Picture(name, camera)),
                Some((_, Err(e))) => Ok(Drawn::Unreadable(e.to_string())),
                None => Ok(Drawn::Nowhere),
            }
        })
        .collect();
    let drawn = drawn.into_iter().collect::<Result<Vec<_>>>()?;
    let mut page = String::new();
    head(&mut page, loaded, metrics);
    class_table(&mut page, metrics);
    let _ = write!(
        page,
        "<h2>Curves</h2><figure><img alt=\"precision over recall\" src=\"precision_recall.svg\"></figure><br>\
        <figure><img alt=\"errors over recall\" src=\"errors.svg\"></figure>"
    );
    part_table(&mut page, "By distance from the vehicle", &distance);
    part_table(&mut page, "By weather and time of day", &weather);
    let mut ranked = scenes.clone();
    ranked.sort_by(|a, b| a.mean_ap.total_cmp(&b.mean_ap));
    part_table(&mut page, "By scene, the hardest first", &ranked);
    gallery(&mut page, loaded, &flaws, &drawn);
    page.push_str("</main></body></html>\n");
    write_whole(&folder.join("index.html"), page.as_bytes())?;
    let list = |parts: &[Part]| parts.iter().map(Part::json).collect::<Vec<_>>();
    Ok(json!({ "by_distance": list(&distance), "by_weather": list(&weather), "by_scene": list(&scenes) }))
}

fn number(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.3}") }
}

// Writing to a string cannot fail, so its answer is dropped throughout.
fn head(page: &mut String, loaded: &Loaded, metrics: &Detection) {
    let truth = &loaded.truth;
    let title = format!("Detection on {}", loaded.split.name);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style></head>\
        <body><main><h1>{0}</h1><p>{1}: {2} scenes, {3} samples, {4} objects, {5} boxes. Rules and numbers are those of the public devkit.</p>",
        escape(&title),
        escape(&loaded.tables.version),
        truth.scenes.len(),
        truth.frames.len(),
        truth.objects.len(),
        loaded.file.boxes.len()
    );
    page.push_str("<div class=\"cards\">");
    let names = ["mAP", "NDS", "mATE, m", "mASE", "mAOE, rad", "mAVE, m/s", "mAAE"];
    for (name, value) in names.iter().zip([metrics.mean_precision(), metrics.nd_score()].into_iter().chain(metrics.errors())) {
        let _ = write!(page, "<div class=\"card\"><b>{}</b><span>{name}</span></div>", number(value));
    }
    page.push_str("</div>");
}

fn class_table(page: &mut String, metrics: &Detection) {
    page.push_str("<h2>By class</h2><table><tr><th>class</th><th>AP</th><th>0.5 m</th><th>1 m</th><th>2 m</th><th>4 m</th>");
    for (error, unit) in ERRORS.iter().zip(ERROR_UNITS) {
        let _ = write!(page, "<th>{}{unit}</th>", error.trim_end_matches("_err"));
    }
    page.push_str("</tr>");
    for class in &metrics.classes {
        let ap = class.mean_precision();
        let _ = write!(page, "<tr><td>{}</td><td>{}{}</td>", class.name, bar(ap), number(ap));
        for value in class.precisions.iter().chain(&class.errors) {
            let _ = write!(page, "<td>{}</td>", number(*value));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}

fn part_table(page: &mut String, title: &str, parts: &[Part]) {
    let _ = write!(page, "<h2>{title}</h2><div class=\"wide\"><table><tr><th></th><th>objects</th><th>mAP of its classes</th>");
    for (error, unit) in ERRORS.iter().zip(ERROR_UNITS) {
        let _ = write!(page, "<th>{}{unit}</th>", error.trim_end_matches("_err"));
    }
    for (name, _) in parts.first().map(|p| p.class_aps.as_slice()).unwrap_or_default() {
        let _ = write!(page, "<th>{}</th>", name.replace('_', " "));
    }
    page.push_str("</tr>");
    for part in parts {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}{}</td>",
            escape(&part.name),
            part.objects,
            bar(part.mean_ap),
            number(part.mean_ap)
        );
        for value in part.errors.iter().copied().chain(part.class_aps.iter().map(|(_, ap)| *ap)) {
            let _ = write!(page, "<td>{}</td>", number(value));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div>");
}

/// A share of 0..=1 as a bar; an empty one where it is not known.
fn bar(share: f64) -> String {
    format!("<span class=\"track\"><span class=\"bar\" style=\"width:{:.0}%\"></span></span>", share.clamp(0.0, 1.0) * 100.0)
}

fn gallery(page: &mut String, loaded: &Loaded, flaws: &[Flaw], drawn: &[Drawn]) {
    let _ = write!(
        page,
        "<h2>Worst errors</h2><p class=\"key\">Boxes:<i style=\"background:#ff2846\"></i>the one that is meant\
        <i style=\"background:#28c878\"></i>annotated<i style=\"background:#ffa528\"></i>predicted, score of {DRAWN_SCORE} or more. \
        The cross marks the front. Class: <select onchange=\"for(const f of document.querySelectorAll('.flaw'))\
        f.style.display=(!this.value||f.dataset.c==this.value)?'':'none'\"><option value=\"\">all</option>"
    );
    for class in crate::formats::nuscenes::DETECTION_CLASSES {
        let _ = write!(page, "<option>{class}</option>");
    }
    page.push_str("</select></p>");
    for kind in FlawKind::ALL {
        let _ = write!(page, "<h2>{}</h2><div class=\"grid\">", kind.name());
        for (flaw, picture) in flaws.iter().zip(drawn).filter(|(f, _)| f.kind == kind) {
            let frame = loaded.truth.frame_at(flaw.frame);
            let scene = frame.and_then(|f| loaded.truth.scenes.get(num::usize(f.scene))).map_or("", |s| &s.name);
            let distance = frame.zip(solid(loaded, flaw)).map_or(f64::NAN, |(f, s)| f.distance(s.centre));
            let what = match (kind, flaw.errors) {
                (FlawKind::Missed, _) => format!("{:.0} points inside", flaw.weight),
                (FlawKind::False, _) => format!("score {:.3}", flaw.weight),
                (FlawKind::Misplaced, Some([centre, scale, turn, speed, _])) => {
                    format!("{centre:.2} m off, scale {scale:.2}, turned {:.0}°, speed {} m/s off", turn.to_degrees(), number(speed))
                }
                (FlawKind::Misplaced, None) => String::new(),
            };
            let (image, camera) = match picture {
                Drawn::Picture(p, camera) => {
                    (format!("<a href=\"{p}\"><img loading=\"lazy\" alt=\"{camera}\" src=\"{p}\"></a>"), format!(", {camera}"))
                }
                Drawn::Nowhere => ("<div class=\"none\">in no camera as a whole</div>".to_owned(), String::new()),
                Drawn::Unreadable(reason) => (format!("<div class=\"none\">no picture: {}</div>", escape(reason)), String::new()),
            };
            let token = frame.map(|f| f.token.to_string()).unwrap_or_default();
            let _ = write!(
                page,
                "<div class=\"flaw\" data-c=\"{0}\">{image}<div><b>{0}</b>, {1:.1} m away{camera}<br>{what}<br>{2}, sample {3}</div></div>",
                flaw.class,
                distance,
                escape(scene),
                escape(&token)
            );
        }
        page.push_str("</div>");
    }
}

/// The box that is meant: the predicted one, or the annotated one that was missed.
fn solid(loaded: &Loaded, flaw: &Flaw) -> Option<Solid> {
    if let Some(found) = flaw.found {
        let found = loaded.file.boxes.get(num::usize(found))?;
        return Some(Solid { centre: found.translation, size: found.size, yaw: found.yaw });
    }
    let object = loaded.truth.objects.get(num::usize(flaw.object?))?;
    Some(Solid { centre: object.translation, size: object.size, yaw: object.yaw })
}

/// What there is to see of a flaw.
enum Drawn {
    /// File and camera.
    Picture(String, String),
    /// No camera has it whole in front of it.
    Nowhere,
    /// Why the camera's picture could not be drawn.
    Unreadable(String),
}

/// Camera and cut-out of the one that sees the flaw best; `None` where none does.
fn picture(root: &Root, loaded: &Loaded, flaw: &Flaw) -> Option<(String, Result<Vec<u8>>)> {
    let meant = solid(loaded, flaw)?;
    let frame = loaded.truth.frame_at(flaw.frame)?;
    let cameras = Camera::all(&loaded.tables, loaded.tables.samples.row(&frame.token)?);
    let camera = Camera::best(&cameras, &meant)?;
    let path = root.path(&camera.data.filename).ok()?;
    let mut picture = match read(&path).and_then(|bytes| decode(&bytes, &path)) {
        Ok(picture) => picture.to_rgb8(),
        Err(e) => return Some((camera.channel.to_owned(), Err(e))),
    };
    let others = loaded.truth.objects.get(frame.objects.clone()).unwrap_or_default();
    let others = (num::u32(frame.objects.start)..).zip(others).filter(|(at, _)| flaw.found.is_some() || flaw.object != Some(*at));
    for (_, object) in others {
        wire(&mut picture, camera, &Solid { centre: object.translation, size: object.size, yaw: object.yaw }, GREEN, false);
    }
    let range = loaded.file.samples.iter().find(|(t, _)| *t == frame.token).map(|(_, r)| r.clone()).unwrap_or_default();
    for at in range {
        let Some(found) = loaded.file.boxes.get(at).filter(|b| b.score >= DRAWN_SCORE && flaw.found != Some(num::u32(at))) else {
            continue;
        };
        wire(&mut picture, camera, &Solid { centre: found.translation, size: found.size, yaw: found.yaw }, ORANGE, false);
    }
    wire(&mut picture, camera, &meant, RED, true);
    Some((camera.channel.to_owned(), cut_out(picture, camera, &meant)))
}

/// The edges of a box, and a cross on its front.
fn wire(picture: &mut RgbImage, camera: &Camera<'_>, solid: &Solid, colour: Rgb<u8>, thick: bool) {
    let Some(corners) = camera.corners(solid) else { return };
    let cross = [(0, 2), (1, 3)];
    for (from, to) in EDGES.iter().chain(&cross) {
        if let (Some(a), Some(b)) = (corners.get(*from), corners.get(*to)) {
            stroke(picture, *a, *b, colour, thick);
        }
    }
}

fn stroke(picture: &mut RgbImage, [ax, ay]: [f64; 2], [bx, by]: [f64; 2], colour: Rgb<u8>, thick: bool) {
    let steps = (bx - ax).abs().max((by - ay).abs()).ceil().clamp(1.0, 8000.0);
    let reach: i64 = if thick && picture.width() > 800 { 2 } else { i64::from(thick || picture.width() > 800) };
    let mut share = 0.0;
    while share <= 1.0 {
        let (x, y) = (num::round_i64(ax + (bx - ax) * share), num::round_i64(ay + (by - ay) * share));
        for (dx, dy) in (0..=reach).flat_map(|dx| (0..=reach).map(move |dy| (dx, dy))) {
            if let (Ok(x), Ok(y)) = (u32::try_from(x + dx), u32::try_from(y + dy))
                && let Some(pixel) = picture.get_pixel_mut_checked(x, y)
            {
                *pixel = colour;
            }
        }
        share += 1.0 / steps;
    }
}

/// The surroundings of a box, 16 to 9, at least a third of the picture, as a JPEG file.
fn cut_out(picture: RgbImage, camera: &Camera<'_>, solid: &Solid) -> Result<Vec<u8>> {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let [left, top, right, bottom] = camera.rectangle(solid).unwrap_or([0.0, 0.0, width, height]);
    let wide = (2.2 * (right - left)).max(2.2 * (bottom - top) * 16.0 / 9.0).max(width / 3.0).min(width);
    let high = (wide * 9.0 / 16.0).min(height);
    let x = ((left + right - wide) / 2.0).clamp(0.0, width - wide);
    let y = ((top + bottom - high) / 2.0).clamp(0.0, height - high);
    let whole = |v: f64| u32::try_from(num::round_i64(v)).unwrap_or(0);
    let cut = DynamicImage::ImageRgb8(picture).crop_imm(whole(x), whole(y), whole(wide).max(1), whole(high).max(1));
    let scaled = cut.resize(PICTURE * 2, PICTURE * 2, image::imageops::FilterType::CatmullRom);
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 84);
    scaled.to_rgb8().write_with_encoder(encoder).map_err(|e| Error::unavailable("a picture", e.to_string()))?;
    Ok(bytes)
}
