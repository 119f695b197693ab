//! `etcdsnap restore FILE` and `etcdsnap snapshot restore FILE`.

use etcdsnap::core::Revision;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap::grouped_number::{counted, exact_bytes, grouped_revision, si_bytes};
use etcdsnap::{
    RestoreConfig, RestoreError, RestoreVerify, Restored, Run, Snapshot, printable, printable_path, shell_word,
};

use super::args::{Bump, RestoreArgs, RestoreForm};
use super::args_revision::AskedTime;
use super::exit::Exit;
use super::failure::{Failure, exit_of};
use super::inspect::chosen_revision::chosen_of_the_past;
use super::kube::deleted_objects;
use super::progress_bar::Bar;
use super::render::text_verify;
use super::restore_notes::notes;
use super::{judge_files, output, signals};

/// Runs the command.
///
/// # Errors
/// When nothing was restored, or stdout cannot be written.
pub fn run(args: &RestoreArgs) -> Result<Exit, Failure> {
    judge_files::check_not_written(&[&args.file])?;
    if args.initial_memory_map_size.is_some() {
        output::warn("--initial-memory-map-size is ignored: the database is never mapped into memory here.");
    }
    let as_of = match &args.at {
        Some(time) => Some(revision_at(&args.file, time)?),
        None => args.rev,
    };
    // Clients may know later revisions than that of a past state.
    let wanted = args.bump_revision.or_else(|| (as_of.is_some() && !args.no_bump).then_some(Bump::Auto));
    if as_of.is_some() && args.mark_compacted == Some(false) && wanted != Some(Bump::By(0)) {
        return Err(Failure::new(
            "--mark-compacted=false cannot be combined with restoring a past state and raising the revision",
            "Clients that watch must learn that their state is outdated. Leave the flag out, or do not raise the revision (--no-bump).",
        ));
    }
    let is_marked = args.mark_compacted == Some(true);
    let mut found_bump = None;
    let bump = match wanted {
        None => 0,
        Some(Bump::By(by)) => by,
        Some(Bump::Auto) => {
            let found = etcdsnap::auto_bump(&args.file);
            // Without --bump-revision nothing is raised; then report that instead.
            found_bump = (is_marked || as_of.is_some()).then(|| format!("{found}."));
            found.by
        }
    };
    let config = RestoreConfig {
        snapshot_path: args.file.clone(),
        name: args.name.clone(),
        output_data_dir: args.data_dir.clone(),
        output_wal_dir: args.wal_dir.clone(),
        peer_urls: args
            .initial_advertise_peer_urls
            .iter()
            .flat_map(|urls| urls.split(','))
            .map(str::to_owned)
            .collect(),
        initial_cluster: args.initial_cluster.clone(),
        initial_cluster_token: args.initial_cluster_token.clone(),
        skip_hash_check: args.skip_hash_check,
        revision_bump: bump,
        mark_compacted: is_marked || (as_of.is_some() && bump > 0),
        as_of,
        new_lease_seconds: args.lease_ttl,
        delete: deleted_objects::keys(&args.file, &args.delete, &args.namespace, as_of, is_stream(&args.file))?,
        compact: args.compact,
        verify: args.verify.into(),
        force: args.force,
        owner: args.owner.clone(),
        run: if args.dry_run { Run::Dry } else { Run::Write },
    };
    judge_files::warn_when_in_use(&config.snapshot_path);
    let bar = signals::Cancellable::new(Bar::new(&config.snapshot_path));
    let restored = match &args.all_members {
        Some(directory) => etcdsnap::restore_all_members(&config, directory, &bar),
        None => etcdsnap::restore(&config, &bar).map(|restored| vec![restored]),
    };
    drop(bar);
    let restored = restored.inspect_err(|error| {
        if let RestoreError::Damaged { report, .. } = error {
            output::print_to_stderr(&text_verify::damage(report));
        }
    })?;
    found_bump.iter().for_each(|found| output::warn(found));
    let mut printed = match (args.write_out, restored.as_slice()) {
        (RestoreForm::Json, [one]) if args.print_flags => json(&WithFlags::of(one))?,
        (RestoreForm::Json, [one]) if args.all_members.is_none() => json(one)?,
        (RestoreForm::Json, all) => json(all)?,
        (RestoreForm::Text, all) => all.iter().map(text).collect(),
    };
    if args.print_flags && args.write_out == RestoreForm::Text {
        printed.extend(restored.iter().map(|restored| format!("{}\n", shell(restored))));
    }
    let written: Vec<_> = restored.iter().filter(|restored| restored.written).collect();
    match written.as_slice() {
        [] => output::print(&printed)?,
        [one] => output::print_of(&format!("{} is complete and in place", printable_path(&one.data_dir)), &printed)?,
        all => output::print_of(&format!("all {} data directories are complete and in place", all.len()), &printed)?,
    }
    Ok(Exit::Done)
}

/// The restored data directory, with the flags for starting etcd.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct WithFlags<'r> {
    #[serde(flatten)]
    restored: &'r Restored,
    /// Bytes that are not UTF-8 are replaced.
    flags: Vec<String>,
    /// The exact flags, if some are not UTF-8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags_base64: Vec<String>,
}

impl<'r> WithFlags<'r> {
    fn of(restored: &'r Restored) -> Self {
        let words: Vec<Vec<u8>> = restored.start_settings().iter().map(|(flag, value)| word(flag, value)).collect();
        let flags = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let plain = words.iter().all(|word| std::str::from_utf8(word).is_ok());
        let encoded = words.iter().map(|word| BASE64_STANDARD.encode(word));
        Self { restored, flags, flags_base64: if plain { Vec::new() } else { encoded.collect() } }
    }
}

/// Returns `--flag=value` as bytes.
fn word(flag: &str, value: &OsStr) -> Vec<u8> {
    [b"--", flag.as_bytes(), b"=", value.as_bytes()].concat()
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    etcdsnap::to_json(value).map(|text| format!("{text}\n")).map_err(|error| Failure::new(error.to_string(), ""))
}

fn text(restored: &Restored) -> String {
    let verb = if restored.written { "restored" } else { "would restore" };
    let before = grouped_revision(restored.revision_before);
    let after = grouped_revision(restored.revision_after);
    let revision = match restored.changes.as_of_revision {
        Some(as_of) => {
            let as_of = grouped_revision(as_of);
            format!("revision {after} (the state is that of {as_of}, and the snapshot's latest is {before})")
        }
        None if before == after => format!("revision {after}"),
        None => format!("revision {after} (before {}: {before})", raised_by(restored)),
    };
    let changed = match restored.changes.entries {
        Some(_) => format!("{} written anew", counted(restored.pages_changed, "page", "pages")),
        None => format!("{} changed", counted(restored.pages_changed, "page", "pages")),
    };
    let hash = if restored.sha256_checked { "SHA-256 matches" } else { "SHA-256 not checked" };
    let start = restored
        .start_file
        .as_deref()
        .map_or(String::new(), |path| format!("  how to start it: {}\n", printable_path(path)));
    let quota = restored.quota_backend_bytes.map_or(String::new(), |quota| {
        format!(
            "  the database has {} of the 2 GiB (2.1 GB) that etcd allows by default: start etcd with --quota-backend-bytes={quota}, or it refuses writes (NOSPACE)\n",
            si_bytes(restored.database_size)
        )
    });
    format!(
        "{verb} {}: member {} ({}) of cluster {}\n  {revision}, {}, {changed}, {hash}\n{quota}{start}{}",
        printable_path(&restored.data_dir),
        printable(&restored.name),
        restored.member_id,
        restored.cluster_id,
        exact_bytes(restored.database_size),
        notes(restored),
    )
}

/// Finds the revision at about this time, and reports it on stderr. It opens the snapshot one more time.
fn revision_at(file: &Path, time: &AskedTime) -> Result<Revision, Failure> {
    if is_stream(file) {
        return Err(Failure::new(
            "--at must read the snapshot twice, but a stream can be read only once",
            "Save it to a file first, or give the revision (--rev N): `etcdsnap history` and `etcdsnap get --at` show it.",
        ));
    }
    let bar = signals::Cancellable::new(Bar::new(file));
    let snapshot = Snapshot::open(file, None, &bar)?;
    drop(bar);
    chosen_of_the_past(&snapshot, &snapshot.store()?, time)
}

/// Whether a file can be read only once.
fn is_stream(file: &Path) -> bool {
    file.as_os_str() == "-" || file.metadata().is_ok_and(|facts| !facts.is_file() && !facts.is_dir())
}

fn raised_by(restored: &Restored) -> &'static str {
    let deleted = restored.changes.deleted_keys.len();
    if deleted > 0 && restored.revision_after == restored.revision_before.next() { "the deletion" } else { "the bump" }
}

/// Formats the flags with which etcd starts from it, quoted for a shell.
fn shell(restored: &Restored) -> String {
    let words = restored.start_settings();
    let words = words.iter().map(|(flag, value)| format!("--{flag}={}", shell_word(value)));
    words.collect::<Vec<_>>().join(" ")
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let exit = match &error {
            RestoreError::Input(error) => exit_of(error),
            // As other commands say that there is no such key.
            RestoreError::NoSuchKeys { .. } => Exit::Damage,
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
