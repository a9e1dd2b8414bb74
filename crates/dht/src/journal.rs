//! Writes down which messages came, so that a restart makes none of them new.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use machine::UnixTime;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::seen::{Seen, SeenRow};
use crate::store::{Change, Store, StoreError};

/// Rows in one write.
const BATCH_MAX: usize = 4_096;
/// How long a row waits for others before they are written together. Half of it would write twice
/// as often; what a crash makes new again is carried once more at worst.
const BEHIND: Duration = Duration::from_millis(500);
/// How long a store that failed is left alone.
const REST: Duration = Duration::from_secs(5);
/// How often rows that have expired are removed. A store removes so many at once and no more: once
/// an hour it would fall behind.
const FORGET_PERIOD: Duration = Duration::from_mins(1);
/// How long after its expiry a row is removed: a clock that is ahead by less removes none too early.
const FORGET_AFTER_MILLIS: u64 = 86_400_000;

/// Writes what a [`Seen`] remembers to a store. Clones share the work.
#[derive(Clone)]
pub struct Journal {
    seen: Seen,
    store: Arc<dyn Store>,
    clock: Clock,
    /// One write after the other: whoever waits for its turn often finds its rows written.
    turn: Arc<Mutex<()>>,
}

impl Journal {
    /// Of this memory, in this store.
    pub fn new(seen: Seen, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { seen, store, clock, turn: Arc::default() }
    }

    /// Writes all that came so far: what was settled before the call is durable after it.
    ///
    /// # Errors
    /// [`StoreError`]: what was not written is still to be written.
    ///
    /// # Cancel safety
    /// What was not written for certain is written again.
    pub async fn write(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let mut left = self.seen.gauges().unwritten;
        while left > 0 {
            let batch = Batch { seen: &self.seen, rows: self.seen.changes(left.min(BATCH_MAX)) };
            left = left.saturating_sub(batch.rows.len().max(1));
            self.store.save(batch.changes()).await?;
            batch.written();
        }
        Ok(())
    }

    /// Writes behind what comes, as long as it is polled.
    pub async fn run(self) -> Infallible {
        let mut forget_from = self.clock.now();
        loop {
            poll_fn(|cx| self.seen.poll_unwritten(cx)).await;
            sleep(BEHIND).await;
            let moment = self.clock.read();
            let mut outcome = self.write().await;
            if outcome.is_ok() && moment.now >= forget_from {
                outcome = self.store.save(vec![forgotten(moment.wall)]).await;
                forget_from = moment.now.after(FORGET_PERIOD);
            }
            if let Err(error) = outcome {
                tracing::warn!(target: "meshwork::dht", %error, "messages that came are not written");
                sleep(REST).await;
            }
        }
    }

    /// [`run`](Self::run), to be kept and polled again and again.
    pub(crate) fn behind(self) -> Behind {
        Behind(self.run().boxed())
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("seen", &self.seen).finish_non_exhaustive()
    }
}

fn forgotten(wall: UnixTime) -> Change {
    Change::Expired(UnixTime::from_millis(wall.as_millis().saturating_sub(FORGET_AFTER_MILLIS)))
}

/// Rows on their way to the store: given back unless they arrive.
struct Batch<'a> {
    seen: &'a Seen,
    rows: Vec<SeenRow>,
}

impl Batch<'_> {
    fn changes(&self) -> Vec<Change> {
        self.rows.iter().copied().map(Change::Seen).collect()
    }

    fn written(mut self) {
        self.rows.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.seen.give_back(std::mem::take(&mut self.rows));
    }
}

/// A [`Journal`] that writes behind.
pub(crate) struct Behind(BoxFuture<'static, Infallible>);

impl Future for Behind {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.0.poll_unpin(cx)
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").finish_non_exhaustive()
    }
}
