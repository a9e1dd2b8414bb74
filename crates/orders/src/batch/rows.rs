//! What the fields of an order are written as.

use std::borrow::Borrow;

use super::bits::{Reader, Writer};
use super::columns::{
    read_amounts, read_indices, read_numbers, write_amounts, write_indices, write_numbers,
};
use super::signatures::Signatures;
use super::tables::{Assets, Table};
use super::{BadBatch, DECODED_MAX, loose_bytes};
use crate::v3::{Order, SignedOrder};
use crate::{Address, AssetData, ORDER_LEN_MAX, U256};

/// Bytes of an address.
const ADDRESS: usize = 20;

/// The roles that an address can have, those with few different addresses first, so that their
/// indices are near each other.
const ROLES: [fn(&Order) -> Address; 4] =
    [|order| order.fee_recipient, |order| order.taker, |order| order.sender, |order| order.maker];

/// The fields that hold an asset, likewise.
const ASSETS: [fn(&Order) -> &AssetData; 4] = [
    |order| &order.taker_fee_asset_data,
    |order| &order.maker_fee_asset_data,
    |order| &order.taker_asset_data,
    |order| &order.maker_asset_data,
];

/// The fields that people round.
const AMOUNTS: [fn(&Order) -> U256; 4] = [
    |order| order.maker_asset_amount,
    |order| order.taker_asset_amount,
    |order| order.maker_fee,
    |order| order.taker_fee,
];

/// The other numbers.
const NUMBERS: [fn(&Order) -> U256; 2] =
    [|order| order.expiration_time_seconds, |order| order.salt];

/// Everything behind the count of orders.
pub(super) fn write(out: &mut Writer, signed: &[impl Borrow<SignedOrder>]) {
    let orders: Vec<&Order> = signed.iter().map(|signed| &signed.borrow().order).collect();
    let nothing = AssetData::default();
    let mut addresses = Table::starting_with([Address::ZERO]);
    let mut assets = Table::starting_with([&nothing]);
    let mut networks = Table::starting_with([]);
    let fields = ROLES.len().saturating_add(ASSETS.len());
    let mut columns = Vec::with_capacity(fields.saturating_mul(orders.len()));
    for role in ROLES {
        columns.extend(orders.iter().map(|order| addresses.number(&role(order))));
    }
    for asset in ASSETS {
        columns.extend(orders.iter().map(|order| assets.number(&asset(order))));
    }
    let place = |order: &&Order| networks.number(&(order.chain_id, order.exchange));
    let places: Vec<_> = orders.iter().map(place).collect();
    let assets = assets.entries().get(1..).unwrap_or_default();
    let (parts, raw) = Assets::take_apart(assets, &mut addresses);
    let chains = networks.entries().iter().map(|(chain, _)| U256::from(*chain));
    let exchanges = networks.entries().iter().map(|(_, exchange)| addresses.number(exchange));
    let exchanges: Vec<_> = exchanges.collect();
    let addresses = addresses.entries().get(1..).unwrap_or_default();
    let signatures = Signatures::take_apart(signed);

    out.count(addresses.len());
    out.count(assets.len());
    out.count(networks.entries().len());
    write_numbers(out, chains);
    write_indices(out, exchanges.iter().copied());
    parts.write(out);
    write_indices(out, places.iter().copied());
    for column in columns.chunks(orders.len().max(1)) {
        write_indices(out, column.iter().copied());
    }
    for field in AMOUNTS {
        write_amounts(out, orders.iter().map(|order| field(order)));
    }
    for field in NUMBERS {
        write_numbers(out, orders.iter().map(|order| field(order)));
    }
    signatures.write(out);
    out.align();
    for address in addresses {
        out.bytes(&address.0);
    }
    out.bytes(&raw);
    signatures.write_bytes(out);
}

/// Everything behind the count of orders, which the caller has bounded.
pub(super) fn read(from: &mut Reader<'_>, count: usize) -> Result<Vec<SignedOrder>, BadBatch> {
    let address_count = from.count(from.left() / ADDRESS)?;
    let asset_count = from.count(count.saturating_mul(ASSETS.len()))?;
    let network_count = from.count(count)?;
    // Address 0 and asset 0 are not counted.
    let (addresses_end, assets_end) =
        (address_count.saturating_add(1), asset_count.saturating_add(1));
    let chains = read_numbers(from, network_count)?;
    let exchanges = read_indices(from, network_count, addresses_end)?;
    let parts = Assets::read(from, asset_count, addresses_end)?;
    let columns = Columns {
        places: read_indices(from, count, network_count)?,
        roles: array(|| read_indices(from, count, addresses_end))?,
        traded: array(|| read_indices(from, count, assets_end))?,
        amounts: array(|| read_amounts(from, count))?,
        numbers: array(|| read_numbers(from, count))?,
        signatures: Signatures::read(from, count)?,
    };
    from.align();

    let mut addresses = vec![Address::ZERO];
    for _ in 0..address_count {
        let bytes = from.bytes(ADDRESS)?.try_into().map_err(|_| BadBatch::Truncated)?;
        addresses.push(Address(bytes));
    }
    let mut assets = vec![AssetData::default()];
    assets.extend(parts.put_together(from, &addresses)?);
    let networks = chains.iter().zip(exchanges).map(|(chain, exchange)| {
        let chain = i64::try_from(chain).ok().and_then(|chain| u64::try_from(chain).ok());
        let chain = chain.filter(|chain| *chain > 0).ok_or(BadBatch::ChainId)?;
        Ok((chain, entry(&addresses, exchange)?))
    });
    let networks = networks.collect::<Result<_, _>>()?;
    columns.orders(from, &Tables { networks, addresses, assets })
}

fn array<T, const N: usize>(
    mut read: impl FnMut() -> Result<T, BadBatch>,
) -> Result<[T; N], BadBatch> {
    let mut columns = Vec::with_capacity(N);
    for _ in 0..N {
        columns.push(read()?);
    }
    columns.try_into().map_err(|_| BadBatch::Truncated)
}

/// An entry of a column, or of a table. Indices were checked when they were read.
fn entry<T: Clone>(entries: &[T], index: usize) -> Result<T, BadBatch> {
    entries.get(index).cloned().ok_or(BadBatch::Index { index, end: entries.len() })
}

/// What indices point at.
struct Tables {
    networks: Vec<(u64, Address)>,
    addresses: Vec<Address>,
    assets: Vec<AssetData>,
}

/// One entry for each order in each column, in the order of the lists above.
struct Columns {
    places: Vec<usize>,
    roles: [Vec<usize>; ROLES.len()],
    traded: [Vec<usize>; ASSETS.len()],
    amounts: [Vec<U256>; AMOUNTS.len()],
    numbers: [Vec<U256>; NUMBERS.len()],
    signatures: Vec<usize>,
}

impl Columns {
    /// Puts the orders together, each within its bound and all within theirs.
    fn orders(&self, from: &mut Reader<'_>, tables: &Tables) -> Result<Vec<SignedOrder>, BadBatch> {
        let mut orders = Vec::with_capacity(self.signatures.len());
        let mut decoded: usize = 0;
        for (index, form) in self.signatures.iter().enumerate() {
            let order = self.order(index, tables)?;
            let signed = SignedOrder { order, signature: Signatures::read_one(from, *form)? };
            let loose = loose_bytes(&signed);
            decoded = decoded.saturating_add(loose);
            if decoded > DECODED_MAX {
                return Err(BadBatch::TooLarge { bound: DECODED_MAX });
            }
            // All else is 1,300 bytes of JSON at most, so that only odd orders are measured.
            if loose > ORDER_LEN_MAX / 4 && signed.json_len() > ORDER_LEN_MAX {
                return Err(BadBatch::OrderTooLong { index });
            }
            orders.push(signed);
        }
        Ok(orders)
    }

    fn order(&self, index: usize, tables: &Tables) -> Result<Order, BadBatch> {
        let address = |column: &Vec<usize>| entry(&tables.addresses, entry(column, index)?);
        let asset = |column: &Vec<usize>| entry(&tables.assets, entry(column, index)?);
        let number = |column: &Vec<U256>| entry(column, index);
        let (chain_id, exchange) = entry(&tables.networks, entry(&self.places, index)?)?;
        let [fee_recipient, taker, sender, maker] = &self.roles;
        let [taker_fee_asset_data, maker_fee_asset_data, taker_asset_data, maker_asset_data] =
            &self.traded;
        let [maker_asset_amount, taker_asset_amount, maker_fee, taker_fee] = &self.amounts;
        let [expiration_time_seconds, salt] = &self.numbers;
        Ok(Order {
            chain_id,
            exchange,
            maker: address(maker)?,
            taker: address(taker)?,
            sender: address(sender)?,
            fee_recipient: address(fee_recipient)?,
            maker_asset_amount: number(maker_asset_amount)?,
            taker_asset_amount: number(taker_asset_amount)?,
            maker_fee: number(maker_fee)?,
            taker_fee: number(taker_fee)?,
            expiration_time_seconds: number(expiration_time_seconds)?,
            salt: number(salt)?,
            maker_asset_data: asset(maker_asset_data)?,
            taker_asset_data: asset(taker_asset_data)?,
            maker_fee_asset_data: asset(maker_fee_asset_data)?,
            taker_fee_asset_data: asset(taker_fee_asset_data)?,
        })
    }
}
