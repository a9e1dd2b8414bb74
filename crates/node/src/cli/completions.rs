//! `completions`: what a shell needs to complete the arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use super::arguments::Arguments;
use super::context::Context;
use super::failure::Failure;

pub(super) fn completions(context: &Context<'_>, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "meshwork", &mut script);
    context.output.raw(&script)
}
