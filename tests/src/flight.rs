//! The static programs that `make cross` builds for aircraft, on this machine: those for other processors run in qemu.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::without_settings;

/// What the agent is cross-compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// PC processors.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM with a floating-point unit.
    Armv7,
}

impl Target {
    /// As the compiler names it.
    #[must_use]
    pub const fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
            Self::Armv7 => "armv7-unknown-linux-musleabihf",
        }
    }

    /// The program.
    ///
    /// # Panics
    /// When it has not been built.
    #[must_use]
    pub fn program(self) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../.cache/cross")
            .join(self.triple())
            .join("cabinwatch-agent");
        path.canonicalize()
            .unwrap_or_else(|error| panic!("{}: {error}; run `make cross` first", path.display()))
    }

    /// `cabinwatch-agent`, its environment free of settings from outside.
    ///
    /// # Panics
    /// When it has not been built.
    #[must_use]
    pub fn agent(self) -> Command {
        let program = self.program();
        let command = match self.emulator() {
            None => Command::new(program),
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(program);
                command
            }
        };
        without_settings(command)
    }

    /// What runs its programs here; none where the processor does.
    fn emulator(self) -> Option<&'static str> {
        let (processor, emulator) = match self {
            Self::X86_64 => ("x86_64", "qemu-x86_64-static"),
            Self::Aarch64 => ("aarch64", "qemu-aarch64-static"),
            Self::Armv7 => ("arm", "qemu-arm-static"),
        };
        (ARCH != processor).then_some(emulator)
    }
}
