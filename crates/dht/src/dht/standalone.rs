//! Runs a core over links of any kind: frames in, frames out, and nothing of a swarm.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use libp2p_identity::PeerId;
use machine::{Effect, Input, Instant, JobError, JobId, Machine as _, Undelivered};
use tokio::time::{Sleep, sleep};
use transport::{JobLimits, Worker as _};
use wire::Frame as _;

use crate::clock::Clock;
use crate::core::Core;
use crate::event::{Done, Event, Job};
use crate::front::Front;
use crate::messages::Message;
use crate::work::Worker;

/// The core is told the wall clock again when its last reading is this old.
const WALL_STALE: Duration = Duration::from_secs(1);
/// Frames that wait for one link, as in a [`transport::conversation`].
const OUTBOX_MAX: usize = 256;
/// Their bytes, likewise. One frame that is longer passes alone.
const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// What links have for this node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FromWire {
    /// There is a link with this peer, who is proven to be at its other end.
    Joined(PeerId),
    /// It is gone.
    Left(PeerId),
    /// A frame of this peer.
    Frame(PeerId, Bytes),
}

/// What this node has for its links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToWire {
    /// A frame for this peer. What is for a peer without a link is thrown away.
    Frame(PeerId, Bytes),
    /// Close the link with this peer: [`FromWire::Left`] follows.
    Close(PeerId),
}

/// Whatever frames were sent on is no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("frames can no longer be sent")]
pub struct WireGone;

type Ended = (JobId, Result<Done, JobError>);

/// A core and what makes it move.
struct Standalone {
    core: Core,
    worker: Worker,
    front: Front,
    clock: Clock,
    limits: JobLimits,
    jobs: FuturesUnordered<futures::future::BoxFuture<'static, Ended>>,
    outbox: Outbox,
    walled: Option<Instant>,
}

/// What happened.
enum Happened {
    Input(Box<Input<Core>>),
    Wire(Option<FromWire>),
    Due,
    Sent,
}

pub(super) async fn run<I, O>(
    (core, worker, front, clock): (Core, Worker, Front, Clock),
    from_wire: I,
    to_wire: O,
) -> Result<(), WireGone>
where
    I: Stream<Item = FromWire>,
    O: Sink<ToWire>,
{
    let (mut from_wire, mut to_wire) = (pin!(from_wire.fuse()), pin!(to_wire));
    let limits = JobLimits::default();
    let (jobs, outbox) = (FuturesUnordered::new(), Outbox::default());
    let mut this = Standalone { core, worker, front, clock, limits, jobs, outbox, walled: None };
    let mut timer = pin!(sleep(Duration::ZERO));
    loop {
        match this.next(from_wire.as_mut(), to_wire.as_mut(), timer.as_mut()).await? {
            Happened::Input(input) => this.feed(*input),
            Happened::Wire(Some(FromWire::Joined(peer))) => {
                let name = Core::NAMES.first().copied().unwrap_or_default();
                this.feed(Input::Joined { peer, name });
            }
            Happened::Wire(Some(FromWire::Left(peer))) => {
                for message in this.outbox.forget(&peer) {
                    let cause = Undelivered::NotConnected;
                    this.feed(Input::Undelivered { peer, message, cause });
                }
                this.feed(Input::Left { peer });
            }
            Happened::Wire(Some(FromWire::Frame(peer, frame))) => this.hear(peer, frame),
            Happened::Wire(None) => {
                if let Err(error) = this.front.finish().await {
                    tracing::warn!(target: "meshwork::dht", %error, "not all is written");
                }
                return Ok(());
            }
            Happened::Due => this.tick(),
            Happened::Sent => {}
        }
        if let Some(due) = this.core.next_deadline() {
            let wait = due.since(this.clock.now());
            timer.set(sleep(wait));
        }
    }
}

impl Standalone {
    async fn next<I, O>(
        &mut self,
        mut from_wire: Pin<&mut I>,
        mut to_wire: Pin<&mut O>,
        timer: Pin<&mut Sleep>,
    ) -> Result<Happened, WireGone>
    where
        I: futures::stream::FusedStream<Item = FromWire>,
        O: Sink<ToWire>,
    {
        tokio::select! {
            Some((id, outcome)) = self.jobs.next() => {
                Ok(Happened::Input(Box::new(Input::Done { id, outcome })))
            }
            command = self.front.next() => Ok(Happened::Input(Box::new(Input::Command(command)))),
            item = from_wire.next() => Ok(Happened::Wire(item)),
            () = timer, if self.core.next_deadline().is_some() => Ok(Happened::Due),
            ready = self.outbox.send(to_wire.as_mut()) => ready.map(|()| Happened::Sent),
        }
    }

    fn hear(&mut self, peer: PeerId, frame: Bytes) {
        if self.outbox.closing.contains(&peer) {
            return;
        }
        match Message::decode(frame) {
            Ok(message) => self.feed(Input::Received { peer, message }),
            Err(error) => {
                tracing::debug!(target: "meshwork::dht", %peer, %error, "link closed");
                self.outbox.close(peer);
            }
        }
    }

    fn feed(&mut self, input: Input<Core>) {
        self.tell_wall();
        self.apply(VecDeque::from([input]));
    }

    fn tell_wall(&mut self) {
        let now = self.clock.read();
        if self.walled.is_none_or(|last| now.now.since(last) >= WALL_STALE) {
            self.walled = Some(now.now);
            self.apply(VecDeque::from([Input::Wall(now.wall)]));
        }
    }

    fn tick(&mut self) {
        self.tell_wall();
        self.core.tick(self.clock.now());
        let bounced = self.carry_out();
        self.apply(bounced);
    }

    fn apply(&mut self, mut inputs: VecDeque<Input<Core>>) {
        while let Some(input) = inputs.pop_front() {
            self.core.handle(input, self.clock.now());
            inputs.append(&mut self.carry_out());
        }
    }

    /// Takes all effects of the core; what bounces is a later input.
    fn carry_out(&mut self) -> VecDeque<Input<Core>> {
        let mut bounced = VecDeque::new();
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Send { peer, message } => {
                    if let Some(message) = self.outbox.push(peer, message) {
                        let cause = Undelivered::OutboxFull;
                        bounced.push_back(Input::Undelivered { peer, message, cause });
                    }
                }
                Effect::Report { peer, fault } => {
                    tracing::debug!(target: "meshwork::dht", %peer, %fault, "link at fault");
                }
                Effect::Close { peer } => self.outbox.close(peer),
                Effect::Emit(event) => {
                    if let Event::Release { peer } = event {
                        self.outbox.close(peer);
                    }
                    bounced.extend(self.front.tell(event).map(Input::Command));
                }
                Effect::Start { id, job } => {
                    if let Err(error) = self.start(id, job) {
                        bounced.push_back(Input::Done { id, outcome: Err(error) });
                    }
                }
            }
        }
        bounced
    }

    fn start(&mut self, id: JobId, job: Job) -> Result<(), JobError> {
        if self.jobs.len() >= self.limits.under_way_max {
            return Err(JobError::Refused);
        }
        let work = tokio::time::timeout(self.limits.deadline, self.worker.start(job));
        let end = work.map(move |end| (id, end.unwrap_or(Err(JobError::TimedOut))));
        self.jobs.push(end.boxed());
        Ok(())
    }
}

/// What waits for the wire, and how much of it for each link.
#[derive(Default)]
struct Outbox {
    queue: VecDeque<Out>,
    /// Frames for each link, and their bytes.
    waiting: BTreeMap<PeerId, (usize, usize)>,
    /// Links that the wire was told to close, and has not closed yet.
    closing: BTreeSet<PeerId>,
}

enum Out {
    /// A message, and its frame.
    Message(PeerId, Box<Message>, Bytes),
    Close(PeerId),
}

impl Outbox {
    /// Gives the message back if too many wait already.
    fn push(&mut self, peer: PeerId, message: Message) -> Option<Message> {
        let mut frame = BytesMut::new();
        message.encode(&mut frame);
        let (frames, bytes) = self.waiting.get(&peer).copied().unwrap_or_default();
        let sum = bytes.saturating_add(frame.len());
        if frames >= OUTBOX_MAX || (frames > 0 && sum > OUTBOX_BYTES_MAX) {
            return Some(message);
        }
        self.waiting.insert(peer, (frames.saturating_add(1), sum));
        self.queue.push_back(Out::Message(peer, Box::new(message), frame.freeze()));
        None
    }

    fn close(&mut self, peer: PeerId) {
        if self.closing.insert(peer) {
            self.queue.push_back(Out::Close(peer));
        }
    }

    /// Gives back what waits for a link that is gone.
    fn forget(&mut self, peer: &PeerId) -> Vec<Message> {
        self.waiting.remove(peer);
        self.closing.remove(peer);
        let (gone, kept): (VecDeque<_>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|out| matches!(out, Out::Message(to, ..) | Out::Close(to) if to == peer));
        self.queue = kept;
        let message = |out| match out {
            Out::Message(_, message, _) => Some(*message),
            Out::Close(_) => None,
        };
        gone.into_iter().filter_map(message).collect()
    }

    fn waits_no_more(&mut self, peer: PeerId, len: usize) {
        if let Entry::Occupied(mut waiting) = self.waiting.entry(peer) {
            let (frames, bytes) = *waiting.get();
            match frames.checked_sub(1) {
                None | Some(0) => drop(waiting.remove_entry()),
                Some(left) => *waiting.get_mut() = (left, bytes.saturating_sub(len)),
            }
        }
    }

    /// Sends the oldest, once the wire takes it; pending when there is none.
    async fn send<O: Sink<ToWire>>(&mut self, mut wire: Pin<&mut O>) -> Result<(), WireGone> {
        if self.queue.is_empty() {
            // Whatever the wire has gathered goes out meanwhile.
            wire.flush().await.map_err(|_| WireGone)?;
            return std::future::pending().await;
        }
        std::future::poll_fn(|cx| wire.as_mut().poll_ready(cx)).await.map_err(|_| WireGone)?;
        let item = match self.queue.pop_front() {
            Some(Out::Message(peer, _, frame)) => {
                self.waits_no_more(peer, frame.len());
                ToWire::Frame(peer, frame)
            }
            Some(Out::Close(peer)) => ToWire::Close(peer),
            None => return Ok(()),
        };
        wire.start_send(item).map_err(|_| WireGone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry(len: usize) -> Message {
        Message::Carry { number: 1, hops: 8, envelope: vec![0; len].into() }
    }

    #[test]
    fn what_waits_for_a_link_is_bounded_in_bytes_and_no_other_link_is_held_up() {
        let peer = |seed| {
            let keys = libp2p_identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
            keys.public().to_peer_id()
        };
        let mut outbox = Outbox::default();
        let waits =
            (0..OUTBOX_MAX).filter(|_| outbox.push(peer(1), carry(65_536)).is_none()).count();
        assert_eq!(waits, 15, "16 of them and their heads are more than 1 MiB");
        assert!(outbox.push(peer(1), carry(100)).is_none(), "what still fits");
        assert!(outbox.push(peer(2), carry(65_536)).is_none());
        assert_eq!(outbox.forget(&peer(1)).len(), 16);
        assert!(outbox.push(peer(1), carry(2 * OUTBOX_BYTES_MAX)).is_none(), "it passes alone");
        assert!(outbox.push(peer(1), carry(1)).is_some());
    }

    #[tokio::test]
    async fn what_was_sent_makes_room() {
        let peer = PeerId::random();
        let mut outbox = Outbox::default();
        while outbox.push(peer, carry(60_000)).is_none() {}
        let mut wire = pin!(futures::sink::drain());
        outbox.send(wire.as_mut()).await.unwrap();
        assert!(outbox.push(peer, carry(60_000)).is_none());
        while !outbox.queue.is_empty() {
            outbox.send(wire.as_mut()).await.unwrap();
        }
        assert!(outbox.waiting.is_empty());
    }
}
