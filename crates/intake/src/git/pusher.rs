//! Who pushed, as far as the hook's environment tells.

use std::{fs, os::unix::fs::MetadataExt};

/// The pusher's account name: what the operator set, what the git front end says, or the account
/// the hook runs under. `variable` reads the environment.
///
/// `TUBEPOST_AGENT`; `GL_USER` (gitolite), `GL_USERNAME` (GitLab), `GITEA_PUSHER_NAME` (Forgejo,
/// Gitea), `REMOTE_USER` (git-http-backend); `USER` and `LOGNAME` (sshd, a login).
pub fn pusher(variable: impl Fn(&str) -> Option<String>) -> String {
    [
        "TUBEPOST_AGENT",
        "GL_USER",
        "GL_USERNAME",
        "GITEA_PUSHER_NAME",
        "REMOTE_USER",
        "USER",
        "LOGNAME",
    ]
    .into_iter()
    .filter_map(variable)
    .map(|name| name.trim().to_owned())
    .find(|name| !name.is_empty() && !name.chars().any(char::is_control))
    .or_else(account)
    .unwrap_or_else(|| "unknown".to_owned())
}

// The name of the account we run under: a service manager does not always set USER.
fn account() -> Option<String> {
    let uid = fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, mut behind) = (fields.next()?, fields.skip(1));
        (behind.next()? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_ends_name_goes_before_the_account_of_the_hook() {
        let environment = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(pusher(environment(&[("USER", "git"), ("GL_USER", "ada")])), "ada");
        assert_eq!(pusher(environment(&[("USER", "git"), ("GL_USER", "  ")])), "git");
        assert_eq!(pusher(environment(&[("TUBEPOST_AGENT", "x"), ("GL_USER", "ada")])), "x");
        assert_eq!(pusher(environment(&[])), account().unwrap());
    }
}
