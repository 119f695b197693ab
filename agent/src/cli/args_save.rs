//! What `save` takes, and how servers are reached: etcdctl's flags and variables.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use etcdsnap::save::Compression;

use super::exit;

/// How a server is reached.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The server")]
pub struct ClientArgs {
    /// Servers: HOST:PORT, http://…, https://…, unix://PATH; of several the healthiest is taken. HTTPS_PROXY and NO_PROXY count
    #[arg(
        long,
        value_name = "ENDPOINTS",
        env = "ETCDCTL_ENDPOINTS",
        default_value = "127.0.0.1:2379",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub endpoints: Vec<String>,
    /// Authorities that sign the servers' certificates (PEM) [default: those of the system]
    #[arg(long, value_name = "PATH", env = "ETCDCTL_CACERT", hide_env_values = true, value_parser = path())]
    pub cacert: Option<PathBuf>,
    /// Our own certificate (PEM)
    #[arg(long, value_name = "PATH", env = "ETCDCTL_CERT", hide_env_values = true, value_parser = path())]
    pub cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "PATH", env = "ETCDCTL_KEY", hide_env_values = true, value_parser = path())]
    pub key: Option<PathBuf>,
    /// Take any certificate of a server
    #[arg(long, env = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| truth(text, false))]
    pub insecure_skip_tls_verify: bool,
    /// Speak plain text to an endpoint without a scheme, when no certificates are given
    #[arg(long, env = "ETCDCTL_INSECURE_TRANSPORT", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| truth(text, true))]
    pub insecure_transport: bool,
    /// The user, with the root role; the password is asked for when it is not given
    #[arg(long, value_name = "NAME[:PASSWORD]", env = "ETCDCTL_USER", hide_env_values = true)]
    pub user: Option<String>,
    /// The password; others see it in the list of processes
    #[arg(long, value_name = "PASSWORD", env = "ETCDCTL_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// A file that holds the password alone; it counts more than --password and its variable
    #[arg(long, value_name = "PATH")]
    pub password_file: Option<PathBuf>,
    /// A token instead of user and password
    #[arg(long, value_name = "TOKEN", env = "ETCDCTL_AUTH_JWT_TOKEN", hide_env_values = true, conflicts_with_all = ["user", "password", "password_file"])]
    pub auth_jwt_token: Option<String>,
    /// How long a server may take to be connected and say its first word
    #[arg(long, value_name = "TIME", env = "ETCDCTL_DIAL_TIMEOUT", hide_env_values = true, default_value = "2s", value_parser = span)]
    pub dial_timeout: Duration,
    /// How long all of it may take [default: no limit]
    #[arg(long, value_name = "TIME", env = "ETCDCTL_COMMAND_TIMEOUT", hide_env_values = true, value_parser = span)]
    pub command_timeout: Option<Duration>,
    /// After how much silence a server is asked whether it is there; 10s at least
    #[arg(long, value_name = "TIME", env = "ETCDCTL_KEEPALIVE_TIME", hide_env_values = true, default_value = "2s", value_parser = span)]
    pub keepalive_time: Duration,
    /// How long it may take to answer that
    #[arg(long, value_name = "TIME", env = "ETCDCTL_KEEPALIVE_TIMEOUT", hide_env_values = true, default_value = "6s", value_parser = span)]
    pub keepalive_timeout: Duration,
    /// Find the servers by SRV records of this domain
    #[arg(long, short = 'd', value_name = "DOMAIN", env = "ETCDCTL_DISCOVERY_SRV", hide_env_values = true)]
    pub discovery_srv: Option<String>,
    /// What stands behind `etcd-client-` in the names of those records
    #[arg(long, value_name = "NAME", env = "ETCDCTL_DISCOVERY_SRV_NAME", hide_env_values = true)]
    pub discovery_srv_name: Option<String>,
    /// Take servers without TLS from those records too, and outside the domain those with certificates of their own
    #[arg(long, env = "ETCDCTL_INSECURE_DISCOVERY", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| truth(text, true))]
    pub insecure_discovery: bool,
}

/// How a server is reached, where a command needs one only when it is named: none unless one of these flags is on the command line itself.
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
    /// The file to make, or a directory; `-` is standard output. To that or a FIFO it streams, and only exit code 0 proves that all came
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What must be sound before the file gets its name
    #[arg(long, value_name = "WHAT", default_value = "full")]
    pub verify: SaveLevel,
    /// Compress the file, which every command here reads: zstd or gzip
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    pub compress: Option<Compression>,
    /// Leave out the history that a compaction at the snapshot's own revision removes. The file is then not the one that the server sent: its hash and SHA-256 are its own, and `restore --rev` and `--at` cannot go back in it
    #[arg(long)]
    pub compact: bool,
    /// How long the stream may stand still
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive)]
    pub stall_timeout: Duration,
    /// How many more tries when one fails [default: 0 with one endpoint; each of the others, and two at least, with several]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Do not compare the snapshot with the members of the cluster
    #[arg(long, conflicts_with = "compare")]
    pub no_compare: bool,
    /// Compare it also when the database is large, although each member in turn lets no write through meanwhile
    #[arg(long)]
    pub compare: bool,
    /// Then remove the oldest snapshots of this name and cluster but for so many
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub keep: Option<NonZeroUsize>,
    /// Then remove the snapshots of this name and cluster that are older; alone it leaves the newest three, with --keep what that keeps
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub keep_within: Option<Duration>,
    /// In which form to print; with --every json prints a line for each snapshot, and text nothing beside the log
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: SaveForm,
    /// Say nothing to a person when all is well
    #[arg(short, long, conflicts_with = "every")]
    pub quiet: bool,
    #[command(flatten)]
    pub service: ServiceArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// One snapshot after another.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "As a service")]
pub struct ServiceArgs {
    /// Save one snapshot after another, so much time apart
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub every: Option<Duration>,
    /// Where Prometheus finds the metrics (/metrics): HOST:PORT, or `off`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9479", value_parser = listen)]
    pub metrics_listen: Listen,
    /// How long a snapshot that is under way at SIGTERM may take to its end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub grace: Duration,
    /// How the log is written
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogForm,
}

// A variable that is set to nothing counts as not set, as for etcdctl: each of these takes it for the default.

/// A path that may be empty, which clap's own would refuse.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A time; none of the flags that take one has a use for zero, so that stands for nothing.
fn span(text: &str) -> Result<Duration, humantime::DurationError> {
    if text.is_empty() { Ok(Duration::ZERO) } else { time(text) }
}

/// A time of which zero would mean "at once, and again".
fn positive(text: &str) -> Result<Duration, String> {
    match time(text) {
        Ok(time) if time.is_zero() => Err("it must be more than nothing".into()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// A number of snapshots to keep.
fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<usize>().map(NonZeroUsize::new) {
        Ok(Some(count)) => Ok(count),
        Ok(None) => Err("it must be at least 1".into()),
        Err(_) => Err("it is no number".into()),
    }
}

/// A time as a person writes it, or Go, whose tools know fractions.
fn time(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text).or_else(|error| fractions(text).filter(|_| !text.is_empty()).ok_or(error))
}

/// Go's `1.5h` or `2m0.5s`. Source: `time.ParseDuration`.
fn fractions(text: &str) -> Option<Duration> {
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

/// What Go takes for a truth value.
pub fn truth(text: &str, default: bool) -> Result<bool, String> {
    match text {
        "" => Ok(default),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".into()),
    }
}

/// Where the metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At this HOST:PORT; a name is looked up when the service starts.
    At(String),
}

fn listen(text: &str) -> Result<Listen, String> {
    let wrong = || "it is neither HOST:PORT nor `off`".to_owned();
    match text.rsplit_once(':') {
        None if text == "off" => Ok(Listen::Off),
        // `::1` is an address without a port, and `[::1]:9479` one with it.
        Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
            port.parse::<u16>().map(|_| Listen::At(text.to_owned())).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// What `save` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaveLevel {
    /// Every page and every entry
    Full,
    /// The SHA-256 alone
    Hash,
    /// Nothing but that all of it came: for a server that is all there is left
    None,
}

/// Forms of `save`; etcdctl's are those for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaveForm {
    /// For a person to read
    #[value(aliases = ["simple", "table", "fields"])]
    Text,
    /// For a program to read
    Json,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// Lines of text
    Text,
    /// One JSON object a line
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
    fn metrics_are_served_at_a_host_and_a_port() {
        for text in ["127.0.0.1:9479", "localhost:0", "[::1]:9479", "0.0.0.0:1"] {
            assert_eq!(listen(text), Ok(Listen::At(text.to_owned())));
        }
        assert_eq!(listen("off"), Ok(Listen::Off));
        for text in
            ["", "nowhere", "localhost", ":9479", "::1", "localhost:http", "localhost:70000", "http://localhost:1x"]
        {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_those_of_people_and_of_go() {
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
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "1.5", "1.5x", "1..5s", "-1s", "s", ".s", "1e3s", "inf", "99999999999999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(span(""), Ok(Duration::ZERO));
        assert!(positive("0s").is_err() && positive("1ns").is_ok());
    }
}
