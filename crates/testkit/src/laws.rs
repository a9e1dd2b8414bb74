//! The laws, and those of them that concern one core on its own.

use std::cell::Cell;
use std::fmt;

use machine::PeerId;
use proptest::prelude::*;

use crate::runs::{Runs, caught};
use crate::step::{STEPS_MAX, Step, StepOf, history};
use crate::subject::Subject;
use crate::world::{LINKS_MAX, World};
use crate::{honest, misstep};

/// What every core obeys.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Law {
    /// L1: equal seed and inputs give equal effects, and the seed matters.
    Deterministic,
    /// L2: every command ends exactly once, also when peers leave and jobs fail.
    EndsOnce,
    /// L3: after everyone left and time passed, nothing about anyone remains.
    NothingRemains,
    /// L4: a tick clears what was due.
    TickClears,
    /// L5: effects per input and the state are bounded, whatever is sent.
    Bounded,
    /// L6: no honest peer is charged, in any weather.
    HonestFree,
    /// L7: a single bad message costs exactly its price and changes nothing for others.
    ExactPrice,
}

impl Law {
    /// All of them. L8 is about messages, not cores: see [`check_codec`](crate::check_codec).
    pub const ALL: [Self; 7] = [
        Self::Deterministic,
        Self::EndsOnce,
        Self::NothingRemains,
        Self::TickClears,
        Self::Bounded,
        Self::HonestFree,
        Self::ExactPrice,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deterministic => "L1 (equal seed and inputs give equal effects)",
            Self::EndsOnce => "L2 (every command ends exactly once)",
            Self::NothingRemains => "L3 (nothing remains of peers that left)",
            Self::TickClears => "L4 (a tick clears what was due)",
            Self::Bounded => "L5 (effects and state are bounded)",
            Self::HonestFree => "L6 (no honest peer is charged)",
            Self::ExactPrice => "L7 (a bad message costs its price, and others nothing)",
        })
    }
}

/// Tries a law on a subject.
///
/// # Errors
///
/// How the law was broken, with the shortest history found that does it.
pub fn check<S: Subject>(law: Law, runs: &Runs) -> Result<(), String> {
    let checked = match law {
        Law::Deterministic => deterministic::<S>(runs),
        Law::EndsOnce | Law::NothingRemains | Law::TickClears => {
            alone::<S>(law, runs, 3, STEPS_MAX)
        }
        // More peers than may be linked, so that those who left could pile up.
        Law::Bounded => alone::<S>(law, runs, 12, 160),
        Law::HonestFree => honest::check::<S>(runs),
        Law::ExactPrice => misstep::check::<S>(runs),
    };
    checked.map_err(|how| readable(&format!("{law} is broken: {how}")))
}

/// One test for each law on a [`Subject`]; with `framed`, also L8 on its messages.
///
/// ```text
/// testkit::laws!(Chatter, framed);
/// ```
///
/// Seeds of failures go to `tests/laws.regressions` of the crate and are to be committed.
#[macro_export]
macro_rules! laws {
    ($subject:ty) => {
        $crate::laws!(@tests $subject;
            l1_equal_inputs_give_equal_effects: Deterministic,
            l2_every_command_ends_exactly_once: EndsOnce,
            l3_nothing_remains_of_peers_that_left: NothingRemains,
            l4_a_tick_clears_what_was_due: TickClears,
            l5_effects_and_state_are_bounded: Bounded,
            l6_no_honest_peer_is_charged: HonestFree,
            l7_a_bad_message_costs_its_price_and_others_nothing: ExactPrice,
        );
    };
    ($subject:ty, framed) => {
        $crate::laws!($subject);

        #[test]
        fn l8_messages_survive_the_wire() {
            let checked = $crate::check_codec::<$subject>(&$crate::laws!(@runs));
            assert!(checked.is_ok(), "{}", checked.unwrap_err());
        }
    };
    (@tests $subject:ty; $($name:ident: $law:ident,)*) => {
        $(
            #[test]
            fn $name() {
                let checked = $crate::check::<$subject>($crate::Law::$law, &$crate::laws!(@runs));
                assert!(checked.is_ok(), "{}", checked.unwrap_err());
            }
        )*
    };
    (@runs) => {
        $crate::Runs {
            regressions: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laws.regressions")),
            ..$crate::Runs::default()
        }
    };
}

/// The subject's own id and those of `n` others.
pub(crate) fn peers(n: u64) -> (PeerId, Vec<PeerId>) {
    (simnet::peer(0), (1..=n).map(simnet::peer).collect())
}

/// Ids as the calls that make them.
fn readable(text: &str) -> String {
    (0..16).map(simnet::peer).enumerate().fold(text.to_owned(), |text, (n, peer)| {
        text.replace(&format!("{peer:?}"), &format!("peer({n})"))
            .replace(&peer.to_string(), &format!("peer({n})"))
    })
}

/// Plays `steps`, with the first few of `peers` linked before, and lets all settle; not beyond the
/// first breach of `law`. With a panic comes the world as it was then.
fn play<S: Subject>(
    law: Law,
    seed: u8,
    peers: &[PeerId],
    steps: &[StepOf<S>],
    logs: bool,
) -> (World<S>, Result<(), String>) {
    let mut world = World::new(simnet::peer(0), [seed; 32], logs);
    let played = caught(|| {
        for peer in peers.iter().take(LINKS_MAX) {
            world.step(&Step::Join(*peer));
        }
        for step in steps {
            world.step(step);
            if world.breach(law).is_some() {
                return;
            }
        }
        world.settle();
    });
    (world, played)
}

/// A law that one core on its own keeps or breaks.
fn alone<S: Subject>(law: Law, runs: &Runs, peers: u64, len: usize) -> Result<(), String> {
    let (_, peers) = self::peers(peers);
    runs.try_all(&(any::<u8>(), history::<S>(&peers, len)), |(seed, steps)| {
        let (world, played) = play::<S>(law, *seed, &peers, steps, false);
        let breach = world.breach(law).map(String::from).or(played.err());
        breach.map_or(Ok(()), |breach| {
            let (world, _) = play::<S>(law, *seed, &peers, steps, true);
            Err(format!("{breach}\n{}", world.log()))
        })
    })
}

fn deterministic<S: Subject>(runs: &Runs) -> Result<(), String> {
    let (_, peers) = peers(3);
    let seed_matters = Cell::new(false);
    runs.try_all(&(any::<u8>(), history::<S>(&peers, STEPS_MAX)), |(seed, steps)| {
        let texts = |seed| {
            let (world, played) = play::<S>(Law::Deterministic, seed, &peers, steps, true);
            let texts: Vec<_> = world.entries().iter().map(|entry| entry.text.clone()).collect();
            played.map(|()| texts).map_err(|panic| format!("{panic}\n{}", world.log()))
        };
        let (once, again) = (texts(*seed)?, texts(*seed)?);
        if texts(!*seed)? != once {
            seed_matters.set(true);
        }
        difference(&once, &again)
    })?;
    if S::DRAWS && !seed_matters.get() {
        return Err("no history told one seed from another, although the core draws".into());
    }
    Ok(())
}

/// Where two stories part, with what led there.
pub(crate) fn difference(once: &[String], again: &[String]) -> Result<(), String> {
    if once == again {
        return Ok(());
    }
    let same = once.iter().zip(again).take_while(|(first, second)| first == second).count();
    let end = "(nothing more)".to_owned();
    let (first, second) = (once.get(same).unwrap_or(&end), again.get(same).unwrap_or(&end));
    let before = once[..same].join("\n  ");
    Err(format!("two runs part after\n  {before}\nfirst:  {first}\nsecond: {second}"))
}
