//! What the node says, in words for people.

use std::fmt::{Display, Write};

/// `text`, if it is any: in replies of the node an empty one stands for none.
pub(super) fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Bytes as `0x` and digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that fits in memory");
    }
    text
}

/// So many of what is called `one` if it is one, and else the same with an s.
pub(super) fn counted(count: impl Display, one: &str) -> String {
    match count.to_string() {
        count if count == "1" => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// How many there are of each, by name, of those of which there are any.
pub(super) fn each<N: AsRef<str>>(counts: impl IntoIterator<Item = (N, u64)>) -> String {
    let some = counts.into_iter().filter(|(_, count)| *count > 0);
    let some: Vec<_> = some.map(|(name, count)| format!("{count} {}", name.as_ref())).collect();
    some.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let told = [0, 1, 2].map(|count| counted(count, "round trip"));
        assert_eq!(told, ["0 round trips", "1 round trip", "2 round trips"]);
        assert_eq!(
            (counted("1", "token"), counted("0.1", "token")),
            ("1 token".into(), "0.1 tokens".into())
        );
    }

    #[test]
    fn of_what_there_is_none_nothing_is_said() {
        assert_eq!(each([("new", 2), ("known", 0), ("bad", 1)]), "2 new, 1 bad");
        assert_eq!(each::<&str>([]), "");
    }

    #[test]
    fn bytes_are_told_in_digits_and_nothing_as_none() {
        assert_eq!((hex(&[0, 0x0f, 0xa0]), hex(&[])), ("0x000fa0".into(), "0x".into()));
        assert_eq!((given(String::new()), given("so".into())), (None, Some("so".into())));
    }
}
