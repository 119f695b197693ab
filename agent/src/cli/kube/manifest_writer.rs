//! Manifests as a directory of numbered files, or as one stream of YAML.
//!
//! ```text
//! DIR/README.md                       what to type
//! DIR/crds/0001-….yaml                CustomResourceDefinitions, which come first
//! DIR/objects/0002-namespace-shop.yaml
//! DIR/objects/0003-shop-deployment-web.yaml
//! ```

use std::path::Path;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::yaml::to_yaml;
use etcdsnap::{NewDirectory, printable_path};

use super::manifest_report::Report;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

const DEFINITIONS: &str = "crds";
const OBJECTS: &str = "objects";

/// Bytes of a name that go into that of a file.
const MAX_NAME: usize = 100;

/// Writes manifests in order.
pub struct ManifestWriter {
    target: Target,
    /// How many were written.
    count: usize,
    /// Digits of their numbers.
    digits: usize,
    has_definitions: bool,
    has_custom: bool,
}

enum Target {
    Stdout(Lines),
    Directory(NewDirectory),
}

impl ManifestWriter {
    /// Begins; `-` is stdout.
    ///
    /// # Errors
    /// When the directory exists, or cannot be made.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        let target = if path.as_os_str() == "-" {
            Target::Stdout(Lines::new())
        } else {
            Target::Directory(NewDirectory::begin(path)?)
        };
        Ok(Self { target, count: 0, digits: 4, has_definitions: false, has_custom: false })
    }

    /// Says what is to come: at most so many, with definitions and objects of custom types or without.
    pub fn expect(&mut self, count: usize, has_definitions: bool, has_custom: bool) {
        self.digits = count.to_string().len().max(4);
        (self.has_definitions, self.has_custom) = (has_definitions, has_custom);
    }

    /// Whether somebody still reads.
    pub fn wanted(&self) -> bool {
        match &self.target {
            Target::Stdout(lines) => lines.wanted(),
            Target::Directory(_) => true,
        }
    }

    /// Writes an object, of this type and under this namespace and name in its key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn object(
        &mut self,
        is_definition: bool,
        singular: &str,
        (namespace, name): (&[u8], &[u8]),
        node: &Node<'_>,
    ) -> Result<(), Failure> {
        let first = self.count == 0;
        self.count = self.count.saturating_add(1);
        let yaml = to_yaml(node);
        match &mut self.target {
            Target::Stdout(lines) => {
                if !first {
                    lines.write(b"---\n")?;
                }
                lines.write(yaml.as_bytes())
            }
            Target::Directory(directory) => {
                let folder = if is_definition { DEFINITIONS } else { OBJECTS };
                if first {
                    directory.folder(OBJECTS)?;
                    if self.has_definitions {
                        directory.folder(DEFINITIONS)?;
                    }
                }
                let parts: Vec<String> = [namespace, singular.as_bytes(), name]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .map(for_a_file)
                    .collect();
                let file = format!("{folder}/{:0digits$}-{}.yaml", self.count, parts.join("-"), digits = self.digits);
                Ok(directory.file(file, yaml.as_bytes())?)
            }
        }
    }

    /// Ends it; what a person is to know and to type.
    ///
    /// # Errors
    /// When it cannot be written, or a directory of that name came meanwhile.
    pub fn finish(self, file: &Path, revision: Revision, deleted: bool, report: &Report) -> Result<String, Failure> {
        let what = report.written_text();
        match self.target {
            Target::Stdout(lines) => {
                lines.finish()?;
                let mut said = format!("Written: {what}. To apply them: kubectl apply --server-side -f FILE\n");
                if self.has_definitions && self.has_custom {
                    said.push_str("Definitions and objects of their types are in one stream: apply it twice, or write a directory (-o DIR).\n");
                }
                Ok(said)
            }
            Target::Directory(directory) => {
                let commands = commands(self.has_definitions);
                let readme = readme(file, revision, deleted, &commands, report);
                directory.file("README.md", readme.as_bytes())?;
                let path = printable_path(directory.path());
                directory.finish()?;
                let list: String = commands.iter().map(|command| format!("  {command}\n")).collect();
                Ok(format!("Written to {path}: {what}. To apply them, type there:\n{list}"))
            }
        }
    }
}

fn commands(has_definitions: bool) -> Vec<String> {
    let mut commands = Vec::new();
    if has_definitions {
        commands.push(format!("kubectl apply --server-side -f {DEFINITIONS}"));
        commands.push(format!("kubectl wait --for=condition=Established --timeout=60s -f {DEFINITIONS}"));
    }
    commands.push(format!("kubectl apply --server-side -f {OBJECTS}"));
    commands
}

fn readme(file: &Path, revision: Revision, deleted: bool, commands: &[String], report: &Report) -> String {
    let state = if deleted { "last states of what was deleted, up to revision" } else { "as of revision" };
    let mut text = format!(
        "# Kubernetes objects of {}, {state} {revision}\n\nThe files are numbered in the order in which they can be applied. Type in this directory:\n\n",
        printable_path(file)
    );
    commands.iter().for_each(|command| text.push_str(&format!("    {command}\n")));
    text.push_str(
        "\n`kubectl diff --server-side -f objects` shows before what would change. Where an object exists with other values, kubectl reports a conflict; `--force-conflicts` overwrites them.\n",
    );
    let left_out = report.left_out_lines();
    if !left_out.is_empty() {
        text.push('\n');
        left_out.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    }
    text
}

/// A part of a key as a part of a file's name. Names that servers take need no change but for colons; the number before it makes it unique.
fn for_a_file(part: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let short = part.get(..MAX_NAME).unwrap_or(part);
    short.iter().map(|&byte| if is_plain(byte) { char::from(byte) } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        assert_eq!(for_a_file(b"web-1.example"), "web-1.example");
        assert_eq!(for_a_file(b"../../etc/passwd\0\n"), ".._.._etc_passwd__");
        assert_eq!(for_a_file(b"system:node"), "system_node");
        assert_eq!(for_a_file(&[b'a'; 500]).len(), MAX_NAME);
    }
}
