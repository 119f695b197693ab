//! The owner of files.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Gid, Uid, chownat, fstat};
use rustix::io::Errno;

use super::restore_error::RestoreError;

/// The id that the system takes to mean "unchanged"; no user has it.
const UNCHANGED_ID: u32 = u32::MAX;

/// User and group to own the files; `None` leaves one unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

impl Owner {
    /// Returns the owner of a file.
    pub fn of(facts: &Metadata) -> Self {
        Self { user: Some(facts.uid()), group: Some(facts.gid()) }
    }

    /// Sets the owner of an open file or directory, unless it is already right.
    ///
    /// # Errors
    /// An error of the system.
    pub fn set_on(self, file: impl AsFd) -> io::Result<()> {
        let facts = fstat(&file)?;
        let differs =
            self.user.is_some_and(|user| user != facts.st_uid) || self.group.is_some_and(|group| group != facts.st_gid);
        if differs {
            let (user, group) = (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw));
            // This also works with a handle opened with `O_PATH`.
            chownat(&file, "", user, group, AtFlags::EMPTY_PATH)?;
        }
        Ok(())
    }
}

/// Whether an attempt to change the owner failed because this user may not, or because the owner has no id here (in a user namespace).
pub(super) fn is_refusal(cause: &io::Error) -> bool {
    matches!(Errno::from_io_error(cause), Some(Errno::PERM | Errno::ACCESS | Errno::INVAL))
}

/// Parses `user` or `user:group`, by name or number. Names are looked up in `/etc/passwd` and `/etc/group`.
pub(super) fn parse(text: &str) -> Result<Owner, RestoreError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let none = |kind: &'static str, name: &str| RestoreError::Owner { kind, name: name.to_owned() };
    let (id, own_group) = match user.parse::<u32>() {
        Ok(id) => (id, None),
        Err(_) => {
            let fields = line_of("/etc/passwd", user).ok_or_else(|| none("user", user))?;
            (fields.0, Some(fields.1))
        }
    };
    let group = match group {
        None => own_group,
        Some(name) => Some(
            name.parse()
                .ok()
                .or_else(|| line_of("/etc/group", name).map(|fields| fields.0))
                .ok_or_else(|| none("group", name))?,
        ),
    };
    match (id, group) {
        (UNCHANGED_ID, _) => Err(none("user", user)),
        (_, Some(UNCHANGED_ID)) => Err(none("group", text.split_once(':').map_or("", |(_, group)| group))),
        _ => Ok(Owner { user: Some(id), group }),
    }
}

/// Returns the third and fourth field of a name's line; the fourth is 0 if it is not a number.
fn line_of(file: &str, name: &str) -> Option<(u32, u32)> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next().and_then(|field| field.parse().ok()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_name_and_number() {
        let ids = |text: &str| parse(text).map(|owner| (owner.user, owner.group));
        assert_eq!(ids("1234").unwrap(), (Some(1234), None));
        assert_eq!(ids("1234:77").unwrap(), (Some(1234), Some(77)));
        assert_eq!(ids("root").unwrap(), (Some(0), Some(0)));
        assert_eq!(ids("root:5").unwrap(), (Some(0), Some(5)));
        assert_eq!(ids("no such user").unwrap_err().to_string(), "--owner: there is no user \"no such user\"");
        assert!(ids("root:no such group").unwrap_err().to_string().contains("no group"));
    }

    /// For the system, this number means that nothing changes.
    #[test]
    fn the_number_for_unchanged_is_not_a_user() {
        assert_eq!(parse("4294967295").unwrap_err().to_string(), "--owner: there is no user \"4294967295\"");
        assert_eq!(parse("1:4294967295").unwrap_err().to_string(), "--owner: there is no group \"4294967295\"");
        for number in ["4294967295", "4294967296", "1:4294967295"] {
            assert!(parse(number).unwrap_err().advice().contains("The highest number is 4294967294"), "{number}");
        }
        assert!(parse("nobody here").unwrap_err().advice().contains("numbers always work"));
    }
}
