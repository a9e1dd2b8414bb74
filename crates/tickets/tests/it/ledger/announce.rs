//! Which peers accounts are.

use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use meshwork_tickets::DomainSeparator;
use meshwork_tickets::ledger::{
    Account, Announcement, BadAnnouncement, Call, Rejected, Row, SignedAnnouncement,
};

use super::world::{ALICE, BOB, World, address, genesis};

fn peer(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

fn addresses(count: usize) -> Vec<Multiaddr> {
    (0..count).map(|port| format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()).collect()
}

fn said(number: u8, account: u8, count: usize) -> SignedAnnouncement {
    let (separator, account) = (genesis().separator, address(account));
    SignedAnnouncement::new(&peer(number), &separator, &account, addresses(count), true).unwrap()
}

fn announce(said: &SignedAnnouncement) -> Call {
    Call::Announce(Box::new(said.clone()))
}

#[test]
fn an_account_and_its_peer_find_each_other() {
    let mut world = World::new();
    let first = said(1, ALICE, 2);
    world.ask(ALICE, &announce(&first)).unwrap();
    assert_eq!(world.account(ALICE).announcement.unwrap(), first.announcement);
    let peer_of = |number: u8| peer(number).public().to_peer_id();
    assert_eq!(world.state.account_of(&peer_of(1)), Some(address(ALICE)));
    assert_eq!(world.state.peer_of(&address(ALICE)), Some(peer_of(1)));

    // Another peer in its place: the first is free again.
    world.ask(ALICE, &announce(&said(2, ALICE, 0))).unwrap();
    assert_eq!(world.state.account_of(&peer_of(1)), None);
    assert_eq!(world.state.account_of(&peer_of(2)), Some(address(ALICE)));
    world.ask(BOB, &announce(&said(1, BOB, 8))).unwrap();
    assert_eq!(world.state.account_of(&peer_of(1)), Some(address(BOB)));
    assert_eq!(world.state.peer_of(&address(ALICE)), Some(peer_of(2)));
}

#[test]
fn a_peer_belongs_to_one_account() {
    let mut world = World::new();
    world.ask(ALICE, &announce(&said(1, ALICE, 1))).unwrap();
    let taken = world.refuse(BOB, &announce(&said(1, BOB, 1)));
    let peer = peer(1).public().to_peer_id();
    assert_eq!(taken, Rejected::PeerTaken { peer, account: address(ALICE) });
    // Its own account may say it again, with other addresses.
    world.ask(ALICE, &announce(&said(1, ALICE, 3))).unwrap();
    assert_eq!(world.account(ALICE).announcement.unwrap().addresses.len(), 3);
}

#[test]
fn whether_it_relays_is_what_it_said_last() {
    let mut world = World::new();
    let (separator, account) = (genesis().separator, address(ALICE));
    for relays in [true, false, true] {
        let said = SignedAnnouncement::new(&peer(1), &separator, &account, addresses(1), relays);
        world.ask(ALICE, &announce(&said.unwrap())).unwrap();
        let account = world.account(ALICE);
        assert_eq!(account.announcement.as_ref().map(|it| it.relays), Some(relays));
        let peer = peer(1).public().to_peer_id();
        assert_eq!(world.state.relay_of(&address(ALICE)), relays.then_some(peer));
        let row = Row::Account { address: address(ALICE), account };
        assert_eq!(Row::from_bytes(&row.to_bytes()), Ok(row));
    }
}

#[test]
fn a_row_of_nobody_who_relays() {
    let nobody = Row::Account { address: address(ALICE), account: Account::default() };
    let mut row = nobody.to_bytes().to_vec();
    assert_eq!(Row::from_bytes(&row), Ok(nobody));
    // The field `relays`, and two more bytes of an account.
    row.extend([0x38, 1]);
    row[1] += 2;
    let refused = Row::from_bytes(&row).unwrap_err();
    assert_eq!(refused.to_string(), "malformed ledger_account.peer_id: missing");
}

#[test]
fn what_the_peer_has_not_said() {
    let good = said(1, ALICE, 2);
    let elsewhere = |account: u8, separator| {
        let account = address(account);
        SignedAnnouncement::new(&peer(1), &separator, &account, addresses(2), true).unwrap()
    };
    let with = |spoil: &dyn Fn(&mut SignedAnnouncement)| {
        let mut spoilt = good.clone();
        spoil(&mut spoilt);
        spoilt
    };
    for spoilt in [
        elsewhere(BOB, genesis().separator),
        elsewhere(ALICE, DomainSeparator([1; 32])),
        with(&|it| it.signature[7] ^= 1),
        with(&|it| it.announcement.addresses.truncate(1)),
        with(&|it| it.announcement.addresses.reverse()),
        // Both addresses as one, of the same bytes.
        with(&|it| {
            let bytes: Vec<u8> =
                it.announcement.addresses.iter().flat_map(Multiaddr::to_vec).collect();
            it.announcement.addresses = vec![bytes.try_into().unwrap()];
        }),
        with(&|it| it.announcement.relays = false),
        with(&|it| it.announcement.peer = peer(2).public().to_peer_id()),
    ] {
        let refused = World::new().refuse(ALICE, &announce(&spoilt));
        assert_eq!(refused, Rejected::InvalidAnnouncement(BadAnnouncement::Signature));
    }
    World::new().ask(ALICE, &announce(&good)).unwrap();
}

#[test]
fn too_many_or_too_long() {
    let new = |addresses| {
        let (separator, account) = (genesis().separator, address(ALICE));
        SignedAnnouncement::new(&peer(1), &separator, &account, addresses, false)
    };
    let max = Announcement::ADDRESSES_MAX;
    assert!(new(addresses(max)).is_ok());
    let given = max + 1;
    assert_eq!(new(addresses(given)), Err(BadAnnouncement::Addresses { given }));
    let long = |len: usize| -> Multiaddr { format!("/dns4/{}", "x".repeat(len)).parse().unwrap() };
    let given = long(254).len();
    assert_eq!(given, Announcement::ADDRESS_LEN_MAX + 1);
    assert!(new(vec![long(253)]).is_ok());
    assert_eq!(new(vec![long(254)]), Err(BadAnnouncement::AddressLength { given }));
}

#[test]
fn a_peer_without_a_key_in_its_name() {
    let mut spoilt = said(1, ALICE, 1);
    spoilt.announcement.peer = PeerId::random();
    let refused = World::new().refuse(ALICE, &announce(&spoilt));
    assert!(matches!(refused, Rejected::Malformed(_)), "{refused:?}");
    let bare = spoilt.verify(&genesis().separator, &address(ALICE));
    assert_eq!(bare, Err(BadAnnouncement::Key));
}
