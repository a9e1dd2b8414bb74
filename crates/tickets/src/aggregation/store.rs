//! What survives a restart, and who keeps it.

mod memory;
mod row;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::TICKETS_MAX;
use crate::{
    AcknowledgedTicket, Address, ChannelId, DomainSeparator, Epoch, Response, Ticket, TicketIndex,
};

pub use self::memory::MemoryStore;
pub use self::row::BadRow;

/// A ticket that has won and is not money yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// The ticket. Whoever puts it here has checked it.
    pub ticket: Ticket,
    /// What it waited for.
    pub response: Response,
    /// What may be done with it.
    pub mark: Mark,
}

/// What may be done with a ticket. That it is being aggregated is not a mark: a [`Batch`] lists it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mark {
    /// Everything.
    Untouched,
    /// Its issuer named it as the reason of a refusal: it is redeemed, never aggregated.
    Doubtful,
    /// It is on its way to the ledger, or was when the node stopped.
    BeingRedeemed,
}

impl Held {
    /// One that just won.
    pub fn new(ticket: &AcknowledgedTicket) -> Self {
        let (ticket, response) = (ticket.ticket().leak(), ticket.response().clone());
        Self { ticket, response, mark: Mark::Untouched }
    }

    /// Its key.
    pub const fn key(&self) -> Key {
        let body = &self.ticket.body;
        Key::Held { channel: body.channel, epoch: body.epoch, index: body.interval.first() }
    }
}

/// What a batch is known by: a hash of its channel, its epoch and its tickets in their order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BatchDigest(pub [u8; 32]);

/// Tickets of a channel whose issuer was, or is about to be, asked for one in their place. While it
/// is there he is asked for nothing else: he may have answered, and the answer may be lost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The channel; it has at most one.
    pub channel: ChannelId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The first index of each ticket, ascending. At most [`Batch::MAX`].
    pub indices: Vec<TicketIndex>,
}

impl Batch {
    /// Most tickets of one.
    pub const MAX: usize = TICKETS_MAX;
}

/// A ticket that this node issued in place of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Issued {
    /// Of which.
    pub digest: BatchDigest,
    /// The ticket.
    pub ticket: Ticket,
}

impl Issued {
    /// Its key.
    pub const fn key(&self) -> Key {
        let body = &self.ticket.body;
        Key::Issued { channel: body.channel, epoch: body.epoch, index: body.interval.first() }
    }
}

/// Up to where the indices of a channel may have been given to tickets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutgoingIndex {
    /// The channel.
    pub channel: ChannelId,
    /// Its epoch.
    pub epoch: Epoch,
    /// No ticket has this index or one above it.
    pub reserved: TicketIndex,
}

/// What became of the tickets of a channel, over all its epochs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats {
    /// The channel.
    pub channel: ChannelId,
    /// How many tickets won, aggregates not counted.
    pub won: u64,
    /// How many tickets went into aggregates, other aggregates among them.
    pub aggregated: u64,
    /// Base units that the ledger paid.
    pub redeemed: u128,
    /// Base units of tickets that the ledger does not take any more.
    pub neglected: u128,
}

impl Stats {
    /// Those of a channel that nothing is known of.
    pub const fn new(channel: ChannelId) -> Self {
        Self { channel, won: 0, aggregated: 0, redeemed: 0, neglected: 0 }
    }
}

/// Whose rows they are. Tickets, aggregates and indices mean nothing to another account, or on
/// another ledger, where channels of the same names begin anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The account.
    pub account: Address,
    /// The separator of its ledger.
    pub separator: DomainSeparator,
}

/// One thing that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Row {
    /// A ticket to be redeemed.
    Held(Held),
    /// Tickets to be aggregated.
    Batch(Batch),
    /// An aggregate that others redeem.
    Issued(Issued),
    /// Indices that are spoken for.
    Index(OutgoingIndex),
    /// Sums.
    Stats(Stats),
    /// Whose all others are.
    Owner(Owner),
}

/// What a row is found by.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// Of [`Row::Held`].
    Held {
        /// The channel.
        channel: ChannelId,
        /// Its epoch.
        epoch: Epoch,
        /// The first index of the ticket.
        index: TicketIndex,
    },
    /// Of [`Row::Batch`].
    Batch(ChannelId),
    /// Of [`Row::Issued`].
    Issued {
        /// The channel.
        channel: ChannelId,
        /// Its epoch.
        epoch: Epoch,
        /// The first index of the ticket.
        index: TicketIndex,
    },
    /// Of [`Row::Index`].
    Index(ChannelId),
    /// Of [`Row::Stats`].
    Stats(ChannelId),
    /// Of [`Row::Owner`].
    Owner,
}

/// One change of what is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Keep a row, in place of an earlier one of the same key.
    Put(Row),
    /// Forget what has this key, if anything.
    Remove(Key),
}

/// The disk failed to keep or to return rows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ticket store: {message}")]
pub struct StoreError {
    /// What the store says.
    pub message: String,
}

/// Takes what was kept, part by part.
pub type Loader = Box<dyn FnMut(Vec<Row>) + Send>;

/// Keeps rows over restarts. A future that ends well means that the changes are durable. After one
/// that ends with an error nothing of them is seen in this process; if it was the disk that failed,
/// the next one may see all of them.
///
/// What is asked for takes effect in the order of the calls, whichever future is polled first.
pub trait Store: Send + Sync + 'static {
    /// Hands over all that is kept, in parts of bounded size; says how many rows could not be read.
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, StoreError>>;

    /// Makes `changes` durable, in their order, all or none.
    fn apply(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// All that was kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Tickets to be redeemed.
    pub held: Vec<Held>,
    /// Tickets to be aggregated.
    pub batches: Vec<Batch>,
    /// Aggregates that others redeem.
    pub issued: Vec<Issued>,
    /// Indices that are spoken for.
    pub indices: Vec<OutgoingIndex>,
    /// Sums.
    pub stats: Vec<Stats>,
}

/// Why a node cannot go on with what it kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rows are lost. One of them may be an aggregate or a reservation of indices, and without it
    /// two tickets would get one index.
    #[error("{count} rows of the ticket store cannot be read")]
    Unreadable {
        /// How many.
        count: usize,
    },
    /// They are those of another account, or of another ledger: its name or its key was changed, or
    /// the data are those of another node.
    #[error("the ticket store is that of account {}, or of another ledger", .found.account)]
    AnotherOwner {
        /// Whose they are.
        found: Owner,
        /// Who asked for them.
        expected: Owner,
    },
}

impl Kept {
    /// Loads all of it. What is kept from then on is that of `owner`, who is written down first.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load(store: &dyn Store, owner: Owner) -> Result<Self, LoadError> {
        let loaded = Arc::new(Mutex::new((Self::default(), None)));
        let filled = Arc::clone(&loaded);
        let each = move |rows: Vec<Row>| {
            let mut loaded = filled.lock().unwrap_or_else(PoisonError::into_inner);
            let (kept, found) = &mut *loaded;
            for row in rows {
                kept.add(row, found);
            }
        };
        let count = store.load(Box::new(each)).await?;
        if count > 0 {
            return Err(LoadError::Unreadable { count });
        }
        let (kept, found) =
            std::mem::take(&mut *loaded.lock().unwrap_or_else(PoisonError::into_inner));
        match found {
            Some(found) if found == owner => {}
            Some(found) => return Err(LoadError::AnotherOwner { found, expected: owner }),
            None => store.apply(vec![Change::Put(Row::Owner(owner))]).await?,
        }
        Ok(kept)
    }

    fn add(&mut self, row: Row, owner: &mut Option<Owner>) {
        match row {
            Row::Owner(found) => *owner = Some(found),
            Row::Held(held) => self.held.push(held),
            Row::Batch(batch) => self.batches.push(batch),
            Row::Issued(issued) => self.issued.push(issued),
            Row::Index(index) => self.indices.push(index),
            Row::Stats(stats) => self.stats.push(stats),
        }
    }
}
