//! The replay guard: no packet is taken twice, as long as its tag is remembered.
//!
//! A packet tag is a function of the packet's shared secret, so that a copy has the same one. The
//! [`Guard`] remembers tags in two generations: one that fills, and the full one before it. When
//! [`Config::capacity`] more tags have come, the older one is forgotten; never is all of it. A tag is
//! therefore refused at least until `capacity` fresh ones came after it, and at most until twice as many.
//!
//! # The filter
//! Tags are hashed under a secret of the process (SipHash-2-4, 128 bits). Of the hash, one part picks
//! a shard and in it a pair of blocks of 64 bytes, one block for each generation, by
//! multiplication; 80 bits pick one bit in each of the sixteen 32-bit lanes of a block. A tag counts
//! as seen if its sixteen bits are all set in one of the two. So a look-up reads two cache lines,
//! which are neighbours, and whoever lacks the secret can neither find tags that collide nor fill one
//! block with chosen ones.
//!
//! *Why 14 tags to a block.* In a generation that is full, the tags of a block are Poisson
//! distributed with that mean, and a fresh tag is taken for a seen one with chance
//!
//! Σₙ e⁻¹⁴ 14ⁿ / n! · (1 − (31/32)ⁿ)¹⁶ = 1.9 · 10⁻⁶,
//!
//! 3.7 · 10⁻⁶ in two full generations, which is the worst, at the moment before one is forgotten. Of
//! 16 tags it would be 1.2 · 10⁻⁵, of 12 it would be 1.0 · 10⁻⁶ for a sixth more memory. A block of
//! fingerprints would need 22 bits of each tag for that chance, and, holding no more than 23, an
//! answer to the 24th; a block of bits never overflows.
//!
//! *Memory.* 64/14 = 4.6 bytes for a tag of the capacity and generation, 91 MB for twice 10,000,000.
//! It is asked of the system when the guard is made and touched as tags come, so that the guard of a
//! quiet node costs little.
//!
//! *Threads.* Each shard has a lock. Sixteen bits in eight words are not set in one atomic step;
//! without a lock two copies of a packet that come at once could each find a bit that the other has
//! not set yet, and both pass.
//!
//! # A crash
//! With a [`Keeper`] every fresh tag goes to a [`Journal`], 16 bytes each, at every
//! [`Keeper::flush`]. What a crash loses is the tags since the last one that ended well: by default
//! those of a tenth of a second and of one write. A packet of these can pass once more. Nothing at
//! the receiving end can prevent that, since a packet says nothing of its age, and to refuse all
//! packets for a while would only delay who waits; who needs more flushes before a packet leaves. A
//! ticket is not earned twice by it: that is for the store of tickets to see to, by index. A node
//! that stops in order flushes once more and loses nothing.
//!
//! ```
//! use meshwork_relay::replay::{Config, Guard};
//!
//! let guard = Guard::new(&Config::default().check()?, *b"drawn at random!");
//! let tag = [7; 16];
//! assert!(guard.admit(&tag).is_ok());
//! assert!(guard.admit(&tag).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod guard;
mod journal;
mod keeper;
mod place;
mod shard;

pub use self::config::{Config, ConfigError, Params};
pub use self::guard::{Counts, Guard, Replayed};
pub use self::journal::{Journal, JournalError, MemoryJournal};
pub use self::keeper::Keeper;
