//! One of two nodes: a book, and what a session is told about it.

use std::sync::Arc;

use machine::{PeerId, UnixTime};
use orders::Network;
use ordersync::zeroex::{Order, Wanted};
use ordersync::{
    Admission, Admitted, Book, Context, Entry, Form, Holding, Inserted, ItemId, Leave, Rejected,
    Subprotocols, book, paging, riblt,
};

use crate::Failure;

/// One of two nodes.
pub(crate) struct Side {
    pub(crate) book: Arc<Book<Order>>,
    filter: Wanted,
}

impl Side {
    /// A node with the default room, and these orders.
    pub(crate) fn new(seed: u8, orders: &[Entry<Order>]) -> Result<Self, Failure> {
        let filter = Wanted::new(Network::MAINNET, "{}")?;
        let book = Book::new(book::Config::default().check()?, [seed; 32]);
        let side = Self { book: Arc::new(book.holding_only(filter.clone())), filter };
        side.hold(orders);
        Ok(side)
    }

    /// Holds these too.
    pub(crate) fn hold(&self, orders: &[Entry<Order>]) -> Vec<Inserted> {
        let received = UnixTime::from_millis(0);
        let hold = |entry: &Entry<_>| Holding { entry: entry.clone(), received, pinned: false };
        self.book.insert(orders.iter().map(hold).collect())
    }

    /// Takes orders in without checking them.
    pub(crate) fn admit(&self, orders: &[Entry<Order>]) -> Vec<Admission> {
        let admitted = |(entry, inserted): (&Entry<_>, Inserted)| {
            let outcome = match inserted {
                Inserted::New { .. } => Ok(Admitted::New),
                Inserted::Known => Ok(Admitted::Known),
                Inserted::Full => Err(Rejected::Full),
            };
            Admission { id: entry.id, outcome }
        };
        orders.iter().zip(self.hold(orders)).map(admitted).collect()
    }

    /// Whether both hold the same.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.book.summary() == other.book.summary() && self.ids() == other.ids()
    }

    /// Whether this one holds all that the other does.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.ids().iter().all(|id| self.book.contains(id))
    }

    fn ids(&self) -> Vec<ItemId> {
        self.book.ids(&self.filter)
    }

    /// What a session is told.
    pub(crate) fn context(&self, form: Form, page: usize, secret: [u8; 32]) -> Context<Order> {
        Context {
            book: Arc::clone(&self.book),
            peer: PeerId::random(),
            form,
            filter: self.filter.clone(),
            page,
            secret,
            scans: Leave::fixed(true),
            push: true,
        }
    }
}

/// What a node of ours offers.
pub(crate) fn ours(form: Form) -> Result<Subprotocols<Order>, Failure> {
    let both = Subprotocols::new().with(riblt::Riblt)?.with(paging::V1::default())?;
    Ok(if form == Form::Json { both.with(paging::V0)? } else { both })
}

/// What a node of 0x-Mesh offers.
pub(crate) fn legacy() -> Result<Subprotocols<Order>, Failure> {
    Ok(Subprotocols::new().with(paging::V1::default())?.with(paging::V0)?)
}
