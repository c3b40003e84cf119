//! The calling side of RPC: one connection, one call at a time, every wait with an end.
//!
//! *Invariant*: an answer is matched by its number, so one that comes after its call was given up never answers another call.

use super::super::call::Call;
use super::super::rpc::{request, split_answer};
use super::super::scan::Scan;
use super::super::stream::waited;
use super::super::version::Version;
use crate::types::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A connection to a server's RPC port.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    place: String,
    bytes: Vec<u8>,
    scan: Scan,
    next: u32,
    pub version: Version,
}

impl Link {
    /// Connects; nothing is said yet.
    pub fn connect(host: &str, port: u16, patience: Duration) -> Result<Self> {
        let place = format!("{host}:{port}");
        let refused = |e: std::io::Error| Error::unavailable(format!("a CARLA server at {place}"), e.to_string());
        let addresses: Vec<_> = (host, port).to_socket_addrs().map_err(refused)?.collect();
        let mut last = Error::unavailable(format!("a CARLA server at {place}"), "the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(socket) => {
                    let _plain = socket.set_nodelay(true);
                    let _plain = socket.set_write_timeout(Some(patience));
                    return Ok(Self { socket, place, bytes: Vec::new(), scan: Scan::default(), next: 1, version: Version::default() });
                }
                Err(e) => last = refused(e),
            }
        }
        Err(last)
    }
    /// The server's address.
    pub fn address(&self) -> Option<IpAddr> {
        self.socket.peer_addr().ok().map(|a| a.ip())
    }
    /// Where it goes, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }
    /// Sends a call and waits for its result's bytes.
    pub fn exchange(&mut self, call: &Call, patience: Duration) -> Result<Vec<u8>> {
        let end = Instant::now() + patience;
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let broken = |place: &str, e: &dyn std::fmt::Display| {
            Error::unavailable(format!("the CARLA server at {place}"), format!("{}: {e}", call.method()))
        };
        self.socket.write_all(&request(id, call, self.version)).map_err(|e| broken(&self.place, &e))?;
        loop {
            let came = self.message(end).map_err(|e| broken(&self.place, &e))?;
            let message = came.ok_or_else(|| broken(&self.place, &format!("no answer within {:.1} s", patience.as_secs_f64())))?;
            let (answered, result) = split_answer(&message, self.version)?;
            if answered == id {
                return result.map_err(|e| e.at(call.method()));
            }
        }
    }
    /// The next whole message; none at the end of patience.
    fn message(&mut self, end: Instant) -> Result<Option<Vec<u8>>> {
        let mut chunk = [0; 64 << 10];
        loop {
            if !self.bytes.is_empty()
                && let Some(length) = self.scan.whole(&self.bytes)?
            {
                let rest = self.bytes.split_off(length.min(self.bytes.len()));
                self.scan = Scan::default();
                return Ok(Some(std::mem::replace(&mut self.bytes, rest)));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let _plain = self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(Error::unavailable("the connection", "the server closed it")),
                Ok(count) => self.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(e) if waited(&e) || e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::unavailable("the connection", e.to_string())),
            }
        }
    }
}
