//! `tickets list`: what is held, channel by channel or ticket by ticket.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::amounts::tokens;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::table::table;
use super::super::words::{each, given, hex};
use super::arguments::List;
use crate::control::Client;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::tickets_list_reply::What;
use crate::printable::Printable;

/// What is held of a channel.
#[derive(Debug, Serialize)]
struct Channel {
    #[serde(rename = "channel")]
    id: String,
    /// `null` if who issues them has not announced itself.
    peer_id: Option<String>,
    held: u64,
    /// In tokens.
    value: String,
    states: BTreeMap<String, u64>,
    /// In tokens.
    sums: BTreeMap<String, String>,
}

impl From<proto::TicketsOfChannel> for Channel {
    fn from(held: proto::TicketsOfChannel) -> Self {
        let proto::TicketsOfChannel { channel, peer_id, held, value, states, sums } = held;
        Self {
            id: hex(&channel),
            peer_id: given(peer_id),
            held,
            value: tokens(&value),
            states: states.into_iter().collect(),
            sums: sums.into_iter().map(|(name, units)| (name, tokens(&units))).collect(),
        }
    }
}

impl Channel {
    fn row(&self) -> [String; 7] {
        let peer = self.peer_id.as_deref().unwrap_or("-");
        let states = each(self.states.iter().map(|(name, count)| (name, *count)));
        let sum = |name| self.sums.get(name).cloned().unwrap_or_else(|| "0".to_owned());
        [
            self.id.clone(),
            Printable(peer).to_string(),
            self.held.to_string(),
            self.value.clone(),
            Printable(&states).to_string(),
            sum("redeemed"),
            sum("neglected"),
        ]
    }
}

/// All channels.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Channels(Vec<Channel>);

impl Report for Channels {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no tickets".to_owned();
        }
        let rows: Vec<_> = self.0.iter().map(Channel::row).collect();
        table(["CHANNEL", "FROM", "HELD", "VALUE", "STATES", "REDEEMED", "NEGLECTED"], &rows)
    }
}

/// One ticket.
#[derive(Debug, Serialize)]
struct Ticket {
    channel: String,
    epoch: u32,
    index: u64,
    offset: u32,
    /// In tokens.
    amount: String,
    probability: f64,
    state: String,
}

impl Ticket {
    fn of(channel: &str, ticket: proto::HeldTicket) -> Self {
        let proto::HeldTicket { epoch, index, offset, amount, probability, state } = ticket;
        let (channel, amount) = (channel.to_owned(), tokens(&amount));
        Self { channel, epoch, index, offset, amount, probability, state }
    }
}

impl Report for Ticket {
    fn text(&self) -> String {
        let Self { channel, epoch, index, offset, amount, probability, state } = self;
        let of = if *offset == 1 {
            index.to_string()
        } else {
            format!("{index}-{}", index.saturating_add(u64::from(*offset).saturating_sub(1)))
        };
        let text = format!("{channel}  {epoch}  {of}  {amount}  {probability}  {state}");
        Printable(&text).to_string()
    }
}

pub(super) fn list(context: &Context<'_>, asked: &List) -> Result<(), Failure> {
    let output = context.output;
    let channels = context.talk(&asked.node, async |client| fetch(&client, asked, output).await)?;
    // Ticket by ticket they may be too many for one result.
    if asked.all { Ok(()) } else { output.report(&Channels(channels)) }
}

/// The channels; each ticket is printed as it comes, if it is asked for.
async fn fetch(client: &Client, asked: &List, output: Output) -> Result<Vec<Channel>, Failure> {
    let mut replies = client.tickets(asked.whom.as_ref(), asked.all).await?;
    let mut channels = Vec::new();
    while let Some(reply) = replies.next().await? {
        match reply.what {
            Some(What::Channel(held)) => channels.push(Channel::from(held)),
            Some(What::Tickets(held)) if asked.all => {
                let channel = channels.last().map_or("-", |last| last.id.as_str());
                for ticket in held.tickets {
                    if !output.line(&Ticket::of(channel, ticket))? {
                        return Ok(channels);
                    }
                }
            }
            Some(What::Tickets(_)) | None => {}
        }
    }
    Ok(channels)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn what_is_held_of_a_channel_is_told() {
        let of = |counts: [(&str, u64); 2]| counts.map(|(name, count)| (name.to_owned(), count));
        let sums = [("won", "40000000000000000"), ("redeemed", "10000000000000000")];
        let held = proto::TicketsOfChannel {
            channel: vec![7; 32].into(),
            peer_id: "payer".to_owned(),
            held: 3,
            value: "30000000000000000".to_owned(),
            states: of([("untouched", 3), ("doubtful", 0)]).into(),
            sums: sums.map(|(name, units)| (name.to_owned(), units.to_owned())).into(),
        };
        let channels = Channels(vec![held.into()]);
        let id = format!("0x{}", "07".repeat(32));
        let expected = json!([{
            "channel": id,
            "peer_id": "payer",
            "held": 3,
            "value": "0.03",
            "states": { "untouched": 3, "doubtful": 0 },
            "sums": { "won": "0.04", "redeemed": "0.01" },
        }]);
        assert_eq!(to_value(&channels).unwrap(), expected);
        let text = channels.text();
        let row = format!("{id}  payer  3     0.03   3 untouched  0.01      0");
        assert!(text.ends_with(&row), "{text}");
        assert_eq!(Channels(Vec::new()).text(), "no tickets");
    }

    #[test]
    fn a_ticket_is_told_with_all_that_it_stands_for() {
        let held = proto::HeldTicket {
            epoch: 1,
            index: 3,
            offset: 5,
            amount: "250000000000000000".to_owned(),
            probability: 1.0,
            state: "being_redeemed".to_owned(),
        };
        let ticket = Ticket::of("0x07", held);
        let expected = json!({
            "channel": "0x07",
            "epoch": 1,
            "index": 3,
            "offset": 5,
            "amount": "0.25",
            "probability": 1.0,
            "state": "being_redeemed",
        });
        assert_eq!(to_value(&ticket).unwrap(), expected);
        assert_eq!(ticket.text(), "0x07  1  3-7  0.25  1  being_redeemed");
        let single = Ticket { offset: 1, ..ticket };
        assert_eq!(single.text(), "0x07  1  3  0.25  1  being_redeemed");
    }
}
