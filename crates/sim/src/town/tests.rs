//! In the end everybody holds everything, and nobody has ever believed to hold everything who did
//! not.

use ordersync::requester::{Break, Outcome};

use super::*;

/// How often each node syncs.
const PERIOD: Duration = Duration::from_mins(2);

/// A calm town, and one with everything that can happen to it.
fn calm(seed: u64) -> Plan {
    Plan {
        seed,
        nodes: 12,
        links: 4,
        old: 0,
        orders: 1_500,
        loss_permille: 0,
        slow_permille: 0,
        page: 50,
        period: PERIOD,
    }
}

fn stormy(seed: u64) -> Plan {
    Plan { old: 4, loss_permille: 15, slow_permille: 100, ..calm(seed) }
}

/// Passes periods until all books are equal, and says how many it took.
#[track_caller]
fn settle(story: &mut Story, periods_max: u32) {
    for _ in 0..periods_max {
        if story.is_settled() {
            break;
        }
        story.pass(PERIOD);
    }
    let (books, of, held) = (story.different(), story.existing, story.held());
    assert!(story.is_settled(), "{books} books with {held:?} of {of}: {:?}", story.count());
    assert_eq!(story.wrongs, Vec::<String>::new());
}

/// Seeds of which each is a town of its own. More of them with `MESHWORK_TOWNS=1000`.
fn seeds() -> std::ops::Range<u64> {
    let towns = std::env::var("MESHWORK_TOWNS").ok().and_then(|towns| towns.parse().ok());
    0..towns.unwrap_or(2)
}

#[test]
fn in_a_calm_town_everybody_soon_holds_everything() {
    for seed in seeds() {
        let mut story = Story::begin(&calm(seed));
        settle(&mut story, 6);
        let met = story.count();
        assert!(met.agreed > 0, "{met:?}");
        assert_eq!((met.paged, met.broken, met.resumed), (0, 0, 0), "all can prove it");
        assert!(met.incomplete * 10 <= met.agreed, "{met:?}");
        // From now on nothing is said but that nothing differs.
        story.pass(PERIOD * 3);
        let Count { agreed, messages, bytes, .. } = story.count() - met;
        assert!(agreed > 30 && messages <= 3 * (agreed + 24), "{messages} in {agreed} sessions");
        assert!(bytes < 400 * (agreed + 24), "{bytes} bytes in {agreed} sessions");
    }
}

#[test]
fn through_loss_a_wall_and_new_starts_everybody_comes_to_hold_everything() {
    for seed in seeds() {
        let mut story = Story::begin(&stormy(seed));
        story.pass_badly();
        story.divide(6, if seed % 2 == 0 { Split::Cut } else { Split::Stall });
        for _ in 0..4 {
            story.publish(40);
            story.restart();
            story.pass_badly();
        }
        assert!(story.different() > 1, "there is a wall");
        story.heal();
        settle(&mut story, 8);
        assert!(story.count().broken > 0, "some of it was hard: {:?}", story.count());
    }
}

#[test]
fn equal_seeds_tell_equal_stories() {
    let tell = |seed| {
        let mut story = Story::begin(&Plan { nodes: 5, orders: 200, ..stormy(seed) });
        story.pass(PERIOD * 2);
        let books: Vec<_> = story.town.books.values().map(|book| book.summary()).collect();
        (story.net.counts(), story.count(), books)
    };
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

#[test]
fn who_is_wrong_about_what_it_holds_is_told_of() {
    let mut story = Story::begin(&Plan { nodes: 2, ..calm(1) });
    let outcome = |ended| Outcome { ended, ..Outcome::broken(Break::Closed) };
    for (ended, holds_all) in [(Ended::Agreed, true), (Ended::Incomplete { missing: 1 }, false)] {
        let synced = Synced { outcome: outcome(ended), holds_all, resumed: false };
        story.hear(peer(0), &synced);
    }
    assert_eq!(story.wrongs, Vec::<String>::new());
    let synced = Synced { outcome: outcome(Ended::Agreed), holds_all: false, resumed: false };
    story.hear(peer(0), &synced);
    assert_eq!(story.wrongs.len(), 1);
}
