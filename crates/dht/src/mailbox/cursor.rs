//! Cursors: where a page ended, in a form that says nothing and that nobody else can make.

use std::fmt;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;

use super::Arrival;
use crate::envelope::Destination;

const TAG_LEN: usize = 16;
const ARRIVAL_LEN: usize = 8;

/// Makes and reads the cursors of one server.
///
/// A cursor is a tag over recipient and arrival, and the arrival masked by what that tag makes: it
/// tells nobody how many messages come here.
#[derive(Clone)]
pub(super) struct Cursors {
    tag_key: [u8; 32],
    mask_key: [u8; 32],
}

impl Cursors {
    /// Those of the server with this `secret`.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            tag_key: blake3::derive_key("meshwork dht 2026-11 cursor tag/1", secret),
            mask_key: blake3::derive_key("meshwork dht 2026-11 cursor mask/1", secret),
        }
    }

    /// The cursor that leads `recipient` to what came after `last`.
    pub(super) fn after(&self, recipient: &Destination, last: Arrival) -> Bytes {
        let tag = self.tag(recipient, last);
        let masked = self.mask(&tag, last.0);
        tag.into_iter().chain(masked.to_be_bytes()).collect()
    }

    /// Where a cursor of `recipient` leads; `None` if it is none of these.
    pub(super) fn read(&self, recipient: &Destination, cursor: &[u8]) -> Option<Arrival> {
        let (tag, masked) = cursor.split_first_chunk::<TAG_LEN>()?;
        let masked: [u8; ARRIVAL_LEN] = masked.try_into().ok()?;
        let last = Arrival(self.mask(tag, u64::from_be_bytes(masked)));
        bool::from(self.tag(recipient, last).ct_eq(tag)).then_some(last)
    }

    fn tag(&self, recipient: &Destination, last: Arrival) -> [u8; TAG_LEN] {
        let mut hasher = blake3::Hasher::new_keyed(&self.tag_key);
        hasher.update(recipient.as_bytes()).update(&last.0.to_be_bytes());
        let mut tag = [0; TAG_LEN];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }

    /// Masks and unmasks.
    fn mask(&self, tag: &[u8; TAG_LEN], arrival: u64) -> u64 {
        let mut mask = [0; ARRIVAL_LEN];
        blake3::Hasher::new_keyed(&self.mask_key).update(tag).finalize_xof().fill(&mut mask);
        arrival ^ u64::from_be_bytes(mask)
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(byte: u8) -> Destination {
        Destination::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn a_cursor_is_for_one_recipient_at_one_server() {
        let cursors = Cursors::new(&[1; 32]);
        for number in [0, 1, 77, u64::MAX] {
            let last = Arrival(number);
            let cursor = cursors.after(&recipient(1), last);
            assert_eq!(cursor.len(), TAG_LEN + ARRIVAL_LEN);
            assert_eq!(cursors.read(&recipient(1), &cursor), Some(last));
            assert_eq!(cursors.read(&recipient(2), &cursor), None);
            assert_eq!(Cursors::new(&[2; 32]).read(&recipient(1), &cursor), None);
            for place in 0..cursor.len() {
                let mut changed = cursor.to_vec();
                changed[place] ^= 1;
                assert_eq!(cursors.read(&recipient(1), &changed), None);
            }
            assert_eq!(cursors.read(&recipient(1), &cursor[1..]), None);
            assert_eq!(cursors.read(&recipient(1), &[]), None);
        }
    }

    #[test]
    fn a_cursor_does_not_show_how_many_messages_came() {
        let cursors = Cursors::new(&[1; 32]);
        let [first, second] =
            [1, 2].map(|number| cursors.after(&recipient(1), Arrival(number)).to_vec());
        let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();
        assert!(same < 6, "{first:?} {second:?}");
    }
}
