//! What was received is stored, counted, and the session ends.

use super::paging::Pages;
use super::{Effect, Ended, Missing, Outcome, Requester, Rest, Sharing, Stage, Storing, count};
use crate::intake::{Admission, Admitted, Rejected};
use crate::outcome::Fault;
use crate::{Item, Paging, Range};

impl<I: Item> Requester<I> {
    pub(super) fn admitted(&mut self, outcomes: &[Admission]) {
        let Some(stored) = self.storing.pop_front() else { return };
        let refused =
            |admission: &&Admission| matches!(admission.outcome, Err(Rejected::Later { .. }));
        self.stored(&stored, count(outcomes.iter().filter(refused).count()));
        let mut invalid = 0_usize;
        for Admission { outcome, .. } in outcomes {
            let counter = match outcome {
                Ok(Admitted::New) => &mut self.tally.new,
                Ok(Admitted::Known) => &mut self.tally.known,
                Err(Rejected::Invalid { .. }) => {
                    invalid = invalid.saturating_add(1);
                    &mut self.tally.invalid
                }
                Err(Rejected::Unwanted { .. } | Rejected::Expired | Rejected::Full) => {
                    &mut self.tally.unwanted
                }
                Err(Rejected::Later { .. }) => &mut self.tally.later,
            };
            *counter = counter.saturating_add(1);
        }
        if invalid > 0 {
            self.effects.push_back(Effect::Report(Fault::Invalid { orders: invalid }));
            let max = self.limits.invalid_max;
            if self.tally.invalid > max {
                self.break_off(Ended::Faulted(Fault::TooMuch { what: "invalid orders", max }));
            }
        }
    }

    /// What is being stored takes too long: it counts as what could not be stored.
    pub(super) fn stop_storing(&mut self) {
        while let Some(page) = self.storing.pop_front() {
            self.tally.later = self.tally.later.saturating_add(page.orders);
            self.stored(&page, page.orders);
        }
    }

    /// A page is stored but for `later` of its items. Its thread gets no further than what is stored.
    fn stored(&mut self, page: &Storing, later: u64) {
        let thread = self.threads.get_mut(&page.thread);
        match (page.paging, thread) {
            (Paging::None, _) if page.thread == self.compared => {
                self.unstored = self.unstored.saturating_add(later);
            }
            (Paging::None, _) => {}
            (Paging::Whole | Paging::Ranges, Some(thread)) => {
                thread.held_up |= later > 0;
                if !thread.held_up {
                    thread.reached.after = thread.reached.after.max(page.last);
                }
            }
            (Paging::Whole, None) if later > 0 && self.gaps.is_empty() => {
                self.gaps.push(Range::ALL);
            }
            (Paging::Ranges, None) if later > 0 => {
                self.gaps.push(Range { after: page.after, until: page.last });
            }
            (Paging::Whole | Paging::Ranges, None) => {}
        }
    }

    /// Nothing more is said: it broke, or the provider is at fault. What came is stored before the end.
    pub(super) fn break_off(&mut self, ended: Ended) {
        match (self.stage, &ended) {
            // Nothing was missing here; what broke is what the provider was given.
            (Stage::Giving, Ended::Broken(_)) => {
                let under_way = self.not_given();
                self.tally.pushed = self.tally.pushed.saturating_sub(under_way);
                self.tally.kept = self.tally.kept.saturating_add(under_way);
            }
            // Everything was said.
            (Stage::Settling, Ended::Broken(_)) => {}
            _ => self.ended = ended,
        }
        self.stage = Stage::Ending;
        self.queue.clear();
        self.waiting.clear();
        self.taking = 0;
    }

    pub(super) fn end(&mut self) {
        self.stage = Stage::Ended;
        let ended = self.verdict();
        let sharing = self.sharing == Sharing::Does;
        let resumable = matches!(ended, Ended::Broken(_)) && self.proving.is_none() && !sharing;
        let rest = if resumable { self.rest() } else { None };
        let missing = self.missing(&ended);
        let threads = std::mem::take(&mut self.threads);
        if sharing {
            let left = threads.into_values().map(|thread| Effect::GiveBack(thread.reached));
            self.effects.extend(left);
        }
        let (tally, provable) = (self.tally, self.provable);
        self.effects.push_back(Effect::End(Outcome { ended, tally, provable, rest, missing }));
    }

    /// What is known, once everything is stored: what could not be is missing, whatever the digests
    /// say.
    pub(super) fn verdict(&self) -> Ended {
        match (&self.ended, self.tally.later) {
            (Ended::Agreed | Ended::Paged, missing @ 1..) => Ended::Incomplete { missing },
            (ended, _) => ended.clone(),
        }
    }

    /// What is left of the only range that is paged, if some of it is done.
    fn rest(&self) -> Option<Rest> {
        let thread = self.threads.values().find(|thread| thread.paging != Paging::None)?;
        let begun = thread.reached.after > thread.range.after;
        begun.then(|| Rest {
            subprotocol: thread.name.clone(),
            range: thread.reached,
            provable: self.provable,
        })
    }

    /// What is known to be missing, by whatever is still under way.
    fn missing(&self, ended: &Ended) -> Missing {
        let known = match ended {
            Ended::Agreed | Ended::Paged => return Missing::default(),
            Ended::Incomplete { missing } => *missing,
            // What came and could not be stored is missing as well.
            Ended::Faulted(_) | Ended::Broken(_) => self.unstored,
        };
        let threads = || self.threads.values();
        let items = threads().map(|thread| thread.pursue.left().missing);
        let paged = threads().filter(|thread| thread.paging != Paging::None);
        let untaken = self.pages.iter().flat_map(Pages::untaken).copied();
        Missing {
            items: items.fold(known, u64::saturating_add),
            ranges: paged
                .map(|thread| thread.reached)
                .chain(untaken)
                .chain(self.gaps.iter().copied())
                .collect(),
        }
    }
}
