//! The replay guard with both its generations full, beside two filters of `fastbloom` of the same
//! size, each of which has one generation.

use std::hint::black_box;

use fastbloom::BloomFilter;
use relay::replay::{Config, Guard};
use tokio::time::Instant;

use crate::{Best, Failure, report, report_ratio};

/// Look-ups of one turn, and turns.
const LOOK_UPS: u32 = 1_000_000;
const TURNS: u32 = 5;

/// A tag as good as random.
fn tag(number: u64) -> [u8; 16] {
    // Odd factors of 64 bits, so that no two numbers have one tag.
    let (low, high) =
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    (u128::from(low) << 64 | u128::from(high)).to_le_bytes()
}

/// The share of tags that were never shown and are taken for ones that were, and the best time of
/// [`LOOK_UPS`].
fn look_up(fresh: u64, is_known: impl Fn(&[u8; 16]) -> bool) -> (f64, Best) {
    let (mut best, mut wrong) = (Best::NONE, 0);
    // Ten times as many for the share as are timed at once.
    for turn in 0..TURNS.max(10) {
        let from = fresh + u64::from(turn * LOOK_UPS);
        let tags: Vec<_> = (from..from + u64::from(LOOK_UPS)).map(tag).collect();
        wrong += best.time(|| black_box(&tags).iter().filter(|tag| is_known(tag)).count());
    }
    let asked = f64::from(LOOK_UPS * TURNS.max(10));
    (f64::from(u32::try_from(wrong).unwrap_or(u32::MAX)) / asked, best)
}

pub(crate) fn run(capacity: u64) -> Result<(), Failure> {
    let params = Config { capacity, ..Config::default() }.check()?;
    let guard = Guard::new(&params, *b"a secret of ours");
    let start = Instant::now();
    // One less, and the older generation would be forgotten.
    let full = 2 * capacity - 1;
    let mut number = 0;
    while guard.counts().admitted < full {
        let _taken_for_a_replay = guard.admit(&tag(number)).is_err();
        number += 1;
    }
    let admitted = start.elapsed() / u32::try_from(number)?;
    let (ours, ours_time) = look_up(number, |tag| guard.contains(tag));

    // As much memory for each generation, and as many tags in it.
    let (bits, items) = (params.bytes() * 4, usize::try_from(capacity)?);
    let filter = || BloomFilter::with_num_bits(bits).seed(&7).expected_items(items);
    let mut filters = [filter(), filter()];
    let start = Instant::now();
    for number in 0..full {
        let [older, newer] = &mut filters;
        let tag = tag(number);
        if !older.contains(&tag) && !newer.contains(&tag) {
            if number < capacity {
                older.insert(&tag)
            } else {
                newer.insert(&tag)
            };
        }
    }
    let inserted = start.elapsed() / u32::try_from(full)?;
    let known = |tag: &[u8; 16]| filters.iter().any(|filter| filter.contains(tag));
    let (theirs, theirs_time) = look_up(full, known);

    let name = |row: &str| format!("replay/{row}");
    report(&name("look_up"), LOOK_UPS, ours_time, ("fastbloom", theirs_time));
    let ratio = admitted.as_secs_f64() / inserted.as_secs_f64();
    let details =
        format!("ours {admitted:.1?}, with its lock; fastbloom {inserted:.1?}, with none");
    report_ratio(&name("admit"), ratio, &details);
    let details = format!(
        "{ours:.1e} of fresh tags with {full} remembered, aim 1e-5; fastbloom with as much memory \
         {theirs:.1e}"
    );
    report_ratio(&name("false_positives"), ours / 1e-5, &details);
    // As large as it has to be for as few false positives, half of them in each generation.
    let as_good = BloomFilter::with_false_pos((ours / 2.0).max(1e-7)).expected_items(items);
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let [each, other] =
        [params.bytes(), as_good.num_bits() / 4].map(|bytes| bytes as f64 / items as f64);
    let details = format!(
        "{each:.2} B for each of {capacity}, twice as many are held at most; fastbloom for as few \
         false positives {other:.2} B"
    );
    report_ratio(&name("bytes"), each / other, &details);
    Ok(())
}
