//! Removes secrets from URLs (user and password, tokens in the query or the fragment) before they are printed, logged
//! or counted.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// Returns a URL or `host:port` without user and password, and with `…` in place of its query or fragment. A `unix:`
/// URL is a path and stays unchanged, except that `user:password@` before its first slash is removed.
///
/// A password may contain every character that a URL should not, so everything up to the last `@` counts as
/// credentials.
#[must_use]
pub fn without_credentials(url: &str) -> Cow<'_, str> {
    let without_user = without_user(url);
    if is_unix_socket(url) {
        return without_user;
    }
    let cut = without_user.find(['?', '#']).and_then(|at| at.checked_add(1));
    match cut.and_then(|cut| without_user.split_at_checked(cut)) {
        Some((head, query)) if !query.is_empty() => Cow::Owned(format!("{head}…")),
        _ => without_user,
    }
}

/// Whether a URL or `host:port` names a user.
#[must_use]
pub fn has_user(url: &str) -> bool {
    without_user(url) != url
}

/// Whether a URL names a Unix socket.
fn is_unix_socket(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    url.contains(':') && ["unix", "unixs"].iter().any(|unix| scheme.eq_ignore_ascii_case(unix))
}

fn without_user(url: &str) -> Cow<'_, str> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if let Some((before, query)) = rest.find(['?', '#']).and_then(|at| rest.split_at_checked(at))
        && at_sign_belongs_to_query(before, query)
    {
        let Some((_, host)) = before.rsplit_once('@') else { return Cow::Borrowed(url) };
        let start = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        return Cow::Owned(format!("{start}{host}{query}"));
    }
    if is_unix_socket(url) && !scheme.is_empty() {
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        return match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => Cow::Owned(format!("{scheme}://{host}{path}")),
            _ => Cow::Borrowed(url),
        };
    }
    match rest.rsplit_once('@') {
        Some((_, host)) if !is_unix_socket(url) && scheme.is_empty() => Cow::Borrowed(host),
        Some((_, host)) if !is_unix_socket(url) => Cow::Owned(format!("{scheme}://{host}")),
        _ => Cow::Borrowed(url),
    }
}

/// Whether an `@` in `query` (a query or fragment) belongs to it, and not to a password: the text before the query ends
/// with a host and a port, and no host with a port follows the `@`.
fn at_sign_belongs_to_query(before: &str, query: &str) -> bool {
    let has_port = |text: &str| {
        let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
        let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty());
        port.is_some_and(|port| port.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let host = before.rsplit_once('@').map_or(before, |(_, host)| host);
    query.rsplit_once('@').is_some_and(|(_, after)| has_port(host) && !has_port(after))
}

/// Returns a malformed URL as an error message may quote it. Hides user, password and query, and also text in the place
/// of a port that is not a number: if a list is split at a comma within a password, `user:half-a-password` remains.
#[must_use]
pub fn quotable(url: &str) -> Cow<'_, str> {
    let url = without_credentials(url);
    let authority_start = url.find("://").map_or(0, |at| at.saturating_add("://".len()));
    // An IPv6 address without brackets, with or without a port; no password has that form.
    let authority = url.get(authority_start..).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let (address, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if is_address(authority) || (is_address(address) && port.bytes().all(|byte| byte.is_ascii_digit())) {
        return url;
    }
    let host = url.rfind(']').unwrap_or(authority_start).max(authority_start);
    let colon = url.get(host..).and_then(|rest| rest.find(':')).and_then(|at| at.checked_add(host));
    let Some(port) = colon.and_then(|colon| colon.checked_add(1)) else { return url };
    let (before, text) = url.split_at_checked(port).unwrap_or((&url, ""));
    let text = text.split(['/', '?', '#']).next().unwrap_or_default();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { url } else { Cow::Owned(format!("{before}…")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_user_and_password_are_removed() {
        for (url, kept) in [
            ("https://user:pass@host:2379", "https://host:2379"),
            ("HTTPS://user@host:2379/", "HTTPS://host:2379/"),
            ("https://user:p@ss/w#rd?@host:2379", "https://host:2379"),
            ("user:pass@host:2379", "host:2379"),
            ("https://user:pass@[::1]:2379", "https://[::1]:2379"),
            ("https://host:2379", "https://host:2379"),
            ("host:2379", "host:2379"),
            ("unix:///run/a@b/socket", "unix:///run/a@b/socket"),
            ("unixs://a@b:1", "unixs://a@b:1"),
            ("UNIX:a@b", "UNIX:a@b"),
            ("unix://root:secret@/run/socket", "unix:///run/socket"),
            ("socks5://u:p@proxy:1080", "socks5://proxy:1080"),
            ("@", ""),
            ("", ""),
        ] {
            assert_eq!(without_credentials(url), kept, "{url}");
            assert_eq!(has_user(url), url.contains('@') && kept != url, "{url}");
        }
    }

    #[test]
    fn queries_and_fragments_are_hidden() {
        for (url, kept) in [
            ("https://host:2379/path?token=secret", "https://host:2379/path?…"),
            ("https://user:pass@host:2379?token=secret#more", "https://host:2379?…"),
            ("https://host:2379/#secret", "https://host:2379/#…"),
            ("host:2379?token=secret", "host:2379?…"),
            ("https://host:2379/?", "https://host:2379/?"),
            ("unix:///run/a?b", "unix:///run/a?b"),
        ] {
            assert_eq!(without_credentials(url), kept, "{url}");
            assert_eq!(quotable(url), kept, "{url}");
            assert_eq!(has_user(url), url.contains('@'), "{url}");
        }
    }

    #[test]
    fn an_at_sign_in_a_query_does_not_end_a_password() {
        for (url, kept, names_a_user) in [
            ("https://host:2379?mail=me@example", "https://host:2379?…", false),
            ("https://host:2379/path?mail=me@example.com#x", "https://host:2379/path?…", false),
            ("host:2379#me@example", "host:2379#…", false),
            ("https://[::1]:2379/?a@b", "https://[::1]:2379/?…", false),
            ("https://user:p@ss@host:2379?mail=me@example", "https://host:2379?…", true),
            ("user:pass@host:2379?a@b", "host:2379?…", true),
            // Text that could be part of a password is hidden.
            ("https://user:12?secret@host:2379", "https://host:2379", true),
            ("https://user:secret?@host", "https://host", true),
        ] {
            assert_eq!(without_credentials(url), kept, "{url}");
            assert_eq!(has_user(url), names_a_user, "{url}");
        }
    }

    #[test]
    fn text_that_may_be_part_of_a_password_is_not_quoted() {
        for (url, quoted) in [
            ("https://user:secret", "https://user:…"),
            ("user:secret", "user:…"),
            ("user:12secret", "user:…"),
            ("https://host:2379/path", "https://host:2379/path"),
            ("https://host:70000", "https://host:70000"),
            ("http://[::1]", "http://[::1]"),
            ("http://[::1]:x", "http://[::1]:…"),
            ("https://user:pass@host:x", "https://host:…"),
            ("a:b:c", "a:…"),
            ("::1:21030", "::1:21030"),
            ("https://fe80::1:2379/x", "https://fe80::1:2379/x"),
            ("user:cafe::secret", "user:…"),
            ("ftp", "ftp"),
            ("", ""),
        ] {
            assert_eq!(quotable(url), quoted, "{url}");
        }
    }
}
