//! Sessions that others open.

use std::sync::Arc;

use orders::v3::SignedOrder;
use ordersync::Service;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::link::{Ask, Incoming, Link};

/// Most sessions of strangers at a time, and never more than half of the strangers that the node lets
/// in: there has to be room for those who come to introduce themselves.
const STRANGERS_MAX: usize = 8;

/// Serves sessions as they come, each on a task of its own; how many at a time is the service's to
/// bound. Ends with the swarm.
pub(super) async fn serve(
    service: &Service<SignedOrder, Link>,
    link: &Link,
    strangers_max: usize,
    mut incoming: mpsc::Receiver<Incoming>,
) {
    let places = Arc::new(Semaphore::new(STRANGERS_MAX.min(strangers_max / 2)));
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            new = incoming.recv() => match new {
                Some(new) if new.stranger => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        sessions.spawn(serve_stranger(service.clone(), link.clone(), new, place));
                    }
                    Err(_) => link.counts.add("not_served_strangers", 1),
                },
                Some(new) => {
                    sessions.spawn(serve_one(service.clone(), new));
                }
                None => return,
            },
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session that was served");
                }
            }
        }
    }
}

async fn serve_one(service: Service<SignedOrder, Link>, new: Incoming) {
    let Incoming { peer, protocol, stream, .. } = new;
    match service.handle_stream(peer, protocol, stream).await {
        Ok(tally) => tracing::debug!(%peer, %protocol, ?tally, "served"),
        Err(error) => tracing::debug!(%peer, %protocol, %error, "not served"),
    }
}

async fn serve_stranger(
    service: Service<SignedOrder, Link>,
    link: Link,
    new: Incoming,
    place: OwnedSemaphorePermit,
) {
    let connection = new.connection;
    link.ask(Ask::Spare(connection, true)).await;
    serve_one(service, new).await;
    link.ask(Ask::Spare(connection, false)).await;
    drop(place);
}
