//! The TypeScript types of all answers, and the test that compares them with what serde writes.

use etcdsnap_core::{Code, Severity};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// A finding code with its severity, meaning and advice.
#[derive(Serialize)]
pub(crate) struct CodeInfo {
    code: Code,
    severity: Severity,
    meaning: &'static str,
    action: &'static str,
}

impl From<Code> for CodeInfo {
    fn from(code: Code) -> Self {
        Self { code, severity: code.severity(), meaning: code.meaning(), action: code.action() }
    }
}

/// Part of the generated `.d.ts`. The test below compares every interface in it with what serde writes, for
/// values with all optional members and for values with none.
#[cfg_attr(not(test), allow(dead_code, reason = "the macro below makes use of it on wasm32 alone"))]
const TYPES: &str = include_str!("types.ts");

/// The same for the store.
#[cfg_attr(not(test), allow(dead_code, reason = "the macro below makes use of it on wasm32 alone"))]
const BROWSE: &str = include_str!("browse.ts");

/// The same for objects.
#[cfg_attr(not(test), allow(dead_code, reason = "the macro below makes use of it on wasm32 alone"))]
const OBJECTS: &str = include_str!("objects.ts");

#[wasm_bindgen(typescript_custom_section)]
const SECTION: &'static str = TYPES;

/// The same for new files.
#[cfg_attr(not(test), allow(dead_code, reason = "the macro below makes use of it on wasm32 alone"))]
const REWRITING: &str = include_str!("rewriting.ts");

#[wasm_bindgen(typescript_custom_section)]
const REWRITING_SECTION: &'static str = REWRITING;

#[wasm_bindgen(typescript_custom_section)]
const BROWSE_SECTION: &'static str = BROWSE;

#[wasm_bindgen(typescript_custom_section)]
const OBJECTS_SECTION: &'static str = OBJECTS;

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use etcdsnap_core::kubernetes::lost_kinds::LostKind;
    use etcdsnap_core::needed_key::{NeededKey, Provider};
    use etcdsnap_core::needed_key_counts::NeededKeyCounts;
    use etcdsnap_core::{
        BucketStatus, Decrypted, FileKind, FileSummary, Finding, Findings, LostHistory, LostPrefix, Report, Revision,
        RevisionRange, Sha256Hex, Status, Trailer, Verdict,
    };
    use serde_json::Value;

    use super::*;
    use crate::rewrite_file::{CopyMade, Redacted, RedactedKind, Salvaged};

    /// Returns the members of each interface by name, with their types. Names keep a `?`.
    fn interfaces() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
        let mut out = BTreeMap::new();
        for block in
            [TYPES, BROWSE, OBJECTS, REWRITING].iter().flat_map(|types| types.split("export interface ").skip(1))
        {
            let (head, rest) = block.split_once('{').unwrap_or_default();
            let name = head.split_whitespace().next().unwrap_or_default();
            let body = rest.split_once('}').unwrap_or_default().0;
            let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("/**"));
            let members = lines.filter_map(|line| line.trim_end_matches(';').split_once(": ")).collect();
            out.insert(name, members);
        }
        out
    }

    /// Tells whether a value that serde wrote fits a TypeScript type. [`WIDE`] and [`NARROW`] tell the sizes of numbers apart.
    fn fits(value: &Value, kind: &str) -> bool {
        if let Some(inner) = kind.strip_suffix(" | null") {
            return value.is_null() || fits(value, inner);
        }
        if let Some(inner) = kind.strip_suffix("[]") {
            return value
                .as_array()
                .is_some_and(|items| !items.is_empty() && items.iter().all(|item| fits(item, inner)));
        }
        if let Some(inner) = kind.strip_prefix("Record<string, ").and_then(|rest| rest.strip_suffix('>')) {
            return value.as_object().is_some_and(|members| members.values().all(|member| fits(member, inner)));
        }
        match kind {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "bigint" => value.as_i64() == Some(WIDE),
            "number" => value.as_i64() == Some(NARROW),
            "Verdict" => ["sound", "warnings", "damaged"].contains(&value.as_str().unwrap_or_default()),
            "ChangeKind" => ["added", "removed", "changed"].contains(&value.as_str().unwrap_or_default()),
            "DatabasePart" => ["meta", "freelist", "bucketList", "bucket", "free", "lost", "unknown", "outside"]
                .contains(&value.as_str().unwrap_or_default()),
            "Severity" => ["warning", "damage"].contains(&value.as_str().unwrap_or_default()),
            interface => mismatch(value, interface).is_none(),
        }
    }

    /// Describes the first member that only one side has, or that has different types.
    pub(crate) fn mismatch(value: &Value, interface: &str) -> Option<String> {
        let interfaces = interfaces();
        let (Some(declared), Some(written)) = (interfaces.get(interface), value.as_object()) else {
            return Some(format!("{interface} is no interface, or the value no object"));
        };
        for (name, kind) in declared {
            match written.get(name.trim_end_matches('?')) {
                None if name.ends_with('?') => {}
                None => return Some(format!("{interface}.{name} is never written")),
                Some(member) if !fits(member, kind) => {
                    return Some(format!("{interface}.{name}: {kind} is written as {member}"));
                }
                Some(_) => {}
            }
        }
        let unknown = written
            .keys()
            .find(|name| !declared.contains_key(name.as_str()) && !declared.contains_key(format!("{name}?").as_str()));
        unknown.map(|name| format!("{interface}.{name} is not declared"))
    }

    /// The test value of every 64-bit number, which becomes a `bigint`.
    pub(crate) const WIDE: i64 = 64;
    /// The test value of every 32-bit number, which becomes a `number`.
    pub(crate) const NARROW: i64 = 32;

    // No `..Default::default()` in the literals below, so that a new member in core breaks the test.

    fn status(optional: bool) -> Status {
        let wide = WIDE as u64;
        Status {
            hash: NARROW as u32,
            revision: Revision::new(WIDE),
            total_key: wide,
            total_size: wide,
            version: String::new(),
            total_entries: wide,
            revisions: wide,
            tombstones: wide,
            phantoms: wide,
            compacted_revision: optional.then_some(Revision::new(WIDE)),
            scheduled_compact_revision: optional.then_some(Revision::new(WIDE)),
            consistent_index: optional.then_some(wide),
            term: optional.then_some(wide),
            cluster_version: optional.then(String::new),
            members: wide,
            leases: wide,
            page_size: NARROW as u32,
            pages: wide,
            free_pages: wide,
            file_size: wide,
            buckets: vec![BucketStatus { name: String::new(), entries: wide, bytes: wide, pages: wide }],
            encrypted: if optional { encrypted() } else { NeededKeyCounts::default() },
            complete: true,
        }
    }

    fn report(optional: bool) -> Report {
        let mut findings = Findings::default();
        for _ in 0..WIDE {
            let finding = Finding::new(Code::KeyOrder, "message");
            let whole = finding
                .clone()
                .page(etcdsnap_core::PageId::new(WIDE as u64))
                .offset(etcdsnap_core::Offset::new(WIDE as u64))
                .key(b"key");
            let whole = Finding { because: Some(Code::PageCycle), ..whole };
            findings.push(if optional { whole } else { finding });
        }
        let digest = optional.then(|| Sha256Hex(String::from("00")));
        Report {
            verdict: Verdict::Damaged,
            findings,
            trailer: Trailer { present: true, expected: digest.clone(), actual: digest, matches_if_cut: false },
            status: optional.then(|| status(true)),
            lost: optional.then(lost_history),
            decrypted: optional.then(|| Decrypted { opened: encrypted(), unopened: encrypted() }),
        }
    }

    fn encrypted() -> NeededKeyCounts {
        let mut tally = NeededKeyCounts::default();
        tally.add(&NeededKey { provider: Provider::AesCbc, name: String::new() }, WIDE as u64);
        tally
    }

    fn lost_history() -> LostHistory {
        let wide = Revision::new(WIDE);
        let range = RevisionRange { from: wide, to: Some(wide) };
        LostHistory {
            missing: vec![range],
            missing_count: WIDE as u64,
            unreadable: vec![range],
            keys: vec![String::new()],
            key_count: WIDE as u64,
            prefixes: vec![LostPrefix { prefix: String::new(), keys: WIDE as u64 }],
        }
    }

    #[test]
    fn new_files_have_their_declared_shapes() {
        let wide = WIDE as u64;
        for optional in [true, false] {
            let kinds = vec![RedactedKind { kind: String::new(), values: wide, replaced: wide }];
            let redacted = Redacted { kinds, others: wide, encrypted: wide, passwords: wide, users_left_out: wide };
            let salvaged = Salvaged {
                whole: true,
                revision: Revision::new(WIDE),
                missing_revisions: wide,
                unread_places: wide,
                end_is_lost: true,
                left_out: wide,
                broken_keys: wide,
                doubtful_keys: wide,
                unproven: wide,
                raised_to: optional.then_some(Revision::new(WIDE)),
                buckets: vec![String::new()],
                auth_was_reset: true,
            };
            let made = CopyMade {
                bytes: wide,
                entries_before: wide,
                entries: wide,
                redacted: optional.then_some(redacted),
                compacted: optional.then_some(Revision::new(WIDE)),
                salvaged: optional.then_some(salvaged),
            };
            assert_eq!(mismatch(&serde_json::to_value(made).unwrap_or_default(), "CopyMade"), None);
        }
    }

    #[test]
    fn the_types_are_what_serde_writes() {
        for optional in [true, false] {
            let checks = [
                ("Report", serde_json::to_value(report(optional))),
                ("LostHistory", serde_json::to_value(lost_history())),
                (
                    "LostKind",
                    serde_json::to_value(LostKind { kind: String::new(), namespace: String::new(), keys: WIDE as u64 }),
                ),
                ("Status", serde_json::to_value(status(optional))),
                ("FileSummary", serde_json::to_value(summarize(optional))),
                ("CodeInfo", serde_json::to_value(CodeInfo::from(Code::KeyOrder))),
            ];
            for (interface, value) in checks {
                assert_eq!(mismatch(&value.unwrap_or_default(), interface), None);
            }
        }
    }

    fn summarize(optional: bool) -> FileSummary {
        let wide = optional.then_some(WIDE as u64);
        FileSummary {
            kind: FileKind::Bolt,
            file_size: WIDE as u64,
            page_size: optional.then_some(NARROW as u32),
            total_size: wide,
            txid: wide,
            buckets: vec![String::from("key")],
            trailer: true,
        }
    }
}
