//! Takes a snapshot from the healthiest of several servers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::retention::Keep;
use super::save_config::SaveConfig;
use super::save_error::SaveError;
use super::{SaveJob, Saved, within};
use crate::client::{Client, ClientConfig, ClientError, Member, endpoints as resolved, rank};
use crate::progress::Progress;

/// The first pause between two tries; each further pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Takes a snapshot from the healthiest of the endpoints; if that fails, tries the next.
///
/// First asks all for their status in parallel. The preferred one has no corruption alarm, has a leader, is up to date, and is neither learner nor leader.
/// Up to `retries` more tries are made, with growing pauses; the default is none for one endpoint, and for several one for each of the others, at least two.
/// When the new snapshot is in place, old ones beyond `keep` are removed. Otherwise like [`save`](super::save).
///
/// # Errors
/// As [`save`](super::save); [`SaveError::All`] with each failure if there was more than one, and [`SaveError::Clusters`] if the endpoints belong to different clusters.
pub async fn save_any(
    config: &SaveConfig,
    path: &Path,
    keep: Keep,
    retries: Option<u32>,
    progress: Arc<dyn Progress + Send>,
    cancel: &CancellationToken,
) -> Result<Saved, SaveError> {
    let job = SaveJob::new(config, path, keep, progress, cancel)?;
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
            request_statuses(&endpoints, &config.client).await?
        };
        // No server answered, for a reason that waiting would not change.
        if ready.is_empty() && !errors.is_empty() && !errors.iter().any(SaveError::is_temporary) {
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
                    let over = !error.is_temporary() || job.has_output();
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

type Connections = HashMap<String, (Client, Member)>;

/// Asks all servers for their status. Returns the endpoints in the order to try them, connections to those that answered, and why others did not.
async fn request_statuses(
    endpoints: &[String],
    config: &ClientConfig,
) -> Result<(Vec<String>, Connections, Vec<SaveError>), SaveError> {
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
    // Equal members keep the same order, whichever answered first.
    members.sort_by_key(|member| endpoints.iter().position(|endpoint| *endpoint == member.endpoint));
    rank(&mut members);
    let mut order: Vec<String> = members.into_iter().map(|member| member.endpoint).collect();
    // Servers that did not answer may do so later.
    order.extend(endpoints.iter().filter(|endpoint| !ready.contains_key(*endpoint)).cloned());
    Ok((order, ready, errors))
}

/// Returns a random pause between half and all of it, so that many clients do not retry at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

fn pause(number: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(number.saturating_sub(1)));
    jittered(doubled.min(MAX_PAUSE))
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
