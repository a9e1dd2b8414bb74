//! Real nodes in real processes: whom they trust, whom they ban, whom they know, and what of it
//! outlives them.

use std::path::Path;

use serde_json::Value;

use super::running::{Node, places};
use super::{Ended, run};

/// Everything that a node writes is written, and looked after, every second.
const FAST: [(&str, &str); 4] = [
    ("MESHWORK_GOSSIP__SAVE_PERIOD", "1s"),
    ("MESHWORK_GOSSIP__MAINTENANCE_PERIOD", "1s"),
    ("MESHWORK_GOSSIP__ANCHOR_AGE", "1s"),
    ("MESHWORK_GOSSIP__PING_PERIOD", "1s"),
];

fn fast(dir: &Path, arguments: &[&str]) -> Node {
    Node::spawn(dir, arguments, &FAST).until_ready()
}

fn refused(node: &Node, arguments: &[&str], code: i32) -> Value {
    let refused: Ended = run(&node.dir, &[arguments, &["--json"]].concat()).expect(code);
    refused.failure()
}

/// Waits until what the node knew a moment ago is durable: it writes once a second, in the order in
/// which things are asked of the disk, and answers a ban when that is written.
fn all_is_written(node: &Node) {
    let uptime = || node.ask(&["status"])["uptime_ms"].as_u64().unwrap();
    let then = uptime() + 3000;
    node.eventually(&["status"], |status| status["uptime_ms"].as_u64().unwrap() > then);
    node.ask(&["peers", "ban", "9.9.9.9"]);
}

/// What the book says of one peer.
fn entry<'a>(book: &'a Value, peer_id: &str) -> Option<&'a Value> {
    book["entries"].as_array().unwrap().iter().find(|entry| entry["peer_id"] == peer_id)
}

#[test]
fn a_peer_that_is_added_is_kept_until_it_is_removed() {
    let (_temporary, [first, second]) = places();
    let (node, other) = (fast(&first, &[]), fast(&second, &[]));
    let address = other.address("tcp");
    let added = node.ask(&["peers", "add", &address]);
    assert_eq!(added["peer_id"], *other.peer_id);
    assert_eq!(added["trusted"], true);
    let peer = node.has_peer(&other);
    assert_eq!((&peer["kind"], &peer["trusted"]), (&"manual".into(), &true.into()));
    assert_eq!(other.has_peer(&node)["trusted"], false, "trust is one's own affair");

    // It is dialled again when it is gone, and comes back to the same place.
    let (peer_id, listen) = (other.peer_id.clone(), other.listen.clone());
    other.end("-TERM");
    node.logged(&[" disconnected ", &peer_id]);
    let tcp = listen.iter().find(|address| address.contains("tcp")).unwrap();
    let other = fast(&second, &["--listen", tcp]);
    node.has_peer(&other);

    let removed = node.ask(&["peers", "remove", &peer_id]);
    assert_eq!(removed["trusted"], false);
    let gone = refused(&node, &["peers", "remove", &peer_id], 5);
    assert!(gone["error"].as_str().unwrap().contains("none of the trusted peers"), "{gone}");
    let peer = node.peer(&other).expect("a peer as any other stays until there is a reason");
    assert_eq!(peer["trusted"], false);
}

#[test]
fn what_makes_no_peer_is_a_usage_error_and_what_is_not_wanted_a_refusal() {
    let (_temporary, [dir]) = places();
    let node = fast(&dir, &[]);
    for usage in [
        &["peers", "add", "/ip4/127.0.0.1/tcp/1"][..],
        &["peers", "remove", "nobody"],
        &["peers", "ban", "nobody"],
        &["peers", "ban", "9.9.9.9", "--for", "0s"],
        &["peers", "ban", "9.9.9.9", "--for", "11years"],
        &["peers", "unban", "9.9.9.0/24"],
        &["book", "--colour", "pink"],
        &["book", "--limit", "0"],
    ] {
        run(&dir, usage).expect(2);
    }
    let own = node.address("tcp");
    let oneself = refused(&node, &["peers", "add", &own], 7);
    assert!(oneself["error"].as_str().unwrap().contains("is this node itself"), "{oneself}");
    refused(&node, &["peers", "ban", &node.peer_id], 7);
    refused(&node, &["peers", "unban", "9.9.9.9"], 5);
    assert_eq!(node.ask(&["peers", "bans"]), Value::Array(Vec::new()));
}

#[test]
fn a_ban_cuts_off_at_once_outlives_a_kill_and_can_be_lifted() {
    let (_temporary, [first, second]) = places();
    let node = fast(&first, &[]);
    let tcp = node.listen.iter().find(|address| address.contains("tcp")).unwrap().clone();
    let other = fast(&second, &["--peer", &node.address("tcp")]);
    node.has_peer(&other);
    let banned = node.ask(&["peers", "ban", &other.peer_id, "--for", "1h", "--reason", "spam"]);
    assert_eq!(banned["whom"], *other.peer_id);
    assert_eq!(banned["for_ms"], 3_600_000);
    node.lost_peer(&other.peer_id);
    other.logged(&["they say goodbye: banned", &node.peer_id]);
    other.logged(&["refused", "banned", &node.peer_id]);
    let known = refused(&node, &["peers", "add", &other.address("tcp")], 7);
    assert!(known["error"].as_str().unwrap().contains("is banned (spam)"), "{known}");

    // Dropped, it is killed: the ban was durable before the command ended.
    drop(node);
    let node = fast(&first, &["--listen", &tcp]);
    let bans = node.ask(&["peers", "bans"]);
    assert_eq!(bans.as_array().unwrap().len(), 1, "{bans}");
    assert_eq!(bans[0]["whom"], *other.peer_id);
    assert_eq!(bans[0]["reason"], "spam");
    let text = run(&first, &["peers", "bans"]).expect(0).stdout;
    assert!(text.contains("59m") && text.contains("spam"), "{text}");
    node.logged(&["refused", "banned", &other.peer_id]);
    assert!(node.peer(&other).is_none());

    node.ask(&["peers", "unban", &other.peer_id]);
    refused(&node, &["peers", "unban", &other.peer_id], 5);
    node.has_peer(&other);
    let trusted = refused(&other, &["peers", "ban", &node.peer_id], 7);
    assert!(trusted["error"].as_str().unwrap().contains("is a trusted peer"), "{trusted}");
}

#[test]
fn a_ban_of_an_address_hits_whoever_comes_from_it_and_ends_by_itself() {
    let (_temporary, [first, second]) = places();
    let node = fast(&first, &[]);
    let other = fast(&second, &["--peer", &node.address("tcp")]);
    node.has_peer(&other);
    node.ask(&["peers", "ban", "127.0.0.1", "--for", "2s"]);
    node.lost_peer(&other.peer_id);
    other.logged(&["they say goodbye: banned", &node.peer_id]);
    node.has_peer(&other);
    assert_eq!(node.ask(&["peers", "bans"]), Value::Array(Vec::new()));
}

#[test]
fn the_book_says_who_is_connected_and_remembers_it_after_a_kill() {
    let (_temporary, [seed, first, second]) = places();
    let seed = Node::start(&seed, &["--role", "seed"]);
    let first = Node::spawn(&first, &["--seed", &seed.address("tcp")], &FAST).until_ready();
    let node = Node::spawn(&second, &["--seed", &seed.address("tcp")], &FAST).until_ready();
    node.has_peer(&first);
    let book = node.ask(&["book"]);
    let known = entry(&book, &first.peer_id).unwrap_or_else(|| panic!("{book}"));
    assert_eq!((&known["colour"], &known["failures"]), (&"gold".into(), &0.into()));
    let addresses = known["addresses"].as_array().unwrap();
    assert!(addresses.iter().any(|it| first.listen.iter().any(|l| *l == *it)), "{known}");
    assert_eq!(book["counts"]["gold"], 1, "{book}");
    let gold = node.ask(&["book", "--colour", "gold", "--limit", "1"]);
    assert_eq!(gold["entries"].as_array().unwrap().len(), 1);
    let black = node.ask(&["book", "--colour", "black"]);
    assert_eq!(black["entries"], Value::Array(Vec::new()));
    assert_eq!(black["counts"], book["counts"], "the counts are of the whole book");
    let text = run(&node.dir, &["book"]).expect(0).stdout;
    assert!(text.contains("COLOUR") && text.contains("1 gold"), "{text}");

    // Its one neighbour gone, and nobody left to ask: what it knows now it knows from before.
    let dir = node.dir.clone();
    all_is_written(&node);
    drop((node, seed));
    let peer_id = first.peer_id.clone();
    drop(first);
    let node = fast(&dir, &[]);
    let book = node.ask(&["book"]);
    let known = entry(&book, &peer_id).unwrap_or_else(|| panic!("{book}"));
    assert!(["white", "grey"].contains(&known["colour"].as_str().unwrap()), "{known}");
    node.end("-TERM");
}

#[test]
fn a_node_that_was_killed_comes_back_to_its_anchor() {
    let (_temporary, [seed, first, second]) = places();
    let seed = Node::start(&seed, &["--role", "seed"]);
    let anchor = fast(&first, &["--seed", &seed.address("tcp")]);
    // It listens nowhere that the seed could tell others of: it has to dial.
    let node = fast(&second, &["--seed", &seed.address("tcp")]);
    let met = node.has_peer(&anchor);
    let (dialler, dialled) = if met["direction"] == "outbound" {
        (node, anchor)
    } else {
        anchor.has_peer(&node);
        (anchor, node)
    };
    dialler.eventually(&["peers", "list"], |peers| peers[0]["anchor"] == true);
    all_is_written(&dialler);
    let dir = dialler.dir.clone();
    drop((dialler, seed));
    let again = fast(&dir, &[]);
    let peer = again.has_peer(&dialled);
    assert_eq!(peer["direction"], "outbound", "nobody else would know where it is");
}

#[test]
fn a_peer_that_ends_says_so() {
    let (_temporary, [first, second]) = places();
    let leaving = fast(&first, &[]);
    let node = fast(&second, &["--peer", &leaving.address("quic")]);
    node.has_peer(&leaving);
    let gone = leaving.peer_id.clone();
    leaving.end("-INT");
    node.logged(&["they say goodbye: shutdown", &gone]);
}

#[test]
fn the_round_trip_is_gossip_s_own() {
    let (_temporary, [first, second]) = places();
    let other = fast(&first, &[]);
    let node = fast(&second, &["--peer", &other.address("tcp")]);
    node.has_peer(&other);
    node.eventually(&["peers", "list"], |peers| peers[0]["rtt_us"].as_u64().is_some());
    let text = run(&node.dir, &["peers", "list"]).expect(0).stdout;
    assert!(text.contains("STATE") && text.contains("trusted"), "{text}");
}

#[test]
fn a_store_that_is_no_store_stops_the_start_and_is_left_as_it_is() {
    let (_temporary, [dir]) = places();
    run(&dir, &["init"]).expect(0);
    let store = dir.join("meshwork.redb");
    std::fs::write(&store, "precious").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&store, mode).unwrap();
    let refused = run(&dir, &["run", "--listen", "/ip4/127.0.0.1/tcp/0"]).expect(78);
    assert!(refused.stderr.contains("meshwork.redb"), "{refused:?}");
    assert_eq!(refused.stdout, "", "never ready");
    assert_eq!(std::fs::read(&store).unwrap(), b"precious");
}
