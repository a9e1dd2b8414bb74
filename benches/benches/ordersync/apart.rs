//! Syncs of sides that differ a little, beside the paging of 0x-Mesh.

use ordersync::Entry;
use ordersync::requester::Ended;
use ordersync::zeroex::Order;
use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reconcile::Key;

use crate::sample::Entries;
use crate::session::Talk;
use crate::side::Side;
use crate::traffic::Traffic;
use crate::{Failure, each, number, report};

/// Bytes that a difference may cost, without the encoded orders.
const AIM: f64 = 32.0;
/// Bytes that a sync of equal sides may cost.
const EQUAL_AIM: f64 = 400.0;
/// Round trips that nine of ten syncs may take.
const ROUND_TRIPS: usize = 3;

/// Differences, and runs.
const CASES: [(usize, usize); 5] = [(1, 200), (10, 200), (100, 200), (1_000, 100), (10_000, 20)];

/// What the runs of one case took together.
#[derive(Default)]
struct Sum {
    traffic: Traffic,
    runs: usize,
    prompt: usize,
    round_trips: usize,
    longest: usize,
    chained: usize,
}

pub(crate) fn run(orders: &[Entry<Order>], quick: bool) -> Result<(), Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sides = [Side::new(1, orders)?, Side::new(2, orders)?];
    equal(&sides)?;
    for (differences, runs) in CASES {
        if differences * 10 > orders.len() {
            continue;
        }
        let runs = if quick { runs.div_ceil(10) } else { runs };
        let mut sum = Sum::default();
        for run in 0..runs {
            one(&mut rng, &sides, orders, differences, run % 2, &mut sum)?;
        }
        compare(differences, &sum);
        if differences == 100 {
            paged(&mut rng, &sides, orders, differences, &sum)?;
        }
    }
    Ok(())
}

fn equal([requester, provider]: &[Side; 2]) -> Result<(), Failure> {
    let talked = Talk::ours([1; 32])?.run(requester, provider)?;
    let bytes = talked.traffic.total();
    let details = format!("{bytes} B, aim {EQUAL_AIM}; {} round trips", talked.round_trips);
    report("equal", number(bytes), EQUAL_AIM, &details);
    Ok(())
}

/// Takes from each side its half of the differences. Says which these are.
fn part(
    rng: &mut ChaCha8Rng,
    sides: &[Side; 2],
    orders: &[Entry<Order>],
    differences: usize,
    first: usize,
) -> Entries {
    let chosen = index::sample(rng, orders.len(), differences);
    let chosen: Entries = chosen.iter().filter_map(|at| orders.get(at).cloned()).collect();
    for (place, side) in sides.iter().enumerate() {
        let lacked = chosen.iter().skip((place + first) % 2).step_by(2);
        side.book.remove(&lacked.map(|entry| entry.id).collect::<Vec<_>>());
    }
    chosen
}

/// One sync; then both hold everything again.
fn one(
    rng: &mut ChaCha8Rng,
    sides: &[Side; 2],
    orders: &[Entry<Order>],
    differences: usize,
    first: usize,
    sum: &mut Sum,
) -> Result<(), Failure> {
    let lacked = part(rng, sides, orders, differences, first);
    let [requester, provider] = sides;
    provider.book.rotate(Key::from_bytes(rng.random()));
    let talked = Talk::ours(rng.random())?.run(requester, provider)?;
    let pushed = usize::try_from(talked.outcome.tally.pushed)?;
    let whole = requester.book.len() == orders.len();
    if talked.outcome.ended != Ended::Agreed || !whole {
        return Err(format!("{differences} apart: {:?}", talked.outcome).into());
    }
    if pushed >= differences / 2 && requester.book.summary() != provider.book.summary() {
        return Err(format!("{differences} apart: the provider lacks some").into());
    }
    provider.hold(&lacked);
    sum.traffic += talked.traffic;
    sum.runs += 1;
    sum.prompt += usize::from(talked.round_trips <= ROUND_TRIPS);
    sum.round_trips += talked.round_trips;
    sum.longest = sum.longest.max(talked.round_trips);
    sum.chained += usize::from(usize::try_from(talked.outcome.tally.round_trips)? <= ROUND_TRIPS);
    Ok(())
}

fn compare(differences: usize, sum: &Sum) {
    let Sum { traffic, runs, .. } = *sum;
    let of_each = |bytes: usize| each(bytes, runs * differences);
    let beside = of_each(traffic.beside());
    let details = format!(
        "{beside:.1} B for each of {differences}, aim {AIM}: cells {:.1}, want-list {:.1}, \
         envelope {:.1}; {:.1} B each for {:.1} orders; {:.0} B up, {:.0} B down",
        of_each(traffic.cells),
        of_each(traffic.wanted),
        of_each(traffic.envelope()),
        each(traffic.orders, traffic.carried),
        each(traffic.carried, runs),
        each(traffic.up, runs),
        each(traffic.down, runs),
    );
    report(&format!("apart_{differences}/beside_orders"), beside, AIM, &details);
    let prompt = 100.0 * each(sum.prompt, runs);
    let details = format!(
        "{prompt:.1} % of {runs} in {ROUND_TRIPS} round trips, aim 90; {:.2} on average, \
         {} at most; {:.1} % in a window without end",
        each(sum.round_trips, runs),
        sum.longest,
        100.0 * each(sum.chained, runs),
    );
    report(&format!("apart_{differences}/prompt"), prompt, 90.0, &details);
}

/// The same pair by the JSON pages of 0x-Mesh, one way.
fn paged(
    rng: &mut ChaCha8Rng,
    sides: &[Side; 2],
    orders: &[Entry<Order>],
    differences: usize,
    sum: &Sum,
) -> Result<(), Failure> {
    let lacked = part(rng, sides, orders, differences, 0);
    let [requester, provider] = sides;
    let talked = Talk::legacy()?.run(requester, provider)?;
    if requester.book.len() != orders.len() {
        return Err(format!("paged: {:?}", talked.outcome).into());
    }
    let (ours, theirs) = (each(sum.traffic.total(), sum.runs), number(talked.traffic.total()));
    let details = format!(
        "{:.0} times less: ours {ours:.0} B both ways, paging {theirs:.0} B one way in {} round \
         trips",
        theirs / ours,
        talked.round_trips,
    );
    report(&format!("apart_{differences}/legacy_paging"), ours, theirs, &details);
    provider.hold(&lacked);
    Ok(())
}
