//! Who listens to which stream. One thread a listener, one bounded queue each.
//!
//! *In*: messages from the world's thread, shared. *Out*: sockets. *Invariant*: a listener that reads slowly, or not at all, costs
//! itself its oldest messages and nobody else anything: publishing never waits.

use super::super::stream::waited;
use crate::types::num;
use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait for one listener; one message may always wait.
const MOST_WAITING: usize = 48 << 20;
/// Listeners at once.
const MOST_LISTENERS: usize = 256;
/// A listener that has not said what it wants by then is let go.
const PATIENCE: Duration = Duration::from_secs(5);
/// A listener that has taken nothing for so long is let go.
const STALLED: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Arc<Vec<u8>>>,
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
struct Listener {
    number: u64,
    queue: Mutex<Queue>,
    news: Condvar,
}

/// The streams of a server.
#[derive(Debug, Default)]
pub struct Hub {
    /// Streams that exist, and their listeners.
    streams: Mutex<HashMap<u32, Vec<Arc<Listener>>>>,
    count: AtomicUsize,
    joined: AtomicU64,
    lost: AtomicU64,
}

fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Opens a stream to listeners.
    pub fn open(&self, stream: u32) {
        hold(&self.streams).entry(stream).or_default();
    }
    /// Ends a stream and lets its listeners go.
    pub fn close(&self, stream: u32) {
        let listeners = hold(&self.streams).remove(&stream).unwrap_or_default();
        for listener in listeners {
            hold(&listener.queue).closed = true;
            listener.news.notify_one();
        }
    }
    /// Whether anybody listens.
    pub fn wanted(&self, stream: u32) -> bool {
        hold(&self.streams).get(&stream).is_some_and(|l| !l.is_empty())
    }
    /// Messages that slow listeners have lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
    /// Listeners now.
    pub fn listeners(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
    /// Gives a whole message, length prefix included, to everybody who listens.
    pub fn publish(&self, stream: u32, message: Vec<u8>) {
        let message = Arc::new(message);
        let streams = hold(&self.streams);
        for listener in streams.get(&stream).into_iter().flatten() {
            let mut queue = hold(&listener.queue);
            queue.bytes += message.len();
            queue.messages.push_back(Arc::clone(&message));
            while queue.bytes > MOST_WAITING && queue.messages.len() > 1 {
                if let Some(oldest) = queue.messages.pop_front() {
                    queue.bytes -= oldest.len();
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            drop(queue);
            listener.news.notify_one();
        }
    }
    fn join(&self, stream: u32) -> Option<Arc<Listener>> {
        let number = self.joined.fetch_add(1, Ordering::Relaxed);
        let listener = Arc::new(Listener { number, queue: Mutex::default(), news: Condvar::new() });
        hold(&self.streams).get_mut(&stream)?.push(Arc::clone(&listener));
        Some(listener)
    }
    fn leave(&self, stream: u32, number: u64) {
        if let Some(listeners) = hold(&self.streams).get_mut(&stream) {
            listeners.retain(|l| l.number != number);
        }
    }
    /// Takes listeners until told to stop.
    pub fn serve(self: &Arc<Self>, port: &TcpListener, stop: &Arc<AtomicBool>) {
        accept(port, stop, |socket| {
            if self.count.fetch_add(1, Ordering::Relaxed) >= MOST_LISTENERS {
                self.count.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            let (hub, stop) = (Arc::clone(self), Arc::clone(stop));
            let body = move || {
                hub.attend(socket, &stop);
                hub.count.fetch_sub(1, Ordering::Relaxed);
            };
            let _thread = std::thread::Builder::new().name("carla-stream".into()).spawn(body);
        });
    }
    fn attend(&self, mut socket: TcpStream, stop: &AtomicBool) {
        let _plain = socket.set_nodelay(true);
        let _plain = socket.set_read_timeout(Some(PATIENCE));
        let mut wanted = [0; 4];
        if socket.read_exact(&mut wanted).is_err() {
            return;
        }
        let stream = u32::from_le_bytes(wanted);
        let Some(listener) = self.join(stream) else { return };
        let _plain = socket.set_write_timeout(Some(Duration::from_millis(200)));
        let _plain = socket.set_nonblocking(false);
        while let Some(message) = self.next(&listener, &mut socket, stop) {
            if !send(&mut socket, &message, stop) {
                break;
            }
        }
        self.leave(stream, listener.number);
        let _gone = socket.shutdown(Shutdown::Both);
    }
    /// The next message; none where the stream or the listener is gone.
    fn next(&self, listener: &Listener, socket: &mut TcpStream, stop: &AtomicBool) -> Option<Arc<Vec<u8>>> {
        let mut queue = hold(&listener.queue);
        loop {
            if let Some(message) = queue.messages.pop_front() {
                queue.bytes -= message.len();
                return Some(message);
            }
            if queue.closed || stop.load(Ordering::Relaxed) {
                return None;
            }
            queue = listener.news.wait_timeout(queue, Duration::from_millis(250)).unwrap_or_else(PoisonError::into_inner).0;
            if queue.messages.is_empty() && gone(socket) {
                return None;
            }
        }
    }
}

/// Whether the other side has closed; it never sends anything more.
fn gone(socket: &TcpStream) -> bool {
    let _plain = socket.set_nonblocking(true);
    let closed = match socket.peek(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(e) => !waited(&e),
    };
    let _plain = socket.set_nonblocking(false);
    closed
}

/// Writes a whole message; false where the listener is gone or stalls.
fn send(socket: &mut TcpStream, mut left: &[u8], stop: &AtomicBool) -> bool {
    let mut last = Instant::now();
    while !left.is_empty() {
        match socket.write(left) {
            Ok(0) => return false,
            Ok(n) => {
                left = left.get(n..).unwrap_or_default();
                last = Instant::now();
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if waited(&e) && last.elapsed() < STALLED && !stop.load(Ordering::Relaxed) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Calls `each` with every connection until told to stop.
pub(crate) fn accept(port: &TcpListener, stop: &AtomicBool, mut each: impl FnMut(TcpStream)) {
    let _plain = port.set_nonblocking(true);
    while !stop.load(Ordering::Relaxed) {
        match port.accept() {
            Ok((socket, _)) => {
                let _plain = socket.set_nonblocking(false);
                each(socket);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// The length prefix and room for a message that is still to be written.
pub(crate) fn opened() -> Vec<u8> {
    vec![0; 4]
}

/// Sets the length prefix of a message that is complete.
pub(crate) fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    let length = num::u32(message.len().saturating_sub(4));
    message.iter_mut().zip(length.to_le_bytes()).for_each(|(to, from)| *to = from);
    message
}
