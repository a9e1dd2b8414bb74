//! One stream at one node: what is accepted and kept, what is being received, who feeds us and
//! whom we feed.
//!
//! Whatever happens to a stream, [`Stream::settle`] then does all that the new state calls for.

mod follow;
mod keep;
mod receive;
mod serve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use libp2p_identity::PeerId;
use machine::Instant;

use super::context::Context;
use super::pace::Pace;
use super::run::Run;
use super::side::Side;
use crate::messages::{Batch, StreamId, Topic};

/// What cannot be asked for now is looked at again after this.
const RETRY: Duration = Duration::from_millis(50);

/// What a stream has at hand of its topic.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub(super) cx: &'a mut Context,
    pub(super) topic: &'a Topic,
    /// Neighbours that take part.
    pub(super) members: &'a BTreeSet<PeerId>,
    /// Bytes that streams may still take beyond their own.
    pub(super) pool: &'a mut u64,
    pub(super) judged: bool,
}

impl Ground<'_> {
    /// Whether `peer` takes part, and is linked still.
    fn has(&self, peer: PeerId) -> bool {
        self.members.contains(&peer) && self.cx.is_linked(peer)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// Whether we publish it.
    ours: bool,
    /// Whether a batch of it was ever accepted: only then its position is more than a claim.
    known: bool,
    /// Who told us of it first.
    pub(super) introduced_by: PeerId,
    /// What is accepted and not yet with every neighbour: from `oldest` to `have`.
    store: VecDeque<Batch>,
    oldest: u64,
    have: u64,
    /// Since when `oldest` stands still with something in the store.
    still_since: Instant,
    run: Run,
    /// Where our credit to whoever feeds us ends. Room is kept for all before it.
    until: u64,
    /// Bytes taken from the pool.
    extra: u64,
    feeder: Option<Feeder>,
    /// Who fed us last.
    last: Option<PeerId>,
    /// When the run last grew or somebody else was asked.
    moved_at: Instant,
    pace: Pace,
    /// Since when somebody is much further than who feeds us lets us be.
    lags_since: Option<Instant>,
    /// Since when nobody has what comes next, while somebody has what comes later.
    gap_since: Option<Instant>,
    /// Neighbours that withhold a message of the next batch, and what they gave of it.
    withheld_by: BTreeSet<PeerId>,
    /// Until when somebody is waited for who does not.
    whole_by: Option<Instant>,
    partial: Option<Batch>,
    sides: BTreeMap<PeerId, Side>,
    /// When something was last accepted.
    pub(super) used_at: Instant,
    /// Until when it is not asked for, because it comes too fast.
    paced_until: Option<Instant>,
    /// Whether work is left for the next turn.
    unfinished: bool,
    /// When the next turn is due.
    pub(super) due: Option<Instant>,
}

/// Who sends us the stream.
#[derive(Clone, Copy, Debug)]
struct Feeder {
    peer: PeerId,
    attempt: u64,
    /// Whether the last request is on its way.
    told: bool,
}

impl Stream {
    pub(super) fn new(id: StreamId, introduced_by: PeerId, cx: &Context) -> Self {
        let ours = id.publisher == cx.local;
        Self {
            id,
            ours,
            known: ours,
            introduced_by,
            store: VecDeque::new(),
            oldest: 0,
            have: 0,
            still_since: cx.now,
            run: Run::default(),
            until: 0,
            extra: 0,
            feeder: None,
            last: None,
            moved_at: cx.now,
            pace: Pace::new(cx.params.window_max, cx.now),
            lags_since: None,
            gap_since: None,
            withheld_by: BTreeSet::new(),
            whole_by: None,
            partial: None,
            sides: BTreeMap::new(),
            used_at: cx.now,
            paced_until: None,
            unfinished: false,
            due: None,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Whether room is set aside for it.
    pub(super) fn is_open(&self) -> bool {
        self.feeder.is_some() || !self.store.is_empty() || !self.run.is_empty()
    }

    /// Whether nothing is under way in it.
    pub(super) fn is_idle(&self) -> bool {
        let ahead = self.sides.values().any(|side| side.theirs > Some(self.run.tail));
        self.store.is_empty() && self.run.is_empty() && (self.ours || !ahead)
    }

    /// Where the accepted part ends.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// Entries about single peers.
    pub(super) fn entries(&self) -> usize {
        self.sides.len().saturating_add(self.run.parts.len()).saturating_add(self.store.len())
    }

    /// Bytes of messages held, as a window counts them.
    pub(super) fn bytes(&self) -> u64 {
        let run = self.run.parts.iter().map(|part| part.batch.cost());
        let sum = run.fold(0, u64::saturating_add);
        self.have.saturating_sub(self.oldest).saturating_add(sum)
    }

    /// Does all that the state calls for.
    pub(super) fn settle(&mut self, g: &mut Ground<'_>) {
        self.unfinished = false;
        self.whole_by = None;
        self.meet(g);
        self.advance(g);
        self.release(g);
        self.drop_slow(g);
        self.follow(g);
        self.serve(g);
        self.announce(g);
        self.due = self.next_due(g);
    }

    /// A neighbour left the topic.
    pub(super) fn leave(&mut self, peer: PeerId) {
        self.sides.remove(&peer);
        self.withheld_by.remove(&peer);
    }

    /// Closes an idle stream, so that another can have its room.
    pub(super) fn close(&mut self, g: &mut Ground<'_>) {
        self.stop_feeder(g);
        self.until = self.run.tail;
        *g.pool = g.pool.saturating_add(self.extra);
        self.extra = 0;
    }

    /// When nothing has happened for long.
    pub(super) fn is_stale(&self, cx: &Context) -> bool {
        self.stale_at(cx).is_some_and(|at| cx.now >= at)
    }

    fn stale_at(&self, cx: &Context) -> Option<Instant> {
        let rest = if self.known { cx.params.forget_after } else { cx.params.stall_timeout };
        let idle = self.is_idle() || (!self.known && self.run.is_empty());
        idle.then(|| self.used_at.after(rest))
    }

    fn next_due(&self, g: &Ground<'_>) -> Option<Instant> {
        let (now, params) = (g.cx.now, &g.cx.params);
        let mut dues: Vec<_> = self.stale_at(g.cx).into_iter().collect();
        dues.extend(self.run.judge_due());
        dues.extend(self.whole_by);
        dues.extend(self.unfinished.then(|| g.cx.soon()));
        if let Some(feeder) = self.feeder.filter(|feeder| !feeder.told) {
            dues.push(g.cx.choked(feeder.peer).unwrap_or(now));
        }
        if !self.ours && self.is_behind(g) && (self.feeder.is_none() || !self.keeps_waiting()) {
            let patience = self.patience(g);
            let since = [self.gap_since, self.lags_since, Some(self.moved_at)];
            let late = since.into_iter().flatten().min().unwrap_or(now).after(patience);
            dues.push(late.max(now.after(RETRY)));
        }
        dues.extend(self.paced_until.filter(|_| self.keeps_waiting()));
        if !self.store.is_empty() && self.feeder.is_some() {
            let reserve = self.still_since.after(params.reserve_after());
            dues.extend((reserve > now).then_some(reserve));
        }
        for (peer, side) in &self.sides {
            dues.extend(side.patience_ends(params.stall_timeout));
            if side.is_untold(self.have, now, params.stall_timeout) {
                let told = side.news_since.map_or(now, |since| since.after(params.announce_delay));
                dues.push(told.max(g.cx.choked(*peer).unwrap_or(now)));
            } else if side.child.is_some_and(|child| child.cursor < self.have) {
                dues.extend(g.cx.choked(*peer));
            }
        }
        // What is due already was looked at just now: it waits for the next turn.
        dues.into_iter().min().map(|due| due.max(g.cx.soon()))
    }
}
