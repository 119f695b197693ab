//! Parses the keys of Kubernetes' API server, and groups keys by resource and namespace.
//!
//! ```text
//! /registry/pods/shop/web-1                              built in: resource, namespace, name
//! /registry/minions/node-1                               without a namespace; nodes have their old name
//! /registry/services/specs/shop/web                      two parts for services and their endpoints
//! /registry/cert-manager.io/certificates/shop/web-tls    a resource of a definition, or of a server beside: its group, which has a dot, comes first
//! ```
//!
//! The first part is `--etcd-prefix` of kube-apiserver. The names that differ are those of `specialDefaultResourcePrefixes` in kubernetes/pkg/kubeapiserver, and of the same list of
//! OpenShift's API server.

/// Parts of keys whose resource has another name in kubectl, with that name.
const RENAMED: &[(&[u8], &[u8])] = &[
    (b"services/specs", b"services"),
    (b"services/endpoints", b"endpoints"),
    (b"minions", b"nodes"),
    (b"controllers", b"replicationcontrollers"),
    (b"ingress", b"ingresses"),
    (b"podsecuritypolicy", b"podsecuritypolicies"),
    (b"oauth/accesstokens", b"oauthaccesstokens"),
    (b"oauth/authorizetokens", b"oauthauthorizetokens"),
    (b"oauth/clients", b"oauthclients"),
    (b"oauth/clientauthorizations", b"oauthclientauthorizations"),
    (b"useridentities", b"identities"),
];

/// An object of Kubernetes, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'k> {
    /// The group that the key names; empty for what is built in, whose keys name none.
    pub group: &'k [u8],
    /// The resource as kubectl calls it.
    pub resource: &'k [u8],
    /// Its namespace; empty for an object of the whole cluster.
    pub namespace: &'k [u8],
    /// Its name.
    pub name: &'k [u8],
}

/// Parses a key below `prefix` as an object's; `None` for other keys, and for those without resource and name.
#[must_use]
pub fn object<'k>(key: &'k [u8], prefix: &[u8]) -> Option<Object<'k>> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let mut rest = key.strip_prefix(prefix)?.strip_prefix(b"/")?;
    let mut group: &[u8] = b"";
    if let Some((first, below)) = cut(rest)
        && first.contains(&b'.')
    {
        (group, rest) = (first, below);
    }
    let (first, below) = cut(rest)?;
    let renamed = RENAMED
        .iter()
        .filter(|(parts, _)| group.is_empty() && parts.first() == first.first())
        .find_map(|(parts, resource)| Some((*resource, rest.strip_prefix(*parts)?.strip_prefix(b"/")?)));
    let (resource, rest) = renamed.unwrap_or((first, below));
    let (namespace, name) = cut(rest).unwrap_or((b"", rest));
    (!resource.is_empty() && !name.is_empty()).then_some(Object { group, resource, namespace, name })
}

/// Default prefixes of the keys of API servers: first that of Kubernetes, then those of OpenShift.
pub const PREFIXES: &[&[u8]] = &[b"/registry", b"/kubernetes.io", b"/openshift.io"];

/// The key of a namespace that every cluster has, without its prefix.
const ALWAYS: &[u8] = b"/namespaces/kube-system";

/// Returns the prefixes of API servers: [`PREFIXES`], and every prefix of a namespace `kube-system`.
#[must_use]
pub fn prefixes<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = PREFIXES.iter().map(|prefix| prefix.to_vec()).collect();
    for prefix in keys.filter_map(|key| key.strip_suffix(ALWAYS)) {
        if !prefix.is_empty() && all.len() < MOST_PREFIXES && !all.iter().any(|known| known == prefix) {
            all.push(prefix.to_vec());
        }
    }
    all
}

/// Maximum number of prefixes. An etcd with the objects of several clusters has a few.
const MOST_PREFIXES: usize = 16;

/// The folders below `prefix` in which an API server keeps the objects of a resource, or other keys that [`object`] takes for such.
#[must_use]
pub fn folders(prefix: &[u8], group: &[u8], resource: &[u8]) -> Vec<Vec<u8>> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    if !group.is_empty() {
        return vec![[prefix, b"/", group, b"/", resource, b"/"].concat()];
    }
    let renamed = RENAMED.iter().filter(|(_, name)| *name == resource).map(|(parts, _)| *parts);
    renamed.chain([resource]).map(|parts| [prefix, b"/", parts, b"/"].concat()).collect()
}

/// Parses a key below one of several prefixes as an object's.
#[must_use]
pub fn object_below<'k, P: AsRef<[u8]>>(key: &'k [u8], prefixes: &[P]) -> Option<Object<'k>> {
    prefixes.iter().find_map(|prefix| object(key, prefix.as_ref()))
}

/// Splits a text at its first slash.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = text.iter().position(|byte| *byte == b'/')?;
    Some((text.get(..slash)?, text.get(slash.saturating_add(1)..)?))
}

/// How objects are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Resources, of all namespaces.
    Resource,
    /// Namespaces, with all resources.
    Namespace,
    /// The resources of each namespace.
    Both,
}

/// A group of objects; parts by which it is not grouped are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Objects<'k> {
    /// Their resource's group, as in [`Object`].
    pub group: &'k [u8],
    /// Their resource.
    pub resource: &'k [u8],
    /// Their namespace.
    pub namespace: &'k [u8],
}

/// Appends the name of a key's group to `name`: `group/resource/namespace`, parts that contain no slashes themselves. Appends nothing for a key
/// that is not an object's.
pub fn objects(key: &[u8], prefix: &[u8], by: By, name: &mut Vec<u8>) {
    let Some(Object { group, resource, namespace, .. }) = object(key, prefix) else { return };
    let parts: [&[u8]; 3] = match by {
        By::Resource => [group, resource, b""],
        By::Namespace => [b"", b"", namespace],
        By::Both => [group, resource, namespace],
    };
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            name.push(b'/');
        }
        name.extend_from_slice(part);
    }
}

impl<'k> Objects<'k> {
    /// Returns an object of the group, without a name.
    #[must_use]
    pub fn any(self) -> Object<'k> {
        Object { group: self.group, resource: self.resource, namespace: self.namespace, name: b"" }
    }

    /// Parses a name that [`objects`] wrote; `None` for the name of keys that are not objects.
    #[must_use]
    pub fn of_name(name: &'k [u8]) -> Option<Self> {
        let (group, rest) = cut(name)?;
        let (resource, namespace) = cut(rest)?;
        Some(Self { group, resource, namespace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_found_by_the_namespace_that_every_cluster_has() {
        let keys: [&[u8]; 4] = [
            b"/k8s/prod/namespaces/kube-system",
            b"/registry/namespaces/kube-system",
            b"/a",
            b"/namespaces/kube-system",
        ];
        let found = prefixes(keys.into_iter());
        assert_eq!(found.get(3..), Some([b"/k8s/prod".to_vec()].as_slice()));
        let namespace = |key: &'static str| object_below(key.as_bytes(), &found).map(|object| object.namespace);
        assert_eq!(namespace("/k8s/prod/pods/shop/web"), Some(b"shop".as_slice()));
        assert_eq!(namespace("/kubernetes.io/pods/shop/web"), Some(b"shop".as_slice()));
        assert_eq!(namespace("/other/pods/shop/web"), None);
    }

    fn group_name(key: &str, prefix: &str) -> Option<String> {
        let Object { group, resource, namespace, name } = object(key.as_bytes(), prefix.as_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some([group, resource, namespace, name].map(text).join("|"))
    }

    #[test]
    fn keys_are_objects() {
        for (key, want) in [
            ("/registry/pods/shop/web-1", "|pods|shop|web-1"),
            ("/registry/namespaces/shop", "|namespaces||shop"),
            ("/registry/minions/node-1.example.com", "|nodes||node-1.example.com"),
            ("/registry/services/specs/shop/web", "|services|shop|web"),
            ("/registry/services/endpoints/shop/web", "|endpoints|shop|web"),
            ("/registry/ranges/serviceips", "|ranges||serviceips"),
            ("/registry/masterleases/10.0.0.1", "|masterleases||10.0.0.1"),
            ("/registry/clusterroles/system:node", "|clusterroles||system:node"),
            ("/registry/cert-manager.io/certificates/shop/web-tls", "cert-manager.io|certificates|shop|web-tls"),
            ("/registry/apiregistration.k8s.io/apiservices/v1.apps", "apiregistration.k8s.io|apiservices||v1.apps"),
        ] {
            assert_eq!(group_name(key, "/registry").as_deref(), Some(want), "{key}");
            assert_eq!(group_name(key, "/registry/").as_deref(), Some(want), "{key}");
        }
        assert_eq!(group_name("/k8s/prod/pods/a/b", "/k8s/prod").as_deref(), Some("|pods|a|b"));
        for key in
            ["compact_rev_key", "/registry", "/registry/", "/registry/health", "/registryx/pods/a/b", "/registry/pods/"]
        {
            assert_eq!(group_name(key, "/registry"), None, "{key}");
        }
    }

    #[test]
    fn folders_hold_the_keys_of_a_resource() {
        for key in [
            "/registry/pods/shop/web-1",
            "/registry/minions/node-1",
            "/registry/services/specs/shop/web",
            "/registry/services/other/web",
            "/registry/cert-manager.io/certificates/shop/web-tls",
        ] {
            for prefix in ["/registry", "/registry/"] {
                let found = object(key.as_bytes(), prefix.as_bytes()).unwrap();
                let folders = folders(prefix.as_bytes(), found.group, found.resource);
                assert!(folders.iter().any(|folder| key.as_bytes().starts_with(folder)), "{key}");
                assert!(!folders.iter().any(|folder| b"/registry/secrets/shop/web".starts_with(folder)), "{key}");
            }
        }
    }

    #[test]
    fn objects_are_named() {
        let named = |key: &[u8], by| {
            let mut name = Vec::new();
            objects(key, b"/registry", by, &mut name);
            Objects::of_name(&name).map(|found| {
                [found.group, found.resource, found.namespace].map(|part| String::from_utf8_lossy(part).into_owned())
            })
        };
        let key = b"/registry/cert-manager.io/certificates/shop/web-tls";
        let parts = |parts: [&str; 3]| Some(parts.map(str::to_owned));
        assert_eq!(named(key, By::Both), parts(["cert-manager.io", "certificates", "shop"]));
        assert_eq!(named(key, By::Resource), parts(["cert-manager.io", "certificates", ""]));
        assert_eq!(named(key, By::Namespace), parts(["", "", "shop"]));
        assert_eq!(named(b"/registry/minions/node-1", By::Namespace), parts(["", "", ""]));
        assert_eq!(named(b"compact_rev_key", By::Both), None);
    }
}
