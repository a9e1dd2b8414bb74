//! Patterns: the part of regular expressions that ECMAScript, Go and we read alike, as automata.
//!
//! Each pattern becomes one deterministic automaton, so that a match takes one step for each byte,
//! needs no memory, and its whole size is known before the first order.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

use super::error::PatternDefect;

mod dialect;

/// Brackets in each other at most.
const NEST_MAX: u32 = 32;
/// Bytes of the automaton before it is made deterministic.
const NFA_MAX: usize = 128 << 10;
/// Bytes of the deterministic automaton, and as many again while it is made.
const DFA_MAX: usize = 512 << 10;
/// What it takes to know a state of the second automaton again, in states of the first.
const STATE_WORK: usize = 32;
/// Bytes of a transition from one state to another.
const TRANSITION: usize = 4;

/// One compiled pattern.
#[derive(Clone)]
pub(super) struct Pattern(dense::DFA<Vec<u32>>);

impl Pattern {
    /// Compiles `text` in at most `work_max` steps, and says how many it took.
    ///
    /// A step is one state of the first automaton that is looked at, for one kind of letter, to
    /// make one state of the second. The second may not have more states than these steps allow,
    /// because a few letters of pattern can make it exponentially large.
    pub(super) fn compile(text: &str, work_max: usize) -> Result<(Self, usize), PatternDefect> {
        dialect::check(text)?;
        let nfa = thompson(text)?;
        let kinds = nfa.byte_classes().alphabet_len();
        let work_each = nfa.states().len().saturating_add(STATE_WORK).saturating_mul(kinds).max(1);
        let bytes_each = kinds.next_power_of_two().saturating_mul(TRANSITION);
        let states_max = work_max.checked_div(work_each).unwrap_or(0);
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::LeftmostFirst)
            .accelerate(false)
            .dfa_size_limit(Some(states_max.saturating_mul(bytes_each).min(DFA_MAX)))
            .determinize_size_limit(Some(DFA_MAX));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa);
        let dfa = dfa.map_err(|_| PatternDefect::TooLarge)?;
        let states = dfa.memory_usage().checked_div(bytes_each).unwrap_or(0);
        Ok((Self(dfa), states.saturating_mul(work_each)))
    }

    /// Whether the pattern occurs anywhere in `text`.
    pub(super) fn occurs_in(&self, text: &str) -> bool {
        // An automaton over bytes without a Unicode word boundary cannot give up.
        matches!(self.0.try_search_fwd(&Input::new(text).earliest(true)), Ok(Some(_)))
    }

    /// Bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.0.memory_usage()
    }
}

/// The first automaton, which still has to try several ways at once.
fn thompson(text: &str) -> Result<NFA, PatternDefect> {
    // Every field of an order is ASCII, so a byte is a letter.
    let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(NEST_MAX);
    let parsed = syntax::parse_with(text, &syntax).map_err(|_| PatternDefect::Syntax)?;
    let config = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(NFA_MAX))
        .which_captures(WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(&parsed);
    nfa.map_err(|_| PatternDefect::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK_MAX: usize = 8 << 20;

    fn occurs(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern, WORK_MAX).unwrap().0.occurs_in(text)
    }

    fn defect(pattern: &str) -> PatternDefect {
        Pattern::compile(pattern, WORK_MAX).err().unwrap_or_else(|| panic!("{pattern} is taken"))
    }

    #[test]
    fn patterns_are_unanchored_unless_they_say_so() {
        assert!(occurs("b5e", "0xab5ef"));
        assert!(!occurs("^b5e", "0xab5ef"));
        assert!(occurs("^0x.*ef$", "0xab5ef"));
        assert!(occurs("", ""));
        assert!(occurs(
            r"^0x(?:f47261b0|02571792)0{24}[0-9a-f]{40}$",
            &format!("0x02571792{}{}", "0".repeat(24), "a1".repeat(20))
        ));
        assert!(occurs(r"^\d+\b$", "1200"));
        assert!(!occurs(r"^[^0]$", "0"));
        assert!(occurs(r"a\.b\-c\/d", "a.b-c/d"));
        assert!(occurs("^1{2,}?$", "111"));
    }

    #[test]
    fn what_would_be_read_differently_elsewhere_is_refused() {
        for (pattern, expected) in [
            ("é", PatternDefect::NotAscii),
            (r"(a)\1", PatternDefect::Escape('1')),
            (r"\p{Greek}", PatternDefect::Escape('p')),
            (r"\<a", PatternDefect::Escape('<')),
            (r"\Aa", PatternDefect::Escape('A')),
            (r"[\b]", PatternDefect::Escape('b')),
            ("(?=a)", PatternDefect::Group),
            ("(?i)a", PatternDefect::Group),
            ("(?P<n>a)", PatternDefect::Group),
            ("[[a]b]", PatternDefect::Class),
            ("[a&&b]", PatternDefect::Class),
            ("[a--b]", PatternDefect::Class),
            ("[]a]", PatternDefect::Class),
            ("[^]", PatternDefect::Class),
            ("a{,3}", PatternDefect::Repetition),
            ("a{", PatternDefect::Repetition),
            ("a}", PatternDefect::Repetition),
            ("a{b}", PatternDefect::Repetition),
            ("a++", PatternDefect::Repetition),
            ("a{2}{3}", PatternDefect::Repetition),
            ("(", PatternDefect::Syntax),
            ("a)", PatternDefect::Syntax),
            ("*", PatternDefect::Syntax),
            ("[b-a]", PatternDefect::Syntax),
            (r"a\", PatternDefect::Syntax),
        ] {
            assert_eq!(defect(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn automata_that_explode_are_refused() {
        assert_eq!(defect("(?:(?:a{1000}){1000}){1000}"), PatternDefect::TooLarge);
        assert_eq!(defect("[01]*1[01]{20}"), PatternDefect::TooLarge);
        assert_eq!(defect("(?:(?:(?:a{0,9}){0,9}){0,9})b"), PatternDefect::TooLarge);
        assert_eq!(defect(&"(".repeat(100)), PatternDefect::Syntax);
        // The bound is on the way there, so that refusing is no dearer than accepting.
        let pattern = "(?:a|b|c|d){30}(?:e|f){30}";
        let (_, work) = Pattern::compile(pattern, WORK_MAX).unwrap();
        assert!((10_000..WORK_MAX).contains(&work), "{work} steps");
        assert!(Pattern::compile(pattern, work).is_ok());
        assert_eq!(Pattern::compile(pattern, work / 2).err(), Some(PatternDefect::TooLarge));
        // Nested repetition, the classic of backtracking engines, is nothing special here.
        assert!(!occurs("^(?:(?:0+)+)+x$", &"0".repeat(16_000)));
    }
}
