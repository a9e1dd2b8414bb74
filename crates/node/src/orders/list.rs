//! Orders by hash, for people.

use orders::{Address, AssetData, asset::Asset};
use ordersync::ItemId;
use ordersync::zeroex::{Order, Wanted};
use tokio::task::yield_now;

use super::{Held, Orders};

/// Orders that are looked at before others have a turn.
const PART: usize = 512;

/// Which orders to list.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// Only those above this hash.
    pub after: ItemId,
    /// Only those of this maker.
    pub maker: Option<Address>,
    /// Only those that offer or ask this token.
    pub token: Option<Address>,
    /// At most so many.
    pub limit: usize,
}

/// Orders at the time of asking.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Ascending by hash. At most as many as were asked for.
    pub orders: Vec<Held>,
    /// How many there are in all, asked for or not.
    pub count: usize,
    /// Whether there may be more that were asked for.
    pub more: bool,
}

impl Query {
    fn wants(&self, order: &Order) -> bool {
        let trades = |token| match order {
            Order::V3(signed) => [&signed.order.maker_asset_data, &signed.order.taker_asset_data]
                .into_iter()
                .any(|data| names(data, token)),
            Order::V4(signed) => {
                [signed.order.maker_token, signed.order.taker_token].contains(&token)
            }
        };
        self.maker.is_none_or(|maker| maker == order.maker()) && self.token.is_none_or(trades)
    }
}

impl Orders {
    /// Lists orders by hash.
    ///
    /// # Bounds
    /// Goes through all orders if few are as asked for; others have a turn after each 512.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn list(&self, query: Query) -> Listing {
        let book = self.book();
        let mut listing = Listing { count: book.len(), ..Listing::default() };
        let mut after = query.after;
        loop {
            let page = book.page(&after, &ItemId::MAX, PART, &Wanted::ALL, PART);
            for entry in page.entries.iter().filter(|entry| query.wants(&entry.item)) {
                if listing.orders.len() >= query.limit {
                    listing.more = true;
                    return listing;
                }
                // One that has gone meanwhile is not there at the time of asking.
                listing.orders.extend(book.holding(&entry.id));
            }
            match page.scanned {
                Some(scanned) if !page.end => after = scanned,
                _ => return listing,
            }
            yield_now().await;
        }
    }
}

/// Whether asset data names a token.
fn names(data: &AssetData, token: Address) -> bool {
    data.decode().is_ok_and(|asset| is_of(&asset, token))
}

/// No deeper than assets are decoded.
fn is_of(asset: &Asset<'_>, wanted: Address) -> bool {
    match asset {
        Asset::Erc20 { token }
        | Asset::Erc721 { token, .. }
        | Asset::Erc1155 { token, .. }
        | Asset::Erc20Bridge { token, .. } => *token == wanted,
        Asset::Multi { assets, .. } => assets.iter().any(|asset| is_of(asset, wanted)),
        Asset::StaticCall { .. } => false,
    }
}
