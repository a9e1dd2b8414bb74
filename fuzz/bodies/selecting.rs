//! Filters that a remote wrote, and batches that it packed.

use std::sync::LazyLock;

use orders::filter::Filter;
use orders::v3::SignedOrder;
use orders::{Network, batch, sample};
use ordersync::Item as _;
use ordersync::zeroex::Order;

/// The filter as it travels, and as a schema alone: what is taken costs no more than it may, is
/// written as it was read, and gives every order an answer.
pub(super) fn filter(data: &[u8]) {
    static ORDER: LazyLock<SignedOrder> = LazyLock::new(|| {
        let line = sample::SAMPLE_V3.lines().next().expect("the sample is not empty");
        SignedOrder::from_json(line).expect("the sample is of orders")
    });
    let Ok(text) = str::from_utf8(data) else { return };
    for filter in [Filter::from_json(text), Filter::new(Network::MAINNET, text)] {
        let Ok(filter) = filter else { continue };
        let again = Filter::from_json(&filter.to_json()).expect("what is written is a filter");
        assert_eq!((&again, again.schema()), (&filter, filter.schema()));
        assert_eq!(again.to_json(), filter.to_json());
        assert!(filter.steps() <= Filter::STEPS_MAX);
        let matches = filter.matches(&ORDER);
        assert!(matches || !filter.is_default() || filter.network() != Network::MAINNET);
    }
}

/// A batch, or a page of both kinds of orders: what is taken is the one encoding of its orders, each
/// short enough to be passed on.
pub(super) fn batch(data: &[u8]) {
    const ORDERS_MAX: usize = 64;
    if let Ok(found) = batch::decode(data, ORDERS_MAX) {
        assert!(found.len() <= ORDERS_MAX);
        assert!(found.iter().all(|order| order.json_len() <= orders::ORDER_LEN_MAX));
        assert_eq!(batch::encode(&found), data);
    }
    if let Ok(found) = Order::decode_batch(data, ORDERS_MAX) {
        assert!(found.len() <= ORDERS_MAX);
        assert_eq!(Order::encode_batch(&found.iter().collect::<Vec<_>>()), data);
    }
}
