//! Peers that the operator named.

use handshake::DialError;
use machine::Instant;
use meshwork_gossip::{Command, Config, Event, Purpose, TrustError};

use super::{HOUR, MINUTE, SECOND, still};
use crate::records::{address, peer, record};
use crate::solo::{ME, Solo, nobody};
use crate::town::{SEED, Town};

/// O16: of five each trusts the next.
#[test]
fn in_a_ring_of_trust_everybody_comes_to_know_everybody() {
    let mut town = Town::with(5, Config::fast(), |town| {
        for n in 1..=5 {
            town.trust(n, [n % 5 + 1]);
        }
    });
    let knows = |town: &Town, n: u8| {
        (1..=5).filter(|of| *of != n).all(|of| town.core(n).book().record(&peer(of)).is_some())
    };
    town.until(MINUTE, |town| (1..=5).all(|n| knows(town, n)));
    for n in 1..=5 {
        let core = town.core(n);
        assert!(town.linked(n, n % 5 + 1));
        assert_eq!(core.trusted().collect::<Vec<_>>(), [peer(n % 5 + 1)]);
        assert_eq!(core.book().len(), 4, "all others, and not itself");
        assert!(core.links().all(|link| link.peer != peer(n)));
    }
}

/// O18: what the operator named stays in the book however full it is.
#[test]
fn trusted_entries_outlast_any_flood() {
    let config = Config { book_max: 64, ..still() };
    let mut solo = Solo::with(config, |setup| {
        setup.trusted = (1..=6).map(|n| (peer(n), vec![address(n)])).collect();
    });
    for n in 1..=6 {
        solo.dial_links(n);
        solo.unlink(n);
    }
    for source in 240..=250 {
        let records = (10..200).map(record).collect();
        solo.command(Command::Learned { source: peer(source), address: None, records });
    }
    let book = solo.core.book();
    assert!((1..=6).all(|n| book.record(&peer(n)).is_some()));
    assert!((1..=6).all(|n| book.get(&peer(n), solo.now).unwrap().protected));
    let others = (10..200).filter(|n| book.record(&peer(*n)).is_some()).count();
    assert!(others < 64, "{others}: the others are displaced");
}

#[test]
fn a_trusted_peer_that_is_down_is_dialled_again_and_again_ever_more_slowly() {
    let config = Config { redial_min: SECOND, redial_max: MINUTE, ..still() };
    let mut solo = Solo::with(config, |setup| setup.trusted = vec![(peer(1), vec![address(1)])]);
    let mut dials: Vec<Instant> = Vec::new();
    for _ in 0..20 {
        solo.until(2 * MINUTE, |solo| solo.dials(1));
        dials.push(solo.now);
        solo.dial_ends(1, Err(nobody()));
    }
    let gaps: Vec<_> = dials.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    for (n, gap) in gaps.iter().enumerate() {
        let wait = (SECOND * 2_u32.pow(u32::try_from(n).unwrap())).min(MINUTE);
        assert!(*gap >= wait * 4 / 5 && *gap <= wait * 6 / 5, "{n}: {gap:?} of {wait:?}");
    }
    assert!(solo.dialled.iter().all(|(.., purpose)| *purpose == Purpose::Trusted));
    // Once it was there, the wait begins anew.
    solo.until(2 * MINUTE, |solo| solo.dials(1));
    solo.dial_links(1);
    solo.live(MINUTE);
    solo.unlink(1);
    let before = solo.now;
    solo.until(MINUTE, |solo| solo.dials(1));
    assert!(solo.now.since(before) <= 2 * SECOND, "{:?}", solo.now.since(before));
}

#[test]
fn a_trusted_peer_comes_back_whatever_the_goodbye_said() {
    let mut solo = Solo::with(still(), |setup| setup.trusted = vec![(peer(1), vec![address(1)])]);
    solo.dial_links(1);
    solo.hear(
        1,
        meshwork_gossip::Message::Disconnect {
            reason: meshwork_gossip::DisconnectReason::Requested,
            retry_after: HOUR,
            alternatives: Vec::new(),
        },
    );
    solo.unlink(1);
    solo.until(MINUTE, |solo| solo.dials(1));
    // That it is connected already is no failure.
    solo.dial_ends(1, Err(DialError::AlreadyConnected));
    solo.link_in(1);
    assert!(solo.keeps(1));
}

#[test]
fn who_cannot_be_trusted_is_told_why() {
    let mut solo = Solo::new(Config { trusted_max: 1, ..still() });
    for (n, addresses) in
        [(ME, vec![address(ME)]), (2, vec![]), (3, vec![address(3)]), (4, vec![address(4)])]
    {
        solo.command(Command::Trust { peer: peer(n), addresses });
    }
    let outcomes: Vec<_> = solo
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Trusted { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    let max = 1;
    let expected = [
        Err(TrustError::Oneself),
        Err(TrustError::NoAddress),
        Ok(()),
        Err(TrustError::TooMany { max }),
    ];
    assert_eq!(outcomes, expected);
    // A peer in the book needs no address.
    solo.command(Command::Distrust { peer: peer(3) });
    solo.command(Command::Learned { source: peer(SEED), address: None, records: vec![record(2)] });
    solo.command(Command::Trust { peer: peer(2), addresses: Vec::new() });
    assert!(solo.dials(2));
}
