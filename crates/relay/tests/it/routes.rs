//! Which paths are found over a ledger, and why none is.

use std::collections::BTreeSet;

use libp2p_identity::PeerId;
use meshwork_relay::path::{NoPath, Wanted, select};
use meshwork_relay::{Discovery, PeerDiscovery};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tickets::ledger::Call;
use tickets::{Amount, WinProbability};

use crate::town::{PRICE, Town};

fn wanted(town: &Town, to: usize, relays: u8) -> Wanted {
    Wanted {
        from: town.address(0),
        to: town.peer(to),
        relays,
        price: Amount::new(PRICE).unwrap(),
        probability: WinProbability::ALWAYS,
    }
}

/// Every path that a hundred seeds find, as numbers, or the one reason why there is none.
fn paths(
    town: &Town,
    wanted: &Wanted,
    may: impl Fn(usize, &PeerId) -> bool,
) -> Result<BTreeSet<Vec<usize>>, NoPath> {
    let number = |peer| (0..town.keys.len()).find(|who| town.peer(*who) == peer).unwrap();
    let one = |seed: u8| {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let mut may = |place, peer: &PeerId| may(place, peer);
        let path = town.replica.read(|state| select(state, wanted, &mut may, &mut rng))?;
        Ok(path.into_iter().map(number).collect())
    };
    (0..100).map(one).collect()
}

fn anybody(_: usize, _: &PeerId) -> bool {
    true
}

/// 0 pays 1 and 2, these pay each other and 3, 3 pays 1.
fn square() -> Town {
    let town = Town::new(5);
    for (from, to) in [(0, 1), (0, 2), (1, 2), (2, 1), (1, 3), (2, 3), (3, 1)] {
        town.open(from, to, 10);
    }
    town
}

#[test]
fn every_path_that_can_pay_is_drawn_and_no_other() {
    let town = square();
    let found = |to, relays| paths(&town, &wanted(&town, to, relays), anybody).unwrap();
    assert_eq!(found(4, 0), BTreeSet::from([vec![4]]));
    assert_eq!(found(4, 1), BTreeSet::from([vec![1, 4], vec![2, 4]]));
    let two = [vec![1, 2, 4], vec![1, 3, 4], vec![2, 1, 4], vec![2, 3, 4]];
    assert_eq!(found(4, 2), BTreeSet::from(two));
    let three = [vec![1, 2, 3, 4], vec![2, 1, 3, 4], vec![2, 3, 1, 4]];
    assert_eq!(found(4, 3), BTreeSet::from(three));
    // Not over the recipient.
    assert_eq!(found(1, 2), BTreeSet::from([vec![2, 3, 1]]));
}

#[test]
fn a_channel_has_to_have_what_the_relays_that_follow_cost() {
    let town = Town::new(4);
    town.open(0, 1, 2);
    town.open(1, 2, 1);
    assert_eq!(paths(&town, &wanted(&town, 3, 2), anybody), Ok([vec![1, 2, 3]].into()));
    let error = paths(&town, &wanted(&town, 3, 3), anybody).unwrap_err();
    let needed = Amount::new(3 * PRICE).unwrap();
    assert_eq!(error, NoPath::Unfunded { relays: 3, needed, open: 1 });
    // Tickets that win half of the time carry twice the price.
    let half = WinProbability::from_f64(0.5).unwrap();
    let error = paths(&town, &Wanted { probability: half, ..wanted(&town, 3, 2) }, anybody);
    let needed = Amount::new(4 * PRICE).unwrap();
    assert_eq!(error, Err(NoPath::Unfunded { relays: 2, needed, open: 1 }));
}

#[test]
fn only_who_may_be_at_a_place_is() {
    let town = square();
    let (one, three) = (town.peer(1), town.peer(3));
    let not_first = |place: usize, peer: &PeerId| place > 0 || *peer != one;
    let found = paths(&town, &wanted(&town, 4, 2), not_first).unwrap();
    assert_eq!(found, BTreeSet::from([vec![2, 1, 4], vec![2, 3, 4]]));
    let not_three = |_: usize, peer: &PeerId| *peer != three;
    let found = paths(&town, &wanted(&town, 4, 2), not_three).unwrap();
    assert_eq!(found, BTreeSet::from([vec![1, 2, 4], vec![2, 1, 4]]));
    let error = paths(&town, &wanted(&town, 4, 3), not_three).unwrap_err();
    assert_eq!(error, NoPath::DeadEnd { first: 2 });
    let error = paths(&town, &wanted(&town, 4, 1), |_, _| false).unwrap_err();
    assert_eq!(error, NoPath::NoFirstRelay { funded: 2 });
}

#[test]
fn who_does_not_relay_is_on_no_path() {
    let town = Town::new(3);
    town.open(0, 1, 10);
    assert_eq!(paths(&town, &wanted(&town, 2, 1), anybody), Ok([vec![1, 2]].into()));
    town.retire(1);
    let error = paths(&town, &wanted(&town, 2, 1), anybody).unwrap_err();
    assert_eq!(error, NoPath::NoFirstRelay { funded: 1 });
    // It can still be written to, by others as well.
    assert_eq!(paths(&town, &wanted(&town, 1, 0), anybody), Ok([vec![1]].into()));
    town.announce(1, 1);
    assert!(paths(&town, &wanted(&town, 2, 1), anybody).is_ok());

    // Nor at a later place.
    let town = square();
    town.retire(3);
    let found = paths(&town, &wanted(&town, 4, 2), anybody).unwrap();
    assert_eq!(found, BTreeSet::from([vec![1, 2, 4], vec![2, 1, 4]]));
    let found = paths(&town, &wanted(&town, 3, 1), anybody).unwrap();
    assert_eq!(found, BTreeSet::from([vec![1, 3], vec![2, 3]]));
}

#[test]
fn a_channel_that_is_being_closed_leads_nowhere() {
    let town = Town::new(3);
    let channel = town.open(0, 1, 10);
    assert!(paths(&town, &wanted(&town, 2, 1), anybody).is_ok());
    town.submit(0, &Call::InitiateClose { channel });
    let needed = Amount::new(PRICE).unwrap();
    let error = paths(&town, &wanted(&town, 2, 1), anybody).unwrap_err();
    assert_eq!(error, NoPath::Unfunded { relays: 1, needed, open: 0 });
}

#[test]
fn what_no_path_can_be_is_refused() {
    let town = square();
    let refused = |wanted: Wanted| paths(&town, &wanted, anybody).unwrap_err();
    assert_eq!(refused(wanted(&town, 4, 4)), NoPath::TooLong { given: 4 });
    assert_eq!(refused(wanted(&town, 0, 1)), NoPath::ToItself);
    let hashed = PeerId::random();
    assert_eq!(refused(Wanted { to: hashed, ..wanted(&town, 4, 1) }), NoPath::NotEd25519);
    let unlikely = WinProbability::new(1 << 8).unwrap();
    let error = refused(Wanted { probability: unlikely, ..wanted(&town, 4, 1) });
    assert!(matches!(error, NoPath::TooUnlikely(_)), "{error}");
}

#[test]
fn discovery_says_each_thing_once() {
    let town = Town::new(3);
    let mut discovery = Discovery::new(town.peer(0));
    let mut news = || {
        town.replica.read(|state| discovery.see_all(state));
        std::iter::from_fn(|| discovery.next_event()).collect::<Vec<_>>()
    };
    let first = news();
    let allowed = |who: usize| PeerDiscovery::Allow(town.peer(who));
    assert!(!first.contains(&allowed(0)), "nothing about itself");
    for who in [1, 2] {
        let at = first.iter().position(|event| *event == allowed(who)).unwrap();
        assert!(matches!(
            &first[at + 1],
            PeerDiscovery::Announce(peer, addresses) if *peer == town.peer(who) && addresses.len() == 1
        ));
    }
    assert_eq!(first.len(), 4);
    assert_eq!(news(), []);
}
