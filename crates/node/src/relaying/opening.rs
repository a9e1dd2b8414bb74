//! What a node relays with: read from its store at the start, and made of its configuration.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use libp2p::identity::Keypair;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use relay::accounts::Incoming;
use relay::config::ProtocolConfig;
use relay::engine::{Engine, Parts};
use relay::replay::{JournalError, Keeper};
use relay::sphinx::NodeSecret;
use relay::{NotEd25519, mixer};
use storage::{ReplayTable, Storage};
use tickets::aggregation::{self, Core, Kept, LoadError, Owner, Worker};
use tickets::issuing::Indices;
use tickets::{Amount, ChannelId, Epoch, TicketIndex};
use tokio::sync::mpsc;
use transport::pool::Pool;

use super::link::{Desk, Port, link};
use crate::config::{Config, Relay, Tickets};
use crate::payments::{Payments, Wish};

/// Most jobs that wait for the pool: some hundred batches of packets, and requests of others.
const QUEUE_MAX: usize = 256;

/// Why a node does not relay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayingError {
    /// Its tickets cannot be read.
    #[error("cannot read the tickets")]
    Tickets(#[from] LoadError),
    /// The packets that it has seen cannot be read.
    #[error("cannot read which packets came before")]
    Replay(#[from] JournalError),
    /// The system gives no more threads.
    #[error("cannot start the threads that open packets")]
    Threads(#[source] io::Error),
    /// Its key opens no packets.
    #[error("cannot relay with the key of this node")]
    Key(#[from] NotEd25519),
}

/// What it begins with.
pub(crate) struct Start<'a> {
    pub(crate) payments: Payments,
    pub(crate) wishes: mpsc::Receiver<Wish>,
    pub(crate) storage: &'a Storage,
    pub(crate) identity: &'a Keypair,
    pub(crate) config: &'a Config,
    /// Drawn at random, and known to nobody.
    pub(crate) seed: [u8; 32],
}

/// What of it lives in the swarm.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) core: Core,
    pub(crate) worker: Worker,
    pub(crate) desk: Desk,
    /// Longest time for one question about tickets.
    pub(crate) timeout: std::time::Duration,
}

/// What of it lives beside the swarm, before it does.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(super) payments: Payments,
    pub(super) wishes: mpsc::Receiver<Wish>,
    pub(super) engine: Arc<Engine>,
    pub(super) indices: Arc<Indices>,
    pub(super) keeper: Keeper<ReplayTable>,
    pub(super) pool: Pool,
    pub(super) params: relay::config::Params,
    pub(super) tickets: Tickets,
    pub(super) port: Port,
    pub(super) rng: StdRng,
}

/// Reads what is kept, and makes both parts.
pub(crate) async fn open(start: Start<'_>) -> Result<(Inside, Outside), RelayingError> {
    let Start { payments, wishes, storage, identity, config, seed } = start;
    let mut rng = StdRng::from_seed(seed);
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pool = Pool::new(threads, QUEUE_MAX).map_err(RelayingError::Threads)?;
    let store: Arc<dyn aggregation::Store> = Arc::new(storage.tickets());
    let signer = payments.signer().clone();
    let (key, separator) = (signer.key().clone(), payments.params().separator);
    let kept = Kept::load(&*store, Owner { account: signer.address(), separator }).await?;
    let indices = Arc::new(Indices::new(Arc::clone(&store), &kept));
    let params = params_of(&config.relay, &config.tickets);
    let keeper = Keeper::open(params.replay(), rng.random(), storage.replay()).await?;
    let engine = Arc::new(Engine::new(Parts {
        key: key.clone(),
        node: NodeSecret::of(identity)?,
        separator,
        replica: payments.replica().clone(),
        indices: Arc::clone(&indices),
        guard: Arc::clone(keeper.guard()),
        terms: params.terms(),
        pending: params.pending().clone(),
        seed: rng.random(),
    }));
    restore(engine.incoming(), &kept);
    let incoming = Arc::clone(engine.incoming());
    let (desk, port) = link(incoming, Arc::clone(&indices), payments.held_news());
    let timeout = config.tickets.timeout;
    let of_core = aggregation::Config { timeout, ..aggregation::Config::default() };
    let of_core = of_core.check().expect("the configuration has the bounds of the core");
    let inside = Inside {
        core: Core::new(of_core, signer.address(), kept, rng.random()),
        worker: Worker::new(key, separator, pool.clone(), store, signer),
        desk,
        timeout,
    };
    let tickets = config.tickets.clone();
    let outside =
        Outside { payments, wishes, engine, indices, keeper, pool, params, tickets, port, rng };
    Ok((inside, outside))
}

/// What the operator set, as the protocols take it.
fn params_of(relay: &Relay, tickets: &Tickets) -> relay::config::Params {
    let mut config = ProtocolConfig::default();
    config.msg.price_per_packet = relay.price.0;
    config.msg.outgoing_probability = relay.win_probability;
    config.msg.incoming_probability_min = relay.min_win_probability;
    config.msg.mixer = mixer::Config { delay_range: relay.delay_max, ..config.msg.mixer };
    config.ticket_aggregation.timeout = tickets.timeout;
    config.check().expect("the configuration has the bounds of the protocols")
}

/// Tells the accounts of others what is held of them, and which indices came before.
fn restore(incoming: &Incoming, kept: &Kept) {
    let mut held: BTreeMap<(ChannelId, Epoch), (TicketIndex, Amount)> = BTreeMap::new();
    for row in &kept.held {
        let body = &row.ticket.body;
        let (floor, sum) = held.entry((body.channel, body.epoch)).or_default();
        *floor = (*floor).max(body.interval.end());
        *sum = sum.checked_add(body.amount).unwrap_or(Amount::MAX);
    }
    // Of each channel the last epoch comes last.
    for ((channel, epoch), (floor, sum)) in held {
        incoming.restore(&channel, epoch, floor, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::config::DELAY_MAX;

    #[test]
    fn who_waits_for_an_answer_waits_longer_than_all_who_mix() {
        let relay = Relay { delay_max: DELAY_MAX, ..Relay::default() };
        let params = params_of(&relay, &Tickets::default());
        let way = Duration::from_secs(2);
        // The sender mixes its own packets too; the first relay acknowledges without a wait.
        assert!(params.pending().ack_timeout() >= DELAY_MAX + way);
        let relays = u32::from(relay::sphinx::RELAYS_MAX);
        let there_and_back = DELAY_MAX * (1 + relays) * 2;
        assert!(params.pending().end_timeout() >= there_and_back + way);
    }

    #[test]
    fn whatever_the_operator_may_set_is_taken() {
        let (relay, tickets) = (Relay::default(), Tickets::default());
        let params = params_of(&relay, &tickets);
        assert_eq!(params.price_per_packet(), relay.price.0);
        let relay = Relay {
            delay_max: DELAY_MAX,
            win_probability: 0.000_000_01,
            min_win_probability: 0.0,
            ..relay
        };
        let tickets = Tickets { timeout: Duration::from_mins(2), ..tickets };
        assert_eq!(params_of(&relay, &tickets).aggregation_timeout(), tickets.timeout);
        params_of(&relay, &Tickets { timeout: Duration::from_secs(1), ..tickets });
    }
}
