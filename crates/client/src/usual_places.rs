//! Where things are when nobody named a place: the agent's socket, the spool, the configuration
//! file. One answer for the library and the command line.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// Where an agent's socket usually is, the most likely place first: `tubepost/agent.sock` in
/// `XDG_RUNTIME_DIR`, then `/run/tubepost/agent.sock`. `variable` gives a variable's text.
pub fn usual_sockets(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let own = variable("XDG_RUNTIME_DIR").map(|run| Path::new(&run).join("tubepost/agent.sock"));
    own.into_iter().chain([PathBuf::from("/run/tubepost/agent.sock")]).collect()
}

/// Where events usually wait: `/var/spool/tubepost` where it can be written, else `tubepost/spool`
/// in `XDG_STATE_HOME`, else in `~/.local/state`; nowhere when there is no home either.
pub fn usual_spool(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let system = Path::new("/var/spool/tubepost");
    if system.is_dir() && rustix::fs::access(system, Access::WRITE_OK).is_ok() {
        return Some(system.to_owned());
    }
    let home = || variable("HOME").map(|home| format!("{home}/.local/state"));
    let state = variable("XDG_STATE_HOME").or_else(home)?;
    Some(Path::new(&state).join("tubepost/spool"))
}

/// Where a configuration file may be, in the order in which it is looked for.
pub(crate) fn usual_files(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let home = || variable("HOME").map(|home| format!("{home}/.config"));
    let user = variable("XDG_CONFIG_HOME").or_else(home);
    let user = user.map(|user| Path::new(&user).join("tubepost/tubepost.toml"));
    [PathBuf::from("/etc/tubepost/tubepost.toml")].into_iter().chain(user).collect()
}
