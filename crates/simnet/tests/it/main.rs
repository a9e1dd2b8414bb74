//! What the simulated network promises.
#![expect(clippy::unwrap_used, reason = "a test")]

mod probe;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use machine::{Instant, JobError, PeerId, Undelivered, UnixTime, Verdict};
use meshwork_simnet::{Net, News, Record, Setup, Split, Wall, Weather, peer};
use probe::{Command, Event, Probe};
use rand::RngExt;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Two linked nodes whose joining is not among the events.
fn pair(seed: u64, setup: Setup) -> (Net<Probe>, PeerId, PeerId) {
    let (mut net, a, b) = (Net::new(seed, setup), peer(0), peer(1));
    net.insert(a, Probe::default());
    net.insert(b, Probe::default());
    assert!(net.join(a, b));
    net.take_events(a);
    net.take_events(b);
    (net, a, b)
}

fn heard(net: &mut Net<Probe>, at: PeerId) -> Vec<u32> {
    let said = net.take_events(at).into_iter().filter_map(|event| match event {
        Event::Heard(_, said) => Some(said),
        _ => None,
    });
    said.collect()
}

fn bad_weather() -> Setup {
    let weather = Weather { delay_max: 2 * SECOND, loss_permille: 100, ..Weather::default() };
    Setup { weather, outbox_max: 8, record: Record::Lines(1 << 20), ..Setup::default() }
}

/// Everything a network can do, in an order drawn from `seed`.
fn story(seed: u64) -> (Vec<String>, u64) {
    let mut net = Net::new(seed, bad_weather());
    net.jobs(|_, job, rng| (rng.random_range(0..60) * SECOND, Ok(*job)));
    let peers: Vec<_> = (0..6).map(peer).collect();
    for &peer in &peers {
        net.insert(peer, Probe::default());
    }
    for round in 0..120u64 {
        let pick = |n: u64| peers[usize::try_from((seed + n) % 6).unwrap()];
        let (a, b) = (pick(round), pick(round * round + 1));
        match (seed ^ round) % 9 {
            0 | 1 => drop(net.join(a, b)),
            2 => net.command(a, Command::HangUp(b)),
            3 => net.command(a, Command::Work(7)),
            4 => net.command(a, Command::Wake(SECOND)),
            5 if round % 4 == 0 => net.partition([a, b], Split::Stall),
            5 if round % 4 == 1 => net.partition([a, b], Split::Cut),
            5 => net.heal(),
            6 if round % 8 == 0 => net.insert(a, Probe::default()),
            _ => {
                for n in 0..10 {
                    net.command(a, Command::Say(b, n));
                }
            }
        }
        net.run_for(300 * MS);
    }
    (net.trace().map(String::from).collect(), net.digest())
}

#[test]
fn equal_seeds_give_equal_traces() {
    for seed in 0..50 {
        let (lines, digest) = story(seed);
        assert!(lines.len() > 300, "seed {seed}: a story of {} lines", lines.len());
        assert_eq!((lines, digest), story(seed), "seed {seed}");
    }
    assert_ne!(story(1), story(2));
}

/// A change of the engine that changes this changes what every seed printed so far stands for.
#[test]
fn the_stories_are_the_same_in_every_process_and_release() {
    let digests = (0..50).map(|seed| story(seed).1);
    let all = digests.fold(0u64, |all, digest| all.rotate_left(5) ^ digest);
    assert_eq!(all, 0x4efa_dbe6_6986_8511);
}

#[test]
fn the_digest_does_not_depend_on_the_lines_kept() {
    let digest = |record| {
        let (mut net, a, b) = pair(3, Setup { record, ..bad_weather() });
        net.command(a, Command::Say(b, 5));
        net.run_for(SECOND);
        (net.digest(), net.trace().count())
    };
    assert_eq!(digest(Record::Digest).0, digest(Record::Lines(2)).0);
    assert_eq!(digest(Record::Lines(2)).1, 2);
    assert_eq!(digest(Record::Nothing).1, 0);
}

#[test]
fn the_trace_reads_like_the_story() {
    let (mut net, a, b) = pair(3, Setup { record: Record::Lines(64), ..Setup::default() });
    net.command(a, Command::Say(b, 5));
    net.command(a, Command::Blame(b));
    net.run_for(SECOND);
    let lines: Vec<_> = net.trace().skip(6).collect();
    assert_eq!(lines[0], format!("0.000000 n0 command Say(PeerId(\"{b}\"), 5)"));
    assert_eq!(lines[1], "0.000000 n0 -> n1 5");
    assert_eq!(lines[3], "0.000000 n0 report n1, Charge(3): said so");
    assert!(lines[4].ends_with("n1 <- n0 5"), "{}", lines[4]);
}

#[test]
fn a_link_keeps_order_unless_told_otherwise() {
    let sent: Vec<u32> = (0..200).collect();
    for ordered in [true, false] {
        let weather = Weather { delay_max: SECOND, ordered, ..Weather::default() };
        let (mut net, a, b) = pair(11, Setup { weather, ..Setup::default() });
        for &n in &sent {
            net.command(a, Command::Say(b, n));
            net.run_for(3 * MS);
        }
        net.run_for(2 * SECOND);
        let mut heard = heard(&mut net, b);
        assert_eq!(heard == sent, ordered);
        heard.sort_unstable();
        assert_eq!(heard, sent, "none is lost or doubled");
    }
}

#[test]
fn loss_loses_about_the_asked_share_in_silence() {
    let weather = Weather { loss_permille: 250, ..Weather::default() };
    let (mut net, a, b) = pair(5, Setup { weather, ..Setup::default() });
    for n in 0..4000 {
        net.command(a, Command::Say(b, n));
        net.run_for(MS);
    }
    net.run_for(SECOND);
    let lost = 4000 - heard(&mut net, b).len();
    // Five standard deviations of a binomial distribution.
    assert!((1000 - 137..=1000 + 137).contains(&lost), "{lost} of 4000 lost");
    assert_eq!(u64::try_from(lost).unwrap(), net.counts().lost);
    assert_eq!(net.events(a).len(), 0, "the sender hears nothing of it");
}

#[test]
fn a_full_outbox_gives_back_and_then_takes_again() {
    let (mut net, a, b) = pair(5, Setup { outbox_max: 3, ..Setup::default() });
    for n in 0..5 {
        net.command(a, Command::Say(b, n));
    }
    let back = |n| Event::Back(b, n, Undelivered::OutboxFull);
    assert_eq!(net.take_events(a), [back(3), back(4)]);
    net.run_for(SECOND);
    net.command(a, Command::Say(b, 5));
    net.run_for(SECOND);
    assert_eq!(heard(&mut net, b), [0, 1, 2, 5]);
}

#[test]
fn what_has_no_link_comes_back() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.cut(a, b);
    net.command(a, Command::Say(b, 1));
    let back = Event::Back(b, 1, Undelivered::NotConnected);
    assert_eq!(net.take_events(a), [Event::Left(b), back]);
}

#[test]
fn who_hangs_up_is_heard_out_and_hears_out() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.command(b, Command::Say(a, 1));
    net.run_for(9 * MS);
    for n in [2, 3] {
        net.command(a, Command::Say(b, n));
    }
    net.command(a, Command::HangUp(b));
    net.command(a, Command::HangUp(b));
    net.command(a, Command::Say(b, 4));
    assert!(!net.linked(a, b));
    assert_eq!(net.take_events(a), [Event::Back(b, 4, Undelivered::NotConnected)]);
    net.run_for(SECOND);
    assert_eq!(net.take_events(b), [Event::Heard(a, 2), Event::Heard(a, 3), Event::Left(a)]);
    assert_eq!(net.take_events(a), [Event::Heard(b, 1), Event::Left(b)]);
    assert_eq!(net.counts().dropped, 0);
}

#[test]
fn what_is_on_its_way_when_a_link_breaks_is_lost() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.command(a, Command::Say(b, 1));
    net.cut(a, b);
    net.join(a, b);
    net.run_for(SECOND);
    assert_eq!(net.take_events(b), [Event::Left(a), Event::Joined(a)]);
    assert_eq!(net.counts().dropped, 1);
}

#[test]
fn a_new_link_ends_the_old_one_first() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.command(a, Command::Say(b, 1));
    net.command(a, Command::HangUp(b));
    assert!(!net.linked(a, b));
    assert!(net.join(b, a));
    net.run_for(SECOND);
    assert_eq!(net.take_events(a), [Event::Left(b), Event::Joined(b)]);
    assert_eq!(net.take_events(b), [Event::Left(a), Event::Joined(a)]);
    assert!(net.linked(a, b), "the old link's end does not touch the new one");
}

#[test]
fn a_stalled_partition_holds_back_and_heals_in_order() {
    let (mut net, a, b) = pair(5, Setup { outbox_max: 3, ..Setup::default() });
    net.partition([a], Split::Stall);
    for n in 0..4 {
        net.command(a, Command::Say(b, n));
        net.run_for(SECOND);
    }
    assert_eq!(net.take_events(a), [Event::Back(b, 3, Undelivered::OutboxFull)]);
    assert_eq!(net.events(b).len(), 0);
    net.heal();
    net.command(a, Command::Say(b, 4));
    net.run_for(SECOND);
    net.command(a, Command::Say(b, 5));
    net.run_for(SECOND);
    assert_eq!(heard(&mut net, b), [0, 1, 2, 5], "the held ones still filled the outbox");
}

#[test]
fn a_cut_partition_refuses_joins_and_heals_by_itself() {
    let (mut net, a, b) = pair(5, Setup::default());
    let c = peer(2);
    net.insert(c, Probe::default());
    net.join(a, c);
    net.partition([a, c], Split::Cut);
    assert_eq!(net.take_events(b), [Event::Left(a)]);
    assert!(net.linked(a, c), "same side");
    assert!(!net.join(a, b));
    net.heal();
    assert_eq!(net.take_events(b), [Event::Joined(a)]);
    assert!(!net.join(a, b), "linked already");
}

#[test]
fn a_job_is_answered_once_and_by_its_deadline() {
    let setup = Setup { job_deadline: 5 * SECOND, jobs_max: 3, ..Setup::default() };
    let (mut net, a, _) = pair(5, setup);
    net.jobs(|_, job, _| (*job * SECOND, Ok(job + 1)));
    for job in [2, 9, 1, 1] {
        net.command(a, Command::Work(job));
    }
    let events = net.take_events(a);
    let ids = events.iter().filter_map(|event| match event {
        Event::Started(id) => Some(*id),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(events[4], Event::Done(ids[3], Err(JobError::Refused), Instant::START));
    net.run_for(60 * SECOND);
    let at = |seconds| Instant::at(seconds * SECOND);
    let answers = [
        Event::Done(ids[2], Ok(2), at(1)),
        Event::Done(ids[0], Ok(3), at(2)),
        Event::Done(ids[1], Err(JobError::TimedOut), at(5)),
    ];
    assert_eq!(net.take_events(a), answers);
    net.command(a, Command::Work(1));
    net.run_for(2 * SECOND);
    let again = net.take_events(a).pop();
    assert!(matches!(again, Some(Event::Done(_, Ok(2), _))), "there is room again: {again:?}");
}

#[test]
fn a_restarted_node_hears_nothing_of_its_former_life() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.jobs(|_, _, _| (SECOND, Ok(0)));
    net.command(a, Command::Work(1));
    net.command(a, Command::Wake(SECOND));
    net.command(b, Command::Say(a, 1));
    net.run_for(2 * MS);
    net.insert(a, Probe::default());
    assert_eq!(net.take_events(b), [Event::Left(a)]);
    net.command(a, Command::Wake(SECOND));
    net.run_for(10 * SECOND);
    assert_eq!(net.take_events(a), [Event::Awake(Instant::at(SECOND))], "its clock starts anew");
    assert!(net.crash(a).is_some());
    assert_eq!(net.peers().collect::<Vec<_>>(), [b]);
}

#[test]
fn what_a_core_wants_from_the_start_is_carried_out() {
    let mut net = Net::new(5, Setup::default());
    net.jobs(|_, job, _| (SECOND, Ok(*job)));
    net.insert(peer(0), Probe::eager(7));
    assert_eq!(net.events(peer(0)).len(), 1, "started");
    net.run_for(SECOND);
    assert!(matches!(net.take_events(peer(0))[..], [_, Event::Done(_, Ok(7), _)]));
}

#[test]
fn each_node_has_its_own_wall_clock() {
    let start = UnixTime::from_millis(1_000_000);
    let wall = Some(Wall { start, every: 10 * SECOND });
    let (mut net, a, b) = pair(5, Setup { wall, ..Setup::default() });
    net.skew(b, -2_000);
    net.run_for(10 * SECOND);
    let time = |millis| Event::Time(UnixTime::from_millis(millis));
    assert_eq!(net.take_events(a), [time(1_010_000)]);
    assert_eq!(net.take_events(b), [time(998_000), time(1_008_000)]);
}

#[test]
fn timers_fire_in_order_and_on_time() {
    let (mut net, a, b) = pair(5, Setup::default());
    net.command(a, Command::Wake(2 * SECOND));
    net.command(b, Command::Wake(3 * SECOND));
    net.command(a, Command::Wake(SECOND));
    assert!(net.run_until(4 * SECOND, |net| net.events(b).len() == 1));
    assert_eq!(net.take_events(a), [Event::Awake(Instant::at(SECOND))]);
    assert_eq!(net.now(), Instant::at(3 * SECOND));
    assert!(!net.run_until(4 * SECOND, |net| net.events(a).len() == 1));
    assert_eq!(net.now(), Instant::at(7 * SECOND));
}

#[test]
#[should_panic(expected = "due after a tick")]
fn a_tick_that_clears_nothing_is_caught() {
    let mut net = Net::new(5, Setup::default());
    net.insert(peer(0), Probe::stuck());
    net.command(peer(0), Command::Wake(SECOND));
    net.run_for(2 * SECOND);
}

#[test]
fn reports_are_counted_and_the_latest_kept() {
    let (mut net, a, b) = pair(5, Setup { log_max: 2, ..Setup::default() });
    for _ in 0..3 {
        net.command(a, Command::Blame(b));
    }
    assert_eq!(net.counts().charges, 3);
    assert_eq!(net.reports().len(), 2);
    let report = net.reports().next().unwrap();
    assert_eq!((report.by, report.peer, report.verdict), (a, b, Verdict::Charge(3)));
}

#[test]
fn the_hook_sees_every_step() {
    let (mut net, a, b) = pair(5, Setup::default());
    let steps = Rc::new(Cell::new(0));
    let seen = Rc::clone(&steps);
    net.watch(move |net| {
        assert!(net.counts().delivered <= net.counts().sent);
        seen.set(seen.get() + 1);
    });
    net.command(a, Command::Say(b, 1));
    net.run_for(SECOND);
    assert_eq!(steps.get(), 2);
}

#[test]
fn a_vanished_node_leaves_its_neighbours_talking_to_nobody() {
    let (mut net, a, b) = pair(5, Setup::default());
    assert!(net.vanish(b).is_some());
    net.command(a, Command::Say(b, 1));
    net.run_for(SECOND);
    assert_eq!(net.take_events(a), [], "it hears nothing");
    assert_eq!((net.counts().sent, net.counts().dropped), (1, 1));
    net.insert(b, Probe::default());
    assert!(!net.linked(a, b));
    assert!(net.join(a, b));
    assert_eq!(net.take_events(a), [Event::Left(b), Event::Joined(b)]);
    assert_eq!(net.take_events(b), [Event::Joined(a)]);
}

#[test]
fn a_driver_takes_the_news_in_order_and_answers_jobs() {
    let setup = Setup { job_deadline: 5 * SECOND, ..Setup::default() };
    let (mut net, a, b) = pair(5, setup);
    net.drive();
    net.wake(SECOND, 7);
    for job in [1, 2, 3] {
        net.command(a, Command::Work(job));
    }
    let mut tickets = Vec::new();
    for expected in [1, 2, 3] {
        let started = net.take_news();
        assert!(matches!(started, Some(News::Event { me, event: Event::Started(_) }) if me == a));
        let Some(News::Asked { me, job, ticket }) = net.take_news() else { panic!("no job") };
        assert_eq!((me, job), (a, expected));
        tickets.push(ticket);
    }
    net.answer(tickets[0], Ok(10), 2 * SECOND);
    net.answer(tickets[1], Ok(20), 9 * SECOND);
    assert!(net.run_until(9 * SECOND, Net::has_news));
    assert!(matches!(net.take_news(), Some(News::Alarm { token: 7 })));
    assert!(net.run_until(9 * SECOND, Net::has_news));
    let done = |news, outcome| match news {
        Some(News::Event { event: Event::Done(_, given, _), .. }) => assert_eq!(given, outcome),
        other => panic!("{other:?}"),
    };
    done(net.take_news(), Ok(10));
    assert!(net.run_until(9 * SECOND, Net::has_news));
    assert_eq!(net.now(), Instant::at(5 * SECOND));
    done(net.take_news(), Err(JobError::TimedOut));
    assert_eq!(net.events(a).len(), 0, "events are not logged beside");

    // An answer for a former life is for nobody, even under the same number.
    net.insert(a, Probe::default());
    net.command(a, Command::Work(4));
    net.answer(tickets[2], Ok(30), SECOND);
    net.cut(a, b);
    net.run_for(2 * SECOND);
    let news: Vec<_> = std::iter::from_fn(|| net.take_news()).collect();
    let left = |me, peer| move |news: &&News<Probe>| matches!(news, News::Left { me: m, peer: p } if (*m, *p) == (me, peer));
    assert_eq!(news.iter().filter(left(b, a)).count(), 1);
    let is_done = |news: &&News<Probe>| matches!(news, News::Event { event: Event::Done(..), .. });
    assert_eq!(news.iter().filter(is_done).count(), 0);
}
