//! Opens the values that an API server encrypted: with the cluster's own configuration, and with its KMS plugins.

mod config_file;
mod decryption_error;
mod kms_sockets;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use etcdsnap_core::kubernetes::encryption::keyring::{Keyring, NoPlugins, Plugins, Undecrypted};
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, NeededKey};
use etcdsnap_core::kubernetes::encryption::resource_entries::GroupResource;

pub use decryption_error::DecryptionError;
pub use etcdsnap_core::kubernetes::encryption::unopened::Unopened;
use kms_sockets::KmsSockets;

/// All that opens encrypted values. Without anything it opens none, and says what each needs.
#[derive(Debug, Default)]
pub struct Decryption {
    keyring: Keyring,
    sockets: Option<KmsSockets>,
    is_given: bool,
}

impl Decryption {
    /// Reads an EncryptionConfiguration from a file, a pipe or, for `-`, the standard input, and takes the sockets of KMS plugins by their names; they are called when a value needs one, and not waited for once
    /// `is_stopped` says so.
    ///
    /// # Errors
    /// When the file cannot be read, is no such configuration, or no runtime can be started for the calls.
    pub fn new(
        configuration: Option<&Path>,
        sockets: &[(String, PathBuf)],
        is_stopped: fn() -> bool,
    ) -> Result<Self, DecryptionError> {
        let keyring = configuration.map(config_file::read).transpose()?.map(Keyring::from).unwrap_or_default();
        let is_given = configuration.is_some() || !sockets.is_empty();
        let sockets = if sockets.is_empty() { None } else { Some(KmsSockets::new(sockets, is_stopped)?) };
        Ok(Self { keyring, sockets, is_given })
    }

    /// Whether there is anything that could open a value.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// Opens a value under a key; one that is not encrypted is given back as it is.
    ///
    /// # Errors
    /// What it needs, and why that does not open it.
    pub fn open<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.keyring.open(key, value, self.plugins())
    }

    /// The same with what an API server with the configuration has for a resource.
    ///
    /// # Errors
    /// As [`Decryption::open`]; and where only a key of another resource opens it.
    pub fn open_of<'v>(
        &self,
        resource: &GroupResource,
        key: &[u8],
        value: &'v [u8],
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.keyring.open_of(resource, key, value, self.plugins())
    }

    /// Whether an API server with the configuration reads what is stored plain of a resource.
    #[must_use]
    pub fn reads_plain(&self, resource: &GroupResource) -> bool {
        self.keyring.reads_plain(resource)
    }

    /// The key that a value needs.
    #[must_use]
    pub fn needed_key(&self, encrypted: &Encrypted<'_>) -> NeededKey {
        self.keyring.needed_key(encrypted, self.plugins())
    }

    fn plugins(&self) -> &dyn Plugins {
        match &self.sockets {
            Some(sockets) => sockets,
            None => &NoPlugins,
        }
    }
}
