//! `sensorium fragments tear`: a picture in, a folder of torn pieces with their truth out.

use super::super::eval::files::Progress;
use super::super::{Ending, Format, Result, output};
use super::set;
use crate::heads::fragments::tear;
use crate::sources::picture::read_rgb;
use crate::types::Error;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `fragments tear`.
#[derive(clap::Args)]
pub struct Args {
    /// The picture, PNG or JPEG, at least 300 x 150 pixels (twice and once the least side)
    picture: PathBuf,
    /// Folder of the pieces: fragment_NNNN.png (RGBA), set.json, contours.json, pairs.json, picture.png
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Least side of a piece in pixels; 150 as published, less for small pictures
    #[arg(long, value_name = "PIXELS", default_value_t = 150)]
    minimum_side: usize,
    /// Turn every piece by a random angle in the end (the published procedure leaves all upright)
    #[arg(long)]
    rotate: bool,
    /// Also write the files of PairingNet's published tools: `fragment NNNN.png`, gt.txt, bg.txt, image.jpg
    #[arg(long)]
    published: bool,
    /// Write into a folder that already holds a set
    #[arg(long)]
    replace: bool,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Tears, writes, says what came out.
pub(super) fn tear(args: &Args) -> Result {
    if !(8..=100_000).contains(&args.minimum_side) {
        return Err(Error::mismatch("8 to 100000 pixels", args.minimum_side.to_string(), "--minimum-side"));
    }
    if args.output.join("set.json").exists() && !args.replace {
        return Err(Error::mismatch("a folder without a set", "set.json", format!("{}; --replace writes over it", args.output.display())));
    }
    let picture = read_rgb(&args.picture)?;
    let options = tear::Options { seed: args.seed, minimum_side: args.minimum_side, rotate: args.rotate };
    let progress = Progress::new("tearing", tear::ROUNDS);
    let torn = tear::tear(&picture, &options, || progress.step()).map_err(|e| e.at(args.picture.display().to_string()))?;
    drop(progress);
    if args.replace {
        remove_old(&args.output)?;
    }
    let name = args.output.file_name().map_or_else(|| "fragments".to_owned(), |n| n.to_string_lossy().into_owned());
    if args.published {
        super::published::save(&args.output, &picture, &torn)?;
    }
    let set = set::save(&args.output, &name, &picture, &torn, &options)?;
    let least = set.fragments.iter().map(|f| f.contour_points).min().unwrap_or(0);
    let most = set.fragments.iter().map(|f| f.contour_points).max().unwrap_or(0);
    match args.format {
        Format::Text => output::result(&format!(
            "{} pieces, {} adjacent pairs, contours of {least} to {most} points in {}",
            set.fragments.len(),
            set.adjacency.len(),
            args.output.display()
        ))?,
        Format::Json => output::json(&json!({ "version": 1, "pieces": set.fragments.len(), "pairs": set.adjacency.len(),
            "shortest_contour": least, "longest_contour": most, "output": args.output }))?,
    }
    Ok(Ending::Done)
}

/// Pieces of a former set, which may have had more of them.
fn remove_old(folder: &std::path::Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for path in entries.filter_map(|e| e.ok().map(|e| e.path())) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name == "set.json" || (name.starts_with("fragment_") && name.ends_with(".png")) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}
