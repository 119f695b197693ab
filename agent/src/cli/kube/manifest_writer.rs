//! Manifests as a directory of numbered files, or as one stream of YAML.

use std::path::Path;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::manifest_files::{DEFINITIONS, FileNames, OBJECTS, commands, readme};
use etcdsnap::core::kubernetes::manifest_report::ManifestReport;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::yaml::to_yaml;
use etcdsnap::{NewDirectory, printable_path};

use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// Writes manifests in order.
pub struct ManifestWriter {
    target: ManifestTarget,
    /// The number of written objects.
    count: usize,
    names: FileNames,
    has_definitions: bool,
    has_custom: bool,
}

enum ManifestTarget {
    Stdout(Lines),
    Directory(NewDirectory),
}

impl ManifestWriter {
    /// Starts writing; `-` is stdout.
    ///
    /// # Errors
    /// When the directory exists or cannot be created.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        let target = if path.as_os_str() == "-" {
            ManifestTarget::Stdout(Lines::new())
        } else {
            ManifestTarget::Directory(NewDirectory::begin(path)?)
        };
        Ok(Self { target, count: 0, names: FileNames::up_to(0), has_definitions: false, has_custom: false })
    }

    /// Announces the maximum number of objects, and whether definitions and custom resources are among them.
    pub fn expect(&mut self, count: usize, has_definitions: bool, has_custom: bool) {
        self.names = FileNames::up_to(count);
        (self.has_definitions, self.has_custom) = (has_definitions, has_custom);
    }

    /// Whether the reader of stdout is still there.
    pub fn wanted(&self) -> bool {
        match &self.target {
            ManifestTarget::Stdout(lines) => lines.wanted(),
            ManifestTarget::Directory(_) => true,
        }
    }

    /// Writes an object; type, namespace and name are those of its key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn object(
        &mut self,
        is_definition: bool,
        singular: &str,
        place: (&[u8], &[u8]),
        node: &Node<'_>,
    ) -> Result<(), Failure> {
        let first = self.count == 0;
        self.count = self.count.saturating_add(1);
        let yaml = to_yaml(node);
        match &mut self.target {
            ManifestTarget::Stdout(lines) => {
                if !first {
                    lines.write(b"---\n")?;
                }
                lines.write(yaml.as_bytes())
            }
            ManifestTarget::Directory(directory) => {
                if first {
                    directory.folder(OBJECTS)?;
                    if self.has_definitions {
                        directory.folder(DEFINITIONS)?;
                    }
                }
                let file = self.names.name(self.count, is_definition, singular, place);
                Ok(directory.file(file, yaml.as_bytes())?)
            }
        }
    }

    /// Finishes the output; returns the message with the commands to type.
    ///
    /// # Errors
    /// When it cannot be written, or a directory of that name appeared meanwhile.
    pub fn finish(
        self,
        file: &Path,
        revision: Revision,
        deleted: bool,
        report: &ManifestReport,
    ) -> Result<String, Failure> {
        let what = report.written_text();
        match self.target {
            ManifestTarget::Stdout(lines) => {
                lines.finish()?;
                let mut said = format!("Written: {what}. To apply them: kubectl apply --server-side -f FILE\n");
                if self.has_definitions && self.has_custom {
                    said.push_str("Definitions and objects of their types are in one stream: apply it twice, or write a directory (-o DIR).\n");
                }
                Ok(said)
            }
            ManifestTarget::Directory(directory) => {
                let commands = commands(self.has_definitions);
                let readme = readme(&printable_path(file), revision, deleted, &commands, report);
                directory.file("README.md", readme.as_bytes())?;
                let path = printable_path(directory.path());
                directory.finish()?;
                let list: String = commands.iter().map(|command| format!("  {command}\n")).collect();
                Ok(format!("Written to {path}: {what}. To apply them, type there:\n{list}"))
            }
        }
    }
}
