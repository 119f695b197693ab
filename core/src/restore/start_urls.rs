//! The URLs to start etcd with on a restored data directory.
//!
//! A member may advertise names or addresses, but listens only on addresses, because etcd refuses names there. Source:
//! `checkBindURLs` of etcd's `server/embed/config.go`.

use std::net::Ipv4Addr;

use crate::restore::membership::NewMember;
use crate::restore::peer_url::bracketed_address;

/// etcd's default client port.
const CLIENT_PORT: u16 = 2379;

/// Returns the URLs for `--listen-peer-urls` or `--listen-client-urls` of a member that advertises `urls`. A name
/// other than `localhost` is replaced by the wildcard address (`0.0.0.0` or `[::]`), and an IPv6 address with a zone by
/// `[::]`. URLs that a wildcard address includes are left out.
///
/// `cluster` decides about names: `[::]` if the cluster has IPv6 but no IPv4 addresses. On Linux either one makes etcd
/// listen on IPv4 and IPv6.
#[must_use]
pub fn listen_urls(urls: &[String], cluster: &[NewMember]) -> Vec<String> {
    let only_v6 = {
        let hosts = || cluster.iter().flat_map(|member| &member.peer_urls).filter_map(|url| Some(split(url)?.1));
        hosts().any(|host| bracketed_address(host).is_some()) && !hosts().any(|host| host.parse::<Ipv4Addr>().is_ok())
    };
    let all_interfaces = if only_v6 { "[::]" } else { "0.0.0.0" };
    let listen = |url: &String| match split(url) {
        Some((scheme, host, port)) => {
            // etcd accepts no zone in the address that it listens on.
            let zoned = bracketed_address(host).is_some_and(|address| address.contains('%'));
            let host = match host {
                _ if zoned => "[::]",
                host if host == "localhost"
                    || bracketed_address(host).is_some()
                    || host.parse::<Ipv4Addr>().is_ok() =>
                {
                    host
                }
                _ => all_interfaces,
            };
            format!("{scheme}://{host}:{port}")
        }
        None => url.clone(),
    };
    let urls: Vec<String> = urls.iter().map(listen).collect();
    let mut kept: Vec<String> = Vec::new();
    for url in &urls {
        // A port that is open on all addresses cannot be opened again on one of them.
        let included = urls.iter().chain(&kept).any(|other| includes(other, url, &kept));
        if !kept.contains(url) && !included {
            kept.push(url.clone());
        }
    }
    kept
}

/// Returns whether listening on the URL `all` includes listening on the URL `one`. If both are wildcards, `all` includes
/// `one` only if it is already in `kept`; otherwise each would remove the other.
fn includes(all: &str, one: &str, kept: &[String]) -> bool {
    let all_interfaces = |host: &str| ["0.0.0.0", "[::]"].contains(&host);
    let (Some((_, host, port)), Some((_, own, same))) = (split(all), split(one)) else { return false };
    port == same && host != own && all_interfaces(host) && (!all_interfaces(own) || kept.iter().any(|url| url == all))
}

/// Returns the URLs for `--advertise-client-urls`: the scheme and host of each peer URL, with port 2379. If several
/// members share a host, the port is the peer port minus 1.
///
/// A peer URL of a Unix socket or without a port is skipped. Empty if no other is left, if the port would be 0, or
/// if a peer URL of the cluster has the same host and port as one of the client URLs.
#[must_use]
pub fn client_urls(member: &NewMember, cluster: &[NewMember]) -> Vec<String> {
    let parsed_urls = |member: &NewMember| -> Vec<(String, String, u16)> {
        let split = member.peer_urls.iter().filter_map(|url| split(url));
        split
            .filter_map(|(scheme, host, port)| Some((scheme.to_owned(), host.to_owned(), port.parse().ok()?)))
            .collect()
    };
    let (own, all) = (parsed_urls(member), cluster.iter().map(parsed_urls).collect::<Vec<_>>());
    let mut urls = Vec::new();
    for (scheme, host, port) in &own {
        let uses_host = |peers: &&Vec<(String, String, u16)>| peers.iter().any(|(_, other, _)| other == host);
        let shared = all.iter().filter(uses_host).count() > 1;
        let client_port = if shared { port.saturating_sub(1) } else { CLIENT_PORT };
        let taken = all.iter().flatten().any(|(_, other, port)| other == host && *port == client_port);
        if client_port == 0 || taken {
            return Vec::new();
        }
        let url = format!("{scheme}://{host}:{client_port}");
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// Splits a URL into scheme, host and port; `None` for a Unix socket, and for a URL without a port.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("http"))?;
    let (host, port) = rest.rsplit_once(':')?;
    Some((scheme, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(urls: &[&str]) -> NewMember {
        NewMember { id: 1, peer_urls: urls.iter().map(|url| (*url).to_owned()).collect(), name: "a".into() }
    }

    #[test]
    fn listen_urls_have_addresses_instead_of_names() {
        for (urls, others, expected) in [
            (&["http://10.0.0.1:1"][..], &[][..], &["http://10.0.0.1:1"][..]),
            (&["https://etcd-0.etcd:1"], &[], &["https://0.0.0.0:1"]),
            (&["https://etcd-0.etcd:1"], &["https://[fd00::1]:1"], &["https://[::]:1"]),
            (&["https://etcd-0.etcd:1"], &["https://[fd00::1]:1", "https://10.0.0.1:1"], &["https://0.0.0.0:1"]),
            (&["http://localhost:1"], &[], &["http://localhost:1"]),
            (&["http://[fe80::1%25lo]:1"], &[], &["http://[::]:1"]),
            (&["http://[fd00::1]:1", "http://[fd00::2]:1"], &[], &["http://[fd00::1]:1", "http://[fd00::2]:1"]),
            // A single URL includes the others.
            (&["http://a:1", "http://b:1", "http://10.0.0.1:1", "http://localhost:1"], &[], &["http://0.0.0.0:1"]),
            (&["http://a:1", "http://10.0.0.1:2"], &[], &["http://0.0.0.0:1", "http://10.0.0.1:2"]),
            (
                &["http://a:1", "http://[fd00::1]:1", "http://10.0.0.1:2"],
                &[],
                &["http://0.0.0.0:1", "http://10.0.0.1:2"],
            ),
            (&["http://[fe80::1%25lo]:1", "http://10.0.0.1:1", "http://a:1"], &[], &["http://[::]:1"]),
            (&["unix://localhost:1"], &[], &["unix://localhost:1"]),
        ] {
            let cluster = [member(urls), member(others)];
            assert_eq!(listen_urls(&cluster[0].peer_urls, &cluster), expected, "{urls:?}");
        }
    }

    #[test]
    fn client_urls_have_the_hosts_of_the_peer_urls() {
        for (urls, others, expected) in [
            (&["https://10.0.0.1:2380"][..], &["https://10.0.0.2:2380"][..], &["https://10.0.0.1:2379"][..]),
            (&["http://etcd-0.etcd:7001"], &["http://etcd-1.etcd:7001"], &["http://etcd-0.etcd:2379"]),
            (&["http://127.0.0.1:12380"], &["http://127.0.0.1:22380"], &["http://127.0.0.1:12379"]),
            (&["http://10.0.0.1:2380", "http://a:2380"], &[], &["http://10.0.0.1:2379", "http://a:2379"]),
            (&["http://10.0.0.1:2380", "http://10.0.0.1:2381"], &[], &["http://10.0.0.1:2379"]),
            // The port is taken by another member.
            (&["http://127.0.0.1:2"], &["http://127.0.0.1:1"], &[]),
            (&["http://127.0.0.1:2379"], &[], &[]),
            (&["http://127.0.0.1:1"], &["http://127.0.0.1:7"], &[]),
            (&["unix:///run/etcd"], &[], &[]),
        ] {
            let cluster = [member(urls), member(others)];
            assert_eq!(client_urls(&cluster[0], &cluster), expected, "{urls:?}");
        }
    }
}
