//! `[ledger]`, `[relay]`, `[tickets]`: where the node has its account, and what it earns and spends.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tickets::{Address, Amount, DomainSeparator, TooUnlikely, WinProbability, keccak256};

use super::NetworkName;
use super::section::section;
use crate::payments::Tokens;

section! {
    /// Where the node has its account, with which it pays relays and is paid. Nodes pay each other
    /// only on one ledger: one of them serves it, and the others follow it.
    pub struct Ledger("ledger") {
        /// Whose ledger: "own" for one that this node keeps, or where another node of the network
        /// serves its: "unix:PATH", a relative path being taken from the data directory, or
        /// `http://127.0.0.1:PORT`. Only of this machine.
        pub url: LedgerUrl = LedgerUrl(None),
        /// Where this node serves its own ledger to others: "unix:PATH" for the processes of the same
        /// user, "127.0.0.1:PORT" for all of this machine, or "off". It serves nothing else there.
        pub serve: LedgerServe = LedgerServe(None),
        /// What each account may claim once, in tokens: more than 0, below 10000000. All nodes on one
        /// ledger have to say the same, from the first start on.
        pub grant: Tokens = Tokens::milli(1_000_000),
        /// How long a channel goes on that its payer has closed, so that the other side can redeem
        /// what it holds, as "5m": whole seconds, 1 s to 30 days. As above, all have to say the same.
        #[serde(with = "humantime_serde")]
        pub notice: Duration = Duration::from_mins(5),
    }
}

section! {
    /// How the node sends packets over others, and relays those of others.
    pub struct Relay("relay") {
        /// Whether to take part: to send over relays, to take in what comes over them, and to relay what
        /// others send, for the price below.
        pub enabled: bool = false,
        /// What one relay gets for one packet, in tokens: it is paid so much for each relay that the
        /// packet has still to pass, and expects as much. At most 1000000.
        pub price: Tokens = Tokens::milli(10),
        /// How likely the tickets win that this node issues. The less likely, the fewer have to be
        /// redeemed, and the more is each of them worth. More than 0, at most 1.
        pub win_probability: f64 = 1.0,
        /// How likely the tickets must win that it takes. 0 to 1.
        pub min_win_probability: f64 = 0.000_1,
        /// Longest time for which a packet waits among others, so that nobody sees which of those
        /// that leave is which of those that came, as "200ms". At most 2 s: a packet and what is said of
        /// it wait at every node on their way.
        #[serde(with = "humantime_serde")]
        pub delay_max: Duration = Duration::from_millis(200),
    }
}

section! {
    /// When the node trades many tickets for one that is worth as much, with who issued them.
    pub struct Tickets("tickets") {
        /// Whether it does so by itself; else when `meshwork tickets aggregate` says so.
        pub auto: bool = true,
        /// With so many tickets of one channel. 2 to 500.
        pub threshold: u32 = 100,
        /// Or when two or more are worth so much of the channel's balance. More than 0, at most 1.
        pub ratio: f64 = 0.9,
        /// How long the answer may take, as "15s". 1 s to 2 min.
        #[serde(with = "humantime_serde")]
        pub timeout: Duration = Duration::from_secs(15),
    }
}

/// Most tickets that are traded for one.
pub(super) const AGGREGATE_MAX: u32 = 500;

/// The longest notice of a ledger.
pub(super) const NOTICE_MAX: Duration = Duration::from_hours(30 * 24);

/// The longest time for which a packet may wait among others. Over three relays and back it waits eight
/// times at most, which with its way has to fit the 30 seconds that the sender waits.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(2);

/// The dearest relay, in thousandths of a token. Three of them at 10⁻⁶ fit a ticket no more.
const PRICE_MAX_MILLI: u32 = 1_000_000_000;

/// A place on this machine where a ledger is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LedgerPlace {
    /// A unix socket; a relative path is taken from the data directory.
    Unix(String),
    /// A loopback address and a port.
    Loopback(SocketAddr),
}

/// Whose ledger; `None` for the node's own.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LedgerUrl(pub Option<LedgerPlace>);

/// Where the node's own ledger is served; `None` for nowhere.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LedgerServe(pub Option<LedgerPlace>);

/// Why text names no place of a ledger.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadLedgerPlace {
    /// None of the forms.
    #[error("{given:?} must be {forms}")]
    Syntax {
        /// What was given.
        given: String,
        /// The forms.
        forms: &'static str,
    },
    /// Others could read and write what is said there.
    #[error("{given} is not on this machine, must be a loopback address")]
    Remote {
        /// What was given.
        given: SocketAddr,
    },
}

/// The path after `unix:`, if it is one.
fn unix(text: &str) -> Option<LedgerPlace> {
    let path = text.strip_prefix("unix:")?;
    let good = !path.is_empty() && !path.contains('\0');
    good.then(|| LedgerPlace::Unix(path.to_owned()))
}

fn loopback(given: SocketAddr) -> Result<LedgerPlace, BadLedgerPlace> {
    if given.ip().is_loopback() {
        Ok(LedgerPlace::Loopback(given))
    } else {
        Err(BadLedgerPlace::Remote { given })
    }
}

impl LedgerUrl {
    const OWN: &str = "own";
    const FORMS: &str = "\"own\", \"unix:PATH\" or \"http://127.0.0.1:PORT\"";
}

impl FromStr for LedgerUrl {
    type Err = BadLedgerPlace;

    fn from_str(text: &str) -> Result<Self, BadLedgerPlace> {
        if text == Self::OWN {
            return Ok(Self(None));
        }
        if let Some(place) = unix(text) {
            return Ok(Self(Some(place)));
        }
        let address = text.strip_prefix("http://").map(|it| it.strip_suffix('/').unwrap_or(it));
        let address = address.and_then(|address| address.parse().ok());
        let bad = || BadLedgerPlace::Syntax { given: text.to_owned(), forms: Self::FORMS };
        loopback(address.ok_or_else(bad)?).map(|place| Self(Some(place)))
    }
}

impl LedgerServe {
    const OFF: &str = "off";
    const FORMS: &str = "\"off\", \"unix:PATH\" or \"127.0.0.1:PORT\"";
}

impl FromStr for LedgerServe {
    type Err = BadLedgerPlace;

    fn from_str(text: &str) -> Result<Self, BadLedgerPlace> {
        if text == Self::OFF {
            return Ok(Self(None));
        }
        if let Some(place) = unix(text) {
            return Ok(Self(Some(place)));
        }
        let bad = |_| BadLedgerPlace::Syntax { given: text.to_owned(), forms: Self::FORMS };
        loopback(text.parse().map_err(bad)?).map(|place| Self(Some(place)))
    }
}

impl fmt::Display for LedgerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => out.write_str(Self::OWN),
            Some(LedgerPlace::Unix(path)) => write!(out, "unix:{path}"),
            Some(LedgerPlace::Loopback(address)) => write!(out, "http://{address}"),
        }
    }
}

impl fmt::Display for LedgerServe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => out.write_str(Self::OFF),
            Some(LedgerPlace::Unix(path)) => write!(out, "unix:{path}"),
            Some(LedgerPlace::Loopback(address)) => write!(out, "{address}"),
        }
    }
}

/// Has serde read and write a type as its text.
macro_rules! as_text {
    ($($type:ident),+) => {$(
        impl TryFrom<String> for $type {
            type Error = BadLedgerPlace;

            fn try_from(text: String) -> Result<Self, BadLedgerPlace> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(place: $type) -> Self {
                place.to_string()
            }
        }
    )+};
}

as_text!(LedgerUrl, LedgerServe);

/// What the payments of a node are made with.
#[derive(Clone, Debug)]
pub struct PaymentsParams {
    /// Whose ledger; `None` for its own.
    pub(crate) url: Option<LedgerPlace>,
    /// Where its own is served.
    pub(crate) serve: Option<LedgerPlace>,
    /// What sets the ledgers of the network apart from those of others.
    pub(crate) separator: DomainSeparator,
    /// What an account may claim.
    pub(crate) grant: Amount,
    /// How long a channel goes on that its payer has closed.
    pub(crate) notice: Duration,
}

/// What is wrong with the payments of a configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentsError {
    /// What is followed is not the node's own to serve.
    #[error("is set, but ledger.url names the ledger of another node; only one's own is served")]
    ServesAnothers,
    /// Nobody would have anything.
    #[error("is 0, must be more")]
    NoGrant,
    /// A part of a whole second, which no ledger counts.
    #[error("is {given:?}, must be whole seconds")]
    Fraction {
        /// As configured.
        given: Duration,
    },
    /// Not a probability, or not one that this key may have.
    #[error("is {given}, must be {bounds}")]
    Probability {
        /// As configured.
        given: f64,
        /// What it must be.
        bounds: &'static str,
    },
    /// Nobody takes so much.
    #[error("is {given}, must be at most {max}")]
    Price {
        /// As configured.
        given: Tokens,
        /// The dearest.
        max: Tokens,
    },
    /// A ticket would have to carry more than it can.
    #[error("cannot be paid over three relays with tickets of relay.win_probability: {0}")]
    Ticket(TooUnlikely),
}

/// What the domain separator of a network is of: the name and version of the contract whose tickets
/// these are.
const CONTRACT: (&str, &str) = ("HoprChannels", "2.0.0");

/// The chain of a ledger that is on none.
const NO_CHAIN: u64 = 0;

/// What sets the ledgers of network `name` apart: its contract is at an address made of the name.
fn separator(name: &NetworkName) -> DomainSeparator {
    let hash = keccak256(format!("meshwork ledger of {name}").as_bytes());
    let mut contract = Address::ZERO;
    contract.0.copy_from_slice(&hash[12..]);
    DomainSeparator::of(CONTRACT.0, CONTRACT.1, NO_CHAIN, &contract)
}

impl Ledger {
    /// What it means for the payments in network `name`.
    pub(super) fn params(&self, name: &NetworkName) -> PaymentsParams {
        let Self { url, serve, grant, notice } = self.clone();
        let separator = separator(name);
        PaymentsParams { url: url.0, serve: serve.0, separator, grant: grant.0, notice }
    }

    /// All that is wrong with it but for its ranges, by key.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, PaymentsError)> {
        let mut mistakes = Vec::new();
        if self.url.0.is_some() && self.serve.0.is_some() {
            mistakes.push(("ledger.serve", PaymentsError::ServesAnothers));
        }
        if self.grant.0.is_zero() {
            mistakes.push(("ledger.grant", PaymentsError::NoGrant));
        }
        if self.notice.subsec_nanos() != 0 {
            mistakes.push(("ledger.notice", PaymentsError::Fraction { given: self.notice }));
        }
        mistakes
    }
}

/// What is wrong with a probability.
fn probability(given: f64, may_be_none: bool) -> Result<WinProbability, PaymentsError> {
    let bounds = if may_be_none { "0 to 1" } else { "0.00000001 to 1" };
    let bad = PaymentsError::Probability { given, bounds };
    let found = WinProbability::from_f64(given).map_err(|_| bad.clone())?;
    if found == WinProbability::NEVER && !may_be_none { Err(bad) } else { Ok(found) }
}

impl Relay {
    /// All that is wrong with it but for its ranges, by key.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, PaymentsError)> {
        let max = Tokens::milli(PRICE_MAX_MILLI);
        let mut mistakes = Vec::new();
        if self.price > max {
            let given = self.price;
            mistakes.push(("relay.price", PaymentsError::Price { given, max }));
        }
        match probability(self.win_probability, false) {
            Err(error) => mistakes.push(("relay.win_probability", error)),
            Ok(probability) => {
                let dearest = self.price.0.checked_mul(3).unwrap_or(Amount::MAX);
                if let Err(error) = probability.divide(dearest) {
                    mistakes.push(("relay.price", PaymentsError::Ticket(error)));
                }
            }
        }
        if let Err(error) = probability(self.min_win_probability, true) {
            mistakes.push(("relay.min_win_probability", error));
        }
        mistakes
    }
}

impl Tickets {
    /// All that is wrong with it but for its ranges, by key.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, PaymentsError)> {
        let given = self.ratio;
        if given > 0.0 && given <= 1.0 {
            return Vec::new();
        }
        let bounds = "more than 0, at most 1";
        vec![("tickets.ratio", PaymentsError::Probability { given, bounds })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_found_and_served_on_this_machine_only() {
        for good in ["own", "unix:ledger.sock", "unix:/run/l.sock", "http://127.0.0.1:7001"] {
            assert_eq!(good.parse::<LedgerUrl>().expect(good).to_string(), good);
        }
        for good in ["off", "unix:ledger.sock", "127.0.0.1:0", "[::1]:7001"] {
            assert_eq!(good.parse::<LedgerServe>().expect(good).to_string(), good);
        }
        let slash: LedgerUrl = "http://127.0.0.1:7001/".parse().expect("good");
        assert_eq!(slash.to_string(), "http://127.0.0.1:7001");
        for bad in ["", "off", "unix:", "127.0.0.1:1", "https://127.0.0.1:1", "http://localhost:1"]
        {
            let refused = bad.parse::<LedgerUrl>();
            assert!(matches!(refused, Err(BadLedgerPlace::Syntax { .. })), "{bad}: {refused:?}");
        }
        let given = "192.0.2.1:80".parse().expect("good");
        let remote = Err(BadLedgerPlace::Remote { given });
        assert_eq!("http://192.0.2.1:80".parse::<LedgerUrl>(), remote);
        assert_eq!("192.0.2.1:80".parse::<LedgerServe>().map(|_| ()), remote.map(|_| ()));
        assert!("0.0.0.0:7001".parse::<LedgerServe>().is_err());
    }

    #[test]
    fn ledgers_of_two_networks_are_two() {
        let of = |name: &str| Ledger::default().params(&name.parse().expect("a name")).separator;
        assert_eq!(of("rivers"), of("rivers"));
        assert_ne!(of("rivers"), of("lakes"));
    }

    #[test]
    fn what_cannot_be_is_told_with_its_key() {
        let place = Some(LedgerPlace::Unix("l.sock".to_owned()));
        let ledger = Ledger {
            url: LedgerUrl(place.clone()),
            serve: LedgerServe(place),
            grant: Tokens::default(),
            notice: Duration::from_millis(1500),
        };
        let keys = |mistakes: Vec<(&'static str, PaymentsError)>| -> Vec<_> {
            mistakes.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(ledger.mistakes()), ["ledger.serve", "ledger.grant", "ledger.notice"]);
        assert_eq!(keys(Ledger::default().mistakes()), [""; 0]);

        let wrong = Relay {
            price: Tokens::milli(PRICE_MAX_MILLI + 1),
            win_probability: 0.0,
            min_win_probability: f64::NAN,
            ..Relay::default()
        };
        let all = ["relay.price", "relay.win_probability", "relay.min_win_probability"];
        assert_eq!(keys(wrong.mistakes()), all);
        let unlikely = Relay {
            price: Tokens::milli(PRICE_MAX_MILLI),
            win_probability: 0.000_001,
            ..Relay::default()
        };
        assert_eq!(keys(unlikely.mistakes()), ["relay.price"], "no ticket carries so much");
        assert_eq!(keys(Relay::default().mistakes()), [""; 0]);

        for ratio in [0.0, -1.0, 1.01, f64::NAN] {
            let tickets = Tickets { ratio, ..Tickets::default() };
            assert_eq!(keys(tickets.mistakes()), ["tickets.ratio"], "{ratio}");
        }
    }
}
