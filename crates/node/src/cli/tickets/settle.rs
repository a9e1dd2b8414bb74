//! `tickets aggregate` and `redeem`: many tickets for one, and tickets for money.

use std::time::Duration;

use serde::Serialize;

use super::super::amounts::{Sum, tokens};
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{Output, Report};
use super::super::words::{counted, given, hex};
use super::arguments::Settle;
use crate::control::Stream;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

/// What is done with tickets.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Traded,
    Redeemed,
}

impl Deed {
    const fn to_one_channel(self) -> &'static str {
        match self {
            Self::Traded => "traded for one",
            Self::Redeemed => "redeemed",
        }
    }

    const fn to_all(self) -> &'static str {
        match self {
            Self::Traded => "traded",
            Self::Redeemed => "redeemed",
        }
    }
}

/// What became of the tickets of a channel.
#[derive(Debug, Serialize)]
struct Settled {
    channel: String,
    /// `null` if who issued them has not announced itself.
    peer_id: Option<String>,
    tickets: u64,
    /// In tokens.
    amount: String,
    /// What went wrong; `null` if nothing did.
    code: Option<String>,
    reason: Option<String>,
    retry_after_ms: Option<u64>,
    #[serde(skip)]
    deed: Deed,
}

impl Settled {
    fn of(settled: proto::TicketsSettled, deed: Deed) -> Self {
        let proto::TicketsSettled {
            channel,
            peer_id,
            tickets,
            amount,
            code,
            reason,
            retry_after_ms,
        } = settled;
        Self {
            channel: hex(&channel),
            peer_id: given(peer_id),
            tickets,
            amount: tokens(&amount),
            code: given(code),
            reason: given(reason),
            retry_after_ms,
            deed,
        }
    }
}

impl Report for Settled {
    fn text(&self) -> String {
        let Self { channel, deed, .. } = self;
        let (tickets, amount) = (counted(self.tickets, "ticket"), counted(&self.amount, "token"));
        let from = self.peer_id.as_ref().map_or_else(String::new, |peer| format!(" from {peer}"));
        let why = self.code.as_ref().map_or_else(String::new, |code| {
            let reason = self.reason.as_deref().unwrap_or_default();
            format!("; {code}: {reason}")
        });
        let again = self.retry_after_ms.map_or_else(String::new, |millis| {
            let after = humantime::format_duration(Duration::from_millis(millis));
            format!("; try again in {after}")
        });
        let done = deed.to_one_channel();
        let text = format!("{channel}{from}: {tickets} {done}, {amount}{why}{again}");
        Printable(&text).to_string()
    }
}

/// All channels together.
#[derive(Debug, Serialize)]
struct Total {
    channels: u64,
    tickets: u64,
    /// In tokens.
    amount: String,
    #[serde(skip)]
    deed: Deed,
}

impl Report for Total {
    fn text(&self) -> String {
        let done = self.deed.to_all();
        if self.channels == 0 {
            return format!("nothing {done}: no channel has tickets for it");
        }
        let (tickets, channels) =
            (counted(self.tickets, "ticket"), counted(self.channels, "channel"));
        format!("{tickets} of {channels} {done}, {}", counted(&self.amount, "token"))
    }
}

/// What came so far.
#[derive(Debug, Default)]
struct Tally {
    channels: u64,
    bad: u64,
    tickets: u64,
    amount: Sum,
}

impl Tally {
    /// Tells of each channel as it comes.
    async fn of<R>(
        mut replies: Stream<R>,
        settled: impl Fn(R) -> Option<proto::TicketsSettled>,
        deed: Deed,
        output: Output,
    ) -> Result<Self, Failure> {
        let mut tally = Self::default();
        while let Some(reply) = replies.next().await? {
            if let Some(settled) = settled(reply) {
                tally.count(&settled);
                output.report(&Settled::of(settled, deed))?;
            }
        }
        Ok(tally)
    }

    fn count(&mut self, settled: &proto::TicketsSettled) {
        self.channels = self.channels.saturating_add(1);
        self.bad = self.bad.saturating_add(u64::from(!settled.code.is_empty()));
        self.tickets = self.tickets.saturating_add(settled.tickets);
        self.amount.add(&settled.amount);
    }

    fn end(&self, deed: Deed, output: Output) -> Result<(), Failure> {
        let Self { channels, bad, tickets, ref amount } = *self;
        output.report(&Total { channels, tickets, amount: amount.text(), deed })?;
        if bad > 0 { Err(Failure::Unsettled { bad, channels }) } else { Ok(()) }
    }
}

pub(super) fn aggregate(
    context: &Context<'_>,
    Settle { whom, node }: &Settle,
) -> Result<(), Failure> {
    let output = context.output;
    let tally = context.talk(node, async |client| {
        let replies = client.aggregate_tickets(whom.as_ref()).await?;
        Tally::of(replies, |reply| reply.settled, Deed::Traded, output).await
    })?;
    tally.end(Deed::Traded, output)
}

pub(super) fn redeem(context: &Context<'_>, Settle { whom, node }: &Settle) -> Result<(), Failure> {
    let output = context.output;
    let tally = context.talk(node, async |client| {
        let replies = client.redeem_tickets(whom.as_ref()).await?;
        Tally::of(replies, |reply| reply.settled, Deed::Redeemed, output).await
    })?;
    tally.end(Deed::Redeemed, output)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    fn settled(tickets: u64, trouble: bool) -> proto::TicketsSettled {
        let word = |text: &str| if trouble { text.to_owned() } else { String::new() };
        proto::TicketsSettled {
            channel: vec![7; 32].into(),
            peer_id: word("payer"),
            tickets,
            amount: if trouble { "0" } else { "30000000000000000" }.to_owned(),
            code: word("busy"),
            reason: word("one is under way"),
            retry_after_ms: trouble.then_some(2_000),
        }
    }

    #[test]
    fn what_was_done_is_told_channel_by_channel() {
        let done = Settled::of(settled(1, false), Deed::Redeemed);
        let id = format!("0x{}", "07".repeat(32));
        let expected = json!({
            "channel": id,
            "peer_id": null,
            "tickets": 1,
            "amount": "0.03",
            "code": null,
            "reason": null,
            "retry_after_ms": null,
        });
        assert_eq!(to_value(&done).unwrap(), expected);
        assert_eq!(done.text(), format!("{id}: 1 ticket redeemed, 0.03 tokens"));

        let not_done = Settled::of(settled(0, true), Deed::Traded);
        let expected = json!({
            "channel": id,
            "peer_id": "payer",
            "tickets": 0,
            "amount": "0",
            "code": "busy",
            "reason": "one is under way",
            "retry_after_ms": 2_000,
        });
        assert_eq!(to_value(&not_done).unwrap(), expected);
        let told = format!(
            "{id} from payer: 0 tickets traded for one, 0 tokens; busy: one is under way; \
             try again in 2s"
        );
        assert_eq!(not_done.text(), told);
    }

    #[test]
    fn the_sum_of_all_ends_it() {
        let total = |channels, tickets, deed| Total { channels, tickets, amount: "1".into(), deed };
        let one = total(1, 1, Deed::Redeemed);
        let expected = json!({ "channels": 1, "tickets": 1, "amount": "1" });
        assert_eq!(to_value(&one).unwrap(), expected);
        assert_eq!(one.text(), "1 ticket of 1 channel redeemed, 1 token");
        let many = total(2, 30, Deed::Traded).text();
        assert_eq!(many, "30 tickets of 2 channels traded, 1 token");
        let none = total(0, 0, Deed::Traded).text();
        assert_eq!(none, "nothing traded: no channel has tickets for it");
    }

    #[test]
    fn one_channel_that_was_not_settled_is_a_failure() {
        let mut tally = Tally::default();
        tally.count(&settled(3, false));
        tally.count(&settled(0, true));
        assert_eq!((tally.channels, tally.bad, tally.tickets), (2, 1, 3));
        assert_eq!(tally.amount.text(), "0.03");
    }
}
