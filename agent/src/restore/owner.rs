//! To whom files belong.

use std::fs;

use super::error::RestoreError;

/// User and group that own the files; none for the one that is not changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

/// `user` or `user:group`, by name or number. Names are looked up in `/etc/passwd` and `/etc/group`.
pub(super) fn parse(text: &str) -> Result<Owner, RestoreError> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let (id, own_group) = match user.parse::<u32>() {
        Ok(id) => (id, None),
        Err(_) => {
            let fields = line_of("/etc/passwd", user).ok_or_else(|| RestoreError::Owner(format!("user {user:?}")))?;
            (fields.0, Some(fields.1))
        }
    };
    let group = match group {
        None => own_group,
        Some(name) => Some(
            name.parse()
                .ok()
                .or_else(|| line_of("/etc/group", name).map(|fields| fields.0))
                .ok_or_else(|| RestoreError::Owner(format!("group {name:?}")))?,
        ),
    };
    Ok(Owner { user: Some(id), group })
}

/// The third and fourth field of a name's line; the fourth is 0 where it is no number.
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
}
