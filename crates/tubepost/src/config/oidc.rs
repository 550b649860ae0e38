//! The OpenID Connect provider that people sign in by, resolved.

use std::{fs, path::Path};

use http_door::call::trusted;
use web::{Oidc, OidcSettings};

use super::{
    fault::{Fault, Origin},
    settings::Settings,
    table,
};

/// The way in by a provider, when one is named.
///
/// # Errors
/// A file cannot be read; an option without an issuer, as it would do nothing.
pub(crate) fn oidc(settings: &Settings) -> Result<Option<Oidc>, Fault> {
    let Some(issuer) = settings.get(&table::OIDC_ISSUER)? else {
        let others = ["client_id", "client_secret_file", "name_claim", "operators", "ca_file"];
        let said = others.iter().find_map(|option| settings.said(&format!("http.oidc.{option}")));
        let problem = "nobody signs in by a provider; set http.oidc.issuer";
        return said.map_or(Ok(None), |said| Err(Fault::at(&said.origin, problem)));
    };
    let wrong = |key: &str, why: String| {
        let key = format!("http.oidc.{key}");
        let origin = settings.said(&key).map_or(&Origin::Default, |said| &said.origin);
        Fault::at(origin, format!("{key}: {why}"))
    };
    let secret_file = settings.get(&table::OIDC_CLIENT_SECRET_FILE)?;
    let client_secret = secret_file.as_deref().map(secret).transpose();
    let client_secret = client_secret.map_err(|why| wrong("client_secret_file", why))?;
    let authorities = trusted(settings.get(&table::OIDC_CA_FILE)?.as_deref());
    let authorities = authorities.map_err(|why| wrong("ca_file", why))?;
    let settings = OidcSettings {
        issuer,
        client_id: settings.need(&table::OIDC_CLIENT_ID)?,
        client_secret,
        name_claim: settings.need(&table::OIDC_NAME_CLAIM)?,
        operators: settings.get(&table::OIDC_OPERATORS)?,
    };
    Ok(Some(Oidc::new(settings, authorities)))
}

fn secret(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    match line.is_empty() || line.contains(char::is_control) {
        true => Err(format!("{} does not hold one line", file.display())),
        false => Ok(line.to_owned()),
    }
}
