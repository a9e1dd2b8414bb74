//! What is remembered of seeds, by their peer id.

use futures::future::{BoxFuture, FutureExt, ready};
use handshake::seed::{SeedMemory, SeedStore, SeedStoreError};
use libp2p_identity::PeerId;
use machine::UnixTime;

use crate::error::StoreError;
use crate::row::{self, BadRow, Change, Row};
use crate::schema::Table;
use crate::storage::Storage;

/// Remembers seeds over restarts.
///
/// # Bounds
/// One entry for each seed that the operator ever named.
#[derive(Clone, Debug)]
pub struct SeedTable(pub(crate) Storage);

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredSeed {
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    last_success: Option<u64>,
    #[prost(uint32, tag = "2")]
    failures: u32,
}

impl Row for SeedMemory {
    const TABLE: Table = Table::Seeds;
    const WHAT: &'static str = "the memory of a seed";
    const LEN_MAX: usize = 1 + 11 + 6;

    type Message = StoredSeed;

    fn key(&self) -> Vec<u8> {
        self.seed.to_bytes()
    }

    fn to_message(&self) -> Result<StoredSeed, StoreError> {
        let last_success = self.last_success.map(UnixTime::as_millis);
        Ok(StoredSeed { last_success, failures: self.failures })
    }

    fn from_message(key: &[u8], message: StoredSeed) -> Result<Self, BadRow> {
        let seed = PeerId::from_bytes(key).map_err(|_| BadRow::Field { field: "key" })?;
        let last_success = message.last_success.map(UnixTime::from_millis);
        Ok(Self { seed, last_success, failures: message.failures })
    }
}

impl From<StoreError> for SeedStoreError {
    fn from(error: StoreError) -> Self {
        Self { message: error.to_string() }
    }
}

impl SeedStore for SeedTable {
    fn load(&self) -> BoxFuture<'static, Result<Vec<SeedMemory>, SeedStoreError>> {
        let loaded = self.0.queue().load(row::load::<SeedMemory>);
        loaded.map(|loaded| Ok(loaded?.all)).boxed()
    }

    fn put(&self, memory: SeedMemory) -> BoxFuture<'static, Result<(), SeedStoreError>> {
        match Change::put(&memory) {
            Ok(change) => {
                let kept = self.0.queue().write(vec![change]);
                kept.map(|kept| kept.map_err(Into::into)).boxed()
            }
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::check_round_trip;

    #[test]
    fn what_is_remembered_survives() {
        for last_success in [None, Some(0), Some(u64::MAX)] {
            for failures in [0, 3, u32::MAX] {
                let last_success = last_success.map(UnixTime::from_millis);
                check_round_trip(&SeedMemory { seed: PeerId::random(), last_success, failures });
            }
        }
    }
}
