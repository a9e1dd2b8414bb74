//! Whole nodes, stand-alone: pipelines, core and requesters over links that are channels.
#![expect(clippy::unwrap_used, reason = "a test")]

mod town;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use meshwork_dht::{
    BroadcastStrategy, Carriage, Command, Dht, DhtActorError, DhtOutboundError, DiscoverError,
    Event, InboundMessage, Key, Outcome, Refusal, SendOptions, Ticket,
};

use wire::signed::SignedRecord;

use self::town::{Town, in_a_row};
use crate::core::world::{keys, peer};

const SOON: Duration = Duration::from_mins(1);

/// The end of a message, which has to come soon.
async fn end(sending: meshwork_dht::Sending) -> Outcome {
    tokio::time::timeout(SOON, sending.end()).await.expect("no end in time").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_a_neighbour_and_its_sender_is_told() {
    let mut town = Town::new();
    let [a, b] = [town.node(1).await, town.node(2).await];
    town.link(a.peer, b.peer).await;
    let sending = a.requester.send_direct(b.peer, "hello").await.unwrap();
    let letter = sending.letter();
    assert_eq!(end(sending).await, Outcome::Delivered);
    let got = b.take();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].sender, got[0].letter), (a.peer, letter));
    assert_eq!((&got[0].payload[..], got[0].sealed), (&b"hello"[..], true));
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_a_peer_that_its_sender_is_not_linked_with() {
    let [first, middle, last] = in_a_row();
    let mut town = Town::new();
    let a = town.node(first).await;
    let b = town.node(middle).await;
    let c = town.node(last).await;
    town.link(a.peer, b.peer).await;
    town.link(b.peer, c.peer).await;
    let sending = a.requester.send_direct(c.peer, "far").await.unwrap();
    assert_eq!(end(sending).await, Outcome::Delivered);
    assert_eq!(c.take().len(), 1);
    assert_eq!(b.take().len(), 0, "who carries it does not read it");
    assert_eq!(b.monitor.counts().passed.get("carry"), Some(&2), "the message and its receipt");
}

#[tokio::test(start_paused = true)]
async fn a_message_for_a_peer_that_is_away_waits_where_nobody_can_read_it() {
    let [first, middle, last] = in_a_row();
    let mut town = Town::new();
    let a = town.node(first).await;
    let b = town.node(middle).await;
    town.link(a.peer, b.peer).await;
    let mut sending = a.requester.send_direct(peer(last), "later").await.unwrap();
    while let Some(outcome) = sending.next().await {
        if let Outcome::Stored { by, .. } = outcome {
            assert_eq!(by, b.peer);
            break;
        }
    }
    let c = town.node(last).await;
    town.link(c.peer, b.peer).await;
    assert_eq!(end(sending).await, Outcome::Delivered);
    let got = c.take();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].sender, got[0].carriage), (a.peer, Carriage::Fetched));
    assert_eq!(b.take().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_found_by_its_id_alone() {
    let [first, middle, last] = in_a_row();
    let mut town = Town::new();
    let a = town.node(first).await;
    let b = town.node(middle).await;
    let c = town.node(last).await;
    town.link(a.peer, b.peer).await;
    town.link(b.peer, c.peer).await;
    let found = a.dht.look_up(Key::of(&c.peer)).await.unwrap();
    assert!(found.contains(&b.peer), "{found:?}");
    let record = a.discovery.discover_peer(c.peer).await.unwrap();
    assert_eq!(record.peer(), c.peer);
    let oneself = a.discovery.discover_peer(a.peer).await;
    assert_eq!(oneself.err(), Some(DhtActorError::Discover(DiscoverError::Oneself)));
}

#[tokio::test(start_paused = true)]
async fn the_core_is_told_of_records_and_of_bans() {
    let mut town = Town::new();
    let a = town.node(1).await;
    let mut events = a.events.resubscribe();
    let sealed = |of: u8, seq| {
        let address = format!("/ip4/10.0.0.{of}/tcp/4001").parse().unwrap();
        Arc::new(SignedRecord::seal(&keys(of), seq, vec![address]).unwrap())
    };
    a.dht.meet(sealed(2, 1)).await.unwrap();
    a.dht.announce(sealed(1, 2)).await.unwrap();
    a.dht.forget(peer(2)).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 3 {
        match events.recv().await.unwrap() {
            Event::Met { peer: met, .. } => told.push(("met", met)),
            Event::Announced { .. } => told.push(("announced", a.peer)),
            Event::Forgotten { peer: forgotten, .. } => told.push(("forgotten", forgotten)),
            _ => {}
        }
    }
    assert_eq!(told, [("met", peer(2)), ("announced", a.peer), ("forgotten", peer(2))]);
}

#[tokio::test(start_paused = true)]
async fn who_subscribed_hears_what_the_core_tells() {
    let mut town = Town::new();
    let [a, b] = [town.node(1).await, town.node(2).await];
    town.link(a.peer, b.peer).await;
    let mut events = a.events.resubscribe();
    let sending = a.requester.send_direct(b.peer, "hello").await.unwrap();
    let ours = sending.letter();
    loop {
        if let Event::Outcome { letter, outcome } = events.recv().await.unwrap() {
            assert_eq!(letter, ours);
            if outcome.is_end() {
                break assert_eq!(outcome, Outcome::Delivered);
            }
        }
    }
    assert_eq!(sending.history().last(), Some(&Outcome::Delivered));
}

#[tokio::test(start_paused = true)]
async fn what_is_for_everybody_reaches_the_neighbours_in_clear() {
    let mut town = Town::new();
    let [a, b, c] = [town.node(1).await, town.node(2).await, town.node(3).await];
    town.link(a.peer, b.peer).await;
    town.link(a.peer, c.peer).await;
    let flood = BroadcastStrategy::Flood { exclude: vec![c.peer] };
    let sending = a.requester.send_message(flood, "all", SendOptions::default()).await.unwrap();
    assert_eq!(end(sending).await, Outcome::Spread { taken: 1, of: 1 });
    let got = b.take();
    assert_eq!((got.len(), got[0].sealed, got[0].sender), (1, false, a.peer));
    assert_eq!(c.take().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_can_take_has_an_end_that_says_so() {
    let mut town = Town::new();
    let a = town.node(1).await;
    let options = SendOptions { keep: false, ..SendOptions::default() };
    let strategy = BroadcastStrategy::Direct(peer(2));
    let sending = a.requester.send_message(strategy, "hello", options).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_hours(3), sending.end()).await;
    let outcome = waited.expect("no end within its lifetime").unwrap();
    assert!(matches!(outcome, Outcome::Refused(_) | Outcome::Expired { copies: 0 }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn the_application_may_refuse_and_gets_the_letter_again() {
    let mut town = Town::new();
    let [a, b] = [town.node(1).await, town.node(2).await];
    b.refuse(2);
    town.link(a.peer, b.peer).await;
    let sending = a.requester.send_direct(b.peer, "hello").await.unwrap();
    assert_eq!(end(sending).await, Outcome::Delivered);
    assert_eq!(b.take().len(), 1, "once, after it was refused");
    assert_eq!(b.refused(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_application_holds_up_those_who_write_to_it_and_nobody_else() {
    let [first, middle, last] = in_a_row();
    let mut town = Town::new();
    let [a, b, c] = [town.node(first).await, town.node(middle).await, town.node(last).await];
    let flooder = town.node(1).await;
    for other in [a.peer, c.peer, flooder.peer] {
        town.link(b.peer, other).await;
    }
    b.hold(true);
    let options = SendOptions { keep: false, ..SendOptions::default() };
    let mut held = vec![];
    for number in 0..20_u8 {
        let strategy = BroadcastStrategy::Direct(b.peer);
        let payload = vec![number];
        held.push(flooder.requester.send_message(strategy, payload, options).await.unwrap());
    }
    for _ in 0..20 {
        let sending = a.requester.send_direct(c.peer, "through").await.unwrap();
        assert_eq!(end(sending).await, Outcome::Delivered);
    }
    assert_eq!(c.take().len(), 20);
    assert_eq!(b.take().len(), 0);
    let refused = b.monitor.counts().refused;
    assert!(
        refused.is_empty(),
        "those over its places were refused before the stages: {refused:?}"
    );

    b.hold(false);
    for sending in held {
        assert_eq!(end(sending).await, Outcome::Delivered);
    }
    assert_eq!(b.take().len(), 20, "each once");
}

#[tokio::test(start_paused = true)]
async fn beside_letters_that_an_application_holds_others_pass_over_the_same_link() {
    let [first, middle, last] = in_a_row();
    let mut town = Town::new();
    let [a, b, c] = [town.node(first).await, town.node(middle).await, town.node(last).await];
    town.link(a.peer, b.peer).await;
    town.link(b.peer, c.peer).await;
    b.hold(true);
    let mut held = vec![];
    for number in 0..8_u8 {
        held.push(a.requester.send_direct(b.peer, vec![number]).await.unwrap());
    }
    let in_hand = async {
        while b.monitor.counts().passed.get("in_hand") != Some(&8) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, in_hand).await.expect("the links have their places back");
    let sending = a.requester.send_direct(c.peer, "through").await.unwrap();
    assert_eq!(end(sending).await, Outcome::Delivered);
    assert_eq!((b.take().len(), c.take().len()), (0, 1));

    b.hold(false);
    for sending in held {
        assert_eq!(end(sending).await, Outcome::Delivered);
    }
    assert_eq!(b.take().len(), 8, "each once");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_when_the_dht_stops() {
    let mut town = Town::new();
    let a = town.node(1).await;
    let sending = a.requester.send_direct(peer(2), "hello").await.unwrap();
    let (requester, dht) = (a.requester.clone(), a.dht.clone());
    town.stop(a).await;
    let end = tokio::time::timeout(SOON, sending.end()).await;
    assert_eq!(end, Ok(Err(DhtActorError::Stopped)));
    let late = requester.send_direct(peer(2), "late").await;
    assert_eq!(late.err(), Some(DhtOutboundError::Stopped));
    assert_eq!(dht.look_up(Key::of(&peer(2))).await, Err(DhtActorError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_frame_close_their_link_and_nothing_else() {
    let mut town = Town::new();
    let [a, b, c] = [town.node(1).await, town.node(2).await, town.node(3).await];
    town.link(a.peer, b.peer).await;
    town.link(a.peer, c.peer).await;
    town.say(c.peer, a.peer, b"\xff\xff no frame".as_slice().into());
    town.closed(c.peer, a.peer).await;
    let sending = a.requester.send_direct(b.peer, "hello").await.unwrap();
    assert_eq!(end(sending).await, Outcome::Delivered);
}

#[tokio::test]
async fn what_nobody_takes_in_is_refused_and_gives_back_its_place() {
    let mut dht = Dht::builder(keys(1)).build([1; 32]).await.unwrap();
    let arrivals = dht.take_inbound_receiver().unwrap();
    let (_core, _worker, mut front) = dht.into_parts();
    let arrived = |number| {
        let (from, ticket) = (peer(2), Ticket::new(number));
        let (carriage, envelope) = (Carriage::Routed, Bytes::new());
        Event::Arrived(InboundMessage { from, ticket, hops: 1, carriage, envelope })
    };
    let refused = |command: Command| match command {
        Command::Settled { ticket, outcome: Err(Refusal::Busy) } => ticket,
        other => panic!("{other:?}"),
    };
    assert!(front.tell(arrived(1)).is_none());
    drop(arrivals);
    assert_eq!(refused(front.next().await), Ticket::new(1));
    assert_eq!(refused(front.tell(arrived(2)).unwrap()), Ticket::new(2));
}
