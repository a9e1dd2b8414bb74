//! `channels`, `tickets` and `send`: nodes that share a ledger, and what survives a kill.

use std::path::{Path, PathBuf};

use super::run;
use super::running::{Node, places};

fn start(dir: &Path, variables: &[(&str, &str)]) -> Node {
    Node::spawn(dir, &[], variables).until_ready()
}

/// A ledger in a place short enough for a socket, and two that share it.
fn lender(dir: &Path) -> (Node, String) {
    let node = start(dir, &[("MESHWORK_LEDGER__SERVE", "unix:ledger.sock")]);
    let socket: PathBuf = dir.join("ledger.sock");
    (node, format!("unix:{}", socket.display()))
}

const LIST: [&str; 3] = ["channels", "list", "--closed"];

#[test]
fn nodes_on_one_ledger_pay_each_other_and_the_ledger_survives_a_kill() {
    let (_temporary, [here, there]) = places();
    let (lender_node, url) = lender(&here);
    let node = start(&there, &[("MESHWORK_LEDGER__URL", &url)]);
    for node in [&lender_node, &node] {
        node.logged(&["the account is in order"]);
        let told = node.ask(&LIST);
        assert_eq!(told["account"]["announced"], true);
        assert_eq!(told["account"]["balance"], "1000");
    }
    let told = node.ask(&LIST);
    assert_eq!((&told["ledger"]["url"], &told["ledger"]["connected"]), (&url.into(), &true.into()));

    let opened = node.ask(&["channels", "open", &lender_node.peer_id, "2.5"]);
    let channel = &opened["channel"];
    assert_eq!((&opened["done"], &channel["balance"]), (&"opened".into(), &"2.5".into()));
    assert_eq!((&channel["direction"], &channel["status"]), (&"outgoing".into(), &"open".into()));
    let id = channel["id"].as_str().unwrap();
    let text = run(&there, &["channels", "fund", id, "0.5"]).expect(0).stdout;
    let expected = format!("funded {id} to {}: open, 3 tokens in it\n", lender_node.peer_id);
    assert_eq!(text, expected);

    // Whoever keeps the ledger sees first what it has taken.
    let seen = lender_node.ask(&LIST);
    let channel = &seen["channels"][0];
    assert_eq!(channel["balance"], "3");
    assert_eq!((&channel["direction"], &channel["id"]), (&"incoming".into(), &id.into()));
    assert_eq!(channel["peer_id"], *node.peer_id);
    let told = node.ask(&["channels", "list"]);
    assert_eq!(told["ledger"]["digest"], seen["ledger"]["digest"], "both see the same");
    assert_eq!(told["account"]["balance"], "997");
    let text = run(&there, &["channels", "list"]).expect(0).stdout;
    assert!(text.starts_with("CHANNEL") && text.contains("outgoing   open    3 "), "{text}");

    // Killed, not told to end: what was answered was on the disk, and who follows goes on.
    drop(lender_node);
    node.logged(&["the ledger is away"]);
    let away = node.ask(&LIST);
    assert_eq!(away["ledger"]["connected"], false);
    assert!(away["ledger"]["trouble"].is_string(), "{away}");
    let refused = run(&there, &["channels", "fund", id, "1"]).expect(3);
    assert!(refused.stderr.contains("cannot reach the ledger"), "{refused:?}");
    let (lender_node, _) = lender(&here);
    let again = lender_node.ask(&["channels", "list"]);
    assert_eq!(again["channels"], seen["channels"]);
    // It may have announced its new port meanwhile.
    assert!(again["ledger"]["version"].as_u64() >= seen["ledger"]["version"].as_u64(), "{again}");
    assert_eq!(again["account"]["address"], seen["account"]["address"]);
    node.logged(&["the ledger is there"]);
    assert_eq!(node.ask(&LIST)["ledger"]["connected"], true);

    // The other end may close it at once, the payer only after notice.
    let notice = node.ask(&["channels", "close", &lender_node.peer_id]);
    assert_eq!(
        (&notice["done"], &notice["channel"]["status"]),
        (&"gave notice".into(), &"pending".into())
    );
    let early = run(&there, &["channels", "close", id]).expect(7);
    assert!(early.stderr.contains("NoticePeriodNotDue: "), "{early:?}");
    assert!(early.stderr.contains("hint: run it again when the notice is over"), "{early:?}");
    assert_eq!(lender_node.ask(&LIST)["channels"][0]["status"], "pending");
    let closed = lender_node.ask(&["channels", "close", id]);
    assert_eq!(
        (&closed["done"], &closed["channel"]["status"]),
        (&"closed".into(), &"closed".into())
    );
    node.eventually(&LIST, |told| told["account"]["balance"] == "1000");
    node.end("-TERM");
    lender_node.end("-TERM");
}

#[test]
fn mistakes_are_told_with_cause_and_what_to_do() {
    let (_temporary, [dir]) = places();
    run(&dir, &["init"]).expect(0);
    for wrong in [
        &["channels", "open", "nobody", "1"][..],
        &["channels", "open", &format!("0x{}", "07".repeat(32)), "1"],
        &["channels", "open", &format!("0x{}", "07".repeat(20)), "1,5"],
        &["channels", "open", &format!("0x{}", "07".repeat(20))],
        &[
            "send",
            "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
            "hi",
            "--via-relays",
            "4",
        ],
    ] {
        run(&dir, wrong).expect(2);
    }
    run(&dir, &["channels", "list"]).expect(3);

    let node = start(&dir, &[]);
    node.logged(&["the account is in order"]);
    let account = format!("0x{}", "07".repeat(20));
    let poor = run(&dir, &["channels", "open", &account, "1000.1"]).expect(7);
    assert!(poor.stderr.contains("TokenTransferFailed: "), "{poor:?}");
    assert!(poor.stderr.contains("hint: `meshwork channels list`"), "{poor:?}");
    let unknown = run(&dir, &["channels", "fund", &account, "1"]).expect(5);
    assert!(unknown.stderr.contains("this node has no channel"), "{unknown:?}");
    let nobody = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    let unknown = run(&dir, &["--json", "channels", "open", nobody, "1"]).expect(5).failure();
    assert!(unknown["error"].as_str().unwrap().contains("has not announced"), "{unknown}");
    for alone in [
        &["tickets", "list"][..],
        &["tickets", "aggregate"],
        &["tickets", "redeem"],
        &["send", nobody, "hello", "--via-relays", "1"],
    ] {
        let refused = run(&dir, alone).expect(3);
        assert!(refused.stderr.contains("hint: set relay.enabled"), "{refused:?}");
    }
    node.end("-TERM");
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    let (_temporary, [dir]) = places();
    start(&dir, &[]).end("-TERM");
    let key = dir.join("chain_key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&dir, &["run", "--listen", "/ip4/127.0.0.1/tcp/0"]).expect(78);
    assert!(refused.stderr.contains("is open to others (mode 0644"), "{refused:?}");
}

#[test]
fn a_ledger_is_served_or_followed_but_not_both() {
    let (_temporary, [dir]) = places();
    let mut command = super::meshwork();
    command.arg("--data-dir").arg(&dir).args(["config", "check"]);
    command.env("MESHWORK_LEDGER__URL", "http://127.0.0.1:7001");
    command.env("MESHWORK_LEDGER__SERVE", "127.0.0.1:7001");
    let refused = super::ended(&mut command).expect(78);
    assert!(refused.stderr.contains("ledger.serve is set, but ledger.url names"), "{refused:?}");
    let mut command = super::meshwork();
    command.arg("--data-dir").arg(&dir).args(["config", "check"]);
    command.env("MESHWORK_LEDGER__SERVE", "0.0.0.0:7001");
    command.env("MESHWORK_RELAY__WIN_PROBABILITY", "2");
    let refused = super::ended(&mut command).expect(78);
    assert!(refused.stderr.contains("0.0.0.0:7001 is not on this machine"), "{refused:?}");
    assert!(refused.stderr.contains("relay.win_probability is 2, must be"), "{refused:?}");
}
