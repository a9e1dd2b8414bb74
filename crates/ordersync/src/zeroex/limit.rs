//! Limit orders, version 4, as items. The protocol of 0x-Mesh for them carries JSON and no filter; a
//! page of our own envelope is their JSON with a line feed after each.

use machine::UnixTime;
use orders::v4::SignedOrder;
use orders::{Network, ORDER_LEN_MAX, OrderHash};

use super::rules::rejected;
use crate::{BadItem, Entry, Filter, Item, ItemId, Rejected, Validator};

/// Which limit orders a peer wants: all that a book of its network holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AllOrders;

impl Item for SignedOrder {
    type Filter = AllOrders;

    /// The EIP-712 hash. It does not cover the signature.
    fn id(&self) -> ItemId {
        let OrderHash(hash) = self.hash();
        ItemId(hash)
    }

    fn expires(&self) -> Option<UnixTime> {
        Some(UnixTime::from_millis(self.order.expiry.saturating_mul(1000)))
    }

    fn to_json(&self) -> String {
        Self::to_json(self)
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        Self::from_json(raw).map_err(|error| BadItem::new("order", error))
    }

    fn encode_batch(items: &[&Self]) -> Vec<u8> {
        let line = |item: &&Self| Self::to_json(item) + "\n";
        items.iter().map(line).collect::<String>().into_bytes()
    }

    fn decode_batch(bytes: &[u8], items_max: usize) -> Result<Vec<Self>, BadItem> {
        let mut items = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if items.len() >= items_max {
                return Err(BadItem::new("orders", format_args!("more than {items_max}")));
            }
            if line.len() > ORDER_LEN_MAX {
                let problem = format_args!("over {ORDER_LEN_MAX} bytes");
                return Err(BadItem::new("order", problem));
            }
            let item = Self::from_json(line).map_err(|error| BadItem::new("order", error))?;
            // One way to write a page.
            if (Self::to_json(&item) + "\n").as_bytes() != line {
                return Err(BadItem::new("order", "is not in its canonical form"));
            }
            items.push(item);
        }
        Ok(items)
    }
}

impl Filter<SignedOrder> for AllOrders {
    fn matches(&self, _order: &SignedOrder) -> bool {
        true
    }

    fn is_everything(&self) -> bool {
        true
    }

    fn to_json(&self) -> String {
        "null".to_owned()
    }

    fn from_json(raw: &str) -> Result<Self, BadItem> {
        match raw.trim_ascii() {
            "null" => Ok(Self),
            _ => Err(BadItem::new("filter", "limit orders are not filtered, must be null")),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BadItem> {
        if bytes.is_empty() {
            return Ok(Self);
        }
        Err(BadItem::new("filter", "limit orders are not filtered, must be empty"))
    }
}

/// Takes the limit orders of one network that could be traded, as far as that can be told without
/// asking the chain.
#[derive(Clone, Copy, Debug)]
pub struct LimitRules {
    /// Where they are traded.
    pub network: Network,
}

impl Validator<SignedOrder> for LimitRules {
    fn check(&self, items: &[Entry<SignedOrder>], now: UnixTime) -> Vec<Result<(), Rejected>> {
        let now = now.as_millis().div_euclid(1000);
        let check = |entry: &Entry<SignedOrder>| {
            entry.item.verify(&self.network, now).map(drop).map_err(rejected)
        };
        items.iter().map(check).collect()
    }

    fn is_still_wanted(&self, entry: &Entry<SignedOrder>) -> bool {
        let order = &entry.item.order;
        let Network { chain_id, exchange } = self.network;
        order.chain_id == chain_id && order.verifying_contract == exchange
    }
}

#[cfg(test)]
mod tests {
    use orders::Address;

    use super::*;

    /// The order of the reference, signed by its maker.
    const ORDER: &str = r#"{"chainId":8008,"verifyingContract":"0x6701704d2421c64ee9aa93ec7f96ede81c4be77d","makerToken":"0x349e8d89e8b37214d9ce3949fc5754152c525bc3","takerToken":"0x83c62b2e67dea0df2a27be0def7a22bd7102642c","makerAmount":"1234","takerAmount":"5678","takerTokenFeeAmount":"9101112","maker":"0x05cac48d17ecc4d8a9db09dde766a03959b98367","taker":"0x615312fb74c31303eab07dea520019bb23f4c6c2","sender":"0x70f2d6c7acd257a6700d745b76c602ceefeb8e20","feeRecipient":"0xcc3c7ea403427154ec908203ba6c418bd699f7ce","pool":"0x0bbff69b85a87da39511aefc3211cb9aff00e1a1779dc35b8f3635d8b5ea2680","expiry":"1001","salt":"2001","signatureType":"3","signatureR":"0x5d4fe9b4c8f94efc46ef9e7e3f996c238f9c930fd5c03014ec6db6d4d18a34e5","signatureV":"28","signatureS":"0x0949269d29524aec1ba5b19236c392a3d1866ca39bb8c7b6345e90a3fbf404fc"}"#;

    #[test]
    fn a_page_is_read_as_it_was_written_and_in_no_other_way() {
        let order = <SignedOrder as Item>::from_json(ORDER).expect("an order");
        let page = SignedOrder::encode_batch(&[&order, &order]);
        assert_eq!(SignedOrder::decode_batch(&page, 2).expect("a page"), [order.clone(), order]);
        assert!(SignedOrder::decode_batch(&page, 1).is_err(), "more than may be");
        assert!(SignedOrder::decode_batch(&[b" ", &page[..]].concat(), 2).is_err());
        assert!(SignedOrder::decode_batch(&page[..page.len() - 2], 2).is_err(), "cut");
    }

    #[test]
    fn an_order_that_has_ended_is_not_taken() {
        let mut order = <SignedOrder as Item>::from_json(ORDER).expect("an order");
        assert_eq!(order.expires(), Some(UnixTime::from_millis(1_001_000)));
        (order.order.sender, order.order.taker) = (Address::ZERO, Address::ZERO);
        let exchange = order.order.verifying_contract;
        let check = |chain_id, millis| {
            let rules = LimitRules { network: Network { chain_id, exchange } };
            rules.check(&[Entry::new(order.clone())], UnixTime::from_millis(millis))
        };
        assert_eq!(check(8008, 1_001_000), [Err(Rejected::Expired)]);
        // In time, but no longer what its maker has signed.
        assert!(matches!(check(8008, 1_000_000)[..], [Err(Rejected::Invalid { .. })]));
        assert!(matches!(check(1, 1_000_000)[..], [Err(Rejected::Unwanted { .. })]));
    }

    #[test]
    fn an_order_of_another_network_is_not_wanted_after_a_change_of_it() {
        let order = <SignedOrder as Item>::from_json(ORDER).expect("an order");
        let exchange = order.order.verifying_contract;
        let entry = Entry::new(order);
        let wants = |chain_id| {
            LimitRules { network: Network { chain_id, exchange } }.is_still_wanted(&entry)
        };
        assert!(wants(8008));
        assert!(!wants(1));
    }
}
