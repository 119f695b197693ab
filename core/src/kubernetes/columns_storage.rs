//! Columns of volumes, and of their classes and drivers.

use super::node_path::text;
use super::object_tree::Node;
use super::table_row::{AGE, Column, NAME, Row, column, wide};

pub(super) fn columns(plural: &str) -> Option<&'static [Column]> {
    Some(match plural {
        "persistentvolumes" => VOLUMES,
        "persistentvolumeclaims" => CLAIMS,
        "storageclasses" => CLASSES,
        "volumeattachments" => ATTACHMENTS,
        "volumeattributesclasses" => ATTRIBUTES_CLASSES,
        "csidrivers" => DRIVERS,
        "csinodes" => CSI_NODES,
        _ => return None,
    })
}

const ATTRIBUTES_CLASS: Column =
    column("VOLUMEATTRIBUTESCLASS", |row| row.scalar_or("spec.volumeAttributesClassName", "<unset>"));
const MODE: Column = wide("VOLUMEMODE", |row| row.scalar_or("spec.volumeMode", "<unset>"));
const STATUS: Column =
    column("STATUS", |row| if row.is_deleting() { "Terminating".to_owned() } else { row.text("status.phase") });
/// The annotation is older than the field.
const CLASS: Column = column("STORAGECLASS", |row| {
    let annotations = row.at("metadata.annotations");
    let old = annotations.and_then(|annotations| annotations.get("volume.beta.kubernetes.io/storage-class"));
    old.and_then(Node::text).map_or_else(|| row.text("spec.storageClassName"), str::to_owned)
});

const VOLUMES: &[Column] = &[
    NAME,
    column("CAPACITY", |row| row.text_or("spec.capacity.storage", "0")),
    column("ACCESS MODES", |row| modes(row, "spec.accessModes")),
    column("RECLAIM POLICY", |row| row.text("spec.persistentVolumeReclaimPolicy")),
    STATUS,
    column("CLAIM", |row| match row.at("spec.claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "namespace"), text(claim, "name")),
        None => String::new(),
    }),
    CLASS,
    ATTRIBUTES_CLASS,
    column("REASON", |row| row.text("status.reason")),
    AGE,
    MODE,
];

const CLAIMS: &[Column] = &[
    NAME,
    STATUS,
    column("VOLUME", |row| row.text("spec.volumeName")),
    column("CAPACITY", |row| if is_bound(row) { row.text_or("status.capacity.storage", "0") } else { String::new() }),
    column("ACCESS MODES", |row| if is_bound(row) { modes(row, "status.accessModes") } else { String::new() }),
    CLASS,
    ATTRIBUTES_CLASS,
    AGE,
    MODE,
];

fn is_bound(row: &Row<'_>) -> bool {
    !row.text("spec.volumeName").is_empty()
}

/// Returns the access modes in a fixed order.
fn modes(row: &Row<'_>, path: &str) -> String {
    let there = row.items(path);
    let known =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let short = known.iter().filter(|(mode, _)| there.iter().any(|there| there.text() == Some(mode)));
    short.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

const CLASSES: &[Column] = &[
    column("NAME", |row| row.text("metadata.name") + if row.is_default { " (default)" } else { "" }),
    column("PROVISIONER", |row| row.text("provisioner")),
    column("RECLAIMPOLICY", |row| row.text_or("reclaimPolicy", "Delete")),
    column("VOLUMEBINDINGMODE", |row| row.text_or("volumeBindingMode", "Immediate")),
    column("ALLOWVOLUMEEXPANSION", |row| row.yes("allowVolumeExpansion")),
    AGE,
];

const ATTACHMENTS: &[Column] = &[
    NAME,
    column("ATTACHER", |row| row.text("spec.attacher")),
    column("PV", |row| row.text("spec.source.persistentVolumeName")),
    column("NODE", |row| row.text("spec.nodeName")),
    column("ATTACHED", |row| row.yes("status.attached")),
    AGE,
];

const ATTRIBUTES_CLASSES: &[Column] = &[NAME, column("DRIVERNAME", |row| row.text("driverName")), AGE];

const DRIVERS: &[Column] = &[
    NAME,
    column("ATTACHREQUIRED", |row| (!matches!(row.at("spec.attachRequired"), Some(Node::Bool(false)))).to_string()),
    column("PODINFOONMOUNT", |row| row.yes("spec.podInfoOnMount")),
    column("STORAGECAPACITY", |row| row.yes("spec.storageCapacity")),
    column("TOKENREQUESTS", |row| match row.at("spec.tokenRequests") {
        Some(requests) => {
            requests.items().iter().map(|request| text(request, "audience")).collect::<Vec<_>>().join(",")
        }
        None => "<unset>".to_owned(),
    }),
    column("REQUIRESREPUBLISH", |row| row.yes("spec.requiresRepublish")),
    column("MODES", |row| match row.joined("spec.volumeLifecycleModes") {
        modes if modes.is_empty() => "<none>".to_owned(),
        modes => modes,
    }),
    AGE,
];

const CSI_NODES: &[Column] = &[NAME, column("DRIVERS", |row| row.count("spec.drivers").to_string()), AGE];
