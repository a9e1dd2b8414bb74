//! What happened, as text or as a number.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write};

use machine::{Blame, Effect, Input, Instant, Machine, PeerId};

use crate::book::keep;
use crate::setup::Record;

/// The story so far. Nodes are called `n0`, `n1`, … in order of appearance.
#[derive(Debug)]
pub(crate) struct Trace {
    record: Record,
    lines: VecDeque<String>,
    digest: Digest,
    labels: BTreeMap<PeerId, usize>,
}

impl Trace {
    pub(crate) fn new(record: Record) -> Self {
        Self { record, lines: VecDeque::new(), digest: Digest::new(), labels: BTreeMap::new() }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Gives `peer` its label.
    pub(crate) fn name(&mut self, peer: PeerId) {
        let next = self.labels.len();
        self.labels.entry(peer).or_insert(next);
    }

    /// Writes that something happened at `me`.
    pub(crate) fn say(&mut self, at: Instant, me: PeerId, what: fmt::Arguments<'_>) {
        self.write(at, me, |out, _| out.write_fmt(what));
    }

    /// Writes what `me` is given.
    pub(crate) fn input<M: Machine>(&mut self, at: Instant, me: PeerId, input: &Input<M>) {
        self.write(at, me, |out, name| match input {
            Input::Joined { peer, name: protocol } => {
                write!(out, "joined {} on {protocol}", name(*peer))
            }
            Input::Left { peer } => write!(out, "left {}", name(*peer)),
            Input::Received { peer, message } => write!(out, "<- {} {message:?}", name(*peer)),
            Input::Undelivered { peer, message, cause } => {
                write!(out, "undelivered to {}, {cause}: {message:?}", name(*peer))
            }
            Input::Command(command) => write!(out, "command {command:?}"),
            Input::Done { id, outcome } => write!(out, "{id} done: {outcome:?}"),
            Input::Wall(time) => write!(out, "wall {time}"),
        });
    }

    /// Writes what `me` does.
    pub(crate) fn effect<M: Machine>(&mut self, at: Instant, me: PeerId, effect: &Effect<M>) {
        self.write(at, me, |out, name| match effect {
            Effect::Send { peer, message } => write!(out, "-> {} {message:?}", name(*peer)),
            Effect::Report { peer, fault } => {
                write!(out, "report {}, {:?}: {fault}", name(*peer), fault.verdict())
            }
            Effect::Close { peer } => write!(out, "close {}", name(*peer)),
            Effect::Emit(event) => write!(out, "event {event:?}"),
            Effect::Start { id, job } => write!(out, "start {id}: {job:?}"),
        });
    }

    fn write(
        &mut self,
        at: Instant,
        me: PeerId,
        what: impl Fn(&mut dyn Write, &dyn Fn(PeerId) -> String) -> fmt::Result,
    ) {
        let labels = &self.labels;
        let name = |peer| {
            labels.get(&peer).map_or_else(|| format!("stranger {peer}"), |n| format!("n{n}"))
        };
        let line = |out: &mut dyn Write| {
            let time = at.elapsed();
            write!(out, "{}.{:06} {} ", time.as_secs(), time.subsec_micros(), name(me))?;
            what(out, &name)?;
            out.write_char('\n')
        };
        let written = match self.record {
            Record::Nothing => Ok(()),
            Record::Digest => line(&mut self.digest),
            Record::Lines(max) => {
                let mut text = String::new();
                let written = line(&mut text).and_then(|()| self.digest.write_str(&text));
                text.pop();
                keep(&mut self.lines, max, text);
                written
            }
        };
        debug_assert!(written.is_ok(), "neither a string nor a digest refuses text");
    }
}

/// FNV-1a with 64 bits: the same in every process and release, and fast on short lines. It only has
/// to tell two honest runs apart.
#[derive(Debug)]
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values from the authors of the function.
    #[test]
    fn the_digest_is_fnv_1a() {
        for (text, expected) in [("", 0xcbf2_9ce4_8422_2325), ("foobar", 0x8594_4171_f739_67e8)] {
            let mut digest = Digest::new();
            digest.write_str(text).unwrap();
            assert_eq!(digest.0, expected, "{text}");
        }
    }
}
