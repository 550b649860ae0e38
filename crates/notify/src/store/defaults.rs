//! Rules that people get without asking: everybody, or who joins a group. A copy each, their own
//! from then on; what somebody removed does not come back.

use serde::{Deserialize, Serialize};

use super::{Error, Store, database::Session, one, put, write_rule};
use crate::rule::{Condition, Outlet, Owner, Rule, VERSION};

/// Who gets default rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody the store is told of.
    Everybody,
    /// Who is in a group.
    Group(String),
}

impl Scope {
    fn key(&self) -> String {
        match self {
            Scope::Everybody => "everybody".to_owned(),
            Scope::Group(name) => format!("group:{name}"),
        }
    }
}

/// Default rules of a scope.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Without id and owner.
    pub rules: Vec<DefaultRule>,
}

/// A rule that is nobody's yet. `to` is `@mail`, as a rule: all mail addresses of who gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultRule {
    /// Its name; of two with one name in a scope a person gets the first.
    pub name: String,
    /// What it wants.
    pub what: Condition,
    /// Where it tells.
    pub outlets: Vec<Outlet>,
}

impl DefaultRule {
    fn of(&self, person: &str) -> Rule {
        Rule {
            version: VERSION,
            id: uuid::Uuid::now_v7().to_string(),
            owner: Owner::Person(person.to_owned()),
            name: self.name.clone(),
            enabled: true,
            what: self.what.clone(),
            outlets: self.outlets.clone(),
        }
    }
}

impl Store {
    /// Sets the default rules of a scope. Who has had its rules already keeps them as they are.
    ///
    /// # Errors
    /// [`Error::Rule`]; a destination that is somebody's; the database's.
    pub fn put_defaults(&self, scope: &Scope, defaults: &Defaults) -> Result<(), Error> {
        for rule in &defaults.rules {
            rule.of("somebody").check().map_err(Error::Rule)?;
            let own =
                rule.outlets.iter().flat_map(|outlet| &outlet.to).find(|to| !to.starts_with('@'));
            if let Some(to) = own {
                let problem = format!(
                    "default rule '{}': '{to}' is one person's; write @mail for everybody's own",
                    rule.name
                );
                return Err(Error::Refused(problem));
            }
        }
        if defaults.rules.len() > DEFAULTS_MAX {
            let problem = format!("more than {DEFAULTS_MAX} default rules for one scope");
            return Err(Error::Refused(problem));
        }
        self.change(|session| put(session, "default_rules", "scope", &scope.key(), defaults))
    }

    /// The default rules of a scope.
    ///
    /// # Errors
    /// The database's.
    pub fn defaults(&self, scope: &Scope) -> Result<Defaults, Error> {
        self.read(|session| of_scope(session, scope))
    }

    /// Tells the store of somebody. Who is new gets everybody's default rules; false when they are
    /// known.
    ///
    /// # Errors
    /// A name that is none; the database's.
    pub fn add_person(&self, name: &str) -> Result<bool, Error> {
        super::named(name)?;
        self.change(|session| {
            let sql = "INSERT INTO person (name) VALUES ($1) ON CONFLICT DO NOTHING";
            let is_new = session.run(sql, &[name])? > 0;
            if is_new {
                give(session, name, &Scope::Everybody)?;
            }
            Ok(is_new)
        })
    }
}

/// Gives somebody the default rules of a scope that they have not had.
pub(super) fn give(session: &mut dyn Session, person: &str, scope: &Scope) -> Result<(), Error> {
    for rule in of_scope(session, scope)?.rules {
        let had = format!("{} {}", scope.key(), rule.name);
        let sql = "INSERT INTO given (person, rule) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        if session.run(sql, &[person, &had])? > 0 {
            write_rule(session, &rule.of(person))?;
        }
    }
    Ok(())
}

fn of_scope(session: &mut dyn Session, scope: &Scope) -> Result<Defaults, Error> {
    let sql = "SELECT body FROM default_rules WHERE scope = $1";
    Ok(one(session, sql, &scope.key())?.unwrap_or_default())
}

const DEFAULTS_MAX: usize = 50;
