//! The libraries inside of the program and its page, and their licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::build_tools;
use super::processor::Processor;
use crate::repo;

/// The packages that are shipped with all libraries below them, and the target for which each is built.
const ROOTS: [(&str, &str); 3] = [
    ("etcdsnap", Processor::X86_64.target()),
    ("etcdsnap-inspector", "wasm32-unknown-unknown"),
    // The certificates in the image.
    ("webpki-root-certs", Processor::X86_64.target()),
];

/// Beginnings of the names of licence files, in lower case.
const LICENCE_NAMES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// Extensions of files that are named like licences but are sources.
const SOURCE_ENDINGS: [&str; 5] = ["rs", "c", "h", "go", "json"];

/// Maximum depth of the folders that are searched for licences: C code inside a crate has its own.
const DEPTH: usize = 3;

/// The packages of npm whose code is in the page; svelte brings clsx and esm-env.
const PAGE_LIBRARIES: [&str; 7] = ["clsx", "d3-hierarchy", "diff", "esm-env", "jsonc-parser", "svelte", "yaml"];

/// A library that is shipped inside of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    /// Its name in its registry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The registry: `cargo` or `npm`.
    pub registry: &'static str,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// The folder of its sources.
    pub folder: PathBuf,
    /// The URL of its repository.
    pub repository: String,
}

/// Returns the libraries of program and page, without our own packages, by name.
///
/// # Errors
/// When cargo or npm's lock file does not list them.
pub fn libraries(source: &Path) -> Result<Vec<Library>> {
    let mut found = BTreeSet::new();
    for (root, target) in ROOTS {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target]);
        let metadata: Metadata = serde_json::from_str(&repo::capture(cargo.current_dir(source))?)?;
        found.extend(metadata.below(root)?);
    }
    found.extend(page_libraries(&source.join("web"))?);
    Ok(found.into_iter().collect())
}

/// Returns the texts of all licences, as one document.
///
/// # Errors
/// When a library has no licence, or no text of it.
pub fn licences(libraries: &[Library], own: &str) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for library in libraries {
        for text in library_texts(library, libraries)? {
            texts.entry(text).or_default().push(format!("{} {} ({})", library.name, library.version, library.licence));
        }
    }
    for (name, text) in runtime_texts()? {
        texts.entry(text).or_default().push(name);
    }
    let mut document = format!("etcdsnap\n\n{own}\n");
    for library in libraries {
        document += &format!("{} {}: {}\n", library.name, library.version, library.licence);
    }
    let mut groups: Vec<(Vec<String>, String)> = texts.into_iter().map(|(text, names)| (names, text)).collect();
    groups.sort();
    for (names, text) in groups {
        document += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), names.join("\n"), text.trim_end());
    }
    Ok(document)
}

/// Returns the texts of a library's licences; if its package has none, those of a library from the same repository.
fn library_texts(library: &Library, all: &[Library]) -> Result<Vec<String>> {
    ensure!(!library.licence.is_empty(), "{} {} names no licence", library.name, library.version);
    let mut texts = Vec::new();
    collect_texts(&library.folder, DEPTH, &mut texts)?;
    if texts.is_empty() && !library.repository.is_empty() {
        let siblings = all.iter().filter(|other| other.repository == library.repository);
        for sibling in siblings {
            collect_texts(&sibling.folder, DEPTH, &mut texts)?;
        }
    }
    if texts.is_empty() {
        bail!("{} {} has no text of its licence, and neither has its repository", library.name, library.version);
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

fn collect_texts(folder: &Path, depth: usize, texts: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries.collect::<std::io::Result<Vec<_>>>()? {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_dir() {
            let is_shipped = !["tests", "examples", "benches", "node_modules"].contains(&name.as_str());
            if depth > 1 && is_shipped {
                collect_texts(&path, depth - 1, texts)?;
            }
        } else if is_licence(&name) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            texts.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned());
        }
    }
    Ok(())
}

/// Whether a file with this name, in lower case, contains a licence.
fn is_licence(name: &str) -> bool {
    let is_source = Path::new(name).extension().is_some_and(|own| SOURCE_ENDINGS.iter().any(|ending| own == *ending));
    LICENCE_NAMES.iter().any(|start| name.starts_with(start)) && !is_source
}

/// Returns the licences of linked code that is not a package: Rust's standard library and musl.
fn runtime_texts() -> Result<Vec<(String, String)>> {
    let sysroot = repo::capture(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repo::root()))?;
    let rust = Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    let musl = musl_copyright(&build_tools::ensure_zig()?.join("lib"))?;
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    Ok(vec![("Rust's standard library".to_owned(), read(&rust)?), ("musl".to_owned(), read(&musl)?)])
}

/// Finds musl's copyright in the package of Zig, whose folder has the version of Python in its name.
fn musl_copyright(libraries: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(libraries).with_context(|| format!("cannot list {}", libraries.display()))?;
    let places = entries.flatten().map(|entry| entry.path().join("site-packages/ziglang/lib/libc/musl/COPYRIGHT"));
    places.into_iter().find(|place| place.exists()).context("Zig comes without musl's copyright")
}

/// Returns the libraries of the page, with the versions and licences of npm's lock file.
fn page_libraries(web: &Path) -> Result<Vec<Library>> {
    let text = fs::read_to_string(web.join("package-lock.json")).context("web/package-lock.json")?;
    let lock: Value = serde_json::from_str(&text).context("web/package-lock.json")?;
    let library = |name: &str| {
        let folder = format!("node_modules/{name}");
        let entry = &lock["packages"][&folder];
        let word = |key: &str| entry[key].as_str().map(str::to_owned).with_context(|| format!("{name} has no {key}"));
        Ok(Library {
            name: name.to_owned(),
            version: word("version")?,
            registry: "npm",
            licence: word("license")?,
            folder: web.join(&folder),
            repository: String::new(),
        })
    };
    PAGE_LIBRARIES.iter().map(|name| library(name)).collect()
}

/// The parts of `cargo metadata` that are used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    /// `None` for our own packages.
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `None` for libraries of the program, `dev` or `build` for those of tests and build scripts.
    kind: Option<String>,
}

impl Metadata {
    /// Returns a package and the libraries below it that end up in its program, without our own packages.
    fn below(&self, root: &str) -> Result<Vec<Library>> {
        let packages: BTreeMap<&str, &Package> =
            self.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let first = self
            .packages
            .iter()
            .find(|package| package.name == root)
            .with_context(|| format!("there is no package {root}"))?;
        let mut next = vec![first.id.as_str()];
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            let package = packages.get(id).with_context(|| format!("unknown package {id}"))?;
            if package.source.is_some() {
                found.push(package.library());
            }
            let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
            let shipped = dependencies.filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            next.extend(shipped.map(|dependency| dependency.pkg.as_str()));
        }
        Ok(found)
    }
}

impl Package {
    fn library(&self) -> Library {
        Library {
            name: self.name.clone(),
            version: self.version.clone(),
            registry: "cargo",
            // The old way to write a choice.
            licence: self.license.clone().unwrap_or_default().replace(" / ", " OR ").replace('/', " OR "),
            folder: self.manifest_path.parent().unwrap_or(Path::new("")).to_owned(),
            repository: self.repository.clone().unwrap_or_default(),
        }
    }
}
