//! Which texts of Kubernetes' own types stay in a redacted object, by the names of their fields. Texts of fields on neither list are replaced.

use super::type_table::{Base, Field};

/// The class of a text, which decides whether it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// One of a few words that Kubernetes or the author of a controller chose: an enumeration, a type, a version.
    Word,
    /// Something that people chose or that points to an object: a name, a label, an address, an image.
    Name,
    /// Anything else.
    Free,
}

/// Maximum length of a text that stays, in bytes.
const LONGEST: usize = 512;

/// Fields that contain words. Sorted.
const WORDS: &[&str] = &[
    "accessMode",
    "accessModes",
    "action",
    "add",
    "addressType",
    "admissionReviewVersions",
    "allocatedResourceStatuses",
    "allocationMode",
    "allowedCapabilities",
    "apiGroup",
    "apiGroups",
    "apiVersion",
    "apiVersions",
    "appProtocol",
    "architecture",
    "architectures",
    "cachingMode",
    "completedIndexes",
    "completionMode",
    "concurrencyPolicy",
    "conditionType",
    "containerRuntimeVersion",
    "decodableVersions",
    "defaultAddCapabilities",
    "dnsPolicy",
    "drop",
    "effect",
    "encodingVersion",
    "externalTrafficPolicy",
    "failedIndexes",
    "failurePolicy",
    "fieldPath",
    "fieldsType",
    "fsGroupChangePolicy",
    "fsGroupPolicy",
    "fsType",
    "group",
    "health",
    "imagePullPolicy",
    "insecureEdgeTerminationPolicy",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamily",
    "ipFamilyPolicy",
    "ipMode",
    "kernelVersion",
    "keyType",
    "kind",
    "kubeProxyVersion",
    "kubeletVersion",
    "managementState",
    "matchPolicy",
    "mediaType",
    "medium",
    "mountPropagation",
    "nodeAffinityPolicy",
    "nodeTaintsPolicy",
    "nonResourceURLs",
    "operatingSystem",
    "operation",
    "operations",
    "operator",
    "os",
    "parameterNotFoundAction",
    "patchType",
    "pathType",
    "persistentVolumeReclaimPolicy",
    "phase",
    "podManagementPolicy",
    "podReplacementPolicy",
    "policyTypes",
    "preemptionPolicy",
    "procMount",
    "protocol",
    "pullPolicy",
    "qosClass",
    "reason",
    "reclaimPolicy",
    "recursiveReadOnly",
    "reinvocationPolicy",
    "requiredDropCapabilities",
    "resize",
    "resizeStatus",
    "resource",
    "resourceVersion",
    "resources",
    "restartPolicy",
    "runPolicy",
    "schedule",
    "scheme",
    "scope",
    "scopeName",
    "scopes",
    "seLinuxChangePolicy",
    "selectPolicy",
    "servedVersions",
    "sessionAffinity",
    "sideEffects",
    "state",
    "status",
    "stopSignal",
    "strategy",
    "subresource",
    "succeededIndexes",
    "supplementalGroupsPolicy",
    "termination",
    "terminationMessagePolicy",
    "trafficDistribution",
    "type",
    "unhealthyPodEvictionPolicy",
    "usages",
    "validationActions",
    "verb",
    "verbs",
    "version",
    "versions",
    "volumeBindingMode",
    "volumeLifecycleModes",
    "volumeMode",
    "whenDeleted",
    "whenScaled",
    "whenUnsatisfiable",
    "wildcardPolicy",
];

/// Fields that contain names. Sorted.
const NAMES: &[&str] = &[
    "CIDR",
    "address",
    "addresses",
    "attacher",
    "bootID",
    "cidr",
    "cidrs",
    "claimName",
    "clusterIP",
    "clusterIPs",
    "component",
    "container",
    "containerID",
    "containerName",
    "controller",
    "currentRevision",
    "currentVolumeAttributesClassName",
    "defaultRuntimeClassName",
    "device",
    "deviceClassName",
    "driver",
    "driverName",
    "extendedResourceName",
    "externalIPs",
    "externalName",
    "finalizers",
    "generateName",
    "groups",
    "handler",
    "holderIdentity",
    "host",
    "hostIP",
    "hostname",
    "hostnames",
    "hosts",
    "image",
    "imageID",
    "ingressClassName",
    "ip",
    "key",
    "labels",
    "leaseName",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "machineID",
    "managedBy",
    "manager",
    "matchLabelKeys",
    "matchLabels",
    "metricName",
    "mismatchLabelKeys",
    "name",
    "namespace",
    "namespaces",
    "node",
    "nodeID",
    "nodeName",
    "nodeSelector",
    "nodeUID",
    "nominatedNodeName",
    "persistentVolumeName",
    "podCIDR",
    "podCIDRs",
    "podIP",
    "podName",
    "podUID",
    "policyName",
    "pool",
    "poolName",
    "preferredHolder",
    "priorityClassName",
    "providerID",
    "provisioner",
    "reportingComponent",
    "reportingController",
    "reportingInstance",
    "request",
    "requestName",
    "resourceClaimName",
    "resourceClaimTemplateName",
    "resourceClassName",
    "resourceName",
    "resourceNames",
    "runtimeClassName",
    "runtimeHandler",
    "schedulerName",
    "secretName",
    "secretNamespace",
    "selectedNode",
    "selector",
    "serviceAccount",
    "serviceAccountName",
    "serviceAccountUID",
    "serviceName",
    "signerName",
    "storageClassName",
    "subdomain",
    "systemUUID",
    "targetContainerName",
    "timeZone",
    "topology",
    "topologyKey",
    "topologyKeys",
    "uid",
    "updateRevision",
    "user",
    "username",
    "users",
    "values",
    "volumeAttributesClassName",
    "volumeHandle",
    "volumeName",
    "volumesInUse",
    "zone",
];

/// Returns the class of the texts in a field of Kubernetes' own types.
#[must_use]
pub fn class(field: &str) -> Class {
    if WORDS.binary_search(&field).is_ok() {
        Class::Word
    } else if NAMES.binary_search(&field).is_ok() {
        Class::Name
    } else {
        Class::Free
    }
}

/// Whether people choose the keys of a map, as for labels. In maps of quantities or words, the keys are types of resources.
#[must_use]
pub fn has_chosen_keys(field: &Field) -> bool {
    field.base != Base::Quantity && !(field.base == Base::String && class(field.name) == Class::Word)
}

/// Returns the class of the texts in a field of a CustomResourceDefinition. Its schema stays, except for defaults, examples and descriptions.
#[must_use]
pub fn class_of_definition(field: &str) -> Class {
    match field {
        "JSONPath" | "categories" | "format" | "group" | "jsonPath" | "kind" | "listKind" | "plural" | "reason"
        | "required" | "scope" | "shortNames" | "singular" | "status" | "storedVersions" | "strategy" | "type"
        | "version" | "specReplicasPath" | "statusReplicasPath" | "name" => Class::Word,
        _ if field.starts_with("x-kubernetes-list-") || field == "x-kubernetes-map-type" => Class::Word,
        _ => Class::Free,
    }
}

/// Whether a text can be a word or a name: it has no blanks, unlike sentences and files. A URL with a user, and a text with a question mark, as in a URL with a query, do not count.
#[must_use]
pub fn is_wordlike(text: &[u8]) -> bool {
    text.len() <= LONGEST
        && std::str::from_utf8(text).is_ok_and(|text| {
            !text.contains(|sign: char| sign.is_whitespace() || sign.is_control() || sign == '?') && !has_user(text)
        })
}

/// Whether a URL contains a user, perhaps with a password: `https://user:password@host`.
fn has_user(text: &str) -> bool {
    let host = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    host.is_some_and(|host| host.contains('@'))
}

/// Whether a text can be a quantity or a duration: `100m`, `1.5Gi`, `1e3`, `1h0m0s`.
#[must_use]
pub fn is_quantity(text: &[u8]) -> bool {
    let is_unit = |sign: char| sign.is_ascii_digit() || ".+-eEnumkKMGTPihs\u{b5}\u{3bc}".contains(sign);
    text.len() <= 48
        && std::str::from_utf8(text).is_ok_and(|text| text.chars().all(is_unit))
        && text.first().is_none_or(|first| first.is_ascii() && !first.is_ascii_alphabetic())
}

/// Returns the class of a text in a field that takes a number or a text, such as a percentage or the name of a port.
#[must_use]
pub fn class_of_int_or_string(text: &[u8]) -> Class {
    match is_port_or_percentage(text) {
        true if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'%') => Class::Word,
        true => Class::Name,
        false => Class::Free,
    }
}

/// Whether a text can be the name of a port or a percentage.
fn is_port_or_percentage(text: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-%".contains(byte);
    text.len() <= 63 && text.iter().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_and_have_nothing_in_common() {
        assert!(WORDS.is_sorted() && NAMES.is_sorted());
        assert!(WORDS.iter().all(|word| !NAMES.contains(word)));
        for (field, wanted) in [
            ("phase", Class::Word),
            ("namespace", Class::Name),
            ("value", Class::Free),
            ("args", Class::Free),
            ("command", Class::Free),
            ("annotations", Class::Free),
            ("data", Class::Free),
            ("stringData", Class::Free),
            ("message", Class::Free),
            ("note", Class::Free),
            ("url", Class::Free),
            ("token", Class::Free),
        ] {
            assert_eq!(class(field), wanted, "{field}");
        }
    }

    #[test]
    fn sentences_and_files_are_no_words() {
        assert!(is_wordlike(b"registry.example/shop/web:1.4.2") && is_wordlike("schön".as_bytes()));
        for text in [&b"two words"[..], b"a\nb", b"\xff", &[b'a'; 600]] {
            assert!(!is_wordlike(text));
        }
        assert!(is_quantity(b"1.5Gi") && is_quantity(b"1h0m0s") && !is_quantity(b"hunter2") && !is_quantity(b"e"));
        assert!(!is_quantity("\u{79d8}\u{5bc6}".as_bytes()) && is_quantity("5\u{b5}".as_bytes()));
        assert_eq!([&b"25%"[..], b"http", b"A b"].map(class_of_int_or_string), [Class::Word, Class::Name, Class::Free]);
        assert!(
            !is_wordlike(b"https://u:hunter2@reg/x") && !is_wordlike(b"/u?token=t") && is_wordlike(b"reg/x@sha256:1")
        );
    }
}
