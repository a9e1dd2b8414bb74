//! What comes and goes.

use futures::{Stream, stream};
use ordersync::ItemId;
use ordersync::book::UpdateKind;

use super::{Held, Orders};

/// Most changes told at once.
const PART: usize = 256;

/// One change.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What happened.
    pub kind: UpdateKind,
    /// To which order.
    pub id: ItemId,
    /// The order, if it came in and is still there.
    pub order: Option<Held>,
}

/// What happened since it was told the last time.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// In their order. At most 256.
    pub changes: Vec<Changed>,
    /// Some before these are not told, because more came than are remembered.
    pub missed: bool,
}

impl Orders {
    /// Every change from now on. Does not end.
    ///
    /// # Bounds
    /// Of changes that are not taken the last 1024 are remembered.
    pub fn changes(&self) -> impl Stream<Item = Changes> + Send + 'static {
        let since = self.book().version();
        stream::unfold((self.clone(), since), async |(orders, since)| {
            let (changes, since) = orders.next_changes(since).await;
            Some((changes, (orders, since)))
        })
    }

    async fn next_changes(&self, since: u64) -> (Changes, u64) {
        let book = self.book();
        book.changed(since).await;
        let mut updates = match book.changes_since(since) {
            Ok(updates) => updates,
            Err(lagged) => return (Changes { missed: true, ..Changes::default() }, lagged.version),
        };
        updates.truncate(PART);
        let told = updates.last().map_or(since, |last| last.version);
        let changed = |update: ordersync::book::Update| {
            let came = update.kind == UpdateKind::Added;
            let order = came.then(|| book.holding(&update.id)).flatten();
            Changed { kind: update.kind, id: update.id, order }
        };
        (Changes { changes: updates.into_iter().map(changed).collect(), missed: false }, told)
    }
}
