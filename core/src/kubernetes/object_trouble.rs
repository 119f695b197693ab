//! The kinds of problems of a cluster's objects that `kube check` finds in a snapshot.

use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// Maximum number of owners of one object that are checked; Kubernetes' own objects have one.
const MAX_OWNERS: usize = 32;

/// Maximum number of webhooks of one configuration whose services are checked.
const MAX_SERVICES: usize = 256;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// A value is not an object, or cannot be decoded completely.
    Undecodable,
    /// Kind, name or namespace contradict the key.
    Misplaced,
    /// The namespace of objects does not exist.
    NamespaceGone,
    /// The definition of custom resources does not exist.
    DefinitionGone,
    /// The owner of an object does not exist.
    OwnerGone,
    /// An object has been waiting for its deletion.
    StuckTermination,
    /// A webhook calls a service that does not exist.
    WebhookServiceGone,
    /// The service that serves an API does not exist.
    ApiServiceGone,
    /// Secrets are stored unencrypted, although others are encrypted.
    PlainSecret,
}

impl Trouble {
    /// All kinds of problems, in the order in which they are reported.
    pub const ALL: [Self; 9] = [
        Self::Undecodable,
        Self::Misplaced,
        Self::NamespaceGone,
        Self::DefinitionGone,
        Self::OwnerGone,
        Self::StuckTermination,
        Self::WebhookServiceGone,
        Self::ApiServiceGone,
        Self::PlainSecret,
    ];

    /// Returns its stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Undecodable => "object-undecodable",
            Self::Misplaced => "object-misplaced",
            Self::NamespaceGone => "namespace-gone",
            Self::DefinitionGone => "definition-gone",
            Self::OwnerGone => "owner-gone",
            Self::StuckTermination => "stuck-termination",
            Self::WebhookServiceGone => "webhook-service-gone",
            Self::ApiServiceGone => "apiservice-service-gone",
            Self::PlainSecret => "plain-secret",
        }
    }

    /// Returns the advice for it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Undecodable => {
                "API servers fail to list objects if one of them is like this. Look at it (etcdsnap get FILE KEY --raw), take its last good state from an older snapshot (etcdsnap kube find) and write it again, or delete its key with etcdctl."
            }
            Self::Misplaced => {
                "No API server writes such an object: another client wrote to etcd directly, or a key was copied. Compare with an older snapshot, and delete the key with etcdctl once you know that nothing needs it."
            }
            Self::NamespaceGone => {
                "These objects cannot be listed or deleted. Create the namespace again, then delete the objects that should go, or recover those that should stay (etcdsnap kube manifests)."
            }
            Self::DefinitionGone => {
                "These objects cannot be read or deleted until the definition exists again. Take it from an older snapshot (etcdsnap kube find … crd/NAME --last), or delete the keys with etcdctl."
            }
            Self::OwnerGone => {
                "The garbage collector deletes such an object, also right after a restore. To keep the object, remove the entry from its ownerReferences (kubectl edit), or recover its owner and let it adopt the object."
            }
            Self::StuckTermination => {
                "It is deleted when the controllers that added the finalizers remove them. Check whether these controllers run; if they never will again, remove the finalizers (kubectl edit, for a namespace kubectl replace --raw /api/v1/namespaces/NAME/finalize)."
            }
            Self::WebhookServiceGone => {
                "Requests that the webhook must admit fail if its failurePolicy is Fail. Recover the service, or delete the webhook configuration."
            }
            Self::ApiServiceGone => {
                "Its API cannot be reached, and terminating namespaces are not removed meanwhile. Recover the service, or delete the APIService."
            }
            Self::PlainSecret => {
                "They were written before encryption was configured. Write them again: kubectl get RESOURCE -A -o json | kubectl replace -f -. Older snapshots still contain them unencrypted."
            }
        }
    }
}

/// The references of an object to others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// Its uid.
    pub uid: Option<String>,
    /// Its owners.
    pub owners: Vec<Owner>,
    /// When its deletion was requested, in seconds since 1970.
    pub deleted: Option<i64>,
    /// The finalizers that must be removed before it is deleted.
    pub finalizers: Vec<String>,
    /// The services that it calls.
    pub services: Vec<CalledService>,
}

/// An entry of `ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Such as `apps`; empty for the core group.
    pub group: String,
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A service that an API server calls on behalf of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledService {
    /// The problem if the service does not exist.
    pub trouble: Trouble,
    /// The part of the object that calls it, such as a webhook's name; empty for the object itself.
    pub caller: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Reads the references of an object.
#[must_use]
pub fn relations(object: &Node<'_>) -> Relations {
    let text = |node: &Node<'_>, name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let Some(metadata) = object.get("metadata") else { return Relations::default() };
    let owner = |owner: &Node<'_>| {
        let version = text(owner, "apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        Owner { group, kind: text(owner, "kind"), name: text(owner, "name"), uid: text(owner, "uid") }
    };
    let owners = metadata.get("ownerReferences").map(Node::items).unwrap_or_default();
    let texts = |list: Option<&Node<'_>>| {
        list.map(Node::items).unwrap_or_default().iter().filter_map(Node::text).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut finalizers = texts(metadata.get("finalizers"));
    if object.get("kind").and_then(Node::text) == Some("Namespace") {
        finalizers.extend(texts(object.at(&["spec", "finalizers"])));
    }
    Relations {
        uid: Some(text(metadata, "uid")).filter(|uid| !uid.is_empty()),
        owners: owners.iter().take(MAX_OWNERS).map(owner).collect(),
        deleted: metadata.get("deletionTimestamp").and_then(Node::text).and_then(parse_rfc3339),
        finalizers,
        services: services(object),
    }
}

fn services(object: &Node<'_>) -> Vec<CalledService> {
    let called = |trouble, caller: &str, service: Option<&Node<'_>>| {
        let text = |name: &str| service?.get(name).and_then(Node::text).filter(|text| !text.is_empty());
        Some(CalledService {
            trouble,
            caller: caller.to_owned(),
            namespace: text("namespace")?.to_owned(),
            name: text("name")?.to_owned(),
        })
    };
    match object.get("kind").and_then(Node::text) {
        Some("ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            let webhooks = object.get("webhooks").map(Node::items).unwrap_or_default();
            let of = |webhook: &Node<'_>| {
                let name = webhook.get("name").and_then(Node::text).unwrap_or_default().to_owned();
                called(Trouble::WebhookServiceGone, &name, webhook.at(&["clientConfig", "service"]))
            };
            webhooks.iter().take(MAX_SERVICES).filter_map(of).collect()
        }
        Some("CustomResourceDefinition") => {
            let service = object.at(&["spec", "conversion", "webhook", "clientConfig", "service"]);
            called(Trouble::WebhookServiceGone, "conversion", service).into_iter().collect()
        }
        Some("APIService") => {
            called(Trouble::ApiServiceGone, "", object.at(&["spec", "service"])).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::parsed;
    use super::*;

    #[test]
    fn codes_are_different_and_all_of_them_are_listed() {
        let mut codes: Vec<&str> = Trouble::ALL.iter().map(|trouble| trouble.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Trouble::ALL.len());
    }

    #[test]
    fn references_to_other_objects_are_read() {
        let namespace = relations(&parsed(
            r#"{"kind":"Namespace","metadata":{"uid":"u1","deletionTimestamp":"1970-01-01T00:01:00Z","finalizers":["a/b"]},"spec":{"finalizers":["kubernetes"]}}"#,
        ));
        assert_eq!((namespace.uid.as_deref(), namespace.deleted), (Some("u1"), Some(60)));
        assert_eq!(namespace.finalizers, ["a/b", "kubernetes"]);
        let pod = relations(&parsed(
            r#"{"kind":"Pod","metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u2"},{"apiVersion":"v1","kind":"Node","name":"n","uid":"u3"}]}}"#,
        ));
        let owners: Vec<_> = pod.owners.iter().map(|owner| (&*owner.group, &*owner.kind, &*owner.uid)).collect();
        assert_eq!(owners, [("apps", "ReplicaSet", "u2"), ("", "Node", "u3")]);
        let webhooks = relations(&parsed(
            r#"{"kind":"ValidatingWebhookConfiguration","metadata":{},"webhooks":[{"name":"w.example.com","clientConfig":{"service":{"namespace":"shop","name":"hook"}}},{"name":"url","clientConfig":{"url":"https://a"}}]}"#,
        ));
        assert_eq!(webhooks.services.len(), 1);
        assert_eq!((&*webhooks.services[0].caller, &*webhooks.services[0].name), ("w.example.com", "hook"));
        let local = relations(&parsed(r#"{"kind":"APIService","metadata":{},"spec":{"service":null}}"#));
        assert_eq!(local, Relations::default());
    }
}
