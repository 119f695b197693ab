//! Names the files of manifests, and writes the commands that apply them.
//!
//! ```text
//! README.md                       the commands to type
//! crds/0001-….yaml                CustomResourceDefinitions, which come first
//! objects/0002-namespace-shop.yaml
//! objects/0003-shop-deployment-web.yaml
//! ```

use super::manifest_report::ManifestReport;
use crate::etcd::revision::Revision;

/// The folder of CustomResourceDefinitions.
pub const DEFINITIONS: &str = "crds";
/// The folder of all other objects.
pub const OBJECTS: &str = "objects";

/// Maximum length, in bytes, of the part of a file name that comes from an object's name.
const MAX_NAME: usize = 100;

/// Names files, each with a number, which makes the names unique.
#[derive(Debug, Clone, Copy)]
pub struct FileNames {
    digits: usize,
}

impl FileNames {
    /// Creates the names for at most `count` files.
    #[must_use]
    pub fn up_to(count: usize) -> Self {
        Self { digits: count.to_string().len().max(4) }
    }

    /// Returns the path of a file for an object of this type, from the namespace and name in its key.
    #[must_use]
    pub fn name(
        &self,
        number: usize,
        is_definition: bool,
        singular: &str,
        (namespace, name): (&[u8], &[u8]),
    ) -> String {
        let folder = if is_definition { DEFINITIONS } else { OBJECTS };
        let parts: Vec<String> = [namespace, singular.as_bytes(), name]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(for_a_file)
            .collect();
        format!("{folder}/{number:0digits$}-{}.yaml", parts.join("-"), digits = self.digits)
    }
}

/// Returns the commands that apply all files; they run in the directory of the files.
#[must_use]
pub fn commands(has_definitions: bool) -> Vec<String> {
    let mut commands = Vec::new();
    if has_definitions {
        commands.push(format!("kubectl apply --server-side -f {DEFINITIONS}"));
        commands.push(format!("kubectl wait --for=condition=Established --timeout=60s -f {DEFINITIONS}"));
    }
    commands.push(format!("kubectl apply --server-side -f {OBJECTS}"));
    commands
}

/// Returns the text of the README beside the files: the snapshot, by its name as it is shown, and the commands to type.
#[must_use]
pub fn readme(
    snapshot: &str,
    revision: Revision,
    deleted: bool,
    commands: &[String],
    report: &ManifestReport,
) -> String {
    let state = if deleted { "last states of what was deleted, up to revision" } else { "as of revision" };
    let mut text = format!(
        "# Kubernetes objects of {snapshot}, {state} {revision}\n\nThe files are numbered in the order in which they can be applied. Type in this directory:\n\n"
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

/// Turns a part of a key into a part of a file name. In names that servers accept, only colons change.
#[must_use]
pub fn for_a_file(part: &[u8]) -> String {
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

    #[test]
    fn files_are_numbered_in_their_folders() {
        let names = FileNames::up_to(12_345);
        assert_eq!(names.name(7, false, "deployment", (b"shop", b"web")), "objects/00007-shop-deployment-web.yaml");
        let names = FileNames::up_to(3);
        assert_eq!(
            names.name(1, true, "customresourcedefinition", (b"", b"a.b")),
            "crds/0001-customresourcedefinition-a.b.yaml"
        );
    }
}
