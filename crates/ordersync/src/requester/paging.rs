//! When reconciling does not pay: ranges of the ids are paged, then the digests are compared again.

use std::collections::VecDeque;

use reconcile::{Digest, Summary};

use super::{Asked, Effect, Ended, Requester, Thread, count};
use crate::message::{RawRequest, RequestMetadata};
use crate::{Entry, Form, Item, ItemId, Range};

/// Ranges paged at once in one session. Each has one request under way.
const RANGES: usize = 4;

/// Most ids remembered of what was paged, 128 MiB of them; with more, the digests are compared anew.
const RECEIVED_MAX: u64 = 4 << 20;

/// What the provider says that it has, and what of it has come.
pub(super) struct Pages {
    /// `None` if it has not said.
    claimed: Option<Summary>,
    /// Ids of what came; `None` once there are more than claimed.
    received: Option<Vec<ItemId>>,
    /// Ranges of this session alone. Without any, they are shared with other sessions.
    own: Option<VecDeque<Range>>,
}

impl Pages {
    pub(super) fn of(claimed: Summary) -> Self {
        Self { claimed: Some(claimed), received: Some(Vec::new()), own: None }
    }

    pub(super) fn receive<I>(&mut self, orders: &[Entry<I>]) {
        let Some(received) = &mut self.received else { return };
        received.extend(orders.iter().map(|entry| entry.id));
        let max = self.claimed.map_or(0, |claimed| claimed.count).min(RECEIVED_MAX);
        if count(received.len()) > max {
            self.received = None;
        }
    }

    /// Whether what came is what the provider said that it has.
    fn add_up(&self) -> bool {
        let (Some(received), Some(claimed)) = (&self.received, self.claimed) else {
            return false;
        };
        received.iter().map(ItemId::as_bytes).collect::<Digest>().finish() == claimed
    }
}

impl<I: Item> Requester<I> {
    /// Sets the proving thread aside and begins with ranges of the ids. Who has less than the provider
    /// shares them with other sessions; who has more wants to know what this one has.
    pub(super) fn page(&mut self, proving: Thread<I>, depth: u32) {
        self.paged_at = depth;
        self.pager = self.pager_name(&proving.name);
        if self.pager.is_none() {
            // Nothing to page with: what is known is that the sets differ.
            self.ended = Ended::Incomplete { missing: 0 };
            return;
        }
        if self.cx.form == Form::Json {
            // The session ends with the last page, and cannot stop before that.
            self.provable = true;
            self.taking = 1;
            return self.ranged(Some(Range::ALL));
        }
        self.proving = Some(proving);
        let ranges = RANGES.min(self.window());
        let ours = count(self.cx.book.len());
        if let Some(pages) = &mut self.pages
            && pages.own.is_none()
            && (pages.claimed.is_none_or(|claimed| ours >= claimed.count) || self.tally.proofs > 0)
        {
            pages.own = Some(Range::shards(u16::try_from(ranges).unwrap_or(1)).into());
        }
        for _ in 0..ranges {
            self.take_range();
        }
    }

    /// The next subprotocol behind the proving one.
    fn pager_name(&self, proving: &str) -> Option<String> {
        let names = self.subprotocols.names();
        names.into_iter().skip_while(|name| *name != proving).nth(1)
    }

    fn take_range(&mut self) {
        self.taking = self.taking.saturating_add(1);
        match self.pages.as_mut().and_then(|pages| pages.own.as_mut()) {
            Some(own) => {
                let range = own.pop_front();
                self.ranged(range);
            }
            None => self.effects.push_back(Effect::TakeRange),
        }
    }

    /// A range to page, or none is left.
    pub(super) fn ranged(&mut self, range: Option<Range>) {
        if self.taking == 0 {
            return;
        }
        self.taking = self.taking.saturating_sub(1);
        let (Some(range), Some(name)) = (range, self.pager.clone()) else { return };
        let Some(subprotocol) = self.subprotocols.get(&name) else { return };
        let pursue = subprotocol.pursue();
        let thread = Thread::new(name, pursue, range);
        self.begin(thread, self.paged_at);
    }

    /// Makes the first request of a thread whose subprotocol is agreed on.
    fn begin(&mut self, mut thread: Thread<I>, depth: u32) {
        let metadata = thread.pursue.first(&thread.range, &self.cx);
        let request = RawRequest {
            subprotocols: vec![thread.name.clone()],
            metadata: RequestMetadata::Bare(metadata),
            pushed: Vec::new(),
        };
        self.next_thread = self.next_thread.saturating_add(1);
        let id = self.next_thread;
        thread.open = 1;
        self.threads.insert(id, thread);
        let depth = depth.saturating_add(1);
        self.queue.push_back(Asked { thread: id, depth, request: Some(request) });
    }

    /// A range is through.
    pub(super) fn through(&mut self, range: Range, depth: u32) {
        self.paged_at = self.paged_at.max(depth);
        if self.shares_ranges() {
            self.effects.push_back(Effect::RangeDone(range));
        }
        if self.proving.is_some() {
            self.take_range();
        } else {
            self.ended = Ended::Paged;
        }
    }

    /// Whether the ranges of this session are taken from those of several.
    pub(super) fn shares_ranges(&self) -> bool {
        self.proving.is_some() && self.pages.as_ref().is_some_and(|pages| pages.own.is_none())
    }

    /// The digests do not agree: once more with a key that nobody knew before, then paged.
    pub(super) fn disagree(&mut self, thread: Thread<I>, missing: u64, depth: u32) {
        self.tally.attempts = self.tally.attempts.saturating_add(1);
        let left = self.limits.attempts_max.saturating_sub(self.tally.attempts);
        match left {
            0 => self.ended = Ended::Incomplete { missing },
            1 => {
                // Of what has come to nothing before, only another comparison tells.
                let own = Range::shards(u16::try_from(RANGES).unwrap_or(1));
                let own = Some(own.into());
                self.pages = Some(Pages { claimed: None, received: None, own });
                self.page(thread, depth);
            }
            _ => self.begin(thread, depth),
        }
    }

    /// All ranges are through: whether they add up to what the provider has. If they do not, because
    /// others have brought a part or because its book has changed meanwhile, it is asked again.
    pub(super) fn prove(&mut self) {
        if !self.storing.is_empty() {
            // What was paged has to be in the book first.
            return;
        }
        let agreed = self.pages.take().is_some_and(|pages| {
            let ours = self.cx.book.overview(&self.cx.filter).digest.finish();
            pages.claimed == Some(ours) || pages.add_up()
        });
        let proving = self.proving.take();
        if agreed {
            self.ended = Ended::Agreed;
        } else if let Some(thread) = proving {
            if self.tally.proofs < self.limits.attempts_max {
                self.tally.proofs = self.tally.proofs.saturating_add(1);
                self.begin(thread, self.paged_at);
            } else {
                self.ended = Ended::Incomplete { missing: 0 };
            }
        }
        self.advance();
    }
}
