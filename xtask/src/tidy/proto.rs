//! The names that a protobuf file defines.

/// A message, enumeration or service, a method, field or value, and the type that holds it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Definition<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) name: &'a str,
    /// Whether the name can hold others.
    pub(super) is_type: bool,
}

/// Every definition of a file that compiles; of another, some of them.
pub(super) fn definitions(text: &str) -> Vec<Definition<'_>> {
    let words: Vec<&str> = text.lines().flat_map(words_of).collect();
    let mut found = Vec::new();
    // The type around each open brace; a oneof and an option belong to the one around them.
    let mut around: Vec<Option<&str>> = Vec::new();
    let mut opening = None;
    let mut brackets = 0_usize;
    for (at, word) in words.iter().enumerate() {
        let owner = around.last().copied().flatten();
        let after = |steps: usize| words.get(at.saturating_add(steps)).copied().unwrap_or_default();
        let mut define = |name, is_type| found.push(Definition { owner, name, is_type });
        match *word {
            "message" | "enum" | "service" if after(2) == "{" => {
                opening = Some(after(1));
                define(after(1), true);
            }
            "rpc" if after(2) == "(" => define(after(1), false),
            "{" => around.push(opening.take().or(owner)),
            "}" => drop(around.pop()),
            "[" => brackets = brackets.saturating_add(1),
            "]" => brackets = brackets.saturating_sub(1),
            name if brackets == 0 && after(1) == "=" && is_number(after(2)) => define(name, false),
            _ => {}
        }
    }
    found
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// The words and punctuation of a line, without its comment.
fn words_of(line: &str) -> impl Iterator<Item = &str> {
    const PUNCTUATION: &str = "{}()[]=;,";
    let code = line.split("//").next().unwrap_or_default();
    let pieces = code.split_inclusive(|c: char| PUNCTUATION.contains(c));
    pieces.flat_map(|piece| {
        let end = piece.trim_end_matches(|c: char| PUNCTUATION.contains(c)).len();
        let (text, mark) = piece.split_at(end);
        text.split_whitespace().chain((!mark.is_empty()).then_some(mark))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = "syntax = \"proto3\";
message Ask { // message Comment {}
  repeated string names = 1 [(bounds).count_max = 16];
  oneof kind { bytes raw = 2; }
  enum Order { ORDER_FIRST = 0; }
  Ask message = 4;
}
service Peers { rpc List(Ask) returns (Ask); }
";

    #[test]
    fn types_fields_values_and_methods_are_found_with_their_owner() {
        let found: Vec<String> = definitions(PROTO)
            .iter()
            .map(|of| {
                format!(
                    "{}.{}{}",
                    of.owner.unwrap_or("-"),
                    of.name,
                    if of.is_type { "!" } else { "" }
                )
            })
            .collect();
        let expected = [
            "-.Ask!",
            "Ask.names",
            "Ask.raw",
            "Ask.Order!",
            "Order.ORDER_FIRST",
            "Ask.message",
            "-.Peers!",
            "Peers.List",
        ];
        assert_eq!(found, expected);
    }
}
