//! The order in which manifests can be applied: nothing comes before what it needs.

/// Types in order, by their plural names; those of one line follow each other.
const ORDER: &[&[&str]] = &[
    &["namespaces"],
    &["customresourcedefinitions"],
    // Classes: what workloads and claims name.
    &[
        "priorityclasses",
        "runtimeclasses",
        "storageclasses",
        "volumeattributesclasses",
        "ingressclasses",
        "deviceclasses",
        "csidrivers",
    ],
    &["podsecuritypolicies", "securitycontextconstraints"],
    &["clusterroles", "roles", "clusterrolebindings", "rolebindings"],
    &["limitranges", "resourcequotas"],
    &["persistentvolumes", "persistentvolumeclaims"],
    &["serviceaccounts"],
    &["secrets", "configmaps"],
    // What protects a workload is there before it.
    &["networkpolicies"],
    &["daemonsets", "deployments", "statefulsets", "replicasets", "replicationcontrollers", "pods", "jobs", "cronjobs"],
    &["poddisruptionbudgets", "horizontalpodautoscalers"],
    &["services", "endpoints", "endpointslices", "ingresses"],
];

/// What would judge or refuse the others, and needs services that run.
const LAST: &[&str] = &[
    "apiservices",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

/// Where a type stands in the order, by its plural name; `custom` is for types of CustomResourceDefinitions, which may have any name.
#[must_use]
pub fn rank(plural: &str, custom: bool) -> usize {
    let known = ORDER.iter().copied().flatten().count();
    if custom {
        return known.saturating_add(1);
    }
    if let Some(place) = ORDER.iter().copied().flatten().position(|name| *name == plural) {
        return place;
    }
    match LAST.iter().position(|name| *name == plural) {
        Some(place) => known.saturating_add(2).saturating_add(place),
        None => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_before_what_it_needs() {
        let order = [
            "namespaces",
            "customresourcedefinitions",
            "storageclasses",
            "clusterroles",
            "clusterrolebindings",
            "resourcequotas",
            "persistentvolumes",
            "persistentvolumeclaims",
            "serviceaccounts",
            "secrets",
            "configmaps",
            "deployments",
            "services",
            "ingresses",
            "routes",
        ];
        assert!(order.is_sorted_by(|a, b| rank(a, false) < rank(b, false)));
        assert!(rank("routes", false) < rank("widgets", true));
        assert!(rank("widgets", true) < rank("apiservices", false));
        assert!(rank("apiservices", false) < rank("mutatingwebhookconfigurations", false));
        // A custom type of the same name is another one.
        assert_eq!(rank("services", true), rank("widgets", true));
    }
}
