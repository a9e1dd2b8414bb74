//! Orders as items, alone and in pages, their filter in both forms, and what a node takes.
use machine::UnixTime;
use orders::generate::{Config, Generator};
use orders::sample::SAMPLE_V3;
use orders::v3::Signature;
use orders::v4::RECORD_LEN;
use orders::{Address, Network, U256, Version, batch, v3, v4};

use super::order::expires;
use super::*;
use crate::json::Envelope;
use crate::service::Protocol;
use crate::{Entry, Filter, Item, Kept, Rejected, Validator};

/// Some time in 2025.
const NOW: UnixTime = UnixTime::from_millis(1_750_000_000_000);

fn sample() -> Vec<Order> {
    SAMPLE_V3.lines().map(|line| Item::from_json(line).unwrap()).collect()
}

fn proxy() -> Network {
    Network::v4(1).unwrap()
}

/// Orders of version 4 for the proxy of the main network.
fn sample_v4(count: usize) -> Vec<Order> {
    let mut made = Generator::new([4; 32], Config { network: proxy(), ..Config::default() });
    std::iter::repeat_with(|| Order::from(made.limit_order())).take(count).collect()
}

/// Orders of both versions, now one, now the other.
fn mixed(count: usize) -> Vec<Order> {
    let of_v4 = sample_v4(count);
    let both = sample().into_iter().zip(of_v4).enumerate();
    both.map(|(place, (v3, v4))| if place % 3 == 1 { v4 } else { v3 }).take(count).collect()
}

fn page(orders: &[Order]) -> Vec<u8> {
    Order::encode_batch(&orders.iter().collect::<Vec<_>>())
}

fn everything() -> Wanted {
    Wanted::new(Network::MAINNET, "{}").unwrap()
}

#[test]
fn an_order_keeps_its_name_in_every_form() {
    let orders = sample();
    let together = page(&orders);
    assert_eq!(Order::decode_batch(&together, orders.len()).unwrap(), orders);
    assert!(Order::decode_batch(&together, orders.len() - 1).is_err());
    for (order, line) in orders.iter().zip(SAMPLE_V3.lines()) {
        assert_eq!(Item::to_json(order), line);
        assert_eq!(order.id().to_string(), order.hash().to_string());
        let alone = Order::encode_batch(&[order]);
        assert!(alone.len() <= Kept::BYTES_MAX);
        assert_eq!(Order::decode_batch(&alone, 1).unwrap()[0], *order);
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
    let v4 = proxy().exchange;
    for (v3, len) in [(everything(), 21), (some, 21 + schema.len())] {
        assert_eq!(Wanted::from_json(&v3.to_json()).unwrap(), v3);
        let both = v3.clone().and_v4(v4);
        assert_eq!(Wanted::from_json(&both.to_json()).unwrap(), v3, "JSON speaks of v3 only");
        for (wanted, len) in [(v3, len), (both, len + 21)] {
            assert!(!wanted.is_everything());
            assert_eq!(wanted.to_bytes().len(), len);
            assert_eq!(Wanted::from_bytes(&wanted.to_bytes()).unwrap(), wanted);
        }
    }
    assert!(Wanted::ALL.is_everything() && Wanted::ALL.to_bytes().is_empty());
    assert_eq!(Wanted::from_bytes(&[]).unwrap(), Wanted::ALL);
    assert_eq!(Wanted::from_json(&Wanted::ALL.to_json()).unwrap(), Wanted::ALL);
    let asked = r#"{"customOrderSchema":"{}","chainID":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788"}"#;
    let wanted = Wanted::from_json(asked).unwrap();
    assert_eq!((wanted.v3(), wanted.v4()), (Some(Network::GANACHE), None));
    assert_eq!(wanted.to_json(), asked);
}

#[test]
fn a_filter_passes_what_it_says() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x[0-7]"}}}"#;
    let low = Wanted::new(Network::MAINNET, schema).unwrap();
    let elsewhere = Wanted::new(Network::GANACHE, "{}").unwrap();
    let (mut passed, orders) = (0, sample());
    for order in &orders {
        let expected = order.maker().0[0] < 0x80;
        assert_eq!(low.matches(order), expected);
        assert!(everything().matches(order) && Wanted::ALL.matches(order));
        assert!(!elsewhere.matches(order));
        passed += usize::from(expected);
    }
    assert!((1..orders.len()).contains(&passed), "{passed}");
    for order in sample_v4(20) {
        assert!(!low.matches(&order), "a schema says nothing of version 4");
        assert!(!everything().matches(&order), "nor does the one that all satisfy");
        assert!(low.clone().and_v4(proxy().exchange).matches(&order));
        assert!(!low.clone().and_v4(Address([4; 20])).matches(&order));
        assert!(!elsewhere.clone().and_v4(proxy().exchange).matches(&order), "another chain");
    }
}

#[test]
fn a_protocol_of_0x_mesh_carries_the_orders_of_one_version() {
    let both = everything().and_v4(proxy().exchange);
    let orders = [sample().remove(0), sample_v4(1).remove(0)];
    for (protocol, expected) in [
        (Protocol::Binary, [true, true]),
        (Protocol::Json(Envelope::Negotiated), [true, false]),
        (Protocol::Json(Envelope::Bare), [false, true]),
    ] {
        for wanted in [Wanted::ALL, both.clone()] {
            let own = wanted.clone().carried_by(protocol);
            let passed = orders.each_ref().map(|order| own.matches(order));
            assert_eq!(passed, expected, "{protocol}");
            // A filter that comes in such a session means no more than the session is about.
            let asked = Wanted::ALL.narrowed_to(&own);
            assert_eq!(orders.each_ref().map(|order| asked.matches(order)), expected, "{protocol}");
            assert_eq!(own.covers(&wanted), protocol == Protocol::Binary);
        }
        assert!(!everything().carried_by(protocol).matches(&orders[1]));
    }
}

#[test]
fn who_wants_all_that_a_book_can_hold_is_told_from_who_wants_some() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x[0-7]"}}}"#;
    let low = Wanted::new(Network::MAINNET, schema).unwrap();
    let elsewhere = Wanted::new(Network::GANACHE, "{}").unwrap();
    let both = everything().and_v4(proxy().exchange);
    let other = everything().and_v4(Address([4; 20]));
    let low_and_v4 = low.clone().and_v4(proxy().exchange);
    for (asked, held, covers) in [
        (&Wanted::ALL, &both, true),
        (&both, &Wanted::ALL, false),
        (&both, &both, true),
        (&both, &everything(), true),
        (&everything(), &both, false),
        (&both, &low, true),
        (&low, &low, true),
        (&low, &both, false),
        (&low, &everything(), false),
        (&low_and_v4, &low, true),
        (&both, &low_and_v4, true),
        (&other, &both, false),
        (&other, &everything(), true),
        (&elsewhere, &everything(), false),
    ] {
        assert_eq!(asked.covers(held), covers, "{asked:?} of {held:?}");
    }
    let v3 = |wanted: &Wanted| wanted.clone().of(Version::V3);
    assert!(v3(&both).covers(&everything()) && v3(&both).covers(&v3(&both)));
    assert!(!v3(&both).covers(&both) && !v3(&Wanted::ALL).covers(&both));
}

#[test]
fn a_page_of_one_version_is_the_batch_and_a_mixed_one_has_a_form_of_its_own() {
    let v3 = sample();
    let batch_of = |orders: &[Order]| {
        let v3 = orders.iter().filter_map(|order| match order {
            Order::V3(signed) => Some(signed),
            Order::V4(_) => None,
        });
        batch::encode(&v3.collect::<Vec<_>>())
    };
    assert_eq!(page(&v3), batch_of(&v3), "as it always was");
    assert_eq!(page(&[]), batch_of(&[]));
    for orders in [sample_v4(1), sample_v4(8), sample_v4(9), mixed(2), mixed(8), mixed(100)] {
        let bytes = page(&orders);
        assert_eq!(Order::decode_batch(&bytes, orders.len()).unwrap(), orders);
        let of_v4 = orders.iter().filter(|order| order.version() == Version::V4).count();
        let rest = if of_v4 < orders.len() { batch_of(&orders).len() } else { 0 };
        let expected = 2 + orders.len().div_ceil(8) + of_v4 * RECORD_LEN + rest;
        assert_eq!(bytes.len(), expected);
        assert!(Order::decode_batch(&bytes, orders.len() - 1).is_err(), "more than may be");
        for cut in 0..bytes.len() {
            assert!(Order::decode_batch(&bytes[..cut], 500).is_err(), "{cut}");
        }
        assert!(Order::decode_batch(&[&bytes[..], &[0]].concat(), 500).is_err());
    }
    let alone = page(&sample_v4(1));
    assert!(alone.len() <= Kept::BYTES_MAX);
}

#[test]
fn a_mixed_page_is_written_in_one_way() {
    let orders = mixed(4);
    let bytes = page(&orders);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            if let Ok(read) = Order::decode_batch(&other, 500) {
                assert_eq!(page(&read), other, "byte {at}, bit {bit}");
                assert_ne!(read, orders);
            }
        }
    }
    // Orders of version 3 only, in the form of mixed pages.
    let v3 = sample();
    let disguised = [&[2, 2, 0][..], &page(&v3[..2])].concat();
    assert!(Order::decode_batch(&disguised, 500).is_err());
    assert!(Order::decode_batch(&[2, 0], 500).is_err(), "nor none at all");
    // A batch that has fewer orders than the page says.
    let short = [&[2, 3, 1][..], &page(&sample_v4(1))[3..], &page(&v3[..1])].concat();
    assert!(Order::decode_batch(&short, 500).is_err());
    let whole = [&[2, 2, 1][..], &page(&sample_v4(1))[3..], &page(&v3[..1])].concat();
    assert_eq!(Order::decode_batch(&whole, 500).unwrap().len(), 2);
}

#[test]
fn the_fields_of_an_order_say_of_which_version_it_is() {
    for order in mixed(20) {
        let json = Item::to_json(&order);
        assert_eq!(<Order as Item>::from_json(&json).unwrap(), order);
        let other = match order.version() {
            Version::V3 => "verifyingContract",
            Version::V4 => "exchangeAddress",
        };
        let both = json.replacen('{', &format!(r#"{{"{other}":"","#), 1);
        let refused = <Order as Item>::from_json(&both).unwrap_err().to_string();
        assert!(refused.contains("verifyingContract is there in an order"), "{refused}");
    }
    let refused = <Order as Item>::from_json("{}").unwrap_err().to_string();
    assert!(refused.contains("chainId is missing"), "{refused}");
}

#[test]
fn what_is_traded_elsewhere_is_not_to_be_had_here() {
    let elsewhere = Wanted::new(Network::GANACHE, "{}").unwrap();
    assert!(!everything().overlaps(&elsewhere) && !elsewhere.overlaps(&everything()));
    assert!(everything().overlaps(&everything()) && everything().overlaps(&Wanted::ALL));
    // One of the two versions is enough.
    let other = Network { chain_id: 1, exchange: Address([3; 20]) };
    let other = Wanted::new(other, "{}").unwrap().and_v4(proxy().exchange);
    assert!(!other.overlaps(&everything()));
    assert!(other.overlaps(&everything().and_v4(proxy().exchange)));
    assert!(!other.of(Version::V3).overlaps(&everything().and_v4(proxy().exchange)));
}

#[test]
fn bytes_that_are_no_filter_are_refused() {
    let good = everything().to_bytes();
    let both = everything().and_v4(proxy().exchange).to_bytes();
    for cut in (1..both.len()).filter(|cut| *cut != good.len()) {
        assert!(Wanted::from_bytes(&both[..cut]).is_err(), "{cut}");
    }
    assert!(Wanted::from_bytes(&[&both, &both[21..]].concat()).is_err(), "twice");
    assert!(Wanted::from_bytes(&[&both[..], b"{}"].concat()).is_err(), "one filter has one form");
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

fn verdict(rules: &Rules, order: &Order) -> Result<(), Rejected> {
    rules.check(&[Entry::new(order.clone())], NOW).remove(0)
}

fn code(rules: &Rules, order: &Order) -> (&'static str, bool) {
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

    let Order::V3(order) = &orders[0] else { panic!("of version 3") };
    let changed = |change: fn(&mut v3::SignedOrder)| {
        let mut order = order.clone();
        change(&mut order);
        Order::from(order)
    };
    let (_, is_the_makers_fault) = code(&rules, &changed(|it| it.order.salt += U256::from(1)));
    assert!(is_the_makers_fault, "a forged order");
    let zero = changed(|it| it.order.maker_asset_amount = U256::ZERO);
    assert_eq!(code(&rules, &zero), ("maker_amount", true));
    assert_eq!(code(&rules, &changed(|it| it.order.chain_id = 5)), ("chain_id", false));
    let sender = changed(|it| it.order.sender = Address([1; 20]));
    assert_eq!(code(&rules, &sender), ("sender", false));

    let other = Generator::new([1; 32], Config { network: Network::GANACHE, ..Config::default() });
    let other = Order::from(other.take(1).next().unwrap());
    assert_eq!(code(&rules, &other), ("chain_id", false));
}

#[test]
fn good_orders_of_version_4_are_taken_where_they_are_wanted() {
    let both = Rules::new(Network::MAINNET, everything().and_v4(proxy().exchange), false);
    let none = Rules::new(Network::MAINNET, everything(), false);
    let all: Vec<_> = mixed(20).into_iter().map(Entry::new).collect();
    assert_eq!(both.check(&all, NOW), vec![Ok(()); 20]);
    for (entry, verdict) in all.iter().zip(none.check(&all, NOW)) {
        let of_v3 = entry.item.version() == Version::V3;
        assert_eq!((verdict.is_ok(), none.is_still_wanted(entry)), (of_v3, of_v3));
        assert!(both.is_still_wanted(entry));
    }
    let Order::V4(order) = sample_v4(1).remove(0) else { panic!("of version 4") };
    let changed = |change: fn(&mut v4::SignedOrder)| {
        let mut order = order.clone();
        change(&mut order);
        Order::from(order)
    };
    assert_eq!(code(&none, &changed(|_| {})), (Rules::UNMATCHED, false));
    let forged = changed(|it| it.order.salt += U256::from(1));
    assert_eq!(code(&both, &forged), ("signature_signer", true));
    assert_eq!(code(&both, &changed(|it| it.order.maker_amount = 0)), ("maker_amount", true));
    let elsewhere = changed(|it| it.order.verifying_contract = Network::MAINNET.exchange);
    assert_eq!(code(&both, &elsewhere), ("exchange", false));
    assert!(!both.is_still_wanted(&Entry::new(elsewhere)));
    assert_eq!(code(&both, &changed(|it| it.order.chain_id = 5)), ("chain_id", false));
    let ended = changed(|it| it.order.expiry = NOW.as_millis() / 1000);
    assert_eq!(verdict(&both, &ended), Err(Rejected::Expired));
    // A contract is never asked about one of version 4.
    let lenient = Rules::new(Network::MAINNET, everything().and_v4(proxy().exchange), true);
    assert!(code(&lenient, &changed(|it| it.signature.kind = 4)).1);
}

/// An order with another signature.
#[test]
fn each_of_many_orders_gets_the_verdict_that_it_gets_alone() {
    let rules = Rules::new(Network::MAINNET, everything().and_v4(proxy().exchange), false);
    let mut orders = mixed(200);
    for (place, order) in orders.iter_mut().enumerate() {
        match (place % 9, order) {
            (0, Order::V3(it)) => it.order.chain_id = 5,
            (3, Order::V3(it)) => it.order.salt += U256::from(1),
            (5, Order::V3(it)) => it.order.maker_asset_amount = U256::ZERO,
            (6, Order::V3(it)) => it.signature = Signature::from(vec![6]),
            (7, Order::V4(it)) => it.order.salt += U256::from(1),
            _ => {}
        }
    }
    let entries: Vec<_> = orders.iter().cloned().map(Entry::new).collect();
    let alone: Vec<_> = orders.iter().map(|order| verdict(&rules, order)).collect();
    // Once without the keys of makers, once with them.
    for entries in [&entries, &entries] {
        assert_eq!(rules.check(entries, NOW), alone);
    }
    let good: Vec<_> = entries.iter().zip(&alone).filter(|(_, verdict)| verdict.is_ok()).collect();
    let good: Vec<_> = good.into_iter().map(|(entry, _)| entry.clone()).collect();
    assert!((50..150).contains(&good.len()), "{}", good.len());
    assert_eq!(rules.check(&good, NOW), vec![Ok(()); good.len()]);
}

fn signed_as(signature: Vec<u8>) -> Order {
    let Order::V3(order) = sample().remove(0) else { panic!("of version 3") };
    Order::from(v3::SignedOrder { signature: Signature::from(signature), ..order })
}

#[test]
fn the_filter_of_the_node_keeps_orders_out() {
    let schema = r#"{"properties":{"makerAddress":{"pattern":"^0x[0-7]"}}}"#;
    let low = Wanted::new(Network::MAINNET, schema).unwrap();
    let rules = Rules::new(Network::MAINNET, low, false);
    for order in sample() {
        if order.maker().0[0] < 0x80 {
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
    let order = signed_as(vec![6]);
    assert_eq!(code(&strict, &order), ("signature_offline", false));
    assert_eq!(verdict(&lenient, &order), Ok(()));
    assert!(code(&lenient, &signed_as(vec![1])).1, "never valid");
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
    let entry = Entry::new(signed_as(vec![6]));
    for lenient in [false, true] {
        let rules = Rules::new(Network::MAINNET, everything(), lenient);
        assert_eq!(rules.is_still_wanted(&entry), lenient);
    }
}
