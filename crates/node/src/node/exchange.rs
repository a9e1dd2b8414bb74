//! What those who sync orders want of the swarm: substreams, inside the gate and outside, and a
//! topic.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, StreamProtocol};
use machine::{Blame, Verdict};
use ordersync::service::{OpenFailed, Protocol};
use tokio::sync::oneshot;
use topics::{Command, Event as TopicEvent, Judgement, PublishError};
use transport::address::ip_of;
use transport::session::{Event, OpenId, Substream};

use super::Node;
use super::behaviour::{BINARY, JSON, JSON_V4};
use super::events::MALFORMED_PRICE;
use super::links::is_lasting;
use super::wishes::answer;
use crate::syncing::{Arrival, Ask, Incoming, Open, OpenReply};

/// What was asked for and has no answer yet. Bounded by the connections, and by how much those who
/// sync ask for at a time.
#[derive(Debug)]
pub(super) struct Exchange {
    opening: BTreeMap<(Whence, OpenId), OpenReply>,
    publishing: BTreeMap<u64, oneshot::Sender<Result<(), PublishError>>>,
    next_tag: u64,
}

/// On which side of the gate a substream is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Whence {
    /// Behind it, where there are only nodes of this network.
    Inside,
    /// Beside it, where anybody may be, nodes of this network too.
    Outside,
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { opening: BTreeMap::new(), publishing: BTreeMap::new(), next_tag: 0 }
    }
}

impl Node {
    pub(super) fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Open(open) => self.open_session(open),
            Ask::Publish(topic, payload, reply) => {
                let tag = self.exchange.next_tag;
                self.exchange.next_tag = tag.wrapping_add(1);
                self.exchange.publishing.insert(tag, reply);
                self.broadcast(Command::Publish { topic, tag, payload });
            }
            Ask::Judge(topic, id, judgement) => {
                self.broadcast(Command::Judge { topic, id, judgement });
            }
            Ask::Spare(connection, spared) => {
                self.swarm.behaviour_mut().gate.spare(connection, spared);
            }
            Ask::HangUp(connection) => {
                self.swarm.close_connection(connection);
            }
            Ask::Blame { peer, verdict, fault } => {
                tracing::warn!(%peer, %fault, ?verdict, "broke a rule of order synchronisation");
                self.on_verdict(peer, verdict, "order synchronisation");
            }
        }
    }

    fn broadcast(&mut self, command: Command) {
        if let Some(topics) = self.gated().topics.as_mut() {
            topics.command(command);
        }
    }

    fn open_session(&mut self, Open { peer, outside, protocols, reply }: Open) {
        let named = |spoken: &[StreamProtocol]| -> Vec<StreamProtocol> {
            let names = protocols.iter().map(|it| StreamProtocol::new(it.id()));
            names.filter(|name| spoken.contains(name)).collect()
        };
        let key = if let Some(connection) = outside {
            let names = named(&[JSON, JSON_V4]);
            let behaviour = &mut self.swarm.behaviour_mut().outside;
            (Whence::Outside, behaviour.open(peer, connection, names))
        } else {
            let mut links = self.sessions.all();
            links.retain(|info| info.peer == peer && is_lasting(info));
            // The one that has been there longest is the least likely to go as somebody's rival.
            let oldest = links.iter().min_by_key(|info| (info.since, info.connection));
            let Some(connection) = oldest.map(|info| info.connection) else {
                return answer(reply, Err(OpenFailed { reason: "not connected".to_owned() }));
            };
            let names = named(&[BINARY, JSON, JSON_V4]);
            (Whence::Inside, self.gated().orders.open(peer, connection, names))
        };
        self.exchange.opening.insert(key, reply);
    }

    pub(super) fn on_session(&mut self, whence: Whence, event: Event) {
        match event {
            Event::Opened { id, name, stream, .. } => {
                let unknown = || OpenFailed { reason: format!("{name} was not asked for") };
                let protocol = Protocol::of(name.as_ref()).ok_or_else(unknown);
                self.on_opening_ended(whence, id, protocol.map(|protocol| (protocol, stream)));
            }
            Event::OpenFailed { id, error, .. } => {
                let failed = OpenFailed { reason: error.to_string() };
                self.on_opening_ended(whence, id, Err(failed));
            }
            // Who does not pass the gate is not asked there whether it is banned.
            Event::Incoming { peer, connection, .. }
                if whence == Whence::Outside && self.swarm.behaviour().gate.is_banned(peer) =>
            {
                self.desk.counts.add("not_served_banned", 1);
                self.swarm.close_connection(connection);
            }
            Event::Incoming { peer, connection, name, stream } => {
                self.on_incoming(peer, connection, &name, stream);
            }
            Event::Refused { peer, name, reason, .. } => {
                tracing::debug!(%peer, %name, %reason, "one session too many");
                self.desk.counts.add("not_served_too_many", 1);
            }
        }
    }

    fn on_opening_ended(
        &mut self,
        whence: Whence,
        id: OpenId,
        ended: Result<(Protocol, Substream), OpenFailed>,
    ) {
        if let Some(reply) = self.exchange.opening.remove(&(whence, id)) {
            answer(reply, ended);
        }
    }

    fn on_incoming(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        name: &StreamProtocol,
        stream: Substream,
    ) {
        let Some(protocol) = Protocol::of(name.as_ref()) else { return };
        let stranger = self.sessions.get(connection).is_none();
        let remote = self.swarm.behaviour().gate.remote(connection).and_then(ip_of);
        let incoming = Incoming { peer, connection, protocol, stream, stranger, remote };
        // A substream that is dropped is closed.
        if self.desk.incoming.try_send(incoming).is_err() {
            self.desk.counts.add("not_served_queue", 1);
        }
    }

    pub(super) fn on_broadcast(&mut self, event: transport::Event<topics::Core>) {
        match event {
            transport::Event::Core(event) => self.on_topic(event),
            transport::Event::Fault { peer, fault } => {
                let verdict = fault.verdict();
                if verdict == Verdict::Note {
                    tracing::debug!(%peer, %fault, "odd, and nobody's fault");
                } else {
                    tracing::warn!(%peer, %fault, ?verdict, "broke a rule of broadcast");
                }
                self.on_verdict(peer, verdict, "broadcast");
            }
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed message of broadcast");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed message");
            }
        }
    }

    fn on_topic(&mut self, event: TopicEvent) {
        match event {
            TopicEvent::Published { tag, outcome, .. } => {
                if let Some(reply) = self.exchange.publishing.remove(&tag) {
                    answer(reply, outcome);
                }
            }
            TopicEvent::Writable { .. } => self.desk.signals.writable.notify_one(),
            TopicEvent::Arrived { topic, id, payload } => {
                // What there is no time to check goes no further; a sync brings it.
                let arrival = Arrival { topic: topic.clone(), id, payload };
                if self.desk.arrivals.try_send(arrival).is_err() {
                    self.desk.counts.add("messages_unread", 1);
                    let judgement = Judgement::Ignore;
                    self.broadcast(Command::Judge { topic, id, judgement });
                }
            }
            TopicEvent::Missed { stream, bytes, .. } => {
                tracing::debug!(publisher = %stream.publisher, bytes, "missed what was published");
                self.desk.counts.add("messages_missed", 1);
            }
            TopicEvent::TooSlow { peer, .. } => {
                tracing::info!(%peer, "takes too little of what is published");
            }
            TopicEvent::Neighbour { peer, present, .. } => {
                tracing::debug!(%peer, present, "takes part in the topic of orders");
            }
            TopicEvent::Judged { outcome: Err(error), .. } => {
                tracing::debug!(%error, "checked too late");
                self.desk.counts.add("messages_judged_late", 1);
            }
            TopicEvent::Declined { .. }
            | TopicEvent::Judged { outcome: Ok(()), .. }
            | TopicEvent::Subscribed { .. }
            | TopicEvent::Unsubscribed { .. } => tracing::debug!(?event, "topic of orders"),
        }
    }
}
