//! Exchanges of links: how one goes, who may ask for one, and what of it may fail.

mod broken;
mod rules;
mod town;

use std::time::Duration;

use machine::Instant;
use meshwork_gossip::{Config, Message};

use super::{HOUR, SECOND, still};
use crate::records::peer;
use crate::solo::{Solo, bytes_of};

/// Exchanges are proposed and agreed to, and nothing else goes on.
fn swapping() -> Config {
    Config {
        swap_period: 8 * SECOND,
        swap_age_min: 4 * SECOND,
        swap_linger: 2 * SECOND,
        swap_requester_gap: 10 * SECOND,
        swap_deadline: 5 * SECOND,
        swap_share_max: 1000,
        swap_protected: 0,
        ..still()
    }
}

/// The same, but only others propose.
fn agreeing() -> Config {
    Config { swap_period: HOUR, ..swapping() }
}

fn propose(id: u64, offered: u8) -> Message {
    Message::SwapPropose { id, deadline: 5 * SECOND, record: bytes_of(offered) }
}

fn accept(id: u64, given: u8) -> Message {
    Message::SwapAccept { id, record: bytes_of(given) }
}

/// Neighbour 1 will propose, and 2 can be given.
fn agreer(config: Config) -> Solo {
    let mut solo = Solo::new(config);
    solo.link_in(1);
    solo.link_out(2);
    solo.live(5 * SECOND);
    solo.said.clear();
    solo
}

/// We have proposed to 1, and offered 2; the number of the exchange comes with it.
fn proposer(config: Config) -> (Solo, u64) {
    let mut solo = Solo::new(config);
    solo.link_in(1);
    solo.link_out(2);
    let end = solo.now.after(60 * SECOND);
    loop {
        assert!(solo.now < end, "nothing was proposed");
        solo.live(SECOND / 10);
        let proposed = solo.take_words(1);
        if let [Message::SwapPropose { id, record, .. }] = &proposed[..] {
            assert_eq!(record, &bytes_of(2));
            return (solo, *id);
        }
    }
}

/// Whether the core is ready to agree to another exchange, which it is not while one hangs.
#[track_caller]
fn assert_no_deal_hangs(solo: &mut Solo) {
    solo.link_in(50);
    solo.live(Duration::from_secs(5));
    if !solo.keeps(2) {
        solo.link_out(51);
        solo.live(5 * SECOND);
    }
    solo.decline();
    solo.hear(50, propose(99, 60));
    assert!(solo.dials(60), "{:?}", solo.take_words(50));
}

#[test]
fn an_agreer_connects_first_and_lets_go_only_when_the_proposer_is_connected() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    assert_eq!(solo.take_words(1), [], "nothing is said before the offered peer is reached");
    solo.dial_links(3);
    assert_eq!(solo.take_words(3), [Message::Replaces { id: 7, peer: peer(1) }]);
    assert_eq!(solo.take_words(1), [accept(7, 2)]);
    assert_eq!(solo.core.counted(), 2, "a provisional link takes no slot");
    assert!(solo.view(3).unwrap().provisional && solo.keeps(2));

    solo.hear(1, Message::SwapCommit { id: 7 });
    assert_eq!(solo.take_words(1), [Message::SwapCommit { id: 7 }]);
    assert!(!solo.keeps(2) && solo.keeps(3) && solo.keeps(1));
    let won = solo.view(3).unwrap();
    assert!(won.swapped && !won.provisional);
    assert_eq!(solo.core.counted(), 2);
    let swap = solo.swaps().remove(0).unwrap();
    assert_eq!((swap.gave, swap.got, swap.confirmed), (peer(2), peer(3), true));
}

#[test]
fn a_proposer_connects_before_it_commits_and_lets_go_when_the_agreer_has() {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, accept(id, 4));
    assert_eq!(solo.take_words(1), [], "nothing is said before the given peer is reached");
    solo.dial_links(4);
    assert_eq!(solo.take_words(4), [Message::Replaces { id, peer: peer(1) }]);
    assert_eq!(solo.take_words(1), [Message::SwapCommit { id }]);
    assert!(solo.keeps(2) && solo.core.counted() == 2);

    solo.hear(1, Message::SwapCommit { id });
    assert!(!solo.keeps(2) && solo.keeps(4));
    assert_eq!(solo.core.counted(), 2);
    let swap = solo.swaps().remove(0).unwrap();
    assert_eq!((swap.gave, swap.got, swap.confirmed), (peer(2), peer(4), true));
    assert_eq!(solo.faults, []);
}

#[test]
fn who_is_offered_a_link_that_replaces_another_counts_only_one_of_the_two() {
    let mut solo = agreer(agreeing());
    solo.link_in(3);
    assert_eq!(solo.core.counted(), 3);
    solo.hear(3, Message::Replaces { id: 7, peer: peer(1) });
    assert_eq!(solo.core.counted(), 2);
    // The other goes, as announced: the new one counts in its place.
    solo.unlink(1);
    assert_eq!((solo.core.counted(), solo.faults.len()), (2, 0));
    // And if it does not go, the new one counts beside it after a while.
    solo.link_in(4);
    solo.hear(4, Message::Replaces { id: 8, peer: peer(3) });
    assert_eq!(solo.core.counted(), 2);
    solo.live(20 * SECOND);
    assert_eq!(solo.core.counted(), 3);
}

#[test]
fn replacing_a_link_that_is_not_there_changes_nothing_and_costs_nothing() {
    let mut solo = agreer(agreeing());
    for replaced in [9, 1] {
        solo.hear(1, Message::Replaces { id: 7, peer: peer(replaced) });
    }
    assert_eq!(solo.core.counted(), 2);
    assert_eq!(solo.faults.len(), 2);
    assert!(
        solo.faults
            .iter()
            .all(|(_, fault)| machine::Blame::verdict(fault) == machine::Verdict::Note)
    );
}

#[test]
fn proposals_come_a_period_apart_give_or_take_a_fifth() {
    let mut solo = Solo::new(Config { swap_requester_gap: SECOND, ..swapping() });
    for n in 1..=4 {
        solo.link_in(n);
    }
    for n in 5..=8 {
        solo.link_out(n);
    }
    let mut proposed: Vec<Instant> = Vec::new();
    while solo.now < Instant::at(10 * 60 * SECOND) {
        solo.live(SECOND / 10);
        let before = solo.swaps().len();
        solo.decline();
        proposed.extend((before..solo.swaps().len()).map(|_| solo.now));
        solo.said.clear();
    }
    let gaps: Vec<_> = proposed.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(gaps.len() >= 50, "{}", gaps.len());
    let honest = |gap: &Duration| (6 * SECOND..=10 * SECOND).contains(gap);
    assert!(gaps.iter().all(honest), "{gaps:?}");
    assert!(gaps.iter().max() > gaps.iter().min(), "no jitter");
}
