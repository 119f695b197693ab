//! `etcdsnap restore FILE` and `etcdsnap snapshot restore FILE`.

use etcdsnap::{RestoreConfig, RestoreError, RestoreVerify, Restored, Run, printable, printable_path};

use super::args::{RestoreArgs, RestoreForm};
use super::exit::{Exit, Failure};
use super::progress::Bar;
use super::render::text_verify;
use super::restore_notes::notes;
use super::{input, output, signals};

/// Runs the command.
///
/// # Errors
/// When nothing could be restored, or stdout cannot be written.
pub fn run(args: &RestoreArgs) -> Result<Exit, Failure> {
    input::check_not_written(&[&args.file])?;
    if args.initial_memory_map_size.is_some() {
        output::warn("--initial-memory-map-size is ignored: the database is never mapped into memory here.");
    }
    let config = RestoreConfig {
        snapshot_path: args.file.clone(),
        name: args.name.clone(),
        output_data_dir: args.data_dir.clone(),
        output_wal_dir: args.wal_dir.clone(),
        peer_urls: args.initial_advertise_peer_urls.split(',').map(str::to_owned).collect(),
        initial_cluster: args.initial_cluster.clone(),
        initial_cluster_token: args.initial_cluster_token.clone(),
        skip_hash_check: args.skip_hash_check,
        revision_bump: args.bump_revision,
        mark_compacted: args.mark_compacted,
        verify: args.verify.into(),
        force: args.force,
        owner: args.owner.clone(),
        run: if args.dry_run { Run::Dry } else { Run::Write },
    };
    input::warn_when_in_use(&config.snapshot_path);
    let bar = signals::Cancellable::new(Bar::new(&config.snapshot_path));
    let restored = match &args.all_members {
        Some(directory) => etcdsnap::restore_all_members(&config, directory, &bar),
        None => etcdsnap::restore(&config, &bar).map(|restored| vec![restored]),
    };
    drop(bar);
    let restored = restored.inspect_err(|error| {
        if let RestoreError::Damaged { report, .. } = error {
            output::tell(&text_verify::damage(report));
        }
    })?;
    match (args.write_out, restored.as_slice()) {
        (RestoreForm::Json, [one]) if args.print_flags => {
            let flags = flags(one).iter().map(|(flag, value)| format!("{flag}={value}")).collect();
            json(&WithFlags { restored: one, flags })?;
        }
        (RestoreForm::Json, [one]) if args.all_members.is_none() => json(one)?,
        (RestoreForm::Json, all) => json(all)?,
        (RestoreForm::Text, all) => output::print(&all.iter().map(text).collect::<String>())?,
    }
    if args.print_flags && args.write_out == RestoreForm::Text {
        for restored in &restored {
            output::print(&format!("{}\n", shell(&flags(restored))))?;
        }
    }
    Ok(Exit::Done)
}

/// What was restored, with the flags for etcd.
#[derive(serde::Serialize)]
struct WithFlags<'r> {
    #[serde(flatten)]
    restored: &'r Restored,
    flags: Vec<String>,
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let text = etcdsnap::to_json(value).map_err(|error| Failure::new(error.to_string(), ""))?;
    output::print(&format!("{text}\n"))
}

fn text(restored: &Restored) -> String {
    let verb = if restored.written { "restored" } else { "would restore" };
    let revision = if restored.revision_before == restored.revision_after {
        format!("revision {}", restored.revision_after)
    } else {
        format!("revision {} (before the bump {})", restored.revision_after, restored.revision_before)
    };
    let hash = if restored.sha256_checked { "SHA-256 matches" } else { "SHA-256 not checked" };
    let start = restored
        .start_file
        .as_deref()
        .map_or(String::new(), |path| format!("  how to start it: {}\n", printable_path(path)));
    format!(
        "{verb} {}: member {} ({}) of cluster {}\n  {revision}, {} bytes, {} pages changed, {hash}\n{start}{}",
        printable_path(&restored.data_dir),
        printable(&restored.name),
        restored.member_id,
        restored.cluster_id,
        restored.database_size,
        restored.pages_changed,
        notes(restored),
    )
}

/// The flags with which etcd starts from it.
fn flags(restored: &Restored) -> Vec<(&'static str, String)> {
    let urls = restored.peer_urls.join(",");
    let mut flags =
        vec![("--name", restored.name.clone()), ("--data-dir", restored.data_dir.to_string_lossy().into_owned())];
    if restored.wal_dir != restored.data_dir.join("member/wal") {
        flags.push(("--wal-dir", restored.wal_dir.to_string_lossy().into_owned()));
    }
    flags.extend([
        ("--initial-cluster", restored.initial_cluster.clone()),
        ("--initial-cluster-token", restored.initial_cluster_token.clone()),
        ("--initial-advertise-peer-urls", urls.clone()),
        ("--listen-peer-urls", urls),
    ]);
    flags
}

/// A word in a shell's quotes; with escapes (`$'…'`, of POSIX 2024) where it would do something to the terminal.
fn quoted(word: &str) -> String {
    if printable(word) == word {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    format!("$'{}'", word.as_bytes().escape_ascii())
}

/// As a shell reads them.
fn shell(flags: &[(&str, String)]) -> String {
    let quoted = |(flag, value): &(&str, String)| format!("{flag}={}", quoted(value));
    flags.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let exit = match &error {
            RestoreError::Input(error) => Exit::of_error(error),
            error if error.is_damage() => Exit::Damage,
            _ => Exit::Failed,
        };
        Self { what: error.to_string(), advice: error.advice(), exit }
    }
}

impl From<super::args::VerifyLevel> for RestoreVerify {
    fn from(level: super::args::VerifyLevel) -> Self {
        match level {
            super::args::VerifyLevel::Full => Self::Full,
            super::args::VerifyLevel::Structure => Self::Structure,
            super::args::VerifyLevel::None => Self::None,
        }
    }
}
