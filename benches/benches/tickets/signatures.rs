//! Who is bound by a ticket: alone, and many together.

use std::hint::black_box;

use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use tickets::{
    Address, Amount, Body, ChainKey, ChallengeAddress, ChannelId, DomainSeparator, Epoch, Interval,
    Ticket, TicketIndex, Verifier, WinProbability, verify_batch,
};

use crate::{Failure, best, report};

/// Tickets in one turn.
const TICKETS: u16 = 500;

const SEPARATOR: DomainSeparator = DomainSeparator([1; 32]);

/// The account with this number.
pub(crate) fn key(number: u16) -> Result<ChainKey, Failure> {
    let mut secret = [7; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    Ok(ChainKey::from_bytes(&secret)?)
}

/// Tickets that so many issuers signed in turn.
fn signed(issuers: u16) -> Result<Vec<(Ticket, Address)>, Failure> {
    let keys = (0..issuers).map(key).collect::<Result<Vec<_>, _>>()?;
    let mut tickets = Vec::new();
    for (number, key) in (0..TICKETS).zip(keys.iter().cycle()) {
        let body = Body {
            channel: ChannelId([3; 32]),
            epoch: Epoch::new(1)?,
            interval: Interval::of_one(TicketIndex::new(number.into())?)?,
            amount: Amount::new(1_000)?,
            probability: WinProbability::ALWAYS,
            challenge: ChallengeAddress([4; 20]),
        };
        tickets.push((body.sign(key, &SEPARATOR).leak(), key.address()));
    }
    Ok(tickets)
}

/// What was signed, and the signature as the library has it.
fn bare(ticket: &Ticket) -> Result<(Message, RecoverableSignature), Failure> {
    let mut compact = ticket.signature.0;
    let odd = compact[32] >> 7;
    compact[32] &= 0x7f;
    let signature = RecoverableSignature::from_compact(&compact, RecoveryId::from_u8_masked(odd))?;
    Ok((Message::from_digest(ticket.body.hash(&SEPARATOR).0), signature))
}

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    for issuers in [1, 20, TICKETS] {
        let tickets = signed(issuers)?;
        let signatures = tickets.iter().map(|it| bare(&it.0)).collect::<Result<Vec<_>, _>>()?;
        let known = Verifier::new();
        let batch = |verifier: &Verifier| {
            let verified = verify_batch(black_box(&tickets), &SEPARATOR, verifier);
            assert!(verified.iter().all(Result::is_ok));
        };
        batch(&known);
        let [recovered, alone, together, first] = best(
            turns,
            [
                &|| {
                    let recover = |it: &(Message, RecoverableSignature)| it.1.recover(it.0).is_ok();
                    assert!(black_box(&signatures).iter().all(recover));
                },
                &|| {
                    let verify = |it: &(Ticket, Address)| it.0.verify(&it.1, &SEPARATOR).is_ok();
                    assert!(black_box(&tickets).iter().all(verify));
                },
                &|| batch(&known),
                &|| batch(&Verifier::new()),
            ],
        );
        let each = recovered / u32::from(TICKETS);
        for (name, time) in [("alone", alone), ("together", together), ("first_met", first)] {
            let ratio = recovered.as_secs_f64() / time.as_secs_f64();
            let ours = time / u32::from(TICKETS);
            let details = format!("ours {ours:.1?}, bare recovery {each:.1?}; aim 0.9 and above");
            report(&format!("verify/{name}/{issuers}_issuers"), ratio, &details);
        }
    }
    Ok(())
}
