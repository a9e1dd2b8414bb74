//! What the control API answers: each request is a question to the event loop.

use std::future::Future;
use std::time::Duration;

use tonic::{Request, Response, Status};

use super::parse;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::book_server::Book;
use crate::generated::control::v1::node_server::Node;
use crate::generated::control::v1::peers_server::Peers;
use crate::handle::{Ending, Handle};

/// The services.
#[derive(Clone, Debug)]
pub(super) struct Service {
    handle: Handle,
    request_timeout: Duration,
}

type Answer<R> = Result<Response<R>, Status>;

impl Service {
    pub(super) const fn new(handle: Handle, request_timeout: Duration) -> Self {
        Self { handle, request_timeout }
    }

    /// The reply made of the node's answer, or why there is none.
    async fn answer<A, R: From<A>>(
        &self,
        answer: impl Future<Output = Result<A, Ending>> + Send,
    ) -> Answer<R> {
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(Ok(answer)) => Ok(Response::new(answer.into())),
            Ok(Err(ending)) => Err(Status::unavailable(ending.to_string())),
            Err(_elapsed) => Err(Status::deadline_exceeded("the node is too busy to answer")),
        }
    }

    /// The empty reply to a wish that was fulfilled, or why it was not.
    async fn wish<E: Into<Status>, R: Default>(
        &self,
        wish: impl Future<Output = Result<Result<(), E>, Ending>> + Send,
    ) -> Answer<R> {
        let outcome: Response<Outcome<E>> = self.answer(wish).await?;
        match outcome.into_inner().0 {
            Ok(()) => Ok(Response::new(R::default())),
            Err(refused) => Err(refused.into()),
        }
    }
}

/// What became of a wish.
struct Outcome<E>(Result<(), E>);

impl<E> From<Result<(), E>> for Outcome<E> {
    fn from(outcome: Result<(), E>) -> Self {
        Self(outcome)
    }
}

#[tonic::async_trait]
impl Node for Service {
    async fn status(&self, _: Request<proto::StatusRequest>) -> Answer<proto::StatusReply> {
        self.answer(self.handle.status()).await
    }

    async fn shutdown(&self, _: Request<proto::ShutdownRequest>) -> Answer<proto::ShutdownReply> {
        self.answer(self.handle.shut_down()).await
    }
}

#[tonic::async_trait]
impl Peers for Service {
    async fn list(&self, _: Request<proto::PeersListRequest>) -> Answer<proto::PeersListReply> {
        self.answer(self.handle.peers()).await
    }

    async fn add(&self, asked: Request<proto::PeersAddRequest>) -> Answer<proto::PeersAddReply> {
        let address = parse::dial_address(&asked.into_inner().address)?;
        self.wish(self.handle.add(address)).await
    }

    async fn remove(
        &self,
        asked: Request<proto::PeersRemoveRequest>,
    ) -> Answer<proto::PeersRemoveReply> {
        let peer = parse::peer(&asked.into_inner().peer_id)?;
        self.wish(self.handle.remove(peer)).await
    }

    async fn ban(&self, asked: Request<proto::PeersBanRequest>) -> Answer<proto::PeersBanReply> {
        let ban = parse::ban(asked.into_inner())?;
        self.wish(self.handle.ban(ban)).await
    }

    async fn unban(
        &self,
        asked: Request<proto::PeersUnbanRequest>,
    ) -> Answer<proto::PeersUnbanReply> {
        let banned = parse::banned(&asked.into_inner().whom)?;
        self.wish(self.handle.unban(banned)).await
    }

    async fn bans(&self, _: Request<proto::PeersBansRequest>) -> Answer<proto::PeersBansReply> {
        self.answer(self.handle.bans()).await
    }
}

#[tonic::async_trait]
impl Book for Service {
    async fn list(&self, asked: Request<proto::BookListRequest>) -> Answer<proto::BookListReply> {
        let query = parse::book_query(asked.into_inner())?;
        self.answer(self.handle.book(query)).await
    }
}
