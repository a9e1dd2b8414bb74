//! The ledger's vectors on the specification page, made anew.

use bytes::Bytes;
use libp2p_identity::Keypair;
use meshwork_tickets::ledger::{
    Call, Entry, Genesis, SignedAnnouncement, SignedTransaction, State, Update,
};
use meshwork_tickets::{DomainSeparator, UnixTime, keccak256};

use crate::common::{amount, issuer, redeemer};
use crate::page;

/// What is signed, by the words of the page.
fn signed(body: &[u8], separator: &DomainSeparator) -> [u8; 32] {
    let kind = keccak256(b"MeshworkLedgerTransaction(bytes body)");
    let typed = keccak256(&[kind, keccak256(body)].concat());
    keccak256(&[b"\x19\x01".as_slice(), &separator.0, &typed].concat())
}

/// The bytes that were signed: those of field 1, which a signature of 64 bytes follows.
fn body(transaction: &Bytes) -> Bytes {
    let rest = transaction.slice(1..transaction.len() - 66);
    let len = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    rest.slice(len..)
}

fn frame(entry: Entry) -> Bytes {
    let frames: Vec<_> = Update::Entry(entry).into_frames().collect();
    let [frame] = &frames[..] else { panic!("one frame, not {}", frames.len()) };
    frame.clone()
}

/// Has the issuer ask for something; what the page has of it.
fn take(state: &mut State, at: u64, nonce: u64, call: &Call) -> [Vec<u8>; 5] {
    let separator = *state.params().separator();
    let transaction = SignedTransaction::new(&issuer(), &separator, nonce, call);
    let bytes = transaction.to_bytes();
    let digest = signed(&body(&bytes), &separator);
    let (version, at, before) = (state.version() + 1, UnixTime(at), *state.chain());
    let entry = Entry { version, at, before, transaction };
    state.apply(&entry).unwrap();
    let (chain, hash) = (state.chain().to_vec(), state.digest().to_vec());
    [digest.to_vec(), bytes.to_vec(), frame(entry).to_vec(), chain, hash]
}

#[test]
fn the_ledger_of_the_page() {
    let separator = DomainSeparator([7; 32]);
    let genesis = Genesis { separator, grant: amount(1_000), notice: 300, ..Genesis::default() };
    let params = genesis.check().unwrap();
    let mut state = State::new(params);
    let begin = [params.digest(), state.digest()];
    let claim = take(&mut state, 1_700_000_000, 0, &Call::Claim);
    let open = Call::Open { destination: redeemer().address(), amount: amount(600) };
    let open = take(&mut state, 1_700_000_001, 1, &open);
    page::has(&[
        &begin.each_ref().map(|it| &it[..]),
        &claim.each_ref().map(|it| &it[..]),
        &open.each_ref().map(|it| &it[..]),
    ]);

    let rows: Vec<_> = state.rows().map(|row| row.to_bytes()).collect();
    page::has(&[&rows.iter().map(|row| &row[..]).collect::<Vec<_>>()]);

    let peer = Keypair::ed25519_from_bytes([3; 32]).unwrap();
    let addresses = vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()];
    let account = issuer().address();
    let said = SignedAnnouncement::new(&peer, &separator, &account, addresses, true).unwrap();
    let signature = said.signature;
    let announce = Call::Announce(Box::new(said));
    let [_, transaction, ..] = take(&mut state, 1_700_000_002, 2, &announce);
    page::has(&[&[&signature, &transaction]]);
}
