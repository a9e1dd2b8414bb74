//! Refuses what regular-expression dialects read differently, before anything is compiled.

use std::iter::Peekable;
use std::str::Chars;

use super::PatternDefect;

/// # Errors
/// The first construct outside the common part. What passes may still be no expression at all.
pub(super) fn check(pattern: &str) -> Result<(), PatternDefect> {
    if !pattern.is_ascii() {
        return Err(PatternDefect::NotAscii);
    }
    let mut letters = pattern.chars().peekable();
    let mut repeated = false;
    while let Some(letter) = letters.next() {
        let repeats = matches!(letter, '*' | '+' | '?' | '{');
        if repeats && repeated {
            return Err(PatternDefect::Repetition);
        }
        match letter {
            '\\' => escape(letters.next(), "dDwWsSbBnrtfv")?,
            '[' => class(&mut letters)?,
            '(' => group(&mut letters)?,
            '{' => count(&mut letters)?,
            '}' => return Err(PatternDefect::Repetition),
            _ => {}
        }
        if repeats {
            // As few as possible instead of as many: the same texts match.
            letters.next_if_eq(&'?');
        }
        repeated = repeats;
    }
    Ok(())
}

/// What follows a backslash: one of `letters`, or punctuation that stands for itself.
fn escape(escaped: Option<char>, letters: &str) -> Result<(), PatternDefect> {
    let escaped = escaped.ok_or(PatternDefect::Syntax)?;
    let itself = escaped.is_ascii_punctuation() && !matches!(escaped, '<' | '>');
    if itself || letters.contains(escaped) { Ok(()) } else { Err(PatternDefect::Escape(escaped)) }
}

/// After `(`.
fn group(letters: &mut Peekable<Chars<'_>>) -> Result<(), PatternDefect> {
    if letters.next_if_eq(&'?').is_some() && letters.next_if_eq(&':').is_none() {
        return Err(PatternDefect::Group);
    }
    Ok(())
}

/// After `{`: digits, perhaps a comma and digits, and `}`.
fn count(letters: &mut Peekable<Chars<'_>>) -> Result<(), PatternDefect> {
    letters.next_if(char::is_ascii_digit).ok_or(PatternDefect::Repetition)?;
    while letters.next_if(char::is_ascii_digit).is_some() {}
    if letters.next_if_eq(&',').is_some() {
        while letters.next_if(char::is_ascii_digit).is_some() {}
    }
    letters.next_if_eq(&'}').map(|_| ()).ok_or(PatternDefect::Repetition)
}

/// After `[`, up to and with its `]`.
fn class(letters: &mut Peekable<Chars<'_>>) -> Result<(), PatternDefect> {
    letters.next_if_eq(&'^');
    if letters.peek() == Some(&']') {
        return Err(PatternDefect::Class);
    }
    while let Some(letter) = letters.next() {
        match letter {
            ']' => return Ok(()),
            '[' => return Err(PatternDefect::Class),
            '&' | '-' | '~' if letters.peek() == Some(&letter) => return Err(PatternDefect::Class),
            '\\' => escape(letters.next(), "dDwWsSnrtfv")?,
            _ => {}
        }
    }
    Err(PatternDefect::Syntax)
}
