//! What relays in league can tell of a packet by what they say of it.

use std::collections::BTreeSet;

use super::town::{Town, Way};
use super::*;

/// All that is said of one packet over three relays: on each link an acknowledgement, then the way
/// back. The first and the last relay compare what they pass on.
#[test]
fn nothing_that_is_said_of_a_packet_is_said_on_two_links() {
    let mut town = Town::new(5);
    town.launch(1, 4);
    let (mut said, mut entries) = (BTreeSet::new(), 0);
    while let Some((from, to, way)) = town.under_way.pop_front() {
        if let Way::Ack(Entry::Ack { challenge, half } | Entry::Receipt { challenge, half }) = &way
        {
            entries += 1;
            said.insert(half.to_vec());
            said.insert(challenge.0.to_vec());
        }
        town.under_way.push_front((from, to, way));
        town.step();
    }
    assert_eq!(town.outcomes, [(0, SendId(1), Outcome::Delivered)]);
    // Four acknowledgements and three receipts, of as many half keys; each link has one challenge.
    assert_eq!((entries, said.len()), (7, 7 + 4));
}

/// A relay that puts another veil on, or none, is noticed like one that changes the receipt.
#[test]
fn a_receipt_without_its_veils_proves_nothing() {
    let mut town = Town::new(4);
    town.launch(1, 3);
    while let Some((from, to, way)) = town.under_way.pop_front() {
        let way = match way {
            Way::Ack(Entry::Receipt { challenge, half }) if to == 0 => {
                let veil = crate::por::Secret::new([7; 32]).veil();
                Way::Ack(Entry::Receipt { challenge, half: veil.over(half) })
            }
            way @ (Way::Msg(_) | Way::Ack(_)) => way,
        };
        town.under_way.push_front((from, to, way));
        town.step();
    }
    assert!(town.outcomes.is_empty());
    assert_eq!(town.count(0, "half_key_wrong"), 1);
}
