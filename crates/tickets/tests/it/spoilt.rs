//! Every way to spoil a ticket or what goes with it, one thing at a time.

use meshwork_tickets::vrf::{Output, Proof};
use meshwork_tickets::{
    BadSignature, BadTicket, Body, ChannelId, HalfKey, NotRedeemable, NotWinning, Response, Ticket,
    TransferableWinningTicket, WinProbability, WrongResponse, keccak256,
};

use crate::common::{NO_DOMAIN, amount, bytes, epoch, interval, issuer, redeemer, row};
use crate::set::SET;

/// A good one of the set.
fn winner() -> TransferableWinningTicket {
    let redeemable = row(4).acknowledged().into_redeemable(&redeemer(), &[1; 64]).unwrap();
    redeemable.into_transferable().unwrap()
}

fn verify(ticket: TransferableWinningTicket) -> Result<(), NotWinning> {
    ticket.verify(&redeemer().address(), &NO_DOMAIN).map(drop)
}

/// Verifies the ticket with another body, below which the signature is that of the old one.
fn with_body(change: impl FnOnce(&mut Body)) -> Result<(), NotWinning> {
    let mut ticket = winner();
    change(&mut ticket.ticket.body);
    verify(ticket)
}

fn is_of_somebody_else(checked: Result<(), NotWinning>) -> bool {
    matches!(checked, Err(NotWinning::Signature(BadSignature::Signer { .. })))
}

#[test]
fn a_good_one_is_good() {
    assert_eq!(verify(winner()), Ok(()));
}

#[test]
fn a_losing_one() {
    for row in SET.iter().filter(|row| !row.wins) {
        let redeemable = row.acknowledged().into_redeemable(&redeemer(), &[1; 64]).unwrap();
        let (ticket, response, proof) =
            (*redeemable.ticket().ticket(), redeemable.response().clone(), *redeemable.proof());
        assert!(redeemable.into_transferable().is_err());
        let signer = issuer().address();
        let claimed = TransferableWinningTicket { ticket, response, proof, signer };
        assert!(matches!(verify(claimed), Err(NotWinning::Lost(_))), "{}", row.index);
    }
}

#[test]
fn another_epoch() {
    assert!(is_of_somebody_else(with_body(|body| body.epoch = epoch(2))));
}

#[test]
fn another_index() {
    assert!(is_of_somebody_else(with_body(|body| body.interval = interval(5, 1))));
}

#[test]
fn another_offset() {
    assert!(is_of_somebody_else(with_body(|body| body.interval = interval(4, 2))));
}

#[test]
fn another_amount() {
    assert!(is_of_somebody_else(with_body(|body| {
        body.amount = body.amount.checked_add(amount(1)).unwrap();
    })));
}

#[test]
fn another_probability() {
    assert!(is_of_somebody_else(with_body(|body| body.probability = WinProbability::ALWAYS)));
}

#[test]
fn another_challenge() {
    assert!(is_of_somebody_else(with_body(|body| {
        body.challenge = row(1).body().challenge;
    })));
}

#[test]
fn another_channel() {
    assert!(is_of_somebody_else(with_body(|body| body.channel = ChannelId([7; 32]))));
}

#[test]
fn another_domain() {
    let separator = meshwork_tickets::DomainSeparator([1; 32]);
    let checked = winner().verify(&redeemer().address(), &separator).map(drop);
    assert!(is_of_somebody_else(checked));
}

#[test]
fn a_channel_of_others_though_signed() {
    let foreign = Body { channel: ChannelId([7; 32]), ..row(4).body() };
    let mut ticket = winner();
    ticket.ticket = foreign.sign(&issuer(), &NO_DOMAIN).leak();
    assert!(matches!(
        verify(ticket),
        Err(NotWinning::NotRedeemable(NotRedeemable::Channel { channel, .. }))
            if channel == foreign.channel
    ));
}

#[test]
fn somebody_elses_ticket() {
    let stranger = meshwork_tickets::ChainKey::from_bytes(&[5; 32]).unwrap();
    let checked = winner().verify(&stranger.address(), &NO_DOMAIN);
    assert!(matches!(checked, Err(NotWinning::NotRedeemable(NotRedeemable::Channel { .. }))));
}

#[test]
fn a_signer_who_is_not_the_issuer() {
    let mut ticket = winner();
    ticket.signer = redeemer().address();
    assert_eq!(
        verify(ticket),
        Err(NotWinning::Signature(BadSignature::Signer { recovered: issuer().address() }))
    );
}

#[test]
fn a_ticket_that_its_holder_signed() {
    let mut ticket = winner();
    ticket.ticket = row(4).body().sign(&redeemer(), &NO_DOMAIN).leak();
    assert!(is_of_somebody_else(verify(ticket.clone())));
    ticket.signer = redeemer().address();
    assert!(matches!(
        verify(ticket),
        Err(NotWinning::NotRedeemable(NotRedeemable::Loopback { .. }))
    ));
}

#[test]
fn a_response_off_by_one() {
    let mut ticket = winner();
    let mut number = *ticket.response.to_bytes();
    number[31] ^= 1;
    ticket.response = Response::from_bytes(&number).unwrap();
    assert!(matches!(
        verify(ticket),
        Err(NotWinning::Response(WrongResponse::Challenge { expected, .. }))
            if expected == row(4).body().challenge
    ));
}

#[test]
fn another_output() {
    let mut ticket = winner();
    let mut encoded = ticket.proof.to_bytes();
    let other: Output = row(1).output();
    encoded[..33].copy_from_slice(&other.to_bytes());
    ticket.proof = Proof::from_bytes(&encoded).unwrap();
    assert!(matches!(verify(ticket), Err(NotWinning::Proof(_))));
}

#[test]
fn the_proof_of_another_ticket() {
    let mut ticket = winner();
    let other = row(1).acknowledged().into_redeemable(&redeemer(), &[1; 64]).unwrap();
    ticket.proof = *other.proof();
    assert!(matches!(verify(ticket), Err(NotWinning::Proof(_))));
}

#[test]
fn a_signature_with_any_bit_changed() {
    for bit in 0..512 {
        let mut ticket = winner();
        ticket.ticket.signature.0[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(verify(ticket), Err(NotWinning::Signature(_))), "{bit}");
    }
}

#[test]
fn too_few_bytes_and_too_many() {
    let good = row(1).ticket().leak().to_bytes();
    let longer = [&good[..], &[0]].concat();
    for bytes in [&good[..0], &good[..83], &good[..84], &good[..147], &longer] {
        assert_eq!(Ticket::from_bytes(bytes), Err(BadTicket::Length { len: bytes.len() }));
    }
}

#[test]
fn an_amount_beyond_all() {
    let mut encoded = row(1).body().to_bytes();
    encoded[32..44].copy_from_slice(&bytes::<12>("00084595161401484a000000"));
    let bad = Body::from_bytes(&encoded).unwrap_err();
    assert_eq!((bad.what, bad.value), ("amount", 10_u128.pow(25)));
    encoded[32..44].copy_from_slice(&bytes::<12>("000845951614014849ffffff"));
    assert_eq!(Body::from_bytes(&encoded).unwrap().amount, meshwork_tickets::Amount::MAX);
}

#[test]
fn an_offset_of_nothing() {
    let mut encoded = row(1).body().to_bytes();
    encoded[50..54].fill(0);
    assert_eq!(Body::from_bytes(&encoded).unwrap_err().what, "index offset");
}

#[test]
fn an_interval_beyond_the_last_index() {
    let mut encoded = row(1).body().to_bytes();
    encoded[44..50].fill(0xff);
    assert_eq!(Body::from_bytes(&encoded).unwrap_err().what, "ticket index");
    encoded[49] = 0xfe;
    assert!(Body::from_bytes(&encoded).is_ok());
    encoded[53] = 2;
    assert_eq!(Body::from_bytes(&encoded).unwrap_err().what, "ticket index");
}

#[test]
fn halves_that_cancel() {
    let one = HalfKey::from_bytes(&keccak256(b"half")).unwrap();
    let order = ruint::aliases::U256::from_be_bytes(bytes::<32>(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    ));
    let negated = order - ruint::aliases::U256::from_be_bytes(*one.to_bytes());
    let other = HalfKey::from_bytes(&negated.to_be_bytes()).unwrap();
    assert!(Response::combine(&one, &other).is_err());
    assert!(one.challenge().combine(&other.challenge()).is_err());
    let waiting = row(1).ticket().into_unacknowledged(one);
    assert!(matches!(waiting.acknowledge(&other), Err(WrongResponse::Cancelled(_))));
}
