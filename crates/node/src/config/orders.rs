//! `[orders]`: which orders the node keeps, and how it brings them together with others.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use orders::{Address, BadHex, Network};
use ordersync::zeroex::{Rules, Wanted};
use ordersync::{BadItem, book, intake};
use serde::{Deserialize, Serialize};

use super::section::section;

section! {
    /// Which orders the node keeps, and how it brings them together with those of others.
    pub struct Orders("orders") {
        /// The chain on which they are traded, as EIP-155 numbers them. 1 to 9223372036854775807.
        pub chain_id: u64 = Network::MAINNET.chain_id,
        /// The contract that trades those of version 3 of the 0x protocol, as "0x" and 40 hexadecimal
        /// digits; "auto" is the exchange on chain 1, 3, 4, 42 or 1337.
        pub exchange: Exchange = Exchange::Auto,
        /// The contract that trades those of version 4, or "none" for no such orders; "auto" is the
        /// exchange proxy on these chains, and none on others or beside a schema.
        pub exchange_v4: Exchange = Exchange::Auto,
        /// The JSON schema that those of version 3 satisfy, as 0x-Mesh has it (customOrderSchema). At
        /// most 16 KiB. It says nothing of version 4.
        pub schema: String = "{}".to_owned(),
        /// Most orders kept. When there are more, those go first that end last, but for the node's
        /// own. 1 to 4194304.
        pub items_max: usize = book().items_max,
        /// Once in about this time orders are fetched from peers, as "1h". 10 s to 7 days, or "0s" for
        /// never.
        #[serde(with = "humantime_serde")]
        pub sync_every: Duration = Duration::from_hours(1),
        /// With how many peers then. 1 to 64.
        pub min_peers: usize = 5,
        /// Whether also those get orders from this node that are not of its network, such as nodes
        /// of 0x-Mesh.
        pub serve_strangers: bool = true,
        /// Whether to take orders whose signature only a contract on the chain could check. Anybody
        /// can make up any number of them.
        pub accept_unverifiable: bool = false,
    }
}

/// What a book of orders does unless told otherwise.
fn book() -> book::Config {
    book::Config::default()
}

/// The shortest time between two syncs.
pub(super) const SYNC_MIN: Duration = Duration::from_secs(10);

/// The longest time between two syncs.
pub(super) const SYNC_MAX: Duration = Duration::from_hours(7 * 24);

/// Most peers of one sync.
pub(crate) const SYNC_PEERS_MAX: u32 = 64;

/// Where orders are traded: what everybody knows, or an address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Exchange {
    /// The one that everybody knows on the chain.
    Auto,
    /// Nowhere.
    None,
    /// This contract.
    At(Address),
}

impl Exchange {
    const AUTO: &str = "auto";
    const NONE: &str = "none";
}

impl fmt::Display for Exchange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str(Self::AUTO),
            Self::None => out.write_str(Self::NONE),
            Self::At(address) => address.fmt(out),
        }
    }
}

/// Neither one of the words nor an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("neither \"auto\" nor \"none\" nor an address, which {0}")]
pub struct BadExchange(BadHex);

impl FromStr for Exchange {
    type Err = BadExchange;

    fn from_str(text: &str) -> Result<Self, BadExchange> {
        match text {
            Self::AUTO => Ok(Self::Auto),
            Self::NONE => Ok(Self::None),
            text => text.parse().map(Self::At).map_err(BadExchange),
        }
    }
}

impl TryFrom<String> for Exchange {
    type Error = BadExchange;

    fn try_from(text: String) -> Result<Self, BadExchange> {
        text.parse()
    }
}

impl From<Exchange> for String {
    fn from(exchange: Exchange) -> Self {
        exchange.to_string()
    }
}

/// What the orders of a node are kept with. Only [`Orders::params`] makes it.
#[derive(Clone, Debug)]
pub struct OrdersParams {
    /// Where those of version 3 are traded.
    pub(crate) network: Network,
    /// Which are wanted, of peers too.
    pub(crate) wanted: Wanted,
    /// Which are taken.
    pub(crate) rules: Rules,
    /// Of the book.
    pub(crate) book: book::Params,
    /// Of the way into it.
    pub(crate) intake: intake::Params,
    /// With how many peers a sync is, unless somebody says otherwise.
    pub(crate) min_peers: usize,
}

/// What is wrong with the orders of a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrdersError {
    /// No chain has that number.
    #[error("is {given}, must be 1 to {}", i64::MAX)]
    ChainId {
        /// As configured.
        given: u64,
    },
    /// Nobody has told the exchange of that chain.
    #[error(
        "is \"auto\", but chain {chain_id} has no exchange that everybody knows; give its address"
    )]
    NoExchange {
        /// The chain.
        chain_id: u64,
    },
    /// Only v4 orders can be left out.
    #[error("is \"none\", must be \"auto\" or an address")]
    NoV3,
    /// The schema is none, or one that could cost too much.
    #[error("{0}")]
    Schema(BadItem),
    /// The book cannot be like that.
    #[error(transparent)]
    Book(#[from] book::ConfigError),
}

impl OrdersError {
    /// The key that it is about, without its section.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::ChainId { .. } => "chain_id",
            Self::NoExchange { .. } | Self::NoV3 => "exchange",
            Self::Schema(_) => "schema",
            Self::Book(_) => "items_max",
        }
    }
}

impl Orders {
    /// What it means for the layers below.
    pub(super) fn params(&self) -> Result<OrdersParams, OrdersError> {
        let chain_id = self.chain_id;
        if !(1..=i64::MAX.unsigned_abs()).contains(&chain_id) {
            return Err(OrdersError::ChainId { given: chain_id });
        }
        let network = match self.exchange {
            Exchange::At(exchange) => Network { chain_id, exchange },
            Exchange::Auto => Network::v3(chain_id).ok_or(OrdersError::NoExchange { chain_id })?,
            Exchange::None => return Err(OrdersError::NoV3),
        };
        let mut wanted = Wanted::new(network, &self.schema).map_err(OrdersError::Schema)?;
        let exchange_v4 = match self.exchange_v4 {
            Exchange::At(exchange) => Some(exchange),
            // Who wants only some orders of version 3 does not expect all of version 4.
            Exchange::Auto if wanted.is_all_v3() => Network::v4(chain_id).map(|it| it.exchange),
            Exchange::Auto | Exchange::None => None,
        };
        if let Some(exchange) = exchange_v4 {
            wanted = wanted.and_v4(exchange);
        }
        let rules = Rules::new(network, wanted.clone(), self.accept_unverifiable);
        let book = book::Config { items_max: self.items_max, ..book() }.check()?;
        let intake = intake::Config::default().check().expect("the defaults are in their bounds");
        Ok(OrdersParams { network, wanted, rules, book, intake, min_peers: self.min_peers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Orders)) -> (&'static str, String) {
        let mut orders = Orders::default();
        change(&mut orders);
        let refusal = orders.params().expect_err("refused");
        (refusal.key(), refusal.to_string())
    }

    #[test]
    fn the_defaults_are_the_orders_of_mainnet() {
        let params = Orders::default().params().expect("good");
        assert_eq!(params.network, Network::MAINNET);
        let v3 = Wanted::new(Network::MAINNET, "{}").expect("good");
        assert_eq!(params.wanted.v4(), Network::v4(1));
        assert_eq!(params.wanted, v3.and_v4(Network::v4(1).expect("known").exchange));
    }

    #[test]
    fn orders_of_version_4_are_taken_where_that_is_known_or_said() {
        let v4 = |change: fn(&mut Orders)| {
            let mut orders = Orders::default();
            change(&mut orders);
            orders.params().expect("good").wanted.v4()
        };
        let proxy = Network::v4(1337).expect("known");
        assert_eq!(v4(|orders| orders.chain_id = 1337), Some(proxy));
        assert_eq!(v4(|orders| orders.exchange_v4 = Exchange::None), None);
        assert_eq!(v4(|orders| orders.schema = r#"{"type":"object"}"#.to_owned()), None);
        let elsewhere = |orders: &mut Orders| {
            (orders.chain_id, orders.exchange) = (5, Exchange::At(Address([5; 20])));
        };
        assert_eq!(v4(elsewhere), None);
        let exchange = Address([4; 20]);
        let given = v4(|orders| {
            orders.exchange_v4 = Exchange::At(Address([4; 20]));
            orders.schema = r#"{"type":"object"}"#.to_owned();
        });
        assert_eq!(given, Some(Network { chain_id: 1, exchange }));
    }

    #[test]
    fn an_exchange_is_known_or_given() {
        let given = "0x5315e44798395d4a952530d131249fe00f554565";
        let exchange: Exchange = given.parse().expect("an address");
        assert_eq!(exchange.to_string(), given);
        let orders = Orders { chain_id: 5, exchange, ..Orders::default() };
        let network = orders.params().expect("good").network;
        assert_eq!((network.chain_id, network.exchange.to_string().as_str()), (5, given));
        let refused = "0x5315".parse::<Exchange>().expect_err("too short");
        assert!(refused.to_string().contains("bytes, must be 20"), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let (key, text) = refusal(|orders| orders.chain_id = 5);
        assert_eq!(key, "exchange");
        assert!(text.contains("chain 5 has no exchange"), "{text}");
        assert_eq!(refusal(|orders| orders.exchange = Exchange::None).0, "exchange");
        assert_eq!(refusal(|orders| orders.chain_id = 0).0, "chain_id");
        assert_eq!(refusal(|orders| orders.chain_id = u64::MAX).0, "chain_id");
        assert_eq!(refusal(|orders| orders.items_max = 0).0, "items_max");
        assert_eq!(refusal(|orders| orders.schema = "{".to_owned()).0, "schema");
        assert_eq!(refusal(|orders| orders.schema = " ".repeat(20_000)).0, "schema");
    }
}
