//! Asks the members of a cluster whether they have the same data as a snapshot.
//!
//! Each is asked for its `HashKV`, a hash of all keys and their history, at the snapshot's revision. Two hashes can be compared if the last compaction was the same.
//! Members are asked one after the other, because a server blocks writes while it computes that hash.

use etcdsnap_core::Revision;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::comparison::{ComparedMember, Comparison, Outcome};
use super::reach_members::reach;
use super::save_config::{Compare, SaveVerify};
use super::save_report::Saved;
use super::{SaveJob, StoppableProgress};
use crate::client::{Client, ClientError, ListedMember, Member, StoreHash};
use crate::grouped_number::grouped_revision;
use crate::progress::{NoProgress, Progress};
use crate::snapshot::Snapshot;

/// Time limit for reaching members, in addition to the dial timeout. A dial timeout above the maximum does not count: the file is already in place, and one unreachable member
/// should not delay the user for minutes.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for a member to return the hash of a small database, including a little lag.
const HASH_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes per second that a server hashes at least.
const MIN_BYTES_HASHED_PER_SECOND: u64 = 100_000_000;

/// Up to this many bytes in use, members are asked by default. A database of 650 MB with 2.5 million keys blocked writes for 4.4 s
/// on a busy machine with two processors.
const MAX_USUAL_BYTES: u64 = 256 << 20;

/// Members that are asked at most; clusters have seven. The list comes from a server, and must not keep the client busy endlessly.
const MAX_MEMBERS: usize = 32;

/// How long a member may lag behind the snapshot.
const MAX_LAG: Duration = Duration::from_secs(2);

/// The pause before a member is asked again if it lags behind, or its data seem to differ.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The facts about a saved snapshot that the comparison needs.
pub(super) struct ComparisonInput<'s> {
    pub saved: &'s Saved,
    /// The file, if there is one.
    pub file: Option<&'s File>,
    /// The member that sent it.
    pub source: &'s Member,
    /// All members, as listed by that one.
    pub listed: &'s [ListedMember],
    /// The endpoints that the caller named.
    pub endpoints: &'s [String],
    /// A revision that the snapshot contains.
    pub revision: Revision,
    /// The end of the time limit.
    pub deadline: Option<Instant>,
}

impl SaveJob<'_> {
    /// Compares the snapshot from `client` with the members of its cluster. `None` if there are no others, or comparing is disabled.
    pub(super) async fn compare(&self, client: &mut Client, input: &ComparisonInput<'_>) -> Option<Comparison> {
        let source = input.source.member_id;
        let is_wanted = self.config.compare != Compare::Never
            && self.config.verify != SaveVerify::None
            && input.saved.sha256_matches;
        // Learners do not answer requests for a hash.
        let mut listed: Vec<&ListedMember> =
            input.listed.iter().filter(|member| !member.is_learner || member.id == source).collect();
        listed.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        let others: Vec<_> = listed.iter().filter(|member| member.id != source).map(|&member| member.clone()).collect();
        if !is_wanted || others.is_empty() || self.stop.is_cancelled() {
            return None;
        }
        let members = listed.iter().map(|member| ComparedMember::new(member, source)).collect();
        let mut comparison = Comparison { revision: input.revision, hash: None, members };
        let size = match input.source.database_in_use {
            0 => input.source.database_size,
            in_use => in_use,
        };
        let reason = if !should_compare(self.config.compare, size) {
            "the database is large, and a member blocks writes while it computes its hash; --compare compares all the same"
        } else if others.len() > MAX_MEMBERS {
            "the cluster has too many members"
        } else {
            let answer = HASH_TIMEOUT.saturating_add(Duration::from_secs(size / MIN_BYTES_HASHED_PER_SECOND));
            let reach = REACH_TIMEOUT.saturating_add(self.config.client.dial_timeout.min(MAX_DIAL_TIMEOUT));
            // One hash from each other member and from the snapshot's own, and one more where hashes differ.
            let requests = u32::try_from(others.len().saturating_add(1)).unwrap_or(u32::MAX).saturating_mul(2);
            let limit = reach.saturating_add(answer.saturating_mul(requests)).saturating_add(MAX_LAG);
            let end = Instant::now().checked_add(limit).into_iter().chain(input.deadline).min();
            let late = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.ask(client, input, &others, (reach, answer), &mut comparison) => "it was not asked",
                () = late => "there was no time left",
                () = self.stop.cancelled() => "the run was stopped",
            }
        };
        for member in comparison.members.iter_mut().filter(|member| member.outcome == Outcome::NotCompared) {
            member.reason.get_or_insert_with(|| reason.to_owned());
        }
        Some(comparison)
    }

    /// Adds each member's answer to the comparison as it arrives.
    async fn ask(
        &self,
        client: &mut Client,
        input: &ComparisonInput<'_>,
        others: &[ListedMember],
        (reach_limit, limit): (Duration, Duration),
        comparison: &mut Comparison,
    ) {
        let revision = input.revision;
        let reaching = reach(&self.config.client, input.endpoints, client.is_encrypted(), others, reach_limit);
        let (mut reached, own, file) =
            tokio::join!(reaching, client.store_hash(revision, limit), self.hash_of_file(input, revision));
        let own_hash = own.as_ref().ok().copied();
        comparison.hash = file.or(own_hash).map(|reference| reference.hash);
        // If there are no keys, etcd's hash includes what a compaction has not removed yet, so hashes of the same data differ for a while.
        let is_settled = input.saved.total_key != Some(0);
        let mut reference = Reference { client, file, own_hash, revision, limit };
        for member in &mut comparison.members {
            if member.is_source {
                member.endpoint = Some(input.saved.endpoint.clone());
                match &own {
                    Ok(own) => {
                        let same = match file {
                            Some(file) if file.compact_revision == own.compact_revision && file.hash != own.hash => {
                                !reference.source_still_differs().await
                            }
                            // This hash stands for the file, whose SHA-256 proves that this member sent it.
                            _ => true,
                        };
                        member.set_hash(own, Some(!same));
                    }
                    Err(error) => member.reason = Some(refusal_reason(error)),
                }
                continue;
            }
            let id = u64::from_str_radix(&member.member_id, 16).unwrap_or_default();
            match reached.remove(&id) {
                Some(Ok(mut other)) => {
                    member.endpoint = Some(other.endpoint().to_owned());
                    reference.compare(&mut other, member, is_settled).await;
                }
                Some(Err(reason)) => member.reason = Some(reason),
                None if others.iter().any(|other| other.id == id && other.client_urls.is_empty()) => {
                    member.reason = Some("it advertises no address".into());
                }
                None => {
                    let limit = humantime::format_duration(reach_limit);
                    member.reason = Some(format!("it was not reached within {limit}"));
                }
            }
        }
    }

    /// Computes the hash of the file. A compressed file would have to be unpacked, and a stream is gone; then the hash from its own member stands for it, since the SHA-256
    /// proves that this member sent it.
    async fn hash_of_file(&self, input: &ComparisonInput<'_>, revision: Revision) -> Option<StoreHash> {
        if self.config.compression.is_some() || input.saved.total_key == Some(0) {
            return None;
        }
        let (file, path) = (input.file?.try_clone().ok()?, input.saved.file.clone());
        let stoppable = StoppableProgress { progress: Arc::new(NoProgress), stop: self.stop.clone() };
        tokio::task::spawn_blocking(move || hash_of(file, &path, revision, &stoppable)).await.ok().flatten()
    }
}

fn hash_of(file: File, path: &Path, revision: Revision, progress: &dyn Progress) -> Option<StoreHash> {
    let snapshot = Snapshot::of_file(file, path, progress).ok()?;
    let store = snapshot.store().ok()?;
    let (found, lost) = snapshot.hashkv(&store, store.at(revision).ok()?, progress).ok()?;
    let whole = lost.places == 0 && store.is_whole();
    whole.then_some(StoreHash { member_id: 0, hash: found.hash, compact_revision: found.compact_revision })
}

/// The hashes with which members are compared.
struct Reference<'c> {
    /// The connection to the snapshot's own member, which may be asked again: a compaction makes older answers useless.
    client: &'c mut Client,
    file: Option<StoreHash>,
    /// That member's last answer.
    own_hash: Option<StoreHash>,
    revision: Revision,
    /// Time limit for one answer.
    limit: Duration,
}

impl Reference<'_> {
    /// Whether a hash differs; `None` if it cannot be compared.
    fn differs(&self, theirs: &StoreHash) -> Option<bool> {
        let fits = |reference: &&StoreHash| reference.compact_revision == theirs.compact_revision;
        let reference = [&self.file, &self.own_hash].into_iter().flatten().find(fits)?;
        Some(reference.hash != theirs.hash)
    }

    /// Compares another member and stores the result. If its hash differs, both sides are asked once more.
    async fn compare(&mut self, other: &mut Client, member: &mut ComparedMember, is_settled: bool) {
        let mut theirs = match hash_when_caught_up(other, self.revision, self.limit).await {
            Ok(theirs) => theirs,
            Err(error) => {
                if is_future(&error)
                    && let Some(revision) = self.revision_left_behind(other).await
                {
                    member.outcome = Outcome::Differs;
                    member.reason = Some(format!(
                        "it has applied the log as far as the snapshot's member, but its revision is only {}",
                        grouped_revision(revision)
                    ));
                } else {
                    member.reason = Some(refusal_reason(&error));
                }
                return;
            }
        };
        if self.differs(&theirs) != Some(false) {
            sleep(RETRY_PAUSE).await;
            self.own_hash = self.client.store_hash(self.revision, self.limit).await.ok();
            match other.store_hash(self.revision, self.limit).await {
                Ok(again) => theirs = again,
                Err(error) => {
                    member.hash = Some(theirs.hash);
                    member.reason = Some(refusal_reason(&error));
                    return;
                }
            }
        }
        let differs = self.differs(&theirs).filter(|differs| is_settled || !differs);
        member.set_hash(&theirs, differs);
        if differs.is_none() {
            member.reason = Some(if is_settled {
                format!("its last compaction differs, at revision {}", grouped_revision(theirs.compact_revision))
            } else {
                "without any keys, hashes differ until a compaction is finished".into()
            });
        }
    }

    /// Whether the snapshot's own member still has another hash than the file.
    async fn source_still_differs(&mut self) -> bool {
        sleep(RETRY_PAUSE).await;
        self.own_hash = self.client.store_hash(self.revision, self.limit).await.ok();
        let (Some(file), Some(own_hash)) = (self.file, self.own_hash) else { return false };
        file.compact_revision == own_hash.compact_revision && file.hash != own_hash.hash
    }

    /// Returns the revision of a member that lacks the snapshot's revision and will never reach it, although it has applied every log entry that the snapshot's member has applied. The latter
    /// reached the snapshot's revision before the comparison began, so its applied index includes the entry that wrote it.
    async fn revision_left_behind(&mut self, other: &mut Client) -> Option<Revision> {
        let applied = self.client.status().await.ok()?.applied_index?;
        let since = Instant::now();
        while other.status().await.ok()?.applied_index? < applied {
            if since.elapsed() > MAX_LAG {
                return None;
            }
            sleep(RETRY_PAUSE).await;
        }
        // A status may have an older revision than its index, so ask once more.
        let revision = other.status().await.ok()?.revision;
        (revision < self.revision).then_some(revision)
    }
}

/// Whether members are asked if this many bytes are in use.
fn should_compare(compare: Compare, size: u64) -> bool {
    match compare {
        Compare::Usual => size <= MAX_USUAL_BYTES,
        Compare::Always => true,
        Compare::Never => false,
    }
}

/// Returns the hash of a member that may lag a little.
async fn hash_when_caught_up(
    client: &mut Client,
    revision: Revision,
    limit: Duration,
) -> Result<StoreHash, ClientError> {
    let since = Instant::now();
    loop {
        match client.store_hash(revision, limit).await {
            Err(error) if since.elapsed() < MAX_LAG && is_future(&error) => sleep(RETRY_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Whether a member says that it does not have the revision yet.
fn is_future(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { message, .. } if message.contains("future revision"))
}

/// The reason for a member that no longer has the snapshot's revision.
const COMPACTED: &str = "the snapshot's last revision has been compacted there";

/// Explains why a member returned no hash.
fn refusal_reason(error: &ClientError) -> String {
    match error {
        error if is_future(error) => "it has not reached the snapshot's revision".into(),
        ClientError::Refused { message, .. } if message.contains("compacted") => COMPACTED.into(),
        ClientError::Refused { message, .. } => format!("it refused: {}", crate::printable(message)),
        error => error.to_string().trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_database_is_compared_only_on_request() {
        for (compare, size, is_asked) in [
            (Compare::Usual, 0, true),
            (Compare::Usual, 256 << 20, true),
            (Compare::Usual, (256 << 20) + 1, false),
            (Compare::Always, u64::MAX, true),
            (Compare::Never, 0, false),
        ] {
            assert_eq!(should_compare(compare, size), is_asked, "{compare:?} {size}");
        }
    }

    #[test]
    fn refusals_of_members_are_explained_briefly() {
        let refused = |message: &str| ClientError::Refused {
            endpoint: "http://a:1".into(),
            code: tonic::Code::OutOfRange,
            message: message.into(),
        };
        let future = refused("etcdserver: mvcc: required revision is a future revision");
        assert!(is_future(&future));
        assert_eq!(refusal_reason(&future), "it has not reached the snapshot's revision");
        let compacted = refused("etcdserver: mvcc: required revision has been compacted");
        assert!(!is_future(&compacted));
        assert_eq!(refusal_reason(&compacted), COMPACTED);
        assert_eq!(refusal_reason(&refused("no\u{1b}[2J")), "it refused: no\\u{1b}[2J");
    }
}
