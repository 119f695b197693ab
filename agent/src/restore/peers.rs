//! Compares lists of peer URLs.

use std::net::ToSocketAddrs;

/// Whether two lists contain the same URLs after names are resolved to addresses, as etcd compares them. Source: `URLStringsEqual` of etcd's `pkg/netutil`, which does not resolve `localhost`, either.
pub(super) fn have_same_addresses<T: AsRef<str>>(a: &[T], b: &[T]) -> bool {
    let places = |urls: &[T]| {
        let mut places = urls.iter().map(|url| resolved(url.as_ref().trim())).collect::<Option<Vec<_>>>()?;
        places.sort();
        Some(places)
    };
    a.len() == b.len() && places(a).is_some_and(|a| places(b) == Some(a))
}

/// Returns a URL with its address in place of a name; `None` if the name is unknown.
fn resolved(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if scheme.starts_with("http") && host != "localhost" => (host, port),
        _ => return Some(format!("{scheme}://{rest}")),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = (host, port.parse().ok()?).to_socket_addrs().ok()?.next()?;
    Some(format!("{scheme}://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_spellings_of_an_address_are_equal() {
        assert!(have_same_addresses(&["http://[0:0:0:0:0:0:0:1]:1", "http://h:2"][..1], &["http://[::1]:1"]));
        assert!(have_same_addresses(
            &["http://127.0.0.1:2", "HTTPS://127.0.0.1:1"],
            &["https://127.0.0.1:1", "http://127.0.0.1:2"]
        ));
        assert!(have_same_addresses(&["unix://a:1"], &["unix://a:1"]));
        assert!(have_same_addresses(&["http://localhost:1"], &["http://localhost:1"]));
        for (a, b) in [
            ("http://127.0.0.1:1", "http://127.0.0.1:2"),
            ("http://127.0.0.1:1", "https://127.0.0.1:1"),
            ("http://127.0.0.1:1", "http://127.0.0.2:1"),
            ("http://localhost:1", "http://127.0.0.1:1"),
            ("http://a..b:1", "http://a..c:1"),
        ] {
            assert!(!have_same_addresses(&[a], &[b]), "{a} {b}");
        }
        assert!(!have_same_addresses(&["http://[::1]:1", "http://[::1]:2"], &["http://[::1]:1"]));
    }

    /// Tests a name of this machine in its own `/etc/hosts`, such as `ip6-localhost` or the host's own.
    #[test]
    fn names_equal_their_addresses() {
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let mut lines = hosts.lines().map(|line| line.split('#').next().unwrap_or("").split_whitespace());
        let own = lines.find_map(|mut words| {
            let address = words.next()?.parse::<std::net::Ipv4Addr>().ok()?;
            words.find(|name| *name != "localhost").map(|name| (address, name.to_owned()))
        });
        let Some((_, name)) = own else { return };
        let Some(address) = (name.as_str(), 0).to_socket_addrs().ok().and_then(|mut all| all.next()) else { return };
        let by_address = match address.ip() {
            std::net::IpAddr::V4(ip) => format!("http://{ip}:2380"),
            std::net::IpAddr::V6(ip) => format!("http://[{ip}]:2380"),
        };
        assert!(have_same_addresses(&[by_address], &[format!("http://{name}:2380")]));
    }
}
