//! Finds problems of the Kubernetes objects in a snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::fingerprint::fingerprint;
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::envelope::{Envelope, envelope};
use etcdsnap_core::kubernetes::manifest_selection::contradicts_key;
use etcdsnap_core::kubernetes::object::{self, Unreadable};
use etcdsnap_core::kubernetes::object_trouble::{Owner, Relations, Trouble, relations};
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::kubernetes::special_types::rfc3339;
use etcdsnap_core::store::{Key, Store};

use super::Snapshot;
use super::kubernetes_objects::Cluster;
use crate::error::Error;
use crate::input::FileSource;
use crate::progress::Progress;

/// Findings stored per kind; more are only counted. The same limit as in `verify`.
const MAX_STORED_PER_KIND: usize = 1000;

/// Seconds after which an object that is being deleted counts as stuck. A pod's grace period is already included in its deletionTimestamp.
const STUCK_AFTER_SECONDS: i64 = 60;

/// A problem of one object, or of many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectFinding {
    /// The kind of problem.
    pub trouble: Trouble,
    /// The API group of its type; empty for the core group.
    pub group: String,
    /// The plural name of its type; empty if the finding is about several types.
    pub resource: String,
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Its name; empty if the finding is about many objects.
    pub name: String,
    /// The problem, as the end of a sentence that starts with the object.
    pub what: String,
}

/// The result of a check.
#[derive(Debug, Clone, Default)]
pub struct ClusterCheck {
    /// Number of live objects.
    pub objects: u64,
    /// Number of objects that are encrypted, or stored in an unsupported form.
    pub unread: u64,
    /// The findings, by kind and object.
    pub findings: Vec<ObjectFinding>,
    /// Number of findings of each kind, including those that are not stored.
    pub counts: BTreeMap<Trouble, u64>,
    /// Whether part of the file is lost, so that missing objects cannot be distinguished from lost ones.
    pub is_damaged: bool,
}

/// The findings of one thread. Fingerprints of 16 bytes stand for uids and names.
#[derive(Default)]
struct ThreadFindings {
    found: ClusterCheck,
    uids: HashSet<u128>,
    /// Objects with owners: the object's index, and the owner's uid.
    owned: Vec<(u32, u128)>,
    /// Objects that could not be read, by type, namespace and name.
    unread: HashSet<u128>,
    /// Numbers of encrypted and unencrypted values of each type.
    forms: HashMap<(Vec<u8>, Vec<u8>), (u64, u64)>,
}

type Objects<'c> = Vec<(Key<'c>, Object<'c>)>;

impl Snapshot {
    /// Finds problems of the live objects. Memory: some 100 bytes per object besides the keys.
    ///
    /// # Errors
    /// As [`Snapshot::keys`].
    pub fn check(
        &self,
        store: &Store<'_, FileSource>,
        cluster: &Cluster,
        progress: &dyn Progress,
    ) -> Result<ClusterCheck, Error> {
        let objects = self.living(cluster)?;
        let names = Names::of(&objects);
        let checking = ObjectChecker { snapshot: self, store, cluster, names: &names };
        let parts = self.by_pieces(&objects, progress, |part: &mut ThreadFindings, from, objects| {
            checking.check_objects(objects, from, part, progress)
        })?;
        let mut whole = ThreadFindings::default();
        for part in parts {
            whole.append(part);
        }
        let mut found = std::mem::take(&mut whole.found);
        found.objects = objects.len() as u64;
        found.is_damaged = cluster.lost.places > 0;
        if !found.is_damaged {
            names.absent(&objects, cluster, &mut found);
            self.find_missing_owners(store, cluster, &objects, &whole, &mut found)?;
        } else {
            found.findings.retain(|finding| !is_absence(finding.trouble));
            found.counts.retain(|trouble, _| !is_absence(*trouble));
        }
        whole.find_unencrypted(&mut found);
        found.findings.sort();
        Ok(found)
    }

    /// Finds objects whose owners do not exist.
    fn find_missing_owners(
        &self,
        store: &Store<'_, FileSource>,
        cluster: &Cluster,
        objects: &Objects<'_>,
        whole: &ThreadFindings,
        found: &mut ClusterCheck,
    ) -> Result<(), Error> {
        let mut orphans: Vec<u32> =
            whole.owned.iter().filter(|(_, uid)| !whole.uids.contains(uid)).map(|(number, _)| *number).collect();
        orphans.sort_unstable();
        orphans.dedup();
        for number in orphans {
            let Some((key, object)) = objects.get(number as usize) else { continue };
            if found.counts.get(&Trouble::OwnerGone).is_some_and(|count| *count >= MAX_STORED_PER_KIND as u64) {
                found.count(Trouble::OwnerGone);
                continue;
            }
            let value = self.value(store, key.place)?;
            let Ok((node, _)) = object::tree(&value, Options { only_metadata: true, ..Options::default() }) else {
                continue;
            };
            for owner in relations(&node).owners {
                // The uid of an unreadable object is unknown.
                let is_unread = [object.namespace, b""]
                    .iter()
                    .any(|namespace| whole.unread.contains(&owner_identity(&owner, cluster, namespace)));
                if !whole.uids.contains(&fingerprint(owner.uid.as_bytes())) && !is_unread {
                    let what = format!(
                        "is owned by {} {}, which is gone (uid {})",
                        quote_if_empty(&owner.kind),
                        quote_if_empty(&owner.name),
                        quote_if_empty(&owner.uid)
                    );
                    found.add(finding(Trouble::OwnerGone, object, cluster, what));
                }
            }
        }
        Ok(())
    }
}

/// Whether the problem is a missing object, which may only be lost.
fn is_absence(trouble: Trouble) -> bool {
    use Trouble::{ApiServiceGone, DefinitionGone, NamespaceGone, OwnerGone, WebhookServiceGone};
    matches!(trouble, NamespaceGone | DefinitionGone | OwnerGone | WebhookServiceGone | ApiServiceGone)
}

/// Names that exist, from the keys alone.
struct Names<'c> {
    namespaces: HashSet<&'c [u8]>,
    services: HashSet<(&'c [u8], &'c [u8])>,
    definitions: HashSet<&'c [u8]>,
}

impl<'c> Names<'c> {
    fn of(objects: &Objects<'c>) -> Self {
        let mut names = Self { namespaces: HashSet::new(), services: HashSet::new(), definitions: HashSet::new() };
        for (_, object) in objects {
            match (object.group, object.resource) {
                (b"", b"namespaces") => drop(names.namespaces.insert(object.name)),
                (b"", b"services") => drop(names.services.insert((object.namespace, object.name))),
                (_, b"customresourcedefinitions") => drop(names.definitions.insert(object.name)),
                _ => {}
            }
        }
        names
    }

    /// Finds namespaces and definitions that objects need and that are missing.
    fn absent(&self, objects: &Objects<'_>, cluster: &Cluster, found: &mut ClusterCheck) {
        let mut namespaces: BTreeMap<&[u8], u64> = BTreeMap::new();
        let mut types: BTreeMap<(&[u8], &[u8]), u64> = BTreeMap::new();
        for (_, object) in objects {
            let resource = cluster.resources.of(object);
            // The names of a type without namespaces can contain slashes.
            let is_namespaced = resource.is_none_or(|resource| resource.namespaced);
            if is_namespaced && !object.namespace.is_empty() && !self.namespaces.contains(object.namespace) {
                add_one(&mut namespaces, object.namespace);
            }
            let is_custom = resource.is_none_or(|resource| resource.custom) && !object.group.is_empty();
            if is_custom && !self.definitions.contains([object.resource, b".", object.group].concat().as_slice()) {
                add_one(&mut types, (object.group, object.resource));
            }
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A store without any namespace belongs to a part of an API, such as events in their own etcd.
        if !self.namespaces.is_empty() {
            for (namespace, count) in namespaces {
                found.add(ObjectFinding {
                    trouble: Trouble::NamespaceGone,
                    group: String::new(),
                    resource: "namespaces".into(),
                    namespace: String::new(),
                    name: text(namespace),
                    what: format!("is gone, and {count} objects are in it"),
                });
            }
        }
        for ((group, resource), count) in types {
            found.add(ObjectFinding {
                trouble: Trouble::DefinitionGone,
                group: "apiextensions.k8s.io".into(),
                resource: "customresourcedefinitions".into(),
                namespace: String::new(),
                name: format!("{}.{}", text(resource), text(group)),
                what: format!("is gone, and {count} objects of its type are there"),
            });
        }
    }
}

fn add_one<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

struct ObjectChecker<'k, 's, 'c> {
    snapshot: &'k Snapshot,
    store: &'k Store<'s, FileSource>,
    cluster: &'c Cluster,
    names: &'k Names<'c>,
}

impl ObjectChecker<'_, '_, '_> {
    /// Checks some objects; `from` is the index of the first.
    fn check_objects(
        &self,
        objects: &[(Key<'_>, Object<'_>)],
        from: usize,
        part: &mut ThreadFindings,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let places = objects.iter().map(|(key, _)| key.place);
        self.snapshot.each_pair(self.store, places, progress, &mut |at, place, pair| {
            let Some((_, object)) = objects.get(at) else { return };
            let is_encrypted = matches!(envelope(pair.value), Envelope::Encrypted(_));
            let (encrypted, plain) = part.forms.entry((object.group.to_vec(), object.resource.to_vec())).or_default();
            let count = if is_encrypted { encrypted } else { plain };
            *count = count.saturating_add(1);
            let value = self.snapshot.decrypted_value(place, pair);
            let is_closed = is_encrypted && matches!(envelope(&value), Envelope::Encrypted(_));
            if is_closed && let Some(why) = self.why_undecrypted(pair) {
                part.found.add(finding(Trouble::Undecodable, object, self.cluster, why));
                part.unread.insert(identity(object.resource, object.namespace, object.name));
                return;
            }
            self.object(from.saturating_add(at), object, &value, part);
        })
    }

    /// Explains why a value cannot be decrypted although a matching key was given; `None` if no keys were given, or its plugin cannot be asked.
    fn why_undecrypted(&self, pair: &KeyValue<'_>) -> Option<String> {
        let decryption = self.snapshot.decryption();
        let undecrypted = decryption.open(pair.key, pair.value).err().filter(|_| decryption.can_decrypt())?;
        (!undecrypted.why.is_untried())
            .then(|| format!("cannot be decrypted ({}): {}", undecrypted.needs, undecrypted.why))
    }

    fn object(&self, number: usize, object: &Object<'_>, value: &[u8], part: &mut ThreadFindings) {
        let finding = |trouble, what: String| finding(trouble, object, self.cluster, what);
        let (node, remarks) = match object::tree(value, Options::default()) {
            Ok(read) => read,
            Err(cause) => {
                if matches!(cause, Unreadable::Encrypted(_) | Unreadable::Cbor) {
                    part.found.unread = part.found.unread.saturating_add(1);
                } else {
                    part.found.add(finding(Trouble::Undecodable, cause.to_string()));
                }
                part.unread.insert(identity(object.resource, object.namespace, object.name));
                return;
            }
        };
        if remarks.problem.is_some() {
            let what = remarks.sentences().into_iter().next_back().unwrap_or_default();
            part.found.add(finding(Trouble::Undecodable, what));
        }
        let resource = self.cluster.resources.of(object);
        // Internal objects of API servers have no name in their values.
        let is_servers_own = matches!(object.resource, b"masterleases" | b"peerserverleases" | b"ranges");
        if !is_servers_own && remarks.is_empty() {
            let kind = resource.map_or("", |resource| resource.kind.as_str());
            let namespace = resource.is_none_or(|resource| resource.namespaced).then_some(object.namespace);
            if let Some(what) = contradicts_key(&node, kind, namespace, object.name) {
                part.found.add(finding(Trouble::Misplaced, format!("has another {what} in its value than in its key")));
            }
        }
        let Relations { uid, owners, deleted, finalizers, services } = relations(&node);
        part.uids.extend(uid.map(|uid| fingerprint(uid.as_bytes())));
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        part.owned.extend(owners.iter().map(|owner| (number, fingerprint(owner.uid.as_bytes()))));
        if let Some(deleted) = deleted
            && self.cluster.taken.is_none_or(|taken| taken.saturating_sub(deleted) > STUCK_AFTER_SECONDS)
        {
            let waits = if finalizers.is_empty() {
                "no finalizer keeps it".to_owned()
            } else {
                let names: Vec<&str> = finalizers.iter().map(|name| quote_if_empty(name)).collect();
                format!("it waits for {}", names.join(", "))
            };
            let what = format!("was to be deleted at {}, and {waits}", rfc3339(deleted, None));
            part.found.add(finding(Trouble::StuckTermination, what));
        }
        for service in services {
            if !self.names.services.contains(&(service.namespace.as_bytes(), service.name.as_bytes())) {
                let caller = if service.caller.is_empty() { String::new() } else { format!(" for {}", service.caller) };
                let (name, namespace) = (quote_if_empty(&service.name), quote_if_empty(&service.namespace));
                let what = format!("needs service {name} in namespace {namespace}{caller}, which is gone");
                part.found.add(finding(service.trouble, what));
            }
        }
    }
}

/// Quotes an empty name, which occurs only after damage or forgery.
fn quote_if_empty(name: &str) -> &str {
    if name.is_empty() { "\"\"" } else { name }
}

fn finding(trouble: Trouble, object: &Object<'_>, cluster: &Cluster, what: String) -> ObjectFinding {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (group, resource) = match cluster.resources.of(object) {
        Some(resource) => (resource.group.clone(), resource.plural.clone()),
        None => (text(object.group), text(object.resource)),
    };
    ObjectFinding { trouble, group, resource, namespace: text(object.namespace), name: text(object.name), what }
}

fn identity(resource: &[u8], namespace: &[u8], name: &[u8]) -> u128 {
    fingerprint(&[resource, b"\0", namespace, b"\0", name].concat())
}

fn owner_identity(owner: &Owner, cluster: &Cluster, namespace: &[u8]) -> u128 {
    let types = cluster.resources.list();
    let of_type = types.iter().find(|resource| resource.kind == owner.kind && resource.group == owner.group);
    let plural = of_type.map_or("", |resource| resource.plural.as_str());
    identity(plural.as_bytes(), namespace, owner.name.as_bytes())
}

impl ThreadFindings {
    fn append(&mut self, other: Self) {
        self.found.unread = self.found.unread.saturating_add(other.found.unread);
        for (trouble, count) in other.found.counts {
            let sum = self.found.counts.entry(trouble).or_default();
            *sum = sum.saturating_add(count);
        }
        self.found.findings.extend(other.found.findings);
        self.uids.extend(other.uids);
        self.owned.extend(other.owned);
        self.unread.extend(other.unread);
        for (of_type, (encrypted, plain)) in other.forms {
            let sums = self.forms.entry(of_type).or_default();
            *sums = (sums.0.saturating_add(encrypted), sums.1.saturating_add(plain));
        }
    }

    /// Finds types whose values are partly encrypted.
    fn find_unencrypted(&self, found: &mut ClusterCheck) {
        for ((group, resource), (encrypted, plain)) in &self.forms {
            if *encrypted > 0 && *plain > 0 {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                found.add(ObjectFinding {
                    trouble: Trouble::PlainSecret,
                    group: text(group),
                    resource: text(resource),
                    namespace: String::new(),
                    name: String::new(),
                    what: format!("are encrypted in {encrypted} cases and stored in plain in {plain}"),
                });
            }
        }
    }
}

impl ClusterCheck {
    fn count(&mut self, trouble: Trouble) -> usize {
        let count = self.counts.entry(trouble).or_default();
        *count = count.saturating_add(1);
        usize::try_from(*count).unwrap_or(usize::MAX)
    }

    fn add(&mut self, finding: ObjectFinding) {
        if self.count(finding.trouble) <= MAX_STORED_PER_KIND {
            self.findings.push(finding);
        }
    }
}
