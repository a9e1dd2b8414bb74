//! A ledger in a file.

use std::sync::Arc;

use futures::executor::block_on;
use tickets::ledger::{
    Call, Code, Genesis, Ledger, LocalLedger, OpenLedgerError, Params, Signer, Store as _,
};
use tickets::{Address, Amount, ChainKey, UnixTime};

use super::queue::storage;
use crate::row::Change;
use crate::schema::Table;
use crate::storage::Storage;

fn params() -> Params {
    Genesis::default().check().unwrap()
}

fn open(storage: &Storage) -> Result<LocalLedger, OpenLedgerError> {
    let clock = Box::new(|| UnixTime(7));
    block_on(LocalLedger::open(params(), Arc::new(storage.ledger()), clock))
}

fn signer(ledger: &LocalLedger) -> Signer {
    let key = ChainKey::from_bytes(&[1; 32]).unwrap();
    Signer::new(key, Arc::new(ledger.clone()) as Arc<dyn Ledger>, ledger.replica().clone())
}

#[test]
fn a_ledger_goes_on_where_it_was() {
    let storage = storage();
    let before = open(&storage).unwrap();
    let alice = signer(&before);
    block_on(alice.submit(&Call::Claim)).unwrap();
    let (destination, amount) = (Address([2; 20]), Amount::new(5).unwrap());
    block_on(alice.submit(&Call::Open { destination, amount })).unwrap();
    let digest = before.replica().read(tickets::ledger::State::digest);

    let after = open(&storage).unwrap();
    assert_eq!(after.replica().read(tickets::ledger::State::digest), digest);
    let again = block_on(signer(&after).submit(&Call::Claim)).unwrap_err();
    assert_eq!(again.code(), Some(Code::AlreadyClaimed));
}

/// What is left of a ledger is not the truth about anybody's money.
#[test]
fn a_row_that_cannot_be_read_fails_the_load() {
    let storage = storage();
    block_on(signer(&open(&storage).unwrap()).submit(&Call::Claim)).unwrap();
    let (table, key, value) = (Table::Ledger, b"c?".to_vec(), vec![1]);
    block_on(storage.queue().write(vec![Change::Put { table, key, value }])).unwrap();
    let refused = block_on(storage.ledger().load()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ledger store failed: 1 rows of the ledger cannot be read, must be none"
    );
    assert!(matches!(open(&storage), Err(OpenLedgerError::Store(_))));
}
