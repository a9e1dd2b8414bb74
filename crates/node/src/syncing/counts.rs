//! What became of syncs, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ordersync::Refusal;
use ordersync::requester::{Ended, Tally};
use ordersync::service::{Event, Score, ServeError};

/// What happened since the start, by name. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    by_name: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Counts {
    /// Counts more of it.
    pub(crate) fn add(&self, name: &'static str, more: u64) {
        if more > 0 {
            let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_name.entry(name).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<String, u64> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    /// Counts what a service tells.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Scored { score, .. } => self.add(score_name(*score), 1),
            Event::Fetched { outcome, .. } => {
                self.add(end_name(&outcome.ended), 1);
                let Tally { new, pushed, round_trips, .. } = outcome.tally;
                self.add("orders_fetched", new);
                self.add("orders_pushed", pushed);
                self.add("sync_round_trips", round_trips.into());
            }
            Event::Served { tally, ended, .. } => {
                self.add(serve_name(ended), 1);
                self.add("orders_given", tally.orders);
                self.add("orders_taken_while_serving", tally.pushed);
            }
            // The one is charged, and the other only a moment of what is told at its end.
            Event::Fault { .. } => self.add("faults", 1),
            Event::Progress { .. } => {}
        }
    }
}

const fn end_name(ended: &Ended) -> &'static str {
    match ended {
        Ended::Agreed => "synced",
        Ended::Paged => "synced_unproven",
        Ended::Incomplete { .. } => "not_synced_incomplete",
        Ended::Faulted(_) => "not_synced_fault",
        Ended::Broken(_) => "not_synced_broken",
    }
}

const fn serve_name(ended: &Result<(), ServeError>) -> &'static str {
    match ended {
        Ok(()) => "served",
        Err(ServeError::Full) => "not_served_full",
        Err(ServeError::TimedOut) => "not_served_timed_out",
        Err(ServeError::Broken) => "not_served_broken",
        Err(ServeError::Fault(_)) => "not_served_fault",
        Err(ServeError::Refused(Refusal::NoMatch(_))) => "not_served_no_subprotocol",
        Err(ServeError::Refused(Refusal::Metadata(_))) => "not_served_metadata",
        Err(ServeError::Refused(Refusal::Unavailable { .. })) => "not_served_unavailable",
        Err(ServeError::Refused(Refusal::TooMuch { .. })) => "not_served_too_much",
        Err(ServeError::Refused(Refusal::Busy { .. })) => "not_served_busy",
    }
}

const fn score_name(score: Score) -> &'static str {
    match score {
        Score::InvalidMessage => "score_invalid_message",
        Score::ValidMessage => "score_valid_message",
        Score::NegotiationFailed => "score_negotiation_failed",
        Score::UnexpectedDisconnect => "score_unexpected_disconnect",
        Score::ReceivedOrders => "score_received_orders",
        Score::UnmatchedOrder => "score_unmatched_order",
    }
}
