//! Receiving: from the wire into the store.

use libp2p_identity::PeerId;
use machine::Instant;

use super::super::context::Check;
use super::super::run::Stage;
use super::super::side::Side;
use super::{Ground, Stream};
use crate::event::{Event, Judgement, MessageId};
use crate::messages::{Batch, Entry};

impl Stream {
    /// A batch came. What does not fit is dropped: whoever has it keeps it until we say that we do.
    pub(in crate::core) fn receive(&mut self, from: PeerId, batch: Batch, g: &mut Ground<'_>) {
        let (start, end) = (batch.start, batch.end());
        // Whoever sends it has it; what else it can give is as it said, if it did.
        let oldest = self.side(from).theirs.map_or(start, |_| self.side(from).their_oldest);
        self.see(from, oldest.min(start), end);
        let count = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
        g.cx.counts.copies = g.cx.counts.copies.saturating_add(count);
        if start != self.run.tail || end > self.until || self.ours {
            g.cx.counts.unused = g.cx.counts.unused.saturating_add(count);
            return;
        }
        let serial = g.cx.issue();
        self.run.push(batch, from, serial);
        self.moved_at = g.cx.now;
        self.side(from).failures = 0;
        let check = Check { topic: g.topic.clone(), stream: self.id, serial };
        g.cx.checks.push_back(check);
    }

    /// A neighbour has a part of the stream. Returns whether that is news.
    pub(in crate::core) fn see(&mut self, peer: PeerId, oldest: u64, have: u64) -> bool {
        let side = self.side(peer);
        let news = side.theirs < Some(have) || side.their_oldest != oldest;
        if side.theirs <= Some(have) {
            side.their_oldest = oldest;
        }
        side.has(have);
        news
    }

    /// The batch to be checked, which is then under way.
    pub(in crate::core) fn check(&mut self, serial: u64) -> Option<Batch> {
        let (_, part) = self.run.find(serial)?;
        part.stage = Stage::Checking;
        Some(part.batch.clone())
    }

    /// The check of a signature ended: `None` if it came to nothing. Returns who is guilty.
    pub(in crate::core) fn checked(
        &mut self,
        serial: u64,
        holds: Option<bool>,
        now: Instant,
    ) -> Option<PeerId> {
        let (at, part) = self.run.find(serial)?;
        if holds == Some(true) {
            part.stage = Stage::Checked { since: now };
            return None;
        }
        let from = part.from;
        self.run.cut(at);
        // It has to be asked for again, with room for it as before.
        if let Some(feeder) = &mut self.feeder {
            feeder.told = false;
            feeder.attempt = 0;
        }
        (holds == Some(false)).then_some(from)
    }

    /// A judgement came; false when none is waited for.
    pub(in crate::core) fn judge(
        &mut self,
        id: &MessageId,
        judgement: Judgement,
    ) -> Option<PeerId> {
        let mut parts = self.run.parts.iter_mut();
        let part = parts.find(|part| part.batch.start == id.start)?;
        part.judge(id.index, judgement).then_some(part.from)
    }

    /// Takes what is checked to the application, and what is judged into the store.
    pub(super) fn advance(&mut self, g: &mut Ground<'_>) {
        let mut at = 0;
        while let Some(part) = self.run.parts.get_mut(at) {
            part.conclude(g.cx.now);
            match part.stage {
                Stage::Arrived | Stage::Checking => break,
                Stage::Checked { since } => {
                    if !g.cx.is_roomy() {
                        self.unfinished = true;
                        break;
                    }
                    if self.could_be_whole(at, since, g) {
                        break;
                    }
                    self.hear(at, g);
                }
                Stage::Judging { .. } | Stage::Done => {}
            }
            at = at.saturating_add(1);
        }
        while self.run.parts.front().is_some_and(|part| matches!(part.stage, Stage::Done)) {
            let Some(part) = self.run.parts.pop_front() else { return };
            self.accept(part.batch, g);
        }
    }

    /// A batch at the front of the run is whole, or nobody has more of it: tells the application.
    fn hear(&mut self, at: usize, g: &mut Ground<'_>) {
        self.withheld_by.clear();
        let partial = self.partial.take();
        if at == 0
            && let Some(base) = self.run.base.take()
        {
            self.begin_at(base, g);
        }
        let Some(part) = self.run.parts.get_mut(at) else { return };
        if let Some(partial) = partial {
            part.batch = merged(&part.batch, &partial);
        }
        let mut heard = 0_u64;
        for (index, entry) in part.batch.entries.iter().enumerate() {
            if let Entry::Payload(payload) = entry {
                heard = heard.saturating_add(1);
                let id = MessageId { stream: self.id, start: part.batch.start, index };
                let (topic, payload) = (g.topic.clone(), payload.clone());
                g.cx.emit(Event::Arrived { topic, id, payload });
            }
        }
        g.cx.counts.arrived = g.cx.counts.arrived.saturating_add(heard);
        part.stage = if g.judged && heard > 0 {
            let due = g.cx.now.after(g.cx.params.judge_timeout);
            let open = |entry: &Entry| entry.is_withheld().then_some(Judgement::Ignore);
            Stage::Judging { judgements: part.batch.entries.iter().map(open).collect(), due }
        } else {
            Stage::Done
        };
    }

    /// The run does not continue what is accepted, and its first batch is genuine: the stream goes
    /// on from there.
    fn begin_at(&mut self, base: u64, g: &mut Ground<'_>) {
        if self.known {
            let bytes = base.saturating_sub(self.have);
            g.cx.counts.missed = g.cx.counts.missed.saturating_add(1);
            g.cx.emit(Event::Missed { topic: g.topic.clone(), stream: self.id, bytes });
        }
        self.known = true;
        self.gap_since = None;
        self.store.clear();
        (self.have, self.oldest) = (base, base);
    }

    /// A message is withheld, and there is a neighbour who may have it: asks that one, or waits a
    /// little until it has. Otherwise the batch is taken as it is.
    fn could_be_whole(&mut self, at: usize, since: Instant, g: &mut Ground<'_>) -> bool {
        let Some(part) = self.run.parts.get(at) else { return false };
        let batch = self
            .partial
            .as_ref()
            .map_or_else(|| part.batch.clone(), |partial| merged(&part.batch, partial));
        if batch.withheld() == 0 {
            return false;
        }
        self.withheld_by.insert(part.from);
        let others = self.sides.iter().filter(|(peer, side)| {
            // Those that we feed have no more than we give them, and who did not send when it was
            // asked last is not waited for.
            let may = side.child.is_none() && !side.declined && side.failures == 0;
            let may = may && g.has(**peer);
            may && !self.withheld_by.contains(peer)
        });
        let mut others = others.peekable();
        if others.peek().is_none() {
            return false;
        }
        let gives =
            |side: &Side| side.their_oldest <= batch.start && side.theirs >= Some(batch.end());
        let Some(other) = others.find(|(_, side)| gives(side)).map(|(peer, _)| *peer) else {
            let due = since.after(g.cx.params.repair_after);
            self.whole_by = Some(due);
            return g.cx.now < due;
        };
        self.partial = Some(batch);
        self.run.cut(at);
        self.ask(other, g);
        true
    }

    /// Accepted: it is kept for the neighbours from here on.
    pub(in crate::core) fn accept(&mut self, batch: Batch, g: &Ground<'_>) {
        if self.store.is_empty() {
            self.still_since = g.cx.now;
        }
        self.have = batch.end();
        self.store.push_back(batch);
        self.used_at = g.cx.now;
        if self.ours {
            self.run.tail = self.have;
        }
    }
}

/// One batch out of two with the same messages, with what either has of them.
fn merged(one: &Batch, other: &Batch) -> Batch {
    if one.start != other.start || one.signature != other.signature {
        return one.clone();
    }
    let entries = one.entries.iter().zip(other.entries.iter()).map(|(entry, twin)| {
        // Both batches have the same signature, so only the publisher could make them differ.
        if entry.is_withheld() && entry.len() == twin.len() { twin.clone() } else { entry.clone() }
    });
    Batch { entries: entries.collect(), ..one.clone() }
}
