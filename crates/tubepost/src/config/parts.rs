//! Which parts of a server run in this process.

use std::fmt;

/// A part of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartName {
    /// The bus, with its HTTP API.
    Broker,
    /// Delivers the spool.
    Agent,
    /// Sends mail.
    Notify,
    /// The pages.
    Web,
}

impl PartName {
    const ALL: [PartName; 4] = [PartName::Broker, PartName::Agent, PartName::Notify, PartName::Web];

    fn name(self) -> &'static str {
        match self {
            PartName::Broker => "broker",
            PartName::Agent => "agent",
            PartName::Notify => "notify",
            PartName::Web => "web",
        }
    }
}

/// Some of them, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts(Vec<PartName>);

impl Parts {
    /// Reads `broker, web`; `all` is every part.
    pub(crate) fn parse(text: &str) -> Result<Parts, String> {
        if text.trim() == "all" {
            return Ok(Parts(PartName::ALL.to_vec()));
        }
        let named = |text: &str| {
            let known = PartName::ALL.into_iter().find(|part| part.name() == text.trim());
            known.ok_or_else(|| {
                let known = Parts(PartName::ALL.to_vec());
                format!("names no parts: expected all, or some of {known}, with commas between")
            })
        };
        Ok(Parts(text.split(',').map(named).collect::<Result<_, _>>()?))
    }

    /// Whether this one runs here.
    pub(crate) fn has(&self, part: PartName) -> bool {
        self.0.contains(&part)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|part| part.name()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_parts_or_all_are_named() {
        let all = Parts::parse("all").unwrap();
        assert!(PartName::ALL.into_iter().all(|part| all.has(part)));
        let some = Parts::parse("web, agent").unwrap();
        assert!(some.has(PartName::Web) && some.has(PartName::Agent));
        assert!(!some.has(PartName::Broker) && !some.has(PartName::Notify));
        assert_eq!(Parts::parse(&all.to_string()).unwrap(), all);
    }

    #[test]
    fn what_is_no_part_is_told_the_parts_there_are() {
        for text in ["", "brokers", "broker,", "all, web", "none"] {
            let told = Parts::parse(text).unwrap_err();
            assert!(told.contains("broker, agent, notify, web"), "{text}: {told}");
        }
    }
}
