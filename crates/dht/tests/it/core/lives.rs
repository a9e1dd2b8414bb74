//! Own messages over several lives of their sender.

use std::time::Duration;

use libp2p_identity::PeerId;
use meshwork_dht::{Change, Config, LetterId, Outcome, SendError};

use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    let mut config = Config::fast();
    config.discovery.enabled = false;
    config
}

/// A sender, two neighbours of it, and behind them a recipient.
struct Town {
    world: World,
    from: PeerId,
    between: [PeerId; 2],
    to: PeerId,
}

impl Town {
    fn new(seed: u64, config: Config) -> Self {
        let mut world = World::new(seed, config);
        let from = world.start(1);
        let between = [2, 3].map(|number| world.start(number));
        let to = world.start(4);
        let mut town = Self { world, from, between, to };
        town.link(from);
        town.link(to);
        town
    }

    fn link(&mut self, end: PeerId) {
        for peer in self.between {
            self.world.link(end, peer);
        }
    }

    /// Starts the sender again.
    fn again(&mut self) {
        self.world.start(1);
        self.link(self.from);
    }

    fn known(&self, letter: LetterId) -> Vec<Outcome> {
        self.world.sent(self.from, letter).map(|sent| sent.outcomes()).unwrap_or_default()
    }

    /// Lets time pass until the disk has an end, or nothing at all.
    fn run_to_end(&mut self, letter: LetterId, limit: Duration) {
        let end = self.world.net.now().after(limit);
        let ended = |town: &Self| match town.world.sent(town.from, letter) {
            Some(sent) => sent.end().is_some(),
            None => true,
        };
        while !ended(self) && self.world.net.now() < end {
            self.world.run(SECOND);
        }
        self.world.run(10 * SECOND);
    }
}

/// What was told is what is known, in that order.
fn is_known(told: &[Outcome], known: &[Outcome]) -> bool {
    let mut known = known.iter();
    told.iter().all(|outcome| known.any(|other| other == outcome))
}

/// Stops the sender at its `step`-th write, before or after it is durable, and starts it again.
/// Says whether it came so far.
fn lives(step: usize, made: bool, away: bool) -> bool {
    let mut town = Town::new(u64::try_from(step).unwrap(), config());
    town.world.run(2 * SECOND);
    if away {
        town.world.stop(town.to);
    }
    town.world.stops.insert(town.from, (step, made));
    let letter = town.world.send(town.from, town.to, "hello", true);
    town.world.run(20 * SECOND);
    let mut stopped = town.world.stops.is_empty();
    let told = town.world.outcomes(letter).to_vec();
    assert!(is_known(&told, &town.known(letter)), "{told:?} {:?}", town.known(letter));
    if stopped {
        town.again();
    }
    if away {
        town.world.run(10 * SECOND);
        town.world.start(4);
        town.link(town.to);
        town.world.run(20 * SECOND);
    }
    // It may have come so far only when the recipient was back.
    if !stopped && town.world.stops.is_empty() {
        stopped = true;
        town.again();
    }
    town.run_to_end(letter, 120 * SECOND);

    let (told, known) = (town.world.outcomes(letter).to_vec(), town.known(letter));
    if step == 0 && !made {
        // It was never written down: nothing left, and nobody was told anything.
        assert_eq!((told, known, town.world.inbox(town.to).len()), (vec![], vec![], 0));
        return stopped;
    }
    assert!(is_known(&told, &known), "{told:?} {known:?}");
    assert_eq!(known.iter().filter(|outcome| outcome.is_end()).count(), 1, "{known:?}");
    assert_eq!(known.last(), Some(&Outcome::Delivered));
    assert_eq!(town.world.inbox(town.to), ["hello"], "step {step}");
    stopped
}

#[test]
fn wherever_its_sender_is_stopped_a_message_has_one_end_over_all_lives() {
    for away in [false, true] {
        for made in [false, true] {
            let steps = (0..64).find(|step| !lives(*step, made, away)).unwrap();
            assert!(steps >= 2, "a message is written down, and its end");
        }
    }
}

#[test]
fn nothing_leaves_and_nothing_is_told_before_it_is_written_down() {
    let mut town = Town::new(1, config());
    town.world.unwritable.insert(town.from);
    let letter = town.world.send(town.from, town.to, "hello", true);
    let end = Outcome::Refused(SendError::Unwritten);
    assert_eq!(town.world.run_to_end(letter, 10 * SECOND), Some(end));
    assert_eq!(town.world.outcomes(letter), [end]);
    assert!(town.world.inbox(town.to).is_empty() && town.known(letter).is_empty());

    // What it says later waits for the disk.
    town.world.unwritable.clear();
    town.world.stuck.insert(town.to);
    let letter = town.world.send(town.from, town.to, "again", true);
    town.world.run(3 * SECOND);
    let before = town.world.outcomes(letter).len();
    town.world.unwritable.insert(town.from);
    town.world.stuck.clear();
    town.world.run(20 * SECOND);
    assert_eq!(town.world.outcomes(letter).len(), before);
    assert_eq!(town.world.inbox(town.to), ["again"]);
    town.world.unwritable.clear();
    assert_eq!(town.world.run_to_end(letter, 10 * SECOND), Some(Outcome::Delivered));
}

#[test]
fn a_message_goes_on_with_the_time_that_is_left() {
    let mut town = Town::new(2, config());
    town.world.stop(town.to);
    let letter = town.world.send(town.from, town.to, "hello", false);
    let expires = town.world.sent(town.from, letter);
    assert!(expires.is_none(), "it is being written");
    for peer in town.between {
        town.world.droppers.insert(peer);
    }
    town.world.run(10 * SECOND);
    let sent = town.world.sent(town.from, letter).unwrap();
    town.world.stop(town.from);
    let away = sent.expires.since(town.world.wall()).saturating_sub(300 * SECOND);
    town.world.run(away);
    town.again();
    town.world.run(299 * SECOND);
    assert_eq!(town.world.end(letter), None);
    let end = Some(Outcome::Expired { copies: 0 });
    assert_eq!(town.world.run_to_end(letter, 60 * SECOND), end);
    assert!(town.known(letter).len() <= meshwork_dht::Sent::HISTORY_MAX);
}

#[test]
fn an_end_that_is_told_before_it_is_written_is_written_later() {
    let mut town = Town::new(6, config());
    town.world.stop(town.to);
    town.world.droppers.extend(town.between);
    let letter = town.world.send(town.from, town.to, "hello", false);
    town.world.run(10 * SECOND);
    let expires = town.world.sent(town.from, letter).unwrap().expires;
    town.world.stop(town.from);
    town.world.run(expires.since(town.world.wall()).saturating_sub(60 * SECOND));
    town.again();
    town.world.run(30 * SECOND);
    town.world.unwritable.insert(town.from);
    let end = town.world.run_to_end(letter, 400 * SECOND);
    assert_eq!(end, Some(Outcome::Expired { copies: 0 }));
    assert!(!town.known(letter).iter().any(Outcome::is_end));
    town.world.unwritable.clear();
    town.world.run(10 * SECOND);
    assert_eq!(town.known(letter).last().copied(), end);
    assert_eq!(town.world.net.core(town.from).unwrap().gauges().own, 0);
    // World hears of no second end.
    town.world.stop(town.from);
    town.again();
    town.world.run(400 * SECOND);
}

#[test]
fn what_may_have_left_before_a_restart_is_not_given_up() {
    let mut config = config();
    config.mailbox.serve = false;
    let mut town = Town::new(7, config);
    town.world.stop(town.to);
    town.world.stops.insert(town.from, (0, true));
    let letter = town.world.send(town.from, town.to, "hello", false);
    town.world.run(SECOND);
    assert!(town.world.stops.is_empty() && town.known(letter).is_empty());
    town.again();
    town.world.run(300 * SECOND);
    let told = town.world.outcomes(letter);
    let stops = told.iter().filter(|it| matches!(it, Outcome::Stopped(_))).count();
    assert!(stops >= 3 && town.world.end(letter).is_none(), "{told:?}");
}

#[test]
fn what_expired_meanwhile_has_its_end_at_once() {
    let mut town = Town::new(3, config());
    town.world.stop(town.to);
    let letter = town.world.send(town.from, town.to, "hello", true);
    town.world.run(10 * SECOND);
    let told = town.world.outcomes(letter).to_vec();
    assert!(told.iter().any(|it| matches!(it, Outcome::Stored { .. })), "{told:?}");
    town.world.stop(town.from);
    town.world.run(Duration::from_hours(25));
    town.world.start(1);
    let end = town.world.run_to_end(letter, 30 * SECOND);
    let copies = told.iter().filter(|it| matches!(it, Outcome::Stored { .. })).count();
    assert_eq!(end, Some(Outcome::Expired { copies }), "who kept it is known still");
}

#[test]
fn what_became_of_a_message_is_remembered_for_a_time_and_of_so_many() {
    let mut config = config();
    config.delivery.sent_max = 2;
    config.delivery.sent_lasts = 60 * SECOND;
    let mut town = Town::new(4, config);
    let letters: Vec<_> = (0..3)
        .map(|n| {
            let letter = town.world.send(town.from, town.to, &n.to_string(), true);
            let end = town.world.run_to_end(letter, 10 * SECOND);
            assert_eq!(end, Some(Outcome::Delivered));
            letter
        })
        .collect();
    town.world.run(SECOND);
    let known = |town: &Town| {
        let known = letters.iter().map(|letter| !town.known(*letter).is_empty());
        known.collect::<Vec<_>>()
    };
    assert_eq!(known(&town), [false, true, true]);
    town.world.stop(town.from);
    town.world.run(30 * SECOND);
    town.again();
    town.world.run(10 * SECOND);
    assert_eq!(known(&town), [false, true, true]);
    town.world.run(60 * SECOND);
    assert_eq!(known(&town), [false, false, false]);
    assert_eq!(town.world.net.core(town.from).unwrap().gauges().own, 0);
}

#[test]
fn what_a_message_says_is_forgotten_with_its_end() {
    let mut town = Town::new(5, config());
    let letter = town.world.send(town.from, town.to, "hello", true);
    town.world.run_to_end(letter, 10 * SECOND).unwrap();
    let store = town.world.store(town.from);
    assert_eq!((store.snapshot().sent.len(), store.snapshot().letters.len()), (1, 0));
    let row = store.snapshot().sent.remove(0);
    store.apply(vec![Change::Unsent { at: row.at, letter }]);
    assert!(store.snapshot().sent.is_empty());
}
