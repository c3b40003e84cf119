//! PyTorch's files of tensors (`.pth`, `.pt`): state dicts in the zip container and in the form before it, read and written.
//!
//! *In*: a file's bytes. *Out*: [`Named`] tensors, halves widened to `f32`; nested dictionaries become dotted names. *Invariant*: nothing in
//! a pickle is ever run, and one that asks for anything but tensors and plain values is refused; every length is checked against the bytes.

mod pickle;
mod value;
mod write;
mod zip;

pub use write::write;

use super::weights::Named;
use burn::tensor::TensorData;
use std::collections::BTreeMap;
use std::ops::Range;
use value::{Heap, Kind, Storage, TensorRef, Value};

/// The largest number of values that a tensor may have beyond those of its storage (expanded tensors repeat values).
const REPEATED: usize = 1 << 20;

/// Dictionaries deeper in each other than this are refused, and files of more tensors than this.
const DEEPEST: usize = 16;
const MOST: usize = 1 << 20;

/// Reads a file's tensors.
///
/// # Errors
/// One line: the bytes are no such file, are cut short, or ask for more than tensors.
pub fn read(bytes: &[u8]) -> Result<Named, String> {
    if bytes.starts_with(b"PK") { read_zip(bytes) } else { read_legacy(bytes) }
}

fn read_zip(bytes: &[u8]) -> Result<Named, String> {
    let entries = zip::entries(bytes)?;
    let named =
        |end: &str| entries.iter().find(|(name, _)| name.split_once('/').is_some_and(|(_, rest)| rest == end)).map(|(_, r)| r.clone());
    let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    let program = named("data.pkl").map(part).ok_or("a zip file without `data.pkl`, so not PyTorch's")?;
    if named("byteorder").is_some_and(|order| part(order).starts_with(b"big")) {
        return Err("values in big-endian order".to_owned());
    }
    let (value, heap, _) = pickle::run(program)?;
    let mut tensors = Vec::new();
    collect(&heap, &value, "", DEEPEST, &mut tensors)?;
    let storage = |key: &str| named(&format!("data/{key}")).map(part);
    tensors
        .into_iter()
        .map(|(name, tensor)| Ok((name.clone(), data(&tensor, storage(&tensor.storage.key)).map_err(|e| format!("`{name}`: {e}"))?)))
        .collect()
}

/// Before 2020: a magic number, a version, the machine, the object, the storages' keys as pickles end to end, then the storages.
fn read_legacy(bytes: &[u8]) -> Result<Named, String> {
    let mut at = 0;
    let mut next = || {
        let (value, heap, used) = pickle::run(bytes.get(at..).unwrap_or_default())?;
        at += used;
        Ok::<(Value, Heap), String>((value, heap))
    };
    if !matches!(next()?.0, Value::Long(magic) if magic == 0x1950_a86a_20f9_469c_fc6c) {
        return Err("not a file of PyTorch's".to_owned());
    }
    let (_, _, (object, heap), (keys, names)) = (next()?, next()?, next()?, next()?);
    let mut tensors = Vec::new();
    collect(&heap, &object, "", DEEPEST, &mut tensors)?;
    let kinds: BTreeMap<&str, Kind> = tensors.iter().map(|(_, t)| (t.storage.key.as_str(), t.storage.kind)).collect();
    let Value::List(keys) = keys else { return Err("no list of storages".to_owned()) };
    let mut storages = BTreeMap::new();
    for key in names.items(keys) {
        let Value::Text(key) = key else { return Err("a storage without a name".to_owned()) };
        let count =
            bytes.get(at..at.saturating_add(8)).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or("the file ends early")?;
        let kind = kinds.get(&**key).ok_or("a storage that no tensor uses")?;
        let size = usize::try_from(count).ok().and_then(|n| n.checked_mul(kind.size())).ok_or("an impossible storage")?;
        let start = at + 8;
        let end = start.checked_add(size).filter(|end| *end <= bytes.len()).ok_or("the file ends early")?;
        storages.insert(key.to_string(), start..end);
        at = end;
    }
    let storage = |key: &str| storages.get(key).and_then(|range| bytes.get(range.clone()));
    tensors
        .iter()
        .map(|(name, tensor)| Ok((name.clone(), data(tensor, storage(&tensor.storage.key)).map_err(|e| format!("`{name}`: {e}"))?)))
        .collect()
}

/// Every tensor below a value, with the dictionary keys that lead to it.
fn collect(heap: &Heap, value: &Value, name: &str, depth: usize, found: &mut Vec<(String, TensorRef)>) -> Result<(), String> {
    match value {
        Value::Tensor(tensor) => found.push((name.to_owned(), (**tensor).clone())),
        Value::Dict(index) => {
            let deeper = depth.checked_sub(1).ok_or("dictionaries too deep in each other")?;
            for (key, value) in heap.items(*index).as_chunks::<2>().0.iter().map(|[key, value]| (key, value)) {
                let key = match key {
                    Value::Text(text) => text.to_string(),
                    Value::Int(number) => number.to_string(),
                    _ => continue,
                };
                collect(heap, value, &if name.is_empty() { key } else { format!("{name}.{key}") }, deeper, found)?;
            }
        }
        _ => {}
    }
    if found.len() > MOST { Err(format!("more than {MOST} tensors")) } else { Ok(()) }
}

/// A tensor's values, row-major.
fn data(tensor: &TensorRef, storage: Option<&[u8]>) -> Result<TensorData, String> {
    let TensorRef { storage: Storage { key, kind, count }, offset, shape, strides } = tensor;
    let size = kind.size();
    let bytes = storage.ok_or_else(|| format!("its storage `{key}` is not in the file"))?;
    let bytes = count.checked_mul(size).and_then(|n| bytes.get(..n)).ok_or("its storage is cut short")?;
    let total = shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side)).filter(|n| *n <= count.saturating_add(REPEATED));
    let (Some(total), true) = (total, shape.len() == strides.len()) else { return Err(format!("an impossible shape {shape:?}")) };
    let reach =
        shape.iter().zip(strides).try_fold(*offset, |end, (side, stride)| side.saturating_sub(1).checked_mul(*stride)?.checked_add(end));
    if total > 0 && reach.is_none_or(|last| last >= *count) {
        return Err(format!("shape {shape:?} with strides {strides:?} leaves its storage of {count} values"));
    }
    let whole = row_major(shape) == *strides;
    let gathered = if whole { None } else { Some(gather(bytes, size, *offset, shape, strides, total)) };
    let values = match &gathered {
        Some(values) => values.as_slice(),
        None if total == 0 => &[],
        None => bytes.get(offset * size..(offset + total) * size).ok_or("its storage is cut short")?,
    };
    Ok(kind.data(values, shape.clone()))
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides: Vec<usize> =
        shape.iter().rev().scan(1_usize, |step, side| Some(std::mem::replace(step, step.saturating_mul((*side).max(1))))).collect();
    strides.reverse();
    strides
}

fn gather(bytes: &[u8], size: usize, offset: usize, shape: &[usize], strides: &[usize], total: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(total * size);
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..total {
        let at = offset + index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
        out.extend_from_slice(bytes.get(at * size..(at + 1) * size).unwrap_or_default());
        for (i, side) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *side {
                break;
            }
            *i = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_followed() {
        let storage: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let tensor = |offset, shape: &[usize], strides: &[usize]| TensorRef {
            storage: Storage { key: "0".into(), kind: Kind::F32, count: 6 },
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        let values = |t: &TensorRef| data(t, Some(&storage)).map(|d| d.as_slice::<f32>().unwrap().to_vec());
        assert_eq!(values(&tensor(0, &[2, 3], &[3, 1])).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(values(&tensor(0, &[3, 2], &[1, 3])).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(values(&tensor(4, &[2], &[1])).unwrap(), [4.0, 5.0]);
        assert_eq!(values(&tensor(2, &[], &[])).unwrap(), [2.0]);
        assert!(values(&tensor(5, &[2], &[1])).is_err());
        assert!(values(&tensor(0, &[usize::MAX, 2], &[1, 1])).is_err());
        assert!(data(&tensor(0, &[6], &[1]), Some(&storage[..20])).is_err());
        assert!(data(&tensor(0, &[6], &[1]), None).is_err());
    }
}
