//! Brings the orders of the node together with those of others: sessions both ways, live spread, and
//! the syncs that the operator asks for.

mod counts;
mod link;
mod serving;
mod spreading;
mod told;
mod wishes;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use handshake::Dialer;
use orders::v3::SignedOrder;
use ordersync::{Service, Subprotocols, paging, riblt, service};
use tokio::sync::mpsc;
use tokio::time::sleep;
use transport::clock::Clock;
use transport::pool::Pool;

pub(crate) use self::counts::Counts;
pub use self::link::Port;
pub(crate) use self::link::{Arrival, Ask, Desk, Incoming, Open, OpenReply, link};
use self::link::{Link, Signals};
pub(crate) use self::spreading::topic_of;
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
    /// Strangers that the node lets in.
    strangers_max: usize,
    /// Of the operator.
    requests: mpsc::Receiver<SyncRequest>,
    incoming: mpsc::Receiver<Incoming>,
    arrivals: mpsc::Receiver<Arrival>,
}

/// What all of it works with. Clones are one.
#[derive(Clone, Debug)]
struct Syncer {
    orders: Orders,
    service: Service<SignedOrder, Link>,
    link: Link,
    dialer: Dialer,
    signals: Signals,
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
        let syncer = Syncer {
            orders,
            service,
            link,
            dialer,
            signals,
            told: Arc::default(),
            clock: Clock::start(),
        };
        let strangers_max = params.config().limits.strangers_max;
        Self { syncer, every, strangers_max, requests, incoming, arrivals }
    }

    /// Syncs until the swarm has ended; in effect, until it is dropped.
    ///
    /// # Cancel safety
    /// Dropped, every session ends; what was stored stays.
    pub(crate) async fn run(self) {
        let Self { syncer, every, strangers_max, requests, incoming, arrivals } = self;
        let (waiting, to_publish) = mpsc::channel(spreading::WAITING_MAX);
        tokio::join!(
            Box::pin(serving::serve(&syncer.service, &syncer.link, strangers_max, incoming)),
            Box::pin(syncer.fulfil(requests)),
            Box::pin(syncer.now_and_then(every)),
            Box::pin(syncer.notice(waiting)),
            Box::pin(syncer.publish(to_publish)),
            Box::pin(syncer.hear(arrivals)),
        );
    }
}

/// What the node offers and understands, the best first.
fn subprotocols() -> Subprotocols<SignedOrder> {
    let all = Subprotocols::new().with(riblt::Riblt);
    let all = all.and_then(|some| some.with(paging::V1::default()));
    all.and_then(|some| some.with(paging::V0)).expect("three names")
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
