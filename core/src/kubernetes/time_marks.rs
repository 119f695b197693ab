//! Collects the times in a snapshot's objects, and computes the line through them.

use super::decode::Options;
use super::envelope::{Envelope, envelope};
use super::object;
use super::object_tree::Node;
use super::special_types::parse_rfc3339;
use super::time_line::{Clock, TimeLine, TimeMark};
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::source::Source;
use crate::store::Store;

/// Maximum length of a value that is read, in bytes: one object in a few hundred is enough.
const MAX_VALUE: usize = 64 << 10;

/// Maximum number of bytes that are decoded. Objects of 4 KiB need a quarter of it.
const MAX_BYTES: usize = 64 << 20;

/// Estimates when the revisions of a store were written, from a sample of its objects; `None` if no object contains a time, as in a store without Kubernetes objects or an encrypted one.
///
/// # Errors
/// When bytes cannot be read.
pub fn time_line<S: Source + ?Sized>(store: &Store<'_, S>) -> Result<Option<TimeLine>, Error> {
    let mut marks = Vec::new();
    let mut left = MAX_BYTES;
    store.sample(&mut |entry| {
        if entry.key.tombstone || entry.value.len() > left {
            return;
        }
        let Some(pair) = KeyValue::parse(entry.value).filter(|pair| pair.value.len() <= MAX_VALUE) else { return };
        left = left.saturating_sub(entry.value.len());
        read(pair.value, pair.create_revision, entry.key.revision.main, &mut marks);
    })?;
    Ok(TimeLine::of(marks))
}

/// Appends the marks in an object that was written at `revision` and whose key was created at `created`.
pub fn read(value: &[u8], created: Revision, revision: Revision, marks: &mut Vec<TimeMark>) {
    let only_metadata = match envelope(value) {
        Envelope::Protobuf(message) => !matches!(message.kind, "Lease" | "Event"),
        Envelope::Json(_) => true,
        _ => return,
    };
    let Ok((object, _)) = object::tree(value, Options { only_metadata, ..Options::default() }) else { return };
    let time = |path: &[&str]| object.at(path).and_then(seconds);
    let mut add = |revision, seconds, clock| marks.push(TimeMark { revision, seconds, clock });
    let creation = time(&["metadata", "creationTimestamp"]);
    // A key's create revision is that of its first put; the server sets `creationTimestamp` right before it.
    if let Some(creation) = creation.filter(|_| (Revision::FIRST..=revision).contains(&created)) {
        add(created, creation, Clock::Creation);
    }
    let clock = match object.get("kind").and_then(Node::text) {
        Some("Lease") => time(&["spec", "renewTime"]),
        Some("Event") if revision > created => {
            time(&["series", "lastObservedTime"]).or_else(|| time(&["lastTimestamp"])).or_else(|| time(&["eventTime"]))
        }
        _ => None,
    };
    if let Some(clock) = clock {
        return add(revision, clock, Clock::Node);
    }
    let managers = object.at(&["metadata", "managedFields"]).map(Node::items).unwrap_or_default();
    let newest = managers.iter().filter_map(|manager| seconds(manager.get("time")?)).max();
    if let Some(newest) = newest.filter(|newest| creation.is_none_or(|creation| *newest > creation)) {
        add(revision, newest, Clock::Managed);
    }
}

fn seconds(node: &Node<'_>) -> Option<i64> {
    parse_rfc3339(node.text()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(json: &str, created: i64, revision: i64) -> Vec<(i64, i64, Clock)> {
        let mut marks = Vec::new();
        read(json.as_bytes(), Revision::new(created), Revision::new(revision), &mut marks);
        marks.iter().map(|mark| (mark.revision.get(), mark.seconds, mark.clock)).collect()
    }

    #[test]
    fn each_clock_is_read_where_it_stands() {
        let pod = r#"{"kind":"Pod","metadata":{"creationTimestamp":"1970-01-01T00:00:10Z","managedFields":[{"time":"1970-01-01T00:00:10Z"},{"time":"1970-01-01T00:00:40Z"}]}}"#;
        assert_eq!(marks(pod, 5, 9), [(5, 10, Clock::Creation), (9, 40, Clock::Managed)]);
        // No field was changed after the creation.
        let fresh = r#"{"metadata":{"creationTimestamp":"1970-01-01T00:00:10Z","managedFields":[{"time":"1970-01-01T00:00:10Z"}]}}"#;
        assert_eq!(marks(fresh, 5, 9), [(5, 10, Clock::Creation)]);
        let lease = r#"{"kind":"Lease","metadata":{"creationTimestamp":"1970-01-01T00:00:10Z"},"spec":{"renewTime":"1970-01-01T00:01:00.000001Z"}}"#;
        assert_eq!(marks(lease, 5, 9), [(5, 10, Clock::Creation), (9, 60, Clock::Node)]);
        let event = r#"{"kind":"Event","metadata":{"creationTimestamp":"1970-01-01T00:00:10Z"},"lastTimestamp":"1970-01-01T00:00:50Z"}"#;
        assert_eq!(marks(event, 5, 9), [(5, 10, Clock::Creation), (9, 50, Clock::Node)]);
        assert_eq!(marks(event, 9, 9), [(9, 10, Clock::Creation)]);
        // A damaged entry may have a create revision after its own revision.
        assert_eq!(marks(event, 12, 9), []);
        for nothing in ["{}", "{", "k8s:enc:aescbc:v1:key1:x", "10.0.0.1"] {
            assert_eq!(marks(nothing, 1, 2), [], "{nothing}");
        }
    }
}
