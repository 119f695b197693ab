//! Users, roles and whether they count: who may read and write.
//!
//! Source: etcd's `server/auth/store.go` (3.4 to 3.7). etcd keeps the roles of a user sorted and looks them up by binary search; it deletes a role from every user
//! that has it; it neither turns authentication on without a user `root` that has the role `root`, nor takes that away while it is on. The role `root` itself need
//! not exist. What each mistake leads to is recorded in `docs/what-etcd-starts-from.md`.

use std::collections::HashSet;

use etcdsnap_proto::authpb::permission::Type;
use etcdsnap_proto::authpb::{Role, User};
use prost::Message;

use crate::etcd::revision_record::KeyHash;
use crate::etcd::small_value::small;
use crate::finding::excerpt;
use crate::finding_code::Code;
use crate::int_readers::u64_be;

/// The user, and the role, that may do everything.
const ROOT: &str = "root";

/// What is wrong with an entry, as a code and a sentence.
pub type Fault = (Code, String);

/// What the buckets `auth`, `authRoles` and `authUsers` say, taken in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether authentication is on.
    pub enabled: bool,
    /// `auth/authRevision`.
    pub revision: Option<u64>,
    /// Whether there is a user `root` that has the role `root`.
    pub has_root: bool,
    /// The roles that exist, by the hash of their names; 12 bytes for an entry that takes more in the file.
    roles: HashSet<KeyHash>,
    /// There was no memory for some of them, so which roles are missing is not known.
    roles_unknown: bool,
}

impl Access {
    /// Takes in an entry of bucket `auth`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn state(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        match (key, value) {
            (b"authEnabled", [on @ (0 | 1)]) => self.enabled = *on == 1,
            (b"authEnabled", _) => {
                let text =
                    format!("authEnabled has {} bytes that are neither 0 nor 1, so etcd turns it off", value.len());
                return Err((Code::AuthMalformed, text));
            }
            (b"authRevision", _) => {
                let revision = u64_be(value, 0).filter(|_| value.len() == 8);
                let text = || (Code::AuthMalformed, format!("a value of {} bytes, not 8", value.len()));
                self.revision = Some(revision.ok_or_else(text)?);
            }
            _ => {
                let text = "no etcd writes an entry of this name; if it was authEnabled, everybody may read and write";
                return Err((Code::AuthMalformed, text.into()));
            }
        }
        Ok(())
    }

    /// Takes in a role under its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn role(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match self.roles.try_reserve(1) {
            Ok(()) => drop(self.roles.insert(KeyHash::of(name))),
            Err(_) => self.roles_unknown = true,
        }
        let role: Role = message(value)?;
        called(name, &role.name)?;
        let unknown = role.key_permission.iter().find(|held| Type::try_from(held.perm_type).is_err());
        unknown.map_or(Ok(()), |held| {
            let text = format!("a permission of the unknown type {}, which allows nothing", held.perm_type);
            Err((Code::PermissionUnknown, text))
        })
    }

    /// Takes in a user under its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn user(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let user: User = message(value)?;
        called(name, &user.name)?;
        self.has_root |= name == ROOT.as_bytes() && user.roles.iter().any(|role| role == ROOT);
        let without = user.options.is_some_and(|options| options.no_password);
        if !user.password.is_empty() && (without || !is_bcrypt(&user.password)) {
            return Err((
                Code::AuthMalformed,
                "its password is no hash that etcd writes, so the user cannot log in".into(),
            ));
        }
        if !user.roles.is_sorted() {
            return Err((Code::AuthMalformed, "its roles are not in order, so etcd misses some of them".into()));
        }
        let missing = |role: &&String| *role != ROOT && !self.roles.contains(&KeyHash::of(role.as_bytes()));
        match user.roles.iter().find(missing).filter(|_| !self.roles_unknown) {
            None => Ok(()),
            Some(role) => {
                let code = if self.enabled { Code::AuthRoleMissing } else { Code::AuthRoleMissingOff };
                Err((code, format!("the user has the role \"{}\", which does not exist", excerpt(role.as_bytes()))))
            }
        }
    }
}

/// Decodes a user or role. One that holds more than the fields that etcd knows has lost what stood there: a tag was changed.
fn message<M: Message + Default>(value: &[u8]) -> Result<M, Fault> {
    let malformed = |text: String| (Code::AuthMalformed, text);
    let value = small(value).map_err(malformed)?;
    let message = M::decode(value).map_err(|error| malformed(format!("the value cannot be decoded: {error}")))?;
    if message.encoded_len() != value.len() {
        return Err(malformed("the value has fields that etcd does not know, and may lack others".into()));
    }
    Ok(message)
}

/// Whether a password is hashed as etcd does it: `$2a$`, a cost of 04 to 31, `$`, and 53 characters.
fn is_bcrypt(password: &[u8]) -> bool {
    let (head, hash) = password.split_at_checked(7).unwrap_or_default();
    let [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', ten, one, b'$'] = head else { return false };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let cost = matches!((ten, one), (b'0', b'4'..=b'9') | (b'1' | b'2', b'0'..=b'9') | (b'3', b'0' | b'1'));
    cost && hash.len() == 53 && hash.iter().all(plain)
}

fn called(key: &[u8], name: &[u8]) -> Result<(), Fault> {
    if name == key {
        return Ok(());
    }
    let text = format!("it stands under another name: it calls itself \"{}\"", excerpt(name));
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
    fn roles_must_exist_but_for_root() {
        let mut access = Access::default();
        let reader = Role { name: b"reader".to_vec(), ..Role::default() };
        access.role(b"reader", &reader.encode_to_vec()).unwrap();
        let take = |access: &mut Access, name: &str, roles: &[&str]| {
            access.user(name.as_bytes(), &user(name, roles).encode_to_vec()).map_err(|(code, _)| code)
        };
        assert_eq!(take(&mut access, "u", &["reader", "root"]), Ok(()));
        assert_eq!(take(&mut access, "u", &["readeq"]), Err(Code::AuthRoleMissingOff));
        access.state(b"authEnabled", &[1]).unwrap();
        assert_eq!(take(&mut access, "u", &["readeq"]), Err(Code::AuthRoleMissing));
        assert_eq!(take(&mut access, "u", &["root", "reader"]), Err(Code::AuthMalformed));
        assert!(!access.has_root);
        assert_eq!((take(&mut access, "root", &["root"]), access.has_root), (Ok(()), true));
    }

    #[test]
    fn what_no_etcd_writes_is_found() {
        let mut access = Access::default();
        for (key, value) in [(&b"authEnabled"[..], &[3][..]), (b"authEnablee", &[1]), (b"authRevision", &[0; 4])] {
            assert_eq!(access.state(key, value).unwrap_err().0, Code::AuthMalformed);
        }
        let held = Permission { perm_type: 7, ..Permission::default() };
        let role = Role { name: b"r".to_vec(), key_permission: vec![held] }.encode_to_vec();
        assert_eq!(access.role(b"r", &role).unwrap_err().0, Code::PermissionUnknown);
        assert_eq!(access.role(b"s", &role).unwrap_err().0, Code::AuthMalformed);
        let good = user("u", &[]);
        assert_eq!(access.user(b"u", &good.encode_to_vec()), Ok(()));
        let costly = User {
            password: good.password.iter().map(|byte| if *byte == b'1' { b'9' } else { *byte }).collect(),
            ..good.clone()
        };
        let short = User { password: b"$2a$10$abc".to_vec(), ..good.clone() };
        let unknown = [&good.encode_to_vec()[..], &[0x7A, 0]].concat();
        for bytes in [short.encode_to_vec(), costly.encode_to_vec(), unknown, vec![0x7F, 0xFF]] {
            assert_eq!(access.user(b"u", &bytes).unwrap_err().0, Code::AuthMalformed);
        }
    }
}
