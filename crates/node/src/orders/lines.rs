//! Lines out of a stream of bytes that is cut anywhere.

use std::collections::VecDeque;
use std::mem;

/// Most bytes of a line that is an order: as many as are read of one.
pub(super) const LINE_MAX: usize = 2 * orders::ORDER_LEN_MAX;

/// A line that is not empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    /// From 1, empty lines counted.
    pub(super) number: u64,
    /// The bytes without the line feed; `None` if there are more than [`LINE_MAX`].
    pub(super) text: Option<Vec<u8>>,
    /// Bytes of the stream up to the end of the line, line feed included.
    pub(super) end: u64,
}

/// Cuts bytes into lines.
///
/// # Bounds
/// Keeps at most [`LINE_MAX`] bytes of the line that has not ended, however long it gets.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    too_long: bool,
    /// Lines that have ended.
    ended: u64,
    /// Bytes seen.
    seen: u64,
}

impl Lines {
    /// Adds the lines that end in `part` to `lines`.
    pub(super) fn feed(&mut self, part: &[u8], lines: &mut VecDeque<Line>) {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            self.seen = self.seen.saturating_add(piece.len() as u64);
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            self.too_long |= text.len() > LINE_MAX.saturating_sub(self.begun.len());
            if !self.too_long {
                self.begun.extend_from_slice(text);
            }
            if ends {
                lines.extend(self.line());
            }
        }
    }

    /// The last line, if it has no line feed.
    pub(super) fn end(&mut self) -> Option<Line> {
        (self.too_long || !self.begun.is_empty()).then(|| self.line())?
    }

    /// Bytes seen.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    fn line(&mut self) -> Option<Line> {
        self.ended = self.ended.saturating_add(1);
        let (text, too_long) = (mem::take(&mut self.begun), mem::take(&mut self.too_long));
        if !too_long && text.trim_ascii().is_empty() {
            return None;
        }
        Some(Line { number: self.ended, text: (!too_long).then_some(text), end: self.seen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(parts: &[&[u8]]) -> Vec<(u64, Option<String>, u64)> {
        let (mut cutter, mut lines) = (Lines::default(), VecDeque::new());
        for part in parts {
            cutter.feed(part, &mut lines);
        }
        lines.extend(cutter.end());
        assert_eq!(cutter.seen(), parts.iter().map(|part| part.len() as u64).sum::<u64>());
        let text = |text: Vec<u8>| String::from_utf8(text).expect("text");
        lines.into_iter().map(|line| (line.number, line.text.map(text), line.end)).collect()
    }

    fn line(number: u64, text: &str, end: u64) -> (u64, Option<String>, u64) {
        (number, Some(text.to_owned()), end)
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        let text = b"one\n\n  \ntwo\r\nthree";
        let whole = lines_of(&[text]);
        assert_eq!(whole, [line(1, "one", 4), line(4, "two\r", 13), line(5, "three", 18)]);
        for cut in 0..=text.len() {
            assert_eq!(lines_of(&[&text[..cut], &text[cut..]]), whole, "{cut}");
        }
        assert_eq!(lines_of(&[]), []);
        assert_eq!(lines_of(&[b"\n\n"]), []);
        assert_eq!(lines_of(&[b"x"]), [line(1, "x", 1)]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_not_kept() {
        let long = vec![b'a'; LINE_MAX];
        let fits = lines_of(&[&long, b"\nb\n"]);
        assert_eq!(fits[0].1.as_ref().map(String::len), Some(LINE_MAX));
        let end = LINE_MAX as u64 + 2;
        assert_eq!(lines_of(&[&long, b"a\nb\n"]), [(1, None, end), line(2, "b", end + 2)]);
        assert_eq!(lines_of(&[&long, b"a"]), [(1, None, end - 1)]);

        let mut cutter = Lines::default();
        let mut lines = VecDeque::new();
        for _ in 0..100 {
            cutter.feed(&long, &mut lines);
            assert!(cutter.begun.len() <= LINE_MAX && lines.is_empty());
        }
    }
}
