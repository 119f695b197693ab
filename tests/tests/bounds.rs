//! Whatever a file claims, every command ends soon and uses little memory: measured per process, over files forged to cost as much as possible.
//!
//! The bound is 96 MiB plus twice the file, and 2 s, for files up to 16 MiB. The assertion on time uses processor time, and allows more, because these tests also run
//! unoptimised. `cargo test --release -p etcdsnap-tests --test bounds -- --ignored --nocapture` prints the cost of each command for each kind of file.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{Index, KeyRange, OpenedStore, Query, Store};
use etcdsnap_core::{Code, IgnoreProgress, Revision};
use etcdsnap_tests::build::kubernetes::cluster;
use etcdsnap_tests::read::database_of;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{all_queries, cli, core_verdict, damage, forged};
use tempfile::TempDir;

/// How much memory a command may use in addition to twice its files.
const MEMORY_LIMIT: u64 = 96 << 20;
/// How much processor time a command may use.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Length of the longest forged file.
const LONGEST: usize = 16 << 20;

/// These tests hold long files in memory, so they run one after another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory with the file that the commands read.
struct MeasuredFile {
    directory: TempDir,
    name: String,
    len: u64,
}

/// The cost of running a command.
struct Cost {
    command: &'static str,
    memory: u64,
    processor: Duration,
    wall: Duration,
}

/// The commands; `FILE` is the file, `OTHER` an unrelated file, and `OUT` a new path.
const COMMANDS: &[&str] = &[
    "status FILE",
    "status -w json FILE",
    "verify FILE",
    "verify --all FILE",
    "verify -w json FILE",
    "snapshot status FILE",
    "keys FILE",
    "keys -w json FILE",
    "keys -w table --long FILE",
    "get FILE /a",
    "get -w json FILE /a",
    "get -w table FILE /a",
    "get --hex FILE /a",
    "history FILE /a",
    "keys --at 1h FILE",
    "history -w table --values FILE /a",
    "history -w json --values FILE /a",
    "usage FILE",
    "usage --buckets --by resource FILE",
    "usage -w json --buckets --depth 9 FILE",
    "diff FILE OTHER",
    "diff -w table OTHER FILE",
    "diff -w json --values OTHER FILE",
    "members FILE",
    "members -w json FILE",
    "leases FILE",
    "leases -w json FILE",
    "auth FILE",
    "auth -w json FILE",
    "alarms FILE",
    "alarms -w table FILE",
    "meta FILE",
    "meta -w json FILE",
    "hashkv FILE",
    "export FILE",
    "export --history FILE",
    "export --format csv FILE",
    "export --format parquet -o OUT FILE",
    "kube get FILE all -A",
    "kube get FILE all -A -o yaml",
    "kube get FILE secrets -A -o json",
    "kube get FILE pods -A --deleted -o jsonl",
    "kube get FILE configmaps -A -o yaml",
    "kube kinds FILE",
    "kube find FILE configmaps/x",
    "kube manifests FILE --cluster-scoped",
    "find --prefix / FILE",
    "kube history FILE pods/a -w json",
    "kube diff FILE OTHER --all -w json",
    "kube diff OTHER FILE",
    "kube check FILE",
    "kube check FILE -w json",
    "kube events FILE -A",
    "kube helm FILE list -A --revisions",
    "usage FILE --by kind",
    "salvage FILE --dry-run",
    "salvage FILE -o OUT --reset-auth -w json",
    "defrag FILE -o OUT",
    "compact FILE -o OUT",
    "redact FILE -o OUT",
    "cut FILE -o OUT --drop /registry/events/ --drop-type secrets --allow-empty",
    "restore --dry-run --skip-hash-check --force --data-dir OUT FILE",
    "restore --dry-run --skip-hash-check --force --verify none --bump-revision 100 --mark-compacted --data-dir OUT FILE",
];

impl MeasuredFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("file.db"), bytes).expect("a file");
        let other = include_bytes!("../cases/3.7-history/snapshot.db");
        std::fs::write(directory.path().join("other.db"), other).expect("a file");
        Self { directory, name: name.to_owned(), len: (bytes.len() + other.len()) as u64 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, command: &'static str) -> Cost {
        let out = self.path("out");
        let _ = std::fs::remove_file(&out);
        let argument = |word: &str| match word {
            "FILE" => self.path("file.db"),
            "OTHER" => self.path("other.db"),
            "OUT" => out.clone(),
            word => PathBuf::from(word),
        };
        let sink = || Stdio::from(File::options().write(true).open("/dev/null").expect("a sink"));
        let begun = Instant::now();
        let report = self.path("taken");
        // The limit ends a command that would run forever.
        let status = Command::new("sh")
            .args(["-c", "ulimit -t 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_measured")])
            .arg(&report)
            .arg(cli::program())
            .args(command.split(' ').map(argument))
            .stdin(Stdio::null())
            .stdout(sink())
            .stderr(sink())
            .status()
            .expect("etcdsnap starts");
        let wall = begun.elapsed();
        assert!(status.code().is_some_and(|code| code <= 2), "{}: {command}: {status:?}", self.name);
        let taken = std::fs::read_to_string(&report).expect("what it took");
        let (memory, processor) = taken.split_once(' ').expect("two numbers");
        let memory = memory.parse().expect("bytes");
        let processor = Duration::from_micros(processor.parse().expect("microseconds"));
        Cost { command, memory, processor, wall }
    }

    /// Runs some commands and asserts that each stays within the bounds.
    fn within_bounds<'c>(&self, commands: impl IntoIterator<Item = &'c &'static str>) {
        for command in commands {
            let Cost { memory, processor, .. } = self.run(command);
            let bound = MEMORY_LIMIT + 2 * self.len;
            let what = format!("{}: {command}", self.name);
            assert!(memory <= bound, "{what} took {} KiB, {} are allowed", memory >> 10, bound >> 10);
            assert!(processor <= TIMEOUT, "{what} took {processor:?}");
        }
    }
}

/// Prints the cost of every command for every kind of file and page size, for a person with a release build.
#[test]
#[ignore = "takes minutes, and asserts nothing"]
fn print_costs() {
    let _alone = alone();
    let only = std::env::var("ETCDSNAP_FORGED").unwrap_or_default();
    let mut all: Vec<(String, Cost)> = Vec::new();
    for (name, make) in forged::all().into_iter().filter(|(name, _)| name.contains(&only)) {
        for page_size in [512, 65_536] {
            for seed in 0..2 {
                let bytes = make(&mut SeededRandom::new(seed), page_size, LONGEST).bytes;
                let name = format!("{name} {page_size} {seed}");
                let asked = MeasuredFile::new(&name, &bytes);
                drop(bytes);
                all.extend(COMMANDS.iter().map(|command| (name.clone(), asked.run(command))));
            }
        }
    }
    let print = |(name, taken): &(String, Cost)| {
        let Cost { command, memory, processor, wall } = taken;
        let [processor, wall] = [processor, wall].map(|time| time.as_secs_f64());
        println!("{:5} MiB {processor:5.2} s {wall:5.2} s wall  {command}  [{name}]", memory >> 20);
    };
    println!("most memory:");
    all.sort_by_key(|(_, taken)| std::cmp::Reverse(taken.memory));
    all.iter().take(60).for_each(print);
    println!("most time:");
    all.sort_by_key(|(_, taken)| std::cmp::Reverse(taken.processor));
    all.iter().take(60).for_each(print);
}

#[test]
fn a_value_that_32768_buckets_share() {
    let _alone = alone();
    MeasuredFile::new("32768 buckets", &forged::one_value_for_32768_buckets()).within_bounds(COMMANDS);
}

#[test]
fn a_key_that_is_printed_in_four_times_its_length() {
    let _alone = alone();
    let bytes = forged::a_key_of_control_characters(65_536, LONGEST).bytes;
    MeasuredFile::new("a key of control characters", &bytes).within_bounds(COMMANDS);
}

#[test]
fn five_nested_tables_of_800_elements() {
    let _alone = alone();
    let bytes = forged::nested_tables(65_536, 5, 800).bytes;
    MeasuredFile::new("5 tables of 800", &bytes).within_bounds(COMMANDS);
    let begun = Instant::now();
    let OpenedStore::Store(store) = Store::open(&bytes).expect("readable bytes") else { panic!("a database") };
    let view = store.page_view(etcdsnap_core::PageId::FIRST).expect("readable bytes");
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    assert!(view.more && !view.readable, "not all of it is shown, so secrets in it would not be known");
}

/// Objects whose JSON has a member every five bytes; a parsed tree takes ten times as many.
#[test]
fn an_object_of_three_million_members() {
    let _alone = alone();
    let value = format!("{{\"kind\":\"ConfigMap\",\"data\":{{{}\"\":0}}}}", "\"\":0,".repeat((LONGEST - 65_536) / 5));
    let bytes = cluster(&[("/registry/configmaps/default/x", Some(value.into_bytes()))]);
    let asked = MeasuredFile::new("an object of many members", &bytes);
    drop(bytes);
    asked.within_bounds(COMMANDS.iter().filter(|command| command.starts_with("kube")));
    asked.within_bounds(&["get FILE /registry/configmaps/default/x"]);
}

/// Each key has its own type, which no CustomResourceDefinition declares.
#[test]
fn a_hundred_thousand_types_of_objects() {
    let _alone = alone();
    let keys: Vec<String> = (0..100_000).map(|number| format!("/registry/g/t{number}/x")).collect();
    let writes: Vec<(&str, Option<Vec<u8>>)> = keys.iter().map(|key| (key.as_str(), Some(b"{}".to_vec()))).collect();
    let bytes = cluster(&writes);
    let asked = MeasuredFile::new("a hundred thousand types", &bytes);
    drop(bytes);
    asked.within_bounds(COMMANDS.iter().filter(|command| command.starts_with("kube")));
}

/// Tests every kind of file at full length, with a different share of the commands for each kind.
#[test]
fn every_kind_of_file_is_within_the_bounds() {
    let _alone = alone();
    for (number, (name, make)) in forged::all().into_iter().enumerate() {
        let page_size = 512 << (number * 5 % 8);
        let bytes = make(&mut SeededRandom::new(number as u64), page_size, LONGEST).bytes;
        let asked = MeasuredFile::new(&format!("{name}, pages of {page_size}"), &bytes);
        drop(bytes);
        asked.within_bounds(COMMANDS.iter().skip(number % 4).step_by(4));
    }
}

/// Tests files of any kind and size in which some numbers changed.
#[test]
fn any_file_is_within_the_bounds() {
    let _alone = alone();
    for seed in 0..40 {
        let (name, bytes) = forged::any(seed, LONGEST);
        let asked = MeasuredFile::new(&name, &bytes);
        drop(bytes);
        asked.within_bounds(COMMANDS.iter().skip(seed as usize % 13).step_by(13));
    }
}

/// All ways to verify agree on these files, too, and every query succeeds.
#[test]
fn all_ways_to_verify_any_file_agree() {
    let _alone = alone();
    for seed in 0..200 {
        let (name, bytes) = forged::any(seed, 256 << 10);
        let begun = Instant::now();
        if let Err(difference) = core_verdict::verify_all_ways(&bytes, &mut SeededRandom::new(seed)) {
            panic!("{name}: {difference}");
        }
        all_queries::query_any(&bytes);
        assert!(begun.elapsed() < 4 * TIMEOUT, "{name}: {:?}", begun.elapsed());
    }
}

/// Only elements that overlap others are left out.
#[test]
fn elements_that_share_no_bytes_are_still_read() {
    let _alone = alone();
    let named = |name: &str| damage::all().into_iter().find(|damage| damage.name == name).expect("a damage");
    let revisions = |file: &[u8]| {
        let bytes = database_of(file).to_vec();
        let OpenedStore::Store(store) = Store::open(&bytes).expect("readable bytes") else { panic!("a database") };
        let mut index = Index::new(Query {
            range: KeyRange::all(),
            revision: Revision::MAX,
            hash_values: false,
            folders: Vec::new(),
        });
        let mut lost = 0;
        for work in store.work() {
            lost += index.read(&store, work, &IgnoreProgress).expect("readable bytes").places;
        }
        (index.iter().map(|key| u64::from(key.revisions)).sum::<u64>(), lost)
    };
    let mut found = 0;
    for base in damage::bases() {
        let (all, _) = revisions(&base.snapshot);
        for damaged in named("value_takes_the_values_behind_it").apply(&base.snapshot) {
            assert!(
                core_verdict::verify_by_random_access(&damaged.file).findings.has(Code::ElementOverlap),
                "{}",
                base.name
            );
            assert_eq!(revisions(&damaged.file), (all - 1, 1), "{}", base.name);
            found += 1;
        }
    }
    assert!(found >= 2, "{found}");
}
