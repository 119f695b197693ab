//! All exit codes of the program.

use std::process::ExitCode;

use etcdsnap::{Report, Verdict};

/// The outcome of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done; the file is sound, or has only warnings and they do not count.
    Done,
    /// Done, and found damage, a difference, or that the file is not a snapshot.
    Damage,
    /// Could not be done.
    Failed,
    /// Ended by the signal of this number.
    Signal(u8),
}

/// Formats the exit codes for help and man pages, from what 0 and 1 mean for the command.
macro_rules! help {
    ($done:literal, $damage:literal) => {
        concat!(
            "Exit codes:\n  0    ",
            $done,
            "\n  1    ",
            $damage,
            "\n  2    could not be done\n  130  interrupted (128 and the number of any other signal: 143 by SIGTERM, 129 by SIGHUP)"
        )
    };
}

/// Exit codes of commands that read or verify a file.
pub const HELP: &str = help!("done; sound, or warnings only", "done; damage was found, or the file is not a snapshot");
/// Exit codes of all commands together.
pub const HELP_ALL: &str = help!(
    "done; sound, or warnings only; a server or service was stopped by a signal",
    "done; damage was found, the file is not a snapshot, there is no such key, or diff found a difference"
);
/// Exit codes of `get` and `history`.
pub const HELP_KEY: &str = help!("done", "there is no such key, damage was found, or the file is not a snapshot");
/// Exit codes of `kube get`.
pub const HELP_KUBE: &str = help!(
    "done",
    "a named object does not exist, one cannot be read completely, damage was found, or the file is not a snapshot"
);
/// Exit codes of `kube check`.
pub const HELP_KUBE_CHECK: &str =
    help!("done; nothing found", "done; there are findings, damage was found, or the file is not a snapshot");
/// Exit codes of `kube history`.
pub const HELP_KUBE_HISTORY: &str = help!(
    "done",
    "the snapshot does not know the object, a revision cannot be read completely, damage was found, or the file is not a snapshot"
);
/// Exit codes of `find`.
pub const HELP_FIND: &str =
    help!("done; a snapshot holds the key", "no snapshot holds the key, damage was found, or a file is not a snapshot");
/// Exit codes of `kube find`.
pub const HELP_KUBE_FIND: &str = help!(
    "done; a snapshot holds the object",
    "no snapshot holds the object, damage was found, or a file is not a snapshot"
);
/// Exit codes of `diff`.
pub const HELP_DIFF: &str =
    help!("done; no difference", "done; there are differences, damage was found, or a file is not a snapshot");
/// Exit codes of `compact`, `defrag` and `cut`.
pub const HELP_REWRITE: &str = help!("written", "FILE is damaged or no snapshot, and nothing was written");
/// Exit codes of `salvage`.
pub const HELP_SALVAGE: &str = help!(
    "all of FILE is there, and nothing in doubt",
    "something is missing or in doubt, or the file is not a snapshot"
);
/// Exit codes of `restore`.
pub const HELP_RESTORE: &str =
    help!("restored", "the file is damaged or not a snapshot, or lacks a key to delete, and nothing was written");
/// Exit codes of `save`.
pub const HELP_SAVE: &str = concat!(
    help!(
        "saved; with --every, stopped by SIGTERM, Ctrl-C or another signal",
        "a snapshot came that is damaged, and nothing was saved; or it was saved, and members of the cluster have diverged"
    ),
    "; with --every, by a second signal"
);
/// Exit codes of `open`.
pub const HELP_OPEN: &str = concat!(
    "Exit codes:\n  0    stopped by Ctrl-C or another signal\n  2    could not be done\n",
    "  130  interrupted a second time (143 by SIGTERM, 129 by SIGHUP)"
);

impl Exit {
    /// Returns the number that the shell sees; for signals, 128 plus the signal's number, as in shells.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Damage => 1,
            Self::Failed => 2,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    /// Converts a report to an exit code; `warnings` is the code for warnings alone.
    pub fn of_report(report: &Report, warnings: Exit) -> Self {
        Self::of_verdict(report.verdict, warnings)
    }

    /// Converts a verdict to an exit code; `warnings` is the code for warnings alone.
    pub fn of_verdict(verdict: Verdict, warnings: Exit) -> Self {
        match verdict {
            Verdict::Sound => Self::Done,
            Verdict::Warnings => warnings,
            Verdict::Damaged => Self::Damage,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_files_wins() {
        assert_eq!([Exit::Damage, Exit::Done, Exit::Failed].into_iter().max(), Some(Exit::Failed));
        assert_eq!([Exit::Done, Exit::Damage].into_iter().max(), Some(Exit::Damage));
    }

    #[test]
    fn the_numbers_are_a_promise() {
        let all = [Exit::Done, Exit::Damage, Exit::Failed, Exit::Signal(2), Exit::Signal(15)];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 130, 143]);
    }
}
