//! A ledger of a few accounts, in a value.

use futures::executor::block_on;
use meshwork_tickets::ledger::{
    Account, Applied, Call, Entry, Genesis, Ledger, LocalLedger, Params, Receipt, Redemption,
    Rejected, SignedTransaction, State, Store, SubmitError,
};
use meshwork_tickets::{
    AcknowledgedTicket, Address, Amount, Body, ChainKey, Channel, ChannelId, DomainSeparator,
    Epoch, RedeemableTicket, Response, UnixTime, WinProbability,
};
use std::sync::Arc;

use crate::common::{amount, interval};

pub(crate) const ALICE: u8 = 1;
pub(crate) const BOB: u8 = 2;
pub(crate) const CAROL: u8 = 3;

/// What everybody is granted.
pub(crate) const GRANT: u128 = 1_000;

/// Seconds of notice.
pub(crate) const NOTICE: u64 = 60;

pub(crate) fn genesis() -> Genesis {
    Genesis {
        separator: DomainSeparator([9; 32]),
        grant: amount(GRANT),
        notice: NOTICE,
        accounts_max: 5,
        channels_max: 12,
    }
}

pub(crate) fn params() -> Params {
    genesis().check().unwrap()
}

pub(crate) fn key(who: u8) -> ChainKey {
    ChainKey::from_bytes(&[who; 32]).unwrap()
}

pub(crate) fn address(who: u8) -> Address {
    key(who).address()
}

pub(crate) fn between(source: u8, destination: u8) -> ChannelId {
    ChannelId::between(&address(source), &address(destination))
}

pub(crate) fn open(destination: u8, units: u128) -> Call {
    Call::Open { destination: address(destination), amount: amount(units) }
}

/// A ticket to be, of `source` for `destination`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) source: u8,
    pub(crate) destination: u8,
    pub(crate) first: u64,
    pub(crate) offset: u32,
    pub(crate) epoch: u32,
    pub(crate) units: u128,
    pub(crate) probability: WinProbability,
}

impl Promise {
    /// A ticket of one index in the first epoch, worth 10, that always wins.
    pub(crate) fn new(source: u8, destination: u8, first: u64) -> Self {
        let (offset, epoch, units, probability) = (1, 0, 10, WinProbability::ALWAYS);
        Self { source, destination, first, offset, epoch, units, probability }
    }

    pub(crate) fn body(&self) -> Body {
        Body {
            channel: between(self.source, self.destination),
            epoch: Epoch::new(self.epoch).unwrap(),
            interval: interval(self.first, self.offset),
            amount: amount(self.units),
            probability: self.probability,
            challenge: self.response().challenge_address(),
        }
    }

    pub(crate) fn response(&self) -> Response {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&self.first.to_be_bytes());
        Response::from_bytes(&bytes).unwrap()
    }

    pub(crate) fn redeemable(&self) -> RedeemableTicket {
        let ticket = self.body().sign(&key(self.source), &genesis().separator);
        let ticket = AcknowledgedTicket::new(ticket, self.response()).unwrap();
        ticket.into_redeemable(&key(self.destination), &[7; 64]).unwrap()
    }

    pub(crate) fn redemption(&self) -> Redemption {
        (&self.redeemable()).into()
    }

    pub(crate) fn redeem(&self) -> Call {
        (&self.redeemable()).into()
    }
}

/// A state, the clock beside it, and all that it has taken.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: u64,
    pub(crate) taken: Vec<Entry>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(params())
    }

    pub(crate) fn of(params: Params) -> Self {
        Self { state: State::new(params), now: 1_000, taken: Vec::new() }
    }

    /// Alice, Bob and Carol have their grants.
    pub(crate) fn granted() -> Self {
        let mut world = Self::new();
        for who in [ALICE, BOB, CAROL] {
            world.ask(who, &Call::Claim).unwrap();
        }
        world
    }

    /// Alice pays Bob by a channel that holds 100.
    pub(crate) fn paying() -> Self {
        let mut world = Self::granted();
        world.ask(ALICE, &open(BOB, 100)).unwrap();
        world
    }

    pub(crate) fn nonce(&self, who: u8) -> u64 {
        self.state.account(&address(who)).map_or(0, |account| account.nonce)
    }

    pub(crate) fn entry(&self, transaction: SignedTransaction) -> Entry {
        let (version, before) = (self.state.version() + 1, *self.state.chain());
        Entry { version, at: UnixTime(self.now), before, transaction }
    }

    /// Submits a transaction; one that is refused must leave no trace.
    pub(crate) fn submit(&mut self, transaction: SignedTransaction) -> Result<Applied, Rejected> {
        let entry = self.entry(transaction);
        let before = self.state.digest();
        let answer = self.state.apply(&entry);
        match &answer {
            Ok(_) => self.taken.push(entry),
            Err(_) => assert_eq!(self.state.digest(), before, "a refusal changes nothing"),
        }
        assert_eq!(sum(&self.state), self.state.granted(), "nothing is made or lost");
        answer
    }

    pub(crate) fn ask(&mut self, who: u8, call: &Call) -> Result<Applied, Rejected> {
        let nonce = self.nonce(who);
        self.submit(SignedTransaction::new(&key(who), &genesis().separator, nonce, call))
    }

    /// Asks for what must be refused.
    pub(crate) fn refuse(&mut self, who: u8, call: &Call) -> Rejected {
        self.ask(who, call).expect_err("against the rules")
    }

    pub(crate) fn account(&self, who: u8) -> Account {
        self.state.account(&address(who)).cloned().unwrap_or_default()
    }

    pub(crate) fn balance(&self, who: u8) -> u128 {
        self.account(who).balance.get()
    }

    pub(crate) fn channel(&self, source: u8, destination: u8) -> Channel {
        *self.state.channel(&between(source, destination)).unwrap()
    }
}

/// All that is in accounts and channels.
pub(crate) fn sum(state: &State) -> u128 {
    let accounts = state.accounts().map(|(_, account)| account.balance);
    let channels = state.channels().map(|(_, channel)| channel.balance);
    accounts.chain(channels).map(Amount::get).sum()
}

/// Opens what `store` keeps, at a time that stands still.
pub(crate) fn local(store: impl Store) -> LocalLedger {
    let clock = Box::new(|| UnixTime(1_000));
    block_on(LocalLedger::open(params(), Arc::new(store), clock)).unwrap()
}

/// Submits as the account whose turn it is by the replica.
pub(crate) fn submit(ledger: &LocalLedger, who: u8, call: &Call) -> Result<Receipt, SubmitError> {
    block_on(ledger.submit(next(ledger, who, call)))
}

pub(crate) fn next(ledger: &LocalLedger, who: u8, call: &Call) -> SignedTransaction {
    let nonce = |state: &State| state.account(&address(who)).map_or(0, |account| account.nonce);
    let nonce = ledger.replica().read(nonce);
    SignedTransaction::new(&key(who), &genesis().separator, nonce, call)
}
