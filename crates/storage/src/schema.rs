//! What the file says of itself, and the steps from one version of its layout to the next.

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use crate::error::Refusal;
use crate::file::refusal_of;

/// Each table of the file. Keys and values are bytes; their layout belongs to the row.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Table {
    /// What the file says of itself, and single values.
    Meta,
    Bans,
    Seeds,
    Book,
    Anchors,
    Orders,
    /// What the replay guard remembers, in blocks of tags.
    ReplayTags,
    /// Tickets that are held or were issued, and what goes with them.
    Tickets,
    /// Accounts and channels.
    Ledger,
    /// What is known of messages that are kept for others.
    Messages,
    /// Those messages.
    Envelopes,
    /// What is remembered of messages that came.
    Seen,
    /// Messages for this node, until it is told to forget them.
    Inbox,
    /// What is known of own messages.
    Sent,
    /// What those of them say that have not ended.
    Letters,
}

pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

impl Table {
    /// Those of schema 1.
    const FIRST: [Self; 5] = [Self::Meta, Self::Bans, Self::Seeds, Self::Book, Self::Anchors];

    /// Those that schema 3 added, for payments.
    const PAYMENTS: [Self; 3] = [Self::ReplayTags, Self::Tickets, Self::Ledger];

    /// Those that schema 4 added, for messages of others.
    const MESSAGES: [Self; 3] = [Self::Messages, Self::Envelopes, Self::Seen];

    /// Those that schema 5 added, for messages from this node and for it.
    const OWN_MESSAGES: [Self; 3] = [Self::Inbox, Self::Sent, Self::Letters];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Bans => "bans",
            Self::Seeds => "seeds",
            Self::Book => "book",
            Self::Anchors => "anchors",
            Self::Orders => "orders",
            Self::ReplayTags => "replay tags",
            Self::Tickets => "tickets",
            Self::Ledger => "ledger",
            Self::Messages => "messages",
            Self::Envelopes => "envelopes",
            Self::Seen => "seen",
            Self::Inbox => "inbox",
            Self::Sent => "sent",
            Self::Letters => "letters",
        }
    }

    pub(crate) const fn definition(self) -> Definition {
        Definition::new(self.name())
    }
}

/// Where [`Table::Meta`] has the schema: four bytes, the highest first.
const SCHEMA_KEY: &[u8] = b"schema";

/// One step from a schema to the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The n-th step leads from schema n to the next one; the first, from an empty file to schema 1.
const STEPS: &[Step] = &[
    |tx| add(tx, &Table::FIRST),
    |tx| add(tx, &[Table::Orders]),
    |tx| add(tx, &Table::PAYMENTS),
    |tx| add(tx, &Table::MESSAGES),
    |tx| add(tx, &Table::OWN_MESSAGES),
];

fn add(tx: &WriteTransaction, tables: &[Table]) -> Result<(), redb::Error> {
    for table in tables {
        drop(tx.open_table(table.definition())?);
    }
    Ok(())
}

/// Makes an empty file one of ours.
pub(crate) fn lay_out(database: &Database) -> Result<(), Refusal> {
    migrate(database, 0, STEPS)
}

/// Sees whether the file is one of ours and brings it to our schema.
pub(crate) fn settle(database: &Database) -> Result<(), Refusal> {
    settle_with(database, STEPS)
}

fn settle_with(database: &Database, steps: &[Step]) -> Result<(), Refusal> {
    let found = read(database)?;
    match usize::try_from(found) {
        _ if found == 0 => Err(Refusal::UnknownSchema { found }),
        Ok(number) if number == steps.len() => Ok(()),
        Ok(number) if number < steps.len() => migrate(database, number, steps),
        _ => Err(Refusal::Newer { found, known: count(steps) }),
    }
}

fn count(steps: &[Step]) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX)
}

/// All steps that are missing and the new number become durable together or not at all.
fn migrate(database: &Database, from: usize, steps: &[Step]) -> Result<(), Refusal> {
    let run = || -> Result<(), redb::Error> {
        let mut tx = database.begin_write()?;
        tx.set_two_phase_commit(true);
        for step in steps.iter().skip(from) {
            step(&tx)?;
        }
        let schema = count(steps).to_be_bytes();
        tx.open_table(Table::Meta.definition())?.insert(SCHEMA_KEY, schema.as_slice())?;
        Ok(tx.commit()?)
    };
    run().map_err(|error| refusal_of(error, "bring it to the present schema"))
}

fn read(database: &Database) -> Result<u32, Refusal> {
    let failed = |error: redb::Error| refusal_of(error, "read its schema");
    let tx = database.begin_read().map_err(|error| failed(error.into()))?;
    let meta = match tx.open_table(Table::Meta.definition()) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(failed(error.into())),
        Err(error) => return Err(Refusal::NotOurs { reason: error.to_string() }),
    };
    let schema = meta.get(SCHEMA_KEY).map_err(|error| failed(error.into()))?;
    let schema = schema.and_then(|schema| schema.value().try_into().ok());
    let absent = || Refusal::NotOurs { reason: "it has no schema".to_owned() };
    schema.map(u32::from_be_bytes).ok_or_else(absent)
}

#[cfg(test)]
mod tests {
    use redb::ReadableTable;
    use redb::backends::InMemoryBackend;

    use super::*;

    fn blank() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    fn of_schema(schema: u32) -> Database {
        let database = blank();
        lay_out(&database).unwrap();
        let tx = database.begin_write().unwrap();
        let mut meta = tx.open_table(Table::Meta.definition()).unwrap();
        meta.insert(SCHEMA_KEY, schema.to_be_bytes().as_slice()).unwrap();
        drop(meta);
        tx.commit().unwrap();
        database
    }

    fn note(tx: &WriteTransaction, note: &[u8]) -> Result<(), redb::Error> {
        let mut meta = tx.open_table(Table::Meta.definition())?;
        let before = meta.get(b"notes".as_slice())?.map(|notes| notes.value().to_vec());
        let notes = [before.unwrap_or_default().as_slice(), note].concat();
        meta.insert(b"notes".as_slice(), notes.as_slice())?;
        Ok(())
    }

    fn notes(database: &Database) -> Option<String> {
        let tx = database.begin_read().unwrap();
        let meta = tx.open_table(Table::Meta.definition()).unwrap();
        let notes = meta.get(b"notes".as_slice()).unwrap();
        notes.map(|notes| String::from_utf8(notes.value().to_vec()).unwrap())
    }

    const THREE: [Step; 3] =
        [|_| panic!("lays out an old file"), |tx| note(tx, b"two "), |tx| note(tx, b"three ")];

    #[test]
    fn an_old_file_is_brought_up_step_by_step_and_once() {
        let database = of_schema(1);
        settle_with(&database, &THREE).unwrap();
        assert_eq!(notes(&database).as_deref(), Some("two three "));
        settle_with(&database, &THREE).unwrap();
        assert_eq!(notes(&database).as_deref(), Some("two three "));
        assert_eq!(read(&database).unwrap(), 3);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_file() {
        let fails: Step = |tx| {
            note(tx, b"half ")?;
            Err(redb::Error::Corrupted("as the test wants".to_owned()))
        };
        let database = of_schema(1);
        let refused = settle_with(&database, &[THREE[0], THREE[1], fails]);
        assert!(matches!(refused, Err(Refusal::Corrupt { .. })), "{refused:?}");
        assert_eq!((read(&database).unwrap(), notes(&database)), (1, None));
    }

    #[test]
    fn a_file_from_before_own_messages_gets_their_tables() {
        let database = blank();
        migrate(&database, 0, &STEPS[..4]).unwrap();
        settle(&database).unwrap();
        assert_eq!(read(&database).unwrap(), 5);
        let tx = database.begin_read().unwrap();
        for table in Table::MESSAGES.into_iter().chain(Table::OWN_MESSAGES) {
            tx.open_table(table.definition()).unwrap();
        }
    }

    #[test]
    fn a_schema_that_is_not_known_is_refused_and_never_guessed() {
        for (schema, message) in [
            (0, "its schema is 0, which never was one"),
            (6, "its schema is 6, this version knows none after 5: update the software"),
            (
                u32::MAX,
                "its schema is 4294967295, this version knows none after 5: update the software",
            ),
        ] {
            let refused = settle(&of_schema(schema)).expect_err("unknown");
            assert_eq!(refused.to_string(), message);
        }
    }

    #[test]
    fn the_file_of_another_program_is_refused() {
        let no_tables = settle(&blank());
        assert!(matches!(no_tables, Err(Refusal::NotOurs { .. })), "{no_tables:?}");
        let other = blank();
        let tx = other.begin_write().unwrap();
        let theirs: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
        tx.open_table(theirs).unwrap().insert("schema", 1).unwrap();
        tx.commit().unwrap();
        let refused = settle(&other);
        assert!(matches!(refused, Err(Refusal::NotOurs { .. })), "{refused:?}");
    }
}
