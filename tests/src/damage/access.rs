//! Damage to authentication, which decides who may read and write after a restore. `alice` has only the role `reader`.
//! In the recorded snapshots, this role allows her to read the keys that begin with `app/`. Where it is missing, it is added, and she may read and write the keys that
//! begin with `/`.

use prost::Message;

use super::Damage;
use super::Location::{self, Entry};
use crate::build::cluster::PASSWORD;
use crate::build::message::{Permission, Role, User};
use crate::build::{Bucket, Node};

pub const ALL: &[Damage] = &[
    Damage::content("auth_on_without_user_root", FINDS_WITHOUT_ROOT, |root| {
        enable(root);
        remove(root, "authUsers", "root")
    }),
    Damage::content("auth_on_root_without_its_role", FINDS_WITHOUT_ROOT, |root| {
        enable(root);
        put_user(root, "root", |user| user.roles.clear())
    }),
    Damage::content("auth_on_roles_of_root_unsorted", FINDS_MALFORMED, |root| {
        enable(root);
        put_role(root, "zeta", |_| {});
        put_user(root, "root", |user| user.roles = vec!["zeta".into(), "root".into()])
    }),
    Damage::content("auth_on_user_with_a_role_that_is_not_there", &["auth-role-missing"], |root| {
        enable(root);
        put_user(root, "alice", |user| user.roles = vec!["readeq".into()])
    }),
    Damage::content("auth_off_user_with_a_role_that_is_not_there", &["auth-role-missing-off"], |root| {
        root.bucket("auth").put("authEnabled", [0]);
        put_user(root, "alice", |user| user.roles = vec!["readeq".into()])
    }),
    Damage::content("auth_on_permission_of_an_unknown_type", &["permission-unknown"], |root| {
        enable(root);
        put_role(root, "reader", |role| role.permissions[0].kind = 7)
    }),
    Damage::content("auth_on_roles_of_alice_unsorted", FINDS_MALFORMED, |root| {
        enable(root);
        put_role(root, "zeta", |_| {});
        put_user(root, "alice", |user| user.roles = vec!["zeta".into(), "reader".into()])
    }),
    Damage::content("auth_on_enabled_by_another_number", FINDS_MALFORMED, |root| {
        enable(root);
        root.bucket("auth").put("authEnabled", [3]);
        Some(Entry("auth", b"authEnabled".to_vec()))
    }),
    Damage::content("auth_on_user_name_differs_from_key", FINDS_MALFORMED, |root| {
        enable(root);
        put_user(root, "alice", |user| user.name = b"alicf".to_vec())
    }),
    Damage::content("auth_on_role_name_differs_from_key", FINDS_MALFORMED, |root| {
        enable(root);
        put_role(root, "reader", |role| role.name = b"readeq".to_vec())
    }),
    Damage::content("auth_on_user_is_no_message", FINDS_MALFORMED, |root| {
        enable(root);
        root.bucket("authUsers").put("alice", [0x7F, 0xFF, 0x01]);
        Some(Entry("authUsers", b"alice".to_vec()))
    }),
    Damage::content("auth_on_role_is_no_message", FINDS_MALFORMED, |root| {
        enable(root);
        root.bucket("authRoles").put("reader", [0x7F, 0xFF, 0x01]);
        Some(Entry("authRoles", b"reader".to_vec()))
    }),
    Damage::content("auth_on_password_is_no_hash", FINDS_MALFORMED, |root| {
        enable(root);
        put_user(root, "alice", |user| user.password[20] ^= 0x80)
    }),
    Damage::content("auth_on_role_whose_permissions_are_another_field", FINDS_MALFORMED, |root| {
        enable(root);
        let mut bytes = root.bucket("authRoles").value(b"reader")?.to_vec();
        // The tag after the name becomes field 3 instead of 2.
        let tag = 2 + b"reader".len();
        (bytes[tag] == 0x12).then(|| bytes[tag] = 0x1A)?;
        root.bucket("authRoles").put("reader", bytes);
        Some(Entry("authRoles", b"reader".to_vec()))
    }),
    Damage::content("auth_on_key_auth_enabled_misspelt", FINDS_MALFORMED, |root| {
        enable(root);
        rename(root, "auth", "authEnabled", "authEnablee")
    }),
    Damage::content("auth_on_key_auth_revision_misspelt", FINDS_MALFORMED, |root| {
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

const FINDS_WITHOUT_ROOT: &[&str] = &["auth-without-root"];
const FINDS_MALFORMED: &[&str] = &["auth-malformed"];

/// Contents that a healthy cluster may have.
pub(super) const HEALTHY: &[Damage] = &[
    AUTH_ON,
    Damage::content("auth_on_without_role_root", &[], |root| {
        enable(root);
        remove(root, "authRoles", "root")
    }),
    Damage::content("auth_on_two_who_have_role_root", &[], |root| {
        enable(root);
        put_user(root, "alice", |user| user.roles = vec!["reader".into(), "root".into()])
    }),
];

/// Turns authentication on; see [`enable`].
pub(super) const AUTH_ON: Damage = Damage::content("auth_on", &[], |root| {
    enable(root);
    Some(Location::Nowhere)
});

/// Stores that authentication is off. Users and roles stay as they are.
pub(super) const AUTH_OFF: Damage = Damage::content("auth_off", &[], |root| {
    root.bucket("auth").put("authEnabled", [0]);
    Some(Location::Nowhere)
});

/// Enables authentication, with users `root` and `alice` and roles `root` and `reader`. Existing entries are kept, except for the roles of the two users.
fn enable(root: &mut Bucket) {
    root.bucket("auth").put("authEnabled", [1]);
    if root.bucket("auth").value(b"authRevision").is_none() {
        root.bucket("auth").put("authRevision", 9_u64.to_be_bytes());
    }
    for name in ["root", "reader"] {
        put_role(root, name, |_| {});
    }
    put_user(root, "root", |user| user.roles = vec!["root".into()]);
    put_user(root, "alice", |user| user.roles = vec!["reader".into()]);
}

/// Adds a user, or changes the existing one. `change` gets the user before it is stored.
fn put_user(root: &mut Bucket, name: &str, change: impl Fn(&mut User)) -> Option<Location> {
    let there = root.bucket("authUsers").value(name.as_bytes()).map(<[u8]>::to_vec);
    let mut user = match there {
        Some(bytes) => User::decode(bytes.as_slice()).expect("a user"),
        None => User { name: name.into(), password: PASSWORD.into(), ..User::default() },
    };
    change(&mut user);
    root.bucket("authUsers").put(name, user.encode_to_vec());
    Some(Entry("authUsers", name.into()))
}

/// Adds a role, or changes the existing one. `change` gets the role before it is stored. It has at least one permission.
fn put_role(root: &mut Bucket, name: &str, change: impl Fn(&mut Role)) -> Option<Location> {
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

/// Removes an entry; returns `None` if there is no such entry.
pub(super) fn remove(root: &mut Bucket, bucket: &str, name: &str) -> Option<Location> {
    root.bucket(bucket).entries.remove(name.as_bytes())?;
    Some(Location::Nowhere)
}

/// Moves an entry to a misspelt name.
pub(super) fn rename(root: &mut Bucket, bucket: &'static str, name: &str, misspelt: &str) -> Option<Location> {
    let value: Node = root.bucket(bucket).entries.remove(name.as_bytes())?;
    root.bucket(bucket).entries.insert(misspelt.into(), value);
    Some(Entry(bucket, misspelt.into()))
}
