//! Random sessions, after each of which the sets are compared.

use std::thread::{self, ScopedJoinHandle};

use ordersync::requester::{Ended, Outcome};
use ordersync::zeroex::Order;
use ordersync::{Entry, Form};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reconcile::Key;

use crate::session::Talk;
use crate::side::{self, Side};
use crate::{Failure, number, report};

/// Orders that sessions are about.
const POOL: usize = 2_000;

pub(crate) fn run(orders: &[Entry<Order>], sessions: usize) -> Result<(), Failure> {
    let pool: Vec<_> = orders.iter().take(POOL).cloned().collect();
    let workers = thread::available_parallelism()?.get();
    let counts = thread::scope(|scope| {
        let work = |first| {
            let seeds = (first..sessions).step_by(workers);
            let pool = pool.clone();
            scope.spawn(move || count(seeds, pool))
        };
        let workers: Vec<_> = (0..workers).map(work).collect();
        let joined = |worker: ScopedJoinHandle<'_, _>| worker.join().map_err(|_| "panicked")?;
        workers.into_iter().map(joined).collect::<Result<Vec<_>, Failure>>()
    })?;
    let total = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>();
    let complete = total(|counts| counts.complete);
    let details = format!(
        "{sessions} random sessions: the requester had everything after {complete}, both had it \
         after {}; {} were cut and taken up again",
        total(|counts| counts.equal),
        total(|counts| counts.cut),
    );
    report("sessions/complete", number(complete), number(sessions), &details);
    Ok(())
}

/// Sessions after which it was so.
#[derive(Default)]
struct Counts {
    complete: usize,
    equal: usize,
    cut: usize,
}

/// The sessions of these seeds.
fn count(
    seeds: impl Iterator<Item = usize>,
    mut pool: Vec<Entry<Order>>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    for seed in seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::try_from(seed)?);
        // What an earlier session has shuffled.
        pool.sort_unstable_by_key(|entry| entry.id);
        let held = session(&mut rng, &mut pool)
            .map_err(|failure| format!("session of seed {seed}: {failure}"))?;
        counts.complete += 1;
        counts.equal += usize::from(held.equal);
        counts.cut += usize::from(held.cut);
    }
    Ok(counts)
}

/// What came of a session.
struct Held {
    /// Whether both sides hold the same.
    equal: bool,
    /// Whether it took a second one.
    cut: bool,
}

fn session(rng: &mut ChaCha8Rng, pool: &mut [Entry<Order>]) -> Result<Held, Failure> {
    let (common, ours) = (rng.random_range(0..600), rng.random_range(0..60));
    let theirs =
        if rng.random_ratio(1, 3) { rng.random_range(200..700) } else { rng.random_range(0..60) };
    let (chosen, _) = pool.partial_shuffle(rng, common + ours + theirs);
    let (ours, rest) = chosen.split_at(ours);
    let (common, theirs) = rest.split_at(common);
    let (requester, provider) = (Side::new(1, common)?, Side::new(2, common)?);
    requester.hold(ours);
    provider.hold(theirs);
    if rng.random() {
        provider.book.rotate(Key::from_bytes(rng.random()));
    }

    let form = if rng.random_ratio(2, 3) { Form::Binary } else { Form::Json };
    let mut talk = Talk {
        form,
        subprotocols: side::ours(form)?,
        page: rng.random_range(1..80),
        window: rng.random_range(1..9),
        secret: rng.random(),
        cut: rng.random_ratio(1, 4).then(|| rng.random_range(0..12)),
    };
    let mut outcome = talk.run(&requester, &provider)?.outcome;
    let cut = matches!(outcome.ended, Ended::Broken(_)) && talk.cut.take().is_some();
    if cut {
        outcome = talk.run(&requester, &provider)?.outcome;
    }
    if !is_whole(form, &outcome) || !requester.covers(&provider) {
        return Err(format!("{outcome:?}").into());
    }
    let equal = requester.equals(&provider);
    // What one side lacked was given to it, unless it had so much less that its pages were read.
    if form == Form::Binary && !cut && outcome.tally.pushed == number_of(ours) && !equal {
        return Err("not equal, though everything was given".into());
    }
    Ok(Held { equal, cut })
}

/// Whether an outcome says that nothing is missing. What is paged as JSON is not proven.
fn is_whole(form: Form, outcome: &Outcome) -> bool {
    match outcome.ended {
        Ended::Agreed => true,
        Ended::Paged => form == Form::Json,
        Ended::Incomplete { .. } | Ended::Faulted(_) | Ended::Broken(_) => false,
    }
}

fn number_of(orders: &[Entry<Order>]) -> u64 {
    u64::try_from(orders.len()).unwrap_or(u64::MAX)
}
