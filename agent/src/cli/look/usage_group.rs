//! By what `etcdsnap usage` sums up keys.

use etcdsnap::core::store::kubernetes::{By, Objects, by_object};
use etcdsnap::core::store::usage::by_prefix;
use etcdsnap::core::store::{Index, Usage};
use serde_json::{Map, Value};

use super::bytes;
use crate::cli::args::UsageArgs;
use crate::cli::args_look::UsageBy;

/// Keys that are summed up.
pub struct Group {
    /// For a person.
    pub text: String,
    /// For a program.
    names: Map<String, Value>,
}

impl Group {
    fn of_prefix(prefix: &[u8]) -> Self {
        let mut names = Map::new();
        bytes::put(&mut names, "prefix", prefix);
        let text = if prefix.is_empty() { "(no slash)".into() } else { bytes::key(prefix) };
        Self { text, names }
    }

    fn of_objects(objects: Option<Objects<'_>>, by: By) -> Self {
        let mut names = Map::new();
        let Some(Objects { group, resource, namespace }) = objects else {
            return Self { text: "(no object)".into(), names };
        };
        let mut text = Vec::new();
        if by != By::Namespace {
            bytes::put(&mut names, "group", group);
            bytes::put(&mut names, "resource", resource);
            let dot = if group.is_empty() { "" } else { "." };
            text.push(bytes::key(&[resource, dot.as_bytes(), group].concat()));
        }
        if by != By::Resource {
            bytes::put(&mut names, "namespace", namespace);
            text.push(if namespace.is_empty() { "(cluster)".into() } else { bytes::key(namespace) });
        }
        Self { text: text.join(" "), names }
    }

    /// As a line of JSON with its sums.
    pub fn line(&self, kind: &str, sums: Value) -> String {
        let mut object = Map::new();
        object.insert("kind".into(), kind.into());
        object.extend(self.names.clone());
        if let Value::Object(sums) = sums {
            object.extend(sums);
        }
        bytes::line(object)
    }
}

/// What the groups are.
pub fn title(by: UsageBy) -> &'static str {
    match by {
        UsageBy::Prefix => "prefix",
        UsageBy::Resource => "resource",
        UsageBy::Namespace => "namespace",
        UsageBy::ResourceNamespace => "resource and namespace",
    }
}

/// Groups of keys, those that take most first.
pub fn heaviest(index: &Index, prefix: &[u8], args: &UsageArgs) -> Vec<(Group, Usage)> {
    let objects = |by| {
        let sums = by_object(index, args.etcd_prefix.as_bytes(), by);
        sums.into_iter().map(|(objects, sums)| (Group::of_objects(objects, by), sums)).collect()
    };
    let mut groups: Vec<(Group, Usage)> = match args.by {
        UsageBy::Prefix => by_prefix(index, prefix, args.depth.get())
            .iter()
            .map(|(prefix, sums)| (Group::of_prefix(prefix), *sums))
            .collect(),
        UsageBy::Resource => objects(By::Resource),
        UsageBy::Namespace => objects(By::Namespace),
        UsageBy::ResourceNamespace => objects(By::Both),
    };
    groups
        .sort_by(|(a, a_usage), (b, b_usage)| b_usage.bytes().cmp(&a_usage.bytes()).then_with(|| a.text.cmp(&b.text)));
    groups
}
