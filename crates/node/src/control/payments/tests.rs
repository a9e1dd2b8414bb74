//! Payments through a real client, server and socket.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use tickets::WinProbability;
use tickets::{Address, Amount, ChannelId, Epoch, IndexOffset, Interval, TicketIndex};
use tonic::Code;

use super::super::tests::{Served, serve};
use super::*;
use crate::config::Control;
use crate::control::{ClientError, Stream};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::tickets_list_reply::What;
use crate::payments::{
    Held, HeldOf, HeldTicket, Outcome, Outgoing, Sent, Settled, TicketState, Tokens, Trouble, Whom,
    Wish,
};

async fn all<R>(mut replies: Stream<R>) -> Result<Vec<R>, ClientError> {
    let mut all = Vec::new();
    while let Some(reply) = replies.next().await? {
        all.push(reply);
    }
    Ok(all)
}

fn tokens(text: &str) -> Tokens {
    text.parse().expect(text)
}

/// The channel by which somebody pays the node, once it is there.
async fn paid(served: &Served) -> ChannelId {
    let me = served.payments.account();
    let ledger = served.payments.own_ledger().expect("its own");
    let key = tickets::ChainKey::from_bytes(&[9; 32]).expect("a key");
    let replica = served.payments.replica().clone();
    let other = tickets::ledger::Signer::new(key, ledger, replica);
    other.submit(&tickets::ledger::Call::Claim).await.expect("claimed");
    let open = tickets::ledger::Call::Open { destination: me, amount: tokens("7").0 };
    other.submit(&open).await.expect("opened");
    ChannelId::between(&other.address(), &me)
}

#[tokio::test]
async fn channels_are_opened_funded_closed_and_listed() {
    let served = serve(Control::default()).await;
    let identity = Keypair::generate_ed25519();
    served.payments.join(&identity, Vec::new(), true).await.expect("joined");
    let incoming = paid(&served).await;

    let client = &served.client;
    let bob = Whom::Account(Address([7; 20]));
    let opened = client.open_channel(&bob, tokens("1.5")).await.expect("opened").expect("told");
    assert_eq!((opened.balance.as_str(), opened.outgoing), ("1500000000000000000", true));
    assert_eq!(opened.status(), proto::PaymentChannelStatus::Open);
    let whom = Whom::Channel(ChannelId(opened.id.as_ref().try_into().expect("32 bytes")));
    let funded = client.fund_channel(&whom, tokens("0.5")).await.expect("funded").expect("told");
    assert_eq!(funded.balance, "2000000000000000000");

    let listed = client.channels(10, false).await.expect("told");
    let ids: Vec<_> = listed.channels.iter().map(|channel| channel.id.clone()).collect();
    assert_eq!(ids, [opened.id.clone(), Bytes::copy_from_slice(&incoming.0)]);
    assert_eq!(listed.channels[1].balance, "7000000000000000000");
    let account = listed.account.expect("told");
    assert_eq!(account.address.as_ref(), served.payments.account().0);
    assert_eq!((account.balance.as_str(), account.announced), ("998000000000000000000", true));
    let ledger = listed.ledger.expect("told");
    assert_eq!((ledger.url.as_str(), ledger.served.as_str()), ("own", "off"));
    assert_eq!((ledger.connected, ledger.version, ledger.digest.len()), (true, 6, 32));

    let notice = client.close_channel(&whom).await.expect("done").expect("told");
    assert_eq!(notice.status(), proto::PaymentChannelStatus::PendingToClose);
    assert!(notice.closes_at.is_some());
    let refused = client.close_channel(&whom).await.expect_err("too early");
    assert_eq!(refused.code(), Some(Code::FailedPrecondition));
    assert!(refused.to_string().contains("NoticePeriodNotDue: "), "{refused}");
    let closed = client.close_channel(&Whom::Channel(incoming)).await.expect("done");
    assert_eq!(closed.expect("told").status(), proto::PaymentChannelStatus::Closed);
    let listed = client.channels(1, true).await.expect("told");
    assert_eq!((listed.channels.len(), listed.more), (1, true));
}

#[tokio::test]
async fn what_cannot_be_done_is_told_by_code() {
    let served = serve(Control::default()).await;
    let client = &served.client;
    let (nobody, one) = (Whom::Peer(PeerId::random()), tokens("1"));
    let (account, channel) = (Whom::Account(Address([7; 20])), Whom::Channel(ChannelId([7; 32])));
    let refused = [
        client.open_channel(&nobody, one).await.expect_err("unknown"),
        client.open_channel(&channel, one).await.expect_err("no payee"),
        client.open_channel(&account, one).await.expect_err("no money"),
        client.fund_channel(&channel, one).await.expect_err("no channel"),
        client.close_channel(&account).await.expect_err("no channel"),
    ];
    let codes = refused.map(|refused| refused.code());
    let expected = [
        Code::NotFound,
        Code::InvalidArgument,
        Code::FailedPrecondition,
        Code::NotFound,
        Code::NotFound,
    ];
    assert_eq!(codes, expected.map(Some));
    for limit in [0, CHANNELS_LIST_MAX + 1] {
        let refused = client.channels(limit, true).await.expect_err("refused");
        assert_eq!(refused.code(), Some(Code::InvalidArgument));
    }
    assert!(convert::whom("0x12").is_err() && convert::amount("1.5").is_err());
    let long = Bytes::from(vec![0; 1025]);
    let refused = client.send(PeerId::random(), long, 1).await.expect_err("too long");
    assert_eq!(refused.code(), Some(Code::InvalidArgument));
    let refused = client.send(PeerId::random(), Bytes::new(), 4).await.expect_err("too many");
    assert_eq!(refused.code(), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn tickets_are_told_channel_by_channel() {
    let mut served = serve(Control::default()).await;
    let channel = paid(&served).await;
    let first = TicketIndex::new(3).expect("small");
    let ticket = HeldTicket {
        epoch: Epoch::new(1).expect("small"),
        interval: Interval::new(first, IndexOffset::new(5).expect("small")).expect("small"),
        amount: tokens("0.25").0,
        probability: WinProbability::ALWAYS,
        state: TicketState::BeingRedeemed,
    };
    let held = HeldOf {
        channel,
        value: ticket.amount.get(),
        untouched: 0,
        being_aggregated: 0,
        being_redeemed: 1,
        doubtful: 0,
        won: 4,
        redeemed: 3,
        neglected: 2,
    };
    let whom = Whom::Channel(channel);
    let answer = async {
        match served.wishes.recv().await {
            Some(Wish::List { channel: asked, each: true, reports }) => {
                assert_eq!(asked, Some(channel));
                reports.send(Held::Channel(held.clone())).await.expect("somebody listens");
                reports.send(Held::Tickets(vec![ticket])).await.expect("somebody listens");
            }
            other => panic!("{other:?}"),
        }
    };
    let ask = async { all(served.client.tickets(Some(&whom), true).await.expect("told")).await };
    let (told, ()) = tokio::join!(ask, answer);
    let told: Vec<_> = told.expect("told").into_iter().map(|reply| reply.what).collect();
    let [Some(What::Channel(sum)), Some(What::Tickets(tickets))] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((sum.held, sum.value.as_str()), (1, "250000000000000000"));
    assert_eq!((sum.states["being_redeemed"], sum.sums["won"].as_str()), (1, "4"));
    let told = &tickets.tickets[0];
    assert_eq!((told.index, told.offset, told.state.as_str()), (3, 5, "being_redeemed"));
    assert!((told.probability - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn what_became_of_tickets_is_told_as_it_goes() {
    let mut served = serve(Control::default()).await;
    let channel = paid(&served).await;
    let retry_after = Some(Duration::from_secs(2));
    let trouble = Trouble { retry_after, ..Trouble::new("busy", "one is under way") };
    let answers = async {
        match served.wishes.recv().await {
            Some(Wish::Aggregate { channel: None, reports }) => {
                let settled = Settled { channel, tickets: 9, amount: 90, trouble: None };
                reports.send(settled).await.expect("somebody listens");
                let trouble = Some(trouble);
                let settled = Settled { channel, tickets: 0, amount: 0, trouble };
                reports.send(settled).await.expect("somebody listens");
            }
            other => panic!("{other:?}"),
        }
        match served.wishes.recv().await {
            Some(Wish::Redeem { channel: Some(asked), .. }) => assert_eq!(asked, channel),
            other => panic!("{other:?}"),
        }
    };
    let whom = Whom::Channel(channel);
    let asks = async {
        let traded = all(served.client.aggregate_tickets(None).await.expect("told")).await;
        let paid = all(served.client.redeem_tickets(Some(&whom)).await.expect("told")).await;
        (traded.expect("told"), paid.expect("told"))
    };
    let ((traded, paid), ()) = tokio::join!(asks, answers);
    let traded: Vec<_> = traded.into_iter().filter_map(|reply| reply.settled).collect();
    assert_eq!(
        (traded[0].tickets, traded[0].amount.as_str(), traded[0].code.as_str()),
        (9, "90", "")
    );
    assert_eq!((traded[1].code.as_str(), traded[1].retry_after_ms), ("busy", Some(2000)));
    assert_eq!(paid, []);
}

#[tokio::test]
async fn what_became_of_a_message_is_told() {
    let mut served = serve(Control::default()).await;
    let (to, relay) = (PeerId::random(), PeerId::random());
    let data = Bytes::from_static(b"over there");
    let answers = async {
        let outcomes = [
            Outcome::Delivered,
            Outcome::Failed(Trouble::new("unreachable", "the next one is away")),
            Outcome::TimedOut,
            Outcome::Refused(Trouble::new("too_little", "it wants more")),
            Outcome::Unsent(Trouble::new("no_route", "no relay has a channel")),
        ];
        for outcome in outcomes {
            match served.wishes.recv().await {
                Some(Wish::Send { message, reply }) => {
                    assert_eq!(message, Outgoing { to, data: data.clone(), relays: 1 });
                    let path = vec![relay, to];
                    let paid = Amount::new(7).expect("little");
                    let sent = Sent { outcome, path, paid, time: Duration::from_millis(3) };
                    reply.send(sent).expect("somebody waits");
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let asks = async {
        let mut told = Vec::new();
        for _ in 0..5 {
            told.push(served.client.send(to, data.clone(), 1).await.expect("told"));
        }
        told
    };
    let (told, ()) = tokio::join!(asks, answers);
    let outcomes: Vec<_> = told.iter().map(proto::RelaySendReply::outcome).collect();
    let expected = [
        proto::RelayOutcome::Delivered,
        proto::RelayOutcome::Failed,
        proto::RelayOutcome::TimedOut,
        proto::RelayOutcome::Refused,
        proto::RelayOutcome::Unsent,
    ];
    assert_eq!(outcomes, expected);
    let codes: Vec<_> = told.iter().map(|reply| reply.code.as_str()).collect();
    assert_eq!(codes, ["", "unreachable", "", "too_little", "no_route"]);
    assert_eq!(told[0].path, [relay.to_string(), to.to_string()]);
    assert_eq!((told[0].paid.as_str(), told[0].time_us), ("7", 3000));
}

#[tokio::test]
async fn a_node_that_relays_nothing_says_so() {
    let served = serve(Control::default()).await;
    drop(served.wishes);
    let client = &served.client;
    let refused = [
        client.tickets(None, false).await.err(),
        client.aggregate_tickets(None).await.err(),
        client.redeem_tickets(None).await.err(),
        client.send(PeerId::random(), Bytes::new(), 0).await.err(),
    ];
    for refused in refused {
        let refused = refused.expect("nobody does it");
        assert_eq!(refused.code(), Some(Code::Unavailable), "{refused}");
    }
    let nobody = Whom::Channel(ChannelId([1; 32]));
    let refused = client.tickets(Some(&nobody), false).await.expect_err("no such channel");
    assert_eq!(refused.code(), Some(Code::NotFound), "{refused}");
}
