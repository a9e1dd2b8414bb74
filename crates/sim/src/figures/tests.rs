//! Small runs of every scenario, and that equal seeds give equal reports.

use super::*;
use crate::population::Camp;
use crate::post;
use crate::scenario::Scenario;
use crate::world::World;
use simnet::Record;

fn silent() -> Bench<'static> {
    Bench { silent: true, ..Bench::new(true, 1, None) }
}

fn run(scenario: &Scenario) -> Outcome {
    scenario.run(&mut Progress::silent()).unwrap()
}

/// What must not happen in any run.
fn sound(world: &World) {
    let log = &world.log;
    let sins =
        (log.all_protected_lost(), log.swaps.half_done, log.honest_charged, log.store_failures);
    assert_eq!(sins, (0, 0, 0, 0), "protected lost, half done, honest charged: {log:?}");
}

#[test]
fn equal_seeds_give_equal_reports() {
    let report = |seed| {
        let mut scenario = attacks::infested(seed, 36, 1, crate::hostile::Plan::Sybil);
        scenario.settings.record = Record::Digest;
        scenario.span = minutes(5);
        let outcome = run(&scenario);
        let report = Report::of(&scenario, &outcome);
        (outcome.world.net.digest(), report.json().unwrap())
    };
    let (digest, json) = report(1);
    assert_eq!((digest, json.clone()), report(1));
    assert_ne!(json, report(2).1);
}

#[test]
fn exchanges_mix_a_ring_and_leave_every_degree_alone() {
    let mut scenario = ring::scenario(1, 60, 1, 300);
    scenario.span = minutes(20);
    let outcome = run(&scenario);
    sound(&outcome.world);
    let (first, last) = (&outcome.surveys[0], &outcome.surveys[outcome.surveys.len() - 1]);
    assert!(last.swaps > 20, "{} exchanges", last.swaps);
    assert!(last.shape.clustering < first.shape.clustering - 0.1, "{:?}", last.shape);
    let whole = outcome.surveys.iter().all(|survey| survey.shape.components == 1);
    assert!(whole && last.links.total.sd < 0.5, "{:?}", last.links);
}

#[test]
fn a_new_network_fills_up_beside_a_poisoned_seed() {
    let outcome = run(&growth::fresh(1, 40));
    sound(&outcome.world);
    let last = outcome.surveys.last().unwrap();
    assert!(last.links.filled >= 0.95, "{:?}", last.links);
}

#[test]
fn half_of_a_network_is_a_network() {
    let outcome = run(&growth::struck(1, 60, minutes(5)));
    sound(&outcome.world);
    let last = outcome.surveys.last().unwrap();
    assert_eq!((last.running, last.shape.components), (30, 1));
    assert!(last.links.filled > 0.9, "{:?}", last.links);
}

#[test]
fn a_flood_moves_nothing_that_was_tried() {
    let scenario = attacks::flooded(1, 60, 40, 1, 1);
    let mut world = scenario.begin().unwrap();
    world.run(minutes(10));
    let before = attacks::Entries::of(&world);
    world.attack(&scenario.attack.unwrap());
    world.run(minutes(2));
    let after = attacks::Entries::of(&world);
    sound(&world);
    assert!(world.log.bans > 20, "{} bans: nobody was flooded", world.log.bans);
    assert!(!before.tried.is_empty() && before.tried.is_subset(&after.all));
    let displaced = before.new.difference(&after.all).count();
    assert!(displaced * 8 <= before.new.len(), "{displaced} of {}", before.new.len());
}

#[test]
fn nodes_come_and_go_and_come_back_with_what_they_kept() {
    let mut scenario = growth::struck(1, 40, minutes(20));
    scenario.vanish = None;
    scenario.settings.keeps = true;
    scenario.half_life = Some(minutes(10));
    let outcome = run(&scenario);
    sound(&outcome.world);
    let last = outcome.surveys.last().unwrap();
    let restarts =
        outcome.world.people.camp(Camp::Honest).filter(|it| outcome.world.starts(*it) > 1);
    assert!(restarts.count() > 10, "nobody came back");
    assert!(last.running > 10 && last.shape.largest > 0.95, "{last:?}");
}

#[test]
fn who_was_cut_off_from_all_forgets_nobody() {
    let mut scenario = growth::struck(1, 40, minutes(20));
    scenario.vanish = None;
    let mut world = scenario.begin().unwrap();
    world.run(minutes(15));
    let before = attacks::Entries::of(&world);
    world.part(&[7]);
    world.run(minutes(10));
    let after = attacks::Entries::of(&world);
    let own = |it: &&(usize, machine::PeerId)| it.0 == 7;
    let (had, lost) = (before.tried.iter().filter(own), before.tried.difference(&after.all));
    assert!(had.count() > 4 && lost.filter(own).count() == 0, "an outage deletes nothing");
    world.heal();
    world.run(minutes(5));
    sound(&world);
    let survey = world.survey();
    assert!(survey.shape.components == 1 && survey.links.total.min >= 8.0, "{survey:?}");
}

#[test]
fn trusted_peers_find_each_other_again() {
    let mut scenario = growth::struck(1, 30, minutes(20));
    scenario.vanish = None;
    scenario.trusted = 2;
    let mut world = scenario.begin().unwrap();
    world.run(minutes(3));
    let friends = world.trusted(3);
    let linked = |world: &World| friends.iter().filter(|it| world.linked(3, **it)).count();
    assert_eq!(linked(&world), 2);
    world.strike(friends[0], true);
    world.run(minutes(3));
    assert_eq!(linked(&world), 1);
    world.start(friends[0]);
    world.run(minutes(3));
    assert_eq!(linked(&world), 2);
    sound(&world);
}

#[test]
fn the_table_says_what_was_missed() {
    let mut bench = silent();
    growth::boot(&mut bench).unwrap();
    bench.add(Figure::at_most("a", 1.0, 1.5));
    bench.add(Figure::exactly("b", 0, 0));
    let table = table(&bench.figures);
    assert!(table.contains("≥ 0.95") && table.contains("| a | ≤ 1 | 1.5 | MISSED |"), "{table}");
    assert!(table.ends_with("| b | 0 | 0 | met |"), "{table}");
}

#[test]
fn who_is_charged_for_messages_counts_with_those_of_all_runs() {
    let mut bench = silent();
    let plan = post::Plan { nodes: 2, messages: 0, warm: minutes(1), ..post::Plan::default() };
    let post = post::Post::run(&plan, &mut Progress::silent()).unwrap();
    let mut report = post::Report::of(&post);
    for charged in [2, 3] {
        report.conduct.charged = charged;
        let wall = Wall::with(post.steps(), Duration::ZERO);
        messages::keep(&mut bench, "messages", &report, &wall).unwrap();
    }
    assert_eq!(bench.honest_charged, 5);
}
