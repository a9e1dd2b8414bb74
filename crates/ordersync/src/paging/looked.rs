//! Where a provider has looked already and found nothing.

use std::collections::VecDeque;

use super::Search;
use crate::{Item, ItemId};

/// Most stretches remembered: a requester pages a few ranges at a time.
const STRETCHES_MAX: usize = 8;

/// What a provider remembers of the pages of one session: behind the last item of a page it may have
/// looked on, in vain. The requester goes on from that item, since items at the end of a page may
/// have been cut off to fit a frame; the provider goes on from where it has looked.
#[derive(Debug)]
pub struct Looked<I: Item> {
    filter: Option<I::Filter>,
    /// Above the first of each two, up to and with the second, there was nothing.
    stretches: VecDeque<(ItemId, ItemId)>,
    /// For the request that is not answered yet.
    pub(super) search: Search<I>,
}

impl<I: Item> Default for Looked<I> {
    fn default() -> Self {
        Self { filter: None, stretches: VecDeque::new(), search: Search::default() }
    }
}

impl<I: Item> Looked<I> {
    /// Where to look for what is above `after`.
    pub(super) fn beyond(&self, filter: &I::Filter, after: ItemId) -> ItemId {
        let mut stretches = self.stretches.iter();
        let known = stretches.find(|(from, _)| *from == after).map(|(_, to)| *to);
        known.filter(|_| self.filter.as_ref() == Some(filter)).unwrap_or(after)
    }

    /// Behind `last`, up to and with `looked`, there is nothing.
    pub(super) fn remember(&mut self, filter: &I::Filter, last: ItemId, looked: ItemId) {
        if self.filter.as_ref() != Some(filter) {
            self.filter = Some(filter.clone());
            self.stretches.clear();
        }
        self.stretches.retain(|(from, _)| *from != last);
        if looked > last {
            self.stretches.truncate(STRETCHES_MAX.saturating_sub(1));
            self.stretches.push_front((last, looked));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use libp2p_identity::PeerId;
    use machine::UnixTime;

    use super::super::{SCAN_MAX, V1, V1Request, V1Response};
    use super::*;
    use crate::book::{Book, Config, Holding};
    use crate::sample::{Note, Prefix};
    use crate::{Context, Entry, Form, Leave, Request, Response, Subprotocol};

    fn provider(notes: &[String]) -> Context<Note> {
        let book = Book::new(Config::default().check().unwrap(), [7; 32]);
        let received = UnixTime::from_millis(0);
        let hold =
            |text: &String| Holding { entry: Entry::new(Note::new(text)), received, pinned: false };
        book.insert(notes.iter().map(hold).collect());
        Context {
            book: Arc::new(book),
            peer: PeerId::random(),
            form: Form::Binary,
            filter: Prefix::default(),
            page: 500,
            secret: [7; 32],
            scans: Leave::fixed(false),
            push: false,
        }
    }

    fn ask(
        cx: &Context<Note>,
        looked: &mut Looked<Note>,
        after: ItemId,
    ) -> Response<Note, V1Response> {
        let filter = Prefix("wanted".to_owned());
        let metadata = V1Request { filter, after, until: ItemId::MAX };
        let request = Request { requester_id: cx.peer, metadata, pushed: Vec::new() };
        V1::default().handle_request(request, looked, cx).unwrap()
    }

    #[test]
    fn what_was_looked_at_behind_the_last_match_is_not_looked_at_again() {
        let mut notes: Vec<_> = (0..3 * SCAN_MAX).map(|number| format!("note {number}")).collect();
        // The wanted one is among the first that are looked at.
        let early = (0..).map(|number| format!("wanted {number}"));
        let early = early.filter(|text| Entry::new(Note::new(text)).id.as_bytes()[0] == 0);
        notes.extend(early.take(1));
        let cx = provider(&notes);
        let ids = cx.book.ids(&Prefix::default());
        let mut looked = Looked::default();

        let first = ask(&cx, &mut looked, ItemId::ZERO);
        assert_eq!((first.orders.len(), first.complete), (1, false));
        assert_eq!(first.metadata.next, ids[SCAN_MAX - 1]);
        let second = ask(&cx, &mut looked, first.orders[0].id);
        assert_eq!(second.metadata.next, ids[2 * SCAN_MAX - 1], "it goes on where it was");
        // Who has not got the end of a page asks for it again, and gets it.
        let again = ask(&cx, &mut looked, ItemId::ZERO);
        assert_eq!(again.orders.len(), 1);
    }

    #[test]
    fn little_is_remembered_and_nothing_of_another_filter() {
        let mut looked = Looked::<Note>::default();
        let (one, other) = (Prefix("a".to_owned()), Prefix("b".to_owned()));
        for number in 0..100 {
            looked.remember(&one, ItemId([number; 32]), ItemId([number + 1; 32]));
        }
        assert_eq!(looked.stretches.len(), STRETCHES_MAX);
        assert_eq!(looked.beyond(&one, ItemId([99; 32])), ItemId([100; 32]));
        assert_eq!(looked.beyond(&other, ItemId([99; 32])), ItemId([99; 32]));
        assert_eq!(looked.beyond(&one, ItemId([1; 32])), ItemId([1; 32]), "forgotten");
        looked.remember(&other, ItemId::ZERO, ItemId([1; 32]));
        assert_eq!(looked.beyond(&one, ItemId([99; 32])), ItemId([99; 32]));
    }
}
