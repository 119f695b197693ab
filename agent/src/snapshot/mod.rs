//! Reads the contents of a snapshot on all processors.

mod difference;
mod encryption_use;
mod find_key;
mod find_object;
mod identity;
mod kind_counts;
mod kubernetes_objects;
mod object_findings;
mod object_pieces;
mod prefixes;
mod revision_times;
mod unread_revisions;
mod usage_rows;
mod verify_values;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::pass::Pass;
use etcdsnap_core::pass::reading::{Accumulator, Reading};
use etcdsnap_core::restore::key_presence::KeyPresence;
use etcdsnap_core::store::{
    EntryPlace, Event, EventsByKey, HashKv, HashKvPart, Histories, History, Index, KeyRange, LostParts, OpenedStore,
    Query, SharedIndex, Store, SurvivorSearch, Survivors,
};
use etcdsnap_core::{MetaChoice, Report, Revision};

use crate::decryption::{Decryption, UndecryptedCounts};
use crate::error::{Error, PathlessError};
use crate::input::{Body, FileSource, Input, Spool};
use crate::parallel_verify::{self, Workers};
use crate::progress::{Progress, Stage};
use crate::verify_options::{Sha256, VerifyOptions};

pub use difference::{Side, compare};
pub use encryption_use::{EncryptionGroup, EncryptionUsage};
pub use etcdsnap_core::kubernetes::cluster_identity::{ClusterIdentity, is_kube_system, uid};
pub use find_key::{Answer, Found, find};
pub use find_object::{FoundObject, ObjectAnswer, ObjectName, ObjectState, find_object};
pub use kind_counts::{KindUsage, ObjectKind};
pub use kubernetes_objects::{Cluster, StoredObject};
pub use object_findings::{ClusterCheck, ObjectFinding};
pub use prefixes::KubernetesPrefixes;
pub use revision_times::state_as_of;
pub use usage_rows::{HeavyKey, UsageReport};
pub use verify_values::verify_values;

/// An open snapshot. A compressed one is unpacked into a file without a name.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    source: FileSource,
    threads: Option<NonZeroUsize>,
    meta: MetaChoice,
    decryption: Arc<Decryption>,
    undecrypted: Mutex<UndecryptedCounts>,
}

impl Snapshot {
    /// Opens `path`; `-` is standard input. `threads` defaults to one for each processor.
    ///
    /// # Errors
    /// As [`verify`](crate::verify).
    pub fn open(path: impl AsRef<Path>, threads: Option<NonZeroUsize>, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of_input(Input::open(path.as_ref(), progress)?, threads, progress)
    }

    /// Opens a regular file by its handle, even if its name belongs to another file now; `path` is for messages.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub(crate) fn of_file(file: File, path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of_input(Input::of_file(file, path)?, None, progress)
    }

    /// Opens a file that is already being read, with another handle.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub(crate) fn of_source(source: &FileSource, path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        let file = source.file().try_clone().map_err(|cause| Error::Open { path: path.to_owned(), cause })?;
        Self::of_file(file, path, progress)
    }

    /// Wraps an open input.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub(crate) fn of_input(
        input: Input,
        threads: Option<NonZeroUsize>,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        input.expect_database()?;
        let source = match input.body {
            Body::Plain(file) => file,
            Body::Packed(packed) => {
                progress.begin(Stage::Unpack, Some(packed.packed_len()));
                let mut spool = Spool::new(packed.claimed_length().snapshot())?;
                let unpacked = packed.unpack(progress, &mut |block| spool.write(block));
                packed.source().unless_changed(unpacked)?;
                spool.finish(&input.path)?
            }
        };
        Ok(Self::of_file_source(input.path, source, threads))
    }

    /// Opens a damaged snapshot, even without a valid meta page. A compressed file that is damaged itself is unpacked up to the damage; the second value is the error there.
    ///
    /// # Errors
    /// As [`Snapshot::open`], except [`Error::Unpack`].
    pub(crate) fn open_damaged(
        path: &Path,
        threads: Option<NonZeroUsize>,
        progress: &dyn Progress,
    ) -> Result<(Self, Option<Error>), Error> {
        let input = Input::open_damaged(path, progress)?;
        input.expect_damaged_database()?;
        let (source, broke_off) = match input.body {
            Body::Plain(file) => (file, None),
            Body::Packed(packed) => {
                progress.begin(Stage::Unpack, Some(packed.packed_len()));
                let mut spool = Spool::new(None)?;
                let unpacked = packed.unpack_damaged(progress, &mut |block| spool.write(block));
                let broke_off = packed.source().unless_changed(unpacked)?;
                (spool.finish(&input.path)?, broke_off)
            }
        };
        Ok((Self::of_file_source(input.path, source, threads), broke_off))
    }

    fn of_file_source(path: PathBuf, source: FileSource, threads: Option<NonZeroUsize>) -> Self {
        Self {
            path,
            source,
            threads,
            meta: MetaChoice::Newest,
            decryption: Arc::default(),
            undecrypted: Mutex::default(),
        }
    }

    /// Sets the meta page from which to read.
    #[must_use]
    pub fn with_meta(self, meta: MetaChoice) -> Self {
        Self { meta, ..self }
    }

    /// Sets the number of threads; `None` means one for each processor.
    pub(crate) fn with_threads(self, threads: Option<NonZeroUsize>) -> Self {
        Self { threads, ..self }
    }

    /// Sets the decryption. Without it, encrypted values are returned as stored.
    #[must_use]
    pub fn with_decryption(self, decryption: Arc<Decryption>) -> Self {
        Self { decryption, ..self }
    }

    /// Fails if the file was written to since it was opened: the data read may then be of different moments. Call this after reading with a [`Store`] directly;
    /// the functions here call it themselves. A compressed file was read completely when it was opened.
    ///
    /// A file that was rewritten in place with the same length and modification time is not noticed.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub fn assert_unchanged(&self) -> Result<(), Error> {
        self.source.assert_unchanged()
    }

    /// Reads everything except the keys.
    ///
    /// # Errors
    /// [`Error::NoStore`] if it is not a snapshot; [`Error::Scan`] if it cannot be read.
    pub fn store(&self) -> Result<Store<'_, FileSource>, Error> {
        self.source.unless_changed(
            match Store::open_by(&self.source, self.meta).map_err(|cause| self.failed(cause))? {
                OpenedStore::Store(store) => Ok(*store),
                OpenedStore::Refused(report) => Err(Error::NoStore { path: self.path.clone(), report }),
            },
        )
    }

    /// Reads the keys that match `query`, including deleted ones; also returns the parts that could not be read.
    ///
    /// # Errors
    /// When it cannot be read, was written to meanwhile, or `progress` asks to stop.
    pub fn keys(
        &self,
        store: &Store<'_, FileSource>,
        query: &Query,
        progress: &dyn Progress,
    ) -> Result<(Index, LostParts), Error> {
        let whole = SharedIndex::new(query.clone());
        let (_, lost) = self.read(store, progress, || whole.beside())?;
        Ok((whole.finish().map_err(|cause| self.failed(cause))?, lost))
    }

    /// Reads every retained event of one key, in order.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn history(
        &self,
        store: &Store<'_, FileSource>,
        key: &[u8],
        progress: &dyn Progress,
    ) -> Result<(Vec<Event>, LostParts), Error> {
        let (parts, lost) = self.read(store, progress, || History::of(key))?;
        let history = merged(parts, History::merge).unwrap_or_else(|| History::of(key));
        Ok((history.into_events(), lost))
    }

    /// Reads every retained event of several keys up to a revision, in order, in one read of the file; keys without events are missing.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn histories(
        &self,
        store: &Store<'_, FileSource>,
        keys: &HashSet<&[u8]>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(EventsByKey, LostParts), Error> {
        let query = store.query(KeyRange::all(), revision);
        let (parts, lost) = self.read(store, progress, || Histories::new(query.clone(), keys))?;
        Ok((merged(parts, Histories::merge).map(Histories::into_events).unwrap_or_default(), lost))
    }

    /// Computes a server's `HashKV` at a revision from [`Store::at`].
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn hashkv(
        &self,
        store: &Store<'_, FileSource>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(HashKv, LostParts), Error> {
        let whole = HashKvPart::new(store, revision);
        let (parts, lost) = self.read(store, progress, || whole.beside())?;
        let hashing = merged(parts, HashKvPart::merge).unwrap_or(whole);
        Ok((hashing.finish(), lost))
    }

    /// Counts all buckets and pages, like [`status`](crate::status).
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn status(&self, progress: &dyn Progress) -> Result<Report, Error> {
        self.scan(Sha256::Skip, progress)
    }

    /// Verifies the whole file including its SHA-256, like [`verify`](crate::verify).
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn verify(&self, progress: &dyn Progress) -> Result<Report, Error> {
        self.scan(Sha256::Check, progress)
    }

    fn scan(&self, sha256: Sha256, progress: &dyn Progress) -> Result<Report, Error> {
        let options = VerifyOptions { sha256, meta: self.meta, threads: self.threads, progress };
        self.source
            .unless_changed(parallel_verify::run(&self.source, &options).map_err(|failure| failure.at(&self.path)))
    }

    /// Returns the path as the caller gave it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its bytes.
    pub(crate) fn source(&self) -> &FileSource {
        &self.source
    }

    /// Returns the number of threads, if the caller set it.
    pub(crate) fn chosen_threads(&self) -> Option<NonZeroUsize> {
        self.threads
    }

    /// Finds the entries that a compaction at a revision leaves; also returns the parts that could not be read.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub(crate) fn survivors(
        &self,
        store: &Store<'_, FileSource>,
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(Survivors, LostParts), Error> {
        let whole = SurvivorSearch::new(revision);
        let (parts, lost) = self.read(store, progress, || whole.beside())?;
        let search = merged(parts, SurvivorSearch::merge).unwrap_or(whole);
        Ok((search.finish().map_err(|cause| self.failed(cause))?, lost))
    }

    /// Finds which of some keys do not exist at a revision; also returns the parts that could not be read.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub(crate) fn absent(
        &self,
        store: &Store<'_, FileSource>,
        keys: &[Vec<u8>],
        revision: Revision,
        progress: &dyn Progress,
    ) -> Result<(Vec<Vec<u8>>, LostParts), Error> {
        let (parts, lost) = self.read(store, progress, || KeyPresence::new(keys, revision))?;
        let search = merged(parts, KeyPresence::merge).unwrap_or_else(|| KeyPresence::new(keys, revision));
        Ok((search.absent(), lost))
    }

    /// Reads the value of an entry, decrypted if necessary. If that fails, returns it as stored and adds it to [`Snapshot::undecrypted`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, store: &Store<'_, FileSource>, place: EntryPlace) -> Result<Vec<u8>, Error> {
        Ok(self.decrypted_value(place, &self.pair(&self.message(store, place)?)?).into_owned())
    }

    /// Returns the value of an entry that was already read, like [`value`](Self::value).
    pub fn decrypted_value<'m>(&self, place: EntryPlace, pair: &KeyValue<'m>) -> Cow<'m, [u8]> {
        self.decryption.open(pair.key, pair.value).unwrap_or_else(|undecrypted| {
            self.lock_undecrypted().add(place, undecrypted);
            Cow::Borrowed(pair.value)
        })
    }

    /// Returns the decryption.
    #[must_use]
    pub fn decryption(&self) -> &Decryption {
        &self.decryption
    }

    /// Returns the values read so far that could not be decrypted.
    #[must_use]
    pub fn undecrypted(&self) -> UndecryptedCounts {
        self.lock_undecrypted().clone()
    }

    fn lock_undecrypted(&self) -> std::sync::MutexGuard<'_, UndecryptedCounts> {
        self.undecrypted.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads the bytes of an entry that was read before.
    pub(crate) fn message(&self, store: &Store<'_, FileSource>, place: EntryPlace) -> Result<Vec<u8>, Error> {
        let message = store.value(place).map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        message.ok_or_else(|| Error::Changed { path: self.path.clone() })
    }

    /// Parses the bytes of an entry that was read before.
    pub(crate) fn pair<'m>(&self, message: &'m [u8]) -> Result<KeyValue<'m>, Error> {
        KeyValue::parse(message).ok_or_else(|| Error::Changed { path: self.path.clone() })
    }

    /// Converts core's error about this file.
    #[must_use]
    pub fn failed(&self, cause: etcdsnap_core::Error) -> Error {
        PathlessError::Scan(cause).at(&self.path)
    }

    fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// Reads all leaves into accumulators, one per thread; also returns the parts that could not be read.
    fn read<A: Accumulator>(
        &self,
        store: &Store<'_, FileSource>,
        progress: &dyn Progress,
        new: impl Fn() -> A + Sync,
    ) -> Result<(Vec<A>, LostParts), Error> {
        progress.begin(Stage::Read, Some(store.bytes()));
        let read = self.run(Reading::new(store, new), progress);
        self.source.unless_changed(read)
    }

    /// Runs a pass on all threads.
    fn run<P: Pass + Sync>(&self, pass: P, progress: &dyn Progress) -> Result<P::Outcome, Error> {
        let team = Workers::new(progress);
        let done = team.run(self.threads(), pass);
        match (team.into_error(), done) {
            (None, Some(done)) => Ok(done),
            (Some(failure), _) => Err(failure.at(&self.path)),
            (None, None) => Err(Error::Defect("a worker ended without its result".into())),
        }
    }

    /// Lets each of `threads` threads process its share of `count` pieces.
    fn pieces<T: Default + Send>(
        &self,
        count: usize,
        threads: usize,
        progress: &dyn Progress,
        take: impl Fn(&mut T, usize) + Sync,
    ) -> Result<Vec<T>, Error> {
        let team = Workers::new(progress);
        let done = team.run_jobs(threads, threads, |thread| {
            let mut whole = T::default();
            (thread..count).step_by(threads).for_each(|piece| take(&mut whole, piece));
            Ok(whole)
        });
        team.into_error().map_or_else(|| Ok(done.unwrap_or_default()), |failure| Err(failure.at(&self.path)))
    }
}

/// Merges the results of several threads.
fn merged<T>(parts: Vec<T>, merge: impl Fn(&mut T, T)) -> Option<T> {
    parts.into_iter().reduce(|mut whole, part| {
        merge(&mut whole, part);
        whole
    })
}
