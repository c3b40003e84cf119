//! Tears a picture into fragments, with the truth of where each belongs.
//!
//! *In*: a colour picture, a seed. *Out*: [`Piece`]s. *Invariant*: the same picture, options and seed give the same bytes; every piece hangs together
//! and was cut from the picture along curves that its neighbour shares. The published procedure (code of PairingNet), with bounds where it
//! may go on for ever, and with specks dropped.

mod cut;
mod sheet;

use super::register::Draws;
use crate::types::{Error, Fragment, Result, RgbImage, Rigid};
use sheet::Sheet;

/// Rounds in which a piece is picked and torn.
pub const ROUNDS: usize = 35;
/// No piece may hold a greater share of the picture in the end.
const LARGEST: f64 = 0.15;
/// Tries of one cut.
const TRIES: usize = 11;
/// Attempts to tear a piece that is still too large.
const ATTEMPTS: usize = 15;

/// How it is torn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Seed of every draw.
    pub seed: u64,
    /// Least side of a piece's picture; its square is the least number of pixels. Published: 150.
    pub minimum_side: usize,
    /// Whether each piece is turned by a random angle in the end.
    pub rotate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, minimum_side: 150, rotate: false }
    }
}

/// A torn piece and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// RGBA, with a margin of about 10 transparent pixels.
    pub fragment: Fragment,
    /// Picture pixels from fragment pixels.
    pub to_picture: Rigid,
    /// Opaque pixels.
    pub area: usize,
}

/// Tears a picture; `progress` is called after each of the [`ROUNDS`].
///
/// # Errors
/// The picture is too small for two pieces of the least side, or no cut succeeded.
pub fn tear(picture: &RgbImage, options: &Options, mut progress: impl FnMut()) -> Result<Vec<Piece>> {
    let (width, height) = (picture.width(), picture.height());
    let least = options.minimum_side.max(8);
    if width.min(height) < least || width.max(height) < 2 * least {
        let wanted = format!("at least {} x {least} pixels for pieces of {least}", 2 * least);
        return Err(Error::mismatch(wanted, format!("{width}x{height}"), "the picture to tear"));
    }
    let mut tearing = Tearing { options, draws: Draws(options.seed), pieces: vec![whole(picture)] };
    tearing.first_cut()?;
    for _ in 0..ROUNDS {
        tearing.round();
        progress();
    }
    tearing.large_ones((width * height) as f64 * LARGEST);
    tearing.finish()
}

fn whole(picture: &RgbImage) -> Sheet {
    let opaque = |p: &[u8]| match p {
        [r, g, b] => [*r, *g, *b, 255],
        _ => [0; 4],
    };
    let pixels = picture.data().chunks_exact(3).map(opaque).collect();
    Sheet { width: picture.width(), height: picture.height(), pixels, place: Rigid::default() }
}

struct Tearing<'a> {
    options: &'a Options,
    draws: Draws,
    pieces: Vec<Sheet>,
}

impl Tearing<'_> {
    /// The chord's distance from the sides: 100 pixels for the published least side of 150.
    fn edge(&self) -> f64 {
        self.options.minimum_side as f64 / 1.5
    }

    fn cut(&mut self, index: usize) -> Option<[Sheet; 2]> {
        let edge = self.edge();
        let sheet = self.pieces.get(index)?;
        (0..TRIES).find_map(|_| cut::cut(sheet, edge, &mut self.draws))
    }

    fn first_cut(&mut self) -> Result<()> {
        // The published code gives up after eleven tries; small pictures need more.
        for _ in 0..20 {
            if let Some(halves) = self.cut(0).filter(|halves| halves.iter().all(|h| self.fit(h))) {
                self.pieces = halves.to_vec();
                return Ok(());
            }
        }
        let found = format!("no cut that leaves two pieces of {} pixels", self.options.minimum_side);
        Err(Error::mismatch("a picture that can be torn", found, "the picture to tear; a smaller least side may help"))
    }

    /// Whether a piece is large and compact enough to be kept.
    fn fit(&self, sheet: &Sheet) -> bool {
        let least = self.options.minimum_side;
        let (long, short) = (sheet.width.max(sheet.height), sheet.width.min(sheet.height));
        let area = sheet.area();
        short >= least && area >= least * least && long <= 4 * short && area * 10 >= sheet.width * sheet.height * 3
    }

    fn replace(&mut self, index: usize, [p, n]: [Sheet; 2]) {
        if let Some(slot) = self.pieces.get_mut(index) {
            *slot = p;
            self.pieces.push(n);
        }
    }

    fn round(&mut self) {
        let areas: Vec<f64> = self.pieces.iter().map(|p| p.area() as f64).collect();
        let mut left = self.draws.unit() * areas.iter().sum::<f64>();
        let picked = areas.iter().position(|area| {
            left -= area;
            left <= 0.0
        });
        let Some(index) = picked else { return };
        if let Some(halves) = self.cut(index).filter(|halves| halves.iter().all(|h| self.fit(h))) {
            self.replace(index, halves);
        }
    }

    /// Tears what is larger than `limit` pixels, each piece at most so many times.
    fn large_ones(&mut self, limit: f64) {
        let mut index = 0;
        while index < self.pieces.len() {
            let large = |piece: &Sheet| piece.area() as f64 > limit;
            let halves = self
                .pieces
                .get(index)
                .filter(|p| large(p))
                .is_some()
                .then(|| (0..ATTEMPTS).find_map(|_| self.cut(index).filter(|halves| halves.iter().all(|h| self.fit(h)))));
            match halves.flatten() {
                // The same place again: the first half may still be too large.
                Some(halves) => self.replace(index, halves),
                None => index += 1,
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Piece>> {
        let mut pieces = std::mem::take(&mut self.pieces);
        for last in (1..pieces.len()).rev() {
            pieces.swap(last, self.draws.below(last + 1));
        }
        let mut out = Vec::with_capacity(pieces.len());
        for (index, sheet) in pieces.into_iter().enumerate() {
            let angle = if self.options.rotate { std::f64::consts::TAU * self.draws.unit() } else { 0.0 };
            let contour = sheet.contours().into_iter().next().unwrap_or_default();
            let sheet = if self.options.rotate { sheet.turned(angle, &contour).without_specks() } else { sheet };
            let area = sheet.area();
            let data: Vec<u8> = sheet.pixels.iter().flatten().copied().collect();
            let fragment = Fragment::new(format!("fragment_{index:04}"), sheet.width, sheet.height, data)?;
            out.push(Piece { fragment, to_picture: sheet.place.inverse(), area });
        }
        Ok(out)
    }
}
