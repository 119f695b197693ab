//! Endpoints from DNS.

use etcdsnap_core::credentials::without_credentials;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::config::{ClientConfig, Discovery};
use super::error::ClientError;

/// The endpoints to ask: those of the SRV records, in the order of their priority, or those that were given.
///
/// # Errors
/// When the records cannot be had, or there are none.
pub(crate) async fn endpoints(config: &ClientConfig) -> Result<Vec<String>, ClientError> {
    let Some(discovery) = &config.discovery else {
        return Ok(config.endpoints.iter().map(|endpoint| without_credentials(endpoint).into_owned()).collect());
    };
    let wrong = |reason: String| ClientError::Discovery { domain: discovery.domain.clone(), reason };
    let resolver =
        TokioResolver::builder_tokio().and_then(|builder| builder.build()).map_err(|cause| wrong(cause.to_string()))?;
    let mut found = Vec::new();
    let mut reason = String::from("there are no such records");
    for (service, scheme) in [("etcd-client-ssl", "https"), ("etcd-client", "http")] {
        if scheme == "http" && !discovery.insecure {
            continue;
        }
        let name = record(discovery, service);
        match tokio::time::timeout(config.dial_timeout.saturating_mul(2), resolver.lookup(name, RecordType::SRV)).await
        {
            Err(_) => reason = "the name server does not answer".into(),
            Ok(Err(cause)) => {
                if !cause.is_no_records_found() {
                    reason = cause.to_string();
                }
            }
            Ok(Ok(lookup)) => found.extend(lookup.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(srv) => {
                    let host = srv.target.to_utf8();
                    Some((srv.priority, format!("{scheme}://{}:{}", host.trim_end_matches('.'), srv.port)))
                }
                _ => None,
            })),
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(wrong(reason));
    }
    Ok(found.into_iter().map(|(_, endpoint)| endpoint).collect())
}

fn record(discovery: &Discovery, service: &str) -> String {
    let dash = discovery.service.as_ref().map(|name| format!("-{name}")).unwrap_or_default();
    format!("_{service}{dash}._tcp.{}.", discovery.domain.trim_end_matches('.'))
}
