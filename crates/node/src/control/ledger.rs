//! The ledger in a place of its own, for other nodes of this machine: and nothing else there.

mod gate;
mod pace;
mod service;
#[cfg(test)]
mod tests;

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tickets::ledger::{Ledger, SignedTransaction, Update};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;

use self::gate::Gate;
use self::service::Service;
use super::listen::socket_path;
use super::socket::Socket;
use super::{BindError, ServeError};
use crate::config::LedgerPlace;
use crate::datadir::Claim;
use crate::generated::control::v1::ledger_server::LedgerServer as LedgerApi;

/// Most bytes in a request: a transaction, and what stands around it.
pub(crate) const LEDGER_REQUEST_BYTES_MAX: usize = SignedTransaction::BODY_MAX + 256;

/// Most bytes in a reply: a frame, and what stands around it.
pub(crate) const LEDGER_REPLY_BYTES_MAX: usize = Update::FRAME_MAX + 16;

/// Most requests at a time on one connection: one that follows, and some that submit.
const STREAMS_MAX: u32 = 16;

/// Most bytes of the headers of a request.
const HEADERS_BYTES_MAX: u32 = 4 << 10;

/// How often a silent connection is asked whether somebody is there, and how long that may take.
const ALIVE_EVERY: Duration = Duration::from_secs(20);

/// The ledger in its place. A socket goes when this does.
#[derive(Debug)]
pub struct LedgerServer {
    listener: Listener,
}

#[derive(Debug)]
enum Listener {
    Unix { listener: UnixListener, socket: Socket },
    Loopback { listener: TcpListener, address: SocketAddr },
}

impl LedgerServer {
    /// Opens the place; a relative path is taken from the data directory of `claim`.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    ///
    /// # Security
    /// A socket is for processes of the same user. A port is for every process of this machine: it may
    /// read the ledger, and submit what it has signed.
    pub fn bind(place: &LedgerPlace, claim: &Claim) -> Result<Self, BindError> {
        let listener = match place {
            LedgerPlace::Unix(path) => {
                let (listener, socket) = Socket::open(socket_path(path, claim.dir())?, claim)?;
                Listener::Unix { listener, socket }
            }
            LedgerPlace::Loopback(place) => {
                let failed = |source: io::Error| BindError::Ledger { place: *place, source };
                let listener = std::net::TcpListener::bind(place).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                let listener = TcpListener::from_std(listener).map_err(failed)?;
                Listener::Loopback { listener, address }
            }
        };
        Ok(Self { listener })
    }

    /// Where it is, as `ledger.url` of other nodes names it.
    pub fn place(&self) -> LedgerPlace {
        match &self.listener {
            Listener::Unix { socket, .. } => LedgerPlace::Unix(socket.path().display().to_string()),
            Listener::Loopback { address, .. } => LedgerPlace::Loopback(*address),
        }
    }

    /// Serves `ledger` until `end` is there. Those who follow are told that it has ended.
    ///
    /// # Bounds
    /// 64 connections, 16 requests at a time on each; of one connection 200 requests a second, of all
    /// together 1,000. More of them wait, and are refused when they would wait for long. 64 may follow,
    /// of whom those who need the whole ledger share one copy of it while little changes.
    ///
    /// # Errors
    /// [`ServeError`].
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection and removes the socket.
    pub async fn serve(
        self,
        ledger: Arc<dyn Ledger>,
        end: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        match self.listener {
            Listener::Unix { listener, socket } => {
                let connections = UnixListenerStream::new(listener).filter(|connection| {
                    let admitted = connection.as_ref().map_or(true, |it| socket.admits(it));
                    ready(admitted)
                });
                serve_over(connections, ledger, end).await
            }
            Listener::Loopback { listener, .. } => {
                serve_over(TcpListenerStream::new(listener), ledger, end).await
            }
        }
    }
}

async fn serve_over<I>(
    connections: impl Stream<Item = io::Result<I>>,
    ledger: Arc<dyn Ledger>,
    end: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ended = CancellationToken::new();
    let api = LedgerApi::new(Service::new(ledger, ended.clone()))
        .max_decoding_message_size(LEDGER_REQUEST_BYTES_MAX)
        .max_encoding_message_size(LEDGER_REPLY_BYTES_MAX);
    let end = async {
        end.await;
        ended.cancel();
    };
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keepalive_interval(Some(ALIVE_EVERY))
        .http2_keepalive_timeout(Some(ALIVE_EVERY))
        .add_service(api)
        .serve_with_incoming_shutdown(Gate::default().admit(connections), end)
        .await?;
    Ok(())
}
