//! Builds the `.snap` file: a raft snapshot whose data is an etcd v2 store, in JSON, with the members of the cluster.
//!
//! etcd 3.4 and 3.5 read their members from it, later versions from the database. Source: etcd's `api/v2store`
//! (`store.go`, `node.go`) and `api/snap/snapshotter.go`. The file has only the parts of the v2 store that etcd
//! reads back, without statistics and event history.

use etcdsnap_proto::raftpb;
use etcdsnap_proto::snappb;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::crc::crc32c;
use crate::restore::TERM;
use crate::restore::membership::Cluster;
use crate::restore::wal::conf_state;

/// Returns the file's name: term and index.
#[must_use]
pub fn file_name(cluster: &Cluster) -> String {
    format!("{TERM:016x}-{:016x}.snap", cluster.commit())
}

/// Returns the file's contents.
#[must_use]
pub fn file(cluster: &Cluster) -> Vec<u8> {
    let metadata = raftpb::SnapshotMetadata {
        conf_state: Some(conf_state(cluster)),
        index: Some(cluster.commit()),
        term: Some(TERM),
    };
    let snapshot = raftpb::Snapshot { data: Some(store(cluster).to_string().into_bytes()), metadata: Some(metadata) };
    let data = snapshot.encode_to_vec();
    snappb::Snapshot { crc: Some(crc32c(&data)), data: Some(data) }.encode_to_vec()
}

/// Builds the v2 store: `/0/members/<id>/raftAttributes` holds a member's peer URLs.
fn store(cluster: &Cluster) -> Value {
    let mut members = Map::new();
    for (index, member) in (1_u64..).zip(&cluster.members) {
        let path = format!("/0/members/{}", member.hex());
        let attributes = json!({ "peerURLs": member.peer_urls }).to_string();
        let leaf = node(&format!("{path}/raftAttributes"), index, &attributes, Value::Null);
        members.insert(member.hex(), node(&path, index, "", json!({ "raftAttributes": leaf })));
    }
    let members = node("/0/members", 1, "", Value::Object(members));
    let children = json!({
        "0": node("/0", 0, "", json!({ "members": members })),
        "1": node("/1", 0, "", json!({})),
    });
    json!({ "Root": node("/", 0, "", children), "CurrentIndex": cluster.commit(), "CurrentVersion": 2 })
}

fn node(path: &str, index: u64, value: &str, children: Value) -> Value {
    json!({
        "Path": path,
        "CreatedIndex": index,
        "ModifiedIndex": index,
        "ExpireTime": "0001-01-01T00:00:00Z",
        "Value": value,
        "Children": children,
    })
}
