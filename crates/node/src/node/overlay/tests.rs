//! Candidates, dials and seeks in virtual time.

use handshake::{Refusal, Reject, RejectCode, Semver};
use libp2p::identity::Keypair;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::at(Duration::from_secs(seconds))
}

fn record_of(key: &Keypair, seq: u64, port: u16) -> SignedRecord {
    let address = format!("/ip4/9.9.9.9/tcp/{port}").parse().expect("a multiaddr");
    SignedRecord::seal(key, seq, vec![address]).expect("it can be signed")
}

fn record() -> SignedRecord {
    record_of(&Keypair::generate_ed25519(), 1, 1)
}

fn overlay(target: usize, network: &Network) -> Overlay {
    Overlay::new(PeerId::random(), target, network, [7; 32])
}

/// A network with a seed to ask.
fn seeded() -> Network {
    Network { seeds: vec![address(PeerId::random())], ..Network::default() }
}

fn address(peer: PeerId) -> DialAddress {
    format!("/ip4/9.9.9.9/tcp/1/p2p/{peer}").parse().expect("an address with a peer")
}

fn session(peer: PeerId, number: usize, kind: SessionKind) -> SessionInfo {
    SessionInfo {
        peer,
        connection: ConnectionId::new_unchecked(number),
        kind,
        declared: kind,
        address: "/ip4/9.9.9.9/tcp/1".parse().expect("a multiaddr"),
        agent: String::new(),
        version: Semver::default(),
        features: Vec::new(),
        record: None,
        observed: None,
        since: Instant::START,
    }
}

fn unreachable() -> DialError {
    DialError::Unreachable { reason: "nobody there".to_owned() }
}

fn refused(code: RejectCode, retry_after: u64) -> DialError {
    let reject = Reject::new(code, "").retry_after(Duration::from_secs(retry_after));
    DialError::Refused(Refusal::Theirs { reject, alternatives: Vec::new() })
}

fn peers(dials: &[Dial]) -> BTreeSet<PeerId> {
    dials.iter().map(|dial| dial.peer).collect()
}

#[test]
fn as_many_are_dialled_as_are_missing_and_nobody_twice() {
    let mut overlay = overlay(3, &Network::default());
    for _ in 0..5 {
        assert!(overlay.learn(&record(), at(0)));
    }
    let dials = overlay.begin_dials(at(0));
    assert_eq!((dials.len(), peers(&dials).len()), (3, 3));
    assert!(dials.iter().all(|dial| dial.kind == SessionKind::Outbound));
    assert_eq!(overlay.begin_dials(at(0)), [], "three are on their way");

    overlay.dialled(dials[0].peer, Ok(()), at(0));
    overlay.opened(&session(dials[0].peer, 0, SessionKind::Outbound), at(0));
    overlay.dialled(dials[1].peer, Err(&unreachable()), at(0));
    let again = overlay.begin_dials(at(0));
    assert_eq!(again.len(), 1, "one is connected, one on its way, one has failed");
    assert!(!peers(&dials).contains(&again[0].peer));
}

#[test]
fn who_dialled_us_is_not_dialled_but_takes_no_outbound_slot() {
    let mut overlay = overlay(1, &Network::default());
    let (inbound, other) = (record(), record());
    overlay.learn(&inbound, at(0));
    overlay.opened(&session(inbound.peer(), 0, SessionKind::Inbound), at(0));
    assert_eq!(overlay.begin_dials(at(0)), []);
    overlay.learn(&other, at(0));
    assert_eq!(peers(&overlay.begin_dials(at(0))), [other.peer()].into());
}

#[test]
fn who_fails_is_tried_less_and_less_often_and_then_forgotten() {
    let mut overlay = overlay(1, &Network::default());
    overlay.learn(&record(), at(0));
    let (mut tries, mut waits, mut last) = (0, Vec::new(), 0);
    for second in 0..1000 {
        for dial in overlay.begin_dials(at(second)) {
            overlay.dialled(dial.peer, Err(&unreachable()), at(second));
            waits.push(second - last);
            last = second;
            tries += 1;
        }
    }
    assert_eq!((tries, overlay.known()), (6, 0));
    assert!(waits.is_sorted() && last > 31, "{waits:?}");
}

#[test]
fn who_was_named_is_dialled_before_others_and_never_forgotten() {
    let named = PeerId::random();
    let network = Network { peers: vec![address(named)], ..Network::default() };
    let mut overlay = overlay(1, &network);
    overlay.learn(&record(), at(0));
    let dials = overlay.begin_dials(at(0));
    assert_eq!((dials.len(), dials[0].peer, dials[0].kind), (2, named, SessionKind::Manual));
    let mut tries = 0;
    for second in 0..3600 {
        overlay.dialled(named, Err(&refused(RejectCode::Network, 0)), at(second));
        tries += overlay.begin_dials(at(second)).iter().filter(|dial| dial.peer == named).count();
    }
    assert_eq!(tries, 0, "each refusal puts it off");
    let due = overlay.begin_dials(at(3600 + 72));
    assert!(peers(&due).contains(&named), "a minute and a bit later: {due:?}");
}

#[test]
fn a_refusal_that_no_time_heals_ends_the_matter_and_a_wait_is_kept() {
    for code in [RejectCode::Network, RejectCode::Application, RejectCode::Version] {
        let mut overlay = overlay(1, &Network::default());
        overlay.learn(&record(), at(0));
        let dial = overlay.begin_dials(at(0)).remove(0);
        overlay.dialled(dial.peer, Err(&refused(code, 0)), at(0));
        assert_eq!(overlay.known(), 0, "{code}");
    }
    let mut overlay = overlay(1, &Network::default());
    overlay.learn(&record(), at(0));
    let dial = overlay.begin_dials(at(0)).remove(0);
    overlay.dialled(dial.peer, Err(&refused(RejectCode::Full, 100)), at(0));
    assert_eq!(overlay.begin_dials(at(99)), []);
    assert_eq!(overlay.begin_dials(at(121)).len(), 1);
    overlay.dialled(dial.peer, Err(&refused(RejectCode::Full, 1_000_000)), at(121));
    assert_eq!(overlay.begin_dials(at(121 + 4321)).len(), 1, "no peer can silence us for ever");
}

#[test]
fn a_link_that_breaks_at_once_is_not_dialled_in_a_loop() {
    let mut overlay = overlay(1, &Network::default());
    let record = record();
    overlay.learn(&record, at(0));
    let mut dials = 0;
    for second in 0..600 {
        for dial in overlay.begin_dials(at(second)) {
            overlay.dialled(dial.peer, Ok(()), at(second));
            overlay.opened(&session(dial.peer, dials, SessionKind::Outbound), at(second));
            overlay.closed(ConnectionId::new_unchecked(dials), at(second));
            dials += 1;
        }
    }
    assert_eq!(dials, 6);
}

#[test]
fn a_newer_record_replaces_an_older_one_and_not_the_reverse() {
    let (mut overlay, key) = (overlay(1, &Network::default()), Keypair::generate_ed25519());
    for (seq, port) in [(2, 22), (3, 33), (1, 11)] {
        overlay.learn(&record_of(&key, seq, port), at(0));
    }
    let dial = overlay.begin_dials(at(0)).remove(0);
    assert_eq!(dial.addresses, record_of(&key, 9, 33).addresses());
}

#[test]
fn the_book_is_bounded_and_what_fails_makes_room() {
    let mut overlay = overlay(1, &Network::default());
    overlay.book_max = 16;
    let records: Vec<_> = (0..17).map(|_| record()).collect();
    let (last, others) = records.split_last().expect("many");
    assert!(others.iter().all(|record| overlay.learn(record, at(0))));
    assert!(!overlay.learn(last, at(0)), "full of what may be good");
    assert_eq!(overlay.known(), 16);
    let dial = overlay.begin_dials(at(0)).remove(0);
    overlay.dialled(dial.peer, Err(&unreachable()), at(0));
    assert!(overlay.learn(last, at(0)));
    assert_eq!(overlay.known(), 16);
}

#[test]
fn seeds_are_asked_only_when_peers_are_missing_and_nobody_is_known() {
    assert_eq!(overlay(1, &Network::default()).begin_seek(at(0)), None, "there is no seed");
    assert_eq!(overlay(0, &seeded()).begin_seek(at(0)), None, "nobody is missing");

    let mut overlay = overlay(2, &seeded());
    assert_eq!(overlay.begin_seek(at(0)), Some((0, 2)));
    assert_eq!(overlay.begin_seek(at(0)), None, "under way");
    let record = record();
    overlay.learn(&record, at(0));
    overlay.sought(&Ok(1), at(0));
    assert_eq!(overlay.begin_seek(at(10)), None, "somebody can be dialled");
    overlay.begin_dials(at(10));
    assert_eq!(overlay.begin_seek(at(10)), Some((0, 2)), "and one more is wanted");
    overlay.sought(&Ok(1), at(10));
    overlay.opened(&session(record.peer(), 0, SessionKind::Outbound), at(10));
    overlay.opened(&session(PeerId::random(), 1, SessionKind::Outbound), at(10));
    assert_eq!(overlay.begin_seek(at(1000)), None, "enough");
}

#[test]
fn seeks_that_teach_nothing_become_rare() {
    let mut overlay = overlay(8, &seeded());
    let mut seeks = Vec::new();
    for second in 0..7200 {
        if overlay.begin_seek(at(second)).is_some() {
            overlay.sought(&Ok(0), at(second));
            seeks.push(second);
        }
    }
    assert!((10..30).contains(&seeks.len()), "{seeks:?}");
    assert!(seeks.windows(2).any(|pair| pair[1] - pair[0] >= 600), "{seeks:?}");

    let retry_in = Duration::from_secs(5);
    let last = seeks[seeks.len() - 1];
    let next = last + 721;
    assert!(overlay.begin_seek(at(next)).is_some());
    overlay.sought(&Err(SeekError::TooSoon { retry_in }), at(next));
    assert!(overlay.begin_seek(at(next + 4)).is_none());
    assert!(overlay.begin_seek(at(next + 7)).is_some(), "the seeds say when they can be asked");
}

#[test]
fn equal_seeds_choose_equally() {
    let records: Vec<_> = (0..50).map(|_| record()).collect();
    let choose = || {
        let mut overlay = Overlay::new(PeerId::random(), 5, &Network::default(), [9; 32]);
        assert!(records.iter().all(|record| overlay.learn(record, at(0))));
        peers(&overlay.begin_dials(at(0)))
    };
    assert_eq!(choose(), choose());
}
