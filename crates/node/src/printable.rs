//! Text that others wrote, made harmless for a terminal and a log.

use std::fmt::{self, Write};

/// Shows `0` with every control character, and every one that reorders or hides others, as its escape.
///
/// # Security
/// A peer chooses its agent string. Unescaped it could move the cursor, recolour the screen, forge a
/// line of the log, or show one thing and mean another.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_harmful(character) {
                write!(out, "{}", character.escape_default())?;
            } else {
                out.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether `character` does something else than to take its place in the line.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Zero width, line and paragraph separators, marks and overrides of direction.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{061c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON in which also those harmful characters are escaped that the format allows as they are. They
/// occur in strings only.
pub(crate) fn printable_json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(printable, "\\u{unit:04x}").expect("a string takes all that fits in memory");
            }
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn json_stays_json_and_steers_no_terminal() {
        let agent = "a\u{1b}[2J\u{9b}b\u{7f}\u{202e}\u{e0001}\"\\\n";
        let json = printable_json(&json!({ "agent": agent }).to_string());
        assert!(!json.contains(is_harmful), "{json:?}");
        let back: serde_json::Value = serde_json::from_str(&json).expect("still JSON");
        assert_eq!(back["agent"], agent);
    }

    #[test]
    fn only_harmless_characters_pass() {
        let shown = |text| Printable(text).to_string();
        assert_eq!(shown("meshwork/0.1 (größer, 日本)"), "meshwork/0.1 (größer, 日本)");
        assert_eq!(shown("a\nready\r"), "a\\nready\\r");
        assert_eq!(shown("\u{1b}[2J\u{7}\u{9b}1m"), "\\u{1b}[2J\\u{7}\\u{9b}1m");
        assert_eq!(shown("abc\u{202e}cba"), "abc\\u{202e}cba");
    }
}
