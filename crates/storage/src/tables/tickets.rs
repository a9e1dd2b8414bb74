//! The tickets that are worth something and what has to be known of others, by kind, channel, epoch
//! and index. Their bytes are those of their crate.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use tickets::aggregation::{self, Change as TicketChange, Loader};

use super::parts::load_in_parts;
use crate::error::StoreError;
use crate::row::{BadRow, Change, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps tickets that are held, batches that are on their way, aggregates that were issued, indices
/// that are reserved, and sums, over restarts.
///
/// A load hands over the rows of one kind after the other, those of a kind by channel, epoch and
/// index, in parts between which others read and write. A load that ends with an error has handed
/// over what it came to before.
///
/// Whether changes that ended with an error are there after a restart is known of none that met the
/// disk while it failed; nothing can be changed or read then until the file is opened anew.
///
/// # Bounds
/// At most 131,072 changes at once; a part of a load has at most 512 rows. How many rows there are
/// is up to those who write them. A ticket takes 250 to 470 bytes of the file, as full as its pages
/// are.
///
/// # Security
/// The responses of the tickets that are held are in the file, and with them their worth to whoever
/// has the redeemer's key as well.
#[derive(Clone, Debug)]
pub struct TicketTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredTicketRow {
    /// The row as the crate of tickets writes it.
    #[prost(bytes = "bytes", tag = "1")]
    row: Bytes,
}

impl Row for aggregation::Row {
    const TABLE: Table = Table::Tickets;
    const WHAT: &'static str = "a row of tickets";
    const LEN_MAX: usize = 1 + (3 + 3_100);

    type Message = StoredTicketRow;

    fn key(&self) -> Vec<u8> {
        Self::key(self).to_bytes()
    }

    fn to_message(&self) -> Result<StoredTicketRow, StoreError> {
        Ok(StoredTicketRow { row: self.to_bytes().into() })
    }

    fn from_message(key: &[u8], message: StoredTicketRow) -> Result<Self, BadRow> {
        let row = Self::from_bytes(&message.row);
        let row = row.map_err(|_| BadRow::Field { field: "row" })?;
        if row.key().to_bytes() != key {
            return Err(BadRow::Field { field: "key" });
        }
        Ok(row)
    }
}

fn row_of(change: TicketChange) -> Result<Change, StoreError> {
    match change {
        TicketChange::Put(row) => Change::put(&row),
        TicketChange::Remove(key) => {
            Ok(Change::Remove { table: Table::Tickets, key: key.to_bytes() })
        }
    }
}

impl From<StoreError> for aggregation::StoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl aggregation::Store for TicketTable {
    fn load(&self, each: Loader) -> BoxFuture<'static, Result<usize, aggregation::StoreError>> {
        let loaded = load_in_parts(self.0.queue(), each);
        loaded.map(|loaded| loaded.map_err(Into::into)).boxed()
    }

    fn apply(
        &self,
        changes: Vec<TicketChange>,
    ) -> BoxFuture<'static, Result<(), aggregation::StoreError>> {
        match changes.into_iter().map(row_of).collect::<Result<Vec<_>, _>>() {
            Ok(rows) => self.0.queue().write(rows).map(|kept| kept.map_err(Into::into)).boxed(),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tickets::aggregation::{
        Batch, BatchDigest, Held, Issued, Mark, OutgoingIndex, Row as TicketRow, Stats,
    };
    use tickets::{ChannelId, Epoch, Response, Ticket, TicketIndex};

    use super::*;
    use crate::row::tests::check_round_trip;

    /// A ticket of the largest numbers that there are.
    fn ticket() -> Ticket {
        let mut bytes = [0xff; Ticket::LEN];
        // The amount is below 10²⁵, the interval ends at the largest index.
        bytes[32..34].fill(0);
        bytes[44..54].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1]);
        Ticket::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn every_kind_survives() {
        let (channel, epoch) = (ChannelId([0xff; 32]), Epoch::MAX);
        let response = Response::from_bytes(&[1; 32]).unwrap();
        for mark in [Mark::Untouched, Mark::Doubtful, Mark::BeingRedeemed] {
            let held = Held { ticket: ticket(), response: response.clone(), mark };
            check_round_trip(&TicketRow::Held(held));
        }
        let digest = BatchDigest([0xff; 32]);
        check_round_trip(&TicketRow::Issued(Issued { digest, ticket: ticket() }));
        let reserved = TicketIndex::MAX;
        check_round_trip(&TicketRow::Index(OutgoingIndex { channel, epoch, reserved }));
        check_round_trip(&TicketRow::Stats(Stats {
            channel,
            won: u64::MAX,
            aggregated: u64::MAX,
            redeemed: u128::MAX,
            neglected: u128::MAX,
        }));
        for count in [0, 1, Batch::MAX] {
            let indices = (0..).map(|index| TicketIndex::new(index).unwrap()).take(count);
            let batch = Batch { channel, epoch, indices: indices.collect() };
            check_round_trip(&TicketRow::Batch(batch));
        }
    }

    #[test]
    fn a_row_under_the_key_of_another_is_none() {
        let row = |channel| TicketRow::Stats(Stats::new(ChannelId([channel; 32])));
        let key = row(1).key().to_bytes();
        let message = row(2).to_message().unwrap();
        let refused = TicketRow::from_message(&key, message);
        assert!(matches!(refused, Err(BadRow::Field { field: "key" })));
    }
}
