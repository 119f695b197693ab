//! Decrypts values with the keys of a configuration and with KMS plugins.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::cipher::{self, CipherError};
use super::configuration::{Configuration, ConfiguredKey};
use super::kms_v2::Sealed;
use super::redacted_value::is_redacted;
use super::resource_entries::GroupResource;
use crate::needed_key::{Encrypted, NeededKey, Provider};

/// Maximum number of names in the message that no key fits.
const MAX_NAMED: usize = 10;

/// Connections to KMS plugins. Core itself has none.
pub trait Plugins {
    /// Returns the names of the plugins that can be called.
    fn names(&self) -> &[String];

    /// Lets a plugin decrypt the seed or key of a value. It is called once for each value, so an implementation should cache the answers.
    ///
    /// # Errors
    /// When the plugin does not decrypt it.
    fn open(&self, plugin: &str, sealed: &Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, PluginError>;
}

/// Why a plugin did not decrypt a key, as a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginError {
    /// The plugin answered that it cannot decrypt it.
    Refused(String),
    /// The plugin could not be reached, or its answer was about something else, so it is unknown whether it can decrypt it.
    Unreachable(String),
}

/// No plugins.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl Plugins for NoPlugins {
    fn names(&self) -> &[String] {
        &[]
    }

    fn open(&self, _plugin: &str, _sealed: &Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        Err(PluginError::Unreachable("there is no plugin".into()))
    }
}

/// A value that could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecrypted {
    /// The key that it needs.
    pub needs: NeededKey,
    /// The reason.
    pub why: UndecryptedReason,
}

/// Why a value could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UndecryptedReason {
    /// The caller gave neither a configuration nor a plugin.
    NothingGiven,
    /// The configuration has no key of this name; the names that it has, as text.
    NoKey(String),
    /// A key decrypts the value, but the configuration does not use it for this resource; the explanation, as a clause.
    OtherResource(String),
    /// No plugin of this name was given.
    NoPlugin {
        /// The socket of the API server, from the configuration; may be empty.
        endpoint: String,
    },
    /// No key of this name decrypts it.
    WrongKey,
    /// A key of this name decrypts it to something that is not an object.
    NoObject,
    /// The plugin cannot decrypt the value's key.
    Plugin(String),
    /// The plugin cannot be reached, so it is unknown whether it can decrypt the value's key.
    PluginUnreachable(String),
    /// The key from the plugin does not decrypt the value.
    Changed,
    /// The value is not in the form of encrypted values.
    Malformed(&'static str),
    /// It was encrypted with version 1 of the KMS interface.
    KmsV1,
    /// Its provider is unknown.
    UnknownProvider,
    /// `etcdsnap redact` replaced the encrypted bytes.
    Redacted,
}

impl fmt::Display for UndecryptedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingGiven => f.write_str("no configuration was given"),
            Self::NoKey(has) if has.is_empty() => {
                f.write_str("the configuration has no key of this name: it has no keys at all")
            }
            Self::NoKey(has) => {
                write!(f, "the configuration has no key of this name for this provider: it has {has}")
            }
            Self::OtherResource(why) => f.write_str(why),
            Self::NoPlugin { endpoint } if endpoint.is_empty() => f.write_str("no socket was given for this plugin"),
            Self::NoPlugin { endpoint } => {
                write!(f, "no socket was given for this plugin, which the API server reaches at {endpoint}")
            }
            Self::WrongKey => {
                f.write_str("the key of this name does not decrypt it: it was encrypted with another key of the same name, or it was changed")
            }
            Self::NoObject => f.write_str(
                "the decrypted bytes are not an object: it was encrypted with another key of the same name, or it was changed",
            ),
            Self::Plugin(cause) => write!(f, "the plugin does not decrypt it: {cause}"),
            Self::PluginUnreachable(cause) => write!(f, "the plugin cannot be reached: {cause}"),
            Self::Changed => f.write_str(
                "the plugin's key does not decrypt it: it was encrypted with another plugin or key, or it was changed",
            ),
            Self::Malformed(what) => write!(f, "the value is damaged: {what}"),
            Self::KmsV1 => f.write_str("this program does not read values of KMS v1"),
            Self::UnknownProvider => f.write_str("this program does not know the provider"),
            Self::Redacted => f.write_str("the snapshot is a redacted copy, in which the encrypted bytes were replaced"),
        }
    }
}

impl UndecryptedReason {
    /// Whether the value was not tried because the plugin was missing; then it may be intact.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        matches!(self, Self::NoPlugin { .. } | Self::PluginUnreachable(_))
    }
}

/// The keys of a configuration.
#[derive(Debug, Default)]
pub struct Keyring {
    configuration: Configuration,
    /// Whether the caller gave a configuration.
    is_given: bool,
}

impl From<Configuration> for Keyring {
    fn from(configuration: Configuration) -> Self {
        Self { configuration, is_given: true }
    }
}

impl Keyring {
    /// Decrypts the value of a key in etcd; returns a value that is not encrypted unchanged.
    ///
    /// # Errors
    /// When it cannot be decrypted: the needed key, and the reason.
    pub fn open<'v>(
        &self,
        etcd_key: &[u8],
        value: &'v [u8],
        plugins: &dyn Plugins,
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.open_by(&|_| true, etcd_key, value, plugins)
    }

    /// Decrypts a value with only those keys that an API server with this configuration uses for a resource. Without a configuration, all keys count.
    ///
    /// # Errors
    /// As [`Keyring::open`], and when only a key for another resource decrypts it.
    pub fn open_of<'v>(
        &self,
        resource: &GroupResource,
        etcd_key: &[u8],
        value: &'v [u8],
        plugins: &dyn Plugins,
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        let Some(encrypted) = Encrypted::of(value).filter(|_| self.is_given) else {
            return self.open(etcd_key, value, plugins);
        };
        let readers = self.configuration.readers(resource);
        let failure = match self.open_by(&|number| readers.has_key(number), etcd_key, value, plugins) {
            Ok(opened) => {
                let needs = self.needed_key(&encrypted, plugins);
                if needs.provider != Provider::KmsV2 || readers.has_plugin(&needs.name) {
                    return Ok(opened);
                }
                Undecrypted { needs, why: UndecryptedReason::NoKey(String::new()) }
            }
            Err(failure) if matches!(failure.why, UndecryptedReason::NoKey(_)) => failure,
            Err(failure) => return Err(failure),
        };
        // The key belongs to another entry: it is the right one, but an API server would not use it here.
        let needs = self.needed_key(&encrypted, plugins);
        match self.open(etcd_key, value, plugins) {
            Ok(_) if readers.has_entry => {
                let why = format!(
                    "its key is not among the providers of {resource} in the configuration, so an API server with this configuration cannot read it"
                );
                Err(Undecrypted { needs, why: UndecryptedReason::OtherResource(why) })
            }
            Ok(_) => {
                let why = format!(
                    "the configuration has no entry for {resource}, so an API server with this configuration reads only unencrypted values there"
                );
                Err(Undecrypted { needs, why: UndecryptedReason::OtherResource(why) })
            }
            Err(other) => Err(if matches!(other.why, UndecryptedReason::NoKey(_)) { other } else { failure }),
        }
    }

    /// Whether an API server with this configuration reads unencrypted values of a resource. Without a configuration it does.
    #[must_use]
    pub fn reads_plain(&self, resource: &GroupResource) -> bool {
        !self.is_given || self.configuration.readers(resource).reads_plain
    }

    /// Decrypts a value with the allowed keys; `is_allowed` gets the index of each key.
    fn open_by<'v>(
        &self,
        is_allowed: &dyn Fn(usize) -> bool,
        etcd_key: &[u8],
        value: &'v [u8],
        plugins: &dyn Plugins,
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        let Some(encrypted) = Encrypted::of(value) else { return Ok(Cow::Borrowed(value)) };
        let opened = match encrypted.provider {
            Provider::Unknown => {
                Err(Undecrypted { needs: encrypted.needed_key(), why: UndecryptedReason::UnknownProvider })
            }
            Provider::KmsV1 => {
                let names = self.plugin_names(Provider::KmsV1);
                let needs = named(&encrypted, names).map_or_else(|| encrypted.needed_key(), |(needs, _)| needs);
                Err(Undecrypted { needs, why: UndecryptedReason::KmsV1 })
            }
            Provider::KmsV2 => self.open_by_plugin(&encrypted, etcd_key, plugins),
            provider => self.open_by_key(&encrypted, etcd_key, provider, is_allowed),
        };
        opened.map(Cow::Owned).map_err(|undecrypted| {
            let is_nothing = !self.is_given && plugins.names().is_empty();
            match undecrypted.why {
                _ if is_redacted(&encrypted, &undecrypted.needs) => {
                    Undecrypted { why: UndecryptedReason::Redacted, ..undecrypted }
                }
                UndecryptedReason::NoKey(_) | UndecryptedReason::NoPlugin { .. } if is_nothing => {
                    Undecrypted { why: UndecryptedReason::NothingGiven, ..undecrypted }
                }
                _ => undecrypted,
            }
        })
    }

    /// Returns the key that a value needs: by the known names if one fits, otherwise as the value names it.
    #[must_use]
    pub fn needed_key(&self, encrypted: &Encrypted<'_>, plugins: &dyn Plugins) -> NeededKey {
        let (of, configuration) = (encrypted.provider, &self.configuration);
        let keys = configuration.keys.iter().filter(|key| key.provider == of).map(|key| key.name.as_str());
        let sockets = plugins.names().iter().map(String::as_str).filter(|_| of == Provider::KmsV2);
        let known = named(encrypted, keys.chain(self.plugin_names(of)).chain(sockets));
        known.map_or_else(|| encrypted.needed_key(), |(needs, _)| needs)
    }

    /// Returns the names of the keys and their providers, in the order of the configuration.
    pub fn keys(&self) -> impl Iterator<Item = (Provider, &str)> {
        self.configuration.keys.iter().map(|key| (key.provider, key.name.as_str()))
    }

    /// Returns the names of the keys and plugins as text; after the first ones only the number of further ones.
    fn key_names(&self) -> String {
        let keys = self.keys().map(|(provider, name)| format!("{} key {name}", provider.as_str()));
        let plugins = self.configuration.plugins.iter();
        let plugins = plugins.map(|plugin| format!("{} plugin {}", plugin.provider.as_str(), plugin.name));
        let mut names: Vec<String> = keys.chain(plugins).collect();
        names.dedup();
        let more = names.len().saturating_sub(MAX_NAMED);
        names.truncate(MAX_NAMED);
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        names.join(", ")
    }

    fn plugin_names(&self, provider: Provider) -> impl Iterator<Item = &str> {
        let plugins = self.configuration.plugins.iter().filter(move |plugin| plugin.provider == provider);
        plugins.map(|plugin| plugin.name.as_str())
    }

    /// Tries all keys with this name: a key may have been replaced by another one with the same name.
    fn open_by_key(
        &self,
        encrypted: &Encrypted<'_>,
        etcd_key: &[u8],
        of: Provider,
        is_allowed: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<u8>, Undecrypted> {
        let mut fitting: Option<(&ConfiguredKey, CipherError)> = None;
        let keys = self.configuration.keys.iter().enumerate();
        for (_, key) in keys.filter(|(number, key)| key.provider == of && is_allowed(*number)) {
            let Some(sealed) = encrypted.data_after(&key.name) else { continue };
            let opened = match of {
                Provider::AesCbc => cipher::open_aes_cbc(&key.secret, sealed),
                Provider::AesGcm => cipher::open_aes_gcm(&key.secret, sealed, etcd_key),
                _ => cipher::open_secretbox(&key.secret, sealed),
            };
            match opened {
                Ok(plain) => return Ok(plain),
                // If one name begins with the other, the value means the longer one.
                Err(failure) if fitting.is_none_or(|(before, _)| before.name.len() < key.name.len()) => {
                    fitting = Some((key, failure));
                }
                Err(_) => {}
            }
        }
        Err(match fitting {
            None => Undecrypted { needs: encrypted.needed_key(), why: UndecryptedReason::NoKey(self.key_names()) },
            Some((key, failure)) => {
                let why = match failure {
                    CipherError::Malformed(what) => UndecryptedReason::Malformed(what),
                    CipherError::WrongKey => UndecryptedReason::WrongKey,
                    CipherError::NoObject => UndecryptedReason::NoObject,
                };
                Undecrypted { needs: NeededKey { provider: of, name: key.name.clone() }, why }
            }
        })
    }

    fn open_by_plugin(
        &self,
        encrypted: &Encrypted<'_>,
        etcd_key: &[u8],
        plugins: &dyn Plugins,
    ) -> Result<Vec<u8>, Undecrypted> {
        let Some((needs, message)) = named(encrypted, plugins.names().iter().map(String::as_str)) else {
            let known = named(encrypted, self.plugin_names(Provider::KmsV2));
            let needs = known.map_or_else(|| encrypted.needed_key(), |(needs, _)| needs);
            let plugin = self.configuration.plugins.iter().find(|plugin| plugin.name == needs.name);
            let endpoint = plugin.map(|plugin| plugin.endpoint.clone()).unwrap_or_default();
            return Err(Undecrypted { needs, why: UndecryptedReason::NoPlugin { endpoint } });
        };
        let opened = Sealed::parse(message).map_err(UndecryptedReason::Malformed).and_then(|sealed| {
            let source = plugins.open(&needs.name, &sealed).map_err(|unopened| match unopened {
                PluginError::Refused(cause) => UndecryptedReason::Plugin(cause),
                PluginError::Unreachable(cause) => UndecryptedReason::PluginUnreachable(cause),
            })?;
            sealed.open(&source, etcd_key).map_err(|failure| match failure {
                CipherError::Malformed(what) => UndecryptedReason::Malformed(what),
                CipherError::WrongKey | CipherError::NoObject => UndecryptedReason::Changed,
            })
        });
        opened.map_err(|why| Undecrypted { needs, why })
    }
}

/// Returns the longest of the names with which a value begins, and the bytes after it.
fn named<'v, 'n>(encrypted: &Encrypted<'v>, names: impl Iterator<Item = &'n str>) -> Option<(NeededKey, &'v [u8])> {
    let fitting = names.filter_map(|name| Some((name, encrypted.data_after(name)?)));
    let (name, behind) = fitting.max_by_key(|(name, _)| name.len())?;
    Some((NeededKey { provider: encrypted.provider, name: name.to_owned() }, behind))
}
