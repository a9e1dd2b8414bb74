//! Which orders a peer wants.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use orders::filter::{Filter as OrderFilter, FilterCache};
use orders::{Address, Network, Version};

use super::Order;
use crate::json::Envelope;
use crate::service::Protocol;
use crate::{BadItem, Filter};

/// Which orders a peer wants: all that there are, or the v3 orders that pass a filter of 0x-Mesh and
/// perhaps the v4 orders of the same chain.
///
/// No schema speaks of v4 orders, for which 0x-Mesh has no filter: they are wanted by where they are
/// traded, or not at all. The filter `{}` of 0x-Mesh means all v3 orders of its network.
///
/// As bytes: nothing for all; else the chain as a variable-length integer in its shortest form, the
/// 20 bytes of the exchange of v3 orders, the byte 4 and the 20 bytes of the exchange of v4 orders if
/// these are wanted, and the schema, if it is not `{}`. As JSON it says only which v3 orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    said: Said,
    /// The version that the session is about, where its protocol carries only one.
    only: Option<Version>,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    /// All that the provider has. How a requester says it that does not say what it wants.
    All,
    /// Of v3 orders those that pass, of v4 orders those of the same chain for this contract.
    Passing { v3: Arc<OrderFilter>, v4: Option<Address> },
}

/// The schema that every order satisfies.
const ANY: &str = "{}";

/// What stands before the exchange of v4 orders. No schema begins with it.
const V4: u8 = 4;

/// Letters that a filter reads in the time that it takes to look at an order.
const LETTERS: usize = 400;

/// Compiled filters, of all sessions of the process: peers send the same few again and again.
static COMPILED: LazyLock<Mutex<FilterCache>> = LazyLock::new(Mutex::default);

impl Wanted {
    /// All that there are.
    pub const ALL: Self = Self { said: Said::All, only: None };

    /// The v3 orders of `network` that satisfy `schema`.
    ///
    /// # Errors
    /// [`BadItem`]: what `orders` says of the schema.
    pub fn new(network: Network, schema: &str) -> Result<Self, BadItem> {
        OrderFilter::new(network, schema).map(Self::from).map_err(bad)
    }

    /// Beside these, the v4 orders of the same chain that `exchange` trades. Who wants all wants them
    /// anyhow.
    #[must_use]
    pub fn and_v4(self, exchange: Address) -> Self {
        let said = match self.said {
            Said::All => Said::All,
            Said::Passing { v3, .. } => Said::Passing { v3, v4: Some(exchange) },
        };
        Self { said, ..self }
    }

    /// Of these, those of one version.
    #[must_use]
    pub fn of(self, version: Version) -> Self {
        Self { only: Some(version), ..self }
    }

    /// Where the v3 orders are traded, if it says so.
    pub fn v3(&self) -> Option<Network> {
        match &self.said {
            Said::All => None,
            Said::Passing { v3, .. } => Some(v3.network()),
        }
    }

    /// Where the v4 orders are traded, if it says so.
    pub fn v4(&self) -> Option<Network> {
        match &self.said {
            Said::All => None,
            Said::Passing { v3, v4 } => {
                Some(Network { chain_id: v3.network().chain_id, exchange: (*v4)? })
            }
        }
    }

    /// The schema that the v3 orders satisfy.
    pub fn schema(&self) -> &str {
        match &self.said {
            Said::All => ANY,
            Said::Passing { v3, .. } => v3.schema(),
        }
    }

    /// Whether it wants every v3 order of its network.
    pub fn is_all_v3(&self) -> bool {
        match &self.said {
            Said::All => true,
            Said::Passing { v3, .. } => v3.is_default(),
        }
    }

    /// Whether it wants any orders of a version.
    pub fn wants(&self, version: Version) -> bool {
        let said = match (&self.said, version) {
            (Said::All, _) | (Said::Passing { .. }, Version::V3) => true,
            (Said::Passing { v4, .. }, Version::V4) => v4.is_some(),
        };
        said && self.only.is_none_or(|only| only == version)
    }

    /// Where orders of a version are traded, if it says so.
    fn network(&self, version: Version) -> Option<Network> {
        match version {
            Version::V3 => self.v3(),
            Version::V4 => self.v4(),
        }
    }

    /// Whether it wants every order of a version that `held` wants.
    fn wants_all(&self, version: Version, held: &Self) -> bool {
        let within = match (&self.said, &held.said) {
            (Said::All, _) => true,
            (Said::Passing { .. }, Said::All) => false,
            (Said::Passing { v3, .. }, Said::Passing { v3: held_v3, .. }) => {
                let any = version == Version::V4 || v3.is_default() || v3 == held_v3;
                any && self.network(version) == held.network(version)
            }
        };
        !held.wants(version) || (self.wants(version) && within)
    }
}

const VERSIONS: [Version; 2] = [Version::V3, Version::V4];

impl From<OrderFilter> for Wanted {
    fn from(filter: OrderFilter) -> Self {
        Self::from(Arc::new(filter))
    }
}

impl From<Arc<OrderFilter>> for Wanted {
    fn from(v3: Arc<OrderFilter>) -> Self {
        Self { said: Said::Passing { v3, v4: None }, only: None }
    }
}

impl Filter<Order> for Wanted {
    fn matches(&self, order: &Order) -> bool {
        self.wants(order.version())
            && match (&self.said, order) {
                (Said::All, _) => true,
                (Said::Passing { v3, .. }, Order::V3(signed)) => v3.matches(signed),
                (Said::Passing { .. }, Order::V4(signed)) => {
                    let (chain_id, exchange) =
                        (signed.order.chain_id, signed.order.verifying_contract);
                    self.v4() == Some(Network { chain_id, exchange })
                }
            }
    }

    fn cost(&self, order: &Order) -> usize {
        match (&self.said, order) {
            (Said::Passing { v3, .. }, Order::V3(signed)) => {
                (v3.price(signed) / LETTERS).saturating_add(1)
            }
            (Said::All, _) | (Said::Passing { .. }, Order::V4(_)) => 1,
        }
    }

    fn is_everything(&self) -> bool {
        *self == Self::ALL
    }

    fn covers(&self, held: &Self) -> bool {
        VERSIONS.iter().all(|version| self.wants_all(*version, held))
    }

    fn overlaps(&self, asked: &Self) -> bool {
        let meet = |version| match (self.network(version), asked.network(version)) {
            (Some(own), Some(asked)) => own == asked,
            (None, _) | (_, None) => true,
        };
        let both = |version| self.wants(version) && asked.wants(version) && meet(version);
        VERSIONS.into_iter().any(both)
    }

    /// The name of each protocol of 0x-Mesh says of which version the orders in it are.
    fn carried_by(self, protocol: Protocol) -> Self {
        match protocol {
            Protocol::Binary => self,
            Protocol::Json(Envelope::Negotiated) => self.of(Version::V3),
            Protocol::Json(Envelope::Bare) => self.of(Version::V4),
        }
    }

    fn narrowed_to(self, own: &Self) -> Self {
        Self { only: own.only.or(self.only), ..self }
    }

    fn to_json(&self) -> String {
        match &self.said {
            Said::All => "null".to_owned(),
            Said::Passing { v3, .. } => v3.to_json(),
        }
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        if raw.trim_ascii() == "null" {
            return Ok(Self::ALL);
        }
        let compiled = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = compiled().kept(raw);
        let outcome = kept.unwrap_or_else(|| {
            // Nobody waits for the lock while this one is compiled.
            let outcome = OrderFilter::from_json(raw).map(Arc::new);
            compiled().keep(raw, outcome.clone());
            outcome
        });
        outcome.map(Self::from).map_err(bad)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Said::Passing { v3, v4 } = &self.said else { return Vec::new() };
        let Network { chain_id, exchange: Address(exchange) } = v3.network();
        let mut buffer = unsigned_varint::encode::u64_buffer();
        let mut bytes = unsigned_varint::encode::u64(chain_id, &mut buffer).to_vec();
        bytes.extend(exchange);
        if let Some(Address(exchange)) = v4 {
            bytes.push(V4);
            bytes.extend(exchange);
        }
        if v3.schema() != ANY {
            bytes.extend(v3.schema().as_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BadItem> {
        if bytes.is_empty() {
            return Ok(Self::ALL);
        }
        let ends = || bad("ends inside an exchange");
        let (chain_id, rest) = unsigned_varint::decode::u64(bytes).map_err(bad)?;
        let (exchange, rest) = rest.split_first_chunk().ok_or_else(ends)?;
        let network = Network { chain_id, exchange: Address(*exchange) };
        let (v4, schema) = match rest.split_first() {
            Some((&V4, rest)) => {
                let (exchange, schema) = rest.split_first_chunk().ok_or_else(ends)?;
                (Some(Address(*exchange)), schema)
            }
            _ => (None, rest),
        };
        let v3 = match std::str::from_utf8(schema).map_err(bad)? {
            "" => Self::new(network, ANY),
            // Said in more bytes than it takes.
            ANY => Err(bad("has the schema {}, which goes without saying")),
            schema if schema.len() > OrderFilter::SCHEMA_MAX => {
                let (len, max) = (schema.len(), OrderFilter::SCHEMA_MAX);
                Err(bad(format!("schema is {len} bytes, must be at most {max}")))
            }
            // The spelling as JSON, so that both forms share what was compiled.
            schema => Self::from_json(&json_of(network, schema)),
        }?;
        Ok(match v4 {
            Some(exchange) => v3.and_v4(exchange),
            None => v3,
        })
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
