//! Parses TYPE, NAME and TYPE/NAME of a command line, as kubectl does.

use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::resources::{Resource, Resources};
use etcdsnap::{ObjectFinding, printable};

use super::nearest::nearest;
use crate::cli::failure::Failure;

/// The wanted objects of one type.
#[derive(Debug)]
pub struct Wanted {
    /// Their type.
    pub resource: Resource,
    /// Their names; empty for all objects of the type.
    pub names: Vec<String>,
}

impl Wanted {
    /// Whether an object is one of them, in `namespace` or, without one, in any.
    pub fn has(&self, object: &Object<'_>, namespace: Option<&str>) -> bool {
        self.resource.stores(object) && self.has_name(object.namespace, object.name, namespace)
    }

    /// Whether an object of the type is one of them by its namespace and name.
    fn has_name(&self, within: &[u8], name: &[u8], namespace: Option<&str>) -> bool {
        (within.is_empty() || namespace.is_none_or(|namespace| namespace.as_bytes() == within))
            && (self.names.is_empty() || self.names.iter().any(|known| known.as_bytes() == name))
    }
}

/// The advice after a word that cannot be parsed.
const FORMS: &str = "Write TYPE, TYPE,TYPE, TYPE NAME…, or TYPE/NAME for each object.";

/// Parses `TYPE,TYPE NAME…` or `TYPE/NAME TYPE/NAME…`, as kubectl does. Without words it returns an empty list.
///
/// # Errors
/// When a type is unknown, or both forms are mixed.
pub fn parse(words: &[String], resources: &Resources) -> Result<Vec<Wanted>, Failure> {
    let Some((first, others)) = words.split_first() else { return Ok(Vec::new()) };
    if words.iter().all(|word| word.contains('/')) {
        return one_by_one(words, resources);
    }
    if let Some(one) = words.iter().find(|word| word.contains('/')) {
        let other = words.iter().find(|word| !word.contains('/')).unwrap_or(first);
        let what = format!("{} has its type with it, and {} has none", printable(one), printable(other));
        return Err(Failure::new(what, FORMS));
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for word in first.split(',') {
        if word.is_empty() {
            return Err(Failure::new(format!("{:?} lacks a type beside a comma", printable(first)), FORMS));
        }
        for resource in called(word, resources)? {
            if !wanted.iter().any(|known| known.resource == *resource) {
                wanted.push(Wanted { resource: resource.clone(), names: others.to_vec() });
            }
        }
    }
    Ok(wanted)
}

/// Returns the advice for a missing name that is also a type, as in `deploy svc`; empty for other names.
pub fn also_type(resource: &Resource, name: &str, resources: &Resources) -> String {
    match resources.called(name).as_slice() {
        [other] => {
            let (first, second) = (&resource.plural, &other.plural);
            printable(&format!("{name} is a type, too: for all objects of both write {first},{second}."))
        }
        _ => String::new(),
    }
}

/// Returns the types among the words of a command line.
pub fn types(words: &[String]) -> Vec<&str> {
    let with_names: Vec<&str> = words.iter().filter_map(|word| Some(word.split_once('/')?.0)).collect();
    match words.first() {
        Some(first) if with_names.is_empty() => first.split(',').collect(),
        _ => with_names,
    }
}

/// Returns the indexes of the object's type and name among the wanted ones; `None` if the object is not wanted.
pub fn place(wanted: &[Wanted], object: &Object<'_>, namespace: Option<&str>) -> Option<(usize, Option<usize>)> {
    let number = wanted.iter().position(|wanted| wanted.has(object, namespace))?;
    let name = wanted.get(number)?.names.iter().position(|name| name.as_bytes() == object.name);
    Some((number, name))
}

/// Whether an object is wanted. If no type is given, all objects of the namespace are, and the namespace itself.
pub fn has(wanted: &[Wanted], object: &Object<'_>, namespace: Option<&str>) -> bool {
    if wanted.is_empty() {
        let is_namespace = object.group.is_empty() && object.resource == b"namespaces";
        return is_within(namespace, if is_namespace { object.name } else { object.namespace });
    }
    wanted.iter().any(|wanted| wanted.has(object, namespace))
}

/// Like [`has`], for the object of a finding.
pub fn has_finding(wanted: &[Wanted], finding: &ObjectFinding, namespace: Option<&str>) -> bool {
    let ObjectFinding { group, resource, namespace: within, name, .. } = finding;
    if wanted.is_empty() {
        let is_namespace = group.is_empty() && resource == "namespaces";
        return is_within(namespace, if is_namespace { name.as_bytes() } else { within.as_bytes() });
    }
    let is_of = |wanted: &Wanted| wanted.resource.plural == *resource && wanted.resource.group == *group;
    wanted.iter().any(|wanted| is_of(wanted) && wanted.has_name(within.as_bytes(), name.as_bytes(), namespace))
}

fn is_within(namespace: Option<&str>, within: &[u8]) -> bool {
    namespace.is_none_or(|namespace| namespace.as_bytes() == within)
}

fn one_by_one(words: &[String], resources: &Resources) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for word in words {
        let (kind, name) = word.split_once('/').unwrap_or((word, ""));
        if name.contains('/') {
            let advice = if name.contains(',') { "Put a blank between objects: TYPE/NAME TYPE/NAME." } else { FORMS };
            return Err(Failure::new(format!("{} has more than one slash", printable(word)), advice));
        }
        if kind.is_empty() || name.is_empty() {
            let what = format!("{} lacks its {}", printable(word), if kind.is_empty() { "type" } else { "name" });
            return Err(Failure::new(what, FORMS));
        }
        for resource in called(kind, resources)? {
            // kubectl keeps the order, and joins neighbours of one type in one table.
            match wanted.last_mut().filter(|last| last.resource == *resource) {
                Some(last) => last.names.push(name.to_owned()),
                None => wanted.push(Wanted { resource: resource.clone(), names: vec![name.to_owned()] }),
            }
        }
    }
    Ok(wanted)
}

/// Returns the types that a word means.
///
/// # Errors
/// When there is none, or the word is ambiguous.
pub fn called<'r>(word: &str, resources: &'r Resources) -> Result<Vec<&'r Resource>, Failure> {
    let found = resources.called(word);
    let many: Vec<String> = found.iter().map(|resource| format!("{}.{}", resource.plural, resource.group)).collect();
    match found.as_slice() {
        [] => Err(unknown_type(word, resources)),
        [_] => Ok(found),
        _ if word.eq_ignore_ascii_case("all") => Ok(found),
        _ => Err(Failure::new(
            format!("{} could be one of several types: {}", printable(word), printable(&many.join(", "))),
            "Name one of these.",
        )),
    }
}

/// The error for an unknown type, with the most similar one.
pub fn unknown_type(word: &str, resources: &Resources) -> Failure {
    let names = resources.list().iter().flat_map(|resource| {
        [&resource.plural, &resource.singular].into_iter().chain(&resource.short).map(String::as_str)
    });
    let mut advice = nearest(word, names).map(|near| format!("Did you mean {near}? ")).unwrap_or_default();
    advice.push_str(
        "Types are those of Kubernetes and OpenShift, and those whose definitions or objects are in the snapshot: etcdsnap kube kinds FILE lists them.",
    );
    Failure::new(format!("no type of objects in this snapshot is called {}", printable(word)), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<String, String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let wanted = parse(&words, &Resources::builtin()).map_err(|failure| failure.what)?;
        let text = |wanted: &Wanted| format!("{} {}", wanted.resource.plural, wanted.names.join("+"));
        Ok(wanted.iter().map(text).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        for (words, want) in [
            ("po", "pods "),
            ("po,svc,pods", "pods ; services "),
            ("po a b", "pods a+b"),
            ("po,svc a", "pods a; services a"),
            ("po/a po/b svc/b po/c", "pods a+b; services b; pods c"),
            ("po po", "pods po"),
        ] {
            assert_eq!(parsed(words).as_deref(), Ok(want), "{words}");
        }
        for (words, why) in [
            ("po,", "lacks a type"),
            (",", "lacks a type"),
            ("po/a/b", "more than one slash"),
            ("po/a,svc/b", "more than one slash"),
            ("po/", "lacks its name"),
            ("/a", "lacks its type"),
            ("po a/b", "has its type with it, and po has none"),
            ("po/a b", "has its type with it, and b has none"),
            ("pos", "no type of objects"),
        ] {
            let said = parsed(words).unwrap_err();
            assert!(said.contains(why), "{words}: {said}");
        }
    }
}
