//! What an operator asks of the part that relays, sends and trades: between who asks, and who does it.

use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use tickets::{Amount, ChannelId, Epoch, Interval, WinProbability};
use tokio::sync::{mpsc, oneshot};

use super::{NoRelaying, Payments};

/// Most wishes that wait for somebody to fulfil them.
pub(super) const WISHES_MAX: usize = 16;

/// Most reports that wait to be taken.
const REPORTS_MAX: usize = 16;

/// Most bytes of a message that goes over relays.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Most relays that a message goes over.
pub const RELAYS_MAX: u8 = 3;

/// Most tickets in one [`Held::Tickets`].
pub const TICKETS_TOLD_MAX: usize = 500;

/// What is asked, with where to tell what becomes of it. A report nobody takes is of no use any more;
/// what was begun goes on.
#[derive(Debug)]
pub enum Wish {
    /// What is held of tickets?
    List {
        /// Of which channel; `None` for all that have some.
        channel: Option<ChannelId>,
        /// Whether each ticket is told.
        each: bool,
        /// A channel, then, if asked for, its tickets; then the next channel. Ends when dropped.
        reports: mpsc::Sender<Held>,
    },
    /// Trade tickets for one.
    Aggregate {
        /// Those of which channel; `None` for each that has two or more.
        channel: Option<ChannelId>,
        /// Each channel when it is done. Ends when dropped.
        reports: mpsc::Sender<Settled>,
    },
    /// Have tickets paid.
    Redeem {
        /// Those of which channel; `None` for each that has one.
        channel: Option<ChannelId>,
        /// Each channel when it is done. Ends when dropped.
        reports: mpsc::Sender<Settled>,
    },
    /// Send a message over relays.
    Send {
        /// What, and how.
        message: Outgoing,
        /// What became of it.
        reply: oneshot::Sender<Sent>,
    },
}

/// A part of what is held.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// A channel.
    Channel(HeldOf),
    /// At most [`TICKETS_TOLD_MAX`] tickets of the channel that was told last, in their order.
    Tickets(Vec<HeldTicket>),
}

/// What is held of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldOf {
    /// Which.
    pub channel: ChannelId,
    /// What the tickets are worth together, in base units.
    pub value: u128,
    /// How many of them are untouched.
    pub untouched: u64,
    /// How many are offered for one.
    pub being_aggregated: u64,
    /// How many are being redeemed.
    pub being_redeemed: u64,
    /// How many their issuer does not trade for others, so that they are redeemed one by one.
    pub doubtful: u64,
    /// What tickets of it have won, in base units, since the node has counted.
    pub won: u128,
    /// What of it was paid.
    pub redeemed: u128,
    /// What was lost because the ledger went past it or the channel was closed.
    pub neglected: u128,
}

impl HeldOf {
    /// How many tickets are held.
    pub fn held(&self) -> u64 {
        let Self { untouched, being_aggregated, being_redeemed, doubtful, .. } = self;
        let parts = [being_aggregated, being_redeemed, doubtful];
        parts.into_iter().fold(*untouched, |sum, part| sum.saturating_add(*part))
    }
}

/// A ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldTicket {
    /// Of which closing of the channel.
    pub epoch: Epoch,
    /// Which indices it stands for.
    pub interval: Interval,
    /// What it is worth.
    pub amount: Amount,
    /// How likely it was to win.
    pub probability: WinProbability,
    /// What is done with it.
    pub state: TicketState,
}

/// What is done with a ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TicketState {
    /// Nothing.
    Untouched,
    /// It is offered, with others, for one.
    BeingAggregated,
    /// The ledger is asked to pay it.
    BeingRedeemed,
    /// Nothing; its issuer does not trade it.
    Doubtful,
}

impl TicketState {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::BeingAggregated => "being_aggregated",
            Self::BeingRedeemed => "being_redeemed",
            Self::Doubtful => "doubtful",
        }
    }
}

/// What became of the tickets of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settled {
    /// Which.
    pub channel: ChannelId,
    /// How many were traded or paid.
    pub tickets: u64,
    /// What they are worth together, in base units.
    pub amount: u128,
    /// What went wrong, if anything did.
    pub trouble: Option<Trouble>,
}

/// What went wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// A stable name.
    pub code: &'static str,
    /// For people.
    pub reason: String,
    /// When it may be tried again, if that is known.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    /// Of this name, for this reason.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an error is said as well as a reference to it"
    )]
    pub fn new(code: &'static str, reason: impl ToString) -> Self {
        Self { code, reason: reason.to_string(), retry_after: None }
    }
}

/// A message that goes over relays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// To whom.
    pub to: PeerId,
    /// What: at most [`MESSAGE_BYTES_MAX`].
    pub data: Bytes,
    /// Over how many relays: at most [`RELAYS_MAX`].
    pub relays: u8,
}

/// A message that was sent, or was to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// What became of it.
    pub outcome: Outcome,
    /// The relays that were chosen, and the recipient; empty if none were.
    pub path: Vec<PeerId>,
    /// What the ticket for it is worth.
    pub paid: Amount,
    /// From sending to knowing.
    pub time: Duration,
}

/// What becomes of messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The recipient has proven that it has it.
    Delivered,
    /// A relay says that it cannot pass it on.
    Failed(Trouble),
    /// Nobody said anything in time.
    TimedOut,
    /// The first relay, or the recipient, does not take it.
    Refused(Trouble),
    /// It did not leave this node.
    Unsent(Trouble),
}

impl Payments {
    /// What is held of tickets, of one channel or of all.
    ///
    /// # Errors
    /// [`NoRelaying`].
    ///
    /// # Cancel safety
    /// To drop the reports ends the telling.
    pub async fn held(
        &self,
        channel: Option<ChannelId>,
        each: bool,
    ) -> Result<mpsc::Receiver<Held>, NoRelaying> {
        self.wish(|reports| Wish::List { channel, each, reports }).await
    }

    /// Trades tickets for one, of one channel or of each. The reports end when all is done.
    ///
    /// # Errors
    /// [`NoRelaying`].
    ///
    /// # Cancel safety
    /// What was begun goes on when the reports are dropped.
    pub async fn aggregate(
        &self,
        channel: Option<ChannelId>,
    ) -> Result<mpsc::Receiver<Settled>, NoRelaying> {
        self.wish(|reports| Wish::Aggregate { channel, reports }).await
    }

    /// Has tickets paid, of one channel or of each. The reports end when all is done.
    ///
    /// # Errors
    /// [`NoRelaying`].
    ///
    /// # Cancel safety
    /// What was begun goes on when the reports are dropped.
    pub async fn redeem(
        &self,
        channel: Option<ChannelId>,
    ) -> Result<mpsc::Receiver<Settled>, NoRelaying> {
        self.wish(|reports| Wish::Redeem { channel, reports }).await
    }

    /// Sends a message over relays, and waits until it is known what became of it.
    ///
    /// # Errors
    /// [`NoRelaying`]; the message may have left if the node ends meanwhile.
    ///
    /// # Cancel safety
    /// A message that was sent is not called back.
    pub async fn send(&self, message: Outgoing) -> Result<Sent, NoRelaying> {
        let (reply, sent) = oneshot::channel();
        self.put(Wish::Send { message, reply }).await?;
        sent.await.map_err(|_| NoRelaying)
    }

    async fn wish<R>(
        &self,
        wish: impl FnOnce(mpsc::Sender<R>) -> Wish,
    ) -> Result<mpsc::Receiver<R>, NoRelaying> {
        let (reports, told) = mpsc::channel(REPORTS_MAX);
        self.put(wish(reports)).await?;
        Ok(told)
    }
}
