//! Dials: what they are for, and who waits for their end.

use std::collections::BTreeMap;
use std::error::Error as _;

use libp2p_core::transport::TransportError;
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::DialFailure;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, DialError as SwarmError, FromSwarm, NetworkBehaviour, ToSwarm,
};
use tokio::sync::oneshot;
use transport::address::admissible;
use transport::clock::Clock;

use super::banning::AddressBanned;
use super::{Gate, Guest, Stage};
use crate::dialer::{DialRequest, Purpose, WAITING_MAX};
use crate::exchange::Side;
use crate::{Banned, DialError, Event, SessionKind};

type Reply = oneshot::Sender<Result<ConnectionId, DialError>>;

/// Dials under way.
#[derive(Debug, Default)]
pub(super) struct Dials {
    /// What those are for that we were asked for.
    purposes: BTreeMap<ConnectionId, Purpose>,
    /// Who waits for their end.
    waiting: BTreeMap<ConnectionId, Reply>,
}

impl Dials {
    /// What the connection was dialled for; a link of the overlay unless somebody said otherwise.
    pub(super) fn purpose(&mut self, id: ConnectionId) -> Purpose {
        self.purposes.remove(&id).unwrap_or(Purpose::Session(SessionKind::Outbound))
    }

    fn is_outside(&self, id: ConnectionId) -> bool {
        self.purposes.get(&id) == Some(&Purpose::Outside)
    }

    pub(super) fn conclude(&mut self, id: ConnectionId, outcome: Result<(), DialError>) {
        self.purposes.remove(&id);
        if let Some(reply) = self.waiting.remove(&id)
            && reply.send(outcome.map(|()| id)).is_err()
        {
            // Nobody waits any more.
        }
    }
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(super) fn on_request(&mut self, request: DialRequest) {
        let DialRequest { peer, addresses, purpose, reply } = request;
        let given_by_operator = match purpose {
            Purpose::Session(kind) => matches!(kind, SessionKind::Manual | SessionKind::Seed),
            Purpose::Outside => true,
        };
        let allow_private = self.shared.params.allow_private || given_by_operator;
        let addresses: Vec<_> = addresses
            .into_iter()
            .filter(|address| admissible(address, allow_private).is_ok())
            .collect();
        if let Err(error) = self.may_dial(peer, purpose, addresses.is_empty()) {
            if reply.send(Err(error)).is_err() {
                // Nobody waits any more.
            }
            return;
        }
        let condition = match purpose {
            Purpose::Session(SessionKind::Refine) | Purpose::Outside => PeerCondition::Always,
            // A stranger from that peer must not stand in the way: rivals are sorted out later.
            Purpose::Session(_) => PeerCondition::NotDialing,
        };
        let opts = DialOpts::peer_id(peer).addresses(addresses).condition(condition).build();
        self.dials.purposes.insert(opts.connection_id(), purpose);
        self.dials.waiting.insert(opts.connection_id(), reply);
        self.out.push_back(ToSwarm::Dial { opts });
    }

    fn may_dial(&self, peer: PeerId, purpose: Purpose, no_address: bool) -> Result<(), DialError> {
        if peer == self.local {
            return Err(DialError::Oneself);
        }
        if no_address {
            return Err(DialError::NoAddress);
        }
        let is_link = match purpose {
            Purpose::Session(kind) => kind != SessionKind::Refine,
            Purpose::Outside => false,
        };
        if is_link && self.inside.contains_key(&peer) {
            return Err(DialError::AlreadyConnected);
        }
        if let Some(ban) = self.bans.find(Banned::Peer(peer), Clock::wall()) {
            return Err(DialError::Banned { reason: ban.reason.clone() });
        }
        let takes_slot = |guest: &&Guest| {
            guest.side == Side::Dialer
                && guest.declared == SessionKind::Outbound
                && guest.takes_slot()
                && !self.named.contains(&guest.peer)
        };
        if purpose == Purpose::Session(SessionKind::Outbound)
            && !self.named.contains(&peer)
            && self.guests.values().filter(takes_slot).count() >= self.shared.params.outbound_max
        {
            return Err(DialError::Full);
        }
        if self.dials.waiting.len() >= WAITING_MAX {
            return Err(DialError::Busy);
        }
        Ok(())
    }

    pub(super) fn on_dial_failure(&mut self, failure: DialFailure<'_>) {
        if let SwarmError::LocalPeerId { address } = failure.error {
            self.count_refused(failure.connection_id, crate::RejectCode::SelfDial.name());
            self.emit(Event::SelfDialled { address: address.clone() });
        }
        let id = failure.connection_id;
        // Another behaviour may have denied what we welcomed.
        let welcomed = self.guests.remove(&id);
        let is_outside = welcomed.is_some_and(|guest| matches!(guest.stage, Stage::Outside));
        let is_outside = is_outside || self.dials.is_outside(id);
        self.dials.conclude(id, Err(dial_error(failure.error)));
        if is_outside {
            return;
        }
        let outside = |peer| self.guests.values().any(|guest| guest.peer == peer);
        match (failure.peer_id, failure.error) {
            // The swarm thinks that we are connected; the inner behaviour does not.
            (Some(peer), &SwarmError::DialPeerConditionFalse(condition))
                if outside(peer) && !self.inside.contains_key(&peer) && self.held.have_room() =>
            {
                self.hold_dial(peer, failure.connection_id, condition, None);
                self.answer_held_dials(peer);
            }
            _ => self.inner.on_swarm_event(FromSwarm::DialFailure(failure)),
        }
    }
}

fn dial_error(error: &SwarmError) -> DialError {
    match error {
        SwarmError::LocalPeerId { .. } => DialError::Oneself,
        SwarmError::NoAddresses => DialError::NoAddress,
        SwarmError::DialPeerConditionFalse(_) => DialError::AlreadyConnected,
        SwarmError::WrongPeerId { obtained, .. } => DialError::OtherPeer { found: *obtained },
        SwarmError::Aborted => DialError::Stopping,
        SwarmError::Denied { cause } => match cause.downcast_ref::<AddressBanned>() {
            Some(banned) => DialError::Banned { reason: banned.reason.clone() },
            None => DialError::Unreachable { reason: reason_of(cause) },
        },
        SwarmError::Transport(attempts) => {
            let reason =
                attempts.first().map_or_else(String::new, |(address, error)| match error {
                    TransportError::Other(error) => format!("{address}: {error}"),
                    TransportError::MultiaddrNotSupported(_) => {
                        format!("{address}: no such transport")
                    }
                });
            DialError::Unreachable { reason }
        }
    }
}

/// What a behaviour says about its denial; the wrapper says only that it is one.
pub(super) fn reason_of(denied: &ConnectionDenied) -> String {
    denied.source().map_or_else(String::new, ToString::to_string)
}
