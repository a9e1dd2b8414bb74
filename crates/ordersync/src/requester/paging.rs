//! When reconciling does not pay: ranges of the ids are paged, then the digests are compared again.

use super::*;

/// Ranges paged at once in one session. Each has one request under way.
const RANGES: usize = 4;

impl<I: Item> Requester<I> {
    /// Sets the proving thread aside and asks for ranges.
    pub(super) fn page(&mut self, proving: Thread<I>, depth: u32) {
        self.paged_at = depth;
        self.proving = Some(proving);
        self.pager = self.pager_name();
        if self.pager.is_none() {
            // Nothing to page with: what is known is that the sets differ.
            self.proving = None;
            self.ended = Ended::Incomplete { missing: 0 };
            return;
        }
        for _ in 0..RANGES.min(self.window()) {
            self.take_range();
        }
    }

    /// The next subprotocol behind the proving one.
    fn pager_name(&self) -> Option<String> {
        let proving = self.proving.as_ref()?;
        let names = self.subprotocols.names();
        names.into_iter().skip_while(|name| *name != proving.name).nth(1)
    }

    fn take_range(&mut self) {
        self.taking = self.taking.saturating_add(1);
        self.effects.push_back(Effect::TakeRange);
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
        let thread = Thread { name, pursue, range, reached: range, open: 0 };
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
    pub(super) fn through(&mut self, thread: Thread<I>, depth: u32) {
        self.paged_at = self.paged_at.max(depth);
        self.effects.push_back(Effect::RangeDone(thread.range));
        if self.proving.is_some() {
            self.take_range();
        } else {
            self.ended = Ended::Paged;
        }
    }

    /// The digests do not agree: once more with a key that nobody knew before, then paged.
    pub(super) fn disagree(&mut self, thread: Thread<I>, missing: u64, depth: u32) {
        self.tally.attempts = self.tally.attempts.saturating_add(1);
        let left = self.limits.attempts_max.saturating_sub(self.tally.attempts);
        match left {
            0 => self.ended = Ended::Incomplete { missing },
            1 => self.page(thread, depth),
            _ => self.begin(thread, depth),
        }
    }

    /// All ranges are through: what is known is compared again.
    pub(super) fn prove_again(&mut self) {
        let Some(thread) = self.proving.take() else { return };
        if self.admitting > 0 {
            // What was paged has to be in the book first.
            self.proving = Some(thread);
            return;
        }
        if self.tally.proofs >= self.limits.attempts_max {
            self.ended = Ended::Incomplete { missing: 0 };
            self.stage = Stage::Settling;
            return;
        }
        self.tally.proofs = self.tally.proofs.saturating_add(1);
        self.begin(thread, self.paged_at);
        self.advance();
    }
}
