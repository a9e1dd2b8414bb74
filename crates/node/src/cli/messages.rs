//! `send`, `inbox`, `sent` and `watch`: messages to peers and from them.

mod arguments;
mod inbox;
mod relayed;
mod send;
mod sent;
mod shown;
mod watch;

pub(super) use self::arguments::{Inbox, Send, Sent};
pub(super) use self::inbox::inbox;
pub(super) use self::send::send;
pub(super) use self::sent::sent;
pub(super) use self::watch::watch;
