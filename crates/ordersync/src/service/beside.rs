//! One peer, in as many protocols as it takes: those of 0x-Mesh carry one kind of items each.

use machine::PeerId;

use super::network::{Network, Protocol};
use super::sessions::{Until, Whom};
use super::shards::Shards;
use super::{Event, Service};
use crate::json::Envelope;
use crate::requester::{Break, Ended, Outcome, Rest};
use crate::{Filter, Item};

/// What a peer is asked in, best first.
const FIRST: [Protocol; 2] = [Protocol::Binary, LEGACY];

const LEGACY: Protocol = Protocol::Json(Envelope::Negotiated);

/// What it is asked in besides, for what [`LEGACY`] does not carry.
const BESIDE: Protocol = Protocol::Json(Envelope::Bare);

impl<I: Item, N: Network> Service<I, N> {
    /// Brings what `peer` has here, and gives it what it lacks: in as many sessions as that takes, one
    /// after the other, and as there is time for. Another sync that asks it is waited for, not for
    /// long.
    pub(super) async fn fetch(
        &self,
        peer: PeerId,
        rest: Option<Rest>,
        shards: &Shards,
        until: Until,
    ) -> Outcome {
        let patience = self.params().lane_timeout.min(until.left());
        let Some(_alone) = self.inner.lanes.alone_with(peer, patience).await else {
            let outcome = Outcome { rest, ..Outcome::broken(Break::AskedAlready) };
            let sync = self.sync;
            self.tell(Event::Fetched { sync, peer, protocol: None, outcome: outcome.clone() });
            return outcome;
        };
        let whom = Whom { peer, offered: &FIRST, optional: false, shards, until };
        let (protocol, first) = self.fetch_from(&whom, rest).await;
        let ended = match protocol {
            Some(protocol) => protocol == LEGACY,
            // Who was there and speaks neither may speak the other.
            None => first.ended == Ended::Broken(Break::Closed),
        };
        if !ended || !self.lacks_beside() {
            return first;
        }
        // Ranges of the ids are shared by those who are asked for the same kinds of items.
        let shards = Shards::new(false);
        let whom = Whom { peer, offered: &[BESIDE], optional: true, shards: &shards, until };
        if until.left().is_zero() {
            return both(first, Outcome::broken(Break::Overdue));
        }
        match (protocol, self.fetch_from(&whom, None).await) {
            (_, (None, _)) => first,
            (None, (Some(_), beside)) => beside,
            (Some(_), (Some(_), beside)) => both(first, beside),
        }
    }

    /// Whether there are kinds of items that the node wants and asks for in a session of their own.
    fn lacks_beside(&self) -> bool {
        let filter = &self.inner.filter;
        let asks = !self.subprotocols().of(BESIDE).names().is_empty();
        asks && !filter.clone().carried_by(LEGACY).covers(filter)
    }
}

/// Of two sessions for different kinds of items: as good as the worse one.
fn both(first: Outcome, beside: Outcome) -> Outcome {
    let tally = first.tally.and(&beside.tally);
    match (&first.ended, &beside.ended) {
        // An empty page is all that there can be of nothing.
        (Ended::Agreed, Ended::Paged) if beside.tally.valid == 0 => Outcome { tally, ..first },
        // Where to go on is remembered of the first one only.
        (Ended::Agreed | Ended::Paged, _) => Outcome { tally, rest: None, ..beside },
        _ => Outcome { tally, ..first },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requester::Tally;

    fn session(ended: Ended, valid: u64) -> Outcome {
        Outcome {
            ended,
            tally: Tally { valid, ..Tally::default() },
            ..Outcome::broken(Break::Closed)
        }
    }

    #[test]
    fn a_peer_has_given_all_if_it_has_of_every_kind() {
        let (agreed, paged) = (Ended::Agreed, Ended::Paged);
        let (broken, missing) = (Ended::Broken(Break::TimedOut), Ended::Incomplete { missing: 1 });
        for (first, beside, expected) in [
            ((&agreed, 7), (&paged, 0), &agreed),
            ((&agreed, 7), (&paged, 2), &paged),
            ((&paged, 7), (&paged, 2), &paged),
            ((&paged, 7), (&broken, 2), &broken),
            ((&agreed, 7), (&broken, 0), &broken),
            ((&missing, 7), (&paged, 2), &missing),
            ((&broken, 7), (&paged, 2), &broken),
        ] {
            let sessions = [first, beside].map(|(ended, valid)| session(ended.clone(), valid));
            let [first, beside] = sessions;
            let valid = first.tally.valid + beside.tally.valid;
            let outcome = both(first, beside);
            assert_eq!((&outcome.ended, outcome.tally.valid), (expected, valid));
        }
    }
}
