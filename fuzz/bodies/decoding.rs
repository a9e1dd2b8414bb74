//! Packed cells of a hostile remote, decoded against a set of our own.

use reconcile::packed::{self, CELL_MAX};
use reconcile::{CheckWidth, DecodeError, Decoder, Encoder, Key, Limits, Plan, Status};

/// Our set; the remote says that its own has as many symbols as the first byte, times eight.
const OURS: std::ops::Range<u64> = 0..40;
const LIMITS: Limits = Limits { cells_max: 96, recovered_max: 64 };

/// A byte for the size of the remote's set, then blocks: a byte for how many cells, and their bytes,
/// as many as cells of one byte of count have, or all that are left.
pub(crate) fn decoder(data: &[u8]) {
    let Some((&len, mut data)) = data.split_first() else { return };
    let set_len = u64::from(len) * 8;
    let key = Key::from_bytes([9; 16]);
    let mut decoder = Decoder::new(key, CheckWidth::Low32, LIMITS);
    let mut ours = Encoder::new(key, OURS);
    while let Some((&cells, rest)) = data.split_first() {
        let (first, cells) = (decoder.cells() as u64, usize::from(cells % 64));
        let (block, rest) = rest.split_at(rest.len().min(13 * cells));
        data = rest;
        let Ok(remote) = packed::unpack(block, first, cells, set_len) else { continue };
        assert_eq!(packed::pack(&remote, first, set_len), block, "two forms of one block");
        assert!(block.len() <= cells * CELL_MAX);
        let outcome = decoder.extend(&remote, &ours.block(cells));
        let found = decoder.remote_only().len() + decoder.local_only().len();
        assert!(found <= LIMITS.recovered_max && found <= decoder.cells());
        assert_eq!(decoder.status() == Status::Complete, outcome == Ok(Status::Complete));
        let next = Plan::of_first(32).next(&decoder);
        assert!(decoder.cells() + next <= LIMITS.cells_max);
        if let Err(error) = outcome {
            assert!(!matches!(error, DecodeError::Uneven { .. }));
            return;
        }
    }
}
