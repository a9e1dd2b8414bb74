//! Whole pipelines beside their primitives, and what came before beside what is new.

use std::hint::black_box;

use bytes::Bytes;
use dht::{Disposition, PAYLOAD_MAX, Refusal};

use crate::primitives::{Primitives, digest};
use crate::town::{CARRIER, RECIPIENT, brought, inbound, outbound, requests};
use crate::{Best, Failure, report, report_ratio};

/// Messages in one turn.
const MESSAGES: u32 = 20;

/// Times of a node: of what is new and of what came before.
#[derive(Clone, Copy)]
struct Times {
    new: Best,
    again: Best,
}

impl Times {
    const NONE: Self = Self { new: Best::NONE, again: Best::NONE };
}

fn is_delivered(outcome: &Result<Disposition, Refusal>) -> bool {
    matches!(outcome, Ok(Disposition::Delivered { .. }))
}

fn is_carried(outcome: &Result<Disposition, Refusal>) -> bool {
    matches!(outcome, Ok(Disposition::Carry(_)))
}

fn is_duplicate(outcome: &Result<Disposition, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::Duplicate))
}

/// All of a turn.
fn all(what: &str, count: usize) -> Result<(), Failure> {
    if count == usize::try_from(MESSAGES)? {
        return Ok(());
    }
    Err(format!("{count} of {MESSAGES} messages were {what}").into())
}

pub(crate) fn run(payload: usize, turns: u32) -> Result<(), Failure> {
    let content = Bytes::from(vec![7; payload]);
    let mut sender = outbound()?;
    let (mut recipient, mut carrier) = (inbound(RECIPIENT)?, inbound(CARRIER)?);
    let mut primitives = Primitives::new(payload)?;
    let [mut sent, mut pass] = [Best::NONE; 2];
    let [mut sealing, mut opening, mut carrying] = [Best::NONE; 3];
    let [mut taken, mut carried] = [Times::NONE; 2];
    for turn in 0..turns {
        let requests = requests(u64::from(turn * MESSAGES), MESSAGES, &content)?;
        let mut sealed = Vec::with_capacity(requests.len());
        sent.time(|| sender.send(requests, &mut sealed))?;
        all("sealed", sealed.len())?;

        let messages = brought(&sealed)?;
        let count = taken.new.time(|| recipient.take(messages, is_delivered));
        all("delivered", count)?;
        let messages = brought(&sealed)?;
        let count = taken.again.time(|| recipient.take(messages, is_duplicate));
        all("known to the recipient", count)?;
        let messages = brought(&sealed)?;
        let count = carried.new.time(|| carrier.take(messages, is_carried));
        all("carried", count)?;
        let messages = brought(&sealed)?;
        let count = carried.again.time(|| carrier.take(messages, is_duplicate));
        all("known to the carrier", count)?;

        pass.time(|| {
            for dispatch in &sealed {
                black_box(digest(dispatch.envelope().bytes()));
            }
        });
        let count = sealing.time(|| (0..MESSAGES).filter_map(|_| primitives.seal()).count());
        all("sealed by primitives", count)?;
        let count = opening.time(|| (0..MESSAGES).filter_map(|_| primitives.open()).count());
        all("opened by primitives", count)?;
        let count = carrying.time(|| (0..MESSAGES).filter(|_| primitives.carry()).count());
        all("verified by primitives", count)?;
    }
    let floors = [("outbound", sent, sealing), ("inbound", taken.new, opening)];
    for (name, ours, floor) in floors.into_iter().chain([("carried", carried.new, carrying)]) {
        pipeline(&format!("pipeline/{name}/{payload}"), ours, floor);
    }
    duplicate(&format!("duplicate/inbound/{payload}"), taken, payload, pass);
    duplicate(&format!("duplicate/carried/{payload}"), carried, payload, pass);
    Ok(())
}

/// One pipeline beside its primitives.
fn pipeline(name: &str, ours: Best, floor: Best) {
    let ratio = ours.0.as_secs_f64() / floor.0.as_secs_f64();
    let [each, least] = [ours, floor].map(|best| best.0 / MESSAGES);
    let rate = f64::from(MESSAGES) / ours.0.as_secs_f64();
    let details = format!(
        "ours {each:.1?}, aim 1.25; its primitives {least:.1?}; {rate:.0} messages/s per core"
    );
    report_ratio(name, ratio, &details);
}

/// What came before: beside what is new, or, where the hash is nearly all of it, beside that.
fn duplicate(name: &str, times: Times, payload: usize, pass: Best) {
    if payload == PAYLOAD_MAX {
        report(name, MESSAGES, times.again, ("aim 2; one BLAKE3 pass", pass));
    } else {
        report(name, MESSAGES, times.again, ("aim 0.02; new", times.new));
    }
}
