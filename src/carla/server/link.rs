//! One client's RPC connection: bytes to calls, calls to the world's thread in their order, answers back.
//!
//! *Invariant*: a client costs at most one message of memory and one thread; silence, half a message, lies about lengths and
//! random bytes end in its own connection's patience or refusal.

use super::super::call::Call;
use super::super::pack::quoted;
use super::super::rpc::{self, Form, Reply, Request};
use super::super::scan::Scan;
use super::super::stream::waited;
use super::super::version::Version;
use crate::types::{Error, Result};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A message that was begun must be complete by then.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that sends so many messages that are no calls is closed.
const MOST_NONSENSE: u32 = 16;

/// What the world answers: its own words are inside, the protocol's outside.
pub(crate) type Outcome = std::result::Result<Reply, String>;

/// A call on its way to the world's thread.
pub(crate) struct Job {
    pub call: Call,
    pub back: SyncSender<Outcome>,
}

/// Serves one client until it leaves or misbehaves.
pub(crate) fn serve(mut socket: TcpStream, version: Version, world: &SyncSender<Job>, stop: &AtomicBool) {
    let _plain = socket.set_nodelay(true);
    let _plain = socket.set_read_timeout(Some(Duration::from_millis(250)));
    let _plain = socket.set_write_timeout(Some(PATIENCE));
    let (back, answers) = sync_channel(1);
    let mut inbox = Inbox::default();
    let mut nonsense = 0;
    while let Ok(Some(message)) = inbox.next(&mut socket, stop) {
        let answer = match Request::read(&message, version) {
            Ok(request) => answer(request, version, world, &back, &answers),
            Err(refused) => {
                tracing::debug!("a message that is no call: {refused}");
                nonsense += 1;
                if nonsense > MOST_NONSENSE {
                    break;
                }
                continue;
            }
        };
        let Some(answer) = answer else { break };
        if socket.write_all(&answer).is_err() {
            break;
        }
    }
    let _gone = socket.shutdown(Shutdown::Both);
}

/// The answer to a request, or none where the world has stopped.
fn answer(
    request: Request,
    version: Version,
    world: &SyncSender<Job>,
    back: &SyncSender<Outcome>,
    answers: &Receiver<Outcome>,
) -> Option<Vec<u8>> {
    let (call, _waits) = match request.call {
        Ok(call) => call,
        Err(refused) => {
            tracing::debug!("refused: {refused}");
            let words = Error::unavailable("rpclib: server could not answer", refused.to_string());
            return Some(rpc::answer(request.id, &Err(words), Form::Value, version));
        }
    };
    let form = rpc::form(&call);
    let name = call.method();
    world.send(Job { call, back: back.clone() }).ok()?;
    let outcome = answers.recv().ok()?;
    if let Err(words) = &outcome {
        tracing::debug!("{name}: {}", quoted(words));
    }
    Some(rpc::answer(request.id, &Ok(outcome), form, version))
}

/// Bytes that came and are not yet a message.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    scan: Scan,
    begun: Option<Instant>,
}

impl Inbox {
    /// The next whole message; none where the client has left or the server stops.
    fn next(&mut self, socket: &mut TcpStream, stop: &AtomicBool) -> Result<Option<Vec<u8>>> {
        let mut chunk = [0; 16 << 10];
        loop {
            if !self.bytes.is_empty()
                && let Some(length) = self.scan.whole(&self.bytes)?
            {
                let rest = self.bytes.split_off(length.min(self.bytes.len()));
                self.scan = Scan::default();
                self.begun = (!rest.is_empty()).then(Instant::now);
                return Ok(Some(std::mem::replace(&mut self.bytes, rest)));
            }
            if stop.load(Ordering::Relaxed) || self.begun.is_some_and(|b| b.elapsed() > PATIENCE) {
                return Ok(None);
            }
            match socket.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    self.begun.get_or_insert_with(Instant::now);
                    self.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
                Err(e) if waited(&e) || e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
    }
}
