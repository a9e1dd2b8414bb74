//! A swarm on a task of its own, and a log of what comes out of it.

use std::fmt::Debug;

use futures::StreamExt;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::net::{DEADLINE, Net, listen};

/// What is kept of the events of a swarm that runs `B`.
pub(crate) trait Log<B: NetworkBehaviour>:
    Clone + Debug + Default + Send + Sync + 'static
{
    /// Something happened.
    fn note(&mut self, event: SwarmEvent<B::ToSwarm>, swarm: &mut Swarm<B>);

    /// Looks at what has to be asked for; after every event and every order.
    fn refresh(&mut self, _: &Swarm<B>) {}
}

/// Does something with the swarm; what it returns tells whoever waits, once it can be seen as well.
type Order<B> = Box<dyn FnOnce(&mut Swarm<B>) -> Reply + Send>;
type Reply = Box<dyn FnOnce() + Send>;

/// A running swarm. Dropped, it is gone without a farewell.
pub(crate) struct Live<B: NetworkBehaviour, L> {
    pub(crate) peer: PeerId,
    /// Where it listens.
    pub(crate) address: Multiaddr,
    log: watch::Receiver<L>,
    orders: mpsc::Sender<Order<B>>,
    task: JoinSet<()>,
}

impl<B, L> Live<B, L>
where
    B: NetworkBehaviour<ToSwarm: Send> + Send,
    L: Log<B>,
{
    /// Listens, and runs from now on.
    pub(crate) async fn start(mut swarm: Swarm<B>, net: Net) -> Self {
        let address = listen(&mut swarm, net.anywhere()).await;
        let peer = *swarm.local_peer_id();
        let (orders, queue) = mpsc::channel(16);
        let (written, log) = watch::channel(L::default());
        let mut task = JoinSet::new();
        task.spawn(live(swarm, queue, written));
        Self { peer, address, log, orders, task }
    }

    /// Its address with its peer id.
    pub(crate) fn full_address(&self) -> Multiaddr {
        self.address.clone().with_p2p(self.peer).unwrap()
    }

    /// Does something with the swarm and returns what comes of it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut Swarm<B>) -> T + Send + 'static,
    ) -> T {
        let (reply, result) = oneshot::channel();
        let order: Order<B> = Box::new(move |swarm| {
            let result = order(swarm);
            Box::new(move || drop(reply.send(result)))
        });
        assert!(self.orders.send(order).await.is_ok(), "the swarm died: {:?}", self.now());
        result.await.expect("every order is run")
    }

    /// Waits until the log satisfies `enough`, and returns it.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        enough: impl FnMut(&L) -> bool,
    ) -> impl Future<Output = L> {
        let mut log = self.log.clone();
        let what = format!("{what} (asked at {})", std::panic::Location::caller());
        async move {
            let found = tokio::time::timeout(DEADLINE, log.wait_for(enough)).await;
            let found = found.map(|found| found.map(|log| log.clone()));
            match found.ok() {
                Some(found) => found.unwrap_or_else(|_gone| panic!("the swarm died before {what}")),
                None => panic!("waited {DEADLINE:?} for {what}: {:?}", *log.borrow()),
            }
        }
    }

    /// Waits until the log tells everything that earlier orders gave rise to at once.
    pub(crate) async fn settle(&self) -> L {
        self.run(|_| ()).await;
        self.now()
    }

    /// The log so far.
    pub(crate) fn now(&self) -> L {
        self.log.borrow().clone()
    }

    /// Dials `peer` at `address`, whatever connections there are.
    pub(crate) async fn dial_at(&self, peer: PeerId, address: Multiaddr) {
        let always = DialOpts::peer_id(peer).condition(PeerCondition::Always);
        let opts = always.addresses(vec![address]).build();
        self.run(|swarm| swarm.dial(opts)).await.unwrap();
    }

    /// Cuts every connection to `peer`, which need not exist.
    pub(crate) async fn cut(&self, peer: PeerId) {
        self.run(move |swarm| swarm.disconnect_peer_id(peer).is_ok()).await;
    }

    /// Goes, and waits until every socket is closed.
    pub(crate) async fn stop(mut self) {
        drop(self.orders);
        self.task.shutdown().await;
    }
}

async fn live<B: NetworkBehaviour, L: Log<B>>(
    mut swarm: Swarm<B>,
    mut queue: mpsc::Receiver<Order<B>>,
    log: watch::Sender<L>,
) {
    loop {
        // Events first: after an order, everything that it gave rise to at once is in the log
        // before the next order is run.
        let (event, reply) = tokio::select! {
            biased;
            event = swarm.select_next_some() => (Some(event), None),
            order = queue.recv() => match order {
                Some(order) => (None, Some(order(&mut swarm))),
                None => return,
            },
        };
        log.send_modify(|log| {
            if let Some(event) = event {
                log.note(event, &mut swarm);
            }
            log.refresh(&swarm);
        });
        if let Some(reply) = reply {
            reply();
        }
    }
}
