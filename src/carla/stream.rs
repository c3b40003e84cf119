//! Framing of streams: a subscriber sends four bytes, then the server sends messages behind their length.
//!
//! *In / Out*: sockets (any `Read`) to message bodies in a buffer that is used again; the 48-byte header of each. *Invariant*: a
//! lying length prefix costs at most the bytes that really arrive, and nothing beyond [`MOST_BYTES`].

use super::layout::{Append, Taker};
use super::structs::Transform;
use crate::types::{Error, Result, num};
use std::io::{self, ErrorKind, Read};

/// Bytes of the header.
pub const HEADER: usize = 48;
/// Longest message taken: an 8K picture is 133 MB.
pub const MOST_BYTES: u32 = 256 << 20;

/// What every message starts with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// Number of the sensor's type; depends on the version and is not needed to read a stream.
    pub kind: u64,
    /// Simulation frame.
    pub frame: u64,
    /// Simulation time, seconds.
    pub time: f64,
    /// World pose of the sensor.
    pub transform: Transform,
}

impl Header {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.kind.to_le_bytes());
        out.extend(self.frame.to_le_bytes());
        out.extend(self.time.to_le_bytes());
        out.transform(&self.transform);
    }
    /// The header of a message, and what is behind it.
    ///
    /// # Errors
    /// Where the message is shorter.
    pub fn read(message: &[u8]) -> Result<(Self, &[u8])> {
        let mut t = Taker::new(message, "stream header");
        let header = Self { kind: t.u64()?, frame: t.u64()?, time: t.f64()?, transform: t.transform()? };
        Ok((header, t.left()))
    }
}

/// A message as it goes on the wire: length, then `body`.
#[cfg(test)]
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + body.len());
    out.extend(num::u32(body.len()).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// What came from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A message is in the buffer.
    Message,
    /// Nothing within the socket's time-out, and nothing begun.
    Quiet,
    /// The server closed the stream, or asked to start over.
    End,
}

/// Reads the next message into `buffer`, whose allocation is kept.
///
/// `patience` is asked whether to go on after each time-out in the middle of a message.
///
/// # Errors
/// Where the length is beyond [`MOST_BYTES`].
pub fn receive(from: &mut impl Read, buffer: &mut Vec<u8>, patience: &mut dyn FnMut() -> bool) -> Result<Arrival> {
    let mut prefix = [0; 4];
    match fill(from, &mut prefix, patience, true) {
        Filled::Whole => {}
        Filled::Nothing => return Ok(Arrival::Quiet),
        Filled::Broken => return Ok(Arrival::End),
    }
    let length = u32::from_le_bytes(prefix);
    if length == 0 {
        return Ok(Arrival::End);
    }
    if length > MOST_BYTES {
        return Err(Error::mismatch(format!("a message of at most {MOST_BYTES} bytes"), length.to_string(), "stream"));
    }
    buffer.clear();
    let mut left = num::usize(length);
    // Grown as bytes arrive, at most a megabyte ahead of them.
    while left > 0 {
        let have = buffer.len();
        let step = left.min((buffer.capacity() - have).max(1 << 20));
        buffer.resize(have + step, 0);
        match buffer.get_mut(have..).map(|room| fill(from, room, patience, false)) {
            Some(Filled::Whole) => left -= step,
            _ => return Ok(Arrival::End),
        }
    }
    Ok(Arrival::Message)
}

#[derive(PartialEq)]
enum Filled {
    Whole,
    Nothing,
    Broken,
}

fn fill(from: &mut impl Read, mut room: &mut [u8], patience: &mut dyn FnMut() -> bool, may_be_quiet: bool) -> Filled {
    let wanted = room.len();
    while !room.is_empty() {
        match from.read(room) {
            Ok(0) => return Filled::Broken,
            Ok(n) => room = room.get_mut(n..).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if waited(&e) && may_be_quiet && room.len() == wanted => return Filled::Nothing,
            Err(e) if waited(&e) && patience() => {}
            Err(_) => return Filled::Broken,
        }
    }
    Filled::Whole
}

/// Whether a read or write only ran into its time-out.
pub(crate) fn waited(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_length_neither_grows_the_buffer_nor_hangs() {
        let mut buffer = Vec::new();
        let lie = [0xff, 0xff, 0xff, 0x7f, 1, 2, 3];
        assert!(receive(&mut &lie[..], &mut buffer, &mut || true).is_err());
        let mut long = 200_000_000_u32.to_le_bytes().to_vec();
        long.extend([7; 100]);
        assert_eq!(receive(&mut &long[..], &mut buffer, &mut || true).unwrap(), Arrival::End);
        assert!(buffer.capacity() < 4 << 20, "{}", buffer.capacity());
        let good = framed(&[5; 10]);
        assert_eq!(receive(&mut &good[..], &mut buffer, &mut || true).unwrap(), Arrival::Message);
        assert_eq!(buffer, [5; 10]);
    }
}
