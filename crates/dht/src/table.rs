//! The routing table: 256 buckets of contacts by distance, and who waits for a place in one.
//!
//! A record that somebody sent makes a peer *wait*. Once this node has a link with it, it becomes a
//! *contact*, if its bucket and its subnets have a place; messages go over contacts only, so that a
//! record with false addresses attracts none. Whoever dialled in has shown that it has its key, and
//! not where it is: until this node has dialled it, it is *unproven*, and only a few contacts are. A
//! contact leaves only when it fails to give a sign of life: the one least recently seen is asked for
//! one when somebody waits.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`bucket_max`](RoutingConfig::bucket_max) | contacts of one bucket | 20 | 20 |
//! | [`waiting_max`](RoutingConfig::waiting_max) | waiting at one bucket | 20 | 64 |
//! | [`subnet_per_bucket_max`](RoutingConfig::subnet_per_bucket_max) | contacts of one subnet in a bucket | 2 | 20 |
//! | [`subnet_total_max`](RoutingConfig::subnet_total_max) | contacts of one subnet in all | 10 | 5,120 |
//! | unproven | contacts that this node never dialled, of one bucket and in all | | a quarter of `bucket_max`, and `bucket_max` |
//! | probes | contacts asked for a sign of life | | 1 at one bucket |

mod bucket;
mod closest;
mod contact;
mod links;
mod room;
mod subnet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;
use thiserror::Error;
use wire::signed::SignedRecord;

pub use self::contact::Contact;
pub use self::links::Links;

use self::bucket::Bucket;
use self::subnet::Subnet;
use crate::config::{Params, RoutingConfig};
use crate::key::Key;

/// The routing table. Plain data: no clock and no randomness of its own.
#[derive(Clone, Debug)]
pub struct Table {
    own: Key,
    config: RoutingConfig,
    refresh_period: Duration,
    /// Those that are not empty.
    buckets: BTreeMap<u8, Bucket>,
    /// How many contacts are in all buckets.
    contacts: usize,
    /// How many of them are in each subnet.
    subnets: BTreeMap<Subnet, usize>,
    /// When each bucket was last looked up; the neighbourhood is `None`.
    refreshed: BTreeMap<Option<u8>, Instant>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offered {
    /// Its peer was unknown and waits now.
    New,
    /// It takes the place of an older one.
    Newer,
    /// It is no newer than the one that is there.
    Known,
    /// It is not taken.
    Refused(NotTaken),
}

/// Why a record is not taken. Nobody's fault.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotTaken {
    /// It is that of this node.
    #[error("own record")]
    Own,
    /// It holds no address that may be dialled.
    #[error("no address in it may be dialled")]
    Unreachable,
    /// Its subnets hold as many places as they may.
    #[error("too many contacts in its subnet")]
    Crowded,
    /// Everybody who waits there was seen lately.
    #[error("too many wait for a place in its bucket")]
    Full,
}

/// What a sign of life changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alive {
    /// Nothing: there is no record of this peer.
    Unknown,
    /// It was a contact and is the one most recently seen.
    Known,
    /// It has become a contact.
    Entered,
    /// Its bucket is full.
    Waits {
        /// The contact to ask for a sign of life; what comes of it is told with [`Table::alive`] or
        /// [`Table::failed`].
        probe: Option<PeerId>,
    },
    /// Its subnets hold as many places as they may. It waits.
    Crowded,
}

/// What a failure changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failed {
    /// Nothing: there is no such peer.
    Unknown,
    /// It is a contact still.
    Kept,
    /// It is gone.
    Gone,
    /// It is gone, and another has its place.
    Replaced {
        /// Who has.
        by: PeerId,
    },
}

/// How full the table is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Gauges {
    /// Contacts.
    pub contacts: usize,
    /// Those that have been linked with since their record came.
    pub verified: usize,
    /// Peers that wait for a place.
    pub waiting: usize,
    /// Buckets with anybody in them.
    pub buckets: usize,
    /// Subnets that contacts are in.
    pub subnets: usize,
}

impl Table {
    /// An empty table of the node `own`.
    #[must_use]
    pub fn new(own: &PeerId, params: &Params) -> Self {
        Self {
            own: Key::of(own),
            config: params.routing().clone(),
            refresh_period: params.discovery().refresh_period,
            buckets: BTreeMap::new(),
            contacts: 0,
            subnets: BTreeMap::new(),
            refreshed: BTreeMap::new(),
        }
    }

    /// Where this node sits.
    pub const fn own(&self) -> &Key {
        &self.own
    }

    /// What is known of `peer`, contact or waiting.
    pub fn get(&self, peer: &PeerId) -> Option<&Contact> {
        self.find(&Key::of(peer))
    }

    /// All contacts, the closest buckets first.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.buckets.values().flat_map(Bucket::contacts)
    }

    /// How full it is.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            contacts: self.contacts,
            verified: self.contacts().filter(|contact| contact.is_verified()).count(),
            waiting: self.buckets.values().map(|bucket| bucket.waiting().len()).sum(),
            buckets: self.buckets.len(),
            subnets: self.subnets.keys().filter(|it| **it != Subnet::Unproven).count(),
        }
    }

    /// Takes a record, whoever it comes from: its peer signed it.
    ///
    /// # Security
    /// A flood of records displaces other records that are only heard of, and nobody who was seen
    /// lately; those of one subnet displace their own.
    pub fn offer(&mut self, record: &Arc<SignedRecord>, now: Instant) -> Offered {
        let key = Key::of(&record.peer());
        let Some(place) = self.own.distance(&key).bucket() else {
            return Offered::Refused(NotTaken::Own);
        };
        let known = self.find(&key);
        let reached = known.is_some_and(|known| known.is_reached_at(record));
        let known = known.map(|known| known.record().seq());
        if known >= Some(record.seq()) {
            return Offered::Known;
        }
        let Some(subnets) = Subnet::of_peer(record, reached, self.config.allow_private) else {
            return Offered::Refused(NotTaken::Unreachable);
        };
        let taken = match known {
            Some(_) => self.renew(place, &key, Arc::clone(record), subnets, now),
            None => self.wait(place, Contact::new(Arc::clone(record), key, subnets), now),
        };
        match taken {
            Ok(()) if known.is_some() => Offered::Newer,
            Ok(()) => Offered::New,
            Err(why) => Offered::Refused(why),
        }
    }

    /// Notes that `peer` gave a sign of life: there is a link with it, or it answered.
    pub fn alive(&mut self, peer: &PeerId, now: Instant) -> Alive {
        let key = Key::of(peer);
        let Some(place) = self.own.distance(&key).bucket() else { return Alive::Unknown };
        let Some(bucket) = self.buckets.get_mut(&place) else { return Alive::Unknown };
        if bucket.saw(&key, now) {
            return Alive::Known;
        }
        let Some(mut contact) = bucket.give_up(&key) else { return Alive::Unknown };
        contact.saw(now);
        let full = bucket.contacts().len() >= self.config.bucket_max;
        let crowded = !self.has_subnet_room(place, contact.subnets(), None);
        if !full && !crowded {
            self.enter(place, contact);
            return Alive::Entered;
        }
        let Some(bucket) = self.buckets.get_mut(&place) else { return Alive::Unknown };
        bucket.wait(contact);
        if crowded {
            return Alive::Crowded;
        }
        Alive::Waits { probe: bucket.probe(self.config.fresh, now).map(Contact::peer) }
    }

    /// Notes that this node dialled `peer` and found it where its record with this `seq` says. From
    /// then on it does not count as one of those that nobody has found anywhere.
    pub fn reached(&mut self, peer: &PeerId, seq: u64) {
        let key = Key::of(peer);
        let Some(place) = self.own.distance(&key).bucket() else { return };
        let Some(bucket) = self.buckets.get_mut(&place) else { return };
        let is_it = |contact: &&mut Contact| contact.record().seq() == seq;
        if let Some(contact) = bucket.waiting_mut(&key).filter(is_it) {
            contact.reach();
        } else if bucket.contact_mut(&key).filter(is_it).is_some_and(Contact::reach) {
            self.uncount(&[Subnet::Unproven]);
        }
    }

    /// Notes that `peer` gave no sign of life, or could not be dialled. A contact gives way to
    /// whoever waits for its place and was seen most recently; if nobody does, it goes after
    /// [`failures_max`](RoutingConfig::failures_max) failures in a row.
    ///
    /// Not to be told while this node has no network: it is not the fault of its contacts.
    pub fn failed(&mut self, peer: &PeerId) -> Failed {
        let key = Key::of(peer);
        let Some(place) = self.own.distance(&key).bucket() else { return Failed::Unknown };
        let Some(bucket) = self.buckets.get_mut(&place) else { return Failed::Unknown };
        let Some(contact) = bucket.contact_mut(&key) else {
            let gone = bucket.give_up(&key).is_some();
            self.tidy(place);
            return if gone { Failed::Gone } else { Failed::Unknown };
        };
        let spent = contact.fail() >= self.config.failures_max;
        if let Some(next) = self.successor(place, Some(&key)) {
            self.leave(place, &key);
            return match self.promote(place, &next) {
                Some(by) => Failed::Replaced { by },
                None => Failed::Gone,
            };
        }
        if spent {
            self.leave(place, &key);
            return Failed::Gone;
        }
        Failed::Kept
    }

    /// Forgets `peer`: it is banned. Whoever waits for its place gets it.
    pub fn remove(&mut self, peer: &PeerId) {
        let key = Key::of(peer);
        let Some(place) = self.own.distance(&key).bucket() else { return };
        let Some(bucket) = self.buckets.get_mut(&place) else { return };
        bucket.give_up(&key);
        self.leave(place, &key);
        if let Some(next) = self.successor(place, None) {
            self.promote(place, &next);
        }
    }

    fn find(&self, key: &Key) -> Option<&Contact> {
        let bucket = self.buckets.get(&self.own.distance(key).bucket()?)?;
        bucket.contacts().iter().chain(bucket.waiting()).find(|contact| contact.key() == key)
    }
}
