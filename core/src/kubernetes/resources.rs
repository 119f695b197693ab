//! The types of objects, with all names that kubectl accepts for them and the place of their objects in etcd.
//!
//! `pods`, `pod`, `po`, `Pod`, `deployments.apps`, `deploy.v1.apps`: plural, singular, short name or kind in any case, optionally with a group, or a version and a group, after a dot. The types of
//! Kubernetes and OpenShift are those of the table ([`type_table`](super::type_table)); others come from the snapshot's own CustomResourceDefinitions.

use std::collections::{HashMap, HashSet};

use super::object_tree::Node;
use super::registry_keys::{Object, folders};
use super::type_table::Schema;

/// A type of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its group; empty for the core group.
    pub group: String,
    /// Its plural name, as kubectl lists it.
    pub plural: String,
    /// Its singular name, as `-o name` prints it.
    pub singular: String,
    /// Its short names.
    pub short: Vec<String>,
    /// Its kind.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether it belongs to the category `all`.
    pub in_all: bool,
    /// Whether it comes from a CustomResourceDefinition.
    pub custom: bool,
}

/// Short names of built-in types; kubectl has them from the API server.
const SHORT: &[(&str, &[&str])] = &[
    ("bindings", &[]),
    ("buildconfigs", &["bc"]),
    ("certificatesigningrequests", &["csr"]),
    ("configmaps", &["cm"]),
    ("cronjobs", &["cj"]),
    ("customresourcedefinitions", &["crd", "crds"]),
    ("daemonsets", &["ds"]),
    ("deploymentconfigs", &["dc"]),
    ("deployments", &["deploy"]),
    ("endpoints", &["ep"]),
    ("events", &["ev"]),
    ("horizontalpodautoscalers", &["hpa"]),
    ("imagestreams", &["is"]),
    ("ingresses", &["ing"]),
    ("ipaddresses", &["ip"]),
    ("limitranges", &["limits"]),
    ("namespaces", &["ns"]),
    ("networkpolicies", &["netpol"]),
    ("nodes", &["no"]),
    ("persistentvolumeclaims", &["pvc"]),
    ("persistentvolumes", &["pv"]),
    ("poddisruptionbudgets", &["pdb"]),
    ("pods", &["po"]),
    ("podsecuritypolicies", &["psp"]),
    ("priorityclasses", &["pc"]),
    ("replicasets", &["rs"]),
    ("replicationcontrollers", &["rc"]),
    ("resourcequotas", &["quota"]),
    ("securitycontextconstraints", &["scc"]),
    ("serviceaccounts", &["sa"]),
    ("services", &["svc"]),
    ("statefulsets", &["sts"]),
    ("storageclasses", &["sc"]),
    ("volumeattributesclasses", &["vac"]),
];

/// The built-in types of the category `all`.
const ALL: &[&str] = &[
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
    "deploymentconfigs",
    "buildconfigs",
    "builds",
    "imagestreams",
    "routes",
];

/// Groups of built-in types whose keys contain the group.
const GROUP_IN_KEY: &[&str] = &["apiextensions.k8s.io", "apiregistration.k8s.io"];

impl Resource {
    /// Whether an object is of this type, judged by its key.
    #[must_use]
    pub fn stores(&self, object: &Object<'_>) -> bool {
        // Most objects are of another type, which the resource alone tells.
        self.stored_as().as_bytes() == object.resource && self.place().0 == object.group
    }

    /// The prefixes of the keys of its objects, for an API server with this `--etcd-prefix`.
    #[must_use]
    pub fn folders(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let (group, stored_as) = self.place();
        folders(prefix, group, stored_as)
    }

    /// Returns the group and the resource in the keys of its objects.
    fn place(&self) -> (&[u8], &[u8]) {
        let group_in_key = self.custom || GROUP_IN_KEY.contains(&self.group.as_str());
        let group = if group_in_key { self.group.as_bytes() } else { b"" };
        (group, self.stored_as().as_bytes())
    }

    /// Whether a word names the type, alone or with a group, or with a version and a group.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let (name, behind) = word.split_once('.').unwrap_or((&word, ""));
        let named = name == self.plural
            || name == self.singular
            || name == self.kind.to_lowercase()
            || self.short.iter().any(|short| short == name);
        let after_version = behind.split_once('.').map_or("", |(_, group)| group);
        named && (behind.is_empty() || behind == self.group || after_version == self.group && !self.group.is_empty())
    }

    /// Names an object as `-o name` and lists of several types do: `pod/web`, `deployment.apps/web`.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        let point = if self.group.is_empty() { "" } else { "." };
        format!("{}{point}{}/{name}", self.singular, self.group)
    }

    /// Names the type as kubectl does: its plural, and its group after a dot.
    #[must_use]
    pub fn type_name(&self) -> String {
        type_name(&self.plural, &self.group)
    }

    fn stored_as(&self) -> &str {
        if self.kind == "RangeAllocation" { "ranges" } else { &self.plural }
    }
}

fn type_name(plural: &str, group: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{plural}{dot}{group}")
}

/// All types that a snapshot may have objects of.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    list: Vec<Resource>,
    /// The first type of each place in etcd: by the resource in the key, then by the group in it. Every key of a snapshot is looked up here.
    by_place: HashMap<Box<[u8]>, ByGroup>,
}

/// The index of the type in the list, by group.
type ByGroup = HashMap<Box<[u8]>, usize>;

impl Resources {
    /// Returns the types of Kubernetes and OpenShift. Of types that moved to another group, the present group comes first.
    #[must_use]
    pub fn builtin() -> Self {
        let mut resources = Self::default();
        let mut kinds: Vec<_> = Schema::builtin().kinds().iter().collect();
        kinds.sort_by_key(|kind| {
            (kind.group == "extensions" || kind.group == "events.k8s.io", kind.group.ends_with(".openshift.io"))
        });
        for kind in kinds {
            let singular = kind.kind.to_lowercase();
            let plural = plural(&singular);
            if resources.list.iter().any(|known| known.group == kind.group && known.plural == plural) {
                continue;
            }
            let short = SHORT.iter().find(|(name, _)| *name == plural).map_or(&[][..], |(_, short)| short);
            resources.add(Resource {
                group: kind.group.to_owned(),
                short: short.iter().map(|&name| name.to_owned()).collect(),
                kind: kind.kind.to_owned(),
                namespaced: !kind.cluster_wide && kind.kind != "RangeAllocation",
                in_all: ALL.contains(&plural.as_str()),
                custom: false,
                singular,
                plural,
            });
        }
        resources
    }

    fn add(&mut self, resource: Resource) {
        let (group, stored_as) = resource.place();
        let groups = self.by_place.entry(stored_as.into()).or_default();
        groups.entry(group.into()).or_insert(self.list.len());
        self.list.push(resource);
    }

    /// Adds the type of a CustomResourceDefinition; does nothing for other objects.
    pub fn define(&mut self, definition: &Node<'_>) {
        let text = |path: &[&str]| definition.at(path).and_then(Node::text).unwrap_or_default();
        let names = |member: &str| {
            let items = definition.at(&["spec", "names", member]).map(Node::items).unwrap_or_default();
            items.iter().filter_map(Node::text).map(str::to_lowercase).collect::<Vec<_>>()
        };
        let kind = text(&["spec", "names", "kind"]).to_owned();
        let singular = match text(&["spec", "names", "singular"]) {
            "" => kind.to_lowercase(),
            singular => singular.to_owned(),
        };
        let resource = Resource {
            group: text(&["spec", "group"]).to_owned(),
            plural: text(&["spec", "names", "plural"]).to_owned(),
            singular,
            short: names("shortNames"),
            namespaced: text(&["spec", "scope"]) != "Cluster",
            in_all: names("categories").iter().any(|category| category == "all"),
            custom: true,
            kind,
        };
        if !resource.group.is_empty() && !resource.plural.is_empty() {
            self.add(resource);
        }
    }

    /// Adds the type of a key without a definition, so that it can be asked for by its plural name.
    pub fn see(&mut self, object: &Object<'_>) {
        if self.of(object).is_some() {
            return;
        }
        // Nobody could type the name of another one.
        let (Ok(group), Ok(resource)) = (std::str::from_utf8(object.group), std::str::from_utf8(object.resource))
        else {
            return;
        };
        self.add(Resource {
            group: group.to_owned(),
            plural: resource.to_owned(),
            singular: resource.to_owned(),
            short: Vec::new(),
            kind: String::new(),
            namespaced: !object.namespace.is_empty(),
            in_all: false,
            custom: !object.group.is_empty(),
        });
    }

    /// Returns all types.
    #[must_use]
    pub fn list(&self) -> &[Resource] {
        &self.list
    }

    /// Returns the type of an object, judged by its key.
    #[must_use]
    pub fn of(&self, object: &Object<'_>) -> Option<&Resource> {
        self.list.get(*self.by_place.get(object.resource)?.get(object.group)?)
    }

    /// Names the type of an object as kubectl does: `deployments.apps`. An unknown type is named as in the key.
    #[must_use]
    pub fn type_name(&self, object: &Object<'_>) -> String {
        let text = String::from_utf8_lossy;
        self.of(object).map_or_else(|| type_name(&text(object.resource), &text(object.group)), Resource::type_name)
    }

    /// Returns the types that a word names: several for `all`, and for a name that custom types of several groups share; none for an unknown word.
    #[must_use]
    pub fn called(&self, word: &str) -> Vec<&Resource> {
        if word.eq_ignore_ascii_case("all") {
            let mut builtin = HashSet::new();
            let named = self.list.iter().filter(|resource| resource.in_all);
            let mut found: Vec<&Resource> =
                named.filter(|resource| resource.custom || builtin.insert(&resource.plural)).collect();
            // kubectl has this order; custom types come last.
            let place = |resource: &&Resource| {
                let place = ALL.iter().position(|name| *name == resource.plural);
                place.filter(|_| !resource.custom).unwrap_or(usize::MAX)
            };
            found.sort_by_key(place);
            return found;
        }
        // As for kubectl, a built-in type wins over custom ones. Of several built-in ones, which share a place in etcd, the first wins.
        let called: Vec<&Resource> = self.list.iter().filter(|resource| resource.is_called(word)).collect();
        match called.iter().find(|resource| !resource.custom) {
            Some(builtin) => vec![builtin],
            None => called,
        }
    }
}

/// Forms the English plural of a type's name.
fn plural(singular: &str) -> String {
    match singular {
        "endpoints" | "securitycontextconstraints" => singular.to_owned(),
        _ if singular.ends_with('s') => format!("{singular}es"),
        _ => match singular.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{singular}s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry_keys::object;
    use super::super::{object_tree, raw_json};
    use super::*;

    #[test]
    fn words_of_kubectl_find_their_types() {
        let resources = Resources::builtin();
        for (word, plural, group) in [
            ("po", "pods", ""),
            ("Pod", "pods", ""),
            ("deploy", "deployments", "apps"),
            ("deployments.apps", "deployments", "apps"),
            ("Deployment.v1.apps", "deployments", "apps"),
            ("deployments.extensions", "deployments", "extensions"),
            ("ing", "ingresses", "networking.k8s.io"),
            ("endpoints", "endpoints", ""),
            ("ev", "events", ""),
            ("sc", "storageclasses", "storage.k8s.io"),
            ("netpol", "networkpolicies", "networking.k8s.io"),
            ("crds", "customresourcedefinitions", "apiextensions.k8s.io"),
            ("apiservices", "apiservices", "apiregistration.k8s.io"),
            ("clusterroles", "clusterroles", "rbac.authorization.k8s.io"),
            ("pdb", "poddisruptionbudgets", "policy"),
            ("dc", "deploymentconfigs", "apps.openshift.io"),
        ] {
            let found: Vec<_> = resources.called(word).iter().map(|found| (&*found.plural, &*found.group)).collect();
            assert_eq!(found, [(plural, group)], "{word}");
        }
        assert!(resources.called("widgets").is_empty() && resources.called("pods.apps").is_empty());
        let all: Vec<_> = resources.called("all").iter().map(|found| found.full_name("x")).collect();
        assert!(all.contains(&"pod/x".into()) && all.contains(&"deployment.apps/x".into()), "{all:?}");
        assert_eq!(all.iter().filter(|name| name.starts_with("deployment.")).count(), 1, "{all:?}");
    }

    #[test]
    fn definitions_add_types() {
        let json = br#"{"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"widgets","kind":"Widget","shortNames":["wd"],"categories":["all"]}}}"#;
        let mut builder = object_tree::Builder::default();
        raw_json::read(json, &mut builder).unwrap();
        let mut resources = Resources::builtin();
        resources.define(&builder.finish());
        for word in ["wd", "widget", "widgets.example.com", "widgets.v1.example.com"] {
            let found = resources.called(word);
            assert!(found.len() == 1 && !found[0].namespaced && found[0].custom, "{word}");
        }
        let key = object(b"/registry/example.com/widgets/a", b"/registry").unwrap();
        assert_eq!(resources.of(&key).unwrap().full_name("a"), "widget.example.com/a");
        for (key, plural) in [
            ("/registry/minions/a", "nodes"),
            ("/registry/services/specs/a/b", "services"),
            ("/registry/apiextensions.k8s.io/customresourcedefinitions/a.b", "customresourcedefinitions"),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", "apiservices"),
            ("/registry/events/a/b", "events"),
        ] {
            let key = object(key.as_bytes(), b"/registry").unwrap();
            assert_eq!(resources.of(&key).map(|found| found.plural.as_str()), Some(plural));
        }
    }
}
