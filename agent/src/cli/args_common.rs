//! Arguments that several commands have.

use std::num::NonZeroUsize;

use clap::ValueEnum;

/// How the work is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct WorkArgs {
    /// How many threads work [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub threads: Option<NonZeroUsize>,
}

/// How many, in words that say what is wrong with another text.
pub fn one_or_more(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "a whole number from 1 on is wanted")
}

/// Forms of etcdutl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EtcdForm {
    /// One line
    Simple,
    /// One object
    Json,
    /// A box
    Table,
    /// A line for each number
    Fields,
}
