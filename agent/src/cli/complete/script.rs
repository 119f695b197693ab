//! The completion scripts for shells.

use std::env;
use std::path::PathBuf;

use clap_complete::Shell;
use clap_complete::env::Shells;

use super::SHELL_VARIABLE;
use crate::cli::failure::Failure;

/// Returns the script for a shell. The script calls the program as it was called this time: by its name alone, or by its path.
///
/// # Errors
/// When clap does not know the shell.
pub fn registration(shell: Shell) -> Result<String, Failure> {
    let program = program();
    Ok(match shell {
        Shell::Bash => include_str!("script/bash.sh").replace("PROGRAM", &quote(&program, "'\\''")),
        Shell::Zsh => include_str!("script/zsh.zsh").replace("PROGRAM", &quote(&program, "'\\''")),
        Shell::Fish => {
            include_str!("script/fish.fish").replace("PROGRAM", &quote(&program.replace('\\', "\\\\"), "\\'"))
        }
        other => {
            let mut script = Vec::new();
            let shells = Shells::builtins();
            let unknown = || Failure::new(format!("there are no completions for {other}"), "");
            let completer = shells.completer(&other.to_string()).ok_or_else(unknown)?;
            completer
                .write_registration(SHELL_VARIABLE, "etcdsnap", "etcdsnap", &program, &mut script)
                .map_err(|cause| Failure::new(format!("cannot write the script: {cause}"), ""))?;
            String::from_utf8_lossy(&script).into_owned()
        }
    })
}

fn program() -> String {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_else(|| "etcdsnap".into());
    // An absolute path also works from other directories.
    let path = match env::current_dir() {
        Ok(folder) if called.components().count() > 1 => folder.join(called),
        _ => called,
    };
    path.to_string_lossy().into_owned()
}

/// Puts text in single quotes; `quote` is the escape for a single quote.
fn quote(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}
