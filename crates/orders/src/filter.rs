//! Order filters: a JSON Schema over one network's orders, with a known worst cost.
//!
//! A remote writes the schema, so everything about it is bounded before the first order is asked:
//! its length and depth, how many checks it comes down to, how large its patterns are as automata,
//! and how many steps the costliest order takes. What passes compilation cannot fail later, so
//! [`Filter::matches`] is a plain yes or no.
//!
//! The schema is evaluated here and not by a general validator: an order always has the same 17
//! fields with the same types, so types, presence, and everything about the chain are decided at
//! compile time, and no JSON is made of an order. Validators for arbitrary documents count no
//! steps and bring 30 packages more. The price is that keywords outside the list below are refused
//! by name: a filter that cannot be honoured is better refused than matched wrongly. Keywords mean
//! what drafts 4 to 7 of JSON Schema say, whatever `$schema` names; where drafts or dialects of
//! regular expressions differ, the schema is refused as well.
//!
//! | keywords | |
//! |---|---|
//! | `type` `enum` `const` `not` `allOf` `anyOf` `oneOf` `if` `then` `else` | as in JSON Schema |
//! | `properties` `patternProperties` `additionalProperties` `required` `minProperties` `maxProperties` | of the order |
//! | `pattern` `minLength` `maxLength` | of texts, in their canonical spelling: lower case, decimal |
//! | `minimum` `maximum` `exclusiveMinimum` `exclusiveMaximum` `multipleOf` | of the chain id, the only number; integers only |
//! | `items` `minItems` `maxItems` `uniqueItems` | must be well formed; orders have no arrays |
//! | `$ref` | alone, to `#/definitions/…` or `#/$defs/…`, without recursion |
//! | `$schema` `$comment` `title` `description` `default` `examples` `readOnly` `writeOnly` `deprecated`, `$id` `id` of the root | read over |
//!
//! The schema that every signed order must satisfy in 0x Mesh holds for each [`SignedOrder`] by
//! construction: its fields are there, and their types have no other spelling.

use std::fmt;

use crate::v3::SignedOrder;
use crate::{Address, Network};

mod cache;
mod check;
mod error;
mod fields;
mod json;
mod pattern;
mod schema;

pub use self::cache::FilterCache;
pub use self::error::{BadFilter, PatternDefect};

use self::error::quote;
use self::fields::View;
use self::json::Json;
use self::schema::Schema;

const SCHEMA: &str = "customOrderSchema";
const CHAIN_ID: &str = "chainID";
const EXCHANGE: &str = "exchangeAddress";

/// Which orders a node keeps: those of one network that satisfy a schema.
///
/// ```
/// use meshwork_orders::filter::Filter;
/// use meshwork_orders::{Network, sample, v3};
///
/// let line = sample::SAMPLE_V3.lines().next().unwrap();
/// let order = v3::SignedOrder::from_json(line)?;
/// let all = Filter::new(Network::MAINNET, "{}")?;
/// assert!(all.is_default() && all.matches(&order));
///
/// let schema = r#"{"properties":{"makerAssetData":{"pattern":"^0x02571792"}}}"#;
/// let collectibles = Filter::new(Network::MAINNET, schema)?;
/// assert!(!collectibles.matches(&order));
/// assert_eq!(Filter::from_json(&collectibles.to_json())?, collectibles);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Filter {
    network: Network,
    schema: Box<str>,
    canonical: Box<str>,
    compiled: Schema,
}

impl Filter {
    /// Bytes of schema at most.
    pub const SCHEMA_MAX: usize = 16 << 10;

    /// Bytes of a filter as JSON at most: a schema of the longest, each letter of it escaped.
    pub const JSON_MAX: usize = 6 * Self::SCHEMA_MAX + 512;

    /// Values in each other at most, and schemas with every reference followed.
    pub const DEPTH_MAX: usize = 32;

    /// Checks that a schema may come down to, with every reference followed.
    pub const CHECKS_MAX: usize = 4_096;

    /// Different patterns at most.
    pub const PATTERNS_MAX: usize = 256;

    /// Steps that making automata of all patterns may take: some 30 ms. A pattern that looks for
    /// 40 digits takes one in twenty-five.
    pub const BUILD_MAX: usize = 4 << 20;

    /// Bytes that a compiled schema may keep.
    pub const MEMORY_MAX: usize = 2 << 20;

    /// Steps that one order may take: one for each check, one for each letter that a check reads.
    /// Counted for orders as long as they can be; an ordinary one takes a hundredth.
    pub const STEPS_MAX: usize = 2 << 20;

    /// Compiles a filter.
    ///
    /// # Errors
    ///
    /// Everything in [`BadFilter`] that is about the schema; a chain id outside 1 to 2⁶³ − 1.
    pub fn new(network: Network, schema: &str) -> Result<Self, BadFilter> {
        if i64::try_from(network.chain_id).map_or(0, i64::signum) != 1 {
            return Err(BadFilter::BadValue { key: CHAIN_ID, expected: CHAIN_ID_EXPECTED });
        }
        let given = schema.len();
        if given > Self::SCHEMA_MAX {
            return Err(BadFilter::SchemaTooLong { given, bound: Self::SCHEMA_MAX });
        }
        let parsed = Json::parse(schema, Self::DEPTH_MAX)?;
        let compiled = Schema::compile(&parsed, network.chain_id)?;
        let canonical = parsed.canonical().into();
        Ok(Self { network, schema: schema.into(), canonical, compiled })
    }

    /// Reads a filter as 0x Mesh sends it: an object with these three keys and no other.
    ///
    /// # Errors
    ///
    /// Everything in [`BadFilter`].
    pub fn from_json(text: &str) -> Result<Self, BadFilter> {
        let given = text.len();
        if given > Self::JSON_MAX {
            return Err(BadFilter::TooLong { given, bound: Self::JSON_MAX });
        }
        let Json::Object(mut members) = Json::parse(text, 1)? else {
            return Err(BadFilter::Missing { key: SCHEMA });
        };
        let mut take = |key| members.remove(key).ok_or(BadFilter::Missing { key });
        let (schema, chain_id, exchange) = (take(SCHEMA)?, take(CHAIN_ID)?, take(EXCHANGE)?);
        if let Some(key) = members.keys().next() {
            return Err(BadFilter::UnknownKey { key: quote(key) });
        }
        let bad = |key, expected| BadFilter::BadValue { key, expected };
        let schema = schema.as_text().ok_or(bad(SCHEMA, "a string"))?;
        let chain_id = chain_id.as_integer().and_then(|chain_id| u64::try_from(chain_id).ok());
        let exchange = exchange.as_text().and_then(|text| text.parse::<Address>().ok());
        let network = Network {
            chain_id: chain_id.ok_or(bad(CHAIN_ID, CHAIN_ID_EXPECTED))?,
            exchange: exchange.ok_or(bad(EXCHANGE, "0x and 40 hexadecimal digits"))?,
        };
        Self::new(network, schema)
    }

    /// The filter as 0x Mesh writes it, byte for byte, with the schema in the spelling given.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"customOrderSchema\":\"");
        escape(&self.schema, &mut out);
        out.push_str("\",\"chainID\":");
        out.push_str(&self.network.chain_id.to_string());
        out.push_str(",\"exchangeAddress\":\"");
        out.push_str(&self.network.exchange.to_string());
        out.push_str("\"}");
        out
    }

    /// Whether the order is of the network and satisfies the schema. At most
    /// [`STEPS_MAX`](Self::STEPS_MAX) steps.
    pub fn matches(&self, order: &SignedOrder) -> bool {
        let of_network = order.order.chain_id == self.network.chain_id
            && order.order.exchange == self.network.exchange;
        of_network && self.compiled.check.holds(&View::new(order), &self.compiled.patterns)
    }

    /// Whether the schema is `{}`: every order of the network matches, and none is looked into.
    pub fn is_default(&self) -> bool {
        &*self.canonical == "{}"
    }

    /// Steps that the costliest order takes.
    pub fn steps(&self) -> usize {
        self.compiled.steps
    }

    /// What it costs at most to ask [`matches`](Self::matches) of this order, for whoever has to share
    /// time out among filters: in letters read, each about 1.5 ns. Much less than
    /// [`steps`](Self::steps) of an order that is shorter than it could be, and known without looking
    /// at its texts. At most 8 times [`STEPS_MAX`](Self::STEPS_MAX).
    pub fn price(&self, order: &SignedOrder) -> usize {
        self.compiled.price.for_order(order)
    }

    /// Where the orders are traded.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The schema in the spelling given.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Bytes that it keeps.
    fn memory(&self) -> usize {
        let texts = self.schema.len().saturating_add(self.canonical.len());
        size_of::<Self>().saturating_add(texts).saturating_add(self.compiled.memory)
    }
}

const CHAIN_ID_EXPECTED: &str = "an integer of 1 to 9223372036854775807";

/// Filters are equal if they are of one network and have one canonical schema.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.network == other.network && self.canonical == other.canonical
    }
}

impl Eq for Filter {}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("network", &self.network)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Escapes text the way Go does by default, which is safe inside HTML.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_escape(letter, out),
            control if control < ' ' => push_escape(control, out),
            letter => out.push(letter),
        }
    }
}

fn push_escape(letter: char, out: &mut String) {
    out.push_str("\\u");
    let code = u32::from(letter);
    let digits = [12_u32, 8, 4, 0].into_iter();
    out.extend(digits.filter_map(|shift| char::from_digit(code.wrapping_shr(shift) & 15, 16)));
}

#[cfg(test)]
mod tests;
