//! Records the cases of one version of etcd.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use tempfile::TempDir;

use super::expect::Case;
use super::replay;
use super::server::{self, Cluster};
use crate::repo;

const ROOT: &str = "root:root-secret";

/// By how much a restore raises the revision, if the version supports that.
const BUMP: &str = "1000000";

/// Few revisions at a time, far apart, so that a compaction still runs when the snapshot is saved.
const SLOW_COMPACTION: [&str; 2] = ["--compaction-batch-limit=200", "--compaction-sleep-interval=2s"];

/// Records every case of one version.
pub fn record_version(version: &str, history: &Path) -> Result<()> {
    let recorder = Recorder { version, minor: minor(version), history };
    recorder.fresh_and_raw()?;
    let saved = recorder.history()?;
    recorder.cluster()?;
    if recorder.minor >= 4 {
        recorder.restored(&saved)?;
    }
    if recorder.minor >= 7 {
        recorder.compacting()?;
    }
    Ok(())
}

struct Recorder<'a> {
    version: &'a str,
    minor: u32,
    history: &'a Path,
}

/// The output of the history program after writing.
#[derive(Deserialize)]
struct Written {
    sampled: Option<Vec<i64>>,
}

impl Recorder<'_> {
    /// Records a cluster after its first key, then after more writes, defragmented and copied from a stopped server.
    fn fresh_and_raw(&self) -> Result<()> {
        let cluster = Cluster::start(self.version, 1, &[])?;
        self.write(&cluster, &mut Vec::new(), None, &["tiny"])?;
        let mut fresh = Case::new(self.version, "fresh", 1)?;
        fresh.made = vec!["put one key".into(), "etcdctl snapshot save".into()];
        fresh.features = vec!["nearly empty"];
        cluster.save(None, &fresh.snapshot())?;
        self.record_answers(&cluster, &fresh, None, &[])?;
        self.finish(&fresh)?;

        let mut raw = Case::new(self.version, "raw", 1)?;
        let mut scenarios = vec!["rich"];
        raw.features = vec!["no trailer", "defragmented"];
        if self.minor == 6 {
            scenarios.push("large");
            raw.features.push("a value of 300 KB");
        }
        raw.sampled = self.write(&cluster, &mut raw.made, None, &scenarios)?;
        repo::capture(cluster.etcdctl(None).arg("defrag"))?;
        raw.made.extend(["etcdctl defrag".into(), "stop, copy member/snap/db".into()]);
        self.record_answers(&cluster, &raw, None, &raw.sampled)?;
        cluster.stop_and_copy_db(&raw.snapshot())?;
        self.finish(&raw)
    }

    /// Records one member with every kind of entry. Returns the snapshot, from which the restored case starts.
    fn history(&self) -> Result<PathBuf> {
        let cluster = Cluster::start(self.version, 1, &[])?;
        let mut case = Case::new(self.version, "history", 1)?;
        case.features =
            vec!["three generations", "transactions", "leases", "binary keys", "compaction", "users and roles"];
        case.sampled = self.write(&cluster, &mut case.made, None, &["rich", "auth-enable"])?;
        let user = (self.minor == 5).then_some(ROOT);
        if user.is_some() {
            case.features.push("authentication on");
        } else {
            self.write(&cluster, &mut case.made, Some(ROOT), &["auth-disable"])?;
        }
        case.user = user.map(str::to_owned);
        cluster.save(user, &case.snapshot())?;
        case.made.push("etcdctl snapshot save".into());
        self.record_answers(&cluster, &case, user, &case.sampled)?;
        self.finish(&case)?;
        Ok(case.snapshot())
    }

    /// Records three members with the keys of a Kubernetes API server.
    fn cluster(&self) -> Result<()> {
        let cluster = Cluster::start(self.version, 3, &[])?;
        let mut case = Case::new(self.version, "cluster", 3)?;
        let mut scenarios = vec!["kubernetes"];
        case.features = vec!["Kubernetes keys", "compaction", "leases"];
        if self.minor >= 4 {
            scenarios.push("member-churn");
            case.features.push("a removed member");
        }
        if self.minor >= 6 {
            scenarios.push("member-learner");
            case.features.push("a learner");
        }
        if self.minor.is_multiple_of(2) {
            scenarios.push("alarm");
            case.features.push("an alarm");
        }
        case.sampled = self.write(&cluster, &mut case.made, None, &scenarios)?;
        cluster.save(None, &case.snapshot())?;
        case.made.push("etcdctl snapshot save".into());
        self.record_answers(&cluster, &case, None, &case.sampled)?;
        self.finish(&case)
    }

    /// Records the history restored by the version's own program, started, written to and saved again.
    fn restored(&self, saved: &Path) -> Result<()> {
        let folder = TempDir::new()?;
        let member_configs = server::member_configs(folder.path(), 1)?;
        let bump = self.minor >= 6;
        let flags = if bump { &["--bump-revision", BUMP, "--mark-compacted"][..] } else { &[] };
        let program = server::restore(self.version, saved, &member_configs, flags)?;
        let description = format!("{program} snapshot restore of {}-history {}", self.version, flags.join(" "));
        let description = description.trim_end().to_owned();

        if bump {
            let mut bumped = Case::new(self.version, "bumped", 1)?;
            bumped.features = vec!["no trailer", "restored", "revision bumped", "a compaction scheduled, none done"];
            bumped.made = vec![description.clone(), "copy member/snap/db before the first start".into()];
            std::fs::copy(member_configs[0].data.join("member/snap/db"), bumped.snapshot())?;
            bumped.finish()?;
        }

        let mut case = Case::new(self.version, "restored", 1)?;
        case.features = vec!["restored"];
        case.made.push(description);
        if bump {
            case.features.push("revision bumped");
        }
        let user = (self.minor == 5).then_some(ROOT);
        case.user = user.map(str::to_owned);
        let cluster = Cluster::start_in(self.version, folder, member_configs, &[])?;
        case.sampled = self.write(&cluster, &mut case.made, user, &["more"])?;
        cluster.save(user, &case.snapshot())?;
        case.made.push("etcdctl snapshot save".into());
        self.record_answers(&cluster, &case, user, &case.sampled)?;
        self.finish(&case)
    }

    /// Records a snapshot saved during a compaction.
    fn compacting(&self) -> Result<()> {
        let cluster = Cluster::start(self.version, 1, &SLOW_COMPACTION)?;
        let mut case = Case::new(self.version, "compacting", 1)?;
        case.features = vec!["a compaction half done"];
        case.made.push(format!("etcd {}", SLOW_COMPACTION.join(" ")));
        self.write(&cluster, &mut case.made, None, &["compaction"])?;
        sleep(Duration::from_secs(5));
        cluster.save(None, &case.snapshot())?;
        case.made.push("etcdctl snapshot save 5 s later".into());
        self.record_answers(&cluster, &case, None, &[])?;
        self.finish(&case)
    }

    fn write(
        &self,
        cluster: &Cluster,
        made: &mut Vec<String>,
        user: Option<&str>,
        scenarios: &[&str],
    ) -> Result<Vec<i64>> {
        let mut sampled = Vec::new();
        for scenario in scenarios {
            let output = repo::capture(cluster.ask(self.history, user).arg(scenario))?;
            let written: Written = serde_json::from_str(&output)?;
            sampled.extend(written.sampled.unwrap_or_default());
            made.push(format!("history {scenario}"));
        }
        Ok(sampled)
    }

    /// Records the server's own answers, at the moment of the save.
    fn record_answers(&self, cluster: &Cluster, case: &Case, user: Option<&str>, sampled: &[i64]) -> Result<()> {
        let revisions = sampled.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let mut command = cluster.ask(self.history, user);
        command.arg("--out").arg(case.expected()).args(["--revisions", &revisions]).arg("dump");
        repo::capture(&mut command).map(drop)
    }

    /// Records the reference programs' output for the file, and the replay of a server that is started on it.
    fn finish(&self, case: &Case) -> Result<()> {
        case.finish()?;
        replay::record(self.version, case.folder(), self.history)
    }
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}
