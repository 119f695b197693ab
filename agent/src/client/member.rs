//! The status of members, and the choice of the member from which to take a snapshot.

use etcdsnap_core::Revision;
use std::cmp::Reverse;
use std::time::Duration;

use etcdsnap_proto::etcdserverpb::cluster_client::ClusterClient;
use etcdsnap_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcdsnap_proto::etcdserverpb::{self, HashKvRequest, MemberListRequest, StatusRequest};
use tokio::time::timeout;

use super::client_error::ClientError;
use super::connect::Client;

/// A member that lags by at most this many entries counts as up to date: under load, the answers come from slightly different moments.
const MAX_LAG: u64 = 1_000;

/// The status of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The endpoint that answered.
    pub endpoint: String,
    /// Its cluster's id.
    pub cluster_id: u64,
    /// Its own id.
    pub member_id: u64,
    /// Its name, if known.
    pub name: Option<String>,
    /// The version of etcd that it runs.
    pub version: String,
    /// The latest revision.
    pub revision: Revision,
    /// Bytes of its database, free pages included.
    pub database_size: u64,
    /// Bytes of its database that are in use.
    pub database_in_use: u64,
    /// The index up to which it has applied the log; for 3.3, which does not report that, the commit index.
    pub applied: u64,
    /// The index up to which it has applied the log, if it reports that.
    pub applied_index: Option<u64>,
    /// Whether it is the leader.
    pub is_leader: bool,
    /// Whether it is a learner.
    pub is_learner: bool,
    /// Whether it has a leader.
    pub has_leader: bool,
    /// Whether there is a corruption alarm for it.
    pub is_corrupt: bool,
}

/// A member as it appears in the list of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMember {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it was started for the first time.
    pub name: String,
    /// The client URLs that it advertises.
    pub client_urls: Vec<String>,
    /// Whether it is a learner, without a vote.
    pub is_learner: bool,
}

/// A member's hash of all keys and their history up to a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreHash {
    /// The member that computed it.
    pub member_id: u64,
    /// The CRC-32C.
    pub hash: u32,
    /// The compaction revision, or [`Revision::NONE`]: only hashes with the same compaction revision can be compared.
    pub compact_revision: Revision,
}

impl Member {
    /// Lists reasons to doubt a snapshot of this member.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let doubts = [
            (self.is_corrupt, "it has a corruption alarm: compare with another member's snapshot"),
            (
                !self.has_leader,
                "it has no leader: the cluster has lost its quorum, or this member is cut off, and its data may be outdated",
            ),
            (self.is_learner, "it is a learner, and may lag behind the others"),
        ];
        let raised = doubts.into_iter().filter(|(is, _)| *is);
        raised.map(|(_, doubt)| format!("{}: {doubt}", self.endpoint)).collect()
    }
}

impl Client {
    /// Asks the server for its status. Renews an expired token.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn status(&mut self) -> Result<Member, ClientError> {
        match self.ask().await {
            Err(error) if self.can_renew_token(&error) => {
                self.authenticate().await?;
                self.ask().await
            }
            outcome => outcome,
        }
    }

    async fn ask(&self) -> Result<Member, ClientError> {
        let call = async {
            let answer = MaintenanceClient::new(self.channel.clone()).status(self.request(StatusRequest {})).await;
            answer.map_err(|status| self.failed(&status))
        };
        let answer = self.within_request_timeout("the question for its status", call).await?.into_inner();
        let header = answer.header.unwrap_or_default();
        Ok(Member {
            endpoint: self.endpoint().to_owned(),
            cluster_id: header.cluster_id,
            member_id: header.member_id,
            name: None,
            version: answer.version,
            revision: Revision::new(header.revision),
            database_size: u64::try_from(answer.db_size).unwrap_or_default(),
            database_in_use: u64::try_from(answer.db_size_in_use).unwrap_or_default(),
            applied_index: Some(answer.raft_applied_index).filter(|index| *index != 0),
            applied: if answer.raft_applied_index == 0 { answer.raft_index } else { answer.raft_applied_index },
            is_leader: answer.leader != 0 && answer.leader == header.member_id,
            is_learner: answer.is_learner,
            has_leader: answer.leader != 0,
            is_corrupt: answer.errors.iter().any(|error| is_corruption_of(error, header.member_id)),
        })
    }

    /// Asks for the hash at a revision. The server blocks writes while it computes it. Renews an expired token.
    ///
    /// # Errors
    /// When it does not answer within `limit`, does not have that revision, or refuses.
    pub async fn store_hash(&mut self, revision: Revision, limit: Duration) -> Result<StoreHash, ClientError> {
        match self.ask_hash(revision, limit).await {
            Err(error) if self.can_renew_token(&error) => {
                self.authenticate().await?;
                self.ask_hash(revision, limit).await
            }
            outcome => outcome,
        }
    }

    async fn ask_hash(&self, revision: Revision, limit: Duration) -> Result<StoreHash, ClientError> {
        let mut server = MaintenanceClient::new(self.channel.clone());
        let answer = timeout(limit, server.hash_kv(self.request(HashKvRequest { revision: revision.get() }))).await;
        let request = "the question for its hash";
        let late = |_| ClientError::Unanswered { endpoint: self.endpoint().to_owned(), request, limit };
        let answer = answer.map_err(late)?.map_err(|status| self.failed(&status))?.into_inner();
        let member_id = answer.header.unwrap_or_default().member_id;
        Ok(StoreHash { member_id, hash: answer.hash, compact_revision: Revision::new(answer.compact_revision) })
    }

    /// Returns the members of the cluster according to the server; `None` if the server does not list them.
    pub async fn members(&self) -> Option<Vec<ListedMember>> {
        let mut cluster = ClusterClient::new(self.channel.clone());
        let call = cluster.member_list(self.request(MemberListRequest { linearizable: false }));
        let answer = timeout(self.request_timeout, call).await.ok()?.ok()?;
        let listed = answer.into_inner().members.into_iter();
        let of = |member: etcdserverpb::Member| ListedMember {
            id: member.id,
            name: member.name,
            client_urls: member.client_ur_ls,
            is_learner: member.is_learner,
        };
        Some(listed.map(of).collect())
    }
}

/// Whether an error in a status is the corruption alarm of this member: `memberID:… alarm:CORRUPT`.
fn is_corruption_of(error: &str, member: u64) -> bool {
    let id = error.split("memberID:").nth(1).map_or("", |rest| rest.split_whitespace().next().unwrap_or(""));
    error.contains("CORRUPT") && id.parse().is_ok_and(|id: u64| id == member || id == 0)
}

/// Sorts the healthiest member to the front: no corruption alarm, has a leader, up to date, not a learner, not the leader (which has the most work).
pub(crate) fn rank(members: &mut [Member]) {
    let most = members.iter().map(|member| member.applied).max().unwrap_or_default();
    members.sort_by_key(|member| {
        let behind = most.saturating_sub(member.applied) > MAX_LAG;
        (member.is_corrupt, !member.has_leader, behind, member.is_learner, member.is_leader, Reverse(member.applied))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(endpoint: &str, applied: u64) -> Member {
        Member {
            endpoint: endpoint.into(),
            cluster_id: 1,
            member_id: 2,
            name: None,
            version: "3.7.3".into(),
            revision: Revision::FIRST,
            database_size: 1,
            database_in_use: 1,
            applied,
            applied_index: Some(applied),
            is_leader: false,
            is_learner: false,
            has_leader: true,
            is_corrupt: false,
        }
    }

    #[test]
    fn the_healthiest_comes_first() {
        let mut members = vec![
            Member { is_corrupt: true, ..member("corrupt", 9_000) },
            Member { has_leader: false, ..member("cut off", 9_000) },
            Member { is_leader: true, ..member("leader", 9_010) },
            Member { is_learner: true, ..member("learner", 9_000) },
            member("behind", 1_000),
            member("a little behind", 8_990),
            member("level", 9_000),
        ];
        rank(&mut members);
        let order: Vec<_> = members.iter().map(|member| member.endpoint.as_str()).collect();
        assert_eq!(order, ["level", "a little behind", "leader", "learner", "behind", "cut off", "corrupt"]);
    }

    #[test]
    fn a_corruption_alarm_counts_for_its_member_alone() {
        assert!(is_corruption_of("memberID:2 alarm:CORRUPT ", 2));
        assert!(is_corruption_of("memberID:2  alarm:CORRUPT", 2));
        assert!(is_corruption_of("alarm:CORRUPT memberID:0", 2));
        assert!(!is_corruption_of("memberID:22 alarm:CORRUPT ", 2));
        assert!(!is_corruption_of("memberID:2 alarm:NOSPACE ", 2));
        assert!(!is_corruption_of("etcdserver: no leader", 2));
    }
}
