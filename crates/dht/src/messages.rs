//! What nodes say to each other, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/dht/v1/dht.proto` before
//! anything is decoded; that ids, keys and signatures have exactly their length, here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_identity::PeerId;
use machine::UnixTime;
use prost::Message as _;
use wire::bounds::Bounded;
use wire::proto::dht::v1 as proto;
use wire::proto::dht::v1::dht::Body;
use wire::proto::dht::v1::returned::News as ProtoNews;
use wire::{Defect, Frame, Malformed};

use crate::code::Code;
use crate::envelope::MessageId;
use crate::key::Key;

/// Most records in a [`Message::Nodes`].
pub const RECORDS_MAX: usize = 20;
/// Most ids in a [`Message::Listed`], [`Message::Get`] or [`Message::Taken`], and most envelopes in
/// a [`Message::Got`].
pub const IDS_MAX: usize = 64;
/// Most bytes of a cursor.
pub const CURSOR_MAX: usize = 64;

/// Bytes that the envelopes of one [`Message::Got`] may take; the rest is for what stands around
/// them.
const ENVELOPES_BYTES_MAX: usize = 261_000;

/// One frame. Envelopes and records are bytes that nobody has looked at yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Hands an envelope on, towards its destination.
    Carry {
        /// Drawn by the sender; the verdict repeats it.
        number: u32,
        /// How many more carriers it may pass, the receiver included.
        hops: u8,
        /// At most [`ENVELOPE_MAX`](crate::ENVELOPE_MAX) bytes.
        envelope: Bytes,
    },
    /// Asks to keep an envelope for its recipient.
    Put {
        /// Drawn by the sender; the verdict repeats it.
        number: u32,
        /// At most [`ENVELOPE_MAX`](crate::ENVELOPE_MAX) bytes.
        envelope: Bytes,
    },
    /// Answers a [`Message::Carry`] or [`Message::Put`].
    Verdict {
        /// That of the question.
        number: u32,
        /// Whether it is taken on.
        outcome: Result<(), Code>,
        /// When to try again at the earliest. Whole milliseconds, at most 49 days.
        retry_after: Duration,
    },
    /// News of an envelope, on the way back.
    Returned {
        /// Of which.
        id: MessageId,
        /// What.
        news: News,
    },
    /// Asks for the peers closest to a key.
    Find {
        /// Repeated by the answer.
        nonce: u64,
        /// The key.
        target: Key,
        /// How many are wished for; the receiver may send fewer, never more.
        max: u32,
    },
    /// Answers a [`Message::Find`].
    Nodes {
        /// That of the question.
        nonce: u64,
        /// Signed records, not yet verified, the closest first. At most [`RECORDS_MAX`].
        records: Vec<Bytes>,
    },
    /// Asks which envelopes are kept for the asker.
    List {
        /// Repeated by the answer.
        nonce: u64,
        /// Where the last page of this server ended; empty for the first. At most
        /// [`CURSOR_MAX`] bytes.
        cursor: Bytes,
        /// How many are wished for; the receiver may name fewer, never more.
        max: u32,
    },
    /// Answers a [`Message::List`].
    Listed {
        /// That of the question.
        nonce: u64,
        /// The oldest first. At most [`IDS_MAX`].
        ids: Vec<MessageId>,
        /// Where this page ends. At most [`CURSOR_MAX`] bytes.
        cursor: Bytes,
        /// Whether there is another page.
        more: bool,
    },
    /// Asks for envelopes that are kept for the asker.
    Get {
        /// Repeated by the answer.
        nonce: u64,
        /// At most [`IDS_MAX`].
        ids: Vec<MessageId>,
    },
    /// Answers a [`Message::Get`].
    Got {
        /// That of the question.
        nonce: u64,
        /// As many of those asked for as fit. At most [`IDS_MAX`].
        envelopes: Vec<Bytes>,
    },
    /// The asker has these envelopes.
    Taken {
        /// Repeated by the answer.
        nonce: u64,
        /// At most [`IDS_MAX`].
        ids: Vec<MessageId>,
    },
    /// Answers a [`Message::Taken`].
    Dropped {
        /// That of the question.
        nonce: u64,
        /// How many were there to be dropped.
        count: u32,
    },
}

/// News of an envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Somebody keeps it for its recipient.
    Stored(Stored),
    /// It went no further.
    Stopped(Code),
}

/// Somebody keeps an envelope for its recipient, and signs that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Who.
    pub server: PeerId,
    /// Until when.
    pub until: UnixTime,
    /// The server's signature. Whoever passes it on does not check it.
    pub signature: [u8; 64],
}

impl Message {
    /// One word for metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Carry { .. } => "carry",
            Self::Put { .. } => "put",
            Self::Verdict { .. } => "verdict",
            Self::Returned { .. } => "returned",
            Self::Find { .. } => "find",
            Self::Nodes { .. } => "nodes",
            Self::List { .. } => "list",
            Self::Listed { .. } => "listed",
            Self::Get { .. } => "get",
            Self::Got { .. } => "got",
            Self::Taken { .. } => "taken",
            Self::Dropped { .. } => "dropped",
        }
    }

    fn to_body(&self) -> Body {
        match self.clone() {
            Self::Carry { number, hops, envelope } => {
                Body::Carry(proto::Carry { number, hops: hops.into(), envelope })
            }
            Self::Put { number, envelope } => Body::Put(proto::Put { number, envelope }),
            Self::Verdict { number, outcome, retry_after } => Body::Verdict(proto::Verdict {
                number,
                code: outcome.map_or_else(Code::to_proto, |()| proto::Code::Accepted).into(),
                retry_after_ms: retry_after.as_millis().try_into().unwrap_or(u32::MAX),
            }),
            Self::Returned { id, news } => {
                Body::Returned(proto::Returned { id: bytes_of(&id), news: Some(news.to_proto()) })
            }
            Self::Find { nonce, target, max } => {
                let target = Bytes::copy_from_slice(target.as_bytes());
                Body::Find(proto::Find { nonce, target, max })
            }
            Self::Nodes { nonce, records } => Body::Nodes(proto::Nodes { nonce, records }),
            Self::List { nonce, cursor, max } => Body::List(proto::List { nonce, cursor, max }),
            Self::Listed { nonce, ids, cursor, more } => {
                let ids = ids.iter().map(bytes_of).collect();
                Body::Listed(proto::Listed { nonce, ids, cursor, more })
            }
            Self::Get { nonce, ids } => {
                Body::Get(proto::Get { nonce, ids: ids.iter().map(bytes_of).collect() })
            }
            Self::Got { nonce, envelopes } => Body::Got(proto::Got { nonce, envelopes }),
            Self::Taken { nonce, ids } => {
                Body::Taken(proto::Taken { nonce, ids: ids.iter().map(bytes_of).collect() })
            }
            Self::Dropped { nonce, count } => Body::Dropped(proto::Dropped { nonce, count }),
        }
    }

    fn of_body(body: Body) -> Result<Self, Malformed> {
        Ok(match body {
            Body::Carry(proto::Carry { number, hops, envelope }) => {
                let hops = hops.try_into().unwrap_or(u8::MAX);
                Self::Carry { number, hops, envelope }
            }
            Body::Put(proto::Put { number, envelope }) => Self::Put { number, envelope },
            Body::Verdict(proto::Verdict { number, code, retry_after_ms }) => Self::Verdict {
                number,
                outcome: Code::of_proto(code),
                retry_after: Duration::from_millis(retry_after_ms.into()),
            },
            Body::Returned(proto::Returned { id, news }) => {
                let missing = Malformed::new("returned.news", Defect::Missing);
                let news = News::of_proto(news.ok_or(missing)?)?;
                Self::Returned { id: id_of("returned.id", &id)?, news }
            }
            Body::Find(proto::Find { nonce, target, max }) => {
                let target = Key::from_bytes(array("find.target", &target)?);
                Self::Find { nonce, target, max }
            }
            Body::Nodes(proto::Nodes { nonce, records }) => Self::Nodes { nonce, records },
            Body::List(proto::List { nonce, cursor, max }) => Self::List { nonce, cursor, max },
            Body::Listed(proto::Listed { nonce, ids, cursor, more }) => {
                Self::Listed { nonce, ids: ids_of("listed.ids", &ids)?, cursor, more }
            }
            Body::Get(proto::Get { nonce, ids }) => {
                Self::Get { nonce, ids: ids_of("get.ids", &ids)? }
            }
            Body::Got(proto::Got { nonce, envelopes }) => Self::Got { nonce, envelopes },
            Body::Taken(proto::Taken { nonce, ids }) => {
                Self::Taken { nonce, ids: ids_of("taken.ids", &ids)? }
            }
            Body::Dropped(proto::Dropped { nonce, count }) => Self::Dropped { nonce, count },
        })
    }
}

impl News {
    fn to_proto(self) -> ProtoNews {
        match self {
            Self::Stored(Stored { server, until, signature }) => ProtoNews::Stored(proto::Stored {
                server: server.to_bytes().into(),
                until_ms: until.as_millis(),
                signature: Bytes::copy_from_slice(&signature),
            }),
            Self::Stopped(code) => {
                ProtoNews::Stopped(proto::Stopped { code: code.to_proto().into() })
            }
        }
    }

    fn of_proto(news: ProtoNews) -> Result<Self, Malformed> {
        Ok(match news {
            ProtoNews::Stored(proto::Stored { server, until_ms, signature }) => {
                let invalid = |_| Malformed::new("stored.server", Defect::Invalid);
                Self::Stored(Stored {
                    server: PeerId::from_bytes(&server).map_err(invalid)?,
                    until: UnixTime::from_millis(until_ms),
                    signature: array("stored.signature", &signature)?,
                })
            }
            // That it stopped because it was accepted says nothing.
            ProtoNews::Stopped(proto::Stopped { code }) => {
                Self::Stopped(Code::of_proto(code).err().unwrap_or(Code::Unspecified))
            }
        })
    }
}

impl Frame for Message {
    const MAX: usize = <proto::Dht as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let frame = proto::Dht { body: Some(self.to_body()) };
        out.reserve(frame.encoded_len());
        frame.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let frame: proto::Dht = wire::bounds::decode(frame)?;
        frame.body.map_or_else(|| Err(Malformed::new("dht.body", Defect::Missing)), Self::of_body)
    }
}

/// What the letters hold by which two peers make themselves known to each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Introduction {
    /// Drawn by the asker; the response repeats it.
    pub(crate) nonce: u64,
    /// The writer's signed record, not yet verified.
    pub(crate) record: Bytes,
}

impl Introduction {
    pub(crate) fn encode(&self) -> Bytes {
        let Self { nonce, record } = self.clone();
        proto::Introduction { nonce, record }.encode_to_vec().into()
    }

    pub(crate) fn decode(payload: Bytes) -> Result<Self, Malformed> {
        let proto::Introduction { nonce, record } = wire::bounds::decode(payload)?;
        Ok(Self { nonce, record })
    }
}

/// How many envelopes of these lengths, in their order, one [`Message::Got`] can hold.
pub(crate) fn fits(lens: impl IntoIterator<Item = usize>) -> usize {
    let mut room = ENVELOPES_BYTES_MAX;
    let fits = move |len: &usize| {
        // A tag and a length of at most three bytes stand before each.
        let len = len.saturating_add(4);
        let fits = len <= room;
        room = room.saturating_sub(len);
        fits
    };
    lens.into_iter().take(IDS_MAX).take_while(fits).count()
}

fn bytes_of(id: &MessageId) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::new(field, Defect::Invalid))
}

fn id_of(field: &'static str, bytes: &[u8]) -> Result<MessageId, Malformed> {
    array(field, bytes).map(MessageId)
}

fn ids_of(field: &'static str, ids: &[Bytes]) -> Result<Vec<MessageId>, Malformed> {
    ids.iter().map(|id| id_of(field, id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::ENVELOPE_MAX;

    #[test]
    fn the_largest_messages_fit_their_frame() {
        let envelope = Bytes::from(vec![7; ENVELOPE_MAX]);
        let record = Bytes::from(vec![7; 2048]);
        let ids = vec![MessageId([7; 32]); IDS_MAX];
        let cursor = Bytes::from(vec![7; CURSOR_MAX]);
        for message in [
            Message::Carry { number: u32::MAX, hops: u8::MAX, envelope: envelope.clone() },
            Message::Put { number: u32::MAX, envelope: envelope.clone() },
            Message::Nodes { nonce: u64::MAX, records: vec![record; RECORDS_MAX] },
            Message::Listed { nonce: u64::MAX, ids: ids.clone(), cursor, more: true },
            Message::Got {
                nonce: u64::MAX,
                envelopes: vec![envelope; fits([ENVELOPE_MAX; IDS_MAX])],
            },
            Message::Got {
                nonce: u64::MAX,
                envelopes: vec![Bytes::from(vec![7; 4_000]); fits([4_000; 200])],
            },
            Message::Taken { nonce: u64::MAX, ids },
        ] {
            let mut frame = BytesMut::new();
            message.encode(&mut frame);
            assert!(frame.len() <= Message::MAX, "{} bytes", frame.len());
            assert_eq!(Message::decode(frame.freeze()), Ok(message));
        }
    }

    #[test]
    fn every_code_has_its_place_on_the_wire() {
        for code in Code::ALL {
            assert_eq!(Code::of_proto(code.to_proto().into()), Err(code));
        }
        assert_eq!(Code::of_proto(proto::Code::Accepted.into()), Ok(()));
        assert_eq!(Code::of_proto(99), Err(Code::Unspecified));
    }

    #[test]
    fn ids_of_another_length_are_refused() {
        let body = Body::Get(proto::Get { nonce: 1, ids: vec![Bytes::from_static(b"short")] });
        let frame = proto::Dht { body: Some(body) }.encode_to_vec().into();
        assert_eq!(Message::decode(frame), Err(Malformed::new("get.ids", Defect::Invalid)));
    }
}
