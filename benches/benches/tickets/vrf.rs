//! What the proofs of a batch of tickets cost to verify: together, and as one proof of a key, as a
//! share of one by one, without the hashing to the curve that all need and that is reported apart.

use std::hint::black_box;
use std::time::Duration;

use k256::hash2curve::{ExpandMsgXmd, hash_from_bytes};
use k256::{ProjectivePoint, Secp256k1};
use sha3::Keccak256;
use tickets::vrf::{Evaluation, KeyProof, Output, Proof, Statement, prove, verify_batch};
use tickets::{ChainKey, DomainSeparator, TicketHash};

use crate::signatures::key;
use crate::{Failure, best, report};

fn made(key: &ChainKey, count: u16) -> Vec<(Statement, Proof)> {
    let make = |number: u16| {
        let mut ticket = [0; 32];
        ticket[..2].copy_from_slice(&number.to_be_bytes());
        let (ticket, separator) = (TicketHash(ticket), DomainSeparator([1; 32]));
        let statement = Statement { redeemer: key.address(), ticket, separator };
        (statement, prove(key, &statement, &[0; 64]))
    };
    (0..count).map(make).collect()
}

/// Hashes to the curve what [`Proof::verify`] does.
pub(crate) fn hash_to_curve(statement: &Statement) -> Option<ProjectivePoint> {
    let message: [&[u8]; 2] = [&statement.redeemer.0, &statement.ticket.0];
    let domain: [&[u8]; 1] = [&statement.separator.0];
    hash_from_bytes::<Secp256k1, ExpandMsgXmd<Keccak256>>(&message, &domain).ok()
}

fn evaluations(outputs: &[(Statement, Output)]) -> Vec<Evaluation> {
    outputs.iter().map(|(statement, output)| Evaluation::of(*statement, *output)).collect()
}

fn together(key: &ChainKey, count: u16, turns: u32) {
    let good = made(key, count);
    let mut spoilt = good.clone();
    if let [(statement, _), .., (last, _)] = &mut spoilt[..] {
        *last = *statement;
    }
    let outputs: Vec<(Statement, Output)> = good.iter().map(|it| (it.0, *it.1.output())).collect();
    let of_key = KeyProof::new(key, &evaluations(&outputs), &[1; 64]);
    let is_good = |(statement, proof): &(Statement, Proof)| proof.verify(statement).is_ok();
    let is_point = |(statement, _): &(Statement, Proof)| hash_to_curve(statement).is_some();
    let [hashing, alone, all, one_bad, one_key] = best(
        turns,
        [
            &|| assert!(black_box(&good).iter().all(is_point)),
            &|| assert!(black_box(&good).iter().all(is_good)),
            &|| assert!(verify_batch(black_box(&good)).is_empty()),
            &|| assert_eq!(verify_batch(black_box(&spoilt)).len(), 1),
            &|| assert!(of_key.verify(&evaluations(black_box(&outputs))).is_ok()),
        ],
    );
    let each = (alone / u32::from(count), hashing / u32::from(count));
    for (name, time) in [("together", all), ("one_bad", one_bad), ("key_proof", one_key)] {
        let without = |time: Duration| time.saturating_sub(hashing).as_secs_f64();
        let details = format!(
            "{count} in {time:.1?}, one by one {alone:.1?}, aim 0.5; each alone {:.1?}, {:.1?} of it \
             to hash to the curve, which is not in the ratio",
            each.0, each.1,
        );
        report(&format!("vrf/{name}/{count}"), without(time) / without(alone), &details);
    }
}

pub(crate) fn run(turns: u32) -> Result<(), Failure> {
    let key = key(7)?;
    for count in [10, 100, 500] {
        together(&key, count, turns);
    }
    Ok(())
}
