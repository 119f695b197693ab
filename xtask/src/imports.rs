//! Finds circular imports: files of a crate that import each other, so that a reader cannot understand one without the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree};

use crate::repo;

/// The crates to check.
const CRATES: &[&str] = &["core", "unpack", "agent", "inspector-wasm", "tests", "xtask"];

/// The path of a module from the root of its crate, such as `store::index`; the root itself is empty.
type Module = String;

/// The modules of the same crate that each module imports. The imports of a `mod.rs` count only for its own module, not for its submodules.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Fails if any crate has a circular import.
pub fn check() -> Result<()> {
    eprintln!("circular imports");
    let mut found = Vec::new();
    for name in CRATES {
        let imports = imports(&repo::root().join(name).join("src"))?;
        found.extend(circles(&imports).into_iter().map(|circle| format!("{name}: {}", circle.join(", "))));
    }
    ensure!(found.is_empty(), "These files import each other:\n  {}", found.join("\n  "));
    Ok(())
}

fn imports(root: &Path) -> Result<Imports> {
    let mut files = BTreeMap::new();
    modules(root, &mut Vec::new(), &mut files)?;
    let mut imports = Imports::new();
    for (module, path) in &files {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let mut named = Named { within: module, paths: Vec::new() };
        named.visit_file(&file);
        let targets = named.paths.iter().filter_map(|path| target(path, &files));
        imports.insert(module.clone(), targets.filter(|target| target != module).collect());
    }
    Ok(imports)
}

/// Finds the files below a folder, with the modules that they define.
fn modules(folder: &Path, above: &mut Vec<String>, files: &mut BTreeMap<Module, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for path in entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        above.push(name.clone());
        if path.is_dir() {
            modules(&path, above, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let len = above.len() - usize::from(["mod", "lib", "main"].contains(&name.as_str()));
            files.insert(above[..len].join("::"), path);
        }
        above.pop();
    }
    Ok(())
}

/// Returns the module that contains the item with this path from the crate root.
fn target(path: &[String], files: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    (1..=path.len()).rev().map(|len| path[..len].join("::")).find(|module| files.contains_key(module))
}

/// Collects the paths in a file, from the crate root. Skips those that only tests use.
struct Named<'m> {
    within: &'m str,
    paths: Vec<Vec<String>>,
}

impl Named<'_> {
    fn take(&mut self, path: &[String]) {
        let mut whole: Vec<String> = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.within.split("::").map(str::to_owned).collect(),
            _ => return,
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(whole.pop()),
                part => whole.push(part.to_owned()),
            }
        }
        self.paths.push(whole);
    }

    fn take_tree(&mut self, tree: &UseTree, above: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.take_tree(&path.tree, above);
                above.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.take_tree(item, above)),
            UseTree::Name(name) => self.take_end(&name.ident.to_string(), above),
            UseTree::Rename(name) => self.take_end(&name.ident.to_string(), above),
            UseTree::Glob(_) => self.take(above),
        }
    }

    fn take_end(&mut self, name: &str, above: &mut Vec<String>) {
        above.push(name.to_owned());
        self.take(above);
        above.pop();
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            self.take_tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.take(&parts);
        visit::visit_path(self, path);
    }
}

/// Returns the groups of two or more modules that all import each other, directly or indirectly.
fn circles(imports: &Imports) -> Vec<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|module| (module, reached(module, imports))).collect();
    let leads = |from: &Module, to: &Module| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<Vec<Module>> = imports
        .keys()
        .map(|module| imports.keys().filter(|other| leads(module, other) && leads(other, module)).cloned().collect())
        .filter(|circle: &Vec<Module>| circle.len() > 1)
        .collect();
    circles.dedup();
    circles.sort();
    circles.dedup();
    circles
}

/// Returns all modules that a module imports, directly or indirectly.
fn reached<'i>(module: &Module, imports: &'i Imports) -> BTreeSet<&'i Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = imports.get(module).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(imports.get(module).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(within: &str, text: &str) -> Vec<String> {
        let mut named = Named { within, paths: Vec::new() };
        named.visit_file(&syn::parse_file(text).unwrap());
        named.paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn finds_the_imports_of_a_file() {
        let text = "use crate::a::{B, c::{self, D}}; use super::e; use std::fs; fn f() { crate::g::h(); }";
        assert_eq!(named("x::y", text), ["a::B", "a::c", "a::c::D", "x::e", "g::h"]);
        assert_eq!(named("x", "#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] use crate::b;"), [""; 0]);
    }

    #[test]
    fn finds_circular_imports() {
        let imports = |pairs: &[(&str, &[&str])]| {
            let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            pairs.iter().map(|(name, names)| ((*name).to_owned(), set(names))).collect::<Imports>()
        };
        assert_eq!(circles(&imports(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), [[""; 0]; 0]);
        let found = circles(&imports(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]));
        assert_eq!(found, [["a", "b", "c"]]);
    }
}
