//! As many sessions with one peer as it takes: to page, to compare, to give.

use std::time::Duration;

use machine::{Instant, PeerId};
use transport::clock::Clock;

use super::network::{Network, Protocol, Score};
use super::shards::{Patience, Provider, Shards};
use super::{Event, Service};
use crate::Item;
use crate::requester::{Break, Ended, Outcome, RefusedBy, Rest};

/// Sessions in which one peer is given what it lacks, beside the first. With 10,000 items each,
/// nearly a whole book; more is for the next sync.
const GIVING_MAX: usize = 16;

/// Until when a peer is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    pub(super) clock: Clock,
    pub(super) end: Instant,
}

impl Until {
    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.end.since(self.clock.now())
    }
}

/// Who is asked, in which of these protocols, and who shares the ranges of the ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whom<'a> {
    pub(super) peer: PeerId,
    /// The best first.
    pub(super) offered: &'a [Protocol],
    /// That it speaks none of them is nothing to tell.
    pub(super) optional: bool,
    pub(super) shards: &'a Shards,
    /// All sessions together.
    pub(super) until: Until,
}

impl<I: Item, N: Network> Service<I, N> {
    /// Brings what somebody has here, and gives it what it lacks, in one of the protocols: says in
    /// which, and in none if no session was opened.
    ///
    /// Where the envelope ends with the last page, the digests are compared in a session of its own.
    pub(super) async fn fetch_from(
        &self,
        whom: &Whom<'_>,
        rest: Option<Rest>,
    ) -> (Option<Protocol>, Outcome) {
        let (protocol, paged) = self.page_out(whom, rest).await;
        let compared = if paged.ended == Ended::Paged && paged.provable {
            let (_, proven) = self.fetch_once(whom, None, false).await;
            match proven.ended {
                Ended::Agreed | Ended::Incomplete { .. } => {
                    Outcome { tally: paged.tally.and(&proven.tally), ..proven }
                }
                Ended::Paged | Ended::Faulted(_) | Ended::Broken(_) => paged,
            }
        } else {
            paged
        };
        (protocol, self.give_all(whom, compared).await)
    }

    /// One session, and others while there are ranges that it is to page and its envelope has ended
    /// with the last page of all.
    async fn page_out(&self, whom: &Whom<'_>, rest: Option<Rest>) -> (Option<Protocol>, Outcome) {
        let Whom { peer, shards, .. } = *whom;
        let shares = shards.is_cold() && rest.is_none();
        let (protocol, mut outcome) = self.fetch_once(whom, rest, shares).await;
        let mut last = outcome.clone();
        while let Some(provider) = shared(&last) {
            let hand = shards.hand(peer);
            let patience = Patience::of(self.params().turn_timeout, Duration::ZERO);
            if shards.take_patiently(peer, provider, patience).await.is_none() {
                break;
            }
            drop(hand);
            (_, last) = self.fetch_once(whom, None, true).await;
            outcome = Outcome { tally: outcome.tally.and(&last.tally), ..last.clone() };
        }
        (protocol, outcome)
    }

    /// Goes on giving while the provider lacks more than one session may give, and takes it.
    async fn give_all(&self, whom: &Whom<'_>, agreed: Outcome) -> Outcome {
        let mut outcome = agreed;
        for _ in 0..GIVING_MAX {
            let kept = outcome.tally.kept;
            if outcome.ended != Ended::Agreed || kept == 0 {
                break;
            }
            let (_, next) = self.fetch_once(whom, None, false).await;
            let mut tally = outcome.tally.and(&next.tally);
            if next.ended != Ended::Agreed {
                // What was proven before stays proven.
                tally.kept = kept.saturating_sub(next.tally.pushed);
                return Outcome { tally, ..outcome };
            }
            outcome = Outcome { tally, ..next };
            if tally.kept >= kept {
                // It does not take what it is given.
                break;
            }
        }
        outcome
    }

    /// One session, from the opening of the stream to its end; none if the time is over.
    async fn fetch_once(
        &self,
        whom: &Whom<'_>,
        rest: Option<Rest>,
        shares: bool,
    ) -> (Option<Protocol>, Outcome) {
        let peer = whom.peer;
        if whom.until.left().is_zero() {
            return (None, Outcome { rest, ..Outcome::broken(Break::Overdue) });
        }
        let (protocol, outcome) = self.fetch_opened(whom, rest, shares).await;
        if protocol.is_none() && whom.optional {
            return (None, outcome);
        }
        let score = match &outcome.ended {
            Ended::Agreed | Ended::Paged => Some(Score::ReceivedOrders),
            // Who says what does not add up earns nothing by it.
            Ended::Incomplete { .. } => None,
            Ended::Faulted(_) => Some(Score::InvalidMessage),
            Ended::Broken(Break::Refused(RefusedBy::NoMatch)) => Some(Score::NegotiationFailed),
            // It was this node that let go.
            Ended::Broken(Break::Overdue) => None,
            Ended::Broken(_) => Some(Score::UnexpectedDisconnect),
        };
        if let Some(score) = score {
            self.tell(Event::Scored { peer, score });
        }
        self.tell(Event::Fetched { sync: self.sync, peer, protocol, outcome: outcome.clone() });
        (protocol, outcome)
    }
}

/// The provider of a session that has paged ranges which others share, to the end.
fn shared(outcome: &Outcome) -> Option<Provider> {
    let Outcome { ended, tally, .. } = outcome;
    let shared = *ended == Ended::Paged && tally.ranges > 0;
    shared.then_some(Provider { proves: false, holds: tally.holds })
}
