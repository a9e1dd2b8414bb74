//! Own messages: attempts over one first hop after the other, and what becomes of them.
//!
//! Of those that the application is told of, each has a row on the disk. Nothing leaves before the
//! row is durable, and nothing is told before the row says it: what was told before a crash is what
//! is known after it.

mod rows;
mod tries;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;

pub(super) use self::rows::Written;
use self::rows::{Row, Rows};
use super::agenda::Due;
use super::{Core, Event};
use crate::envelope::{Lifetime, MessageId, QUANTUM};
use crate::event::{Outcome, SendError};
use crate::letter::LetterId;
use crate::outbound::{Addressed, Addressee, Dispatch};
use crate::sent::Sent;

/// Envelopes of one letter whose news are listened to: of older attempts none are expected.
const IDS_MAX: usize = 4;
/// Messages of before a restart are not tried all at once, but so far apart.
const APART: Duration = Duration::from_millis(10);
/// How often the wait for news is doubled, how many attempts follow after such waits while nobody is
/// known to keep a message, and only then it is doubled on.
const DOUBLED: u32 = 4;
const STEADY: u32 = 7;
/// How long before the last moment the last attempt is made at the latest: its news are to come in
/// time.
const LAST: Duration = Duration::from_secs(10);

/// An own message that has not ended, or whose end is not written yet.
#[derive(Debug)]
pub(super) struct Own {
    sent: Sent,
    /// What is sealed for each attempt; `None` when there are none any more.
    addressed: Option<Addressed>,
    /// Its row; `None` for one of which the application is not told.
    row: Option<Row>,
    /// Whether it has its end.
    over: bool,
    ends: Instant,
    attempts: u32,
    /// First hops of this round.
    hops: Vec<PeerId>,
    /// Its latest envelopes.
    ids: Vec<MessageId>,
    /// Who took each of those on: news of it count from nobody else.
    takers: BTreeMap<MessageId, BTreeMap<PeerId, Taker>>,
    /// Whether somebody may have it of whom nothing more will be heard.
    lost: bool,
    /// Who keeps it, and over whom that was heard.
    stored: BTreeSet<PeerId>,
    heard: BTreeSet<PeerId>,
    checks: usize,
    /// Ways on which it went no further, and those of them on which what is wrong is the message.
    stops: u32,
    rejected: u32,
    /// Whether an envelope is being made.
    sealing: bool,
    /// Envelopes on their way to a first hop.
    out: usize,
    /// Neighbours that it was offered to, that have answered, and that took it on.
    spread: (usize, usize, usize),
}

/// A first hop that took an envelope on.
#[derive(Clone, Copy, Debug, Default)]
struct Taker {
    /// Whether it has said that it went no further.
    stopped: bool,
    /// Signatures of servers that it brought and that are being checked.
    checks: u8,
    /// Those that did not hold.
    bad: u8,
}

impl Own {
    /// Whether somebody may have it, or pass it on still.
    fn may_be_there(&self) -> bool {
        let open = self.takers.values().flat_map(BTreeMap::values).any(|taker| !taker.stopped);
        self.lost || open || !self.stored.is_empty()
    }

    fn new(sent: Sent, addressed: Option<Addressed>, row: Option<Row>, ends: Instant) -> Self {
        Self {
            lost: false,
            stored: sent.keepers.iter().copied().collect(),
            sent,
            addressed,
            row,
            over: false,
            ends,
            attempts: 0,
            hops: Vec::new(),
            ids: Vec::new(),
            takers: BTreeMap::new(),
            heard: BTreeSet::new(),
            checks: 0,
            stops: 0,
            rejected: 0,
            sealing: false,
            out: 0,
            spread: (0, 0, 0),
        }
    }
}

/// All own messages.
#[derive(Debug, Default)]
pub(super) struct Owns {
    by_letter: BTreeMap<LetterId, Own>,
    by_id: BTreeMap<MessageId, LetterId>,
    bytes: usize,
    rows: Rows,
    /// Those of before, until it is known what time it is.
    resting: Vec<(Sent, Option<Bytes>)>,
}

impl Owns {
    /// With what is left of the last run.
    pub(super) fn restored(sent: Vec<Sent>, mut letters: BTreeMap<LetterId, Bytes>) -> Self {
        let mut owns = Self::default();
        for sent in sent {
            if sent.end().is_some() {
                owns.rows.ended(&sent);
            } else {
                let payload = letters.remove(&sent.letter);
                owns.resting.push((sent, payload));
            }
        }
        owns
    }

    /// Whose envelope it is.
    pub(super) fn letter_of(&self, id: &MessageId) -> Option<LetterId> {
        self.by_id.get(id).copied()
    }

    /// Entries that are not meant to last.
    pub(super) fn len(&self) -> usize {
        let open = |own: &&Own| !own.row.as_ref().is_some_and(Row::has_ended);
        let open: Vec<_> = self.by_letter.values().filter(open).collect();
        let ids = open.iter().map(|own| own.ids.len()).fold(0, usize::saturating_add);
        let rows = open.iter().filter(|own| own.row.as_ref().is_some_and(Row::has_changed));
        [self.resting.len(), ids, rows.count()].into_iter().fold(open.len(), usize::saturating_add)
    }

    /// Those that ended and are remembered, or will be once that is written.
    pub(super) fn remembered(&self) -> usize {
        let ended = |own: &&Own| own.row.as_ref().is_some_and(Row::has_ended);
        self.rows.remembered().saturating_add(self.by_letter.values().filter(ended).count())
    }

    /// One that has no end.
    fn get(&self, letter: &LetterId) -> Option<&Own> {
        self.by_letter.get(letter).filter(|own| !own.over)
    }

    /// The same.
    fn get_mut(&mut self, letter: &LetterId) -> Option<&mut Own> {
        self.by_letter.get_mut(letter).filter(|own| !own.over)
    }

    fn insert(&mut self, own: Own) {
        self.bytes = self.bytes.saturating_add(own.sent.len);
        self.by_letter.insert(own.sent.letter, own);
    }

    fn remove(&mut self, letter: &LetterId) -> Option<Own> {
        let own = self.by_letter.remove(letter)?;
        self.bytes = self.bytes.saturating_sub(own.sent.len);
        for id in &own.ids {
            self.by_id.remove(id);
        }
        if own.row.as_ref().is_some_and(Row::has_changed) {
            self.rows.leave_out(letter);
        }
        Some(own)
    }

    /// Listens to news of another envelope of `letter`.
    fn note(&mut self, letter: LetterId, id: MessageId) {
        let Some(own) = self.by_letter.get_mut(&letter) else { return };
        if own.ids.len() >= IDS_MAX {
            let oldest = own.ids.remove(0);
            let takers = own.takers.remove(&oldest).unwrap_or_default();
            own.lost |= takers.values().any(|taker| !taker.stopped);
            self.by_id.remove(&oldest);
        }
        own.ids.push(id);
        self.by_id.insert(id, letter);
    }
}

impl Core {
    /// Takes an own message on. The application is told of its fate if `told`.
    pub(super) fn dispatch(&mut self, dispatch: Dispatch, told: bool, now: Instant) {
        let Dispatch { addressed, envelope, identified } = dispatch;
        let letter = addressed.letter.id;
        let delivery = self.params.delivery();
        let count = self.owns.by_letter.len().saturating_add(self.owns.resting.len());
        let bytes = self.owns.bytes;
        let more = bytes.saturating_add(addressed.letter.payload.len());
        let refused = if self.is_own(&letter) {
            Some(SendError::Repeated)
        } else if count >= delivery.messages_max || more > delivery.bytes_max {
            Some(SendError::Full { count, bytes })
        } else {
            None
        };
        if let Some(refused) = refused {
            if told {
                self.desk.emit(Event::Outcome { letter, outcome: Outcome::Refused(refused) });
            }
            return;
        }
        let at = self.wall_at(now).unwrap_or(addressed.terms.created);
        let mut sent = Sent::new(&addressed, at, envelope.expires());
        if let Addressee::Clear(_) = addressed.addressee {
            sent.to = None;
        }
        let ends = now.after(self.left(&sent, now));
        let first = (identified.id, envelope);
        self.agenda.set(Due::Own(letter), ends);
        if told {
            self.owns.insert(Own::new(sent, Some(addressed), Some(Row::new(first)), ends));
            self.row_changed(letter, now);
        } else {
            self.owns.insert(Own::new(sent, Some(addressed), None, ends));
            self.begin(letter, first, now);
        }
    }

    /// Whether it has that id, or had it.
    fn is_own(&self, letter: &LetterId) -> bool {
        self.owns.by_letter.contains_key(letter)
            || self.owns.rows.remembers(letter)
            || self.owns.resting.iter().any(|(sent, _)| sent.letter == *letter)
    }

    /// How long it lives still: however wrong the clock may be, no longer than it can.
    fn left(&self, sent: &Sent, now: Instant) -> Duration {
        let longest = Lifetime::MAX.duration().saturating_add(QUANTUM);
        let whole = sent.expires.since(sent.created).min(longest);
        self.wall_at(now).map_or(whole, |wall| sent.expires.since(wall).min(whole))
    }

    /// It is known what time it is: goes on with the messages of before a restart.
    pub(super) fn own_resume(&mut self, now: Instant) {
        let resting = std::mem::take(&mut self.owns.resting);
        let apart = APART.saturating_mul(u32::try_from(resting.len()).unwrap_or(u32::MAX));
        let within = self.params.delivery().attempt_timeout.saturating_add(apart);
        for (sent, payload) in resting {
            let letter = sent.letter;
            let ends = now.after(self.left(&sent, now));
            let addressed = payload.and_then(|payload| sent.addressed(payload));
            let mut own = Own::new(sent, addressed, Some(Row::durable()), ends);
            // It may have left just before this node stopped.
            own.lost = true;
            self.owns.insert(own);
            let begins = now.after(self.rng.random_range(Duration::ZERO..=within));
            self.agenda.set(Due::Own(letter), begins.min(ends));
        }
        self.rows_due(now);
    }

    /// Its time is over, or it is time for another attempt.
    pub(super) fn own_due(&mut self, letter: LetterId, now: Instant) {
        let lonely = self.links.is_empty() && self.table.gauges().contacts == 0;
        let Some(own) = self.owns.get(&letter) else { return };
        if own.ends <= now {
            let (copies, until) = (own.stored.len(), own.ends.after(self.grace(own)));
            if until > now {
                return self.agenda.set(Due::Own(letter), until);
            }
            return self.own_end(letter, Outcome::Expired { copies }, now);
        }
        if own.sent.to.is_none() || own.addressed.is_none() {
            // Each of those that it was offered to answers, or its time is up.
            return self.agenda.set(Due::Own(letter), own.ends);
        }
        // After a restart nobody is there for a moment.
        if !(own.attempts == 0 && lonely) {
            self.try_again(letter, now);
        }
        self.own_wait(letter, now);
    }

    /// There is a link with a peer: what is for it is tried now, one message after the other.
    pub(super) fn own_linked(&mut self, peer: PeerId, now: Instant) {
        let for_it = |own: &&Own| own.sent.to == Some(peer) && !own.over && own.attempts > 0;
        let letters = self.owns.by_letter.values().filter(for_it).map(|own| own.sent.letter);
        let mut due = now;
        for letter in letters {
            due = due.after(APART);
            self.agenda.by(Due::Own(letter), due);
        }
    }

    /// How long after its time the receipt is waited for: somebody may have it, or have given it to
    /// the recipient in the last moment, and the receipt lies in a mailbox of this node.
    fn grace(&self, own: &Own) -> Duration {
        if own.row.is_none() || own.sent.to.is_none() || !own.may_be_there() {
            return Duration::ZERO;
        }
        let (period, wait) =
            (self.params.mailbox().fetch_period, self.params.delivery().attempt_timeout);
        period.saturating_add(wait).min(QUANTUM)
    }

    /// When it is tried again: soon, later each time, and much later once enough keep it. In any
    /// case once more in the last moment that an envelope can be made: its receipt may have been
    /// lost.
    fn own_wait(&mut self, letter: LetterId, now: Instant) {
        let (delivery, redundancy) = (self.params.delivery(), self.params.mailbox().redundancy);
        let Some(own) = self.owns.get(&letter) else { return };
        let wait = if own.stored.len() >= redundancy {
            delivery.stored_retry
        } else {
            let tried = own.attempts.saturating_sub(1);
            let steady = if own.stored.is_empty() { STEADY } else { 0 };
            let doubled = tried.min(DOUBLED.max(tried.saturating_sub(steady)));
            let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
            let wait = delivery.attempt_timeout.saturating_mul(factor);
            wait.min(delivery.attempt_timeout_max)
        };
        // Many expire with the same quantum: their last attempts are spread.
        let [high, low, ..] = letter.0;
        let early =
            LAST.saturating_add(Duration::from_millis(u16::from_be_bytes([high, low]).into()));
        let last = Instant::at(own.ends.elapsed().saturating_sub(QUANTUM.saturating_add(early)));
        let due = now.after(wait).min(if last > now { last } else { own.ends });
        self.agenda.set(Due::Own(letter), due);
    }

    /// The recipient says that it has it.
    pub(super) fn on_receipt(&mut self, letter: LetterId, sender: PeerId, now: Instant) {
        // Only what is told ends with a receipt, and only that of its recipient.
        let awaited = |own: &Own| own.sent.to == Some(sender) && own.row.is_some();
        if self.owns.get(&letter).is_some_and(awaited) {
            self.own_end(letter, Outcome::Delivered, now);
        }
    }

    /// Has the application told, once it is written.
    fn own_tell(&mut self, letter: LetterId, outcome: Outcome, now: Instant) {
        let wall = self.wall_at(now);
        let Some(own) = self.owns.get_mut(&letter) else { return };
        let Some(row) = &mut own.row else { return };
        own.sent.note(wall.unwrap_or(own.sent.at), outcome);
        row.tell(outcome);
        self.row_changed(letter, now);
    }

    /// Gives up one of the core's own.
    pub(super) fn own_drop(&mut self, letter: &LetterId) {
        if self.owns.by_letter.get(letter).is_some_and(|own| own.row.is_none()) {
            self.agenda.clear(Due::Own(*letter));
            self.owns.remove(letter);
        }
    }

    fn own_end(&mut self, letter: LetterId, outcome: Outcome, now: Instant) {
        self.own_drop(&letter);
        self.agenda.clear(Due::Own(letter));
        self.own_tell(letter, outcome, now);
        if let Some(own) = self.owns.get_mut(&letter) {
            own.over = true;
        }
    }
}
