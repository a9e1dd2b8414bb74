//! The runner over channels: messages arrive, relays earn, and whatever fails has a name.

use bytes::Bytes;
use futures::{StreamExt as _, sink, stream};
use meshwork_relay::engine::Outcome;
use meshwork_relay::path::NoPath;
use meshwork_relay::replay::Journal as _;
use meshwork_relay::sphinx::Message;
use meshwork_relay::{
    FailureCode, Link, ProtocolProcesses, Route, SendError, run_msg_ack_protocol,
};

use crate::net::{Fate, Kind, Net, always, impatient, parts, quick, soon};
use crate::town::{PRICE, Town};

/// So many nodes, each of which pays the next.
fn row(count: u8) -> Town {
    let town = Town::new(count);
    for from in 0..usize::from(count) - 1 {
        town.open(from, from + 1, 100);
    }
    town
}

#[tokio::test]
async fn a_message_arrives_over_up_to_three_relays_each_of_which_earns() {
    let mut net = Net::start(row(5), |_| quick(), always());
    for relays in 0..=3_usize {
        let path: Vec<usize> = (1..=relays + 1).collect();
        let text = format!("over {relays}");
        assert_eq!(net.send(&path, &text).await, Ok(Outcome::Delivered), "{text}");
        assert_eq!(net.got(relays + 1).await, text);
        for (relay, hops) in (1..=relays).zip((1..=relays).rev()) {
            let price = u128::try_from(hops).unwrap() * PRICE;
            assert_eq!(net.earned(relay).await, price, "relay {relay} of {relays}");
        }
    }
    for node in &mut net.nodes {
        assert!(node.running.earned.try_recv().is_err(), "no relay earns twice");
        assert_eq!(node.running.relay.outcomes_waiting(), 0);
    }
}

#[tokio::test]
async fn a_path_is_found_and_taken() {
    let town = row(4);
    let to = town.peer(3);
    let mut net = Net::start(town, |_| quick(), always());
    let random = |relays| Route::Random { to, relays };
    assert_eq!(net.route(0, random(2), "somehow").await, Ok(Outcome::Delivered));
    assert_eq!(net.got(3).await, "somehow");
    let error = net.route(0, random(3), "not over the recipient").await.unwrap_err();
    assert_eq!(error, SendError::NoPath(NoPath::DeadEnd { first: 1 }));
    let chosen = soon(net.nodes[0].running.relay.choose(to, 1)).await.unwrap();
    assert_eq!(chosen, [net.town.peer(1), to]);
}

#[tokio::test]
async fn a_packet_that_a_relay_swallows_times_out() {
    let rule = |kind, from, _| match (kind, from) {
        (Kind::Msg, 1) => Fate::IsLost,
        _ => Fate::Arrives,
    };
    let mut net = Net::start(row(3), |_| impatient(), Box::new(rule));
    let outcome = net.send(&[1, 2], "into the dark").await.unwrap();
    // The relay noticed that nobody acknowledged, and says so.
    assert_eq!(outcome, Outcome::Failed(FailureCode::TimedOut));
    assert!(net.nodes[1].running.earned.try_recv().is_err(), "nothing is earned by that");
}

#[tokio::test]
async fn a_relay_that_says_nothing_times_out_and_is_not_chosen_again() {
    let rule = |_, from, _| if from == 1 { Fate::IsLost } else { Fate::Arrives };
    let mut config = impatient();
    config.heartbeat.timeout = std::time::Duration::from_millis(200);
    let town = row(3);
    let to = town.peer(2);
    let net = Net::start(town, move |_| config.clone(), Box::new(rule));
    let random = || Route::Random { to, relays: 1 };
    let outcome = net.route(0, random(), "hello?").await;
    assert_eq!(outcome, Ok(Outcome::TimedOut { acknowledged: false }));
    let error = net.route(0, random(), "hello?").await.unwrap_err();
    assert_eq!(error, SendError::NoPath(NoPath::NoFirstRelay { funded: 1 }));
}

#[tokio::test]
async fn a_relay_without_a_channel_says_so() {
    let town = Town::new(4);
    town.open(0, 1, 100);
    let net = Net::start(town, |_| quick(), always());
    let outcome = net.send(&[1, 2, 3], "who pays?").await;
    assert_eq!(outcome, Ok(Outcome::Failed(FailureCode::NoRoute)));
    // To the last hop nothing is paid.
    assert_eq!(net.send(&[1, 2], "nobody").await, Ok(Outcome::Delivered));
    let unsent = net.send(&[2, 3], "I cannot").await.unwrap_err();
    assert!(matches!(unsent, SendError::Unsent(_)), "{unsent}");
}

/// Its first index is not on the disk yet.
#[tokio::test]
async fn a_relay_waits_until_it_may_pay_by_a_channel_that_it_has_just_opened() {
    let town = Town::new(4);
    town.open(0, 1, 100);
    town.open(1, 0, 100);
    let net = Net::start(town, |_| quick(), always());
    assert_eq!(net.send(&[1], "has begun").await, Ok(Outcome::Delivered));
    net.town.open(1, 2, 100);
    assert_eq!(net.send(&[1, 2, 3], "over both").await, Ok(Outcome::Delivered));
}

#[tokio::test]
async fn a_dead_next_hop_is_told_at_once() {
    let rule = |kind, _, to| match (kind, to) {
        (Kind::Msg, 2) => Fate::ComesBack,
        _ => Fate::Arrives,
    };
    let net = Net::start(row(4), |_| quick(), Box::new(rule));
    let outcome = net.send(&[1, 2, 3], "anybody there?").await;
    assert_eq!(outcome, Ok(Outcome::Failed(FailureCode::Unreachable)));
    // The first hop itself.
    assert_eq!(net.send(&[2], "you?").await, Ok(Outcome::Unsent(FailureCode::Unreachable)));
}

#[tokio::test]
async fn a_packet_that_comes_twice_counts_once() {
    let rule = |kind, _, _| match kind {
        Kind::Msg => Fate::ArrivesTwice,
        Kind::Ack => Fate::Arrives,
    };
    let mut net = Net::start(row(3), |_| quick(), Box::new(rule));
    assert_eq!(net.send(&[1, 2], "once").await, Ok(Outcome::Delivered));
    assert_eq!(net.got(2).await, "once");
    assert_eq!(net.earned(1).await, PRICE);
    assert_eq!(net.send(&[1, 2], "and once more").await, Ok(Outcome::Delivered));
    assert_eq!(net.got(2).await, "and once more", "not the first again");
    assert_eq!(net.earned(1).await, PRICE);
    assert!(net.nodes[1].running.earned.try_recv().is_err());
}

#[tokio::test]
async fn an_application_that_does_not_read_stalls_nobody_else() {
    let config = |who| {
        let mut config = quick();
        if who == 1 {
            config.msg.delivered_max = 2;
        }
        config
    };
    let mut net = Net::start(row(3), config, always());
    for number in 0..10 {
        let expected = match number {
            0 | 1 => Outcome::Delivered,
            _ => Outcome::Failed(FailureCode::Overloaded),
        };
        assert_eq!(net.send(&[1], "nobody reads").await, Ok(expected), "{number}");
        assert_eq!(net.send(&[1, 2], "by way of it").await, Ok(Outcome::Delivered));
        assert_eq!(net.got(2).await, "by way of it");
    }
    assert_eq!(net.count(1, "msg_undelivered"), 8);
    assert_eq!(net.nodes[1].running.relay.bytes_waiting(), 0);
    // Who reads again gets messages again.
    assert_eq!(net.got(1).await, "nobody reads");
    assert_eq!(net.send(&[1], "again").await, Ok(Outcome::Delivered));
}

/// Messages over no relay are free, so nothing else keeps a peer from sending as many as it likes.
#[tokio::test]
async fn a_flood_of_messages_leaves_room_for_those_of_others() {
    let mut config = quick();
    config.msg.delivered_max = 4;
    let mut net = Net::start(row(3), move |_| config.clone(), always());
    for number in 0..6 {
        let expected = match number {
            0..3 => Outcome::Delivered,
            _ => Outcome::Failed(FailureCode::Overloaded),
        };
        assert_eq!(net.send(&[1], "flood").await, Ok(expected), "{number}");
    }
    assert_eq!(net.send_from(2, &[1], "calm").await, Ok(Outcome::Delivered));
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(net.got(1).await);
    }
    got[..2].sort();
    assert_eq!(got, ["calm", "flood", "flood", "flood"]);
}

#[tokio::test]
async fn a_tag_that_nobody_takes_is_refused() {
    let net = Net::start(row(2), |_| quick(), always());
    net.nodes[1].tags.set(0..=u16::MAX, false);
    let outcome = net.send(&[1], "knock").await;
    assert_eq!(outcome, Ok(Outcome::Failed(FailureCode::NotTaken)));
    assert_eq!(net.count(1, "msg_untaken"), 1);
    net.nodes[1].tags.set(7..=7, true);
    assert_eq!(net.send(&[1], "knock").await, Ok(Outcome::Delivered));
}

#[tokio::test]
async fn tickets_wait_for_a_slow_reader_and_none_is_lost() {
    let config = |_| {
        let mut config = quick();
        config.ack.earned_max = 1;
        config
    };
    let mut net = Net::start(row(3), config, always());
    let relay = net.nodes[0].running.relay.clone();
    let path: Vec<_> = [1, 2].map(|who| net.town.peer(who)).into();
    let sends = (0..20).map(|_| {
        let message = Message::new(7, Vec::new()).unwrap();
        relay.send(message, Route::Over(path.clone()))
    });
    let mut sends: stream::FuturesUnordered<_> = sends.collect();
    // Receipts come by the same process as the acknowledgements that earn, so some wait as well.
    let mut earned = 0;
    let mut delivered = 0;
    while earned < 20 || delivered < 20 {
        tokio::select! {
            Some(outcome) = sends.next() => {
                assert_eq!(outcome, Ok(Outcome::Delivered));
                delivered += 1;
            }
            price = net.earned(1) => {
                assert_eq!(price, PRICE);
                earned += 1;
            }
        }
    }
}

#[tokio::test]
async fn many_acknowledgements_share_a_frame() {
    let net = Net::start(row(2), |_| quick(), always());
    let sends = (0..200).map(|_| net.send(&[1], "one of many"));
    let outcomes = futures::future::join_all(sends).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Outcome::Delivered)));
    assert_eq!(net.hub.carried(Kind::Msg, 0), 200);
    // An acknowledgement and a receipt for each packet of the last hop, or one for both.
    let frames = net.hub.carried(Kind::Ack, 1);
    assert!(frames <= 100, "{frames} frames");
}

/// Twenty thousand frames of one peer are there before the one of the other.
#[tokio::test]
async fn a_flood_does_not_keep_another_peer_waiting() {
    let town = row(3);
    let (to, from) = (town.peer(1), town.peer(0));
    // One packet of node 0, taken from its sink.
    let (sent, mut packets) = tokio::sync::mpsc::channel(1);
    let capture = sink::unfold(sent, |sent, frame| async {
        sent.send(frame).await.unwrap();
        Ok::<_, std::convert::Infallible>(sent)
    });
    let nothing = || stream::pending().boxed();
    let (sender, ..) = parts(&town, 0, quick());
    let sender = run_msg_ack_protocol(
        sender,
        Link::new(capture, nothing()),
        Link::new(sink::drain(), nothing()),
    );
    let message = Message::new(7, b"calm".to_vec()).unwrap();
    let relay = sender.relay.clone();
    let (_, packet) = tokio::select! {
        outcome = relay.send(message, Route::Over(vec![to])) => panic!("{outcome:?}"),
        packet = soon(packets.recv()) => packet.unwrap(),
    };

    // One job at a time, of one packet.
    let mut config = quick();
    (config.msg.batch_max, config.msg.batches_max) = (1, 1);
    (config.msg.queue.items_per_peer, config.msg.queue.bytes_per_peer) = (16_000, 64 << 20);
    let (parts, ..) = parts(&town, 1, config);
    let flood = town.peer(2);
    let noise = Bytes::from(vec![0xaa; packet.len()]);
    let frames = stream::iter(vec![(flood, noise); 20_000]);
    let frames = frames.chain(stream::iter([(from, packet)])).chain(stream::pending());
    let mut flooded = run_msg_ack_protocol(
        parts,
        Link::new(sink::drain(), frames),
        Link::new(sink::drain(), nothing()),
    );
    let message = soon(flooded.delivered.recv()).await.unwrap();
    assert_eq!(message.data(), b"calm");
    let counts = flooded.relay.counts();
    assert_eq!(counts["msg_over_items"], 4_000, "{counts:?}");
    assert_eq!(counts["msg_accepted"], 16_001);
    // Most frames of the flood were not opened before it.
    assert!(flooded.relay.bytes_waiting() > 8_000 * 1_586, "{}", flooded.relay.bytes_waiting());
}

#[tokio::test]
async fn a_stop_ends_everything_in_order() {
    let mut net = Net::start(row(3), |_| quick(), always());
    assert_eq!(net.send(&[1, 2], "last words").await, Ok(Outcome::Delivered));
    let node = net.nodes.remove(1);
    let relay = node.running.relay.clone();
    soon(relay.stop()).await;
    for (process, handle) in node.running.processes {
        assert!(handle.is_finished(), "{process}");
    }
    // The tag of the one packet is written down, and the ticket is handed on.
    let extent = soon(node.journal.extent()).await.unwrap();
    assert_eq!(extent, 0..1);
    let mut earned = node.running.earned;
    assert!(soon(earned.recv()).await.is_some());
    assert!(soon(earned.recv()).await.is_none());
    let message = Message::new(7, Vec::new()).unwrap();
    let error = relay.send(message, Route::Over(vec![net.town.peer(2)])).await.unwrap_err();
    assert_eq!(error, SendError::Stopped);
}

#[test]
fn processes_have_their_names() {
    let names = [
        (ProtocolProcesses::AckIn, "HOPR [ack] - ingress"),
        (ProtocolProcesses::AckOut, "HOPR [ack] - egress"),
        (ProtocolProcesses::MsgIn, "HOPR [msg] - ingress"),
        (ProtocolProcesses::MsgOut, "HOPR [msg] - egress"),
        (ProtocolProcesses::Mixer, "HOPR [msg] - mixer"),
        (ProtocolProcesses::BloomPersist, "bloom filter persistence (periodic)"),
    ];
    for (process, name) in names {
        assert_eq!(process.to_string(), name);
    }
}
