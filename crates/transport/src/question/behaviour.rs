//! A core that asks and answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use futures_timer::Delay;
use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_request_response as request_response;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use machine::{Input, Machine, PeerId, Undelivered};
use request_response::{
    InboundRequestId, OutboundFailure, OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use wire::Frame;

use super::codec::{Codec, malformed_in};
use super::{Question, QuestionId};
use crate::driver::{Carrier, Driver, Event};
use crate::negotiation::is_refused_name;
use crate::{JobLimits, Worker};

/// How long a farewell waits for the last answer to have been read: a lost packet or two on a slow
/// link fit in. A remote that has what it wanted hangs up earlier.
const FAREWELL: Duration = Duration::from_secs(2);

/// Which half of the protocol a node offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Only asks.
    Asks,
    /// Only answers.
    Answers,
    /// Both.
    Both,
}

/// The bounds of questions and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Which half is offered.
    pub role: Role,
    /// Time for one exchange; then the question comes back unanswered. Default 10 s.
    pub timeout: Duration,
    /// Questions under way with one peer, in each direction. One more of ours comes back at once;
    /// one more of theirs is refused by closing its substream. Default 16.
    pub streams_max: usize,
    /// Questions that wait for our core's answer, over all peers; one more is refused by closing
    /// its substream. Default 256.
    pub waiting_max: usize,
    /// The core's slow work.
    pub jobs: JobLimits,
}

impl Config {
    /// Defaults for `role`.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            timeout: Duration::from_secs(10),
            streams_max: 16,
            waiting_max: 256,
            jobs: JobLimits::default(),
        }
    }
}

/// A core that speaks in [`Question`]s.
pub trait Inquirer:
    Machine<Message = Question<Self::Ask, Self::Answer>, Event: Send, Fault: Send, Done: Send>
    + Send
    + 'static
{
    /// What is asked.
    type Ask: Frame + Clone + fmt::Debug + Send + Sync + 'static;
    /// What is answered.
    type Answer: Frame + Clone + fmt::Debug + Send + Sync + 'static;
}

impl<M, Q, A> Inquirer for M
where
    M: Machine<Message = Question<Q, A>, Event: Send, Fault: Send, Done: Send> + Send + 'static,
    Q: Frame + Clone + fmt::Debug + Send + Sync + 'static,
    A: Frame + Clone + fmt::Debug + Send + Sync + 'static,
{
    type Ask = Q;
    type Answer = A;
}

type Inner<M> = request_response::Behaviour<Codec<<M as Inquirer>::Ask, <M as Inquirer>::Answer>>;
type InnerEvent<M> =
    request_response::Event<Result<<M as Inquirer>::Ask, wire::Malformed>, <M as Inquirer>::Answer>;

/// A core, asking and answering.
pub struct Behaviour<M: Inquirer> {
    driver: Driver<M>,
    lines: Lines<M>,
}

/// The substreams, by who waits for what.
struct Lines<M: Inquirer> {
    inner: Inner<M>,
    streams_max: usize,
    waiting_max: usize,
    joined: BTreeSet<PeerId>,
    /// Ours, until answered.
    asked: BTreeMap<OutboundRequestId, Asked<M::Ask>>,
    /// Theirs, until the core answers.
    waiting: BTreeMap<QuestionId, Waiting<M::Answer>>,
    /// Theirs, until the answer is written.
    answering: BTreeMap<InboundRequestId, PeerId>,
    /// Whom something was answered.
    answered: BTreeSet<PeerId>,
    /// Whom to hang up on once nothing is being answered any more, and how long that waits for
    /// them to have read the last answer.
    closing: BTreeMap<PeerId, Option<Delay>>,
    next_id: u64,
    out: VecDeque<Step<M>>,
}

type Step<M> = ToSwarm<Event<M>, THandlerInEvent<Inner<M>>>;

struct Asked<Q> {
    peer: PeerId,
    id: QuestionId,
    ask: Q,
}

struct Waiting<A> {
    peer: PeerId,
    request: InboundRequestId,
    channel: ResponseChannel<A>,
}

impl<M: Inquirer> fmt::Debug for Behaviour<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("core", self.driver.core()).finish_non_exhaustive()
    }
}

impl<M: Inquirer> Behaviour<M> {
    /// Starts `core`; `worker` does its jobs.
    pub fn new(core: M, worker: impl Worker<M>, config: Config) -> Self {
        let support = match config.role {
            Role::Asks => ProtocolSupport::Outbound,
            Role::Answers => ProtocolSupport::Inbound,
            Role::Both => ProtocolSupport::Full,
        };
        let names = M::NAMES.iter().map(|name| (*name, support.clone()));
        let settings = request_response::Config::default()
            .with_request_timeout(config.timeout)
            .with_max_concurrent_streams(config.streams_max.saturating_mul(2));
        Self {
            driver: Driver::new(core, worker, config.jobs),
            lines: Lines {
                inner: request_response::Behaviour::new(names, settings),
                streams_max: config.streams_max,
                waiting_max: config.waiting_max,
                joined: BTreeSet::new(),
                asked: BTreeMap::new(),
                waiting: BTreeMap::new(),
                answering: BTreeMap::new(),
                answered: BTreeSet::new(),
                closing: BTreeMap::new(),
                next_id: 0,
                out: VecDeque::new(),
            },
        }
    }

    /// Hands the core a command.
    pub fn command(&mut self, command: M::Command) {
        self.feed(Input::Command(command));
    }

    /// The core, to read.
    pub fn core(&self) -> &M {
        self.driver.core()
    }

    fn feed(&mut self, input: Input<M>) {
        self.driver.feed(input, &mut self.lines);
    }

    fn on_inner(&mut self, event: InnerEvent<M>) {
        use request_response::{Event as Inner, Message};
        match event {
            Inner::Message { peer, connection_id, message } => match message {
                Message::Request { request_id, request: Ok(ask), channel } => {
                    if let Some(id) = self.lines.admit(peer, request_id, channel) {
                        self.feed(Input::Received { peer, message: Question::Ask { id, ask } });
                    }
                }
                Message::Request { request: Err(error), .. } => {
                    self.lines.expose(peer, connection_id, error);
                }
                Message::Response { request_id, response: answer } => {
                    if let Some(Asked { id, .. }) = self.lines.asked.remove(&request_id) {
                        let message = Question::Answer { id, answer };
                        self.feed(Input::Received { peer, message });
                    }
                }
            },
            Inner::OutboundFailure { peer, connection_id, request_id, error } => {
                let cause = self.lines.judge(peer, connection_id, &error);
                if let Some(Asked { id, ask, .. }) = self.lines.asked.remove(&request_id) {
                    let message = Question::Ask { id, ask };
                    self.feed(Input::Undelivered { peer, message, cause });
                }
            }
            Inner::InboundFailure { peer, request_id, .. } => self.lines.ended(peer, request_id),
            Inner::ResponseSent { peer, request_id, .. } => {
                // The news may come after the end of the connection, and nothing would forget it.
                if self.lines.joined.contains(&peer) {
                    self.lines.answered.insert(peer);
                }
                self.lines.ended(peer, request_id);
            }
        }
    }
}

impl<M: Inquirer> Lines<M> {
    /// Numbers a question of theirs, unless too many wait or we are hanging up; then its substream
    /// is closed.
    fn admit(
        &mut self,
        peer: PeerId,
        request: InboundRequestId,
        channel: ResponseChannel<M::Answer>,
    ) -> Option<QuestionId> {
        let of_peer = self.answering.values().filter(|asker| **asker == peer).count();
        if self.closing.contains_key(&peer) {
            return None;
        }
        if self.waiting.len() >= self.waiting_max || of_peer >= self.streams_max {
            tracing::debug!(%peer, reason = "too many questions wait", "question refused");
            return None;
        }
        let id = QuestionId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.answering.insert(request, peer);
        self.waiting.insert(id, Waiting { peer, request, channel });
        Some(id)
    }

    /// Why a question of ours came back; bytes that are not the protocol are reported.
    fn judge(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        error: &OutboundFailure,
    ) -> Undelivered {
        match error {
            OutboundFailure::UnsupportedProtocols => Undelivered::Unsupported,
            OutboundFailure::Timeout => Undelivered::Unanswered,
            OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
                Undelivered::NotConnected
            }
            OutboundFailure::Io(error) if is_refused_name(error) => Undelivered::Unsupported,
            OutboundFailure::Io(error) => {
                if let Some(error) = malformed_in(error) {
                    self.expose(peer, connection, error);
                }
                Undelivered::Unanswered
            }
        }
    }

    /// Their bytes are not the protocol.
    fn expose(&mut self, peer: PeerId, connection: ConnectionId, error: wire::Malformed) {
        self.emit(Event::Malformed { peer, error });
        let connection = CloseConnection::One(connection);
        self.out.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }

    /// A question of theirs is answered, or is not going to be.
    fn ended(&mut self, peer: PeerId, request: InboundRequestId) {
        self.answering.remove(&request);
        self.waiting.retain(|_, waiting| waiting.request != request);
        self.hang_up_when_answered(peer);
    }

    fn hang_up_when_answered(&mut self, peer: PeerId) {
        if self.answering.values().any(|asker| *asker == peer) {
            return;
        }
        let Some(farewell) = self.closing.get_mut(&peer) else { return };
        // An answer that is written may still be on its way; who has read it hangs up first.
        let patience = if self.answered.contains(&peer) { FAREWELL } else { Duration::ZERO };
        // Once: further questions of theirs do not put it off.
        farewell.get_or_insert_with(|| Delay::new(patience));
    }

    /// Hangs up on whoever had the time to read.
    fn poll_farewells(&mut self, cx: &mut Context<'_>) {
        let out = &mut self.out;
        self.closing.retain(|peer, farewell| {
            let Some(timer) = farewell else { return true };
            if timer.poll_unpin(cx).is_pending() {
                return true;
            }
            let connection = CloseConnection::All;
            out.push_back(ToSwarm::CloseConnection { peer_id: *peer, connection });
            false
        });
    }
}

/// Whether a message fits its frame.
fn fits<F: Frame>(message: &F) -> bool {
    let mut frame = BytesMut::new();
    message.encode(&mut frame);
    frame.len() <= F::MAX
}

impl<M: Inquirer> Carrier<M> for Lines<M> {
    fn send(&mut self, peer: PeerId, message: M::Message) -> Result<(), (M::Message, Undelivered)> {
        if !self.joined.contains(&peer) {
            return Err((message, Undelivered::NotConnected));
        }
        match message {
            Question::Ask { id, ask } => {
                let under_way = self.asked.values().filter(|asked| asked.peer == peer).count();
                if under_way >= self.streams_max {
                    return Err((Question::Ask { id, ask }, Undelivered::OutboxFull));
                }
                if !fits(&ask) {
                    return Err((Question::Ask { id, ask }, Undelivered::TooLarge));
                }
                let request = self.inner.send_request(&peer, Ok(ask.clone()));
                self.asked.insert(request, Asked { peer, id, ask });
                Ok(())
            }
            Question::Answer { id, answer } => {
                let Some(waiting) = self.waiting.remove(&id).filter(|w| w.peer == peer) else {
                    return Err((Question::Answer { id, answer }, Undelivered::NotConnected));
                };
                if !fits(&answer) {
                    return Err((Question::Answer { id, answer }, Undelivered::TooLarge));
                }
                self.inner.send_response(waiting.channel, answer).map_err(|answer| {
                    self.answering.remove(&waiting.request);
                    (Question::Answer { id, answer }, Undelivered::NotConnected)
                })
            }
        }
    }

    fn close(&mut self, peer: PeerId) {
        if self.joined.contains(&peer) {
            self.closing.entry(peer).or_default();
            self.hang_up_when_answered(peer);
        }
    }

    fn emit(&mut self, event: Event<M>) {
        self.out.push_back(ToSwarm::GenerateEvent(event));
    }
}

impl<M: Inquirer> NetworkBehaviour for Behaviour<M> {
    type ConnectionHandler = THandler<Inner<M>>;
    type ToSwarm = Event<M>;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.lines.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.lines.inner.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.lines.inner.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                other_established: 0,
                ..
            }) => {
                self.lines.joined.insert(peer);
                let name = M::NAMES.first().copied().unwrap_or_default();
                self.feed(Input::Joined { peer, name });
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                remaining_established: 0,
                ..
            }) => {
                self.lines.joined.remove(&peer);
                self.lines.answered.remove(&peer);
                self.lines.closing.remove(&peer);
                self.feed(Input::Left { peer });
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.lines.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event<M>, THandlerInEvent<Self>>> {
        loop {
            if let Some(step) = self.lines.out.pop_front() {
                return Poll::Ready(step);
            }
            self.driver.poll(cx, &mut self.lines);
            self.lines.poll_farewells(cx);
            match self.lines.inner.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.on_inner(event),
                Poll::Ready(step) => {
                    return Poll::Ready(step.map_out(|_| unreachable!("events are taken above")));
                }
                Poll::Pending if self.lines.out.is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}
