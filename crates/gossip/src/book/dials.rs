//! Whom to dial, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use wire::signed::SignedRecord;

use super::insert::position;
use super::moment::Moment;
use super::slab::Held;
use super::state::Step;
use super::{Book, State, Table};

/// Failures in a row after which an entry may be given up.
///
/// # Source
/// One may be the network's fault and a second bad luck; Bitcoin Core keeps what never answered
/// for 3 as well.
const FAILURES_MAX: u16 = 3;

/// The time online that they must span: a restart or an upgrade takes less.
const FAILING_MAX: Duration = Duration::from_hours(1);

/// The longest rest that a remote may ask for.
const PUT_OFF_MAX: Duration = Duration::from_hours(1);

/// The longest rest after a failure while offline: how late an outage's end may be noticed.
const OFFLINE_REST_MAX: Duration = Duration::from_mins(1);

/// After this long a reached peer is due for a test: it is passed on for twice as long.
const RECHECK: Duration = Duration::from_mins(90);

impl Book {
    /// Chooses whom to dial, and takes it for being dialled: one of `tried` or of `new`, as a coin
    /// decides, or of `tried` if there is one and `tried_first` says that links are few. First a
    /// random bucket, then an entry in it, so that many peers of few networks are chosen no more
    /// often than few of many. Passes over whoever is in use, resting, banned or out of reach, and
    /// whoever does not fit; if anybody is left, somebody is found.
    ///
    /// Must end in [`verified`](Self::verified) and [`connected`](Self::connected), in
    /// [`failed`](Self::failed), [`put_off`](Self::put_off) or [`release`](Self::release); after
    /// [`Setup::attempt_max`](super::Setup::attempt_max) it is taken for released.
    pub fn pick(
        &mut self,
        rng: &mut ChaCha8Rng,
        tried_first: bool,
        now: Instant,
        mut fits: impl FnMut(&SignedRecord) -> bool,
    ) -> Option<Arc<SignedRecord>> {
        let mut fits = |held: &Held| fits(&held.record);
        let order = if tried_first || rng.random() {
            [Table::Tried, Table::New]
        } else {
            [Table::New, Table::Tried]
        };
        let drawn = order.into_iter().find_map(|table| self.draw(table, rng, &mut fits))?;
        self.begin(drawn, Step::Dial, now)
    }

    /// Chooses whom to test, and takes it for being probed: in turn an incumbent whose place
    /// somebody waits for, and a random new entry; else somebody who was reached long ago. Ends as
    /// [`pick`](Self::pick) does, without the connection.
    pub fn feeler(
        &mut self,
        rng: &mut ChaCha8Rng,
        now: Instant,
        mut fits: impl FnMut(&SignedRecord) -> bool,
    ) -> Option<Arc<SignedRecord>> {
        let contest_first = self.contests.take_turn();
        let contest = self.contests.incumbents().find(|id| {
            self.slab.get(*id).is_some_and(|held| held.is_ready() && fits(&held.record))
        });
        let mut fits = |held: &Held| is_due(held, now) && fits(&held.record);
        let drawn = contest
            .filter(|_| contest_first)
            .or_else(|| self.draw(Table::New, rng, &mut fits))
            .or(contest)
            .or_else(|| self.draw(Table::Tried, rng, &mut fits))?;
        self.begin(drawn, Step::Probe, now)
    }

    fn draw(
        &self,
        table: Table,
        rng: &mut ChaCha8Rng,
        fits: &mut impl FnMut(&Held) -> bool,
    ) -> Option<u16> {
        let buckets = match table {
            Table::New => &self.new,
            Table::Tried => &self.tried,
        };
        buckets.draw(rng, |id| self.slab.get(id).is_some_and(&mut *fits))
    }

    /// Takes a peer for being dialled, even one that rests. `None` if it is not in the book, is
    /// banned or is in use; otherwise as for [`pick`](Self::pick).
    pub fn dial(&mut self, peer: &PeerId, now: Instant) -> Option<Arc<SignedRecord>> {
        let id = self.find(peer)?;
        self.begin(id, Step::Dial, now)
    }

    fn begin(&mut self, id: u16, step: Step, now: Instant) -> Option<Arc<SignedRecord>> {
        if self.slab.get(id)?.banned || !self.step(id, step, now) {
            return None;
        }
        let held = self.slab.get_mut(id)?;
        held.last_attempt = Some(Moment::of(now));
        self.journal.changed(id);
        Some(Arc::clone(&held.record))
    }

    /// This node dialled `peer` and it proved to be there, at `address`. False when its record
    /// does not name that address, of which then nothing follows.
    pub fn verified(&mut self, peer: &PeerId, address: &Multiaddr, now: Instant) -> bool {
        let Some(id) = self.find(peer) else { return false };
        self.step(id, Step::Reached, now);
        let Some(held) = self.slab.get_mut(id) else { return false };
        let Some(at) = position(&held.record, address) else { return false };
        held.verified = Some(at);
        held.failures = 0;
        held.last_success = Some(Moment::of(now));
        self.journal.changed(id);
        // An incumbent has won; one that waits may now belong elsewhere.
        self.contests.drop(id);
        if !self.promote(id) {
            self.challenge(id);
        }
        true
    }

    /// A dial of `peer` failed: it rests, twice as long as the last time. It is given up after 3
    /// failures in a row within at least 1 h online; one that was reached before goes back to
    /// `new` first. Failures while offline, or of attempts that began before the last outage
    /// ended, count for nothing.
    pub fn failed(&mut self, peer: &PeerId, now: Instant, rng: &mut ChaCha8Rng) {
        let Some(id) = self.find(peer) else { return };
        let Some(held) = self.slab.get_mut(id) else { return };
        let (State::Dialling { since } | State::Probing { since }) = held.state else { return };
        let counts = self.online.ever_since(since);
        if counts {
            if held.failures == 0 {
                held.failing_since = self.online.seconds(now);
            }
            held.failures = held.failures.saturating_add(1);
        }
        let failures = held.failures;
        let rest = if counts { self.rest(failures) } else { self.rest_offline(now) };
        let until = now.after(jittered(rest, rng));
        self.step(id, Step::Failed { until }, now);
        self.journal.changed(id);
        if counts {
            self.lose(id);
            self.give_up(id, now);
        }
    }

    fn give_up(&mut self, id: u16, now: Instant) {
        let Some(held) = self.slab.get(id) else { return };
        let failing = self.online.seconds(now).saturating_sub(held.failing_since);
        let hopeless = held.failures >= FAILURES_MAX
            && Duration::from_secs(failing.into()) >= FAILING_MAX
            && !held.protected;
        if hopeless && (held.table == Table::New || !self.demote(id)) {
            self.remove(id);
        }
    }

    /// The rest after that many failures in a row.
    fn rest(&self, failures: u16) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1).into()).unwrap_or(u32::MAX);
        self.setup.retry_min.saturating_mul(factor).min(self.setup.retry_max)
    }

    /// The rest after a failure that counts for nothing: as long as the outage has lasted, so that
    /// it doubles by itself and no address has to remember it.
    fn rest_offline(&self, now: Instant) -> Duration {
        let longest = self.setup.retry_max.min(OFFLINE_REST_MAX);
        self.online.changed(now).min(longest).max(self.setup.retry_min)
    }

    /// A peer that is there wishes to be left alone for `rest`, at most 1 h. Counts as no failure.
    pub fn put_off(&mut self, peer: &PeerId, rest: Duration, now: Instant) {
        let Some(id) = self.find(peer) else { return };
        self.step(id, Step::PutOff { until: now.after(rest.min(PUT_OFF_MAX)) }, now);
    }

    /// An attempt was given up for reasons that are not the peer's.
    pub fn release(&mut self, peer: &PeerId, now: Instant) {
        let Some(id) = self.find(peer) else { return };
        self.step(id, Step::Released, now);
    }

    /// There is a connection to `peer`, `dialled` by this node or by the other.
    pub fn connected(&mut self, peer: &PeerId, dialled: bool, now: Instant) {
        let Some(id) = self.find(peer) else { return };
        self.step(id, Step::Connected { dialled }, now);
    }

    /// There is none any more. The peer rests before it is picked again.
    pub fn disconnected(&mut self, peer: &PeerId, now: Instant, rng: &mut ChaCha8Rng) {
        let Some(id) = self.find(peer) else { return };
        let until = now.after(jittered(self.setup.rest, rng));
        let Some(held) = self.slab.get_mut(id) else { return };
        // It was there until now, at the address that we dialled.
        if held.state == (State::Connected { dialled: true }) && held.verified.is_some() {
            held.last_success = Some(Moment::of(now));
            self.journal.changed(id);
        }
        self.step(id, Step::Lost { until }, now);
    }

    fn step(&mut self, id: u16, step: Step, now: Instant) -> bool {
        let next = self.slab.get(id).and_then(|held| held.state.after(step, now));
        if let Some(state) = next {
            self.set_state(id, state);
        }
        next.is_some()
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Ends what is due: rests, and attempts of which nothing was heard.
    pub fn expire(&mut self, now: Instant) {
        while let Some((due, id)) = self.deadlines.first().copied()
            && due <= now
        {
            self.deadlines.pop_first();
            self.set_state(id, State::Free);
        }
    }
}

/// Whether a test would tell anything new.
fn is_due(held: &Held, now: Instant) -> bool {
    held.verified.is_none() || held.last_success.is_none_or(|last| last.age(now) >= RECHECK)
}

fn jittered(rest: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let most = rest.checked_div(5).unwrap_or_default();
    rest.saturating_add(rng.random_range(Duration::ZERO..=most))
}
