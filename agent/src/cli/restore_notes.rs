//! What a person should know of a restored data directory before etcd is started on it.

use etcdsnap::Restored;

use super::render::wrap;

/// The notes, a paragraph each.
pub fn notes(restored: &Restored) -> String {
    let mut notes = vec![format!("etcd {} or newer starts on it.", restored.oldest_etcd)];
    if restored.empty {
        notes.push("The store is empty: it holds no key. Look whether this is the snapshot that you mean.".into());
    }
    for alarm in &restored.alarms {
        let first = match alarm.as_str() {
            "NOSPACE" => "free room (compact, defragment) or raise --quota-backend-bytes, then ",
            _ => "compare with snapshots of the other members, then ",
        };
        notes.push(format!(
            "The alarm {alarm} was raised and is restored, too: etcd refuses writes. Once it runs, {first}run `etcdctl alarm disarm`."
        ));
    }
    if restored.has_leases {
        notes.push(
            "There are leases. Each gets its full time again when etcd starts, so keys that should have expired since the snapshot live that long once more."
                .into(),
        );
    }
    notes.iter().map(|note| wrap("  - ", "    ", note)).collect()
}

#[cfg(test)]
mod tests {
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
            revision_before: 7,
            revision_after: 7,
            database_size: 0,
            quota_backend_bytes: None,
            pages_changed: 0,
            sha256_checked: true,
            oldest_etcd: "3.7".into(),
            alarms: Vec::new(),
            empty: false,
            has_leases: false,
            written: true,
        }
    }

    #[test]
    fn only_what_is_there_is_noted() {
        assert_eq!(notes(&restored()), "  - etcd 3.7 or newer starts on it.\n");
        let all =
            Restored { alarms: vec!["CORRUPT".into(), "NOSPACE".into()], empty: true, has_leases: true, ..restored() };
        let said = notes(&all).split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "holds no key",
            "alarm CORRUPT was raised",
            "raise --quota-backend-bytes",
            "alarm disarm",
            "full time again",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
