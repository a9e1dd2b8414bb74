//! A small network: what becomes of its messages, and that chance follows from the seed.

use super::*;

/// Sixty nodes, a few minutes, everything as in the large form.
fn small(seed: u64) -> Plan {
    Plan {
        seed,
        nodes: 60,
        messages: 60,
        warm: Duration::from_mins(6),
        window: Duration::from_mins(4),
        lifetime: Duration::from_mins(20),
        ..Plan::default()
    }
}

fn report(plan: &Plan) -> Report {
    Report::of(&Post::run(plan, &mut Progress::silent()).unwrap())
}

#[test]
fn where_all_stay_every_message_comes_once_and_by_few_hands() {
    let Report { fate, words, cost, speed, conduct, .. } = report(&small(1));
    assert_eq!((fate.sent, fate.delivered, fate.owed), (60, 60, 60), "{fate:?}");
    assert_eq!((fate.duplicates, conduct.charged), (0, 0), "{conduct:?}");
    assert_eq!(words.ends, BTreeMap::from([("delivered", 60)]), "{words:?}");
    assert_eq!(words.untrue, Vec::<String>::new());
    assert!(cost.transmissions <= 3.0, "{cost:?}");
    assert!(speed.hops.p99 <= 4, "{speed:?}");
}

#[test]
fn messages_come_over_no_fewer_links_than_the_shortest_ways_have() {
    // Nodes that know few.
    let mut plan = Plan { links: 4, ..small(3) };
    plan.config.routing.bucket_max = 1;
    // Of as many hops as may be, carriers take none away every other time.
    plan.config.routing.hops_min = plan.config.routing.hops_max;
    let Report { fate, speed, .. } = report(&plan);
    assert!(fate.routed > 50, "{fate:?}");
    assert!(speed.hops.mean >= speed.shortest_hops.mean, "{speed:?}");
}

#[test]
fn where_nodes_go_and_droppers_drop_messages_come_nevertheless_and_words_are_true() {
    let plan = Plan {
        droppers: 200,
        half_life: Some(Duration::from_mins(15)),
        away: Duration::from_mins(3),
        ..small(2)
    };
    let Report { fate, words, cost, conduct, .. } = report(&plan);
    assert!(fate.to_absent > 0 && fate.fetched > 0, "{fate:?}");
    assert!(fate.owed_share >= 0.95, "{fate:?}");
    assert_eq!((fate.duplicates, conduct.charged), (0, 0), "{conduct:?}");
    assert_eq!((words.untrue.len(), words.kept_untrue), (0, 0), "{words:?}");
    assert_eq!(words.without_end, words.sender_away, "{words:?}");
    assert!(words.kept > 0 && words.kept_by_droppers > 0, "{words:?}");
    assert!(cost.transmissions <= 10.0, "{cost:?}");
}

#[test]
fn equal_seeds_give_equal_reports() {
    let plan = |seed| Plan {
        nodes: 20,
        messages: 20,
        droppers: 200,
        half_life: Some(Duration::from_mins(10)),
        ..small(seed)
    };
    let json = |seed| report(&plan(seed)).json().unwrap();
    assert_eq!(json(7), json(7));
    assert_ne!(json(7), json(8));
}
