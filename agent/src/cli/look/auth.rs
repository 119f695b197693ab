//! `etcdsnap auth FILE`

use etcdsnap::core::proto::authpb::{Permission, Role, User};
use etcdsnap::core::store::Auth;
use serde_json::{Map, Value, json};

use super::{bytes, open, table, told};
use crate::cli::args::AuthArgs;
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &AuthArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    drop(bar);
    let auth = store.auth().map_err(|cause| snapshot.failed(cause))?;
    snapshot.assert_unchanged()?;
    output::print(&match args.look.write_out {
        LookForm::Json => json_lines(&auth, args.show_secrets),
        form => text(&auth, form, args.show_secrets),
    })?;
    Ok(told(&args.look.file, store.lost()))
}

fn text(auth: &Auth, form: LookForm, show_secrets: bool) -> String {
    let state = if auth.enabled { "enabled" } else { "disabled" };
    let users = auth.users.iter().map(|user| {
        let roles: Vec<_> = user.roles.iter().map(|role| etcdsnap::printable(role)).collect();
        vec![bytes::key(&user.name), roles.join(","), password(user, show_secrets)]
    });
    let roles = auth.roles.iter().flat_map(|role| {
        let name = bytes::key(&role.name);
        let none = role.key_permission.is_empty().then(|| vec![name.clone(), "-".into(), String::new()]);
        let some = role.key_permission.iter().map(move |permission| {
            vec![name.clone(), permission.perm_type().as_str_name().to_owned(), range(permission)]
        });
        none.into_iter().chain(some).collect::<Vec<_>>()
    });
    format!(
        "authentication is {state} (revision {})\n\n{}\n{}",
        auth.revision,
        table::rows(form, &[("user", false), ("roles", false), ("password", false)], users.collect()),
        table::rows(form, &[("role", false), ("may", false), ("keys", false)], roles.collect()),
    )
}

fn password(user: &User, show_secrets: bool) -> String {
    if user.options.as_ref().is_some_and(|options| options.no_password) || user.password.is_empty() {
        return "none".into();
    }
    if show_secrets { bytes::value(&user.password) } else { "(hidden: --show-secrets)".into() }
}

/// The keys of a permission, as a person would say it.
fn range(permission: &Permission) -> String {
    let (key, end) = (&permission.key, &permission.range_end);
    match end.as_slice() {
        [] => bytes::key(key),
        [0] if key.is_empty() || key == &[0] => "every key".into(),
        [0] => format!("from {} on", bytes::key(key)),
        _ => format!("[{}, {})", bytes::key(key), bytes::key(end)),
    }
}

fn json_lines(auth: &Auth, show_secrets: bool) -> String {
    let with = |kind: &str, name: Option<&[u8]>, rest: Value| {
        let mut object = Map::new();
        object.insert("kind".into(), kind.into());
        if let Some(name) = name {
            bytes::put(&mut object, "name", name);
        }
        if let Value::Object(rest) = rest {
            object.extend(rest);
        }
        bytes::line(object)
    };
    let mut text = with("auth", None, json!({"enabled": auth.enabled, "revision": auth.revision}));
    for user in &auth.users {
        let mut rest = json!({"roles": user.roles, "hasPassword": !user.password.is_empty()});
        if show_secrets && let Value::Object(rest) = &mut rest {
            bytes::put(rest, "passwordHash", &user.password);
        }
        text.push_str(&with("user", Some(&user.name), rest));
    }
    for Role { name, key_permission } in &auth.roles {
        let permissions = key_permission.iter().map(|permission| {
            let mut object = Map::new();
            object.insert("type".into(), permission.perm_type().as_str_name().into());
            bytes::put(&mut object, "key", &permission.key);
            bytes::put(&mut object, "rangeEnd", &permission.range_end);
            Value::Object(object)
        });
        text.push_str(&with("role", Some(name), json!({"permissions": permissions.collect::<Vec<_>>()})));
    }
    text
}
