//! Verifies that the encrypted values of a snapshot can be decrypted: without the keys it is no backup of them.

use std::path::Path;
use std::sync::Arc;

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::decode::{Options, Problem};
use etcdsnap_core::kubernetes::encryption::keyring::Undecrypted;
use etcdsnap_core::kubernetes::encryption::needed_key::{Encrypted, NeededKey, Provider};
use etcdsnap_core::kubernetes::encryption::resource_entries::GroupResource;
use etcdsnap_core::kubernetes::envelope::{Envelope, envelope};
use etcdsnap_core::kubernetes::object::{self, Remarks, Unreadable};
use etcdsnap_core::kubernetes::resources::Resources;
use etcdsnap_core::store::{KeyRange, Store};
use etcdsnap_core::{Code, Decrypted, Finding, Report};

use super::Snapshot;
use super::prefixes::KubernetesPrefixes;
use crate::decryption::Decryption;
use crate::error::Error;
use crate::input::{FileSource, Input};
use crate::progress::{Progress, Stage};
use crate::verify_options::VerifyOptions;

/// Verifies a snapshot file like [`verify`](crate::verify), and decrypts every encrypted value as an API server would, with the providers of its resource. A value that cannot be decrypted is a finding, and so is an unencrypted value that the configuration does not allow. A compressed file is unpacked into a file without a name.
///
/// # Errors
/// As [`verify`](crate::verify).
pub fn verify_values(
    path: impl AsRef<Path>,
    options: VerifyOptions<'_>,
    decryption: &Arc<Decryption>,
) -> Result<Report, Error> {
    let input = Input::open(path.as_ref(), options.progress)?;
    if let Some(report) = input.foreign_report() {
        return Ok(report);
    }
    let snapshot = match Snapshot::of_input(input, options.threads, options.progress) {
        Ok(snapshot) => snapshot.with_meta(options.meta).with_decryption(Arc::clone(decryption)),
        Err(Error::NoStore { report, .. }) => return Ok(*report),
        Err(error) => return Err(error),
    };
    let mut report = snapshot.scan(options.sha256, options.progress)?;
    match snapshot.store() {
        Ok(store) => snapshot.check_values(&store, &mut report, options.progress)?,
        // The report says why there is nothing to decrypt.
        Err(Error::NoStore { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// The result for one value.
enum ValueVerdict {
    /// Unencrypted, which the configuration allows.
    Unencrypted,
    /// Encrypted, and decrypted.
    Decrypted(NeededKey),
    /// Encrypted, and not decrypted.
    NotDecrypted(Undecrypted),
    /// Decrypted to something that is not a complete object, with the reason.
    Incomplete(NeededKey, String),
    /// Unencrypted, which the configuration does not allow.
    MustBeEncrypted(GroupResource),
}

/// Checks values as an API server would.
struct ValueChecker<'d> {
    decryption: &'d Decryption,
    prefixes: KubernetesPrefixes,
    resources: Resources,
}

impl ValueChecker<'_> {
    fn verify(&self, pair: &KeyValue<'_>) -> ValueVerdict {
        let resource = self.prefixes.object(pair.key).map(|object| GroupResource::of(&object, &self.resources));
        let Some(encrypted) = Encrypted::of(pair.value) else {
            let is_object =
                matches!(envelope(pair.value), Envelope::Protobuf(_) | Envelope::Json(_) | Envelope::Cbor(_));
            return match resource.filter(|resource| is_object && !self.decryption.reads_plain(resource)) {
                Some(resource) => ValueVerdict::MustBeEncrypted(resource),
                None => ValueVerdict::Unencrypted,
            };
        };
        let opened = match &resource {
            Some(resource) => self.decryption.open_of(resource, pair.key, pair.value),
            // If the resource is unknown, every provider is tried.
            None => self.decryption.open(pair.key, pair.value),
        };
        let plain = match opened {
            Ok(plain) => plain,
            Err(undecrypted) => return ValueVerdict::NotDecrypted(undecrypted),
        };
        let needs = self.decryption.needed_key(&encrypted);
        // AES-CBC has no integrity check: only the decrypted contents show whether a value is intact.
        match not_whole(&plain).filter(|_| encrypted.provider == Provider::AesCbc) {
            Some(why) => ValueVerdict::Incomplete(needs, why),
            None => ValueVerdict::Decrypted(needs),
        }
    }
}

/// Explains why a decrypted value is not a complete object; `None` if it is one, or is in an unsupported form.
pub(super) fn not_whole(plain: &[u8]) -> Option<String> {
    match object::tree(plain, Options::default()) {
        Ok((_, Remarks { problem: Some(Problem { path, what }), .. })) => {
            let place = if path.is_empty() { "the object".to_owned() } else { path };
            Some(format!("{place} {what}"))
        }
        Ok(_) | Err(Unreadable::Cbor | Unreadable::TooLong(_)) => None,
        Err(cause) => Some(cause.to_string()),
    }
}

impl Snapshot {
    /// Decrypts every value in the snapshot, and reports those that cannot be decrypted, and unencrypted ones that the configuration does not allow.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    fn check_values(
        &self,
        store: &Store<'_, FileSource>,
        report: &mut Report,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let query = store.query(KeyRange::all(), store.current());
        let (index, _) = self.keys(store, &query, progress)?;
        progress.begin(Stage::Read, Some(store.bytes()));
        let checker = ValueChecker {
            decryption: self.decryption(),
            prefixes: KubernetesPrefixes::of(None),
            resources: Resources::builtin(),
        };
        let mut decrypted = Decrypted::default();
        // The report already says what cannot be read.
        store
            .entries_in_order(progress, &mut |entry, _| {
                let Some(pair) = KeyValue::parse(entry.value).filter(|_| !entry.key.tombstone) else { return true };
                let is_latest = || index.get(pair.key).is_some_and(|key| key.place == entry.place);
                let undecryptable =
                    || if is_latest() { Code::ValueUndecryptable } else { Code::EarlierValueUndecryptable };
                let value = format!("the value of revision {}", entry.key.revision.main);
                let (code, text) = match checker.verify(&pair) {
                    ValueVerdict::Unencrypted => return true,
                    ValueVerdict::Decrypted(needs) => {
                        decrypted.opened.add(&needs, 1);
                        return true;
                    }
                    ValueVerdict::NotDecrypted(Undecrypted { needs, why }) => {
                        decrypted.unopened.add(&needs, 1);
                        let code = if why.is_untried() { Code::ValueUnchecked } else { undecryptable() };
                        (code, format!("{value} needs {needs}: {why}"))
                    }
                    ValueVerdict::Incomplete(needs, why) => {
                        decrypted.unopened.add(&needs, 1);
                        let text = format!(
                            "{value} ({needs}) decrypts to something that is not a complete object, so it was changed, or another key had the name: {why}"
                        );
                        (undecryptable(), text)
                    }
                    ValueVerdict::MustBeEncrypted(_) if !is_latest() => return true,
                    ValueVerdict::MustBeEncrypted(resource) => {
                        let text = format!(
                            "{value} is stored unencrypted, and `identity` is not among the providers of {resource} in the configuration"
                        );
                        (Code::ValuePlainRefused, text)
                    }
                };
                report.findings.push(Finding::new(code, text).key(pair.key));
                true
            })
            .map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        report.verdict = report.findings.verdict();
        report.decrypted = Some(decrypted);
        Ok(())
    }
}
