//! Turns flags and variables into a client configuration.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcdsnap::client::{Auth, ClientConfig, Discovery, ProxySettings, Tls};
use etcdsnap::core::credentials::has_user;
use etcdsnap::printable_path;
use etcdsnap::small_file::{MAX_PASSWORD_FILE, read_small_file};

use super::args::ClientArgs;
use super::failure::Failure;
use super::{output, signals};

/// Builds the configuration; asks for a password if one is needed.
///
/// # Errors
/// When there is a user without a password, or a file cannot be read.
pub fn config(args: &ClientArgs) -> Result<ClientConfig, Failure> {
    let discovery = given(args.discovery_srv.as_ref()).map(|domain| Discovery {
        domain,
        service: given(args.discovery_srv_name.as_ref()),
        insecure: args.insecure_discovery,
    });
    let usual = ClientConfig::default();
    let or = |given: Duration, usual: Duration| if given.is_zero() { usual } else { given };
    let endpoints = args.endpoints.iter().map(|endpoint| endpoint.trim().to_owned());
    let endpoints: Vec<_> = endpoints.filter(|endpoint| !endpoint.is_empty()).collect();
    if endpoints.iter().any(|endpoint| has_user(endpoint)) {
        output::warn("A user in --endpoints is not used: --user and --password-file say who you are.");
    }
    // etcdctl also refuses an empty flag: it comes from a script whose variable is not set. Only etcdctl's own variables may be empty.
    let is_unset = std::env::var_os("ETCDCTL_ENDPOINTS").is_some_and(|text| text.is_empty());
    if endpoints.is_empty() && !is_unset && discovery.is_none() {
        return Err(Failure::new(
            "--endpoints is empty: no server is named",
            "Give HOST:PORT, or leave the flag out for 127.0.0.1:2379. Perhaps a variable in a script is not set.",
        ));
    }
    Ok(ClientConfig {
        endpoints: if endpoints.is_empty() { usual.endpoints } else { endpoints },
        tls: Tls {
            cacert: file(args.cacert.as_ref()),
            cert: file(args.cert.as_ref()),
            key: file(args.key.as_ref()),
            insecure_skip_verify: args.insecure_skip_tls_verify,
            server_name: None,
        },
        insecure_transport: args.insecure_transport,
        auth: auth(args)?,
        dial_timeout: or(args.dial_timeout, usual.dial_timeout),
        keepalive_time: or(args.keepalive_time, usual.keepalive_time),
        keepalive_timeout: or(args.keepalive_timeout, usual.keepalive_timeout),
        discovery,
        proxy: ProxySettings::from_env(),
    })
}

/// Lists the files that are read to reach a server.
pub fn files(args: &ClientArgs) -> Vec<&Path> {
    let named = [&args.cacert, &args.cert, &args.key, &args.password_file].into_iter().flatten();
    named.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// Returns the text of a flag or variable; an empty one counts as not set, as in etcdctl.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn file(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).cloned()
}

/// Reads the password file again, as certificates are: it may have changed while a service runs.
///
/// # Errors
/// When it cannot be read.
pub fn reread_password_file(args: &ClientArgs, config: &mut ClientConfig) -> Result<(), Failure> {
    if let (Some(path), Some(Auth::User { password, .. })) = (&args.password_file, &mut config.auth) {
        *password = read_password_file(path)?;
    }
    Ok(())
}

fn read_password_file(path: &Path) -> Result<String, Failure> {
    let text = read_small_file(path, MAX_PASSWORD_FILE)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8")))
        .map_err(|cause| Failure::new(format!("--password-file: {}: {cause}", printable_path(path)), ""))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn auth(args: &ClientArgs) -> Result<Option<Auth>, Failure> {
    if let Some(token) = given(args.auth_jwt_token.as_ref()) {
        return Ok(Some(Auth::Token(token)));
    }
    let password = match (&args.password_file, given(args.password.as_ref())) {
        (Some(path), _) => Some(read_password_file(path)?),
        (None, password) => password,
    };
    let Some(user) = given(args.user.as_ref()) else {
        // The variable may be set for other commands; etcdctl ignores it without a user, too.
        if password.is_some() {
            output::warn("there is a password and no user, so it is not used: --user NAME says whose it is.");
        }
        return Ok(None);
    };
    // If the password is given elsewhere, a colon is part of the user's name, as for etcdctl.
    let (name, password) = match (password, user.split_once(':')) {
        (Some(password), _) => (user.clone(), password),
        (None, Some((name, password))) => (name.to_owned(), password.to_owned()),
        (None, None) => (user.clone(), ask_for_password(&user)?),
    };
    Ok(Some(Auth::User { name, password }))
}

fn ask_for_password(user: &str) -> Result<String, Failure> {
    const OTHER_WAYS: &str = "Give it with --password-file or the variable ETCDCTL_PASSWORD.";
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            format!("no password was given for the user {user:?}, and there is no terminal to ask for it"),
            OTHER_WAYS,
        ));
    }
    signals::keeping_terminal_settings(|| rpassword::prompt_password("Password: ")).map_err(|cause| {
        match cause.kind() {
            io::ErrorKind::Interrupted => Failure { exit: signals::exit_after_ctrl_c(), ..Failure::new("stopped", "") },
            _ => Failure::new(format!("the password cannot be asked for: {cause}"), OTHER_WAYS),
        }
    })
}
