//! Keys of records: opaque text, held small where it is 32 hexadecimal digits, as nearly all are.
//!
//! *In / Out*: text. *Invariant*: two tokens are equal where their texts are.

use super::json::{Json, Parsed};
use std::fmt;

/// Key of a record.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Kind);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Hex([u8; 16]),
    Text(Box<str>),
}

impl Token {
    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Self(hex(text.as_bytes()).map_or_else(|| Kind::Text(text.into()), Kind::Hex))
    }
    /// Whether it is "", which ends chains.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Text(text) if text.is_empty())
    }
    /// Whether it is neither "" nor absent.
    pub fn given(&self) -> Option<&Self> {
        (!self.is_empty()).then_some(self)
    }
    pub(super) fn read(json: &mut Json<'_>) -> Parsed<Self> {
        json.text().map(|text| Self::new(&text))
    }
}

/// Lower-case digits only, so that the text comes back as it was.
fn hex(text: &[u8]) -> Option<[u8; 16]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    if text.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Hex(bytes) => bytes.iter().try_for_each(|b| write!(f, "{b:02x}")),
            Kind::Text(text) => f.write_str(text),
        }
    }
}
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["", "4", "39d5c32ab9f0322ca02f27d5f88c66b8", "39D5C32AB9F0322CA02F27D5F88C66B8", "39d5c32ab9f0322ca02f27d5f88c66bz"] {
            assert_eq!(Token::new(text).to_string(), text);
        }
        assert_ne!(Token::new("39d5c32ab9f0322ca02f27d5f88c66b8"), Token::new("39d5c32ab9f0322ca02f27d5f88c66b9"));
    }
}
