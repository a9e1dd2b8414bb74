//! Rows and keys as bytes: a byte for the kind, then the parts one after the other, numbers with the
//! highest byte first.

use super::{Batch, BatchDigest, Held, Issued, Key, Mark, OutgoingIndex, Owner, Row, Stats};
use crate::{
    Address, BadScalar, BadTicket, ChannelId, DomainSeparator, Epoch, OutOfRange, Response, Ticket,
    TicketIndex,
};

/// Kinds of rows, and of keys.
const HELD: u8 = 1;
const BATCH: u8 = 2;
const ISSUED: u8 = 3;
const INDEX: u8 = 4;
const STATS: u8 = 5;
const OWNER: u8 = 6;

/// Bytes that are no row.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadRow {
    /// The first byte stands for no kind, or is missing.
    #[error("row is of no known kind")]
    Kind,
    /// Too few or too many.
    #[error("row of kind {kind} has {len} bytes, which is not its length")]
    Length {
        /// The kind.
        kind: u8,
        /// How many there are, the kind not counted.
        len: usize,
    },
    /// What may be done with a ticket is none of the marks.
    #[error("mark is {0}, must be 0 to 2")]
    Mark(u8),
    /// The ticket.
    #[error(transparent)]
    Ticket(#[from] BadTicket),
    /// The response.
    #[error("response: {0}")]
    Response(#[from] BadScalar),
    /// The tickets of a batch are too many, or not in order.
    #[error("batch of {count} tickets is not in order, or of more than {}", Batch::MAX)]
    Batch {
        /// How many there are.
        count: usize,
    },
}

impl From<OutOfRange> for BadRow {
    fn from(error: OutOfRange) -> Self {
        Self::Ticket(error.into())
    }
}

impl Key {
    /// Its bytes. They sort by kind, channel, epoch and index.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, channel, place) = match self {
            Self::Owner => return vec![OWNER],
            Self::Held { channel, epoch, index } => (HELD, channel, Some((epoch, index))),
            Self::Batch(channel) => (BATCH, channel, None),
            Self::Issued { channel, epoch, index } => (ISSUED, channel, Some((epoch, index))),
            Self::Index(channel) => (INDEX, channel, None),
            Self::Stats(channel) => (STATS, channel, None),
        };
        let mut bytes = vec![kind];
        bytes.extend(channel.0);
        if let Some((epoch, index)) = place {
            bytes.extend(epoch.to_bytes());
            bytes.extend(index.to_bytes());
        }
        bytes
    }
}

impl Row {
    /// What it is found by.
    pub const fn key(&self) -> Key {
        match self {
            Self::Held(held) => held.key(),
            Self::Batch(batch) => Key::Batch(batch.channel),
            Self::Issued(issued) => issued.key(),
            Self::Index(index) => Key::Index(index.channel),
            Self::Stats(stats) => Key::Stats(stats.channel),
            Self::Owner(_) => Key::Owner,
        }
    }

    /// Its bytes, the key among them. At most 3,100.
    ///
    /// # Security
    /// Those of a ticket that is held show its response, which is what makes it worth something.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Held(Held { ticket, response, mark }) => {
                bytes.push(HELD);
                bytes.extend(ticket.to_bytes());
                bytes.extend(*response.to_bytes());
                bytes.push(match mark {
                    Mark::Untouched => 0,
                    Mark::Doubtful => 1,
                    Mark::BeingRedeemed => 2,
                });
            }
            Self::Batch(Batch { channel, epoch, indices }) => {
                bytes.push(BATCH);
                bytes.extend(channel.0);
                bytes.extend(epoch.to_bytes());
                bytes.extend(indices.iter().flat_map(|index| index.to_bytes()));
            }
            Self::Issued(Issued { digest, ticket }) => {
                bytes.push(ISSUED);
                bytes.extend(digest.0);
                bytes.extend(ticket.to_bytes());
            }
            Self::Index(OutgoingIndex { channel, epoch, reserved }) => {
                bytes.push(INDEX);
                bytes.extend(channel.0);
                bytes.extend(epoch.to_bytes());
                bytes.extend(reserved.to_bytes());
            }
            Self::Stats(Stats { channel, won, aggregated, redeemed, neglected }) => {
                bytes.push(STATS);
                bytes.extend(channel.0);
                bytes.extend([won, aggregated].into_iter().flat_map(|count| count.to_be_bytes()));
                bytes.extend([redeemed, neglected].into_iter().flat_map(|sum| sum.to_be_bytes()));
            }
            Self::Owner(Owner { account, separator }) => {
                bytes.push(OWNER);
                bytes.extend(account.0);
                bytes.extend(separator.0);
            }
        }
        bytes
    }

    /// The row of these bytes. No signature in it is checked: they come from this node's own disk.
    ///
    /// # Errors
    /// [`BadRow`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRow> {
        let (&kind, rest) = bytes.split_first().ok_or(BadRow::Kind)?;
        let mut parts = Parts { kind, len: rest.len(), rest };
        let row = match kind {
            HELD => Self::Held(parts.held()?),
            BATCH => Self::Batch(parts.batch()?),
            ISSUED => {
                let digest = BatchDigest(parts.take()?);
                Self::Issued(Issued { digest, ticket: parts.ticket()? })
            }
            INDEX => Self::Index(OutgoingIndex {
                channel: ChannelId(parts.take()?),
                epoch: Epoch::from_bytes(parts.take()?),
                reserved: TicketIndex::from_bytes(parts.take()?),
            }),
            STATS => Self::Stats(Stats {
                channel: ChannelId(parts.take()?),
                won: u64::from_be_bytes(parts.take()?),
                aggregated: u64::from_be_bytes(parts.take()?),
                redeemed: u128::from_be_bytes(parts.take()?),
                neglected: u128::from_be_bytes(parts.take()?),
            }),
            OWNER => Self::Owner(Owner {
                account: Address(parts.take()?),
                separator: DomainSeparator(parts.take()?),
            }),
            _ => return Err(BadRow::Kind),
        };
        if parts.rest.is_empty() { Ok(row) } else { Err(parts.length()) }
    }
}

/// What is left of a row's bytes.
struct Parts<'a> {
    kind: u8,
    len: usize,
    rest: &'a [u8],
}

impl Parts<'_> {
    const fn length(&self) -> BadRow {
        BadRow::Length { kind: self.kind, len: self.len }
    }

    fn take<const LEN: usize>(&mut self) -> Result<[u8; LEN], BadRow> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.length())?;
        self.rest = rest;
        Ok(*taken)
    }

    fn ticket(&mut self) -> Result<Ticket, BadRow> {
        Ok(Ticket::from_bytes(&self.take::<{ Ticket::LEN }>()?)?)
    }

    fn held(&mut self) -> Result<Held, BadRow> {
        let ticket = self.ticket()?;
        let response = Response::from_bytes(&self.take()?)?;
        let [mark] = self.take()?;
        let mark = match mark {
            0 => Mark::Untouched,
            1 => Mark::Doubtful,
            2 => Mark::BeingRedeemed,
            _ => return Err(BadRow::Mark(mark)),
        };
        Ok(Held { ticket, response, mark })
    }

    fn batch(&mut self) -> Result<Batch, BadRow> {
        let (channel, epoch) = (ChannelId(self.take()?), Epoch::from_bytes(self.take()?));
        let (indices, rest) = self.rest.as_chunks();
        self.rest = rest;
        let indices: Vec<_> = indices.iter().copied().map(TicketIndex::from_bytes).collect();
        if indices.len() > Batch::MAX || !indices.is_sorted_by(|one, next| one < next) {
            return Err(BadRow::Batch { count: indices.len() });
        }
        Ok(Batch { channel, epoch, indices })
    }
}
