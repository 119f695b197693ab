//! Checks links in documents: those within the repository must lead to existing files and headings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::repo;

/// Documents and folders with documents, relative to the root of the repository.
const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "docs"];

/// Fails when a link leads nowhere.
pub fn check() -> Result<()> {
    eprintln!("links of documents");
    let root = repo::root();
    let mut texts = BTreeMap::new();
    for document in DOCUMENTS {
        collect(&root, Path::new(document), &mut texts)?;
    }
    let broken = broken_links(&texts, |path| root.join(path).exists());
    ensure!(broken.is_empty(), "Links of documents lead nowhere:\n  {}", broken.join("\n  "));
    Ok(())
}

/// Adds a document, or all documents in a folder, with their texts.
fn collect(root: &Path, path: &Path, texts: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let whole = root.join(path);
    if whole.is_dir() {
        for entry in fs::read_dir(&whole).with_context(|| whole.display().to_string())? {
            collect(root, &path.join(entry?.file_name()), texts)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "md") {
        let text = fs::read_to_string(&whole).with_context(|| whole.display().to_string())?;
        texts.insert(path.to_owned(), text);
    }
    Ok(())
}

/// Lists the broken links in these documents, each as `document:line: link: reason`.
fn broken_links(texts: &BTreeMap<PathBuf, String>, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let anchors: BTreeMap<&Path, Vec<String>> =
        texts.iter().map(|(path, text)| (path.as_path(), anchors(text))).collect();
    let mut broken = Vec::new();
    for (document, text) in texts {
        for (line, link) in links(text).filter(|(_, link)| !is_external(link)) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { document.clone() } else { resolved(document, path) };
            let reason = if !exists(&target) {
                "there is no such file"
            } else if anchor.is_some_and(|anchor| {
                anchors.get(target.as_path()).is_some_and(|anchors| !anchors.iter().any(|known| known == anchor))
            }) {
                "there is no such heading"
            } else {
                continue;
            };
            broken.push(format!("{}:{line}: {link}: {reason}", document.display()));
        }
    }
    broken
}

/// Whether a link names a scheme, as in `https:` or `mailto:`.
fn is_external(link: &str) -> bool {
    link.split_once(':').is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Converts a path in a document to a path relative to the root.
fn resolved(document: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in document.parent().unwrap_or(Path::new("")).join(path).components() {
        match part {
            Component::ParentDir if whole.pop() => {}
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

/// Returns the lines of a text outside code blocks, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((number, line))
    })
}

/// Returns the links and images in a text, with their lines. Text between backquotes does not count.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        let outside = line.split('`').step_by(2);
        outside
            .flat_map(|part| part.split("](").skip(1))
            .filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
    })
}

/// Returns the anchors of a text's headings, as GitHub and mdBook create them: lower case, hyphens for blanks, no punctuation, and a number at the end of repeated ones.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let words = line.trim_start_matches('#');
        if words.len() == line.len() || !words.starts_with(' ') {
            continue;
        }
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let base: String = words.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        let numbered = |number: usize| if number == 0 { base.clone() } else { format!("{base}-{number}") };
        let anchor = (0..).map(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(anchor);
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](b.md) `[no](c.md)` and ![d](e.png)\n```sh\n[no](f.md)\n```\n[g](#h)\n";
        assert_eq!(links(text).collect::<Vec<_>>(), [(1, "b.md"), (1, "e.png"), (5, "#h")]);
        assert!(is_external("https://example.org/a") && is_external("mailto:a@b") && !is_external("a/b.md#c:d"));
    }

    #[test]
    fn anchors_of_headings_are_computed() {
        let text = "# Is it sound?\n## `restore`, step 1\n#no\n## A-b_c\n## A-b_c\n```\n# comment\n```\n";
        assert_eq!(anchors(text), ["is-it-sound", "restore-step-1", "a-b_c", "a-b_c-1"]);
    }

    #[test]
    fn broken_links_are_reported() {
        let document = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
        let texts = BTreeMap::from([
            document("README.md", "[1](docs/a.md#one) [2](docs/a.md#two)\n[3](docs/none.md) [4](docs)"),
            document("docs/a.md", "# One\n[5](../README.md) [6](#one) [7](#none) [8](b/../c.png)"),
        ]);
        let exists =
            |path: &Path| ["README.md", "docs", "docs/a.md", "docs/c.png"].iter().any(|own| path == Path::new(own));
        assert_eq!(
            broken_links(&texts, exists),
            [
                "README.md:1: docs/a.md#two: there is no such heading",
                "README.md:2: docs/none.md: there is no such file",
                "docs/a.md:2: #none: there is no such heading",
            ]
        );
    }
}
