//! What of the items that a provider lacks is given to it now.

use crate::subprotocol::Context;
use crate::{Entry, Form, Item, ItemId};

/// At most `max` of the requester's items `lacked` that this session may give away, and how many are
/// kept for another one.
///
/// Each session begins elsewhere: what a provider does not take does not hold up the others for ever.
pub(crate) fn gifts<I: Item>(
    lacked: &[ItemId],
    max: usize,
    cx: &Context<I>,
) -> (Vec<Entry<I>>, u64) {
    if !cx.push || cx.form == Form::Json {
        return (Vec::new(), 0);
    }
    let kept = u64::try_from(lacked.len().saturating_sub(max)).unwrap_or(u64::MAX);
    let begin = cx.secret.first_chunk().map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
    let begin = begin.checked_rem(lacked.len()).unwrap_or(0);
    let in_turn = lacked.iter().cycle().skip(begin).take(lacked.len().min(max));
    (in_turn.filter_map(|id| cx.book.get(id)).collect(), kept)
}
