//! Compares the verdicts on files that lack necessary entries with the behaviour of real servers.
//!
//! `docs/what-etcd-starts-from.md` records the outcomes. The test compares a sample of them with servers; all with `ETCDSNAP_ALL_STARTS=1`, which takes minutes.
//! `cargo xtask record --starts` records them again; with `ETCDSNAP_NEW_STARTS=1` it tries only outcomes not recorded yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use etcdsnap_core::Verdict;
use etcdsnap_tests::damage::{self, Damage, Trailer};
use etcdsnap_tests::etcd_verdict::{self, Outcome, SERVES, ServedState};
use etcdsnap_tests::parallel::parallel_map;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{initial_cluster, member_configs};
use etcdsnap_tests::{case, core_verdict, programs};

const VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];
const SERVERS: [&str; 5] = ["3.3", "3.4", "3.5", "3.6", "3.7"];

/// The cell for a change that does not apply to a version's file.
const NOT_APPLICABLE: &str = "–";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Sample,
    All,
    /// Tries and records only outcomes that are not recorded yet.
    New,
    Record,
}

impl Extent {
    /// Returns whether a sample of the recorded outcomes is compared with servers.
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

/// A version's snapshots, both sound: with authentication off, and on.
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

fn description(change: &Damage) -> String {
    change.name.replace('_', " ")
}

fn document() -> PathBuf {
    programs::tests_dir().join("../docs/what-etcd-starts-from.md")
}

/// Returns the rows of a recorded table by their first cell.
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

fn served(outcome: Option<Outcome>) -> Option<ServedState> {
    match outcome? {
        Outcome::Answers(service) => Some(service),
        other => panic!("a sound file is not served: {other:?}"),
    }
}

#[test]
fn the_recorded_outcomes_equal_those_of_servers() {
    let extent = extent();
    let there = if extent == Extent::Record { BTreeMap::new() } else { recorded("cases") };
    let known = |change: &Damage, column: usize| {
        let row = there.get(&description(change)).filter(|_| extent == Extent::New);
        row.map(|row| row[column].clone())
    };
    let bases = VERSIONS.map(Base::of);
    let goods =
        parallel_map(bases.iter().flat_map(|base| [(base, &base.off), (base, &base.on)]).collect(), |(base, file)| {
            served(etcd_verdict::restore_and_start(base.version, file))
        });
    // Not built.
    let Some(goods) = goods.into_iter().collect::<Option<Vec<ServedState>>>() else { return };
    let mut work = Vec::new();
    for (row, change) in changes().into_iter().enumerate() {
        for (column, base) in bases.iter().enumerate() {
            if extent != Extent::Sample || (row % 5 == 0 && column == row / 5 % 4) {
                work.push((change, base, &goods[2 * column + usize::from(change.name.starts_with("auth_on"))]));
            }
        }
    }
    let seen = parallel_map(work, |(change, base, good)| {
        let column = VERSIONS.iter().position(|version| *version == base.version).expect("a version");
        let printed = known(&change, column).unwrap_or_else(|| server_outcome(&change, base, good));
        (change, base.version, printed)
    });
    if matches!(extent, Extent::Record | Extent::New) {
        let rows = seen.chunks(VERSIONS.len()).map(|row| {
            let outcomes = row.iter().map(|(_, _, printed)| printed.clone());
            [description(&row[0].0)].into_iter().chain(outcomes).chain([verdict_of(&row[0].0, &bases)]).collect()
        });
        record("cases", &rows.collect::<Vec<Vec<String>>>());
        return;
    }
    assert!(seen.len() >= 15, "{}", seen.len());
    for (change, version, printed) in seen {
        let column = VERSIONS.iter().position(|known| *known == version).expect("a version");
        let row = there.get(&description(&change)).unwrap_or_else(|| panic!("{} is not recorded", change.name));
        assert_eq!(printed, row[column], "{} of etcd {version}", change.name);
    }
}

/// Describes the behaviour of a server of `base`'s version on the changed file; `good` is the state that it serves from the unchanged one.
fn server_outcome(change: &Damage, base: &Base, good: &ServedState) -> String {
    base.changed(change).map_or(NOT_APPLICABLE.to_owned(), |file| {
        etcd_verdict::restore_and_start(base.version, &file).expect("programs that are built").describe(good)
    })
}

/// Returns the result of `verify` for a change: the verdict and the codes, which may differ between versions.
fn verdict_of(change: &Damage, bases: &[Base]) -> String {
    let mut verdicts: Vec<String> = Vec::new();
    for file in bases.iter().filter_map(|base| base.changed(change)) {
        let report = core_verdict::verify_by_random_access(&file);
        let codes: Vec<String> = report.findings.counts().keys().map(|code| format!("`{code}`")).collect();
        let text = format!("{} {}", report.verdict.as_str(), codes.join(", "));
        let text = text.trim().to_owned();
        if !verdicts.contains(&text) {
            verdicts.push(text);
        }
    }
    verdicts.join("; ")
}

/// Returns whether an outcome is damage: less is served, or to more users, or writes fail; not if service is only degraded.
fn is_damage(outcome: &str) -> bool {
    !matches!(outcome, SERVES | NOT_APPLICABLE | "unhealthy" | "read-only" | "another revision")
}

#[test]
fn verdicts_follow_from_the_outcomes() {
    let there = recorded("cases");
    let bases = VERSIONS.map(Base::of);
    let mut sound = 0;
    assert_eq!(there.len(), changes().len());
    for change in changes() {
        let row = &there[&description(&change)];
        assert_eq!(verdict_of(&change, &bases), row[VERSIONS.len()], "{}", change.name);
        for (base, outcome) in bases.iter().zip(row) {
            let Some(file) = base.changed(&change) else { continue };
            let verdict = core_verdict::verify_by_random_access(&file).verdict;
            let what = format!("{} of etcd {}: {outcome}, {verdict:?}", change.name, base.version);
            sound += u32::from(verdict == Verdict::Sound);
            assert!(outcome == SERVES || verdict != Verdict::Sound, "{what}");
            // Each of these can be legitimate: a cluster whose keys were all deleted, the file of a newer etcd, a downgrade in progress, a permission that servers accept.
            let may_be_right = [
                "store_empty",
                "both_versions_of_the_next_minor",
                "downgrade_enabled_before_3_6",
                "auth_on_permission_of_an_unknown_type",
            ];
            if may_be_right.contains(&change.name) {
                assert_eq!(verdict, Verdict::Warnings, "{what}");
            } else {
                // A server that does not start may be of another version than the file's writer.
                let any = row[..VERSIONS.len()].iter().any(|outcome| is_damage(outcome));
                assert!(!any || verdict == Verdict::Damaged, "{what}");
            }
        }
    }
    assert!(sound >= 15, "{sound} are sound");
}

/// A server starts on every file that core calls sound, although one of its bits was flipped.
#[test]
fn servers_start_on_sound_files() {
    let flips = if extent().is_sample() { 40 } else { 300 };
    let longest = if extent().is_sample() { 2 } else { usize::MAX };
    let mut work = Vec::new();
    for base in VERSIONS.map(Base::of) {
        let mut rng = SeededRandom::new(flips);
        let flipped = (0..flips).map(|_| damage::one_bit_flipped(&base.on, &mut rng));
        let sound: Vec<_> =
            flipped.filter(|(file, _)| core_verdict::verify_by_random_access(file).verdict == Verdict::Sound).collect();
        println!("{}: {} of {flips} flipped bits are called sound", base.version, sound.len());
        assert!(!sound.is_empty());
        work.extend(sound.into_iter().take(longest).map(|(file, bit)| (base.version, file, bit)));
    }
    let number = work.len();
    let bad = parallel_map(work, |(version, file, bit)| match etcd_verdict::restore_and_start(version, &file) {
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

/// Finds which servers start on the result of `etcdsnap restore`; the report names the oldest.
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
    let seen = parallel_map(work, |(written, etcd)| {
        let folder = tempfile::tempdir().expect("a directory");
        let member_config = member_configs(folder.path(), &["m"]).remove(0);
        let config = etcdsnap::RestoreConfig {
            snapshot_path: case::named(&format!("{written}-history")).path(),
            name: "m".into(),
            output_data_dir: Some(member_config.data.clone()),
            peer_urls: vec![member_config.peer_url()],
            initial_cluster: Some(initial_cluster(std::slice::from_ref(&member_config))),
            ..Default::default()
        };
        let oldest = etcdsnap::restore(&config, &etcdsnap::NoProgress).expect("restored").oldest_etcd;
        let started = match etcd_verdict::start(etcd, &member_config, folder.path()) {
            // A busy machine may have been slow.
            Some(Outcome::NotStarted(_)) => etcd_verdict::start(etcd, &member_config, folder.path()),
            started => started,
        };
        let printed = started.map(|outcome| match outcome {
            Outcome::Answers(service) if service.keys.is_some_and(|(keys, _)| keys == 188) && service.writes => SERVES,
            Outcome::Answers(service) => panic!("{written} {etcd}: {service:?}"),
            Outcome::NotRestored(_) | Outcome::NotStarted(_) => "no start",
        });
        (written, etcd, oldest, printed)
    });
    if seen.iter().any(|(.., printed)| printed.is_none()) {
        return;
    }
    let rows = |seen: &[(&str, &str, String, Option<&str>)]| {
        let outcomes = seen.iter().map(|(.., printed)| printed.unwrap_or_default().to_owned());
        [format!("etcd {}", seen[0].0)].into_iter().chain(outcomes).chain([seen[0].2.clone()]).collect::<Vec<_>>()
    };
    if extent == Extent::Record {
        record("servers", &seen.chunks(SERVERS.len()).map(rows).collect::<Vec<_>>());
    }
    let there = recorded("servers");
    for (written, etcd, oldest, printed) in seen {
        let row = &there[&format!("etcd {written}")];
        let column = SERVERS.iter().position(|known| *known == etcd).expect("a version");
        assert_eq!(printed, Some(row[column].as_str()), "what etcd {written} wrote, started by etcd {etcd}");
        assert_eq!(oldest, row[SERVERS.len()], "the oldest etcd for what {written} wrote");
        assert!(etcd < oldest.as_str() || printed == Some(SERVES), "{written} {etcd} {oldest}");
    }
}
