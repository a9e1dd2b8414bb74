//! Messages over relays, and tickets that survive a kill of either side in the middle of a trade.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::time::Instant;

use super::running::{Node, PATIENCE, places};
use super::{meshwork, run};

/// One message over one relay.
const PRICE_MILLI: u64 = 10;

/// How far a trade has come when one side is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The tickets are on their way, and perhaps already the answer.
    Offered,
    /// Whoever asked for it has been told the end.
    Told,
}

/// First the relay is killed, then the payer, and so on.
const MOMENTS: [Moment; 4] = [Moment::Offered, Moment::Offered, Moment::Told, Moment::Told];

fn start(dir: &Path, ledger: (&str, &str)) -> Node {
    let variables = [
        ("MESHWORK_RELAY__ENABLED", "true"),
        ("MESHWORK_RELAY__DELAY_MAX", "5ms"),
        ("MESHWORK_TICKETS__AUTO", "false"),
        ("MESHWORK_TICKETS__TIMEOUT", "2s"),
        ledger,
    ];
    Node::spawn(dir, &[], &variables).until_ready()
}

/// Asks until it is so. Each question is a process of its own.
#[track_caller]
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
    }
}

/// Tokens, in thousandths.
fn milli(tokens: &Value) -> u64 {
    let text = tokens.as_str().unwrap();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u64 = format!("{part:0<3}").parse().unwrap();
    whole.parse::<u64>().unwrap() * 1000 + thousandths
}

/// How many tickets a node holds, and what they are worth in thousandths of a token.
fn held(node: &Node) -> (u64, u64) {
    let told = node.ask(&["tickets", "list"]);
    let channels = told.as_array().unwrap();
    let count = channels.iter().map(|channel| channel["held"].as_u64().unwrap()).sum();
    (count, channels.iter().map(|channel| milli(&channel["value"])).sum())
}

/// Sends until so many have arrived: only those are paid for in full.
fn send(from: &Node, to: &Node, count: usize) {
    for _ in 0..count {
        eventually("a message arrives", || {
            let sent =
                run(&from.dir, &["send", &to.peer_id, "hello", "--via-relays", "1", "--json"]);
            if sent.code == 0 {
                return Some(());
            }
            // What never left has cost nothing, and everything else would spoil the count.
            let text = format!("{sent:?}");
            assert!(text.contains("unsent") || text.contains("unreachable"), "{text}");
            None
        });
    }
}

#[test]
fn whoever_is_killed_while_tickets_are_traded_nothing_is_lost_and_nothing_counted_twice() {
    let (_temporary, [lender, payer, relay]) = places();
    let recipient = start(&lender, ("MESHWORK_LEDGER__SERVE", "unix:ledger.sock"));
    let url = format!("unix:{}", lender.join("ledger.sock").display());
    let ledger = ("MESHWORK_LEDGER__URL", url.as_str());
    let mut payer = start(&payer, ledger);
    let mut relay = start(&relay, ledger);
    eventually("the relay is announced", || {
        let opened = run(&payer.dir, &["channels", "open", &relay.peer_id, "10"]);
        (opened.code == 0).then_some(())
    });

    let mut sent = 0;
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        send(&payer, &recipient, 3);
        sent += 3;
        eventually("what was earned is kept", || {
            (held(&relay).1 == sent * PRICE_MILLI).then_some(())
        });
        let mut trade = meshwork();
        trade.arg("--data-dir").arg(&relay.dir).args(["tickets", "aggregate"]);
        let mut trade = std::process::Command::new(trade.get_program())
            .args(trade.get_args())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        match moment {
            Moment::Offered => drop(relay.logged(&["offers tickets for one"])),
            Moment::Told => drop(trade.wait().unwrap()),
        }
        if round % 2 == 0 {
            let dir = relay.dir.clone();
            drop(relay);
            relay = start(&dir, ledger);
        } else {
            let dir = payer.dir.clone();
            drop(payer);
            payer = start(&dir, ledger);
        }
        trade.wait().unwrap();
        assert_eq!(held(&relay).1, sent * PRICE_MILLI, "round {round}, {moment:?}");
    }

    eventually("all are traded for one", || {
        run(&relay.dir, &["tickets", "aggregate"]);
        (held(&relay) == (1, sent * PRICE_MILLI)).then_some(())
    });
    eventually("it is paid", || {
        run(&relay.dir, &["tickets", "redeem"]);
        (held(&relay) == (0, 0)).then_some(())
    });
    let counts = &relay.ask(&["status"])["relay"];
    assert!(counts["msg_accepted"].is_u64(), "{counts}");
    let told = relay.ask(&["channels", "list"]);
    assert_eq!(milli(&told["account"]["balance"]), 1_000_000 + sent * PRICE_MILLI, "{told}");
    assert_eq!(milli(&told["channels"][0]["balance"]), 10_000 - sent * PRICE_MILLI, "{told}");
    for node in [payer, relay, recipient] {
        node.end("-TERM");
    }
}
