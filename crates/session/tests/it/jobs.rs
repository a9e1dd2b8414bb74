//! Nothing outlives its connection, nor the node.

use std::future::pending;

use handshake::{SessionKind, SessionKinds};
use libp2p_swarm::SwarmEvent;
use meshwork_session::{Channel, Event, Jobs, Outcome, Protocol, Registry, Stop};

use crate::pair::{Census, Number, Pair, Side, soon};

/// Starts two jobs that do not end by themselves, and does not either.
struct Busy {
    census: Census,
}

impl Protocol for Busy {
    const NAME: &'static str = "/busy/1";
    type Message = Number;

    async fn run(self, channel: Channel<Number>, jobs: Jobs) -> Result<(), Stop> {
        for _ in 0..2 {
            let life = self.census.begin();
            let deaf = async move {
                let _life = life;
                pending::<()>().await;
            };
            jobs.spawn("deaf", deaf)?;
        }
        let _channel = channel;
        pending().await
    }
}

/// Two nodes that are [`Busy`] with each other, and those that count what each has running.
async fn busy() -> (Pair, [Census; 2]) {
    let censuses = [Census::default(), Census::default()];
    let registries = censuses.clone().map(|census| {
        let mut registry = Registry::new();
        registry.register(SessionKinds::DEFAULT, move || Busy { census: census.clone() }).unwrap();
        registry
    });
    let [dialer, listener] = registries;
    let mut pair = Pair::new(SessionKind::Outbound, dialer, listener).await;
    let mut started = 0;
    while started < 2 {
        let (Side::Dialer(event) | Side::Listener(event)) = pair.next().await;
        started += usize::from(matches!(event, SwarmEvent::Behaviour(Event::Started { .. })));
    }
    soon(async {
        while censuses.iter().any(|census| census.alive() < 2) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    (pair, censuses)
}

#[tokio::test]
async fn when_a_connection_closes_its_protocols_are_reported_after_their_jobs_are_gone() {
    let (mut pair, censuses) = busy().await;
    let listener = *pair.listener.local_peer_id();
    pair.dialer.disconnect_peer_id(listener).unwrap();
    let mut ended = 0;
    while ended < 2 {
        let (census, event) = match pair.next().await {
            Side::Dialer(event) => (&censuses[0], event),
            Side::Listener(event) => (&censuses[1], event),
        };
        if let SwarmEvent::Behaviour(Event::Ended { outcome, .. }) = event {
            assert!(matches!(outcome, Outcome::Cut), "{outcome:?}");
            assert_eq!(census.alive(), 0);
            ended += 1;
        }
    }
    assert_eq!((pair.dialer.behaviour().running(), pair.listener.behaviour().running()), (0, 0));
}

#[tokio::test]
async fn stop_ends_everything_and_nothing_starts_after_it() {
    let (mut pair, [at_dialer, at_listener]) = busy().await;
    soon(pair.listener.behaviour_mut().stop()).await;
    assert_eq!((pair.listener.behaviour().running(), at_listener.alive()), (0, 0));
    let outcome = loop {
        if let Event::Ended { outcome, .. } = pair.at_listener().await {
            break outcome;
        }
    };
    assert!(matches!(outcome, Outcome::Cut), "{outcome:?}");
    // The remote may try in vain on a new connection.
    let address = pair.listener.listeners().next().unwrap().clone();
    pair.dialer.dial(address).unwrap();
    let refused = loop {
        if let Event::Refused { reason, .. } = pair.at_listener().await {
            break reason;
        }
    };
    assert_eq!(refused, meshwork_session::Refusal::Stopping);
    assert_eq!(at_listener.alive(), 0);
    soon(pair.dialer.behaviour_mut().stop()).await;
    assert_eq!(at_dialer.alive(), 0);
}

#[tokio::test]
async fn a_node_that_is_dropped_leaves_nothing_behind() {
    let (pair, censuses) = busy().await;
    drop(pair);
    soon(async {
        while censuses.iter().any(|census| census.alive() > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
