//! From a configuration to the parameters of every layer, or to all that is wrong with it.

use std::collections::BTreeSet;
use std::time::Duration;

use handshake::{Semver, seed};
use transport::address::admissible;
use transport::limits;

use super::dht;
use super::orders::{SYNC_MAX, SYNC_MIN, SYNC_PEERS_MAX};
use super::payments::{AGGREGATE_MAX, DELAY_MAX, NOTICE_MAX};
use super::sections::{Handshake, Limits, Seed};
use super::{
    Config, Control, DialAddress, KeyPath, Mistake, Network, Orders, OrdersParams, PaymentsParams,
    RangeError, Role,
};

/// A configuration that passed every check, and what it means for each layer.
#[derive(Clone, Debug)]
pub struct Params {
    config: Config,
    /// Of the transport.
    pub(crate) limits: limits::Params,
    /// Of the gate.
    pub(crate) gate: handshake::Params,
    /// Of the seed protocol.
    pub(crate) seed: seed::Params,
    /// Of gossip.
    pub(crate) gossip: gossip::Params,
    /// Of the orders.
    pub(crate) orders: OrdersParams,
    /// Of the payments.
    pub(crate) payments: PaymentsParams,
    /// Of the DHT.
    pub(crate) dht: ::dht::Config,
}

impl Params {
    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }
}

/// The name of the application that this node runs, as the handshake tells it.
const APPLICATION: &str = "meshwork";

/// Name and version of this software, as the handshake and identify tell it.
const AGENT: &str = concat!("meshwork/", env!("CARGO_PKG_VERSION"));

impl Config {
    /// Checks what no single value shows by itself: ranges, and values that must fit each other.
    ///
    /// # Errors
    /// Every mistake found, each with its key. A layer below stops at its first.
    pub fn check(self) -> Result<Params, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        self.check_ranges(&mut mistakes);
        self.check_payments(&mut mistakes);
        let limits = self.ceiling().check();
        let limits = mistakes.keep(limits, |error| Mistake::Range {
            key: known(&format!("limits.{}", error.name)),
            error: RangeError::Count { given: error.given, min: error.min, max: error.max },
        });
        let gate = mistakes.keep(self.gate().check(), |error| Mistake::Handshake {
            key: key_of_gate(&error),
            error,
        });
        let seed = mistakes.keep(self.seed_config().check(), |error| Mistake::Seed {
            key: key_of_seed(&error),
            error,
        });
        let gossip = mistakes.keep(self.gossip_config().check(), |error| Mistake::Gossip {
            key: key_of_gossip(&error),
            error,
        });
        let orders = mistakes.keep(self.orders.params(), |error| Mistake::Orders {
            key: known(&format!("orders.{}", error.key())),
            error,
        });
        let Network { private, allow_private, .. } = self.network;
        let dht = self.dht.config(private, allow_private);
        mistakes.keep(dht.clone().check(), |error| Mistake::Dht {
            key: known(dht::key_of(&error)),
            error,
        });
        match (limits, gate, seed, gossip, orders) {
            (Some(limits), Some(gate), Some(seed), Some(gossip), Some(orders))
                if mistakes.0.is_empty() =>
            {
                let payments = self.ledger.params(&self.network.name);
                Ok(Params { config: self, limits, gate, seed, gossip, orders, payments, dht })
            }
            _ => Err(mistakes.0),
        }
    }

    fn check_ranges(&self, mistakes: &mut Mistakes) {
        let Network { listen, external, seeds, peers, .. } = &self.network;
        mistakes.entries("network.listen", listen.len(), 16);
        mistakes.entries("network.external", external.len(), 16);
        mistakes.entries("network.seeds", seeds.len(), 64);
        mistakes.entries("network.peers", peers.len(), 64);
        let named: BTreeSet<_> = peers.iter().map(DialAddress::peer).collect();
        let trusted = u32::try_from(self.gossip.trusted_max).unwrap_or(u32::MAX);
        mistakes.at_most("network.peers", named.len(), ("gossip.trusted_max", trusted));
        for given in external {
            if let Err(error) = admissible(given, self.network.allow_private) {
                let (key, given) = (known("network.external"), given.clone());
                mistakes.0.push(Mistake::External { key, given, error });
            }
        }

        let limits = &self.limits;
        let inbound = ("limits.established_inbound_max", limits.established_inbound_max);
        let outbound = ("limits.established_outbound_max", limits.established_outbound_max);
        mistakes.at_most("limits.inbound_max", limits.inbound_max, inbound);
        mistakes.at_most("limits.strangers_max", limits.strangers_max, inbound);
        mistakes.at_most("limits.outbound_max", limits.outbound_max, outbound);
        let established = ("limits.established_max", limits.established_max);
        mistakes.at_most("limits.handshakes_max", limits.handshakes_max, established);
        let outbound = u32::try_from(limits.outbound_max).unwrap_or(u32::MAX);
        mistakes.count("limits.outbound_max", outbound, 1, u32::MAX);
        let both = u32::try_from(limits.inbound_max).unwrap_or(u32::MAX).saturating_add(outbound);
        let outbound = ("limits.outbound_max", outbound);
        mistakes.at_most("gossip.expected", self.gossip.expected, outbound);
        let both = ("limits.inbound_max and limits.outbound_max together", both);
        mistakes.at_most("gossip.max", self.gossip.max, both);

        let second = Duration::from_secs(1);
        mistakes.time("limits.pending_timeout", limits.pending_timeout, second / 10, second * 60);
        mistakes.count("limits.negotiating_max", limits.negotiating_max, 1, 256);
        let Handshake { stranger_idle, retry_after, .. } = self.handshake;
        mistakes.time("handshake.stranger_idle", stranger_idle, second, second * 3600);
        mistakes.time("handshake.retry_after", retry_after, Duration::ZERO, second * 3600);
        let Control { request_timeout, streams_max, .. } = self.control;
        mistakes.time("control.request_timeout", request_timeout, second / 10, second * 60);
        mistakes.count("control.streams_max", streams_max, 1, 1000);
        let Orders { sync_every, min_peers, .. } = &self.orders;
        if !sync_every.is_zero() {
            mistakes.time("orders.sync_every", *sync_every, SYNC_MIN, SYNC_MAX);
        }
        let min_peers = u32::try_from(*min_peers).unwrap_or(u32::MAX);
        mistakes.count("orders.min_peers", min_peers, 1, SYNC_PEERS_MAX);
    }

    fn check_payments(&self, mistakes: &mut Mistakes) {
        let second = Duration::from_secs(1);
        mistakes.time("ledger.notice", self.ledger.notice, second, NOTICE_MAX);
        mistakes.time("relay.delay_max", self.relay.delay_max, Duration::ZERO, DELAY_MAX);
        mistakes.count("tickets.threshold", self.tickets.threshold, 2, AGGREGATE_MAX);
        mistakes.time("tickets.timeout", self.tickets.timeout, second, second * 120);
        let all = [self.ledger.mistakes(), self.relay.mistakes(), self.tickets.mistakes()];
        for (key, error) in all.into_iter().flatten() {
            mistakes.0.push(Mistake::Payments { key: known(key), error });
        }
    }

    /// The ceiling over all connections, for the transport.
    fn ceiling(&self) -> limits::Config {
        let Limits {
            inbound_max: _,
            outbound_max: _,
            strangers_max: _,
            handshakes_max: _,
            pending_timeout: _,
            negotiating_max: _,
            established_inbound_max,
            established_outbound_max,
            established_max,
            per_peer_max,
            per_subnet_max,
            pending_inbound_max,
            pending_outbound_max,
            pending_per_subnet_max,
        } = self.limits;
        limits::Config {
            established_inbound_max,
            established_outbound_max,
            established_max,
            per_peer_max,
            per_subnet_max,
            pending_inbound_max,
            pending_outbound_max,
            pending_per_subnet_max,
        }
    }

    fn gate(&self) -> handshake::Config {
        handshake::Config {
            network: self.network.name.as_str().to_owned(),
            application: APPLICATION.to_owned(),
            agent: AGENT.to_owned(),
            version: version(),
            minor_min: 0,
            features: Vec::new(),
            deadline: self.handshake.deadline,
            inbound_max: self.limits.inbound_max,
            outbound_max: self.limits.outbound_max,
            strangers_max: self.limits.strangers_max,
            pending_max: self.limits.handshakes_max,
            retry_after: self.handshake.retry_after,
            private: self.network.private,
            allow_private: self.network.allow_private,
        }
    }

    fn gossip_config(&self) -> gossip::Config {
        let Network { private, allow_private, role, .. } = self.network;
        let config = self.gossip.config(private, allow_private);
        match role {
            Role::Node => config,
            // Who visits a seed leaves again, and it goes to nobody but to see whether they are there.
            Role::Seed => gossip::Config { min: 0, expected: 0, max: 0, ..config },
        }
    }

    fn seed_config(&self) -> seed::Config {
        let Seed {
            fan_out,
            wish,
            visit_timeout,
            retry_min,
            retry_max,
            ask_gap,
            answer_max,
            book_max,
            recheck,
            linger,
        } = self.seed;
        seed::Config {
            fan_out,
            wish,
            visit_timeout,
            retry_min,
            retry_max,
            ask_gap,
            answer_max,
            book_max,
            recheck,
            linger,
        }
    }
}

/// The version of this software, which is that of its application.
fn version() -> Semver {
    let part = |text: &str| text.parse().expect("cargo has checked its own version");
    Semver {
        major: part(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: part(env!("CARGO_PKG_VERSION_MINOR")),
        patch: part(env!("CARGO_PKG_VERSION_PATCH")),
    }
}

fn known(key: &str) -> KeyPath {
    KeyPath::find(key).expect("only keys of the manual are checked")
}

fn key_of_gate(error: &handshake::ConfigError) -> KeyPath {
    use handshake::ConfigError as Error;
    known(match error {
        Error::Deadline { .. } => "handshake.deadline",
        Error::Zero { key: "inbound_max" } => "limits.inbound_max",
        Error::Zero { key: "strangers_max" } => "limits.strangers_max",
        Error::Zero { .. } => "limits.handshakes_max",
        // Everything else that the gate asks for is either the name or fixed above.
        Error::Length { .. }
        | Error::MinorMin { .. }
        | Error::TooManyFeatures { .. }
        | Error::TwinFeature { .. } => "network.name",
    })
}

fn key_of_seed(error: &seed::ConfigError) -> KeyPath {
    use seed::ConfigError as Error;
    match error {
        Error::Number { key, .. } => known(&format!("seed.{key}")),
        Error::VisitTimeout { .. } => known("seed.visit_timeout"),
        Error::Retry { .. } => known("seed.retry_min"),
        Error::Recheck { .. } => known("seed.recheck"),
    }
}

fn key_of_gossip(error: &gossip::ConfigError) -> KeyPath {
    use gossip::ConfigError as Error;
    let (Error::Number { key, .. } | Error::Time { key, .. }) = error;
    known(&format!("gossip.{key}"))
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn keep<T, E>(
        &mut self,
        outcome: Result<T, E>,
        mistake: impl FnOnce(E) -> Mistake,
    ) -> Option<T> {
        outcome.map_err(|error| self.0.push(mistake(error))).ok()
    }

    fn range(&mut self, key: &str, error: RangeError) {
        self.0.push(Mistake::Range { key: known(key), error });
    }

    fn count(&mut self, key: &str, given: u32, min: u32, max: u32) {
        if !(min..=max).contains(&given) {
            self.range(key, RangeError::Count { given, min, max });
        }
    }

    fn at_most(&mut self, key: &str, given: usize, (other, max): (&'static str, u32)) {
        if u32::try_from(given).is_ok_and(|given| given <= max) {
            return;
        }
        self.range(key, RangeError::Above { given, other, max });
    }

    fn time(&mut self, key: &str, given: Duration, min: Duration, max: Duration) {
        if !(min..=max).contains(&given) {
            self.range(key, RangeError::Time { given, min, max });
        }
    }

    fn entries(&mut self, key: &str, given: usize, max: usize) {
        if given > max {
            self.range(key, RangeError::Entries { given, max });
        }
    }
}
