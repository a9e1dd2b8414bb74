//! Indices for the tickets of this node, reserved before they are needed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tickets::issuing::Indices;
use tickets::ledger::{Change, Changed, Row, State};
use tickets::{Address, Channel, ChannelId, ChannelStatus, Epoch};
use transport::timer::{self, execute_on_tick};

use super::shared::Shared;

/// How often it is looked whether few are left. In this time 10,000 tickets a second use up what a
/// channel still has when it counts as having few.
const PERIOD: Duration = Duration::from_millis(50);

/// Reserves indices in every channel that opens, and again when few are left, until the relay stops.
pub(super) async fn run(shared: Arc<Shared>, seed: [u8; 32]) {
    let (me, indices) = (shared.engine.address(), &shared.indices);
    let follow = async {
        let mut changes = shared.replica.changes();
        while let Some(Some(Change { version, what })) =
            shared.stop.run_until_cancelled(changes.next()).await
        {
            match what {
                Changed::All => reserve_all(&shared).await,
                Changed::Rows(rows) => {
                    let opened = rows.iter().filter_map(|row| opened(row, &me));
                    reserve(indices, opened.collect()).await;
                }
            }
            shared.reserved.send_replace(Some(version));
        }
    };
    let schedule = timer::Config { period: PERIOD, ..timer::Config::default() }.check();
    let schedule = schedule.expect("the period is within its bounds");
    let low =
        execute_on_tick(schedule, seed, shared.stop.clone(), |_| reserve(indices, indices.low()));
    futures::future::join(follow, low).await;
}

/// Reserves indices in every channel by which this node pays.
async fn reserve_all(shared: &Shared) {
    let me = shared.engine.address();
    reserve(&shared.indices, shared.replica.read(|state| all_from(state, &me))).await;
}

/// Waits until indices are reserved in every channel that the ledger shows by now: without one for the
/// next ticket a packet would be refused. Ends early when the relay stops.
pub(super) async fn reserved(shared: &Shared) {
    let shown = shared.replica.version();
    let mut reserved = shared.reserved.subscribe();
    let reserved = reserved.wait_for(|version| version.is_some_and(|version| version >= shown));
    // `shared` has the sender, so it is there.
    let _stopped_or_reserved = shared.stop.run_until_cancelled(reserved).await;
}

fn all_from(state: &State, me: &Address) -> Vec<(ChannelId, Epoch)> {
    let own = state.channels_from(me).filter(|(_, channel)| is_open(channel));
    own.map(|(id, channel)| (*id, channel.epoch)).collect()
}

fn opened(row: &Row, me: &Address) -> Option<(ChannelId, Epoch)> {
    match row {
        Row::Channel(channel) if channel.source == *me && is_open(channel) => {
            Some((channel.id(), channel.epoch))
        }
        Row::Channel(_) | Row::Account { .. } | Row::Head(_) => None,
    }
}

fn is_open(channel: &Channel) -> bool {
    channel.status == ChannelStatus::Open
}

async fn reserve(indices: &Indices, channels: Vec<(ChannelId, Epoch)>) {
    for (channel, epoch) in channels {
        if let Err(error) = indices.reserve(&channel, epoch).await {
            tracing::error!(%channel, %error, "no indices can be reserved");
        }
    }
}
