//! Arguments that several commands share.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use etcdsnap::core::MetaChoice;

/// Arguments that control how the work is done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct WorkArgs {
    /// Number of worker threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub threads: Option<NonZeroUsize>,
}

/// The meta page from which a file is read.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct MetaArgs {
    /// The meta page from which to read the file; `older` shows the database one transaction earlier, if the file still contains that state
    ///
    /// Only in a copy of a member's database can the older meta page lead to a different tree. `verify` reports when the newest tree is damaged
    /// and the older one is sound (older-meta-sound).
    #[arg(long, value_name = "WHICH", default_value = "newest", hide_default_value = true)]
    pub meta: MetaPage,
}

impl MetaArgs {
    /// Converts it to core's type.
    pub fn choice(self) -> MetaChoice {
        match self.meta {
            MetaPage::Newest => MetaChoice::Newest,
            MetaPage::Older => MetaChoice::Older,
        }
    }
}

/// Arguments that give keys for decrypting values that an API server encrypted.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DecryptArgs {
    /// Decrypt values with the keys of this file, the one given to kube-apiserver as --encryption-provider-config
    ///
    /// If several keys have the same name, all are tried. A value that cannot be decrypted is printed as it is stored, and the provider and key that it needs are reported. Values of secrets
    /// stay hidden unless --show-secrets is given. The file may be a pipe, --encryption-config <(sops -d encryption.yaml), or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    /// Ask the KMS v2 plugin NAME to decrypt keys, through its unix socket
    #[arg(long, value_name = "NAME=PATH", value_parser = OsStringValueParser::new().try_map(|text| kms_socket(&text)))]
    pub kms_socket: Vec<(String, PathBuf)>,
}

fn kms_socket(text: &OsString) -> Result<(String, PathBuf), &'static str> {
    const FORM: &str = "expected NAME=PATH: the plugin's name and the path of its unix socket";
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').ok_or(FORM)?;
    let (name, path) = bytes.split_at_checked(equals).ok_or(FORM)?;
    let path = path.strip_prefix(b"=").unwrap_or_default();
    // The same path as it is written in an EncryptionConfiguration.
    let path = path.strip_prefix(b"unix://").unwrap_or(path);
    let name = std::str::from_utf8(name).map_err(|_| FORM)?;
    if name.is_empty() || path.is_empty() {
        return Err(FORM);
    }
    Ok((name.to_owned(), PathBuf::from(OsString::from_vec(path.to_vec()))))
}

/// One of the two meta pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MetaPage {
    /// The one that the last transaction wrote, which etcd reads
    #[default]
    Newest,
    /// The one that the transaction before it wrote
    Older,
}

/// Parses a number of at least 1.
pub fn one_or_more(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a whole number of at least 1")
}

/// Output forms of etcdutl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EtcdForm {
    /// One line
    Simple,
    /// One object
    Json,
    /// A table
    Table,
    /// One line per field
    Fields,
}
