//! Which protocols run, and what their ends do.

use handshake::{SessionKind, SessionKinds};
use libp2p_swarm::SwarmEvent;
use meshwork_session::{Channel, Event, Jobs, Outcome, Protocol, Registry, Stop};

use crate::pair::{MEMORY, Number, Pair, Side};

/// Counts down to zero in turns.
struct Countdown {
    /// Who dialled begins, with this.
    from: u8,
}

impl Protocol for Countdown {
    const NAME: &'static str = "/countdown/1";
    type Message = Number;

    async fn run(self, mut channel: Channel<Number>, _: Jobs) -> Result<(), Stop> {
        if channel.session().kind != SessionKind::Inbound {
            channel.send(Number(self.from)).await?;
        }
        while let Some(Number(heard)) = channel.recv().await? {
            match heard.checked_sub(1) {
                Some(next) => channel.send(Number(next)).await?,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Ends as it is told to by the first number it hears.
struct Moody;

impl Protocol for Moody {
    const NAME: &'static str = "/moody/1";
    type Message = Number;

    async fn run(self, mut channel: Channel<Number>, jobs: Jobs) -> Result<(), Stop> {
        match channel.recv().await? {
            Some(Number(1)) => Err(Stop::Because("told to")),
            Some(Number(2)) => panic!("told to"),
            Some(Number(3)) => {
                jobs.spawn("moody", async { panic!("told to") })?;
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }
}

/// Tells a [`Moody`] how to end, and waits for that.
struct Teaser(u8);

impl Protocol for Teaser {
    const NAME: &'static str = Moody::NAME;
    type Message = Number;

    async fn run(self, mut channel: Channel<Number>, _: Jobs) -> Result<(), Stop> {
        channel.send(Number(self.0)).await?;
        while channel.recv().await?.is_some() {}
        Ok(())
    }
}

fn registry<P: Protocol>(make: impl Fn() -> P + Send + Sync + 'static) -> Registry {
    let mut registry = Registry::new();
    registry.register(SessionKinds::DEFAULT, make).unwrap();
    registry
}

/// How a [`Moody`] that is told `mood` ended, and whether the connection did by then.
async fn tease(mood: u8) -> (Pair, Outcome, bool) {
    let mut dialer = registry(move || Teaser(mood));
    let mut listener = registry(|| Moody);
    for registry in [&mut dialer, &mut listener] {
        // Something else on the same connection.
        registry.register(SessionKinds::DEFAULT, || Countdown { from: 200 }).unwrap();
    }
    let mut pair = Pair::new(SessionKind::Outbound, dialer, listener).await;
    let (teaser, moody, closed) = pair.ends(Moody::NAME).await;
    assert!(
        matches!(&teaser, Outcome::Finished)
            || matches!(&teaser, Outcome::Stopped(stop) if !stop.closes_connection()),
        "{teaser:?}"
    );
    (pair, moody, closed)
}

#[tokio::test]
async fn both_sides_run_a_protocol_and_its_end_leaves_the_connection_open() {
    for transport in [MEMORY, "/ip4/127.0.0.1/udp/0/quic-v1"] {
        run_two_over(transport).await;
    }
}

async fn run_two_over(transport: &str) {
    let mut dialer = registry(|| Countdown { from: 5 });
    dialer.register(SessionKinds::DEFAULT, || Teaser(0)).unwrap();
    let mut listener = registry(|| Countdown { from: 0 });
    listener.register(SessionKinds::DEFAULT, || Moody).unwrap();
    let mut pair = Pair::over(transport, SessionKind::Manual, dialer, listener).await;
    let mut news = Vec::new();
    while news.len() < 8 {
        let (who, event) = match pair.next().await {
            Side::Dialer(event) => ("dialer", event),
            Side::Listener(event) => ("listener", event),
        };
        news.extend(match event {
            SwarmEvent::Behaviour(Event::Started { protocol, .. }) => {
                Some((protocol, who, "started"))
            }
            SwarmEvent::Behaviour(Event::Ended {
                protocol, outcome: Outcome::Finished, ..
            }) => Some((protocol, who, "finished")),
            SwarmEvent::Behaviour(other) => panic!("{other:?}"),
            SwarmEvent::ConnectionClosed { .. } => panic!("closed"),
            _ => None,
        });
    }
    news.sort_unstable();
    let expected = ["/countdown/1", "/moody/1"].into_iter().flat_map(|protocol| {
        ["dialer", "listener"]
            .into_iter()
            .flat_map(move |who| ["finished", "started"].map(|what| (protocol, who, what)))
    });
    assert_eq!(news, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_protocol_that_gives_up_closes_the_connection_with_its_reason() {
    let (mut pair, moody, closed) = tease(1).await;
    assert!(matches!(moody, Outcome::Stopped(Stop::Because("told to"))), "{moody:?}");
    if !closed {
        pair.closed().await;
    }
}

#[tokio::test]
async fn a_panic_closes_the_connection_and_nothing_else() {
    let (mut pair, moody, closed) = tease(2).await;
    assert!(matches!(&moody, Outcome::Panicked { message } if message == "told to"), "{moody:?}");
    if !closed {
        pair.closed().await;
    }
    // The node goes on: it serves the next one.
    let address = pair.listener.listeners().next().unwrap().clone();
    pair.dialer.dial(address).unwrap();
    while !matches!(pair.next().await, Side::Listener(SwarmEvent::Behaviour(Event::Started { .. })))
    {
    }
}

#[tokio::test]
async fn a_panic_of_a_job_ends_its_channel_and_leaves_the_connection_open() {
    let (mut pair, moody, closed) = tease(3).await;
    assert!(matches!(&moody, Outcome::JobPanicked(panic) if panic.job == "moody"), "{moody:?}");
    assert!(!closed);
    let (dialer, listener, closed) = pair.ends(Countdown::NAME).await;
    assert!(matches!((&dialer, &listener), (Outcome::Finished, Outcome::Finished)));
    assert!(!closed);
}

#[tokio::test]
async fn what_the_remote_does_not_run_is_unsupported() {
    let mut listener = Registry::new();
    // Registered, but not for those who dial us.
    listener.register(SessionKind::Outbound, || Countdown { from: 0 }).unwrap();
    let dialer = registry(|| Countdown { from: 5 });
    let mut pair = Pair::new(SessionKind::Outbound, dialer, listener).await;
    loop {
        match pair.next().await {
            Side::Dialer(SwarmEvent::Behaviour(Event::Unsupported { peer, protocol, .. })) => {
                assert_eq!((peer, protocol), (*pair.listener.local_peer_id(), "/countdown/1"));
                break;
            }
            Side::Dialer(SwarmEvent::Behaviour(other))
            | Side::Listener(SwarmEvent::Behaviour(other)) => panic!("{other:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_kind_of_the_connection_decides_what_is_opened() {
    let mut dialer = registry(|| Countdown { from: 5 });
    dialer.register(SessionKind::Seed, || Teaser(0)).unwrap();
    let mut listener = registry(|| Countdown { from: 0 });
    listener.register(SessionKind::Inbound, || Moody).unwrap();
    let mut pair = Pair::new(SessionKind::Seed, dialer, listener).await;
    let mut ended = 0;
    while ended < 2 {
        let (Side::Dialer(event) | Side::Listener(event)) = pair.next().await;
        match event {
            SwarmEvent::Behaviour(Event::Started { protocol, .. }) => {
                assert_eq!(protocol, Moody::NAME);
            }
            SwarmEvent::Behaviour(Event::Ended { .. }) => ended += 1,
            SwarmEvent::Behaviour(other) => panic!("{other:?}"),
            _ => {}
        }
    }
}
