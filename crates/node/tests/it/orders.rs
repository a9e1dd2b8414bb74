//! `orders`: in, out, and still there after a kill.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;

use orders::Network;
use orders::generate::{Config, Generator};
use orders::sample::SAMPLE_V3;
use orders::v3::SignedOrder;
use ordersync::zeroex::Order;
use serde_json::Value;

use super::running::{Node, PATIENCE, lines, places};
use super::{Ended, ended, meshwork, run};

fn start(dir: &Path) -> Node {
    Node::start(dir, &[])
}

/// The lines of the sample by hash, as an export has them.
fn canonical() -> String {
    let by_hash: BTreeMap<_, _> = SAMPLE_V3
        .lines()
        .map(|line| (SignedOrder::from_json(line).unwrap().hash(), format!("{line}\n")))
        .collect();
    by_hash.into_values().collect()
}

fn import(dir: &Path, lines: &str) -> Ended {
    let mut command = meshwork();
    command.arg("--data-dir").arg(dir).args(["orders", "import", "-"]);
    ended(command.write_stdin(lines))
}

#[test]
fn what_is_imported_comes_out_as_it_was_and_survives_a_kill() {
    let (temporary, [dir]) = places();
    let node = start(&dir);
    let mut lines: Vec<String> = SAMPLE_V3.lines().map(str::to_owned).collect();
    // Three bad ones, each for another reason, and an empty line that only counts.
    lines.insert(16, lines[0].replace("\"takerAssetAmount\":\"", "\"takerAssetAmount\":\"x"));
    lines.insert(100, "nonsense".to_owned());
    lines.insert(101, String::new());
    let forged = lines[50].replace("\"makerAssetAmount\":\"", "\"makerAssetAmount\":\"9");
    lines.push(forged);
    let file = temporary.path().join("orders.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();

    let path = file.to_str().unwrap();
    let imported = run(&dir, &["orders", "import", path]).expect(1);
    let told = "203 lines: 200 new, 0 known, 3 bad (1 field, 1 signature_signer, 1 syntax)\n";
    assert_eq!(imported.stdout, told, "{imported:?}");
    let complaints: Vec<_> = imported.stderr.lines().collect();
    assert_eq!(complaints[0], "line 17: takerAssetAmount is not decimal digits");
    assert_eq!(complaints[1], "line 101: not one JSON object: wrong at column 2");
    assert!(complaints[2].starts_with("line 204: signature is that of 0x"), "{complaints:?}");
    assert_eq!(complaints[3], "error: 3 of 203 lines not imported");
    let status = node.ask(&["orders", "status"]);
    assert_eq!((&status["count"], &status["counts"]["added"]), (&200.into(), &200.into()));

    // Killed, not told to end: what was told as imported was on the disk.
    drop(node);
    let node = start(&dir);
    let again = node.ask(&["orders", "status"]);
    assert_eq!((&again["count"], &again["digest"]), (&status["count"], &status["digest"]));
    assert_eq!(run(&dir, &["orders", "export"]).expect(0).stdout, canonical());
    let out = temporary.path().join("out.jsonl");
    let exported = node.ask(&["orders", "export", out.to_str().unwrap()]);
    assert_eq!(exported["orders"], 200);
    assert_eq!(fs::read_to_string(&out).unwrap(), canonical());

    let again = import(&dir, SAMPLE_V3).expect(0);
    assert_eq!(again.stdout, "200 lines: 0 new, 200 known, 0 bad\n");
    assert_eq!(again.stderr, "", "nobody watches");
    node.end("-TERM");
}

#[test]
fn orders_are_listed_by_hash_maker_and_token() {
    let (_temporary, [dir]) = places();
    let node = start(&dir);
    assert_eq!(run(&dir, &["orders", "list"]).expect(0).stdout, "0 of 0 shown\n");
    import(&dir, SAMPLE_V3).expect(0);
    let orders: Vec<_> =
        canonical().lines().map(|line| SignedOrder::from_json(line).unwrap()).collect();

    let some = node.ask(&["orders", "list", "--limit", "7"]);
    let hashes = |listed: &Value| -> Vec<String> {
        let listed = listed["orders"].as_array().unwrap().iter();
        listed.map(|order| order["hash"].as_str().unwrap().to_owned()).collect()
    };
    let expected: Vec<_> = orders.iter().map(|order| order.hash().to_string()).collect();
    assert_eq!(hashes(&some), expected[..7]);
    assert_eq!((&some["count"], &some["more"]), (&200.into(), &true.into()));
    let all = node.ask(&["orders", "list", "--limit", "1000"]);
    assert_eq!((hashes(&all), &all["more"]), (expected, &false.into()));

    let maker = orders[0].order.maker;
    let of_maker = orders.iter().filter(|order| order.order.maker == maker);
    let of_maker: Vec<_> = of_maker.map(|order| order.hash().to_string()).collect();
    let listed = node.ask(&["orders", "list", "--maker", &maker.to_string()]);
    assert_eq!(hashes(&listed), of_maker);
    let order = &listed["orders"][0];
    assert_eq!(order["maker_amount"], orders[0].order.maker_asset_amount.to_string());
    assert_eq!(order["own"], true);

    let token = orders[0].order.maker_asset_data.as_erc20().unwrap();
    let listed = node.ask(&["orders", "list", "--limit", "200", "--token", &token.to_string()]);
    let has = |hash: &String| hashes(&listed).contains(hash);
    assert!(has(&orders[0].hash().to_string()) && hashes(&listed).len() < 200);
    let text = run(&dir, &["orders", "list", "--limit", "1"]).expect(0).stdout;
    assert!(text.starts_with("ORDER") && text.contains("1 of 200 shown, and there are more"));
    run(&dir, &["orders", "list", "--maker", "0x12"]).expect(2);
}

#[test]
fn orders_of_both_versions_are_one_set() {
    let (_temporary, [dir]) = places();
    let node = start(&dir);
    let network = Network::v4(1).unwrap();
    let mut made = Generator::new([4; 32], Config { network, ..Config::default() });
    let made: Vec<_> = std::iter::repeat_with(|| made.limit_order()).take(30).collect();
    let lines: String = made.iter().map(|order| order.to_json() + "\n").collect();
    let both = canonical() + &lines + &lines.replace("\"salt\":\"", "\"salt\":\"1");
    let imported = import(&dir, &both).expect(1).stdout;
    assert_eq!(imported, "260 lines: 230 new, 0 known, 30 bad (30 signature_signer)\n");

    let status = node.ask(&["orders", "status"]);
    assert_eq!((&status["count"], &status["count_v4"]), (&230.into(), &30.into()));
    assert_eq!(status["exchange_v4"], network.exchange.to_string());
    let text = run(&dir, &["orders", "status"]).expect(0).stdout;
    assert!(text.contains("230 of at most 200000, 30 of version 4\n"), "{text}");

    let (maker, token) = (made[0].order.maker, made[0].order.maker_token);
    let listed = node.ask(&["orders", "list", "--maker", &maker.to_string()]);
    let is_listed = |order: &&Value| order["hash"] == made[0].hash().to_string();
    let order = listed["orders"].as_array().unwrap().iter().find(is_listed).unwrap();
    assert_eq!((&order["version"], &order["own"]), (&4.into(), &true.into()));
    assert_eq!(order["maker_asset"], format!("erc20:{token}"));
    assert_eq!(order["maker_amount"], made[0].order.maker_amount.to_string());
    let listed = node.ask(&["orders", "list", "--token", &token.to_string()]);
    assert!(listed["orders"].as_array().unwrap().iter().any(|order| is_listed(&order)));

    let by_hash: BTreeMap<_, _> = both
        .lines()
        .take(230)
        .map(|line| (Order::read(line).unwrap().hash(), format!("{line}\n")))
        .collect();
    let expected: String = by_hash.into_values().collect();
    assert_eq!(run(&dir, &["orders", "export"]).expect(0).stdout, expected);
    // Rows of both versions are read again.
    node.end("-TERM");
    let node = start(&dir);
    assert_eq!(node.ask(&["orders", "status"])["digest"], status["digest"]);
    node.end("-TERM");
}

#[test]
fn who_watches_sees_what_comes() {
    let (_temporary, [dir]) = places();
    let node = start(&dir);
    let mut watching = Command::new(env!("CARGO_BIN_EXE_meshwork"))
        .arg("--data-dir")
        .arg(&dir)
        .args(["orders", "watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let changes = lines(watching.stdout.take().unwrap());
    let first = changes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first, r#"{"kind":"watching","hash":null,"order":null}"#);
    import(&dir, SAMPLE_V3.lines().next().unwrap()).expect(0);
    let change: Value = serde_json::from_str(&changes.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!((&change["kind"], &change["order"]["own"]), (&"added".into(), &true.into()));
    // The node does not wait for those who watch, and they hear that it is ending.
    node.end("-TERM");
    assert_eq!(changes.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    assert_eq!(watching.wait().unwrap().code(), Some(3));
}

#[test]
fn a_node_fetches_what_another_one_has() {
    let (_temporary, [here, there]) = places();
    let (node, other) = (start(&here), start(&there));
    import(&there, SAMPLE_V3).expect(0);
    let alone = run(&here, &["orders", "sync", "--timeout", "1s"]).expect(6);
    assert!(alone.stderr.contains("did not end within 1s"), "{alone:?}");

    let address = other.address("tcp");
    let told = run(&here, &["orders", "sync", "--from", &address, "--json"]).expect(0);
    let lines: Vec<Value> =
        told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let session = &lines[0];
    assert_eq!(session["peer_id"], *other.peer_id);
    assert_eq!(session["ended"], "agreed");
    assert_eq!((&session["new"], &lines.last().unwrap()["synced"]), (&200.into(), &1.into()));
    let digest = |node: &Node| node.ask(&["orders", "status"])["digest"].clone();
    assert_eq!(digest(&node), digest(&other));
    let listed = node.ask(&["orders", "list", "--limit", "1"]);
    assert_eq!(listed["orders"][0]["own"], false, "it is not this node's");
    let again = run(&here, &["orders", "sync", "--from", &address]).expect(0).stdout;
    assert!(again.contains("agreed: 0 new") && again.ends_with("synced with 1 peer\n"), "{again}");

    // One that is not there is named, and what the other one has is fetched all the same.
    let nobody = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    let wrong = format!("/ip4/127.0.0.1/tcp/1/p2p/{nobody}");
    let both = ["orders", "sync", "--from", &address, "--from", &wrong];
    let partly = run(&here, &both).expect(1);
    let unreached = format!("{nobody} unreached (cannot reach /ip4/127.0.0.1/tcp/1");
    assert!(partly.stdout.contains(&unreached), "{partly:?}");
    assert!(partly.stdout.ends_with("synced with 1 peer\n"), "{partly:?}");
    assert!(partly.stderr.contains("synced with 1 of 2 peers asked for"), "{partly:?}");
    let partly = run(&here, &[&both[..], &["--json"]].concat()).expect(1);
    let lines: Vec<Value> =
        partly.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let unreached = lines.iter().find(|line| line["peer_id"] == nobody).unwrap();
    assert_eq!((&unreached["ended"], &unreached["protocol"]), (&"unreached".into(), &Value::Null));
    assert_eq!(lines.last().unwrap(), &serde_json::json!({ "synced": 1, "wanted": 2 }));
}

#[test]
fn a_configuration_of_another_chain_takes_its_orders_only() {
    let (_temporary, [dir]) = places();
    let node = Node::spawn(&dir, &[], &[("MESHWORK_ORDERS__CHAIN_ID", "1337")]).until_ready();
    let refused = import(&dir, SAMPLE_V3).expect(1);
    assert!(refused.stdout.ends_with("200 bad (200 chain_id)\n"), "{refused:?}");
    assert!(refused.stderr.starts_with("line 1: order is for chain 1, not 1337\n"), "{refused:?}");
    assert_eq!(node.ask(&["orders", "status"])["chain_id"], 1337);

    let mut command = meshwork();
    command.arg("--data-dir").arg(&dir).args(["--json", "orders", "import", "-"]);
    let told = ended(command.write_stdin("\n{}")).expect(1);
    assert_eq!(told.json()["reasons"], serde_json::json!({ "field": 1 }));
    let lines: Vec<Value> =
        told.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reason = "chainId is missing";
    assert_eq!(lines[0], serde_json::json!({ "line": 2, "code": "field", "reason": reason }));
    assert_eq!((lines.len(), &lines[1]["exit"]), (2, &1.into()));
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let (temporary, [dir]) = places();
    run(&dir, &["init"]).expect(0);
    let missing = temporary.path().join("missing");
    let missing = run(&dir, &["orders", "import", missing.to_str().unwrap()]).expect(5);
    assert!(missing.stderr.contains("cannot read"), "{missing:?}");
    run(&dir, &["orders", "export"]).expect(3);
    run(&dir, &["orders", "sync", "--min-peers", "0"]).expect(2);
    let both = ["orders", "sync", "--min-peers", "1", "--from", "/ip4/127.0.0.1/tcp/1"];
    run(&dir, &both).expect(2);
    let mut command = meshwork();
    command.arg("--data-dir").arg(&dir).args(["config", "check"]);
    let bad = ended(command.env("MESHWORK_ORDERS__CHAIN_ID", "5")).expect(78);
    assert!(bad.stderr.contains("orders.exchange is \"auto\", but chain 5"), "{bad:?}");
}

#[test]
fn an_export_that_fails_leaves_the_old_file() {
    let (temporary, [dir]) = places();
    let out = temporary.path().join("out.jsonl");
    fs::File::create(&out).unwrap().write_all(b"precious").unwrap();
    run(&dir, &["init"]).expect(0);
    run(&dir, &["orders", "export", out.to_str().unwrap()]).expect(3);
    assert_eq!(fs::read(&out).unwrap(), b"precious");
}
