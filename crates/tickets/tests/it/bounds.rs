//! Nothing wraps and nothing is cut off, least of all at the ends of ranges.

use meshwork_tickets::{
    Amount, BadAmount, Body, ChallengeAddress, ChannelId, Epoch, IndexOffset, Interval, Luck,
    Ticket, TicketIndex, WinProbability,
};
use proptest::prelude::*;
use ruint::aliases::U256;

use crate::common::{amount, interval};

/// Numbers of so many bits, the ends more often than by chance.
fn near_ends(max: u128) -> impl Strategy<Value = u128> {
    prop_oneof![0..=max, 0..=max.min(3), max - max.min(3)..=max]
}

fn small(max: u64) -> impl Strategy<Value = u64> {
    near_ends(max.into()).prop_map(|it| u64::try_from(it).unwrap())
}

fn some_interval() -> impl Strategy<Value = Interval> {
    (small(TicketIndex::MAX.get()), small(u32::MAX.into())).prop_filter_map(
        "an interval that ends at an index",
        |(first, offset)| {
            let offset = IndexOffset::new(u32::try_from(offset).unwrap()).ok()?;
            Interval::new(TicketIndex::new(first).unwrap(), offset).ok()
        },
    )
}

prop_compose! {
    fn some_body()(
        channel in any::<[u8; 32]>(),
        epoch in small(Epoch::MAX.get().into()),
        interval in some_interval(),
        units in near_ends(Amount::MAX.get()),
        probability in small(WinProbability::ALWAYS.get()),
        challenge in any::<[u8; 20]>(),
    ) -> Body {
        Body {
            channel: ChannelId(channel),
            epoch: Epoch::new(u32::try_from(epoch).unwrap()).unwrap(),
            interval,
            amount: amount(units),
            probability: WinProbability::new(probability).unwrap(),
            challenge: ChallengeAddress(challenge),
        }
    }
}

proptest! {
    #[test]
    fn a_body_comes_back_from_its_bytes(body in some_body()) {
        prop_assert_eq!(Body::from_bytes(&body.to_bytes()), Ok(body));
    }

    #[test]
    fn bytes_that_are_a_ticket_are_its_bytes(bytes in prop::collection::vec(any::<u8>(), 148)) {
        if let Ok(ticket) = Ticket::from_bytes(&bytes) {
            prop_assert_eq!(&ticket.to_bytes()[..], &bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_ticket_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Ticket::from_bytes(&bytes).is_err() || bytes.len() == 148);
    }

    #[test]
    fn amounts_add_up_as_numbers_do(
        first in near_ends(Amount::MAX.get()),
        second in near_ends(Amount::MAX.get()),
        times in prop_oneof![any::<u64>(), 0..3_u64],
    ) {
        let (a, b) = (amount(first), amount(second));
        let is_amount = |units: u128| Amount::new(units).ok();
        prop_assert_eq!(a.checked_add(b), is_amount(first + second));
        prop_assert_eq!(a.checked_sub(b), first.checked_sub(second).map(amount));
        let product = first.checked_mul(u128::from(times)).and_then(is_amount);
        prop_assert_eq!(a.checked_mul(times), product);
        prop_assert_eq!(a.to_string().parse::<Amount>(), Ok(a));
        prop_assert_eq!(Amount::from_bytes(a.to_bytes()), Ok(a));
    }

    #[test]
    fn an_interval_is_the_indices_in_it(first in 0..40_u64, offset in 1..9_u32, other in some_interval()) {
        let it = interval(first, offset);
        let index = |number| TicketIndex::new(number).unwrap();
        for number in 0..60 {
            let expected = number >= first && number < first + u64::from(offset);
            prop_assert_eq!(it.contains(index(number)), expected);
        }
        prop_assert_eq!(it.end().get() - it.first().get(), u64::from(offset));
        for second in 0..50 {
            for length in 1..4 {
                let second = interval(second, length);
                let shared = (0..60).any(|n| it.contains(index(n)) && second.contains(index(n)));
                prop_assert_eq!(it.overlaps(&second), shared);
                prop_assert_eq!(second.overlaps(&it), shared);
                let both = it.covering(&second).unwrap();
                prop_assert!(both.covers(&it) && both.covers(&second));
                prop_assert_eq!(both.first(), it.first().min(second.first()));
                prop_assert_eq!(both.end(), it.end().max(second.end()));
            }
        }
        prop_assert!(other.end() > other.first() && other.overlaps(&other));
    }

    #[test]
    fn a_probability_comes_back_from_its_number(given in prop_oneof![0.0..=1.0, 0.0..1e-6_f64]) {
        let probability = WinProbability::from_f64(given).unwrap();
        let tolerance = if (1e-8..=1.0 - 1e-8).contains(&given) { f64::EPSILON } else { 1e-8 };
        prop_assert!((probability.to_f64() - given).abs() <= tolerance);
        prop_assert_eq!(WinProbability::from_bytes(probability.to_bytes()), probability);
    }

    #[test]
    fn more_likely_is_more(first in 0.0..=1.0, second in 0.0..=1.0) {
        let [a, b] = [first, second].map(|it: f64| WinProbability::from_f64(it).unwrap());
        prop_assert!(first > second || a <= b);
    }

    #[test]
    fn a_ticket_makes_up_for_its_probability(
        units in near_ends(Amount::MAX.get()),
        number in prop_oneof![small(WinProbability::ALWAYS.get()), 0..1000_u64],
    ) {
        let probability = WinProbability::new(number).unwrap();
        let mantissa = if probability == WinProbability::ALWAYS { 1 << 52 } else { (number + 1) >> 4 };
        let wide: U256 = U256::from(units) << 52_usize;
        let exact = wide.checked_div(U256::from(mantissa));
        let expected = exact.and_then(|it| u128::try_from(it).ok()).and_then(|it| Amount::new(it).ok());
        prop_assert_eq!(probability.divide(amount(units)).ok(), expected);
    }

    #[test]
    fn what_meets_a_probability_is_not_above_it(number in small(WinProbability::ALWAYS.get()), luck in small((1 << 56) - 1)) {
        let wins = WinProbability::new(number).unwrap().is_met_by(Luck::new(luck).unwrap());
        prop_assert_eq!(wins, luck <= number);
    }
}

#[test]
fn each_range_ends_where_it_should() {
    assert_eq!(Amount::MAX.get(), 10_u128.pow(25) - 1);
    assert!(Amount::new(10_u128.pow(25)).is_err());
    assert!(Amount::new(u128::MAX).is_err());
    assert!(TicketIndex::new((1 << 48) - 1).is_ok());
    assert!(TicketIndex::new(1 << 48).is_err());
    assert!(TicketIndex::new(u64::MAX).is_err());
    assert!(Epoch::new((1 << 24) - 1).is_ok());
    assert!(Epoch::new(1 << 24).is_err());
    assert!(Epoch::MAX.next().is_err());
    assert!(IndexOffset::new(0).is_err());
    assert!(WinProbability::new((1 << 56) - 1).is_ok());
    assert!(WinProbability::new(1 << 56).is_err());
    assert!(Luck::new(1 << 56).is_err());
    assert_eq!(TicketIndex::from_bytes([0xff; 6]), TicketIndex::MAX);
    assert_eq!(Epoch::from_bytes([0xff; 3]), Epoch::MAX);
    assert_eq!(WinProbability::from_bytes([0xff; 7]), WinProbability::ALWAYS);
}

#[test]
fn an_interval_ends_at_an_index() {
    let last = TicketIndex::MAX.get();
    let new = |first, offset| {
        Interval::new(TicketIndex::new(first).unwrap(), IndexOffset::new(offset).unwrap())
    };
    assert_eq!(new(last - 1, 1).unwrap().end(), TicketIndex::MAX);
    assert!(new(last, 1).is_err());
    assert!(new(last - u64::from(u32::MAX), u32::MAX).is_ok());
    assert!(new(last - u64::from(u32::MAX) + 1, u32::MAX).is_err());
    assert!(new(last, u32::MAX).is_err());
}

#[test]
fn an_interval_that_no_offset_can_say_is_refused() {
    let (first, far) = (interval(0, 1), interval(u64::from(u32::MAX), 1));
    let bad = first.covering(&far).unwrap_err();
    assert_eq!((bad.what, bad.value), ("index offset", 1 << 32));
    assert_eq!(
        first.covering(&interval(u64::from(u32::MAX) - 1, 1)).unwrap().offset().get(),
        u32::MAX
    );
}

/// Of a probability this small one more than it is 1, whose mantissa is 0, and one less than that
/// would be every bit.
#[test]
fn what_hardly_ever_wins_never_does() {
    for given in [0.0, -0.0, f64::MIN_POSITIVE, 1e-300, 1e-17, f64::EPSILON / 2.0, 9.9e-9] {
        assert_eq!(WinProbability::from_f64(given), Ok(WinProbability::NEVER), "{given}");
    }
    for given in [1.0, 1.0 - f64::EPSILON, 1.0 - 9.9e-9] {
        assert_eq!(WinProbability::from_f64(given), Ok(WinProbability::ALWAYS), "{given}");
    }
    assert_ne!(WinProbability::from_f64(1.0 - 2e-8), Ok(WinProbability::ALWAYS));
}

#[test]
fn what_is_no_probability_is_refused() {
    for given in [-1e-9, -1.0, 1.0 + f64::EPSILON, 2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
    {
        assert!(WinProbability::from_f64(given).is_err(), "{given}");
    }
}

#[test]
fn what_never_wins_is_worth_nothing_whatever_it_carries() {
    for number in 0..15 {
        let probability = WinProbability::new(number).unwrap();
        assert_eq!(probability.to_f64().to_bits(), 0.0_f64.to_bits());
        assert!(probability.divide(amount(1)).is_err());
        assert!(probability.divide(Amount::ZERO).is_err());
    }
    assert_eq!(WinProbability::ALWAYS.divide(Amount::MAX), Ok(Amount::MAX));
}

#[test]
fn text_that_is_no_amount_is_refused() {
    for text in ["", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1_0", "1e3", "١"] {
        assert_eq!(text.parse::<Amount>(), Err(BadAmount::NotDecimal), "{text}");
    }
    assert_eq!("0".repeat(26).parse::<Amount>(), Err(BadAmount::NotDecimal));
    let over = "9".repeat(25).parse::<Amount>().map(Amount::get);
    assert_eq!(over, Ok(10_u128.pow(25) - 1));
}
