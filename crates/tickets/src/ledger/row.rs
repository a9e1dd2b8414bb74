//! What a ledger knows, in rows: as it is kept, and as a snapshot has it.

use bytes::Bytes;
use prost::Message as _;
use wire::proto::tickets::v1 as proto;
use wire::proto::tickets::v1::ledger_row::Row as Body;
use wire::{Defect, Malformed, bounds};

use super::account::{Account, Announcement};
use super::encoding;
use crate::{Address, Channel, ChannelId, ChannelStatus, Epoch, TicketIndex, UnixTime};

/// One thing that a ledger knows. A later row of the same [`Key`] takes the place of an earlier one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Row {
    /// An account.
    Account {
        /// Its name.
        address: Address,
        /// What is known of it.
        account: Account,
    },
    /// A channel.
    Channel(Channel),
    /// What belongs to neither.
    Head(Head),
}

/// Where a ledger stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// [`Params::digest`](super::Params::digest) of what it began with.
    pub genesis: [u8; 32],
    /// The number of its last entry; 0 before the first.
    pub version: u64,
    /// The time of that entry.
    pub at: UnixTime,
    /// A hash of all entries; before the first, that of the genesis.
    pub chain: [u8; 32],
    /// All that was ever granted, in base units: what is in all accounts and channels together.
    pub granted: u128,
}

/// What a row is found by.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// The head.
    Head,
    /// An account.
    Account(Address),
    /// A channel.
    Channel(ChannelId),
}

impl Key {
    /// As bytes: a letter for the kind, then the name. At most 33.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Head => b"h".to_vec(),
            Self::Account(address) => [b"a".as_slice(), &address.0].concat(),
            Self::Channel(id) => [b"c".as_slice(), &id.0].concat(),
        }
    }
}

impl Row {
    /// Most bytes of an encoded row.
    pub const LEN_MAX: usize = <proto::LedgerRow as bounds::Bounded>::LEN_MAX;

    /// What it is found by.
    pub fn key(&self) -> Key {
        match self {
            Self::Account { address, .. } => Key::Account(*address),
            Self::Channel(channel) => Key::Channel(channel.id()),
            Self::Head(_) => Key::Head,
        }
    }

    /// Its bytes, those of its name included.
    pub fn to_bytes(&self) -> Bytes {
        self.to_proto().encode_to_vec().into()
    }

    /// The row of these bytes.
    ///
    /// # Errors
    /// [`Malformed`], for what is no row.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_proto(bounds::decode(encoding::field(bytes))?)
    }

    pub(super) fn to_proto(&self) -> proto::LedgerRow {
        let row = match self {
            Self::Account { address, account } => Body::Account(account_to_proto(address, account)),
            Self::Channel(channel) => Body::Channel(channel_to_proto(channel)),
            Self::Head(head) => Body::Head(proto::LedgerHead {
                genesis: encoding::field(&head.genesis),
                version: head.version,
                at: head.at.0,
                chain: encoding::field(&head.chain),
                granted: encoding::field(&head.granted.to_be_bytes()),
            }),
        };
        proto::LedgerRow { row: Some(row) }
    }

    pub(super) fn from_proto(message: proto::LedgerRow) -> Result<Self, Malformed> {
        match encoding::present("ledger_row.row", message.row)? {
            Body::Account(message) => account_from_proto(message),
            Body::Channel(message) => channel_from_proto(&message).map(Self::Channel),
            Body::Head(message) => {
                let proto::LedgerHead { genesis, version, at, granted, chain } = message;
                let granted = encoding::array("ledger_head.granted", &granted)?;
                Ok(Self::Head(Head {
                    genesis: encoding::array("ledger_head.genesis", &genesis)?,
                    version,
                    at: UnixTime(at),
                    chain: encoding::array("ledger_head.chain", &chain)?,
                    granted: u128::from_be_bytes(granted),
                }))
            }
        }
    }
}

fn account_to_proto(address: &Address, account: &Account) -> proto::LedgerAccount {
    let said = account.announcement.as_ref();
    proto::LedgerAccount {
        address: encoding::field(&address.0),
        balance: encoding::field(&account.balance.to_bytes()),
        nonce: account.nonce,
        claimed: account.claimed,
        peer_id: said.map(|it| it.peer.to_bytes().into()).unwrap_or_default(),
        addresses: said.map(Announcement::address_fields).unwrap_or_default(),
        relays: said.is_some_and(|it| it.relays),
    }
}

fn account_from_proto(message: proto::LedgerAccount) -> Result<Row, Malformed> {
    let proto::LedgerAccount { address, balance, nonce, claimed, peer_id, addresses, relays } =
        message;
    let fields = ["ledger_account.peer_id", "ledger_account.addresses"];
    let announcement = match (peer_id.is_empty(), addresses.is_empty() && !relays) {
        (true, true) => None,
        (true, false) => return Err(Malformed::new("ledger_account.peer_id", Defect::Missing)),
        (false, _) => Some(Announcement::from_fields(fields, &peer_id, addresses, relays)?),
    };
    let balance = encoding::amount("ledger_account.balance", &balance)?;
    let address = encoding::address("ledger_account.address", &address)?;
    Ok(Row::Account { address, account: Account { balance, nonce, claimed, announcement } })
}

fn channel_to_proto(channel: &Channel) -> proto::LedgerChannel {
    let (status, since) = match channel.status {
        ChannelStatus::Closed => (0, 0),
        ChannelStatus::Open => (1, 0),
        ChannelStatus::PendingToClose { since } => (2, since.0),
    };
    proto::LedgerChannel {
        source: encoding::field(&channel.source.0),
        destination: encoding::field(&channel.destination.0),
        balance: encoding::field(&channel.balance.to_bytes()),
        index: channel.index.get(),
        epoch: channel.epoch.get(),
        status,
        since,
    }
}

fn channel_from_proto(message: &proto::LedgerChannel) -> Result<Channel, Malformed> {
    let proto::LedgerChannel { source, destination, balance, index, epoch, status, since } =
        message;
    let status = match (status, since) {
        (0, 0) => ChannelStatus::Closed,
        (1, 0) => ChannelStatus::Open,
        (2, since) => ChannelStatus::PendingToClose { since: UnixTime(*since) },
        _ => return Err(Malformed::new("ledger_channel.status", Defect::Invalid)),
    };
    Ok(Channel {
        source: encoding::address("ledger_channel.source", source)?,
        destination: encoding::address("ledger_channel.destination", destination)?,
        balance: encoding::amount("ledger_channel.balance", balance)?,
        index: encoding::valid("ledger_channel.index", TicketIndex::new(*index))?,
        epoch: encoding::valid("ledger_channel.epoch", Epoch::new(*epoch))?,
        status,
    })
}
