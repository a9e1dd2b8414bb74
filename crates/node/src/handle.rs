//! How others ask the running node: a bounded queue of questions to its event loop.

mod refusal;
mod view;

use handshake::{Ban, Banned};
use libp2p::PeerId;
use tokio::sync::{mpsc, oneshot};

pub use self::refusal::{AddError, BanError, NotTrusted, UnbanError};
pub use self::view::{
    BookEntry, BookQuery, BookView, Colour, Direction, Kind, Peer, Standing, Status,
};
use crate::config::DialAddress;

/// Most questions that wait for the event loop; who asks more waits for room.
const QUEUE_MAX: usize = 32;

/// Where the answer to a question goes.
pub type Reply<A> = oneshot::Sender<A>;

/// A question to the event loop, with where to send the answer.
#[derive(Debug)]
pub enum Request {
    /// How is it?
    Status(Reply<Status>),
    /// Who is connected?
    Peers(Reply<Vec<Peer>>),
    /// Keep a link to a peer.
    Add(DialAddress, Reply<Result<(), AddError>>),
    /// Treat a peer as any other.
    Remove(PeerId, Reply<Result<(), NotTrusted>>),
    /// Keep somebody out. Answered when that is durable.
    Ban(Ban, Reply<Result<(), BanError>>),
    /// Let somebody in again. Answered when that is durable.
    Unban(Banned, Reply<Result<(), UnbanError>>),
    /// Who is kept out?
    Bans(Reply<Vec<Ban>>),
    /// Whom has it heard of?
    Book(BookQuery, Reply<BookView>),
    /// Say goodbye and end. Answered at once.
    Shutdown(Reply<()>),
}

/// The node has ended, or ends before it could answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the node is ending")]
pub struct Ending;

/// Asks the event loop of a node. Clones ask the same one.
///
/// # Errors
/// Every question fails with [`Ending`] when the node is gone. A wish that the node heard and does
/// not fulfil comes back as the inner error.
///
/// # Cancel safety
/// A question whose asker gave up is answered into the void.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// A handle, and the end that the event loop reads.
    ///
    /// # Bounds
    /// At most 32 questions wait.
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        (Self { requests }, queue)
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn status(&self) -> Result<Status, Ending> {
        self.ask(Request::Status).await
    }

    /// Who is connected.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn peers(&self) -> Result<Vec<Peer>, Ending> {
        self.ask(Request::Peers).await
    }

    /// Has the node keep a link to a peer, whatever happens, until it is removed or the node ends.
    ///
    /// # Errors
    /// [`Ending`], and [`AddError`].
    pub async fn add(&self, address: DialAddress) -> Result<Result<(), AddError>, Ending> {
        self.ask(|reply| Request::Add(address, reply)).await
    }

    /// Has the node treat a trusted peer as any other.
    ///
    /// # Errors
    /// [`Ending`], and [`NotTrusted`].
    pub async fn remove(&self, peer: PeerId) -> Result<Result<(), NotTrusted>, Ending> {
        self.ask(|reply| Request::Remove(peer, reply)).await
    }

    /// Closes what connects the node with somebody and keeps them out. Ends when that is durable.
    ///
    /// # Errors
    /// [`Ending`], and [`BanError`].
    pub async fn ban(&self, ban: Ban) -> Result<Result<(), BanError>, Ending> {
        self.ask(|reply| Request::Ban(ban, reply)).await
    }

    /// Lets somebody in again. Ends when that is durable.
    ///
    /// # Errors
    /// [`Ending`], and [`UnbanError`].
    pub async fn unban(&self, banned: Banned) -> Result<Result<(), UnbanError>, Ending> {
        self.ask(|reply| Request::Unban(banned, reply)).await
    }

    /// Who is kept out.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn bans(&self) -> Result<Vec<Ban>, Ending> {
        self.ask(Request::Bans).await
    }

    /// Whom the node has heard of.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn book(&self, query: BookQuery) -> Result<BookView, Ending> {
        self.ask(|reply| Request::Book(query, reply)).await
    }

    /// Has the node say goodbye and end.
    ///
    /// # Errors
    /// [`Ending`]: it is doing so already.
    pub async fn shut_down(&self) -> Result<(), Ending> {
        self.ask(Request::Shutdown).await
    }

    async fn ask<A>(&self, question: impl FnOnce(Reply<A>) -> Request) -> Result<A, Ending> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(question(reply)).await.map_err(|_| Ending)?;
        answer.await.map_err(|_| Ending)
    }
}
