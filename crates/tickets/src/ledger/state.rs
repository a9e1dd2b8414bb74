//! What a ledger knows, and who may look up what in it.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;

use super::account::Account;
use super::genesis::Params;
use super::row::{Head, Row};
use crate::{Address, Channel, ChannelId, ChannelStatus, UnixTime};

mod draft;
mod restore;
mod rules;

pub use self::restore::Inconsistent;

/// What a ledger knows: all accounts and channels after some number of entries.
///
/// It is a value: equal entries after an equal [`Genesis`](super::Genesis) make equal states, and
/// nothing but an entry changes one.
///
/// # Bounds
/// Accounts and channels are at most as many as the genesis says.
#[derive(Clone, Debug)]
pub struct State {
    params: Params,
    head: Head,
    accounts: BTreeMap<Address, Account>,
    channels: BTreeMap<ChannelId, Channel>,
    /// Whose each announced peer is.
    peers: BTreeMap<PeerId, Address>,
    /// The channels of each source.
    outgoing: BTreeSet<(Address, ChannelId)>,
    /// The channels of each destination.
    incoming: BTreeSet<(Address, ChannelId)>,
}

/// What an entry changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    head: Head,
    rows: Vec<Row>,
}

impl Applied {
    /// The number of the entry.
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// All rows that are new or other than before, the head among them.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl State {
    /// What is known before the first entry: nothing.
    pub fn new(params: Params) -> Self {
        let genesis = params.digest();
        Self {
            params,
            head: Head { genesis, version: 0, at: UnixTime(0), chain: genesis, granted: 0 },
            accounts: BTreeMap::new(),
            channels: BTreeMap::new(),
            peers: BTreeMap::new(),
            outgoing: BTreeSet::new(),
            incoming: BTreeSet::new(),
        }
    }

    /// What it began with.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The number of the last entry; 0 before the first.
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// When that was taken.
    pub const fn at(&self) -> UnixTime {
        self.head.at
    }

    /// A hash of all entries. Two ledgers with one of these have one history.
    pub const fn chain(&self) -> &[u8; 32] {
        &self.head.chain
    }

    /// All that was ever granted, in base units: the sum of all balances of accounts and channels.
    pub const fn granted(&self) -> u128 {
        self.head.granted
    }

    /// An account, if anything is known of it.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(address)
    }

    /// All accounts, in the order of their names.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (&Address, &Account)> {
        self.accounts.iter()
    }

    /// The account that a peer has announced itself to be.
    pub fn account_of(&self, peer: &PeerId) -> Option<Address> {
        self.peers.get(peer).copied()
    }

    /// The peer that an account has announced itself to be.
    pub fn peer_of(&self, address: &Address) -> Option<PeerId> {
        Some(self.accounts.get(address)?.announcement.as_ref()?.peer)
    }

    /// That peer, if it passes packets on.
    pub fn relay_of(&self, address: &Address) -> Option<PeerId> {
        let said = self.accounts.get(address)?.announcement.as_ref()?;
        said.relays.then_some(said.peer)
    }

    /// A channel that is, or was once, open.
    pub fn channel(&self, id: &ChannelId) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// All channels that are, or were once, open, in the order of their names.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = (&ChannelId, &Channel)> {
        self.channels.iter()
    }

    /// Those that are open now.
    pub fn open_channels(&self) -> impl Iterator<Item = (&ChannelId, &Channel)> {
        self.channels().filter(|(_, channel)| channel.status == ChannelStatus::Open)
    }

    /// The channels by which an account pays.
    pub fn channels_from(&self, source: &Address) -> impl Iterator<Item = (&ChannelId, &Channel)> {
        self.named(&self.outgoing, *source)
    }

    /// The channels by which an account is paid.
    pub fn channels_to(
        &self,
        destination: &Address,
    ) -> impl Iterator<Item = (&ChannelId, &Channel)> {
        self.named(&self.incoming, *destination)
    }

    fn named<'a>(
        &'a self,
        index: &'a BTreeSet<(Address, ChannelId)>,
        account: Address,
    ) -> impl Iterator<Item = (&'a ChannelId, &'a Channel)> {
        let (first, last) = (ChannelId([0; 32]), ChannelId([0xff; 32]));
        let named = index.range((account, first)..=(account, last));
        named.filter_map(|(_, id)| self.channels.get_key_value(id))
    }

    /// A hash of all of it. Equal for two states that know the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork ledger state 1");
        for row in self.rows() {
            let bytes = row.to_bytes();
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            hasher.update(&len.to_be_bytes()).update(&bytes);
        }
        *hasher.finalize().as_bytes()
    }

    /// All of it in rows: the head, then the accounts, then the channels, each in the order of their
    /// names.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let account = |(address, account): (&Address, &Account)| Row::Account {
            address: *address,
            account: account.clone(),
        };
        let channel = |(_, channel): (&ChannelId, &Channel)| Row::Channel(*channel);
        let accounts = self.accounts.iter().map(account);
        [Row::Head(self.head)].into_iter().chain(accounts).chain(self.channels.iter().map(channel))
    }

    /// Takes over a row, whatever was known before. Whether it may be is the caller's to know.
    fn put(&mut self, row: &Row) {
        match row {
            Row::Head(head) => self.head = *head,
            Row::Channel(channel) => {
                let id = channel.id();
                self.outgoing.insert((channel.source, id));
                self.incoming.insert((channel.destination, id));
                self.channels.insert(id, *channel);
            }
            Row::Account { address, account } => {
                if let Some(said) = &account.announcement {
                    self.peers.insert(said.peer, *address);
                }
                let before = self.accounts.insert(*address, account.clone());
                let before = before.and_then(|before| before.announcement).map(|it| it.peer);
                let now = account.announcement.as_ref().map(|it| it.peer);
                if let Some(peer) = before.filter(|_| before != now) {
                    self.peers.remove(&peer);
                }
            }
        }
    }
}
