//! Bans: told to the banned, in force in the gate, known to gossip, durable, and over in the end.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use gossip::{Command, DisconnectReason};
use handshake::{Ban, BanStoreError, Banned};
use libp2p::PeerId;
use machine::UnixTime;
use transport::address::ip_of;

use super::Node;
use super::wishes::answer;
use crate::handle::{BanError, Reply, UnbanError};

/// How long a peer that is being banned has to hear why. After it the gate cuts it off.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Bans that wait for that at a time; more begin at once.
const LEAVING_MAX: usize = 64;

/// Bans under way. The gate has those in force.
#[derive(Debug, Default)]
pub(super) struct Bans {
    leaving: Vec<Leaving>,
    /// What the store has not answered, in the order in which it was asked.
    storing: VecDeque<(Banned, Option<Answer>)>,
    /// When bans of peers end, which gossip has to hear. As many as the gate holds.
    ends: BTreeSet<(UnixTime, PeerId)>,
}

/// A ban whose peers are being told.
#[derive(Debug)]
struct Leaving {
    ban: Ban,
    reply: Option<Reply<Result<(), BanError>>>,
    /// When it begins at the latest.
    due: UnixTime,
}

/// Who waits for the store.
#[derive(Debug)]
enum Answer {
    Ban(Reply<Result<(), BanError>>),
    Unban(Reply<Result<(), UnbanError>>),
}

impl Bans {
    /// Knows when these end.
    pub(super) fn of(kept: &[Ban]) -> Self {
        let ends = kept.iter().filter_map(|ban| Some((ban.until, peer_of(ban.banned)?)));
        Self { ends: ends.collect(), ..Self::default() }
    }
}

const fn peer_of(banned: Banned) -> Option<PeerId> {
    match banned {
        Banned::Peer(peer) => Some(peer),
        Banned::Address(_) => None,
    }
}

impl Node {
    /// Bans as the operator asks.
    pub(super) fn ban_as_asked(
        &mut self,
        ban: Ban,
        reply: Reply<Result<(), BanError>>,
        now: UnixTime,
    ) {
        match peer_of(ban.banned) {
            Some(peer) if peer == self.peer_id() => answer(reply, Err(BanError::Oneself(peer))),
            Some(peer) if self.trusts(&peer) => answer(reply, Err(BanError::Trusted(peer))),
            _ => self.ban(ban, Some(reply), now),
        }
    }

    /// Tells whom it hits why they have to go, and then keeps them out.
    pub(super) fn ban(
        &mut self,
        ban: Ban,
        reply: Option<Reply<Result<(), BanError>>>,
        now: UnixTime,
    ) {
        let ban = Ban { banned: ban.banned.canonical(), ..ban };
        tracing::warn!(banned = %ban.banned, reason = ?ban.reason, "banned");
        if let Some(peer) = peer_of(ban.banned) {
            self.gossip(Command::Banned { peer, banned: true });
            self.dht(dht::Command::Forget { peer });
        }
        let hit = self.linked_to(ban.banned);
        for &peer in &hit {
            self.gossip(Command::Dismiss { peer, reason: DisconnectReason::Banned });
        }
        if hit.is_empty() || self.bans.leaving.len() >= LEAVING_MAX {
            return self.enforce(ban, reply);
        }
        self.bans.leaving.push(Leaving { ban, reply, due: now.after(LAST_WORD) });
    }

    /// The peers with which gossip has a link that `banned` hits.
    fn linked_to(&self, banned: Banned) -> BTreeSet<PeerId> {
        let hit = |peer, address| match banned {
            Banned::Peer(named) => named == peer,
            Banned::Address(_) => {
                ip_of(address).is_some_and(|ip| Banned::Address(ip).canonical() == banned)
            }
        };
        let sessions = self.sessions.all();
        let hits = sessions.iter().filter(|info| hit(info.peer, &info.address));
        hits.map(|info| info.peer).filter(|peer| self.links.contains(peer)).collect()
    }

    /// Has the gate keep them out.
    fn enforce(&mut self, ban: Ban, reply: Option<Reply<Result<(), BanError>>>) {
        self.bans.storing.push_back((ban.banned, reply.map(Answer::Ban)));
        if let Some(peer) = peer_of(ban.banned) {
            // It takes the place of an earlier one.
            self.bans.ends.retain(|(_, other)| *other != peer);
            self.bans.ends.insert((ban.until, peer));
        }
        self.swarm.behaviour_mut().gate.ban(ban);
    }

    /// Begins every ban now.
    pub(super) fn enforce_all_bans(&mut self) {
        for Leaving { ban, reply, .. } in std::mem::take(&mut self.bans.leaving) {
            self.enforce(ban, reply);
        }
    }

    pub(super) fn unban(&mut self, banned: Banned, reply: Reply<Result<(), UnbanError>>) {
        self.enforce_all_bans();
        let banned = banned.canonical();
        if !self.swarm.behaviour_mut().gate.unban(banned) {
            return answer(reply, Err(UnbanError::NotBanned(banned)));
        }
        tracing::info!(%banned, "not banned any more");
        self.bans.storing.push_back((banned, Some(Answer::Unban(reply))));
        if let Some(peer) = peer_of(banned) {
            self.bans.ends.retain(|(_, other)| *other != peer);
            self.gossip(Command::Banned { peer, banned: false });
        }
    }

    /// Begins the bans whose peers have heard of it, and ends those that are over.
    pub(super) fn look_after_bans(&mut self, now: UnixTime) {
        let links: Vec<bool> =
            self.bans.leaving.iter().map(|it| !self.linked_to(it.ban.banned).is_empty()).collect();
        let mut linked = links.into_iter();
        let due = |it: &mut Leaving| !linked.next().unwrap_or(false) || it.due <= now;
        let due: Vec<_> = self.bans.leaving.extract_if(.., due).collect();
        for Leaving { ban, reply, .. } in due {
            self.enforce(ban, reply);
        }
        while let Some((end, peer)) = self.bans.ends.first().copied()
            && end <= now
        {
            self.bans.ends.remove(&(end, peer));
            tracing::info!(banned = %peer, "the ban is over");
            self.gossip(Command::Banned { peer, banned: false });
        }
    }

    /// A change is durable, or could not be made so.
    pub(super) fn on_ban_stored(&mut self, banned: Banned, outcome: Result<(), BanStoreError>) {
        if let Err(error) = &outcome {
            tracing::error!(%banned, %error, "the ban, or its end, will not outlive this node");
        }
        let storing = &mut self.bans.storing;
        let at = storing.iter().position(|(other, _)| *other == banned);
        match at.and_then(|at| storing.remove(at)).and_then(|(_, waits)| waits) {
            Some(Answer::Ban(reply)) => {
                answer(reply, outcome.map_err(|source| BanError::Storing { banned, source }));
            }
            Some(Answer::Unban(reply)) => {
                answer(reply, outcome.map_err(|source| UnbanError::Storing { banned, source }));
            }
            None => {}
        }
    }
}
