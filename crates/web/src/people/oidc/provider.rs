//! What is asked of the provider: where things are, whose keys sign, and who a code is for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_door::call::{Caller, HeaderMap, HeaderValue, Method, header};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::{Begun, OidcSettings};

#[derive(Debug)]
pub(super) struct Provider {
    caller: Caller,
    issuer: String,
    known: Mutex<Option<(Instant, Arc<Found>)>>,
}

/// What discovery says (OpenID Connect Discovery 1.0 §3), as far as it is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    issuer: String,
    pub(super) authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: String,
}

impl Provider {
    pub(super) fn new(caller: Caller, issuer: String) -> Provider {
        Provider { caller, issuer, known: Mutex::default() }
    }

    /// Where things are; asked again after a while.
    pub(super) async fn found(&self) -> Result<Arc<Found>, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, found)) = known.filter(|(at, _)| at.elapsed() < KEPT_FOR) {
            return Ok(found);
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let found: Found = self.get(&parsed(&url)?, None).await?;
        // §4.3: else one provider could speak for another.
        if found.issuer != self.issuer {
            return Err(format!("{url} speaks for '{}'; set that as the issuer", found.issuer));
        }
        let ours = parsed(&self.issuer)?;
        let all = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
        if let Some(plain) =
            all.iter().find(|it| ours.scheme() == "https" && it.scheme() != "https")
        {
            return Err(format!("{url} leads to {plain}, which is not https"));
        }
        let found = Arc::new(found);
        let kept = Some((Instant::now(), Arc::clone(&found)));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(found)
    }

    /// The claims about who a code is for.
    pub(super) async fn redeem(
        &self,
        settings: &OidcSettings,
        code: &str,
        begun: &Begun,
    ) -> Result<Value, String> {
        let found = self.found().await?;
        let tokens = self.tokens(settings, &found, code, begun).await?;
        let mut claims = self.judged(settings, &found, &tokens.id_token).await?;
        let nonce = claims["nonce"].as_str().unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(begun.nonce.as_bytes())) {
            return Err("the id token is of another attempt (nonce)".to_owned());
        }
        // Some say these only when they are asked for them.
        let lacks = |claim: &str| claims[claim].is_null();
        let lacks_any =
            lacks(&settings.name_claim) || (settings.operators.is_some() && lacks("groups"));
        if let (true, Some(url)) = (lacks_any, &found.userinfo_endpoint) {
            let more: Value = self.get(url, Some(&tokens.access_token)).await?;
            if more["sub"] != claims["sub"] {
                return Err("userinfo is about somebody else (OpenID Connect §5.3.2)".to_owned());
            }
            if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
                for (name, value) in more {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        Ok(claims)
    }

    async fn tokens(
        &self,
        settings: &OidcSettings,
        found: &Found,
        code: &str,
        begun: &Begun,
    ) -> Result<Tokens, String> {
        let (headers, body) = asked(settings, found, code, begun)?;
        let sent = self.caller.send(Method::POST, &found.token_endpoint, headers, body).await;
        read("the token endpoint", sent).await
    }

    /// The claims of an id token that holds (§3.1.3.7).
    async fn judged(
        &self,
        settings: &OidcSettings,
        found: &Found,
        token: &str,
    ) -> Result<Value, String> {
        let no_token = |error: jsonwebtoken::errors::Error| format!("the id token: {error}");
        let head = decode_header(token).map_err(no_token)?;
        if !ALGORITHMS.contains(&head.alg) {
            return Err(format!("the id token is signed by {:?}, which is not taken", head.alg));
        }
        let keys: JwkSet = self.get(&found.jwks_uri, None).await?;
        let is_meant = |key: &&Jwk| match &head.kid {
            Some(kid) => key.common.key_id.as_ref() == Some(kid),
            None => true,
        };
        let key =
            keys.keys.iter().find(is_meant).ok_or("the id token is signed by no key of it")?;
        let key = DecodingKey::from_jwk(key).map_err(no_token)?;
        let mut validation = Validation::new(head.alg);
        validation.set_audience(&[&settings.client_id]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        decode::<Value>(token, &key, &validation).map(|token| token.claims).map_err(no_token)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        url: &Url,
        token: Option<&str>,
    ) -> Result<T, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            headers.insert(header::AUTHORIZATION, value.map_err(|error| error.to_string())?);
        }
        let sent = self.caller.send(Method::GET, url, headers, Bytes::new()).await;
        read(url.path(), sent).await
    }
}

/// The request that turns a code into tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
fn asked(
    settings: &OidcSettings,
    found: &Found,
    code: &str,
    begun: &Begun,
) -> Result<(HeaderMap, Bytes), String> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &begun.redirect)
        .append_pair("code_verifier", &begun.verifier);
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, media_type);
    let methods = &found.token_endpoint_auth_methods_supported;
    // Without a word it is the first of these (Discovery §3).
    let by_header = methods.is_empty() || methods.iter().any(|it| it == "client_secret_basic");
    match &settings.client_secret {
        Some(secret) if by_header => {
            headers.insert(header::AUTHORIZATION, basic(&settings.client_id, secret)?);
        }
        Some(secret) => {
            body.append_pair("client_id", &settings.client_id);
            body.append_pair("client_secret", secret);
        }
        None => {
            body.append_pair("client_id", &settings.client_id);
        }
    }
    Ok((headers, body.finish().into()))
}

async fn read<T: serde::de::DeserializeOwned>(
    what: &str,
    sent: Result<http_door::call::Reply, http_door::call::CallError>,
) -> Result<T, String> {
    let reply = sent.map_err(|error| error.to_string())?;
    let status = reply.status;
    let body = reply.beginning(BODY_BYTES_MAX).await;
    if !status.is_success() {
        let said = crate::shown::line(&String::from_utf8_lossy(&body), 200);
        return Err(format!("{what} answers {status}: {said}"));
    }
    // What it is may be a token: the words of the parser only.
    serde_json::from_slice(&body).map_err(|error| format!("{what}: {error}"))
}

/// RFC 6749 §2.3.1: both are encoded as in a form first.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, String> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let mut value =
        HeaderValue::from_str(&format!("Basic {pair}")).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

fn parsed(url: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|error| format!("{url}: {error}"))
}

/// Signatures of keys that only the provider has: never one by a secret that both have, and never
/// none.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
const KEPT_FOR: Duration = Duration::from_secs(3600);
const BODY_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_s_name_and_secret_are_encoded_as_in_a_form_first() {
        let value = basic("a b", "c+:%").unwrap();
        let expected = format!("Basic {}", BASE64_STANDARD.encode("a+b:c%2B%3A%25"));
        assert_eq!(value.to_str().unwrap(), expected);
        assert!(value.is_sensitive());
    }

    #[test]
    fn no_signature_is_taken_that_others_could_make() {
        for others in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert!(!ALGORITHMS.contains(&others), "{others:?}");
        }
    }
}
