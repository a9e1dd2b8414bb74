//! The processor between a real request-response protocol and its callers.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_request_response::{
    Behaviour, Config as ExchangeConfig, Event as ExchangeEvent, Message, OutboundFailure,
    OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use libp2p_swarm::{Swarm, SwarmEvent};
use machine::{PeerId, Undelivered};
use meshwork_tickets::aggregation::{
    AggregateError, AwaitError, Command, Config, Core, Event, Kept, MemoryStore, Prerequisites,
    RefusalCode, Reply, Request, TicketAggregationActions, TicketAggregationFinalizer,
    TicketAggregationProcessed, TicketAggregationProcessor, Worker,
};
use meshwork_tickets::ledger::LocalLedger;
use meshwork_tickets::{ChannelId, WinProbability};
use transport::Builder;
use transport::pool::Pool;
use transport::question::Codec;

use crate::common::interval;
use crate::town::{self, DOMAIN, ISSUER, PRICE, REDEEMER, chain_key};

type Handle = ResponseChannel<Reply>;
type Actions = TicketAggregationActions<Handle, OutboundRequestId>;
type Processor = TicketAggregationProcessor<Handle, OutboundRequestId>;

const PATIENCE: Duration = Duration::from_secs(20);

/// A node that composes the processor with libp2p's request-response as an application would.
struct Node {
    swarm: Swarm<Behaviour<Codec<Request, Reply>>>,
    processor: Processor,
    actions: Actions,
    finalizers: BTreeMap<OutboundRequestId, TicketAggregationFinalizer>,
    store: MemoryStore,
    /// Requests that it leaves unanswered, if it does.
    ignored: Option<Vec<Handle>>,
}

impl Node {
    async fn new(number: u8, ledger: &LocalLedger) -> Self {
        let key = chain_key(number);
        let store = MemoryStore::default();
        let kept = Kept::load(&store, town::owner(&key)).await.unwrap();
        let core = Core::new(Config::default().check().unwrap(), key.address(), kept, [number; 32]);
        let pool = Pool::new(NonZeroUsize::new(2).unwrap(), 64).unwrap();
        let signer = town::signer(&key, ledger);
        let worker = Worker::new(key, DOMAIN, pool, Arc::new(store.clone()), signer);
        let (processor, actions) = Processor::new(core, worker);
        let protocols = [("/test/aggregation/1", ProtocolSupport::Full)];
        let behaviour = Behaviour::new(protocols, ExchangeConfig::default());
        let builder = Builder::new(Keypair::generate_ed25519()).memory();
        let swarm = builder.build(behaviour).unwrap();
        let finalizers = BTreeMap::new();
        Self { swarm, processor, actions, finalizers, store, ignored: None }
    }

    fn peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    async fn listen(&mut self) -> Multiaddr {
        self.swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                return address;
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.actions.command(command).unwrap();
    }

    /// Does what comes next; tells what is of no concern to request-response.
    async fn step(&mut self) -> Option<Event> {
        tokio::select! {
            done = self.processor.select_next_some() => self.on_processed(done),
            event = self.swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(event) = event {
                    self.on_exchange(event);
                }
                None
            }
        }
    }

    fn on_processed(
        &mut self,
        done: TicketAggregationProcessed<Handle, OutboundRequestId>,
    ) -> Option<Event> {
        match done {
            TicketAggregationProcessed::Send(peer, request, finalizer) => {
                let id = self.swarm.behaviour_mut().send_request(&peer, Ok(*request));
                self.finalizers.insert(id, finalizer);
            }
            TicketAggregationProcessed::Receive(_, id) => {
                self.finalizers.remove(&id).unwrap().finalize();
            }
            TicketAggregationProcessed::Reply(_, reply, channel) => {
                self.swarm.behaviour_mut().send_response(channel, reply).unwrap();
            }
            TicketAggregationProcessed::Fault(peer, fault) => panic!("{peer}: {fault}"),
            TicketAggregationProcessed::Event(event) => return Some(*event),
        }
        None
    }

    fn on_exchange(&mut self, event: ExchangeEvent<Result<Request, wire::Malformed>, Reply>) {
        match event {
            ExchangeEvent::Message {
                peer,
                message: Message::Request { request, channel, .. },
                ..
            } => {
                if let Some(ignored) = &mut self.ignored {
                    ignored.push(channel);
                } else {
                    let request = request.unwrap();
                    self.actions.receive_aggregation_request(peer, request, channel).unwrap();
                }
            }
            ExchangeEvent::Message {
                peer,
                message: Message::Response { request_id, response },
                ..
            } => self.actions.receive_ticket(peer, response, request_id).unwrap(),
            ExchangeEvent::OutboundFailure { request_id, error, .. } => {
                let cause = match error {
                    OutboundFailure::Timeout | OutboundFailure::Io(_) => Undelivered::Unanswered,
                    OutboundFailure::UnsupportedProtocols => Undelivered::Unsupported,
                    OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
                        Undelivered::NotConnected
                    }
                };
                self.finalizers.remove(&request_id).unwrap().fail(cause);
            }
            ExchangeEvent::InboundFailure { .. } | ExchangeEvent::ResponseSent { .. } => {}
        }
    }
}

/// Lets both nodes work until `future` is done.
async fn during<F: Future>(nodes: [&mut Node; 2], future: F) -> F::Output {
    let [one, other] = nodes;
    tokio::pin!(future);
    loop {
        tokio::select! {
            output = &mut future => return output,
            _ = one.step() => {}
            _ = other.step() => {}
        }
    }
}

struct Pair {
    redeemer: Node,
    issuer: Node,
    id: ChannelId,
}

impl Pair {
    /// Two nodes that are connected and know the channel, and so many tickets in it.
    async fn with_tickets(count: u64, balance: u128) -> Self {
        let (redeemer_key, issuer_key) = (chain_key(REDEEMER), chain_key(ISSUER));
        let ledger = town::ledger(&issuer_key, &redeemer_key, balance);
        let mut redeemer = Node::new(REDEEMER, &ledger).await;
        let mut issuer = Node::new(ISSUER, &ledger).await;
        let address = issuer.listen().await;
        redeemer.swarm.add_peer_address(issuer.peer(), address);
        let id = ChannelId::between(&issuer_key.address(), &redeemer_key.address());
        let channel = town::channel(&ledger, &id);
        redeemer.command(Command::View { channel, peer: Some(issuer.peer()) });
        issuer.command(Command::View { channel, peer: Some(redeemer.peer()) });
        for index in 0..count {
            let always = WinProbability::ALWAYS;
            let ticket = town::ticket(&issuer_key, &redeemer_key, interval(index, 1), always);
            redeemer.command(Command::Earn(Box::new(ticket)));
        }
        let mut earned = 0;
        while earned < count {
            if let Some(Event::Earned { outcome, .. }) = redeemer.step().await {
                outcome.unwrap();
                earned += 1;
            }
        }
        while !matches!(issuer.step().await, Some(Event::Viewed { .. })) {}
        Self { redeemer, issuer, id }
    }

    async fn aggregate(
        &mut self,
        patience: Duration,
    ) -> Result<Option<meshwork_tickets::aggregation::Aggregated>, AwaitError> {
        let Self { redeemer, issuer, id } = self;
        let awaiter = redeemer.actions.aggregate_tickets(id, None, Prerequisites::default());
        let awaiter = awaiter.unwrap();
        during([redeemer, issuer], awaiter.consume_and_wait(patience)).await
    }
}

#[tokio::test]
async fn tickets_become_one_that_is_durable_before_it_is_told() {
    let mut pair = Pair::with_tickets(20, 100_000).await;
    let aggregated = pair.aggregate(PATIENCE).await.unwrap().unwrap();
    assert_eq!(aggregated.replaced, 20);
    assert_eq!(aggregated.ticket.body.amount.get(), 20 * PRICE);
    assert_eq!(aggregated.ticket.body.interval, interval(0, 20));
    let owner = town::owner(&chain_key(REDEEMER));
    let kept = Kept::load(&pair.redeemer.store, owner).await.unwrap();
    assert_eq!(kept.held.len(), 1);
    assert_eq!(kept.held[0].ticket, aggregated.ticket);
    assert!(pair.redeemer.finalizers.is_empty());
    // There is nothing more to do, and who asks is told so.
    assert_eq!(pair.aggregate(PATIENCE).await, Ok(None));
}

#[tokio::test]
async fn a_refusal_reaches_who_awaits_at_once() {
    let mut pair = Pair::with_tickets(3, 100_000).await;
    // The issuer is told that the channel holds less than the tickets are worth.
    let (issuer, redeemer) = (chain_key(ISSUER), chain_key(REDEEMER));
    let poor = town::ledger(&issuer, &redeemer, 2 * PRICE);
    let channel = town::channel(&poor, &pair.id);
    let peer = Some(pair.redeemer.peer());
    pair.issuer.command(Command::View { channel, peer });
    let error = pair.aggregate(PATIENCE).await.unwrap_err();
    let AwaitError::Failed(AggregateError::Refused { refusal, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(refusal.code, RefusalCode::Balance);
}

#[tokio::test]
async fn a_second_call_is_told_busy_and_the_first_is_unharmed() {
    let mut pair = Pair::with_tickets(5, 100_000).await;
    let Pair { redeemer, issuer, id } = &mut pair;
    let mut ask = || redeemer.actions.aggregate_tickets(id, None, Prerequisites::default());
    let (first, second) = (ask().unwrap(), ask().unwrap());
    let both =
        futures::future::join(first.consume_and_wait(PATIENCE), second.consume_and_wait(PATIENCE));
    let (first, second) = during([redeemer, issuer], both).await;
    assert_eq!(first.unwrap().unwrap().replaced, 5);
    assert_eq!(second, Err(AwaitError::Failed(AggregateError::Busy)));
}

#[tokio::test]
async fn who_awaits_hears_that_nobody_is_there() {
    let mut pair = Pair::with_tickets(2, 100_000).await;
    let issuer = pair.issuer.peer();
    drop(pair.issuer);
    let redeemer = &mut pair.redeemer;
    let awaiter = redeemer.actions.aggregate_tickets(&pair.id, None, Prerequisites::default());
    let outcome = awaiter.unwrap().consume_and_wait(PATIENCE);
    tokio::pin!(outcome);
    let outcome = loop {
        tokio::select! {
            outcome = &mut outcome => break outcome,
            _ = redeemer.step() => {}
        }
    };
    let cause = Undelivered::NotConnected;
    assert_eq!(outcome, Err(AwaitError::Failed(AggregateError::Undelivered(cause))), "{issuer}");
}

#[tokio::test]
async fn who_awaits_without_an_answer_is_told_after_the_time_it_gave() {
    let mut pair = Pair::with_tickets(2, 100_000).await;
    pair.issuer.ignored = Some(Vec::new());
    let patience = Duration::from_millis(200);
    assert_eq!(pair.aggregate(patience).await, Err(AwaitError::TimedOut(patience)));
}
