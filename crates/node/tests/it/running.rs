//! Real nodes in real processes: they find each other, refuse each other, and end in good order.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{Ended, run};

/// Longest time for anything to happen. On an idle machine nothing takes a tenth of it.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A running node; killed when dropped.
pub(super) struct Node {
    child: Child,
    pub(super) dir: PathBuf,
    /// Lines of standard output and of the log as they come.
    stdout: Receiver<String>,
    log: Receiver<String>,
    pub(super) peer_id: String,
    pub(super) listen: Vec<String>,
}

impl Node {
    /// Starts a node on loopback and waits for its ready line.
    pub(super) fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::spawn(dir, arguments, &[]).until_ready()
    }

    pub(super) fn until_ready(mut self) -> Self {
        let node = &mut self;
        let ready = node.stdout.recv_timeout(PATIENCE);
        let ready = ready.unwrap_or_else(|_| panic!("not ready: {}", node.rest_of_log()));
        let fields: Vec<_> = ready.split(' ').collect();
        let field = |name: &str| {
            let value = fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("no {name} in {ready:?}")).to_owned()
        };
        assert_eq!(fields[0], "ready");
        let socket = node.dir.join("control.sock");
        assert_eq!(field("control"), format!("unix:{}", socket.display()));
        assert_eq!(field("dashboard"), "off");
        node.peer_id = field("peer_id");
        node.listen = field("listen").split(',').map(str::to_owned).collect();
        self
    }

    pub(super) fn spawn(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_meshwork"))
            .args(["run", "--data-dir"])
            .arg(dir)
            .args(["--allow-private", "--listen", "/ip4/127.0.0.1/tcp/0"])
            .args(["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
            .args(arguments)
            .env("MESHWORK_LOG", "warn,meshwork=debug")
            .env("MESHWORK_LIMITS__PENDING_TIMEOUT", "2s")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let stderr: ChildStderr = child.stderr.take().unwrap();
        let (stdout, log) = (lines(stdout), lines(stderr));
        Self { child, dir: dir.to_owned(), stdout, log, peer_id: String::new(), listen: Vec::new() }
    }

    /// Where others dial it over `transport`.
    pub(super) fn address(&self, transport: &str) -> String {
        let address = self.listen.iter().find(|address| address.contains(transport)).unwrap();
        format!("{address}/p2p/{}", self.peer_id)
    }

    /// What the node answers with `--json`.
    pub(super) fn ask(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        run(&self.dir, &arguments).expect(0).json()
    }

    /// Waits until `other` is connected; what the list says of it then.
    pub(super) fn has_peer(&self, other: &Self) -> Value {
        self.logged(&[" connected ", &other.peer_id]);
        self.peer(other).unwrap_or_else(|| panic!("{}", self.ask(&["peers", "list"])))
    }

    /// What the list says of `other` now.
    pub(super) fn peer(&self, other: &Self) -> Option<Value> {
        let peers = self.ask(&["peers", "list"]);
        let is = |peer: &&Value| peer["peer_id"] == other.peer_id.as_str();
        peers.as_array().unwrap().iter().find(is).cloned()
    }

    /// Asks until the answer is as it should be.
    pub(super) fn eventually(&self, arguments: &[&str], wish: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.ask(arguments);
            if wish(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{arguments:?}: {answer}");
        }
    }

    /// Waits until `other` is gone.
    pub(super) fn lost_peer(&self, other: &str) {
        self.logged(&[" disconnected ", other]);
        assert_eq!(self.ask(&["peers", "list"]), Value::Array(Vec::new()));
    }

    /// The next line of the log with all of these words.
    pub(super) fn logged(&self, words: &[&str]) -> String {
        let mut seen = String::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {words:?} in:\n{seen}"));
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    fn rest_of_log(&mut self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Kills it. What it has logged that nobody has looked at.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.iter().collect()
    }

    /// Sends a signal and waits for the end.
    pub(super) fn end(mut self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let begun = Instant::now();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.rest_of_log());
        assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
        assert!(!self.dir.join("control.sock").exists(), "the socket is gone");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

pub(super) fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (line, lines) = channel();
    thread::spawn(move || {
        for text in BufReader::new(from).lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

pub(super) fn places<const N: usize>() -> (TempDir, [PathBuf; N]) {
    let temporary = tempfile::tempdir().unwrap();
    let places = std::array::from_fn(|number| temporary.path().join(format!("node-{number}")));
    (temporary, places)
}

#[test]
fn a_node_makes_itself_serves_and_ends_on_either_signal() {
    let (_temporary, [dir]) = places();
    let node = Node::start(&dir, &[]);
    assert_eq!(node.listen.len(), 2);
    assert!(node.listen.iter().all(|address| !address.contains("/0")), "{:?}", node.listen);
    let status = node.ask(&["status"]);
    assert_eq!(status["peer_id"], node.peer_id);
    assert_eq!((&status["network"], &status["role"]), (&"meshwork-dev".into(), &"node".into()));
    assert_eq!(status["listen"].as_array().unwrap().len(), 2);

    let second = run(&dir, &["run"]).expect(1);
    assert!(second.stderr.contains("is in use by process"), "{second:?}");
    let peer_id = node.peer_id.clone();
    // A client that never says a word holds nobody up.
    let silent = UnixStream::connect(dir.join("control.sock")).unwrap();
    node.end("-TERM");
    drop(silent);

    let again = Node::start(&dir, &[]);
    assert_eq!(again.peer_id, peer_id, "the identity outlives the process");
    assert_eq!(run(&dir, &["id"]).expect(0).stdout.trim(), peer_id);
    again.end("-INT");
}

#[test]
fn what_a_killed_node_left_behind_is_no_obstacle() {
    let (_temporary, [dir]) = places();
    let node = Node::start(&dir, &[]);
    let peer_id = node.peer_id.clone();
    drop(node);
    assert!(dir.join("control.sock").exists(), "killed, it could not clean up");
    run(&dir, &["status"]).expect(3);
    let again = Node::start(&dir, &[]);
    assert_eq!(again.peer_id, peer_id);
    again.end("-TERM");
}

#[test]
fn nodes_find_each_other_through_a_seed() {
    let (_temporary, [seed, first, second]) = places();
    let seed = Node::start(&seed, &["--role", "seed"]);
    let first = Node::start(&first, &["--seed", &seed.address("tcp")]);
    let second = Node::start(&second, &["--seed", &seed.address("quic")]);
    let (there, back) = (first.has_peer(&second), second.has_peer(&first));
    assert_ne!(there["direction"], back["direction"], "one dialled, the other was dialled");
    assert_eq!((&there["version"], &there["agent"]), (&back["version"], &back["agent"]));
    assert!(["tcp", "quic"].contains(&there["transport"].as_str().unwrap()), "{there}");

    // Each visitor was reached, which is one line, and left, which is another, in either order.
    let mut told = (BTreeSet::new(), BTreeSet::new());
    while told.0.len() < 2 || told.1.len() < 2 {
        let line = seed.logged(&["visit"]);
        let who = if line.contains(&first.peer_id) { 1 } else { 2 };
        if line.contains("reached a visitor") {
            told.0.insert(who);
        } else if line.contains("end of a visit") {
            told.1.insert(who);
        }
    }
    let status = seed.ask(&["status"]);
    assert_eq!((&status["role"], &status["known_addresses"]), (&"seed".into(), &2.into()));
    assert_eq!(status["outbound"], 0, "it keeps nobody");
    // The one that is left notices, and goes on.
    let gone = first.peer_id.clone();
    first.end("-TERM");
    second.lost_peer(&gone);
    second.end("-INT");
    seed.end("-TERM");
}

#[test]
fn nodes_of_different_networks_refuse_each_other_and_say_why() {
    let (_temporary, [red, blue]) = places();
    let red = Node::start(&red, &["--network", "red"]);
    let blue = Node::start(&blue, &["--network", "blue", "--peer", &red.address("tcp")]);
    blue.logged(&["refused", "network", red.peer_id.as_str()]);
    red.logged(&["refused", "network", blue.peer_id.as_str()]);
    let status = red.ask(&["status"]);
    assert!(status["refused"]["network"].as_u64() >= Some(1), "{status}");
    assert_eq!(status["inbound"], 0);
    assert_eq!(blue.ask(&["peers", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_manual_peer_stays_connected_and_is_found_again() {
    let (_temporary, [first, second]) = places();
    let target = Node::start(&first, &["--listen", "/ip4/127.0.0.1/tcp/0"]);
    let port = target.listen.iter().find(|a| a.contains("tcp")).unwrap().clone();
    let (address, peer_id) = (target.address("tcp"), target.peer_id.clone());
    let node = Node::start(&second, &["--peer", &address]);
    let peer = node.has_peer(&target);
    assert_eq!((&peer["kind"], &peer["direction"]), (&"manual".into(), &"outbound".into()));
    target.end("-TERM");
    node.lost_peer(&peer_id);

    let back = Node::start(&first, &["--listen", &port]);
    assert_eq!(back.peer_id, peer_id);
    node.has_peer(&back);
}

#[test]
fn a_goodbye_is_heard_at_once_over_either_transport() {
    for transport in ["tcp", "quic"] {
        let (_temporary, [first, second]) = places();
        let leaving = Node::start(&first, &[]);
        let node = Node::start(&second, &["--peer", &leaving.address(transport)]);
        assert_eq!(node.has_peer(&leaving)["transport"], transport);
        let gone = leaving.peer_id.clone();
        leaving.end("-TERM");
        // A peer that merely vanished would be missed after ten seconds.
        let ended = Instant::now();
        node.lost_peer(&gone);
        assert!(ended.elapsed() < Duration::from_secs(3), "{transport}: {:?}", ended.elapsed());
    }
}

#[test]
fn a_private_node_takes_whom_it_was_told_of_and_nobody_else() {
    let (_temporary, [first, friend, stranger]) = places();
    let made = run(&friend, &["init", "--json"]).expect(0).json();
    // Nobody listens there: the friend is to come by itself.
    let place = format!("/ip4/127.0.0.1/tcp/9/p2p/{}", made["peer_id"].as_str().unwrap());
    let private = [("MESHWORK_NETWORK__PRIVATE", "true"), ("MESHWORK_NETWORK__PEERS", &place)];
    let node = Node::spawn(&first, &[], &private).until_ready();
    let stranger = Node::start(&stranger, &["--peer", &node.address("tcp")]);
    stranger.logged(&["refused", "they refuse: private", &node.peer_id]);
    let friend = Node::start(&friend, &["--peer", &node.address("tcp")]);
    friend.has_peer(&node);
    assert_eq!(node.ask(&["peers", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let (_temporary, [dir]) = places();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let refused: Ended = run(&dir, &["run", "--listen", &address]).expect(1);
    assert!(refused.stderr.contains(&format!("cannot listen on {address}")), "{refused:?}");
    assert!(refused.stderr.contains("in use"), "{refused:?}");
    assert!(refused.stderr.contains("hint: "), "{refused:?}");
    assert_eq!(refused.stdout, "", "never ready");
}

#[test]
fn an_address_without_a_peer_and_a_bad_identity_stop_the_start() {
    let (_temporary, [dir]) = places();
    for option in ["--seed", "--peer"] {
        let refused = run(&dir, &["run", option, "/ip4/127.0.0.1/tcp/1"]).expect(2);
        assert!(refused.stderr.contains("append /p2p/"), "{refused:?}");
    }
    assert!(!dir.exists(), "nothing was written");
    run(&dir, &["init"]).expect(0);
    std::fs::write(dir.join("identity.key"), "no key").unwrap();
    let refused = run(&dir, &["run", "--listen", "/ip4/127.0.0.1/tcp/0"]).expect(78);
    assert!(refused.stderr.contains("holds no usable key"), "{refused:?}");
}

#[test]
fn json_logs_are_json_and_json_readiness_too() {
    let (_temporary, [dir]) = places();
    let mut node = Node::spawn(&dir, &["--json", "--log-format", "json"], &[]);
    let ready = node.stdout.recv_timeout(PATIENCE).expect("a ready line");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!(ready["state"], "ready");
    node.peer_id = ready["peer_id"].as_str().unwrap().to_owned();
    let line: Value = serde_json::from_str(&node.logged(&["listening"])).expect("JSON");
    assert_eq!(line["level"], "INFO");
    node.end("-TERM");
}

#[test]
fn a_node_without_a_control_api_serves_all_the_same() {
    let (_temporary, [dir]) = places();
    let node = Node::spawn(&dir, &["--control", "off"], &[]);
    let ready = node.stdout.recv_timeout(PATIENCE).expect("a ready line");
    assert!(ready.contains(" control=off "), "{ready}");
    run(&dir, &["status"]).expect(3);
    node.end("-TERM");
}

#[test]
fn what_is_no_node_is_cut_off_and_nodes_are_served() {
    let (_temporary, [first, second]) = places();
    let node = Node::start(&first, &[]);
    let port = node.listen.iter().find_map(|address| address.split_once("/tcp/")).unwrap().1;
    let connect = || TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    // Some who never say a word, held open to the end.
    let silent: Vec<_> = (0..3).map(|_| connect()).collect();
    let tls_hello = [&[0x16, 3, 1, 0, 0x75, 1, 0, 0, 0x71, 3, 3][..], &[7; 111]].concat();
    let request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec();
    for garbage in [vec![0; 4096], vec![0xff; 4096], tls_hello, request] {
        let mut stranger = connect();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may be cut off while it still writes.
        drop(stranger.write_all(&garbage));
        let mut answer = Vec::new();
        let ended = stranger.read_to_end(&mut answer);
        let reset = ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        assert!(ended.is_ok() || reset, "not cut off: {ended:?}");
        assert!(answer.len() < 1024, "{} bytes for garbage", answer.len());
    }
    for _ in 0..1000 {
        drop(connect());
    }
    let other = Node::start(&second, &["--peer", &node.address("tcp")]);
    other.has_peer(&node);
    let status = node.ask(&["status"]);
    assert_eq!(status["inbound"], 1);
    assert!(status["pending"].as_u64() <= Some(8), "bounded per subnet: {status}");
    drop(silent);
    node.end("-TERM");
}
