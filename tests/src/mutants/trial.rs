//! Mutants judged by core and by real servers: what is called sound starts, and every key and value, the hashes, leases, users and roles are those that core finds.

use std::collections::BTreeMap;

use etcdsnap_core::{Report, Verdict};
use prost::Message;

use super::served::{Ours, Served, difference, ours, served};
use super::{Level, Mutant};
use crate::at_once::each;
use crate::build::message::User;
use crate::read::{File, database_of};
use crate::seeded_random::Dice;
use crate::{case, core_verdict, damage};

/// Who may do everything in the recorded snapshots with users.
pub const ROOT: &str = "root:root-secret";

/// One of so many damaged mutants is started, too: etcd may see no difference.
const ALARMS: u64 = 12;

/// Seconds of a lease that expires before its keys are asked for.
const SHORT_LEASE: i64 = 120;

/// A good snapshot.
pub struct Base {
    /// Its name.
    pub name: String,
    /// The version that wrote it.
    pub version: &'static str,
    /// Its bytes.
    pub file: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// The good snapshots: of every version with users and without, restored, of three members, fresh, and in the middle of a compaction.
///
/// # Panics
/// When a case is not recorded.
#[must_use]
pub fn bases() -> Vec<Base> {
    let mut bases = Vec::new();
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let (on, off) = damage::with_authentication(&case::named(&format!("{version}-history")).bytes());
        bases.push(base(format!("{version}-history with users"), version, on));
        bases.push(base(format!("{version}-history"), version, off));
        for kind in ["restored", "cluster", "fresh", "compacting", "bumped"] {
            let name = format!("{version}-{kind}");
            // What etcd 3.4 restored has members that it will not have after a restore.
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

/// The hash of root's password.
fn password(file: &[u8]) -> Option<Vec<u8>> {
    let database = File::new(database_of(file).to_vec());
    let entry = std::panic::catch_unwind(|| {
        let leaf = database.entry("authUsers", b"root")?;
        database.bytes.get(leaf.value).map(<[u8]>::to_vec)
    });
    User::decode(entry.ok()??.as_slice()).ok().map(|user| user.password)
}

/// What became of a mutant.
enum Fate {
    /// Nobody was asked.
    Judged,
    /// The servers say the same.
    Agreed,
    /// It could not be asked all the same: another password, a lease of a few seconds.
    NotAsked,
    /// Called damaged, and etcd sees no difference.
    Alarm,
    /// What the servers say.
    Disagreement(String),
    /// Not built.
    NoServers,
}

/// A mutant with its verdict.
pub struct Judged<'b> {
    base: &'b Base,
    mutant: Mutant,
    report: Report,
}

impl Judged<'_> {
    fn codes(&self) -> String {
        let codes: Vec<_> = self.report.findings.counts().keys().map(|code| code.as_str()).collect();
        codes.join(" ")
    }

    /// All about it.
    #[must_use]
    pub fn words(&self) -> String {
        let (mutant, verdict) = (&self.mutant, self.report.verdict.as_str());
        format!("seed {} of {}: {}\n  {verdict} {}", mutant.seed, self.base.name, mutant.words, self.codes())
    }

    fn is_started(&self) -> bool {
        match self.report.verdict {
            Verdict::Sound | Verdict::Warnings => true,
            Verdict::Damaged => {
                self.mutant.sealed && self.mutant.level == Level::Contents && self.mutant.seed.is_multiple_of(ALARMS)
            }
        }
    }

    /// Starts a server on it, once more when that fails: a machine with other work to do may be slow.
    fn start(&self) -> Fate {
        let fate = self.ask();
        if matches!(fate, Fate::Disagreement(_)) { self.ask() } else { fate }
    }

    fn ask(&self) -> Fate {
        let Some(found) = ours(&self.mutant.file, self.mutant.seed) else {
            return Fate::Disagreement("  core opens no store".to_owned());
        };
        let user = found.auth.then_some(ROOT);
        let Some(answer) = served(self.base.version, &self.mutant.file, user, found.older) else {
            return Fate::NoServers;
        };
        if self.report.verdict == Verdict::Damaged {
            return self.alarm(&found, &answer);
        }
        if found.auth && password(&self.mutant.file) != self.base.password || found.shortest_lease < SHORT_LEASE {
            // It must start all the same.
            return match answer {
                Served::NotRestored(said) => Fate::Disagreement(format!("  not restored: {said}")),
                Served::NotStarted(said) => Fate::Disagreement(format!("  not started: {said}")),
                _ => Fate::NotAsked,
            };
        }
        match compared(&found, &answer) {
            None => Fate::Agreed,
            // The messages of these say so.
            Some(_) if self.report.findings.counts().keys().any(|code| code.as_str() == "version-unknown") => {
                Fate::NotAsked
            }
            Some(said) => Fate::Disagreement(said),
        }
    }

    /// Whether etcd serves a damaged mutant as it serves what it was made of.
    fn alarm(&self, found: &Ours, answer: &Served) -> Fate {
        let base = ours(&self.base.file, self.mutant.seed).expect("a store");
        let same = match answer {
            Served::Answers { revision, healthy, writes, lines } => {
                *healthy && *writes && *revision == base.revision && *lines == base.lines && found.auth == base.auth
            }
            _ => false,
        };
        if same { Fate::Alarm } else { Fate::Judged }
    }
}

/// What differs.
#[must_use]
pub fn compared(found: &Ours, answer: &Served) -> Option<String> {
    match answer {
        Served::NotRestored(said) => Some(format!("  not restored: {said}")),
        Served::NotStarted(said) => Some(format!("  not started: {said}")),
        Served::Refused(said) => Some(format!("  refused: {said}")),
        Served::Answers { revision, healthy, writes, lines } => {
            let mut said = difference(&found.lines, lines);
            if *revision != found.revision {
                said += &format!("    revision {} is {revision} for etcd\n", found.revision);
            }
            let alarmed = found.lines.iter().any(|line| line.starts_with("alarm"));
            if !healthy && !alarmed {
                said += "    it is not healthy\n";
            }
            if !writes && !alarmed {
                said += "    it takes no write\n";
            }
            (!said.is_empty()).then(|| format!("  served otherwise:\n{said}"))
        }
    }
}

/// Makes the mutant of a seed and judges it in all ways.
///
/// # Panics
/// When the ways differ.
#[must_use]
pub fn judged(bases: &[Base], seed: u64) -> Judged<'_> {
    let base = &bases[(seed % bases.len() as u64) as usize];
    let mutant = super::of(&base.file, seed);
    let report = core_verdict::agreed(&mutant.file, &mut Dice::new(seed)).unwrap_or_else(|difference| {
        panic!("seed {seed} of {}: {}: {difference}", base.name, mutant.words);
    });
    Judged { base, mutant, report }
}

/// What was run.
#[derive(Default)]
pub struct Tally {
    /// Mutants by their verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Servers that were started.
    pub started: usize,
    /// Those among them that could not be asked.
    pub not_asked: usize,
    /// What is called damaged and makes no difference for etcd, by codes.
    pub alarms: BTreeMap<String, Vec<String>>,
    /// What etcd serves otherwise, or not.
    pub disagreements: Vec<String>,
    /// Whether the servers are not built.
    pub no_servers: bool,
}

impl Tally {
    /// How many mutants were judged.
    #[must_use]
    pub fn mutants(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// Judges a batch, and starts servers on at most so many of them.
    pub fn batch(&mut self, bases: &[Base], seeds: std::ops::Range<u64>, most: usize, always: bool) {
        let all: Vec<_> = each(seeds.collect(), |seed| judged(bases, seed));
        for one in &all {
            *self.verdicts.entry(one.report.verdict.as_str()).or_default() += 1;
        }
        let chosen: Vec<_> = all.iter().filter(|one| always || one.is_started()).take(most).collect();
        for (one, fate) in each(chosen, |one| (one, one.start())) {
            match fate {
                Fate::NoServers => {
                    self.no_servers = true;
                    return;
                }
                Fate::Judged | Fate::Agreed => {}
                Fate::NotAsked => self.not_asked += 1,
                Fate::Alarm => self.alarms.entry(one.codes()).or_default().push(one.words()),
                Fate::Disagreement(said) => {
                    let words = format!("{}\n{said}", one.words());
                    println!("DISAGREEMENT {words}");
                    self.disagreements.push(words);
                }
            }
            self.started += 1;
        }
    }

    /// Prints the figures.
    pub fn print(&self) {
        for (codes, which) in &self.alarms {
            println!("called damaged ({codes}), no difference for etcd: {}, such as {}", which.len(), which[0]);
        }
        let verdicts: Vec<_> = self.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        println!(
            "{} mutants: {}; {} started, of which {} could not be asked; {} false alarms, {} disagreements",
            self.mutants(),
            verdicts.join(", "),
            self.started,
            self.not_asked,
            self.alarms.values().map(Vec::len).sum::<usize>(),
            self.disagreements.len(),
        );
    }
}
