//! What real servers make of files that lack something they need, and that the verdicts follow from it.
//!
//! The outcomes are recorded in `docs/what-etcd-starts-from.md`. Compared with servers is a sample of them; all with `ETCDSNAP_ALL_STARTS=1`, which takes minutes.
//! `cargo xtask record --starts` writes them anew; with `ETCDSNAP_NEW_STARTS=1` it tries only what is not recorded yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use etcdsnap_core::Verdict;
use etcdsnap_tests::at_once::each;
use etcdsnap_tests::damage::{self, Damage, Trailer};
use etcdsnap_tests::etcd_verdict::{self, Outcome, SERVES, Service};
use etcdsnap_tests::seeded_random::Dice;
use etcdsnap_tests::server::{initial_cluster, seats};
use etcdsnap_tests::{case, core_verdict, programs};

const VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];
const SERVERS: [&str; 5] = ["3.3", "3.4", "3.5", "3.6", "3.7"];

/// A change that a version's file has nothing for.
const NOTHING: &str = "–";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Sample,
    All,
    /// Only what is not recorded yet is tried, and recorded.
    New,
    Record,
}

impl Extent {
    /// Whether what is recorded is compared with servers by a sample.
    fn is_sample(self) -> bool {
        matches!(self, Self::Sample | Self::New)
    }
}

fn extent() -> Extent {
    let set = |name| std::env::var(name).as_deref() == Ok("1");
    match (set("ETCDSNAP_RECORD_STARTS"), set("ETCDSNAP_ALL_STARTS"), set("ETCDSNAP_NEW_STARTS")) {
        (true, _, true) => Extent::New,
        (true, ..) => Extent::Record,
        (_, true, _) => Extent::All,
        _ => Extent::Sample,
    }
}

/// A version's snapshots, sound both: with authentication off, and on.
struct Base {
    version: &'static str,
    off: Vec<u8>,
    on: Vec<u8>,
}

impl Base {
    fn of(version: &'static str) -> Self {
        let (on, off) = damage::with_authentication(&case::named(&format!("{version}-history")).bytes());
        Self { version, off, on }
    }

    fn changed(&self, change: &Damage) -> Option<Vec<u8>> {
        let changed = change.apply(&self.off).into_iter().find(|file| file.trailer == Trailer::Right)?;
        Some(changed.file)
    }
}

fn changes() -> Vec<Damage> {
    [damage::of_what_etcd_starts_from(), damage::healthy()].concat()
}

fn words(change: &Damage) -> String {
    change.name.replace('_', " ")
}

fn document() -> PathBuf {
    programs::tests_dir().join("../docs/what-etcd-starts-from.md")
}

/// The rows of a recorded table by their first cell.
fn recorded(table: &str) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(document()).expect("the document");
    let (_, rest) = text.split_once(&format!("<!-- {table} -->\n")).expect("the table");
    let (rows, _) = rest.split_once("<!-- end -->").expect("the table's end");
    let rows = rows.lines().skip(2).map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        (cells.next().expect("a cell"), cells.collect())
    });
    rows.collect()
}

fn record(table: &str, rows: &[Vec<String>]) {
    let text = std::fs::read_to_string(document()).expect("the document");
    let begin = format!("<!-- {table} -->\n");
    let (before, rest) = text.split_once(&begin).expect("the table");
    let (old, after) = rest.split_once("<!-- end -->").expect("the table's end");
    let head = old.lines().take(2).map(str::to_owned);
    let rows = rows.iter().map(|row| format!("| {} |", row.join(" | ")));
    let lines: Vec<_> = head.chain(rows).collect();
    std::fs::write(document(), format!("{before}{begin}{}\n<!-- end -->{after}", lines.join("\n")))
        .expect("a document");
}

fn served(outcome: Option<Outcome>) -> Option<Service> {
    match outcome? {
        Outcome::Answers(service) => Some(service),
        other => panic!("a sound file is not served: {other:?}"),
    }
}

#[test]
fn the_recorded_outcomes_are_those_of_servers() {
    let extent = extent();
    let there = if extent == Extent::Record { BTreeMap::new() } else { recorded("cases") };
    let known = |change: &Damage, column: usize| {
        let row = there.get(&words(change)).filter(|_| extent == Extent::New);
        row.map(|row| row[column].clone())
    };
    let bases = VERSIONS.map(Base::of);
    let goods = each(bases.iter().flat_map(|base| [(base, &base.off), (base, &base.on)]).collect(), |(base, file)| {
        served(etcd_verdict::observe(base.version, file))
    });
    // Not built.
    let Some(goods) = goods.into_iter().collect::<Option<Vec<Service>>>() else { return };
    let mut work = Vec::new();
    for (row, change) in changes().into_iter().enumerate() {
        for (column, base) in bases.iter().enumerate() {
            if extent != Extent::Sample || (row % 5 == 0 && column == row / 5 % 4) {
                work.push((change, base, &goods[2 * column + usize::from(change.name.starts_with("auth_on"))]));
            }
        }
    }
    let seen = each(work, |(change, base, good)| {
        let column = VERSIONS.iter().position(|version| *version == base.version).expect("a version");
        let said = known(&change, column).unwrap_or_else(|| said_of(&change, base, good));
        (change, base.version, said)
    });
    if matches!(extent, Extent::Record | Extent::New) {
        let rows = seen.chunks(VERSIONS.len()).map(|row| {
            let outcomes = row.iter().map(|(_, _, said)| said.clone());
            [words(&row[0].0)].into_iter().chain(outcomes).chain([verdict_of(&row[0].0, &bases)]).collect()
        });
        record("cases", &rows.collect::<Vec<Vec<String>>>());
        return;
    }
    assert!(seen.len() >= 15, "{}", seen.len());
    for (change, version, said) in seen {
        let column = VERSIONS.iter().position(|known| *known == version).expect("a version");
        let row = there.get(&words(&change)).unwrap_or_else(|| panic!("{} is not recorded", change.name));
        assert_eq!(said, row[column], "{} of etcd {version}", change.name);
    }
}

/// What a server of the version of `base` makes of its changed file; `good` is how the unchanged one is served.
fn said_of(change: &Damage, base: &Base, good: &Service) -> String {
    base.changed(change).map_or(NOTHING.to_owned(), |file| {
        etcd_verdict::observe(base.version, &file).expect("programs that are built").describe(good)
    })
}

/// What `verify` says of a change: the verdict and the codes, which may differ between the files of the versions.
fn verdict_of(change: &Damage, bases: &[Base]) -> String {
    let mut verdicts: Vec<String> = Vec::new();
    for file in bases.iter().filter_map(|base| base.changed(change)) {
        let report = core_verdict::walk(&file);
        let codes: Vec<String> = report.findings.counts().keys().map(|code| format!("`{code}`")).collect();
        let text = format!("{} {}", report.verdict.as_str(), codes.join(", "));
        let text = text.trim().to_owned();
        if !verdicts.contains(&text) {
            verdicts.push(text);
        }
    }
    verdicts.join("; ")
}

/// Less is served, or to more, or nothing is written: all but what is only degraded.
fn is_damage(outcome: &str) -> bool {
    !matches!(outcome, SERVES | NOTHING | "unhealthy" | "read-only" | "another revision")
}

#[test]
fn verdicts_follow_from_the_outcomes() {
    let there = recorded("cases");
    let bases = VERSIONS.map(Base::of);
    let mut sound = 0;
    assert_eq!(there.len(), changes().len());
    for change in changes() {
        let row = &there[&words(&change)];
        assert_eq!(verdict_of(&change, &bases), row[VERSIONS.len()], "{}", change.name);
        for (base, outcome) in bases.iter().zip(row) {
            let Some(file) = base.changed(&change) else { continue };
            let verdict = core_verdict::walk(&file).verdict;
            let what = format!("{} of etcd {}: {outcome}, {verdict:?}", change.name, base.version);
            sound += u32::from(verdict == Verdict::Sound);
            assert!(outcome == SERVES || verdict != Verdict::Sound, "{what}");
            // Each may be right: a cluster whose keys were all deleted, the file of a newer etcd, a downgrade under way, a grant that servers take.
            let may_be_right = [
                "store_empty",
                "both_versions_of_the_next_minor",
                "downgrade_enabled_before_3_6",
                "auth_on_permission_of_an_unknown_type",
            ];
            if may_be_right.contains(&change.name) {
                assert_eq!(verdict, Verdict::Warnings, "{what}");
            } else {
                // A server that does not start from the file may be of another version than that which wrote it.
                let any = row[..VERSIONS.len()].iter().any(|outcome| is_damage(outcome));
                assert!(!any || verdict == Verdict::Damaged, "{what}");
            }
        }
    }
    assert!(sound >= 15, "{sound} are sound");
}

/// Of every file that is called sound, although a bit of it was flipped, a server starts.
#[test]
fn servers_start_from_what_is_sound() {
    let flips = if extent().is_sample() { 40 } else { 300 };
    let longest = if extent().is_sample() { 2 } else { usize::MAX };
    let mut work = Vec::new();
    for base in VERSIONS.map(Base::of) {
        let mut dice = Dice::new(flips);
        let flipped = (0..flips).map(|_| damage::one_bit_flipped(&base.on, &mut dice));
        let sound: Vec<_> = flipped.filter(|(file, _)| core_verdict::walk(file).verdict == Verdict::Sound).collect();
        println!("{}: {} of {flips} flipped bits are called sound", base.version, sound.len());
        assert!(!sound.is_empty());
        work.extend(sound.into_iter().take(longest).map(|(file, bit)| (base.version, file, bit)));
    }
    let number = work.len();
    let bad = each(work, |(version, file, bit)| match etcd_verdict::observe(version, &file) {
        Some(Outcome::Answers(service)) => {
            if service.keys.is_none() || service.open || !service.alice || !service.writes || !service.healthy {
                println!("etcd {version}, {bit}: {service:?}");
            }
            None
        }
        None => None,
        Some(other) => Some(format!("etcd {version}, {bit}: {other:?}")),
    });
    let bad: Vec<_> = bad.into_iter().flatten().collect();
    assert!(bad.is_empty(), "{} of {number} do not start:\n{}", bad.len(), bad.join("\n"));
}

/// Which servers start on what `etcdsnap restore` makes; it names the oldest.
#[test]
fn the_oldest_etcd_is_named() {
    let extent = extent();
    let mut work = Vec::new();
    for written in SERVERS {
        for etcd in SERVERS {
            let tight = (written, etcd) == ("3.7", "3.6") || written == etcd;
            if !extent.is_sample() || tight {
                work.push((written, etcd));
            }
        }
    }
    let seen = each(work, |(written, etcd)| {
        let folder = tempfile::tempdir().expect("a directory");
        let seat = seats(folder.path(), &["m"]).remove(0);
        let config = etcdsnap::RestoreConfig {
            snapshot_path: case::named(&format!("{written}-history")).path(),
            name: "m".into(),
            output_data_dir: Some(seat.data.clone()),
            peer_urls: vec![seat.peer_url()],
            initial_cluster: Some(initial_cluster(std::slice::from_ref(&seat))),
            ..Default::default()
        };
        let oldest = etcdsnap::restore(&config, &etcdsnap::NoProgress).expect("restored").oldest_etcd;
        let started = match etcd_verdict::start(etcd, &seat, folder.path()) {
            // A machine with other work to do may have been slow.
            Some(Outcome::NotStarted(_)) => etcd_verdict::start(etcd, &seat, folder.path()),
            started => started,
        };
        let said = started.map(|outcome| match outcome {
            Outcome::Answers(service) if service.keys.is_some_and(|(keys, _)| keys == 188) && service.writes => SERVES,
            Outcome::Answers(service) => panic!("{written} {etcd}: {service:?}"),
            Outcome::NotRestored(_) | Outcome::NotStarted(_) => "no start",
        });
        (written, etcd, oldest, said)
    });
    if seen.iter().any(|(.., said)| said.is_none()) {
        return;
    }
    let rows = |seen: &[(&str, &str, String, Option<&str>)]| {
        let outcomes = seen.iter().map(|(.., said)| said.unwrap_or_default().to_owned());
        [format!("etcd {}", seen[0].0)].into_iter().chain(outcomes).chain([seen[0].2.clone()]).collect::<Vec<_>>()
    };
    if extent == Extent::Record {
        record("servers", &seen.chunks(SERVERS.len()).map(rows).collect::<Vec<_>>());
    }
    let there = recorded("servers");
    for (written, etcd, oldest, said) in seen {
        let row = &there[&format!("etcd {written}")];
        let column = SERVERS.iter().position(|known| *known == etcd).expect("a version");
        assert_eq!(said, Some(row[column].as_str()), "what etcd {written} wrote, started by etcd {etcd}");
        assert_eq!(oldest, row[SERVERS.len()], "the oldest etcd for what {written} wrote");
        assert!(etcd < oldest.as_str() || said == Some(SERVES), "{written} {etcd} {oldest}");
    }
}
