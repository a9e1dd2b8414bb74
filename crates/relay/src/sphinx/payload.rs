//! The payload: a permutation of all its bytes at each node, so that one changed bit changes all.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::header::{mask, take};
use super::message::Message;

/// Zeros that a payload begins with: how its recipient knows that nobody changed it.
const CHECK: usize = 16;
/// Bytes of a payload: zeros, the length, the tag and the bytes of a message.
pub(super) const PAYLOAD: usize = CHECK + 2 + 2 + Message::BYTES_MAX;
/// Bytes that are one side of the permutation; the key of a stream.
const LEFT: usize = 32;

// One chunk of BLAKE3, which hashes it with the least work there is.
const _: () = assert!(PAYLOAD - LEFT <= 1_024);

/// One payload.
pub(super) type Payload = [u8; PAYLOAD];

/// A message as a payload.
pub(super) fn pack(message: &Message) -> Payload {
    let mut payload = [0; PAYLOAD];
    let len = u16::try_from(message.data().len()).expect("a message is at most 1,024 bytes");
    let bytes = len.to_be_bytes().into_iter().chain(message.tag().to_be_bytes());
    let bytes = bytes.chain(message.data().iter().copied());
    payload.iter_mut().skip(CHECK).zip(bytes).for_each(|(to, byte)| *to = byte);
    payload
}

/// The message in a payload, if it is as it was packed: there is one way to pack it.
///
/// # Security
/// The bytes behind a permutation: to change them to any others is a guess of 128 bits. So what is
/// refused here says nothing about what was changed, and there is one refusal for all.
pub(super) fn unpack(payload: &Payload) -> Option<Message> {
    let mut rest = payload.as_slice();
    let check: [u8; CHECK] = take(&mut rest)?;
    let len = usize::from(u16::from_be_bytes(take(&mut rest)?));
    let tag = u16::from_be_bytes(take(&mut rest)?);
    let (data, padding) = rest.split_at_checked(len)?;
    let padded = padding.iter().fold(0, |all, byte| all | byte) == 0;
    if !bool::from(check.ct_eq(&[0; CHECK])) || !padded {
        return None;
    }
    Message::new(tag, data.to_vec()).ok()
}

/// What the sender does for each node, the last first.
pub(super) fn close(rounds: &[[u8; 32]; 4], payload: &mut Payload) {
    let [first, second, third, fourth] = rounds;
    let Some((left, right)) = payload.split_first_chunk_mut() else { return };
    stir(first, left, right);
    fold(second, left, right);
    stir(third, left, right);
    fold(fourth, left, right);
}

/// What a node does: the steps of [`close`], backwards.
pub(super) fn open(rounds: &[[u8; 32]; 4], payload: &mut Payload) {
    let [first, second, third, fourth] = rounds;
    let Some((left, right)) = payload.split_first_chunk_mut() else { return };
    fold(fourth, left, right);
    stir(third, left, right);
    fold(second, left, right);
    stir(first, left, right);
}

/// Adds to the right a stream whose key is the left.
fn stir(key: &[u8; 32], left: &[u8; LEFT], right: &mut [u8]) {
    let mut key = Zeroizing::new(*key);
    key.iter_mut().zip(left).for_each(|(to, byte)| *to ^= byte);
    mask(&key, right);
}

/// Adds to the left a hash of the right.
fn fold(key: &[u8; 32], left: &mut [u8; LEFT], right: &[u8]) {
    let hash = blake3::keyed_hash(key, right);
    left.iter_mut().zip(hash.as_bytes()).for_each(|(to, byte)| *to ^= byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Step = fn(&[[u8; 32]; 4], &mut Payload);

    const ROUNDS: [[u8; 32]; 4] = [[1; 32], [2; 32], [3; 32], [4; 32]];

    fn packed(data: &[u8]) -> Payload {
        pack(&Message::new(0x0102, data.to_vec()).unwrap())
    }

    #[test]
    fn a_message_is_packed_in_one_way() {
        let payload = packed(b"abc");
        assert_eq!(payload[CHECK..CHECK + 7], [0, 3, 1, 2, b'a', b'b', b'c']);
        assert_eq!(unpack(&payload), Message::new(0x0102, b"abc".to_vec()).ok());
        // The zeros in front, the length, and the zeros behind.
        for at in [0, CHECK - 1, CHECK, CHECK + 7, PAYLOAD - 1] {
            let mut other = payload;
            other[at] ^= 0x80;
            assert_eq!(unpack(&other), None, "byte {at}");
        }
        // A message that would be longer than there is room, and one that would be shorter.
        for len in [1_025_u16, u16::MAX, 2] {
            let mut other = payload;
            other[CHECK..CHECK + 2].copy_from_slice(&len.to_be_bytes());
            assert_eq!(unpack(&other), None, "{len} bytes");
        }
    }

    #[test]
    fn one_bit_changes_everything_both_ways() {
        let plain = packed(b"abc");
        let mut closed = plain;
        close(&ROUNDS, &mut closed);
        let mut back = closed;
        open(&ROUNDS, &mut back);
        assert_eq!(back, plain);
        for at in [0, LEFT - 1, LEFT, PAYLOAD - 1] {
            let steps: [(Step, _); 2] = [(close, &plain), (open, &closed)];
            for (step, from) in steps {
                let (mut one, mut other) = (*from, *from);
                other[at] ^= 1;
                step(&ROUNDS, &mut one);
                step(&ROUNDS, &mut other);
                // Of random bytes one in 256 is equal; 20 of 1,044 would be a wonder.
                for range in [0..LEFT, LEFT..PAYLOAD] {
                    let equal = range.clone().filter(|at| one[*at] == other[*at]).count();
                    assert!(equal < 20 && equal * 8 < range.len(), "{equal} from byte {at}");
                }
            }
        }
    }
}
