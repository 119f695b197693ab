//! Answers a shell when the user presses TAB.
//!
//! The script from `etcdsnap completions SHELL` runs this program with [`SHELL_VARIABLE`] in the environment and the command line after `--`. clap's own engine finds the
//! candidates; keys and files, which it does not know, are attached to the arguments here, by the value names that the help shows.

mod answer;
mod key_completion;
mod line;
mod script;

use std::env;
use std::ffi::OsString;
use std::panic;
use std::sync::Arc;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use etcdsnap::Code;

use super::args::Args;
use super::exit::Exit;

pub use script::registration;

/// The variable that names the shell. It is not clap's `COMPLETE`, which other programs use, too: one that is still set for another program must not prevent a backup.
const SHELL_VARIABLE: &str = "ETCDSNAP_COMPLETE";

/// The tag of candidates that are keys.
const KEY_TAG: &str = "keys";

/// The tag of candidates that are files or directories.
const FILE_TAG: &str = "files";

/// Answers a shell that asks for completion; `None` if the program was called for something else. Nothing is ever printed to stderr: it would appear in the middle of a command line.
pub fn answer_shell() -> Option<Exit> {
    let shell = env::var_os(SHELL_VARIABLE)?;
    panic::set_hook(Box::new(|_| {}));
    let line = env::args_os().skip_while(|word| word != "--").skip(1).collect();
    Some(if answer::print(&shell, line).is_some() { Exit::Done } else { Exit::Failed })
}

/// A command line with the cursor at the end of one of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CommandLine {
    /// All words, the program's name first.
    words: Vec<OsString>,
    /// The index of the word at the cursor.
    at: usize,
}

impl CommandLine {
    /// Returns the candidates at the cursor. An empty word could also become a flag; flags are offered only if there is nothing else.
    fn candidates(&self) -> Option<Vec<CompletionCandidate>> {
        let mut command = self.command();
        let folder = env::current_dir().ok();
        let mut found =
            clap_complete::engine::complete(&mut command, self.words.clone(), self.at, folder.as_deref()).ok()?;
        let is_flag = |found: &CompletionCandidate| found.get_value().as_encoded_bytes().starts_with(b"-");
        if self.words.get(self.at).is_some_and(|word| word.is_empty()) && !found.iter().all(is_flag) {
            found.retain(|found| !is_flag(found));
        }
        Some(found)
    }

    /// Returns the command line's definition with completers for keys and files added.
    fn command(&self) -> Command {
        let line = Arc::new(self.clone());
        // clap lets arguments be changed only before the command is built.
        with_completers(Args::command(), &line)
    }
}

/// Adds completers for keys, files and names to a command and its subcommands.
fn with_completers(command: Command, line: &Arc<CommandLine>) -> Command {
    let command = command.mut_args(|argument| with_completer(argument, line));
    command.mut_subcommands(|below| with_completers(below, line))
}

/// Adds a completer to an argument, chosen by its value name in the help.
fn with_completer(argument: Arg, line: &Arc<CommandLine>) -> Arg {
    let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    match name.as_deref() {
        Some("KEY" | "PREFIX") => {
            let line = line.clone();
            argument.add(ArgValueCompleter::new(move |typed: &std::ffi::OsStr| key_completion::matching(&line, typed)))
        }
        Some("FILE|DIR") => argument.add(files(PathCompleter::any())),
        Some("FILE" | "A" | "B" | "PATH") => argument.add(files(PathCompleter::file())),
        Some("DIR") => argument.add(files(PathCompleter::dir())),
        Some("CODE") => argument.add(ArgValueCandidates::new(codes)),
        Some("COMMAND") => argument.add(ArgValueCandidates::new(commands)),
        _ => argument,
    }
}

fn files(completer: PathCompleter) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &std::ffi::OsStr| {
        let found = completer.complete(typed).into_iter();
        found.map(|file| file.tag(Some(FILE_TAG.into()))).collect()
    })
}

fn codes() -> Vec<CompletionCandidate> {
    Code::ALL.iter().map(|code| CompletionCandidate::new(code.as_str())).collect()
}

fn commands() -> Vec<CompletionCandidate> {
    let root = Args::command();
    let of =
        |command: &Command| CompletionCandidate::new(command.get_name().to_owned()).help(command.get_about().cloned());
    root.get_subcommands().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let line = CommandLine { at: words.len() - 1, words };
        let found = line.candidates().unwrap();
        found.iter().map(|found| found.get_value().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn commands_flags_and_values_are_found() {
        assert_eq!(found("etcdsnap hist"), ["history"]);
        assert_eq!(found("etcdsnap snapshot sta"), ["status"]);
        assert_eq!(found("etcdsnap keys f.db --del"), ["--deleted"]);
        assert_eq!(found("etcdsnap export f.db --format par"), ["parquet"]);
        assert_eq!(found("etcdsnap export f.db --format=c"), ["--format=csv"]);
        assert_eq!(found("etcdsnap completions z"), ["zsh"]);
        assert_eq!(found("etcdsnap man usa"), ["usage"]);
        assert!(found("etcdsnap codes sha256-").contains(&"sha256-mismatch".to_owned()));
        assert!(found("etcdsnap members f.db ").contains(&"--write-out".to_owned()));
    }

    #[test]
    fn files_come_without_flags_and_directories_with_a_slash() {
        let tests = found("etcdsnap status ");
        assert!(tests.contains(&"src/".to_owned()) && tests.contains(&"Cargo.toml".to_owned()), "{tests:?}");
        assert!(!tests.iter().any(|name| name.starts_with('-') || name == "."), "{tests:?}");
        assert_eq!(found("etcdsnap restore f.db --data-dir sr"), ["src/"]);
    }

    /// Every argument that the help calls a key or a prefix is completed.
    #[test]
    fn every_key_and_prefix_is_completed() {
        let line = Arc::new(CommandLine { words: Vec::new(), at: 0 });
        let command = with_completers(Args::command(), &line);
        let mut have = Vec::new();
        for below in command.get_subcommands() {
            for argument in below.get_arguments().filter(|argument| argument.get::<ArgValueCompleter>().is_some()) {
                have.push(format!("{} {}", below.get_name(), argument.get_id()));
            }
        }
        for want in [
            "keys prefix",
            "keys from",
            "keys to",
            "get key",
            "history key",
            "find key",
            "find paths",
            "usage prefix",
            "diff prefix",
            "export prefix",
            "export from",
            "export to",
            "diff b",
        ] {
            assert!(have.iter().any(|have| have == want), "{want}: {have:?}");
        }
    }
}
