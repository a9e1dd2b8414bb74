//! Proofs against what others published, against being spoilt, and one by one against together.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::BTreeSet;

use k256::Scalar;
use proptest::prelude::*;

use super::batch::terms;
use super::hash::to_curve;
use super::point::Point;
use super::*;
use crate::bytes::joined;
use crate::{Address, ChainKey, DomainSeparator, TicketHash};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    ecdsa::hex::read_array(&format!("0x{text}")).unwrap()
}

fn key(seed: u8) -> ChainKey {
    ChainKey::from_bytes(&[seed; 32]).unwrap()
}

fn statement(key: &ChainKey, ticket: [u8; 32]) -> Statement {
    Statement {
        redeemer: key.address(),
        ticket: TicketHash(ticket),
        separator: DomainSeparator([9; 32]),
    }
}

/// Proofs of three redeemers, each for a ticket of its own.
fn proofs(count: u16) -> Vec<(Statement, Proof)> {
    let make = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let key = key(1 + low % 3);
        let ticket = with([5; 32], 0, &[high, low]);
        let statement = statement(&key, ticket);
        (statement, prove(&key, &statement, &[low; 64]))
    };
    (0..count).map(make).collect()
}

/// The published proof, by which others can be told to be compatible.
const PUBLISHED: &str = "02a4e1fa28e8a40348baf79b576a6e040b370b74893d355cd48fc382d5235ff065\
    2ee2b835e7c475fde5adfedeb7cc31ecdd690f13ac6bb59ed046ca4c189c9996\
    fe60abaad8c93e771c19acfe697e15c1e5ed6a182b2960bf8c7bd687e77a9975";

fn published() -> (ChainKey, Statement) {
    let secret = "e17fe86ce6e99f4806715b0c9412f8dad89334bf07f72d5834207a9d8f19d7f8";
    let key = ChainKey::from_bytes(&hex(secret)).unwrap();
    let statement = Statement {
        redeemer: Address(hex("115bc5b501cdd8d1fa5098d3c9be8dd5954ca371")),
        ticket: TicketHash(hex("8248a966b9215e154c8f673cb154da030916be3fb31af3b1220419a1c98eeaed")),
        separator: DomainSeparator([0; 32]),
    };
    (key, statement)
}

#[test]
fn the_published_proof_holds_and_is_the_same_in_both_forms() {
    let (key, statement) = published();
    let bytes = hex::<{ HashProof::LEN }>(PUBLISHED);
    let short = HashProof::from_bytes(&bytes).unwrap();
    let long = short.verify(&statement).unwrap();
    assert_eq!(long.verify(&statement), Ok(()));
    assert_eq!(long.hash_form(&statement).to_bytes(), bytes);
    assert_eq!(Proof::from_bytes(&long.to_bytes()), Ok(long));
    let ours = prove(&key, &statement, &[0; 64]);
    assert_eq!(ours.output(), long.output());
    assert_ne!(ours.to_bytes(), long.to_bytes());
    assert_eq!(ours.hash_form(&statement).verify(&statement), Ok(ours));
}

#[test]
fn outputs_are_those_of_others() {
    let secret = "48680484c6fc31bc881a0083e6e32b6dc789f9eaba0f8b981429fd346c697f8c";
    let key = ChainKey::from_bytes(&hex(secret)).unwrap();
    let outputs = [
        (
            "9c8f45d9da5d299734fa0c4fd7571a59da24097f04708d2bcb397358fa5821a1",
            "0313361e7936a8a57ae7798a890901c7b7369a42175b2b753154c9db2cc7665512",
        ),
        (
            "dd6f9bdbb954922c3b4fb956d7134be722905377b09724ee5c1bbee4bda7d262",
            "03ab5156bb89a9789d914841abcb70899e2a570ad0619a434717e9ec262588511e",
        ),
        (
            "f16d883613f11e837f3a8ba0b1777fdbbf77572f692f331d9b7320aaa964f50d",
            "02f36b24cb113b6014eb91ab9c1e35319d821a83308766b694fc278719924e4f8a",
        ),
        (
            "36c9aeb761107f36fdc840a8a4873841baa712ed74f1ad71b664e81b9554b6b0",
            "0325894c4db40f6945f568e381e9efd7ed71fb3b79fd97386096dae84722222c99",
        ),
        (
            "50aea25466ac501441faa60e2ef6ba4c72b90b29b18e9b7c0ac2ca2e9ab8d26f",
            "034320ab7b331607001fe65abd004fe29836044d85a3c50341fb786d12701f89f9",
        ),
        (
            "8b5002b55e9a3c4969a89bc2048db905036da8e767183e58845ed9bbf7854eaf",
            "03f16e42d49098d36ef37eb20db5015627b073c251346c429447370abb058285d1",
        ),
        (
            "598ca00456a8d3d6f1817d2fb1a636a0705b8dc6156f2283d1f2166f34d941d5",
            "021ab85e89f2f0cd20eb06520c713b11153b91a02b2ae8ecc7877f9c2dfc5ffa2f",
        ),
        (
            "1e7759dc2291fba680e833b935aee27ff9c7e88f616351ff6b5d27e38023b661",
            "02b9e55cdd5d8f258bf026d4b517a7612cfebfe112216abb041655fa84878f96ac",
        ),
        (
            "58384ad84e274362412a63c6784085c3501714819e771c4fcd0a58749febef60",
            "02dae88d12187607b3bcc241865ac6ea62028a4944368a936e1c1c8d069b1a1ffa",
        ),
    ];
    for (ticket, output) in outputs {
        let statement =
            Statement { separator: DomainSeparator([0; 32]), ..statement(&key, hex(ticket)) };
        let proof = prove(&key, &statement, &[1; 64]);
        assert_eq!(proof.output().to_bytes(), hex(output));
        assert_eq!(Output::from_bytes(&hex(output)).as_ref(), Some(proof.output()));
    }
}

#[test]
fn points_are_those_of_others() {
    let domain = b"QUUX-V01-CS02-with-secp256k1_XMD:Keccak256_SSWU_RO_";
    let points = [
        (
            String::new(),
            "a8d5be3d37133158c01970d186839bc7405fb26c0c8c9687c5a0783f3e23db6d\
             fa9b1660a78cfe5a60cdb6355fde4d4108bcfb58cc2b97b655e629c0604849bf",
        ),
        (
            "abc".to_owned(),
            "d7e69a5226454f72a551c0799460d068fd1ffff6445146fb3beb9a842d5affbd\
             6de9462bd1fe58a603945b88927724f20d2ac0671223195f21d41609ce4c1265",
        ),
        (
            "abcdef0123456789".to_owned(),
            "efe470da01abba8406af26987fd94d7e8cfb917c75e4d4a005c4da40be588035\
             4883332ba13cc90cdcdb4db0eea6e0426360c8a218e82c8823a4609e564e7ee9",
        ),
        (
            format!("q128_{}", "q".repeat(128)),
            "c1f6f9a3d1f7268162d3c7f4f2e2853dfd7cc302ad70f1f449e6c3e3668b97ac\
             67040bae5790efe2aa6524b413e9b7949540b4f2839cc43adbb875ad5da2b4b0",
        ),
        (
            format!("a512_{}", "a".repeat(512)),
            "7140c0230d96c79cd4c70de14c69eb89c35fa53b3b71b9580d2b2fd872af6d7c\
             dd315906c024f1609504fe1dbf432d019e645fb9f3ce23e94ddcdd0a225acafc",
        ),
    ];
    for (message, point) in points {
        let hashed = Point::new(&to_curve(&[message.as_bytes()], domain)).unwrap();
        assert_eq!(*hashed.xy(), hex(point), "{message}");
        // In however many parts it comes.
        let (first, second) = message.as_bytes().split_at(message.len() / 2);
        assert_eq!(Point::new(&to_curve(&[first, second], domain)), Some(hashed));
    }
}

/// The encoding with these bytes from this place on.
fn with<const N: usize>(mut bytes: [u8; N], at: usize, new: &[u8]) -> [u8; N] {
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

#[test]
fn each_part_that_is_out_of_range_is_refused_by_its_name() {
    let short = hex::<{ HashProof::LEN }>(PUBLISHED);
    let (_, statement) = published();
    let long = HashProof::from_bytes(&short).unwrap().verify(&statement).unwrap().to_bytes();
    let high = [0xff; 32];
    let short_of = |at, new: &[u8]| HashProof::from_bytes(&with(short, at, new));
    let long_of = |at, new: &[u8]| Proof::from_bytes(&with(long, at, new));
    for prefix in [0, 1, 4, 5, 6, 7] {
        assert_eq!(short_of(0, &[prefix]), Err(Malformed::Output), "{prefix}");
        assert_eq!(long_of(0, &[prefix]), Err(Malformed::Output), "{prefix}");
        assert_eq!(long_of(33, &[prefix]), Err(Malformed::Commitment), "{prefix}");
    }
    assert_eq!(short_of(33, &high), Err(Malformed::Hash));
    assert_eq!(short_of(65, &high), Err(Malformed::Response));
    assert_eq!(long_of(66, &high), Err(Malformed::Response));
    // An abscissa beyond the field, and one of no point.
    assert_eq!(short_of(1, &high), Err(Malformed::Output));
    let five = with([0; 32], 31, &[5]);
    assert_eq!(long_of(34, &five), Err(Malformed::Commitment));
    assert_eq!(Proof::from_bytes(&[0; Proof::LEN]), Err(Malformed::Output));
    let order = secp256k1::constants::CURVE_ORDER;
    assert_eq!(short_of(65, &order), Err(Malformed::Response));
}

#[test]
fn a_proof_holds_for_nothing_else() {
    let made = proofs(2);
    let (statement, proof) = made[0];
    let (other, other_proof) = made[1];
    let short = proof.hash_form(&statement);
    let statements = [
        Statement { redeemer: other.redeemer, ..statement },
        Statement { ticket: other.ticket, ..statement },
        Statement { separator: DomainSeparator([8; 32]), ..statement },
    ];
    for wrong in statements {
        assert_eq!(proof.verify(&wrong), Err(Unproven));
        assert_eq!(short.verify(&wrong), Err(Unproven));
        assert_eq!(proof.hash_form(&wrong).verify(&wrong), Err(Unproven));
    }
    let (bytes, others) = (proof.to_bytes(), other_proof.to_bytes());
    let negated = with(bytes, 0, &[bytes[0] ^ 1]);
    let spoilt = [
        negated,
        with(bytes, 0, &others[..33]),
        with(bytes, 33, &[bytes[33] ^ 1]),
        with(bytes, 33, &others[33..66]),
        with(bytes, 66, &others[66..]),
        with(bytes, 66, &[0; 32]),
    ];
    for wrong in spoilt {
        let wrong = Proof::from_bytes(&wrong).unwrap();
        assert_eq!(wrong.verify(&statement), Err(Unproven));
        assert_eq!(wrong.hash_form(&statement).verify(&statement), Err(Unproven));
    }
    // A commitment that comes out neutral is none.
    let zeros = joined::<97>(&[&proof.output().to_bytes(), &[0; 32], &[0; 32]]);
    assert_eq!(HashProof::from_bytes(&zeros).unwrap().verify(&statement), Err(Unproven));
}

#[test]
fn the_same_randomness_gives_the_same_proof_and_other_randomness_another() {
    let key = key(4);
    let statement = statement(&key, [1; 32]);
    let proof = prove(&key, &statement, &[1; 64]);
    assert_eq!(prove(&key, &statement, &[1; 64]), proof);
    let other = prove(&key, &statement, &[2; 64]);
    assert_eq!(other.output(), proof.output());
    assert_ne!(other.commitment, proof.commitment);
}

/// Ways to spoil one proof of many.
fn spoil(made: &mut (Statement, Proof), how: u8) {
    match how % 5 {
        0 => made.1.response += Scalar::ONE,
        1 => made.0.ticket.0[0] ^= 1,
        2 => made.0.redeemer.0[19] ^= 1,
        3 => made.1.output = Output(made.1.commitment),
        _ => made.1.commitment = made.1.output.0,
    }
}

#[test]
fn the_bad_ones_are_found_wherever_and_however_many_they_are() {
    let good = proofs(70);
    assert_eq!(verify_batch(&[]), Vec::<usize>::new());
    assert_eq!(verify_batch(&good), Vec::<usize>::new());
    let sets: [&[usize]; 6] =
        [&[0], &[69], &[34, 35], &[3, 17, 18, 40, 66], &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[68, 69]];
    for bad in sets {
        let mut made = good.clone();
        for (how, place) in (0..).zip(bad) {
            spoil(&mut made[*place], how);
        }
        assert_eq!(verify_batch(&made), bad);
    }
    let mut all = good;
    for made in &mut all {
        spoil(made, 0);
    }
    assert_eq!(verify_batch(&all), (0..70).collect::<Vec<_>>());
}

#[test]
fn two_that_would_cancel_in_a_plain_sum_are_both_found() {
    let key = key(1);
    let statement = statement(&key, [1; 32]);
    let proof = prove(&key, &statement, &[1; 64]);
    let mut made = vec![(statement, proof); 40];
    made[7].1.response += Scalar::ONE;
    made[30].1.response -= Scalar::ONE;
    assert_eq!(verify_batch(&made), vec![7, 30]);
}

#[test]
fn a_weight_depends_on_all_that_is_claimed() {
    let good = proofs(4);
    let mut separator = good.clone();
    separator[3].0.separator.0[31] ^= 1;
    let spoilt = |how| {
        let mut made = good.clone();
        spoil(&mut made[3], how);
        made
    };
    let mut batches: Vec<_> = (0..5).map(spoilt).collect();
    batches.extend([separator, good[..3].to_vec(), good.clone()]);
    let first = |made: &Vec<(Statement, Proof)>| terms(made)[0].weight;
    let weights: BTreeSet<_> = batches.iter().map(first).collect();
    assert_eq!(weights.len(), batches.len());
    assert!(weights.contains(&first(&good)));
}

#[test]
fn a_large_batch_is_in_parts() {
    let made = proofs(20);
    let mut many: Vec<_> = made.iter().copied().cycle().take(1100).collect();
    for place in [5, 1023, 1024, 1099] {
        spoil(&mut many[place], 0);
    }
    assert_eq!(verify_batch(&many), vec![5, 1023, 1024, 1099]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn together_is_as_one_by_one(
        count in 0..40_u16,
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut made = proofs(count);
        for (at, how) in spoilt.into_iter().filter(|_| count > 0) {
            spoil(&mut made[at.index(usize::from(count))], how);
        }
        let is_bad = |(statement, proof): &(Statement, Proof)| proof.verify(statement).is_err();
        let alone = made.iter().enumerate().filter(|(_, it)| is_bad(it)).map(|(place, _)| place);
        prop_assert_eq!(verify_batch(&made), alone.collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic(long in any::<[u8; 32]>(), prefix in any::<[u8; 2]>()) {
        let (_, statement) = published();
        let bytes = with(with([prefix[0]; 98], 1, &long), 33, &[prefix[1]]);
        let bytes = with(with(bytes, 34, &long), 66, &long);
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
            prop_assert_eq!(proof.verify(&statement), Err(Unproven));
        }
        let short: &[u8; 97] = bytes.first_chunk().unwrap();
        if let Ok(proof) = HashProof::from_bytes(short) {
            prop_assert_eq!(&proof.to_bytes(), short);
            prop_assert_eq!(proof.verify(&statement), Err(Unproven));
        }
        if let Ok(proof) = KeyProof::from_bytes(short) {
            prop_assert_eq!(&proof.to_bytes(), short);
            prop_assert!(proof.verify(&[]).is_err());
        }
    }
}

/// The outputs of one key for some tickets.
fn outputs(key: &ChainKey, count: u8) -> Vec<Evaluation> {
    (0..count).map(|number| Evaluation::new(key, statement(key, [number; 32]))).collect()
}

#[test]
fn the_output_is_that_of_the_proof() {
    let key = key(1);
    for made in outputs(&key, 3) {
        let proof = prove(&key, made.statement(), &[0; 64]);
        assert_eq!(made.output(), proof.output());
        let of = Evaluation::of(*made.statement(), *made.output());
        assert_eq!(of.base(), made.base());
    }
}

#[test]
fn a_chosen_output_has_a_proof_as_good_but_is_not_of_the_key() {
    let (honest, other) = (key(1), key(2));
    let statement = statement(&honest, [1; 32]);
    let chosen = prove(&other, &statement, &[0; 64]);
    // This is what ledgers accept.
    assert_eq!(chosen.verify(&statement), Ok(()));

    let mut made = outputs(&honest, 9);
    let proof = KeyProof::new(&honest, &made, &[3; 64]);
    assert_eq!(proof.verify(&made), Ok(()));
    assert_eq!(proof.address(), honest.address());
    made[4] = Evaluation::of(statement, *chosen.output());
    assert_eq!(KeyProof::new(&honest, &made, &[3; 64]).verify(&made), Err(NotOfKey::Unproven));
    let by_other = KeyProof::new(&other, &made, &[3; 64]);
    let refusal = NotOfKey::Redeemer { place: 0, redeemer: honest.address(), key: other.address() };
    assert_eq!(by_other.verify(&made), Err(refusal));
}

#[test]
fn a_proof_of_one_key_holds_for_just_those_outputs() {
    let key = key(3);
    let made = outputs(&key, 8);
    let proof = KeyProof::new(&key, &made, &[3; 64]);
    assert_eq!(KeyProof::from_bytes(&proof.to_bytes()), Ok(proof));
    assert_eq!(proof.verify(&made[..7]), Err(NotOfKey::Unproven));
    let mut swapped = made.clone();
    for (to, from) in [(1, 2), (2, 1)] {
        swapped[to] = Evaluation::of(*made[to].statement(), *made[from].output());
    }
    assert_eq!(proof.verify(&swapped), Err(NotOfKey::Unproven));
    // Their plain sum is what it was.
    let of_swapped = KeyProof::new(&key, &swapped, &[3; 64]);
    assert_eq!(of_swapped.verify(&swapped), Err(NotOfKey::Unproven));
    let mut reordered = made.clone();
    reordered.swap(1, 2);
    assert_eq!(proof.verify(&reordered), Err(NotOfKey::Unproven));
    for at in [64, 96] {
        let mut bytes = proof.to_bytes();
        bytes[at] ^= 1;
        assert_eq!(KeyProof::from_bytes(&bytes).unwrap().verify(&made), Err(NotOfKey::Unproven));
    }
    let bytes = proof.to_bytes();
    let refused = |at, new: &[u8]| KeyProof::from_bytes(&with(bytes, at, new));
    assert_eq!(refused(0, &[1]), Err(Malformed::Key));
    assert_eq!(refused(33, &[0xff; 32]), Err(Malformed::Hash));
    assert_eq!(refused(65, &[0xff; 32]), Err(Malformed::Response));
    // New each time.
    let again = KeyProof::new(&key, &made, &[4; 64]);
    assert_eq!(again.verify(&made), Ok(()));
    let distinct: BTreeSet<_> = [proof, again].map(|it| it.to_bytes()).into();
    assert_eq!(distinct.len(), 2);
}
