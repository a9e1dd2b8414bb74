//! Cores that break one law each: the laws can fail.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use machine::{Effect, Effects, Input, Instant, Machine, PeerId};
use meshwork_testkit::chatter::{Command, Core, Count, Event, Fault, Message};
use meshwork_testkit::{Law, Runs, Subject, check};

use crate::sample::{Chatty, Sample};

const NONE: u8 = 0;
const FORGETS_AN_END: u8 = 1;
const ENDS_TWICE: u8 = 2;
const DRAWS_FROM_ELSEWHERE: u8 = 3;
const IGNORES_ITS_SEED: u8 = 4;
const REMEMBERS_WHO_LEFT: u8 = 5;
const KEEPS_A_DEADLINE: u8 = 6;
const TICKS_IN_VAIN: u8 = 7;
const GROWS: u8 = 8;
const FLOODS: u8 = 9;
const PANICS: u8 = 10;
const CHARGES_THE_LATE: u8 = 11;
const DOES_NOT_HANG_UP: u8 = 12;
const CHARGES_TWICE: u8 = 13;
const CHARGES_SOMEBODY_ELSE: u8 = 14;
const DISTURBS_OTHERS: u8 = 15;

/// The sample core with a fault.
#[derive(Debug)]
struct Planted<const FAULT: u8> {
    core: Core,
    effects: VecDeque<Effect<Self>>,
    extra: usize,
    due: Option<Instant>,
    linked: Vec<PeerId>,
    /// Whom the core has blamed last.
    blamed: Option<PeerId>,
}

impl<const FAULT: u8> Planted<FAULT> {
    /// Takes the sample core's effects and spoils them.
    fn spoil(&mut self, left: bool) {
        while let Some(effect) = self.core.poll_effect() {
            let effect = match effect {
                Effect::Send { peer, message } => {
                    Effect::Send { peer, message: redraw::<FAULT>(message) }
                }
                Effect::Report { peer, fault } => Effect::Report { peer, fault },
                Effect::Close { peer } => Effect::Close { peer },
                Effect::Emit(event) => Effect::Emit(event),
                Effect::Start { id, job } => Effect::Start { id, job },
            };
            match (FAULT, &effect) {
                (FORGETS_AN_END, Effect::Emit(_)) if left => continue,
                (DOES_NOT_HANG_UP, Effect::Close { .. }) => continue,
                (DISTURBS_OTHERS, Effect::Send { peer, .. })
                    if *peer != offender()
                        && self.blamed.take_if(|peer| *peer == offender()).is_some() =>
                {
                    continue;
                }
                _ => {}
            }
            self.add(&effect);
            self.effects.push_back(effect);
        }
    }

    /// Adds what should not be there before an effect.
    fn add(&mut self, effect: &Effect<Self>) {
        match effect {
            Effect::Report { peer, fault } => {
                self.blamed = Some(*peer);
                let other = self.linked.iter().find(|linked| *linked != peer);
                match FAULT {
                    CHARGES_TWICE => {
                        self.effects
                            .push_back(Effect::Report { peer: *peer, fault: fault.clone() });
                    }
                    CHARGES_SOMEBODY_ELSE => self.effects.extend(
                        other.map(|&peer| Effect::Report { peer, fault: Fault::Unsolicited }),
                    ),
                    CHARGES_THE_LATE if *fault == Fault::Unsolicited => {
                        let fault = Fault::AskedTooSoon;
                        self.effects.push_back(Effect::Report { peer: *peer, fault });
                    }
                    _ => {}
                }
            }
            Effect::Emit(Event::Asked { peer, outcome: Ok(items) }) if FAULT == ENDS_TWICE => {
                let (peer, outcome) = (*peer, Ok(items.clone()));
                self.effects.push_back(Effect::Emit(Event::Asked { peer, outcome }));
            }
            _ => {}
        }
    }

    fn note(&mut self, input: &Input<Core>, now: Instant) {
        match input {
            Input::Joined { peer, .. } => self.linked.push(*peer),
            Input::Left { peer } => {
                self.linked.retain(|linked| linked != peer);
                match FAULT {
                    REMEMBERS_WHO_LEFT => self.extra = 1,
                    KEEPS_A_DEADLINE => {
                        self.due = Some(now.after(100 * <Sample<Core> as Subject>::SETTLE));
                    }
                    FLOODS => {
                        let close = |_| Effect::Close { peer: *peer };
                        self.effects.extend((0..=Effects::<Self>::LIMIT).map(close));
                    }
                    _ => {}
                }
            }
            Input::Received { message: Message::Answer { items, .. }, .. } => {
                assert!(FAULT != PANICS || items.len() < 3, "planted");
            }
            Input::Received { .. } if FAULT == GROWS => self.extra += 1,
            _ => {}
        }
    }
}

/// Whose misstep it is in L7.
fn offender() -> PeerId {
    simnet::peer(1)
}

fn redraw<const FAULT: u8>(message: Message) -> Message {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    match message {
        Message::Ask { wanted, .. } if FAULT == DRAWS_FROM_ELSEWHERE => {
            Message::Ask { id: DRAWN.fetch_add(1, Ordering::Relaxed), wanted }
        }
        other => other,
    }
}

impl<const FAULT: u8> Machine for Planted<FAULT> {
    const NAMES: &'static [&'static str] = Core::NAMES;

    type Message = Message;
    type Command = Command;
    type Event = Event;
    type Fault = Fault;
    type Job = Count;
    type Done = u16;

    fn handle(&mut self, input: Input<Self>, now: Instant) {
        let input = match input {
            Input::Joined { peer, name } => Input::Joined { peer, name },
            Input::Left { peer } => Input::Left { peer },
            Input::Received { peer, message } => Input::Received { peer, message },
            Input::Undelivered { peer, message, cause } => {
                Input::Undelivered { peer, message, cause }
            }
            Input::Command(command) => Input::Command(command),
            Input::Done { id, outcome } => Input::Done { id, outcome },
            Input::Wall(time) => Input::Wall(time),
        };
        self.note(&input, now);
        let left = matches!(input, Input::Left { .. });
        self.core.handle(input, now);
        self.spoil(left);
    }

    fn tick(&mut self, now: Instant) {
        self.core.tick(now);
        if FAULT == TICKS_IN_VAIN {
            self.due = Some(now);
        }
        self.spoil(false);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline().into_iter().chain(self.due).min()
    }

    fn poll_effect(&mut self) -> Option<Effect<Self>> {
        self.effects.pop_front()
    }
}

impl<const FAULT: u8> Chatty for Planted<FAULT> {
    fn around(core: Core) -> Self {
        Self { core, effects: VecDeque::new(), extra: 0, due: None, linked: vec![], blamed: None }
    }

    fn core(&self) -> &Core {
        &self.core
    }

    fn extra(&self) -> usize {
        self.extra
    }

    fn seed(seed: [u8; 32]) -> [u8; 32] {
        if FAULT == IGNORES_ITS_SEED { [0; 32] } else { seed }
    }
}

/// Tries a law on a planted fault, and gives back what it says.
fn found<const FAULT: u8>(law: Law) -> String {
    match check::<Sample<Planted<FAULT>>>(law, &Runs::default()) {
        Ok(()) => panic!("{law} does not find fault {FAULT}"),
        Err(how) => how,
    }
}

#[test]
fn without_a_fault_all_laws_hold() {
    let runs = Runs { cases: 64, ..Runs::default() };
    for law in Law::ALL {
        assert_eq!(check::<Sample<Planted<NONE>>>(law, &runs), Ok(()));
    }
}

#[test]
fn l1_finds_randomness_from_elsewhere() {
    let how = found::<DRAWS_FROM_ELSEWHERE>(Law::Deterministic);
    assert!(how.contains("two runs part after"), "{how}");
}

#[test]
fn l1_finds_a_seed_that_is_not_used() {
    let how = found::<IGNORES_ITS_SEED>(Law::Deterministic);
    assert!(how.contains("no history told one seed from another"), "{how}");
}

#[test]
fn l2_finds_a_forgotten_end() {
    let how = found::<FORGETS_AN_END>(Law::EndsOnce);
    assert!(how.contains("1 of the commands keyed peer("), "{how}");
}

#[test]
fn l2_finds_a_second_end() {
    let how = found::<ENDS_TWICE>(Law::EndsOnce);
    assert!(how.contains("that no command waits for"), "{how}");
}

#[test]
fn l3_finds_what_stays_of_those_who_left() {
    let how = found::<REMEMBERS_WHO_LEFT>(Law::NothingRemains);
    assert!(how.contains("1 entries about single peers remain"), "{how}");
}

#[test]
fn l3_finds_a_deadline_that_stays() {
    let how = found::<KEEPS_A_DEADLINE>(Law::NothingRemains);
    assert!(how.contains("a deadline remains"), "{how}");
}

#[test]
fn l4_finds_a_tick_that_clears_nothing() {
    let how = found::<TICKS_IN_VAIN>(Law::TickClears);
    assert!(how.contains("after a tick at"), "{how}");
}

#[test]
fn l5_finds_growth() {
    let how = found::<GROWS>(Law::Bounded);
    assert!(how.contains("at most 10"), "{how}");
}

#[test]
fn l5_finds_a_flood() {
    let how = found::<FLOODS>(Law::Bounded);
    assert!(how.contains("1025 effects of one input"), "{how}");
}

#[test]
fn l5_finds_a_panic() {
    let how = found::<PANICS>(Law::Bounded);
    assert!(how.contains("panic: planted"), "{how}");
}

#[test]
fn l6_finds_a_charge_for_being_late() {
    let how = found::<CHARGES_THE_LATE>(Law::HonestFree);
    assert!(how.contains("Charge(10): asked too soon"), "{how}");
}

/// Not hanging up lets asks pile up behind a stall, and the neighbour takes offence.
#[test]
fn l6_finds_honest_cores_that_offend_each_other() {
    let how = found::<DOES_NOT_HANG_UP>(Law::HonestFree);
    assert!(how.contains("Charge(10): asked too soon"), "{how}");
}

#[test]
fn l7_finds_a_double_charge() {
    let how = found::<CHARGES_TWICE>(Law::ExactPrice);
    assert!(how.contains("the offender was charged"), "{how}");
}

#[test]
fn l7_finds_a_charge_to_a_bystander() {
    let how = found::<CHARGES_SOMEBODY_ELSE>(Law::ExactPrice);
    assert!(how.contains("somebody else is concerned"), "{how}");
}

#[test]
fn l7_finds_a_neighbour_disturbed_later() {
    let how = found::<DISTURBS_OTHERS>(Law::ExactPrice);
    assert!(how.contains("others see a difference"), "{how}");
}
