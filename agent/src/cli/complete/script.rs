//! The scripts that make a shell ask.

use std::env;
use std::path::PathBuf;

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::ASKED_BY;
use crate::cli::failure::Failure;

/// The script for a shell, which calls the program as it was called now: by its name alone, or by its path.
///
/// # Errors
/// For a shell that clap knows nothing of.
pub fn registration(shell: Shell) -> Result<String, Failure> {
    let program = program();
    Ok(match shell {
        Shell::Bash => include_str!("script/bash.sh").replace("PROGRAM", &quoted(&program, "'\\''")),
        Shell::Zsh => include_str!("script/zsh.zsh").replace("PROGRAM", &quoted(&program, "'\\''")),
        Shell::Fish => {
            include_str!("script/fish.fish").replace("PROGRAM", &quoted(&program.replace('\\', "\\\\"), "\\'"))
        }
        other => {
            let mut script = Vec::new();
            let shells = Shells::builtins();
            let unknown = || Failure::new(format!("there are no completions for {other}"), "");
            let completer = shells.completer(&other.to_string()).ok_or_else(unknown)?;
            completer
                .write_registration(ASKED_BY, "etcdsnap", "etcdsnap", &program, &mut script)
                .map_err(|cause| Failure::new(format!("cannot write the script: {cause}"), ""))?;
            String::from_utf8_lossy(&script).into_owned()
        }
    })
}

fn program() -> String {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_else(|| "etcdsnap".into());
    // A path is good in other directories, too.
    let path = match env::current_dir() {
        Ok(folder) if called.components().count() > 1 => folder.join(called),
        _ => called,
    };
    path.to_string_lossy().into_owned()
}

/// In single quotes, in which `quote` stands for one.
fn quoted(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}
