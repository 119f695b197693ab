//! Flags before the command, where etcd's own tools take them too: `etcdctl --endpoints=… snapshot save FILE`.

use std::ffi::OsString;

use clap::{Arg, Command};

/// The command line with such flags moved behind the words of the command.
pub fn moved_behind(words: impl IntoIterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut moved: Vec<OsString> = words.next().into_iter().collect();
    let mut words: Vec<OsString> = words.collect();
    let mut at = 0;
    while let Some(text) = words.get(at).and_then(|word| word.to_str()).filter(|text| text.starts_with('-')) {
        // These are the program's own.
        if matches!(text, "-h" | "--help" | "-V" | "--version" | "--") {
            return moved.into_iter().chain(words).collect();
        }
        at += if takes_next(text, command) { 2 } else { 1 };
    }
    let leading: Vec<_> = words.drain(..at.min(words.len())).collect();
    let mut below = command;
    let mut commands = 0;
    while let Some(next) = words.get(commands).and_then(|word| below.find_subcommand(word)) {
        below = next;
        commands += 1;
    }
    let rest = words.split_off(commands);
    moved.extend(words.into_iter().chain(leading).chain(rest));
    moved
}

/// Whether the word behind this flag is its value; any command's flag of that name tells.
fn takes_next(text: &str, command: &Command) -> bool {
    let is_it = |arg: &Arg| match (text.strip_prefix("--"), text.strip_prefix('-')) {
        (Some(long), _) => arg.get_long() == Some(long),
        (None, Some(short)) => arg.get_short().is_some_and(|letter| short == letter.to_string()),
        (None, None) => false,
    };
    let here = command.get_arguments().find(|arg| is_it(arg));
    here.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
        || command.get_subcommands().any(|below| takes_next(text, below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::CommandFactory;

    fn moved(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        let moved = moved_behind(words, &Args::command());
        moved.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn leading_flags_move_behind_the_command() {
        assert_eq!(
            moved("etcdsnap --endpoints=a:1 --cacert ca.pem snapshot save f.db"),
            "etcdsnap snapshot save --endpoints=a:1 --cacert ca.pem f.db"
        );
        assert_eq!(moved("etcdsnap -w json snapshot status f.db"), "etcdsnap snapshot status -w json f.db");
        assert_eq!(
            moved("etcdsnap --write-out=table snapshot status f"),
            "etcdsnap snapshot status --write-out=table f"
        );
        assert_eq!(
            moved("etcdsnap --insecure-skip-tls-verify snapshot save f"),
            "etcdsnap snapshot save --insecure-skip-tls-verify f"
        );
    }

    #[test]
    fn everything_else_stays() {
        for line in
            ["etcdsnap verify --all f", "etcdsnap --help", "etcdsnap", "etcdsnap -V", "etcdsnap status -w json f"]
        {
            assert_eq!(moved(line), line);
        }
        assert_eq!(moved("etcdsnap --cert"), "etcdsnap --cert");
    }
}
