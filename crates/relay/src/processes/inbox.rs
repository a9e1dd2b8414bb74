//! Where frames wait for the pool, in a lane for each peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use libp2p_identity::PeerId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fair::{Bounds, Counts, FairQueue};

/// A fair queue of frames that can be waited for.
pub(super) struct Inbox {
    queue: Mutex<FairQueue<Bytes>>,
    arrived: Notify,
}

impl Inbox {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { queue: Mutex::new(FairQueue::new(bounds)), arrived: Notify::new() }
    }

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

    /// The next frames in turn, at most `max` and at least one.
    ///
    /// Cancel safe, for one caller at a time.
    pub(super) async fn take(&self, max: usize) -> Vec<(PeerId, Bytes)> {
        loop {
            let frames = self.lock().pop_many(max);
            if !frames.is_empty() {
                return frames;
            }
            self.arrived.notified().await;
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts()
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, FairQueue<Bytes>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
