//! Messages for peers that are away: who keeps them, how much of them, and how they are fetched.

pub(crate) mod collector;
mod cursor;
mod entry;
mod mailboxes;
mod shares;
mod stored;

pub use self::entry::{Arrival, Entry};
pub use self::mailboxes::{Admission, MailGauges, Mailboxes, NotKept, Page, Scope};
pub use self::shares::Source;
