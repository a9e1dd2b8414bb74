//! What a run leaves behind, the same for the same seed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use dht::Carriage;
use serde::Serialize;

use super::node::Said;
use super::{Message, Post};
use crate::graph::float;
use crate::report::{Wall, number};

/// Who is there this long before a message expires, or this long at a stretch, should have it.
const TIME_ENOUGH: Duration = Duration::from_mins(10);

/// Everything about one run that does not depend on the machine.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) run: Circumstances,
    pub(crate) fate: Fate,
    pub(crate) words: Words,
    pub(crate) cost: Cost,
    pub(crate) speed: Speed,
    pub(crate) tables: Tables,
    pub(crate) conduct: Conduct,
}

/// What was run.
#[derive(Debug, Serialize)]
pub(crate) struct Circumstances {
    seed: u64,
    nodes: usize,
    droppers_permille: u16,
    half_life_seconds: Option<u64>,
    away_seconds: u64,
    links: usize,
    messages: usize,
    lifetime_seconds: u64,
    payload_bytes: usize,
    seconds: u64,
    dht: dht::Config,
}

/// What became of the messages.
#[derive(Debug, Serialize)]
pub(crate) struct Fate {
    pub(crate) sent: usize,
    /// To recipients that were away.
    pub(crate) to_absent: usize,
    pub(crate) delivered: usize,
    /// Delivered along the routes, put into the recipient's own hands, fetched from a mailbox.
    pub(crate) routed: usize,
    pub(crate) put: usize,
    pub(crate) fetched: usize,
    /// Recipients that ran at some time ten minutes before expiry or earlier, and those of them
    /// that have it.
    pub(crate) owed: usize,
    pub(crate) owed_delivered: usize,
    pub(crate) owed_share: f64,
    /// Recipients that ran for ten minutes at a stretch before expiry, likewise.
    pub(crate) stayed: usize,
    pub(crate) stayed_delivered: usize,
    pub(crate) stayed_share: f64,
    /// Of those owed and not delivered: the sender was away for half of the time or longer, and never
    /// heard that it is kept.
    pub(crate) missed_sender_away: usize,
    /// The others, by what the sender heard in the end, and how many words that they were kept.
    pub(crate) missed: BTreeMap<String, usize>,
    /// Given to an application more than once.
    pub(crate) duplicates: u64,
    pub(crate) again: Vec<String>,
}

/// What senders were told, and whether it was true.
#[derive(Debug, Serialize)]
pub(crate) struct Words {
    /// Ends, by name; none of those whose sender is away in the end.
    pub(crate) ends: BTreeMap<&'static str, u64>,
    pub(crate) without_end: usize,
    /// Of those without an end: the sender is away, or has just come back.
    pub(crate) sender_away: usize,
    pub(crate) untrue: Vec<String>,
    /// Words of servers that they keep a message: those that did, droppers, others that did not.
    pub(crate) kept: u64,
    pub(crate) kept_by_droppers: u64,
    pub(crate) kept_untrue: u64,
    /// Told to have expired although delivered: the receipt did not come back.
    pub(crate) expired_delivered: usize,
}

/// What it costs.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    /// Times that a message or its receipt was handed on, to all that were delivered.
    pub(crate) carried: u64,
    pub(crate) shortest: u64,
    /// The one by the other.
    pub(crate) transmissions: f64,
    /// The same of messages alone whose recipient was there.
    pub(crate) transmissions_there: f64,
    /// Copies put into mailboxes, for each message sent.
    pub(crate) puts: f64,
    /// Of one message: times that it and its receipt were handed on, and put.
    pub(crate) amplification: Spread,
    /// Bytes of all that was said, for each byte of payload delivered.
    pub(crate) bytes_per_byte: f64,
    pub(crate) per_node_hour: BTreeMap<&'static str, Said>,
    pub(crate) dials_per_node_hour: f64,
    pub(crate) dial_success: f64,
    pub(crate) node_hours: f64,
}

/// How far, and how long it took.
#[derive(Debug, Serialize)]
pub(crate) struct Speed {
    /// Links that messages went over that were not kept on their way.
    pub(crate) hops: Spread,
    pub(crate) shortest_hops: Spread,
    /// Milliseconds of those whose recipient was there.
    pub(crate) direct: Spread,
    /// Milliseconds until the sender heard that it is kept or delivered, of those whose recipient
    /// was away.
    pub(crate) safe: Spread,
    /// Milliseconds of those that were fetched, from when the recipient was there.
    pub(crate) fetched: Spread,
}

/// Who is known to whom in the end.
#[derive(Debug, Serialize)]
pub(crate) struct Tables {
    pub(crate) contacts: Spread,
    /// Contacts that run.
    pub(crate) live: f64,
    pub(crate) links: Spread,
}

/// What nodes made of what arrived, and whom they blame.
#[derive(Debug, Serialize)]
pub(crate) struct Conduct {
    pub(crate) settled: BTreeMap<&'static str, u64>,
    /// Blame by fault: on others, on droppers.
    pub(crate) blamed: BTreeMap<String, [u64; 2]>,
    /// Faults that cost somebody points who is no dropper.
    pub(crate) charged: u64,
}

/// Of many values: how many, the mean, the least, the middle, the ninety-ninth of a hundred, the
/// most.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) mean: f64,
    pub(crate) min: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = u64>) -> Self {
        let mut all: Vec<u64> = values.into_iter().collect();
        all.sort_unstable();
        let count = all.len();
        let at = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1) - 1;
            all.get(rank).copied().unwrap_or(0)
        };
        let mean = ratio(number(all.iter().sum()), float(count));
        Self { count, mean, min: at(0), p50: at(50), p99: at(99), max: at(100) }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn count<T>(all: &[T], is: impl Fn(&T) -> bool) -> usize {
    all.iter().filter(|it| is(it)).count()
}

impl Report {
    pub(crate) fn of(post: &Post) -> Self {
        let (node_hours, log) = (post.node_hours(), &post.log);
        Self {
            run: Circumstances::of(post),
            fate: Fate::of(post),
            words: Words::of(post),
            cost: Cost::of(post, node_hours),
            speed: Speed::of(post),
            tables: Tables::of(post),
            conduct: Conduct {
                settled: log.settled.clone(),
                blamed: log.blamed.clone(),
                charged: log.charged,
            },
        }
    }

    /// Whether nobody went and nobody dropped anything.
    pub(crate) fn is_calm(&self) -> bool {
        self.run.half_life_seconds.is_none() && self.run.droppers_permille == 0
    }

    /// The report as it is written.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Writes it into a directory, which is made if need be.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub(crate) fn write(&self, directory: &Path, wall: &Wall) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.json"), self.json()?)?;
        fs::write(directory.join("wall.json"), serde_json::to_string_pretty(wall)? + "\n")
    }
}

impl Circumstances {
    fn of(post: &Post) -> Self {
        let plan = &post.plan;
        Self {
            seed: plan.seed,
            nodes: plan.nodes,
            droppers_permille: plan.droppers,
            half_life_seconds: plan.half_life.map(|it| it.as_secs()),
            away_seconds: plan.away.as_secs(),
            links: plan.links,
            messages: plan.messages,
            lifetime_seconds: plan.lifetime.as_secs(),
            payload_bytes: plan.payload,
            seconds: post.net.now().elapsed().as_secs(),
            dht: plan.config.clone(),
        }
    }
}

impl Fate {
    fn of(post: &Post) -> Self {
        let all = &post.messages[..];
        let by = |carriage| {
            count(all, |it| it.delivered.is_some_and(|delivered| delivered.carriage == carriage))
        };
        let is_delivered = |it: &&&Message| it.delivered.is_some();
        let owed: Vec<_> = all.iter().filter(|it| post.owes(it)).collect();
        let stayed: Vec<_> = all.iter().filter(|it| post.stayed(it)).collect();
        let (owed_delivered, stayed_delivered) =
            (owed.iter().filter(is_delivered).count(), stayed.iter().filter(is_delivered).count());
        let mut missed = BTreeMap::<String, usize>::new();
        let mut missed_sender_away = 0;
        for message in owed.iter().filter(|it| it.delivered.is_none()) {
            if message.safe.is_none() && post.sender_was_away(message) {
                missed_sender_away += 1;
            } else {
                let end = message.end.as_ref().map_or("without end", dht::Outcome::name);
                let kept = message.told.iter().filter(|it| **it == "stored").count();
                *missed.entry(format!("{end}, kept by {kept}")).or_default() += 1;
            }
        }
        Self {
            sent: all.len(),
            to_absent: count(all, |it| !it.there),
            delivered: count(all, |it| it.delivered.is_some()),
            routed: by(Carriage::Routed),
            put: by(Carriage::Put),
            fetched: by(Carriage::Fetched),
            owed: owed.len(),
            owed_delivered,
            owed_share: ratio(float(owed_delivered), float(owed.len())),
            stayed: stayed.len(),
            stayed_delivered,
            stayed_share: ratio(float(stayed_delivered), float(stayed.len())),
            missed_sender_away,
            missed,
            again: post.log.again.clone(),
            duplicates: all.iter().map(|it| u64::from(it.given.saturating_sub(1))).sum(),
        }
    }
}

impl Words {
    fn of(post: &Post) -> Self {
        let all = &post.messages[..];
        let [kept, kept_by_droppers, kept_untrue] = post.log.kept;
        let expired = |it: &Message| matches!(it.end, Some(dht::Outcome::Expired { .. }));
        Self {
            ends: post.log.ends.clone(),
            without_end: count(all, |it| it.end.is_none()),
            sender_away: count(all, |it| it.end.is_none() && post.was_just_away(it.from)),
            untrue: post.log.untrue.clone(),
            kept,
            kept_by_droppers,
            kept_untrue,
            expired_delivered: count(all, |it| it.delivered.is_some() && expired(it)),
        }
    }
}

impl Cost {
    fn of(post: &Post, node_hours: f64) -> Self {
        let mut each = vec![(0_u64, 0_u64); post.messages.len()];
        for flight in post.traffic.flights() {
            let (carried, put) = &mut each[flight.message];
            *carried += u64::from(flight.carried);
            *put += u64::from(flight.put);
        }
        let shortest = |it: &Message| u64::from(it.shortest.0) + u64::from(it.shortest.1);
        let delivered = |it: &&Message| it.delivered.is_some();
        let carried = each.iter().map(|(carried, _)| carried).sum();
        let least = post.messages.iter().filter(delivered).map(shortest).sum();
        let with = || post.messages.iter().zip(&each).filter(|(it, _)| it.there);
        let carried_there: u64 = with().map(|(_, (carried, _))| carried).sum();
        let there = with().map(|(it, _)| it).filter(|it| it.delivered.is_some());
        let shortest_there: u64 = there.map(shortest).sum();
        let puts: u64 = each.iter().map(|(_, put)| put).sum();
        let kinds = post.traffic.kinds();
        let bytes: u64 = kinds.values().map(|said| said.bytes).sum();
        let delivered = post.messages.iter().filter(delivered).count();
        let payload = float(delivered * post.plan.payload);
        let per_hour = |said: &Said| Said {
            messages: whole(ratio(number(said.messages), node_hours)),
            bytes: whole(ratio(number(said.bytes), node_hours)),
        };
        Self {
            carried,
            shortest: least,
            transmissions: ratio(number(carried), number(least)),
            transmissions_there: ratio(number(carried_there), number(shortest_there)),
            puts: ratio(number(puts), float(post.messages.len())),
            amplification: Spread::of(each.iter().map(|(carried, put)| carried + put)),
            bytes_per_byte: ratio(number(bytes), payload),
            per_node_hour: kinds.iter().map(|(kind, said)| (*kind, per_hour(said))).collect(),
            dials_per_node_hour: ratio(number(post.log.dials), node_hours),
            dial_success: ratio(number(post.log.dials_good), number(post.log.dials)),
            node_hours,
        }
    }
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count in an hour, which is no less than nought"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

impl Speed {
    fn of(post: &Post) -> Self {
        let all = &post.messages;
        let delivered = || all.iter().filter_map(|it| Some((it, it.delivered?)));
        let fetched = |carriage| carriage == Carriage::Fetched;
        let direct = delivered().filter(|(it, how)| it.there && !fetched(how.carriage));
        let kept = delivered().filter(|(_, how)| fetched(how.carriage));
        Self {
            hops: Spread::of(delivered().filter_map(|(_, how)| how.hops)),
            shortest_hops: Spread::of(
                delivered()
                    .filter(|(_, how)| how.hops.is_some())
                    .map(|(it, _)| it.shortest.0.into()),
            ),
            direct: Spread::of(direct.map(|(it, how)| millis(how.at.since(it.at)))),
            safe: Spread::of(
                all.iter()
                    .filter(|it| !it.there)
                    .filter_map(|it| Some(millis(it.safe?.since(it.at)))),
            ),
            fetched: Spread::of(kept.map(|(it, how)| {
                let came = post.lives[it.to].came(how.at).max(it.at);
                millis(how.at.since(came))
            })),
        }
    }
}

impl Tables {
    fn of(post: &Post) -> Self {
        let (mut contacts, mut links) = (Vec::new(), Vec::new());
        let (mut known, mut live) = (0, 0);
        for node in post.net.peers().filter_map(|peer| post.net.core(peer)) {
            let table = node.core().table();
            let runs =
                |it: &dht::Contact| post.who(&it.peer()).is_some_and(|who| post.lives[who].runs);
            known += table.contacts().count();
            live += table.contacts().filter(|it| runs(it)).count();
            contacts.push(table.gauges().contacts);
            links.push(node.core().links().len());
        }
        let wide = |all: Vec<usize>| all.into_iter().map(|it| u64::try_from(it).unwrap_or(0));
        Self {
            contacts: Spread::of(wide(contacts)),
            live: ratio(float(live), float(known)),
            links: Spread::of(wide(links)),
        }
    }
}

impl Post {
    /// Whether the recipient ran at some time ten minutes before expiry or earlier.
    fn owes(&self, message: &Message) -> bool {
        let lifetime = message.expires.since(message.at);
        let until = message.at.after(lifetime.saturating_sub(TIME_ENOUGH));
        self.lives[message.to].ran(message.at, until).0
    }

    /// Whether the recipient ran for ten minutes at a stretch before expiry.
    fn stayed(&self, message: &Message) -> bool {
        self.lives[message.to].ran(message.at, message.expires).1 >= TIME_ENOUGH
    }

    /// Whether the sender was away for half of the time that the message lived, or longer.
    fn sender_was_away(&self, message: &Message) -> bool {
        let there = self.lives[message.from].ran_between(message.at, message.expires);
        2 * there <= message.expires.since(message.at)
    }

    /// Whether a node is away, or came back so lately that it may wait for receipts still.
    fn was_just_away(&self, who: usize) -> bool {
        let (life, now) = (&self.lives[who], self.net.now());
        !life.runs || now.since(life.came(now)) < dht::QUANTUM
    }

    /// How long all nodes ran.
    fn node_hours(&self) -> f64 {
        let now = self.net.now();
        self.lives.iter().map(|life| life.ran_for(now).as_secs_f64() / 3_600.0).sum()
    }

    /// Inputs and ticks of all nodes.
    pub(crate) fn steps(&self) -> u64 {
        let counts = self.net.counts();
        counts.inputs + counts.ticks
    }
}
