//! What is counted and kept for whoever asks afterwards.

use std::collections::VecDeque;

use machine::{Instant, PeerId, Verdict};

/// A core blamed a peer.
#[derive(Clone, Debug)]
pub struct Report<F> {
    /// When.
    pub at: Instant,
    /// Which node blames.
    pub by: PeerId,
    /// Whom it blames.
    pub peer: PeerId,
    /// What that costs.
    pub verdict: Verdict,
    /// For what.
    pub fault: F,
}

/// How often things happened since the network was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Inputs given to cores.
    pub inputs: u64,
    /// Ticks.
    pub ticks: u64,
    /// Messages that left on a link.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that the weather lost.
    pub lost: u64,
    /// Messages that were on their way when their link broke.
    pub dropped: u64,
    /// Sends given back because the outbox was full.
    pub outbox_full: u64,
    /// Sends given back because there was no link.
    pub not_connected: u64,
    /// Jobs started, those refused included.
    pub jobs: u64,
    /// Most messages that were on their way at once on one link and in one direction.
    pub in_flight_max: usize,
    /// Events emitted.
    pub events: u64,
    /// Reports that cost nothing.
    pub notes: u64,
    /// Reports that cost points.
    pub charges: u64,
    /// Reports that ban.
    pub bans: u64,
}

impl Counts {
    pub(crate) fn report(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Note => self.notes += 1,
            Verdict::Charge(_) => self.charges += 1,
            Verdict::Ban => self.bans += 1,
        }
    }
}

/// Appends to a log of at most `max` entries; the oldest go.
pub(crate) fn keep<T>(log: &mut VecDeque<T>, max: usize, entry: T) {
    log.push_back(entry);
    while log.len() > max {
        log.pop_front();
    }
}
