//! Stories of neighbourhoods: how they come to be, change and end.

use std::time::Duration;

use meshwork_gossip::{Config, Event};

use crate::town::Town;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn twenty_who_know_only_a_seed_find_enough_links_and_keep_exchanging_them() {
    let mut town = Town::with(20, Config::fast(), |town| town.seeds = (1..=20).collect());
    let inside = |town: &Town| (1..=20).all(|n| (3..=9).contains(&town.degree(n)));
    town.until(20 * SECOND, inside);
    town.run(120 * SECOND);
    assert!(inside(&town));
    let swapped =
        |(_, event): &&(u8, Event)| matches!(event, Event::Swapped { outcome: Ok(_), .. });
    assert!(town.events.iter().filter(swapped).count() >= 20);
    assert!(town.net.reports().len() == 0, "{:?}", town.net.reports().next());
}
