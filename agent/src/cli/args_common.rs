//! Arguments that several commands have.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use etcdsnap::core::MetaChoice;

/// How the work is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct WorkArgs {
    /// How many threads work [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub threads: Option<NonZeroUsize>,
}

/// By which meta page a file is read.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct MetaArgs {
    /// By which of the two meta pages to read the file: `older` shows the database as it was one transaction earlier, where that is still in the file
    ///
    /// Only a copy of a member's database has another tree below its older meta page. `verify` says when the newest tree is damaged and that one is whole
    /// (older-meta-sound).
    #[arg(long, value_name = "WHICH", default_value = "newest", hide_default_value = true)]
    pub meta: MetaPage,
}

impl MetaArgs {
    /// What core calls it.
    pub fn choice(self) -> MetaChoice {
        match self.meta {
            MetaPage::Newest => MetaChoice::Newest,
            MetaPage::Older => MetaChoice::Older,
        }
    }
}

/// The two meta pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MetaPage {
    /// That of the last transaction, as etcd reads it
    #[default]
    Newest,
    /// That of the transaction before
    Older,
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
