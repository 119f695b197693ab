//! Arguments that several commands have.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
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

/// What opens values that an API server encrypted.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DecryptArgs {
    /// Open values that an API server encrypted with the keys of this file: the one behind --encryption-provider-config of kube-apiserver
    ///
    /// All keys of a name are tried. A value that does not open stays as it is, and which provider and key it needs is told. Values of secrets are hidden as ever
    /// unless --show-secrets is given. A pipe will do, too: --encryption-config <(sops -d encryption.yaml), or - for the standard input.
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    /// Have the KMS plugin NAME (of version 2) open keys, through its unix socket
    #[arg(long, value_name = "NAME=PATH", value_parser = OsStringValueParser::new().try_map(|text| kms_socket(&text)))]
    pub kms_socket: Vec<(String, PathBuf)>,
}

fn kms_socket(text: &OsString) -> Result<(String, PathBuf), &'static str> {
    const FORM: &str = "the plugin's name, =, and the path of its unix socket are wanted";
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').ok_or(FORM)?;
    let (name, path) = bytes.split_at_checked(equals).ok_or(FORM)?;
    let path = path.strip_prefix(b"=").unwrap_or_default();
    // As it stands in the configuration.
    let path = path.strip_prefix(b"unix://").unwrap_or(path);
    let name = std::str::from_utf8(name).map_err(|_| FORM)?;
    if name.is_empty() || path.is_empty() {
        return Err(FORM);
    }
    Ok((name.to_owned(), PathBuf::from(OsString::from_vec(path.to_vec()))))
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
