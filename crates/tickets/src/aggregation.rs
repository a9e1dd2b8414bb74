//! Many winning tickets for one: the redeemer sends them to who issued them, and is issued a ticket
//! that wins for certain and is worth all of them.
//!
//! One aggregate:
//! 1. the application asks for it ([`Command::Aggregate`]); the tickets of the batch are chosen, and
//!    the batch is durable before anybody hears of it;
//! 2. the outputs of all tickets are computed and proven to be of one key ([`Job::Prove`]), and the
//!    [`Request`] goes to the issuer;
//! 3. he checks all of it ([`check`]), signs, makes durable that he did, and answers with a [`Reply`];
//!    the same batch gets the same answer, also after a restart;
//! 4. the redeemer checks every field of the reply and who signed it ([`Job::Verify`]), and puts it
//!    in the place of the tickets in one write;
//! 5. when that is durable the command ends ([`Event::Aggregated`]).
//!
//! An attempt that ends in between changes nothing: while it is not known whether the issuer has
//! signed, the batch stays, and the next command asks for the same again. What has been refused for
//! good is free again, and the ticket that the issuer objects to is set aside ([`Mark::Doubtful`]).
//!
//! One redemption ([`Command::Redeem`]): the ticket with the least index is marked durably, goes to
//! the ledger ([`Job::Redeem`]), and is let go when the ledger has paid; then the next. Whatever the
//! node hears of the ledger ([`Command::View`]) settles what was open when it stopped.
//!
//! | quantity | unit | default | bound |
//! |---|---|---|---|
//! | [`TICKETS_MAX`] | tickets of one request | | 500 |
//! | [`Config::timeout`] | time for an attempt | 15 s | 100 ms to 5 min |
//! | [`Config::attempts_max`] | attempts under way | 16 | 1 to 64 |
//! | attempts, redemptions of one channel | under way | | 1 |
//! | [`Config::held_max`] | tickets | 2,000,000 | 1 to 10,000,000 |
//! | [`Config::channels_max`] | channels followed | 4,096 | 1 to 65,536 |
//! | [`Config::checks_max`] | requests of others checked at once | 4 | 1 to 64 |
//! | [`Config::tickets_per_second`], [`Config::tickets_burst`] | tickets of one peer | 100, 2,000 | |
//! | who waits for a write | entries | | 200 |
//!
//! ```
//! use machine::{Effect, Input, Instant, Machine};
//! use meshwork_tickets::aggregation::{Command, Config, Core, Event, Job, Kept};
//! # use meshwork_tickets::{
//! #     AcknowledgedTicket, Amount, Body, ChainKey, ChannelId, DomainSeparator, Epoch, Interval,
//! #     Response, WinProbability,
//! # };
//!
//! let (issuer, redeemer) = (ChainKey::from_bytes(&[1; 32])?, ChainKey::from_bytes(&[2; 32])?);
//! # let response = Response::from_bytes(&[3; 32])?;
//! # let body = Body {
//! #     channel: ChannelId::between(&issuer.address(), &redeemer.address()),
//! #     epoch: Epoch::default(),
//! #     interval: Interval::FIRST,
//! #     amount: Amount::new(5)?,
//! #     probability: WinProbability::ALWAYS,
//! #     challenge: response.challenge_address(),
//! # };
//! # let ticket = body.sign(&issuer, &DomainSeparator([4; 32]));
//! # let ticket = AcknowledgedTicket::new(ticket, response)?;
//! let params = Config::default().check()?;
//! let mut core = Core::new(params, redeemer.address(), Kept::default(), [7; 32]);
//!
//! core.handle(Input::Command(Command::Earn(Box::new(ticket))), Instant::START);
//! let Some(Effect::Start { id, job: Job::Write(changes) }) = core.poll_effect() else {
//!     unreachable!("what was earned is kept before anything is said");
//! };
//! assert_eq!((changes.len(), core.held_count()), (2, 0));
//! # use meshwork_tickets::aggregation::Done;
//! core.handle(Input::Done { id, outcome: Ok(Done::Written(Ok(()))) }, Instant::START);
//! assert!(matches!(core.poll_effect(), Some(Effect::Emit(Event::Earned { outcome: Ok(()), .. }))));
//! assert_eq!(core.held_count(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: when to aggregate and when to redeem, which is the application's to say; indices of
//! tickets that this node issues ([`crate::issuing`]).

mod behaviour;
pub mod check;
mod config;
mod core;
mod error;
mod event;
mod messages;
mod processor;
mod redeemer;
mod refusal;
mod requester;
mod responder;
#[cfg(test)]
mod sample;
mod store;
mod worker;

pub use self::behaviour::Behaviour;
pub use self::check::{CheckRequest, Issuer};
pub use self::config::{Config, ConfigError, Params};
pub use self::core::Core;
pub use self::error::{
    AggregateError, BadReply, ChannelError, EarnError, Fault, RedeemError, Unwritten, ViewError,
};
pub use self::event::{
    Aggregated, Command, Done, Event, Job, Prerequisites, Randomness, RedeemTicket, Redeemed,
};
pub use self::messages::{AttemptId, Reply, Request, TICKETS_MAX, Winner};
pub use self::processor::{
    AwaitError, NotQueued, TicketAggregationActions, TicketAggregationAwaiter,
    TicketAggregationFinalizer, TicketAggregationProcessed, TicketAggregationProcessor,
};
pub use self::refusal::{Refusal, RefusalCode};
pub use self::requester::ProveBatch;
pub use self::responder::Limits;
pub use self::store::{
    BadRow, Batch, BatchDigest, Change, Held, Issued, Kept, Key, LoadError, Loader, Mark,
    MemoryStore, OutgoingIndex, Owner, Row, Stats, Store, StoreError,
};
pub use self::worker::Worker;
