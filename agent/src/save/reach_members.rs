//! Connections to the other members of a cluster, which may be known by what one member says of them alone.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, ClientConfig, ClientError, ListedMember};

/// Addresses of a member that are tried. A list comes from a server, and must not have us connect without end.
const MOST_ADDRESSES: usize = 4;

/// A connection to a member by its id, or why there is none.
pub(super) type Reached = HashMap<u64, Result<Client, String>>;

/// Connects to `members`, side by side: at the endpoints that the caller named, and where the members say that clients reach them. Those that are not in the answer did
/// not answer within `limit`, or name no address.
///
/// Where the snapshot came `encrypted`, nothing is sent unencrypted: the addresses are the server's word, and a password would go there.
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
        for url in member.client_urls.iter().take(MOST_ADDRESSES) {
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
        // The first connection is used, and a reason counts until there is one.
        if !matches!(reached.get(&id), Some(Ok(_))) {
            reached.insert(id, outcome);
        }
        if members.iter().all(|member| matches!(reached.get(&member.id), Some(Ok(_)))) {
            break;
        }
    }
    reached
}

/// A connection, and the id of the member that it leads to.
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
    fn a_password_that_came_encrypted_is_not_sent_in_plain_text() {
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
        // In plain text it would have been connected to, and given up in time.
        let begun = Instant::now();
        let reached = runtime.block_on(reach(&config, &[], false, &members, Duration::from_millis(300)));
        assert!(reached.is_empty() && begun.elapsed() < Duration::from_secs(2));
        listener.accept().unwrap();
    }
}
