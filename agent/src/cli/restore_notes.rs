//! Notes about a restored data directory, to read before etcd starts on it.

use etcdsnap::Restored;
use etcdsnap::core::key_syntax::key_text;
use etcdsnap::grouped_number::{counted, grouped, grouped_positive, grouped_revision};

use super::render::wrap;

/// Formats the notes, one paragraph each.
pub fn notes(restored: &Restored) -> String {
    let mut notes = vec![format!("etcd {} or newer starts on it.", restored.oldest_etcd)];
    if restored.is_damaged {
        notes.push(
            "The database is damaged (--force): what cannot be read of it is missing, and etcd may stop when it reads there. `etcdsnap verify --all` of the snapshot lists the damage; `etcdsnap salvage` makes a sound file of the readable part."
                .into(),
        );
    }
    if restored.empty {
        notes.push("The store is empty: it holds no key. Check that this is the right snapshot.".into());
    }
    for alarm in &restored.alarms {
        let first = match alarm.as_str() {
            "NOSPACE" => "free space (compact, defragment) or raise --quota-backend-bytes, then ",
            _ => "compare with snapshots of the other members, then ",
        };
        notes.push(format!(
            "The alarm {alarm} was raised and is restored, too: etcd refuses writes. Once it runs, {first}run `etcdctl alarm disarm`."
        ));
    }
    if restored.has_leases {
        notes.push(
            "There are leases. Each gets its full time to live again when etcd starts, so keys that should have expired since the snapshot live that long once more."
                .into(),
        );
    }
    notes.extend(state_notes(restored));
    notes.iter().map(|note| wrap("  - ", "    ", note)).collect()
}

/// Keys named in a note at most.
const MAX_NAMED_KEYS: usize = 10;

/// Describes the differences from the latest state of the snapshot.
fn state_notes(restored: &Restored) -> Vec<String> {
    let changes = &restored.changes;
    let mut notes = Vec::new();
    let entries = changes.entries_before.zip(changes.entries);
    let entries = entries.map_or(String::new(), |(before, kept)| {
        format!("{} of {} of the history were restored", grouped(kept), counted(before, "entry", "entries"))
    });
    if let Some(revision) = changes.as_of_revision {
        notes.push(format!(
            "The keys are as they were at revision {}: {entries}. Users, roles, alarms and leases have no history and are as they were at the latest revision.",
            grouped_revision(revision)
        ));
        if revision < restored.revision_before && restored.revision_after <= restored.revision_before {
            notes.push(format!(
                "The revision was not raised (--no-bump). Clients may know revisions up to {} and later from before, and take old data for new: restart all of them, API servers and controllers included.",
                grouped_revision(restored.revision_before)
            ));
        }
    }
    if let Some(revision) = changes.compacted_revision {
        let entries = if changes.as_of_revision.is_none() { format!(": {entries}") } else { String::new() };
        notes.push(format!(
            "What a compaction at revision {} removes was left out{entries}.",
            grouped_revision(revision)
        ));
    }
    if !changes.deleted_keys.is_empty() {
        let count = changes.deleted_keys.len() as u64;
        notes.push(format!(
            "{} deleted: {}.",
            counted(count, "key is", "keys are"),
            named(&changes.deleted_keys, count)
        ));
    }
    if let Some(first) = changes.new_leases.first() {
        let keys = changes.new_leases.iter().fold(0, |sum: u64, lease| sum.saturating_add(lease.keys));
        notes.push(format!(
            "{} gone since, and granted again for {} seconds (--lease-ttl), because {} on {} and would live forever: {}.",
            counted(changes.new_leases.len() as u64, "lease is", "leases are"),
            grouped_positive(first.ttl),
            counted(keys, "key depends", "keys depend"),
            if changes.new_leases.len() == 1 { "it" } else { "them" },
            named(&changes.new_lease_keys.iter().map(|leased| leased.key.clone()).collect::<Vec<_>>(), keys)
        ));
    }
    notes
}

/// Lists the first of `count` keys.
fn named(keys: &[Vec<u8>], count: u64) -> String {
    let first: Vec<String> = keys.iter().take(MAX_NAMED_KEYS).map(|key| key_text(key)).collect();
    let more = count.saturating_sub(first.len() as u64);
    let more = if more == 0 { String::new() } else { format!(", and {} more (-w json has a thousand)", grouped(more)) };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use etcdsnap::core::Revision;
    use etcdsnap::{LeasedKey, NewLease, StateChanges};

    use super::*;

    fn restored() -> Restored {
        Restored {
            data_dir: "d".into(),
            wal_dir: "w".into(),
            start_file: None,
            name: "n".into(),
            member_id: "1".into(),
            cluster_id: "2".into(),
            initial_cluster: String::new(),
            initial_cluster_token: String::new(),
            peer_urls: Vec::new(),
            listen_peer_urls: Vec::new(),
            advertise_client_urls: Vec::new(),
            listen_client_urls: Vec::new(),
            revision_before: Revision::new(7),
            revision_after: Revision::new(7),
            database_size: 0,
            quota_backend_bytes: None,
            pages_changed: 0,
            sha256_checked: true,
            is_damaged: false,
            oldest_etcd: "3.7".into(),
            alarms: Vec::new(),
            empty: false,
            has_leases: false,
            changes: StateChanges::default(),
            written: true,
        }
    }

    #[test]
    fn a_past_state_is_reported_with_its_consequences() {
        let lease = |id: &str, keys| NewLease { id: id.into(), ttl: 3600, keys };
        let changes = StateChanges {
            as_of_revision: Some(Revision::new(5)),
            compacted_revision: Some(Revision::new(5)),
            entries_before: Some(9),
            entries: Some(1),
            deleted_keys: vec![b"/webhook".to_vec()],
            new_leases: vec![lease("a", 1), lease("b", 11)],
            new_lease_keys: (0..12)
                .map(|number| LeasedKey { key: format!("k{number}").into_bytes(), lease: "a".into() })
                .collect(),
        };
        let said = |restored: &Restored| notes(restored).split_whitespace().collect::<Vec<_>>().join(" ");
        let all = said(&Restored { revision_after: Revision::new(5), changes: changes.clone(), ..restored() });
        for part in [
            "The keys are as they were at revision 5: 1 of 9 entries of the history were restored.",
            "The revision was not raised (--no-bump). Clients may know revisions up to 7",
            "What a compaction at revision 5 removes was left out.",
            "1 key is deleted: /webhook.",
            "2 leases are gone since, and granted again for 3,600 seconds (--lease-ttl), because 12 keys depend on them and would live forever: k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, and 2 more",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        let raised = said(&Restored { revision_after: Revision::new(1007), changes, ..restored() });
        assert!(!raised.contains("not raised"), "{raised}");
    }

    #[test]
    fn notes_are_only_about_existing_things() {
        assert_eq!(notes(&restored()), "  - etcd 3.7 or newer starts on it.\n");
        let all =
            Restored { alarms: vec!["CORRUPT".into(), "NOSPACE".into()], empty: true, has_leases: true, ..restored() };
        let said = notes(&all).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "holds no key",
            "alarm CORRUPT was raised",
            "raise --quota-backend-bytes",
            "alarm disarm",
            "full time to live again",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
