//! Settings that were checked.

use std::time::Duration;

use tickets::{Amount, WinProbability};

use super::{Ack, ConfigError, Heartbeat, Msg, ProtocolConfig, Queue, TicketAggregation};
use crate::engine::Terms;
use crate::fair::Bounds;
use crate::{mixer, pending, replay};

/// Settings that were checked, and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    config: ProtocolConfig,
    outgoing_probability: WinProbability,
    incoming_probability_min: WinProbability,
    mixer: mixer::Params,
    replay: replay::Params,
    pending: pending::Params,
}

impl ProtocolConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that is out of its bounds.
    pub fn check(self) -> Result<Params, ConfigError> {
        let Self { msg, ack, heartbeat, ticket_aggregation } = &self;
        check_msg(msg)?;
        check_ack(ack)?;
        let Heartbeat { timeout, rest } = *heartbeat;
        let TicketAggregation { timeout: answer } = *ticket_aggregation;
        let (tenth, second) = (Duration::from_millis(100), Duration::from_secs(1));
        let (ten_minutes, hour) = (Duration::from_mins(10), Duration::from_hours(1));
        times([
            ("heartbeat.timeout", timeout, tenth, ten_minutes),
            ("heartbeat.rest", rest, tenth, hour),
            ("ticket_aggregation.timeout", answer, second, ten_minutes),
        ])?;
        let outgoing = probability("msg.outgoing_probability", msg.outgoing_probability)?;
        if outgoing == WinProbability::NEVER {
            return Err(ConfigError::NeverWins { given: msg.outgoing_probability });
        }
        Ok(Params {
            outgoing_probability: outgoing,
            incoming_probability_min: probability(
                "msg.incoming_probability_min",
                msg.incoming_probability_min,
            )?,
            mixer: msg.mixer.check()?,
            replay: msg.replay.check()?,
            pending: ack.pending.check()?,
            config: self,
        })
    }
}

fn check_msg(msg: &Msg) -> Result<(), ConfigError> {
    let Msg { queue, sending_max, delivered_max, batch_max, batches_max, .. } = msg;
    let keys = ["msg.queue.items_per_peer", "msg.queue.bytes_per_peer", "msg.queue.bytes_total"];
    check_queue(keys, queue)?;
    numbers([
        ("msg.sending_max", *sending_max, 1, 65_536),
        ("msg.delivered_max", *delivered_max, 1, 1_000_000),
        ("msg.batch_max", *batch_max, 1, 256),
        ("msg.batches_max", *batches_max, 1, 1_024),
    ])
}

fn check_ack(ack: &Ack) -> Result<(), ConfigError> {
    let Ack { flush_interval, entries_max, queue, earned_max, .. } = ack;
    let keys = ["ack.queue.items_per_peer", "ack.queue.bytes_per_peer", "ack.queue.bytes_total"];
    check_queue(keys, queue)?;
    numbers([
        ("ack.entries_max", *entries_max, 1, Ack::ENTRIES_MAX),
        ("ack.earned_max", *earned_max, 1, 1_000_000),
    ])?;
    let second = Duration::from_secs(1);
    times([("ack.flush_interval", *flush_interval, Duration::ZERO, second)])
}

fn check_queue([items, bytes, total]: [&'static str; 3], queue: &Queue) -> Result<(), ConfigError> {
    numbers([
        (items, queue.items_per_peer, 1, 1_000_000),
        (bytes, queue.bytes_per_peer, 64 << 10, 1 << 30),
        (total, queue.bytes_total, 64 << 10, 1 << 34),
    ])
}

fn numbers<const N: usize>(
    given: [(&'static str, usize, usize, usize); N],
) -> Result<(), ConfigError> {
    let error = |(key, given, min, max)| ConfigError::Number { key, given, min, max };
    first_out_of_bounds(given).map_or(Ok(()), |wrong| Err(error(wrong)))
}

fn times<const N: usize>(
    given: [(&'static str, Duration, Duration, Duration); N],
) -> Result<(), ConfigError> {
    let error = |(key, given, min, max)| ConfigError::Time { key, given, min, max };
    first_out_of_bounds(given).map_or(Ok(()), |wrong| Err(error(wrong)))
}

fn first_out_of_bounds<T: PartialOrd, const N: usize>(
    given: [(&'static str, T, T, T); N],
) -> Option<(&'static str, T, T, T)> {
    given.into_iter().find(|(_, given, min, max)| !(min..=max).contains(&given))
}

fn probability(key: &'static str, given: f64) -> Result<WinProbability, ConfigError> {
    WinProbability::from_f64(given).map_err(|source| ConfigError::Probability { key, source })
}

impl Params {
    /// What each relay gets for a packet.
    pub const fn price_per_packet(&self) -> Amount {
        self.config.msg.price_per_packet
    }

    /// How likely the tickets win that this node issues.
    pub const fn outgoing_probability(&self) -> WinProbability {
        self.outgoing_probability
    }

    /// How likely a ticket has to win at least to be taken.
    pub const fn incoming_probability_min(&self) -> WinProbability {
        self.incoming_probability_min
    }

    /// How long packets wait among others.
    pub const fn mixer(&self) -> &mixer::Params {
        &self.mixer
    }

    /// Which packets came before.
    pub const fn replay(&self) -> &replay::Params {
        &self.replay
    }

    /// How much is waited for, and how long.
    pub const fn pending(&self) -> &pending::Params {
        &self.pending
    }

    /// What an [`Engine`](crate::engine::Engine) pays and asks.
    pub const fn terms(&self) -> Terms {
        Terms {
            price: self.price_per_packet(),
            probability: self.outgoing_probability,
            probability_min: self.incoming_probability_min,
        }
    }

    /// What may wait to be opened.
    pub const fn msg_bounds(&self) -> Bounds {
        bounds(&self.config.msg.queue)
    }

    /// What may wait to be checked.
    pub const fn ack_bounds(&self) -> Bounds {
        bounds(&self.config.ack.queue)
    }

    /// The settings of packets, as given.
    pub const fn msg(&self) -> &Msg {
        &self.config.msg
    }

    /// The settings of acknowledgements, as given.
    pub const fn ack(&self) -> &Ack {
        &self.config.ack
    }

    /// Who counts as alive, as given.
    pub const fn heartbeat(&self) -> &Heartbeat {
        &self.config.heartbeat
    }

    /// How long the issuer of tickets has to answer.
    pub const fn aggregation_timeout(&self) -> Duration {
        self.config.ticket_aggregation.timeout
    }
}

const fn bounds(queue: &Queue) -> Bounds {
    let Queue { items_per_peer, bytes_per_peer, bytes_total } = *queue;
    Bounds { items_per_peer, bytes_per_peer, bytes_total }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes one field of the default wrong, and gives the error.
    fn broken(spoil: impl FnOnce(&mut ProtocolConfig)) -> String {
        let mut config = ProtocolConfig::default();
        spoil(&mut config);
        config.check().expect_err("it is out of bounds").to_string()
    }

    #[test]
    fn every_bound_is_named() {
        let second = Duration::from_secs(1);
        for (error, name) in [
            (broken(|it| it.msg.outgoing_probability = 1.5), "msg.outgoing_probability: "),
            (broken(|it| it.msg.outgoing_probability = 0.0), "msg.outgoing_probability is 0,"),
            (broken(|it| it.msg.incoming_probability_min = -0.1), "msg.incoming_probability_min: "),
            (broken(|it| it.msg.queue.items_per_peer = 0), "msg.queue.items_per_peer is 0,"),
            (broken(|it| it.ack.queue.bytes_total = 1), "ack.queue.bytes_total is 1,"),
            (broken(|it| it.msg.sending_max = 0), "msg.sending_max is 0,"),
            (broken(|it| it.msg.delivered_max = 0), "msg.delivered_max is 0,"),
            (broken(|it| it.msg.batch_max = 257), "msg.batch_max is 257,"),
            (broken(|it| it.msg.batches_max = 0), "msg.batches_max is 0,"),
            (broken(|it| it.msg.mixer.items_max = 0), "msg.mixer.items_max is 0,"),
            (broken(|it| it.msg.replay.shards = 0), "msg.replay.shards is 0,"),
            (broken(|it| it.ack.entries_max = 0), "ack.entries_max is 0,"),
            (broken(|it| it.ack.pending.entries_max = 0), "ack.pending.entries_max is 0,"),
            (broken(|it| it.ack.earned_max = 0), "ack.earned_max is 0,"),
            (broken(|it| it.ack.flush_interval = 2 * second), "ack.flush_interval is 2s,"),
            (broken(|it| it.heartbeat.timeout = Duration::ZERO), "heartbeat.timeout is 0ns,"),
            (broken(|it| it.heartbeat.rest = Duration::ZERO), "heartbeat.rest is 0ns,"),
            (
                broken(|it| it.ticket_aggregation.timeout = Duration::ZERO),
                "ticket_aggregation.timeout is 0ns,",
            ),
        ] {
            assert!(error.starts_with(name), "{error:?} names {name:?}");
        }
    }
}
