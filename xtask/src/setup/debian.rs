//! Debian packages: what is missing is installed when this is root or may sudo without a prompt;
//! otherwise it is named, with the command that installs it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::cpp;
use crate::{
    project::{self, find_program},
    step::run_command,
};

/// Something that is run here, and the Debian packages that bring it.
#[derive(Clone, Copy)]
pub(super) struct Need {
    what: &'static str,
    is_there: fn() -> bool,
    packages: &'static [&'static str],
}

/// Of `cargo xtask test`.
pub(super) const OF_TESTS: [Need; 16] = [
    Need {
        what: "git (the hook's tests push with it)",
        is_there: || find_program(&["git"]).is_some(),
        packages: &["git"],
    },
    Need {
        what: "Python 3 with venv (pika, proton, Azure's client, fedora-messaging, a mail server)",
        is_there: || answers("python3", &["-c", "import venv, ensurepip"]),
        packages: &["python3", "python3-venv"],
    },
    Need {
        what: "a C compiler, headers of Python and OpenSSL (python-qpid-proton is built here)",
        is_there: || {
            answers("cc", &["--version"])
                && answers("pkg-config", &["--exists", "openssl"])
                && answers("python3", &["-c", HAS_HEADERS])
        },
        packages: &["build-essential", "pkg-config", "libssl-dev", "python3-dev"],
    },
    Need {
        what: "Node.js 18 or newer (amqplib, rhea, the browser's driver)",
        is_there: || {
            answers("node", &["-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"])
        },
        packages: &["nodejs"],
    },
    Need { what: "npm", is_there: || answers("npm", &["--version"]), packages: &["npm"] },
    Need {
        what: "Chromium (it opens the page)",
        is_there: || chromium().is_ok(),
        packages: &["chromium"],
    },
    Need {
        what: "a font (Chromium draws nothing without one)",
        is_there: has_a_font,
        packages: &["fontconfig", "fonts-dejavu-core"],
    },
    RABBITMQ,
    Need {
        what: "PostgreSQL (people's rules are kept in one, too)",
        is_there: || {
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
            versions.flatten().any(|version| version.path().join("bin/initdb").exists())
        },
        packages: &["postgresql"],
    },
    Need {
        what: "InspIRCd and Atheme (people are told on IRC)",
        is_there: || {
            let programs = ["/usr/sbin/inspircd", "/usr/bin/atheme-services"];
            programs.iter().all(|program| Path::new(program).exists())
        },
        packages: &["inspircd", "atheme-services"],
    },
    Need {
        what: "rabbitmq-c's amqp-* tools (they publish and consume)",
        is_there: || find_program(&["amqp-declare-queue"]).is_some(),
        packages: &["amqp-tools"],
    },
    Need {
        what: "Qpid Proton for C++ and its examples (a peer of AMQP 1.0 is compiled here)",
        is_there: || {
            let example = Path::new(cpp::EXAMPLES).join("simple_send.cpp");
            Path::new("/usr/include/proton/container.hpp").exists() && example.exists()
        },
        packages: &["libqpid-proton-cpp12-dev", "libqpid-proton11-dev-examples"],
    },
    Need {
        what: "socat (a service in shell hands its events over with it)",
        is_there: || find_program(&["socat"]).is_some(),
        packages: &["socat"],
    },
    Need {
        what: "ip (a network of its own for a suite that knows its ports)",
        is_there: || find_program(&["ip"]).is_some(),
        packages: &["iproute2"],
    },
    Need {
        what: "strace (it makes system calls of the server fail)",
        is_there: || find_program(&["strace"]).is_some(),
        packages: &["strace"],
    },
    Need {
        what: "dunst, Xvfb and dbus-daemon (a desktop's session that shows notices)",
        is_there: || {
            let programs = ["dunst", "dunstctl", "Xvfb", "dbus-daemon", "dbus-send"];
            programs.iter().all(|program| find_program(&[program]).is_some())
        },
        // dbus-x11, as what would come by default for dunst brings systemd along.
        packages: &["dunst", "dbus-x11", "dbus-daemon", "dbus-bin", "xvfb"],
    },
];

/// Of `cargo xtask bench`.
pub(super) const OF_COMPARISONS: [Need; 2] = [
    RABBITMQ,
    Need {
        what: "NATS (Tubepost is measured beside it)",
        is_there: || nats_server().is_ok(),
        packages: &["nats-server"],
    },
];

/// Of `cargo xtask bench --instructions`.
pub(super) const OF_COUNTS: [Need; 1] = [Need {
    what: "valgrind (it counts instructions)",
    is_there: || find_program(&["valgrind"]).is_some(),
    packages: &["valgrind"],
}];

/// Of a packaged build.
pub(super) const OF_TRAINING: [Need; 2] = [
    Need {
        what: "llvm-profdata (it reads what a build was found to do)",
        is_there: || llvm_profdata().is_ok(),
        packages: &["llvm-19"],
    },
    Need {
        what: "openssl (a certificate for a server that works by TLS)",
        is_there: || find_program(&["openssl"]).is_some(),
        packages: &["openssl"],
    },
];

const RABBITMQ: Need = Need {
    what: "RabbitMQ (it must pass the interop tests, or they are wrong)",
    is_there: || rabbitmq_server().is_ok(),
    packages: &["rabbitmq-server"],
};

/// Whether a Python extension can be built.
const HAS_HEADERS: &str =
    "import os, sysconfig; os.stat(os.path.join(sysconfig.get_path('include'), 'Python.h'))";

/// RabbitMQ's own start script: Debian's wrapper in sbin would change user and directories.
const RABBITMQ_SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Installs without starting: a package's server must not come up on the very ports that
/// `tubepost serve` listens on by default.
const INSTALL: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then
    for server in rabbitmq-server nats-server postgresql inspircd atheme-services; do
        case " $* " in *" $server "*) systemctl disable --now "$server" ;; esac
    done
fi
"#;

/// Installs the packages of what is not there.
///
/// # Errors
/// Something is missing and this is neither Debian nor root nor may it sudo.
pub(super) fn install_missing(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    let lacking = missing.iter().map(|need| need.what).collect::<Vec<_>>().join("; ");
    println!("missing: {lacking}");
    let Some(mut command) = as_root() else {
        bail!(refusal(&lacking, &packages, find_program(&["apt-get"]).is_some()));
    };
    println!("installing Debian packages: {}", packages.join(" "));
    run_command(command.args(["sh", "-c", INSTALL, "install"]).args(&packages))?;
    match missing.iter().find(|need| !(need.is_there)()) {
        None => Ok(()),
        Some(need) => bail!("{} is still missing after its packages were installed", need.what),
    }
}

fn refusal(lacking: &str, packages: &[&str], has_apt: bool) -> String {
    let command = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if has_apt {
        format!(
            "missing: {lacking}. This is not root and sudo asks for a password. Run: sudo {command}"
        )
    } else {
        format!("missing: {lacking}. Install it; on Debian that is: {command}")
    }
}

/// A command that runs what is appended to it as root, without asking; none where that cannot be.
fn as_root() -> Option<Command> {
    find_program(&["apt-get"])?;
    if answers("id", &["-u"]) && output_of("id", &["-u"]).is_some_and(|uid| uid.trim() == "0") {
        return Some(Command::new("env"));
    }
    answers("sudo", &["-n", "true"]).then(|| {
        let mut command = Command::new("sudo");
        command.arg("-n");
        command
    })
}

/// Chromium, by any of its names.
///
/// # Errors
/// None is on `PATH`.
pub(super) fn chromium() -> Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    find_program(&names).context("no chromium on PATH: apt-get install chromium")
}

/// RabbitMQ's start script.
///
/// # Errors
/// It is not installed.
pub(super) fn rabbitmq_server() -> Result<PathBuf> {
    let script = PathBuf::from(RABBITMQ_SERVER);
    if script.exists() {
        return Ok(script);
    }
    bail!("{RABBITMQ_SERVER} is not there: apt-get install rabbitmq-server");
}

/// NATS's server.
///
/// # Errors
/// It is not installed.
pub(super) fn nats_server() -> Result<PathBuf> {
    find_program(&["nats-server"]).context("no nats-server on PATH: apt-get install nats-server")
}

/// The newest `llvm-profdata` that may know this compiler's counts: its own, or the system's.
///
/// # Errors
/// There is none, with the mend.
pub(super) fn llvm_profdata() -> Result<PathBuf> {
    let sysroot = project::said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(project::host()?)
        .join("bin/llvm-profdata");
    if own.is_file() {
        return Ok(own);
    }
    let mut names = (LLVM_OLDEST..LLVM_OLDEST + 20).rev().map(|n| format!("llvm-profdata-{n}"));
    let found = names.find_map(|name| find_program(&[&name]));
    found.with_context(|| {
        format!("there is no llvm-profdata of LLVM {LLVM_OLDEST} or newer; rustup component add llvm-tools, or on Debian apt-get install llvm-{LLVM_OLDEST}")
    })
}

/// It reads what LLVM 22 counts.
const LLVM_OLDEST: u32 = 19;

fn has_a_font() -> bool {
    output_of("fc-list", &[]).is_some_and(|fonts| !fonts.trim().is_empty())
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    output_of(program, arguments).is_some()
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_is_missing_and_the_command() {
        let text = refusal("Chromium", &["chromium", "fontconfig"], true);
        assert!(text.contains("missing: Chromium"), "{text}");
        let command = "sudo apt-get install --no-install-recommends chromium fontconfig";
        assert!(text.contains(command), "{text}");
        assert!(!refusal("Chromium", &["chromium"], false).contains("sudo"));
    }

    #[test]
    fn a_program_that_fails_or_is_not_there_does_not_answer() {
        assert!(answers("true", &[]));
        assert!(!answers("false", &[]));
        assert!(!answers("no-such-program-anywhere", &[]));
    }
}
