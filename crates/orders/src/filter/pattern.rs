//! Patterns: the part of regular expressions that ECMAScript, Go and we read alike, as automata.
//!
//! Each pattern becomes one deterministic automaton, so that a match takes one step for each byte,
//! needs no memory, and its whole size is known before the first order.

use regex_automata::dfa::{Automaton, StartKind, dense, sparse};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

use super::error::PatternDefect;

mod dialect;

/// Brackets in each other at most.
const NEST_MAX: u32 = 32;
/// Bytes of the automaton before it is made deterministic.
const NFA_MAX: usize = 128 << 10;

/// One compiled pattern.
#[derive(Clone)]
pub(super) struct Pattern(sparse::DFA<Vec<u8>>);

impl Pattern {
    /// Compiles `text` and says how many bytes of `build_max` that took.
    pub(super) fn compile(text: &str, build_max: usize) -> Result<(Self, usize), PatternDefect> {
        dialect::check(text)?;
        // Every field of an order is ASCII, so a byte is a letter.
        let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(NEST_MAX);
        let parsed = syntax::parse_with(text, &syntax).map_err(|_| PatternDefect::Syntax)?;
        let nfa = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(NFA_MAX))
            .which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(nfa).build_from_hir(&parsed);
        let dense = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::LeftmostFirst)
            .accelerate(false)
            .dfa_size_limit(Some(build_max))
            .determinize_size_limit(Some(build_max));
        let dense = dense::Builder::new()
            .configure(dense)
            .build_from_nfa(&nfa.map_err(|_| PatternDefect::TooLarge)?)
            .map_err(|_| PatternDefect::TooLarge)?;
        let sparse = dense.to_sparse().map_err(|_| PatternDefect::TooLarge)?;
        Ok((Self(sparse), dense.memory_usage()))
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

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD_MAX: usize = 1 << 20;

    fn occurs(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern, BUILD_MAX).unwrap().0.occurs_in(text)
    }

    fn defect(pattern: &str) -> PatternDefect {
        Pattern::compile(pattern, BUILD_MAX).err().unwrap_or_else(|| panic!("{pattern} is taken"))
    }

    #[test]
    fn patterns_are_unanchored_unless_they_say_so() {
        assert!(occurs("b5e", "0xab5ef"));
        assert!(!occurs("^b5e", "0xab5ef"));
        assert!(occurs("^0x.*ef$", "0xab5ef"));
        assert!(occurs("", ""));
        assert!(occurs(r"^0x(?:f47261b0|02571792)0{24}[0-9a-f]{40}$", &format!(
            "0x02571792{}{}", "0".repeat(24), "a1".repeat(20)
        )));
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
        assert_eq!(defect(&"(".repeat(100)), PatternDefect::Syntax);
        // Nested repetition, the classic of backtracking engines, is nothing special here.
        assert!(!occurs("^(?:(?:0+)+)+x$", &"0".repeat(16_000)));
    }
}
