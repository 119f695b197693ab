//! Asks the members of a cluster whether they hold the data of a snapshot.
//!
//! Each is asked for its `HashKV`, a hash over all keys and their history, at the snapshot's revision. Two hashes can be compared when the last compaction was the same.
//! Members are asked one after the other, because a server lets no write through while it computes that hash.

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
use super::{Job, Watched};
use crate::client::{Client, ClientError, ListedMember, Member, StoreHash};
use crate::progress::{NoProgress, Progress};
use crate::snapshot::Snapshot;

/// How long members may take to be reached, beyond the time for a connection; and how much of that time counts: the file is in place, and one member that is away
/// should not keep its owner waiting for minutes.
const REACH: Duration = Duration::from_secs(2);
const LONGEST_DIAL: Duration = Duration::from_secs(10);

/// How long a member may take to tell the hash of a small database, a little lag included.
const ANSWER: Duration = Duration::from_secs(3);

/// Bytes of a database of which a server computes the hash in a second, at least.
const BYTES_PER_SECOND: u64 = 100_000_000;

/// Bytes in use of a database up to which members are asked unless the caller wants them asked in any case. 650 MB with 2.5 million keys held up writes for 4.4 s
/// on a busy machine of two processors.
const USUALLY_UP_TO: u64 = 256 << 20;

/// Members that are asked at most; clusters have seven. A list comes from a server, and must not keep us busy without end.
const MOST_MEMBERS: usize = 32;

/// How long a member may lag behind the snapshot.
const LAG: Duration = Duration::from_secs(2);

/// The pause before a member is asked again that lags behind, or whose data seem to differ.
const PAUSE: Duration = Duration::from_millis(200);

/// What the comparison needs to know of a snapshot that was saved.
pub(super) struct Compared<'s> {
    pub saved: &'s Saved,
    /// The file, if there is one.
    pub file: Option<&'s File>,
    /// The member that it is of.
    pub source: &'s Member,
    /// All members, as that one lists them.
    pub listed: &'s [ListedMember],
    /// The endpoints that the caller named.
    pub endpoints: &'s [String],
    /// A revision that the snapshot holds.
    pub revision: Revision,
    /// When all must be over.
    pub deadline: Option<Instant>,
}

impl Job<'_> {
    /// Compares what `client` sent with the members of its cluster. `None` when there are no others, or it is not asked for.
    pub(super) async fn compare(&self, client: &mut Client, asked: &Compared<'_>) -> Option<Comparison> {
        let source = asked.source.member_id;
        let is_wanted = self.config.compare != Compare::Never
            && self.config.verify != SaveVerify::None
            && asked.saved.sha256_matches;
        // Learners tell no hash.
        let mut listed: Vec<&ListedMember> =
            asked.listed.iter().filter(|member| !member.is_learner || member.id == source).collect();
        listed.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        let others: Vec<_> = listed.iter().filter(|member| member.id != source).map(|&member| member.clone()).collect();
        if !is_wanted || others.is_empty() || self.stop.is_cancelled() {
            return None;
        }
        let members = listed.iter().map(|member| ComparedMember::new(member, source)).collect();
        let mut comparison = Comparison { revision: asked.revision, hash: None, members };
        let size = match asked.source.database_in_use {
            0 => asked.source.database_size,
            in_use => in_use,
        };
        let reason = if !is_asked_for(self.config.compare, size) {
            "the database is large, and a member lets no write through while it computes its hash; --compare asks all the same"
        } else if others.len() > MOST_MEMBERS {
            "the cluster has too many members"
        } else {
            let answer = ANSWER.saturating_add(Duration::from_secs(size / BYTES_PER_SECOND));
            let reach = REACH.saturating_add(self.config.client.dial_timeout.min(LONGEST_DIAL));
            // All of them and the snapshot's own, and once more where hashes differ.
            let questions = u32::try_from(others.len().saturating_add(1)).unwrap_or(u32::MAX).saturating_mul(2);
            let limit = reach.saturating_add(answer.saturating_mul(questions)).saturating_add(LAG);
            let end = Instant::now().checked_add(limit).into_iter().chain(asked.deadline).min();
            let late = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.ask(client, asked, &others, (reach, answer), &mut comparison) => "it was not asked",
                () = late => "there was no time left",
                () = self.stop.cancelled() => "the run was stopped",
            }
        };
        for member in comparison.members.iter_mut().filter(|member| member.outcome == Outcome::NotCompared) {
            member.reason.get_or_insert_with(|| reason.to_owned());
        }
        Some(comparison)
    }

    /// Fills in what the members tell, as they tell it.
    async fn ask(
        &self,
        client: &mut Client,
        asked: &Compared<'_>,
        others: &[ListedMember],
        (reach_limit, limit): (Duration, Duration),
        comparison: &mut Comparison,
    ) {
        let revision = asked.revision;
        let reaching = reach(&self.config.client, asked.endpoints, client.is_encrypted(), others, reach_limit);
        let (mut reached, own, file) =
            tokio::join!(reaching, client.store_hash(revision, limit), self.hash_of_file(asked, revision));
        let said = own.as_ref().ok().copied();
        comparison.hash = file.or(said).map(|reference| reference.hash);
        // Without any key, etcd counts what a compaction has not removed yet, so that hashes of the same data differ for a while.
        let is_settled = asked.saved.total_key != Some(0);
        let mut reference = Reference { client, file, said, revision, limit };
        for member in &mut comparison.members {
            if member.is_source {
                member.endpoint = Some(asked.saved.endpoint.clone());
                match &own {
                    Ok(own) => {
                        let same = match file {
                            Some(file) if file.compact_revision == own.compact_revision && file.hash != own.hash => {
                                !reference.source_still_differs().await
                            }
                            // It stands for the file, whose SHA-256 proves that it is what this member sent.
                            _ => true,
                        };
                        member.set(own, Some(!same));
                    }
                    Err(error) => member.reason = Some(why_not(error)),
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
                    member.reason = Some("it tells no address".into());
                }
                None => {
                    let limit = humantime::format_duration(reach_limit);
                    member.reason = Some(format!("it was not reached within {limit}"));
                }
            }
        }
    }

    /// The hash of the file. Of one that is compressed it would take unpacking it, and what was streamed is gone: what its member says stands for it, as the SHA-256
    /// proves that it is that member's.
    async fn hash_of_file(&self, asked: &Compared<'_>, revision: Revision) -> Option<StoreHash> {
        if self.config.compression.is_some() || asked.saved.total_key == Some(0) {
            return None;
        }
        let (file, path) = (asked.file?.try_clone().ok()?, asked.saved.file.clone());
        let watched = Watched { progress: Arc::new(NoProgress), stop: self.stop.clone() };
        tokio::task::spawn_blocking(move || hash_of(file, &path, revision, &watched)).await.ok().flatten()
    }
}

fn hash_of(file: File, path: &Path, revision: Revision, progress: &dyn Progress) -> Option<StoreHash> {
    let snapshot = Snapshot::of_file(file, path, progress).ok()?;
    let store = snapshot.store().ok()?;
    let (found, lost) = snapshot.hashkv(&store, store.at(revision).ok()?, progress).ok()?;
    let whole = lost.places == 0 && store.is_whole();
    whole.then_some(StoreHash { member_id: 0, hash: found.hash, compact_revision: found.compact_revision })
}

/// What members are compared with.
struct Reference<'c> {
    /// The snapshot's own member, which may be asked again: a compaction makes older answers of no use.
    client: &'c mut Client,
    file: Option<StoreHash>,
    /// What that member said last.
    said: Option<StoreHash>,
    revision: Revision,
    /// For one answer.
    limit: Duration,
}

impl Reference<'_> {
    /// Whether a hash is another one; none when it cannot be compared.
    fn differs(&self, told: &StoreHash) -> Option<bool> {
        let fits = |reference: &&StoreHash| reference.compact_revision == told.compact_revision;
        let reference = [&self.file, &self.said].into_iter().flatten().find(fits)?;
        Some(reference.hash != told.hash)
    }

    /// Compares another member, and fills in what came of it. A hash that differs is asked for once more, on both sides.
    async fn compare(&mut self, other: &mut Client, member: &mut ComparedMember, is_settled: bool) {
        let mut told = match hash_when_level(other, self.revision, self.limit).await {
            Ok(told) => told,
            Err(error) => {
                if is_future(&error)
                    && let Some(revision) = self.revision_that_stays(other).await
                {
                    member.outcome = Outcome::Differs;
                    member.reason = Some(format!(
                        "it has applied the log as far as the snapshot's member, and its revision is {revision} only"
                    ));
                } else {
                    member.reason = Some(why_not(&error));
                }
                return;
            }
        };
        if self.differs(&told) != Some(false) {
            sleep(PAUSE).await;
            self.said = self.client.store_hash(self.revision, self.limit).await.ok();
            match other.store_hash(self.revision, self.limit).await {
                Ok(again) => told = again,
                Err(error) => {
                    member.hash = Some(told.hash);
                    member.reason = Some(why_not(&error));
                    return;
                }
            }
        }
        let differs = self.differs(&told).filter(|differs| is_settled || !differs);
        member.set(&told, differs);
        if differs.is_none() {
            member.reason = Some(if is_settled {
                format!("its last compaction is another one, at revision {}", told.compact_revision)
            } else {
                "without any key, hashes differ until a compaction is over".into()
            });
        }
    }

    /// Whether the snapshot's own member still has another hash than the file.
    async fn source_still_differs(&mut self) -> bool {
        sleep(PAUSE).await;
        self.said = self.client.store_hash(self.revision, self.limit).await.ok();
        let (Some(file), Some(said)) = (self.file, self.said) else { return false };
        file.compact_revision == said.compact_revision && file.hash != said.hash
    }

    /// The revision of a member that lacks the snapshot's and will never have it: it has applied every entry of the log that the snapshot's member has applied. That one
    /// has had the snapshot's revision for as long as a member may lag, so it counts the entry that made it.
    async fn revision_that_stays(&mut self, other: &mut Client) -> Option<Revision> {
        let applied = self.client.status().await.ok()?.applied_index?;
        let since = Instant::now();
        while other.status().await.ok()?.applied_index? < applied {
            if since.elapsed() > LAG {
                return None;
            }
            sleep(PAUSE).await;
        }
        // A status has the revision from before it has the index.
        let revision = other.status().await.ok()?.revision;
        (revision < self.revision).then_some(revision)
    }
}

/// Whether members are asked, with so many bytes in use.
fn is_asked_for(compare: Compare, size: u64) -> bool {
    match compare {
        Compare::Usual => size <= USUALLY_UP_TO,
        Compare::Always => true,
        Compare::Never => false,
    }
}

/// The hash of a member that may be a little behind.
async fn hash_when_level(client: &mut Client, revision: Revision, limit: Duration) -> Result<StoreHash, ClientError> {
    let since = Instant::now();
    loop {
        match client.store_hash(revision, limit).await {
            Err(error) if since.elapsed() < LAG && is_future(&error) => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Whether a member says that it does not have the revision yet.
fn is_future(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { message, .. } if message.contains("future revision"))
}

/// Said of a member that no longer tells a hash at the snapshot's revision.
const COMPACTED: &str = "the snapshot's last revision has been compacted there";

/// Why a member tells no hash.
fn why_not(error: &ClientError) -> String {
    match error {
        error if is_future(error) => "it has not come as far as the snapshot".into(),
        ClientError::Refused { message, .. } if message.contains("compacted") => COMPACTED.into(),
        ClientError::Refused { message, .. } => format!("it refused: {}", crate::printable(message)),
        error => error.to_string().trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_database_is_compared_only_when_that_is_asked_for() {
        for (compare, size, is_asked) in [
            (Compare::Usual, 0, true),
            (Compare::Usual, 256 << 20, true),
            (Compare::Usual, (256 << 20) + 1, false),
            (Compare::Always, u64::MAX, true),
            (Compare::Never, 0, false),
        ] {
            assert_eq!(is_asked_for(compare, size), is_asked, "{compare:?} {size}");
        }
    }

    #[test]
    fn why_a_member_tells_no_hash_is_said_in_few_words() {
        let refused = |message: &str| ClientError::Refused {
            endpoint: "http://a:1".into(),
            code: tonic::Code::OutOfRange,
            message: message.into(),
        };
        let future = refused("etcdserver: mvcc: required revision is a future revision");
        assert!(is_future(&future));
        assert_eq!(why_not(&future), "it has not come as far as the snapshot");
        let compacted = refused("etcdserver: mvcc: required revision has been compacted");
        assert!(!is_future(&compacted));
        assert_eq!(why_not(&compacted), COMPACTED);
        assert_eq!(why_not(&refused("no\u{1b}[2J")), "it refused: no\\u{1b}[2J");
    }
}
