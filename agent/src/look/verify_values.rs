//! A snapshot is a backup of encrypted values only together with what opens them.

use std::path::Path;
use std::sync::Arc;

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::store::{KeyRange, Store};
use etcdsnap_core::{Code, Decrypted, Finding, Report};

use super::Snapshot;
use crate::decryption::Decryption;
use crate::error::Error;
use crate::input::{FileSource, Input};
use crate::options::VerifyOptions;
use crate::progress::{Progress, Stage};

/// Checks a snapshot file whole, as [`verify`](crate::verify) does, and opens every encrypted value in it: what does not open is a finding. A compressed file is unpacked into one without a name.
///
/// # Errors
/// As [`verify`](crate::verify).
pub fn verify_values(
    path: impl AsRef<Path>,
    options: VerifyOptions<'_>,
    decryption: &Arc<Decryption>,
) -> Result<Report, Error> {
    let input = Input::open(path.as_ref(), options.progress)?;
    if let Some(report) = input.foreign() {
        return Ok(report);
    }
    let snapshot = match Snapshot::of_input(input, options.threads, options.progress) {
        Ok(snapshot) => snapshot.by(options.meta).decrypted_by(Arc::clone(decryption)),
        Err(Error::NoStore { report, .. }) => return Ok(*report),
        Err(error) => return Err(error),
    };
    let mut report = snapshot.scan(options.sha256, options.progress)?;
    match snapshot.store() {
        Ok(store) => snapshot.check_values(&store, &mut report, options.progress)?,
        // The report says why there is nothing to open.
        Err(Error::NoStore { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(report)
}

impl Snapshot {
    /// Opens every value that the snapshot keeps, and adds to a report which do not open.
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
        let mut decrypted = Decrypted::default();
        // What cannot be read is in the report already.
        store
            .entries_in_order(progress, &mut |entry, _| {
                let Some(pair) = KeyValue::parse(entry.value).filter(|_| !entry.key.tombstone) else { return true };
                let Some(encrypted) = Encrypted::of(pair.value) else { return true };
                match self.decryption().open(pair.key, pair.value) {
                    Ok(_) => decrypted.opened.add(&self.decryption().needed_key(&encrypted), 1),
                    Err(undecrypted) => {
                        let is_latest = index.get(pair.key).is_some_and(|key| key.place == entry.place);
                        let code = match is_latest {
                            _ if undecrypted.why.is_untried() => Code::ValueUnchecked,
                            true => Code::ValueUndecryptable,
                            false => Code::EarlierValueUndecryptable,
                        };
                        let text = format!(
                            "the value of revision {} needs {}: {}",
                            entry.key.revision.main, undecrypted.needs, undecrypted.why
                        );
                        decrypted.unopened.add(&undecrypted.needs, 1);
                        report.findings.push(Finding::new(code, text).key(pair.key));
                    }
                }
                true
            })
            .map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        report.verdict = report.findings.verdict();
        report.decrypted = Some(decrypted);
        Ok(())
    }
}
