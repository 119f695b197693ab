//! Connects to the other members of a cluster, which may be known only from one member's list.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, ClientConfig, ClientError, ListedMember};

/// Addresses per member that are tried at most. The list comes from a server, and must not cause endless connection attempts.
const MAX_ADDRESSES: usize = 4;

/// A connection to each member, by its id, or why there is none.
pub(super) type Reached = HashMap<u64, Result<Client, String>>;

/// Connects to `members` in parallel, at the endpoints from the caller and at the client URLs that the members advertise. A member is missing in the result if it did
/// not answer within `limit`, or advertises no address.
///
/// If the snapshot came over TLS (`encrypted`), nothing is sent without TLS: the addresses come from the server, and a password would be sent there.
pub(super) async fn reach(
    config: &ClientConfig,
    endpoints: &[String],
    encrypted: bool,
    members: &[ListedMember],
    limit: Duration,
) -> Reached {
    let end = Instant::now() + limit;
    let mut reaching = JoinSet::new();
    for endpoint in endpoints {
        let (endpoint, config) = (endpoint.clone(), config.clone());
        reaching.spawn(async move {
            let (client, id) = connect(&endpoint, &config).await.ok()?;
            Some((id, Ok(client)))
        });
    }
    for member in members {
        for url in member.client_urls.iter().take(MAX_ADDRESSES) {
            let (url, config, id) = (url.clone(), config.clone(), member.id);
            reaching.spawn(async move {
                if encrypted && !(url.starts_with("https://") || url.starts_with("unixs:")) {
                    return Some((id, Err(format!("{} is not encrypted", crate::printable(&url)))));
                }
                let outcome = match connect(&url, &config).await {
                    Ok((client, other)) if other == id => Ok(client),
                    Ok(_) => Err(format!("{} leads to another member", crate::printable(&url))),
                    Err(error) => Err(error.to_string().trim_end_matches('.').to_owned()),
                };
                Some((id, outcome))
            });
        }
    }
    let mut reached = Reached::new();
    while let Ok(Some(outcome)) = timeout_at(end, reaching.join_next()).await {
        let Ok(Some((id, outcome))) = outcome else { continue };
        // The first connection counts; a reason counts until there is a connection.
        if !matches!(reached.get(&id), Some(Ok(_))) {
            reached.insert(id, outcome);
        }
        if members.iter().all(|member| matches!(reached.get(&member.id), Some(Ok(_)))) {
            break;
        }
    }
    reached
}

/// Returns a connection, and the id of the member that answers on it.
async fn connect(endpoint: &str, config: &ClientConfig) -> Result<(Client, u64), ClientError> {
    let mut client = Client::connect(endpoint, config).await?;
    let id = client.status().await?.member_id;
    Ok((client, id))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_password_is_not_sent_in_plain_text_after_a_save_over_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let silent = ListedMember { id: 7, name: "b".into(), client_urls: vec![url], is_learner: false };
        let addressless = ListedMember { id: 8, name: "c".into(), client_urls: Vec::new(), is_learner: false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = ClientConfig::default();
        let members = [silent, addressless];
        let reached = runtime.block_on(reach(&config, &[], true, &members, Duration::from_secs(5)));
        let reason = reached.get(&7).and_then(|outcome| outcome.as_ref().err()).unwrap();
        assert!(reason.contains("is not encrypted"), "{reason}");
        assert!(!reached.contains_key(&8));
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // Without the check, it would have connected and run into the time limit.
        let begun = Instant::now();
        let reached = runtime.block_on(reach(&config, &[], false, &members, Duration::from_millis(300)));
        assert!(reached.is_empty() && begun.elapsed() < Duration::from_secs(2));
        listener.accept().unwrap();
    }
}
