//! Where one MessagePack message ends, found while its bytes arrive: the RPC port has no length prefix.
//!
//! *In*: bytes as they come. *Out*: the length of the first whole message. *Invariant*: each byte is looked at once however
//! thinly the peer slices its message, and a message that announces more than the limit is refused at the announcement.

use crate::types::{Error, Result};

/// Most bytes of one message: an uploaded OpenDRIVE text or texture fits, a lie does not.
pub const MOST_BYTES: u64 = 64 << 20;

/// One value's own bytes, without the values that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Marker and length.
    pub head: usize,
    /// Bytes behind the head.
    pub body: u32,
    /// Values that follow inside.
    pub values: u64,
}

/// The part at the start of `bytes`, or `None` where its head is not complete.
pub(crate) fn part(bytes: &[u8]) -> Option<Part> {
    let (first, rest) = bytes.split_first()?;
    let n8 = || rest.first().map(|b| u32::from(*b));
    let n16 = || rest.first_chunk().map(|b| u32::from(u16::from_be_bytes(*b)));
    let n32 = || rest.first_chunk().map(|b| u32::from_be_bytes(*b));
    let plain = |body: u32| Some(Part { head: 1, body, values: 0 });
    let sized = |head: usize, body: Option<u32>| body.map(|body| Part { head, body, values: 0 });
    let holds = |head: usize, values: Option<u32>, each: u64| values.map(|n| Part { head, body: 0, values: u64::from(n) * each });
    match *first {
        0x80..=0x8f => holds(1, Some(u32::from(first & 0x0f)), 2),
        0x90..=0x9f => holds(1, Some(u32::from(first & 0x0f)), 1),
        0xa0..=0xbf => plain(u32::from(first & 0x1f)),
        0xc4 | 0xd9 => sized(2, n8()),
        0xc5 | 0xda => sized(3, n16()),
        0xc6 | 0xdb => sized(5, n32()),
        // Extensions: one byte of type before the body.
        0xc7 => sized(3, n8().filter(|_| rest.len() > 1)),
        0xc8 => sized(4, n16().filter(|_| rest.len() > 2)),
        0xc9 => sized(6, n32().filter(|_| rest.len() > 4)),
        0xcc | 0xd0 => plain(1),
        0xcd | 0xd1 | 0xd4 => plain(2),
        0xca | 0xce | 0xd2 => plain(4),
        0xcb | 0xcf | 0xd3 => plain(8),
        0xd5 => plain(3),
        0xd6 => plain(5),
        0xd7 => plain(9),
        0xd8 => plain(17),
        0xdc => holds(3, n16(), 1),
        0xdd => holds(5, n32(), 1),
        0xde => holds(3, n16(), 2),
        0xdf => holds(5, n32(), 2),
        _ => plain(0),
    }
}

/// How far into the first message one has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    at: u64,
    values: u64,
}

impl Default for Scan {
    fn default() -> Self {
        Self { at: 0, values: 1 }
    }
}

impl Scan {
    /// Looks on in `bytes`, which start with the first message's first byte: its length, or `None` where bytes are missing.
    ///
    /// # Errors
    /// Where the message is or will be longer than [`MOST_BYTES`].
    pub fn whole(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        while self.values > 0 {
            let Some(part) = usize::try_from(self.at).ok().and_then(|at| bytes.get(at..)).and_then(part) else { return Ok(None) };
            self.at += part.head as u64 + u64::from(part.body);
            self.values = self.values - 1 + part.values;
            // Every value still announced is at least a byte.
            let least = self.at.saturating_add(self.values);
            if least > MOST_BYTES {
                return Err(Error::mismatch(format!("a message of at most {MOST_BYTES} bytes"), format!("{least} announced"), "RPC"));
            }
        }
        Ok(usize::try_from(self.at).ok().filter(|at| *at <= bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_single_bytes_ends_where_it_ends() {
        let message = [0x94, 0x00, 0x01, 0xa3, b'a', b'b', b'c', 0x91, 0x91, 0xc2];
        let mut scan = Scan::default();
        for have in 0..message.len() {
            assert_eq!(scan.whole(&message[..have]).unwrap(), None, "{have}");
        }
        let mut more = message.to_vec();
        more.push(0x94);
        assert_eq!(scan.whole(&more).unwrap(), Some(message.len()));
    }

    #[test]
    fn two_gigabytes_are_refused_at_their_announcement() {
        for lie in [&[0x91, 0xc6, 0x7f, 0xff, 0xff, 0xff][..], &[0xdd, 0xff, 0xff, 0xff, 0xff], &[0xdf, 0x7f, 0xff, 0xff, 0xff]] {
            assert!(Scan::default().whole(lie).is_err());
        }
    }
}
