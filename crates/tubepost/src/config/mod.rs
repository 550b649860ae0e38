//! Configuration, in two steps. First text: every option is declared once ([`table`]) and takes its
//! text from a flag, else a variable, else the file, else its default, and each text remembers
//! where it came from ([`Settings`]). Then values: [`Config`] is checked and typed, and every fault
//! names the origin and the mend.

mod chat;
mod checked;
mod declared;
mod duration;
mod fault;
mod file;
mod listen;
mod mail;
mod nearest;
mod oidc;
mod parts;
mod settings;
mod subscription;
pub(crate) mod table;
mod table_array;
mod tls;
mod tls_name;

pub(crate) use checked::{Config, LogFormat, Schemas};
pub(crate) use declared::{AnyDeclared, Fallback, Verb};
pub(crate) use duration::parse_duration;
pub(crate) use fault::{Fault, Origin};
pub(crate) use listen::{ListenAddress, local};
pub(crate) use mail::notifier;
pub(crate) use oidc::oidc;
pub(crate) use parts::PartName;
pub(crate) use settings::{Environment, Settings, options};
