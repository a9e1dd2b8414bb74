//! Which orders a peer wants.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use orders::filter::{Filter as OrderFilter, FilterCache};
use orders::v3::SignedOrder;
use orders::{Address, Network};

use crate::{BadItem, Filter};

/// Which orders a peer wants: those that pass the filter of 0x-Mesh, or all that there are.
///
/// As bytes: nothing for all; else the chain as a variable-length integer in its shortest form, the
/// 20 bytes of the exchange, and the schema, if it is not `{}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// All that the provider has. How a requester says it that does not say what it wants.
    All,
    /// Those that pass.
    Passing(Arc<OrderFilter>),
}

/// The schema that every order satisfies.
const ANY: &str = "{}";

/// Compiled filters, of all sessions of the process: peers send the same few again and again.
static COMPILED: LazyLock<Mutex<FilterCache>> = LazyLock::new(Mutex::default);

impl Wanted {
    /// The orders of `network` that satisfy `schema`.
    ///
    /// # Errors
    /// [`BadItem`]: what `orders` says of the schema.
    pub fn new(network: Network, schema: &str) -> Result<Self, BadItem> {
        OrderFilter::new(network, schema).map(Self::from).map_err(bad)
    }

    /// Where the orders are traded, if it says so.
    pub fn network(&self) -> Option<Network> {
        match self {
            Self::All => None,
            Self::Passing(filter) => Some(filter.network()),
        }
    }
}

impl From<OrderFilter> for Wanted {
    fn from(filter: OrderFilter) -> Self {
        Self::Passing(Arc::new(filter))
    }
}

impl Filter<SignedOrder> for Wanted {
    fn matches(&self, order: &SignedOrder) -> bool {
        match self {
            Self::All => true,
            Self::Passing(filter) => filter.matches(order),
        }
    }

    /// Whether every order of its network passes: a book holds those of one.
    fn is_everything(&self) -> bool {
        match self {
            Self::All => true,
            Self::Passing(filter) => filter.is_default(),
        }
    }

    fn overlaps(&self, asked: &Self) -> bool {
        match (self.network(), asked.network()) {
            (Some(own), Some(asked)) => own == asked,
            (None, _) | (_, None) => true,
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::All => "null".to_owned(),
            Self::Passing(filter) => filter.to_json(),
        }
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        if raw.trim_ascii() == "null" {
            return Ok(Self::All);
        }
        let compiled = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = compiled().kept(raw);
        let outcome = kept.unwrap_or_else(|| {
            // Nobody waits for the lock while this one is compiled.
            let outcome = OrderFilter::from_json(raw).map(Arc::new);
            compiled().keep(raw, outcome.clone());
            outcome
        });
        outcome.map(Self::Passing).map_err(bad)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Self::Passing(filter) = self else { return Vec::new() };
        let Network { chain_id, exchange: Address(exchange) } = filter.network();
        let mut buffer = unsigned_varint::encode::u64_buffer();
        let mut bytes = unsigned_varint::encode::u64(chain_id, &mut buffer).to_vec();
        bytes.extend(exchange);
        if filter.schema() != ANY {
            bytes.extend(filter.schema().as_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BadItem> {
        if bytes.is_empty() {
            return Ok(Self::All);
        }
        let (chain_id, rest) = unsigned_varint::decode::u64(bytes).map_err(bad)?;
        let (exchange, schema) =
            rest.split_first_chunk().ok_or_else(|| bad("ends inside the exchange"))?;
        let network = Network { chain_id, exchange: Address(*exchange) };
        match std::str::from_utf8(schema).map_err(bad)? {
            "" => Self::new(network, ANY),
            // Said in more bytes than it takes.
            ANY => Err(bad("has the schema {}, which goes without saying")),
            schema if schema.len() > OrderFilter::SCHEMA_MAX => {
                let (len, max) = (schema.len(), OrderFilter::SCHEMA_MAX);
                Err(bad(format!("schema is {len} bytes, must be at most {max}")))
            }
            // The spelling as JSON, so that both forms share what was compiled.
            schema => Self::from_json(&json_of(network, schema)),
        }
    }
}

/// The filter as JSON.
fn json_of(network: Network, schema: &str) -> String {
    let Network { chain_id, exchange } = network;
    let (schema, exchange) = (serde_json::Value::from(schema), exchange);
    format!(
        r#"{{"customOrderSchema":{schema},"chainID":{chain_id},"exchangeAddress":"{exchange}"}}"#
    )
}

fn bad(problem: impl std::fmt::Display) -> BadItem {
    BadItem::new("filter", problem)
}
