//! Estimates of differences nobody counted.

use meshwork_reconcile::Estimator;
use rand::RngExt;

use crate::rng;

fn estimate(seed: u64, common: usize, only: [usize; 2]) -> u64 {
    let mut rng = rng(seed);
    let mut sides = [Estimator::new(), Estimator::new()];
    for _ in 0..common {
        let id = rng.random();
        for side in &mut sides {
            side.insert(&id);
        }
    }
    for (side, only) in sides.iter_mut().zip(only) {
        (0..only).for_each(|_| side.insert(&rng.random()));
    }
    let both = [0, 1].map(|side| sides[side].difference(&sides[1 - side].to_bytes()));
    assert_eq!(both[0], both[1], "it depends on the side");
    both[0]
}

#[test]
fn estimates_are_right_on_average_and_within_a_fifth() {
    for (common, only) in [(0, [1, 0]), (100, [5, 5]), (100, [100, 0]), (100, [200, 300])] {
        let d = (only[0] + only[1]) as f64;
        let runs: Vec<f64> =
            (0..100).map(|seed| estimate(seed, common, only) as f64 / d - 1.0).collect();
        let mean = runs.iter().sum::<f64>() / 100.0;
        let spread = (runs.iter().map(|error| error * error).sum::<f64>() / 100.0).sqrt();
        assert!(mean.abs() < 0.08, "{only:?}: {mean} too much on average");
        assert!(spread < 0.23, "{only:?}: off by {spread}");
    }
}

#[test]
fn nothing_differs_after_all_is_taken_back() {
    let mut rng = rng(5);
    let ids: Vec<[u8; 32]> = (0..3_000).map(|_| rng.random()).collect();
    let mut estimator = Estimator::new();
    for id in &ids {
        estimator.insert(id);
    }
    let before = estimator.clone();
    assert!(estimator.difference(&Estimator::new().to_bytes()) > 2_000);
    for id in ids.iter().rev() {
        estimator.remove(id);
    }
    assert_eq!(estimator, Estimator::new());
    assert_eq!(estimator.to_bytes(), [0; Estimator::LEN]);
    assert_eq!(before.difference(&before.to_bytes()), 0);
}

#[test]
fn any_bytes_give_some_estimate() {
    let mut estimator = Estimator::new();
    estimator.insert(&[0; 32]);
    // Every counter of ours is −1, every one of theirs is −1 as well, or half the modulus away.
    assert_eq!(estimator.difference(&[0xff; Estimator::LEN]), 0);
    let far = [0xff, 0xf7, 0x7f].repeat(Estimator::LEN / 3).try_into().unwrap();
    assert_eq!(estimator.difference(&far), 1 << 22);
}
