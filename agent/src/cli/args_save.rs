//! Arguments of `save`, and etcdctl's flags and variables for reaching a server.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use etcdsnap::save::Compression;

use super::exit;

/// Flags for reaching a server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The server")]
pub struct ClientArgs {
    /// Servers: HOST:PORT, http://…, https://…, unix://PATH; of several, the healthiest is used. HTTPS_PROXY and NO_PROXY count
    #[arg(
        long,
        value_name = "ENDPOINTS",
        env = "ETCDCTL_ENDPOINTS",
        default_value = "127.0.0.1:2379",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub endpoints: Vec<String>,
    /// Certificates of the authorities that sign the servers' certificates (PEM) [default: those of the system]
    #[arg(long, value_name = "PATH", env = "ETCDCTL_CACERT", hide_env_values = true, value_parser = path_or_empty())]
    pub cacert: Option<PathBuf>,
    /// Client certificate (PEM)
    #[arg(long, value_name = "PATH", env = "ETCDCTL_CERT", hide_env_values = true, value_parser = path_or_empty())]
    pub cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, value_name = "PATH", env = "ETCDCTL_KEY", hide_env_values = true, value_parser = path_or_empty())]
    pub key: Option<PathBuf>,
    /// Accept any server certificate
    #[arg(long, env = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| go_bool(text, false))]
    pub insecure_skip_tls_verify: bool,
    /// Use plain text for an endpoint without a scheme if no certificates are given
    #[arg(long, env = "ETCDCTL_INSECURE_TRANSPORT", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| go_bool(text, true))]
    pub insecure_transport: bool,
    /// The user, who needs the root role; if no password is given, the program asks for it
    #[arg(long, value_name = "NAME[:PASSWORD]", env = "ETCDCTL_USER", hide_env_values = true)]
    pub user: Option<String>,
    /// The password; other users can see it in the list of processes
    #[arg(long, value_name = "PASSWORD", env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// A file that holds only the password; takes precedence over --password and its variable
    #[arg(long, value_name = "PATH")]
    pub password_file: Option<PathBuf>,
    /// A token instead of user and password
    #[arg(long, value_name = "TOKEN", env = "ETCDCTL_AUTH_JWT_TOKEN", hide_env_values = true, conflicts_with_all = ["user", "password", "password_file"])]
    pub auth_jwt_token: Option<String>,
    /// Time limit for connecting to a server until its first answer
    #[arg(long, value_name = "TIME", env = "ETCDCTL_DIAL_TIMEOUT", hide_env_values = true, default_value = "2s", value_parser = duration_or_zero)]
    pub dial_timeout: Duration,
    /// Time limit for the whole command [default: none]
    #[arg(long, value_name = "TIME", env = "ETCDCTL_COMMAND_TIMEOUT", hide_env_values = true, value_parser = duration_or_zero)]
    pub command_timeout: Option<Duration>,
    /// How long a server may be silent before it is pinged; at least 10s
    #[arg(long, value_name = "TIME", env = "ETCDCTL_KEEPALIVE_TIME", hide_env_values = true, default_value = "2s", value_parser = duration_or_zero)]
    pub keepalive_time: Duration,
    /// Time limit for the answer to a ping
    #[arg(long, value_name = "TIME", env = "ETCDCTL_KEEPALIVE_TIMEOUT", hide_env_values = true, default_value = "6s", value_parser = duration_or_zero)]
    pub keepalive_timeout: Duration,
    /// Find the servers by SRV records of this domain
    #[arg(long, short = 'd', value_name = "DOMAIN", env = "ETCDCTL_DISCOVERY_SRV", hide_env_values = true)]
    pub discovery_srv: Option<String>,
    /// The part after `etcd-client-` in the names of those records
    #[arg(long, value_name = "NAME", env = "ETCDCTL_DISCOVERY_SRV_NAME", hide_env_values = true)]
    pub discovery_srv_name: Option<String>,
    /// Also accept servers without TLS from those records, and servers outside the domain by their own certificates
    #[arg(long, env = "ETCDCTL_INSECURE_DISCOVERY", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| go_bool(text, true))]
    pub insecure_discovery: bool,
}

/// Flags for reaching a server where that is optional: `None` unless one of these flags is on the command line itself. Variables alone do not count.
#[derive(Debug, Clone)]
pub struct LiveArgs(pub Option<ClientArgs>);

impl FromArgMatches for LiveArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let client = ClientArgs::augment_args(Command::new("client"));
        let given = |flag: &Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        let named = client.get_arguments().any(given);
        named.then(|| ClientArgs::from_arg_matches(matches)).transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for LiveArgs {
    fn augment_args(command: Command) -> Command {
        ClientArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ClientArgs::augment_args_for_update(command)
    }
}

/// Arguments of `save`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_SAVE)]
pub struct SaveArgs {
    /// The file to create, or a directory; `-` is standard output. To standard output or a FIFO the snapshot is streamed, and only exit code 0 shows that it is complete
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to check before the file gets its name
    #[arg(long, value_name = "WHAT", default_value = "full")]
    pub verify: SaveLevel,
    /// Compress the file with zstd or gzip; every command here reads such files
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    pub compress: Option<Compression>,
    /// Leave out the history that a compaction at the snapshot's own revision removes. The file then differs from the one that the server sent: it has its own hash and SHA-256, and `restore --rev` and `--at` cannot go back in it
    #[arg(long)]
    pub compact: bool,
    /// Give up if the server sends no data for this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    pub stall_timeout: Duration,
    /// Number of retries after a failure [default: 0 with one endpoint; with several, one for each of the others, and at least 2]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Do not compare the snapshot with the members of the cluster
    #[arg(long, conflicts_with = "compare")]
    pub no_compare: bool,
    /// Compare it even if the database is large, although each member blocks writes while it computes its hash
    #[arg(long)]
    pub compare: bool,
    /// Afterwards, keep only this many of the newest snapshots with this name and cluster
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub keep: Option<NonZeroUsize>,
    /// Afterwards, remove older snapshots with this name and cluster; the newest three stay, or with --keep those that it keeps
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub keep_within: Option<Duration>,
    /// Output form; with --every, json prints a line for each snapshot, and text only the log
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: SaveForm,
    /// Print only warnings and errors, and the JSON of -w json
    #[arg(short, long, conflicts_with = "every")]
    pub quiet: bool,
    #[command(flatten)]
    pub service: ServiceArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments for saving one snapshot after another.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "As a service")]
pub struct ServiceArgs {
    /// Save a snapshot at this interval
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    pub every: Option<Duration>,
    /// Address for Prometheus to read the metrics (/metrics): HOST:PORT, or `off`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9479", value_parser = listen_address)]
    pub metrics_listen: Listen,
    /// Time limit after SIGTERM for finishing a snapshot in progress
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub grace: Duration,
    /// Form of the log
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogForm,
}

// As for etcdctl, a variable set to nothing counts as not set: each parser then returns the default.

/// Parses a path that may be empty; clap's own parser refuses that.
pub fn path_or_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Parses a duration; an empty text gives zero, which these flags treat as not set.
fn duration_or_zero(text: &str) -> Result<Duration, humantime::DurationError> {
    if text.is_empty() { Ok(Duration::ZERO) } else { duration(text) }
}

/// Parses a duration greater than zero.
fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(time) if time.is_zero() => Err("it must be greater than zero".into()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Parses a number of at least 1.
fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<usize>().map(NonZeroUsize::new) {
        Ok(Some(count)) => Ok(count),
        Ok(None) => Err("it must be at least 1".into()),
        Err(_) => Err("it is not a whole number".into()),
    }
}

/// Parses a duration such as `1h 30m`, or in Go's notation with fractions.
fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text).or_else(|error| go_duration(text).filter(|_| !text.is_empty()).ok_or(error))
}

/// Parses Go's `1.5h` or `2m0.5s`. Source: `time.ParseDuration`.
fn go_duration(text: &str) -> Option<Duration> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, more) = rest.split_at(rest.find(|letter| !is_number(letter))?);
        let (unit, more) = more.split_at(more.find(is_number).unwrap_or(more.len()));
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = more;
    }
    Some(total)
}

/// Parses a boolean as Go does; an empty text gives `default`.
pub fn go_bool(text: &str, default: bool) -> Result<bool, String> {
    match text {
        "" => Ok(default),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it must be true or false".into()),
    }
}

/// The address of the metrics server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// The metrics are not served.
    Off,
    /// The metrics are served at this HOST:PORT; a name is looked up when the service starts.
    At(String),
}

fn listen_address(text: &str) -> Result<Listen, String> {
    let wrong = || "it must be HOST:PORT or `off`".to_owned();
    match text.rsplit_once(':') {
        None if text == "off" => Ok(Listen::Off),
        // `::1` is an address without a port; `[::1]:9479` has one.
        Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
            port.parse::<u16>().map(|_| Listen::At(text.to_owned())).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// How much `save` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaveLevel {
    /// Every page and every entry
    Full,
    /// Only the SHA-256
    Hash,
    /// Only that everything arrived; to get any copy from the last server that is left, even if its database is damaged
    None,
}

/// Output forms of `save`; etcdctl's forms map to those for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaveForm {
    /// For people
    #[value(aliases = ["simple", "table", "fields"])]
    Text,
    /// For programs
    Json,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// Lines of text
    Text,
    /// One JSON object per line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_one_snapshot_is_kept() {
        assert_eq!(at_least_one("3").map(NonZeroUsize::get), Ok(3));
        assert_eq!(at_least_one("0"), Err("it must be at least 1".into()));
        assert!(at_least_one("-1").is_err() && at_least_one("").is_err());
    }

    #[test]
    fn metrics_need_a_host_and_a_port() {
        for text in ["127.0.0.1:9479", "localhost:0", "[::1]:9479", "0.0.0.0:1"] {
            assert_eq!(listen_address(text), Ok(Listen::At(text.to_owned())));
        }
        assert_eq!(listen_address("off"), Ok(Listen::Off));
        for text in
            ["", "nowhere", "localhost", ":9479", "::1", "localhost:http", "localhost:70000", "http://localhost:1x"]
        {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_parse_in_both_notations() {
        for (text, millis) in [
            ("2s", 2_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1h0.5m", 3_630_000),
            ("2m0s", 120_000),
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("7d", 604_800_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "1.5", "1.5x", "1..5s", "-1s", "s", ".s", "1e3s", "inf", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration_or_zero(""), Ok(Duration::ZERO));
        assert!(positive_duration("0s").is_err() && positive_duration("1ns").is_ok());
    }
}
