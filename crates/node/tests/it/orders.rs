//! `orders`: in, out, and still there after a kill.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use orders::sample::SAMPLE_V3;
use orders::v3::SignedOrder;
use serde_json::Value;

use super::running::{Node, places};
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
    assert_eq!(complaints[3], "error: 3 of 203 lines were not imported");
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
    let mut changes = BufReader::new(watching.stdout.take().unwrap()).lines();
    let first = changes.next().unwrap().unwrap();
    assert_eq!(first, r#"{"kind":"watching","hash":null,"order":null}"#);
    import(&dir, SAMPLE_V3.lines().next().unwrap()).expect(0);
    let change: Value = serde_json::from_str(&changes.next().unwrap().unwrap()).unwrap();
    assert_eq!((&change["kind"], &change["order"]["own"]), (&"added".into(), &true.into()));
    // The node does not wait for those who watch, and they hear that it is ending.
    node.end("-TERM");
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
