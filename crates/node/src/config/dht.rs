//! `[dht]`: how messages reach peers that this node never met, and what it keeps for others.

use std::time::Duration;

use super::section::section;
use crate::messaging::SENT_MAX;

section! {
    /// How messages go over other nodes to peers that this one never met, and what it keeps for those
    /// that are away. A seed carries no messages, whatever stands here.
    pub struct Dht("dht") {
        /// Whether to take part: to send messages, to take in those for this node, and to carry those
        /// of others.
        pub enabled: bool = true,
        /// Most links that are opened for messages alone. 1 to 256; they take no place of
        /// `limits.outbound_max`, and there are fewer when `limits.established_outbound_max` is
        /// reached.
        pub links_max: usize = default().routing.links_max,
        /// How long such a link stays without use, as "30s". 1 s to 1 hour.
        #[serde(with = "humantime_serde")]
        pub link_idle: Duration = default().routing.link_idle,
        /// Messages per second that each link may bring in the long run. 1 to 1000000.
        pub messages_per_second: u32 = default().rates.messages_per_second,
        /// Their bytes per second. 1024 to 1073741824.
        pub bytes_per_second: u32 = default().rates.bytes_per_second,
        /// Whether to tell the network where this node is, so that others find it. A private node
        /// (`network.private`) never does, and opens no links for messages.
        pub join: bool = default().discovery.join,
        /// Whether to keep messages for peers that are away.
        pub mailbox_serve: bool = default().mailbox.serve,
        /// Bytes kept for others in all. 98304 to 1099511627776.
        pub mailbox_bytes_max: usize = default().mailbox.bytes_max,
        /// Messages kept for others in all. 1 to 16777216.
        pub mailbox_messages_max: usize = default().mailbox.messages_max,
        /// Bytes kept for one recipient. 98304 to `mailbox_bytes_max`.
        pub mailbox_recipient_bytes_max: usize = default().mailbox.recipient_bytes_max,
        /// Messages kept for one recipient. 1 to 65536.
        pub mailbox_recipient_messages_max: usize = default().mailbox.recipient_messages_max,
        /// Bytes kept of what one link brought. 98304 to `mailbox_bytes_max`.
        pub mailbox_link_bytes_max: usize = default().mailbox.link_bytes_max,
        /// Nodes that a message for somebody who is away is given to. 1 to 20.
        pub mailbox_copies: usize = default().mailbox.copies,
        /// How many of them have to keep it until it is tried every ten minutes only, and not sooner.
        /// 1 to `mailbox_copies`.
        pub mailbox_redundancy: usize = default().mailbox.redundancy,
        /// Mail for this node is asked for once in this time, as "3m". 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub mailbox_fetch_period: Duration = default().mailbox.fetch_period,
        /// Nodes that come closer to a recipient get copies once in this time, as "10m". 1 s to 1 day.
        #[serde(with = "humantime_serde")]
        pub mailbox_republish_period: Duration = default().mailbox.republish_period,
        /// How long a message of this node is tried that nobody may keep, as "1h". 5 min to 1 day.
        #[serde(with = "humantime_serde")]
        pub lifetime: Duration = default().delivery.lifetime,
        /// How long one that may be kept, as "1day". 5 min to 1 day.
        #[serde(with = "humantime_serde")]
        pub lifetime_mailbox: Duration = default().delivery.lifetime_mailbox,
        /// Messages of this node on their way at a time. 1 to 65536; what became of them is told of at
        /// most 1024.
        pub own_messages_max: usize = default().delivery.messages_max,
        /// Their bytes. 98304 to 4294967296.
        pub own_bytes_max: usize = default().delivery.bytes_max,
        /// How long it is remembered what became of a message of this node, of at most 1024 of them, as
        /// "7days". 1 s to 30 days.
        #[serde(with = "humantime_serde")]
        pub sent_lasts: Duration = default().delivery.sent_lasts,
        /// Whether those who write to this node are told that it has their messages.
        pub receipts: bool = default().delivery.receipts,
    }
}

/// What a DHT does unless told otherwise.
fn default() -> ::dht::Config {
    ::dht::Config::default()
}

/// What the DHT calls each of the keys that have a bound.
const KEYS: &[(&str, &str)] = &[
    ("dht.links_max", "routing.links_max"),
    ("dht.link_idle", "routing.link_idle"),
    ("dht.messages_per_second", "rates.messages_per_second"),
    ("dht.bytes_per_second", "rates.bytes_per_second"),
    ("dht.mailbox_bytes_max", "mailbox.bytes_max"),
    ("dht.mailbox_messages_max", "mailbox.messages_max"),
    ("dht.mailbox_recipient_bytes_max", "mailbox.recipient_bytes_max"),
    ("dht.mailbox_recipient_messages_max", "mailbox.recipient_messages_max"),
    ("dht.mailbox_link_bytes_max", "mailbox.link_bytes_max"),
    ("dht.mailbox_copies", "mailbox.copies"),
    ("dht.mailbox_redundancy", "mailbox.redundancy"),
    ("dht.mailbox_fetch_period", "mailbox.fetch_period"),
    ("dht.mailbox_republish_period", "mailbox.republish_period"),
    ("dht.lifetime", "delivery.lifetime"),
    ("dht.lifetime_mailbox", "delivery.lifetime_mailbox"),
    ("dht.own_messages_max", "delivery.messages_max"),
    ("dht.own_bytes_max", "delivery.bytes_max"),
    ("dht.sent_lasts", "delivery.sent_lasts"),
];

/// Which key of the file a mistake is about.
pub(super) fn key_of(error: &::dht::ConfigError) -> &'static str {
    let (::dht::ConfigError::Number { key, .. } | ::dht::ConfigError::Time { key, .. }) = error;
    let found = KEYS.iter().find(|(_, theirs)| theirs == key);
    // All else is in its bounds, unless it is bounded by one of these: the region by the copies.
    found.map_or("dht.mailbox_copies", |(ours, _)| ours)
}

impl Dht {
    /// What the core is to do on a network with these two settings. A private node looks for nobody,
    /// and tells nobody where it is.
    pub(super) fn config(&self, private: bool, allow_private: bool) -> ::dht::Config {
        let mut config = default();
        config.routing.allow_private = allow_private;
        config.routing.links_max = self.links_max;
        config.routing.link_idle = self.link_idle;
        config.rates.messages_per_second = self.messages_per_second;
        config.rates.bytes_per_second = self.bytes_per_second;
        config.discovery.enabled = !private;
        config.discovery.join = self.join && !private;
        config.mailbox.serve = self.mailbox_serve;
        config.mailbox.bytes_max = self.mailbox_bytes_max;
        config.mailbox.messages_max = self.mailbox_messages_max;
        config.mailbox.recipient_bytes_max = self.mailbox_recipient_bytes_max;
        config.mailbox.recipient_messages_max = self.mailbox_recipient_messages_max;
        config.mailbox.link_bytes_max = self.mailbox_link_bytes_max;
        config.mailbox.copies = self.mailbox_copies;
        config.mailbox.region = config.mailbox.region.max(self.mailbox_copies);
        config.mailbox.redundancy = self.mailbox_redundancy;
        config.mailbox.fetch_period = self.mailbox_fetch_period;
        config.mailbox.republish_period = self.mailbox_republish_period;
        config.delivery.lifetime = self.lifetime;
        config.delivery.lifetime_mailbox = self.lifetime_mailbox;
        config.delivery.messages_max = self.own_messages_max;
        config.delivery.bytes_max = self.own_bytes_max;
        config.delivery.sent_lasts = self.sent_lasts;
        config.delivery.sent_max = SENT_MAX;
        config.delivery.receipts = self.receipts;
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeyPath;

    #[test]
    fn the_defaults_are_those_of_the_dht_and_each_bound_is_told_under_its_key() {
        let mut theirs = default();
        // More than is told need not be written down.
        theirs.delivery.sent_max = SENT_MAX;
        assert_eq!(Dht::default().config(false, false), theirs);
        assert!(KEYS.iter().all(|(ours, _)| KeyPath::find(ours).is_some()));
        let numbers: [fn(&mut Dht); 13] = [
            |dht| dht.links_max = 0,
            |dht| dht.messages_per_second = 0,
            |dht| dht.bytes_per_second = 0,
            |dht| dht.mailbox_bytes_max = 0,
            |dht| dht.mailbox_messages_max = 0,
            |dht| dht.mailbox_recipient_bytes_max = 0,
            |dht| dht.mailbox_recipient_messages_max = 0,
            |dht| dht.mailbox_link_bytes_max = 0,
            |dht| dht.mailbox_copies = 0,
            |dht| dht.mailbox_copies = 21,
            |dht| dht.mailbox_redundancy = 6,
            |dht| dht.own_messages_max = 0,
            |dht| dht.own_bytes_max = 0,
        ];
        let times: [fn(&mut Dht); 6] = [
            |dht| dht.link_idle = Duration::ZERO,
            |dht| dht.mailbox_fetch_period = Duration::ZERO,
            |dht| dht.mailbox_republish_period = Duration::ZERO,
            |dht| dht.lifetime = Duration::ZERO,
            |dht| dht.lifetime_mailbox = Duration::from_hours(25),
            |dht| dht.sent_lasts = Duration::ZERO,
        ];
        let mut keys = Vec::new();
        for change in numbers.into_iter().chain(times) {
            let mut dht = Dht::default();
            change(&mut dht);
            let error = dht.config(true, true).check().expect_err("out of its bounds");
            keys.push(key_of(&error));
        }
        keys.dedup();
        keys.sort_unstable();
        let mut all: Vec<_> = KEYS.iter().map(|(ours, _)| *ours).collect();
        all.sort_unstable();
        assert_eq!(keys, all);
    }
}
