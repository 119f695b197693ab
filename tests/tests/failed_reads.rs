//! A failed read does not mean that the file is damaged: every query of core returns an error, never damage and never an incomplete answer.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{
    Contents, GroupTally, HashKvPart, History, Index, KeyRange, LostParts, OpenedStore, Query, Store, Sums, Tallies,
    Work,
};
use etcdsnap_core::{Error, IgnoreProgress, ReadError, Source, Sweep, status, summarize, verify};
use etcdsnap_tests::damage;
use etcdsnap_tests::sorted_index::sorted_keys;

/// A source in which some reads fail.
struct Failing<'b> {
    bytes: &'b [u8],
    fails: FailingReads,
    reads: Cell<usize>,
    failed: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
enum FailingReads {
    Never,
    /// One read, by its number; a retry would succeed.
    Once(usize),
    /// Every read that touches these bytes, as on a disk with a bad sector.
    At(u64, u64),
}

impl<'b> Failing<'b> {
    fn new(bytes: &'b [u8], fails: FailingReads) -> Self {
        Self { bytes, fails, reads: Cell::new(0), failed: Cell::new(false) }
    }
}

impl Source for Failing<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let number = self.reads.replace(self.reads.get() + 1);
        let fails = match self.fails {
            FailingReads::Never => false,
            FailingReads::Once(nth) => number == nth,
            FailingReads::At(from, to) => offset < to && from < offset + out.len() as u64,
        };
        if fails {
            self.failed.set(true);
            return Err(ReadError::Medium("input/output error".into()));
        }
        self.bytes.read_at(offset, out)
    }
}

type Answer = Result<String, Error>;
type Bytes<'b> = Failing<'b>;

fn store<'s>(source: &'s Bytes<'s>) -> Result<Box<Store<'s, Bytes<'s>>>, Error> {
    match Store::open(source)? {
        OpenedStore::Store(store) => Ok(store),
        OpenedStore::Refused(report) => panic!("{report:?}"),
    }
}

fn query<S: Source + ?Sized>(store: &Store<'_, S>) -> Query {
    Query { range: KeyRange::all(), revision: store.current(), hash_values: true, folders: Vec::new() }
}

fn each<S: Source + ?Sized>(
    store: &Store<'_, S>,
    mut read: impl FnMut(Work) -> Result<LostParts, Error>,
) -> Result<LostParts, Error> {
    let mut lost = store.lost().clone();
    for work in store.work() {
        lost.append(read(work)?);
    }
    Ok(lost)
}

fn keys(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let mut index = Index::new(query(&store));
    let lost = each(&store, |work| index.read(&store, work, &IgnoreProgress))?;
    let keys: Vec<_> =
        sorted_keys(&index, |_| true).into_iter().map(|key| (key.key, key.revision, key.bytes)).collect();
    let mut at = Index::new(query(&store));
    let places = index.iter().map(|key| key.place).collect();
    let again = at.read_places(&store, places)?;
    let values = index.iter().map(|key| store.value(key.place)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{keys:?} {lost:?} {} {again:?} {}", at.len(), values.iter().flatten().map(Vec::len).sum::<usize>()))
}

fn contents(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let mut contents = Contents::new(query(&store));
    let lost = each(&store, |work| contents.read(&store, work, &IgnoreProgress))?;
    Ok(format!("{lost:?}"))
}

fn hash(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let mut hashing = HashKvPart::new(&store, store.current());
    let lost = each(&store, |work| hashing.read(&store, work, &IgnoreProgress))?;
    Ok(format!("{:?} {lost:?}", hashing.finish()))
}

fn usage(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let by: etcdsnap_core::store::usage_by_group::Grouping<'_> = &|_, _| {};
    let mut tally = GroupTally::new(query(&store), by);
    let lost = each(&store, |work| tally.read(&store, work, &IgnoreProgress))?;
    let tallies = Tallies::of(vec![tally]);
    let mut sums = Sums::default();
    (0..Tallies::pieces()).for_each(|piece| tallies.sum(piece, 3, &mut sums));
    Ok(format!("{sums:?} {} {lost:?}", store.defragmented_bytes(&sums)?))
}

fn history(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let mut history = History::of(b"a key that is not there");
    let lost = each(&store, |work| store.entries(work, &IgnoreProgress, &mut |entry, lost| history.take(entry, lost)))?;
    Ok(format!("{:?} {lost:?}", history.into_events()))
}

fn in_order(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let mut revisions = Vec::new();
    let lost = store.entries_in_order(&IgnoreProgress, &mut |entry, _| {
        revisions.push(entry.key);
        true
    })?;
    Ok(format!("{revisions:?} {lost:?}"))
}

fn small_buckets(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let members = (store.members()?, store.removed_members()?);
    let others = (store.leases()?, store.auth()?, store.alarms()?);
    let (mut marks, mut users, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    store.marks(&mut |mark| marks.push(mark))?;
    store.users(&mut |user| users.push(user))?;
    store.roles(&mut |role| roles.push(role))?;
    Ok(format!("{members:?} {others:?} {marks:?} {users:?} {roles:?}"))
}

fn pages(source: &Bytes<'_>) -> Answer {
    let store = store(source)?;
    let views = (0..store.pages())
        .step_by(7)
        .map(|page| store.page_view(etcdsnap_core::PageId::new(page)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{} {:?}", views.len(), views.last()))
}

/// Verifies a stream, which reads missing parts from the source: here everything after the head.
fn swept(source: &Bytes<'_>) -> Answer {
    const HEAD: usize = etcdsnap_core::limits::HEAD_LEN;
    let mut sweep = Sweep::new();
    sweep.push(source.bytes.get(..HEAD).unwrap_or(source.bytes));
    sweep.push(&vec![0; source.bytes.len().saturating_sub(HEAD)]);
    let report = sweep.finish()?.verify(source, &IgnoreProgress)?;
    Ok(format!("{:?} {:?}", report.findings, report.status))
}

/// A query with its name.
type NamedQuery = (&'static str, fn(&Bytes<'_>) -> Answer);

const QUERIES: [NamedQuery; 12] = [
    ("summarize", |source| Ok(format!("{:?}", summarize(source)?))),
    ("status", |source| Ok(format!("{:?}", status(source, &IgnoreProgress)?))),
    ("verify", |source| Ok(format!("{:?}", verify(source, &IgnoreProgress)?))),
    ("sweep", swept),
    ("keys", keys),
    ("contents", contents),
    ("hash", hash),
    ("usage", usage),
    ("history", history),
    ("entries in order", in_order),
    ("small buckets", small_buckets),
    ("pages", pages),
];

/// A failed read-ahead may be harmless if the needed bytes can be read; then the answer must be complete.
fn check(name: &str, run: fn(&Bytes<'_>) -> Answer, bytes: &[u8], fails: FailingReads, whole: &str) -> (bool, bool) {
    let source = Failing::new(bytes, fails);
    let answer = run(&source);
    let is_error = match answer {
        Ok(answer) => {
            assert_eq!(answer, whole, "{name} {fails:?}");
            false
        }
        Err(Error::Read { cause: ReadError::Medium(_), .. }) => true,
        Err(error) => panic!("{name} {fails:?}: {error}"),
    };
    (source.failed.get(), is_error)
}

#[test]
fn every_query_fails_with_its_read_or_gives_the_complete_answer() {
    let (bases, next) = (damage::bases(), AtomicUsize::new(0));
    let work = || {
        while let Some((name, run)) = QUERIES.get(next.fetch_add(1, Ordering::Relaxed)) {
            bases.iter().for_each(|base| check_queries(name, *run, base));
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
}

fn check_queries(name: &str, run: fn(&Bytes<'_>) -> Answer, base: &damage::GoodSnapshot) {
    let bytes = &base.snapshot;
    let whole = run(&Failing::new(bytes, FailingReads::Never)).unwrap();
    let mut errors = 0;
    for nth in 0.. {
        let (failed, is_error) = check(name, run, bytes, FailingReads::Once(nth), &whole);
        errors += usize::from(is_error);
        if !failed {
            break;
        }
    }
    // A stream keeps the whole head, which a small file does not exceed.
    let all_kept = name == "sweep" && bytes.len() <= etcdsnap_core::limits::HEAD_LEN;
    assert!(errors > 0 || all_kept, "{}: no failed read was an error for {name}", base.name);
    let page = 4096.min(bytes.len() as u64 / 64);
    for at in (0..bytes.len() as u64).step_by(3 * page as usize) {
        let (failed, is_error) = check(name, run, bytes, FailingReads::At(at, at + page), &whole);
        assert!(failed || !is_error);
    }
}
