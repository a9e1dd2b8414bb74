//! The mailboxes of a node: what it keeps, for whom, and in how much room.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use machine::{Instant, UnixTime};
use thiserror::Error;

use super::cursor::Cursors;
use super::shares::{Newcomer, Shares, Victim, rank};
use super::{Arrival, Entry, Source};
use crate::clock::Moment;
use crate::config::MailboxConfig;
use crate::envelope::{Destination, Envelope, Lifetime, MessageId, QUANTUM};
use crate::store::Change;

/// Why a message is not taken into a mailbox.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotKept {
    /// It is for nobody, or its sender does not want it to be kept.
    #[error("not to be kept")]
    NotToBeKept,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// It is there.
    #[error("kept already, until {0}")]
    Known(UnixTime),
    /// It is being written.
    #[error("being written already")]
    Writing,
    /// There is no room.
    #[error("no room: {0}")]
    Full(Scope),
}

/// What has a bound of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// What one source brings.
    Source,
    /// What is for one recipient.
    Recipient,
    /// All together.
    All,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the source has its share",
            Self::Recipient => "the mailbox is full",
            Self::All => "all mailboxes together are full",
        })
    }
}

/// A message that is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admission {
    /// Which.
    pub arrival: Arrival,
    /// What is to be made durable: it, and that what gave it room is gone.
    pub changes: Vec<Change>,
}

/// A part of what is kept for somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The oldest first.
    pub ids: Vec<MessageId>,
    /// Leads to what comes next.
    pub cursor: Bytes,
    /// Whether something comes next.
    pub more: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MailGauges {
    /// Messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Recipients that have some.
    pub recipients: usize,
}

/// What a node keeps for others, without the envelopes themselves: those are in a
/// [`Store`](crate::Store).
///
/// # Bounds
/// Each message counts with its bytes, and for no less than its part of the room: so bytes and
/// messages stay within their bounds at once.
#[derive(Debug)]
pub struct Mailboxes {
    room: Room,
    page_max: usize,
    /// Number of the message that came last.
    last: u64,
    held: BTreeMap<Arrival, Held>,
    /// What of it is being written, and what comes back if that fails.
    writing: BTreeMap<Arrival, Vec<Held>>,
    ids: BTreeMap<MessageId, Arrival>,
    boxes: BTreeMap<Destination, Mailbox>,
    shares: Shares,
    /// Of what is durable: when it is looked at.
    expiry: BTreeSet<(Instant, Arrival)>,
    bytes: usize,
    cursors: Cursors,
}

/// Bounds, and what the smallest message counts for. All in bytes.
#[derive(Clone, Copy, Debug)]
struct Room {
    all: usize,
    all_least: usize,
    recipient: usize,
    recipient_least: usize,
    source: usize,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    entry: Entry,
    source: Source,
    /// When its time is over by the clock that cannot be set.
    due: Instant,
}

#[derive(Debug, Default)]
struct Mailbox {
    arrivals: BTreeSet<Arrival>,
    shares: Shares,
}

impl Mailboxes {
    /// Empty ones. Whoever knows the `secret` can make cursors.
    pub fn new(config: &MailboxConfig, secret: &[u8; 32]) -> Self {
        let MailboxConfig { bytes_max, messages_max, link_bytes_max, page_max, .. } = *config;
        let MailboxConfig { recipient_bytes_max, recipient_messages_max, .. } = *config;
        let room = Room {
            all: bytes_max,
            all_least: bytes_max.div_ceil(messages_max.max(1)),
            recipient: recipient_bytes_max,
            recipient_least: recipient_bytes_max.div_ceil(recipient_messages_max.max(1)),
            source: link_bytes_max,
        };
        Self {
            room,
            page_max,
            last: 0,
            held: BTreeMap::new(),
            writing: BTreeMap::new(),
            ids: BTreeMap::new(),
            boxes: BTreeMap::new(),
            shares: Shares::default(),
            expiry: BTreeSet::new(),
            bytes: 0,
            cursors: Cursors::new(secret),
        }
    }

    /// Those of before the last start. What comes back is to be forgotten: rows with an id or an
    /// arrival that is there, and what is too much by smaller bounds than those of before. When they
    /// expire is seen at the first [`expire`](Self::expire).
    pub fn restore(&mut self, mut entries: Vec<Entry>) -> Vec<Change> {
        entries.sort_unstable_by_key(|entry| entry.arrival);
        let mut dropped = Vec::new();
        for entry in entries {
            let arrival = entry.arrival;
            self.last = self.last.max(entry.arrival.0);
            let source = Source::Before(entry.recipient);
            let known = self.ids.contains_key(&entry.id) || self.held.contains_key(&arrival);
            match self.room(&entry, source) {
                Ok(victims) if !known => {
                    dropped.extend(victims.iter().map(|victim| victim.arrival));
                    for victim in victims {
                        self.remove(victim.arrival);
                    }
                    self.insert(Held { entry, source, due: Instant::START });
                    self.expose(arrival);
                }
                _ => dropped.push(arrival),
            }
        }
        dropped.into_iter().map(Change::Drop).collect()
    }

    /// Takes a message in, whose writing has to end with [`durable`](Self::durable) or
    /// [`failed`](Self::failed).
    ///
    /// # Errors
    /// [`NotKept`]; nothing has changed then.
    pub fn admit(
        &mut self,
        envelope: &Envelope,
        id: MessageId,
        source: Source,
        moment: Moment,
    ) -> Result<Admission, NotKept> {
        let arrival = Arrival(self.last.saturating_add(1));
        let entry = Entry::of(envelope, id, arrival).ok_or(NotKept::NotToBeKept)?;
        if entry.expires <= moment.wall {
            return Err(NotKept::Expired);
        }
        if let Some(arrival) = self.ids.get(&id) {
            let is_written = !self.writing.contains_key(arrival);
            return Err(if is_written { NotKept::Known(entry.expires) } else { NotKept::Writing });
        }
        let victims = self.room(&entry, source)?;
        self.last = arrival.0;
        let mut changes: Vec<_> = victims.iter().map(|old| Change::Drop(old.arrival)).collect();
        changes.push(Change::Keep { entry, envelope: envelope.bytes().clone() });
        let removed = victims.iter().filter_map(|victim| self.remove(victim.arrival)).collect();
        self.insert(Held { entry, source, due: due(&entry, moment) });
        self.writing.insert(arrival, removed);
        Ok(Admission { arrival, changes })
    }

    /// A message is written: from now on it can be fetched, and its keeping acknowledged.
    pub fn durable(&mut self, arrival: Arrival) -> Option<Entry> {
        self.writing.remove(&arrival)?;
        self.expose(arrival);
        self.held.get(&arrival).map(|held| held.entry)
    }

    /// Writing failed: of all that is being written nothing is kept, and what gave it room is there
    /// as before. All, because one may have found its room where the other gave it.
    pub fn failed(&mut self) {
        let writing = std::mem::take(&mut self.writing);
        // All of them first: one may be the same message as what another had given up.
        for arrival in writing.keys() {
            self.remove(*arrival);
        }
        for held in writing.into_values().flatten() {
            self.insert(held);
            self.expose(held.entry.arrival);
        }
    }

    /// What is kept for `recipient` behind `cursor`, the oldest first, at most `max`; from the
    /// beginning if the cursor is none that this node made for that recipient since it started.
    pub fn list(&self, recipient: &Destination, cursor: &[u8], max: usize) -> Page {
        let from = self.cursors.read(recipient, cursor).unwrap_or_default();
        let mut ids = Vec::new();
        let (mut last, mut more) = (from, false);
        for entry in self.kept_for(recipient, from) {
            if ids.len() >= max.min(self.page_max) {
                more = true;
                break;
            }
            ids.push(entry.id);
            last = entry.arrival;
        }
        Page { ids, cursor: self.cursors.after(recipient, last), more }
    }

    /// What is kept for `recipient` and came after `last`, the oldest first.
    pub fn kept_for(
        &self,
        recipient: &Destination,
        last: Arrival,
    ) -> impl Iterator<Item = &Entry> + use<'_> {
        let next = Arrival(last.0.saturating_add(1));
        let arrivals = self.boxes.get(recipient).map(|mailbox| mailbox.arrivals.range(next..));
        let held = arrivals.into_iter().flatten().filter_map(|arrival| self.held.get(arrival));
        // Behind one that is being written nothing is shown, or a cursor might lead past it.
        held.take_while(|held| !self.writing.contains_key(&held.entry.arrival))
            .map(|held| &held.entry)
    }

    /// The message `id`, if it is kept for `recipient`.
    pub fn get(&self, recipient: &Destination, id: &MessageId) -> Option<&Entry> {
        let held = self.held.get(self.ids.get(id)?)?;
        let written = !self.writing.contains_key(&held.entry.arrival);
        (written && held.entry.recipient == *recipient).then_some(&held.entry)
    }

    /// `recipient` has these: they are kept no longer. Says what is to be forgotten.
    pub fn take(&mut self, recipient: &Destination, ids: &[MessageId]) -> Vec<Change> {
        let mut dropped = Vec::new();
        for id in ids {
            if let Some(arrival) = self.get(recipient, id).map(|entry| entry.arrival) {
                self.remove(arrival);
                dropped.push(Change::Drop(arrival));
            }
        }
        dropped
    }

    /// Forgets what has expired by both clocks, of `max` at most at once: setting one of them deletes
    /// nothing. Says what is to be forgotten.
    pub fn expire(&mut self, moment: Moment, max: usize) -> Vec<Change> {
        let mut dropped = Vec::new();
        for _ in 0..max {
            let next = self.expiry.first().copied().filter(|(due, _)| *due <= moment.now);
            let Some((before, arrival)) = next else { break };
            match self.held.get_mut(&arrival) {
                // The clock on the wall was set back, or this is from before the start.
                Some(held) if held.entry.expires > moment.wall => {
                    held.due = due(&held.entry, moment);
                    self.expiry.remove(&(before, arrival));
                    self.expiry.insert((held.due, arrival));
                }
                Some(_) | None => {
                    self.remove(arrival);
                    dropped.push(Change::Drop(arrival));
                }
            }
        }
        dropped
    }

    /// When [`expire`](Self::expire) next has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.expiry.first().map(|(due, _)| *due)
    }

    /// The recipient after `last` for whom something is kept; the first if `last` is `None`.
    pub fn next_recipient(&self, last: Option<&Destination>) -> Option<Destination> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = last.map_or(Unbounded, Excluded);
        self.boxes.range((after, Unbounded)).next().map(|(recipient, _)| *recipient)
    }

    /// Whether anything is kept for anybody, or about to be.
    pub fn has_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether something is kept for `recipient`, or about to be.
    pub fn has(&self, recipient: &Destination) -> bool {
        self.boxes.contains_key(recipient)
    }

    /// Whether the message `id` is kept.
    pub fn keeps(&self, id: &MessageId) -> bool {
        self.ids.contains_key(id)
    }

    /// Whom the message `id` is kept for.
    pub fn recipient_of(&self, id: &MessageId) -> Option<Destination> {
        self.held.get(self.ids.get(id)?).map(|held| held.entry.recipient)
    }

    /// A message turned out not to be in the store.
    pub fn lost(&mut self, arrival: Arrival) {
        if !self.writing.contains_key(&arrival) {
            self.remove(arrival);
        }
    }

    /// How much is kept.
    pub fn gauges(&self) -> MailGauges {
        MailGauges { messages: self.held.len(), bytes: self.bytes, recipients: self.boxes.len() }
    }

    /// What has to be given up for a message.
    fn room(&self, entry: &Entry, source: Source) -> Result<Vec<Entry>, NotKept> {
        let Room { all, recipient, source: own, .. } = self.room;
        let newcomer = Newcomer { source, weight: self.weight(entry) };
        let here = Newcomer { source, weight: self.weight_there(entry) };
        // What is from before is bounded by its recipient's, and nobody brings more of it.
        let is_bounded = !matches!(source, Source::Before(_));
        if is_bounded && !self.shares.have_own_room(&newcomer, own) {
            return Err(NotKept::Full(Scope::Source));
        }
        let mut gone = Vec::new();
        if let Some(mailbox) = self.boxes.get(&entry.recipient) {
            let victims = mailbox.shares.room(&here, recipient, &[]);
            let victims = victims.ok_or(NotKept::Full(Scope::Recipient))?;
            let weighed = self.entries(&victims);
            gone.extend(
                weighed.map(|(victim, entry)| Victim { weight: self.weight(entry), ..*victim }),
            );
        }
        let victims = self.shares.room(&newcomer, all, &gone);
        gone.extend(victims.ok_or(NotKept::Full(Scope::All))?);
        Ok(self.entries(&gone).map(|(_, entry)| *entry).collect())
    }

    /// What victims are.
    fn entries<'a>(
        &'a self,
        victims: &'a [Victim],
    ) -> impl Iterator<Item = (&'a Victim, &'a Entry)> {
        let entry = |victim: &Victim| self.held.get(&victim.rank.2).map(|held| &held.entry);
        victims.iter().filter_map(move |victim| entry(victim).map(|entry| (victim, entry)))
    }

    fn weight(&self, entry: &Entry) -> usize {
        entry.len.max(self.room.all_least)
    }

    fn weight_there(&self, entry: &Entry) -> usize {
        entry.len.max(self.room.recipient_least)
    }

    fn insert(&mut self, held: Held) {
        let Held { entry, source, .. } = held;
        let (weight, there) = (self.weight(&entry), self.weight_there(&entry));
        self.shares.add(source, weight);
        let mailbox = self.boxes.entry(entry.recipient).or_default();
        mailbox.shares.add(source, there);
        mailbox.arrivals.insert(entry.arrival);
        self.ids.insert(entry.id, entry.arrival);
        self.bytes = self.bytes.saturating_add(entry.len);
        self.held.insert(entry.arrival, held);
    }

    /// What is durable can be given up, and expires.
    fn expose(&mut self, arrival: Arrival) {
        let Some(Held { entry, source, due }) = self.held.get(&arrival).copied() else { return };
        let (weight, there) = (self.weight(&entry), self.weight_there(&entry));
        self.shares.expose(&source, rank(&entry), weight);
        if let Some(mailbox) = self.boxes.get_mut(&entry.recipient) {
            mailbox.shares.expose(&source, rank(&entry), there);
        }
        self.expiry.insert((due, arrival));
    }

    fn remove(&mut self, arrival: Arrival) -> Option<Held> {
        let held = self.held.remove(&arrival)?;
        let Held { entry, source, due } = &held;
        let (weight, there) = (self.weight(entry), self.weight_there(entry));
        self.ids.remove(&entry.id);
        self.expiry.remove(&(*due, arrival));
        self.shares.remove(*source, &rank(entry), weight);
        self.bytes = self.bytes.saturating_sub(entry.len);
        if let Some(mailbox) = self.boxes.get_mut(&entry.recipient) {
            mailbox.arrivals.remove(&arrival);
            mailbox.shares.remove(*source, &rank(entry), there);
            if mailbox.arrivals.is_empty() {
                self.boxes.remove(&entry.recipient);
            }
        }
        Some(held)
    }
}

/// When the time of a message is over by the clock that cannot be set, as far as the other one is
/// right: it lives no longer than any can.
fn due(entry: &Entry, moment: Moment) -> Instant {
    let longest = Lifetime::MAX.duration().saturating_add(QUANTUM);
    moment.now.after(entry.expires.since(moment.wall).min(longest))
}
