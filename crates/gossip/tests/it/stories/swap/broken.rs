//! What becomes of an exchange that fails half-way: whatever breaks, and whenever, nobody has fewer
//! links than before, and the next exchange can begin.

use meshwork_gossip::{DisconnectReason, Fault, Message, SwapRefusal};

use super::{accept, agreeing, agreer, assert_no_deal_hangs, propose, proposer, swapping};
use crate::records::peer;
use crate::solo::{ME, Solo, nobody};
use crate::stories::SECOND;

/// The exchange failed for this reason, and what was there before still is.
#[track_caller]
fn assert_off(solo: &mut Solo, refusal: SwapRefusal) {
    assert_eq!(solo.swaps(), [Err(refusal)]);
    assert!(solo.keeps(2), "what was to be given is kept");
    assert_no_deal_hangs(solo);
}

/// We said goodbye to `n` since its exchange did not come about.
#[track_caller]
fn assert_let_go(solo: &Solo, n: u8) {
    assert!(!solo.keeps(n));
    assert!(solo.goodbyes().contains(&(peer(n), DisconnectReason::SwapAborted, false)));
}

fn rejected(id: u64, reason: SwapRefusal) -> [Message; 1] {
    [Message::SwapReject { id, reason }]
}

fn aborted(id: u64, reason: SwapRefusal) -> [Message; 1] {
    [Message::SwapAbort { id, reason }]
}

/// As agreer: the offered peer is linked, and the proposer's word is waited for.
fn agreed() -> Solo {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.dial_links(3);
    assert_eq!(solo.take_words(1), [accept(7, 2)]);
    solo
}

/// As proposer: the given peer is linked, and the agreer's echo is waited for.
fn committed() -> (Solo, u64) {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, accept(id, 4));
    solo.dial_links(4);
    assert_eq!(solo.take_words(1), [Message::SwapCommit { id }]);
    (solo, id)
}

#[test]
fn the_offered_peer_cannot_be_reached() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.dial_ends(3, Err(nobody()));
    assert_eq!(solo.take_words(1), rejected(7, SwapRefusal::Unreachable));
    assert_off(&mut solo, SwapRefusal::Unreachable);
}

#[test]
fn the_record_of_the_offered_peer_is_forged() {
    let mut solo = agreer(agreeing());
    solo.forged.insert(peer(3));
    solo.hear(1, propose(7, 3));
    assert_eq!(solo.take_words(1), rejected(7, SwapRefusal::Record));
    assert_eq!(solo.faults, [(peer(1), Fault::Forged { count: 1 })]);
    assert_off(&mut solo, SwapRefusal::Record);
}

#[test]
fn the_proposer_goes_while_the_offered_record_is_checked() {
    let mut solo = agreer(agreeing());
    solo.holds_checks = true;
    solo.hear(1, propose(7, 3));
    solo.unlink(1);
    solo.holds_checks = false;
    solo.check();
    assert!(!solo.dials(3));
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_proposer_goes_while_the_offered_peer_is_dialled() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.unlink(1);
    solo.dial_links(3);
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_proposer_calls_it_off_while_the_offered_peer_is_dialled() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.hear(1, Message::SwapAbort { id: 7, reason: SwapRefusal::TimedOut });
    solo.dial_links(3);
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_dial_of_the_offered_peer_takes_longer_than_the_proposer_waits() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.live(6 * SECOND);
    assert_eq!(solo.take_words(1), rejected(7, SwapRefusal::TimedOut));
    solo.dial_links(3);
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_offered_peer_dials_us_first() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.link_in(3);
    assert_eq!(solo.take_words(1), rejected(7, SwapRefusal::Neighbour));
    assert!(solo.keeps(3), "it came on its own");
    assert_off(&mut solo, SwapRefusal::Neighbour);
}

#[test]
fn the_peer_to_give_goes_before_we_have_agreed() {
    let mut solo = agreer(agreeing());
    solo.hear(1, propose(7, 3));
    solo.unlink(2);
    solo.dial_links(3);
    assert_eq!(solo.take_words(1), rejected(7, SwapRefusal::NothingToGive));
    assert_let_go(&solo, 3);
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn another_is_given_when_the_first_choice_goes_before_we_have_agreed() {
    let mut solo = agreer(agreeing());
    solo.link_out(5);
    solo.live(5 * SECOND);
    solo.hear(1, propose(7, 3));
    let rest = if solo.core.links().count() == 3 { 2 } else { 5 };
    solo.unlink(if rest == 2 { 5 } else { 2 });
    solo.dial_links(3);
    assert_eq!(solo.take_words(1), [accept(7, rest)]);
}

#[test]
fn the_peer_that_we_gave_goes_after_we_have_agreed() {
    let mut solo = agreed();
    solo.unlink(2);
    solo.hear(1, Message::SwapCommit { id: 7 });
    assert!(solo.keeps(3) && solo.swaps()[0].is_ok());
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn our_agreement_does_not_get_there() {
    let mut solo = agreed();
    solo.bounce(1, accept(7, 2));
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_proposer_goes_after_we_have_agreed() {
    let mut solo = agreed();
    solo.unlink(1);
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_proposer_calls_it_off_after_we_have_agreed() {
    let mut solo = agreed();
    solo.hear(1, Message::SwapAbort { id: 7, reason: SwapRefusal::Unreachable });
    assert_let_go(&solo, 3);
    assert_off(&mut solo, SwapRefusal::Unreachable);
}

#[test]
fn the_proposer_is_silent_after_we_have_agreed() {
    let mut solo = agreed();
    solo.live(20 * SECOND);
    assert_eq!(solo.take_words(1), aborted(7, SwapRefusal::TimedOut));
    assert_let_go(&solo, 3);
    // It comes after all.
    solo.hear(1, Message::SwapCommit { id: 7 });
    assert_eq!(solo.take_words(1), aborted(7, SwapRefusal::TimedOut));
    assert_eq!(solo.faults, [(peer(1), Fault::NoSuchExchange)]);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_offered_peer_goes_after_we_have_agreed() {
    let mut solo = agreed();
    solo.unlink(3);
    assert_eq!(solo.take_words(1), aborted(7, SwapRefusal::Unreachable));
    assert_off(&mut solo, SwapRefusal::Unreachable);
}

#[test]
fn our_confirmation_does_not_get_there() {
    let mut solo = agreed();
    solo.hear(1, Message::SwapCommit { id: 7 });
    solo.bounce(1, Message::SwapCommit { id: 7 });
    solo.unlink(1);
    assert!(solo.keeps(3) && !solo.keeps(2), "the proposer holds what we gave");
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn our_proposal_does_not_get_there() {
    let (mut solo, id) = proposer(swapping());
    solo.bounce(1, propose(id, 2));
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn our_proposal_is_declined() {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, Message::SwapReject { id, reason: SwapRefusal::Subnet });
    assert_eq!(solo.take_words(1), []);
    assert_off(&mut solo, SwapRefusal::Subnet);
}

#[test]
fn our_proposal_stays_without_an_answer_and_a_late_one_is_turned_down() {
    let (mut solo, id) = proposer(swapping());
    solo.live(11 * SECOND);
    assert_eq!(solo.take_words(1)[..1], aborted(id, SwapRefusal::TimedOut));
    solo.hear(1, accept(id, 4));
    assert!(!solo.dials(4));
    assert_eq!(solo.take_words(1), aborted(id, SwapRefusal::TimedOut));
    assert_eq!(solo.faults, [(peer(1), Fault::NoSuchExchange)]);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_agreer_goes_before_it_has_answered() {
    let (mut solo, _) = proposer(swapping());
    solo.unlink(1);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_record_of_the_given_peer_is_forged() {
    let (mut solo, id) = proposer(swapping());
    solo.forged.insert(peer(4));
    solo.hear(1, accept(id, 4));
    assert_eq!(solo.take_words(1), aborted(id, SwapRefusal::Record));
    assert_eq!(solo.faults, [(peer(1), Fault::Forged { count: 1 })]);
    assert_off(&mut solo, SwapRefusal::Record);
}

#[test]
fn the_given_peer_cannot_be_reached() {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, accept(id, 4));
    solo.dial_ends(4, Err(nobody()));
    assert_eq!(solo.take_words(1), aborted(id, SwapRefusal::Unreachable));
    assert_off(&mut solo, SwapRefusal::Unreachable);
}

#[test]
fn the_dial_of_the_given_peer_takes_too_long() {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, accept(id, 4));
    solo.live(6 * SECOND);
    assert_eq!(solo.take_words(1)[..1], aborted(id, SwapRefusal::TimedOut));
    solo.dial_links(4);
    assert_let_go(&solo, 4);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_given_peer_is_a_neighbour_or_ourselves() {
    for given in [2, 1, ME] {
        let (mut solo, id) = proposer(swapping());
        solo.hear(1, accept(id, given));
        assert_eq!(solo.take_words(1), aborted(id, SwapRefusal::Neighbour));
        assert_off(&mut solo, SwapRefusal::Neighbour);
    }
}

#[test]
fn the_agreer_goes_while_the_given_peer_is_dialled() {
    let (mut solo, id) = proposer(swapping());
    solo.hear(1, accept(id, 4));
    solo.unlink(1);
    solo.dial_links(4);
    assert_let_go(&solo, 4);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn our_commitment_does_not_get_there() {
    let (mut solo, id) = committed();
    solo.bounce(1, Message::SwapCommit { id });
    assert_let_go(&solo, 4);
    assert_off(&mut solo, SwapRefusal::Unspecified);
}

#[test]
fn the_agreer_has_given_up_when_we_commit() {
    let (mut solo, id) = committed();
    solo.hear(1, Message::SwapAbort { id, reason: SwapRefusal::TimedOut });
    assert_let_go(&solo, 4);
    assert_off(&mut solo, SwapRefusal::TimedOut);
}

#[test]
fn the_agreer_goes_before_it_has_confirmed_and_both_links_are_kept() {
    let (mut solo, _) = committed();
    solo.unlink(1);
    assert!(solo.keeps(2) && solo.keeps(4));
    assert!(!solo.swaps()[0].unwrap().confirmed);
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn the_agreer_is_silent_after_we_have_committed_and_both_links_are_kept() {
    let (mut solo, _) = committed();
    solo.live(6 * SECOND);
    assert!(solo.keeps(2) && solo.keeps(4));
    assert!(!solo.swaps()[0].unwrap().confirmed);
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn the_peer_that_we_offered_goes_after_we_have_committed() {
    let (mut solo, id) = committed();
    solo.unlink(2);
    solo.hear(1, Message::SwapCommit { id });
    assert!(solo.keeps(4) && solo.swaps()[0].is_ok());
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn the_given_peer_goes_after_we_have_committed_and_the_offered_one_is_kept() {
    let (mut solo, id) = committed();
    solo.unlink(4);
    solo.hear(1, Message::SwapCommit { id });
    assert!(solo.keeps(2), "we have nothing in its place");
    assert_no_deal_hangs(&mut solo);
}

#[test]
fn an_agreement_or_a_commitment_out_of_the_blue_moves_nothing() {
    let mut solo = agreer(agreeing());
    solo.hear(1, accept(7, 3));
    solo.hear(1, Message::SwapCommit { id: 7 });
    solo.hear(1, Message::SwapReject { id: 7, reason: SwapRefusal::Busy });
    solo.hear(1, Message::SwapAbort { id: 7, reason: SwapRefusal::Busy });
    assert!(solo.dialling().is_empty() && solo.keeps(2) && solo.keeps(1));
    let noted = (peer(1), Fault::NoSuchExchange);
    assert_eq!(solo.faults, [noted; 4]);
    assert_eq!(solo.swaps(), []);
}

#[test]
fn an_agreement_repeated_or_by_somebody_else_moves_nothing() {
    let (mut solo, id) = proposer(swapping());
    solo.link_in(6);
    solo.hear(6, accept(id, 5));
    assert!(!solo.dials(5));
    solo.hear(1, accept(id, 4));
    solo.hear(1, accept(id, 5));
    assert!(solo.dials(4) && !solo.dials(5));
    // What it cost is told, and the first agreement goes on.
    solo.dial_links(4);
    solo.hear(6, Message::SwapCommit { id });
    assert!(solo.keeps(2), "the word of a third does not conclude it");
    solo.hear(1, Message::SwapCommit { id });
    assert!(!solo.keeps(2) && solo.keeps(4));
}
