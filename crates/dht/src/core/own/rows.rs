//! What is written down of own messages: before they leave, and before anything is told of them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use machine::{Instant, JobError, UnixTime};

use super::super::agenda::Due;
use super::super::desk::Errand;
use super::super::{Core, Event, Job};
use crate::envelope::{Envelope, MessageId};
use crate::event::{Done, Outcome, SendError};
use crate::letter::LetterId;
use crate::sent::Sent;
use crate::store::Change;

/// Rows of one write, and about how many news are told after it: what that brings about stays under
/// the limit on effects.
const BATCH_MAX: usize = 32;
const NEWS_MAX: usize = 128;
/// How long a store that failed is left alone.
const REST: Duration = Duration::from_secs(1);
/// The longest that ended messages are left alone: the wall clock may be set.
const SWEEP: Duration = Duration::from_hours(1);

/// How far the disk is behind with one message.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each may be so whatever the others are")]
pub(super) struct Row {
    /// Whether it was written at all.
    durable: bool,
    /// Whether it has changed since it was written last.
    changed: bool,
    /// The envelope that leaves once it is.
    first: Option<(MessageId, Envelope)>,
    /// What is told once it is written.
    untold: Vec<Outcome>,
    /// Whether the end is told already, and waits for the disk alone.
    ended: bool,
    /// Whether a write may come that was given up.
    unsure: bool,
}

impl Row {
    /// That of a message whose first envelope is this one.
    pub(super) fn new(first: (MessageId, Envelope)) -> Self {
        Self { first: Some(first), ..Self::default() }
    }

    /// One that is there.
    pub(super) fn durable() -> Self {
        Self { durable: true, ..Self::default() }
    }

    pub(super) const fn has_changed(&self) -> bool {
        self.changed
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn tell(&mut self, outcome: Outcome) {
        // With a disk that does not write there are more and more.
        if self.untold.len() >= Sent::HISTORY_MAX {
            self.untold.remove(0);
        }
        self.untold.push(outcome);
    }
}

/// A write, and what it is waited for with.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Written {
    /// What is told of which messages.
    told: Vec<(LetterId, Vec<Outcome>)>,
    /// What is forgotten.
    forgotten: Vec<(UnixTime, LetterId)>,
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Those that have changed, in that order. Each is one of a message that is there.
    changed: VecDeque<LetterId>,
    writing: bool,
    rests: Option<Instant>,
    /// Those that ended, by when they did and when they were taken on.
    ended: BTreeSet<(UnixTime, UnixTime, LetterId)>,
    letters: BTreeSet<LetterId>,
    /// What is to be forgotten.
    forget: BTreeSet<(UnixTime, LetterId)>,
}

impl Rows {
    /// Those that ended, and those of them whose row is still there.
    pub(super) fn remembered(&self) -> usize {
        self.ended.len().saturating_add(self.forget.len())
    }

    pub(super) fn remembers(&self, letter: &LetterId) -> bool {
        self.letters.contains(letter)
    }

    /// Writes no more of one that is gone.
    pub(super) fn leave_out(&mut self, letter: &LetterId) {
        self.changed.retain(|changed| changed != letter);
    }

    /// Remembers one that ended, for a time.
    pub(super) fn ended(&mut self, sent: &Sent) {
        let when = sent.history.last().map_or(sent.at, |(when, _)| *when);
        self.ended.insert((when, sent.at, sent.letter));
        self.letters.insert(sent.letter);
    }

    /// Forgets those that ended before `wall` less `lasts`, and the oldest of more than `most`.
    /// Says how long the next one is remembered.
    fn expire(&mut self, wall: UnixTime, lasts: Duration, most: usize) -> Option<Duration> {
        while let Some((when, at, letter)) = self.ended.first().copied() {
            let left = when.after(lasts).since(wall);
            if left > Duration::ZERO && self.ended.len() <= most {
                return Some(left);
            }
            self.ended.pop_first();
            self.letters.remove(&letter);
            self.forget.insert((at, letter));
        }
        None
    }
}

impl Core {
    /// Has the row of a message written.
    pub(super) fn row_changed(&mut self, letter: LetterId, now: Instant) {
        let own = self.owns.by_letter.get_mut(&letter);
        if let Some(own) = own
            && let Some(row) = own.row.as_mut()
            && !row.changed
        {
            row.changed = true;
            self.owns.rows.forget.remove(&(own.sent.at, letter));
            self.owns.rows.changed.push_back(letter);
        }
        self.write_rows(now);
    }

    /// Writes what has changed, if nothing is being written: one write after the other.
    fn write_rows(&mut self, now: Instant) {
        let rows = &mut self.owns.rows;
        if rows.writing || rows.rests.is_some_and(|until| until > now) {
            return;
        }
        rows.rests = None;
        let (mut changes, mut written, mut news) = (Vec::new(), Written::default(), 0_usize);
        while changes.len() < BATCH_MAX
            && news < NEWS_MAX
            && let Some(letter) = rows.changed.pop_front()
        {
            let Some(own) = self.owns.by_letter.get_mut(&letter) else { continue };
            let Some(row) = &mut own.row else { continue };
            row.changed = false;
            let told = std::mem::take(&mut row.untold);
            news = news.saturating_add(told.len());
            written.told.push((letter, told));
            let sent = own.sent.clone();
            changes.push(match &own.addressed {
                Some(addressed) if !row.durable && own.sent.end().is_none() => {
                    Change::Send { sent, payload: addressed.letter.payload.clone() }
                }
                Some(_) | None => Change::Sent(sent),
            });
        }
        while changes.len() < BATCH_MAX
            && let Some((at, letter)) = rows.forget.pop_first()
        {
            written.forgotten.push((at, letter));
            changes.push(Change::Unsent { at, letter });
        }
        if !changes.is_empty() {
            rows.writing = true;
            self.desk.start(Errand::Rows(written), Job::Keep(changes));
        }
    }

    /// A write ended.
    pub(in super::super) fn on_rows_written(
        &mut self,
        written: Written,
        outcome: &Result<Done, JobError>,
        now: Instant,
    ) {
        self.owns.rows.writing = false;
        match outcome {
            Ok(Done::Kept(Ok(()))) => {
                for (letter, told) in written.told {
                    self.row_written(letter, told, now);
                }
            }
            Ok(Done::Kept(Err(_))) => self.rows_unwritten(written, true, now),
            // Whether the write will still happen is not known.
            Ok(_) | Err(_) => self.rows_unwritten(written, false, now),
        }
        self.write_rows(now);
    }

    /// The row is durable: what it says may be told, and what it is about may leave.
    fn row_written(&mut self, letter: LetterId, told: Vec<Outcome>, now: Instant) {
        let Some(own) = self.owns.by_letter.get_mut(&letter) else { return };
        let Some(row) = &mut own.row else { return };
        row.durable = true;
        let first = row.first.take();
        let over = own.over && !row.changed;
        for outcome in told {
            self.desk.emit(Event::Outcome { letter, outcome });
        }
        if over {
            if let Some(own) = self.owns.remove(&letter) {
                self.owns.rows.ended(&own.sent);
                self.expire_rows(now);
            }
        } else if let Some(first) = first {
            self.begin(letter, first, now);
        }
    }

    /// Nothing was written. What never was is refused if it is certain that it will not be; what has
    /// had its time, and so has the disk, is told: after a restart it is over as well. All is written
    /// later.
    fn rows_unwritten(&mut self, written: Written, certain: bool, now: Instant) {
        let Written { told, forgotten } = written;
        for (letter, told) in told.into_iter().rev() {
            let Some(own) = self.owns.by_letter.get_mut(&letter) else { continue };
            let Some(row) = &mut own.row else { continue };
            if certain && !row.durable {
                let (ended, unsure) = (row.ended, row.unsure);
                self.agenda.clear(Due::Own(letter));
                if let Some(own) = self.owns.remove(&letter)
                    && unsure
                {
                    self.owns.rows.forget.insert((own.sent.at, letter));
                }
                if !ended {
                    let outcome = Outcome::Refused(SendError::Unwritten);
                    self.desk.emit(Event::Outcome { letter, outcome });
                }
                continue;
            }
            row.unsure |= !certain;
            let later = std::mem::replace(&mut row.untold, told);
            for outcome in later {
                row.tell(outcome);
            }
            if !row.changed {
                row.changed = true;
                self.owns.rows.changed.push_front(letter);
            }
        }
        self.owns.rows.forget.extend(forgotten);
        self.tell_overdue(now);
        let until = now.after(REST);
        self.owns.rows.rests = Some(until);
        self.agenda.by(Due::Rows, until);
    }

    /// Tells what waits of those that have had their time, so much at once. Each stays until its end
    /// is written: else it would have another after a restart.
    fn tell_overdue(&mut self, now: Instant) {
        let mut room = NEWS_MAX;
        for letter in &self.owns.rows.changed {
            let Some(own) = self.owns.by_letter.get_mut(letter) else { continue };
            let overdue = own.over && own.ends <= now;
            let Some(row) = own.row.as_mut().filter(|row| overdue && !row.ended) else { continue };
            let told = row.untold.len().min(room);
            room = room.saturating_sub(told);
            for outcome in row.untold.drain(..told) {
                self.desk.emit(Event::Outcome { letter: *letter, outcome });
                row.ended |= outcome.is_end();
            }
        }
    }

    /// Writes what waits, and forgets what ended long ago.
    pub(in super::super) fn rows_due(&mut self, now: Instant) {
        self.expire_rows(now);
        self.write_rows(now);
        let rows = &self.owns.rows;
        if let Some(until) = rows.rests
            && !(rows.changed.is_empty() && rows.forget.is_empty())
        {
            self.agenda.by(Due::Rows, until);
        }
    }

    fn expire_rows(&mut self, now: Instant) {
        let delivery = self.params.delivery();
        let (lasts, most) = (delivery.sent_lasts, delivery.sent_max);
        let Some(wall) = self.wall_at(now) else { return };
        if let Some(left) = self.owns.rows.expire(wall, lasts, most) {
            self.agenda.by(Due::Rows, now.after(left.min(SWEEP)));
        }
    }
}
