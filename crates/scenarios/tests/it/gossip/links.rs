//! Links form, teach, are exchanged and end.

use std::collections::BTreeSet;
use std::time::Duration;

use ::gossip::{Command, DisconnectReason, Event};
use libp2p_identity::PeerId;

use super::villager::{Villager, exchanging, quick};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_that_know_only_one_of_them_find_each_other() {
    let mut village = Vec::new();
    for _ in 0..4 {
        village.push(Villager::start(quick()).await);
    }
    let everybody: BTreeSet<PeerId> = village.iter().map(|it| it.peer).collect();
    for newcomer in &village[1..] {
        newcomer.learn(&[&village[0]]).await;
    }
    for it in &village {
        let others = |seen: &super::villager::Seen| {
            let mut known = seen.links.clone();
            known.insert(it.peer);
            known == everybody
        };
        it.until("links to all others", others).await;
    }
    let taught = |event: &Event| matches!(event, Event::Advertised { kept: 1.., .. });
    assert!(village[1..].iter().any(|it| it.now().any(taught)), "somebody was told of somebody");
}

/// O13, as in the core's own story: `1b – 1a – S – 2a – 2b`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_line_of_five_the_middle_exchanges_a_link() {
    let waiting = || ::gossip::Config { swap_period: Duration::from_hours(1), ..exchanging() };
    let s = Villager::start(exchanging()).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(Villager::start(waiting()).await);
    }
    let [a1, b1, a2, b2] = &others[..] else { unreachable!("four") };
    a1.link(b1).await;
    a2.link(b2).await;
    s.link(a1).await;
    s.link(a2).await;
    let swapped = |event: &Event| matches!(event, Event::Swapped { outcome: Ok(_), .. });
    s.until("an exchange", |seen| seen.any(swapped)).await;
    let lines = [[b1, &s, a1, a2, b2], [b1, a1, a2, &s, b2]];
    for it in others.iter().chain([&s]) {
        // The middle has two neighbours, and so has everybody but the ends.
        let degree = if it.peer == b1.peer || it.peer == b2.peer { 1 } else { 2 };
        let fits = |seen: &super::villager::Seen| {
            seen.links.len() == degree
                && lines.iter().any(|line| {
                    line.windows(2).all(|pair| {
                        let [x, y] = [pair[0].peer, pair[1].peer];
                        (x != it.peer || seen.links.contains(&y))
                            && (y != it.peer || seen.links.contains(&x))
                    })
                })
        };
        it.until("its place in the new line", fits).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_says_why_and_both_let_go() {
    let (a, b) = (Villager::start(exchanging()).await, Villager::start(exchanging()).await);
    a.link(&b).await;
    let reason = DisconnectReason::Requested;
    a.command(Command::Dismiss { peer: b.peer, reason }).await;
    for (it, theirs) in [(&a, false), (&b, true)] {
        let seen = it.until("the end of the link", |seen| seen.links.is_empty()).await;
        let told = seen.any(|event| {
            matches!(event, Event::Disconnected { reason: DisconnectReason::Requested, theirs: it, .. } if *it == theirs)
        });
        assert!(told, "{:?}", seen.events);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_tells_everybody_first() {
    let (a, b) = (Villager::start(exchanging()).await, Villager::start(exchanging()).await);
    a.link(&b).await;
    a.command(Command::Shutdown).await;
    a.until("the end", |seen| seen.any(|it| matches!(it, Event::Ended { stored: Ok(()) }))).await;
    let told = |event: &Event| {
        matches!(
            event,
            Event::Disconnected { reason: DisconnectReason::Shutdown, theirs: true, .. }
        )
    };
    b.until("the goodbye", |seen| seen.any(told) && seen.links.is_empty()).await;
}

/// O6, O7: what belongs to another network is left alone, and nobody is banned for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_network_is_not_dialled_again_and_again() {
    let a = Villager::start(quick()).await;
    let stranger = Villager::of_network("other", quick()).await;
    a.learn(&[&stranger]).await;
    a.until("the refusal", |seen| !seen.refused.is_empty()).await;
    let peer = stranger.peer;
    let rest = a
        .run(move |swarm| {
            let gate = swarm.behaviour();
            let (book, now) = (gate.inner().core().book(), gate.now());
            book.get(&peer, now).map(|entry| (entry.colour, entry.next_try))
        })
        .await;
    let (colour, next_try) = rest.unwrap();
    assert_eq!(colour, ::gossip::book::Colour::Grey);
    assert!(next_try > Some(Duration::from_mins(50)), "{next_try:?}");
}
