//! Which objects the words of a command line mean.

use etcdsnap::core::kubernetes::names::Object;
use etcdsnap::core::kubernetes::resources::{Resource, Resources};
use etcdsnap::printable;

use crate::cli::exit::Failure;

/// Objects of one type.
pub struct Wanted {
    /// Their type.
    pub resource: Resource,
    /// Their names; all of them when there are none here.
    pub names: Vec<String>,
}

impl Wanted {
    /// Whether an object is one of them, in a namespace unless there is none here.
    pub fn has(&self, object: &Object<'_>, namespace: Option<&str>) -> bool {
        self.resource.stores(object)
            && (object.namespace.is_empty()
                || namespace.is_none_or(|namespace| namespace.as_bytes() == object.namespace))
            && (self.names.is_empty() || self.names.iter().any(|name| name.as_bytes() == object.name))
    }
}

/// The namespace that `--namespace` and `--all-namespaces` mean; none for all of them.
pub fn namespace(named: Option<&str>, all: bool) -> Option<&str> {
    (!all).then(|| named.unwrap_or("default"))
}

/// What is meant by `TYPE,TYPE NAME…` or `TYPE/NAME TYPE/NAME…`.
///
/// # Errors
/// For words that are no type, and forms that contradict each other.
pub fn parse(types: &str, names: &[String], resources: &Resources) -> Result<Vec<Wanted>, Failure> {
    if types.contains('/') {
        return one_by_one(types, names, resources);
    }
    if let Some(other) = names.iter().find(|name| name.contains('/')) {
        let what = format!("{} has a type, and {} stands in front of it", printable(other), printable(types));
        return Err(Failure::new(what, "Write TYPE NAME…, or TYPE/NAME for each object."));
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for word in types.split(',').filter(|word| !word.is_empty()) {
        for resource in called(word, resources)? {
            if !wanted.iter().any(|known| known.resource == *resource) {
                wanted.push(Wanted { resource: resource.clone(), names: names.to_vec() });
            }
        }
    }
    Ok(wanted)
}

fn one_by_one(first: &str, others: &[String], resources: &Resources) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for word in std::iter::once(first).chain(others.iter().map(String::as_str)) {
        let Some((kind, name)) = word.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
        else {
            let what = format!("{} is not TYPE/NAME", printable(word));
            return Err(Failure::new(what, "Write TYPE NAME…, or TYPE/NAME for each object."));
        };
        for resource in called(kind, resources)? {
            match wanted.iter_mut().find(|known| known.resource == *resource) {
                Some(known) => known.names.push(name.to_owned()),
                None => wanted.push(Wanted { resource: resource.clone(), names: vec![name.to_owned()] }),
            }
        }
    }
    Ok(wanted)
}

fn called<'r>(word: &str, resources: &'r Resources) -> Result<Vec<&'r Resource>, Failure> {
    let found = resources.called(word);
    let many: Vec<String> = found.iter().map(|resource| format!("{}.{}", resource.plural, resource.group)).collect();
    match found.as_slice() {
        [] => Err(Failure::new(
            format!("no type of objects in this snapshot is called {}", printable(word)),
            "Types are those of Kubernetes and OpenShift, and those whose definitions or objects are in the snapshot.",
        )),
        [_] => Ok(found),
        _ if word.eq_ignore_ascii_case("all") => Ok(found),
        _ => Err(Failure::new(
            format!("{} could be one of several types: {}", printable(word), printable(&many.join(", "))),
            "Name one of these.",
        )),
    }
}
