//! After paging it is known what the provider lacks: it is given away as well.

use super::{Requester, Stage, Thread};
use crate::binary::ITEMS_MAX;
use crate::riblt::{PUSH_MAX, gifts};
use crate::{Item, ItemId, Range};

impl<I: Item> Requester<I> {
    /// Gives away what the requester has beside `theirs`, all that the provider has. Items travel with
    /// requests, so these ask for nothing: for what is above the highest id.
    pub(super) fn give(&mut self, mut theirs: Vec<ItemId>) {
        let Some(pager) = self.pager.clone() else { return };
        theirs.sort_unstable();
        let mut lacked = self.cx.book.ids(&self.cx.filter);
        lacked.retain(|id| theirs.binary_search(id).is_err());
        let given = usize::try_from(self.tally.pushed).unwrap_or(usize::MAX);
        let (gifts, kept) = gifts(&lacked, PUSH_MAX.saturating_sub(given), &self.cx);
        self.tally.kept = kept;
        self.stage = Stage::Giving;
        for some in gifts.chunks(ITEMS_MAX) {
            let nothing = Range { after: ItemId::MAX, until: ItemId::MAX };
            let Some(thread) = Thread::new(&self.subprotocols, pager.clone(), nothing) else {
                return;
            };
            self.begin(thread, self.paged_at, some.to_vec());
        }
    }

    /// What was being given when the session broke may not have come there.
    pub(super) fn not_given(&self) -> u64 {
        let under_way = self.queue.iter().chain(&self.waiting);
        under_way.map(|asked| asked.pushed).fold(0, u64::saturating_add)
    }
}
