//! What is kept for neighbours, and where room for more ends.

use libp2p_identity::PeerId;

use super::super::context::Context;
use super::super::side::Side;
use super::{Ground, Stream};
use crate::event::Event;
use crate::messages::SLICE;

impl Stream {
    pub(super) fn side(&mut self, peer: PeerId) -> &mut Side {
        let oldest = self.oldest;
        self.sides.entry(peer).or_insert_with(|| Side::new(oldest))
    }

    /// Every neighbour has a side.
    pub(super) fn meet(&mut self, g: &Ground<'_>) {
        for peer in g.members {
            if g.cx.is_linked(*peer) {
                self.side(*peer);
            }
        }
    }

    /// Lets go of what every neighbour has.
    pub(super) fn release(&mut self, g: &mut Ground<'_>) {
        let sides = self.sides.iter().filter(|(peer, side)| !side.declined && g.has(**peer));
        let floor = sides.map(|(_, side)| side.needs_from()).min().unwrap_or(self.have);
        let before = self.oldest;
        while self.store.front().is_some_and(|batch| batch.end() <= floor) {
            self.store.pop_front();
        }
        self.oldest = self.store.front().map_or(self.have, |batch| batch.start);
        if self.oldest > before {
            self.still_since = g.cx.now;
            let end = if self.run.base.is_some() { self.have } else { self.have.max(self.until) };
            let needed = end.saturating_sub(self.oldest).saturating_sub(g.cx.params.window_min);
            let back = self.extra.saturating_sub(needed);
            self.extra = self.extra.saturating_sub(back);
            *g.pool = g.pool.saturating_add(back);
        }
    }

    /// Where room ends, when something that ends at `reach` is here already. The last slice is kept
    /// back until the stream has stood still for half the time for a stall: so a node that is
    /// blocked by a neighbour still moves, as others see it, for as long as it needs to get rid of
    /// that neighbour.
    pub(in crate::core) fn edge(&mut self, reach: u64, pool: &mut u64, cx: &Context) -> u64 {
        let params = &cx.params;
        let used = reach.saturating_sub(self.oldest);
        let wanted = used.saturating_mul(2).saturating_add(SLICE).min(params.window_max);
        let more = wanted.saturating_sub(params.window_min).saturating_sub(self.extra).min(*pool);
        *pool = pool.saturating_sub(more);
        self.extra = self.extra.saturating_add(more);
        let full = self.oldest.saturating_add(params.window_min).saturating_add(self.extra);
        let patience = params.reserve_after();
        let stuck = !self.store.is_empty() && cx.now.since(self.still_since) >= patience;
        if stuck { full } else { full.saturating_sub(SLICE) }
    }

    /// Keeps room for what we are about to publish, up to `reach`; false when there is none.
    pub(in crate::core) fn promise(&mut self, reach: u64, pool: &mut u64, cx: &Context) -> bool {
        let fits = reach <= self.edge(reach, pool, cx);
        if fits {
            self.until = reach;
        }
        fits
    }

    /// Hangs up on neighbours that take too little of what is kept for them.
    pub(super) fn drop_slow(&mut self, g: &mut Ground<'_>) {
        let (now, timeout) = (g.cx.now, g.cx.params.stall_timeout);
        let mut slow = Vec::new();
        for (peer, side) in &mut self.sides {
            if !side.keeps_up(self.have, now, timeout) && g.has(*peer) {
                slow.push(*peer);
            }
        }
        for peer in slow {
            if !g.cx.is_roomy() {
                self.unfinished = true;
                return;
            }
            g.cx.counts.too_slow = g.cx.counts.too_slow.saturating_add(1);
            g.cx.report(peer, crate::Fault::TooSlow);
            g.cx.emit(Event::TooSlow { topic: g.topic.clone(), peer });
            g.cx.hang_up(peer);
            self.leave(peer);
        }
        if self.sides.is_empty() {
            self.release(g);
        }
    }
}
