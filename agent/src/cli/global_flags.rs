//! Accepts flags before and between the words of the command, as etcd's own tools do: `etcdctl --endpoints=… snapshot save FILE`.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Moves flags that come before or between the words of the command behind them.
pub fn move_flags_behind_command(words: impl IntoIterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut moved: Vec<OsString> = words.next().into_iter().collect();
    let words: Vec<OsString> = words.collect();
    let (mut flags, mut rest) = (Vec::new(), words.as_slice());
    let mut below = command;
    while below.has_subcommands() {
        let Some((word, behind)) = rest.split_first() else { break };
        match word.to_str() {
            // These belong to the program itself.
            Some("-h" | "--help" | "-V" | "--version" | "--") => break,
            Some(text) if text.starts_with('-') => {
                let (flag, more) = rest.split_at(if takes_value(text, command) { rest.len().min(2) } else { 1 });
                flags.extend_from_slice(flag);
                rest = more;
            }
            _ => {
                let Some(next) = below.find_subcommand(word) else { break };
                moved.push(word.clone());
                (below, rest) = (next, behind);
            }
        }
    }
    moved.into_iter().chain(flags).chain(rest.iter().cloned()).collect()
}

/// Whether the word after this flag is its value, according to any command that has the flag.
fn takes_value(text: &str, command: &Command) -> bool {
    let is_it = |arg: &Arg| match (text.strip_prefix("--"), text.strip_prefix('-')) {
        (Some(long), _) => arg.get_long() == Some(long),
        (None, Some(short)) => arg.get_short().is_some_and(|letter| short == letter.to_string()),
        (None, None) => false,
    };
    let here = command.get_arguments().find(|arg| is_it(arg));
    here.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
        || command.get_subcommands().any(|below| takes_value(text, below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::CommandFactory;

    fn after_move(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        let moved = move_flags_behind_command(words, &Args::command());
        moved.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn leading_flags_are_moved_behind_the_command() {
        assert_eq!(
            after_move("etcdsnap --endpoints=a:1 --cacert ca.pem snapshot save f.db"),
            "etcdsnap snapshot save --endpoints=a:1 --cacert ca.pem f.db"
        );
        assert_eq!(after_move("etcdsnap -w json snapshot status f.db"), "etcdsnap snapshot status -w json f.db");
        assert_eq!(after_move("etcdsnap snapshot -w json status f.db"), "etcdsnap snapshot status -w json f.db");
        assert_eq!(
            after_move("etcdsnap --cacert c snapshot --endpoints a:1 save f"),
            "etcdsnap snapshot save --cacert c --endpoints a:1 f"
        );
        assert_eq!(
            after_move("etcdsnap --write-out=table snapshot status f"),
            "etcdsnap snapshot status --write-out=table f"
        );
        assert_eq!(
            after_move("etcdsnap --insecure-skip-tls-verify snapshot save f"),
            "etcdsnap snapshot save --insecure-skip-tls-verify f"
        );
    }

    #[test]
    fn everything_else_keeps_its_place() {
        for line in [
            "etcdsnap snapshot --help",
            "etcdsnap snapshot",
            "etcdsnap snapshot bogus -w x",
            "etcdsnap verify --all f",
            "etcdsnap --help",
            "etcdsnap",
            "etcdsnap -V",
            "etcdsnap status -w json f",
        ] {
            assert_eq!(after_move(line), line);
        }
        assert_eq!(after_move("etcdsnap --cert"), "etcdsnap --cert");
    }
}
