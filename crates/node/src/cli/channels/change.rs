//! `channels open`, `fund` and `close`.

use serde::Serialize;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::words::counted;
use super::arguments::{Close, Fund, Open};
use super::shown::Channel;
use crate::generated::control::v1 as proto;

/// A channel, after what was done to it.
#[derive(Debug, Serialize)]
struct Done {
    done: &'static str,
    channel: Channel,
}

impl Done {
    fn of(done: &'static str, channel: Option<proto::PaymentChannel>) -> Self {
        Self { done, channel: channel.unwrap_or_default().into() }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let Self { done, channel } = self;
        let (id, other) = (&channel.id, channel.other());
        let way = if channel.direction == "outgoing" { "to" } else { "from" };
        let channel = match channel.closes_ms {
            Some(_) => format!("{}; run this again when that is over", channel.state()),
            None => format!("{}, {} in it", channel.status, counted(&channel.balance, "token")),
        };
        format!("{done} {id} {way} {other}: {channel}")
    }
}

pub(super) fn open(context: &Context<'_>, asked: &Open) -> Result<(), Failure> {
    let Open { whom, amount, node } = asked;
    let channel = context.talk(node, async |client| client.open_channel(whom, *amount).await)?;
    context.output.report(&Done::of("opened", channel))
}

pub(super) fn fund(context: &Context<'_>, asked: &Fund) -> Result<(), Failure> {
    let Fund { whom, amount, node } = asked;
    let channel = context.talk(node, async |client| client.fund_channel(whom, *amount).await)?;
    context.output.report(&Done::of("funded", channel))
}

pub(super) fn close(context: &Context<'_>, asked: &Close) -> Result<(), Failure> {
    let Close { whom, node } = asked;
    let channel = context.talk(node, async |client| client.close_channel(whom).await)?;
    let is_closed = channel.as_ref().is_some_and(|channel| channel.closes_at.is_none());
    context.output.report(&Done::of(if is_closed { "closed" } else { "gave notice" }, channel))
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    fn channel(outgoing: bool, closes_at: Option<u64>) -> proto::PaymentChannel {
        let status = match closes_at {
            Some(_) => proto::PaymentChannelStatus::PendingToClose,
            None => proto::PaymentChannelStatus::Open,
        };
        proto::PaymentChannel {
            id: vec![7; 32].into(),
            outgoing,
            source: vec![1; 20].into(),
            destination: vec![2; 20].into(),
            peer_id: String::new(),
            balance: "2500000000000000000".to_owned(),
            index: 4,
            epoch: 1,
            status: status.into(),
            closes_at,
        }
    }

    #[test]
    fn a_channel_is_told_as_it_is_then() {
        let done = Done::of("opened", Some(channel(true, None)));
        let expected = json!({
            "done": "opened",
            "channel": {
                "id": format!("0x{}", "07".repeat(32)),
                "direction": "outgoing",
                "source": format!("0x{}", "01".repeat(20)),
                "destination": format!("0x{}", "02".repeat(20)),
                "peer_id": null,
                "balance": "2.5",
                "index": 4,
                "epoch": 1,
                "status": "open",
                "closes_ms": null,
            },
        });
        assert_eq!(to_value(&done).unwrap(), expected);
        let (id, payee) = ("07".repeat(32), "02".repeat(20));
        assert_eq!(done.text(), format!("opened 0x{id} to 0x{payee}: open, 2.5 tokens in it"));
    }

    #[test]
    fn notice_is_told_with_its_end() {
        let done = Done::of("gave notice", Some(channel(false, Some(1_700_000_000))));
        let told = to_value(&done).unwrap();
        assert_eq!(told["channel"]["closes_ms"], 1_700_000_000_000_u64);
        assert_eq!(
            (&told["channel"]["direction"], &told["channel"]["status"]),
            (&json!("incoming"), &json!("pending"))
        );
        let (id, payer) = ("07".repeat(32), "01".repeat(20));
        let begins = format!("gave notice 0x{id} from 0x{payer}: ");
        assert!(done.text().starts_with(&begins), "{}", done.text());
    }
}
