//! The command line. Help, man pages and completions are made from these definitions.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use super::args_common::{DecryptArgs, EtcdForm, MetaArgs, WorkArgs};
pub use super::args_inspect::{
    AuthArgs, DiffArgs, ExportArgs, FindArgs, GetArgs, HashKvArgs, HistoryArgs, KeysArgs, ListArgs, UsageArgs,
};
pub use super::args_kube::{KubeArgs, KubeCommand};
pub use super::args_restore::{Bump, RestoreArgs, RestoreForm, VerifyLevel};
pub use super::args_rewrite::{CompactArgs, CutArgs, DefragArgs, RedactArgs, SalvageArgs};
pub use super::args_save::{ClientArgs, SaveArgs};
use super::exit;

/// Verifies, inspects, saves and restores snapshots of etcd v3.
///
/// A FILE is a snapshot of etcd 3.3 to 3.7, or a copy of a stopped member's member/snap/db. It may be compressed with gzip, zip or
/// zstd. `-` is standard input. FILE is only read, never changed.
#[derive(Debug, Parser)]
// If a flag is given twice, the last one counts, as for etcd's tools.
#[command(name = "etcdsnap", version, after_help = exit::HELP_ALL, max_term_width = 120, args_override_self = true)]
pub struct Args {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take a snapshot from a running server and verify it before it gets its name
    ///
    /// FILE appears complete, verified and synced, or not at all. Its name may contain {cluster}, {member}, {revision} and {time}; for a
    /// directory, the name is etcd-{cluster}-{member}-{revision}-{time}.db. The flags that say how to reach a server are etcdctl's, and
    /// its ETCDCTL_ variables count.
    Save(Box<SaveArgs>),
    /// Summarize a snapshot and check its structure
    Status(StatusArgs),
    /// Verify that a snapshot is sound, or show where it is damaged
    ///
    /// Checks the SHA-256 at the end of the file, every page of the database, and every entry against the format that etcd writes. Findings
    /// have stable codes; `etcdsnap codes` explains them.
    ///
    /// DIR is a member's data directory (or its `member` folder). Then the database, the .snap files and every segment of the write-ahead log are
    /// checked, and whether etcd can start from them together. The report says how many entries the database lacks (a restore of member/snap/db alone
    /// would lose them) and, for several directories, which member is the newest. Nothing is written and no lock is taken, so a server may run on DIR.
    ///
    /// With --encryption-config or --kms-socket, every value that an API server encrypted is decrypted, too: a backup that cannot be decrypted is useless.
    Verify(VerifyArgs),
    /// Make a member's data directory from a snapshot
    ///
    /// The flags are those of `etcdutl snapshot restore`. The data directory appears complete, verified and synced, or not at all. If
    /// a run is killed, the next run removes its leftovers.
    Restore(Box<RestoreArgs>),
    /// Write a copy of a snapshot with its history compacted at a revision
    ///
    /// Drops the versions that `etcdctl compact` would remove, and the free pages. Keys and leases stay as they are at the latest
    /// revision. OUT appears complete, verified and synced, or not at all; FILE is only read.
    Compact(CompactArgs),
    /// Write a copy of a snapshot without its free pages
    ///
    /// All entries stay. OUT appears complete, verified and synced, or not at all; FILE is only read. With --data-dir, the database of a stopped
    /// member is rewritten in place, as by `etcdutl defrag --data-dir`.
    Defrag(DefragArgs),
    /// Write a copy of a snapshot with only some of its keys, for example without events
    ///
    /// A key stays or goes with its whole history. The latest revision stays the same; revisions up to that of the newest dropped entry cannot be read any more, as after a
    /// compaction. Users, roles and members stay; a lease goes with its last key. OUT appears complete, verified and synced, or not at all; FILE is only read.
    Cut(CutArgs),
    /// Write a copy of a snapshot without its secrets, for a support case; not for restoring
    ///
    /// Kinds, names, structure, numbers, times and words such as `Running` stay. All other texts become REDACTED: the values of Secrets and ConfigMaps, environment, arguments, annotations, messages,
    /// custom resources' own fields, and fields that this program does not know. Values that are not Kubernetes objects are replaced completely. OUT appears complete, verified and synced, or not at
    /// all; FILE is only read.
    Redact(RedactArgs),
    /// Recover the readable data of a damaged snapshot into a new one from which etcd starts
    ///
    /// It recovers every entry of every intact page and guesses nothing. Where revisions are missing, the compaction revision is raised to the first revision after the
    /// gap, so that the new file is sound. The report lists what is missing and what not to rely on: a key that was changed or deleted in a gap has its state before the gap.
    Salvage(SalvageArgs),
    /// List the keys
    Keys(KeysArgs),
    /// Print the value of a key; a Kubernetes object as YAML
    Get(GetArgs),
    /// List the revisions of a key
    History(HistoryArgs),
    /// List which of many snapshots hold a key, newest first
    ///
    /// A PATH is a snapshot or a directory; of a directory, its files are read, but not its subdirectories. Each snapshot is read at its latest revision.
    /// `deleted` instead of a size means that the snapshot still records the key's deletion.
    Find(FindArgs),
    /// List the keys that differ between two snapshots or two revisions; exit code 1 if there are any
    ///
    /// `+` was added, `-` was removed, `~` has another value or lease.
    ///
    /// `diff FILE --endpoints …` compares a backup with the running cluster: it shows what a restore would undo. A snapshot is taken and verified first, in a
    /// temporary file (TMPDIR). The flags are etcdctl's; its variables count only if one of the flags is given.
    Diff(Box<DiffArgs>),
    /// Export keys and values as JSON lines, CSV or Parquet
    Export(ExportArgs),
    /// Show space used, grouped by key prefix
    ///
    /// Bytes are those of entries in the database. HISTORY is the space that a compaction at the latest revision would free.
    Usage(UsageArgs),
    /// Print the hash by which members compare their data, like `etcdutl hashkv`, without writing to the file
    Hashkv(HashKvArgs),
    /// List the members of the cluster
    Members(ListArgs),
    /// List the leases with their keys
    Leases(ListArgs),
    /// List users, roles and permissions
    Auth(AuthArgs),
    /// List the alarms
    Alarms(ListArgs),
    /// List the server's own settings in the file: raft index and term, compactions, versions
    Meta(ListArgs),
    /// Show Kubernetes objects, in the terms of kubectl
    Kube(KubeArgs),
    /// Take the arguments and print the output of `etcdctl snapshot` and `etcdutl snapshot`, for scripts
    Snapshot(SnapshotArgs),
    /// Explain the codes of findings
    Codes(CodesArgs),
    /// Show snapshots in the browser: serve the inspector page on this machine only
    ///
    /// The page cannot reach any network, this server included. It reads files that you drag into it or open in it.
    Open(OpenArgs),
    /// Print a shell script that completes commands, flags, files, and keys in a snapshot
    ///
    /// bash: `source <(etcdsnap completions bash)` in ~/.bashrc; zsh: `source <(etcdsnap completions zsh)` in ~/.zshrc, after compinit;
    /// fish: `etcdsnap completions fish | source` in ~/.config/fish/config.fish. Keys are completed segment by segment from the snapshot named on
    /// the command line, which is only read. Completion gives up after three seconds, and does not read compressed files of more than 16 MiB.
    ///
    /// The script calls the program by the name or path by which it was called to print the script. If you store the script in a file, print it
    /// again for each new version.
    #[command(alias = "completion")]
    Completions(CompletionsArgs),
    /// Print a man page
    Man(ManArgs),
    /// Print the version of this program, and the versions of etcd and the formats that it supports
    Version(VersionArgs),
}

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct StatusArgs {
    /// Snapshots; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: StatusForm,
    /// Also compute the SHA-256 and compare it with the one at the end of the file
    #[arg(long)]
    pub sha256: bool,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct VerifyArgs {
    /// Snapshots or data directories of members; `-` is standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// The directory of the write-ahead log, like etcd's --wal-dir; only with one data directory [default: DIR/member/wal]
    #[arg(long, value_name = "DIR")]
    pub wal_dir: Option<PathBuf>,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: VerifyForm,
    /// Exit with code 1 for warnings, too
    #[arg(long)]
    pub strict: bool,
    /// Print every recorded finding, not only the first few of each code
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
pub struct SnapshotArgs {
    /// The command to run.
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// The commands below `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Like `etcdsnap save`, with the output of `etcdctl snapshot save`
    Save(Box<SaveArgs>),
    /// Print what `etcdutl snapshot status` prints, byte for byte
    ///
    /// A file with a damaged structure is refused with exit code 1, as by etcdutl. Damage that etcdutl does not look for is reported
    /// on stderr, also with exit code 1. The SHA-256 is not checked, as etcdutl does not: use `etcdsnap verify`.
    Status(SnapshotStatusArgs),
    /// The same as `etcdsnap restore`
    Restore(Box<RestoreArgs>),
}

/// Arguments of `snapshot status`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct SnapshotStatusArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: EtcdForm,
    /// Version of etcd's tools to imitate
    #[arg(long, value_name = "VERSION", default_value = "3.7")]
    pub compat: Compat,
}

/// Arguments of `codes`.
#[derive(Debug, clap::Args)]
pub struct CodesArgs {
    /// Only these codes
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: VerifyForm,
}

/// Arguments of `open`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_OPEN)]
pub struct OpenArgs {
    /// A snapshot that you mean to drag into the page
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The port [default: any free port]
    #[arg(long, default_value = "0", hide_default_value = true)]
    pub port: u16,
    /// Serve this page instead of the one built in
    #[arg(long, value_name = "PATH")]
    pub page: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Print the page of this command, such as `verify` or `snapshot status` [default: the page of the program itself]
    #[arg(value_name = "COMMAND")]
    pub path: Vec<String>,
}

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
}

/// Output forms of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusForm {
    /// For people
    Text,
    /// One line, as etcdutl 3.7 prints
    Simple,
    /// One object, or an array for several files; etcdutl's fields come first
    Json,
    /// A table, as etcdutl 3.7 prints
    Table,
    /// One line per field, as etcdutl 3.7 prints
    Fields,
}

/// Output forms of `verify` and `codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyForm {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The versions of etcd's tools whose output differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// Without the storage version; the total of keys counts every entry of every bucket
    #[value(name = "3.5", aliases = ["3.3", "3.4"])]
    V3_5,
    /// Like 3.7, with the table borders of 3.5
    #[value(name = "3.6")]
    V3_6,
    /// Counts live keys, and shows the storage version
    #[value(name = "3.7")]
    V3_7,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
