//! What is in a snapshot, read on all processors.

mod cluster;
mod difference;
mod find;
mod find_object;
mod kinds;
mod usage;

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::store::{Event, HashKv, Hashing, History, Index, Lost, OpenedStore, Place, Query, Store, Work};
use etcdsnap_core::{Report, Watch};

use crate::error::{Error, Fault};
use crate::input::{Body, FileSource, Input, Spool};
use crate::options::{Sha256, VerifyOptions};
use crate::progress::{Progress, Stage};
use crate::scan::{self, Team};

pub use cluster::Cluster;
pub use difference::{Side, compare};
pub use find::{Answer, Found, find};
pub use find_object::{ObjectAnswer, ObjectName, ObjectState, find_object};
pub use kinds::{KindUsage, ObjectKind};
pub use usage::{HeavyKey, UsageReport};

/// A snapshot that is open to be looked into. A compressed one is unpacked into a file without a name.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    source: FileSource,
    threads: Option<NonZeroUsize>,
}

impl Snapshot {
    /// Opens `path`; `-` is the standard input. `threads` is one for each processor unless it is given.
    ///
    /// # Errors
    /// As [`verify`](crate::verify).
    pub fn open(path: impl AsRef<Path>, threads: Option<NonZeroUsize>, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of_input(Input::open(path.as_ref(), progress)?, threads, progress)
    }

    /// The same of a regular file that is open, whatever has its name by now; `path` is for messages.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub(crate) fn of_file(file: File, path: &Path, progress: &dyn Progress) -> Result<Self, Error> {
        Self::of_input(Input::of_file(file, path)?, None, progress)
    }

    /// The same of an input that is open.
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
                let mut spool = Spool::new(packed.extent().snapshot())?;
                let unpacked = packed.unpack(progress, &mut |block| spool.write(block));
                packed.source().unless_changed(unpacked)?;
                spool.finish(&input.path)?
            }
        };
        Ok(Self { path: input.path, source, threads })
    }

    /// Fails when the file was written to since it was opened: what was read of it may then be of no single moment. Ask after reading with a [`Store`] directly;
    /// the functions here ask themselves. A compressed file was read whole when it was opened.
    ///
    /// A file that is rewritten in place, keeps its length, and has its modification time put back, looks unchanged.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub fn assert_unchanged(&self) -> Result<(), Error> {
        self.source.assert_unchanged()
    }

    /// Reads all but the keys.
    ///
    /// # Errors
    /// [`Error::NoStore`] when it is no snapshot; [`Error::Scan`] when it cannot be read.
    pub fn store(&self) -> Result<Store<'_, FileSource>, Error> {
        self.source.unless_changed(match Store::open(&self.source).map_err(|cause| self.failed(cause))? {
            OpenedStore::Store(store) => Ok(*store),
            OpenedStore::Refused(report) => Err(Error::NoStore { path: self.path.clone(), report }),
        })
    }

    /// The keys that `query` asks for, deleted ones among them; and what could not be read.
    ///
    /// # Errors
    /// When it cannot be read, was written to meanwhile, or `progress` asks to stop.
    pub fn keys(
        &self,
        store: &Store<'_, FileSource>,
        query: &Query,
        progress: &dyn Progress,
    ) -> Result<(Index, Lost), Error> {
        let take = |index: &mut Index, work, watch: &dyn Watch| index.read(store, work, watch);
        let (parts, lost) = self.parts(store, progress, || Index::new(query.clone()), take)?;
        // Each thread has met most keys: they merge shard by shard.
        let team = Team::new(progress);
        let parts: Vec<Mutex<Index>> = parts.into_iter().map(Mutex::new).collect();
        let shards = team.share(self.threads(), Index::shards(), |number| {
            let take = |part: &Mutex<Index>| part.lock().unwrap_or_else(PoisonError::into_inner).take_shard(number);
            let merged = parts.iter().map(take).reduce(|mut whole, part| {
                whole.merge(part);
                whole
            });
            Ok(merged.unwrap_or_default())
        });
        match (team.into_fault(), shards) {
            (None, Some(shards)) => {
                let index = Index::of_shards(query.clone(), shards).map_err(|cause| self.failed(cause))?;
                Ok((index, lost))
            }
            (Some(fault), _) => Err(fault.at(&self.path)),
            (None, None) => Err(Error::Defect("the shards were not merged".into())),
        }
    }

    /// Every event of one key that is retained, in order.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn history(
        &self,
        store: &Store<'_, FileSource>,
        key: &[u8],
        progress: &dyn Progress,
    ) -> Result<(Vec<Event>, Lost), Error> {
        let (history, lost) = self.fold(
            store,
            progress,
            || History::of(key),
            |history, work, watch| store.entries(work, watch, &mut |entry, lost| history.take(entry, lost)),
            History::merge,
        )?;
        Ok((history.into_events(), lost))
    }

    /// What a server's `HashKV` says at a revision, one of [`Store::at`].
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn hashkv(
        &self,
        store: &Store<'_, FileSource>,
        revision: i64,
        progress: &dyn Progress,
    ) -> Result<(HashKv, Lost), Error> {
        let (hashing, lost) = self.fold(
            store,
            progress,
            || Hashing::new(store, revision),
            |hashing, work, watch| hashing.read(store, work, watch),
            Hashing::merge,
        )?;
        Ok((hashing.finish(), lost))
    }

    /// The numbers of all buckets and pages, as [`status`](crate::status) has them.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn status(&self, progress: &dyn Progress) -> Result<Report, Error> {
        let options = VerifyOptions { sha256: Sha256::Skip, threads: self.threads, progress };
        self.source.unless_changed(scan::run(&self.source, &options).map_err(|fault| fault.at(&self.path)))
    }

    /// The value of an entry.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn value(&self, store: &Store<'_, FileSource>, place: Place) -> Result<Vec<u8>, Error> {
        Ok(self.pair(&self.message(store, place)?)?.value.to_vec())
    }

    /// The bytes of an entry, which was read before.
    pub(crate) fn message(&self, store: &Store<'_, FileSource>, place: Place) -> Result<Vec<u8>, Error> {
        let message = store.value(place).map_err(|cause| self.failed(cause))?;
        self.assert_unchanged()?;
        message.ok_or_else(|| Error::Changed { path: self.path.clone() })
    }

    /// What the bytes of an entry, which was read before, are.
    pub(crate) fn pair<'m>(&self, message: &'m [u8]) -> Result<KeyValue<'m>, Error> {
        KeyValue::parse(message).ok_or_else(|| Error::Changed { path: self.path.clone() })
    }

    /// An error of core about this file.
    #[must_use]
    pub fn failed(&self, cause: etcdsnap_core::Error) -> Error {
        Fault::Scan(cause).at(&self.path)
    }

    fn threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// Has each thread take pieces of work until none are left: what each has, and what could not be read.
    fn parts<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        progress: &dyn Progress,
        new: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, Work, &dyn Watch) -> Result<Lost, etcdsnap_core::Error> + Sync,
    ) -> Result<(Vec<T>, Lost), Error> {
        progress.begin(Stage::Read, Some(store.bytes()));
        let team = Team::new(progress);
        let work: Vec<Work> = store.work().collect();
        let next = AtomicUsize::new(0);
        let threads = self.threads().min(work.len()).max(1);
        let done = team.share(threads, threads, |_| {
            let (mut whole, mut lost) = (new(), Lost::default());
            while let Some(work) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                lost.append(take(&mut whole, *work, &team)?);
            }
            Ok((whole, lost))
        });
        let fault = team.into_fault().map_or(Ok(()), |fault| Err(fault.at(&self.path)));
        self.source.unless_changed(fault)?;
        let mut lost = store.lost();
        let mut parts = Vec::new();
        for (part, part_lost) in done.unwrap_or_default() {
            parts.push(part);
            lost.append(part_lost);
        }
        Ok((parts, lost))
    }

    /// Has each of so many threads make something of its share of so many pieces of what was read.
    fn pieces<T: Default + Send>(
        &self,
        count: usize,
        threads: usize,
        progress: &dyn Progress,
        take: impl Fn(&mut T, usize) + Sync,
    ) -> Result<Vec<T>, Error> {
        let team = Team::new(progress);
        let done = team.share(threads, threads, |thread| {
            let mut whole = T::default();
            (thread..count).step_by(threads).for_each(|piece| take(&mut whole, piece));
            Ok(whole)
        });
        team.into_fault().map_or_else(|| Ok(done.unwrap_or_default()), |fault| Err(fault.at(&self.path)))
    }

    /// The parts of [`Snapshot::parts`], merged.
    fn fold<T: Send>(
        &self,
        store: &Store<'_, FileSource>,
        progress: &dyn Progress,
        new: impl Fn() -> T + Sync,
        take: impl Fn(&mut T, Work, &dyn Watch) -> Result<Lost, etcdsnap_core::Error> + Sync,
        merge: impl Fn(&mut T, T),
    ) -> Result<(T, Lost), Error> {
        let (parts, lost) = self.parts(store, progress, &new, take)?;
        let whole = parts.into_iter().reduce(|mut whole, part| {
            merge(&mut whole, part);
            whole
        });
        Ok((whole.unwrap_or_else(new), lost))
    }
}
