//! The 24 bytes that name a stream: its number, and where it is served.
//!
//! *In / Out*: packed little-endian bytes to a [`Token`]. *Invariant*: [`Token::address`] never sends a client to an address
//! that only the server's own machine knows.

use crate::types::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a stream is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Token {
    /// Number of the stream.
    pub stream: u32,
    /// TCP port.
    pub port: u16,
    /// 1 is TCP.
    pub protocol: u8,
    /// The server's address, where it says one.
    pub host: Option<IpAddr>,
}

impl Token {
    /// Its size.
    pub const BYTES: usize = 24;

    /// A stream on `port` of whatever host the client talks to.
    pub const fn new(stream: u32, port: u16) -> Self {
        Self { stream, port, protocol: 1, host: None }
    }
    /// Packed.
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let kind = match self.host {
            None => 0,
            Some(IpAddr::V4(_)) => 1,
            Some(IpAddr::V6(_)) => 2,
        };
        let mut host = [0; 16];
        let octets = match self.host {
            None => Vec::new(),
            Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
            Some(IpAddr::V6(v6)) => v6.octets().to_vec(),
        };
        host.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        let all = self.stream.to_le_bytes().into_iter().chain(self.port.to_le_bytes()).chain([self.protocol, kind]).chain(host);
        let mut bytes = [0; Self::BYTES];
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        bytes
    }
    /// Unpacked.
    ///
    /// # Errors
    /// Where there are not 24 bytes.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::mismatch("a token of 24 bytes", format!("{}", bytes.len()), "stream token");
        let whole: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| wrong())?;
        let [s0, s1, s2, s3, p0, p1, protocol, kind, host @ ..] = *whole;
        let [a, b, c, d, ..] = host;
        let host = match kind {
            1 => Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            2 => Some(IpAddr::V6(Ipv6Addr::from(host))),
            _ => None,
        };
        Ok(Self { stream: u32::from_le_bytes([s0, s1, s2, s3]), port: u16::from_le_bytes([p0, p1]), protocol, host })
    }
    /// Where to connect for it, when RPC goes to `rpc`: a server that says nothing, "any", or its own loopback means itself.
    pub fn address(&self, rpc: IpAddr) -> IpAddr {
        self.host.filter(|h| !h.is_unspecified() && (!h.is_loopback() || rpc.is_loopback())).unwrap_or(rpc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_round_and_the_address_reaches_the_server() {
        let far: IpAddr = "10.0.0.7".parse().unwrap();
        for host in [None, Some("127.0.0.1".parse().unwrap()), Some("0.0.0.0".parse().unwrap()), Some("::1".parse().unwrap())] {
            let token = Token { host, ..Token::new(7, 2001) };
            assert_eq!(Token::read(&token.bytes()).unwrap(), token);
            assert_eq!(token.address(far), far);
        }
        let named = Token { host: Some("10.0.0.9".parse().unwrap()), ..Token::new(7, 2001) };
        assert_eq!(named.address(far).to_string(), "10.0.0.9");
        assert!(Token::read(&[0; 23]).is_err());
    }
}
