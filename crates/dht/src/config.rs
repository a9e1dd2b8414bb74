//! What the operator sets, section by section, and what passes the check.
//!
//! The table is compared with the code by a test: keys, defaults and bounds.
//!
//! | key | unit | default | bound |
//! |---|---|---|---|
//! | `routing.bucket_max` | contacts | 20 | 1 to 20 |
//! | `routing.waiting_max` | peers at one bucket | 20 | 1 to 64 |
//! | `routing.subnet_per_bucket_max` | contacts | 2 | 1 to 20 |
//! | `routing.subnet_total_max` | contacts | 10 | 1 to 5,120 |
//! | `routing.fresh` | time | 1m | 0s to 1h |
//! | `routing.failures_max` | failures in a row | 3 | 1 to 10 |
//! | `routing.allow_private` | switch | false | |
//! | `routing.broadcast_factor` | peers | 8 | 1 to 64 |
//! | `routing.propagation_factor` | peers | 4 | 1 to 64 |
//! | `routing.fan_out_max` | peers | 20 | 1 to 64 |
//! | `routing.hops_min` | carriers | 8 | 1 to hops_max |
//! | `routing.hops_max` | carriers | 12 | 1 to 32 |
//! | `routing.under_way_max` | envelopes of one link | 4 | 1 to 256 |
//! | `routing.under_way_bytes_max` | bytes of one link | 512 KiB | 96 KiB to 64 MiB |
//! | `routing.carried_max` | envelopes | 1,024 | 1 to 65,536 |
//! | `routing.carried_bytes_max` | bytes | 64 MiB | 96 KiB to 4 GiB |
//! | `routing.candidates_max` | neighbours | 3 | 1 to 20 |
//! | `routing.verdict_timeout` | time | 3s | 100ms to 1m |
//! | `routing.way_back_lasts` | time | 1m | 1s to 1h |
//! | `routing.ways_back_max` | envelopes | 16,384 | 16 to 1,000,000 |
//! | `routing.links_max` | links | 16 | 1 to 256 |
//! | `routing.link_idle` | time | 30s | 1s to 1h |
//! | `routing.dials_max` | dials | 4 | 1 to 64 |
//! | `routing.redial_min` | time | 10s | 100ms to redial_max |
//! | `routing.redial_max` | time | 10m | 100ms to 1h |
//! | `seen.entries_max` | messages | 1,048,576 | 16 to 16,777,216 |
//! | `seen.entries_per_link_max` | messages | 131,072 | 1 to entries_max |
//! | `seen.letters_max` | letters | 1,048,576 | 16 to 16,777,216 |
//! | `seen.unwritten_max` | rows | 65,536 | 16 to 16,777,216 |
//! | `rates.messages_per_second` | messages | 100 | 1 to 1,000,000 |
//! | `rates.messages_burst` | messages | 500 | 4 to 1,000,000 |
//! | `rates.bytes_per_second` | bytes | 2 MiB | 1 KiB to 1 GiB |
//! | `rates.bytes_burst` | bytes | 8 MiB | 96 KiB to 1 GiB |
//! | `rates.lasting_max` | messages | 65,536 | 1 to 16,777,216 |
//! | `rates.routed_weight` | messages | 1 | 1 to messages_burst |
//! | `rates.links_max` | links | 4,096 | 16 to 1,000,000 |
//! | `mailbox.serve` | switch | true | |
//! | `mailbox.copies` | nodes | 5 | 1 to 20 |
//! | `mailbox.redundancy` | nodes | 3 | 1 to copies |
//! | `mailbox.region` | nodes | 10 | copies to 64 |
//! | `mailbox.recipient_bytes_max` | bytes | 4 MiB | 96 KiB to bytes_max |
//! | `mailbox.recipient_messages_max` | messages | 4,096 | 1 to 65,536 |
//! | `mailbox.link_bytes_max` | bytes | 16 MiB | 96 KiB to bytes_max |
//! | `mailbox.bytes_max` | bytes | 256 MiB | 96 KiB to 1 TiB |
//! | `mailbox.messages_max` | messages | 65,536 | 1 to 16,777,216 |
//! | `mailbox.page_max` | messages | 64 | 1 to 64 |
//! | `mailbox.republish_period` | time | 10m | 1s to 1day |
//! | `mailbox.republish_max` | copies | 1,024 | copies to 65,536 |
//! | `mailbox.fetch_period` | time | 3m | 1s to 1day |
//! | `mailbox.answer_timeout` | time | 10s | 100ms to 1m |
//! | `discovery.enabled` | switch | true | |
//! | `discovery.parallel_max` | questions of one look-up | 3 | 1 to 16 |
//! | `discovery.lookups_max` | look-ups | 16 | 1 to 256 |
//! | `discovery.records_max` | records | 20 | 1 to 20 |
//! | `discovery.answer_timeout` | time | 5s | 100ms to lookup_timeout |
//! | `discovery.lookup_timeout` | time | 1m | 100ms to 1h |
//! | `discovery.refresh_period` | time | 30m | 1s to 1day |
//! | `discovery.lookups_per_hour_max` | look-ups | 120 | 1 to 100,000 |
//! | `discovery.join` | switch | true | |
//! | `discovery.join_gap` | time | 10m | 1s to 1day |
//! | `discovery.discover_timeout` | time | 2m | 1s to 1h |
//! | `discovery.discoveries_max` | searches | 64 | 1 to 512 |
//! | `delivery.lifetime` | time | 1h | 5m to lifetime_max |
//! | `delivery.lifetime_mailbox` | time | 1day | 5m to lifetime_max |
//! | `delivery.lifetime_max` | time | 1day | 5m to 1day |
//! | `delivery.skew_max` | time | 10m | 0s to 1h |
//! | `delivery.messages_max` | messages | 1,024 | 1 to 65,536 |
//! | `delivery.bytes_max` | bytes | 64 MiB | 96 KiB to 4 GiB |
//! | `delivery.attempt_timeout` | time | 4s | 100ms to attempt_timeout_max |
//! | `delivery.attempt_timeout_max` | time | 10m | 100ms to 1h |
//! | `delivery.stops_max` | ways | 3 | 1 to 100 |
//! | `delivery.stored_retry` | time | 10m | 1s to 1day |
//! | `delivery.sent_lasts` | time | 7days | 1s to 30days |
//! | `delivery.sent_max` | messages | 4,096 | 1 to 32,768 |
//! | `delivery.receipts` | switch | true | |
//! | `delivery.receipt_delay` | time | 1s | 0s to 1m |
//! | `delivery.receipt_gap` | time | 1m | 1s to 1day |

mod bounds;
mod delivery;
mod discovery;
mod mailbox;
mod rates;
mod routing;
mod seen;

use serde::{Deserialize, Serialize};

pub use self::delivery::DeliveryConfig;
pub use self::discovery::NetworkDiscoveryConfig;
pub use self::mailbox::MailboxConfig;
pub(crate) use self::rates::PUT_WEIGHT;
pub use self::rates::RatesConfig;
pub use self::routing::RoutingConfig;
pub use self::seen::SeenConfig;
use crate::error::ConfigError;

/// All settings, not yet checked.
///
/// ```
/// use meshwork_dht::Config;
///
/// let mut config = Config::default();
/// assert_eq!(config.clone().check()?.routing().bucket_max, 20);
///
/// config.mailbox.redundancy = config.mailbox.copies + 1;
/// let error = config.check().unwrap_err();
/// assert_eq!(error.to_string(), "mailbox.redundancy is 6, must be 1 to 5");
/// # Ok::<(), meshwork_dht::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whom this node knows, and over whom messages go.
    pub routing: RoutingConfig,
    /// Which messages came before.
    pub seen: SeenConfig,
    /// How much each link may bring.
    pub rates: RatesConfig,
    /// Messages kept for peers that are away.
    pub mailbox: MailboxConfig,
    /// How other nodes are found.
    pub discovery: NetworkDiscoveryConfig,
    /// Own messages: how long they live and how hard they are tried.
    pub delivery: DeliveryConfig,
}

/// [`Config`] by the name that reads well outside of this crate.
pub type DhtConfig = Config;

impl Config {
    /// The profile of short-lived test networks: private addresses, and everything within seconds.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            routing: RoutingConfig::fast(),
            mailbox: MailboxConfig::fast(),
            discovery: NetworkDiscoveryConfig::fast(),
            delivery: DeliveryConfig::fast(),
            ..Self::default()
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(self) -> Result<Params, ConfigError> {
        self.routing.check()?;
        self.seen.check()?;
        self.rates.check()?;
        self.mailbox.check()?;
        self.discovery.check()?;
        self.delivery.check()?;
        Ok(Params { config: self })
    }
}

/// Settings that passed [`Config::check`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Params {
    config: Config,
}

impl Params {
    /// Whom this node knows, and over whom messages go.
    pub const fn routing(&self) -> &RoutingConfig {
        &self.config.routing
    }

    /// Which messages came before.
    pub const fn seen(&self) -> &SeenConfig {
        &self.config.seen
    }

    /// How much each link may bring.
    pub const fn rates(&self) -> &RatesConfig {
        &self.config.rates
    }

    /// Messages kept for peers that are away.
    pub const fn mailbox(&self) -> &MailboxConfig {
        &self.config.mailbox
    }

    /// How other nodes are found.
    pub const fn discovery(&self) -> &NetworkDiscoveryConfig {
        &self.config.discovery
    }

    /// Own messages.
    pub const fn delivery(&self) -> &DeliveryConfig {
        &self.config.delivery
    }
}
