//! Codes that were sent to addresses and not typed yet. In memory: after a start of the server one
//! asks again. Few at once, few tries, and few a day to one address, so that nobody is flooded
//! with codes by who only knows where they read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::refusal::Refusal;
use crate::limits::{CODE_AGE_MAX, CODE_TRIES_MAX, CODES_A_DAY_MAX, CODES_MAX, CODES_OF_ONE_MAX};

#[derive(Debug, Default)]
pub(crate) struct Codes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By owner and destination.
    waiting: HashMap<(String, String), Waiting>,
    /// Who had some sent, and where to, lately.
    sent: VecDeque<(Instant, String, String)>,
}

#[derive(Debug)]
struct Waiting {
    code: String,
    tries: u32,
    since: Instant,
}

impl Codes {
    /// A new code for an owner's address, in the place of one that waits. `place` is the same for
    /// all ways of writing the address.
    ///
    /// # Errors
    /// So many were sent that no more are now.
    pub(crate) fn begin(
        &self,
        asker: &str,
        owner: &str,
        id: &str,
        place: &str,
    ) -> Result<String, Refusal> {
        let code = random_code().map_err(|error| {
            tracing::error!(error, "no code can be made");
            Refusal::unavailable("No code can be made now; try again.")
        })?;
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.retain(|_, it| now.duration_since(it.since) < CODE_AGE_MAX);
        state.sent.retain(|(at, ..)| now.duration_since(*at) < DAY);
        let count = |same: fn(&(Instant, String, String)) -> &str, it: &str| {
            state.sent.iter().filter(|sent| same(sent) == it).count()
        };
        let of_asker = count(|(_, asker, _)| asker, asker);
        if of_asker >= CODES_A_DAY_MAX {
            return Err(Refusal::later("You had many codes sent today; go on tomorrow.", 3600));
        }
        if state.sent.len() >= SENT_MAX {
            return Err(Refusal::unavailable("Too many codes were sent today; go on tomorrow."));
        }
        if count(|(.., place)| place, place) >= CODES_TO_ONE_MAX {
            let said = "This address got several codes today; use the last one, or go on tomorrow.";
            return Err(Refusal::later(said, 3600));
        }
        let key = (owner.to_owned(), id.to_owned());
        let of_owner = state.waiting.keys().filter(|(other, _)| other == owner).count();
        let is_new = !state.waiting.contains_key(&key);
        if is_new && (of_owner >= CODES_OF_ONE_MAX || state.waiting.len() >= CODES_MAX) {
            let said = "Too many codes wait to be typed; type those, or wait a quarter of an hour.";
            return Err(Refusal::later(said, CODE_AGE_MAX.as_secs()));
        }
        state.sent.push_back((now, asker.to_owned(), place.to_owned()));
        state.waiting.insert(key, Waiting { code: code.clone(), tries: 0, since: now });
        Ok(code)
    }

    /// The destinations of an owner that wait for their code.
    pub(crate) fn waiting(&self, owner: &str) -> Vec<String> {
        let now = Instant::now();
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_owner = state.waiting.iter().filter(|((other, _), it)| {
            other == owner && now.duration_since(it.since) < CODE_AGE_MAX
        });
        let mut all: Vec<String> = of_owner.map(|((_, id), _)| id.clone()).collect();
        all.sort();
        all
    }

    /// Whether the code is right; then it is used up. Blanks and hyphens do not count.
    ///
    /// # Errors
    /// It is wrong, too old, or was tried too often.
    pub(crate) fn check(&self, owner: &str, id: &str, typed: &str) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (owner.to_owned(), id.to_owned());
        let gone = || Refusal::unfit("No code waits for this address; have a new one sent.");
        let waiting = state.waiting.get_mut(&key).ok_or_else(gone)?;
        waiting.tries += 1;
        if now.duration_since(waiting.since) >= CODE_AGE_MAX || waiting.tries > CODE_TRIES_MAX {
            state.waiting.remove(&key);
            return Err(gone());
        }
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let is_right = digits(typed).as_bytes().ct_eq(digits(&waiting.code).as_bytes());
        if !bool::from(is_right) {
            let left = CODE_TRIES_MAX - waiting.tries;
            return Err(Refusal::unfit(format!("This is not the code; {left} more tries.")));
        }
        state.waiting.remove(&key);
        Ok(())
    }
}

/// `4711-0815`, each as likely as any other.
fn random_code() -> Result<String, String> {
    loop {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        let number = u32::from_le_bytes(bytes);
        // The last, incomplete stretch would make some likelier.
        if number < u32::MAX - u32::MAX % CODES {
            let number = number % CODES;
            return Ok(format!("{:04}-{:04}", number / 10_000, number % 10_000));
        }
    }
}

const CODES: u32 = 100_000_000;
const CODES_TO_ONE_MAX: usize = 5;
/// All that are remembered as sent, of everybody.
const SENT_MAX: usize = 50_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(codes: &Codes, asker: &str, id: &str) -> Result<String, Refusal> {
        codes.begin(asker, asker, id, id)
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_is_good_once_for_its_address_and_for_a_quarter_of_an_hour() {
        let codes = Codes::default();
        let code = begin(&codes, "ada", "mail:a@b.org").unwrap();
        assert_eq!(codes.waiting("ada"), ["mail:a@b.org"]);
        assert!(codes.check("bob", "mail:a@b.org", &code).is_err());
        assert!(codes.check("ada", "mail:other@b.org", &code).is_err());
        codes.check("ada", "mail:a@b.org", &code.replace('-', " ")).unwrap();
        assert!(codes.check("ada", "mail:a@b.org", &code).is_err(), "it is used up");
        let code = begin(&codes, "ada", "mail:a@b.org").unwrap();
        tokio::time::advance(CODE_AGE_MAX).await;
        assert!(codes.waiting("ada").is_empty());
        assert!(codes.check("ada", "mail:a@b.org", &code).is_err(), "it is old");
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_cannot_be_guessed() {
        let codes = Codes::default();
        let code = begin(&codes, "ada", "ntfy:x").unwrap();
        let wrong = if code == "0000-0000" { "1111-1111" } else { "0000-0000" };
        for _ in 0..CODE_TRIES_MAX {
            assert!(codes.check("ada", "ntfy:x", wrong).is_err());
        }
        assert!(codes.check("ada", "ntfy:x", &code).is_err(), "tried too often");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_flooded_and_memory_has_an_end() {
        let codes = Codes::default();
        for _ in 0..CODES_TO_ONE_MAX {
            begin(&codes, "ada", "mail:victim@b.org").unwrap();
        }
        assert!(begin(&codes, "ada", "mail:victim@b.org").is_err());
        assert!(codes.begin("bob", "bob", "mail:v@b.org", "mail:victim@b.org").is_err());
        for number in 1..CODES_OF_ONE_MAX {
            begin(&codes, "ada", &format!("ntfy:{number}")).unwrap();
        }
        assert!(begin(&codes, "ada", "ntfy:more").is_err(), "too many wait");
        tokio::time::advance(DAY).await;
        begin(&codes, "ada", "mail:victim@b.org").unwrap();
    }
}
