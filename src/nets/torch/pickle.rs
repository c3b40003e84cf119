//! A pickle machine for state dicts: knows tensors and plain values, calls nothing.
//!
//! *In*: a pickle of protocol 2 to 5. *Out*: a [`Value`] and the [`Heap`] it points into. *Invariant*: a name that is not on the short list of
//! what state dicts are made of is refused, as PyTorch's own `weights_only` loading does; no instruction runs anything. Containers lie flat
//! in the heap and point to each other by number, so that neither depth nor cycles can hurt.

use super::value::{Heap, Kind, Storage, TensorRef, Value};
use std::collections::HashMap;
use std::rc::Rc;

/// Names that may stand in a state dict and have no meaning here.
const OPAQUE: [&str; 15] = [
    "torch.device",
    "torch.Size",
    "torch.serialization._get_layout",
    "torch.float32",
    "torch.float64",
    "torch.float16",
    "torch.bfloat16",
    "torch.int64",
    "torch.int32",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "_codecs.encode",
    "builtins.set",
    "collections.Counter",
];

fn known(name: &str) -> bool {
    matches!(name, "collections.OrderedDict" | "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_parameter")
        || OPAQUE.contains(&name)
        || storage_kind(name).is_some()
}

fn storage_kind(name: &str) -> Option<Kind> {
    let name = name.strip_prefix("torch.")?;
    Kind::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<usize, Value>,
    heap: Heap,
}

/// Reads one pickle; also gives what its containers hold, and says how many bytes it took.
///
/// # Errors
/// One line: it is broken, or asks for something that no state dict needs.
pub fn run(bytes: &[u8]) -> Result<(Value, Heap, usize), String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), heap: Heap::default() };
    while !machine.step()? {}
    let value = machine.pop()?;
    Ok((value, machine.heap, machine.at))
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).ok_or("an impossible length in the pickle")?;
        let part = self.bytes.get(self.at..end).ok_or("the pickle ends early")?;
        self.at = end;
        Ok(part)
    }
    fn unsigned(&mut self, count: usize) -> Result<usize, String> {
        let value = self.take(count)?.iter().rev().fold(0_u64, |v, b| v << 8 | u64::from(*b));
        usize::try_from(value).map_err(|_| "an impossible length in the pickle".to_owned())
    }
    fn text(&mut self, count: usize) -> Result<String, String> {
        String::from_utf8(self.take(count)?.to_vec()).map_err(|_| "text that is not UTF-8".to_owned())
    }
    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\n').ok_or("the pickle ends early")?;
        let text = self.text(length)?;
        self.at += 1;
        Ok(text)
    }
    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "the pickle takes from an empty stack".to_owned())
    }
    fn above_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.stack.iter().rposition(|v| matches!(v, Value::Mark)).ok_or("a pickle without its mark")?;
        let above = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(above)
    }
    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let from = self.stack.len().checked_sub(count).ok_or("the pickle takes from an empty stack")?;
        let items = self.stack.split_off(from);
        let tuple = Value::Tuple(self.heap.add(items));
        self.stack.push(tuple);
        Ok(())
    }
    fn remember(&mut self, index: usize) -> Result<(), String> {
        let top = self.stack.last().cloned().ok_or("the pickle takes from an empty stack")?;
        self.memo.insert(index, top);
        Ok(())
    }
    fn recall(&mut self, index: usize) -> Result<(), String> {
        let value = self.memo.get(&index).cloned().ok_or("the pickle recalls what it never kept")?;
        self.stack.push(value);
        Ok(())
    }
    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let whole = format!("{module}.{name}");
        if !known(&whole) {
            return Err(format!("the pickle asks for `{whole}`, which no state dict needs; save `model.state_dict()` alone"));
        }
        self.stack.push(Value::Name(whole.into()));
        Ok(())
    }

    /// One instruction; whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        let operation = *self.take(1)?.first().unwrap_or(&0);
        if self.stack.len() > 1 << 22 {
            return Err("a pickle that piles up values".to_owned());
        }
        match operation {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(true),
            b'(' => self.stack.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => self.stack.push(self.stack.last().cloned().ok_or("the pickle takes from an empty stack")?),
            b'N' => self.stack.push(Value::Other),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other);
            }
            b'J' | b'K' | b'M' | 0x8a | 0x8b => self.number(operation)?,
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'C' | b'B' | 0x8e | 0x96 => self.string(operation)?,
            b']' => {
                let list = Value::List(self.heap.add(Vec::new()));
                self.stack.push(list);
            }
            b'}' => {
                let dict = Value::Dict(self.heap.add(Vec::new()));
                self.stack.push(dict);
            }
            0x8f => self.stack.push(Value::Other),
            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.above_mark()?;
                let tuple = Value::Tuple(self.heap.add(items));
                self.stack.push(tuple);
            }
            b'a' | b'e' => self.append(operation == b'e')?,
            b's' | b'u' => self.set(operation == b'u')?,
            0x90 => drop(self.above_mark()?),
            b'q' => self.unsigned(1).and_then(|i| self.remember(i))?,
            b'r' => self.unsigned(4).and_then(|i| self.remember(i))?,
            0x94 => self.remember(self.memo.len())?,
            b'h' => self.unsigned(1).and_then(|i| self.recall(i))?,
            b'j' => self.unsigned(4).and_then(|i| self.recall(i))?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&module, &name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.name(&module, &name)?,
                _ => return Err("a name that is not text".to_owned()),
            },
            b'R' | 0x81 => self.reduce()?,
            b'b' => drop(self.pop()?),
            b'Q' => self.persistent()?,
            other => return Err(format!("the pickle holds an instruction 0x{other:02x} that no state dict needs")),
        }
        Ok(false)
    }

    fn number(&mut self, operation: u8) -> Result<(), String> {
        let value = match operation {
            b'J' => Value::Int(i64::from(self.take(4)?.try_into().map_or(0, i32::from_le_bytes))),
            b'K' => Value::Int(self.unsigned(1)?.try_into().unwrap_or(i64::MAX)),
            b'M' => Value::Int(self.unsigned(2)?.try_into().unwrap_or(i64::MAX)),
            _ => {
                let length = self.unsigned(if operation == 0x8a { 1 } else { 4 })?;
                let digits = self.take(length)?;
                if length > 15 {
                    return Err("a number of more than 15 bytes".to_owned());
                }
                let value = digits.iter().rev().fold(0_u128, |v, b| v << 8 | u128::from(*b));
                let negative = digits.last().is_some_and(|b| *b >= 0x80);
                match i64::try_from(value).ok().filter(|_| !negative) {
                    Some(value) => Value::Int(value),
                    None if negative => Value::Other,
                    None => Value::Long(value),
                }
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn string(&mut self, operation: u8) -> Result<(), String> {
        let width = match operation {
            0x8c | b'U' | b'C' => 1,
            b'X' | b'T' | b'B' => 4,
            _ => 8,
        };
        let length = self.unsigned(width)?;
        let value = match operation {
            b'C' | b'B' | 0x8e | 0x96 => {
                self.take(length)?;
                Value::Other
            }
            _ => Value::Text(self.text(length)?.into()),
        };
        self.stack.push(value);
        Ok(())
    }

    fn append(&mut self, several: bool) -> Result<(), String> {
        let items = if several { self.above_mark()? } else { vec![self.pop()?] };
        match self.stack.last() {
            Some(Value::List(list)) => self.heap.extend(*list, items),
            Some(Value::Other) => {}
            _ => return Err("a pickle that appends to no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, several: bool) -> Result<(), String> {
        let items = if several {
            self.above_mark()?
        } else {
            let value = self.pop()?;
            vec![self.pop()?, value]
        };
        match self.stack.last() {
            Some(Value::Dict(pairs)) => {
                if !items.len().is_multiple_of(2) {
                    return Err("a key without a value".to_owned());
                }
                self.heap.extend(*pairs, items);
            }
            Some(Value::Other) => {}
            _ => return Err("a pickle that sets keys of no dictionary".to_owned()),
        }
        Ok(())
    }

    fn persistent(&mut self) -> Result<(), String> {
        let wrong = || "a reference to something that is no storage".to_owned();
        let Value::Tuple(id) = self.pop()? else { return Err(wrong()) };
        let [Value::Text(word), Value::Name(kind), Value::Text(key), _, Value::Int(count), ..] = self.heap.items(id) else {
            return Err(wrong());
        };
        let (Some(kind), Ok(count), "storage") = (storage_kind(kind), usize::try_from(*count), &**word) else { return Err(wrong()) };
        let storage = Storage { key: key.to_string(), kind, count };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    /// What a name makes of its arguments; only the names of [`known`] come here.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Name(name)) = (arguments, callee) else {
            return Err("a pickle that calls what it may not".to_owned());
        };
        let value = match (&*name, self.heap.items(arguments)) {
            ("collections.OrderedDict", []) => Value::Dict(self.heap.add(Vec::new())),
            ("torch._utils._rebuild_tensor_v2", [Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let offset = usize::try_from(*offset).map_err(|_| "a tensor that starts before its storage")?;
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                Value::Tensor(Rc::new(TensorRef { storage: (**storage).clone(), offset, shape, strides }))
            }
            ("torch._utils._rebuild_parameter", [tensor @ Value::Tensor(_), ..]) => tensor.clone(),
            (name, _) if OPAQUE.contains(&name) => Value::Other,
            (name, _) => return Err(format!("`{name}` with arguments it does not take")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn sizes(&self, value: &Value) -> Result<Vec<usize>, String> {
        let wrong = || "a shape that is not whole numbers".to_owned();
        let Value::Tuple(items) = value else { return Err(wrong()) };
        let size = |item: &Value| if let Value::Int(n) = item { usize::try_from(*n).map_err(|_| wrong()) } else { Err(wrong()) };
        self.heap.items(*items).iter().map(size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_run_a_command_is_refused_by_name() {
        let reduce = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
        assert!(run(reduce).unwrap_err().contains("`os.system`"));
        let stacked = b"\x80\x04\x8c\x05posix\x8c\x06system\x93.";
        assert!(run(stacked).unwrap_err().contains("`posix.system`"));
        assert!(run(b"\x80\x02i").unwrap_err().contains("0x69"));
    }

    #[test]
    fn broken_pickles_are_errors() {
        // Tuples in each other, a million deep.
        let deep: Vec<u8> = [&b"\x80\x02)"[..], &[0x85].repeat(1_000_000), b"."].concat();
        assert!(matches!(run(&deep).unwrap().0, Value::Tuple(_)));
        for bytes in [&b""[..], b"\x80\x02", b"0.", b"u.", b"h\x07.", b"X\xff\xff\xff\xff", b"(.", b"R.", b"\x8a\xff"] {
            let _ = run(bytes);
        }
        assert!(run(b"0.").is_err() && run(b"").is_err() && run(b"\x80\x02h\x07.").is_err());
    }
}
