//! Mailboxes: what is kept, for whom, in how much room, and in which order it is given out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod copies;
mod deposits;
mod laws;
mod links;
mod network;

use std::time::Duration;

use bytes::Bytes;
use machine::{Instant, PeerId, UnixTime};
use meshwork_dht::{
    Arrival, Change, Config, Destination, Envelope, MailGauges, MailboxConfig, Mailboxes,
    MessageId, Moment, NotKept, Scope, Source, padded,
};

/// What is in a sealed envelope beside the letter.
const FRAME: usize = 73 + 32 + 16 + 64;
const NOW: UnixTime = UnixTime::from_millis(1_790_000_000_000);

/// By both clocks, of which neither was ever set.
fn at(wall: UnixTime) -> Moment {
    Moment { now: Instant::START.after(wall.since(NOW)), wall }
}

/// A message as a mailbox sees it; nobody signed it.
#[derive(Clone, Copy, Debug)]
struct Mail {
    number: u64,
    recipient: u8,
    urgent: bool,
    /// In quanta of five minutes.
    lifetime: u16,
    len: usize,
}

impl Mail {
    fn new(number: u64, recipient: u8) -> Self {
        let mail = Self { number, recipient, urgent: false, lifetime: 12, len: 0 };
        mail.of_len(1_000)
    }

    /// As long as an envelope may be that is no longer than `len`, or the shortest.
    fn of_len(self, len: usize) -> Self {
        let fits = (0..=len.saturating_sub(FRAME)).rev().find(|len| padded(*len) == *len);
        Self { len: FRAME + fits.unwrap_or_else(|| padded(0)), ..self }
    }

    const fn urgent(self) -> Self {
        Self { urgent: true, ..self }
    }

    const fn living(self, lifetime: u16) -> Self {
        Self { lifetime, ..self }
    }

    fn id(&self) -> MessageId {
        id(self.number)
    }

    fn envelope(&self) -> Envelope {
        let created = u32::try_from(NOW.as_millis() / 300_000).unwrap();
        let mut bytes = vec![1, 1, 1 | u8::from(self.urgent) << 1];
        bytes.extend_from_slice(recipient(self.recipient).as_bytes());
        bytes.extend_from_slice(&created.to_be_bytes());
        bytes.extend_from_slice(&self.lifetime.to_be_bytes());
        bytes.extend_from_slice(&[9; 32]);
        bytes.resize(self.len, 5);
        Envelope::parse(bytes.into()).unwrap()
    }

    fn admit(&self, mailboxes: &mut Mailboxes, from: Source) -> Result<Vec<Change>, NotKept> {
        let admission = mailboxes.admit(&self.envelope(), self.id(), from, at(NOW))?;
        assert_eq!(mailboxes.durable(admission.arrival).map(|entry| entry.id), Some(self.id()));
        Ok(admission.changes)
    }
}

fn id(number: u64) -> MessageId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    MessageId(id)
}

fn recipient(byte: u8) -> Destination {
    Destination::from_bytes([byte; 32]).unwrap()
}

fn link(number: u8) -> Source {
    Source::Link(Destination::from_bytes([number; 32]).unwrap().peer())
}

/// 4 messages or 8,000 bytes for one recipient, 16,000 bytes of one link, 16 messages in all.
fn small() -> MailboxConfig {
    MailboxConfig {
        recipient_bytes_max: 8_000,
        recipient_messages_max: 4,
        link_bytes_max: 16_000,
        bytes_max: 32_000,
        messages_max: 16,
        page_max: 3,
        ..Config::default().mailbox
    }
}

fn mailboxes() -> Mailboxes {
    Mailboxes::new(&small(), &[1; 32])
}

/// All that is kept for a recipient, page by page.
fn all(mailboxes: &Mailboxes, byte: u8, max: usize) -> Vec<u64> {
    let mut cursor = Bytes::new();
    let mut found = Vec::new();
    loop {
        let page = mailboxes.list(&recipient(byte), &cursor, max);
        assert!(page.ids.len() <= max);
        found.extend(page.ids.iter().map(|id| u64::from_be_bytes(id.0[..8].try_into().unwrap())));
        if !page.more {
            return found;
        }
        assert!(!page.ids.is_empty(), "a page that leads further leads somewhere");
        cursor = page.cursor;
    }
}

/// Defect 14 of the seed: the newest first, up to a limit, and the others never.
#[test]
fn defect_14_what_is_kept_is_listed_to_the_end_the_oldest_first() {
    let config = MailboxConfig { page_max: 64, ..Config::default().mailbox };
    let mut mailboxes = Mailboxes::new(&config, &[1; 32]);
    for number in 0..200 {
        Mail::new(number, 1).admit(&mut mailboxes, link(1)).unwrap();
        Mail::new(1_000 + number, 2).admit(&mut mailboxes, link(1)).unwrap();
    }
    for max in [1, 7, 64, 1_000] {
        assert_eq!(all(&mailboxes, 1, max), (0..200).collect::<Vec<_>>());
        assert_eq!(all(&mailboxes, 2, max), (1_000..1_200).collect::<Vec<_>>());
    }
    assert!(all(&mailboxes, 3, 64).is_empty());
    assert!(mailboxes.list(&recipient(1), &[], 0).ids.is_empty());
}

#[test]
fn what_comes_while_pages_are_read_is_on_a_later_page() {
    let mut mailboxes = Mailboxes::new(&Config::default().mailbox, &[1; 32]);
    let mut keep = |number: u64| {
        Mail::new(number, 1).admit(&mut mailboxes, link(1)).unwrap();
        mailboxes.list(&recipient(1), &[], 2)
    };
    keep(0);
    let page = keep(1);
    assert_eq!((page.ids, page.more), (vec![id(0), id(1)], false));
    keep(2);
    let next = mailboxes.list(&recipient(1), &page.cursor, 2);
    assert_eq!((next.ids, next.more), (vec![id(2)], false));
    // What was taken meanwhile moves nothing.
    assert_eq!(mailboxes.take(&recipient(1), &[id(1)]).len(), 1);
    assert_eq!(mailboxes.list(&recipient(1), &page.cursor, 2).ids, [id(2)]);
    let end = mailboxes.list(&recipient(1), &next.cursor, 2);
    assert_eq!((end.ids, end.more), (vec![], false));
    assert_eq!(end.cursor, next.cursor);
}

/// Defect 1 of the seed: a request that says *since now* emptied the store, of everybody's mail.
#[test]
fn defect_1_asking_deletes_nothing_whatever_the_cursor() {
    let mut mailboxes = mailboxes();
    for number in 0..3 {
        Mail::new(number, 1).admit(&mut mailboxes, link(1)).unwrap();
        Mail::new(10 + number, 2).admit(&mut mailboxes, link(1)).unwrap();
    }
    let before = mailboxes.gauges();
    let own = mailboxes.list(&recipient(1), &[], 2).cursor;
    for cursor in [&own[..], &[], &[0xff; 24], &[0; 64], &u64::MAX.to_be_bytes()] {
        for byte in 0x01..=0x03 {
            drop(mailboxes.list(&recipient(byte), cursor, 64));
        }
    }
    assert_eq!(mailboxes.gauges(), before);
    // The cursor of another leads to the beginning of one's own, and nowhere else.
    assert_eq!(mailboxes.list(&recipient(2), &own, 64).ids, [id(10), id(11), id(12)]);
    assert_eq!(mailboxes.list(&recipient(1), &own, 64).ids, [id(2)]);
}

#[test]
fn nobody_gets_or_takes_what_is_for_another() {
    let mut mailboxes = mailboxes();
    Mail::new(1, 1).admit(&mut mailboxes, link(1)).unwrap();
    assert!(mailboxes.get(&recipient(2), &id(1)).is_none());
    assert_eq!(mailboxes.take(&recipient(2), &[id(1)]), []);
    assert!(mailboxes.get(&recipient(1), &id(1)).is_some());
    assert_eq!(mailboxes.take(&recipient(1), &[id(1), id(1), id(5)]), [Change::Drop(Arrival(1))]);
    assert!(mailboxes.get(&recipient(1), &id(1)).is_none());
    assert_eq!(mailboxes.gauges(), MailGauges::default());
}

#[test]
fn what_is_being_written_is_not_shown() {
    let mut mailboxes = mailboxes();
    let mail = Mail::new(1, 1);
    let admitted = mailboxes.admit(&mail.envelope(), mail.id(), link(1), at(NOW)).unwrap();
    assert!(all(&mailboxes, 1, 9).is_empty());
    assert!(mailboxes.get(&recipient(1), &mail.id()).is_none());
    assert_eq!(mailboxes.take(&recipient(1), &[mail.id()]), []);
    let again = mailboxes.admit(&mail.envelope(), mail.id(), link(2), at(NOW));
    assert_eq!(again, Err(NotKept::Writing));
    // It takes room already.
    assert_eq!(mailboxes.gauges().messages, 1);

    let later = Mail::new(2, 1);
    let second = mailboxes.admit(&later.envelope(), later.id(), link(1), at(NOW)).unwrap();
    mailboxes.durable(second.arrival).unwrap();
    assert!(all(&mailboxes, 1, 9).is_empty(), "a cursor would lead past the first");
    mailboxes.durable(admitted.arrival).unwrap();
    assert_eq!(all(&mailboxes, 1, 9), [1, 2]);
    let again = mailboxes.admit(&mail.envelope(), mail.id(), link(2), at(NOW));
    assert_eq!(again, Err(NotKept::Known(mail.envelope().expires())));
}

#[test]
fn only_what_may_be_kept_is_kept_and_until_it_expires() {
    let mut mailboxes = mailboxes();
    let mail = Mail::new(1, 1);
    let expires = mail.envelope().expires();
    let late = mailboxes.admit(&mail.envelope(), mail.id(), link(1), at(expires));
    assert_eq!(late.unwrap_err(), NotKept::Expired);

    let mut bytes = mail.envelope().bytes().to_vec();
    bytes[2] = 0;
    let unflagged = Envelope::parse(bytes.into()).unwrap();
    let kept = mailboxes.admit(&unflagged, mail.id(), link(1), at(NOW));
    assert_eq!(kept.unwrap_err(), NotKept::NotToBeKept);

    mail.admit(&mut mailboxes, link(1)).unwrap();
    Mail::new(2, 1).living(24).admit(&mut mailboxes, link(1)).unwrap();
    assert_eq!(mailboxes.next_expiry(), Some(at(expires).now));
    let before = UnixTime::from_millis(expires.as_millis() - 1);
    assert_eq!(mailboxes.expire(at(before), 9), []);
    assert_eq!(mailboxes.expire(at(expires), 0), []);
    assert_eq!(mailboxes.expire(at(expires), 9), [Change::Drop(Arrival(1))]);
    assert_eq!(all(&mailboxes, 1, 9), [2]);
}

#[test]
fn setting_a_clock_deletes_nothing() {
    let mut mailboxes = mailboxes();
    let mail = Mail::new(1, 1);
    let changes = mail.admit(&mut mailboxes, link(1)).unwrap();
    let expires = mail.envelope().expires();
    let (soon, day) = (Duration::from_secs(1), Duration::from_hours(24));
    let forward = Moment { now: Instant::START.after(soon), wall: expires.after(day) };
    assert_eq!(mailboxes.expire(forward, 9), []);
    let back = Moment { now: at(expires).now, wall: NOW };
    assert_eq!(mailboxes.expire(back, 9), []);
    let again = at(expires).now.after(expires.since(NOW));
    assert_eq!(mailboxes.next_expiry(), Some(again), "it is looked at again, and not all the time");
    let over = Moment { now: again, wall: expires };
    assert_eq!(mailboxes.expire(over, 9), [Change::Drop(Arrival(1))]);

    // Of what is from before the start only the clock on the wall can tell.
    let [Change::Keep { entry, .. }] = changes[..] else { panic!("{changes:?}") };
    let mut later = self::mailboxes();
    assert_eq!(later.restore(vec![entry]), []);
    assert_eq!(later.next_expiry(), Some(Instant::START));
    assert_eq!(later.expire(at(NOW), 9), []);
    assert_eq!(later.next_expiry(), Some(at(expires).now));
    assert_eq!(later.expire(at(expires), 9), [Change::Drop(Arrival(1))]);
}

/// It costs nearly two megabytes to fill a mailbox, however small the messages are.
#[test]
fn small_messages_take_little_of_a_mailbox() {
    let mut mailboxes = Mailboxes::new(&Config::default().mailbox, &[1; 32]);
    let smallest = Mail::new(0, 1).of_len(0);
    let mut bytes = 0;
    for number in 0.. {
        let mail = Mail { number, ..smallest };
        if mail.admit(&mut mailboxes, link(1)).is_err() {
            break;
        }
        bytes += mail.len;
    }
    assert_eq!((smallest.len, bytes), (441, 4_096 * 441));
    Mail::new(9_999, 1).admit(&mut mailboxes, link(2)).unwrap();
}

/// Who brought a message is its last carrier, so what is of one source is of many senders: none of
/// them drives out the others.
#[test]
fn an_urgent_message_drives_out_nothing_of_its_own_source() {
    let mut mailboxes = mailboxes();
    for number in 0..4 {
        Mail::new(number, 1).admit(&mut mailboxes, link(1)).unwrap();
    }
    let full = Err(NotKept::Full(Scope::Recipient));
    assert_eq!(Mail::new(4, 1).urgent().admit(&mut mailboxes, link(1)), full);
    for number in 10..14 {
        Mail::new(number, 2).admit(&mut mailboxes, link(1)).unwrap();
    }
    let full = Err(NotKept::Full(Scope::Source));
    assert_eq!(Mail::new(14, 3).urgent().admit(&mut mailboxes, link(1)), full);
    assert_eq!(all(&mailboxes, 1, 9), [0, 1, 2, 3]);
    assert_eq!(all(&mailboxes, 2, 9), [10, 11, 12, 13]);
}

#[test]
fn what_gives_way_to_another_source_is_what_is_not_urgent_then_what_expires_first() {
    let mut mailboxes = mailboxes();
    Mail::new(0, 1).living(30).admit(&mut mailboxes, link(1)).unwrap();
    Mail::new(1, 1).living(10).admit(&mut mailboxes, link(1)).unwrap();
    Mail::new(2, 1).living(5).urgent().admit(&mut mailboxes, link(1)).unwrap();
    Mail::new(3, 1).living(288).urgent().admit(&mut mailboxes, link(1)).unwrap();
    for (number, left) in [(10, [0, 2, 3, 10]), (11, [2, 3, 10, 11])] {
        Mail::new(number, 1).admit(&mut mailboxes, link(2)).unwrap();
        assert_eq!(all(&mailboxes, 1, 9), left);
    }
    Mail::new(12, 1).admit(&mut mailboxes, link(3)).unwrap();
    assert_eq!(all(&mailboxes, 1, 9).len(), 4);
}

#[test]
fn a_source_that_fills_a_mailbox_makes_room_for_another() {
    let mut mailboxes = mailboxes();
    for number in 0..4 {
        // However urgent, and however long they live.
        Mail::new(number, 1).urgent().living(288).admit(&mut mailboxes, link(1)).unwrap();
    }
    let changes = Mail::new(10, 1).admit(&mut mailboxes, link(2)).unwrap();
    assert_eq!(changes[0], Change::Drop(Arrival(1)));
    assert_eq!(all(&mailboxes, 1, 9), [1, 2, 3, 10]);
    Mail::new(11, 1).admit(&mut mailboxes, link(2)).unwrap();
    assert_eq!(all(&mailboxes, 1, 9), [2, 3, 10, 11]);
    // Two and two: neither drives out the other.
    let full = Err(NotKept::Full(Scope::Recipient));
    assert_eq!(Mail::new(12, 1).admit(&mut mailboxes, link(2)), full);
    assert_eq!(Mail::new(13, 1).urgent().admit(&mut mailboxes, link(1)), full);
    assert_eq!(all(&mailboxes, 1, 9), [2, 3, 10, 11]);
    // A third finds room: once.
    Mail::new(14, 1).admit(&mut mailboxes, link(3)).unwrap();
    assert_eq!(Mail::new(15, 1).admit(&mut mailboxes, link(3)), full);
}

#[test]
fn a_source_has_its_share_of_all_mailboxes() {
    let mut mailboxes = mailboxes();
    for number in 0..8 {
        Mail::new(number, u8::try_from(number).unwrap() + 1)
            .admit(&mut mailboxes, link(1))
            .unwrap();
    }
    let full = Err(NotKept::Full(Scope::Source));
    assert_eq!(Mail::new(8, 9).admit(&mut mailboxes, link(1)), full);
    // Another fills the rest; a third takes of both in turn, until all three have as much.
    for number in 10..18 {
        Mail::new(number, u8::try_from(number).unwrap() + 1)
            .admit(&mut mailboxes, link(2))
            .unwrap();
    }
    let gone = |changes: Vec<Change>| changes.len() - 1;
    for number in 20..25 {
        let byte = u8::try_from(number).unwrap() + 1;
        assert_eq!(Mail::new(number, byte).admit(&mut mailboxes, link(3)).map(gone), Ok(1));
    }
    let full = Err(NotKept::Full(Scope::All));
    assert_eq!(Mail::new(25, 26).admit(&mut mailboxes, link(3)), full);
    assert_eq!(Mail::new(26, 27).admit(&mut mailboxes, Source::Own).map(gone), Ok(1));
    assert_eq!(mailboxes.gauges().messages, 16);
}

#[test]
fn what_gave_way_is_back_when_its_successor_is_not_written() {
    let mut mailboxes = mailboxes();
    for number in 0..4 {
        Mail::new(number, 1).admit(&mut mailboxes, link(1)).unwrap();
    }
    let before = mailboxes.gauges();
    let mail = Mail::new(9, 1).of_len(3_000);
    let admitted = mailboxes.admit(&mail.envelope(), mail.id(), link(2), at(NOW)).unwrap();
    assert_eq!(admitted.changes.len(), 3, "two go, one comes: {:?}", admitted.changes);
    assert_eq!(all(&mailboxes, 1, 9), [2, 3]);
    mailboxes.failed();
    assert_eq!(all(&mailboxes, 1, 9), [0, 1, 2, 3]);
    assert_eq!(mailboxes.gauges(), before);
    assert_eq!(mailboxes.durable(admitted.arrival), None);
    // A number is not given twice: the row may be there after all.
    let next = mailboxes.admit(&mail.envelope(), mail.id(), link(2), at(NOW)).unwrap();
    assert!(next.arrival > admitted.arrival);
}

#[test]
fn after_a_start_everything_is_there_and_goes_on_with_later_numbers() {
    let mut before = mailboxes();
    let mut rows = Vec::new();
    for number in 0..16 {
        // Four mailboxes filled by two links.
        let mail = Mail::new(number, u8::try_from(number / 4).unwrap() + 1);
        let changes = mail.admit(&mut before, link(1 + u8::try_from(number / 8).unwrap())).unwrap();
        let [Change::Keep { entry, .. }] = &changes[..] else { panic!("{changes:?}") };
        rows.push(*entry);
    }
    let mut after = mailboxes();
    assert_eq!(after.restore(rows.clone()), []);
    assert_eq!(after.gauges(), before.gauges());
    for byte in 1..=4 {
        assert_eq!(all(&after, byte, 2), all(&before, byte, 2));
    }
    // What comes gets a later number than all.
    assert_eq!(after.take(&recipient(1), &[id(0)]), [Change::Drop(Arrival(1))]);
    let changes = Mail::new(50, 9).admit(&mut after, link(9)).unwrap();
    assert!(matches!(&changes[..], [Change::Keep { entry, .. }] if entry.arrival == Arrival(17)));

    // With smaller bounds, the rest is to be forgotten; a row that is there twice, as well.
    let fewer = MailboxConfig { recipient_messages_max: 2, ..small() };
    let mut fewer = Mailboxes::new(&fewer, &[1; 32]);
    let twice = [rows.clone(), rows[..1].to_vec()].concat();
    let dropped = fewer.restore(twice);
    assert_eq!(fewer.gauges().messages, 8);
    assert_eq!(dropped.len(), 9);
}

/// Whoever waits for a start, or causes one, does not get the room of all who came before.
#[test]
fn after_a_start_what_is_for_one_counts_as_from_eight() {
    let config = MailboxConfig {
        recipient_bytes_max: 64_000,
        recipient_messages_max: 32,
        link_bytes_max: 64_000,
        bytes_max: 64_000,
        messages_max: 32,
        ..small()
    };
    let mut before = Mailboxes::new(&config, &[1; 32]);
    let mut rows = Vec::new();
    for number in 0..32 {
        let from = link(1 + u8::try_from(number / 4).unwrap());
        let changes = Mail::new(number, 1).admit(&mut before, from).unwrap();
        let [Change::Keep { entry, .. }] = &changes[..] else { panic!("{changes:?}") };
        rows.push(*entry);
    }
    let mut after = Mailboxes::new(&config, &[1; 32]);
    assert_eq!(after.restore(rows), []);
    for mut mailboxes in [before, after] {
        // Eight have four each: a ninth gets three, before the start and after it.
        let put = |number| Mail::new(number, 1).admit(&mut mailboxes, link(9));
        assert_eq!((50..60).flat_map(put).count(), 3);
    }
}

#[test]
fn a_cursor_of_before_the_start_leads_to_the_beginning() {
    let mut mailboxes = mailboxes();
    Mail::new(1, 1).admit(&mut mailboxes, link(1)).unwrap();
    let cursor = mailboxes.list(&recipient(1), &[], 1).cursor;
    let mut other = Mailboxes::new(&small(), &[2; 32]);
    Mail::new(1, 1).admit(&mut other, link(1)).unwrap();
    assert_eq!(mailboxes.list(&recipient(1), &cursor, 1).ids, []);
    assert_eq!(other.list(&recipient(1), &cursor, 1).ids, [id(1)]);
}

#[test]
fn recipients_are_gone_through_in_turn() {
    let mut mailboxes = mailboxes();
    for byte in [3, 1, 2] {
        Mail::new(byte.into(), byte).admit(&mut mailboxes, link(1)).unwrap();
    }
    let mut last = None;
    let mut found = Vec::new();
    while let Some(next) = mailboxes.next_recipient(last.as_ref()) {
        found.push(next);
        last = Some(next);
    }
    assert_eq!(found, [1, 2, 3].map(recipient));
    assert!(mailboxes.has(&recipient(1)) && !mailboxes.has(&recipient(4)));
}

#[test]
fn what_a_server_says_is_signed() {
    let keys = |seed| libp2p_identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let stored = meshwork_dht::Stored::sign(&keys(1), &id(1), NOW).unwrap();
    assert_eq!(stored.server, keys(1).public().to_peer_id());
    assert!(stored.verify(&id(1)).is_ok());
    assert!(stored.verify(&id(2)).is_err());
    let later = meshwork_dht::Stored { until: NOW.after(Duration::from_secs(1)), ..stored };
    assert!(later.verify(&id(1)).is_err());
    let another = meshwork_dht::Stored { server: keys(2).public().to_peer_id(), ..stored };
    assert!(another.verify(&id(1)).is_err());
    assert!(meshwork_dht::Stored { server: PeerId::random(), ..stored }.verify(&id(1)).is_err());
}
