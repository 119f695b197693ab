//! Checks users, roles and the authentication state.
//!
//! Source: etcd's `server/auth/store.go` (3.4 to 3.7). etcd keeps the roles of a user sorted and looks them up by
//! binary search. If it deletes a role, it also removes it from every user. While authentication is on, it requires a
//! user `root` with the role `root`. The role `root` itself need not exist. `docs/what-etcd-starts-from.md` records the
//! consequences of each violation.

use std::collections::HashSet;

use etcdsnap_proto::authpb::permission::Type;
use etcdsnap_proto::authpb::{Role, User};
use prost::Message;

use crate::etcd::revision_record::KeyHash;
use crate::etcd::small_value::checked_length;
use crate::finding::excerpt;
use crate::finding_code::Code;
use crate::int_readers::u64_be;

/// Name of the user, and of the role, with all permissions.
const ROOT: &str = "root";

/// A problem of an entry: its code, and a clause that describes it.
pub type EntryFault = (Code, String);

/// Facts about the buckets `auth`, `authRoles` and `authUsers`, whose entries must be added in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthFacts {
    /// Whether authentication is on.
    pub enabled: bool,
    /// `auth/authRevision`.
    pub revision: Option<u64>,
    /// Whether a user `root` has the role `root`.
    pub has_root: bool,
    /// Hashes of the names of all roles. A hash has 12 bytes, fewer than the role takes in the file.
    roles: HashSet<KeyHash>,
    /// Whether memory ran out for some roles, so that it is unknown whether a role is missing.
    roles_are_incomplete: bool,
}

impl AuthFacts {
    /// Adds an entry of bucket `auth`.
    ///
    /// # Errors
    /// The entry's problem.
    pub fn add_state(&mut self, key: &[u8], value: &[u8]) -> Result<(), EntryFault> {
        match (key, value) {
            (b"authEnabled", [on @ (0 | 1)]) => self.enabled = *on == 1,
            (b"authEnabled", _) => {
                let text = format!(
                    "`authEnabled` has {} bytes that are neither 0 nor 1, so etcd turns authentication off",
                    value.len()
                );
                return Err((Code::AuthMalformed, text));
            }
            (b"authRevision", _) => {
                let revision = u64_be(value, 0).filter(|_| value.len() == 8);
                let text = || (Code::AuthMalformed, format!("the value has {} bytes instead of 8", value.len()));
                self.revision = Some(revision.ok_or_else(text)?);
            }
            _ => {
                let text =
                    "etcd never writes an entry with this name; if it was `authEnabled`, everybody may read and write";
                return Err((Code::AuthMalformed, text.into()));
            }
        }
        Ok(())
    }

    /// Adds a role, stored under `name`.
    ///
    /// # Errors
    /// The entry's problem.
    pub fn add_role(&mut self, name: &[u8], value: &[u8]) -> Result<(), EntryFault> {
        match self.roles.try_reserve(1) {
            Ok(()) => drop(self.roles.insert(KeyHash::of(name))),
            Err(_) => self.roles_are_incomplete = true,
        }
        let role: Role = decode_message(value)?;
        check_name(name, &role.name)?;
        let unknown = role.key_permission.iter().find(|permission| Type::try_from(permission.perm_type).is_err());
        unknown.map_or(Ok(()), |permission| {
            let text =
                format!("the role has a permission of the unknown type {}, which allows nothing", permission.perm_type);
            Err((Code::PermissionUnknown, text))
        })
    }

    /// Adds a user, stored under `name`.
    ///
    /// # Errors
    /// The entry's problem.
    pub fn add_user(&mut self, name: &[u8], value: &[u8]) -> Result<(), EntryFault> {
        let user: User = decode_message(value)?;
        check_name(name, &user.name)?;
        self.has_root |= name == ROOT.as_bytes() && user.roles.iter().any(|role| role == ROOT);
        let has_no_password = user.options.is_some_and(|options| options.no_password);
        if !user.password.is_empty() && (has_no_password || !is_bcrypt(&user.password)) {
            return Err((
                Code::AuthMalformed,
                "the user's password hash is not one that etcd writes, so the user cannot log in".into(),
            ));
        }
        if !user.roles.is_sorted() {
            return Err((Code::AuthMalformed, "the user's roles are not sorted, so etcd misses some of them".into()));
        }
        let missing = |role: &&String| *role != ROOT && !self.roles.contains(&KeyHash::of(role.as_bytes()));
        match user.roles.iter().find(missing).filter(|_| !self.roles_are_incomplete) {
            None => Ok(()),
            Some(role) => {
                let code = if self.enabled { Code::AuthRoleMissing } else { Code::AuthRoleMissingOff };
                Err((code, format!("the user has the role \"{}\", which does not exist", excerpt(role.as_bytes()))))
            }
        }
    }
}

/// Decodes a user or role. An unknown field is an error: a changed tag makes a known field unknown, and its contents
/// are lost.
fn decode_message<M: Message + Default>(value: &[u8]) -> Result<M, EntryFault> {
    let malformed = |text: String| (Code::AuthMalformed, text);
    let value = checked_length(value).map_err(malformed)?;
    let message = M::decode(value).map_err(|error| malformed(format!("the value cannot be decoded: {error}")))?;
    if message.encoded_len() != value.len() {
        return Err(malformed("the value has fields that etcd does not know, and may lack others".into()));
    }
    Ok(message)
}

/// Whether a password hash has etcd's form: `$2a$`, a cost of 04 to 31, `$`, and 53 characters.
fn is_bcrypt(password: &[u8]) -> bool {
    let (head, hash) = password.split_at_checked(7).unwrap_or_default();
    let [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', ten, one, b'$'] = head else { return false };
    let is_base64_char = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let cost_is_valid = matches!((ten, one), (b'0', b'4'..=b'9') | (b'1' | b'2', b'0'..=b'9') | (b'3', b'0' | b'1'));
    cost_is_valid && hash.len() == 53 && hash.iter().all(is_base64_char)
}

/// Checks that the name in a user or role is the key that it is stored under.
fn check_name(key: &[u8], name: &[u8]) -> Result<(), EntryFault> {
    if name == key {
        return Ok(());
    }
    let text = format!("the entry is stored under another name than its own, \"{}\"", excerpt(name));
    Err((Code::AuthMalformed, text))
}

#[cfg(test)]
mod tests {
    use etcdsnap_proto::authpb::Permission;

    use super::*;

    fn user(name: &str, roles: &[&str]) -> User {
        let password = format!("$2a$10${}", "abc./XYZ0".repeat(6).split_off(1)).into_bytes();
        let roles = roles.iter().map(ToString::to_string).collect();
        User { name: name.into(), password, roles, ..User::default() }
    }

    #[test]
    fn roles_except_root_must_exist() {
        let mut auth = AuthFacts::default();
        let reader = Role { name: b"reader".to_vec(), ..Role::default() };
        auth.add_role(b"reader", &reader.encode_to_vec()).unwrap();
        let add_user = |auth: &mut AuthFacts, name: &str, roles: &[&str]| {
            auth.add_user(name.as_bytes(), &user(name, roles).encode_to_vec()).map_err(|(code, _)| code)
        };
        assert_eq!(add_user(&mut auth, "u", &["reader", "root"]), Ok(()));
        assert_eq!(add_user(&mut auth, "u", &["readeq"]), Err(Code::AuthRoleMissingOff));
        auth.add_state(b"authEnabled", &[1]).unwrap();
        assert_eq!(add_user(&mut auth, "u", &["readeq"]), Err(Code::AuthRoleMissing));
        assert_eq!(add_user(&mut auth, "u", &["root", "reader"]), Err(Code::AuthMalformed));
        assert!(!auth.has_root);
        assert_eq!((add_user(&mut auth, "root", &["root"]), auth.has_root), (Ok(()), true));
    }

    #[test]
    fn entries_that_etcd_never_writes_are_found() {
        let mut auth = AuthFacts::default();
        for (key, value) in [(&b"authEnabled"[..], &[3][..]), (b"authEnablee", &[1]), (b"authRevision", &[0; 4])] {
            assert_eq!(auth.add_state(key, value).unwrap_err().0, Code::AuthMalformed);
        }
        let permission = Permission { perm_type: 7, ..Permission::default() };
        let role = Role { name: b"r".to_vec(), key_permission: vec![permission] }.encode_to_vec();
        assert_eq!(auth.add_role(b"r", &role).unwrap_err().0, Code::PermissionUnknown);
        assert_eq!(auth.add_role(b"s", &role).unwrap_err().0, Code::AuthMalformed);
        let good = user("u", &[]);
        assert_eq!(auth.add_user(b"u", &good.encode_to_vec()), Ok(()));
        let costly = User {
            password: good.password.iter().map(|byte| if *byte == b'1' { b'9' } else { *byte }).collect(),
            ..good.clone()
        };
        let short = User { password: b"$2a$10$abc".to_vec(), ..good.clone() };
        let unknown = [&good.encode_to_vec()[..], &[0x7A, 0]].concat();
        for bytes in [short.encode_to_vec(), costly.encode_to_vec(), unknown, vec![0x7F, 0xFF]] {
            assert_eq!(auth.add_user(b"u", &bytes).unwrap_err().0, Code::AuthMalformed);
        }
    }
}
