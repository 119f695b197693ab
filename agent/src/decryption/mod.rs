//! Decrypts values that an API server encrypted, with the cluster's EncryptionConfiguration and its KMS plugins.

mod config_file;
mod decryption_error;
mod kms_sockets;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use etcdsnap_core::kubernetes::encryption::keyring::{Keyring, NoPlugins, Plugins, Undecrypted};
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, NeededKey};
use etcdsnap_core::kubernetes::encryption::resource_entries::GroupResource;

pub use decryption_error::DecryptionError;
pub use etcdsnap_core::kubernetes::encryption::undecrypted_counts::UndecryptedCounts;
use kms_sockets::KmsSockets;

/// The keys and plugins for decrypting values. The default has neither: it decrypts nothing, and reports which key each value needs.
#[derive(Debug, Default)]
pub struct Decryption {
    keyring: Keyring,
    sockets: Option<KmsSockets>,
    can_decrypt: bool,
}

impl Decryption {
    /// Reads an EncryptionConfiguration from a file, a pipe or, for `-`, standard input. `sockets` are names and sockets of KMS plugins, which are called when a value needs them; waiting for them ends
    /// when `is_stopped` returns true.
    ///
    /// # Errors
    /// When the file cannot be read or is not a configuration, or the runtime for the calls cannot be started.
    pub fn new(
        configuration: Option<&Path>,
        sockets: &[(String, PathBuf)],
        is_stopped: fn() -> bool,
    ) -> Result<Self, DecryptionError> {
        let keyring = configuration.map(config_file::read).transpose()?.map(Keyring::from).unwrap_or_default();
        let can_decrypt = configuration.is_some() || !sockets.is_empty();
        let sockets = if sockets.is_empty() { None } else { Some(KmsSockets::new(sockets, is_stopped)?) };
        Ok(Self { keyring, sockets, can_decrypt })
    }

    /// Whether there are any keys or plugins.
    #[must_use]
    pub fn can_decrypt(&self) -> bool {
        self.can_decrypt
    }

    /// Decrypts the value of a key; returns an unencrypted value as it is.
    ///
    /// # Errors
    /// When the value could not be decrypted; the error names the key that it needs, and the reason.
    pub fn open<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.keyring.open(key, value, self.plugins())
    }

    /// Like [`Decryption::open`], but only with the providers that an API server with this configuration uses for the resource.
    ///
    /// # Errors
    /// As [`Decryption::open`]; also if only a key of another resource decrypts it.
    pub fn open_of<'v>(
        &self,
        resource: &GroupResource,
        key: &[u8],
        value: &'v [u8],
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.keyring.open_of(resource, key, value, self.plugins())
    }

    /// Whether an API server with this configuration reads unencrypted values of the resource.
    #[must_use]
    pub fn reads_plain(&self, resource: &GroupResource) -> bool {
        self.keyring.reads_plain(resource)
    }

    /// Returns the key that a value needs.
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
