//! An MCAP byte stream, front to back: channels, metadata and messages, chunk by chunk.
//!
//! *In*: anything that reads. *Out*: [`Found`] values by callback. *Invariant*: holds one chunk at a time, shows no
//! message of a chunk whose checksum is wrong or absent, and grows only with bytes that are really there (a compressed
//! chunk to at most 255 times its length, LZ4's own bound, and never beyond [`LARGEST`]).

use super::Schema;
use mcap::records::{ChunkHeader, Record as Raw, op};
use mcap::sans_io::{LinearReadEvent, LinearReader, LinearReaderOptions};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// Largest record or chunk that is read, bytes.
pub const LARGEST: usize = 1 << 29;
/// Bytes asked of the input at a time.
const GULP: usize = 1 << 18;
/// Opcode and length in front of every record.
const FRAMING: usize = 9;

/// A channel of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Where its messages belong: `/sensors/front`.
    pub topic: String,
    /// The schema's name in the file.
    pub schema_name: String,
    /// The schema, where it is one of ours.
    pub schema: Option<Schema>,
    /// What the writer says of it.
    pub metadata: BTreeMap<String, String>,
}

/// What one step came upon.
#[derive(Debug)]
pub enum Found<'a> {
    /// The file's header: profile and library.
    Header(&'a str, &'a str),
    /// A channel, again each time the file repeats it.
    Channel(&'a Channel),
    /// A message.
    Message(&'a Channel, &'a [u8]),
    /// A metadata record by name.
    Metadata(&'a str, &'a BTreeMap<String, String>),
    /// A chunk or record that could not be read, and why; what follows may be sound.
    Damage(String),
}

/// Whether there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is.
    More,
    /// The data section is complete.
    End,
    /// The file is no MCAP at all.
    Foreign,
    /// The file stops before its end, and why.
    Cut(String),
}

/// Reads an MCAP stream.
pub struct Stream<R> {
    input: R,
    reader: LinearReader,
    tables: Tables,
}

/// Schemas and channels seen so far.
#[derive(Default)]
struct Tables {
    schemas: HashMap<u16, String>,
    channels: HashMap<u16, Channel>,
}

impl<R: Read> Stream<R> {
    /// From the stream's first byte.
    pub fn new(input: R) -> Self {
        let options = LinearReaderOptions::default().with_emit_chunks(true).with_record_length_limit(LARGEST);
        Self { input, reader: LinearReader::new_with_options(options), tables: Tables::default() }
    }
    /// Reads on until something was found or the stream ends, and shows it to `visit`: a chunk's messages in one step.
    pub fn step(&mut self, visit: &mut dyn FnMut(Found<'_>)) -> Step {
        loop {
            match self.reader.next_event() {
                None => return Step::End,
                Some(Err(mcap::McapError::BadMagic)) => return Step::Foreign,
                Some(Err(mcap::McapError::UnexpectedEof)) => {
                    return Step::Cut("the file ends within a record or before its end mark".into());
                }
                Some(Err(e)) => return Step::Cut(e.to_string()),
                Some(Ok(LinearReadEvent::ReadRequest(wanted))) => {
                    let room = self.reader.insert(wanted.clamp(1, GULP));
                    match self.input.read(room) {
                        Ok(got) => self.reader.notify_read(got),
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => return Step::Cut(e.to_string()),
                    }
                }
                Some(Ok(LinearReadEvent::Record { opcode: op::DATA_END | op::FOOTER, .. })) => return Step::End,
                Some(Ok(LinearReadEvent::Record { opcode: op::CHUNK, data })) => {
                    if let Err(why) = self.tables.chunk(data, visit) {
                        visit(Found::Damage(why));
                    }
                    return Step::More;
                }
                Some(Ok(LinearReadEvent::Record { opcode, data })) => {
                    if let Err(why) = self.tables.record(opcode, data, visit) {
                        visit(Found::Damage(why));
                    }
                    return Step::More;
                }
            }
        }
    }
}

impl Tables {
    /// One record outside or inside a chunk. Indexes, attachments and unknown records are passed over.
    fn record(&mut self, opcode: u8, data: &[u8], visit: &mut dyn FnMut(Found<'_>)) -> Result<(), String> {
        if !matches!(opcode, op::HEADER | op::SCHEMA | op::CHANNEL | op::MESSAGE | op::METADATA) {
            return Ok(());
        }
        match mcap::parse_record(opcode, data).map_err(|e| e.to_string())? {
            Raw::Header(header) => visit(Found::Header(&header.profile, &header.library)),
            Raw::Schema { header, .. } => {
                self.schemas.insert(header.id, header.name);
            }
            Raw::Channel(channel) => {
                let schema_name = self.schemas.get(&channel.schema_id).cloned().unwrap_or_default();
                let schema = Schema::named(&schema_name);
                let kept = Channel { topic: channel.topic, schema_name, schema, metadata: channel.metadata };
                visit(Found::Channel(&kept));
                self.channels.insert(channel.id, kept);
            }
            Raw::Message { header, data } => {
                let channel = self.channels.get(&header.channel_id);
                let channel = channel.ok_or_else(|| format!("wanted a known channel, found a message on channel {}", header.channel_id))?;
                visit(Found::Message(channel, &data));
            }
            Raw::Metadata(found) => visit(Found::Metadata(&found.name, &found.metadata)),
            _ => {}
        }
        Ok(())
    }
    /// All records of one chunk, after its checksum has been found right.
    fn chunk(&mut self, body: &[u8], visit: &mut dyn FnMut(Found<'_>)) -> Result<(), String> {
        let parsed = mcap::parse_record(op::CHUNK, body).map_err(|e| format!("damaged chunk: {e}"))?;
        let Raw::Chunk { header, data } = parsed else { return Ok(()) };
        let limit = sound(&header, &data).map_err(|why| format!("damaged chunk: {why}"))?;
        let options = LinearReaderOptions::default()
            .with_skip_start_magic(true)
            .with_skip_end_magic(true)
            .with_prevalidate_chunk_crcs(true)
            .with_record_length_limit(limit.max(body.len()));
        let mut reader = LinearReader::new_with_options(options);
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX).to_le_bytes();
        let mut input = [op::CHUNK].as_slice().chain(length.as_slice()).chain(body);
        loop {
            match reader.next_event() {
                None => return Ok(()),
                Some(Err(e)) => return Err(format!("damaged chunk: {e}")),
                Some(Ok(LinearReadEvent::ReadRequest(wanted))) => {
                    let room = reader.insert(wanted.clamp(1, GULP));
                    let got = input.read(room).map_err(|e| e.to_string())?;
                    reader.notify_read(got);
                }
                Some(Ok(LinearReadEvent::Record { opcode, data })) => {
                    if let Err(why) = self.record(opcode, data, visit) {
                        visit(Found::Damage(why));
                    }
                }
            }
        }
    }
}

/// Checks what a chunk claims before anything is allocated for it; gives the largest length that reading it may meet.
fn sound(header: &ChunkHeader, data: &[u8]) -> Result<usize, String> {
    let size = usize::try_from(header.uncompressed_size).unwrap_or(usize::MAX);
    let most = if header.compression.is_empty() { data.len() } else { data.len().saturating_mul(255).min(LARGEST) };
    if size > most {
        return Err(format!("wanted at most {most} bytes in it, found a claim of {size}"));
    }
    if header.uncompressed_crc == 0 {
        return Err("wanted a checksum, found none".into());
    }
    if header.compression.is_empty() && !framed(data) {
        return Err("wanted whole records, found one that is longer than the chunk".into());
    }
    Ok(size)
}

/// Whether `data` is a sequence of whole records.
fn framed(mut data: &[u8]) -> bool {
    while let Some(([_, length @ ..], rest)) = data.split_first_chunk::<FRAMING>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        match rest.get(length..) {
            Some(rest) => data = rest,
            None => return false,
        }
    }
    data.is_empty()
}

/// Nanoseconds as MCAP counts them; what is before the epoch becomes 0.
pub(crate) const fn unsigned(nanos: i64) -> u64 {
    if nanos < 0 { 0 } else { nanos.unsigned_abs() }
}

/// The low 32 bits of a frame's number, MCAP's `sequence`.
pub(crate) fn sequence(seq: u64) -> u32 {
    u32::try_from(seq & u64::from(u32::MAX)).unwrap_or_default()
}
