//! Checks the JSON types in values that etcd writes as JSON: etcd panics on types that Go's decoder does not expect.

use serde_json::{Map, Value};

use crate::etcd::small_value::checked_length;
use crate::etcd::version;

/// Decodes a JSON object.
///
/// # Errors
/// A clause that describes the problem.
pub fn decode_object(value: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(checked_length(value)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the value is JSON, but not an object".into()),
        Err(error) => Err(format!("the value is not JSON: {error}")),
    }
}

/// Checks `meta/confState`, a `raftpb.ConfState`: lists of member ids and a flag. It is not compared with bucket
/// `members`, because a restore keeps the value of the old cluster.
///
/// # Errors
/// The same errors as [`decode_object`].
pub fn check_conf_state(value: &[u8]) -> Result<(), String> {
    let state = decode_object(value)?;
    for name in ["voters", "learners", "voters_outgoing", "learners_next"] {
        let ids = match state.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(ids)) => ids,
            Some(other) => return Err(format!("\"{name}\" is {}, not a list of member ids", type_name(other))),
        };
        if let Some(other) = ids.iter().find(|id| id.as_u64().is_none()) {
            return Err(format!("\"{name}\" holds {}, not a member id", type_name(other)));
        }
    }
    if let Some(other) = state.get("auto_leave").filter(|flag| !flag.is_boolean() && !flag.is_null()) {
        return Err(format!("\"auto_leave\" is {}, not true or false", type_name(other)));
    }
    let voters = state.get("voters").and_then(Value::as_array);
    if voters.is_none_or(Vec::is_empty) {
        return Err("the list of voters is empty".into());
    }
    Ok(())
}

/// Returns the target version in `cluster/downgrade` if a downgrade is enabled. etcd stops if that is not a version.
///
/// # Errors
/// The same errors as [`decode_object`].
pub fn downgrade_target(value: &[u8]) -> Result<Option<String>, String> {
    let downgrade = decode_object(value)?;
    // Go accepts names in any case, and the last of several equal names counts; the latter is too rare to be handled
    // here.
    let field =
        |name: &str| downgrade.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let enabled = match field("enabled") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(enabled)) => *enabled,
        Some(other) => return Err(format!("\"enabled\" is {}, not true or false", type_name(other))),
    };
    let target = match field("target-version") {
        None | Some(Value::Null) => "",
        Some(Value::String(target)) => target,
        Some(other) => return Err(format!("\"target-version\" is {}, not a version", type_name(other))),
    };
    if version::parse(target).is_some() {
        return Ok(enabled.then(|| target.to_owned()));
    }
    match (target.is_empty(), enabled) {
        (true, false) => Ok(None),
        (true, true) => Err("a downgrade is enabled, but \"target-version\" is missing".into()),
        (false, _) => Err("\"target-version\" is not a version".into()),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number of another kind",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_etcd_writes_are_accepted() {
        for text in [
            r#"{"voters":[10600525092613692218],"auto_leave":false}"#,
            r#"{"voters":[1,2],"learners":[3],"voters_outgoing":null,"learners_next":[],"auto_leave":true,"later":{}}"#,
        ] {
            assert_eq!(check_conf_state(text.as_bytes()), Ok(()), "{text}");
        }
        for text in ["{}", r#"{"target-version":"","enabled":false}"#, r#"{"target-version":"3.5.0","enabled":true}"#] {
            assert!(downgrade_target(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn values_of_other_types_are_rejected() {
        for (text, message) in [
            (r#"{"voters":["a"]}"#, "\"voters\" holds text, not a member id"),
            (r#"{"voters":[-5]}"#, "\"voters\" holds a number of another kind, not a member id"),
            (r#"{"voters":7}"#, "\"voters\" is a number of another kind, not a list of member ids"),
            (r#"{"voters":[1],"auto_leave":"no"}"#, "\"auto_leave\" is text, not true or false"),
            ("{}", "the list of voters is empty"),
            ("[]", "the value is JSON, but not an object"),
        ] {
            assert_eq!(check_conf_state(text.as_bytes()).unwrap_err(), message);
        }
        for text in [
            r#"{"target-version":"banana"}"#,
            r#"{"target-version":3}"#,
            r#"{"enabled":"yes"}"#,
            r#"{"enabled":true}"#,
            r#"{"tarfet-version":"3.5.0","enabled":true}"#,
        ] {
            assert!(downgrade_target(text.as_bytes()).is_err(), "{text}");
        }
    }
}
