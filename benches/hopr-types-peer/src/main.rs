//! The verification of a ticket: `hopr-types`, this project, and a bare recovery, in one run.
//!
//! Either side builds 500 tickets of one issuer, whose layout differs by 16 bytes, and verifies them
//! one by one; ours also together. Each time is the shortest of 40 turns.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hopr_types::crypto::keypairs::{ChainKeypair, Keypair};
use hopr_types::crypto::types::Hash;
use hopr_types::internal::tickets::{Ticket as TheirTicket, TicketBuilder, WinningProbability};
use hopr_types::primitive::primitives::{Address as TheirAddress, EthereumChallenge};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use tickets::{
    Amount, Body, ChainKey, ChallengeAddress, ChannelId, DomainSeparator, Epoch, Interval, Ticket,
    TicketIndex, Verifier, WinProbability, verify_batch,
};

/// Tickets in one turn.
const TICKETS: u32 = 500;

const TURNS: u32 = 40;

/// The issuer of all tickets.
const SECRET: [u8; 32] = [7; 32];

const SEPARATOR: DomainSeparator = DomainSeparator([1; 32]);

fn theirs() -> Result<Vec<TheirTicket>, Box<dyn Error>> {
    let issuer = ChainKeypair::from_secret(&SECRET)?;
    let mut tickets = Vec::new();
    for index in 0..TICKETS {
        let ticket = TicketBuilder::default()
            .counterparty(TheirAddress::from([3; 20]))
            .amount(1_000_u64)
            .index(index.into())
            .channel_epoch(1)
            .win_prob(WinningProbability::ALWAYS)
            .eth_challenge(EthereumChallenge::default())
            .build_signed(&issuer, &Hash::default())?;
        tickets.push(ticket.leak());
    }
    Ok(tickets)
}

fn ours(issuer: &ChainKey) -> Result<Vec<Ticket>, Box<dyn Error>> {
    let mut tickets = Vec::new();
    for index in 0..TICKETS {
        let body = Body {
            channel: ChannelId([3; 32]),
            epoch: Epoch::new(1)?,
            interval: Interval::of_one(TicketIndex::new(index.into())?)?,
            amount: Amount::new(1_000)?,
            probability: WinProbability::ALWAYS,
            challenge: ChallengeAddress([4; 20]),
        };
        tickets.push(body.sign(issuer, &SEPARATOR).leak());
    }
    Ok(tickets)
}

fn bare(ticket: &Ticket) -> Result<(Message, RecoverableSignature), Box<dyn Error>> {
    let mut compact = ticket.signature.0;
    let odd = compact[32] >> 7;
    compact[32] &= 0x7f;
    let signature = RecoverableSignature::from_compact(&compact, RecoveryId::from_u8_masked(odd))?;
    Ok((Message::from_digest(ticket.body.hash(&SEPARATOR).0), signature))
}

/// The shortest time of each for one ticket, taken in turns.
fn best<const N: usize>(works: [&dyn Fn(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..TURNS {
        for (best, work) in best.iter_mut().zip(works) {
            let start = Instant::now();
            work();
            *best = start.elapsed().min(*best);
        }
    }
    best.map(|best| best / TICKETS)
}

fn main() -> Result<(), Box<dyn Error>> {
    let issuer = ChainKey::from_bytes(&SECRET)?;
    let their_issuer = ChainKeypair::from_secret(&SECRET)?.public().to_address();
    let (ours, theirs) = (ours(&issuer)?, theirs()?);
    let signatures = ours.iter().map(bare).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = ours.iter().map(|ticket| (*ticket, issuer.address())).collect();
    let (separator, verifier) = (Hash::default(), Verifier::new());
    let [recovered, alone, together, others] = best([
        &|| assert!(black_box(&signatures).iter().all(|it| it.1.recover(it.0).is_ok())),
        &|| {
            let verify = |ticket: &Ticket| ticket.verify(&issuer.address(), &SEPARATOR).is_ok();
            assert!(black_box(&ours).iter().all(verify));
        },
        &|| {
            let verified = verify_batch(black_box(&claims), &SEPARATOR, &verifier);
            assert!(verified.iter().all(Result::is_ok));
        },
        &|| {
            let verify =
                |ticket: &TheirTicket| ticket.clone().verify(&their_issuer, &separator).is_ok();
            assert!(black_box(&theirs).iter().all(verify));
        },
    ]);
    for (name, time) in [("alone", alone), ("together", together)] {
        let ratio = time.as_secs_f64() / others.as_secs_f64();
        println!(
            "ratio hopr_types/verify/{name} {ratio:.3} (ours {time:.1?}, hopr-types {others:.1?}, \
             bare recovery {recovered:.1?})"
        );
    }
    Ok(())
}
