//! Dials whose failure the inner behaviour is not told before it is certain.
//!
//! The swarm does not dial a peer to which it has a connection, also while that one is still
//! outside; and of two nodes that dial each other at once, one is refused as a duplicate. Either
//! way another connection may come in a moment later, and then nothing has failed. Whoever waits
//! for it waits no longer than a handshake may take.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::DialFailure;
use libp2p_swarm::dial_opts::PeerCondition;
use libp2p_swarm::{ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour};
use machine::Instant;

use super::{Gate, Guest, Stage};
use crate::{Refusal, RejectCode};

/// Most dials held. One more fails at once, as a dial to a connected peer does: who sends when it
/// is told of a connection still does so then.
const HELD_MAX: usize = 256;

/// The dials held.
#[derive(Debug, Default)]
pub(super) struct HeldDials {
    /// In the order in which their time is up.
    held: Vec<Held>,
    timer: Option<Delay>,
}

#[derive(Debug)]
struct Held {
    peer: PeerId,
    id: ConnectionId,
    until: Instant,
    /// What the swarm says of a dial to a connected peer.
    condition: PeerCondition,
    /// Why, if it got as far as a handshake.
    refusal: Option<Refusal>,
}

impl Held {
    /// Whether the remote knows of a connection that we do not know of: it may be secured at its
    /// end only.
    fn awaits_rival(&self) -> bool {
        let refusal = self.refusal.as_ref();
        matches!(refusal, Some(Refusal::Theirs { reject, .. }) if reject.code == RejectCode::Duplicate)
    }
}

impl HeldDials {
    /// Whether one more may be held.
    pub(super) fn have_room(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    fn arm(&mut self, now: Instant) {
        self.timer = self.held.first().map(|first| Delay::new(first.until.since(now)));
    }
}

impl<B: NetworkBehaviour> Gate<B> {
    /// Holds the failure of a dial until it is known what becomes of `peer`'s connections.
    pub(super) fn hold_dial(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        condition: PeerCondition,
        refusal: Option<Refusal>,
    ) {
        let now = self.clock.now();
        // A remote that refuses every dial must not make us hold more: the oldest is told now.
        if !self.held.have_room()
            && let Some(oldest) = self.held.held.first_mut()
        {
            oldest.until = now;
            let peer = oldest.peer;
            self.answer_held_dials(peer);
        }
        let until = now.after(self.shared.params.deadline);
        self.held.held.push(Held { peer, id, until, condition, refusal });
        if self.held.timer.is_none() {
            self.held.arm(now);
        }
    }

    /// Tells how the held dials to `peer` ended, as far as that is known.
    pub(super) fn answer_held_dials(&mut self, peer: PeerId) {
        let now = self.clock.now();
        let known = self.inside.contains_key(&peer);
        let of_peer = || self.guests.values().filter(|guest| guest.peer == peer);
        let undecided = of_peer().any(Guest::is_undecided);
        let refused = of_peer().find_map(|guest| match &guest.stage {
            Stage::Refused(refusal) => Some(refusal.clone()),
            Stage::Stranger
            | Stage::Outside
            | Stage::Pending
            | Stage::Accepted { .. }
            | Stage::Inside
            | Stage::Visited => None,
        });
        let is_certain = |held: &mut Held| {
            let waits = undecided || held.awaits_rival();
            held.peer == peer && (known || !waits || held.until <= now)
        };
        for held in self.held.held.extract_if(.., is_certain) {
            let error = if known {
                DialError::DialPeerConditionFalse(held.condition)
            } else {
                let refusal = held.refusal.or_else(|| refused.clone());
                let refusal = refusal.unwrap_or(Refusal::Disconnected);
                DialError::Denied { cause: ConnectionDenied::new(refusal) }
            };
            let failure =
                DialFailure { peer_id: Some(peer), error: &error, connection_id: held.id };
            self.inner.on_swarm_event(FromSwarm::DialFailure(failure));
        }
    }

    /// Ends what was held long enough; pending when there is nothing.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.held.timer else { return Poll::Pending };
        futures::ready!(timer.poll_unpin(cx));
        let now = self.clock.now();
        while let Some(peer) =
            self.held.held.first().filter(|held| held.until <= now).map(|held| held.peer)
        {
            self.answer_held_dials(peer);
        }
        self.held.arm(now);
        Poll::Ready(())
    }
}
