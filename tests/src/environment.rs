//! Where the programs are that the tests run. `cargo xtask test` says so by variables; without them
//! what `cargo xtask setup` made is looked for, and a miss says how to mend it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail, ensure};

/// The checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The interpreter of the tests' Python environment.
///
/// # Errors
/// It was not set up.
pub fn python() -> Result<PathBuf> {
    given_or("TUBEPOST_PYTHON", &target_directory().join("test-env/venv/bin/python"))
}

/// The same with the Python package of this checkout in it.
///
/// # Errors
/// It was not put there.
pub fn python_with_tubepost() -> Result<PathBuf> {
    let python = python()?;
    let mut look = Command::new(&python);
    look.current_dir("/").args(["-c", "import tubepost"]);
    let found = look.output().context("python cannot be started")?.status.success();
    ensure!(found, "{} has no tubepost: run `cargo xtask wheel`", python.display());
    Ok(python)
}

/// The source of fedora-messaging with its tests.
///
/// # Errors
/// It was not fetched.
pub(crate) fn fedora_messaging_suite() -> Result<PathBuf> {
    let place = target_directory().join("test-env/suites/fedora_messaging-3.9.1");
    given_or("TUBEPOST_FEDORA_MESSAGING_SUITE", &place)
}

/// Node.js.
///
/// # Errors
/// It is not installed, or its packages are not.
pub fn node() -> Result<PathBuf> {
    given_or("TUBEPOST_NODE_MODULES", &root().join("tests/node/node_modules"))?;
    given_or("TUBEPOST_NODE", Path::new("/usr/bin/node"))
}

/// A program with Qpid Proton for C++: `proton_peer` of these tests, or one of Proton's examples.
///
/// # Errors
/// It was not compiled.
pub fn proton_cpp(name: &str) -> Result<PathBuf> {
    let folder = given_or("TUBEPOST_PROTON_CPP", &target_directory().join("test-env/cpp"))?;
    let program = folder.join(name);
    ensure!(program.exists(), "{} is not there: run `cargo xtask setup`", program.display());
    Ok(program)
}

/// Chromium.
///
/// # Errors
/// It is not installed.
pub fn chromium() -> Result<PathBuf> {
    given_or("TUBEPOST_CHROMIUM", Path::new("/usr/bin/chromium"))
}

/// strace.
pub(crate) fn strace() -> Result<PathBuf> {
    given_or("TUBEPOST_STRACE", Path::new("/usr/bin/strace"))
}

/// RabbitMQ's start script.
pub(crate) fn rabbitmq_server() -> Result<PathBuf> {
    let script = Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    given_or("TUBEPOST_RABBITMQ_SERVER", script)
}

/// RabbitMQ's command line for its HTTP API, as Debian ships it in the plugin: version 1.
///
/// # Errors
/// It is not installed.
pub fn rabbitmqadmin() -> Result<PathBuf> {
    let servers = Path::new("/usr/lib/rabbitmq/lib");
    let inside = |folder: &Path, begins: &str| {
        let entries = std::fs::read_dir(folder).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| {
            path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(begins))
        })
    };
    let plugin = inside(servers, "rabbitmq_server-")
        .and_then(|server| inside(&server.join("plugins"), "rabbitmq_management-"));
    let plugin =
        plugin.context("RabbitMQ's management plugin is not there: run `cargo xtask setup`")?;
    Ok(plugin.join("priv/www/cli/rabbitmqadmin"))
}

/// The binary under test: the one that `TUBEPOST_BIN` names, else the release build of this
/// checkout, brought up to date first.
///
/// # Errors
/// The build fails.
pub fn tubepost_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match env::var_os("TUBEPOST_BIN") {
        Some(binary) => Ok(binary.into()),
        None => build().map_err(|error| format!("{error:#}")),
    });
    match built {
        Ok(binary) => Ok(binary.clone()),
        Err(error) => bail!("{error}"),
    }
}

fn build() -> Result<PathBuf> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args(["build", "--release", "--package", "tubepost"])
        .output()
        .context("cargo cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo build --release --package tubepost:\n{said}");
    Ok(target_directory().join("release/tubepost"))
}

/// `rabbitmqadmin` 2, where it is built by hand or by torture: the root that cargo installs into,
/// and the program.
pub fn rabbitmqadmin_2() -> (PathBuf, PathBuf) {
    let root = target_directory().join("test-env/rabbitmqadmin-2");
    let program = root.join("bin/rabbitmqadmin");
    (root, program)
}

/// The test's own program lies in `TARGET/debug/deps`.
fn target_directory() -> PathBuf {
    if let Some(directory) = env::var_os("CARGO_TARGET_DIR") {
        return root().join(directory);
    }
    root().join("target")
}

fn given_or(variable: &str, default: &Path) -> Result<PathBuf> {
    let path = env::var_os(variable).map_or_else(|| default.to_path_buf(), PathBuf::from);
    ensure!(path.exists(), "{} is not there ({variable}): run `cargo xtask setup`", path.display());
    Ok(path)
}
