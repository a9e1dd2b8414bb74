//! Whoever sits at a node of the network: the core itself, or somebody who only speaks its words.

use bytes::BytesMut;
use gossip::{Command, Core, Done, Event, Fault, Job, Message};
use machine::{Effect, Input, Instant, Machine};
use wire::Frame as _;

use crate::hostile::Hostile;

/// One participant, and what it has said so far.
#[derive(Debug)]
pub(crate) struct Actor {
    mind: Mind,
    tally: Tally,
}

#[derive(Debug)]
enum Mind {
    Honest(Box<Core>),
    Hostile(Box<Hostile>),
}

/// Messages sent, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kinds: [Sent; Self::KINDS.len()],
    /// For messages whose size is not known beforehand.
    scratch: BytesMut,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// The frame of a ping or pong: a tag, a length, and a tagged number of eight bytes. A nonce of
/// nought, which takes none, is too rare to matter.
const PING_BYTES: u64 = 11;

impl Tally {
    pub(crate) const KINDS: [&'static str; 11] = [
        "bootstrap",
        "advertise",
        "swap_propose",
        "swap_accept",
        "swap_reject",
        "swap_commit",
        "swap_abort",
        "disconnect",
        "ping",
        "pong",
        "replaces",
    ];

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.kinds.iter_mut().zip(&other.kinds) {
            sum.messages += more.messages;
            sum.bytes += more.bytes;
        }
    }

    fn count(&mut self, message: &Message) {
        let kind = match message {
            Message::Bootstrap { .. } => 0,
            Message::Advertise { .. } => 1,
            Message::SwapPropose { .. } => 2,
            Message::SwapAccept { .. } => 3,
            Message::SwapReject { .. } => 4,
            Message::SwapCommit { .. } => 5,
            Message::SwapAbort { .. } => 6,
            Message::Disconnect { .. } => 7,
            Message::Ping { .. } => 8,
            Message::Pong { .. } => 9,
            Message::Replaces { .. } => 10,
        };
        let bytes = match message {
            Message::Ping { .. } | Message::Pong { .. } => PING_BYTES,
            other => {
                self.scratch.clear();
                other.encode(&mut self.scratch);
                u64::try_from(self.scratch.len()).unwrap_or(u64::MAX)
            }
        };
        let sent = &mut self.kinds[kind];
        sent.messages += 1;
        // The length before the frame.
        sent.bytes += bytes + if bytes < 128 { 1 } else { 2 };
    }
}

impl Actor {
    pub(crate) fn honest(core: Core) -> Self {
        Self { mind: Mind::Honest(Box::new(core)), tally: Tally::default() }
    }

    pub(crate) fn hostile(hostile: Hostile) -> Self {
        Self { mind: Mind::Hostile(Box::new(hostile)), tally: Tally::default() }
    }

    /// The core, if it is one.
    pub(crate) fn core(&self) -> Option<&Core> {
        match &self.mind {
            Mind::Honest(core) => Some(core),
            Mind::Hostile(_) => None,
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Machine for Actor {
    const NAMES: &'static [&'static str] = Core::NAMES;

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Job;
    type Done = Done;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        match &mut self.mind {
            Mind::Honest(core) => core.handle(to_core(input), now),
            Mind::Hostile(hostile) => hostile.handle(input, now),
        }
    }

    fn tick(&mut self, now: Instant) {
        match &mut self.mind {
            Mind::Honest(core) => core.tick(now),
            Mind::Hostile(hostile) => hostile.tick(now),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.mind {
            Mind::Honest(core) => core.next_deadline(),
            Mind::Hostile(hostile) => Some(hostile.due()),
        }
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        let effect = match &mut self.mind {
            Mind::Honest(core) => core.poll_effect().map(from_core),
            Mind::Hostile(hostile) => hostile.poll_effect(),
        };
        if let Some(Effect::Send { message, .. }) = &effect {
            self.tally.count(message);
        }
        effect
    }
}

/// What is put to an actor, as it is put to what is in it.
pub(crate) fn to_core<A, C>(input: Input<A>) -> Input<C>
where
    A: Machine,
    C: Machine<Message = A::Message, Command = A::Command, Done = A::Done>,
{
    match input {
        Input::Joined { peer, name } => Input::Joined { peer, name },
        Input::Left { peer } => Input::Left { peer },
        Input::Received { peer, message } => Input::Received { peer, message },
        Input::Undelivered { peer, message, cause } => Input::Undelivered { peer, message, cause },
        Input::Command(command) => Input::Command(command),
        Input::Done { id, outcome } => Input::Done { id, outcome },
        Input::Wall(time) => Input::Wall(time),
    }
}

/// What something in an actor wants, as the actor wants it.
pub(crate) fn from_core<A, C>(effect: Effect<C>) -> Effect<A>
where
    A: Machine,
    C: Machine<Message = A::Message, Event = A::Event, Fault = A::Fault, Job = A::Job>,
{
    match effect {
        Effect::Send { peer, message } => Effect::Send { peer, message },
        Effect::Report { peer, fault } => Effect::Report { peer, fault },
        Effect::Close { peer } => Effect::Close { peer },
        Effect::Emit(event) => Effect::Emit(event),
        Effect::Start { id, job } => Effect::Start { id, job },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_counted_with_the_bytes_it_takes_on_the_wire() {
        let mut frame = BytesMut::new();
        Message::Ping { nonce: 7 }.encode(&mut frame);
        assert_eq!(u64::try_from(frame.len()), Ok(PING_BYTES));
        let mut tally = Tally::default();
        tally.count(&Message::Pong { nonce: 7 });
        tally.count(&Message::SwapCommit { id: 7 });
        let kinds = ["pong", "swap_commit"].map(|name| {
            let kind = Tally::KINDS.iter().position(|it| *it == name);
            tally.kinds[kind.expect("a kind")]
        });
        assert_eq!(kinds.map(|it| (it.messages, it.bytes)), [(1, 12), (1, 12)]);
    }
}
