//! Feeding neighbours, and telling them how far we have come.

use libp2p_identity::PeerId;

use super::super::side::Child;
use super::{Ground, Stream};
use crate::messages::{Batch, Message, SLICE};

impl Stream {
    /// A neighbour asks for a part of the stream. False when that is of no use.
    pub(in crate::core) fn on_want(
        &mut self,
        peer: PeerId,
        attempt: u64,
        from: u64,
        until: u64,
    ) -> bool {
        let side = self.side(peer);
        if attempt < side.attempt {
            return false;
        }
        side.declined = false;
        if from > 0 {
            side.has(from);
        }
        if until == from {
            side.child = None;
        } else if attempt > side.attempt {
            side.child = Some(Child { cursor: from, until });
        } else if let Some(child) = &mut side.child {
            child.until = child.until.max(until);
        }
        side.attempt = attempt;
        true
    }

    /// A neighbour will not follow.
    pub(in crate::core) fn on_decline(&mut self, peer: PeerId) {
        let side = self.side(peer);
        side.declined = true;
        side.child = None;
    }

    /// Sends what neighbours asked for, as far as credit goes.
    pub(super) fn serve(&mut self, g: &mut Ground<'_>) {
        for (peer, side) in &mut self.sides {
            let Some(mut child) = side.child.filter(|_| g.has(*peer)) else { continue };
            if g.cx.choked(*peer).is_some() {
                continue;
            }
            // It may have come on with somebody else's help.
            child.cursor = child.cursor.max(side.theirs.unwrap_or_default().min(self.have));
            side.child = Some(child);
            while child.cursor < self.have {
                let at = self.store.binary_search_by_key(&child.cursor, |batch| batch.start);
                let Some(batch) = at.ok().and_then(|at| self.store.get(at)) else {
                    // We do not have it: say what we do have.
                    (side.child, side.told) = (None, 0);
                    break;
                };
                if batch.end() > child.until {
                    break;
                }
                if !g.cx.is_roomy() {
                    self.unfinished = true;
                    break;
                }
                g.cx.send(*peer, Message::Batch(batch.clone()));
                child.cursor = batch.end();
                side.child = Some(child);
                (side.told, side.told_at) = (side.told.max(child.cursor), Some(g.cx.now));
            }
        }
    }

    /// Tells those who do not know it how far we have come: at once when they may not know of the
    /// stream, or when it is much; otherwise a little later, with what comes until then.
    pub(super) fn announce(&mut self, g: &mut Ground<'_>) {
        let (now, delay) = (g.cx.now, g.cx.params.announce_delay);
        let patience = g.cx.params.stall_timeout;
        let feeder = self.feeder.map(|feeder| feeder.peer);
        for (peer, side) in &mut self.sides {
            if !side.is_untold(self.have, now, patience) {
                side.news_since = None;
                continue;
            }
            if !g.has(*peer) || g.cx.choked(*peer).is_some() {
                continue;
            }
            let much = if feeder == Some(*peer) { SLICE / 2 } else { g.cx.params.window_min / 2 };
            let news = self.have.saturating_sub(side.told);
            let since = *side.news_since.get_or_insert(now);
            if side.told_at.is_some() && news < much && now < since.after(delay) {
                continue;
            }
            if !g.cx.has_room() {
                self.unfinished = true;
                return;
            }
            let (topic, stream) = (g.topic.clone(), self.id);
            let (oldest, have) = (self.oldest, self.have);
            g.cx.send(*peer, Message::Have { topic, stream, oldest, have });
            (side.told, side.told_at, side.news_since) = (have, Some(now), None);
        }
    }

    /// An announcement to `peer` came back.
    pub(in crate::core) fn untold(&mut self, peer: PeerId) {
        self.side(peer).told = 0;
    }

    /// A batch for `peer` came back.
    pub(in crate::core) fn unsent(&mut self, peer: PeerId, batch: &Batch) {
        let side = self.side(peer);
        if let Some(child) = &mut side.child {
            child.cursor = child.cursor.min(batch.start);
        }
        side.told = side.told.min(batch.start);
    }
}
