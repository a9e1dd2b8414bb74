//! What was received of a stream and is not yet accepted: in order, without a gap.

use std::collections::VecDeque;

use libp2p_identity::PeerId;
use machine::Instant;

use crate::event::Judgement;
use crate::messages::{Batch, Entry};
use crate::signing;

/// A batch on its way from the wire to the store.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) batch: Batch,
    /// Who sent it.
    pub(super) from: PeerId,
    /// Told apart from another one at the same position.
    pub(super) serial: u64,
    pub(super) stage: Stage,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for a check of its signature.
    Arrived,
    /// The check is under way.
    Checking,
    /// Its signature holds; the application has not heard of it.
    Checked {
        /// Since when.
        since: Instant,
    },
    /// Waits for the application's judgement of each message.
    Judging {
        /// Those that came.
        judgements: Vec<Option<Judgement>>,
        /// What is not judged by then is ignored.
        due: Instant,
    },
    /// Accepted once all before it is.
    Done,
}

impl Part {
    /// Files a judgement. False when none is waited for.
    pub(super) fn judge(&mut self, index: usize, judgement: Judgement) -> bool {
        let Stage::Judging { judgements, .. } = &mut self.stage else { return false };
        match judgements.get_mut(index) {
            Some(open @ None) => {
                *open = Some(judgement);
                true
            }
            Some(Some(_)) | None => false,
        }
    }

    /// Ends the judging if all is judged, or if the time for it is up: what is not accepted is
    /// withheld from then on.
    pub(super) fn conclude(&mut self, now: Instant) {
        let Stage::Judging { judgements, due } = &self.stage else { return };
        if *due > now && judgements.iter().any(Option::is_none) {
            return;
        }
        let accepted = |judgement: &Option<Judgement>| *judgement == Some(Judgement::Accept);
        if !judgements.iter().all(accepted) {
            let judged = self.batch.entries.iter().zip(judgements);
            self.batch.entries = judged
                .map(|(entry, judgement)| match entry {
                    Entry::Payload(payload) if !accepted(judgement) => {
                        Entry::Withheld { len: entry.len(), hash: signing::hash(payload) }
                    }
                    Entry::Payload(_) | Entry::Withheld { .. } => entry.clone(),
                })
                .collect();
        }
        self.stage = Stage::Done;
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) parts: VecDeque<Part>,
    /// Where it begins, when that is not where the accepted part of the stream ends.
    pub(super) base: Option<u64>,
    /// Where it ends.
    pub(super) tail: u64,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn find(&mut self, serial: u64) -> Option<(usize, &mut Part)> {
        self.parts.iter_mut().enumerate().find(|(_, part)| part.serial == serial)
    }

    /// Appends a batch that begins where the run ends.
    pub(super) fn push(&mut self, batch: Batch, from: PeerId, serial: u64) {
        self.tail = batch.end();
        self.parts.push_back(Part { batch, from, serial, stage: Stage::Arrived });
    }

    /// Drops everything from this part on.
    pub(super) fn cut(&mut self, at: usize) {
        if let Some(part) = self.parts.get(at) {
            self.tail = part.batch.start;
            self.parts.truncate(at);
        }
    }

    /// When the judging of a message is over.
    pub(super) fn judge_due(&self) -> Option<Instant> {
        let judging = self.parts.iter().filter_map(|part| match part.stage {
            Stage::Judging { due, .. } => Some(due),
            Stage::Arrived | Stage::Checking | Stage::Checked { .. } | Stage::Done => None,
        });
        judging.min()
    }
}
