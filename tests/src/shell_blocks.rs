//! Runs the shell blocks of a document in order in one shell, and compares their output with the output that the document shows.
//!
//! In a page of the guide, fenced blocks ` ```sh ` run, blocks ` ```sh,illustration ` do not, and a block ` ```text ` directly after one that runs is
//! its output. In a ` ```console ` block, lines that start with `$ ` run, and the lines after them, if any, are the output.
//! In an output, `…` means any text within a line, and a line with only `…` means any number of lines.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long all blocks of a document may take together; the slowest document takes half a minute on an idle machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The text in an output that means any text.
const ANYTHING: &str = "…";

/// The character between the outputs of two steps; no document contains it, and no program here prints it.
const SEPARATOR: char = '\u{1e}';

/// Commands that run together, with their expected output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line of the document with the first command, counted from 1.
    pub line: usize,
    /// Lines of shell.
    pub commands: Vec<String>,
    /// The lines that they must print; `None` if the document does not show any.
    pub expected: Option<Vec<String>>,
}

/// A fenced block.
struct Block<'t> {
    kind: &'t str,
    /// The line of the fence, counted from 1.
    line: usize,
    lines: Vec<&'t str>,
}

/// Returns the steps of a page of the guide.
///
/// # Errors
/// Fails if a block has no language, or one that is neither run nor marked: such a block would be skipped unnoticed.
pub fn page_steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut shows_output = false;
    for block in blocks(text)? {
        let lines: Vec<String> = block.lines.iter().map(|line| (*line).to_owned()).collect();
        match block.kind {
            "sh" => steps.push(Step { line: block.line + 1, commands: lines, expected: None }),
            "text" if shows_output => {
                if let Some(step) = steps.last_mut() {
                    step.expected = Some(lines);
                }
            }
            "text" | "sh,illustration" | "sql" | "rust" | "yaml" | "toml" => {}
            kind => return Err(format!("line {}: a block `{kind}` neither runs nor is marked", block.line)),
        }
        shows_output = block.kind == "sh";
    }
    Ok(steps)
}

/// Returns the steps of a document with `console` blocks, one for each command.
///
/// # Errors
/// Fails if a fence is not closed.
pub fn console_steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(text)?.into_iter().filter(|block| block.kind == "console") {
        let mut goes_on = false;
        for (index, line) in block.lines.iter().enumerate() {
            if let Some(command) = line.strip_prefix("$ ") {
                let line = block.line + 1 + index;
                steps.push(Step { line, commands: vec![command.to_owned()], expected: None });
            } else if let Some(step) = steps.last_mut() {
                if goes_on {
                    step.commands.push((*line).to_owned());
                } else {
                    step.expected.get_or_insert_default().push((*line).to_owned());
                }
            }
            goes_on = line.ends_with('\\');
        }
    }
    Ok(steps)
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(kind), None) => open = Some(Block { kind: kind.trim(), line: index + 1, lines: Vec::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    match open {
        None => Ok(blocks),
        Some(block) => Err(format!("line {}: the block is not closed", block.line)),
    }
}

/// Returns whether the printed lines match the lines that a document shows. Blanks at the ends of lines do not count.
#[must_use]
pub fn prints_as_shown(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first.trim() == ANYTHING {
        return (0..=printed.len()).any(|skipped| prints_as_shown(rest, &printed[skipped..]));
    }
    let Some((line, others)) = printed.split_first() else { return false };
    line_fits(first.trim_end(), line.trim_end()) && prints_as_shown(rest, others)
}

/// Returns whether a line consists of the parts between the `…`, in order, with any text between them.
fn line_fits(shown: &str, printed: &str) -> bool {
    let Some((head, tail)) = shown.split_once(ANYTHING) else { return shown == printed };
    let Some(rest) = printed.strip_prefix(head) else { return false };
    let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.any(|at| line_fits(tail, &rest[at..]))
}

/// Runs all steps in one bash, in `folder`, with these variables and without the caller's variables of etcd; `output` is a file for their output.
/// Programs that a step starts in the background end with the last step.
///
/// # Errors
/// Fails if a command without `||` after it ends with another exit code than 0, if the output differs from the shown one, or if it takes too long.
///
/// # Panics
/// Panics if bash cannot be started, or `output` cannot be written.
pub fn run(steps: &[Step], folder: &Path, output: &Path, variables: &[(String, String)]) -> Result<(), String> {
    let mut script = "set -euo pipefail\n".to_owned();
    for (index, step) in steps.iter().enumerate() {
        script.push_str(&format!("printf '\\036{index}\\n'\n{}\n", step.commands.join("\n")));
    }
    let ended = run_script(&script, folder, output, variables);
    let printed = fs::read(output).expect("the output of the blocks");
    let printed = String::from_utf8_lossy(&printed);
    // Each separator is followed by the number of a step and a line break.
    let printed: Vec<Vec<&str>> = printed.split(SEPARATOR).skip(1).map(|text| text.lines().skip(1).collect()).collect();
    let complete = if ended.is_ok() { printed.len() } else { printed.len().saturating_sub(1) };
    for (step, lines) in steps.iter().zip(&printed).take(complete) {
        let Some(expected) = &step.expected else { continue };
        if !prints_as_shown(expected, lines) {
            return Err(failure_text(step, "prints", lines) + "\ninstead of\n" + &expected.join("\n"));
        }
    }
    ended.map_err(|how| match steps.get(complete).zip(printed.last()) {
        Some((step, lines)) => failure_text(step, &how, lines),
        None => how,
    })
}

fn failure_text(step: &Step, what: &str, lines: &[&str]) -> String {
    format!("line {}:\n{}\n{what}\n{}", step.line, step.commands.join("\n"), lines.join("\n"))
}

/// Runs a script in its own process group, which ends with the script.
fn run_script(script: &str, folder: &Path, output: &Path, variables: &[(String, String)]) -> Result<(), String> {
    let file = File::create(output).expect("a file for the output");
    let mut bash = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if ["ETCD", "KUBE"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            bash.env_remove(name);
        }
    }
    bash.args(["-c", script]).current_dir(folder).envs(variables.iter().cloned());
    bash.stdin(Stdio::null()).stdout(file.try_clone().expect("the same file")).stderr(file).process_group(0);
    let mut child = bash.spawn().expect("bash");
    let group = Pid::from_child(&child);
    let since = Instant::now();
    // The child stays a zombie until the group is killed, so that no other process can get its number in the meantime.
    let wait = || waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    let ends = loop {
        if wait().expect("a child").is_some() {
            break true;
        }
        if since.elapsed() > PATIENCE {
            break false;
        }
        sleep(Duration::from_millis(20));
    };
    // Some systems refuse if only the zombie is left in the group.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait().expect("a child");
    match ends {
        true if status.success() => Ok(()),
        true => Err(format!("ends with {status}")),
        false => Err(format!("does not end within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(shown: &str, printed: &str) -> bool {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        prints_as_shown(&shown, &printed.lines().collect::<Vec<_>>())
    }

    #[test]
    fn only_the_ellipsis_matches_any_text() {
        assert!(fits("a\nb", "a\nb  "));
        assert!(!fits("a\nb", "a\nb\nc") && !fits("a\nb", "a") && !fits("", "a") && !fits("a", ""));
        assert!(fits("saved …: … B", "saved x.db: 12 B") && !fits("saved …: … B", "saved x.db: 12 kB!"));
        assert!(fits("…\nend", "end") && fits("…\nend", "a\nb\nend") && !fits("…\nend", "a\nend\nb"));
        assert!(fits("…", "") && fits("a…", "a") && !fits("a…", "ba") && fits("…é…", "xéy"));
    }

    #[test]
    fn blocks_become_steps() {
        let page = "# T\n```sh\necho a\necho b\n```\nwords\n```text\na\nb\n```\n```text\nnot compared\n```\n```sh,illustration\nfalse\n```\n";
        let steps = page_steps(page).unwrap();
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let step = Step { line: 3, commands: owned(&["echo a", "echo b"]), expected: Some(owned(&["a", "b"])) };
        assert_eq!(steps, [step]);
        for wrong in ["```bash\nx\n```\n", "```\nx\n```\n", "```sh\nx\n"] {
            assert!(page_steps(wrong).is_err(), "{wrong}");
        }
        let steps = console_steps("```console\n$ a \\\n    b   # c\n1\n2\n$ d\n```\n").unwrap();
        assert_eq!(steps[0].commands, owned(&["a \\", "    b   # c"]));
        assert_eq!((&steps[0].expected, steps[1].line), (&Some(owned(&["1", "2"])), 6));
        assert_eq!(steps[1].expected, None);
    }

    #[test]
    fn differences_and_failures_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("output");
        let run = |page: &str| run(&page_steps(page).unwrap(), folder.path(), &output, &[("X".into(), "x".into())]);
        assert_eq!(run("```sh\nsleep 600 &\ny=$X\n```\n```sh\necho $y\n```\n```text\nx\n```\n"), Ok(()));
        let differs = run("```sh\necho a\n```\n```text\nb\n```\n").unwrap_err();
        assert!(differs.starts_with("line 2:\necho a\nprints\na\ninstead of\nb"), "{differs}");
        let fails = run("```sh\necho a\nfalse\n```\n```sh\necho c\n```\n").unwrap_err();
        assert!(fails.starts_with("line 2:") && fails.contains("ends with exit status: 1\na"), "{fails}");
        assert_eq!(run("```sh\nfalse || echo $?\n```\n```text\n1\n```\n"), Ok(()));
    }
}
