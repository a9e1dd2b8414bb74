//! What every command starts from: the environment, the data directory, the way to a running node.

use std::future::Future;
use std::path::PathBuf;

use super::arguments::Node;
use super::failure::Failure;
use super::output::Output;
use crate::config::{Effective, Environment, Flag, Layers};
use crate::control::{Client, ClientError, Listen};
use crate::datadir::{DataDir, DataDirError};

/// What every command starts from.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) environment: &'a Environment,
    /// The data directory, if the command line names one.
    pub(super) data_dir: Option<PathBuf>,
    pub(super) output: Output,
}

impl Context<'_> {
    pub(super) fn dir(&self) -> Result<DataDir, DataDirError> {
        DataDir::locate(self.data_dir.as_deref(), self.environment)
    }

    /// The configuration of the node in `dir`, with `flags` on top.
    pub(super) fn settings(&self, dir: &DataDir, flags: Vec<Flag>) -> Result<Effective, Failure> {
        let file = Some(dir.config_file()).filter(|file| file.exists());
        Ok(Layers { file: file.as_deref(), environment: self.environment, flags }.load()?)
    }

    /// Connects to the running node that is meant, and has `talk` talk to it.
    pub(super) fn talk<T, E, F>(
        &self,
        node: &Node,
        talk: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, E>>,
        E: From<ClientError>,
        Failure: From<E>,
    {
        let dir = self.dir()?;
        let listen: Listen = match &node.control {
            Some(asked) => asked.clone(),
            None => self.settings(&dir, Vec::new())?.params.config().control.listen.clone(),
        };
        let socket = listen.socket(&dir)?.ok_or(Failure::ControlOff)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::Runtime)?;
        Ok(runtime.block_on(async { talk(Client::connect(&socket).await?).await })?)
    }
}
