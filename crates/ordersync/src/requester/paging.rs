//! When reconciling does not pay: ranges of the ids are paged, then the digests are compared again.

use std::collections::VecDeque;

use reconcile::{Digest, Summary};

use super::{Asked, Effect, Ended, Requester, Sharing, Stage, Thread, count};
use crate::message::{RawRequest, RequestMetadata};
use crate::{Entry, Form, Item, ItemId, Paging, Range};

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

    /// Ranges that nobody has begun with.
    pub(super) fn untaken(&self) -> impl Iterator<Item = &Range> {
        self.own.iter().flatten()
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
        if let Some(claimed) = self.pages.as_ref().and_then(|pages| pages.claimed) {
            self.tally.holds = claimed.count;
        }
        if self.cx.form == Form::Json {
            // The session ends with the last page of all, and cannot compare after that.
            self.provable = true;
            if self.sharing == Sharing::May {
                self.sharing = Sharing::Does;
                return self.take_range();
            }
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
        let own = self.pages.as_ref().is_none_or(|pages| pages.own.is_some());
        self.sharing = if own { Sharing::Not } else { Sharing::Does };
        for _ in 0..ranges {
            self.take_range();
        }
    }

    /// The next subprotocol behind the proving one.
    fn pager_name(&self, proving: &str) -> Option<String> {
        let names = self.subprotocols.names();
        names.into_iter().skip_while(|name| *name != proving).nth(1)
    }

    /// The first page of a provider that can only page has come, and others page as well: it has
    /// shown that it answers, and about how much it holds.
    pub(super) fn share(&mut self, first: Thread<I>, depth: u32, orders: usize) {
        let Thread { name, range, seen, .. } = first;
        self.covered = Range { after: range.after, until: seen };
        self.tally.holds = suggested(seen, orders);
        self.pager = Some(name);
        self.paged_at = depth;
        self.sharing = Sharing::Does;
        for _ in 0..RANGES.min(self.window()) {
            self.take_range();
        }
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
        let (Some(mut range), Some(name)) = (range, self.pager.clone()) else { return };
        let Range { after, until } = self.covered;
        if self.sharing == Sharing::Does && after <= range.after && range.after < until {
            // Of its beginning, what came with the end of the one before need not come again.
            range.after = until.min(range.until);
            if range.after == range.until {
                return self.done(range);
            }
        }
        let thread = Thread::new(&self.subprotocols, name, range);
        if let Some(thread) = thread {
            self.begin(thread, self.paged_at, Vec::new());
        }
    }

    /// Makes the first request of a thread whose subprotocol is agreed on, and gives items away with
    /// it.
    pub(super) fn begin(&mut self, mut thread: Thread<I>, depth: u32, pushed: Vec<Entry<I>>) {
        let metadata = thread.pursue.first(&thread.range, &self.cx);
        let given = count(pushed.len());
        self.tally.pushed = self.tally.pushed.saturating_add(given);
        let request = RawRequest {
            subprotocols: vec![thread.name.clone()],
            metadata: RequestMetadata::Bare(metadata),
            pushed,
        };
        self.next_thread = self.next_thread.saturating_add(1);
        let id = self.next_thread;
        if thread.paging == Paging::None {
            // What was missing before is found again.
            self.compared = id;
            self.unstored = 0;
            self.gaps.clear();
        }
        thread.open = 1;
        self.threads.insert(id, thread);
        let depth = depth.saturating_add(1);
        self.queue.push_back(Asked { thread: id, depth, pushed: given, request: Some(request) });
    }

    /// A range is through; `goes_on` unless the provider has said its last word.
    pub(super) fn through(&mut self, thread: &Thread<I>, depth: u32, goes_on: bool) {
        if self.stage == Stage::Giving {
            return;
        }
        self.paged_at = self.paged_at.max(depth);
        let range = thread.range;
        if thread.held_up {
            self.gaps.push(thread.reached);
        }
        if self.sharing == Sharing::Does {
            let joins = range.after == self.covered.until;
            let after = if joins { self.covered.after } else { range.after };
            self.covered = Range { after, until: range.until.max(thread.seen) };
            return if goes_on { self.done(range) } else { self.count_done(range) };
        }
        if self.proving.is_some() {
            self.take_range();
        } else {
            self.ended = Ended::Paged;
        }
    }

    /// One of the ranges that several sessions share is through: on to the next.
    fn done(&mut self, range: Range) {
        self.count_done(range);
        self.take_range();
    }

    fn count_done(&mut self, range: Range) {
        self.tally.ranges = self.tally.ranges.saturating_add(1);
        self.effects.push_back(Effect::RangeDone(range));
    }

    /// The digests do not agree: once more with a key that nobody knew before, then paged.
    pub(super) fn disagree(&mut self, thread: Thread<I>, missing: u64, depth: u32) {
        self.tally.attempts = self.tally.attempts.saturating_add(1);
        self.tally.kept = 0;
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
            _ => self.begin(thread, depth, Vec::new()),
        }
    }

    /// All ranges are through: whether they add up to what the provider has. If they do not, because
    /// others have brought a part or because its book has changed meanwhile, it is asked again.
    pub(super) fn prove(&mut self) {
        if !self.storing.is_empty() {
            // What was paged has to be in the book first.
            return;
        }
        let pages = self.pages.take();
        self.sharing = Sharing::Not;
        let ours = self.cx.book.overview(&self.cx.filter).digest.finish();
        let equal = pages.as_ref().is_some_and(|pages| pages.claimed == Some(ours));
        let proving = self.proving.take();
        if equal {
            self.ended = Ended::Agreed;
        } else if let Some(pages) = pages.filter(Pages::add_up) {
            self.ended = Ended::Agreed;
            self.give(pages.received.unwrap_or_default());
        } else if let Some(thread) = proving {
            if self.tally.proofs < self.limits.attempts_max {
                self.tally.proofs = self.tally.proofs.saturating_add(1);
                self.begin(thread, self.paged_at, Vec::new());
            } else {
                self.ended = Ended::Incomplete { missing: 0 };
            }
        }
        self.advance();
    }
}

/// How many items there are, if so many are the lowest and `last` is the highest of these: ids are
/// hashes, and lie as thick everywhere.
fn suggested(last: ItemId, items: usize) -> u64 {
    let [high, ..] = last.as_bytes().as_chunks::<8>().0 else { return 0 };
    let high = u128::from(u64::from_be_bytes(*high)).max(1);
    let all = u128::from(count(items)).saturating_mul(1 << 64).checked_div(high);
    all.and_then(|all| u64::try_from(all).ok()).unwrap_or(u64::MAX)
}
