//! Pages of orders as bytes: a batch of `orders` where all are of version 3. Any other page is a byte
//! of form, how many orders it has, a bit for each that says whether it is of version 4, the records
//! of these, and the batch of the others if there are any.

use std::fmt;

use orders::v4::RECORD_LEN;
use orders::{batch, v3, v4};

use super::Order;
use crate::BadItem;

/// The form of a page that has orders of version 4. The first byte of a batch is 1.
const MIXED: u8 = 2;

pub(super) fn encode(orders: &[&Order]) -> Vec<u8> {
    let v3: Vec<_> = orders.iter().filter_map(|order| of_v3(order)).collect();
    if v3.len() == orders.len() {
        return batch::encode(&v3);
    }
    let mut out = vec![MIXED];
    let mut buffer = unsigned_varint::encode::usize_buffer();
    out.extend_from_slice(unsigned_varint::encode::usize(orders.len(), &mut buffer));
    let of_v4 =
        |bits: u8, order: &&Order| bits.wrapping_shr(1) | if is_v4(order) { 0x80 } else { 0 };
    out.extend(orders.chunks(8).map(|eight| {
        // The first of them is the lowest bit.
        let bits = eight.iter().fold(0, of_v4);
        bits.wrapping_shr(u32::try_from(8_usize.saturating_sub(eight.len())).unwrap_or(0))
    }));
    for order in orders {
        if let Order::V4(signed) = order {
            signed.write_record(&mut out);
        }
    }
    if !v3.is_empty() {
        out.extend(batch::encode(&v3));
    }
    out
}

fn of_v3(order: &Order) -> Option<&v3::SignedOrder> {
    match order {
        Order::V3(signed) => Some(signed),
        Order::V4(_) => None,
    }
}

const fn is_v4(order: &Order) -> bool {
    matches!(order, Order::V4(_))
}

pub(super) fn decode(bytes: &[u8], orders_max: usize) -> Result<Vec<Order>, BadItem> {
    match bytes.split_first() {
        Some((&MIXED, rest)) => mixed(rest, orders_max),
        _ => {
            Ok(batch::decode(bytes, orders_max).map_err(bad)?.into_iter().map(Order::V3).collect())
        }
    }
}

fn mixed(bytes: &[u8], orders_max: usize) -> Result<Vec<Order>, BadItem> {
    let (count, rest) = unsigned_varint::decode::usize(bytes).map_err(bad)?;
    if count > orders_max {
        return Err(bad(format_args!("page has {count} orders, must have at most {orders_max}")));
    }
    let ends = || bad("page ends too early");
    let (kinds, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or_else(ends)?;
    let mut bits =
        kinds.iter().flat_map(|byte| (0..8).map(move |bit| byte.wrapping_shr(bit) & 1 == 1));
    let kinds: Vec<bool> = bits.by_ref().take(count).collect();
    let of_v4 = kinds.iter().filter(|is_v4| **is_v4).count();
    if of_v4 == 0 || bits.any(|bit| bit) {
        return Err(bad("page is not written the one way that it must be"));
    }
    let len = of_v4.saturating_mul(RECORD_LEN);
    let (records, rest) = rest.split_at_checked(len).ok_or_else(ends)?;
    let of_v3 = count.saturating_sub(of_v4);
    let v3 = match (of_v3, rest.len()) {
        (0, 0) => Vec::new(),
        (0, bytes) => return Err(bad(batch::BadBatch::Trailing { bytes })),
        _ => batch::decode(rest, of_v3).map_err(bad)?,
    };
    if v3.len() < of_v3 {
        return Err(ends());
    }
    let (mut v3, mut records) = (v3.into_iter(), records.chunks_exact(RECORD_LEN));
    let mut next = |is_v4: bool| {
        let order = if is_v4 {
            let record = records.next().map(v4::SignedOrder::from_record);
            record.transpose().map_err(bad)?.map(Order::V4)
        } else {
            v3.next().map(Order::V3)
        };
        order.ok_or_else(ends)
    };
    kinds.into_iter().map(&mut next).collect()
}

fn bad(problem: impl fmt::Display) -> BadItem {
    BadItem::new("orders", problem)
}
