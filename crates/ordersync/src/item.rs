//! What is synchronised: items that are named by a hash, and filters over them.

use std::fmt;
use std::sync::Arc;

use machine::UnixTime;

use crate::service::Protocol;

/// Names an item: 32 bytes that are a hash of all that matters about it.
///
/// Ids are ordered by their bytes, and pages go upwards in that order.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ItemId(pub [u8; 32]);

impl ItemId {
    /// The lowest id: where paging begins.
    pub const ZERO: Self = Self([0; 32]);
    /// The highest id.
    pub const MAX: Self = Self([0xff; 32]);

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes that are not an item, a filter or a page: which field, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadItem {
    /// Where.
    pub field: String,
    /// What.
    pub problem: String,
}

impl BadItem {
    /// `problem` is lower case, without a full stop.
    pub fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { field: field.into(), problem: problem.to_string() }
    }
}

/// Something that peers bring together.
///
/// Nothing here is about orders: an item has a name, forms on the wire, and a time after which
/// nobody wants it.
pub trait Item: Clone + fmt::Debug + Send + Sync + 'static {
    /// What a peer may restrict a sync to.
    type Filter: Filter<Self>;

    /// Its name. May be slow (a hash): ask once and keep an [`Entry`].
    fn id(&self) -> ItemId;

    /// When it ends being of use; `None` if never.
    fn expires(&self) -> Option<UnixTime>;

    /// Its JSON, in the one canonical form.
    fn to_json(&self) -> String;

    /// Reads its JSON.
    ///
    /// # Errors
    /// [`BadItem`], which names the field.
    ///
    /// # Bounds
    /// Refuses what is longer than the item type allows before it allocates for it.
    fn from_json(raw: &str) -> Result<Self, BadItem>;

    /// A page of items as bytes, for our own envelope. Also how one item is stored.
    fn encode_batch(items: &[&Self]) -> Vec<u8>;

    /// Reads a page of at most `items_max` items.
    ///
    /// # Errors
    /// [`BadItem`] if any part of it is wrong.
    ///
    /// # Bounds
    /// Allocates no more than `items_max` items of the largest size.
    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem>;
}

/// Which items a peer wants.
pub trait Filter<I>: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Whether it wants this one.
    fn matches(&self, item: &I) -> bool;

    /// What it costs to ask whether it wants this one, in looks at an item: at least 1, some 0.6 µs,
    /// which is what it takes to fetch a cold item from memory. Told without asking. Default: 1.
    ///
    /// Who went through many items for a peer would otherwise be as busy as the peer likes.
    fn cost(&self, _item: &I) -> usize {
        1
    }

    /// Whether it wants every item that there can be.
    fn is_everything(&self) -> bool;

    /// Whether it wants all that `held` wants. What is kept up to date for the whole book answers
    /// such a filter, if the book holds nothing else. Default: if it wants everything, or
    /// just this.
    fn covers(&self, held: &Self) -> bool {
        self.is_everything() || self == held
    }

    /// Whether a book of a node with this filter can hold anything that `asked` wants. Default: it
    /// can.
    fn overlaps(&self, _asked: &Self) -> bool {
        true
    }

    /// What of it a session in `protocol` is about: where the protocol says which kind of items it
    /// carries, no filter does. Default: all of it.
    #[must_use]
    fn carried_by(self, _protocol: Protocol) -> Self {
        self
    }

    /// What of it a session is about that is about `own`: of the kinds of items that
    /// [`carried_by`](Self::carried_by) has left there. Default: all of it.
    #[must_use]
    fn narrowed_to(self, _own: &Self) -> Self {
        self
    }

    /// As JSON, in the one canonical form.
    fn to_json(&self) -> String;

    /// Reads its JSON; `null` reads as a filter that wants everything.
    ///
    /// # Errors
    /// [`BadItem`].
    fn from_json(raw: &str) -> Result<Self, BadItem>;

    /// As bytes, for our own envelope.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    /// Reads what [`Self::to_bytes`] makes.
    ///
    /// # Errors
    /// [`BadItem`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, BadItem> {
        let text = std::str::from_utf8(bytes).map_err(|error| BadItem::new("filter", error))?;
        Self::from_json(text)
    }
}

/// An item beside its id, which was computed here and is not a claim.
#[derive(Debug)]
pub struct Entry<I> {
    /// Its name.
    pub id: ItemId,
    /// The item.
    pub item: Arc<I>,
}

impl<I: Item> Entry<I> {
    /// Computes the id of `item`.
    pub fn new(item: I) -> Self {
        Self { id: item.id(), item: Arc::new(item) }
    }
}

impl<I> Clone for Entry<I> {
    fn clone(&self) -> Self {
        Self { id: self.id, item: Arc::clone(&self.item) }
    }
}

impl<I> PartialEq for Entry<I> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<I> Eq for Entry<I> {}
