//! Taking messages in: durable first, then acknowledged, in batches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use machine::{Instant, JobError, UnixTime};

use super::super::desk::Errand;
use super::super::parcels::Origin;
use super::super::{Core, Job};
use super::MailErrand;
use crate::clock::Moment;
use crate::envelope::{Envelope, MessageId};
use crate::event::Done;
use crate::inbound::{Recorded, Ticket};
use crate::key::Key;
use crate::mailbox::{Admission, Arrival, NotKept, Source};
use crate::messages::{News, Stored};
use crate::refusal::Refusal;
use crate::store::Change;

/// Messages taken in by one write, and refused at once when it fails: what that brings about stays
/// under the limit on effects.
const BATCH_MAX: usize = 128;
/// Messages forgotten by one write.
const DROPS_MAX: usize = 4_096;
/// How long a store that failed is left alone.
const REST: Duration = Duration::from_secs(1);
/// How long a write waits that found no place among the jobs, then twice as long, so many times.
const PLACE: Duration = Duration::from_millis(100);
const PLACES_MAX: u32 = 4;

/// Writes under way and waiting.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    writing: bool,
    rests: Option<Instant>,
    /// How often in a row it found no place.
    displaced: u32,
    /// Bounded by what is kept.
    drops: BTreeSet<Arrival>,
    /// Bounded, as the next two are, by what links and parcels may have under way.
    admitted: VecDeque<Admission>,
    waiting: BTreeMap<Arrival, Waiting>,
    unwritten: VecDeque<Waiting>,
}

/// Who waits for a message to be durable.
#[derive(Debug)]
struct Waiting {
    id: MessageId,
    origin: Origin,
    /// The Put that brought it; none when this node found itself at the end of the way.
    put: Option<(Ticket, Recorded)>,
}

/// A message that is durable, of which that is still to be said.
#[derive(Clone, Debug)]
pub(in super::super) struct Promise {
    id: MessageId,
    until: UnixTime,
    origin: Origin,
}

impl Keeping {
    /// What these changes drop is forgotten on the disk as well, some time.
    pub(super) fn forget(&mut self, changes: Vec<Change>) {
        let arrivals = changes.into_iter().filter_map(|change| match change {
            Change::Drop(arrival) => Some(arrival),
            Change::Keep { .. }
            | Change::Seen(_)
            | Change::Expired(_)
            | Change::Send { .. }
            | Change::Sent(_)
            | Change::Unsent { .. } => None,
        });
        self.drops.extend(arrivals);
    }

    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        if !self.unwritten.is_empty() {
            return Some(now);
        }
        let waits = !self.drops.is_empty() || !self.admitted.is_empty();
        (waits && !self.writing).then(|| self.rests.unwrap_or(now))
    }

    pub(super) fn passing(&self) -> usize {
        self.waiting.len().saturating_add(self.unwritten.len())
    }
}

impl Core {
    /// Somebody put an envelope here. Ends, now or later, in a verdict.
    pub(in super::super) fn mail_keep(&mut self, ticket: Ticket, recorded: Recorded, now: Instant) {
        let (id, origin) = (recorded.id(), Origin::Link(recorded.from()));
        let envelope = recorded.envelope().clone();
        let close = self.keeps_for(&envelope);
        let kept = close.and_then(|()| self.keep(&envelope, id, origin, now));
        match kept {
            Ok(Some(arrival)) => {
                let waiting = Waiting { id, origin, put: Some((ticket, recorded)) };
                self.mail.keeping.waiting.insert(arrival, waiting);
                self.flush(now);
            }
            Ok(None) => {
                recorded.settle();
                self.settle(ticket, Ok(()), now);
            }
            Err(refusal) => self.settle(ticket, Err(refusal), now),
        }
        self.mail_plan(now);
    }

    /// This node is one of those that an envelope is to be kept by. False if it does not do so.
    pub(super) fn keep_own(
        &mut self,
        envelope: &Envelope,
        id: MessageId,
        origin: Origin,
        now: Instant,
    ) -> bool {
        match self.keep(envelope, id, origin, now) {
            Ok(Some(arrival)) => {
                let waiting = Waiting { id, origin, put: None };
                self.mail.keeping.waiting.insert(arrival, waiting);
                self.flush(now);
                true
            }
            Ok(None) => {
                self.deposit_own(id, true, now);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether it is for this node to keep it.
    fn keeps_for(&self, envelope: &Envelope) -> Result<(), Refusal> {
        let config = self.params.mailbox();
        let recipient = envelope.destination().ok_or(Refusal::NotToBeKept)?.peer();
        if !config.serve {
            return Err(Refusal::Off);
        }
        let is_close = self.table.is_close(&Key::of(&recipient), config.region, config.copies);
        if is_close { Ok(()) } else { Err(Refusal::NotClose) }
    }

    /// Takes a message in; `None` if it is here already, of which is told again.
    fn keep(
        &mut self,
        envelope: &Envelope,
        id: MessageId,
        origin: Origin,
        now: Instant,
    ) -> Result<Option<Arrival>, Refusal> {
        let wall = self.wall_at(now).ok_or(Refusal::Busy)?;
        let source = match origin {
            Origin::Link(from) => Source::Link(from),
            Origin::Own(_) | Origin::Aside | Origin::Mail => Source::Own,
        };
        match self.mail.boxes.admit(envelope, id, source, Moment { now, wall }) {
            Ok(admission) => {
                let arrival = admission.arrival;
                self.mail.keeping.admitted.push_back(admission);
                Ok(Some(arrival))
            }
            Err(NotKept::Known(until)) => {
                self.sign(vec![Promise { id, until, origin }]);
                Ok(None)
            }
            Err(NotKept::NotToBeKept) => Err(Refusal::NotToBeKept),
            Err(NotKept::Expired) => Err(Refusal::Expired),
            Err(NotKept::Writing) => Err(Refusal::UnderWay),
            Err(NotKept::Full(_)) => Err(Refusal::Full),
        }
    }

    /// Writes what waits, if nothing is being written: one write after the other.
    pub(super) fn flush(&mut self, now: Instant) {
        let keeping = &mut self.mail.keeping;
        if keeping.writing || keeping.rests.is_some_and(|until| until > now) {
            return;
        }
        keeping.rests = None;
        let mut drops = Vec::new();
        while drops.len() < DROPS_MAX
            && let Some(arrival) = keeping.drops.pop_first()
        {
            drops.push(arrival);
        }
        let count = keeping.admitted.len().min(BATCH_MAX);
        let admitted: Vec<_> = keeping.admitted.drain(..count).collect();
        if drops.is_empty() && admitted.is_empty() {
            return;
        }
        keeping.writing = true;
        let forgotten = drops.iter().copied().map(Change::Drop);
        let taken_in = admitted.iter().flat_map(|admission| admission.changes.iter().cloned());
        let changes = forgotten.chain(taken_in).collect();
        let errand = MailErrand::Keep { drops, admitted };
        self.desk.start(Errand::Mail(errand), Job::Keep(changes));
    }

    /// A write ended.
    pub(super) fn on_kept(
        &mut self,
        (drops, admitted): (Vec<Arrival>, Vec<Admission>),
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        let keeping = &mut self.mail.keeping;
        keeping.writing = false;
        let displaced = std::mem::take(&mut keeping.displaced);
        if matches!(outcome, Err(JobError::Refused)) && displaced < PLACES_MAX {
            // Nothing was begun: it says nothing about the store.
            keeping.displaced = displaced.saturating_add(1);
            keeping.rests = Some(now.after(PLACE.saturating_mul(1 << displaced)));
            keeping.drops.extend(drops);
            admitted.into_iter().rev().for_each(|one| keeping.admitted.push_front(one));
            return;
        }
        let kept = admitted.iter().map(|admission| admission.arrival);
        if matches!(outcome, Ok(Done::Kept(Ok(())))) {
            let promises: Vec<_> = kept.filter_map(|arrival| self.durable(arrival, now)).collect();
            self.sign(promises);
        } else {
            self.unwritten((drops, kept.collect()), now);
        }
        self.flush(now);
    }

    /// A message is durable: whoever brought it hears so.
    fn durable(&mut self, arrival: Arrival, now: Instant) -> Option<Promise> {
        let entry = self.mail.boxes.durable(arrival)?;
        let Waiting { id, origin, put } = self.mail.keeping.waiting.remove(&arrival)?;
        match put {
            Some((ticket, recorded)) => {
                recorded.settle();
                self.settle(ticket, Ok(()), now);
            }
            None => self.deposit_own(id, true, now),
        }
        self.note_copies(&entry.recipient, now);
        Some(Promise { id, until: entry.expires, origin })
    }

    /// Nothing was written: nothing that waits for it is kept.
    fn unwritten(&mut self, (drops, kept): (Vec<Arrival>, Vec<Arrival>), now: Instant) {
        self.mail.boxes.failed();
        let keeping = &mut self.mail.keeping;
        keeping.rests = Some(now.after(REST));
        keeping.admitted.clear();
        keeping.unwritten.extend(std::mem::take(&mut keeping.waiting).into_values());
        // Whether a write that took too long will still happen is not known.
        keeping.drops.extend(drops.into_iter().chain(kept));
        self.refuse_unwritten(now);
    }

    /// Says so to those that waited, a few at a time.
    pub(super) fn refuse_unwritten(&mut self, now: Instant) {
        for _ in 0..BATCH_MAX {
            let Some(waiting) = self.mail.keeping.unwritten.pop_front() else { return };
            match waiting.put {
                Some((ticket, _)) => self.settle(ticket, Err(Refusal::Full), now),
                None => self.deposit_own(waiting.id, false, now),
            }
        }
    }

    fn sign(&mut self, promises: Vec<Promise>) {
        if promises.is_empty() {
            return;
        }
        let job = Job::Sign(promises.iter().map(|promise| (promise.id, promise.until)).collect());
        self.desk.start(Errand::Mail(MailErrand::Sign(promises)), job);
    }

    /// What is kept is signed: that goes back the way that the message came.
    pub(super) fn on_signed(
        &mut self,
        promises: Vec<Promise>,
        outcome: Result<Done, JobError>,
        now: Instant,
    ) {
        // Without a signature the message is kept all the same, and nobody told.
        let Ok(Done::Signed(signatures)) = outcome else { return };
        for (promise, signature) in promises.into_iter().zip(signatures) {
            let Promise { id, until, origin } = promise;
            let stored = Stored { server: self.local, until, signature };
            self.tell(origin, id, News::Stored(stored), now);
        }
    }
}
