//! Three nodes in a chain, of which the outer two never meet: messages reach the other end all the
//! same, once, and whoever is between has nothing that says whose they are.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use dht::{Destination, Envelope, Flags, Form, Key, Network};
use libp2p::PeerId;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use serde_json::Value;

use super::run;
use super::running::{Node, places};

/// What is sent.
const TEXTS: [&str; 3] = ["a word at once", "a word for later", "the last word"];

/// What the outer two log.
const QUIET: &str = "warn,meshwork=debug";

/// Length of an envelope with a short text.
const SHORT: usize = 441;

/// Something that a row or a line may hold, and what it is.
type Trace = (String, Vec<u8>);

/// A row of the store: its table, its key and its value.
type StoredRow = (String, Vec<u8>, Vec<u8>);

fn start(dir: &Path, arguments: &[&str], log: &str) -> Node {
    // Mail is asked for when a node comes up and again after a time, which is not to be waited for.
    let variables = [("MESHWORK_DHT__MAILBOX_FETCH_PERIOD", "1s"), ("MESHWORK_LOG", log)];
    Node::spawn(dir, arguments, &variables).until_ready()
}

/// Bytes as they are, and as a log may show them.
fn shown(name: &str, bytes: &[u8]) -> Vec<Trace> {
    let hex = format!("{bytes:02x?}").replace(['[', ']', ',', ' '], "");
    let list = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let escaped = format!("{:?}", Bytes::copy_from_slice(bytes));
    let escaped = escaped.trim_start_matches("b\"").trim_end_matches('"').to_owned();
    let hexes = [("in hex", hex.to_uppercase()), ("in hex", hex)];
    let texts = hexes.into_iter().chain([("as a list", list), ("with escapes", escaped)]);
    let texts = texts.map(|(form, text)| (format!("{name} {form}"), text.into_bytes()));
    texts.chain([(name.to_owned(), bytes.to_vec())]).collect()
}

/// Everything that a peer may be known by.
fn traces_of_peer(peer_id: &str) -> Vec<Trace> {
    let peer: PeerId = peer_id.parse().unwrap();
    let key = Destination::of(&peer).unwrap();
    let mut traces = vec![("peer id as text".to_owned(), peer_id.as_bytes().to_vec())];
    traces.extend(shown("peer id", &peer.to_bytes()));
    traces.extend(shown("public key", key.as_bytes()));
    traces.extend(shown("hash of the peer id", Key::of(&peer).as_bytes()));
    traces.push(("key in short".to_owned(), Key::of(&peer).to_string().into_bytes()));
    traces
}

/// Everything that a message may be known by, besides its recipient.
fn traces_of_envelope(envelope: &Envelope) -> Vec<Trace> {
    let bytes = envelope.bytes();
    let network = Network::new("meshwork-dev").unwrap();
    let (known, author) = (envelope.identify(&network), envelope.author());
    let parts: [(&str, &[u8]); 6] = [
        // Whoever remembers it need not have all of it.
        ("id", &known.id.0[..15]),
        ("fingerprint", &known.fingerprint.0[..15]),
        ("author", author.as_bytes()),
        ("encapsulated key", &bytes[73..105]),
        ("letter", &bytes[105..137]),
        ("signature", &bytes[bytes.len() - 64..]),
    ];
    let traces = parts.into_iter().map(|(name, part)| shown(name, part));
    traces.flatten().collect()
}

/// The first of the traces that is within one of the parts.
fn found<'a>(traces: &'a [Trace], parts: &[&[u8]]) -> Option<&'a str> {
    // A log has some megabytes: as text it is searched a hundred times as fast.
    let holds = |part: &[u8], trace: &[u8]| match (str::from_utf8(part), str::from_utf8(trace)) {
        (Ok(part), Ok(trace)) => part.contains(trace),
        (Ok(part), Err(_)) if part.is_ascii() => false,
        _ => part.windows(trace.len()).any(|it| it == trace),
    };
    let of = |trace: &&Trace| parts.iter().any(|part| holds(part, &trace.1));
    traces.iter().find(of).map(|(name, _)| name.as_str())
}

/// All rows of the store that a node left.
fn rows(dir: &Path) -> Vec<StoredRow> {
    let copy = dir.with_extension("copy");
    fs::copy(dir.join("meshwork.redb"), &copy).unwrap();
    let database = Database::open(&copy).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut rows = Vec::new();
    for table in transaction.list_tables().unwrap() {
        let definition = TableDefinition::<&[u8], &[u8]>::new(table.name());
        for row in transaction.open_table(definition).unwrap().iter().unwrap() {
            let (key, value) = row.unwrap();
            rows.push((table.name().to_owned(), key.value().to_vec(), value.value().to_vec()));
        }
    }
    rows
}

/// The envelopes among them.
fn envelopes(rows: &[StoredRow]) -> Vec<Envelope> {
    let kept = rows.iter().filter(|(table, ..)| table == "envelopes");
    let envelope = |value: &[u8]| Bytes::copy_from_slice(&value[value.len() - SHORT..]);
    kept.map(|(.., value)| Envelope::parse(envelope(value)).unwrap()).collect()
}

/// What came, and from whom.
fn texts(inbox: &Value) -> Vec<(&str, &str)> {
    let messages = inbox["messages"].as_array().unwrap().iter();
    messages.map(|it| (it["text"].as_str().unwrap(), it["sender"].as_str().unwrap())).collect()
}

/// How often the sender was told that its last message is delivered.
fn times_delivered(sent: &Value) -> usize {
    let history = sent[0]["history"].as_array().unwrap();
    history.iter().filter(|news| news["kind"] == "delivered").count()
}

fn are_linked(node: &Node, other: &str) -> bool {
    let peers = node.ask(&["peers", "list"]);
    peers.as_array().unwrap().iter().any(|peer| peer["peer_id"] == other)
}

fn until_linked(node: &Node, other: &str) {
    let is = |peer: &Value| peer["peer_id"] == other;
    node.eventually(&["peers", "list"], |peers| peers.as_array().unwrap().iter().any(is));
}

/// Sends, and says by which letter.
fn send(from: &Node, to: &str, text: &str) -> String {
    let sent = run(&from.dir, &["send", to, text, "--wait", "1s", "--json"]);
    let line = sent.stdout.lines().last().unwrap_or_else(|| panic!("{sent:?}"));
    let last: Value = serde_json::from_str(line).unwrap();
    last["letter"].as_str().unwrap().to_owned()
}

/// Waits until the sender has the receipt of its last message.
fn is_delivered(sender: &Node) {
    let sent = sender.eventually(&["sent"], |sent| sent[0]["outcome"] == "delivered");
    assert_eq!(times_delivered(&sent), 1, "{sent}");
}

/// What a node between the two others has written, and what is to be looked for in it.
struct Search {
    sender: Vec<Trace>,
    recipient: Vec<Trace>,
    /// What only the two may know.
    secrets: Vec<Trace>,
}

impl Search {
    fn new(sender: &str, recipient: &str, texts: &[&str], letters: &[String]) -> Self {
        let text = |text: &&str| shown(&format!("{text:?}"), text.as_bytes());
        let letter = |letter: &String| {
            let letter = u128::from_str_radix(letter.strip_prefix("0x").unwrap(), 16).unwrap();
            shown("id of a letter", &letter.to_be_bytes())
        };
        let secrets = texts.iter().flat_map(text).chain(letters.iter().flat_map(letter));
        let (sender, recipient) = (traces_of_peer(sender), traces_of_peer(recipient));
        Self { sender, recipient, secrets: secrets.collect() }
    }

    /// Sees that nothing in it says who sent the messages. Returns how many it keeps of them.
    fn through(&self, rows: &[StoredRow], log: &[String]) -> usize {
        let kept = envelopes(rows);
        let mut message = self.recipient.clone();
        let of_peer = |envelope: &Envelope, peer: &[Trace]| {
            found(peer, &[envelope.destination().unwrap().as_bytes()]).is_some()
        };
        let sent = kept.iter().filter(|envelope| of_peer(envelope, &self.recipient));
        let sent: Vec<_> = sent.collect();
        for envelope in &sent {
            assert_eq!((envelope.form(), envelope.flags()), (Form::Sealed, Flags::MAILBOX));
            assert_eq!(found(&self.sender, &[envelope.bytes()]), None, "{envelope:?}");
            message.extend(traces_of_envelope(envelope));
        }
        let parts = rows.iter().map(|(table, key, value)| (table.clone(), vec![&key[..], value]));
        let lines = log.iter().map(|line| (line.clone(), vec![line.as_bytes()]));
        let (mut of_sender, mut of_message) = (0, 0);
        for (place, parts) in parts.chain(lines) {
            let (sender, message) = (found(&self.sender, &parts), found(&message, &parts));
            assert_eq!(found(&self.secrets, &parts), None, "{place}: {parts:?}");
            assert!(sender.and(message).is_none(), "{sender:?}, {message:?}: {place}: {parts:?}");
            of_sender += usize::from(sender.is_some());
            of_message += usize::from(message.is_some());
        }
        // Both are there: who is linked, and for whom something is kept.
        assert!(of_sender > 0 && of_message > 0, "{of_sender}, {of_message}");
        sent.len()
    }
}

#[test]
fn over_a_chain_each_message_comes_once_and_whoever_is_between_cannot_tell_whose_it_is() {
    let (_temporary, places) = places();
    let [outer, middle, far] = &places;
    let recipient_id = run(far, &["init", "--json"]).expect(0).json()["peer_id"].clone();
    let recipient_id = recipient_id.as_str().unwrap();
    let between = start(middle, &[], "trace");
    let address = between.address("tcp");
    let sender = start(outer, &["--peer", &address], QUIET);
    // The overlay links whoever hears of each other, but for this.
    sender.ask(&["peers", "ban", recipient_id]);
    let recipient = start(far, &["--peer", &address], QUIET);
    for end in [&sender, &recipient] {
        until_linked(&between, &end.peer_id);
    }

    let mut letters = vec![send(&sender, recipient_id, TEXTS[0])];
    is_delivered(&sender);
    assert_eq!(texts(&recipient.ask(&["inbox"])), [(TEXTS[0], &*sender.peer_id)]);
    assert!(!are_linked(&sender, recipient_id) && !are_linked(&recipient, &sender.peer_id));

    recipient.end("-TERM");
    letters.push(send(&sender, recipient_id, TEXTS[1]));
    sender.eventually(&["sent"], |sent| sent[0]["outcome"] == "stored");
    between.eventually(&["status"], |status| {
        status["messages"]["now"]["mailbox_messages"].as_u64() >= Some(1)
    });
    for nothing in ["inbox", "sent"] {
        let answer = between.ask(&[nothing]).to_string();
        assert!(!answer.contains(&letters[1]), "{answer}");
    }
    let search = Search::new(&sender.peer_id, recipient_id, &TEXTS, &letters);
    let listen = between.listen.clone();
    let log = between.kill();
    let kept = search.through(&rows(middle), &log);
    assert!(kept >= 1, "what was acknowledged outlives a kill");

    let again: Vec<_> = listen.iter().flat_map(|address| ["--listen", address]).collect();
    let between = start(middle, &again, "trace");
    let recipient = start(far, &["--peer", &address], QUIET);
    recipient.eventually(&["inbox"], |inbox| texts(inbox).len() == 2);
    is_delivered(&sender);
    // Whatever would come twice would have come by then.
    letters.push(send(&sender, recipient_id, TEXTS[2]));
    is_delivered(&sender);
    let inbox = recipient.ask(&["inbox"]);
    assert_eq!(texts(&inbox), TEXTS.map(|text| (text, &*sender.peer_id)), "{inbox}");
    let sent = sender.ask(&["sent"]);
    assert!(sent.as_array().unwrap().iter().all(|it| it["outcome"] == "delivered"), "{sent}");
    // Since it came back: no more than its inbox has.
    let status = recipient.ask(&["status"]);
    assert_eq!(status["messages"]["since"]["passed_delivered"], 2, "{status}");
    assert!(!are_linked(&sender, recipient_id) && !are_linked(&recipient, &sender.peer_id));
    let search = Search::new(&sender.peer_id, recipient_id, &TEXTS, &letters);
    let log = between.kill();
    search.through(&rows(middle), &log);
    for node in [sender, recipient] {
        node.end("-TERM");
    }
}
