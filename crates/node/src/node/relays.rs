//! What those who relay want of the swarm: frames carried, tickets kept and traded.

use std::collections::{BTreeMap, VecDeque};

use libp2p::PeerId;
use machine::{Blame, Verdict};
use relay::pipe;
use tickets::aggregation::{
    AggregateError, Command, Core, EarnError, Event, RedeemError, Redeemed,
};
use tickets::{ChannelId, TicketIndex};
use tokio::sync::oneshot;

use super::Node;
use super::events::MALFORMED_PRICE;
use super::wishes::answer;
use crate::relaying::{Ask, Desk, Paid, Pipe, Returned, Trade, Traded};

/// The desk of those who relay, and what was asked there and has no answer yet. Bounded by how much
/// they ask for at a time.
#[derive(Debug)]
pub(super) struct Relays {
    desk: Desk,
    /// The same ticket may be brought twice.
    earning: BTreeMap<(ChannelId, TicketIndex), VecDeque<Earned>>,
    trading: BTreeMap<ChannelId, oneshot::Sender<Traded>>,
    redeeming: BTreeMap<ChannelId, oneshot::Sender<Paid>>,
}

type Earned = oneshot::Sender<Result<(), EarnError>>;

impl Relays {
    pub(super) const fn at(desk: Desk) -> Self {
        Self {
            desk,
            earning: BTreeMap::new(),
            trading: BTreeMap::new(),
            redeeming: BTreeMap::new(),
        }
    }

    /// What is asked next. Ends when nobody relays any more.
    pub(super) async fn next(&mut self) -> Option<Ask> {
        self.desk.asks.recv().await
    }

    /// What was dropped, by reason.
    pub(super) fn dropped(&self) -> BTreeMap<String, u64> {
        self.desk.counts.all()
    }

    /// What became of packets and what is said about them, by name.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.desk.relay.get().map(relay::Relay::counts).unwrap_or_default();
        let occurred = counts.into_iter().filter(|(_, count)| *count > 0);
        occurred.map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// Whether packets can be exchanged with a peer. Links of no use are noticed there.
    pub(super) fn reaches(&self, peer: &PeerId) -> bool {
        self.desk.peers.has(peer)
    }

    /// Has whoever relays send what it has to, keep what it earned, and end.
    pub(super) fn end(&self) {
        self.desk.ending.cancel();
    }
}

impl Node {
    pub(super) fn on_relay_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Send(pipe, peer, frame) => {
                self.used(&peer);
                let command = pipe::Command::Send { peer, frame };
                let gated = self.gated();
                match pipe {
                    Pipe::Msg => gated.msg.as_mut().map(|msg| msg.command(command)),
                    Pipe::Ack => gated.ack.as_mut().map(|ack| ack.command(command)),
                };
            }
            Ask::View(channel, peer) => self.aggregation(Command::View { channel, peer }),
            Ask::Earn(ticket, reply) => {
                let body = ticket.ticket().body();
                let key = (body.channel, body.interval.first());
                if let Some(relays) = &mut self.relays {
                    relays.earning.entry(key).or_default().push_back(reply);
                }
                self.aggregation(Command::Earn(ticket));
            }
            Ask::Aggregate(trade, reply) => self.trade(trade, reply),
            Ask::Redeem(channel, below, reply) => self.redeem(channel, below, reply),
            Ask::Look(look) => {
                if let Some(aggregation) = self.gated().aggregation.as_ref() {
                    look(aggregation.core());
                }
            }
            // Whoever asks does so again, as long as it is of no use to them.
            Ask::HangUp(peer) if self.is_for_messages(&peer) => {}
            Ask::HangUp(peer) => self.swarm.behaviour_mut().gate.disconnect(peer),
        }
    }

    fn aggregation(&mut self, command: Command) {
        if let Some(aggregation) = self.gated().aggregation.as_mut() {
            aggregation.command(command);
        }
    }

    fn used(&self, peer: &PeerId) {
        if let Some(relays) = &self.relays {
            relays.desk.peers.used(peer);
        }
    }

    /// Which answer belongs to which of two questions about a channel nobody could tell.
    fn trade(&mut self, trade: Trade, reply: oneshot::Sender<Traded>) {
        let Trade { channel, below, prerequisites } = trade;
        let Some(relays) = &mut self.relays else { return };
        if relays.trading.contains_key(&channel) {
            return answer(reply, Err(AggregateError::Busy));
        }
        tracing::debug!(%channel, "offers tickets for one");
        relays.trading.insert(channel, reply);
        self.aggregation(Command::Aggregate { channel, below: Some(below), prerequisites });
    }

    fn redeem(
        &mut self,
        channel: ChannelId,
        below: Option<TicketIndex>,
        reply: oneshot::Sender<Paid>,
    ) {
        let Some(relays) = &mut self.relays else { return };
        if relays.redeeming.contains_key(&channel) {
            return answer(reply, (Redeemed::default(), Err(RedeemError::Busy)));
        }
        relays.redeeming.insert(channel, reply);
        self.aggregation(Command::Redeem { channel, from: None, below });
    }

    pub(super) fn on_msg(&mut self, event: transport::Event<pipe::Msg>) {
        match event {
            transport::Event::Core(event) => self.on_pipe(Pipe::Msg, event),
            transport::Event::Fault { fault, .. } => match fault {},
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed packet");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed packet");
            }
        }
    }

    pub(super) fn on_ack(&mut self, event: transport::Event<pipe::Ack>) {
        match event {
            transport::Event::Core(event) => self.on_pipe(Pipe::Ack, event),
            transport::Event::Fault { fault, .. } => match fault {},
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed acknowledgement");
                let charge = Verdict::Charge(MALFORMED_PRICE);
                self.on_verdict(peer, charge, "malformed acknowledgement");
            }
        }
    }

    fn on_pipe(&self, pipe: Pipe, event: pipe::Event) {
        let Some(Relays { desk, .. }) = &self.relays else { return };
        match event {
            pipe::Event::Joined(peer) => desk.peers.joined(peer, pipe),
            pipe::Event::Left(peer) => desk.peers.left(peer, pipe),
            pipe::Event::Received { peer, frame } => {
                desk.peers.used(&peer);
                let (queue, lost) = match pipe {
                    Pipe::Msg => (&desk.msgs, "packets_unread"),
                    Pipe::Ack => (&desk.acks, "acknowledgements_unread"),
                };
                if queue.try_send((peer, frame)).is_err() {
                    desk.counts.add(lost, 1);
                }
            }
            pipe::Event::Returned { peer, frame, cause } => {
                if desk.returned.try_send(Returned { pipe, peer, frame, cause }).is_err() {
                    desk.counts.add("frames_not_taken_back", 1);
                }
            }
            pipe::Event::Handed(_) => {}
        }
    }

    pub(super) fn on_aggregation(&mut self, event: transport::Event<Core>) {
        match event {
            transport::Event::Core(event) => self.on_tickets(event),
            transport::Event::Fault { peer, fault } => {
                let verdict = fault.verdict();
                if verdict == Verdict::Note {
                    tracing::debug!(%peer, %fault, "odd, and nobody's fault");
                } else {
                    tracing::warn!(%peer, %fault, ?verdict, "broke a rule of ticket aggregation");
                }
                self.on_verdict(peer, verdict, "ticket aggregation");
            }
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed message of ticket aggregation");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed message");
            }
        }
    }

    fn on_tickets(&mut self, event: Event) {
        let Some(Relays { desk, earning, trading, redeeming }) = &mut self.relays else { return };
        match event {
            Event::Viewed { outcome: Ok(()), .. } => {}
            Event::Viewed { channel, outcome: Err(error) } => {
                tracing::warn!(%channel, %error, "a channel is not followed");
                desk.counts.add("channels_not_followed", 1);
            }
            Event::Earned { channel, index, outcome } => {
                desk.held.send_replace(());
                let key = (channel, index);
                let Some(waiting) = earning.get_mut(&key) else { return };
                if let Some(reply) = waiting.pop_front() {
                    answer(reply, outcome);
                }
                if waiting.is_empty() {
                    earning.remove(&key);
                }
            }
            Event::Aggregated { channel, outcome } => {
                desk.held.send_replace(());
                if let Some(reply) = trading.remove(&channel) {
                    answer(reply, outcome);
                }
            }
            Event::Redeemed { channel, paid, outcome } => {
                desk.held.send_replace(());
                if let Some(reply) = redeeming.remove(&channel) {
                    answer(reply, (paid, outcome));
                }
            }
            Event::Released { channel, epoch, amount, end, paid } => {
                desk.held.send_replace(());
                if paid {
                    desk.incoming.paid(&channel, epoch, amount, end);
                } else {
                    tracing::warn!(%channel, %amount, "tickets are worth nothing any more");
                    desk.incoming.released(&channel, epoch, amount);
                }
            }
            Event::Issued { channel, epoch, interval } => {
                desk.indices.raise(&channel, epoch, interval.end());
            }
        }
    }
}
