//! Who gives way to whom.

use std::cmp::Reverse;

use libp2p_identity::PeerId;
use transport::address::NetworkGroup;
use wire::signed::SignedRecord;

use super::keyed::Heard;
use super::slab::Held;
use super::{Book, Refused, Table};

/// What speaks for a newcomer to the new table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Claim {
    /// Somebody told of it.
    Hearsay,
    /// This node reached it once, or the owner protects it.
    Proven,
}

/// A place in the new table, for which room was made or will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) bucket: u16,
    /// Who has to go first.
    pub(super) victim: Option<u16>,
}

impl Book {
    /// Where a record would go that `source` told of, and who would have to go. Changes nothing.
    ///
    /// In order: what is banned, out of reach or failing goes first, the worst before the others;
    /// then, to anything, what was never reached: one that was told of by the network that has
    /// most of them in the bucket, whichever the secret hash picks. What was reached gives way
    /// only to what was as well, and nothing that is in use or protected ever does.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`].
    pub(super) fn place(
        &self,
        record: &SignedRecord,
        source: u16,
        claim: Claim,
    ) -> Result<Place, Refused> {
        let bucket = self.new_bucket(record, source);
        if !self.new.is_full(bucket) {
            return Ok(Place { bucket, victim: None });
        }
        let newcomer = self.key.peer(&record.peer());
        let victim = self.victim(bucket, newcomer, claim).ok_or(Refused::Full)?;
        Ok(Place { bucket, victim: Some(victim) })
    }

    /// The same for an entry of the new table whose record has changed: `None` when it can stay,
    /// or has to.
    pub(super) fn better_place(
        &self,
        held: &Held,
        record: &SignedRecord,
        claim: Claim,
    ) -> Option<Place> {
        let place = self.place(record, held.source, claim).ok()?;
        (place.bucket != held.bucket).then_some(place)
    }

    /// Makes the room that [`place`](Self::place) found.
    pub(super) fn clear(&mut self, place: Place) {
        if let Some(victim) = place.victim {
            self.remove(victim);
        }
    }

    /// The entry of `bucket` that gives way.
    fn victim(&self, bucket: u16, newcomer: u64, claim: Claim) -> Option<u16> {
        let held = self.new.bucket(bucket).iter().filter_map(|id| Some((*id, self.slab.get(*id)?)));
        let free: Vec<_> =
            held.filter(|(_, held)| !held.state.is_busy() && !held.protected).collect();
        let worth = |held: &Held| (!held.banned, held.dialable, Reverse(held.failures));
        let good = (true, true, Reverse(0));
        let worst = free.iter().filter(|(_, held)| worth(held) < good);
        if let Some((id, _)) = worst.min_by_key(|(id, held)| (worth(held), *id)) {
            return Some(*id);
        }
        let crowd = |of: &Held| {
            let group = self.source_group(of.source);
            free.iter().filter(|(_, held)| self.source_group(held.source) == group).count()
        };
        let gives = |held: &Held| claim == Claim::Proven || held.verified.is_none();
        let given = free.iter().filter(|(_, held)| gives(held));
        given
            .max_by_key(|(id, held)| {
                (held.verified.is_none(), crowd(held), self.key.victim(newcomer, *id))
            })
            .map(|(id, _)| *id)
    }

    fn source_group(&self, source: u16) -> Option<u64> {
        self.sources.get(source).map(|teller| teller.group)
    }

    fn new_bucket(&self, record: &SignedRecord, source: u16) -> u16 {
        let (source, source_group) =
            self.sources.get(source).map_or((0, 0), |teller| (teller.name, teller.group));
        let (peer, group) = (self.key.peer(&record.peer()), self.group_of(record));
        let heard = Heard { peer, group, source, source_group };
        u16::try_from(self.key.new_bucket(&heard, self.new.count())).unwrap_or(0)
    }

    /// The tried bucket of an entry whose address number `verified` was reached.
    pub(super) fn tried_bucket(&self, peer: &PeerId, record: &SignedRecord, verified: u8) -> u16 {
        let address = record.addresses().get(usize::from(verified));
        let group = self.key.group(address.and_then(NetworkGroup::of));
        let bucket = self.key.tried_bucket(self.key.peer(peer), group, self.tried.count());
        u16::try_from(bucket).unwrap_or(0)
    }

    /// Moves a reached entry to the tried table if its bucket has room.
    pub(super) fn promote(&mut self, id: u16) -> bool {
        let Some(held) = self.slab.get(id) else { return false };
        let Some(verified) = held.verified else { return false };
        let bucket = self.tried_bucket(&held.record.peer(), &held.record, verified);
        if held.table == Table::Tried || self.tried.is_full(bucket) {
            return held.table == Table::Tried;
        }
        let held = held.clone();
        self.take_out(id, &held);
        self.put_in(id, Table::Tried, bucket);
        true
    }

    /// Moves a tried entry back among the new, where it counts as never reached. False, and it
    /// stays, when nobody gives way to it there.
    pub(super) fn demote(&mut self, id: u16) -> bool {
        let Some(held) = self.slab.get(id).cloned() else { return false };
        let Ok(place) = self.place(&held.record, held.source, Claim::Hearsay) else { return false };
        self.clear(place);
        self.take_out(id, &held);
        if let Some(held) = self.slab.get_mut(id) {
            held.verified = None;
        }
        self.put_in(id, Table::New, place.bucket);
        true
    }
}
