//! Between the swarm and the inner behaviour.

use std::task::{Context, Poll};

use futures::FutureExt;
use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{AddressChange, ConnectionClosed, ConnectionEstablished};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use rand::RngExt;

use super::{Arrival, Gate, Guest, Stage, Step};
use crate::dialer::Purpose;
use crate::exchange::Side;
use crate::handler::{FromGate, Handler, ToGate};
use crate::{Event, Refusal, SessionKind};

impl<B: NetworkBehaviour> Gate<B> {
    fn welcome(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        side: Side,
        address: &Multiaddr,
    ) -> Handler<THandler<B>> {
        let purpose = match side {
            Side::Dialer => self.dials.purpose(id),
            Side::Listener => Purpose::Session(SessionKind::Outbound),
        };
        let (declared, stage) = match (purpose, side) {
            (Purpose::Session(kind), Side::Dialer) => (kind, Stage::Pending),
            (Purpose::Session(kind), Side::Listener) => (kind, Stage::Stranger),
            (Purpose::Outside, _) => (SessionKind::Outbound, Stage::Outside),
        };
        let nonce = self.rng.random();
        let version = self.version(declared, nonce, address);
        let since = self.clock.now();
        let (arrival, spared) = (None, 0);
        let guest = Guest { peer, side, declared, nonce, arrival, stage, since, spared };
        self.guests.insert(id, guest);
        let handler = Handler::new(self.shared.clone(), peer, side, version);
        match purpose {
            Purpose::Session(_) => handler,
            Purpose::Outside => handler.without_handshake(),
        }
    }

    /// One more stranger, or one more handshake, turns out the oldest of its kind.
    fn make_room(&mut self) {
        let params = &self.shared.params;
        let (strangers_max, pending_max) = (params.strangers_max, params.pending_max);
        self.turn_out_oldest(strangers_max, Stage::is_stranger);
        self.turn_out_oldest(pending_max, Stage::is_pending);
    }

    /// Whoever is honest opens the handshake, and ends it, within a round trip or two: the one
    /// that has been there longest is the least likely to.
    fn turn_out_oldest(&mut self, max: usize, of_kind: fn(&Stage) -> bool) {
        let inbound = || {
            let counts = move |guest: &Guest| guest.side == Side::Listener && of_kind(&guest.stage);
            self.guests.iter().filter(move |(_, guest)| counts(guest))
        };
        if inbound().count() <= max {
            return;
        }
        let oldest = inbound().min_by_key(|(id, guest)| (guest.spared > 0, guest.since, **id));
        if let Some((peer, id)) = oldest.map(|(id, guest)| (guest.peer, *id)) {
            self.stays_outside(id, Refusal::Disconnected);
            self.close(peer, id);
        }
    }

    fn on_established(&mut self, new: &ConnectionEstablished<'_>) {
        if let Some(guest) = self.guests.get_mut(&new.connection_id) {
            let failed = new.failed_addresses.to_vec();
            guest.arrival = Some(Arrival { endpoint: new.endpoint.clone(), failed });
            if matches!(guest.stage, Stage::Outside) {
                self.dials.conclude(new.connection_id, Ok(()));
            }
        }
        self.make_room();
    }

    fn on_closed(&mut self, closed: ConnectionClosed<'_>) {
        let (peer, id) = (closed.peer_id, closed.connection_id);
        let was_inside = matches!(self.guests.get(&id), Some(Guest { stage: Stage::Inside, .. }));
        if was_inside {
            self.guests.remove(&id);
            let inside = self.inside.entry(peer).or_default();
            inside.retain(|known| *known != id);
            let remaining_established = inside.len();
            if inside.is_empty() {
                self.inside.remove(&peer);
            }
            let closed = ConnectionClosed { remaining_established, ..closed };
            self.inner.on_swarm_event(FromSwarm::ConnectionClosed(closed));
            if let Some(info) = self.sessions.remove(id) {
                self.emit(Event::Closed(info));
            }
            return;
        }
        let left_early = |guest: &Guest| guest.is_undecided() && !guest.stage.is_stranger();
        if self.guests.get(&id).is_some_and(left_early) {
            self.stays_outside(id, Refusal::Disconnected);
        }
        self.guests.remove(&id);
        self.answer_held_dials(peer);
    }

    fn on_address_change(&mut self, change: AddressChange<'_>) {
        let Some(guest) = self.guests.get_mut(&change.connection_id) else { return };
        if let Some(arrival) = &mut guest.arrival {
            arrival.endpoint = change.new.clone();
        }
        if matches!(guest.stage, Stage::Inside) {
            self.inner.on_swarm_event(FromSwarm::AddressChange(change));
        }
    }

    /// To the swarm, `Any` connection and `All` connections include those that the inner behaviour
    /// does not know: it hangs up on a visitor while a probe of the same peer goes on.
    fn translate(&mut self, step: ToSwarm<B::ToSwarm, THandlerInEvent<B>>) -> Option<Step<B>> {
        if let ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event } = step {
            let id = *self.inside.get(&peer_id)?.first()?;
            self.notify(peer_id, id, FromGate::Inner(event));
            return self.out.pop_front();
        }
        if let ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All } = step {
            for id in self.inside.get(&peer_id).cloned().unwrap_or_default() {
                self.close(peer_id, id);
            }
            return self.out.pop_front();
        }
        Some(step.map_out(Event::Inner).map_in(FromGate::Inner))
    }

    /// Takes requests, the store's answers, and what was held long enough; pending when there is
    /// nothing.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(first) = self.storing.front_mut()
            && let Poll::Ready(stored) = first.poll_unpin(cx)
        {
            self.storing.pop_front();
            self.on_stored(stored);
            return Poll::Ready(());
        }
        if let Poll::Ready(Some(request)) = self.requests.poll_recv(cx) {
            self.on_request(request);
            return Poll::Ready(());
        }
        self.poll_held(cx)
    }
}

impl Stage {
    fn is_stranger(&self) -> bool {
        matches!(self, Self::Stranger)
    }

    fn is_pending(&self) -> bool {
        matches!(self, Self::Pending | Self::Accepted { .. })
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = Handler<THandler<B>>;
    type ToSwarm = Event<B::ToSwarm>;

    // The inner behaviour is not asked about pending inbound connections: they are strangers.
    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match self.banned_ip(remote) {
            Some(banned) => Err(ConnectionDenied::new(banned)),
            None => Ok(()),
        }
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(banned) = addresses.iter().find_map(|address| self.banned_ip(address)) {
            return Err(ConnectionDenied::new(banned));
        }
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handler<THandler<B>>, ConnectionDenied> {
        Ok(self.welcome(id, peer, Side::Listener, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<Handler<THandler<B>>, ConnectionDenied> {
        // Of two that hole-punch towards each other, one plays the listener.
        let side = match role {
            Endpoint::Dialer => Side::Dialer,
            Endpoint::Listener => Side::Listener,
        };
        Ok(self.welcome(id, peer, side, address))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the swarm's events are not exhaustive")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(new) => self.on_established(&new),
            FromSwarm::ConnectionClosed(closed) => self.on_closed(closed),
            FromSwarm::AddressChange(change) => self.on_address_change(change),
            FromSwarm::DialFailure(failure) => self.on_dial_failure(failure),
            FromSwarm::ListenFailure(failure) => {
                self.guests.remove(&failure.connection_id);
            }
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            ToGate::Knocked => {
                if let Some(guest) = self.guests.get_mut(&id)
                    && guest.stage.is_stranger()
                {
                    guest.stage = Stage::Pending;
                }
                self.make_room();
            }
            ToGate::Introduced(theirs) => self.on_introduced(id, theirs),
            ToGate::Agreed => self.on_agreed(id),
            ToGate::Refused(refusal) => self.stays_outside(id, refusal),
            ToGate::Left => self.close(peer, id),
            ToGate::Inner(event) => {
                if matches!(self.guests.get(&id), Some(Guest { stage: Stage::Inside, .. })) {
                    self.inner.on_connection_handler_event(peer, id, event);
                }
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Event<B::ToSwarm>, THandlerInEvent<Self>>> {
        loop {
            if let Some(step) = self.out.pop_front() {
                return Poll::Ready(step);
            }
            if self.poll_own(cx).is_ready() {
                continue;
            }
            let Poll::Ready(step) = self.inner.poll(cx) else { return Poll::Pending };
            if let Some(step) = self.translate(step) {
                return Poll::Ready(step);
            }
        }
    }
}
