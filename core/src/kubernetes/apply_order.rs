//! The order in which manifests can be applied: every object comes after those that it needs.

/// The plural names of types, in order.
const ORDER: &[&[&str]] = &[
    &["namespaces"],
    &["customresourcedefinitions"],
    // Classes, which workloads and claims refer to.
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
    // Protection of workloads exists before them.
    &["networkpolicies"],
    &["daemonsets", "deployments", "statefulsets", "replicasets", "replicationcontrollers", "pods", "jobs", "cronjobs"],
    &["poddisruptionbudgets", "horizontalpodautoscalers"],
    &["services", "endpoints", "endpointslices", "ingresses"],
];

/// Types that could change or refuse other objects, and need running services.
const LAST: &[&str] = &[
    "apiservices",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

/// Returns the place of a type in the order; `custom` marks a type of a CustomResourceDefinition, whose plural name may be any.
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
