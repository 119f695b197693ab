//! A snapshot from the healthiest of several servers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::retention::Keep;
use super::save_config::SaveConfig;
use super::save_error::SaveError;
use super::{Job, Saved, within};
use crate::client::{Client, ClientConfig, ClientError, Member, endpoints as resolved, rank};
use crate::progress::Progress;

/// The first pause between two tries; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Takes a snapshot from the healthiest of the endpoints, and goes on with the next when that fails.
///
/// All are asked how they are, side by side; first comes who has no corruption alarm, knows a leader, is level with the others, is no learner and not the leader.
/// `retries` further tries are made, with pauses that grow; by default none with one endpoint, and one for each of the others with several, at least two.
/// What `keep` lets go is removed when the new snapshot is in place. The rest is as for [`save`](super::save).
///
/// # Errors
/// As [`save`](super::save); [`SaveError::All`] with each failure where there was more than one, and [`SaveError::Clusters`] when the endpoints are not of one cluster.
pub async fn save_any(
    config: &SaveConfig,
    path: &Path,
    keep: Keep,
    retries: Option<u32>,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let job = Job::new(config, path, keep, progress, cancel)?;
    let mut endpoints = Vec::new();
    let work = async {
        endpoints = resolved(&config.client).await?;
        let tries = match (retries, endpoints.len()) {
            (_, 0) => return Err(SaveError::Endpoints(0)),
            (Some(retries), _) => retries,
            (None, 1) => 0,
            (None, count) => u32::try_from(count.saturating_sub(1)).unwrap_or(2).max(2),
        }
        .saturating_add(1);
        let (order, mut ready, mut errors) = if endpoints.len() == 1 {
            (endpoints.clone(), HashMap::new(), Vec::new())
        } else {
            ask_all(&endpoints, &config.client).await?
        };
        // Nobody answered, and for a reason that a pause would not change.
        if ready.is_empty() && !errors.is_empty() && !errors.iter().any(SaveError::is_passing) {
            return Err(SaveError::All(errors));
        }
        for (number, endpoint) in (0..tries).zip(order.iter().cycle()) {
            if number > 0 {
                tokio::time::sleep(pause(number)).await;
            }
            let outcome = match ready.remove(endpoint) {
                Some((client, member)) => job.run(client, Some(member)).await,
                None => match Client::connect(endpoint, &config.client).await {
                    Ok(client) => job.run(client, None).await,
                    Err(error) => Err(error.into()),
                },
            };
            match outcome {
                Ok(published) => return Ok(published),
                Err(error) => {
                    let over = !error.is_passing() || job.is_spent();
                    if !over && number.saturating_add(1) < tries {
                        tracing::warn!("{error}");
                    }
                    errors.push(error);
                    if over {
                        break;
                    }
                }
            }
        }
        match (errors.len(), errors.pop()) {
            (1, Some(error)) => Err(error),
            (_, Some(last)) => {
                errors.push(last);
                Err(SaveError::All(errors))
            }
            (_, None) => Err(SaveError::Endpoints(0)),
        }
    };
    let published = within(config.timeout, cancel, work).await.map_err(|error| job.cut_short(error))?;
    Ok(job.finish(published, &endpoints).await)
}

type Ready = HashMap<String, (Client, Member)>;

/// Asks all servers how they are. Returns the endpoints in the order in which to try them, connections to those that answered, and why others did not.
async fn ask_all(
    endpoints: &[String],
    config: &ClientConfig,
) -> Result<(Vec<String>, Ready, Vec<SaveError>), SaveError> {
    let mut asking = JoinSet::new();
    for endpoint in endpoints {
        let (endpoint, config) = (endpoint.clone(), config.clone());
        asking.spawn(async move {
            let mut client = Client::connect(&endpoint, &config).await?;
            let member = client.status().await?;
            Ok::<_, ClientError>((client, member))
        });
    }
    let mut ready = HashMap::new();
    let mut members: Vec<Member> = Vec::new();
    let mut errors = Vec::new();
    for answer in asking.join_all().await {
        match answer {
            Ok((client, member)) => {
                members.push(member.clone());
                ready.insert(member.endpoint.clone(), (client, member));
            }
            Err(error) => {
                tracing::warn!("{error}");
                errors.push(SaveError::from(error));
            }
        }
    }
    if let [first, rest @ ..] = members.as_slice()
        && let Some(other) = rest.iter().find(|member| member.cluster_id != first.cluster_id)
    {
        return Err(SaveError::Clusters(first.endpoint.clone(), other.endpoint.clone()));
    }
    // The same order for members that are alike, whoever answered first.
    members.sort_by_key(|member| endpoints.iter().position(|endpoint| *endpoint == member.endpoint));
    rank(&mut members);
    let mut order: Vec<String> = members.into_iter().map(|member| member.endpoint).collect();
    // Those that did not answer may do so later.
    order.extend(endpoints.iter().filter(|endpoint| !ready.contains_key(*endpoint)).cloned());
    Ok((order, ready, errors))
}

/// Between half of the pause and all of it, so that many clients do not come back at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

fn pause(number: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(number.saturating_sub(1)));
    jittered(doubled.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        for (number, longest) in [(1, 200), (2, 400), (3, 800), (60, 10_000)] {
            let pause = pause(number);
            let longest = Duration::from_millis(longest);
            assert!(pause <= longest && pause >= longest / 2, "{number}: {pause:?}");
        }
    }
}
