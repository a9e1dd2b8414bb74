//! A file or standard input, read beside the runtime.

use std::fs::File;
use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::arguments::Place;
use crate::control::PART_BYTES_MAX;

/// Parts that are read ahead.
const PARTS: usize = 4;

/// How reading ended.
pub(super) type Ended = oneshot::Receiver<io::Result<()>>;

/// What is being read.
pub(super) struct Input {
    /// Its bytes, part by part.
    pub(super) parts: ReceiverStream<Bytes>,
    /// How it ended, when the parts have.
    pub(super) ended: Ended,
    /// How long it is, if that is known.
    pub(super) len: Option<u64>,
}

impl Input {
    /// Begins to read, on a thread of its own: who waits for a person to type can still be ended.
    pub(super) fn open(place: &Place) -> io::Result<Self> {
        let (source, len): (Box<dyn Read + Send>, _) = match place {
            Place::Standard => (Box::new(io::stdin()), None),
            Place::File(path) => {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                let len = metadata.is_file().then_some(metadata.len());
                (Box::new(file), len)
            }
        };
        let (part, parts) = mpsc::channel(PARTS);
        let (end, ended) = oneshot::channel();
        thread::Builder::new()
            .name("meshwork-input".to_owned())
            .spawn(move || drop(end.send(read(source, &part))))?;
        Ok(Self { parts: ReceiverStream::new(parts), ended, len })
    }
}

/// Reads until the end, or until nobody wants more.
fn read(mut source: impl Read, parts: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut buffer = vec![0; PART_BYTES_MAX];
    loop {
        let len = match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = buffer.get(..len).unwrap_or_default();
        if parts.blocking_send(Bytes::copy_from_slice(part)).is_err() {
            return Ok(());
        }
    }
}
