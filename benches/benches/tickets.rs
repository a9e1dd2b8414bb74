//! What the proofs of a batch of tickets cost to verify: together, as a share of one by one, without
//! the hashing to the curve that both need and that is reported apart.
//!
//! `cargo bench -p meshwork-benches --bench tickets`

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use k256::Secp256k1;
use k256::hash2curve::{ExpandMsgXmd, hash_from_bytes};
use sha3::Keccak256;
use tickets::vrf::{KeyProof, Output, Proof, Statement, prove, verify_batch};
use tickets::{ChainKey, DomainSeparator, TicketHash};
use tokio::time::Instant;

/// How often each is timed.
const ROUNDS: usize = 40;

/// The shortest time of each, taken in turns: whatever else the machine does adds to it.
fn best<const N: usize>(works: [&dyn Fn(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (best, work) in best.iter_mut().zip(works) {
            let start = Instant::now();
            work();
            *best = start.elapsed().min(*best);
        }
    }
    best
}

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
fn hash_to_curve(statement: &Statement) {
    let message: [&[u8]; 2] = [&statement.redeemer.0, &statement.ticket.0];
    let domain: [&[u8]; 1] = [&statement.separator.0];
    let point = hash_from_bytes::<Secp256k1, ExpandMsgXmd<Keccak256>>(&message, &domain);
    black_box(point.is_ok());
}

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn together(key: &ChainKey, count: u16) {
    let good = made(key, count);
    let mut spoilt = good.clone();
    if let [(statement, _), .., (last, _)] = &mut spoilt[..] {
        *last = *statement;
    }
    let outputs: Vec<(Statement, Output)> = good.iter().map(|it| (it.0, *it.1.output())).collect();
    let of_key = KeyProof::new(key, &outputs, &[1; 64]);
    let is_good = |(statement, proof): &(Statement, Proof)| proof.verify(statement).is_ok();
    let [hashing, alone, all, one_bad, one_key] = best([
        &|| good.iter().for_each(|(statement, _)| hash_to_curve(statement)),
        &|| assert!(black_box(&good).iter().all(is_good)),
        &|| assert!(verify_batch(black_box(&good)).is_empty()),
        &|| assert_eq!(verify_batch(black_box(&spoilt)).len(), 1),
        &|| assert!(of_key.verify(black_box(&outputs)).is_ok()),
    ]);
    println!(
        "vrf/{count}: each takes {:.1?}, {:.1?} of it to hash to the curve",
        alone / count.into(),
        hashing / count.into(),
    );
    for (name, time) in [("together", all), ("one_bad", one_bad), ("key_proof", one_key)] {
        let without = |time: Duration| time.saturating_sub(hashing).as_secs_f64();
        let ratio = without(time) / without(alone);
        println!(
            "ratio vrf/{name}/{count} {ratio:.3} (hashing included: {time:.1?} of {alone:.1?})"
        );
    }
}

fn vrf(criterion: &mut Criterion) {
    let Ok(key) = ChainKey::from_bytes(&[7; 32]) else {
        return;
    };
    for count in [10, 100, 500] {
        together(&key, count);
    }
    let [(statement, proof)] = &made(&key, 1)[..] else {
        return;
    };
    let mut group = criterion.benchmark_group("vrf");
    group.bench_function("hash_to_curve", |bencher| bencher.iter(|| hash_to_curve(statement)));
    group.bench_function("prove", |bencher| bencher.iter(|| prove(&key, statement, &[0; 64])));
    group.bench_function("verify", |bencher| bencher.iter(|| proof.verify(statement)));
    let encoded = proof.to_bytes();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Proof::from_bytes(black_box(&encoded)));
    });
    group.finish();
}

criterion_group!(benches, vrf);
criterion_main!(benches);
