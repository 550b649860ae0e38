//! What a service finds around it without being told: agent, bus, spool, the prefix of its topics.

use std::{env, fs, io, path::PathBuf};

use event::SigningKey;
use toml::{Table, Value};

use crate::{
    BusUrl, Error, SignaturePolicy, Trust, parse_size, signing_key, trusted_keys, usual_places,
};

/// What a [`crate::Sender`] and a [`crate::Subscribe`] stand on. Each is said by a variable, else
/// by the configuration file (`TUBEPOST_CONFIG`, `/etc/tubepost/tubepost.toml`,
/// `~/.config/tubepost/tubepost.toml`), else it is the usual one.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Sockets of agents, the first that answers is taken: `TUBEPOST_AGENT_SOCKET`, `agent.socket`,
    /// the usual ones.
    pub agents: Vec<PathBuf>,
    /// The bus, for what no agent delivers: `TUBEPOST_BUS`, `bus.url`, the local broker.
    pub bus: BusUrl,
    /// Where events wait when there is no agent: `TUBEPOST_SPOOL`, `spool.directory`.
    pub spool: PathBuf,
    /// How much may wait there, in bytes: `TUBEPOST_SPOOL_SIZE_MAX`, `spool.size_max`, 1 GiB.
    pub spool_size_bytes_max: u64,
    /// Stands before the topic of every event: `TUBEPOST_TOPIC_PREFIX`, `event.topic_prefix`, none.
    pub topic_prefix: String,
    /// Who this is, for the broker's list of connections: `TUBEPOST_APP_NAME`, the program's name.
    pub app: String,
    /// Which key it signs with, and whose signatures it trusts.
    pub signing: Signing,
}

/// Signing and verifying, without a word in the code. Nothing of it unless said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signing {
    /// The key's file: `TUBEPOST_SIGN_KEY`, `event.sign_key`. What a [`crate::Sender`] publishes
    /// is signed with it.
    pub key: Option<PathBuf>,
    /// The directory of the trusted keys: `TUBEPOST_KEYS`, `event.keys`. What
    /// [`crate::subscribe()`] receives is judged by it.
    pub keys: Option<PathBuf>,
    /// The file of the authorities that vouch for certificates: `TUBEPOST_KEYS_CA`,
    /// `event.keys_ca`.
    pub authorities: Option<PathBuf>,
    /// What becomes of what is not signed by one of them: `TUBEPOST_SIGNATURES`,
    /// `event.signatures`.
    pub policy: SignaturePolicy,
}

impl Signing {
    /// The key, if there is one.
    ///
    /// # Errors
    /// [`Error::Configuration`]: its file cannot be read, or is none.
    pub fn signing_key(&self) -> Result<Option<SigningKey>, Error> {
        self.key.as_deref().map(signing_key).transpose()
    }

    /// The trusted keys, if there are any, and what is done by them.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a file cannot be read, or is no key; signatures are required, and
    /// there is no directory of keys.
    pub fn trust(&self) -> Result<Option<Trust>, Error> {
        match &self.keys {
            Some(keys) => {
                let verifier = trusted_keys(keys, self.authorities.as_deref())?;
                Ok(Some(Trust::new(verifier, self.policy)))
            }
            None if self.policy == SignaturePolicy::Require => Err(Error::Configuration {
                place: "event.signatures".to_owned(),
                problem: "is require, and no key is trusted; name a directory of keys with \
                          event.keys"
                    .to_owned(),
            }),
            None => Ok(None),
        }
    }
}

impl Surroundings {
    /// Those of this process. A file that this process may not read counts as none.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a value that is none, or a file that is no TOML; [`Error::Url`].
    pub fn of_process() -> Result<Surroundings, Error> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Surroundings::of(variable, file(variable)?.as_ref())
    }

    fn of(
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&(PathBuf, Table)>,
    ) -> Result<Surroundings, Error> {
        let said = |name: &str, section: &str, key: &str| {
            variable(name).or_else(|| match file?.1.get(section)?.get(key)? {
                Value::String(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                _ => None,
            })
        };
        let agents = match said("TUBEPOST_AGENT_SOCKET", "agent", "socket") {
            Some(socket) => vec![socket.into()],
            None => usual_places::usual_sockets(&variable),
        };
        let spool = said("TUBEPOST_SPOOL", "spool", "directory").map(PathBuf::from);
        let spool = spool.or_else(|| usual_places::usual_spool(&variable));
        let size = said("TUBEPOST_SPOOL_SIZE_MAX", "spool", "size_max");
        Ok(Surroundings {
            agents,
            bus: match said("TUBEPOST_BUS", "bus", "url") {
                Some(url) => url.parse()?,
                None => BusUrl::default(),
            },
            // Without any home, beside other things that are gone after a restart of the machine.
            spool: spool.unwrap_or_else(|| env::temp_dir().join("tubepost-spool")),
            spool_size_bytes_max: match size {
                None => SPOOL_SIZE_BYTES_MAX,
                Some(text) => parse_size(&text).map_err(|problem| Error::Configuration {
                    place: "spool.size_max".to_owned(),
                    problem: format!("'{text}' {problem}"),
                })?,
            },
            topic_prefix: said("TUBEPOST_TOPIC_PREFIX", "event", "topic_prefix")
                .unwrap_or_default(),
            app: variable("TUBEPOST_APP_NAME")
                .or_else(program)
                .unwrap_or_else(|| "tubepost".to_owned()),
            signing: Signing {
                key: said("TUBEPOST_SIGN_KEY", "event", "sign_key").map(PathBuf::from),
                keys: said("TUBEPOST_KEYS", "event", "keys").map(PathBuf::from),
                authorities: said("TUBEPOST_KEYS_CA", "event", "keys_ca").map(PathBuf::from),
                policy: match said("TUBEPOST_SIGNATURES", "event", "signatures") {
                    None => SignaturePolicy::default(),
                    Some(text) => text.parse().map_err(|problem| Error::Configuration {
                        place: "event.signatures".to_owned(),
                        problem: format!("'{text}' {problem}"),
                    })?,
                },
            },
        })
    }
}

/// The configuration file, if there is one.
fn file(variable: impl Fn(&str) -> Option<String>) -> Result<Option<(PathBuf, Table)>, Error> {
    let named = variable("TUBEPOST_CONFIG").map(PathBuf::from);
    let places = match &named {
        Some(path) => vec![path.clone()],
        None => usual_places::usual_files(&variable),
    };
    for path in places {
        let problem = match fs::read_to_string(&path) {
            Ok(text) => match text.parse::<Table>() {
                Ok(table) => return Ok(Some((path, table))),
                Err(error) => format!("is not TOML: {}", error.message()),
            },
            Err(error) if named.is_none() && is_none(&error) => continue,
            Err(error) => format!("cannot be read: {error}"),
        };
        return Err(Error::Configuration { place: path.display().to_string(), problem });
    }
    Ok(None)
}

/// The system's file may hold secrets that are not for every service.
fn is_none(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

fn program() -> Option<String> {
    let path = PathBuf::from(env::args_os().next()?);
    Some(path.file_name()?.to_string_lossy().into_owned())
}

const SPOOL_SIZE_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], file: &str) -> Result<Surroundings, Error> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Surroundings::of(variable, Some(&("t.toml".into(), file.parse().unwrap())))
    }

    #[test]
    fn a_variable_goes_before_the_file_before_the_usual() {
        let file = "[bus]\nurl = \"amqp://b\"\n[event]\ntopic_prefix = \"org.file\"\n\
                    [spool]\nsize_max = \"1 MiB\"\n[amqp]\nlisten = \"127.0.0.1:1\"";
        let found = of(&[("TUBEPOST_TOPIC_PREFIX", "org.variable"), ("HOME", "/h")], file).unwrap();
        assert_eq!(found.bus.host(), "b");
        assert_eq!(found.topic_prefix, "org.variable");
        assert_eq!(found.spool_size_bytes_max, 1 << 20);
        assert_eq!(found.agents, [PathBuf::from("/run/tubepost/agent.sock")]);
        let named = of(&[("TUBEPOST_AGENT_SOCKET", "/a"), ("XDG_RUNTIME_DIR", "/r")], "").unwrap();
        assert_eq!(named.agents, [PathBuf::from("/a")]);
    }

    #[test]
    fn what_is_no_value_is_named() {
        let error = of(&[("TUBEPOST_SPOOL_SIZE_MAX", "much")], "").unwrap_err().to_string();
        assert!(error.contains("spool.size_max") && error.contains("'much'"), "{error}");
        assert!(of(&[("TUBEPOST_BUS", "http://x")], "").is_err());
    }
}
