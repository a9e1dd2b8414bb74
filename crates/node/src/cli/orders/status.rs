//! `orders status`: how many, and what they add up to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::arguments::Node;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::words::{each, given, hex};
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
struct Shown {
    count: u64,
    count_max: u64,
    digest: String,
    chain_id: u64,
    exchange: String,
    /// `null` if the node takes no orders of version 4.
    exchange_v4: Option<String>,
    count_v4: u64,
    schema: String,
    counts: BTreeMap<String, u64>,
}

impl From<proto::OrdersStatusReply> for Shown {
    fn from(status: proto::OrdersStatusReply) -> Self {
        Self {
            count: status.count,
            count_max: status.count_max,
            digest: hex(&status.digest),
            chain_id: status.chain_id,
            exchange: status.exchange,
            exchange_v4: given(status.exchange_v4),
            count_v4: status.count_v4,
            schema: status.schema,
            counts: status.counts,
        }
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let counts = each(self.counts.iter().map(|(name, count)| (name, *count)));
        let counts = given(counts).unwrap_or_else(|| "nothing".to_owned());
        let of_v4 = if self.count_v4 == 0 {
            String::new()
        } else {
            format!(", {} of version 4", self.count_v4)
        };
        let exchange_v4 = self.exchange_v4.clone().unwrap_or_else(|| "none".to_owned());
        let lines = [
            ("orders", format!("{} of at most {}{of_v4}", self.count, self.count_max)),
            ("digest", self.digest.clone()),
            ("chain", self.chain_id.to_string()),
            ("exchange", self.exchange.clone()),
            ("of version 4", exchange_v4),
            ("schema", self.schema.clone()),
            ("since the start", counts),
        ];
        lines.map(|(name, value)| format!("{name:<15}  {}", Printable(&value))).join("\n")
    }
}

pub(super) fn status(context: &Context<'_>, node: &Node) -> Result<(), Failure> {
    let status = context.talk(node, async |client| client.orders_status().await)?;
    context.output.report(&Shown::from(status))
}
