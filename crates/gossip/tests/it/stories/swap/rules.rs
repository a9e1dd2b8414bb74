//! Who may ask for an exchange and how often, and which links can be given at all.

use libp2p_core::Multiaddr;
use machine::Instant;
use meshwork_gossip::{
    Command, Config, Direction, DisconnectReason, Fault, Message, Opened, SwapRefusal,
};

use super::{HOUR, SECOND, accept, agreeing, agreer, propose, swapping};
use crate::records::{address, peer, record, record_at};
use crate::solo::{Solo, bytes_of};
use crate::stories::MINUTE;

/// The refusal that `n` has just got.
#[track_caller]
fn refusal(solo: &mut Solo, n: u8) -> SwapRefusal {
    match solo.take_words(n)[..] {
        [Message::SwapReject { reason, .. }] => reason,
        ref other => panic!("{other:?}"),
    }
}

/// Brings an exchange with `n` to its end: we get `offered`, and `given` goes.
#[track_caller]
fn agree(solo: &mut Solo, n: u8, id: u64, offered: u8) -> u8 {
    solo.hear(n, propose(id, offered));
    solo.dial_links(offered);
    let given = match &solo.take_words(n)[..] {
        [Message::SwapAccept { record, .. }] => {
            (0..=255).find(|given| bytes_of(*given) == *record).unwrap()
        }
        other => panic!("{other:?}"),
    };
    solo.hear(n, Message::SwapCommit { id });
    solo.unlink(given);
    solo.take(n);
    given
}

/// Hears proposals for most of an hour, and tells who was given away.
fn given_meanwhile(solo: &mut Solo, askers: std::ops::Range<u8>) -> Vec<u8> {
    let mut given = Vec::new();
    let end = solo.now.after(50 * MINUTE);
    let (mut id, mut offered) = (1, 100);
    while solo.now < end {
        for n in askers.clone() {
            solo.live(16 * SECOND);
            solo.hear(n, propose(id, offered));
            if solo.dials(offered) {
                solo.dial_links(offered);
                if let Some(Message::SwapAccept { record, .. }) = solo.take_words(n).first() {
                    let gone = (0..=255).find(|one| bytes_of(*one) == *record).unwrap();
                    solo.hear(n, Message::SwapCommit { id });
                    solo.unlink(gone);
                    given.push(gone);
                }
            }
            solo.take(n);
            id += 1;
            offered = if offered == 190 { 100 } else { offered + 1 };
        }
    }
    given
}

#[test]
fn a_neighbour_may_propose_once_in_its_gap_and_pays_for_more() {
    let mut solo = agreer(Config { swap_requester_gap: 10 * MINUTE, ..agreeing() });
    for n in 20..40 {
        solo.link_out(n);
    }
    solo.live(5 * SECOND);
    agree(&mut solo, 1, 1, 3);
    // Sooner than we wish costs nothing: nobody knows what we wish.
    for id in 2..20 {
        solo.live(6 * SECOND);
        solo.hear(1, propose(id, 60));
        assert_eq!(refusal(&mut solo, 1), SwapRefusal::TooSoon);
    }
    assert_eq!(solo.faults, []);
    // More often than anybody may costs, and hanging up in between wins nothing.
    for id in 20..40 {
        solo.live(SECOND);
        solo.unlink(1);
        solo.link_in(1);
        solo.hear(1, propose(id, 60));
        assert_eq!(refusal(&mut solo, 1), SwapRefusal::TooSoon);
    }
    let paid = solo.faults.iter().filter(|it| **it == (peer(1), Fault::ProposedTooSoon)).count();
    assert!((10..=16).contains(&paid), "{paid}");
    // Others do not suffer for it.
    solo.live(20 * SECOND);
    solo.link_in(6);
    solo.live(3 * SECOND);
    agree(&mut solo, 6, 99, 60);
}

#[test]
fn two_exchanges_are_agreed_to_only_with_a_pause_between() {
    let mut solo = agreer(Config { swap_linger: 30 * SECOND, ..agreeing() });
    for n in 6..9 {
        solo.link_in(n);
    }
    for n in 20..25 {
        solo.link_out(n);
    }
    solo.live(5 * SECOND);
    agree(&mut solo, 1, 1, 3);
    solo.live(29 * SECOND);
    solo.hear(6, propose(2, 60));
    assert_eq!(refusal(&mut solo, 6), SwapRefusal::TooSoon);
    solo.live(SECOND);
    agree(&mut solo, 7, 3, 61);
}

#[test]
fn a_second_proposal_during_an_exchange_is_declined() {
    let mut solo = agreer(agreeing());
    solo.link_in(6);
    solo.hear(1, propose(1, 3));
    solo.hear(6, propose(2, 60));
    assert_eq!(refusal(&mut solo, 6), SwapRefusal::Busy);
    assert!(solo.dials(3));
}

#[test]
fn young_links_are_not_given_away() {
    let mut solo = Solo::new(Config { swap_age_min: 2 * MINUTE, ..agreeing() });
    solo.link_in(1);
    solo.link_out(2);
    solo.live(119 * SECOND);
    solo.hear(1, propose(1, 3));
    assert_eq!(refusal(&mut solo, 1), SwapRefusal::NothingToGive);
    solo.live(SECOND);
    agree(&mut solo, 1, 2, 3);
}

#[test]
fn neither_trusted_peers_nor_anchors_nor_the_oldest_links_are_given_away() {
    let config = Config { anchor_age: MINUTE, swap_requester_gap: SECOND, ..agreeing() };
    for (anchors, swap_protected) in [(2, 0), (0, 2)] {
        let config = Config { anchors, swap_protected, ..config.clone() };
        let named = |setup: &mut meshwork_gossip::Setup| {
            setup.trusted = vec![(peer(10), vec![address(10)])];
        };
        let mut solo = Solo::with(config, named);
        // The oldest that we dialled are also the ones that outlast a restart.
        for n in [40, 41] {
            solo.link_out(n);
        }
        solo.live(SECOND);
        solo.dial_links(10);
        solo.live(2 * MINUTE);
        let marked = solo.core.links().filter(|link| link.anchor).map(|link| link.peer);
        assert_eq!(marked.count(), anchors);
        for n in 1..8 {
            solo.link_in(n);
        }
        for n in 20..28 {
            solo.link_out(n);
        }
        solo.live(10 * SECOND);
        let given = given_meanwhile(&mut solo, 1..8);
        assert!(given.len() > 20, "{given:?}");
        for kept in [10, 40, 41] {
            assert!(solo.keeps(kept), "{kept} of {given:?}");
        }
    }
}

#[test]
fn no_more_than_a_quarter_of_the_outbound_links_is_gained_by_exchange_within_an_hour() {
    let config = Config { swap_share_max: 250, swap_requester_gap: SECOND, ..agreeing() };
    let mut solo = Solo::new(config);
    for n in 1..8 {
        solo.link_in(n);
    }
    for n in 20..33 {
        solo.link_out(n);
    }
    solo.live(5 * SECOND);
    assert_eq!(solo.core.outbound(), 13);
    let given = given_meanwhile(&mut solo, 1..8);
    let swapped = solo.core.links().filter(|link| link.swapped).count();
    assert!(swapped <= 3, "{swapped}");
    assert_eq!(given.len(), 3, "a quarter of 13");
    solo.live(HOUR);
    solo.hear(1, propose(1000, 90));
    assert!(solo.dials(90), "an hour later there is room again");
}

#[test]
fn the_peer_gained_must_not_crowd_a_network_unless_the_one_given_leaves_it() {
    let mut solo = agreer(Config { outbound_per_group_max: 1, ..agreeing() });
    // 2 can be given; 4 is too young to be.
    solo.link_in(6);
    solo.link_out(4);
    for (asker, near, outcome) in [(1, 4, Some(SwapRefusal::Subnet)), (6, 2, None)] {
        let there: Multiaddr = format!("/ip4/9.{near}.0.99/tcp/4001").parse().unwrap();
        let record = record_at(30 + near, vec![there]).encoded().clone();
        solo.hear(asker, Message::SwapPropose { id: 7, deadline: 5 * SECOND, record });
        assert_eq!(solo.dials(30 + near), outcome.is_none());
        if let Some(outcome) = outcome {
            assert_eq!(refusal(&mut solo, asker), outcome);
            solo.live(3 * SECOND);
        }
    }
}

#[test]
fn who_is_banned_is_not_gained() {
    let mut solo = agreer(agreeing());
    solo.command(Command::Banned { peer: peer(3), banned: true });
    solo.hear(1, propose(1, 3));
    assert_eq!(refusal(&mut solo, 1), SwapRefusal::Record);
    assert!(!solo.dials(3));
}

#[test]
fn a_node_below_its_band_gives_nothing_away_nor_proposes() {
    // Six are wished for, four is the lower threshold.
    let config = Config { min: 3, expected: 6, max: 9, ..swapping() };
    let mut solo = Solo::new(config);
    solo.link_in(1);
    solo.link_out(2);
    solo.live(MINUTE);
    solo.take(2);
    let proposed = |message: &Message| matches!(message, Message::SwapPropose { .. });
    assert!(!solo.take(1).iter().any(proposed));
    solo.hear(1, propose(1, 3));
    assert_eq!(refusal(&mut solo, 1), SwapRefusal::NothingToGive);
}

/// O14.
#[test]
fn where_exchange_is_switched_off_none_is_agreed_to_and_none_proposed() {
    let mut solo = agreer(Config { swap_period: std::time::Duration::ZERO, ..agreeing() });
    for id in 0..10 {
        solo.live(15 * SECOND);
        solo.hear(1, propose(id, 3));
        assert_eq!(refusal(&mut solo, 1), SwapRefusal::Off);
    }
    assert!(solo.dialled.is_empty() && solo.faults.is_empty() && solo.keeps(2));
}

#[test]
fn the_peer_given_away_stays_away_and_learns_why() {
    let mut solo = agreer(agreeing());
    agree(&mut solo, 1, 7, 3);
    assert!(solo.goodbyes().contains(&(peer(2), DisconnectReason::Swapped, false)));
    let told = solo.take_words(2);
    let [Message::Disconnect { reason: DisconnectReason::Swapped, retry_after, .. }] = told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(retry_after, agreeing().swap_requester_gap);
}

#[test]
fn only_links_that_we_dialled_are_given_so_that_everybody_keeps_both_degrees() {
    let mut solo = Solo::new(agreeing());
    for n in 1..6 {
        solo.link_in(n);
    }
    solo.live(10 * MINUTE);
    solo.hear(1, propose(1, 30));
    assert_eq!(refusal(&mut solo, 1), SwapRefusal::NothingToGive);
    solo.link_out(2);
    assert_eq!(solo.view(2).unwrap().direction, Direction::Outbound);
}

#[test]
fn a_peer_that_moved_since_we_reached_it_is_not_passed_on() {
    let mut solo = Solo::new(agreeing());
    solo.link_in(1);
    // It has never answered where its record says.
    let elsewhere = "/ip4/9.77.0.1/tcp/4001".parse().unwrap();
    let (record, direction) = (Some(record(2)), Direction::Outbound);
    let opened = Opened { peer: peer(2), direction, address: elsewhere, record };
    solo.command(Command::Opened(Box::new(opened)));
    solo.joined(2);
    solo.live(MINUTE);
    solo.hear(1, propose(1, 3));
    assert_eq!(refusal(&mut solo, 1), SwapRefusal::NothingToGive);
    assert!(solo.now > Instant::START && !solo.take_words(1).contains(&accept(1, 2)));
}
