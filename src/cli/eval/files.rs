//! Files of the evaluators: folders listed by stem, pictures decoded, outputs replaced whole, progress told.
//!
//! *In*: paths. *Out*: pictures, bytes on disk. *Invariant*: every error names its file; nothing is half written.

use crate::eval::fusion::Grey;
use crate::types::{Error, Result, RgbImage, nearest, num};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageReader};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{Cursor, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pictures of one folder by stem.
pub(in crate::cli) type Named = BTreeMap<String, PathBuf>;

const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// The pictures of a folder, at least one; other and hidden files are passed over.
pub(in crate::cli) fn list(folder: &Path) -> Result<Named> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))?;
    let mut named = Named::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        if !ENDINGS.contains(&ending.as_str()) || stem.starts_with('.') || !path.is_file() {
            continue;
        }
        if let Some(other) = named.insert(stem, path.clone()) {
            let found = format!("{} and {}", other.display(), path.display());
            return Err(Error::mismatch("one picture for each stem", found, folder.display().to_string()));
        }
    }
    if named.is_empty() {
        let wanted = format!("pictures ({})", ENDINGS.join(", "));
        return Err(Error::mismatch(wanted, "none", folder.display().to_string()));
    }
    Ok(named)
}

/// The picture of a stem, or an error with the nearest name there is.
pub(in crate::cli) fn partner<'a>(named: &'a Named, stem: &str, folder: &Path) -> Result<&'a PathBuf> {
    named.get(stem).ok_or_else(|| {
        let hint = nearest(stem, named.keys().map(String::as_str)).map_or_else(String::new, |n| format!("; nearest is `{n}`"));
        Error::mismatch(format!("a picture called `{stem}`"), format!("none{hint}"), folder.display().to_string())
    })
}

/// A file's bytes.
pub(in crate::cli) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// A picture from its file's bytes; the format is told by the content.
pub(in crate::cli) fn decode(bytes: &[u8], path: &Path) -> Result<DynamicImage> {
    let wrong = |e: &dyn std::fmt::Display| Error::mismatch("a picture", e.to_string(), path.display().to_string());
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| wrong(&e))?;
    reader.decode().map_err(|e| wrong(&e))
}

/// Grey levels: grey pictures as they are (16 bits scaled to 8), colour ones by rounded luma; transparency is ignored.
pub(in crate::cli) fn grey(picture: &DynamicImage) -> Result<Grey> {
    let (width, height) = (num::usize(picture.width()), num::usize(picture.height()));
    match picture {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) => {
            Grey::new(width, height, picture.to_luma8().into_raw())
        }
        _ => Grey::from_rgb(&RgbImage::new(width, height, picture.to_rgb8().into_raw())?),
    }
}

/// A small JPEG file for the sheet.
pub(in crate::cli) fn thumbnail(picture: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let small = if picture.width() > 320 { picture.thumbnail(320, 320) } else { picture.clone() };
    let written = small.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 80));
    written.map_err(|e| Error::unavailable("a small picture", e.to_string()))?;
    Ok(bytes)
}

/// A PNG file's bytes.
pub(in crate::cli) fn encode_png(picture: &image::RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(|e| Error::unavailable("the picture", e.to_string()))?;
    Ok(bytes.into_inner())
}

/// A PNG file's bytes, of samples of a kind.
pub(in crate::cli) fn encode(data: &[u8], width: usize, height: usize, kind: image::ExtendedColorType) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, data, num::u32(width), num::u32(height), kind)
        .map_err(|e| Error::unavailable("the picture", e.to_string()))?;
    Ok(bytes)
}

/// Writes beside the goal and renames, so that the file is the old or the new one, never a part.
pub(in crate::cli) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    let name = path.file_name().ok_or_else(|| Error::mismatch("a file", "no file name", path.display().to_string()))?;
    let part = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = std::fs::File::create(&part).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&part, path)).map_err(|e| {
        // What remains of the part is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(&part);
        Error::io("write", path, e)
    })
}

/// A bar on a terminal, a line on standard error every ten seconds otherwise.
pub(in crate::cli) struct Progress {
    verb: &'static str,
    bar: Option<ProgressBar>,
    done: AtomicUsize,
    total: usize,
    told: Mutex<Instant>,
}

impl Progress {
    pub(in crate::cli) fn new(verb: &'static str, total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {per_sec} ETA {eta}");
            let bar = ProgressBar::new(total as u64).with_message(verb);
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Self { verb, bar, done: AtomicUsize::new(0), total, told: Mutex::new(Instant::now()) }
    }

    pub(in crate::cli) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= Duration::from_secs(10) {
            *told = Instant::now();
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{}: {done} of {}", self.verb, self.total);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
