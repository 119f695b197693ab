//! Prints completion candidates in the form that each shell's script expects.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{EnvCompleter, Shells};

use super::line::{LineHead, Quoting};
use super::{CommandLine, FILE_TAG, KEY_TAG};

/// Prints the candidates for `shell`; `None` if the shell is unknown, its arguments are malformed, nothing can be completed, or stdout cannot be written.
pub fn print(shell: &OsStr, line: Vec<OsString>) -> Option<()> {
    let mut text = Vec::new();
    match shell.to_str()? {
        "bash" => bash(&line, &mut text)?,
        "zsh" => zsh(line, &mut text)?,
        "fish" => fish(&line, &mut text)?,
        other => {
            let shells = Shells::builtins();
            let completer = shells.completer(other)?;
            let at = env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|at| at.parse().ok());
            let line = CommandLine { at: at.unwrap_or(line.len().saturating_sub(1)), words: line };
            other_shell(completer, &line, &mut text)?;
        }
    }
    io::stdout().lock().write_all(&text).ok()
}

/// Answers elvish and PowerShell, with clap's own scripts.
fn other_shell(completer: &dyn EnvCompleter, line: &CommandLine, text: &mut Vec<u8>) -> Option<()> {
    let folder = env::current_dir().ok();
    completer.write_complete(&mut line.command(), line.words.clone(), folder.as_deref(), text).ok()
}

/// Answers bash: a line that says how to treat the candidates, then one candidate per line. Bash replaces a word only from its last colon or equals sign on, so the candidates
/// omit the part before it.
fn bash(line: &[OsString], text: &mut Vec<u8>) -> Option<()> {
    let [line, tail, replaced] = line else { return None };
    let head = LineHead::new(line.as_bytes(), Quoting::Bash);
    let line = head.command_line(tail.as_bytes())?;
    let found = line.candidates()?;
    let typed = line.words.get(line.at)?.as_bytes();
    let kept = head.kept(replaced.len());
    // Readline shows only the last parts of file names, and bash quotes them except where it would expand them.
    let is_name = |found: &CompletionCandidate| is_tagged(found, KEY_TAG) || is_tagged(found, FILE_TAG);
    let expands = |byte: &u8| matches!(byte, b'$' | b'`');
    let is_easy = |value: &[u8]| value.starts_with(typed) && !value.iter().any(expands);
    let names = found.iter().any(is_name) && values(&found).all(is_easy);
    text.extend_from_slice(if names { b"names\n" } else { b"words\n" });
    for rest in values(&found).filter_map(|value| value.strip_prefix(kept.value.as_slice())) {
        if names {
            text.extend_from_slice(rest)
        } else {
            text.extend(kept.quote(rest))
        }
        text.push(b'\n');
    }
    Some(())
}

/// Answers zsh: one candidate per line, with a tab and its description, if any.
fn zsh(line: Vec<OsString>, text: &mut Vec<u8>) -> Option<()> {
    let mut words = line.into_iter();
    let at = words.next()?.to_str()?.parse().ok()?;
    write_with_descriptions(&CommandLine { words: words.collect(), at }.candidates()?, text);
    Some(())
}

/// Answers fish, like [`zsh`], for the line up to the cursor and the whole line.
fn fish(line: &[OsString], text: &mut Vec<u8>) -> Option<()> {
    let [line, whole] = line else { return None };
    let tail = whole.as_bytes().strip_prefix(line.as_bytes()).unwrap_or_default();
    write_with_descriptions(&LineHead::new(line.as_bytes(), Quoting::Fish).command_line(tail)?.candidates()?, text);
    Some(())
}

fn write_with_descriptions(found: &[CompletionCandidate], text: &mut Vec<u8>) {
    let helps = found.iter().filter(|found| is_one_line(found)).map(CompletionCandidate::get_help);
    for (value, help) in values(found).zip(helps) {
        text.extend_from_slice(value);
        if let Some(help) = help {
            let help = help.to_string();
            text.extend(format!("\t{}", help.lines().next().unwrap_or_default()).into_bytes());
        }
        text.push(b'\n');
    }
}

/// Returns the candidates that fit on one line each; names with tabs or line breaks are dropped.
fn values(found: &[CompletionCandidate]) -> impl Iterator<Item = &[u8]> {
    found.iter().filter(|found| is_one_line(found)).map(|found| found.get_value().as_bytes())
}

fn is_one_line(found: &CompletionCandidate) -> bool {
    !found.get_value().as_bytes().iter().any(|byte| matches!(byte, b'\n' | b'\t'))
}

fn is_tagged(found: &CompletionCandidate, tag: &str) -> bool {
    found.get_tag().is_some_and(|text| text.to_string() == tag)
}
