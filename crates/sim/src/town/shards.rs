//! Ranges of the ids that the sessions of one round share.

use std::collections::VecDeque;
use std::task::Poll;

use machine::PeerId;
use ordersync::Range;

#[derive(Debug, Default)]
pub(super) struct Shards {
    left: VecDeque<Range>,
    out: Vec<(PeerId, Range)>,
}

impl Shards {
    pub(super) fn new() -> Self {
        Self { left: Range::shards(16).into(), out: Vec::new() }
    }

    /// A range, or `None` once there are none any more. Pending while others may give some back.
    pub(super) fn take(&mut self, peer: PeerId) -> Poll<Option<Range>> {
        let range = self.left.pop_front();
        self.out.extend(range.map(|range| (peer, range)));
        if range.is_none() && !self.out.is_empty() { Poll::Pending } else { Poll::Ready(range) }
    }

    pub(super) fn through(&mut self, peer: PeerId, range: &Range) {
        self.out.retain(|(holder, out)| *holder != peer || out.until != range.until);
    }

    pub(super) fn give_back(&mut self, peer: PeerId, left: Range) {
        self.through(peer, &left);
        self.left.push_back(left);
    }

    /// A session is over: what it took and is not through with is for others.
    pub(super) fn release(&mut self, peer: PeerId) {
        let left = &mut self.left;
        self.out.retain(|(holder, range)| {
            if *holder == peer {
                left.push_back(*range);
            }
            *holder != peer
        });
    }
}
