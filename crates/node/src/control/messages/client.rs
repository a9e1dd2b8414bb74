//! The operator's end of what is about messages.

use bytes::Bytes;
use libp2p::PeerId;
use tonic::transport::Channel;

use super::super::REPLY_BYTES_MAX;
use super::super::client::{Client, ClientError};
use super::super::orders::Stream;
use super::MESSAGES_REQUEST_BYTES_MAX;
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::messages_client::MessagesClient;
use crate::messaging::SendOptions;

impl Client {
    /// Has the node send a message of at most 65,536 bytes, and tell what becomes of it. The first
    /// reply says which it is. To drop the replies ends the telling; the message goes on.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn message(
        &self,
        to: PeerId,
        data: Bytes,
        options: SendOptions,
    ) -> Result<Stream<proto::MessagesSendReply>, ClientError> {
        let SendOptions { keep, urgent, lifetime } = options;
        // A day at most.
        let seconds = |lifetime: crate::messaging::Lifetime| lifetime.duration().as_secs();
        let lifetime_s = lifetime.map_or(0, seconds).try_into().unwrap_or(u32::MAX);
        let peer_id = to.to_string();
        let request =
            proto::MessagesSendRequest { peer_id, data, no_keep: !keep, urgent, lifetime_s };
        let mut messages = self.messages();
        self.stream(messages.send(request)).await
    }

    /// At most `limit` messages that came, those above the number `after`, ascending.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn inbox(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<proto::MessagesInboxReply, ClientError> {
        let mut messages = self.messages();
        self.wait(messages.inbox(proto::MessagesInboxRequest { after, limit })).await
    }

    /// Has the node give up what came up to the number `through`; says how many that were when it is
    /// durable.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn forget(&self, through: u64) -> Result<u64, ClientError> {
        let mut messages = self.messages();
        let reply = self.wait(messages.forget(proto::MessagesForgetRequest { through })).await?;
        Ok(reply.count)
    }

    /// At most `limit` messages that the node has sent, the newest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn sent(&self, limit: u32) -> Result<Vec<proto::SentMessage>, ClientError> {
        let mut messages = self.messages();
        let reply = self.wait(messages.sent(proto::MessagesSentRequest { limit })).await?;
        Ok(reply.messages)
    }

    /// What comes, and what becomes of what is sent, after a first reply that says nothing.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn watch_messages(&self) -> Result<Stream<proto::MessagesWatchReply>, ClientError> {
        let mut messages = self.messages();
        self.stream(messages.watch(proto::MessagesWatchRequest {})).await
    }

    /// How the node carries messages.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn messages_status(&self) -> Result<proto::MessagesStatusReply, ClientError> {
        let mut messages = self.messages();
        self.wait(messages.status(proto::MessagesStatusRequest {})).await
    }

    fn messages(&self) -> MessagesClient<Channel> {
        MessagesClient::new(self.channel.clone())
            .max_encoding_message_size(MESSAGES_REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }
}
