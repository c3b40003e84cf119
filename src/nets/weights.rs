//! Files of named tensors: reads and writes `.safetensors` and PyTorch `.pth`/`.pt` state dicts.
//!
//! *In*: files with PyTorch's names and layouts. *Out*: [`Weights`], a map from name to tensor on the host, floats as `f32`.
//! *Invariant*: whatever the bytes are, the answer is a value or an error; nothing in a pickle is ever run.
//! Wrappers (`state_dict`, `model_state_dict`) and the prefix `module.` are taken off; [`Weights::read`] leaves out `num_batches_tracked`.

use super::device::quietly;
use super::torch;
use crate::types::{Error, Result, nearest};
use burn::store::{ModuleStore, SafetensorsStore, bridge};
use burn::tensor::{DType, TensorData};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Tensors by name, on the host.
pub type Named = BTreeMap<String, TensorData>;

const WRAPPERS: [&str; 2] = ["state_dict.", "model_state_dict."];

/// Named tensors and where they came from.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// The tensors, floats as `f32`.
    pub tensors: Named,
    /// The file or files, for messages.
    pub place: String,
}

impl Weights {
    /// Opens `FILE`, or several as `fusion=A.pth,seg=B.pth`: each file's names then get its prefix.
    ///
    /// # Errors
    /// A file is missing or broken, or two files bring the same name.
    pub fn open(spec: &str) -> Result<Self> {
        let mut opened = Self::open_all(spec)?;
        opened.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
        Ok(opened)
    }

    /// As [`Weights::open`], with BatchNorm's counters.
    ///
    /// # Errors
    /// A file is missing or broken, or two files bring the same name.
    pub fn open_all(spec: &str) -> Result<Self> {
        let is_prefix = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let parts: Option<Vec<(&str, &str)>> =
            spec.split(',').map(|part| part.split_once('=').filter(|(name, file)| is_prefix(name) && !file.is_empty())).collect();
        let Some(parts) = parts.filter(|_| !Path::new(spec).exists()) else {
            return Self::read_all(Path::new(spec));
        };
        let mut all = Self { tensors: Named::new(), place: spec.to_owned() };
        for (prefix, file) in parts {
            for (name, data) in Self::read_all(Path::new(file))?.tensors {
                let name = format!("{prefix}.{name}");
                if all.tensors.insert(name.clone(), data).is_some() {
                    return Err(Error::mismatch("each tensor once", format!("`{name}` twice"), spec));
                }
            }
        }
        Ok(all)
    }

    /// Reads one file; its kind follows from its extension.
    ///
    /// # Errors
    /// The file is missing, broken, of an unknown kind, or holds no tensors.
    pub fn read(path: &Path) -> Result<Self> {
        let mut read = Self::read_all(path)?;
        read.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
        if read.tensors.is_empty() {
            return Err(Error::mismatch("a readable weight file", "no tensors", read.place));
        }
        Ok(read)
    }

    /// As [`Weights::read`], with BatchNorm's counters.
    ///
    /// # Errors
    /// The file is missing, broken, of an unknown kind, or holds no tensors.
    pub fn read_all(path: &Path) -> Result<Self> {
        let bad = |cause: String| Error::mismatch("a readable weight file", cause, path.display().to_string());
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
        let raw = match extension.as_str() {
            "safetensors" => quietly(|| drain(&mut SafetensorsStore::from_file(path.to_path_buf()))).and_then(|found| found),
            // PyTorch writes the same under any name; these are in use.
            "pth" | "pt" | "tar" | "ckpt" | "bin" => torch::read(&std::fs::read(path).map_err(|e| Error::io("read", path, e))?),
            other => {
                let hint = nearest(other, ["safetensors", "pth", "pt"]).map(|n| format!("; did you mean `.{n}`?")).unwrap_or_default();
                return Err(Error::mismatch(".safetensors, .pth or .pt", format!("`.{other}`{hint}"), path.display().to_string()));
            }
        };
        let tensors = tidy(raw.map_err(bad)?).map_err(bad)?;
        if tensors.is_empty() {
            return Err(bad("no tensors".to_owned()));
        }
        Ok(Self { tensors, place: path.display().to_string() })
    }
}

/// Takes every tensor out of a store as host data.
fn drain<S: ModuleStore>(store: &mut S) -> Result<Named, String>
where
    S::Error: std::fmt::Display,
{
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let tensors = store.get_all_tensors().map_err(|e| one_line(e.to_string()))?;
    tensors
        .iter()
        .map(|(name, tensor)| {
            let data = bridge::to_data(tensor).map_err(|e| one_line(format!("`{name}`: {e}")))?;
            Ok((name.clone(), aligned(data)))
        })
        .collect()
}

/// The same tensor, copied if an unpadded header left its `f32` values off their natural boundary.
fn aligned(data: TensorData) -> TensorData {
    if data.dtype() != DType::F32 || data.as_slice::<f32>().is_ok() {
        return data;
    }
    let values =
        data.as_bytes().chunks_exact(4).map(|four| <[u8; 4]>::try_from(four).map_or(f32::NAN, f32::from_le_bytes)).collect::<Vec<f32>>();
    TensorData::new(values, data.shape().clone())
}

/// Takes wrappers and `module.` off the names and makes every float an `f32`.
fn tidy(raw: Named) -> Result<Named, String> {
    let wrapper = WRAPPERS.into_iter().find(|w| raw.keys().any(|name| name.starts_with(w)));
    let mut tidied = Named::new();
    for (name, data) in raw {
        let Some(name) = wrapper.map_or(Some(name.as_str()), |w| name.strip_prefix(w)) else { continue };
        let name = name.strip_prefix("module.").unwrap_or(name);
        let data = match data.dtype() {
            DType::F64 | DType::F16 | DType::BF16 => data.convert::<f32>(),
            DType::F32 | DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U64 | DType::U32 | DType::U16 | DType::U8 => data,
            DType::Bool(_) => data.convert::<u8>(),
            other => return Err(format!("`{name}` of type {other:?}")),
        };
        if tidied.insert(name.to_owned(), data).is_some() {
            return Err(format!("`{name}` twice"));
        }
    }
    Ok(tidied)
}

/// Writes tensors (row-major, little-endian, names in order), whole or not at all: `.pth` and `.pt` as PyTorch does, else `.safetensors`.
///
/// # Errors
/// A tensor's type has no place in the format, or the file cannot be written.
pub fn save(path: &Path, tensors: &Named) -> Result<()> {
    let torch = path.extension().is_some_and(|e| e == "pth" || e == "pt");
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(&partial)?);
        if torch {
            torch::write(&mut file, tensors)?
        } else {
            safetensors(&mut file, tensors)?
        }
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&partial);
        Error::io("write", path, e)
    })
}

fn safetensors(file: &mut dyn Write, tensors: &Named) -> std::io::Result<()> {
    let mut header = serde_json::Map::new();
    let mut offset = 0_usize;
    for (name, data) in tensors {
        let kind = match data.dtype() {
            DType::F32 => "F32",
            DType::F64 => "F64",
            DType::I64 => "I64",
            DType::I32 => "I32",
            DType::I16 => "I16",
            DType::I8 => "I8",
            DType::U64 => "U64",
            DType::U32 => "U32",
            DType::U16 => "U16",
            DType::U8 => "U8",
            other => {
                let message = format!("`{name}` is of type {other:?}, not plain numbers");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
            }
        };
        let end = offset + data.as_bytes().len();
        let shape: Vec<usize> = data.shape().iter().copied().collect();
        header.insert(name.clone(), serde_json::json!({ "dtype": kind, "shape": shape, "data_offsets": [offset, end] }));
        offset = end;
    }
    let mut text = serde_json::Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    file.write_all(&(text.len() as u64).to_le_bytes())?;
    file.write_all(&text)?;
    tensors.values().try_for_each(|data| file.write_all(data.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Named {
        let tensor = |n: usize| TensorData::new((0..n).map(|i| i as f32 * 0.5 - 1.0).collect::<Vec<_>>(), [n]);
        [("a.weight", 6), ("b.bias", 3)].into_iter().map(|(name, n)| (name.to_owned(), tensor(n))).collect()
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        for path in [path, folder.path().join("w.pth"), folder.path().join("twenty-one-characters.pt")] {
            save(&path, &sample()).unwrap();
            assert_eq!(Weights::read(&path).unwrap().tensors, sample());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no half-written file stays");
    }

    #[test]
    fn a_header_without_padding_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd.safetensors");
        for pad in 0..8 {
            let text = format!(r#"{{"x":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}{}"#, " ".repeat(pad));
            let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
            bytes.extend(text.as_bytes());
            bytes.extend([1.0_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()));
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Weights::read(&path).unwrap().tensors["x"].as_slice::<f32>().unwrap(), [1.0, -2.0]);
        }
    }

    #[test]
    fn wrappers_and_prefixes_come_off_and_half_precision_widens() {
        let half = TensorData::from([1.5_f32, -2.0]).convert_dtype(DType::F16);
        let raw = [
            ("state_dict.module.x".to_owned(), half),
            ("state_dict.module.bn.num_batches_tracked".to_owned(), TensorData::from([3_i64])),
            ("optimizer.y".to_owned(), TensorData::from([1.0_f32])),
        ];
        let tidied = tidy(raw.into_iter().collect()).unwrap();
        assert_eq!(tidied.keys().collect::<Vec<_>>(), ["bn.num_batches_tracked", "x"]);
        assert_eq!(tidied["x"], TensorData::from([1.5_f32, -2.0]));
    }

    #[test]
    fn several_files_get_their_prefixes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        save(&path, &sample()).unwrap();
        let file = path.display();
        let both = Weights::open(&format!("fusion={file},seg={file}")).unwrap();
        assert_eq!(both.tensors.len(), 4);
        assert!(both.tensors.contains_key("seg.a.weight"));
        assert!(Weights::open(&format!("seg={file},seg={file}")).is_err());
        assert!(Weights::open("nowhere.safetensors").unwrap_err().to_string().contains("nowhere"));
        assert!(Weights::read(Path::new("Cargo.toml")).unwrap_err().to_string().contains(".safetensors"));
    }

    fn wrapped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segmif/wrapped.pth")
    }

    #[test]
    fn a_pytorch_file_with_wrapper_prefix_halves_and_counters_is_read() {
        let found = Weights::read(&wrapped()).unwrap().tensors;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a.weight", "h"]);
        assert_eq!(found["a.weight"], TensorData::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]));
        assert_eq!(found["h"], TensorData::from([0.5_f32, -1.0, 2.0]));
    }

    #[test]
    fn hostile_bytes_are_errors_or_values() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("w.safetensors");
        save(&good, &sample()).unwrap();
        let mut state = 7_u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let ours = folder.path().join("w.pth");
        save(&ours, &sample()).unwrap();
        for source in [good, ours, wrapped()] {
            let bytes = std::fs::read(&source).unwrap();
            let path = folder.path().join("m").with_extension(source.extension().unwrap());
            for _ in 0..1500 {
                let mut bad = bytes.clone();
                for _ in 0..=draw(4) {
                    let at = draw(bad.len());
                    bad[at] = draw(256) as u8;
                }
                bad.truncate(bad.len() - draw(2) * draw(bad.len()));
                std::fs::write(&path, &bad).unwrap();
                let _ = Weights::read(&path);
            }
        }
    }
}
