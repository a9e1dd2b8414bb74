//! What was received is stored, counted, and the session ends.

use super::{Effect, Ended, Outcome, Requester, Rest, Stage, Storing};
use crate::Item;
use crate::intake::{Admission, Admitted, Rejected};
use crate::outcome::Fault;

impl<I: Item> Requester<I> {
    pub(super) fn admitted(&mut self, outcomes: &[Admission]) {
        let Some(stored) = self.storing.pop_front() else { return };
        let refused =
            |admission: &Admission| matches!(admission.outcome, Err(Rejected::Later { .. }));
        self.stored(stored, !outcomes.iter().any(refused));
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
                self.end(Ended::Faulted(Fault::TooMuch { what: "invalid orders", max }));
            }
        }
    }

    /// A page is stored, or not all of it: then its thread has got no further.
    fn stored(&mut self, Storing { thread, last }: Storing, whole: bool) {
        let Some(thread) = self.threads.get_mut(&thread) else { return };
        thread.held_up |= !whole;
        if !thread.held_up {
            thread.reached.after = thread.reached.after.max(last);
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.stage = Stage::Ended;
        self.queue.clear();
        self.waiting.clear();
        let resumable = matches!(ended, Ended::Broken(_)) && self.proving.is_none();
        let rest = if resumable { self.rest() } else { None };
        let threads = std::mem::take(&mut self.threads);
        if self.shares_ranges() {
            let left = threads.into_values().map(|thread| Effect::GiveBack(thread.reached));
            self.effects.extend(left);
        }
        let (tally, provable) = (self.tally, self.provable);
        self.effects.push_back(Effect::End(Outcome { ended, tally, provable, rest }));
    }

    /// What is left of the only range that is paged, if some of it is done.
    fn rest(&self) -> Option<Rest> {
        let thread = self.threads.values().next()?;
        let begun = thread.reached.after > thread.range.after;
        begun.then(|| Rest {
            subprotocol: thread.name.clone(),
            range: thread.reached,
            provable: self.provable,
        })
    }
}
