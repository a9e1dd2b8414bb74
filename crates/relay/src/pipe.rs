//! The two protocols on the wire: cores that hand frames up and down, for
//! [`transport::conversation`].
//!
//! There is no state in them. Who is connected, what waits for a link and what bounces is the
//! conversation's; what frames mean is the runner's.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use ::wire::{Frame, Malformed};
use bytes::{Bytes, BytesMut};
use libp2p_identity::PeerId;
use machine::{Effect, Effects, Input, Instant, Machine, Undelivered};

use crate::wire::{Entries, Msg as Packet};

/// One of the two protocols.
pub trait Kind: fmt::Debug + Send + Sync + Unpin + 'static {
    /// Its names, best first.
    const NAMES: &'static [&'static str];
    /// Longest frame, in bytes.
    const MAX: usize;

    /// Whether these bytes are a frame of it. Takes some microseconds at most: no point of a curve is
    /// looked at.
    ///
    /// # Errors
    /// What is wrong with them, and no honest peer sends. Costs the sender what malformed messages do.
    fn check(frame: &Bytes) -> Result<(), Malformed>;
}

/// Packets: `/meshwork/relay/msg/1`.
#[derive(Clone, Copy, Debug)]
pub struct MsgKind;

/// What is said about packets: `/meshwork/relay/ack/1`.
#[derive(Clone, Copy, Debug)]
pub struct AckKind;

impl Kind for MsgKind {
    const NAMES: &'static [&'static str] = &["/meshwork/relay/msg/1"];
    const MAX: usize = <Packet as Frame>::MAX;

    /// Whoever brings a packet has made the ticket behind it, and has to have made one. What is in
    /// the packet may be the work of somebody else.
    fn check(frame: &Bytes) -> Result<(), Malformed> {
        Packet::split(frame).map(drop)
    }
}

impl Kind for AckKind {
    const NAMES: &'static [&'static str] = &["/meshwork/relay/ack/1"];
    const MAX: usize = <Entries as Frame>::MAX;

    /// Whoever says something about packets has made all of the frame. Whether it is true is seen on
    /// the pool, and is nobody's fault: a half key may be wrong since the packet's sender lied about
    /// what it makes, and nobody may wait for it since it is late.
    fn check(frame: &Bytes) -> Result<(), Malformed> {
        Entries::decode(frame.clone()).map(drop)
    }
}

/// Bytes that are a frame of one protocol, if they came from a link.
pub struct Raw<K> {
    frame: Bytes,
    kind: PhantomData<K>,
}

impl<K> Raw<K> {
    /// The bytes.
    pub fn into_bytes(self) -> Bytes {
        self.frame
    }
}

impl<K> Clone for Raw<K> {
    fn clone(&self) -> Self {
        self.frame.clone().into()
    }
}

impl<K> From<Bytes> for Raw<K> {
    fn from(frame: Bytes) -> Self {
        Self { frame, kind: PhantomData }
    }
}

impl<K> PartialEq for Raw<K> {
    fn eq(&self, other: &Self) -> bool {
        self.frame == other.frame
    }
}

impl<K> Eq for Raw<K> {}

impl<K> fmt::Debug for Raw<K> {
    /// Leaves out the bytes: half keys are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("bytes", &self.frame.len()).finish_non_exhaustive()
    }
}

impl<K: Kind> Frame for Raw<K> {
    const MAX: usize = K::MAX;

    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.frame);
    }

    fn decode(frame: Bytes) -> Result<Self, Malformed> {
        K::check(&frame)?;
        Ok(frame.into())
    }
}

/// What the runner asks.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send a frame.
    Send {
        /// To whom.
        peer: PeerId,
        /// Its bytes.
        frame: Bytes,
    },
}

/// What the runner, or the path selection, is told.
#[derive(Debug)]
pub enum Event {
    /// Frames can be exchanged with this peer.
    Joined(PeerId),
    /// No longer.
    Left(PeerId),
    /// A frame came.
    Received {
        /// From whom.
        peer: PeerId,
        /// Its bytes.
        frame: Bytes,
    },
    /// The end of each [`Command::Send`]: the frame was handed to the link.
    Handed(PeerId),
    /// A frame that was handed to the link came back.
    Returned {
        /// Whom it was for.
        peer: PeerId,
        /// The frame.
        frame: Bytes,
        /// Why.
        cause: Undelivered,
    },
}

/// The core of one protocol.
#[derive(Debug)]
pub struct Core<K: Kind> {
    effects: Effects<Self>,
}

/// The core of `/meshwork/relay/msg/1`.
pub type Msg = Core<MsgKind>;
/// The core of `/meshwork/relay/ack/1`.
pub type Ack = Core<AckKind>;

impl<K: Kind> Default for Core<K> {
    fn default() -> Self {
        Self { effects: Effects::default() }
    }
}

impl<K: Kind> Machine for Core<K> {
    const NAMES: &'static [&'static str] = K::NAMES;
    type Message = Raw<K>;
    type Command = Command;
    type Event = Event;
    type Fault = Infallible;
    type Job = Infallible;
    type Done = Infallible;

    fn handle(&mut self, input: Input<Self>, _: Instant) {
        let event = match input {
            Input::Joined { peer, .. } => Event::Joined(peer),
            Input::Left { peer } => Event::Left(peer),
            Input::Received { peer, message } => {
                Event::Received { peer, frame: message.into_bytes() }
            }
            Input::Undelivered { peer, message, cause } => {
                Event::Returned { peer, frame: message.into_bytes(), cause }
            }
            Input::Command(Command::Send { peer, frame }) => {
                self.effects.push(Effect::Send { peer, message: frame.into() });
                Event::Handed(peer)
            }
            Input::Done { .. } | Input::Wall(_) => return,
        };
        self.effects.push(Effect::Emit(event));
    }

    fn tick(&mut self, _: Instant) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop()
    }
}
