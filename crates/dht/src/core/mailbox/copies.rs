//! Republishing: whoever has come close to a recipient since gets copies of what is kept for it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::{Instant, JobError};

use super::super::desk::Errand;
use super::super::{Core, Job};
use super::MailErrand;
use crate::code::Code;
use crate::envelope::{Destination, MessageId};
use crate::event::Done;
use crate::key::Key;
use crate::mailbox::Arrival;

/// Recipients looked at in one tick, and the time until the next.
const LOOKS_MAX: usize = 16;
const PAUSE: Duration = Duration::from_millis(10);
/// Messages read at once.
const READ_MAX: usize = 16;

/// Who has what is kept here, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Nodes closest to each recipient for whom something is kept, when that was looked at last.
    placed: BTreeMap<Destination, Vec<PeerId>>,
    /// When the next round begins, or goes on.
    next: Option<Instant>,
    round: Option<Round>,
}

/// A round through all recipients.
#[derive(Clone, Debug)]
struct Round {
    /// Whom it has come to.
    last: Option<Destination>,
    /// Copies that may be made still.
    left: usize,
    /// Newcomers to that recipient, and the last message that they were put.
    giving: Option<(Vec<PeerId>, Arrival)>,
    /// Whether the store is being read.
    reading: bool,
}

/// Messages that are being read for newcomers.
#[derive(Clone, Debug)]
pub(in super::super) struct CopyErrand {
    newcomers: Vec<PeerId>,
    messages: Vec<(MessageId, Arrival)>,
}

impl Copies {
    pub(super) fn next_due(&self) -> Option<Instant> {
        let reading = self.round.as_ref().is_some_and(|round| round.reading);
        self.next.filter(|_| !reading)
    }

    pub(super) fn len(&self) -> usize {
        self.placed.len()
    }
}

impl Core {
    /// A message for `recipient` is kept: those closest to it now have it from the same hand.
    pub(super) fn note_copies(&mut self, recipient: &Destination, now: Instant) {
        self.copies_planned(now);
        if !self.mail.copies.placed.contains_key(recipient) {
            let closest = self.holders(recipient);
            self.mail.copies.placed.insert(*recipient, closest);
        }
    }

    /// There is something to give, or somebody to give it to: a round comes some time.
    pub(super) fn copies_planned(&mut self, now: Instant) {
        if self.mail.copies.next.is_none() && !self.links.is_empty() && self.mail.boxes.has_any() {
            let span = self.about(self.params.mailbox().republish_period);
            self.mail.copies.next = Some(now.after(span));
        }
    }

    /// Nodes that what is kept for `recipient` should be with.
    fn holders(&self, recipient: &Destination) -> Vec<PeerId> {
        let peer = recipient.peer();
        let (closest, _) = self.closest_servers(&peer, &Key::of(&peer));
        closest.into_iter().take(self.params.mailbox().copies).collect()
    }

    /// Goes on with the round, or begins one.
    pub(super) fn copy_due(&mut self, now: Instant) {
        let copies = &mut self.mail.copies;
        if copies.next.is_none_or(|at| at > now) {
            return;
        }
        let left = self.params.mailbox().republish_max;
        let round = Round { last: None, left, giving: None, reading: false };
        let reading = copies.round.get_or_insert(round).reading;
        if reading {
            return;
        }
        for _ in 0..LOOKS_MAX {
            match self.copy_step() {
                Progress::Reading => return,
                Progress::Looking => {}
                Progress::Over => return self.copies_over(now),
            }
        }
        self.mail.copies.next = Some(now.after(PAUSE));
    }

    fn copies_over(&mut self, now: Instant) {
        let Copies { placed, next, round } = &mut self.mail.copies;
        (*round, *next) = (None, None);
        placed.retain(|recipient, _| self.mail.boxes.has(recipient));
        self.copies_planned(now);
    }

    fn copy_step(&mut self) -> Progress {
        let Some(round) = self.mail.copies.round.clone() else { return Progress::Over };
        if let (Some(recipient), Some((newcomers, last))) = (round.last, round.giving) {
            let messages: Vec<_> = self
                .mail
                .boxes
                .kept_for(&recipient, last)
                .take(READ_MAX)
                .map(|entry| (entry.id, entry.arrival))
                .collect();
            return self.copy_read(newcomers, messages);
        }
        if round.left == 0 {
            return Progress::Over;
        }
        let Some(recipient) = self.mail.boxes.next_recipient(round.last.as_ref()) else {
            return Progress::Over;
        };
        let holders = self.holders(&recipient);
        let before = self.mail.copies.placed.insert(recipient, holders.clone());
        let before = before.unwrap_or_else(|| holders.clone());
        let newcomers: Vec<_> = holders.into_iter().filter(|peer| !before.contains(peer)).collect();
        if let Some(round) = &mut self.mail.copies.round {
            round.last = Some(recipient);
            round.giving = (!newcomers.is_empty()).then_some((newcomers, Arrival(0)));
        }
        Progress::Looking
    }

    fn copy_read(
        &mut self,
        newcomers: Vec<PeerId>,
        messages: Vec<(MessageId, Arrival)>,
    ) -> Progress {
        let Some(round) = &mut self.mail.copies.round else { return Progress::Over };
        let Some(last) = messages.last().map(|(_, arrival)| *arrival) else {
            round.giving = None;
            return Progress::Looking;
        };
        let copies = messages.len().saturating_mul(newcomers.len());
        round.left = round.left.saturating_sub(copies);
        round.giving = Some((newcomers.clone(), last));
        round.reading = true;
        let arrivals = messages.iter().map(|(_, arrival)| *arrival).collect();
        let errand = CopyErrand { newcomers, messages };
        self.desk.start(Errand::Mail(MailErrand::Copy(errand)), Job::Read(arrivals));
        Progress::Reading
    }

    /// Messages were read for newcomers.
    pub(super) fn on_copies_read(
        &mut self,
        errand: &CopyErrand,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        if let Some(round) = &mut self.mail.copies.round {
            round.reading = false;
        }
        let Ok(Done::Read(Ok(read))) = outcome else {
            // In the next round.
            errand.newcomers.iter().for_each(|peer| self.not_placed(&errand.messages, peer));
            return self.copies_over(now);
        };
        for ((id, arrival), envelope) in errand.messages.iter().zip(read) {
            match envelope {
                Some(envelope) => self.copy(*id, &envelope, &errand.newcomers, now),
                None => self.mail.boxes.lost(*arrival),
            }
        }
    }

    fn copy(&mut self, id: MessageId, envelope: &Bytes, to: &[PeerId], now: Instant) {
        for peer in to {
            self.put(id, envelope.clone(), *peer, now);
        }
    }

    /// What became of a Put of a copy.
    pub(super) fn copied(
        &mut self,
        id: MessageId,
        server: PeerId,
        outcome: Result<(), Option<Code>>,
    ) {
        // A duplicate is there already, by the hand of another; who is not close will never take
        // it. Others are given it in the next round.
        let placed = matches!(
            outcome,
            Ok(()) | Err(Some(Code::Duplicate | Code::NotClose | Code::Off | Code::Expired))
        );
        if !placed {
            self.not_placed(&[(id, Arrival(0))], &server);
        }
    }

    fn not_placed(&mut self, messages: &[(MessageId, Arrival)], server: &PeerId) {
        for (id, _) in messages {
            let recipient = self.mail.boxes.recipient_of(id);
            let placed = recipient.and_then(|to| self.mail.copies.placed.get_mut(&to));
            if let Some(placed) = placed {
                placed.retain(|peer| peer != server);
            }
        }
    }
}

enum Progress {
    /// The store is being read.
    Reading,
    /// There is more to look at.
    Looking,
    /// The round is over.
    Over,
}
