//! All that opens encrypted values: keys of a configuration, and KMS plugins.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::cipher::{self, Closed};
use super::configuration::{Configuration, Key};
use super::kms_v2::Sealed;
use crate::needed_key::{Encrypted, NeededKey, Provider};

/// What opens what only a KMS plugin can open: a connection to its socket. Core has none.
pub trait Plugins {
    /// The names of the plugins that can be asked.
    fn names(&self) -> &[String];

    /// Has a plugin open the source of a key. It is asked once for each value; whoever keeps answers answers faster.
    ///
    /// # Errors
    /// Why it does not, in words.
    fn open(&self, plugin: &str, sealed: &Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, String>;

    /// Whether a plugin can be asked, as far as is known by now: one that cannot says nothing about a value.
    fn is_reachable(&self, _plugin: &str) -> bool {
        true
    }
}

/// No plugin at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl Plugins for NoPlugins {
    fn names(&self) -> &[String] {
        &[]
    }

    fn open(&self, _plugin: &str, _sealed: &Sealed<'_>) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("there is no plugin".into())
    }
}

/// A value that stays encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecrypted {
    /// What it needs.
    pub needs: NeededKey,
    /// Why it stays so.
    pub why: Why,
}

/// Why a value stays encrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// No configuration and no plugin was given.
    NothingGiven,
    /// There is no key of this name.
    NoKey,
    /// There is no plugin of this name.
    NoPlugin {
        /// Where the configuration says that the API server reaches it; may be empty.
        endpoint: String,
    },
    /// There are keys of this name, and none opens it.
    WrongKey,
    /// The plugin does not open it.
    Plugin(String),
    /// The plugin cannot be asked, so nobody knows whether it opens it.
    PluginUnreachable(String),
    /// The plugin opens its key, and that does not open it.
    Changed,
    /// It is no encrypted value at all.
    Malformed(&'static str),
    /// It was sealed through the first interface of KMS.
    KmsV1,
    /// Its provider is unknown.
    UnknownProvider,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingGiven => f.write_str("no configuration was given"),
            Self::NoKey => f.write_str("the configuration has no key of this name"),
            Self::NoPlugin { endpoint } if endpoint.is_empty() => f.write_str("no socket was given for this plugin"),
            Self::NoPlugin { endpoint } => {
                write!(f, "no socket was given for this plugin, which the API server reaches at {endpoint}")
            }
            Self::WrongKey => {
                f.write_str("the key of this name does not open it: another key had the name, or the value was changed")
            }
            Self::Plugin(cause) => write!(f, "the plugin does not open it: {cause}"),
            Self::PluginUnreachable(cause) => write!(f, "the plugin cannot be asked: {cause}"),
            Self::Changed => f.write_str(
                "the key that the plugin gives does not open it: another plugin or key encrypted it, or the value was changed",
            ),
            Self::Malformed(what) => write!(f, "the value is damaged: {what}"),
            Self::KmsV1 => f.write_str("this program does not read values of KMS v1"),
            Self::UnknownProvider => f.write_str("this program does not know the provider"),
        }
    }
}

impl Why {
    /// Whether the value was not tried, for want of the plugin that could open it: it may be as it should.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        matches!(self, Self::NoPlugin { .. } | Self::PluginUnreachable(_))
    }
}

/// Keys of a configuration.
#[derive(Debug, Default)]
pub struct Keyring {
    configuration: Configuration,
    /// Whether there is a configuration.
    is_given: bool,
}

impl From<Configuration> for Keyring {
    fn from(configuration: Configuration) -> Self {
        Self { configuration, is_given: true }
    }
}

impl Keyring {
    /// Opens a value that stands under a key of etcd; one that is not encrypted is given back as it is.
    ///
    /// # Errors
    /// What it needs, and why that does not open it.
    pub fn open<'v>(
        &self,
        etcd_key: &[u8],
        value: &'v [u8],
        plugins: &dyn Plugins,
    ) -> Result<Cow<'v, [u8]>, Undecrypted> {
        let Some(encrypted) = Encrypted::of(value) else { return Ok(Cow::Borrowed(value)) };
        let opened = match encrypted.provider {
            Provider::Unknown => Err(Undecrypted { needs: encrypted.needed_key(), why: Why::UnknownProvider }),
            Provider::KmsV1 => {
                let names = self.plugin_names(Provider::KmsV1);
                let needs = named(&encrypted, names).map_or_else(|| encrypted.needed_key(), |(needs, _)| needs);
                Err(Undecrypted { needs, why: Why::KmsV1 })
            }
            Provider::KmsV2 => self.open_by_plugin(&encrypted, etcd_key, plugins),
            provider => self.open_by_key(&encrypted, etcd_key, provider),
        };
        opened.map(Cow::Owned).map_err(|undecrypted| {
            let is_nothing = !self.is_given && plugins.names().is_empty();
            match undecrypted.why {
                Why::NoKey | Why::NoPlugin { .. } if is_nothing => {
                    Undecrypted { why: Why::NothingGiven, ..undecrypted }
                }
                _ => undecrypted,
            }
        })
    }

    /// The key that a value needs, by the names that are known here, and as far as it tells itself otherwise.
    #[must_use]
    pub fn needed_key(&self, encrypted: &Encrypted<'_>, plugins: &dyn Plugins) -> NeededKey {
        let (of, configuration) = (encrypted.provider, &self.configuration);
        let keys = configuration.keys.iter().filter(|key| key.provider == of).map(|key| key.name.as_str());
        let sockets = plugins.names().iter().map(String::as_str).filter(|_| of == Provider::KmsV2);
        let known = named(encrypted, keys.chain(self.plugin_names(of)).chain(sockets));
        known.map_or_else(|| encrypted.needed_key(), |(needs, _)| needs)
    }

    /// The names of keys, with their providers, in the order of the configuration.
    pub fn keys(&self) -> impl Iterator<Item = (Provider, &str)> {
        self.configuration.keys.iter().map(|key| (key.provider, key.name.as_str()))
    }

    fn plugin_names(&self, provider: Provider) -> impl Iterator<Item = &str> {
        let plugins = self.configuration.plugins.iter().filter(move |plugin| plugin.provider == provider);
        plugins.map(|plugin| plugin.name.as_str())
    }

    /// Tries all keys of the name: a key may have been replaced by one that is called the same.
    fn open_by_key(&self, encrypted: &Encrypted<'_>, etcd_key: &[u8], of: Provider) -> Result<Vec<u8>, Undecrypted> {
        let mut fitting: Option<(&Key, Closed)> = None;
        for key in self.configuration.keys.iter().filter(|key| key.provider == of) {
            let Some(sealed) = encrypted.behind(&key.name) else { continue };
            let opened = match of {
                Provider::AesCbc => cipher::open_aes_cbc(&key.secret, sealed),
                Provider::AesGcm => cipher::open_aes_gcm(&key.secret, sealed, etcd_key),
                _ => cipher::open_secretbox(&key.secret, sealed),
            };
            match opened {
                Ok(plain) => return Ok(plain),
                // Of two names of which one begins with the other, the longer one is meant.
                Err(closed) if fitting.is_none_or(|(before, _)| before.name.len() < key.name.len()) => {
                    fitting = Some((key, closed));
                }
                Err(_) => {}
            }
        }
        Err(match fitting {
            None => Undecrypted { needs: encrypted.needed_key(), why: Why::NoKey },
            Some((key, closed)) => {
                let why = match closed {
                    Closed::Malformed(what) => Why::Malformed(what),
                    Closed::Refused => Why::WrongKey,
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
            return Err(Undecrypted { needs, why: Why::NoPlugin { endpoint } });
        };
        let opened = Sealed::parse(message).map_err(Why::Malformed).and_then(|sealed| {
            let source =
                plugins.open(&needs.name, &sealed).map_err(|cause| match plugins.is_reachable(&needs.name) {
                    true => Why::Plugin(cause),
                    false => Why::PluginUnreachable(cause),
                })?;
            sealed.open(&source, etcd_key).map_err(|closed| match closed {
                Closed::Malformed(what) => Why::Malformed(what),
                Closed::Refused => Why::Changed,
            })
        });
        opened.map_err(|why| Undecrypted { needs, why })
    }
}

/// The longest of some names with which a value begins, and what is behind it.
fn named<'v, 'n>(encrypted: &Encrypted<'v>, names: impl Iterator<Item = &'n str>) -> Option<(NeededKey, &'v [u8])> {
    let fitting = names.filter_map(|name| Some((name, encrypted.behind(name)?)));
    let (name, behind) = fitting.max_by_key(|(name, _)| name.len())?;
    Some((NeededKey { provider: encrypted.provider, name: name.to_owned() }, behind))
}
