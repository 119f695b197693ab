//! Damage to authentication, which decides who may read and write after a restore. `alice` has only the role `reader`, which allows her to read everything below `/` and `app/`.

use prost::Message;

use super::Damage;
use super::Location::{self, Entry};
use crate::build::cluster::PASSWORD;
use crate::build::message::{Permission, Role, User};
use crate::build::{Bucket, Node};

pub const ALL: &[Damage] = &[
    Damage::content("auth_on_without_user_root", ROOT, |root| {
        enable(root);
        remove(root, "authUsers", "root")
    }),
    Damage::content("auth_on_root_without_its_role", ROOT, |root| {
        enable(root);
        user(root, "root", |user| user.roles.clear())
    }),
    Damage::content("auth_on_roles_of_root_unsorted", MALFORMED, |root| {
        enable(root);
        role(root, "zeta", |_| {});
        user(root, "root", |user| user.roles = vec!["zeta".into(), "root".into()])
    }),
    Damage::content("auth_on_user_with_a_role_that_is_not_there", &["auth-role-missing"], |root| {
        enable(root);
        user(root, "alice", |user| user.roles = vec!["readeq".into()])
    }),
    Damage::content("auth_off_user_with_a_role_that_is_not_there", &["auth-role-missing-off"], |root| {
        root.bucket("auth").put("authEnabled", [0]);
        user(root, "alice", |user| user.roles = vec!["readeq".into()])
    }),
    Damage::content("auth_on_permission_of_an_unknown_type", &["permission-unknown"], |root| {
        enable(root);
        role(root, "reader", |role| role.permissions[0].kind = 7)
    }),
    Damage::content("auth_on_roles_of_alice_unsorted", MALFORMED, |root| {
        enable(root);
        role(root, "zeta", |_| {});
        user(root, "alice", |user| user.roles = vec!["zeta".into(), "reader".into()])
    }),
    Damage::content("auth_on_enabled_by_another_number", MALFORMED, |root| {
        enable(root);
        root.bucket("auth").put("authEnabled", [3]);
        Some(Entry("auth", b"authEnabled".to_vec()))
    }),
    Damage::content("auth_on_user_of_another_name", MALFORMED, |root| {
        enable(root);
        user(root, "alice", |user| user.name = b"alicf".to_vec())
    }),
    Damage::content("auth_on_role_of_another_name", MALFORMED, |root| {
        enable(root);
        role(root, "reader", |role| role.name = b"readeq".to_vec())
    }),
    Damage::content("auth_on_user_is_no_message", MALFORMED, |root| {
        enable(root);
        root.bucket("authUsers").put("alice", [0x7F, 0xFF, 0x01]);
        Some(Entry("authUsers", b"alice".to_vec()))
    }),
    Damage::content("auth_on_role_is_no_message", MALFORMED, |root| {
        enable(root);
        root.bucket("authRoles").put("reader", [0x7F, 0xFF, 0x01]);
        Some(Entry("authRoles", b"reader".to_vec()))
    }),
    Damage::content("auth_on_password_is_no_hash", MALFORMED, |root| {
        enable(root);
        user(root, "alice", |user| user.password[20] ^= 0x80)
    }),
    Damage::content("auth_on_role_whose_permissions_are_another_field", MALFORMED, |root| {
        enable(root);
        let mut bytes = root.bucket("authRoles").value(b"reader")?.to_vec();
        // The tag after the name becomes field 3 instead of 2.
        let tag = 2 + b"reader".len();
        (bytes[tag] == 0x12).then(|| bytes[tag] = 0x1A)?;
        root.bucket("authRoles").put("reader", bytes);
        Some(Entry("authRoles", b"reader".to_vec()))
    }),
    Damage::content("auth_on_key_auth_enabled_misspelt", MALFORMED, |root| {
        enable(root);
        rename(root, "auth", "authEnabled", "authEnablee")
    }),
    Damage::content("auth_on_key_auth_revision_misspelt", MALFORMED, |root| {
        enable(root);
        rename(root, "auth", "authRevision", "authRevisiom")
    }),
    Damage::content("auth_on_auth_revision_missing", &["entry-missing"], |root| {
        enable(root);
        remove(root, "auth", "authRevision")
    }),
    Damage::content("auth_on_auth_revision_0", &["number-impossible"], |root| {
        enable(root);
        root.bucket("auth").put("authRevision", [0; 8]);
        Some(Entry("auth", b"authRevision".to_vec()))
    }),
];

const ROOT: &[&str] = &["auth-without-root"];
const MALFORMED: &[&str] = &["auth-malformed"];

/// Contents that a healthy cluster may have.
pub(super) const HEALTHY: &[Damage] = &[
    AUTH_ON,
    Damage::content("auth_on_without_role_root", &[], |root| {
        enable(root);
        remove(root, "authRoles", "root")
    }),
    Damage::content("auth_on_two_who_have_role_root", &[], |root| {
        enable(root);
        user(root, "alice", |user| user.roles = vec!["reader".into(), "root".into()])
    }),
];

/// Turns authentication on, with user and role `root` and some others.
pub(super) const AUTH_ON: Damage = Damage::content("auth_on", &[], |root| {
    enable(root);
    Some(Location::Nowhere)
});

/// Turns authentication on, then off.
pub(super) const AUTH_OFF: Damage = Damage::content("auth_off", &[], |root| {
    root.bucket("auth").put("authEnabled", [0]);
    Some(Location::Nowhere)
});

/// Enables authentication, with user and role `root` and some others.
fn enable(root: &mut Bucket) {
    root.bucket("auth").put("authEnabled", [1]);
    if root.bucket("auth").value(b"authRevision").is_none() {
        root.bucket("auth").put("authRevision", 9_u64.to_be_bytes());
    }
    for name in ["root", "reader"] {
        role(root, name, |_| {});
    }
    user(root, "root", |user| user.roles = vec!["root".into()]);
    user(root, "alice", |user| user.roles = vec!["reader".into()]);
}

fn user(root: &mut Bucket, name: &str, change: impl Fn(&mut User)) -> Option<Location> {
    let there = root.bucket("authUsers").value(name.as_bytes()).map(<[u8]>::to_vec);
    let mut user = match there {
        Some(bytes) => User::decode(bytes.as_slice()).expect("a user"),
        None => User { name: name.into(), password: PASSWORD.into(), ..User::default() },
    };
    change(&mut user);
    root.bucket("authUsers").put(name, user.encode_to_vec());
    Some(Entry("authUsers", name.into()))
}

fn role(root: &mut Bucket, name: &str, change: impl Fn(&mut Role)) -> Option<Location> {
    let there = root.bucket("authRoles").value(name.as_bytes()).map(<[u8]>::to_vec);
    let mut role = match there {
        Some(bytes) => Role::decode(bytes.as_slice()).expect("a role"),
        None => Role { name: name.into(), ..Role::default() },
    };
    if role.permissions.is_empty() {
        role.permissions = vec![Permission { kind: 2, key: b"/".to_vec(), range_end: b"0".to_vec() }];
    }
    change(&mut role);
    root.bucket("authRoles").put(name, role.encode_to_vec());
    Some(Entry("authRoles", name.into()))
}

pub(super) fn remove(root: &mut Bucket, bucket: &str, name: &str) -> Option<Location> {
    root.bucket(bucket).entries.remove(name.as_bytes())?;
    Some(Location::Nowhere)
}

/// Moves an entry to a name with a flipped bit.
pub(super) fn rename(root: &mut Bucket, bucket: &'static str, name: &str, misspelt: &str) -> Option<Location> {
    let value: Node = root.bucket(bucket).entries.remove(name.as_bytes())?;
    root.bucket(bucket).entries.insert(misspelt.into(), value);
    Some(Entry(bucket, misspelt.into()))
}
