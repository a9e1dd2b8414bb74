//! Bytes: what comes back, what is refused, and that nothing panics.

use bytes::Bytes;
use libp2p_identity::Keypair;
use meshwork_tickets::UnixTime;
use meshwork_tickets::ledger::{
    BadUpdate, Call, Code, Entry, Genesis, Row, SignedAnnouncement, SignedTransaction, Snapshot,
    State, Transaction, Update, UpdateReader,
};
use proptest::prelude::*;

use super::world::{ALICE, BOB, Promise, World, address, between, genesis, key, open, params};
use crate::common::amount;

fn calls() -> Vec<Call> {
    let channel = between(ALICE, BOB);
    let peer = Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let addresses = vec!["/dns4/localhost/tcp/1".parse().unwrap(); 8];
    let said =
        SignedAnnouncement::new(&peer, &genesis().separator, &address(ALICE), addresses, true);
    vec![
        Call::Announce(Box::new(said.unwrap())),
        Call::Claim,
        open(BOB, 100),
        Call::Fund { channel, amount: amount(1) },
        Call::InitiateClose { channel },
        Call::FinaliseClose { channel },
        Call::CloseIncoming { channel },
        Promise::new(ALICE, BOB, 0).redeem(),
    ]
}

fn signed(nonce: u64, call: &Call) -> SignedTransaction {
    SignedTransaction::new(&key(ALICE), &genesis().separator, nonce, call)
}

#[test]
fn every_call_comes_back() {
    for (nonce, call) in [0, 1, u64::MAX]
        .into_iter()
        .flat_map(|nonce| calls().into_iter().map(move |call| (nonce, call)))
    {
        let transaction = signed(nonce, &call);
        let read = SignedTransaction::from_bytes(&transaction.to_bytes()).unwrap();
        assert_eq!(read, transaction);
        assert_eq!(read.verify(&address(ALICE), &genesis().separator), Ok(()));
        assert_eq!(read.read(), Ok(Transaction { sender: address(ALICE), nonce, call }));
    }
}

#[test]
fn a_transaction_that_is_too_long() {
    let long = [&[0x0a, 0x81, 0x18][..], &[0; SignedTransaction::BODY_MAX + 1]].concat();
    let refused = SignedTransaction::from_bytes(&long).unwrap_err();
    assert_eq!(refused.to_string(), "malformed signed_transaction.body: too long");
    let refused = SignedTransaction::from_bytes(&[0; 4_000]).unwrap_err();
    assert_eq!(refused.to_string(), "malformed signed_transaction: too long");
    assert!(SignedTransaction::from_bytes(&[]).is_err());
}

#[test]
fn codes_have_numbers_of_their_own() {
    for (at, code) in Code::ALL.iter().enumerate() {
        assert_eq!(usize::try_from(code.number()), Ok(at + 1));
        assert_eq!(Code::from_number(code.number()), Some(*code));
        assert_eq!(code.name(), format!("{code:?}"));
    }
    assert_eq!(Code::from_number(0), None);
    assert_eq!(Code::from_number(28), None);
}

/// A state of many accounts, so that its snapshot has several parts.
fn crowd() -> State {
    let params = Genesis { accounts_max: 300, ..genesis() }.check().unwrap();
    let world = World::paying();
    let mut rows: Vec<_> = world.state.rows().collect();
    let Some(Row::Account { account, .. }) = rows.get(1).cloned() else { panic!("an account") };
    for number in 0..200_u8 {
        let mut account = account.clone();
        account.balance = amount(0);
        rows.push(Row::Account { address: meshwork_tickets::Address([number; 20]), account });
    }
    State::restore(params, rows).unwrap()
}

fn frames(state: &State) -> Vec<Bytes> {
    Update::Snapshot(Box::new(Snapshot { rows: state.rows().collect() })).into_frames().collect()
}

#[test]
fn a_snapshot_comes_in_parts_and_in_order() {
    let state = crowd();
    let frames = frames(&state);
    assert_eq!(frames.len(), 3);
    let read = |frames: &[Bytes]| {
        let mut reader = UpdateReader::new(state.params());
        let mut last = Ok(None);
        for frame in frames {
            last = Ok(reader.push(frame.clone())?);
        }
        last
    };
    let rows = state.rows().collect();
    assert_eq!(read(&frames), Ok(Some(Update::Snapshot(Box::new(Snapshot { rows })))));
    assert_eq!(read(&frames[..2]), Ok(None), "the last is missing");
    let (at, before) = (UnixTime(2), [3; 32]);
    let entry = Entry { version: 1, at, before, transaction: signed(0, &Call::Claim) };
    let entry: Vec<_> = Update::Entry(entry).into_frames().collect();
    assert_eq!(entry.len(), 1);
    for wrong in [
        vec![frames[0].clone(), frames[2].clone()],
        vec![frames[0].clone(), frames[0].clone()],
        vec![frames[0].clone(), entry[0].clone()],
    ] {
        assert_eq!(read(&wrong), Err(BadUpdate::Parts));
    }
}

#[test]
fn a_snapshot_of_more_than_there_may_be() {
    let mut reader = UpdateReader::new(&params());
    let refused = reader.push(frames(&crowd())[0].clone()).unwrap_err();
    assert_eq!(refused, BadUpdate::TooManyRows { rows: 205, max: 18 });
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(transaction) = SignedTransaction::from_bytes(&bytes) {
            let again = SignedTransaction::from_bytes(&transaction.to_bytes()).unwrap();
            prop_assert_eq!(&again, &transaction);
            drop(transaction.read());
        }
        if let Ok(row) = Row::from_bytes(&bytes) {
            prop_assert_eq!(Row::from_bytes(&row.to_bytes()), Ok(row));
        }
        drop(UpdateReader::new(&params()).push(bytes.into()));
    }

    /// A transaction with some of its bytes changed, under a signature that is good for them: none
    /// panics, and none that is read is other than it was written.
    #[test]
    fn a_body_of_any_bytes(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let calls = calls();
        let transaction = signed(1, &calls[which.index(calls.len())]);
        let mut bytes = transaction.to_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut world = World::granted();
        if let Ok(changed) = SignedTransaction::from_bytes(&bytes) {
            let same = changed == transaction;
            prop_assert!(same || world.submit(changed).is_err());
        }
    }
}
