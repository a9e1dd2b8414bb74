//! Attackers that are dialled.

use bytes::Bytes;
use futures::future::join;
use handshake::{DialError, Refusal, SessionKind};
use libp2p_identity::Keypair;
use wire::proto::handshake::v1 as proto;
use wire::proto::handshake::v1::handshake::Body;
use wire::signed::SignedRecord;

use super::Siege;
use super::words::{
    frame, framed, hear, last_word, noise, reject, stray_verack, verack_of, version,
};
use crate::net::{Net, soon};
use crate::node::told;
use crate::outsider::{Outsider, put};

over_every_net!(
    a_bad_answer_is_refused,
    who_does_not_answer_is_told_that_time_is_up,
    only_alternatives_whose_signature_holds_are_told,
);

impl Siege {
    /// Dials the attacker, which waits for the node's first word and hands it to `answer`; returns
    /// what the dial came to, and what the attacker heard at last.
    async fn dial(
        &self,
        attacker: &mut Outsider,
        answer: impl Fn(&Bytes) -> Vec<u8>,
    ) -> (Refusal, Option<handshake::Reject>) {
        let addresses = vec![attacker.address.clone()];
        let dialled = self.node.dialer.dial(attacker.peer, addresses, SessionKind::Outbound);
        let attack = async {
            let mut stream = attacker.accept().await;
            let theirs = hear(&mut stream).await.expect("a version");
            put(&mut stream, &answer(&theirs)).await;
            last_word(&mut stream).await
        };
        match soon("the end of the dial", join(dialled, attack)).await {
            (Err(DialError::Refused(refusal)), heard) => (refusal, heard),
            (other, heard) => panic!("{other:?} after {heard:?}"),
        }
    }
}

/// A Version and the Verack that belongs to it, in one breath.
fn acceptance(theirs: &Bytes, change: impl FnOnce(&mut proto::Version)) -> Vec<u8> {
    [version(change), framed(Body::Verack(verack_of(theirs)))].concat()
}

/// What is answered to the frame of the node's Version.
type Answer<'a> = &'a dyn Fn(&Bytes) -> Vec<u8>;

async fn a_bad_answer_is_refused(net: Net) {
    let siege = Siege::start(net).await;
    let mut attacker = Outsider::accepting(net, &[handshake::NAME]).await;
    let other = SignedRecord::seal(&Keypair::generate_ed25519(), 1, vec![]).unwrap();
    let other = other.encoded();
    let cases: [(&str, Answer<'_>, &str); 12] = [
        ("noise", &|_| frame(&noise(2, 300)), "malformed (malformed handshake: "),
        ("1 MiB announced", &|_| vec![0x80, 0x80, 0x40], "malformed (malformed frame: too long)"),
        (
            "a verack first",
            &|_| framed(Body::Verack(stray_verack())),
            "malformed (out of place: verack)",
        ),
        ("a version twice", &|_| version(|_| {}).repeat(2), "malformed (out of place: version)"),
        (
            "a verack of another version",
            &|_| [version(|_| {}), framed(Body::Verack(stray_verack()))].concat(),
            "malformed (verack of another version)",
        ),
        (
            "17 alternatives",
            &|_| {
                let alternatives = vec![other.clone(); 17];
                framed(Body::Reject(proto::Reject { alternatives, ..reject(4, "") }))
            },
            "malformed (malformed reject.alternatives: too many)",
        ),
        (
            "a record of somebody else",
            &|theirs| acceptance(theirs, |version| version.record = other.clone()),
            "malformed (version.record: of another peer)",
        ),
        // It accepts what we would not.
        (
            "another network",
            &|theirs| acceptance(theirs, |version| "other".clone_into(&mut version.network)),
            r#"network (this is "net")"#,
        ),
        (
            "another application",
            &|theirs| acceptance(theirs, |version| "other".clone_into(&mut version.application)),
            r#"application (this is "meshwork")"#,
        ),
        (
            "another major version",
            &|theirs| acceptance(theirs, |version| version.major = 2),
            "version (this is 1.0.0, down to 1.0)",
        ),
        ("an echo", &|theirs| [frame(theirs), framed(Body::Verack(verack_of(theirs)))].concat(), {
            "self_dial"
        }),
        (
            "a network of 65 bytes",
            &|theirs| acceptance(theirs, |version| version.network = "n".repeat(65)),
            "malformed (malformed version.network: too long)",
        ),
    ];
    for (what, answer, why) in cases {
        let (refusal, heard) = siege.dial(&mut attacker, answer).await;
        let said = told(&refusal);
        assert!(said.starts_with(&format!("ours {why}")), "{what}: {said}");
        let heard = heard.unwrap_or_else(|| panic!("{what}: not a word"));
        assert_eq!(format!("ours {heard}"), said, "{what}: both sides know the same");
        attacker.shut_out().await;
        siege.holds(what).await;
    }
}

async fn who_does_not_answer_is_told_that_time_is_up(net: Net) {
    let siege = Siege::start(net).await;
    let mut attacker = Outsider::accepting(net, &[handshake::NAME]).await;
    for (what, said) in [("nothing", vec![]), ("a version and no verack", version(|_| {}))] {
        let (refusal, heard) = siege.dial(&mut attacker, |_| said.clone()).await;
        assert_eq!(told(&refusal), "ours timeout", "{what}");
        assert_eq!(heard.map(|heard| heard.to_string()).as_deref(), Some("timeout"), "{what}");
        attacker.shut_out().await;
        siege.holds(what).await;
    }
    // It may also just end the substream.
    let addresses = vec![attacker.address.clone()];
    let dialled = siege.node.dialer.dial(attacker.peer, addresses, SessionKind::Outbound);
    let (dialled, ()) = join(dialled, async { drop(attacker.accept().await) }).await;
    match dialled {
        Err(DialError::Refused(refusal)) => assert_eq!(told(&refusal), "disconnected"),
        other => panic!("{other:?}"),
    }
    attacker.shut_out().await;
    siege.holds("a hang-up").await;
}

async fn only_alternatives_whose_signature_holds_are_told(net: Net) {
    let siege = Siege::start(net).await;
    let mut attacker = Outsider::accepting(net, &[handshake::NAME]).await;
    let record = |number: u64| {
        let address = format!("/ip4/192.0.2.1/tcp/{number}").parse().unwrap();
        SignedRecord::seal(&Keypair::generate_ed25519(), number, vec![address]).unwrap()
    };
    let good: Vec<_> = (1..=3).map(record).collect();
    let mut forged = record(4).encoded().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let mut alternatives: Vec<Bytes> = good.iter().map(|good| good.encoded().clone()).collect();
    alternatives.insert(1, forged.into());
    alternatives.insert(3, noise(3, 200).into());
    alternatives.push(Bytes::new());
    let (refusal, heard) = siege
        .dial(&mut attacker, |_| {
            let alternatives = alternatives.clone();
            let retry_after_ms = 9_000;
            let reject = proto::Reject { alternatives, retry_after_ms, ..reject(4, "busy") };
            framed(Body::Reject(reject))
        })
        .await;
    assert_eq!(heard, None, "nothing is said to a refusal");
    let Refusal::Theirs { reject, alternatives } = refusal else { panic!("{refusal:?}") };
    assert_eq!((reject.to_string().as_str(), reject.retry_after.as_secs()), ("full (busy)", 9));
    assert_eq!(alternatives, good);
    attacker.shut_out().await;
    siege.holds("the refusal").await;
}
