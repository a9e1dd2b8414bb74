//! Two swarms that open substreams to each other.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p_core::Multiaddr;
use libp2p_identity::Keypair;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{ConnectionId, StreamProtocol, Swarm, SwarmEvent};

use machine::PeerId;

use super::*;
use crate::Builder;

const CHAT: StreamProtocol = StreamProtocol::new("/chat/1");
const CHAT_2: StreamProtocol = StreamProtocol::new("/chat/2");

/// Two connected nodes: the listener accepts names, the dialer none.
struct Pair {
    listener: Swarm<Behaviour>,
    dialer: Swarm<Behaviour>,
    /// Of the listener.
    address: Multiaddr,
    /// As the dialer and as the listener call it.
    connections: (ConnectionId, ConnectionId),
}

enum Side {
    Dialer(SwarmEvent<Event>),
    Listener(SwarmEvent<Event>),
}

type Accepted = Box<dyn FnMut(PeerId, ConnectionId) -> Vec<StreamProtocol> + Send>;

fn swarm(config: Config, idle: Duration, accepted: Accepted) -> Swarm<Behaviour> {
    let behaviour = Behaviour::new(config, accepted);
    let builder = Builder::new(Keypair::generate_ed25519()).memory().idle_timeout(idle);
    builder.build(behaviour).unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens soon")
}

impl Pair {
    async fn new(config: Config, names: &[StreamProtocol]) -> Self {
        Self::idling(config, names, Duration::from_mins(1)).await
    }

    async fn idling(config: Config, names: &[StreamProtocol], idle: Duration) -> Self {
        let names = names.to_vec();
        Self::accepting(config, idle, move |_, _| names.clone()).await
    }

    async fn accepting(
        config: Config,
        idle: Duration,
        accepted: impl FnMut(PeerId, ConnectionId) -> Vec<StreamProtocol> + Send + 'static,
    ) -> Self {
        let listener = swarm(config, idle, Box::new(accepted));
        let dialer = swarm(config, idle, Box::new(|_, _| vec![]));
        let unknown = ConnectionId::new_unchecked(usize::MAX);
        let connections = (unknown, unknown);
        let mut pair = Self { listener, dialer, address: Multiaddr::empty(), connections };
        pair.listen().await;
        pair.dial().await;
        pair
    }

    async fn listen(&mut self) {
        self.listener.listen_on("/memory/0".parse().unwrap()).unwrap();
        self.address = soon(async {
            loop {
                let event = self.listener.select_next_some().await;
                if let SwarmEvent::NewListenAddr { address, .. } = event {
                    return address;
                }
            }
        })
        .await;
    }

    /// Makes one more connection, and uses it from now on.
    async fn dial(&mut self) {
        let peer = *self.listener.local_peer_id();
        let dial = DialOpts::peer_id(peer).condition(PeerCondition::Always);
        self.dialer.dial(dial.addresses(vec![self.address.clone()]).build()).unwrap();
        let (mut ours, mut theirs) = (None, None);
        while ours.is_none() || theirs.is_none() {
            let (side, event) = match self.next().await {
                Side::Dialer(event) => (&mut ours, event),
                Side::Listener(event) => (&mut theirs, event),
            };
            if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                *side = Some(connection_id);
            }
        }
        self.connections = (ours.unwrap(), theirs.unwrap());
    }

    async fn next(&mut self) -> Side {
        soon(async {
            tokio::select! {
                event = self.dialer.select_next_some() => Side::Dialer(event),
                event = self.listener.select_next_some() => Side::Listener(event),
            }
        })
        .await
    }

    fn open(&mut self, names: &[StreamProtocol]) -> OpenId {
        let peer = *self.listener.local_peer_id();
        let connection = self.connections.0;
        self.dialer.behaviour_mut().open(peer, connection, names.to_vec())
    }

    /// The next event of each side.
    async fn both(&mut self) -> (Event, Event) {
        let (mut dialer, mut listener) = (None, None);
        loop {
            match self.next().await {
                Side::Dialer(SwarmEvent::Behaviour(event)) => dialer = Some(event),
                Side::Listener(SwarmEvent::Behaviour(event)) => listener = Some(event),
                _ => {}
            }
            (dialer, listener) = match (dialer, listener) {
                (Some(dialer), Some(listener)) => return (dialer, listener),
                incomplete => incomplete,
            };
        }
    }

    /// The dialer's next event.
    async fn dialer(&mut self) -> Event {
        loop {
            match self.next().await {
                Side::Dialer(SwarmEvent::Behaviour(event)) => return event,
                Side::Listener(SwarmEvent::Behaviour(event)) => panic!("listener: {event:?}"),
                _ => {}
            }
        }
    }

    async fn connect(&mut self, name: &StreamProtocol) -> (Substream, Substream) {
        self.open(std::slice::from_ref(name));
        match self.both().await {
            (Event::Opened { stream: ours, .. }, Event::Incoming { stream: theirs, .. }) => {
                (ours, theirs)
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn say(from: &mut Substream, to: &mut Substream) {
    soon(async {
        from.write_all(b"hello").await.unwrap();
        from.flush().await.unwrap();
        let mut heard = [0; 5];
        to.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    })
    .await;
}

#[tokio::test]
async fn the_best_name_that_both_know_is_opened_and_the_accepting_side_may_speak_first() {
    let mut pair = Pair::new(Config::default(), &[CHAT]).await;
    let (dialer, listener) = (*pair.dialer.local_peer_id(), *pair.listener.local_peer_id());
    let (at_dialer, at_listener) = pair.connections;
    let asked = pair.open(&[CHAT_2, CHAT]);
    let (
        Event::Opened { peer, connection, id, name, mut stream },
        Event::Incoming { peer: from, connection: on, name: wanted, stream: mut theirs },
    ) = pair.both().await
    else {
        panic!("not opened")
    };
    assert_eq!((peer, connection, id, name), (listener, at_dialer, asked, CHAT));
    assert_eq!((from, on, wanted), (dialer, at_listener, CHAT));
    say(&mut theirs, &mut stream).await;
    say(&mut stream, &mut theirs).await;
    theirs.close().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refused_name_is_told_and_costs_no_more_than_itself() {
    let mut pair = Pair::new(Config::default(), &[CHAT]).await;
    for names in [&[CHAT_2][..], &[CHAT_2, StreamProtocol::new("/other")], &[]] {
        let asked = pair.open(names);
        match pair.dialer().await {
            Event::OpenFailed { id, error: OpenError::Unsupported, .. } => assert_eq!(id, asked),
            other => panic!("{other:?}"),
        }
    }
    let (mut ours, mut theirs) = pair.connect(&CHAT).await;
    say(&mut ours, &mut theirs).await;
}

#[tokio::test]
async fn the_remote_has_no_more_substreams_of_a_name_than_allowed() {
    let mut pair = Pair::new(Config::default(), &[CHAT, CHAT_2]).await;
    let (mut ours, mut theirs) = pair.connect(&CHAT).await;
    pair.open(&[CHAT]);
    match pair.both().await {
        (Event::Opened { mut stream, .. }, Event::Refused { name, reason, .. }) => {
            assert_eq!((name, reason), (CHAT, RefusalReason::TooMany { max: 1 }));
            let end = soon(stream.read(&mut [0])).await;
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        }
        other => panic!("{other:?}"),
    }
    say(&mut ours, &mut theirs).await;
    pair.connect(&CHAT_2).await;
    drop((ours, theirs));
    pair.connect(&CHAT).await;
}

#[tokio::test]
async fn opens_that_wait_are_bounded_and_all_end_when_the_connection_does() {
    let config = Config { opening_max: 2, ..Config::default() };
    let mut pair = Pair::new(config, &[CHAT]).await;
    let asked = [(); 3].map(|()| pair.open(&[CHAT]));
    let listener = *pair.listener.local_peer_id();
    pair.dialer.disconnect_peer_id(listener).unwrap();
    let mut ends = Vec::new();
    while ends.len() < 3 {
        if let Side::Dialer(SwarmEvent::Behaviour(event)) = pair.next().await {
            ends.push(match event {
                Event::OpenFailed { id, error, .. } => (id, Some(error)),
                Event::Opened { id, .. } => (id, None),
                other => panic!("{other:?}"),
            });
        }
    }
    ends.sort_by_key(|(id, _)| *id);
    assert_eq!(ends.iter().map(|(id, _)| *id).collect::<Vec<_>>(), asked);
    assert_eq!(ends.last().unwrap().1, Some(OpenError::TooMany { max: 2 }));
    let late = pair.open(&[CHAT]);
    loop {
        if let Side::Dialer(SwarmEvent::Behaviour(event)) = pair.next().await {
            assert!(
                matches!(event, Event::OpenFailed { id, error: OpenError::Disconnected, .. }
                    if id == late),
                "{event:?}"
            );
            break;
        }
    }
}

#[tokio::test]
async fn an_open_that_is_not_answered_in_time_fails() {
    let config = Config { open_timeout: Duration::from_millis(50), ..Config::default() };
    let mut pair = Pair::new(config, &[CHAT]).await;
    // A node that never looks at what others open.
    let behaviour = Behaviour::new(Config::default(), |_, _| vec![CHAT]);
    let deaf = Builder::new(Keypair::generate_ed25519()).memory().negotiating_inbound_max(0);
    pair.listener = deaf.build(behaviour).unwrap();
    pair.listen().await;
    pair.dial().await;
    let asked = pair.open(&[CHAT]);
    match pair.dialer().await {
        Event::OpenFailed { id, error: OpenError::TimedOut, .. } => assert_eq!(id, asked),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_substream_holds_its_connection_unless_it_is_told_not_to() {
    let idle = Duration::from_millis(50);
    let idling = Config { keep_alive: false, ..Config::default() };
    let mut held = Pair::idling(Config::default(), &[CHAT], idle).await;
    let (mut ours, mut theirs) = held.connect(&CHAT).await;
    let mut unheld = Pair::idling(idling, &[CHAT], idle).await;
    let _streams = unheld.connect(&CHAT).await;
    while !matches!(unheld.next().await, Side::Dialer(SwarmEvent::ConnectionClosed { .. })) {}
    say(&mut ours, &mut theirs).await;
}

#[tokio::test]
async fn a_broken_substream_goes_on_failing() {
    let mut pair = Pair::new(Config::default(), &[CHAT]).await;
    let (mut ours, _theirs) = pair.connect(&CHAT).await;
    let listener = *pair.listener.local_peer_id();
    pair.dialer.disconnect_peer_id(listener).unwrap();
    while !matches!(pair.next().await, Side::Dialer(SwarmEvent::ConnectionClosed { .. })) {}
    soon(async { while ours.write(b"hello").await.is_ok() {} }).await;
    let kinds = [
        ours.write(b"hello").await.unwrap_err().kind(),
        ours.read(&mut [0]).await.unwrap_err().kind(),
        ours.flush().await.unwrap_err().kind(),
        ours.close().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [io::ErrorKind::NotConnected; 4]);
}

#[tokio::test]
async fn which_names_are_accepted_is_asked_once_for_each_connection() {
    let mut asked = 0;
    let mut pair = Pair::accepting(Config::default(), Duration::from_mins(1), move |_, _| {
        asked += 1;
        if asked == 1 { vec![CHAT] } else { vec![CHAT_2] }
    })
    .await;
    let first = pair.connections.0;
    pair.dial().await;
    let second = pair.connections.0;
    assert_ne!(first, second);
    for (connection, expected) in [(second, CHAT_2), (first, CHAT), (second, CHAT_2)] {
        pair.connections.0 = connection;
        pair.open(&[CHAT, CHAT_2]);
        match pair.both().await {
            (Event::Opened { name, connection: on, .. }, Event::Incoming { .. }) => {
                assert_eq!((on, name), (connection, expected));
            }
            other => panic!("{other:?}"),
        }
    }
}
