//! Publishing: our own stream in a topic, from the command to the signed batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use machine::{Instant, JobError, JobId};

use super::context::{Context, Errand};
use super::room::{Room, Waiting};
use crate::messages::{
    BATCH_COST, Batch, ENTRIES_MAX, ENTRY_COST, Entry, PAYLOAD_MAX, SIGNATURE_LEN, StreamId,
};
use crate::{Event, Job, PublishError};

/// A signature that could not be made is tried again after this.
const SIGN_AGAIN: Duration = Duration::from_millis(100);

/// Our own stream.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) id: StreamId,
    /// Accepted, not yet signed.
    waiting: Waiting,
    /// What it will cost at most.
    waiting_cost: u64,
    /// Being signed: what is published meanwhile shares the next signature.
    signing: Option<(JobId, Arc<[Entry]>)>,
    retry_at: Option<Instant>,
    /// Whether the application waits for room.
    busy: bool,
}

/// What a payload costs at most: when it has a batch to itself.
fn cost_of(payload: &Bytes) -> u64 {
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    len.saturating_add(ENTRY_COST).saturating_add(BATCH_COST)
}

impl Own {
    pub(super) fn new(id: StreamId) -> Self {
        Self {
            id,
            waiting: Waiting::new(),
            waiting_cost: 0,
            signing: None,
            retry_at: None,
            busy: false,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len().saturating_add(usize::from(self.signing.is_some()))
    }

    pub(super) fn bytes(&self) -> u64 {
        let signing =
            self.signing.as_ref().map_or(0, |(_, entries)| crate::messages::cost(entries));
        self.waiting_cost.saturating_add(signing)
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Nobody is there to hear it.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.waiting_cost = 0;
        self.retry_at = None;
    }

    /// Takes what the next batch holds.
    fn next_batch(&mut self) -> Arc<[Entry]> {
        let mut room = PAYLOAD_MAX;
        let mut entries = Vec::new();
        while let Some(payload) = self.waiting.front().filter(|_| entries.len() < ENTRIES_MAX) {
            let Some(left) = room.checked_sub(payload.len()) else { break };
            room = left;
            self.waiting_cost = self.waiting_cost.saturating_sub(cost_of(payload));
            entries.extend(self.waiting.pop_front().map(Entry::Payload));
        }
        entries.into()
    }
}

impl Room {
    /// Takes a message, or says why not.
    pub(super) fn publish(&mut self, payload: Bytes, cx: &mut Context) -> Result<(), PublishError> {
        let len = payload.len();
        let max = self.rules.payload_max.min(PAYLOAD_MAX);
        if len > max {
            return Err(PublishError::TooLong { len, max });
        }
        if self.members().is_empty() {
            return Err(PublishError::Alone);
        }
        self.open_own(cx);
        let cost = cost_of(&payload);
        let Some((own, stream, g)) = self.own_stream(cx) else { return Err(PublishError::Busy) };
        let reach = stream.have().saturating_add(own.bytes()).saturating_add(cost);
        if own.busy || !stream.promise(reach, g.pool, g.cx) {
            own.busy = true;
            g.cx.counts.busy = g.cx.counts.busy.saturating_add(1);
            return Err(PublishError::Busy);
        }
        g.cx.counts.published = g.cx.counts.published.saturating_add(1);
        own.waiting_cost = own.waiting_cost.saturating_add(cost);
        own.waiting.push_back(payload);
        self.sign(cx);
        Ok(())
    }

    /// Has what waits signed, if nothing is being signed.
    pub(super) fn sign(&mut self, cx: &mut Context) {
        let topic = self.topic().clone();
        let Some((own, stream, g)) = self.own_stream(cx) else { return };
        if own.signing.is_some() || own.retry_at.is_some_and(|at| at > g.cx.now) {
            return;
        }
        own.retry_at = None;
        if own.waiting.is_empty() {
            return;
        }
        let entries = own.next_batch();
        let (epoch, start) = (own.id.epoch, stream.have());
        let job = Job::Sign { topic: topic.clone(), epoch, start, entries: Arc::clone(&entries) };
        let id = g.cx.start(job, Errand::Sign(topic));
        own.signing = Some((id, entries));
    }

    /// A signature is there, or could not be made.
    pub(super) fn on_signed(
        &mut self,
        job: JobId,
        outcome: Result<Bytes, JobError>,
        cx: &mut Context,
    ) {
        let Some((own, stream, g)) = self.own_stream(cx) else { return };
        let Some((_, entries)) = own.signing.take_if(|(id, _)| *id == job) else { return };
        let id = own.id;
        match outcome {
            Ok(signature) if signature.len() == SIGNATURE_LEN => {
                let (topic, start) = (g.topic.clone(), stream.have());
                stream.accept(Batch { topic, stream: id, start, signature, entries }, &g);
            }
            // What was accepted stays so, while somebody is there to hear it.
            Ok(_) | Err(_) if !g.members.is_empty() => {
                for entry in entries.iter().rev() {
                    if let Entry::Payload(payload) = entry {
                        own.waiting_cost = own.waiting_cost.saturating_add(cost_of(payload));
                        own.waiting.push_front(payload.clone());
                    }
                }
                own.retry_at = Some(g.cx.now.after(SIGN_AGAIN));
            }
            Ok(_) | Err(_) => {}
        }
        self.sign(cx);
        self.settle(id, cx);
    }

    /// Tells an application that waits for it that there is room again: a quarter of a window, so
    /// that it does not come back for every message.
    pub(super) fn write_on(&mut self, id: StreamId, cx: &mut Context) {
        let Some((own, stream, g)) = self.own_stream(cx) else { return };
        if own.id != id || !own.busy {
            return;
        }
        let reach = stream.have().saturating_add(own.bytes());
        let edge = stream.edge(reach, g.pool, g.cx);
        let room = edge.saturating_sub(reach);
        let enough = (g.cx.params.window_min / 4).min(edge);
        if g.members.is_empty() || room >= enough {
            own.busy = false;
            g.cx.emit(Event::Writable { topic: g.topic.clone() });
        }
    }
}
