//! Brings the orders of the node together with those of others: sessions both ways, live spread, and
//! the syncs that the operator asks for.

mod counts;
mod link;
mod serving;
mod spreading;
mod strangers;
mod told;
mod wishes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use handshake::Dialer;
use orders::Version;
use ordersync::zeroex::Order;
use ordersync::{Service, Subprotocols, paging, riblt, service};
use tokio::sync::mpsc;
use tokio::time::sleep;
use topics::Topic;
use transport::clock::Clock;
use transport::pool::Pool;

pub(crate) use self::counts::Counts;
pub(crate) use self::link::Port;
pub(crate) use self::link::{Arrival, Ask, Desk, Incoming, Open, OpenReply, link};
use self::link::{Link, Signals};
pub(crate) use self::spreading::topics_of;
use self::told::Told;
use crate::config::Params;
use crate::orders::{Orders, SyncRequest};

/// How long after its first link a node syncs: others are about to come up, and several share the
/// work.
const SETTLE: Duration = Duration::from_secs(1);

/// Syncs the orders of a node for as long as it is run.
#[derive(Debug)]
pub(crate) struct Syncing {
    syncer: Syncer,
    /// Once in about this time; never if zero.
    every: Duration,
    /// Of the operator.
    requests: mpsc::Receiver<SyncRequest>,
    incoming: mpsc::Receiver<Incoming>,
    arrivals: mpsc::Receiver<Arrival>,
}

/// What all of it works with. Clones are one.
#[derive(Clone, Debug)]
struct Syncer {
    orders: Orders,
    service: Service<Order, Link>,
    link: Link,
    dialer: Dialer,
    signals: Signals,
    /// Where orders of each version spread that the node wants.
    topics: Arc<BTreeMap<Version, Topic>>,
    /// Orders that went on, by the time of `clock`.
    told: Arc<Mutex<Told>>,
    clock: Clock,
}

impl Syncing {
    /// Syncs `orders` with whom `port` reaches; computes on `pool`. `seed` makes the keys of
    /// sessions, and must be known to nobody.
    pub(crate) fn new(
        (orders, requests): (Orders, mpsc::Receiver<SyncRequest>),
        port: Port,
        params: &Params,
        pool: Pool,
        seed: [u8; 32],
    ) -> Self {
        let Port { link, dialer, incoming, arrivals, signals } = port;
        let service = Service::new(
            link.clone(),
            orders.intake().clone(),
            pool,
            orders.wanted().clone(),
            subprotocols(),
            service::Config::default().check().expect("the defaults are in their bounds"),
            seed,
        );
        let every = params.config().orders.sync_every;
        let topics = topics_of(orders.wanted());
        let syncer = Syncer {
            orders,
            service,
            link,
            dialer,
            signals,
            topics: Arc::new(topics),
            told: Arc::default(),
            clock: Clock::start(),
        };
        Self { syncer, every, requests, incoming, arrivals }
    }

    /// Syncs until the swarm has ended; in effect, until it is dropped.
    ///
    /// # Cancel safety
    /// Dropped, every session ends; what was stored stays.
    pub(crate) async fn run(self) {
        let Self { syncer, every, requests, incoming, arrivals } = self;
        let (waiting, to_publish) = mpsc::channel(spreading::WAITING_MAX);
        tokio::join!(
            Box::pin(serving::serve(&syncer.service, &syncer.link, incoming)),
            Box::pin(syncer.fulfil(requests)),
            Box::pin(syncer.now_and_then(every)),
            Box::pin(syncer.notice(waiting)),
            Box::pin(syncer.publish(to_publish)),
            Box::pin(syncer.hear(arrivals)),
        );
    }
}

/// What the node offers and understands, the best first.
fn subprotocols() -> Subprotocols<Order> {
    let all = Subprotocols::new().with(riblt::Riblt);
    let all = all.and_then(|some| some.with(paging::V1::default()));
    let all = all.and_then(|some| some.with(paging::V0));
    all.and_then(|some| some.with(paging::V4)).expect("four names")
}

impl Syncer {
    /// Syncs soon after the first peers are there, and again and again; anew whenever the node was
    /// alone in between. Never ends.
    async fn now_and_then(&self, every: Duration) {
        if every.is_zero() {
            return;
        }
        self.signals.joined.notified().await;
        loop {
            sleep(SETTLE).await;
            tokio::select! {
                never = self.service.periodically_get_orders(self.orders.min_peers(), every) => match never {},
                () = self.signals.joined.notified() => {}
            }
        }
    }
}
