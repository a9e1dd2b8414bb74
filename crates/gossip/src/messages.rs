//! What nodes say to each other, and how it looks on the wire.
//!
//! Lengths and counts are enforced from the tables in `proto/meshwork/gossip/v1/gossip.proto`
//! before anything is decoded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libp2p_identity::PeerId;
use prost::Message as _;
use wire::bounds::Bounded;
use wire::proto::gossip::v1 as proto;
use wire::proto::gossip::v1::gossip::Body;
use wire::{Defect, Frame, Malformed};

use crate::reason::{DisconnectReason, SwapRefusal};

/// Most records in an [`Message::Advertise`].
pub const RECORDS_MAX: usize = 50;

/// Most records in a [`Message::Disconnect`].
pub const ALTERNATIVES_MAX: usize = 16;

/// Bytes that a list of records may take in one frame; the rest is for what stands around it.
const RECORDS_BYTES_MAX: usize = 16 * 1024 - 64;

/// One frame of gossip. Records are signed envelopes that nobody has opened yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Asks for peers.
    Bootstrap {
        /// Repeated by the answer.
        nonce: u64,
        /// How many are wished for; the receiver may give fewer, never more.
        max: u32,
        /// Transports that the asker can dial, such as `tcp` and `quic`. At most 16; none means
        /// any.
        transports: Vec<String>,
    },
    /// Answers a [`Message::Bootstrap`].
    Advertise {
        /// That of the question.
        nonce: u64,
        /// Peers that the sender has reached. At most [`RECORDS_MAX`].
        records: Vec<Bytes>,
    },
    /// Proposes to exchange one link each.
    SwapPropose {
        /// Number of the exchange, chosen by the sender.
        id: u64,
        /// How long the sender waits for the answer. Whole milliseconds, at most 49 days.
        deadline: Duration,
        /// The peer that is offered.
        record: Bytes,
    },
    /// Agrees: the sender is connected to the offered peer.
    SwapAccept {
        /// Number of the exchange.
        id: u64,
        /// The peer that is given in return.
        record: Bytes,
    },
    /// Declines a proposal.
    SwapReject {
        /// Number of the exchange.
        id: u64,
        /// Why.
        reason: SwapRefusal,
    },
    /// Concludes an exchange.
    SwapCommit {
        /// Number of the exchange.
        id: u64,
    },
    /// Calls an exchange off.
    SwapAbort {
        /// Number of the exchange.
        id: u64,
        /// Why.
        reason: SwapRefusal,
    },
    /// The last word before hanging up.
    Disconnect {
        /// Why.
        reason: DisconnectReason,
        /// How long the receiver should stay away. Whole milliseconds, at most 49 days.
        retry_after: Duration,
        /// Peers that it may try instead. At most [`ALTERNATIVES_MAX`].
        alternatives: Vec<Bytes>,
    },
    /// Asks whether somebody is there.
    Ping {
        /// Repeated by the answer.
        nonce: u64,
    },
    /// Answers a [`Message::Ping`].
    Pong {
        /// That of the question.
        nonce: u64,
    },
    /// The link that this comes on takes the place of the receiver's link to `peer`.
    Replaces {
        /// Number of the exchange.
        id: u64,
        /// Whose link it replaces.
        peer: PeerId,
    },
}

impl Message {
    /// One word for metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bootstrap { .. } => "bootstrap",
            Self::Advertise { .. } => "advertise",
            Self::SwapPropose { .. } => "swap_propose",
            Self::SwapAccept { .. } => "swap_accept",
            Self::SwapReject { .. } => "swap_reject",
            Self::SwapCommit { .. } => "swap_commit",
            Self::SwapAbort { .. } => "swap_abort",
            Self::Disconnect { .. } => "disconnect",
            Self::Ping { .. } => "ping",
            Self::Pong { .. } => "pong",
            Self::Replaces { .. } => "replaces",
        }
    }

    fn to_body(&self) -> Body {
        match self.clone() {
            Self::Bootstrap { nonce, max, transports } => {
                Body::Bootstrap(proto::Bootstrap { nonce, max, transports })
            }
            Self::Advertise { nonce, records } => {
                Body::Advertise(proto::Advertise { nonce, records })
            }
            Self::SwapPropose { id, deadline, record } => {
                Body::SwapPropose(proto::SwapPropose { id, deadline_ms: millis(deadline), record })
            }
            Self::SwapAccept { id, record } => Body::SwapAccept(proto::SwapAccept { id, record }),
            Self::SwapReject { id, reason } => {
                Body::SwapReject(proto::SwapReject { id, reason: reason.to_proto().into() })
            }
            Self::SwapCommit { id } => Body::SwapCommit(proto::SwapCommit { id }),
            Self::SwapAbort { id, reason } => {
                Body::SwapAbort(proto::SwapAbort { id, reason: reason.to_proto().into() })
            }
            Self::Disconnect { reason, retry_after, alternatives } => {
                Body::Disconnect(proto::Disconnect {
                    reason: reason.to_proto().into(),
                    retry_after_ms: millis(retry_after),
                    alternatives,
                })
            }
            Self::Ping { nonce } => Body::Ping(proto::Ping { nonce }),
            Self::Pong { nonce } => Body::Pong(proto::Pong { nonce }),
            Self::Replaces { id, peer } => {
                Body::Replaces(proto::Replaces { id, peer_id: peer.to_bytes().into() })
            }
        }
    }

    fn of_body(body: Body) -> Result<Self, Malformed> {
        Ok(match body {
            Body::Bootstrap(proto::Bootstrap { nonce, max, transports }) => {
                Self::Bootstrap { nonce, max, transports }
            }
            Body::Advertise(proto::Advertise { nonce, records }) => {
                Self::Advertise { nonce, records }
            }
            Body::SwapPropose(proto::SwapPropose { id, deadline_ms, record }) => {
                Self::SwapPropose { id, deadline: duration(deadline_ms), record }
            }
            Body::SwapAccept(proto::SwapAccept { id, record }) => Self::SwapAccept { id, record },
            Body::SwapReject(proto::SwapReject { id, reason }) => {
                Self::SwapReject { id, reason: SwapRefusal::of_proto(reason) }
            }
            Body::SwapCommit(proto::SwapCommit { id }) => Self::SwapCommit { id },
            Body::SwapAbort(proto::SwapAbort { id, reason }) => {
                Self::SwapAbort { id, reason: SwapRefusal::of_proto(reason) }
            }
            Body::Disconnect(proto::Disconnect { reason, retry_after_ms, alternatives }) => {
                let retry_after = duration(retry_after_ms);
                let reason = DisconnectReason::of_proto(reason);
                Self::Disconnect { reason, retry_after, alternatives }
            }
            Body::Ping(proto::Ping { nonce }) => Self::Ping { nonce },
            Body::Pong(proto::Pong { nonce }) => Self::Pong { nonce },
            Body::Replaces(proto::Replaces { id, peer_id }) => {
                let peer = PeerId::from_bytes(&peer_id);
                let invalid = |_| Malformed::new("replaces.peer_id", Defect::Invalid);
                Self::Replaces { id, peer: peer.map_err(invalid)? }
            }
        })
    }
}

impl Frame for Message {
    const MAX: usize = <proto::Gossip as Bounded>::LEN_MAX;

    fn encode(&self, out: &mut BytesMut) {
        let frame = proto::Gossip { body: Some(self.to_body()) };
        out.reserve(frame.encoded_len());
        frame.encode_raw(out);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        let frame: proto::Gossip = wire::bounds::decode(frame)?;
        frame
            .body
            .map_or_else(|| Err(Malformed::new("gossip.body", Defect::Missing)), Self::of_body)
    }
}

/// As many of `records`, in their order, as one frame can hold; at most `max`.
pub(crate) fn fitting(records: impl IntoIterator<Item = Bytes>, max: usize) -> Vec<Bytes> {
    let mut room = RECORDS_BYTES_MAX;
    let fits = move |record: &Bytes| {
        // A tag and a length of at most two bytes stand before each.
        let len = record.len().saturating_add(4);
        let fits = len <= room;
        room = room.saturating_sub(len);
        fits
    };
    records.into_iter().take(max).take_while(fits).collect()
}

fn millis(span: Duration) -> u32 {
    span.as_millis().try_into().unwrap_or(u32::MAX)
}

fn duration(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_lists_fit_their_frame() {
        for record in [1, 200, 2048].map(|len| Bytes::from(vec![7; len])) {
            let records = fitting(std::iter::repeat_n(record.clone(), 200), RECORDS_MAX);
            let alternatives = fitting(std::iter::repeat_n(record, 200), ALTERNATIVES_MAX);
            let (reason, retry_after) = (DisconnectReason::TooMany, Duration::MAX);
            for message in [
                Message::Advertise { nonce: u64::MAX, records },
                Message::Disconnect { reason, retry_after, alternatives },
            ] {
                let mut frame = BytesMut::new();
                message.encode(&mut frame);
                assert!(frame.len() <= Message::MAX, "{} bytes", frame.len());
                assert!(Message::decode(frame.freeze()).is_ok());
            }
        }
    }
}
