//! What this node says about packets: collected for each peer, so that one frame says much.
//!
//! Acknowledgements leave at once. Receipts and failures come from nodes further on, and wait first as
//! packets do: by the time alone nobody shall see which of the packets that left they are about.

use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use futures::SinkExt as _;
use futures::future::{Either, pending};
use libp2p_identity::PeerId;
use machine::Instant;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::shared::Shared;
use super::{Frames, LinkGone};
use crate::mixer::Mixer;
use crate::wire::{Entries, Entry};

/// Entries on their way here.
pub(super) const WAITING_MAX: usize = 1_024;
/// Bytes that an entry counts in the mixer: what it takes in memory, about.
const ENTRY: u64 = 128;

/// Runs until nobody has anything to say any more, and says the rest.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut sink: Frames,
    mut to_say: mpsc::Receiver<(PeerId, Entry)>,
    seed: [u8; 32],
) {
    let mixer = Mixer::new(shared.params.mixer(), seed);
    if let Err(gone) = collect(&shared, mixer, &mut sink, &mut to_say).await {
        tracing::warn!(%gone, "the relay stops");
        shared.stop.cancel();
    }
}

async fn collect(
    shared: &Shared,
    mut mixer: Mixer<(PeerId, Entry)>,
    sink: &mut Frames,
    to_say: &mut mpsc::Receiver<(PeerId, Entry)>,
) -> Result<(), LinkGone> {
    let entries_max = shared.params.ack().entries_max;
    let patience = shared.params.ack().flush_interval;
    let mut waiting = Waiting::default();
    let (mut came, mut ready) = (Vec::with_capacity(WAITING_MAX), Vec::new());
    loop {
        let due = match waiting.next_due().into_iter().chain(mixer.next_deadline()).min() {
            Some(due) => Either::Left(sleep(due.since(shared.now()))),
            None => Either::Right(pending()),
        };
        tokio::select! {
            count = to_say.recv_many(&mut came, WAITING_MAX) => if count == 0 { break },
            () = due => {}
        }
        let now = shared.now();
        let due = now.after(patience);
        for (peer, entry) in came.drain(..) {
            match entry {
                Entry::Ack { .. } => ready.push((peer, entry)),
                Entry::Receipt { .. } | Entry::Failure { .. } => {
                    ready.append(&mut mixer.insert((peer, entry), ENTRY, now));
                }
            }
        }
        ready.extend(iter::from_fn(|| mixer.pop(now)));
        let mut frames = waiting.put_all(&mut ready, due, entries_max);
        frames.extend(waiting.take_due(now));
        send(sink, frames).await?;
    }
    let end = Instant::at(Duration::MAX);
    ready.extend(iter::from_fn(|| mixer.pop(end)));
    let mut frames = waiting.put_all(&mut ready, end, entries_max);
    frames.extend(waiting.take_due(end));
    send(sink, frames).await?;
    sink.close().await
}

async fn send(sink: &mut Frames, said: Vec<(PeerId, Vec<Entry>)>) -> Result<(), LinkGone> {
    if said.is_empty() {
        return Ok(());
    }
    for (peer, entries) in said {
        // Collections are never empty, and never longer than a frame.
        let Ok(entries) = Entries::new(entries) else { continue };
        sink.feed((peer, entries.to_frame())).await?;
    }
    sink.flush().await
}

/// Entries that wait for others to the same peer.
#[derive(Default)]
struct Waiting {
    /// Never empty, never full.
    entries: BTreeMap<PeerId, (u64, Vec<Entry>)>,
    /// When what is due, by the number of the collection. Of what left early the number is left over.
    due: VecDeque<(Instant, PeerId, u64)>,
    collections: u64,
}

impl Waiting {
    /// Adds entries, and gives the collections that are full now.
    fn put_all(
        &mut self,
        entries: &mut Vec<(PeerId, Entry)>,
        due: Instant,
        max: usize,
    ) -> Vec<(PeerId, Vec<Entry>)> {
        let put = |(peer, entry)| self.put(peer, entry, due, max).map(|full| (peer, full));
        entries.drain(..).filter_map(put).collect()
    }

    /// Adds an entry, and gives the collection if it is full now.
    fn put(&mut self, peer: PeerId, entry: Entry, due: Instant, max: usize) -> Option<Vec<Entry>> {
        let (_, collected) = self.entries.entry(peer).or_insert_with(|| {
            self.collections = self.collections.wrapping_add(1);
            self.due.push_back((due, peer, self.collections));
            (self.collections, Vec::new())
        });
        collected.push(entry);
        let full = collected.len() >= max;
        full.then(|| self.entries.remove(&peer).map(|(_, collected)| collected)).flatten()
    }

    /// When the oldest collection is due.
    fn next_due(&self) -> Option<Instant> {
        self.due.front().map(|(due, ..)| *due)
    }

    /// The collections that are due, oldest first.
    fn take_due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Entry>)> {
        let mut taken = Vec::new();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, peer, number)) = self.due.pop_front() else { break };
            let is_it = self.entries.get(&peer).is_some_and(|(of, _)| *of == number);
            let collected = if is_it { self.entries.remove(&peer) } else { None };
            taken.extend(collected.map(|(_, collected)| (peer, collected)));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use tickets::ChallengeAddress;

    use super::*;
    use crate::FailureCode;

    fn entry(number: u8) -> Entry {
        Entry::Failure { challenge: ChallengeAddress([number; 20]), code: FailureCode::Overloaded }
    }

    fn at(millis: u64) -> Instant {
        Instant::at(Duration::from_millis(millis))
    }

    #[test]
    fn entries_leave_when_the_first_is_due_or_when_a_frame_is_full() {
        let (calm, busy) = (PeerId::random(), PeerId::random());
        let mut waiting = Waiting::default();
        assert_eq!(waiting.put(calm, entry(0), at(5), 3), None);
        assert_eq!(waiting.put(calm, entry(1), at(9), 3), None);
        assert_eq!(waiting.put(busy, entry(2), at(6), 3), None);
        assert_eq!(waiting.put(busy, entry(3), at(6), 3), None);
        let full = waiting.put(busy, entry(4), at(6), 3);
        assert_eq!(full, Some(vec![entry(2), entry(3), entry(4)]));
        // The next collection has a time of its own.
        assert_eq!(waiting.put(busy, entry(5), at(8), 3), None);

        assert_eq!(waiting.next_due(), Some(at(5)));
        assert_eq!(waiting.take_due(at(4)), []);
        assert_eq!(waiting.take_due(at(6)), [(calm, vec![entry(0), entry(1)])]);
        assert_eq!(waiting.take_due(at(8)), [(busy, vec![entry(5)])]);
        assert_eq!(waiting.next_due(), None);
        assert!(waiting.entries.is_empty());
    }
}
