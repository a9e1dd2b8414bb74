//! The operator's end of what is about payments.

use bytes::Bytes;
use libp2p::PeerId;
use tonic::transport::Channel;

use super::super::client::{Client, ClientError};
use super::super::orders::Stream;
use super::super::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::generated::control::v1 as proto;
use crate::generated::control::v1::channels_client::ChannelsClient;
use crate::generated::control::v1::relay_client::RelayClient;
use crate::generated::control::v1::tickets_client::TicketsClient;
use crate::payments::{Tokens, Whom};

impl Client {
    /// The account, the ledger and at most `limit` channels; those that are closed only if
    /// `closed`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn channels(
        &self,
        limit: u32,
        closed: bool,
    ) -> Result<proto::ChannelsListReply, ClientError> {
        let mut channels = self.channels_client();
        self.wait(channels.list(proto::ChannelsListRequest { limit, closed })).await
    }

    /// Has the node open a channel, and tells it as it is then.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn open_channel(
        &self,
        whom: &Whom,
        amount: Tokens,
    ) -> Result<Option<proto::PaymentChannel>, ClientError> {
        let request =
            proto::ChannelsOpenRequest { whom: whom.to_string(), amount: amount.0.to_string() };
        let mut channels = self.channels_client();
        self.wait(channels.open(request)).await.map(|reply| reply.channel)
    }

    /// Has the node put more into a channel, and tells it as it is then.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn fund_channel(
        &self,
        whom: &Whom,
        amount: Tokens,
    ) -> Result<Option<proto::PaymentChannel>, ClientError> {
        let request =
            proto::ChannelsFundRequest { whom: whom.to_string(), amount: amount.0.to_string() };
        let mut channels = self.channels_client();
        self.wait(channels.fund(request)).await.map(|reply| reply.channel)
    }

    /// Has the node take a step to close a channel, and tells it as it is then.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn close_channel(
        &self,
        whom: &Whom,
    ) -> Result<Option<proto::PaymentChannel>, ClientError> {
        let request = proto::ChannelsCloseRequest { whom: whom.to_string() };
        let mut channels = self.channels_client();
        self.wait(channels.close(request)).await.map(|reply| reply.channel)
    }

    /// What is held of tickets, of `whom` or of all; with `each`, ticket by ticket.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn tickets(
        &self,
        whom: Option<&Whom>,
        each: bool,
    ) -> Result<Stream<proto::TicketsListReply>, ClientError> {
        let request = proto::TicketsListRequest { whom: text(whom), each };
        let mut tickets = self.tickets_client();
        self.stream(tickets.list(request)).await
    }

    /// Has the node trade the tickets of `whom`, or of all, for one of each.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn aggregate_tickets(
        &self,
        whom: Option<&Whom>,
    ) -> Result<Stream<proto::TicketsAggregateReply>, ClientError> {
        let request = proto::TicketsAggregateRequest { whom: text(whom) };
        let mut tickets = self.tickets_client();
        self.stream(tickets.aggregate(request)).await
    }

    /// Has the node redeem the tickets of `whom`, or of all.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn redeem_tickets(
        &self,
        whom: Option<&Whom>,
    ) -> Result<Stream<proto::TicketsRedeemReply>, ClientError> {
        let request = proto::TicketsRedeemRequest { whom: text(whom) };
        let mut tickets = self.tickets_client();
        self.stream(tickets.redeem(request)).await
    }

    /// Has the node send `data` to `peer` over so many relays, and tells what became of it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::TimedOut`].
    pub async fn send(
        &self,
        peer: PeerId,
        data: Bytes,
        relays: u8,
    ) -> Result<proto::RelaySendReply, ClientError> {
        let request =
            proto::RelaySendRequest { peer_id: peer.to_string(), data, relays: relays.into() };
        let mut relay = RelayClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX);
        self.wait(relay.send(request)).await
    }

    fn channels_client(&self) -> ChannelsClient<Channel> {
        ChannelsClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }

    fn tickets_client(&self) -> TicketsClient<Channel> {
        TicketsClient::new(self.channel.clone())
            .max_encoding_message_size(REQUEST_BYTES_MAX)
            .max_decoding_message_size(REPLY_BYTES_MAX)
    }
}

fn text(whom: Option<&Whom>) -> String {
    whom.map_or_else(String::new, ToString::to_string)
}
