//! Recognizes keys whose values are secrets, by their names alone.
//!
//! ```text
//! /registry/secrets/NAMESPACE/NAME                      Kubernetes' Secrets, bootstrap tokens among them
//! /kubernetes.io/secrets/NAMESPACE/NAME                 the same in OpenShift: the first parts are --etcd-prefix of kube-apiserver, as many as somebody liked
//! /openshift.io/oauth/accesstokens/NAME                 OpenShift's tokens, and the secrets of its OAuth clients
//! /registry/oauth.openshift.io/oauthaccesstokens/NAME   the same where they are resources of a group
//! /registry/management.cattle.io/tokens/NAME            Rancher's tokens, users (hashes of passwords) and settings of identity providers
//! /bootstrap/HASH                                       k3s: the private keys of the cluster's authorities, encrypted with its token
//! ```
//!
//! A copy of a secret in the annotation `last-applied-configuration` is in the same object, and so under the same key.

/// Path components of keys that name resources with secrets; at least an object name follows each.
const RESOURCES: &[&[u8]] = &[b"oauthaccesstokens", b"oauthauthorizetokens", b"oauthclients"];

/// Pairs of consecutive path components that name such a resource.
const PAIRS: &[[&[u8]; 2]] = &[
    [b"oauth", b"accesstokens"],
    [b"oauth", b"authorizetokens"],
    [b"oauth", b"clients"],
    [b"management.cattle.io", b"tokens"],
    [b"management.cattle.io", b"samltokens"],
    [b"management.cattle.io", b"authtokens"],
    [b"management.cattle.io", b"users"],
    [b"management.cattle.io", b"authconfigs"],
    [b"management.cattle.io", b"clusterregistrationtokens"],
    [b"cluster.cattle.io", b"clusterauthtokens"],
];

/// Whether the value of a key is a secret, to be shown only on request. If a name is ambiguous, such as a namespace
/// called `secrets`, this hides too much rather than too little.
#[must_use]
pub fn is_secret(key: &[u8]) -> bool {
    let path = key.strip_prefix(b"/").unwrap_or(key);
    if path.starts_with(b"bootstrap/") && key.len() > path.len() {
        return true;
    }
    let mut before: &[u8] = b"";
    let mut rest = path;
    let mut depth = 0_u32;
    while let Some((part, below)) = cut(rest) {
        let is_secret = match part {
            // A namespace and a name must follow; near the root, where a prefix of other components is unlikely, a name
            // alone is enough.
            b"secrets" => depth <= 1 || cut(below).is_some(),
            _ => RESOURCES.contains(&part) || PAIRS.contains(&[before, part]),
        };
        if is_secret {
            return true;
        }
        (before, rest) = (part, below);
        depth = depth.saturating_add(1);
    }
    false
}

/// Splits a path at its first slash.
fn cut(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().position(|byte| *byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash.saturating_add(1)..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_under_any_prefix() {
        for key in [
            "/registry/secrets/",
            "/registry/secrets/default/token",
            "/registry/secrets/kube-system/bootstrap-token-abcdef",
            "/kubernetes.io/secrets/openshift/pull",
            "/clusters/a/secrets/default/token",
            "/a/b/c/secrets/default/token",
            "/a/b/c/d/e/secrets/default/token",
            "/secrets/default/token",
            "registry/secrets/default/token",
            "secrets/password",
            "/registry/management.cattle.io/samltokens/abc",
            "/registry/cluster.cattle.io/clusterauthtokens/cattle-system/abc",
            "/openshift.io/oauth/accesstokens/sha256~abc",
            "/openshift.io/oauth/authorizetokens/sha256~abc",
            "/kubernetes.io/oauth/accesstokens/abc",
            "/openshift.io/oauth/clients/console",
            "/a/b/c/oauth/accesstokens/abc",
            "/oauth/accesstokens/abc",
            "/registry/oauth.openshift.io/oauthaccesstokens/abc",
            "/registry/oauthauthorizetokens/abc",
            "/registry/management.cattle.io/tokens/token-abc",
            "/registry/management.cattle.io/users/u-abc",
            "/registry/management.cattle.io/authconfigs/github",
            "/bootstrap/0123456789ab",
        ] {
            assert!(is_secret(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "/",
            "secrets",
            "/registry/secrets",
            "/registry/secretsx/default/token",
            "/registry/pods/secrets/web",
            "/registry/services/specs/secrets/web",
            "/registry/configmaps/default/secrets",
            "/registry/example.com/widgets/secrets/web",
            "/a/b/c/secrets/x",
            "/a/b/secrets",
            "/openshift.io/oauth/clientauthorizations/a:b",
            "/openshift.io/oauth/accesstokens",
            "/registry/accesstokens/a",
            "/registry/user.openshift.io/users/a",
            "/openshift.io/users/a",
            "/registry/tokens/a",
            "/registry/configmaps/bootstrap/a",
            "bootstrap/a",
        ] {
            assert!(!is_secret(key.as_bytes()), "{key}");
        }
    }
}
