//! What the other side may try.

use futures::{AsyncReadExt, AsyncWriteExt};
use handshake::{SessionKind, SessionKinds};
use libp2p_swarm::{ConnectionId, StreamProtocol, SwarmEvent};
use meshwork_session::{
    Channel, ChannelError, Event, Jobs, Outcome, Protocol, Refusal, Registry, Stop,
};
use transport::session::{self as substreams, OpenError, Substream, Turns};
use wire::Defect;

use crate::pair::{MEMORY, Number, Pair, Side, soon};

const SINK: StreamProtocol = StreamProtocol::new("/sink/1");

/// Receives until the end.
struct Sink;

impl Protocol for Sink {
    const NAME: &'static str = "/sink/1";
    type Message = Number;

    async fn run(self, mut channel: Channel<Number>, _: Jobs) -> Result<(), Stop> {
        while channel.recv().await?.is_some() {}
        Ok(())
    }
}

/// A remote that opens what it likes, and a node that runs a [`Sink`].
struct Remote {
    pair: Pair<substreams::Behaviour>,
    connection: ConnectionId,
}

impl Remote {
    async fn new() -> Self {
        Self::held_as(SessionKind::Inbound).await
    }

    async fn held_as(kind: SessionKind) -> Self {
        let mut registry = Registry::new();
        registry.register(SessionKinds::DEFAULT, || Sink).unwrap();
        let config = substreams::Config::default();
        let opens = |_| substreams::Behaviour::new(config, |_, _| vec![]);
        let mut pair = Pair::with(MEMORY, opens, registry, kind).await;
        let connection = loop {
            let event = pair.next().await;
            if let Side::Dialer(SwarmEvent::ConnectionEstablished { connection_id, .. }) = event {
                break connection_id;
            }
        };
        Self { pair, connection }
    }

    fn ask(&mut self) {
        let peer = *self.pair.listener.local_peer_id();
        self.pair.dialer.behaviour_mut().open(peer, self.connection, vec![SINK]);
    }

    /// Opens the sink, and what the node says to that first.
    async fn open(&mut self) -> (Substream, Event) {
        self.ask();
        let (mut opened, mut said) = (None, None);
        loop {
            match self.pair.next().await {
                Side::Dialer(SwarmEvent::Behaviour(substreams::Event::Opened {
                    stream, ..
                })) => opened = Some(stream),
                Side::Dialer(SwarmEvent::Behaviour(other)) => panic!("{other:?}"),
                Side::Listener(SwarmEvent::Behaviour(event)) => {
                    said.get_or_insert(event);
                }
                _ => {}
            }
            (opened, said) = match (opened, said) {
                (Some(stream), Some(event)) => return (stream, event),
                incomplete => incomplete,
            };
        }
    }

    /// How the sink ended; the connection closes after it.
    async fn closed(&mut self) -> Outcome {
        let mut ended = None;
        loop {
            match self.pair.next().await {
                Side::Listener(SwarmEvent::Behaviour(Event::Ended { outcome, .. })) => {
                    ended = Some(outcome);
                }
                Side::Listener(SwarmEvent::ConnectionClosed { .. }) => {
                    return ended.expect("the end comes first");
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_flood_is_closed_on_with_the_reason() {
    let mut remote = Remote::new().await;
    let mut turns = Turns::<_, Number>::new(remote.open().await.0, None);
    let flood = async {
        let mut sent = 0_u64;
        while turns.send(Number(0)).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let (sent, outcome) = soon(futures::future::join(flood, remote.closed())).await;
    match outcome {
        Outcome::Stopped(Stop::Channel(ChannelError::Overrun(overrun))) => {
            assert_eq!(overrun.message, "number");
            assert!(overrun.received > 50 && overrun.received <= sent, "{overrun}, {sent} sent");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn garbage_is_closed_on_with_the_reason() {
    for (bytes, defect) in [(&[2, 0, 0][..], Defect::TooLong), (&[0], Defect::Missing)] {
        let mut remote = Remote::new().await;
        let (mut stream, _) = remote.open().await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        match remote.closed().await {
            Outcome::Stopped(Stop::Channel(ChannelError::Malformed(malformed))) => {
                assert_eq!(malformed.defect, defect);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_protocol_is_opened_once_on_a_connection() {
    let mut remote = Remote::new().await;
    let (mut first, said) = remote.open().await;
    assert!(matches!(said, Event::Started { .. }), "{said:?}");
    let (mut second, said) = remote.open().await;
    assert!(matches!(said, Event::Refused { reason: Refusal::Again, .. }), "{said:?}");
    let end = soon(second.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    first.close().await.unwrap();
    let said = remote.pair.at_listener().await;
    assert!(matches!(said, Event::Ended { outcome: Outcome::Finished, .. }), "{said:?}");
    // Else it would begin with a new allowance each time.
    let (_third, said) = remote.open().await;
    assert!(matches!(said, Event::Refused { reason: Refusal::Again, .. }), "{said:?}");
}

#[tokio::test]
async fn who_opened_a_connection_runs_nothing_that_the_other_side_asks_for() {
    let mut remote = Remote::held_as(SessionKind::Outbound).await;
    remote.ask();
    let (mut theirs_ended, mut ours_ended) = (false, false);
    while !(theirs_ended && ours_ended) {
        match remote.pair.next().await {
            Side::Dialer(SwarmEvent::Behaviour(substreams::Event::OpenFailed {
                error, ..
            })) => {
                assert_eq!(error, OpenError::Unsupported);
                theirs_ended = true;
            }
            Side::Listener(SwarmEvent::Behaviour(Event::Unsupported { protocol, .. })) => {
                assert_eq!(protocol, Sink::NAME);
                ours_ended = true;
            }
            Side::Dialer(SwarmEvent::Behaviour(other)) => panic!("{other:?}"),
            Side::Listener(SwarmEvent::Behaviour(other)) => panic!("{other:?}"),
            _ => {}
        }
    }
}
