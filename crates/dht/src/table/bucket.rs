//! One bucket: its contacts, and who waits for the place of one.

use std::time::Duration;

use machine::Instant;

use super::contact::Contact;
use super::subnet::Subnet;
use crate::key::Key;

/// How long an answer to a probe is awaited before the next one: a dial and a question are over by
/// then, and whoever forgets to tell what came of it does not keep the bucket from changing.
const PROBE_LASTS: Duration = Duration::from_mins(1);

/// The contacts at one magnitude of distance.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Somebody this node had a link with. The least recently seen first.
    contacts: Vec<Contact>,
    /// Heard of, or seen when there was no place. The longest unchanged first.
    waiting: Vec<Contact>,
    /// The contact that is being asked for a sign of life, and since when.
    probed: Option<(Key, Instant)>,
}

impl Bucket {
    pub(super) fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    pub(super) fn waiting(&self) -> &[Contact] {
        &self.waiting
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn contact_mut(&mut self, key: &Key) -> Option<&mut Contact> {
        self.contacts.iter_mut().find(|contact| contact.key() == key)
    }

    pub(super) fn waiting_mut(&mut self, key: &Key) -> Option<&mut Contact> {
        self.waiting.iter_mut().find(|contact| contact.key() == key)
    }

    /// How many contacts are in `subnet`, other than `except`.
    pub(super) fn in_subnet(&self, subnet: Subnet, except: Option<&Key>) -> usize {
        let others = self.contacts.iter().filter(|contact| Some(contact.key()) != except);
        others.filter(|contact| contact.subnets().contains(&subnet)).count()
    }

    /// Notes a sign of life of a contact; false when it is none.
    pub(super) fn saw(&mut self, key: &Key, now: Instant) -> bool {
        let Some(mut contact) = take(&mut self.contacts, key) else { return false };
        self.settle(key);
        contact.saw(now);
        self.contacts.push(contact);
        true
    }

    /// Adds a contact that gave a sign of life just now.
    pub(super) fn enter(&mut self, contact: Contact) {
        self.contacts.push(contact);
    }

    /// Takes a contact out.
    pub(super) fn leave(&mut self, key: &Key) -> Option<Contact> {
        self.settle(key);
        take(&mut self.contacts, key)
    }

    /// Adds somebody to those that wait.
    pub(super) fn wait(&mut self, contact: Contact) {
        self.waiting.push(contact);
    }

    /// Takes somebody out of those that wait.
    pub(super) fn give_up(&mut self, key: &Key) -> Option<Contact> {
        take(&mut self.waiting, key)
    }

    /// Whom to ask for a sign of life, because somebody else would take its place: the least
    /// recently seen contact, unless it was seen lately or somebody is being asked already.
    pub(super) fn probe(&mut self, fresh: Duration, now: Instant) -> Option<&Contact> {
        if self.probed.is_some_and(|(_, since)| now.since(since) < PROBE_LASTS) {
            return None;
        }
        let oldest = self.contacts.first().filter(|oldest| oldest.is_stale(fresh, now))?;
        self.probed = Some((*oldest.key(), now));
        Some(oldest)
    }

    /// The answer of whoever is being asked is here.
    fn settle(&mut self, key: &Key) {
        self.probed.take_if(|(probed, _)| probed == key);
    }
}

fn take(contacts: &mut Vec<Contact>, key: &Key) -> Option<Contact> {
    let place = contacts.iter().position(|contact| contact.key() == key)?;
    Some(contacts.remove(place))
}
