//! L6: honest cores in every weather.

use std::time::Duration;

use machine::{Instant, JobError, PeerId, Verdict};
use proptest::prelude::*;
use proptest::sample::Index;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use simnet::{Net, Record, Setup, Split};

use crate::laws::peers;
use crate::runs::{Runs, caught};
use crate::step::{Step, StepOf, honest};
use crate::subject::{DoneOf, Subject};

/// Most steps of a story. What only a long stall and a steady application bring about shows in half as
/// many once in a few hundred stories, and twice as many are slow to shrink.
const STEPS: usize = 120;

/// Lines of the story told when a law is broken.
const LINES: usize = 120;

pub(crate) fn check<S: Subject>(runs: &Runs) -> Result<(), String> {
    let (_, all) = peers(3);
    let weathers = S::weathers();
    let story = (any::<Index>(), any::<u8>(), honest::<S>(&all, STEPS));
    runs.try_all(&story, |(weather, seed, play)| {
        let (name, setup) = weather.get(&weathers);
        let Some(how) = charge::<S>(setup, *seed, &all, play, &mut Vec::new()) else {
            return Ok(());
        };
        let setup = Setup { record: Record::Lines(LINES), ..setup.clone() };
        let mut lines = Vec::new();
        charge::<S>(&setup, *seed, &all, play, &mut lines);
        Err(format!("in weather \"{name}\", {how}\n  {}", lines.join("\n  ")))
    })
}

/// How an honest peer was charged, if one was.
fn charge<S: Subject>(
    setup: &Setup,
    seed: u8,
    peers: &[PeerId],
    steps: &[(PeerId, StepOf<S>)],
    lines: &mut Vec<String>,
) -> Option<String> {
    let mut play = Play::<S>::open(setup, seed, peers);
    let played = caught(|| {
        for (node, step) in steps {
            play.act(*node, step);
        }
        play.wait(2 * S::SETTLE);
    });
    lines.extend(play.net.trace().map(String::from));
    let report = play.net.reports().find(|report| report.verdict != Verdict::Note);
    let charged = report.map(|report| {
        let (by, peer) = (report.by, report.peer);
        format!("{by} reports {peer}, {:?}: {}", report.verdict, report.fault)
    });
    charged.or(played.err())
}

/// Honest cores that play a history.
struct Play<S: Subject> {
    net: Net<S::Core>,
    /// When the stall under way ends.
    heals_at: Option<Instant>,
}

impl<S: Subject> Play<S> {
    /// All of `peers`, linked to each other.
    fn open(setup: &Setup, seed: u8, peers: &[PeerId]) -> Self {
        let mut net = Net::new(seed.into(), setup.clone());
        net.jobs(|_, job, rng| {
            let share = rng.random_range(0.0..0.2);
            (S::SETTLE.mul_f64(share), outcome::<S>(job, rng))
        });
        for (n, &peer) in (0..).zip(peers) {
            net.insert(peer, S::build(peer, [seed.wrapping_add(n); 32]));
        }
        for (n, &a) in peers.iter().enumerate() {
            for &b in &peers[..n] {
                net.join(a, b);
            }
        }
        Self { net, heals_at: None }
    }

    fn act(&mut self, node: PeerId, step: &StepOf<S>) {
        match step {
            Step::Command(command) => self.net.command(node, command.clone()),
            Step::Join(peer) => drop(self.net.join(node, *peer)),
            Step::Leave(peer) => self.net.cut(node, *peer),
            Step::Wait(span) => self.wait(*span),
            Step::Stall(span) => {
                self.net.partition([node], Split::Stall);
                self.heals_at = Some(self.net.now().after(*span));
            }
            // The network itself does these, in its weather.
            Step::Hear(..)
            | Step::Reply { .. }
            | Step::Undelivered { .. }
            | Step::JobDone { .. }
            | Step::NextTimer
            | Step::Wall(_) => {}
        }
    }

    /// Lets time pass, and ends a stall when it is time.
    fn wait(&mut self, span: Duration) {
        let end = self.net.now().after(span);
        if let Some(heals_at) = self.heals_at.take_if(|at| *at <= end) {
            self.net.run_for(heals_at.since(self.net.now()));
            self.net.heal();
        }
        self.net.run_for(end.since(self.net.now()));
    }
}

/// One job in eight fails.
fn outcome<S: Subject>(job: &crate::JobOf<S>, rng: &mut ChaCha8Rng) -> Result<DoneOf<S>, JobError> {
    match rng.random_range(0..16) {
        0 => Err(JobError::Lost),
        1 => Err(JobError::TimedOut),
        _ => Ok(S::done(job, rng.random())),
    }
}
