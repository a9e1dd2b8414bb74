//! Together as alone, whatever is claimed.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::BTreeMap;

use k256::elliptic_curve::ops::Reduce as _;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{FieldBytes, ProjectivePoint, Scalar};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ruint::aliases::U256;
use secp256k1::{PublicKey, SecretKey};

use super::*;
use crate::signature;
use crate::{Address, Signature};

/// What somebody claims, open to changes.
#[derive(Clone, Copy, Debug)]
struct Made {
    digest: [u8; 32],
    v: u8,
    r: [u8; 32],
    s: [u8; 32],
    signer: Address,
}

impl Made {
    fn claim(&self) -> Claim {
        let signature = Signature::join(self.v, &self.r, &self.s);
        Claim { digest: self.digest, signature, signer: self.signer }
    }
}

/// The key of the signer of a good one.
fn key(made: &Made) -> PublicKey {
    made.claim().key().expect("good")
}

/// Good claims of so many signers.
fn made(signers: usize, count: usize, seed: u8) -> Vec<Made> {
    let mut rng = ChaCha8Rng::from_seed([seed; 32]);
    let draw = |_| SecretKey::from_secret_bytes(rng.random()).expect("all but one of 2¹²⁸ are");
    let keys: Vec<_> = (0..signers).map(draw).collect();
    let sign = |_| {
        let key = &keys[rng.random_range(0..signers)];
        let digest = rng.random();
        let signature = Signature::sign(digest, key);
        let (r, s) = signature.halves();
        let signer = signature::address(&PublicKey::from_secret_key(key));
        Made { digest, v: signature.v, r, s, signer }
    };
    (0..count).map(sign).collect()
}

fn alone(claims: &[Claim]) -> Vec<Result<(), BadSignature>> {
    claims.iter().map(Claim::check).collect()
}

fn claims(made: &[Made]) -> Vec<Claim> {
    made.iter().map(Made::claim).collect()
}

/// Checks them by a verifier that knows the signers of `good`.
fn together(good: &[Made], claims: &[Claim]) -> Vec<Result<(), BadSignature>> {
    let verifier = Verifier::new();
    let good: Vec<_> = good.iter().cycle().take(Verifier::TOGETHER_MIN.max(good.len())).collect();
    let good: Vec<_> = good.into_iter().map(Made::claim).collect();
    assert!(verifier.check(&good).iter().all(Result::is_ok));
    verifier.check(claims)
}

fn scalar(bytes: [u8; 32]) -> Scalar {
    Scalar::reduce(&FieldBytes::from(bytes))
}

fn bytes(scalar: Scalar) -> [u8; 32] {
    scalar.to_bytes().into()
}

fn order_of_curve() -> U256 {
    U256::from_be_bytes(secp256k1::constants::CURVE_ORDER)
}

/// Ways to spoil a claim, some of which leave it good.
fn spoil(made: &mut Made, how: u8, other: &Made) {
    let negated = bytes(-scalar(made.s));
    match how % 16 {
        0 => made.v = 55 - made.v,
        1 => made.v = made.v.wrapping_add(how),
        2 => made.s = negated,
        3 => (made.v, made.s) = (55 - made.v, negated),
        4 => made.s = other.s,
        5 => made.r = other.r,
        6 => made.digest = other.digest,
        7 => made.signer = other.signer,
        8 => made.r = [0; 32],
        9 => made.s = [0; 32],
        10 => made.r = secp256k1::constants::CURVE_ORDER,
        11 => made.r = [0xff; 32],
        12 => made.r[31] ^= 1,
        13 => made.s[31] ^= 1,
        14 => made.digest[usize::from(how) % 32] ^= 0x80,
        _ => *made = *other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn each_gets_the_answer_that_it_gets_alone(
        signers in prop_oneof![Just(1_usize), 2..12_usize, Just(500)],
        count in 60..130_usize,
        seed in any::<u8>(),
        known in any::<bool>(),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let good = made(signers, count, seed);
        let mut these = good.clone();
        for (at, how, other) in spoilt {
            let other = good[other.index(count)];
            spoil(&mut these[at.index(count)], how, &other);
        }
        let claims = claims(&these);
        let checks = if known { together(&good, &claims) } else { Verifier::new().check(&claims) };
        prop_assert_eq!(checks, alone(&claims));
    }
}

#[test]
fn every_way_to_spoil_one_is_seen_and_only_that_one_is_refused() {
    let good = made(3, 80, 1);
    let keys: BTreeMap<_, _> = good.iter().map(|made| (made.signer, key(made))).collect();
    let sum = |these: &[Made]| {
        let mut equation = Equation::with_capacity(these.len());
        for made in these {
            equation.add(&made.claim(), &keys[&made.signer]);
        }
        equation.len() == these.len() && equation.holds()
    };
    assert!(sum(&good));
    let other = good.iter().find(|it| it.signer != good[17].signer).expect("three signers");
    for how in 0..15 {
        let mut these = good.clone();
        spoil(&mut these[17], how, other);
        assert!(!sum(&these), "{how}");
        let checks = together(&good, &claims(&these));
        assert_eq!(checks, alone(&claims(&these)), "{how}");
        for (at, check) in checks.into_iter().enumerate() {
            assert_eq!(check.is_ok(), at != 17, "{how}: {at} {check:?}");
        }
    }
}

#[test]
fn two_that_would_cancel_in_a_plain_sum_are_both_refused() {
    let good = made(1, 80, 2);
    let mut these = good.clone();
    let shift = Scalar::from(7_u64);
    these[0].digest = bytes(scalar(these[0].digest) + shift * scalar(these[0].s));
    these[1].digest = bytes(scalar(these[1].digest) - shift * scalar(these[1].s));
    // The sum of z / s is what it was.
    let share = |made: &Made| scalar(made.digest) * scalar(made.s).invert().expect("not zero");
    assert_eq!(share(&these[0]) + share(&these[1]), share(&good[0]) + share(&good[1]));
    let checks = together(&good, &claims(&these));
    for (at, check) in checks.into_iter().enumerate() {
        let is_bad = matches!(check, Err(BadSignature::Signer { .. }));
        assert_eq!(is_bad, at < 2, "{at} {check:?}");
    }
}

#[test]
fn one_that_is_said_twice_is_good_twice_and_one_bad_spoils_none() {
    let mut these = made(2, 40, 3);
    these.extend_from_within(..);
    assert!(together(&these, &claims(&these)).iter().all(Result::is_ok));
    these[5].v = 0;
    these.push(these[0]);
    assert_eq!(together(&made(2, 40, 3), &claims(&these)), alone(&claims(&these)));
}

/// Claims of a signer of whom only the public key is known: nothing stands for their digests.
fn forged(key: ProjectivePoint, count: u64) -> Vec<Made> {
    let signer = address(key);
    let forge = |number: u64| {
        let (first, second) = (Scalar::from(number), Scalar::from(number * number + 1));
        let point = ProjectivePoint::GENERATOR * first + key * second;
        let encoded = point.to_affine().to_sec1_point(false);
        let r: [u8; 32] = encoded.as_bytes()[1..33].try_into().expect("an abscissa");
        let odd = encoded.as_bytes()[64] & 1;
        let s = scalar(r) * second.invert().expect("not zero");
        let digest = bytes(first * s);
        let mut made = Made { digest, v: 27 + odd, r, s: bytes(s), signer };
        if U256::from_be_bytes(made.s) > order_of_curve() >> 1 {
            (made.v, made.s) = (55 - made.v, bytes(-s));
        }
        made
    };
    (1..=count).map(forge).collect()
}

fn address(key: ProjectivePoint) -> Address {
    let encoded = key.to_affine().to_sec1_point(false);
    signature::address(&PublicKey::from_slice(encoded.as_bytes()).expect("a key"))
}

/// The point with this abscissa and an even ordinate.
fn lift(abscissa: U256) -> Option<ProjectivePoint> {
    let mut compressed = [2; 33];
    compressed[1..].copy_from_slice(&abscissa.to_be_bytes::<32>());
    crate::point(&compressed).map(ProjectivePoint::from)
}

/// A verifier of signatures without `v` reduces the abscissa by the order of the curve, and takes
/// what recovery does not.
#[test]
fn an_abscissa_beyond_the_order_is_refused_as_recovery_refuses_it() {
    let mut seen = 0;
    for small in 1..=39_u64 {
        let Some(point) = lift(order_of_curve() + U256::from(small)) else {
            continue;
        };
        let (r, s, digest) = (Scalar::from(small), Scalar::from(9_u64), Scalar::from(5_u64));
        let key = (point * s - ProjectivePoint::GENERATOR * digest) * r.invert().expect("not zero");
        let mut these = forged(key, 80);
        for v in [27, 28, 29] {
            let signer = address(key);
            let made = Made { digest: bytes(digest), v, r: bytes(r), s: bytes(s), signer };
            these.push(made);
            let checks = together(&these[..80], &claims(&these));
            assert_eq!(checks, alone(&claims(&these)));
            assert_ne!(checks.last(), Some(&Ok(())));
            these.pop();
        }
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn a_key_at_infinity_is_nobodys() {
    let good = made(1, 80, 4);
    let point = ProjectivePoint::GENERATOR * Scalar::from(3_u64);
    let encoded = point.to_affine().to_sec1_point(false);
    let mut these = good.clone();
    these[3] = Made {
        r: encoded.as_bytes()[1..33].try_into().expect("an abscissa"),
        v: 27 + (encoded.as_bytes()[64] & 1),
        s: bytes(Scalar::from(11_u64)),
        digest: bytes(Scalar::from(33_u64)),
        ..these[3]
    };
    let checks = together(&good, &claims(&these));
    assert_eq!(checks[3], Err(BadSignature::NoKey));
    assert_eq!(checks, alone(&claims(&these)));
}

/// A claim, and the key of its signer.
type Known = (Made, PublicKey);

#[test]
fn a_multiplier_depends_on_all_that_is_claimed_and_on_the_key() {
    let good = made(2, 8, 5);
    let first = |these: &[Known]| {
        let mut equation = Equation::with_capacity(these.len());
        for (made, key) in these {
            assert!(equation.add(&made.claim(), key));
        }
        equation.multipliers().next()
    };
    let these: Vec<_> = good.iter().map(|made| (*made, key(made))).collect();
    let mut seen = vec![first(&these), first(&these[..7])];
    assert_eq!(seen[0], first(&these));
    let changes: [fn(&mut Known, &Known); 5] = [
        |it, _| it.0.v = 55 - it.0.v,
        |it, other| it.0.r = other.0.r,
        |it, _| it.0.s[31] ^= 1,
        |it, _| it.0.digest[0] ^= 1,
        |it, _| it.1 = it.1.negate(),
    ];
    for change in changes {
        let mut changed = these.clone();
        change(&mut changed[7], &these[2]);
        seen.push(first(&changed));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn only_keys_that_signed_are_remembered() {
    let verifier = Verifier::new();
    let good = made(1, 80, 6);
    let stranger = Address([7; 20]);
    let bad: Vec<_> = good.iter().map(|it| Made { signer: stranger, ..*it }.claim()).collect();
    assert_eq!(verifier.check(&bad), alone(&bad));
    assert_eq!(verifier.lock().len(), 0);
    assert_eq!(verifier.check(&claims(&good)), vec![Ok(()); 80]);
    assert_eq!(verifier.lock().len(), 1);
}

#[test]
fn signers_are_forgotten_from_the_one_seen_longest_ago() {
    let key = key(&made(1, 1, 8)[0]);
    let signer = |number: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Address(bytes)
    };
    let mut keys = Keys::default();
    for number in 0..100_000 {
        keys.learn([(signer(number), key)]);
        assert!(keys.len() <= Verifier::SIGNERS_MAX);
        // One of them is always there.
        assert_eq!(keys.find([signer(0)]).len(), 1, "{number}");
    }
    assert_eq!(keys.find([signer(99_999), signer(99_000)]).len(), 2);
    assert_eq!(keys.find([signer(1), signer(80_000)]).len(), 0);
}
