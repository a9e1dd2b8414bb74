//! How often what happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::Outcome;
use crate::inbound::Disposition;
use crate::refusal::Refusal;

/// How often what happened since the start, by the names that the types have in the log.
///
/// A letter that the application has in hand for long is counted twice: as that, and when it is
/// known what became of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Messages of others that passed the stages, by [`Disposition::name`].
    pub passed: BTreeMap<&'static str, u64>,
    /// Those that were turned away, by [`Refusal::reason`].
    pub refused: BTreeMap<&'static str, u64>,
    /// News of own messages, by [`Outcome::name`].
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// Counts. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counts>>);

impl Metrics {
    pub(crate) fn settled(&self, outcome: &Result<Disposition, Refusal>) {
        let mut counts = self.lock();
        match outcome {
            Ok(disposition) => add(&mut counts.passed, disposition.name()),
            Err(refusal) => add(&mut counts.refused, refusal.reason()),
        }
    }

    pub(crate) fn outcome(&self, outcome: &Outcome) {
        add(&mut self.lock().outcomes, outcome.name());
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}
