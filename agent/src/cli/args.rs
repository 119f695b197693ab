//! What the command line takes. Help, man pages and completions come from here.

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

/// Proves that etcd v3 snapshots are sound, and says what is in them.
///
/// A FILE is a snapshot of etcd 3.3 to 3.7, or a copy of a stopped member's member/snap/db. It may be compressed with gzip, zip or
/// zstd, and `-` is the standard input. A FILE is only ever read.
#[derive(Debug, Parser)]
// Of a flag that is given twice the last counts, as for etcd's tools.
#[command(name = "etcdsnap", version, after_help = exit::HELP_ALL, max_term_width = 120, args_override_self = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take a snapshot from a running server, and prove it before it gets its name
    ///
    /// FILE appears complete, verified and synced, or not at all. Its name may have {cluster}, {member}, {revision} and {time} in it; a
    /// directory stands for etcd-{cluster}-{member}-{revision}-{time}.db in that directory. The flags that say how to reach a server are
    /// etcdctl's, and its ETCDCTL_ variables count.
    Save(Box<SaveArgs>),
    /// Say what a snapshot holds, with its structure checked
    Status(StatusArgs),
    /// Prove that a snapshot is sound, or say exactly where it is not
    ///
    /// Checks the SHA-256 behind the database, every page of it, and every entry against what etcd writes. Findings have stable codes;
    /// `etcdsnap codes` explains them.
    ///
    /// DIR is a member's data directory (or its `member` folder): checked are the database, the .snap files and every segment of the write-ahead log,
    /// and whether etcd can start from them together. It says how many entries the database lacks, which a restore of member/snap/db alone would
    /// lose, and of several directories which member is the newest. Nothing is written and no lock is taken, so a server may run on it.
    ///
    /// With --encryption-config or --kms-socket every value that an API server encrypted is opened: a backup that cannot be decrypted is none.
    Verify(VerifyArgs),
    /// Make a member's data directory of a snapshot, or nothing at all
    ///
    /// The flags are those of `etcdutl snapshot restore`. The data directory appears complete, verified and synced, or not at all; what a
    /// killed run left beside it is removed by the next.
    Restore(Box<RestoreArgs>),
    /// Write a snapshot anew as a compaction at a revision leaves it
    ///
    /// What older revisions alone hold is gone then, as after `etcdctl compact`, and so is the room that free pages take. Keys and leases stay as they are at the latest
    /// revision. OUT appears complete, verified and synced, or not at all; FILE is only read.
    Compact(CompactArgs),
    /// Write a snapshot anew without the room that free pages take
    ///
    /// Every entry is kept. OUT appears complete, verified and synced, or not at all; FILE is only read. With --data-dir it is the database of a stopped member that is written
    /// anew, in its place, as by `etcdutl defrag --data-dir`.
    Defrag(DefragArgs),
    /// Write a snapshot anew with some of its keys: without events, or with what one tenant has
    ///
    /// A key goes or stays with its whole history. The revision stays; older ones cannot be asked for up to the newest that went, as behind a compaction. Users, roles and members stay as
    /// they are; a lease goes with the last of its keys. OUT appears complete, verified and synced, or not at all; FILE is only read.
    Cut(CutArgs),
    /// Write a snapshot anew with what may be shown of it, for a support case; not for restoring
    ///
    /// Kinds, names, structure, numbers, times and words such as `Running` stay. All other texts become REDACTED: the values of Secrets and ConfigMaps, environment, arguments, annotations, messages,
    /// what custom resources say, and what this program does not know; values that are no objects of Kubernetes are replaced whole. OUT appears complete, verified and synced, or not at
    /// all; FILE is only read.
    Redact(RedactArgs),
    /// Get out of a damaged snapshot what can be read, as a new one from which etcd starts
    ///
    /// Taken is every entry of every page that is intact and hangs in its place; nothing is guessed. Where revisions are missing, the compaction revision is raised to the
    /// first one behind them, so that the new file is sound. It says what is missing and what to distrust: a key that was changed or deleted in a gap is as it was before.
    Salvage(SalvageArgs),
    /// List the keys
    Keys(KeysArgs),
    /// Print the value of a key; an object of Kubernetes as YAML
    Get(GetArgs),
    /// List what became of a key
    History(HistoryArgs),
    /// List which of many snapshots hold a key, the newest first
    ///
    /// A PATH is a snapshot or a directory, whose files are looked into and whose own directories are not. Each snapshot is asked as of its latest revision;
    /// `deleted` stands in place of the size where it knows that the key was deleted.
    Find(FindArgs),
    /// List the keys that two snapshots, or two revisions of one, do not have alike; exit code 1 when there are any
    ///
    /// `+` was added, `-` removed, `~` has another value or lease.
    ///
    /// `diff FILE --endpoints …` compares a backup with the running cluster: what a restore of it would undo. A snapshot is taken and proven first, in a temporary
    /// file (TMPDIR). The flags are etcdctl's; its variables count only beside one of them.
    Diff(Box<DiffArgs>),
    /// Write keys and values for other programs: JSON lines, CSV or Parquet
    Export(ExportArgs),
    /// Say who takes how much room
    ///
    /// Bytes are those of entries in the database. History is what a compaction at the latest revision would free.
    Usage(UsageArgs),
    /// Print the hash by which members compare their stores: what `etcdutl hashkv` prints, without writing to the file
    Hashkv(HashKvArgs),
    /// List the members of the cluster
    Members(ListArgs),
    /// List the leases with their keys
    Leases(ListArgs),
    /// List users, roles and permissions
    Auth(AuthArgs),
    /// List the alarms
    Alarms(ListArgs),
    /// List the marks that the server keeps of itself: raft's index and term, compactions, versions
    Meta(ListArgs),
    /// Print Kubernetes' objects in kubectl's words
    Kube(KubeArgs),
    /// The same words and output as `etcdctl snapshot` and `etcdutl snapshot`, for scripts
    Snapshot(SnapshotArgs),
    /// Explain the codes of findings
    Codes(CodesArgs),
    /// Show snapshots in the browser: serves the inspector page on this machine only
    ///
    /// The page has no access to any network, this server's address included. It reads files that are dragged into it or opened in it.
    Open(OpenArgs),
    /// Print a script that makes TAB complete commands, flags, files, and the keys of the file that is named
    ///
    /// bash: `source <(etcdsnap completions bash)` in ~/.bashrc; zsh: `source <(etcdsnap completions zsh)` in ~/.zshrc, behind compinit;
    /// fish: `etcdsnap completions fish | source` in ~/.config/fish/config.fish. Keys are completed folder by folder, from the snapshot
    /// itself, which is only read; there are none when that takes longer than three seconds, and none of a compressed file of more than 16 MiB.
    ///
    /// The script calls the program as it was called here: by its name, or by its path. Where scripts are kept as files, make them
    /// anew with each version.
    #[command(alias = "completion")]
    Completions(CompletionsArgs),
    /// Print a man page
    Man(ManArgs),
    /// Print the version of this program, and which versions of etcd and which formats it knows
    Version(VersionArgs),
}

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct StatusArgs {
    /// Snapshots; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: StatusForm,
    /// Compute the SHA-256 too and compare it with the trailer
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
    /// Snapshots, or data directories of members; `-` is the standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Where the write-ahead log of the one data directory is, as etcd's --wal-dir [default: DIR/member/wal]
    #[arg(long, value_name = "DIR")]
    pub wal_dir: Option<PathBuf>,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: VerifyForm,
    /// End with exit code 1 on warnings too
    #[arg(long)]
    pub strict: bool,
    /// Print every finding kept, not only the first few of each code
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
    /// What to do.
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// The commands below `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// The same as `etcdsnap save`, with what `etcdctl snapshot save` prints
    Save(Box<SaveArgs>),
    /// Print what `etcdutl snapshot status` prints, byte for byte
    ///
    /// A file with a damaged structure is refused with exit code 1, as etcdutl refuses it; damage that etcdutl does not look for is told
    /// on stderr, with exit code 1 too. The SHA-256 is not checked, as it is not there: use `etcdsnap verify`.
    Status(SnapshotStatusArgs),
    /// The same as `etcdsnap restore`
    Restore(Box<RestoreArgs>),
}

/// Arguments of `snapshot status`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct SnapshotStatusArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: EtcdForm,
    /// As which version of etcd's tools
    #[arg(long, value_name = "VERSION", default_value = "3.7")]
    pub compat: Compat,
}

/// Arguments of `codes`.
#[derive(Debug, clap::Args)]
pub struct CodesArgs {
    /// Only these codes
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
    /// In which form to print
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
    /// The port [default: a free one]
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
    /// The page of this command, such as `verify` or `snapshot status`; of the program itself when left out
    #[arg(value_name = "COMMAND")]
    pub path: Vec<String>,
}

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
}

/// Forms of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusForm {
    /// For a person to read
    Text,
    /// One line, as etcdutl 3.7
    Simple,
    /// One object, or an array for several files; etcdutl's members come first
    Json,
    /// A box, as etcdutl 3.7
    Table,
    /// A line for each number, as etcdutl 3.7
    Fields,
}

/// Forms of `verify` and `codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyForm {
    /// For a person to read
    Text,
    /// For a program to read
    Json,
}

/// Versions of etcd's tools, as far as they print differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// No version; the total of keys counts every entry of every bucket
    #[value(name = "3.5", aliases = ["3.3", "3.4"])]
    V3_5,
    /// As 3.7, with the box of 3.5
    #[value(name = "3.6")]
    V3_6,
    /// Live keys and the storage version
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
