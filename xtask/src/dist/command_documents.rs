//! Collects man pages and completion scripts, which the program itself prints.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::package_tree::PackageTree;
use crate::repo;

/// The man pages and completion scripts of the program.
pub struct CommandDocuments {
    /// Man pages by file name, such as `etcdsnap-save.1`.
    pub man_pages: Vec<(String, String)>,
    /// Completion scripts by shell.
    pub completions: Vec<(&'static str, String)>,
}

/// The places of these files in a package.
pub struct Places {
    /// The folder of man pages.
    pub man: &'static str,
    /// The file of each shell's completions.
    pub completions: [(&'static str, &'static str); 3],
}

impl CommandDocuments {
    /// Runs a program, which must be built for this machine, to print them.
    ///
    /// # Errors
    /// When the program cannot run, or prints no man page for one of its commands.
    pub fn of(program: &Path) -> Result<Self> {
        let mut man_pages = Vec::new();
        add_man_pages(program, &mut Vec::new(), &mut man_pages)?;
        ensure!(man_pages.len() > 20, "only {} man pages", man_pages.len());
        let mut completions = Vec::new();
        for shell in ["bash", "zsh", "fish"] {
            completions.push((shell, ask(program, &["completions", shell])?));
        }
        Ok(Self { man_pages, completions })
    }

    /// Adds the files to a package; `packed` packs a man page and returns the new ending of its name.
    ///
    /// # Errors
    /// When a man page cannot be packed.
    pub fn add_to(
        &self,
        tree: &mut PackageTree,
        places: &Places,
        packed: fn(&[u8]) -> Result<Vec<u8>>,
        ending: &str,
    ) -> Result<()> {
        for (name, text) in &self.man_pages {
            tree.file(&format!("{}/{name}{ending}", places.man), packed(text.as_bytes())?);
        }
        for (shell, text) in &self.completions {
            for (_, place) in places.completions.iter().filter(|(of, _)| of == shell) {
                tree.file(place, text.as_str());
            }
        }
        Ok(())
    }
}

/// Adds the man pages of a command and of all commands below it.
fn add_man_pages(program: &Path, path: &mut Vec<String>, pages: &mut Vec<(String, String)>) -> Result<()> {
    let mut arguments = vec!["man"];
    arguments.extend(path.iter().map(String::as_str));
    let text = ask(program, &arguments)?;
    let name = std::iter::once("etcdsnap").chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    ensure!(text.contains(".TH"), "`etcdsnap {}` prints no man page", arguments.join(" "));
    for below in commands_below(&text, &name) {
        path.push(below);
        add_man_pages(program, path, pages)?;
        path.pop();
    }
    pages.push((format!("{name}.1"), text));
    Ok(())
}

/// Returns the commands that a man page lists below its own: lines such as `etcdsnap\-kube\-get(1)`.
fn commands_below(text: &str, name: &str) -> Vec<String> {
    let start = format!("{name}-");
    let listed = text.lines().filter_map(|line| Some(line.strip_suffix("(1)")?.replace('\\', "")));
    let below = listed.filter_map(|line| line.strip_prefix(&start).map(str::to_owned));
    below.filter(|command| command != "help").collect()
}

/// Returns the program's output. The program is called by its bare name, as the completion scripts call it.
fn ask(program: &Path, arguments: &[&str]) -> Result<String> {
    repo::capture(Command::new(program).arg0("etcdsnap").args(arguments).current_dir(repo::root()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_a_man_page() {
        let text = ".TP\netcdsnap\\-kube\\-get(1)\nShow objects\n.TP\netcdsnap\\-kube\\-help(1)\nHelp\n";
        assert_eq!(commands_below(text, "etcdsnap-kube"), ["get"]);
    }
}
