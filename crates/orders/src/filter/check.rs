//! What a schema comes down to once everything about orders that is always so has been decided.

use super::fields::{Text, View};
use super::pattern::Pattern;
use crate::v3::SignedOrder;

/// What a check costs beside the letters that it reads, in letters.
const EACH: usize = 6;

/// A test of one order. Keywords about the chain, about which fields exist and about their types
/// were decided when the schema was compiled, so only texts and their combinations are left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Check {
    Always,
    Never,
    All(Vec<Self>),
    Any(Vec<Self>),
    ExactlyOne(Vec<Self>),
    Not(Box<Self>),
    /// The second where the first holds, else the third.
    If(Box<[Self; 3]>),
    /// The pattern of that number occurs in the text.
    Matches(Text, usize),
    /// So many letters, both bounds included.
    Length(Text, usize, usize),
    /// One of these, in order.
    OneOf(Text, Vec<String>),
}

impl Check {
    pub(super) fn constant(holds: bool) -> Self {
        if holds { Self::Always } else { Self::Never }
    }

    pub(super) fn all(mut checks: Vec<Self>) -> Self {
        checks.retain(|check| *check != Self::Always);
        if checks.contains(&Self::Never) {
            return Self::Never;
        }
        match checks.pop() {
            None => Self::Always,
            Some(only) if checks.is_empty() => only,
            Some(last) => {
                checks.push(last);
                Self::All(checks)
            }
        }
    }

    pub(super) fn any(mut checks: Vec<Self>) -> Self {
        checks.retain(|check| *check != Self::Never);
        if checks.contains(&Self::Always) {
            return Self::Always;
        }
        match checks.pop() {
            None => Self::Never,
            Some(only) if checks.is_empty() => only,
            Some(last) => {
                checks.push(last);
                Self::Any(checks)
            }
        }
    }

    pub(super) fn exactly_one(mut checks: Vec<Self>) -> Self {
        checks.retain(|check| *check != Self::Never);
        match checks.pop() {
            None => Self::Never,
            Some(only) if checks.is_empty() => only,
            Some(last) => {
                checks.push(last);
                Self::ExactlyOne(checks)
            }
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            check @ (Self::All(_)
            | Self::Any(_)
            | Self::ExactlyOne(_)
            | Self::If(_)
            | Self::Matches(..)
            | Self::Length(..)
            | Self::OneOf(..)) => Self::Not(Box::new(check)),
        }
    }

    /// Whether the order passes. Recursion ends with the depth of the schema.
    pub(super) fn holds(&self, order: &View<'_>, patterns: &[Pattern]) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::All(checks) => checks.iter().all(|check| check.holds(order, patterns)),
            Self::Any(checks) => checks.iter().any(|check| check.holds(order, patterns)),
            Self::ExactlyOne(checks) => {
                checks.iter().filter(|check| check.holds(order, patterns)).take(2).count() == 1
            }
            Self::Not(check) => !check.holds(order, patterns),
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let next = if condition.holds(order, patterns) { then } else { otherwise };
                next.holds(order, patterns)
            }
            Self::Matches(text, pattern) => {
                let pattern = patterns.get(*pattern);
                pattern.is_some_and(|pattern| pattern.occurs_in(order.text(*text)))
            }
            Self::Length(text, min, max) => (*min..=*max).contains(&order.text(*text).len()),
            Self::OneOf(text, texts) => {
                let given = order.text(*text);
                texts.binary_search_by(|known| known.as_str().cmp(given)).is_ok()
            }
        }
    }

    /// Steps for the costliest order: one for each check, one for each letter that it reads.
    pub(super) fn steps(&self) -> usize {
        let inner = match self {
            Self::Always | Self::Never | Self::Length(..) => 0,
            Self::All(checks) | Self::Any(checks) | Self::ExactlyOne(checks) => {
                checks.iter().map(Self::steps).fold(0, usize::saturating_add)
            }
            Self::Not(check) => check.steps(),
            Self::If(parts) => parts.iter().map(Self::steps).fold(0, usize::saturating_add),
            Self::Matches(text, _) => text.length_max(),
            Self::OneOf(text, texts) => {
                // A binary search reads the text once for each halving.
                let halvings = usize::BITS.saturating_sub(texts.len().leading_zeros());
                let longest = texts.iter().map(String::len).max().unwrap_or(0);
                let halvings = usize::try_from(halvings).unwrap_or(usize::MAX);
                longest.min(text.length_max()).saturating_mul(halvings)
            }
        };
        inner.saturating_add(1)
    }
}

/// What a check costs for an order whose texts are of given lengths, in letters read, if all of it has
/// to be looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Price {
    /// Whatever the order.
    fixed: usize,
    /// How often each text is gone through, the writing of it included.
    reads: Vec<(Text, usize)>,
}

impl Price {
    pub(super) fn of(check: &Check) -> Self {
        let mut price = Self::default();
        price.add(check);
        price
    }

    /// That of one order. At most the letters that it has, so often.
    pub(super) fn for_order(&self, order: &SignedOrder) -> usize {
        let read = |(text, times): &(Text, usize)| text.length_in(order).saturating_mul(*times);
        self.reads.iter().map(read).fold(self.fixed, usize::saturating_add)
    }

    fn add(&mut self, check: &Check) {
        self.fixed = self.fixed.saturating_add(EACH);
        match check {
            Check::Always | Check::Never => {}
            Check::All(checks) | Check::Any(checks) | Check::ExactlyOne(checks) => {
                for check in checks {
                    self.add(check);
                }
            }
            Check::Not(check) => self.add(check),
            Check::If(parts) => {
                for check in &**parts {
                    self.add(check);
                }
            }
            Check::Matches(text, _) => self.reads(*text, 1),
            Check::Length(text, ..) => self.reads(*text, 0),
            Check::OneOf(text, _) => {
                self.reads(*text, 0);
                self.fixed = self.fixed.saturating_add(check.steps());
            }
        }
    }

    /// A text is written once, and then read so often.
    fn reads(&mut self, text: Text, times: usize) {
        match self.reads.iter_mut().find(|(known, _)| *known == text) {
            Some((_, known)) => *known = known.saturating_add(times),
            None => self.reads.push((text, times.saturating_add(1))),
        }
    }
}
