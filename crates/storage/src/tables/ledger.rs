//! The ledger that this node keeps for itself and others: accounts, channels and where it stands.

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use tickets::ledger;

use super::parts::collect;
use crate::error::StoreError;
use crate::row::{BadRow, Change, Loaded, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Keeps a ledger over restarts.
///
/// A row that cannot be read fails the load: of money, what is left over is not the truth.
///
/// # Bounds
/// How many rows there are is up to the ledger, whose genesis bounds them. An account takes up to
/// 2.5 KB of the file, a channel some 200 bytes.
#[derive(Clone, Debug)]
pub struct LedgerTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredLedgerRow {
    /// The row as the crate of tickets writes it.
    #[prost(bytes = "bytes", tag = "1")]
    row: Bytes,
}

impl Row for ledger::Row {
    const TABLE: Table = Table::Ledger;
    const WHAT: &'static str = "a row of the ledger";
    const LEN_MAX: usize = 1 + (3 + Self::LEN_MAX);

    type Message = StoredLedgerRow;

    fn key(&self) -> Vec<u8> {
        Self::key(self).to_bytes()
    }

    fn to_message(&self) -> Result<StoredLedgerRow, StoreError> {
        Ok(StoredLedgerRow { row: self.to_bytes() })
    }

    fn from_message(key: &[u8], message: StoredLedgerRow) -> Result<Self, BadRow> {
        let row = Self::from_bytes(&message.row);
        let row = row.map_err(|_| BadRow::Field { field: "row" })?;
        if row.key().to_bytes() != key {
            return Err(BadRow::Field { field: "key" });
        }
        Ok(row)
    }
}

impl From<StoreError> for ledger::StoreError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Busy { .. } => Self::Busy { message },
            StoreError::TooLong { .. }
            | StoreError::TooMany { .. }
            | StoreError::Failed { .. }
            | StoreError::Closed => Self::Failed { message },
        }
    }
}

impl ledger::Store for LedgerTable {
    fn load(&self) -> BoxFuture<'static, Result<Vec<ledger::Row>, ledger::StoreError>> {
        let loaded = collect(self.0.queue(), |row| row);
        let whole = |Loaded { all, skipped }| match skipped {
            0 => Ok(all),
            rows => Err(ledger::StoreError::Failed {
                message: format!("{rows} rows of the ledger cannot be read, must be none"),
            }),
        };
        loaded.map(move |loaded| loaded.map_err(Into::into).and_then(whole)).boxed()
    }

    fn commit(&self, rows: Vec<ledger::Row>) -> BoxFuture<'static, Result<(), ledger::StoreError>> {
        match rows.iter().map(Change::put).collect::<Result<Vec<_>, _>>() {
            Ok(rows) => self.0.queue().write(rows).map(|kept| kept.map_err(Into::into)).boxed(),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p_identity::Keypair;
    use tickets::ledger::{Account, Announcement, Head, Row as LedgerRow};
    use tickets::{Address, Amount, Channel, ChannelStatus, Epoch, TicketIndex, UnixTime};

    use super::*;
    use crate::row::tests::check_round_trip;

    fn head() -> LedgerRow {
        let (version, granted, chain) = (u64::MAX, u128::MAX, [0xff; 32]);
        LedgerRow::Head(Head {
            genesis: [0xff; 32],
            version,
            at: UnixTime(u64::MAX),
            chain,
            granted,
        })
    }

    fn channel(status: ChannelStatus) -> LedgerRow {
        LedgerRow::Channel(Channel {
            source: Address([0xff; 20]),
            destination: Address([0xfe; 20]),
            balance: Amount::MAX,
            index: TicketIndex::MAX,
            status,
            epoch: Epoch::MAX,
        })
    }

    fn account(announcement: Option<Announcement>) -> LedgerRow {
        let account =
            Account { balance: Amount::MAX, nonce: u64::MAX, claimed: true, announcement };
        LedgerRow::Account { address: Address([0xff; 20]), account }
    }

    /// As many addresses as there may be, each as long as it may be.
    fn longest() -> Announcement {
        let peer = Keypair::ed25519_from_bytes([7; 32]).unwrap().public().to_peer_id();
        let address = format!("/dns4/{}/tcp/65535", "x".repeat(250)).parse().unwrap();
        Announcement { peer, addresses: vec![address; Announcement::ADDRESSES_MAX], relays: true }
    }

    #[test]
    fn every_kind_survives() {
        let since = UnixTime(u64::MAX);
        let states =
            [ChannelStatus::Closed, ChannelStatus::Open, ChannelStatus::PendingToClose { since }];
        for status in states {
            check_round_trip(&channel(status));
        }
        check_round_trip(&head());
        check_round_trip(&account(None));
        check_round_trip(&account(Some(longest())));
        check_round_trip(&account(Some(Announcement { relays: false, ..longest() })));
    }

    #[test]
    fn a_row_under_the_key_of_another_is_none() {
        let message = head().to_message().unwrap();
        let refused = LedgerRow::from_message(b"a", message);
        assert!(matches!(refused, Err(BadRow::Field { field: "key" })));
    }
}
