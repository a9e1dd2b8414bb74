//! All orders as lines of JSON.

use bytes::Bytes;
use futures::{Stream, stream};
use ordersync::zeroex::Wanted;
use ordersync::{Item, ItemId};

use super::Orders;

/// Most orders of a part.
const PART: usize = 256;

/// Bytes after which a part is not made longer.
const BYTES_MAX: usize = 512 << 10;

/// Some of the orders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exported {
    /// Their canonical JSON, each with a line feed. At most 1 MiB.
    pub lines: Bytes,
    /// How many lines.
    pub count: u32,
}

impl Orders {
    /// All orders, ascending by hash. One that comes or goes meanwhile may be among them.
    ///
    /// # Bounds
    /// Holds one part.
    pub fn export(&self) -> impl Stream<Item = Exported> + Send + 'static {
        let orders = self.clone();
        let next = move |after| {
            let part = orders.part(after);
            async move { part }
        };
        stream::unfold(ItemId::ZERO, next)
    }

    fn part(&self, after: ItemId) -> Option<(Exported, ItemId)> {
        let page = self.book().page(&after, &ItemId::MAX, PART, &Wanted::ALL, PART);
        let (mut lines, mut count, mut last) = (Vec::new(), 0, None);
        for entry in page.entries {
            if lines.len() >= BYTES_MAX {
                break;
            }
            lines.extend(entry.item.to_json().into_bytes());
            lines.push(b'\n');
            count += 1;
            last = Some(entry.id);
        }
        Some((Exported { lines: lines.into(), count }, last?))
    }
}
