//! A login: a digit for the mechanism, and a message in each line, in which `$` is the challenge's
//! nonce. Whatever it is, it is answered, and gets nobody in who does not know a password.
#![no_main]

use std::sync::{Arc, LazyLock};

use auth::{
    Iterations, Options, Peer, Secret, Users,
    sasl::{self, Context, Exchange, Step},
};

static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("tubepost-fuzz-{}.json", std::process::id()));
    let users = Users::open(path).expect("there is no such file yet");
    let options = Options { scram: Iterations::new(Iterations::MIN), ..Options::default() };
    let users = users.with_options(options);
    let password = Secret::generate().expect("the system has randomness");
    users.add("ada", &password).expect("the directory can be written to");
    Context { users: Arc::new(users), peer: Peer::Remote, certificate: None }
});

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((&number, messages)) = octets.split_first() else { return };
    let mechanism = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"][usize::from(number % 3)];
    let offered = sasl::offered(&CONTEXT);
    let mut exchange =
        Exchange::start(mechanism, &offered, CONTEXT.clone()).ok().expect("it is offered");
    let mut nonce = Vec::new();
    for message in messages.split(|octet| *octet == b'\n') {
        let message = message.split(|octet| *octet == b'$').collect::<Vec<_>>().join(&nonce[..]);
        match exchange.step(Some(&message)) {
            Step::Challenge(challenge) => {
                assert!(challenge.len() <= 400 && challenge.is_ascii());
                let first = challenge[2..].split(|octet| *octet == b',').next();
                nonce = first.unwrap_or_default().to_vec();
            }
            Step::Success(success) => panic!("{:?}", success.user),
            // A password's hash takes its time.
            Step::Check(_) => break,
            Step::Failure(failure) => assert!(!failure.to_string().is_empty()),
        }
    }
});
