//! Bytes of a message that are not its payload.

use bytes::BytesMut;
use dht::{Message, PADDED_MIN, PAYLOAD_MAX, padded};
use wire::frame;

use crate::primitives::envelope;
use crate::{Failure, report_ratio};

/// Most bytes that all but payload and padding may take.
const FIXED_AIM: f64 = 320.0;
/// What a letter has before its payload.
const LETTER_LEN: usize = 117;

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
pub(crate) fn run() -> Result<(), Failure> {
    for payload in [0, 64, 139, 1_024, PAYLOAD_MAX] {
        let envelope = envelope(payload)?.bytes().clone();
        let mut frame = BytesMut::new();
        frame::put(&Message::Carry { number: u32::MAX, hops: 12, envelope }, &mut frame)?;
        let whole = frame.len();
        let letter = LETTER_LEN + payload;
        let padding = padded(letter) - letter;
        let fixed = whole - payload - padding;
        let details = format!("{whole} B in all, {fixed} B fixed, aim 320; {padding} B padding");
        report_ratio(&format!("overhead/{payload}"), fixed as f64 / FIXED_AIM, &details);
    }
    let share = |payload: usize| {
        let least = (LETTER_LEN + payload).max(PADDED_MIN);
        (padded(least) - least) as f64 / least as f64
    };
    let worst = (0..=PAYLOAD_MAX).map(share).fold(0.0, f64::max);
    let details = format!("at worst {:.1} % of what is longer than 256 B, aim 12 %", worst * 100.0);
    report_ratio("overhead/padding", worst / 0.12, &details);
    Ok(())
}
