//! Real nodes in real processes: messages to peers that are there, and to one that is away.

use std::path::Path;

use serde_json::{Value, json};

use super::run;
use super::running::{Node, places};

fn start(dir: &Path, arguments: &[&str]) -> Node {
    // Mail is asked for when a node comes up and again after a time, which is not to be waited for.
    let variables = [("MESHWORK_DHT__MAILBOX_FETCH_PERIOD", "1s")];
    Node::spawn(dir, arguments, &variables).until_ready()
}

/// Waits until both are connected, in whatever order.
fn connected(node: &Node, others: [&Node; 2]) {
    node.eventually(&["peers", "list"], |peers| {
        let is = |peer: &Value, other: &Node| peer["peer_id"] == *other.peer_id;
        let peers = peers.as_array().unwrap();
        others.iter().all(|other| peers.iter().any(|peer| is(peer, other)))
    });
}

/// What came, without what differs from run to run.
fn texts(inbox: &Value) -> Vec<(&Value, &Value)> {
    let messages = inbox["messages"].as_array().unwrap();
    messages.iter().map(|message| (&message["number"], &message["text"])).collect()
}

#[test]
fn what_is_sent_to_a_peer_that_is_away_is_there_once_when_it_is_back() {
    let (_temporary, [first, second, third]) = places();
    let between = start(&first, &[]);
    let address = between.address("tcp");
    let from = start(&second, &["--peer", &address]);
    let to = start(&third, &["--peer", &address]);
    connected(&between, [&from, &to]);

    let send = ["send", &to.peer_id, "hello", "--wait", "1m", "--json"];
    let sent = run(&from.dir, &send).expect(0);
    let last: Value = serde_json::from_str(sent.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outcome"], &last["peer_id"]), (&json!("delivered"), &json!(to.peer_id)));
    let inbox = to.ask(&["inbox"]);
    assert_eq!(texts(&inbox), [(&json!(1), &json!("hello"))]);
    assert_eq!(inbox["messages"][0]["sender"], *from.peer_id);
    assert_eq!(inbox["messages"][0]["letter"], last["letter"]);

    let peer_id = to.peer_id.clone();
    to.end("-TERM");
    // Whether it is kept within a second is chance; that it will be is not.
    run(&from.dir, &["send", &peer_id, "are you there?", "--wait", "1s"]);
    from.eventually(&["sent"], |sent| sent[0]["outcome"] == "stored");
    let to = start(&third, &["--peer", &address]);
    assert_eq!(to.peer_id, peer_id);
    to.eventually(&["inbox"], |inbox| texts(inbox).len() == 2);
    let sent = from.eventually(&["sent"], |sent| sent[0]["outcome"] == "delivered");
    let kinds = sent[0]["history"].as_array().unwrap().iter().map(|news| &news["kind"]);
    assert_eq!(kinds.filter(|kind| **kind == "delivered").count(), 1, "{sent}");
    assert_eq!(sent[1]["outcome"], "delivered");

    let inbox = to.ask(&["inbox", "--after", "1"]);
    assert_eq!(texts(&inbox), [(&json!(2), &json!("are you there?"))]);
    assert_eq!(to.ask(&["inbox", "--forget", "2"]), json!({ "forgotten": 2 }));
    assert_eq!(to.ask(&["inbox"]), json!({ "messages": [], "more": false }));
    let told = to.ask(&["status"]);
    assert_eq!(told["messages"]["now"]["inbox_messages"], 0, "{told}");
    for node in [from, between, to] {
        node.end("-TERM");
    }
}

#[test]
fn what_nobody_can_take_is_refused_and_a_node_without_messages_says_so() {
    let (_temporary, [first, second]) = places();
    let node = start(&first, &[]);
    let own = run(&node.dir, &["send", &node.peer_id, "hello", "--json"]).expect(7).failure();
    assert!(own["error"].as_str().unwrap().contains("recipient is this node"), "{own}");
    let long = "x".repeat(1025);
    let usage = ["send", &node.peer_id, &long, "--via-relays", "1", "--json"];
    run(&node.dir, &usage).expect(2).failure();
    run(&node.dir, &["send", &node.peer_id, "hello", "--lifetime", "25h"]).expect(2);

    let off = [("MESHWORK_DHT__ENABLED", "false")];
    let off = Node::spawn(&second, &[], &off).until_ready();
    for command in [&["send", &node.peer_id, "hello"][..], &["inbox"], &["sent"], &["watch"]] {
        let refused = run(&off.dir, &[command, &["--json"]].concat()).expect(3).failure();
        let hint = refused["hint"].as_str().unwrap();
        assert!(hint.contains("dht.enabled"), "{command:?}: {refused}");
    }
    assert_eq!(off.ask(&["status"])["messages"], Value::Null);
}
