//! Formats reports as JSON: one line, fields in a fixed order.

use std::collections::BTreeMap;
use std::path::Path;

use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::core::kubernetes::time_line::Moment;
use etcdsnap::{Code, DirectoryReport, Error, Report, Status, Trailer, Verdict, put_path};
use serde::Serialize;
use serde_json::{Map, Value};

/// `status -w json`: etcdutl's fields first, then our own, then the verdict.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusObject<'r> {
    #[serde(flatten)]
    status: Option<&'r Status>,
    #[serde(flatten)]
    file: Map<String, Value>,
    verdict: Verdict,
    sha256: &'r Trailer,
    finding_counts: &'r BTreeMap<Code, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_as_of_within_seconds: Option<i64>,
}

/// `verify -w json`.
#[derive(Serialize)]
struct VerifyObject<'r> {
    #[serde(flatten)]
    file: Map<String, Value>,
    #[serde(flatten)]
    report: &'r Report,
}

/// `verify -w json` of a data directory.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryObject<'r> {
    #[serde(flatten)]
    file: Map<String, Value>,
    kind: &'static str,
    #[serde(flatten)]
    report: &'r DirectoryReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<bool>,
}

/// Describes a file that could not be verified.
#[derive(Serialize)]
struct ErrorObject {
    #[serde(flatten)]
    file: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    error: String,
}

/// Formats a file for `status`; `as_of` is the approximate time of its latest revision.
pub fn status(path: &Path, report: &Report, as_of: Option<Moment>) -> String {
    line(&StatusObject {
        status: report.status.as_ref(),
        file: name(path),
        verdict: report.verdict,
        sha256: &report.trailer,
        finding_counts: report.findings.counts(),
        state_as_of: as_of.map(|moment| rfc3339(moment.seconds, None)),
        state_as_of_within_seconds: as_of.and_then(|moment| moment.within),
    })
}

/// Formats a file for `verify`.
pub fn verify(path: &Path, report: &Report) -> String {
    line(&VerifyObject { file: name(path), report })
}

/// Formats a data directory for `verify`. `newest` says whether no other directory is newer; `None` if there are no others to compare with.
pub fn directory(path: &Path, report: &DirectoryReport, newest: Option<bool>) -> String {
    line(&DirectoryObject { file: name(path), kind: "dataDirectory", report, newest })
}

/// Formats an error about a file; a broken compressed file nevertheless has a verdict.
pub fn error(path: &Path, error: &Error) -> String {
    let verdict = error.is_damage().then_some(Verdict::Damaged);
    line(&ErrorObject { file: name(path), verdict, error: error.to_string() })
}

/// Returns a single object if one file was named, otherwise an array of all.
pub fn one_or_array(objects: Vec<String>, asked: usize) -> String {
    match objects.as_slice() {
        [object] if asked == 1 => format!("{object}\n"),
        objects => format!("[{}]\n", objects.join(",\n")),
    }
}

/// Returns `file`, and `fileBase64` if the path is not UTF-8.
fn name(path: &Path) -> Map<String, Value> {
    let mut object = Map::new();
    put_path(&mut object, "file", path);
    object
}

/// Formats a value as one line of JSON.
pub fn line(value: &impl Serialize) -> String {
    // Serializing plain data with text keys cannot fail.
    etcdsnap::to_json(value).unwrap_or_default()
}
