//! Sessions that others open.

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use ordersync::Service;
use ordersync::service::Protocol;
use ordersync::zeroex::Order;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::link::{Ask, Incoming, Link};
use super::strangers::{NoPlace, Place};

/// Serves sessions as they come, each on a task of its own; how many at a time is the service's to
/// bound, and how many of strangers the places' of the link. Ends with the swarm.
pub(super) async fn serve(
    service: &Service<Order, Link>,
    link: &Link,
    mut incoming: mpsc::Receiver<Incoming>,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            new = incoming.recv() => match new {
                Some(new) if new.stranger => {
                    if let Some(place) = place_for(&new, link) {
                        sessions.spawn(serve_stranger(service.clone(), link.clone(), new, place));
                    }
                }
                Some(Incoming { peer, protocol, stream, .. }) => {
                    let service = service.clone();
                    sessions.spawn(async move { serve_one(&service, peer, protocol, stream).await });
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

async fn serve_one<S>(service: &Service<Order, Link>, peer: PeerId, protocol: Protocol, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match service.handle_stream(peer, protocol, stream).await {
        Ok(tally) => tracing::debug!(%peer, %protocol, ?tally, "served"),
        Err(error) => tracing::debug!(%peer, %protocol, %error, "not served"),
    }
}

fn place_for(new: &Incoming, link: &Link) -> Option<Place> {
    let Incoming { peer, connection, remote, .. } = *new;
    match link.strangers.take(peer, connection, remote) {
        Ok(place) => return Some(place),
        Err(NoPlace::Full) => link.counts.add("not_served_strangers", 1),
        Err(NoPlace::Resting) => {
            link.counts.add("not_served_resting", 1);
            link.hang_up(connection);
        }
    }
    None
}

async fn serve_stranger(service: Service<Order, Link>, link: Link, new: Incoming, place: Place) {
    let Incoming { peer, connection, protocol, stream, .. } = new;
    link.ask(Ask::Spare(connection, true)).await;
    tokio::select! {
        () = serve_one(&service, peer, protocol, place.watch(stream)) => {}
        () = place.lost() => {
            tracing::debug!(%peer, "a stranger gives way");
            link.counts.add("strangers_turned_out", 1);
        }
    }
    link.ask(Ask::Spare(connection, false)).await;
    drop(place);
}
