//! Several connections between the same two nodes.

use std::time::Duration;

use handshake::{DialError, Refusal, RejectCode, SessionKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use transport::limits::Counts;

use crate::net::Net;
use crate::node::{ECHO, Node, Plan, probe};
use crate::outsider::{Outsider, rest};
use crate::seen::Seen;

over_every_net!(
    a_second_connection_is_refused_as_a_duplicate,
    of_two_towards_each_other_one_stays,
    of_two_towards_each_other_the_one_that_is_accepted_stays,
    requests_survive_two_dials_towards_each_other,
    every_opening_is_closed_whenever_it_is_cut,
    any_connection_means_one_that_is_inside,
);

async fn a_second_connection_is_refused_as_a_duplicate(net: Net) {
    let (a, b) = Node::friends(net).await;
    for (dialer, other) in [(&a, &b), (&b, &a)] {
        dialer.dial(other).await;
        let seen = dialer.until("the refusal", |seen| seen.refused.iter().any(|r| r.dialled)).await;
        assert_eq!(seen.refusal().code(), Some(RejectCode::Duplicate));
        for node in [&a, &b] {
            node.until("one connection", |seen| seen.connections() == 1).await;
        }
    }
    a.ask(b.peer, 0..1).await;
    let x = a.until("an answer", |seen| seen.answered.len() == 1).await;
    assert_eq!((x.closed.len(), b.now().closed.len()), (0, 0), "the first one stayed");
    let dialled = a.dialer.dial(b.peer, vec![b.address.clone()], SessionKind::Outbound).await;
    assert!(matches!(dialled, Err(DialError::AlreadyConnected)), "{dialled:?}");
}

/// A moment that differs from round to round: none, or up to `most` milliseconds.
async fn moment(rng: &mut ChaCha8Rng, most: u64) {
    let span = Duration::from_micros(rng.random_range(0..most * 1_000));
    if rng.random() {
        tokio::time::sleep(span).await;
    }
}

/// Waits until nothing is under way, and checks that exactly one connection is open, which both
/// mean.
async fn settle(a: &Node, b: &Node, what: &str) {
    for (node, other) in [(a, b), (b, a)] {
        let quiet = |seen: &Seen| {
            let open = seen.opened.len() - seen.closed.len();
            let dials = seen.counts.pending_outbound + seen.counts.pending_inbound;
            (seen.connections(), open, seen.pending, dials) == (1, 1, 0, 0)
        };
        let seen = node.until(what, quiet).await;
        assert_eq!(node.sessions.len(), 1, "{what}");
        assert_eq!(seen.shown.open.get(&other.peer).map_or(0, Vec::len), 1, "{what}");
    }
    let kinds = [a, b].map(|node| node.sessions.all()[0].kind);
    assert!(
        kinds.contains(&SessionKind::Inbound) && kinds.contains(&SessionKind::Outbound),
        "{what}: {kinds:?}"
    );
}

/// Both dial, once or twice, and everything is cut before the next round.
async fn of_two_towards_each_other_one_stays(net: Net) {
    let seed = 4;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (a, b) = Node::pair(net).await;
    // A second way to b, so that one side races against itself as well.
    let other_net = if let Net::Quic = net { Net::Tcp } else { Net::Quic };
    let other_way = b.also_listen(other_net).await;
    for round in 0..50 {
        let what = format!("one connection in round {round} of seed {seed}");
        let to_b = a.dialer.dial(b.peer, vec![b.address.clone()], SessionKind::Outbound);
        let to_a = b.dialer.dial(a.peer, vec![a.address.clone()], SessionKind::Outbound);
        let mut other = rng.clone();
        let late = async {
            moment(&mut rng, 5).await;
            if rng.random() { to_a.await.map(drop) } else { Err(DialError::NoAddress) }
        };
        let twice = async {
            moment(&mut other, 5).await;
            a.dial_at(b.peer, other_way.clone()).await;
        };
        let (first, second, ()) = tokio::join!(to_b, late, twice);
        for outcome in [first.map(drop), second] {
            let fine = match &outcome {
                Ok(()) | Err(DialError::AlreadyConnected | DialError::NoAddress) => true,
                Err(DialError::Refused(Refusal::Ours(reject) | Refusal::Theirs { reject, .. })) => {
                    reject.code == RejectCode::Duplicate
                }
                Err(_) => false,
            };
            assert!(fine, "{what}: {outcome:?}");
        }
        settle(&a, &b, &what).await;
        a.cut(b.peer).await;
        for node in [&a, &b] {
            let closed = |seen: &Seen| (seen.connections(), seen.closed.len()) == (0, round + 1);
            let seen = node.until(&what, closed).await;
            assert_eq!(seen.opened.len(), round + 1, "{what}: none was opened in vain");
        }
    }
    for node in [&a, &b] {
        node.now().shown.assert_balanced();
    }
}

/// The node whose dial would win is refused because the other one is full.
async fn of_two_towards_each_other_the_one_that_is_accepted_stays(net: Net) {
    let seed = 7;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut plans = [Plan::new(net), Plan::new(net)];
    plans.sort_by_key(|plan| plan.key.public().to_peer_id());
    let [lower, mut higher] = plans;
    higher.config.inbound_max = 1;
    let (lower, higher) = (lower.start().await, higher.start().await);
    let guest = Node::start(net).await;
    guest.dial(&higher).await;
    higher.until("its only slot to be taken", |seen| seen.opened.len() == 1).await;
    for round in 1..=50 {
        let what = format!("the dial that is accepted in round {round} of seed {seed}");
        tokio::join!(lower.dial(&higher), async {
            moment(&mut rng, 3).await;
            higher.dial(&lower).await;
        });
        for (node, others) in [(&lower, 0), (&higher, 1)] {
            // Each time one dial is refused, and the other not.
            let settled = |seen: &Seen| {
                let ends = (seen.opened.len() - others, seen.refused.len());
                ends == (round, round) && seen.connections() == 1 + others
            };
            node.until(&what, settled).await;
        }
        lower.cut(higher.peer).await;
        lower.alone().await;
        higher.until(&what, |seen| seen.connections() == 1).await;
    }
}

/// A request that dials is not lost with the connection that loses.
async fn requests_survive_two_dials_towards_each_other(net: Net) {
    let seed = 5;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (a, b) = Node::pair(net).await;
    a.learn(&b).await;
    b.learn(&a).await;
    for round in 1..=50 {
        a.ask(b.peer, 0..3).await;
        moment(&mut rng, 5).await;
        b.ask(a.peer, 0..3).await;
        let what = format!("the end of round {round} of seed {seed}");
        for node in [&a, &b] {
            let done = |seen: &Seen| seen.answered.len() + seen.failed.len() == 3 * round;
            let seen = node.until(&what, done).await;
            assert_eq!(seen.failed, Vec::<String>::new(), "{what}: {seen:?}");
        }
        settle(&a, &b, &what).await;
        a.cut(b.peer).await;
        a.alone().await;
        b.alone().await;
    }
}

async fn every_opening_is_closed_whenever_it_is_cut(net: Net) {
    let seed = 6;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (a, b) = Node::pair(net).await;
    let idle =
        |seen: &Seen| seen.counts == Counts::default() && seen.opened.len() == seen.closed.len();
    for round in 1..=50 {
        let what = format!("both dials of round {round} of seed {seed}");
        // However slow the machine is, some are cut when they are open.
        let late = round % 5 == 0;
        if late {
            // The last to be cut may still be on its way to b.
            b.until(&what, idle).await;
        }
        let before = a.now().opened.len();
        a.dial(&b).await;
        moment(&mut rng, 15).await;
        a.dial(&b).await;
        if late {
            a.until(&what, |seen| seen.opened.len() > before).await;
        }
        moment(&mut rng, 15).await;
        // Dials under way go on, so each is waited for.
        let (cuts, other) = if rng.random() { (&a, &b) } else { (&b, &a) };
        cuts.cut(other.peer).await;
        a.until(&what, |seen| seen.connected + seen.dial_errors == 2 * round).await;
        a.cut(b.peer).await;
        a.alone().await;
        b.alone().await;
    }
    for node in [&a, &b] {
        let seen = node.until("every slot to be free", idle).await;
        seen.shown.assert_balanced();
        assert_eq!(seen.opened.len(), seen.shown.established);
        assert_eq!(seen.closed.len(), seen.shown.established);
        assert_eq!((seen.pending, seen.strangers), (0, 0));
        assert!(node.sessions.is_empty());
    }
    assert!(a.now().opened.len() >= 10, "{:?}", a.now());
}

/// The same peer has connections outside the gate, which the swarm would choose as well.
async fn any_connection_means_one_that_is_inside(net: Net) {
    let b = Node::start(net).await;
    let plan = Plan::new(net);
    let key = plan.key.clone();
    let outside = Outsider::with_key(net, key, &[]).await;
    outside.connect(b.peer, &b.address).await;
    outside.connect(b.peer, &b.address).await;
    let a = plan.start().await;
    a.dial(&b).await;
    b.until("the gate to open", |seen| seen.opened.len() == 1).await;
    let peer = a.peer;
    b.run(move |swarm| (0..20).for_each(|_| probe(swarm).poke(peer))).await;
    let y = b.until("every poke", |seen| seen.shown.poked.len() == 20).await;
    assert_eq!((y.connections(), y.strangers), (3, 2));
    assert_eq!(y.shown.alarms, Vec::<String>::new());
    // Requests find the right one too.
    b.ask(a.peer, 0..20).await;
    b.until("answers", |seen| seen.answered.len() == 20).await;
    // What is outside cannot speak an inner protocol.
    let mut refused = outside.open(b.peer, ECHO).await;
    assert_eq!(rest(&mut refused).await, b"");
    assert_eq!(b.now().asked, Vec::<u32>::new());
}
