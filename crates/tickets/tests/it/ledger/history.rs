//! Random histories: money is neither made nor lost, and whoever follows ends up with the same.

use meshwork_tickets::ledger::{Call, Replica, Snapshot, State, Update, UpdateReader};
use meshwork_tickets::{ChannelStatus, WinProbability};
use proptest::prelude::*;

use super::world::{Promise, World, address, between, open, params};
use crate::common::amount;

/// One thing that somebody may ask for, sensible or not.
#[derive(Clone, Debug)]
enum Wish {
    Claim,
    Open(u8, u16),
    Fund(u8, u16),
    InitiateClose(u8),
    FinaliseClose(u8),
    CloseIncoming(u8),
    /// Of whom, how far above the index of the channel, for how many, how much, whether for certain.
    Redeem(u8, u8, u8, u16, bool),
    Wait(u8),
}

/// Accounts that take part; one more than there is room for.
const ACCOUNTS: u8 = 6;

fn wish() -> impl Strategy<Value = Wish> {
    let who = || 1..=ACCOUNTS;
    prop_oneof![
        2 => Just(Wish::Claim),
        4 => (who(), 0..400_u16).prop_map(|(who, units)| Wish::Open(who, units)),
        2 => (who(), 0..400_u16).prop_map(|(who, units)| Wish::Fund(who, units)),
        1 => who().prop_map(Wish::InitiateClose),
        1 => who().prop_map(Wish::FinaliseClose),
        1 => who().prop_map(Wish::CloseIncoming),
        6 => (who(), 0..3_u8, 1..4_u8, 0..60_u16, any::<bool>())
            .prop_map(|(from, skip, count, units, sure)| {
                Wish::Redeem(from, skip, count, units, sure)
            }),
        1 => (0..100_u8).prop_map(Wish::Wait),
    ]
}

impl Wish {
    fn call(&self, who: u8, state: &State) -> Option<Call> {
        let to = |other| between(who, other);
        Some(match *self {
            Self::Claim => Call::Claim,
            Self::Open(other, units) => open(other, units.into()),
            Self::Fund(other, units) => {
                Call::Fund { channel: to(other), amount: amount(units.into()) }
            }
            Self::InitiateClose(other) => Call::InitiateClose { channel: to(other) },
            Self::FinaliseClose(other) => Call::FinaliseClose { channel: to(other) },
            Self::CloseIncoming(other) => Call::CloseIncoming { channel: between(other, who) },
            Self::Redeem(source, skip, count, units, sure) => {
                if source == who {
                    return None;
                }
                let channel = state.channel(&between(source, who));
                let first = channel.map_or(0, |channel| channel.index.get()) + u64::from(skip);
                let epoch = channel.map_or(0, |channel| channel.epoch.get());
                let half = WinProbability::from_f64(0.5).unwrap();
                let probability = if sure { WinProbability::ALWAYS } else { half };
                let (destination, offset, units) = (who, count.into(), units.into());
                Promise { source, destination, first, offset, epoch, units, probability }.redeem()
            }
            Self::Wait(_) => return None,
        })
    }
}

/// What the rules bring about of these wishes; each refusal leaves no trace ([`World::submit`]).
fn lived(wishes: &[(u8, Wish)]) -> World {
    let mut world = World::new();
    for (who, wish) in wishes {
        match (wish, wish.call(*who, &world.state)) {
            (Wish::Wait(seconds), _) => world.now += u64::from(*seconds),
            (_, Some(call)) => drop(world.ask(*who, &call)),
            (_, None) => {}
        }
        for (_, channel) in world.state.channels() {
            let closed = channel.status == ChannelStatus::Closed;
            assert!(!closed || channel.balance.is_zero() && channel.index.get() == 0);
        }
    }
    world
}

fn through_frames(update: Update) -> Update {
    let mut reader = UpdateReader::new(&params());
    let mut read: Vec<_> =
        update.into_frames().filter_map(|frame| reader.push(frame).unwrap()).collect();
    assert_eq!(read.len(), 1, "one update");
    read.pop().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// From the genesis, from a snapshot at any point, and from the rows of a store.
    #[test]
    fn all_who_follow_know_the_same(
        wishes in prop::collection::vec((1..=ACCOUNTS, wish()), 1..60),
        from in any::<prop::sample::Index>(),
    ) {
        let world = lived(&wishes);
        let digest = world.state.digest();
        let whole = Replica::new(params());
        let late = Replica::new(params());
        let from = from.index(world.taken.len() + 1);
        for (at, entry) in world.taken.iter().enumerate() {
            if at == from {
                let rows = whole.read(|state| state.rows().collect());
                let snapshot = Update::Snapshot(Box::new(Snapshot { rows }));
                late.update(through_frames(snapshot)).unwrap();
            }
            let entry = through_frames(Update::Entry(entry.clone()));
            whole.update(entry.clone()).unwrap();
            if at >= from {
                late.update(entry).unwrap();
            }
        }
        prop_assert_eq!(whole.read(State::digest), digest);
        if from < world.taken.len() {
            prop_assert_eq!(late.read(State::digest), digest);
        }
        let mut rows: Vec<_> = world.state.rows().collect();
        rows.reverse();
        prop_assert_eq!(State::restore(params(), rows).unwrap().digest(), digest, "in any order");
    }
}

/// The histories above do come to something: every call is taken at times, and refused at times.
#[test]
fn histories_are_lively() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let wishes = prop::collection::vec((1..=ACCOUNTS, wish()), 600).new_tree(&mut runner).unwrap();
    let world = lived(&wishes.current());
    let mut taken = std::collections::BTreeMap::<String, u32>::new();
    for entry in &world.taken {
        let call = entry.transaction.read().unwrap().call;
        let name = format!("{call:?}").chars().take_while(char::is_ascii_alphabetic).collect();
        *taken.entry(name).or_default() += 1;
    }
    let calls =
        ["Claim", "CloseIncoming", "FinaliseClose", "Fund", "InitiateClose", "Open", "Redeem"];
    assert!(taken.keys().eq(calls.iter()), "{taken:?}");
    assert!(world.taken.len() < 400, "of 600 some are refused");
    assert_eq!(world.state.accounts().len(), 5, "and {} is an account too many", address(6));
}
