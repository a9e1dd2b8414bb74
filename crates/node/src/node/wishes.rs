//! Whom the operator trusts, from the wish to its answer.

use std::collections::VecDeque;

use gossip::{Command, TrustError};
use handshake::Banned;
use libp2p::PeerId;
use transport::address::ip_of;

use super::Node;
use crate::config::DialAddress;
use crate::handle::{AddError, NotTrusted, Reply};

/// Wishes that gossip has not answered, in the order in which it heard them. It answers at once, so
/// that they are few.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    adding: VecDeque<(PeerId, Reply<Result<(), AddError>>)>,
    removing: VecDeque<(PeerId, Reply<Result<(), NotTrusted>>)>,
}

impl Node {
    pub(super) fn add(&mut self, address: &DialAddress, reply: Reply<Result<(), AddError>>) {
        // Those that are about to begin count as well.
        self.enforce_all_bans();
        let peer = address.peer();
        let whence = ip_of(address.multiaddr()).map(|ip| Banned::Address(ip).canonical());
        let hit = |banned| banned == Banned::Peer(peer) || Some(banned) == whence;
        let bans = self.swarm.behaviour().gate.bans();
        if let Some(ban) = bans.into_iter().find(|ban| hit(ban.banned)) {
            return answer(reply, Err(AddError::Banned { peer, reason: ban.reason }));
        }
        self.wishes.adding.push_back((peer, reply));
        let addresses = vec![address.multiaddr().clone()];
        self.gossip(Command::Trust { peer, addresses });
    }

    pub(super) fn remove(&mut self, peer: PeerId, reply: Reply<Result<(), NotTrusted>>) {
        self.wishes.removing.push_back((peer, reply));
        self.gossip(Command::Distrust { peer });
    }

    pub(super) fn on_trusted(&mut self, peer: PeerId, outcome: Result<(), TrustError>) {
        if outcome.is_ok() {
            tracing::info!(%peer, "trusted");
            self.swarm.behaviour_mut().gate.name_peer(peer);
        }
        let outcome = match outcome {
            // Every wish comes with an address.
            Ok(()) | Err(TrustError::NoAddress) => Ok(()),
            Err(TrustError::Oneself) => Err(AddError::Oneself(peer)),
            Err(TrustError::TooMany { max }) => Err(AddError::TooMany { max }),
        };
        if let Some(reply) = take(&mut self.wishes.adding, peer) {
            answer(reply, outcome);
        }
    }

    pub(super) fn on_distrusted(&mut self, peer: PeerId, was: bool) {
        if was {
            tracing::info!(%peer, "not trusted any more");
            self.swarm.behaviour_mut().gate.unname_peer(&peer);
        }
        if let Some(reply) = take(&mut self.wishes.removing, peer) {
            answer(reply, if was { Ok(()) } else { Err(NotTrusted(peer)) });
        }
    }
}

/// The first that waits for `peer`.
fn take<R>(waiting: &mut VecDeque<(PeerId, R)>, peer: PeerId) -> Option<R> {
    let at = waiting.iter().position(|(waits, _)| *waits == peer)?;
    waiting.remove(at).map(|(_, reply)| reply)
}

/// Answers somebody who may have given up waiting.
pub(super) fn answer<A>(reply: Reply<A>, answer: A) {
    if reply.send(answer).is_err() {
        tracing::debug!("who asked has given up waiting");
    }
}
