//! Random histories, crashes included: what was acknowledged is there, and the bounds hold.

use std::collections::{BTreeMap, BTreeSet};

use machine::UnixTime;
use meshwork_dht::{Arrival, Change, Mailboxes, MemoryStore, MessageId, Source};
use proptest::prelude::*;

use super::{Mail, NOW, at, id, link, recipient, small};

#[derive(Clone, Debug)]
enum Step {
    Put {
        mail: Mail,
        from: u8,
    },
    /// The oldest write under way ends.
    Written {
        ok: bool,
    },
    Take {
        recipient: u8,
        numbers: Vec<u64>,
    },
    Expire {
        quanta: u64,
    },
    /// The process dies, and starts again with what is on the disk.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mail = (0..40_u64, 1..4_u8, any::<bool>(), 1..20_u16, 200..5_000_usize).prop_map(
        |(number, recipient, urgent, lifetime, len)| {
            // One id is of one message.
            let number = number * 4 + u64::from(recipient);
            Mail { number, recipient, urgent, lifetime, len: 0 }.of_len(len)
        },
    );
    let step = prop_oneof![
        8 => (mail, 0..4_u8).prop_map(|(mail, from)| Step::Put { mail, from }),
        8 => any::<bool>().prop_map(|ok| Step::Written { ok }),
        2 => (1..4_u8, prop::collection::vec(0..160_u64, 0..12))
            .prop_map(|(recipient, numbers)| Step::Take { recipient, numbers }),
        1 => (0..20_u64).prop_map(|quanta| Step::Expire { quanta }),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..120)
}

struct Node {
    mailboxes: Mailboxes,
    disk: MemoryStore,
    writing: Vec<(Arrival, Vec<Change>)>,
    /// What was acknowledged and not given up since, taken or expired, with its recipient.
    owed: BTreeMap<MessageId, u8>,
    sources: BTreeMap<Arrival, (Source, usize)>,
    wall: UnixTime,
}

impl Node {
    fn new() -> Self {
        Self {
            mailboxes: Mailboxes::new(&small(), &[1; 32]),
            disk: MemoryStore::default(),
            writing: Vec::new(),
            owed: BTreeMap::new(),
            sources: BTreeMap::new(),
            wall: NOW,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { mail, from } => {
                let source = if from == 0 { Source::Own } else { link(from) };
                let envelope = mail.envelope();
                if let Ok(new) = self.mailboxes.admit(&envelope, mail.id(), source, at(self.wall)) {
                    self.sources.insert(new.arrival, (source, mail.len));
                    self.writing.push((new.arrival, new.changes));
                }
            }
            Step::Written { .. } if self.writing.is_empty() => {}
            Step::Written { ok } => {
                if !ok {
                    self.writing.clear();
                    return self.mailboxes.failed();
                }
                let (arrival, changes) = self.writing.remove(0);
                self.write(changes);
                let entry = self.mailboxes.durable(arrival).expect("it was being written");
                self.owed.insert(entry.id, entry.recipient.as_bytes()[0]);
            }
            Step::Take { recipient: byte, numbers } => {
                let ids: Vec<_> = numbers.into_iter().map(id).collect();
                let changes = self.mailboxes.take(&recipient(byte), &ids);
                self.owed.retain(|id, of| *of != byte || !ids.contains(id));
                self.write(changes);
            }
            Step::Expire { quanta } => {
                self.wall = self.wall.after(std::time::Duration::from_mins(5 * quanta));
                let changes = self.mailboxes.expire(at(self.wall), 3);
                self.write(changes);
            }
            Step::Crash => {
                self.writing.clear();
                self.mailboxes = Mailboxes::new(&small(), &[1; 32]);
                let forgotten = self.mailboxes.restore(self.disk.snapshot().entries);
                self.write(forgotten);
                let before = |entry: &meshwork_dht::Entry| {
                    (entry.arrival, (Source::Before(entry.recipient), entry.len))
                };
                self.sources = self.disk.snapshot().entries.iter().map(before).collect();
            }
        }
    }

    /// What goes from the disk is owed no more: it was taken, expired, or gave way by the rules.
    fn write(&mut self, changes: Vec<Change>) {
        let ids: BTreeMap<_, _> =
            self.disk.snapshot().entries.iter().map(|entry| (entry.arrival, entry.id)).collect();
        for change in &changes {
            if let Change::Drop(arrival) = change {
                self.owed.remove(&ids[arrival]);
            }
        }
        self.disk.apply(changes);
    }

    fn listed(&self, byte: u8) -> BTreeSet<MessageId> {
        super::all(&self.mailboxes, byte, 2).into_iter().map(id).collect()
    }

    fn check(&self) {
        let config = small();
        let gauges = self.mailboxes.gauges();
        assert!(gauges.bytes <= config.bytes_max && gauges.messages <= config.messages_max);
        let rows = self.disk.snapshot().entries;
        let on_disk: BTreeSet<_> = rows.iter().map(|entry| entry.id).collect();
        for owed in self.owed.keys() {
            assert!(on_disk.contains(owed), "{owed} was acknowledged and is not on the disk");
        }
        for byte in 1..4 {
            let here: Vec<_> = rows.iter().filter(|row| row.recipient == recipient(byte)).collect();
            assert!(here.len() <= config.recipient_messages_max);
            let bytes: usize = here.iter().map(|row| row.len).sum();
            assert!(bytes <= config.recipient_bytes_max);
            let listed = self.listed(byte);
            assert!(listed.iter().all(|id| here.iter().any(|row| row.id == *id)));
            if self.writing.is_empty() {
                assert_eq!(listed.len(), here.len(), "what is on the disk is listed");
            }
        }
        let mut sources: BTreeMap<Source, usize> = BTreeMap::new();
        for row in &rows {
            let (source, len) = self.sources[&row.arrival];
            *sources.entry(source).or_default() += len;
        }
        let links = sources.iter().filter(|(source, _)| !matches!(source, Source::Before(_)));
        assert!(links.into_iter().all(|(_, bytes)| *bytes <= config.link_bytes_max));
    }
}

proptest! {
    #[test]
    fn what_is_acknowledged_is_kept_and_bounds_hold(steps in steps()) {
        let mut node = Node::new();
        for step in steps {
            node.step(step);
            node.check();
        }
    }

    /// Whoever asks for less than others have finds room; and nobody loses what a smaller share
    /// needs.
    #[test]
    fn nobody_gives_way_to_a_larger_share(steps in steps()) {
        let mut node = Node::new();
        for step in steps {
            let Step::Put { mail, from } = step.clone() else {
                node.step(step);
                continue;
            };
            let weight = |len: usize| len.max(2_000);
            let source = if from == 0 { Source::Own } else { link(from) };
            let shares = |node: &Node| {
                let mut shares: BTreeMap<(Source, u8), usize> = BTreeMap::new();
                for row in node.mailboxes_entries() {
                    let (source, len) = node.sources[&row.arrival];
                    let byte = row.recipient.as_bytes()[0];
                    *shares.entry((source, byte)).or_default() += weight(len);
                }
                shares
            };
            let before = shares(&node);
            let settled = node.writing.is_empty();
            node.step(step);
            let after = shares(&node);
            if !settled {
                continue;
            }
            // The newcomer is being written: it is not among what the source has.
            let total = |shares: &BTreeMap<(Source, u8), usize>, of: Source| -> usize {
                shares.iter().filter(|((source, _), _)| *source == of).map(|(_, w)| w).sum()
            };
            for ((of, byte), had) in &before {
                let has = after.get(&(*of, *byte)).copied().unwrap_or(0);
                if has < *had && *of != source {
                    let here = after.get(&(source, mail.recipient)).copied().unwrap_or(0);
                    let fair_here = *byte == mail.recipient && here + weight(mail.len) < *had;
                    let fair = total(&after, source) + weight(mail.len) < total(&before, *of);
                    prop_assert!(fair_here || fair, "{of:?} lost to {source:?}");
                }
            }
        }
    }
}

impl Node {
    fn mailboxes_entries(&self) -> Vec<meshwork_dht::Entry> {
        let kept = |byte| self.mailboxes.kept_for(&recipient(byte), Arrival(0)).copied();
        (1..4).flat_map(kept).collect()
    }
}
