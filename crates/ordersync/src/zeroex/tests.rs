//! Orders as items, their filter in both forms, and what a node takes.
use machine::UnixTime;
use orders::generate::{Config, Generator};
use orders::sample::SAMPLE_V3;
use orders::v3::{Signature, SignedOrder};
use orders::{Address, Network, U256};

use super::*;
use crate::{Entry, Filter, Kept, Rejected, Validator};

/// Some time in 2025.
const NOW: UnixTime = UnixTime::from_millis(1_750_000_000_000);

fn sample() -> Vec<SignedOrder> {
    SAMPLE_V3.lines().map(|line| Item::from_json(line).unwrap()).collect()
}

fn everything() -> Wanted {
    Wanted::new(Network::MAINNET, "{}").unwrap()
}

#[test]
fn an_order_keeps_its_name_in_every_form() {
    let orders = sample();
    let together = SignedOrder::encode_batch(&orders.iter().collect::<Vec<_>>());
    assert_eq!(SignedOrder::decode_batch(&together, orders.len()).unwrap(), orders);
    assert!(SignedOrder::decode_batch(&together, orders.len() - 1).is_err());
    for (order, line) in orders.iter().zip(SAMPLE_V3.lines()) {
        assert_eq!(Item::to_json(order), line);
        assert_eq!(order.id().to_string(), order.hash().to_string());
        let alone = SignedOrder::encode_batch(&[order]);
        assert!(alone.len() <= Kept::BYTES_MAX);
        assert_eq!(SignedOrder::decode_batch(&alone, 1).unwrap()[0], *order);
    }
}

#[test]
fn an_order_ends_when_it_says() {
    let end = |seconds: U256| expires(seconds).map(UnixTime::as_millis);
    assert_eq!(end(U256::from(7)), Some(7000));
    assert_eq!(end(U256::from(u64::MAX)), Some(u64::MAX));
    assert_eq!(end(U256::from(u64::MAX) + U256::from(1)), None);
    assert_eq!(end(U256::MAX), None);
}

#[test]
fn a_filter_comes_back_from_both_forms() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x0[0-7]"}}}"#;
    let some = Wanted::new(Network::MAINNET, schema).unwrap();
    for (wanted, everything, len) in
        [(Wanted::All, true, 0), (everything(), true, 21), (some, false, 21 + schema.len())]
    {
        assert_eq!(wanted.is_everything(), everything);
        assert_eq!(Wanted::from_json(&wanted.to_json()).unwrap(), wanted);
        assert_eq!(wanted.to_bytes().len(), len);
        assert_eq!(Wanted::from_bytes(&wanted.to_bytes()).unwrap(), wanted);
    }
    let asked = r#"{"customOrderSchema":"{}","chainID":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788"}"#;
    let wanted = Wanted::from_json(asked).unwrap();
    assert_eq!((wanted.network(), wanted.to_json().as_str()), (Some(Network::GANACHE), asked));
}

#[test]
fn a_filter_passes_what_it_says() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x[0-7]"}}}"#;
    let low = Wanted::new(Network::MAINNET, schema).unwrap();
    let elsewhere = Wanted::new(Network::GANACHE, "{}").unwrap();
    let (mut passed, orders) = (0, sample());
    for order in &orders {
        let expected = order.order.maker.0[0] < 0x80;
        assert_eq!(low.matches(order), expected);
        assert!(everything().matches(order) && Wanted::All.matches(order));
        assert!(!elsewhere.matches(order));
        passed += usize::from(expected);
    }
    assert!((1..orders.len()).contains(&passed), "{passed}");
}

#[test]
fn what_is_traded_elsewhere_is_not_to_be_had_here() {
    let elsewhere = Wanted::new(Network::GANACHE, "{}").unwrap();
    assert!(!everything().overlaps(&elsewhere) && !elsewhere.overlaps(&everything()));
    assert!(everything().overlaps(&everything()) && everything().overlaps(&Wanted::All));
}

#[test]
fn bytes_that_are_no_filter_are_refused() {
    let good = everything().to_bytes();
    for cut in 1..good.len() {
        assert!(Wanted::from_bytes(&good[..cut]).is_err(), "{cut}");
    }
    let with = |schema: &[u8]| Wanted::from_bytes(&[&good, schema].concat());
    assert!(with(b"{}").is_err(), "one filter has one form");
    assert!(with(b"{").is_err() && with(b"\xff").is_err() && with(b" ").is_err());
    assert!(with(&vec![b' '; 20_000]).is_err());
    assert!(Wanted::from_bytes(&[&[0x81, 0][..], &good[1..]].concat()).is_err(), "overlong");
    assert!(Wanted::from_bytes(&[&[0][..], &good[1..]].concat()).is_err(), "no chain is 0");
    for text in ["", "{}", "nul", "[null]", "null null"] {
        assert!(Wanted::from_json(text).is_err(), "{text:?}");
    }
}

fn verdict(rules: &Rules, order: &SignedOrder) -> Result<(), Rejected> {
    rules.check(&[Entry::new(order.clone())], NOW).remove(0)
}

fn code(rules: &Rules, order: &SignedOrder) -> (&'static str, bool) {
    match verdict(rules, order).unwrap_err() {
        Rejected::Invalid { code, .. } => (code, true),
        Rejected::Unwanted { code, .. } => (code, false),
        other @ (Rejected::Expired | Rejected::Full | Rejected::Later { .. }) => panic!("{other}"),
    }
}

#[test]
fn good_orders_are_taken_and_others_by_name_not() {
    let rules = Rules::new(Network::MAINNET, everything(), false);
    let orders = sample();
    let entries: Vec<_> = orders.iter().cloned().map(Entry::new).collect();
    assert_eq!(rules.check(&entries, NOW), vec![Ok(()); orders.len()]);

    let after_all = UnixTime::from_millis(u64::MAX);
    assert_eq!(rules.check(&entries[..1], after_all), [Err(Rejected::Expired)]);

    let order = &orders[0];
    let changed = |change: fn(&mut SignedOrder)| {
        let mut order = order.clone();
        change(&mut order);
        order
    };
    let (_, is_the_makers_fault) = code(&rules, &changed(|it| it.order.salt += U256::from(1)));
    assert!(is_the_makers_fault, "a forged order");
    let zero = changed(|it| it.order.maker_asset_amount = U256::ZERO);
    assert_eq!(code(&rules, &zero), ("maker_amount", true));
    assert_eq!(code(&rules, &changed(|it| it.order.chain_id = 5)), ("chain_id", false));
    let sender = changed(|it| it.order.sender = Address([1; 20]));
    assert_eq!(code(&rules, &sender), ("sender", false));

    let other = Generator::new([1; 32], Config { network: Network::GANACHE, ..Config::default() });
    let other = other.take(1).next().unwrap();
    assert_eq!(code(&rules, &other), ("chain_id", false));
}

#[test]
fn the_filter_of_the_node_keeps_orders_out() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x[0-7]"}}}"#;
    let low = Wanted::new(Network::MAINNET, schema).unwrap();
    let rules = Rules::new(Network::MAINNET, low, false);
    for order in sample() {
        if order.order.maker.0[0] < 0x80 {
            assert_eq!(verdict(&rules, &order), Ok(()));
        } else {
            assert_eq!(code(&rules, &order), (Rules::UNMATCHED, false));
        }
    }
}

#[test]
fn what_only_the_chain_can_check_is_taken_on_demand() {
    let [strict, lenient] =
        [false, true].map(|lenient| Rules::new(Network::MAINNET, everything(), lenient));
    let mut order = sample().remove(0);
    order.signature = Signature::from(vec![6]);
    assert_eq!(code(&strict, &order), ("signature_offline", false));
    assert_eq!(verdict(&lenient, &order), Ok(()));
    order.signature = Signature::from(vec![1]);
    assert!(code(&lenient, &order).1, "never valid");
}

#[test]
fn an_order_of_another_network_is_not_wanted_after_a_change_of_it() {
    let entry = Entry::new(sample().remove(0));
    let wants = |network| {
        let wanted = Wanted::new(network, "{}").unwrap();
        Rules::new(network, wanted, false).is_still_wanted(&entry)
    };
    assert!(wants(Network::MAINNET));
    assert!(!wants(Network::GANACHE));
}

#[test]
fn a_signature_that_only_a_contract_can_check_is_wanted_as_long_as_the_rules_say_so() {
    let signature = Signature::from(vec![6]);
    let entry = Entry::new(SignedOrder { signature, ..sample().remove(0) });
    for lenient in [false, true] {
        let rules = Rules::new(Network::MAINNET, everything(), lenient);
        assert_eq!(rules.is_still_wanted(&entry), lenient);
    }
}
