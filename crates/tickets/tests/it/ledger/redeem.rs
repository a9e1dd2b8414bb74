//! Tickets that are redeemed, and each way in which one is not.

use meshwork_tickets::ledger::{Call, Redemption, Rejected, SignedTransaction};
use meshwork_tickets::vrf::{Statement, prove};
use meshwork_tickets::{
    BadSignature, ChannelId, Epoch, Response, TicketIndex, WinProbability, keccak256,
};

use super::world::{
    ALICE, BOB, CAROL, GRANT, Promise, World, address, between, genesis, key, open,
};
use crate::common::{amount, interval};

fn call(redemption: Redemption) -> Call {
    Call::Redeem(Box::new(redemption))
}

/// Refuses the ticket of index 0 with one thing changed, and takes it without.
fn refused_with(spoil: impl FnOnce(&mut Redemption)) -> Rejected {
    let mut world = World::paying();
    let good = Promise::new(ALICE, BOB, 0).redemption();
    let mut spoilt = good.clone();
    spoil(&mut spoilt);
    let refused = world.refuse(BOB, &call(spoilt));
    world.ask(BOB, &call(good)).unwrap();
    refused
}

fn is_of_somebody_else(refused: &Rejected) -> bool {
    matches!(refused, Rejected::InvalidTicketSignature(BadSignature::Signer { .. }))
}

#[test]
fn an_aggregate_moves_the_channel_past_its_interval() {
    let mut world = World::paying();
    let aggregate = Promise { offset: 7, units: 60, ..Promise::new(ALICE, BOB, 3) };
    world.ask(BOB, &aggregate.redeem()).unwrap();
    let channel = world.channel(ALICE, BOB);
    assert_eq!((channel.index.get(), channel.balance.get()), (10, 40));
    for first in [0, 2, 3, 9] {
        let (first_index, index) = (TicketIndex::new(first).unwrap(), channel.index);
        let passed = Rejected::InvalidAggregatedTicketInterval { first: first_index, index };
        assert_eq!(world.refuse(BOB, &Promise::new(ALICE, BOB, first).redeem()), passed);
    }
    world.ask(BOB, &Promise::new(ALICE, BOB, 10).redeem()).unwrap();
}

#[test]
fn what_is_earned_goes_into_the_channel_back_if_that_is_open() {
    let mut world = World::paying();
    world.ask(BOB, &open(ALICE, 5)).unwrap();
    world.ask(BOB, &Promise::new(ALICE, BOB, 0).redeem()).unwrap();
    assert_eq!(world.channel(BOB, ALICE).balance, amount(15));
    assert_eq!(world.balance(BOB), GRANT - 5);

    world.ask(BOB, &Call::InitiateClose { channel: between(BOB, ALICE) }).unwrap();
    world.ask(BOB, &Promise::new(ALICE, BOB, 1).redeem()).unwrap();
    assert_eq!(world.channel(BOB, ALICE).balance, amount(15), "it is pending to close");
    assert_eq!(world.balance(BOB), GRANT + 5);
}

#[test]
fn the_whole_balance_and_not_one_more() {
    let mut world = World::paying();
    let ticket = |units| Promise { units, ..Promise::new(ALICE, BOB, 0) }.redeem();
    let short = Rejected::InsufficientChannelBalance { balance: amount(100), amount: amount(101) };
    assert_eq!(world.refuse(BOB, &ticket(101)), short);
    world.ask(BOB, &ticket(100)).unwrap();
    assert!(world.channel(ALICE, BOB).balance.is_zero());
}

#[test]
fn another_epoch() {
    let mut world = World::paying();
    let refused = world.refuse(BOB, &Promise { epoch: 1, ..Promise::new(ALICE, BOB, 0) }.redeem());
    let (given, expected) = (Epoch::new(1).unwrap(), Epoch::default());
    assert_eq!(refused, Rejected::WrongEpoch { given, expected });
}

#[test]
fn a_second_time() {
    let mut world = World::paying();
    let ticket = Promise::new(ALICE, BOB, 0).redeem();
    world.ask(BOB, &ticket).unwrap();
    let refused = world.refuse(BOB, &ticket);
    assert!(matches!(refused, Rejected::InvalidAggregatedTicketInterval { .. }), "{refused:?}");
}

#[test]
fn a_body_that_was_not_signed() {
    for spoil in [
        (|it| it.ticket.body.amount = amount(11)) as fn(&mut Redemption),
        |it| it.ticket.body.interval = interval(1, 1),
        |it| it.ticket.body.interval = interval(0, 2),
        |it| it.ticket.body.probability = WinProbability::from_f64(0.5).unwrap(),
    ] {
        let refused = refused_with(spoil);
        assert!(is_of_somebody_else(&refused), "{refused:?}");
    }
}

/// The ledger looks at the challenge of the response alone.
#[test]
fn a_response_that_is_not_the_one() {
    let refused = refused_with(|it| it.response = Response::from_bytes(&[2; 32]).unwrap());
    assert!(is_of_somebody_else(&refused), "{refused:?}");
    let mut world = World::paying();
    let mut ticket = Promise::new(ALICE, BOB, 0).redemption();
    ticket.ticket.body.challenge.0 = [0; 20];
    world.ask(BOB, &call(ticket)).unwrap();
}

#[test]
fn a_ticket_that_the_source_has_not_signed() {
    let refused = refused_with(|it| {
        let body = it.ticket.body;
        it.ticket = body.sign(&key(CAROL), &genesis().separator).leak();
    });
    let recovered = address(CAROL);
    let expected = Rejected::InvalidTicketSignature(BadSignature::Signer { recovered });
    assert_eq!(refused, expected);
    let refused = refused_with(|it| {
        let other = meshwork_tickets::DomainSeparator([1; 32]);
        it.ticket = it.ticket.body.sign(&key(ALICE), &other).leak();
    });
    assert!(is_of_somebody_else(&refused), "{refused:?}");
}

#[test]
fn a_ticket_that_pays_somebody_else() {
    let mut world = World::paying();
    let channel = between(ALICE, BOB);
    let stolen = Promise::new(ALICE, BOB, 0).redeem();
    for who in [ALICE, CAROL] {
        let account = address(who);
        assert_eq!(world.refuse(who, &stolen), Rejected::NotParty { channel, account });
    }
    world.ask(BOB, &stolen).unwrap();
}

#[test]
fn a_ticket_of_a_channel_that_never_was() {
    let refused = refused_with(|it| it.ticket.body.channel = ChannelId([1; 32]));
    assert!(matches!(refused, Rejected::WrongChannelState { .. }), "{refused:?}");
}

#[test]
fn a_proof_of_something_else() {
    let (good, separator) = (Promise::new(ALICE, BOB, 0).redemption(), genesis().separator);
    let ticket = good.ticket.body.hash(&separator);
    let statement = Statement { redeemer: address(BOB), ticket, separator };
    let other_ticket =
        Statement { ticket: meshwork_tickets::TicketHash(keccak256(b"other")), ..statement };
    let other_account = Statement { redeemer: address(CAROL), ..statement };
    for statement in [other_ticket, other_account] {
        let refused = refused_with(|it| it.proof = prove(&key(BOB), &statement, &[1; 64]));
        assert_eq!(refused, Rejected::InvalidVrfProof);
    }
}

/// As the contract does: what the redeemer has multiplied by is not looked at.
#[test]
fn a_proof_with_another_factor_is_taken() {
    let (mut world, separator) = (World::paying(), genesis().separator);
    let mut ticket = Promise::new(ALICE, BOB, 0).redemption();
    let hash = ticket.ticket.body.hash(&separator);
    let statement = Statement { redeemer: address(BOB), ticket: hash, separator };
    ticket.proof = prove(&key(99), &statement, &[1; 64]);
    world.ask(BOB, &call(ticket)).unwrap();
}

#[test]
fn a_ticket_that_does_not_win() {
    let mut world = World::paying();
    let ticket = |first| Promise {
        probability: WinProbability::from_f64(0.5).unwrap(),
        ..Promise::new(ALICE, BOB, first)
    };
    let losing = (0..64).find(|first| !ticket(*first).redeemable().wins()).unwrap();
    let refused = world.refuse(BOB, &ticket(losing).redeem());
    assert!(matches!(refused, Rejected::TicketIsNotAWin(_)), "{refused:?}");
    let winning = (losing..64).find(|first| ticket(*first).redeemable().wins()).unwrap();
    world.ask(BOB, &ticket(winning).redeem()).unwrap();
}

/// The last index that a ticket can begin at.
#[test]
fn the_end_of_all_indices() {
    let mut world = World::paying();
    let last = TicketIndex::MAX.get() - 1;
    let call = Promise::new(ALICE, BOB, last).redeem();
    let transaction =
        SignedTransaction::new(&key(BOB), &genesis().separator, world.nonce(BOB), &call);
    world.submit(transaction).unwrap();
    assert_eq!(world.channel(ALICE, BOB).index, TicketIndex::MAX);
}
