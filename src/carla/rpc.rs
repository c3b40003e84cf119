//! The envelope of a call and of its answer.
//!
//! *In / Out*: whole messages to requests and answers, and back. An answer holds CARLA's own success or failure inside the RPC
//! layer's. *Invariant*: an answer is understood by its form alone; a call's identity is its number, not its place.

use super::call::Call;
use super::pack::{Reader, Wire, Writer, quoted};
use super::version::Version;
use crate::types::{Error, Result};

/// Packs a request.
pub fn request(id: u32, call: &Call, version: Version) -> Vec<u8> {
    let mut to = Writer::new(version);
    to.array(4);
    to.put(&0_u8);
    to.put(&id);
    to.put(&call.method().to_owned());
    call.put_args(&mut to);
    to.finish()
}

/// What a request asks, as far as it can be read.
#[derive(Debug)]
pub struct Request {
    /// Number that the answer must carry.
    pub id: u32,
    /// The call and whether its client waits, or why it is none.
    pub call: Result<(Call, bool)>,
}

impl Request {
    /// Reads a whole message.
    ///
    /// # Errors
    /// Where it is no request at all, so that nobody waits for an answer.
    pub fn read(message: &[u8], version: Version) -> Result<Self> {
        let mut from = Reader::new(message, version);
        let len = from.array_of(4, "a request")?;
        let kind: u8 = from.get()?;
        if len != 4 || kind != 0 {
            return Err(Error::mismatch("a request (kind 0, 4 fields)", format!("kind {kind}, {len} fields"), "RPC"));
        }
        let id = from.get()?;
        let method: String = from.get()?;
        let call = Call::take(&method, &mut from).map_err(|e| e.at(quoted(&method)));
        Ok(Self { id, call })
    }
}

/// What a server says to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done.
    Nothing,
    /// Done, with this packed value.
    Value(Vec<u8>),
    /// One result a command of a batch.
    Batch(Vec<std::result::Result<u32, String>>),
}

impl Reply {
    /// A value.
    pub fn of<T: Wire>(value: &T, version: Version) -> Self {
        Self::Value(super::pack::pack(value, version))
    }
}

/// Whether the call's answer holds a value or none, which decides the form of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `[[1, v]]` or `[[0, [message]]]`.
    Value,
    /// `[[false]]` or `[[true, [message]]]`.
    Nothing,
}

/// Packs an answer: success, CARLA's own failure, or (outermost) the RPC layer's.
pub fn answer(id: u32, said: &Result<std::result::Result<Reply, String>>, form: Form, version: Version) -> Vec<u8> {
    let mut to = Writer::new(version);
    to.array(4);
    to.put(&1_u8);
    to.put(&id);
    let outcome = match said {
        Ok(outcome) => outcome,
        Err(refused) => {
            to.put(&refused.to_string());
            to.nil();
            return to.finish();
        }
    };
    to.nil();
    let failure = |to: &mut Writer, message: &String| {
        to.array(2);
        match form {
            Form::Value => to.put(&0_u8),
            Form::Nothing => to.put(&true),
        }
        to.put(&vec![message.clone()]);
    };
    match outcome {
        Ok(Reply::Batch(results)) => {
            to.array(results.len());
            for result in results {
                to.array(1);
                to.array(2);
                match result {
                    Ok(actor) => {
                        to.put(&1_u8);
                        to.put(actor);
                    }
                    Err(message) => {
                        to.put(&0_u8);
                        to.put(&vec![message.clone()]);
                    }
                }
            }
        }
        Ok(Reply::Value(packed)) => {
            to.array(1);
            to.array(2);
            to.put(&1_u8);
            to.raw(packed);
        }
        Ok(Reply::Nothing) => {
            to.array(1);
            to.array(1);
            to.put(&false);
        }
        Err(message) => {
            to.array(1);
            failure(&mut to, message);
        }
    }
    to.finish()
}

/// An answer as a client reads it: the number, and the result's bytes or the RPC layer's words.
pub fn split_answer(message: &[u8], version: Version) -> Result<(u32, Result<Vec<u8>>)> {
    let mut from = Reader::new(message, version);
    let len = from.array_of(4, "an answer")?;
    let kind: u8 = from.get()?;
    if len != 4 || kind != 1 {
        return Err(Error::mismatch("an answer (kind 1, 4 fields)", format!("kind {kind}, {len} fields"), "RPC"));
    }
    let id = from.get()?;
    if from.nil() {
        return Ok((id, Ok(from.left().to_vec())));
    }
    let said = from.get::<String>().unwrap_or_else(|_| "an error without words".to_owned());
    Ok((id, Err(Error::unavailable("the call on this server", said))))
}

/// A failure's message: `[message]`, or the bare text.
fn message(from: &mut Reader<'_>) -> String {
    let whole = from.clone();
    from.get::<Vec<String>>()
        .map(|lines| lines.join("; "))
        .or_else(|_| {
            *from = whole;
            from.get::<String>()
        })
        .unwrap_or_else(|_| "no reason given".to_owned())
}

fn said(call: &str, message: &str) -> Error {
    Error::unavailable(call, message.to_owned())
}

/// The value in a result, or CARLA's own failure.
pub fn value<T: Wire>(call: &str, result: &[u8], version: Version) -> Result<T> {
    let mut from = Reader::new(result, version);
    let _outer = from.array_of(1, "a response")?;
    let _inner = from.array_of(2, "a response's variant")?;
    match from.get::<u8>()? {
        1 => from.get().map_err(|e| e.at(call)),
        _ => Err(said(call, &message(&mut from))),
    }
}

/// Success without a value, or CARLA's own failure.
pub fn done(call: &str, result: &[u8], version: Version) -> Result<()> {
    let mut from = Reader::new(result, version);
    let _outer = from.array_of(1, "a response")?;
    let len = from.array_of(1, "a response's optional")?;
    if from.get::<bool>()? && len > 1 {
        return Err(said(call, &message(&mut from)));
    }
    Ok(())
}

/// Each command's actor, or its failure.
pub fn batch(result: &[u8], version: Version) -> Result<Vec<Result<u32>>> {
    let mut from = Reader::new(result, version);
    let count = from.array()?;
    let mut results = Vec::new();
    for _ in 0..count {
        let _outer = from.array_of(1, "a command's response")?;
        let _inner = from.array_of(2, "a command's variant")?;
        results.push(match from.get::<u8>()? {
            1 => Ok(from.get()?),
            _ => Err(said("batch command", &message(&mut from))),
        });
    }
    Ok(results)
}

/// The form of a call's answer.
pub const fn form(call: &Call) -> Form {
    if call.waits() && !call.answers_nothing() { Form::Value } else { Form::Nothing }
}

impl Call {
    /// Whether success has no value although the client waits.
    const fn answers_nothing(&self) -> bool {
        matches!(
            self,
            Self::LoadNewEpisode { .. }
                | Self::CopyOpendriveToFile { .. }
                | Self::SetActorSimulatePhysics { .. }
                | Self::SetActorCollisions { .. }
                | Self::ResetAllTrafficLights { .. }
                | Self::LoadMapLayer { .. }
                | Self::UnloadMapLayer { .. }
                | Self::ApplyColorTextureToObjects { .. }
        )
    }
}
