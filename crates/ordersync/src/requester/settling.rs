//! What was received is stored, counted, and the session ends.

use super::*;

impl<I: Item> Requester<I> {
    pub(super) fn admitted(&mut self, outcomes: &[Admission]) {
        self.admitting = self.admitting.saturating_sub(1);
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
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.stage = Stage::Ended;
        self.queue.clear();
        self.waiting.clear();
        let rest = match &ended {
            Ended::Broken(_) if self.proving.is_none() => self.rest(),
            _ => None,
        };
        for thread in std::mem::take(&mut self.threads).into_values() {
            if self.proving.is_some() {
                self.effects.push_back(Effect::GiveBack(thread.reached));
            }
        }
        self.effects.push_back(Effect::End(Outcome { ended, tally: self.tally, rest }));
    }

    /// What is left of the only range that is paged, if some of it is done.
    fn rest(&self) -> Option<Rest> {
        let thread = self.threads.values().next()?;
        let begun = thread.reached.after > thread.range.after;
        begun.then(|| Rest { subprotocol: thread.name.clone(), range: thread.reached })
    }
}
