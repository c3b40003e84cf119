//! A large JSON file in batches of whole values, so that it is never held whole and many threads can parse it.
//!
//! *In*: a reader. *Out*: [`Batch`]es of members of an object or items of a list, in the file's order. *Invariant*: at most two
//! batches and the longest single value are in memory; while one batch is parsed the next is read.

use super::json::{Json, Parsed, Wrong, WrongKind, string_end};
use std::io::Read;
use std::ops::Range;

/// Bytes that make a batch.
const BATCH: usize = 4 << 20;
/// Bytes asked of the reader at once.
const STEP: usize = 1 << 20;

/// One value of a batch.
#[derive(Debug, Clone)]
struct Span {
    key: Range<usize>,
    value: Range<usize>,
}

/// Whole values and the text that they lie in.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// Byte of the file at which `bytes` begins.
    base: usize,
    last: bool,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }
    /// Key (with its quotes; empty in a list), value, and the value's place in the file.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8], usize)> {
        let span = self.spans.get(index)?;
        Some((self.bytes.get(span.key.clone())?, self.bytes.get(span.value.clone())?, self.base + span.value.start))
    }
}

/// A place in a file that is read on demand.
pub(super) struct Window<R> {
    input: R,
    bytes: Vec<u8>,
    at: usize,
    base: usize,
    after_value: bool,
}

impl<R: Read> Window<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, bytes: Vec::new(), at: 0, base: 0, after_value: false }
    }

    fn more(&mut self) -> Parsed<bool> {
        let before = self.bytes.len();
        let read = self.input.by_ref().take(STEP as u64).read_to_end(&mut self.bytes);
        read.map_err(|e| self.wrong(WrongKind::Io, &format!("a readable file ({e})")))?;
        Ok(self.bytes.len() > before)
    }

    fn wrong(&self, kind: WrongKind, wanted: &str) -> Box<Wrong> {
        let mut wrong = Json::new(self.bytes.get(self.at..).unwrap_or_default()).wrong(kind, wanted);
        wrong.at += self.base + self.at;
        wrong
    }

    /// The next byte that is no white space, without taking it.
    fn peek(&mut self) -> Parsed<Option<u8>> {
        loop {
            while let Some(byte) = self.bytes.get(self.at) {
                if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                    return Ok(Some(*byte));
                }
                self.at += 1;
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Takes an opening bracket.
    pub(super) fn open(&mut self, bracket: u8, wanted: &str) -> Parsed<()> {
        match self.peek()? {
            Some(byte) if byte == bracket => {
                self.at += 1;
                self.after_value = false;
                Ok(())
            }
            Some(b'{' | b'[' | b'"' | b'0'..=b'9' | b't' | b'f' | b'n') => Err(self.wrong(WrongKind::Type, wanted)),
            _ => Err(self.wrong(WrongKind::Syntax, wanted)),
        }
    }

    /// Goes to the next value of the object or list that is open; false where it closes.
    fn step(&mut self) -> Parsed<bool> {
        let byte = self.peek()?;
        if matches!(byte, Some(b']' | b'}')) {
            self.at += 1;
            self.after_value = true;
            return Ok(false);
        }
        if self.after_value {
            if byte != Some(b',') {
                return Err(self.wrong(WrongKind::Syntax, "`,` or a closing bracket"));
            }
            self.at += 1;
            self.peek()?;
        }
        Ok(true)
    }

    /// The key of the next member, up to its value; `None` where the object closes.
    pub(super) fn key(&mut self) -> Parsed<Option<String>> {
        if !self.step()? {
            return Ok(None);
        }
        let span = self.key_span()?;
        let text = self.bytes.get(span).map(|b| Json::new(b).text().map(std::borrow::Cow::into_owned));
        text.transpose()
    }

    fn key_span(&mut self) -> Parsed<Range<usize>> {
        if self.peek()? != Some(b'"') {
            return Err(self.wrong(WrongKind::Syntax, "a key"));
        }
        let key = self.span()?;
        if self.peek()? != Some(b':') {
            return Err(self.wrong(WrongKind::Syntax, "`:`"));
        }
        self.at += 1;
        self.peek()?;
        Ok(key)
    }

    /// The value here, which must be small.
    pub(super) fn value(&mut self) -> Parsed<&[u8]> {
        let span = self.span()?;
        self.after_value = true;
        Ok(self.bytes.get(span).unwrap_or_default())
    }

    /// Takes the value here; where it lies.
    fn span(&mut self) -> Parsed<Range<usize>> {
        self.peek()?;
        let (start, mut at, mut depth) = (self.at, self.at, 0_usize);
        loop {
            let end = loop {
                match self.bytes.get(at) {
                    None => break None,
                    Some(b'"') => match self.bytes.get(at + 1..).and_then(string_end) {
                        Some(length) => at += length + 1,
                        None => break None,
                    },
                    Some(b'{' | b'[') => depth += 1,
                    Some(b'}' | b']') if depth > 0 => depth -= 1,
                    Some(b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t') if depth == 0 => break Some(at),
                    // Inside brackets, or a number or word that goes on to the next separator.
                    Some(_) => {
                        at += 1;
                        continue;
                    }
                }
                at += 1;
                if depth == 0 {
                    break Some(at);
                }
            };
            if let Some(end) = end {
                self.at = end;
                return if end > start { Ok(start..end) } else { Err(self.wrong(WrongKind::Syntax, "a value")) };
            }
            if !self.more()? {
                let word = depth == 0 && self.bytes.get(start).is_some_and(|b| *b != b'"');
                if word && at > start {
                    self.at = at;
                    return Ok(start..at);
                }
                let mut wrong = self.wrong(WrongKind::Syntax, "a value with an end");
                wrong.found = format!("the end of the file at byte {}", self.base + self.bytes.len());
                return Err(wrong);
            }
        }
    }

    /// The next values of the object or list that is open; the last batch takes the closing bracket.
    pub(super) fn batch(&mut self, keyed: bool) -> Parsed<Batch> {
        let rest = self.bytes.split_off(self.at.min(self.bytes.len()));
        self.base += self.bytes.len();
        self.bytes = rest;
        self.at = 0;
        let (mut spans, mut last) = (Vec::new(), false);
        while self.at < BATCH {
            if !self.step()? {
                last = true;
                break;
            }
            let key = if keyed { self.key_span()? } else { 0..0 };
            let value = self.span()?;
            self.after_value = true;
            spans.push(Span { key, value });
        }
        let tail = self.bytes.split_off(self.at.min(self.bytes.len()));
        let bytes = std::mem::replace(&mut self.bytes, tail);
        let base = self.base;
        self.base += bytes.len();
        self.at = 0;
        Ok(Batch { bytes, spans, base, last })
    }

    /// That nothing but white space follows.
    pub(super) fn end(&mut self) -> Parsed<()> {
        if self.peek()?.is_none() { Ok(()) } else { Err(self.wrong(WrongKind::Syntax, "the end of the file")) }
    }
}

/// Parses the open object or list: `parse` sees batches, perhaps while the next one is read; `take` gets what it made, in order.
pub(super) fn drain<R: Read + Send, T: Send>(
    window: &mut Window<R>,
    keyed: bool,
    parse: impl Fn(&Batch) -> T + Sync,
    mut take: impl FnMut(T),
) -> Parsed<()> {
    let mut batch = window.batch(keyed)?;
    while !batch.last {
        let (made, next) = rayon::join(|| parse(&batch), || window.batch(keyed));
        take(made);
        batch = next?;
    }
    take(parse(&batch));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn items(text: &str) -> Parsed<Vec<String>> {
        let mut window = Window::new(Slow(text.as_bytes()));
        window.open(b'[', "a list")?;
        let mut found = Vec::new();
        let each = |b: &Batch| (0..b.len()).map(|i| String::from_utf8(b.get(i).unwrap().1.to_vec()).unwrap()).collect::<Vec<_>>();
        drain(&mut window, false, each, |t| found.extend(t))?;
        window.end()?;
        Ok(found)
    }

    #[test]
    fn values_are_cut_at_their_ends() {
        assert_eq!(
            items(r#" [ {"a":"]\"}"} , 12 ,"x,", [1,[2]],null ] "#).unwrap(),
            [r#"{"a":"]\"}"}"#, "12", r#""x,""#, "[1,[2]]", "null"]
        );
        assert_eq!(items("[]").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_cut_file_and_a_missing_comma_are_syntax() {
        for text in ["[1, {\"a\": 2", "[1 2]", "[1,2", "", "[1] x", "[\"a"] {
            assert_eq!(items(text).unwrap_err().kind, WrongKind::Syntax, "{text}");
        }
        assert_eq!(items("{\"a\": 1}").unwrap_err().kind, WrongKind::Type);
    }

    #[test]
    fn members_come_with_their_keys() {
        let mut window = Window::new(&br#"{"meta": {"x": 1}, "results": {"a": [1], "b": []}}"#[..]);
        window.open(b'{', "an object").unwrap();
        assert_eq!(window.key().unwrap().unwrap(), "meta");
        assert_eq!(window.value().unwrap(), br#"{"x": 1}"#);
        assert_eq!(window.key().unwrap().unwrap(), "results");
        window.open(b'{', "an object").unwrap();
        let batch = window.batch(true).unwrap();
        assert_eq!((batch.len(), batch.get(1).unwrap().0, batch.get(1).unwrap().1), (2, &b"\"b\""[..], &b"[]"[..]));
        assert!(window.key().unwrap().is_none());
        window.end().unwrap();
    }
}
