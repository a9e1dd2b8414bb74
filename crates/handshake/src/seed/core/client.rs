//! Visits to seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::{Effect, Instant, JobError, JobId, Undelivered, UnixTime};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use transport::question::{Question, QuestionId};
use wire::signed::SignedRecord;

use super::errands::{Context, Errand};
use crate::DialError;
use crate::seed::{
    Addrs, BadRecord, Done, Event, Fault, GetAddrs, Job, Seed, SeedMemory, SeekError, VisitError,
};

/// The half that visits.
#[derive(Debug)]
pub(super) struct Client {
    local: PeerId,
    transports: Vec<String>,
    seeds: Vec<Standing>,
    /// By the seed's number; one each.
    visits: BTreeMap<usize, Visit>,
    joined: BTreeSet<PeerId>,
    /// Those under way; each has a visit of its own, so there are no more than visits.
    seeks: Vec<Seek>,
}

/// A seed, and what we think of it.
#[derive(Debug)]
struct Standing {
    seed: Seed,
    /// In a row, those of earlier runs included.
    failures: u32,
    /// In a row in this run: that there was no network yesterday is no reason to wait today.
    failures_now: u32,
    /// Whether it was ever good, in this run or one before.
    good: bool,
    /// When, if a clock told.
    last_success: Option<UnixTime>,
    keeping: Keeping,
    rests_until: Instant,
    /// Questions it was asked.
    asked: u64,
    /// Its own, so that what one seed does shifts nothing for the others.
    rng: ChaCha8Rng,
}

/// Whether what we think of a seed is on the disk. One write of a seed is under way at most, so that
/// a slow disk is asked for no more than there are seeds.
#[derive(Debug, Default)]
enum Keeping {
    /// Nothing is under way.
    #[default]
    Idle,
    /// What we think now is being written.
    Writing,
    /// What we thought is being written, and we have changed our mind.
    Outdated,
}

#[derive(Debug)]
struct Visit {
    peer: PeerId,
    due: Instant,
    /// Whether the connection is there for this visit alone.
    ours: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Dialling { job: JobId },
    Asked { id: QuestionId, nonce: u64 },
    Verifying { job: JobId },
}

#[derive(Debug, Default)]
struct Seek {
    /// Its visits that have not ended.
    visits: BTreeSet<usize>,
    learned: usize,
    answered: bool,
}

impl Client {
    pub(super) fn new(
        local: PeerId,
        seeds: Vec<Seed>,
        transports: Vec<String>,
        memory: &[SeedMemory],
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let memory: BTreeMap<PeerId, &SeedMemory> =
            memory.iter().map(|memory| (memory.seed, memory)).collect();
        let standing = |seed: Seed| {
            let last_success = memory.get(&seed.peer).and_then(|memory| memory.last_success);
            Standing {
                failures: memory.get(&seed.peer).map_or(0, |memory| memory.failures),
                failures_now: 0,
                good: last_success.is_some(),
                last_success,
                seed,
                keeping: Keeping::Idle,
                rests_until: Instant::START,
                asked: 0,
                rng: ChaCha8Rng::from_rng(rng),
            }
        };
        Self {
            local,
            transports,
            seeds: seeds.into_iter().map(standing).collect(),
            visits: BTreeMap::new(),
            joined: BTreeSet::new(),
            seeks: Vec::new(),
        }
    }

    pub(super) fn visits(&self) -> usize {
        self.visits.len()
    }

    pub(super) fn passing_entries(&self) -> usize {
        self.visits.len().saturating_add(self.joined.len())
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.visits.values().map(|visit| visit.due).min()
    }

    pub(super) fn seek(&mut self, have: usize, want: usize, cx: &mut Context<'_>) {
        let chosen = if have < want { self.choose(cx) } else { Vec::new() };
        if chosen.is_empty() {
            let error = self.why_not(have, want, cx);
            return cx.errands.emit(Event::Sought { outcome: Err(error) });
        }
        let visits = chosen.iter().copied().collect();
        self.seeks.push(Seek { visits, ..Seek::default() });
        for number in chosen {
            self.visit(number, cx);
        }
    }

    /// Why a seek visits nobody.
    fn why_not(&self, have: usize, want: usize, cx: &Context<'_>) -> SeekError {
        if have >= want {
            return SeekError::Enough { have, want };
        }
        if !self.visits.is_empty() {
            return SeekError::AlreadySeeking;
        }
        match self.seeds.iter().map(|seed| seed.rests_until).min() {
            Some(wakes) => SeekError::TooSoon { retry_in: wakes.since(cx.now) },
            None => SeekError::NoSeeds,
        }
    }

    /// Rested seeds: first those that were good, then those that failed least; within a rank at
    /// random, so that the load spreads and no seed is the only source.
    fn choose(&mut self, cx: &Context<'_>) -> Vec<usize> {
        let room = cx.params.fan_out.saturating_sub(self.visits.len());
        let visits = &self.visits;
        let mut rested: Vec<_> = (0..)
            .zip(&mut self.seeds)
            .filter(|(number, seed)| seed.rests_until <= cx.now && !visits.contains_key(number))
            .map(|(number, seed)| (!seed.good, seed.failures, seed.rng.random::<u64>(), number))
            .collect();
        rested.sort_unstable();
        rested.into_iter().take(room).map(|(_, _, _, number)| number).collect()
    }

    fn visit(&mut self, number: usize, cx: &mut Context<'_>) {
        let Some(standing) = self.seeds.get_mut(number) else { return };
        let peer = standing.seed.peer;
        let ours = !self.joined.contains(&peer);
        let stage = if ours {
            let job = Job::Dial { peer, addresses: standing.seed.addresses.clone() };
            Stage::Dialling { job: cx.errands.start(Errand::Dial(number), job) }
        } else {
            standing.ask(&self.transports, cx)
        };
        let due = cx.now.after(cx.params.visit_timeout);
        self.visits.insert(number, Visit { peer, due, ours, stage });
    }

    pub(super) fn on_joined(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        self.joined.insert(peer);
        let Some(number) = self.number_of(peer) else { return };
        if let Some(visit @ Visit { stage: Stage::Dialling { .. }, .. }) =
            self.visits.get_mut(&number)
            && let Some(standing) = self.seeds.get_mut(number)
        {
            visit.stage = standing.ask(&self.transports, cx);
        }
    }

    pub(super) fn on_left(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        self.joined.remove(&peer);
        // What it said is being verified: that it has hung up since is only polite.
        if let Some(number) = self.number_of(peer)
            && matches!(self.visits.get(&number), Some(Visit { stage: Stage::Asked { .. }, .. }))
        {
            self.conclude(number, Err(VisitError::HungUp), cx);
        }
    }

    pub(super) fn on_dialled(
        &mut self,
        number: usize,
        id: JobId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(peer) = self.seeds.get(number).map(|standing| standing.seed.peer) else { return };
        let waits = matches!(
            self.visits.get(&number),
            Some(Visit { stage: Stage::Dialling { job }, .. }) if *job == id
        );
        let error = match outcome {
            // The visit goes on when the peer has joined, or has long ended without it.
            Ok(Done::Dialled(outcome @ (Ok(()) | Err(DialError::AlreadyConnected)))) => {
                if outcome.is_err() {
                    // The connection is somebody else's, and stays when the visit ends.
                    if let Some(visit) = self.visits.get_mut(&number) {
                        visit.ours = false;
                    }
                    return;
                }
                if !waits && !self.visits.contains_key(&number) && self.joined.contains(&peer) {
                    cx.errands.close(peer);
                }
                return;
            }
            Ok(Done::Dialled(Err(error))) => VisitError::Dial(error),
            Ok(Done::Verified(_) | Done::Probed(_) | Done::Remembered(_)) => {
                VisitError::Job(JobError::Lost)
            }
            Err(error) => VisitError::Job(error),
        };
        if waits {
            self.conclude(number, Err(error), cx);
        }
    }

    pub(super) fn on_answer(
        &mut self,
        peer: PeerId,
        id: QuestionId,
        answer: Addrs,
        cx: &mut Context<'_>,
    ) {
        let Some((number, nonce)) = self.asked(peer, id) else {
            return cx.errands.report(peer, Fault::Unsolicited);
        };
        let count = answer.records.len();
        let fault = if answer.nonce != nonce {
            Some(Fault::OtherNonce)
        } else if u32::try_from(count).map_or(true, |count| count > cx.params.wish) {
            Some(Fault::TooMany { count, wish: cx.params.wish })
        } else {
            None
        };
        if let Some(fault) = fault {
            cx.errands.report(peer, fault);
            let error = VisitError::Misbehaved(fault);
            return self.conclude(number, Err(error), cx);
        }
        let job = cx.errands.start(Errand::Verify(number), Job::Verify { records: answer.records });
        if let Some(visit) = self.visits.get_mut(&number) {
            visit.stage = Stage::Verifying { job };
        }
    }

    pub(super) fn on_undelivered(
        &mut self,
        peer: PeerId,
        id: QuestionId,
        cause: Undelivered,
        cx: &mut Context<'_>,
    ) {
        if let Some((number, _)) = self.asked(peer, id) {
            let error = VisitError::Undelivered(cause);
            self.conclude(number, Err(error), cx);
        }
    }

    pub(super) fn on_verified(
        &mut self,
        number: usize,
        id: JobId,
        outcome: Result<Done, JobError>,
        cx: &mut Context<'_>,
    ) {
        let Some(Visit { peer, stage: Stage::Verifying { job }, .. }) = self.visits.get(&number)
        else {
            return;
        };
        if *job != id {
            return;
        }
        let peer = *peer;
        let outcome = match outcome {
            Ok(Done::Verified(records)) => self.sift(peer, records, cx),
            Ok(Done::Dialled(_) | Done::Probed(_) | Done::Remembered(_)) => {
                Err(VisitError::Job(JobError::Lost))
            }
            Err(error) => Err(VisitError::Job(error)),
        };
        self.conclude(number, outcome, cx);
    }

    /// One forged record and the seed is a liar: none of its answer is used.
    fn sift(
        &self,
        peer: PeerId,
        records: Vec<Result<SignedRecord, BadRecord>>,
        cx: &mut Context<'_>,
    ) -> Result<Vec<SignedRecord>, VisitError> {
        let is_forged = |record: &&Result<_, _>| matches!(record, Err(BadRecord::Forged { .. }));
        let count = records.iter().filter(is_forged).count();
        if count > 0 {
            let fault = Fault::Forged { count };
            cx.errands.report(peer, fault);
            return Err(VisitError::Misbehaved(fault));
        }
        let mut newest: BTreeMap<PeerId, SignedRecord> = BTreeMap::new();
        for record in records.into_iter().flatten().filter(|record| record.peer() != self.local) {
            let known = newest.get(&record.peer()).map(SignedRecord::seq);
            if known.is_none_or(|seq| seq < record.seq()) {
                newest.insert(record.peer(), record);
            }
        }
        Ok(newest.into_values().collect())
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let late: Vec<_> = self
            .visits
            .iter()
            .filter(|(_, visit)| visit.due <= cx.now)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            self.conclude(number, Err(VisitError::TimedOut), cx);
        }
    }

    /// The only end of a visit.
    fn conclude(
        &mut self,
        number: usize,
        outcome: Result<Vec<SignedRecord>, VisitError>,
        cx: &mut Context<'_>,
    ) {
        let Some(Visit { peer, ours, .. }) = self.visits.remove(&number) else { return };
        if ours && self.joined.contains(&peer) {
            cx.errands.close(peer);
        }
        if let Some(standing) = self.seeds.get_mut(number) {
            standing.judge(outcome.is_ok(), cx);
            standing.remember(number, cx);
        }
        let learned = outcome.as_ref().ok().map(Vec::len);
        cx.errands.emit(match outcome {
            Ok(records) => Event::Learned { seed: peer, records },
            Err(error) => Event::Failed { seed: peer, error },
        });
        self.count_visit(number, learned, cx);
    }

    /// The last visit of a seek is its end.
    fn count_visit(&mut self, number: usize, learned: Option<usize>, cx: &mut Context<'_>) {
        let Some(at) = self.seeks.iter().position(|seek| seek.visits.contains(&number)) else {
            return;
        };
        let Some(seek) = self.seeks.get_mut(at) else { return };
        seek.visits.remove(&number);
        seek.answered |= learned.is_some();
        seek.learned = seek.learned.saturating_add(learned.unwrap_or(0));
        if seek.visits.is_empty() {
            let Seek { learned, answered, .. } = self.seeks.swap_remove(at);
            let outcome = if answered { Ok(learned) } else { Err(SeekError::NoAnswer) };
            cx.errands.emit(Event::Sought { outcome });
        }
    }

    /// Whatever came of it: what could not be kept, the next visit makes up for.
    pub(super) fn on_remembered(&mut self, number: usize, cx: &mut Context<'_>) {
        let Some(standing) = self.seeds.get_mut(number) else { return };
        if let Keeping::Outdated = std::mem::take(&mut standing.keeping) {
            standing.remember(number, cx);
        }
    }

    fn number_of(&self, peer: PeerId) -> Option<usize> {
        self.visits.iter().find(|(_, visit)| visit.peer == peer).map(|(number, _)| *number)
    }

    /// The visit that asked this, and its nonce.
    fn asked(&self, peer: PeerId, question: QuestionId) -> Option<(usize, u64)> {
        let number = self.number_of(peer)?;
        match self.visits.get(&number)?.stage {
            Stage::Asked { id, nonce } if id == question => Some((number, nonce)),
            Stage::Asked { .. } | Stage::Dialling { .. } | Stage::Verifying { .. } => None,
        }
    }
}

impl Standing {
    fn ask(&mut self, transports: &[String], cx: &mut Context<'_>) -> Stage {
        let id = QuestionId(self.asked);
        self.asked = self.asked.wrapping_add(1);
        let nonce = self.rng.random();
        let ask = GetAddrs { nonce, max: cx.params.wish, transports: transports.to_vec() };
        let message = Question::Ask { id, ask };
        cx.errands.effects.push(Effect::Send { peer: self.seed.peer, message });
        Stage::Asked { id, nonce }
    }

    /// After a success it rests a moment, after each failure in a row twice as long as before.
    fn judge(&mut self, good: bool, cx: &Context<'_>) {
        self.good |= good;
        if good {
            self.last_success = cx.wall.or(self.last_success);
        }
        for failures in [&mut self.failures, &mut self.failures_now] {
            *failures = if good { 0 } else { failures.saturating_add(1) };
        }
        let rest = match self.failures_now.checked_sub(1) {
            None => cx.params.ask_gap,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                cx.params.retry_min.saturating_mul(factor).min(cx.params.retry_max)
            }
        };
        self.rests_until = cx.now.after(jittered(rest, &mut self.rng));
    }

    /// Has what we think of it kept for the next run.
    fn remember(&mut self, number: usize, cx: &mut Context<'_>) {
        self.keeping = match self.keeping {
            Keeping::Idle => {
                let Self { last_success, failures, .. } = *self;
                let memory = SeedMemory { seed: self.seed.peer, last_success, failures };
                cx.errands.start(Errand::Remember(number), Job::Remember { memory });
                Keeping::Writing
            }
            Keeping::Writing | Keeping::Outdated => Keeping::Outdated,
        };
    }
}

/// From the whole of `span` to a fifth more, so that nodes which failed together do not come back
/// together.
fn jittered(span: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let fifth = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).saturating_div(5);
    span.saturating_add(Duration::from_millis(rng.random_range(0..=fifth)))
}
