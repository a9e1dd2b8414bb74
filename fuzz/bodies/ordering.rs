//! Orders as strangers write them.

use std::fmt::Debug;

use orders::{AssetData, Network, ORDER_LEN_MAX, v3, v4};
use ordersync::zeroex;

/// What the two kinds of order share.
struct Kind<O> {
    read: fn(&[u8]) -> Option<O>,
    write: fn(&O) -> String,
    len: fn(&O) -> usize,
}

impl<O: PartialEq + Debug> Kind<O> {
    /// What is read is written shorter or equal, within its bound, and read the same again.
    fn round_trip(&self, data: &[u8]) -> Option<O> {
        let order = (self.read)(data)?;
        let text = (self.write)(&order);
        assert!(text.len() <= data.len().min(ORDER_LEN_MAX));
        assert_eq!(text.len(), (self.len)(&order));
        assert_eq!((self.read)(text.as_bytes()).as_ref(), Some(&order));
        Some(order)
    }
}

fn asset(data: &AssetData) {
    let bytes = data.to_bytes();
    assert_eq!(&AssetData::from(&bytes[..]), data);
    assert!(data.to_string().len() <= 8 * ORDER_LEN_MAX, "what is shown is bounded");
}

/// Both kinds of order; what is read is judged, and is of the kind that it is taken for.
pub(crate) fn json(data: &[u8]) {
    match zeroex::Order::read(data) {
        Ok(zeroex::Order::V3(order)) => assert_eq!(v3::SignedOrder::from_json(data), Ok(order)),
        Ok(zeroex::Order::V4(order)) => assert_eq!(v4::SignedOrder::from_json(data), Ok(order)),
        Err(_) => {}
    }
    let v3 = Kind {
        read: |data| v3::SignedOrder::from_json(data).ok(),
        write: v3::SignedOrder::to_json,
        len: v3::SignedOrder::json_len,
    };
    if let Some(signed) = v3.round_trip(data) {
        let order = &signed.order;
        asset(&order.maker_asset_data);
        asset(&order.taker_asset_data);
        asset(&order.maker_fee_asset_data);
        asset(&order.taker_fee_asset_data);
        let network = Network { chain_id: order.chain_id, exchange: order.exchange };
        if let Ok(hash) = signed.verify(&network, 0) {
            assert_eq!(hash, signed.hash());
        }
    }
    let v4 = Kind {
        read: |data| v4::SignedOrder::from_json(data).ok(),
        write: v4::SignedOrder::to_json,
        len: v4::SignedOrder::json_len,
    };
    if let Some(signed) = v4.round_trip(data) {
        let exchange = signed.order.verifying_contract;
        let network = Network { chain_id: signed.order.chain_id, exchange };
        if let Ok(hash) = signed.verify(&network, 0) {
            assert_eq!(hash, signed.hash());
        }
    }
}
