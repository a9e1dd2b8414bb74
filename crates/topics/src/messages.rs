//! What neighbours say to each other, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/topics/v1/topics.proto` before
//! anything is decoded; what the tables cannot say is checked here.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libp2p_identity::PeerId;
use prost::Message as _;
use wire::bounds::Bounded;
use wire::proto::topics::v1 as proto;
use wire::proto::topics::v1::topics::Body;
use wire::{Defect, Frame, Malformed};

/// Most bytes of a topic's name.
pub const TOPIC_LEN_MAX: usize = 64;

/// Most payload bytes of one batch, and so of one message.
pub const PAYLOAD_MAX: usize = 64 * 1024;

/// Most messages in one batch. Twice as many would save little beside the signature, and one batch
/// would keep a core busy for twice as long.
pub const ENTRIES_MAX: usize = 64;

/// What a message costs beside its payload, as memory is counted by credit.
pub(crate) const ENTRY_COST: u64 = 64;

/// What a batch costs beside its messages.
pub(crate) const BATCH_COST: u64 = 256;

/// The most that a batch costs.
pub(crate) const SLICE: u64 = 64 * 1024 + 64 * ENTRY_COST + BATCH_COST;

/// Length of a signature.
pub(crate) const SIGNATURE_LEN: usize = 64;

/// The name of a topic: 1 to [`TOPIC_LEN_MAX`] bytes. Cheap to clone.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Topic(Arc<str>);

/// A name that no topic can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("topic name is {len} bytes, must be 1 to {TOPIC_LEN_MAX}")]
pub struct BadTopic {
    /// Its length in bytes.
    pub len: usize,
}

impl Topic {
    /// The topic of this name.
    ///
    /// # Errors
    ///
    /// [`BadTopic`] for an empty name or one that is too long.
    pub fn new(name: &str) -> Result<Self, BadTopic> {
        let len = name.len();
        if len == 0 || len > TOPIC_LEN_MAX {
            return Err(BadTopic { len });
        }
        Ok(Self(name.into()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Names what one publisher has published under one topic since it started.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId {
    /// Who signs. Its id holds its Ed25519 key.
    pub publisher: PeerId,
    /// Chosen by the publisher, higher each time that it starts anew.
    pub epoch: u64,
}

/// One message of a batch.
#[derive(Clone, Eq, PartialEq)]
pub enum Entry {
    /// The message itself.
    Payload(Bytes),
    /// What the signature needs of a message that is not passed on.
    Withheld {
        /// Length of the payload.
        len: u32,
        /// SHA-256 of the payload.
        hash: [u8; 32],
    },
}

impl Entry {
    /// Length of the payload in bytes, also of one that is withheld.
    pub fn len(&self) -> u32 {
        match self {
            Self::Payload(payload) => u32::try_from(payload.len()).unwrap_or(u32::MAX),
            Self::Withheld { len, .. } => *len,
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_withheld(&self) -> bool {
        matches!(self, Self::Withheld { .. })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_withheld() { "Withheld" } else { "Payload" };
        write!(f, "{name}({} bytes)", self.len())
    }
}

/// A part of a stream, signed as a whole. Cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The topic.
    pub topic: Topic,
    /// The stream.
    pub stream: StreamId,
    /// Where it begins in the stream.
    pub start: u64,
    /// The publisher's signature. 64 bytes; not checked.
    pub signature: Bytes,
    /// 1 to [`ENTRIES_MAX`] messages of at most [`PAYLOAD_MAX`] bytes in sum.
    pub entries: Arc<[Entry]>,
}

impl Batch {
    /// Where it ends in the stream.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(cost(&self.entries))
    }

    /// What it takes of a window.
    pub(crate) fn cost(&self) -> u64 {
        cost(&self.entries)
    }

    pub(crate) fn withheld(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_withheld()).count()
    }
}

/// What these messages take of a window together.
pub(crate) fn cost(entries: &[Entry]) -> u64 {
    entries.iter().fold(BATCH_COST, |sum, entry| {
        sum.saturating_add(u64::from(entry.len())).saturating_add(ENTRY_COST)
    })
}

/// One frame of topic broadcast.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// The sender takes part in the topic.
    Subscribe(Topic),
    /// The sender no longer does.
    Unsubscribe(Topic),
    /// How far the sender has come.
    Have {
        /// The topic.
        topic: Topic,
        /// The stream.
        stream: StreamId,
        /// Where what the sender can give begins.
        oldest: u64,
        /// Where it ends: everything before is accepted by the sender. Not before `oldest`.
        have: u64,
    },
    /// Asks for a part of a stream, and grants credit for it.
    Want {
        /// The topic.
        topic: Topic,
        /// The stream.
        stream: StreamId,
        /// A higher number starts over, an equal one extends, a lower one is out of date.
        attempt: u64,
        /// Where to begin; the sender needs nothing before.
        from: u64,
        /// Where to stop. Not before `from`.
        until: u64,
    },
    /// The sender will not follow the stream.
    Decline {
        /// The topic.
        topic: Topic,
        /// The stream.
        stream: StreamId,
    },
    /// A part of a stream.
    Batch(Batch),
}

impl Message {
    /// The topic that it is about.
    pub fn topic(&self) -> &Topic {
        match self {
            Self::Subscribe(topic)
            | Self::Unsubscribe(topic)
            | Self::Have { topic, .. }
            | Self::Want { topic, .. }
            | Self::Decline { topic, .. } => topic,
            Self::Batch(batch) => &batch.topic,
        }
    }
}

impl Frame for Message {
    const MAX: usize = <proto::Topics as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let body = match self.clone() {
            Self::Subscribe(topic) => {
                Body::Subscribe(proto::Subscribe { topic: topic.as_str().to_owned() })
            }
            Self::Unsubscribe(topic) => {
                Body::Unsubscribe(proto::Unsubscribe { topic: topic.as_str().to_owned() })
            }
            Self::Have { topic, stream, oldest, have } => {
                Body::Have(proto::Have { stream: Some(name(&topic, stream)), oldest, have })
            }
            Self::Want { topic, stream, attempt, from, until } => {
                let stream = Some(name(&topic, stream));
                Body::Want(proto::Want { stream, attempt, from, until })
            }
            Self::Decline { topic, stream } => {
                Body::Decline(proto::Decline { stream: Some(name(&topic, stream)) })
            }
            Self::Batch(batch) => Body::Batch(proto::Batch {
                stream: Some(name(&batch.topic, batch.stream)),
                start: batch.start,
                signature: batch.signature,
                entries: batch.entries.iter().map(to_proto).collect(),
            }),
        };
        proto::Topics { body: Some(body) }.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let proto::Topics { body } = wire::bounds::decode(frame)?;
        match body.ok_or(Malformed::new("topics.body", Defect::Missing))? {
            Body::Subscribe(subscribe) => {
                topic(&subscribe.topic, "subscribe.topic").map(Self::Subscribe)
            }
            Body::Unsubscribe(unsubscribe) => {
                topic(&unsubscribe.topic, "unsubscribe.topic").map(Self::Unsubscribe)
            }
            Body::Have(proto::Have { stream, oldest, have }) => {
                if oldest > have {
                    return Err(Malformed::new("have.oldest", Defect::Invalid));
                }
                let (topic, stream) = named(stream)?;
                Ok(Self::Have { topic, stream, oldest, have })
            }
            Body::Want(proto::Want { stream, attempt, from, until }) => {
                if from > until {
                    return Err(Malformed::new("want.from", Defect::Invalid));
                }
                let (topic, stream) = named(stream)?;
                Ok(Self::Want { topic, stream, attempt, from, until })
            }
            Body::Decline(proto::Decline { stream }) => {
                let (topic, stream) = named(stream)?;
                Ok(Self::Decline { topic, stream })
            }
            Body::Batch(batch) => from_proto(batch).map(Self::Batch),
        }
    }
}

fn name(topic: &Topic, stream: StreamId) -> proto::Stream {
    proto::Stream {
        topic: topic.as_str().to_owned(),
        publisher: stream.publisher.to_bytes().into(),
        epoch: stream.epoch,
    }
}

fn named(stream: Option<proto::Stream>) -> Result<(Topic, StreamId), Malformed> {
    let stream = stream.ok_or(Malformed::new("stream", Defect::Missing))?;
    let topic = topic(&stream.topic, "stream.topic")?;
    let publisher = PeerId::from_bytes(&stream.publisher)
        .ok()
        .filter(holds_a_key)
        .ok_or(Malformed::new("stream.publisher", Defect::Invalid))?;
    Ok((topic, StreamId { publisher, epoch: stream.epoch }))
}

fn topic(name: &str, field: &'static str) -> Result<Topic, Malformed> {
    Topic::new(name).map_err(|BadTopic { len }| {
        Malformed::new(field, if len == 0 { Defect::Missing } else { Defect::TooLong })
    })
}

/// Whether the id is an identity multihash, as those of Ed25519 keys are: who checks a signature
/// needs no more than the id.
fn holds_a_key(peer: &PeerId) -> bool {
    peer.as_ref().code() == 0
}

fn to_proto(entry: &Entry) -> proto::Entry {
    match entry {
        Entry::Payload(payload) => proto::Entry { payload: payload.clone(), ..Default::default() },
        Entry::Withheld { len, hash } => {
            proto::Entry { hash: Bytes::copy_from_slice(hash), len: *len, ..Default::default() }
        }
    }
}

fn from_proto(batch: proto::Batch) -> Result<Batch, Malformed> {
    let (topic, stream) = named(batch.stream)?;
    if batch.signature.len() != SIGNATURE_LEN {
        return Err(Malformed::new("batch.signature", Defect::Invalid));
    }
    if batch.entries.is_empty() {
        return Err(Malformed::new("batch.entries", Defect::Missing));
    }
    let entries = batch.entries.into_iter().map(entry).collect::<Result<Arc<[_]>, _>>()?;
    let payload = entries.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.len().into()));
    if usize::try_from(payload).map_or(true, |payload| payload > PAYLOAD_MAX) {
        return Err(Malformed::new("batch.entries", Defect::TooLong));
    }
    if batch.start.checked_add(cost(&entries)).is_none() {
        return Err(Malformed::new("batch.start", Defect::Invalid));
    }
    Ok(Batch { topic, stream, start: batch.start, signature: batch.signature, entries })
}

fn entry(entry: proto::Entry) -> Result<Entry, Malformed> {
    let proto::Entry { payload, hash, len } = entry;
    if hash.is_empty() {
        if len != 0 {
            return Err(Malformed::new("entry.len", Defect::Invalid));
        }
        return Ok(Entry::Payload(payload));
    }
    let hash = hash.as_ref().try_into().map_err(|_| Malformed::new("entry.hash", Defect::Invalid));
    if !payload.is_empty() {
        return Err(Malformed::new("entry.payload", Defect::Invalid));
    }
    Ok(Entry::Withheld { len, hash: hash? })
}
