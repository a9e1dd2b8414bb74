//! `[gossip]`: how many links the node keeps, and how it finds, tests and exchanges peers.

use std::time::Duration;

use gossip::{Config, Mode};

use super::section::section;

section! {
    /// How many links the node keeps, and how it learns of peers, tests them and exchanges links
    /// with its neighbours. A seed keeps no links, whatever stands here.
    pub struct Gossip("gossip") {
        /// Whether to ask neighbours for peers, to tell them of peers, and to exchange links with
        /// them. A private node (`network.private`) never does.
        pub discovery: bool = true,
        /// Fewest links. Some above it, peers are dialled. 0 to `expected`.
        pub min: usize = default().min,
        /// Links wished for. 0 to `limits.outbound_max`, because behind a router that lets nobody in
        /// all of them are dialled from here.
        pub expected: usize = default().expected,
        /// Most links. Some below it, links are closed. `expected` to `limits.inbound_max` and
        /// `limits.outbound_max` together, and at most 500.
        pub max: usize = default().max,
        /// The links are looked after at least once in this time, give or take a fifth, as "2m".
        /// 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub maintenance_period: Duration = default().maintenance_period,
        /// Most dials under way. 1 to 64.
        pub dials_max: usize = default().dials_max,
        /// Most outbound links to one network group, which is an IPv4 /16 or an IPv6 /32. At
        /// least 1.
        pub outbound_per_group_max: usize = default().outbound_per_group_max,
        /// Outbound links that are remembered, to be dialled first after a restart. 0 to 8.
        pub anchors: usize = default().anchors,
        /// How long a link must have lasted to be remembered so, as "10m". At most 1 day.
        #[serde(with = "humantime_serde")]
        pub anchor_age: Duration = default().anchor_age,
        /// Most trusted peers: those of `network.peers` and those that were added since the start.
        /// 0 to 64.
        pub trusted_max: usize = default().trusted_max,
        /// Once in this time, give or take a fifth, one address that is not in use is tried, as
        /// "2m". 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub feeler_period: Duration = default().feeler_period,
        /// The wait after the first failed dial of a trusted peer, as "1s"; doubled for each further
        /// one. 100 ms to `redial_max`.
        #[serde(with = "humantime_serde")]
        pub redial_min: Duration = default().redial_min,
        /// The longest wait between two dials of a trusted peer, as "1m". 100 ms to 1 day.
        #[serde(with = "humantime_serde")]
        pub redial_max: Duration = default().redial_max,
        /// The shortest wait between two rounds of visits to seeds, as "1s"; doubled for each that
        /// taught nothing. 100 ms to `seek_max`.
        #[serde(with = "humantime_serde")]
        pub seek_min: Duration = default().seek_min,
        /// The longest such wait, as "10m". 100 ms to 1 day.
        #[serde(with = "humantime_serde")]
        pub seek_max: Duration = default().seek_max,
        /// Peers in the address book. 64 to 65536.
        pub book_max: usize = default().book_max,
        /// What is new in the address book is written once in this time, as "1m". 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub save_period: Duration = default().save_period,
        /// Some neighbour is asked for peers once in this time, give or take a fifth, as "5m". 1 s to
        /// 1 day.
        #[serde(with = "humantime_serde")]
        pub ask_period: Duration = default().ask_period,
        /// Shortest time between two such questions, to a neighbour and of one, as "10s"; who asks
        /// more often is told nothing. 100 ms to `ask_period`.
        #[serde(with = "humantime_serde")]
        pub ask_gap: Duration = default().ask_gap,
        /// How long the answer is waited for, as "10s". 100 ms to 1 day.
        #[serde(with = "humantime_serde")]
        pub ask_timeout: Duration = default().ask_timeout,
        /// Peers asked for and told of at a time. 1 to 50.
        pub records_max: u32 = default().records_max,
        /// Who asks again within this time, or from the same network, gets the same answer, as
        /// "1h". At most 1 day.
        #[serde(with = "humantime_serde")]
        pub answer_lasts: Duration = default().answer_lasts,
        /// An exchange of links is proposed to a neighbour once in this time, give or take a fifth,
        /// as "2m". 1 s to 1 day, or "0s" for never.
        #[serde(with = "humantime_serde")]
        pub swap_period: Duration = default().swap_period,
        /// How old a link must be to be given away, as "2m". At most 1 day.
        #[serde(with = "humantime_serde")]
        pub swap_age_min: Duration = default().swap_age_min,
        /// Shortest time between two exchanges that the node agrees to, as "30s". At most 1 day.
        #[serde(with = "humantime_serde")]
        pub swap_linger: Duration = default().swap_linger,
        /// Shortest time between two exchanges with one neighbour, as "10m"; also how long a
        /// neighbour that was given away is left alone. At most 1 day.
        #[serde(with = "humantime_serde")]
        pub swap_requester_gap: Duration = default().swap_requester_gap,
        /// How long each step of an exchange is waited for, its dial included, as "10s". 100 ms to
        /// 60 s.
        #[serde(with = "humantime_serde")]
        pub swap_deadline: Duration = default().swap_deadline,
        /// Largest share of links gained by exchange within an hour, in thousandths of the outbound
        /// ones. 0 to 1000; 1000 lifts the cap.
        pub swap_share_max: u16 = default().swap_share_max,
        /// Oldest outbound links that are never given away. 0 to 500.
        pub swap_protected: usize = default().swap_protected,
        /// A neighbour that has said nothing for this long is pinged, give or take a fifth, as
        /// "30s". 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub ping_period: Duration = default().ping_period,
        /// Shortest time that the answer to a ping is waited for, however near the neighbour is, as
        /// "1s". 100 ms to `ping_timeout_max`.
        #[serde(with = "humantime_serde")]
        pub ping_timeout_min: Duration = default().ping_timeout_min,
        /// Longest time that the answer to a ping is waited for, however far the neighbour is, as
        /// "10s". 100 ms to 60 s.
        #[serde(with = "humantime_serde")]
        pub ping_timeout_max: Duration = default().ping_timeout_max,
        /// Pings in a row without an answer after which a neighbour is given up. 1 to 10.
        pub ping_misses_max: u8 = default().ping_misses_max,
    }
}

/// What gossip does unless told otherwise.
fn default() -> Config {
    Config::default()
}

/// All that the two have in common, and what one has alone.
macro_rules! with_keys_of {
    ($from:ident, $into:ident { $($own:tt)* }) => {
        $into {
            min: $from.min,
            expected: $from.expected,
            max: $from.max,
            maintenance_period: $from.maintenance_period,
            dials_max: $from.dials_max,
            outbound_per_group_max: $from.outbound_per_group_max,
            anchors: $from.anchors,
            anchor_age: $from.anchor_age,
            trusted_max: $from.trusted_max,
            feeler_period: $from.feeler_period,
            redial_min: $from.redial_min,
            redial_max: $from.redial_max,
            seek_min: $from.seek_min,
            seek_max: $from.seek_max,
            book_max: $from.book_max,
            save_period: $from.save_period,
            ask_period: $from.ask_period,
            ask_gap: $from.ask_gap,
            ask_timeout: $from.ask_timeout,
            records_max: $from.records_max,
            answer_lasts: $from.answer_lasts,
            swap_period: $from.swap_period,
            swap_age_min: $from.swap_age_min,
            swap_linger: $from.swap_linger,
            swap_requester_gap: $from.swap_requester_gap,
            swap_deadline: $from.swap_deadline,
            swap_share_max: $from.swap_share_max,
            swap_protected: $from.swap_protected,
            ping_period: $from.ping_period,
            ping_timeout_min: $from.ping_timeout_min,
            ping_timeout_max: $from.ping_timeout_max,
            ping_misses_max: $from.ping_misses_max,
            $($own)*
        }
    };
}

impl From<Config> for Gossip {
    fn from(config: Config) -> Self {
        // That private addresses may be dialled is said once, for the whole network.
        with_keys_of!(config, Gossip { discovery: config.mode.discovers() })
    }
}

impl Gossip {
    /// What the core is to do on a network with these two settings.
    pub(super) const fn config(&self, private: bool, allow_private: bool) -> Config {
        let mode = match (private, self.discovery) {
            (true, _) => Mode::Private,
            (false, false) => Mode::DiscoveryOff,
            (false, true) => Mode::Public,
        };
        with_keys_of!(self, Config { mode, allow_private })
    }
}
