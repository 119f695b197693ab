//! Parses and normalizes peer URLs.

use std::net::Ipv6Addr;

use crate::credentials::quotable;
use crate::restore::membership_error::MembershipError;

/// Parses a peer URL and returns it as Go's `url.URL` spells it. Rejects rare spellings that Go would change. `flag` is
/// the name of the flag that the URL is from, without dashes, for the error message.
///
/// # Errors
/// [`MembershipError::Url`].
pub(super) fn parse(flag: &'static str, text: &str) -> Result<String, MembershipError> {
    let given = text.trim();
    let reject = |reason| Err(MembershipError::Url { flag, url: quotable(given).into_owned(), reason });
    let Some((scheme, rest)) = given.split_once("://") else { return reject("it does not begin with a scheme") };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "unix" | "unixs" => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !path.bytes().all(|byte| is_unescaped_in_go(byte) || b":/".contains(&byte)) {
                return reject("it has characters that do not belong in a socket's name");
            }
            match authority.rsplit_once(':') {
                // etcd reads the part before the path as a host with a port.
                Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    reject("the text after the colon is not a port")
                }
                Some((host, _)) if !is_host(host) => reject("its host is neither a name nor an address"),
                None if !authority.is_empty() && !is_host(authority) => {
                    reject("its host is neither a name nor an address")
                }
                _ => Ok(format!("{scheme}://{rest}")),
            }
        }
        "http" | "https" => {
            if rest.contains('/') {
                return reject("it must not have a path");
            }
            let Some((host, port)) = rest.rsplit_once(':') else { return reject("it has no port") };
            if port.is_empty() || port.parse::<u16>().is_err() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return reject("its port is not a number from 0 to 65,535");
            }
            if is_host(host) {
                Ok(format!("{scheme}://{rest}"))
            } else {
                reject("its host is neither a name nor an address")
            }
        }
        _ => reject("its scheme must be http, https, unix or unixs"),
    }
}

/// Whether `host` is a name, an IPv4 address, or an IPv6 address in brackets, which may have a zone
/// (`[fe80::1%25eth0]`).
fn is_host(host: &str) -> bool {
    match bracketed_address(host) {
        Some(address) => {
            let (address, zone) =
                address.split_once("%25").map_or((address, None), |(address, zone)| (address, Some(zone)));
            let zone_fits = zone.is_none_or(|zone| !zone.is_empty() && zone.bytes().all(is_unescaped_in_go));
            address.parse::<Ipv6Addr>().is_ok() && zone_fits
        }
        None => host.bytes().all(is_unescaped_in_go),
    }
}

/// Returns the address of a host in brackets, such as `::1` of `[::1]`; `None` without brackets.
pub(super) fn bracketed_address(host: &str) -> Option<&str> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
}

/// Whether Go's `url.URL` writes a character without escaping it.
fn is_unescaped_in_go(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_spelled_as_go_spells_them() {
        for (given, expected) in [
            ("http://[fe80::1%25lo]:1", "http://[fe80::1%25lo]:1"),
            ("HTTP://127.0.0.1:1", "http://127.0.0.1:1"),
            ("uNiXs://host:1", "unixs://host:1"),
            (" https://h:1 ", "https://h:1"),
            ("unix://localhost:1", "unix://localhost:1"),
            ("unix:///tmp/a:b.sock", "unix:///tmp/a:b.sock"),
            ("unix://x:", "unix://x:"),
            ("unix://[::1%25lo]:2", "unix://[::1%25lo]:2"),
        ] {
            assert_eq!(parse("f", given).as_deref(), Ok(expected));
        }
        for bad in [
            "unix://localhost:m1",
            "unix://a:b:1",
            "unix://[::1",
            "http://[fe80::1%lo]:1",
            "http://[fe80::1%25]:1",
            "http://[fe80::1%25a/b]:1",
            "http://127.0.0.1%25lo:1",
            "http://a:b:1",
        ] {
            assert!(parse("f", bad).is_err(), "{bad}");
        }
    }
}
