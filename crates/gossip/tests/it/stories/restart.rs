//! What outlasts a restart: the book, anchors, bans.

use meshwork_gossip::{Change, Command, Config, DisconnectReason, Event, Message};

use super::{HOUR, MINUTE, SECOND, still};
use crate::records::{peer, record};
use crate::solo::{Solo, snapshot};
use crate::town::{SEED, Town};

/// A quiet node that wishes for links.
fn quiet() -> Config {
    Config { min: 1, expected: 4, max: 60, anchors: 2, anchor_age: MINUTE, ..still() }
}

#[test]
fn anchors_are_dialled_before_all_others() {
    let mut solo = Solo::new(quiet());
    for n in [1, 2] {
        solo.link_out(n);
    }
    solo.live(MINUTE);
    for n in 3..=30 {
        solo.link_out(n);
    }
    solo.live(10 * MINUTE);
    solo.command(Command::Shutdown);
    let kept = snapshot(&solo.saved);
    let mut anchors = kept.anchors.clone();
    anchors.sort_unstable();
    let mut oldest = vec![peer(1), peer(2)];
    oldest.sort_unstable();
    assert_eq!(anchors, oldest);
    assert_eq!(kept.entries.len(), 30);

    let solo = Solo::with(quiet(), |setup| setup.kept = kept);
    assert!(solo.dialling().len() >= 2);
    let mut first = solo.dialling()[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, oldest);
}

#[test]
fn a_crash_loses_nothing_that_was_written_before() {
    let mut town = Town::with(10, Config::fast(), |town| town.seeds = (1..=10).collect());
    town.until(20 * SECOND, |town| town.degree(1) >= 3);
    town.run(MINUTE);
    let known = town.core(1).book().len();
    town.crash(1);
    town.seeds = Vec::new();
    town.dials.clear();
    town.start(1);
    assert_eq!(town.core(1).book().len(), known);
    town.until(20 * SECOND, |town| town.degree(1) >= 3);
    let anchors = town.kept[&1].anchors.clone();
    assert!(!anchors.is_empty());
}

#[test]
fn who_was_banned_still_is() {
    let mut solo = Solo::with(quiet(), |setup| setup.banned = vec![peer(5)]);
    let records = vec![record(5), record(6)];
    solo.command(Command::Learned { source: peer(SEED), address: None, records });
    assert_eq!(solo.dialling(), [peer(6)]);
    assert!(solo.core.book().record(&peer(5)).is_none());
    solo.link_in(5);
    let told = solo.take_words(5);
    assert!(matches!(told[..], [Message::Disconnect { reason: DisconnectReason::Banned, .. }]));
    // Until it is not.
    solo.unlink(5);
    solo.command(Command::Banned { peer: peer(5), banned: false });
    solo.link_in(5);
    assert!(solo.keeps(5));
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let mut solo = Solo::new(Config { save_period: 10 * SECOND, ..quiet() });
    solo.disk_full = true;
    solo.link_out(1);
    solo.live(MINUTE);
    assert!(solo.saved.is_empty());
    assert!(solo.events.iter().any(|event| matches!(event, Event::StoreFailed { .. })));
    solo.disk_full = false;
    solo.live(MINUTE);
    let put = |change: &Change| matches!(change, Change::Put { peer: it, .. } if *it == peer(1));
    assert!(solo.saved.iter().any(put));
    assert!(solo.now.elapsed() < HOUR);
}
