//! The indices that a node gives to the tickets it issues: each once, also over restarts.
//!
//! Indices are reserved durably in blocks before they are given out, so that giving one out is quick;
//! after a restart what was left of a block is skipped.
//!
//! ```
//! use std::sync::Arc;
//! use meshwork_tickets::aggregation::{Kept, MemoryStore, Owner};
//! use meshwork_tickets::issuing::Indices;
//! use meshwork_tickets::{Address, ChannelId, DomainSeparator, Epoch, TicketIndex};
//!
//! # futures::executor::block_on(async {
//! let store = Arc::new(MemoryStore::default());
//! let indices = Indices::new(Arc::clone(&store) as _, &Kept::default());
//! let (channel, epoch) = (ChannelId([1; 32]), Epoch::default());
//! assert!(indices.take(&channel, epoch).is_err());
//! indices.reserve(&channel, epoch).await?;
//! assert_eq!(indices.take(&channel, epoch)?, TicketIndex::ZERO);
//!
//! let owner = Owner { account: Address([2; 20]), separator: DomainSeparator([3; 32]) };
//! let kept = Kept::load(&*store, owner).await?;
//! let restarted = Indices::new(store, &kept);
//! restarted.reserve(&channel, epoch).await?;
//! assert_eq!(restarted.take(&channel, epoch)?, TicketIndex::new(1000)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, Either, FutureExt as _, ready};
use thiserror::Error;

use crate::aggregation::{Change, Kept, OutgoingIndex, Row, Store, StoreError};
use crate::{ChannelId, Epoch, IndexOffset, OutOfRange, TicketIndex};

/// Indices that one write reserves. With a tenth a busy relay would write a hundred times a second;
/// ten times as many would be skipped after each crash.
const BLOCK: NonZeroU32 = NonZeroU32::new(1000).expect("it is not 0");

/// No index is reserved: [`Indices::reserve`] has to come first.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no index is reserved in epoch {epoch:?} of channel {channel}")]
pub struct NotReserved {
    /// The channel.
    pub channel: ChannelId,
    /// The epoch asked for.
    pub epoch: Epoch,
}

/// Why no indices are reserved.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ReserveError {
    /// Tickets of a later epoch have been issued.
    #[error("channel is in epoch {found:?} already")]
    PastEpoch {
        /// That of the channel.
        found: Epoch,
    },
    /// The epoch has no more of them.
    #[error(transparent)]
    Exhausted(#[from] OutOfRange),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The indices of all channels from which a node pays. Any thread may take one.
pub struct Indices {
    store: Arc<dyn Store>,
    counters: Arc<Mutex<BTreeMap<ChannelId, Counter>>>,
}

/// Those of one channel.
#[derive(Clone, Copy, Debug)]
struct Counter {
    epoch: Epoch,
    next: TicketIndex,
    /// What is below may be given out.
    reserved: TicketIndex,
}

impl Indices {
    /// Goes on after all that may have been given out before: reservations, and aggregates.
    pub fn new(store: Arc<dyn Store>, kept: &Kept) -> Self {
        let indices = Self { store, counters: Arc::default() };
        for OutgoingIndex { channel, epoch, reserved } in &kept.indices {
            indices.raise(channel, *epoch, *reserved);
        }
        for issued in &kept.issued {
            let body = &issued.ticket.body;
            indices.raise(&body.channel, body.epoch, body.interval.end());
        }
        indices
    }

    /// The next index of a channel. Nobody gets it again.
    ///
    /// # Errors
    /// [`NotReserved`].
    pub fn take(&self, channel: &ChannelId, epoch: Epoch) -> Result<TicketIndex, NotReserved> {
        let not_reserved = NotReserved { channel: *channel, epoch };
        let mut counters = self.lock();
        let counter = counters.get_mut(channel).filter(|counter| counter.epoch == epoch);
        let counter = counter.ok_or(not_reserved)?;
        let index = counter.next;
        if index >= counter.reserved {
            return Err(not_reserved);
        }
        counter.next = index.after(IndexOffset::ONE).map_err(|_| not_reserved)?;
        Ok(index)
    }

    /// Sees to it that half a block of indices can be taken. In a channel that is new, or whose epoch
    /// is, the first is 0.
    ///
    /// # Errors
    /// [`ReserveError`].
    ///
    /// # Cancel safety
    /// When dropped, indices may be skipped, and that is all.
    pub fn reserve(
        &self,
        channel: &ChannelId,
        epoch: Epoch,
    ) -> BoxFuture<'static, Result<(), ReserveError>> {
        match self.begin(*channel, epoch) {
            Ok(future) => future.boxed(),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn begin(
        &self,
        channel: ChannelId,
        epoch: Epoch,
    ) -> Result<impl Future<Output = Result<(), ReserveError>> + Send + use<>, ReserveError> {
        // Held while the store is asked, so that its order is that of the reservations.
        let mut counters = self.lock();
        let counter = at_epoch(&mut counters, channel, epoch);
        if counter.epoch != epoch {
            return Err(ReserveError::PastEpoch { found: counter.epoch });
        }
        if counter.left() >= u64::from(BLOCK.get() / 2) {
            return Ok(Either::Left(ready(Ok(()))));
        }
        let reserved = counter.next.max(counter.reserved).after(BLOCK.into())?;
        let row = Row::Index(OutgoingIndex { channel, epoch, reserved });
        let written = self.store.apply(vec![Change::Put(row)]);
        drop(counters);
        let counters = Arc::clone(&self.counters);
        Ok(Either::Right(async move {
            written.await?;
            let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
            let counter = at_epoch(&mut counters, channel, epoch);
            if counter.epoch == epoch {
                counter.reserved = counter.reserved.max(reserved);
            }
            Ok(())
        }))
    }

    /// Channels of which few indices are left, with their epochs: whoever looks after them reserves
    /// more.
    pub fn low(&self) -> Vec<(ChannelId, Epoch)> {
        let counters = self.lock();
        let low = counters.iter().filter(|it| it.1.left() < u64::from(BLOCK.get() / 2));
        low.map(|(channel, counter)| (*channel, counter.epoch)).collect()
    }

    /// Gives out no index below `index` any more.
    pub fn raise(&self, channel: &ChannelId, epoch: Epoch, index: TicketIndex) {
        let mut counters = self.lock();
        let counter = at_epoch(&mut counters, *channel, epoch);
        if counter.epoch == epoch {
            counter.next = counter.next.max(index);
        }
    }

    /// Nothing but numbers changes while it is locked, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Counter>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counter of a channel, which a later epoch begins anew.
fn at_epoch(
    counters: &mut BTreeMap<ChannelId, Counter>,
    channel: ChannelId,
    epoch: Epoch,
) -> &mut Counter {
    let new = Counter { epoch, next: TicketIndex::ZERO, reserved: TicketIndex::ZERO };
    let counter = counters.entry(channel).or_insert(new);
    if counter.epoch < epoch {
        *counter = new;
    }
    counter
}

impl Counter {
    const fn left(&self) -> u64 {
        self.reserved.get().saturating_sub(self.next.get())
    }
}

impl fmt::Debug for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indices").field("channels", &self.lock().len()).finish_non_exhaustive()
    }
}
