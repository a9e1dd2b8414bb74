//! What an application writes: a message and what is done with it.

use crate::{Channel, ChannelError, Jobs, Rate, SpawnError};

/// A message of an application protocol.
pub trait Message: wire::Frame + Send + 'static {
    /// How often messages of this one's type may be sent on one channel. Depends on the type (the
    /// variant, the tag) and on nothing else.
    ///
    /// The sender keeps the rate by itself; see [`Channel::send`]. A receiver delays, and in the
    /// end closes on, a sender that does not.
    fn rate(&self) -> Rate;
}

/// An application protocol: what one side does on one connection.
///
/// A [`Registry`](crate::Registry) makes one of these for each connection of the right kind, on both
/// sides, and runs it on a task of its own.
pub trait Protocol: Send + 'static {
    /// Its name on the wire, with its version: `/chat/1`. Starts with a slash.
    const NAME: &'static str;

    /// What both sides say.
    type Message: Message;

    /// Talks on `channel`. Its end is the end of the channel, and of `jobs`; the connection stays,
    /// and the protocol is not started again on it.
    ///
    /// When the connection closes, or the node stops, the channel fails and the future has
    /// [`Config::grace`](crate::Config::grace) to end by itself before it is dropped.
    ///
    /// # Errors
    /// [`Stop`] closes the connection. A panic does as well; it takes down nothing else.
    fn run(
        self,
        channel: Channel<Self::Message>,
        jobs: Jobs,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// Why a protocol gives up.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The channel failed. Closes the connection only if [somebody is to
    /// blame](ChannelError::is_over): a channel that merely ended ends alone.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A job that was needed could not be started.
    #[error(transparent)]
    Job(#[from] SpawnError),
    /// The protocol's own reason, for logs and metrics.
    #[error("{0}")]
    Because(&'static str),
}

impl Stop {
    /// Whether the connection is closed for it.
    #[must_use]
    pub const fn closes_connection(&self) -> bool {
        match self {
            Self::Channel(error) => !error.is_over(),
            Self::Job(SpawnError::Stopping) => false,
            Self::Job(SpawnError::TooMany { .. }) | Self::Because(_) => true,
        }
    }
}
