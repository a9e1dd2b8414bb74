//! Following a stream: who feeds us, and what it is granted.

use std::time::Duration;

use libp2p_identity::PeerId;

use super::{Feeder, Ground, Stream};
use crate::messages::{Message, SLICE};

/// A stream that comes too fast is asked for again after this.
const PACED: Duration = Duration::from_millis(20);

impl Stream {
    /// Whether somebody has what comes next.
    pub(super) fn is_behind(&self, g: &Ground<'_>) -> bool {
        let tail = Some(self.run.tail);
        self.sides.iter().any(|(peer, side)| side.theirs > tail && g.has(*peer))
    }

    /// Whether it would have to be opened.
    pub(in crate::core) fn is_wanted(&self, g: &Ground<'_>) -> bool {
        !self.ours && !self.is_open() && self.is_behind(g)
    }

    /// Whether there is too little credit for the next batch, so that nobody can be late with it.
    pub(super) fn keeps_waiting(&self) -> bool {
        self.until < self.run.tail.saturating_add(SLICE)
    }

    /// Sees that somebody feeds us, and that it has credit.
    pub(super) fn follow(&mut self, g: &mut Ground<'_>) {
        if self.ours {
            return;
        }
        self.feeder = self.feeder.filter(|feeder| g.has(feeder.peer));
        let late = self.is_late(g);
        if self.known && self.run.is_empty() && (late || self.feeder.is_none()) {
            // Whoever claimed that the stream goes on elsewhere has not shown it.
            self.run.base = None;
            self.run.tail = self.have;
        }
        match self.feeder {
            Some(Feeder { peer, attempt: 0, .. }) => self.ask(peer, g),
            Some(_) if !late => {}
            Some(_) | None if self.is_behind(g) => self.choose(g),
            Some(_) | None => {}
        }
        self.extend(g);
    }

    /// Time for who feeds us to send what it was asked for: longer each time that it has not, so that
    /// one who only claims to have something is not asked for ever.
    pub(super) fn patience(&self, g: &Ground<'_>) -> Duration {
        let side = self.feeder.and_then(|feeder| self.sides.get(&feeder.peer));
        let failures = side.map_or(0, |side| side.failures.min(15));
        g.cx.params.repair_after.saturating_mul(failures.saturating_add(1))
    }

    /// Whether somebody else should feed us: others have what comes next, and who feeds us sends
    /// nothing, or sends so little that others are half a window ahead, or is known not to send
    /// while another is not.
    fn is_late(&mut self, g: &Ground<'_>) -> bool {
        let (now, tail) = (g.cx.now, self.run.tail);
        let Some(feeder) = self.feeder.filter(|_| !self.keeps_waiting()) else {
            self.lags_since = None;
            return false;
        };
        let ahead = |by: u64| {
            let position = Some(tail.saturating_add(by));
            let sides = self.sides.iter().filter(move |(_, side)| side.theirs > position);
            sides.filter(|(peer, _)| g.has(**peer))
        };
        let failures = self.sides.get(&feeder.peer).map_or(0, |side| side.failures);
        let better = ahead(0).any(|(_, side)| side.failures < failures);
        let silent = ahead(0).next().is_some() && now >= self.moved_at.after(self.patience(g));
        let lags = ahead(g.cx.params.window_min / 2).any(|(peer, _)| *peer != feeder.peer);
        let since = lags.then(|| *self.lags_since.get_or_insert(now));
        self.lags_since = since;
        let lags = since
            .is_some_and(|since| now >= since.after(g.cx.params.repair_after.saturating_mul(2)));
        if (silent || lags)
            && let Some(side) = self.sides.get_mut(&feeder.peer)
        {
            side.failures = side.failures.saturating_add(1);
        }
        better || silent || lags
    }

    /// Asks one of those who are ahead, each in turn.
    fn choose(&mut self, g: &mut Ground<'_>) {
        let tail = self.run.tail;
        let ahead = self.sides.iter().filter(|(peer, side)| {
            side.theirs > Some(tail) && g.has(**peer) && g.cx.choked(**peer).is_none()
        });
        let ahead: Vec<_> =
            ahead.map(|(peer, side)| (*peer, side.their_oldest, side.failures)).collect();
        let settled = self.known || !self.run.is_empty();
        let asked_before = |peer: &PeerId| Some(*peer) <= self.last;
        let next = ahead.iter().filter(|(_, oldest, _)| settled && *oldest <= tail).min_by_key(
            |(peer, _, failures)| {
                (self.withheld_by.contains(peer), *failures, asked_before(peer), *peer)
            },
        );
        if let Some((peer, _, _)) = next.copied() {
            self.gap_since = None;
            return self.ask(peer, g);
        }
        // Nobody has what comes next. Wait a little for somebody who does, then leave a gap.
        let last = self.last;
        let earliest = ahead.into_iter().min_by_key(|(peer, oldest, failures)| {
            (*failures, Some(*peer) == last, *oldest, *peer)
        });
        let Some((peer, oldest, _)) = earliest.filter(|_| self.run.is_empty()) else { return };
        let since = *self.gap_since.get_or_insert(g.cx.now);
        if self.known && g.cx.now < since.after(g.cx.params.repair_after) {
            return;
        }
        self.run.base = Some(oldest);
        self.run.tail = oldest;
        self.until = oldest;
        self.ask(peer, g);
    }

    /// Asks `peer` for everything from the end of the run on.
    pub(super) fn ask(&mut self, peer: PeerId, g: &mut Ground<'_>) {
        if self.feeder.is_some_and(|feeder| feeder.peer != peer) {
            self.stop_feeder(g);
        }
        let attempt = g.cx.attempt(peer);
        self.feeder = Some(Feeder { peer, attempt, told: false });
        self.last = Some(peer);
        self.lags_since = None;
        self.moved_at = g.cx.now;
        self.until = self.until.max(self.run.tail);
        g.cx.grant(peer, self.until.saturating_sub(self.run.tail));
    }

    /// Tells who feeds us that nothing more is wanted.
    pub(super) fn stop_feeder(&mut self, g: &mut Ground<'_>) {
        let Some(feeder) = self.feeder.take() else { return };
        if g.has(feeder.peer) {
            let attempt = g.cx.attempt(feeder.peer);
            let (topic, stream, from) = (g.topic.clone(), self.id, self.have);
            let stop = Message::Want { topic, stream, attempt, from, until: from };
            g.cx.send(feeder.peer, stop);
        }
    }

    /// Grants what there is room for, when it is worth a message.
    fn extend(&mut self, g: &mut Ground<'_>) {
        self.paced_until = None;
        let Some(feeder) = self.feeder else { return };
        let tail = self.run.tail;
        let edge = match self.run.base {
            // Only a claim so far: enough to prove it.
            Some(base) => base.saturating_add(SLICE),
            None => self.edge(tail, g.pool, g.cx),
        };
        let room = edge.saturating_sub(self.until);
        let (rate, burst) = (g.cx.params.publisher_rate, g.cx.params.window_max);
        let more = room.min(self.pace.left(rate, burst, g.cx.now));
        self.paced_until = (more < room).then(|| g.cx.now.after(PACED));
        let worth = more >= g.cx.params.window_min / 4;
        let short = more > 0 && self.keeps_waiting();
        if (feeder.told && !worth && !short) || g.cx.choked(feeder.peer).is_some() {
            return;
        }
        self.until = self.until.saturating_add(more);
        self.pace.take(more);
        g.cx.grant(feeder.peer, more);
        // The first request says where to begin, those that extend it what is accepted.
        let from = if feeder.told { self.have.min(tail) } else { tail };
        let (topic, stream, attempt) = (g.topic.clone(), self.id, feeder.attempt);
        let message = Message::Want { topic, stream, attempt, from, until: self.until };
        g.cx.send(feeder.peer, message);
        self.feeder = Some(Feeder { told: true, ..feeder });
        if feeder.told
            && let Some(side) = self.sides.get_mut(&feeder.peer)
        {
            (side.told, side.told_at) = (side.told.max(from), Some(g.cx.now));
        }
    }

    /// A request to `peer` came back.
    pub(in crate::core) fn unasked(&mut self, peer: PeerId, attempt: u64) {
        if let Some(feeder) = &mut self.feeder
            && feeder.peer == peer
            && feeder.attempt == attempt
        {
            // Whether the first one came back or an extension: a new attempt covers both.
            feeder.attempt = 0;
        }
    }
}
