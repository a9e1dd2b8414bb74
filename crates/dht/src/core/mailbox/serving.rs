//! Giving out what is kept: to its recipient alone, which is whom the link is with.

use std::collections::BTreeMap;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};

use super::super::desk::Errand;
use super::super::{Core, Job, Message};
use super::MailErrand;
use crate::envelope::{Destination, MessageId};
use crate::event::Done;
use crate::mailbox::{Arrival, Page};
use crate::messages::{IDS_MAX, fits};
use crate::rates::Limit;

/// Pages that a link may ask for at once, and how many more each second.
const LISTS_BURST: u32 = 32;
const LISTS_PER_SECOND: u32 = 4;

/// Links for which the store is read at once: jobs are few, and writes need one.
const READING_MAX: usize = 8;

/// Whoever fetches at the moment.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// Links for which the store is being read, and for which request: one answer at a time.
    reading: BTreeMap<PeerId, u64>,
    /// When each link may ask for as many pages at once as any.
    lists: BTreeMap<PeerId, Instant>,
}

/// Messages that are being read for somebody.
#[derive(Clone, Debug)]
pub(in super::super) struct Reading {
    peer: PeerId,
    nonce: u64,
    /// What was asked for, as far as it fits; `None` for what is not here.
    arrivals: Vec<Option<Arrival>>,
}

impl Serving {
    pub(super) fn left(&mut self, peer: &PeerId) {
        self.lists.remove(peer);
        self.reading.remove(peer);
    }

    fn may_list(&mut self, peer: PeerId, now: Instant) -> bool {
        let full = self.lists.entry(peer).or_insert(now);
        let taken = Limit::new(LISTS_PER_SECOND, LISTS_BURST).take(*full, 1, now);
        *full = taken.unwrap_or(*full);
        taken.is_ok()
    }

    pub(super) fn passing(&self) -> usize {
        self.reading.len().saturating_add(self.lists.len())
    }
}

impl Core {
    /// The recipient asks what is here.
    pub(in super::super) fn on_list(
        &mut self,
        from: PeerId,
        (nonce, cursor, max): (u64, Bytes, u32),
        now: Instant,
    ) {
        if !self.links.contains_key(&from) || !self.mail.serving.may_list(from, now) {
            return;
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(IDS_MAX);
        let none = || Page { ids: Vec::new(), cursor: Bytes::new(), more: false };
        let page = Destination::of(&from)
            .map_or_else(|_| none(), |recipient| self.mail.boxes.list(&recipient, &cursor, max));
        let Page { ids, cursor, more } = page;
        self.desk.send(from, Message::Listed { nonce, ids, cursor, more });
    }

    /// The recipient asks for messages. While others are read for it, it is not answered.
    pub(in super::super) fn on_get(&mut self, from: PeerId, nonce: u64, ids: &[MessageId]) {
        if !self.links.contains_key(&from) || self.mail.serving.reading.contains_key(&from) {
            return;
        }
        let recipient = Destination::of(&from).ok();
        let boxes = &self.mail.boxes;
        let entry = |id| recipient.as_ref().and_then(|recipient| boxes.get(recipient, id));
        let entries = ids.iter().map(entry);
        let lens = entries.clone().map(|entry| entry.map_or(0, |entry| entry.len));
        let arrivals: Vec<_> =
            entries.take(fits(lens)).map(|entry| entry.map(|entry| entry.arrival)).collect();
        let here: Vec<_> = arrivals.iter().flatten().copied().collect();
        if !here.is_empty() && self.mail.serving.reading.len() >= READING_MAX {
            // As if the store were in trouble: it is asked again later.
            return self.desk.send(from, Message::Got { nonce, envelopes: Vec::new() });
        }
        if here.is_empty() {
            let envelopes = vec![Bytes::new(); arrivals.len()];
            return self.desk.send(from, Message::Got { nonce, envelopes });
        }
        self.mail.serving.reading.insert(from, nonce);
        let reading = Reading { peer: from, nonce, arrivals };
        self.desk.start(Errand::Mail(MailErrand::Read(reading)), Job::Read(here));
    }

    /// Messages were read for their recipient.
    pub(super) fn on_read(
        &mut self,
        reading: &Reading,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        let Reading { peer, nonce, arrivals } = reading;
        // Whoever left and came back is answered what it asked for since.
        if self.mail.serving.reading.get(peer) != Some(nonce) {
            return;
        }
        self.mail.serving.reading.remove(peer);
        if !self.links.contains_key(peer) {
            return;
        }
        let Ok(Done::Read(Ok(read))) = outcome else {
            // Nothing at all: the recipient asks another server, and this one later.
            let nothing = Message::Got { nonce: *nonce, envelopes: Vec::new() };
            return self.desk.send(*peer, nothing);
        };
        let mut read = read.into_iter();
        let mut envelopes = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let envelope = arrival.and_then(|arrival| {
                let envelope = read.next().flatten();
                if envelope.is_none() {
                    self.mail.boxes.lost(arrival);
                }
                envelope
            });
            envelopes.push(envelope.unwrap_or_default());
        }
        self.desk.send(*peer, Message::Got { nonce: *nonce, envelopes });
        self.saw(*peer, now);
    }

    /// The recipient has messages.
    pub(in super::super) fn on_taken(
        &mut self,
        from: PeerId,
        nonce: u64,
        ids: &[MessageId],
        now: Instant,
    ) {
        let Ok(recipient) = Destination::of(&from) else { return };
        let taken = self.mail.boxes.take(&recipient, ids);
        let count = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        self.mail.keeping.forget(taken);
        self.flush(now);
        self.desk.send(from, Message::Dropped { nonce, count });
        self.mail_plan(now);
    }
}
