//! `etcdsnap restore FILE` and `etcdsnap snapshot restore FILE`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap::number::{counted, exact_bytes, si_bytes};
use etcdsnap::{RestoreConfig, RestoreError, RestoreVerify, Restored, Run, printable, printable_path, shell_word};

use super::args::{Bump, RestoreArgs, RestoreForm};
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
    let bump = match args.bump_revision {
        Bump::By(by) => by,
        Bump::Auto => {
            let found = etcdsnap::auto_bump(&args.file);
            // Without the other flag nothing is raised: that is told instead.
            if args.mark_compacted {
                output::warn(&format!("{found}."));
            }
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
    let mut told = match (args.write_out, restored.as_slice()) {
        (RestoreForm::Json, [one]) if args.print_flags => json(&WithFlags::of(one))?,
        (RestoreForm::Json, [one]) if args.all_members.is_none() => json(one)?,
        (RestoreForm::Json, all) => json(all)?,
        (RestoreForm::Text, all) => all.iter().map(text).collect(),
    };
    if args.print_flags && args.write_out == RestoreForm::Text {
        told.extend(restored.iter().map(|restored| format!("{}\n", shell(restored))));
    }
    let written: Vec<_> = restored.iter().filter(|restored| restored.written).collect();
    match written.as_slice() {
        [] => output::print(&told)?,
        [one] => output::print_of(&format!("{} is complete and in place", printable_path(&one.data_dir)), &told)?,
        all => output::print_of(&format!("all {} data directories are complete and in place", all.len()), &told)?,
    }
    Ok(Exit::Done)
}

/// What was restored, with the flags for etcd.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct WithFlags<'r> {
    #[serde(flatten)]
    restored: &'r Restored,
    /// Bytes that are no UTF-8 are replaced.
    flags: Vec<String>,
    /// The flags as they are, where some are no UTF-8.
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

/// `--flag=value`, as a program gets it.
fn word(flag: &str, value: &OsStr) -> Vec<u8> {
    [b"--", flag.as_bytes(), b"=", value.as_bytes()].concat()
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    etcdsnap::to_json(value).map(|text| format!("{text}\n")).map_err(|error| Failure::new(error.to_string(), ""))
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
    let quota = restored.quota_backend_bytes.map_or(String::new(), |quota| {
        format!(
            "  the database takes {} of the 2 GiB (2.1 GB) that etcd allows by default: start it with --quota-backend-bytes={quota}, or it refuses writes (NOSPACE)\n",
            si_bytes(restored.database_size)
        )
    });
    format!(
        "{verb} {}: member {} ({}) of cluster {}\n  {revision}, {}, {} changed, {hash}\n{quota}{start}{}",
        printable_path(&restored.data_dir),
        printable(&restored.name),
        restored.member_id,
        restored.cluster_id,
        exact_bytes(restored.database_size),
        counted(restored.pages_changed, "page", "pages"),
        notes(restored),
    )
}

/// The flags with which etcd starts from it, as a shell reads them.
fn shell(restored: &Restored) -> String {
    let words = restored.start_settings();
    let words = words.iter().map(|(flag, value)| format!("--{flag}={}", shell_word(value)));
    words.collect::<Vec<_>>().join(" ")
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
