//! Every reason for hanging up: it is said on the close that we decide, and heeded by who hears it.

use std::time::Duration;

use bytes::BytesMut;
use meshwork_gossip::{
    Command, Config, Direction, DisconnectReason, Event, Message, Mode, SwapRefusal,
};
use wire::Frame;

use super::{HOUR, MINUTE, SECOND, still};
use crate::records::{address, peer};
use crate::solo::{Solo, bytes_of};

/// What was said to `n` last: why, and for how long it should stay away.
#[track_caller]
fn farewell(solo: &mut Solo, n: u8) -> (DisconnectReason, Duration, usize) {
    match solo.take_words(n).pop() {
        Some(Message::Disconnect { reason, retry_after, alternatives }) => {
            (reason, retry_after, alternatives.len())
        }
        other => panic!("{other:?}"),
    }
}

/// 1 has been linked for a minute; 2 and 3 were reached, so that there is somebody to tell of.
fn linked(config: Config) -> Solo {
    let mut solo = Solo::new(config);
    for n in [1, 2, 3] {
        solo.link_out(n);
    }
    solo.live(MINUTE);
    solo.take(1);
    solo
}

#[test]
fn too_many_is_said_with_alternatives_to_those_over_the_threshold() {
    let mut solo = linked(Config { min: 0, expected: 3, max: 6, ..still() });
    for n in 10..16 {
        solo.link_in(n);
    }
    solo.live(10 * SECOND);
    let gone = (10..16).find(|n| !solo.keeps(*n)).expect("one went");
    assert_eq!(farewell(&mut solo, gone), (DisconnectReason::TooMany, still().redial_max, 3));
}

#[test]
fn swap_aborted_is_said_to_the_peer_that_was_linked_for_it() {
    let exchanging = Config { swap_period: HOUR, swap_share_max: 1000, ..still() };
    let mut solo = linked(Config { swap_age_min: Duration::ZERO, swap_protected: 0, ..exchanging });
    let record = bytes_of(9);
    solo.hear(1, Message::SwapPropose { id: 7, deadline: 5 * SECOND, record });
    solo.dial_links(9);
    solo.hear(1, Message::SwapAbort { id: 7, reason: SwapRefusal::Unreachable });
    assert_eq!(farewell(&mut solo, 9), (DisconnectReason::SwapAborted, 5 * SECOND, 0));
}

#[test]
fn unresponsive_is_said_to_who_answers_no_ping() {
    let mut solo = linked(Config { ping_period: 2 * SECOND, ..still() });
    solo.until(MINUTE, |solo| !solo.goodbyes().is_empty());
    assert_eq!(farewell(&mut solo, 1), (DisconnectReason::Unresponsive, 10 * SECOND, 0));
}

#[test]
fn banned_is_said_when_the_ban_comes_and_to_who_comes_in_all_the_same() {
    let mut solo = linked(still());
    solo.command(Command::Banned { peer: peer(1), banned: true });
    assert_eq!(farewell(&mut solo, 1), (DisconnectReason::Banned, HOUR, 0));
    solo.unlink(1);
    solo.link_in(1);
    assert_eq!(farewell(&mut solo, 1), (DisconnectReason::Banned, HOUR, 0));
}

#[test]
fn shutdown_is_said_to_everybody_with_alternatives_and_the_book_is_written() {
    let mut solo = linked(still());
    solo.command(Command::Shutdown);
    for n in 1..=3 {
        let (reason, retry_after, alternatives) = farewell(&mut solo, n);
        assert_eq!((reason, retry_after), (DisconnectReason::Shutdown, 5 * SECOND));
        assert_eq!(alternatives, 2, "the two others");
    }
    assert!(matches!(solo.events.last(), Some(Event::Ended { stored: Ok(()) })));
    assert_eq!(solo.saved.len(), 3);
    // Who comes in now hears it as well.
    solo.link_in(9);
    assert_eq!(farewell(&mut solo, 9).0, DisconnectReason::Shutdown);
}

#[test]
fn requested_is_said_when_the_operator_wishes_it() {
    let mut solo = linked(still());
    let reason = DisconnectReason::Requested;
    solo.command(Command::Dismiss { peer: peer(1), reason });
    assert_eq!(farewell(&mut solo, 1), (reason, HOUR, 0));
    let ended = |event: &Event| matches!(event, Event::Dismissed { was: true, .. });
    assert!(solo.events.iter().any(ended));
    solo.command(Command::Dismiss { peer: peer(1), reason });
    assert!(matches!(solo.events.last(), Some(Event::Dismissed { was: false, .. })));
}

#[test]
fn private_is_said_to_strangers_of_a_node_that_keeps_to_its_own() {
    let mut solo = Solo::with(Config { mode: Mode::Private, ..still() }, |setup| {
        setup.trusted = vec![(peer(2), vec![address(2)])];
    });
    solo.link_in(2);
    solo.link_in(1);
    assert_eq!(farewell(&mut solo, 1), (DisconnectReason::Private, HOUR, 0));
    assert!(solo.keeps(2) && !solo.keeps(1));
}

/// Said by gossip that has not started yet, a goodbye waits for it, but not for ever.
#[test]
fn a_goodbye_before_gossip_runs_is_said_as_soon_as_it_does() {
    let mut solo = Solo::new(Config { mode: Mode::Private, ..still() });
    solo.opened(1, Direction::Inbound);
    assert!(!solo.keeps(1) && solo.take(1).is_empty());
    solo.joined(1);
    assert_eq!(farewell(&mut solo, 1).0, DisconnectReason::Private);
    solo.opened(2, Direction::Inbound);
    solo.wait(20 * SECOND);
    let hung_up = |event: &Event| matches!(event, Event::HangUp { peer: it } if *it == peer(2));
    assert!(solo.events.iter().any(hung_up));
}

/// A reason of a newer version is read as not told.
#[test]
fn a_reason_that_we_do_not_know_is_taken_for_none() {
    let goodbye = Message::Disconnect {
        reason: DisconnectReason::Private,
        retry_after: Duration::ZERO,
        alternatives: Vec::new(),
    };
    let mut bytes = BytesMut::new();
    goodbye.encode(&mut bytes);
    let at = bytes.iter().rposition(|byte| *byte == 8).unwrap();
    bytes[at] = 99;
    let mut solo = linked(still());
    solo.hear(1, Message::decode(bytes.freeze()).unwrap());
    assert_eq!(solo.goodbyes(), [(peer(1), DisconnectReason::Unspecified, true)]);
}

/// Each reason has its time, and a peer can ask for more, up to an hour.
#[test]
fn who_hears_a_goodbye_stays_away_for_as_long_as_its_reason_says() {
    use DisconnectReason as Reason;
    let away = |reason| match reason {
        Reason::Shutdown | Reason::SwapAborted => 5 * SECOND,
        Reason::Unresponsive => 10 * SECOND,
        Reason::Unspecified | Reason::TooMany => still().redial_max,
        Reason::Swapped => still().swap_requester_gap,
        Reason::Banned | Reason::Requested | Reason::Private => HOUR,
    };
    for reason in Reason::EACH {
        for retry_after in [Duration::ZERO, 30 * MINUTE, Duration::from_hours(1000)] {
            let mut solo = linked(still());
            let alternatives = Vec::new();
            solo.hear(1, Message::Disconnect { reason, retry_after, alternatives });
            assert!(!solo.keeps(1));
            assert_eq!(solo.goodbyes(), [(peer(1), reason, true)]);
            solo.unlink(1);
            let entry = solo.core.book().get(&peer(1), solo.now).unwrap();
            let rest = entry.next_try.unwrap();
            let wished = away(reason).max(retry_after.min(HOUR));
            // The usual rest of a link that ends is a few seconds.
            assert!(rest >= wished && rest <= wished.max(6 * SECOND), "{reason}: {rest:?}");
        }
    }
}

#[test]
fn what_a_goodbye_names_instead_is_learned_as_hearsay() {
    let mut solo = linked(still());
    let alternatives = (20..36).map(bytes_of).collect();
    let (reason, retry_after) = (DisconnectReason::TooMany, MINUTE);
    solo.hear(1, Message::Disconnect { reason, retry_after, alternatives });
    for n in 20..36 {
        let entry = solo.core.book().get(&peer(n), solo.now).unwrap();
        assert_eq!((entry.source, entry.reached), (Some(peer(1)), None));
    }
    // Forged ones are charged although the link is as good as gone.
    solo.forged.insert(peer(50));
    let alternatives = vec![bytes_of(50)];
    solo.hear(2, Message::Disconnect { reason, retry_after, alternatives });
    let forged = meshwork_gossip::Fault::Forged { count: 1 };
    assert_eq!(solo.faults, [(peer(2), forged)]);
}

#[test]
fn nothing_is_heard_of_who_has_said_goodbye_and_a_silent_leaver_is_cut_off() {
    let mut solo = linked(still());
    let goodbye = Message::Disconnect {
        reason: DisconnectReason::TooMany,
        retry_after: Duration::ZERO,
        alternatives: Vec::new(),
    };
    solo.hear(1, goodbye);
    solo.take(1);
    solo.hear(1, Message::Ping { nonce: 1 });
    solo.hear(1, Message::Bootstrap { nonce: 1, max: 5, transports: Vec::new() });
    assert_eq!(solo.take(1), []);
    // The connection does not end: the application is asked to end it.
    solo.wait(20 * SECOND);
    let hung_up = |event: &Event| matches!(event, Event::HangUp { peer: it } if *it == peer(1));
    assert!(solo.events.iter().any(hung_up));
    assert_eq!(solo.core.counted(), 2);
}
