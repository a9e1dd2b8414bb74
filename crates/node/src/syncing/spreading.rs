//! Live spread: the node's own new orders go out on topics, one for each version, and those of others
//! come in.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use machine::Instant;
use orders::{Network, Version};
use ordersync::book::UpdateKind;
use ordersync::zeroex::{Order, Wanted};
use ordersync::{Admission, Admitted, Entry, Item, ItemId, Origin, Rejected};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use topics::{Judgement, PAYLOAD_MAX, PublishError, Topic};
use transport::clock::Clock;

use super::Syncer;
use super::link::{Arrival, Ask};
use super::told::Told;

/// Orders that wait to be published. What is more is left to the next sync: an import is faster than
/// a network can check.
pub(super) const WAITING_MAX: usize = 16_384;

/// Most orders of one message. They are judged together, and that has to be done within the time that
/// the topic leaves for it.
const ORDERS_MAX: usize = 256;

/// Messages that are checked at a time.
const CHECKS_MAX: usize = 4;

/// How long after it came in an order that is heard again is passed on: a sync may have been faster
/// than the message.
pub(super) const FRESH: Duration = Duration::from_mins(2);

/// How long room is waited for before it is tried again.
const BUSY: Duration = Duration::from_secs(5);

/// How long room is waited for in all. A topic that has none for so long would keep those of the other
/// one waiting as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// The topics on which the orders that are wanted spread. Orders of version 3 are on one with those
/// that satisfy the same schema: only who wants the same can pass on all of it.
pub(crate) fn topics_of(wanted: &Wanted) -> BTreeMap<Version, Topic> {
    let name = |version: Version, Network { chain_id, exchange }: Network| {
        format!("orders/v{version}/{chain_id}/{}", digits(&exchange, 16))
    };
    let schema = digits(&ItemId(Sha256::digest(wanted.schema()).into()), 8);
    let v3 = wanted.v3().map(|network| format!("{}/{schema}", name(Version::V3, network)));
    let v4 = wanted.v4().map(|network| name(Version::V4, network));
    let topic = |name: String| Topic::new(&name).expect("at most 10, 20, 17 and 9 bytes");
    let topics = [(Version::V3, v3), (Version::V4, v4)].into_iter();
    topics.filter_map(|(version, name)| Some((version, topic(name?)))).collect()
}

/// The first hexadecimal digits of a name that is written with "0x" before them.
fn digits(name: &impl ToString, count: usize) -> String {
    name.to_string().chars().skip("0x".len()).take(count).collect()
}

impl Syncer {
    /// Notices orders of the node's own that are new. Never ends.
    pub(super) async fn notice(&self, waiting: mpsc::Sender<ItemId>) {
        let book = self.orders.intake().book();
        let mut since = book.version();
        loop {
            book.changed(since).await;
            let updates = match book.changes_since(since) {
                Ok(updates) => updates,
                Err(lagged) => {
                    self.leave_to_sync(lagged.version.saturating_sub(since));
                    since = lagged.version;
                    continue;
                }
            };
            since = updates.last().map_or(since, |last| last.version);
            let is_own = |id: &ItemId| book.holding(id).is_some_and(|held| held.pinned);
            let new = updates.into_iter().filter(|update| update.kind == UpdateKind::Added);
            let left = new.map(|update| update.id).filter(is_own).map(|id| waiting.try_send(id));
            self.leave_to_sync(left.filter(Result::is_err).count() as u64);
        }
    }

    /// Publishes what waits. Ends when nothing can come any more.
    pub(super) async fn publish(&self, mut waiting: mpsc::Receiver<ItemId>) {
        let mut ids = Vec::with_capacity(ORDERS_MAX);
        while waiting.recv_many(&mut ids, ORDERS_MAX).await > 0 {
            let book = self.orders.intake().book();
            let mut entries: Vec<_> = ids.drain(..).filter_map(|id| book.get(&id)).collect();
            for (version, topic) in &*self.topics {
                let of_version = |entry: &mut Entry<Order>| entry.item.version() == *version;
                self.publish_all(topic, entries.extract_if(.., of_version).collect()).await;
            }
        }
    }

    async fn publish_all(&self, topic: &Topic, entries: Vec<Entry<Order>>) {
        for (payload, count) in self.encode(entries).await {
            let publish = || self.link.publish(topic.clone(), payload.clone());
            match patiently(publish, &self.signals.writable, PATIENCE).await {
                Ok(()) => self.link.counts.add("orders_spread", count),
                Err(error) => {
                    tracing::debug!(count, %error, "orders are left to the next sync");
                    self.leave_to_sync(count);
                }
            }
        }
    }

    /// As messages of a topic, each with the number of its orders.
    async fn encode(&self, entries: Vec<Entry<Order>>) -> Vec<(Bytes, u64)> {
        let entries = Arc::new(entries);
        let payloads = self.orders.on_pool(move || payloads(&entries)).await;
        payloads.unwrap_or_default()
    }

    fn leave_to_sync(&self, count: u64) {
        self.link.counts.add("orders_left_to_sync", count);
    }

    /// Takes in what arrives, some messages at a time. Ends with the swarm.
    pub(super) async fn hear(&self, arrivals: mpsc::Receiver<Arrival>) {
        let arrivals = ReceiverStream::new(arrivals);
        arrivals.for_each_concurrent(CHECKS_MAX, |arrival| self.take_in(arrival)).await;
    }

    async fn take_in(&self, Arrival { topic, id, payload }: Arrival) {
        let version = self.topics.iter().find(|(_, of_version)| **of_version == topic);
        let Some((version, _)) = version else { return };
        let judgement = match self.read(*version, payload).await {
            Ok(entries) => {
                self.link.counts.add("orders_heard", entries.len() as u64);
                let admissions = self.orders.intake().admit(entries.clone(), Origin::Peer).await;
                let came = admissions.iter().zip(&entries);
                let heard: Vec<_> =
                    came.map(|(admission, entry)| self.hear_of(admission, entry)).collect();
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                judge(&heard, &mut told, self.clock.now())
            }
            Err(judgement) => judgement,
        };
        if judgement == Judgement::Reject {
            self.link.counts.add("messages_rejected", 1);
        }
        self.link.ask(Ask::Judge(topic, id, judgement)).await;
    }

    /// What an order of a message is. One that is known is good as it came only if it is the same to
    /// the byte: its id does not cover its signature.
    fn hear_of(&self, admission: &Admission, came: &Entry<Order>) -> Heard {
        let what = match &admission.outcome {
            Ok(Admitted::New) => What::News,
            Ok(Admitted::Known) => match self.orders.intake().book().holding(&came.id) {
                Some(held) if held.entry.item == came.item => {
                    let is_fresh = Clock::wall().since(held.received) <= FRESH;
                    if is_fresh { What::News } else { What::Known }
                }
                _ => What::Unchecked,
            },
            Err(Rejected::Invalid { .. }) => What::Invalid,
            Err(_) => What::Unchecked,
        };
        Heard { id: came.id, what }
    }

    fn read(
        &self,
        version: Version,
        payload: Bytes,
    ) -> impl Future<Output = Result<Vec<Entry<Order>>, Judgement>> {
        let read = self.orders.on_pool(move || orders_in(&payload, version));
        async move {
            match read.await {
                Ok(Some(entries)) if !entries.is_empty() => Ok(entries),
                Ok(_) => Err(Judgement::Reject),
                Err(_) => Err(Judgement::Ignore),
            }
        }
    }
}

/// Publishes, if need be again and again as there may be room, and for the last time when `patience`
/// is over.
async fn patiently<F>(
    publish: impl Fn() -> F,
    writable: &Notify,
    patience: Duration,
) -> Result<(), PublishError>
where
    F: Future<Output = Result<(), PublishError>>,
{
    let clock = Clock::start();
    loop {
        let left = patience.saturating_sub(clock.now().since(Instant::START));
        match publish().await {
            Err(PublishError::Busy) if !left.is_zero() => {
                let _tried_again = timeout(BUSY.min(left), writable.notified()).await;
            }
            outcome => return outcome,
        }
    }
}

/// The orders of a message, which are all of the version of its topic.
fn orders_in(payload: &[u8], version: Version) -> Option<Vec<Entry<Order>>> {
    let orders = Order::decode_batch(payload, ORDERS_MAX).ok()?;
    let belong = orders.iter().all(|order| order.version() == version);
    belong.then(|| orders.into_iter().map(Entry::new).collect())
}

/// An order of a message.
#[derive(Clone, Copy, Debug)]
struct Heard {
    id: ItemId,
    what: What,
}

/// What this node can say of an order of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    /// Good, and so new that others may not have heard of it.
    News,
    /// Good; everybody has had it for long.
    Known,
    /// Nobody has looked whether it is good: it has ended, or there is no room for it, or it is here
    /// with another signature.
    Unchecked,
    /// What nobody can have made in good faith.
    Invalid,
}

/// What the topic is to do with a message: it goes on if all in it was found good here and at least
/// half of it is news. What was passed on already, or everybody has had for long, is said again only
/// to keep the network busy.
fn judge(heard: &[Heard], told: &mut Told, now: Instant) -> Judgement {
    let has = |what| heard.iter().any(|heard| heard.what == what);
    if has(What::Invalid) {
        return Judgement::Reject;
    }
    let is_news = |heard: &&Heard| heard.what == What::News && !told.has(&heard.id, now);
    let news: BTreeSet<_> = heard.iter().filter(is_news).map(|heard| heard.id).collect();
    if has(What::Unchecked) || news.is_empty() || news.len() * 2 < heard.len() {
        // Not remembered: beside other orders it may go on yet.
        return Judgement::Ignore;
    }
    for id in news {
        told.add(id, now);
    }
    Judgement::Accept
}

/// The orders as messages, halved until each fits.
fn payloads(entries: &[Entry<Order>]) -> Vec<(Bytes, u64)> {
    let items: Vec<_> = entries.iter().map(|entry| &*entry.item).collect();
    let bytes = match items.len() {
        0 => return Vec::new(),
        _ => Order::encode_batch(&items),
    };
    if bytes.len() <= PAYLOAD_MAX || entries.len() == 1 {
        return vec![(bytes.into(), entries.len() as u64)];
    }
    let (left, right) = entries.split_at(entries.len() / 2);
    [payloads(left), payloads(right)].concat()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt;
    use futures::future::ready;
    use orders::generate::{Config, Generator};
    use orders::sample::SAMPLE_V3;

    use super::*;

    #[test]
    fn a_topic_is_of_one_network_and_one_schema() {
        let topics = |network, schema| {
            let v3 = Wanted::new(network, schema).expect("good");
            topics_of(&v3.and_v4(Network::v4(1).expect("known").exchange))
        };
        let everything = topics(Network::MAINNET, "{}");
        assert_eq!(everything[&Version::V3].as_str(), "orders/v3/1/61935cbdd02287b5/44136fa3");
        assert_eq!(everything[&Version::V4].as_str(), "orders/v4/1/def1c0ded9bec7f1");
        let far = Network { chain_id: 1 << 62, ..Network::MAINNET };
        assert!(topics(far, "{}").iter().all(|(version, topic)| everything[version] != *topic));
        let some = topics(Network::MAINNET, r#"{"type":"object"}"#);
        assert_ne!(some[&Version::V3], everything[&Version::V3]);
        assert_eq!(some[&Version::V4], everything[&Version::V4]);
        let v3 = Wanted::new(Network::MAINNET, "{}").expect("good");
        assert_eq!(topics_of(&v3).len(), 1);
    }

    #[test]
    fn orders_that_do_not_fit_one_message_fill_several() {
        let order = |line| Entry::new(Order::read(line).expect("an order"));
        let sample: Vec<_> = SAMPLE_V3.lines().map(order).collect();
        assert!(payloads(&[]).is_empty());
        assert_eq!(payloads(&sample[..1]).len(), 1);
        let many: Vec<_> = sample.iter().cycle().take(2_000).cloned().collect();
        let payloads = payloads(&many);
        assert!(payloads.len() > 1);
        let mut read = Vec::new();
        for (payload, count) in payloads {
            assert!(payload.len() <= PAYLOAD_MAX);
            let orders = Order::decode_batch(&payload, 2_000).expect("what was written");
            assert_eq!(orders.len() as u64, count);
            read.extend(orders.into_iter().map(|order| order.id()));
        }
        assert!(read.iter().eq(many.iter().map(|entry| &entry.id)), "all, in their order");
    }

    #[test]
    fn a_message_has_orders_of_the_version_of_its_topic_only() {
        let v3 = Order::read(SAMPLE_V3.lines().next().expect("a line")).expect("an order");
        let v4 = Order::from(Generator::new([1; 32], Config::default()).limit_order());
        for (orders, versions) in [
            (vec![&v3], vec![Version::V3]),
            (vec![&v4, &v4], vec![Version::V4]),
            (vec![&v3, &v4], vec![]),
        ] {
            let payload = Order::encode_batch(&orders);
            let mut taken = vec![Version::V3, Version::V4];
            taken.retain(|version| orders_in(&payload, *version).is_some());
            assert_eq!(taken, versions);
        }
        assert!(orders_in(&[7], Version::V3).is_none());
    }

    /// The n-th order, and what can be said of it.
    fn heard(number: u8, what: What) -> Heard {
        Heard { id: ItemId([number; 32]), what }
    }

    #[tokio::test]
    async fn who_has_no_room_is_not_waited_for_for_ever() {
        let (tried, room) = (Cell::new(0), Notify::new());
        let busy = || {
            tried.set(tried.get() + 1);
            ready(Err(PublishError::Busy))
        };
        let published = patiently(busy, &room, Duration::from_millis(5));
        let published = timeout(BUSY, published).await.expect("it ends");
        assert_eq!(published, Err(PublishError::Busy));
        assert!(tried.take() > 1, "not at once");

        let busy_once = || match tried.replace(1) {
            0 => ready(Err(PublishError::Busy)),
            _ => ready(Ok(())),
        };
        room.notify_one();
        let published = patiently(busy_once, &room, Duration::MAX).now_or_never();
        assert_eq!(published, Some(Ok(())), "as soon as there is room");
    }

    #[test]
    fn a_message_goes_on_if_it_is_of_use_and_all_of_it_was_found_good() {
        let judge = |heard: &[Heard]| judge(heard, &mut Told::default(), Instant::START);
        let [news, known, unchecked, invalid] =
            [What::News, What::Known, What::Unchecked, What::Invalid]
                .map(|what| move |number| heard(number, what));
        assert_eq!(judge(&[news(1)]), Judgement::Accept);
        assert_eq!(judge(&[news(1), known(2)]), Judgement::Accept);
        assert_eq!(judge(&[known(1)]), Judgement::Ignore, "nobody needs to hear it again");
        assert_eq!(judge(&[news(1), unchecked(2)]), Judgement::Ignore, "it may be forged");
        assert_eq!(judge(&[known(1), invalid(2)]), Judgement::Reject);
        assert_eq!(judge(&[unchecked(1), unchecked(2)]), Judgement::Ignore);
        assert_eq!(judge(&[news(1), known(2), known(3)]), Judgement::Ignore, "ballast");
        assert_eq!(judge(&[news(1), news(1), news(1)]), Judgement::Ignore, "copies");
    }

    #[test]
    fn an_order_goes_on_once_and_ballast_does_not_keep_it_from_that() {
        let mut told = Told::default();
        let mut judge = |heard: &[Heard]| judge(heard, &mut told, Instant::START);
        let (news, ballast) = (heard(1, What::News), heard(9, What::Known));
        assert_eq!(judge(&[news, ballast, ballast]), Judgement::Ignore);
        assert_eq!(judge(&[news]), Judgement::Accept, "the honest message comes after all");
        assert_eq!(judge(&[news]), Judgement::Ignore);
    }
}
