//! `orders list`: orders by hash.

use machine::UnixTime;
use ordersync::ItemId;
use serde::Serialize;
use transport::clock::Clock;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::table::table;
use super::arguments::List;
use super::shown::Order;
use crate::control::{Client, ClientError, ORDERS_LIST_MAX};
use crate::generated::control::v1 as proto;
use crate::orders::Query;

/// What was asked for, and how much there is in all.
#[derive(Debug, Default, Serialize)]
struct Shown {
    orders: Vec<Order>,
    count: u64,
    more: bool,
}

impl Report for Shown {
    fn text(&self) -> String {
        let more = if self.more { ", and there are more like these" } else { "" };
        let of_all = format!("{} of {} shown{more}", self.orders.len(), self.count);
        if self.orders.is_empty() {
            return of_all;
        }
        let now = Clock::wall();
        let rows: Vec<_> = self.orders.iter().map(|order| row(order, now)).collect();
        let head = ["ORDER", "V", "MAKER", "OFFERS", "ASKS", "LEFT", "WHOSE"];
        format!("{}\n\n{of_all}", table(head, &rows))
    }
}

fn row(order: &Order, now: UnixTime) -> [String; 7] {
    [
        order.hash.clone(),
        order.version.to_string(),
        order.maker.clone(),
        order.offers(),
        order.asks(),
        order.left(now),
        if order.own { "own" } else { "others" }.to_owned(),
    ]
}

pub(super) fn list(context: &Context<'_>, asked: &List) -> Result<(), Failure> {
    let shown = context.talk(&asked.node, async |client| fetch(&client, asked).await)?;
    context.output.report(&shown)
}

async fn fetch(client: &Client, asked: &List) -> Result<Shown, ClientError> {
    let List { limit, maker, token, node: _ } = asked;
    let mut shown = Shown::default();
    let mut after = ItemId::ZERO;
    let mut left = *limit;
    loop {
        let limit = left.min(ORDERS_LIST_MAX).try_into().unwrap_or(usize::MAX);
        let query = Query { after, maker: *maker, token: *token, limit };
        let proto::OrdersListReply { orders, count, more } = client.orders_list(query).await?;
        left = left.saturating_sub(u32::try_from(orders.len()).unwrap_or(u32::MAX));
        let last = orders.last().and_then(|last| last.hash.as_ref().try_into().ok());
        shown.orders.extend(orders.into_iter().map(Order::from));
        (shown.count, shown.more) = (count, more);
        match last {
            Some(last) if more && left > 0 => after = ItemId(last),
            _ => return Ok(shown),
        }
    }
}
