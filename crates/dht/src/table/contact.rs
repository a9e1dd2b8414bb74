//! A peer in the table.

use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;
use wire::signed::SignedRecord;

use super::subnet::Subnet;
use crate::key::Key;

/// A peer that messages may go over, or that may become one.
#[derive(Clone, Debug)]
pub struct Contact {
    record: Arc<SignedRecord>,
    key: Key,
    subnets: Vec<Subnet>,
    seen: Option<Instant>,
    verified: bool,
    reached: bool,
    failures: u8,
}

impl Contact {
    /// One that is only heard of.
    pub(super) const fn new(record: Arc<SignedRecord>, key: Key, subnets: Vec<Subnet>) -> Self {
        Self { record, key, subnets, seen: None, verified: false, reached: false, failures: 0 }
    }

    /// Who it is.
    pub fn peer(&self) -> PeerId {
        self.record.peer()
    }

    /// Where it sits.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Where it says that it can be reached.
    pub const fn record(&self) -> &Arc<SignedRecord> {
        &self.record
    }

    /// Whether this node had a link with it since it has this record.
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// Whether this node dialled it, and found it where its record says.
    pub const fn is_reached(&self) -> bool {
        self.reached
    }

    /// Whether it was found where another record of it says, or at more places than that.
    pub(super) fn is_reached_at(&self, record: &SignedRecord) -> bool {
        let here = self.record.addresses();
        self.reached && record.addresses().iter().all(|address| here.contains(address))
    }

    /// When it last gave a sign of life; `None` when it is only heard of.
    pub const fn seen(&self) -> Option<Instant> {
        self.seen
    }

    /// Failures in a row.
    pub const fn failures(&self) -> u8 {
        self.failures
    }

    /// The subnets that it counts in.
    pub(super) fn subnets(&self) -> &[Subnet] {
        &self.subnets
    }

    /// Whether it gave no sign of life for as long as `fresh`.
    pub(super) fn is_stale(&self, fresh: Duration, now: Instant) -> bool {
        self.seen.is_none_or(|seen| now.since(seen) >= fresh)
    }

    /// Notes a sign of life.
    pub(super) const fn saw(&mut self, now: Instant) {
        self.seen = Some(now);
        self.verified = true;
        self.failures = 0;
    }

    /// Notes that it is where its record says. True if it counted as unproven until now.
    pub(super) fn reach(&mut self) -> bool {
        self.reached = true;
        let before = self.subnets.len();
        self.subnets.retain(|subnet| *subnet != Subnet::Unproven);
        self.subnets.len() < before
    }

    /// Notes a failure and says how many there are in a row.
    pub(super) const fn fail(&mut self) -> u8 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Takes over a newer record and gives back the subnets of the older one. Whether the peer is
    /// where the new one says is unknown, unless that is where it was.
    pub(super) fn renew(&mut self, record: Arc<SignedRecord>, subnets: Vec<Subnet>) -> Vec<Subnet> {
        self.reached = self.is_reached_at(&record);
        self.record = record;
        self.verified = false;
        std::mem::replace(&mut self.subnets, subnets)
    }
}
