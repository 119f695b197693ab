//! The groups of keys of `etcdsnap usage`.

use std::num::NonZeroUsize;

use etcdsnap::core::kubernetes::registry_keys::{By, Objects, objects};
use etcdsnap::core::store::usage::group;
use serde_json::{Map, Value};

use super::key_text;
use crate::cli::args::UsageArgs;
use crate::cli::args_inspect::UsageBy;

/// A group of keys.
pub struct Group {
    /// Its name for people.
    pub text: String,
    /// Its names for programs.
    names: Map<String, Value>,
}

/// The default number of parts of a key that make a group: `/registry/pods/`.
const DEPTH: usize = 2;

impl Group {
    /// Parses a group name written by [`write`].
    pub fn named(name: &[u8], by: UsageBy) -> Self {
        match kubernetes(by) {
            None => Self::of_prefix(name),
            Some(by) => Self::of_objects(Objects::of_name(name), by),
        }
    }

    fn of_prefix(prefix: &[u8]) -> Self {
        let mut names = Map::new();
        key_text::put(&mut names, "prefix", prefix);
        let text = if prefix.is_empty() { "(no slash)".into() } else { key_text::key(prefix) };
        Self { text, names }
    }

    fn of_objects(objects: Option<Objects<'_>>, by: By) -> Self {
        let mut names = Map::new();
        let Some(Objects { group, resource, namespace }) = objects else {
            return Self { text: "(no object)".into(), names };
        };
        let mut text = Vec::new();
        if by != By::Namespace {
            key_text::put(&mut names, "group", group);
            key_text::put(&mut names, "resource", resource);
            let dot = if group.is_empty() { "" } else { "." };
            text.push(key_text::key(&[resource, dot.as_bytes(), group].concat()));
        }
        if by != By::Resource {
            key_text::put(&mut names, "namespace", namespace);
            text.push(if namespace.is_empty() { "(cluster)".into() } else { key_text::key(namespace) });
        }
        Self { text: text.join(" "), names }
    }

    /// Describes the group and its sums as a JSON object.
    pub fn object(&self, kind: &str, sums: Value) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("kind".into(), kind.into());
        object.extend(self.names.clone());
        if let Value::Object(sums) = sums {
            object.extend(sums);
        }
        object
    }
}

/// Returns the title of the column of groups.
pub fn title(by: UsageBy) -> &'static str {
    match by {
        UsageBy::Prefix => "prefix",
        UsageBy::Resource => "resource",
        UsageBy::Namespace => "namespace",
        UsageBy::ResourceNamespace => "resource and namespace",
        UsageBy::Kind => "kind",
    }
}

/// Appends the name of a key's group to `name`; [`Group::named`] parses it.
pub fn write(args: &UsageArgs, prefix: &[u8], key: &[u8], name: &mut Vec<u8>) {
    match kubernetes(args.by) {
        None => name.extend_from_slice(group(key, prefix.len(), args.depth.map_or(DEPTH, NonZeroUsize::get))),
        Some(by) => objects(key, args.etcd_prefix.as_bytes(), by, name),
    }
}

fn kubernetes(by: UsageBy) -> Option<By> {
    match by {
        UsageBy::Prefix => None,
        UsageBy::Resource | UsageBy::Kind => Some(By::Resource),
        UsageBy::Namespace => Some(By::Namespace),
        UsageBy::ResourceNamespace => Some(By::Both),
    }
}
