//! The exit codes, all of them.

use std::process::ExitCode;

use etcdsnap::{Report, Verdict};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, and what was judged is sound (or has warnings only, unless they count).
    Done,
    /// Done, and found damage, no snapshot, or a difference.
    Damage,
    /// Could not be done.
    Failed,
    /// Ended by the signal of this number.
    Signal(u8),
}

/// The exit codes as help and man pages print them: what 0 and 1 mean to the command, and the rest.
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

/// Of the commands that judge or read a file.
pub const HELP: &str = help!("done; sound, or warnings only", "done; damage was found, or the file is no snapshot");
/// Of all commands together.
pub const HELP_ALL: &str = help!(
    "done; sound, or warnings only; a server or service was stopped by a signal",
    "done; damage was found, the file is no snapshot, there is no such key, or diff found a difference"
);
/// Of `get` and `history`.
pub const HELP_KEY: &str = help!("done", "there is no such key, damage was found, or the file is no snapshot");
/// Of `kube get`.
pub const HELP_KUBE: &str = help!(
    "done",
    "an object that was named is not there, one cannot be read whole, damage was found, or the file is no snapshot"
);
/// Of `kube check`.
pub const HELP_KUBE_CHECK: &str =
    help!("done; nothing found", "done; there are findings, damage was found, or the file is no snapshot");
/// Of `kube history`.
pub const HELP_KUBE_HISTORY: &str = help!(
    "done",
    "nothing is known of the object, a revision cannot be read whole, damage was found, or the file is no snapshot"
);
/// Of `find`.
pub const HELP_FIND: &str =
    help!("done; a snapshot holds the key", "no snapshot holds the key, damage was found, or a file is no snapshot");
/// Of `kube find`.
pub const HELP_KUBE_FIND: &str = help!(
    "done; a snapshot holds the object",
    "no snapshot holds the object, damage was found, or a file is no snapshot"
);
/// Of `diff`.
pub const HELP_DIFF: &str =
    help!("done; no difference", "done; there are differences, damage was found, or a file is no snapshot");
/// Of `compact`, `defrag` and `cut`.
pub const HELP_REWRITE: &str = help!("written", "FILE is damaged or no snapshot, and nothing was written");
/// Of `salvage`.
pub const HELP_SALVAGE: &str =
    help!("all of FILE is there, and nothing in doubt", "something is missing or in doubt, or the file is no snapshot");
/// Of `restore`.
pub const HELP_RESTORE: &str =
    help!("restored", "the file is damaged or no snapshot, or lacks what --delete names, and nothing was written");
/// Of `save`.
pub const HELP_SAVE: &str = concat!(
    help!(
        "saved; with --every, stopped by SIGTERM, Ctrl-C or another signal",
        "a snapshot came that is damaged, and nothing was saved; or it was saved, and members of the cluster have diverged"
    ),
    "; with --every, by a second signal"
);
/// Of `open`.
pub const HELP_OPEN: &str = concat!(
    "Exit codes:\n  0    stopped by Ctrl-C or another signal\n  2    could not be done\n",
    "  130  interrupted a second time (143 by SIGTERM, 129 by SIGHUP)"
);

impl Exit {
    /// The number that the shell sees: 128 and the signal's number for signals, as shells themselves count.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Damage => 1,
            Self::Failed => 2,
            Self::Signal(number) => number.saturating_add(128),
        }
    }

    /// What a report means for the exit code; `warnings` is what warnings alone count as.
    pub fn of_report(report: &Report, warnings: Exit) -> Self {
        Self::of_verdict(report.verdict, warnings)
    }

    /// What a verdict means for the exit code; `warnings` is what warnings alone count as.
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
