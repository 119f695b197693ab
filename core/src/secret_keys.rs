//! Recognizes etcd keys whose values are secrets, by the key alone.
//!
//! ```text
//! /registry/secrets/NAMESPACE/NAME                      Secrets of Kubernetes, including bootstrap tokens
//! /kubernetes.io/secrets/NAMESPACE/NAME                 the same in OpenShift: the components before `secrets` are kube-apiserver's --etcd-prefix, which may have any number of them
//! /openshift.io/oauth/accesstokens/NAME                 tokens of OpenShift, and secrets of its OAuth clients
//! /registry/oauth.openshift.io/oauthaccesstokens/NAME   the same as resources of an API group
//! /registry/management.cattle.io/tokens/NAME            tokens of Rancher, its users (password hashes), and settings of identity providers
//! /bootstrap/HASH                                       k3s: the private keys of the cluster's certificate authorities, encrypted with its token
//! ```
//!
//! The annotation `last-applied-configuration` may hold a copy of a secret, but in the same object, so under the same
//! key.

/// Resources with secrets, as path components of keys. An object name must follow.
const RESOURCE_NAMES: &[&[u8]] = &[b"oauthaccesstokens", b"oauthauthorizetokens", b"oauthclients"];

/// Resources with secrets, as pairs of consecutive path components. An object name must follow.
const RESOURCE_PATHS: &[[&[u8]; 2]] = &[
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

/// Whether the value of a key is a secret, which is shown only on request. If a key is ambiguous, such as with a
/// namespace called `secrets`, it counts as a secret.
#[must_use]
pub fn is_secret(key: &[u8]) -> bool {
    let path = key.strip_prefix(b"/").unwrap_or(key);
    if path.starts_with(b"bootstrap/") && key.len() > path.len() {
        return true;
    }
    let mut before: &[u8] = b"";
    let mut rest = path;
    let mut depth = 0_u32;
    while let Some((part, after)) = split_at_slash(rest) {
        let is_secret = match part {
            // A namespace and a name must follow. As one of the first two components it is hardly anything but a
            // resource, so a name alone is enough.
            b"secrets" => depth <= 1 || split_at_slash(after).is_some(),
            _ => RESOURCE_NAMES.contains(&part) || RESOURCE_PATHS.contains(&[before, part]),
        };
        if is_secret {
            return true;
        }
        (before, rest) = (part, after);
        depth = depth.saturating_add(1);
    }
    false
}

/// Splits a path at its first slash.
fn split_at_slash(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().position(|byte| *byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash.saturating_add(1)..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognized_under_any_prefix() {
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
