//! Finds endpoints by DNS.

use etcdsnap_core::credentials::without_credentials;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

use super::client_config::{ClientConfig, Discovery};
use super::client_error::ClientError;

/// Returns the endpoints to try: those of the SRV records, ordered by priority, or the given ones.
///
/// # Errors
/// When the records cannot be looked up, or there are none.
pub(crate) async fn endpoints(config: &ClientConfig) -> Result<Vec<String>, ClientError> {
    let Some(discovery) = &config.discovery else {
        return Ok(config.endpoints.iter().map(|endpoint| without_credentials(endpoint).into_owned()).collect());
    };
    let none = |asked| ClientError::Discovery { domain: discovery.domain.clone(), asked };
    let resolver = TokioResolver::builder_tokio()
        .and_then(|builder| builder.build())
        .map_err(|cause| none(vec![format!("no resolver: {cause}")]))?;
    let mut found = Vec::new();
    let mut asked = Vec::new();
    for (service, scheme) in [("etcd-client-ssl", "https"), ("etcd-client", "http")] {
        let name = record(discovery, service);
        if scheme == "http" && !discovery.insecure {
            asked.push(format!("{name} was not looked up, because of --insecure-discovery=false"));
            continue;
        }
        let limit = config.dial_timeout.saturating_mul(2);
        let outcome = match timeout(limit, resolver.lookup(format!("{name}."), RecordType::SRV)).await {
            Err(_) => format!("the name server has not answered within {}", humantime::format_duration(limit)),
            Ok(Err(cause)) if cause.is_no_records_found() => "there is no such record".into(),
            Ok(Err(cause)) => cause.to_string(),
            Ok(Ok(lookup)) => {
                let before = found.len();
                let records = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::SRV(srv) => endpoint(srv, scheme).map(|endpoint| (srv.priority, endpoint)),
                    _ => None,
                });
                found.extend(records);
                if found.len() > before {
                    continue;
                }
                "the record says that there is no such service (its target is a dot)".into()
            }
        };
        asked.push(format!("{name}: {outcome}"));
    }
    if found.is_empty() {
        return Err(none(asked));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, endpoint)| endpoint).collect())
}

/// Returns the endpoint of a record; `None` if the target is the root, which means "no such service" (RFC 2782).
fn endpoint(record: &SRV, scheme: &str) -> Option<String> {
    let host = record.target.to_utf8();
    let host = host.trim_end_matches('.');
    (!host.is_empty()).then(|| format!("{scheme}://{host}:{}", record.port))
}

fn record(discovery: &Discovery, service: &str) -> String {
    let dash = discovery.service.as_ref().map(|name| format!("-{name}")).unwrap_or_default();
    format!("_{service}{dash}._tcp.{}", discovery.domain.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    #[test]
    fn a_dot_is_no_endpoint() {
        let srv = |target: &str| SRV::new(0, 0, 2379, Name::from_ascii(target).unwrap());
        assert_eq!(endpoint(&srv("one.example."), "https"), Some("https://one.example:2379".into()));
        assert_eq!(endpoint(&srv("."), "https"), None);
    }
}
