//! The laws of the mixer.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn mixer<T>(config: &Config, seed: u8) -> Mixer<T> {
    Mixer::new(&config.check().expect("valid"), [seed; 32])
}

/// All that is due at `now`.
fn pop_all<T>(mixer: &mut Mixer<T>, now: Instant) -> Vec<T> {
    std::iter::from_fn(|| mixer.pop(now)).collect()
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let default = Config::default;
    for (text, config) in [
        (
            "delay_min is 11s, must be at most 10s",
            Config { delay_min: millis(11_000), ..default() },
        ),
        ("items_max is 0, must be 1 to 10000000", Config { items_max: 0, ..default() }),
        (
            "bytes_max is 65535, must be 65536 to 17179869184",
            Config { bytes_max: 65_535, ..default() },
        ),
    ] {
        assert_eq!(config.check().expect_err(text).to_string(), text);
    }
}

#[test]
fn packets_that_are_due_together_leave_as_they_came() {
    let config = Config { delay_min: millis(5), delay_range: Duration::ZERO, ..Config::default() };
    let mut mixer = mixer(&config, 1);
    for number in 0..1_000 {
        assert!(mixer.insert(number, 1, Instant::START).is_empty());
    }
    assert_eq!(mixer.pop(Instant::at(millis(4))), None);
    assert_eq!(pop_all(&mut mixer, Instant::at(millis(5))), (0..1_000).collect::<Vec<_>>());
    assert_eq!((mixer.len(), mixer.bytes()), (0, 0));
}

#[test]
fn delays_are_even_and_the_order_is_not_that_of_arrival() {
    let config = Config { delay_min: millis(10), ..Config::default() };
    let mut mixer = mixer(&config, 2);
    for number in 0..20_000_usize {
        assert!(mixer.insert(number, 1, Instant::START).is_empty());
    }
    let (mut buckets, mut order) = ([0_i32; 20], Vec::new());
    while let Some(due) = mixer.next_deadline() {
        let delay = due.elapsed();
        assert!((millis(10)..millis(210)).contains(&delay), "{delay:?}");
        let bucket = delay.as_millis() / 10 - 1;
        buckets[usize::try_from(bucket).expect("below 20")] += 1;
        order.push(mixer.pop(due).expect("it is due"));
    }
    // Six standard deviations of 20,000 / 20.
    assert!(buckets.iter().all(|count| (count - 1_000).abs() < 190), "{buckets:?}");
    let in_order = order.is_sorted_by(|one, next| one < next);
    assert!(!in_order);
    let kept = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((9_500..10_500).contains(&kept), "of two neighbours either may have come first");
}

#[test]
fn over_its_bounds_what_would_be_due_first_goes_now() {
    let config = Config { items_max: 3, bytes_max: 65_536, ..Config::default() };
    let mut mixer = mixer(&config, 3);
    for number in 0..3 {
        assert!(mixer.insert(number, 100, Instant::START).is_empty());
    }
    let due = mixer.next_deadline().expect("three wait");
    let early = mixer.insert(3, 100, Instant::START);
    assert_eq!((early.len(), mixer.len(), mixer.hurried()), (1, 3, 1));
    assert!(mixer.next_deadline() >= Some(due), "no other was due before it");
    // One that is too large alone takes all others along, and itself.
    let early = mixer.insert(4, 65_537, Instant::START);
    assert!(early.contains(&4));
    assert!(mixer.bytes() <= 65_536);
    let rest = pop_all(&mut mixer, Instant::at(millis(200)));
    assert_eq!(early.len() + rest.len(), 4);
}

#[test]
fn the_clock_does_not_go_back() {
    let config = Config { delay_min: millis(5), delay_range: Duration::ZERO, ..Config::default() };
    let mut mixer = mixer(&config, 4);
    assert!(mixer.insert(1, 1, Instant::at(millis(100))).is_empty());
    assert!(mixer.insert(2, 1, Instant::at(millis(50))).is_empty());
    assert_eq!(mixer.pop(Instant::at(millis(104))), None);
    assert_eq!(pop_all(&mut mixer, Instant::at(millis(105))), [1, 2]);
}

#[test]
fn the_seed_is_not_shown() {
    let shown = format!("{:?}", mixer::<u8>(&Config::default(), 0xAB));
    assert_eq!(shown, "Mixer { items: 0, bytes: 0, hurried: 0, .. }");
}

/// What a run looks like from outside: when each packet came out, in order.
fn run(config: &Config, seed: u8, arrivals: &[(u64, u64)]) -> Vec<(usize, Instant, bool)> {
    let (mut mixer, mut now, mut out) = (mixer(config, seed), Instant::START, Vec::new());
    for (number, (gap, bytes)) in arrivals.iter().enumerate() {
        now = now.after(millis(*gap));
        while let Some(due) = mixer.next_deadline().filter(|due| *due <= now) {
            out.push((mixer.pop(due).expect("it is due"), due, false));
        }
        assert_eq!(mixer.pop(now), None, "all that was due is out");
        out.extend(mixer.insert(number, *bytes, now).into_iter().map(|early| (early, now, true)));
        assert!(mixer.len() <= config.items_max && mixer.bytes() <= config.bytes_max);
    }
    while let Some(due) = mixer.next_deadline() {
        out.push((mixer.pop(due).expect("it is due"), due, false));
    }
    assert_eq!((mixer.len(), mixer.bytes()), (0, 0));
    out
}

proptest! {
    /// Each packet leaves once, in time or early for lack of room, and equal seeds give equal runs.
    #[test]
    fn every_packet_leaves_once_and_in_time(
        arrivals in vec((0_u64..30, 0_u64..20_000), 0..200),
        items_max in 1_usize..40,
        seed: u8,
    ) {
        let config = Config {
            delay_min: millis(20),
            delay_range: millis(100),
            items_max,
            bytes_max: 65_536,
        };
        let out = run(&config, seed, &arrivals);
        prop_assert_eq!(&out, &run(&config, seed, &arrivals));
        prop_assert!(out.is_sorted_by_key(|(_, at, _)| *at));
        let mut came = Vec::new();
        let mut now = Instant::START;
        for (gap, _) in &arrivals {
            now = now.after(millis(*gap));
            came.push(now);
        }
        for (number, at, early) in &out {
            let (delay, came) = (at.since(came[*number]), came[*number]);
            prop_assert!(came <= *at && delay < millis(120));
            prop_assert!(*early || delay >= millis(20));
        }
        let mut numbers: Vec<_> = out.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..arrivals.len()).collect::<Vec<_>>());
    }
}
