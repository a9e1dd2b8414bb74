//! The two protocols on the wire: cores that hand frames up and down, for
//! [`transport::conversation`].
//!
//! There is no state in them. Who is connected, what waits for a link and what bounces is the
//! conversation's; what frames mean is the runner's.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use ::wire::{Defect, Frame, Malformed};
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

    /// Whether these bytes can be a frame of it.
    ///
    /// # Errors
    /// What is wrong with them.
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

    /// Packets have one length. Whether there is a ticket behind them is seen on the pool.
    fn check(frame: &Bytes) -> Result<(), Malformed> {
        let defect = match frame.len() {
            given if given < Self::MAX => Defect::Truncated,
            given if given > Self::MAX => Defect::TooLong,
            _ => return Ok(()),
        };
        Err(Malformed::new("msg", defect))
    }
}

impl Kind for AckKind {
    const NAMES: &'static [&'static str] = &["/meshwork/relay/ack/1"];
    const MAX: usize = <Entries as Frame>::MAX;

    fn check(frame: &Bytes) -> Result<(), Malformed> {
        if frame.len() > Self::MAX {
            return Err(Malformed::new("ack", Defect::TooLong));
        }
        if frame.is_empty() {
            return Err(Malformed::new("ack", Defect::Truncated));
        }
        Ok(())
    }
}

/// Bytes that may be a frame of one protocol.
pub struct Raw<K> {
    frame: Bytes,
    kind: PhantomData<K>,
}

impl<K> Raw<K> {
    /// The bytes, shared.
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
