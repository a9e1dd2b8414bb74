//! Random histories of what comes, is settled, given up and forgotten.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use machine::{Instant, UnixTime};
use proptest::prelude::*;

use super::*;
use crate::envelope::{Fingerprint, Identified, MessageId};
use crate::letter::LetterId;
use crate::seen::entry::Scope;

const QUANTUM: Duration = crate::envelope::QUANTUM;
const CONFIG: SeenConfig =
    SeenConfig { entries_max: 16, entries_per_link_max: 6, letters_max: 16, unwritten_max: 16 };

#[derive(Clone, Debug)]
enum Act {
    Claim { link: u8, message: u8, letter: Option<u8>, short: bool },
    Settle(usize),
    Release(usize),
    Wait(u64),
    Write,
}

fn act() -> impl Strategy<Value = Act> {
    let claim = (0_u8..4, 0_u8..24, proptest::option::of(0_u8..12), any::<bool>());
    prop_oneof![
        8 => claim.prop_map(|(link, message, letter, short)| {
            Act::Claim { link, message, letter, short }
        }),
        4 => (0_usize..8).prop_map(Act::Settle),
        2 => (0_usize..8).prop_map(Act::Release),
        2 => (1_u64..2_000).prop_map(Act::Wait),
        3 => Just(Act::Write),
    ]
}

fn identified(message: u8) -> Identified {
    Identified { id: MessageId([message; 32]), fingerprint: Fingerprint([message; 32]) }
}

fn peers() -> Vec<PeerId> {
    let key = |seed| libp2p_identity::Keypair::ed25519_from_bytes([seed; 32]);
    (1..=4).map(|seed| key(seed).unwrap().public().to_peer_id()).collect()
}

/// What is under way, and what is known to have been taken.
#[derive(Default)]
struct Model {
    held: Vec<(Copied, Held)>,
    /// Until when, and whether only a short copy was.
    messages: BTreeMap<u8, (UnixTime, bool)>,
    letters: BTreeMap<u8, UnixTime>,
}

#[derive(Clone, Copy)]
struct Copied {
    message: u8,
    letter: Option<u8>,
    short: bool,
    expires: UnixTime,
}

impl Model {
    /// What has to be refused, and what must not be refused as known.
    fn expects(&self, copy: Copied, wall: UnixTime) -> Option<Refusal> {
        let letter = |held: &Copied| held.letter.is_some() && held.letter == copy.letter;
        let message = self.messages.get(&copy.message).filter(|(expires, _)| *expires > wall);
        if self.held.iter().any(|(held, _)| held.message == copy.message) {
            Some(Refusal::UnderWay)
        } else if message.is_some_and(|(_, short)| !short || copy.short) {
            Some(Refusal::Duplicate)
        } else if self.held.iter().any(|(held, known)| letter(held) && known.known().is_none()) {
            Some(Refusal::UnderWay)
        } else {
            None
        }
    }

    fn knows(&self, copy: Copied, wall: UnixTime) -> bool {
        let known = |letter| self.letters.get(&letter).is_some_and(|expires| *expires > wall);
        copy.letter.is_some_and(known)
    }

    fn settle(&mut self, copy: Copied) {
        self.messages.insert(copy.message, (copy.expires, copy.short));
        if let Some(letter) = copy.letter {
            let until = self.letters.entry(letter).or_insert(copy.expires);
            *until = copy.expires.max(*until);
        }
    }
}

/// One history; at its end all are settled or given up, and time passes.
fn run(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let peers = peers();
    let start = UnixTime::from_millis(1_790_000_100_000);
    let at = |secs: u64| {
        let elapsed = Duration::from_secs(secs);
        Moment { now: Instant::at(elapsed), wall: start.after(elapsed) }
    };
    let mut secs = 0;
    let mut memory = Memory::restored(&CONFIG, [], at(0));
    let mut model = Model::default();
    for act in acts {
        let moment = at(secs);
        match act {
            Act::Claim { link, message, letter, short } => {
                // As in an envelope: when a message expires is a part of it. Others come later.
                let epoch = u8::try_from(secs / 3_000).unwrap_or(9).min(9);
                let message = message + 24 * epoch;
                let quanta = u32::from(message).wrapping_mul(7) % 20 + 1;
                let expires = start.after(QUANTUM * (10 * u32::from(epoch) + quanta));
                if expires <= moment.wall {
                    continue;
                }
                let copy = Copied { message, letter, short, expires };
                let wanted = Wanted {
                    message: Key::of(Scope::Carried, &identified(message)),
                    mark: Mark::of(&identified(message)),
                    letter: letter.map(|id| Key::of_letter(&peers[0], &LetterId([id; 16]))),
                    short,
                    expires,
                };
                let expected = model.expects(copy, moment.wall);
                match memory.claim(&peers[usize::from(link)], &wanted, moment) {
                    Ok(held) => {
                        prop_assert_eq!(expected, None);
                        if model.knows(copy, moment.wall) {
                            prop_assert!(
                                held.known().is_some(),
                                "a letter is never delivered twice"
                            );
                        }
                        model.held.push((copy, held));
                    }
                    Err(Refusal::Full) => prop_assert_eq!(expected, None),
                    Err(refusal) => prop_assert_eq!(Some(refusal), expected),
                }
            }
            Act::Settle(at) if at < model.held.len() => {
                let (copy, held) = model.held.swap_remove(at);
                memory.settle(&held, Reception::Taken);
                model.settle(copy);
            }
            Act::Release(at) if at < model.held.len() => {
                let (_, held) = model.held.swap_remove(at);
                memory.release(&held);
            }
            Act::Settle(_) | Act::Release(_) => {}
            Act::Wait(more) => secs += more,
            Act::Write => drop(memory.unwritten().take(usize::MAX)),
        }
        let gauges = memory.gauges();
        prop_assert!(gauges.messages <= CONFIG.entries_max && gauges.letters <= CONFIG.letters_max);
    }
    model.held.drain(..).for_each(|(_, held)| memory.release(&held));
    (0..10).for_each(|_| memory.sweep(at(secs + 1_000_000)));
    let gauges = memory.gauges();
    prop_assert_eq!((gauges.messages, gauges.letters, gauges.links), (0, 0, 0));
    prop_assert!(memory.entries.is_empty() && memory.wheel.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_comes_twice_and_nothing_stays(acts in proptest::collection::vec(act(), 1..120)) {
        run(acts)?;
    }
}

const START: UnixTime = UnixTime::from_millis(1_790_000_100_000);

fn wanted(number: u32, expires: UnixTime) -> Wanted {
    let mut identified = identified(0);
    identified.id.0[..4].copy_from_slice(&number.to_be_bytes());
    let message = Key::of(Scope::Carried, &identified);
    Wanted { message, mark: Mark::of(&identified), letter: None, short: false, expires }
}

#[test]
fn a_clock_that_was_far_behind_blocks_nothing() {
    let (day, peers) = (QUANTUM * 288, peers());
    let mut memory = Memory::new(&CONFIG);
    let behind = Moment { now: Instant::START, wall: UnixTime::from_millis(0) };
    memory.claim(&peers[0], &wanted(1, START.after(QUANTUM)), behind).unwrap();
    let held = memory.claim(&peers[0], &wanted(2, START.after(QUANTUM)), behind).unwrap();
    memory.settle(&held, Reception::Taken);
    let later = Moment { now: Instant::at(day * 2), wall: START.after(day * 2) };
    memory.sweep(later);
    assert_eq!(memory.gauges().messages, 1, "what is settled is forgotten");
}

#[test]
fn a_copy_that_waited_until_the_first_was_forgotten_is_refused() {
    let (expires, peers) = (START.after(QUANTUM), peers());
    let mut memory = Memory::new(&CONFIG);
    let came = Moment { now: Instant::START, wall: START };
    let held = memory.claim(&peers[0], &wanted(1, expires), came).unwrap();
    memory.settle(&held, Reception::Taken);
    let later = Moment { now: Instant::at(QUANTUM * 2), wall: START.after(QUANTUM * 2) };
    memory.claim(&peers[0], &wanted(2, START.after(QUANTUM * 9)), later).unwrap();
    let copy = memory.claim(&peers[1], &wanted(1, expires), came);
    assert_eq!(copy.err(), Some(Refusal::Expired));
}

#[test]
fn rows_that_have_expired_keep_nobody_out() {
    let peers = peers();
    let rows = (0..200).map(|number| {
        let Wanted { message, mark, .. } = wanted(number, START);
        let expires = Expiry::of(START.after(QUANTUM * (number / 100)));
        let entry = Entry { mark, expires, link: Link::NONE, reserved: false, short: false };
        SeenRow::new(message, &entry)
    });
    let moment = Moment { now: Instant::START, wall: START.after(QUANTUM * 2) };
    let mut memory = Memory::restored(&CONFIG, rows, moment);
    memory.claim(&peers[0], &wanted(500, START.after(QUANTUM * 9)), moment).unwrap();
}

#[test]
fn what_is_released_does_not_pile_up() {
    let peers = peers();
    let mut memory = Memory::new(&CONFIG);
    let moment = Moment { now: Instant::START, wall: START };
    let kept = memory.claim(&peers[0], &wanted(u32::MAX, START.after(QUANTUM)), moment).unwrap();
    for number in 0..70_000 {
        let wanted = wanted(number % 7, START.after(QUANTUM));
        let held = memory.claim(&peers[0], &wanted, moment).unwrap();
        memory.release(&held);
    }
    assert!(memory.wheel.len() < 10_000, "{}", memory.wheel.len());
    memory.settle(&kept, Reception::Taken);
    let later = Moment { now: Instant::at(QUANTUM), wall: START.after(QUANTUM) };
    (0..1_000).for_each(|_| memory.sweep(later));
    assert!(memory.entries.is_empty() && memory.wheel.is_empty());
    assert_eq!(memory.wheel.len(), 0);
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn whoever_writes_is_told_of_what_was_given_back() {
    let mut memory = Memory::restored(&CONFIG, [], Moment::default());
    memory.enter(wanted(1, START).message, Mark(1), START.after(QUANTUM), Moment::default());
    let rows = memory.unwritten().take(9);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(memory.unwritten().poll(&Context::from_waker(&waker)).is_pending());
    memory.unwritten().give_back(rows);
    assert!(woken.0.load(Ordering::Relaxed));
}
