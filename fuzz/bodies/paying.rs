//! Tickets and proofs of luck as strangers write them, and a ledger under any history.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use bytes::{Buf, Bytes};
use libp2p_identity::Keypair;
use tickets::ledger::{
    Call, Entry, Genesis, Params, Replica, Row, SignedAnnouncement, SignedTransaction, Snapshot,
    State, Update, UpdateReader,
};
use tickets::vrf::{HashProof, KeyProof, Output, Proof};
use tickets::{
    AcknowledgedTicket, Address, Amount, BadSignature, Body, ChainKey, ChannelId, DomainSeparator,
    Epoch, IndexOffset, Interval, RedeemableTicket, Response, Ticket, TicketIndex, UnixTime,
    Verifier, WinProbability, verify_batch,
};

use super::chunk;

const DOMAIN: DomainSeparator = DomainSeparator([9; 32]);
/// What an account may claim.
const GRANT: u128 = 1_000;
/// Accounts that there is a key for.
const KEYS: u8 = 3;

fn key(number: u8) -> &'static ChainKey {
    static ALL: LazyLock<Vec<ChainKey>> = LazyLock::new(|| {
        let key = |number: u8| ChainKey::from_bytes(&[number + 1; 32]).expect("a small number");
        (0..KEYS).map(key).collect()
    });
    &ALL[usize::from(number % KEYS)]
}

/// A ticket has one form, and one who is bound by it at most, whoever looks for him.
pub(crate) fn ticket(data: &[u8]) {
    let Ok(ticket) = Ticket::from_bytes(data) else { return };
    assert_eq!(ticket.to_bytes(), data);
    assert_eq!(Body::from_bytes(&ticket.body.to_bytes()), Ok(ticket.body));
    let interval = ticket.body.interval;
    assert!(interval.first() < interval.end());
    let nobody = ticket.verify(&Address::ZERO, &DOMAIN);
    let issuer = match nobody {
        Err(BadSignature::Signer { recovered }) => recovered,
        Err(_) => return,
        Ok(_) => unreachable!("nobody has the key of this account"),
    };
    let verified = ticket.verify(&issuer, &DOMAIN).expect("who is recovered is bound");
    assert_eq!(verified.leak(), ticket);
    let verifier = Verifier::new();
    let both = [(ticket, issuer), (ticket, Address::ZERO)];
    // The second time it has met the issuer.
    for _ in 0..2 {
        assert_eq!(verify_batch(&both, &DOMAIN, &verifier), [Ok(verified), nobody]);
    }
}

/// The proofs about luck, each with one form.
pub(crate) fn luck(data: &[u8]) {
    fn same<const LEN: usize, T>(
        data: &[u8],
        read: impl FnOnce(&[u8; LEN]) -> Option<T>,
        write: impl FnOnce(&T) -> [u8; LEN],
    ) {
        if let Ok(bytes) = data.try_into()
            && let Some(value) = read(bytes)
        {
            assert_eq!(&write(&value), bytes);
        }
    }
    same(data, |bytes| Proof::from_bytes(bytes).ok(), Proof::to_bytes);
    same(data, |bytes| HashProof::from_bytes(bytes).ok(), HashProof::to_bytes);
    same(data, |bytes| KeyProof::from_bytes(bytes).ok(), KeyProof::to_bytes);
    same(data, Output::from_bytes, Output::to_bytes);
    same(data, |bytes| Response::from_bytes(bytes).ok(), |response| *response.to_bytes());
}

fn params() -> Params {
    let grant = Amount::new(GRANT).expect("few");
    let genesis =
        Genesis { separator: DOMAIN, grant, notice: 10, accounts_max: 4, channels_max: 3 };
    genesis.check().expect("within bounds")
}

/// Tickets of the channel from the first account to the second, of two epochs: all win.
static TICKETS: LazyLock<Vec<RedeemableTicket>> = LazyLock::new(|| {
    let (source, destination) = (key(0), key(1));
    let ticket = |epoch: u32, first: u64, offset: u32| {
        let response = Response::from_bytes(&[7; 32]).expect("a small number");
        let first = TicketIndex::new(first).expect("a small number");
        let offset = IndexOffset::new(offset).expect("a small number");
        let body = Body {
            channel: ChannelId::between(&source.address(), &destination.address()),
            epoch: Epoch::new(epoch).expect("a small number"),
            interval: Interval::new(first, offset).expect("small numbers"),
            amount: Amount::new(u128::from(offset.get()) * 100).expect("few"),
            probability: WinProbability::ALWAYS,
            challenge: response.challenge_address(),
        };
        let ticket = AcknowledgedTicket::new(body.sign(source, &DOMAIN), response);
        let ticket = ticket.expect("it is the response");
        ticket.into_redeemable(destination, &[3; 64]).expect("it is theirs")
    };
    let cases = [(0, 0, 1), (0, 1, 3), (0, 2, 1), (0, 3, 40), (1, 0, 2)];
    cases.map(|(epoch, first, offset)| ticket(epoch, first, offset)).into()
});

/// That one of sixteen peers is an account, at so many addresses. Made once.
fn announcement(peer: u8, addresses: usize, account: Address) -> SignedAnnouncement {
    type Made = BTreeMap<(u8, usize, Address), SignedAnnouncement>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let make = || {
        let keys = Keypair::ed25519_from_bytes([peer; 32]).expect("32 bytes");
        let at = "/ip4/10.0.0.1/tcp/1".parse().expect("an address");
        let (at, relays) = (vec![at; addresses], peer % 2 == 1);
        let made = SignedAnnouncement::new(&keys, &DOMAIN, &account, at, relays);
        made.expect("few short addresses")
    };
    let mut made = MADE.lock().expect("nothing panics under it");
    made.entry((peer, addresses, account)).or_insert_with(make).clone()
}

/// What one byte asks for, with one more for how much.
fn call(what: u8, much: u8, who: &ChainKey) -> Call {
    let (source, destination) = (key(what >> 4).address(), key(what >> 6).address());
    let channel = ChannelId::between(&source, &destination);
    let amount = Amount::new(u128::from(much) * 10).expect("few");
    match what % 8 {
        0 => {
            // Every fourth is said for somebody else.
            let account = if much % 4 == 3 { Address::ZERO } else { who.address() };
            Call::Announce(Box::new(announcement(what >> 4, usize::from(much % 3), account)))
        }
        1 => Call::Claim,
        2 => Call::Open { destination, amount },
        3 => Call::Fund { channel, amount },
        4 => Call::InitiateClose { channel },
        5 => Call::FinaliseClose { channel },
        6 => Call::CloseIncoming { channel },
        _ => Call::from(&TICKETS[usize::from(what >> 4) % TICKETS.len()]),
    }
}

/// A ledger and one who follows it.
struct Book {
    state: State,
    replica: Replica,
    reader: UpdateReader,
    at: u64,
}

impl Book {
    fn new() -> Self {
        let params = params();
        let (state, replica) = (State::new(params), Replica::new(params));
        Self { state, replica, reader: UpdateReader::new(&params), at: 1 }
    }

    fn nonce(&self, key: &ChainKey) -> u64 {
        self.state.account(&key.address()).map_or(0, |account| account.nonce)
    }

    /// What is refused changes nothing; what is taken, whoever follows takes as well.
    fn apply(&mut self, version: u64, at: u64, transaction: SignedTransaction) {
        let before = self.state.digest();
        let entry = Entry { version, at: UnixTime(at), before: *self.state.chain(), transaction };
        let taken = self.state.apply(&entry);
        assert_eq!(taken.is_err(), self.state.digest() == before);
        assert_eq!(sum(&self.state), self.state.granted(), "nothing comes from nowhere");
        let told = self.tell(Update::Entry(entry));
        let followed = self.replica.update(told);
        assert_eq!(taken.is_ok(), followed.is_ok(), "{taken:?} {followed:?}");
    }

    /// As it arrives.
    fn tell(&mut self, update: Update) -> Update {
        let mut told = None;
        for frame in update.clone().into_frames() {
            assert!(told.is_none() && frame.len() <= Update::FRAME_MAX);
            told = self.reader.push(frame).expect("what is told can be read");
        }
        assert_eq!(told.as_ref(), Some(&update));
        update
    }

    /// One who comes late knows the same.
    fn follow_late(&mut self) {
        let snapshot = Snapshot { rows: self.state.rows().collect() };
        let told = self.tell(Update::Snapshot(Box::new(snapshot)));
        let late = Replica::new(params());
        late.update(told).expect("what a ledger knows is in itself sound");
        let digest = self.state.digest();
        assert_eq!([late.read(State::digest), self.replica.read(State::digest)], [digest; 2]);
    }
}

/// All that anybody has.
fn sum(state: &State) -> u128 {
    let accounts = state.accounts().map(|(_, account)| account.balance.get()).sum::<u128>();
    accounts + state.channels().map(|(_, channel)| channel.balance.get()).sum::<u128>()
}

/// A ledger under any history: transactions of those who may and who may not, and of nobody.
pub(crate) fn ledger(mut data: &[u8]) {
    let mut book = Book::new();
    while let [step, rest @ ..] = data {
        let step = *step;
        data = rest;
        let next = book.state.version() + 1;
        match step % 16 {
            0 => {
                if let Ok(transaction) = SignedTransaction::from_bytes(&chunk(&mut data)) {
                    drop(transaction.read());
                    book.apply(next, book.at, transaction);
                }
            }
            1 => book.at += u64::from(step >> 4),
            2 => {
                // Out of order, or before the one before.
                let transaction = SignedTransaction::new(key(1), &DOMAIN, 0, &Call::Claim);
                book.apply(next + u64::from(step >> 6), book.at.min(1), transaction);
            }
            _ if data.len() >= 2 => {
                let (what, much) = (data.get_u8(), data.get_u8());
                let key = key(step >> 4);
                // Every now and then one that was counted wrong.
                let nonce = book.nonce(key) + u64::from(step % 16 == 3);
                let call = call(what, much, key);
                let transaction = SignedTransaction::new(key, &DOMAIN, nonce, &call);
                let bytes = transaction.to_bytes();
                assert_eq!(SignedTransaction::from_bytes(&bytes).as_ref(), Ok(&transaction));
                assert_eq!(transaction.read().map(|it| it.call).as_ref(), Ok(&call));
                book.apply(next, book.at, transaction);
            }
            _ => {}
        }
    }
    book.follow_late();
}

/// What a hostile ledger tells: each frame after its length in two bytes. What is believed is sound,
/// and a row has one form.
pub(crate) fn ledger_update(mut data: &[u8]) {
    let params = params();
    let (mut reader, replica) = (UpdateReader::new(&params), Replica::new(params));
    if let Ok(row) = Row::from_bytes(data) {
        assert_eq!(Row::from_bytes(&row.to_bytes()), Ok(row));
    }
    while data.len() >= 2 {
        let len = usize::from(data.get_u16()).min(data.len());
        let (frame, rest) = data.split_at(len);
        data = rest;
        let Ok(told) = reader.push(Bytes::copy_from_slice(frame)) else { return };
        let Some(update) = told else { continue };
        let version = replica.version();
        if replica.update(update).is_ok() {
            let now = replica.read(|state| (sum(state), state.granted(), state.version()));
            assert!(now.0 == now.1 && now.2 >= version);
        }
    }
}
