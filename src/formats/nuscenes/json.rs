//! A pull parser for JSON as Python writes it: bare `NaN`, `Infinity` and `-Infinity` are numbers.
//!
//! *In*: the bytes of one whole value. *Out*: text, numbers, lists and objects through closures, nothing allocated for what is
//! passed over. *Invariant*: what is not JSON is told apart from what is JSON of another kind, each with the byte where it begins.

use crate::types::num;
use std::borrow::Cow;

/// What kind of wrong it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongKind {
    /// Not JSON, or cut short.
    Syntax,
    /// JSON of another kind than wanted.
    Type,
    /// A list of another length than wanted.
    Length,
    /// A field is not there.
    Missing,
    /// A name that is none of the known ones.
    Unknown,
    /// The system did not give the bytes.
    Io,
}

/// Something that cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What kind of wrong it is.
    pub kind: WrongKind,
    /// Byte, counted from the start of what was parsed.
    pub at: usize,
    /// The field of the record; empty where none is meant.
    pub field: &'static str,
    /// What the place demands.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

/// A value, or what is wrong with it.
pub type Parsed<T> = Result<T, Box<Wrong>>;

/// A place in JSON text.
#[derive(Debug, Clone)]
pub struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    /// At the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte that is no white space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The error that something is wrong here.
    pub fn wrong(&self, kind: WrongKind, wanted: &str) -> Box<Wrong> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let shown = String::from_utf8_lossy(rest.get(..rest.len().min(40)).unwrap_or_default()).into_owned();
        let end = if shown.is_empty() { "the end".to_owned() } else { format!("`{}`", shown.escape_debug()) };
        Box::new(Wrong { kind, at: self.at, field: "", wanted: wanted.to_owned(), found: end })
    }

    /// The error for a value of another kind: bad syntax where no value begins here.
    fn other(&mut self, wanted: &str) -> Box<Wrong> {
        let begins = self.peek().is_some_and(|b| matches!(b, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I'));
        self.wrong(if begins { WrongKind::Type } else { WrongKind::Syntax }, wanted)
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let there = self.peek().is_some() && self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// Hands each member of an object to `each`, which must take the value.
    ///
    /// # Errors
    /// Where there is no object or `each` refuses.
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Parsed<()>) -> Parsed<()> {
        if !self.take(b'{') {
            return Err(self.other("an object"));
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.text()?;
            if !self.take(b':') {
                return Err(self.wrong(WrongKind::Syntax, "`:`"));
            }
            each(self, &key)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.wrong(WrongKind::Syntax, "`,` or `}`"));
            }
        }
    }

    /// Calls `each` for every item of a list; it must take the value.
    ///
    /// # Errors
    /// Where there is no list or `each` refuses.
    pub fn list(&mut self, mut each: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        if !self.take(b'[') {
            return Err(self.other("a list"));
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.wrong(WrongKind::Syntax, "`,` or `]`"));
            }
        }
    }

    /// Text; borrowed where it holds no escapes.
    ///
    /// # Errors
    /// Where there is none, it does not end or is not UTF-8.
    pub fn text(&mut self) -> Parsed<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.other("text"));
        }
        let bytes: &'a [u8] = self.bytes;
        let body = bytes.get(self.at + 1..).unwrap_or_default();
        let Some(end) = body.iter().position(|b| matches!(b, b'"' | b'\\')) else {
            return Err(self.wrong(WrongKind::Syntax, "text with an end"));
        };
        if body.get(end) == Some(&b'"') {
            let plain = std::str::from_utf8(body.get(..end).unwrap_or_default());
            let plain = plain.map_err(|_| self.wrong(WrongKind::Syntax, "UTF-8"))?;
            self.at += end + 2;
            return Ok(Cow::Borrowed(plain));
        }
        // Escapes are rare: the general parser reads them.
        let length = string_end(body).ok_or_else(|| self.wrong(WrongKind::Syntax, "text with an end"))?;
        let whole = bytes.get(self.at..self.at + length + 2).unwrap_or_default();
        let text = serde_json::from_slice::<String>(whole).map_err(|_| self.wrong(WrongKind::Syntax, "text"))?;
        self.at += length + 2;
        Ok(Cow::Owned(text))
    }

    /// A number; `NaN`, infinities and `null` (as NaN) too.
    ///
    /// # Errors
    /// Where there is none.
    pub fn number(&mut self) -> Parsed<f64> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') if self.word(b"-Infinity") => Ok(f64::NEG_INFINITY),
            Some(b'-' | b'0'..=b'9') => {
                let text = self.digits();
                let number = text.parse::<f64>().ok();
                number.ok_or_else(|| self.wrong(WrongKind::Syntax, "a number")).inspect(|_| self.at += text.len())
            }
            _ if self.word(b"NaN") || self.word(b"null") => Ok(f64::NAN),
            _ if self.word(b"Infinity") => Ok(f64::INFINITY),
            _ => Err(self.other("a number")),
        }
    }

    /// The letters of a number from here on.
    fn digits(&self) -> &'a str {
        let bytes: &'a [u8] = self.bytes;
        let rest = bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
    }

    /// A whole number; one written as a float counts where it is whole.
    ///
    /// # Errors
    /// Where there is none.
    pub fn integer(&mut self) -> Parsed<i64> {
        let before = self.peek().map(|_| self.at);
        if let Ok(whole) = self.digits().parse::<i64>() {
            self.at += self.digits().len();
            return Ok(whole);
        }
        let number = self.number()?;
        if number.fract() == 0.0 && number.abs() < 9.0e15 {
            return Ok(num::round_i64(number));
        }
        self.at = before.unwrap_or(self.at);
        Err(self.wrong(WrongKind::Type, "a whole number"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Where there is neither.
    pub fn boolean(&mut self) -> Parsed<bool> {
        if self.word(b"true") {
            return Ok(true);
        }
        if self.word(b"false") { Ok(false) } else { Err(self.other("true or false")) }
    }

    /// Whether `null` stands here; it is taken.
    pub fn null(&mut self) -> bool {
        self.word(b"null")
    }

    /// A list of exactly `N` numbers.
    ///
    /// # Errors
    /// Where there is no list of numbers or it has another length.
    pub fn numbers<const N: usize>(&mut self) -> Parsed<[f64; N]> {
        let begin = self.clone();
        let (mut values, mut count) = ([0.0; N], 0);
        self.list(|json| {
            let value = json.number()?;
            if let Some(slot) = values.get_mut(count) {
                *slot = value;
            }
            count += 1;
            Ok(())
        })?;
        if count == N {
            return Ok(values);
        }
        let mut wrong = begin.wrong(WrongKind::Length, &format!("{N} numbers"));
        wrong.found = format!("{count}");
        Err(wrong)
    }

    /// Passes over a value.
    ///
    /// # Errors
    /// Where none begins here or it does not end.
    pub fn skip(&mut self) -> Parsed<()> {
        match self.peek() {
            Some(b'"') => self.text().map(drop),
            Some(b'{' | b'[') => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let length = bracket_end(rest).ok_or_else(|| self.wrong(WrongKind::Syntax, "a value with an end"))?;
                self.at += length;
                Ok(())
            }
            Some(b't' | b'f') => self.boolean().map(drop),
            _ => self.number().map(drop),
        }
    }

    /// That nothing but white space follows.
    ///
    /// # Errors
    /// Where something does.
    pub fn end(&mut self) -> Parsed<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong(WrongKind::Syntax, "the end")) }
    }
}

/// Where text ends whose opening quote has been passed: the place of its closing quote.
pub(super) fn string_end(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += body.get(at..)?.iter().position(|b| matches!(b, b'"' | b'\\'))?;
        if body.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The length of the object or list that begins the bytes.
fn bracket_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += 1 + string_end(bytes.get(at + 1..)?)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_python_writes_them() {
        let mut json = Json::new(b"[1, -2.5e-3, NaN, Infinity, -Infinity, null]");
        let mut seen = Vec::new();
        json.list(|j| {
            seen.push(j.number()?);
            Ok(())
        })
        .unwrap();
        assert_eq!(&seen[..2], &[1.0, -0.0025]);
        assert!(seen[2].is_nan() && seen[3] == f64::INFINITY && seen[4] == f64::NEG_INFINITY && seen[5].is_nan());
        assert_eq!(Json::new(b" 1767600002057726 ").integer().unwrap(), 1_767_600_002_057_726);
        assert_eq!(Json::new(b"3.0").integer().unwrap(), 3);
        assert_eq!(Json::new(b"3.5").integer().unwrap_err().kind, WrongKind::Type);
    }

    #[test]
    fn syntax_type_and_length_are_told_apart() {
        assert_eq!(Json::new(b"\"0.5\"").number().unwrap_err().kind, WrongKind::Type);
        assert_eq!(Json::new(b"").number().unwrap_err().kind, WrongKind::Syntax);
        assert_eq!(Json::new(b"[1,2]").numbers::<3>().unwrap_err().kind, WrongKind::Length);
        assert_eq!(Json::new(b"[1,2").numbers::<2>().unwrap_err().kind, WrongKind::Syntax);
        assert_eq!(Json::new(b"{\"a\" 1}").object(|j, _| j.skip()).unwrap_err().at, 5);
        assert_eq!(Json::new(b"\"a").text().unwrap_err().kind, WrongKind::Syntax);
    }

    #[test]
    fn escapes_and_nested_values_are_passed_over() {
        let mut json = Json::new(br#"{"a\u00e9\"": [{"b": "]}\\"}, 1], "c": "d\ne"}"#);
        let mut keys = Vec::new();
        json.object(|j, key| {
            keys.push(key.to_owned());
            j.skip()
        })
        .unwrap();
        assert_eq!(keys, ["a\u{e9}\"", "c"]);
        json.end().unwrap();
    }
}
