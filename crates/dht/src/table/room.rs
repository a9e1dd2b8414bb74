//! Who gets a place, and who has to go for it.

use std::sync::Arc;

use libp2p_identity::PeerId;
use machine::Instant;
use wire::signed::SignedRecord;

use super::bucket::Bucket;
use super::subnet::Subnet;
use super::{Contact, NotTaken, Table};
use crate::key::Key;

impl Table {
    /// Whether one more contact in `subnets` would leave every cap whole, `except` not counted.
    pub(super) fn has_subnet_room(
        &self,
        place: u8,
        subnets: &[Subnet],
        except: Option<&Key>,
    ) -> bool {
        let bucket = self.buckets.get(&place);
        let excepted = except.and_then(|key| bucket?.contacts().iter().find(|c| c.key() == key));
        subnets.iter().all(|subnet| {
            let here = bucket.map_or(0, |bucket| bucket.in_subnet(*subnet, except));
            let own = excepted.is_some_and(|contact| contact.subnets().contains(subnet));
            let all = self.subnets.get(subnet).map_or(0, |all| all.saturating_sub(own.into()));
            let (here_max, all_max) = subnet.caps(&self.config);
            here < here_max && all < all_max
        })
    }

    /// Lets somebody wait.
    pub(super) fn wait(
        &mut self,
        place: u8,
        contact: Contact,
        now: Instant,
    ) -> Result<(), NotTaken> {
        self.make_waiting_room(place, contact.subnets(), now)?;
        self.buckets.entry(place).or_default().wait(contact);
        Ok(())
    }

    /// Takes over a newer record of somebody known. Where there is no room for it, the older one
    /// stays.
    pub(super) fn renew(
        &mut self,
        place: u8,
        key: &Key,
        record: Arc<SignedRecord>,
        subnets: Vec<Subnet>,
        now: Instant,
    ) -> Result<(), NotTaken> {
        let crowded = !self.has_subnet_room(place, &subnets, Some(key));
        let Some(bucket) = self.buckets.get_mut(&place) else { return Ok(()) };
        if let Some(contact) = bucket.contact_mut(key) {
            if crowded {
                return Err(NotTaken::Crowded);
            }
            let added = subnets.clone();
            let lost = contact.renew(record, subnets);
            self.uncount(&lost);
            self.count(&added);
            return Ok(());
        }
        let Some(older) = bucket.give_up(key) else { return Ok(()) };
        let mut newer = older.clone();
        newer.renew(record, subnets);
        let room = self.make_waiting_room(place, newer.subnets(), now);
        let stays = if room.is_ok() { newer } else { older };
        self.buckets.entry(place).or_default().wait(stays);
        room
    }

    /// Makes room for one more that waits. Its own subnets give way first, then whoever is only
    /// heard of, then whoever was not seen lately.
    fn make_waiting_room(
        &mut self,
        place: u8,
        subnets: &[Subnet],
        now: Instant,
    ) -> Result<(), NotTaken> {
        let may_go = |contact: &Contact| contact.is_stale(self.config.fresh, now);
        let (per_subnet, all) = (self.config.subnet_per_bucket_max, self.config.waiting_max);
        let Some(bucket) = self.buckets.get_mut(&place) else { return Ok(()) };
        for subnet in subnets.iter().filter(|subnet| **subnet != Subnet::Unproven) {
            let inside = |contact: &Contact| contact.subnets().contains(subnet);
            if bucket.waiting().iter().filter(|contact| inside(contact)).count() >= per_subnet
                && !displace(bucket, |contact| inside(contact) && may_go(contact))
            {
                return Err(NotTaken::Crowded);
            }
        }
        if bucket.waiting().len() >= all && !displace(bucket, may_go) {
            return Err(NotTaken::Full);
        }
        Ok(())
    }

    /// Makes somebody a contact for whom there is room.
    pub(super) fn enter(&mut self, place: u8, contact: Contact) {
        self.contacts = self.contacts.saturating_add(1);
        self.count(contact.subnets());
        self.buckets.entry(place).or_default().enter(contact);
    }

    /// Takes a contact out, if it is one.
    pub(super) fn leave(&mut self, place: u8, key: &Key) {
        if let Some(contact) = self.buckets.get_mut(&place).and_then(|bucket| bucket.leave(key)) {
            self.contacts = self.contacts.saturating_sub(1);
            self.uncount(contact.subnets());
        }
        self.tidy(place);
    }

    /// Who would get the place of `leaving`, or a free one: of those that wait and were linked with
    /// since their record came, the one most recently seen for whose subnets there is room.
    pub(super) fn successor(&self, place: u8, leaving: Option<&Key>) -> Option<Key> {
        let bucket = self.buckets.get(&place)?;
        let left = bucket.contacts().len().saturating_sub(leaving.is_some().into());
        if left >= self.config.bucket_max {
            return None;
        }
        let waiting = bucket.waiting().iter().filter(|contact| {
            contact.is_verified() && self.has_subnet_room(place, contact.subnets(), leaving)
        });
        waiting.max_by_key(|contact| contact.seen()).map(|contact| *contact.key())
    }

    /// Makes a contact of somebody who waits.
    pub(super) fn promote(&mut self, place: u8, key: &Key) -> Option<PeerId> {
        let contact = self.buckets.get_mut(&place)?.give_up(key)?;
        let peer = contact.peer();
        self.enter(place, contact);
        Some(peer)
    }

    /// Drops a bucket without anybody in it.
    pub(super) fn tidy(&mut self, place: u8) {
        if self.buckets.get(&place).is_some_and(Bucket::is_empty) {
            self.buckets.remove(&place);
        }
    }

    pub(super) fn count(&mut self, subnets: &[Subnet]) {
        for subnet in subnets {
            let count = self.subnets.entry(*subnet).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn uncount(&mut self, subnets: &[Subnet]) {
        for subnet in subnets {
            let Some(count) = self.subnets.get_mut(subnet) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.subnets.remove(subnet);
            }
        }
    }
}

/// Takes one out that waits and may go: whoever was never seen first, then the least recently seen.
/// False when nobody may.
fn displace(bucket: &mut Bucket, may_go: impl Fn(&Contact) -> bool) -> bool {
    let waiting = bucket.waiting().iter().filter(|contact| may_go(contact));
    // Of those that were never seen the first is the oldest, and `min_by_key` takes the first.
    let key = waiting.min_by_key(|contact| contact.seen()).map(|contact| *contact.key());
    key.and_then(|key| bucket.give_up(&key)).is_some()
}
