//! Where tickets stand in their channel: indices, intervals of them, and epochs.

use std::fmt;
use std::num::NonZeroU32;

use crate::OutOfRange;

/// The number of a ticket in its channel and epoch, from 0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TicketIndex(u64);

impl TicketIndex {
    /// The first.
    pub const ZERO: Self = Self(0);

    /// The largest: 48 bits. No ticket has it, for every interval ends at an index.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The index of this number.
    ///
    /// # Errors
    /// [`OutOfRange`] above [`TicketIndex::MAX`].
    pub fn new(number: u64) -> Result<Self, OutOfRange> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(Self::too_large(number)) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The index after so many.
    ///
    /// # Errors
    /// [`OutOfRange`] if that is above [`TicketIndex::MAX`].
    pub fn after(self, offset: IndexOffset) -> Result<Self, OutOfRange> {
        // Of 48 and 32 bits: the sum has 49.
        Self::new(self.0.saturating_add(u64::from(offset.get())))
    }

    /// As a ticket carries it, the highest byte first.
    pub fn to_bytes(self) -> [u8; 6] {
        let [_, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From what a ticket carries.
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        let mut wide = [0; 8];
        let [_, _, number @ ..] = &mut wide;
        *number = bytes;
        Self(u64::from_be_bytes(wide))
    }

    fn too_large(number: u64) -> OutOfRange {
        OutOfRange { what: "ticket index", value: number.into(), min: 0, max: Self::MAX.0.into() }
    }
}

impl fmt::Display for TicketIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many indices a ticket stands for: 1 for a plain one, more for an aggregate.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IndexOffset(NonZeroU32);

impl IndexOffset {
    /// Of a plain ticket.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// So many.
    ///
    /// # Errors
    /// [`OutOfRange`] for 0.
    pub fn new(count: u32) -> Result<Self, OutOfRange> {
        let (value, max) = (count.into(), u32::MAX.into());
        let none = OutOfRange { what: "index offset", value, min: 1, max };
        NonZeroU32::new(count).map(Self).ok_or(none)
    }

    /// How many.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for IndexOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<NonZeroU32> for IndexOffset {
    fn from(count: NonZeroU32) -> Self {
        Self(count)
    }
}

/// The indices that a ticket stands for: from the first, as many as its offset.
///
/// Its end is an index too, that to which the ledger moves a channel when it takes the ticket.
///
/// ```
/// use meshwork_tickets::{IndexOffset, Interval, TicketIndex};
///
/// let aggregate = Interval::new(TicketIndex::new(4)?, IndexOffset::new(3)?)?;
/// assert_eq!(aggregate.end(), TicketIndex::new(7)?);
/// let next = Interval::new(aggregate.end(), IndexOffset::ONE)?;
/// assert!(!aggregate.overlaps(&next));
/// # Ok::<_, meshwork_tickets::OutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Interval {
    first: TicketIndex,
    offset: IndexOffset,
    end: TicketIndex,
}

impl Interval {
    /// That of the first index alone.
    pub const FIRST: Self =
        Self { first: TicketIndex::ZERO, offset: IndexOffset::ONE, end: TicketIndex(1) };

    /// So many indices from `first`.
    ///
    /// # Errors
    /// [`OutOfRange`] if its end is above [`TicketIndex::MAX`].
    pub fn new(first: TicketIndex, offset: IndexOffset) -> Result<Self, OutOfRange> {
        Ok(Self { first, offset, end: first.after(offset)? })
    }

    /// The index of a plain ticket alone.
    ///
    /// # Errors
    /// [`OutOfRange`] for [`TicketIndex::MAX`].
    pub fn of_one(index: TicketIndex) -> Result<Self, OutOfRange> {
        Self::new(index, IndexOffset::ONE)
    }

    /// The smallest interval that has both in it.
    ///
    /// # Errors
    /// [`OutOfRange`] if it is longer than any [`IndexOffset`].
    pub fn covering(&self, other: &Self) -> Result<Self, OutOfRange> {
        let (first, end) = (self.first.min(other.first), self.end.max(other.end));
        let length = end.0.saturating_sub(first.0);
        let offset = u32::try_from(length).map_err(|_| OutOfRange {
            what: "index offset",
            value: length.into(),
            min: 1,
            max: u32::MAX.into(),
        })?;
        Self::new(first, IndexOffset::new(offset)?)
    }

    /// Its first index.
    pub const fn first(&self) -> TicketIndex {
        self.first
    }

    /// How many indices are in it.
    pub const fn offset(&self) -> IndexOffset {
        self.offset
    }

    /// The first index after it.
    pub const fn end(&self) -> TicketIndex {
        self.end
    }

    /// Whether `index` is in it.
    pub fn contains(&self, index: TicketIndex) -> bool {
        (self.first..self.end).contains(&index)
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.end <= self.end
    }

    /// Whether any index is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.end && other.first < self.end
    }
}

/// How often a channel was closed, and so which of its lives a ticket is of.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(u32);

impl Epoch {
    /// The largest: 24 bits.
    pub const MAX: Self = Self((1 << 24) - 1);

    /// The epoch of this number.
    ///
    /// # Errors
    /// [`OutOfRange`] above [`Epoch::MAX`].
    pub fn new(number: u32) -> Result<Self, OutOfRange> {
        if number <= Self::MAX.0 {
            return Ok(Self(number));
        }
        let (value, max) = (number.into(), Self::MAX.0.into());
        Err(OutOfRange { what: "channel epoch", value, min: 0, max })
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after it.
    ///
    /// # Errors
    /// [`OutOfRange`] after [`Epoch::MAX`].
    pub fn next(self) -> Result<Self, OutOfRange> {
        // Of 24 bits: the sum has 25.
        Self::new(self.0.saturating_add(1))
    }

    /// As a ticket carries it, the highest byte first.
    pub fn to_bytes(self) -> [u8; 3] {
        let [_, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// From what a ticket carries.
    pub fn from_bytes(bytes: [u8; 3]) -> Self {
        let mut wide = [0; 4];
        let [_, number @ ..] = &mut wide;
        *number = bytes;
        Self(u32::from_be_bytes(wide))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
