//! `etcdsnap auth FILE`

use etcdsnap::core::proto::authpb::{Permission, Role, User};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{key_text, open, report_losses, text_table};
use crate::cli::args::AuthArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::grouped;

/// Runs the command. It prints users and roles while it reads them, one at a time.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &AuthArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    drop(bar);
    let auth = store.auth().map_err(|cause| snapshot.failed(cause))?;
    match args.inspect.write_out {
        InspectForm::Json => {
            let mut lines = Lines::new();
            let rest = json!({"enabled": auth.enabled, "revision": auth.revision});
            key_text::write_line(&mut lines, &object("auth", None, rest))?;
            let mut outcome = Ok(());
            let read = store.users(&mut |user| {
                if outcome.is_ok() && lines.wanted() {
                    outcome = key_text::write_line(&mut lines, &user_object(&user, args.show_secrets));
                }
            });
            let read = read.and_then(|()| {
                store.roles(&mut |role| {
                    if outcome.is_ok() && lines.wanted() {
                        outcome = key_text::write_line(&mut lines, &role_line(&role));
                    }
                })
            });
            read.map_err(|cause| snapshot.failed(cause))?;
            outcome?;
            lines.finish()?;
        }
        form => {
            let state = if auth.enabled { "enabled" } else { "disabled" };
            output::print(&format!("authentication is {state} (revision {})\n\n", grouped(auth.revision)))?;
            text_table::print(form, &[("user", false), ("roles", false), ("password", false)], |take| {
                let mut outcome = Ok(true);
                let read = store.users(&mut |user| {
                    if let Ok(true) = outcome {
                        let roles: Vec<_> = user.roles.iter().map(|role| etcdsnap::printable(role)).collect();
                        outcome =
                            take(&[key_text::key(&user.name), roles.join(","), password(&user, args.show_secrets)]);
                    }
                });
                read.map_err(|cause| snapshot.failed(cause))?;
                outcome.map(drop)
            })?;
            output::print("\n")?;
            text_table::print(form, &[("role", false), ("may", false), ("keys", false)], |take| {
                let mut outcome = Ok(true);
                let read = store.roles(&mut |role| {
                    if let Ok(true) = outcome {
                        outcome = role_rows(&role, take);
                    }
                });
                read.map_err(|cause| snapshot.failed(cause))?;
                outcome.map(drop)
            })?;
        }
    }
    snapshot.assert_unchanged()?;
    Ok(report_losses(&args.inspect.file, &store.lost_of(&["auth", "authUsers", "authRoles"])))
}

/// Prints a row for each permission of a role.
fn role_rows(role: &Role, take: text_table::RowVisitor<'_>) -> Result<bool, Failure> {
    let name = key_text::key(&role.name);
    if role.key_permission.is_empty() {
        return take(&[name, "-".into(), String::new()]);
    }
    for permission in &role.key_permission {
        if !take(&[name.clone(), permission.perm_type().as_str_name().to_owned(), range(permission)])? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn password(user: &User, show_secrets: bool) -> String {
    if user.options.as_ref().is_some_and(|options| options.no_password) || user.password.is_empty() {
        return "none".into();
    }
    if show_secrets { key_text::value(&user.password) } else { "(hidden: --show-secrets)".into() }
}

/// Describes the keys of a permission.
fn range(permission: &Permission) -> String {
    let (key, end) = (&permission.key, &permission.range_end);
    match end.as_slice() {
        [] => key_text::key(key),
        [0] if key.is_empty() || key == &[0] => "every key".into(),
        [0] => format!("from {} on", key_text::key(key)),
        _ => format!("[{}, {})", key_text::key(key), key_text::key(end)),
    }
}

fn object(kind: &str, name: Option<&[u8]>, rest: Value) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("kind".into(), kind.into());
    if let Some(name) = name {
        key_text::put(&mut object, "name", name);
    }
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    object
}

fn user_object(user: &User, show_secrets: bool) -> Map<String, Value> {
    let mut rest = json!({"roles": user.roles, "hasPassword": !user.password.is_empty()});
    if show_secrets && let Value::Object(rest) = &mut rest {
        key_text::put(rest, "passwordHash", &user.password);
    }
    object("user", Some(&user.name), rest)
}

/// A role as JSON. Permissions are written one by one, because a forged role can have a million.
#[derive(Serialize)]
struct RoleLine<'r> {
    #[serde(flatten)]
    head: Map<String, Value>,
    permissions: Permissions<'r>,
}

struct Permissions<'r>(&'r [Permission]);

impl Serialize for Permissions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|permission| {
            let mut object = Map::new();
            object.insert("type".into(), permission.perm_type().as_str_name().into());
            key_text::put(&mut object, "key", &permission.key);
            key_text::put(&mut object, "rangeEnd", &permission.range_end);
            object
        }))
    }
}

fn role_line(role: &Role) -> RoleLine<'_> {
    RoleLine { head: object("role", Some(&role.name), json!({})), permissions: Permissions(&role.key_permission) }
}
