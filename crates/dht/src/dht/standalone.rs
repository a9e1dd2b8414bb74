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
        let now = self.clock.read();
        if self.walled.is_none_or(|last| now.now.since(last) >= WALL_STALE) {
            self.walled = Some(now.now);
            self.apply(VecDeque::from([Input::Wall(now.wall)]));
        }
        self.apply(VecDeque::from([input]));
    }

    fn tick(&mut self) {
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
    waiting: BTreeMap<PeerId, usize>,
    /// Links that the wire was told to close, and has not closed yet.
    closing: BTreeSet<PeerId>,
}

enum Out {
    Message(PeerId, Message),
    Close(PeerId),
}

impl Outbox {
    /// Gives the message back if too many wait already.
    fn push(&mut self, peer: PeerId, message: Message) -> Option<Message> {
        let waiting = self.waiting.entry(peer).or_default();
        if *waiting >= OUTBOX_MAX {
            return Some(message);
        }
        *waiting = waiting.saturating_add(1);
        self.queue.push_back(Out::Message(peer, message));
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
            .partition(|out| matches!(out, Out::Message(to, _) | Out::Close(to) if to == peer));
        self.queue = kept;
        let message = |out| match out {
            Out::Message(_, message) => Some(message),
            Out::Close(_) => None,
        };
        gone.into_iter().filter_map(message).collect()
    }

    fn waits_no_more(&mut self, peer: PeerId) {
        if let Entry::Occupied(mut waiting) = self.waiting.entry(peer) {
            match waiting.get().checked_sub(1) {
                None | Some(0) => drop(waiting.remove_entry()),
                Some(left) => *waiting.get_mut() = left,
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
            Some(Out::Message(peer, message)) => {
                self.waits_no_more(peer);
                let mut frame = BytesMut::new();
                message.encode(&mut frame);
                ToWire::Frame(peer, frame.freeze())
            }
            Some(Out::Close(peer)) => ToWire::Close(peer),
            None => return Ok(()),
        };
        wire.start_send(item).map_err(|_| WireGone)
    }
}
