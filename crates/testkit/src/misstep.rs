//! L7: what a single bad message costs, and whom it concerns.

use std::fmt;
use std::ops::Range;

use machine::{PeerId, Verdict};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::laws::{difference, peers};
use crate::runs::{Runs, caught};
use crate::step::{Ending, STEPS_MAX, Step, StepOf, history};
use crate::subject::{About, MessageOf, Subject};
use crate::world::{Entry, World};

/// A single bad message and its price.
pub struct Misstep<S: Subject> {
    /// What is bad about it.
    pub name: &'static str,
    /// What happens before, with nobody else involved.
    pub before: Vec<StepOf<S>>,
    /// The message, given what the core said to the peer lately, newest last.
    pub message: fn(&[MessageOf<S>]) -> MessageOf<S>,
    /// Chooses the outcome of the jobs that the message starts, if any.
    pub dice: u32,
    /// What the peer is charged, now or once such jobs end; `None` if it is not reported at all.
    pub price: Option<Verdict>,
}

impl<S: Subject> Misstep<S> {
    /// A misstep that needs nothing before it.
    pub fn new(
        name: &'static str,
        message: fn(&[MessageOf<S>]) -> MessageOf<S>,
        price: Option<Verdict>,
    ) -> Self {
        Self { name, before: Vec::new(), message, dice: 0, price }
    }

    /// The same after `steps`.
    #[must_use]
    pub fn after(self, steps: impl Into<Vec<StepOf<S>>>) -> Self {
        Self { before: steps.into(), ..self }
    }
}

impl<S: Subject> fmt::Debug for Misstep<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misstep")
            .field("name", &self.name)
            .field("before", &self.before)
            .field("price", &self.price)
            .finish_non_exhaustive()
    }
}

/// Plays the same history of two innocents with and without the misstep of a third, and compares
/// what they see and what the third pays.
pub(crate) fn check<S: Subject>(runs: &Runs) -> Result<(), String> {
    let (_, peers) = peers(3);
    let (offender, innocents) = (peers[0], &peers[1..]);
    let missteps = S::missteps(offender);
    let story = (any::<Index>(), any::<Index>(), any::<u8>(), history::<S>(innocents, STEPS_MAX));
    runs.try_all(&story, |(which, at, seed, steps)| {
        let misstep = which.get(&missteps);
        // The time of the next timer may depend on the offender; all else is about innocents.
        let steps: Vec<_> =
            steps.iter().filter(|step| !matches!(step, Step::NextTimer)).cloned().collect();
        let (before, after) = steps.split_at(at.index(steps.len() + 1));
        let tell = |commit| Story::tell(*seed, &peers, misstep, [before, after], commit);
        let (without, with) = (tell(false)?, tell(true)?);
        judge(misstep, offender, &without, &with)
            .map_err(|how| format!("with \"{}\", {how}\n{}", misstep.name, with.world.log()))
    })
}

/// One of the two plays.
struct Story<S: Subject> {
    world: World<S>,
    /// The lines of the misstep's own effects.
    own: Range<usize>,
}

impl<S: Subject> Story<S> {
    fn tell(
        seed: u8,
        peers: &[PeerId],
        misstep: &Misstep<S>,
        [before, after]: [&[StepOf<S>]; 2],
        commit: bool,
    ) -> Result<Self, String> {
        let mut world = World::new(simnet::peer(0), [seed; 32], true);
        let told = caught(|| {
            for peer in peers {
                world.step(&Step::Join(*peer));
            }
            world.play(before);
            world.play(&misstep.before);
            let start = world.entries().len();
            if commit {
                let jobs = world.jobs_under_way();
                let message = (misstep.message)(world.sent(peers[0]));
                world.hear(peers[0], message);
                while world.jobs_under_way() > jobs {
                    world.end_job(jobs, Ending::Done(misstep.dice));
                }
            }
            let own = start..world.entries().len();
            world.play(after);
            world.settle();
            own
        });
        match told {
            Ok(own) => Ok(Self { world, own }),
            Err(panic) => Err(format!("{panic}\n{}", world.log())),
        }
    }

    /// What the core did about anyone but `offender`, apart from the misstep. Jobs are not told by
    /// their ids: those count all jobs, the offender's as well.
    fn about_others(&self, offender: PeerId) -> Vec<String> {
        let entries = self.world.entries();
        let apart = entries[..self.own.start].iter().chain(&entries[self.own.end..]);
        let concerns = |about| about != About::Peer(offender) && about != About::Several;
        let others = apart.filter(|entry| entry.effect && concerns(entry.about));
        let text = |entry: &Entry| match entry.job {
            Some(id) => entry.text.replace(&format!("{id:?}"), "_"),
            None => entry.text.clone(),
        };
        others.map(text).collect()
    }

    /// What was charged to `offender`, cheapest first.
    fn paid(&self, offender: PeerId) -> Vec<Verdict> {
        let reports = self.world.reports().iter();
        let mut paid: Vec<_> =
            reports.filter(|(peer, _)| *peer == offender).map(|(_, verdict)| *verdict).collect();
        paid.sort_unstable();
        paid
    }
}

fn judge<S: Subject>(
    misstep: &Misstep<S>,
    offender: PeerId,
    without: &Story<S>,
    with: &Story<S>,
) -> Result<(), String> {
    let mut owed = without.paid(offender);
    owed.extend(misstep.price);
    owed.sort_unstable();
    let paid = with.paid(offender);
    if paid != owed {
        return Err(format!("the offender was charged {paid:?} in all, not {owed:?}"));
    }
    let own = &with.world.entries()[with.own.clone()];
    let another = |about| matches!(about, About::Peer(peer) if peer != offender);
    if let Some(entry) = own.iter().find(|entry| entry.effect && another(entry.about)) {
        return Err(format!("somebody else is concerned: {}", entry.text));
    }
    difference(&without.about_others(offender), &with.about_others(offender))
        .map_err(|how| format!("others see a difference: {how}"))
}
