//! Which characters Go's encoder writes as escapes though JSON does not ask for it.

use std::borrow::Cow;

/// `json` with `<`, `>`, `&`, U+2028 and U+2029 escaped.
///
/// In JSON they occur inside strings only, and never after a backslash: no parsing is needed.
pub(super) fn escape(json: &str) -> Cow<'_, str> {
    let Some(first) = json.find(needs_escape) else { return Cow::Borrowed(json) };
    let mut out = String::with_capacity(json.len().saturating_add(64));
    let (clean, rest) = json.split_at(first);
    out.push_str(clean);
    for character in rest.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

const fn needs_escape(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}
