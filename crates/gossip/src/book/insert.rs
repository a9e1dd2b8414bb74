//! Taking records in.

use std::sync::Arc;

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use machine::Instant;
use wire::signed::SignedRecord;

use super::room::Claim;
use super::slab::Held;
use super::{Book, Outcome, Refused, Source, State, Table};

impl Book {
    /// Takes a record that `source` told of. Of two records of a peer the one with the higher
    /// number holds; it makes the peer one that was never reached, unless it names the address
    /// that was.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the book as it was.
    pub fn insert(
        &mut self,
        record: Arc<SignedRecord>,
        source: Source,
        now: Instant,
    ) -> Result<Outcome, Refused> {
        let name = self.key.peer(&record.peer());
        if record.peer() == self.setup.local {
            return Err(Refused::Own);
        }
        let marks = self.marks.get(&name).copied().unwrap_or_default();
        if marks.banned {
            return Err(Refused::Banned);
        }
        if !record.addresses().iter().any(|address| self.setup.keeps(address)) {
            return Err(Refused::NoAddress);
        }
        let known = self.slab.find(name);
        if let Some(held) = known.and_then(|id| self.slab.get(id))
            && let Some(outcome) = judge_known(held, &record)
        {
            return outcome;
        }
        let teller = self.enter(source, now).ok_or(Refused::Full)?;
        if !marks.protected && !self.sources.may_tell(teller, now) {
            return Err(Refused::Rate);
        }
        let outcome = match known {
            Some(id) => self.renew(id, record),
            None => self.add(record, teller, marks.protected),
        }?;
        self.sources.charge(teller, now);
        Ok(outcome)
    }

    /// Says that `source` was asked for `count` records: as many are accepted beyond its pace.
    /// Said again with 0 when the answer has been dealt with.
    pub fn expect(&mut self, source: Source, count: u16, now: Instant) {
        if let Some(teller) = self.enter(source, now) {
            self.sources.ask(teller, count);
        }
    }

    fn enter(&mut self, source: Source, now: Instant) -> Option<u16> {
        let name = source.peer.map_or(0, |peer| self.key.peer(&peer));
        self.sources.enter(name, source.peer, self.key.group(source.group), now)
    }

    fn add(
        &mut self,
        record: Arc<SignedRecord>,
        source: u16,
        protected: bool,
    ) -> Result<Outcome, Refused> {
        let claim = if protected { Claim::Proven } else { Claim::Hearsay };
        let place = self.place(&record, source, claim)?;
        // What gives way must not take its source along, should that be the same.
        self.sources.keep(source);
        self.clear(place);
        let name = self.key.peer(&record.peer());
        let held = Held {
            dialable: self.setup.reaches(&record),
            record,
            state: State::Free,
            last_success: None,
            last_attempt: None,
            failing_since: 0,
            failures: 0,
            source,
            bucket: place.bucket,
            verified: None,
            table: Table::New,
            banned: false,
            protected,
        };
        match self.slab.insert(name, held) {
            Some(id) => self.put_in(id, Table::New, place.bucket),
            None => self.sources.drop(source),
        }
        Ok(Outcome::Added)
    }

    /// A newer record of a known peer: it may belong into another bucket, and may no longer name
    /// the address that was reached.
    fn renew(&mut self, id: u16, record: Arc<SignedRecord>) -> Result<Outcome, Refused> {
        let Some(held) = self.slab.get(id) else { return Err(Refused::Full) };
        let held = held.clone();
        let reached = held.verified.and_then(|at| held.record.addresses().get(usize::from(at)));
        let verified = reached.and_then(|address| position(&record, address));
        let proven = held.protected || held.verified.is_some();
        let claim = if proven { Claim::Proven } else { Claim::Hearsay };
        let target = match (held.table, verified) {
            (Table::Tried, Some(_)) => None,
            (Table::Tried, None) => Some(self.place(&record, held.source, claim)?),
            (Table::New, _) => self.better_place(&held, &record, claim),
        };
        let dialable = self.setup.reaches(&record);
        if let Some(held) = self.slab.get_mut(id) {
            held.record = record;
            held.verified = verified;
            held.dialable = dialable;
        }
        if let Some(place) = target {
            self.clear(place);
            self.take_out(id, &held);
            self.put_in(id, Table::New, place.bucket);
        }
        if verified.is_none() {
            self.lose(id);
        }
        self.settle(id);
        self.journal.changed(id);
        Ok(Outcome::Renewed)
    }
}

/// What follows of a record of a peer that is `held`, unless it is newer than ours.
fn judge_known(held: &Held, record: &SignedRecord) -> Option<Result<Outcome, Refused>> {
    let (given, ours) = (record.seq(), held.record.seq());
    if held.record.peer() != record.peer() {
        // Two peers of one name: once in 2^64 times, and then the first stays.
        return Some(Err(Refused::Full));
    }
    if given > ours {
        return None;
    }
    Some(if given < ours {
        Err(Refused::Older { given, held: ours })
    } else if held.record.encoded() == record.encoded() {
        Ok(Outcome::Known)
    } else {
        Err(Refused::Conflict { seq: given })
    })
}

/// Which address of `record` is `address`, with or without the peer's id at its end.
pub(super) fn position(record: &SignedRecord, address: &Multiaddr) -> Option<u8> {
    let found = record.addresses().iter().position(|one| bare(one).eq(bare(address)))?;
    u8::try_from(found).ok()
}

/// An address without the peer id at its end.
fn bare(address: &Multiaddr) -> impl Iterator<Item = Protocol<'_>> {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_)))
}
