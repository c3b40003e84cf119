//! Listening to a stream: a thread reads, a short queue waits, the reader takes by frame.
//!
//! *Out*: whole messages. *Invariant*: a stream that the server closed is opened again without a word, because quiet streams are
//! closed by real servers; a reader that is too slow loses the oldest messages, and they are counted.

use super::super::snapshot::Snapshot;
use super::super::stream::{Arrival, Header, receive};
use crate::types::{Error, Result};
use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Messages that wait for a reader.
const MOST_WAITING: usize = 64;

#[derive(Debug, Default)]
struct Mailbox {
    waiting: Mutex<VecDeque<Vec<u8>>>,
    news: Condvar,
    spare: Mutex<Vec<Vec<u8>>>,
    stop: AtomicBool,
    socket: Mutex<Option<TcpStream>>,
    opened: AtomicU64,
    lost: AtomicU64,
}

/// A stream being listened to; closed when dropped.
#[derive(Debug)]
pub struct Stream {
    name: String,
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

fn hold<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    /// Starts listening to stream `number` at `address`.
    pub(crate) fn open(name: &str, address: SocketAddr, number: u32) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let theirs = Arc::clone(&mailbox);
        let thread = std::thread::Builder::new()
            .name(format!("carla-{name}"))
            .spawn(move || theirs.listen(address, number))
            .map_err(|e| Error::unavailable("a thread", e.to_string()))?;
        Ok(Self { name: name.to_owned(), mailbox, thread: Some(thread) })
    }
    /// Whose stream it is.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// How often it was opened: 1 for a stream that never broke.
    pub fn opened(&self) -> u64 {
        self.mailbox.opened.load(Ordering::Relaxed)
    }
    /// Messages lost because nobody took them.
    pub fn lost(&self) -> u64 {
        self.mailbox.lost.load(Ordering::Relaxed)
    }
    /// The next message, if one comes in time.
    pub fn next(&self, patience: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + patience;
        let mut waiting = hold(&self.mailbox.waiting);
        loop {
            if let Some(message) = waiting.pop_front() {
                return Some(message);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            waiting = self.mailbox.news.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
    /// The message of this frame; earlier ones are dropped. A later one means that this frame's is lost.
    ///
    /// # Errors
    /// Where it does not come in time, with sensor and frames, or a message is not one.
    pub fn frame(&self, frame: u64, patience: Duration) -> Result<Vec<u8>> {
        let end = Instant::now() + patience;
        let mut last = None;
        loop {
            let Some(message) = self.next(end.saturating_duration_since(Instant::now())) else {
                let found = last.map_or_else(|| "nothing".to_owned(), |f: u64| format!("frame {f} as the last"));
                let wanted = format!("frame {frame} within {:.1} s", patience.as_secs_f64());
                return Err(Error::mismatch(wanted, found, format!("sensor `{}`", self.name)));
            };
            let (header, _) = Header::read(&message).map_err(|e| e.at(self.name.clone()))?;
            if header.frame == frame {
                return Ok(message);
            }
            if header.frame > frame {
                hold(&self.mailbox.waiting).push_front(message);
                return Err(Error::mismatch(
                    format!("frame {frame}"),
                    format!("frame {}", header.frame),
                    format!("sensor `{}`", self.name),
                ));
            }
            last = Some(header.frame);
            self.give_back(message);
        }
    }
    /// The first snapshot of this frame or later.
    ///
    /// # Errors
    /// Where none comes in time.
    pub fn snapshot(&self, frame: u64, patience: Duration) -> Result<Snapshot> {
        let end = Instant::now() + patience;
        loop {
            let Some(message) = self.next(end.saturating_duration_since(Instant::now())) else {
                return Err(Error::mismatch(
                    format!("a snapshot of frame {frame}"),
                    format!("none within {:.1} s", patience.as_secs_f64()),
                    "CARLA",
                ));
            };
            let snapshot = Snapshot::read(&message)?;
            self.give_back(message);
            if snapshot.header.frame >= frame {
                return Ok(snapshot);
            }
        }
    }
    /// Everything that waits is forgotten.
    pub fn clear(&self) {
        hold(&self.mailbox.waiting).clear();
    }
    /// Returns a message's memory for the next one.
    pub fn give_back(&self, message: Vec<u8>) {
        let mut spare = hold(&self.mailbox.spare);
        if spare.len() < 4 {
            spare.push(message);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.mailbox.stop.store(true, Ordering::Relaxed);
        if let Some(socket) = hold(&self.mailbox.socket).as_ref() {
            let _gone = socket.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _over = thread.join();
        }
    }
}

impl Mailbox {
    fn listen(&self, address: SocketAddr, number: u32) {
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
                self.pause(Duration::from_millis(500));
                continue;
            };
            self.follow(socket, number);
            *hold(&self.socket) = None;
            self.pause(Duration::from_millis(5));
        }
    }
    fn pause(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5).min(wait));
        }
    }
    fn follow(&self, mut socket: TcpStream, number: u32) {
        let _plain = socket.set_nodelay(true);
        let _plain = socket.set_read_timeout(Some(Duration::from_millis(250)));
        *hold(&self.socket) = socket.try_clone().ok();
        if socket.write_all(&number.to_le_bytes()).is_err() {
            return;
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        while !self.stop.load(Ordering::Relaxed) {
            let mut buffer = hold(&self.spare).pop().unwrap_or_default();
            match receive(&mut socket, &mut buffer, &mut || !self.stop.load(Ordering::Relaxed)) {
                Ok(Arrival::Message) => self.keep(buffer),
                Ok(Arrival::Quiet) => {}
                Ok(Arrival::End) => return,
                Err(refused) => {
                    tracing::debug!("stream {number}: {refused}");
                    return;
                }
            }
        }
    }
    fn keep(&self, message: Vec<u8>) {
        let mut waiting = hold(&self.waiting);
        waiting.push_back(message);
        if waiting.len() > MOST_WAITING {
            waiting.pop_front();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        drop(waiting);
        self.news.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::stream::framed;
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn a_stream_that_the_server_closes_is_opened_again_without_a_word() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Stream::open("quiet", port.local_addr().unwrap(), 77).unwrap();
        let message = |frame: u64| {
            let mut body = Vec::new();
            Header { frame, ..Header::default() }.write(&mut body);
            framed(&body)
        };
        // Real servers close what was silent for ten seconds: at once, after a message, in the middle of one, and by a length of 0.
        for (round, last) in [&b""[..], b"", b"\x40\x00\x00\x00abc", b"\x00\x00\x00\x00"].into_iter().enumerate() {
            let (mut socket, _) = port.accept().unwrap();
            let mut wanted = [0; 4];
            socket.read_exact(&mut wanted).unwrap();
            assert_eq!(u32::from_le_bytes(wanted), 77);
            if round > 0 {
                socket.write_all(&message(round as u64)).unwrap();
            }
            socket.write_all(last).unwrap();
        }
        let (mut socket, _) = port.accept().unwrap();
        socket.read_exact(&mut [0; 4]).unwrap();
        socket.write_all(&message(9)).unwrap();
        for frame in [1, 2, 3, 9] {
            assert!(stream.frame(frame, Duration::from_secs(5)).is_ok(), "frame {frame}");
        }
        assert_eq!((stream.opened(), stream.lost()), (5, 0));
    }
}
