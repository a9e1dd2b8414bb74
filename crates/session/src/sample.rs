//! What the unit tests of this crate talk about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use handshake::{Semver, SessionInfo, SessionKind};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use machine::Instant;
use tokio::io::DuplexStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use wire::{Defect, Frame, Malformed};

use crate::{Message, Rate};

/// Messages of two types, told apart by their first byte: common ones and rare ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Note(pub(crate) Vec<u8>);

pub(crate) const COMMON: Rate = Rate::per_second("common", 10, 20);
pub(crate) const RARE: Rate = Rate::per_second("rare", 1, 1);

impl Frame for Note {
    const MAX: usize = 64;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        if frame.contains(&0xff) {
            return Err(Malformed::new("note", Defect::Invalid));
        }
        Ok(Self(frame.to_vec()))
    }
}

impl Message for Note {
    fn rate(&self) -> Rate {
        if self.0.first() == Some(&b'r') { RARE } else { COMMON }
    }
}

/// A common message with a number in it.
pub(crate) fn common(number: u32) -> Note {
    Note(number.to_be_bytes().map(|byte| byte & 0x7f).to_vec())
}

pub(crate) fn rare() -> Note {
    Note(vec![b'r'])
}

pub(crate) fn session() -> Arc<SessionInfo> {
    Arc::new(SessionInfo {
        peer: PeerId::random(),
        connection: ConnectionId::new_unchecked(1),
        kind: SessionKind::Outbound,
        declared: SessionKind::Outbound,
        address: Multiaddr::empty(),
        agent: String::new(),
        version: Semver::default(),
        features: vec![],
        record: None,
        observed: None,
        since: Instant::START,
    })
}

pub(crate) type Pipe = Compat<DuplexStream>;

/// Two ends of a pipe that holds `room` bytes each way.
pub(crate) fn pipe(room: usize) -> (Pipe, Pipe) {
    let (a, b) = tokio::io::duplex(room);
    (a.compat(), b.compat())
}

/// Counts what lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

/// One of those counted.
#[derive(Debug)]
pub(crate) struct Life(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn begin(&self) -> Life {
        self.0.fetch_add(1, Ordering::SeqCst);
        Life(Arc::clone(&self.0))
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
