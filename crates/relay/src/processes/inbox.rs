//! Where things wait, in a lane for each peer: frames for the pool, messages for the application.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use libp2p_identity::PeerId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fair::{Bounds, Counts, FairQueue};

/// A fair queue that can be waited for.
pub(super) struct Inbox<T> {
    queue: Mutex<FairQueue<T>>,
    arrived: Notify,
}

impl Inbox<Bytes> {
    /// Fills the queue as fast as the stream gives, and never waits for room: who sends too much
    /// loses it, and nobody behind him waits. Ends with the stream, or when `stop` is cancelled.
    pub(super) async fn fill(
        &self,
        mut stream: impl Stream<Item = (PeerId, Bytes)> + Unpin,
        stop: &CancellationToken,
    ) {
        while let Some(Some((peer, frame))) = stop.run_until_cancelled(stream.next()).await {
            let bytes = frame.len();
            // Refused frames are counted by the queue.
            if self.lock().push(peer, frame, bytes).is_ok() {
                self.arrived.notify_one();
            }
        }
    }
}

impl<T> Inbox<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { queue: Mutex::new(FairQueue::new(bounds)), arrived: Notify::new() }
    }

    /// Puts in an item, unless `max` are there, or its peer has more than there is room for: so one
    /// peer alone gets half of the room, and the next half of the rest. What is in the queue stays
    /// there.
    pub(super) fn offer(&self, peer: PeerId, item: T, max: usize) -> bool {
        let mut queue = self.lock();
        let room = max.saturating_sub(queue.len());
        let taken = room > 0 && queue.waiting(&peer) <= room && queue.push(peer, item, 0).is_ok();
        drop(queue);
        if taken {
            self.arrived.notify_one();
        }
        taken
    }

    /// The next items in turn, at most `max` and at least one: what is there, be it ever so little.
    ///
    /// Cancel safe, for one caller at a time.
    pub(super) async fn take(&self, max: usize) -> Vec<(PeerId, T)> {
        loop {
            let items = self.lock().pop_many(max);
            if !items.is_empty() {
                return items;
            }
            self.arrived.notified().await;
        }
    }

    /// The next item in turn, if there is one.
    pub(super) fn pop(&self) -> Option<(PeerId, T)> {
        self.lock().pop()
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts()
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, FairQueue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// A batch is what has come meanwhile: nobody waits until it is full.
    #[test]
    fn one_alone_is_taken_at_once() {
        let inbox = Inbox::new(Bounds { items_per_peer: 9, bytes_per_peer: 9, bytes_total: 9 });
        let peer = PeerId::random();
        assert!(inbox.take(64).now_or_never().is_none());
        assert!(inbox.offer(peer, 7, 9));
        assert_eq!(inbox.take(64).now_or_never(), Some(vec![(peer, 7)]));
    }
}
