//! Which `backticked` words of a document are names that have to exist.

/// A name that a document uses.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Name<'a> {
    /// A file or folder.
    Path(&'a str),
    /// A package of this workspace.
    Package(&'a str),
    /// A type, or a path of two and more words.
    Item(Vec<&'a str>),
    /// A function, written with its parentheses.
    Function(&'a str),
}

/// Endings that make a word a file name even without a folder before it.
pub(super) const ENDINGS: [&str; 4] = [".rs", ".md", ".toml", ".proto"];

/// What a code span names; none when it is something else, or could be.
///
/// Configuration keys (`limits.total`), commands, flags, protocol ids, environment variables and
/// single lower-case words are left alone: a check that cries wolf is soon switched off.
pub(super) fn classify(span: &str) -> Option<Name<'_>> {
    let span = span.trim();
    if is_path(span) {
        return Some(Name::Path(span));
    }
    if span.strip_prefix("meshwork-").is_some_and(is_package_word) {
        return Some(Name::Package(span));
    }
    let (head, bracket) = split_arguments(span)?;
    let words: Vec<&str> = head.split("::").collect();
    if !words.iter().all(|word| is_identifier(word)) {
        return None;
    }
    match *words {
        [word] if is_camel_case(word) => Some(Name::Item(words)),
        [word] if bracket == Some('(') && is_snake_case(word) => Some(Name::Function(word)),
        [_] => None,
        _ => Some(Name::Item(words)),
    }
}

/// The text before the arguments of a call, a pattern or a generic type, and what opens them; none
/// when something follows them.
fn split_arguments(span: &str) -> Option<(&str, Option<char>)> {
    let Some(at) = span.find(['(', '<', '{']) else { return Some((span, None)) };
    let (head, arguments) = span.split_at(at);
    let open = arguments.chars().next()?;
    let close = match open {
        '(' => ')',
        '<' => '>',
        _ => '}',
    };
    let mut depth = 0_usize;
    let end = arguments.find(|c| {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
        }
        depth == 0
    })?;
    (end + close.len_utf8() == arguments.len()).then_some((head.trim_end(), Some(open)))
}

fn is_path(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let has_stem = |ending: &&str| span.strip_suffix(*ending).is_some_and(|stem| !stem.is_empty());
    span.chars().all(plain)
        && !span.starts_with(['/', '-'])
        && (span.contains('/') || ENDINGS.iter().any(has_stem))
}

fn is_package_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

fn is_identifier(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_camel_case(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_lowercase())
        && !word.contains('_')
}

fn is_snake_case(word: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_uppercase())
}

/// The code spans of a Markdown document outside its fenced blocks, each with its line.
pub(super) fn spans(markdown: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let mut paragraph = 0..0;
    let mut first_line = 1;
    let mut offset = 0;
    for (number, line) in (1..).zip(markdown.split_inclusive('\n')) {
        let start = offset;
        offset += line.len();
        let text = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark));
        if fence.is_none() && mark.is_none() && !text.is_empty() {
            if paragraph.is_empty() {
                (paragraph, first_line) = (start..start, number);
            }
            paragraph.end = offset;
            continue;
        }
        found.extend(spans_of_paragraph(&markdown[paragraph.clone()], first_line));
        paragraph = offset..offset;
        fence = match (fence, mark) {
            (None, mark) => mark,
            (Some(open), Some(mark)) if open == mark => None,
            (open, _) => open,
        };
    }
    found.extend(spans_of_paragraph(&markdown[paragraph], first_line));
    found
}

/// A span opens with a run of backticks and closes with the next run of the same length, which may
/// be lines below but not past the paragraph.
fn spans_of_paragraph(text: &str, first_line: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('`').map(|at| from + at) {
        let ticks = run_of_ticks(&text[start..]);
        let inside = start + ticks;
        let Some(length) = closing(&text[inside..], ticks) else {
            from = inside;
            continue;
        };
        let line = first_line + text[..start].matches('\n').count();
        found.push((line, &text[inside..inside + length]));
        from = inside + length + ticks;
    }
    found
}

/// How far away the next run of exactly that many backticks is.
fn closing(text: &str, ticks: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('`').map(|at| from + at) {
        let run = run_of_ticks(&text[at..]);
        if run == ticks {
            return Some(at);
        }
        from = at + run;
    }
    None
}

fn run_of_ticks(text: &str) -> usize {
    text.len() - text.trim_start_matches('`').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_slash_or_a_known_ending() {
        for span in ["crates/wire", "ARCHITECTURE.md", "proto/", ".ci/run", "src/frame.rs", "a/b"] {
            assert_eq!(classify(span), Some(Name::Path(span)));
        }
    }

    #[test]
    fn a_type_a_path_of_words_and_a_call_are_items() {
        for (span, words) in [
            ("Gate", vec!["Gate"]),
            ("Gate<B>", vec!["Gate"]),
            ("Sender<Vec<u8>>", vec!["Sender"]),
            ("Version{network, agent}", vec!["Version"]),
            ("Effect::Start(id, job)", vec!["Effect", "Start"]),
            ("wire::frame", vec!["wire", "frame"]),
            ("Instant::START", vec!["Instant", "START"]),
            ("Core::handle()", vec!["Core", "handle"]),
        ] {
            assert_eq!(classify(span), Some(Name::Item(words)), "{span}");
        }
        assert_eq!(classify("poll_effect()"), Some(Name::Function("poll_effect")));
        assert_eq!(classify("later(id, job)"), Some(Name::Function("later")));
        assert_eq!(classify("meshwork-wire"), Some(Name::Package("meshwork-wire")));
    }

    #[test]
    fn what_could_be_something_else_is_left_alone() {
        for span in [
            "network.allow_private",
            "/meshwork/seed/1",
            "/ip4/127.0.0.1/tcp/4001",
            "cargo xtask ci",
            "meshwork run --seed ADDR",
            "--json",
            "-D warnings",
            "MESHWORK_LOG",
            "SIGTERM",
            "peer_id",
            "wire",
            "0600",
            "crates/*",
            "@libp2p/tcp",
            "https://example.org/a.md",
            "impl Machine for Core",
            "#[expect(dead_code)]",
            "vec![1]",
            "Vec<u8",
            "batch().commit()",
            "split() -> (Reader, Writer)",
            "a::*",
            "node.status()",
            "ready peer_id=…",
            ".rs",
            "",
        ] {
            assert_eq!(classify(span), None, "{span}");
        }
    }

    #[test]
    fn fenced_blocks_hold_no_names() {
        let markdown =
            "`One` and ``a`b``\n```rust\n`Two`\n~~~\n```\n- `Three\n  four` `Five`\n\n`open\n";
        let expected = [(1, "One"), (1, "a`b"), (6, "Three\n  four"), (7, "Five")];
        assert_eq!(spans(markdown), expected);
    }

    #[test]
    fn a_span_ends_with_its_paragraph() {
        assert_eq!(spans("a ` b\n\n`Type` c"), [(3, "Type")]);
        assert_eq!(spans("~~~\n`No`\n~~~\n`Yes`"), [(4, "Yes")]);
    }
}
