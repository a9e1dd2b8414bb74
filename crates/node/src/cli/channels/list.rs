//! `channels list`: the account, the ledger and the channels.

use serde::Serialize;

use super::super::amounts::tokens;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::table::table;
use super::super::words::{counted, given, hex};
use super::arguments::List;
use super::shown::Channel;
use crate::generated::control::v1 as proto;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
struct Account {
    address: String,
    /// In tokens.
    balance: String,
    announced: bool,
}

impl From<proto::ChainAccount> for Account {
    fn from(account: proto::ChainAccount) -> Self {
        let proto::ChainAccount { address, balance, announced } = account;
        Self { address: hex(&address), balance: tokens(&balance), announced }
    }
}

#[derive(Debug, Serialize)]
struct Ledger {
    url: String,
    served: String,
    connected: bool,
    /// Why not; `null` if it is.
    trouble: Option<String>,
    version: u64,
    digest: String,
}

impl From<proto::LedgerState> for Ledger {
    fn from(ledger: proto::LedgerState) -> Self {
        let proto::LedgerState { url, served, connected, trouble, version, digest } = ledger;
        let (trouble, digest) = (given(trouble), hex(&digest));
        Self { url, served, connected, trouble, version, digest }
    }
}

impl Ledger {
    fn text(&self) -> String {
        let served = match self.served.as_str() {
            "off" => String::new(),
            served => format!(", served at {served}"),
        };
        let trouble = self.trouble.as_deref().map_or_else(String::new, |it| format!(" ({it})"));
        let seen = if self.connected { "" } else { ", which cannot be reached" };
        let Self { url, version, digest, .. } = self;
        let text =
            format!("ledger   {url}{served}{seen}{trouble}, version {version}, digest {digest}");
        Printable(&text).to_string()
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    account: Account,
    ledger: Ledger,
    channels: Vec<Channel>,
    more: bool,
}

impl From<proto::ChannelsListReply> for Shown {
    fn from(reply: proto::ChannelsListReply) -> Self {
        let proto::ChannelsListReply { account, ledger, channels, more } = reply;
        Self {
            account: account.unwrap_or_default().into(),
            ledger: ledger.unwrap_or_default().into(),
            channels: channels.into_iter().map(Into::into).collect(),
            more,
        }
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let row = |channel: &Channel| {
            [
                channel.id.clone(),
                channel.direction.to_owned(),
                channel.state(),
                channel.balance.clone(),
                channel.index.to_string(),
                channel.epoch.to_string(),
                channel.other(),
            ]
        };
        let rows: Vec<_> = self.channels.iter().map(row).collect();
        let head = ["CHANNEL", "DIRECTION", "STATUS", "BALANCE", "INDEX", "EPOCH", "WITH"];
        let channels = if rows.is_empty() { "no channels".to_owned() } else { table(head, &rows) };
        let more = if self.more { "\nand there are more" } else { "" };
        let Account { address, balance, announced } = &self.account;
        let balance = counted(balance, "token");
        let hidden = if *announced { "" } else { ", not announced" };
        let account = format!("account  {address} has {balance} outside of channels{hidden}");
        format!("{channels}{more}\n\n{account}\n{}", self.ledger.text())
    }
}

pub(super) fn list(context: &Context<'_>, asked: &List) -> Result<(), Failure> {
    let List { closed, limit, node } = asked;
    let reply = context.talk(node, async |client| client.channels(*limit, *closed).await)?;
    context.output.report(&Shown::from(reply))
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn account_ledger_and_channels_are_told() {
        let reply = proto::ChannelsListReply {
            account: Some(proto::ChainAccount {
                address: vec![1; 20].into(),
                balance: "998000000000000000000".to_owned(),
                announced: false,
            }),
            ledger: Some(proto::LedgerState {
                url: "unix:/run/ledger.sock".to_owned(),
                served: "off".to_owned(),
                connected: false,
                trouble: "it hung up".to_owned(),
                version: 9,
                digest: vec![3; 32].into(),
            }),
            channels: vec![proto::PaymentChannel {
                id: vec![7; 32].into(),
                outgoing: true,
                peer_id: "payee".to_owned(),
                balance: "1970000000000000000".to_owned(),
                index: 3,
                status: proto::PaymentChannelStatus::Open.into(),
                ..Default::default()
            }],
            more: true,
        };
        let shown = Shown::from(reply);
        let (id, digest) = (format!("0x{}", "07".repeat(32)), format!("0x{}", "03".repeat(32)));
        let address = format!("0x{}", "01".repeat(20));
        let mut told = to_value(&shown).unwrap();
        assert_eq!(told["channels"][0]["id"], id);
        told["channels"] = json!([]);
        let expected = json!({
            "account": { "address": address, "balance": "998", "announced": false },
            "ledger": {
                "url": "unix:/run/ledger.sock",
                "served": "off",
                "connected": false,
                "trouble": "it hung up",
                "version": 9,
                "digest": digest,
            },
            "channels": [],
            "more": true,
        });
        assert_eq!(told, expected);
        let text = shown.text();
        let row =
            format!("{id}  outgoing   open    1.97     3      0      payee\nand there are more");
        assert!(text.contains(&row), "{text}");
        let ends = format!(
            "account  {address} has 998 tokens outside of channels, not announced\n\
             ledger   unix:/run/ledger.sock, which cannot be reached (it hung up), version 9, \
             digest {digest}"
        );
        assert!(text.ends_with(&ends), "{text}");
    }
}
