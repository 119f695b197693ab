//! The processors for which releases are built, and their names in each format.

/// A processor on which the released program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Processor {
    /// Intel and AMD, 64 bits
    #[value(name = "x86_64")]
    X86_64,
    /// ARM, 64 bits
    Aarch64,
}

impl Processor {
    /// All processors, in the order of the image index.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// Returns the name that Rust and the kernel use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Returns the name that Debian, Go and images use.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Returns Rust's target with static musl.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
        }
    }

    /// Returns whether this machine runs programs for it without emulation.
    pub fn is_here(self) -> bool {
        cfg!(target_os = "linux") && std::env::consts::ARCH == self.name()
    }
}
