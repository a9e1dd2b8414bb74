//! `orders export`: lines of JSON out.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::Report;
use super::super::words::counted;
use super::arguments::{Export, Place};
use crate::control::Client;
use crate::printable::Printable;

#[derive(Debug, Serialize)]
struct Exported {
    orders: u64,
    file: String,
}

impl Report for Exported {
    fn text(&self) -> String {
        let orders = counted(self.orders, "order");
        format!("{orders} written to {}", Printable(&self.file))
    }
}

pub(super) fn export(context: &Context<'_>, asked: &Export) -> Result<(), Failure> {
    let output = context.output;
    match &asked.file {
        Place::Standard => context.talk(&asked.node, async |client: Client| {
            each(&client, |lines| output.wanted(lines)).await.map(drop)
        }),
        Place::File(path) => {
            let unwritten = |source| Failure::File { path: path.clone(), source };
            let mut file = beside(path).map_err(unwritten)?;
            let orders = context.talk(&asked.node, async |client: Client| {
                each(&client, |lines| file.write_all(lines).map(|()| true).map_err(unwritten)).await
            })?;
            file.as_file().sync_all().map_err(unwritten)?;
            file.persist(path).map_err(|error| unwritten(error.error))?;
            output.report(&Exported { orders, file: path.display().to_string() })
        }
    }
}

/// Hands each part of the lines to `write`, until it does not want more; says how many lines.
async fn each(
    client: &Client,
    mut write: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<u64, Failure> {
    let mut parts = client.orders_export().await?;
    let mut orders = 0_u64;
    while let Some(part) = parts.next().await? {
        orders = orders.saturating_add(part.count.into());
        if !write(&part.lines)? {
            break;
        }
    }
    Ok(orders)
}

/// A new file that can take the place of the one at `path` in one step.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))
}
