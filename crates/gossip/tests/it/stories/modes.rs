//! What private mode and discovery-off mode switch off, and what goes on.

use meshwork_gossip::{Command, Config, DisconnectReason, Event, Message, Mode, SwapRefusal};

use super::{HOUR, MINUTE, SECOND};
use crate::records::{address, peer, record};
use crate::solo::{Solo, bytes_of, snapshot};
use crate::town::{SEED, Town};

fn mode(mode: Mode) -> Config {
    Config { mode, ..Config::fast() }
}

/// Asks, proposes, names others: nothing of it may do anything.
fn try_everything(solo: &mut Solo) -> Vec<Message> {
    solo.take(1);
    solo.hear(1, Message::Bootstrap { nonce: 5, max: 50, transports: Vec::new() });
    solo.hear(1, Message::SwapPropose { id: 7, deadline: 5 * SECOND, record: bytes_of(60) });
    solo.take_words(1)
}

/// O22.
#[test]
fn with_discovery_off_nobody_is_asked_told_or_exchanged_and_all_else_goes_on() {
    let mut solo = Solo::new(mode(Mode::DiscoveryOff));
    let records = (1..=8).map(record).collect();
    solo.command(Command::Learned { source: peer(SEED), address: None, records });
    for _ in 0..8 {
        let next = solo.dialling().first().copied();
        let Some(n) = next.and_then(|next| (1..=8).find(|n| peer(*n) == next)) else { break };
        solo.dial_links(n);
    }
    assert!(solo.core.counted() >= 5, "it dials whom it knows");
    if !solo.keeps(1) {
        solo.link_out(1);
    }
    for _ in 0..60 {
        solo.live(10 * SECOND);
        let spoken = solo.said.iter().map(|(_, message)| message.name());
        assert!(
            !spoken.clone().any(|name| name != "disconnect"),
            "{:?}",
            spoken.collect::<Vec<_>>()
        );
    }
    let refused = Message::SwapReject { id: 7, reason: SwapRefusal::Off };
    let nothing = Message::Advertise { nonce: 5, records: Vec::new() };
    assert_eq!(try_everything(&mut solo), [nothing, refused]);
    // Neither are others named in a goodbye, nor those that a goodbye names looked at.
    let (reason, retry_after) = (DisconnectReason::TooMany, MINUTE);
    let alternatives = vec![bytes_of(90)];
    solo.hear(1, Message::Disconnect { reason, retry_after, alternatives });
    assert!(solo.core.book().record(&peer(90)).is_none());
    solo.said.clear();
    solo.command(Command::Shutdown);
    let empty = |message: &Message| matches!(message, Message::Disconnect { alternatives, .. } if alternatives.is_empty());
    assert!(solo.said.len() >= 4 && solo.said.iter().all(|(_, message)| empty(message)));
    assert_eq!(solo.faults, []);
}

#[test]
fn with_discovery_off_a_ping_is_answered_and_a_dead_neighbour_is_found() {
    let mut solo = Solo::new(mode(Mode::DiscoveryOff));
    solo.link_in(1);
    solo.hear(1, Message::Ping { nonce: 9 });
    assert_eq!(solo.take(1).last(), Some(&Message::Pong { nonce: 9 }));
    solo.until(MINUTE, |solo| !solo.goodbyes().is_empty());
    assert_eq!(solo.goodbyes()[0].1, DisconnectReason::Unresponsive);
}

#[test]
fn a_private_node_dials_and_keeps_only_whom_its_operator_named() {
    // From a time when it was public it knows many others, and has anchors.
    let mut public = Solo::new(mode(Mode::Public));
    for n in 2..=40 {
        public.link_out(n);
    }
    public.live(MINUTE);
    public.command(Command::Shutdown);
    let mut solo = Solo::with(mode(Mode::Private), |setup| {
        setup.trusted = vec![(peer(1), vec![address(1)])];
        setup.kept = snapshot(&public.saved);
    });
    assert!(solo.core.book().len() >= 30);
    solo.dial_links(1);
    solo.live(HOUR);
    assert!(solo.dialled.iter().all(|(_, dialled, _)| *dialled == peer(1)), "{:?}", solo.dialled);
    let wanted = |event: &Event| matches!(event, Event::SeedsWanted { .. });
    assert!(!solo.events.iter().any(wanted));
    let refused = Message::SwapReject { id: 7, reason: SwapRefusal::Off };
    let nothing = Message::Advertise { nonce: 5, records: Vec::new() };
    assert_eq!(try_everything(&mut solo), [nothing, refused]);
    assert!(solo.keeps(1));
}

#[test]
fn a_private_node_lives_among_public_ones() {
    let mut town = Town::with(8, Config::fast(), |town| {
        town.configure(1, mode(Mode::Private));
        town.trust(1, [2, 3]);
        town.seeds = (2..=8).collect();
    });
    let at_home = |town: &Town| town.linked(1, 2) && town.linked(1, 3);
    town.until(20 * SECOND, at_home);
    town.run(5 * MINUTE);
    assert!(at_home(&town));
    assert_eq!(town.degree(1), 2);
    for n in 2..=8 {
        assert!(town.degree(n) >= 3, "{n}");
    }
    assert!((4..=8).all(|n| !town.linked(1, n)));
}

#[test]
fn a_command_of_the_operator_makes_a_private_node_open_to_one_more() {
    let mut solo = Solo::new(mode(Mode::Private));
    solo.live(MINUTE);
    assert!(solo.dialled.is_empty());
    solo.command(Command::Trust { peer: peer(5), addresses: vec![address(5)] });
    solo.dial_links(5);
    assert!(solo.keeps(5));
    solo.command(Command::Distrust { peer: peer(5) });
    assert!(solo.events.iter().any(|event| matches!(event, Event::Distrusted { was: true, .. })));
}
