//! Orders of the 0x protocol, versions 3 and 4, as items of one book.
//!
//! A protocol of 0x-Mesh carries orders of one version: the name of the protocol says which, and the
//! filter in a request says nothing of it. So what a session is about is [`Wanted`] as
//! [`carried_by`](crate::Filter::carried_by) leaves it; our own protocol carries both.

mod order;
mod pages;
mod rules;
#[cfg(test)]
mod tests;
mod wanted;

pub use self::order::Order;
pub use self::rules::Rules;
pub use self::wanted::Wanted;
