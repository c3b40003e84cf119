//! Picture files to images: PNG, JPEG, TIFF and BMP, told apart by their first bytes and never by their names.
//!
//! *In*: a file, or its bytes. *Out*: [`RgbImage`], [`ThermalImage`], [`DepthImage`], [`LabelImage`] or [`Fragment`].
//! *Invariant*: memory is bounded before a pixel is decoded: by the file's length, by [`MAX_SIDE`] and [`MAX_BYTES`], and by what
//! the format could hold in so few bytes. Colour to grey is the luma of ITU-R BT.601, section 2.5.1, which leaves equal channels be.

use crate::types::{Buffer, ClassList, DepthImage, Error, Fragment, LabelImage, Pool, PoolFill, Result, RgbImage, ThermalImage, num};
use image::{ColorType, ImageDecoder, ImageError, ImageReader, Limits};
use ndarray::Array2;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

/// Most columns or rows of a picture.
pub const MAX_SIDE: u32 = 16_384;
/// Most bytes of a picture, both as a file and decoded.
pub const MAX_BYTES: u64 = 256 << 20;
/// No format here packs more decoded bytes than this into one byte (deflate: 1032, LZW: 2700).
const MAX_RATIO: u64 = 4096;
/// Idle buffers each pool keeps: what a few stages hold at once.
const IDLE: usize = 16;

/// A grey picture as it lies in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Grey {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Samples, row-major; 8-bit files keep their 0..=255.
    pub counts: Buffer<u16>,
    /// Largest count the file can hold: 255 or 65535.
    pub full_scale: u16,
}

/// Decodes picture after picture into pooled buffers. One per source; cloning shares the pools.
#[derive(Debug)]
pub struct PictureReader {
    file: Vec<u8>,
    raw: Vec<u8>,
    bytes: Pool<u8>,
    counts: Pool<u16>,
}

impl Default for PictureReader {
    fn default() -> Self {
        Self { file: Vec::new(), raw: Vec::new(), bytes: Pool::new(IDLE), counts: Pool::new(IDLE) }
    }
}

/// What a header says.
struct Header {
    width: usize,
    height: usize,
    color: ColorType,
    total: usize,
}

impl PictureReader {
    /// A reader with empty pools.
    pub fn new() -> Self {
        Self::default()
    }
    /// How full its pools are, for [`crate::runtime::Source::pools`].
    pub fn pools(&self) -> Vec<(String, PoolFill)> {
        vec![("bytes".into(), self.bytes.fill()), ("counts".into(), self.counts.fill())]
    }
    /// Colour picture; grey becomes three equal channels, 16-bit samples the nearest 8-bit level, alpha is dropped.
    ///
    /// # Errors
    /// Where the file cannot be read or is no whole picture within the limits.
    pub fn rgb(&mut self, path: &Path) -> Result<RgbImage> {
        self.file(path, |s, file, place| s.rgb_from(file, place))
    }
    /// As [`rgb`](Self::rgb), from bytes; `place` is named in errors.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb).
    pub fn rgb_from(&mut self, file: &[u8], place: &str) -> Result<RgbImage> {
        let (head, data) = self.interleaved::<3>(file, place, ColorType::Rgb8, rgb_pixel)?;
        RgbImage::new(head.width, head.height, data)
    }
    /// Torn piece with its transparency; a picture without alpha is opaque throughout.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb).
    pub fn fragment(&mut self, path: &Path) -> Result<Fragment> {
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let (head, data) = self.file(path, |s, file, place| s.interleaved::<4>(file, place, ColorType::Rgba8, rgba_pixel))?;
        Fragment::new(name, head.width, head.height, data)
    }
    /// Thermal picture: 8-bit counts of 255, 16-bit counts of 65535, colour by its luma.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb).
    pub fn thermal(&mut self, path: &Path) -> Result<ThermalImage> {
        self.file(path, |s, file, place| s.thermal_from(file, place))
    }
    /// As [`thermal`](Self::thermal), from bytes; `place` is named in errors.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb).
    pub fn thermal_from(&mut self, file: &[u8], place: &str) -> Result<ThermalImage> {
        let grey = self.grey_from(file, place, true)?;
        ThermalImage::new(grey.width, grey.height, grey.counts, grey.full_scale)
    }
    /// Depth picture of `counts_per_metre`; 0 is a hole. Only 16-bit grey files hold depth.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb), and where the picture is not 16-bit grey.
    pub fn depth(&mut self, path: &Path, counts_per_metre: f32) -> Result<DepthImage> {
        self.file(path, |s, file, place| s.depth_from(file, place, counts_per_metre))
    }
    /// As [`depth`](Self::depth), from bytes; `place` is named in errors.
    ///
    /// # Errors
    /// As for [`depth`](Self::depth).
    pub fn depth_from(&mut self, file: &[u8], place: &str, counts_per_metre: f32) -> Result<DepthImage> {
        let grey = self.grey_from(file, place, false)?;
        if grey.full_scale != u16::MAX {
            return Err(Error::mismatch("16-bit grey depth", "8-bit grey", place));
        }
        DepthImage::from_counts(grey.width, grey.height, &grey.counts, counts_per_metre)
    }
    /// Class or instance numbers: grey files of 8 or 16 bits, sample = label.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb), and where the picture is not grey.
    pub fn labels(&mut self, path: &Path, classes: Arc<ClassList>) -> Result<LabelImage> {
        let grey = self.grey(path)?;
        let labels = Array2::from_shape_vec((grey.height, grey.width), grey.counts.to_vec())
            .map_err(|e| Error::mismatch("a full label image", e.to_string(), path.display().to_string()))?;
        Ok(LabelImage { labels, classes })
    }
    /// Grey picture, 8 or 16 bits, samples as they lie in the file.
    ///
    /// # Errors
    /// As for [`rgb`](Self::rgb), and where the picture is not grey.
    pub fn grey(&mut self, path: &Path) -> Result<Grey> {
        self.file(path, |s, file, place| s.grey_from(file, place, false))
    }

    /// Reads a file into the reader's own buffer and hands it on.
    fn file<T>(&mut self, path: &Path, then: impl FnOnce(&mut Self, &[u8], &str) -> Result<T>) -> Result<T> {
        let mut file = std::mem::take(&mut self.file);
        let result = read_limited(path, &mut file).and_then(|()| then(self, &file, &path.display().to_string()));
        self.file = file;
        result
    }
    /// Decodes to interleaved 8-bit channels: straight into the buffer where the file is stored as `native`, pixel by pixel otherwise.
    fn interleaved<const N: usize>(
        &mut self,
        file: &[u8],
        place: &str,
        native: ColorType,
        pixel: fn(&[u8]) -> [u8; N],
    ) -> Result<(Header, Buffer<u8>)> {
        let (decoder, head) = open(file, place)?;
        if head.color == native {
            let mut data = self.bytes.take(head.total);
            decoder.read_image(&mut data).map_err(|e| undecodable(&e, place))?;
            return Ok((head, data));
        }
        self.decode(decoder, &head, place)?;
        let mut data = self.bytes.take(head.width * head.height * N);
        let channels = usize::from(head.color.channel_count());
        if wide(head.color) {
            // 16-bit samples go to 8 bits first; the nearest level of 257 counts each.
            let narrow = |s: &[u8]| num::level(f32::from(sample(s)) / 257.0);
            let levels = self.raw.chunks_exact(2).map(narrow).collect::<Vec<_>>();
            fill(&mut data, levels.chunks_exact(channels).map(pixel));
        } else {
            fill(&mut data, self.raw.chunks_exact(channels).map(pixel));
        }
        Ok((head, data))
    }
    fn grey_from(&mut self, file: &[u8], place: &str, luma: bool) -> Result<Grey> {
        let (decoder, head) = open(file, place)?;
        if head.color.has_color() && !luma {
            return Err(Error::mismatch("a grey picture", format!("{:?}", head.color), place));
        }
        self.decode(decoder, &head, place)?;
        let mut counts = self.counts.take(head.width * head.height);
        let step = usize::from(head.color.bytes_per_pixel());
        let full_scale = if wide(head.color) { u16::MAX } else { u16::from(u8::MAX) };
        let of = match (head.color.has_color(), wide(head.color)) {
            (false, false) => |p: &[u8]| p.first().copied().map_or(0, u16::from),
            (false, true) => sample,
            (true, false) => |p: &[u8]| if let [r, g, b, ..] = *p { bt601(u16::from(r), u16::from(g), u16::from(b)) } else { 0 },
            (true, true) => |p: &[u8]| {
                let mut s = p.chunks_exact(2).map(sample);
                bt601(s.next().unwrap_or(0), s.next().unwrap_or(0), s.next().unwrap_or(0))
            },
        };
        for (to, from) in counts.iter_mut().zip(self.raw.chunks_exact(step)) {
            *to = of(from);
        }
        Ok(Grey { width: head.width, height: head.height, counts, full_scale })
    }
    fn decode(&mut self, decoder: impl ImageDecoder, head: &Header, place: &str) -> Result<()> {
        self.raw.resize(head.total, 0);
        decoder.read_image(&mut self.raw).map_err(|e| undecodable(&e, place))
    }
}

/// One colour picture, without a reader to keep.
///
/// # Errors
/// As for [`PictureReader::rgb`].
pub fn read_rgb(path: &Path) -> Result<RgbImage> {
    PictureReader::new().rgb(path)
}
/// One grey picture of 8 or 16 bits, samples as they lie in the file.
///
/// # Errors
/// As for [`PictureReader::grey`].
pub fn read_grey16(path: &Path) -> Result<Grey> {
    PictureReader::new().grey(path)
}
/// Columns and rows of a picture, from its header alone.
///
/// # Errors
/// Where the file cannot be read or its header is none within the limits.
pub fn picture_size(path: &Path) -> Result<(usize, usize)> {
    let mut file = Vec::new();
    read_limited(path, &mut file)?;
    open(&file, &path.display().to_string()).map(|(_, head)| (head.width, head.height))
}
/// Whether a file's name ends like a picture's.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    matches!(ending.as_str(), "png" | "jpg" | "jpeg" | "tif" | "tiff" | "bmp")
}
/// The picture files of a folder, sorted by name; hidden ones are not pictures.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn list_pictures(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        let hidden = path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && is_picture(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a regular file of at most [`MAX_BYTES`] into `to`.
fn read_limited(path: &Path, to: &mut Vec<u8>) -> Result<()> {
    to.clear();
    let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        let found = if meta.is_file() { format!("{} bytes", meta.len()) } else { "no regular file".into() };
        return Err(Error::mismatch(format!("a picture file of at most {MAX_BYTES} bytes"), found, path.display().to_string()));
    }
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    file.take(MAX_BYTES).read_to_end(to).map_err(|e| Error::io("read", path, e))?;
    Ok(())
}

/// Reads the header and checks it against the limits, before anything is allocated for pixels.
fn open<'a>(file: &'a [u8], place: &str) -> Result<(impl ImageDecoder + 'a, Header)> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|e| undecodable(&e.into(), place))?;
    if reader.format().is_none() {
        return Err(Error::mismatch("a PNG, JPEG, TIFF or BMP picture", format!("{} other bytes", file.len()), place));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(2 * MAX_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| undecodable(&e, place))?;
    let (width, height) = decoder.dimensions();
    let (color, total) = (decoder.color_type(), decoder.total_bytes());
    let most = (file.len() as u64).saturating_mul(MAX_RATIO).min(MAX_BYTES);
    let head = Header { width: num::usize(width), height: num::usize(height), color, total: usize::try_from(total).unwrap_or(usize::MAX) };
    if total == 0 || total > most || width > MAX_SIDE || height > MAX_SIDE {
        let wanted = format!("1 to {most} bytes of pixels in a file of {} bytes", file.len());
        return Err(Error::mismatch(wanted, format!("{width}x{height} {color:?}"), place));
    }
    if matches!(color, ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8) || wide(color) {
        return Ok((decoder, head));
    }
    Err(Error::mismatch("8- or 16-bit samples", format!("{color:?}"), place))
}

fn undecodable(error: &ImageError, place: &str) -> Error {
    let found = error.to_string().replace('\n', " ");
    Error::mismatch("a whole picture", found, place)
}
fn wide(color: ColorType) -> bool {
    matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16)
}
fn sample(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |b| u16::from_ne_bytes(*b))
}
/// Weights in thousandths add up to one, so equal channels come out unchanged.
fn bt601(r: u16, g: u16, b: u16) -> u16 {
    let sum = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500;
    u16::try_from(sum / 1000).unwrap_or(u16::MAX)
}
fn rgb_pixel(p: &[u8]) -> [u8; 3] {
    match *p {
        [l] | [l, _] => [l; 3],
        [r, g, b, ..] => [r, g, b],
        [] => [0; 3],
    }
}
fn rgba_pixel(p: &[u8]) -> [u8; 4] {
    match *p {
        [l] => [l, l, l, 255],
        [l, a] => [l, l, l, a],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a, ..] => [r, g, b, a],
        [] => [0; 4],
    }
}
fn fill<const N: usize>(data: &mut [u8], pixels: impl Iterator<Item = [u8; N]>) {
    for (to, from) in data.chunks_exact_mut(N).zip(pixels) {
        to.copy_from_slice(&from);
    }
}
