//! The adapters of `transport`: what a core is promised, over real links.

mod clerk;
mod conversation;
mod endings;
mod herald;
mod question;
