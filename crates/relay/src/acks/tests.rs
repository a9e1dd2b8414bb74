//! Half keys, good and bad, checked together.

use proptest::prelude::*;
use tickets::PublicKey;

use super::*;

fn claim(number: u64) -> Claim {
    let mut bytes = Zeroizing::new([7; 32]);
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    (HalfKey::from_bytes(&bytes).unwrap().challenge(), bytes)
}

fn places(claims: &[Claim]) -> Vec<usize> {
    let checked = check(claims);
    assert_eq!(checked.len(), claims.len());
    for (half, (challenge, bytes)) in checked.iter().zip(claims) {
        if let Some(half) = half {
            assert_eq!((half.challenge(), half.to_bytes()), (*challenge, bytes.clone()));
        }
    }
    (0..claims.len()).filter(|place| checked[*place].is_none()).collect()
}

#[test]
fn bytes_that_are_no_number_spoil_no_others() {
    let mut claims: Vec<_> = (0..40).map(claim).collect();
    *claims[3].1 = [0; 32];
    *claims[39].1 = [0xff; 32];
    assert_eq!(places(&claims), [3, 39]);
}

/// Two errors that are each other's negatives: without weights the sum would hold.
#[test]
fn errors_do_not_cancel() {
    let mut claims: Vec<_> = (1..40).map(claim).collect();
    claims[5].1[31] += 1;
    claims[30].1[31] -= 1;
    assert_eq!(places(&claims), [5, 30]);
    claims.swap(5, 30);
    assert_eq!(places(&claims), [5, 30]);
    // Of two that are exchanged neither is good.
    let mut claims: Vec<_> = (1..40).map(claim).collect();
    let bytes = claims[0].1.clone();
    claims[0].1 = std::mem::replace(&mut claims[1].1, bytes);
    assert_eq!(places(&claims), [0, 1]);
}

#[test]
fn a_challenge_that_comes_twice_is_solved_twice() {
    let claims = vec![claim(1); 40];
    assert!(places(&claims).is_empty());
    assert!(places(&[]).is_empty());
    assert_eq!(PublicKey::from_bytes(&claims[0].0.to_bytes()).map(|_| ()), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn those_are_found_that_are_bad(
        len in 0_u64..90,
        bad in proptest::collection::btree_set(0_usize..90, 0..12),
    ) {
        let mut claims: Vec<_> = (1..=len).map(claim).collect();
        let bad: Vec<_> = bad.into_iter().filter(|place| *place < claims.len()).collect();
        for place in &bad {
            claims[*place].1[20] ^= 1;
        }
        let mut found = places(&claims);
        found.sort_unstable();
        prop_assert_eq!(found, bad);
    }
}
