//! What a ticket goes through in its holder's hands.

use meshwork_tickets::{
    AcknowledgedTicket, Amount, Body, HalfKey, NotRedeemable, Response, WinProbability,
    WrongResponse,
};

use crate::common::{NO_DOMAIN, issuer, redeemer, row};

fn halves() -> [HalfKey; 2] {
    [[3; 32], [4; 32]].map(|bytes| HalfKey::from_bytes(&bytes).unwrap())
}

#[test]
fn a_wrong_acknowledgement_leaves_room_for_the_right_one() {
    let [own, right] = halves();
    let challenge = Response::combine(&own, &right).unwrap().challenge_address();
    let ticket = Body { challenge, ..row(1).body() }.sign(&issuer(), &NO_DOMAIN);
    let waiting = ticket.into_unacknowledged(own);
    let wrong = HalfKey::from_bytes(&[5; 32]).unwrap();
    assert!(matches!(
        waiting.acknowledge(&wrong),
        Err(WrongResponse::Challenge { expected, .. }) if expected == challenge
    ));
    let acknowledged = waiting.acknowledge(&right).unwrap();
    assert_eq!(acknowledged.ticket(), &ticket);
    assert_eq!(waiting.acknowledge_proven(&right), Ok(acknowledged));
}

/// Of one that was not proven the release says nothing, and a test does.
#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the caller vouches for it")]
fn whoever_vouches_for_a_wrong_acknowledgement_is_caught_in_tests() {
    let [own, right] = halves();
    let challenge = Response::combine(&own, &right).unwrap().challenge_address();
    let ticket = Body { challenge, ..row(1).body() }.sign(&issuer(), &NO_DOMAIN);
    let waiting = ticket.into_unacknowledged(own);
    let _ticket = waiting.acknowledge_proven(&HalfKey::from_bytes(&[5; 32]).unwrap());
}

#[test]
fn the_issuer_redeems_nothing() {
    let refused = row(1).acknowledged().into_redeemable(&issuer(), &[0; 64]);
    assert_eq!(refused.unwrap_err(), NotRedeemable::Loopback { issuer: issuer().address() });
}

#[test]
fn a_response_to_another_ticket_is_not_kept_with_this_one() {
    assert!(AcknowledgedTicket::new(row(1).ticket(), row(2).response()).is_err());
}

#[test]
fn proofs_differ_each_time_and_the_tickets_are_equal() {
    let [first, second] =
        [[1; 64], [2; 64]].map(|it| row(1).acknowledged().into_redeemable(&redeemer(), &it));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.proof(), second.proof());
    assert_eq!(first, second);
    let response = first.response().clone();
    let sent = first.into_transferable().unwrap();
    assert_eq!(sent, second.clone().into_transferable().unwrap());
    let received = sent.verify(&redeemer().address(), &NO_DOMAIN).unwrap();
    assert_eq!((received.response(), &received), (&response, &second));
}

#[test]
fn tickets_are_sorted_by_channel_epoch_and_index() {
    let mut tickets: Vec<_> = (1..=8).map(|index| row(index).ticket().leak()).collect();
    let sorted = tickets.clone();
    tickets.reverse();
    tickets.rotate_left(3);
    tickets.sort_unstable();
    assert_eq!(tickets, sorted);
}

#[test]
fn the_ticket_to_the_last_hop_pays_nothing() {
    let [source, destination] = [issuer().address(), redeemer().address()];
    let challenge = row(1).body().challenge;
    let body = Body::zero_hop(&source, &destination, challenge);
    assert_eq!((body.amount, body.probability), (Amount::ZERO, WinProbability::NEVER));
    assert_eq!(Body::from_bytes(&body.to_bytes()), Ok(body));
}

#[test]
fn no_secret_is_shown() {
    let [own, _] = halves();
    let secrets = [
        format!("{own:?}"),
        format!("{:?}", issuer()),
        format!("{:?}", row(1).response()),
        format!("{:?}", row(1).ticket().into_unacknowledged(own)),
        format!("{:?}", row(1).acknowledged()),
    ];
    for shown in secrets {
        for secret in ["0303", "4920", "08d6", "[3, 3", "73, 32", "8, 214"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
