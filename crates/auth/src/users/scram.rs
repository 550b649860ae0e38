//! SCRAM logins: what a client is asked with, what its proof comes to, and that neither tells who
//! is a user.

use super::Users;
use crate::{
    Error, Iterations, Origin, Peer, Refused, Secret, User,
    hashing::Waited,
    scram::{Hash, Verifier, Verifiers, prepared},
    user::GUEST,
    user_file::Entry,
};

/// A client that was asked for a proof.
#[derive(Debug)]
pub(crate) struct Challenged {
    name: String,
    hash: Hash,
    pub(crate) verifier: Verifier,
    /// Or why the verifier is nobody's.
    of: Result<Origin, Refused>,
}

impl Challenged {
    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }
}

impl Users {
    /// Makes the file be as [`crate::Options`] say: with SCRAM, a secret in it from which users who
    /// are not there are made up, the same after a restart; without, no verifiers. For a server, at
    /// its start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn settle_scram(&self) -> Result<(), Error> {
        let is_settled = {
            let content = &self.fresh_state().content;
            match self.options.scram {
                Some(_) => content.scram_secret.is_some(),
                None => !content.has_scram(),
            }
        };
        if is_settled {
            return Ok(());
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        self.change(|content| {
            match self.options.scram {
                Some(_) => _ = content.scram_secret.get_or_insert(secret),
                None => {
                    content.scram_secret = None;
                    content.users.values_mut().for_each(|entry| entry.scram = None);
                }
            }
            Ok(())
        })
    }

    /// What to ask a client with. `None`: it takes its time, once; call [`Users::derive_guest`] on
    /// a thread that has it.
    pub(crate) fn scram_challenge(
        &self,
        given: &str,
        hash: Hash,
        iterations: Iterations,
        peer: Peer,
    ) -> Option<Result<Challenged, Refused>> {
        let prepared = prepared(given);
        let state = self.fresh_state();
        let users = &state.content.users;
        let name = match users.contains_key(given) {
            true => given,
            false => &prepared,
        };
        let shortened = || name.chars().take(80).collect::<String>();
        if let Some(wait) = state.throttle.wait(name, peer, (self.clock)()) {
            return Some(Err(Refused::TooManyFailures { name: shortened(), wait }));
        }
        let secret = state.content.scram_secret.as_ref().unwrap_or(&self.scram_secret);
        // Made for everybody: whether it was needed is not to be told from how long it took.
        let decoy = Verifier::decoy(hash, secret, name, iterations);
        let found = match (users.get(name), peer) {
            (Some(Entry { scram: Some(kept), .. }), _) => Ok((kept, Origin::Operator)),
            (Some(Entry { hash: Some(_), scram: None, .. }), _) => {
                Err(Refused::NoVerifier { name: shortened() })
            }
            (None, Peer::Loopback) if name == GUEST => {
                Ok((self.scram_guest.get()?, Origin::BuiltIn))
            }
            (None, _) if name == GUEST => Err(Refused::GuestFromElsewhere),
            (Some(Entry { hash: None, .. }) | None, _) => {
                Err(Refused::Credentials { name: shortened() })
            }
        };
        let (verifier, of) = match found {
            Ok((kept, origin)) => (kept.of(hash).clone(), Ok(origin)),
            Err(refused) => (decoy, Err(refused)),
        };
        Some(Ok(Challenged { name: name.to_owned(), hash, verifier, of }))
    }

    /// The verifiers of the built-in guest, whose password everybody knows.
    pub(crate) fn derive_guest(&self, iterations: Iterations) -> Result<(), getrandom::Error> {
        let known = || self.scram_guest.get().map(drop);
        let _turn = match self.hashing.turn(None, known) {
            Waited::Known(()) => return Ok(()),
            Waited::Turn(turn) => turn,
        };
        let verifiers = Verifiers::derive(&Secret::new(GUEST), iterations)?;
        // Another thread's are as good.
        self.scram_guest.set(verifiers).ok();
        Ok(())
    }

    /// Whether a client proved who it is. A password that was changed since it was asked is not
    /// proved by the old one.
    pub(crate) fn scram_verdict(
        &self,
        challenged: Challenged,
        auth_message: &[u8],
        proof: &[u8],
        peer: Peer,
    ) -> Result<User, Refused> {
        let is_proved = challenged.verifier.is_proved(auth_message, proof);
        let now = (self.clock)();
        let Challenged { name, hash, verifier, of } = challenged;
        let shortened = || name.chars().take(80).collect::<String>();
        let mut state = self.fresh_state();
        // Many may have been asked at once.
        if let Some(wait) = state.throttle.wait(&name, peer, now) {
            return Err(Refused::TooManyFailures { name: shortened(), wait });
        }
        let other = Refused::Credentials { name: shortened() };
        let user = match (of, state.content.users.get(&name)) {
            (Ok(Origin::Operator), Some(entry)) => match &entry.scram {
                Some(kept) if *kept.of(hash) == verifier => Ok(entry.user(&name)),
                _ => Err(other),
            },
            (Ok(Origin::BuiltIn), None) => Ok(User::guest()),
            (Ok(_), _) => Err(other),
            (Err(refused), _) => Err(refused),
        };
        let verdict = match is_proved {
            true => user,
            false => user.and(Err(Refused::Credentials { name: shortened() })),
        };
        match &verdict {
            Ok(_) => state.throttle.succeeded(&name, peer),
            Err(_) => state.throttle.failed(&name, peer, now),
        }
        verdict
    }
}
