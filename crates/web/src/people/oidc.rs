//! Signing in by somebody else's word: an OpenID Connect provider, by authorization code with PKCE.
//! OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9207. What the provider answers is bounded and
//! judged: signature, issuer, audience, time, and the nonce of this very attempt.

mod provider;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http_door::call::{Caller, Reach, Trusted};
use notify::rule::Owner;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{Account, SignedIn, refusal::Refusal, session::random};
use provider::Provider;

/// A provider that people may sign in by.
#[derive(Clone)]
pub struct OidcSettings {
    /// Its issuer, as it calls itself: `https://id.example.org/realms/main`.
    pub issuer: String,
    /// What it knows these pages by.
    pub client_id: String,
    /// What it knows that these pages are them by; none for a public client.
    pub client_secret: Option<String>,
    /// The claim that is a person's name here: `preferred_username`.
    pub name_claim: String,
    /// Who is in this group, by the claim `groups`, is an operator.
    pub operators: Option<String>,
}

/// Without the secret.
impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The way in by a provider.
#[derive(Debug)]
pub struct Oidc {
    settings: OidcSettings,
    provider: Provider,
    begun: Mutex<HashMap<String, Begun>>,
}

/// Somebody is at the provider.
#[derive(Debug)]
struct Begun {
    nonce: String,
    verifier: String,
    redirect: String,
    next: String,
    since: Instant,
}

/// Who came back.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) login: Arc<Vouched>,
    pub(crate) next: String,
}

impl Oidc {
    /// By this provider, whose server is believed to be who these authorities say.
    pub fn new(settings: OidcSettings, trusted: Trusted) -> Oidc {
        // The operator named it: where it stands is theirs to say.
        let caller = Caller::new(trusted, Reach::Anywhere, PATIENCE);
        let provider = Provider::new(caller, settings.issuer.clone());
        Oidc { settings, provider, begun: Mutex::default() }
    }

    /// The provider's host, for the page.
    pub(crate) fn shown(&self) -> String {
        let issuer = Url::parse(&self.settings.issuer).ok();
        issuer.and_then(|it| it.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Where to send somebody, and the state that their browser keeps meanwhile.
    ///
    /// # Errors
    /// The provider is away, or says nonsense.
    pub(crate) async fn begin(
        &self,
        redirect: String,
        next: &str,
    ) -> Result<(String, String), Refusal> {
        let found = self.provider.found().await.map_err(away)?;
        let broken = |why: String| away(format!("there is no randomness: {why}"));
        let (state, nonce) = (random().map_err(broken)?, random().map_err(broken)?);
        let verifier = random().map_err(broken)?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut to = found.authorization_endpoint.clone();
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &redirect)
            .append_pair("scope", "openid profile")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let now = Instant::now();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|_, it| now.duration_since(it.since) < AWAY_MAX);
        if begun.len() >= BEGUN_MAX {
            // Whoever asks without end pushes out the oldest, and nobody who types a password now.
            let oldest =
                begun.iter().min_by_key(|(_, it)| it.since).map(|(state, _)| state.clone());
            oldest.and_then(|state| begun.remove(&state));
        }
        let next = next.to_owned();
        begun.insert(state.clone(), Begun { nonce, verifier, redirect, next, since: now });
        Ok((to.into(), state))
    }

    /// Who came back with this query, to the browser that keeps this state.
    ///
    /// # Errors
    /// Another browser or attempt, or the provider does not vouch for anybody.
    pub(crate) async fn finish(
        &self,
        query: &[(String, String)],
        kept: Option<&str>,
    ) -> Result<Back, Refusal> {
        let said = |name: &str| query.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str());
        let again = || Refusal::forbidden("This sign-in is over, or another browser's; try again.");
        let state = said("state").filter(|state| Some(*state) == kept).ok_or_else(again)?;
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        let begun = begun.filter(|it| it.since.elapsed() < AWAY_MAX).ok_or_else(again)?;
        // RFC 9207: an answer of another provider, mixed up on the way.
        if said("iss").is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(again());
        }
        let Some(code) = said("code") else {
            let why = crate::shown::line(said("error").unwrap_or("no reason"), 100);
            return Err(Refusal::forbidden(format!("The provider did not let you in: {why}.")));
        };
        let claims = self.provider.redeem(&self.settings, code, &begun).await.map_err(away)?;
        let login = self.vouched(&claims)?;
        Ok(Back { login: Arc::new(login), next: begun.next })
    }

    fn vouched(&self, claims: &Value) -> Result<Vouched, Refusal> {
        let claim = &self.settings.name_claim;
        let name = claims[claim].as_str().unwrap_or_default();
        // A name that rules would take for a group is nobody's.
        if name.parse() != Ok(Owner::Person(name.to_owned())) {
            tracing::warn!(claim, "the provider vouches for somebody without a name that can be");
            let said = format!("The provider says no name ({claim}) that can be one here.");
            return Err(Refusal::forbidden(said));
        }
        let groups = claims["groups"].as_array().into_iter().flatten();
        let mut groups = groups.filter_map(Value::as_str);
        let operator = self.settings.operators.as_deref();
        let operator = operator.is_some_and(|group| groups.any(|one| one == group));
        Ok(Vouched { account: Account { name: name.to_owned(), operator } })
    }
}

/// Somebody the provider vouched for. They stay until their session ends.
#[derive(Debug)]
pub(crate) struct Vouched {
    account: Account,
}

impl SignedIn for Vouched {
    fn now(&self) -> Option<Account> {
        Some(self.account.clone())
    }
}

fn away(why: String) -> Refusal {
    tracing::warn!("nobody can sign in by the OpenID Connect provider: {why}");
    Refusal::unavailable("The sign-in provider does not answer as it should; the log says why.")
}

/// The provider may take so long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Somebody may stay so long at the provider.
pub(crate) const AWAY_MAX: Duration = Duration::from_secs(600);
const BEGUN_MAX: usize = 10_000;
