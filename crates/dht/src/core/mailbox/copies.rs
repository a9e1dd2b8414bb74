//! Republishing: whoever has come close to a recipient since, and stays, gets copies of what is kept
//! for it.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::table::Contact;

/// Recipients looked at in one tick, and the time until the next.
const LOOKS_MAX: usize = 16;
const PAUSE: Duration = Duration::from_millis(10);
/// Messages read and put at once: the next ones follow when each was answered.
const READ_MAX: usize = 16;

/// Who has what is kept here, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// For each recipient for whom something is kept.
    placed: BTreeMap<Destination, Placed>,
    /// When the next round begins, or goes on.
    next: Option<Instant>,
    round: Option<Round>,
    /// Copies that were put and have not been answered.
    put: BTreeSet<(MessageId, PeerId)>,
}

/// The nodes that what is kept for a recipient should be with.
#[derive(Clone, Debug, Default)]
struct Placed {
    /// Those that have it, or were given it.
    holders: Vec<PeerId>,
    /// Those that were closest when that was looked at last.
    closest: Vec<PeerId>,
}

/// A round through all recipients.
#[derive(Clone, Debug)]
struct Round {
    /// Whom it has come to.
    last: Option<Destination>,
    /// Copies that may be made still in this period.
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
        self.next.filter(|_| !self.is_waiting())
    }

    /// Whether the store is being read, or copies have not been answered.
    fn is_waiting(&self) -> bool {
        !self.put.is_empty() || self.round.as_ref().is_some_and(|round| round.reading)
    }

    /// Whether that is the answer to a copy.
    pub(super) fn answered(&mut self, id: MessageId, server: PeerId) -> bool {
        self.put.remove(&(id, server))
    }

    pub(super) fn passing(&self) -> usize {
        self.put.len()
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
            let placed = Placed { holders: closest.clone(), closest };
            self.mail.copies.placed.insert(*recipient, placed);
        }
    }

    /// There is something to give, or somebody to give it to: a round comes some time.
    pub(super) fn copies_planned(&mut self, now: Instant) {
        if self.mail.copies.next.is_none() && !self.links.is_empty() && self.mail.boxes.has_any() {
            let span = self.about(self.params.mailbox().republish_period);
            self.mail.copies.next = Some(now.after(span));
        }
    }

    /// Nodes that what is kept for `recipient` should be with. Contacts alone: a link costs nothing.
    fn holders(&self, recipient: &Destination) -> Vec<PeerId> {
        let (peer, copies) = (recipient.peer(), self.params.mailbox().copies);
        let closest = self.table.closest(&Key::of(&peer), copies.saturating_add(1));
        let others = closest.into_iter().map(Contact::peer).filter(|other| *other != peer);
        others.take(copies).collect()
    }

    /// Goes on with the round, or begins one.
    pub(super) fn copy_due(&mut self, now: Instant) {
        let copies = &mut self.mail.copies;
        if copies.next.is_none_or(|at| at > now) || copies.is_waiting() {
            return;
        }
        let left = self.params.mailbox().republish_max;
        let round = Round { last: None, left, giving: None, reading: false };
        copies.round.get_or_insert(round);
        for _ in 0..LOOKS_MAX {
            match self.copy_step() {
                Progress::Reading => return,
                Progress::Looking => {}
                Progress::Spent => {
                    // It goes on from there in the next period.
                    let span = self.about(self.params.mailbox().republish_period);
                    self.mail.copies.next = Some(now.after(span));
                    if let Some(round) = &mut self.mail.copies.round {
                        round.left = left;
                    }
                    return;
                }
                Progress::Over => return self.copies_over(now),
            }
        }
        self.mail.copies.next = Some(now.after(PAUSE));
    }

    fn copies_over(&mut self, now: Instant) {
        let Copies { placed, next, round, .. } = &mut self.mail.copies;
        (*round, *next) = (None, None);
        placed.retain(|recipient, _| self.mail.boxes.has(recipient));
        self.copies_planned(now);
    }

    fn copy_step(&mut self) -> Progress {
        let Some(round) = self.mail.copies.round.clone() else { return Progress::Over };
        if let (Some(recipient), Some((mut newcomers, last))) = (round.last, round.giving) {
            let placed = self.mail.copies.placed.get(&recipient);
            newcomers.retain(|peer| placed.is_some_and(|placed| placed.holders.contains(peer)));
            let each = round.left.checked_div(newcomers.len()).unwrap_or(0);
            let kept = self.mail.boxes.kept_for(&recipient, last).take(READ_MAX.min(each));
            let messages: Vec<_> = kept.map(|entry| (entry.id, entry.arrival)).collect();
            if !newcomers.is_empty() && each == 0 {
                return Progress::Spent;
            }
            return self.copy_read(newcomers, messages);
        }
        let Some(recipient) = self.mail.boxes.next_recipient(round.last.as_ref()) else {
            return Progress::Over;
        };
        let closest = self.holders(&recipient);
        let all = || Placed { holders: closest.clone(), closest: closest.clone() };
        let placed = self.mail.copies.placed.entry(recipient).or_insert_with(all);
        // Who was there the last time as well: who comes and goes gets nothing.
        let has_stayed = |peer: &&PeerId| closest.contains(peer) && !placed.holders.contains(peer);
        let newcomers: Vec<_> = placed.closest.iter().filter(has_stayed).copied().collect();
        placed.holders.retain(|peer| closest.contains(peer));
        placed.holders.extend(&newcomers);
        placed.closest = closest;
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
            self.mail.copies.put.insert((id, *peer));
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
                placed.holders.retain(|peer| peer != server);
            }
        }
    }
}

enum Progress {
    /// The store is being read.
    Reading,
    /// There is more to look at.
    Looking,
    /// As many copies were made as may be in one period.
    Spent,
    /// The round is over.
    Over,
}
