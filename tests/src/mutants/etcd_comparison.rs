//! Compares core with real servers over mutants: a file that core calls sound starts, and every key and value, the hashes, leases, users and roles are those that core finds.

use std::collections::BTreeMap;

use etcdsnap_core::{Report, Verdict};
use prost::Message;

use super::served::{Ours, Served, difference, ours, served};
use super::{Level, Mutant};
use crate::build::message::User;
use crate::parallel::parallel_map;
use crate::read::{File, database_of};
use crate::seeded_random::SeededRandom;
use crate::{case, core_verdict, damage};

/// The user with all rights in the recorded snapshots that have users.
pub const ROOT: &str = "root:root-secret";

/// A server is started on one of this many damaged mutants, because etcd may see no difference.
const DAMAGED_PER_SERVER: u64 = 12;

/// Time to live, in seconds, of a lease that may expire before the server is queried.
const SHORT_LEASE: i64 = 120;

/// A good snapshot to mutate.
pub struct Base {
    /// Its name.
    pub name: String,
    /// The version that wrote it.
    pub version: &'static str,
    /// Its bytes.
    pub file: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Returns the good snapshots: of every version with users and without, restored, of three members, fresh, and saved during a compaction.
///
/// # Panics
/// Panics if a case is not recorded.
#[must_use]
pub fn bases() -> Vec<Base> {
    let mut bases = Vec::new();
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let (on, off) = damage::with_authentication(&case::named(&format!("{version}-history")).bytes());
        bases.push(base(format!("{version}-history with users"), version, on));
        bases.push(base(format!("{version}-history"), version, off));
        for kind in ["restored", "cluster", "fresh", "compacting", "bumped"] {
            let name = format!("{version}-{kind}");
            // A snapshot of etcd 3.4 after its restore has members that a second restore removes.
            if let Some(case) = case::all().into_iter().find(|case| case.name == name && case.about.trailer) {
                bases.push(base(name, version, case.bytes()));
            }
        }
    }
    bases
}

fn base(name: String, version: &'static str, file: Vec<u8>) -> Base {
    let password = password(&file);
    Base { name, version, file, password }
}

/// Returns the hash of root's password.
fn password(file: &[u8]) -> Option<Vec<u8>> {
    let database = File::new(database_of(file).to_vec());
    let entry = std::panic::catch_unwind(|| {
        let leaf = database.entry("authUsers", b"root")?;
        database.bytes.get(leaf.value).map(<[u8]>::to_vec)
    });
    User::decode(entry.ok()??.as_slice()).ok().map(|user| user.password)
}

/// The result of comparing a mutant with servers.
enum Comparison {
    /// Core calls it damaged, and etcd serves it differently from the original, or not at all.
    DamageConfirmed,
    /// The servers agree.
    Agreed,
    /// The servers could not be queried: another password, a lease of a few seconds.
    NotQueried,
    /// Core calls it damaged, and etcd serves it unchanged.
    FalseAlarm,
    /// How the servers differ.
    Disagreement(String),
    /// The servers are not built.
    NoServers,
}

/// A mutant with its verdict.
pub struct ComparedMutant<'b> {
    base: &'b Base,
    mutant: Mutant,
    report: Report,
}

impl ComparedMutant<'_> {
    fn codes(&self) -> String {
        let codes: Vec<_> = self.report.findings.counts().keys().map(|code| code.as_str()).collect();
        codes.join(" ")
    }

    /// Describes it completely.
    #[must_use]
    pub fn description(&self) -> String {
        let (mutant, verdict) = (&self.mutant, self.report.verdict.as_str());
        format!("seed {} of {}: {}\n  {verdict} {}", mutant.seed, self.base.name, mutant.description, self.codes())
    }

    fn should_start(&self) -> bool {
        match self.report.verdict {
            Verdict::Sound | Verdict::Warnings => true,
            Verdict::Damaged => {
                self.mutant.checksums_valid
                    && self.mutant.level == Level::Contents
                    && self.mutant.seed.is_multiple_of(DAMAGED_PER_SERVER)
            }
        }
    }

    /// Starts a server on it, once more if that fails: a busy machine may be slow.
    fn start(&self) -> Comparison {
        let comparison = self.ask();
        if matches!(comparison, Comparison::Disagreement(_)) { self.ask() } else { comparison }
    }

    fn ask(&self) -> Comparison {
        let Some(found) = ours(&self.mutant.file, self.mutant.seed) else {
            return Comparison::Disagreement("  core opens no store".to_owned());
        };
        let user = found.auth.then_some(ROOT);
        let Some(answer) = served(self.base.version, &self.mutant.file, user, found.older) else {
            return Comparison::NoServers;
        };
        if self.report.verdict == Verdict::Damaged {
            return self.false_alarm(&found, &answer);
        }
        if found.auth && password(&self.mutant.file) != self.base.password || found.shortest_lease < SHORT_LEASE {
            // The server must start nevertheless.
            return match answer {
                Served::NotRestored(printed) => Comparison::Disagreement(format!("  not restored: {printed}")),
                Served::NotStarted(printed) => Comparison::Disagreement(format!("  not started: {printed}")),
                _ => Comparison::NotQueried,
            };
        }
        match describe_difference(&found, &answer) {
            None => Comparison::Agreed,
            // The message of this finding predicts the difference.
            Some(_) if self.report.findings.counts().keys().any(|code| code.as_str() == "version-unknown") => {
                Comparison::NotQueried
            }
            Some(printed) => Comparison::Disagreement(printed),
        }
    }

    /// Checks whether etcd serves a damaged mutant exactly as it serves the original.
    fn false_alarm(&self, found: &Ours, answer: &Served) -> Comparison {
        let base = ours(&self.base.file, self.mutant.seed).expect("a store");
        let same = match answer {
            Served::Answers { revision, healthy, writes, lines } => {
                *healthy && *writes && *revision == base.revision && *lines == base.lines && found.auth == base.auth
            }
            _ => false,
        };
        if same { Comparison::FalseAlarm } else { Comparison::DamageConfirmed }
    }
}

/// Returns how they differ.
#[must_use]
pub fn describe_difference(found: &Ours, answer: &Served) -> Option<String> {
    match answer {
        Served::NotRestored(printed) => Some(format!("  not restored: {printed}")),
        Served::NotStarted(printed) => Some(format!("  not started: {printed}")),
        Served::Refused(printed) => Some(format!("  refused: {printed}")),
        Served::Answers { revision, healthy, writes, lines } => {
            let mut printed = difference(&found.lines, lines);
            if *revision != found.revision {
                printed += &format!("    revision {} is {revision} for etcd\n", found.revision);
            }
            let alarmed = found.lines.iter().any(|line| line.starts_with("alarm"));
            if !healthy && !alarmed {
                printed += "    it is not healthy\n";
            }
            if !writes && !alarmed {
                printed += "    it accepts no write\n";
            }
            (!printed.is_empty()).then(|| format!("  served differently:\n{printed}"))
        }
    }
}

/// Makes the mutant of a seed and verifies it in all ways.
///
/// # Panics
/// Panics if the ways differ.
#[must_use]
pub fn verified_mutant(bases: &[Base], seed: u64) -> ComparedMutant<'_> {
    let base = &bases[(seed % bases.len() as u64) as usize];
    let mutant = super::of(&base.file, seed);
    let report =
        core_verdict::verify_all_ways(&mutant.file, &mut SeededRandom::new(seed)).unwrap_or_else(|difference| {
            panic!("seed {seed} of {}: {}: {difference}", base.name, mutant.description);
        });
    ComparedMutant { base, mutant, report }
}

/// Counts of a run.
#[derive(Default)]
pub struct RunCounts {
    /// Mutants by their verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Servers that were started.
    pub started: usize,
    /// How many of them could not be queried.
    pub not_queried: usize,
    /// Mutants that core calls damaged although etcd serves them unchanged, by codes.
    pub alarms: BTreeMap<String, Vec<String>>,
    /// Mutants that etcd serves differently, or not at all.
    pub disagreements: Vec<String>,
    /// Whether the servers are missing.
    pub no_servers: bool,
}

impl RunCounts {
    /// Returns how many mutants were verified.
    #[must_use]
    pub fn mutants(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// Verifies a batch, and starts servers on at most `most` of them.
    pub fn batch(&mut self, bases: &[Base], seeds: std::ops::Range<u64>, most: usize, always: bool) {
        let all: Vec<_> = parallel_map(seeds.collect(), |seed| verified_mutant(bases, seed));
        for one in &all {
            *self.verdicts.entry(one.report.verdict.as_str()).or_default() += 1;
        }
        let chosen: Vec<_> = all.iter().filter(|one| always || one.should_start()).take(most).collect();
        for (one, comparison) in parallel_map(chosen, |one| (one, one.start())) {
            match comparison {
                Comparison::NoServers => {
                    self.no_servers = true;
                    return;
                }
                Comparison::DamageConfirmed | Comparison::Agreed => {}
                Comparison::NotQueried => self.not_queried += 1,
                Comparison::FalseAlarm => self.alarms.entry(one.codes()).or_default().push(one.description()),
                Comparison::Disagreement(printed) => {
                    let description = format!("{}\n{printed}", one.description());
                    println!("DISAGREEMENT {description}");
                    self.disagreements.push(description);
                }
            }
            self.started += 1;
        }
    }

    /// Prints the counts.
    pub fn print(&self) {
        for (codes, which) in &self.alarms {
            println!("called damaged ({codes}), but etcd serves them unchanged: {}, such as {}", which.len(), which[0]);
        }
        let verdicts: Vec<_> = self.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        println!(
            "{} mutants: {}; {} started, of which {} could not be queried; {} false alarms, {} disagreements",
            self.mutants(),
            verdicts.join(", "),
            self.started,
            self.not_queried,
            self.alarms.values().map(Vec::len).sum::<usize>(),
            self.disagreements.len(),
        );
    }
}
