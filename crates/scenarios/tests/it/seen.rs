//! What came out of a node.

use std::fmt;
use std::sync::Arc;

use handshake::{BanStoreError, Banned, Event, Refusal, SessionInfo};
use libp2p::{gossipsub, identify};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_request_response as rr;
use libp2p_swarm::{Swarm, SwarmEvent};
use testkit::chatter;
use transport::limits::Counts;

use crate::live::Log;
use crate::node::{All, AllEvent, InnerEvent, ask, probe};
use crate::probe::Shown;

/// A connection that stayed outside.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) dialled: bool,
    pub(crate) refusal: Refusal,
}

/// Everything that a scenario may wait for.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    // The gate.
    pub(crate) opened: Vec<Arc<SessionInfo>>,
    pub(crate) closed: Vec<Arc<SessionInfo>>,
    pub(crate) probed: Vec<Arc<SessionInfo>>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) self_dialled: Vec<Multiaddr>,
    pub(crate) bans_stored: Vec<(Banned, Result<(), BanStoreError>)>,
    pub(crate) strangers: usize,
    pub(crate) pending: usize,
    // Behind it.
    pub(crate) shown: Shown,
    pub(crate) asked: Vec<u32>,
    pub(crate) answered: Vec<u32>,
    pub(crate) failed: Vec<String>,
    pub(crate) chats: Vec<chatter::Event>,
    pub(crate) misdeeds: Vec<String>,
    /// Peers that joined the conversation.
    pub(crate) joined: usize,
    pub(crate) subscribed: Vec<PeerId>,
    pub(crate) gossip: Vec<Vec<u8>>,
    // Beside it.
    pub(crate) pings: usize,
    pub(crate) identified: Vec<PeerId>,
    // The swarm.
    pub(crate) listening: Vec<Multiaddr>,
    pub(crate) connected: usize,
    pub(crate) disconnected: usize,
    pub(crate) dial_errors: usize,
    pub(crate) listen_errors: usize,
    pub(crate) counts: Counts,
}

impl Seen {
    /// Connections that there are now, inside the gate or not.
    pub(crate) fn connections(&self) -> usize {
        self.connected - self.disconnected
    }

    /// The last refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &Refusal {
        &self.refused.last().unwrap_or_else(|| panic!("no refusal in {self:?}")).refusal
    }

    /// How the connections ended that stayed outside, in words.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.refused.iter().map(|refused| crate::node::told(&refused.refusal)).collect()
    }

    fn note_gate(&mut self, event: Event<InnerEvent>, swarm: &mut Swarm<All>) {
        match event {
            Event::Inner(InnerEvent::Echo(event)) => self.note_echo(event, swarm),
            Event::Inner(InnerEvent::Chatter(event)) => match event {
                transport::Event::Core(event) => self.chats.push(event),
                misdeed => self.misdeeds.push(format!("{misdeed:?}")),
            },
            Event::Inner(InnerEvent::Gossip(event)) => match event {
                gossipsub::Event::Subscribed { peer_id, .. } => self.subscribed.push(peer_id),
                gossipsub::Event::Message { message, .. } => self.gossip.push(message.data),
                _ => {}
            },
            Event::Inner(InnerEvent::Probe(())) => {}
            Event::Opened(info) => {
                if let Some(numbers) = probe(swarm).greets.get(&info.peer).cloned() {
                    ask(swarm, info.peer, numbers);
                }
                self.opened.push(info);
            }
            Event::Closed(info) => self.closed.push(info),
            Event::Probed(info) => self.probed.push(info),
            Event::Refused { dialled, refusal, .. } => {
                self.refused.push(Refused { dialled, refusal });
            }
            Event::SelfDialled { address } => self.self_dialled.push(address),
            Event::BanStored { banned, outcome } => self.bans_stored.push((banned, outcome)),
        }
    }

    fn note_echo(&mut self, event: rr::Event<u32, u32>, swarm: &mut Swarm<All>) {
        match event {
            rr::Event::Message { message, .. } => match message {
                rr::Message::Request { request, channel, .. } => {
                    self.asked.push(request);
                    let echo = &mut swarm.behaviour_mut().gate.inner_mut().echo;
                    if echo.send_response(channel, request).is_err() {
                        // Who asked is gone.
                    }
                }
                rr::Message::Response { response, .. } => self.answered.push(response),
            },
            rr::Event::OutboundFailure { error, .. } => self.failed.push(error.to_string()),
            rr::Event::InboundFailure { error, .. } => self.failed.push(format!("in: {error}")),
            rr::Event::ResponseSent { .. } => {}
        }
    }
}

impl Log<All> for Seen {
    fn note(&mut self, event: SwarmEvent<AllEvent>, swarm: &mut Swarm<All>) {
        match event {
            SwarmEvent::Behaviour(AllEvent::Gate(event)) => self.note_gate(event, swarm),
            SwarmEvent::Behaviour(AllEvent::Ping(ping)) => {
                self.pings += usize::from(ping.result.is_ok());
            }
            SwarmEvent::Behaviour(AllEvent::Identify(identify::Event::Received {
                peer_id,
                ..
            })) => self.identified.push(peer_id),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                self.connected += 1;
                if let Some(numbers) = probe(swarm).greets_at_once.remove(&peer_id) {
                    ask(swarm, peer_id, numbers);
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => self.listening.push(address),
            SwarmEvent::ConnectionClosed { .. } => self.disconnected += 1,
            SwarmEvent::OutgoingConnectionError { .. } => self.dial_errors += 1,
            SwarmEvent::IncomingConnectionError { .. } => self.listen_errors += 1,
            _ => {}
        }
    }

    /// What has to be asked for.
    fn refresh(&mut self, swarm: &Swarm<All>) {
        let all = swarm.behaviour();
        self.shown.clone_from(&all.gate.inner().probe.shown);
        let chatter = all.gate.inner().chatter.as_ref();
        self.joined = chatter.map_or(0, |chatter| chatter.core().per_peer_entries());
        self.strangers = all.gate.strangers();
        self.pending = all.gate.pending();
        self.counts = all.limits.counts();
    }
}

/// What is long is told as a number, or by its end.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusals = self.refusals();
        f.debug_struct("Seen")
            .field("opened", &self.opened.len())
            .field("closed", &self.closed.len())
            .field("probed", &self.probed.len())
            .field("refused", &refusals.len())
            .field("last refusals", &&refusals[refusals.len().saturating_sub(5)..])
            .field("self_dialled", &self.self_dialled)
            .field("bans_stored", &self.bans_stored)
            .field("strangers", &self.strangers)
            .field("pending", &self.pending)
            .field("shown", &self.shown)
            .field("asked", &self.asked.len())
            .field("answered", &self.answered.len())
            .field("failed", &self.failed)
            .field("chats", &self.chats)
            .field("misdeeds", &self.misdeeds)
            .field("joined", &self.joined)
            .field("subscribed", &self.subscribed)
            .field("gossip", &self.gossip)
            .field("pings", &self.pings)
            .field("identified", &self.identified.len())
            .field("connected", &self.connected)
            .field("disconnected", &self.disconnected)
            .field("dial_errors", &self.dial_errors)
            .field("listen_errors", &self.listen_errors)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
