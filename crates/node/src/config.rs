//! The configuration: every key once, and where each value came from.

mod address;
mod dht;
mod environment;
mod error;
mod gossip;
mod layers;
mod network;
mod orders;
mod params;
mod payments;
mod render;
mod section;
mod sections;
mod source;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::address::{AddressError, DialAddress, ListenAddress};
pub use self::dht::Dht;
pub use self::environment::Environment;
pub use self::error::{ConfigError, Mistake, Problem, RangeError};
pub use self::gossip::Gossip;
pub use self::layers::{Effective, Flag, Layers};
pub use self::network::{Network, NetworkName, NetworkNameError, Role};
pub(crate) use self::orders::SYNC_PEERS_MAX;
pub use self::orders::{BadExchange, Exchange, Orders, OrdersError, OrdersParams};
pub use self::params::Params;
#[cfg(test)]
pub(crate) use self::payments::DELAY_MAX;
pub use self::payments::{
    BadLedgerPlace, Ledger, LedgerPlace, LedgerServe, LedgerUrl, PaymentsError, PaymentsParams,
    Relay, Tickets,
};
pub(crate) use self::render::commented;
pub use self::section::{Key, Section};
pub use self::sections::{Control, Handshake, Limits, Log, LogFormat, Seed};
pub use self::source::{KeyPath, Source};

/// Everything that can be set. Built from [`Layers`], or from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which network, on which addresses, and whom to ask first.
    pub network: Network,
    /// How many links the node keeps, and how it finds, tests and exchanges peers.
    pub gossip: Gossip,
    /// How much others may take of this node.
    pub limits: Limits,
    /// How patient the node is with a new connection.
    pub handshake: Handshake,
    /// How the node asks seeds for peers, and how it answers when it is one itself.
    pub seed: Seed,
    /// Which orders the node keeps, and how it brings them together with those of others.
    pub orders: Orders,
    /// Where the node has its account.
    pub ledger: Ledger,
    /// How it sends packets over others, and relays those of others.
    pub relay: Relay,
    /// When it trades many tickets for one.
    pub tickets: Tickets,
    /// How messages reach peers that the node never met.
    pub dht: Dht,
    /// The control API.
    pub control: Control,
    /// What the node writes to standard error.
    pub log: Log,
}

impl Config {
    /// The manual of every section, in the order of the file.
    pub const MANUAL: &'static [Section] = &[
        Network::MANUAL,
        Gossip::MANUAL,
        Limits::MANUAL,
        Handshake::MANUAL,
        Seed::MANUAL,
        Orders::MANUAL,
        Ledger::MANUAL,
        Relay::MANUAL,
        Tickets::MANUAL,
        Dht::MANUAL,
        Control::MANUAL,
        Log::MANUAL,
    ];

    /// Whether the node passes packets on, and sends its own over others: a seed never does.
    pub fn relays(&self) -> bool {
        self.relay.enabled && self.network.role == Role::Node
    }

    /// Whether the node carries messages: a seed never does.
    pub fn carries(&self) -> bool {
        self.dht.enabled && self.network.role == Role::Node
    }

    /// The values by section and key, as the file would hold them.
    pub(crate) fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("every value has a place in TOML")
    }

    /// The value of `key`, as the file would hold it.
    pub(crate) fn value(&self, key: KeyPath) -> toml::Value {
        let section = self.table().remove(key.section);
        let value = section.and_then(|section| section.get(key.key).cloned());
        value.expect("the manual has no key that the structs lack")
    }
}
